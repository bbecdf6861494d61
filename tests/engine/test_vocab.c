// SPDX-License-Identifier: Apache-2.0
// Tokenizers against their references (fixtures/, made by make_tokenizer_fixtures.py), special
// tokens, and vocabularies that are wrong.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/clock.h"
#include "harness/base/file.h"
#include "harness/base/rng.h"
#include "harness/base/utf8.h"
#include "harness/engine/text/vocab.h"
#include "tests/base/draws.h"
#include "tests/engine/gguf_writer.h"

static as_vocab load(as_str bytes) {
    as_gguf file;
    as_vocab vocab;
    as_err err;
    if (as_gguf_read(&file, "x.gguf", (const unsigned char *)bytes.ptr, bytes.len, &err))
        fail_msg("%s", err.text);
    as_rc rc = as_vocab_load(&vocab, &file, &err);
    as_gguf_free(&file);
    if (rc) fail_msg("%s", err.text);
    return vocab;
}

static as_mapped map_file(const char *name, const char *end) {
    char path[512];
    as_mapped map;
    as_err err;
    snprintf(path, sizeof path, "%s/%s%s", AS_TEST_MODELS, name, end);
    if (as_file_map(path, &map, &err)) fail_msg("%s", err.text);
    return map;
}

static as_vocab load_file(const char *name) {
    as_mapped map = map_file(name, ".gguf");
    as_vocab vocab = load((as_str){(const char *)map.bytes, map.size});
    as_file_unmap(&map);
    return vocab;
}

static uint32_t next_u32(const unsigned char **at) {
    uint32_t value;
    memcpy(&value, *at, 4);
    *at += 4;
    return value;
}

static void check_case(const as_vocab *vocab, as_str text, bool special, const unsigned char *ids,
                       size_t count) {
    as_arena arena = {0};
    as_tokens got;
    as_err err;
    if (as_vocab_tokenize(vocab, &arena, text, special, false, &got, &err))
        fail_msg("%s", err.text);
    bool same = got.count == count && !memcmp(got.ids, ids, 4 * count);
    if (!same) {
        print_message("'%.*s':", AS_STR_ARG(text));
        for (size_t i = 0; i < got.count; i++) print_message(" %u", got.ids[i]);
        print_message(", not");
        for (size_t i = 0; i < count; i++) print_message(" %u", next_u32(&ids));
        fail_msg("tokens differ");
    }
    // The bytes of the tokens are the text; SentencePiece puts spaces in front of its parts.
    as_buf back = {0};
    for (size_t i = 0; i < got.count; i++)
        as_buf_str(&back, as_lexicon_text(&vocab->texts, got.ids[i]));
    if (vocab->bpe && back.len + text.len) {
        assert_int_equal(back.len, text.len);
        assert_memory_equal(back.ptr, text.ptr, text.len);
    }
    as_buf_free(&back);
    as_arena_free(&arena);
}

static void check_fixture(const char *name) {
    as_vocab vocab = load_file(name);
    as_mapped map = map_file(name, ".cases");
    const unsigned char *at = map.bytes;
    uint32_t count = next_u32(&at);
    assert_true(count > 100);
    for (uint32_t i = 0; i < count; i++) {
        bool special = next_u32(&at) != 0;
        uint32_t len = next_u32(&at);
        as_str text = {(const char *)at, len};
        at += len;
        uint32_t ids = next_u32(&at);
        check_case(&vocab, text, special, at, ids);
        at += 4 * (size_t)ids;
    }
    assert_ptr_equal(at, map.bytes + map.size);
    as_file_unmap(&map);
    as_vocab_free(&vocab);
}

static void byte_level_bpe_equals_its_references(void **state) {
    (void)state;
    check_fixture("bpe_gpt2");
    check_fixture("bpe_llamabpe");
    check_fixture("bpe_qwen2");
    check_fixture("bpe_smollm");
    check_fixture("bpe_default");
    check_fixture("bpe_tekken");
    check_fixture("bpe_gpt4o");
    check_fixture("bpe_deepseekcoder");
    check_fixture("bpe_deepseekv3");
    check_fixture("bpe_bloom");
    check_fixture("bpe_viking");
    check_fixture("bpe_deepseekllm");
    check_fixture("bpe_qwen35");
    check_fixture("bpe_seedcoder");
    check_fixture("bpe_jais2");
    check_fixture("bpe_minicpm5");
    check_fixture("bpe_falcon");
    static const char *const more[] = {"granite-embed-multi-97m",
                                       "youtu",
                                       "tiny_aya",
                                       "superbpe",
                                       "kimi-k2",
                                       "exaone-moe",
                                       "ufakzeka",
                                       "laguna",
                                       "afmoe",
                                       "spark2_5",
                                       "chameleon"};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        char name[64];
        snprintf(name, sizeof name, "more_%s", more[i]);
        check_fixture(name);
    }
}

