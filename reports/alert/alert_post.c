// SPDX-License-Identifier: Apache-2.0
// An alert on its way: the file it waits in, the request it becomes.
#include <string.h>

#include "harness/base/sha256.h"
#include "harness/net/secret.h"
#include "harness/net/url.h"
#include "reports/alert/alert_wire.h"

enum { SCHEMA = 1, CONNECT_MS = 5000, TIMEOUT_S = 10, ANSWER_MAX = 1 << 20, HEADERS_MAX = 64 };

#define PAGERDUTY_URL "https://events.pagerduty.com/v2/enqueue"

static as_str where(const as_alert_sink *sink) {
    if (sink->url.len) return sink->url;
    if (sink->url_env.len) return sink->url_env;
    return sink->url_file.len ? sink->url_file : AS_STR(PAGERDUTY_URL);
}

as_str as_alert_sink_name(as_arena *arena, const as_alert_sink *sink) {
    const char *mark = sink->url_env.len ? "$" : sink->url_file.len ? "file " : "";
    return as_strf(arena, "%s %s%.*s", as_alert_kind_names[sink->kind], mark,
                   AS_STR_ARG(where(sink)));
}

as_str as_alert_sink_id(as_arena *arena, const as_alert_sink *sink) {
    return as_str_sub(as_sha256_of(arena, as_alert_sink_name(arena, sink)), 0, 16);
}

// ---- the file ----

static void member(as_json_out *o, const char *key, as_str value) {
    if (!value.len) return;
    as_jo_key(o, key);
    as_jo_str(o, value);
}

void as_alert_post_write(as_buf *out, const as_alert_post *post) {
    as_json_out o = {.buf = out, .indent = 1};
    const as_alert_sink *sink = &post->sink;
    as_jo_open(&o, '{');
    as_jo_key(&o, "schema");
    as_jo_i64(&o, SCHEMA);
    member(&o, "type", as_str_of(as_alert_kind_names[sink->kind]));
    member(&o, "action", post->action);
    member(&o, "key", post->key);
    member(&o, "title", post->title);
    member(&o, "url", sink->url);
    member(&o, "url_env", sink->url_env);
    member(&o, "url_file", sink->url_file);
    member(&o, "key_env", sink->key_env);
    member(&o, "key_file", sink->key_file);
    member(&o, "auth", sink->auth);
    member(&o, "ca_file", sink->ca_file);
    as_jo_key(&o, "timeout");
    as_jo_i64(&o, (int64_t)sink->timeout_s);
    if (sink->kind == AS_ALERT_WEBHOOK) {
        as_jo_key(&o, "headers");
        as_jo_open(&o, '{');
        for (size_t i = 0; i < sink->pair_count; i++) {
            as_jo_keys(&o, sink->pairs[i].name);
            as_jo_str(&o, sink->pairs[i].value);
        }
        as_jo_close(&o, '}');
    }
    member(&o, "body", post->body);
    as_jo_key(&o, "attempts");
    as_jo_i64(&o, (int64_t)post->attempts);
    member(&o, "error", post->error);
    as_jo_close(&o, '}');
    as_buf_char(out, '\n');
}

static bool kind_of(as_str name, as_alert_kind *out) {
    for (size_t i = 0; i < AS_ALERT_KINDS; i++) {
        if (!as_str_is(name, as_alert_kind_names[i])) continue;
        *out = (as_alert_kind)i;
        return true;
    }
    return false;
}

static void read_headers(as_arena *arena, const as_json *headers, as_alert_sink *sink) {
    if (!headers || headers->kind != AS_JSON_OBJECT) return;
    as_alert_pair *pairs = AS_NEW_ARRAY(arena, as_alert_pair, headers->count + 1);
    for (const as_json *h = headers->child; h; h = h->next)
        if (h->kind == AS_JSON_STRING) pairs[sink->pair_count++] = (as_alert_pair){h->key, h->text};
    sink->pairs = pairs;
}

as_rc as_alert_post_read(as_arena *arena, as_str text, as_alert_post *out, as_err *err) {
    const as_json *file;
    as_alert_kind kind;
    as_str none = AS_STR("");
    as_rc rc = as_json_parse(arena, text, &file, err);
    if (rc) return rc;
    if (as_json_f64(file, "schema", 0) != SCHEMA ||
        !kind_of(as_json_str(file, "type", none), &kind))
        return as_fail(err, AS_INVALID, "not an alert that this assay can send");
    *out = (as_alert_post){
        .sink = {.kind = kind,
                 .url = as_json_str(file, "url", none),
                 .url_env = as_json_str(file, "url_env", none),
                 .url_file = as_json_str(file, "url_file", none),
                 .key_env = as_json_str(file, "key_env", none),
                 .key_file = as_json_str(file, "key_file", none),
                 .auth = as_json_str(file, "auth", AS_STR("bearer")),
                 .ca_file = as_json_str(file, "ca_file", none)},
        .key = as_json_str(file, "key", none),
        .action = as_json_str(file, "action", none),
        .title = as_json_str(file, "title", none),
        .body = as_json_str(file, "body", none),
        .error = as_json_str(file, "error", none),
    };
    double attempts = as_json_f64(file, "attempts", 0);
    if (attempts > 0 && attempts < 1e9) out->attempts = (uint64_t)attempts;
    double timeout = as_json_f64(file, "timeout", 0);
    out->sink.timeout_s = timeout >= 1 && timeout <= 600 ? (uint64_t)timeout : TIMEOUT_S;
    read_headers(arena, as_json_get(file, "headers"), &out->sink);
    if (kind == AS_ALERT_PAGERDUTY && !as_str_starts(out->body, AS_STR("{\"")))
        return as_fail(err, AS_INVALID, "an event of PagerDuty must be an object");
    return AS_OK;
}

