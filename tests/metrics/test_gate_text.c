// SPDX-License-Identifier: Apache-2.0
// The grammar of gates: what is read, and what every malformed text is told.
#include "tests/metrics/fixture.h"

#include <math.h>
#include <string.h>

#include "metrics/gate.h"

static void test_good(void **state) {
    (void)state;
    static const struct {
        const char *text, *metric, *slice;
        as_gate_op op;
        double limit;
        bool prove;
    } cases[] = {
        {"accuracy >= 0.89", "accuracy", "", AS_GE, 0.89, false},
        {"f1_macro>=0.85", "f1_macro", "", AS_GE, 0.85, false},
        {"  accuracy\t>  90 % ", "accuracy", "", AS_GT, 0.9, false},
        {"accuracy drop <= 0.01", "accuracy", "", AS_DROP, 0.01, false},
        {"accuracy drop<=1%", "accuracy", "", AS_DROP, 0.01, false},
        {"accuracy[tag=critical] drop <= 0 prove", "accuracy", "tag=critical", AS_DROP, 0, true},
        {"accuracy[tags=critical] >= 1", "accuracy", "tag=critical", AS_GE, 1, false},
        {"accuracy[ channel = web chat ] >= 1", "accuracy", "channel=web chat", AS_GE, 1, false},
        {"latency.p95 <= 100 ms", "latency.p95", "", AS_LE, 100, false},
        {"latency.p95 <= 100", "latency.p95", "", AS_LE, 100, false},
        {"ttft.max < 1.5 s", "ttft.max", "", AS_LT, 1500, false},
        {"latency.p95 drop <= 20ms", "latency.p95", "", AS_DROP, 20, false},
        {"cost.per_case <= 0.0005", "cost.per_case", "", AS_LE, 0.0005, false},
        {"cost.per_case <= 5e-4", "cost.per_case", "", AS_LE, 0.0005, false},
        {"errors == 0", "errors", "", AS_EQ, 0, false},
        {"errors <= 1%", "errors", "", AS_LE, 0.01, false},
        {"mcc >= -0.5", "mcc", "", AS_GE, -0.5, false},
        {"accuracy >= 0.9 prove", "accuracy", "", AS_GE, 0.9, true},
        {"errors <= 1% prove", "errors", "", AS_LE, 0.01, true},
        {"accuracy[tag=canary] every >= 1", "accuracy", "tag=canary", AS_GE, 1, false},
        {"accuracy[tag=*] drop <= 2%", "accuracy", "tag=*", AS_DROP, 0.02, false},
        {"accuracy[note=a[1]] drop <= 2%", "accuracy", "note=a[1]", AS_DROP, 0.02, false},
        {"latency.p95 drop <= 10 %", "latency.p95", "", AS_DROP, 0.1, false},
        {"latency.mean rise <= 5% prove", "latency.mean", "", AS_DROP, 0.05, true},
        {"cost.total rise <= 5%", "cost.total", "", AS_DROP, 0.05, false},
        {"errors rise <= 1%", "errors", "", AS_DROP, 0.01, false},
    };
    as_arena arena = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        as_gate_spec spec;
        as_err err = {0};
        if (as_gate_parse(&arena, as_str_of(cases[i].text), &spec, &err) != AS_OK)
            fail_msg("%s", err.text);
        assert_true(as_str_is(spec.metric, cases[i].metric));
        assert_true(as_str_is(spec.slice, cases[i].slice));
        assert_int_equal(spec.op, cases[i].op);
        fixture_near(spec.limit, cases[i].limit, 1e-15, cases[i].text);
        assert_int_equal(spec.prove, cases[i].prove);
        assert_int_equal(spec.every, strstr(cases[i].text, "every") != NULL);
        bool of_run = strstr(cases[i].text, "latency") || strstr(cases[i].text, "cost");
        assert_int_equal(spec.relative, of_run && strchr(cases[i].text, '%'));
    }
    as_arena_free(&arena);
}

