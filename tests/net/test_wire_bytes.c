// SPDX-License-Identifier: Apache-2.0
// Bytes and texts of the net layer without a socket: events, URLs, Retry-After, keys.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// cmocka needs the four above first
#include <cmocka.h>

#include "harness/base/log.h"
#include "harness/net/retry.h"
#include "harness/net/secret.h"
#include "harness/net/sse.h"
#include "harness/net/url.h"

static void note(void *context, as_str event, as_str data) {
    as_buff(context, "<%.*s|%.*s>", AS_STR_ARG(event), AS_STR_ARG(data));
}

static void expect_events(const char *stream, const char *wanted) {
    as_str all = as_str_of(stream);
    // Cut at every byte, and byte by byte: the pieces must not matter.
    for (size_t cut = 0; cut <= all.len + 1; cut++) {
        as_sse sse = {0};
        as_buf got = {0};
        if (cut <= all.len) {
            as_sse_feed(&sse, as_str_sub(all, 0, cut), note, &got);
            as_sse_feed(&sse, as_str_sub(all, cut, all.len), note, &got);
        } else {
            for (size_t i = 0; i < all.len; i++)
                as_sse_feed(&sse, as_str_sub(all, i, i + 1), note, &got);
        }
        as_sse_end(&sse, note, &got);
        assert_string_equal(got.ptr ? got.ptr : "", wanted);
        as_sse_free(&sse);
        as_buf_free(&got);
    }
}

static void test_sse(void **state) {
    (void)state;
    // The examples of the WHATWG text, then the odd ones.
    expect_events("data: YHOO\ndata: +2\ndata: 10\n\n", "<|YHOO\n+2\n10>");
    expect_events(
        ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third "
        "event\n\n",
        "<|first event><|second event><| third event>");
    expect_events("data\n\ndata\ndata\n\ndata:", "<|><|\n><|>");
    expect_events("data:test\n\ndata: test\n\n", "<|test><|test>");
    expect_events("data: a\r\n\r\ndata: b\r\rdata: c\n\n", "<|a><|b><|c>");
    expect_events("event: error\ndata: {\"x\": 1}\n\ndata: y\n\n", "<error|{\"x\": 1}><|y>");
    expect_events("\xEF\xBB\xBF"
                  "data: marked\n\n",
                  "<|marked>");
    expect_events("\xEF\xBB"
                  "data: no mark\n\ndata: ok\n\n",
                  "<|ok>");
    expect_events("data: never closed", "<|never closed>");
    expect_events(": only comments\n:\n\n\n", "");
    expect_events("", "");
}

static void test_url(void **state) {
    (void)state;
    as_err err;
    as_url a, b;
    assert_int_equal(as_url_parse(AS_STR("http://h/v1?x=1#f"), &a, &err), AS_OK);
    assert_true(as_str_is(a.host, "h") && a.port == 80 && as_str_is(a.path, "/v1?x=1"));
    assert_int_equal(as_url_parse(AS_STR("https://[::1]:8443"), &a, &err), AS_OK);
    assert_true(as_str_is(a.host, "::1") && a.port == 8443 && a.tls && !a.path.len);
    assert_true(as_url_is_loopback(&a));
    static const char *const bad[] = {"ftp://x",  "http://",       "http://u:p@h/", "http://h:0/",
                                      "h/v1",     "http://h:1x/",  "http://h /",    "http://[::1",
                                      "https:/h", "http://h:70000"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(as_url_parse(as_str_of(bad[i]), &a, &err), AS_INVALID);
        assert_null(strstr(err.text, "u:p")); // a password is not repeated
    }
    static const struct {
        const char *from, *to;
        bool keeps;
    } pairs[] = {{"http://a/x", "http://A/y", true},         {"http://a/", "https://a/", true},
                 {"https://a/", "http://a/", false},         {"http://a/", "http://b/", false},
                 {"http://a:81/", "http://a:82/", false},    {"http://a/", "http://a.b/", false},
                 {"http://a:8080/", "https://a:443/", false}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        assert_int_equal(as_url_parse(as_str_of(pairs[i].from), &a, &err), AS_OK);
        assert_int_equal(as_url_parse(as_str_of(pairs[i].to), &b, &err), AS_OK);
        assert_int_equal(as_url_keeps_origin(&a, &b), pairs[i].keeps);
    }
    as_arena arena = {0};
    assert_string_equal(as_url_join(&arena, AS_STR("http://h/v1/"), AS_STR("/chat")).ptr,
                        "http://h/v1/chat");
    assert_string_equal(as_url_join(&arena, AS_STR("http://h?v=1"), AS_STR("chat")).ptr,
                        "http://h/chat?v=1");
    as_arena_free(&arena);
}

