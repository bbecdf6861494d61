// SPDX-License-Identifier: Apache-2.0
// The page of a suite's runs over time.
#include "reports/report.h"

#include <math.h>

#include "reports/content.h"
#include "reports/page.h"
#include "reports/phrase.h"
#include "reports/trend/trend_parts.h"

static void collect_names(as_trend_page *page) {
    const as_timeline *line = page->line;
    for (size_t r = line->count; r-- > 0;)
        for (size_t m = 0; m < line->runs[r].metric_count; m++) {
            as_str name = line->runs[r].metrics[m].name;
            size_t i = 0;
            while (i < page->name_count && !as_str_eq(page->names[i], name)) i++;
            if (i == page->name_count && page->name_count < AS_TREND_CHARTS_MAX)
                page->names[page->name_count++] = name;
        }
}

static void number_events(as_trend_page *page) {
    const as_timeline *line = page->line;
    page->events = AS_NEW_ARRAY(&page->arena, unsigned, line->count);
    for (size_t i = 0; i < line->shift_count; i++) page->events[line->shifts[i].run] = 1;
    for (size_t run = line->count; run-- > 0;)
        if (page->events[run]) page->events[run] = ++page->event_count;
}

const char *as_trend_novelty(const as_timeline *line, size_t i) {
    static const char *const words[] = {
        NULL,    "model",           "dataset",           "model and dataset",
        "suite", "model and suite", "dataset and suite", "model, dataset and suite"};
    if (!i) return NULL;
    const as_summary *a = &line->runs[i - 1], *b = &line->runs[i];
    bool model =
        !as_str_eq(a->model_sha256, b->model_sha256) || !as_str_eq(a->target_uri, b->target_uri);
    bool dataset = !as_str_eq(a->dataset_sha256, b->dataset_sha256);
    bool suite = !as_str_eq(a->suite_sha256, b->suite_sha256);
    return words[model + 2 * dataset + 4 * suite];
}

as_str as_trend_commit(as_arena *arena, const as_summary *run) {
    if (!run->git_commit.len)
        return as_strf(arena, "run %.*s", AS_STR_ARG(as_content_clip(run->run, 60)));
    return as_strf(arena, "commit %.*s%s",
                   AS_STR_ARG(as_str_sub(run->git_commit, 0, AS_TREND_SHORT_HASH)),
                   run->git_dirty ? "+" : "");
}

// Run ids made by assay are plain; one that is not (imported) is no link.
static bool is_plain(as_str id) {
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     c == '-' || c == '_';
        if (!plain) return false;
    }
    return id.len > 0;
}

void as_trend_run(as_buf *out, const as_trend_page *page, size_t run) {
    as_str id = page->line->runs[run].run;
    bool link = page->links && is_plain(id);
    if (link) as_buff(out, "<a href=\"%s%.*s\">", page->links, AS_STR_ARG(id));
    as_page_text(out, "code", NULL, id, AS_CLIP_NAME);
    if (link) as_buf_text(out, "</a>");
}

static void put_run(as_buf *out, as_trend_page *page, size_t i) {
    const as_timeline *line = page->line;
    const as_summary *run = &line->runs[i];
    as_buf_text(out, "<tr>");
    as_page_text(out, "td", NULL, as_page_when(&page->arena, run->started), AS_CLIP_NAME);
    as_buf_text(out, "<th scope=\"row\">");
    as_trend_run(out, page, i);
    if (line->tags && line->tags[i].len)
        as_page_text(out, "small", NULL, line->tags[i], AS_CLIP_NAME);
    as_buf_text(out, "</th><td data-l=\"Verdict\">");
    bool judged = run->gate.count || run->gate.verdict != AS_PASS;
    as_page_verdict(out, judged ? run->gate.verdict : AS_NO_BASELINE, judged ? NULL : "no gate");
    as_buf_text(out, "</td>");
    const as_value *v = page->name_count ? as_summary_value(run, page->names[0], AS_STR("")) : NULL;
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
                     as_strf(&page->arena, "%.*s%s",
                             AS_STR_ARG(as_str_sub(run->git_commit, 0, AS_TREND_SHORT_HASH)),
                             run->git_dirty ? "+" : ""),
                     AS_TREND_SHORT_HASH + 1);
    const char *what = as_trend_novelty(line, i);
    as_buff(out, "</td><td data-l=\"New\">%s</td></tr>\n", what ? what : "");
}

