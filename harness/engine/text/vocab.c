// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/text/vocab.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/base/utf8.h"
#include "harness/engine/text/bpe.h"
#include "harness/engine/text/spm.h"
#include "harness/engine/text/unigram.h"
#include "harness/engine/text/wordpiece.h"

// What ends an answer in the chat formats that are about, whatever the file calls it.
static const char *const end_names[] = {
    "</s>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<EOT>",
    "_<EOT>",
    "<|endofturn|>",
    "<|return|>",
    "<|call|>",
    "<\357\275\234end\342\226\201of\342\226\201sentence\357\275\234>",
};

void as_ids_add(as_ids *ids, uint32_t id) {
    if (ids->count == ids->capacity) {
        ids->capacity = ids->capacity ? 2 * ids->capacity : 64;
        ids->ids = as_mem_grow(ids->ids, as_size_mul(ids->capacity, sizeof *ids->ids));
    }
    ids->ids[ids->count++] = id;
}

void as_vocab_put_piece(void *encoding, as_str piece, uint32_t id) {
    const as_vocab_encoding *e = encoding;
    const as_vocab *vocab = e->vocab;
    as_ids *ids = e->ids;
    if (id != AS_PIECE_NONE) {
        as_ids_add(ids, id);
        return;
    }
    if (vocab->byte_ids[0] == AS_TOKEN_NONE) {
        if (!ids->count || ids->ids[ids->count - 1] != vocab->unknown)
            as_ids_add(ids, vocab->unknown);
        return;
    }
    for (size_t i = 0; i < piece.len; i++)
        as_ids_add(ids, vocab->byte_ids[(unsigned char)piece.ptr[i]]);
}

static size_t offset_of(const as_gguf_value *array, as_str item) {
    return array->offset + (size_t)((const unsigned char *)item.ptr - array->bytes);
}

// Token texts as written; no two alike (an empty one is never produced and may repeat).
static as_rc load_texts(as_vocab *vocab, const as_gguf *file, as_err *err) {
    const as_gguf_value *tokens = NULL;
    as_rc rc = as_gguf_array(file, "tokenizer.ggml.tokens", AS_GGUF_STRING, &tokens, err);
    if (rc) return rc;
    if (!tokens) return as_gguf_missing(file, "tokenizer.ggml.tokens", err);
    if (!tokens->count || tokens->count > AS_VOCAB_MAX)
        return as_gguf_fail(file, err,
                            "'tokenizer.ggml.tokens' has %zu items, not 1 to %d (offset %zu)",
                            tokens->count, AS_VOCAB_MAX, tokens->offset);
    vocab->count = tokens->count;
    vocab->kinds = AS_NEW_ARRAY(&vocab->arena, unsigned char, vocab->count);
    vocab->ends = AS_NEW_ARRAY(&vocab->arena, bool, vocab->count);
    size_t size = 0;
    as_gguf_strings strings = {tokens->bytes};
    for (size_t i = 0; !rc && i < vocab->count; i++) {
        as_str text = as_gguf_strings_next(&strings);
        size += text.len;
        if (text.len > AS_VOCAB_PIECE_MAX)
            rc = as_gguf_fail(file, err, "token %zu has %zu bytes, more than %d (offset %zu)", i,
                              text.len, AS_VOCAB_PIECE_MAX, offset_of(tokens, text));
        else if (size > AS_LEXICON_SIZE_MAX)
            rc = as_gguf_fail(file, err, "tokens have more than %d bytes together (offset %zu)",
                              AS_LEXICON_SIZE_MAX, offset_of(tokens, text));
    }
    if (rc) return rc;
    as_lexicon *pieces = &vocab->pieces;
    as_lexicon_reserve(pieces, vocab->count, size);
    as_lexicon_reserve(&vocab->texts, vocab->count, size); // no text is longer than its piece
    strings = (as_gguf_strings){tokens->bytes};
    for (size_t i = 0; !rc && i < vocab->count; i++) {
        as_str text = as_gguf_strings_next(&strings);
        uint32_t first;
        as_lexicon_put(pieces, text);
        if (text.len && !as_lexicon_index(pieces, i, &first))
            rc = as_gguf_fail(file, err, "token %zu is the same text as token %u (offset %zu)", i,
                              first, offset_of(tokens, text));
    }
    // Which of them a text may be is the kind's to say.
    as_lexicon_unindex(pieces);
    return rc;
}

static const char space_mark[] = "\xe2\x96\x81"; // U+2581

