// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/text/spm.h"

as_rc as_spm_load(as_vocab *vocab, const as_gguf *file, as_err *err) {
    as_pieces *p = vocab->spm = as_mem_new(sizeof *p);
    p->texts = vocab->pieces;
    vocab->pieces = (as_lexicon){0};
    as_rc rc = as_vocab_scores(vocab, file, err);
    for (size_t i = 0; !rc && i < vocab->count; i++) {
        as_str piece = as_lexicon_text(&p->texts, i);
        if (vocab->kinds[i] == AS_TOKEN_BYTE) {
            rc = as_vocab_put_byte(vocab, file, i, piece, err);
        } else if (vocab->kinds[i] == AS_TOKEN_NORMAL || vocab->kinds[i] == AS_TOKEN_UNUSED) {
            // Control tokens stay out: text must not be able to merge into one.
            if (piece.len) as_lexicon_index(&p->texts, i, NULL);
            as_vocab_put_spoken(vocab, piece);
        } else {
            as_lexicon_put(&vocab->texts, piece);
        }
    }
    for (int byte = 0; !rc && byte < 256; byte++)
        if (vocab->byte_ids[byte] == AS_TOKEN_NONE)
            rc = as_gguf_fail_at(file, err, "tokenizer.ggml.tokens",
                                 "the vocabulary has no token for byte <0x%02X>", (unsigned)byte);
    if (rc) return rc;
    as_pieces_finish(p, true);
    vocab->add_bos = vocab->add_space = true;
    if (vocab->count > 2 && vocab->kinds[1] == AS_TOKEN_CONTROL) vocab->bos = 1;
    if (vocab->count > 2 && vocab->kinds[2] == AS_TOKEN_CONTROL) vocab->eos = 2;
    return AS_OK;
}

void as_spm_encode(const as_vocab *vocab, as_str text, as_ids *ids) {
    as_buf normal = {0};
    as_vocab_encoding e = {vocab, ids};
    as_pieces_normalize(vocab->spm, text, &normal);
    as_pieces_merge(vocab->spm, as_buf_view(&normal), as_vocab_put_piece, &e);
    as_buf_free(&normal);
}
