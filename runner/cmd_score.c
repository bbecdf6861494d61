// SPDX-License-Identifier: Apache-2.0
// assay score FILE... - metrics of recorded answers: no suite, no target, no history.
#include <math.h>

#include "metrics/num.h"
#include "metrics/scorer.h"
#include "reports/report.h"
#include "runner/checks/checks.h"
#include "runner/commands.h"
#include "runner/outputs.h"
#include "runner/recorded/ahead.h"
#include "runner/vectors/similar.h"

enum { LINE_SIZE_MAX = 64 * 1024 * 1024 };

#define SUM_SLACK 1e-3 // rounded probabilities add up to nearly 1

typedef struct reading {
    as_scorer *scorer;
    as_forescorer *fore[AS_AHEAD_THREADS]; // NULL: scores wait for the scorer
    as_arena arena;                        // of the line at hand, beside what was parsed of it
    uint64_t cases;
    as_checks *checks;   // NULL: no metric is code of the suite
    as_similar *similar; // NULL: no metric needs embeddings. Else these wait for theirs together:
    as_arena held_arena;
    as_sample *held[AS_SIMILAR_BATCH];
    uint64_t held_lines[AS_SIMILAR_BATCH];
    size_t held_count;
    as_twins twins; // where one is looked for nothing is scored
} reading;

// "accuracy,{name: bleu, tokenize: intl}" is the inside of a YAML list.
static as_rc read_metrics(const as_args *args, as_arena *arena, const as_metric_spec **out,
                          size_t *count, as_err *err) {
    as_buf text = {0};
    for (size_t i = 0; i < args->metrics.count; i++)
        as_buff(&text, "%s%.*s", i ? ", " : "[", AS_STR_ARG(args->metrics.items[i]));
    as_buf_char(&text, ']');
    const as_yaml *list;
    as_rc rc =
        as_yaml_parse(arena, as_str_copy(arena, as_buf_view(&text)), "--metrics", &list, err);
    as_buf_free(&text);
    if (rc) return rc;
    as_metric_spec *specs = AS_NEW_ARRAY(arena, as_metric_spec, list->count + 1);
    *count = 0;
    for (const as_yaml *item = list->child; item; item = item->next) {
        const as_yaml *name = item->kind == AS_YAML_MAP ? as_yaml_get(item, "name") : item;
        if (!name || name->kind != AS_YAML_STRING)
            return as_fail(err, AS_INVALID,
                           "--metrics: expected names, or maps such as {name: bleu, tokenize: "
                           "intl}, found %s",
                           item->kind == AS_YAML_MAP ? "a map without 'name'"
                                                     : as_yaml_kind_name(item->kind));
        specs[(*count)++] =
            (as_metric_spec){.name = name->text, .options = name == item ? NULL : item};
    }
    *out = specs;
    return AS_OK;
}

static as_rc bad_probabilities(const char *wanted, as_err *err) {
    return as_fail(err, AS_INVALID, "'probabilities' must be %s", wanted);
}

static as_rc check_probabilities(const double *p, size_t count, as_err *err) {
    as_num_sum sum = {0};
    for (size_t i = 0; i < count; i++) {
        if (!(p[i] >= 0 && p[i] <= 1)) return bad_probabilities("numbers from 0 to 1", err);
        as_num_add(&sum, p[i]);
    }
    if (!(fabs(as_num_total(&sum) - 1) <= SUM_SLACK))
        return as_fail(err, AS_INVALID, "'probabilities' must add up to 1, not %g",
                       as_num_total(&sum));
    return AS_OK;
}

// Where the line names no choices: the classes 0, 1, ...; false and true beside an expected bool.
static as_str class_name(as_arena *arena, const as_sample *sample, size_t index) {
    bool truth = sample->expected && sample->expected->kind == AS_JSON_BOOL;
    if (truth && index < 2) return index ? AS_STR("true") : AS_STR("false");
    return as_strf(arena, "%zu", index);
}

// Choices and their log-probabilities from `probabilities`, in whichever form it has.
static as_rc take_probabilities(as_arena *arena, const as_json *given, as_sample *sample,
                                as_err *err) {
    bool one = given->kind == AS_JSON_NUMBER, named = given->kind == AS_JSON_OBJECT;
    if (!one && !named && given->kind != AS_JSON_ARRAY)
        return bad_probabilities("a number, a list or an object of numbers", err);
    size_t count = one ? 2 : given->count, n = 0;
    if (!count) return bad_probabilities("of at least one choice", err);
    if (!named && sample->choice_count && sample->choice_count != count)
        return as_fail(err, AS_INVALID, "'probabilities' has %zu numbers for %zu choices", count,
                       sample->choice_count);
    double *p = AS_NEW_ARRAY(arena, double, count + 1);
    as_str *choices = AS_NEW_ARRAY(arena, as_str, count + 1);
    for (const as_json *m = one ? given : given->child; n < count; m = one ? m : m->next, n++) {
        if (m->kind != AS_JSON_NUMBER) return bad_probabilities("numbers from 0 to 1", err);
        p[n] = one && !n ? 1 - m->number : m->number;
        choices[n] = named                  ? m->key
                     : sample->choice_count ? sample->choices[n]
                                            : class_name(arena, sample, n);
    }
    as_rc rc = check_probabilities(p, count, err);
    if (rc) return rc;
    for (size_t i = 0; i < count; i++) p[i] = as_num_log(p[i]);
    if (one || named) sample->unconditional_logprobs = NULL; // of choices in another order
    sample->choices = choices;
    sample->choice_logprobs = p;
    sample->choice_count = count;
    return AS_OK;
}

