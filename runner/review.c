// SPDX-License-Identifier: Apache-2.0
#include "runner/review.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/gate.h"
#include "runner/git.h"

typedef struct reading {
    as_arena *arena;
    as_scorer *now, *base_scorer; // what several answers to a case come to
    as_failing failing;
    as_flip *flips;
    size_t flip_count;
    as_map flip_ids; // id -> index in flips
} reading;

// Cases of both runs that were right in one of them, by the first metric, the first in the order of
// their ids; their texts are read later.
static void find_flips(reading *r) {
    as_scorer_pairs *pairs = as_scorer_pairs_open(r->base_scorer, r->now);
    as_scorer_pair pair;
    while (r->flip_count < AS_REVIEW_FLIPS_MAX && as_scorer_pairs_next(pairs, &pair)) {
        if (isnan(pair.a) || isnan(pair.b) || as_failing_right(pair.a) == as_failing_right(pair.b))
            continue;
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
    if (flip) flip->before = as_failing_prediction(r->arena, sample);
    return AS_OK;
}

static as_rc read_now(void *context, const as_sample *sample, as_err *err) {
    reading *r = context;
    (void)err;
    as_failing_look(&r->failing, r->now, sample);
    as_flip *flip = flip_of(r, sample);
    if (flip) {
        flip->expected = as_failing_expected(r->arena, sample);
        flip->after = as_failing_prediction(r->arena, sample);
    }
    return AS_OK;
}

static int flip_order(const void *a, const void *b) {
    const as_flip *x = a, *y = b;
    bool broke_x = as_failing_right(x->before_score), broke_y = as_failing_right(y->before_score);
    if (broke_x != broke_y) return broke_x ? -1 : 1;
    return as_str_cmp(x->id, y->id);
}

as_rc as_review_cases(as_arena *arena, const as_plan *plan, const as_map *wanted,
                      as_review_case *out, as_err *err) {
    as_dataset *dataset = NULL;
    as_rc rc = wanted->count ? as_dataset_open(&plan->dataset, &dataset, err) : AS_OK;
    as_arena scratch = {0};
    bool more = dataset;
    size_t left = wanted->count;
    as_str file = AS_STR(""), place = AS_STR("");
    while (!rc && more && left) {
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
            as_str whole = request.messages[request.message_count - 1].content;
            as_str input = as_str_copy(arena, as_str_sub(whole, 0, AS_FAILING_TEXT_MAX));
            out[at] = (as_review_case){input, place, c.line};
            left--;
        }
        as_arena_reset(&scratch);
    }
    if (dataset) as_dataset_close(dataset);
    as_arena_free(&scratch);
    return rc;
}

// Inputs and places of the cases that are shown.
static as_rc fetch_cases(reading *r, const as_findings *found, as_failure *failures,
                         const as_plan *plan, as_err *err) {
    as_map wanted = {0};
    as_review_case *cases =
        AS_NEW_ARRAY(r->arena, as_review_case, found->failure_count + found->flip_count);
    for (size_t i = 0; i < found->failure_count; i++)
        as_map_add(&wanted, failures[i].id, wanted.count, NULL);
    for (size_t i = 0; i < r->flip_count; i++)
        as_map_add(&wanted, r->flips[i].id, wanted.count, NULL);
    as_rc rc = as_review_cases(r->arena, plan, &wanted, cases, err);
    uint64_t at;
    for (size_t i = 0; i < found->failure_count; i++) {
        as_failure *f = &failures[i];
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
    r.flips = AS_NEW_ARRAY(arena, as_flip, AS_REVIEW_FLIPS_MAX);
    as_rc rc = AS_OK;
    if (base_source) find_flips(&r);
    if (r.flip_count) rc = as_source_visit(base_source, read_base, &r, err);
    const as_failing *failing = source->failing;
    if (!failing || failing->any_several || r.flip_count) {
        failing = &r.failing;
        if (!rc) rc = as_source_visit(source, read_now, &r, err);
    }
    as_failure *failures = as_failing_items(failing, arena);
    as_findings found = {.failures = failures,
                         .failure_count = failing->count,
                         .failure_total = failing->total,
                         .flips = r.flips,
                         .flip_count = r.flip_count};
    if (!rc && r.flip_count) qsort(r.flips, r.flip_count, sizeof *r.flips, flip_order);
    if (!rc && plan) rc = fetch_cases(&r, &found, failures, plan, err);
    if (!rc) {
        as_scorer_confusion(now, arena, &found.confusion);
        as_scorer_latencies(now, arena, &found.latencies_ms, &found.latency_count);
        if (base) as_compare(arena, base, now, true, &found.deltas, &found.delta_count);
        *out = found;
    }
    as_failing_free(&r.failing);
    as_map_free(&r.flip_ids);
    return rc;
}
