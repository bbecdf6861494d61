// SPDX-License-Identifier: Apache-2.0
// The charts: each metric, the slices as small multiples, speed and cost.
#include "reports/trend/trend_parts.h"

#include <math.h>
#include <stdlib.h>

#include "reports/content.h"
#include "reports/page.h"
#include "reports/trend/svg_trend.h"

enum { SLICES_MAX = 60, VALUE_ROWS_MAX = 100 };

typedef double as_number_of(const as_summary *run);

// A column of numbers: a metric (on a slice), or what a function gives.
typedef struct column {
    as_str name, slice;
    as_number_of *number; // NULL: the metric
    as_measure measure;
} column;

static void put_verdict_key(as_buf *out) {
    static const char *const marks[][2] = {
        {"<circle class=\"dot\" r=\"3.2\"/>", "passed"},
        {"<path class=\"mark fail\" d=\"M-4.5-4.5l9 9m0-9l-9 9\"/>", "failed"},
        {"<path class=\"mark unsure\" d=\"M-4.2-4.2h8.4v8.4h-8.4z\"/>", "undecided"},
        {"<circle class=\"dot hollow\" r=\"3.2\"/>", "no baseline"},
        {"<path class=\"mark broken\" d=\"M0-5.5L5.5 4.5h-11z\"/>", "not measured"},
        {"<line y1=\"-7\" y2=\"7\"/>", "new model, dataset or suite"},
        {"<line class=\"release\" y1=\"-7\" y2=\"7\"/>", "tagged: a release"},
        {"<line class=\"gate-line\" x1=\"-7\" x2=\"7\"/>", "limit of a gate"},
        {"<circle class=\"shift-disc\" r=\"6.5\"/><text class=\"shift-no\" y=\"3.5\">1</text>",
         "change of level"},
    };
    as_buf_text(out, "<p class=\"key\">");
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        as_buff(out, "<span><svg viewBox=\"-7 -7 14 14\" aria-hidden=\"true\">%s</svg>%s</span>",
                marks[i][0], marks[i][1]);
    as_buf_text(out, "</p>\n");
}

static as_svg_trend trend_of(as_trend_page *page, column *c) {
    const as_timeline *line = page->line;
    as_svg_point *points = AS_NEW_ARRAY(&page->arena, as_svg_point, line->count);
    for (size_t i = 0; i < line->count; i++) {
        const as_summary *run = &line->runs[i];
        const as_value *v = c->number ? NULL : as_summary_value(run, c->name, c->slice);
        points[i] = (as_svg_point){.value = v ? v->value : NAN,
                                   .ci = v ? v->ci : (as_interval){NAN, NAN},
                                   .verdict = run->gate.verdict,
                                   .change = as_trend_novelty(line, i),
                                   .release = line->tags ? line->tags[i] : AS_STR("")};
        if (c->number) points[i].value = c->number(run);
        if (v && isfinite(v->value)) c->measure = as_figure_measure(v->name, v->spec, v->value);
    }
    for (size_t i = 0; i < line->shift_count; i++) {
        const as_shift *s = &line->shifts[i];
        if (as_str_eq(s->metric, c->name) && as_str_eq(s->slice, c->slice))
            points[s->run].event = page->events[s->run];
    }
    return (as_svg_trend){.name = c->name,
                          .points = points,
                          .count = line->count,
                          .unit = c->measure.unit,
                          .small = c->slice.len > 0};
}

// The limits that the newest run was held to.
static void add_gates(as_svg_trend *trend, const as_timeline *line, const column *c) {
    static const char *const operators[] = {">=", "<=", "==", ">", "<"};
    static const char *const shown[] = {"\xe2\x89\xa5", "\xe2\x89\xa4", "=", "&gt;", "&lt;"};
    const as_gate *gate = &line->runs[line->count - 1].gate;
    for (size_t i = 0; i < gate->count && trend->gate_count < AS_SVG_GATES_MAX; i++) {
        const as_check *check = &gate->checks[i];
        if (!as_str_eq(check->metric, c->name) || !as_str_eq(check->slice, c->slice)) continue;
        if (!as_str_is(check->method, "threshold") || !isfinite(check->limit)) continue;
        size_t op = 0;
        while (op < 5 && as_str_find(check->gate, as_str_of(operators[op]), 0) == SIZE_MAX) op++;
        if (op == 5) continue;
        trend->gates[trend->gate_count] = check->limit;
        trend->gate_ops[trend->gate_count++] = shown[op];
    }
}

