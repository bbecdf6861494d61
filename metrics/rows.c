// SPDX-License-Identifier: Apache-2.0
#include "metrics/rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/keyset.h"
#include "metrics/several.h"

uint32_t as_rows_name(as_scorer *scorer, as_names *names, as_str name) {
    uint64_t number;
    if (as_map_get(&names->map, name, &number)) return (uint32_t)number;
    if (names->count == names->capacity) {
        names->capacity = names->capacity ? 2 * names->capacity : 64;
        names->items = as_mem_grow(names->items, as_size_mul(names->capacity, sizeof(as_str)));
    }
    as_str kept = as_str_copy(&scorer->arena, name);
    names->items[names->count] = kept;
    as_map_add(&names->map, kept, names->count, NULL);
    return (uint32_t)names->count++;
}

// What most rows of recorded answers have nothing of; behind a pack where `has_run` says so.
typedef struct run_part {
    uint64_t sample, tokens_in, tokens_out;
    double weight, latency_ms, ttft_ms, tpot_ms, cost;
} run_part;

// A row as it is kept; behind it its run_part, scores, statistics, slices, id and cluster's name.
typedef struct pack {
    uint64_t expected;
    uint32_t gold, pred, said;
    uint32_t score_count, stat_count, slice_count, id_len, cluster_len;
    uint16_t outcome;
    uint8_t missing, has_run;
} pack;

static const double *scores_of(const pack *p) {
    const char *behind = (const char *)(p + 1) + (p->has_run ? sizeof(run_part) : 0);
    return (const double *)(const void *)behind;
}

static const run_part *run_of(const pack *p) {
    static const run_part none = {.weight = 1, .latency_ms = NAN, .ttft_ms = NAN, .tpot_ms = NAN};
    return p->has_run ? (const run_part *)(const void *)(p + 1) : &none;
}

static const as_stat *stats_of(const pack *p) {
    return (const as_stat *)(const void *)(scores_of(p) + p->score_count);
}

static const uint32_t *slices_of(const pack *p) {
    return (const uint32_t *)(const void *)(stats_of(p) + p->stat_count);
}

static as_str id_of(const pack *p) {
    return (as_str){(const char *)(slices_of(p) + p->slice_count), p->id_len};
}

static as_str cluster_of(const pack *p) {
    return (as_str){id_of(p).ptr + p->id_len, p->cluster_len};
}

static size_t size_of(const pack *p) {
    return (size_t)(cluster_of(p).ptr + p->cluster_len - (const char *)p);
}

static int order_packs(const void *a, const void *b) {
    const pack *x = a, *y = b;
    int way = as_str_cmp(id_of(x), id_of(y));
    if (way) return way;
    uint64_t i = run_of(x)->sample, j = run_of(y)->sample;
    return (i > j) - (i < j);
}

static int order_to_id(const void *a, const void *key) {
    return as_str_cmp(id_of(a), *(const as_str *)key);
}

static void add_bytes(as_buf *out, const void *bytes, size_t size) {
    if (size) as_buf_add(out, bytes, size);
}

static bool has_run(const as_row *row) {
    return row->sample || row->tokens_in || row->tokens_out || row->weight != 1 || row->cost != 0 ||
           !isnan(row->latency_ms) || !isnan(row->ttft_ms) || !isnan(row->tpot_ms);
}

void as_rows_keep(as_scorer *scorer, const as_row *row, as_str cluster) {
    as_buf *out = &scorer->packed;
    run_part run = {.sample = row->sample,
                    .tokens_in = row->tokens_in,
                    .tokens_out = row->tokens_out,
                    .weight = row->weight,
                    .latency_ms = row->latency_ms,
                    .ttft_ms = row->ttft_ms,
                    .tpot_ms = row->tpot_ms,
                    .cost = row->cost};
    pack p = {.expected = row->expected,
              .gold = row->gold,
              .pred = row->pred,
              .said = row->said,
              .score_count = row->scores ? (uint32_t)scorer->score_count : 0,
              .stat_count = (uint32_t)row->stat_count,
              .slice_count = (uint32_t)row->slice_count,
              .id_len = (uint32_t)row->id.len,
              .cluster_len = (uint32_t)cluster.len,
              .outcome = (uint16_t)row->outcome,
              .missing = row->missing,
              .has_run = has_run(row)};
    as_buf_clear(out);
    add_bytes(out, &p, sizeof p);
    if (p.has_run) add_bytes(out, &run, sizeof run);
    add_bytes(out, row->scores, p.score_count * sizeof *row->scores);
    add_bytes(out, row->stats, row->stat_count * sizeof *row->stats);
    add_bytes(out, row->slices, row->slice_count * sizeof *row->slices);
    add_bytes(out, row->id.ptr, row->id.len);
    add_bytes(out, cluster.ptr, cluster.len);
    if (!scorer->packs) scorer->packs = as_sorter_new(order_packs);
    as_sorter_add(scorer->packs, out->ptr, out->len);
    scorer->answer_count++;
    scorer->has_clusters |= cluster.len > 0;
    scorer->has_several |= row->sample > 0;
    scorer->is_sealed = false;
}

