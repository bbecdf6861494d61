// SPDX-License-Identifier: Apache-2.0
// test_cuda_rows.c - the GPU's kernels for rows, attention, experts and outputs under the emulator,
// against the portable table, bit for bit.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/kernels/cuda_launch.h"

static float *copy_of(const float *x, size_t n) {
    float *copy = floats(n, -1);
    memcpy(copy, x, n * sizeof *x);
    return copy;
}

// One rounding, as the portable table has it.
static float fma1(float a, float b, float c) {
    portable->axpy(&c, a, &b, 1);
    return c;
}

static void check_quantized(const as_cuda_qrows *got, size_t m, const float *x, size_t n) {
    as_qrows want = {.q = take(n), .d = take(n), .sums = take(n), .offsets = take(n), .cols = n};
    want.halves = take(n);
    portable->quantize_row(&want, 0, x);
    for (size_t k = 0; k < n; k++) {
        size_t block = m / 8 * (n / 32) + k / 32, lane = m % 8 * 4 + k % 16 / 4;
        assert_int_equal(got->q[(block * 32 + lane) * 8 + k % 32 / 16 * 4 + k % 4], want.q[k]);
        check_same(&got->d[block * 8 + m % 8], &want.d[k / 32], 1, "cuda", "d");
    }
    give(want.q), give(want.d), give(want.sums), give(want.offsets), give(want.halves);
}

static as_cuda_qrows quantized_new(size_t places, size_t n) {
    size_t blocks = (places + 7) / 8 * (n / 32 + 1);
    return (as_cuda_qrows){take(blocks * 256), take(blocks * 32), take(blocks * 32),
                           take(blocks * 64)};
}

static void quantized_free(as_cuda_qrows *q) {
    give(q->q), give(q->d), give(q->sums), give(q->halves);
}

// --- rows -----------------------------------------------------------------------------------

// bits of `with`: y, bias, post norm, scale, next norm, list.
static void check_finish(size_t n, unsigned with, int mode) {
    enum { ROWS = 3 };
    uint32_t *list = copied((uint32_t[ROWS]){2, 0, 1}, ROWS * 4);
    float *x = floats(ROWS * n, mode), *y = floats(ROWS * n, mode), *h = floats(ROWS * n, -1);
    float *bias = floats(n, mode), *post = floats(n, 4), *norm = floats(n, 4);
    float *want_x = copy_of(x, ROWS * n), *want_h = floats(ROWS * n, -1);
    as_cuda_finish args = {.y = with & 1 ? y : NULL,
                           .bias = with & 2 ? bias : NULL,
                           .post_norm = with & 4 ? post : NULL,
                           .scale = with & 8 ? 0.22f : 1.0f,
                           .x = x,
                           .norm = with & 16 ? norm : NULL,
                           .list = !(with & 1) && with & 32 ? list : NULL,
                           .h = h,
                           .eps = 1e-5f,
                           .n = (uint32_t)n,
                           .quantize = n % 32 == 0};
    args.quantized = quantized_new(ROWS, n);
    for (size_t m = 0; m < ROWS; m++) {
        float *row = want_x + m * n, *add = copy_of(y + m * n, n);
        if (args.bias) portable->add(add, bias, n);
        if (args.post_norm) portable->rms_norm(add, add, post, n, 1e-5f);
        for (size_t i = 0; with & 8 && i < n; i++) add[i] *= 0.22f;
        if (args.y) portable->add(row, add, n);
        give(add);
    }
    as_emulator_set_order(random_below(4));
    launch(AS_CUDA_K_finish, ROWS, 1, 1, &args);
    check_same(x, want_x, ROWS * n, "finish", "x");
    for (size_t m = 0; args.norm && m < ROWS; m++) {
        portable->rms_norm(want_h + m * n, want_x + (args.list ? list[m] : m) * n, norm, n, 1e-5f);
        check_same(h + m * n, want_h + m * n, n, "finish", "h");
        if (args.quantize) check_quantized(&args.quantized, m, want_h + m * n, n);
    }
    quantized_free(&args.quantized);
    give(x), give(y), give(h), give(bias), give(post), give(norm), give(want_x), give(want_h);
    give(list);
}