void as_vocab_put_spoken(as_vocab *vocab, as_str piece) {
    as_str mark = {space_mark, sizeof space_mark - 1};
    char out[AS_VOCAB_PIECE_MAX];
    size_t len = 0;
    for (size_t i = 0; i < piece.len;) {
        bool space = as_str_starts(as_str_sub(piece, i, piece.len), mark);
        out[len++] = space ? ' ' : piece.ptr[i];
        i += space ? mark.len : 1;
    }
    as_lexicon_put(&vocab->texts, (as_str){out, len});
}

as_rc as_vocab_put_byte(as_vocab *vocab, const as_gguf *file, size_t id, as_str piece,
                        as_err *err) {
    int byte = as_pieces_byte(piece);
    if (byte < 0)
        return as_gguf_fail_at(file, err, "tokenizer.ggml.token_type",
                               "token %zu is of the byte type but is not like '<0x0A>'", id);
    char text = (char)byte;
    as_lexicon_put(&vocab->texts, (as_str){&text, 1});
    vocab->byte_ids[byte] = (uint32_t)id;
    return AS_OK;
}

// An optional array of one number a token.
static as_rc load_numbers(const as_vocab *vocab, const as_gguf *file, const char *key,
                          const as_gguf_value **out, as_err *err) {
    as_rc rc = as_gguf_array(file, key, AS_GGUF_F64, out, err);
    if (!rc && *out && (*out)->count != vocab->count)
        rc = as_gguf_fail(file, err, "'%s' has %zu items for %zu tokens (offset %zu)", key,
                          (*out)->count, vocab->count, (*out)->offset);
    return rc;
}

static bool names_an_end(as_str text) {
    for (size_t i = 0; i < sizeof end_names / sizeof *end_names; i++)
        if (as_str_is(text, end_names[i])) return true;
    return false;
}

static as_rc load_kinds(as_vocab *vocab, const as_gguf *file, as_err *err) {
    static const char key[] = "tokenizer.ggml.token_type";
    memset(vocab->kinds, AS_TOKEN_NORMAL, vocab->count);
    const as_gguf_value *types = NULL;
    as_rc rc = load_numbers(vocab, file, key, &types, err);
    if (rc) return rc;
    for (size_t i = 0; types && i < vocab->count; i++) {
        double kind = as_gguf_number(types, i);
        if (!(kind >= AS_TOKEN_NORMAL && kind <= AS_TOKEN_BYTE) || kind != (double)(int)kind)
            return as_gguf_fail(file, err, "'%s' of token %zu is %g, not 1 to %d (offset %zu)", key,
                                i, kind, AS_TOKEN_BYTE, types->offset);
        vocab->kinds[i] = (unsigned char)kind;
    }
    // Some converters call these words: no data may end an answer, and none goes on behind them.
    for (size_t i = 0; i < vocab->count; i++) {
        vocab->ends[i] = names_an_end(as_lexicon_text(&vocab->pieces, i));
        if (vocab->ends[i]) vocab->kinds[i] = AS_TOKEN_CONTROL;
    }
    return AS_OK;
}

as_rc as_vocab_scores(as_vocab *vocab, const as_gguf *file, as_err *err) {
    static const char key[] = "tokenizer.ggml.scores";
    const as_gguf_value *scores = NULL;
    as_rc rc = load_numbers(vocab, file, key, &scores, err);
    if (rc) return rc;
    if (!scores) return as_gguf_missing(file, key, err);
    as_pieces *p = vocab->spm;
    p->kinds = vocab->kinds;
    p->count = vocab->count;
    p->scores = as_mem_new(as_size_mul(vocab->count, sizeof *p->scores));
    for (size_t i = 0; i < vocab->count; i++) {
        p->scores[i] = (float)as_gguf_number(scores, i);
        if (!isfinite(p->scores[i]))
            return as_gguf_fail(file, err, "'%s' of token %zu is not a number (offset %zu)", key, i,
                                scores->offset);
    }
    return AS_OK;
}

as_rc as_vocab_id(const as_vocab *vocab, const as_gguf *file, const char *key, uint32_t *out,
                  as_err *err) {
    uint64_t id = *out;
    // Some converters write -1 or 2^32 - 1 for "none".
    const as_gguf_value *value = as_gguf_find(file, key);
    if (value && value->type == AS_GGUF_I32 && as_gguf_number(value, 0) == -1.0) return AS_OK;
    if (value && value->type == AS_GGUF_U32 && as_gguf_number(value, 0) == 4294967295.0)
        return AS_OK;
    as_rc rc = as_gguf_u64(file, key, 0, vocab->count - 1, &id, err);
    if (!rc) *out = (uint32_t)id;
    return rc;
}

