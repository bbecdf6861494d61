// SPDX-License-Identifier: Apache-2.0
#include "runner/plan.h"

#include <math.h>
#include <stdatomic.h>

#include "harness/base/thread.h"
#include "harness/target/chat/chat_turn.h"
#include "metrics/judged/judged.h"
#include "runner/alert/alerts.h"

enum { REHEARSAL_PROBLEMS_MAX = 20 };

static void check_metrics(as_arena *arena, as_plan *plan, as_buf *problems) {
    const as_suite *suite = &plan->suite;
    as_metric_spec *specs = AS_NEW_ARRAY(arena, as_metric_spec, suite->metric_count);
    for (size_t i = 0; i < suite->metric_count; i++) {
        const as_suite_metric *m = &suite->metrics[i];
        specs[i] = (as_metric_spec){m->name, m->options, suite->dir};
        as_err err = {0};
        if (as_metric_check(&specs[i], &err))
            as_suite_problem(problems, suite, m->line, m->column, "%s", err.text);
    }
    plan->metrics = specs;
}

static as_rc parse_gate(as_arena *arena, const as_plan *plan, as_str text, as_gate_spec *out,
                        as_err *err) {
    return as_gate_parse_in(arena, text, plan->metrics, plan->suite.metric_count, out, err);
}

static void check_gates(as_arena *arena, as_plan *plan, const as_str *more, size_t more_count,
                        as_buf *problems) {
    const as_suite *suite = &plan->suite;
    as_gate_spec *specs = AS_NEW_ARRAY(arena, as_gate_spec, suite->gate_count + more_count);
    for (size_t i = 0; i < suite->gate_count; i++) {
        as_err err = {0};
        const as_suite_text *gate = &suite->gates[i];
        if (parse_gate(arena, plan, gate->text, &specs[plan->gate_count++], &err))
            as_suite_problem(problems, suite, gate->line, gate->column, "%s", err.text);
    }
    for (size_t i = 0; i < more_count; i++) {
        as_err err = {0};
        if (parse_gate(arena, plan, more[i], &specs[plan->gate_count++], &err))
            as_buff(problems, "--gate: %s\n", err.text);
    }
    plan->gates = specs;
}

// A case whose reference is none of the choices can never be right: a typo in the golden data.
static as_rc check_reference(const as_case *c, const as_request *request, as_err *err) {
    if (request->task == AS_TASK_LOGLIKELIHOOD && !request->continuation.len)
        return as_fail(err, AS_INVALID,
                       "the reference is what task 'loglikelihood' scores: it must be a string "
                       "that is not empty");
    if (request->task != AS_TASK_CHOICE) return AS_OK;
    if (c->expected->kind != AS_JSON_STRING)
        return as_fail(err, AS_INVALID, "the reference must be one of the choices, found %s",
                       as_json_kind_name(c->expected->kind));
    for (size_t i = 0; i < request->choice_count; i++)
        if (as_str_eq(request->choices[i], c->expected->text)) return AS_OK;
    as_arena arena = {0};
    const char **names = AS_NEW_ARRAY(&arena, const char *, request->choice_count + 1);
    for (size_t i = 0; i < request->choice_count; i++)
        names[i] = as_str_copy(&arena, request->choices[i]).ptr;
    const char *near = as_str_nearest(c->expected->text, names);
    as_fail(err, AS_INVALID, "the reference '%.*s' is none of the %zu choices%s%s%s",
            AS_STR_ARG(c->expected->text), request->choice_count, near ? "; did you mean '" : "",
            near ? near : "", near ? "'?" : "");
    as_arena_free(&arena);
    return AS_INVALID;
}

// A field that a judge is to be shown is missing, or a person's label is none.
static as_rc rehearse_judges(const as_judges *judges, as_arena *arena, const as_case *c,
                             as_err *err) {
    as_judge_case known = {.fields = c->fields,
                           .expected = c->expected,
                           .asked = AS_STR(""),
                           .answer = AS_STR(""),
                           .has_answer = true};
    as_rc rc = AS_OK;
    for (size_t i = 0; !rc && judges && i < as_judges_count(judges); i++) {
        as_judge_question questions[AS_JUDGED_MAX];
        size_t count;
        double human;
        rc = as_judges_ask(judges, i, arena, &known, questions, &count, &human, err);
    }
    return rc;
}

