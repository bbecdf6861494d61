// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/text/pretok.h"

#include <stdlib.h>

#include "harness/base/regex.h"
#include "harness/base/utf8.h"

enum { PATTERNS_MAX = 6 };

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
#define SUFFIXED_WORDS "(?i:" SUFFIX ")|[^\\r\\n\\p{L}\\p{N}]?\\p{L}++|"
#define LLAMA3(digits) SUFFIXED_WORDS digits "|" OTHERS "[\\r\\n]*+|" BREAKS "|" SPACES
// Runs of white space are cut into powers of two.
#define JAIS2                                                                                      \
    SUFFIXED_WORDS "\\p{N}{1,3}|" OTHERS "[\\r\\n]*+|" BREAKS "|[" WS "]{512}(?![^" WS "])|[" WS   \
                   "]{256}(?![^" WS "])|[" WS "]{128}(?![^" WS "])|[" WS "]{64}(?![^" WS "])|[" WS \
                   "]{32}(?![^" WS "])|[" WS "]{16}(?![^" WS "])|[" WS "]{8}(?![^" WS "])|[" WS    \
                   "]{4}(?![^" WS "])|[" WS "]{1,2}(?![^" WS "])|[" WS "]"
#define QWEN35                                                                                     \
    "(?i:" SUFFIX ")|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]++|\\p{N}| ?[^" WS                        \
    "\\p{L}\\p{M}\\p{N}]++[\\r\\n]*+|" BREAKS "|" SPACES
#define SEED_CODER SUFFIXED_WORDS "\\p{N}| ?[^" WS "\\p{L}\\p{N}\\r\\n]++|" BREAKS "|" SPACES

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
// Letters that come in two cases, as the first DeepSeek has them; and its punctuation.
#define DEEPSEEK_LETTERS                                                                           \
    "A-Za-z\\x{b5}\\x{c0}-\\x{d6}\\x{d8}-\\x{f6}\\x{f8}-\\x{1ba}\\x{1bc}-\\x{1bf}"                 \
    "\\x{1c4}-\\x{293}\\x{295}-\\x{2af}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37b}-\\x{37d}"         \
    "\\x{37f}\\x{386}\\x{388}-\\x{38a}\\x{38c}\\x{38e}-\\x{3a1}\\x{3a3}-\\x{3f5}"                  \
    "\\x{3f7}-\\x{481}\\x{48a}-\\x{52f}\\x{531}-\\x{556}\\x{10a0}-\\x{10c5}"                       \
    "\\x{13a0}-\\x{13f5}\\x{13f8}-\\x{13fd}\\x{1c90}-\\x{1cba}\\x{1cbd}-\\x{1cbf}"                 \
    "\\x{1d00}-\\x{1d2b}\\x{1d6b}-\\x{1d77}\\x{1d79}-\\x{1d9a}\\x{1e00}-\\x{1f15}"                 \
    "\\x{1f18}-\\x{1f1d}\\x{1f20}-\\x{1f45}\\x{1f48}-\\x{1f4d}\\x{1f50}-\\x{1f57}\\x{1f59}"        \
    "\\x{1f5b}\\x{1f5d}\\x{1f5f}-\\x{1f7d}\\x{1f80}-\\x{1fb4}\\x{1fb6}-\\x{1fbc}\\x{1fbe}"         \
    "\\x{1fc2}-\\x{1fc4}\\x{1fc6}-\\x{1fcc}\\x{1fd0}-\\x{1fd3}\\x{1fd6}-\\x{1fdb}"                 \
    "\\x{1fe0}-\\x{1fec}\\x{1ff2}-\\x{1ff4}\\x{1ff6}-\\x{1ffc}\\x{2102}\\x{2107}"                  \
    "\\x{210a}-\\x{2113}\\x{2115}\\x{2119}-\\x{211d}\\x{2124}\\x{2126}\\x{2128}"                   \
    "\\x{212a}-\\x{212d}\\x{212f}-\\x{2134}\\x{2139}\\x{213c}-\\x{213f}\\x{2145}-\\x{2149}"        \
    "\\x{214e}\\x{2183}\\x{2184}\\x{2c00}-\\x{2c7b}\\x{2c7e}-\\x{2ce4}\\x{2ceb}-\\x{2cee}"         \
    "\\x{2cf2}\\x{2cf3}\\x{a640}-\\x{a66d}\\x{a680}-\\x{a69b}\\x{a722}-\\x{a76f}"                  \
    "\\x{a771}-\\x{a787}\\x{a78b}-\\x{a78e}\\x{ab70}-\\x{abbf}\\x{fb00}-\\x{fb06}"                 \
    "\\x{fb13}-\\x{fb17}\\x{ff21}-\\x{ff3a}\\x{ff41}-\\x{ff5a}\\x{10400}-\\x{1044f}"               \
    "\\x{104b0}-\\x{104d3}\\x{104d8}-\\x{104fb}\\x{10c80}-\\x{10cb2}\\x{10cc0}-\\x{10cf2}"         \
    "\\x{118a0}-\\x{118df}\\x{1e900}-\\x{1e943}"
