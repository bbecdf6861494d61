// SPDX-License-Identifier: Apache-2.0
#include "runner/review.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/keyset.h"
#include "metrics/gate.h"
#include "runner/git.h"

// Failing cases in the byte order of their ids, the first AS_REVIEW_FAILURES_MAX kept.
typedef struct reading {
    as_arena *arena;
    as_scorer *now, *base_scorer; // what several answers to a case come to
    as_failure *failures;         // sorted by id
    size_t failure_count;
    uint64_t failure_total;
    as_keyset failing; // ids of failing cases, where they have several answers
    as_flip *flips;
    size_t flip_count;
    as_map flip_ids; // id -> index in flips
} reading;

static double first_score(const as_sample *sample) {
    return sample->score_count ? sample->scores[0].value : NAN;
}

// Over all answers where there are several.
static double case_score(as_scorer *scorer, const as_sample *sample) {
    return sample->samples > 1 && scorer ? as_scorer_case(scorer, sample->id) : first_score(sample);
}

static as_str clip(as_arena *arena, as_str text) {
    return as_str_copy(arena, as_str_sub(text, 0, AS_REVIEW_INPUT_MAX));
}

static as_str expected_text(as_arena *arena, const as_sample *sample) {
    if (!sample->expected) return AS_STR("");
    return clip(arena, as_json_plain(arena, sample->expected));
}

static as_str prediction_text(as_arena *arena, const as_sample *sample) {
    if (as_outcome_is_error(sample->outcome)) return as_str_of(as_outcome_name(sample->outcome));
    return sample->has_prediction ? clip(arena, sample->prediction) : AS_STR("(none)");
}

// How much more likely the model held its choice than the reference.
static double margin_of(const as_sample *sample) {
    if (!sample->choice_logprobs || !sample->expected) return NAN;
    double best = NAN, reference = NAN;
    for (size_t i = 0; i < sample->choice_count; i++) {
        if (as_str_eq(sample->choices[i], sample->prediction)) best = sample->choice_logprobs[i];
        if (as_str_eq(sample->choices[i], sample->expected->text))
            reference = sample->choice_logprobs[i];
    }
    return best - reference;
}

static as_failure failure_of(const reading *r, const as_sample *sample) {
    as_arena *arena = r->arena;
    as_str *slices = AS_NEW_ARRAY(arena, as_str, sample->slice_count);
    for (size_t i = 0; i < sample->slice_count; i++)
        slices[i] = as_str_copy(arena, sample->slices[i]);
    return (as_failure){
        .id = as_str_copy(arena, sample->id),
        .input = AS_STR(""),
        .expected = expected_text(arena, sample),
        .prediction = prediction_text(arena, sample),
        .output = clip(arena, sample->output),
        .error = clip(arena, sample->error),
        .outcome = sample->outcome,
        .score = case_score(r->now, sample),
        .sample = sample->sample,
        .margin = margin_of(sample),
        .slices = slices,
        .slice_count = sample->slice_count,
    };
}

// Of several answers to a case the first that failed is shown, with the score of them all.
static bool is_known(reading *r, const as_sample *sample) {
    if (sample->samples < 2) return false;
    bool known = !as_keyset_add(&r->failing, sample->id, 0, 0, NULL);
    for (size_t i = 0; known && i < r->failure_count; i++) {
        as_failure *f = &r->failures[i];
        if (!as_str_eq(f->id, sample->id) || f->sample <= sample->sample) continue;
        *f = failure_of(r, sample);
        break;
    }
    return known;
}

// Keeps the list sorted; what falls off the end is only counted. Arrival order decides nothing.
static void keep_failure(reading *r, const as_sample *sample) {
    if (is_known(r, sample)) return;
    r->failure_total++;
    size_t at = r->failure_count;
    while (at > 0 && as_str_cmp(sample->id, r->failures[at - 1].id) < 0) at--;
    if (at == AS_REVIEW_FAILURES_MAX) return;
    if (r->failure_count < AS_REVIEW_FAILURES_MAX) r->failure_count++;
    memmove(&r->failures[at + 1], &r->failures[at],
            (r->failure_count - 1 - at) * sizeof *r->failures);
    r->failures[at] = failure_of(r, sample);
}

static bool is_right(double score) {
    return score >= 1;
}

// Cases of both runs that were right in one of them, by the first metric, the first in the order of
// their ids; their texts are read later.
static void find_flips(reading *r) {
    as_scorer_pairs *pairs = as_scorer_pairs_open(r->base_scorer, r->now);
    as_scorer_pair pair;
    while (r->flip_count < AS_REVIEW_FLIPS_MAX && as_scorer_pairs_next(pairs, &pair)) {
        if (isnan(pair.a) || isnan(pair.b) || is_right(pair.a) == is_right(pair.b)) continue;
        as_str id = as_str_copy(r->arena, pair.id);
        as_map_add(&r->flip_ids, id, r->flip_count, NULL);
        r->flips[r->flip_count++] = (as_flip){
            .id = id,
            .input = AS_STR(""),
            .expected = AS_STR(""),
            .before = AS_STR(""),
            .after = AS_STR(""),
            .before_score = pair.a,
            .after_score = pair.b,
        };
    }
    as_scorer_pairs_close(pairs);
}