static bool is_document(const as_plan *plan, const as_request *request, as_str id) {
    uint64_t unused;
    if (plan->document_count) return as_map_get(&plan->document_places, id, &unused);
    for (size_t i = 0; i < request->choice_count; i++)
        if (as_str_eq(request->choices[i], id)) return true;
    return false;
}

// Ids that a case expects must be among its documents, or they can never be found.
static as_rc check_documents(const as_plan *plan, as_arena *arena, const as_case *c,
                             const as_request *request, as_err *err) {
    if (request->task != AS_TASK_EMBED || !(plan->document_count + request->choice_count))
        return AS_OK;
    const as_json *e = c->expected;
    bool grades = e->kind == AS_JSON_OBJECT, list = e->kind == AS_JSON_ARRAY;
    for (const as_json *v = grades || list ? e->child : e; v; v = grades || list ? v->next : NULL) {
        const as_json *named = as_json_get(v, "id"); // {id, score} in a list
        as_str id = grades ? v->key : as_json_plain(arena, list && named ? named : v);
        if (is_document(plan, request, id)) continue;
        return as_fail(err, AS_INVALID,
                       "the reference '%.*s' is the id of none of the %zu documents",
                       AS_STR_ARG(id), plan->document_count + request->choice_count);
    }
    return AS_OK;
}

typedef struct rehearsal {
    const as_plan *plan;
    uint64_t cases;     // to look at; fewer where the dataset ends before
    atomic_bool needed; // false: nobody wants to know any more
    as_buf problems;
    as_rc rc;
    as_arena kept;
    const as_message *talk; // [talk_count], of the first case that has more than texts; in `kept`
    size_t talk_count;
    bool rich; // it has
} rehearsal;

static const as_message *copy_talk(as_arena *arena, const as_message *from, size_t count) {
    as_message *talk = AS_NEW_ARRAY(arena, as_message, count + 1);
    for (size_t i = 0; i < count; i++) {
        talk[i].role = as_str_copy(arena, from[i].role);
        talk[i].content = as_str_copy(arena, from[i].content);
        if (from[i].whole) talk[i].whole = as_json_copy(arena, from[i].whole);
    }
    return talk;
}

static void keep_talk(rehearsal *r, const as_request *request) {
    bool rich = as_chat_turn_rich(request);
    if (r->talk && (r->rich || !rich)) return;
    r->talk = copy_talk(&r->kept, request->messages, request->message_count);
    r->talk_count = request->message_count;
    r->rich = rich;
}

