// SPDX-License-Identifier: Apache-2.0
// vectors.h - a file of test vectors, a JSON object a line, each looked at by `check`: how much of
// it fails. Include it after cmocka.
#ifndef AS_TEST_VECTORS_H
#define AS_TEST_VECTORS_H

#include "harness/base/file.h"
#include "harness/base/json.h"

typedef size_t vector_check(as_arena *arena, const as_json *vector, unsigned long long line);

// Returns how many vectors there are; fails the test if any does.
static inline size_t check_vectors(const char *path, vector_check *check) {
    as_lines lines;
    as_err err = {0};
    assert_int_equal(as_lines_open(&lines, path, 1 << 20, &err), 0);
    as_arena arena = {0};
    size_t count = 0, failed = 0;
    for (bool more = true;;) {
        as_str line;
        assert_int_equal(as_lines_next(&lines, &line, &more, &err), 0);
        if (!more) break;
        const as_json *vector;
        as_arena_reset(&arena);
        assert_int_equal(as_json_parse(&arena, line, &vector, &err), 0);
        failed += check(&arena, vector, (unsigned long long)lines.line);
        count++;
    }
    as_lines_close(&lines);
    as_arena_free(&arena);
    assert_int_equal(failed, 0);
    return count;
}

#endif
