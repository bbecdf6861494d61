// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/text/spm.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/utf8.h"
#include "harness/engine/text/merge.h"

static const char space_mark[] = "\xe2\x96\x81"; // U+2581

as_rc as_spm_load(as_vocab *vocab, const as_gguf *file, as_err *err) {
    for (size_t i = 0; i < vocab->count; i++) {
        as_str piece = vocab->texts[i];
        if (vocab->kinds[i] == AS_TOKEN_BYTE) {
            as_rc rc = as_vocab_load_byte(vocab, file, i, err);
            if (rc) return rc;
        } else if (vocab->kinds[i] == AS_TOKEN_NORMAL || vocab->kinds[i] == AS_TOKEN_UNUSED) {
            as_str copy = as_str_copy(&vocab->arena, piece);
            // Control tokens stay out: text must not be able to merge into one.
            if (copy.len) as_map_add(&vocab->pieces, copy, i, NULL);
            vocab->texts[i] = as_vocab_spoken(&vocab->arena, copy);
        } else {
            vocab->texts[i] = as_str_copy(&vocab->arena, piece);
        }
    }
    for (int byte = 0; byte < 256; byte++)
        if (vocab->byte_ids[byte] == AS_TOKEN_NONE)
            return as_gguf_fail(file, err, "the vocabulary has no token for byte <0x%02X>",
                                (unsigned)byte);
    vocab->add_bos = vocab->add_space = true;
    if (vocab->count > 2 && vocab->kinds[1] == AS_TOKEN_CONTROL) vocab->bos = 1;
    if (vocab->count > 2 && vocab->kinds[2] == AS_TOKEN_CONTROL) vocab->eos = 2;
    return AS_OK;
}

static bool pair(const void *vocab_in, as_str text, const as_symbol *left, const as_symbol *right,
                 uint32_t *order, uint32_t *id) {
    const as_vocab *vocab = vocab_in;
    uint32_t len = left->len + right->len;
    uint64_t found;
    if (len > AS_VOCAB_PIECE_MAX ||
        !as_map_get(&vocab->pieces, (as_str){text.ptr + left->start, len}, &found))
        return false;
    *id = (uint32_t)found;
    *order = vocab->orders[found];
    return true;
}

static void put_symbol(const as_vocab *vocab, as_str text, as_ids *ids) {
    uint64_t id;
    if (as_map_get(&vocab->pieces, text, &id)) {
        as_ids_add(ids, (uint32_t)id);
        return;
    }
    for (size_t i = 0; i < text.len; i++)
        as_ids_add(ids, vocab->byte_ids[(unsigned char)text.ptr[i]]);
}

void as_spm_encode(const as_vocab *vocab, as_str text, as_ids *ids) {
    as_buf marked = {0};
    if (vocab->add_space) as_buf_text(&marked, space_mark);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == ' ')
            as_buf_text(&marked, space_mark);
        else
            as_buf_char(&marked, text.ptr[i]);
    }
    as_str input = as_buf_view(&marked);
    as_merger merger = {0};
    for (size_t at = 0; at < input.len;) {
        size_t start = at;
        as_utf8_next(input, &at);
        as_merger_add(&merger, (uint32_t)(at - start), AS_SYMBOL_NONE);
    }
    as_merger_run(&merger, input, pair, vocab);
    for (uint32_t at = merger.symbol_count ? 0 : AS_SYMBOL_NONE; at != AS_SYMBOL_NONE;
         at = merger.symbols[at].next) {
        const as_symbol *symbol = &merger.symbols[at];
        put_symbol(vocab, (as_str){input.ptr + symbol->start, symbol->len}, ids);
    }
    as_merger_free(&merger);
    as_buf_free(&marked);
}
