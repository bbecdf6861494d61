// SPDX-License-Identifier: Apache-2.0
#include "metrics/latency.h"

#include <math.h>

#include "metrics/metric.h"
#include "metrics/num.h"
#include "metrics/special.h"

static size_t place_of(size_t count, double q) {
    // 0.95 * 100 is a little more than 95 in binary: a rank must not move for that.
    double rank = ceil(q * (double)count - 1e-9);
    size_t at = rank < 1 ? 1 : (size_t)rank;
    return (at > count ? count : at) - 1;
}

double as_latency_rank(const double *sorted, size_t count, double q) {
    return count ? sorted[place_of(count, q)] : NAN;
}

double as_latency_rank_sorted(const as_sorted *s, double q) {
    return s->count ? as_sorted_at(s, place_of(s->count, q)) : NAN;
}

bool as_latency_holds(size_t count, double q) {
    return (double)count * (1 - q) >= 1 - 1e-9;
}

double as_latency_quantile_sorted(const as_sorted *s, double q) {
    bool withheld = q >= 0.99 && q < 1 && !as_latency_holds(s->count, q);
    return withheld ? NAN : as_latency_rank_sorted(s, q);
}

// The largest k whose P(X < k) is at most `tail`, X ~ Bin(n, q): between 0 and n.
static size_t lower_rank(size_t n, double q, double tail) {
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = hi - (hi - lo) / 2;
        if (1 - as_special_binomial_upper((double)mid, (double)n, q) <= tail)
            lo = mid;
        else
            hi = mid - 1;
    }
    return lo;
}

// x(l) <= quantile <= x(u) fails below with P(X < l) and above with P(X >= u).
as_interval as_latency_interval(const double *sorted, size_t count, double q, double tail) {
    as_interval out = {NAN, NAN};
    if (q <= 0 || q >= 1 || !count) return out;
    size_t below = lower_rank(count, q, tail), above = lower_rank(count, 1 - q, tail);
    if (below) out.lo = sorted[below - 1];
    if (above) out.hi = sorted[count - above];
    return out;
}

as_interval as_latency_interval_sorted(const as_sorted *s, double q, double tail) {
    as_interval out = {NAN, NAN};
    if (q <= 0 || q >= 1 || !s->count) return out;
    size_t below = lower_rank(s->count, q, tail), above = lower_rank(s->count, 1 - q, tail);
    if (below) out.lo = as_sorted_at(s, below - 1);
    if (above) out.hi = as_sorted_at(s, s->count - above);
    return out;
}

as_latency as_latency_of(const as_sorted *s) {
    as_num_sum sum = {0};
    as_sorted_reader reader = as_sorted_read(s);
    double value;
    while (as_sorted_next(&reader, &value)) as_num_add(&sum, value);
    as_sorted_done(&reader);
    return (as_latency){
        .p50 = as_latency_rank_sorted(s, 0.50),
        .p90 = as_latency_rank_sorted(s, 0.90),
        .p95 = as_latency_rank_sorted(s, 0.95),
        .p99 = as_latency_quantile_sorted(s, 0.99),
        .max = as_latency_rank_sorted(s, 1),
        .mean = s->count ? as_num_total(&sum) / (double)s->count : NAN,
    };
}

// Spending over correct answers: the cost of one that is right (first metric of the suite at 1).
static double value_of_correct_cost(const as_metric *metric, const double *tally,
                                    size_t label_count) {
    (void)metric, (void)label_count;
    return tally[1] > 0 ? tally[0] / tally[1] : NAN;
}

#define TIME_FLAGS (AS_METRIC_RUN | AS_METRIC_LOWER)
#define QUANTILE(metric_name, field, at, line)                                                     \
    {                                                                                              \
        .name = metric_name, .text = line, .kind = AS_METRIC_QUANTILE, .flags = TIME_FLAGS,        \
        .variant = field, .q = at                                                                  \
    }
#define TIMES(stem, field, what)                                                                   \
    {.name = stem ".mean",                                                                         \
     .text = "mean of " what ", ms",                                                               \
     .kind = AS_METRIC_MEAN,                                                                       \
     .flags = TIME_FLAGS,                                                                          \
     .variant = field},                                                                            \
        QUANTILE(stem ".p50", field, 0.50, "median of " what ", ms"),                              \
        QUANTILE(stem ".p90", field, 0.90, "90th percentile of " what ", ms"),                     \
        QUANTILE(stem ".p95", field, 0.95, "95th percentile of " what ", ms"),                     \
        QUANTILE(stem ".p99", field, 0.99, "99th percentile of " what ", ms"),                     \
        QUANTILE(stem ".max", field, 1, "largest of " what ", ms")

const as_metric_ops as_latency_metrics[] = {
    TIMES("latency", AS_RUN_LATENCY, "the time to the whole answer"),
    TIMES("ttft", AS_RUN_TTFT, "the time to the first token"),
    TIMES("tpot", AS_RUN_TPOT, "the time a token after the first"),
    {.name = "cost.total",
     .text = "cost of all cases",
     .kind = AS_METRIC_TOTAL,
     .flags = TIME_FLAGS | AS_METRIC_ERRORS,
     .variant = AS_RUN_COST},
    {.name = "cost.per_case",
     .text = "mean cost of a case",
     .kind = AS_METRIC_MEAN,
     .flags = TIME_FLAGS | AS_METRIC_ERRORS,
     .variant = AS_RUN_COST},
    {.name = "cost.per_correct",
     .text = "cost of a case that the first metric calls right",
     .kind = AS_METRIC_CORPUS,
     .flags = TIME_FLAGS | AS_METRIC_ERRORS,
     .width = 2,
     .value = value_of_correct_cost,
     .variant = AS_RUN_CORRECT_COST},
    {.name = "errors",
     .text = "share of cases that the target failed to answer",
     .kind = AS_METRIC_MEAN,
     .flags = TIME_FLAGS | AS_METRIC_ERRORS | AS_METRIC_BOUNDED,
     .variant = AS_RUN_ERROR},
    {.name = NULL},
};
