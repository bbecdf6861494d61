// SPDX-License-Identifier: Apache-2.0
// The Prometheus text format: the examples of its definition, and what is none.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// cmocka needs the four above first
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "harness/net/prom.h"

typedef struct seen {
    as_prom_sample samples[16];
    size_t count;
} seen;

static void note(void *seen_in, const as_prom_sample *sample) {
    seen *s = seen_in;
    assert_true(s->count < 16);
    s->samples[s->count++] = *sample;
}

static as_rc read_all(const char *text, seen *out, as_err *err) {
    *out = (seen){0};
    *err = (as_err){0};
    return as_prom_read(as_str_of(text), note, out, err);
}

static void test_samples(void **state) {
    (void)state;
    seen s;
    as_err err;
    assert_int_equal(
        read_all("# HELP http_requests_total The total number of HTTP requests.\n"
                 "# TYPE http_requests_total counter\n"
                 "http_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000\n"
                 "http_requests_total{method=\"post\",code=\"400\",}    3 1395066363000\r\n"
                 "\n"
                 "msdos_file_access_time_seconds{path=\"C:\\\\DIR\\\\FILE.TXT\",error=\"Cannot "
                 "find file:\\n\\\"FILE.TXT\\\" }\"} 1.458255915e9\n"
                 "metric_without_timestamp_and_labels 12.47\n"
                 "something_weird{problem=\"division by zero\"} +Inf -3982045\n"
                 "vllm:a { } NaN\n"
                 "  spaced\t{ a = \"b\" , c=\"\" }\t-1e-3 # {trace=\"x\"} 1\n"
                 "last -Inf",
                 &s, &err),
        AS_OK);
    assert_int_equal(s.count, 8);
    static const struct {
        const char *name, *labels;
        double value;
    } want[] = {
        {"http_requests_total", "method=\"post\",code=\"200\"", 1027},
        {"http_requests_total", "method=\"post\",code=\"400\",", 3},
        {"msdos_file_access_time_seconds",
         "path=\"C:\\\\DIR\\\\FILE.TXT\",error=\"Cannot find file:\\n\\\"FILE.TXT\\\" }\"",
         1.458255915e9},
        {"metric_without_timestamp_and_labels", "", 12.47},
        {"something_weird", "problem=\"division by zero\"", INFINITY},
        {"vllm:a", " ", NAN},
        {"spaced", " a = \"b\" , c=\"\" ", -1e-3},
        {"last", "", -INFINITY},
    };
    for (size_t i = 0; i < s.count; i++) {
        assert_true(as_str_is(s.samples[i].name, want[i].name));
        assert_true(as_str_is(s.samples[i].labels, want[i].labels));
        if (isnan(want[i].value))
            assert_true(isnan(s.samples[i].value));
        else
            assert_true(s.samples[i].value == want[i].value);
    }
}

static void test_no_samples(void **state) {
    (void)state;
    static const char *const bad[] = {
        "a",        "a ",       "a x",           "1a 1",        "a{ 1",        "a{b} 1",
        "a{b=} 1",  "a{b=c} 1", "a{b=\"c} 1",    "a{b=\"c\" 1", "a{=\"c\"} 1", "a{b=\"c\"}",
        "<html> 1", "a 0x10",   "a{b=\"\\\"} 1", "a 1e",        "{a=\"b\"} 1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[64];
        seen s;
        as_err err;
        snprintf(text, sizeof text, "first 1\n%s\nnever 2\n", bad[i]);
        assert_int_equal(read_all(text, &s, &err), AS_INVALID);
        assert_int_equal(s.count, 1);
        assert_non_null(strstr(err.text, "line 2"));
    }
    seen s;
    as_err err;
    assert_int_equal(read_all("", &s, &err), AS_OK);
    assert_int_equal(read_all("# only words\n\n", &s, &err), AS_OK);
    assert_int_equal(s.count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_samples),
                                       cmocka_unit_test(test_no_samples)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
