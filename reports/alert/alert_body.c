// SPDX-License-Identifier: Apache-2.0
// Bodies: Alertmanager API v2, PagerDuty Events API v2, Slack's incoming webhooks, templates.
#include "harness/base/clock.h"
#include "harness/base/jinja.h"
#include "reports/alert/alert_text.h"
#include "reports/alert/alert_wire.h"
#include "reports/content.h"

enum {
    PAGERDUTY_SUMMARY_MAX = 1024, // characters
    SLACK_HEADER_MAX = 150,
    SLACK_TEXT_MAX = 3000,
    FALLBACK_MAX = 3000,
};

static void member(as_json_out *o, const char *key, as_str value) {
    as_jo_key(o, key);
    as_jo_str(o, value);
}

// Content as a member: clean and clipped, left out when there is nothing.
static void content(as_json_out *o, const char *key, as_str value) {
    if (!value.len) return;
    as_buf clean = {0};
    as_content_plain(&clean, value, AS_CLIP_LINE);
    member(o, key, as_buf_view(&clean));
    as_buf_free(&clean);
}

static void when(as_json_out *o, const char *key, int64_t wall_ms) {
    char text[25];
    as_clock_rfc3339(wall_ms, text);
    member(o, key, (as_str){text, 24});
}

// At most `most` characters; says so by an ellipsis.
static as_str clipped(as_arena *arena, as_str text, size_t most) {
    as_str whole = as_content_clip(text, most);
    if (whole.len == text.len) return text;
    return as_strf(arena, "%.*s\xe2\x80\xa6", AS_STR_ARG(as_content_clip(text, most - 1)));
}

static as_str trimmed(as_str text) {
    while (text.len && text.ptr[text.len - 1] == '\n') text.len--;
    return text;
}

// ---- Alertmanager ----

// Receivers behind Alertmanager put annotations where '<' begins a mention, a link or an element:
// what reads the same stands there instead, but for comparisons.
static as_str without_angles(as_arena *arena, as_str text) {
    as_buf buf = {0};
    for (size_t i = 0; i < text.len; i++) {
        char next = i + 1 < text.len ? text.ptr[i + 1] : ' ';
        if (text.ptr[i] == '<' && next != '=' && next != ' ')
            as_buf_text(&buf, "\xe2\x80\xb9");
        else
            as_buf_char(&buf, text.ptr[i]);
    }
    as_str out = as_str_copy(arena, as_buf_view(&buf));
    as_buf_free(&buf);
    return out;
}

// Labels are the identity: nothing in them changes while the alert fires.
static void put_labels(as_json_out *o, const as_alert_sink *sink, const as_alert *alert) {
    as_jo_key(o, "labels");
    as_jo_open(o, '{');
    member(o, "alertname", alert->test ? AS_STR("AssayTest") : AS_STR("AssayGateFailed"));
    content(o, "suite", alert->run->suite);
    content(o, "metric", alert->metric);
    content(o, "slice", alert->slice);
    content(o, "branch", alert->branch);
    content(o, "target", alert->target);
    member(o, "severity", alert->severity);
    for (size_t i = 0; i < sink->pair_count; i++) {
        as_jo_keys(o, sink->pairs[i].name);
        as_jo_str(o, sink->pairs[i].value);
    }
    as_jo_close(o, '}');
}

static void alertmanager(as_arena *arena, const as_alert_sink *sink, const as_alert *alert,
                         const as_alert_text *text, as_buf *out) {
    as_json_out o = {.buf = out};
    int64_t hold_ms =
        alert->test ? AS_ALERT_TEST_MINUTES * 60000LL : AS_ALERT_HOLD_DAYS * 24 * 3600000LL;
    int64_t end_ms = alert->resolved ? alert->now_ms : alert->now_ms + hold_ms;
    // Alertmanager refuses an end that is before the start, and takes an end that is not after it
    // for none.
    int64_t start_ms = alert->since_ms < end_ms ? alert->since_ms : end_ms - 1;
    as_jo_open(&o, '[');
    as_jo_open(&o, '{');
    put_labels(&o, sink, alert);
    as_jo_key(&o, "annotations");
    as_jo_open(&o, '{');
    member(&o, "summary", without_angles(arena, text->title));
    member(&o, "description",
           without_angles(arena, trimmed(as_strf(arena, "%.*s%.*s", AS_STR_ARG(text->facts),
                                                 AS_STR_ARG(text->cases)))));
    content(&o, "run", alert->run->run);
    content(&o, "commit", alert->run->git_commit);
    content(&o, "since_commit", alert->since_commit);
    content(&o, "last_good_commit", alert->good_commit);
    as_jo_close(&o, '}');
    when(&o, "startsAt", start_ms);
    when(&o, "endsAt", end_ms);
    if (text->link.len) member(&o, "generatorURL", text->link);
    as_jo_close(&o, '}');
    as_jo_close(&o, ']');
}

