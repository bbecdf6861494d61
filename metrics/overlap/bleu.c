// SPDX-License-Identifier: Apache-2.0
// bleu.c - BLEU (Papineni et al. 2002) as sacreBLEU 2.6 computes it, 0-100.
//
// Over all cases: with c and r the lengths of answers and of the references nearest in length (the
// shorter of two as near), and p_n the share of the answers' n-grams that a reference has,
//   BLEU = min(1, e^(1 - r/c)) * (p_1 p_2 p_3 p_4)^(1/4)
// Zero counts are smoothed: exp (the k-th zero counts as 1/2^k), floor (as smooth_value, 0.1),
// add-k (smooth_value, 1, added to orders above 1), none. No match at all is 0. With
// effective_order, orders that no answer is long enough for are left out; a case's own score is
// made so always. All expected texts of a case are references. No answer is an empty one.
#include <math.h>

#include "harness/base/letter.h"
#include "metrics/families/text.h"
#include "metrics/num.h"
#include "metrics/overlap/mt_tokens.h"

enum {
    SET_TOKENIZE,
    SET_SMOOTH,
    SET_SMOOTH_VALUE,
    SET_ORDER,
    SET_EFFECTIVE,
    SET_LOWERCASE,
    SET_VOCABULARY
};
enum { SMOOTH_EXP, SMOOTH_FLOOR, SMOOTH_ADD_K, SMOOTH_NONE };
enum { STAT_CASES, STAT_ANSWER, STAT_REFERENCE, STAT_ORDERS, ORDER_MAX = 8 };

// Past a double's exponent: makes the geometric mean zero, as sacreBLEU's log of zero does.
#define LOG_ZERO -9999999999.0

static double smooth_value(const as_metric *metric) {
    const as_setting *value = &metric->settings[SET_SMOOTH_VALUE];
    if (value->given) return value->number;
    return metric->settings[SET_SMOOTH].number == SMOOTH_FLOOR ? 0.1 : 1;
}

// ln of 100 p_n; *zeros counts the orders that were smoothed.
static double log_precision(const as_metric *metric, size_t n, double match, double total,
                            double *zeros) {
    int smooth = (int)metric->settings[SET_SMOOTH].number;
    if (smooth == SMOOTH_ADD_K && n > 1) match += smooth_value(metric);
    if (match > 0) return as_num_log(100 * match / total);
    if (smooth == SMOOTH_EXP) {
        *zeros *= 2;
        return as_num_log(100 / (*zeros * total));
    }
    if (smooth == SMOOTH_FLOOR && smooth_value(metric) > 0)
        return as_num_log(100 * smooth_value(metric) / total);
    return LOG_ZERO;
}

static double bleu(const as_metric *metric, const double *stats, bool effective) {
    size_t order = (size_t)metric->settings[SET_ORDER].number, used = order;
    const double *match = stats + STAT_ORDERS, *total = match + order;
    double answer = stats[STAT_ANSWER], reference = stats[STAT_REFERENCE], zeros = 1, any = 0;
    for (size_t n = 0; n < order; n++) any += match[n];
    if (!(any > 0) || !(answer > 0)) return 0;
    as_num_sum sum = {0};
    for (size_t n = 1; n <= order; n++) {
        bool add = metric->settings[SET_SMOOTH].number == SMOOTH_ADD_K && n > 1;
        double of = total[n - 1] + (add ? smooth_value(metric) : 0);
        if (!(of > 0)) {
            for (size_t left = n; !effective && left <= order; left++) as_num_add(&sum, LOG_ZERO);
            break;
        }
        if (effective) used = n;
        as_num_add(&sum, log_precision(metric, n, match[n - 1], of, &zeros));
    }
    double brevity = answer < reference ? as_num_exp(1 - reference / answer) : 1;
    return brevity * as_num_exp(as_num_total(&sum) / (double)used);
}

static as_str prepared(const as_metric *metric, as_arena *arena, as_str text) {
    if (metric->settings[SET_LOWERCASE].on) text = as_letter_lower_str(arena, text);
    as_str stripped = as_text_strip(text); // only the end is stripped
    return as_str_sub(text, 0, stripped.len ? (size_t)(stripped.ptr - text.ptr) + stripped.len : 0);
}

static size_t nearest_length(size_t answer, const as_symbols *references, size_t count) {
    size_t best = references[0].count;
    for (size_t i = 1; i < count; i++) {
        size_t one = references[i].count;
        size_t far = answer > one ? answer - one : one - answer;
        size_t least = answer > best ? answer - best : best - answer;
        if (far < least || (far == least && one < best)) best = one;
    }
    return best;
}

