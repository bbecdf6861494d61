// SPDX-License-Identifier: Apache-2.0
// sentence.c - overlap of one answer with its references, 0-1, the mean over the cases: what
// promptfoo calls gleu, bleu, rouge-n and meteor. All lower the case first. No words on one side:
// 0.
//
//   gleu           of all n-grams of 1 to 4 words that answer and reference share, the share in the
//                  one that has more; the same words: 1. Wu et al. 2016; the formula of NLTK's
//                  sentence_gleu. Words stand between blanks, without full stops at their end.
//   sentence_bleu  `bleu` of promptfoo's lists: geometric mean of the 1- to 4-gram precisions that
//                  the answer is long enough for (none shared: 1e-7), times e^(1 - r/c) for an
//                  answer shorter than the reference nearest in length. Precisions count against
//                  the reference with most matches. Words between blanks. No kin of corpus `bleu`.
//   rouge-n        F of the shared n-grams, each as often as both have it, of Treebank tokens
//                  (treebank.h); n: 1 unless set
//   meteor         Banerjee and Lavie 2005 as NLTK computes it: words are paired from the back,
//                  equal ones, then those of one stem (porter.h);
//                  P R / (alpha P + (1 - alpha) R) * (1 - gamma (chunks / pairs)^beta). Synonyms
//                  come only with `wordnet`, the folder of a WordNet, so that a score does not
//                  depend on what is installed; then stems that are left are paired too where a
//                  synset of the answer's has the reference's, as promptfoo does it. (NLTK looks
//                  for the word under a stem's base forms too, and at adjectives without their
//                  place. Its stemmer is ours; promptfoo's lacks its extensions.)
// Of several references the best counts. not-NAME is 1 - NAME.
#include <math.h>

#include "harness/base/letter.h"
#include "metrics/families/text.h"
#include "metrics/num.h"
#include "metrics/overlap/porter.h"
#include "metrics/overlap/treebank.h"
#include "metrics/overlap/wordnet.h"

enum { GLEU, BLEU, ROUGE_N, METEOR };
enum { ORDER_MAX = 8, ORDER = 4 };
enum { SET_ALPHA, SET_BETA, SET_GAMMA, SET_WORDNET };

// Words between blanks; `dots`: without full stops at their end.
static as_tokens words_of(as_arena *arena, as_str text, bool dots) {
    as_tokens words = as_ngram_split(arena, as_letter_lower_str(arena, text));
    for (size_t i = 0; dots && i < words.count; i++) {
        as_str *w = &words.items[i];
        while (w->len && w->ptr[w->len - 1] == '.') w->len--;
    }
    return words;
}

static bool same_words(as_symbols a, as_symbols b) {
    if (a.count != b.count) return false;
    for (size_t i = 0; i < a.count; i++)
        if (a.items[i] != b.items[i]) return false;
    return true;
}

static double gleu_of(as_arena *arena, as_symbols answer, as_symbols gold) {
    as_ngrams grams[ORDER];
    double match = 0, more[2] = {0, 0};
    if (!answer.count || !gold.count) return 0;
    if (same_words(answer, gold)) return 1;
    as_ngram_count(arena, answer, &gold, 1, ORDER, grams);
    for (size_t n = 0; n < ORDER; n++) {
        match += (double)grams[n].match;
        more[0] += (double)grams[n].answer;
        more[1] += (double)grams[n].reference;
    }
    return match / fmax(more[0], more[1]);
}

static double bleu_of(as_arena *arena, as_symbols answer, const as_symbols *golds, size_t count) {
    double best[ORDER] = {0}, total[ORDER] = {0}, orders = 0, sum = 0;
    size_t nearest = golds[0].count;
    if (!answer.count) return 0;
    for (size_t i = 0; i < count; i++) {
        as_ngrams grams[ORDER];
        size_t one = golds[i].count;
        size_t far = answer.count > one ? answer.count - one : one - answer.count;
        size_t least = answer.count > nearest ? answer.count - nearest : nearest - answer.count;
        if (far < least || (far == least && one < nearest)) nearest = one;
        as_ngram_count(arena, answer, &golds[i], 1, ORDER, grams);
        for (size_t n = 0; n < ORDER; n++) {
            best[n] = fmax(best[n], (double)grams[n].match);
            total[n] = (double)grams[n].answer;
        }
    }
    for (size_t n = 0; n < ORDER; n++) orders += total[n] > 0;
    for (size_t n = 0; n < ORDER; n++)
        if (total[n] > 0) sum += as_num_log(best[n] > 0 ? best[n] / total[n] : 1e-7) / orders;
    double brevity = 1;
    if (answer.count < nearest) brevity = as_num_exp(1 - (double)nearest / (double)answer.count);
    return brevity * as_num_exp(sum);
}

static double rouge_of(as_arena *arena, size_t n, as_symbols answer, as_symbols gold) {
    as_ngrams grams[ORDER_MAX];
    if (answer.count < n || gold.count < n) return 0;
    as_ngram_count(arena, answer, &gold, 1, n, grams);
    const as_ngrams *g = &grams[n - 1];
    return 2 * (double)g->match / (double)(g->answer + g->reference);
}

