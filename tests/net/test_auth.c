// SPDX-License-Identifier: Apache-2.0
// Who asks and who may be asked: AWS signatures against botocore's, tokens of commands, the list of
// hosts that are allowed.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// cmocka needs the four above first
#include <cmocka.h>

#include <stdio.h>

#include "harness/base/file.h"
#include "harness/base/log.h"
#include "harness/net/allow.h"
#include "harness/net/auth.h"

static void test_sigv4(void **state) {
    (void)state;
    as_lines lines;
    as_err err = {0};
    as_str line;
    bool more = true;
    size_t count = 0;
    assert_int_equal(as_lines_open(&lines, "tests/net/sigv4_vectors.tsv", 4096, &err), AS_OK);
    while (!as_lines_next(&lines, &line, &more, &err) && more) {
        as_str f[8];
        for (size_t i = 0; i < 8; i++) f[i] = as_str_cut(&line, '\t');
        as_sigv4_key key = {.id = AS_STR("AKIDEXAMPLE"),
                            .secret = AS_STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
                            .token = f[4],
                            .region = AS_STR("us-east-1"),
                            .service = f[5]};
        as_url url;
        int64_t wall_ms;
        as_buf out = {0};
        assert_int_equal(as_url_parse(f[1], &url, &err), AS_OK);
        assert_true(as_str_to_i64(f[6], &wall_ms));
        as_sigv4_sign(&key, f[0], &url, f[2], f[3], wall_ms, &out);
        assert_non_null(strstr(out.ptr, "X-Amz-Date: 20150830T123600Z\n"));
        assert_int_equal(strstr(out.ptr, "X-Amz-Security-Token: ") != NULL, f[4].len > 0);
        as_str authorization = as_buf_view(&out);
        size_t at = as_str_find(authorization, AS_STR("Authorization: "), 0);
        authorization = as_str_sub(authorization, at + 15, authorization.len);
        if (!as_str_eq(authorization, f[7]))
            fail_msg("line %zu: %.*s", count + 1, AS_STR_ARG(authorization));
        as_buf_free(&out);
        count++;
    }
    as_lines_close(&lines);
    assert_int_equal(count, 6);
}

static as_rc ask(as_auth *auth, as_buf *out, as_err *err) {
    as_buf_clear(out);
    return as_auth_headers(auth, AS_STR("POST"), AS_STR("http://h/"), AS_STR(""), AS_STR(""), out,
                           err);
}

static void test_command(void **state) {
    (void)state;
    char dir[] = "/tmp/assay-auth-XXXXXX", text[64];
    assert_non_null(mkdtemp(dir));
    as_auth auth = {.command = "echo x >> ran; echo token-$(wc -l < ran); echo more",
                    .dir = dir,
                    .header = AS_STR("Authorization"),
                    .prefix = AS_STR("Bearer "),
                    .keep_s = 3600};
    as_buf out = {0};
    as_err err = {0};
    for (int i = 0; i < 3; i++) { // kept: one run of the command
        assert_int_equal(ask(&auth, &out, &err), AS_OK);
        assert_string_equal(out.ptr, "Authorization: Bearer token-1");
    }
    assert_true(as_auth_forget(&auth, auth.serial - 1)); // there is another one since
    assert_int_equal(ask(&auth, &out, &err), AS_OK);
    assert_string_equal(out.ptr, "Authorization: Bearer token-1");
    assert_true(as_auth_forget(&auth, auth.serial));
    assert_int_equal(ask(&auth, &out, &err), AS_OK);
    assert_string_equal(out.ptr, "Authorization: Bearer token-2");
    as_buf said = {0};
    as_buf_text(&said, "got token-2");
    as_log_redact(&said, 0);
    assert_string_equal(said.ptr, "got ***");
    as_buf_free(&said);
    // An object with a lifetime: one that is over is asked for anew each time.
    as_auth_forget(&auth, auth.serial);
    auth.command = "echo x >> ran; echo '{\"access_token\": \"token-'$(wc -l < ran)'\", "
                   "\"expires_in\": 1}'";
    for (int i = 3; i < 5; i++) {
        assert_int_equal(ask(&auth, &out, &err), AS_OK);
        snprintf(text, sizeof text, "Authorization: Bearer token-%d", i);
        assert_string_equal(out.ptr, text);
    }
    static const char *const bad[][2] = {{"echo secret-output >&2; exit 3", "exit code 3"},
                                         {"true", "printed no token"},
                                         {"printf 'two words'", "printed no token"},
                                         {"echo '{\"error\": \"x\"}'", "printed no token"},
                                         {"kill -9 $$", "signal 9"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        as_auth_forget(&auth, auth.serial);
        auth.command = bad[i][0];
        assert_int_equal(ask(&auth, &out, &err), AS_UNMEASURED);
        if (!strstr(err.text, bad[i][1])) fail_msg("%s", err.text);
    }
    as_auth_free(&auth);
    as_buf_free(&out);
    snprintf(text, sizeof text, "%s/ran", dir);
    unlink(text);
    rmdir(dir);
}

static bool reached(const char *text) {
    as_url url;
    as_err err = {0};
    assert_int_equal(as_url_parse(as_str_of(text), &url, &err), AS_OK);
    return as_allow_has(&url);
}

static void test_allow(void **state) {
    (void)state;
    as_err err = {0};
    assert_true(reached("http://anything/"));
    static const char *const hosts[] = {"One.example", "two.example:8443", "*.corp.example",
                                        "*.0.0.1",     "[::1]:90",         "10.0.0.1:80"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        assert_int_equal(as_allow_add(as_str_of(hosts[i]), &err), AS_OK);
    static const struct {
        const char *url;
        bool in;
    } urls[] = {{"https://one.example/x", true},
                {"http://ONE.EXAMPLE:1234/", true},
                {"http://one.example./", true},
                {"http://xone.example/", false},
                {"http://one.example.evil/", false},
                {"https://two.example:8443/", true},
                {"https://two.example/", false},
                {"http://a.corp.example/", true},
                {"http://a.b.corp.example:99/", true},
                {"http://corp.example/", false},
                {"http://acorp.example/", false},
                {"http://[::1]:90/", true},
                {"http://[::1]/", false},
                {"http://10.0.0.1/", true},
                {"https://10.0.0.1/", false},
                {"http://167772161/", false},
                {"http://127.0.0.1/", false},
                {"http://one.example@evil.test/", false}};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        as_url url;
        bool parsed = !as_url_parse(as_str_of(urls[i].url), &url, &err);
        if ((parsed && as_allow_has(&url)) != urls[i].in) fail_msg("%s", urls[i].url);
    }
    static const char *const wrong[] = {"",    "*",   "http://h", "h/x", "h:0",
                                        "h:x", "*.*", "a b",      "[::1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(as_allow_add(as_str_of(wrong[i]), &err), AS_INVALID);
    as_allow_clear();
    assert_true(reached("http://anything/"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sigv4), cmocka_unit_test(test_command),
                                       cmocka_unit_test(test_allow)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
