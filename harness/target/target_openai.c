// SPDX-License-Identifier: Apache-2.0
// openai:BASE_URL#MODEL - the chat endpoint that most servers and clouds speak (OpenAI, vLLM,
// llama.cpp, TGI, SGLang, LM Studio, LocalAI, TensorRT-LLM, Ray, KServe, Together, Groq, ...).
// BASE_URL is what the vendor's clients call base_url; without a path "/v1" is added.
//
// `#MODEL+completions` uses the text endpoint: `choice`, `loglikelihood` and `rolling` by
// log-probabilities of the prompt with what follows after it (echo, or score=prompt_logprobs at
// vLLM), where the server has them; score=after_bos is echo of llama-cpp-python, whose
// log-probabilities are one token late where a text has no beginning token. Of a rolling text the
// very first token is predicted only where the server puts a beginning token before it.
// logprobs=yes keeps the log-probability of generated answers. extra=FILE is an object of JSON or
// YAML whose members go into every request as they are: tools, response_format, reasoning_effort,
// provider. At the chat endpoint a choice is generated and matched (pick.h); the choices are listed
// at the end of the last message unless they all stand in the prompt already (choice=bare never
// lists them).
#include <math.h>
#include <string.h>

#include "harness/base/sha256.h"
#include "harness/base/utf8.h"
#include "harness/net/url.h"
#include "harness/target/remote.h"
#include "harness/target/wire_embed.h"
#include "harness/target/wire_openai.h"
#include "harness/target/wires/wire_constrain.h"

static const char *const keys[] = {"stream",   "choice",     "api_version", "limit",
                                   "sampling", "logprobs",   "score",       "extra",
                                   "seed",     "constraint", NULL};

struct as_wire {
    as_str url, embeddings_url, model;
    bool completions, bare, no_sampling, logprobs, prompt_logprobs, after_bos;
    const as_json *extra; // an object; NULL: none
    as_wire_stream stream;
    as_constrain_dialect constraint;
    as_str seed;  // the name of the seed's field; empty: not sent
    as_str limit; // the name of the token limit's field; empty: not sent
};

// The environment's name for the key of a host that has one of its own. A key for one vendor is
// not sent to another by accident.
static const char *key_env_of(as_str url) {
    static const char *const vendors[][2] = {
        {"api.together.ai", "TOGETHER_API_KEY"},
        {"api.together.xyz", "TOGETHER_API_KEY"},
        {"api.groq.com", "GROQ_API_KEY"},
        {"openrouter.ai", "OPENROUTER_API_KEY"},
        {"api.mistral.ai", "MISTRAL_API_KEY"},
        {"api.deepseek.com", "DEEPSEEK_API_KEY"},
        {"api.fireworks.ai", "FIREWORKS_API_KEY"},
        {"api.cerebras.ai", "CEREBRAS_API_KEY"},
        {"api.x.ai", "XAI_API_KEY"},
        {"integrate.api.nvidia.com", "NVIDIA_API_KEY"},
        {"router.huggingface.co", "HF_TOKEN"},
        {"api.runpod.ai", "RUNPOD_API_KEY"},
        {"generativelanguage.googleapis.com", "GEMINI_API_KEY"},
        {"openai.azure.com", "AZURE_OPENAI_API_KEY"},
    };
    as_url parsed;
    if (as_url_parse(url, &parsed, NULL)) return "OPENAI_API_KEY";
    for (size_t i = 0; i < sizeof vendors / sizeof *vendors; i++)
        if (as_str_ends(parsed.host, as_str_of(vendors[i][0]))) return vendors[i][1];
    return "OPENAI_API_KEY";
}

