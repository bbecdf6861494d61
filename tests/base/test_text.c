// SPDX-License-Identifier: Apache-2.0
// Strings, UTF-8, letters, numbers as text, tables, random numbers, hashes, regular expressions.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/letter.h"
#include "harness/base/map.h"
#include "harness/base/regex.h"
#include "harness/base/rng.h"
#include "harness/base/sha256.h"
#include "harness/base/utf8.h"

static void test_str(void **state) {
    (void)state;
    as_arena arena = {0};
    as_str s = AS_STR("a=b=c"), rest = s;
    assert_true(as_str_is(as_str_cut(&rest, '='), "a"));
    assert_true(as_str_is(rest, "b=c"));
    assert_true(as_str_is(as_str_cut(&rest, '='), "b"));
    assert_true(as_str_is(as_str_cut(&rest, '='), "c"));
    assert_null(rest.ptr);
    assert_true(as_str_is(as_str_trim(AS_STR(" \t\r\n x y \v\f")), "x y"));
    assert_int_equal(as_str_trim(AS_STR("  ")).len, 0);
    assert_true(as_str_starts(s, AS_STR("a=")) && !as_str_starts(AS_STR("a"), AS_STR("ab")));
    assert_true(as_str_ends(s, AS_STR("=c")) && as_str_ends(s, AS_STR("")));
    assert_int_equal(as_str_find(s, AS_STR("="), 2), 3);
    assert_true(as_str_find(s, AS_STR("x"), 0) == SIZE_MAX);
    assert_int_equal(as_str_find(s, AS_STR(""), 5), 5);
    assert_true(as_str_find(s, AS_STR(""), 6) == SIZE_MAX);
    assert_int_equal(as_str_sub(s, 9, 12).len, 0);
    assert_true(as_str_cmp(AS_STR("a"), AS_STR("ab")) < 0);
    assert_true(as_str_cmp(AS_STR("\xc3\xa9"), AS_STR("z")) > 0);
    assert_true(as_str_eq((as_str){NULL, 0}, AS_STR("")));
    as_str copy = as_str_copy(&arena, as_str_sub(s, 0, 3));
    assert_string_equal(copy.ptr, "a=b");
    assert_string_equal(as_strf(&arena, "%d-%s", 7, "x").ptr, "7-x");
    as_buf buf = {0};
    for (int i = 0; i < 1000; i++) as_buff(&buf, "%d,", i % 10);
    assert_int_equal(buf.len, 2000);
    as_buf_clear(&buf);
    assert_string_equal(buf.ptr, "");
    as_buf_free(&buf);
    as_arena_free(&arena);
}

static void test_arena(void **state) {
    (void)state;
    as_arena arena = {0};
    for (size_t size = 0; size < 3000; size += 7) {
        unsigned char *p = as_arena_take(&arena, size);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++) assert_int_equal(p[i], 0);
        memset(p, 0xff, size);
    }
    size_t held = as_arena_held(&arena);
    as_arena_reset(&arena);
    assert_true(as_arena_held(&arena) < held);
    assert_int_equal(*(unsigned char *)as_arena_take(&arena, 1), 0);
    as_arena_free(&arena);
    assert_int_equal(as_arena_held(&arena), 0);
}

static void expect_i64(const char *text, bool good, int64_t value) {
    int64_t out = 0;
    assert_int_equal(as_str_to_i64(as_str_of(text), &out), good);
    if (good) assert_true(out == value);
}

static void expect_f64(const char *text, bool good, double value) {
    double out = 0;
    assert_int_equal(as_str_to_f64(as_str_of(text), &out), good);
    if (good) assert_true(out == value);
}

static void expect_text(double value, const char *text) {
    char out[32];
    size_t len = as_f64_text(value, out);
    assert_string_equal(out, text);
    assert_int_equal(len, strlen(text));
}

static void test_numbers(void **state) {
    (void)state;
    expect_i64("0", true, 0);
    expect_i64("-9223372036854775808", true, INT64_MIN);
    expect_i64("9223372036854775808", false, 0);
    expect_i64("", false, 0);
    expect_i64(" 1", false, 0);
    expect_i64("1 ", false, 0);
    expect_i64("0x10", false, 0);
    expect_f64("1.5e3", true, 1500);
    expect_f64("-.5", true, -0.5);
    expect_f64("inf", false, 0);
    expect_f64("nan", false, 0);
    expect_f64("0x1p3", false, 0);
    expect_f64("1e999", false, 0);
    expect_f64("1,5", false, 0);
    expect_text(0.1, "0.1");
    expect_text(1e-7, "1e-07");
    expect_text(3, "3");
    expect_text(1.0 / 3, "0.3333333333333333");
    expect_text(5e-324, "4.94065645841247e-324");
    expect_text(1e300 * 1e10, "null");
    as_rng rng = as_rng_of(1, 2);
    for (int i = 0; i < 20000; i++) {
        union {
            uint64_t bits;
            double value;
        } any = {.bits = as_rng_u64(&rng)};
        char out[32];
        double back;
        if (any.value - any.value != 0) continue; // not finite
        as_str text = {out, as_f64_text(any.value, out)};
        assert_true(as_str_to_f64(text, &back) && back == any.value);
    }
}

