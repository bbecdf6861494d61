// SPDX-License-Identifier: Apache-2.0
// drop.c - gates that compare two runs, case by case.
#include <math.h>

#include "metrics/gates/judging.h"
#include "metrics/num.h"
#include "metrics/paired.h"

#define Z_ONE_SIDED 1.64485362695147271
#define PAIRED_SHARE_MIN 0.95 // of all cases of both runs

enum { REPLICATES = 9999, REPLICATES_LARGE = 1999, LARGE_CASES = 20000 };

static double direction(const as_metric *metric) {
    return metric->ops->flags & AS_METRIC_LOWER ? -1 : 1;
}

// Cases that can be compared, of all that either run holds.
static bool enough_pairs(as_judging *j, const as_drop *d, as_check *check) {
    const as_pairs *p = &d->pairs;
    bool with_errors = d->b->ops->flags & AS_METRIC_ERRORS;
    uint64_t all = p->count + p->only_a + p->only_b;
    uint64_t paired = with_errors ? p->count : p->count - p->missing - p->changed;
    check->n = paired;
    if (paired && (double)paired >= PAIRED_SHARE_MIN * (double)all) return true;
    if (!all)
        as_judging_unmeasurable(check,
                                as_strf(j->arena, "no case with %.*s", AS_STR_ARG(check->slice)));
    else
        as_judging_unmeasurable(
            check, as_strf(j->arena,
                           "only %llu of %llu cases can be compared: %llu stand in one run "
                           "only, %llu ended in an error, %llu expect something else",
                           (unsigned long long)paired, (unsigned long long)all,
                           (unsigned long long)(p->only_a + p->only_b),
                           (unsigned long long)p->missing, (unsigned long long)p->changed));
    return false;
}

// The fastest and the slowest time that either run took, for answers that are missing.
static void find_extremes(const as_drop *d, as_change_how *how) {
    how->fastest = INFINITY, how->slowest = 0;
    as_pair_cursor cursor = as_pair_read(&d->pairs);
    as_pair pair;
    while (as_pair_next(&cursor, &pair)) {
        double both[] = {as_rows_score(d->a, pair.a), as_rows_score(d->b, pair.b)};
        for (int side = 0; side < 2; side++) {
            how->fastest = fmin(how->fastest, both[side]);
            how->slowest = fmax(how->slowest, both[side]);
        }
    }
}

static as_change change_of(const as_drop *d, as_stand_in a, as_stand_in b) {
    size_t replicates = d->pairs.count > LARGE_CASES ? REPLICATES_LARGE : REPLICATES;
    as_change_how how = {.a = a, .b = b, .replicates = replicates, .relative = d->relative};
    if (as_change_is_time(d->b) && a != AS_STAND_NONE) find_extremes(d, &how);
    as_change out;
    as_change_of(&d->pairs, &d->a, &d->b, 1, &how, &out);
    return out;
}

static void show_change(const as_change *change, bool rest, as_check *check) {
    check->value = change->b;
    check->baseline = change->a;
    check->delta = change->delta;
    check->ci = rest ? change->ci95 : change->ci90;
    check->mde = change->mde;
    check->broke = change->broke;
    check->fixed = change->fixed;
    check->n = change->n;
    check->method = change->method;
}

// Everything but the verdict, which waits for the other gates (Holm).
void as_drop_measure(as_judging *j, const as_gate_spec *spec, as_drop *d, as_check *check) {
    if (!j->base) {
        check->verdict = AS_NO_BASELINE;
        check->note = AS_STR("there is no run to compare with");
        return;
    }
    as_metric other;
    d->b = j->now ? as_judging_metric(j->now, spec->metric, &d->run_metric) : NULL;
    d->a = as_judging_metric(j->base, spec->metric, &other);
    if (d->a == &other) d->a = d->b;
    if (!d->b || !d->a) {
        as_judging_unmeasurable(check, as_strf(j->arena, "%s has no metric '%.*s'",
                                               d->b ? "the baseline" : "the run",
                                               AS_STR_ARG(spec->metric)));
        return;
    }
    if (!as_change_same(d->a, d->b)) {
        as_judging_unmeasurable(check, as_strf(j->arena, "'%.*s' has other options in the baseline",
                                               AS_STR_ARG(spec->metric)));
        return;
    }
    d->relative = check->relative;
    d->rest = j->rest;
    d->pairs = as_pair_list(j->base, j->now, spec->slice);
    if (!enough_pairs(j, d, check)) return;
    d->change = change_of(d, AS_STAND_NONE, AS_STAND_NONE);
    show_change(&d->change, j->rest, check);
    d->measured = !isnan(d->change.delta);
    if (!d->measured)
        as_judging_unmeasurable(
            check, as_strf(j->arena, "'%.*s' %s", AS_STR_ARG(spec->metric),
                           d->relative ? "is 0 on a case in one of the runs: there is no ratio"
                                       : "is undefined on the cases both runs share"));
}

