// SPDX-License-Identifier: Apache-2.0
// test_cuda_attention.c - the GPU's kernels that put keys and values into the cache and look at
// them, under the emulator, against the portable table, bit for bit: every type of cache.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/kernels/cuda_launch.h"

enum { SLOTS = 400, VIEWS = 3, HEAD_MAX = 640 };

typedef struct setting {
    size_t rows, heads, kv_heads, width, pairs;
    bool halves, normed, biased, plain;
    bool both; // rows see all of their text
    as_kv kv;
    uint32_t window;
    float cap;
} setting;

typedef struct cache {
    void *keys, *values; // [kv_heads][SLOTS][width]
    uint32_t *slots;     // [VIEWS][SLOTS]
    as_cuda_row *rows;
    as_cuda_span *spans;
    size_t span_count;
} cache;

static const char *const kv_names[] = {"f32", "f16", "q8_0"};

static size_t blocks_of(const setting *s) {
    return (s->width + 31) / 32;
}

// Bytes of the keys or the values of a layer.
static size_t cache_size(const setting *s) {
    size_t n = s->kv_heads * SLOTS * s->width;
    if (s->kv == AS_KV_Q8_0) return n + s->kv_heads * SLOTS * blocks_of(s) * 2;
    return n * (s->kv == AS_KV_F16 ? 2 : 4);
}

static uint16_t *scales_of(const setting *s, const void *from) {
    return (uint16_t *)((int8_t *)from + s->kv_heads * SLOTS * s->width);
}

// Value i of a head's slot, which is counted over all heads.
static float cached(const setting *s, const void *from, size_t slot, size_t i) {
    size_t at = slot * s->width + i;
    if (s->kv == AS_KV_F32) return ((const float *)from)[at];
    if (s->kv == AS_KV_F16) return as_half_to_float(((const uint16_t *)from)[at]);
    return as_half_to_float(scales_of(s, from)[slot * blocks_of(s) + i / 32]) *
           (float)((const int8_t *)from)[at];
}

// All of a slot, as kv.h has it.
static void put(const setting *s, void *to, size_t slot, const float *x) {
    for (size_t i = 0; i < s->width; i++) {
        if (s->kv == AS_KV_F32) ((float *)to)[slot * s->width + i] = x[i];
        if (s->kv == AS_KV_F16) ((uint16_t *)to)[slot * s->width + i] = as_float_to_half(x[i]);
    }
    for (size_t b = 0; s->kv == AS_KV_Q8_0 && b < blocks_of(s); b++) {
        float block[32] = {0};
        unsigned char out[34];
        size_t n = s->width - b * 32 < 32 ? s->width - b * 32 : 32;
        memcpy(block, x + b * 32, n * sizeof *x);
        assert_true(as_wtype_encode(AS_W_Q8_0, block, 32, out));
        memcpy((int8_t *)to + slot * s->width + b * 32, out + 2, n);
        memcpy(&scales_of(s, to)[slot * blocks_of(s) + b], out, 2);
    }
}

// Views whose positions lie anywhere; rows in runs of one view.
static cache cache_new(const setting *s) {
    size_t size = cache_size(s), group = s->heads / s->kv_heads;
    size_t most = AS_CUDA_QUERIES / (group < AS_CUDA_QUERIES ? group : AS_CUDA_QUERIES);
    cache c = {.keys = take(size), .values = take(size)};
    c.slots = take(VIEWS * SLOTS * sizeof *c.slots);
    c.rows = take(s->rows * sizeof *c.rows);
    c.spans = take(s->rows * sizeof *c.spans);
    for (size_t i = 0; i < s->kv_heads * SLOTS; i++) {
        float key[HEAD_MAX], value[HEAD_MAX];
        fill(key, s->width, 0);
        fill(value, s->width, 4);
        put(s, c.keys, i, key);
        put(s, c.values, i, value);
    }
    for (size_t v = 0; v < VIEWS; v++) {
        uint32_t *slots = c.slots + v * SLOTS;
        for (uint32_t i = 0; i < SLOTS; i++) slots[i] = i;
        for (size_t i = SLOTS; i > 1; i--) {
            size_t other = random_below(i);
            uint32_t kept = slots[i - 1];
            slots[i - 1] = slots[other], slots[other] = kept;
        }
    }
    for (uint32_t i = 0, view = 0, position = 0; i < s->rows; i++, position++) {
        bool begins = i == 0 || random_below(5) == 0 || position == SLOTS - VIEWS;
        if (begins) view = (view + 1) % VIEWS, position = (uint32_t)random_below(SLOTS - VIEWS);
        c.rows[i] = (as_cuda_row){0, position, view * SLOTS, s->both ? SLOTS - view : position + 1};
        if (!begins && c.spans[c.span_count - 1].count < most)
            c.spans[c.span_count - 1].count++;
        else
            c.spans[c.span_count++] = (as_cuda_span){i, 1};
    }
    return c;
}

