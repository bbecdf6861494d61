// SPDX-License-Identifier: Apache-2.0
// rouge.c - ROUGE (Lin 2004) as the rouge_score package computes it, 0-1.
//
// Tokens are runs of a-z and 0-9 after lower-casing: accents split words, and of scripts other than
// Latin nothing is left (a Japanese answer scores 0). With `stem`, words of more than three letters
// are stemmed (porter.h).
//   rouge1, rouge2   shared n-grams, each as often as both have it
//   rougeL           longest common subsequence
//   rougeLsum        the same line by line: each line of the reference against all lines of the
//                    answer, the union of the subsequences, each token as often as both have it
// precision is over the answer, recall over the reference; score: fmeasure (default), precision or
// recall. Of several expected texts the one with the best F counts. Nothing to compare is 0. The
// value is the mean over the cases (not the median of resamples that some wrappers report).
#include <math.h>

#include "harness/base/letter.h"
#include "harness/base/utf8.h"
#include "metrics/families/text.h"
#include "metrics/overlap/ngram.h"
#include "metrics/overlap/porter.h"

enum { ROUGE_1 = 1, ROUGE_2 = 2, ROUGE_L, ROUGE_LSUM };
enum { SET_STEM, SET_SCORE };

typedef struct rouge {
    double precision, recall, f;
} rouge;

static rouge rouge_of(size_t hits, size_t answer, size_t reference) {
    rouge out = {(double)hits / (double)(answer ? answer : 1),
                 (double)hits / (double)(reference ? reference : 1), 0};
    double both = out.precision + out.recall;
    if (both > 0) out.f = 2 * out.precision * out.recall / both;
    return out;
}

static bool is_kept(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

// The lower case of U+0130 is an i with a dot above it: an i, then something that is not kept.
static as_str lower(as_arena *arena, as_str text) {
    char *out = as_arena_take(arena, as_size_mul(2, text.len) + 1);
    size_t len = 0;
    for (size_t at = 0; at < text.len;) {
        uint32_t c = as_utf8_next(text, &at);
        bool dotted = c == 0x130;
        c = dotted ? 'i' : as_letter_lower(c);
        out[len++] = c < 0x80 ? (char)c : ' ';
        if (dotted) out[len++] = ' ';
    }
    return (as_str){out, len};
}

static as_tokens tokens_of(const as_metric *metric, as_arena *arena, as_str text) {
    bool stem = metric->settings[SET_STEM].on;
    as_tokens out = {AS_NEW_ARRAY(arena, as_str, text.len + 2), 0};
    as_str low = lower(arena, text);
    for (size_t at = 0; at < low.len;) {
        size_t from = at;
        while (at < low.len && is_kept(low.ptr[at])) at++;
        as_str word = as_str_sub(low, from, at);
        if (word.len)
            out.items[out.count++] = stem && word.len > 3 ? as_porter_stem(arena, word) : word;
        while (at < low.len && !is_kept(low.ptr[at])) at++;
    }
    return out;
}

static rouge of_ngrams(as_arena *arena, size_t n, as_symbols answer, as_symbols gold) {
    as_ngrams grams[2];
    as_ngram_count(arena, answer, &gold, 1, n, grams);
    return rouge_of(grams[n - 1].match, grams[n - 1].answer, grams[n - 1].reference);
}

// Lines that are not empty, as token lists.
static size_t lines_of(const as_metric *metric, as_arena *arena, as_str text, as_tokens **out) {
    size_t lines = 1, count = 0;
    for (size_t i = 0; i < text.len; i++) lines += text.ptr[i] == '\n';
    *out = AS_NEW_ARRAY(arena, as_tokens, lines);
    while (text.ptr) {
        as_str line = as_str_cut(&text, '\n');
        if (line.len) (*out)[count++] = tokens_of(metric, arena, line);
    }
    return count;
}

static size_t count_symbols(as_symbols *lines, size_t count, uint32_t *times) {
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += lines[i].count;
        for (size_t k = 0; k < lines[i].count; k++) times[lines[i].items[k]]++;
    }
    return total;
}

