// SPDX-License-Identifier: Apache-2.0
// What the hub says on the wire, and names of files.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// cmocka needs the three above first
#include <cmocka.h>

#include "harness/net/hub.h"

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const as_str endpoint = {"https://hub.example/", 20};

static void names(void **state) {
    (void)state;
    static const struct {
        const char *spec, *repo, *revision, *file;
    } good[] = {
        {"hf:a/b/c.gguf", "a/b", "main", "c.gguf"},
        {"hf:a/b-1.0_x/d/e f.gguf", "a/b-1.0_x", "main", "d/e f.gguf"},
        {"hf:a/b@v1.0/c@2.gguf", "a/b", "v1.0", "c@2.gguf"},
        {"hf:a/b@refs%2Fpr%2F1/c", "a/b", "refs%2Fpr%2F1", "c"},
        {"https://hub.example/a/b/resolve/main/d/c.gguf?download=true", "a/b", "main", "d/c.gguf"},
        {"https://hub.example/a/b/blob/v1/c.gguf", "a/b", "v1", "c.gguf"},
    };
    static const char *const bad[] = {"hf:",
                                      "hf:a",
                                      "hf:a/b",
                                      "hf:a/b/",
                                      "hf:a/b@/c",
                                      "hf:a/b@v1",
                                      "hf:/b/c",
                                      "hf:a/b/../c",
                                      "hf:a/b//c",
                                      "hf:a/b/c\r\nX: y",
                                      "hf:a/.b/c",
                                      "hf:a b/c/d",
                                      "hf:a/b@v 1/c",
                                      "https://hub.example/a/b/raw/main/c",
                                      "https://hub.example/a/b",
                                      "https://hub.example",
                                      "https://other.example/a/b/resolve/main/c",
                                      ""};
    as_hub_file file;
    as_err err;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (as_hub_parse(as_str_of(good[i].spec), endpoint, &file, &err)) fail_msg("%s", err.text);
        assert_true(as_str_is(file.repo, good[i].repo));
        assert_true(as_str_is(file.revision, good[i].revision));
        assert_true(as_str_is(file.file, good[i].file));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (as_hub_parse(as_str_of(bad[i]), endpoint, &file, &err) != AS_INVALID)
            fail_msg("'%s' was taken", bad[i]);
}

static void urls(void **state) {
    (void)state;
    as_arena arena = {0};
    as_hub_file file = {AS_STR("a/b"), AS_STR("main"), AS_STR("d/e f#1?%.gguf")};
    as_str url = as_hub_url(&arena, endpoint, &file, "resolve", file.revision);
    assert_string_equal(url.ptr, "https://hub.example/a/b/resolve/main/d/e%20f%231%3F%25.gguf");
    as_arena_free(&arena);
}

static void headers(void **state) {
    (void)state;
    as_hub_facts facts = as_hub_facts_of(
        AS_STR("HTTP/2 302\nX-Repo-Commit: 0123456789abcdef0123456789abcdef01234567\n"
               "x-linked-etag: W/\"" SHA "\"\nX-LINKED-SIZE:  42 \nX-Error-Code: GatedRepo\n"));
    assert_true(as_str_is(facts.commit, "0123456789abcdef0123456789abcdef01234567"));
    assert_true(as_str_is(facts.sha256, SHA));
    assert_true(as_str_is(facts.error_code, "GatedRepo"));
    assert_int_equal(facts.size, 42);
    facts =
        as_hub_facts_of(AS_STR("X-Repo-Commit: main\nX-Linked-Etag: \"0123\"\nX-Linked-Size: -1"));
    assert_int_equal(facts.commit.len + facts.sha256.len + facts.error_code.len, 0);
    assert_int_equal(facts.size, 0);
    assert_null(as_hub_header(AS_STR("a: b\n"), "c").ptr);
}

static void pointers(void **state) {
    (void)state;
    as_hub_facts facts = {0};
    assert_true(as_hub_pointer(
        AS_STR("version https://git-lfs.github.com/spec/v1\noid sha256:" SHA "\nsize 12345\n"),
        &facts));
    assert_true(as_str_is(facts.sha256, SHA));
    assert_int_equal(facts.size, 12345);
    static const char *const bad[] = {
        "",
        "GGUF",
        "version https://git-lfs.github.com/spec/v1\n",
        "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 1\n",
        "version https://git-lfs.github.com/spec/v1\noid sha256:" SHA "\nsize x\n",
        "version https://git-lfs.github.com/spec/v1\noid md5:" SHA "\nsize 1\n",
        "oid sha256:" SHA "\nsize 1\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(as_hub_pointer(as_str_of(bad[i]), &facts));
    assert_int_equal(facts.size, 12345); // untouched
}

static void ranges(void **state) {
    (void)state;
    uint64_t first, total;
    assert_true(as_hub_range(AS_STR("bytes 5-9/10"), &first, &total));
    assert_int_equal(first, 5);
    assert_int_equal(total, 10);
    static const char *const bad[] = {"",
                                      "5-9/10",
                                      "bytes 5-9/*",
                                      "bytes */10",
                                      "bytes 5-4/10",
                                      "bytes 5-10/10",
                                      "bytes -1-4/10",
                                      "bytes 5"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(as_hub_range(as_str_of(bad[i]), &first, &total));
}

static void parts(void **state) {
    (void)state;
    as_arena arena = {0};
    as_str first = AS_STR("d/m-00001-of-00012.gguf");
    assert_int_equal(as_hub_parts(first), 12);
    assert_string_equal(as_hub_part(&arena, first, 12).ptr, "d/m-00012-of-00012.gguf");
    assert_int_equal(as_hub_parts(AS_STR("m-00002-of-00012.gguf")), 0);
    assert_int_equal(as_hub_parts(AS_STR("m.gguf")), 1);
    assert_int_equal(as_hub_parts(AS_STR("m-00001-of-00000.gguf")), 1);
    assert_int_equal(as_hub_parts(AS_STR("-00001-of-00002.gguf")), 1);
    assert_int_equal(as_hub_parts(AS_STR("m-00001-of-99999.gguf")), 1);
    as_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),    cmocka_unit_test(urls),   cmocka_unit_test(headers),
        cmocka_unit_test(pointers), cmocka_unit_test(ranges), cmocka_unit_test(parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
