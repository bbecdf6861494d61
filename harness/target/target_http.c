// SPDX-License-Identifier: Apache-2.0
// http:FILE.yaml - any endpoint, by a file that says how it is asked and where its answer stands:
//
//   url: https://host/v1/summarize          # a template, as query and body are
//   query: {version: "2"}                   # percent-encoded and joined to the URL
//   method: POST
//   model: our-summarizer                   # a name, for reports
//   headers: {X-Tenant: acme, X-Id: {env: TENANT_ID}}         # from the environment: secret
//   auth: bearer                            # bearer | basic (key is user:password) | header:NAME
//   key_env: SUMMARIZER_KEY                 # or key_file
//   auth: {command: gcloud auth print-access-token, keep: 300}    # or its expires_in; auth.h
//   auth: {aws: bedrock, region: us-east-1}                   # Signature V4
//   body: '{"text": {{ prompt | tojson }}, "max": {{ max_tokens }}}'
//   stream: sse                             # or lines; without it one JSON object
//   response:                               # paths: choices.0.text; content.*.text joins them all;
//     text: result.text | result            # the first that is there; $ is the body, JSON or not
//     reasoning, tokens_in, tokens_out: ..  # where there are any
//     scores: result.scores                 # choice: log-probabilities in the suite's order
//     finish: stop_reason                   # "length", "max_tokens": cut off; "refusal",
//     "SAFETY".. error: error.message                  # there and not null: the server failed
//     refused: block_reason                 # there and not null: withheld or refused
//     tool_calls, trace, skill_calls, guardrails: ..  # what assertions look at beside the text
//   done: "[DONE]"                          # stream: data that ends it
//   poll:                                   # asked again by GET until it is done
//     url: https://host/jobs/{{ response.id }}    # `response`: what came first; the same origin
//     status: status                        # path
//     done: [succeeded]
//     failed: [failed, canceled]
//     every: 1                              # s
//     most: 600                             # times; then it is a timeout
//
// Templates see prompt (the messages joined by newlines), messages, system (what system messages
// say), turns (the others), choices, max_tokens, temperature, top_p, top_k, min_p, seed, stop, id,
// model. What data holds is a value in them, never a template; the key is no variable.
#include <math.h>

#include <string.h>
#include <strings.h>

#include "harness/base/file.h"
#include "harness/base/sha256.h"
#include "harness/base/utf8.h"
#include "harness/net/url.h"
#include "harness/target/presets/preset.h"
#include "harness/target/remote.h"

enum { FILE_MAX = 1 << 20, QUERY_MAX = 16 };

static const char *const keys[] = {"choice", NULL};

typedef enum stream_kind { STREAM_NO, STREAM_SSE, STREAM_LINES } stream_kind;

enum { DETAILS = 4 };
static const char *const details[DETAILS] = {"tool_calls", "trace", "skill_calls", "guardrails"};

struct as_wire {
    const char *path;    // of the file
    const as_json *with; // a preset's parameters, or NULL
    as_str method, model, done;
    const as_jinja *url, *body;
    struct {
        as_str name;
        const as_jinja *value;
    } query[QUERY_MAX];
    size_t query_count;
    bool bare; // choices are never listed
    stream_kind stream;
    as_str text, reasoning, tokens_in, tokens_out, scores, finish, error, refused; // paths
    as_str details[DETAILS];                                                       // the same
    struct {
        const as_jinja *url; // NULL: no polling
        as_str status;
        const as_yaml *done, *failed; // lists
        double every_s;
        int64_t most;
    } poll;
};

static as_json *message_list(as_arena *arena, const as_message *messages, size_t count, bool system,
                             bool others) {
    as_json *list = as_json_new(arena, AS_JSON_ARRAY);
    for (size_t i = 0; i < count; i++) {
        if (as_str_is(messages[i].role, "system") ? !system : !others) continue;
        as_json_append(list, as_chat_turn(arena, &messages[i], AS_CHAT_OPENAI));
    }
    return list;
}