static rouge of_lines(const as_metric *metric, as_arena *arena, as_str answer, as_str gold) {
    as_tokens *lists[2];
    size_t counts[2] = {lines_of(metric, arena, gold, &lists[0]),
                        lines_of(metric, arena, answer, &lists[1])};
    size_t count = counts[0] + counts[1], total = 0, hits = 0;
    as_tokens *all = AS_NEW_ARRAY(arena, as_tokens, count + 1);
    as_symbols *lines = AS_NEW_ARRAY(arena, as_symbols, count + 1);
    for (size_t i = 0; i < count; i++) {
        all[i] = i < counts[0] ? lists[0][i] : lists[1][i - counts[0]];
        total += all[i].count;
    }
    as_ngram_number(arena, all, count, lines);
    uint32_t *left[2] = {AS_NEW_ARRAY(arena, uint32_t, total + 1),
                         AS_NEW_ARRAY(arena, uint32_t, total + 1)};
    size_t gold_total = count_symbols(lines, counts[0], left[0]);
    size_t answer_total = count_symbols(lines + counts[0], counts[1], left[1]);
    if (!gold_total || !answer_total) return (rouge){0, 0, 0};
    for (size_t i = 0; i < counts[0]; i++) {
        bool *marked = AS_NEW_ARRAY(arena, bool, lines[i].count + 1);
        for (size_t k = counts[0]; k < count; k++)
            as_edit_mark_common(arena, lines[i], lines[k], marked);
        for (size_t k = 0; k < lines[i].count; k++) {
            uint32_t token = lines[i].items[k];
            if (!marked[k] || !left[0][token] || !left[1][token]) continue;
            hits++;
            left[0][token]--;
            left[1][token]--;
        }
    }
    return rouge_of(hits, answer_total, gold_total);
}

static rouge of_texts(const as_metric *metric, as_arena *arena, as_str answer, as_str gold) {
    int what = metric->ops->variant;
    if (what == ROUGE_LSUM) return of_lines(metric, arena, answer, gold);
    as_tokens lists[2] = {tokens_of(metric, arena, answer), tokens_of(metric, arena, gold)};
    as_symbols numbers[2];
    as_ngram_number(arena, lists, 2, numbers);
    if (what != ROUGE_L) return of_ngrams(arena, (size_t)what, numbers[0], numbers[1]);
    return rouge_of(as_edit_common(arena, numbers[0], numbers[1]), numbers[0].count,
                    numbers[1].count);
}

static as_rc score_rouge(const as_metric *metric, const as_scoring *scoring, double *score,
                         double *stats, as_err *err) {
    (void)stats;
    as_rc rc = as_text_need(metric, scoring, err);
    if (rc) return rc;
    rouge best = {0, 0, -1};
    for (size_t i = 0; i < scoring->gold_count; i++) {
        rouge one = of_texts(metric, scoring->arena, scoring->prediction, scoring->golds[i]);
        if (one.f > best.f) best = one;
    }
    const double parts[] = {best.f, best.precision, best.recall};
    *score = parts[(size_t)metric->settings[SET_SCORE].number];
    return AS_OK;
}

static const char *const parts[] = {"fmeasure", "precision", "recall", NULL};
static const as_setting_spec rouge_settings[] = {
    {.name = "stem", .kind = AS_SETTING_BOOL},
    {.name = "score", .kind = AS_SETTING_CHOICE, .choices = parts},
    {.name = NULL},
};

#define ROUGE(metric_name, number, line)                                                           \
    {                                                                                              \
        .name = metric_name, .text = line, .kind = AS_METRIC_MEAN,                                 \
        .flags = AS_METRIC_UNIT | AS_METRIC_BOUNDED | AS_METRIC_DEAR, .settings = rouge_settings,  \
        .score = score_rouge, .variant = number                                                    \
    }

const as_metric_ops as_rouge_metrics[] = {
    ROUGE("rouge1", ROUGE_1, "mean F of shared words (rouge_score; Latin script only)"),
    ROUGE("rouge2", ROUGE_2, "mean F of shared pairs of words (rouge_score)"),
    ROUGE("rougeL", ROUGE_L, "mean F of the longest common subsequence (rouge_score)"),
    ROUGE("rougeLsum", ROUGE_LSUM, "the same line by line (rouge_score)"),
    ROUGE("rouge_l", ROUGE_L, "another name of rougeL"),
    ROUGE("rouge_lsum", ROUGE_LSUM, "another name of rougeLsum"),
    {.name = NULL},
};
