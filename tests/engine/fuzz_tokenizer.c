// SPDX-License-Identifier: Apache-2.0
// fuzz_tokenizer.c - libFuzzer over texts, with the vocabularies of the small models: one of each
// kind and pre-tokenizer. The first byte of an input says which, and whether control tokens may
// stand in the text; the rest is the text.
#include <assert.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/file.h"
#include "harness/engine/text/vocab.h"

enum { VOCABS_MAX = 128 };

static as_vocab vocabs[VOCABS_MAX];
static size_t vocab_count;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void load(const char *path) {
    as_gguf file = {0};
    as_arena arena = {0};
    as_str bytes;
    as_err err = {0};
    if (!as_file_read(&arena, path, SIZE_MAX, &bytes, &err) &&
        !as_gguf_read(&file, path, (const unsigned char *)bytes.ptr, bytes.len, &err) &&
        !as_vocab_load(&vocabs[vocab_count], &file, &err))
        vocab_count++;
    as_gguf_free(&file);
    as_arena_free(&arena);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    static const char *const patterns[] = {"/bpe_*.gguf", "/peer_*.gguf", "/bert_*.gguf",
                                           "/uni*.gguf",  "/f32.gguf",    "/more_*.gguf"};
    glob_t found = {0};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        char pattern[4096] = AS_TEST_MODELS;
        strcat(pattern, patterns[i]);
        glob(pattern, i ? GLOB_APPEND : 0, NULL, &found);
    }
    for (size_t i = 0; i < found.gl_pathc && vocab_count < VOCABS_MAX; i++) load(found.gl_pathv[i]);
    globfree(&found);
    assert(vocab_count > 16);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (!size) return 0;
    const as_vocab *vocab = &vocabs[(bytes[0] >> 1) % vocab_count];
    bool special = bytes[0] & 1;
    as_str text = {(const char *)bytes + 1, size - 1};
    as_arena arena = {0};
    as_tokens tokens, guarded;
    as_err err = {.rc = AS_OK};
    if (as_vocab_tokenize(vocab, &arena, text, special, false, &tokens, &err)) {
        assert(err.rc && err.text[0]);
    } else {
        for (size_t i = 0; i < tokens.count; i++) {
            assert(tokens.ids[i] < vocab->count);
            // What is data stays data.
            assert(special || vocab->kinds[tokens.ids[i]] != AS_TOKEN_CONTROL);
        }
        as_rc rc = as_vocab_tokenize(vocab, &arena, as_vocab_guard(vocab, &arena, text), true,
                                     false, &guarded, &err);
        for (size_t i = 0; !rc && i < guarded.count; i++)
            assert(vocab->kinds[guarded.ids[i]] != AS_TOKEN_CONTROL);
    }
    as_arena_free(&arena);
    return 0;
}
