// SPDX-License-Identifier: Apache-2.0
// grammar_schema.h - what the parts of the reader of JSON Schemas share. Private to
// grammar_schema.c, grammar_object.c and grammar_value.c.
#ifndef AS_GRAMMAR_SCHEMA_H
#define AS_GRAMMAR_SCHEMA_H

#include "harness/base/grammar/grammar_make.h"

typedef struct as_schema_maker {
    as_maker *maker;
    const as_json *root;
    as_buf path; // of the schema at hand: "/properties/a"
    size_t depth;
    as_err *err;
    bool failed;
    uint32_t value, letter, space; // rules, +1; 0: not there yet
} as_schema_maker;

// "at '/properties/a': ..."
void as_schema_maker_fail(as_schema_maker *s, const char *format, ...) AS_PRINTF(2, 3);

as_gx as_schema_make(as_schema_maker *s, const as_json *schema);
// The schema at a key, or an index, of the one at hand.
as_gx as_schema_make_at(as_schema_maker *s, as_str key, const as_json *schema);

as_gx as_schema_any(as_schema_maker *s);   // any JSON value
as_gx as_schema_space(as_schema_maker *s); // white space that people put between values
as_gx as_schema_string(as_schema_maker *s, const as_json *schema);
as_gx as_schema_number(as_schema_maker *s, const as_json *schema, bool integer);
as_gx as_schema_object(as_schema_maker *s, const as_json *schema);
as_gx as_schema_array(as_schema_maker *s, const as_json *schema);

// A comma with the white space that may stand around it.
as_gx as_schema_comma(as_schema_maker *s);

// A whole number from 0 at a key; `otherwise` without it.
int64_t as_schema_count(as_schema_maker *s, const as_json *schema, const char *key,
                        int64_t otherwise);

#endif
