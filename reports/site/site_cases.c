// SPDX-License-Identifier: Apache-2.0
// The cases of a suite, searched on the server's side, and one case over its runs.
#include "reports/site/site.h"

#include <math.h>
#include <string.h>

#include "reports/content.h"
#include "reports/figures.h"
#include "reports/page.h"
#include "reports/trend/svg_trend.h"
#include "reports/trend/word_diff.h"

enum { PAGE = 50 };

static const char *const shows[][2] = {
    {"", "all"},
    {"wrong", "wrong in the newest run"},
    {"error", "without an answer in the newest run"},
    {"broke", "right once, wrong in the newest run"},
    {"unsteady", "turned twice or more"},
};

static bool fits(const as_timeline *line, const as_case_past *past, as_str show) {
    char last = past->marks[line->run_count - 1];
    if (as_str_is(show, "wrong")) return last == AS_MARK_WRONG;
    if (as_str_is(show, "error")) return last == AS_MARK_ERROR;
    if (as_str_is(show, "broke")) return last == AS_MARK_WRONG && past->broke != SIZE_MAX;
    if (as_str_is(show, "unsteady")) return past->turns >= 2;
    return true;
}

static void put_form(as_buf *out, as_str word, as_str show) {
    as_buf_text(
        out,
        "<form class=\"tools\"><input type=\"search\" name=\"q\" "
        "aria-label=\"Search ids and answers\" placeholder=\"Search ids and answers\" value=\"");
    as_content_markup(out, word, AS_CLIP_NAME);
    as_buf_text(out, "\"><select name=\"show\" aria-label=\"Which cases\">");
    for (size_t i = 0; i < sizeof shows / sizeof *shows; i++)
        as_buff(out, "<option value=\"%s\"%s>%s</option>", shows[i][0],
                as_str_is(show, shows[i][0]) ? " selected" : "", shows[i][1]);
    as_buf_text(out, "</select><button>Show</button></form>\n");
}

static void put_case(as_buf *out, const as_timeline *line, const as_case_past *past) {
    size_t right = 0, seen = 0;
    for (size_t i = 0; i < line->run_count; i++) {
        right += past->marks[i] == AS_MARK_RIGHT;
        seen += past->marks[i] != AS_MARK_ABSENT;
    }
    as_buf_text(out, "<li><a href=\"/suites/");
    as_site_put_name(out, line->suite);
    as_buf_text(out, "/cases/");
    as_site_put_name(out, past->id);
    as_buf_text(out, "\">");
    as_page_text(out, "code", NULL, past->id, AS_CLIP_NAME);
    as_buf_text(out, "</a>");
    as_svg_strip(out, past->marks, line->run_count);
    as_buff(out, "<span class=\"soft\">right in %zu of %zu, %u %s</span></li>\n", right, seen,
            past->turns, past->turns == 1 ? "turn" : "turns");
}

static void put_step(as_buf *out, as_str word, as_str show, size_t from, const char *name) {
    as_buf_text(out, "<a class=\"button\" href=\"?q=");
    as_site_put_name(out, word);
    as_buf_text(out, "&amp;show=");
    as_site_put_name(out, show);
    as_buff(out, "&amp;from=%zu\">%s</a>\n", from, name);
}

void as_site_cases(as_buf *out, const as_timeline *line, as_str word, const bool *hits, as_str show,
                   size_t from) {
    as_site_open(out, line->suite, line->runs[line->count - 1].gate.verdict, line->suite,
                 AS_STR("Cases"));
    as_buf_text(out, "<header><h1>Cases</h1><p class=\"lead\">A thin line is right, a bar wrong, a "
                     "hollow bar an error of the target.</p></header>\n");
    put_form(out, word, show);
    size_t count = 0;
    as_buf_text(out, "<ol class=\"all\">\n");
    for (size_t i = 0; i < line->case_count; i++) {
        const as_case_past *past = &line->cases[i];
        if (!hits[i] || !fits(line, past, show)) continue;
        if (count >= from && count < from + PAGE) put_case(out, line, past);
        count++;
    }
    as_buff(out, "</ol>\n<p class=\"tools\"><span class=\"soft\">%s %s</span>\n",
            as_figure_count(count).text, count == 1 ? "case" : "cases");
    if (from) put_step(out, word, show, from > PAGE ? from - PAGE : 0, "Back");
    if (from + PAGE < count) put_step(out, word, show, from + PAGE, "More");
    as_buf_text(out, "</p>\n");
    as_site_close(out);
}