static void blocks_end_as_on_the_cpu(void **state) {
    (void)state;
    for (unsigned with = 0; with < 64; with++)
        check_finish(random_below(2) ? 1 + random_below(300) : 32 * (1 + random_below(12)), with,
                     (int)random_below(MODES));
    check_finish(2048 * 2 + 32, 31, 4);
    check_finish(5001, 31, 0);
}

static void embeddings_are_the_rows_of_the_matrix(void **state) {
    (void)state;
    for (as_wtype type = 0; type <= AS_W_MXFP4; type++) {
        for (int mode = 0; mode < MODES; mode++) {
            size_t block = as_wtype_block(type), cols = block * (1 + random_below(4));
            size_t rows = 1 + random_below(40), n = rows * cols;
            if (block == 1) cols += random_below(99), n = rows * cols;
            unsigned char *file = take(as_wtype_size(type, n));
            as_matrix w = {.type = type, .rows = rows, .cols = cols};
            w.values = take(as_matrix_values_size(type, rows, cols));
            w.scales = take(as_matrix_scales_size(type, rows, cols));
            fill_weights(type, file, n, mode);
            as_matrix_pack(&w, file);
            as_cuda_row *tokens = take(4 * sizeof *tokens);
            for (size_t i = 0; i < 4; i++)
                tokens[i] = (as_cuda_row){(uint32_t)random_below(rows), 0, 0, 0};
            float *x = floats(4 * cols, -1), *want = floats(cols, -1);
            as_cuda_embed args = {.values = w.values,
                                  .scales = w.scales,
                                  .type = type,
                                  .cols = (uint32_t)cols,
                                  .rows = tokens,
                                  .x = x,
                                  .scale = mode % 2 ? 1.0f : 27.7f};
            launch(AS_CUDA_K_embed, 4, 1, 1, &args);
            for (size_t i = 0; i < 4; i++) {
                as_matrix_row(&w, tokens[i].token, want);
                for (size_t k = 0; mode % 2 == 0 && k < cols; k++) want[k] *= 27.7f;
                check_same(x + i * cols, want, cols, "embed", type_names[type]);
            }
            give(file), give(w.values), give(w.scales), give(x), give(want), give(tokens);
        }
    }
}

static void angles_are_those_of_the_cpu(void **state) {
    (void)state;
    enum { ROWS = 50, PAIRS = 70 };
    double *rates = take(PAIRS * sizeof *rates);
    as_cuda_row *rows = take(ROWS * sizeof *rows);
    float *cosines = floats(ROWS * PAIRS, -1), *sines = floats(ROWS * PAIRS, -1);
    for (size_t i = 0; i < PAIRS; i++) rates[i] = fabs((double)random_unit()) * (i ? 1.0 : 8.0);
    for (size_t i = 0; i < ROWS; i++)
        rows[i] = (as_cuda_row){0, (uint32_t)random_below(i % 2 ? 99 : 1u << 24), 0, 0};
    as_cuda_angles args = {rows, rates, 1.19, PAIRS, cosines, sines};
    launch(AS_CUDA_K_angles, ROWS, 1, 1, &args);
    for (size_t m = 0; m < ROWS; m++)
        for (size_t i = 0; i < PAIRS; i++) {
            double sine, cosine;
            as_sincos_f64((double)rows[m].position * rates[i], &sine, &cosine);
            float want[2] = {(float)(sine * 1.19), (float)(cosine * 1.19)};
            check_same(&sines[m * PAIRS + i], &want[0], 1, "angles", "sine");
            check_same(&cosines[m * PAIRS + i], &want[1], 1, "angles", "cosine");
        }
    give(cosines), give(sines), give(rates), give(rows);
}