static void cache_free(cache *c) {
    give(c->keys), give(c->values), give(c->rows), give(c->spans), give(c->slots);
}

// One query's answer as the text of kernels.h and forward.c has it.
static void attend_host(const setting *s, const cache *c, const float *q, size_t m, size_t head,
                        float scale, float *mixed) {
    size_t end = c->rows[m].end, first = s->window && end > s->window ? end - s->window : 0;
    size_t kv = head / (s->heads / s->kv_heads);
    const uint32_t *slots = c->slots + c->rows[m].view;
    float scores[SLOTS];
    for (size_t p = first; p < end; p++) {
        float acc = 0.0f;
        for (size_t k = 0; k < s->width; k++)
            acc = fma1(cached(s, c->keys, kv * SLOTS + slots[p], k), q[k] * scale, acc);
        scores[p] = acc;
    }
    if (s->cap > 0.0f) portable->softcap(scores + first, s->cap, end - first);
    portable->softmax(scores + first, end - first);
    for (size_t i = 0; i < s->width; i++) {
        float acc = 0.0f;
        for (size_t p = first; p < end; p++)
            acc = fma1(cached(s, c->values, kv * SLOTS + slots[p], i), scores[p], acc);
        mixed[i] = acc + 0.0f;
    }
}

static void check_attention(const setting *s) {
    cache c = cache_new(s);
    size_t n = s->rows * s->heads * s->width, group = s->heads / s->kv_heads;
    float *q = floats(n, 4), *mixed = floats(n, -1), *want = floats(s->width, -1);
    as_cuda_attention args = {.q = q,
                              .scores = floats(s->rows * s->heads * SLOTS, -1),
                              .mixed = mixed,
                              .rows = c.rows,
                              .spans = c.spans,
                              .slots = c.slots,
                              .keys = c.keys,
                              .values = c.values,
                              .slot_count = SLOTS,
                              .stride = SLOTS,
                              .heads = (uint32_t)s->heads,
                              .kv_heads = (uint32_t)s->kv_heads,
                              .width = (uint32_t)s->width,
                              .kv = s->kv,
                              .window = s->window,
                              .scale = 0.3f,
                              .cap = s->cap};
    uint32_t parts = (uint32_t)((group + AS_CUDA_QUERIES - 1) / AS_CUDA_QUERIES * s->kv_heads),
             spans = (uint32_t)c.span_count;
    as_emulator_set_order(random_below(4));
    launch(AS_CUDA_K_scores, (SLOTS + 31) / 32, parts, spans, &args);
    launch(AS_CUDA_K_weigh, (uint32_t)(s->rows * s->heads), 1, 1, &args);
    launch(AS_CUDA_K_mix, (uint32_t)(s->width + 31) / 32, parts, spans, &args);
    for (size_t m = 0; m < s->rows; m++)
        for (size_t head = 0; head < s->heads; head++) {
            size_t at = (m * s->heads + head) * s->width;
            attend_host(s, &c, q + at, m, head, 0.3f, want);
            check_same(mixed + at, want, s->width, "attention", kv_names[s->kv]);
        }
    cache_free(&c);
    give(q), give(mixed), give(want), give(args.scores);
}

static void attention_is_that_of_the_cpu(void **state) {
    (void)state;
    static const size_t groups[] = {1, 2, 3, 4, 7, 16, 17, 33};
    for (int i = 0; i < 24; i++) {
        setting s = {.rows = 1 + random_below(9), .kv_heads = 1 + random_below(3)};
        s.kv = (as_kv)(i % 3);
        s.both = i % 5 == 4;
        s.heads = s.kv_heads * groups[i % 8];
        s.width = 2 * (1 + random_below(i % 5 ? 40 : 90));
        s.window = i % 3 ? 0 : 1 + (uint32_t)random_below(100);
        s.cap = i % 4 ? 0.0f : 50.0f;
        check_attention(&s);
    }
}

static void place_host(const setting *s, float *head, const float *norm, const float *cosines,
                       const float *sines) {
    if (norm) portable->rms_norm(head, head, norm, s->width, 1e-6f);
    (s->halves ? portable->rope_halves : portable->rope_pairs)(head, cosines, sines, 2 * s->pairs);
}

static float within(const setting *s, float x) {
    const float limits[] = {0x1.fffffep127f, 65504.0f, 65504.0f * 127.0f};
    float most = limits[s->kv];
    return x > most ? most : x >= -most ? x : -most;
}

