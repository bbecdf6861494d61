// SPDX-License-Identifier: Apache-2.0
#include "metrics/versus/agreeing.h"

#include <math.h>
#include <stdlib.h>

#include "harness/base/keyset.h"
#include "harness/base/sorter.h"
#include "metrics/interval.h"
#include "metrics/num.h"

#define Z95 1.95996398454005423552

// Samples are kept packed, in the order of ids: of a prediction its hash, of choices their texts.
struct as_agreeing {
    as_sorter *sides[2]; // base, other
    as_buf text;
};

// Behind it the log-probabilities, the choices' lengths, their texts, the id and the cluster.
typedef struct pack {
    uint64_t sample, prediction[2];
    uint32_t has_prediction, choice_count, id_len, cluster_len;
} pack;

static const double *logs_of(const pack *p) {
    return (const double *)(const void *)(p + 1);
}

static const uint64_t *lengths_of(const pack *p) {
    return (const uint64_t *)(const void *)(logs_of(p) + p->choice_count);
}

static const char *texts_of(const pack *p) {
    return (const char *)(lengths_of(p) + p->choice_count);
}

static as_str id_of(const pack *p) {
    const char *at = texts_of(p);
    for (uint32_t i = 0; i < p->choice_count; i++) at += lengths_of(p)[i];
    return (as_str){at, p->id_len};
}

static as_str cluster_of(const pack *p) {
    return (as_str){id_of(p).ptr + p->id_len, p->cluster_len};
}

static int order_packs(const void *a, const void *b) {
    const pack *x = a, *y = b;
    int way = as_str_cmp(id_of(x), id_of(y));
    return way ? way : (x->sample > y->sample) - (x->sample < y->sample);
}

as_agreeing *as_agreeing_new(void) {
    as_agreeing *g = as_mem_new(sizeof *g);
    for (int side = 0; side < 2; side++) g->sides[side] = as_sorter_new(order_packs);
    return g;
}

void as_agreeing_free(as_agreeing *g) {
    if (!g) return;
    for (int side = 0; side < 2; side++) as_sorter_free(g->sides[side]);
    as_buf_free(&g->text);
    free(g);
}

static void keep(as_agreeing *g, int side, const as_sample *sample) {
    static const uint64_t secret[2] = {0x61677265, 0x65696e67};
    if (as_outcome_is_error(sample->outcome)) return;
    bool choices = sample->choice_logprobs && sample->choices;
    size_t count = choices ? sample->choice_count : 0;
    pack p = {.sample = sample->sample,
              .has_prediction = sample->has_prediction,
              .choice_count = (uint32_t)count,
              .id_len = (uint32_t)sample->id.len,
              .cluster_len = (uint32_t)sample->cluster.len};
    if (p.has_prediction)
        as_keyset_hash(secret, sample->prediction.ptr, sample->prediction.len, p.prediction);
    as_buf *out = &g->text;
    as_buf_clear(out);
    as_buf_add(out, &p, sizeof p);
    if (count) as_buf_add(out, sample->choice_logprobs, count * sizeof *sample->choice_logprobs);
    for (size_t i = 0; i < count; i++) {
        uint64_t len = sample->choices[i].len;
        as_buf_add(out, &len, sizeof len);
    }
    for (size_t i = 0; i < count; i++) as_buf_str(out, sample->choices[i]);
    as_buf_str(out, sample->id);
    as_buf_str(out, sample->cluster);
    as_sorter_add(g->sides[side], out->ptr, out->len);
}

void as_agreeing_base(as_agreeing *g, const as_sample *sample) {
    keep(g, 0, sample);
}

