// SPDX-License-Identifier: Apache-2.0
// Which of several servers a request goes to, and when one is left alone.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// cmocka needs the four above first
#include <cmocka.h>

#include <math.h>

#include "harness/target/replica.h"

static const uint64_t S = 1000000000u;

static void test_bases(void **state) {
    (void)state;
    static const struct {
        const char *list;
        size_t count;
        const char *last;
    } good[] = {
        {"http://a/v1", 1, "http://a/v1"},
        {"http://a/v1,http://b/v1/", 2, "http://b/v1"},
        {"http://a/x,y/v1,https://b/a,http,b/v1", 2, "https://b/a,http,b/v1"},
        {"file.yaml", 1, "file.yaml"},
        {"127.0.0.1:80/model", 1, "127.0.0.1:80/model"},
    };
    as_arena arena = {0};
    as_str *bases;
    size_t count;
    as_err err;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(as_replica_bases(&arena, as_str_of(good[i].list), &bases, &count, &err),
                         AS_OK);
        assert_int_equal(count, good[i].count);
        assert_true(as_str_is(bases[count - 1], good[i].last));
    }
    static const char *const bad[] = {"http://a,http://a/", "http://a/v1,http://", "x,http://a/v1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(as_replica_bases(&arena, as_str_of(bad[i]), &bases, &count, &err),
                         AS_INVALID);
    as_arena_free(&arena);
}

static as_replicas three(void) {
    static const as_str bases[] = {{"http://a", 8}, {"http://b", 8}, {"http://c", 8}};
    as_replicas r;
    as_replicas_start(&r, bases, 3, 60 * S, S);
    return r;
}

static void test_least_in_flight_in_turn(void **state) {
    (void)state;
    as_replicas r = three();
    uint64_t ready;
    for (size_t i = 0; i < 6; i++) {
        size_t at = as_replicas_pick(&r, S, SIZE_MAX, &ready);
        assert_int_equal(at, i % 3);
        r.items[at].out_count++;
    }
    r.items[1].out_count = 0;
    assert_int_equal(as_replicas_pick(&r, S, SIZE_MAX, &ready), 1);
    assert_int_not_equal(as_replicas_pick(&r, S, 1, &ready), 1); // it just failed there
    r.items[0].lost = r.items[2].lost = true;
    assert_int_equal(as_replicas_pick(&r, S, 1, &ready), 1); // there is no other
    r.items[1].lost = true;
    assert_true(as_replicas_all_lost(&r));
    assert_int_equal(as_replicas_pick(&r, S, SIZE_MAX, &ready), SIZE_MAX);
    as_replicas_free(&r);
}

static void test_three_failures_eject_and_a_probe_brings_back(void **state) {
    (void)state;
    as_replicas r = three();
    uint64_t ready, now = 10 * S;
    as_replica_ok(&r, 1, 5);
    for (int i = 0; i < 3; i++) {
        assert_false(r.items[1].pace.open);
        assert_false(as_replica_failed(&r, 1, now));
    }
    assert_int_equal(r.items[1].ejected, 1);
    for (int i = 0; i < 12; i++) { // all go elsewhere, though nothing is under way there
        size_t at = as_replicas_pick(&r, now, SIZE_MAX, &ready);
        assert_int_not_equal(at, 1);
        r.items[at].out_count++;
    }
    now += S; // past the first pause of the breaker: one attempt
    assert_int_equal(as_replicas_pick(&r, now, SIZE_MAX, &ready), 1);
    r.items[1].out_count = 1;
    assert_int_not_equal(as_replicas_pick(&r, now, SIZE_MAX, &ready), 1);
    r.items[1].out_count = 0;
    as_replica_ok(&r, 1, 7);
    assert_int_equal(as_replicas_pick(&r, now, SIZE_MAX, &ready), 1);
    as_replicas_free(&r);
}

static void test_a_pause_is_its_own(void **state) {
    (void)state;
    as_replicas r = three();
    uint64_t ready;
    as_pace_pause(&r.items[0].pace, 5 * S);
    assert_int_not_equal(as_replicas_pick(&r, S, SIZE_MAX, &ready), 0);
    r.items[1].lost = r.items[2].lost = true;
    assert_int_equal(as_replicas_pick(&r, S, SIZE_MAX, &ready), SIZE_MAX);
    assert_int_equal(ready, 5 * S);
    as_replicas_free(&r);
}

static void test_facts(void **state) {
    (void)state;
    as_replicas r = three();
    as_arena arena = {0};
    for (int i = 100; i > 0; i--) as_replica_ok(&r, 0, i);
    as_replica_ok(&r, 2, 3);
    r.items[2].compared = 4, r.items[2].disagreed = 1;
    const as_serving_replica *facts = as_replicas_facts(&r, &arena);
    assert_int_equal(facts[0].answers, 100);
    assert_true(facts[0].p50_ms == 50 && facts[0].p95_ms == 95 && facts[0].max_ms == 100);
    assert_true(isnan(facts[1].p50_ms) && facts[1].answers == 0);
    assert_true(facts[2].p50_ms == 3 && facts[2].p95_ms == 3 && facts[2].disagreed == 1);
    as_arena_free(&arena);
    as_replicas_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bases),
        cmocka_unit_test(test_least_in_flight_in_turn),
        cmocka_unit_test(test_three_failures_eject_and_a_probe_brings_back),
        cmocka_unit_test(test_a_pause_is_its_own),
        cmocka_unit_test(test_facts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
