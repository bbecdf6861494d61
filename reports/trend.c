// SPDX-License-Identifier: Apache-2.0
// The page of a suite's history: a chart for each metric, a row for each run.
#include "reports/report.h"

#include <math.h>

#include "reports/content.h"
#include "reports/figures.h"
#include "reports/page.h"
#include "reports/phrase.h"
#include "reports/svg.h"

enum { CHARTS_MAX = 40, SHORT_HASH = 10 };

typedef struct history {
    as_arena arena;
    const as_summary *runs; // oldest first
    size_t count;
    as_str names[CHARTS_MAX]; // metrics, in the order of the newest run that has them
    size_t name_count;
} history;

static void collect_names(history *h) {
    for (size_t r = h->count; r-- > 0;)
        for (size_t m = 0; m < h->runs[r].metric_count; m++) {
            as_str name = h->runs[r].metrics[m].name;
            size_t i = 0;
            while (i < h->name_count && !as_str_eq(h->names[i], name)) i++;
            if (i == h->name_count && h->name_count < CHARTS_MAX) h->names[h->name_count++] = name;
        }
}

// What is new in a run compared with the one before; NULL when nothing is.
static const char *novelty(const history *h, size_t i) {
    static const char *const words[] = {
        NULL,    "model",           "dataset",           "model and dataset",
        "suite", "model and suite", "dataset and suite", "model, dataset and suite"};
    if (!i) return NULL;
    const as_summary *a = &h->runs[i - 1], *b = &h->runs[i];
    bool model =
        !as_str_eq(a->model_sha256, b->model_sha256) || !as_str_eq(a->target_uri, b->target_uri);
    bool dataset = !as_str_eq(a->dataset_sha256, b->dataset_sha256);
    bool suite = !as_str_eq(a->suite_sha256, b->suite_sha256);
    return words[model + 2 * dataset + 4 * suite];
}

static as_str label_of(history *h, size_t i) {
    const as_summary *run = &h->runs[i];
    const char *what = novelty(h, i);
    as_str id = as_content_clip(run->run, 60);
    return as_strf(&h->arena, "%.*s%s%s", AS_STR_ARG(id), what ? ", new " : "", what ? what : "");
}

// The points of a metric, or of p95 latency when `name` is empty.
static as_svg_point *points_of(history *h, as_str name, as_measure *measure) {
    as_svg_point *points = AS_NEW_ARRAY(&h->arena, as_svg_point, h->count);
    for (size_t i = 0; i < h->count; i++) {
        const as_summary *run = &h->runs[i];
        const as_value *v = name.len ? as_summary_value(run, name, AS_STR("")) : NULL;
        points[i] = (as_svg_point){.value = v ? v->value : NAN,
                                   .ci = v ? v->ci : (as_interval){NAN, NAN},
                                   .verdict = run->gate.verdict,
                                   .change = novelty(h, i),
                                   .label = label_of(h, i)};
        if (!name.len) points[i].value = run->latency.p95;
        if (v && isfinite(v->value)) *measure = as_figure_measure(v->name, v->spec, v->value);
    }
    return points;
}

static void put_ends(as_buf *out, history *h) {
    as_str first = as_page_when(&h->arena, h->runs[0].started);
    as_str last = as_page_when(&h->arena, h->runs[h->count - 1].started);
    as_buff(out, "<small class=\"ends%s\">", h->count > 1 ? "" : " lone");
    as_page_text(out, "span", NULL, as_str_sub(first, 0, 10), AS_CLIP_NAME);
    if (h->count > 1) as_page_text(out, "span", NULL, as_str_sub(last, 0, 10), AS_CLIP_NAME);
    as_buf_text(out, "</small>");
}

static void put_chart(as_buf *out, history *h, as_str name) {
    as_measure measure = {AS_UNIT_MS, true};
    const as_svg_point *points = points_of(h, name, &measure);
    double first = NAN, last = NAN;
    for (size_t i = 0; i < h->count; i++) {
        if (!isfinite(points[i].value)) continue;
        if (isnan(first)) first = points[i].value;
        last = points[i].value;
    }
    if (isnan(last)) return;
    as_str title = name.len ? name : AS_STR("latency, p95");
    as_buf_text(out, "<figure>\n<figcaption>");
    as_page_text(out, "b", NULL, title, AS_CLIP_NAME);
    if (measure.lower) as_buf_text(out, "<small>lower is better</small>");
    as_buff(out, "<span class=\"now\">%s</span>", as_figure_of(last, measure.unit).text);
    if (h->count > 1)
        as_buff(out, "<small>%s since the first</small>",
                as_figure_change(last - first, measure.unit).text);
    as_buf_text(out, "</figcaption>\n");
    as_svg_trend(out, title, points, h->count, measure.unit);
    put_ends(out, h);
    as_buf_text(out, "\n</figure>\n");
}

static void put_key(as_buf *out) {
    static const char *const marks[][2] = {
        {"<circle class=\"dot\" r=\"3.2\"/>", "passed"},
        {"<path class=\"mark fail\" d=\"M-4.5-4.5l9 9m0-9l-9 9\"/>", "failed"},
        {"<path class=\"mark unsure\" d=\"M-4.2-4.2h8.4v8.4h-8.4z\"/>", "undecided"},
        {"<circle class=\"dot hollow\" r=\"3.2\"/>", "no baseline"},
        {"<path class=\"mark broken\" d=\"M0-5.5L5.5 4.5h-11z\"/>", "not measured"},
        {"<line y1=\"-7\" y2=\"7\"/>", "new model, dataset or suite"},
    };
    as_buf_text(out, "<p class=\"key\">");
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        as_buff(out, "<span><svg viewBox=\"-7 -7 14 14\" aria-hidden=\"true\">%s</svg>%s</span>",
                marks[i][0], marks[i][1]);
    as_buf_text(out, "</p>\n");
}

