// SPDX-License-Identifier: Apache-2.0
// retrieval.c - did the right documents come first?
//
// Expected: the relevant ids (one, or a list), or an object of id to grade. The answer: `ranking`
// of the line, else the prediction as JSON: ids, best first; or scores by id, or {id, score}
// objects, which are put in order as trec_eval does (score down, then id down). Relevant is a grade
// of at least `level` (1). A document named twice counts once, where it stands first.
//   recall@K     relevant among the first K / relevant
//   precision@K  relevant among the first K / K, however many there are
//   hit@K        whether one of the first K is relevant
//   mrr          1 / place of the first relevant one (mrr@K: among the first K)
//   map          mean of the precisions at the places of the relevant ones, over all of them
//   ndcg@K       sum of grade / log2(1 + place) over the first K, as a share of the best there
//   could
//                be (gain: linear; exp: 2^grade - 1)
//   id_based_context_precision  different ids that are relevant / different ids, of all that came
//   id_based_context_recall     relevant ids that came / relevant
// A case without a relevant document is undefined and left out; one without an answer is 0.
// Source: trec_eval 9 (recall, P, success, recip_rank, map, ndcg_cut); Burges et al. 2005 for exp;
// ragas 0.3 (IDBasedContextPrecision, -Recall), whose empty ranking is undefined and not 0.
#include <math.h>
#include <stdlib.h>

#include "harness/base/map.h"
#include "metrics/metric.h"
#include "metrics/num.h"

#define LN2 0.693147180559945309417

enum { RECALL, PRECISION, HIT, MRR, MAP, NDCG, CONTEXT_PRECISION };
enum { SET_LEVEL, SET_GAIN };

typedef struct document {
    as_str id;
    double score; // grade, or what the ranking gives
} document;

typedef struct documents {
    document *items;
    size_t count;
} documents;

static bool is_id(const as_json *value) {
    return value && (value->kind == AS_JSON_STRING || value->kind == AS_JSON_NUMBER);
}

static int by_score(const void *a, const void *b) {
    const document *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return as_str_cmp(y->id, x->id);
}

static bool read_one(as_arena *arena, const as_json *item, bool keyed, document *out,
                     bool *scored) {
    const as_json *score = keyed ? item : as_json_get(item, "score");
    const as_json *id = item->kind == AS_JSON_OBJECT ? as_json_get(item, "id") : item;
    if (!keyed && !is_id(id)) return false;
    *scored |= score != NULL;
    if (score && score->kind != AS_JSON_NUMBER) return false;
    *out = (document){keyed ? item->key : as_json_plain(arena, id), score ? score->number : 1};
    return true;
}

// Ids, {id, score} objects or an object of scores. False when it is anything else.
static bool read_documents(as_arena *arena, const as_json *value, documents *out, bool *scored) {
    bool keyed = value->kind == AS_JSON_OBJECT, list = value->kind == AS_JSON_ARRAY;
    *out = (documents){AS_NEW_ARRAY(arena, document, value->count + 2), 0};
    *scored = false;
    if (is_id(value)) return read_one(arena, value, false, &out->items[out->count++], scored);
    for (const as_json *item = value->child; item; item = item->next)
        if (!read_one(arena, item, keyed, &out->items[out->count++], scored)) return false;
    return keyed || list;
}

static documents read_ranking(const as_scoring *scoring) {
    documents out = {0};
    bool scored;
    const as_sample *sample = scoring->sample;
    if (sample->ranking_count) {
        out.items = AS_NEW_ARRAY(scoring->arena, document, sample->ranking_count);
        for (; out.count < sample->ranking_count; out.count++)
            out.items[out.count] = (document){sample->ranking[out.count], 1};
        return out;
    }
    const as_json *ranking = sample->line ? as_json_get(sample->line, "ranking") : NULL;
    if (!ranking && sample->has_prediction &&
        as_json_parse(scoring->arena, scoring->prediction, &ranking, NULL) != AS_OK)
        ranking = NULL;
    if (!ranking || !read_documents(scoring->arena, ranking, &out, &scored)) return (documents){0};
    if (scored) qsort(out.items, out.count, sizeof *out.items, by_score);
    return out;
}

// The grades of the ranked documents: 0 for those that are not judged, or were there before.
static double *grades_of(as_arena *arena, documents ranking, documents judged) {
    double *out = AS_NEW_ARRAY(arena, double, ranking.count + 1);
    as_map places = {0};
    bool *met = AS_NEW_ARRAY(arena, bool, judged.count + 1);
    for (size_t i = 0; i < judged.count; i++) as_map_add(&places, judged.items[i].id, i, NULL);
    for (size_t i = 0; i < ranking.count; i++) {
        uint64_t place;
        if (!as_map_get(&places, ranking.items[i].id, &place) || met[place]) continue;
        met[place] = true;
        out[i] = judged.items[place].score;
    }
    as_map_free(&places);
    return out;
}

static size_t count_different(documents ranking) {
    as_map met = {0};
    size_t count = 0;
    for (size_t i = 0; i < ranking.count; i++)
        count += as_map_add(&met, ranking.items[i].id, 0, NULL);
    as_map_free(&met);
    return count;
}

