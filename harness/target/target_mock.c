// SPDX-License-Identifier: Apache-2.0
// mock:KIND - a target that needs no model: for trying suites, gates and CI files, and for testing
// assay itself. KIND says what it answers:
//   echo    the last user message (generate), the first choice (choice)
//   first   the first choice, or an empty text
//   random  a choice by seed and case id
// Keys: latency_ms=N sleeps that long; fail_every=N makes every Nth case (by hash of its id) an
// error; seed=N.
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "harness/base/clock.h"
#include "harness/base/rng.h"
#include "harness/base/sha256.h"
#include "harness/target/target.h"

typedef enum mock_kind { MOCK_ECHO, MOCK_FIRST, MOCK_RANDOM } mock_kind;

struct as_target {
    as_arena arena;
    mock_kind kind;
    int64_t latency_ms, fail_every, seed;
    as_target_info info;
};

struct as_target_worker {
    const as_target *target;
};

static void mock_close(as_target *t) {
    as_arena_free(&t->arena);
    free(t);
}

static as_rc mock_open(as_str uri, as_str base_dir, as_target **out, as_err *err) {
    (void)base_dir;
    static const char *const keys[] = {"latency_ms", "fail_every", "seed", NULL};
    static const char *const kinds[] = {"echo", "first", "random", NULL};
    as_target *t = as_mem_new(sizeof *t);
    as_target_uri parsed = {0};
    as_rc rc = as_target_uri_parse(&t->arena, uri, keys, &parsed, err);
    size_t kind = 0;
    while (!rc && kinds[kind] && !as_str_is(parsed.rest, kinds[kind])) kind++;
    if (!rc && !kinds[kind])
        rc =
            as_fail(err, AS_INVALID, "target '%.*s': expected mock:echo, mock:first or mock:random",
                    AS_STR_ARG(uri));
    t->kind = (mock_kind)kind;
    if (!rc) rc = as_target_uri_count(uri, &parsed, "latency_ms", 0, 60000, &t->latency_ms, err);
    if (!rc) rc = as_target_uri_count(uri, &parsed, "fail_every", 1, 1 << 30, &t->fail_every, err);
    if (!rc) rc = as_target_uri_count(uri, &parsed, "seed", 0, INT64_MAX, &t->seed, err);
    if (rc) {
        mock_close(t);
        return rc;
    }
    t->info = (as_target_info){.uri = as_str_copy(&t->arena, uri),
                               .model_sha256 = AS_STR(""),
                               .model_name = AS_STR("mock"),
                               .device = AS_STR("mock"),
                               .engine = AS_STR("mock")};
    *out = t;
    return AS_OK;
}

static const as_target_info *mock_info(const as_target *t) {
    return &t->info;
}

static as_rc mock_worker_new(as_target *t, as_target_worker **out, as_err *err) {
    (void)err;
    *out = as_mem_new(sizeof **out);
    (*out)->target = t;
    return AS_OK;
}

static void mock_worker_free(as_target_worker *worker) {
    free(worker);
}

static void mock_answer(as_target_worker *w, as_arena *arena, const as_request *request,
                        as_answer *out) {
    const as_target *t = w->target;
    uint64_t start_ns = as_clock_ns();
    *out = (as_answer){.outcome = AS_OUT_OK, .ttft_ms = NAN, .attempts = 1};
    as_str last =
        request->message_count ? request->messages[request->message_count - 1].content : AS_STR("");
    out->prompt_sha256 = as_sha256_of(arena, last);
    if (t->latency_ms) {
        struct timespec pause = {t->latency_ms / 1000, t->latency_ms % 1000 * 1000000};
        nanosleep(&pause, NULL);
    }
    as_rng rng = as_rng_of((uint64_t)t->seed,
                           as_str_hash(as_sample_key(arena, request->id, request->sample)));
    if (t->fail_every && as_rng_below(&rng, (uint64_t)t->fail_every) == 0) {
        out->outcome = AS_OUT_BAD_RESPONSE;
        out->error = AS_STR("mock failure");
    } else if (request->task == AS_TASK_CHOICE) {
        if (t->kind == MOCK_RANDOM) out->best = as_rng_below(&rng, request->choice_count);
        out->output = request->choices[out->best];
    } else {
        out->output = t->kind == MOCK_ECHO ? last : AS_STR("");
    }
    out->latency_ms = (double)(as_clock_ns() - start_ns) / 1e6;
}

const as_target_ops as_target_mock = {
    .scheme = "mock",
    .syntax = "mock:echo|first|random[?latency_ms=N&fail_every=N&seed=N]",
    .open = mock_open,
    .info = mock_info,
    .worker_new = mock_worker_new,
    .answer = mock_answer,
    .worker_free = mock_worker_free,
    .close = mock_close,
};
