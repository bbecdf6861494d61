// SPDX-License-Identifier: Apache-2.0
// assert_form.h - how promptfoo writes an assertion, as the metric that it is here: which one, and
// how `value`, `threshold` and their kin become its options.
//
// Refused by name: what asks a model, what runs code or calls a URL (a dataset is data: only a
// suite may name those), and what compares the answers of several targets.
#ifndef AS_ASSERT_FORM_H
#define AS_ASSERT_FORM_H

#include "harness/base/json.h"

typedef enum as_assert_kind {
    AS_ASSERT_PLAIN,      // no value
    AS_ASSERT_TEXTS,      // value: a text or a list
    AS_ASSERT_COMMAS,     // the same, a text is split at commas
    AS_ASSERT_SCHEMA,     // value: a JSON Schema, or one written as text in YAML
    AS_ASSERT_MEMBERS,    // value: a map of options, or what `option` says
    AS_ASSERT_GOLD,       // value is what is expected
    AS_ASSERT_REFERENCES, // the same, a list is several
    AS_ASSERT_LIMIT,      // threshold is an option
} as_assert_kind;

typedef struct as_assert_form {
    const char *type, *metric; // metric NULL: of the same name
    as_assert_kind kind;
    double threshold;   // a score that is held against `threshold`: where none is given, -INFINITY
                        // for any score at all; NaN: the metric says yes or no
    const char *option; // MEMBERS: of a value that is no map; NULL: it must be one
} as_assert_form;

// `type` may begin with "not-".
as_rc as_assert_form_find(as_str type, const as_assert_form **out, as_err *err) AS_MUST_USE;

// The metric as a suite would write it, options in JSON.
as_str as_assert_form_spec(as_arena *arena, const as_assert_form *form, as_str type,
                           const as_json *from);

// Whether all keys of the assertion are known.
as_rc as_assert_form_keys(const as_json *from, as_err *err) AS_MUST_USE;

#endif
