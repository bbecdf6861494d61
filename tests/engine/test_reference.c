// SPDX-License-Identifier: Apache-2.0
// The forward pass against one written in double precision from the formulas (make_models.py).
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/file.h"
#include "harness/engine/engine.h"

typedef struct reference {
    as_mapped map;
    uint32_t count, vocabulary, references;
    as_tokens tokens;
    const double *logits; // [references][count][vocabulary]
} reference;

static reference read_reference(const char *name) {
    char path[512];
    as_err err;
    reference r;
    snprintf(path, sizeof path, "%s/%s.ref", AS_TEST_MODELS, name);
    if (as_file_map(path, &r.map, &err)) fail_msg("%s", err.text);
    memcpy(&r.count, r.map.bytes, 4);
    memcpy(&r.vocabulary, r.map.bytes + 4, 4);
    memcpy(&r.references, r.map.bytes + 8, 4);
    r.tokens = (as_tokens){as_mem_new(4 * r.count), r.count};
    memcpy(r.tokens.ids, r.map.bytes + 12, 4 * r.count);
    size_t size = sizeof(double) * r.references * r.count * r.vocabulary;
    double *logits = as_mem_new(size); // the file does not align them
    memcpy(logits, r.map.bytes + 12 + 4 * r.count, size);
    r.logits = logits;
    return r;
}

// Largest difference over the reference's root mean square.
static double distance(const float *logits, const double *wanted, size_t n) {
    double worst = 0.0, squares = 0.0;
    for (size_t i = 0; i < n; i++) {
        double off = fabs((double)logits[i] - wanted[i]);
        if (!(off <= worst)) worst = off; // NaN too
        squares += wanted[i] * wanted[i];
    }
    return worst / sqrt(squares / (double)n);
}

static void compare(const char *name, double limit, double plain_limit) {
    char path[512], lora[512];
    as_err err;
    as_model *model;
    as_session *session;
    bool parts = strcmp(name, "parts") == 0, adapted = strncmp(name, "lora", 4) == 0;
    const char *end = parts ? "-00001-of-00003" : "";
    snprintf(path, sizeof path, "%s/%s%s.gguf", AS_TEST_MODELS, name, end);
    snprintf(lora, sizeof lora, "%s/%s.adapter.gguf", AS_TEST_MODELS, name);
    as_model_options options = {.lora = adapted ? lora : NULL};
    if (as_model_open(path, &options, &model, &err)) fail_msg("%s", err.text);
    if (as_session_new(model, 0, 1, &session, &err)) fail_msg("%s", err.text);
    reference r = read_reference(name);
    assert_int_equal(r.vocabulary, as_model_facts(model)->vocabulary);
    size_t n = (size_t)r.count * r.vocabulary;
    float *logits = as_mem_new(n * sizeof *logits);
    assert_int_equal(as_session_logits(session, r.tokens, logits), AS_EVAL_OK);
    double off = distance(logits, r.logits, n), plain = distance(logits, r.logits + n, n);
    print_message("%-10s off by %.2g of the logits' size; without quantized activations %.2g\n",
                  name, off, plain);
    assert_true(off < limit);
    assert_true(plain < plain_limit);
    free(logits);
    free(r.tokens.ids);
    free((void *)(uintptr_t)r.logits);
    as_file_unmap(&r.map);
    as_session_free(session);
    as_model_close(model);
}

static void f32_models(void **state) {
    (void)state;
    compare("f32", 1e-5, 1e-5);
    compare("odd", 1e-5, 1e-5);
}

static void f16_models(void **state) {
    (void)state;
    compare("f16", 1e-5, 1e-5);
}

static void q8_models(void **state) {
    (void)state;
    compare("q8", 1e-4, 0.3);
    compare("q8_tied", 1e-4, 0.3);
    compare("mixed", 1e-4, 0.3);
}

static void architectures(void **state) {
    (void)state;
    static const char *const names[] = {"qwen2",    "qwen3",   "gemma",        "gemma2",
                                        "gemma3",   "phi3",    "phi3_short",   "mixtral",
                                        "qwen3moe", "granite", "mixtral_apart"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) compare(names[i], 1e-5, 1e-5);
    compare("qwen2moe", 1e-4, 0.3);
    compare("q8_olmo2", 1e-4, 0.3);
    compare("gpt_oss", 1e-4, 0.3);
}

static void adapters_and_parts(void **state) {
    (void)state;
    compare("lora_llama", 1e-4, 0.3);
    compare("lora_phi3", 1e-5, 1e-5);
    compare("parts", 1e-5, 1e-5);
}

static void models_of_blocks(void **state) {
    (void)state;
    compare("blocks", 1e-4, 0.3);
    compare("kquants", 1e-4, 0.3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f32_models),         cmocka_unit_test(f16_models),
        cmocka_unit_test(q8_models),          cmocka_unit_test(architectures),
        cmocka_unit_test(adapters_and_parts), cmocka_unit_test(models_of_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
