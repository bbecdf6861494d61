// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/text/pretok.h"

#include <stdlib.h>

#include "harness/base/regex.h"

enum { PATTERNS_MAX = 5 };

// White space as Unicode defines it. PCRE2's \s also takes U+180E, which the tokenizers do not.
#define WS                                                                                         \
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}"             \
    "\\x{202f}\\x{205f}\\x{3000}"

// Quantifiers are possessive wherever giving back could not help: the work is linear then, also
// for a megabyte of one character.
#define SUFFIX "'s|'t|'re|'ve|'m|'ll|'d"
#define SPACES "[" WS "]+(?![^" WS "])|[" WS "]++"
#define OTHERS " ?[^" WS "\\p{L}\\p{N}]++"
// `\s*[\r\n]+` cannot be written without giving back, so group 1 is one run of other white space
// and line breaks, and the splitter joins those that follow each other.
#define BREAKS                                                                                     \
    "([\\x{9}\\x{b}\\x{c}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}"      \
    "\\x{202f}\\x{205f}\\x{3000}]*+[\\r\\n]++)"
#define GPT2 SUFFIX "| ?\\p{L}++| ?\\p{N}++|" OTHERS "|" SPACES
#define LLAMA3(digits)                                                                             \
    "(?i:" SUFFIX ")|[^\\r\\n\\p{L}\\p{N}]?\\p{L}++|" digits "|" OTHERS "[\\r\\n]*+|" BREAKS       \
    "|" SPACES

// Words by case: capitals first, then small letters; letters without case and marks go with both.
// `UPPER*LOWER+` would give back a megabyte of capitals one by one: it is capitals up to a small
// letter and what follows that, else all up to the last letter that goes with both.
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CAPITALIZED                                                                                \
    "(?:" UPPER "*+\\p{Ll}" LOWER "*+|(?:[\\p{Lu}\\p{Lt}]*+[\\p{Lm}\\p{Lo}\\p{M}]++)++)"
#define CASED(suffix, digits)                                                                      \
    "[^\\r\\n\\p{L}\\p{N}]?" CAPITALIZED suffix "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "++" LOWER         \
    "*+" suffix "|" digits "|" OTHERS "[\\r\\n/]*+|" BREAKS "|" SPACES
#define HAN "[\\x{4e00}-\\x{9fa5}"
#define ASCII_PUNCTUATION "[!-/:-@\\[-`{-~]"
#define DEEPSEEK3                                                                                  \
    ASCII_PUNCTUATION "[A-Za-z]++|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]++| ?[\\p{P}\\p{S}]++" \
                      "[\\r\\n]*+|" BREAKS "|" SPACES
#define BLOOM " ?[^(" WS "|.,!?\\x{2026}\\x{3002}\\x{ff0c}\\x{3001}\\x{964}\\x{6d4}\\x{60c})]++"

typedef struct scheme {
    const char *names;                  // separated by spaces
    const char *patterns[PATTERNS_MAX]; // each cuts what the one before it left, matched or not
    bool takes_words, adds_bos;
} scheme;

static const scheme schemes[] = {
    {"gpt-2 mpt olmo phi-2 modern-bert jais trillion granite-docling exaone4 gigachat roberta-bpe",
     {GPT2},
     false,
     false},
    {"llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral", {LLAMA3("\\p{N}{1,3}")}, true, true},
    {"smaug-bpe dbrx chatglm-bpe glm4", {LLAMA3("\\p{N}{1,3}")}, false, false},
    {"qwen2 deepseek-r1-qwen stablelm2 megrez hunyuan", {LLAMA3("\\p{N}")}, false, false},
    {"smollm starcoder refact command-r exaone codeshell minerva-7b",
     {"\\p{N}", GPT2},
     false,
     false},
    {"tekken", {CASED("", "\\p{N}")}, true, true},
    {"gpt-4o llama4", {CASED("(?i:" SUFFIX ")?+", "\\p{N}{1,3}")}, false, false},
    {"deepseek-coder",
     {"[\\r\\n]", "[" WS "]?\\p{L}++", "[" WS "]?\\p{P}++",
      HAN "\\x{800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]++", "\\p{N}"},
     false,
     false},
    {"deepseek-v3 hunyuan-dense",
     {"\\p{N}{1,3}", HAN "\\x{3040}-\\x{309f}\\x{30a0}-\\x{30ff}]++", DEEPSEEK3},
     false,
     false},
    {"bloom poro-chat gpt3-finnish", {BLOOM}, false, false},
    {"viking", {BLOOM, "\\p{N}"}, false, false},
    {"default", {"[\\p{P}$+<=>^~|]++", GPT2, "\\p{N}++", "[0-9][0-9][0-9]"}, false, false},
};

