// SPDX-License-Identifier: Apache-2.0
// Price books: exact costs, the model that fits, and mistakes with their place.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// cmocka needs the four above first
#include <cmocka.h>

#include "harness/suite/prices.h"

static as_rc read_text(as_arena *arena, const char *text, as_prices *out, as_err *err) {
    char path[] = "/tmp/assay-prices-XXXXXX";
    int fd = mkstemp(path);
    assert_true(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    as_rc rc = as_prices_read(arena, path, out, err);
    unlink(path);
    return rc;
}

static void test_costs(void **state) {
    (void)state;
    as_arena arena = {0};
    as_prices p;
    as_err err = {0};
    const char *book =
        "version: 2026-11-01\ncurrency: EUR\nmodels:\n"
        "  a: {input: 0.15, output: 0.60}\n  llama*: {input: 1, output: 2}\n"
        "  llama-3*: {input: 0.000000001, output: 0}\n  llama-3-8b: {input: 3, output: 4}\n";
    if (read_text(&arena, book, &p, &err)) fail_msg("%s", err.text);
    assert_true(as_str_is(p.version, "2026-11-01") && as_str_is(p.currency, "EUR"));
    const as_price *a = as_prices_find(&p, AS_STR("a"));
    // By hand: 1234 x 0.15 + 567 x 0.60 = 525.3 millionths.
    assert_true(as_prices_cost(&p, a, 1234, 567) == 0.0005253);
    assert_true(as_prices_cost(&p, a, 3, 0) == 0.00000045);
    assert_true(as_prices_cost(&p, a, 0, 0) == 0);
    // 0.1 + 0.2 is not 0.3 in floating point; here it is.
    as_price tenth = {.input = 100000000, .output = 200000000};
    assert_true(as_prices_cost(&p, &tenth, 1000000, 1000000) == 0.3);
    assert_true(as_prices_cost(&p, &tenth, UINT64_MAX, 0) > 1.8e12); // does not wrap
    assert_true(as_prices_find(&p, AS_STR("llama-3-8b"))->input == 3000000000u);
    assert_true(as_prices_find(&p, AS_STR("llama-3-70b"))->input == 1);
    assert_true(as_prices_find(&p, AS_STR("llama2"))->input == 1000000000u);
    assert_null(as_prices_find(&p, AS_STR("b")));
    as_arena_free(&arena);
}

static void test_mistakes(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {{"models: {a: {input: 1, output: 1}}", "'version' is missing"},
                 {"version: 1\n", "'models'"},
                 {"version: 1\nmodels:\n  a: {input: 1}", ":3:"},
                 {"version: 1\nmodels:\n  a: {input: 1, output: x}", "decimal fraction"},
                 {"version: 1\nmodels:\n  a: {input: 1, output: 1e-3}", "decimal fraction"},
                 {"version: 1\nmodels:\n  a: {input: 1, output: -1}", "decimal fraction"},
                 {"version: 1\nmodels:\n  a: {input: 1, output: 0.1234567891}", "decimal fraction"},
                 {"version: 1\nmodels:\n  a: {input: 1, ouput: 1}", "unknown key 'ouput'"},
                 {"version: 1\nper: 0\nmodels: {a: {input: 1, output: 1}}", "per is"},
                 {"[1]", "expected a map"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        as_arena arena = {0};
        as_prices p;
        as_err err = {0};
        assert_int_equal(read_text(&arena, cases[i].text, &p, &err), AS_INVALID);
        if (!strstr(err.text, cases[i].says)) fail_msg("%s: %s", cases[i].text, err.text);
        as_arena_free(&arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_costs),
                                       cmocka_unit_test(test_mistakes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
