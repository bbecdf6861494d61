// SPDX-License-Identifier: Apache-2.0
// Tables of numbers, with each interval drawn beside them.
#include "reports/html_parts.h"

#include <math.h>

#include "reports/content.h"
#include "reports/figures.h"
#include "reports/page.h"
#include "reports/phrase.h"
#include "reports/svg.h"

enum { SLICES_MAX = 200, SLICE_COLUMNS_MAX = 12 };

static void put_name(as_buf *out, as_str name, as_str below) {
    as_buf_text(out, "<th scope=\"row\">");
    as_page_text(out, "bdi", NULL, name, AS_CLIP_NAME);
    if (below.len) as_page_text(out, "small", NULL, below, AS_CLIP_NAME);
    as_buf_text(out, "</th>");
}

static void put_cells_head(as_buf *out, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++) as_buff(out, "<th scope=\"col\">%s</th>", names[i]);
}

// ---- gate ----

static void gate_row(as_buf *out, const as_summary *run, const as_check *check, bool drops) {
    bool drop = as_phrase_is_drop(check);
    as_unit unit = as_figure_check_measure(run, check).unit;
    as_unit change = as_figure_check_change(run, check);
    as_buf_text(out, "<tr><td class=\"verdict-cell\">");
    as_page_verdict(out, check->verdict, NULL);
    as_buf_text(out, "</td><th scope=\"row\">");
    as_page_text(out, "code", NULL, check->gate, AS_CLIP_LINE);
    as_buf_text(out, "<small>");
    as_phrase_reason(out, run, check);
    if (as_phrase_has_note(check)) {
        as_buf_text(out, ": ");
        as_page_text(out, "bdi", NULL, check->note, AS_CLIP_LINE);
    }
    as_buf_text(out, "</small></th>");
    as_page_cell(out, "Value", as_figure_of(check->value, unit).text);
    if (drops) {
        as_page_cell(out, "Baseline", drop ? as_figure_of(check->baseline, unit).text : "");
        as_page_cell(out, "Change", drop ? as_figure_change(check->delta, change).text : "");
    }
    as_page_cell(out, "Interval",
                 drop ? as_figure_change_interval(check->ci, change).text
                      : as_figure_interval(check->ci, unit).text);
    if (drops) {
        as_page_cell(out, "p", drop ? as_figure_p(check->p).text : "");
        as_buf_text(out, "<td data-l=\"Broke / fixed\">");
        if (drop && check->broke + check->fixed)
            as_buff(out, "%s / %s", as_figure_count(check->broke).text,
                    as_figure_count(check->fixed).text);
        as_buf_text(out, "</td>");
    }
    as_buf_text(out, "</tr>\n");
}

void as_html_gate(as_buf *out, const as_html *page) {
    static const char *const all[] = {"Value",    "Baseline", "Change",
                                      "Interval", "p",        "Broke / fixed"};
    static const char *const limits[] = {"Value", "95% interval"};
    const as_gate *gate = &page->run->gate;
    bool drops = false;
    for (size_t i = 0; i < gate->count; i++) drops |= as_phrase_is_drop(&gate->checks[i]);
    if (!gate->count) return;
    as_page_section(out, "gate", "Gate",
                    drops ? "Intervals are 95% of the value for limits, and 90% of the change for "
                            "drops, so that each end is a one-sided 95% bound; p is of a drop, "
                            "adjusted for the number of checks."
                          : NULL);
    as_buf_text(out, "<table class=\"stack gate\">\n<thead><tr><th scope=\"col\">Verdict</th>"
                     "<th scope=\"col\">Check</th>");
    put_cells_head(out, drops ? all : limits, drops ? 6 : 2);
    as_buf_text(out, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < gate->count; i++) gate_row(out, page->run, &gate->checks[i], drops);
    as_buf_text(out, "</tbody>\n</table>\n");
    as_page_section_end(out);
}

// ---- metrics ----

// Metrics that share a scale are drawn on it together.
typedef enum family { FAMILY_SHARE, FAMILY_LOSS, FAMILY_HUNDRED, FAMILY_OTHER } family;