static void sentencepiece_equals_its_references(void **state) {
    (void)state;
    check_fixture("spm");
}

static void unigram_equals_its_reference(void **state) {
    (void)state;
    check_fixture("unigram");
}

static void wordpiece_equals_its_reference(void **state) {
    (void)state;
    check_fixture("wordpiece");
    check_fixture("wordpiece_cased");   // normalizer.lowercase is false
    check_fixture("wordpiece_accents"); // and true, with strip_accents false
}

static as_tokens tokenize(const as_vocab *vocab, as_arena *arena, as_str text, bool special,
                          bool bos) {
    as_tokens tokens;
    as_err err;
    if (as_vocab_tokenize(vocab, arena, text, special, bos, &tokens, &err))
        fail_msg("%s", err.text);
    return tokens;
}

static void the_beginning_is_never_doubled(void **state) {
    (void)state;
    static const struct {
        const char *model, *bos;
    } cases[] = {{"f32", "<|begin_of_text|>"}, {"f16", "<s>"}};
    for (size_t i = 0; i < 2; i++) {
        as_vocab vocab = load_file(cases[i].model);
        as_arena arena = {0};
        as_str text = as_strf(&arena, "%sthe cat", cases[i].bos);
        as_tokens with = tokenize(&vocab, &arena, AS_STR("the cat"), true, true);
        as_tokens without = tokenize(&vocab, &arena, AS_STR("the cat"), true, false);
        as_tokens written = tokenize(&vocab, &arena, text, true, true);
        as_tokens data = tokenize(&vocab, &arena, text, false, true);
        assert_int_equal(with.ids[0], vocab.bos);
        assert_int_equal(with.count, without.count + 1);
        assert_memory_equal(with.ids + 1, without.ids, 4 * without.count);
        assert_int_equal(written.count, with.count);
        assert_memory_equal(written.ids, with.ids, 4 * with.count);
        // In data it is text: one real beginning, and no other control token.
        assert_int_equal(data.ids[0], vocab.bos);
        for (size_t j = 1; j < data.count; j++)
            assert_int_not_equal(vocab.kinds[data.ids[j]], AS_TOKEN_CONTROL);
        // Two that were written stay two: that is the text's own doing.
        text = as_strf(&arena, "%s%s", cases[i].bos, cases[i].bos);
        assert_int_equal(tokenize(&vocab, &arena, text, true, true).count, 2);
        assert_int_equal(tokenize(&vocab, &arena, AS_STR(""), true, true).count, 1);
        as_arena_free(&arena);
        as_vocab_free(&vocab);
    }
}

static void ends_are_known(void **state) {
    (void)state;
    as_vocab vocab = load_file("f32");
    size_t ends = 0;
    for (size_t i = 0; i < vocab.count; i++) ends += vocab.ends[i];
    assert_int_equal(ends, 2); // <|end_of_text|> by its key, <|eot_id|> by its name
    assert_true(vocab.ends[vocab.eos]);
    assert_false(vocab.ends[vocab.bos]);
    as_vocab_free(&vocab);
}

// A file by that name: its special tokens swallow white space, but for some.
static void phi3_strips_after_special_tokens(void **state) {
    (void)state;
    static const struct {
        const char *text, *plain;
        bool special;
    } cases[] = {
        {"</s> \n\t the cat", "</s>the cat", true}, {"</s>the cat", "</s>the cat", true},
        {"</s>\n</s>\n", "</s></s>", true},         {"<s> the cat", "<s> the cat", true},
        {"</s> the cat", "</s> the cat", false},
    };
    as_vocab vocab = load_file("phi3"), other = load_file("f16"); // the same vocabulary
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        as_arena arena = {0};
        as_tokens got = tokenize(&vocab, &arena, as_str_of(cases[i].text), cases[i].special, false);
        as_tokens wanted =
            tokenize(&other, &arena, as_str_of(cases[i].plain), cases[i].special, false);
        assert_int_equal(got.count, wanted.count);
        assert_memory_equal(got.ids, wanted.ids, 4 * got.count);
        as_arena_free(&arena);
    }
    as_vocab_free(&vocab);
    as_vocab_free(&other);
}

