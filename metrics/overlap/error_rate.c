// SPDX-License-Identifier: Apache-2.0
// error_rate.c - how many edits an answer is away from what was expected.
//
//   levenshtein  1 - d / longer length, in code points; two empty texts agree. With `threshold` it
//   is
//                the share of answers at most that many edits away (promptfoo's assertion).
//   wer, cer     (S + D + I) / (H + S + D), in words and in characters: over all cases together
//   mer          (S + D + I) / (H + S + D + I), in words
//   wil          1 - H / reference words * H / answer words
// H hits, S substitutions, D deletions, I insertions of one cheapest alignment. Words as jiwer has
// them: ends stripped, runs of white space are one blank, cut at blanks; characters: ends stripped.
// Of several expected texts the one with the least rate counts. An empty reference: wer and cer are
// the number of insertions, mer and wil are 1; both empty: 0. No answer is an empty one.
// Source: jiwer 4.0 (Morris, Maier, Green 2004 for mer and wil).
#include <math.h>

#include "harness/base/letter.h"
#include "harness/base/utf8.h"
#include "metrics/families/text.h"
#include "metrics/overlap/edit.h"
#include "metrics/overlap/ngram.h"

enum { RATE_WER, RATE_CER, RATE_MER, RATE_WIL };
enum { STAT_HIT, STAT_SUB, STAT_DEL, STAT_INS, STAT_CASES, STAT_WIDTH };
enum { SET_THRESHOLD, SET_IGNORE_CASE, SET_VALUE };

static as_str fold(as_arena *arena, bool ignore_case, as_str text) {
    return ignore_case ? as_letter_lower_str(arena, text) : text;
}

// jiwer's words: two or more blanks of any kind become one space, and only spaces cut.
static as_tokens split_words(as_arena *arena, as_str text) {
    as_buf squeezed = {0};
    text = as_text_strip(text);
    for (size_t at = 0; at < text.len;) {
        size_t from = at, blanks = 0, end = at;
        while (end < text.len && as_letter_is_space(as_utf8_next(text, &end))) {
            blanks++;
            at = end;
        }
        if (blanks > 1)
            as_buf_char(&squeezed, ' ');
        else if (blanks == 1)
            as_buf_str(&squeezed, as_str_sub(text, from, at));
        else
            as_buf_str(&squeezed, as_str_sub(text, from, at = end));
    }
    as_str line = as_str_copy(arena, as_buf_view(&squeezed));
    as_buf_free(&squeezed);
    as_tokens out = {AS_NEW_ARRAY(arena, as_str, line.len + 1), 0};
    while (line.ptr && line.len) {
        as_str word = as_str_cut(&line, ' ');
        if (word.len) out.items[out.count++] = word;
    }
    return out;
}

// wer and cer need no alignment: any split of the distance gives the same sums.
static as_edits split_distance(size_t distance, size_t reference, size_t answer) {
    as_edits out = {0};
    if (reference > answer) out.deletions = reference - answer;
    if (answer > reference) out.insertions = answer - reference;
    out.substitutions = distance - out.deletions - out.insertions;
    out.hits = reference - out.deletions - out.substitutions;
    return out;
}

static as_edits edits_of(const as_scoring *scoring, int what, as_str gold, as_str answer) {
    as_arena *arena = scoring->arena;
    as_symbols both[2];
    if (what == RATE_CER) {
        both[0] = as_edit_code_points(arena, as_text_strip(gold));
        both[1] = as_edit_code_points(arena, as_text_strip(answer));
    } else {
        as_tokens words[2] = {split_words(arena, gold), split_words(arena, answer)};
        as_ngram_number(arena, words, 2, both);
    }
    if (what == RATE_MER || what == RATE_WIL) return as_edit_align(arena, both[0], both[1]);
    return split_distance(as_edit_distance(arena, both[0], both[1]), both[0].count, both[1].count);
}

static double rate(int what, double hit, double sub, double del, double ins) {
    double reference = hit + sub + del, answer = hit + sub + ins, wrong = sub + del + ins;
    if (!(reference > 0)) {
        if (what == RATE_WER || what == RATE_CER) return ins;
        return answer > 0;
    }
    if (what == RATE_WER || what == RATE_CER) return wrong / reference;
    if (what == RATE_MER) return wrong / (reference + ins);
    return answer > 0 ? 1 - hit / reference * (hit / answer) : 1;
}