// Renders every prompt and scores an empty answer to every case, so that a bad case stops the run
// before it has cost anything.
static void rehearse(void *rehearsal_in) {
    rehearsal *r = rehearsal_in;
    const as_plan *plan = r->plan;
    as_buf *problems = &r->problems;
    as_err err = {0};
    as_dataset *dataset;
    as_scorer *scorer;
    as_judges *judges = NULL;
    as_rc rc = as_scorer_new(plan->metrics, plan->suite.metric_count, &scorer, &err);
    if (!rc && (rc = as_dataset_open(&plan->dataset, &dataset, &err))) as_scorer_free(scorer);
    if (!rc) rc = as_judges_new(plan->metrics, plan->suite.metric_count, &judges, &err);
    if (rc) {
        as_buff(problems, "%s\n", err.text);
        r->rc = rc;
        return;
    }
    as_arena arena = {0};
    bool more = true;
    size_t found = 0;
    for (uint64_t done = 0; done < r->cases && found < REHEARSAL_PROBLEMS_MAX; done++) {
        if (!atomic_load(&r->needed)) break;
        as_case c;
        as_request request;
        if (as_dataset_next(dataset, &arena, &c, &more, &err)) {
            as_buff(problems, "%s\n", err.text);
            found = REHEARSAL_PROBLEMS_MAX;
            break;
        }
        if (!more) break;
        as_rc bad = as_plan_request(plan, &arena, &c, &request, &err);
        if (!bad && plan->suite.messages.len) keep_talk(r, &request);
        if (!bad) bad = check_reference(&c, &request, &err);
        if (!bad) bad = check_documents(plan, &arena, &c, &request, &err);
        as_sample sample = {.id = c.id,
                            .expected = c.expected,
                            .weight = c.weight,
                            .samples = plan->suite.samples,
                            .output = AS_STR(""),
                            .prediction = AS_STR(""),
                            .ttft_ms = NAN};
        if (request.task == AS_TASK_LOGLIKELIHOOD || request.task == AS_TASK_ROLLING) {
            sample.has_logprob = true; // which metrics of texts look for
            sample.logprob_tokens = 1;
            sample.output = AS_STR("x");
        }
        if (!bad) bad = rehearse_judges(judges, &arena, &c, &err);
        if (!bad) bad = as_scorer_try(scorer, &sample, &err);
        if (bad) {
            as_buff(problems, "case '%.*s' (line %zu): %s\n", AS_STR_ARG(c.id), c.line, err.text);
            found++;
        }
        as_arena_reset(&arena);
    }
    as_dataset_close(dataset);
    as_scorer_free(scorer);
    as_judges_free(judges);
    as_arena_free(&arena);
    r->rc = found ? AS_INVALID : AS_OK;
}

// choices: {from: FILE}: cases of a dataset whose `text` is what is embedded.
static as_rc read_documents(as_arena *arena, as_plan *plan, as_buf *problems) {
    as_dataset_options options = {
        .paths = &plan->suite.choices_path, .path_count = 1, .expected = AS_STR("text")};
    as_dataset_facts facts;
    as_dataset *file = NULL;
    as_err err = {0};
    as_rc rc = as_dataset_check(arena, &options, NULL, 0, &facts, problems);
    if (rc) return rc;
    as_str *ids = AS_NEW_ARRAY(arena, as_str, (size_t)facts.cases + 1);
    as_str *texts = AS_NEW_ARRAY(arena, as_str, (size_t)facts.cases + 1);
    rc = as_dataset_open(&options, &file, &err);
    for (bool more = true; !rc && more && plan->document_count < facts.cases;) {
        as_case c;
        rc = as_dataset_next(file, arena, &c, &more, &err);
        if (rc || !more) break;
        if (c.expected->kind != AS_JSON_STRING)
            rc = as_fail(&err, AS_INVALID, "%.*s:%zu: 'text' must be a string, found %s",
                         AS_STR_ARG(c.file), c.line, as_json_kind_name(c.expected->kind));
        ids[plan->document_count] = c.id;
        texts[plan->document_count++] = c.expected->text;
    }
    if (file) as_dataset_close(file);
    if (rc) as_buff(problems, "%s\n", err.text);
    plan->document_ids = ids;
    plan->document_texts = texts;
    return rc;
}

// A ranking has its first documents alone: what looks deeper would be told too little.
static bool check_depth(const as_plan *plan, as_buf *problems) {
    bool fine = true;
    for (size_t i = 0; i < plan->suite.metric_count; i++) {
        const as_suite_metric *m = &plan->suite.metrics[i];
        as_str digits = m->name;
        as_str_cut(&digits, '@');
        int64_t k;
        if (!digits.ptr || !as_str_to_i64(digits, &k) || k <= AS_PLAN_RANKING_MAX) continue;
        as_suite_problem(problems, &plan->suite, m->line, m->column,
                         "metric '%.*s' looks deeper than the %d documents of a ranking",
                         AS_STR_ARG(m->name), AS_PLAN_RANKING_MAX);
        fine = false;
    }
    return fine;
}