static as_verdict verdict_of(const as_drop *d, const as_change *change, double sign, double margin,
                             double p_holm) {
    as_interval ci = d->rest ? change->ci95 : change->ci90;
    double alpha = d->rest ? AS_JUDGING_ALPHA_REST : AS_JUDGING_ALPHA;
    if ((sign > 0 ? ci.lo : -ci.hi) > -margin) return AS_PASS;
    if (p_holm < alpha && sign * change->delta < 0) return AS_FAIL;
    return AS_UNDECIDED;
}

// Few changes say little of those that did not happen: as many clusters without any are needed to
// rule out a drop of the margin (Tango's interval of no flips).
static double needed_without_flips(const as_drop *d, double margin) {
    const as_change *c = &d->change;
    bool bounded = d->b->ops->flags & (AS_METRIC_BOUNDED | AS_METRIC_SIGNED);
    if (!bounded || !(margin > 0) || c->broke + c->fixed >= 10) return 0;
    double clusters = floor(Z_ONE_SIDED * Z_ONE_SIDED * (1 - margin) / margin) + 1;
    return ceil(clusters * (double)c->n / (double)c->clusters);
}

// Cases that would decide the gate 8 times in 10: those that show or rule out a drop of the margin;
// or, when there are that many already, those that the change as measured asks for.
static uint64_t needed_cases(const as_drop *d, double sign, double margin) {
    const as_change *change = &d->change;
    double better = sign * change->delta, n = (double)change->n;
    if (d->relative) better = sign * as_num_log(1 + change->delta), margin = as_num_log(1 + margin);
    double reach = margin > 0 ? margin : fabs(better);
    double needed = as_paired_needed(change->variance, reach);
    needed = fmax(needed, needed_without_flips(d, margin));
    if (needed <= n) needed = as_paired_needed(change->variance, fmax(better + margin, -better));
    return isfinite(needed) && needed > n && needed < 1e15 ? (uint64_t)needed : 0;
}

static as_str undecided_note(as_judging *j, const as_check *check) {
    as_buf text = {0};
    double scale = check->relative ? 100 : 1;
    const char *unit = check->relative ? " %" : "";
    as_buff(&text, "cannot tell: the change lies between %+.4g and %+.4g%s", scale * check->ci.lo,
            scale * check->ci.hi, unit);
    if (check->needed)
        as_buff(&text, "; about %llu cases would decide it", (unsigned long long)check->needed);
    else
        as_buf_text(&text, "; so close to the margin, more cases may not decide it");
    if (!isnan(check->mde))
        as_buff(&text, "; these %llu show a drop of %.4g%s or more", (unsigned long long)check->n,
                scale * check->mde, unit);
    as_str out = as_str_copy(j->arena, as_buf_view(&text));
    as_buf_free(&text);
    return out;
}

static void write_note(as_judging *j, const as_drop *d, double sign, as_check *check) {
    double upper = sign > 0 ? d->change.ci90.hi : -d->change.ci90.lo;
    if (check->verdict == AS_UNDECIDED) {
        check->needed = needed_cases(d, sign, check->limit);
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
static bool survives_missing(const as_drop *d, double sign, double margin, double holm_factor,
                             as_verdict verdict) {
    bool known = d->b->ops->flags & AS_METRIC_UNIT || as_change_is_time(d->b);
    if (!d->pairs.missing || !known) return true;
    as_change worst = change_of(d, AS_STAND_RIGHT, AS_STAND_WRONG);
    as_change best = change_of(d, AS_STAND_WRONG, AS_STAND_RIGHT);
    return verdict_of(d, &worst, sign, margin, worst.p_drop * holm_factor) == verdict &&
           verdict_of(d, &best, sign, margin, best.p_drop * holm_factor) == verdict;
}

static void judge_drop(as_judging *j, const as_drop *d, double p_holm, as_check *check) {
    double sign = direction(d->b);
    check->p = p_holm;
    check->verdict = verdict_of(d, &d->change, sign, check->limit, p_holm);
    write_note(j, d, sign, check);
    double factor = d->change.p_drop > 0 ? p_holm / d->change.p_drop : 1;
    if (check->verdict != AS_UNDECIDED &&
        !survives_missing(d, sign, check->limit, factor, check->verdict))
        as_judging_unmeasurable(
            check, as_strf(j->arena,
                           "%llu cases have no answer in one of the runs: their answers "
                           "could turn the verdict (%s)",
                           (unsigned long long)d->pairs.missing, as_verdict_name(check->verdict)));
}

void as_drop_judge_all(as_judging *j, as_drop *drops, as_check *checks, size_t count) {
    double *p = AS_NEW_ARRAY(&j->scratch, double, count + 1);
    for (size_t i = 0; i < count; i++) p[i] = drops[i].measured ? drops[i].change.p_drop : NAN;
    as_paired_holm(p, count);
    for (size_t i = 0; i < count; i++)
        if (drops[i].measured) judge_drop(j, &drops[i], p[i], &checks[i]);
}
