// SPDX-License-Identifier: Apache-2.0
// test_attend.c - attention over pieces: the portable table against the text of kernels.h, every
// other one against it, bit for bit; what is kept against what went in.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/kernels.h"
#include "tests/kernels/kernel_inputs.h"

enum { PIECES = 9, ROWS = 20, WIDTH_MAX = 144, TEXT = PIECES * AS_PANEL, STRIDE = TEXT + 5 };

static const as_kernels *tables[8];
static size_t table_count;
static const char *const kv_names[] = {"f32", "f16", "q8_0"};

typedef struct heads {
    as_kv kv;
    size_t width, length; // of a head; of the text
    unsigned char *memory[PIECES];
    as_piece pieces[PIECES];
    float keys[TEXT][WIDTH_MAX], values[TEXT][WIDTH_MAX]; // as they are read back
} heads;

static float through_half(float x) {
    return as_half_to_float(as_float_to_half(x));
}

// What a type keeps of x[width], said once more.
static void expect_kept(as_kv kv, const float *x, size_t width, float *out) {
    for (size_t b = 0; b < width; b += 32) {
        size_t n = width - b < 32 ? width - b : 32;
        float amax = 0.0f;
        for (size_t i = 0; i < n; i++) amax = fmaxf(amax, fabsf(x[b + i]));
        float d = amax / 127.0f, id = d > 0.0f ? 1.0f / d : 0.0f;
        for (size_t i = 0; i < n; i++) {
            if (kv == AS_KV_F32) out[b + i] = x[b + i];
            if (kv == AS_KV_F16) out[b + i] = through_half(x[b + i]);
            if (kv == AS_KV_Q8_0) out[b + i] = through_half(d) * roundf(x[b + i] * id);
        }
    }
}

// A text in pieces of any length, their heads full of other positions too; or in whole heads, the
// first ones.
static void make_heads(heads *h, as_kv kv, size_t width, bool whole) {
    h->kv = kv;
    h->width = width;
    h->length = random_below(4); // the first piece is anywhere in the text
    size_t size = as_kv_size(kv, width);
    assert_int_equal(size % 64, 0);
    for (size_t p = 0; p < PIECES; p++) {
        h->memory[p] = aligned_alloc(64, size);
        assert_non_null(h->memory[p]);
        memset(h->memory[p], 0, size);
        float key[WIDTH_MAX], value[WIDTH_MAX];
        for (size_t slot = 0; slot < AS_PANEL; slot++) {
            fill(key, width, 4);
            fill(value, width, 4);
            as_kv_put(kv, width, h->memory[p], slot, key, value);
        }
        size_t slot = whole || random_below(2) ? 0 : random_below(AS_PANEL);
        size_t count = AS_PANEL - slot;
        if (!whole && random_below(3) == 0) count = 1 + random_below(count);
        h->pieces[p] = (as_piece){h->memory[p], h->length, (uint32_t)slot, (uint32_t)count};
        for (size_t i = 0; i < count && h->length < TEXT; i++, h->length++) {
            int mode = random_below(5) ? 0 : 4;
            fill(key, width, mode);
            fill(value, width, mode);
            as_kv_put(kv, width, h->memory[p], slot + i, key, value);
            expect_kept(kv, key, width, h->keys[h->length]);
            expect_kept(kv, value, width, h->values[h->length]);
        }
        h->pieces[p].count = (uint32_t)(h->length - h->pieces[p].at);
    }
}

static void free_heads(heads *h) {
    for (size_t p = 0; p < PIECES; p++) free(h->memory[p]);
}

static size_t panels_of(const heads *h) {
    return (h->width + AS_PANEL - 1) / AS_PANEL;
}

static void check_keys(const heads *h, size_t from, size_t pieces, size_t rows) {
    static float q[ROWS * WIDTH_MAX], got[ROWS * STRIDE];
    const as_piece *p = h->pieces + from;
    size_t begin = p->at, end = p[pieces - 1].at + p[pieces - 1].count;
    fill(q, rows * h->width, 0);
    for (size_t t = 0; t < table_count; t++) {
        memset(got, 0xa5, sizeof got);
        tables[t]->attend_keys(h->kv, h->width, p, pieces, q, rows, got, STRIDE);
        for (size_t m = 0; m < rows; m++) {
            for (size_t i = 0; i < STRIDE; i++) {
                float want;
                memset(&want, 0xa5, sizeof want);
                if (i >= begin && i < end) want = 0.0f;
                for (size_t k = 0; k < h->width && i >= begin && i < end; k++)
                    want = fmaf(h->keys[i][k], q[m * h->width + k], want);
                check_same(&got[m * STRIDE + i], &want, 1, tables[t]->name, kv_names[h->kv]);
            }
        }
    }
}