static as_str system_text(as_arena *arena, const as_message *messages, size_t count) {
    as_str text = AS_STR("");
    for (size_t i = 0; i < count; i++)
        if (as_str_is(messages[i].role, "system"))
            text = as_strf(arena, "%.*s%s%.*s", AS_STR_ARG(text), text.len ? "\n" : "",
                           AS_STR_ARG(messages[i].content));
    return text;
}

static as_json *variables(as_arena *arena, const as_wire *w, const as_request *request) {
    as_json *v = as_json_new(arena, AS_JSON_OBJECT), *choices, *stops;
    as_request asked = *request;
    as_str sha;
    asked.messages = as_wire_messages(arena, request, w->bare || w->scores.len, &sha);
    size_t count = asked.message_count;
    for (const as_json *m = w->with ? w->with->child : NULL; m; m = m->next)
        as_json_set(arena, v, m->key.ptr, as_json_new_str(arena, m->text));
    choices = as_json_new(arena, AS_JSON_ARRAY);
    for (size_t i = 0; i < request->choice_count; i++)
        as_json_append(choices, as_json_new_str(arena, request->choices[i]));
    stops = as_json_new(arena, AS_JSON_ARRAY);
    for (size_t i = 0; i < request->stop_count; i++)
        as_json_append(stops, as_json_new_str(arena, request->stops[i]));
    as_json_set(arena, v, "prompt", as_json_new_str(arena, as_wire_prompt(arena, &asked)));
    as_json_set(arena, v, "messages", message_list(arena, asked.messages, count, true, true));
    as_json_set(arena, v, "turns", message_list(arena, asked.messages, count, false, true));
    as_json_set(arena, v, "system",
                as_json_new_str(arena, system_text(arena, asked.messages, count)));
    as_json_set(arena, v, "choices", choices);
    as_json_set(arena, v, "stop", stops);
    as_json_set(arena, v, "id", as_json_new_str(arena, request->id));
    if (!w->with) as_json_set(arena, v, "model", as_json_new_str(arena, w->model));
    as_json_set(arena, v, "max_tokens", as_json_new_f64(arena, (double)as_wire_room(request)));
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
    as_rc rc = as_template_text(w->path, file, key, (as_str){0}, &text, err);
    if (rc || !text.ptr) return rc;
    rc = as_jinja_parse(arena, text, out, err);
    if (rc) as_err_prefix(err, "%s: %s", w->path, key);
    return rc;
}

static as_rc render(as_arena *arena, const as_json *with, const as_jinja *template_, as_str *out,
                    as_err *err) {
    as_buf text = {0};
    as_rc rc = as_jinja_render(template_, arena, with, &text, err);
    if (!rc) *out = as_str_copy(arena, as_buf_view(&text));
    as_buf_free(&text);
    return rc;
}

static void put_percent(as_buf *out, as_str text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool plain = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
                     (c && strchr("-_.~", c));
        as_buff(out, plain ? "%c" : "%%%02X", c);
    }
}

// The URL with its query.
static as_rc render_url(const as_wire *w, as_arena *arena, const as_json *with, as_str *out,
                        as_err *err) {
    as_buf url = {0};
    as_str text;
    as_rc rc = render(arena, with, w->url, &text, err);
    if (!rc) as_buf_str(&url, as_str_trim(text));
    bool has = !rc && as_str_find(text, AS_STR("?"), 0) != SIZE_MAX;
    for (size_t i = 0; !rc && i < w->query_count; i++) {
        rc = render(arena, with, w->query[i].value, &text, err);
        as_buf_char(&url, has || i ? '&' : '?');
        put_percent(&url, w->query[i].name);
        as_buf_char(&url, '=');
        if (!rc) put_percent(&url, text);
    }
    if (!rc) *out = as_str_copy(arena, as_buf_view(&url));
    as_buf_free(&url);
    return rc;
}

