// SPDX-License-Identifier: Apache-2.0
#include "metrics/kept/bands.h"

#include <math.h>
#include <string.h>

#include "harness/base/arena.h"
#include "harness/base/rng.h"
#include "metrics/kept/sorted.h"

enum { VALUES_MAX = UINT16_MAX - 2 };

#define WIDTH 10.0 // of a band to either side, standard deviations
#define WIDER 64.0 // and places: for the largest, which has no deviation to speak of

// The values near a quantile, ascending, each once. A code is 0 for what is below, a place from 1
// on, or behind the last for what is above.
typedef struct band {
    double *values; // [count]
    size_t count;
} band;

static double rank_of(size_t count, double q) {
    return fmax(1, ceil(q * (double)count - 1e-9));
}

// Around place `middle` of sorted values. False: too many.
static bool make_band(as_arena *arena, const as_sorted *sorted, double middle, double spread,
                      band *out) {
    double reach = WIDTH * spread + WIDER, last = (double)(sorted->count - 1);
    size_t from = (size_t)fmin(fmax(middle - reach, 0), last);
    size_t to = (size_t)fmin(fmax(middle + reach, 0), last);
    *out = (band){.values = AS_NEW_ARRAY(arena, double, VALUES_MAX)};
    for (size_t i = from; i <= to; i++) {
        double value = as_sorted_at(sorted, i);
        if (out->count && !(value > out->values[out->count - 1])) continue;
        if (out->count == VALUES_MAX) return false;
        out->values[out->count++] = value;
    }
    return true;
}

static uint16_t code_of(const band *b, double value) {
    if (value < b->values[0]) return 0;
    if (value > b->values[b->count - 1]) return (uint16_t)(b->count + 1);
    size_t lo = 0, hi = b->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (b->values[mid] < value)
            lo = mid + 1;
        else
            hi = mid;
    }
    return (uint16_t)(lo + 1);
}

// The value at a rank among counted codes; false where it lies outside the band.
static bool value_at(const band *b, const uint32_t *counts, double rank, double *out) {
    double met = counts[0];
    if (met >= rank) return false;
    for (size_t i = 0; i < b->count; i++) {
        met += counts[i + 1];
        if (met < rank) continue;
        *out = b->values[i];
        return true;
    }
    return false;
}

// What is kept of a case.
typedef struct codes {
    uint16_t a, b;
} codes;

typedef struct bands {
    as_arena arena;
    band a, b; // the same one where sides are swapped
    codes *of; // [count]
    uint32_t *counts[2];
    size_t count;
    double rank;
} bands;

static void sort_into(as_sorted *out, const as_column *column) {
    as_column_reader reader = as_column_read(column);
    as_column_case at;
    while (as_column_next(&reader, &at)) as_sorted_add(out, at.value);
}

static void begin(bands *s, const as_quantile_pairs *pairs, double q) {
    *s = (bands){.count = pairs->a->count, .rank = rank_of(pairs->a->count, q)};
    s->of = AS_NEW_ARRAY(&s->arena, codes, s->count);
    for (int side = 0; side < 2; side++)
        s->counts[side] = AS_NEW_ARRAY(&s->arena, uint32_t, VALUES_MAX + 2);
}

static void encode(bands *s, const as_quantile_pairs *pairs) {
    as_column_reader a = as_column_read(pairs->a), b = as_column_read(pairs->b);
    as_column_case left, right;
    for (size_t i = 0; as_column_next(&a, &left) && as_column_next(&b, &right); i++)
        s->of[i] = (codes){code_of(&s->a, left.value), code_of(&s->b, right.value)};
    as_column_done(&b);
}

static void clear(bands *s) {
    memset(s->counts[0], 0, (s->a.count + 2) * sizeof **s->counts);
    memset(s->counts[1], 0, (s->b.count + 2) * sizeof **s->counts);
}

static bool note(const bands *s, double *out) {
    double a, b;
    if (!value_at(&s->a, s->counts[0], s->rank, &a) || !value_at(&s->b, s->counts[1], s->rank, &b))
        return false;
    *out = b - a;
    return true;
}

// The draws of one replicate and its swaps follow one another: count of each.
static as_rng rng_of(const bands *s, size_t replicate, bool swaps) {
    as_rng rng = as_rng_of(AS_BANDS_SEED, AS_BANDS_STREAM);
    rng.index = (uint64_t)s->count * (2 * replicate + swaps);
    return rng;
}

static bool draw(const as_quantile_pairs *pairs, double q, size_t replicates, double *out) {
    bands s;
    begin(&s, pairs, q);
    double n = (double)s.count, spread = sqrt(n * q * (1 - q));
    bool ok = true;
    for (int side = 0; ok && side < 2; side++) {
        as_sorted sorted = {0};
        sort_into(&sorted, side ? pairs->b : pairs->a);
        as_sorted_seal(&sorted);
        ok = make_band(&s.arena, &sorted, s.rank - 1, spread, side ? &s.b : &s.a);
        as_sorted_free(&sorted);
    }
    if (ok) encode(&s, pairs);
    for (size_t r = 0; ok && r < replicates; r++) {
        as_rng rng = rng_of(&s, r, false);
        clear(&s);
        for (size_t i = 0; i < s.count; i++) {
            codes of = s.of[((as_rng_u64(&rng) >> 32) * s.count) >> 32];
            s.counts[0][of.a]++;
            s.counts[1][of.b]++;
        }
        ok = note(&s, &out[r]);
    }
    as_arena_free(&s.arena);
    return ok;
}

// Each side gets one of a case's two times: at a value of rank K on either side lie 2K of both,
// give or take the cases that have one time on each side of it.
static bool swap(const as_quantile_pairs *pairs, double q, size_t replicates, double *out) {
    bands s;
    begin(&s, pairs, q);
    double n = (double)s.count, spread = sqrt(2 * n * fmin(q, 1 - q));
    as_sorted sorted = {0};
    sort_into(&sorted, pairs->a);
    sort_into(&sorted, pairs->b);
    as_sorted_seal(&sorted);
    bool ok = make_band(&s.arena, &sorted, 2 * s.rank - 1, spread, &s.a);
    as_sorted_free(&sorted);
    s.b = s.a;
    if (ok) encode(&s, pairs);
    for (size_t r = 0; ok && r < replicates; r++) {
        as_rng rng = rng_of(&s, r, true);
        clear(&s);
        for (size_t i = 0; i < s.count; i++) {
            bool turned = as_rng_u64(&rng) >> 63;
            s.counts[turned][s.of[i].a]++;
            s.counts[!turned][s.of[i].b]++;
        }
        ok = note(&s, &out[r]);
    }
    as_arena_free(&s.arena);
    return ok;
}

bool as_bands_resample(const as_quantile_pairs *pairs, double q, size_t replicates, double *drawn,
                       double *swapped) {
    return draw(pairs, q, replicates, drawn) && swap(pairs, q, replicates, swapped);
}
