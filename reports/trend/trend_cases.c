// SPDX-License-Identifier: Apache-2.0
// The cases over time: those that broke, those that are unsteady, and all of them for page.js.
#include "reports/trend/trend_parts.h"

#include <math.h>
#include <string.h>

#include "harness/base/map.h"
#include "reports/content.h"
#include "reports/page.h"
#include "reports/trend/svg_trend.h"
#include "reports/trend/word_diff.h"

static void put_story_side(as_buf *out, const as_trend_page *page, size_t run, const char *word,
                           const as_buf *text) {
    as_buff(out, "<div><h4>%s, ", word);
    as_trend_run(out, page, run);
    as_buf_text(out, "</h4><p dir=\"auto\">");
    if (text->len)
        as_buf_str(out, as_buf_view(text));
    else
        as_buf_text(out, "<span class=\"nothing\">nothing</span>");
    as_buf_text(out, "</p></div>\n");
}

static void put_story(as_buf *out, as_trend_page *page, const as_case_story *story) {
    const as_timeline *line = page->line;
    const as_case_past *past = story->past;
    size_t right = 0, seen = 0;
    for (size_t i = 0; i < line->run_count; i++) {
        right += past->marks[i] == AS_MARK_RIGHT;
        seen += past->marks[i] != AS_MARK_ABSENT;
    }
    as_buf_text(out, "<details><summary>");
    as_page_text(out, "code", "id", past->id, AS_CLIP_NAME);
    as_buf_text(out, "<span class=\"in\">");
    as_page_text(out, "bdi", NULL, story->input.len ? story->input : story->expected, AS_CLIP_LINE);
    as_buf_text(out, "</span>");
    as_svg_strip(out, past->marks, line->run_count);
    as_buff(out, "<span class=\"soft\">right in %zu of %zu, %u %s</span></summary>\n", right, seen,
            past->turns, past->turns == 1 ? "turn" : "turns");
    as_buf_text(out, "<dl>\n");
    as_page_fact(out, "Expected", story->expected);
    if (story->after_run < line->count) {
        as_buf_text(out, "<div><dt>Turned at</dt><dd>");
        as_content_markup(out, as_trend_commit(&page->arena, &line->runs[story->after_run]),
                          AS_CLIP_NAME);
        const char *novelty = as_trend_novelty(line, story->after_run);
        if (novelty) as_buff(out, " <span class=\"soft\">(new %s)</span>", novelty);
        as_buf_text(out, "</dd></div>\n");
    }
    as_buf_text(out, "</dl>\n");
    if (story->after_run < line->count && story->before_run < line->count) {
        as_buf left = {0}, right_side = {0};
        as_word_diff(&left, &right_side, story->before, story->after);
        as_buf_text(out, "<div class=\"sides diff\">\n");
        put_story_side(out, page, story->before_run, "Before", &left);
        put_story_side(out, page, story->after_run, "After", &right_side);
        as_buf_text(out, "</div>\n");
        as_buf_free(&left);
        as_buf_free(&right_side);
    }
    as_buf_text(out, "</details>\n");
}

static void put_stories(as_buf *out, as_trend_page *page, const as_case_story *stories,
                        size_t count, uint64_t total) {
    as_buf_text(out, "<div class=\"cases past\">\n");
    for (size_t i = 0; i < count; i++) put_story(out, page, &stories[i]);
    as_buf_text(out, "</div>\n");
    if (total > count)
        as_buff(out, "<p class=\"aside\">and %s more</p>\n", as_figure_count(total - count).text);
}

void as_trend_cases(as_buf *out, as_trend_page *page) {
    const as_timeline *line = page->line;
    if (!line->run_count) return;
    as_page_section(out, "broken", "Cases that broke",
                    "Right once, wrong in the newest run; the latest to break first. In the strip "
                    "a thin line is right, a bar wrong, a hollow bar an error of the target.");
    if (!line->broken_count) as_buf_text(out, "<p>No case that was right is wrong now.</p>\n");
    put_stories(out, page, line->broken, line->broken_count, line->broken_total);
    as_page_section_end(out);
    if (!line->unsteady_count) return;
    as_page_section(out, "unsteady", "Unsteady cases",
                    "Right and wrong in turn, most turns first: what they say about one run is "
                    "worth little.");
    put_stories(out, page, line->unsteady, line->unsteady_count, line->unsteady_total);
    as_page_section_end(out);
}

// Few pasts are different: each is written once, a case is an id and a number.
void as_trend_browser(as_buf *out, as_trend_page *page) {
    const as_timeline *line = page->line;
    as_buf_text(out, "<script type=\"application/json\" id=\"data\">{\"runs\":[");
    for (size_t i = 0; i < line->count; i++) {
        const as_summary *run = &line->runs[i];
        const char *novelty = as_trend_novelty(line, i);
        as_str when = as_page_when(&page->arena, run->started);
        as_str commit = as_trend_commit(&page->arena, run);
        if (i) as_buf_char(out, ',');
        as_content_json(out,
                        as_strf(&page->arena, "%.*s \xc2\xb7 %.*s \xc2\xb7 %s%s%s",
                                AS_STR_ARG(as_content_clip(when, 40)),
                                AS_STR_ARG(as_content_clip(commit, 60)),
                                as_verdict_name(run->gate.verdict), novelty ? ", new " : "",
                                novelty ? novelty : ""),
                        AS_CLIP_LINE);
    }
    as_buff(out, "],\"first\":%zu,\"pasts\":[", line->first_run);
    as_map pasts = {0};
    size_t *numbers = AS_NEW_ARRAY(&page->arena, size_t, line->case_count);
    for (size_t i = 0; i < line->case_count; i++) {
        as_str marks = {line->cases[i].marks, line->run_count};
        uint64_t known = pasts.count;
        if (as_map_add(&pasts, marks, pasts.count, &known))
            as_buff(out, "%s\"%.*s\"", known ? "," : "", AS_STR_ARG(marks));
        numbers[i] = (size_t)known;
    }
    as_map_free(&pasts);
    as_buf_text(out, "],\"ids\":[");
    for (size_t i = 0; i < line->case_count; i++) {
        if (i) as_buf_char(out, ',');
        as_content_json(out, line->cases[i].id, AS_CLIP_NAME);
    }
    as_buf_text(out, "],\"past\":[");
    for (size_t i = 0; i < line->case_count; i++) as_buff(out, i ? ",%zu" : "%zu", numbers[i]);
    as_buf_text(out, "]}</script>\n");
    if (!line->case_count) return;
    as_page_section(out, "browser", "All cases", NULL);
    as_buff(out,
            "<div id=\"all-cases\" data-link=\"%s\"><p class=\"aside\">%s cases. With scripts "
            "allowed, they can be searched and sorted here.</p></div>\n",
            page->case_links ? page->case_links : "", as_figure_count(line->case_count).text);
    as_page_section_end(out);
}