// ---- the request ----

// What makes it a secret: sinks that are angry repeat their path.
static void hide_path(as_str path) {
    as_str rest = path, last = path;
    while (rest.ptr) last = as_str_cut(&rest, '/');
    if (path.len > 1) as_secret_hide(as_str_sub(path, 1, path.len));
    if (last.len >= 8) as_secret_hide(last);
}

static as_rc find_url(as_arena *arena, const as_alert_sink *sink, as_str *out, as_err *err) {
    as_url parts;
    as_rc rc = AS_OK;
    *out = where(sink);
    bool secret = sink->url_env.len || sink->url_file.len;
    if (secret) {
        rc = as_secret_load(arena, sink->url_env, sink->url_file, out, err);
        if (!rc && !out->ptr)
            rc = as_fail(err, AS_INVALID, "$%.*s is not set", AS_STR_ARG(sink->url_env));
    }
    if (!rc && secret && as_url_parse(*out, &parts, NULL)) // its words would repeat the secret
        rc = as_fail(err, AS_INVALID, "what %s%.*s holds is no URL", sink->url_env.len ? "$" : "",
                     AS_STR_ARG(where(sink)));
    if (!rc && secret) hide_path(parts.path);
    if (!rc && !secret) rc = as_url_parse(*out, &parts, err);
    if (!rc && sink->kind == AS_ALERT_ALERTMANAGER &&
        as_str_find(*out, AS_STR("/api/v2/alerts"), 0) == SIZE_MAX)
        *out = as_url_join(arena, *out, AS_STR("api/v2/alerts"));
    return rc;
}

static as_http_header auth_header(as_arena *arena, const as_alert_sink *sink, as_str key) {
    as_str rest = sink->auth, word = as_str_cut(&rest, ':');
    as_http_header header = {.name = AS_STR("Authorization"), .secret = true};
    if (as_str_is(word, "header")) {
        header.name = rest;
        header.value = key;
    } else if (as_str_is(word, "basic")) {
        as_str coded = as_secret_base64(arena, key);
        as_secret_hide(coded);
        header.value = as_strf(arena, "Basic %.*s", AS_STR_ARG(coded));
    } else {
        header.value = as_strf(arena, "Bearer %.*s", AS_STR_ARG(key));
    }
    return header;
}

static bool names_type(const as_alert_sink *sink) {
    for (size_t i = 0; i < sink->pair_count; i++) {
        as_str name = sink->pairs[i].name;
        if (name.len == 12 && strncasecmp(name.ptr, "content-type", 12) == 0) return true;
    }
    return false;
}

as_rc as_alert_post_request(as_arena *arena, const as_alert_post *post, as_http_request *out,
                            as_err *err) {
    const as_alert_sink *sink = &post->sink;
    as_str url, key = {0}, body = post->body;
    as_rc rc = find_url(arena, sink, &url, err);
    if (!rc) rc = as_secret_load(arena, sink->key_env, sink->key_file, &key, err);
    if (!rc && sink->key_env.len && !key.ptr)
        rc = as_fail(err, AS_INVALID, "$%.*s is not set", AS_STR_ARG(sink->key_env));
    if (rc) return rc;
    as_http_header *headers = AS_NEW_ARRAY(arena, as_http_header, sink->pair_count + 4);
    size_t count = 0;
    if (!names_type(sink))
        headers[count++] =
            (as_http_header){AS_STR("Content-Type"), AS_STR("application/json"), false};
    for (size_t i = 0; i < sink->pair_count && i < HEADERS_MAX; i++)
        headers[count++] = (as_http_header){sink->pairs[i].name, sink->pairs[i].value, false};
    if (sink->kind == AS_ALERT_WEBHOOK) // the same alert may come twice: this tells
        headers[count++] =
            (as_http_header){AS_STR("Idempotency-Key"),
                             as_sha256_of(arena, as_strf(arena, "%.*s %.*s", AS_STR_ARG(post->key),
                                                         AS_STR_ARG(post->body))),
                             false};
    if (sink->kind == AS_ALERT_PAGERDUTY) {
        as_buf quoted = {0};
        as_json_write_str(&quoted, key);
        body = as_strf(arena, "{\"routing_key\":%s,%.*s", quoted.ptr,
                       AS_STR_ARG(as_str_sub(body, 1, body.len)));
        as_buf_free(&quoted);
    } else if (key.ptr) {
        headers[count++] = auth_header(arena, sink, key);
    }
    *out = (as_http_request){
        .method = AS_STR("POST"),
        .url = url,
        .headers = headers,
        .header_count = count,
        .body = body,
        .limits = {.connect_ms = CONNECT_MS,
                   .total_ms = sink->timeout_s * 1000,
                   .body_max = ANSWER_MAX},
    };
    return AS_OK;
}
