// SPDX-License-Identifier: Apache-2.0
#include "metrics/gate.h"

#include <math.h>

#include "metrics/change.h"
#include "metrics/estimate.h"
#include "metrics/paired.h"

#define Z_ONE_SIDED 1.64485362695147271
#define ALPHA 0.05
#define PAIRED_SHARE_MIN 0.95 // of all cases of both runs

enum { REPLICATES = 9999, REPLICATES_LARGE = 1999, LARGE_CASES = 20000 };

// A drop gate between its measurement and its verdict.
typedef struct drop {
    as_metric run_metric; // for metrics of the run, which a suite need not ask for
    const as_metric *a, *b;
    as_pairs pairs;
    as_change change;
    bool measured;
} drop;

typedef struct judging {
    as_arena *arena, scratch;
    const as_summary *summary;
    as_scorer *now, *base;
} judging;

static as_check new_check(as_arena *arena, const as_gate_spec *spec) {
    return (as_check){.gate = as_str_copy(arena, spec->text),
                      .metric = as_str_copy(arena, spec->metric),
                      .slice = as_str_copy(arena, spec->slice),
                      .value = NAN,
                      .baseline = NAN,
                      .delta = NAN,
                      .limit = spec->limit,
                      .ci = {NAN, NAN},
                      .p = NAN,
                      .mde = NAN,
                      .prove = spec->prove,
                      .method = AS_STR("threshold"),
                      .note = AS_STR("")};
}

static void unmeasurable(as_check *check, as_str note) {
    check->verdict = AS_UNMEASURABLE;
    check->note = note;
}