static as_row unpack(const pack *p) {
    const run_part *run = run_of(p);
    return (as_row){.id = id_of(p),
                    .expected = p->expected,
                    .weight = run->weight,
                    .scores = p->score_count ? scores_of(p) : NULL,
                    .stats = stats_of(p),
                    .stat_count = p->stat_count,
                    .gold = p->gold,
                    .pred = p->pred,
                    .cluster = AS_ROWS_NONE,
                    .slices = slices_of(p),
                    .slice_count = p->slice_count,
                    .outcome = (as_outcome)p->outcome,
                    .missing = p->missing != 0,
                    .latency_ms = run->latency_ms,
                    .ttft_ms = run->ttft_ms,
                    .tpot_ms = run->tpot_ms,
                    .cost = run->cost,
                    .tokens_in = run->tokens_in,
                    .tokens_out = run->tokens_out,
                    .sample = run->sample,
                    .said = p->said};
}

static bool label_number(as_str label, double *out) {
    char first = label.len ? label.ptr[0] : 0;
    return ((first >= '0' && first <= '9') || first == '-' || first == '.') &&
           as_str_to_f64(label, out);
}

int as_rows_label_order(as_str a, as_str b) {
    double x = 0, y = 0;
    bool a_number = label_number(a, &x), b_number = label_number(b, &y);
    if (a_number != b_number) return a_number ? -1 : 1;
    if (a_number && x != y) return x < y ? -1 : 1;
    return as_str_cmp(a, b);
}

static int order_labels(const void *a, const void *b) {
    return as_rows_label_order(*(const as_str *)a, *(const as_str *)b);
}

static int order_strs(const void *a, const void *b) {
    return as_str_cmp(*(const as_str *)a, *(const as_str *)b);
}

static void sort_names(as_arena *arena, as_names *names,
                       int (*order)(const void *a, const void *b)) {
    names->sorted = AS_NEW_ARRAY(arena, as_str, names->count + 1);
    names->ranks = AS_NEW_ARRAY(arena, uint32_t, names->count + 1);
    if (!names->count) return;
    memcpy(names->sorted, names->items, names->count * sizeof(as_str));
    qsort(names->sorted, names->count, sizeof(as_str), order);
    for (size_t i = 0; i < names->count; i++) {
        uint64_t number = 0;
        as_map_get(&names->map, names->sorted[i], &number);
        names->ranks[number] = (uint32_t)i;
    }
}

// What is known once all answers to a case were seen: how many they are, and its cluster, which is
// that of its first answer that came.
typedef struct sealing {
    as_keyset names;
    as_buf id_text, cluster;
    size_t answers;
    bool came;
} sealing;

static void end_case(as_scorer *scorer, sealing *s) {
    if (!s->answers) return;
    uint64_t known = AS_ROWS_NONE;
    as_str name = as_buf_view(&s->cluster);
    scorer->row_count++;
    if (s->answers > scorer->most) scorer->most = s->answers;
    if (name.len && as_keyset_add(&s->names, name, 0, s->names.count, &known))
        known = s->names.count - 1;
    uint32_t number = (uint32_t)known;
    if (scorer->has_clusters) as_spill_add(&scorer->clusters, &number, sizeof number);
}