// What all cases of task embed choose among.
static as_rc take_documents(as_arena *arena, as_plan *plan, as_buf *problems) {
    if (plan->suite.task != AS_SUITE_EMBED) return AS_OK;
    as_rc rc = AS_OK;
    if (plan->suite.choices_from == AS_CHOICES_FILE) {
        rc = read_documents(arena, plan, problems);
    } else {
        plan->document_ids = plan->document_texts = plan->choices;
        plan->document_count = plan->choice_count;
        plan->choices = NULL;
        plan->choice_count = 0;
    }
    if (!rc && plan->document_count > AS_PLAN_RANKING_MAX && !check_depth(plan, problems))
        rc = AS_INVALID;
    for (size_t i = 0; i < plan->document_count; i++)
        as_map_add(&plan->document_places, plan->document_ids[i], i, NULL);
    return rc;
}

static bool chooses(const as_suite *suite) {
    return suite->task == AS_SUITE_CHOICE || suite->task == AS_SUITE_EMBED;
}

static bool chooses_labels(const as_suite *suite) {
    return chooses(suite) && suite->choices_from == AS_CHOICES_LABELS;
}

// What is known of the cases without reading them.
static void take_dataset(as_plan *plan) {
    const as_suite *suite = &plan->suite;
    plan->dataset = (as_dataset_options){.paths = suite->datasets,
                                         .path_count = suite->dataset_count,
                                         .expected = suite->expected,
                                         .slices = suite->slices,
                                         .slice_count = suite->slice_count};
    plan->choices = suite->choices;
    plan->choice_count = suite->choice_count;
}

static as_rc check_dataset(as_arena *arena, as_plan *plan, as_buf *problems) {
    const as_suite *suite = &plan->suite;
    const as_str *fields;
    size_t field_count;
    as_prompt_fields(plan->prompt, &fields, &field_count);
    as_str *required = AS_NEW_ARRAY(arena, as_str, field_count + 1);
    for (size_t i = 0; i < field_count; i++) required[i] = fields[i];
    if (suite->choices_from == AS_CHOICES_FIELD && chooses(suite))
        required[field_count++] = suite->choices_field;
    as_rc rc =
        as_dataset_check(arena, &plan->dataset, required, field_count, &plan->facts, problems);
    if (rc || !chooses_labels(suite)) return rc;
    plan->choices = plan->facts.labels;
    plan->choice_count = plan->facts.label_count;
    if (plan->choice_count) return AS_OK;
    as_suite_problem(problems, suite, 1, 1,
                     "choices: {labels: dataset} needs '%.*s' to be one of at most 4096 strings",
                     AS_STR_ARG(suite->expected));
    return AS_INVALID;
}

// Checks all cases, then rehearses `limit` of them (0: all). On two threads where a rehearsal needs
// nothing that only the check finds; what it says counts only where the check found no problem.
static as_rc check_cases(as_arena *arena, as_plan *plan, uint64_t limit, as_buf *problems) {
    const as_suite *suite = &plan->suite;
    rehearsal r = {.plan = plan, .cases = limit ? limit : UINT64_MAX};
    atomic_init(&r.needed, true);
    as_thread *thread = NULL;
    take_dataset(plan);
    bool apart = suite->task != AS_SUITE_EMBED && !chooses_labels(suite) && as_thread_cpus() > 1;
    bool started = apart && !as_thread_start(rehearse, &r, &thread, NULL);
    as_rc rc = check_dataset(arena, plan, problems);
    if (!rc) rc = take_documents(arena, plan, problems);
    if (rc) atomic_store(&r.needed, false);
    if (started) as_thread_join(thread);
    if (!rc && !started) rehearse(&r);
    if (!rc && (rc = r.rc)) as_buf_str(problems, as_buf_view(&r.problems));
    as_buf_free(&r.problems);
    plan->talk = copy_talk(arena, r.talk, r.talk_count);
    plan->talk_count = r.talk_count;
    as_arena_free(&r.kept);
    if (rc) return rc;
    plan->case_count = plan->facts.cases;
    if (limit && limit < plan->case_count) plan->case_count = limit;
    return AS_OK;
}