struct as_pretok {
    const scheme *scheme;
    as_regex *regexes[PATTERNS_MAX];
    size_t count;
};

static bool has_name(const char *all, as_str name) {
    as_str names = as_str_of(all);
    while (names.ptr)
        if (as_str_eq(as_str_cut(&names, ' '), name)) return true;
    return false;
}

as_rc as_pretok_new(as_str name, as_pretok **out, as_err *err) {
    const scheme *found = NULL;
    as_buf known = {0};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        as_buff(&known, "%s%s", i ? " " : "", schemes[i].names);
        if (!found && has_name(schemes[i].names, name)) found = &schemes[i];
    }
    as_rc rc = AS_OK;
    if (!found || !name.len)
        rc = as_fail(err, AS_INVALID, "pre-tokenizer '%.*s' is not supported, only: %s",
                     name.len < 64 ? (int)name.len : 64, name.ptr ? name.ptr : "", known.ptr);
    as_buf_free(&known);
    if (rc) return rc;
    as_pretok *pretok = as_mem_new(sizeof *pretok);
    pretok->scheme = found;
    for (; !rc && pretok->count < PATTERNS_MAX && found->patterns[pretok->count]; pretok->count++)
        rc = as_regex_new(as_str_of(found->patterns[pretok->count]), 0,
                          &pretok->regexes[pretok->count], err);
    if (rc)
        as_pretok_free(pretok);
    else
        *out = pretok;
    return rc;
}

void as_pretok_free(as_pretok *pretok) {
    if (!pretok) return;
    for (size_t i = 0; i < PATTERNS_MAX; i++) as_regex_free(pretok->regexes[i]);
    free(pretok);
}

bool as_pretok_takes_words(const as_pretok *pretok) {
    return pretok->scheme->takes_words;
}

bool as_pretok_adds_bos(const as_pretok *pretok) {
    return pretok->scheme->adds_bos;
}

typedef struct splitting {
    const as_pretok *pretok;
    as_pretok_word *word;
    void *context;
} splitting;

// The first match at or after `from`, ptr NULL if there is none. False at the work limit.
static bool find(const as_regex *regex, as_str text, size_t from, as_str *match) {
    as_str groups[AS_REGEX_GROUPS_MAX];
    int count = as_regex_match(regex, text, from, groups);
    *match = count > 0 ? groups[0] : (as_str){NULL, 0};
    while (count > 1 && groups[1].ptr) {
        const char *end = match->ptr + match->len;
        count = as_regex_match(regex, text, (size_t)(end - text.ptr), groups);
        if (count <= 1 || groups[1].ptr != end) break;
        match->len += groups[0].len;
    }
    return count >= 0;
}

// Cuts `text` by the regexes from `level` on. What a regex does not match is a piece as well.
static bool split(const splitting *s, size_t level, as_str text) {
    if (level == s->pretok->count) {
        s->word(s->context, text);
        return true;
    }
    size_t done = 0;
    while (done < text.len) {
        as_str match;
        if (!find(s->pretok->regexes[level], text, done, &match)) return false;
        size_t begin = match.ptr ? (size_t)(match.ptr - text.ptr) : text.len;
        if (begin > done && !split(s, level + 1, as_str_sub(text, done, begin))) return false;
        if (match.ptr && !split(s, level + 1, match)) return false;
        done = begin + match.len; // no pattern matches nothing: this moves on
    }
    return true;
}

as_rc as_pretok_split(const as_pretok *pretok, as_str text, as_pretok_word *word, void *context,
                      as_err *err) {
    splitting s = {pretok, word, context};
    if (split(&s, 0, text)) return AS_OK;
    return as_fail(err, AS_INVALID,
                   "cannot tokenize a text of %zu bytes: cutting it into words "
                   "took too many steps",
                   text.len);
}
