// SPDX-License-Identifier: Apache-2.0
// test_cuda_rows.c - the GPU's kernels for rows, experts, outputs and chance under the emulator,
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
                           take(blocks * 64), NULL};
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

// bits of `with`: y, bias, quantized.
static void check_settle(size_t n, unsigned with, int mode) {
    enum { ROWS = 3 };
    float *x = floats(ROWS * n, mode), *y = floats(ROWS * n, mode), *want = copy_of(x, ROWS * n);
    float *bias = floats(n, mode), *norm = floats(n, 4), *norm_bias = floats(n, 4);
    as_cuda_settle args = {.y = with & 1 ? y : NULL,
                           .bias = with & 2 ? bias : NULL,
                           .x = x,
                           .norm = norm,
                           .norm_bias = norm_bias,
                           .eps = 1e-12f,
                           .n = (uint32_t)n,
                           .quantize = with & 4 && n % 32 == 0,
                           .quantized = quantized_new(ROWS, n)};
    as_emulator_set_order(with % 4);
    launch(AS_CUDA_K_settle, ROWS, 1, 1, &args);
    for (size_t m = 0; m < ROWS; m++) {
        float *row = want + m * n;
        if (with & 2) portable->add(y + m * n, bias, n);
        if (with & 1) portable->add(row, y + m * n, n);
        portable->layer_norm(row, row, norm, norm_bias, n, 1e-12f);
        if (args.quantize) check_quantized(&args.quantized, m, row, n);
    }
    check_same(x, want, ROWS * n, "settle", "x");
    quantized_free(&args.quantized);
    give(x), give(y), give(want), give(bias), give(norm), give(norm_bias);
}

static void blocks_of_encoders_end_as_on_the_cpu(void **state) {
    (void)state;
    for (unsigned with = 0; with < 48; with++)
        check_settle(with % 3 ? 32 * (1 + random_below(12)) : 1 + random_below(300), with % 8,
                     (int)random_below(MODES));
    check_settle(2048 * 2 + 32, 7, 4);
    check_settle(5001, 3, 0);
}

