// SPDX-License-Identifier: Apache-2.0
// Embeddings against transformers in double precision (make_encoder_fixtures.py), and that they
// depend on the text alone.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/file.h"
#include "harness/engine/engine.h"
#include "kernels/kernels.h"

enum { TEXTS_MAX = 16, WIDTH_MAX = 64 };

typedef struct recorded {
    uint32_t count, width;
    as_tokens texts[TEXTS_MAX];
    double vectors[TEXTS_MAX][WIDTH_MAX];
} recorded;

static const char *const names[] = {"bert_mean",  "bert_cls",   "bert_q8",         "nomic",
                                    "qwen3_last", "qwen3_mean", "gemma_embedding", "llama_embed"};
enum { NAMES = sizeof names / sizeof *names };

static void read_recorded(const char *name, recorded *r) {
    char path[512];
    as_err err;
    as_mapped map;
    snprintf(path, sizeof path, "%s/%s.vectors", AS_TEST_MODELS, name);
    if (as_file_map(path, &map, &err)) fail_msg("%s", err.text);
    memcpy(&r->count, map.bytes, 4);
    memcpy(&r->width, map.bytes + 4, 4);
    assert_true(r->count <= TEXTS_MAX && r->width <= WIDTH_MAX);
    const unsigned char *at = map.bytes + 8;
    for (size_t i = 0; i < r->count; i++) {
        uint32_t n;
        memcpy(&n, at, 4);
        r->texts[i] = (as_tokens){as_mem_new(n * sizeof(uint32_t)), n};
        memcpy(r->texts[i].ids, at + 4, n * sizeof(uint32_t));
        at += 4 + 4 * n;
        memcpy(r->vectors[i], at, r->width * sizeof(double));
        at += r->width * sizeof(double);
    }
    assert_ptr_equal(at, map.bytes + map.size);
    as_file_unmap(&map);
}

static void free_recorded(recorded *r) {
    for (size_t i = 0; i < r->count; i++) free(r->texts[i].ids);
}

static as_model *open_model(const char *name, const char *cpu) {
    char path[512];
    as_err err;
    as_model *model;
    as_model_options options = {.cpu = cpu};
    snprintf(path, sizeof path, "%s/%s.gguf", AS_TEST_MODELS, name);
    if (as_model_open(path, &options, &model, &err)) fail_msg("%s", err.text);
    return model;
}

static as_embedder *new_embedder(const as_model *model, const char *pooling, size_t threads) {
    as_err err;
    as_embedder *embedder;
    as_embedder_options options = {.pooling = as_str_of(pooling), .threads = threads};
    if (as_embedder_new(model, &options, &embedder, &err)) fail_msg("%s", err.text);
    return embedder;
}

static void transformers_says_the_same(void **state) {
    (void)state;
    for (size_t n = 0; n < NAMES; n++) {
        recorded r;
        read_recorded(names[n], &r);
        as_model *model = open_model(names[n], NULL);
        as_embedder *embedder = new_embedder(model, NULL, 1);
        assert_int_equal(as_model_facts(model)->width, r.width);
        float out[TEXTS_MAX * WIDTH_MAX];
        assert_int_equal(as_embedder_run(embedder, r.texts, r.count, out), AS_EVAL_OK);
        double worst = 0.0;
        for (size_t i = 0; i < r.count; i++)
            for (size_t j = 0; j < r.width; j++) {
                double off = fabs((double)out[i * r.width + j] - r.vectors[i][j]);
                if (!(off <= worst)) worst = off; // NaN too
            }
        print_message("%-10s off by %.2g\n", names[n], worst);
        // Products with quantized weights quantize the rows too; transformers does not.
        assert_true(worst < (strcmp(names[n], "bert_q8") ? 1e-5 : 0.02));
        as_embedder_free(embedder);
        as_model_close(model);
        free_recorded(&r);
    }
}

// The same bits alone and in any batch, on any thread count and kernel table.
static void nothing_but_the_text_counts(void **state) {
    (void)state;
    const as_kernels *tables[8];
    size_t table_count = as_kernels_available(tables);
    for (size_t n = 0; n < NAMES; n++) {
        recorded r;
        read_recorded(names[n], &r);
        float wanted[TEXTS_MAX * WIDTH_MAX], out[TEXTS_MAX * WIDTH_MAX];
        for (size_t i = 0; i < 3 * table_count; i++) {
            as_model *model = open_model(names[n], tables[i / 3]->name);
            as_embedder *embedder = new_embedder(model, NULL, i % 3 + 1);
            float *into = i ? out : wanted;
            assert_int_equal(as_embedder_run(embedder, r.texts, r.count, into), AS_EVAL_OK);
            size_t size = r.count * r.width * sizeof *out;
            if (i) assert_memory_equal(out, wanted, size);
            memset(out, 0, sizeof out);
            for (size_t j = r.count; j-- > 0;)
                assert_int_equal(as_embedder_run(embedder, r.texts + j, 1, out + j * r.width),
                                 AS_EVAL_OK);
            assert_memory_equal(out, wanted, size);
            as_embedder_free(embedder);
            as_model_close(model);
        }
        free_recorded(&r);
    }
}

