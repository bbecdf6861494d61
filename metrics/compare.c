// SPDX-License-Identifier: Apache-2.0
// compare.c - as_compare: every metric of two runs, over the cases that both answered.
#include <math.h>

#include "metrics/change.h"
#include "metrics/gate.h"

// Enough for an interval to be read; a gate's verdict takes more (gate.c).
enum { REPLICATES = 1999 };

typedef struct comparison {
    as_arena *arena;
    as_scorer *a, *b;
    const as_metric **a_metrics, **b_metrics; // [count] those that both have
    size_t count;
    as_delta *deltas;
    size_t delta_count;
} comparison;

static void compare_slice(comparison *c, as_str slice) {
    as_arena scratch = {0};
    as_pairs pairs = as_pair_list(c->a, c->b, slice);
    as_change *changes = AS_NEW_ARRAY(&scratch, as_change, c->count + 1);
    as_change_how how = {.replicates = REPLICATES};
    as_change_of(&pairs, c->a_metrics, c->b_metrics, c->count, &how, changes);
    as_str kept = as_str_copy(c->arena, slice);
    for (size_t i = 0; i < c->count; i++) {
        const as_change *change = &changes[i];
        c->deltas[c->delta_count++] = (as_delta){
            .name = as_str_copy(c->arena, c->b_metrics[i]->name),
            .slice = kept,
            .a = change->a,
            .b = change->b,
            .delta = change->delta,
            .ci = change->ci95,
            .p = change->p_any,
            .p_drop = change->p_drop,
            .q = NAN,
            .mde = change->mde,
            .broke = change->broke,
            .fixed = change->fixed,
            .n = change->n,
            .method = change->method,
        };
    }
    as_arena_free(&scratch);
}

void as_compare(as_arena *arena, as_scorer *a, as_scorer *b, bool slices, const as_delta **out,
                size_t *count) {
    as_arena scratch = {0};
    as_rows_seal(a);
    as_rows_seal(b);
    comparison c = {.arena = arena, .a = a, .b = b};
    c.a_metrics = AS_NEW_ARRAY(&scratch, const as_metric *, b->metric_count + 1);
    c.b_metrics = AS_NEW_ARRAY(&scratch, const as_metric *, b->metric_count + 1);
    for (size_t i = 0; i < b->metric_count; i++) {
        const as_metric *mine = &b->metrics[i], *other = as_rows_metric(a, mine->name);
        if (!other || !as_change_same(other, mine)) continue;
        c.a_metrics[c.count] = other;
        c.b_metrics[c.count++] = mine;
    }
    size_t slice_count = slices ? b->slices.count : 0;
    c.deltas = AS_NEW_ARRAY(arena, as_delta, as_size_mul(c.count, slice_count + 1) + 1);
    compare_slice(&c, AS_STR(""));
    for (size_t i = 0; i < slice_count; i++) compare_slice(&c, b->slices.sorted[i]);
    *out = c.deltas;
    *count = c.delta_count;
    as_arena_free(&scratch);
}