// Renders all templates once with a prompt that breaks JSON if it is not escaped.
static as_rc rehearse(const as_wire *w, as_arena *arena, as_str *url_text, as_err *err) {
    static const as_message hard = {{"user", 4}, {"a \"quoted\"\nline", 15}, NULL};
    static const as_str choices[] = {{"a", 1}, {"b", 1}}, stop = {"\n", 1};
    as_request request = {.messages = &hard,
                          .message_count = 1,
                          .choices = choices,
                          .choice_count = 2,
                          .stops = &stop,
                          .stop_count = 1,
                          .id = {"c-1", 3},
                          .temperature = 0.5,
                          .top_p = 0.5,
                          .top_k = 5,
                          .max_tokens = 8};
    as_url url;
    as_str text = {0};
    const as_json *with = variables(arena, w, &request);
    as_rc rc = render_url(w, arena, with, url_text, err);
    if (!rc) rc = as_url_parse(*url_text, &url, err);
    if (rc) {
        as_err_prefix(err, "%s: url", w->path);
        return rc;
    }
    if (!w->body) return AS_OK;
    rc = render(arena, with, w->body, &text, err);
    const as_json *json;
    as_str start = as_str_trim(text);
    if (!rc && start.len && (start.ptr[0] == '{' || start.ptr[0] == '['))
        rc = as_json_parse(arena, text, &json, err);
    if (rc) as_err_prefix(err, "%s: body (texts go through the filter tojson)", w->path);
    return rc;
}

static as_rc read_query(as_arena *arena, as_wire *w, const as_yaml *file, as_err *err) {
    const as_yaml *query = as_yaml_get(file, "query");
    if (!query) return AS_OK;
    if (query->kind != AS_YAML_MAP || query->count > QUERY_MAX)
        return as_template_wrong(w->path, query, err, "query must be a map of at most %d",
                                 QUERY_MAX);
    as_rc rc = AS_OK;
    for (const as_yaml *q = query->child; !rc && q; q = q->next) {
        if (q->kind != AS_YAML_STRING && q->kind != AS_YAML_NUMBER)
            return as_template_wrong(w->path, q, err, "a value of query is a text");
        w->query[w->query_count].name = q->key;
        rc = as_jinja_parse(arena, q->text, &w->query[w->query_count++].value, err);
        if (rc) as_err_prefix(err, "%s: query", w->path);
    }
    return rc;
}

static as_rc read_words(const as_wire *w, const as_yaml *poll, const char *key, const as_yaml **out,
                        as_err *err) {
    const as_yaml *list = as_yaml_get(poll, key);
    bool texts = list && list->kind == AS_YAML_LIST;
    for (const as_yaml *v = texts ? list->child : NULL; v; v = v->next)
        texts = texts && v->kind == AS_YAML_STRING;
    if (!texts)
        return as_template_wrong(w->path, poll, err, "poll.%s must be a list of texts", key);
    *out = list;
    return AS_OK;
}

static as_rc read_poll(as_arena *arena, as_wire *w, const as_yaml *file, as_err *err) {
    static const char *const known[] = {"url", "status", "done", "failed", "every", "most", NULL};
    const as_yaml *poll = as_yaml_get(file, "poll");
    if (!poll) return AS_OK;
    w->poll.every_s = 1;
    w->poll.most = 600;
    as_rc rc = as_template_keys(w->path, poll, known, err);
    if (!rc && w->stream) rc = as_template_wrong(w->path, poll, err, "a stream is not polled");
    if (!rc) rc = as_template_text(w->path, poll, "status", AS_STR(""), &w->poll.status, err);
    if (!rc) rc = read_words(w, poll, "done", &w->poll.done, err);
    if (!rc) rc = read_words(w, poll, "failed", &w->poll.failed, err);
    if (!rc) rc = as_template_count(w->path, poll, "most", 1, 1000000, &w->poll.most, err);
    const as_yaml *every = rc ? NULL : as_yaml_get(poll, "every");
    if (every) w->poll.every_s = every->kind == AS_YAML_NUMBER ? every->number : 0;
    if (!rc && !(w->poll.every_s >= 0.01 && w->poll.every_s <= 3600))
        rc = as_template_wrong(w->path, every, err,
                               "poll.every is a number of seconds, 0.01 to 3600");
    if (!rc) rc = compile(arena, w, poll, "url", &w->poll.url, err);
    if (!rc && (!w->poll.url || !w->poll.status.len))
        rc = as_template_wrong(w->path, poll, err, "poll needs url and status");
    return rc;
}