// ---- PagerDuty ----

static void pagerduty(as_arena *arena, const as_alert_sink *sink, const as_alert *alert,
                      const as_alert_text *text, as_buf *out) {
    (void)sink;
    as_json_out o = {.buf = out};
    as_jo_open(&o, '{');
    member(&o, "event_action", alert->resolved ? AS_STR("resolve") : AS_STR("trigger"));
    member(&o, "dedup_key", alert->key);
    member(&o, "client", AS_STR("assay"));
    as_jo_key(&o, "payload");
    as_jo_open(&o, '{');
    member(&o, "summary", clipped(arena, text->title, PAGERDUTY_SUMMARY_MAX));
    member(&o, "source", AS_STR("assay"));
    member(&o, "severity", alert->severity);
    when(&o, "timestamp", alert->now_ms);
    content(&o, "component", alert->run->suite);
    content(&o, "group", alert->branch);
    member(&o, "class", text->metric);
    as_jo_key(&o, "custom_details");
    as_jo_open(&o, '{');
    member(&o, "facts", trimmed(text->facts));
    if (text->cases.len) member(&o, "cases", trimmed(text->cases));
    content(&o, "run", alert->run->run);
    content(&o, "commit", alert->run->git_commit);
    content(&o, "since_commit", alert->since_commit);
    content(&o, "last_good_commit", alert->good_commit);
    as_jo_close(&o, '}');
    as_jo_close(&o, '}');
    if (text->link.len) {
        as_jo_key(&o, "links");
        as_jo_open(&o, '[');
        as_jo_open(&o, '{');
        member(&o, "href", text->link);
        member(&o, "text", AS_STR("report"));
        as_jo_close(&o, '}');
        as_jo_close(&o, ']');
    }
    as_jo_close(&o, '}');
}

// ---- Slack ----

// In text that Slack formats, these three begin a mention, a link or an entity; in a link a bar
// begins its name.
static as_str for_slack(as_arena *arena, as_str text, bool link) {
    as_buf buf = {0};
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '&')
            as_buf_text(&buf, "&amp;");
        else if (text.ptr[i] == '<')
            as_buf_text(&buf, "&lt;");
        else if (text.ptr[i] == '>')
            as_buf_text(&buf, "&gt;");
        else if (link && text.ptr[i] == '|')
            as_buf_text(&buf, "%7C");
        else
            as_buf_char(&buf, text.ptr[i]);
    as_str out = as_str_copy(arena, as_buf_view(&buf));
    as_buf_free(&buf);
    return out;
}

// plain_text: no mentions, no formatting, no links, no ":emoji:".
static void slack_block(as_json_out *o, const char *type, as_str text) {
    as_jo_open(o, '{');
    member(o, "type", as_str_of(type));
    as_jo_key(o, "text");
    as_jo_open(o, '{');
    member(o, "type", AS_STR("plain_text"));
    member(o, "text", text);
    as_jo_key(o, "emoji");
    as_jo_bool(o, false);
    as_jo_close(o, '}');
    as_jo_close(o, '}');
}

