// SPDX-License-Identifier: Apache-2.0
#include "metrics/gates/power.h"

#include <math.h>

#include "metrics/gates/judging.h"
#include "metrics/num.h"
#include "metrics/paired.h"

#define Z_ONE_SIDED 1.64485362695147271

static uint64_t whole(double needed, double n) {
    return isfinite(needed) && needed > n && needed < 1e15 ? (uint64_t)needed : 0;
}

// Without a single flip a margin takes this many (Tango's interval).
static double without_flips(double margin) {
    return margin > 0 ? floor(Z_ONE_SIDED * Z_ONE_SIDED * (1 - margin) / margin) + 1 : 0;
}

as_power as_power_of_flips(double flips, double n, double margin) {
    double needed = as_paired_needed(fmax(flips - margin * margin, 0), margin);
    return (as_power){.mde = as_paired_mde_binary(flips, n),
                      .needed = whole(fmax(needed, without_flips(margin)), n)};
}

bool as_power_of_runs(as_arena *arena, const as_gate_spec *spec, as_scorer *a, as_scorer *b,
                      double n, as_power *out, double *flips) {
    as_judging j = {.arena = arena, .now = b, .base = a};
    as_drop drop = {0};
    as_check check = {.relative = spec->relative, .slice = spec->slice};
    as_drop_measure(&j, spec, &drop, &check);
    const as_change *c = &drop.change;
    bool known = drop.measured && c->n > 1 && !isnan(c->variance);
    if (known) {
        bool share =
            drop.b->ops->flags & AS_METRIC_BOUNDED && as_str_is(c->method, "mcnemar mid-p");
        double margin = spec->relative ? as_num_log(1 + spec->limit) : spec->limit;
        bool bounded = drop.b->ops->flags & (AS_METRIC_BOUNDED | AS_METRIC_SIGNED);
        bool flipping = drop.b->ops->flags & AS_METRIC_UNIT;
        *flips = flipping ? (double)(c->broke + c->fixed) / (double)c->n : NAN;
        double mde = AS_PAIRED_POWER * sqrt(c->variance / n);
        double needed = as_paired_needed(c->variance, margin);
        if (bounded) {
            double clusters = n * (double)c->clusters / (double)c->n;
            mde = fmax(mde, 5.515 / clusters);
            needed = fmax(needed, without_flips(margin) * (double)c->n / (double)c->clusters);
        }
        *out = (as_power){.mde = spec->relative ? as_num_exp(mde) - 1 : mde,
                          .needed = whole(needed, n)};
        if (share) *out = as_power_of_flips(*flips, n, margin);
    }
    as_arena_free(&j.scratch);
    return known;
}

double as_power_of_limit(double limit, double n) {
    return limit > 0 && limit < 1 ? AS_PAIRED_POWER * sqrt(limit * (1 - limit) / n) : NAN;
}

bool as_power_is_share(const as_scorer *scorer, as_str metric) {
    const as_metric *found = as_rows_metric(scorer, metric);
    return found && found->ops->kind == AS_METRIC_MEAN && found->ops->flags & AS_METRIC_UNIT;
}

size_t as_power_slices(as_scorer *scorer, const as_str **names) {
    as_rows_seal(scorer);
    *names = scorer->slices.sorted;
    return scorer->slices.count;
}

void as_power_count(as_scorer *scorer, as_str slice, uint64_t *cases, uint64_t *clusters) {
    uint32_t number;
    as_arena scratch = {0};
    as_rows_seal(scorer);
    *cases = *clusters = 0;
    if (as_rows_slice(scorer, slice, &number)) {
        as_groups groups = as_rows_groups(&scratch, scorer);
        as_rows_cursor cursor = as_rows_cases(scorer);
        const as_row *row;
        while ((row = as_rows_next(&cursor))) {
            if (!as_rows_in_slice(row, number)) continue;
            as_rows_group(&groups, row);
            ++*cases;
        }
        *clusters = groups.count;
    }
    as_arena_free(&scratch);
}
