// SPDX-License-Identifier: Apache-2.0
// target.h - something that answers: a model in this process, an endpoint, a recording.
//
// A target's URI is resolved once to a const table of functions. The scheduler asks from several
// workers at once; each worker has a state of its own, made and used by one thread. An answer
// depends on its request alone.
#ifndef AS_TARGET_H
#define AS_TARGET_H

#include "harness/base/arena.h"
#include "harness/base/grammar/grammar.h"
#include "harness/base/str.h"
#include "harness/record/sample.h"
#include "harness/record/serving.h"

typedef enum as_task {
    AS_TASK_CHOICE,
    AS_TASK_GENERATE,
    AS_TASK_LOGLIKELIHOOD, // of a given continuation
    AS_TASK_ROLLING,       // of the prompt itself, a text of any length
    AS_TASK_EMBED,         // texts into vectors: no prompt, no template
} as_task;

typedef struct as_message {
    as_str role, content; // "system", "user", "assistant", "tool"
    const as_json *whole; // the message of the case where it has more members; else NULL
} as_message;

typedef struct as_request {
    as_task task;
    as_str id;                  // of the case, for recordings
    uint64_t sample;            // which answer to it, from 0: chance differs, all else is the same
    const as_message *messages; // the prompt
    size_t message_count;
    bool raw;              // no chat template: the contents are joined as they are
    const as_json *tools;  // for the chat template: a list; NULL: none
    as_str chat_template;  // of those in the model's file; empty: the one that fits
    as_str date;           // that its strftime_now tells, "2026-01-31"; empty: there is none
    bool special_tokens;   // control tokens that texts spell are control tokens
    const as_str *choices; // CHOICE: texts that may follow the prompt
    size_t choice_count;
    bool alone;           // CHOICE: after an empty prompt, but spelled as they follow this one
    as_str continuation;  // LOGLIKELIHOOD
    const as_str *inputs; // EMBED: the texts
    size_t input_count;
    size_t max_tokens;   // GENERATE
    const as_str *stops; // GENERATE: the answer ends before the first of them
    size_t stop_count;
    double temperature;
    const void *prepared; // what the target's `prepare` made of it; NULL: nothing
    bool settles;         // whoever takes the answer calls the target's `settle` with it
    double top_p, min_p;  // 1 and 0: no filter
    size_t top_k;         // 0: no filter
    uint64_t seed;
    const as_constraint_spec *constraint; // GENERATE: what the answer may be; NULL: any text
    bool logprobs;                        // GENERATE: of the tokens are wanted,
    size_t top_logprobs;                  // with so many of the likeliest in each place
} as_request;

typedef struct as_answer {
    as_outcome outcome;
    as_str error;            // one sentence when the outcome is not ok
    as_str output;           // GENERATE: the text; CHOICE: the best choice; else the text scored
    size_t best;             // CHOICE: its index
    double *choice_logprobs; // CHOICE: [choice_count]
    bool has_logprob;        // LOGLIKELIHOOD, ROLLING: the next three are known
    double logprob;          // of the text
    uint64_t logprob_tokens; // that were predicted
    bool greedy;             // each was the likeliest one
    const as_json *token_logprobs; // as in as_sample
    const float *vectors;          // EMBED: [input_count][vector_width]
    size_t vector_width;
    as_str prompt_sha256; // of the prompt as the model saw it
    uint64_t tokens_in, tokens_out;
    double latency_ms, ttft_ms; // ttft NaN where it has no meaning
    unsigned attempts;
    as_attempts tries;      // as in as_sample
    as_str reasoning;       // what a model thought aloud, kept apart from the answer; or empty
    const as_json *details; // what else it said: of as_sample_details; NULL: nothing
    const double *gaps_ms;  // [gap_count] between one piece of a stream and the next
    size_t gap_count;
    double late_ms;        // sent so much after due_ns
    bool cached;           // taken from the cache: the times are those of the recording
    bool estimated;        // tokens_out is a count of pieces: the server gave no usage
    const void *unsettled; // what `settle` has still to make it of; NULL: it is whole
} as_answer;

// What is known of a target once it is open. Strings live as long as the target.
typedef struct as_target_info {
    as_str uri;          // without secrets
    as_str model_sha256; // empty when it cannot be known
    as_str model_name;
    as_str device;         // "cpu", "remote"
    as_str engine;         // "assay avx512"
    uint64_t memory_bytes; // of the model's weights; 0: not known
    size_t workers;        // how many workers it can use; 0: as many as the user likes
    size_t threads;        // of the requests under way, how many are computed at once; 0: all
    double call_worst_s;   // with all its attempts and waits one request ends within; 0: no limit
    double outage_worst_s; // that a target which worked may fail for before it is given up
    double requests_per_s; // its limit; 0: none
    as_str metrics_url;    // where the server's own metrics are; empty: nobody said
} as_target_info;

typedef struct as_target as_target;
typedef struct as_target_worker as_target_worker;

