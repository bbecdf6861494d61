// SPDX-License-Identifier: Apache-2.0
// Spills, sorters and key sets against plain arrays, with and without room in memory.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "harness/base/arena.h"
#include "harness/base/keyset.h"
#include "harness/base/rng.h"
#include "harness/base/sorter.h"

static const size_t rooms[] = {0, 100000, AS_SPILL_BUDGET};

static void test_spill(void **state) {
    (void)state;
    for (size_t r = 0; r < sizeof rooms / sizeof *rooms; r++) {
        as_rng rng = as_rng_of(1, r);
        as_spill spill = {0};
        enum { PIECES = 4000 };
        static unsigned char all[PIECES * 400];
        static size_t sizes[PIECES];
        size_t size = 0;
        as_spill_limit(rooms[r]);
        for (size_t i = 0; i < PIECES; i++) {
            sizes[i] = (size_t)as_rng_below(&rng, 400);
            for (size_t k = 0; k < sizes[i]; k++) all[size + k] = (unsigned char)as_rng_u64(&rng);
            as_spill_add(&spill, all + size, sizes[i]);
            size += sizes[i];
        }
        for (int ended = 0; ended < 2; ended++) {
            assert_int_equal(as_spill_size(&spill), size);
            as_spill_reader reader = {.spill = &spill};
            size_t at = 0;
            for (size_t i = 0; i < PIECES; at += sizes[i++])
                assert_memory_equal(as_spill_next(&reader, sizes[i]), all + at, sizes[i]);
            assert_null(as_spill_next(&reader, 1));
            as_spill_done(&reader);
            for (size_t i = 0; i < 200; i++) {
                static unsigned char some[200000];
                size_t from = (size_t)as_rng_below(&rng, size), most = size - from;
                size_t part = (size_t)as_rng_below(&rng, most < sizeof some ? most : sizeof some);
                as_spill_read(&spill, from, some, part);
                assert_memory_equal(some, all + from, part);
            }
            as_spill_end(&spill);
        }
        as_spill_free(&spill);
    }
    as_spill_limit(AS_SPILL_BUDGET);
}

typedef struct record {
    uint64_t key, number;
    size_t len;
    char text[40];
} record;

static int order(const void *a, const void *b) {
    const record *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static int order_to_key(const void *a, const void *key) {
    const record *x = a;
    uint64_t wanted = *(const uint64_t *)key;
    return (x->key > wanted) - (x->key < wanted);
}

static record make(as_rng *rng, uint64_t number, uint64_t keys) {
    record out = {.key = as_rng_below(rng, keys), .number = number};
    out.len = (size_t)as_rng_below(rng, sizeof out.text);
    memset(out.text, 'a' + (int)(number % 26), out.len);
    return out;
}

static void check_sorted(as_sorter *sorter, record *all, size_t count) {
    as_sorter_sort(sorter);
    qsort(all, count, sizeof *all, order);
    as_sorter_reader reader = as_sorter_read(sorter);
    for (size_t i = 0; i < count; i++) {
        const record *got = as_sorter_next(&reader);
        assert_memory_equal(got, &all[i], offsetof(record, text) + all[i].len);
    }
    assert_null(as_sorter_next(&reader));
    as_sorter_done(&reader);
    for (size_t i = 0; i < count; i += 1 + count / 50) {
        uint64_t key = all[i].key;
        size_t first = i;
        while (first && all[first - 1].key == key) first--;
        reader = as_sorter_find(sorter, &key, order_to_key);
        const record *got = as_sorter_next(&reader);
        assert_int_equal(got->number, all[first].number);
        as_sorter_done(&reader);
    }
    uint64_t behind = UINT64_MAX;
    reader = as_sorter_find(sorter, &behind, order_to_key);
    assert_null(as_sorter_next(&reader));
    as_sorter_done(&reader);
}

static void test_sorter(void **state) {
    (void)state;
    static const size_t counts[] = {0, 1, 2, 63, 64, 65, 500, 12000};
    enum { MOST = 12000 + 700 };
    static record all[MOST];
    for (size_t r = 0; r < sizeof rooms / sizeof *rooms; r++)
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            as_rng rng = as_rng_of(2, r * 100 + c);
            as_spill_limit(rooms[r]);
            as_sorter *sorter = as_sorter_new(order);
            size_t count = 0;
            for (; count < counts[c]; count++) {
                all[count] = make(&rng, count, counts[c]);
                as_sorter_add(sorter, &all[count], offsetof(record, text) + all[count].len);
            }
            assert_int_equal(as_sorter_count(sorter), count);
            check_sorted(sorter, all, count);
            for (size_t i = 0; i < 700; i++, count++) { // more, behind the reading
                all[count] = make(&rng, 1000000 + i, 90);
                as_sorter_add(sorter, &all[count], offsetof(record, text) + all[count].len);
            }
            check_sorted(sorter, all, count);
            as_sorter_free(sorter);
        }
    as_spill_limit(AS_SPILL_BUDGET);
}

static int order_keys(const void *a, const void *b) {
    return order_to_key(a, b);
}