static as_flip *flip_of(const reading *r, const as_sample *sample) {
    uint64_t at;
    if (sample->sample || !as_map_get(&r->flip_ids, sample->id, &at)) return NULL;
    return &r->flips[at];
}

static as_rc read_base(void *context, const as_sample *sample, as_err *err) {
    reading *r = context;
    (void)err;
    as_flip *flip = flip_of(r, sample);
    if (flip) flip->before = prediction_text(r->arena, sample);
    return AS_OK;
}

static as_rc read_now(void *context, const as_sample *sample, as_err *err) {
    reading *r = context;
    (void)err;
    if (!is_right(first_score(sample))) keep_failure(r, sample);
    as_flip *flip = flip_of(r, sample);
    if (flip) {
        flip->expected = expected_text(r->arena, sample);
        flip->after = prediction_text(r->arena, sample);
    }
    return AS_OK;
}

static int flip_order(const void *a, const void *b) {
    const as_flip *x = a, *y = b;
    bool broke_x = is_right(x->before_score), broke_y = is_right(y->before_score);
    if (broke_x != broke_y) return broke_x ? -1 : 1;
    return as_str_cmp(x->id, y->id);
}

as_rc as_review_cases(as_arena *arena, const as_plan *plan, const as_map *wanted,
                      as_review_case *out, as_err *err) {
    as_dataset *dataset;
    as_rc rc = as_dataset_open(&plan->dataset, &dataset, err);
    as_arena scratch = {0};
    bool more = !rc;
    as_str file = AS_STR(""), place = AS_STR("");
    while (!rc && more) {
        as_case c;
        as_request request;
        uint64_t at;
        rc = as_dataset_next(dataset, &scratch, &c, &more, err);
        if (rc || !more) break;
        if (as_map_get(wanted, c.id, &at)) {
            rc = as_plan_request(plan, &scratch, &c, &request, err);
            if (rc) break;
            if (!as_str_eq(c.file, file)) {
                file = as_str_copy(arena, c.file);
                place = as_git_path(arena, file.ptr);
            }
            as_str input = clip(arena, request.messages[request.message_count - 1].content);
            out[at] = (as_review_case){input, place, c.line};
        }
        as_arena_reset(&scratch);
    }
    if (dataset) as_dataset_close(dataset);
    as_arena_free(&scratch);
    return rc;
}

// Inputs and places of the cases that are shown.
static as_rc fetch_cases(reading *r, const as_plan *plan, as_err *err) {
    as_map wanted = {0};
    as_review_case *cases =
        AS_NEW_ARRAY(r->arena, as_review_case, r->failure_count + r->flip_count);
    for (size_t i = 0; i < r->failure_count; i++)
        as_map_add(&wanted, r->failures[i].id, wanted.count, NULL);
    for (size_t i = 0; i < r->flip_count; i++)
        as_map_add(&wanted, r->flips[i].id, wanted.count, NULL);
    as_rc rc = as_review_cases(r->arena, plan, &wanted, cases, err);
    uint64_t at;
    for (size_t i = 0; i < r->failure_count; i++) {
        as_failure *f = &r->failures[i];
        if (!as_map_get(&wanted, f->id, &at)) continue;
        f->input = cases[at].input, f->file = cases[at].file, f->line = cases[at].line;
    }
    for (size_t i = 0; i < r->flip_count; i++) {
        as_flip *f = &r->flips[i];
        if (!as_map_get(&wanted, f->id, &at)) continue;
        f->input = cases[at].input, f->file = cases[at].file, f->line = cases[at].line;
    }
    as_map_free(&wanted);
    return rc;
}

as_rc as_review(as_arena *arena, const as_source *source, as_scorer *now,
                const as_source *base_source, as_scorer *base, const as_plan *plan,
                as_findings *out, as_err *err) {
    reading r = {.arena = arena, .now = now, .base_scorer = base};
    r.failures = AS_NEW_ARRAY(arena, as_failure, AS_REVIEW_FAILURES_MAX + 1);
    r.flips = AS_NEW_ARRAY(arena, as_flip, AS_REVIEW_FLIPS_MAX);
    as_rc rc = AS_OK;
    if (base_source) find_flips(&r);
    if (r.flip_count) rc = as_source_visit(base_source, read_base, &r, err);
    if (!rc) rc = as_source_visit(source, read_now, &r, err);
    if (!rc && r.flip_count) qsort(r.flips, r.flip_count, sizeof *r.flips, flip_order);
    if (!rc && plan) rc = fetch_cases(&r, plan, err);
    if (!rc) {
        *out = (as_findings){.failures = r.failures,
                             .failure_count = r.failure_count,
                             .failure_total = r.failure_total,
                             .flips = r.flips,
                             .flip_count = r.flip_count};
        as_scorer_confusion(now, arena, &out->confusion);
        as_scorer_latencies(now, arena, &out->latencies_ms, &out->latency_count);
        if (base) as_compare(arena, base, now, true, &out->deltas, &out->delta_count);
    }
    as_keyset_free(&r.failing);
    as_map_free(&r.flip_ids);
    return rc;
}
