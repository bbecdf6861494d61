// SPDX-License-Identifier: Apache-2.0
// fuzz_gguf.c - libFuzzer over everything that reads a model file: container, hyperparameters,
// vocabulary, weights; and over what writes one. Models of some size are not run, only loaded, then
// tokenized with.
#include <assert.h>

#include "harness/engine/model.h"
#include "harness/engine/quantize.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

// What it makes of a file that it takes is a file that it reads.
static void quantize(const as_gguf *file, size_t which) {
    as_buf quantized = {0};
    as_err err;
    static const char *const names[] = {"q2_k", "q3_k_m", "q4_k_m", "q5_1", "iq4_xs", "mxfp4"};
    const as_recipe *recipe = NULL;
    as_rc found = as_recipe_find(as_str_of(names[which % 6]), &recipe, &err);
    assert(!found);
    if (!as_quantize_file(file, recipe, 1, &quantized, &err)) {
        as_gguf again = {0};
        const unsigned char *out = (const unsigned char *)quantized.ptr;
        as_rc rc = as_gguf_read(&again, "quantized", out, quantized.len, &err);
        assert(!rc);
        as_gguf_free(&again);
    }
    as_buf_free(&quantized);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    as_gguf file = {0};
    as_err err = {.rc = AS_OK};
    if (as_gguf_read(&file, "fuzz", bytes, size, &err)) {
        assert(err.rc == AS_INVALID && err.text[0]);
        return 0;
    }
    as_vocab vocab = {0};
    as_arena arena = {0};
    as_tokens tokens;
    if (!as_vocab_load(&vocab, &file, &err)) {
        as_str text = AS_STR("the cat sat on 123 mats \xc3\xa9\n\n<s><|eot_id|>");
        if (!as_vocab_tokenize(&vocab, &arena, text, true, true, &tokens, &err))
            for (size_t i = 0; i < tokens.count; i++) assert(tokens.ids[i] < vocab.count);
    }
    as_hparams hparams;
    as_weights weights = {0};
    if (vocab.count && !as_hparams_read(&hparams, &file, &err) &&
        !as_weights_load(&weights, &file, NULL, &hparams, vocab.count, false, NULL, &err))
        as_weights_free(&weights);
    if (size % 8 == 0) quantize(&file, size / 8); // slow: not each
    as_arena_free(&arena);
    as_vocab_free(&vocab);
    as_gguf_free(&file);
    return 0;
}
