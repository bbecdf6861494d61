// SPDX-License-Identifier: Apache-2.0
// Model files brought to another type: which tensor gets which, what stays, what is refused.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/rng.h"
#include "harness/engine/model.h"
#include "harness/engine/quantize.h"
#include "harness/engine/shards.h"
#include "harness/engine/tensor_type.h"
#include "tests/engine/gguf_writer.h"

enum { F32 = 0, F16 = 1, Q4_0 = 2, Q5_0 = 6, Q5_1 = 7, Q8_0 = 8, Q4_K = 12, Q5_K = 13, Q6_K = 14 };

static const char *path_of(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s.gguf", AS_TEST_MODELS, name);
    return path;
}

static as_gguf read_file(const as_mapped *map) {
    as_gguf file;
    as_err err;
    if (as_gguf_read(&file, "x.gguf", map->bytes, map->size, &err)) fail_msg("%s", err.text);
    return file;
}

static as_mapped view_of(const as_buf *bytes) {
    return (as_mapped){.bytes = (const unsigned char *)bytes->ptr, .size = bytes->len};
}

static const as_recipe *recipe(const char *name) {
    const as_recipe *found = NULL;
    as_err err;
    if (as_recipe_find(as_str_of(name), &found, &err)) fail_msg("%s", err.text);
    return found;
}

// The file of a test model in another type.
static as_buf quantized(const char *name, const char *recipe_name) {
    as_mapped map;
    as_err err;
    as_buf out = {0};
    if (as_file_map(path_of(name), &map, &err)) fail_msg("%s", err.text);
    as_gguf file = read_file(&map);
    if (as_quantize_file(&file, recipe(recipe_name), 1, &out, &err)) fail_msg("%s", err.text);
    as_gguf_free(&file);
    as_file_unmap(&map);
    return out;
}

static uint32_t type_in(const as_gguf *file, const char *name) {
    const as_gguf_tensor *tensor = as_gguf_tensor_find(file, name);
    assert_non_null(tensor);
    return tensor->type;
}

// Every tensor of the new file holds about what the old one holds, and nothing else changed.
static void check_same_model(const as_gguf *old, const as_gguf *new, double limit) {
    assert_int_equal(old->tensor_count, new->tensor_count);
    for (size_t i = 0; i < old->tensor_count; i++) {
        const as_gguf_tensor *a = &old->tensors[i], *b = &new->tensors[i];
        assert_true(as_str_eq(a->name, b->name) && a->elements == b->elements);
        assert_memory_equal(a->dimensions, b->dimensions, sizeof a->dimensions);
        as_wtype from, to;
        assert_true(as_tensor_wtype(a->type, &from));
        assert_true(as_tensor_wtype(b->type, &to));
        float *x = malloc(a->elements * sizeof *x), *y = malloc(a->elements * sizeof *y);
        as_wtype_decode(from, a->bytes, a->elements, x);
        as_wtype_decode(to, b->bytes, a->elements, y);
        double error = 0, size = 0;
        for (size_t k = 0; k < a->elements; k++) {
            error += ((double)x[k] - (double)y[k]) * ((double)x[k] - (double)y[k]);
            size += (double)x[k] * (double)x[k];
        }
        assert_true(sqrt(error / size) <= limit);
        free(x), free(y);
    }
    for (size_t i = 0; i < old->value_count; i++) {
        const as_gguf_value *a = &old->values[i], *b = &new->values[i];
        assert_true(as_str_eq(a->key, b->key) && a->type == b->type && a->count == b->count);
    }
}

