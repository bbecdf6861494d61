// SPDX-License-Identifier: Apache-2.0
// Draws against the distribution that the filters leave, worked out here the plain way.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/rng.h"
#include "harness/engine/sampler.h"

enum { TOKENS = 40, DRAWS = 40000 };

typedef struct likely {
    double p;
    uint32_t id;
} likely;

static int by_odds(const void *a_in, const void *b_in) {
    const likely *a = a_in, *b = b_in;
    if (a->p != b->p) return a->p > b->p ? -1 : 1;
    return a->id < b->id ? -1 : 1;
}

// What each token should come up with.
static void work_out(const as_sampling *s, const float *logits, double wanted[TOKENS]) {
    likely all[TOKENS];
    double sum = 0.0, top = -INFINITY;
    size_t count = TOKENS;
    for (size_t i = 0; i < TOKENS; i++) top = fmax(top, (double)logits[i]);
    for (size_t i = 0; i < TOKENS; i++) {
        all[i] = (likely){exp(((double)logits[i] - top) / s->temperature), (uint32_t)i};
        wanted[i] = 0.0;
    }
    qsort(all, TOKENS, sizeof *all, by_odds);
    if (s->top_k && s->top_k < count) count = s->top_k;
    for (size_t i = 0; i < count; i++) sum += all[i].p;
    double have = 0.0;
    size_t kept = 0;
    while (kept < count && have < s->top_p * sum * (1.0 - 1e-9)) have += all[kept++].p;
    while (kept > 1 && all[kept - 1].p < s->min_p * all[0].p) have -= all[--kept].p;
    for (size_t i = 0; i < kept; i++) wanted[all[i].id] = all[i].p / have;
}

static void check(const as_sampling *settings, const float *logits) {
    const as_kernels *tables[8];
    size_t table_count = as_kernels_available(tables), seen[TOKENS] = {0};
    as_sampler sampler = as_sampler_new(TOKENS);
    for (uint64_t step = 0; step < DRAWS; step++) {
        uint32_t token = as_sampler_pick(&sampler, tables[0], settings, step, logits);
        seen[token]++;
        if (step % 100) continue;
        for (size_t t = 0; t < table_count; t++)
            assert_int_equal(as_sampler_pick(&sampler, tables[t], settings, step, logits), token);
    }
    double wanted[TOKENS], chi = 0.0, freedom = -1.0;
    work_out(settings, logits, wanted);
    for (size_t i = 0; i < TOKENS; i++) {
        double expected = wanted[i] * DRAWS, off = (double)seen[i] - expected;
        if (wanted[i] <= 0.0) assert_int_equal(seen[i], 0);
        if (expected < 5.0) continue;
        chi += off * off / expected;
        freedom += 1.0;
    }
    // Six standard deviations of chi-square.
    assert_true(chi <= fmax(freedom, 1.0) + 6.0 * sqrt(2.0 * fmax(freedom, 1.0)));
    as_sampler_free(&sampler);
}

static void draws_follow_the_distribution(void **state) {
    (void)state;
    static const as_sampling settings[] = {
        {.temperature = 1.0, .top_p = 1.0},
        {.temperature = 0.5, .top_p = 1.0, .seed = 1},
        {.temperature = 2.0, .top_p = 1.0, .top_k = 5, .seed = 2},
        {.temperature = 1.0, .top_p = 0.6, .seed = 3},
        {.temperature = 1.0, .top_p = 1.0, .min_p = 0.2, .seed = 4},
        {.temperature = 1.5, .top_p = 0.8, .top_k = 20, .seed = 5},
        {.temperature = 1.2, .top_p = 0.9, .min_p = 0.1, .top_k = 12, .seed = 6, .stream = 9},
        {.temperature = 1.0, .top_p = 1e-9, .seed = 7}, // the likeliest alone
        {.temperature = 1.0, .top_p = 1.0, .top_k = 1, .seed = 8},
    };
    as_rng rng = as_rng_of(1, 2);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        float logits[TOKENS];
        for (size_t j = 0; j < TOKENS; j++) logits[j] = (float)(4.0 * as_rng_unit(&rng));
        logits[7] = logits[3]; // a tie
        logits[11] = -INFINITY;
        check(&settings[i], logits);
    }
}

static void edges(void **state) {
    (void)state;
    const as_kernels *kernels = as_kernels_select(NULL);
    as_sampler sampler = as_sampler_new(4);
    float logits[4] = {1.0f, 3.0f, 3.0f, -2.0f}, odd[4] = {NAN, NAN, NAN, NAN};
    as_sampling cold = {.temperature = 0.0, .top_p = 1.0},
                tiny = {.temperature = 1e-30, .top_p = 1.0};
    for (uint64_t step = 0; step < 200; step++) {
        assert_int_equal(as_sampler_pick(&sampler, kernels, NULL, step, logits), 1);
        assert_int_equal(as_sampler_pick(&sampler, kernels, &cold, step, logits), 1);
        uint32_t token = as_sampler_pick(&sampler, kernels, &tiny, step, logits);
        assert_true(token == 1 || token == 2);
        tiny.top_k = 2 * (step % 2);
        assert_int_equal(as_sampler_pick(&sampler, kernels, &tiny, step, odd), 0);
    }
    // The logits are not changed.
    assert_true(logits[0] == 1.0f && logits[3] == -2.0f);
    as_sampler_free(&sampler);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_follow_the_distribution),
        cmocka_unit_test(edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
