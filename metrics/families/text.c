// SPDX-License-Identifier: Apache-2.0
// The scores take the best over all expected texts; a case without a prediction scores 0.
#include "metrics/families/text.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/letter.h"
#include "harness/base/utf8.h"

as_str as_text_strip(as_str s) {
    size_t from = 0, to = 0;
    bool started = false;
    for (size_t at = 0; at < s.len;) {
        size_t here = at;
        if (as_letter_is_space(as_utf8_next(s, &at))) continue;
        if (!started) from = here;
        started = true;
        to = at;
    }
    return as_str_sub(s, from, to);
}

as_str as_text_squeeze(as_arena *arena, as_str s) {
    char *out = as_arena_take(arena, s.len + 1);
    size_t len = 0;
    bool gap = false;
    for (size_t at = 0; at < s.len;) {
        size_t here = at;
        if (as_letter_is_space(as_utf8_next(s, &at))) {
            gap = len > 0;
            continue;
        }
        if (gap) out[len++] = ' ';
        gap = false;
        memcpy(out + len, s.ptr + here, at - here);
        len += at - here;
    }
    return (as_str){out, len};
}

static bool is_ascii_punctuation(char c) {
    return (c >= 0x21 && c <= 0x2f) || (c >= 0x3a && c <= 0x40) || (c >= 0x5b && c <= 0x60) ||
           (c >= 0x7b && c <= 0x7e);
}

static as_str without_punctuation(as_arena *arena, as_str s) {
    char *out = as_arena_take(arena, s.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++)
        if (!is_ascii_punctuation(s.ptr[i])) out[len++] = s.ptr[i];
    return (as_str){out, len};
}

as_str as_text_squad(as_arena *arena, const as_regex *articles, as_str s) {
    as_str lower = without_punctuation(arena, as_letter_lower_str(arena, s));
    as_str groups[AS_REGEX_GROUPS_MAX];
    char *out = as_arena_take(arena, lower.len + 1);
    size_t len = 0, from = 0;
    while (as_regex_match(articles, lower, from, groups) > 0) {
        size_t start = (size_t)(groups[0].ptr - lower.ptr);
        memcpy(out + len, lower.ptr + from, start - from);
        len += start - from;
        out[len++] = ' '; // in the place of at least one letter
        from = start + groups[0].len;
    }
    if (from < lower.len) memcpy(out + len, lower.ptr + from, lower.len - from);
    return as_text_squeeze(arena, (as_str){out, len + lower.len - from});
}

size_t as_text_words(as_arena *arena, as_str squeezed, const as_str **out) {
    size_t count = squeezed.len > 0, n = 0;
    for (size_t i = 0; i < squeezed.len; i++) count += squeezed.ptr[i] == ' ';
    as_str *words = AS_NEW_ARRAY(arena, as_str, count + 1);
    while (n < count) words[n++] = as_str_cut(&squeezed, ' ');
    *out = words;
    return count;
}

static int order(const void *a, const void *b) {
    return as_str_cmp(*(const as_str *)a, *(const as_str *)b);
}

static as_str *sorted_copy(as_arena *arena, const as_str *words, size_t count) {
    as_str *out = AS_NEW_ARRAY(arena, as_str, count + 1);
    if (count) memcpy(out, words, count * sizeof *words);
    if (count) qsort(out, count, sizeof *out, order);
    return out;
}

size_t as_text_common(as_arena *arena, const as_str *a, size_t a_count, const as_str *b,
                      size_t b_count) {
    const as_str *x = sorted_copy(arena, a, a_count), *y = sorted_copy(arena, b, b_count);
    size_t i = 0, j = 0, common = 0;
    while (i < a_count && j < b_count) {
        int way = as_str_cmp(x[i], y[j]);
        common += way == 0;
        i += way <= 0;
        j += way >= 0;
    }
    return common;
}

static double exact(const as_metric *metric, const as_scoring *scoring, as_str gold) {
    (void)metric;
    return as_str_eq(as_text_strip(gold), as_text_strip(scoring->prediction));
}

static double quasi_exact(const as_metric *metric, const as_scoring *scoring, as_str gold) {
    (void)metric;
    as_arena *arena = scoring->arena;
    return as_str_eq(as_text_squad(arena, scoring->articles, gold),
                     as_text_squad(arena, scoring->articles, scoring->prediction));
}

// SQuAD 2.0's F1: words counted as often as they occur; two empty texts agree.
static double token_f1(const as_metric *metric, const as_scoring *scoring, as_str gold) {
    (void)metric;
    as_arena *arena = scoring->arena;
    const as_str *a, *b;
    size_t a_count =
        as_text_words(arena, as_text_squad(arena, scoring->articles, scoring->prediction), &a);
    size_t b_count = as_text_words(arena, as_text_squad(arena, scoring->articles, gold), &b);
    if (!a_count || !b_count) return a_count == b_count;
    size_t common = as_text_common(arena, a, a_count, b, b_count);
    return 2 * (double)common / (double)(a_count + b_count);
}

static double (*const comparisons[])(const as_metric *, const as_scoring *,
                                     as_str) = {exact, quasi_exact, token_f1};

as_rc as_text_need(const as_metric *metric, const as_scoring *scoring, as_err *err) {
    if (scoring->gold_count) return AS_OK;
    const as_json *expected = scoring->sample->expected;
    return as_fail(err, AS_INVALID,
                   "metric '%s' needs 'expected' to be a text or a list of texts, not %s",
                   metric->ops->name, expected ? as_json_kind_name(expected->kind) : "missing");
}

static as_rc score_text(const as_metric *metric, const as_scoring *scoring, double *score,
                        double *stats, as_err *err) {
    (void)stats;
    as_rc rc = as_text_need(metric, scoring, err);
    if (rc) return rc;
    *score = 0;
    if (!scoring->sample->has_prediction) return AS_OK;
    for (size_t i = 0; i < scoring->gold_count; i++) {
        double one = comparisons[metric->ops->variant](metric, scoring, scoring->golds[i]);
        if (one > *score) *score = one;
    }
    return AS_OK;
}

#define TEXT(metric_name, number, line)                                                            \
    .name = metric_name, .text = line, .kind = AS_METRIC_MEAN,                                     \
    .flags = AS_METRIC_UNIT | AS_METRIC_BOUNDED, .score = score_text, .variant = number

const as_metric_ops as_text_metrics[] = {
    {TEXT("exact_match", 0, "share of answers equal to an expected text, outer blanks aside")},
    {TEXT("quasi_exact_match", 1, "the same in lower case, without punctuation and articles")},
    {TEXT("token_f1", 2, "mean overlap of answer and expected text in words (SQuAD F1)")},
    {.name = NULL},
};
