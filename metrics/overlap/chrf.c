// SPDX-License-Identifier: Apache-2.0
// chrf.c - chrF (Popovic 2015) and chrF++ (2017) as sacreBLEU 2.6 computes them, 0-100.
//
// Over all cases: precision and recall of character n-grams of length 1..6 (chrF++: and of words of
// length 1..2), averaged over the lengths that both sides have, then F with recall weighted beta^2
// times. White space is left out unless `whitespace`. Words of chrF++ lose one punctuation mark, at
// the end or else at the start, which becomes a word. With eps_smoothing the F of each length is
// averaged instead. Of several expected texts the one with the best F counts. Two empty texts: 0.
#include <math.h>

#include "harness/base/letter.h"
#include "harness/base/utf8.h"
#include "metrics/families/text.h"
#include "metrics/overlap/ngram.h"

enum { SET_CHARS, SET_WORDS, SET_BETA, SET_LOWERCASE, SET_WHITESPACE, SET_EPS };
enum { CHARS_MAX = 10, WORDS_MAX = 5, ORDERS_MAX = CHARS_MAX + WORDS_MAX };
enum { STAT_ANSWER, STAT_REFERENCE, STAT_MATCH, STAT_WIDTH };

#define EPS 1e-16

static size_t setting(const as_metric *metric, int which) {
    return (size_t)metric->settings[which].number;
}

static double f_of(double factor, double precision, double recall) {
    double below = factor * precision + recall;
    return below > 0 ? (1 + factor) * precision * recall / below : 0;
}

static double chrf(const as_metric *metric, const double *stats) {
    size_t orders = setting(metric, SET_CHARS) + setting(metric, SET_WORDS), used = 0;
    double beta = metric->settings[SET_BETA].number, factor = beta * beta;
    double precisions = 0, recalls = 0, smoothed = 0;
    for (size_t i = 0; i < orders; i++, stats += STAT_WIDTH) {
        double answer = stats[STAT_ANSWER], reference = stats[STAT_REFERENCE];
        double precision = answer > 0 ? stats[STAT_MATCH] / answer : EPS;
        double recall = reference > 0 ? stats[STAT_MATCH] / reference : EPS;
        double f = f_of(factor, precision, recall);
        smoothed += factor * precision + recall > 0 ? f : EPS;
        if (!(answer > 0 && reference > 0)) continue;
        precisions += precision;
        recalls += recall;
        used++;
    }
    if (metric->settings[SET_EPS].on) return 100 * smoothed / (double)orders;
    return used ? 100 * f_of(factor, precisions / (double)used, recalls / (double)used) : 0;
}

static as_symbols characters(const as_metric *metric, as_arena *arena, as_str text) {
    uint32_t *out = AS_NEW_ARRAY(arena, uint32_t, text.len + 1);
    bool keep = metric->settings[SET_WHITESPACE].on;
    size_t count = 0;
    for (size_t at = 0; at < text.len;) {
        uint32_t c = as_utf8_next(text, &at);
        if (keep || !as_letter_is_space(c)) out[count++] = c;
    }
    return (as_symbols){out, count};
}

static bool is_mark(char c) {
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
           (c >= '{' && c <= '~');
}

static as_tokens split_marks(as_arena *arena, as_str text) {
    as_tokens words = as_ngram_split(arena, text);
    as_tokens out = {AS_NEW_ARRAY(arena, as_str, 2 * words.count + 1), 0};
    for (size_t i = 0; i < words.count; i++) {
        as_str word = words.items[i];
        size_t cut = 0, one = 0;
        as_utf8_next(word, &one);
        if (one < word.len && is_mark(word.ptr[word.len - 1]))
            cut = word.len - 1;
        else if (one < word.len && is_mark(word.ptr[0]))
            cut = 1;
        if (cut) out.items[out.count++] = as_str_sub(word, 0, cut);
        out.items[out.count++] = as_str_sub(word, cut, word.len);
    }
    return out;
}

typedef struct side {
    as_symbols characters;
    as_tokens words;
    as_symbols numbers;
} side;

static void count_one(const as_metric *metric, as_arena *arena, const side *answer,
                      const side *gold, double *stats) {
    as_ngrams grams[ORDERS_MAX];
    size_t chars = setting(metric, SET_CHARS), words = setting(metric, SET_WORDS);
    as_ngram_count(arena, answer->characters, &gold->characters, 1, chars, grams);
    as_ngram_count(arena, answer->numbers, &gold->numbers, 1, words, grams + chars);
    for (size_t i = 0; i < chars + words; i++, stats += STAT_WIDTH) {
        // What the answer has of a length that the reference is too short for is not held against
        // it.
        stats[STAT_ANSWER] = grams[i].reference ? (double)grams[i].answer : 0;
        stats[STAT_REFERENCE] = (double)grams[i].reference;
        stats[STAT_MATCH] = (double)grams[i].match;
    }
}

