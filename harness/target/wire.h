// SPDX-License-Identifier: Apache-2.0
// wire.h - what one kind of endpoint says on the wire: a request into bytes, bytes into an answer.
// Pure: no sockets, no clocks, no threads. remote.c moves the bytes, retries and measures.
#ifndef AS_WIRE_H
#define AS_WIRE_H

#include "harness/net/http.h"
#include "harness/target/chat/chat_turn.h"
#include "harness/target/target.h"

typedef struct as_preset as_preset; // presets/preset.h
typedef struct as_wire as_wire;     // one endpoint, set up; immutable: memory of the target's arena

enum { AS_WIRE_HEADERS_MAX = 24 };

// Filled by ops->open from the URI.
typedef struct as_wire_setup {
    as_arena *arena;
    as_str uri, base_dir;
    const as_target_uri *parsed;
    as_wire *wire;
    as_str model_name;
    as_str endpoint; // URL, for messages
    as_str key_hint; // "$OPENAI_API_KEY": where the key comes from, for messages
    bool has_key;
    as_http_header headers[AS_WIRE_HEADERS_MAX]; // of every request
    size_t header_count;
    as_auth *auth;           // NULL: none but the headers
    bool auth_said;          // by the preset: as_wire_key finds no key then
    const as_preset *preset; // NULL: none
    bool whole_base;         // the preset's own address: nothing is added to it
} as_wire_setup;

// One HTTP request.
typedef struct as_wire_call {
    as_str method; // empty: POST
    as_str url, body;
    as_http_header headers[2]; // instead of the setup's of the same name
    size_t header_count;
    bool stream;  // asks for server-sent events...
    bool lines;   // ...or for lines of JSON
    as_str error; // not empty: the request cannot be built, and why
} as_wire_call;

typedef enum as_wire_finish {
    AS_WIRE_OPEN,   // nothing said yet: a stream that ends like this was cut
    AS_WIRE_STOP,   // the answer is whole
    AS_WIRE_LENGTH, // cut off by a limit on tokens
    AS_WIRE_FILTER, // withheld or refused
} as_wire_finish;

// What was understood of one call so far.
typedef struct as_wire_take {
    as_arena *arena;   // of the case: what the answer keeps
    as_arena *scratch; // for one body or event: parsed JSON, which nothing keeps
    const as_request *request;
    size_t call; // from 0
    as_buf text, reasoning, tools;
    as_wire_finish finish;
    bool ended;      // the stream said so itself
    bool piece;      // set by `event`: it brought text. Taken back by the engine
    uint64_t pieces; // events that brought text
    bool has_usage;
    uint64_t tokens_in, tokens_out;
    double *choice_logprobs; // [choice_count] for choice tasks
    const as_json *details;  // what else was said, as in as_answer; NULL: nothing
    float *vectors;          // [input_count][vector_width] for embeddings
    size_t vector_width;
    bool has_logprob; // of the text scored or generated: as in as_answer
    double logprob;
    uint64_t logprob_tokens;
    bool greedy;
    as_json *token_logprobs; // as in as_sample; NULL: none so far
    // Set by `body`, kept by the engine from call to call: not done yet, ask this URL (of the same
    // origin) by GET after so long, and give what it says to `body` again.
    as_str again_url;
    uint64_t again_ms;
    unsigned again_count; // how often that was
    // AS_OUT_OK, or why this is no answer: BAD_RESPONSE (not understood), HTTP_ERROR (the server
    // says that it failed), REFUSED, TRUNCATED.
    as_outcome outcome;
    as_str error;
    int status; // HTTP status that an error inside a 200 stands for; 0: none
} as_wire_take;

typedef struct as_wire_ops {
    bool embeds;             // has embeddings
    bool constrains;         // may have a field for constraints: `accepts` knows
    bool tells_odds;         // gives log-probabilities of tokens
    bool takes_turns;        // sends messages, and calls of tools in them: `accepts` knows
    bool asks_again;         // `body` may set again_url
    const char *const *keys; // of the URI, besides the common ones of remote.h; ends with NULL
    as_rc (*open)(as_wire_setup *setup, as_err *err);
    as_rc (*accepts)(const as_wire *wire, const as_request *request, as_err *err); // NULL: all
    size_t (*calls)(const as_wire *wire, const as_request *request); // NULL: one call a case
    // Strings in `arena`. *prompt_sha256 over the prompt as it is sent.
    void (*build)(const as_wire *wire, as_arena *arena, const as_request *request, size_t call,
                  as_wire_call *out, as_str *prompt_sha256);
    void (*event)(const as_wire *wire, as_wire_take *take, as_str event, as_str data);
    void (*body)(const as_wire *wire, as_wire_take *take, as_str body);
} as_wire_ops;