as_rc as_plan_load(as_arena *arena, const char *suite_path, const as_str *more_gates,
                   size_t more_gate_count, uint64_t limit, as_plan *out, as_buf *problems) {
    *out = (as_plan){0};
    as_rc rc = as_suite_load(arena, suite_path, &out->suite, problems);
    if (rc && !out->suite.path.len) return rc;
    // A suite with mistakes still has its metrics and gates looked at: all problems in one go.
    check_metrics(arena, out, problems);
    check_gates(arena, out, more_gates, more_gate_count, problems);
    as_alerts_check(arena, &out->suite, problems);
    if (rc || problems->len) return AS_INVALID;
    rc = as_prompt_new(arena, &out->suite, &out->prompt, problems);
    if (!rc) rc = check_cases(arena, out, limit, problems);
    if (rc) as_plan_free(out);
    return rc;
}

void as_plan_free(as_plan *plan) {
    if (plan->prompt) as_prompt_free(plan->prompt);
    plan->prompt = NULL;
    as_map_free(&plan->document_places);
}

// choices: {field: options}: the list that the case itself brings.
static as_rc case_choices(const as_plan *plan, as_arena *arena, const as_case *case_,
                          as_request *out, as_err *err) {
    as_str field = plan->suite.choices_field;
    const as_json *list = as_json_at(case_->fields, field);
    if (!list || list->kind != AS_JSON_ARRAY || list->count < 2)
        return as_fail(err, AS_INVALID, "'%.*s' must be a list of at least two choices",
                       AS_STR_ARG(field));
    as_str *choices = AS_NEW_ARRAY(arena, as_str, list->count);
    for (const as_json *c = list->child; c; c = c->next) {
        if (c->kind != AS_JSON_STRING)
            return as_fail(err, AS_INVALID, "'%.*s' holds %s; choices are strings",
                           AS_STR_ARG(field), as_json_kind_name(c->kind));
        choices[out->choice_count++] = c->text;
    }
    out->choices = choices;
    return AS_OK;
}

// A document of a case: a text, which is its own id, or {id, text}.
static bool read_document(as_arena *arena, const as_json *item, as_str *id, as_str *text) {
    const as_json *named = as_json_get(item, "id"), *words = as_json_get(item, "text");
    if (item->kind == AS_JSON_STRING) {
        *id = *text = item->text;
        return true;
    }
    if (!words || words->kind != AS_JSON_STRING || !named ||
        (named->kind != AS_JSON_STRING && named->kind != AS_JSON_NUMBER))
        return false;
    *id = as_json_plain(arena, named);
    *text = words->text;
    return true;
}

// The query, and behind it the documents that the case itself brings; `choices` are their ids.
static as_rc embed_request(const as_plan *plan, as_arena *arena, const as_case *case_,
                           as_request *out, as_err *err) {
    as_str field = plan->suite.choices_field;
    const as_json *list = field.len ? as_json_at(case_->fields, field) : NULL;
    if (field.len && (!list || list->kind != AS_JSON_ARRAY || !list->count))
        return as_fail(err, AS_INVALID, "'%.*s' must be a list of documents", AS_STR_ARG(field));
    size_t count = list ? list->count : 0;
    as_str *inputs = AS_NEW_ARRAY(arena, as_str, count + 1);
    as_str *ids = AS_NEW_ARRAY(arena, as_str, count + 1);
    as_buf query = {0};
    for (size_t i = 0; i < out->message_count; i++)
        as_buff(&query, "%s%.*s", i ? "\n" : "", AS_STR_ARG(out->messages[i].content));
    inputs[0] = as_str_copy(arena, as_buf_view(&query));
    as_buf_free(&query);
    out->choice_count = 0;
    for (const as_json *d = list ? list->child : NULL; d; d = d->next) {
        if (!read_document(arena, d, &ids[out->choice_count], &inputs[out->choice_count + 1]))
            return as_fail(err, AS_INVALID,
                           "'%.*s' holds %s; documents are texts or {id: ..., text: ...}",
                           AS_STR_ARG(field), as_json_kind_name(d->kind));
        out->choice_count++;
    }
    out->choices = ids;
    out->inputs = inputs;
    out->input_count = 1 + out->choice_count;
    return AS_OK;
}

