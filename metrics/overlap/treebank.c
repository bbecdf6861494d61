// SPDX-License-Identifier: Apache-2.0
#include "metrics/overlap/treebank.h"

#include <stdlib.h>

#include "harness/base/letter.h"
#include "harness/base/regex.h"
#include "harness/base/utf8.h"

#define IN_WORD "[\\p{ID_Continue}\\x{200c}\\x{200d}]"
#define ALONE(pattern) "(?<!" IN_WORD ")" pattern "(?!" IN_WORD ")"

// In this order, each over the whole text. In `with`, a digit stands for the group of that number.
static const struct {
    const char *pattern, *with;
    unsigned flags;
} rules[] = {
    {"\\.{3}", " 0 ", 0},
    {"[:,](?!\\p{Nd})", " 0 ", 0},
    {"[;@#$%&]", " 0 ", 0},
    // The last full stop, unless it ends an acronym.
    {"([^.])(?<!(?<![A-Za-z0-9_])[A-Za-z]\\.[A-Za-z])(\\.)([\\])}>' ]*)\\z", "1 23 ", 0},
    {"[?!]", " 0 ", 0},
    {"[\\]\\[(){}<>]", " 0 ", 0},
    {"--", " 0 ", 0},
    {"\\A.*\\z", " 0 ", AS_REGEX_DOTALL},
    {"([^'])(') ", "1 2 ", 0},
    {"('[sSmMdD]) ", " 1 ", 0},
    {"('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ", " 1 ", 0},
    {ALONE("(can)(not)"), " 1 2 ", AS_REGEX_CASELESS},
    {ALONE("(d)('ye)"), " 1 2 ", AS_REGEX_CASELESS},
    {ALONE("(gim)(me)"), " 1 2 ", AS_REGEX_CASELESS},
    {ALONE("(gon)(na)"), " 1 2 ", AS_REGEX_CASELESS},
    {ALONE("(got)(ta)"), " 1 2 ", AS_REGEX_CASELESS},
    {ALONE("(lem)(me)"), " 1 2 ", AS_REGEX_CASELESS},
    {ALONE("(more)('n)"), " 1 2 ", AS_REGEX_CASELESS},
    {ALONE("(wan)(na)(?= )"), " 1 2 ", AS_REGEX_CASELESS},
    {ALONE("('t)(is)"), " 1 2 ", AS_REGEX_CASELESS},
    {ALONE("('t)(was)"), " 1 2 ", AS_REGEX_CASELESS},
};

enum { RULES = sizeof rules / sizeof *rules };
enum { QUOTE, OPENS_BEHIND, BRACKET_BEHIND, TERM_AHEAD, LOOKS };

static const char *const looks[LOOKS] = {
    [QUOTE] = "``|''|\"",
    [OPENS_BEHIND] = "[ \\p{P}<]\\z",
    [BRACKET_BEHIND] = "[ \\p{Ps}<]\\z",
    [TERM_AHEAD] = "\\A[\\p{L}\\p{N}\\p{Sc}\\p{Ps}]",
};

struct as_treebank {
    as_regex *rules[RULES], *looks[LOOKS];
};

void as_treebank_free(as_treebank *treebank) {
    if (!treebank) return;
    for (size_t i = 0; i < RULES; i++) as_regex_free(treebank->rules[i]);
    for (size_t i = 0; i < LOOKS; i++) as_regex_free(treebank->looks[i]);
    free(treebank);
}

as_rc as_treebank_new(as_treebank **out, as_err *err) {
    as_treebank *t = as_mem_new(sizeof *t);
    as_rc rc = AS_OK;
    for (size_t i = 0; !rc && i < RULES; i++)
        rc = as_regex_new(as_str_of(rules[i].pattern), rules[i].flags, &t->rules[i], err);
    for (size_t i = 0; !rc && i < LOOKS; i++)
        rc = as_regex_new(as_str_of(looks[i]), 0, &t->looks[i], err);
    if (rc)
        as_treebank_free(t);
    else
        *out = t;
    return rc;
}

