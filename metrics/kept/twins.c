// SPDX-License-Identifier: Apache-2.0
#include "metrics/kept/twins.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"

enum { KINDS_MAX = UINT16_MAX };

#define WHOLE_MAX 16777216.0 // 2^24 of 2^28 units: sums stay below 2^53

// Units with the same statistics on both sides.
typedef struct kind {
    const as_stat *a, *b, *change; // change: b minus a
    size_t a_count, b_count, change_count;
} kind;

typedef struct kinds {
    as_arena arena;
    as_map by_text; // of all its statistics
    kind *items;
    size_t count, capacity, width, label_count;
    uint16_t *of_units; // [unit_count]
    size_t unit_count, changed;
    double *delta; // [width] zeros between uses
} kinds;

static bool whole(const as_stat *stats, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (stats[i].value != floor(stats[i].value) || !(fabs(stats[i].value) <= WHOLE_MAX))
            return false;
    return true;
}

static void add_text(as_buf *text, const as_stat *stats, size_t count) {
    for (size_t i = 0; i < count; i++) {
        as_buf_add(text, &stats[i].at, sizeof stats[i].at);
        as_buf_add(text, &stats[i].value, sizeof stats[i].value);
    }
    as_buf_add(text, &count, sizeof count);
}

static const as_stat *copy(as_arena *arena, const as_stat *stats, size_t count) {
    as_stat *out = AS_NEW_ARRAY(arena, as_stat, count + 1);
    if (count) memcpy(out, stats, count * sizeof *out);
    return out;
}

static void find_change(kinds *k, kind *of) {
    as_stat *out = AS_NEW_ARRAY(&k->arena, as_stat, of->a_count + of->b_count + 1);
    const as_stat *const sides[] = {of->a, of->b};
    const size_t counts[] = {of->a_count, of->b_count};
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < counts[side]; i++)
            k->delta[sides[side][i].at] += side ? sides[side][i].value : -sides[side][i].value;
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < counts[side]; i++) {
            uint32_t at = sides[side][i].at;
            if (k->delta[at] != 0) out[of->change_count++] = (as_stat){at, k->delta[at]};
            k->delta[at] = 0;
        }
    of->change = out;
}

static bool add_kind(kinds *k, as_str text, kind of) {
    if (k->count == KINDS_MAX) return false;
    if (k->count == k->capacity) {
        k->capacity = k->capacity ? 2 * k->capacity : 64;
        k->items = as_mem_grow(k->items, as_size_mul(k->capacity, sizeof *k->items));
    }
    of.a = copy(&k->arena, of.a, of.a_count);
    of.b = copy(&k->arena, of.b, of.b_count);
    find_change(k, &of);
    as_map_add(&k->by_text, as_str_copy(&k->arena, text), k->count, NULL);
    k->items[k->count++] = of;
    return true;
}

static bool take_unit(kinds *k, as_buf *text, const kind *of) {
    uint64_t number = k->count;
    if (!whole(of->a, of->a_count) || !whole(of->b, of->b_count)) return false;
    as_buf_clear(text);
    add_text(text, of->a, of->a_count);
    add_text(text, of->b, of->b_count);
    bool known = as_map_get(&k->by_text, as_buf_view(text), &number);
    if (!known && !add_kind(k, as_buf_view(text), *of)) return false;
    k->of_units[k->unit_count++] = (uint16_t)number;
    k->changed += k->items[number].change_count > 0;
    return true;
}

// False: some statistic is no whole number, or the units are of too many kinds.
static bool find_kinds(const as_unit_list *a, const as_unit_list *b, kinds *k) {
    as_spill_reader a_reader = {.spill = &a->items}, b_reader = {.spill = &b->items};
    as_buf text = {0};
    bool ok = true;
    k->width = a->width;
    k->label_count = a->label_count;
    k->of_units = AS_NEW_ARRAY(&k->arena, uint16_t, a->count + 1);
    k->delta = AS_NEW_ARRAY(&k->arena, double, a->width + 1);
    kind of = {0};
    while (ok && as_tally_next(&a_reader, &of.a, &of.a_count) &&
           as_tally_next(&b_reader, &of.b, &of.b_count))
        ok = take_unit(k, &text, &of);
    as_spill_done(&a_reader);
    as_spill_done(&b_reader);
    as_buf_free(&text);
    return ok;
}

static void add(const as_stat *stats, size_t count, double times, double *tally) {
    for (size_t i = 0; i < count; i++) tally[stats[i].at] += times * stats[i].value;
}

static void note(const kinds *k, const as_functional *functionals, size_t count, const double *left,
                 const double *right, size_t replicates, double *out) {
    as_units shape = {.label_count = k->label_count};
    for (size_t f = 0; f < count; f++)
        out[f * replicates] = as_resample_value(&functionals[f], &shape, right) -
                              as_resample_value(&functionals[f], &shape, left);
}

