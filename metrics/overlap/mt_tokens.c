// SPDX-License-Identifier: Apache-2.0
#include "metrics/overlap/mt_tokens.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/file.h"
#include "harness/base/letter.h"
#include "harness/base/pieces/sentencepiece.h"
#include "harness/base/sha256.h"
#include "harness/base/utf8.h"
#include "metrics/families/text.h"
#include "metrics/overlap/mecab.h"

const char *const as_mt_kinds[] = {"13a",       "intl",      "zh",        "char",
                                   "none",      "ja-mecab",  "ko-mecab",  "spm",
                                   "flores101", "flores200", "spBLEU-1K", NULL};

enum { DIGEST = 12 }; // digits

enum {
    CLASS_COUNT = 0x110000,
    CLASS_NUMBER = 1,
    CLASS_PUNCTUATION = 2,
    CLASS_SYMBOL = 4,
    KNOWN = 8
};

struct as_mt_tokenizer {
    as_mt_kind kind;
    as_regex *classes[3]; // numbers, punctuation, symbols
    unsigned char *known; // [CLASS_COUNT] classes of the code points met so far
    as_sentencepiece *model;
    as_mecab *mecab;
    as_str name, digest;
    as_arena arena; // of these two
};

static as_rc new_intl(as_mt_tokenizer *t, as_err *err) {
    static const char *const patterns[] = {"\\A\\p{N}", "\\A\\p{P}", "\\A\\p{S}"};
    as_rc rc = AS_OK;
    for (int i = 0; !rc && i < 3; i++)
        rc = as_regex_new(as_str_of(patterns[i]), 0, &t->classes[i], err);
    t->known = as_mem_new(CLASS_COUNT);
    return rc;
}

// What sacreBLEU calls the file that it fetched, in its folder models.
static const char *model_file(as_mt_kind kind) {
    if (kind == AS_MT_FLORES200) return "flores200sacrebleuspm";
    return kind == AS_MT_SPBLEU_1K ? "spbleu-1k_tokenizer_spm.model"
                                   : "sacrebleu_tokenizer_spm.model";
}

static as_rc new_spm(as_mt_tokenizer *t, as_str path, as_err *err) {
    as_arena arena = {0};
    as_str bytes;
    if (!path.len)
        return as_fail(err, AS_INVALID,
                       "tokenizer '%s' needs option 'vocabulary', the path of a SentencePiece model"
                       "; sacreBLEU keeps %s in ~/.sacrebleu/models/%s once it has fetched it",
                       as_mt_kinds[t->kind], t->kind == AS_MT_SPM ? "its own" : "this one",
                       model_file(t->kind));
    as_rc rc = as_file_read(&arena, path.ptr, AS_SENTENCEPIECE_SIZE_MAX, &bytes, err);
    if (!rc) rc = as_sentencepiece_read(bytes, path.ptr, &t->model, err);
    if (!rc) t->digest = as_str_sub(as_sha256_of(&t->arena, bytes), 0, DIGEST);
    as_arena_free(&arena);
    return rc;
}

static as_rc new_mecab(as_mt_tokenizer *t, as_str folder, as_err *err) {
    as_mecab_kind kind = t->kind == AS_MT_JA_MECAB ? AS_MECAB_JA : AS_MECAB_KO;
    as_rc rc = as_mecab_new(kind, folder, &t->mecab, err);
    if (rc) return rc;
    t->name = as_strf(&t->arena, "%s-%s", as_mt_kinds[t->kind], as_mecab_version(t->mecab));
    return AS_OK;
}

as_rc as_mt_new(as_mt_kind kind, as_str vocabulary, as_mt_tokenizer **out, as_err *err) {
    as_mt_tokenizer *t = as_mem_new(sizeof *t);
    t->kind = kind;
    t->name = as_str_of(as_mt_kinds[kind]);
    as_rc rc = AS_OK;
    if (kind == AS_MT_INTL) rc = new_intl(t, err);
    if (kind == AS_MT_JA_MECAB || kind == AS_MT_KO_MECAB) rc = new_mecab(t, vocabulary, err);
    if (kind >= AS_MT_SPM) rc = new_spm(t, vocabulary, err);
    if (rc)
        as_mt_free(t);
    else
        *out = t;
    return rc;
}