// Of the names of ends.
static bool holds(const as_vocab *vocab, const char *text) {
    for (size_t i = 0; i < vocab->count; i++)
        if (vocab->ends[i] && as_str_is(as_lexicon_text(&vocab->texts, i), text)) return true;
    return false;
}

static as_rc load_ends(as_vocab *vocab, const as_gguf *file, as_err *err) {
    uint32_t eot = AS_TOKEN_NONE, eom = AS_TOKEN_NONE;
    as_rc rc = as_vocab_id(vocab, file, "tokenizer.ggml.bos_token_id", &vocab->bos, err);
    if (!rc) rc = as_vocab_id(vocab, file, "tokenizer.ggml.eos_token_id", &vocab->eos, err);
    if (!rc) rc = as_vocab_id(vocab, file, "tokenizer.ggml.eot_token_id", &eot, err);
    if (!rc) rc = as_vocab_id(vocab, file, "tokenizer.ggml.eom_token_id", &eom, err);
    if (rc) return rc;
    // In harmony (gpt-oss), it ends a message, of which an answer may have several.
    const char *inner = holds(vocab, "<|return|>") && holds(vocab, "<|call|>") ? "<|end|>" : "";
    for (size_t i = 0; i < vocab->count; i++)
        if (vocab->ends[i] && as_str_is(as_lexicon_text(&vocab->texts, i), inner))
            vocab->ends[i] = false;
    if (vocab->eos != AS_TOKEN_NONE) vocab->ends[vocab->eos] = true;
    if (eot != AS_TOKEN_NONE) vocab->ends[eot] = true;
    if (eom != AS_TOKEN_NONE) vocab->ends[eom] = true;
    return AS_OK;
}

static bool is_special(const as_vocab *vocab, size_t id) {
    unsigned char kind = vocab->kinds[id];
    return as_lexicon_text(&vocab->texts, id).len &&
           (kind == AS_TOKEN_CONTROL || kind == AS_TOKEN_USER || kind == AS_TOKEN_UNKNOWN);
}

static int by_bytes(const void *a_in, const void *b_in) {
    const as_special *a = a_in, *b = b_in;
    int order = as_str_cmp(a->text, b->text);
    if (order) return order;
    return a->id > b->id ? -1 : a->id < b->id; // of two alike, the first one is found first
}

static void index_specials(as_vocab *vocab) {
    size_t count = 0;
    for (size_t i = 0; i < vocab->count; i++) count += is_special(vocab, i);
    as_special *all = vocab->specials = AS_NEW_ARRAY(&vocab->arena, as_special, count + 1);
    count = 0;
    for (size_t i = 0; i < vocab->count; i++)
        if (is_special(vocab, i))
            all[count++] =
                (as_special){as_lexicon_text(&vocab->texts, i), (uint32_t)i, AS_TOKEN_NONE};
    qsort(all, count, sizeof *all, by_bytes);
    // What one begins with stands before it, and behind that only what begins with it, too.
    for (size_t i = 1; i < count; i++) {
        uint32_t at = (uint32_t)i - 1;
        while (at != AS_TOKEN_NONE && !as_str_starts(all[i].text, all[at].text))
            at = all[at].shorter;
        all[i].shorter = at;
    }
    size_t at = 0;
    for (size_t first = 0; first < 256; first++) {
        vocab->special_at[first] = at;
        while (at < count && (unsigned char)all[at].text.ptr[0] == first) at++;
    }
    vocab->special_at[256] = at;
}

// Phi-3's special tokens swallow the white space behind them. No key says so: files are told by
// their name, as llama.cpp does.
static as_rc load_strips(as_vocab *vocab, const as_gguf *file, as_err *err) {
    static const char *const names[] = {"phi-3", "phi3"};
    as_str name = {NULL, 0};
    as_rc rc = as_gguf_text(file, "general.name", &name, err);
    for (size_t i = 0; !rc && i < sizeof names / sizeof *names; i++)
        for (size_t at = 0, len = strlen(names[i]); at + len <= name.len; at++)
            vocab->strips = vocab->strips || !strncasecmp(name.ptr + at, names[i], len);
    return rc;
}

// Where the text goes on after a special token that ends at `at`.
static size_t after_special(const as_vocab *vocab, as_str text, size_t at, uint32_t id) {
    as_str name = as_lexicon_text(&vocab->texts, id);
    if (!vocab->strips || as_str_is(name, "<unk>") || as_str_is(name, "<s>") ||
        as_str_is(name, "<|endoftext|>"))
        return at;
    while (at < text.len && (text.ptr[at] == ' ' || (text.ptr[at] >= '\t' && text.ptr[at] <= '\r')))
        at++;
    return at;
}