typedef struct as_target_ops {
    const char *scheme; // "gguf"
    bool scores_texts;  // can do LOGLIKELIHOOD and ROLLING
    bool embeds;        // may be able to do EMBED: `accepts` knows
    bool templates;     // takes tools, chat_template, date, special_tokens: `accepts` knows
    bool constrains;    // may be able to keep to a constraint: `accepts` knows
    bool tells_odds;    // may be able to give log-probabilities of tokens: likewise
    const char *syntax; // for help and errors: "gguf:PATH[?threads=N&...]"
    as_rc (*open)(as_str uri, as_str base_dir, as_target **out, as_err *err);
    const as_target_info *(*info)(const as_target *target);
    as_rc (*worker_new)(as_target *target, as_target_worker **out, as_err *err);
    // Never fails: what went wrong is the answer's outcome. All memory from `arena`.
    void (*answer)(as_target_worker *worker, as_arena *arena, const as_request *request,
                   as_answer *out);
    void (*worker_free)(as_target_worker *worker);
    void (*close)(as_target *target);
    // A target that waits for others, or that computes many together, has these (besides `answer`
    // or instead): its one worker keeps any number of requests going on one thread. `begin` hands
    // one over; request, arena and answer stay the caller's and must live until `next` has given
    // `tag` back. Not sent before `due_ns` (as_clock_ns; 0: at once), from which its latency then
    // counts.
    void (*begin)(as_target_worker *worker, as_arena *arena, const as_request *request,
                  as_answer *out, void *tag, uint64_t due_ns);
    // Makes beforehand, on the thread that submits, what `begin` would make of a request on the
    // thread that sends; sets `prepared`. NULL: there is nothing to be made.
    void (*prepare)(const as_target *target, as_arena *arena, as_request *request);
    // Makes an answer whole that `next` gave back with `unsettled`, on the thread that takes
    // answers. Asked for by `settles`; NULL: `next` gives whole ones back. `scratch` is reset.
    void (*settle)(const as_target *target, as_arena *scratch, as_arena *arena,
                   const as_request *request, as_answer *out);
    // The tag of one that is answered; NULL after `wait_ns` without one, or when woken.
    void *(*next)(as_target_worker *worker, uint64_t wait_ns);
    void (*wake)(as_target_worker *worker); // from any thread
    // All under way: AS_OUT_CANCELLED. From any thread where there is no `begin`, and for good.
    void (*cancel)(as_target_worker *worker);
    // What became of its servers, once its worker has ended; *count 0 unless it has several. NULL:
    // it never has.
    const as_serving_replica *(*replicas)(const as_target *target, size_t *count);
    // Whether it can do what the request asks (task, raw) at all; NULL: it can. AS_INVALID says
    // what it can do instead.
    as_rc (*accepts)(const as_target *target, const as_request *request, as_err *err);
    // Of the model's own chat template that such requests go through; empty: there is none. NULL:
    // it is not known.
    as_str (*template_sha256)(const as_target *target, const as_request *request);
} as_target_ops;

// Whether it can do what the request asks. AS_INVALID says what it can do instead.
as_rc as_target_accepts(const as_target_ops *ops, const as_target *target,
                        const as_request *request, as_err *err) AS_MUST_USE;

// Whether it turns texts into vectors. AS_INVALID says which targets do.
as_rc as_target_can_embed(const as_target_ops *ops, const as_target *target,
                          as_err *err) AS_MUST_USE;

// Whether it gives log-probabilities of choices after an empty prompt (as_request.alone).
// AS_INVALID says which targets do.
as_rc as_target_can_alone(const as_target_ops *ops, const as_target *target,
                          as_err *err) AS_MUST_USE;

// SHA-256 of the texts of an EMBED request: its prompt_sha256.
as_str as_target_inputs_sha256(as_arena *arena, const as_request *request);

// The keys top_p, top_k and min_p of a request to somebody else, where the suite asks for a filter.
void as_target_put_filters(as_json_out *out, const as_request *request);

// The seed to send for this answer: each of several answers to a case has its own.
uint64_t as_target_seed(const as_request *request);

// The table for a URI's scheme. AS_INVALID names the schemes there are.
as_rc as_target_resolve(as_str uri, const as_target_ops **out, as_err *err) AS_MUST_USE;

// Parsed "scheme:rest?key=value&key=value"; keys not in `allowed` (NULL-terminated) are errors
// that name the nearest one.
enum { AS_TARGET_KEYS_MAX = 32 };
typedef struct as_target_uri {
    as_str rest;
    as_str keys[AS_TARGET_KEYS_MAX + 8], values[AS_TARGET_KEYS_MAX + 8]; // a preset adds some
    size_t count;
} as_target_uri;
as_rc as_target_uri_parse(as_arena *arena, as_str uri, const char *const *allowed,
                          as_target_uri *out, as_err *err) AS_MUST_USE;
as_str as_target_uri_value(const as_target_uri *uri, const char *key, as_str otherwise);

// The value of `key` as a whole number in [least, most]; *out stays as it is without the key.
as_rc as_target_uri_count(as_str uri, const as_target_uri *parsed, const char *key, int64_t least,
                          int64_t most, int64_t *out, as_err *err) AS_MUST_USE;

extern const as_target_ops as_target_gguf, as_target_replay, as_target_mock, as_target_openai,
    as_target_ollama, as_target_tgi, as_target_kserve, as_target_http, as_target_cmd,
    as_target_preset;

// All of them, in the order of the help. Ends with NULL.
extern const as_target_ops *const as_targets[];

#endif