static void check_activate(size_t n, int gelu, int mode) {
    enum { ROWS = 3 };
    uint32_t *places = copied((uint32_t[ROWS]){9, 3, 5}, ROWS * 4);
    size_t all = 10 * n;
    float *gate = floats(all, mode), *up = floats(all, mode), *want = copy_of(gate, all);
    float *a = floats(n, mode), *b = floats(n, mode), *want_up = copy_of(up, all);
    bool biased = random_below(2), placed = random_below(2);
    as_cuda_activate args = {.gate = gate,
                             .up = up,
                             .gate_bias = biased ? a : NULL,
                             .up_bias = biased ? b : NULL,
                             .places = placed ? places : NULL,
                             .n = (uint32_t)n,
                             .gelu = (uint32_t)gelu,
                             .quantize = n % 32 == 0};
    args.quantized = quantized_new(10, n);
    launch(AS_CUDA_K_activate, ROWS, 1, 1, &args);
    for (size_t i = 0; i < ROWS; i++) {
        size_t m = placed ? places[i] : i;
        if (biased) portable->add(want + m * n, a, n), portable->add(want_up + m * n, b, n);
        (gelu ? portable->gelu_mul : portable->silu_mul)(want + m * n, want_up + m * n, n);
        if (args.quantize) check_quantized(&args.quantized, m, want + m * n, n);
    }
    check_same(gate, want, all, "activate", gelu ? "gelu" : "silu");
    quantized_free(&args.quantized);
    give(gate), give(up), give(want), give(a), give(b), give(want_up), give(places);
}

static void activations_are_those_of_the_table(void **state) {
    (void)state;
    for (int i = 0; i < 60; i++)
        check_activate(i % 3 ? 32 * (1 + random_below(12)) : 1 + random_below(300), i % 2,
                       i % MODES);
}

// --- attention ------------------------------------------------------------------------------

enum { SLOTS = 400, VIEWS = 3 };