// How often each kind is drawn; two counts of each, since the same kind often comes twice in a row.
static void draw(const kinds *k, as_rng *rng, uint32_t *even, uint32_t *odd) {
    size_t n = k->unit_count;
    const uint16_t *of = k->of_units;
    memset(even, 0, k->count * sizeof *even);
    memset(odd, 0, k->count * sizeof *odd);
    for (size_t i = 0; i < n; i += 2) {
        uint64_t bits = as_rng_u64(rng);
        even[of[((bits >> 32) * n) >> 32]]++;
        if (i + 1 < n) odd[of[((bits & UINT32_MAX) * n) >> 32]]++;
    }
}

static void resample(const kinds *k, const as_functional *functionals, size_t count,
                     size_t replicates, double *out) {
    as_arena arena = {0};
    double *left = AS_NEW_ARRAY(&arena, double, k->width + 1);
    double *right = AS_NEW_ARRAY(&arena, double, k->width + 1);
    uint32_t *even = AS_NEW_ARRAY(&arena, uint32_t, k->count + 1);
    uint32_t *odd = AS_NEW_ARRAY(&arena, uint32_t, k->count + 1);
    as_rng rng = as_rng_of(AS_RESAMPLE_SEED, AS_RESAMPLE_PAIRED);
    for (size_t r = 0; r < replicates; r++) {
        draw(k, &rng, even, odd);
        memset(left, 0, k->width * sizeof *left);
        memset(right, 0, k->width * sizeof *right);
        for (size_t i = 0; i < k->count; i++) {
            double times = (double)even[i] + (double)odd[i];
            add(k->items[i].a, k->items[i].a_count, times, left);
            add(k->items[i].b, k->items[i].b_count, times, right);
        }
        note(k, functionals, count, left, right, replicates, out + r);
    }
    as_arena_free(&arena);
}

// Which of the units that differ change sides: a bit each, in their order.
static void turn(const kinds *k, const uint16_t *changed, as_rng *rng, uint32_t *turned) {
    uint64_t bits = 0;
    memset(turned, 0, k->count * sizeof *turned);
    for (size_t i = 0; i < k->changed; i++, bits >>= 1) {
        if (i % 64 == 0) bits = as_rng_u64(rng);
        turned[changed[i]] += bits & 1;
    }
}

static void swap(const kinds *k, const as_functional *functionals, size_t count, size_t replicates,
                 double *out) {
    as_arena arena = {0};
    double *left_all = AS_NEW_ARRAY(&arena, double, k->width + 1);
    double *right_all = AS_NEW_ARRAY(&arena, double, k->width + 1);
    double *left = AS_NEW_ARRAY(&arena, double, k->width + 1);
    double *right = AS_NEW_ARRAY(&arena, double, k->width + 1);
    uint32_t *turned = AS_NEW_ARRAY(&arena, uint32_t, k->count + 1);
    uint16_t *changed = AS_NEW_ARRAY(&arena, uint16_t, k->changed + 1);
    size_t n = 0;
    for (size_t u = 0; u < k->unit_count; u++) {
        const kind *of = &k->items[k->of_units[u]];
        add(of->a, of->a_count, 1, left_all);
        add(of->b, of->b_count, 1, right_all);
        if (of->change_count) changed[n++] = k->of_units[u];
    }
    as_rng rng = as_rng_of(AS_RESAMPLE_SEED, AS_RESAMPLE_SWAPS);
    for (size_t r = 0; r < replicates; r++) {
        turn(k, changed, &rng, turned);
        memcpy(left, left_all, k->width * sizeof *left);
        memcpy(right, right_all, k->width * sizeof *right);
        for (size_t i = 0; i < k->count; i++) {
            add(k->items[i].change, k->items[i].change_count, turned[i], left);
            add(k->items[i].change, k->items[i].change_count, -(double)turned[i], right);
        }
        note(k, functionals, count, left, right, replicates, out + r);
    }
    as_arena_free(&arena);
}

static size_t in_memory(const as_unit_list *a, const as_unit_list *b,
                        const as_functional *functionals, size_t count, size_t replicates,
                        double *drawn, double *swapped) {
    as_arena arena = {0};
    as_units left = as_tally_load(&arena, a), right = as_tally_load(&arena, b);
    as_resample_paired(&left, &right, functionals, count, replicates, drawn);
    as_resample_swaps(&left, &right, functionals, count, replicates, swapped);
    size_t changed = as_resample_changed(&left, &right);
    as_arena_free(&arena);
    return changed;
}

size_t as_twins_resample(const as_unit_list *a, const as_unit_list *b,
                         const as_functional *functionals, size_t count, size_t replicates,
                         double *drawn, double *swapped) {
    bool few = as_spill_size(&a->items) + as_spill_size(&b->items) <= as_spill_room() / 4;
    kinds k = {0};
    size_t changed;
    if (!few && find_kinds(a, b, &k)) {
        resample(&k, functionals, count, replicates, drawn);
        swap(&k, functionals, count, replicates, swapped);
        changed = k.changed;
    } else {
        changed = in_memory(a, b, functionals, count, replicates, drawn, swapped);
    }
    as_map_free(&k.by_text);
    free(k.items);
    as_arena_free(&k.arena);
    return changed;
}
