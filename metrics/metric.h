// SPDX-License-Identifier: Apache-2.0
// metric.h - what a metric is: a const table of operations, and one as a suite configured it.
//
// MEAN metrics give every case a score; their value is the weighted mean. CORPUS metrics add up
// statistics over the cases (a "tally") and take one function of the sums: F1 of all cases is no
// mean of F1s. RANKED ones need all cases in the order of a score (ranked.h). QUANTILE and TOTAL
// metrics are about the run: latencies, cost.
#ifndef AS_METRIC_H
#define AS_METRIC_H

#include "harness/base/normal.h"
#include "harness/base/regex.h"
#include "metrics/option.h"
#include "metrics/scorer.h"

typedef enum as_metric_kind {
    AS_METRIC_MEAN,
    AS_METRIC_CORPUS,
    AS_METRIC_QUANTILE,
    AS_METRIC_TOTAL,
    AS_METRIC_RANKED,
} as_metric_kind;

// Flags of a metric.
enum {
    AS_METRIC_UNIT = 1,     // scores lie in 0..1 and 1 is right; CORPUS ones add AS_LABEL_* triples
    AS_METRIC_LOWER = 2,    // lower is better
    AS_METRIC_LABELS = 4,   // works on the confusion counts that all such metrics share
    AS_METRIC_RUN = 8,      // of the run's times and costs: no score in the journal, no weights
    AS_METRIC_ERRORS = 16,  // cases that ended in an error count too
    AS_METRIC_CLASSES = 32, // a confusion matrix makes sense beside it
    AS_METRIC_SIGNED = 64,  // value in -1..1
    AS_METRIC_BOUNDED = 128, // value in 0..1
    AS_METRIC_NOT = 256,     // a yes or no that may be asked for as not-NAME
    AS_METRIC_RANKS = 1024,  // the order of the labels matters
    AS_METRIC_JUDGED = 4096, // by another model (judged/)
    AS_METRIC_TEXTS = 2048,  // looks at which answers say the same
    AS_METRIC_TURNS = 8192,  // as AS_METRIC_NOT, but not-NAME is 1 - NAME
    AS_METRIC_ALONE = 16384, // needs log-probabilities of the choices after an empty prompt
    AS_METRIC_REFS = 512,    // the signature says how many references the cases have
    AS_METRIC_HIT = 32768,   // the score is 1 where the answer is an expected label, else 0
    AS_METRIC_CURVE = 65536, // score and statistics hang on the first setting alone
    AS_METRIC_DEAR = 131072, // score and statistics hang on the texts alone and take long
};

// One case while it is scored; views, valid during the call.
typedef struct as_scoring {
    as_arena *arena;
    const as_sample *sample;
    const as_regex *articles;        // \b(a|an|the)\b
    const as_str *golds;             // the expected value as texts: one, or each of a list
    size_t gold_count;               // 0: it is an object, a list with objects, null
    as_str prediction;               // valid UTF-8; empty when there is none
    const double *probabilities;     // [choice_count] softmax of the log-probabilities, or NULL
    size_t gold_choice, best_choice; // SIZE_MAX: none
} as_scoring;

// What a run metric looks at.
typedef enum as_run_field {
    AS_RUN_LATENCY,
    AS_RUN_TTFT,
    AS_RUN_TPOT,
    AS_RUN_COST,
    AS_RUN_CORRECT_COST,
    AS_RUN_ERROR,
} as_run_field;

// One of several answers to a case: its score, and its prediction's number (equal ones have equal
// numbers), UINT32_MAX without one.
typedef struct as_answer_score {
    double score;
    uint32_t said;
} as_answer_score;

typedef struct as_metric as_metric;
struct as_ranked;

