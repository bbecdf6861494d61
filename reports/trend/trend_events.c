// SPDX-License-Identifier: Apache-2.0
// What changed and when: a run at which levels moved, in words.
#include "reports/trend/trend_parts.h"

#include <math.h>

#include "reports/content.h"
#include "reports/page.h"

enum { EVENTS_MAX = 20, METRICS_MAX = 4, SLICES_MAX = 4 };

static as_measure measure_of(const as_trend_page *page, const as_shift *shift) {
    const as_value *v =
        as_summary_value(&page->line->runs[shift->run], shift->metric, shift->slice);
    return as_figure_measure(shift->metric, v ? v->spec : AS_STR(""), shift->after);
}

static void put_shift(as_buf *out, const as_trend_page *page, const as_shift *shift) {
    as_measure m = measure_of(page, shift);
    bool up = shift->after > shift->before, worse = up == m.lower;
    as_buff(out, "<li><span class=\"dir %s\">%s</span> ", worse ? "worse" : "better",
            worse ? "worse" : "better");
    as_page_text(out, "b", NULL, shift->metric, AS_CLIP_NAME);
    if (shift->slice.len) {
        as_buf_text(out, " on ");
        as_page_text(out, "b", NULL, shift->slice, AS_CLIP_NAME);
    }
    as_buff(out, " %s from %s to %s", up ? "rose" : "fell",
            as_figure_of(shift->before, m.unit).text, as_figure_of(shift->after, m.unit).text);
    as_buff(out, " <span class=\"soft\">%s, p %s%s</span></li>\n",
            as_figure_change(shift->after - shift->before, m.unit).text,
            shift->p < 0.001 ? "" : "= ", as_figure_p(shift->p).text);
}

static void put_event(as_buf *out, as_trend_page *page, size_t run) {
    const as_timeline *line = page->line;
    const char *novelty = as_trend_novelty(line, run);
    as_buff(out, "<li id=\"change-%u\"><p><span class=\"no\">%u</span> ", page->events[run],
            page->events[run]);
    as_page_text(out, "b", NULL, as_trend_commit(&page->arena, &line->runs[run]), AS_CLIP_NAME);
    as_buf_text(out, " <span class=\"soft\">");
    as_content_markup(out, as_page_when(&page->arena, line->runs[run].started), AS_CLIP_NAME);
    if (line->runs[run].git_commit.len) {
        as_buf_text(out, ", run ");
        as_trend_run(out, page, run);
    }
    if (novelty) as_buff(out, ", new %s", novelty);
    as_buf_text(out, "</span></p>\n<ul>\n");
    size_t left = 0, shown[2] = {0};
    for (int sliced = 0; sliced < 2; sliced++)
        for (size_t i = 0; i < line->shift_count; i++) {
            const as_shift *shift = &line->shifts[i];
            if (shift->run != run || (shift->slice.len > 0) != sliced) continue;
            if (shown[sliced]++ < (sliced ? SLICES_MAX : METRICS_MAX))
                put_shift(out, page, shift);
            else
                left++;
        }
    if (left) as_buff(out, "<li class=\"soft\">and %zu more metrics and slices</li>\n", left);
    as_buf_text(out, "</ul></li>\n");
}

void as_trend_events(as_buf *out, as_trend_page *page) {
    const as_timeline *line = page->line;
    if (line->count < 3) return;
    as_page_section(out, "changes", "What changed",
                    "Runs at which the level of a metric moved, newest first. The least-squares "
                    "levels with a penalty for each change; p is by permutation of the runs on "
                    "both sides.");
    if (!page->event_count)
        as_buff(out, "<p>No metric changed its level in these %s runs.</p>\n",
                as_figure_count(line->count).text);
    as_buf_text(out, page->event_count ? "<ol class=\"events\">\n" : "");
    size_t shown = 0;
    for (size_t run = line->count; run-- > 0 && shown < EVENTS_MAX;) {
        if (!page->events[run]) continue;
        put_event(out, page, run);
        shown++;
    }
    as_buf_text(out, page->event_count ? "</ol>\n" : "");
    if (shown < page->event_count)
        as_buff(out, "<p class=\"aside\">and %u older changes</p>\n",
                page->event_count - (unsigned)shown);
    as_page_section_end(out);
}
