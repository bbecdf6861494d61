// SPDX-License-Identifier: Apache-2.0
// grammar.h - what a text may be: one of a list, as a regular expression, a JSON Schema or a
// grammar says. Each becomes the same thing, rules over bytes that call each other, which a
// recognizer (recognizer.h) walks along.
//
// Regular expressions match the whole text: literals, classes, groups, alternatives and repetition
// of Perl's notation; what remembers or looks around is refused. Grammars are in GBNF, the notation
// of llama.cpp. What a JSON Schema asks for is said in grammar_schema.c.
//
// A grammar can always be ended from where it has led: parts that lead nowhere are cut off when it
// is compiled. What is left-recursive, or larger than the limits below, is refused by name.
#ifndef AS_GRAMMAR_H
#define AS_GRAMMAR_H

#include "harness/base/json.h"

enum {
    AS_GRAMMAR_STATES_MAX = 1 << 18,
    AS_GRAMMAR_EDGES_MAX = 1 << 21,
    AS_GRAMMAR_RULES_MAX = 1 << 14,
    AS_GRAMMAR_NEST_MAX = 128,      // brackets in brackets of a source
    AS_GRAMMAR_REPEAT_MAX = 100000, // a count of {m,n}
    AS_GRAMMAR_TEXT_MAX = 1 << 20,  // bytes of a source
};

typedef struct as_grammar as_grammar; // immutable: any thread may read it

typedef enum as_constraint_kind {
    AS_CONSTRAINT_NONE,
    AS_CONSTRAINT_CHOICES,
    AS_CONSTRAINT_REGEX,
    AS_CONSTRAINT_SCHEMA,
    AS_CONSTRAINT_GRAMMAR,
} as_constraint_kind;

// What is asked of an answer, as the user wrote it; views.
typedef struct as_constraint_spec {
    as_constraint_kind kind;
    const as_str *choices; // CHOICES: [choice_count], none of them empty
    size_t choice_count;
    as_str text;           // REGEX, GRAMMAR; of a SCHEMA its JSON
    const as_json *schema; // SCHEMA
    bool own;              // of one case alone: what is made of it is not kept
} as_constraint_spec;

const char *as_constraint_name(as_constraint_kind kind); // "choices", "regex", ...

// AS_INVALID says what is wrong and where: "line 3, column 7: ..." or, of a schema, its path.
as_rc as_grammar_of(const as_constraint_spec *spec, as_grammar **out, as_err *err) AS_MUST_USE;
void as_grammar_free(as_grammar *grammar);

#endif