// Panels begin..end-1; the others stay as they are.
static void check_values(const heads *h, size_t from, size_t pieces, size_t begin, size_t end,
                         size_t rows) {
    static float weights[ROWS * STRIDE], start[ROWS * WIDTH_MAX], got[ROWS * WIDTH_MAX + 1];
    const as_piece *p = h->pieces + from;
    size_t after = p[pieces - 1].at + p[pieces - 1].count, room = panels_of(h) * AS_PANEL;
    fill(weights, rows * STRIDE, 0);
    fill(start, rows * room, 0);
    for (size_t t = 0; t < table_count; t++) {
        memcpy(got, start, rows * room * sizeof *got);
        memset(got + rows * room, 0xa5, sizeof *got);
        tables[t]->attend_values(h->kv, h->width, p, pieces, begin, end, weights, STRIDE, rows, got,
                                 room);
        for (size_t m = 0; m < rows; m++) {
            for (size_t i = 0; i < h->width; i++) {
                float want = start[m * room + i];
                for (size_t j = p->at; j < after && i / AS_PANEL >= begin && i / AS_PANEL < end;
                     j++)
                    want = fmaf(h->values[j][i], weights[m * STRIDE + j], want);
                check_same(&got[m * room + i], &want, 1, tables[t]->name, kv_names[h->kv]);
            }
            for (size_t i = h->width; i < room; i++)
                check_same(&got[m * room + i], &start[m * room + i], 1, tables[t]->name, "room");
        }
        uint32_t canary;
        memcpy(&canary, got + rows * room, sizeof canary);
        assert_int_equal(canary, 0xa5a5a5a5u);
    }
}

static void tables_follow_the_text(void **state) {
    (void)state;
    static const size_t widths[] = {1, 6, 8, 16, 17, 32, 40, 48, 64, 80, 96, 128, 144};
    static heads h;
    for (as_kv kv = AS_KV_F32; kv <= AS_KV_Q8_0; kv++) {
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
            for (int i = 0; i < 4; i++) {
                make_heads(&h, kv, widths[w], i % 2);
                size_t from = random_below(PIECES), pieces = 1 + random_below(PIECES - from);
                check_keys(&h, 0, PIECES, ROWS);
                size_t begin = random_below(panels_of(&h));
                size_t end = begin + 1 + random_below(panels_of(&h) - begin);
                check_values(&h, 0, PIECES, 0, panels_of(&h), ROWS);
                check_keys(&h, from, pieces, 1 + random_below(ROWS));
                check_values(&h, from, pieces, begin, end, 1 + random_below(ROWS));
                free_heads(&h);
            }
        }
    }
}

// Pieces of a text, one call after the other, are the text in one.
static void sums_go_on_from_piece_to_piece(void **state) {
    (void)state;
    static heads h;
    static float weights[3 * STRIDE], one[3 * WIDTH_MAX], many[3 * WIDTH_MAX];
    make_heads(&h, AS_KV_F16, 64, false);
    fill(weights, 3 * STRIDE, 0);
    memset(one, 0, sizeof one);
    memset(many, 0, sizeof many);
    for (size_t t = 0; t < table_count; t++) {
        tables[t]->attend_values(h.kv, 64, h.pieces, PIECES, 0, 4, weights, STRIDE, 3, one, 64);
        for (size_t p = 0; p < PIECES; p++)
            tables[t]->attend_values(h.kv, 64, &h.pieces[p], 1, 0, 4, weights, STRIDE, 3, many, 64);
        assert_memory_equal(one, many, sizeof one);
    }
    free_heads(&h);
}

// A weight of 0 must leave nothing of a value, whatever it was.
static void values_are_finite(void **state) {
    (void)state;
    const float odd[] = {HUGE_VALF, -HUGE_VALF, NAN, 3e38f, -3e38f, 1e5f, -1e5f, 0x1p-149f};
    for (as_kv kv = AS_KV_F32; kv <= AS_KV_Q8_0; kv++) {
        for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
            unsigned char *head = aligned_alloc(64, as_kv_size(kv, 40));
            assert_non_null(head);
            memset(head, 0, as_kv_size(kv, 40));
            float x[40] = {0}, weight = 1.0f, y[48] = {0};
            x[3] = x[39] = odd[i];
            as_kv_put(kv, 40, head, 5, x, x);
            as_piece piece = {head, 0, 5, 1};
            for (size_t t = 0; t < table_count; t++) {
                memset(y, 0, sizeof y);
                tables[t]->attend_values(kv, 40, &piece, 1, 0, 3, &weight, 1, 1, y, 48);
                assert_true(isfinite(y[3]) && (kv != AS_KV_F16 || fabsf(y[3]) <= 65504.0f) &&
                            y[3] == y[39]);
                assert_true(y[0] == 0.0f && (isnan(odd[i]) ? y[3] < 0 : y[3] * odd[i] >= 0.0f));
            }
            free(head);
        }
    }
}

int main(void) {
    table_count = as_kernels_available(tables);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(tables_follow_the_text, seed),
        cmocka_unit_test_setup(sums_go_on_from_piece_to_piece, seed),
        cmocka_unit_test_setup(values_are_finite, seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