static as_rc read_keys(as_wire_setup *s, as_wire *w, as_err *err) {
    static const char *const stream[] = {"yes", "no", "plain", NULL};
    static const char *const choice[] = {"list", "bare", NULL};
    static const char *const limit[] = {"max_tokens", "max_completion_tokens", "none", NULL};
    static const char *const sampling[] = {"yes", "no", NULL};
    static const char *const no_yes[] = {"no", "yes", NULL};
    static const char *const score[] = {"echo", "prompt_logprobs", "after_bos", NULL};
    static const char *const seed[] = {"seed", "random_seed", "none", NULL};
    size_t at[8];
    as_rc rc = as_wire_word(s, "stream", stream, 0, &at[0], err);
    if (!rc) rc = as_wire_word(s, "choice", choice, 0, &at[1], err);
    if (!rc) rc = as_wire_word(s, "limit", limit, 0, &at[2], err);
    if (!rc) rc = as_wire_word(s, "sampling", sampling, 0, &at[3], err);
    if (!rc) rc = as_wire_word(s, "logprobs", no_yes, 0, &at[4], err);
    if (!rc) rc = as_wire_word(s, "score", score, 0, &at[5], err);
    if (!rc) rc = as_wire_word(s, "seed", seed, 0, &at[6], err);
    if (!rc) rc = as_wire_word(s, "constraint", as_constrain_words, 0, &at[7], err);
    if (!rc) rc = as_wire_extra(s, &w->extra, err);
    if (rc) return rc;
    w->stream = (as_wire_stream)at[0];
    w->constraint = (as_constrain_dialect)at[7];
    w->bare = at[1] == 1;
    w->limit = as_str_of(at[2] == 2 ? "" : limit[at[2]]);
    w->seed = as_str_of(at[6] == 2 ? "" : seed[at[6]]);
    w->no_sampling = at[3] == 1;
    w->logprobs = at[4] == 1;
    w->prompt_logprobs = at[5] == 1;
    w->after_bos = at[5] == 2;
    return AS_OK;
}

static as_rc openai_open(as_wire_setup *s, as_err *err) {
    as_wire *w = s->wire = AS_NEW(s->arena, as_wire);
    as_str base, key;
    as_rc rc = as_wire_url_model(s, true, &base, &w->model, err);
    if (!rc) rc = read_keys(s, w, err);
    if (!rc) rc = as_wire_key(s, key_env_of(base), &key, err);
    if (rc) return rc;
    as_str scheme = s->uri;
    scheme = as_str_cut(&scheme, ':');
    w->completions = as_str_ends(scheme, AS_STR("+completions"));
    if (as_str_ends(w->model, AS_STR("+completions"))) {
        w->completions = true;
        w->model.len -= strlen("+completions");
    }
    as_url url;
    if (as_url_parse(base, &url, err)) return AS_INVALID;
    if (!s->whole_base && (!url.path.len || as_str_is(url.path, "/")))
        base = as_url_join(s->arena, base, AS_STR("v1"));
    as_str version = as_target_uri_value(s->parsed, "api_version", AS_STR(""));
    if (version.len)
        base = as_strf(s->arena, "%.*s?api-version=%.*s", AS_STR_ARG(base), AS_STR_ARG(version));
    w->url = as_url_join(s->arena, base,
                         w->completions ? AS_STR("completions") : AS_STR("chat/completions"));
    w->embeddings_url = as_url_join(s->arena, base, AS_STR("embeddings"));
    if (key.ptr && version.len)
        as_wire_header(s, AS_STR("api-key"), key, true);
    else if (key.ptr)
        as_wire_header(s, AS_STR("Authorization"),
                       as_strf(s->arena, "Bearer %.*s", AS_STR_ARG(key)), true);
    s->model_name = w->model;
    s->endpoint = w->url;
    return AS_OK;
}

static as_rc openai_accepts(const as_wire *w, const as_request *request, as_err *err) {
    if (request->raw && !w->completions && request->task != AS_TASK_EMBED)
        return as_fail(err, AS_INVALID,
                       "the chat endpoint always applies the model's template, so it cannot do "
                       "'chat: raw'; use the text endpoint: #%.*s+completions",
                       AS_STR_ARG(w->model));
    if (!w->completions &&
        (request->task == AS_TASK_LOGLIKELIHOOD || request->task == AS_TASK_ROLLING))
        return as_fail(err, AS_INVALID,
                       "the chat endpoint gives no log-probability of a given text; the text "
                       "endpoint of a server with echo does: #%.*s+completions",
                       AS_STR_ARG(w->model));
    if (w->completions && as_chat_turn_rich(request)) return as_wire_no_turns(err);
    if (request->alone && !w->completions) return as_wire_no_alone(request, err);
    if (request->logprobs && w->completions)
        return as_fail(err, AS_INVALID,
                       "the text endpoint's log-probabilities of generated tokens are not recorded "
                       "(generate.logprobs); the chat endpoint's are: #%.*s",
                       AS_STR_ARG(w->model));
    return as_constrain_accepts(w->constraint, request->constraint, err);
}

