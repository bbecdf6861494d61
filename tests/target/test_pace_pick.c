// SPDX-License-Identifier: Apache-2.0
// Which choice a text means, and when the next request may go out.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// cmocka needs the four above first
#include <cmocka.h>

#include "harness/target/pace.h"
#include "harness/target/pick.h"

static void test_pick(void **state) {
    (void)state;
    static const as_str labels[] = {{"card_lost", 9},         {"card", 4},   {"A", 1}, {"B.", 2},
                                    {"\xC3\xA9t\xC3\xA9", 5}, {"not ok", 6}, {"ok", 2}};
    static const struct {
        const char *text;
        size_t want;
    } cases[] = {{"card_lost", 0},
                 {" card\n", 1},
                 {"CARD_LOST", 0},
                 {"**card_lost**.", 0},
                 {"\"A\"", 2},
                 {"b", 3},
                 {"The answer is card_lost.", 0},
                 {"card_lostx", SIZE_MAX},
                 {"card or card_lost", SIZE_MAX},
                 {"the card, I mean the card", 1},
                 {"\xC3\xA9t\xC3\xA9", 4},
                 {"l'\xC3\xA9t\xC3\xA9!", 4},
                 {"it is not ok", 5},
                 {"it is ok", 6},
                 {"An apple", SIZE_MAX},
                 {"", SIZE_MAX},
                 {"???", SIZE_MAX},
                 {"Answer: A", 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (as_pick_choice(as_str_of(cases[i].text), labels, 7) != cases[i].want)
            fail_msg("'%s'", cases[i].text);
    static const as_str twins[] = {{"a", 1}, {"A", 1}};
    assert_int_equal(as_pick_choice(AS_STR("A"), twins, 2), 1);
    assert_int_equal(as_pick_choice(AS_STR("'A'"), twins, 2), SIZE_MAX);
}

static const uint64_t S = 1000000000u;

// Sends as fast as it may from `start` on and returns when the n-th went out.
static uint64_t send_all(as_pace *p, uint64_t now, unsigned count, double tokens) {
    for (unsigned i = 0; i < count; i++) {
        uint64_t at;
        while ((at = as_pace_ready(p, now, 0)) > now) now = at;
        as_pace_sent(p, tokens);
    }
    return now;
}

static void test_limits(void **state) {
    (void)state;
    as_pace p;
    as_pace_start(&p, 600, 0, 60 * S, S); // 10 a second, one at once
    uint64_t end = send_all(&p, S, 101, 0);
    assert_in_range(end, 11 * S - S / 100, 11 * S + S / 100);
    as_pace_start(&p, 0, 6000, 60 * S, S); // 100 tokens a second; 100 at once
    end = send_all(&p, S, 11, 100);
    assert_in_range(end, 10 * S - S / 10, 11 * S + S / 10);
    as_pace_start(&p, 0, 0, 60 * S, S);
    assert_int_equal(send_all(&p, S, 1000, 5), S);
    as_pace_pause(&p, 5 * S);
    assert_int_equal(as_pace_ready(&p, 2 * S, 3), 5 * S);
}

static void test_breaker(void **state) {
    (void)state;
    as_pace p;
    as_pace_start(&p, 0, 0, 60 * S, S);
    for (int i = 0; i < 11; i++) assert_false(as_pace_failed(&p, S, 4));
    assert_true(as_pace_ready(&p, S, 4) <= S);
    assert_false(as_pace_failed(&p, S, 4)); // 12 in a row with 4 out: open
    assert_int_equal(as_pace_ready(&p, S, 1), UINT64_MAX);
    assert_int_equal(as_pace_ready(&p, S, 0), S + S / 2);
    assert_false(as_pace_failed(&p, 2 * S, 0));
    assert_false(as_pace_failed(&p, 3 * S, 0));
    assert_true(as_pace_failed(&p, 4 * S, 0)); // the third probe, and nothing ever worked
    // Something had worked: patience counts.
    as_pace_start(&p, 0, 0, 60 * S, S);
    as_pace_ok(&p);
    for (int i = 0; i < 9; i++) as_pace_failed(&p, S, 0);
    for (int i = 0; i < 10; i++) assert_false(as_pace_failed(&p, 30 * S, 0));
    as_pace_ok(&p);
    assert_true(as_pace_ready(&p, 31 * S, 50) <= 31 * S); // closed again
    for (int i = 0; i < 9; i++) as_pace_failed(&p, 40 * S, 0);
    assert_true(as_pace_failed(&p, 101 * S, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pick), cmocka_unit_test(test_limits),
                                       cmocka_unit_test(test_breaker)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