// Numbers of few decimals are written without the C library, but as it would.
static void test_short_numbers(void **state) {
    (void)state;
    expect_text(0, "0");
    expect_text(-0.0, "-0");
    expect_text(-12.5, "-12.5");
    expect_text(0.0001, "0.0001");
    expect_text(0.00009, "9e-05");
    expect_text(999999999.999999, "999999999.999999");
    expect_text(1e9, "1000000000");
    as_rng rng = as_rng_of(3, 4);
    for (int i = 0; i < 20000; i++) {
        double value = (double)(as_rng_u64(&rng) >> (i % 64)) / (i % 3 ? 1e6 : 1e7);
        char text[32];
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, i % 2 ? value : -value);
            if (strtod(text, NULL) == (i % 2 ? value : -value)) break;
        }
        expect_text(i % 2 ? value : -value, text);
    }
    static const int64_t whole[] = {0, 7, -7, 10, 1234567890, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        as_buf buf = {0};
        char text[32];
        as_buf_i64(&buf, whole[i]);
        snprintf(text, sizeof text, "%lld", (long long)whole[i]);
        assert_string_equal(buf.ptr, text);
        as_buf_free(&buf);
    }
}

static void test_nearest(void **state) {
    (void)state;
    static const char *const names[] = {"accuracy", "f1_macro", "exact_match", "latency", NULL};
    assert_string_equal(as_str_nearest(AS_STR("acuracy"), names), "accuracy");
    assert_string_equal(as_str_nearest(AS_STR("f1macro"), names), "f1_macro");
    assert_string_equal(as_str_nearest(AS_STR("latnecy"), names), "latency");
    assert_null(as_str_nearest(AS_STR("zzz"), names));
    assert_null(as_str_nearest(AS_STR(""), names));
    char longer[300];
    memset(longer, 'a', sizeof longer);
    assert_null(as_str_nearest((as_str){longer, sizeof longer}, names));
}

static void test_utf8(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t len, bad; // SIZE_MAX: all good
    } cases[] = {
        {"plain ascii text", 16, SIZE_MAX},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x99\x82", 9, SIZE_MAX},
        {"a\xff", 2, 1},
        {"\xc0\x80", 2, 0},         // overlong
        {"\xe0\x9f\xbf", 3, 0},     // overlong
        {"\xf0\x8f\xbf\xbf", 4, 0}, // overlong
        {"\xed\xa0\x80", 3, 0},     // a surrogate
        {"\xf4\x90\x80\x80", 4, 0}, // past U+10FFFF
        {"\xf4\x8f\xbf\xbf", 4, SIZE_MAX},
        {"ab\xe2\x82", 4, 2}, // cut short
        {"12345678\x80", 9, 8},
        {"", 0, SIZE_MAX},
    };
    as_arena arena = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        as_str s = {cases[i].bytes, cases[i].len};
        assert_true(as_utf8_invalid_at(s) == cases[i].bad);
        assert_true(as_utf8_invalid_at(as_utf8_clean(&arena, s)) == SIZE_MAX);
    }
    assert_true(as_str_is(as_utf8_clean(&arena, AS_STR("a\xff"
                                                       "b")),
                          "a\xef\xbf\xbd"
                          "b"));
    for (uint32_t c = 0; c < 0x110000; c += c < 0x3000 ? 1 : 97) {
        if (c >= 0xd800 && c <= 0xdfff) continue;
        char bytes[4];
        as_str s = {bytes, as_utf8_put(c, bytes)};
        size_t at = 0;
        assert_true(as_utf8_invalid_at(s) == SIZE_MAX);
        assert_int_equal(as_utf8_next(s, &at), c);
        assert_int_equal(at, s.len);
    }
    assert_int_equal(as_utf8_count(AS_STR("a\xc3\xa9\xf0\x9f\x99\x82")), 3);
    as_arena_free(&arena);
}