static const as_metric *find_metric(as_scorer *scorer, as_str name, as_metric *run_metric) {
    const as_metric *metric = as_rows_metric(scorer, name);
    const as_metric_ops *ops = metric ? NULL : as_metric_run_find(name);
    if (!ops) return metric;
    *run_metric = (as_metric){.ops = ops, .name = name, .width = ops->width};
    return run_metric;
}

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
static bool current_value(judging *j, const as_gate_spec *spec, as_value *out) {
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
        const as_metric *metric = find_metric(j->now, spec->metric, &run_metric);
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

static void judge_threshold(judging *j, const as_gate_spec *spec, as_check *check) {
    as_value value;
    if (!current_value(j, spec, &value)) {
        unmeasurable(check, as_strf(j->arena, "the run has no metric '%.*s': add it to metrics",
                                    AS_STR_ARG(spec->metric)));
        return;
    }
    check->value = value.value;
    check->ci = value.ci;
    check->n = value.n;
    if (isnan(value.value)) {
        unmeasurable(
            check, spec->slice.len && !value.n
                       ? as_strf(j->arena, "no case with %.*s has a value", AS_STR_ARG(spec->slice))
                       : as_strf(j->arena, "'%.*s' is undefined on these cases",
                                 AS_STR_ARG(spec->metric)));
        return;
    }
    check->verdict = holds(spec->op, value.value, spec->limit) ? AS_PASS : AS_FAIL;
    if (check->verdict == AS_PASS) return;
    char shown[32], limit[32];
    as_f64_text(value.value, shown);
    as_f64_text(spec->limit, limit);
    check->note =
        as_strf(j->arena, "%.*s is %s, the limit %s", AS_STR_ARG(spec->metric), shown, limit);
}

static double direction(const as_metric *metric) {
    return metric->ops->flags & AS_METRIC_LOWER ? -1 : 1;
}

// Cases that can be compared, of all that either run holds.
static bool enough_pairs(judging *j, const drop *d, as_check *check) {
    const as_pairs *p = &d->pairs;
    bool with_errors = d->b->ops->flags & AS_METRIC_ERRORS;
    uint64_t all = p->count + p->only_a + p->only_b;
    uint64_t paired = with_errors ? p->count : p->count - p->missing - p->changed;
    check->n = paired;
    if (paired && (double)paired >= PAIRED_SHARE_MIN * (double)all) return true;
    if (!all)
        unmeasurable(check, as_strf(j->arena, "no case with %.*s", AS_STR_ARG(check->slice)));
    else
        unmeasurable(check,
                     as_strf(j->arena,
                             "only %llu of %llu cases can be compared: %llu stand in one run "
                             "only, %llu ended in an error, %llu expect something else",
                             (unsigned long long)paired, (unsigned long long)all,
                             (unsigned long long)(p->only_a + p->only_b),
                             (unsigned long long)p->missing, (unsigned long long)p->changed));
    return false;
}

static as_change change_of(const drop *d, as_stand_in a, as_stand_in b) {
    size_t replicates = d->pairs.count > LARGE_CASES ? REPLICATES_LARGE : REPLICATES;
    as_change_how how = {a, b, replicates};
    as_change out;
    as_change_of(&d->pairs, &d->a, &d->b, 1, &how, &out);
    return out;
}

static void show_change(const as_change *change, as_check *check) {
    check->value = change->b;
    check->baseline = change->a;
    check->delta = change->delta;
    check->ci = change->ci90;
    check->mde = change->mde;
    check->broke = change->broke;
    check->fixed = change->fixed;
    check->n = change->n;
    check->method = change->method;
}

// Everything but the verdict, which waits for the other gates (Holm).
static void measure_drop(judging *j, const as_gate_spec *spec, drop *d, as_check *check) {
    check->method = AS_STR("none");
    if (!j->base) {
        check->verdict = AS_NO_BASELINE;
        check->note = AS_STR("there is no run to compare with");
        return;
    }
    as_metric other;
    d->b = j->now ? find_metric(j->now, spec->metric, &d->run_metric) : NULL;
    d->a = find_metric(j->base, spec->metric, &other);
    if (d->a == &other) d->a = d->b;
    if (!d->b || !d->a) {
        unmeasurable(check, as_strf(j->arena, "%s has no metric '%.*s'",
                                    d->b ? "the baseline" : "the run", AS_STR_ARG(spec->metric)));
        return;
    }
    if (!as_change_same(d->a, d->b)) {
        unmeasurable(check, as_strf(j->arena, "'%.*s' has other options in the baseline",
                                    AS_STR_ARG(spec->metric)));
        return;
    }
    d->pairs = as_pair_list(&j->scratch, j->base, j->now, spec->slice);
    if (!enough_pairs(j, d, check)) return;
    d->change = change_of(d, AS_STAND_NONE, AS_STAND_NONE);
    show_change(&d->change, check);
    d->measured = !isnan(d->change.delta);
    if (!d->measured)
        unmeasurable(check, as_strf(j->arena, "'%.*s' is undefined on the cases both runs share",
                                    AS_STR_ARG(spec->metric)));
}

static double lower_bound(const as_change *change, double sign) {
    return sign > 0 ? change->ci90.lo : -change->ci90.hi;
}

static as_verdict verdict_of(const as_change *change, double sign, double margin, double p_holm) {
    if (lower_bound(change, sign) > -margin) return AS_PASS;
    if (p_holm < ALPHA && sign * change->delta < 0) return AS_FAIL;
    return AS_UNDECIDED;
}

// Cases that would decide the gate 8 times in 10: those that show or rule out a drop of the margin;
// or, when there are that many already, those that the change as measured asks for.
static uint64_t needed_cases(const as_change *change, double sign, double margin) {
    double better = sign * change->delta, n = (double)change->n;
    double reach = margin > 0 ? margin : fabs(better);
    double needed = as_paired_needed(change->variance, reach);
    if (margin > 0 && change->broke + change->fixed == 0)
        needed = fmax(needed, floor(Z_ONE_SIDED * Z_ONE_SIDED * (1 - margin) / margin) + 1);
    if (needed <= n) needed = as_paired_needed(change->variance, fmax(better + margin, -better));
    return isfinite(needed) && needed > n && needed < 1e15 ? (uint64_t)needed : 0;
}

static as_str undecided_note(judging *j, const as_check *check) {
    as_buf text = {0};
    as_buff(&text, "cannot tell: the change lies between %+.4g and %+.4g", check->ci.lo,
            check->ci.hi);
    if (check->needed)
        as_buff(&text, "; about %llu cases would decide it", (unsigned long long)check->needed);
    if (!isnan(check->mde))
        as_buff(&text, "; these %llu show a drop of %.4g or more", (unsigned long long)check->n,
                check->mde);
    as_str out = as_str_copy(j->arena, as_buf_view(&text));
    as_buf_free(&text);
    return out;
}

static void write_note(judging *j, const drop *d, double sign, as_check *check) {
    double upper = sign > 0 ? d->change.ci90.hi : -d->change.ci90.lo;
    if (check->verdict == AS_UNDECIDED) {
        check->needed = needed_cases(&d->change, sign, check->limit);
        check->note = undecided_note(j, check);
    } else if (check->verdict == AS_PASS && upper < 0) {
        check->note = AS_STR("worse, but proven to stay within the margin");
    } else if (check->verdict == AS_FAIL && check->broke + check->fixed) {
        check->note = as_strf(j->arena, "%llu cases broke, %llu were fixed",
                              (unsigned long long)check->broke, (unsigned long long)check->fixed);
    }
}

// Would the verdict stand if every missing answer had been the worst for it, or the best? A target
// that fails on the hard cases must not pass for that, nor fail on its failures alone.
static bool survives_missing(const drop *d, double sign, double margin, double holm_factor,
                             as_verdict verdict) {
    if (!d->pairs.missing || !(d->b->ops->flags & AS_METRIC_UNIT)) return true;
    as_change worst = change_of(d, AS_STAND_RIGHT, AS_STAND_WRONG);
    as_change best = change_of(d, AS_STAND_WRONG, AS_STAND_RIGHT);
    return verdict_of(&worst, sign, margin, worst.p_drop * holm_factor) == verdict &&
           verdict_of(&best, sign, margin, best.p_drop * holm_factor) == verdict;
}

static void judge_drop(judging *j, const drop *d, double p_holm, as_check *check) {
    double sign = direction(d->b);
    check->p = p_holm;
    check->verdict = verdict_of(&d->change, sign, check->limit, p_holm);
    write_note(j, d, sign, check);
    double factor = d->change.p_drop > 0 ? p_holm / d->change.p_drop : 1;
    if (check->verdict != AS_UNDECIDED &&
        !survives_missing(d, sign, check->limit, factor, check->verdict))
        unmeasurable(check, as_strf(j->arena,
                                    "%llu cases have no answer in one of the runs: their answers "
                                    "could turn the verdict (%s)",
                                    (unsigned long long)d->pairs.missing,
                                    as_verdict_name(check->verdict)));
}

static void judge_drops(judging *j, drop *drops, as_check *checks, size_t count) {
    double *p = AS_NEW_ARRAY(&j->scratch, double, count + 1);
    for (size_t i = 0; i < count; i++) p[i] = drops[i].measured ? drops[i].change.p_drop : NAN;
    as_paired_holm(p, count);
    for (size_t i = 0; i < count; i++)
        if (drops[i].measured) judge_drop(j, &drops[i], p[i], &checks[i]);
}

static as_verdict worst_of(const as_check *checks, size_t count) {
    static const as_verdict order[] = {AS_UNMEASURABLE, AS_FAIL, AS_UNDECIDED, AS_NO_BASELINE};
    for (size_t v = 0; v < sizeof order / sizeof *order; v++)
        for (size_t i = 0; i < count; i++)
            if (checks[i].verdict == order[v]) return order[v];
    return AS_PASS;
}

void as_gate_judge(as_arena *arena, const as_gate_spec *specs, size_t count,
                   const as_summary *summary, as_scorer *now, as_scorer *base, as_str baseline_run,
                   as_gate *out) {
    judging j = {.arena = arena, .summary = summary, .now = now, .base = base};
    as_check *checks = AS_NEW_ARRAY(arena, as_check, count + 1);
    drop *drops = AS_NEW_ARRAY(&j.scratch, drop, count + 1);
    for (size_t i = 0; i < count; i++) {
        checks[i] = new_check(arena, &specs[i]);
        if (specs[i].op == AS_DROP)
            measure_drop(&j, &specs[i], &drops[i], &checks[i]);
        else
            judge_threshold(&j, &specs[i], &checks[i]);
    }
    judge_drops(&j, drops, checks, count);
    *out = (as_gate){.verdict = worst_of(checks, count),
                     .baseline = base ? as_str_copy(arena, baseline_run) : AS_STR(""),
                     .checks = checks,
                     .count = count};
    as_arena_free(&j.scratch);
}

int as_gate_exit_code(const as_gate *gate, bool strict) {
    bool undecided = false;
    for (size_t i = 0; i < gate->count; i++) {
        const as_check *check = &gate->checks[i];
        undecided |= check->verdict == AS_UNDECIDED && (strict || check->prove);
    }
    if (gate->verdict == AS_UNMEASURABLE) return 3;
    if (gate->verdict == AS_FAIL) return 1;
    return undecided ? 4 : 0;
}
