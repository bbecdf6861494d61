// SPDX-License-Identifier: Apache-2.0
// The keys of `generate` that say what an answer may be: one of them at most. What a grammar asks
// for is compiled here once, so that a mistake in it is one of the suite.
#include "harness/base/file.h"
#include "harness/suite/suite_read.h"

enum { CHOICES_MAX = 4096, LOGPROBS_MAX = 20 };

static bool begin(as_suite_loader *l, const as_yaml *v, as_constraint_kind kind) {
    as_constraint_spec *spec = &l->suite->constraint;
    bool first = spec->kind == AS_CONSTRAINT_NONE;
    if (!first)
        as_suite_read_problem(l, v, "generate.%s beside generate.%s: an answer has one constraint",
                              as_constraint_name(kind), as_constraint_name(spec->kind));
    spec->kind = kind;
    return first;
}

static void check(as_suite_loader *l, const as_yaml *v) {
    as_grammar *grammar = NULL;
    as_err err = {0};
    const as_constraint_spec *spec = &l->suite->constraint;
    if (as_grammar_of(spec, &grammar, &err))
        as_suite_read_problem(l, v, "generate.%s: %s", as_constraint_name(spec->kind), err.text);
    as_grammar_free(grammar);
}

static void read_field(as_suite_loader *l, const as_yaml *v) {
    as_suite_read_str(l, v, "generate.choices.field", &l->suite->constraint_field);
}

void as_suite_read_only_choices(as_suite_loader *l, const as_yaml *v) {
    static const as_suite_key keys[] = {{"field", AS_SUITE_STRING, true, read_field},
                                        {NULL, 0, false, NULL}};
    as_constraint_spec *spec = &l->suite->constraint;
    if (!begin(l, v, AS_CONSTRAINT_CHOICES)) return;
    if (v->kind == AS_YAML_MAP) {
        as_suite_read_map(l, v, "generate.choices", keys);
        return;
    }
    spec->choices =
        as_suite_read_names(l, v, "generate.choices", AS_SUITE_SCALAR, &spec->choice_count);
    if (v->count > CHOICES_MAX)
        as_suite_read_problem(l, v, "generate.choices has %zu elements, more than %d", v->count,
                              CHOICES_MAX);
    else if (!v->count)
        as_suite_read_problem(l, v, "generate.choices has no element: there is nothing to answer");
    else if (spec->choice_count == v->count)
        check(l, v);
}

void as_suite_read_regex(as_suite_loader *l, const as_yaml *v) {
    if (!begin(l, v, AS_CONSTRAINT_REGEX)) return;
    if (as_suite_read_str(l, v, "generate.regex", &l->suite->constraint.text)) check(l, v);
}

// The text of a file beside the suite; false, and a problem, when there is none.
static bool read_file(as_suite_loader *l, const as_yaml *v, const char *what, as_str *out) {
    as_err err = {0};
    as_str path = as_path_join(l->arena, l->suite->dir, v->text);
    as_rc rc = as_file_read(l->arena, path.ptr, AS_GRAMMAR_TEXT_MAX, out, &err);
    if (rc) as_suite_read_problem(l, v, "%s: %s", what, err.text);
    return !rc;
}

void as_suite_read_schema(as_suite_loader *l, const as_yaml *v) {
    as_constraint_spec *spec = &l->suite->constraint;
    as_err err = {0};
    if (!begin(l, v, AS_CONSTRAINT_SCHEMA)) return;
    if (v->kind == AS_YAML_MAP)
        spec->text = as_yaml_json(l->arena, v);
    else if (!read_file(l, v, "generate.json_schema", &spec->text))
        return;
    if (as_json_parse(l->arena, spec->text, &spec->schema, &err))
        as_suite_read_problem(l, v, "generate.json_schema: %s", err.text);
    else
        check(l, v);
}

void as_suite_read_grammar(as_suite_loader *l, const as_yaml *v) {
    as_constraint_spec *spec = &l->suite->constraint;
    if (!begin(l, v, AS_CONSTRAINT_GRAMMAR)) return;
    if (!as_suite_read_str(l, v, "generate.grammar", &spec->text)) return;
    // The grammar itself, or the name of its file.
    if (as_str_find(spec->text, AS_STR("::="), 0) == SIZE_MAX &&
        !read_file(l, v, "generate.grammar", &spec->text))
        return;
    check(l, v);
}

void as_suite_read_logprobs(as_suite_loader *l, const as_yaml *v) {
    uint64_t count;
    if (!as_suite_read_count(l, v, "generate.logprobs", 0, LOGPROBS_MAX, &count)) return;
    l->suite->logprobs = true;
    l->suite->top_logprobs = (size_t)count;
}