static double gain(const as_metric *metric, double grade) {
    if (grade <= 0) return 0;
    return metric->settings[SET_GAIN].on ? as_num_exp(grade * LN2) - 1 : grade;
}

static double discounted(const as_metric *metric, const double *grades, size_t count) {
    as_num_sum sum = {0};
    for (size_t i = 0; i < count; i++)
        if (grades[i] > 0)
            as_num_add(&sum, gain(metric, grades[i]) * LN2 / as_num_log((double)i + 2));
    return as_num_total(&sum);
}

static double ndcg(const as_metric *metric, as_arena *arena, const double *grades, size_t count,
                   size_t depth, documents judged) {
    double *best = AS_NEW_ARRAY(arena, double, judged.count + 1);
    for (size_t i = 0; i < judged.count; i++) best[i] = -judged.items[i].score;
    as_num_sort(best, judged.count);
    for (size_t i = 0; i < judged.count; i++) best[i] = -best[i];
    double ideal = discounted(metric, best, judged.count < depth ? judged.count : depth);
    return ideal > 0 ? discounted(metric, grades, count < depth ? count : depth) / ideal : NAN;
}

static double measure(const as_metric *metric, const double *grades, size_t count, double level,
                      double relevant) {
    size_t depth = metric->k ? metric->k : count, found = 0, first = 0;
    as_num_sum precisions = {0};
    for (size_t i = 0; i < count && i < depth; i++) {
        if (!(grades[i] >= level)) continue;
        found++;
        if (!first) first = i + 1;
        as_num_add(&precisions, (double)found / (double)(i + 1));
    }
    switch (metric->ops->variant) {
    case RECALL:
        return (double)found / relevant;
    case PRECISION:
        return (double)found / (double)depth;
    case CONTEXT_PRECISION: // of the different ones, which the caller knows
        return (double)found;
    case HIT:
        return found > 0;
    case MRR:
        return first ? 1 / (double)first : 0;
    default:
        return as_num_total(&precisions) / relevant;
    }
}

static as_rc score_ranking(const as_metric *metric, const as_scoring *scoring, double *score,
                           double *stats, as_err *err) {
    (void)stats;
    documents judged;
    bool scored;
    const as_json *expected = scoring->sample->expected;
    if (!expected || !read_documents(scoring->arena, expected, &judged, &scored))
        return as_fail(
            err, AS_INVALID, "metric '%.*s' needs 'expected' to be ids, or grades by id, not %s",
            AS_STR_ARG(metric->name), expected ? as_json_kind_name(expected->kind) : "missing");
    double level = metric->settings[SET_LEVEL].number, relevant = 0;
    for (size_t i = 0; i < judged.count; i++) relevant += judged.items[i].score >= level;
    documents ranking = read_ranking(scoring);
    const double *grades = grades_of(scoring->arena, ranking, judged);
    if (metric->ops->variant == NDCG)
        *score = ndcg(metric, scoring->arena, grades, ranking.count,
                      metric->k ? metric->k : SIZE_MAX, judged);
    else if (relevant > 0)
        *score = measure(metric, grades, ranking.count, level, relevant);
    if (metric->ops->variant == CONTEXT_PRECISION && *score > 0)
        *score /= (double)count_different(ranking);
    return AS_OK;
}

static const char *const gains[] = {"linear", "exp", NULL};
static const as_setting_spec settings[] = {
    {.name = "level", .kind = AS_SETTING_NUMBER, .low = 1e-9, .high = 1e9, .otherwise = 1},
    {.name = NULL},
};
static const as_setting_spec ndcg_settings[] = {
    {.name = "level", .kind = AS_SETTING_NUMBER, .low = 1e-9, .high = 1e9, .otherwise = 1},
    {.name = "gain", .kind = AS_SETTING_CHOICE, .choices = gains},
    {.name = NULL},
};

#define RANKING(metric_name, number, line)                                                         \
    {                                                                                              \
        .name = metric_name, .text = line, .kind = AS_METRIC_MEAN,                                 \
        .flags = AS_METRIC_UNIT | AS_METRIC_BOUNDED,                                               \
        .settings = number == NDCG ? ndcg_settings : settings, .score = score_ranking,             \
        .variant = number                                                                          \
    }

const as_metric_ops as_retrieval_metrics[] = {
    RANKING("recall@K", RECALL, "mean share of the relevant ids that are among the first K"),
    RANKING("precision@K", PRECISION, "mean share of the first K that is relevant"),
    RANKING("hit@K", HIT, "share of cases with a relevant id among the first K"),
    RANKING("id_based_context_precision", CONTEXT_PRECISION,
            "mean share of the ids that came which is relevant (ragas)"),
    RANKING("id_based_context_recall", RECALL,
            "mean share of the relevant ids that came, at any place (ragas)"),
    RANKING("mrr", MRR, "mean of 1 / place of the first relevant id"),
    RANKING("mrr@K", MRR, "the same among the first K"),
    RANKING("map", MAP, "mean average precision of the rankings"),
    RANKING("map@K", MAP, "the same among the first K"),
    RANKING("ndcg", NDCG, "mean discounted gain of the ranking as a share of the best possible"),
    RANKING("ndcg@K", NDCG, "the same over the first K (gain: linear or exp)"),
    {.name = NULL},
};