static bool by_echo(const as_wire *w, const as_request *request) {
    return w->completions && request->task != AS_TASK_GENERATE;
}

static size_t openai_calls(const as_wire *w, const as_request *request) {
    if (request->task == AS_TASK_EMBED) return as_wire_embed_calls(request);
    return by_echo(w, request) && request->task == AS_TASK_CHOICE ? request->choice_count : 1;
}

static void put_sampling(const as_wire *w, as_json_out *out, const as_request *request) {
    if (!w->no_sampling) {
        as_jo_key(out, "temperature"), as_jo_f64(out, request->temperature);
        // At temperature 0 it changes nothing, and some servers refuse what they do not know.
        if (request->temperature > 0) {
            if (w->seed.len)
                as_jo_keys(out, w->seed), as_jo_i64(out, (int64_t)as_target_seed(request));
            as_target_put_filters(out, request);
        }
    }
    if (!request->stop_count) return;
    as_jo_key(out, "stop");
    as_jo_open(out, '[');
    for (size_t i = 0; i < request->stop_count; i++) as_jo_str(out, request->stops[i]);
    as_jo_close(out, ']');
}

// What is sent for the log-probability of the call's text, and from where on it counts.
static as_str text_after(as_arena *arena, as_str prompt, as_str choice) {
    bool space = prompt.len && prompt.ptr[prompt.len - 1] != ' ' &&
                 prompt.ptr[prompt.len - 1] != '\n' && choice.len && choice.ptr[0] != ' ';
    return as_strf(arena, "%.*s%s%.*s", AS_STR_ARG(prompt), space ? " " : "", AS_STR_ARG(choice));
}

static as_str scored_text(as_arena *arena, const as_request *request, size_t call, size_t *from) {
    as_str prompt = as_wire_prompt(arena, request);
    *from = request->task == AS_TASK_ROLLING ? 0 : as_utf8_count(prompt);
    if (request->task == AS_TASK_ROLLING) return prompt;
    bool choice = request->task == AS_TASK_CHOICE;
    as_str text =
        text_after(arena, prompt, choice ? request->choices[call] : request->continuation);
    if (!request->alone) return text;
    *from = 0;
    return as_str_sub(text, prompt.len, text.len);
}

static void put_prompt(const as_wire *w, as_arena *arena, const as_request *request, size_t call,
                       as_json_out *out, as_str *sha256) {
    if (!w->completions) {
        const as_message *messages = as_wire_messages(arena, request, w->bare, sha256);
        as_jo_key(out, "messages");
        as_wire_put_messages(out, messages, request->message_count, AS_CHAT_OPENAI);
        return;
    }
    as_str prompt = as_wire_prompt(arena, request);
    *sha256 = as_sha256_of(arena, request->alone ? AS_STR("") : prompt);
    as_jo_key(out, "prompt");
    size_t from;
    as_jo_str(out, by_echo(w, request) ? scored_text(arena, request, call, &from) : prompt);
}

