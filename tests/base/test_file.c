// SPDX-License-Identifier: Apache-2.0
// Files: whole, replaced, appended to, line by line; and what the log takes out of its messages.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/base/clock.h"
#include "harness/base/file.h"
#include "harness/base/log.h"
#include "tests/suite/scratch.h"

static void expect_content(const char *path, const char *wanted) {
    as_arena arena = {0};
    as_str text;
    as_err err = {0};
    assert_int_equal(as_file_read(&arena, path, 1 << 20, &text, &err), AS_OK);
    assert_true(as_str_is(text, wanted));
    assert_string_equal(text.ptr, wanted);
    as_arena_free(&arena);
}

static void test_whole(void **state) {
    (void)state;
    as_arena arena = {0};
    as_err err = {0};
    as_str text;
    as_mapped map;
    const char *path = scratch_file("a.txt", "hello");
    expect_content(path, "hello");
    assert_int_equal(as_file_read(&arena, path, 4, &text, &err), AS_INVALID);
    assert_non_null(strstr(err.text, "5 bytes, more than the 4 allowed"));
    assert_int_equal(as_file_map(path, &map, &err), AS_OK);
    assert_int_equal(map.size, 5);
    as_file_unmap(&map);
    assert_int_equal(as_file_map(scratch_file("empty", ""), &map, &err), AS_OK);
    assert_null(map.bytes);
    as_file_unmap(&map);
    assert_int_equal(as_file_read(&arena, "/tmp", 9, &text, &err), AS_INVALID);
    assert_non_null(strstr(err.text, "'/tmp': it is a directory"));
    assert_int_equal(as_file_read(&arena, "/dev/null", 9, &text, &err), AS_INVALID);
    assert_int_equal(as_file_read(&arena, "/nope", 9, &text, &err), AS_INVALID);
    assert_non_null(strstr(err.text, "cannot read '/nope': No such file"));
    as_arena_free(&arena);
}

static void test_replace(void **state) {
    (void)state;
    as_err err = {0};
    const char *path = scratch_file("a.txt", "old");
    assert_int_equal(as_file_replace(path, AS_STR("new content"), &err), AS_OK);
    expect_content(path, "new content");
    assert_false(as_file_exists(scratch_path("a.txt.tmp")));
    scratch_file("a.txt.tmp", "left by one that was killed");
    assert_int_equal(as_file_replace(scratch_path("a.txt"), AS_STR("newer"), &err), AS_OK);
    expect_content(scratch_path("a.txt"), "newer");
    assert_false(as_file_exists(scratch_path("a.txt.tmp")));
    assert_int_equal(as_file_replace("/nope/x", AS_STR("y"), &err), AS_UNMEASURED);
    assert_int_equal(as_file_replace("/dev/full/x", AS_STR("y"), &err), AS_UNMEASURED);
}

// Each writes a file of one letter many times: what is there at the end is one writer's, whole.
static void test_replace_at_once(void **state) {
    (void)state;
    enum { WRITERS = 4, TIMES = 25, SIZE = 3000 };
    const char *path = scratch_file("many.txt", "");
    pid_t children[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i]) continue;
        char bytes[SIZE];
        memset(bytes, 'a' + i, sizeof bytes);
        as_err err = {0};
        as_rc rc = AS_OK;
        for (int k = 0; !rc && k < TIMES; k++)
            rc = as_file_replace(path, (as_str){bytes, sizeof bytes}, &err);
        _exit(rc != AS_OK);
    }
    for (int i = 0; i < WRITERS; i++) {
        int status = -1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    as_arena arena = {0};
    as_str text;
    as_err err = {0};
    assert_int_equal(as_file_read(&arena, path, 1 << 20, &text, &err), AS_OK);
    assert_int_equal(text.len, SIZE);
    for (size_t i = 0; i < text.len; i++) assert_int_equal(text.ptr[i], text.ptr[0]);
    assert_false(as_file_exists(scratch_path("many.txt.tmp")));
    as_arena_free(&arena);
}

static void test_paths(void **state) {
    (void)state;
    as_arena arena = {0};
    as_err err = {0};
    assert_true(as_str_is(as_path_dir(&arena, AS_STR("a/b/c")), "a/b"));
    assert_true(as_str_is(as_path_dir(&arena, AS_STR("/c")), "/"));
    assert_true(as_str_is(as_path_dir(&arena, AS_STR("c")), "."));
    assert_true(as_str_is(as_path_join(&arena, AS_STR("a"), AS_STR("b")), "a/b"));
    assert_true(as_str_is(as_path_join(&arena, AS_STR("a"), AS_STR("/b")), "/b"));
    assert_true(as_str_is(as_path_join(&arena, AS_STR("."), AS_STR("b")), "b"));
    assert_int_equal(as_dir_make(scratch_path("x/y/z"), &err), AS_OK);
    assert_int_equal(as_dir_make(scratch_path("x/y/z"), &err), AS_OK);
    assert_true(as_file_exists(scratch_path("x/y/z")));
    scratch_file("file", "");
    assert_int_equal(as_dir_make(scratch_path("file/under"), &err), AS_INVALID);
    assert_int_equal(as_dir_make(scratch_path("file"), &err), AS_INVALID);
    as_arena_free(&arena);
}

