// SPDX-License-Identifier: Apache-2.0
#include "runner/bench/duel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/special.h"

const char *const as_duel_names[AS_DUEL_MEASURES] = {"requests/s", "e2e", "ttft", "tpot"};

as_duel_ratio as_duel_ratio_of(const double *logs, size_t count) {
    as_duel_ratio out = {NAN, NAN, NAN, count};
    if (!count) return out;
    double mean = 0, squares = 0;
    for (size_t i = 0; i < count; i++) mean += logs[i] / (double)count;
    for (size_t i = 0; i < count; i++) squares += (logs[i] - mean) * (logs[i] - mean);
    out.ratio = exp(mean);
    if (count < 2) return out;
    double df = (double)(count - 1);
    double half = as_special_t_quantile(0.975, df) * sqrt(squares / df / (double)count);
    out.lo = exp(mean - half);
    out.hi = exp(mean + half);
    return out;
}

static double mean_since(const as_bench_times *t, size_t from) {
    as_bench_times part = {t->count > from ? t->ms + from : NULL,
                           t->count > from ? t->count - from : 0};
    return as_bench_mean(&part);
}

// One block on one side. `out` gets its measures.
static as_rc block(as_bench_session *session, as_bench_result *all, uint64_t requests,
                   double out[AS_DUEL_MEASURES], as_err *err) {
    static const as_bench_time times[] = {AS_BENCH_E2E, AS_BENCH_TTFT, AS_BENCH_TPOT};
    size_t before[3];
    double wall_s = all->wall_s;
    uint64_t answered = all->answered;
    for (size_t i = 0; i < 3; i++) before[i] = all->times[times[i]].count;
    as_rc rc = as_bench_part(session, requests, all, err);
    out[AS_DUEL_PER_S] = (double)(all->answered - answered) / (all->wall_s - wall_s);
    for (size_t i = 0; i < 3; i++)
        out[AS_DUEL_E2E + i] = mean_since(&all->times[times[i]], before[i]);
    return rc;
}

static as_rc fight(as_duel_side sides[2], as_bench_session *sessions[2], const as_bench_load *load,
                   double logs[AS_DUEL_MEASURES][AS_DUEL_PAIRS], size_t counts[AS_DUEL_MEASURES],
                   as_err *err) {
    uint64_t pairs = load->requests < AS_DUEL_PAIRS ? load->requests : AS_DUEL_PAIRS, sent = 0;
    as_rc rc = AS_OK;
    for (uint64_t pair = 0; !rc && pair < pairs; pair++) {
        double found[2][AS_DUEL_MEASURES];
        uint64_t until = load->requests * (pair + 1) / pairs;
        for (int turn = 0; !rc && turn < 2; turn++) {
            int side = (pair & 1) ? 1 - turn : turn; // A B, B A, A B, ...
            rc = block(sessions[side], &sides[side].result, until - sent, found[side], err);
        }
        sent = until;
        for (int m = 0; !rc && m < AS_DUEL_MEASURES; m++)
            if (found[0][m] > 0 && found[1][m] > 0)
                logs[m][counts[m]++] = log(found[1][m] / found[0][m]);
    }
    return rc;
}

as_rc as_duel(as_duel_side sides[2], const as_bench_load *load,
              as_duel_ratio ratios[AS_DUEL_MEASURES], as_err *err) {
    as_bench_session *sessions[2] = {NULL, NULL};
    double logs[AS_DUEL_MEASURES][AS_DUEL_PAIRS];
    size_t counts[AS_DUEL_MEASURES] = {0};
    as_rc rc = AS_OK;
    for (int i = 0; !rc && i < 2; i++) {
        sides[i].result = (as_bench_result){0};
        rc = as_bench_begin(sides[i].ops, sides[i].target, load, &sessions[i], err);
    }
    if (!rc) rc = fight(sides, sessions, load, logs, counts, err);
    for (int i = 0; i < 2; i++) {
        as_bench_end(sessions[i], &sides[i].result);
        as_bench_sort(&sides[i].result);
    }
    for (int m = 0; m < AS_DUEL_MEASURES; m++) ratios[m] = as_duel_ratio_of(logs[m], counts[m]);
    return rc;
}
