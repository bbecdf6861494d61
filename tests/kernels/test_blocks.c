// SPDX-License-Identifier: Apache-2.0
// test_blocks.c - the blocks of a file against another program's reading and writing of them
// (block_vectors.tsv, made by make_block_vectors.py), and what encoding costs.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/coded.h"
#include "tests/kernels/kernel_inputs.h"

static const char *const names[AS_WTYPES] = {
    "F32",  "F16",  "BF16", "Q8_0", "Q4_0", "Q4_1",   "Q5_0",   "Q5_1",
    "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS", "MXFP4",
};

static as_wtype type_of(const char *name) {
    for (int i = 0; i < AS_WTYPES; i++)
        if (!strcmp(names[i], name)) return (as_wtype)i;
    fail_msg("unknown type '%s'", name);
    return AS_W_F32;
}

static uint32_t crc_of(const void *bytes, size_t size) {
    const unsigned char *p = bytes;
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < size; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static size_t from_hex(const char *text, unsigned char *out, size_t max) {
    size_t n = strlen(text) / 2;
    assert_true(n <= max);
    for (size_t i = 0; i < n; i++) {
        unsigned byte;
        assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
        out[i] = (unsigned char)byte;
    }
    return n;
}

static void check_decode(const char *what, as_wtype type, const char *bytes, const char *wanted) {
    unsigned char raw[256], first[32];
    float x[256];
    size_t size = from_hex(bytes, raw, sizeof raw), block = as_wtype_block(type);
    size_t n = size / as_wtype_size(type, block) * block;
    as_wtype_decode(type, raw, n, x);
    if (!strcmp(what, "first")) {
        from_hex(wanted, first, sizeof first);
        assert_memory_equal(x, first, sizeof first);
    } else if (crc_of(x, n * sizeof *x) != strtoul(wanted, NULL, 16)) {
        fail_msg("%s: block %s is read wrongly", names[type], bytes);
    }
}

static void check_coded(const char *name, const char *bytes, const char *wanted) {
    static const char *const coded_names[AS_CODED_TYPES] = {"IQ1_S", "IQ1_M",   "IQ2_XXS", "IQ2_XS",
                                                            "IQ2_S", "IQ3_XXS", "IQ3_S",   "TQ1_0",
                                                            "TQ2_0", "NVFP4"};
    unsigned char raw[256], held[1024];
    float x[256], back[256];
    int type = 0;
    while (strcmp(coded_names[type], name) != 0) assert_true(++type < AS_CODED_TYPES);
    size_t n = as_coded_block((as_coded)type);
    assert_int_equal(from_hex(bytes, raw, sizeof raw), as_coded_size((as_coded)type));
    as_coded_decode((as_coded)type, raw, n, x);
    if (crc_of(x, n * sizeof *x) != strtoul(wanted, NULL, 16))
        fail_msg("%s: block %s is read wrongly", name, bytes);
    as_coded_recode((as_coded)type, raw, n, held);
    as_wtype_decode(as_coded_held((as_coded)type), held, n, back);
    for (size_t i = 0; i < n; i++) assert_true(x[i] == back[i]);
}

static void check_encode(as_wtype type, const char *floats, const char *wanted) {
    static unsigned char raw[1024], out[1024];
    static size_t n;
    float x[256];
    if (strcmp(floats, "=") != 0) n = from_hex(floats, raw, sizeof raw) / sizeof *x;
    memcpy(x, raw, n * sizeof *x);
    assert_true(as_wtype_encode(type, x, n, out));
    if (crc_of(out, as_wtype_size(type, n)) != strtoul(wanted, NULL, 16))
        fail_msg("%s: values %s are written differently", names[type], floats);
}

static void blocks_are_those_of_the_reference(void **state) {
    (void)state;
    FILE *file = fopen("tests/kernels/block_vectors.tsv", "r");
    assert_non_null(file);
    static char line[4096];
    size_t decoded = 0, coded = 0, encoded = 0;
    while (fgets(line, sizeof line, file)) {
        char *part[4] = {strtok(line, "\t\n")};
        for (size_t i = 1; i < 4; i++) part[i] = strtok(NULL, "\t\n");
        assert_non_null(part[3]);
        if (!strcmp(part[0], "coded")) {
            check_coded(part[1], part[2], part[3]);
            coded++;
            continue;
        }
        as_wtype type = type_of(part[1]);
        if (!strcmp(part[0], "encode")) {
            check_encode(type, part[2], part[3]);
            encoded++;
        } else {
            check_decode(part[0], type, part[2], part[3]);
            decoded++;
        }
    }
    fclose(file);
    assert_true(decoded == 98 && coded == 60 && encoded == 100);
}

// Normal values (sums of uniform ones) around a small mean.
static void fill_weights(float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        x[i] = 0.1f;
        for (size_t j = 0; j < 12; j++) x[i] += 0.5f * random_unit();
    }
}

