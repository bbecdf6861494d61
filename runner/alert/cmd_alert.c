// SPDX-License-Identifier: Apache-2.0
// assay alert test|flush|list - sees that alerts arrive, sends those that wait, says what fires.
#include "harness/base/clock.h"
#include "harness/base/file.h"
#include "harness/base/log.h"
#include "harness/net/call.h"
#include "reports/alert/alert_text.h"
#include "reports/content.h"
#include "runner/alert/alerts.h"
#include "runner/commands.h"
#include "runner/outputs.h"

enum { CALL_BUDGET_MS = 15000 };

typedef struct verb_call {
    const as_args *args;
    as_arena *arena;
    const char *dir;
    as_buf out;
    as_json_out json;
} verb_call;

// ---- test ----

static as_rc load_suite(verb_call *c, as_suite *suite, as_err *err) {
    as_buf problems = {0};
    const char *path = as_str_copy(c->arena, c->args->operands.items[1]).ptr;
    as_rc rc = as_suite_load(c->arena, path, suite, &problems);
    if (!rc) as_alerts_check(c->arena, suite, &problems);
    as_str text = as_buf_view(&problems);
    bool wrong = text.len > 0;
    as_str last = AS_STR("");
    while (text.len) {
        if (last.len) as_log_error("%.*s", AS_STR_ARG(last));
        last = as_str_cut(&text, '\n');
    }
    if (rc || wrong)
        rc = as_fail(err, AS_INVALID, "%.*s", AS_STR_ARG(last));
    else if (!suite->alert)
        rc = as_fail(err, AS_INVALID, "'%s' has no 'alert:' (see: assay help alerts)", path);
    as_buf_free(&problems);
    return rc;
}

// One line, or one object, a sink. True: it has it.
static bool test_sink(verb_call *c, const as_alert_sink *sink, const as_alert *alert, as_err *err) {
    as_buf body = {0};
    as_http_request request;
    as_http *http = NULL;
    as_alert_post post = {.sink = *sink,
                          .key = alert->key,
                          .action = alert->resolved ? AS_STR("resolve") : AS_STR("trigger")};
    as_str name = as_alert_sink_name(c->arena, sink), why = AS_STR("");
    int status = 0;
    bool sent = false;
    as_http_options options = {
        .connections_max = 1,
        .ca_file = sink->ca_file.len ? as_str_copy(c->arena, sink->ca_file).ptr : NULL};
    as_err trouble = {0};
    as_rc rc = as_alert_body(c->arena, sink, alert, &body, &trouble);
    post.body = as_buf_view(&body);
    if (!rc) rc = as_alert_post_request(c->arena, &post, &request, &trouble);
    if (!rc) rc = as_http_new(&options, &http, &trouble);
    if (!rc) {
        as_call_policy policy = {.attempts = 2, .backoff_ms = 250, .budget_ms = CALL_BUDGET_MS};
        as_call_result result = as_call(http, &request, &policy);
        status = result.reply->status;
        sent = as_call_succeeded(result.reply);
        if (!sent) why = as_call_reason(c->arena, result.reply);
        as_http_release(http, result.reply);
        as_http_free(http);
    } else {
        why = as_str_of(as_str_copy(c->arena, as_str_of(trouble.text)).ptr);
    }
    as_buf_free(&body);
    if (c->args->json) {
        as_jo_open(&c->json, '{');
        as_jo_key(&c->json, "sink");
        as_jo_str(&c->json, name);
        as_jo_key(&c->json, "sent");
        as_jo_bool(&c->json, sent);
        as_jo_key(&c->json, "status");
        as_jo_i64(&c->json, status);
        as_jo_key(&c->json, "error");
        as_jo_str(&c->json, why);
        as_jo_close(&c->json, '}');
    } else if (sent) {
        as_buff(&c->out, "%.*s: sent (HTTP %d)\n", AS_STR_ARG(name), status);
    } else {
        as_buff(&c->out, "%.*s: not sent: ", AS_STR_ARG(name));
        as_content_plain(&c->out, why, AS_CLIP_LINE);
        as_buf_char(&c->out, '\n');
    }
    if (!sent && !err->rc)
        as_fail(err, AS_UNMEASURED, "alert: %.*s did not take the test", AS_STR_ARG(name));
    return sent;
}