static void see_cases(as_scorer *scorer) {
    sealing s = {0};
    as_sorter_reader reader = as_sorter_read(scorer->packs);
    const pack *p;
    while ((p = as_sorter_next(&reader))) {
        if (!s.answers || !as_str_eq(id_of(p), as_buf_view(&s.id_text))) {
            end_case(scorer, &s);
            as_buf_clear(&s.id_text);
            as_buf_str(&s.id_text, id_of(p));
            s.answers = 0;
            s.came = false;
        }
        if (!s.answers || (!s.came && !p->missing)) {
            as_buf_clear(&s.cluster);
            as_buf_str(&s.cluster, cluster_of(p));
        }
        s.came |= !p->missing;
        s.answers++;
    }
    end_case(scorer, &s);
    scorer->cluster_count = (size_t)s.names.count;
    as_sorter_done(&reader);
    as_keyset_free(&s.names);
    as_buf_free(&s.id_text);
    as_buf_free(&s.cluster);
}

void as_rows_seal(as_scorer *scorer) {
    if (scorer->is_sealed) return;
    as_arena_reset(&scorer->sealed);
    as_spill_free(&scorer->clusters);
    if (!scorer->packs) scorer->packs = as_sorter_new(order_packs);
    as_sorter_sort(scorer->packs);
    scorer->row_count = scorer->cluster_count = 0;
    scorer->most = 1;
    if (scorer->has_several || scorer->has_clusters)
        see_cases(scorer);
    else
        scorer->row_count = scorer->answer_count;
    sort_names(&scorer->sealed, &scorer->labels, order_labels);
    sort_names(&scorer->sealed, &scorer->slices, order_strs);
    scorer->is_sealed = true;
}

static as_rows_cursor begin(const as_scorer *scorer, bool answers) {
    return (as_rows_cursor){.scorer = scorer,
                            .reader = as_sorter_read(scorer->packs),
                            .clusters = {.spill = &scorer->clusters},
                            .answers = answers};
}

as_rows_cursor as_rows_cases(const as_scorer *scorer) {
    return begin(scorer, false);
}

as_rows_cursor as_rows_answers(const as_scorer *scorer) {
    return begin(scorer, true);
}

bool as_rows_of_answers(const as_metric *metric) {
    return metric->ops->flags & AS_METRIC_RUN && metric->ops->variant != AS_RUN_COST &&
           metric->ops->variant != AS_RUN_CORRECT_COST;
}

as_rows_cursor as_rows_of(const as_scorer *scorer, const as_metric *metric) {
    return begin(scorer, as_rows_of_answers(metric));
}

void as_rows_done(as_rows_cursor *c) {
    as_sorter_done(&c->reader);
    as_spill_done(&c->clusters);
    as_arena_free(&c->arena);
    as_buf_free(&c->id_text);
    c->ended = true;
}

// Another case begins: it has the next place and its cluster.
static void next_place(as_rows_cursor *c) {
    const uint32_t *number = NULL;
    if (c->scorer->has_clusters) number = as_spill_next(&c->clusters, sizeof *number);
    c->cluster = number ? *number : AS_ROWS_NONE;
    c->place++;
}

static void give_place(const as_rows_cursor *c, as_row *row) {
    row->place = c->place - 1;
    row->cluster = c->cluster;
}

// Answers one by one.
static const as_row *next_answer(as_rows_cursor *c, const pack *p) {
    bool several = c->scorer->has_several;
    if (!several || !c->place || !as_str_eq(id_of(p), as_buf_view(&c->id_text))) {
        next_place(c);
        if (several) {
            as_buf_clear(&c->id_text);
            as_buf_str(&c->id_text, id_of(p));
        }
    }
    c->row = unpack(p);
    give_place(c, &c->row);
    return &c->row;
}

// All answers to a case, put together.
static const as_row *next_several(as_rows_cursor *c, const pack *p) {
    as_arena_reset(&c->arena);
    as_row *answers = AS_NEW_ARRAY(&c->arena, as_row, c->scorer->most);
    size_t count = 0;
    next_place(c);
    for (; p && (!count || as_str_eq(id_of(p), answers[0].id)); p = as_sorter_next(&c->reader)) {
        pack *kept = as_arena_take(&c->arena, size_of(p));
        memcpy(kept, p, size_of(p));
        answers[count] = unpack(kept);
        give_place(c, &answers[count++]);
    }
    c->ahead = p;
    as_several_merge(c->scorer, &c->arena, answers, count, &c->row);
    return &c->row;
}

