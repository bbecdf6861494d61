// SPDX-License-Identifier: Apache-2.0
// http:FILE.yaml - any endpoint, by a file that says how it is asked and where its answer stands:
//
//   url: https://host/v1/summarize          # a template, as body is
//   method: POST
//   model: our-summarizer                   # a name, for reports
//   headers: {X-Tenant: acme}
//   auth: bearer                            # bearer | basic (key is user:password) | header:NAME
//   key_env: SUMMARIZER_KEY                 # or key_file
//   body: '{"text": {{ prompt | tojson }}, "max": {{ max_tokens }}}'
//   stream: sse                             # or lines; without it one JSON object
//   response:                               # paths: choices.0.text
//     text: result.text
//     reasoning, tokens_in, tokens_out: ..  # where there are any
//     scores: result.scores                 # choice: log-probabilities in the suite's order
//     finish: stop_reason                   # "length" or "max_tokens": cut off
//     error: error.message                  # there and not null: the server failed
//   done: "[DONE]"                          # stream: data that ends it
//
// Templates see prompt (the messages joined by newlines), messages, choices, max_tokens,
// temperature, top_p, top_k, min_p, seed, stop, id, model. What data holds is a value in them,
// never a template; the key is no variable.
#include <math.h>

#include "harness/base/file.h"
#include "harness/base/jinja.h"
#include "harness/base/sha256.h"
#include "harness/base/yaml.h"
#include "harness/net/secret.h"
#include "harness/net/url.h"
#include "harness/target/remote.h"

enum { FILE_MAX = 1 << 20, HEADERS_MAX = 16 };

static const char *const keys[] = {NULL};

typedef enum stream_kind { STREAM_NO, STREAM_SSE, STREAM_LINES } stream_kind;

struct as_wire {
    const char *path; // of the file
    as_str method, model, done;
    const as_jinja *url, *body;
    stream_kind stream;
    as_str text, reasoning, tokens_in, tokens_out, scores, finish, error; // paths
};

static as_rc wrong(const as_wire *w, const as_yaml *at, as_err *err, const char *what) {
    return as_fail(err, AS_INVALID, "%s:%zu:%zu: %s", w->path, at->line, at->column, what);
}

