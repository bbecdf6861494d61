// SPDX-License-Identifier: Apache-2.0
#include "metrics/tally.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"

enum { SEED = 0xa55a, STREAM = 7 };

typedef struct items {
    as_stat *at;
    size_t count, capacity;
} items;

as_layout as_tally_layout(as_arena *arena, const as_metric *const *metrics, size_t count,
                          size_t label_count) {
    as_functional *functionals = AS_NEW_ARRAY(arena, as_functional, count + 1);
    as_layout out = {.functionals = functionals, .count = count, .label_count = label_count};
    for (size_t i = 0; i < count; i++) {
        functionals[i] = (as_functional){metrics[i], out.width};
        out.width += metrics[i]->width;
        out.has_labels |= (metrics[i]->ops->flags & AS_METRIC_LABELS) != 0;
        out.has_ranks |= (metrics[i]->ops->flags & AS_METRIC_RANKS) != 0;
    }
    out.label_at = out.width;
    if (out.has_labels) out.width += AS_LABEL_WIDTH * label_count + AS_LABEL_EXTRA;
    for (size_t i = 0; i < count; i++)
        if (metrics[i]->ops->flags & AS_METRIC_LABELS) functionals[i].at = out.label_at;
    return out;
}

static void add(items *list, size_t at, double value) {
    if (value == 0) return;
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 256;
        list->at = as_mem_grow(list->at, as_size_mul(list->capacity, sizeof(as_stat)));
    }
    list->at[list->count++] = (as_stat){(uint32_t)at, value};
}

static void add_label(items *list, const as_layout *layout, const as_tally_row *in,
                      const as_row *row, double weight) {
    if (row->gold == AS_ROWS_NONE) return;
    size_t gold = layout->label_at + AS_LABEL_WIDTH * in->labels[row->gold];
    uint32_t pred = in->stand_in == AS_STAND_NONE    ? row->pred
                    : in->stand_in == AS_STAND_RIGHT ? row->gold
                                                     : AS_ROWS_NONE;
    add(list, gold + AS_LABEL_GOLD, weight);
    size_t rank = in->labels[row->gold], count = layout->label_count;
    double apart = fmax((double)rank, (double)(count - 1 - rank)); // no answer is as far as can be
    if (pred != AS_ROWS_NONE) apart = fabs((double)rank - (double)in->labels[pred]);
    size_t extra = layout->label_at + AS_LABEL_WIDTH * count;
    if (layout->has_ranks) {
        add(list, extra, weight * apart);
        add(list, extra + 1, weight * apart * apart);
    }
    if (pred == AS_ROWS_NONE) return;
    add(list, layout->label_at + AS_LABEL_WIDTH * in->labels[pred] + AS_LABEL_PRED, weight);
    if (pred == row->gold) add(list, gold + AS_LABEL_HIT, weight);
}

// Of several answers each counts for its part of the case.
static void add_labels(items *list, const as_layout *layout, const as_tally_row *in) {
    const as_row *row = in->row;
    size_t came = 0;
    for (size_t i = 0; i < row->answer_count; i++) came += !row->answers[i].missing;
    if (!came) {
        add_label(list, layout, in, row, row->weight);
        return;
    }
    for (size_t i = 0; i < row->answer_count; i++)
        if (!row->answers[i].missing)
            add_label(list, layout, in, &row->answers[i], row->weight / (double)came);
}

static void add_own(items *list, const as_functional *f, const as_metric *metric,
                    const as_tally_row *in) {
    const as_row *row = in->row;
    for (size_t i = 0; i < row->stat_count; i++) {
        size_t at = row->stats[i].at;
        if (at < metric->at || at >= metric->at + metric->width) continue;
        size_t place = at - metric->at;
        if (in->stand_in == AS_STAND_NONE) {
            add(list, f->at + place, row->weight * row->stats[i].value);
        } else if (metric->ops->flags & AS_METRIC_UNIT && place == AS_LABEL_GOLD) {
            double gold = row->weight * row->stats[i].value;
            bool right = in->stand_in == AS_STAND_RIGHT;
            add(list, f->at + AS_LABEL_GOLD, gold);
            add(list, f->at + AS_LABEL_HIT, right ? gold : 0);
            add(list, f->at + AS_LABEL_PRED, right ? gold : 0);
        }
    }
}

static double correct_answers(const as_scorer *scorer, const as_row *row) {
    double n = 0;
    if (!row->answer_count) return as_rows_correct(scorer, row);
    for (size_t i = 0; i < row->answer_count; i++) n += as_rows_correct(scorer, &row->answers[i]);
    return n;
}

