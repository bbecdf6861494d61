// SPDX-License-Identifier: Apache-2.0
// The GGUF reader: what it reads, and every way a file can be wrong, each with its message.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/engine/gguf_writer.h"

// Checks the message of a refusal, and empties the buffer for the next file. The bytes are given
// in memory of their exact size, so that a sanitizer sees any read past them.
static void refused(as_buf *bytes, const char *message) {
    unsigned char *exact = malloc(bytes->len ? bytes->len : 1);
    if (bytes->len) memcpy(exact, bytes->ptr, bytes->len);
    as_gguf file;
    as_err err = {.text = "no message"};
    as_rc rc = as_gguf_read(&file, "x.gguf", exact, bytes->len, &err);
    free(exact);
    if (rc != AS_INVALID) fail_msg("accepted, but expected: %s", message);
    if (strncmp(err.text, "cannot read 'x.gguf': ", 22) || strcmp(err.text + 22, message))
        fail_msg("'%s', expected '%s'", err.text, message);
    as_buf_clear(bytes);
}

static as_gguf accepted(const as_buf *bytes) {
    as_gguf file;
    as_err err;
    if (as_gguf_read(&file, "x.gguf", (const unsigned char *)bytes->ptr, bytes->len, &err))
        fail_msg("%s", err.text);
    return file;
}

#define DIMS(...)                                                                                  \
    (const uint64_t[]) {                                                                           \
        __VA_ARGS__, 0                                                                             \
    }

static void a_right_file_is_read(void **state) {
    (void)state;
    as_buf b = {0};
    as_put_header(&b, 2, 2, 6);
    as_put_text(&b, "general.name", "\xc3\xa9");
    as_put_u32(&b, "n", 7);
    as_put_f32(&b, "f", 0.5f);
    as_put_bool(&b, "b", 1);
    as_put_array(&b, "numbers", AS_GGUF_I16, 2);
    as_put_int(&b, 0xfffe, 2);
    as_put_int(&b, 3, 2);
    as_put_array(&b, "words", AS_GGUF_STRING, 2);
    as_put_string(&b, "one");
    as_put_string(&b, "");
    as_put_tensor(&b, "m", DIMS(32, 3), AS_GGUF_TENSOR_Q8_0, 32);
    as_put_tensor(&b, "v", DIMS(4), AS_GGUF_TENSOR_F32, 0);
    as_put_padding(&b, 32);
    size_t data = b.len;
    as_put_zeros(&b, 32 + 3 * 34);
    as_gguf file = accepted(&b);
    as_err err;
    as_str text = {0};
    uint64_t n = 0;
    double f = 0.0;
    bool flag = false;
    const as_gguf_value *array = NULL;
    assert_int_equal(as_gguf_text(&file, "general.name", &text, &err), AS_OK);
    assert_true(as_str_is(text, "\xc3\xa9"));
    assert_int_equal(as_gguf_u64(&file, "n", 0, 7, &n, &err), AS_OK);
    assert_int_equal(n, 7);
    assert_int_equal(as_gguf_u64(&file, "n", 0, 6, &n, &err), AS_INVALID);
    assert_string_equal(err.text, "cannot read 'x.gguf': 'n' is 7, not in 0..6 (offset 71)");
    assert_int_equal(as_gguf_f64(&file, "f", 0.0, 1.0, &f, &err), AS_OK);
    assert_true(f == 0.5);
    assert_int_equal(as_gguf_f64(&file, "n", 0.0, 9.0, &f, &err), AS_OK);
    assert_true(f == 7.0);
    assert_int_equal(as_gguf_bool(&file, "b", &flag, &err), AS_OK);
    assert_true(flag);
    assert_int_equal(as_gguf_bool(&file, "n", &flag, &err), AS_INVALID);
    assert_int_equal(as_gguf_u64(&file, "f", 0, 1, &n, &err), AS_INVALID);
    assert_int_equal(as_gguf_u64(&file, "numbers", 0, 1, &n, &err), AS_INVALID);
    assert_string_equal(err.text, "cannot read 'x.gguf': 'numbers' is an array of i16, not one "
                                  "integer (offset 137)");
    assert_int_equal(as_gguf_u64(&file, "nothing", 0, 1, &n, &err), AS_OK);
    assert_int_equal(n, 7);
    assert_int_equal(as_gguf_array(&file, "numbers", AS_GGUF_F64, &array, &err), AS_OK);
    assert_int_equal(array->count, 2);
    assert_true(as_gguf_number(array, 0) == -2.0 && as_gguf_number(array, 1) == 3.0);
    assert_int_equal(as_gguf_array(&file, "words", AS_GGUF_F64, &array, &err), AS_INVALID);
    assert_int_equal(as_gguf_array(&file, "words", AS_GGUF_STRING, &array, &err), AS_OK);
    as_gguf_strings strings = {array->bytes};
    assert_true(as_str_is(as_gguf_strings_next(&strings), "one"));
    assert_int_equal(as_gguf_strings_next(&strings).len, 0);
    const as_gguf_tensor *m = as_gguf_tensor_find(&file, "m");
    assert_int_equal(m->offset, data + 32);
    assert_int_equal(m->size, 3 * 34);
    assert_int_equal(m->elements, 96);
    assert_null(as_gguf_tensor_find(&file, "x"));
    as_gguf_free(&file);
    as_buf_free(&b);
}

