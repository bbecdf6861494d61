// SPDX-License-Identifier: Apache-2.0
// timeline.h - what a reader wants of many runs of one suite: their summaries, where a level moved,
// and how each case fared. Gathered by runner, drawn by reports. Plain values; views into the arena
// of whoever filled them in. Indexes of runs count from the oldest, 0.
#ifndef AS_TIMELINE_H
#define AS_TIMELINE_H

#include "harness/record/summary.h"

// The level of a metric moved at a run. Times are compared by their logarithm.
typedef struct as_shift {
    as_str metric, slice; // slice empty: all cases
    size_t run;           // the first of the new level
    double before, after; // means of the runs before and from there, up to the next shift
    double p;             // by permutation of those runs
} as_shift;

// How a case fared in a run, one character a run.
enum { AS_MARK_ABSENT = '.', AS_MARK_RIGHT = 'r', AS_MARK_WRONG = 'w', AS_MARK_ERROR = 'e' };

typedef struct as_case_past {
    as_str id;
    const char *marks; // [run_count], of runs first_run on; no NUL at the end
    unsigned turns;    // from right to wrong or back
    size_t broke;      // run of the last turn from right to wrong; SIZE_MAX: it never did
} as_case_past;

// A case in words: its last turn.
typedef struct as_case_story {
    const as_case_past *past;
    as_str input, expected; // empty where they are not at hand
    size_t before_run, after_run;
    as_str before, after; // what was answered before and after the turn
} as_case_story;

typedef struct as_timeline {
    as_str suite;
    const as_summary *runs; // oldest first
    const as_str *tags;     // of each run; NULL: none
    size_t count;
    const as_shift *shifts; // newest first
    size_t shift_count;
    size_t first_run;          // the first run that cases were read of
    size_t run_count;          // how many: count - first_run; 0: cases were not read
    const as_case_past *cases; // in byte order of the ids
    size_t case_count;
    const as_case_story *broken; // right once, wrong in the newest run: newest turn first
    size_t broken_count;
    uint64_t broken_total;
    const as_case_story *unsteady; // turned at least twice: most turns first
    size_t unsteady_count;
    uint64_t unsteady_total;
} as_timeline;

#endif