static as_rc run_test(verb_call *c, as_err *err) {
    as_suite suite;
    as_rc rc = load_suite(c, &suite, err);
    if (rc) return rc;
    as_alert alert = as_alerts_sample(c->arena, &suite, c->args->resolve);
    bool all = true;
    as_err first = {0};
    if (c->args->json) as_jo_open(&c->json, '[');
    for (size_t i = 0; i < suite.alert->sink_count; i++)
        all = test_sink(c, &suite.alert->sinks[i], &alert, &first) && all;
    if (c->args->json) as_jo_close(&c->json, ']');
    if (c->args->json) as_buf_char(&c->out, '\n');
    rc = as_outputs_print(as_buf_view(&c->out), err);
    if (!rc && !all) {
        *err = first;
        rc = first.rc;
    }
    return rc;
}

// ---- flush ----

static as_rc run_flush(verb_call *c, as_err *err) {
    as_spool_tally tally;
    as_rc rc = as_spool_flush(c->dir, true, &tally, err);
    if (rc) return rc;
    if (c->args->json)
        as_buff(&c->out, "{\"sent\": %zu, \"waiting\": %zu, \"rejected\": %zu}\n", tally.sent,
                tally.waiting, tally.rejected);
    else
        as_buff(&c->out, "%zu sent, %zu waiting, %zu rejected\n", tally.sent, tally.waiting,
                tally.rejected);
    rc = as_outputs_print(as_buf_view(&c->out), err);
    if (!rc && tally.waiting + tally.rejected)
        rc = as_fail(err, AS_UNMEASURED, "alert: %zu could not be sent",
                     tally.waiting + tally.rejected);
    return rc;
}

// ---- list ----

static as_str instant(verb_call *c, int64_t wall_ms) {
    char text[25];
    as_clock_rfc3339(wall_ms, text);
    return as_str_copy(c->arena, (as_str){text, 24});
}

static void member(as_json_out *o, const char *key, as_str value) {
    as_jo_key(o, key);
    as_jo_str(o, value);
}

static void list_firing(verb_call *c, const as_spool_state *state) {
    if (c->args->json) {
        as_jo_key(&c->json, "firing");
        as_jo_open(&c->json, '[');
    }
    for (size_t i = 0; i < state->firing_count; i++) {
        const as_firing *f = &state->firing[i];
        as_str since = instant(c, f->since_ms);
        if (c->args->json) {
            as_jo_open(&c->json, '{');
            member(&c->json, "of", f->scope);
            member(&c->json, "metric", f->metric);
            member(&c->json, "slice", f->slice);
            member(&c->json, "since", since);
            member(&c->json, "since_commit", f->since_commit);
            member(&c->json, "sink", f->sink_name);
            member(&c->json, "key", f->key);
            as_jo_close(&c->json, '}');
            continue;
        }
        as_buf_text(&c->out, "fires    ");
        as_content_plain(&c->out, f->scope, AS_CLIP_NAME);
        as_buf_text(&c->out, ": ");
        as_content_plain(&c->out, f->metric, AS_CLIP_NAME);
        as_buf_char(&c->out, f->slice.len ? '[' : ' ');
        as_content_plain(&c->out, f->slice, AS_CLIP_NAME);
        as_buff(&c->out, "%ssince %.*s, told ", f->slice.len ? "] " : "", AS_STR_ARG(since));
        as_content_plain(&c->out, f->sink_name, AS_CLIP_LINE);
        as_buf_char(&c->out, '\n');
    }
    if (c->args->json) as_jo_close(&c->json, ']');
}

