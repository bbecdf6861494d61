// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/text/bpe.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/pieces/merge.h"
#include "harness/base/rng.h"
#include "harness/base/utf8.h"
#include "harness/engine/text/pretok.h"

enum { RUNES = 256 + 68 }; // the alphabet's code points lie below

#define EMPTY UINT64_MAX

// A hash table from two neighbours to what they become.
typedef struct merge_slot {
    uint64_t key; // left token << 32 | right token; EMPTY
    uint32_t rank, id;
} merge_slot;

struct as_bpe {
    as_pretok *pretok;
    merge_slot *merges;
    size_t capacity; // three in five are taken
    uint64_t spread; // pairs of tokens are multiplied by it
};

// Byte-level BPE writes bytes as printable characters: those that are printable in Latin-1 as
// themselves, the other 68 as U+0100 onwards.
static void make_alphabet(int byte_of_rune[RUNES]) {
    int next = 256;
    for (int i = 0; i < RUNES; i++) byte_of_rune[i] = -1;
    for (int byte = 0; byte < 256; byte++) {
        bool plain = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte != 0xad);
        byte_of_rune[plain ? byte : next++] = byte;
    }
}

// The bytes a piece stands for; false if it has characters outside the alphabet.
static bool read_piece(const int byte_of_rune[RUNES], as_str piece, char *out, size_t *len) {
    *len = 0;
    for (size_t at = 0; at < piece.len;) {
        uint32_t rune = as_utf8_next(piece, &at);
        if (rune >= RUNES || byte_of_rune[rune] < 0) return false;
        out[(*len)++] = (char)byte_of_rune[rune];
    }
    return true;
}

static as_rc load_pieces(as_vocab *vocab, const as_gguf *file, const int byte_of_rune[RUNES],
                         as_err *err) {
    for (size_t i = 0; i < vocab->count; i++) {
        as_str piece = as_lexicon_text(&vocab->pieces, i);
        unsigned char kind = vocab->kinds[i];
        char bytes[AS_VOCAB_PIECE_MAX];
        size_t len;
        bool merges = (kind == AS_TOKEN_NORMAL || kind == AS_TOKEN_UNUSED) &&
                      read_piece(byte_of_rune, piece, bytes, &len);
        as_lexicon_put(&vocab->texts, merges ? (as_str){bytes, len} : piece);
        if (!merges || !len) continue;
        as_lexicon_index(&vocab->texts, i, NULL);
        if (len == 1) vocab->byte_ids[(unsigned char)bytes[0]] = (uint32_t)i;
    }
    as_lexicon_free(&vocab->pieces);
    for (unsigned byte = 0; byte < 256; byte++) {
        // Falcon's file lacks control characters, StarCoder's what begins the planes from 4 on;
        // such bytes are left out of a text then, as by the tokenizers that the models come with.
        bool wanted = (byte >= ' ' && byte <= '~') || byte == '\n';
        if (wanted && vocab->byte_ids[byte] == AS_TOKEN_NONE)
            return as_gguf_fail_at(file, err, "tokenizer.ggml.tokens",
                                   "the vocabulary has no token for byte 0x%02X", byte);
    }
    return AS_OK;
}

static merge_slot *find_merge(const as_bpe *bpe, uint64_t key) {
    size_t at = (size_t)(((key * bpe->spread) >> 32) * bpe->capacity >> 32);
    while (bpe->merges[at].key != EMPTY && bpe->merges[at].key != key)
        at = at + 1 < bpe->capacity ? at + 1 : 0;
    return &bpe->merges[at];
}

// The two tokens of a merge and their union; false if any of them is not there.
static bool read_merge(const as_vocab *vocab, const int byte_of_rune[RUNES], as_str left,
                       as_str right, uint32_t ids[3]) {
    char bytes[2 * AS_VOCAB_PIECE_MAX];
    size_t left_len, right_len;
    if (left.len > AS_VOCAB_PIECE_MAX || right.len > AS_VOCAB_PIECE_MAX) return false;
    if (!left.len || !read_piece(byte_of_rune, left, bytes, &left_len)) return false;
    if (!right.len || !read_piece(byte_of_rune, right, bytes + left_len, &right_len)) return false;
    return as_lexicon_find(&vocab->texts, (as_str){bytes, left_len}, &ids[0]) &&
           as_lexicon_find(&vocab->texts, (as_str){bytes + left_len, right_len}, &ids[1]) &&
           as_lexicon_find(&vocab->texts, (as_str){bytes, left_len + right_len}, &ids[2]);
}