// ---- METEOR ----

typedef struct pairing {
    size_t *partner; // [answer count]: place in the reference, SIZE_MAX: none
    bool *taken;     // [reference count]
    size_t pairs;
} pairing;

// Pairs what has no partner yet, from the back: the last free word of the reference that is equal.
static void pair_up(as_arena *arena, as_symbols answer, as_symbols gold, pairing *p) {
    uint32_t most = 0;
    for (size_t i = 0; i < gold.count; i++)
        if (gold.items[i] > most) most = gold.items[i];
    size_t *last = AS_NEW_ARRAY(arena, size_t, (size_t)most + 1); // place + 1 of the last free one
    size_t *before = AS_NEW_ARRAY(arena, size_t, gold.count + 1); // the same, of the one before it
    for (size_t i = 0; i < gold.count; i++) {
        if (p->taken[i]) continue;
        before[i] = last[gold.items[i]];
        last[gold.items[i]] = i + 1;
    }
    for (size_t i = answer.count; i-- > 0;) {
        if (p->partner[i] != SIZE_MAX || answer.items[i] > most || !last[answer.items[i]]) continue;
        size_t at = last[answer.items[i]] - 1;
        last[answer.items[i]] = before[at];
        p->partner[i] = at;
        p->taken[at] = true;
        p->pairs++;
    }
}

static as_tokens stems_of(as_arena *arena, as_tokens words) {
    as_tokens out = {AS_NEW_ARRAY(arena, as_str, words.count + 1), words.count};
    for (size_t i = 0; i < words.count; i++) out.items[i] = as_porter_stem(arena, words.items[i]);
    return out;
}

// Pairs what is left by its synsets, from the back.
static as_rc pair_synonyms(const as_wordnet *wordnet, as_arena *arena, as_tokens answer,
                           as_tokens gold, pairing *p, as_err *err) {
    as_rc rc = AS_OK;
    for (size_t i = answer.count; !rc && i-- > 0;) {
        as_tokens same;
        if (p->partner[i] != SIZE_MAX) continue;
        rc = as_wordnet_synonyms(wordnet, arena, answer.items[i], &same, err);
        for (size_t j = gold.count; !rc && p->partner[i] == SIZE_MAX && j-- > 0;)
            for (size_t k = 0; !p->taken[j] && k < same.count; k++) {
                if (!as_str_eq(same.items[k], gold.items[j])) continue;
                p->partner[i] = j;
                p->taken[j] = true;
                p->pairs++;
            }
    }
    return rc;
}

static size_t chunks_of(const pairing *p, size_t count) {
    size_t chunks = 0, last = SIZE_MAX - 1, last_at = SIZE_MAX - 1;
    for (size_t i = 0; i < count; i++) {
        if (p->partner[i] == SIZE_MAX) continue;
        chunks += i != last + 1 || p->partner[i] != last_at + 1;
        last = i;
        last_at = p->partner[i];
    }
    return chunks;
}

static as_rc meteor_of(const as_metric *metric, as_arena *arena, as_tokens answer, as_tokens gold,
                       double *out, as_err *err) {
    const as_setting *set = metric->settings;
    double alpha = set[SET_ALPHA].number, beta = set[SET_BETA].number;
    as_tokens words[2] = {answer, gold};
    as_tokens stems[2] = {stems_of(arena, answer), stems_of(arena, gold)};
    as_symbols numbers[2];
    pairing p = {AS_NEW_ARRAY(arena, size_t, answer.count + 1),
                 AS_NEW_ARRAY(arena, bool, gold.count + 1), 0};
    for (size_t i = 0; i < answer.count; i++) p.partner[i] = SIZE_MAX;
    as_ngram_number(arena, words, 2, numbers);
    pair_up(arena, numbers[0], numbers[1], &p);
    as_ngram_number(arena, stems, 2, numbers);
    pair_up(arena, numbers[0], numbers[1], &p);
    if (metric->own) {
        as_rc rc = pair_synonyms(metric->own, arena, stems[0], stems[1], &p, err);
        if (rc) return rc;
    }
    *out = 0;
    if (!p.pairs) return AS_OK;
    double pairs = (double)p.pairs, precision = pairs / (double)answer.count;
    double recall = pairs / (double)gold.count;
    double mean = precision * recall / (alpha * precision + (1 - alpha) * recall);
    double broken = (double)chunks_of(&p, answer.count) / pairs;
    double penalty = broken < 1 ? as_num_exp(beta * as_num_log(broken)) : 1;
    *out = (1 - set[SET_GAMMA].number * penalty) * mean;
    return AS_OK;
}

// ---- scores ----

