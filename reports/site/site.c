// SPDX-License-Identifier: Apache-2.0
#include "reports/site/site.h"

#include <math.h>
#include <string.h>

#include "reports/content.h"
#include "reports/figures.h"
#include "reports/page.h"
#include "reports/phrase.h"
#include "reports/report.h"
#include "reports/trend/svg_trend.h"
#include "reports/trend/trend_parts.h"

enum { COMPARE_RUNS_MAX = 100 };

void as_site_put_name(as_buf *out, as_str name) {
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '~';
        // A name of dots alone would be taken for a step up.
        bool dot = c == '.' && i > 0 && i + 1 < name.len;
        as_buff(out, plain || dot ? "%c" : "%%%02X", c);
    }
}

void as_site_open(as_buf *out, as_str title, as_verdict verdict, as_str suite, as_str rest) {
    as_page_open_scripted(out, title, "assay", verdict);
    as_buf_text(out, "<nav class=\"crumbs\" aria-label=\"You are here\"><a href=\"/\">assay</a>");
    if (suite.len) {
        as_buf_text(out, "<span aria-hidden=\"true\">/</span><a href=\"/suites/");
        as_site_put_name(out, suite);
        as_buf_text(out, "\">");
        as_content_markup(out, suite, AS_CLIP_NAME);
        as_buf_text(out, "</a>");
    }
    if (rest.len) {
        as_buf_text(out, "<span aria-hidden=\"true\">/</span>");
        as_page_text(out, "span", NULL, rest, AS_CLIP_NAME);
    }
    as_buf_text(out, "</nav>\n");
}

void as_site_close(as_buf *out) {
    as_page_close_scripted(out);
}

// A run's address and its id.
static void put_run_link(as_buf *out, as_str run) {
    as_buf_text(out, "<a href=\"/runs/");
    as_site_put_name(out, run);
    as_buf_text(out, "\">");
    as_page_text(out, "code", NULL, run, AS_CLIP_NAME);
    as_buf_text(out, "</a>");
}

static void put_verdict(as_buf *out, const as_gate *gate) {
    bool judged = gate->count || gate->verdict != AS_PASS;
    as_page_verdict(out, judged ? gate->verdict : AS_NO_BASELINE, judged ? NULL : "no gate");
}

// ---- start ----

static void put_level(as_buf *out, as_arena *arena, const as_timeline *line) {
    const as_summary *last = &line->runs[line->count - 1];
    if (!last->metric_count) return;
    const as_value *now = &last->metrics[0];
    as_svg_point *points = AS_NEW_ARRAY(arena, as_svg_point, line->count);
    for (size_t i = 0; i < line->count; i++) {
        const as_value *v = as_summary_value(&line->runs[i], now->name, AS_STR(""));
        points[i] = (as_svg_point){.value = v ? v->value : NAN,
                                   .ci = v ? v->ci : (as_interval){NAN, NAN},
                                   .verdict = line->runs[i].gate.verdict};
    }
    as_unit unit = as_figure_measure(now->name, now->spec, now->value).unit;
    as_svg_trend trend = {
        .name = now->name, .points = points, .count = line->count, .unit = unit, .small = true};
    as_axis axis = as_svg_trend_axis(&trend);
    as_buf_text(out, "<figure>\n<figcaption>");
    as_page_text(out, "b", NULL, now->name, AS_CLIP_NAME);
    as_buff(out, "<span class=\"now\">%s</span></figcaption>\n",
            as_figure_of(now->value, unit).text);
    as_svg_trend_draw(out, &trend, &axis);
    as_buf_text(out, "</figure>\n");
}

static void put_suite(as_buf *out, as_arena *arena, const as_timeline *line) {
    const as_summary *last = &line->runs[line->count - 1];
    as_buf_text(out, "<article><h2><a href=\"/suites/");
    as_site_put_name(out, line->suite);
    as_buf_text(out, "\">");
    as_content_markup(out, line->suite, AS_CLIP_NAME);
    as_buf_text(out, "</a></h2>\n<p>");
    put_verdict(out, &last->gate);
    as_buff(out, " <span class=\"soft\">%s %s, newest ", as_figure_count(line->count).text,
            line->count == 1 ? "run" : "runs");
    as_content_markup(out, as_page_when(arena, last->started), AS_CLIP_NAME);
    as_buf_text(out, "</span></p>\n");
    put_level(out, arena, line);
    as_buf_text(out, "</article>\n");
}

void as_site_index(as_buf *out, const as_timeline *suites, size_t count) {
    as_arena arena = {0};
    as_verdict worst = AS_PASS;
    for (size_t i = 0; i < count; i++)
        if (suites[i].runs[suites[i].count - 1].gate.verdict == AS_FAIL) worst = AS_FAIL;
    as_site_open(out, AS_STR("Suites"), worst, AS_STR(""), AS_STR(""));
    as_buff(out,
            "<header><p class=\"kicker\">%s %s</p><h1>Suites</h1>"
            "<p class=\"lead\"><a href=\"/runs\">All runs</a></p></header>\n",
            as_figure_count(count).text, count == 1 ? "suite" : "suites");
    if (!count) as_buf_text(out, "<p>The history is empty: assay run SUITE fills it.</p>\n");
    as_buf_text(out, "<div class=\"suites charts smalls\">\n");
    for (size_t i = 0; i < count; i++) put_suite(out, &arena, &suites[i]);
    as_buf_text(out, "</div>\n");
    as_site_close(out);
    as_arena_free(&arena);
}