void as_mt_free(as_mt_tokenizer *tokenizer) {
    if (!tokenizer) return;
    for (int i = 0; i < 3; i++) as_regex_free(tokenizer->classes[i]);
    free(tokenizer->known);
    as_sentencepiece_free(tokenizer->model);
    as_mecab_free(tokenizer->mecab);
    as_arena_free(&tokenizer->arena);
    free(tokenizer);
}

as_str as_mt_name(const as_mt_tokenizer *tokenizer) {
    return tokenizer->name;
}

as_str as_mt_digest(const as_mt_tokenizer *tokenizer) {
    return tokenizer->digest;
}

// ---- the ASCII rules of mteval-v13a ----

static as_str finish(as_arena *arena, as_buf *buf) {
    as_str out = as_str_copy(arena, as_buf_view(buf));
    as_buf_free(buf);
    return out;
}

static bool has(as_str text, char c) {
    return text.len && memchr(text.ptr, c, text.len);
}

static as_str replace(as_arena *arena, as_str text, const char *what, const char *by) {
    as_str wanted = as_str_of(what);
    if (!has(text, what[0])) return text; // as most
    size_t from = 0, at = as_str_find(text, wanted, 0);
    if (at == SIZE_MAX) return text;
    as_buf buf = {0};
    for (; at != SIZE_MAX; at = as_str_find(text, wanted, from)) {
        as_buf_str(&buf, as_str_sub(text, from, at));
        as_buf_text(&buf, by);
        from = at + wanted.len;
    }
    as_buf_str(&buf, as_str_sub(text, from, text.len));
    return finish(arena, &buf);
}