static void test_letters(void **state) {
    (void)state;
    as_arena arena = {0};
    assert_true(as_str_is(as_letter_upper_str(&arena, AS_STR("aé ß жω1")), "AÉ SS ЖΩ1"));
    char broken[512]; // what is no UTF-8 grows most
    as_str (*const cases[])(as_arena *, as_str) = {as_letter_lower_str, as_letter_upper_str};
    memset(broken, 0xff, sizeof broken);
    for (size_t i = 0; i < 2; i++) {
        as_arena one = {0};
        as_str changed = cases[i](&one, (as_str){broken, sizeof broken});
        assert_int_equal(changed.len, 3 * sizeof broken);
        for (size_t at = 0; at < changed.len;) assert_int_equal(as_utf8_next(changed, &at), 0xfffd);
        as_arena_free(&one);
    }
    assert_true(as_str_is(as_letter_lower_str(&arena, AS_STR("AÉ ŸЖΩ1")), "aé ÿжω1"));
    assert_int_equal(as_letter_lower(0x130), 0x130); // becomes two in Python; stays here
    assert_true(as_letter_is_cased('a') && !as_letter_is_cased('1'));
    assert_true(as_letter_is_space(0xa0) && as_letter_is_space(0x3000));
    assert_false(as_letter_is_space(0x200b));
    as_arena_free(&arena);
}

static void test_map(void **state) {
    (void)state;
    as_arena arena = {0};
    as_map map = {0};
    uint64_t value = 0;
    assert_false(as_map_get(&map, AS_STR("a"), &value));
    for (uint64_t i = 0; i < 10000; i++)
        assert_true(as_map_add(&map, as_strf(&arena, "k%llu", (unsigned long long)i), i, NULL));
    assert_int_equal(map.count, 10000);
    for (uint64_t i = 0; i < 10000; i++) {
        as_str key = as_strf(&arena, "k%llu", (unsigned long long)i);
        assert_true(as_map_get(&map, key, &value) && value == i);
        assert_false(as_map_add(&map, key, 0, &value));
        assert_int_equal(value, i);
    }
    assert_true(as_map_add(&map, AS_STR(""), 1, NULL));
    assert_false(as_map_add(&map, (as_str){NULL, 0}, 1, NULL));
    assert_true(as_map_add(&map, (as_str){"\0", 1}, 2, NULL));
    as_map_free(&map);
    as_arena_free(&arena);
}

// Strings of one bucket of as_str_hash, as a file can be made of, and some that are nearly alike:
// by its low bits and by its high ones, the hash of tables puts 1024 of them into about 647 of 1024
// buckets (standard deviation 10).
static void test_table_hash(void **state) {
    (void)state;
    enum { BUCKETS = 1024, KINDS = 3 };
    for (int kind = 0; kind < KINDS; kind++) {
        bool low[BUCKETS] = {false}, high[BUCKETS] = {false};
        size_t lows = 0, highs = 0;
        for (uint64_t i = 0, taken = 0; taken < BUCKETS; i++) {
            char text[40];
            static const char *const forms[KINDS] = {"%llu", "a word of several words, %llu",
                                                     "%llx"};
            snprintf(text, sizeof text, forms[kind], (unsigned long long)i);
            if (kind == 0 && as_str_hash(as_str_of(text)) % BUCKETS) continue;
            uint64_t hash = as_str_table_hash(as_str_of(text));
            assert_true(hash == as_str_table_hash(as_str_of(text)));
            lows += !low[hash % BUCKETS];
            highs += !high[hash >> 54];
            low[hash % BUCKETS] = high[hash >> 54] = true;
            taken++;
        }
        assert_in_range(lows, 570, 730);
        assert_in_range(highs, 570, 730);
    }
    assert_true(as_str_table_hash(AS_STR("a")) != as_str_table_hash((as_str){"a\0", 2}));
}

