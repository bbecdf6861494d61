// SPDX-License-Identifier: Apache-2.0
// span.c - span_f1: labelled pieces of text found in a document.
//
// Expected: a list of {label, text[, start, end]}. The prediction: one `label: text` a line, or
// `none`, or the same JSON list. A line without a colon is a span that matches nothing: what the
// model said counts. Spans match when label and text agree (white space squeezed), each once
// (`match: exact`); by the share of words they have in common (`partial`); or by label alone
// (`label`). F1 is micro: 2 * matches / (expected + predicted), over all cases.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/families/text.h"

enum { SPANS_MAX = 10000 };

typedef enum span_match { EXACT, PARTIAL, LABEL } span_match; // in the order of `matches`

typedef struct span {
    as_str label, text; // squeezed
    const as_str *words;
    size_t word_count;
    bool taken;
} span;

typedef struct spans {
    span *items;
    size_t count;
} spans;

static span make_span(as_arena *arena, as_str label, as_str text) {
    span out = {.label = as_text_strip(label), .text = as_text_squeeze(arena, text)};
    out.word_count = as_text_words(arena, out.text, &out.words);
    return out;
}

// False when the list holds anything but {label, text} objects.
static bool spans_of_json(as_arena *arena, const as_json *list, spans *out) {
    if (!list || list->kind != AS_JSON_ARRAY || list->count > SPANS_MAX) return false;
    out->items = AS_NEW_ARRAY(arena, span, list->count + 1);
    out->count = 0;
    for (const as_json *item = list->child; item; item = item->next) {
        const as_json *label = as_json_get(item, "label"), *text = as_json_get(item, "text");
        if (!label || !text || label->kind != AS_JSON_STRING || text->kind != AS_JSON_STRING)
            return false;
        out->items[out->count++] = make_span(arena, label->text, text->text);
    }
    return true;
}

static bool is_none(as_str s) {
    return s.len == 4 && (s.ptr[0] | 32) == 'n' && (s.ptr[1] | 32) == 'o' &&
           (s.ptr[2] | 32) == 'n' && (s.ptr[3] | 32) == 'e';
}

static spans spans_of_lines(as_arena *arena, as_str text) {
    spans out = {0};
    size_t lines = 1;
    for (size_t i = 0; i < text.len; i++) lines += text.ptr[i] == '\n';
    out.items = AS_NEW_ARRAY(arena, span, lines);
    for (as_str rest = text; rest.ptr && out.count < SPANS_MAX;) {
        as_str line = as_text_strip(as_str_cut(&rest, '\n'));
        if (line.len == 0) continue;
        size_t colon = as_str_find(line, AS_STR(":"), 0);
        if (colon == SIZE_MAX && is_none(line)) continue;
        as_str label = colon == SIZE_MAX ? (as_str){0} : as_str_sub(line, 0, colon);
        as_str found = colon == SIZE_MAX ? line : as_str_sub(line, colon + 1, line.len);
        out.items[out.count++] = make_span(arena, label, found);
    }
    return out;
}

static spans spans_of_prediction(as_arena *arena, const as_scoring *scoring) {
    spans out = {0};
    if (!scoring->sample->has_prediction) return out;
    as_str text = as_text_strip(scoring->prediction);
    const as_json *list;
    if (text.len && text.ptr[0] == '[' && as_json_parse(arena, text, &list, NULL) == AS_OK &&
        spans_of_json(arena, list, &out))
        return out;
    return spans_of_lines(arena, text);
}

static double credit(as_arena *arena, span_match match, const span *gold, const span *pred) {
    if (!as_str_eq(gold->label, pred->label)) return 0;
    if (match == LABEL || as_str_eq(gold->text, pred->text)) return 1;
    size_t words = gold->word_count + pred->word_count;
    if (match == EXACT || !words) return 0;
    return 2 *
           (double)as_text_common(arena, gold->words, gold->word_count, pred->words,
                                  pred->word_count) /
           (double)words;
}

// Pairs of spans by falling credit, the earlier one first among equals; each span once.
static double match_spans(as_arena *arena, span_match match, spans gold, spans pred) {
    double total = 0;
    double *credits = AS_NEW_ARRAY(arena, double, as_size_mul(gold.count, pred.count) + 1);
    for (size_t g = 0; g < gold.count; g++)
        for (size_t p = 0; p < pred.count; p++)
            credits[g * pred.count + p] = credit(arena, match, &gold.items[g], &pred.items[p]);
    for (;;) {
        double best = 0;
        size_t at = 0;
        for (size_t i = 0; i < gold.count * pred.count; i++) {
            bool taken = gold.items[i / pred.count].taken || pred.items[i % pred.count].taken;
            if (!taken && credits[i] > best) best = credits[i], at = i;
        }
        if (best == 0) return total;
        total += best;
        gold.items[at / pred.count].taken = true;
        pred.items[at % pred.count].taken = true;
    }
}

static double f1(double hit, double gold, double pred) {
    return gold + pred > 0 ? 2 * hit / (gold + pred) : NAN;
}

static as_rc score_spans(const as_metric *metric, const as_scoring *scoring, double *score,
                         double *stats, as_err *err) {
    spans gold;
    as_arena *arena = scoring->arena;
    const as_json *expected = scoring->sample->expected;
    if (!spans_of_json(arena, expected, &gold))
        return as_fail(err, AS_INVALID,
                       "metric 'span_f1' needs 'expected' to be a list of {label, text}, not %s",
                       !expected                         ? "missing"
                       : expected->kind == AS_JSON_ARRAY ? "a list of something else"
                                                         : as_json_kind_name(expected->kind));
    spans pred = spans_of_prediction(arena, scoring);
    span_match match = (span_match)metric->settings[0].number;
    stats[AS_LABEL_HIT] = match_spans(arena, match, gold, pred);
    stats[AS_LABEL_GOLD] = (double)gold.count;
    stats[AS_LABEL_PRED] = (double)pred.count;
    *score = f1(stats[AS_LABEL_HIT], stats[AS_LABEL_GOLD], stats[AS_LABEL_PRED]);
    // Nothing to find and `none` said is right; to say nothing at all is no answer.
    if (isnan(*score)) *score = scoring->sample->has_prediction ? 1 : 0;
    return AS_OK;
}

static double value_of_spans(const as_metric *metric, const double *tally, size_t label_count) {
    (void)metric, (void)label_count;
    return f1(tally[AS_LABEL_HIT], tally[AS_LABEL_GOLD], tally[AS_LABEL_PRED]);
}

static const char *const matches[] = {"exact", "partial", "label", NULL};
static const as_setting_spec span_settings[] = {
    {.name = "match", .kind = AS_SETTING_CHOICE, .choices = matches},
    {.name = NULL},
};

const as_metric_ops as_span_metrics[] = {
    {.name = "span_f1",
     .text = "F1 over labelled spans of text (match: exact, partial or label)",
     .kind = AS_METRIC_CORPUS,
     .flags = AS_METRIC_UNIT | AS_METRIC_BOUNDED,
     .width = AS_LABEL_WIDTH,
     .settings = span_settings,
     .score = score_spans,
     .value = value_of_spans},
    {.name = NULL},
};