// Root mean square error over the values' own. 1 / (2^bits * about 1.2) is what a good quantizer
// of normal values comes to; the bounds are a few per cent above what is seen.
static void encoding_keeps_what_its_bits_allow(void **state) {
    (void)state;
    enum { N = 256 * 64 };
    static const struct {
        as_wtype type;
        double limit;
    } cases[] = {{AS_W_F32, 0.0},     {AS_W_F16, 0.0003},  {AS_W_BF16, 0.002},  {AS_W_Q8_0, 0.006},
                 {AS_W_Q5_0, 0.045},  {AS_W_Q5_1, 0.045},  {AS_W_Q4_0, 0.09},   {AS_W_Q4_1, 0.09},
                 {AS_W_Q4_K, 0.0760}, {AS_W_Q5_K, 0.0390}, {AS_W_Q6_K, 0.0190}, {AS_W_Q2_K, 0.30},
                 {AS_W_Q3_K, 0.16},   {AS_W_IQ4_NL, 0.08}, {AS_W_IQ4_XS, 0.08}, {AS_W_MXFP4, 0.12}};
    float *x = malloc(N * sizeof *x), *back = malloc(N * sizeof *back);
    unsigned char *raw = malloc(N * sizeof *x);
    assert_true(x && back && raw);
    fill_weights(x, N);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        double error = 0, size = 0;
        assert_true(as_wtype_encode(cases[c].type, x, N, raw));
        as_wtype_decode(cases[c].type, raw, N, back);
        for (size_t i = 0; i < N; i++) {
            error += ((double)back[i] - (double)x[i]) * ((double)back[i] - (double)x[i]);
            size += (double)x[i] * (double)x[i];
        }
        print_message("%-5s relative error %.5f\n", names[cases[c].type], sqrt(error / size));
        assert_true(sqrt(error / size) <= cases[c].limit);
    }
    free(x), free(back), free(raw);
}

// What is coded already stays as it is: quantizing twice is quantizing once.
static void encoding_meets_values_that_fit(void **state) {
    (void)state;
    static const as_wtype types[] = {AS_W_Q8_0, AS_W_Q4_0, AS_W_Q5_0, AS_W_F16, AS_W_BF16};
    for (int i = 0; i < 500; i++) {
        as_wtype type = types[i % 5];
        float x[256], once[256], twice[256];
        unsigned char raw[1024];
        for (size_t j = 0; j < 256; j++) x[j] = random_of_mode(0);
        assert_true(as_wtype_encode(type, x, 256, raw));
        as_wtype_decode(type, raw, 256, once);
        assert_true(as_wtype_encode(type, once, 256, raw));
        as_wtype_decode(type, raw, 256, twice);
        double off = 0, size = 0;
        for (size_t j = 0; j < 256; j++) {
            off = fmax(off, fabs((double)once[j] - (double)twice[j]));
            size = fmax(size, fabs((double)x[j]));
        }
        assert_true(off <= size * 0.001);
    }
}

static void encoding_refuses_what_does_not_fit(void **state) {
    (void)state;
    unsigned char raw[1024];
    for (int type = 0; type < AS_WTYPES; type++) {
        float x[256] = {0};
        assert_true(as_wtype_encode((as_wtype)type, x, 256, raw));
        float back[256];
        as_wtype_decode((as_wtype)type, raw, 256, back);
        for (size_t i = 0; i < 256; i++) assert_true(back[i] == 0.0f);
        x[77] = NAN;
        assert_false(as_wtype_encode((as_wtype)type, x, 256, raw));
        x[77] = -HUGE_VALF;
        assert_false(as_wtype_encode((as_wtype)type, x, 256, raw));
        x[77] = 3e38f;
        bool wide = type == AS_W_F32 || type == AS_W_BF16 || type == AS_W_MXFP4;
        assert_true(as_wtype_encode((as_wtype)type, x, 256, raw) == wide);
        for (int i = 0; i < 300; i++) { // anything finite: an answer, whatever it is
            fill(x, 256, i % MODES);
            (void)as_wtype_encode((as_wtype)type, x, 256, raw);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(blocks_are_those_of_the_reference, seed),
        cmocka_unit_test_setup(encoding_keeps_what_its_bits_allow, seed),
        cmocka_unit_test_setup(encoding_meets_values_that_fit, seed),
        cmocka_unit_test_setup(encoding_refuses_what_does_not_fit, seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