// Chi square over 10 buckets: 9 degrees of freedom, 99.99 % below 33.7.
static void test_rng(void **state) {
    (void)state;
    size_t counts[10] = {0};
    as_rng rng = as_rng_of(42, 7), same = as_rng_of(42, 7), other = as_rng_of(42, 8);
    assert_true(as_rng_u64(&rng) == as_rng_u64(&same));
    assert_true(as_rng_u64(&rng) != as_rng_u64(&other));
    for (int i = 0; i < 100000; i++) counts[as_rng_below(&rng, 10)]++;
    double chi = 0;
    for (int i = 0; i < 10; i++) chi += ((double)counts[i] - 1e4) * ((double)counts[i] - 1e4) / 1e4;
    assert_true(chi < 33.7);
    // A bound that does not divide 2^64 must not favour small values: 3 * 2^62.
    size_t low = 0;
    uint64_t bound = (uint64_t)3 << 62;
    for (int i = 0; i < 30000; i++) low += as_rng_below(&rng, bound) < bound / 3;
    assert_true(low > 9700 && low < 10300);
    double sum = 0;
    for (int i = 0; i < 100000; i++) {
        double unit = as_rng_unit(&rng);
        assert_true(unit >= 0 && unit < 1);
        sum += unit;
    }
    assert_true(sum > 49500 && sum < 50500);
    // Streams of one seed do not follow each other.
    as_rng next = as_rng_of(42, 9);
    uint64_t differ = 0;
    for (int i = 0; i < 64; i++) differ |= as_rng_u64(&next) ^ as_rng_u64(&other);
    assert_true(differ == UINT64_MAX);
    for (int i = 0; i < 100; i++) assert_int_equal(as_rng_below(&rng, 1), 0);
}

static void test_sha256(void **state) {
    (void)state;
    as_arena arena = {0};
    assert_true(as_str_is(as_sha256_of(&arena, AS_STR("abc")),
                          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    assert_true(as_str_is(as_sha256_of(&arena, AS_STR("")),
                          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    as_arena_free(&arena);
}

static void test_regex(void **state) {
    (void)state;
    as_regex *regex;
    as_err err = {0};
    as_str groups[AS_REGEX_GROUPS_MAX];
    assert_int_equal(as_regex_new(AS_STR("(\\w+)@(\\w+)|(x)"), 0, &regex, &err), AS_OK);
    assert_int_equal(as_regex_match(regex, AS_STR("to ann@home now"), 0, groups), 3);
    assert_true(as_str_is(groups[0], "ann@home"));
    assert_true(as_str_is(groups[2], "home"));
    assert_int_equal(as_regex_match(regex, AS_STR("x"), 0, groups), 4);
    assert_null(groups[1].ptr);
    assert_int_equal(as_regex_match(regex, AS_STR("nothing"), 0, groups), 0);
    assert_int_equal(as_regex_match(regex, (as_str){NULL, 0}, 0, groups), 0);
    as_regex_free(regex);
    assert_int_equal(as_regex_new(AS_STR("É+"), AS_REGEX_CASELESS, &regex, &err), AS_OK);
    assert_int_equal(as_regex_match(regex, AS_STR("caféÉ"), 0, groups), 1);
    assert_true(as_str_is(groups[0], "éÉ"));
    as_regex_free(regex);
    assert_int_equal(as_regex_new(AS_STR("a(b"), 0, &regex, &err), AS_INVALID);
    assert_non_null(strstr(err.text, "'a(b' is wrong at offset 3"));
    // Catastrophic backtracking ends at the limit.
    assert_int_equal(as_regex_new(AS_STR("(a+)+$|(x+x+)+y"), 0, &regex, &err), AS_OK);
    assert_int_equal(
        as_regex_match(regex, AS_STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"), 0, groups), -1);
    as_regex_free(regex);
    // More groups than are kept.
    assert_int_equal(as_regex_new(AS_STR("(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)"),
                                  0, &regex, &err),
                     AS_OK);
    assert_int_equal(as_regex_match(regex, AS_STR("aaaaaaaaaaaaaaaaaaaa"), 0, groups),
                     AS_REGEX_GROUPS_MAX);
    as_regex_free(regex);
}

static void test_err(void **state) {
    (void)state;
    as_err err = {0};
    assert_int_equal(as_fail(&err, AS_INVALID, "cannot %s", "x"), AS_INVALID);
    as_err_prefix(&err, "file '%s'", "y");
    assert_string_equal(err.text, "file 'y': cannot x");
    for (int i = 0; i < 200; i++) as_err_prefix(&err, "a rather long prefix %d", i);
    assert_true(strlen(err.text) < AS_ERR_TEXT_MAX);
    assert_int_equal(as_fail(NULL, AS_UNMEASURED, "%d", 1), AS_UNMEASURED);
    assert_int_equal(as_exit_code(AS_INVALID), 2);
    assert_int_equal(as_exit_code(AS_INTERRUPTED), 130);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_str),        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_numbers),    cmocka_unit_test(test_short_numbers),
        cmocka_unit_test(test_nearest),    cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_letters),    cmocka_unit_test(test_map),
        cmocka_unit_test(test_table_hash), cmocka_unit_test(test_rng),
        cmocka_unit_test(test_sha256),     cmocka_unit_test(test_regex),
        cmocka_unit_test(test_err),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
