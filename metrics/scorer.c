// SPDX-License-Identifier: Apache-2.0
#include "metrics/scorer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/utf8.h"
#include "metrics/estimate.h"
#include "metrics/kept/sorted.h"
#include "metrics/latency.h"
#include "metrics/num.h"

// A matrix of more classes than this is no picture, and free texts are no classes.
enum { CONFUSION_LABELS_MAX = 256 };

struct as_foretold {
    size_t count;
    struct {
        bool known;
        double score;
        const double *stats; // [width]
    } metrics[];             // of each of the specs
};

// Whether score and statistics of a case are the same for both.
static bool score_alike(const as_metric *a, const as_metric *b) {
    unsigned both = a->ops->flags & b->ops->flags;
    if (a->normal != b->normal) return false;
    if (both & AS_METRIC_CURVE) return as_str_eq(a->settings[0].text, b->settings[0].text);
    return both & AS_METRIC_HIT && a->normal == AS_NORMAL_NONE;
}

static as_rc add_metric(as_scorer *scorer, const as_metric_spec *spec, as_err *err) {
    as_metric *metric = &scorer->metrics[scorer->metric_count];
    as_rc rc = as_metric_resolve(&scorer->arena, spec, metric, err);
    if (rc != AS_OK) return rc;
    if (as_rows_metric(scorer, metric->name)) {
        rc =
            as_fail(err, AS_INVALID, "metric '%.*s' is asked for twice; name one of them with 'as'",
                    AS_STR_ARG(metric->name));
        as_metric_release(metric);
        return rc;
    }
    const as_metric *like = NULL;
    for (size_t i = 0; !like && i < scorer->metric_count; i++)
        if (score_alike(&scorer->metrics[i], metric)) like = &scorer->metrics[i];
    metric->index = like ? like->index : scorer->score_count++;
    metric->at = like ? like->at : scorer->stats_width;
    metric->shares = like != NULL;
    if (!like) scorer->stats_width += metric->width;
    scorer->metric_count++;
    scorer->has_labels |= (metric->ops->flags & AS_METRIC_LABELS) != 0;
    scorer->has_classes |= (metric->ops->flags & AS_METRIC_CLASSES) != 0;
    scorer->has_texts |= (metric->ops->flags & AS_METRIC_TEXTS) != 0;
    return AS_OK;
}

static as_rc new_articles(as_regex **out, as_err *err) {
    return as_regex_new(AS_STR("\\b(a|an|the)\\b"), 0, out, err);
}

as_rc as_scorer_new(const as_metric_spec *specs, size_t count, as_scorer **out, as_err *err) {
    as_scorer *scorer = as_mem_new(sizeof *scorer);
    scorer->metrics = AS_NEW_ARRAY(&scorer->arena, as_metric, count + 1);
    as_rc rc = new_articles(&scorer->articles, err);
    for (size_t i = 0; rc == AS_OK && i < count; i++) rc = add_metric(scorer, &specs[i], err);
    if (rc != AS_OK)
        as_scorer_free(scorer);
    else
        *out = scorer;
    return rc;
}

void as_scorer_free(as_scorer *scorer) {
    if (!scorer) return;
    for (size_t i = 0; i < scorer->metric_count; i++) as_metric_release(&scorer->metrics[i]);
    as_names *names[] = {&scorer->labels, &scorer->slices, &scorer->texts};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        as_map_free(&names[i]->map);
        free(names[i]->items);
    }
    if (scorer->articles) as_regex_free(scorer->articles);
    as_sorter_free(scorer->packs);
    as_spill_free(&scorer->clusters);
    as_buf_free(&scorer->packed);
    as_arena_free(&scorer->arena);
    as_arena_free(&scorer->sealed);
    as_arena_free(&scorer->scratch);
    as_buf_free(&scorer->text);
    free(scorer->kept);
    free(scorer);
}

static bool is_scalar(const as_json *value) {
    return value->kind == AS_JSON_STRING || value->kind == AS_JSON_NUMBER ||
           value->kind == AS_JSON_BOOL;
}

