// SPDX-License-Identifier: Apache-2.0
#include "metrics/judged/judged.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/sha256.h"
#include "metrics/judged/judged_sum.h"
#include "metrics/judged/verdict.h"
#include "metrics/metric.h"

enum { RUBRIC, PAIR, FAITHFUL, RELEVANT, PRECISION, RECALL };
enum { SET_JUDGE, SET_QUESTION, SET_HUMAN, SET_OWN, SET_MORE }; // OWN: rubric, or context
enum { CONTEXTS_MAX = 1000, TOKENS_DEFAULT = 1024 };

// What ops->prepare makes of the options.
typedef struct judging {
    as_judged_by judge;
    as_prompt_kind prompt;
    size_t grades;
} judging;

// ---- options ----

static as_rc read_target(as_arena *arena, const as_metric *metric, const as_yaml *map,
                         as_judged_by *out, as_err *err) {
    static const char *const keys[] = {"target", "max_tokens", "temperature", "seed", NULL};
    static const double least[] = {0, 1, 0, 0}, most[] = {0, 1 << 20, 2, 1e15};
    double numbers[] = {0, TOKENS_DEFAULT, 0, 0};
    for (const as_yaml *m = map->child; m; m = m->next) {
        size_t at = 0;
        while (keys[at] && !as_str_is(m->key, keys[at])) at++;
        if (!keys[at]) {
            const char *near = as_str_nearest(m->key, keys);
            return as_fail(err, AS_INVALID, "option 'judge' of metric '%s' has no key '%.*s'%s%s%s",
                           metric->ops->name, AS_STR_ARG(m->key), near ? "; did you mean '" : "",
                           near ? near : "", near ? "'?" : "");
        }
        if (!at && m->kind == AS_YAML_STRING && m->text.len) {
            out->target = as_str_copy(arena, m->text);
            continue;
        }
        bool whole = at == 2 || m->number == floor(m->number);
        if (!at || m->kind != AS_YAML_NUMBER || !whole || m->number < least[at] ||
            m->number > most[at])
            return as_fail(err, AS_INVALID,
                           at ? "judge.%s of metric '%s' must be a number from %g to %g"
                              : "judge.%s of metric '%s' must be a target's URI",
                           keys[at], metric->ops->name, least[at], most[at]);
        numbers[at] = m->number;
    }
    if (!out->target.len)
        return as_fail(err, AS_INVALID,
                       "metric '%s' needs a judge: {name: %s, judge: {target: URI}, ...}",
                       metric->ops->name, metric->ops->name);
    out->max_tokens = (size_t)numbers[1];
    out->temperature = numbers[2];
    out->seed = (uint64_t)numbers[3];
    return AS_OK;
}

static as_rc prepare(as_arena *arena, as_metric *metric, as_err *err) {
    static const as_prompt_kind prompts[] = {AS_PROMPT_PASS,      AS_PROMPT_PAIR,
                                             AS_PROMPT_FAITHFUL,  AS_PROMPT_RELEVANT,
                                             AS_PROMPT_PRECISION, AS_PROMPT_RECALL};
    judging *own = metric->own = AS_NEW(arena, judging);
    own->prompt = prompts[metric->ops->variant];
    if (metric->ops->variant == RUBRIC && metric->settings[SET_MORE].given) {
        own->prompt = AS_PROMPT_GRADE;
        own->grades = (size_t)metric->settings[SET_MORE].number;
    }
    own->judge.metric = as_str_copy(arena, metric->name);
    own->judge.prompt_sha256 = as_sha256_of(arena, as_str_of(as_prompts_text(own->prompt)));
    return read_target(arena, metric, metric->settings[SET_JUDGE].tree, &own->judge, err);
}

static as_str signature(as_arena *arena, const as_metric *metric) {
    const judging *own = metric->own;
    return as_strf(arena, "judge:%.*s|prompt:%s|sha256:%.12s", AS_STR_ARG(own->judge.target),
                   as_prompts_name(own->prompt), own->judge.prompt_sha256.ptr);
}

// ---- scores ----