static void test_append(void **state) {
    (void)state;
    as_err err = {0};
    as_appender file;
    const char *path = scratch_path("log.jsonl");
    assert_int_equal(as_append_open(&file, path, SIZE_MAX, &err), AS_OK);
    assert_int_equal(as_append_add(&file, AS_STR("one\n"), &err), AS_OK);
    assert_int_equal(as_append_add(&file, AS_STR("two\n"), &err), AS_OK);
    assert_int_equal(as_append_sync(&file, &err), AS_OK);
    as_append_close(&file);
    as_append_close(&file);
    expect_content(path, "one\ntwo\n");
    assert_int_equal(as_append_open(&file, path, SIZE_MAX, &err), AS_OK);
    assert_int_equal(as_append_add(&file, AS_STR("three\n"), &err), AS_OK);
    as_append_close(&file);
    expect_content(path, "one\ntwo\nthree\n");
    // A torn record at the end is cut before going on.
    assert_int_equal(as_append_open(&file, path, 8, &err), AS_OK);
    assert_int_equal(as_append_add(&file, AS_STR("3\n"), &err), AS_OK);
    as_append_close(&file);
    expect_content(path, "one\ntwo\n3\n");
    assert_int_equal(as_append_open(&file, "/nope/x", SIZE_MAX, &err), AS_INVALID);
    assert_int_equal(as_append_open(&file, "/dev/full", SIZE_MAX, &err), AS_OK);
    assert_int_equal(as_append_add(&file, AS_STR("x"), &err), AS_UNMEASURED);
    assert_non_null(strstr(err.text, "cannot write '/dev/full': No space left"));
    as_append_close(&file);
}

static void test_lines(void **state) {
    (void)state;
    as_err err = {0};
    as_lines lines;
    as_str line;
    bool more = true;
    static const char *const wanted[] = {"a", "", "b\rc", "", "last"};
    assert_int_equal(
        as_lines_open(&lines, scratch_file("l.txt", "a\n\r\nb\rc\r\n\nlast"), 10, &err), AS_OK);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(as_lines_next(&lines, &line, &more, &err), AS_OK);
        assert_true(more);
        assert_true(as_str_is(line, wanted[i]));
        assert_int_equal(lines.line, i + 1);
    }
    assert_int_equal(as_lines_next(&lines, &line, &more, &err), AS_OK);
    assert_false(more);
    as_lines_close(&lines);

    assert_int_equal(as_lines_open(&lines, scratch_file("l.txt", "short\n12345678901\n"), 10, &err),
                     AS_OK);
    assert_int_equal(as_lines_next(&lines, &line, &more, &err), AS_OK);
    assert_int_equal(as_lines_next(&lines, &line, &more, &err), AS_INVALID);
    assert_non_null(strstr(err.text, "l.txt:2: the line is longer than 10 bytes"));
    as_lines_close(&lines);

    // Lines across the borders of what is read at once.
    as_buf text = {0};
    for (int i = 0; i < 20000; i++) as_buff(&text, "%0*d\n", i % 37 + 1, i % 7);
    assert_int_equal(as_lines_open(&lines, scratch_bytes("l.txt", text.ptr, text.len), 100, &err),
                     AS_OK);
    for (int i = 0; i < 20000; i++) {
        assert_int_equal(as_lines_next(&lines, &line, &more, &err), AS_OK);
        assert_int_equal(line.len, i % 37 + 1);
        assert_int_equal(line.ptr[line.len - 1], '0' + i % 7);
    }
    as_lines_close(&lines);
    as_buf_free(&text);
}

static void test_redact(void **state) {
    (void)state;
    as_buf text = {0};
    as_log_secret(AS_STR("sk-123456"));
    as_log_secret(AS_STR("short")); // too short to be one
    as_buf_text(&text, "sk-123456 key sk-123456sk-123456 short");
    as_log_redact(&text, 4);
    assert_string_equal(text.ptr, "sk-123456 key ****** short");
    as_buf_free(&text);
}

static void test_clock(void **state) {
    (void)state;
    char text[25];
    as_clock_rfc3339(1795489445678, text);
    assert_string_equal(text, "2026-11-24T03:04:05.678Z");
    as_clock_rfc3339(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    uint64_t before = as_clock_ns();
    assert_true(as_clock_ns() >= before);
    assert_true(as_clock_wall_ms() > 1600000000000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),           cmocka_unit_test(test_replace),
        cmocka_unit_test(test_replace_at_once), cmocka_unit_test(test_paths),
        cmocka_unit_test(test_append),          cmocka_unit_test(test_lines),
        cmocka_unit_test(test_redact),          cmocka_unit_test(test_clock),
    };
    return cmocka_run_group_tests(tests, NULL, scratch_remove);
}