// The expected value as texts: a scalar is one, a list of scalars is several that are all right.
static size_t gold_texts(as_arena *arena, const as_json *expected, const as_str **out) {
    bool list = expected && expected->kind == AS_JSON_ARRAY;
    if (!expected || (!list && !is_scalar(expected))) return 0;
    size_t count = list ? expected->count : 1, n = 0;
    as_str *texts = AS_NEW_ARRAY(arena, as_str, count + 1);
    for (const as_json *item = list ? expected->child : expected; n < count; item = item->next) {
        if (!is_scalar(item)) return 0;
        texts[n++] = as_json_plain(arena, item);
    }
    *out = texts;
    return count;
}

// Probabilities of the choices, from their log-probabilities; NULL when none is above zero. NaN is
// how a journal gives back an impossible choice's -inf.
static const double *softmax(as_arena *arena, const double *logs, size_t count) {
    double most = -INFINITY, *out = AS_NEW_ARRAY(arena, double, count + 1);
    as_num_sum sum = {0};
    for (size_t i = 0; i < count; i++)
        if (logs[i] > most) most = logs[i];
    if (!isfinite(most)) return NULL;
    for (size_t i = 0; i < count; i++) {
        out[i] = isnan(logs[i]) ? 0 : as_num_exp(logs[i] - most);
        as_num_add(&sum, out[i]);
    }
    for (size_t i = 0; i < count; i++) out[i] /= as_num_total(&sum);
    return out;
}

static void read_choices(as_scoring *scoring) {
    const as_sample *sample = scoring->sample;
    scoring->gold_choice = scoring->best_choice = SIZE_MAX;
    if (!sample->choice_count || !sample->choice_logprobs || !sample->choices) return;
    scoring->probabilities = softmax(scoring->arena, sample->choice_logprobs, sample->choice_count);
    for (size_t i = 0; i < sample->choice_count; i++) {
        if (scoring->probabilities &&
            (scoring->best_choice == SIZE_MAX ||
             scoring->probabilities[i] > scoring->probabilities[scoring->best_choice]))
            scoring->best_choice = i;
        for (size_t g = 0; g < scoring->gold_count; g++)
            if (as_str_eq(sample->choices[i], scoring->golds[g]) &&
                scoring->gold_choice == SIZE_MAX)
                scoring->gold_choice = i;
    }
}

static void keep_stats(size_t at, const double *stats, size_t width, as_stat *kept, size_t *count) {
    for (size_t i = 0; i < width; i++)
        if (stats[i] != 0) kept[(*count)++] = (as_stat){(uint32_t)(at + i), stats[i]};
}

static void normalize(as_normal_form form, as_scoring *scoring) {
    as_str *golds = AS_NEW_ARRAY(scoring->arena, as_str, scoring->gold_count + 1);
    for (size_t i = 0; i < scoring->gold_count; i++)
        golds[i] = as_normal_str(scoring->arena, form, scoring->golds[i]);
    scoring->golds = golds;
    scoring->prediction = as_normal_str(scoring->arena, form, scoring->prediction);
}

// Statistics that a case may have of a metric: ranked ones have one a choice.
static size_t width_of(const as_metric *metric, const as_scoring *scoring) {
    size_t choices = scoring->sample->choice_count + 1;
    bool fewer = metric->ops->kind == AS_METRIC_RANKED && choices < metric->width;
    return fewer ? choices : metric->width;
}

static as_rc score_one(const as_metric *metric, const as_scoring *scoring, double *score,
                       double *stats, as_err *err) {
    if (metric->normal == AS_NORMAL_NONE)
        return metric->ops->score(metric, scoring, score, stats, err);
    as_scoring normal = *scoring;
    normalize(metric->normal, &normal);
    return metric->ops->score(metric, &normal, score, stats, err);
}

static as_rc score_metrics(as_scorer *scorer, const as_scoring *scoring,
                           const as_foretold *foretold, as_row *row, as_err *err) {
    as_arena *scratch = scoring->arena;
    if (!scorer->kept) scorer->kept = as_mem_new((scorer->stats_width + 1) * sizeof(as_stat));
    as_stat *kept = scorer->kept;
    double *scores = AS_NEW_ARRAY(scratch, double, scorer->score_count + 1);
    size_t count = 0;
    for (size_t i = 0; i < scorer->metric_count; i++) {
        const as_metric *metric = &scorer->metrics[i];
        if (metric->shares) continue;
        double *score = &scores[metric->index];
        *score = NAN;
        if (metric->ops->flags & AS_METRIC_RUN) continue;
        size_t width = width_of(metric, scoring);
        if (foretold && i < foretold->count && foretold->metrics[i].known) {
            *score = foretold->metrics[i].score;
            keep_stats(metric->at, foretold->metrics[i].stats, width, kept, &count);
            continue;
        }
        double *stats = width ? AS_NEW_ARRAY(scratch, double, width) : NULL;
        as_rc rc = score_one(metric, scoring, score, stats, err);
        if (rc != AS_OK) return rc;
        keep_stats(metric->at, stats, width, kept, &count);
    }
    row->scores = scores;
    row->stats = kept;
    row->stat_count = count;
    return AS_OK;
}

