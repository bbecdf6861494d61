// SPDX-License-Identifier: Apache-2.0
#include "metrics/ranked.h"

#include <math.h>
#include <stdlib.h>

#include "harness/base/rng.h"

enum { SEED = 0xa55a, STREAM_ONE = 5, STREAM_PAIRED = 6, REPLICATES_LEAST = 200 };

#define WORK_MAX 4e8 // case visits of a bootstrap

double as_ranked_stat(const as_ranked *r, size_t at, size_t stat) {
    return r->stats[at * (r->columns + 1) + stat];
}

// A statistic of a case.
typedef struct entry {
    uint32_t number; // of the case
    uint32_t at;
    double value;
} entry;

// Cases while they are gathered.
typedef struct gather {
    as_arena *arena;
    uint32_t *clusters; // [count]
    double *own;        // [count] weights
    size_t count, groups, columns;
    entry *entries;
    size_t entry_count, entry_capacity;
} gather;

static gather make_gather(as_arena *arena, size_t room) {
    return (gather){.arena = arena,
                    .clusters = AS_NEW_ARRAY(arena, uint32_t, room + 1),
                    .own = AS_NEW_ARRAY(arena, double, room + 1),
                    .columns = 1};
}

// `metric` is of the row's own run.
static void add(gather *g, const as_metric *metric, const as_row *row, uint32_t cluster) {
    for (size_t k = 0; k < row->stat_count; k++) {
        size_t at = row->stats[k].at - metric->at; // wraps where it is of another metric
        if (at >= metric->width) continue;
        if (at > g->columns) g->columns = at;
        if (g->entry_count == g->entry_capacity) {
            g->entry_capacity = g->entry_capacity ? 2 * g->entry_capacity : 256;
            g->entries =
                as_mem_grow(g->entries, as_size_mul(g->entry_capacity, sizeof *g->entries));
        }
        g->entries[g->entry_count++] =
            (entry){(uint32_t)g->count, (uint32_t)at, row->stats[k].value};
    }
    g->own[g->count] = row->weight;
    g->clusters[g->count++] = cluster;
}

typedef struct place {
    double score;
    uint32_t number;
} place;

static int by_falling_score(const void *a, const void *b) {
    const place *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return (x->number > y->number) - (x->number < y->number);
}

static as_ranked rank(gather *g) {
    as_ranked r = {.count = g->count, .columns = g->columns};
    double *stats = AS_NEW_ARRAY(g->arena, double, as_size_mul(g->count, r.columns + 1) + 1);
    uint32_t *order = AS_NEW_ARRAY(g->arena, uint32_t, as_size_mul(g->count, r.columns) + 1);
    place *places = AS_NEW_ARRAY(g->arena, place, g->count + 1);
    for (size_t i = 0; i < g->entry_count; i++)
        stats[g->entries[i].number * (r.columns + 1) + g->entries[i].at] = g->entries[i].value;
    free(g->entries);
    g->entries = NULL;
    r.stats = stats;
    for (size_t c = 0; c < r.columns; c++) {
        for (size_t i = 0; i < g->count; i++)
            places[i] = (place){as_ranked_stat(&r, i, c + 1), (uint32_t)i};
        if (g->count) qsort(places, g->count, sizeof *places, by_falling_score);
        for (size_t i = 0; i < g->count; i++) order[c * g->count + i] = places[i].number;
    }
    r.order = order;
    return r;
}

static void draw(as_rng *rng, uint32_t *times, size_t groups) {
    for (size_t c = 0; c < groups; c++) times[c] = 0;
    for (size_t c = 0; c < groups; c++) times[((as_rng_u64(rng) >> 32) * groups) >> 32]++;
}

