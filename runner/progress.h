// SPDX-License-Identifier: Apache-2.0
// progress.h - the bar on stderr, only where stderr is a terminal: done/total, rate, time left,
// errors, running score. Redrawn at most ten times a second.
#ifndef AS_PROGRESS_H
#define AS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct as_progress {
    bool shown;
    uint64_t total, done, resumed, errors;
    double score_sum; // of the first metric
    uint64_t scored;
    uint64_t start_ns, drawn_ns;
} as_progress;

void as_progress_start(as_progress *p, bool wanted, uint64_t total, uint64_t resumed);
void as_progress_add(as_progress *p, bool error, double score); // NaN: no score
void as_progress_draw(as_progress *p);                          // if it is time to
void as_progress_end(as_progress *p);                           // takes the bar away

#endif