static void check_place(const setting *s, int mode) {
    cache c = cache_new(s);
    size_t q = s->heads * s->width, kv = s->kv_heads * s->width, size = cache_size(s);
    float *x[3] = {floats(s->rows * q, mode), floats(s->rows * kv, mode),
                   floats(s->rows * kv, mode)};
    float *bias[3] = {floats(q, mode), floats(kv, mode), floats(kv, mode)};
    float *norm[2] = {floats(s->width, 4), floats(s->width, 4)};
    float *cosines = floats(s->rows * s->pairs, 0), *sines = floats(s->rows * s->pairs, 0);
    float *want[3] = {copy_of(x[0], s->rows * q), copy_of(x[1], s->rows * kv),
                      copy_of(x[2], s->rows * kv)};
    if (mode == 0) x[2][1] = want[2][1] = NAN, x[2][0] = want[2][0] = HUGE_VALF;
    unsigned char *keys = take(size), *values = take(size);
    memcpy(keys, c.keys, size);
    memcpy(values, c.values, size);
    as_cuda_place args = {.q = x[0],
                          .k = x[1],
                          .v = x[2],
                          .cosines = cosines,
                          .sines = sines,
                          .rows = c.rows,
                          .slots = c.slots,
                          .keys = keys,
                          .values = values,
                          .slot_count = SLOTS,
                          .heads = (uint32_t)s->heads,
                          .kv_heads = (uint32_t)s->kv_heads,
                          .width = (uint32_t)s->width,
                          .pairs = (uint32_t)s->pairs,
                          .halves = s->halves,
                          .kv = s->kv,
                          .plain = s->plain,
                          .eps = 1e-6f};
    if (s->normed) args.q_norm = norm[0], args.k_norm = norm[1];
    if (s->biased) args.q_bias = bias[0], args.k_bias = bias[1], args.v_bias = bias[2];
    launch(AS_CUDA_K_place, (uint32_t)s->rows, 1, 1, &args);
    for (size_t m = 0; m < s->rows; m++) {
        const float *cos = cosines + m * s->pairs, *sin = sines + m * s->pairs;
        for (size_t i = 0; s->biased && i < 3; i++)
            portable->add(want[i] + m * (i ? kv : q), bias[i], i ? kv : q);
        for (size_t i = 0; i < s->heads; i++)
            place_host(s, want[0] + m * q + i * s->width, args.q_norm, cos, sin);
        for (size_t i = 0; i < s->kv_heads; i++) {
            float *head = want[1] + m * kv + i * s->width, *value = want[2] + m * kv + i * s->width;
            place_host(s, head, args.k_norm, cos, sin);
            size_t slot = c.slots[c.rows[m].view + c.rows[m].position];
            for (size_t j = 0; j < s->width; j++) {
                if (!s->plain) value[j] = within(s, value[j]);
                if (s->kv == AS_KV_Q8_0) head[j] = within(s, head[j]);
            }
            put(s, c.keys, i * SLOTS + slot, head);
            put(s, c.values, i * SLOTS + slot, value);
        }
    }
    check_same(x[0], want[0], s->rows * q, "place", "queries");
    for (size_t slot = 0; slot < s->kv_heads * SLOTS; slot++)
        for (size_t i = 0; i < s->width; i++) {
            float got[2] = {cached(s, keys, slot, i), cached(s, values, slot, i)};
            float expected[2] = {cached(s, c.keys, slot, i), cached(s, c.values, slot, i)};
            check_same(got, expected, 2, "place", kv_names[s->kv]);
        }
    if (s->kv == AS_KV_Q8_0) { // codes of zeros too
        assert_memory_equal(keys, c.keys, size);
        assert_memory_equal(values, c.values, size);
    }
    for (size_t i = 0; i < 3; i++) give(x[i]), give(bias[i]), give(want[i]);
    give(norm[0]), give(norm[1]), give(cosines), give(sines), give(keys), give(values);
    cache_free(&c);
}

static void heads_are_placed_as_on_the_cpu(void **state) {
    (void)state;
    for (int i = 0; i < 32; i++) {
        setting s = {.rows = 1, .kv_heads = 1 + random_below(3)};
        s.heads = s.kv_heads * (1 + random_below(4));
        s.width = 2 * (1 + random_below(i % 5 ? 40 : 300));
        s.pairs = i % 3 ? s.width / 2 : 1 + random_below(s.width / 2);
        s.halves = i & 1, s.normed = i & 2, s.biased = i & 4, s.kv = (as_kv)(i / 8 % 3);
        s.plain = i >= 24 && s.kv == AS_KV_F32;
        check_place(&s, i % 8 ? 4 : i / 8 % 2);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(attention_is_that_of_the_cpu, seed),
        cmocka_unit_test_setup(heads_are_placed_as_on_the_cpu, seed),
    };
    portable = as_kernels_select("portable");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
