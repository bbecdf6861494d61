// SPDX-License-Identifier: Apache-2.0
// suite_read.h - how the suite loader reads YAML by table; used inside harness/suite only.
//
// A map is described by a table of keys. Whatever does not fit (an unknown key, a wrong kind, a
// missing key) becomes a problem, and reading goes on: a person wants all mistakes in one go.
#ifndef AS_SUITE_READ_H
#define AS_SUITE_READ_H

#include "harness/suite/suite.h"

typedef struct as_suite_loader {
    as_arena *arena;
    as_suite *suite;
    as_buf *problems;
    const as_yaml *root;
} as_suite_loader;

// Kinds that a key accepts, as bits.
#define AS_SUITE_KIND(kind) (1u << (kind))
enum {
    AS_SUITE_STRING = AS_SUITE_KIND(AS_YAML_STRING),
    AS_SUITE_NUMBER = AS_SUITE_KIND(AS_YAML_NUMBER),
    AS_SUITE_BOOL = AS_SUITE_KIND(AS_YAML_BOOL),
    AS_SUITE_LIST = AS_SUITE_KIND(AS_YAML_LIST),
    AS_SUITE_MAP = AS_SUITE_KIND(AS_YAML_MAP),
    AS_SUITE_SCALAR = AS_SUITE_STRING | AS_SUITE_NUMBER | AS_SUITE_BOOL,
};

typedef struct as_suite_key {
    const char *name;
    unsigned kinds;
    bool required;
    void (*read)(as_suite_loader *loader, const as_yaml *value);
} as_suite_key;

// Calls each key's reader with its value. `what` names the map in messages ("prompt"); "" is the
// file itself. `keys` ends with a NULL name.
void as_suite_read_map(as_suite_loader *loader, const as_yaml *map, const char *what,
                       const as_suite_key *keys);

// False, and a problem, unless the value is of one of the kinds. `what` names it.
bool as_suite_read_kind(as_suite_loader *loader, const as_yaml *value, const char *what,
                        unsigned kinds);

// A problem at a value or, for a value inside a map, at its key.
void as_suite_read_problem(as_suite_loader *loader, const as_yaml *value, const char *format, ...)
    AS_PRINTF(3, 4);

// A string that is not empty.
bool as_suite_read_str(as_suite_loader *loader, const as_yaml *value, const char *what,
                       as_str *out);

// A scalar or a list of scalars as texts with positions, each of the given kinds, none empty.
const as_suite_text *as_suite_read_texts(as_suite_loader *loader, const as_yaml *value,
                                         const char *what, unsigned kinds, size_t *count);

// The same without positions, each at most once.
const as_str *as_suite_read_names(as_suite_loader *loader, const as_yaml *value, const char *what,
                                  unsigned kinds, size_t *count);

// A whole number in [least, most].
bool as_suite_read_count(as_suite_loader *loader, const as_yaml *value, const char *what,
                         uint64_t least, uint64_t most, uint64_t *out);

// The index of the word in `words` (ends with NULL), or SIZE_MAX and a problem with the nearest.
size_t as_suite_read_word(as_suite_loader *loader, const as_yaml *value, const char *what,
                          const char *const *words);

// The table of the file itself.
extern const as_suite_key as_suite_keys[];

// Readers of keys of `prompt`: what a chat template is given besides the turns.
void as_suite_read_tools(as_suite_loader *loader, const as_yaml *value);
void as_suite_read_messages(as_suite_loader *l, const as_yaml *v);
// What `prompt` must have, and what in it does not go together.
void as_suite_read_turns(as_suite_loader *l, const as_yaml *prompt);
void as_suite_read_chat_template(as_suite_loader *l, const as_yaml *v);
void as_suite_read_date(as_suite_loader *loader, const as_yaml *value);
void as_suite_read_special_tokens(as_suite_loader *loader, const as_yaml *value);

// The reader of `alert`.
void as_suite_read_alert(as_suite_loader *loader, const as_yaml *value);

// Readers of keys of `generate`: what an answer may be, and how likely its tokens were.
void as_suite_read_only_choices(as_suite_loader *loader, const as_yaml *value);
void as_suite_read_regex(as_suite_loader *loader, const as_yaml *value);
void as_suite_read_schema(as_suite_loader *loader, const as_yaml *value);
void as_suite_read_grammar(as_suite_loader *loader, const as_yaml *value);
void as_suite_read_logprobs(as_suite_loader *loader, const as_yaml *value);

// Sets suite->sha256.
void as_suite_seal(as_suite_loader *loader);

#endif
