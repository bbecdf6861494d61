// SPDX-License-Identifier: Apache-2.0
// ollama:[HOST/]MODEL - Ollama's native API: /api/chat, and /api/generate with `raw` for prompts
// without a template. HOST is host:port, localhost or a URL; without it $OLLAMA_HOST, else
// 127.0.0.1:11434. A choice is generated and matched as at openai:'s chat endpoint.
#include <stdlib.h>
#include <string.h>

#include "harness/base/sha256.h"
#include "harness/net/url.h"
#include "harness/target/remote.h"
#include "harness/target/wire_embed.h"
#include "harness/target/wires/wire_constrain.h"

static const char *const keys[] = {"stream",     "choice", "num_ctx", "think",
                                   "keep_alive", "extra",  NULL};

struct as_wire {
    as_str base, model, keep_alive;
    const as_json *extra; // an object; NULL: none
    bool bare, no_stream;
    size_t think; // 0: not said, 1: yes, 2: no
    int64_t num_ctx;
};

static bool is_host(as_str text) {
    as_str port = text;
    as_str name = as_str_cut(&port, ':');
    int64_t number;
    return as_str_is(name, "localhost") || (port.ptr && as_str_to_i64(port, &number));
}

// "host:port/model", "http://host/model" or "model", which may have slashes itself.
static as_rc find_host(as_wire_setup *s, as_wire *w, as_err *err) {
    as_str rest = s->parsed->rest, model = rest;
    as_str host = as_str_of(getenv("OLLAMA_HOST"));
    if (as_str_starts(rest, AS_STR("http://")) || as_str_starts(rest, AS_STR("https://"))) {
        size_t from = as_str_find(rest, AS_STR("://"), 0) + 3;
        size_t slash = as_str_find(rest, AS_STR("/"), from);
        host = as_str_sub(rest, 0, slash);
        model = slash == SIZE_MAX ? AS_STR("") : as_str_sub(rest, slash + 1, rest.len);
    } else {
        as_str first = as_str_cut(&model, '/');
        if (model.ptr && is_host(first))
            host = first;
        else
            model = rest;
    }
    if (!host.len) host = AS_STR("127.0.0.1:11434");
    if (!model.len)
        return as_fail(err, AS_INVALID, "target '%.*s' names no model: write ollama:[HOST/]MODEL",
                       AS_STR_ARG(s->uri));
    w->model = model;
    w->base = as_str_find(host, AS_STR("://"), 0) != SIZE_MAX
                  ? host
                  : as_strf(s->arena, "http://%.*s", AS_STR_ARG(host));
    as_url url;
    as_rc rc = as_url_parse(w->base, &url, err);
    if (rc) as_err_prefix(err, "target '%.*s'", AS_STR_ARG(s->uri));
    return rc;
}

static as_rc ollama_open(as_wire_setup *s, as_err *err) {
    static const char *const stream[] = {"yes", "no", NULL}, *const choice[] = {"list", "bare",
                                                                                NULL};
    static const char *const think[] = {"default", "yes", "no", NULL};
    as_wire *w = s->wire = AS_NEW(s->arena, as_wire);
    size_t no_stream, bare;
    as_str key;
    as_rc rc = find_host(s, w, err);
    if (!rc) rc = as_wire_word(s, "stream", stream, 0, &no_stream, err);
    if (!rc) rc = as_wire_word(s, "choice", choice, 0, &bare, err);
    if (!rc) rc = as_wire_word(s, "think", think, 0, &w->think, err);
    if (!rc) rc = as_target_uri_count(s->uri, s->parsed, "num_ctx", 1, 1 << 24, &w->num_ctx, err);
    if (!rc) rc = as_wire_extra(s, &w->extra, err);
    if (!rc) rc = as_wire_key(s, "OLLAMA_API_KEY", &key, err);
    if (rc) return rc;
    w->no_stream = no_stream == 1;
    w->bare = bare == 1;
    w->keep_alive = as_target_uri_value(s->parsed, "keep_alive", AS_STR(""));
    if (key.ptr)
        as_wire_header(s, AS_STR("Authorization"),
                       as_strf(s->arena, "Bearer %.*s", AS_STR_ARG(key)), true);
    s->model_name = w->model;
    s->endpoint = w->base;
    return AS_OK;
}

static as_rc ollama_accepts(const as_wire *w, const as_request *request, as_err *err) {
    (void)w;
    if (request->raw && as_chat_turn_rich(request)) return as_wire_no_turns(err);
    as_rc rc = as_wire_no_scoring(request, err);
    return rc ? rc : as_constrain_accepts(AS_CONSTRAIN_OLLAMA, request->constraint, err);
}

static void put_options(const as_wire *w, as_json_out *jo, const as_request *request) {
    size_t most = as_wire_room(request);
    as_jo_key(jo, "options");
    as_jo_open(jo, '{');
    as_jo_key(jo, "temperature"), as_jo_f64(jo, request->temperature);
    as_jo_key(jo, "seed"), as_jo_i64(jo, (int64_t)as_target_seed(request));
    as_target_put_filters(jo, request);
    as_jo_key(jo, "num_predict"), as_jo_i64(jo, (int64_t)most);
    if (w->num_ctx) as_jo_key(jo, "num_ctx"), as_jo_i64(jo, w->num_ctx);
    if (request->stop_count) {
        as_jo_key(jo, "stop");
        as_jo_open(jo, '[');
        for (size_t i = 0; i < request->stop_count; i++) as_jo_str(jo, request->stops[i]);
        as_jo_close(jo, ']');
    }
    as_jo_close(jo, '}');
}

