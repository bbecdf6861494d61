// SPDX-License-Identifier: Apache-2.0
#include "harness/base/pieces/sentencepiece.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/map.h"
#include "harness/base/utf8.h"

enum { UNIGRAM = 1, BPE = 2, WORD = 3, CHAR = 4 }; // trainer_spec.model_type

struct as_sentencepiece {
    as_arena arena; // texts and kinds
    as_pieces pieces;
    as_str *texts;        // [count]
    unsigned char *kinds; // [count]
    size_t capacity;
    int model;
    bool byte_fallback, suffix;
    as_str byte_texts[256]; // where unknown characters become bytes
};

// --- protocol buffers ---------------------------------------------------------------------------

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

typedef struct reader {
    const char *name;
    as_str file; // all of it, so that places can be told
    as_err *err;
    as_sentencepiece *model;
} reader;

typedef struct field {
    uint64_t number, type;
    size_t at;       // offset in the file
    uint64_t varint; // of VARINT
    as_str bytes;    // of the others
} field;

static as_rc refuse(const reader *r, const char *message, as_str what, size_t at) {
    return as_fail(r->err, AS_INVALID, "cannot read '%s': %.*s %s (offset %zu)", r->name,
                   AS_STR_ARG(what), message, at);
}

static as_rc read_varint(const reader *r, as_str *rest, as_str what, uint64_t *out) {
    size_t begin = (size_t)(rest->ptr - r->file.ptr);
    uint64_t value = 0;
    for (size_t i = 0; i < 10 && i < rest->len; i++) {
        uint64_t byte = (unsigned char)rest->ptr[i];
        value |= (byte & 0x7f) << (7 * i);
        if (byte & 0x80) continue;
        if (i == 9 && byte > 1) break;
        *rest = as_str_sub(*rest, i + 1, rest->len);
        *out = value;
        return AS_OK;
    }
    return refuse(r, "has a number that does not end", what, begin);
}

// The next field of a message; `what` is the message.
static as_rc read_field(const reader *r, as_str *rest, as_str what, field *out) {
    uint64_t key, size;
    *out = (field){.at = (size_t)(rest->ptr - r->file.ptr)};
    as_rc rc = read_varint(r, rest, what, &key);
    if (rc) return rc;
    out->number = key >> 3;
    out->type = key & 7;
    if (!out->number || out->number > 0x1fffffff)
        return refuse(r, "has a field without a number", what, out->at);
    if (out->type == VARINT) return read_varint(r, rest, what, &out->varint);
    if (out->type != BYTES && out->type != FIXED32 && out->type != FIXED64)
        return refuse(r, "has a field of no type that is known", what, out->at);
    size = out->type == FIXED32 ? 4 : 8;
    if (out->type == BYTES && (rc = read_varint(r, rest, what, &size))) return rc;
    if (size > rest->len) return refuse(r, "has a field that ends past it", what, out->at);
    out->bytes = as_str_sub(*rest, 0, (size_t)size);
    *rest = as_str_sub(*rest, (size_t)size, rest->len);
    return AS_OK;
}

typedef as_rc take_field(const reader *r, const field *f);

// Hands over the fields of a message one by one.
static as_rc read_message(const reader *r, as_str bytes, as_str what, take_field *take) {
    while (bytes.len) {
        field f;
        as_rc rc = read_field(r, &bytes, what, &f);
        if (!rc) rc = take(r, &f);
        if (rc) return rc;
    }
    return AS_OK;
}

static as_rc expect(const reader *r, const field *f, uint64_t type, const char *name) {
    if (f->type == type) return AS_OK;
    return refuse(r, "is of another type", as_str_of(name), f->at);
}

static as_rc take_bool(const reader *r, const field *f, const char *name, bool *out) {
    as_rc rc = expect(r, f, VARINT, name);
    if (!rc) *out = f->varint != 0;
    return rc;
}

// --- the model's fields -------------------------------------------------------------------------

static as_rc take_trainer(const reader *r, const field *f) {
    as_sentencepiece *m = r->model;
    if (f->number == 24) return take_bool(r, f, "treat_whitespace_as_suffix", &m->suffix);
    if (f->number == 35) return take_bool(r, f, "byte_fallback", &m->byte_fallback);
    if (f->number != 3) return AS_OK;
    as_rc rc = expect(r, f, VARINT, "model_type");
    if (rc) return rc;
    if (f->varint != UNIGRAM && f->varint != BPE)
        return as_fail(r->err, AS_INVALID,
                       "cannot read '%s': model_type is %s, and only unigram and bpe are "
                       "supported (offset %zu)",
                       r->name,
                       f->varint == WORD   ? "word"
                       : f->varint == CHAR ? "char"
                                           : "none that is known",
                       f->at);
    m->model = (int)f->varint;
    return AS_OK;
}