static family family_of(const as_value *v) {
    as_measure m = as_figure_measure(v->name, v->spec, v->value);
    if (m.unit == AS_UNIT_HUNDRED) return FAMILY_HUNDRED;
    bool unit = m.unit == AS_UNIT_SHARE || m.unit == AS_UNIT_COEFFICIENT;
    if (!unit || !(fabs(v->value) <= 1)) return FAMILY_OTHER;
    return m.lower ? FAMILY_LOSS : FAMILY_SHARE;
}

static const as_value *baseline_of(const as_html *page, as_str name, as_str slice) {
    return page->baseline ? as_summary_value(page->baseline, name, slice) : NULL;
}

static double value_or_nan(const as_value *v) {
    return v ? v->value : NAN;
}

static void widen(double *lo, double *hi, double value) {
    *lo = fmin(*lo, value); // fmin and fmax drop NaN
    *hi = fmax(*hi, value);
}

static as_axis family_axis(const as_html *page, family which) {
    double lo = INFINITY, hi = -INFINITY;
    for (size_t i = 0; i < page->run->metric_count; i++) {
        const as_value *v = &page->run->metrics[i];
        if (family_of(v) != which) continue;
        widen(&lo, &hi, v->value);
        widen(&lo, &hi, v->ci.lo);
        widen(&lo, &hi, v->ci.hi);
        widen(&lo, &hi, value_or_nan(baseline_of(page, v->name, AS_STR(""))));
    }
    return as_axis_over(lo, hi, which == FAMILY_HUNDRED ? AS_UNIT_HUNDRED : AS_UNIT_SHARE, false);
}

static void metric_row(as_buf *out, const as_html *page, const as_value *v, const as_axis *axis) {
    as_unit unit = as_figure_measure(v->name, v->spec, v->value).unit;
    double base = value_or_nan(baseline_of(page, v->name, AS_STR("")));
    as_buf_text(out, "<tr>");
    put_name(out, v->name, v->spec);
    as_buf_text(out, "<td class=\"draw\">");
    if (axis) as_svg_interval(out, axis, v->value, v->ci, base, NAN, "dot");
    as_buf_text(out, "</td>");
    as_page_cell(out, "Value", as_figure_of(v->value, unit).text);
    as_page_cell(out, "95% interval", as_figure_interval(v->ci, unit).text);
    as_page_cell(out, "Cases", as_figure_count(v->n).text);
    if (page->baseline) {
        as_page_cell(out, "Baseline", as_figure_of(base, unit).text);
        as_page_cell(out, "Change", as_figure_change(v->value - base, unit).text);
    }
    as_buf_text(out, "<td class=\"method\" data-l=\"Method\">");
    as_content_markup(out, v->method, AS_CLIP_NAME);
    as_buf_text(out, "</td></tr>\n");
}

static void metric_family(as_buf *out, const as_html *page, family which) {
    static const char *const titles[] = {"Metric, higher is better", "Metric, lower is better",
                                         "Metric, 0 to 100", "Metric"};
    static const char *const names[] = {"Value", "95% interval", "Cases", "Baseline", "Change"};
    size_t count = 0;
    for (size_t i = 0; i < page->run->metric_count; i++)
        count += family_of(&page->run->metrics[i]) == which;
    if (!count) return;
    as_axis axis = family_axis(page, which);
    bool drawn = which != FAMILY_OTHER;
    as_buff(out, "<tbody>\n<tr class=\"scale\"><th scope=\"col\">%s</th><td class=\"draw\">",
            titles[which]);
    if (drawn) as_svg_ticks(out, &axis);
    as_buf_text(out, "</td>");
    put_cells_head(out, names, page->baseline ? 5 : 3);
    as_buf_text(out, "<th scope=\"col\" class=\"method\">Method</th></tr>\n");
    for (size_t i = 0; i < page->run->metric_count; i++)
        if (family_of(&page->run->metrics[i]) == which)
            metric_row(out, page, &page->run->metrics[i], drawn ? &axis : NULL);
    as_buf_text(out, "</tbody>\n");
}