static void slack(as_arena *arena, const as_alert_sink *sink, const as_alert *alert,
                  const as_alert_text *text, as_buf *out) {
    (void)sink;
    as_json_out o = {.buf = out};
    const char *mark = alert->resolved ? "\xe2\x9c\x85 " : "\xe2\x9d\x8c ";
    as_str title = as_strf(arena, "%s%.*s", mark, AS_STR_ARG(text->title));
    as_jo_open(&o, '{');
    member(&o, "text", clipped(arena, for_slack(arena, title, false), FALLBACK_MAX));
    as_jo_key(&o, "mrkdwn");
    as_jo_bool(&o, false);
    as_jo_key(&o, "unfurl_links");
    as_jo_bool(&o, false);
    as_jo_key(&o, "unfurl_media");
    as_jo_bool(&o, false);
    as_jo_key(&o, "blocks");
    as_jo_open(&o, '[');
    slack_block(&o, "header", clipped(arena, title, SLACK_HEADER_MAX));
    slack_block(&o, "section", clipped(arena, trimmed(text->facts), SLACK_TEXT_MAX));
    if (text->cases.len)
        slack_block(&o, "section", clipped(arena, trimmed(text->cases), SLACK_TEXT_MAX));
    if (text->link.len) {
        as_jo_open(&o, '{');
        member(&o, "type", AS_STR("section"));
        as_jo_key(&o, "text");
        as_jo_open(&o, '{');
        member(&o, "type", AS_STR("mrkdwn"));
        member(&o, "text",
               as_strf(arena, "<%.*s|report>", AS_STR_ARG(for_slack(arena, text->link, true))));
        as_jo_close(&o, '}');
        as_jo_close(&o, '}');
    }
    as_jo_close(&o, ']');
    as_jo_close(&o, '}');
}

// ---- templates ----

static as_json *clean(as_arena *arena, as_str value) {
    as_buf buf = {0};
    as_content_plain(&buf, value, AS_CLIP_TEXT);
    as_json *out = as_json_new_str(arena, as_str_copy(arena, as_buf_view(&buf)));
    as_buf_free(&buf);
    return out;
}

static as_json *instant(as_arena *arena, int64_t wall_ms) {
    char text[25];
    as_clock_rfc3339(wall_ms, text);
    return as_json_new_str(arena, as_str_copy(arena, (as_str){text, 24}));
}

static as_json *pair_of(as_arena *arena, as_str run, as_str commit) {
    as_json *out = as_json_new(arena, AS_JSON_OBJECT);
    as_json_set(arena, out, "run", clean(arena, run));
    as_json_set(arena, out, "commit", clean(arena, commit));
    return out;
}

static as_json *number(as_arena *arena, double value) { // undefined is null
    return value - value == 0 ? as_json_new_f64(arena, value) : as_json_new(arena, AS_JSON_NULL);
}

static as_json *check_variables(as_arena *arena, const as_check *check) {
    as_json *one = as_json_new(arena, AS_JSON_OBJECT), *ci = as_json_new(arena, AS_JSON_ARRAY);
    as_json_set(arena, one, "gate", clean(arena, check->gate));
    as_json_set(arena, one, "value", number(arena, check->value));
    as_json_set(arena, one, "baseline", number(arena, check->baseline));
    as_json_set(arena, one, "delta", number(arena, check->delta));
    as_json_append(ci, number(arena, check->ci.lo));
    as_json_append(ci, number(arena, check->ci.hi));
    as_json_set(arena, one, "ci", ci);
    as_json_set(arena, one, "p", number(arena, check->p));
    as_json_set(arena, one, "broke", as_json_new_f64(arena, (double)check->broke));
    as_json_set(arena, one, "fixed", as_json_new_f64(arena, (double)check->fixed));
    return one;
}

static as_json *case_variables(as_arena *arena, const as_alert_case *case_) {
    as_json *one = as_json_new(arena, AS_JSON_OBJECT);
    as_json_set(arena, one, "id", clean(arena, case_->id));
    as_json_set(arena, one, "input", clean(arena, case_->input));
    as_json_set(arena, one, "expected", clean(arena, case_->expected));
    as_json_set(arena, one, "before", clean(arena, case_->before));
    as_json_set(arena, one, "after", clean(arena, case_->after));
    return one;
}

