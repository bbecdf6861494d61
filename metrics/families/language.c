// SPDX-License-Identifier: Apache-2.0
// language.c - what a language model's probabilities say, as lm-evaluation-harness counts it.
//
// Over the choices of a case, l_i being the log-probability of choice i (ties: the first one):
//   acc              whether the choice with the greatest l_i is an expected one
//   acc_norm         the same by l_i / characters of the choice (not tokens, not bytes)
//   acc_bytes        the same by l_i / bytes of the choice in UTF-8
//   acc_mutual_info  the same by l_i - u_i, u_i (`unconditional_logprobs`) being the
//                    log-probability of the choice, spelled as it follows the prompt, after the
//                    beginning token alone; a run asks the target for them, once for choices that
//                    many cases share
// Expected is a choice, a list of them, or the number of one, from 0. Cases without
// log-probabilities have no score.
//
// Over texts, from what a target measured or `logprob` of the line (natural logarithm of the whole
// text; or `logprobs`, a list of one a token), all cases together:
//   perplexity       exp(-sum logprob / sum tokens); `tokens`, else the length of `logprobs`
//   word_perplexity  exp(-sum logprob / sum words); `words`, else of `text`, else of the output:
//                    white space between them plus one
//   byte_perplexity  exp(-sum logprob / sum bytes); `bytes`, else of the text in UTF-8
//   bits_per_byte    -sum logprob / sum bytes / ln 2
// Perplexities of two tokenizers cannot be compared; those by word and byte can.
// Source: lm_eval 0.4 (api/task.py, api/metrics.py).
#include <math.h>

#include "harness/base/letter.h"
#include "harness/base/utf8.h"
#include "metrics/metric.h"
#include "metrics/num.h"

#define LN2 0.693147180559945309417

enum { ACC, ACC_NORM, ACC_BYTES, ACC_MUTUAL_INFO };
enum { BY_TOKEN, BY_WORD, BY_BYTE, BITS_BY_BYTE };
enum { STAT_LOGPROB, STAT_UNITS, STAT_CASES, STAT_WIDTH };

static bool is_expected(const as_scoring *scoring, size_t choice) {
    const as_json *expected = scoring->sample->expected;
    for (size_t i = 0; i < scoring->gold_count; i++)
        if (as_str_eq(scoring->sample->choices[choice], scoring->golds[i])) return true;
    // A number that is no choice itself is the place of one.
    return scoring->gold_choice == SIZE_MAX && expected && expected->kind == AS_JSON_NUMBER &&
           expected->number == (double)choice;
}

static double merit(const as_metric *metric, const as_sample *sample, size_t i) {
    double logprob = sample->choice_logprobs[i], length;
    if (isnan(logprob)) return -INFINITY;
    switch (metric->ops->variant) {
    case ACC_NORM:
        length = (double)as_utf8_count(sample->choices[i]);
        break;
    case ACC_BYTES:
        length = (double)sample->choices[i].len;
        break;
    case ACC_MUTUAL_INFO: // impossible alone, NaN in a journal: whatever makes it possible
        if (isnan(sample->unconditional_logprobs[i])) return INFINITY;
        return logprob - sample->unconditional_logprobs[i];
    default:
        return logprob;
    }
    return length > 0 ? logprob / length : -INFINITY;
}

static as_rc score_choice(const as_metric *metric, const as_scoring *scoring, double *score,
                          double *stats, as_err *err) {
    (void)stats;
    const as_sample *sample = scoring->sample;
    if (!sample->choice_logprobs || !sample->choices || !sample->choice_count) return AS_OK;
    if (metric->ops->variant == ACC_MUTUAL_INFO && !sample->unconditional_logprobs)
        return as_fail(
            err, AS_INVALID,
            "metric '%s' needs 'unconditional_logprobs', one for each choice: what a run "
            "of gguf: or openai:URL#MODEL+completions records",
            metric->ops->name);
    size_t best = 0;
    for (size_t i = 1; i < sample->choice_count; i++)
        if (merit(metric, sample, i) > merit(metric, sample, best)) best = i;
    *score = is_expected(scoring, best);
    return AS_OK;
}

// ---- texts ----

static as_rc read_logprob(const as_metric *metric, const as_sample *sample, double *logprob,
                          double *tokens, as_err *err) {
    const as_json *line = sample->line;
    if (!line && sample->has_logprob) {
        *logprob = sample->logprob;
        *tokens = (double)sample->logprob_tokens;
        return AS_OK;
    }
    if (!line)
        return as_fail(
            err, AS_INVALID,
            "metric '%s' needs a text's log-probability: tasks loglikelihood and rolling "
            "give it, and recorded texts with 'logprob' (assay score)",
            metric->ops->name);
    const as_json *one = as_json_get(line, "logprob"), *many = as_json_get(line, "logprobs");
    as_num_sum sum = {0};
    *tokens = as_json_f64(line, "tokens", NAN);
    if (one && one->kind == AS_JSON_NUMBER) {
        *logprob = one->number;
        return AS_OK;
    }
    if (!many || many->kind != AS_JSON_ARRAY)
        return as_fail(err, AS_INVALID,
                       "metric '%s' needs the text's log-probability: 'logprob', or 'logprobs' of "
                       "its tokens",
                       metric->ops->name);
    for (const as_json *m = many->child; m; m = m->next) {
        if (m->kind != AS_JSON_NUMBER)
            return as_fail(err, AS_INVALID, "metric '%s': 'logprobs' must be numbers, not %s",
                           metric->ops->name, as_json_kind_name(m->kind));
        as_num_add(&sum, m->number);
    }
    *logprob = as_num_total(&sum);
    if (isnan(*tokens)) *tokens = (double)many->count;
    return AS_OK;
}