static as_rc list_waiting(verb_call *c, as_err *err) {
    const as_str *names = NULL;
    size_t count = 0;
    as_rc rc = as_spool_list(c->arena, c->dir, true, &names, &count, err);
    if (c->args->json) {
        as_jo_key(&c->json, "waiting");
        as_jo_open(&c->json, '[');
    }
    for (size_t i = 0; !rc && i < count; i++) {
        as_alert_post post;
        as_err trouble = {0};
        if (as_spool_load(c->arena, c->dir, names[i], &post, &trouble)) {
            as_log_warning("alert: %s", trouble.text);
            continue;
        }
        bool rejected = as_str_ends(names[i], AS_STR(".rejected"));
        as_str sink = as_alert_sink_name(c->arena, &post.sink);
        if (c->args->json) {
            as_jo_open(&c->json, '{');
            member(&c->json, "file", names[i]);
            member(&c->json, "sink", sink);
            member(&c->json, "action", post.action);
            member(&c->json, "title", post.title);
            as_jo_key(&c->json, "attempts");
            as_jo_i64(&c->json, (int64_t)post.attempts);
            as_jo_key(&c->json, "rejected");
            as_jo_bool(&c->json, rejected);
            member(&c->json, "error", post.error);
            as_jo_close(&c->json, '}');
            continue;
        }
        as_buff(&c->out, "%s %.*s, %llu attempts: ", rejected ? "rejected" : "waits   ",
                AS_STR_ARG(sink), (unsigned long long)post.attempts);
        as_content_plain(&c->out, post.title, AS_CLIP_LINE);
        as_buf_text(&c->out, post.error.len ? "; " : "");
        as_content_plain(&c->out, post.error, AS_CLIP_LINE);
        as_buf_char(&c->out, '\n');
    }
    if (c->args->json) as_jo_close(&c->json, ']');
    return rc;
}

static as_rc run_list(verb_call *c, as_err *err) {
    as_spool_state state = {0};
    as_rc rc = AS_OK;
    if (as_file_exists(c->dir)) {
        as_spool spool;
        rc = as_spool_open(&spool, c->dir, err);
        if (!rc) rc = as_spool_read(&spool, c->arena, &state, err);
        as_spool_close(&spool);
    }
    if (rc) return rc;
    if (c->args->json) as_jo_open(&c->json, '{');
    list_firing(c, &state);
    rc = list_waiting(c, err);
    if (c->args->json) as_jo_close(&c->json, '}');
    if (c->args->json) as_buf_char(&c->out, '\n');
    if (!rc && !c->out.len) as_buf_text(&c->out, "nothing fires and nothing waits\n");
    return rc ? rc : as_outputs_print(as_buf_view(&c->out), err);
}

int as_cmd_alert(const as_args *args) {
    static const struct {
        const char *name;
        size_t operands;
        as_rc (*run)(verb_call *, as_err *);
    } verbs[] = {{"test", 2, run_test}, {"flush", 1, run_flush}, {"list", 1, run_list}};
    static const char *const names[] = {"test", "flush", "list", NULL};
    as_err err = {0};
    as_arena arena = {0};
    verb_call c = {.args = args, .arena = &arena, .dir = as_alerts_dir(&arena, args->spool)};
    c.json = (as_json_out){.buf = &c.out};
    as_str verb = args->operands.count ? args->operands.items[0] : AS_STR("");
    as_rc rc = AS_OK;
    size_t at = 0;
    while (names[at] && !as_str_is(verb, names[at])) at++;
    if (!names[at]) {
        const char *near = as_str_nearest(verb, names);
        rc = as_fail(&err, AS_INVALID,
                     "alert: unknown verb '%.*s'%s%s%s; there are test SUITE, "
                     "flush, list",
                     AS_STR_ARG(verb), near ? "; did you mean '" : "", near ? near : "",
                     near ? "'" : "");
    } else if (args->operands.count != verbs[at].operands) {
        rc = as_fail(&err, AS_INVALID, "alert %s %s", verbs[at].name,
                     at ? "takes no operand" : "takes one suite file");
    } else if (args->resolve && at) {
        rc = as_fail(&err, AS_INVALID, "--resolve belongs to alert test");
    } else {
        rc = verbs[at].run(&c, &err);
    }
    as_buf_free(&c.out);
    as_arena_free(&arena);
    return rc ? as_command_fail(&err) : 0;
}