static as_str squeeze(as_arena *arena, as_str text) {
    as_tokens words = as_ngram_split(arena, text);
    as_buf out = {0};
    for (size_t i = 0; i < words.count; i++) {
        if (i) as_buf_char(&out, ' ');
        as_buf_str(&out, words.items[i]);
    }
    as_str copy = as_str_copy(arena, as_buf_view(&out));
    as_buf_free(&out);
    return copy;
}

static bool looks_so(const as_treebank *t, int look, as_str text) {
    as_str groups[AS_REGEX_GROUPS_MAX];
    return as_regex_match(t->looks[look], text, 0, groups) > 0;
}

// The character before `at`, empty at the start.
static as_str char_before(as_str text, size_t at) {
    size_t from = at;
    while (from > 0 && ((unsigned char)text.ptr[--from] & 0xc0) == 0x80) continue;
    return as_str_sub(text, from, at);
}

// Whether the mark at `at` opens a quotation: `` does; others where one may open, and '' only
// before a word that a '' follows.
static bool opens(const as_treebank *t, as_str text, size_t at, size_t len, bool inside) {
    as_str groups[AS_REGEX_GROUPS_MAX], before = char_before(text, at);
    as_str ahead = as_str_sub(text, at + len, text.len);
    if (text.ptr[at] == '`') return true;
    if (inside || (!ahead.len && at > 0 && !looks_so(t, BRACKET_BEHIND, before))) return false;
    if (at > 0 && !looks_so(t, OPENS_BEHIND, before)) return false;
    if (as_str_is(before, ".") || as_str_is(before, "!") || as_str_is(before, "?")) return false;
    if (text.ptr[at] == '"') return true;
    return at > 0 && looks_so(t, TERM_AHEAD, ahead) &&
           as_regex_match(t->looks[QUOTE], ahead, 0, groups) > 0 && as_str_is(groups[0], "''");
}

static as_str mark_quotes(const as_treebank *t, as_arena *arena, as_str text) {
    as_str groups[AS_REGEX_GROUPS_MAX];
    as_buf out = {0};
    size_t from = 0;
    bool inside = false;
    while (as_regex_match(t->looks[QUOTE], text, from, groups) > 0) {
        size_t at = (size_t)(groups[0].ptr - text.ptr);
        as_buf_str(&out, as_str_sub(text, from, at));
        inside = opens(t, text, at, groups[0].len, inside);
        as_buf_text(&out, inside ? " `` " : " '' ");
        from = at + groups[0].len;
    }
    as_buf_str(&out, as_str_sub(text, from, text.len));
    as_str copy = as_str_copy(arena, as_buf_view(&out));
    as_buf_free(&out);
    return copy;
}

static as_str apply(const as_treebank *t, as_arena *arena, size_t rule, as_str text) {
    as_str groups[AS_REGEX_GROUPS_MAX];
    as_buf out = {0};
    size_t from = 0;
    while (from < text.len && as_regex_match(t->rules[rule], text, from, groups) > 0) {
        size_t at = (size_t)(groups[0].ptr - text.ptr);
        as_buf_str(&out, as_str_sub(text, from, at));
        for (const char *c = rules[rule].with; *c; c++)
            if (*c == ' ')
                as_buf_char(&out, ' ');
            else
                as_buf_str(&out, groups[*c - '0']);
        from = at + groups[0].len;
    }
    if (from) {
        as_buf_str(&out, as_str_sub(text, from, text.len));
        text = as_str_copy(arena, as_buf_view(&out));
    }
    as_buf_free(&out);
    return text;
}

as_tokens as_treebank_cut(const as_treebank *t, as_arena *arena, as_str text) {
    text = mark_quotes(t, arena, squeeze(arena, text));
    for (size_t i = 0; i < RULES; i++) text = apply(t, arena, i, text);
    return as_ngram_split(arena, text);
}