static void bytes_that_are_no_utf8_become_replacements(void **state) {
    (void)state;
    static const char *const models[] = {"f32", "f16"};
    for (size_t m = 0; m < 2; m++) {
        as_vocab vocab = load_file(models[m]);
        as_arena arena = {0};
        as_tokens bad = tokenize(&vocab, &arena, AS_STR("a\xff\xc3(\xed\xa0\x80"), false, false);
        as_tokens good = tokenize(
            &vocab, &arena, as_utf8_clean(&arena, AS_STR("a\xff\xc3(\xed\xa0\x80")), false, false);
        assert_int_equal(bad.count, good.count);
        assert_memory_equal(bad.ids, good.ids, 4 * good.count);
        as_arena_free(&arena);
        as_vocab_free(&vocab);
    }
}

// A megabyte (AS_DRAWS) of one character, of a pattern, of white space: no quadratic work. The
// limits leave room for sanitizers and a busy machine; quadratic work would take hours.
static void long_texts_take_linear_time(void **state) {
    (void)state;
    static const char *const patterns[] = {"a", " ",   "\n", "ab ", "the cat ", "!",
                                           "1", " \n", "t",  "A",   "aA"};
    static const char *const models[] = {"f32",          "f16",
                                         "q8",           "odd",
                                         "mixed",        "bpe_tekken",
                                         "bpe_gpt4o",    "bpe_deepseekv3",
                                         "bpe_viking",   "bpe_deepseekllm",
                                         "bpe_jais2",    "more_exaone-moe",
                                         "more_tiny_aya"};
    enum { SIZE = AS_DRAWS(1024 * 1024) };
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        as_vocab vocab = load_file(models[m]);
        for (size_t p = 0; p < sizeof patterns / sizeof *patterns; p++) {
            as_arena arena = {0};
            as_buf text = {0};
            while (text.len < SIZE) as_buf_text(&text, patterns[p]);
            uint64_t start = as_clock_ns();
            as_tokens tokens = tokenize(&vocab, &arena, as_buf_view(&text), false, false);
            assert_true(as_clock_ns() - start < 60000000000u);
            assert_true(tokens.count > 1000);
            as_buf_free(&text);
            as_arena_free(&arena);
        }
        as_vocab_free(&vocab);
    }
}

// Encoders want a token at both ends; long words and texts cost no more than their length.
static void encoders_close_their_texts(void **state) {
    (void)state;
    static const char *const names[] = {"unigram", "wordpiece"};
    for (size_t i = 0; i < 2; i++) {
        as_vocab vocab = load_file(names[i]);
        as_arena arena = {0};
        as_tokens plain = tokenize(&vocab, &arena, AS_STR("the desk"), false, false);
        as_tokens closed = tokenize(&vocab, &arena, AS_STR("the desk"), false, true);
        bool first = vocab.add_bos;
        assert_int_equal(first, i == 1);
        assert_int_equal(closed.count, plain.count + first + 1);
        assert_int_equal(closed.ids[closed.count - 1], vocab.eos);
        if (first) assert_int_equal(closed.ids[0], vocab.bos);
        assert_memory_equal(closed.ids + first, plain.ids, 4 * plain.count);
        static const char *const patterns[] = {"a", " ", "the ", "\n", "\xe4\xb8\xad", "e\xcc\x81"};
        for (size_t p = 0; p < sizeof patterns / sizeof *patterns; p++) {
            as_buf text = {0};
            while (text.len < AS_DRAWS(1024 * 1024)) as_buf_text(&text, patterns[p]);
            uint64_t start = as_clock_ns();
            tokenize(&vocab, &arena, as_buf_view(&text), false, false);
            assert_true(as_clock_ns() - start < 60000000000u);
            as_buf_free(&text);
        }
        as_arena_free(&arena);
        as_vocab_free(&vocab);
    }
}