static as_rc check_keys(const as_wire *w, const as_yaml *map, const char *const *known,
                        as_err *err) {
    if (map->kind != AS_YAML_MAP) return wrong(w, map, err, "expected a map");
    for (const as_yaml *m = map->child; m; m = m->next) {
        bool found = false;
        for (size_t i = 0; known[i]; i++) found = found || as_str_is(m->key, known[i]);
        if (found) continue;
        const char *near = as_str_nearest(m->key, known);
        return as_fail(err, AS_INVALID, "%s:%zu:%zu: unknown key '%.*s'%s%s%s", w->path,
                       m->key_line, m->key_column, AS_STR_ARG(m->key),
                       near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    return AS_OK;
}

static as_rc text_of(const as_wire *w, const as_yaml *map, const char *key, as_str otherwise,
                     as_str *out, as_err *err) {
    const as_yaml *value = as_yaml_get(map, key);
    *out = otherwise;
    if (!value) return AS_OK;
    if (value->kind != AS_YAML_STRING && value->kind != AS_YAML_NUMBER)
        return as_fail(err, AS_INVALID, "%s:%zu:%zu: %s must be a text, found %s", w->path,
                       value->line, value->column, key, as_yaml_kind_name(value->kind));
    *out = value->text;
    return AS_OK;
}

static as_json *variables(as_arena *arena, const as_wire *w, const as_request *request) {
    as_json *v = as_json_new(arena, AS_JSON_OBJECT);
    as_json *messages = as_json_new(arena, AS_JSON_ARRAY), *choices, *stops;
    for (size_t i = 0; i < request->message_count; i++) {
        as_json *m = as_json_new(arena, AS_JSON_OBJECT);
        as_json_set(arena, m, "role", as_json_new_str(arena, request->messages[i].role));
        as_json_set(arena, m, "content", as_json_new_str(arena, request->messages[i].content));
        as_json_append(messages, m);
    }
    choices = as_json_new(arena, AS_JSON_ARRAY);
    for (size_t i = 0; i < request->choice_count; i++)
        as_json_append(choices, as_json_new_str(arena, request->choices[i]));
    stops = as_json_new(arena, AS_JSON_ARRAY);
    for (size_t i = 0; i < request->stop_count; i++)
        as_json_append(stops, as_json_new_str(arena, request->stops[i]));
    as_json_set(arena, v, "prompt", as_json_new_str(arena, as_wire_prompt(arena, request)));
    as_json_set(arena, v, "messages", messages);
    as_json_set(arena, v, "choices", choices);
    as_json_set(arena, v, "stop", stops);
    as_json_set(arena, v, "id", as_json_new_str(arena, request->id));
    as_json_set(arena, v, "model", as_json_new_str(arena, w->model));
    as_json_set(arena, v, "max_tokens", as_json_new_f64(arena, (double)request->max_tokens));
    as_json_set(arena, v, "temperature", as_json_new_f64(arena, request->temperature));
    as_json_set(arena, v, "top_p", as_json_new_f64(arena, request->top_p));
    as_json_set(arena, v, "top_k", as_json_new_f64(arena, (double)request->top_k));
    as_json_set(arena, v, "min_p", as_json_new_f64(arena, request->min_p));
    as_json_set(arena, v, "seed", as_json_new_f64(arena, (double)as_target_seed(request)));
    return v;
}

static as_rc compile(as_arena *arena, const as_wire *w, const as_yaml *file, const char *key,
                     const as_jinja **out, as_err *err) {
    as_str text;
    as_rc rc = text_of(w, file, key, (as_str){0}, &text, err);
    if (rc || !text.ptr) return rc;
    rc = as_jinja_parse(arena, text, out, err);
    if (rc) as_err_prefix(err, "%s: %s", w->path, key);
    return rc;
}

static as_rc render(const as_wire *w, as_arena *arena, const as_request *request,
                    const as_jinja *template_, as_str *out, as_err *err) {
    as_buf text = {0};
    as_rc rc = as_jinja_render(template_, arena, variables(arena, w, request), &text, err);
    if (!rc) *out = as_str_copy(arena, as_buf_view(&text));
    as_buf_free(&text);
    return rc;
}

// Renders both templates once with a prompt that breaks JSON if it is not escaped.
static as_rc rehearse(const as_wire *w, as_arena *arena, as_str *url_text, as_err *err) {
    static const as_message hard = {{"user", 4}, {"a \"quoted\"\nline", 15}};
    static const as_str choices[] = {{"a", 1}, {"b", 1}};
    as_request request = {.messages = &hard,
                          .message_count = 1,
                          .choices = choices,
                          .choice_count = 2,
                          .id = {"c-1", 3},
                          .max_tokens = 8};
    as_url url;
    as_str text = {0};
    as_rc rc = render(w, arena, &request, w->url, url_text, err);
    if (!rc) rc = as_url_parse(*url_text, &url, err);
    if (rc) {
        as_err_prefix(err, "%s: url", w->path);
        return rc;
    }
    if (!w->body) return AS_OK;
    rc = render(w, arena, &request, w->body, &text, err);
    const as_json *json;
    as_str start = as_str_trim(text);
    if (!rc && start.len && (start.ptr[0] == '{' || start.ptr[0] == '['))
        rc = as_json_parse(arena, text, &json, err);
    if (rc) as_err_prefix(err, "%s: body (texts go through the filter tojson)", w->path);
    return rc;
}

static as_rc read_headers(as_wire_setup *s, const as_wire *w, const as_yaml *file, as_err *err) {
    const as_yaml *headers = as_yaml_get(file, "headers");
    if (!headers) return AS_OK;
    if (headers->kind != AS_YAML_MAP || headers->count > HEADERS_MAX)
        return wrong(w, headers, err, "headers must be a map of at most 16");
    for (const as_yaml *h = headers->child; h; h = h->next) {
        bool plain = h->kind == AS_YAML_STRING || h->kind == AS_YAML_NUMBER;
        for (size_t i = 0; plain && i < h->text.len; i++)
            plain = (unsigned char)h->text.ptr[i] >= ' ';
        for (size_t i = 0; plain && i < h->key.len; i++)
            plain = (unsigned char)h->key.ptr[i] > ' ' && h->key.ptr[i] != ':';
        if (!plain) return wrong(w, h, err, "a header is a name and a line of text");
        if (as_str_is(h->key, "Authorization") || as_str_is(h->key, "authorization"))
            return wrong(w, h, err, "keys are not written into files like this: use auth, key_env");
        as_wire_header(s, h->key, h->text, false);
    }
    return AS_OK;
}

// The file's key_env and key_file count where the URI has none.
static as_rc read_auth(as_wire_setup *s, const as_wire *w, const as_yaml *file, as_err *err) {
    as_str auth, env, path, key;
    as_rc rc = text_of(w, file, "auth", AS_STR("bearer"), &auth, err);
    if (!rc) rc = text_of(w, file, "key_env", AS_STR(""), &env, err);
    if (!rc) rc = text_of(w, file, "key_file", AS_STR(""), &path, err);
    if (rc) return rc;
    as_target_uri merged = *s->parsed;
    const as_target_uri *given = s->parsed;
    bool in_uri = as_target_uri_value(given, "key_env", (as_str){0}).ptr ||
                  as_target_uri_value(given, "key_file", (as_str){0}).ptr;
    as_str name = env.len ? env : AS_STR("none");
    if (!in_uri) {
        merged.keys[merged.count] = path.len ? AS_STR("key_file") : AS_STR("key_env");
        merged.values[merged.count++] = path.len ? path : name;
    }
    s->parsed = &merged;
    rc = as_wire_key(s, "", &key, err);
    s->parsed = given;
    if (rc || !key.ptr) return rc;
    as_str rest = auth, kind = as_str_cut(&rest, ':');
    if (as_str_is(auth, "bearer")) {
        as_wire_header(s, AS_STR("Authorization"),
                       as_strf(s->arena, "Bearer %.*s", AS_STR_ARG(key)), true);
    } else if (as_str_is(auth, "basic")) {
        as_str coded = as_secret_base64(s->arena, key);
        as_wire_header(s, AS_STR("Authorization"),
                       as_strf(s->arena, "Basic %.*s", AS_STR_ARG(coded)), true);
    } else if (as_str_is(kind, "header") && rest.len) {
        as_wire_header(s, rest, key, true);
    } else {
        return wrong(w, as_yaml_get(file, "auth"), err, "auth is bearer, basic or header:NAME");
    }
    return AS_OK;
}

static as_rc read_response(as_wire *w, const as_yaml *file, as_err *err) {
    static const char *const known[] = {"text",   "reasoning", "tokens_in", "tokens_out",
                                        "scores", "finish",    "error",     NULL};
    as_str *const into[] = {&w->text,   &w->reasoning, &w->tokens_in, &w->tokens_out,
                            &w->scores, &w->finish,    &w->error};
    const as_yaml *response = as_yaml_get(file, "response");
    if (!response)
        return wrong(w, file, err, "'response' is missing: it says where the text stands");
    as_rc rc = check_keys(w, response, known, err);
    for (size_t i = 0; !rc && known[i]; i++)
        rc = text_of(w, response, known[i], AS_STR(""), into[i], err);
    if (!rc && !w->text.len && !w->scores.len)
        rc = wrong(w, response, err, "response needs 'text' or 'scores'");
    return rc;
}

static as_rc read_file(as_wire_setup *s, as_wire *w, const as_yaml *file, as_err *err) {
    static const char *const known[] = {"url",    "method",   "model",    "headers",
                                        "auth",   "key_env",  "key_file", "body",
                                        "stream", "response", "done",     NULL};
    as_str stream;
    as_rc rc = check_keys(w, file, known, err);
    if (!rc) rc = text_of(w, file, "method", AS_STR("POST"), &w->method, err);
    if (!rc) rc = text_of(w, file, "model", s->parsed->rest, &w->model, err);
    if (!rc) rc = text_of(w, file, "done", AS_STR("[DONE]"), &w->done, err);
    if (!rc) rc = text_of(w, file, "stream", AS_STR("no"), &stream, err);
    if (!rc) rc = read_response(w, file, err);
    if (!rc) rc = compile(s->arena, w, file, "url", &w->url, err);
    if (!rc) rc = compile(s->arena, w, file, "body", &w->body, err);
    if (rc) return rc;
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH"};
    bool method = false;
    for (size_t i = 0; i < 4; i++) method = method || as_str_is(w->method, methods[i]);
    if (!method)
        return wrong(w, as_yaml_get(file, "method"), err, "method is GET, POST, PUT or PATCH");
    if (!w->url) return wrong(w, file, err, "'url' is missing");
    w->stream = as_str_is(stream, "sse")     ? STREAM_SSE
                : as_str_is(stream, "lines") ? STREAM_LINES
                                             : STREAM_NO;
    if (!w->stream && !as_str_is(stream, "no"))
        return wrong(w, as_yaml_get(file, "stream"), err, "stream is sse, lines or no");
    if (w->stream && !w->text.len)
        return wrong(w, as_yaml_get(file, "stream"), err, "a stream needs response.text");
    rc = read_headers(s, w, file, err);
    if (!rc) rc = read_auth(s, w, file, err);
    return rc;
}

static as_rc http_open(as_wire_setup *s, as_err *err) {
    as_wire *w = s->wire = AS_NEW(s->arena, as_wire);
    as_str text;
    const as_yaml *file;
    w->path = as_path_join(s->arena, s->base_dir, s->parsed->rest).ptr;
    as_rc rc = as_file_read(s->arena, w->path, FILE_MAX, &text, err);
    if (!rc) rc = as_yaml_parse(s->arena, text, w->path, &file, err);
    if (!rc) rc = read_file(s, w, file, err);
    if (!rc) rc = rehearse(w, s->arena, &s->endpoint, err);
    s->model_name = w->model;
    return rc;
}

static as_rc http_accepts(const as_wire *w, const as_request *request, as_err *err) {
    if (request->task == AS_TASK_GENERATE && !w->text.len)
        return as_fail(err, AS_INVALID, "response.text is missing: '%s' gives scores alone",
                       w->path);
    return AS_OK;
}

static void http_build(const as_wire *w, as_arena *arena, const as_request *request, size_t call,
                       as_wire_call *out, as_str *sha256) {
    (void)call;
    as_err err = {0};
    *out = (as_wire_call){
        .method = w->method, .stream = w->stream == STREAM_SSE, .lines = w->stream == STREAM_LINES};
    *sha256 = as_sha256_of(arena, as_wire_prompt(arena, request));
    as_rc rc = render(w, arena, request, w->url, &out->url, &err);
    if (!rc && w->body) rc = render(w, arena, request, w->body, &out->body, &err);
    if (rc) out->error = as_strf(arena, "the request cannot be built: %s", err.text);
}

static uint64_t count_at(const as_json *object, as_str path) {
    const as_json *value = path.len ? as_wire_at(object, path) : NULL;
    bool count =
        value && value->kind == AS_JSON_NUMBER && value->number > 0 && value->number < 0x1p53;
    return count ? (uint64_t)value->number : 0;
}

static void take_rest(const as_wire *w, as_wire_take *take, const as_json *object) {
    uint64_t in = count_at(object, w->tokens_in), out = count_at(object, w->tokens_out);
    if (in) take->tokens_in = in;
    if (out) take->tokens_out = out;
    take->has_usage = take->has_usage || out;
    const as_json *value = w->reasoning.len ? as_wire_at(object, w->reasoning) : NULL;
    if (value && value->kind == AS_JSON_STRING) as_buf_str(&take->reasoning, value->text);
    value = w->finish.len ? as_wire_at(object, w->finish) : NULL;
    if (!value || value->kind != AS_JSON_STRING) return;
    bool length = as_str_is(value->text, "length") || as_str_is(value->text, "max_tokens");
    bool filter = as_str_is(value->text, "content_filter") || as_str_is(value->text, "refusal");
    take->finish = length ? AS_WIRE_LENGTH : filter ? AS_WIRE_FILTER : AS_WIRE_STOP;
}

static const as_json *take_object(const as_wire *w, as_wire_take *take, as_str text) {
    const as_json *object;
    as_err err;
    if (as_json_parse(take->scratch, text, &object, &err)) {
        as_wire_bad(take, "the response is no JSON: %s", err.text);
        return NULL;
    }
    const as_json *error = w->error.len ? as_wire_at(object, w->error) : NULL;
    if (!error || error->kind == AS_JSON_NULL) return object;
    if (take->outcome == AS_OUT_OK) {
        take->outcome = AS_OUT_HTTP_ERROR;
        take->error = as_strf(take->arena, "the server says: %.*s",
                              AS_STR_ARG(as_json_plain(take->arena, error)));
    }
    return NULL;
}

static void http_event(const as_wire *w, as_wire_take *take, as_str event, as_str data) {
    (void)event;
    if (as_str_eq(as_str_trim(data), w->done)) {
        take->ended = true;
        return;
    }
    const as_json *object = take_object(w, take, data);
    if (!object) return;
    const as_json *text = as_wire_at(object, w->text);
    if (text && text->kind == AS_JSON_STRING && text->text.len) {
        as_buf_str(&take->text, text->text);
        take->piece = true;
    }
    // A stream of unknown make may end without a word.
    if (take->finish == AS_WIRE_OPEN) take->finish = AS_WIRE_STOP;
    take_rest(w, take, object);
}

static void take_scores(const as_wire *w, as_wire_take *take, const as_json *list) {
    size_t count = take->request->choice_count, i = 0;
    if (!list || list->kind != AS_JSON_ARRAY || list->count != count) {
        as_wire_bad(take, "'%.*s' is no list of %zu numbers", AS_STR_ARG(w->scores), count);
        return;
    }
    double *scores = AS_NEW_ARRAY(take->arena, double, count);
    for (const as_json *n = list->child; n; n = n->next) {
        if (n->kind != AS_JSON_NUMBER)
            as_wire_bad(take, "a score is %s", as_json_kind_name(n->kind));
        scores[i++] = n->number;
    }
    take->choice_logprobs = scores;
}

static void http_body(const as_wire *w, as_wire_take *take, as_str body) {
    const as_json *object = take_object(w, take, body);
    if (!object) return;
    take->finish = AS_WIRE_STOP;
    take->ended = true;
    take_rest(w, take, object);
    if (w->scores.len && take->request->task == AS_TASK_CHOICE) {
        take_scores(w, take, as_wire_at(object, w->scores));
        return;
    }
    const as_json *text = as_wire_at(object, w->text);
    if (!text)
        as_wire_bad(take, "the response has no '%.*s'", AS_STR_ARG(w->text));
    else if (text->kind != AS_JSON_NULL)
        as_buf_str(&take->text, as_json_plain(take->arena, text));
}

const as_wire_ops as_wire_http = {.keys = keys,
                                  .open = http_open,
                                  .accepts = http_accepts,
                                  .build = http_build,
                                  .event = http_event,
                                  .body = http_body};

static as_rc open_target(as_str uri, as_str base_dir, as_target **out, as_err *err) {
    return as_remote_open(&as_wire_http, uri, base_dir, out, err);
}

const as_target_ops as_target_http = AS_REMOTE("http", "http:FILE.yaml[?...]", open_target);