static as_str unescape(as_arena *arena, as_str text) {
    text = replace(arena, text, "&quot;", "\"");
    text = replace(arena, text, "&amp;", "&");
    text = replace(arena, text, "&lt;", "<");
    return replace(arena, text, "&gt;", ">");
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_stop(char c) {
    return c == '.' || c == ',';
}

// { to ~, [ to `, blank to &, ( to +, : to @, and /: all ASCII punctuation but ' , - .
static bool is_cut_off(char c) {
    return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') ||
           (c >= '(' && c <= '+') || (c >= ':' && c <= '@') || c == '/';
}

static char *put(char *out, char a, char b, char c) {
    out[0] = a;
    out[1] = b;
    out[2] = c;
    return out + 3;
}

// One pass of a rule: it looks at two neighbours and, where it holds, writes both and goes past
// them. Bytes are enough: what is not ASCII is neither a digit nor a stop. A rule returns how many
// bytes it took, 0 where it does not hold, and writes at most three for each.
typedef size_t cut_rule(as_str text, size_t at, char **out);

static size_t cut_punctuation(as_str text, size_t at, char **out) {
    if (!is_cut_off(text.ptr[at])) return 0;
    *out = put(*out, ' ', text.ptr[at], ' ');
    return 1;
}

static size_t cut_stop_after(as_str text, size_t at, char **out) {
    if (at + 1 >= text.len || is_digit(text.ptr[at]) || !is_stop(text.ptr[at + 1])) return 0;
    *(*out)++ = text.ptr[at];
    *out = put(*out, ' ', text.ptr[at + 1], ' ');
    return 2;
}

static size_t cut_stop_before(as_str text, size_t at, char **out) {
    if (at + 1 >= text.len || !is_stop(text.ptr[at]) || is_digit(text.ptr[at + 1])) return 0;
    *out = put(*out, ' ', text.ptr[at], ' ');
    *(*out)++ = text.ptr[at + 1];
    return 2;
}

static size_t cut_dash(as_str text, size_t at, char **out) {
    if (at + 1 >= text.len || !is_digit(text.ptr[at]) || text.ptr[at + 1] != '-') return 0;
    *(*out)++ = text.ptr[at];
    *out = put(*out, ' ', '-', ' ');
    return 2;
}

static as_str apply(as_arena *arena, as_str text, cut_rule *rule) {
    char *start = as_arena_take(arena, as_size_mul(3, text.len) + 1), *out = start;
    for (size_t at = 0; at < text.len;) {
        size_t taken = rule(text, at, &out);
        if (!taken) *out++ = text.ptr[at];
        at += taken ? taken : 1;
    }
    return (as_str){start, (size_t)(out - start)};
}

static as_str cut_stops_and_dashes(as_arena *arena, as_str text) {
    if (has(text, '.') || has(text, ',')) {
        text = apply(arena, text, cut_stop_after);
        text = apply(arena, text, cut_stop_before);
    }
    return has(text, '-') ? apply(arena, text, cut_dash) : text;
}

static as_str cut_western(as_arena *arena, as_str text) {
    return cut_stops_and_dashes(arena, apply(arena, text, cut_punctuation));
}

static as_str padded(as_arena *arena, as_str text) {
    char *out = as_arena_take(arena, text.len + 2);
    out[0] = out[text.len + 1] = ' ';
    if (text.len) memcpy(out + 1, text.ptr, text.len);
    return (as_str){out, text.len + 2};
}

static as_tokens cut_13a(as_arena *arena, as_str text) {
    text = replace(arena, text, "<skipped>", "");
    text = replace(arena, text, "-\n", "");
    text = replace(arena, text, "\n", " ");
    text = unescape(arena, text);
    return as_ngram_split(arena, cut_western(arena, padded(arena, text)));
}

as_str as_mt_tercom(as_arena *arena, as_str text) {
    text = replace(arena, text, "\n-", "");
    text = replace(arena, text, "\n", " ");
    text = padded(arena, unescape(arena, text));
    text = apply(arena, text, cut_punctuation);
    return cut_stops_and_dashes(arena, replace(arena, text, "'s ", " 's "));
}

// ---- Unicode ----

static unsigned class_of(as_mt_tokenizer *t, uint32_t c) {
    if (t->known[c]) return t->known[c];
    char bytes[4];
    as_str groups[AS_REGEX_GROUPS_MAX], one = {bytes, as_utf8_put(c, bytes)};
    unsigned found = KNOWN;
    for (int i = 0; i < 3; i++)
        if (as_regex_match(t->classes[i], one, 0, groups) > 0) found |= 1u << i;
    t->known[c] = (unsigned char)found;
    return found;
}

// (\P{N})(\p{P}) -> "\1 \2 ", then (\p{P})(\P{N}) -> " \1 \2": `second` says which of the two.
static size_t cut_pairs(as_mt_tokenizer *t, const uint32_t *in, size_t count, bool second,
                        uint32_t *out) {
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned a = class_of(t, in[i]), b = i + 1 < count ? class_of(t, in[i + 1]) : CLASS_NUMBER;
        bool first = i + 1 < count && !(a & CLASS_NUMBER) && b & CLASS_PUNCTUATION;
        if (second) first = i + 1 < count && a & CLASS_PUNCTUATION && !(b & CLASS_NUMBER);
        if (!first) {
            out[n++] = in[i];
            continue;
        }
        if (second) out[n++] = ' ';
        out[n++] = in[i++];
        out[n++] = ' ';
        out[n++] = in[i];
        if (!second) out[n++] = ' ';
    }
    return n;
}

static as_tokens cut_intl(as_mt_tokenizer *t, as_arena *arena, as_str text) {
    as_symbols points = as_edit_code_points(arena, text);
    uint32_t *once = AS_NEW_ARRAY(arena, uint32_t, 2 * points.count + 1);
    uint32_t *twice = AS_NEW_ARRAY(arena, uint32_t, 4 * points.count + 1);
    size_t count = cut_pairs(t, points.items, points.count, false, once);
    count = cut_pairs(t, once, count, true, twice);
    char *out = as_arena_take(arena, 6 * count + 1);
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        bool symbol = class_of(t, twice[i]) & CLASS_SYMBOL;
        if (symbol) out[len++] = ' ';
        len += as_utf8_put(twice[i], out + len);
        if (symbol) out[len++] = ' ';
    }
    return as_ngram_split(arena, (as_str){out, len});
}