static void ollama_build(const as_wire *w, as_arena *arena, const as_request *request, size_t call,
                         as_wire_call *out, as_str *sha256) {
    if (request->task == AS_TASK_EMBED) {
        const as_wire_embed shape = {.inputs = "input",
                                     .truncate = true,
                                     .num_ctx = w->num_ctx,
                                     .keep_alive = w->keep_alive};
        *out = as_wire_embed_build(arena, &shape, w->model, request, call, sha256);
        out->url = as_url_join(arena, w->base, AS_STR("api/embed"));
        return;
    }
    as_buf body = {0};
    as_json_out jo = {.buf = &body};
    bool stream = !w->no_stream && request->task == AS_TASK_GENERATE;
    as_jo_open(&jo, '{');
    as_jo_key(&jo, "model"), as_jo_str(&jo, w->model);
    if (request->raw) {
        as_str prompt = as_wire_prompt(arena, request);
        *sha256 = as_sha256_of(arena, prompt);
        as_jo_key(&jo, "prompt"), as_jo_str(&jo, prompt);
        as_jo_key(&jo, "raw"), as_jo_bool(&jo, true);
    } else {
        const as_message *messages = as_wire_messages(arena, request, w->bare, sha256);
        as_jo_key(&jo, "messages");
        as_wire_put_messages(&jo, messages, request->message_count, AS_CHAT_OLLAMA);
    }
    as_jo_key(&jo, "stream"), as_jo_bool(&jo, stream);
    if (w->think) as_jo_key(&jo, "think"), as_jo_bool(&jo, w->think == 1);
    if (w->keep_alive.len) as_jo_key(&jo, "keep_alive"), as_jo_str(&jo, w->keep_alive);
    put_options(w, &jo, request);
    as_constrain_put(&jo, AS_CONSTRAIN_OLLAMA, request->constraint);
    as_wire_put_extra(&jo, w->extra);
    as_jo_close(&jo, '}');
    *out = (as_wire_call){
        .url =
            as_url_join(arena, w->base, request->raw ? AS_STR("api/generate") : AS_STR("api/chat")),
        .body = as_str_copy(arena, as_buf_view(&body)),
        .lines = stream};
    as_buf_free(&body);
}

// One object: a whole answer, or a piece of a stream.
static void take_object(as_wire_take *take, as_str text, bool whole) {
    const as_json *object = as_wire_json(take, text);
    if (!object) return;
    const as_json *message = as_json_get(object, "message");
    const as_json *words =
        message ? as_json_get(message, "content") : as_json_get(object, "response");
    if (!words || words->kind != AS_JSON_STRING) {
        as_wire_bad(take, "the response has no message.content");
        return;
    }
    as_str thought = as_json_str(message ? message : object, "thinking", AS_STR(""));
    as_buf_str(&take->text, words->text);
    as_buf_str(&take->reasoning, thought);
    as_wire_add_tools(take, as_json_get(message, "tool_calls"));
    if (words->text.len || thought.len) take->piece = true;
    if (!as_json_bool(object, "done", whole)) return;
    take->ended = take->has_usage = true;
    take->finish = as_str_is(as_json_str(object, "done_reason", AS_STR("")), "length")
                       ? AS_WIRE_LENGTH
                       : AS_WIRE_STOP;
    take->tokens_in = as_wire_count(object, "prompt_eval_count");
    take->tokens_out = as_wire_count(object, "eval_count");
}

static void ollama_event(const as_wire *w, as_wire_take *take, as_str event, as_str data) {
    (void)w, (void)event;
    take_object(take, data, false);
}

static void ollama_body(const as_wire *w, as_wire_take *take, as_str body) {
    (void)w;
    if (take->request->task == AS_TASK_EMBED)
        as_wire_embed_take(take, body, "embeddings");
    else
        take_object(take, body, true);
}

static size_t ollama_calls(const as_wire *w, const as_request *request) {
    (void)w;
    return request->task == AS_TASK_EMBED ? as_wire_embed_calls(request) : 1;
}

const as_wire_ops as_wire_ollama = {.embeds = true,
                                    .constrains = true,
                                    .takes_turns = true,
                                    .calls = ollama_calls,
                                    .keys = keys,
                                    .open = ollama_open,
                                    .accepts = ollama_accepts,
                                    .build = ollama_build,
                                    .event = ollama_event,
                                    .body = ollama_body};

static as_rc open_target(as_str uri, as_str base_dir, as_target **out, as_err *err) {
    return as_remote_open(&as_wire_ollama, uri, base_dir, out, err);
}

const as_target_ops as_target_ollama = AS_REMOTE(
    "ollama",
    "ollama:[HOST/]MODEL[?stream=yes|no&choice=list|bare&num_ctx=N&think=yes|no&keep_alive=T&"
    "extra=FILE&...]",
    open_target);
