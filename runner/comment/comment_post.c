// SPDX-License-Identifier: Apache-2.0
#include "runner/comment/comment_post.h"

#include <stdlib.h>

#include "harness/base/file.h"
#include "harness/base/log.h"
#include "harness/net/call.h"
#include "harness/net/secret.h"
#include "harness/net/url.h"
#include "reports/ci/comment.h"

enum {
    PAGES_MAX = 100,
    OURS_MAX = 32,
    EVENT_MAX = 32 << 20,
    ANSWER_MAX = 32 << 20,
    CONNECT_MS = 10000,
    TOTAL_MS = 30000,
    BUDGET_MS = 60000,
};

typedef struct talk {
    as_arena *arena;
    as_http *http;
    as_comment_place place;
    as_http_header headers[4];
    size_t header_count;
    const as_json *self; // NULL: the token does not say
    const as_json *ours[OURS_MAX];
    size_t ours_count;
} talk;

static as_str env(const char *name) {
    return as_str_of(getenv(name));
}

// ---- what the build server says ----

static as_rc github(talk *t, as_err *err) {
    const as_json *event = NULL;
    as_str path = env("GITHUB_EVENT_PATH"), text, api = env("GITHUB_API_URL");
    if (path.len) { // without it the ref tells
        as_err unused = {0};
        if (as_file_read(t->arena, path.ptr, EVENT_MAX, &text, &unused) ||
            as_json_parse(t->arena, text, &event, &unused))
            event = NULL;
    }
    as_str number = as_comment_pull(event, env("GITHUB_REF"));
    if (!api.len) api = AS_STR("https://api.github.com");
    return as_comment_github(t->arena, api, env("GITHUB_REPOSITORY"), number, &t->place, err);
}

static as_rc gitlab(talk *t, as_err *err) {
    as_str api = env("CI_API_V4_URL");
    if (!api.len) api = AS_STR("https://gitlab.com/api/v4");
    return as_comment_gitlab(t->arena, api, env("CI_PROJECT_ID"), env("CI_MERGE_REQUEST_IID"),
                             &t->place, err);
}

static as_rc add_token(talk *t, bool is_github, as_err *err) {
    as_str token;
    as_url api;
    const char *name = is_github ? "GITHUB_TOKEN" : "GITLAB_TOKEN";
    as_rc rc = as_secret_load(t->arena, as_str_of(name), AS_STR(""), &token, err);
    if (!rc && !token.ptr)
        rc = as_fail(err, AS_INVALID, "$%s is not set: it is what may write comments%s", name,
                     is_github ? "" : " (a job's own token may not)");
    if (!rc) rc = as_url_parse(t->place.new_url, &api, err);
    if (!rc && !api.tls && !as_url_is_loopback(&api))
        rc = as_fail(err, AS_INVALID, "the token goes over https only, not to '%.*s'",
                     AS_STR_ARG(t->place.new_url));
    if (rc) return rc;
    t->headers[t->header_count++] =
        is_github ? (as_http_header){AS_STR("Authorization"),
                                     as_strf(t->arena, "Bearer %.*s", AS_STR_ARG(token)), true}
                  : (as_http_header){AS_STR("PRIVATE-TOKEN"), token, true};
    t->headers[t->header_count++] =
        (as_http_header){AS_STR("Content-Type"), AS_STR("application/json"), false};
    t->headers[t->header_count++] = (as_http_header){AS_STR("User-Agent"), AS_STR("assay"), false};
    if (is_github)
        t->headers[t->header_count++] =
            (as_http_header){AS_STR("Accept"), AS_STR("application/vnd.github+json"), false};
    return AS_OK;
}

// ---- one request ----

// *answer is NULL where the service says `tolerated`, or nothing.
static as_rc ask(talk *t, const char *method, as_str url, as_str body, int tolerated,
                 const as_json **answer, as_err *err) {
    as_http_request request = {
        .method = as_str_of(method),
        .url = url,
        .headers = t->headers,
        .header_count = t->header_count,
        .body = body,
        .limits = {.connect_ms = CONNECT_MS, .total_ms = TOTAL_MS, .body_max = ANSWER_MAX},
    };
    as_call_policy policy = {.attempts = 4,
                             .backoff_ms = 500,
                             .budget_ms = BUDGET_MS,
                             .once = as_str_is(request.method, "POST")};
    as_call_result result = as_call(t->http, &request, &policy);
    as_rc rc = AS_OK;
    *answer = NULL;
    if (as_call_succeeded(result.reply)) {
        as_str text = as_str_copy(t->arena, as_buf_view(&result.reply->body));
        if (text.len) rc = as_json_parse(t->arena, text, answer, err);
        if (rc) as_err_prefix(err, "%s: %s %.*s", t->place.name, method, AS_STR_ARG(url));
    } else if (!tolerated || result.reply->end != AS_HTTP_DONE ||
               (result.reply->status != tolerated && result.reply->status != 404)) {
        as_str why = as_call_reason(t->arena, result.reply);
        bool reads = result.reply->end == AS_HTTP_DONE && result.reply->status == 403;
        rc = as_fail(err, AS_UNMEASURED, "%s: %s %.*s: %.*s%s", t->place.name, method,
                     AS_STR_ARG(url), AS_STR_ARG(why),
                     reads ? " (the token of a fork's pull request may only read)" : "");
    }
    if (rc) err->rc = rc = AS_UNMEASURED;
    as_http_release(t->http, result.reply);
    return rc;
}