static as_rc read_response(as_wire *w, const as_yaml *file, as_err *err) {
    static const char *const known[] = {
        "text",    "reasoning",  "tokens_in", "tokens_out",  "scores",     "finish", "error",
        "refused", "tool_calls", "trace",     "skill_calls", "guardrails", NULL};
    as_str *const into[] = {&w->text,       &w->reasoning,  &w->tokens_in,  &w->tokens_out,
                            &w->scores,     &w->finish,     &w->error,      &w->refused,
                            &w->details[0], &w->details[1], &w->details[2], &w->details[3]};
    const as_yaml *response = as_yaml_get(file, "response");
    if (!response)
        return as_template_wrong(w->path, file, err,
                                 "'response' is missing: it says where the text stands");
    as_rc rc = as_template_keys(w->path, response, known, err);
    for (size_t i = 0; !rc && known[i]; i++)
        rc = as_template_text(w->path, response, known[i], AS_STR(""), into[i], err);
    if (!rc && !w->text.len && !w->scores.len)
        rc = as_template_wrong(w->path, response, err, "response needs 'text' or 'scores'");
    return rc;
}

static as_rc read_file(as_wire_setup *s, as_wire *w, const as_yaml *file, as_err *err) {
    static const char *const known[] = {"url",      "query",   "method",   "model", "headers",
                                        "auth",     "key_env", "key_file", "body",  "stream",
                                        "response", "done",    "poll",     NULL};
    static const char *const streams[] = {"no", "sse", "lines"};
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH"};
    as_str stream;
    const char *path = w->path;
    as_rc rc = s->preset ? AS_OK : as_template_keys(path, file, known, err);
    if (!rc) rc = as_template_text(path, file, "method", AS_STR("POST"), &w->method, err);
    if (!rc) rc = as_template_text(path, file, "model", s->parsed->rest, &w->model, err);
    if (!rc) rc = as_template_text(path, file, "done", AS_STR("[DONE]"), &w->done, err);
    if (!rc) rc = as_template_text(path, file, "stream", AS_STR("no"), &stream, err);
    if (!rc) rc = read_response(w, file, err);
    if (!rc) rc = compile(s->arena, w, file, "url", &w->url, err);
    if (!rc) rc = compile(s->arena, w, file, "body", &w->body, err);
    if (!rc) rc = read_query(s->arena, w, file, err);
    if (rc) return rc;
    if (w->with) w->model = as_json_str(w->with, "model", AS_STR(""));
    bool method = false;
    for (size_t i = 0; i < 4; i++) method = method || as_str_is(w->method, methods[i]);
    if (!method)
        return as_template_wrong(path, as_yaml_get(file, "method"), err,
                                 "method is GET, POST, PUT or PATCH");
    if (!w->url) return as_template_wrong(path, file, err, "'url' is missing");
    size_t kind = 0;
    while (kind < 3 && !as_str_is(stream, streams[kind])) kind++;
    if (kind == 3)
        return as_template_wrong(path, as_yaml_get(file, "stream"), err,
                                 "stream is sse, lines or no");
    w->stream = (stream_kind)kind;
    if (w->stream && !w->text.len)
        return as_template_wrong(path, as_yaml_get(file, "stream"), err,
                                 "a stream needs response.text");
    rc = read_poll(s->arena, w, file, err);
    if (!rc) rc = as_template_headers(s, path, file, w->with, err);
    if (!rc && !s->preset) rc = as_template_auth(s, path, file, NULL, err);
    return rc;
}