static void every_type_makes_a_model(void **state) {
    (void)state;
    static const struct {
        const char *name, *model;
        double limit; // of the relative error of a tensor
        uint32_t file_type, matrix, output;
    } cases[] = {
        {"f32", "kquants", 0.0, 0, F32, F32},       {"F16", "kquants", 0.001, 1, F16, F16},
        {"bf16", "kquants", 0.004, 32, 30, 30},     {"q8_0", "kquants", 0.01, 7, Q8_0, Q8_0},
        {"q4_0", "kquants", 0.2, 2, Q4_0, Q6_K},    {"q4_1", "kquants", 0.2, 3, 3, Q6_K},
        {"q5_0", "kquants", 0.1, 8, Q5_0, Q6_K},    {"q5_1", "kquants", 0.1, 9, Q5_1, Q6_K},
        {"Q4_K", "kquants", 0.2, 15, Q4_K, Q6_K},   {"q5_k", "kquants", 0.1, 17, Q5_K, Q6_K},
        {"q2_k", "kquants", 0.5, 10, 10, Q6_K},     {"q3_K_m", "kquants", 0.3, 12, 11, Q6_K},
        {"iq4_nl", "kquants", 0.2, 25, 20, Q6_K},   {"iq4_xs", "kquants", 0.2, 30, 23, Q6_K},
        {"mxfp4", "kquants", 0.01, 38, Q8_0, Q8_0}, {"q6_k", "kquants", 0.05, 18, Q6_K, Q6_K},
        {"q4_k", "q8", 0.1, 15, Q5_0, Q8_0},        {"q5_k", "q8", 0.1, 17, Q5_1, Q8_0},
        {"q6_k", "q8", 0.01, 18, Q8_0, Q8_0},       {"q8_0", "odd", 0.001, 7, F16, F16},
        {"q4_0", "f32", 0.1, 2, Q4_0, Q8_0},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        as_err err;
        as_model *model;
        as_buf bytes = quantized(cases[c].model, cases[c].name);
        as_mapped map, new = view_of(&bytes);
        if (as_file_map(path_of(cases[c].model), &map, &err)) fail_msg("%s", err.text);
        as_gguf before = read_file(&map), after = read_file(&new);
        check_same_model(&before, &after, cases[c].limit);
        assert_int_equal(type_in(&after, "blk.0.attn_q.weight"), cases[c].matrix);
        assert_int_equal(type_in(&after, "blk.0.attn_norm.weight"), F32);
        assert_int_equal(type_in(&after, "output.weight"), cases[c].output);
        uint64_t file_type = 99, version = 0;
        if (as_gguf_u64(&after, "general.file_type", 0, 99, &file_type, &err) ||
            as_gguf_u64(&after, "general.quantization_version", 0, 99, &version, &err))
            fail_msg("%s", err.text);
        assert_int_equal(file_type, cases[c].file_type);
        assert_int_equal(version, 2);
        if (as_model_read("x.gguf", &new, NULL, &model, &err)) fail_msg("%s", err.text);
        as_model_close(model);
        as_gguf_free(&before), as_gguf_free(&after);
        as_file_unmap(&map);
        as_buf_free(&bytes);
    }
}

// Doing it again changes nothing, down to the last byte.
static void quantizing_twice_is_once(void **state) {
    (void)state;
    as_buf once = quantized("q8", "q4_0"), twice = {0};
    as_mapped map = view_of(&once);
    as_gguf file = read_file(&map);
    as_err err;
    if (as_quantize_file(&file, recipe("q4_0"), 1, &twice, &err)) fail_msg("%s", err.text);
    assert_int_equal(once.len, twice.len);
    assert_memory_equal(once.ptr, twice.ptr, once.len);
    as_gguf_free(&file);
    as_buf_free(&once);
    as_buf_free(&twice);
}

// A tied output is the embedding: it is the one that gets more bits.
static void tied_embeddings_count_as_output(void **state) {
    (void)state;
    as_buf bytes = quantized("q8_tied", "q4_0");
    as_mapped map = view_of(&bytes);
    as_gguf file = read_file(&map);
    assert_int_equal(type_in(&file, "token_embd.weight"), Q8_0);
    assert_int_equal(type_in(&file, "blk.1.ffn_up.weight"), Q4_0);
    as_gguf_free(&file);
    as_buf_free(&bytes);
}

static void logits_of(as_model *model, float *out, size_t count) {
    uint32_t ids[] = {3, 70, 200, 15};
    as_session *session;
    as_err err;
    if (as_session_new(model, 16, 1, &session, &err)) fail_msg("%s", err.text);
    assert_true(count == 4 * as_model_facts(model)->vocabulary);
    assert_int_equal(as_session_logits(session, (as_tokens){ids, 4}, out), AS_EVAL_OK);
    as_session_free(session);
}

