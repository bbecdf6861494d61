// SPDX-License-Identifier: Apache-2.0
#include "reports/phrase.h"

#include <math.h>

#include "reports/figures.h"

const char *as_phrase_verdict(const as_gate *gate) {
    static const char *const words[] = {"Passed", "Failed", "Undecided", "No baseline",
                                        "Not measured"};
    return gate->count || gate->verdict != AS_PASS ? words[gate->verdict] : "Measured";
}

const char *as_phrase_check(as_verdict verdict) {
    static const char *const words[] = {"pass", "fail", "undecided", "no baseline", "not measured"};
    return words[verdict];
}

const char *as_phrase_mark(as_verdict verdict) {
    static const char *const marks[] = {"\xe2\x9c\x93", "\xe2\x9c\x97", "?", "\xe2\x80\x93", "!"};
    return marks[verdict];
}

size_t as_phrase_count(const as_gate *gate, as_verdict verdict) {
    size_t count = 0;
    for (size_t i = 0; i < gate->count; i++) count += gate->checks[i].verdict == verdict;
    return count;
}

bool as_phrase_has_note(const as_check *check) {
    bool each = as_str_is(check->method, "every case"); // the note names those that fail
    return check->note.len &&
           (check->verdict == AS_PASS || check->verdict == AS_UNMEASURABLE || each);
}

bool as_phrase_is_drop(const as_check *check) {
    return isfinite(check->baseline) || as_str_find(check->gate, AS_STR(" drop "), 0) != SIZE_MAX ||
           as_str_find(check->gate, AS_STR(" rise "), 0) != SIZE_MAX;
}

static const char *checks(size_t count) {
    return count == 1 ? "check" : "checks";
}

void as_phrase_gate(as_buf *out, const as_gate *gate) {
    size_t total = gate->count, hit = as_phrase_count(gate, gate->verdict);
    size_t held = as_phrase_count(gate, AS_PASS);
    if (!total) {
        as_buf_text(out, gate->verdict == AS_UNMEASURABLE
                             ? "there is nothing to judge"
                             : "no gate is set, so nothing was judged");
        return;
    }
    switch (gate->verdict) {
    case AS_PASS:
        if (total == 1)
            as_buf_text(out, "the one check holds");
        else
            as_buff(out, total == 2 ? "both checks hold" : "all %zu checks hold", total);
        break;
    case AS_FAIL:
        as_buff(out, "%zu of %zu %s failed", hit, total, checks(total));
        break;
    case AS_UNDECIDED:
        as_buff(out, "%zu of %zu %s cannot be decided with this many cases", hit, total,
                checks(total));
        break;
    case AS_NO_BASELINE:
        as_buff(out, "%zu of %zu %s had no run to compare with", hit, total, checks(total));
        if (held) as_buff(out, "; the other %zu %s", held, held == 1 ? "holds" : "hold");
        break;
    case AS_UNMEASURABLE:
        as_buff(out, "%zu of %zu %s could not be measured", hit, total, checks(total));
    }
}

// Rounded up to two digits: an estimate should look like one.
static uint64_t two_digits(uint64_t count) {
    uint64_t unit = 1;
    while (count / unit >= 100) unit *= 10;
    return (count / unit + (count % unit != 0)) * unit;
}

static void reason_threshold(as_buf *out, const as_check *c, as_unit unit) {
    double apart = c->value - c->limit;
    as_buf_text(out, as_figure_of(c->value, unit).text);
    const char *side = apart > 0 ? "above" : "below";
    if (apart == 0)
        as_buff(out, ", exactly the limit");
    else
        as_buff(out, ", %s %s the limit of %s", as_figure_size(apart, unit).text, side,
                as_figure_of(c->limit, unit).text);
    if (c->verdict != AS_UNDECIDED) return;
    as_buff(out, ": too few cases to tell, it may be %s", as_figure_interval(c->ci, unit).text);
    if (isfinite(c->mde))
        as_buff(out, "; these %s tell values %s away", as_figure_count(c->n).text,
                as_figure_size(c->mde, unit).text);
    if (c->needed)
        as_buff(out, "; about %s would decide it", as_figure_count(two_digits(c->needed)).text);
}