as_task as_plan_task(const as_suite *suite) {
    static const as_task tasks[] = {[AS_SUITE_CHOICE] = AS_TASK_CHOICE,
                                    [AS_SUITE_GENERATE] = AS_TASK_GENERATE,
                                    [AS_SUITE_LOGLIKELIHOOD] = AS_TASK_LOGLIKELIHOOD,
                                    [AS_SUITE_ROLLING] = AS_TASK_ROLLING,
                                    [AS_SUITE_EMBED] = AS_TASK_EMBED};
    return tasks[suite->task];
}

const as_constraint_spec *as_plan_constraint(const as_suite *suite) {
    return suite->constraint.kind == AS_CONSTRAINT_NONE ? NULL : &suite->constraint;
}

// generate: {choices: {field: options}}: the texts that this case alone may be answered with.
static as_rc case_constraint(const as_plan *plan, as_arena *arena, const as_case *case_,
                             as_request *out, as_err *err) {
    as_str field = plan->suite.constraint_field;
    const as_json *list = as_json_at(case_->fields, field);
    if (!list || list->kind != AS_JSON_ARRAY || !list->count)
        return as_fail(err, AS_INVALID, "'%.*s' must be a list of texts to answer with",
                       AS_STR_ARG(field));
    as_str *choices = AS_NEW_ARRAY(arena, as_str, list->count);
    as_constraint_spec *spec = AS_NEW(arena, as_constraint_spec);
    *spec = (as_constraint_spec){.kind = AS_CONSTRAINT_CHOICES, .choices = choices, .own = true};
    for (const as_json *c = list->child; c; c = c->next) {
        if (c->kind != AS_JSON_STRING || !c->text.len)
            return as_fail(err, AS_INVALID,
                           "'%.*s' holds %s; texts to answer with are strings, none empty",
                           AS_STR_ARG(field), as_json_kind_name(c->kind));
        choices[spec->choice_count++] = c->text;
    }
    out->constraint = spec;
    return AS_OK;
}

as_rc as_plan_request(const as_plan *plan, as_arena *arena, const as_case *case_, as_request *out,
                      as_err *err) {
    const as_suite *suite = &plan->suite;
    const as_prompt_turn *turns;
    size_t turn_count;
    as_rc rc = as_prompt_render(plan->prompt, arena, case_, &turns, &turn_count, err);
    if (rc) return rc;
    as_message *messages = AS_NEW_ARRAY(arena, as_message, turn_count);
    for (size_t i = 0; i < turn_count; i++)
        messages[i] = (as_message){turns[i].role, turns[i].content, turns[i].whole};
    *out = (as_request){
        .task = as_plan_task(suite),
        .id = case_->id,
        .messages = messages,
        .message_count = turn_count,
        .raw = !suite->chat,
        .tools = suite->tools,
        .chat_template = suite->chat_template,
        .date = suite->date,
        .special_tokens = suite->special_tokens,
        .choices = plan->choices,
        .choice_count = plan->choice_count,
        .max_tokens = suite->max_tokens,
        .stops = suite->stops,
        .stop_count = suite->stop_count,
        .temperature = suite->temperature,
        .top_p = suite->top_p,
        .min_p = suite->min_p,
        .top_k = suite->top_k,
        .seed = suite->seed,
        .constraint = as_plan_constraint(suite),
        .logprobs = suite->logprobs,
        .top_logprobs = suite->top_logprobs,
    };
    if (suite->constraint_field.len) rc = case_constraint(plan, arena, case_, out, err);
    if (suite->task == AS_SUITE_LOGLIKELIHOOD && case_->expected->kind == AS_JSON_STRING)
        out->continuation = case_->expected->text;
    if (!rc && suite->task == AS_SUITE_EMBED) rc = embed_request(plan, arena, case_, out, err);
    if (suite->task == AS_SUITE_CHOICE && suite->choices_from == AS_CHOICES_FIELD) {
        out->choice_count = 0;
        rc = case_choices(plan, arena, case_, out, err);
    }
    return rc;
}