// The answer: prediction, else output, else the likeliest choice. null is no answer.
static void take_answer(as_arena *arena, const as_json *line, as_sample *sample) {
    const as_json *output = as_json_get(line, "output");
    if (output && output->kind != AS_JSON_NULL) sample->output = as_json_plain(arena, output);
    if (as_json_get(line, "prediction")) return;
    if (output) {
        sample->has_prediction = output->kind != AS_JSON_NULL;
        sample->prediction = sample->output;
        return;
    }
    size_t best = SIZE_MAX;
    for (size_t i = 0; sample->choice_logprobs && i < sample->choice_count; i++)
        if (best == SIZE_MAX || sample->choice_logprobs[i] > sample->choice_logprobs[best])
            best = i;
    if (best == SIZE_MAX) return;
    sample->has_prediction = true;
    sample->prediction = sample->output = sample->choices[best];
}

// Tags are slices, as in a suite with `slices: [tags]`.
static void take_tags(as_arena *arena, const as_json *tags, as_sample *sample) {
    if (!tags || tags->kind != AS_JSON_ARRAY) return;
    as_str *slices = AS_NEW_ARRAY(arena, as_str, sample->slice_count + tags->count + 1);
    size_t n = 0;
    for (; n < sample->slice_count; n++) slices[n] = sample->slices[n];
    for (const as_json *tag = tags->child; tag; tag = tag->next)
        slices[n++] = as_strf(arena, "tag=%.*s", AS_STR_ARG(as_json_plain(arena, tag)));
    sample->slices = slices;
    sample->slice_count = n;
}

static as_rc parse_line(void *forescorer, as_arena *arena, as_str text, as_ahead_line *out,
                        as_err *err) {
    as_sample *sample = &out->sample;
    if (as_json_parse(arena, text, &out->json, err)) return AS_INVALID;
    const as_json *line = out->json;
    as_rc rc = as_sample_of(arena, line, sample, err);
    if (rc) return rc;
    const as_json *id = as_json_get(line, "id"), *given = as_json_get(line, "probabilities");
    const as_json *cluster = as_json_get(line, "cluster");
    if (id && id->kind != AS_JSON_NULL) sample->id = as_json_plain(arena, id);
    if (cluster && cluster->kind != AS_JSON_NULL) sample->cluster = as_json_plain(arena, cluster);
    if (!(sample->weight > 0 && isfinite(sample->weight)))
        return as_fail(err, AS_INVALID, "'weight' must be above 0, not %g", sample->weight);
    if (given && given->kind != AS_JSON_NULL) rc = take_probabilities(arena, given, sample, err);
    if (rc) return rc;
    take_answer(arena, line, sample);
    take_tags(arena, as_json_get(line, "tags"), sample);
    if (forescorer) out->more = as_forescorer_score(forescorer, arena, sample);
    return AS_OK;
}

static as_rc score_line(reading *r, as_ahead_line *line, as_err *err) {
    as_sample *sample = &line->sample;
    as_rc rc = AS_OK;
    if (!sample->id.len) sample->id = as_strf(&r->arena, "case %llu", (unsigned long long)r->cases);
    r->cases++;
    if (r->twins.id.len) return as_twins_look(&r->twins, sample, err);
    if (r->checks) rc = as_checks_fill(r->checks, &r->arena, sample, line->json, AS_STR(""), err);
    if (rc) return rc;
    if (!r->similar) return as_scorer_add_foretold(r->scorer, NULL, sample, line->more, err);
    r->held_lines[r->held_count] = line->number;
    r->held[r->held_count++] = as_sample_copy(&r->held_arena, sample);
    return AS_OK;
}

