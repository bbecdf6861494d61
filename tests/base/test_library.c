// SPDX-License-Identifier: Apache-2.0
// Libraries are taken in when they are needed, and one that cannot be had is named.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/load/library.h"

static struct {
    double (*cos)(double);
    double (*none)(double);
} math;

static void functions_are_found(void **state) {
    (void)state;
    static const as_library_name names[] = {{"cos", &math.cos}};
    static as_library library = AS_LIBRARY("libm.so.6", names);
    as_err err;
    for (int i = 0; i < 2; i++) assert_int_equal(as_library_take(&library, &err), AS_OK);
    assert_true(math.cos(0.0) == 1.0);
}

static void what_is_missing_is_named(void **state) {
    (void)state;
    static const as_library_name names[] = {{"assay_none", &math.none}};
    static as_library nowhere = AS_LIBRARY("libassay-none.so.1", names);
    static as_library older = AS_LIBRARY("libm.so.6", names);
    as_err err;
    assert_int_equal(as_library_take(&nowhere, &err), AS_UNMEASURED);
    assert_non_null(strstr(err.text, "libassay-none.so.1"));
    assert_int_equal(as_library_take(&older, &err), AS_UNMEASURED);
    assert_string_equal(err.text, "library libm.so.6 is too old: it has no assay_none");
    assert_false(older.taken);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(functions_are_found),
                                       cmocka_unit_test(what_is_missing_is_named)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