void as_agreeing_add(as_agreeing *g, const as_sample *sample) {
    keep(g, 1, sample);
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

static as_str *choices_of(as_arena *arena, const pack *p) {
    as_str *out = AS_NEW_ARRAY(arena, as_str, p->choice_count + 1);
    const char *at = texts_of(p);
    for (uint32_t i = 0; i < p->choice_count; i++) {
        out[i] = (as_str){at, (size_t)lengths_of(p)[i]};
        at += out[i].len;
    }
    return out;
}

// The other run's scores in the order of the baseline's choices; NULL when they are others.
static const double *in_order(as_arena *arena, const pack *base, const pack *other) {
    if (!base->choice_count || base->choice_count != other->choice_count) return NULL;
    const as_str *mine = choices_of(arena, base), *theirs = choices_of(arena, other);
    size_t count = base->choice_count;
    double *out = AS_NEW_ARRAY(arena, double, count + 1);
    for (size_t i = 0; i < count; i++) {
        size_t at = i; // mostly the same order
        if (!as_str_eq(mine[i], theirs[at]))
            for (at = 0; at < count; at++)
                if (as_str_eq(mine[i], theirs[at])) break;
        if (at == count) return NULL;
        out[i] = logs_of(other)[at];
    }
    return out;
}

// Divergences as they are found.
typedef struct found {
    as_column kl; // finite ones
    as_keyset clusters;
    uint64_t groups, cases;
    double most;
    as_buf worst; // id
} found;

static void add_kl(found *f, as_arena *scratch, const pack *base, const pack *other) {
    const double *logs = in_order(scratch, base, other);
    double kl = logs ? as_agreeing_kl(logs_of(base), logs, base->choice_count) : NAN;
    if (isnan(kl)) return;
    if (!f->cases++ || kl > f->most) {
        f->most = kl;
        as_buf_clear(&f->worst);
        as_buf_str(&f->worst, id_of(base));
    }
    if (!isfinite(kl)) return;
    as_str cluster = cluster_of(other);
    uint64_t group = f->groups;
    if (!cluster.len || as_keyset_add(&f->clusters, cluster, 0, f->groups, &group))
        group = f->groups++;
    as_column_add(&f->kl, kl, 1, (uint32_t)group);
}

static void sum_up(const found *f, as_arena *arena, as_agreement *out) {
    out->kl_cases = f->cases;
    out->kl_max = f->cases ? f->most : NAN;
    out->kl_worst = as_str_copy(arena, as_buf_view(&f->worst));
    if (!f->kl.count) return;
    as_mean mean = as_interval_mean(&f->kl, NULL);
    out->kl_mean = mean.value;
    out->kl_ci = as_interval_t(&mean, 0.05);
    if (out->kl_ci.lo < 0) out->kl_ci.lo = 0;
}

static bool same_answer(const pack *a, const pack *b) {
    if (!a->has_prediction || !b->has_prediction) return a->has_prediction == b->has_prediction;
    return a->prediction[0] == b->prediction[0] && a->prediction[1] == b->prediction[1];
}

static void meet(as_agreeing *g, found *f, as_agreement *out) {
    as_arena scratch = {0};
    as_sorter_reader a = as_sorter_read(g->sides[0]), b = as_sorter_read(g->sides[1]);
    const pack *left = as_sorter_next(&a), *right = as_sorter_next(&b);
    while (left && right) {
        int way = order_packs(left, right);
        if (way == 0) {
            out->cases++;
            out->same += same_answer(left, right);
            add_kl(f, &scratch, left, right);
            as_arena_reset(&scratch);
        }
        if (way <= 0) left = as_sorter_next(&a);
        if (way >= 0) right = as_sorter_next(&b);
    }
    as_sorter_done(&a);
    as_sorter_done(&b);
    as_arena_free(&scratch);
}

as_agreement as_agreeing_result(as_agreeing *g, as_arena *arena) {
    as_agreement out = {.kl_mean = NAN, .kl_ci = AS_INTERVAL_NONE, .kl_max = NAN};
    found f = {0};
    for (int side = 0; side < 2; side++) as_sorter_sort(g->sides[side]);
    meet(g, &f, &out);
    out.same_ci = as_interval_wilson((double)out.same, (double)out.cases, Z95);
    sum_up(&f, arena, &out);
    as_column_free(&f.kl);
    as_keyset_free(&f.clusters);
    as_buf_free(&f.worst);
    return out;
}