typedef struct setting {
    size_t rows, heads, kv_heads, width, pairs;
    bool halves, half, normed, biased;
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

static float cached(const setting *s, const void *from, size_t at) {
    return s->half ? as_half_to_float(((const uint16_t *)from)[at]) : ((const float *)from)[at];
}

static void put(const setting *s, void *to, size_t at, float x) {
    if (s->half)
        ((uint16_t *)to)[at] = as_float_to_half(x);
    else
        ((float *)to)[at] = x;
}

// Views whose positions lie anywhere; rows in runs of one view.
static cache cache_new(const setting *s) {
    size_t n = s->kv_heads * SLOTS * s->width, group = s->heads / s->kv_heads;
    size_t most = AS_CUDA_QUERIES / (group < AS_CUDA_QUERIES ? group : AS_CUDA_QUERIES);
    cache c = {.keys = take(n * 4), .values = take(n * 4)};
    c.slots = take(VIEWS * SLOTS * sizeof *c.slots);
    c.rows = take(s->rows * sizeof *c.rows);
    c.spans = take(s->rows * sizeof *c.spans);
    for (size_t i = 0; i < n; i++) {
        put(s, c.keys, i, random_unit());
        put(s, c.values, i, random_of_mode(4));
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
        bool begins = i == 0 || random_below(5) == 0 || position == SLOTS;
        if (begins) view = (view + 1) % VIEWS, position = (uint32_t)random_below(SLOTS);
        c.rows[i] = (as_cuda_row){0, position, view * SLOTS, 0};
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
    size_t end = c->rows[m].position + 1,
           first = s->window && end > s->window ? end - s->window : 0;
    size_t kv = head / (s->heads / s->kv_heads);
    const uint32_t *slots = c->slots + c->rows[m].view;
    float scores[SLOTS];
    for (size_t p = first; p < end; p++) {
        size_t at = (kv * SLOTS + slots[p]) * s->width;
        float acc = 0.0f;
        for (size_t k = 0; k < s->width; k++)
            acc = fma1(cached(s, c->keys, at + k), q[k] * scale, acc);
        scores[p] = acc;
    }
    if (s->cap > 0.0f) portable->softcap(scores + first, s->cap, end - first);
    portable->softmax(scores + first, end - first);
    for (size_t i = 0; i < s->width; i++) {
        float acc = 0.0f;
        for (size_t p = first; p < end; p++)
            acc =
                fma1(cached(s, c->values, (kv * SLOTS + slots[p]) * s->width + i), scores[p], acc);
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
                              .half = s->half,
                              .window = s->window,
                              .scale = 0.3f,
                              .cap = s->cap};
    uint32_t parts = (uint32_t)((group + 15) / 16 * s->kv_heads), spans = (uint32_t)c.span_count;
    as_emulator_set_order(random_below(4));
    launch(AS_CUDA_K_scores, (SLOTS + 31) / 32, parts, spans, &args);
    launch(AS_CUDA_K_weigh, (uint32_t)(s->rows * s->heads), 1, 1, &args);
    launch(AS_CUDA_K_mix, (uint32_t)(s->width + 31) / 32, parts, spans, &args);
    for (size_t m = 0; m < s->rows; m++)
        for (size_t head = 0; head < s->heads; head++) {
            size_t at = (m * s->heads + head) * s->width;
            attend_host(s, &c, q + at, m, head, 0.3f, want);
            check_same(mixed + at, want, s->width, "attention", s->half ? "f16" : "f32");
        }
    cache_free(&c);
    give(q), give(mixed), give(want), give(args.scores);
}

static void attention_is_that_of_the_cpu(void **state) {
    (void)state;
    static const size_t groups[] = {1, 2, 3, 4, 7, 16, 17, 33};
    for (int i = 0; i < 24; i++) {
        setting s = {.rows = 1 + random_below(9), .kv_heads = 1 + random_below(3), .half = i % 2};
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
    float most = s->half ? 65504.0f : 0x1.fffffep127f;
    return x > most ? most : x >= -most ? x : -most;
}

static void check_place(const setting *s, int mode) {
    cache c = cache_new(s);
    size_t q = s->heads * s->width, kv = s->kv_heads * s->width, slot_size = kv * SLOTS;
    float *x[3] = {floats(s->rows * q, mode), floats(s->rows * kv, mode),
                   floats(s->rows * kv, mode)};
    float *bias[3] = {floats(q, mode), floats(kv, mode), floats(kv, mode)};
    float *norm[2] = {floats(s->width, 4), floats(s->width, 4)};
    float *cosines = floats(s->rows * s->pairs, 0), *sines = floats(s->rows * s->pairs, 0);
    float *want[3] = {copy_of(x[0], s->rows * q), copy_of(x[1], s->rows * kv),
                      copy_of(x[2], s->rows * kv)};
    if (mode == 0) x[2][1] = want[2][1] = NAN, x[2][0] = want[2][0] = HUGE_VALF;
    size_t size = slot_size * (s->half ? 2 : 4);
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
                          .half = s->half,
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
            size_t at = (i * SLOTS + slot) * s->width;
            for (size_t j = 0; j < s->width; j++) {
                put(s, c.keys, at + j, head[j]);
                put(s, c.values, at + j, within(s, value[j]));
            }
        }
    }
    check_same(x[0], want[0], s->rows * q, "place", "queries");
    for (size_t i = 0; i < slot_size; i++) {
        float got[2] = {cached(s, keys, i), cached(s, values, i)};
        float expected[2] = {cached(s, c.keys, i), cached(s, c.values, i)};
        check_same(got, expected, 2, "place", "keys and values");
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
        s.halves = i & 1, s.normed = i & 2, s.biased = i & 4, s.half = i & 8;
        check_place(&s, i % 8 ? 4 : 0);
    }
}

// --- experts --------------------------------------------------------------------------------

static void check_experts(size_t experts, size_t used, size_t rows, bool normed) {
    float *odds = floats(rows * experts, 0), *want = copy_of(odds, rows * experts);
    size_t items = rows * used;
    as_cuda_route route = {.odds = odds,
                           .chosen = take(items * 4),
                           .weights = take(items * 4),
                           .places = take(items * 4),
                           .starts = take(experts * 4),
                           .counts = take(experts * 4),
                           .experts = (uint32_t)experts,
                           .used = (uint32_t)used,
                           .normed = normed,
                           .count = (uint32_t)rows,
                           .scale = 1.5f};
    if (rows > 1) odds[0] = odds[experts - 1] = want[0] = want[experts - 1] = 3.0f; // alike
    as_emulator_set_order(random_below(4));
    launch(AS_CUDA_K_choose, (uint32_t)rows, 1, 1, &route);
    launch(AS_CUDA_K_sort, 1, 1, 1, &route);
    for (size_t m = 0; m < rows; m++) {
        float *row = want + m * experts, weights[8], sum = 0.0f;
        portable->softmax(row, experts);
        for (size_t i = 0; i < used; i++) {
            size_t best = portable->argmax(row, experts);
            assert_int_equal(route.chosen[m * used + i], best);
            sum += weights[i] = row[best];
            row[best] = -1.0f;
        }
        for (size_t i = 0; i < used; i++) {
            weights[i] = (normed ? weights[i] / sum : weights[i]) * 1.5f;
            check_same(&route.weights[m * used + i], &weights[i], 1, "choose", "weight");
        }
    }
    // Every item has a place of its own among those of its expert.
    uint32_t next = 0;
    for (uint32_t e = 0; e < experts; e++) {
        uint32_t count = 0;
        assert_int_equal(route.starts[e], next);
        for (size_t i = 0; i < items; i++)
            if (route.chosen[i] == e) assert_int_equal(route.places[i], next + count++);
        assert_int_equal(route.counts[e], count);
        next += (count + 7) / 8 * 8;
    }
    give(odds), give(want), give(route.chosen), give(route.weights), give(route.places);
    give(route.starts), give(route.counts);
}

static void experts_are_chosen_as_on_the_cpu(void **state) {
    (void)state;
    for (int i = 0; i < 20; i++) {
        size_t experts = 2 + random_below(i % 4 ? 60 : 300), used = 1 + random_below(8);
        check_experts(experts, used < experts ? used : experts, 1 + random_below(9), i % 2);
    }
    check_experts(1024, 8, 2, true);
}

static void check_combine(size_t n, bool shared, int mode) {
    enum { ROWS = 3, USED = 2 };
    uint32_t *places = copied((uint32_t[]){8, 0, 9, 16, 1, 17}, ROWS * USED * 4);
    float *h = floats(ROWS * n, mode), *router = floats(n, 0), *parts = floats(18 * n, mode);
    float *weights = floats(ROWS * USED, 0), *y = floats(ROWS * n, mode);
    float *want = copy_of(y, ROWS * n);
    as_cuda_combine args = {.h = h,
                            .shared_router = shared ? router : NULL,
                            .parts = parts,
                            .weights = weights,
                            .places = places,
                            .y = y,
                            .n = (uint32_t)n,
                            .used = USED};
    launch(AS_CUDA_K_combine, ROWS, 1, 1, &args);
    for (size_t m = 0; m < ROWS; m++) {
        float open = 1.0f / (1.0f + as_exp_f32(-portable->dot(router, h + m * n, n)));
        for (size_t i = 0; i < n; i++) want[m * n + i] = shared ? want[m * n + i] * open : 0.0f;
        for (size_t i = 0; i < USED; i++)
            portable->axpy(want + m * n, weights[m * USED + i], parts + places[m * USED + i] * n,
                           n);
    }
    check_same(y, want, ROWS * n, "combine", shared ? "shared" : "alone");
    give(h), give(router), give(parts), give(weights), give(y), give(want), give(places);
}

static void answers_of_experts_add_up_as_on_the_cpu(void **state) {
    (void)state;
    for (int i = 0; i < 20; i++) check_combine(1 + random_below(400), i % 2, i % MODES);
    check_combine(3000, true, 0);
}

// --- outputs --------------------------------------------------------------------------------

static void check_facts(size_t n, int mode) {
    enum { ROWS = 2, PICKS = 300 };
    float *logits = floats(ROWS * n, mode), *out = floats(PICKS, -1);
    as_cuda_fact *facts = take(ROWS * sizeof *facts);
    uint64_t *at = take(PICKS * sizeof *at);
    if (n > 3) logits[n / 2] = logits[n / 3] = mode % 2 ? HUGE_VALF : 1e30f; // the first one counts
    if (n > 5 && mode == 3) logits[0] = NAN;
    for (size_t i = 0; mode == 5 && i < n; i++) logits[i] = i % 2 ? NAN : -HUGE_VALF;
    for (size_t i = 0; i < PICKS; i++) at[i] = random_below(ROWS * n);
    as_cuda_facts args = {.logits = logits, .facts = facts, .n = (uint32_t)n};
    as_cuda_pick pick = {logits, at, out, PICKS};
    as_emulator_set_order(random_below(4));
    launch(AS_CUDA_K_facts, ROWS, 1, 1, &args);
    launch(AS_CUDA_K_pick, 2, 1, 1, &pick);
    for (size_t m = 0; m < ROWS; m++) {
        float max, sum;
        portable->exp_sum(logits + m * n, n, &max, &sum);
        check_same(&facts[m].max, &max, 1, "facts", "max");
        check_same(&facts[m].sum, &sum, 1, "facts", "sum");
        assert_int_equal(facts[m].best, portable->argmax(logits + m * n, n));
    }
    for (size_t i = 0; i < PICKS; i++) check_same(&out[i], &logits[at[i]], 1, "pick", "logit");
    give(logits), give(out), give(facts), give(at);
}

static void logits_are_summed_up_as_on_the_cpu(void **state) {
    (void)state;
    for (int i = 0; i < 40; i++) check_facts(1 + random_below(i % 4 ? 700 : 6000), i % MODES);
}

static void vectors_are_those_of_the_table(void **state) {
    (void)state;
    for (int i = 0; i < 30; i++) {
        size_t n = 1 + random_below(900);
        float *x = floats(n, i % MODES), *y = floats(n, i % MODES), *want = copy_of(y, n);
        as_cuda_axpy axpy = {.y = y, .x = x, .a = 0.7f, .n = n};
        as_cuda_cap cap = {
            .x = y, .scale = i % 2 ? 0.1f : 1.0f, .cap = i % 3 ? 30.0f : 0.0f, .n = n};
        launch(AS_CUDA_K_axpy, (uint32_t)(n + 255) / 256, 1, 1, &axpy);
        launch(AS_CUDA_K_cap, (uint32_t)(n + 255) / 256, 1, 1, &cap);
        portable->axpy(want, 0.7f, x, n);
        for (size_t j = 0; i % 2 && j < n; j++) want[j] *= 0.1f;
        if (i % 3) portable->softcap(want, 30.0f, n);
        check_same(y, want, n, "axpy and cap", "y");
        give(x), give(y), give(want);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(blocks_end_as_on_the_cpu, seed),
        cmocka_unit_test_setup(embeddings_are_the_rows_of_the_matrix, seed),
        cmocka_unit_test_setup(angles_are_those_of_the_cpu, seed),
        cmocka_unit_test_setup(activations_are_those_of_the_table, seed),
        cmocka_unit_test_setup(attention_is_that_of_the_cpu, seed),
        cmocka_unit_test_setup(heads_are_placed_as_on_the_cpu, seed),
        cmocka_unit_test_setup(experts_are_chosen_as_on_the_cpu, seed),
        cmocka_unit_test_setup(answers_of_experts_add_up_as_on_the_cpu, seed),
        cmocka_unit_test_setup(logits_are_summed_up_as_on_the_cpu, seed),
        cmocka_unit_test_setup(vectors_are_those_of_the_table, seed),
    };
    portable = as_kernels_select("portable");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
