// SPDX-License-Identifier: Apache-2.0
#include "harness/suite/prompt.h"

#include <string.h>

#include "harness/base/jinja.h"
#include "harness/base/map.h"
#include "harness/base/rng.h"
#include "harness/base/utf8.h"
#include "harness/suite/dataset.h"
#include "harness/suite/extract.h"
#include "harness/suite/talk.h"

// Few-shot examples are drawn from the first so many cases of their file.
enum { FEW_SHOT_POOL_MAX = 100000 };

typedef struct shot {
    as_str id, user, assistant;
} shot;

struct as_prompt {
    const as_suite *suite;
    const as_jinja *system, *user; // NULL: none
    shot *shots; // two more than are shown: one may have the case's id, one its text
    size_t shot_count;
    as_extractor *extractors;
    size_t extractor_count;
    const as_str *fields;
    size_t field_count;
};

static const as_jinja *compile(as_arena *arena, const as_suite *suite, const as_suite_text *text,
                               const char *what, as_buf *problems) {
    const as_jinja *template_ = NULL;
    as_err err = {0};
    if (as_jinja_parse(arena, text->text, &template_, &err))
        as_suite_problem(problems, suite, text->line, text->column, "%s: %s", what, err.text);
    return template_;
}

// The names in both templates, those out that the prompt itself provides.
static void collect_fields(as_arena *arena, as_prompt *prompt) {
    const as_jinja *templates[] = {prompt->system, prompt->user};
    const as_suite *suite = prompt->suite;
    const as_str *names[2] = {NULL, NULL};
    size_t counts[2] = {0, 0};
    for (size_t i = 0; i < 2; i++)
        if (templates[i]) as_jinja_names(templates[i], arena, &names[i], &counts[i]);
    as_str *fields = AS_NEW_ARRAY(arena, as_str, counts[0] + counts[1] + 2);
    size_t count = 0;
    as_map seen = {0};
    if (suite->task == AS_SUITE_CHOICE && suite->choices_from != AS_CHOICES_FIELD)
        as_map_add(&seen, AS_STR("choices"), 0, NULL);
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < counts[i]; j++)
            if (as_map_add(&seen, names[i][j], 0, NULL)) fields[count++] = names[i][j];
    bool by_field = suite->task == AS_SUITE_CHOICE && suite->choices_from == AS_CHOICES_FIELD;
    if (by_field && as_map_add(&seen, suite->choices_field, 0, NULL))
        fields[count++] = suite->choices_field;
    if (suite->messages.len && as_map_add(&seen, suite->messages, 0, NULL))
        fields[count++] = suite->messages;
    as_map_free(&seen);
    prompt->fields = fields;
    prompt->field_count = count;
}

// A case's fields, and `choices` where the suite lists them and the case has no such field.
static const as_json *variables_of(const as_prompt *prompt, as_arena *arena,
                                   const as_json *fields) {
    const as_suite *suite = prompt->suite;
    if (!suite->choice_count || as_json_get(fields, "choices")) return fields;
    as_json *choices = as_json_new(arena, AS_JSON_ARRAY), **link = &choices->child;
    for (size_t i = 0; i < suite->choice_count; i++, link = &(*link)->next)
        *link = as_json_new_str(arena, suite->choices[i]);
    choices->count = suite->choice_count;
    choices->key = AS_STR("choices");
    as_json *variables = AS_NEW(arena, as_json);
    *variables = *fields;
    choices->next = fields->child; // in front: the case's own list is not touched
    variables->child = choices;
    variables->count++;
    return variables;
}

static as_rc render(const as_prompt *prompt, const as_jinja *template_, as_arena *arena,
                    const as_json *fields, as_str *out, as_err *err) {
    as_buf text = {0};
    as_rc rc = as_jinja_render(template_, arena, variables_of(prompt, arena, fields), &text, err);
    if (!rc) *out = as_str_copy(arena, as_buf_view(&text));
    as_buf_free(&text);
    return rc;
}

// What an example answers: its reference as text; of a list of texts (any of which would do) the
// first, of anything else its JSON.
static as_str answer_of(as_arena *arena, const as_json *expected) {
    bool texts = expected->kind == AS_JSON_ARRAY && expected->count > 0;
    for (const as_json *e = expected->child; texts && e; e = e->next)
        texts = e->kind == AS_JSON_STRING;
    return as_str_copy(arena, as_json_plain(arena, texts ? expected->child : expected));
}