static void put_run(as_buf *out, history *h, size_t i) {
    const as_summary *run = &h->runs[i];
    as_buf_text(out, "<tr>");
    as_page_text(out, "td", NULL, as_page_when(&h->arena, run->started), AS_CLIP_NAME);
    as_buf_text(out, "<th scope=\"row\">");
    as_page_text(out, "code", NULL, run->run, AS_CLIP_NAME);
    as_buf_text(out, "</th><td data-l=\"Verdict\">");
    bool judged = run->gate.count || run->gate.verdict != AS_PASS;
    as_page_verdict(out, judged ? run->gate.verdict : AS_NO_BASELINE, judged ? NULL : "no gate");
    as_buf_text(out, "</td>");
    const as_value *v = h->name_count ? as_summary_value(run, h->names[0], AS_STR("")) : NULL;
    as_unit unit = v ? as_figure_measure(v->name, v->spec, v->value).unit : AS_UNIT_NUMBER;
    as_buff(out, "<td class=\"num\" data-l=\"Value\">%s</td>",
            v ? as_figure_of(v->value, unit).text : "");
    as_buff(out, "<td class=\"num\" data-l=\"95%% interval\">%s</td>",
            v ? as_figure_interval(v->ci, unit).text : "");
    as_buf_text(out, "<td class=\"wrap\" data-l=\"Model\">");
    as_content_markup(out, run->model_name.len ? run->model_name : run->target_uri, AS_CLIP_NAME);
    as_buf_text(out, "</td><td data-l=\"Commit\">");
    if (run->git_commit.len)
        as_page_text(out, "code", NULL,
                     as_strf(&h->arena, "%.*s%s",
                             AS_STR_ARG(as_str_sub(run->git_commit, 0, SHORT_HASH)),
                             run->git_dirty ? "+" : ""),
                     SHORT_HASH + 1);
    const char *what = novelty(h, i);
    as_buff(out, "</td><td data-l=\"New\">%s</td></tr>\n", what ? what : "");
}

static void put_runs(as_buf *out, history *h) {
    as_page_section(out, "runs", "Runs", "Newest first. A commit with + had local changes.");
    as_buf_text(out, "<table class=\"stack runs\">\n<thead><tr><th scope=\"col\">Started</th>"
                     "<th scope=\"col\">Run</th><th scope=\"col\">Verdict</th>"
                     "<th scope=\"col\" class=\"num\">");
    as_content_markup(out, h->name_count ? h->names[0] : AS_STR("Value"), AS_CLIP_NAME);
    as_buf_text(out, "</th><th scope=\"col\" class=\"num\">95% interval</th>"
                     "<th scope=\"col\">Model</th><th scope=\"col\">Commit</th>"
                     "<th scope=\"col\">New</th></tr></thead>\n<tbody>\n");
    for (size_t i = h->count; i-- > 0;) put_run(out, h, i);
    as_buf_text(out, "</tbody>\n</table>\n");
    as_page_section_end(out);
}

static void put_heading(as_buf *out, history *h, as_str suite) {
    size_t failed = 0;
    for (size_t i = 0; i < h->count; i++) failed += h->runs[i].gate.verdict == AS_FAIL;
    as_buff(out, "<header>\n<p class=\"kicker\">%s %s", as_figure_count(h->count).text,
            h->count == 1 ? "run" : "runs");
    if (failed) as_buff(out, ", %s failed", as_figure_count(failed).text);
    as_buf_text(out, "</p>\n");
    as_page_text(out, "h1", NULL, suite.len ? suite : AS_STR("All suites"), AS_CLIP_NAME);
    if (h->count) {
        const as_gate *gate = &h->runs[h->count - 1].gate;
        as_buf_text(out, "<p class=\"lead\">The latest run: ");
        bool judged = gate->count || gate->verdict != AS_PASS;
        as_page_verdict(out, judged ? gate->verdict : AS_NO_BASELINE, judged ? NULL : "no gate");
        as_buf_text(out, ". ");
        size_t from = out->len;
        as_phrase_gate(out, gate);
        if (out->ptr[from] >= 'a' && out->ptr[from] <= 'z') out->ptr[from] -= 'a' - 'A';
        as_buf_text(out, ".</p>\n");
    }
    as_buf_text(out, "</header>\n\n");
}

void as_report_trend_html(as_buf *out, as_str suite, const as_summary *runs, size_t count) {
    history h = {.runs = runs, .count = count};
    collect_names(&h);
    as_page_open(out, suite.len ? suite : AS_STR("All suites"), "assay history",
                 count ? runs[count - 1].gate.verdict : AS_NO_BASELINE);
    put_heading(out, &h, suite);
    if (count) {
        as_page_section(out, "trend", "Over time",
                        "A run is a step to the right; the band is the 95% interval.");
        put_key(out);
        as_buf_text(out, "<div class=\"charts\">\n");
        for (size_t i = 0; i < h.name_count; i++) put_chart(out, &h, h.names[i]);
        put_chart(out, &h, AS_STR(""));
        as_buf_text(out, "</div>\n");
        as_page_section_end(out);
        put_runs(out, &h);
    } else {
        as_buf_text(out, "<p>No run is stored yet.</p>\n");
    }
    as_page_close(out);
    as_arena_free(&h.arena);
}