static as_rc load_merges(as_vocab *vocab, const as_gguf *file, const int byte_of_rune[RUNES],
                         as_err *err) {
    static const char key[] = "tokenizer.ggml.merges";
    const as_gguf_value *merges = NULL;
    as_rc rc = as_gguf_array(file, key, AS_GGUF_STRING, &merges, err);
    if (rc) return rc;
    if (!merges) return as_gguf_missing(file, key, err);
    if (merges->count > AS_VOCAB_MERGES_MAX)
        return as_gguf_fail(file, err, "'%s' has %zu items, more than %d (offset %zu)", key,
                            merges->count, AS_VOCAB_MERGES_MAX, merges->offset);
    as_bpe *bpe = vocab->bpe;
    bpe->capacity = merges->count + 2 * merges->count / 3 + 1;
    bpe->spread = as_rng_secret()[1];
    bpe->merges = as_mem_new(as_size_mul(bpe->capacity, sizeof *bpe->merges));
    for (size_t i = 0; i < bpe->capacity; i++) bpe->merges[i].key = EMPTY;
    as_gguf_strings strings = {merges->bytes};
    for (size_t i = 0; i < merges->count; i++) {
        as_str right = as_gguf_strings_next(&strings);
        size_t offset = merges->offset + (size_t)((const unsigned char *)right.ptr - merges->bytes);
        as_str left = as_str_cut(&right, ' ');
        uint32_t ids[3];
        if (!read_merge(vocab, byte_of_rune, left, right, ids))
            return as_gguf_fail(
                file, err, "merge %zu is not two tokens that make a third (offset %zu)", i, offset);
        uint64_t pair = (uint64_t)ids[0] << 32 | ids[1];
        merge_slot *slot = find_merge(bpe, pair);
        if (slot->key != EMPTY)
            return as_gguf_fail(file, err, "merge %zu is the same as merge %u (offset %zu)", i,
                                slot->rank, offset);
        *slot = (merge_slot){pair, (uint32_t)i, ids[2]};
    }
    return AS_OK;
}

as_rc as_bpe_load(as_vocab *vocab, const as_gguf *file, as_err *err) {
    as_bpe *bpe = vocab->bpe = as_mem_new(sizeof *bpe);
    as_str name = AS_STR("default");
    as_rc rc = as_gguf_text(file, "tokenizer.ggml.pre", &name, err);
    if (rc) return rc;
    rc = as_pretok_new(name, &bpe->pretok, err);
    if (rc) {
        const as_gguf_value *pre = as_gguf_find(file, "tokenizer.ggml.pre");
        as_err_prefix(err, "cannot read '%s': offset %zu", file->path, pre ? pre->offset : 0);
        return rc;
    }
    vocab->add_bos = as_pretok_adds_bos(bpe->pretok);
    int byte_of_rune[RUNES];
    make_alphabet(byte_of_rune);
    rc = load_pieces(vocab, file, byte_of_rune, err);
    return rc ? rc : load_merges(vocab, file, byte_of_rune, err);
}

void as_bpe_free(as_bpe *bpe) {
    if (!bpe) return;
    as_pretok_free(bpe->pretok);
    free(bpe->merges);
    free(bpe);
}

static bool pair(const void *bpe, as_str text, const as_symbol *left, const as_symbol *right,
                 uint32_t *order, uint32_t *id) {
    (void)text;
    const merge_slot *slot = find_merge(bpe, (uint64_t)left->id << 32 | right->id);
    if (slot->key == EMPTY) return false;
    *order = slot->rank;
    *id = slot->id;
    return true;
}

typedef struct encoding {
    const as_vocab *vocab;
    as_merger merger;
    as_ids *ids;
} encoding;

static void encode_word(void *encoding_in, as_str word) {
    encoding *e = encoding_in;
    uint32_t whole;
    bool is_token = as_lexicon_find(&e->vocab->texts, word, &whole);
    // One byte is its token; and some tokenizers take any word that is one without merging.
    if (is_token && (word.len == 1 || as_pretok_takes_words(e->vocab->bpe->pretok))) {
        as_ids_add(e->ids, whole);
        return;
    }
    as_merger *merger = &e->merger;
    merger->symbol_count = 0;
    for (size_t i = 0; i < word.len; i++)
        as_merger_add(merger, 1, e->vocab->byte_ids[(unsigned char)word.ptr[i]]);
    as_merger_run(merger, word, pair, e->vocab->bpe);
    for (uint32_t at = 0; at != AS_SYMBOL_NONE; at = merger->symbols[at].next)
        if (merger->symbols[at].id != AS_TOKEN_NONE) as_ids_add(e->ids, merger->symbols[at].id);
}

as_rc as_bpe_encode(const as_vocab *vocab, as_str text, as_ids *ids, as_err *err) {
    encoding e = {.vocab = vocab, .ids = ids};
    as_rc rc = as_pretok_split(vocab->bpe->pretok, text, encode_word, &e, err);
    as_merger_free(&e.merger);
    return rc;
}
