// SPDX-License-Identifier: Apache-2.0
#include "harness/base/grammar/grammar.h"

#include "harness/base/grammar/grammar_make.h"

static as_rc of_choices(const as_constraint_spec *spec, as_grammar **out, as_err *err) {
    as_maker maker = {0};
    as_gx either = as_gx_either(&maker);
    for (size_t i = 0; i < spec->choice_count; i++)
        as_gx_add(&maker, either, as_gx_text(&maker, spec->choices[i]));
    uint32_t root = as_maker_rule_of(&maker, AS_STR("choices"), 0, 0);
    as_maker_define(&maker, root, either);
    as_rc rc = as_maker_compile(&maker, root, out, err);
    as_maker_free(&maker);
    return rc;
}

const char *as_constraint_name(as_constraint_kind kind) {
    static const char *const names[] = {"none", "choices", "regex", "json_schema", "grammar"};
    return names[kind];
}

as_rc as_grammar_of(const as_constraint_spec *spec, as_grammar **out, as_err *err) {
    if (spec->kind == AS_CONSTRAINT_CHOICES) return of_choices(spec, out, err);
    if (spec->kind == AS_CONSTRAINT_REGEX) return as_grammar_of_regex(spec->text, out, err);
    if (spec->kind == AS_CONSTRAINT_SCHEMA) return as_grammar_of_schema(spec->schema, out, err);
    return as_grammar_of_gbnf(spec->text, out, err);
}
