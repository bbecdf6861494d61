// SPDX-License-Identifier: Apache-2.0
// engine.h - the embedded inference engine: a GGUF file in, log-probabilities and text out.
//
// An as_model is the loaded file: immutable, shared by any number of threads. An as_batcher answers
// many requests at once over one cache of keys and values, taken when it is made; an as_session is
// the same for one request after the other, by the thread that asks. An answer depends on the model
// and the request alone: not on what was asked before or beside, what of it was kept, the threads,
// the batches or the CPU. (The type of the cache is part of the model in this.)
//
// It knows nothing of HTTP, suites or scores.
#ifndef AS_ENGINE_H
#define AS_ENGINE_H

#include "harness/base/grammar/grammar.h"

enum { AS_MODEL_TEMPLATES_MAX = 64 };

typedef struct as_model as_model;
typedef struct as_session as_session;

typedef struct as_model_options {
    const char *cpu;   // "auto" or NULL, or a table's name: kernels.h
    const char *lora;  // path of an adapter, or NULL
    const char *quant; // weights are first brought to this type (quantize.h); NULL: as they are
    bool decoded;      // weights of types that are only decoded (IQ1 to IQ3, TQ, NVFP4) are held as
                       // a type of 4, 8 or 16 bits, as a GPU needs it; otherwise they take their
                       // file's size and become bytes whenever they are multiplied with
    size_t cache_from; // bytes: of files from this size on, what loading them has cost is kept in
                       // the cache (cache.h); 0: 64 MiB
} as_model_options;

// One of the chat templates of a file.
typedef struct as_model_template {
    as_str name, text; // "default", "tool_use", "rag"; Jinja
} as_model_template;

// Facts about a loaded model. Strings live as long as the model.
typedef struct as_model_info {
    as_str name;         // general.name, else the file's name
    as_str architecture; // "llama", "qwen3", ...
    as_str tokenizer;    // "gpt2", "llama", "t5", "bert"
    as_str sha256;       // of the file (with `quant`, of the one that it makes), or of its parts,
                         // and of its adapter, one after the other
    const as_model_template *templates; // [template_count], the file's default first
    size_t template_count;
    as_str kernels; // "avx512"
    uint64_t parameters;
    uint64_t file_size;          // bytes, of all parts
    uint64_t product_parameters; // of the matrices that a token is multiplied with
    uint64_t product_size;       // their bytes in memory: what a decoded token reads
    uint64_t memory_size;        // bytes of all weights in memory
    size_t vocabulary, context_length, layers, width, heads, kv_heads, head_width, ffn_width;
    as_str pooling;    // "mean", "cls", "last", "rank": how it embeds texts; else empty
    bool encoder;      // embeds texts and does nothing else: no session can be had
    bool adds_space;   // the tokenizer puts a space in front of a text
    uint32_t bos, eos; // token ids; UINT32_MAX when there is none
} as_model_info;

// Maps, validates and packs the file; of a model in parts, it is the first one that is named.
// Errors are AS_INVALID and name the field and the offset.
as_rc as_model_open(const char *path, const as_model_options *options, as_model **out,
                    as_err *err) AS_MUST_USE;
void as_model_close(as_model *model);
const as_model_info *as_model_facts(const as_model *model);

// `threads` work on one forward pass together (1: the caller alone). `context` 0 takes the
// model's own length.
as_rc as_session_new(const as_model *model, size_t context, size_t threads, as_session **out,
                     as_err *err) AS_MUST_USE;
void as_session_free(as_session *session);

// Tokens of `text` in the arena. With `special`, control tokens written in the text are taken as
// such (templates); without, they are text (data). `bos` puts the beginning token in front if the
// file asks for one and the text does not begin with it.
typedef struct as_tokens {
    uint32_t *ids;
    size_t count;
} as_tokens;
as_rc as_model_tokenize(const as_model *model, as_arena *arena, as_str text, bool special, bool bos,
                        as_tokens *out, as_err *err) AS_MUST_USE;

// `text` so that no control token in it is taken as one, even where `special` is asked for: a mark
// (U+F0000) is put inside each, which as_model_tokenize removes again. For data that goes through
// a chat template. `text` itself when there is nothing to guard.
as_str as_model_guard(const as_model *model, as_arena *arena, as_str text);

// The bytes of one token; control tokens give nothing unless `special`.
as_str as_model_token_text(const as_model *model, uint32_t token, bool special);
bool as_model_is_end(const as_model *model, uint32_t token); // eos, eot and their like