static as_rc best_of(const as_metric *metric, const as_scoring *scoring, const as_tokens *lists,
                     size_t count, double *best, as_err *err) {
    as_arena *arena = scoring->arena;
    as_symbols *numbers = AS_NEW_ARRAY(arena, as_symbols, count + 1);
    int variant = metric->ops->variant;
    as_rc rc = AS_OK;
    *best = 0;
    as_ngram_number(arena, lists, count + 1, numbers);
    if (variant == BLEU) *best = bleu_of(arena, numbers[0], numbers + 1, count);
    for (size_t i = 1; !rc && variant != BLEU && i <= count; i++) {
        double one = 0;
        if (variant == GLEU) one = gleu_of(arena, numbers[0], numbers[i]);
        if (variant == ROUGE_N)
            one = rouge_of(arena, (size_t)metric->settings[0].number, numbers[0], numbers[i]);
        if (variant == METEOR) rc = meteor_of(metric, arena, lists[0], lists[i], &one, err);
        *best = fmax(*best, one);
    }
    return rc;
}

static as_rc score_sentence(const as_metric *metric, const as_scoring *scoring, double *score,
                            double *stats, as_err *err) {
    (void)stats;
    as_rc rc = as_text_need(metric, scoring, err);
    if (rc) return rc;
    as_arena *arena = scoring->arena;
    as_tokens *lists = AS_NEW_ARRAY(arena, as_tokens, scoring->gold_count + 1);
    bool dots = metric->ops->variant == GLEU || metric->ops->variant == METEOR;
    for (size_t i = 0; i <= scoring->gold_count; i++) {
        as_str text = i ? scoring->golds[i - 1] : scoring->prediction;
        lists[i] = metric->ops->variant == ROUGE_N
                       ? as_treebank_cut(metric->own, arena, as_letter_lower_str(arena, text))
                       : words_of(arena, text, dots);
    }
    double value;
    rc = best_of(metric, scoring, lists, scoring->gold_count, &value, err);
    if (rc) return rc;
    *score = metric->negate ? 1 - value : value;
    if (metric->negate && !scoring->sample->has_prediction) *score = 0;
    return AS_OK;
}

static as_rc prepare_rouge(as_arena *arena, as_metric *metric, as_err *err) {
    (void)arena;
    as_treebank *treebank = NULL;
    as_rc rc = as_treebank_new(&treebank, err);
    metric->own = treebank;
    return rc;
}

static void release_rouge(as_metric *metric) {
    as_treebank_free(metric->own);
}

static as_rc prepare_meteor(as_arena *arena, as_metric *metric, as_err *err) {
    (void)arena;
    as_setting *set = &metric->settings[SET_WORDNET];
    as_wordnet *wordnet = NULL;
    if (!set->given) return AS_OK;
    as_rc rc = as_wordnet_open(set->text, &wordnet, err);
    if (rc) {
        as_err_prefix(err, "option 'wordnet' of metric 'meteor'");
        return rc;
    }
    set->digest = as_wordnet_digest(wordnet);
    metric->own = wordnet;
    return AS_OK;
}

static void release_meteor(as_metric *metric) {
    as_wordnet_free(metric->own);
}

static const as_setting_spec rouge_settings[] = {
    {.name = "n", .kind = AS_SETTING_COUNT, .low = 1, .high = ORDER_MAX, .otherwise = 1},
    {.name = NULL},
};
static const as_setting_spec meteor_settings[] = {
    {.name = "alpha", .kind = AS_SETTING_NUMBER, .low = 0, .high = 1, .otherwise = 0.9},
    {.name = "beta", .kind = AS_SETTING_NUMBER, .low = 0, .high = 100, .otherwise = 3},
    {.name = "gamma", .kind = AS_SETTING_NUMBER, .low = 0, .high = 1, .otherwise = 0.5},
    {.name = "wordnet", .kind = AS_SETTING_PATH},
    {.name = NULL},
};

#define SENTENCE(metric_name, number, table, make, end, line)                                      \
    {                                                                                              \
        .name = metric_name, .text = line, .kind = AS_METRIC_MEAN,                                 \
        .flags = AS_METRIC_UNIT | AS_METRIC_BOUNDED | AS_METRIC_NOT | AS_METRIC_TURNS,             \
        .settings = table, .prepare = make, .release = end, .score = score_sentence,               \
        .variant = number                                                                          \
    }

const as_metric_ops as_sentence_metrics[] = {
    SENTENCE("gleu", GLEU, NULL, NULL, NULL, "mean share of common n-grams (NLTK's sentence_gleu)"),
    SENTENCE("sentence_bleu", BLEU, NULL, NULL, NULL,
             "mean BLEU of single answers, 0-1 (promptfoo's bleu)"),
    SENTENCE("rouge-n", ROUGE_N, rouge_settings, prepare_rouge, release_rouge,
             "mean F of shared n-grams of Treebank tokens (promptfoo)"),
    SENTENCE("meteor", METEOR, meteor_settings, prepare_meteor, release_meteor,
             "mean METEOR by words and stems, with `wordnet` by synonyms too"),
    {.name = NULL},
};