size_t as_ranked_estimate(as_arena *arena, const as_scorer *scorer, const as_metric *metric,
                          uint32_t slice, size_t most, double *value, double *replicates) {
    gather g = make_gather(arena, scorer->row_count);
    as_groups groups = as_rows_groups(arena, scorer);
    as_rows_cursor cursor = as_rows_cases(scorer);
    const as_row *row;
    while ((row = as_rows_next(&cursor)))
        if (as_rows_in_slice(row, slice) && !isnan(as_rows_score(metric, row)))
            add(&g, metric, row, as_rows_group(&groups, row));
    g.groups = groups.count;
    as_ranked r = rank(&g);
    r.weights = g.own;
    *value = g.count ? metric->ops->ranked(metric, &r) : NAN;
    if (g.groups < 2 || isnan(*value)) return 0;
    double room = WORK_MAX / ((double)g.count * (double)r.columns);
    size_t count = room < REPLICATES_LEAST ? REPLICATES_LEAST : (size_t)fmin(room, 1e9);
    if (count > most) count = most;
    uint32_t *times = AS_NEW_ARRAY(arena, uint32_t, g.groups + 1);
    double *weights = AS_NEW_ARRAY(arena, double, g.count + 1);
    as_rng rng = as_rng_of(SEED, STREAM_ONE);
    r.weights = weights;
    for (size_t k = 0; k < count; k++) {
        draw(&rng, times, g.groups);
        for (size_t i = 0; i < g.count; i++) weights[i] = g.own[i] * times[g.clusters[i]];
        replicates[k] = metric->ops->ranked(metric, &r);
    }
    return count;
}

// Both runs stand in one order, the first half of the cases being those of run a.
typedef struct sides {
    gather gather;
    as_ranked ranked;
    double *weights;
} sides;

// The value of one side: its cases count `times` times, and where `swap` is 1 the other's do.
static double value_of_side(const sides *s, const as_metric *metric, uint32_t side,
                            const uint32_t *times, const uint32_t *swap) {
    const gather *g = &s->gather;
    for (size_t i = 0; i < g->count; i++) {
        uint32_t cluster = g->clusters[i], mine = (uint32_t)(i >= g->count / 2);
        bool counts = (mine ^ swap[cluster]) == side;
        s->weights[i] = counts ? g->own[i] * times[cluster] : 0;
    }
    return metric->ops->ranked(metric, &s->ranked);
}

static double difference(const sides *s, const as_metric *metric, const uint32_t *times,
                         const uint32_t *swap) {
    return value_of_side(s, metric, 1, times, swap) - value_of_side(s, metric, 0, times, swap);
}

static sides gather_sides(as_arena *arena, const as_pairs *pairs, const as_metric *a,
                          const as_metric *b) {
    sides s = {make_gather(arena, 2 * pairs->count), {0}, NULL};
    as_groups groups = {0};
    for (int side = 0; side < 2; side++) {
        as_pair_cursor cursor = as_pair_read(pairs);
        as_pair pair;
        groups = as_rows_groups(arena, pairs->b); // the same numbers for both sides
        while (as_pair_next(&cursor, &pair)) {
            if (pair.a->expected != pair.b->expected || isnan(as_rows_score(a, pair.a)) ||
                isnan(as_rows_score(b, pair.b)))
                continue;
            add(&s.gather, side ? b : a, side ? pair.b : pair.a, as_rows_group(&groups, pair.b));
        }
    }
    s.gather.groups = groups.count;
    s.ranked = rank(&s.gather);
    s.weights = AS_NEW_ARRAY(arena, double, s.gather.count + 1);
    s.ranked.weights = s.weights;
    return s;
}

void as_ranked_change(as_arena *arena, const as_pairs *pairs, const as_metric *a,
                      const as_metric *b, size_t replicates, double values[2], double *drawn,
                      double *swapped) {
    sides s = gather_sides(arena, pairs, a, b);
    size_t groups = s.gather.groups;
    uint32_t *times = AS_NEW_ARRAY(arena, uint32_t, groups + 1);
    uint32_t *swap = AS_NEW_ARRAY(arena, uint32_t, groups + 1);
    as_rng rng = as_rng_of(SEED, STREAM_PAIRED);
    for (size_t c = 0; c < groups; c++) times[c] = 1;
    for (uint32_t side = 0; side < 2; side++)
        values[side] = value_of_side(&s, b, side, times, swap);
    for (size_t k = 0; k < replicates; k++) {
        draw(&rng, times, groups);
        for (size_t c = 0; c < groups; c++) swap[c] = 0;
        drawn[k] = difference(&s, b, times, swap);
        for (size_t c = 0; c < groups; c++) {
            times[c] = 1;
            swap[c] = (uint32_t)(as_rng_u64(&rng) >> 63);
        }
        swapped[k] = difference(&s, b, times, swap);
    }
}