// Changed bytes, mostly in the table of the normalizer: a message or some tokens.
static void broken_encoders_do_no_harm(void **state) {
    (void)state;
    enum { MUTATIONS = AS_DRAWS(4000) };
    static const char *const names[] = {"unigram", "wordpiece"};
    as_mapped maps[] = {map_file(names[0], ".gguf"), map_file(names[1], ".gguf")};
    as_rng rng = as_rng_of(8, 8);
    size_t loaded = 0;
    for (size_t i = 0; i < MUTATIONS; i++) {
        as_mapped map = maps[i % 2];
        unsigned char *bytes = malloc(map.size);
        memcpy(bytes, map.bytes, map.size);
        for (size_t c = 0; c < 3; c++)
            bytes[map.size - 1 - as_rng_below(&rng, i % 4 ? 1500 : map.size)] =
                (unsigned char)as_rng_u64(&rng);
        as_gguf file = {0};
        as_vocab vocab = {0};
        as_arena arena = {0};
        as_tokens tokens;
        as_err err = {0};
        as_rc rc = as_gguf_read(&file, "x.gguf", bytes, map.size, &err);
        if (!rc) rc = as_vocab_load(&vocab, &file, &err);
        if (rc) assert_int_equal(rc, AS_INVALID);
        as_str text =
            AS_STR("The caf\xc3\xa9 e\xcc\x81 \xef\xac\x81x \t \xe2\x85\xa7 I \xe4\xb8\xad 1/2");
        if (!rc) loaded++;
        if (!rc && as_vocab_tokenize(&vocab, &arena, text, true, true, &tokens, &err))
            fail_msg("%s", err.text);
        for (size_t t = 0; !rc && t < tokens.count; t++) assert_true(tokens.ids[t] < vocab.count);
        as_gguf_free(&file);
        as_vocab_free(&vocab);
        as_arena_free(&arena);
        free(bytes);
    }
    for (size_t i = 0; i < 2; i++) as_file_unmap(&maps[i]);
    assert_true(loaded > AS_DRAWS(300) && loaded < MUTATIONS);
}

// --- wrong vocabularies -------------------------------------------------------------------------

static const char *byte_runes(unsigned byte, char out[3]) {
    unsigned rune = byte, extra = 256;
    for (unsigned b = 0; b <= byte; b++) {
        bool plain = (b >= '!' && b <= '~') || (b >= 0xa1 && b != 0xad);
        rune = plain ? b : extra++;
    }
    char utf8[4];
    size_t len = as_utf8_put(rune, utf8);
    memcpy(out, utf8, len);
    out[len] = '\0';
    return out;
}

typedef struct wrong {
    const char *pre;
    unsigned skipped_byte; // 256: none
    const char *tokens[4]; // after the bytes; "ab" is always there
    const char *merges[4];
    uint32_t kind; // of the last token
    uint32_t eos;
    const char *message;
} wrong;

static void put_bpe(as_buf *out, const wrong *w) {
    size_t count = 0, merges = 0;
    while (count < 4 && w->tokens[count]) count++;
    while (merges < 4 && w->merges[merges]) merges++;
    as_put_header(out, 3, 0, w->pre ? 6 : 5);
    as_put_text(out, "tokenizer.ggml.model", "gpt2");
    if (w->pre) as_put_text(out, "tokenizer.ggml.pre", w->pre);
    as_put_u32(out, "tokenizer.ggml.eos_token_id", w->eos);
    size_t total = count + (w->skipped_byte < 256 ? 256 : 257);
    as_put_array(out, "tokenizer.ggml.tokens", AS_GGUF_STRING, total);
    for (unsigned byte = 0; byte < 256; byte++) {
        char rune[3];
        if (byte != w->skipped_byte) as_put_string(out, byte_runes(byte, rune));
    }
    as_put_string(out, "ab");
    for (size_t i = 0; i < count; i++) as_put_string(out, w->tokens[i]);
    as_put_array(out, "tokenizer.ggml.token_type", AS_GGUF_I32, total);
    for (size_t i = 0; i < total; i++) as_put_int(out, i + 1 < total ? 1 : w->kind, 4);
    as_put_array(out, "tokenizer.ggml.merges", AS_GGUF_STRING, merges);
    for (size_t i = 0; i < merges; i++) as_put_string(out, w->merges[i]);
}

