// SPDX-License-Identifier: Apache-2.0
// tokenize_texts.c - for peer/vocabularies.py: the tokens of texts by the vocabulary of a file.
//
//   tokenize_texts FILE.gguf < TEXTS     texts end with a zero byte; a line of ids each
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/file.h"
#include "harness/engine/text/vocab.h"

static as_rc print_tokens(const as_vocab *vocab, as_str text, as_err *err) {
    as_arena arena = {0};
    as_tokens tokens;
    as_rc rc = as_vocab_tokenize(vocab, &arena, text, false, false, &tokens, err);
    for (size_t i = 0; !rc && i < tokens.count; i++) printf("%s%u", i ? " " : "", tokens.ids[i]);
    puts("");
    as_arena_free(&arena);
    return rc;
}

int main(int argc, char **argv) {
    enum { MAX = 1 << 26 };
    as_mapped map = {0};
    as_gguf file = {0};
    as_vocab vocab = {0};
    as_err err = {.text = "usage: tokenize_texts FILE.gguf < TEXTS"};
    as_rc rc = AS_INVALID;
    if (argc == 2) rc = as_file_map(argv[1], &map, &err);
    if (!rc) rc = as_gguf_read(&file, argv[1], map.bytes, map.size, &err);
    if (!rc) rc = as_vocab_load(&vocab, &file, &err);
    char *text = as_mem_new(MAX);
    size_t size = rc ? 0 : fread(text, 1, MAX, stdin);
    for (char *at = text, *end; !rc && (end = memchr(at, 0, size - (size_t)(at - text)));
         at = end + 1)
        rc = print_tokens(&vocab, (as_str){at, (size_t)(end - at)}, &err);
    if (rc) fprintf(stderr, "%s\n", err.text);
    free(text);
    as_vocab_free(&vocab);
    as_gguf_free(&file);
    as_file_unmap(&map);
    return rc ? 1 : 0;
}