static as_rc load_model(as_vocab *vocab, const as_gguf *file, as_err *err) {
    as_str model = {NULL, 0};
    as_rc rc = as_gguf_text(file, "tokenizer.ggml.model", &model, err);
    if (rc) return rc;
    if (!model.ptr) return as_gguf_missing(file, "tokenizer.ggml.model", err);
    static const char *const names[] = {[AS_VOCAB_BPE] = "gpt2",
                                        [AS_VOCAB_SPM] = "llama",
                                        [AS_VOCAB_UNIGRAM] = "t5",
                                        [AS_VOCAB_WORDPIECE] = "bert"};
    size_t kind = 0, kinds = sizeof names / sizeof *names;
    while (kind < kinds && !as_str_is(model, names[kind])) kind++;
    if (kind == kinds)
        return as_gguf_fail_at(file, err, "tokenizer.ggml.model",
                               "tokenizer '%.*s' is not supported, only 'gpt2' (byte-level BPE), "
                               "'llama' (SentencePiece BPE), 't5' (Unigram) and 'bert' (WordPiece)",
                               model.len < 64 ? (int)model.len : 64, model.ptr);
    vocab->kind = (as_vocab_kind)kind;
    vocab->name = as_str_of(names[kind]);
    rc = load_texts(vocab, file, err);
    if (!rc) rc = load_kinds(vocab, file, err);
    if (rc) return rc;
    switch (vocab->kind) {
    case AS_VOCAB_SPM:
        return as_spm_load(vocab, file, err);
    case AS_VOCAB_UNIGRAM:
        return as_unigram_load(vocab, file, err);
    case AS_VOCAB_WORDPIECE:
        return as_wordpiece_load(vocab, file, err);
    default:
        return as_bpe_load(vocab, file, err);
    }
}

as_rc as_vocab_load(as_vocab *out, const as_gguf *file, as_err *err) {
    as_vocab vocab = {.bos = AS_TOKEN_NONE, .eos = AS_TOKEN_NONE};
    memset(vocab.byte_ids, 0xff, sizeof vocab.byte_ids); // AS_TOKEN_NONE
    as_rc rc = load_model(&vocab, file, err);
    if (!rc) rc = load_ends(&vocab, file, err);
    if (!rc) rc = load_strips(&vocab, file, err);
    if (!rc) rc = as_gguf_bool(file, "tokenizer.ggml.add_bos_token", &vocab.add_bos, err);
    if (!rc) rc = as_gguf_bool(file, "tokenizer.ggml.add_space_prefix", &vocab.add_space, err);
    bool closes = vocab.kind == AS_VOCAB_UNIGRAM || vocab.kind == AS_VOCAB_WORDPIECE;
    vocab.asks_eos = vocab.add_eos;
    if (!rc) rc = as_gguf_bool(file, "tokenizer.ggml.add_eos_token", &vocab.asks_eos, err);
    vocab.add_eos = closes && vocab.asks_eos;
    if (rc) {
        as_vocab_free(&vocab);
        return rc;
    }
    if (vocab.spm) vocab.spm->front = vocab.add_space;
    as_lexicon_trim(&vocab.texts);
    index_specials(&vocab);
    *out = vocab;
    return AS_OK;
}

void as_vocab_free(as_vocab *vocab) {
    as_bpe_free(vocab->bpe);
    if (vocab->spm) as_pieces_free(vocab->spm);
    free(vocab->spm);
    as_lexicon_free(&vocab->pieces);
    as_lexicon_free(&vocab->texts);
    as_arena_free(&vocab->arena);
    *vocab = (as_vocab){0};
}

// The special token that begins at `at`, the longest one; AS_TOKEN_NONE if there is none.
static uint32_t special_at(const as_vocab *vocab, as_str text, size_t at, bool control) {
    unsigned char first = (unsigned char)text.ptr[at];
    size_t begin = vocab->special_at[first], end = vocab->special_at[first + 1];
    if (begin == end) return AS_TOKEN_NONE;
    // The last one that does not stand behind the text: all that the text begins with are among
    // what it begins with.
    const as_special here = {as_str_sub(text, at, text.len), 0, AS_TOKEN_NONE};
    size_t low = begin, high = end;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_bytes(&vocab->specials[middle], &here) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == begin) return AS_TOKEN_NONE;
    uint32_t place = (uint32_t)low - 1;
    as_str last = vocab->specials[place].text;
    size_t same = 0, most = last.len < here.text.len ? last.len : here.text.len;
    while (same < most && last.ptr[same] == here.text.ptr[same]) same++;
    for (; place != AS_TOKEN_NONE; place = vocab->specials[place].shorter) {
        const as_special *s = &vocab->specials[place];
        if (s->text.len <= same && (control || vocab->kinds[s->id] == AS_TOKEN_USER)) return s->id;
    }
    return AS_TOKEN_NONE;
}

