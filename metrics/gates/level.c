// SPDX-License-Identifier: Apache-2.0
// level.c - gates that hold one run against a limit.
#include <math.h>

#include "metrics/estimate.h"
#include "metrics/gates/judging.h"
#include "metrics/judged/judged_sum.h"
#include "metrics/paired.h"

// Numbers that a summary holds outside its metrics; NaN when it holds none of that name.
static double summary_number(const as_summary *s, as_str name) {
    const struct {
        const char *name;
        double value;
    } known[] = {
        {"latency.mean", s->latency.mean},
        {"latency.p50", s->latency.p50},
        {"latency.p90", s->latency.p90},
        {"latency.p95", s->latency.p95},
        {"latency.p99", s->latency.p99},
        {"latency.max", s->latency.max},
        {"ttft.mean", s->ttft.mean},
        {"ttft.p50", s->ttft.p50},
        {"ttft.p90", s->ttft.p90},
        {"ttft.p95", s->ttft.p95},
        {"ttft.p99", s->ttft.p99},
        {"ttft.max", s->ttft.max},
        {"tpot.mean", s->tpot.mean},
        {"tpot.p50", s->tpot.p50},
        {"tpot.p90", s->tpot.p90},
        {"tpot.p95", s->tpot.p95},
        {"tpot.p99", s->tpot.p99},
        {"tpot.max", s->tpot.max},
        {"cost.total", s->cost_total},
        {"cost.per_case", s->cost_per_case},
        {"errors", s->total ? (double)s->errors / (double)s->total : NAN},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (as_str_is(name, known[i].name)) return known[i].value;
    return NAN;
}

// The value a threshold is held against: from the summary's metrics, computed from the rows, or
// one of the summary's own numbers. False: this run knows no such metric.
static bool current_value(as_judging *j, const as_gate_spec *spec, as_value *out) {
    const as_value *known = as_summary_value(j->summary, spec->metric, spec->slice);
    if (known) {
        *out = *known;
        return true;
    }
    *out = (as_value){.value = NAN, .ci = {NAN, NAN}, .n = j->summary->total};
    if (j->now) {
        as_metric run_metric;
        uint32_t slice;
        as_rows_seal(j->now);
        const as_metric *metric = as_judging_metric(j->now, spec->metric, &run_metric);
        if (!metric) return false;
        if (!as_rows_slice(j->now, spec->slice, &slice)) return true;
        *out = as_estimate_one(&j->scratch, j->now, metric, slice);
        return true;
    }
    if (!spec->slice.len) out->value = summary_number(j->summary, spec->metric);
    return !isnan(out->value);
}

// Values that differ by rounding are equal: 0.1 + 0.2 must not break a gate at 0.3.
static bool holds(as_gate_op op, double value, double limit) {
    bool equal = fabs(value - limit) <= 1e-12 * fmax(1, fabs(limit));
    switch (op) {
    case AS_GE:
        return equal || value > limit;
    case AS_GT:
        return !equal && value > limit;
    case AS_LE:
        return equal || value < limit;
    case AS_LT:
        return !equal && value < limit;
    default:
        return equal;
    }
}

// The value a gate is about, on the rows; NULL metric: only the summary knows it.
typedef struct subject {
    as_value value; // with the interval of a claim for `prove`
    const as_metric *metric;
    as_metric run_metric;
    uint32_t slice;
} subject;

static bool find_subject(as_judging *j, const as_gate_spec *spec, as_check *check, subject *out) {
    *out = (subject){.slice = AS_ROWS_NONE};
    bool known = current_value(j, spec, &out->value);
    bool sliced = true;
    if (j->now) {
        as_rows_seal(j->now);
        out->metric = as_judging_metric(j->now, spec->metric, &out->run_metric);
        sliced = as_rows_slice(j->now, spec->slice, &out->slice);
    }
    if (!known)
        as_judging_unmeasurable(check,
                                as_strf(j->arena, "the run has no metric '%.*s': add it to metrics",
                                        AS_STR_ARG(spec->metric)));
    else if (out->metric && sliced && spec->prove)
        out->value = as_estimate_claim(&j->scratch, j->now, out->metric, out->slice);
    if (!sliced) out->metric = NULL;
    return known;
}

static bool is_defined(as_judging *j, const as_gate_spec *spec, const as_value *value,
                       as_check *check) {
    if (!isnan(value->value)) return true;
    bool empty = spec->slice.len && !value->n;
    bool withheld = value->n && value->n < 100 && as_str_ends(spec->metric, AS_STR(".p99"));
    as_judging_unmeasurable(
        check,
        empty ? as_strf(j->arena, "no case with %.*s has a value", AS_STR_ARG(spec->slice))
        : withheld
            ? as_strf(j->arena,
                      "'%.*s' takes at least 100 answers, there are %llu: name p95 or p50",
                      AS_STR_ARG(spec->metric), (unsigned long long)value->n)
            : as_strf(j->arena, "'%.*s' is undefined on these cases", AS_STR_ARG(spec->metric)));
    return false;
}

static bool is_upward(as_gate_op op) {
    return op == AS_GE || op == AS_GT;
}

// The verdict by the bounds of the interval: proven, ruled out, or neither.
static as_verdict verdict_of_claim(as_gate_op op, as_interval ci, double limit) {
    double near = is_upward(op) ? ci.lo : ci.hi, far = is_upward(op) ? ci.hi : ci.lo;
    if (holds(op, near, limit)) return AS_PASS; // an end that is not known proves nothing
    return isnan(far) || holds(op, far, limit) ? AS_UNDECIDED : AS_FAIL;
}

// Cases that would prove the value as it is, 8 times in 10; never fewer than a clean sheet takes:
// n successes of n say "at least p" with confidence 1 - p^n.
static uint64_t needed_for_claim(const as_value *value, double limit, bool share) {
    double n = (double)value->n, apart = fabs(value->value - limit);
    double needed = as_paired_needed(n * value->stderr_ * value->stderr_, apart);
    double end = value->value >= 1 ? limit : 1 - limit;
    if (share && (value->value <= 0 || value->value >= 1) && end > 0 && end < 1)
        needed = fmax(isnan(needed) ? 0 : needed, ceil(log(AS_JUDGING_ALPHA) / log(end)));
    return isfinite(needed) && needed > n && needed < 1e15 ? (uint64_t)needed : 0;
}

static void note_undecided(as_judging *j, const as_gate_spec *spec, const as_value *value,
                           bool share, as_check *check) {
    as_buf text = {0};
    double spread = value->stderr_;
    if (share && value->n && spec->limit > 0 && spec->limit < 1)
        spread = fmax(spread, sqrt(spec->limit * (1 - spec->limit) / (double)value->n));
    check->mde = AS_PAIRED_POWER * spread;
    check->needed = needed_for_claim(value, spec->limit, share);
    as_buff(&text, "cannot tell: it lies between %.4g and %.4g", value->ci.lo, value->ci.hi);
    if (check->needed)
        as_buff(&text, "; about %llu cases would decide it", (unsigned long long)check->needed);
    else
        as_buf_text(&text, "; so close to the limit, more cases may not decide it");
    if (check->mde > 0)
        as_buff(&text, "; these %llu tell values that are %.4g away from the limit",
                (unsigned long long)value->n, check->mde);
    check->note = as_str_copy(j->arena, as_buf_view(&text));
    as_buf_free(&text);
}

static bool is_missing(const as_metric *metric, const as_row *row) {
    return !as_rows_whole(row) ||
           (as_judged_sum_lost(metric, row) && isnan(as_rows_score(metric, row)));
}

// Missing answers: would the gate still hold if each had been as bad as it can be?
static bool survives_missing(as_judging *j, const as_gate_spec *spec, const subject *s,
                             as_check *check) {
    if (!s->metric || s->metric->ops->flags & AS_METRIC_ERRORS) return true;
    uint64_t missing = 0;
    as_rows_cursor cursor = as_rows_cases(j->now);
    const as_row *row;
    while ((row = as_rows_next(&cursor)))
        missing += is_missing(s->metric, row) && as_rows_in_slice(row, s->slice);
    if (!missing) return true;
    double worst = as_estimate_worst(&j->scratch, j->now, s->metric, s->slice);
    if (isnan(worst) || holds(spec->op, worst, spec->limit)) return true;
    as_judging_unmeasurable(
        check,
        as_strf(j->arena, "%llu cases have no answer: had they been the worst, %.*s would be %.4g",
                (unsigned long long)missing, AS_STR_ARG(spec->metric), worst));
    return false;
}

static void judge_value(as_judging *j, const as_gate_spec *spec, as_check *check) {
    subject s;
    if (!find_subject(j, spec, check, &s)) return;
    check->value = s.value.value;
    check->ci = s.value.ci;
    check->n = s.value.n;
    if (!is_defined(j, spec, &s.value, check)) return;
    check->verdict = holds(spec->op, s.value.value, spec->limit) ? AS_PASS : AS_FAIL;
    if (spec->prove) {
        check->verdict = verdict_of_claim(spec->op, s.value.ci, spec->limit);
        check->method = as_str_copy(j->arena, s.value.method);
    }
    if (check->verdict == AS_PASS && !survives_missing(j, spec, &s, check)) return;
    bool share =
        s.metric && s.metric->ops->flags & AS_METRIC_UNIT && s.metric->ops->kind == AS_METRIC_MEAN;
    if (check->verdict == AS_UNDECIDED) note_undecided(j, spec, &s.value, share, check);
    if (check->verdict != AS_FAIL) return;
    char shown[32], limit[32];
    as_f64_text(s.value.value, shown);
    as_f64_text(spec->limit, limit);
    check->note = as_strf(j->arena, "%.*s is %s%s, the limit %s", AS_STR_ARG(spec->metric),
                          spec->prove ? "proven to miss it: " : "", shown, limit);
}

enum { NAMED_MAX = 5 };

// Names of the first few cases of a list.
typedef struct naming {
    as_buf text;
    uint64_t count;
} naming;

static void name_case(naming *n, const as_row *row) {
    if (n->count++ < NAMED_MAX)
        as_buff(&n->text, "%s%.*s", n->count > 1 ? ", " : "", AS_STR_ARG(row->id));
}

static as_str named(as_judging *j, naming *n, uint64_t all, const char *what) {
    if (n->count > NAMED_MAX)
        as_buff(&n->text, " and %llu more", (unsigned long long)(n->count - NAMED_MAX));
    return as_strf(j->arena, "%llu of %llu cases %s: %.*s", (unsigned long long)n->count,
                   (unsigned long long)all, what, AS_STR_ARG(as_buf_view(&n->text)));
}

// Must-pass cases: each by itself, no statistics. One that fails is a failure whatever else is
// missing; one that has no answer is not known to hold.
static void judge_every(as_judging *j, const as_gate_spec *spec, as_check *check) {
    subject s;
    check->method = AS_STR("every case");
    if (!find_subject(j, spec, check, &s)) return;
    if (!j->now || !s.metric) {
        as_judging_unmeasurable(check,
                                as_strf(j->arena, "no case with %.*s", AS_STR_ARG(spec->slice)));
        return;
    }
    naming failing = {0}, unknown = {0};
    as_rows_cursor cursor = as_rows_cases(j->now);
    const as_row *row;
    while ((row = as_rows_next(&cursor))) {
        if (!as_rows_in_slice(row, s.slice)) continue;
        double score = as_rows_score(s.metric, row);
        check->n++;
        if (isnan(score)) {
            name_case(&unknown, row);
            continue;
        }
        bool worse = is_upward(spec->op) ? score < check->value : score > check->value;
        if (isnan(check->value) || worse) check->value = score;
        if (!holds(spec->op, score, spec->limit)) name_case(&failing, row);
    }
    if (failing.count) {
        check->verdict = AS_FAIL;
        check->note = named(j, &failing, check->n, "miss the limit");
    } else if (unknown.count || !check->n) {
        as_judging_unmeasurable(check, check->n ? named(j, &unknown, check->n, "have no score")
                                                : AS_STR("there is no such case"));
    } else {
        check->verdict = AS_PASS;
    }
    as_buf_free(&failing.text);
    as_buf_free(&unknown.text);
}

void as_level_judge(as_judging *j, const as_gate_spec *spec, as_check *check) {
    if (spec->every)
        judge_every(j, spec, check);
    else
        judge_value(j, spec, check);
}