static as_rc take_normalizer(const reader *r, const field *f) {
    as_pieces *p = &r->model->pieces;
    bool escapes = true;
    as_rc rc;
    switch (f->number) {
    case 2:
        rc = expect(r, f, BYTES, "precompiled_charsmap");
        if (rc) return rc;
        as_charsmap_free(p->table);
        p->table = NULL;
        if (!f->bytes.len) return AS_OK;
        p->table = as_charsmap_new((const unsigned char *)f->bytes.ptr, f->bytes.len);
        if (p->table) return AS_OK;
        return refuse(r, "is no table of a normalizer", AS_STR("precompiled_charsmap"), f->at);
    case 3:
        return take_bool(r, f, "add_dummy_prefix", &p->front);
    case 4:
        return take_bool(r, f, "remove_extra_whitespaces", &p->strips);
    case 5:
        rc = take_bool(r, f, "escape_whitespaces", &escapes);
        p->plain = !escapes;
        return rc;
    default:
        return AS_OK;
    }
}

// What a piece is called in messages: the number it gets.
static as_str piece_name(const reader *r) {
    return as_strf(&r->model->arena, "piece %zu", r->model->pieces.count);
}

static as_rc take_piece(const reader *r, const field *f) {
    as_sentencepiece *m = r->model;
    size_t at = m->pieces.count;
    float score;
    as_rc rc = AS_OK;
    switch (f->number) {
    case 1:
        rc = expect(r, f, BYTES, "the text of a piece");
        if (rc) return rc;
        if (f->bytes.len > AS_PIECE_LEN_MAX || as_utf8_invalid_at(f->bytes) != SIZE_MAX)
            return refuse(r, "has a text that is too long or no UTF-8", piece_name(r), f->at);
        m->texts[at] = as_str_copy(&m->arena, f->bytes);
        return AS_OK;
    case 2:
        rc = expect(r, f, FIXED32, "the score of a piece");
        if (rc) return rc;
        uint32_t bits = 0;
        for (size_t i = 4; i-- > 0;) bits = bits << 8 | (unsigned char)f->bytes.ptr[i];
        memcpy(&score, &bits, sizeof score);
        if (!isfinite(score))
            return refuse(r, "has a score that is no number", piece_name(r), f->at);
        m->pieces.scores[at] = score;
        return AS_OK;
    case 3:
        rc = expect(r, f, VARINT, "the type of a piece");
        if (rc) return rc;
        if (f->varint < AS_PIECE_NORMAL || f->varint > AS_PIECE_BYTE)
            return refuse(r, "has a type that is not 1 to 6", piece_name(r), f->at);
        m->kinds[at] = (unsigned char)f->varint;
        return AS_OK;
    default:
        return AS_OK;
    }
}

static void grow(as_sentencepiece *m) {
    if (m->pieces.count < m->capacity) return;
    m->capacity = m->capacity ? 2 * m->capacity : 1024;
    m->texts = as_mem_grow(m->texts, as_size_mul(m->capacity, sizeof *m->texts));
    m->kinds = as_mem_grow(m->kinds, m->capacity);
    m->pieces.scores =
        as_mem_grow(m->pieces.scores, as_size_mul(m->capacity, sizeof *m->pieces.scores));
}

static as_rc take_model(const reader *r, const field *f) {
    as_sentencepiece *m = r->model;
    if (f->number < 1 || f->number > 3) return AS_OK;
    as_rc rc = expect(r, f, BYTES,
                      f->number == 1   ? "pieces"
                      : f->number == 2 ? "trainer_spec"
                                       : "normalizer_spec");
    if (rc) return rc;
    if (f->number == 2) return read_message(r, f->bytes, AS_STR("trainer_spec"), take_trainer);
    if (f->number == 3)
        return read_message(r, f->bytes, AS_STR("normalizer_spec"), take_normalizer);
    size_t at = m->pieces.count;
    if (at == AS_SENTENCEPIECE_COUNT_MAX) return refuse(r, "are too many", AS_STR("pieces"), f->at);
    grow(m);
    m->texts[at] = AS_STR("");
    m->kinds[at] = AS_PIECE_NORMAL;
    m->pieces.scores[at] = 0;
    rc = read_message(r, f->bytes, AS_STR("a piece"), take_piece);
    if (!rc && !m->texts[at].len) rc = refuse(r, "has no text", piece_name(r), f->at);
    if (!rc) m->pieces.count++;
    return rc;
}

// --- what the pieces are together ---------------------------------------------------------------

static as_rc refuse_piece(const reader *r, size_t at, const char *message) {
    return as_fail(r->err, AS_INVALID, "cannot read '%s': piece %zu, '%.*s', %s", r->name, at,
                   AS_STR_ARG(r->model->texts[at]), message);
}