void as_html_metrics(as_buf *out, const as_html *page) {
    if (!page->run->metric_count) return;
    as_page_section(out, "metrics", "Metrics",
                    page->baseline ? "A dot is the value, its bar the 95% interval, the open "
                                     "diamond the baseline's value."
                                   : "A dot is the value, its bar the 95% interval.");
    as_buf_text(out, "<table class=\"stack drawn\">\n");
    for (int which = FAMILY_SHARE; which <= FAMILY_OTHER; which++)
        metric_family(out, page, (family)which);
    as_buf_text(out, "</table>\n");
    as_page_section_end(out);
}

// ---- changes since the baseline ----

static as_unit delta_unit(const as_html *page, const as_delta *d) {
    const as_value *v = as_summary_value(page->run, d->name, AS_STR(""));
    return as_figure_measure(d->name, v ? v->spec : AS_STR(""), d->b).unit;
}

static bool delta_drawn(const as_html *page, const as_delta *d) {
    as_unit unit = delta_unit(page, d);
    return (unit == AS_UNIT_SHARE || unit == AS_UNIT_COEFFICIENT) && fabs(d->delta) <= 1;
}

static as_axis delta_axis(const as_html *page, bool slices) {
    double lo = INFINITY, hi = -INFINITY;
    for (size_t i = 0; i < page->findings->delta_count; i++) {
        const as_delta *d = &page->findings->deltas[i];
        if ((d->slice.len > 0) != slices || !delta_drawn(page, d)) continue;
        widen(&lo, &hi, d->delta);
        widen(&lo, &hi, d->ci.lo);
        widen(&lo, &hi, d->ci.hi);
    }
    return as_axis_over(lo, hi, AS_UNIT_SHARE, true);
}

static void delta_row(as_buf *out, const as_html *page, const as_delta *d, const as_axis *axis) {
    as_unit unit = delta_unit(page, d);
    bool lower = as_figure_measure(d->name, AS_STR(""), d->b).lower;
    bool proven = d->ci.lo > 0 || d->ci.hi < 0;
    const char *style = !proven ? "dot" : (d->delta < 0) != lower ? "worse" : "better";
    as_buf_text(out, "<tr>");
    if (d->slice.len)
        put_name(out, d->slice, d->name);
    else
        put_name(out, d->name, AS_STR(""));
    as_buf_text(out, "<td class=\"draw\">");
    if (delta_drawn(page, d)) as_svg_interval(out, axis, d->delta, d->ci, NAN, NAN, style);
    as_buf_text(out, "</td>");
    as_page_cell(out, "Change", as_figure_change(d->delta, unit).text);
    as_page_cell(out, "95% interval", as_figure_change_interval(d->ci, unit).text);
    as_page_cell(out, "p", as_figure_p(d->p).text);
    as_buff(out, "<td data-l=\"Broke / fixed\">%s / %s</td>", as_figure_count(d->broke).text,
            as_figure_count(d->fixed).text);
    as_page_cell(out, "Pairs", as_figure_count(d->n).text);
    as_page_cell(out, "Visible drop", as_figure_size(d->mde, unit).text);
    as_buf_text(out, "</tr>\n");
}

static void delta_table(as_buf *out, const as_html *page, bool slices) {
    static const char *const names[] = {"Change",        "95% interval", "p",
                                        "Broke / fixed", "Pairs",        "Visible drop"};
    as_axis axis = delta_axis(page, slices);
    as_buff(out,
            "<table class=\"stack drawn\">\n<thead><tr class=\"scale\"><th scope=\"col\">%s</th>"
            "<td class=\"draw\">",
            slices ? "Slice" : "Metric");
    as_svg_ticks(out, &axis);
    as_buf_text(out, "</td>");
    put_cells_head(out, names, sizeof names / sizeof *names);
    as_buf_text(out, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0, rows = 0; i < page->findings->delta_count && rows < SLICES_MAX; i++) {
        const as_delta *d = &page->findings->deltas[i];
        if ((d->slice.len > 0) != slices) continue;
        delta_row(out, page, d, &axis);
        rows++;
    }
    as_buf_text(out, "</tbody>\n</table>\n");
}

