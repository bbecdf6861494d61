// SPDX-License-Identifier: Apache-2.0
// tgi:URL - Hugging Face Text Generation Inference, its native endpoints. The prompt goes as it is:
// the messages joined by newlines, no template (the server's own chat endpoint is
// openai:URL/v1#tgi). Embeddings are those of Text Embeddings Inference at /embed. A choice or a
// given text is scored: the log-probability of prompt and text minus that of the prompt
// (decoder_input_details), one call for the prompt and one a text. Which token would have been the
// likeliest is not said: a text scored is never counted as predicted.
#include <math.h>

#include "harness/base/sha256.h"
#include "harness/net/url.h"
#include "harness/target/remote.h"
#include "harness/target/wire_embed.h"
#include "harness/target/wires/wire_constrain.h"

static const char *const keys[] = {"stream", NULL};

struct as_wire {
    as_str base;
    bool no_stream;
};

static as_rc tgi_open(as_wire_setup *s, as_err *err) {
    static const char *const stream[] = {"yes", "no", NULL};
    as_wire *w = s->wire = AS_NEW(s->arena, as_wire);
    as_str model, key;
    size_t no_stream;
    as_rc rc = as_wire_url_model(s, false, &w->base, &model, err);
    if (!rc) rc = as_wire_word(s, "stream", stream, 0, &no_stream, err);
    if (!rc) rc = as_wire_key(s, "HF_TOKEN", &key, err);
    if (rc) return rc;
    w->no_stream = no_stream == 1;
    if (key.ptr)
        as_wire_header(s, AS_STR("Authorization"),
                       as_strf(s->arena, "Bearer %.*s", AS_STR_ARG(key)), true);
    s->model_name = model.len ? model : AS_STR("tgi");
    s->endpoint = w->base;
    return AS_OK;
}

static size_t tgi_calls(const as_wire *w, const as_request *request) {
    (void)w;
    if (request->task == AS_TASK_EMBED) return as_wire_embed_calls(request);
    return request->task == AS_TASK_CHOICE          ? request->choice_count + 1
           : request->task == AS_TASK_LOGLIKELIHOOD ? 2
                                                    : 1;
}

static void put_parameters(as_json_out *jo, const as_request *request) {
    as_jo_key(jo, "max_new_tokens"), as_jo_i64(jo, (int64_t)request->max_tokens);
    as_jo_key(jo, "do_sample"), as_jo_bool(jo, request->temperature > 0);
    if (request->temperature > 0) {
        as_jo_key(jo, "temperature"), as_jo_f64(jo, request->temperature);
        as_jo_key(jo, "seed"), as_jo_i64(jo, (int64_t)as_target_seed(request));
        as_target_put_filters(jo, request);
    }
    as_constrain_put(jo, AS_CONSTRAIN_TGI, request->constraint);
    if (!request->stop_count) return;
    as_jo_key(jo, "stop");
    as_jo_open(jo, '[');
    for (size_t i = 0; i < request->stop_count; i++) as_jo_str(jo, request->stops[i]);
    as_jo_close(jo, ']');
}

static void tgi_build(const as_wire *w, as_arena *arena, const as_request *request, size_t call,
                      as_wire_call *out, as_str *sha256) {
    if (request->task == AS_TASK_EMBED) {
        static const as_wire_embed shape = {.inputs = "inputs", .truncate = true};
        *out = as_wire_embed_build(arena, &shape, AS_STR(""), request, call, sha256);
        out->url = as_url_join(arena, w->base, AS_STR("embed"));
        return;
    }
    bool choice = request->task != AS_TASK_GENERATE, stream = !choice && !w->no_stream;
    as_str prompt = as_wire_prompt(arena, request), input = prompt;
    *sha256 = as_sha256_of(arena, prompt);
    bool one = request->task == AS_TASK_LOGLIKELIHOOD;
    if (call)
        input = as_strf(arena, "%.*s %.*s", AS_STR_ARG(prompt),
                        AS_STR_ARG(one ? request->continuation : request->choices[call - 1]));
    as_buf body = {0};
    as_json_out jo = {.buf = &body};
    as_jo_open(&jo, '{');
    as_jo_key(&jo, "inputs"), as_jo_str(&jo, input);
    as_jo_key(&jo, "parameters");
    as_jo_open(&jo, '{');
    if (choice) {
        as_jo_key(&jo, "max_new_tokens"), as_jo_i64(&jo, 1);
        as_jo_key(&jo, "do_sample"), as_jo_bool(&jo, false);
        as_jo_key(&jo, "decoder_input_details"), as_jo_bool(&jo, true);
    } else {
        put_parameters(&jo, request);
    }
    as_jo_key(&jo, "details"), as_jo_bool(&jo, true);
    as_jo_close(&jo, '}');
    as_jo_close(&jo, '}');
    *out = (as_wire_call){
        .url = as_url_join(arena, w->base, stream ? AS_STR("generate_stream") : AS_STR("generate")),
        .body = as_str_copy(arena, as_buf_view(&body)),
        .stream = stream};
    as_buf_free(&body);
}

static void take_details(as_wire_take *take, const as_json *details) {
    if (!details || details->kind != AS_JSON_OBJECT) return;
    as_str finish = as_json_str(details, "finish_reason", AS_STR(""));
    take->finish = as_str_is(finish, "length") ? AS_WIRE_LENGTH : AS_WIRE_STOP;
    take->has_usage = true;
    take->tokens_out = as_wire_count(details, "generated_tokens");
    take->tokens_in = as_wire_count(details, "input_length");
    const as_json *prefill = as_json_get(details, "prefill");
    if (!take->tokens_in && prefill && prefill->kind == AS_JSON_ARRAY)
        take->tokens_in = prefill->count;
}

