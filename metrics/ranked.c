// SPDX-License-Identifier: Apache-2.0
#include "metrics/ranked.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"
#include "metrics/kept/segments.h"

enum { STREAM_PAIRED = 6, REPLICATES_LEAST = 200 };

#define WORK_MAX 4e8 // case visits of a bootstrap

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

// A case's score, turned into a number that falls as the score rises.
typedef struct place {
    uint64_t key;
    uint32_t number;
} place;

static uint64_t key_of(double score) {
    uint64_t bits;
    score += 0; // one zero
    memcpy(&bits, &score, sizeof bits);
    return bits >> 63 ? bits : ~bits & INT64_MAX;
}

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };

static size_t digit(uint64_t key, unsigned shift) {
    return key >> shift & (DIGITS - 1);
}

// By falling score, equal ones by number: from the last digit to the first, each in a stable pass.
static const place *sort_places(place *places, place *spare, size_t count) {
    size_t starts[DIGITS];
    for (unsigned shift = 0; shift < 64 && count; shift += DIGIT_BITS) {
        memset(starts, 0, sizeof starts);
        for (size_t i = 0; i < count; i++) starts[digit(places[i].key, shift)]++;
        if (starts[digit(places[0].key, shift)] == count) continue; // all alike
        for (size_t d = 0, at = 0; d < DIGITS; d++) {
            size_t here = starts[d];
            starts[d] = at;
            at += here;
        }
        for (size_t i = 0; i < count; i++) spare[starts[digit(places[i].key, shift)]++] = places[i];
        place *sorted = spare;
        spare = places;
        places = sorted;
    }
    return places;
}

static as_ranked rank(gather *g) {
    as_ranked r = {.count = g->count, .columns = g->columns};
    double *stats = AS_NEW_ARRAY(g->arena, double, as_size_mul(g->count, r.columns + 1) + 1);
    uint32_t *order = AS_NEW_ARRAY(g->arena, uint32_t, as_size_mul(g->count, r.columns) + 1);
    place *places = AS_NEW_ARRAY(g->arena, place, g->count + 1);
    place *spare = AS_NEW_ARRAY(g->arena, place, g->count + 1);
    for (size_t i = 0; i < g->entry_count; i++)
        stats[g->entries[i].number * (r.columns + 1) + g->entries[i].at] = g->entries[i].value;
    free(g->entries);
    g->entries = NULL;
    r.stats = stats;
    for (size_t c = 0; c < r.columns; c++) {
        for (size_t i = 0; i < g->count; i++)
            places[i] = (place){key_of(as_ranked_stat(&r, i, c + 1)), (uint32_t)i};
        const place *sorted = sort_places(places, spare, g->count);
        for (size_t i = 0; i < g->count; i++) order[c * g->count + i] = sorted[i].number;
    }
    r.order = order;
    return r;
}

// The cases of one column in the order of their scores: whoever walks along that then walks along
// memory.
static void line_up(gather *g, as_ranked *r) {
    double *stats = AS_NEW_ARRAY(g->arena, double, 2 * g->count + 1);
    double *own = AS_NEW_ARRAY(g->arena, double, g->count + 1);
    uint32_t *clusters = AS_NEW_ARRAY(g->arena, uint32_t, g->count + 1);
    uint32_t *order = AS_NEW_ARRAY(g->arena, uint32_t, g->count + 1);
    for (size_t i = 0; i < g->count; i++) {
        size_t from = r->order[i];
        stats[2 * i] = as_ranked_stat(r, from, 0);
        stats[2 * i + 1] = as_ranked_stat(r, from, 1);
        own[i] = g->own[from];
        clusters[i] = g->clusters[from];
        order[i] = (uint32_t)i;
    }
    g->own = own;
    g->clusters = clusters;
    r->stats = stats;
    r->order = order;
}

static void draw(as_rng *rng, uint32_t *times, size_t groups) {
    for (size_t c = 0; c < groups; c++) times[c] = 0;
    for (size_t c = 0; c < groups; c++) times[((as_rng_u64(rng) >> 32) * groups) >> 32]++;
}

size_t as_ranked_estimate(as_arena *arena, const as_scorer *scorer, const as_metric *const *metrics,
                          size_t metric_count, uint32_t slice, size_t most, double *values,
                          double *replicates) {
    const as_metric *first = metrics[0];
    gather g = make_gather(arena, scorer->row_count);
    as_groups groups = as_rows_groups(arena, scorer);
    as_rows_cursor cursor = as_rows_cases(scorer);
    const as_row *row;
    while ((row = as_rows_next(&cursor)))
        if (as_rows_in_slice(row, slice) && !isnan(as_rows_score(first, row)))
            add(&g, first, row, as_rows_group(&groups, row));
    g.groups = groups.count;
    as_ranked r = rank(&g);
    if (r.columns == 1) line_up(&g, &r);
    r.weights = g.own;
    bool defined = false;
    for (size_t m = 0; m < metric_count; m++) {
        values[m] = g.count ? metrics[m]->ops->ranked(metrics[m], &r) : NAN;
        defined |= !isnan(values[m]);
    }
    if (g.groups < 2 || !defined) return 0;
    double room = WORK_MAX / ((double)g.count * (double)r.columns);
    size_t count = room < REPLICATES_LEAST ? REPLICATES_LEAST : (size_t)fmin(room, 1e9);
    if (count > most) count = most;
    if (g.groups > AS_SEGMENTS_FEW && r.columns == 1) {
        as_segments cases = {&r, g.clusters, g.groups};
        as_segments_resample(&cases, metrics, metric_count, values, count, most, replicates);
        return count;
    }
    uint32_t *times = AS_NEW_ARRAY(arena, uint32_t, g.groups + 1);
    double *weights = AS_NEW_ARRAY(arena, double, g.count + 1);
    as_rng rng = as_rng_of(AS_RANKED_SEED, AS_RANKED_STREAM);
    r.weights = weights;
    for (size_t k = 0; k < count; k++) {
        draw(&rng, times, g.groups);
        for (size_t i = 0; i < g.count; i++) weights[i] = g.own[i] * times[g.clusters[i]];
        for (size_t m = 0; m < metric_count; m++)
            replicates[m * most + k] = metrics[m]->ops->ranked(metrics[m], &r);
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
    as_rng rng = as_rng_of(AS_RANKED_SEED, STREAM_PAIRED);
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
