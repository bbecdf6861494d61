// SPDX-License-Identifier: Apache-2.0
// Early stopping: e-processes against their authors' numbers, gates that stop when they should, and
// error rates by simulation.
#include "tests/metrics/fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/rng.h"
#include "metrics/gates/eprocess.h"
#include "metrics/gates/sequential.h"

static void test_vectors(void **state) {
    (void)state;
    as_arena arena = {0};
    fixture_row *rows;
    size_t count = fixture_read(&arena, "tests/metrics/versus.tsv", &rows), seen = 0;
    for (size_t i = 0; i < count; i++) {
        if (!as_str_is(rows[i].cells[0], "eprocess")) continue;
        double *x, m = fixture_number(rows[i].cells[2]), alpha = fixture_number(rows[i].cells[3]);
        size_t n = fixture_numbers(&arena, rows[i].cells[1], &x);
        as_eprocess above = as_eprocess_above(m, alpha), below = as_eprocess_below(m, alpha);
        as_sequence sequence = {.alpha = alpha};
        for (size_t k = 0; k < n; k++) {
            as_eprocess_add(&above, x[k]);
            as_eprocess_add(&below, x[k]);
            as_sequence_add(&sequence, x[k]);
        }
        as_interval ci = as_sequence_interval(&sequence);
        fixture_near(above.log_e, fixture_number(rows[i].cells[4]), 1e-9, "above");
        fixture_near(below.log_e, fixture_number(rows[i].cells[5]), 1e-9, "below");
        fixture_near(ci.lo, fixture_number(rows[i].cells[6]), 1e-9, "low");
        fixture_near(ci.hi, fixture_number(rows[i].cells[7]), 1e-9, "high");
        seen++;
    }
    assert_int_equal(seen, 4);
    as_arena_free(&arena);
}

// How often a bound that is the truth is refuted, however long one looks.
static void test_false_alarms(void **state) {
    (void)state;
    as_rng rng = as_rng_of(7, 1);
    unsigned above = 0, below = 0, outside = 0;
    for (int run = 0; run < 1000; run++) {
        as_eprocess up = as_eprocess_above(0.9, 0.05), down = as_eprocess_below(0.9, 0.05);
        as_sequence s = {.alpha = 0.05};
        bool missed = false;
        for (int t = 0; t < 1000; t++) {
            double x = as_rng_unit(&rng) < 0.9 ? 1 : 0;
            as_eprocess_add(&up, x);
            as_eprocess_add(&down, x);
            as_sequence_add(&s, x);
            as_interval ci = as_sequence_interval(&s);
            missed |= ci.lo > 0.9 || ci.hi < 0.9;
        }
        above += up.refuted;
        below += down.refuted;
        outside += missed;
    }
    assert_in_range(above, 1, 70); // 5 % and three standard errors; and not asleep
    assert_in_range(below, 1, 70);
    assert_in_range(outside, 0, 70);
}

typedef struct course {
    as_arena arena;
    as_scorer *base, *now;
    as_gate_spec specs[2];
    size_t count;
    as_rng rng;
} course;

static course course_new(const char *gate, const char *other) {
    static const char *const metrics[] = {"accuracy", NULL};
    course out = {.rng = as_rng_of(11, 3)};
    const char *const gates[] = {gate, other};
    as_err err = {0};
    out.base = fixture_scorer(&out.arena, metrics);
    out.now = fixture_scorer(&out.arena, metrics);
    for (size_t i = 0; i < 2 && gates[i]; i++, out.count++)
        if (as_gate_parse(&out.arena, as_str_of(gates[i]), &out.specs[i], &err))
            fail_msg("%s", err.text);
    return out;
}

static void course_free(course *c) {
    as_scorer_free(c->base);
    as_scorer_free(c->now);
    as_arena_free(&c->arena);
}

static as_sample answer(course *c, size_t i, bool right, const char *cluster) {
    char id[24];
    snprintf(id, sizeof id, "c%06zu", i);
    as_sample out = fixture_sample(&c->arena, id, "\"y\"", right ? "y" : "n");
    out.cluster = as_str_of(cluster);
    return out;
}

