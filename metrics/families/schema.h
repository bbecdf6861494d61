// SPDX-License-Identifier: Apache-2.0
// schema.h - JSON Schema, draft 2020-12: whether a value is as a schema says.
//
// Keywords: type enum const; multipleOf minimum maximum exclusiveMinimum exclusiveMaximum;
// minLength maxLength pattern; prefixItems items contains minContains maxContains minItems maxItems
// uniqueItems; properties patternProperties additionalProperties propertyNames required
// minProperties maxProperties dependentRequired dependentSchemas; allOf anyOf oneOf not if then
// else; $ref within the document (#/$defs/x), $defs, definitions. Annotations are passed over, and
// `format` is one, as the draft has it. Any other keyword is refused by name when the schema is
// loaded: unevaluatedProperties, $dynamicRef, references to other documents.
// Patterns are PCRE2's, which for what schemas use are those of ECMA-262. Strings are measured in
// code points; 1.0 is an integer and equal to 1.
#ifndef AS_SCHEMA_H
#define AS_SCHEMA_H

#include "harness/base/json.h"

typedef struct as_schema as_schema;

// Checks all of the schema; `schema` must outlive what is made. The error says where ('/a/b').
as_rc as_schema_new(const as_json *schema, as_schema **out, as_err *err) AS_MUST_USE;
void as_schema_free(as_schema *schema);

// False too when the work it would take is out of all bounds (a schema made to explode).
bool as_schema_allows(as_schema *schema, const as_json *value);

// Equal as JSON Schema has it: objects in any order, numbers by value.
bool as_schema_equal(const as_json *a, const as_json *b);

#endif