typedef struct as_metric_ops {
    const char *name, *text; // a name that ends with "@K" stands for all of its kind
    as_metric_kind kind;
    unsigned flags;
    size_t width; // statistics a case adds to the tally, besides labels; 0 for most
    const as_setting_spec *settings; // ends with name NULL; NULL: none
    // Once the settings are read: checks them together, makes `own`, sets the width where that
    // depends on them. `release` frees what no arena holds. Both may be NULL.
    as_rc (*prepare)(as_arena *arena, as_metric *metric, as_err *err);
    void (*release)(as_metric *metric);
    // What the value hangs on, as the reference implementation writes it; NULL: the settings.
    as_str (*signature)(as_arena *arena, const as_metric *metric);
    // The score of a case, NaN when it has none; *stats (zeroed, [width]) when the metric is
    // CORPUS.
    as_rc (*score)(const as_metric *metric, const as_scoring *scoring, double *score, double *stats,
                   as_err *err);
    // The value of a tally: LABELS metrics are given [label_count][3] of AS_LABEL_*.
    double (*value)(const as_metric *metric, const double *tally, size_t label_count);
    // The reliability diagram of a tally, for the metrics that have one.
    const as_bin *(*bins)(as_arena *arena, const as_metric *metric, const double *tally,
                          size_t *count);
    double (*ranked)(const as_metric *metric, const struct as_ranked *cases); // RANKED
    // MEAN: the score of a case with several answers, by those that came; NULL: their mean.
    double (*several)(const as_metric *metric, const as_answer_score *answers, size_t count);
    int variant; // which of a family this is; as_run_field for run metrics
    double q;    // QUANTILE
} as_metric_ops;

// What is found, wanted and claimed of a label: the statistics that F1 and its kin are made of.
enum { AS_LABEL_HIT, AS_LABEL_GOLD, AS_LABEL_PRED, AS_LABEL_WIDTH };

// Behind the last label, where a metric is AS_METRIC_RANKS: how far apart expected and predicted
// label stand in label order, summed, and its square.
enum { AS_LABEL_EXTRA = 2 };

struct as_metric {
    const as_metric_ops *ops;
    as_str name;                          // in the summary; owned by whoever made the metric
    as_str spec;                          // JSON of the suite's map; empty for a bare name
    as_str signature;                     // for the summary; empty when nothing can be set
    as_str identity;                      // of everything that decides a score
    size_t index;                         // of its score in a row, which metrics may share
    size_t at, width;                     // of its statistics in a row's tally
    bool shares;                          // score and statistics with a metric before it
    size_t k;                             // of NAME@K
    bool negate;                          // not-NAME
    as_normal_form normal;                // of expected texts and answer, before they are scored
    as_setting settings[AS_SETTINGS_MAX]; // in the order of ops->settings
    void *own;                            // made by ops->prepare
};

// Resolves a name and its options. Strings are copied to `arena`; as_metric_release ends it.
as_rc as_metric_resolve(as_arena *arena, const as_metric_spec *spec, as_metric *out,
                        as_err *err) AS_MUST_USE;
void as_metric_release(as_metric *metric);

// Whether scores of the two mean the same.
bool as_metric_same(const as_metric *a, const as_metric *b);

// A run metric by name ("latency.p95"), NULL if it is none.
const as_metric_ops *as_metric_run_find(as_str name);

// AS_INVALID with the nearest name when assay knows no such metric.
as_rc as_metric_name_check(as_str name, const as_metric_ops **out, as_err *err);

// Families, each in its own file; together in about.c.
typedef struct as_metric_family {
    const as_metric_ops *metrics; // ends with name NULL
    const char *title, *notes;    // lines
} as_metric_family;
extern const as_metric_family as_metric_families[]; // ends with metrics NULL

extern const as_metric_ops as_classify_metrics[], as_agreement_metrics[], as_curve_metrics[],
    as_calibration_metrics[], as_text_metrics[], as_error_rate_metrics[], as_bleu_metrics[],
    as_chrf_metrics[], as_ter_metrics[], as_rouge_metrics[], as_span_metrics[],
    as_retrieval_metrics[], as_language_metrics[], as_pass_metrics[], as_assertion_metrics[],
    as_tool_metrics[], as_judged_metrics[], as_markup_metrics[], as_assert_metrics[],
    as_similarity_metrics[], as_sentence_metrics[], as_trajectory_metrics[],
    as_valid_call_metrics[], as_sql_metrics[], as_checked_metrics[],
    as_latency_metrics[]; // ends with name NULL

#endif