static as_rc http_open(as_wire_setup *s, as_err *err) {
    static const char *const words[] = {"list", "bare", NULL};
    as_wire *w = s->wire = AS_NEW(s->arena, as_wire);
    as_str text;
    const as_yaml *file = NULL;
    size_t bare;
    as_rc rc = as_wire_word(s, "choice", words, 0, &bare, err);
    w->bare = bare == 1;
    if (s->preset) {
        w->path = s->preset->path;
        w->with = s->preset->with;
        file = s->preset->file;
    } else if (!rc) {
        w->path = as_path_join(s->arena, s->base_dir, s->parsed->rest).ptr;
        rc = as_file_read(s->arena, w->path, FILE_MAX, &text, err);
        if (!rc) rc = as_yaml_parse(s->arena, text, w->path, &file, err);
    }
    if (!rc) rc = read_file(s, w, file, err);
    if (!rc) rc = rehearse(w, s->arena, &s->endpoint, err);
    s->model_name = w->model;
    return rc;
}

// Whether the body is made of the messages: of a file of one's own, for what a preset's service
// makes of calls of tools its template does not know.
static bool sends_messages(const as_wire *w) {
    as_arena arena = {0};
    const as_str *names = NULL;
    size_t count = 0;
    bool sends = false;
    if (w->body && !w->with) as_jinja_names(w->body, &arena, &names, &count);
    for (size_t i = 0; i < count; i++)
        sends = sends || as_str_is(names[i], "messages") || as_str_is(names[i], "turns");
    as_arena_free(&arena);
    return sends;
}

static as_rc http_accepts(const as_wire *w, const as_request *request, as_err *err) {
    if (as_chat_turn_rich(request) && !sends_messages(w)) return as_wire_no_turns(err);
    if (request->task == AS_TASK_GENERATE && !w->text.len)
        return as_fail(err, AS_INVALID, "response.text is missing: '%s' gives scores alone",
                       w->path);
    return as_wire_no_scoring(request, err);
}

static void http_build(const as_wire *w, as_arena *arena, const as_request *request, size_t call,
                       as_wire_call *out, as_str *sha256) {
    (void)call;
    as_err err = {0};
    *out = (as_wire_call){
        .method = w->method, .stream = w->stream == STREAM_SSE, .lines = w->stream == STREAM_LINES};
    *sha256 = as_sha256_of(arena, as_wire_prompt(arena, request));
    const as_json *with = variables(arena, w, request);
    as_rc rc = render_url(w, arena, with, &out->url, &err);
    if (!rc && w->body) rc = render(arena, with, w->body, &out->body, &err);
    if (rc) out->error = as_strf(arena, "the request cannot be built: %s", err.text);
}

static uint64_t count_at(const as_json *object, as_str path) {
    const as_json *value = path.len ? as_wire_at(object, path) : NULL;
    bool count =
        value && value->kind == AS_JSON_NUMBER && value->number > 0 && value->number < 0x1p53;
    return count ? (uint64_t)value->number : 0;
}

static bool is_word(as_str text, const char *const *words) {
    for (; *words; words++)
        if (text.len == strlen(*words) && !strncasecmp(text.ptr, *words, text.len)) return true;
    return false;
}

// The texts at one path, in which "*" stands for every member of a list. Returns how many.
static size_t gather_one(const as_json *at, as_str path, as_buf *to) {
    size_t star = as_str_find(path, AS_STR("*"), 0);
    if (star == SIZE_MAX) {
        const as_json *value = as_wire_at(at, path);
        if (!value || value->kind != AS_JSON_STRING) return 0;
        as_buf_str(to, value->text);
        return 1;
    }
    const as_json *list = as_wire_at(at, as_str_sub(path, 0, star));
    as_str rest = as_str_sub(path, star + 1, path.len);
    if (!list || list->kind != AS_JSON_ARRAY) return list ? gather_one(list, rest, to) : 0;
    size_t count = 0;
    for (const as_json *one = list->child; one; one = one->next) count += gather_one(one, rest, to);
    return count;
}