static void put_flips(as_buf *out, const as_check *c) {
    if (!c->broke && !c->fixed) return;
    as_buff(out, "; %s %s broke, %s fixed", as_figure_count(c->broke).text,
            c->broke == 1 ? "case" : "cases", as_figure_count(c->fixed).text);
}

static void reason_drop(as_buf *out, const as_check *c, as_unit unit, as_unit change) {
    as_buf_text(out, as_figure_of(c->value, unit).text);
    if (c->delta == 0)
        as_buff(out, ", as the baseline");
    else
        as_buff(out, ", %s %s from %s", c->delta < 0 ? "down" : "up",
                as_figure_size(c->delta, change).text, as_figure_of(c->baseline, unit).text);
    if (c->verdict == AS_UNDECIDED) {
        as_buff(out, ": too few cases to tell, the change may be %s",
                as_figure_change_interval(c->ci, change).text);
        if (isfinite(c->mde))
            as_buff(out, "; these %s cases show drops from %s", as_figure_count(c->n).text,
                    as_figure_size(c->mde, change).text);
        if (c->needed)
            as_buff(out, "; about %s would decide it", as_figure_count(two_digits(c->needed)).text);
    } else if (c->verdict == AS_FAIL && isfinite(c->p)) {
        as_buff(out, c->p < 0.001 ? " (p %s)" : " (p = %s)", as_figure_p(c->p).text);
    }
    put_flips(out, c);
}

void as_phrase_reason(as_buf *out, const as_summary *run, const as_check *check) {
    as_unit unit = as_figure_check_measure(run, check).unit;
    if (check->verdict == AS_UNMEASURABLE)
        as_buf_text(out, isfinite(check->value) ? "measured, but not judged" : "there is no value");
    else if (check->verdict == AS_NO_BASELINE)
        as_buf_text(out, "there is no run to compare with");
    else if (as_phrase_is_drop(check) && isfinite(check->delta))
        reason_drop(out, check, unit, as_figure_check_change(run, check));
    else
        reason_threshold(out, check, unit);
}

void as_phrase_asked(as_buf *out, const as_summary *run) {
    as_buff(out, "%s cases", as_figure_count(run->total).text);
    if (run->answers) as_buff(out, ", %s answers", as_figure_count(run->answers).text);
}

void as_phrase_spread(as_buf *out, const as_value *v) {
    double all = v->within + v->between;
    if (!v->answers || !(all > 0)) return;
    as_buff(out, "%s of the variance of the scores is between answers to one case",
            as_figure_of(v->within / all, AS_UNIT_SHARE).text);
    if (v->flaky)
        as_buff(out, "; %s %s too often for a must-pass case", as_figure_count(v->flaky).text,
                v->flaky == 1 ? "case flips" : "cases flip");
}

static void put_counted(as_buf *out, uint64_t count, const char *what) {
    if (count) as_buff(out, ", %s %s", as_figure_count(count).text, what);
}

void as_phrase_judge(as_buf *out, const as_value *v) {
    const as_judge_sum *j = v->judge;
    if (!j) return;
    as_buff(out, "%s answers of the judge", as_figure_count(j->asked).text);
    put_counted(out, j->cached, "from the cache");
    put_counted(out, j->failed, "did not come");
    put_counted(out, j->unread, "not what was asked for");
    put_counted(out, j->empty, "with nothing to judge");
    put_counted(out, j->split, "pairs judged otherwise in the other order");
    if (j->cost > 0) as_buff(out, ", cost %s", as_figure_of(j->cost, AS_UNIT_MONEY).text);
    if (!j->humans) return;
    as_buff(out, "; beside %s labels of people: kappa %s, alpha %s",
            as_figure_count(j->humans).text, as_figure_of(j->kappa, AS_UNIT_COEFFICIENT).text,
            as_figure_of(j->alpha, AS_UNIT_COEFFICIENT).text);
    if (!isnan(j->corrected))
        as_buff(out, ", corrected by them %s (%s)", as_figure_of(j->corrected, AS_UNIT_SHARE).text,
                as_figure_interval(j->corrected_ci, AS_UNIT_SHARE).text);
}