static as_rc index_piece(const reader *r, size_t at, as_map *reserved, size_t *unknown) {
    as_sentencepiece *m = r->model;
    unsigned char kind = m->kinds[at];
    bool text = kind == AS_PIECE_NORMAL || kind == AS_PIECE_USER || kind == AS_PIECE_UNUSED;
    as_lexicon_put(&m->pieces.texts, m->texts[at]);
    if (text ? !as_lexicon_index(&m->pieces.texts, at, NULL)
             : !as_map_add(reserved, m->texts[at], at, NULL))
        return refuse_piece(r, at, "is there twice");
    if (kind == AS_PIECE_UNKNOWN && *unknown != SIZE_MAX)
        return refuse_piece(r, at, "is a second one for the unknown");
    if (kind == AS_PIECE_UNKNOWN) *unknown = at;
    if (kind != AS_PIECE_BYTE) return AS_OK;
    int byte = as_pieces_byte(m->texts[at]);
    if (byte < 0) return refuse_piece(r, at, "is of the byte type but is not like '<0x0A>'");
    if (!m->byte_fallback) return refuse_piece(r, at, "is a byte, though byte_fallback is not set");
    m->byte_texts[byte] = m->texts[at];
    return AS_OK;
}

static as_rc index_pieces(const reader *r) {
    as_sentencepiece *m = r->model;
    as_map reserved = {0};
    size_t unknown = SIZE_MAX, size = 0;
    as_rc rc = AS_OK;
    for (size_t i = 0; i < m->pieces.count; i++) size += m->texts[i].len;
    as_lexicon_reserve(&m->pieces.texts, m->pieces.count, size);
    for (size_t i = 0; !rc && i < m->pieces.count; i++) rc = index_piece(r, i, &reserved, &unknown);
    as_map_free(&reserved);
    if (!rc && unknown == SIZE_MAX)
        rc = as_fail(r->err, AS_INVALID, "cannot read '%s': no piece stands for the unknown",
                     r->name);
    for (int byte = 0; !rc && m->byte_fallback && byte < 256; byte++)
        if (!m->byte_texts[byte].len)
            rc = as_fail(r->err, AS_INVALID,
                         "cannot read '%s': byte_fallback is set, but no piece is '<0x%02X>'",
                         r->name, (unsigned)byte);
    return rc;
}

as_rc as_sentencepiece_read(as_str bytes, const char *name, as_sentencepiece **out, as_err *err) {
    as_sentencepiece *m = as_mem_new(sizeof *m);
    reader r = {name, bytes, err, m};
    as_pieces *p = &m->pieces;
    m->model = UNIGRAM;
    p->front = p->strips = p->rounds = p->undoes = true;
    as_rc rc = AS_OK;
    if (bytes.len > AS_SENTENCEPIECE_SIZE_MAX)
        rc = as_fail(err, AS_INVALID, "cannot read '%s': it has more than %d bytes", name,
                     AS_SENTENCEPIECE_SIZE_MAX);
    if (!rc) rc = read_message(&r, bytes, AS_STR("the model"), take_model);
    if (!rc) rc = index_pieces(&r);
    if (rc) {
        as_sentencepiece_free(m);
        return rc;
    }
    p->kinds = m->kinds;
    p->back = p->front && m->suffix;
    p->front = p->front && !m->suffix;
    as_pieces_finish(p, m->model == BPE);
    *out = m;
    return AS_OK;
}

void as_sentencepiece_free(as_sentencepiece *model) {
    if (!model) return;
    as_pieces_free(&model->pieces);
    free(model->texts);
    free(model->kinds);
    as_arena_free(&model->arena);
    free(model);
}

// --- cutting ------------------------------------------------------------------------------------

typedef struct cutting {
    const as_sentencepiece *model;
    as_str *items;
    size_t count;
    bool unknown; // the last one is
} cutting;

static void take(void *context, as_str text, uint32_t id) {
    cutting *c = context;
    bool known = id != AS_PIECE_NONE;
    if (!known && c->model->byte_fallback) {
        for (size_t i = 0; i < text.len; i++)
            c->items[c->count++] = c->model->byte_texts[(unsigned char)text.ptr[i]];
    } else if (!known && c->unknown) {
        c->items[c->count - 1].len += text.len; // they stand beside each other
    } else {
        c->items[c->count++] = text;
        c->unknown = !known;
    }
}

as_str *as_sentencepiece_cut(const as_sentencepiece *model, as_arena *arena, as_str text,
                             size_t *count) {
    as_buf normal = {0};
    as_pieces_normalize(&model->pieces, text, &normal);
    as_str input = as_str_copy(arena, as_buf_view(&normal));
    as_buf_free(&normal);
    cutting c = {.model = model, .items = AS_NEW_ARRAY(arena, as_str, input.len + 1)};
    if (model->model == BPE)
        as_pieces_merge(&model->pieces, input, take, &c);
    else
        as_pieces_cut(&model->pieces, input, take, &c);
    *count = c.count;
    return c.items;
}