#define DEEPSEEK_PUNCTUATION                                                                       \
    "\\x{21}-\\x{2f}\\x{3a}-\\x{7e}\\x{ff01}-\\x{ff0f}\\x{ff1a}-\\x{ff5e}"                         \
    "\\x{2018}-\\x{201f}\\x{3000}-\\x{3002}"
#define ASCII_PUNCTUATION "[!-/:-@\\[-`{-~]"
#define DEEPSEEK3                                                                                  \
    ASCII_PUNCTUATION "[A-Za-z]++|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]++| ?[\\p{P}\\p{S}]++" \
                      "[\\r\\n]*+|" BREAKS "|" SPACES
// Letters with marks, and spaces between them: group 2 is a word with what stands before it, and
// the splitter joins those that follow each other by a space. (What BREAKS matches nothing else
// does.)
#define EXAONE_MOE                                                                                 \
    BREAKS "|(?i:" SUFFIX ")|([^\\r\\n\\p{L}\\p{N}]?\\p{L}[\\p{L}\\p{M}]*+)|\\p{N}|" OTHERS        \
           "[\\r\\n/]?+|" SPACES
#define UFAKZEKA "[^\\r\\n\\p{L}\\p{N}]?\\p{L}++|\\p{N}|" OTHERS "[\\r\\n]*+|" BREAKS "|" SPACES
// As CASED, but Han characters are words of their own; the classes say what is not in them.
#define NO_HAN "\\p{N}\\p{P}\\p{S}\\p{Z}\\p{C}\\p{sc:Han}]"
#define BOTH_NO_HAN "[^\\p{Lu}\\p{Lt}\\p{Ll}" NO_HAN
#define UPPER_NO_HAN "[^\\p{Ll}" NO_HAN
#define LOWER_NO_HAN "[^\\p{Lu}\\p{Lt}" NO_HAN
#define SUFFIXED "(?i:" SUFFIX ")?+"
#define KIMI_K2                                                                                    \
    "\\p{sc:Han}++|[^\\r\\n\\p{L}\\p{N}]?(?:" UPPER_NO_HAN "*+\\p{Ll}" LOWER_NO_HAN                \
    "*+|(?:[\\p{Lu}\\p{Lt}]*+" BOTH_NO_HAN "++)++)" SUFFIXED                                       \
    "|[^\\r\\n\\p{L}\\p{N}]?" UPPER_NO_HAN "++" LOWER_NO_HAN "*+" SUFFIXED "|\\p{N}{1,3}|" OTHERS  \
    "[\\r\\n]*+|" BREAKS "|" SPACES
#define KANA "\\x{3040}-\\x{309f}\\x{30a0}-\\x{30ff}"
// Korean, punctuation, Bopomofo, Chinese and Japanese: runs of each.
#define YOUTU                                                                                      \
    "[\\x{ac00}-\\x{d7a3}\\x{3131}-\\x{318e}]++|[\\x{ff01}\\x{2026}\\x{201c}\\x{201d}\\x{2018}"    \
    "\\x{2019}\\x{2014}\\x{ff1a}\\x{ff1b}\\x{ff0c}\\x{3001}-\\x{303f}\\x{fe30}-\\x{fe4f}]++|"      \
    "[\\x{3105}-\\x{312f}]++|" HAN KANA "]++"
