// SPDX-License-Identifier: Apache-2.0
// cmocka.h - as much of cmocka as the tests of the kernels use, for a machine that has no cmocka:
// run.sh puts this folder first. A failed assertion ends the program.
#ifndef AS_ARM64_CMOCKA_H
#define AS_ARM64_CMOCKA_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define print_message(...) printf(__VA_ARGS__)
#define fail_msg(...)                                                                              \
    do {                                                                                           \
        printf("%s:%d: ", __FILE__, __LINE__);                                                     \
        printf(__VA_ARGS__);                                                                       \
        printf("\n");                                                                              \
        exit(1);                                                                                   \
    } while (0)
#define assert_true(holds)                                                                         \
    do {                                                                                           \
        if (!(holds)) fail_msg("%s", #holds);                                                      \
    } while (0)
#define assert_false(holds) assert_true(!(holds))
#define assert_null(p) assert_true((p) == NULL)
#define assert_non_null(p) assert_true((p) != NULL)
#define assert_ptr_equal(a, b) assert_true((const void *)(a) == (const void *)(b))
#define assert_int_equal(a, b) assert_true((long long)(a) == (long long)(b))
#define assert_in_range(x, low, high) assert_true((x) >= (low) && (x) <= (high))
#define assert_string_equal(a, b) assert_true(strcmp((a), (b)) == 0)
#define assert_memory_equal(a, b, size) assert_true(memcmp((a), (b), (size)) == 0)

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
    int (*setup)(void **state);
};

#define cmocka_unit_test(f)                                                                        \
    { #f, f, NULL }
#define cmocka_unit_test_setup(f, setup)                                                           \
    { #f, f, setup }
#define cmocka_run_group_tests(tests, before, after)                                               \
    run_tests(tests, sizeof(tests) / sizeof(tests)[0])

static inline int run_tests(const struct CMUnitTest *tests, size_t count) {
    for (size_t i = 0; i < count; i++) {
        void *state = NULL;
        if (tests[i].setup && tests[i].setup(&state)) return 1;
        tests[i].run(&state);
        printf("ok %s\n", tests[i].name);
        fflush(stdout);
    }
    return 0;
}

#endif