// One for each kind of endpoint, in the file target_NAME.c.
extern const as_wire_ops as_wire_openai, as_wire_ollama, as_wire_tgi, as_wire_kserve, as_wire_http;

// Whether the endpoint can do what the request asks. AS_INVALID says who can.
as_rc as_wire_accepts(const as_wire_ops *ops, const as_wire *wire, const as_request *request,
                      as_err *err) AS_MUST_USE;

// The text is the output, up to the first stop sequence where the task is to generate; for a choice
// task without log-probabilities it is matched (pick.h).
void as_wire_answer(const as_wire_take *take, as_answer *out);

// Refuses the body: outcome BAD_RESPONSE, with what was expected.
void as_wire_bad(as_wire_take *take, const char *format, ...) AS_PRINTF(2, 3);

// Parses a body or event as a JSON object; NULL, and refused, if it is none. An object that
// carries an error ({"error": ...}) is refused as HTTP_ERROR with the server's words.
const as_json *as_wire_json(as_wire_take *take, as_str text);

// The value at a path: names and list indexes joined by dots ("choices.0.message.content"); a
// leading "$." and "[0]" for an index are understood too; -1 is the last. NULL when there is none.
const as_json *as_wire_at(const as_json *object, as_str path);

uint64_t as_wire_count(const as_json *object, const char *key); // 0 unless it is a count

// A message's tool_calls onto take->tools, which is [{"name": .., "arguments": ".."}, ..].
void as_wire_add_tools(as_wire_take *take, const as_json *calls);

// What an error body says, whatever its shape; the start of the text if it is no JSON. *kind gets
// the code or type in it, or is empty.
as_str as_wire_error(as_arena *arena, as_str body, as_str *kind);

// The key of the URI's key_env or key_file, else of `env`; ptr NULL without one. `key_env=none`
// sends none. Fills key_hint and has_key.
as_rc as_wire_key(as_wire_setup *setup, const char *env, as_str *key, as_err *err) AS_MUST_USE;
// One of the same name is replaced.
void as_wire_header(as_wire_setup *setup, as_str name, as_str value, bool secret);

// The URI's rest "URL#MODEL"; the URL checked. `need_model`: a missing one is refused.
as_rc as_wire_url_model(const as_wire_setup *setup, bool need_model, as_str *url, as_str *model,
                        as_err *err) AS_MUST_USE;

// The value of a key that is one of `words` (NULL-terminated), as its index; `otherwise` without.
as_rc as_wire_word(const as_wire_setup *setup, const char *key, const char *const *words,
                   size_t otherwise, size_t *out, as_err *err) AS_MUST_USE;

// The object in the file of the URI's key `extra` (JSON or YAML); NULL without. And its members,
// put into an open object.
as_rc as_wire_extra(as_wire_setup *setup, const as_json **out, as_err *err) AS_MUST_USE;
void as_wire_put_extra(as_json_out *out, const as_json *extra);

// Refuses as_request.alone, and the tasks that score a given text too: for wires that cannot.
as_rc as_wire_no_alone(const as_request *request, as_err *err) AS_MUST_USE;
as_rc as_wire_no_scoring(const as_request *request, as_err *err) AS_MUST_USE;
as_rc as_wire_no_turns(as_err *err) AS_MUST_USE; // nor messages that hold more than texts

// The messages with, for a choice task, a sentence after the last one that lists the choices,
// unless `bare` or each of them stands in the prompt already. And their hash.
const as_message *as_wire_messages(as_arena *arena, const as_request *request, bool bare,
                                   as_str *prompt_sha256);
void as_wire_put_messages(as_json_out *out, const as_message *messages, size_t count,
                          as_chat_form form);

// The limit on tokens: a choice needs room for its text, and for a model to think first.
size_t as_wire_room(const as_request *request);

// The contents joined by newlines, as a model without a template sees them.
as_str as_wire_prompt(as_arena *arena, const as_request *request);

// The headers of one call: the setup's but those that the call has itself, and the call's.
const as_http_header *as_wire_headers(const as_wire_setup *setup, as_arena *arena,
                                      const as_wire_call *call, size_t *count_out);

#endif