static void embeddings_are_the_rows_of_the_matrix(void **state) {
    (void)state;
    for (as_wtype type = 0; type <= AS_W_Q8_16; type++) {
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
                tokens[i] =
                    (as_cuda_row){(uint32_t)random_below(rows), (uint32_t)random_below(rows), 0, 0};
            float *x = floats(4 * cols, 0), *want = floats(cols, -1), *old = copy_of(x, 4 * cols);
            as_cuda_embed args = {.values = w.values,
                                  .scales = w.scales,
                                  .type = type,
                                  .cols = (uint32_t)cols,
                                  .which = (uint32_t)mode % 3,
                                  .added = mode > 3,
                                  .rows = tokens,
                                  .x = x,
                                  .scale = mode % 2 ? 1.0f : 27.7f};
            launch(AS_CUDA_K_embed, 4, 1, 1, &args);
            for (size_t i = 0; i < 4; i++) {
                const size_t which[] = {tokens[i].token, tokens[i].position, 0};
                as_matrix_row(&w, which[mode % 3], want);
                for (size_t k = 0; mode % 2 == 0 && k < cols; k++) want[k] *= 27.7f;
                if (mode > 3) portable->add(want, old + i * cols, cols);
                check_same(x + i * cols, want, cols, "embed", type_names[type]);
            }
            give(file), give(w.values), give(w.scales), give(x), give(want), give(tokens);
            give(old);
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

typedef enum kind { SILU, GELU, ERF_ALONE, GELU_ALONE, SQUARE_ALONE, KINDS } kind;

static void activate_plainly(kind how, float *gate, float *up, size_t n) {
    for (size_t i = 0; how == GELU_ALONE && i < n; i++) up[i] = 1.0f;
    if (how == SILU) portable->silu_mul(gate, up, n);
    if (how == GELU || how == GELU_ALONE) portable->gelu_mul(gate, up, n);
    if (how == ERF_ALONE) portable->gelu_erf(gate, n);
    for (size_t i = 0; how == SQUARE_ALONE && i < n; i++)
        gate[i] = gate[i] > 0.0f ? gate[i] * gate[i] : 0.0f;
}

static void check_activate(size_t n, kind how, int mode) {
    enum { ROWS = 3 };
    uint32_t *places = copied((uint32_t[ROWS]){9, 3, 5}, ROWS * 4);
    size_t all = 10 * n;
    float *gate = floats(all, mode), *up = floats(all, mode), *want = copy_of(gate, all);
    float *a = floats(n, mode), *b = floats(n, mode), *want_up = copy_of(up, all);
    bool biased = random_below(2), placed = random_below(2), alone = how >= ERF_ALONE;
    as_cuda_activate args = {.gate = gate,
                             .up = alone ? NULL : up,
                             .gate_bias = biased ? a : NULL,
                             .up_bias = biased ? b : NULL,
                             .places = placed ? places : NULL,
                             .n = (uint32_t)n,
                             .gelu = how == GELU || how == GELU_ALONE,
                             .squared = how == SQUARE_ALONE,
                             .quantize = n % 32 == 0};
    args.quantized = quantized_new(10, n);
    launch(AS_CUDA_K_activate, ROWS, 1, 1, &args);
    for (size_t i = 0; i < ROWS; i++) {
        size_t m = placed ? places[i] : i;
        if (biased) portable->add(want + m * n, a, n), portable->add(want_up + m * n, b, n);
        activate_plainly(how, want + m * n, want_up + m * n, n);
        if (args.quantize) check_quantized(&args.quantized, m, want + m * n, n);
    }
    static const char *const names[] = {"silu", "gelu", "erf", "gelu alone", "square alone"};
    check_same(gate, want, all, "activate", names[how]);
    quantized_free(&args.quantized);
    give(gate), give(up), give(want), give(a), give(b), give(want_up), give(places);
}

static void activations_are_those_of_the_table(void **state) {
    (void)state;
    for (int i = 0; i < 60; i++)
        check_activate(i % 3 ? 32 * (1 + random_below(12)) : 1 + random_below(300),
                       (kind)(i % KINDS), i % MODES);
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
                           .order = take(experts * 4),
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
    // All experts are in `order`, each once, those without rows behind.
    bool seen[1024] = {false};
    for (uint32_t i = 0; i < experts; i++) {
        assert_true(route.order[i] < experts && !seen[route.order[i]]);
        seen[route.order[i]] = true;
        if (i) assert_true(route.counts[route.order[i - 1]] || !route.counts[route.order[i]]);
    }
    give(odds), give(want), give(route.chosen), give(route.weights), give(route.places);
    give(route.starts), give(route.counts), give(route.order);
}

static void experts_are_chosen_as_on_the_cpu(void **state) {
    (void)state;
    for (int i = 0; i < 20; i++) {
        size_t experts = 2 + random_below(i % 4 ? 60 : 300), used = 1 + random_below(8);
        check_experts(experts, used < experts ? used : experts, 1 + random_below(9), i % 2);
    }
    check_experts(1024, 8, 2, true);
    check_experts(40, 8, 150, false); // more items than are looked at at once
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

// --- chance -------------------------------------------------------------------------------------

static const float *sorted_odds;

static int by_odds(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    if (sorted_odds[x] != sorted_odds[y]) return sorted_odds[x] > sorted_odds[y] ? -1 : 1;
    return x < y ? -1 : 1;
}

// What all tokens have: runs of 256 in order, then the runs.
static double mass_of(const float *odds, size_t n) {
    double all = 0.0;
    for (size_t from = 0; from < n; from += 256) {
        double run = 0.0;
        for (size_t i = from; i < n && i < from + 256; i++)
            if (odds[i] > 0.0f) run += (double)odds[i];
        all += run;
    }
    return all;
}

// The token as the text of sampler.h has it, from all tokens in order.
static uint32_t drawn_token(const as_cuda_drawing *p, const float *odds, size_t n) {
    static uint32_t order[6000];
    double all = mass_of(odds, n), have = 0.0, sum = 0.0, goal;
    size_t most = p->top_k && p->top_k < n ? p->top_k : n, kept = 0;
    if (p->all) {
        goal = p->unit * all;
        for (size_t from = 0; from < n; from += 256) { // the run, then the token
            double run = mass_of(odds + from, n - from < 256 ? n - from : 256), part = 0.0;
            for (size_t i = from; sum + run > goal && i < n && i < from + 256; i++) {
                part += odds[i] > 0.0f ? (double)odds[i] : 0.0;
                if (odds[i] > 0.0f && sum + part > goal) return (uint32_t)i;
            }
            sum += run;
        }
        fail_msg("no token");
    }
    for (uint32_t i = 0; i < n; i++) order[i] = i;
    sorted_odds = odds;
    qsort(order, n, sizeof *order, by_odds);
    for (size_t i = 0; i < most; i++) have += (double)odds[order[i]];
    if (most == n) have = all;
    for (; kept < most && sum < p->top_p * have && odds[order[kept]] > 0.0f; kept++) {
        if (kept && (double)odds[order[kept]] < p->min_p * (double)odds[order[0]]) break;
        sum += (double)odds[order[kept]];
    }
    goal = p->unit * sum;
    sum = 0.0;
    for (size_t i = 0; i < kept; i++) {
        sum += (double)odds[order[i]];
        if (sum > goal) return order[i];
    }
    return order[kept - 1];
}

static void tokens_are_drawn_as_on_the_cpu(void **state) {
    (void)state;
    enum { ROWS = 3, TRIES = AS_DRAWS(90) };
    static const uint32_t top_ks[] = {0, 1, 5, 40, 900, 3000};
    static const double top_ps[] = {1.0, 0.9, 0.3};
    size_t decided = 0;
    for (int i = 0; i < TRIES; i++) {
        size_t n = 1 + random_below(i % 3 ? 900 : 6000), runs = (n + 255) / 256;
        float spread = i % 4 ? 9.0f : 1.0f, *logits = floats(ROWS * n, -1);
        for (size_t j = 0; j < ROWS * n; j++) logits[j] = spread * random_unit();
        if (i % 7 == 0) // ties
            for (size_t j = 0; j < ROWS * n; j++) logits[j] = (float)(int)logits[j];
        as_cuda_drawing drawings[2];
        for (uint32_t j = 0; j < 2; j++) {
            drawings[j] = (as_cuda_drawing){.unit = (double)random_below(1u << 30) * 0x1p-30,
                                            .top_p = top_ps[random_below(3)],
                                            .min_p = random_below(2) ? 0.0 : 0.05,
                                            .temperature = i % 2 ? 0.7f : 1.3f,
                                            .row = 2 * j,
                                            .top_k = top_ks[random_below(6)],
                                            .all = i % 5 == 0};
        }
        float *odds = copy_of(logits, ROWS * n);
        as_cuda_facts facts = {.logits = logits, .facts = take(ROWS * sizeof(as_cuda_fact))};
        facts.n = (uint32_t)n;
        as_cuda_draw args = {.logits = logits,
                             .facts = facts.facts,
                             .drawings = copied(drawings, sizeof drawings),
                             .runs = take(2 * runs * sizeof(double)),
                             .tokens = take(2 * sizeof(uint32_t)),
                             .n = (uint32_t)n};
        as_emulator_set_order((uint64_t)i % 4);
        launch(AS_CUDA_K_facts, ROWS, 1, 1, &facts);
        launch(AS_CUDA_K_draw, 2, 1, 1, &args);
        for (size_t j = 0; j < 2; j++) {
            float *row = odds + drawings[j].row * n;
            float top = row[portable->argmax(row, n)];
            for (size_t k = 0; k < n; k++) row[k] = (row[k] - top) / drawings[j].temperature;
            portable->softmax(row, n);
            check_same(logits + drawings[j].row * n, row, n, "draw", "odds");
            bool open = args.tokens[j] == AS_CUDA_UNDECIDED;
            assert_false(open && (n <= AS_CUDA_DRAWN || drawings[j].all));
            if (!open) assert_int_equal(args.tokens[j], drawn_token(&drawings[j], row, n));
            decided += !open;
        }
        give(logits), give(odds), give(facts.facts), give((void *)(uintptr_t)args.drawings);
        give(args.runs), give(args.tokens);
    }
    assert_true(decided > TRIES && decided < 2 * TRIES);
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
        cmocka_unit_test_setup(blocks_of_encoders_end_as_on_the_cpu, seed),
        cmocka_unit_test_setup(embeddings_are_the_rows_of_the_matrix, seed),
        cmocka_unit_test_setup(angles_are_those_of_the_cpu, seed),
        cmocka_unit_test_setup(activations_are_those_of_the_table, seed),
        cmocka_unit_test_setup(experts_are_chosen_as_on_the_cpu, seed),
        cmocka_unit_test_setup(answers_of_experts_add_up_as_on_the_cpu, seed),
        cmocka_unit_test_setup(logits_are_summed_up_as_on_the_cpu, seed),
        cmocka_unit_test_setup(tokens_are_drawn_as_on_the_cpu, seed),
        cmocka_unit_test_setup(vectors_are_those_of_the_table, seed),
    };
    portable = as_kernels_select("portable");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
