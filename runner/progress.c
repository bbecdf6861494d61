// SPDX-License-Identifier: Apache-2.0
#include "runner/progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/clock.h"

enum { BAR_WIDTH = 24, REDRAW_NS = 100000000 };

void as_progress_start(as_progress *p, bool wanted, uint64_t total, uint64_t resumed) {
    const char *term = wanted ? ttyname(STDERR_FILENO) : NULL;
    *p = (as_progress){.shown = term && isatty(STDERR_FILENO),
                       .total = total,
                       .done = resumed,
                       .resumed = resumed,
                       .start_ns = as_clock_ns()};
}

void as_progress_add(as_progress *p, bool error, double score) {
    p->done++;
    p->errors += error;
    if (!isnan(score)) {
        p->score_sum += score;
        p->scored++;
    }
}

static void put_left(char out[32], double seconds) {
    if (!(seconds < 360000))
        snprintf(out, 32, "--:--");
    else if (seconds >= 3600)
        snprintf(out, 32, "%d:%02d:%02d", (int)seconds / 3600, (int)seconds / 60 % 60,
                 (int)seconds % 60);
    else
        snprintf(out, 32, "%02d:%02d", (int)seconds / 60, (int)seconds % 60);
}

void as_progress_draw(as_progress *p) {
    uint64_t now = as_clock_ns();
    if (!p->shown || (p->drawn_ns && now - p->drawn_ns < REDRAW_NS)) return;
    p->drawn_ns = now;
    double seconds = (double)(now - p->start_ns) / 1e9;
    double rate = seconds > 0 ? (double)(p->done - p->resumed) / seconds : 0;
    char left[32], bar[BAR_WIDTH + 1], line[200];
    put_left(left, rate > 0 ? (double)(p->total - p->done) / rate : INFINITY);
    size_t full = p->total ? (size_t)(p->done * BAR_WIDTH / p->total) : BAR_WIDTH;
    for (size_t i = 0; i < BAR_WIDTH; i++) bar[i] = i < full ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
    int len = snprintf(line, sizeof line, "\r[%s] %llu/%llu  %.1f/s  %s left  %llu errors", bar,
                       (unsigned long long)p->done, (unsigned long long)p->total, rate, left,
                       (unsigned long long)p->errors);
    if (p->scored && len > 0 && (size_t)len < sizeof line)
        len += snprintf(line + len, sizeof line - (size_t)len, "  score %.3f",
                        p->score_sum / (double)p->scored);
    fprintf(stderr, "%s\x1b[K", line);
    fflush(stderr);
}

void as_progress_end(as_progress *p) {
    if (!p->shown || !p->drawn_ns) return;
    fputs("\r\x1b[K", stderr);
    fflush(stderr);
}