typedef struct pool {
    as_case *cases;
    size_t count, cap;
} pool;

static as_rc read_pool(as_arena *arena, const as_suite *suite, pool *out, as_err *err) {
    as_dataset_options options = {
        .paths = &suite->few_shot_path, .path_count = 1, .expected = suite->expected};
    as_dataset *dataset;
    as_rc rc = as_dataset_open(&options, &dataset, err);
    if (rc) return rc;
    bool more = true;
    while (!rc && more && out->count < FEW_SHOT_POOL_MAX) {
        if (out->count == out->cap) {
            out->cap = out->cap ? out->cap * 2 : 64;
            as_case *grown = AS_NEW_ARRAY(arena, as_case, out->cap);
            if (out->count) memcpy(grown, out->cases, out->count * sizeof *grown);
            out->cases = grown;
        }
        rc = as_dataset_next(dataset, arena, &out->cases[out->count], &more, err);
        if (!rc && more) out->count++;
    }
    as_dataset_close(dataset);
    return rc;
}

// The first so many cases of a shuffle, without shuffling the rest (Fisher and Yates).
static void shuffle(pool *p, uint64_t seed) {
    enum { STREAM = 0x66657773 }; // "fews": apart from every other use of the seed
    as_rng rng = as_rng_of(seed, STREAM);
    for (size_t i = 0; i + 1 < p->count; i++) {
        size_t j = i + (size_t)as_rng_below(&rng, p->count - i);
        as_case swap = p->cases[i];
        p->cases[i] = p->cases[j];
        p->cases[j] = swap;
    }
}

// Renders examples until there are enough; one that reads like an earlier one adds nothing.
static as_rc take_shots(as_arena *arena, as_prompt *prompt, const pool *p, as_err *err) {
    size_t want = prompt->suite->few_shot_count + 2;
    prompt->shots = AS_NEW_ARRAY(arena, shot, want);
    as_map seen = {0};
    as_rc rc = AS_OK;
    for (size_t i = 0; i < p->count && prompt->shot_count < want && !rc; i++) {
        const as_case *from = &p->cases[i];
        shot next = {.id = from->id};
        rc = render(prompt, prompt->user, arena, from->fields, &next.user, err);
        if (rc) {
            as_err_prefix(err, "%.*s:%zu", AS_STR_ARG(prompt->suite->few_shot_path), from->line);
            break;
        }
        next.assistant = answer_of(arena, from->expected);
        if (as_map_add(&seen, next.user, 0, NULL)) prompt->shots[prompt->shot_count++] = next;
    }
    as_map_free(&seen);
    return rc;
}

static void read_few_shot(as_arena *arena, as_prompt *prompt, as_buf *problems) {
    const as_suite *suite = prompt->suite;
    pool p = {0};
    as_err err = {0};
    as_rc rc = read_pool(arena, suite, &p, &err);
    if (!rc && suite->few_shot_seeded) shuffle(&p, suite->seed);
    if (!rc) rc = take_shots(arena, prompt, &p, &err);
    if (rc)
        as_suite_problem(problems, suite, suite->user.line, suite->user.column,
                         "prompt.few_shot: %s", err.text);
    else if (prompt->shot_count < suite->few_shot_count)
        as_suite_problem(problems, suite, suite->user.line, suite->user.column,
                         "prompt.few_shot.n is %zu, but '%.*s' has only %zu different cases",
                         suite->few_shot_count, AS_STR_ARG(suite->few_shot_path),
                         prompt->shot_count);
}

static void make_extractors(as_arena *arena, as_prompt *prompt, as_buf *problems) {
    const as_suite *suite = prompt->suite;
    prompt->extractors = AS_NEW_ARRAY(arena, as_extractor, suite->extract_count + 1);
    for (size_t i = 0; i < suite->extract_count; i++) {
        const as_suite_extract *step = &suite->extracts[i];
        as_err err = {0};
        if (!as_extract_new(step, &prompt->extractors[prompt->extractor_count], &err))
            prompt->extractor_count++;
        else
            as_suite_problem(problems, suite, step->argument.line, step->argument.column,
                             "extract: %s", err.text);
    }
}

