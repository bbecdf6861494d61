// SPDX-License-Identifier: Apache-2.0
// gguf_case.h - one request to the embedded engine: messages become tokens, log-probabilities and
// tokens become an answer. Private to target_gguf.c.
#ifndef AS_GGUF_CASE_H
#define AS_GGUF_CASE_H

#include "harness/base/jinja.h"
#include "harness/base/thread.h"
#include "harness/engine/engine.h"
#include "harness/target/chat/harmony.h"
#include "harness/target/target.h"

typedef struct as_gguf_case as_gguf_case;

// Embedders of a model: as many as threads of the engine ask for one at a time.
typedef struct as_embedders {
    const as_model *model;
    as_embedder_options options;
    as_lock *lock;
    as_embedder *idle[256]; // [idle_count]
    size_t idle_count;
} as_embedders;

void as_embedders_init(as_embedders *embedders, const as_model *model,
                       const as_embedder_options *options);
void as_embedders_free(as_embedders *embedders);

// What answers of a model are kept to: made when it is first asked for, and kept. The tree of the
// tokens serves all of them.
typedef struct as_constraints as_constraints;
as_constraints *as_constraints_new(const as_model *model);
void as_constraints_free(as_constraints *constraints);

// NULL: the constraint is wrong, which the error says. One that is of a case alone is the caller's.
as_constraint *as_constraints_find(as_constraints *constraints, const as_constraint_spec *spec,
                                   as_err *err);

struct as_gguf_case {
    as_work work; // the first member: work and case are one
    // Set by the caller; request, arena and answer are its own.
    const as_model *model;
    const as_jinja *chat;    // NULL: the file has no template
    size_t context;          // tokens
    const as_harmony *names; // NULL: the model does not answer in messages
    as_batcher *batcher;
    as_embedders *embedders;
    as_constraints *constraints;
    const as_request *request;
    as_arena *arena;
    as_answer *answer;
    uint64_t due_ns; // latency counts from here; 0: from when the engine begins with it
    void (*over)(as_gguf_case *c); // by a thread of the engine; the case is the caller's again
    as_target_worker *worker;      // these three are the caller's
    void *tag;
    as_gguf_case *next;

    uint64_t start_ns, first_ns, last_ns; // 0: not yet
    as_tokens prompt;                     // of all of it
    as_tokens all;                        // ROLLING: the text
    size_t rolled;                        // of its tokens, those that are scored
    double logprob;                       // of the text at hand
    bool greedy;
    as_sampling sampling;
    as_constraint *own;      // of this case alone, or NULL
    as_token_odds odds;      // of the token at hand
    as_json *token_logprobs; // so far
    as_buf text, gaps;       // GENERATE; bytes of doubles
    as_harmony_reader said;  // instead of text, where it has names
    bool stopped;
    as_err err;
};

// Whether the chat template takes messages of these roles with what else the request brings.
as_rc as_gguf_case_rehearse(const as_model *model, const as_jinja *chat, const as_request *request,
                            as_err *err);

// Hands the case to its batcher. `over` is called once, when its answer is there.
void as_gguf_case_submit(as_gguf_case *c);

#endif
