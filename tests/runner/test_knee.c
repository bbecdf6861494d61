// SPDX-License-Identifier: Apache-2.0
// The search for the knee against simulated servers of known capacity: time is simulated.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka needs the four above first
#include <cmocka.h>

#include "harness/base/rng.h"
#include "runner/load/knee.h"

#include <math.h>

enum { PLACES = 4096, MS = 1000000 };

// `slots` requests are served at once, `ms` each (exponential when random), the rest queue. More
// than `refuse` under way fail at once; 0: never.
typedef struct server {
    size_t slots, refuse;
    double ms;
    bool random;
    as_rng rng;
    uint64_t done[PLACES], sent[PLACES]; // of each under way, unordered
    uint64_t free_at[PLACES];
    size_t count;
    uint64_t now;
} server;

static void ask(server *s) {
    double ms = s->random ? -log1p(-as_rng_unit(&s->rng)) * s->ms : s->ms;
    size_t first = 0;
    for (size_t i = 1; i < s->slots; i++)
        if (s->free_at[i] < s->free_at[first]) first = i;
    uint64_t start = s->free_at[first] > s->now ? s->free_at[first] : s->now;
    s->free_at[first] = start + (uint64_t)(ms * MS);
    s->sent[s->count] = s->now;
    s->done[s->count++] = s->free_at[first];
}

// A closed loop of so many answers under the knee's limit.
static void drive(server *s, as_knee *knee, size_t answers) {
    for (size_t i = 0; i < answers; i++) {
        while (s->count < knee->limit) ask(s);
        size_t first = 0;
        for (size_t j = 1; j < s->count; j++)
            if (s->done[j] < s->done[first]) first = j;
        s->now = s->done[first];
        bool overload = s->refuse && s->count > s->refuse;
        double latency_ms = (double)(s->now - s->sent[first]) / MS;
        s->count--;
        s->done[first] = s->done[s->count];
        s->sent[first] = s->sent[s->count];
        as_knee_add(knee, latency_ms, overload);
    }
}

static as_knee found(server *s, size_t most, size_t answers) {
    as_knee knee;
    as_knee_start(&knee, most);
    s->rng = as_rng_of(7, s->slots);
    drive(s, &knee, answers);
    return knee;
}

static void finds_the_capacity(void **state) {
    (void)state;
    static const size_t slots[] = {1, 2, 6, 24, 100, 300};
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
        server s = {.slots = slots[i], .ms = 50};
        as_knee knee = found(&s, 1024, 20000);
        // 95 % of the throughput, and no more than a quarter too many; never less than one.
        assert_in_range(knee.limit, (size_t)(0.94 * (double)slots[i]), slots[i] + slots[i] / 4 + 4);
    }
}

static void random_times_too(void **state) {
    (void)state;
    static const size_t slots[] = {4, 16, 64};
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
        server s = {.slots = slots[i], .ms = 50, .random = true};
        as_knee knee = found(&s, 1024, 40000);
        assert_in_range(knee.limit, slots[i] * 3 / 4, slots[i] * 3);
    }
}

static void rises_to_the_limit_where_more_is_always_better(void **state) {
    (void)state;
    server s = {.slots = 2000, .ms = 200};
    as_knee knee = found(&s, 96, 5000);
    assert_int_equal(knee.limit, 96);
}

static void overload_halves_and_is_approached_gently(void **state) {
    (void)state;
    server s = {.slots = 1000, .ms = 50, .refuse = 40};
    as_knee knee = found(&s, 1024, 20000);
    assert_in_range(knee.limit, 16, 45);
    bool seen = false;
    for (size_t i = 0; i < knee.step_count; i++) seen = seen || knee.steps[i].overload;
    assert_true(seen);
    for (size_t i = 1; i < knee.step_count; i++)
        if (knee.steps[i - 1].overload)
            assert_true(knee.steps[i].limit <= knee.steps[i - 1].limit / 2 + 1);
}

static void a_server_that_grows_is_followed(void **state) {
    (void)state;
    server s = {.slots = 8, .ms = 50};
    as_knee knee = found(&s, 1024, 8000);
    assert_in_range(knee.limit, 7, 12);
    for (size_t i = 8; i < 64; i++) s.free_at[i] = s.now;
    s.slots = 64;
    drive(&s, &knee, 40000);
    assert_in_range(knee.limit, 60, 90);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_capacity),
        cmocka_unit_test(random_times_too),
        cmocka_unit_test(rises_to_the_limit_where_more_is_always_better),
        cmocka_unit_test(overload_halves_and_is_approached_gently),
        cmocka_unit_test(a_server_that_grows_is_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