// The expected label is the one that was predicted, where that is among several right ones.
static void keep_labels(as_scorer *scorer, const as_scoring *scoring, as_row *row) {
    if (!scorer->has_classes || !scoring->gold_count) return;
    as_str gold = scoring->golds[0];
    bool answered = scoring->sample->has_prediction && !row->missing;
    for (size_t i = 0; answered && i < scoring->gold_count; i++)
        if (as_str_eq(scoring->golds[i], scoring->prediction)) gold = scoring->golds[i];
    // Free texts are no classes: once there are more than a matrix shows, only metrics that count
    // labels still want them.
    if (!scorer->has_labels && scorer->labels.count > CONFUSION_LABELS_MAX) return;
    row->gold = as_rows_name(scorer, &scorer->labels, gold);
    if (!answered) return;
    row->pred = as_str_eq(gold, scoring->prediction)
                    ? row->gold
                    : as_rows_name(scorer, &scorer->labels, scoring->prediction);
}

static void keep_gold_count(as_scorer *scorer, size_t count) {
    if (!scorer->gold_least || count < scorer->gold_least) scorer->gold_least = count;
    if (count > scorer->gold_most) scorer->gold_most = count;
}

// Slices are a set: a tag written twice is one tag.
static void keep_slices(as_scorer *scorer, const as_sample *sample, as_row *row) {
    uint32_t *slices = AS_NEW_ARRAY(&scorer->scratch, uint32_t, sample->slice_count + 1);
    row->slices = slices;
    for (size_t i = 0; i < sample->slice_count; i++) {
        uint32_t slice = as_rows_name(scorer, &scorer->slices, sample->slices[i]);
        if (!as_rows_in_slice(row, slice)) slices[row->slice_count++] = slice;
    }
}

static void keep_expected(as_scorer *scorer, const as_sample *sample, as_row *row) {
    as_buf_clear(&scorer->text);
    if (sample->expected) as_json_write_sorted(&scorer->text, sample->expected);
    row->expected = as_str_hash(as_buf_view(&scorer->text));
}

static double time_per_token(const as_sample *sample) {
    if (sample->tokens_out < 2 || !(sample->latency_ms >= sample->ttft_ms)) return NAN;
    return (sample->latency_ms - sample->ttft_ms) / (double)(sample->tokens_out - 1);
}

static as_row make_row(as_scorer *scorer, const as_sample *sample) {
    as_row row = {.id = sample->id,
                  .weight = sample->weight > 0 ? sample->weight : 1,
                  .gold = AS_ROWS_NONE,
                  .pred = AS_ROWS_NONE,
                  .said = AS_ROWS_NONE,
                  .sample = sample->sample,
                  .outcome = sample->outcome,
                  .missing = as_outcome_is_error(sample->outcome),
                  .latency_ms = sample->latency_ms,
                  .ttft_ms = sample->ttft_ms,
                  .tpot_ms = time_per_token(sample),
                  .cost = isfinite(sample->cost) ? sample->cost : 0,
                  .tokens_in = sample->tokens_in,
                  .tokens_out = sample->tokens_out};
    keep_expected(scorer, sample, &row);
    keep_slices(scorer, sample, &row);
    return row;
}

static void set_scores(const as_scorer *scorer, as_arena *arena, const as_row *row,
                       as_sample *sample) {
    as_score *scores = AS_NEW_ARRAY(arena, as_score, scorer->metric_count + 1);
    sample->score_count = 0;
    for (size_t i = 0; i < scorer->metric_count; i++) {
        if (scorer->metrics[i].ops->flags & AS_METRIC_RUN) continue;
        double value = as_rows_score(&scorer->metrics[i], row);
        scores[sample->score_count++] = (as_score){scorer->metrics[i].name, value};
    }
    sample->scores = scores;
}

