// SPDX-License-Identifier: Apache-2.0
#include "metrics/tally.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"

enum { SEED = 0xa55a, STREAM = 7 };

// Sums of blocks that are in memory at a time, unless there would be more parts of them.
enum { SUMS_MAX = 1 << 16, PARTS_MAX = 64 };

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

as_unit_list as_tally_begin(const as_layout *layout) {
    return (as_unit_list){.width = layout->width, .label_count = layout->label_count};
}

static void add_unit(as_unit_list *list, const as_stat *stats, size_t count) {
    uint64_t number = count;
    as_spill_add(&list->items, &number, sizeof number);
    as_spill_add(&list->items, stats, count * sizeof *stats);
    list->count++;
}

// A case's part of its cluster's unit; its statistics follow.
typedef struct piece {
    uint64_t cluster, place, count;
} piece;

static int order_pieces(const void *a, const void *b) {
    const piece *x = a, *y = b;
    if (x->cluster != y->cluster) return x->cluster < y->cluster ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

static void add_piece(as_unit_list *list, uint64_t cluster, uint64_t place, const as_stat *stats,
                      size_t count) {
    as_buf text = {0};
    piece p = {cluster, place, count};
    as_buf_add(&text, (const char *)&p, sizeof p);
    if (count) as_buf_add(&text, (const char *)stats, count * sizeof *stats);
    as_sorter_add(list->pieces, text.ptr, text.len);
    as_buf_free(&text);
}

// Units of a case each until now turn into pieces.
static void take_apart(as_unit_list *list) {
    as_spill_reader reader = {.spill = &list->items};
    const as_stat *stats;
    size_t count, place = 0;
    list->pieces = as_sorter_new(order_pieces);
    for (; as_tally_next(&reader, &stats, &count); place++)
        add_piece(list, place, place, stats, count);
    as_spill_done(&reader);
    as_spill_free(&list->items);
    list->count = 0;
}

void as_tally_add(as_unit_list *list, const as_layout *layout, const as_tally_row *row,
                  uint32_t cluster) {
    items of_case = {list->room, 0, list->room_size};
    add_row(&of_case, layout, row);
    if (!list->pieces && cluster != list->cases) take_apart(list);
    if (list->pieces)
        add_piece(list, cluster, list->cases, of_case.at, of_case.count);
    else
        add_unit(list, of_case.at, of_case.count);
    list->cases++;
    list->room = of_case.at;
    list->room_size = of_case.capacity;
}

void as_tally_end(as_unit_list *list) {
    if (!list->pieces) return;
    items unit = {0};
    uint64_t cluster = 0;
    as_sorter_sort(list->pieces);
    as_sorter_reader reader = as_sorter_read(list->pieces);
    for (const piece *p; (p = as_sorter_next(&reader));) {
        if (p->cluster != cluster) {
            add_unit(list, unit.at, unit.count);
            cluster = p->cluster;
            unit.count = 0;
        }
        const as_stat *stats = (const as_stat *)(const void *)(p + 1);
        for (size_t i = 0; i < p->count; i++) add(&unit, stats[i].at, stats[i].value);
    }
    add_unit(list, unit.at, unit.count);
    as_sorter_done(&reader);
    as_sorter_free(list->pieces);
    list->pieces = NULL;
    free(unit.at);
}

void as_tally_free(as_unit_list *list) {
    as_spill_free(&list->items);
    as_sorter_free(list->pieces);
    free(list->room);
    *list = (as_unit_list){0};
}

bool as_tally_next(as_spill_reader *reader, const as_stat **stats, size_t *count) {
    const uint64_t *number = as_spill_next(reader, sizeof *number);
    if (!number) return false;
    *count = (size_t)*number;
    *stats = as_spill_next(reader, *count * sizeof **stats);
    return true;
}

void as_tally_sum(const as_unit_list *list, double *tally) {
    as_spill_reader reader = {.spill = &list->items};
    const as_stat *stats;
    size_t count;
    memset(tally, 0, list->width * sizeof *tally);
    while (as_tally_next(&reader, &stats, &count))
        for (size_t i = 0; i < count; i++) tally[stats[i].at] += stats[i].value;
    as_spill_done(&reader);
}

as_units as_tally_load(as_arena *arena, const as_unit_list *list) {
    size_t total = (size_t)(as_spill_size(&list->items) - list->count * sizeof(uint64_t));
    as_stat *kept = as_arena_take(arena, total + 1);
    size_t *starts = AS_NEW_ARRAY(arena, size_t, list->count + 1), n = 0, unit = 0, count;
    as_spill_reader reader = {.spill = &list->items};
    const as_stat *stats;
    while (as_tally_next(&reader, &stats, &count)) {
        starts[unit++] = n;
        if (count) memcpy(kept + n, stats, count * sizeof *stats);
        n += count;
    }
    starts[unit] = n;
    as_spill_done(&reader);
    return (as_units){.items = kept,
                      .starts = starts,
                      .count = list->count,
                      .width = list->width,
                      .label_count = list->label_count};
}

const uint16_t *as_tally_deal(as_arena *arena, size_t units, size_t blocks) {
    uint16_t *out = AS_NEW_ARRAY(arena, uint16_t, units + 1);
    as_rng rng = as_rng_of(SEED, STREAM);
    for (size_t i = 0; i < units; i++) {
        size_t other = (size_t)as_rng_below(&rng, i + 1);
        out[i] = out[other];
        out[other] = (uint16_t)(i % blocks);
    }
    return out;
}

// A unit in a part; its statistics follow.
typedef struct dealt {
    uint32_t block, count;
} dealt;

// The units of `some` blocks each.
static void split(const as_unit_list *list, const uint16_t *blocks, size_t some, as_spill *parts) {
    as_spill_reader reader = {.spill = &list->items};
    const as_stat *stats;
    size_t count;
    for (size_t unit = 0; as_tally_next(&reader, &stats, &count); unit++) {
        dealt d = {blocks[unit], (uint32_t)count};
        as_spill *part = &parts[blocks[unit] / some];
        as_spill_add(part, &d, sizeof d);
        as_spill_add(part, stats, count * sizeof *stats);
    }
    as_spill_done(&reader);
}

// Adds the units of a part, whose first block is `from`, to its sums: [block][width].
static void sum_part(const as_spill *part, size_t from, size_t width, double *sums) {
    as_spill_reader reader = {.spill = part};
    for (const dealt *d; (d = as_spill_next(&reader, sizeof *d));) {
        size_t count = d->count;
        double *tally = sums + (d->block - from) * width;
        const as_stat *stats = as_spill_next(&reader, count * sizeof *stats);
        for (size_t i = 0; i < count; i++) tally[stats[i].at] += stats[i].value;
    }
    as_spill_done(&reader);
}

// The sums of `count` blocks as sparse units behind those that are there.
static void add_sparse(const double *sums, size_t count, size_t width, as_spill *sparse,
                       size_t *starts) {
    for (size_t b = 0; b < count; b++) {
        for (size_t at = 0; at < width; at++) {
            as_stat stat = {(uint32_t)at, sums[b * width + at]};
            if (stat.value != 0) as_spill_add(sparse, &stat, sizeof stat);
        }
        starts[b + 1] = (size_t)(as_spill_size(sparse) / sizeof(as_stat));
    }
}

static bool mostly_zero(const double *sums, size_t count) {
    size_t filled = 0;
    for (size_t i = 0; i < count; i++) filled += sums[i] != 0;
    return filled < count / 2;
}

as_units as_tally_blocks(as_arena *arena, const as_unit_list *list, size_t count) {
    as_arena scratch = {0};
    size_t width = list->width, some = SUMS_MAX / (width + 1) + 1;
    if (some < count / PARTS_MAX + 1) some = count / PARTS_MAX + 1;
    if (some > count) some = count;
    as_spill parts[PARTS_MAX] = {{0}}, sparse = {0};
    split(list, as_tally_deal(&scratch, list->count, count), some, parts);
    as_arena_free(&scratch);

    as_units out = {.count = count, .width = width, .label_count = list->label_count};
    size_t *starts = AS_NEW_ARRAY(arena, size_t, count + 1);
    double *sums = AS_NEW_ARRAY(&scratch, double, some *width + 1), *dense = NULL;
    for (size_t from = 0; from < count; from += some) {
        size_t here = count - from < some ? count - from : some;
        memset(sums, 0, here * width * sizeof *sums);
        sum_part(&parts[from / some], from, width, sums);
        as_spill_free(&parts[from / some]);
        if (!from && !mostly_zero(sums, here * width)) dense = as_resample_dense(arena, &out);
        if (dense)
            for (size_t i = 0; i < here * width; i++)
                dense[as_resample_at(&out, from + i / width, i % width)] = sums[i];
        else
            add_sparse(sums, here, width, &sparse, starts + from);
    }
    as_arena_free(&scratch);
    as_stat *kept = AS_NEW_ARRAY(arena, as_stat, starts[count] + 1);
    if (starts[count]) as_spill_read(&sparse, 0, kept, starts[count] * sizeof *kept);
    as_spill_free(&sparse);
    out.dense = dense;
    out.starts = starts;
    out.items = kept;
    return out;
}