static as_rc score_rate(const as_metric *metric, const as_scoring *scoring, double *score,
                        double *stats, as_err *err) {
    as_rc rc = as_text_need(metric, scoring, err);
    if (rc) return rc;
    int what = metric->ops->variant;
    bool ignore_case = metric->settings[0].on;
    as_str answer = fold(scoring->arena, ignore_case, scoring->prediction);
    for (size_t i = 0; i < scoring->gold_count; i++) {
        as_str gold = fold(scoring->arena, ignore_case, scoring->golds[i]);
        as_edits e = edits_of(scoring, what, gold, answer);
        double one = rate(what, (double)e.hits, (double)e.substitutions, (double)e.deletions,
                          (double)e.insertions);
        if (i && one >= *score) continue;
        *score = one;
        stats[STAT_HIT] = (double)e.hits;
        stats[STAT_SUB] = (double)e.substitutions;
        stats[STAT_DEL] = (double)e.deletions;
        stats[STAT_INS] = (double)e.insertions;
    }
    stats[STAT_CASES] = 1;
    return AS_OK;
}

static double value_of_rate(const as_metric *metric, const double *tally, size_t label_count) {
    (void)label_count;
    if (!(tally[STAT_CASES] > 0)) return NAN;
    return rate(metric->ops->variant, tally[STAT_HIT], tally[STAT_SUB], tally[STAT_DEL],
                tally[STAT_INS]);
}

static double similarity(const as_metric *metric, as_arena *arena, as_str gold, as_str answer) {
    as_symbols a = as_edit_code_points(arena, gold), b = as_edit_code_points(arena, answer);
    double distance = (double)as_edit_distance(arena, a, b);
    if (metric->settings[SET_THRESHOLD].given)
        return (distance <= metric->settings[SET_THRESHOLD].number) != metric->negate;
    size_t longer = a.count > b.count ? a.count : b.count;
    return longer ? 1 - distance / (double)longer : 1;
}

static as_rc score_levenshtein(const as_metric *metric, const as_scoring *scoring, double *score,
                               double *stats, as_err *err) {
    (void)stats;
    const as_setting *value = &metric->settings[SET_VALUE];
    const as_str *golds = value->given ? value->texts : scoring->golds;
    size_t count = value->given ? value->text_count : scoring->gold_count;
    as_rc rc = value->given ? AS_OK : as_text_need(metric, scoring, err);
    if (rc) return rc;
    bool ignore_case = metric->settings[SET_IGNORE_CASE].on;
    as_str answer = fold(scoring->arena, ignore_case, scoring->prediction);
    *score = 0;
    if (!scoring->sample->has_prediction) return AS_OK;
    for (size_t i = 0; i < count; i++) {
        as_str gold = fold(scoring->arena, ignore_case, golds[i]);
        double one = similarity(metric, scoring->arena, gold, answer);
        // not-levenshtein: far from every one of them
        if (i == 0 || (one > *score) != metric->negate) *score = one;
    }
    return AS_OK;
}

static as_rc prepare_levenshtein(as_arena *arena, as_metric *metric, as_err *err) {
    (void)arena;
    if (metric->negate && !metric->settings[SET_THRESHOLD].given)
        return as_fail(err, AS_INVALID,
                       "metric 'not-levenshtein' needs option 'threshold': {name: "
                       "not-levenshtein, threshold: 5}");
    return AS_OK;
}

static const as_setting_spec levenshtein_settings[] = {
    {.name = "threshold", .kind = AS_SETTING_COUNT, .low = 0, .high = 1e9},
    {.name = "ignore_case", .kind = AS_SETTING_BOOL},
    {.name = "value", .kind = AS_SETTING_TEXTS},
    {.name = NULL},
};
static const as_setting_spec rate_settings[] = {
    {.name = "ignore_case", .kind = AS_SETTING_BOOL},
    {.name = NULL},
};

#define RATE(metric_name, number, more, line)                                                      \
    {                                                                                              \
        .name = metric_name, .text = line, .kind = AS_METRIC_CORPUS,                               \
        .flags = AS_METRIC_LOWER | more, .width = STAT_WIDTH, .settings = rate_settings,           \
        .score = score_rate, .value = value_of_rate, .variant = number                             \
    }

const as_metric_ops as_error_rate_metrics[] = {
    {.name = "levenshtein",
     .text = "mean similarity in characters; with threshold: share of answers that near",
     .kind = AS_METRIC_MEAN,
     .flags = AS_METRIC_UNIT | AS_METRIC_BOUNDED | AS_METRIC_NOT,
     .settings = levenshtein_settings,
     .prepare = prepare_levenshtein,
     .score = score_levenshtein},
    RATE("wer", RATE_WER, 0, "word error rate over all cases (jiwer); lower is better"),
    RATE("cer", RATE_CER, 0, "character error rate over all cases (jiwer); lower is better"),
    RATE("mer", RATE_MER, AS_METRIC_BOUNDED, "match error rate in words (jiwer); lower is better"),
    RATE("wil", RATE_WIL, AS_METRIC_BOUNDED, "word information lost (jiwer); lower is better"),
    {.name = NULL},
};
