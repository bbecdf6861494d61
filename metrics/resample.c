// SPDX-License-Identifier: Apache-2.0
#include "metrics/resample.h"

#include <math.h>
#include <string.h>

#include "harness/base/rng.h"

// Columns of a matrix are STEP places that lie together; sums of TOGETHER replicates stay in
// registers while one is read.
enum { STEP = 8, PAIRS = STEP / 2, TOGETHER = 2 };

size_t as_resample_at(const as_units *units, size_t unit, size_t at) {
    return (at / STEP * units->count + unit) * STEP + at % STEP;
}

double *as_resample_dense(as_arena *arena, const as_units *units) {
    size_t columns = (units->width + STEP - 1) / STEP;
    return AS_NEW_ARRAY(arena, double, as_size_mul(as_size_mul(units->count, columns), STEP) + 1);
}

// Also where `times` is 0: a branch that nobody can predict costs more than adding nothing.
static void add_unit(const as_units *units, size_t unit, double times, double *tally) {
    if (units->dense) {
        for (size_t at = 0; at < units->width; at++)
            tally[at] += times * units->dense[as_resample_at(units, unit, at)];
        return;
    }
    for (size_t i = units->starts[unit]; i < units->starts[unit + 1]; i++)
        tally[units->items[i].at] += times * units->items[i].value;
}

void as_resample_tally(const as_units *units, double *tally) {
    memset(tally, 0, units->width * sizeof *tally);
    for (size_t u = 0; u < units->count; u++) add_unit(units, u, 1, tally);
}

double as_resample_value(const as_functional *f, const as_units *units, const double *tally) {
    return f->metric->ops->value(f->metric, tally + f->at, units->label_count);
}

// How often each of `count` units is drawn in `count` draws. Two draws a number: the bias of
// count / 2^32 is far below what any number of replicates could see.
static void draw(as_rng *rng, uint32_t *times, size_t count) {
    memset(times, 0, count * sizeof *times);
    for (size_t i = 0; i < count; i += 2) {
        uint64_t bits = as_rng_u64(rng);
        times[((bits >> 32) * count) >> 32]++;
        if (i + 1 < count) times[((bits & UINT32_MAX) * count) >> 32]++;
    }
}

// Units that have most places of the tally, such as blocks of many cases, are a matrix (dense
// units). Its sums are those of sparse units, in the same order.
typedef double couple __attribute__((vector_size(16)));

typedef union step {
    double at[STEP];
    couple couples[PAIRS];
} step;

typedef struct matrix {
    const step *steps; // NULL: it would be mostly zeros
    size_t columns, count;
} matrix;

static matrix matrix_of(as_arena *arena, const as_units *units) {
    size_t columns = (units->width + STEP - 1) / STEP;
    const double *dense = units->dense;
    if (!dense) {
        if (units->starts[units->count] < units->count * units->width / 2) return (matrix){0};
        double *out = as_resample_dense(arena, units);
        for (size_t u = 0; u < units->count; u++)
            for (size_t i = units->starts[u]; i < units->starts[u + 1]; i++)
                out[as_resample_at(units, u, units->items[i].at)] += units->items[i].value;
        dense = out;
    }
    return (matrix){(const step *)(const void *)dense, columns, units->count};
}

static void sum_column(const step *column, size_t count, double (*times)[TOGETHER], step *first,
                       step *second) {
    couple a0 = {0}, a1 = {0}, a2 = {0}, a3 = {0}, b0 = {0}, b1 = {0}, b2 = {0}, b3 = {0};
    for (size_t u = 0; u < count; u++) {
        const couple *c = column[u].couples;
        double a = times[u][0], b = times[u][1];
        a0 += a * c[0], a1 += a * c[1], a2 += a * c[2], a3 += a * c[3];
        b0 += b * c[0], b1 += b * c[1], b2 += b * c[2], b3 += b * c[3];
    }
    *first = (step){.couples = {a0, a1, a2, a3}};
    *second = (step){.couples = {b0, b1, b2, b3}};
}

