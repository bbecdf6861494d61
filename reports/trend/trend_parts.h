// SPDX-License-Identifier: Apache-2.0
// trend_parts.h - the sections of a suite's timeline, in the order in which trend.c puts them. Each
// writes a whole <section>, or nothing when there is nothing to show.
#ifndef AS_TREND_PARTS_H
#define AS_TREND_PARTS_H

#include "harness/record/timeline.h"
#include "reports/figures.h"

enum { AS_TREND_CHARTS_MAX = 40, AS_TREND_SHORT_HASH = 10 };

typedef struct as_trend_page {
    as_arena arena;
    const as_timeline *line;
    as_str names[AS_TREND_CHARTS_MAX]; // metrics, in the order of the newest run that has them
    size_t name_count;
    unsigned *events; // [line->count]: number of the event at each run, newest 1; 0: none
    unsigned event_count;
    const char *links, *case_links; // addresses up to the id of a run, of a case; NULL: none
} as_trend_page;

// What is new in a run compared with the one before: "model and dataset"; NULL when nothing is.
const char *as_trend_novelty(const as_timeline *line, size_t run);

// "commit 12ab34cd" or "run 2026..." as content, in the arena.
as_str as_trend_commit(as_arena *arena, const as_summary *run);

// A run's name, a link where there are pages of runs.
void as_trend_run(as_buf *out, const as_trend_page *page, size_t run);

void as_trend_events(as_buf *out, as_trend_page *page); // trend_events.c
void as_trend_charts(as_buf *out, as_trend_page *page); // trend_charts.c
void as_trend_slices(as_buf *out, as_trend_page *page);
void as_trend_cost(as_buf *out, as_trend_page *page);
void as_trend_cases(as_buf *out, as_trend_page *page); // trend_cases.c
void as_trend_browser(as_buf *out, as_trend_page *page);

#endif