// Those of the first path, of several between bars, that has any.
static size_t gather(const as_json *object, as_str paths, as_buf *to) {
    size_t count = 0;
    while (paths.ptr && !count)
        count = gather_one(object, as_str_trim(as_str_cut(&paths, '|')), to);
    return count;
}

// The same for a whole answer, where what is no text is written as JSON. False: there is none.
static bool take_text(const as_wire *w, as_wire_take *take, const as_json *object) {
    for (as_str paths = w->text; paths.ptr;) {
        as_str path = as_str_trim(as_str_cut(&paths, '|'));
        if (gather_one(object, path, &take->text)) return true;
        bool star = as_str_find(path, AS_STR("*"), 0) != SIZE_MAX;
        const as_json *value = star ? NULL : as_wire_at(object, path);
        if (!value || value->kind == AS_JSON_STRING) continue;
        if (value->kind != AS_JSON_NULL)
            as_buf_str(&take->text, as_json_plain(take->scratch, value));
        return true;
    }
    return false;
}

// What stands at the paths of details; in a stream what came last.
static void take_details(const as_wire *w, as_wire_take *take, const as_json *object) {
    as_json *found = as_json_new(take->scratch, AS_JSON_OBJECT);
    for (size_t i = 0; i < DETAILS; i++) {
        const as_json *value = w->details[i].len ? as_wire_at(object, w->details[i]) : NULL;
        if (!value) continue;
        as_json *copy = AS_NEW(take->scratch, as_json);
        *copy = *value;
        copy->next = NULL;
        as_json_set(take->scratch, found, details[i], copy);
    }
    if (found->count) take->details = as_sample_details_of(take->arena, found);
}