static void put_runs(as_buf *out, as_trend_page *page) {
    as_page_section(out, "runs", "Runs", "Newest first. A commit with + had local changes.");
    as_buf_text(out, "<table class=\"stack runs sortable\">\n<thead><tr>"
                     "<th scope=\"col\">Started</th>"
                     "<th scope=\"col\">Run</th><th scope=\"col\">Verdict</th>"
                     "<th scope=\"col\" class=\"num\">");
    as_content_markup(out, page->name_count ? page->names[0] : AS_STR("Value"), AS_CLIP_NAME);
    as_buf_text(out, "</th><th scope=\"col\" class=\"num\">95% interval</th>"
                     "<th scope=\"col\">Model</th><th scope=\"col\">Commit</th>"
                     "<th scope=\"col\">New</th></tr></thead>\n<tbody>\n");
    for (size_t i = page->line->count; i-- > 0;) put_run(out, page, i);
    as_buf_text(out, "</tbody>\n</table>\n");
    as_page_section_end(out);
}

static void put_heading(as_buf *out, const as_timeline *line) {
    size_t failed = 0;
    for (size_t i = 0; i < line->count; i++) failed += line->runs[i].gate.verdict == AS_FAIL;
    as_buff(out, "<header>\n<p class=\"kicker\">%s %s", as_figure_count(line->count).text,
            line->count == 1 ? "run" : "runs");
    if (failed) as_buff(out, ", %s failed", as_figure_count(failed).text);
    as_buf_text(out, "</p>\n");
    as_page_text(out, "h1", NULL, line->suite.len ? line->suite : AS_STR("All suites"),
                 AS_CLIP_NAME);
    if (line->count) {
        const as_gate *gate = &line->runs[line->count - 1].gate;
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

static void put_nav(as_buf *out, const as_trend_page *page) {
    const as_timeline *line = page->line;
    const struct {
        const char *id, *name;
        bool there;
    } links[] = {
        {"changes", "What changed", line->count > 2},
        {"trend", "Quality", true},
        {"slices", "Slices", line->runs[line->count - 1].slice_count && page->name_count},
        {"speed", "Speed and cost", true},
        {"broken", "Cases that broke", line->run_count > 0},
        {"unsteady", "Unsteady cases", line->unsteady_count > 0},
        {"browser", "All cases", line->case_count > 0},
        {"runs", "Runs", true},
    };
    as_buf_text(out, "<nav aria-label=\"Sections\">");
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        if (links[i].there) as_buff(out, "<a href=\"#%s\">%s</a>", links[i].id, links[i].name);
    as_buf_text(out, "</nav>\n\n");
}

void as_report_trend_body(as_buf *out, const as_timeline *line, const char *run_links,
                          const char *case_links) {
    as_trend_page page = {.line = line, .links = run_links, .case_links = case_links};
    put_heading(out, line);
    if (!line->count) {
        as_buf_text(out, "<p>No run is stored yet.</p>\n");
        return;
    }
    collect_names(&page);
    number_events(&page);
    put_nav(out, &page);
    as_trend_events(out, &page);
    as_trend_charts(out, &page);
    as_trend_slices(out, &page);
    as_trend_cost(out, &page);
    as_trend_cases(out, &page);
    as_trend_browser(out, &page);
    put_runs(out, &page);
    as_arena_free(&page.arena);
}

void as_report_trend_html(as_buf *out, const as_timeline *line) {
    as_page_open_scripted(out, line->suite.len ? line->suite : AS_STR("All suites"),
                          "assay history",
                          line->count ? line->runs[line->count - 1].gate.verdict : AS_NO_BASELINE);
    as_report_trend_body(out, line, NULL, NULL);
    as_page_close_scripted(out);
}