static void put_ends(as_buf *out, as_trend_page *page) {
    const as_timeline *line = page->line;
    as_str first = as_page_when(&page->arena, line->runs[0].started);
    as_str last = as_page_when(&page->arena, line->runs[line->count - 1].started);
    as_buff(out, "<small class=\"ends%s\">", line->count > 1 ? "" : " lone");
    as_page_text(out, "span", NULL, as_str_sub(first, 0, 10), AS_CLIP_NAME);
    if (line->count > 1) as_page_text(out, "span", NULL, as_str_sub(last, 0, 10), AS_CLIP_NAME);
    as_buf_text(out, "</small>");
}

// The numbers behind a chart, for those who want or need to read them.
static void put_values(as_buf *out, as_trend_page *page, const as_svg_trend *trend) {
    size_t from = trend->count > VALUE_ROWS_MAX ? trend->count - VALUE_ROWS_MAX : 0;
    as_buf_text(out, "<details class=\"values\"><summary>Values</summary>\n<table><thead><tr>"
                     "<th scope=\"col\">Run</th><th scope=\"col\">Value</th>"
                     "<th scope=\"col\">95% interval</th></tr></thead>\n<tbody>\n");
    for (size_t i = trend->count; i-- > from;) {
        as_buf_text(out, "<tr><th scope=\"row\">");
        as_page_text(out, "code", NULL, page->line->runs[i].run, AS_CLIP_NAME);
        as_buff(out, "</th><td>%s</td><td>%s</td></tr>\n",
                as_figure_of(trend->points[i].value, trend->unit).text,
                as_figure_interval(trend->points[i].ci, trend->unit).text);
    }
    as_buf_text(out, "</tbody></table></details>\n");
}

static bool ends_of(const as_svg_trend *trend, double *first, double *last) {
    *first = *last = NAN;
    for (size_t i = 0; i < trend->count; i++) {
        if (!isfinite(trend->points[i].value)) continue;
        if (isnan(*first)) *first = trend->points[i].value;
        *last = trend->points[i].value;
    }
    return isfinite(*last);
}

static void put_chart(as_buf *out, as_trend_page *page, column c, const as_axis *axis) {
    as_svg_trend trend = trend_of(page, &c);
    double first, last;
    if (!ends_of(&trend, &first, &last)) return;
    add_gates(&trend, page->line, &c);
    as_buf_text(out, "<figure>\n<figcaption>");
    as_page_text(out, "b", NULL, c.slice.len ? c.slice : c.name, AS_CLIP_NAME);
    if (c.measure.lower && !trend.small) as_buf_text(out, "<small>lower is better</small>");
    as_buff(out, "<span class=\"now\">%s</span>", as_figure_of(last, trend.unit).text);
    if (trend.count > 1)
        as_buff(out, "<small>%s since the first</small>",
                as_figure_change(last - first, trend.unit).text);
    as_buf_text(out, "</figcaption>\n");
    as_axis own = as_svg_trend_axis(&trend);
    as_svg_trend_draw(out, &trend, axis ? axis : &own);
    if (!trend.small) {
        put_ends(out, page);
        put_values(out, page, &trend);
    }
    as_buf_text(out, "\n</figure>\n");
}

void as_trend_charts(as_buf *out, as_trend_page *page) {
    as_page_section(out, "trend", "Quality",
                    "A run is a step to the right; the band is the 95% interval.");
    put_verdict_key(out);
    as_buf_text(out, "<div class=\"charts\">\n");
    for (size_t i = 0; i < page->name_count; i++)
        put_chart(out, page, (column){.name = page->names[i]}, NULL);
    as_buf_text(out, "</div>\n");
    as_page_section_end(out);
}

// ---- slices ----

typedef struct slice_order {
    as_str slice;
    double moved; // change since the run before the newest that has it
} slice_order;

static int by_movement(const void *a, const void *b) {
    const slice_order *x = a, *y = b;
    if (x->moved != y->moved) return x->moved < y->moved ? -1 : 1;
    return as_str_cmp(x->slice, y->slice);
}