const as_json *as_alert_variables(as_arena *arena, const as_alert *alert) {
    as_alert_text text = as_alert_text_of(arena, alert);
    as_json *v = as_json_new(arena, AS_JSON_OBJECT), *checks = as_json_new(arena, AS_JSON_ARRAY);
    as_json *cases = as_json_new(arena, AS_JSON_ARRAY);
    as_json *since = pair_of(arena, alert->since_run, alert->since_commit);
    for (size_t i = 0; i < alert->check_count; i++)
        as_json_append(checks, check_variables(arena, &alert->checks[i]));
    for (size_t i = 0; i < alert->case_count; i++)
        as_json_append(cases, case_variables(arena, &alert->cases[i]));
    as_json_set(arena, since, "at", instant(arena, alert->since_ms));
    as_json_set(arena, v, "action",
                as_json_new_str(arena, alert->resolved ? AS_STR("resolve") : AS_STR("trigger")));
    as_json_set(arena, v, "key", as_json_new_str(arena, alert->key));
    as_json_set(arena, v, "test", as_json_new_bool(arena, alert->test));
    as_json_set(arena, v, "title", as_json_new_str(arena, text.title));
    as_json_set(arena, v, "text",
                as_json_new_str(arena, trimmed(as_strf(arena, "%.*s%.*s", AS_STR_ARG(text.facts),
                                                       AS_STR_ARG(text.cases)))));
    as_json_set(arena, v, "severity", as_json_new_str(arena, alert->severity));
    as_json_set(arena, v, "suite", clean(arena, alert->run->suite));
    as_json_set(arena, v, "branch", clean(arena, alert->branch));
    as_json_set(arena, v, "target", clean(arena, alert->run->target_uri));
    as_json_set(arena, v, "model", clean(arena, alert->run->model_name));
    as_json_set(arena, v, "metric", clean(arena, alert->metric));
    as_json_set(arena, v, "slice", clean(arena, alert->slice));
    as_json_set(arena, v, "run", clean(arena, alert->run->run));
    as_json_set(arena, v, "commit", clean(arena, alert->run->git_commit));
    as_json_set(arena, v, "since", since);
    as_json_set(arena, v, "last_good", pair_of(arena, alert->good_run, alert->good_commit));
    as_json_set(arena, v, "checks", checks);
    as_json_set(arena, v, "cases", cases);
    as_json_set(arena, v, "link", as_json_new_str(arena, text.link));
    as_json_set(arena, v, "at", instant(arena, alert->now_ms));
    return v;
}

bool as_alert_sends_json(const as_alert_sink *sink) {
    for (size_t i = 0; i < sink->pair_count && sink->kind == AS_ALERT_WEBHOOK; i++) {
        as_str name = sink->pairs[i].name;
        static const char lower[] = "content-type";
        bool same = name.len == sizeof lower - 1;
        for (size_t c = 0; same && c < name.len; c++) same = (name.ptr[c] | 0x20) == lower[c];
        if (same) return as_str_find(sink->pairs[i].value, AS_STR("json"), 0) != SIZE_MAX;
    }
    return true;
}

static as_rc webhook(as_arena *arena, const as_alert_sink *sink, const as_alert *alert, as_buf *out,
                     as_err *err) {
    const as_json *variables = as_alert_variables(arena, alert), *unused;
    if (!sink->body.len) {
        as_json_write(out, variables);
        return AS_OK;
    }
    const as_jinja *template_;
    as_rc rc = as_jinja_parse(arena, sink->body, &template_, err);
    if (!rc) rc = as_jinja_render(template_, arena, variables, out, err);
    if (!rc && as_alert_sends_json(sink)) {
        rc = as_json_parse(arena, as_buf_view(out), &unused, err);
        if (rc)
            as_err_prefix(err, "it makes no JSON (write {{ title | tojson }} without quotes, or "
                               "say another content-type in headers)");
    }
    if (rc) as_err_prefix(err, "alert.to.body");
    return rc;
}

as_rc as_alert_body(as_arena *arena, const as_alert_sink *sink, const as_alert *alert, as_buf *out,
                    as_err *err) {
    static void (*const write[])(as_arena *, const as_alert_sink *, const as_alert *,
                                 const as_alert_text *, as_buf *) = {
        [AS_ALERT_ALERTMANAGER] = alertmanager,
        [AS_ALERT_PAGERDUTY] = pagerduty,
        [AS_ALERT_SLACK] = slack,
    };
    if (sink->kind == AS_ALERT_WEBHOOK) return webhook(arena, sink, alert, out, err);
    as_alert_text text = as_alert_text_of(arena, alert);
    write[sink->kind](arena, sink, alert, &text, out);
    return AS_OK;
}
