// SPDX-License-Identifier: Apache-2.0
// suite.h - what a suite file asks for, checked and resolved; nothing is run here.
//
// Everything wrong with a file is reported in one go: as_suite_load appends one line a problem,
// "FILE:LINE:COLUMN: what, the offending text, the nearest valid name". Metrics and gates are
// texts with a position here; whoever knows metrics checks them and appends to the same list.
// All memory belongs to the arena given.
#ifndef AS_SUITE_H
#define AS_SUITE_H

#include "harness/base/grammar/grammar.h"
#include "harness/base/yaml.h"
#include "harness/record/alert.h"
#include "harness/record/sample.h"

typedef enum as_suite_task {
    AS_SUITE_CHOICE,
    AS_SUITE_GENERATE,
    AS_SUITE_LOGLIKELIHOOD, // of the reference after the prompt
    AS_SUITE_ROLLING,       // of the prompt itself
    AS_SUITE_EMBED,         // the prompt as a vector; choices are documents, ranked by cosine
} as_suite_task;

typedef enum as_choices_from {
    AS_CHOICES_LIST,   // choices: [a, b]
    AS_CHOICES_FIELD,  // choices: {field: options}: a list in each case
    AS_CHOICES_LABELS, // choices: {labels: dataset}: all expected values of the dataset, sorted
    AS_CHOICES_FILE,   // choices: {from: FILE}: documents, each with `id` and `text`
} as_choices_from;

typedef enum as_extract_kind {
    AS_EXTRACT_STRIP, // white space at both ends
    AS_EXTRACT_LOWER, // ASCII and Latin letters
    AS_EXTRACT_REGEX, // first match: its first group that took part, else the whole match
    AS_EXTRACT_FIRST_LINE,
    AS_EXTRACT_JSON, // {json: a.b}: the member of the first JSON object in the text
    AS_EXTRACT_NFC,  // Unicode normalisation
    AS_EXTRACT_NFKC,
} as_extract_kind;

// A text of the suite and where it stands.
typedef struct as_suite_text {
    as_str text;
    size_t line, column;
} as_suite_text;

typedef struct as_suite_extract {
    as_extract_kind kind;
    as_suite_text argument; // regex pattern or JSON path
} as_suite_extract;

typedef struct as_suite_metric {
    as_str name;
    const as_yaml *options; // the map, or NULL for a bare name
    size_t line, column;
} as_suite_metric;

typedef struct as_suite {
    as_str path, dir; // of the file; relative paths in it are relative to dir
    as_str name, description;
    const as_str *datasets; // paths, resolved
    size_t dataset_count;
    const as_suite_text *targets; // URIs; may be empty: then --target must name one
    size_t target_count;
    const as_suite_text *allow_hosts; // nothing else is reached; as in --allow-host
    size_t allow_host_count;
    as_suite_task task;
    as_suite_text system, user; // Jinja; system may be empty, and user where there are messages
    as_str messages;            // field: a list of turns in each case; else empty
    bool chat;                  // false: chat: raw
    const as_json *tools;       // for the model's chat template: a list; NULL: none
    as_str chat_template;       // which of the model's own; empty: the one that fits
    as_str date;                // what its strftime_now tells, "2026-01-31"; empty: nothing
    bool special_tokens;        // control tokens that texts spell are control tokens
    as_str few_shot_path;       // empty: none
    size_t few_shot_count;
    bool few_shot_seeded; // pick: seeded (by generate.seed), else the first n
    as_choices_from choices_from;
    const as_str *choices; // LIST
    size_t choice_count;
    as_str choices_field; // FIELD
    as_str choices_path;  // FILE; else empty
    as_str expected;      // field; "expected" by default
    size_t max_tokens;    // GENERATE: default 64
    double temperature;   // 0: greedy
    double top_p, min_p;  // 1 and 0: no filter
    size_t top_k;         // 0: no filter
    const as_str *stops;
    size_t stop_count;
    uint64_t seed;
    uint64_t samples;              // GENERATE: answers to each case; 1 by default
    as_constraint_spec constraint; // GENERATE: what an answer may be; NONE: any text
    as_str constraint_field;       // CHOICES: a list in each case; else empty
    bool logprobs;                 // GENERATE: of the tokens are recorded,
    size_t top_logprobs;           // with so many of the likeliest in each place
    const as_suite_extract *extracts;
    size_t extract_count;
    const as_suite_metric *metrics;
    size_t metric_count;
    const as_str *slices; // fields
    size_t slice_count;
    double max_errors; // share of the cases, 0..1; default 0.01
    const as_suite_text *gates;
    size_t gate_count;
    const as_alert_rules *alert; // NULL: nobody is told
    as_str sha256; // over what decides scores: task, prompt, choices, generate, extract, metrics,
                   // and the few-shot file's content; not name, dataset, target, slices,
                   // gates or alerts
} as_suite;

// AS_INVALID if anything is wrong; then `problems` has one line each.
as_rc as_suite_load(as_arena *arena, const char *path, as_suite *out, as_buf *problems) AS_MUST_USE;

// "FILE:LINE:COLUMN: message\n" onto problems.
void as_suite_problem(as_buf *problems, const as_suite *suite, size_t line, size_t column,
                      const char *format, ...) AS_PRINTF(5, 6);

#endif