typedef enum as_eval_status {
    AS_EVAL_OK,
    AS_EVAL_TOO_LONG,  // prompt and answer do not fit the context: nothing was computed
    AS_EVAL_CANCELLED, // as_batcher_cancel came first
    AS_EVAL_FAILED,    // the device did: as_batcher_failure
} as_eval_status;

// sum of log p(token | all before) over each choice's tokens, after the same prompt. The prompt is
// computed once (and what it shares with the session's last prompt not at all); all choices in one
// batch. logprobs[choice_count].
as_eval_status as_session_choices(as_session *session, as_tokens prompt, const as_tokens *choices,
                                  size_t choice_count, double *logprobs);

// *logprob is the sum of log p(token | all before) over `text` after `prompt`, *greedy whether each
// of its tokens was the likeliest one. After no prompt the first token is not predicted: it counts
// 0 and as the likeliest. All but the last token must fit the context.
as_eval_status as_session_score(as_session *session, as_tokens prompt, as_tokens text,
                                double *logprob, bool *greedy);

// How tokens are chosen; see sampler.h for what the filters mean. top_p 1, top_k 0 and min_p 0 keep
// everything.
typedef struct as_sampling {
    double temperature; // 0: the likeliest token (ties: lowest id)
    double top_p, min_p;
    size_t top_k;
    uint64_t seed, stream; // of chance: the run's, and the answer's own
} as_sampling;

// Generation; `sampling` NULL is greedy. Calls `each` for every token, which returns false to stop;
// ends also at an end token or after max_tokens. *count is the number of tokens produced, the end
// token not counted; *ended true if an end token ended it.
typedef bool as_token_visit(void *context, uint32_t token);
as_eval_status as_session_generate(as_session *session, as_tokens prompt, size_t max_tokens,
                                   const as_sampling *sampling, as_token_visit *each, void *context,
                                   size_t *count, bool *ended);

// --- embeddings ---

// Turns texts into vectors of length 1: the last layer's rows, pooled. Of an encoder (BERT) every
// row sees the whole text; of a decoder, what is before it, if it is not one that sees both ways.
// One thread at a time; what comes of a text depends on the text alone, not on those it is embedded
// with.
typedef struct as_embedder as_embedder;

typedef struct as_embedder_options {
    as_str pooling; // "mean", "cls" or "last"; empty: what the file says
    as_str device;  // "cpu" (or empty), "cuda:0"
    size_t context; // tokens of a text; 0: the model's own length
    size_t threads; // that work on a text together; 0: 1
} as_embedder_options;

// AS_INVALID for what cannot be, also where the file's pooling is no embedding; nothing is taken.
as_rc as_embedder_check(const as_model *model, const as_embedder_options *options,
                        as_err *err) AS_MUST_USE;
as_rc as_embedder_new(const as_model *model, const as_embedder_options *options, as_embedder **out,
                      as_err *err) AS_MUST_USE;
void as_embedder_free(as_embedder *embedder);
const char *as_embedder_pooling(const as_embedder *embedder); // "mean", "cls", "last"

// Tokens of `text`, which is data: nothing in it is a control token. With what the file puts around
// a text.
as_rc as_embedder_tokenize(const as_embedder *embedder, as_arena *arena, as_str text,
                           as_tokens *out, as_err *err) AS_MUST_USE;

// out[count][width]. Texts are 1 to `context` tokens long, or nothing is computed.
as_eval_status as_embedder_run(as_embedder *embedder, const as_tokens *texts, size_t count,
                               float *out);
const char *as_embedder_failure(const as_embedder *embedder); // one sentence, after AS_EVAL_FAILED

// Logits of every position of `tokens`: out[tokens.count][vocabulary]. For tests and perplexity.
as_eval_status as_session_logits(as_session *session, as_tokens tokens, float *out);

// --- constrained generation ------------------------------------------------------------------

// The tokens of a model by their bytes: one serves all constraints on it. Any thread may use it.
typedef struct as_trie as_trie;
as_trie *as_trie_new(const as_model *model);
void as_trie_free(as_trie *trie);

// What an answer may be, shared by any number of requests and threads. A token may come where the
// grammar goes on with all of its bytes, an end token where a text may end; an answer that is
// whole, and that nothing can be added to, has ended. Takes the grammar.
typedef struct as_constraint as_constraint;
as_constraint *as_constraint_new(const as_trie *trie, as_grammar *grammar);
void as_constraint_free(as_constraint *constraint);

// --- many requests at once ------------------------------------------------------------------

// How likely a generated token was, and the likeliest ones in its place: of all tokens, at
// temperature 1, before filters and constraints.
enum { AS_ODDS_MAX = 20 };
typedef struct as_token_odds {
    size_t wanted, count; // of the likeliest; wanted is set by the caller
    double logprob;
    uint32_t tokens[AS_ODDS_MAX]; // [count]
    double logprobs[AS_ODDS_MAX];
} as_token_odds;