static void take_rest(const as_wire *w, as_wire_take *take, const as_json *object) {
    static const char *const length[] = {"length", "max_tokens", "limit", NULL};
    static const char *const filter[] = {
        "content_filter", "content_filtered", "refusal",   "guardrail_intervened",
        "SAFETY",         "RECITATION",       "BLOCKLIST", "PROHIBITED_CONTENT",
        "SPII",           "ERROR_TOXIC",      NULL};
    uint64_t in = count_at(object, w->tokens_in), out = count_at(object, w->tokens_out);
    if (in) take->tokens_in = in;
    if (out) take->tokens_out = out;
    take->has_usage = take->has_usage || out;
    if (w->reasoning.len && gather(object, w->reasoning, &take->reasoning)) take->piece = true;
    take_details(w, take, object);
    const as_json *refused = w->refused.len ? as_wire_at(object, w->refused) : NULL;
    if (refused && refused->kind != AS_JSON_NULL) take->finish = AS_WIRE_FILTER;
    if (take->finish == AS_WIRE_FILTER) return;
    const as_json *value = w->finish.len ? as_wire_at(object, w->finish) : NULL;
    if (!value || value->kind != AS_JSON_STRING || !value->text.len) return;
    take->finish = is_word(value->text, length)   ? AS_WIRE_LENGTH
                   : is_word(value->text, filter) ? AS_WIRE_FILTER
                                                  : AS_WIRE_STOP;
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
    if (take->ended) return;
    if (as_str_eq(as_str_trim(data), w->done)) {
        take->ended = true;
        return;
    }
    const as_json *object = take_object(w, take, data);
    if (!object) return;
    size_t before = take->text.len;
    gather(object, w->text, &take->text);
    if (take->text.len > before) take->piece = true;
    // Where nothing says how an answer ends, a stream may end without a word.
    if (take->finish == AS_WIRE_OPEN && !w->finish.len) take->finish = AS_WIRE_STOP;
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

static bool among(as_str text, const as_yaml *list) {
    for (const as_yaml *v = list->child; v; v = v->next)
        if (as_str_eq(text, v->text)) return true;
    return false;
}

static bool find_poll(const as_wire *w, as_wire_take *take, const as_json *object) {
    as_err err = {0};
    as_json *with = variables(take->arena, w, take->request);
    as_json *response = as_json_new(take->arena, AS_JSON_OBJECT);
    *response = *object; // shares the members, and is done with before they are
    response->next = NULL;
    as_json_set(take->arena, with, "response", response);
    if (render(take->arena, with, w->poll.url, &take->again_url, &err)) {
        as_wire_bad(take, "poll.url: %s", err.text);
        return false;
    }
    take->again_url = as_str_trim(take->again_url);
    return true;
}

// Whether the answer is there; else it is asked for again, or the case has failed.
static bool polled(const as_wire *w, as_wire_take *take, const as_json *object) {
    // The first response may be nothing but where to ask.
    static const as_json pending = {.kind = AS_JSON_STRING, .text = {"pending", 7}};
    const as_json *status = as_wire_at(object, w->poll.status);
    if (!status && !take->again_count) status = &pending;
    if (!status || status->kind != AS_JSON_STRING) {
        as_wire_bad(take, "the response has no '%.*s'", AS_STR_ARG(w->poll.status));
        return false;
    }
    if (among(status->text, w->poll.done)) return true;
    if (among(status->text, w->poll.failed)) {
        take->outcome = AS_OUT_HTTP_ERROR;
        take->error =
            as_strf(take->arena, "the server says that it is '%.*s'", AS_STR_ARG(status->text));
        return false;
    }
    if (take->again_count >= (unsigned)w->poll.most) {
        take->outcome = AS_OUT_TIMEOUT;
        take->error = as_strf(take->arena, "still '%.*s' when asked %u times",
                              AS_STR_ARG(status->text), take->again_count);
        return false;
    }
    // Where to ask is said once, by the first response.
    if (!take->again_url.len && !find_poll(w, take, object)) return false;
    take->again_ms = (uint64_t)(w->poll.every_s * 1000);
    take->finish = AS_WIRE_STOP;
    return false;
}

// A body that is a text and not JSON, where the path "$" says so.
static bool take_plain(const as_wire *w, as_wire_take *take, as_str body) {
    const as_json *object;
    as_err err;
    as_str paths = w->text;
    bool whole = false;
    while (paths.ptr) whole = whole || as_str_is(as_str_trim(as_str_cut(&paths, '|')), "$");
    if (!whole || !as_json_parse(take->scratch, body, &object, &err)) return false;
    as_buf_str(&take->text, as_utf8_clean(take->scratch, body));
    take->finish = AS_WIRE_STOP;
    take->ended = true;
    return true;
}

static void http_body(const as_wire *w, as_wire_take *take, as_str body) {
    if (take_plain(w, take, body)) return;
    const as_json *object = take_object(w, take, body);
    if (!object || (w->poll.url && !polled(w, take, object))) return;
    take->finish = AS_WIRE_STOP;
    take->ended = true;
    take_rest(w, take, object);
    if (w->scores.len && take->request->task == AS_TASK_CHOICE) {
        take_scores(w, take, as_wire_at(object, w->scores));
        return;
    }
    // No text at all is none, but where the model was kept from saying one.
    if (!take_text(w, take, object) && take->finish == AS_WIRE_STOP)
        as_wire_bad(take, "the response has no '%.*s'", AS_STR_ARG(w->text));
}

const as_wire_ops as_wire_http = {.asks_again = true,
                                  .takes_turns = true,
                                  .keys = keys,
                                  .open = http_open,
                                  .accepts = http_accepts,
                                  .build = http_build,
                                  .event = http_event,
                                  .body = http_body};

static as_rc open_target(as_str uri, as_str base_dir, as_target **out, as_err *err) {
    return as_remote_open(&as_wire_http, uri, base_dir, out, err);
}

const as_target_ops as_target_http = AS_REMOTE("http", "http:FILE.yaml[?...]", open_target);
