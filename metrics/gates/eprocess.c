// SPDX-License-Identifier: Apache-2.0
#include "metrics/gates/eprocess.h"

#include <math.h>

#include "metrics/num.h"

as_eprocess as_eprocess_above(double m, double alpha) {
    return (as_eprocess){.m = m, .sign = 1, .alpha = alpha};
}

as_eprocess as_eprocess_below(double m, double alpha) {
    return (as_eprocess){.m = m, .sign = -1, .alpha = alpha};
}

// The running mean and variance, each with one value of a fair coin ahead of the data.
static double mean_of(double t, double sum) {
    return (0.5 + sum) / (t + 1);
}

static double variance_of(double t, double squares) {
    return (0.25 + squares) / (t + 1);
}

void as_eprocess_add(as_eprocess *e, double x) {
    double variance = variance_of(e->t, e->squares);
    e->t++;
    double stake = sqrt(-2 * as_num_log(e->alpha) / (e->t * as_num_log(1 + e->t) * variance));
    double ruin = e->sign > 0 ? e->m : 1 - e->m; // the most that a value can be on the wrong side
    if (ruin > 0) stake = fmin(stake, 0.5 / ruin);
    e->log_e += as_num_log(1 + e->sign * stake * (x - e->m));
    e->sum += x;
    double off = x - mean_of(e->t, e->sum);
    e->squares += off * off;
    e->refuted |= e->log_e >= -as_num_log(e->alpha);
}

void as_sequence_add(as_sequence *s, double x) {
    double mean = mean_of(s->t, s->sum), variance = variance_of(s->t, s->squares);
    s->t++;
    double stake =
        fmin(0.5, sqrt(2 * as_num_log(2 / s->alpha) / (s->t * as_num_log(1 + s->t) * variance)));
    s->stakes += stake;
    s->staked += stake * x;
    s->spent += (x - mean) * (x - mean) * (-as_num_log(1 - stake) - stake);
    s->sum += x;
    double off = x - mean_of(s->t, s->sum);
    s->squares += off * off;
}

as_interval as_sequence_interval(const as_sequence *s) {
    if (!(s->stakes > 0)) return (as_interval){0, 1};
    double centre = s->staked / s->stakes;
    double half = (as_num_log(2 / s->alpha) + s->spent) / s->stakes;
    return (as_interval){fmax(0, centre - half), fmin(1, centre + half)};
}