// Runs `n` cases of which the share `broke` breaks; returns how many it took, n + 1: all of them.
static size_t go(course *c, size_t n, double broke, double missing, as_gate *out) {
    size_t able, at = 0;
    for (size_t i = 0; i < n; i++) fixture_add(c->base, &c->arena, answer(c, i, true, ""));
    as_sequential *q = as_sequential_new(c->specs, c->count, c->now, c->base, &able);
    bool over = false;
    as_err err = {0};
    while (at < n && !over) {
        as_sample s = answer(c, at++, as_rng_unit(&c->rng) >= broke, "");
        if (as_rng_unit(&c->rng) < missing) s.outcome = AS_OUT_TIMEOUT;
        assert_int_equal(as_scorer_add(c->now, &c->arena, &s, &err), AS_OK);
        over = as_sequential_add(q, &s);
    }
    as_summary summary = {0};
    as_scorer_summarize(c->now, &c->arena, &summary);
    (over ? as_gate_judge : as_gate_judge_rest)(&c->arena, c->specs, c->count, &summary, c->now,
                                                c->base, AS_STR("b"), out);
    as_sequential_apply(q, &c->arena, over, n, out);
    as_sequential_free(q);
    return over ? at : n + 1;
}

static void test_stops(void **state) {
    (void)state;
    as_gate gate;
    course c = course_new("accuracy drop <= 0.02", NULL);
    size_t at = go(&c, 5000, 0.05, 0, &gate); // a drop of five points
    assert_in_range(at, 50, 500);
    assert_int_equal(gate.verdict, AS_FAIL);
    assert_true(as_str_is(gate.checks[0].method, "e-process"));
    assert_int_equal(gate.checks[0].n, at);
    assert_true(gate.checks[0].ci.lo < gate.checks[0].delta &&
                gate.checks[0].delta < gate.checks[0].ci.hi);
    course_free(&c);
    c = course_new("accuracy drop <= 0.02", NULL);
    at = go(&c, 5000, 0, 0, &gate);
    assert_in_range(at, 200, 2500);
    assert_int_equal(gate.verdict, AS_PASS);
    assert_int_equal(as_gate_exit_code(&gate, true), 0);
    course_free(&c);
    // A few hundred cases are too few to stop, and are judged as ever.
    c = course_new("accuracy drop <= 0.02", NULL);
    at = go(&c, 150, 0.005, 0, &gate);
    assert_int_equal(at, 151);
    assert_true(as_str_is(gate.checks[0].method, "mcnemar mid-p"));
    course_free(&c);
}

static void test_several(void **state) {
    (void)state;
    as_gate gate;
    // The first is decided early, the second never: the run goes on to its end.
    course c = course_new("accuracy >= 0.5", "errors <= 0");
    assert_int_equal(go(&c, 600, 0.1, 0, &gate), 601);
    assert_int_equal(gate.verdict, AS_PASS);
    course_free(&c);
    // A gate that fails stops it, and the other stays open.
    c = course_new("accuracy >= 0.95", "errors <= 0");
    assert_in_range(go(&c, 2000, 0.3, 0, &gate), 10, 200);
    assert_int_equal(gate.checks[0].verdict, AS_FAIL);
    assert_int_equal(gate.checks[1].verdict, AS_UNDECIDED);
    assert_int_equal(as_gate_exit_code(&gate, false), 1);
    course_free(&c);
    c = course_new("accuracy every >= 1", NULL);
    assert_in_range(go(&c, 2000, 0.05, 0, &gate), 1, 200);
    assert_int_equal(gate.verdict, AS_FAIL);
    assert_non_null(strstr(gate.checks[0].note.ptr, "miss the limit"));
    course_free(&c);
}

// Answers that are missing neither pass a gate nor fail it.
static void test_missing(void **state) {
    (void)state;
    as_gate gate;
    course c = course_new("accuracy drop <= 0.02", NULL);
    assert_int_equal(go(&c, 3000, 0, 0.04, &gate), 3001);
    assert_int_not_equal(gate.verdict, AS_FAIL);
    course_free(&c);
}

static void test_order(void **state) {
    (void)state;
    as_str a = AS_STR("a"), b = AS_STR("b"), doc = AS_STR("doc");
    assert_true(as_sequential_place(1, a, doc) == as_sequential_place(1, b, doc));
    assert_true(as_sequential_place(1, a, AS_STR("")) != as_sequential_place(1, b, AS_STR("")));
    assert_true(as_sequential_place(1, a, AS_STR("")) != as_sequential_place(2, a, AS_STR("")));
    // The same on every machine.
    assert_true(as_sequential_place(42, a, AS_STR("")) == UINT64_C(3942839674029380218));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors), cmocka_unit_test(test_false_alarms),
        cmocka_unit_test(test_stops),   cmocka_unit_test(test_several),
        cmocka_unit_test(test_missing), cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
