// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/text/unigram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/utf8.h"

static const as_str space_mark = {"\xe2\x96\x81", 3}; // U+2581

enum { PENALTY = 10 }; // an unknown character scores so much less than the worst piece

struct as_unigram {
    float *scores; // [vocabulary]
    double unknown_score;
    uint32_t unknown;
    size_t piece_max; // bytes
    bool strips;      // runs of spaces become one, those at the ends go
    // The table of the normalizer: a double-array trie from texts to offsets in `normal`, where
    // what they become lies, NUL-terminated.
    uint32_t *units;
    size_t unit_count;
    char *normal;
    size_t normal_size;
};

// --- the table --------------------------------------------------------------------------------

// The pieces of a unit: a leaf's value; the label of the edge to it; where its children begin.
static uint32_t label_of(uint32_t unit) {
    return unit & (1u << 31 | 0xffu);
}

static size_t offset_of(uint32_t unit) {
    return (size_t)(unit >> 10) << ((unit & (1u << 9)) >> 6);
}

// The longest text of the table that `text` begins with: its length, and what it becomes. 0 if
// there is none. Nothing that a unit says leads outside the table.
static size_t longest_rule(const as_unigram *u, as_str text, as_str *becomes) {
    size_t longest = 0, at = 0;
    if (!u->unit_count) return 0;
    at ^= offset_of(u->units[0]);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        at ^= byte;
        if (at >= u->unit_count || label_of(u->units[at]) != byte) break;
        bool leaf = u->units[at] >> 8 & 1;
        at ^= offset_of(u->units[at]);
        if (at >= u->unit_count) break;
        size_t value = u->units[at] & 0x7fffffffu;
        if (!leaf || value >= u->normal_size) continue;
        longest = i + 1;
        *becomes = as_str_of(u->normal + value);
    }
    return longest;
}

static as_rc load_table(as_unigram *u, const as_gguf *file, as_err *err) {
    static const char key[] = "tokenizer.ggml.precompiled_charsmap";
    const as_gguf_value *table = as_gguf_find(file, key);
    if (!table) return AS_OK;
    bool bytes =
        table->type == AS_GGUF_ARRAY && (table->item == AS_GGUF_U8 || table->item == AS_GGUF_I8);
    uint32_t size = 0;
    if (bytes && table->count >= 4)
        for (size_t i = 4; i-- > 0;) size = size << 8 | table->bytes[i];
    if (!bytes || table->count < 5 || size % 4 || size > table->count - 5 ||
        table->bytes[table->count - 1])
        return as_gguf_fail(file, err, "'%s' is no table of a normalizer (offset %zu)", key,
                            table->offset);
    u->unit_count = size / 4;
    u->units = as_mem_new(as_size_mul(u->unit_count + 1, sizeof *u->units));
    for (size_t i = 0; i < u->unit_count; i++)
        for (size_t b = 4; b-- > 0;) u->units[i] = u->units[i] << 8 | table->bytes[4 + 4 * i + b];
    u->normal_size = table->count - 4 - size;
    u->normal = as_mem_new(u->normal_size);
    memcpy(u->normal, table->bytes + 4 + size, u->normal_size);
    return AS_OK;
}

// The next piece of normalized text; moves *at on.
static as_str normal_next(const as_unigram *u, as_str text, size_t *at) {
    as_str becomes = {NULL, 0};
    size_t start = *at, len = longest_rule(u, as_str_sub(text, start, text.len), &becomes);
    // A rule must end between characters, or the rest would be no text.
    if (len && (start + len == text.len || ((unsigned char)text.ptr[start + len] & 0xc0) != 0x80)) {
        *at = start + len;
        return becomes;
    }
    as_utf8_next(text, at);
    return as_str_sub(text, start, *at);
}

static void put_spoken(as_buf *out, as_str text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == ' ')
            as_buf_str(out, space_mark);
        else
            as_buf_char(out, text.ptr[i]);
    }
}

// Spaces become marks; one is put in front.
static void normalize(const as_vocab *vocab, as_str text, as_buf *out) {
    const as_unigram *u = vocab->unigram;
    bool after_space = u->strips, begun = false;
    for (size_t at = 0; at < text.len;) {
        as_str next = normal_next(u, text, &at);
        while (after_space && next.len && next.ptr[0] == ' ') next = as_str_sub(next, 1, next.len);
        if (!next.len) continue;
        if (!begun && vocab->add_space) as_buf_str(out, space_mark);
        begun = true;
        put_spoken(out, next);
        after_space = u->strips && next.ptr[next.len - 1] == ' ';
    }
    while (u->strips && out->len >= space_mark.len && as_str_ends(as_buf_view(out), space_mark))
        out->len -= space_mark.len;
}

// --- the best cut -------------------------------------------------------------------------------

typedef struct node {
    double score; // of the best cut of the text up to here
    uint32_t id;  // its last piece
    uint32_t from;
} node;

// Offers a piece that leads from `from` to `to`. The first of equally good ones stays.
static void offer(node *nodes, size_t from, size_t to, uint32_t id, double score) {
    double sum = nodes[from].score + score;
    if (nodes[to].id != AS_TOKEN_NONE && !(sum > nodes[to].score)) return;
    nodes[to] = (node){sum, id, (uint32_t)from};
}