static void tgi_event(const as_wire *w, as_wire_take *take, as_str event, as_str data) {
    (void)w, (void)event;
    const as_json *object = as_wire_json(take, data);
    if (!object) return;
    const as_json *token = as_json_get(object, "token");
    if (!token) {
        as_wire_bad(take, "the event has no token");
        return;
    }
    as_str text = as_json_str(token, "text", AS_STR(""));
    if (!as_json_bool(token, "special", false) && text.len) {
        as_buf_str(&take->text, text);
        take->piece = true;
    }
    const as_json *whole = as_json_get(object, "generated_text");
    if (!whole || whole->kind != AS_JSON_STRING) return;
    // The last event has it all again; what it says counts.
    as_buf_clear(&take->text);
    as_buf_str(&take->text, whole->text);
    take->finish = AS_WIRE_STOP;
    take_details(take, as_json_get(object, "details"));
    take->ended = true;
}

// Sum over the prompt's tokens; the first has no log-probability.
static double prefill_sum(as_wire_take *take, const as_json *details, uint64_t *tokens) {
    const as_json *prefill = as_json_get(details, "prefill");
    if (!prefill || prefill->kind != AS_JSON_ARRAY || !prefill->count) {
        as_wire_bad(take, "the server gives no log-probabilities of the prompt "
                          "(decoder_input_details)");
        return NAN;
    }
    double sum = 0;
    for (const as_json *t = prefill->child; t; t = t->next) {
        const as_json *logprob = as_json_get(t, "logprob");
        if (!logprob || logprob->kind != AS_JSON_NUMBER) continue;
        sum += logprob->number;
        ++*tokens;
    }
    return sum;
}

// A rolling text has one call, a continuation two: the prompt alone waits, negative, in a place
// that is kept from call to call.
static void take_text(as_wire_take *take, double sum, uint64_t tokens) {
    const as_request *request = take->request;
    bool rolling = request->task == AS_TASK_ROLLING;
    if (take->outcome != AS_OUT_OK) return;
    if (!take->choice_logprobs) take->choice_logprobs = AS_NEW_ARRAY(take->arena, double, 2);
    if (!rolling && !take->call) {
        take->choice_logprobs[0] = sum;
        take->choice_logprobs[1] = (double)tokens;
        return;
    }
    take->has_logprob = true;
    take->logprob = sum - take->choice_logprobs[0];
    uint64_t before = (uint64_t)take->choice_logprobs[1];
    take->logprob_tokens = tokens > before ? tokens - before : 0;
    as_buf_str(&take->text,
               rolling ? as_wire_prompt(take->scratch, request) : request->continuation);
}

static void tgi_body(const as_wire *w, as_wire_take *take, as_str body) {
    (void)w;
    if (take->request->task == AS_TASK_EMBED) {
        as_wire_embed_take(take, body, NULL);
        return;
    }
    const as_json *object = as_wire_json(take, body);
    if (!object) return;
    const as_json *text = as_json_get(object, "generated_text");
    const as_json *details = as_json_get(object, "details");
    if (!text || text->kind != AS_JSON_STRING) {
        as_wire_bad(take, "the response has no generated_text");
        return;
    }
    take->finish = AS_WIRE_STOP;
    take->ended = true;
    take_details(take, details);
    const as_request *request = take->request;
    if (request->task == AS_TASK_GENERATE) {
        as_buf_str(&take->text, text->text);
        return;
    }
    take->finish = AS_WIRE_STOP; // the one token that is dropped is no answer cut off
    uint64_t tokens = 0;
    double sum = prefill_sum(take, details, &tokens);
    if (request->task != AS_TASK_CHOICE) {
        take_text(take, sum, tokens);
        return;
    }
    if (!take->choice_logprobs)
        take->choice_logprobs = AS_NEW_ARRAY(take->arena, double, request->choice_count);
    // The first call is the prompt alone: it waits in every place.
    for (size_t i = 0; !take->call && i < request->choice_count; i++)
        take->choice_logprobs[i] = -sum;
    if (take->call) take->choice_logprobs[take->call - 1] += sum;
}

static as_rc tgi_accepts(const as_wire *w, const as_request *request, as_err *err) {
    (void)w;
    as_rc rc = as_wire_no_alone(request, err);
    if (rc) return rc;
    if (request->min_p <= 0)
        return as_constrain_accepts(AS_CONSTRAIN_TGI, request->constraint, err);
    return as_fail(err, AS_INVALID,
                   "TGI has no generate.min_p (%g); temperature, top_p and top_k are there",
                   request->min_p);
}

const as_wire_ops as_wire_tgi = {.embeds = true,
                                 .constrains = true,
                                 .keys = keys,
                                 .accepts = tgi_accepts,
                                 .open = tgi_open,
                                 .calls = tgi_calls,
                                 .build = tgi_build,
                                 .event = tgi_event,
                                 .body = tgi_body};

static as_rc open_target(as_str uri, as_str base_dir, as_target **out, as_err *err) {
    return as_remote_open(&as_wire_tgi, uri, base_dir, out, err);
}

const as_target_ops as_target_tgi =
    AS_REMOTE_SCORES("tgi", "tgi:URL[?stream=yes|no&...]", open_target);