as_rc as_prompt_new(as_arena *arena, const as_suite *suite, const as_prompt **out,
                    as_buf *problems) {
    as_prompt *prompt = AS_NEW(arena, as_prompt);
    size_t before = problems->len;
    prompt->suite = suite;
    if (suite->system.text.len)
        prompt->system = compile(arena, suite, &suite->system, "prompt.system", problems);
    if (suite->user.text.len || !suite->messages.len)
        prompt->user = compile(arena, suite, &suite->user, "prompt.user", problems);
    collect_fields(arena, prompt);
    make_extractors(arena, prompt, problems);
    if (prompt->user && suite->few_shot_path.len) read_few_shot(arena, prompt, problems);
    if (problems->len > before) {
        as_prompt_free(prompt);
        return AS_INVALID;
    }
    *out = prompt;
    return AS_OK;
}

void as_prompt_free(const as_prompt *prompt) {
    if (!prompt) return;
    for (size_t i = 0; i < prompt->extractor_count; i++) as_extract_free(&prompt->extractors[i]);
}

void as_prompt_fields(const as_prompt *prompt, const as_str **out, size_t *count) {
    *out = prompt->fields;
    *count = prompt->field_count;
}

static as_rc fail_case(const as_case *case_, const char *what, as_rc rc, as_err *err) {
    as_err_prefix(err, "case '%.*s': %s", AS_STR_ARG(case_->id), what);
    return rc;
}

// The messages that the case brings.
static as_rc read_talk(const as_prompt *prompt, as_arena *arena, const as_case *case_,
                       as_prompt_turn **turns, size_t *count, as_err *err) {
    const as_json *list = as_json_at(case_->fields, prompt->suite->messages);
    as_rc rc = as_talk_read(arena, prompt->suite->messages, list, turns, count, err);
    if (!rc && prompt->system && as_str_is((*turns)[0].role, "system"))
        rc = as_fail(err, AS_INVALID, "'%.*s'[0] is a system's turn, and so is prompt.system",
                     AS_STR_ARG(prompt->suite->messages));
    return rc ? fail_case(case_, "prompt.messages", rc, err) : AS_OK;
}

as_rc as_prompt_render(const as_prompt *prompt, as_arena *arena, const as_case *case_,
                       const as_prompt_turn **turns, size_t *count, as_err *err) {
    size_t wanted = prompt->suite->few_shot_path.len ? prompt->suite->few_shot_count : 0;
    as_prompt_turn *own = NULL;
    size_t used = 0, own_count = 0;
    as_rc rc = AS_OK;
    if (prompt->suite->messages.len) rc = read_talk(prompt, arena, case_, &own, &own_count, err);
    if (rc) return rc;
    as_prompt_turn *out = AS_NEW_ARRAY(arena, as_prompt_turn, 2 * wanted + own_count + 2);
    as_str text = AS_STR("");
    if (prompt->system) {
        rc = render(prompt, prompt->system, arena, case_->fields, &text, err);
        if (rc) return fail_case(case_, "prompt.system", rc, err);
        out[used++] = (as_prompt_turn){AS_STR("system"), text, NULL};
    }
    for (size_t i = 0; i < own_count; i++) out[used++] = own[i];
    if (prompt->user) rc = render(prompt, prompt->user, arena, case_->fields, &text, err);
    if (rc) return fail_case(case_, "prompt.user", rc, err);
    size_t shown = 0;
    for (size_t i = 0; i < prompt->shot_count && shown < wanted; i++) {
        const shot *s = &prompt->shots[i];
        // The case itself would give its answer away.
        if (as_str_eq(s->id, case_->id) || as_str_eq(s->user, text)) continue;
        out[used++] = (as_prompt_turn){AS_STR("user"), s->user, NULL};
        out[used++] = (as_prompt_turn){AS_STR("assistant"), s->assistant, NULL};
        shown++;
    }
    if (prompt->user) out[used++] = (as_prompt_turn){AS_STR("user"), text, NULL};
    *turns = out;
    *count = used;
    return AS_OK;
}

bool as_prompt_extract(const as_prompt *prompt, as_arena *arena, as_str output,
                       as_str *prediction) {
    as_str text = as_utf8_clean(arena, output);
    for (size_t i = 0; i < prompt->extractor_count; i++)
        if (!as_extract_run(&prompt->extractors[i], arena, text, &text)) return false;
    *prediction = text;
    return true;
}