// ---- the comment ----

// An installation's token (GitHub Actions) has no user: 403.
static as_rc find_self(talk *t, as_err *err) {
    const as_json *user;
    as_rc rc = ask(t, "GET", t->place.user_url, (as_str){0}, 403, &user, err);
    if (!rc && user && as_json_get(user, t->place.login)) t->self = user;
    return rc;
}

static as_rc find_ours(talk *t, as_str marker, as_err *err) {
    as_rc rc = AS_OK;
    bool more = true;
    for (int page = 1; !rc && more && page <= PAGES_MAX; page++) {
        const as_json *list;
        as_str url = as_strf(t->arena, "%.*s%d", AS_STR_ARG(t->place.list_url), page);
        rc = ask(t, "GET", url, (as_str){0}, 0, &list, err);
        if (rc) return rc;
        if (!list || list->kind != AS_JSON_ARRAY)
            return as_fail(err, AS_UNMEASURED, "%s: %.*s gave no list", t->place.name,
                           AS_STR_ARG(url));
        more = list->count >= AS_COMMENT_PAGE;
        t->ours_count += as_comment_ours(list, &t->place, t->self, marker, t->ours + t->ours_count,
                                         OURS_MAX - t->ours_count);
    }
    return rc;
}

static as_str one_url(const talk *t, const as_json *comment) {
    return as_strf(t->arena, "%.*s%.*s", AS_STR_ARG(t->place.one_url),
                   AS_STR_ARG(as_json_get(comment, "id")->text));
}

// Jobs that began at once may each have made one: the oldest stays, the others would grow stale.
static as_rc drop_others(talk *t, as_err *err) {
    as_rc rc = AS_OK;
    const as_json *unused;
    for (size_t i = 1; !rc && i < t->ours_count; i++)
        rc = ask(t, "DELETE", one_url(t, t->ours[i]), (as_str){0}, 404, &unused, err);
    return rc;
}

static as_rc put(talk *t, as_str text, as_str *url, as_err *err) {
    as_buf body = {0};
    as_json_out o = {.buf = &body};
    const as_json *made = t->ours_count ? t->ours[0] : NULL;
    as_rc rc = AS_OK;
    as_jo_open(&o, '{');
    as_jo_key(&o, "body");
    as_jo_str(&o, text);
    as_jo_close(&o, '}');
    if (!made)
        rc = ask(t, "POST", t->place.new_url, as_buf_view(&body), 0, &made, err);
    else if (!as_str_eq(as_str_trim(as_json_str(made, "body", AS_STR(""))), as_str_trim(text)))
        rc = ask(t, t->place.update, one_url(t, made), as_buf_view(&body), 0, &made, err);
    as_buf_free(&body);
    *url = as_json_str(made, "html_url", AS_STR(""));
    return rc ? rc : drop_others(t, err);
}

as_rc as_comment_post(as_arena *arena, as_str service, as_str suite, as_str text, as_str *url,
                      as_err *err) {
    talk t = {.arena = arena};
    bool is_github = as_str_is(service, "github");
    if (!is_github && !as_str_is(service, "gitlab"))
        return as_fail(err, AS_INVALID, "--comment wants github or gitlab, not '%.*s'",
                       AS_STR_ARG(service));
    as_rc rc = is_github ? github(&t, err) : gitlab(&t, err);
    if (!rc) rc = add_token(&t, is_github, err);
    if (!rc) rc = as_http_new(&(as_http_options){.connections_max = 1}, &t.http, err);
    if (!rc) rc = find_self(&t, err);
    if (!rc) rc = find_ours(&t, as_comment_marker(arena, suite), err);
    if (!rc) rc = put(&t, text, url, err);
    as_http_free(t.http);
    return rc;
}