typedef struct as_batcher as_batcher;
typedef struct as_work as_work;

typedef enum as_work_kind {
    AS_WORK_TEXTS,    // log-probabilities of texts after the prompt
    AS_WORK_GENERATE, // a text after the prompt
    AS_WORK_LOGITS,   // of every position of the prompt
} as_work_kind;

// A request and its answer; the caller's, and in the batcher's hands until `done`. What texts,
// generation and logits mean is said at as_session_choices and its like; of TEXTS, each must fit
// the context after the prompt, with `last_fits` all but its last token.
struct as_work {
    as_work_kind kind;
    // Fills in the request, by a thread of the batcher, when there is room to begin with it; false:
    // there is nothing to compute. NULL: it is filled in.
    bool (*prepare)(as_work *work);
    void (*done)(as_work *work); // by a thread of the batcher, which touches it no more; or NULL
    as_tokens prompt;
    const as_tokens *texts; // TEXTS: [text_count]
    size_t text_count;
    bool last_fits;
    double *logprobs;            // TEXTS: [text_count]
    bool *greedy;                // TEXTS: [text_count] each token was the likeliest; or NULL
    size_t max_tokens;           // GENERATE
    const as_sampling *sampling; // GENERATE; NULL: the likeliest
    as_token_visit *each;        // GENERATE
    void *context;               // of `each`
    as_token_odds *odds;         // GENERATE: of the token, filled in before `each`; or NULL
    as_constraint *constraint;   // GENERATE: NULL: any text
    float *logits;               // LOGITS: [prompt.count][vocabulary]

    as_eval_status status;
    size_t count;  // GENERATE: tokens produced
    bool ended;    // GENERATE: by an end token, or whole as the constraint says
    bool stuck;    // GENERATE: the constraint let no token come, or took too much memory
    size_t reused; // tokens of the prompt that were there already, or that somebody else computes

    as_work *next; // this and `finished`: the batcher's own
    bool finished;
};

typedef struct as_backend as_backend; // backend.h

typedef struct as_batcher_options {
    const as_backend *backend; // what computes; NULL: the CPU
    size_t context;            // tokens of a request; 0: the model's own length
    size_t lanes;    // threads that each run batches side by side; 0: those who call as_batcher_run
    size_t team;     // threads that work on one batch together; 0: 1
    size_t chunk;    // rows of a batch; 0: a sensible number
    size_t cases;    // requests begun and not done; 0: as many as fill batches
    as_str kv;       // "f32" (or empty), "f16", "q8_0"
    as_str device;   // "cpu" (or empty), "cuda:0": a GPU
    uint64_t memory; // bytes for keys and values; 0: a sensible number, and more for a long context
    bool forgets; // what a request leaves is not kept for the next: no more memory than one needs
} as_batcher_options;

// AS_INVALID when the memory cannot hold one context: the message says how much it takes.
as_rc as_batcher_check(const as_model *model, const as_batcher_options *options,
                       as_err *err) AS_MUST_USE;
as_rc as_batcher_new(const as_model *model, const as_batcher_options *options, as_batcher **out,
                     as_err *err) AS_MUST_USE;
void as_batcher_free(as_batcher *batcher); // all that was submitted is done

// From any thread.
void as_batcher_submit(as_batcher *batcher, as_work *work);
// What is not done yet ends as cancelled, soon; so does all that is submitted later.
void as_batcher_cancel(as_batcher *batcher);

// Without lanes: computes what was submitted until `work` is done. One thread at a time.
void as_batcher_run(as_batcher *batcher, as_work *work);

typedef struct as_batcher_facts {
    uint64_t rows, wanted; // rows computed, and those of them whose logits were needed
    uint64_t reused;       // tokens of prompts that were not computed again
    uint64_t batches;
    size_t pages, pages_used, pages_most; // in use now and at most, with what is kept
    size_t page_tokens, page_size;        // of a page, the latter in bytes
    size_t context;
    const char *kv;
} as_batcher_facts;
as_batcher_facts as_batcher_stats(as_batcher *batcher);
// A session with more to say: `team` threads work on one batch; `lanes` is 0.
as_rc as_session_open(const as_model *model, const as_batcher_options *options, as_session **out,
                      as_err *err) AS_MUST_USE;

const char *as_batcher_failure(const as_batcher *batcher); // one sentence, after AS_EVAL_FAILED

// Bytes that keys and values of a token take; 0 when the type is unknown.
uint64_t as_model_kv_size(const as_model *model, as_str kv);

#endif