void as_html_changes(as_buf *out, const as_html *page) {
    size_t sliced = 0, count = page->findings->delta_count;
    if (!count) return;
    for (size_t i = 0; i < count; i++) sliced += page->findings->deltas[i].slice.len > 0;
    as_page_section(out, "changes", "What changed since the baseline",
                    "The same cases in both runs. Left of zero is lower; an interval clear of zero "
                    "is a proven change. The visible drop is the smallest one that this many "
                    "pairs would show 8 times in 10.");
    if (sliced < count) delta_table(out, page, false);
    if (sliced) {
        as_buff(out, "<details class=\"more\"><summary>Changes by slice (%zu)</summary>\n", sliced);
        delta_table(out, page, true);
        as_buf_text(out, "</details>\n");
    }
    as_page_section_end(out);
}

// ---- slices ----

static as_axis slice_axis(const as_html *page, const as_value *whole, as_unit unit) {
    double lo = whole->value, hi = whole->value;
    for (size_t i = 0; i < page->run->slice_count && i < SLICES_MAX; i++) {
        as_str slice = page->run->slices[i].slice;
        const as_value *v = as_summary_value(page->run, whole->name, slice);
        if (!v) continue;
        widen(&lo, &hi, v->value);
        widen(&lo, &hi, v->ci.lo);
        widen(&lo, &hi, v->ci.hi);
        widen(&lo, &hi, value_or_nan(baseline_of(page, whole->name, slice)));
    }
    return as_axis_over(lo, hi, unit, false);
}

static void slice_row(as_buf *out, const as_html *page, as_str slice, const as_value *whole,
                      const as_axis *axis, as_measure measure) {
    const as_value *v = as_summary_value(page->run, whole->name, slice);
    if (!v) return;
    double base = value_or_nan(baseline_of(page, whole->name, slice));
    bool under = v->ci.hi<whole->value, over = v->ci.lo> whole->value;
    bool worse = measure.lower ? over : under, better = measure.lower ? under : over;
    as_buf_text(out, "<tr>");
    put_name(out, slice, AS_STR(""));
    as_buf_text(out, "<td class=\"draw\">");
    as_svg_interval(out, axis, v->value, v->ci, base, whole->value, worse ? "worse" : "dot");
    as_buf_text(out, "</td>");
    as_page_cell(out, "Value", as_figure_of(v->value, measure.unit).text);
    as_page_cell(out, "95% interval", as_figure_interval(v->ci, measure.unit).text);
    as_page_cell(out, "Cases", as_figure_count(v->n).text);
    if (page->baseline)
        as_page_cell(out, "Change", as_figure_change(v->value - base, measure.unit).text);
    as_page_cell(out, "Beside all cases",
                 worse    ? "<strong class=\"worse\">\xe2\x96\xbc worse</strong>"
                 : better ? "\xe2\x96\xb2 better"
                          : "");
    as_buf_text(out, "</tr>\n");
}

// Every metric on every slice, as plain numbers.
static void slice_matrix(as_buf *out, const as_summary *run) {
    size_t columns = run->metric_count < SLICE_COLUMNS_MAX ? run->metric_count : SLICE_COLUMNS_MAX;
    as_buf_text(out, "<details class=\"more\"><summary>All metrics by slice</summary>\n"
                     "<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
                     "aria-label=\"All metrics by slice\">\n<table>\n<thead><tr>"
                     "<th scope=\"col\">Slice</th>");
    for (size_t m = 0; m < columns; m++) {
        as_buf_text(out, "<th scope=\"col\">");
        as_content_markup(out, run->metrics[m].name, AS_CLIP_NAME);
        as_buf_text(out, "</th>");
    }
    as_buf_text(out, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < run->slice_count && i < SLICES_MAX; i++) {
        as_buf_text(out, "<tr>");
        put_name(out, run->slices[i].slice, AS_STR(""));
        for (size_t m = 0; m < columns; m++) {
            const as_value *whole = &run->metrics[m];
            const as_value *v = as_summary_value(run, whole->name, run->slices[i].slice);
            as_unit unit = as_figure_measure(whole->name, whole->spec, whole->value).unit;
            as_buff(out, "<td>%s</td>", v ? as_figure_of(v->value, unit).text : "");
        }
        as_buf_text(out, "</tr>\n");
    }
    as_buf_text(out, "</tbody>\n</table>\n</div>\n</details>\n");
}