// The mark that keeps a control token's text from being one: U+F0000, private use.
static const as_str guard = {"\xf3\xb0\x80\x80", 4};

static as_str without_guards(as_arena *arena, as_str text) {
    if (as_str_find(text, guard, 0) == SIZE_MAX) return text;
    char *out = as_arena_take(arena, text.len);
    size_t len = 0;
    for (size_t at = 0; at < text.len;) {
        size_t hit = as_str_find(text, guard, at);
        if (hit == SIZE_MAX) hit = text.len;
        memcpy(out + len, text.ptr + at, hit - at);
        len += hit - at;
        at = hit + guard.len;
    }
    return (as_str){out, len};
}

as_str as_vocab_guard(const as_vocab *vocab, as_arena *arena, as_str text) {
    text = without_guards(arena, as_utf8_clean(arena, text));
    as_buf out = {0};
    size_t begin = 0;
    for (size_t at = 0; at < text.len;) {
        uint32_t id = special_at(vocab, text, at, true);
        size_t next = at;
        as_utf8_next(text, &next);
        if (id != AS_TOKEN_NONE && vocab->kinds[id] != AS_TOKEN_USER) {
            as_buf_str(&out, as_str_sub(text, begin, next));
            as_buf_str(&out, guard);
            begin = next;
        }
        at = next;
    }
    if (!out.len) return text;
    as_buf_str(&out, as_str_sub(text, begin, text.len));
    as_str guarded = as_str_copy(arena, as_buf_view(&out));
    as_buf_free(&out);
    return guarded;
}

static as_rc encode(const as_vocab *vocab, as_arena *arena, as_str text, as_ids *ids, as_err *err) {
    text = without_guards(arena, text);
    if (!text.len) return AS_OK;
    if (vocab->kind == AS_VOCAB_BPE) return as_bpe_encode(vocab, text, ids, err);
    if (vocab->kind == AS_VOCAB_SPM) as_spm_encode(vocab, text, ids);
    if (vocab->kind == AS_VOCAB_UNIGRAM) as_unigram_encode(vocab, text, ids);
    if (vocab->kind == AS_VOCAB_WORDPIECE) as_wordpiece_encode(vocab, text, ids);
    return AS_OK;
}

as_rc as_vocab_tokenize(const as_vocab *vocab, as_arena *arena, as_str text, bool special_too,
                        bool bos, as_tokens *out, as_err *err) {
    if (text.len > AS_VOCAB_TEXT_MAX)
        return as_fail(err, AS_INVALID, "cannot tokenize a text of %zu bytes: more than %d",
                       text.len, AS_VOCAB_TEXT_MAX);
    text = as_utf8_clean(arena, text);
    as_ids ids = {0};
    as_rc rc = AS_OK;
    if (bos && vocab->add_bos && vocab->bos != AS_TOKEN_NONE) as_ids_add(&ids, vocab->bos);
    size_t begin = 0;
    for (size_t at = 0; !rc && at < text.len;) {
        uint32_t id = special_at(vocab, text, at, special_too);
        if (id == AS_TOKEN_NONE) {
            at++;
            continue;
        }
        rc = encode(vocab, arena, as_str_sub(text, begin, at), &ids, err);
        bool doubled = ids.count == 1 && at == 0 && id == vocab->bos; // it was put there above
        if (!rc && !doubled) as_ids_add(&ids, id);
        begin = at = after_special(vocab, text, at + as_lexicon_text(&vocab->texts, id).len, id);
    }
    if (!rc) rc = encode(vocab, arena, as_str_sub(text, begin, text.len), &ids, err);
    if (!rc && bos && vocab->add_eos && vocab->eos != AS_TOKEN_NONE) as_ids_add(&ids, vocab->eos);
    if (!rc) {
        *out = (as_tokens){AS_NEW_ARRAY(arena, uint32_t, ids.count), ids.count};
        if (ids.count) memcpy(out->ids, ids.ids, ids.count * sizeof *ids.ids);
    }
    free(ids.ids);
    return rc;
}