static void add_row(items *list, const as_layout *layout, const as_tally_row *in) {
    bool counts = !in->row->missing || in->stand_in != AS_STAND_NONE;
    if (layout->has_labels && counts) add_labels(list, layout, in);
    for (size_t i = 0; i < layout->count; i++) {
        const as_metric *metric = in->metrics[i];
        if (metric->ops->flags & AS_METRIC_RUN) {
            add(list, layout->functionals[i].at, in->row->cost);
            add(list, layout->functionals[i].at + 1, correct_answers(in->scorer, in->row));
        } else if (!in->row->missing && metric->width) {
            add_own(list, &layout->functionals[i], metric, in);
        }
    }
}

// The cases, cluster by cluster: a counting sort that keeps their order.
static uint32_t *by_cluster(as_arena *arena, const uint32_t *clusters, size_t count,
                            size_t cluster_count, size_t *starts) {
    uint32_t *order = AS_NEW_ARRAY(arena, uint32_t, count + 1);
    size_t *next = AS_NEW_ARRAY(arena, size_t, cluster_count + 1);
    for (size_t i = 0; i < count; i++) starts[clusters[i] + 1]++;
    for (size_t c = 0; c < cluster_count; c++) starts[c + 1] += starts[c];
    memcpy(next, starts, cluster_count * sizeof *next);
    for (size_t i = 0; i < count; i++) order[next[clusters[i]]++] = (uint32_t)i;
    return order;
}

as_units as_tally_units(as_arena *arena, const as_layout *layout, const as_tally_row *rows,
                        const uint32_t *clusters, size_t count, size_t cluster_count) {
    items list = {0};
    size_t *starts = AS_NEW_ARRAY(arena, size_t, cluster_count + 1);
    size_t *item_starts = AS_NEW_ARRAY(arena, size_t, cluster_count + 1);
    uint32_t *order = by_cluster(arena, clusters, count, cluster_count, starts);
    for (size_t c = 0; c < cluster_count; c++) {
        item_starts[c] = list.count;
        for (size_t i = starts[c]; i < starts[c + 1]; i++) add_row(&list, layout, &rows[order[i]]);
    }
    item_starts[cluster_count] = list.count;
    as_stat *kept = AS_NEW_ARRAY(arena, as_stat, list.count + 1);
    if (list.count) memcpy(kept, list.at, list.count * sizeof *kept);
    free(list.at);
    return (as_units){kept, item_starts, cluster_count, layout->width, layout->label_count};
}

// Which block each unit is in: as many in each, in an order that has nothing to do with the cases'.
static uint32_t *deal(as_arena *arena, size_t units, size_t blocks) {
    uint32_t *out = AS_NEW_ARRAY(arena, uint32_t, units + 1);
    as_rng rng = as_rng_of(SEED, STREAM);
    for (size_t i = 0; i < units; i++) {
        size_t other = (size_t)as_rng_below(&rng, i + 1);
        out[i] = out[other];
        out[other] = (uint32_t)(i % blocks);
    }
    return out;
}

as_units as_tally_blocks(as_arena *arena, const as_units *units, size_t count) {
    items list = {0};
    size_t *starts = AS_NEW_ARRAY(arena, size_t, count + 1);
    size_t *unit_starts = AS_NEW_ARRAY(arena, size_t, count + 1);
    double *sums = AS_NEW_ARRAY(arena, double, units->width + 1);
    uint32_t *met = AS_NEW_ARRAY(arena, uint32_t, units->width + 1), touched;
    size_t *last = AS_NEW_ARRAY(arena, size_t, units->width + 1); // block that met a place, from 1
    const uint32_t *blocks = deal(arena, units->count, count);
    const uint32_t *order = by_cluster(arena, blocks, units->count, count, unit_starts);
    for (size_t b = 0; b < count; b++) {
        starts[b] = list.count;
        touched = 0;
        for (size_t i = unit_starts[b]; i < unit_starts[b + 1]; i++)
            for (size_t k = units->starts[order[i]]; k < units->starts[order[i] + 1]; k++) {
                uint32_t at = units->items[k].at;
                if (last[at] != b + 1) met[touched++] = at;
                last[at] = b + 1;
                sums[at] += units->items[k].value;
            }
        for (uint32_t i = 0; i < touched; i++) {
            add(&list, met[i], sums[met[i]]);
            sums[met[i]] = 0;
        }
    }
    starts[count] = list.count;
    as_stat *kept = AS_NEW_ARRAY(arena, as_stat, list.count + 1);
    if (list.count) memcpy(kept, list.at, list.count * sizeof *kept);
    free(list.at);
    return (as_units){kept, starts, count, units->width, units->label_count};
}