static void every_integer_type_is_read(void **state) {
    (void)state;
    static const struct {
        as_gguf_type type;
        size_t size;
        uint64_t bits;
        double value;
    } cases[] = {
        {AS_GGUF_U8, 1, 0xff, 255.0},
        {AS_GGUF_I8, 1, 0xff, -1.0},
        {AS_GGUF_U16, 2, 0x8000, 32768.0},
        {AS_GGUF_I16, 2, 0x8000, -32768.0},
        {AS_GGUF_U32, 4, 0xffffffff, 4294967295.0},
        {AS_GGUF_I32, 4, 0xffffffff, -1.0},
        {AS_GGUF_U64, 8, 0x8000000000000000, 9223372036854775808.0},
        {AS_GGUF_I64, 8, 0x8000000000000000, -9223372036854775808.0},
        {AS_GGUF_F32, 4, 0xc0000000, -2.0},
        {AS_GGUF_F64, 8, 0xc000000000000000, -2.0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        as_buf b = {0};
        as_err err;
        uint64_t n = 0;
        as_put_header(&b, 3, 0, 1);
        as_put_string(&b, "n");
        as_put_int(&b, cases[i].type, 4);
        as_put_int(&b, cases[i].bits, cases[i].size);
        as_gguf file = accepted(&b);
        assert_true(as_gguf_number(as_gguf_find(&file, "n"), 0) == cases[i].value);
        bool integer = cases[i].type != AS_GGUF_F32 && cases[i].type != AS_GGUF_F64;
        as_rc rc = as_gguf_u64(&file, "n", 0, UINT64_MAX, &n, &err);
        assert_int_equal(rc, integer && cases[i].value > 0.0 ? AS_OK : AS_INVALID);
        if (!rc) assert_int_equal(n, cases[i].bits);
        as_gguf_free(&file);
        as_buf_free(&b);
    }
}

static void wrong_headers(void **state) {
    (void)state;
    as_buf b = {0};
    refused(&b, "the header ends past the file (offset 0 + 4 > 0)");
    as_buf_text(&b, "GGU");
    refused(&b, "the header ends past the file (offset 0 + 4 > 3)");
    as_buf_text(&b, "PK\x03\x04");
    refused(&b, "it is not a GGUF file (begins with 50 4b 03 04, not 'GGUF')");
    as_buf_text(&b, "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n");
    refused(&b, "it is a Git LFS pointer, not the model: fetch it with 'git lfs pull'");
    as_put_header(&b, 0x03000000, 0, 0);
    refused(&b, "it is a big-endian GGUF file, which is not supported (offset 4)");
    as_put_header(&b, 1, 0, 0);
    refused(&b, "GGUF version 1 is not supported, only 2 and 3 (offset 4)");
    as_put_header(&b, 4, 0, 0);
    refused(&b, "GGUF version 4 is not supported, only 2 and 3 (offset 4)");
    as_put_header(&b, 3, 0, 65537);
    refused(&b, "65537 keys are more than 65536 (offset 16)");
    as_put_header(&b, 3, 65537, 0);
    refused(&b, "65537 tensors are more than 65536 (offset 8)");
    as_put_header(&b, 3, UINT64_MAX, UINT64_MAX);
    refused(&b, "18446744073709551615 keys are more than 65536 (offset 16)");
    as_put_header(&b, 3, 0, 65536);
    refused(&b, "65536 keys end past the file (offset 16 of 24)");
    as_put_header(&b, 3, 2, 0);
    as_put_zeros(&b, 40);
    refused(&b, "2 tensors end past the file (offset 8 of 64)");
    as_buf_free(&b);
}

static void wrong_keys(void **state) {
    (void)state;
    as_buf b = {0};
    as_put_header(&b, 3, 0, 2);
    as_put_u32(&b, "a", 1);
    as_put_u32(&b, "a", 2);
    refused(&b, "'a' stands there twice (offset 41)");
    as_put_header(&b, 3, 0, 1);
    as_put_u32(&b, "", 1);
    refused(&b, "key 0 has a name that is empty (offset 24)");
    as_put_header(&b, 3, 0, 1);
    as_put_u32(&b, "a\nb", 1);
    refused(&b, "key 0 has a name that is not plain text (offset 24)");
    as_put_header(&b, 3, 0, 1);
    as_put_u32(&b, "\xff", 1);
    refused(&b, "key 0 has a name that is not plain text (offset 24)");
    as_put_header(&b, 3, 0, 1);
    as_put_int(&b, 70000, 8);
    as_put_zeros(&b, 70100);
    refused(&b, "key 0 has 70000 bytes, more than 65535 (offset 24)");
    as_put_header(&b, 3, 0, 1);
    as_put_int(&b, UINT64_MAX, 8);
    as_put_zeros(&b, 20);
    refused(&b, "key 0 ends past the file (offset 32 + 18446744073709551615 > 52)");
    as_put_header(&b, 3, 0, 1);
    as_put_string(&b, "a");
    as_put_int(&b, 13, 4);
    as_put_zeros(&b, 8);
    refused(&b, "'a' has unknown type 13 (offset 33)");
    as_put_header(&b, 3, 0, 1);
    as_put_bool(&b, "a", 2);
    refused(&b, "'a' is 2, not a bool (offset 37)");
    as_put_header(&b, 3, 0, 1);
    as_put_string(&b, "a");
    as_put_int(&b, AS_GGUF_STRING, 4);
    as_put_int(&b, 5, 8);
    as_put_zeros(&b, 4);
    refused(&b, "'a' ends past the file (offset 45 + 5 > 49)");
    as_buf_free(&b);
}

static void wrong_arrays(void **state) {
    (void)state;
    as_buf b = {0};
    as_put_header(&b, 3, 0, 1);
    as_put_array(&b, "a", AS_GGUF_ARRAY, 1);
    as_put_zeros(&b, 20);
    refused(&b, "'a' is an array of arrays (offset 37)");
    as_put_header(&b, 3, 0, 1);
    as_put_array(&b, "a", (as_gguf_type)77, 1);
    refused(&b, "'a' has unknown item type 77 (offset 37)");
    as_put_header(&b, 3, 0, 1);
    as_put_array(&b, "a", AS_GGUF_F64, UINT64_MAX / 8 + 2);
    as_put_zeros(&b, 16);
    refused(&b, "'a' ends past the file (offset 49 + 2305843009213693953 items of 8 bytes > 65)");
    as_put_header(&b, 3, 0, 1);
    as_put_array(&b, "a", AS_GGUF_STRING, 3);
    as_put_zeros(&b, 23);
    refused(&b, "'a' ends past the file (offset 49 + 3 items of 8 bytes > 72)");
    as_put_header(&b, 3, 0, 1);
    as_put_array(&b, "a", AS_GGUF_STRING, 2);
    as_put_string(&b, "x");
    as_put_int(&b, 100, 8);
    refused(&b, "'a' ends past the file (offset 66 + 100 > 66)");
    as_put_header(&b, 3, 0, 1);
    as_put_array(&b, "a", AS_GGUF_BOOL, 2);
    as_put_int(&b, 0x0901, 2);
    refused(&b, "'a' is 9, not a bool (offset 50)");
    as_buf_free(&b);
}

// A file of one or two tensors and `size` bytes of data. The second begins `gap` after the first.
static void put_tensors(as_buf *b, const uint64_t *dims, uint32_t type, uint64_t offset,
                        size_t size) {
    as_put_header(b, 3, 1, 0);
    as_put_tensor(b, "t", dims, type, offset);
    as_put_padding(b, 32);
    as_put_zeros(b, size);
}

static void wrong_tensors(void **state) {
    (void)state;
    as_buf b = {0};
    put_tensors(&b, DIMS(4), 5, 0, 16);
    refused(&b, "tensor 0 't' has unknown type 5, which GGUF no longer has: convert the model anew "
                "(offset 24)");
    put_tensors(&b, DIMS(4), 133, 0, 16);
    refused(&b, "tensor 0 't' has unknown type 133, one of ik_llama.cpp's own: quantize the model "
                "to a type that all programs read (offset 24)");
    put_tensors(&b, DIMS(33), AS_GGUF_TENSOR_Q8_0, 0, 100);
    refused(&b, "tensor 0 't' has rows of 33 elements, no multiple of Q8_0's 32 (offset 24)");
    put_tensors(&b, DIMS(4), 0, 16, 64);
    refused(&b, "tensor 0 't' is not aligned to 32 bytes (data offset 16, at offset 49)");
    put_tensors(&b, DIMS(4), 0, 1024, 64);
    refused(&b, "tensor 0 't' begins past the file (data offset 1024 > 128)");
    put_tensors(&b, DIMS(4), 0, 64, 64);
    refused(&b, "tensor 0 't' ends past the file (offset 128 + 16 > 128)");
    put_tensors(&b, DIMS(17), 0, 0, 64);
    refused(&b, "tensor 0 't' ends past the file (offset 64 + 68 > 128)");
    put_tensors(&b, DIMS(1000), 0, 0, 64);
    refused(&b, "tensor 0 't' is larger than the file (offset 24)");
    put_tensors(&b, DIMS(UINT64_MAX), 0, 0, 64);
    refused(&b, "tensor 0 't' has an impossible dimension 18446744073709551615 (offset 24)");
    put_tensors(&b, DIMS(1ull << 32, 1ull << 32), 0, 0, 64);
    refused(&b, "tensor 0 't' has an impossible dimension 4294967296 (offset 24)");
    put_tensors(&b, DIMS(1ull << 62), 0, 0, 64);
    refused(&b, "tensor 0 't' is larger than the file (offset 24)");
    put_tensors(&b, DIMS(1, 1, 1, 1, 1), 0, 0, 64);
    refused(&b, "tensor 0 't' has 5 dimensions, not 1 to 4 (offset 33)");
    put_tensors(&b, (const uint64_t[]){0}, 0, 0, 64);
    refused(&b, "tensor 0 't' has 0 dimensions, not 1 to 4 (offset 33)");
    as_put_header(&b, 3, 1, 0);
    as_put_string(&b, "t");
    as_put_int(&b, 1, 4);
    as_put_int(&b, 0, 8); // a dimension of 0
    as_put_zeros(&b, 64);
    refused(&b, "tensor 0 't' has an impossible dimension 0 (offset 24)");
    as_buf_free(&b);
}

static void wrong_pairs_of_tensors(void **state) {
    (void)state;
    as_buf b = {0};
    as_put_header(&b, 3, 2, 0);
    as_put_tensor(&b, "t", DIMS(4), 0, 0);
    as_put_tensor(&b, "t", DIMS(4), 0, 32);
    as_put_padding(&b, 32);
    as_put_zeros(&b, 64);
    refused(&b, "tensor 1 't' stands there twice (offset 57)");
    as_put_header(&b, 3, 2, 0);
    as_put_tensor(&b, "late", DIMS(4), 0, 32);
    as_put_tensor(&b, "early", DIMS(9), 0, 0);
    as_put_padding(&b, 32);
    as_put_zeros(&b, 64);
    refused(&b, "tensors 'early' and 'late' overlap (offset 128 + 36 > 160)");
    as_put_header(&b, 3, 2, 0);
    as_put_tensor(&b, "a", DIMS(4), 0, 0);
    as_put_tensor(&b, "b", DIMS(4), 0, 0);
    as_put_padding(&b, 32);
    as_put_zeros(&b, 64);
    refused(&b, "tensors 'a' and 'b' overlap (offset 96 + 16 > 96)");
    as_put_header(&b, 3, 1, 0);
    as_put_tensor(&b, "", DIMS(4), 0, 0);
    as_put_zeros(&b, 64);
    refused(&b, "tensor 0 has a name that is empty (offset 24)");
    char name[300];
    memset(name, 'n', 299);
    name[299] = '\0';
    as_put_header(&b, 3, 1, 0);
    as_put_tensor(&b, name, DIMS(4), 0, 0);
    as_put_zeros(&b, 64);
    refused(&b, "tensor 0 has 299 bytes, more than 255 (offset 24)");
    as_buf_free(&b);
}

static void alignment(void **state) {
    (void)state;
    as_buf b = {0};
    as_put_header(&b, 3, 0, 1);
    as_put_u32(&b, "general.alignment", 48);
    refused(&b, "'general.alignment' is 48, no power of two (offset 53)");
    as_put_header(&b, 3, 0, 1);
    as_put_u32(&b, "general.alignment", 0);
    refused(&b, "'general.alignment' is 0, not in 1..1048576 (offset 53)");
    as_put_header(&b, 3, 0, 1);
    as_put_text(&b, "general.alignment", "32");
    refused(&b, "'general.alignment' is string, not one integer (offset 53)");
    as_put_header(&b, 3, 1, 1);
    as_put_u32(&b, "general.alignment", 8);
    as_put_tensor(&b, "t", DIMS(4), 0, 8);
    as_put_padding(&b, 8);
    size_t data = b.len;
    as_put_zeros(&b, 24);
    as_gguf file = accepted(&b);
    assert_int_equal(file.tensors[0].offset, data + 8);
    as_gguf_free(&file);
    as_buf_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_file_is_read),   cmocka_unit_test(every_integer_type_is_read),
        cmocka_unit_test(wrong_headers),          cmocka_unit_test(wrong_keys),
        cmocka_unit_test(wrong_arrays),           cmocka_unit_test(wrong_tensors),
        cmocka_unit_test(wrong_pairs_of_tensors), cmocka_unit_test(alignment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