static as_rc score_bleu(const as_metric *metric, const as_scoring *scoring, double *score,
                        double *stats, as_err *err) {
    as_rc rc = as_text_need(metric, scoring, err);
    if (rc) return rc;
    as_arena *arena = scoring->arena;
    size_t count = scoring->gold_count, order = (size_t)metric->settings[SET_ORDER].number;
    as_tokens *lists = AS_NEW_ARRAY(arena, as_tokens, count + 1);
    as_symbols *numbers = AS_NEW_ARRAY(arena, as_symbols, count + 1);
    for (size_t i = 0; !rc && i <= count; i++) {
        as_str text = i ? scoring->golds[i - 1] : scoring->prediction;
        rc = as_mt_cut(metric->own, arena, prepared(metric, arena, text), &lists[i], err);
    }
    if (rc) return rc;
    as_ngram_number(arena, lists, count + 1, numbers);
    as_ngrams grams[ORDER_MAX];
    as_ngram_count(arena, numbers[0], numbers + 1, count, order, grams);
    stats[STAT_CASES] = 1;
    stats[STAT_ANSWER] = (double)numbers[0].count;
    stats[STAT_REFERENCE] = (double)nearest_length(numbers[0].count, numbers + 1, count);
    for (size_t n = 0; n < order; n++) {
        stats[STAT_ORDERS + n] = (double)grams[n].match;
        stats[STAT_ORDERS + order + n] = (double)grams[n].answer;
    }
    *score = bleu(metric, stats, true);
    return AS_OK;
}

static double value_of_bleu(const as_metric *metric, const double *tally, size_t label_count) {
    (void)label_count;
    if (!(tally[STAT_CASES] > 0)) return NAN;
    return bleu(metric, tally, metric->settings[SET_EFFECTIVE].on);
}

static as_rc prepare_bleu(as_arena *arena, as_metric *metric, as_err *err) {
    (void)arena;
    int smooth = (int)metric->settings[SET_SMOOTH].number;
    if (metric->settings[SET_SMOOTH_VALUE].given && smooth != SMOOTH_FLOOR &&
        smooth != SMOOTH_ADD_K)
        return as_fail(err, AS_INVALID,
                       "option 'smooth_value' of metric 'bleu' goes with smooth_method floor or "
                       "add-k");
    metric->width = STAT_ORDERS + 2 * (size_t)metric->settings[SET_ORDER].number;
    as_mt_kind kind = (as_mt_kind)metric->settings[SET_TOKENIZE].number;
    as_setting *vocabulary = &metric->settings[SET_VOCABULARY];
    if (vocabulary->given && kind <= AS_MT_NONE)
        return as_fail(err, AS_INVALID,
                       "option 'vocabulary' of metric 'bleu' goes with the tokenizers spm, "
                       "flores101, flores200, spBLEU-1K, ja-mecab and ko-mecab");
    as_mt_tokenizer *tokenizer = NULL;
    as_rc rc = as_mt_new(kind, vocabulary->text, &tokenizer, err);
    if (rc) {
        as_err_prefix(err, "metric 'bleu'");
        return rc;
    }
    // What decides the scores: a dictionary is told by the tokenizer's name.
    as_str digest = as_mt_digest(tokenizer);
    vocabulary->digest = digest.len ? digest : as_mt_name(tokenizer);
    vocabulary->given = kind > AS_MT_NONE;
    metric->own = tokenizer;
    return AS_OK;
}

static void release_bleu(as_metric *metric) {
    as_mt_free(metric->own);
}

static const char *const smooths[] = {"exp", "floor", "add-k", "none", NULL};

static as_str signature_of_bleu(as_arena *arena, const as_metric *metric) {
    int smooth = (int)metric->settings[SET_SMOOTH].number;
    double order = metric->settings[SET_ORDER].number;
    as_str value = AS_STR(""), orders = AS_STR(""), vocabulary = AS_STR("");
    as_str tokens = as_mt_name(metric->own), digest = as_mt_digest(metric->own);
    if (smooth == SMOOTH_FLOOR || smooth == SMOOTH_ADD_K)
        value = as_strf(arena, "[%.2f]", smooth_value(metric));
    if (digest.len) vocabulary = as_strf(arena, "|vocabulary:%.*s", AS_STR_ARG(digest));
    if (order != 4) orders = as_strf(arena, "|order:%g", order);
    return as_strf(arena, "case:%s|eff:%s|tok:%.*s|smooth:%s%.*s%.*s%.*s|like:sacrebleu-2.6",
                   metric->settings[SET_LOWERCASE].on ? "lc" : "mixed",
                   metric->settings[SET_EFFECTIVE].on ? "yes" : "no", AS_STR_ARG(tokens),
                   smooths[smooth], AS_STR_ARG(value), AS_STR_ARG(orders), AS_STR_ARG(vocabulary));
}

static const as_setting_spec bleu_settings[] = {
    {.name = "tokenize", .kind = AS_SETTING_CHOICE, .choices = as_mt_kinds},
    {.name = "smooth_method", .kind = AS_SETTING_CHOICE, .choices = smooths},
    {.name = "smooth_value", .kind = AS_SETTING_NUMBER, .low = 0, .high = 1000},
    {.name = "max_ngram_order",
     .kind = AS_SETTING_COUNT,
     .low = 1,
     .high = ORDER_MAX,
     .otherwise = 4},
    {.name = "effective_order", .kind = AS_SETTING_BOOL},
    {.name = "lowercase", .kind = AS_SETTING_BOOL},
    {.name = "vocabulary", .kind = AS_SETTING_PATH},
    {.name = NULL},
};

const as_metric_ops as_bleu_metrics[] = {
    {.name = "bleu",
     .text = "BLEU of all answers together, 0-100 (sacreBLEU)",
     .kind = AS_METRIC_CORPUS,
     .flags = AS_METRIC_REFS | AS_METRIC_DEAR,
     .settings = bleu_settings,
     .prepare = prepare_bleu,
     .release = release_bleu,
     .signature = signature_of_bleu,
     .score = score_bleu,
     .value = value_of_bleu},
    {.name = NULL},
};
