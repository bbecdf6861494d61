// SPDX-License-Identifier: Apache-2.0
// SentencePiece's models: texts are cut as SentencePiece cuts them, and hostile files are refused.
// With the name of a file, its vectors are checked instead (make_sentencepiece_vectors.py).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/pieces/sentencepiece.h"
#include "harness/base/rng.h"
#include "tests/base/vectors.h"

static const char *vectors = "tests/base/sentencepiece.jsonl";

static char *bytes_of(as_str hex, size_t *size) {
    char *out = malloc(hex.len / 2 + 1);
    assert_non_null(out);
    for (size_t i = 0; i + 1 < hex.len; i += 2) {
        char two[] = {hex.ptr[i], hex.ptr[i + 1], '\0'};
        out[i / 2] = (char)strtoul(two, NULL, 16);
    }
    *size = hex.len / 2;
    return out;
}

static as_sentencepiece *model; // the last one met
static size_t model_count;

static void take_model(as_str name, as_str hex) {
    size_t size;
    char *file = bytes_of(hex, &size);
    as_err err = {0};
    as_sentencepiece_free(model);
    model = NULL;
    if (as_sentencepiece_read((as_str){file, size}, name.ptr, &model, &err))
        fail_msg("%s", err.text);
    free(file);
    model_count++;
}

static size_t check(as_arena *arena, const as_json *vector, unsigned long long line) {
    as_str hex = as_json_str(vector, "file", AS_STR(""));
    if (hex.len) take_model(as_json_str(vector, "model", AS_STR("")), hex);
    const as_json *pieces = as_json_get(vector, "pieces");
    if (!pieces) return 0;
    size_t count, at = 0;
    as_str *got =
        as_sentencepiece_cut(model, arena, as_json_str(vector, "text", AS_STR("")), &count);
    bool same = true;
    for (const as_json *p = pieces->child; p; p = p->next, at++)
        same = same && at < count && as_str_eq(got[at], p->text);
    if (same && at == count) return 0;
    printf("line %llu:", line);
    for (size_t i = 0; i < count; i++) printf(" %.*s", AS_STR_ARG(got[i]));
    printf("\n");
    return 1;
}

static void texts_are_cut_as_by_the_reference(void **state) {
    (void)state;
    model_count = 0;
    assert_true(check_vectors(vectors, check) > 400);
    assert_true(model_count >= 4);
    as_sentencepiece_free(model);
    model = NULL;
}

// Whatever is read cuts any text into what it is made of.
static void try_bytes(const char *bytes, size_t size) {
    as_sentencepiece *made = NULL;
    as_err err = {0};
    char *exact = malloc(size + !size); // so that a sanitizer sees a read past the end
    assert_non_null(exact);
    memcpy(exact, bytes, size);
    if (as_sentencepiece_read((as_str){exact, size}, "x.model", &made, &err)) {
        assert_int_equal(err.rc, AS_INVALID);
        assert_non_null(strstr(err.text, "cannot read 'x.model'"));
    } else {
        as_arena arena = {0};
        size_t count;
        as_sentencepiece_cut(made, &arena, AS_STR("the quick <sep> \xe6\x9d\xb1\xef\xac\x81"),
                             &count);
        assert_true(count > 0 || made);
        as_arena_free(&arena);
        as_sentencepiece_free(made);
    }
    free(exact);
}

static size_t damage(as_arena *arena, const as_json *vector, unsigned long long line) {
    (void)arena;
    as_str hex = as_json_str(vector, "file", AS_STR(""));
    if (!hex.len) return 0;
    size_t size;
    char *file = bytes_of(hex, &size);
    as_rng rng = as_rng_of(line, 7);
    for (size_t cut = 0; cut < size; cut += cut < 100 ? 1 : 37) try_bytes(file, cut);
    for (int round = 0; round < 300; round++) {
        size_t at = as_rng_below(&rng, size);
        char was = file[at];
        file[at] = (char)as_rng_below(&rng, 256);
        try_bytes(file, size);
        file[at] = was;
    }
    free(file);
    return 0;
}

static void damaged_files_are_refused_or_work(void **state) {
    (void)state;
    check_vectors(vectors, damage);
}

#define UNK "\x0a\x09\x0a\x05<unk>\x18\x02"

static void refusals_name_field_and_offset(void **state) {
    (void)state;
    static const struct {
        const char *bytes, *says;
        size_t size;
    } cases[] = {
#define CASE(bytes, says) {bytes, says, sizeof(bytes) - 1}
        CASE("", "no piece stands for the unknown"),
        CASE(UNK UNK, "piece 1, '<unk>', is there twice"),
        CASE(UNK "\x0a\x03\x0a\x02"
                 "a",
             "a piece has a field that ends past it (offset 13)"),
        CASE(UNK "\x0a\x7f\x0a\x02"
                 "ab",
             "the model has a field that ends past it (offset 11)"),
        CASE(UNK "\x0a\x00", "piece 1 has no text (offset 11)"),
        CASE(UNK "\x0a\x03\x0a\x01\xff",
             "piece 1 has a text that is too long or no UTF-8 (offset 13)"),
        CASE(UNK "\x0a\x05\x0a\x01"
                 "a\x18\x07",
             "piece 1 has a type that is not 1 to 6 (offset 16)"),
        CASE(UNK "\x0a\x08\x0a\x01"
                 "a\x15\x00\x00\xc0\x7f",
             "piece 1 has a score that is no number"),
        CASE(UNK "\x0a\x05\x0a\x01"
                 "a\x10\x07",
             "the score of a piece is of another type (offset 16)"),
        CASE(UNK "\x0a\x0a\x0a\x06<0x0A>\x18\x06", "is a byte, though byte_fallback is not set"),
        CASE(UNK "\x0a\x07\x0a\x03<0x\x18\x06", "is of the byte type but is not like '<0x0A>'"),
        CASE(UNK "\x12\x03\x98\x02\x01", "no piece is '<0x00>'"),
        CASE(UNK "\x12\x02\x18\x03", "model_type is word, and only unigram and bpe are supported"),
        CASE(UNK "\x12\x02\x18\x04", "model_type is char, and only unigram and bpe are supported"),
        CASE(UNK "\x1a\x03\x12\x01x",
             "precompiled_charsmap is no table of a normalizer (offset 13)"),
        CASE(UNK "\x18\x01", "normalizer_spec is of another type (offset 11)"),
        CASE(UNK "\x0b", "the model has a field of no type that is known (offset 11)"),
        CASE(UNK "\x02", "the model has a field without a number (offset 11)"),
        CASE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
             "the model has a number that does not end"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        as_sentencepiece *made = NULL;
        as_err err = {0};
        as_str bytes = {cases[i].bytes, cases[i].size};
        assert_int_equal(as_sentencepiece_read(bytes, "x.model", &made, &err), AS_INVALID);
        if (!strstr(err.text, cases[i].says)) fail_msg("%s; not: %s", err.text, cases[i].says);
        assert_null(made);
    }
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_cut_as_by_the_reference),
        cmocka_unit_test(damaged_files_are_refused_or_work),
        cmocka_unit_test(refusals_name_field_and_offset),
    };
    if (argc > 1) vectors = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