// ?quant= at load is the quantized file: same hash, same bits, with every table of kernels.
static void at_load_is_the_same(void **state) {
    (void)state;
    static const char *const types[] = {"q4_0", "q4_k_m", "q2_k", "bf16"};
    const as_kernels *tables[8];
    size_t table_count = as_kernels_available(tables);
    for (size_t i = 0; i < 4; i++) {
        as_err err;
        as_model *file, *loaded;
        as_buf bytes = quantized("kquants", types[i]);
        as_mapped map = view_of(&bytes);
        if (as_model_read("x.gguf", &map, NULL, &file, &err)) fail_msg("%s", err.text);
        size_t n = 4 * as_model_facts(file)->vocabulary;
        float *want = malloc(n * sizeof *want), *got = malloc(n * sizeof *got);
        logits_of(file, want, n);
        for (size_t t = 0; t < table_count; t++) {
            as_model_options options = {.cpu = tables[t]->name, .quant = types[i]};
            if (as_model_open(path_of("kquants"), &options, &loaded, &err))
                fail_msg("%s", err.text);
            assert_true(as_str_eq(as_model_facts(file)->sha256, as_model_facts(loaded)->sha256));
            logits_of(loaded, got, n);
            assert_memory_equal(want, got, n * sizeof *got);
            as_model_close(loaded);
        }
        free(want), free(got);
        as_model_close(file);
        as_buf_free(&bytes);
    }
}

// Of a model in parts one file is made: its keys and all tensors, without split.*.
static void parts_become_one(void **state) {
    (void)state;
    as_shards parts;
    as_buf whole = {0};
    as_err err;
    as_model *model;
    if (as_shards_open(&parts, path_of("parts-00001-of-00003"), &err)) fail_msg("%s", err.text);
    if (as_quantize_file(&parts.file, recipe("f16"), 1, &whole, &err)) fail_msg("%s", err.text);
    as_mapped map = view_of(&whole);
    as_gguf file = read_file(&map);
    assert_int_equal(file.tensor_count, parts.file.tensor_count);
    assert_int_equal(file.value_count, parts.file.value_count - 3 + 2);
    assert_non_null(as_gguf_find(&parts.file, "split.count"));
    assert_null(as_gguf_find(&file, "split.count"));
    if (as_model_read("x.gguf", &map, NULL, &model, &err)) fail_msg("%s", err.text);
    as_model_close(model);
    as_gguf_free(&file);
    as_shards_close(&parts);
    as_buf_free(&whole);
}

static void check_refused(as_buf *b, const char *message) {
    as_mapped map = view_of(b);
    as_gguf file = read_file(&map);
    as_buf out = {0};
    as_err err;
    assert_int_equal(as_quantize_file(&file, recipe("q8_0"), 1, &out, &err), AS_INVALID);
    if (!strstr(err.text, message)) fail_msg("'%s', expected '%s'", err.text, message);
    as_gguf_free(&file);
    as_buf_free(&out);
    as_buf_free(b);
}

static void put_small(as_buf *b, const char *key, uint32_t value, uint32_t type, size_t size) {
    as_put_header(b, 3, 1, 1);
    as_put_u32(b, key, value);
    as_put_tensor(b, "a.weight", (const uint64_t[]){256, 2, 0}, type, 0);
    as_put_padding(b, 32);
    as_put_zeros(b, size);
}