static void begin_scoring(as_scoring *scoring, as_arena *arena, const as_regex *articles,
                          const as_sample *sample) {
    *scoring = (as_scoring){.arena = arena, .sample = sample, .articles = articles};
    scoring->gold_count = gold_texts(arena, sample->expected, &scoring->golds);
    if (as_outcome_is_error(sample->outcome)) return;
    if (sample->has_prediction) scoring->prediction = as_utf8_clean(arena, sample->prediction);
    read_choices(scoring);
}

// Scores a sample whose row was made.
static as_rc score(as_scorer *scorer, const as_sample *sample, const as_foretold *foretold,
                   as_scoring *scoring, as_row *row, as_err *err) {
    begin_scoring(scoring, &scorer->scratch, scorer->articles, sample);
    return row->missing ? AS_OK : score_metrics(scorer, scoring, foretold, row, err);
}

as_rc as_scorer_try(as_scorer *scorer, const as_sample *sample, as_err *err) {
    as_scoring scoring;
    as_row row = {.missing = as_outcome_is_error(sample->outcome)};
    as_arena_reset(&scorer->scratch);
    return score(scorer, sample, NULL, &scoring, &row, err);
}

as_rc as_scorer_add(as_scorer *scorer, as_arena *arena, as_sample *sample, as_err *err) {
    return as_scorer_add_foretold(scorer, arena, sample, NULL, err);
}

as_rc as_scorer_add_foretold(as_scorer *scorer, as_arena *arena, as_sample *sample,
                             const as_foretold *foretold, as_err *err) {
    as_arena_reset(&scorer->scratch);
    as_scoring scoring;
    as_row row = make_row(scorer, sample);
    as_rc rc = score(scorer, sample, foretold, &scoring, &row, err);
    if (rc != AS_OK) return rc;
    if (!row.missing) keep_gold_count(scorer, scoring.gold_count);
    keep_labels(scorer, &scoring, &row);
    if (scorer->has_texts && sample->has_prediction && !row.missing)
        row.said = as_rows_name(scorer, &scorer->texts, scoring.prediction);
    as_rows_keep(scorer, &row, sample->cluster);
    if (arena) set_scores(scorer, arena, &row, sample);
    return AS_OK;
}

// ---- beforehand ----

struct as_forescorer {
    as_arena arena, scratch;
    as_metric *metrics; // [count] of the specs; those that are not dear are empty
    size_t count;
    as_regex *articles;
};

// Those with files of their own would have them twice in memory.
static bool is_dear(const as_metric *metric) {
    const as_setting_spec *specs = metric->ops->settings;
    for (size_t i = 0; specs && specs[i].name; i++)
        if (specs[i].kind == AS_SETTING_PATH && metric->settings[i].given) return false;
    return metric->ops->flags & AS_METRIC_DEAR;
}

as_rc as_forescorer_new(const as_scorer *scorer, const as_metric_spec *specs, as_forescorer **out,
                        as_err *err) {
    size_t count = scorer->metric_count, dear = 0;
    *out = NULL;
    for (size_t i = 0; i < count; i++) dear += is_dear(&scorer->metrics[i]);
    if (!dear) return AS_OK;
    as_forescorer *f = as_mem_new(sizeof *f);
    f->metrics = AS_NEW_ARRAY(&f->arena, as_metric, count);
    f->count = count;
    as_rc rc = new_articles(&f->articles, err);
    for (size_t i = 0; !rc && i < count; i++) {
        if (!is_dear(&scorer->metrics[i])) continue;
        rc = as_metric_resolve(&f->arena, &specs[i], &f->metrics[i], err);
        if (rc) f->metrics[i].ops = NULL; // there is nothing to release
    }
    if (rc)
        as_forescorer_free(f);
    else
        *out = f;
    return rc;
}

void as_forescorer_free(as_forescorer *f) {
    if (!f) return;
    for (size_t i = 0; i < f->count; i++)
        if (f->metrics[i].ops) as_metric_release(&f->metrics[i]);
    if (f->articles) as_regex_free(f->articles);
    as_arena_free(&f->scratch);
    as_arena_free(&f->arena);
    free(f);
}