static void cut(const as_vocab *vocab, as_str text, node *nodes) {
    const as_unigram *u = vocab->unigram;
    for (size_t i = 0; i <= text.len; i++) nodes[i] = (node){0.0, AS_TOKEN_NONE, 0};
    for (size_t from = 0; from < text.len;) {
        size_t next = from, to = from;
        as_utf8_next(text, &next);
        bool single = false;
        while (to < text.len && to - from < u->piece_max) {
            as_utf8_next(text, &to);
            uint64_t id;
            if (!as_map_get(&vocab->pieces, as_str_sub(text, from, to), &id)) continue;
            offer(nodes, from, to, (uint32_t)id, (double)u->scores[id]);
            single = single || to == next;
        }
        if (!single) offer(nodes, from, next, u->unknown, u->unknown_score);
        from = next;
    }
}

// An unknown piece in bytes, where the vocabulary has those; else a run of them is one token.
static void put_piece(const as_vocab *vocab, as_str piece, uint32_t id, as_ids *ids) {
    const as_unigram *u = vocab->unigram;
    if (id != u->unknown) {
        as_ids_add(ids, id);
        return;
    }
    if (vocab->byte_ids[0] == AS_TOKEN_NONE) {
        if (!ids->count || ids->ids[ids->count - 1] != id) as_ids_add(ids, id);
        return;
    }
    for (size_t i = 0; i < piece.len; i++)
        as_ids_add(ids, vocab->byte_ids[(unsigned char)piece.ptr[i]]);
}

void as_unigram_encode(const as_vocab *vocab, as_str text, as_ids *ids) {
    as_buf normal = {0};
    normalize(vocab, text, &normal);
    as_str input = as_buf_view(&normal);
    node *nodes = as_mem_new(as_size_mul(input.len + 1, sizeof *nodes));
    uint32_t *ends = as_mem_new(as_size_mul(input.len + 1, sizeof *ends));
    cut(vocab, input, nodes);
    size_t count = 0;
    for (size_t at = input.len; at; at = nodes[at].from) ends[count++] = (uint32_t)at;
    while (count--) {
        const node *end = &nodes[ends[count]];
        put_piece(vocab, as_str_sub(input, end->from, ends[count]), end->id, ids);
    }
    free(nodes);
    free(ends);
    as_buf_free(&normal);
}

// --- loading ------------------------------------------------------------------------------------

static as_rc load_scores(as_vocab *vocab, const as_gguf *file, as_err *err) {
    static const char key[] = "tokenizer.ggml.scores";
    const as_gguf_value *scores = NULL;
    as_rc rc = as_vocab_numbers(vocab, file, key, &scores, err);
    if (rc) return rc;
    if (!scores) return as_gguf_missing(file, key, err);
    as_unigram *u = vocab->unigram;
    u->scores = as_mem_new(as_size_mul(vocab->count, sizeof *u->scores));
    double least = INFINITY;
    for (size_t i = 0; i < vocab->count; i++) {
        u->scores[i] = (float)as_gguf_number(scores, i);
        if (!isfinite(u->scores[i]))
            return as_gguf_fail(file, err, "'%s' of token %zu is not a number (offset %zu)", key, i,
                                scores->offset);
        bool normal = vocab->kinds[i] == AS_TOKEN_NORMAL;
        if (normal && (double)u->scores[i] < least) least = (double)u->scores[i];
    }
    u->unknown_score = (least < INFINITY ? least : 0.0) - PENALTY;
    return AS_OK;
}

as_rc as_unigram_load(as_vocab *vocab, const as_gguf *file, as_err *err) {
    as_unigram *u = vocab->unigram = as_mem_new(sizeof *u);
    as_rc rc = load_scores(vocab, file, err);
    if (!rc) rc = load_table(u, file, err);
    u->strips = true;
    u->unknown = AS_TOKEN_NONE;
    if (!rc) rc = as_gguf_bool(file, "tokenizer.ggml.remove_extra_whitespaces", &u->strips, err);
    if (!rc) rc = as_vocab_id(vocab, file, "tokenizer.ggml.unknown_token_id", &u->unknown, err);
    for (size_t i = 0; !rc && i < vocab->count; i++) {
        as_str piece = as_str_copy(&vocab->arena, vocab->texts[i]);
        bool text = vocab->kinds[i] == AS_TOKEN_NORMAL && piece.len;
        if (vocab->kinds[i] == AS_TOKEN_UNKNOWN && u->unknown == AS_TOKEN_NONE)
            u->unknown = (uint32_t)i;
        if (vocab->kinds[i] == AS_TOKEN_BYTE) rc = as_vocab_load_byte(vocab, file, i, err);
        if (vocab->kinds[i] == AS_TOKEN_BYTE) continue;
        if (text) as_map_add(&vocab->pieces, piece, i, NULL);
        if (text && piece.len > u->piece_max) u->piece_max = piece.len;
        vocab->texts[i] = text ? as_vocab_spoken(&vocab->arena, piece) : piece;
    }
    if (!rc && u->unknown == AS_TOKEN_NONE)
        rc = as_gguf_fail(file, err, "the vocabulary has no unknown token");
    for (int byte = 0; !rc && vocab->byte_ids[0] != AS_TOKEN_NONE && byte < 256; byte++)
        if (vocab->byte_ids[byte] == AS_TOKEN_NONE)
            rc = as_gguf_fail(file, err, "the vocabulary has no token for byte <0x%02X>",
                              (unsigned)byte);
    vocab->add_space = vocab->add_eos = true;
    return rc;
}

void as_unigram_free(as_unigram *unigram) {
    if (!unigram) return;
    free(unigram->scores);
    free(unigram->units);
    free(unigram->normal);
    free(unigram);
}
