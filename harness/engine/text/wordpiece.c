// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/text/wordpiece.h"

#include <utf8proc.h>

#include "harness/base/letter.h"
#include "harness/base/utf8.h"

enum {
    WORD_MAX = 100,     // characters; a longer word is unknown
    DECOMPOSED_MAX = 8, // characters that one becomes
    CAPITAL_I_DOTTED = 0x130,
    DOT_ABOVE = 0x307
};

static const as_str word_mark = {"\xe2\x96\x81", 3}; // U+2581, in front of a piece that begins one

static bool is_han(uint32_t c) {
    static const struct {
        uint32_t first, last;
    } ranges[] = {{0x4e00, 0x9fff},   {0x3400, 0x4dbf},   {0x20000, 0x2a6df}, {0x2a700, 0x2b73f},
                  {0x2b740, 0x2b81f}, {0x2b820, 0x2ceaf}, {0xf900, 0xfaff},   {0x2f800, 0x2fa1f}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (c >= ranges[i].first && c <= ranges[i].last) return true;
    return false;
}

static bool is_punctuation(uint32_t c) {
    if (c < 0x80)
        return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
               (c >= '{' && c <= '~');
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

static bool is_dropped(uint32_t c) {
    if (c == '\t' || c == '\n' || c == '\r') return false;
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    // What Unicode has not assigned yet is kept, as tokenizers does.
    return !c || c == 0xfffd ||
           (category >= UTF8PROC_CATEGORY_CC && category <= UTF8PROC_CATEGORY_CO);
}

typedef struct words {
    const as_vocab *vocab;
    as_ids *ids;
    as_buf word; // with its mark in front; empty between words
    size_t characters;
} words;

// The longest piece that `text` begins with and that ends between characters; 0 if there is none.
static size_t longest_piece(const as_vocab *vocab, as_str text, uint32_t *id) {
    size_t longest = 0;
    for (size_t at = 0; at < text.len && at < vocab->pieces.longest;) {
        uint32_t found;
        as_utf8_next(text, &at);
        if (!as_lexicon_find(&vocab->pieces, as_str_sub(text, 0, at), &found)) continue;
        longest = at;
        *id = found;
    }
    return longest;
}

static void end_word(words *w) {
    as_str word = as_buf_view(&w->word);
    size_t before = w->ids->count;
    bool known = w->characters <= WORD_MAX;
    for (size_t at = 0; known && at < word.len;) {
        uint32_t id = 0;
        as_str rest = as_str_sub(word, at, word.len);
        // A mark further on is the text's own: no piece that begins a word may match it.
        bool own = at && as_str_starts(rest, word_mark);
        size_t len = own ? 0 : longest_piece(w->vocab, rest, &id);
        known = len > 0;
        if (known) as_ids_add(w->ids, id);
        at += len;
    }
    if (!known) { // all of it
        w->ids->count = before;
        as_ids_add(w->ids, w->vocab->unknown);
    }
    as_buf_clear(&w->word);
    w->characters = 0;
}

static void put(words *w, uint32_t c) {
    char utf8[4];
    if (!w->word.len) as_buf_str(&w->word, word_mark);
    as_buf_str(&w->word, (as_str){utf8, as_utf8_put(c, utf8)});
    w->characters++;
}

// A character that is left after what is dropped, decomposed and lower where the file wants that.
static void take(words *w, uint32_t c) {
    bool alone = is_punctuation(c) || is_han(c);
    if (w->word.len && (alone || as_letter_is_space(c))) end_word(w);
    if (as_letter_is_space(c)) return;
    put(w, c);
    if (alone) end_word(w);
}

void as_wordpiece_encode(const as_vocab *vocab, as_str text, as_ids *ids) {
    words w = {.vocab = vocab, .ids = ids};
    for (size_t at = 0; at < text.len;) {
        uint32_t c = as_utf8_next(text, &at);
        if (is_dropped(c)) continue;
        // Han characters stand alone as they are written, before they are decomposed.
        bool han = is_han(c);
        if (han && w.word.len) end_word(&w);
        utf8proc_int32_t parts[DECOMPOSED_MAX] = {(utf8proc_int32_t)c};
        int last_class = 0;
        utf8proc_ssize_t count = 1;
        if (vocab->drops_accents)
            count = utf8proc_decompose_char((utf8proc_int32_t)c, parts, DECOMPOSED_MAX,
                                            UTF8PROC_DECOMPOSE | UTF8PROC_STABLE, &last_class);
        if (count < 0 || count > DECOMPOSED_MAX) count = 0;
        for (utf8proc_ssize_t i = 0; i < count; i++) {
            if (vocab->drops_accents && utf8proc_category(parts[i]) == UTF8PROC_CATEGORY_MN)
                continue;
            take(&w, (uint32_t)(vocab->lowers ? utf8proc_tolower(parts[i]) : parts[i]));
            // The one letter that has two when it is small; the dot is an accent.
            if (vocab->lowers && parts[i] == CAPITAL_I_DOTTED) take(&w, DOT_ABOVE);
        }
        if (han && w.word.len) end_word(&w);
    }
    if (w.word.len) end_word(&w);
    as_buf_free(&w.word);
}

as_rc as_wordpiece_load(as_vocab *vocab, const as_gguf *file, as_err *err) {
    vocab->unknown = AS_TOKEN_NONE;
    for (size_t i = 0; i < vocab->count; i++) {
        as_str piece = as_lexicon_text(&vocab->pieces, i);
        bool text = vocab->kinds[i] == AS_TOKEN_NORMAL && piece.len;
        if (vocab->kinds[i] == AS_TOKEN_UNKNOWN) vocab->unknown = (uint32_t)i;
        if (text) {
            as_lexicon_index(&vocab->pieces, i, NULL);
            as_vocab_put_spoken(vocab, piece);
        } else {
            as_lexicon_put(&vocab->texts, piece);
        }
    }
    as_rc rc = as_vocab_id(vocab, file, "tokenizer.ggml.unknown_token_id", &vocab->unknown, err);
    if (!rc && vocab->unknown == AS_TOKEN_NONE)
        rc = as_gguf_fail_at(file, err, "tokenizer.ggml.tokens",
                             "the vocabulary has no unknown token");
    if (!rc) rc = as_vocab_id(vocab, file, "tokenizer.ggml.cls_token_id", &vocab->bos, err);
    if (!rc) rc = as_vocab_id(vocab, file, "tokenizer.ggml.seperator_token_id", &vocab->eos, err);
    vocab->add_bos = vocab->add_eos = true;
    vocab->lowers = true;
    if (!rc) rc = as_gguf_bool(file, "tokenizer.ggml.normalizer.lowercase", &vocab->lowers, err);
    vocab->drops_accents = vocab->lowers;
    static const char accents[] = "tokenizer.ggml.normalizer.strip_accents";
    if (!rc) rc = as_gguf_bool(file, accents, &vocab->drops_accents, err);
    return rc;
}