static void check_refused(const as_buf *bytes, const char *message) {
    as_gguf file;
    as_vocab vocab = {0};
    as_err err = {.text = "no message"};
    if (as_gguf_read(&file, "x.gguf", (const unsigned char *)bytes->ptr, bytes->len, &err))
        fail_msg("%s", err.text);
    as_rc rc = as_vocab_load(&vocab, &file, &err);
    as_gguf_free(&file);
    if (message) {
        assert_int_equal(rc, AS_INVALID);
        if (!strstr(err.text, message)) fail_msg("'%s' is not in '%s'", message, err.text);
        if (!strstr(err.text, "is missing") && !strstr(err.text, "offset "))
            fail_msg("'%s' does not say where", err.text);
        assert_true(as_str_starts(as_str_of(err.text), AS_STR("cannot read 'x.gguf': ")));
    } else if (rc) {
        fail_msg("%s", err.text);
    }
    as_vocab_free(&vocab);
}

static void wrong_bpe_vocabularies_are_refused(void **state) {
    (void)state;
    static const wrong cases[] = {
        {"gpt-2", 256, {"abc"}, {"a b", "ab c"}, 1, 0, NULL},
        {NULL, 256, {"abc"}, {"a b", "ab c"}, 1, 0, NULL},
        {"gpt-2", 0xff, {"abc"}, {"a b", "ab c"}, 1, 0, NULL}, // 0xff is never in UTF-8
        {"klingon", 256, {0}, {0}, 1, 0, "pre-tokenizer 'klingon' is not supported, only: gpt-2"},
        {"", 256, {0}, {0}, 1, 0, "pre-tokenizer '' is not supported"},
        {"gpt-2 mpt", 256, {0}, {0}, 1, 0, "pre-tokenizer 'gpt-2 mpt' is not"},
        {"gpt-2", 256, {"a"}, {0}, 1, 0, "token 257 is the same text as token 97 (offset "},
        {"gpt-2", 'a', {0}, {0}, 1, 0, "the vocabulary has no token for byte 0x61"},
        {"gpt-2", 0x80, {0}, {0}, 1, 0, NULL},
        {"gpt-2", 0x03, {0}, {0}, 1, 0, NULL},
        {"gpt-2", '\n', {0}, {0}, 1, 0, "the vocabulary has no token for byte 0x0A"},
        {"gpt-2", 256, {0}, {"a c"}, 1, 0, "merge 0 is not two tokens that make a third (offset "},
        {"gpt-2", 256, {0}, {"a b", "a b"}, 1, 0, "merge 1 is the same as merge 0 (offset "},
        {"gpt-2", 256, {0}, {"ab"}, 1, 0, "merge 0 is not two tokens"},
        {"gpt-2", 256, {0}, {"a  b"}, 1, 0, "merge 0 is not two tokens"},
        {"gpt-2", 256, {0}, {" a b"}, 1, 0, "merge 0 is not two tokens"},
        {"gpt-2", 256, {0}, {""}, 1, 0, "merge 0 is not two tokens"},
        {"gpt-2", 256, {"<x>"}, {0}, 0, 0, "'tokenizer.ggml.token_type' of token 257 is 0"},
        {"gpt-2", 256, {"<x>"}, {0}, 7, 0, "'tokenizer.ggml.token_type' of token 257 is 7"},
        {"gpt-2", 256, {0}, {0}, 1, 257, "'tokenizer.ggml.eos_token_id' is 257, not in 0..256"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        as_buf bytes = {0};
        put_bpe(&bytes, &cases[i]);
        check_refused(&bytes, cases[i].message);
        as_buf_free(&bytes);
    }
}

enum { RANDOM_SPECIALS = 40 };

// Special tokens of 2 to 6 letters out of two, no two alike, control and user-defined by turns.
static size_t draw_specials(as_rng *rng, char texts[RANDOM_SPECIALS][8]) {
    size_t count = 0;
    for (size_t tries = 0; tries < RANDOM_SPECIALS; tries++) {
        size_t len = 2 + (size_t)as_rng_below(rng, 5);
        char *text = texts[count];
        for (size_t i = 0; i < len; i++) text[i] = "xy"[as_rng_below(rng, 2)];
        text[len] = '\0';
        bool fresh = true;
        for (size_t i = 0; i < count; i++) fresh = fresh && strcmp(texts[i], text) != 0;
        count += fresh;
    }
    return count;
}

static void put_specials(as_buf *out, char texts[RANDOM_SPECIALS][8], size_t count) {
    as_put_header(out, 3, 0, 5);
    as_put_text(out, "tokenizer.ggml.model", "gpt2");
    as_put_text(out, "tokenizer.ggml.pre", "gpt-2");
    as_put_array(out, "tokenizer.ggml.tokens", AS_GGUF_STRING, 256 + count);
    for (unsigned byte = 0; byte < 256; byte++) {
        char rune[3];
        as_put_string(out, byte_runes(byte, rune));
    }
    for (size_t i = 0; i < count; i++) as_put_string(out, texts[i]);
    as_put_array(out, "tokenizer.ggml.token_type", AS_GGUF_I32, 256 + count);
    for (size_t i = 0; i < 256 + count; i++)
        as_put_int(out, i < 256 ? AS_TOKEN_NORMAL : i % 2 ? AS_TOKEN_USER : AS_TOKEN_CONTROL, 4);
    as_put_array(out, "tokenizer.ggml.merges", AS_GGUF_STRING, 0);
}

// The first and longest special token at each place, looked for one by one.
static size_t cut_plainly(char texts[RANDOM_SPECIALS][8], size_t count, as_str text, bool control,
                          uint32_t *ids) {
    size_t n = 0;
    for (size_t at = 0; at < text.len;) {
        size_t longest = 1;
        uint32_t id = (unsigned char)text.ptr[at];
        for (size_t i = 0; i < count; i++) {
            size_t len = strlen(texts[i]);
            if ((!control && i % 2 == 0) || len <= longest || len > text.len - at) continue;
            if (memcmp(text.ptr + at, texts[i], len) != 0) continue;
            longest = len;
            id = 256 + (uint32_t)i;
        }
        ids[n++] = id;
        at += longest;
    }
    return n;
}

static void special_tokens_are_found_the_longest_first(void **state) {
    (void)state;
    as_rng rng = as_rng_of(5, 1);
    for (size_t round = 0; round < AS_DRAWS(200); round++) {
        char texts[RANDOM_SPECIALS][8], letters[60];
        uint32_t ids[60];
        size_t count = draw_specials(&rng, texts);
        as_buf bytes = {0};
        as_arena arena = {0};
        put_specials(&bytes, texts, count);
        as_vocab vocab = load(as_buf_view(&bytes));
        for (size_t i = 0; i < sizeof letters; i++) letters[i] = "xyxyxyz"[as_rng_below(&rng, 7)];
        as_str text = {letters, sizeof letters};
        for (int control = 0; control < 2; control++) {
            size_t wanted = cut_plainly(texts, count, text, control, ids);
            as_tokens tokens = tokenize(&vocab, &arena, text, control, false);
            assert_int_equal(tokens.count, wanted);
            assert_memory_equal(tokens.ids, ids, wanted * sizeof *ids);
        }
        as_vocab_free(&vocab);
        as_arena_free(&arena);
        as_buf_free(&bytes);
    }
}

// Whatever a file calls a token that ends an answer, a text is no such token and it is an end.
static void what_ends_an_answer_is_never_text(void **state) {
    (void)state;
    for (uint32_t kind = AS_TOKEN_NORMAL; kind <= AS_TOKEN_UNUSED; kind++) {
        const wrong file_of = {"gpt-2", 256, {"<|im_start|>", "<|im_end|>"}, {0}, kind, 0, NULL};
        as_buf bytes = {0};
        as_arena arena = {0};
        put_bpe(&bytes, &file_of);
        as_vocab vocab = load(as_buf_view(&bytes));
        assert_true(vocab.ends[258]);
        assert_false(vocab.ends[257]);
        as_str text = AS_STR("a<|im_end|>");
        assert_int_equal(tokenize(&vocab, &arena, text, false, false).count, text.len);
        as_tokens tokens = tokenize(&vocab, &arena, text, true, false);
        assert_int_equal(tokens.count, 2);
        assert_int_equal(tokens.ids[1], 258);
        as_vocab_free(&vocab);
        as_arena_free(&arena);
        as_buf_free(&bytes);
    }
}

// <|end|> ends an answer, but in harmony only one of its messages.
static void messages_of_an_answer_end_for_themselves(void **state) {
    (void)state;
    for (int harmony = 0; harmony < 2; harmony++) {
        const char *call = harmony ? "<|call|>" : "<|other|>";
        const wrong file_of = {"gpt-4o", 256, {"<|end|>", "<|return|>", call}, {0}, 3, 258, NULL};
        as_buf bytes = {0};
        put_bpe(&bytes, &file_of);
        as_vocab vocab = load(as_buf_view(&bytes));
        assert_int_equal(vocab.ends[257], !harmony);
        assert_true(vocab.ends[258]);
        assert_int_equal(vocab.ends[259], harmony);
        as_vocab_free(&vocab);
        as_buf_free(&bytes);
    }
}

static void wrong_encoders_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *model;
        uint32_t kind; // of the first token
        size_t scores, table;
        const char *message;
    } cases[] = {
        {"t5", 2, 2, 0, NULL},
        {"bert", 2, 0, 0, NULL},
        {"t5", 2, 0, 0, "'tokenizer.ggml.scores' is missing"},
        {"t5", 2, 1, 0, "'tokenizer.ggml.scores' has 1 items for 2 tokens"},
        {"t5", 1, 2, 0, "the vocabulary has no unknown token"},
        {"bert", 1, 0, 0, "the vocabulary has no unknown token"},
        {"t5", 2, 2, 9, NULL}, // a table of one unit, and an empty text
        {"t5", 2, 2, 7, "'tokenizer.ggml.precompiled_charsmap' is no table of a normalizer"},
        {"t5", 6, 2, 0, "token 0 is of the byte type but is not like '<0x0A>'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        as_buf b = {0};
        as_put_header(&b, 3, 0, 3u + (cases[i].scores ? 1u : 0u) + (cases[i].table ? 1u : 0u));
        as_put_text(&b, "tokenizer.ggml.model", cases[i].model);
        as_put_array(&b, "tokenizer.ggml.tokens", AS_GGUF_STRING, 2);
        as_put_string(&b, "<unk>");
        as_put_string(&b, "\xe2\x96\x81"
                          "a");
        as_put_array(&b, "tokenizer.ggml.token_type", AS_GGUF_I32, 2);
        as_put_int(&b, cases[i].kind, 4);
        as_put_int(&b, 1, 4);
        if (cases[i].scores) {
            as_put_array(&b, "tokenizer.ggml.scores", AS_GGUF_F32, cases[i].scores);
            as_put_zeros(&b, 4 * cases[i].scores);
        }
        if (cases[i].table) {
            as_put_array(&b, "tokenizer.ggml.precompiled_charsmap", AS_GGUF_U8, cases[i].table);
            as_put_int(&b, 4, 4); // bytes of its units
            as_put_zeros(&b, cases[i].table - 4);
        }
        check_refused(&b, cases[i].message);
        as_buf_free(&b);
    }
}