static const as_judged *find(const as_metric *metric, const as_sample *sample) {
    for (size_t i = 0; i < sample->judged_count; i++)
        if (as_str_eq(sample->judged[i].metric, metric->name)) return &sample->judged[i];
    return NULL;
}

static void count_answers(const as_judged *judged, double *stats) {
    for (size_t i = 0; i < judged->count; i++) {
        const as_judged_answer *a = &judged->answers[i];
        stats[AS_JUDGED_ASKED]++;
        stats[AS_JUDGED_FAILED] += as_outcome_is_error(a->outcome);
        stats[AS_JUDGED_UNREAD] += a->unread;
        stats[AS_JUDGED_EMPTY] += a->empty;
        stats[AS_JUDGED_CACHED] += a->cached;
        stats[AS_JUDGED_IN] += (double)a->tokens_in;
        stats[AS_JUDGED_OUT] += (double)a->tokens_out;
        stats[AS_JUDGED_COST] += a->cost;
    }
}

static bool judges_answer(const as_metric *metric) {
    return metric->ops->variant != PRECISION && metric->ops->variant != RECALL;
}

static as_rc score(const as_metric *metric, const as_scoring *scoring, double *out, double *stats,
                   as_err *err) {
    (void)err;
    const as_judged *judged = find(metric, scoring->sample);
    if (judged) count_answers(judged, stats);
    if (judged && !isnan(judged->human)) {
        stats[AS_JUDGED_HUMAN] = 1;
        stats[AS_JUDGED_LABEL] = judged->human;
    }
    if (!scoring->sample->has_prediction && judges_answer(metric)) {
        *out = 0;
    } else if (judged && judged->count == AS_JUDGED_MAX) {
        double first = judged->answers[0].value, second = judged->answers[1].value;
        stats[AS_JUDGED_SPLIT] = !isnan(first) && !isnan(second) && first != second;
        *out = stats[AS_JUDGED_SPLIT] != 0 ? 0.5 : first + second - second;
    } else if (judged && judged->count) {
        *out = judged->answers[0].value;
    }
    return AS_OK;
}

// ---- questions ----

struct as_judges {
    as_arena arena;
    as_metric *metrics;
    size_t count;
};

as_rc as_judges_new(const as_metric_spec *specs, size_t count, as_judges **out, as_err *err) {
    as_judges *j = as_mem_new(sizeof *j);
    as_rc rc = AS_OK;
    j->metrics = AS_NEW_ARRAY(&j->arena, as_metric, count + 1);
    for (size_t i = 0; !rc && i < count; i++) {
        as_metric *metric = &j->metrics[j->count];
        rc = as_metric_resolve(&j->arena, &specs[i], metric, err);
        if (rc) break;
        if (metric->ops->flags & AS_METRIC_JUDGED)
            j->count++;
        else
            as_metric_release(metric);
    }
    *out = !rc && j->count ? j : NULL;
    if (!*out) as_judges_free(j);
    return rc;
}

void as_judges_free(as_judges *judges) {
    if (!judges) return;
    as_arena_free(&judges->arena); // judged metrics hold nothing else
    free(judges);
}

size_t as_judges_count(const as_judges *judges) {
    return judges->count;
}

const as_judged_by *as_judges_at(const as_judges *judges, size_t index) {
    return &((const judging *)judges->metrics[index].own)->judge;
}

typedef struct asking {
    const as_metric *metric;
    as_arena *arena;
    const as_judge_case *c;
    as_err *err;
} asking;

static as_rc refuse(const asking *q, const char *what, as_str field, const char *wanted) {
    return as_fail(q->err, AS_INVALID, "metric '%.*s': %s '%.*s' must be %s",
                   AS_STR_ARG(q->metric->name), what, AS_STR_ARG(field), wanted);
}

static as_rc text_field(const asking *q, const char *what, as_str field, as_str *out) {
    const as_json *value = as_json_at(q->c->fields, field);
    if (!value || value->kind == AS_JSON_NULL || value->kind == AS_JSON_ARRAY ||
        value->kind == AS_JSON_OBJECT)
        return refuse(q, what, field, "a field with a text");
    *out = as_json_plain(q->arena, value);
    return AS_OK;
}

