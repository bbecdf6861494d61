// SPDX-License-Identifier: Apache-2.0
// replay:FILE.jsonl - answers that were recorded before: {"id": ..., "output": ...} a line, as in
// results.jsonl. `sample`, `outcome`, `latency_ms`, `ttft_ms`, `tokens_in`, `tokens_out`, `choices`
// and `choice_logprobs` (`unconditional_logprobs`) are taken over where they stand, and the details
// of sample.h: `tool_calls`, `finish_reason`, `trace`, `skill_calls`, `guardrails`.
#include <math.h>
#include <stdlib.h>

#include "harness/base/keyset.h"
#include "harness/base/sha256.h"
#include "harness/record/journal.h"
#include "harness/target/target.h"

// Lines are copied, to where little memory is needed however many they are: the recording may be
// the very journal that this run overwrites.
struct as_target {
    as_arena arena;
    as_spill lines;   // each behind its length
    as_keyset places; // id and answer -> place in `lines`
    as_target_info info;
};

struct as_target_worker {
    const as_target *target;
};

static void replay_close(as_target *t) {
    as_keyset_free(&t->places);
    as_spill_free(&t->lines);
    as_arena_free(&t->arena);
    free(t);
}

static as_rc keep(void *context, const as_sample *sample, as_err *err) {
    as_target *t = context;
    uint64_t at = as_spill_size(&t->lines), len = sample->source.len;
    if (!as_keyset_add(&t->places, sample->id, sample->sample, at, NULL))
        return as_fail(err, AS_INVALID, "id '%.*s' stands twice", AS_STR_ARG(sample->id));
    as_spill_add(&t->lines, &len, sizeof len);
    as_spill_add(&t->lines, sample->source.ptr, sample->source.len);
    return AS_OK;
}

// False: there is none. What was read once can be read again.
static bool recall(const as_target *t, as_arena *arena, const as_request *request, as_sample *out) {
    uint64_t at, len;
    if (!as_keyset_get(&t->places, request->id, request->sample, &at)) return false;
    as_spill_read(&t->lines, at, &len, sizeof len);
    char *line = as_arena_take(arena, (size_t)len + 1);
    as_spill_read(&t->lines, at + sizeof len, line, (size_t)len);
    return as_sample_read(arena, (as_str){line, (size_t)len}, out, NULL) == AS_OK;
}

static as_rc replay_open(as_str uri, as_str base_dir, as_target **out, as_err *err) {
    static const char *const keys[] = {NULL};
    as_target *t = as_mem_new(sizeof *t);
    as_target_uri parsed;
    as_rc rc = as_target_uri_parse(&t->arena, uri, keys, &parsed, err);
    if (!rc) rc = as_journal_read(as_path_join(&t->arena, base_dir, parsed.rest).ptr, keep, t, err);
    if (!rc && !t->places.count)
        rc = as_fail(err, AS_INVALID, "target '%.*s': the recording is empty", AS_STR_ARG(uri));
    if (rc) {
        replay_close(t);
        return rc;
    }
    t->info = (as_target_info){.uri = as_str_copy(&t->arena, uri),
                               .model_sha256 = AS_STR(""),
                               .model_name = AS_STR("recording"),
                               .device = AS_STR("replay"),
                               .engine = AS_STR("replay")};
    *out = t;
    return AS_OK;
}

static const as_target_info *replay_info(const as_target *t) {
    return &t->info;
}

static as_rc replay_worker_new(as_target *t, as_target_worker **out, as_err *err) {
    (void)err;
    *out = as_mem_new(sizeof **out);
    (*out)->target = t;
    return AS_OK;
}

static void replay_worker_free(as_target_worker *worker) {
    free(worker);
}

// Scores of the recording in the order of the request's choices; false when one is missing.
static bool take_logprobs(as_arena *arena, const as_sample *s, const as_request *request,
                          as_answer *out) {
    const double *recorded = request->alone ? s->unconditional_logprobs : s->choice_logprobs;
    if (!recorded) return false;
    double *logprobs = AS_NEW_ARRAY(arena, double, request->choice_count);
    for (size_t i = 0; i < request->choice_count; i++) {
        size_t at = 0;
        while (at < s->choice_count && !as_str_eq(s->choices[at], request->choices[i])) at++;
        if (at == s->choice_count) return false;
        logprobs[i] = recorded[at];
        if (logprobs[i] > logprobs[out->best]) out->best = i;
    }
    out->choice_logprobs = logprobs;
    out->output = request->choices[out->best];
    return true;
}

static void replay_answer(as_target_worker *w, as_arena *arena, const as_request *request,
                          as_answer *out) {
    *out = (as_answer){.outcome = AS_OUT_BAD_RESPONSE, .ttft_ms = NAN, .attempts = 1};
    as_sha256 sha;
    as_sha256_init(&sha);
    for (size_t i = 0; i < request->message_count; i++)
        as_sha256_add(&sha, request->messages[i].content.ptr, request->messages[i].content.len);
    char hex[65];
    as_sha256_hex(&sha, hex);
    out->prompt_sha256 = as_str_copy(arena, (as_str){hex, 64});

    as_sample recorded;
    const as_sample *s = &recorded;
    if (!recall(w->target, arena, request, &recorded)) {
        out->error = AS_STR("the recording has no answer for this id");
        if (request->sample)
            out->error = as_strf(arena, "the recording has no answer %llu for this id",
                                 (unsigned long long)request->sample + 1);
        return;
    }
    out->outcome = s->outcome;
    out->error = s->error;
    out->output = s->output;
    out->latency_ms = s->latency_ms;
    out->ttft_ms = s->ttft_ms;
    out->tokens_in = s->tokens_in;
    out->tokens_out = s->tokens_out;
    out->has_logprob = s->has_logprob;
    out->logprob = s->logprob;
    out->logprob_tokens = s->logprob_tokens;
    out->token_logprobs = s->token_logprobs;
    out->greedy = s->greedy;
    out->details = as_sample_details_of(arena, s->line);
    bool scores = request->task == AS_TASK_LOGLIKELIHOOD || request->task == AS_TASK_ROLLING;
    if (scores && s->outcome == AS_OUT_OK && !s->has_logprob) {
        out->outcome = AS_OUT_BAD_RESPONSE;
        out->error = AS_STR("the recording has no 'logprob' for this id");
    }
    if (request->task != AS_TASK_CHOICE || take_logprobs(arena, s, request, out)) return;
    if (request->alone) {
        out->outcome = AS_OUT_BAD_RESPONSE;
        out->error = AS_STR("the recording has no 'unconditional_logprobs' for this id");
        return;
    }
    for (size_t i = 0; i < request->choice_count; i++) {
        if (!as_str_eq(as_str_trim(s->output), request->choices[i])) continue;
        out->best = i;
        return;
    }
    out->best = SIZE_MAX; // an answer that is none of the choices: wrong, not missing
}

const as_target_ops as_target_replay = {
    .scheme = "replay",
    .scores_texts = true,
    .templates = true,
    .constrains = true, // what was recorded under one
    .tells_odds = true,
    .syntax = "replay:FILE.jsonl",
    .open = replay_open,
    .info = replay_info,
    .worker_new = replay_worker_new,
    .answer = replay_answer,
    .worker_free = replay_worker_free,
    .close = replay_close,
};
