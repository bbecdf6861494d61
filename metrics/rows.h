// SPDX-License-Identifier: Apache-2.0
// rows.h - what a scorer keeps of every case; shared by the files of this folder only.
//
// Rows are kept packed, in a sorter: a run of a million cases takes no more memory than one of some
// thousands. They are read one after another, through a cursor; there is no array of them.
//
// A row is a case. Of several answers to a case each is a row too (`answers`), and the case's row
// is made of them once sealed: a score is the mean over the answers that came (or what the metric's
// `several` makes of them), statistics are summed as if each answer counted K times one over the
// number that came, latencies are means, costs and tokens sums.
//
// as_rows_seal puts them in order (rows by id, labels and slices by bytes), so that nothing
// computed afterwards depends on the order of arrival.
#ifndef AS_ROWS_H
#define AS_ROWS_H

#include "harness/base/map.h"
#include "harness/base/sorter.h"
#include "metrics/interval.h"
#include "metrics/metric.h"

#define AS_ROWS_NONE UINT32_MAX

// One statistic of one case or cluster: adds `value` to place `at` of a tally.
typedef struct as_stat {
    uint32_t at;
    double value;
} as_stat;

typedef struct as_row {
    as_str id;
    uint64_t expected; // hash of the expected value
    double weight;
    const double *scores; // [score_count], by metric->index; NULL when missing
    const as_stat *stats;
    size_t stat_count;
    uint32_t gold, pred;    // labels; AS_ROWS_NONE
    uint32_t cluster;       // its number among those with a name; AS_ROWS_NONE: its own
    uint64_t place;         // of its case in the order
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
    as_arena arena;   // names
    as_arena scratch; // of the sample that is being scored
    as_buf text;      // likewise
    as_buf packed;    // its row
    as_stat *kept;    // [stats_width + 1] its statistics
    as_arena sealed;  // what sealing made; given up when another row comes
    as_metric *metrics;
    size_t metric_count, stats_width;
    size_t score_count; // different ones of a case
    as_regex *articles;
    as_sorter *packs;               // rows of all answers; once sealed by id and number
    size_t answer_count, row_count; // row_count: cases, once sealed
    size_t most;                    // answers to a case, once sealed
    bool has_several, has_clusters;
    as_spill clusters; // uint32_t a case, once sealed, where some have a cluster with a name
    size_t cluster_count;
    as_names labels, slices, texts; // texts: predictions
    size_t gold_least, gold_most;   // expected texts of a case
    bool is_sealed, has_labels, has_classes, has_texts;
};

// The order of labels: numbers by value (2 before 10), then all else by bytes.
int as_rows_label_order(as_str a, as_str b);

uint32_t as_rows_name(as_scorer *scorer, as_names *names, as_str name);

// Keeps a row, as it is before sealing (its cluster by name).
void as_rows_keep(as_scorer *scorer, const as_row *row, as_str cluster);
void as_rows_seal(as_scorer *scorer);

// Reads the rows of a sealed scorer in order.
typedef struct as_rows_cursor {
    const as_scorer *scorer;
    as_sorter_reader reader;
    as_spill_reader clusters;
    bool answers, ended;
    const void *ahead; // the pack behind the case at hand
    as_arena arena;    // answers of the case at hand, where there may be several
    as_row row;
    uint64_t place; // of the next case
    uint32_t cluster;
    as_buf id_text; // id of the case at hand, while its answers are read one by one
} as_rows_cursor;

as_rows_cursor as_rows_cases(const as_scorer *scorer);
as_rows_cursor as_rows_answers(const as_scorer *scorer);
// The rows that a metric is about: cases, or all answers where it is about requests (a time, an
// error).
as_rows_cursor as_rows_of(const as_scorer *scorer, const as_metric *metric);
bool as_rows_of_answers(const as_metric *metric);
const as_row *as_rows_next(as_rows_cursor *cursor); // valid until the next; NULL at the end
void as_rows_done(as_rows_cursor *cursor);

// The row of a case, found: a cursor whose next row it is, if there is one with that id. Its place
// and cluster are not known.
as_rows_cursor as_rows_find(const as_scorer *scorer, as_str id);

// Numbers of clusters from 0 in order of first appearance, over the rows that are asked about.
typedef struct as_groups {
    uint32_t *fresh; // [cluster_count] number + 1 of those with a name; 0: not met yet
    size_t count;    // met
    uint64_t place;  // of the last row's case, + 1
    uint32_t last;
} as_groups;
as_groups as_rows_groups(as_arena *arena, const as_scorer *scorer);
uint32_t as_rows_group(as_groups *groups, const as_row *row);

const as_metric *as_rows_metric(const as_scorer *scorer, as_str name); // NULL when not asked for
bool as_rows_in_slice(const as_row *row, uint32_t slice);              // AS_ROWS_NONE: in all
// The number of a slice; false when no case is in it. An empty name is AS_ROWS_NONE, all.
bool as_rows_slice(const as_scorer *scorer, as_str name, uint32_t *out);

// Every answer to the case came.
bool as_rows_whole(const as_row *row);

// The score of a row by a MEAN, QUANTILE or TOTAL metric, and whether a CORPUS metric counts it;
// NaN: none.
double as_rows_score(const as_metric *metric, const as_row *row);
double as_rows_weight(const as_metric *metric, const as_row *row);
bool as_rows_correct(const as_scorer *scorer, const as_row *row); // by the first 0..1 metric
double as_rows_first_score(const as_scorer *scorer,
                           const as_row *row); // by the suite's first metric

#endif
