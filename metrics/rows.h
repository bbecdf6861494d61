// SPDX-License-Identifier: Apache-2.0
// rows.h - what a scorer keeps of every case; shared by the files of this folder only.
//
// A row is a case. Of several answers to a case each is a row too (`answers`), and the case's row
// is made of them once sealed: a score is the mean over the answers that came (or what the metric's
// `several` makes of them), statistics are summed as if each answer counted K times one over the
// number that came, latencies are means, costs and tokens sums.
//
// Rows, labels, slices and clusters are in arrival order until as_rows_seal sorts them (rows by id,
// labels and slices by bytes), so that nothing computed afterwards depends on that order.
#ifndef AS_ROWS_H
#define AS_ROWS_H

#include "harness/base/map.h"
#include "metrics/interval.h"
#include "metrics/metric.h"

#define AS_ROWS_NONE UINT32_MAX

// One statistic of one case or cluster: adds `value` to place `at` of a tally.
typedef struct as_stat {
    uint32_t at;
    double value;
} as_stat;

typedef struct as_row {
    as_str id, cluster_name;
    uint64_t expected; // hash of the expected value
    double weight;
    double *scores; // [metric_count]; NULL when missing
    const as_stat *stats;
    size_t stat_count;
    uint32_t gold, pred;    // labels; AS_ROWS_NONE
    uint32_t cluster;       // once sealed
    const uint32_t *slices; // [slice_count] numbers of slice names
    size_t slice_count;
    as_outcome outcome;
    bool missing; // the outcome is an error
    double latency_ms, ttft_ms, tpot_ms, cost;
    uint64_t tokens_in, tokens_out;
    uint64_t sample;              // which of the answers to its case
    uint32_t said;                // its prediction's number; AS_ROWS_NONE
    const struct as_row *answers; // [answer_count] of a case with several, by number, where the
    size_t answer_count;          // row stands for all of them; 0: an answer itself
} as_row;

// Names with numbers, in order of arrival until sorted.
typedef struct as_names {
    as_map map;
    as_str *items;
    size_t count, capacity;
    uint32_t *ranks; // [count] once sealed: place in byte order
    as_str *sorted;  // [count] once sealed
} as_names;

struct as_scorer {
    as_arena arena;   // rows and names
    as_arena scratch; // of the sample that is being scored
    as_buf text;      // likewise
    as_arena sealed;  // what sealing made; given up when another row comes
    as_metric *metrics;
    size_t metric_count, stats_width;
    as_regex *articles;
    as_row *answers; // [answer_count] as they came; once sealed by id and number
    size_t answer_count, answer_capacity;
    as_row *rows; // [row_count] once sealed; the answers themselves where no case has several
    size_t row_count;
    bool has_several;
    as_names ids, labels, slices, texts; // ids: only the map of keys; texts: predictions
    size_t cluster_count;
    size_t gold_least, gold_most; // expected texts of a case
    bool is_sealed, has_labels, has_classes, has_texts;
};

// The order of labels: numbers by value (2 before 10), then all else by bytes.
int as_rows_label_order(as_str a, as_str b);

uint32_t as_rows_name(as_scorer *scorer, as_names *names, as_str name);
void as_rows_seal(as_scorer *scorer);

const as_metric *as_rows_metric(const as_scorer *scorer, as_str name); // NULL when not asked for
bool as_rows_in_slice(const as_row *row, uint32_t slice);              // AS_ROWS_NONE: in all
// The number of a slice; false when no case is in it. An empty name is AS_ROWS_NONE, all.
bool as_rows_slice(const as_scorer *scorer, as_str name, uint32_t *out);

// The rows that a metric is about: cases, or all answers where it is about requests (a time, an
// error).
const as_row *as_rows_of(const as_scorer *scorer, const as_metric *metric, size_t *count);

// Every answer to the case came.
bool as_rows_whole(const as_row *row);

// The score of a row by a MEAN, QUANTILE or TOTAL metric, and whether a CORPUS metric counts it;
// NaN: none.
double as_rows_score(const as_metric *metric, const as_row *row);
double as_rows_weight(const as_metric *metric, const as_row *row);
bool as_rows_correct(const as_scorer *scorer, const as_row *row); // by the first 0..1 metric

// Gives clusters numbers from 0 in order of first appearance. `numbers`: cluster of each case.
size_t as_rows_renumber(as_arena *arena, uint32_t *numbers, size_t count, size_t bound);

#endif