static void wrong_keys_are_refused(void **state) {
    (void)state;
    as_buf bytes = {0};
    as_put_header(&bytes, 3, 0, 0);
    check_refused(&bytes, "'tokenizer.ggml.model' is missing");
    as_buf_clear(&bytes);
    as_put_header(&bytes, 3, 0, 1);
    as_put_text(&bytes, "tokenizer.ggml.model", "rwkv");
    check_refused(&bytes, "tokenizer 'rwkv' is not supported, only 'gpt2'");
    as_buf_clear(&bytes);
    as_put_header(&bytes, 3, 0, 1);
    as_put_u32(&bytes, "tokenizer.ggml.model", 3);
    check_refused(&bytes, "'tokenizer.ggml.model' is u32, not a string (offset 56)");
    as_buf_clear(&bytes);
    as_put_header(&bytes, 3, 0, 1);
    as_put_text(&bytes, "tokenizer.ggml.model", "gpt2");
    check_refused(&bytes, "'tokenizer.ggml.tokens' is missing");
    as_buf_clear(&bytes);
    as_put_header(&bytes, 3, 0, 2);
    as_put_text(&bytes, "tokenizer.ggml.model", "gpt2");
    as_put_array(&bytes, "tokenizer.ggml.tokens", AS_GGUF_STRING, 0);
    check_refused(&bytes, "'tokenizer.ggml.tokens' has 0 items");
    as_buf_clear(&bytes);
    as_put_header(&bytes, 3, 0, 2);
    as_put_text(&bytes, "tokenizer.ggml.model", "gpt2");
    as_put_array(&bytes, "tokenizer.ggml.tokens", AS_GGUF_U32, 1);
    as_put_int(&bytes, 1, 4);
    check_refused(&bytes, "'tokenizer.ggml.tokens' is an array of u32, not an array of strings");
    as_buf_free(&bytes);
}