// len(re.split(r"\s+", text)) of Python: an empty text is one word.
static double count_words(as_str text) {
    double count = 1;
    bool inside = false;
    for (size_t at = 0; at < text.len;) {
        bool space = as_letter_is_space(as_utf8_next(text, &at));
        count += space && !inside;
        inside = space;
    }
    return count;
}

static double count_units(const as_metric *metric, const as_scoring *scoring, double tokens) {
    const as_sample *sample = scoring->sample;
    const as_json *line = sample->line, *text = line ? as_json_get(line, "text") : NULL;
    bool given = text && text->kind == AS_JSON_STRING;
    bool known = given || sample->output.len;
    as_str words = as_utf8_clean(scoring->arena, given ? text->text : sample->output);
    double units;
    switch (metric->ops->variant) {
    case BY_TOKEN:
        return tokens;
    case BY_WORD:
        units = known ? count_words(words) : NAN;
        return line ? as_json_f64(line, "words", units) : units;
    default:
        units = known ? (double)words.len : NAN;
        return line ? as_json_f64(line, "bytes", units) : units;
    }
}

static double rate(const as_metric *metric, double logprob, double units) {
    double each = -logprob / units;
    return metric->ops->variant == BITS_BY_BYTE ? each / LN2 : as_num_exp(each);
}

static as_rc score_text(const as_metric *metric, const as_scoring *scoring, double *score,
                        double *stats, as_err *err) {
    static const char *const names[] = {"tokens", "words", "bytes", "bytes"};
    double logprob = NAN, tokens = NAN;
    const as_sample *sample = scoring->sample;
    const as_json *line = sample->line;
    bool known =
        line ? as_json_get(line, "logprob") || as_json_get(line, "logprobs") : sample->has_logprob;
    if (!known && sample->outcome != AS_OUT_OK) return AS_OK; // longer than the context
    as_rc rc = read_logprob(metric, sample, &logprob, &tokens, err);
    if (rc) return rc;
    double units = count_units(metric, scoring, tokens);
    if (!(units > 0))
        return as_fail(err, AS_INVALID, "metric '%s' needs '%s', a number above 0",
                       metric->ops->name, names[metric->ops->variant]);
    stats[STAT_LOGPROB] = logprob;
    stats[STAT_UNITS] = units;
    stats[STAT_CASES] = 1;
    *score = rate(metric, logprob, units);
    return AS_OK;
}

static double value_of_text(const as_metric *metric, const double *tally, size_t label_count) {
    (void)label_count;
    if (!(tally[STAT_CASES] > 0)) return NAN;
    return rate(metric, tally[STAT_LOGPROB], tally[STAT_UNITS]);
}

#define CHOICE(metric_name, number, more, line)                                                    \
    {                                                                                              \
        .name = metric_name, .text = line, .kind = AS_METRIC_MEAN,                                 \
        .flags = AS_METRIC_UNIT | AS_METRIC_BOUNDED | (more), .score = score_choice,               \
        .variant = number                                                                          \
    }
#define TEXT(metric_name, number, line)                                                            \
    {                                                                                              \
        .name = metric_name, .text = line, .kind = AS_METRIC_CORPUS, .flags = AS_METRIC_LOWER,     \
        .width = STAT_WIDTH, .score = score_text, .value = value_of_text, .variant = number        \
    }

const as_metric_ops as_language_metrics[] = {
    CHOICE("acc", ACC, 0, "share of cases whose likeliest choice is expected (lm-eval)"),
    CHOICE("acc_norm", ACC_NORM, 0,
           "the same by log-probability a character of the choice (lm-eval)"),
    CHOICE("acc_bytes", ACC_BYTES, 0, "the same by log-probability a byte of the choice (lm-eval)"),
    CHOICE("acc_mutual_info", ACC_MUTUAL_INFO, AS_METRIC_ALONE,
           "the same by log-probability less that after an empty prompt (lm-eval)"),
    TEXT("perplexity", BY_TOKEN, "exp of the mean surprise a token; lower is better"),
    TEXT("word_perplexity", BY_WORD, "exp of the surprise a word (lm-eval); lower is better"),
    TEXT("byte_perplexity", BY_BYTE, "exp of the surprise a byte (lm-eval); lower is better"),
    TEXT("bits_per_byte", BITS_BY_BYTE, "surprise in bits a byte (lm-eval); lower is better"),
    {.name = NULL},
};