static as_rc put_contexts(const asking *q, as_json_out *out, size_t *count) {
    const as_setting *given = &q->metric->settings[SET_OWN];
    as_str field = given->given ? given->text : AS_STR("context");
    const as_json *value = as_json_at(q->c->fields, field);
    bool list = value && value->kind == AS_JSON_ARRAY;
    if (!value || (!list && value->kind != AS_JSON_STRING) || (list && value->count > CONTEXTS_MAX))
        return refuse(q, "the context", field, "a field with a text or a list of up to 1000 texts");
    as_jo_key(out, "contexts");
    as_jo_open(out, '[');
    for (const as_json *m = list ? value->child : value; m; m = list ? m->next : NULL) {
        if (m->kind != AS_JSON_STRING) return refuse(q, "the context", field, "of texts");
        as_jo_str(out, m->text);
        ++*count;
    }
    as_jo_close(out, ']');
    return AS_OK;
}

static void put_text(as_json_out *out, const char *key, as_str text) {
    as_jo_key(out, key);
    as_jo_str(out, text);
}

// One JSON object: what stands in it cannot leave it.
static as_rc put_data(const asking *q, const judging *own, size_t question, as_json_out *out,
                      size_t *items) {
    const as_setting *set = q->metric->settings;
    int variant = q->metric->ops->variant;
    as_str asked = q->c->asked, other;
    as_rc rc = AS_OK;
    if (set[SET_QUESTION].given) rc = text_field(q, "the question", set[SET_QUESTION].text, &asked);
    if (!rc && variant == PAIR) rc = text_field(q, "the reference", set[SET_MORE].text, &other);
    if (rc) return rc;
    as_jo_open(out, '{');
    put_text(out, "question", asked);
    if (variant == PAIR) {
        put_text(out, "A", question ? other : q->c->answer);
        put_text(out, "B", question ? q->c->answer : other);
    } else if (judges_answer(q->metric)) {
        put_text(out, "answer", q->c->answer);
    }
    if ((variant == RUBRIC || variant == PAIR) && set[SET_OWN].given)
        put_text(out, "rubric", set[SET_OWN].text);
    if (own->grades) as_jo_key(out, "grades"), as_jo_i64(out, (int64_t)own->grades);
    bool expects = variant == RUBRIC || variant == PRECISION || variant == RECALL;
    if (expects && q->c->expected && q->c->expected->kind != AS_JSON_NULL) {
        as_jo_key(out, "expected");
        as_jo_json(out, q->c->expected);
    }
    if (variant == FAITHFUL || variant == PRECISION || variant == RECALL)
        rc = put_contexts(q, out, items);
    as_jo_close(out, '}');
    return rc;
}

// A person's label on the metric's scale: 0..1, true or false, a word, or a grade.
static as_rc read_human(const asking *q, const judging *own, double *out) {
    static const char *const words[] = {"fail", "pass", "lose", "win", "tie"};
    static const double worth[] = {0, 1, 0, 1, 0.5};
    const as_setting *given = &q->metric->settings[SET_HUMAN];
    const as_json *value = given->given ? as_json_at(q->c->fields, given->text) : NULL;
    *out = NAN;
    if (!value || value->kind == AS_JSON_NULL) return AS_OK;
    if (value->kind == AS_JSON_BOOL) *out = value->boolean;
    for (size_t i = 0; value->kind == AS_JSON_STRING && i < sizeof worth / sizeof *worth; i++)
        if (as_str_is(value->text, words[i])) *out = worth[i];
    if (value->kind == AS_JSON_NUMBER && own->grades)
        *out = (value->number - 1) / (double)(own->grades - 1);
    else if (value->kind == AS_JSON_NUMBER)
        *out = value->number;
    if (*out >= 0 && *out <= 1) return AS_OK;
    return refuse(q, "the label", given->text,
                  own->grades ? "one of the grades"
                              : "a number from 0 to 1, true, false, pass, fail, win, lose or tie");
}