// What sacreBLEU counts as Chinese. Its two ranges of code points past the BMP are written so that
// they mean U+2001-2A6D and U+2F81-2FA1 instead; that is kept, since scores are compared with its.
static bool is_chinese(uint32_t c) {
    static const uint32_t ranges[][2] = {
        {0x3400, 0x4db5}, {0x4e00, 0x9fa5}, {0x9fa6, 0x9fbb}, {0xf900, 0xfa2d}, {0xfa30, 0xfa6a},
        {0xfa70, 0xfad9}, {0x2001, 0x2a6d}, {0x2f81, 0x2fa1}, {0xff00, 0xffef}, {0x2e80, 0x2eff},
        {0x3000, 0x303f}, {0x31c0, 0x31ef}, {0x2f00, 0x2fdf}, {0x2ff0, 0x2fff}, {0x3100, 0x312f},
        {0x31a0, 0x31bf}, {0xfe10, 0xfe1f}, {0xfe30, 0xfe4f}, {0x2600, 0x26ff}, {0x2700, 0x27bf},
        {0x3200, 0x32ff}, {0x3300, 0x33ff}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (c >= ranges[i][0] && c <= ranges[i][1]) return true;
    return false;
}

static as_tokens cut_zh(as_arena *arena, as_str text) {
    as_buf out = {0};
    text = as_text_strip(text);
    for (size_t at = 0; at < text.len;) {
        size_t from = at;
        bool chinese = is_chinese(as_utf8_next(text, &at));
        if (chinese) as_buf_char(&out, ' ');
        as_buf_str(&out, as_str_sub(text, from, at));
        if (chinese) as_buf_char(&out, ' ');
    }
    return as_ngram_split(arena, cut_western(arena, finish(arena, &out)));
}

static as_tokens cut_characters(as_arena *arena, as_str text) {
    as_tokens out = {AS_NEW_ARRAY(arena, as_str, text.len + 1), 0};
    for (size_t at = 0; at < text.len;) {
        size_t from = at;
        if (!as_letter_is_space(as_utf8_next(text, &at)))
            out.items[out.count++] = as_str_sub(text, from, at);
    }
    return out;
}

// ---- vocabularies ----

// sacreBLEU joins the pieces by blanks and splits what it gets: a piece that holds white space is
// more than one.
static as_tokens cut_spm(const as_sentencepiece *model, as_arena *arena, as_str text) {
    size_t count;
    as_str *pieces = as_sentencepiece_cut(model, arena, text, &count);
    as_buf out = {0};
    for (size_t i = 0; i < count; i++) {
        if (i) as_buf_char(&out, ' ');
        as_buf_str(&out, pieces[i]);
    }
    return as_ngram_split(arena, finish(arena, &out));
}

as_rc as_mt_cut(as_mt_tokenizer *tokenizer, as_arena *arena, as_str text, as_tokens *out,
                as_err *err) {
    switch (tokenizer->kind) {
    case AS_MT_13A:
        *out = cut_13a(arena, text);
        return AS_OK;
    case AS_MT_INTL:
        *out = cut_intl(tokenizer, arena, text);
        return AS_OK;
    case AS_MT_ZH:
        *out = cut_zh(arena, text);
        return AS_OK;
    case AS_MT_CHAR:
        *out = cut_characters(arena, text);
        return AS_OK;
    case AS_MT_NONE:
        *out = as_ngram_split(arena, text);
        return AS_OK;
    case AS_MT_JA_MECAB:
    case AS_MT_KO_MECAB:
        return as_mecab_cut(tokenizer->mecab, arena, as_text_strip(text), out, err);
    case AS_MT_SPM:
    case AS_MT_FLORES101:
    case AS_MT_FLORES200:
    case AS_MT_SPBLEU_1K:
        *out = cut_spm(tokenizer->model, arena, text);
        return AS_OK;
    }
    return AS_OK;
}