// A SentencePiece vocabulary: <unk>, bytes 0..bytes-1, and one piece.
static void put_spm(as_buf *out, unsigned bytes, const char *format, float score, size_t scores) {
    size_t count = bytes + 2;
    as_put_header(out, 3, 0, scores ? 4 : 3);
    as_put_text(out, "tokenizer.ggml.model", "llama");
    as_put_array(out, "tokenizer.ggml.tokens", AS_GGUF_STRING, count);
    as_put_string(out, "<unk>");
    for (unsigned byte = 0; byte < bytes; byte++) {
        char text[16];
        snprintf(text, sizeof text, format, byte);
        as_put_string(out, text);
    }
    as_put_string(out, "piece");
    as_put_array(out, "tokenizer.ggml.token_type", AS_GGUF_I32, count);
    for (size_t i = 0; i < count; i++) as_put_int(out, i == 0 ? 2 : i <= bytes ? 6 : 1, 4);
    if (!scores) return;
    as_put_array(out, "tokenizer.ggml.scores", AS_GGUF_F32, scores);
    for (size_t i = 0; i < scores; i++) as_buf_add(out, &score, sizeof score);
}

static void wrong_spm_vocabularies_are_refused(void **state) {
    (void)state;
    const uint32_t nan_bits = 0x7fc00000;
    float nan;
    memcpy(&nan, &nan_bits, sizeof nan);
    as_buf bytes = {0};
    put_spm(&bytes, 256, "<0x%02X>", 0.0f, 258);
    check_refused(&bytes, NULL);
    as_buf_clear(&bytes);
    put_spm(&bytes, 255, "<0x%02X>", 0.0f, 257);
    check_refused(&bytes, "the vocabulary has no token for byte <0xFF>");
    as_buf_clear(&bytes);
    put_spm(&bytes, 256, "<0x%02x>", 0.0f, 258);
    check_refused(&bytes, "is of the byte type but is not like '<0x0A>'");
    as_buf_clear(&bytes);
    put_spm(&bytes, 256, "<0x%02X>", 0.0f, 0);
    check_refused(&bytes, "'tokenizer.ggml.scores' is missing");
    as_buf_clear(&bytes);
    put_spm(&bytes, 256, "<0x%02X>", 0.0f, 200);
    check_refused(&bytes, "'tokenizer.ggml.scores' has 200 items for 258 tokens (offset ");
    as_buf_clear(&bytes);
    put_spm(&bytes, 256, "<0x%02X>", nan, 258);
    check_refused(&bytes, "'tokenizer.ggml.scores' of token 0 is not a number");
    as_buf_free(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(byte_level_bpe_equals_its_references),
        cmocka_unit_test(sentencepiece_equals_its_references),
        cmocka_unit_test(unigram_equals_its_reference),
        cmocka_unit_test(wordpiece_equals_its_reference),
        cmocka_unit_test(the_beginning_is_never_doubled),
        cmocka_unit_test(ends_are_known),
        cmocka_unit_test(phi3_strips_after_special_tokens),
        cmocka_unit_test(bytes_that_are_no_utf8_become_replacements),
        cmocka_unit_test(long_texts_take_linear_time),
        cmocka_unit_test(encoders_close_their_texts),
        cmocka_unit_test(broken_encoders_do_no_harm),
        cmocka_unit_test(special_tokens_are_found_the_longest_first),
        cmocka_unit_test(what_ends_an_answer_is_never_text),
        cmocka_unit_test(messages_of_an_answer_end_for_themselves),
        cmocka_unit_test(wrong_encoders_are_refused),
        cmocka_unit_test(wrong_bpe_vocabularies_are_refused),
        cmocka_unit_test(wrong_keys_are_refused),
        cmocka_unit_test(wrong_spm_vocabularies_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
