// SPDX-License-Identifier: Apache-2.0
// Programs beside this one: what they are given and say, how they end, and what they leave behind.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/base/child.h"
#include "harness/base/clock.h"

enum { LONG_S = 600 };

static uint64_t in_ms(uint64_t ms) {
    return as_clock_ns() + ms * 1000000;
}

static void start(as_child *child, const char *command, bool reads) {
    const char *argv[] = {"sh", "-c", command, NULL};
    as_err err;
    as_rc rc =
        as_child_new(&(as_child_start){.argv = argv, .dir = "/", .reads = reads}, child, &err);
    assert_int_equal(rc, AS_OK);
}

static void check(const char *command, as_str in, const char *said, const char *status) {
    as_arena arena = {0};
    as_buf out = {0};
    as_child child;
    bool late = true;
    start(&child, command, in.len > 0);
    assert_int_equal(as_child_exchange(&child, in, in_ms(LONG_S * 1000), 1 << 22, &out),
                     AS_CHILD_ENDED);
    int ended = as_child_wait(&child, in_ms(LONG_S * 1000), &late);
    assert_false(late);
    assert_int_equal(child.pid, 0);
    assert_true(as_str_is(as_child_status(&arena, ended), status));
    if (said) assert_true(as_str_is(as_buf_view(&out), said));
    as_buf_free(&out);
    as_arena_free(&arena);
}

static void test_what_they_say(void **state) {
    (void)state;
    check("pwd; cat", AS_STR(""), "/\n", ""); // its stdin is empty
    check("cat", AS_STR("a line\n"), "a line\n", "");
    check("echo no; exit 3", AS_STR("never read"), "no\n", "ended with exit code 3");
    check("kill -9 $$", AS_STR(""), "", "was killed by signal 9");
}

// More than pipes hold, both ways at once.
static void test_much(void **state) {
    (void)state;
    enum { SIZE = 3 << 20 };
    char *text = malloc(SIZE);
    as_buf out = {0};
    as_child child;
    for (size_t i = 0; i < SIZE; i++) text[i] = (char)('a' + i % 23);
    start(&child, "cat", true);
    as_child_talk talk =
        as_child_exchange(&child, (as_str){text, SIZE}, in_ms(LONG_S * 1000), SIZE, &out);
    assert_int_equal(talk, AS_CHILD_ENDED);
    assert_int_equal(as_child_wait(&child, in_ms(LONG_S * 1000), NULL), 0);
    assert_int_equal(out.len, SIZE);
    assert_memory_equal(out.ptr, text, SIZE);
    as_buf_clear(&out);
    start(&child, "cat", true);
    talk = as_child_exchange(&child, (as_str){text, SIZE}, in_ms(LONG_S * 1000), 1000, &out);
    assert_int_equal(talk, AS_CHILD_TOO_MUCH);
    as_child_stop(&child, 0);
    as_buf_free(&out);
    free(text);
}

static void test_too_late(void **state) {
    (void)state;
    as_buf out = {0};
    as_child child;
    bool late = false;
    start(&child, "exec sleep 600", false);
    assert_int_equal(as_child_exchange(&child, AS_STR(""), in_ms(20), 10, &out), AS_CHILD_LATE);
    assert_int_equal(WTERMSIG(as_child_stop(&child, 0)), SIGKILL);
    start(&child, "exec sleep 600 >/dev/null", false);
    assert_int_equal(as_child_exchange(&child, AS_STR(""), in_ms(LONG_S * 1000), 10, &out),
                     AS_CHILD_ENDED);
    assert_int_equal(WTERMSIG(as_child_wait(&child, in_ms(20), &late)), SIGKILL);
    assert_true(late);
    start(&child, "exec sleep 600", true);
    assert_int_equal(WTERMSIG(as_child_stop(&child, 20)), SIGTERM);
    start(&child, "trap '' TERM; echo up; while :; do sleep 1; done", true);
    while (!out.len) as_child_exchange(&child, AS_STR("x"), in_ms(20), 10, &out);
    assert_int_equal(WTERMSIG(as_child_stop(&child, 20)), SIGKILL);
    as_buf_free(&out);
}

// The group ends with it, whatever its members ignore.
static void test_nothing_is_left(void **state) {
    (void)state;
    as_buf out = {0};
    as_child child;
    start(&child, "trap '' TERM; sleep 600 >/dev/null 2>&1 & echo $!", false);
    assert_int_equal(as_child_exchange(&child, AS_STR(""), in_ms(LONG_S * 1000), 100, &out),
                     AS_CHILD_ENDED);
    pid_t group = child.pid, left = (pid_t)strtol(out.ptr, NULL, 10);
    assert_true(left > 1 && group != getpgrp());
    assert_int_equal(as_child_wait(&child, in_ms(LONG_S * 1000), NULL), 0);
    for (uint64_t until = in_ms(LONG_S * 1000); kill(-group, 0) == 0; usleep(1000))
        assert_true(as_clock_ns() < until);
    assert_int_equal(errno, ESRCH);
    as_buf_free(&out);
}

static void test_none(void **state) {
    (void)state;
    const char *argv[] = {"/nowhere/program", NULL};
    as_child child;
    as_err err;
    assert_int_equal(as_child_new(&(as_child_start){.argv = argv, .reads = true}, &child, &err),
                     AS_UNMEASURED);
    assert_string_equal(err.text, "cannot start '/nowhere/program': No such file or directory");
    assert_int_equal(as_child_stop(&child, 100), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_they_say), cmocka_unit_test(test_much),
        cmocka_unit_test(test_too_late),      cmocka_unit_test(test_nothing_is_left),
        cmocka_unit_test(test_none),
    };
    signal(SIGPIPE, SIG_IGN); // as the program does
    return cmocka_run_group_tests(tests, NULL, NULL);
}