static void test_retry(void **state) {
    (void)state;
    const int64_t example = 784111777000; // RFC 9110, 5.6.7
    as_str date = AS_STR("Sun, 06 Nov 1994 08:49:37 GMT"), none = AS_STR("");
    assert_int_equal(as_retry_date_ms(date), example);
    assert_int_equal(as_retry_date_ms(AS_STR("Thu, 29 Feb 2024 00:00:00 GMT")), 1709164800000);
    assert_int_equal(as_retry_date_ms(AS_STR("Sunday, 06-Nov-94 08:49:37 GMT")), -1);
    assert_int_equal(as_retry_date_ms(AS_STR("Sun, 06 Nox 1994 08:49:37 GMT")), -1);
    assert_int_equal(as_retry_after_ms(AS_STR(" 120 "), none, 0), 120000);
    assert_int_equal(as_retry_after_ms(AS_STR("0.5"), none, 0), 500);
    assert_int_equal(as_retry_after_ms(AS_STR("-1"), none, 0), -1);
    assert_int_equal(as_retry_after_ms(AS_STR("soon"), none, 0), -1);
    assert_int_equal(as_retry_after_ms(AS_STR("999999999999999999"), none, 0), INT64_MAX);
    assert_int_equal(as_retry_after_ms(date, none, example - 7000), 7000);
    assert_int_equal(as_retry_after_ms(date, none, example + 7000), 0);
    // The server's own clock counts, whatever ours says.
    assert_int_equal(
        as_retry_after_ms(date, AS_STR("Sun, 06 Nov 1994 08:49:30 GMT"), example + 1000000), 7000);
    as_rng rng = as_rng_of(1, 2);
    for (unsigned attempt = 0; attempt < 70; attempt++) {
        uint64_t most = attempt > 5 ? 8000 : 250u << attempt;
        if (most > 8000) most = 8000;
        uint64_t wait = as_retry_backoff_ms(attempt, 250, 8000, &rng);
        assert_in_range(wait, most / 2, most);
    }
    assert_true(as_retry_status(429) && as_retry_status(503) && as_retry_status(408));
    assert_false(as_retry_status(400) || as_retry_status(401) || as_retry_status(200));
}

static void test_secret(void **state) {
    (void)state;
    as_arena arena = {0};
    as_err err = {0};
    as_str key;
    static const char *const coded[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}}; // RFC 4648, 10
    for (size_t i = 0; i < sizeof coded / sizeof *coded; i++)
        assert_string_equal(as_secret_base64(&arena, as_str_of(coded[i][0])).ptr, coded[i][1]);
    unsetenv("ASSAY_TEST_KEY");
    assert_int_equal(as_secret_load(&arena, AS_STR("ASSAY_TEST_KEY"), AS_STR(""), &key, &err),
                     AS_OK);
    assert_null(key.ptr);
    setenv("ASSAY_TEST_KEY", "sk-canary/42+7", 1);
    assert_int_equal(as_secret_load(&arena, AS_STR("ASSAY_TEST_KEY"), AS_STR(""), &key, &err),
                     AS_OK);
    assert_true(as_str_is(key, "sk-canary/42+7"));
    as_buf text = {0};
    as_buf_text(&text, "a sk-canary/42+7 b c2stY2FuYXJ5LzQyKzc= c sk-canary%2F42%2B7 d");
    as_log_redact(&text, 0);
    assert_string_equal(text.ptr, "a *** b ***= c *** d");
    as_buf_free(&text);
    setenv("ASSAY_TEST_KEY", "two\nlines", 1);
    assert_int_equal(as_secret_load(&arena, AS_STR("ASSAY_TEST_KEY"), AS_STR(""), &key, &err),
                     AS_INVALID);
    assert_null(strstr(err.text, "lines"));
    assert_int_equal(as_secret_load(&arena, AS_STR(""), AS_STR("/nowhere/key"), &key, &err),
                     AS_INVALID);
    as_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sse), cmocka_unit_test(test_url),
                                       cmocka_unit_test(test_retry), cmocka_unit_test(test_secret)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