const as_foretold *as_forescorer_score(as_forescorer *f, as_arena *arena, const as_sample *sample) {
    if (as_outcome_is_error(sample->outcome)) return NULL;
    as_foretold *out = as_arena_take(arena, sizeof *out + f->count * sizeof out->metrics[0]);
    as_scoring scoring;
    out->count = f->count;
    as_arena_reset(&f->scratch);
    begin_scoring(&scoring, &f->scratch, f->articles, sample);
    for (size_t i = 0; i < f->count; i++) {
        out->metrics[i].known = false;
        if (!f->metrics[i].ops) continue;
        as_err ignored;
        size_t width = width_of(&f->metrics[i], &scoring);
        double *stats = AS_NEW_ARRAY(arena, double, width + 1);
        out->metrics[i].score = NAN;
        out->metrics[i].known =
            !score_one(&f->metrics[i], &scoring, &out->metrics[i].score, stats, &ignored);
        out->metrics[i].stats = stats;
    }
    return out;
}

bool as_scorer_twice(as_scorer *scorer, as_arena *arena, as_str *id, uint64_t *sample) {
    as_rows_seal(scorer);
    if (!as_sorter_has_twins(scorer->packs)) return false;
    as_rows_cursor cursor = as_rows_answers(scorer);
    as_buf before = {0};
    bool found = false;
    *sample = UINT64_MAX;
    for (const as_row *row; !found && (row = as_rows_next(&cursor));) {
        found = row->sample == *sample && as_str_eq(row->id, as_buf_view(&before));
        *sample = row->sample;
        as_buf_clear(&before);
        as_buf_str(&before, row->id);
    }
    *id = as_str_copy(arena, as_buf_view(&before));
    as_buf_free(&before);
    as_rows_done(&cursor);
    return found;
}

as_rc as_twins_look(as_twins *twins, const as_sample *sample, as_err *err) {
    if (!as_str_eq(sample->id, twins->id) || sample->sample != twins->sample) return AS_OK;
    if (twins->met)
        return as_fail(err, AS_INVALID, "case '%.*s' was scored twice", AS_STR_ARG(sample->id));
    twins->met = true;
    return AS_OK;
}

double as_scorer_case(as_scorer *scorer, as_str id) {
    as_rows_seal(scorer);
    as_rows_cursor cursor = as_rows_find(scorer, id);
    const as_row *row = as_rows_next(&cursor);
    double score = row ? as_rows_first_score(scorer, row) : NAN;
    as_rows_done(&cursor);
    return score;
}

void as_scorer_latencies(as_scorer *scorer, as_arena *arena, const double **out, size_t *count) {
    as_sorted sorted = {0};
    as_rows_seal(scorer);
    as_rows_cursor cursor = as_rows_answers(scorer);
    const as_row *row;
    while ((row = as_rows_next(&cursor)))
        if (!row->missing && !isnan(row->latency_ms)) as_sorted_add(&sorted, row->latency_ms);
    as_sorted_seal(&sorted);
    size_t all = sorted.count;
    *count = all < AS_SCORER_LATENCIES_MAX ? all : AS_SCORER_LATENCIES_MAX;
    double *values = AS_NEW_ARRAY(arena, double, *count + 1), value;
    as_sorted_reader reader = as_sorted_read(&sorted);
    // In order: at a place of a file each would be a read of its own.
    for (size_t i = 0, place = 0; i < *count && as_sorted_next(&reader, &value); place++) {
        size_t wanted =
            *count == all ? i : (size_t)((double)i * (double)(all - 1) / (double)(*count - 1));
        if (place == wanted) values[i++] = value;
    }
    as_sorted_done(&reader);
    *out = values;
    as_sorted_free(&sorted);
}

static void summarize_times(as_sorted sorted[3], as_summary *summary) {
    as_latency *const outs[] = {&summary->latency, &summary->ttft, &summary->tpot};
    summary->p99_withheld = AS_STR("");
    for (size_t i = 0; i < 3; i++) {
        as_sorted_seal(&sorted[i]);
        *outs[i] = as_latency_of(&sorted[i]);
        if (sorted[i].count && isnan(outs[i]->p99))
            summary->p99_withheld = AS_STR("fewer than 100 times: none lies beyond a p99");
        as_sorted_free(&sorted[i]);
    }
}