const as_row *as_rows_next(as_rows_cursor *c) {
    if (c->ended) return NULL;
    const pack *p = c->ahead ? c->ahead : as_sorter_next(&c->reader);
    c->ahead = NULL;
    if (!p) {
        as_rows_done(c);
        return NULL;
    }
    return c->answers || !c->scorer->has_several ? next_answer(c, p) : next_several(c, p);
}

as_rows_cursor as_rows_find(const as_scorer *scorer, as_str id) {
    as_rows_cursor c = begin(scorer, false);
    as_sorter_done(&c.reader);
    c.reader = as_sorter_find(scorer->packs, &id, order_to_id);
    c.ahead = as_sorter_next(&c.reader);
    if (!c.ahead || !as_str_eq(id_of(c.ahead), id)) as_rows_done(&c);
    return c;
}

as_groups as_rows_groups(as_arena *arena, const as_scorer *scorer) {
    return (as_groups){.fresh = AS_NEW_ARRAY(arena, uint32_t, scorer->cluster_count + 1)};
}

uint32_t as_rows_group(as_groups *g, const as_row *row) {
    bool named = row->cluster != AS_ROWS_NONE;
    uint32_t known = named ? g->fresh[row->cluster] : g->place == row->place + 1 ? g->last + 1 : 0;
    g->place = row->place + 1;
    g->last = known ? known - 1 : (uint32_t)g->count++;
    if (named) g->fresh[row->cluster] = g->last + 1;
    return g->last;
}

const as_metric *as_rows_metric(const as_scorer *scorer, as_str name) {
    for (size_t i = 0; i < scorer->metric_count; i++)
        if (as_str_eq(scorer->metrics[i].name, name)) return &scorer->metrics[i];
    return NULL;
}

bool as_rows_in_slice(const as_row *row, uint32_t slice) {
    if (slice == AS_ROWS_NONE) return true;
    for (size_t i = 0; i < row->slice_count; i++)
        if (row->slices[i] == slice) return true;
    return false;
}

bool as_rows_slice(const as_scorer *scorer, as_str name, uint32_t *out) {
    uint64_t number = AS_ROWS_NONE;
    if (name.len && !as_map_get(&scorer->slices.map, name, &number)) return false;
    *out = (uint32_t)number;
    return true;
}

bool as_rows_whole(const as_row *row) {
    bool whole = !row->missing;
    for (size_t i = 0; i < row->answer_count; i++) whole &= !row->answers[i].missing;
    return whole;
}

static double run_score(const as_metric *metric, const as_row *row) {
    if (row->missing && !(metric->ops->flags & AS_METRIC_ERRORS)) return NAN;
    switch ((as_run_field)metric->ops->variant) {
    case AS_RUN_LATENCY:
        return row->latency_ms;
    case AS_RUN_TTFT:
        return row->ttft_ms;
    case AS_RUN_TPOT:
        return row->tpot_ms;
    case AS_RUN_COST:
    case AS_RUN_CORRECT_COST:
        return row->cost;
    case AS_RUN_ERROR:
        return row->missing;
    }
    return NAN;
}

double as_rows_score(const as_metric *metric, const as_row *row) {
    if (metric->ops->flags & AS_METRIC_RUN) return run_score(metric, row);
    return row->missing ? NAN : row->scores[metric->index];
}

double as_rows_weight(const as_metric *metric, const as_row *row) {
    return metric->ops->flags & AS_METRIC_RUN ? 1 : row->weight;
}

bool as_rows_correct(const as_scorer *scorer, const as_row *row) {
    for (size_t i = 0; !row->missing && i < scorer->metric_count; i++)
        if (scorer->metrics[i].ops->flags & AS_METRIC_UNIT)
            return row->scores[scorer->metrics[i].index] >= 1;
    return false;
}

double as_rows_first_score(const as_scorer *scorer, const as_row *row) {
    for (size_t i = 0; i < scorer->metric_count; i++)
        if (!(scorer->metrics[i].ops->flags & AS_METRIC_RUN))
            return as_rows_score(&scorer->metrics[i], row);
    return NAN;
}