void as_html_slices(as_buf *out, const as_html *page) {
    const as_summary *run = page->run;
    if (!run->slice_count || !run->metric_count) return;
    const as_value *whole = &run->metrics[0];
    as_measure measure = as_figure_measure(whole->name, whole->spec, whole->value);
    as_axis axis = slice_axis(page, whole, measure.unit);
    as_page_section(out, "slices", "Slices", NULL);
    as_buf_text(out, "<p class=\"aside\">");
    as_page_text(out, "bdi", NULL, whole->name, AS_CLIP_NAME);
    as_buff(out, " of the cases in each slice; the upright line is all cases, %s.%s</p>\n",
            as_figure_of(whole->value, measure.unit).text,
            run->slice_count > SLICES_MAX ? " The first 200 are shown; summary.json has all." : "");
    static const char *const names[] = {"Value", "95% interval", "Cases"};
    as_buf_text(out, "<table class=\"stack drawn\">\n<thead><tr class=\"scale\">"
                     "<th scope=\"col\">Slice</th><td class=\"draw\">");
    as_svg_ticks(out, &axis);
    as_buf_text(out, "</td>");
    put_cells_head(out, names, 3);
    if (page->baseline) as_buf_text(out, "<th scope=\"col\">Change</th>");
    as_buf_text(out, "<th scope=\"col\">Beside all cases</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < run->slice_count && i < SLICES_MAX; i++)
        slice_row(out, page, run->slices[i].slice, whole, &axis, measure);
    as_buf_text(out, "</tbody>\n</table>\n");
    if (run->metric_count > 1) slice_matrix(out, run);
    as_page_section_end(out);
}

// ---- latency ----

static void latency_row(as_buf *out, const char *name, const as_latency *l) {
    if (!isfinite(l->p50)) return;
    const double values[] = {l->p50, l->p90, l->p95, l->p99, l->max, l->mean};
    static const char *const names[] = {"p50", "p90", "p95", "p99", "max", "mean"};
    as_buff(out, "<tr><th scope=\"row\">%s</th>", name);
    for (size_t i = 0; i < 6; i++)
        as_page_cell(out, names[i], as_figure_of(values[i], AS_UNIT_MS).text);
    as_buf_text(out, "</tr>\n");
}

void as_html_latency(as_buf *out, const as_html *page) {
    const as_summary *run = page->run;
    const as_findings *f = page->findings;
    static const char *const names[] = {"p50", "p90", "p95", "p99", "max", "mean"};
    if (!f->latency_count && !isfinite(run->latency.p50)) return;
    as_page_section(out, "latency", "Latency",
                    "Whole answer: from the request to its last byte, of the attempt that was "
                    "answered. First token: to the first piece of text. Each further token: "
                    "(whole answer - first token) / (tokens - 1).");
    if (f->latency_count) as_svg_histogram(out, f->latencies_ms, f->latency_count, &run->latency);
    as_buf_text(out, "<table class=\"stack\">\n<thead><tr><th scope=\"col\">Time</th>");
    put_cells_head(out, names, 6);
    as_buf_text(out, "</tr></thead>\n<tbody>\n");
    latency_row(out, "Whole answer", &run->latency);
    latency_row(out, "First token", &run->ttft);
    latency_row(out, "Each further token", &run->tpot);
    as_buf_text(out, "</tbody>\n</table>\n");
    if (run->p99_withheld.len) {
        as_buf_text(out, "<p class=\"aside\">No p99: ");
        as_content_markup(out, run->p99_withheld, AS_CLIP_LINE);
        as_buf_text(out, ".</p>\n");
    }
    as_page_section_end(out);
}