// On one axis, so that heights can be compared.
static as_axis common_axis(const as_timeline *line, as_str metric) {
    double lo = INFINITY, hi = -INFINITY;
    as_unit unit = AS_UNIT_SHARE;
    for (size_t r = 0; r < line->count; r++)
        for (size_t s = 0; s < line->runs[r].slice_count; s++) {
            const as_value *v =
                as_summary_value(&line->runs[r], metric, line->runs[r].slices[s].slice);
            if (!v || !isfinite(v->value)) continue;
            lo = fmin(lo, v->value);
            hi = fmax(hi, v->value);
            unit = as_figure_measure(v->name, v->spec, v->value).unit;
        }
    return as_axis_over(lo, hi, unit, false);
}

void as_trend_slices(as_buf *out, as_trend_page *page) {
    const as_timeline *line = page->line;
    const as_summary *last = &line->runs[line->count - 1];
    if (!last->slice_count || !page->name_count) return;
    as_str metric = page->names[0];
    slice_order *order = AS_NEW_ARRAY(&page->arena, slice_order, last->slice_count);
    size_t count = 0;
    for (size_t i = 0; i < last->slice_count; i++) {
        as_str slice = last->slices[i].slice;
        const as_value *v = as_summary_value(last, metric, slice), *before = NULL;
        if (!v || !isfinite(v->value)) continue;
        for (size_t r = line->count - 1; r-- > 0 && !before;)
            before = as_summary_value(&line->runs[r], metric, slice);
        double moved = before && isfinite(before->value) ? v->value - before->value : 0;
        bool lower = as_figure_measure(metric, v->spec, v->value).lower;
        order[count++] = (slice_order){slice, lower ? -moved : moved};
    }
    if (!count) return;
    qsort(order, count, sizeof *order, by_movement);
    as_page_section(out, "slices", "Slices", NULL);
    as_buf_text(out, "<p class=\"aside\">");
    as_page_text(out, "bdi", NULL, metric, AS_CLIP_NAME);
    as_buf_text(out, " of each slice on one scale, the largest loss since the run before first.");
    if (count > SLICES_MAX) as_buff(out, " %d of %zu slices are drawn.", SLICES_MAX, count);
    as_buf_text(out, "</p>\n<div class=\"charts smalls\">\n");
    as_axis axis = common_axis(line, metric);
    for (size_t i = 0; i < count && i < SLICES_MAX; i++)
        put_chart(out, page, (column){.name = metric, .slice = order[i].slice}, &axis);
    as_buf_text(out, "</div>\n");
    as_page_section_end(out);
}

// ---- speed and cost ----

static double p50_of(const as_summary *run) {
    return run->latency.p50;
}
static double p95_of(const as_summary *run) {
    return run->latency.p95;
}
static double ttft_of(const as_summary *run) {
    return run->ttft.p95;
}
static double rate_of(const as_summary *run) {
    return run->cases_per_s > 0 ? run->cases_per_s : NAN;
}
static double price_of(const as_summary *run) {
    return run->cost_total > 0 ? run->cost_per_case : NAN;
}
static double errors_of(const as_summary *run) {
    return run->total ? (double)run->errors / (double)run->total : NAN;
}

void as_trend_cost(as_buf *out, as_trend_page *page) {
    static const struct {
        const char *name;
        as_number_of *number;
        as_measure measure;
    } columns[] = {
        {"latency.p50", p50_of, {AS_UNIT_MS, true}},
        {"latency.p95", p95_of, {AS_UNIT_MS, true}},
        {"ttft.p95", ttft_of, {AS_UNIT_MS, true}},
        {"cost.per_case", price_of, {AS_UNIT_MONEY, true}},
        {"errors", errors_of, {AS_UNIT_SHARE, true}},
        {"cases a second", rate_of, {AS_UNIT_NUMBER, false}},
    };
    as_page_section(out, "speed", "Speed, cost and errors", NULL);
    as_buf_text(out, "<div class=\"charts thirds\">\n");
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        put_chart(out, page,
                  (column){.name = as_str_of(columns[i].name),
                           .number = columns[i].number,
                           .measure = columns[i].measure},
                  NULL);
    as_buf_text(out, "</div>\n");
    as_page_section_end(out);
}