static void test_bad(void **state) {
    (void)state;
    static const struct {
        const char *text, *message; // after "gate 'TEXT', "
    } cases[] = {
        {"", "column 1: expected the name of a metric, found the end"},
        {">= 0.9", "column 1: expected the name of a metric, found '>='"},
        {"acuracy >= 0.9", "column 1: unknown metric 'acuracy'; did you mean 'accuracy'?"},
        {"latency.p96 <= 9", "column 1: unknown metric 'latency.p96'; did you mean 'latency.p90'?"},
        {"accuracy", "column 9: expected '>=', '>', '<=', '<', '==' or 'drop <=', found the end"},
        {"accuracy 0.9",
         "column 10: expected '>=', '>', '<=', '<', '==' or 'drop <=', found '0.9'"},
        {"accuracy => 0.9",
         "column 10: expected '>=', '>', '<=', '<', '==' or 'drop <=', found '=>'"},
        {"accuracy = 0.9",
         "column 10: expected '>=', '>', '<=', '<', '==' or 'drop <=', found '='"},
        {"accuracy drops <= 0.1",
         "column 10: expected '>=', '>', '<=', '<', '==' or 'drop <=', found 'drops'"},
        {"accuracy >=", "column 12: expected a number, found the end"},
        {"accuracy >= high", "column 13: expected a number, found 'high'"},
        {"accuracy >= 0.9.1", "column 13: expected a number, found '0.9.1'"},
        {"accuracy >= -", "column 13: expected a number, found '-'"},
        {"accuracy >= nan", "column 13: expected a number, found 'nan'"},
        {"accuracy >= 0x1",
         "column 14: expected a unit (ms, s, %), 'prove' or the end, found 'x1'"},
        {"accuracy >= 0.9 0.8",
         "column 17: expected a unit (ms, s, %), 'prove' or the end, found '0.8'"},
        {"accuracy == 0.9 prove",
         "column 17: expected the end ('prove' belongs to >=, >, <=, < and 'drop'), found "
         "'prove'"},
        {"accuracy every >= 1 prove",
         "column 21: expected the end ('prove' belongs to >=, >, <=, < and 'drop'), found "
         "'prove'"},
        {"accuracy every", "column 15: expected '>=', '>', '<=', '<' or '==', found the end"},
        {"accuracy every drop <= 1",
         "column 16: expected '>=', '>', '<=', '<' or '==', found 'drop'"},
        {"f1_macro every >= 1",
         "column 10: expected no 'every' on a metric without a score for each case, found "
         "'every'"},
        {"accuracy rise <= 0.1",
         "column 10: expected 'drop': this metric is better when it rises, found 'rise'"},
        {"errors rise >= 0.1", "column 13: expected '<=' after 'rise', found '>='"},
        {"cost.per_correct drop <= 9%", "column 27: expected no '%' on this metric, found '%'"},
        {"accuracy >= 9 ms", "column 15: expected no unit of time on this metric, found 'ms'"},
        {"accuracy drop <= 1 s", "column 20: expected no unit of time on this metric, found 's'"},
        {"latency.p95 <= 9 %", "column 18: expected no '%' on this metric, found '%'"},
        {"cost.total <= 9%", "column 16: expected no '%' on this metric, found '%'"},
        {"latency.p95 <= 9 min",
         "column 18: expected a unit (ms, s, %), 'prove' or the end, found 'min'"},
        {"accuracy drop", "column 14: expected '<=' after 'drop', found the end"},
        {"accuracy drop >= 0.1", "column 15: expected '<=' after 'drop', found '>='"},
        {"accuracy drop < 0.1", "column 15: expected '<=' after 'drop', found '<'"},
        {"accuracy drop <= -0.1", "column 18: expected a margin of 0 or more, found '-0.1'"},
        {"accuracy drop <= 0.1 proof",
         "column 22: expected a unit (ms, s, %), 'prove' or the end, found 'proof'"},
        {"accuracy drop <= 0 prove it", "column 26: expected the end, found 'it'"},
        {"accuracy[", "column 10: expected ']', found the end"},
        {"accuracy[tag] >= 1", "column 13: expected '=' and a value before ']', found ']'"},
        {"accuracy[=x] >= 1", "column 10: expected the name of a field, found '=x]'"},
        {"accuracy[tag=] >= 1", "column 14: expected a value before ']', found ']'"},
        {"accuracy [tag=x] >= 1",
         "column 10: expected '>=', '>', '<=', '<', '==' or 'drop <=', found '[tag=x]'"},
    };
    as_arena arena = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        as_gate_spec spec = {.limit = 123};
        as_err err = {0};
        const char *want = as_strf(&arena, "gate '%s', %s", cases[i].text, cases[i].message).ptr;
        assert_int_equal(as_gate_parse(&arena, as_str_of(cases[i].text), &spec, &err), AS_INVALID);
        assert_string_equal(err.text, want);
        assert_true(spec.limit == 123); // nothing is written on failure
    }
    as_arena_free(&arena);
}

static void test_suite_names(void **state) {
    (void)state;
    as_arena arena = {0};
    as_err err = {0};
    as_metric_spec metric = {.name = AS_STR("span_f1")};
    assert_int_equal(as_yaml_parse(&arena, AS_STR("{name: span_f1, as: label_f1}"), "test",
                                   &metric.options, &err),
                     AS_OK);
    as_gate_spec spec;
    as_str text = AS_STR("label_f1 drop <= 0.01");
    assert_int_equal(as_gate_parse_in(&arena, text, &metric, 1, &spec, &err), AS_OK);
    assert_true(as_str_is(spec.metric, "label_f1"));
    assert_int_equal(as_gate_parse(&arena, text, &spec, &err), AS_INVALID);
    as_arena_free(&arena);
}

// No prefix of a good gate, and no byte put into it, does anything but parse or be refused.
static void test_mangled(void **state) {
    (void)state;
    static const char good[] = "accuracy[tag=critical] drop <= 0.5 % prove";
    as_arena arena = {0};
    for (size_t i = 0; i < sizeof good - 1; i++)
        for (int c = 0; c < 256; c++) {
            char text[sizeof good];
            as_gate_spec spec;
            as_err err = {0};
            memcpy(text, good, sizeof good);
            text[i] = (char)c;
            as_rc rc = as_gate_parse(&arena, (as_str){text, sizeof good - 1}, &spec, &err);
            assert_true(rc == AS_OK || (rc == AS_INVALID && strstr(err.text, "column")));
            rc = as_gate_parse(&arena, (as_str){text, i}, &spec, &err);
            assert_true(rc == AS_OK || rc == AS_INVALID);
        }
    as_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_suite_names),
        cmocka_unit_test(test_mangled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
