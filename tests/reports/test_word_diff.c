// SPDX-License-Identifier: Apache-2.0
// Word diffs: what is marked, that the unmarked parts are equal, and that content stays content.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"
#include "reports/trend/word_diff.h"

static void check(const char *a, const char *b, const char *left, const char *right) {
    as_buf l = {0}, r = {0};
    as_word_diff(&l, &r, as_str_of(a), as_str_of(b));
    assert_string_equal(l.ptr ? l.ptr : "", left);
    assert_string_equal(r.ptr ? r.ptr : "", right);
    as_buf_free(&l);
    as_buf_free(&r);
}

static void test_words(void **state) {
    (void)state;
    check("a b c", "a x c", "a <del>b</del> c", "a <ins>x</ins> c");
    check("same", "same", "same", "same");
    check("", "new", "", "<ins>new</ins>");
    check("old", "", "<del>old</del>", "");
    check("one two", "one two three", "one two", "one two<ins> three</ins>");
    check("card_lost", "card_stolen", "<del>card_lost</del>", "<ins>card_stolen</ins>");
    check("<b>1</b>", "<i>1</i>", "&lt;<del>b</del>&gt;1&lt;/<del>b</del>&gt;",
          "&lt;<ins>i</ins>&gt;1&lt;/<ins>i</ins>&gt;");
}

// Without the marked parts, what is left of both sides is the same text; with them, all is there.
static void take(const as_buf *side, const char *tag, char *all, char *common) {
    char open[8], close[8];
    bool marked = false;
    snprintf(open, sizeof open, "<%s>", tag);
    snprintf(close, sizeof close, "</%s>", tag);
    for (const char *p = side->ptr; p && *p;) {
        if (strncmp(p, open, 5) == 0) {
            marked = true;
            p += 5;
        } else if (strncmp(p, close, 6) == 0) {
            marked = false;
            p += 6;
        } else {
            *all++ = *p;
            if (!marked) *common++ = *p;
            p++;
        }
    }
    *all = *common = '\0';
}

static void test_random_texts(void **state) {
    (void)state;
    for (uint64_t trial = 0; trial < 500; trial++) {
        as_rng rng = as_rng_of(3, trial);
        char texts[2][64], all[64], common[2][64];
        for (int t = 0; t < 2; t++) {
            size_t len = as_rng_below(&rng, 40);
            for (size_t i = 0; i < len; i++) texts[t][i] = "ab  c."[as_rng_below(&rng, 6)];
            texts[t][len] = '\0';
        }
        as_buf left = {0}, right = {0};
        as_word_diff(&left, &right, as_str_of(texts[0]), as_str_of(texts[1]));
        take(&left, "del", all, common[0]);
        assert_string_equal(all, texts[0]);
        take(&right, "ins", all, common[1]);
        assert_string_equal(all, texts[1]);
        assert_string_equal(common[0], common[1]);
        as_buf_free(&left);
        as_buf_free(&right);
    }
}

static void test_long_texts_end(void **state) {
    (void)state;
    size_t size = 10 * 1024 * 1024;
    char *a = malloc(size), *b = malloc(size);
    for (size_t i = 0; i < size; i++) a[i] = i % 2 ? ' ' : 'x', b[i] = i % 3 ? '.' : '\x1b';
    as_buf left = {0}, right = {0};
    as_word_diff(&left, &right, (as_str){a, size}, (as_str){b, size});
    assert_true(left.len > 1000 && left.len < 100000 && right.len < 100000);
    assert_null(memchr(right.ptr, '\x1b', right.len));
    as_buf_free(&left);
    as_buf_free(&right);
    free(a);
    free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_random_texts),
        cmocka_unit_test(test_long_texts_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