static void texts_are_put_in_their_tokens(void **state) {
    (void)state;
    as_arena arena = {0};
    as_err err;
    as_tokens tokens;
    as_model *model = open_model("bert_mean", NULL);
    as_embedder *embedder = new_embedder(model, NULL, 1);
    assert_true(as_model_facts(model)->encoder);
    assert_true(as_str_is(as_model_facts(model)->pooling, "mean"));
    // What data writes is text: no second [SEP].
    assert_int_equal(as_embedder_tokenize(embedder, &arena, AS_STR("The cat [SEP]"), &tokens, &err),
                     AS_OK);
    assert_int_equal(tokens.ids[0], 2);
    assert_int_equal(tokens.ids[1], 4);
    assert_int_equal(tokens.ids[2], 5);
    assert_int_equal(tokens.ids[tokens.count - 1], 3);
    for (size_t i = 3; i + 1 < tokens.count; i++) assert_int_equal(tokens.ids[i], 1); // unknown
    as_embedder_free(embedder);
    as_model_close(model);

    model = open_model("qwen3_last", NULL); // a decoder whose file asks for the end token
    embedder = new_embedder(model, NULL, 1);
    assert_false(as_model_facts(model)->encoder);
    assert_string_equal(as_embedder_pooling(embedder), "last");
    assert_int_equal(as_embedder_tokenize(embedder, &arena, AS_STR("a"), &tokens, &err), AS_OK);
    assert_int_equal(tokens.count, 2);
    assert_int_equal(tokens.ids[1], as_model_facts(model)->eos);
    as_embedder_free(embedder);
    as_model_close(model);
    as_arena_free(&arena);
}

static void what_cannot_be_is_refused(void **state) {
    (void)state;
    as_err err;
    as_embedder *embedder;
    as_model *model = open_model("f32", NULL); // a decoder that says nothing of pooling
    assert_int_equal(as_embedder_new(model, &(as_embedder_options){0}, &embedder, &err),
                     AS_INVALID);
    assert_non_null(strstr(err.text, "ask for pooling mean, cls or last"));
    as_embedder_options wrong = {.pooling = AS_STR("meen")};
    assert_int_equal(as_embedder_new(model, &wrong, &embedder, &err), AS_INVALID);
    assert_non_null(strstr(err.text, "did you mean 'mean'?"));
    embedder = new_embedder(model, "mean", 2);
    float out[WIDTH_MAX];
    uint32_t ids[300] = {0};
    as_tokens none = {ids, 0}, most = {ids, 256}, more = {ids, 257};
    assert_int_equal(as_embedder_run(embedder, &none, 1, out), AS_EVAL_TOO_LONG);
    assert_int_equal(as_embedder_run(embedder, &most, 1, out), AS_EVAL_OK);
    assert_int_equal(as_embedder_run(embedder, &more, 1, out), AS_EVAL_TOO_LONG);
    as_embedder_free(embedder);
    as_model_close(model);
    model = open_model("nomic", NULL);
    as_embedder_options long_one = {.context = 321};
    assert_int_equal(as_embedder_check(model, &long_one, &err), AS_INVALID);
    assert_int_equal(as_embedder_new(model, &long_one, &embedder, &err), AS_INVALID);
    assert_non_null(strstr(err.text, "longer than the model's 320"));
    as_model_close(model);
}

// What predicts tokens and what embeds texts refuse each other's models by name.
static void an_encoder_has_no_session(void **state) {
    (void)state;
    as_model *model = open_model("bert_mean", NULL);
    as_session *session;
    as_err err;
    assert_int_equal(as_session_new(model, 0, 1, &session, &err), AS_INVALID);
    assert_string_equal(err.text, "the model is an encoder (bert): it embeds texts and predicts no "
                                  "tokens");
    as_model_close(model);
    model = open_model("llama_embed", NULL);
    assert_int_equal(as_session_new(model, 0, 1, &session, &err), AS_INVALID);
    assert_non_null(strstr(err.text, "(llama-embed): it embeds texts and predicts no tokens"));
    as_model_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transformers_says_the_same),
        cmocka_unit_test(nothing_but_the_text_counts),
        cmocka_unit_test(texts_are_put_in_their_tokens),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(an_encoder_has_no_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