// Two with one key are seen wherever they come: near each other or far, early or late. And what
// comes nearly in order comes back in order.
static void test_twins(void **state) {
    (void)state;
    enum { COUNT = 5000 };
    static const size_t displaced[] = {1, 40, COUNT};
    for (size_t r = 0; r < sizeof rooms / sizeof *rooms; r++)
        for (size_t round = 0; round < 60; round++) {
            as_rng rng = as_rng_of(4, round);
            static uint64_t keys[COUNT];
            bool twins = round % 2;
            size_t by = displaced[round % 3];
            as_spill_limit(rooms[r]);
            for (size_t i = 0; i < COUNT; i++) keys[i] = i + 1;
            for (size_t i = 0; i + 1 < COUNT; i++) {
                size_t most = COUNT - i < by ? COUNT - i : by;
                size_t other = i + (size_t)as_rng_below(&rng, most);
                uint64_t moved = keys[i];
                keys[i] = keys[other];
                keys[other] = moved;
            }
            size_t one = (size_t)as_rng_below(&rng, COUNT - 1);
            if (twins) keys[one + 1 + (size_t)as_rng_below(&rng, COUNT - 1 - one)] = keys[one];
            as_sorter *sorter = as_sorter_new(order_keys);
            for (size_t i = 0; i < COUNT; i++) {
                record rec = {.key = keys[i], .number = i};
                as_sorter_add(sorter, &rec, sizeof rec);
            }
            as_sorter_sort(sorter);
            assert_true(as_sorter_has_twins(sorter) == twins);
            as_sorter_reader reader = as_sorter_read(sorter);
            uint64_t before = 0, same = 0;
            for (const record *rec; (rec = as_sorter_next(&reader)); before = rec->key) {
                assert_true(rec->key >= before);
                same += rec->key == before;
            }
            assert_int_equal(same, twins);
            as_sorter_done(&reader);
            as_sorter_free(sorter);
        }
    as_spill_limit(AS_SPILL_BUDGET);
}

static void test_keyset(void **state) {
    (void)state;
    enum { KEYS = 5000 };
    for (size_t r = 0; r < sizeof rooms / sizeof *rooms; r++) {
        as_keyset set = {0};
        char text[32];
        uint64_t old = 0;
        as_spill_limit(rooms[r]);
        assert_false(as_keyset_has(&set, AS_STR("0"), 0));
        for (int turn = 0; turn < 2; turn++)
            for (size_t i = 0; i < KEYS; i++) {
                as_str key = {text, (size_t)snprintf(text, sizeof text, "%zu", i / 2)};
                assert_true(as_keyset_has(&set, key, i % 2) == (turn == 1));
                assert_true(as_keyset_add(&set, key, i % 2, i * 7, &old) == (turn == 0));
                if (turn) assert_int_equal(old, i * 7);
                old = 0;
                assert_true(as_keyset_get(&set, key, i % 2, &old) && old == i * 7);
            }
        assert_int_equal(set.count, KEYS);
        for (size_t i = KEYS; i < 4 * KEYS; i++) {
            as_str key = {text, (size_t)snprintf(text, sizeof text, "%zu", i)};
            assert_false(as_keyset_has(&set, key, 0));
        }
        assert_true(as_keyset_add(&set, AS_STR(""), 0, 1, NULL));
        assert_false(as_keyset_add(&set, AS_STR(""), 0, 1, NULL));
        as_keyset_free(&set);
    }
    as_spill_limit(AS_SPILL_BUDGET);
}

// Key 00 01 .. 0f, input 00 01 .. of each length, as OpenSSL's SIPHASH has it (openssl mac).
static void test_hash(void **state) {
    (void)state;
    static const struct {
        size_t size;
        uint64_t want[2];
    } vectors[] = {
        {0, {0xe6a825ba047f81a3u, 0x930255c71472f66du}},
        {1, {0x44af996bd8c187dau, 0x45fc229b11597634u}},
        {2, {0xc75da4a48d227781u, 0xe4ff0af6de8ba3fcu}},
        {7, {0x53c1dbd8beebf1a1u, 0x3982f01fa64ab8c0u}},
        {8, {0x61f55862baa9623bu, 0xb49714f364e2830fu}},
        {9, {0xabbad90a06994426u, 0xed716dbb028b7fc4u}},
        {23, {0xe0f5a9d5dd84d1c9u, 0x1c69bf9a9ae28ccfu}},
    };
    const uint64_t secret[] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
    unsigned char in[23];
    for (size_t i = 0; i < sizeof in; i++) in[i] = (unsigned char)i;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        uint64_t got[2];
        as_keyset_hash(secret, in, vectors[i].size, got);
        assert_true(got[0] == vectors[i].want[0] && got[1] == vectors[i].want[1]);
    }
}

// A limit on the size of files stands for a full disk: what was kept is all there, in memory.
static void test_full_disk(void **state) {
    (void)state;
    as_spill_limit(0);
    as_spill spill = {0}, before = {0};
    static unsigned char block[AS_SPILL_BLOCK];
    memset(block, 1, sizeof block);
    as_spill_add(&before, block, sizeof block);
    struct rlimit old, none;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    none = old;
    none.rlim_cur = AS_SPILL_BLOCK / 2;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    int error = dup(STDERR_FILENO), quiet = open("/dev/null", O_WRONLY);
    dup2(quiet, STDERR_FILENO);
    for (int i = 0; i < 20; i++) {
        memset(block, i, sizeof block);
        as_spill_add(&spill, block, sizeof block);
    }
    dup2(error, STDERR_FILENO);
    close(error);
    close(quiet);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    as_spill_reader reader = {.spill = &spill};
    for (int i = 0; i < 20; i++) {
        const unsigned char *got = as_spill_next(&reader, sizeof block);
        assert_true(got[0] == i && got[AS_SPILL_BLOCK - 1] == i);
    }
    as_spill_done(&reader);
    reader = (as_spill_reader){.spill = &before};
    const unsigned char *got = as_spill_next(&reader, sizeof block);
    assert_true(got[0] == 1 && got[AS_SPILL_BLOCK - 1] == 1);
    as_spill_done(&reader);
    as_spill_free(&spill);
    as_spill_free(&before);
    as_spill_limit(AS_SPILL_BUDGET);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spill),     cmocka_unit_test(test_sorter),
        cmocka_unit_test(test_twins),     cmocka_unit_test(test_keyset),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_full_disk), // last: no file afterwards
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