// ---- runs ----

static void put_run(as_buf *out, as_arena *arena, const as_summary *run, as_str tags) {
    as_buf_text(out, "<tr>");
    as_page_text(out, "td", NULL, as_page_when(arena, run->started), AS_CLIP_NAME);
    as_buf_text(out, "<th scope=\"row\">");
    put_run_link(out, run->run);
    if (tags.len) as_page_text(out, "small", NULL, tags, AS_CLIP_NAME);
    as_buf_text(out, "</th><td data-l=\"Suite\"><a href=\"/suites/");
    as_site_put_name(out, run->suite);
    as_buf_text(out, "\">");
    as_content_markup(out, run->suite, AS_CLIP_NAME);
    as_buf_text(out, "</a></td><td data-l=\"Verdict\">");
    put_verdict(out, &run->gate);
    const as_value *v = run->metric_count ? &run->metrics[0] : NULL;
    as_unit unit = v ? as_figure_measure(v->name, v->spec, v->value).unit : AS_UNIT_NUMBER;
    as_buff(out, "</td><td class=\"num\" data-l=\"First metric\">%s</td>",
            v ? as_figure_of(v->value, unit).text : "");
    as_buff(out, "<td class=\"num\" data-l=\"Cases\">%s</td>", as_figure_count(run->total).text);
    as_buf_text(out, "<td class=\"wrap\" data-l=\"Model\">");
    as_content_markup(out, run->model_name.len ? run->model_name : run->target_uri, AS_CLIP_NAME);
    as_buf_text(out, "</td><td data-l=\"Commit\">");
    if (run->git_commit.len)
        as_page_text(out, "code", NULL, as_str_sub(run->git_commit, 0, AS_TREND_SHORT_HASH),
                     AS_TREND_SHORT_HASH);
    as_buf_text(out, "</td></tr>\n");
}

void as_site_runs(as_buf *out, as_str suite, const as_summary *runs, const as_str *tags,
                  size_t count) {
    as_arena arena = {0};
    as_site_open(out, AS_STR("Runs"), count ? runs[0].gate.verdict : AS_NO_BASELINE, suite,
                 AS_STR("Runs"));
    as_buff(out, "<header><p class=\"kicker\">the newest %s</p><h1>Runs</h1></header>\n",
            as_figure_count(count).text);
    as_buf_text(out, "<table class=\"stack runs sortable searchable\">\n<thead><tr>"
                     "<th scope=\"col\">Started</th><th scope=\"col\">Run</th>"
                     "<th scope=\"col\">Suite</th><th scope=\"col\">Verdict</th>"
                     "<th scope=\"col\" class=\"num\">First metric</th>"
                     "<th scope=\"col\" class=\"num\">Cases</th><th scope=\"col\">Model</th>"
                     "<th scope=\"col\">Commit</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < count; i++) put_run(out, &arena, &runs[i], tags[i]);
    as_buf_text(out, "</tbody></table>\n");
    as_site_close(out);
    as_arena_free(&arena);
}

// ---- suite ----

static void put_choice(as_buf *out, as_arena *arena, const as_timeline *line, const char *name,
                       const char *label, size_t chosen) {
    size_t from = line->count > COMPARE_RUNS_MAX ? line->count - COMPARE_RUNS_MAX : 0;
    as_buff(out, "<label>%s <select name=\"%s\" aria-label=\"%s\">", label, name,
            chosen + 1 == line->count ? "Run to compare" : "Run to compare with");
    for (size_t i = line->count; i-- > from;) {
        const as_summary *run = &line->runs[i];
        as_buf_text(out, "<option value=\"");
        as_content_markup(out, run->run, AS_CLIP_NAME);
        as_buff(out, "\"%s>", i == chosen ? " selected" : "");
        as_content_markup(out, as_page_when(arena, run->started), AS_CLIP_NAME);
        as_buf_text(out, ", ");
        as_content_markup(out, as_trend_commit(arena, run), AS_CLIP_NAME);
        as_buf_text(out, "</option>");
    }
    as_buf_text(out, "</select></label>\n");
}

void as_site_suite(as_buf *out, const as_timeline *line) {
    as_arena arena = {0};
    as_buf cases = {0};
    as_site_open(out, line->suite, line->runs[line->count - 1].gate.verdict, line->suite,
                 AS_STR(""));
    as_buf_text(out, "<form class=\"tools\" action=\"/compare\">\n");
    size_t last = line->count - 1;
    put_choice(out, &arena, line, "b", "Compare", last);
    put_choice(out, &arena, line, "a", "with", last ? last - 1 : last);
    as_buf_text(out, "<button>Compare</button> <a href=\"/suites/");
    as_site_put_name(out, line->suite);
    as_buf_text(out, "/cases\">Cases</a></form>\n");
    as_buf_text(&cases, "/suites/");
    as_site_put_name(&cases, line->suite);
    as_buf_text(&cases, "/cases/");
    as_report_trend_body(out, line, "/runs/", cases.ptr);
    as_site_close(out);
    as_buf_free(&cases);
    as_arena_free(&arena);
}

void as_site_error(as_buf *out, unsigned status, as_str text) {
    as_site_open(out, AS_STR("Not here"), AS_NO_BASELINE, AS_STR(""), AS_STR(""));
    as_buff(out, "<header><p class=\"kicker\">%u</p><h1>", status);
    as_content_markup(out, text, AS_CLIP_LINE);
    as_buf_text(out, "</h1></header>\n");
    as_site_close(out);
}