#define SPARK                                                                                      \
    ASCII_PUNCTUATION                                                                              \
    "[A-Za-z]++|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]++| ?[\\p{P}\\p{S}]++|"                  \
    "[\\r\\n]|" SPACES
// Scripts without spaces between words.
#define AFMOE_SCRIPTS                                                                              \
    "[\\x{4e00}-\\x{9fff}\\x{3400}-\\x{4dbf}\\x{8c48}-\\x{faff}" KANA                              \
    "\\x{ff65}-\\x{ff9f}\\x{2f00}-\\x{2fdf}\\x{e40}-\\x{e7f}\\x{e80}-\\x{eff}\\x{1780}-\\x{17ff}"  \
    "\\x{1000}-\\x{109f}\\x{aa60}-\\x{aa7f}\\x{a9e0}-\\x{a9ff}\\x{ac00}-\\x{d7af}\\x{1100}-\\x{"   \
    "11ff}]++"
// Digits at the end of a word, of which other patterns would look ahead again and again.
#define LAST_DIGITS "(?<!\\p{Nd})\\p{Nd}++(?![\\p{L}\\p{M}\\p{N}\\p{Pc}])"
#define BLOOM " ?[^(" WS "|.,!?\\x{2026}\\x{3002}\\x{ff0c}\\x{3001}\\x{964}\\x{6d4}\\x{60c})]++"

enum {
    TAKES_WORDS = 1, // a word that is a token is not merged
    ADDS_BOS = 2,
    GROUPS = 4,     // what the first pattern matches is cut into groups of three from its end on
    GROUP_ENDS = 8, // the second's, but what fills no group stays with what is beside the match
};

typedef struct scheme {
    const char *names;                  // separated by spaces
    const char *patterns[PATTERNS_MAX]; // each cuts what the one before it left, matched or not
    unsigned flags;
} scheme;

static const scheme schemes[] = {
    {"gpt-2 mpt olmo phi-2 modern-bert jais trillion granite-docling exaone4 gigachat roberta-bpe "
     "jina-v1-en jina-v2-code jina-v2-es jina-v2-de jina-es jina-de a.x-4.0 mellum",
     {GPT2},
     0},
    {"llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
     {LLAMA3("\\p{N}{1,3}")},
     TAKES_WORDS | ADDS_BOS},
    {"smaug-bpe dbrx chatglm-bpe", {LLAMA3("\\p{N}{1,3}")}, 0},
    {"glm4 glm5", {LLAMA3("\\p{N}{1,3}")}, TAKES_WORDS},
    {"qwen2 deepseek-r1-qwen stablelm2 megrez hunyuan kormo f2llmv2 solar-open grok-2 "
     "bailingmoe bailingmoe2 llada-moe",
     {LLAMA3("\\p{N}")},
     0},
    {"smollm starcoder refact command-r exaone codeshell minerva-7b mellum2", {"\\p{N}", GPT2}, 0},
    {"tekken", {CASED("", "\\p{N}")}, TAKES_WORDS | ADDS_BOS},
    {"gpt-4o llama4 kanana2 talkie minimax-m2", {CASED(SUFFIXED, "\\p{N}{1,3}")}, 0},
    {"granite-embed-multi-97m", {CASED(SUFFIXED, "\\p{N}{1,3}")}, TAKES_WORDS},
    {"youtu", {YOUTU, CASED(SUFFIXED, "\\p{N}")}, TAKES_WORDS},
    {"tiny_aya cohere2moe", {LAST_DIGITS, CASED(SUFFIXED, "\\p{N}{1,3}")}, GROUPS},
    {"superbpe", {"\\p{N}++", "\\p{Nd}++"}, GROUP_ENDS},
    {"kimi-k2", {KIMI_K2}, 0},
    {"exaone-moe", {EXAONE_MOE}, 0},
    {"ufakzeka", {UFAKZEKA}, 0},
    {"laguna", {"[^\\n]++|\\n++", LLAMA3("\\p{N}")}, 0},
    {"afmoe", {"\\p{N}++", AFMOE_SCRIPTS, DEEPSEEK3}, GROUPS},
    {"spark2_5", {"\\p{N}{1,3}", HAN KANA "]++", SPARK, "\\p{N}"}, 0},
    {"chameleon",
     {"<sentinel:[0-9]++>", "IMGIMG[A-I]{1,4}Z", "[\\t\\n]|    |  ", "\\p{N}",
      "[\\p{P}!-/:-@\\[-`{-~]", GPT2},
     ADDS_BOS},
    {"jais-2", {JAIS2}, 0},
    {"qwen35", {QWEN35}, 0},
    {"seed-coder", {SEED_CODER}, 0},
    {"minicpm5", {"\\p{N}{1,3}", LLAMA3("\\p{N}++")}, TAKES_WORDS},
    {"falcon", {"[\\p{P}$+<=>^~|`]++", GPT2, "[0-9][0-9][0-9]"}, 0},
    {"deepseek-llm",
     {"[\\r\\n]", "[" WS "]?[" DEEPSEEK_LETTERS "]++", "[" WS "]?[" DEEPSEEK_PUNCTUATION "]++",
      "(?<![" WS "])[" WS "]++\\z", HAN "\\x{800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]++", "\\p{N}++"},
     0},
    {"deepseek-coder",
     {"[\\r\\n]", "[" WS "]?\\p{L}++", "[" WS "]?\\p{P}++",
      HAN "\\x{800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]++", "\\p{N}"},
     0},
    {"deepseek-v3 hunyuan-dense joyai-llm hy_v4",
     {"\\p{N}{1,3}", HAN "\\x{3040}-\\x{309f}\\x{30a0}-\\x{30ff}]++", DEEPSEEK3},
     0},
    {"bloom poro-chat gpt3-finnish", {BLOOM}, 0},
    {"viking", {BLOOM, "\\p{N}"}, 0},
    {"default", {"[\\p{P}$+<=>^~|]++", GPT2, "\\p{N}++", "[0-9][0-9][0-9]"}, 0},
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
    return pretok->scheme->flags & TAKES_WORDS;
}