static void count_answers(const as_scorer *scorer, as_summary *summary) {
    as_num_sum cost = {0};
    as_sorted sorted[3] = {{0}};
    as_rows_cursor cursor = as_rows_answers(scorer);
    const as_row *row;
    while ((row = as_rows_next(&cursor))) {
        summary->outcomes[row->outcome]++;
        summary->answer_errors += row->missing;
        summary->tokens_in += row->tokens_in;
        summary->tokens_out += row->tokens_out;
        as_num_add(&cost, row->cost);
        const double times[] = {row->latency_ms, row->ttft_ms, row->tpot_ms};
        for (size_t i = 0; !row->missing && i < 3; i++)
            if (!isnan(times[i])) as_sorted_add(&sorted[i], times[i]);
    }
    summary->cost_total = as_num_total(&cost);
    summarize_times(sorted, summary);
}

static void summarize_counts(const as_scorer *scorer, as_summary *summary) {
    memset(summary->outcomes, 0, sizeof summary->outcomes);
    if (!summary->total) summary->total = scorer->row_count;
    summary->ok = summary->errors = summary->tokens_in = summary->tokens_out = 0;
    summary->answer_errors = 0;
    count_answers(scorer, summary);
    summary->answers = scorer->has_several ? scorer->answer_count : 0;
    as_rows_cursor cursor = as_rows_cases(scorer);
    const as_row *row;
    if (!scorer->has_several) // cases are answers
        summary->ok = scorer->row_count - summary->answer_errors;
    else
        while ((row = as_rows_next(&cursor))) summary->ok += as_rows_whole(row);
    summary->errors = scorer->row_count - summary->ok;
    summary->cost_per_case =
        scorer->row_count ? summary->cost_total / (double)scorer->row_count : NAN;
    double wall = summary->wall_s > 0 ? summary->wall_s : NAN;
    summary->cases_per_s = (double)scorer->row_count / wall;
    summary->tokens_in_per_s = (double)summary->tokens_in / wall;
    summary->tokens_out_per_s = (double)summary->tokens_out / wall;
}

static void summarize_slices(as_scorer *scorer, as_arena *arena, as_summary *summary) {
    size_t count = scorer->slices.count;
    as_slice_values *slices = AS_NEW_ARRAY(arena, as_slice_values, count + 1);
    for (size_t i = 0; i < count; i++) {
        uint32_t slice = AS_ROWS_NONE;
        as_str name = scorer->slices.sorted[i];
        as_rows_slice(scorer, name, &slice);
        slices[i] = (as_slice_values){.slice = as_str_copy(arena, name),
                                      .values = as_estimate_all(arena, scorer, slice),
                                      .count = scorer->metric_count};
    }
    summary->slices = slices;
    summary->slice_count = count;
}

void as_scorer_summarize(as_scorer *scorer, as_arena *arena, as_summary *summary) {
    as_rows_seal(scorer);
    summarize_counts(scorer, summary);
    summary->metrics = as_estimate_all(arena, scorer, AS_ROWS_NONE);
    summary->metric_count = scorer->metric_count;
    summarize_slices(scorer, arena, summary);
}

void as_scorer_confusion(as_scorer *scorer, as_arena *arena, as_confusion *out) {
    *out = (as_confusion){0};
    as_rows_seal(scorer);
    size_t known = scorer->labels.count, count = known;
    if (!scorer->has_classes || !known || known > CONFUSION_LABELS_MAX) return;
    as_rows_cursor cursor = as_rows_answers(scorer);
    const as_row *row;
    while ((row = as_rows_next(&cursor)))
        if (row->gold != AS_ROWS_NONE && row->pred == AS_ROWS_NONE && !row->missing)
            count = known + 1; // a column for cases without an answer
    as_str *labels = AS_NEW_ARRAY(arena, as_str, count);
    uint64_t *cells = AS_NEW_ARRAY(arena, uint64_t, count * count);
    for (size_t i = 0; i < known; i++) labels[i] = as_str_copy(arena, scorer->labels.sorted[i]);
    if (count > known) labels[known] = AS_STR("(no answer)");
    cursor = as_rows_answers(scorer);
    while ((row = as_rows_next(&cursor))) {
        if (row->gold == AS_ROWS_NONE || row->missing) continue;
        size_t pred = row->pred == AS_ROWS_NONE ? known : scorer->labels.ranks[row->pred];
        cells[scorer->labels.ranks[row->gold] * count + pred]++;
    }
    *out = (as_confusion){labels, cells, count};
}