// tallies: [TOGETHER][columns]
static void sum_matrix(const matrix *m, double (*times)[TOGETHER], step *tallies) {
    for (size_t c = 0; c < m->columns; c++)
        sum_column(m->steps + c * m->count, m->count, times, &tallies[c], &tallies[m->columns + c]);
}

static void resample_matrix(const matrix *m, const as_units *units,
                            const as_functional *functionals, size_t count, size_t replicates,
                            double *out) {
    as_arena arena = {0};
    step *tallies = AS_NEW_ARRAY(&arena, step, TOGETHER * m->columns + 1);
    uint32_t *drawn = AS_NEW_ARRAY(&arena, uint32_t, m->count + 1);
    double(*times)[TOGETHER] = as_arena_take(&arena, as_size_mul(m->count, sizeof *times));
    as_rng rng = as_rng_of(AS_RESAMPLE_SEED, AS_RESAMPLE_BOOTSTRAP);
    for (size_t r = 0; r < replicates; r++) {
        if (r % TOGETHER == 0) {
            for (size_t k = 0; k < TOGETHER; k++) {
                draw(&rng, drawn, m->count);
                for (size_t u = 0; u < m->count; u++) times[u][k] = drawn[u];
            }
            sum_matrix(m, times, tallies);
        }
        const double *tally = tallies[r % TOGETHER * m->columns].at;
        for (size_t f = 0; f < count; f++)
            out[f * replicates + r] = as_resample_value(&functionals[f], units, tally);
    }
    as_arena_free(&arena);
}

void as_resample_bootstrap(const as_units *units, const as_functional *functionals, size_t count,
                           size_t replicates, double *out) {
    as_arena arena = {0};
    matrix m = matrix_of(&arena, units);
    if (m.steps) {
        resample_matrix(&m, units, functionals, count, replicates, out);
        as_arena_free(&arena);
        return;
    }
    double *tally = AS_NEW_ARRAY(&arena, double, units->width + 1);
    uint32_t *times = AS_NEW_ARRAY(&arena, uint32_t, units->count + 1);
    as_rng rng = as_rng_of(AS_RESAMPLE_SEED, AS_RESAMPLE_BOOTSTRAP);
    for (size_t r = 0; r < replicates; r++) {
        draw(&rng, times, units->count);
        memset(tally, 0, units->width * sizeof *tally);
        for (size_t u = 0; u < units->count; u++) add_unit(units, u, times[u], tally);
        for (size_t f = 0; f < count; f++)
            out[f * replicates + r] = as_resample_value(&functionals[f], units, tally);
    }
    as_arena_free(&arena);
}

// Makes what the unit touches what it was.
static void restore(const as_units *units, size_t unit, const double *all, double *tally) {
    if (units->dense) {
        memcpy(tally, all, units->width * sizeof *tally);
        return;
    }
    for (size_t i = units->starts[unit]; i < units->starts[unit + 1]; i++)
        tally[units->items[i].at] = all[units->items[i].at];
}

void as_resample_jackknife(const as_units *units, const as_functional *functionals, size_t count,
                           double *out) {
    as_arena arena = {0};
    double *all = AS_NEW_ARRAY(&arena, double, units->width + 1);
    double *tally = AS_NEW_ARRAY(&arena, double, units->width + 1);
    as_resample_tally(units, all);
    memcpy(tally, all, units->width * sizeof *tally);
    for (size_t u = 0; u < units->count; u++) {
        add_unit(units, u, -1, tally);
        for (size_t f = 0; f < count; f++)
            out[f * units->count + u] = as_resample_value(&functionals[f], units, tally);
        restore(units, u, all, tally);
    }
    as_arena_free(&arena);
}