bool as_pretok_adds_bos(const as_pretok *pretok) {
    return pretok->scheme->flags & ADDS_BOS;
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
    int joined = count > 1 && groups[1].ptr ? 1 : count > 2 && groups[2].ptr ? 2 : 0;
    while (joined) {
        const char *end = match->ptr + match->len;
        count = as_regex_match(regex, text, (size_t)(end - text.ptr), groups);
        if (count <= joined || groups[joined].ptr != end || (joined == 2 && *end != ' ')) break;
        match->len += groups[0].len;
    }
    return count >= 0;
}

static bool split(const splitting *s, size_t level, as_str text);

// The piece from *done to `end`, which is where the next one begins.
static bool cut_at(const splitting *s, size_t level, as_str text, size_t *done, size_t end) {
    bool ok = end == *done || split(s, level + 1, as_str_sub(text, *done, end));
    *done = end;
    return ok;
}

// Cuts what the regex of `level` matches into groups of three characters from its end on.
static bool split_groups(const splitting *s, size_t level, as_str text) {
    bool apart = s->pretok->scheme->flags & GROUPS;
    size_t done = 0;
    for (size_t at = 0; at < text.len;) {
        as_str match;
        if (!find(s->pretok->regexes[level], text, at, &match)) return false;
        if (!match.ptr) break;
        size_t cut = (size_t)(match.ptr - text.ptr);
        at = cut + match.len;
        if (apart && !cut_at(s, level, text, &done, cut)) return false;
        for (size_t i = as_utf8_count(match) % 3; i; i--) as_utf8_next(text, &cut);
        while (cut < at) {
            if (!cut_at(s, level, text, &done, cut)) return false;
            for (size_t i = 0; i < 3; i++) as_utf8_next(text, &cut);
        }
        if (apart && !cut_at(s, level, text, &done, at)) return false;
    }
    return cut_at(s, level, text, &done, text.len);
}

// Cuts `text` by the regexes from `level` on. What a regex does not match is a piece as well.
static bool split(const splitting *s, size_t level, as_str text) {
    if (level == s->pretok->count) {
        s->word(s->context, text);
        return true;
    }
    unsigned cut = s->pretok->scheme->flags & (GROUPS | GROUP_ENDS);
    if (cut && level == (cut == GROUPS ? 0 : 1)) return split_groups(s, level, text);
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
