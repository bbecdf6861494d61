// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/text/unigram.h"

void as_unigram_encode(const as_vocab *vocab, as_str text, as_ids *ids) {
    as_buf normal = {0};
    as_vocab_encoding e = {vocab, ids};
    as_pieces_normalize(vocab->spm, text, &normal);
    as_pieces_cut(vocab->spm, as_buf_view(&normal), as_vocab_put_piece, &e);
    as_buf_free(&normal);
}

// --- loading ------------------------------------------------------------------------------------

static as_rc load_table(as_pieces *p, const as_gguf *file, as_err *err) {
    static const char key[] = "tokenizer.ggml.precompiled_charsmap";
    const as_gguf_value *table = as_gguf_find(file, key);
    if (!table) return AS_OK;
    bool bytes =
        table->type == AS_GGUF_ARRAY && (table->item == AS_GGUF_U8 || table->item == AS_GGUF_I8);
    if (bytes) p->table = as_charsmap_new(table->bytes, table->count);
    if (p->table) return AS_OK;
    return as_gguf_fail(file, err, "'%s' is no table of a normalizer (offset %zu)", key,
                        table->offset);
}

as_rc as_unigram_load(as_vocab *vocab, const as_gguf *file, as_err *err) {
    as_pieces *p = vocab->spm = as_mem_new(sizeof *p);
    p->texts = vocab->pieces;
    vocab->pieces = (as_lexicon){0};
    as_rc rc = as_vocab_scores(vocab, file, err);
    if (!rc) rc = load_table(p, file, err);
    p->strips = true;
    vocab->unknown = AS_TOKEN_NONE;
    if (!rc) rc = as_gguf_bool(file, "tokenizer.ggml.remove_extra_whitespaces", &p->strips, err);
    if (!rc) rc = as_vocab_id(vocab, file, "tokenizer.ggml.unknown_token_id", &vocab->unknown, err);
    for (size_t i = 0; !rc && i < vocab->count; i++) {
        as_str piece = as_lexicon_text(&p->texts, i);
        bool text = vocab->kinds[i] == AS_TOKEN_NORMAL && piece.len;
        if (vocab->kinds[i] == AS_TOKEN_UNKNOWN && vocab->unknown == AS_TOKEN_NONE)
            vocab->unknown = (uint32_t)i;
        if (text) as_lexicon_index(&p->texts, i, NULL);
        if (vocab->kinds[i] == AS_TOKEN_BYTE)
            rc = as_vocab_put_byte(vocab, file, i, piece, err);
        else if (text)
            as_vocab_put_spoken(vocab, piece);
        else
            as_lexicon_put(&vocab->texts, piece);
    }
    if (!rc && vocab->unknown == AS_TOKEN_NONE)
        rc = as_gguf_fail_at(file, err, "tokenizer.ggml.tokens",
                             "the vocabulary has no unknown token");
    for (int byte = 0; !rc && vocab->byte_ids[0] != AS_TOKEN_NONE && byte < 256; byte++)
        if (vocab->byte_ids[byte] == AS_TOKEN_NONE)
            rc = as_gguf_fail_at(file, err, "tokenizer.ggml.tokens",
                                 "the vocabulary has no token for byte <0x%02X>", (unsigned)byte);
    if (rc) return rc;
    as_pieces_finish(p, false);
    vocab->add_space = vocab->add_eos = true;
    return AS_OK;
}