// b minus a, for the units where they differ: most cases get the same answer from both runs.
static as_units differences(as_arena *arena, const as_units *a, const as_units *b) {
    as_stat *items = AS_NEW_ARRAY(arena, as_stat, a->starts[a->count] + b->starts[b->count] + 1);
    size_t *starts = AS_NEW_ARRAY(arena, size_t, a->count + 1), n = 0;
    double *delta = AS_NEW_ARRAY(arena, double, a->width + 1);
    for (size_t u = 0; u < a->count; u++) {
        starts[u] = n;
        add_unit(b, u, 1, delta);
        add_unit(a, u, -1, delta);
        const as_units *sides[2] = {a, b};
        for (int side = 0; side < 2; side++)
            for (size_t i = sides[side]->starts[u]; i < sides[side]->starts[u + 1]; i++) {
                uint32_t at = sides[side]->items[i].at;
                if (delta[at] != 0) items[n++] = (as_stat){at, delta[at]};
                delta[at] = 0; // also leaves the row clean for the next unit
            }
    }
    starts[a->count] = n;
    return (as_units){.items = items,
                      .starts = starts,
                      .count = a->count,
                      .width = a->width,
                      .label_count = a->label_count};
}

size_t as_resample_changed(const as_units *a, const as_units *b) {
    as_arena arena = {0};
    as_units change = differences(&arena, a, b);
    size_t count = 0;
    for (size_t u = 0; u < change.count; u++) count += change.starts[u] != change.starts[u + 1];
    as_arena_free(&arena);
    return count;
}

static double difference(const as_functional *f, const as_units *units, const double *a,
                         const double *b) {
    return as_resample_value(f, units, b) - as_resample_value(f, units, a);
}

void as_resample_paired(const as_units *a, const as_units *b, const as_functional *functionals,
                        size_t count, size_t replicates, double *out) {
    as_arena arena = {0};
    as_units change = differences(&arena, a, b);
    double *left = AS_NEW_ARRAY(&arena, double, a->width + 1);
    double *right = AS_NEW_ARRAY(&arena, double, a->width + 1);
    uint32_t *times = AS_NEW_ARRAY(&arena, uint32_t, a->count + 1);
    uint32_t *changed = AS_NEW_ARRAY(&arena, uint32_t, a->count + 1);
    size_t changed_count = 0;
    for (size_t u = 0; u < a->count; u++)
        if (change.starts[u] != change.starts[u + 1]) changed[changed_count++] = (uint32_t)u;
    as_rng rng = as_rng_of(AS_RESAMPLE_SEED, AS_RESAMPLE_PAIRED);
    for (size_t r = 0; r < replicates; r++) {
        draw(&rng, times, a->count);
        memset(left, 0, a->width * sizeof *left);
        for (size_t u = 0; u < a->count; u++) add_unit(a, u, times[u], left);
        memcpy(right, left, a->width * sizeof *right);
        for (size_t i = 0; i < changed_count; i++)
            add_unit(&change, changed[i], times[changed[i]], right);
        for (size_t f = 0; f < count; f++)
            out[f * replicates + r] = difference(&functionals[f], a, left, right);
    }
    as_arena_free(&arena);
}

void as_resample_swaps(const as_units *a, const as_units *b, const as_functional *functionals,
                       size_t count, size_t replicates, double *out) {
    as_arena arena = {0};
    as_units change = differences(&arena, a, b);
    double *left_all = AS_NEW_ARRAY(&arena, double, a->width + 1);
    double *right_all = AS_NEW_ARRAY(&arena, double, a->width + 1);
    double *left = AS_NEW_ARRAY(&arena, double, a->width + 1);
    double *right = AS_NEW_ARRAY(&arena, double, a->width + 1);
    as_resample_tally(a, left_all);
    as_resample_tally(b, right_all);
    as_rng rng = as_rng_of(AS_RESAMPLE_SEED, AS_RESAMPLE_SWAPS);
    for (size_t r = 0; r < replicates; r++) {
        memcpy(left, left_all, a->width * sizeof *left);
        memcpy(right, right_all, a->width * sizeof *right);
        uint64_t bits = 0;
        unsigned left_bits = 0;
        for (size_t u = 0; u < a->count; u++) {
            if (change.starts[u] == change.starts[u + 1]) continue;
            if (!left_bits) bits = as_rng_u64(&rng), left_bits = 64;
            if (bits & 1) {
                add_unit(&change, u, 1, left);
                add_unit(&change, u, -1, right);
            }
            bits >>= 1;
            left_bits--;
        }
        for (size_t f = 0; f < count; f++)
            out[f * replicates + r] = difference(&functionals[f], a, left, right);
    }
    as_arena_free(&arena);
}
