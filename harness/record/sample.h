// SPDX-License-Identifier: Apache-2.0
// sample.h - the two nouns of evaluation: a golden case, and the sample that a target gave for it;
// and their line in the journal (results.jsonl).
//
// All strings are views into the arena that the value was made in.
#ifndef AS_SAMPLE_H
#define AS_SAMPLE_H

#include "harness/record/attempt.h"

// One golden case, as the dataset gives it.
typedef struct as_case {
    uint64_t index;          // position in the dataset, from 0
    as_str id;               // unique in the dataset
    as_str cluster;          // cases that share a source; empty: a cluster of its own
    double weight;           // > 0, default 1
    const as_json *fields;   // the whole object
    const as_json *expected; // the reference field; never NULL (a missing one is an error)
    const as_str *slices;    // "tag=edge", "channel=chat": the slices this case belongs to
    size_t slice_count;
    size_t line; // in its file, from 1
    as_str file; // path
} as_case;

// What became of one case. What the model did wrong is data; so is what the target did wrong.
typedef enum as_outcome {
    AS_OUT_OK,
    AS_OUT_TIMEOUT,
    AS_OUT_HTTP_ERROR,
    AS_OUT_BAD_RESPONSE,
    AS_OUT_REFUSED,
    AS_OUT_TRUNCATED, // longer than the context, or cut off before an answer was complete
    AS_OUT_CANCELLED,
    AS_OUT_COUNT
} as_outcome;

const char *as_outcome_name(as_outcome outcome); // "ok", "timeout", ...
bool as_outcome_of(as_str name, as_outcome *out);

// Answers that count (wrong ones too) against those that are missing: a timeout, an HTTP error, a
// bad response and a cancelled case are the target's failure, never scored as 0 and never dropped
// in silence. A refusal or a cut-off answer is the model's and is scored.
bool as_outcome_is_error(as_outcome outcome);

typedef struct as_score {
    as_str name;  // metric, as in the summary
    double value; // NaN: undefined for this case (null in the journal)
} as_score;

enum { AS_JUDGED_MAX = 2 };

// One answer of a judge.
typedef struct as_judged_answer {
    as_str text, error;
    as_outcome outcome;
    double value; // of the verdict; NaN where there is none...
    bool empty;   // ...because there was nothing to judge...
    bool unread;  // ...or because the text is not what was asked for
    bool cached;
    uint64_t tokens_in, tokens_out;
    double cost; // not part of the sample's
} as_judged_answer;

// What a judge said of a sample, for one metric.
typedef struct as_judged {
    as_str metric, prompt_sha256;
    double human; // the label that a person gave, on the metric's scale; NaN: none
    as_judged_answer answers[AS_JUDGED_MAX];
    size_t count; // 0: it was not asked
} as_judged;

// How alike answer and reference are to a model that embeds texts.
typedef struct as_similarity {
    as_str model; // URI, as the suite's metric names it
    double value; // cosine, -1 to 1; NaN: it has none
} as_similarity;

// What code of the suite's own said of a sample, for one metric (metrics/families/checked.c).
typedef struct as_code_verdict {
    as_str metric;
    double score; // NaN: it gave none
    bool pass;
    bool number; // the verdict was a number alone
    bool failed; // there is no verdict: it broke, or said something else
    as_str reason;
} as_code_verdict;

// What a target answered for one case, and what it was worth.
typedef struct as_sample {
    as_str id;
    uint64_t sample;      // which of the answers to its case, from 0
    uint64_t samples;     // that were asked for; 0 and 1: just one
    as_str prompt_sha256; // 64 hex digits
    const as_json *expected;
    as_str output;       // as the target gave it; for `choice` the text of the best choice
    as_str prediction;   // after extraction; for `choice` the chosen label
    bool has_prediction; // false: extraction found nothing, or the outcome is an error
    const as_score *scores;
    size_t score_count;
    as_outcome outcome;
    as_str error;      // what went wrong, one sentence; empty when ok
    double latency_ms; // end to end, queueing not counted
    double ttft_ms;    // to the first token; NaN where it has no meaning
    uint64_t tokens_in, tokens_out;
    double cost;                   // in the run's currency
    unsigned attempts;             // at least 1
    as_attempts tries;             // empty where a single one was answered
    as_str target;                 // URI
    as_str reasoning;              // thought aloud by the model, not part of the output; or empty
    const double *choice_logprobs; // [choice_count], in the order of the suite's choices
    const double *unconditional_logprobs; // [choice_count], after an empty prompt; NULL: not asked
    const as_str *choices;                // [choice_count]
    size_t choice_count;
    bool has_logprob;              // of tasks that score a text: the three fields below
    double logprob;                // natural logarithm of its probability
    uint64_t logprob_tokens;       // tokens that were predicted
    bool greedy;                   // each of them was the likeliest one
    const as_json *token_logprobs; // of a generated text, a list as OpenAI's logprobs.content; NULL
    const as_str *ranking;         // ids of documents, the nearest first
    size_t ranking_count;
    const as_similarity *similarities;
    size_t similarity_count;
    as_str cluster; // of the case, so that a journal can be judged alone
    double weight;
    const as_str *slices;
    size_t slice_count;
    const as_judged *judged; // [judged_count] of the metrics that a judge scores
    size_t judged_count;
    const as_code_verdict *checks; // [check_count] of the metrics that code of the suite decides
    size_t check_count;
    const as_json *details; // what else a target said, an object with keys of as_sample_details
                            // only; NULL: nothing. In the journal these stand on the line.
    const as_json *line;    // the object it was read from; NULL for one that a target just gave
    as_str source;          // its text, while it is visited; empty in copies
} as_sample;

// "tool_calls", "finish_reason", "trace", "skill_calls", "guardrails"; ends with NULL.
extern const char *const as_sample_details[];

// One of the details, else a member of the line that the sample was read from; NULL: none.
const as_json *as_sample_field(const as_sample *sample, const char *key);

// Those members of an object that are details, and not null; NULL when there are none.
const as_json *as_sample_details_of(as_arena *arena, const as_json *object);

// Appends the sample's line, newline included.
void as_sample_write(as_buf *buf, const as_sample *sample);

// Reads one line. Unknown keys are ignored (a newer assay may have written them).
as_rc as_sample_read(as_arena *arena, as_str line, as_sample *out, as_err *err) AS_MUST_USE;

// The same of a line that is parsed already and need not have an id (empty then).
as_rc as_sample_of(as_arena *arena, const as_json *line, as_sample *out, as_err *err) AS_MUST_USE;

// What no two lines of a journal share: the id; of further answers to a case the id, a NUL (which
// no id holds) and their number. In `arena` where it is not the id itself.
as_str as_sample_key(as_arena *arena, as_str id, uint64_t sample);

// Copies that own nothing outside `arena`.
as_case as_case_copy(as_arena *arena, const as_case *case_);
as_sample *as_sample_copy(as_arena *arena, const as_sample *sample);

#endif
