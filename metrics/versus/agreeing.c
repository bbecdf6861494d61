// SPDX-License-Identifier: Apache-2.0
#include "metrics/versus/agreeing.h"

#include <math.h>
#include <stdlib.h>

#include "harness/base/map.h"
#include "metrics/interval.h"
#include "metrics/num.h"

#define Z95 1.95996398454005423552

struct as_agreeing {
    as_arena arena;
    as_map by_key; // as_sample_key -> index in base
    as_sample **base;
    size_t base_count, base_capacity;
    struct divergence {
        as_str id, cluster;
        double kl;
    } * kl;
    size_t kl_count, kl_capacity;
    uint64_t cases, same;
};

as_agreeing *as_agreeing_new(void) {
    return as_mem_new(sizeof(as_agreeing));
}

void as_agreeing_free(as_agreeing *g) {
    if (!g) return;
    as_map_free(&g->by_key);
    free(g->base);
    free(g->kl);
    as_arena_free(&g->arena);
    free(g);
}

void as_agreeing_base(as_agreeing *g, const as_sample *sample) {
    if (as_outcome_is_error(sample->outcome)) return;
    if (g->base_count == g->base_capacity) {
        g->base_capacity = g->base_capacity ? 2 * g->base_capacity : 256;
        g->base = as_mem_grow(g->base, as_size_mul(g->base_capacity, sizeof *g->base));
    }
    as_sample *copy = as_sample_copy(&g->arena, sample);
    as_str key = as_sample_key(&g->arena, copy->id, copy->sample);
    if (as_map_add(&g->by_key, key, g->base_count, NULL)) g->base[g->base_count++] = copy;
}

// The logarithm of the sum of exponentials; NaN is how a journal gives an impossible choice's -inf.
static double log_sum(const double *logs, size_t count) {
    double most = -INFINITY;
    as_num_sum sum = {0};
    for (size_t i = 0; i < count; i++)
        if (logs[i] > most) most = logs[i];
    if (!isfinite(most)) return NAN;
    for (size_t i = 0; i < count; i++)
        if (!isnan(logs[i])) as_num_add(&sum, as_num_exp(logs[i] - most));
    return most + as_num_log(as_num_total(&sum));
}

double as_agreeing_kl(const double *a, const double *b, size_t count) {
    double a_all = log_sum(a, count), b_all = log_sum(b, count);
    as_num_sum sum = {0};
    if (isnan(a_all) || isnan(b_all)) return NAN;
    for (size_t i = 0; i < count; i++) {
        if (isnan(a[i]) || a[i] == -INFINITY) continue;
        if (isnan(b[i]) || b[i] == -INFINITY) return INFINITY;
        double log_p = a[i] - a_all;
        as_num_add(&sum, as_num_exp(log_p) * (log_p - (b[i] - b_all)));
    }
    return fmax(as_num_total(&sum), 0); // rounding of equal distributions
}

// The other run's scores in the order of the baseline's choices; NULL when they are others.
static double *in_order(as_arena *arena, const as_sample *base, const as_sample *sample) {
    bool both =
        base->choice_logprobs && sample->choice_logprobs && base->choices && sample->choices;
    if (!both || base->choice_count != sample->choice_count) return NULL;
    double *out = AS_NEW_ARRAY(arena, double, base->choice_count + 1);
    for (size_t i = 0; i < base->choice_count; i++) {
        size_t at = i; // mostly the same order
        if (!as_str_eq(base->choices[i], sample->choices[at]))
            for (at = 0; at < sample->choice_count; at++)
                if (as_str_eq(base->choices[i], sample->choices[at])) break;
        if (at == sample->choice_count) return NULL;
        out[i] = sample->choice_logprobs[at];
    }
    return out;
}

static void add_kl(as_agreeing *g, const as_sample *base, const as_sample *sample) {
    as_arena scratch = {0};
    const double *other = in_order(&scratch, base, sample);
    double kl = other ? as_agreeing_kl(base->choice_logprobs, other, base->choice_count) : NAN;
    as_arena_free(&scratch);
    if (isnan(kl)) return;
    if (g->kl_count == g->kl_capacity) {
        g->kl_capacity = g->kl_capacity ? 2 * g->kl_capacity : 256;
        g->kl = as_mem_grow(g->kl, as_size_mul(g->kl_capacity, sizeof *g->kl));
    }
    g->kl[g->kl_count++] =
        (struct divergence){base->id, as_str_copy(&g->arena, sample->cluster), kl};
}

void as_agreeing_add(as_agreeing *g, const as_sample *sample) {
    uint64_t at;
    as_str key = as_sample_key(&g->arena, sample->id, sample->sample);
    if (as_outcome_is_error(sample->outcome) || !as_map_get(&g->by_key, key, &at)) return;
    const as_sample *base = g->base[at];
    g->cases++;
    bool none = !base->has_prediction && !sample->has_prediction;
    g->same += none || (base->has_prediction && sample->has_prediction &&
                        as_str_eq(base->prediction, sample->prediction));
    add_kl(g, base, sample);
}

static int by_id(const void *x, const void *y) {
    return as_str_cmp(((const struct divergence *)x)->id, ((const struct divergence *)y)->id);
}

static void mean_kl(as_agreeing *g, as_arena *arena, as_agreement *out) {
    as_arena scratch = {0};
    double *values = AS_NEW_ARRAY(&scratch, double, g->kl_count + 1);
    double *weights = AS_NEW_ARRAY(&scratch, double, g->kl_count + 1);
    uint32_t *clusters = AS_NEW_ARRAY(&scratch, uint32_t, g->kl_count + 1);
    as_map names = {0};
    uint64_t groups = 0;
    size_t n = 0;
    if (g->kl_count) qsort(g->kl, g->kl_count, sizeof *g->kl, by_id); // the order decides nothing
    out->kl_max = g->kl_count ? -1 : NAN;
    for (size_t i = 0; i < g->kl_count; i++) {
        const struct divergence *d = &g->kl[i];
        if (d->kl > out->kl_max) {
            out->kl_max = d->kl;
            out->kl_worst = as_str_copy(arena, d->id);
        }
        if (!isfinite(d->kl)) continue;
        uint64_t group = groups;
        if (!d->cluster.len || as_map_add(&names, d->cluster, groups, &group)) group = groups++;
        values[n] = d->kl;
        weights[n] = 1;
        clusters[n++] = (uint32_t)group;
    }
    as_column column = {values, weights, clusters, n, (size_t)groups};
    out->kl_cases = g->kl_count;
    if (n) {
        as_mean mean = as_interval_mean(&scratch, &column);
        out->kl_mean = mean.value;
        out->kl_ci = as_interval_t(&mean, 0.05);
        if (out->kl_ci.lo < 0) out->kl_ci.lo = 0;
    }
    as_map_free(&names);
    as_arena_free(&scratch);
}

as_agreement as_agreeing_result(as_agreeing *g, as_arena *arena) {
    as_agreement out = {.cases = g->cases,
                        .same = g->same,
                        .same_ci = as_interval_wilson((double)g->same, (double)g->cases, Z95),
                        .kl_mean = NAN,
                        .kl_ci = AS_INTERVAL_NONE,
                        .kl_max = NAN};
    mean_kl(g, arena, &out);
    return out;
}