static void read_side(const as_metric *metric, as_arena *arena, as_str text, side *out) {
    if (metric->settings[SET_LOWERCASE].on) text = as_letter_lower_str(arena, text);
    out->characters = characters(metric, arena, text);
    if (setting(metric, SET_WORDS)) out->words = split_marks(arena, text);
}

static as_rc score_chrf(const as_metric *metric, const as_scoring *scoring, double *score,
                        double *stats, as_err *err) {
    as_rc rc = as_text_need(metric, scoring, err);
    if (rc) return rc;
    as_arena *arena = scoring->arena;
    side answer = {0}, gold = {0};
    read_side(metric, arena, scoring->prediction, &answer);
    for (size_t i = 0; i < scoring->gold_count; i++) {
        double one[STAT_WIDTH * ORDERS_MAX] = {0};
        read_side(metric, arena, scoring->golds[i], &gold);
        as_tokens lists[2] = {answer.words, gold.words};
        as_symbols numbers[2];
        as_ngram_number(arena, lists, 2, numbers);
        answer.numbers = numbers[0];
        gold.numbers = numbers[1];
        count_one(metric, arena, &answer, &gold, one);
        double value = chrf(metric, one);
        if (i && value <= *score) continue;
        *score = value;
        for (size_t k = 0; k + 1 < metric->width; k++) stats[k] = one[k];
    }
    stats[metric->width - 1] = 1; // a case
    return AS_OK;
}

static double value_of_chrf(const as_metric *metric, const double *tally, size_t label_count) {
    (void)label_count;
    return tally[metric->width - 1] > 0 ? chrf(metric, tally) : NAN;
}

static as_rc prepare_chrf(as_arena *arena, as_metric *metric, as_err *err) {
    (void)arena, (void)err;
    metric->width = STAT_WIDTH * (setting(metric, SET_CHARS) + setting(metric, SET_WORDS)) + 1;
    return AS_OK;
}

static as_str signature_of_chrf(as_arena *arena, const as_metric *metric) {
    const as_setting *s = metric->settings;
    as_str beta = AS_STR("");
    if (s[SET_BETA].number != 2) beta = as_strf(arena, "|beta:%g", s[SET_BETA].number);
    return as_strf(arena, "case:%s|eff:%s|nc:%g|nw:%g|space:%s%.*s|like:sacrebleu-2.6",
                   s[SET_LOWERCASE].on ? "lc" : "mixed", s[SET_EPS].on ? "no" : "yes",
                   s[SET_CHARS].number, s[SET_WORDS].number, s[SET_WHITESPACE].on ? "yes" : "no",
                   AS_STR_ARG(beta));
}

#define SETTINGS(words)                                                                            \
    {                                                                                              \
        {.name = "char_order",                                                                     \
         .kind = AS_SETTING_COUNT,                                                                 \
         .low = 1,                                                                                 \
         .high = CHARS_MAX,                                                                        \
         .otherwise = 6},                                                                          \
            {.name = "word_order",                                                                 \
             .kind = AS_SETTING_COUNT,                                                             \
             .low = 0,                                                                             \
             .high = WORDS_MAX,                                                                    \
             .otherwise = words},                                                                  \
            {.name = "beta", .kind = AS_SETTING_COUNT, .low = 1, .high = 100, .otherwise = 2},     \
            {.name = "lowercase", .kind = AS_SETTING_BOOL},                                        \
            {.name = "whitespace", .kind = AS_SETTING_BOOL},                                       \
            {.name = "eps_smoothing", .kind = AS_SETTING_BOOL}, {                                  \
            .name = NULL                                                                           \
        }                                                                                          \
    }
#define CHRF(metric_name, table, line)                                                             \
    {                                                                                              \
        .name = metric_name, .text = line, .kind = AS_METRIC_CORPUS,                               \
        .flags = AS_METRIC_REFS | AS_METRIC_DEAR, .settings = table, .prepare = prepare_chrf,      \
        .signature = signature_of_chrf, .score = score_chrf, .value = value_of_chrf                \
    }

static const as_setting_spec chrf_settings[] = SETTINGS(0), chrf_pp_settings[] = SETTINGS(2);

const as_metric_ops as_chrf_metrics[] = {
    CHRF("chrf", chrf_settings, "chrF2: F of character n-grams, 0-100 (sacreBLEU)"),
    CHRF("chrf_pp", chrf_pp_settings,
         "chrF2++: F of character and word n-grams, 0-100 (sacreBLEU)"),
    {.name = NULL},
};