static void openai_build(const as_wire *w, as_arena *arena, const as_request *request, size_t call,
                         as_wire_call *out, as_str *sha256) {
    if (request->task == AS_TASK_EMBED) {
        static const as_wire_embed shape = {.inputs = "input", .format = "float"};
        *out = as_wire_embed_build(arena, &shape, w->model, request, call, sha256);
        out->url = w->embeddings_url;
        return;
    }
    as_buf body = {0};
    as_json_out jo = {.buf = &body};
    as_jo_open(&jo, '{');
    as_jo_key(&jo, "model"), as_jo_str(&jo, w->model);
    put_prompt(w, arena, request, call, &jo, sha256);
    bool stream = w->stream != AS_WIRE_STREAM_NO && request->task == AS_TASK_GENERATE;
    if (by_echo(w, request)) {
        // One token is generated and dropped: servers differ in what 0 means.
        if (w->prompt_logprobs) {
            as_jo_key(&jo, "prompt_logprobs"), as_jo_i64(&jo, 1);
        } else {
            as_jo_key(&jo, "echo"), as_jo_bool(&jo, true);
            as_jo_key(&jo, "logprobs"), as_jo_i64(&jo, 1);
        }
        as_jo_key(&jo, "max_tokens"), as_jo_i64(&jo, 1);
        as_jo_key(&jo, "temperature"), as_jo_f64(&jo, 0);
    } else {
        if (w->limit.len) as_jo_keys(&jo, w->limit), as_jo_i64(&jo, (int64_t)as_wire_room(request));
        put_sampling(w, &jo, request);
        if (w->logprobs && w->completions) as_jo_key(&jo, "logprobs"), as_jo_i64(&jo, 1);
        if ((w->logprobs || request->logprobs) && !w->completions)
            as_jo_key(&jo, "logprobs"), as_jo_bool(&jo, true);
        if (request->top_logprobs)
            as_jo_key(&jo, "top_logprobs"), as_jo_i64(&jo, (int64_t)request->top_logprobs);
        as_constrain_put(&jo, w->constraint, request->constraint);
    }
    as_wire_put_extra(&jo, w->extra);
    if (stream) as_jo_key(&jo, "stream"), as_jo_bool(&jo, true);
    if (stream && w->stream == AS_WIRE_STREAM_USAGE) {
        as_jo_key(&jo, "stream_options");
        as_jo_open(&jo, '{');
        as_jo_key(&jo, "include_usage"), as_jo_bool(&jo, true);
        as_jo_close(&jo, '}');
    }
    as_jo_close(&jo, '}');
    *out = (as_wire_call){
        .url = w->url, .body = as_str_copy(arena, as_buf_view(&body)), .stream = stream};
    as_buf_free(&body);
}

static void openai_event(const as_wire *w, as_wire_take *take, as_str event, as_str data) {
    as_openai_event(take, w->completions, event, data);
}

static void openai_body(const as_wire *w, as_wire_take *take, as_str body) {
    if (take->request->task == AS_TASK_EMBED) {
        as_wire_embed_take(take, body, "data");
        return;
    }
    if (!by_echo(w, take->request)) {
        as_openai_body(take, w->completions, body);
        return;
    }
    const as_request *request = take->request;
    as_openai_scored scored = {.logprob = NAN};
    size_t from;
    as_str full = scored_text(take->arena, request, take->call, &from);
    bool rolling = request->task == AS_TASK_ROLLING;
    bool known = as_openai_echo(take, body, from, full, rolling, &scored);
    // The list leaves the beginning token out, and with it the place that all others are late by.
    if (known && w->after_bos && scored.listed >= take->tokens_in) {
        as_wire_bad(take, "log-probabilities that are one token late: the server put no beginning "
                          "token before the text");
        return;
    }
    if (request->task == AS_TASK_CHOICE) {
        if (!take->choice_logprobs)
            take->choice_logprobs = AS_NEW_ARRAY(take->arena, double, request->choice_count);
        take->choice_logprobs[take->call] = scored.logprob;
    } else if (known) {
        take->has_logprob = true;
        take->logprob = scored.logprob;
        take->logprob_tokens = scored.tokens;
        take->greedy = scored.greedy;
        as_buf_str(&take->text, rolling ? full : request->continuation);
    }
}

const as_wire_ops as_wire_openai = {.embeds = true,
                                    .constrains = true,
                                    .tells_odds = true,
                                    .takes_turns = true,
                                    .keys = keys,
                                    .open = openai_open,
                                    .accepts = openai_accepts,
                                    .calls = openai_calls,
                                    .build = openai_build,
                                    .event = openai_event,
                                    .body = openai_body};

static as_rc open_target(as_str uri, as_str base_dir, as_target **out, as_err *err) {
    return as_remote_open(&as_wire_openai, uri, base_dir, out, err);
}

const as_target_ops as_target_openai = AS_REMOTE_SCORES(
    "openai",
    "openai:BASE_URL#MODEL[+completions][?stream=yes|no|plain&choice=list|bare&"
    "limit=max_tokens|max_completion_tokens|none&sampling=yes|no&logprobs=yes&"
    "score=echo|prompt_logprobs|after_bos&seed=seed|random_seed|none&extra=FILE&api_version=V&"
    "constraint=openai|vllm|guided|llama.cpp|sglang&...]",
    open_target);