// ---- one case ----

static void put_sides(as_buf *out, const as_site_visit *before, const as_site_visit *now) {
    as_buf left = {0}, right = {0};
    as_word_diff(&left, &right, before->output, now->output);
    const as_buf *sides[] = {&left, &right};
    static const char *const names[] = {"before", "in this run"};
    as_buf_text(out, "<div class=\"sides diff\">\n");
    for (size_t i = 0; i < 2; i++) {
        as_buff(out, "<div><h4>%s</h4><p dir=\"auto\">", names[i]);
        if (sides[i]->len)
            as_buf_str(out, as_buf_view(sides[i]));
        else
            as_buf_text(out, "<span class=\"nothing\">nothing</span>");
        as_buf_text(out, "</p></div>\n");
    }
    as_buf_text(out, "</div>\n");
    as_buf_free(&left);
    as_buf_free(&right);
}

static void put_visit(as_buf *out, as_arena *arena, const as_site_visit *v,
                      const as_site_visit *before) {
    bool error = !isfinite(v->score), right = v->score >= 1;
    as_buff(out, "<li><p><span class=\"dir %s\">%s</span> ",
            error   ? "none"
            : right ? "better"
                    : "worse",
            error   ? v->outcome
            : right ? "right"
                    : "wrong");
    as_buf_text(out, "<a href=\"/runs/");
    as_site_put_name(out, v->run);
    as_buf_text(out, "\">");
    as_page_text(out, "code", NULL, v->run, AS_CLIP_NAME);
    as_buf_text(out, "</a> <span class=\"soft\">");
    as_content_markup(out, as_page_when(arena, v->when), AS_CLIP_NAME);
    if (v->commit.len) {
        as_buf_text(out, ", commit ");
        as_content_markup(out, as_str_sub(v->commit, 0, 10), AS_CLIP_NAME);
    }
    as_buff(out, ", %s", as_figure_of(v->latency_ms, AS_UNIT_MS).text);
    if (isfinite(v->score) && v->score != 0 && v->score != 1)
        as_buff(out, ", score %s", as_figure_of(v->score, AS_UNIT_COEFFICIENT).text);
    as_buf_text(out, "</span></p>\n");
    if (v->error.len) as_page_text(out, "p", "wrong", v->error, AS_CLIP_LINE);
    if (before && as_str_eq(before->output, v->output)) {
        as_buf_text(out, "<p class=\"soft\">the same answer as before</p>\n");
    } else if (before) {
        put_sides(out, before, v);
    } else if (v->output.len) {
        as_buf_text(out, "<div class=\"diff\">");
        as_page_text(out, "p", NULL, v->output, AS_CLIP_TEXT);
        as_buf_text(out, "</div>\n");
    }
    as_buf_text(out, "</li>\n");
}

void as_site_case(as_buf *out, as_str suite, as_str id, as_str expected,
                  const as_site_visit *visits, size_t count) {
    as_arena arena = {0};
    size_t right = 0;
    for (size_t i = 0; i < count; i++) right += visits[i].score >= 1;
    bool newest_right = count && visits[0].score >= 1;
    as_site_open(out, id, newest_right ? AS_PASS : AS_FAIL, suite, id);
    as_buff(out, "<header><p class=\"kicker\">right in %zu of %zu runs</p>", right, count);
    as_page_text(out, "h1", NULL, id, AS_CLIP_NAME);
    as_buf_text(out, "</header>\n<dl class=\"facts\">\n");
    as_page_fact(out, "Expected", expected);
    as_buf_text(out, "</dl>\n<ol class=\"events\">\n");
    for (size_t i = 0; i < count; i++)
        put_visit(out, &arena, &visits[i], i + 1 < count ? &visits[i + 1] : NULL);
    as_buf_text(out, "</ol>\n");
    as_site_close(out);
    as_arena_free(&arena);
}