// Four MiB of weights, so that a thread finds work beside others.
static void threads_do_not_show(void **state) {
    (void)state;
    enum { ROWS = 4096, COLS = 256, BAD = 777 };
    static const size_t threads[] = {2, 3, 7, 64};
    for (int bad = 0; bad <= 1; bad++) {
        as_buf b = {0}, one = {0};
        as_err err = {0}, other = {0};
        as_put_header(&b, 3, 1, 1);
        as_put_u32(&b, "x", 1);
        as_put_tensor(&b, "a.weight", (const uint64_t[]){COLS, ROWS, 0}, F32, 0);
        as_put_padding(&b, 32);
        for (uint32_t i = 0; i < ROWS * COLS; i++) {
            float x = (float)((i * 2654435761u) >> 8) * 0x1p-23f - 1.0f;
            if (bad && i / COLS >= BAD && i % 1000 == 0) x = INFINITY;
            as_buf_add(&b, &x, sizeof x);
        }
        as_mapped map = view_of(&b);
        as_gguf file = read_file(&map);
        as_rc rc = as_quantize_file(&file, recipe("q4_0"), 1, &one, &err);
        assert_int_equal(rc, bad ? AS_INVALID : AS_OK);
        if (bad) assert_non_null(strstr(err.text, "has values in row 777 "));
        for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
            as_buf many = {0};
            assert_int_equal(as_quantize_file(&file, recipe("q4_0"), threads[i], &many, &other),
                             rc);
            assert_string_equal(other.text, err.text);
            assert_int_equal(many.len, one.len);
            if (!bad) assert_memory_equal(many.ptr, one.ptr, one.len);
            as_buf_free(&many);
        }
        as_gguf_free(&file);
        as_buf_free(&one);
        as_buf_free(&b);
    }
}

static void what_cannot_be_is_refused(void **state) {
    (void)state;
    const as_recipe *found;
    as_err err;
    as_buf b = {0};
    assert_int_equal(as_recipe_find(AS_STR("q4_2"), &found, &err), AS_INVALID);
    assert_non_null(strstr(err.text, "to 'q4_2' (did you mean 'q4_0'?); there are f32, "));
    assert_int_equal(as_recipe_find(AS_STR(""), &found, &err), AS_INVALID);
    assert_int_equal(as_recipe_find(AS_STR("q4_kq4_kq4_kq4_kq4_kq4_k"), &found, &err), AS_INVALID);

    put_small(&b, "x", 1, 24, 512);
    check_refused(&b, "tensor 'a.weight' is I8, which cannot be read, only F32, ");
    as_put_header(&b, 3, 0, 1);
    as_put_u32(&b, "x", 1);
    check_refused(&b, "it has no tensors");
    put_small(&b, "x", 1, F32, 2048);
    memcpy(b.ptr + b.len - 4, "\0\0\x80\x7f", 4); // infinity, in the second row
    check_refused(&b, "tensor 'a.weight' has values in row 1 that Q8_0 cannot hold");
}

// Damaged files that are still files: an answer, whatever it is, and what comes out can be read.
static void damage_does_no_harm(void **state) {
    (void)state;
    enum { MUTATIONS = 3000 };
    as_rng rng = as_rng_of(7, 7);
    as_mapped map;
    as_err err;
    size_t written = 0;
    if (as_file_map(path_of("blocks"), &map, &err)) fail_msg("%s", err.text);
    unsigned char *bytes = malloc(map.size);
    for (size_t i = 0; i < MUTATIONS; i++) {
        memcpy(bytes, map.bytes, map.size);
        for (int c = 0; c < 3; c++) {
            size_t reach = as_rng_below(&rng, 3) ? 12000 : map.size;
            bytes[as_rng_below(&rng, reach < map.size ? reach : map.size)] =
                (unsigned char)as_rng_u64(&rng);
        }
        as_gguf file, again;
        as_buf out = {0};
        if (as_gguf_read(&file, "x", bytes, map.size, &err)) continue;
        if (!as_quantize_file(&file, recipe(i % 2 ? "q5_k_s" : "q2_k"), 1, &out, &err)) {
            written++;
            if (as_gguf_read(&again, "x", (unsigned char *)out.ptr, out.len, &err))
                fail_msg("%s", err.text);
            as_gguf_free(&again);
        }
        as_gguf_free(&file);
        as_buf_free(&out);
    }
    print_message("%zu of %d changed files could be quantized\n", written, MUTATIONS);
    assert_true(written > 50);
    free(bytes);
    as_file_unmap(&map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_makes_a_model),
        cmocka_unit_test(quantizing_twice_is_once),
        cmocka_unit_test(tied_embeddings_count_as_output),
        cmocka_unit_test(at_load_is_the_same),
        cmocka_unit_test(parts_become_one),
        cmocka_unit_test(threads_do_not_show),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(damage_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
