// SPDX-License-Identifier: Apache-2.0
// Hostile text, figures and the words of verdicts.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/clock.h"
#include "harness/base/utf8.h"
#include "reports/content.h"
#include "reports/figures.h"
#include "reports/phrase.h"

#define TEXT(literal) ((as_str){literal, sizeof(literal) - 1})

static void expect_markup(as_str text, size_t most, const char *expected) {
    as_buf out = {0};
    as_content_markup(&out, text, most);
    assert_string_equal(out.ptr ? out.ptr : "", expected);
    as_buf_free(&out);
}

static void test_markup(void **state) {
    (void)state;
    expect_markup(TEXT(""), 9, "");
    expect_markup(TEXT("<b>\"&\"'</b>"), 99, "&lt;b&gt;&quot;&amp;&quot;&#39;&lt;/b&gt;");
    expect_markup(TEXT("</script>]]>-->"), 99, "&lt;/script&gt;]]&gt;--&gt;");
    expect_markup(TEXT("a\tb\r\nc\rd"), 99,
                  "a\tb\nc\xe2\x90\x8d"
                  "d");
    expect_markup(TEXT("\x1b[31m\x07\0\x7f"), 99,
                  "\xe2\x90\x9b[31m\xe2\x90\x87\xe2\x90\x80\xe2\x90\xa1");
    expect_markup(TEXT("\xe2\x80\xae"
                       "evil"),
                  99, "&lt;U+202E&gt;evil");
    expect_markup(TEXT("\xc2\x9b"
                       "31m"),
                  99, "&lt;U+009B&gt;31m");                         // CSI as one character
    expect_markup(TEXT("\xf3\xa0\x81\x81"), 99, "&lt;U+E0041&gt;"); // a tag character
    expect_markup(TEXT("\xff\xc0\xaf\xed\xa0\x80"), 99,
                  "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    expect_markup(TEXT("\xef\xbf\xbe\xef\xbf\xbf"), 99, "\xef\xbf\xbd\xef\xbf\xbd");
    expect_markup(TEXT("\xd7\xa9\xd7\x9c"), 99, "\xd7\xa9\xd7\x9c"); // Hebrew is no attack
    expect_markup(TEXT("\xc3\xa4\xc3\xb6\xc3\xbc"), 2,
                  "\xc3\xa4\xc3\xb6\xe2\x80\xa6 [clipped: 6 bytes in all]");
}

static void expect_code(as_str text, const char *expected) {
    as_buf out = {0};
    as_content_code(&out, text, 20);
    assert_string_equal(out.ptr, expected);
    as_buf_free(&out);
}

static void test_markdown_code(void **state) {
    (void)state;
    expect_code(TEXT("plain"), "`plain`");
    expect_code(TEXT(""), "*empty*");
    expect_code(TEXT("a`b``c"), "``` a`b``c ```");
    expect_code(TEXT("`"), "`` ` ``");
    expect_code(TEXT("a|b\\|c"), "`a\xc2\xa6"
                                 "b\\\xc2\xa6"
                                 "c`");
    expect_code(TEXT("a\n\nb\r\nc"), "`a\xe2\x8f\x8e\xe2\x8f\x8e"
                                     "b\xe2\x8f\x8e"
                                     "c`");
    expect_code(TEXT("@all <b>[x](y)"), "`@all <b>[x](y)`");
    expect_code(TEXT(" x "), "`  x  `");
    expect_code(TEXT("012345678901234567890"), "`01234567890123456789\xe2\x80\xa6`");
}

static size_t expect_terminal(as_str text, size_t columns, const char *expected) {
    as_buf out = {0};
    as_buf_text(&out, "");
    size_t used = as_content_terminal(&out, text, columns);
    assert_string_equal(out.ptr, expected);
    as_buf_free(&out);
    return used;
}

static void test_terminal(void **state) {
    (void)state;
    assert_int_equal(expect_terminal(TEXT("abc"), 3, "abc"), 3);
    assert_int_equal(expect_terminal(TEXT("abcd"), 3, "ab\xe2\x80\xa6"), 3);
    assert_int_equal(expect_terminal(TEXT("\x1b]0;x\x07"), 9, "\xe2\x90\x9b]0;x\xe2\x90\x87"), 6);
    assert_int_equal(expect_terminal(TEXT("a\nb"), 9,
                                     "a\xe2\x90\x8a"
                                     "b"),
                     3);
    assert_int_equal(expect_terminal(TEXT("\xe2\x80\xae"), 20, "<U+202E>"), 8);
    assert_int_equal(expect_terminal(TEXT("x\xe2\x80\x8fy"), 20, "xy"), 2); // mark: left out
    // Two columns each: three fit into seven only with the ellipsis.
    assert_int_equal(expect_terminal(TEXT("\xe6\xbc\xa2\xe5\xad\x97\xe8\xa1\xa8\xe7\xa4\xba"), 7,
                                     "\xe6\xbc\xa2\xe5\xad\x97\xe8\xa1\xa8\xe2\x80\xa6"),
                     7);
    assert_int_equal(as_content_width(TEXT("e\xcc\x81")), 1);        // combining
    assert_int_equal(as_content_width(TEXT("\xf0\x9f\x98\x80")), 2); // emoji
    assert_int_equal(expect_terminal(TEXT("abc"), 0, ""), 0);
}

static void test_long_text_is_cheap(void **state) {
    (void)state;
    size_t size = 10 * 1024 * 1024;
    char *bytes = as_mem_new(size);
    memset(bytes, '<', size);
    as_str text = {bytes, size};
    uint64_t start = as_clock_ns();
    as_buf out = {0};
    for (int i = 0; i < 100; i++) {
        as_buf_clear(&out);
        as_content_markup(&out, text, AS_CLIP_TEXT);
        assert_true(out.len < 9000);
        as_content_code(&out, text, AS_CLIP_LINE);
        as_content_terminal(&out, text, 80);
    }
    assert_non_null(strstr(out.ptr, "[clipped: 10,485,760 bytes in all]"));
    assert_true(as_clock_ns() - start < 2000000000u);
    as_buf_free(&out);
    free(bytes);
}

static void test_figures(void **state) {
    (void)state;
    assert_string_equal(as_figure_of(0.9123, AS_UNIT_SHARE).text, "91.2%");
    assert_string_equal(as_figure_of(NAN, AS_UNIT_SHARE).text, "n/a");
    assert_string_equal(as_figure_of(INFINITY, AS_UNIT_MS).text, "n/a");
    assert_string_equal(as_figure_of(-0.00001, AS_UNIT_COEFFICIENT).text, "0.000");
    assert_string_equal(as_figure_of(-0.5, AS_UNIT_COEFFICIENT).text, "\xe2\x88\x92"
                                                                      "0.500");
    assert_string_equal(as_figure_of(12345, AS_UNIT_MS).text, "12.3 s");
    assert_string_equal(as_figure_of(0.0004213, AS_UNIT_MONEY).text, "0.000421");
    assert_string_equal(as_figure_of(1e300, AS_UNIT_NUMBER).text, "1.000e+300");
    assert_string_equal(as_figure_change(-0.018, AS_UNIT_SHARE).text, "\xe2\x88\x92"
                                                                      "1.8 pp");
    assert_string_equal(as_figure_change(0.018, AS_UNIT_SHARE).text, "+1.8 pp");
    assert_string_equal(as_figure_change(0, AS_UNIT_SHARE).text, "\xc2\xb1"
                                                                 "0.0 pp");
    assert_string_equal(as_figure_size(-0.01, AS_UNIT_SHARE).text, "1.0 point");
    assert_string_equal(as_figure_interval((as_interval){0.895, 0.927}, AS_UNIT_SHARE).text,
                        "89.5\xe2\x80\x93"
                        "92.7%");
    assert_string_equal(as_figure_interval((as_interval){-0.1, 0.2}, AS_UNIT_COEFFICIENT).text,
                        "\xe2\x88\x92"
                        "0.100 to 0.200");
    assert_string_equal(as_figure_interval((as_interval){NAN, 0.2}, AS_UNIT_SHARE).text, "n/a");
    assert_string_equal(as_figure_interval((as_interval){900, 20000}, AS_UNIT_MS).text,
                        "0.9\xe2\x80\x93"
                        "20.0 s");
    assert_string_equal(as_figure_count(0).text, "0");
    assert_string_equal(as_figure_count(1212).text, "1,212");
    assert_string_equal(as_figure_count(UINT64_MAX).text, "18,446,744,073,709,551,615");
    assert_string_equal(as_figure_p(0.0004).text, "below 0.001");
    assert_string_equal(as_figure_seconds(200).text, "3 min 20 s");
}

static void test_measures(void **state) {
    (void)state;
    as_measure m = as_figure_measure(TEXT("latency.p95"), TEXT(""), 84);
    assert_true(m.unit == AS_UNIT_MS && m.lower);
    m = as_figure_measure(TEXT("mine"), TEXT("{\"name\": \"bleu\", \"as\": \"mine\"}"), 0.4);
    assert_true(m.unit == AS_UNIT_HUNDRED && !m.lower);
    m = as_figure_measure(TEXT("mine"), TEXT("{broken"), 0.4);
    assert_true(m.unit == AS_UNIT_NUMBER);
    m = as_figure_measure(TEXT("own_score"), TEXT(""), 0.4);
    assert_true(m.unit == AS_UNIT_SHARE && !m.lower);
    m = as_figure_measure(TEXT("own_score"), TEXT(""), 12);
    assert_true(m.unit == AS_UNIT_NUMBER);
}

static void expect_reason(const as_check *check, const char *expected) {
    as_summary run = {0};
    as_buf out = {0};
    as_phrase_reason(&out, &run, check);
    assert_string_equal(out.ptr, expected);
    as_buf_free(&out);
}

static void test_reasons(void **state) {
    (void)state;
    as_check c = {.gate = TEXT("accuracy >= 0.89"),
                  .metric = TEXT("accuracy"),
                  .value = 0.861,
                  .limit = 0.89,
                  .baseline = NAN,
                  .delta = NAN,
                  .p = NAN,
                  .mde = NAN,
                  .verdict = AS_FAIL};
    expect_reason(&c, "86.1%, 2.9 points below the limit of 89.0%");
    c.gate = TEXT("accuracy drop <= 0.01");
    c.value = 0.84, c.baseline = 0.903, c.delta = -0.063, c.p = 0.004, c.broke = 40, c.fixed = 1;
    expect_reason(&c, "84.0%, down 6.3 points from 90.3% (p = 0.004); 40 cases broke, 1 fixed");
    c.verdict = AS_UNDECIDED, c.ci = (as_interval){-0.08, 0.002}, c.needed = 2398, c.broke = 0;
    c.fixed = 0, c.mde = 0.07, c.n = 300;
    expect_reason(&c, "84.0%, down 6.3 points from 90.3%: too few cases to tell, the change may be "
                      "\xe2\x88\x92"
                      "8.0 to +0.2 pp; these 300 cases show drops from 7.0 points; "
                      "about 2,400 would decide it");
    c.verdict = AS_NO_BASELINE;
    expect_reason(&c, "there is no run to compare with");
    c.verdict = AS_UNMEASURABLE, c.value = NAN;
    expect_reason(&c, "there is no value");
}

static void test_gate_sentences(void **state) {
    (void)state;
    as_check checks[3] = {{.verdict = AS_PASS}, {.verdict = AS_FAIL}, {.verdict = AS_PASS}};
    as_gate gate = {.verdict = AS_FAIL, .checks = checks, .count = 3};
    as_buf out = {0};
    as_phrase_gate(&out, &gate);
    assert_string_equal(out.ptr, "1 of 3 checks failed");
    assert_string_equal(as_phrase_verdict(&gate), "Failed");
    as_buf_clear(&out);
    gate = (as_gate){.verdict = AS_PASS, .checks = checks, .count = 1};
    as_phrase_gate(&out, &gate);
    assert_string_equal(out.ptr, "the one check holds");
    gate = (as_gate){.verdict = AS_PASS};
    assert_string_equal(as_phrase_verdict(&gate), "Measured"); // nothing was judged: no "Passed"
    gate = (as_gate){.verdict = AS_UNMEASURABLE};
    assert_string_equal(as_phrase_verdict(&gate), "Not measured");
    as_buf_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_markup),   cmocka_unit_test(test_markdown_code),
        cmocka_unit_test(test_terminal), cmocka_unit_test(test_long_text_is_cheap),
        cmocka_unit_test(test_figures),  cmocka_unit_test(test_measures),
        cmocka_unit_test(test_reasons),  cmocka_unit_test(test_gate_sentences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