// Samples that are held get their embeddings and are scored.
static as_rc score_held(reading *r, const char *path, as_err *err) {
    as_rc rc = AS_OK;
    if (r->held_count)
        rc = as_similar_fill(r->similar, &r->held_arena, r->held, r->held_count, err);
    for (size_t i = 0; !rc && i < r->held_count; i++) {
        rc = as_scorer_add(r->scorer, NULL, r->held[i], err);
        if (rc) as_err_prefix(err, "%s:%llu", path, (unsigned long long)r->held_lines[i]);
    }
    r->held_count = 0;
    as_arena_reset(&r->held_arena);
    return rc;
}

static as_rc score_file(reading *r, as_str name, as_err *err) {
    as_ahead *ahead = NULL;
    as_arena names = {0};
    const char *path = as_str_is(name, "-") ? "/dev/stdin" : as_str_copy(&names, name).ptr;
    void *contexts[AS_AHEAD_THREADS];
    for (size_t i = 0; i < AS_AHEAD_THREADS; i++) contexts[i] = r->fore[i];
    as_rc rc = as_ahead_open(path, LINE_SIZE_MAX, parse_line, contexts, &ahead, err);
    while (!rc) {
        as_ahead_line *line;
        rc = as_ahead_next(ahead, &line, err);
        if (rc || !line) break;
        rc = score_line(r, line, err);
        if (rc) as_err_prefix(err, "%s:%llu", path, (unsigned long long)line->number);
        if (!rc && r->held_count == AS_SIMILAR_BATCH) rc = score_held(r, path, err);
        as_arena_reset(&r->arena);
    }
    if (!rc) rc = score_held(r, path, err);
    as_ahead_close(ahead);
    as_arena_free(&names);
    return rc;
}

// Which line stands for a case that another did before is known only once all were read: they are
// read again, where that can be.
static as_rc refuse_twice(const as_args *args, reading *r, as_arena *arena, as_err *err) {
    reading again = {0};
    if (!as_scorer_twice(r->scorer, arena, &again.twins.id, &again.twins.sample)) return AS_OK;
    as_rc rc = AS_OK;
    for (size_t i = 0; !rc && i < args->operands.count; i++)
        rc = score_file(&again, args->operands.items[i], err);
    as_arena_free(&again.arena);
    if (rc) return rc;
    return as_fail(err, AS_INVALID, "case '%.*s' was scored twice", AS_STR_ARG(again.twins.id));
}

static as_rc print(const as_args *args, reading *r, as_arena *arena, as_err *err) {
    as_summary summary = {0};
    as_buf text = {0};
    as_scorer_summarize(r->scorer, arena, &summary);
    if (args->json) {
        as_json_out out = {.buf = &text, .indent = 1};
        as_values_write(&out, summary.metrics, summary.metric_count);
        as_buf_char(&text, '\n');
    } else {
        as_report_values_terminal(&text, &summary, as_outputs_color(args->no_color),
                                  as_outputs_columns());
    }
    as_rc rc = as_outputs_print(as_buf_view(&text), err);
    as_buf_free(&text);
    return rc;
}

int as_cmd_score(const as_args *args) {
    as_err err = {0};
    if (!args->operands.count || !args->metrics.count) {
        as_fail(&err, AS_INVALID, "score: %s (see: assay help score)",
                args->operands.count ? "say what to compute: --metrics accuracy,f1_macro"
                                     : "name a file of JSON Lines, or - for stdin");
        return as_command_fail(&err);
    }
    as_arena arena = {0};
    reading r = {0};
    const as_metric_spec *specs = NULL;
    size_t count = 0;
    as_rc rc = read_metrics(args, &arena, &specs, &count, &err);
    if (!rc && !count) rc = as_fail(&err, AS_INVALID, "--metrics names no metric");
    if (!rc && (rc = as_scorer_new(specs, count, &r.scorer, &err)))
        as_err_prefix(&err, "--metrics");
    if (!rc) rc = as_similar_new(specs, count, AS_STR("."), &r.similar, &err);
    if (!rc) rc = as_checks_new(specs, count, AS_STR("."), args, &r.checks, &err);
    for (size_t i = 0; !rc && !r.similar && i < AS_AHEAD_THREADS; i++)
        rc = as_forescorer_new(r.scorer, specs, &r.fore[i], &err);
    for (size_t i = 0; !rc && i < args->operands.count; i++)
        rc = score_file(&r, args->operands.items[i], &err);
    if (!rc && !r.cases) rc = as_fail(&err, AS_UNMEASURED, "there are no cases to score");
    if (!rc) rc = refuse_twice(args, &r, &arena, &err);
    if (!rc) rc = print(args, &r, &arena, &err);
    for (size_t i = 0; i < AS_AHEAD_THREADS; i++) as_forescorer_free(r.fore[i]);
    as_scorer_free(r.scorer);
    as_similar_free(r.similar);
    as_checks_free(r.checks);
    as_arena_free(&r.held_arena);
    as_arena_free(&r.arena);
    as_arena_free(&arena);
    return rc ? as_command_fail(&err) : 0;
}