as_rc as_judges_ask(const as_judges *judges, size_t index, as_arena *arena, const as_judge_case *c,
                    as_judge_question out[AS_JUDGED_MAX], size_t *count, double *human,
                    as_err *err) {
    asking q = {&judges->metrics[index], arena, c, err};
    const judging *own = q.metric->own;
    size_t wanted = q.metric->ops->variant == PAIR ? AS_JUDGED_MAX : 1;
    *count = 0;
    as_rc rc = read_human(&q, own, human);
    for (size_t i = 0; !rc && i < wanted; i++) {
        as_buf text = {0};
        as_json_out jo = {.buf = &text};
        out[i] = (as_judge_question){.system = as_str_of(as_prompts_text(own->prompt))};
        rc = put_data(&q, own, i, &jo, &out[i].items);
        out[i].user = as_str_copy(arena, as_buf_view(&text));
        as_buf_free(&text);
    }
    bool nothing = own->prompt == AS_PROMPT_PRECISION && !rc && !out[0].items;
    if (!rc && !nothing && (c->has_answer || !judges_answer(q.metric))) *count = wanted;
    return rc;
}

void as_judges_read(const as_judges *judges, size_t index, size_t question,
                    const as_judge_question *asked, as_judged_answer *verdict) {
    const judging *own = judges->metrics[index].own;
    double value = NAN;
    verdict->value = NAN;
    if (as_outcome_is_error(verdict->outcome)) return;
    as_verdict_read read =
        as_verdict_parse(own->prompt, own->grades, asked->items, verdict->text, &value);
    verdict->empty = read == AS_VERDICT_EMPTY;
    verdict->unread = read == AS_VERDICT_UNREAD;
    if (read != AS_VERDICT_VALUE) return;
    // Of a pair the second question has the answer in the other place.
    verdict->value = own->prompt == AS_PROMPT_PAIR && question ? 1 - value : value;
}

// ---- the table ----

#define COMMON                                                                                     \
    {.name = "judge", .kind = AS_SETTING_TREE, .needed = true},                                    \
        {.name = "question", .kind = AS_SETTING_TEXT}, {                                           \
        .name = "human", .kind = AS_SETTING_TEXT                                                   \
    }

static const as_setting_spec rubric_settings[] = {
    COMMON,
    {.name = "rubric", .kind = AS_SETTING_TEXT, .needed = true},
    {.name = "scale", .kind = AS_SETTING_COUNT, .low = 2, .high = 100},
    {.name = NULL},
};
static const as_setting_spec pair_settings[] = {
    COMMON,
    {.name = "rubric", .kind = AS_SETTING_TEXT},
    {.name = "reference", .kind = AS_SETTING_TEXT, .needed = true},
    {.name = NULL},
};
static const as_setting_spec context_settings[] = {
    COMMON,
    {.name = "context", .kind = AS_SETTING_TEXT},
    {.name = NULL},
};
static const as_setting_spec plain_settings[] = {COMMON, {.name = NULL}};

#define JUDGED(metric_name, number, table, line)                                                   \
    {                                                                                              \
        .name = metric_name, .text = line, .kind = AS_METRIC_MEAN,                                 \
        .flags = AS_METRIC_UNIT | AS_METRIC_BOUNDED | AS_METRIC_JUDGED, .width = AS_JUDGED_WIDTH,  \
        .settings = table, .prepare = prepare, .signature = signature, .score = score,             \
        .variant = number                                                                          \
    }

const as_metric_ops as_judged_metrics[] = {
    JUDGED("rubric", RUBRIC, rubric_settings,
           "share of answers that pass a rubric, or mean grade from 0 to 1"),
    JUDGED("pairwise", PAIR, pair_settings,
           "mean of 1 (better than `reference`), 0.5 and 0, asked in both orders"),
    JUDGED("faithfulness", FAITHFUL, context_settings,
           "mean share of an answer's claims that the context supports"),
    JUDGED("answer_relevance", RELEVANT, plain_settings,
           "mean share of an answer's statements that bear on the question"),
    JUDGED("judged_precision", PRECISION, context_settings,
           "mean average precision of the contexts, by use for the right answer"),
    JUDGED("judged_recall", RECALL, context_settings,
           "mean share of the right answer's claims that the contexts support"),
    {.name = NULL},
};
