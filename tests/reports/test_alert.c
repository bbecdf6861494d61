// SPDX-License-Identifier: Apache-2.0
// Alerts as bytes: what each sink gets is JSON of its shape, whatever a case says; keys are nowhere
// but in the request; the file in the spool gives back what was put in.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "reports/alert/alert_text.h"
#include "reports/alert/alert_wire.h"

#define KEY "e412f785cdbf0713c86f07090fddf4cc18d618c7cb8346fdf732b1bf647722c5"

typedef struct fixture {
    as_arena arena;
    as_summary run;
    as_check check;
    as_alert alert;
} fixture;

static const char nasty_text[] =
    "<!channel> <@U1> <https://evil.test|x> *b* `c` \"q\" \\ \x1b[31m\x07\xe2\x80\xae\n&amp; \xff";
static const as_str nasty = {nasty_text, sizeof nasty_text - 1};

// Keeps the arena.
static void make(fixture *f, as_str content, bool resolved) {
    *f = (fixture){.arena = f->arena,
                   .run = {.suite = AS_STR("support"),
                           .run = AS_STR("20261127T010203Z-abcdef"),
                           .git_commit = AS_STR("0123456789abcdef0123456789abcdef01234567"),
                           .git_branch = AS_STR("main"),
                           .model_name = AS_STR("m"),
                           .target_uri = AS_STR("mock:first")}};
    f->check = (as_check){.gate = AS_STR("accuracy[tag=edge] drop <= 0.01"),
                          .metric = AS_STR("accuracy"),
                          .slice = AS_STR("tag=edge"),
                          .value = 0.75,
                          .baseline = 0.9,
                          .delta = -0.15,
                          .limit = 0.01,
                          .ci = {-0.2, -0.1},
                          .p = 0.0004,
                          .mde = 0.02,
                          .broke = 20,
                          .fixed = 5,
                          .n = 100,
                          .verdict = resolved ? AS_PASS : AS_FAIL,
                          .method = AS_STR("mcnemar mid-p"),
                          .note = AS_STR("")};
    f->alert = (as_alert){.key = AS_STR(KEY),
                          .resolved = resolved,
                          .metric = AS_STR("accuracy"),
                          .slice = AS_STR("tag=edge"),
                          .target = AS_STR(""),
                          .branch = AS_STR("main"),
                          .severity = AS_STR("critical"),
                          .link = AS_STR("https://ci.example.test/1"),
                          .run = &f->run,
                          .checks = &f->check,
                          .check_count = 1,
                          .since_ms = 1795000000000,
                          .now_ms = 1795000060000,
                          .since_run = AS_STR("20261117T000000Z-000001"),
                          .since_commit = AS_STR("feedfacefeedfacefeedfacefeedfacefeedface"),
                          .good_run = AS_STR("20261116T000000Z-000002"),
                          .good_commit = AS_STR("cafebabecafebabecafebabecafebabecafebabe"),
                          .cases = {{AS_STR("c-1"), content, content, content, content},
                                    {content, AS_STR(""), AS_STR("a"), AS_STR(""), AS_STR("b")}},
                          .case_count = 2,
                          .case_total = 20,
                          .broke = true};
}

static const as_json *body_of(fixture *f, const as_alert_sink *sink, as_buf *out) {
    const as_json *body;
    as_err err = {0};
    as_buf_clear(out);
    if (as_alert_body(&f->arena, sink, &f->alert, out, &err)) fail_msg("%s", err.text);
    if (as_json_parse(&f->arena, as_buf_view(out), &body, &err)) fail_msg("%s", err.text);
    return body;
}

static void is_text(const as_json *object, const char *path, const char *expected) {
    const as_json *value = as_json_at(object, as_str_of(path));
    if (!value) fail_msg("no %s", path);
    if (!as_str_is(value->text, expected)) fail_msg("%s is '%.*s'", path, AS_STR_ARG(value->text));
}

static size_t characters(as_str text) {
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) count += (text.ptr[i] & 0xc0) != 0x80;
    return count;
}

static void test_words(void **state) {
    (void)state;
    fixture f = {0};
    make(&f, AS_STR("x"), false);
    as_alert_text text = as_alert_text_of(&f.arena, &f.alert);
    assert_string_equal(text.title.ptr,
                        "support: accuracy[tag=edge] fails on main: 75.0%, down 15.0 points from "
                        "90.0% (p below 0.001); 20 cases broke, 5 fixed");
    assert_string_equal(
        text.facts.ptr,
        "accuracy[tag=edge] drop <= 0.01: 75.0%, down 15.0 points from 90.0% (p below 0.001); 20 "
        "cases "
        "broke, 5 fixed; change \xe2\x88\x92"
        "20.0 to \xe2\x88\x92"
        "10.0 pp (90% interval)\n"
        "Failing since 2026-11-18T11:06Z, run 20261117T000000Z-000001 at commit feedfacefeed; last "
        "held in run 20261116T000000Z-000002 at commit cafebabecafe\n"
        "Now: run 20261127T010203Z-abcdef at commit 0123456789ab, model m\n");
    assert_string_equal(text.cases.ptr, "20 cases broke, among them:\n"
                                        "c-1: expected \"x\", was \"x\", now \"x\", asked \"x\"\n"
                                        "x: expected \"a\", was nothing, now \"b\"\n");
    f.alert.at_least = true;
    assert_true(as_str_starts(as_alert_text_of(&f.arena, &f.alert).cases,
                              AS_STR("At least 20 cases broke, among them:\n")));
    f.alert.at_least = false;
    f.alert.ids_only = true;
    assert_string_equal(as_alert_text_of(&f.arena, &f.alert).cases.ptr,
                        "20 cases broke, among them:\nc-1\nx\n");
    f.alert.link = AS_STR("javascript:alert(1)");
    assert_int_equal(as_alert_text_of(&f.arena, &f.alert).link.len, 0);
    as_arena_free(&f.arena);
}

static void test_alertmanager(void **state) {
    (void)state;
    fixture f = {0};
    as_buf out = {0};
    as_alert_pair labels[] = {{AS_STR("team"), AS_STR("nlp")}};
    as_alert_sink sink = {.kind = AS_ALERT_ALERTMANAGER, .pairs = labels, .pair_count = 1};
    make(&f, nasty, false);
    const as_json *alert = body_of(&f, &sink, &out)->child;
    is_text(alert, "labels.alertname", "AssayGateFailed");
    is_text(alert, "labels.suite", "support");
    is_text(alert, "labels.metric", "accuracy");
    is_text(alert, "labels.slice", "tag=edge");
    is_text(alert, "labels.branch", "main");
    is_text(alert, "labels.severity", "critical");
    is_text(alert, "labels.team", "nlp");
    is_text(alert, "annotations.since_commit", "feedfacefeedfacefeedfacefeedfacefeedface");
    is_text(alert, "annotations.last_good_commit", "cafebabecafebabecafebabecafebabecafebabe");
    is_text(alert, "startsAt", "2026-11-18T11:06:40.000Z");
    is_text(alert, "endsAt", "2026-11-25T11:07:40.000Z");
    is_text(alert, "generatorURL", "https://ci.example.test/1");
    as_str said = as_json_at(alert, AS_STR("annotations.description"))->text;
    assert_int_equal(as_str_find(said, AS_STR("<!"), 0), SIZE_MAX);
    assert_int_equal(as_str_find(said, AS_STR("<@"), 0), SIZE_MAX);
    assert_int_not_equal(as_str_find(said, AS_STR("drop <= 0.01"), 0), SIZE_MAX);
    as_buf labels_then = {0}, labels_now = {0};
    as_json_write(&labels_then, as_json_get(alert, "labels"));
    make(&f, nasty, true); // a later run of another commit: the same identity
    f.run.git_commit = AS_STR("beef");
    f.run.run = AS_STR("20261128T010203Z-abcdef");
    alert = body_of(&f, &sink, &out)->child;
    as_json_write(&labels_now, as_json_get(alert, "labels"));
    assert_string_equal(labels_then.ptr, labels_now.ptr);
    is_text(alert, "startsAt", "2026-11-18T11:06:40.000Z");
    is_text(alert, "endsAt", "2026-11-18T11:07:40.000Z");
    f.alert.since_ms = f.alert.now_ms; // over at once: the end is still after the start
    alert = body_of(&f, &sink, &out)->child;
    is_text(alert, "startsAt", "2026-11-18T11:07:39.999Z");
    as_buf_free(&labels_then);
    as_buf_free(&labels_now);
    as_buf_free(&out);
    as_arena_free(&f.arena);
}

static void test_pagerduty(void **state) {
    (void)state;
    fixture f = {0};
    as_buf out = {0};
    as_alert_sink sink = {.kind = AS_ALERT_PAGERDUTY, .key_env = AS_STR("ASSAY_TEST_KEY")};
    make(&f, AS_STR("x"), true);
    body_of(&f, &sink, &out);
    // Events API v2, byte for byte: https://developer.pagerduty.com, "Send an event to PagerDuty".
    assert_string_equal(
        out.ptr,
        "{\"event_action\":\"resolve\",\"dedup_key\":\"" KEY "\",\"client\":\"assay\",\"payload\":{"
        "\"summary\":\"support: accuracy[tag=edge] holds again on main: 75.0%, down 15.0 points "
        "from 90.0%; 20 cases broke, 5 fixed\",\"source\":\"assay\",\"severity\":\"critical\","
        "\"timestamp\":\"2026-11-18T11:07:40.000Z\",\"component\":\"support\",\"group\":\"main\","
        "\"class\":\"accuracy[tag=edge]\",\"custom_details\":{\"facts\":\"accuracy[tag=edge] drop "
        "<= 0.01: 75.0%, down 15.0 points from 90.0%; 20 cases broke, 5 fixed; change "
        "\xe2\x88\x92"
        "20.0 to \xe2\x88\x92"
        "10.0 pp (90% interval)\\nFailed since "
        "2026-11-18T11:06Z, run 20261117T000000Z-000001 at commit feedfacefeed; last held in run "
        "20261116T000000Z-000002 at commit cafebabecafe\\nNow: run 20261127T010203Z-abcdef at "
        "commit 0123456789ab, model m\",\"cases\":\"20 cases broke, among them:\\nc-1: expected "
        "\\\"x\\\", was \\\"x\\\", now \\\"x\\\", asked \\\"x\\\"\\nx: expected \\\"a\\\", was "
        "nothing, now \\\"b\\\"\",\"run\":\"20261127T010203Z-abcdef\",\"commit\":"
        "\"0123456789abcdef0123456789abcdef01234567\",\"since_commit\":"
        "\"feedfacefeedfacefeedfacefeedfacefeedface\",\"last_good_commit\":"
        "\"cafebabecafebabecafebabecafebabecafebabe\"}},\"links\":[{\"href\":"
        "\"https://ci.example.test/1\",\"text\":\"report\"}]}");
    make(&f, nasty, false);
    char long_name[3000];
    memset(long_name, 'n', sizeof long_name);
    f.run.suite = f.alert.branch = f.alert.slice = (as_str){long_name, sizeof long_name};
    const as_json *event = body_of(&f, &sink, &out);
    is_text(event, "event_action", "trigger");
    as_str summary = as_json_at(event, AS_STR("payload.summary"))->text;
    assert_true(characters(summary) <= 1024);
    assert_true(out.len < 512 * 1024);
    as_buf_free(&out);
    as_arena_free(&f.arena);
}

static void test_slack(void **state) {
    (void)state;
    fixture f = {0};
    as_buf out = {0};
    as_alert_sink sink = {.kind = AS_ALERT_SLACK, .url_env = AS_STR("ASSAY_TEST_URL")};
    make(&f, nasty, false);
    f.run.suite = nasty;
    const as_json *message = body_of(&f, &sink, &out);
    as_str fallback = as_json_str(message, "text", AS_STR(""));
    assert_true(fallback.len > 0 && !memchr(fallback.ptr, '<', fallback.len));
    size_t blocks = 0;
    for (const as_json *b = as_json_get(message, "blocks")->child; b; b = b->next, blocks++) {
        const as_json *text = as_json_get(b, "text");
        as_str said = as_json_str(text, "text", AS_STR("")), type = as_json_str(text, "type", said);
        size_t most = as_str_is(as_json_str(b, "type", said), "header") ? 150 : 3000;
        assert_true(characters(said) >= 1 && characters(said) <= most);
        if (as_str_is(type, "mrkdwn")) // assay's own words alone are formatted
            assert_true(as_str_is(said, "<https://ci.example.test/1|report>"));
        else
            assert_true(as_str_is(type, "plain_text"));
        for (size_t i = 0; i < said.len; i++)
            assert_true((unsigned char)said.ptr[i] >= ' ' || said.ptr[i] == '\n');
        assert_int_equal(as_str_find(said, AS_STR("\xe2\x80\xae"), 0), SIZE_MAX);
    }
    assert_int_equal(blocks, 4);
    as_buf_free(&out);
    as_arena_free(&f.arena);
}

static void test_webhook(void **state) {
    (void)state;
    fixture f = {0};
    as_buf out = {0};
    as_err err = {0};
    make(&f, nasty, false);
    as_alert_sink sink = {.kind = AS_ALERT_WEBHOOK};
    const as_json *all = body_of(&f, &sink, &out);
    is_text(all, "action", "trigger");
    is_text(all, "since.at", "2026-11-18T11:06:40.000Z");
    assert_int_equal(as_json_get(all, "cases")->count, 2);
    const as_json *check = as_json_get(all, "checks")->child;
    assert_true(as_json_f64(check, "delta", 0) == -0.15);
    assert_true(as_json_get(check, "ci")->child->number == -0.2);
    sink.body = AS_STR("{\"text\": {{ title | tojson }}, \"n\": [{% for c in cases %}"
                       "{{ c.before | tojson }}{% if not loop.last %}, {% endif %}{% endfor %}]}");
    const as_json *mine = body_of(&f, &sink, &out);
    assert_int_equal(as_json_get(mine, "n")->count, 2);
    sink.body = AS_STR("{\"text\": \"{{ cases[0].before }}\"}"); // a quote in it ends the string
    as_buf_clear(&out);
    assert_int_equal(as_alert_body(&f.arena, &sink, &f.alert, &out, &err), AS_INVALID);
    assert_non_null(strstr(err.text, "tojson"));
    as_alert_pair plain[] = {{AS_STR("content-TYPE"), AS_STR("text/plain")}};
    sink.pairs = plain;
    sink.pair_count = 1;
    assert_int_equal(as_alert_body(&f.arena, &sink, &f.alert, &out, &err), AS_OK);
    as_buf_free(&out);
    as_arena_free(&f.arena);
}

static void test_keys(void **state) {
    (void)state;
    fixture f = {0};
    as_buf out = {0}, file = {0};
    as_err err = {0};
    as_alert_post back;
    as_http_request request;
    make(&f, nasty, false);
    as_alert_pair headers[] = {{AS_STR("X-A"), AS_STR("b")}};
    as_alert_sink sinks[] = {
        {.kind = AS_ALERT_PAGERDUTY, .key_env = AS_STR("ASSAY_TEST_KEY"), .auth = AS_STR("bearer")},
        {.kind = AS_ALERT_WEBHOOK,
         .url_env = AS_STR("ASSAY_TEST_URL"),
         .key_env = AS_STR("ASSAY_TEST_KEY"),
         .auth = AS_STR("header:X-Key"),
         .pairs = headers,
         .pair_count = 1},
        {.kind = AS_ALERT_ALERTMANAGER,
         .url = AS_STR("http://127.0.0.1:9093/am"),
         .key_env = AS_STR("ASSAY_TEST_KEY"),
         .auth = AS_STR("basic")},
    };
    for (size_t i = 0; i < 3; i++) {
        body_of(&f, &sinks[i], &out);
        as_alert_post post = {.sink = sinks[i],
                              .key = f.alert.key,
                              .action = AS_STR("trigger"),
                              .title = nasty,
                              .body = as_buf_view(&out),
                              .attempts = 3,
                              .error = AS_STR("down")};
        setenv("ASSAY_TEST_KEY", "canary:key-0123456789", 1);
        setenv("ASSAY_TEST_URL", "https://hooks.example.test/secret-path", 1);
        as_buf_clear(&file);
        as_alert_post_write(&file, &post);
        assert_null(strstr(file.ptr, "canary"));
        assert_null(strstr(file.ptr, "secret-path"));
        if (as_alert_post_read(&f.arena, as_buf_view(&file), &back, &err)) fail_msg("%s", err.text);
        assert_true(as_str_eq(back.body, post.body) && back.attempts == 3);
        assert_true(as_str_eq(as_alert_sink_id(&f.arena, &back.sink),
                              as_alert_sink_id(&f.arena, &sinks[i])));
        if (as_alert_post_request(&f.arena, &back, &request, &err)) fail_msg("%s", err.text);
        bool keyed = as_str_find(request.body, AS_STR("canary"), 0) != SIZE_MAX;
        assert_true(keyed == (i == 0));
        const as_json *sent;
        assert_int_equal(as_json_parse(&f.arena, request.body, &sent, &err), AS_OK);
        if (i == 0) is_text(sent, "routing_key", "canary:key-0123456789");
        for (size_t h = 0; i && h < request.header_count; h++)
            keyed = keyed || request.headers[h].secret;
        assert_true(keyed);
        if (i == 2) assert_true(as_str_is(request.url, "http://127.0.0.1:9093/am/api/v2/alerts"));
        unsetenv("ASSAY_TEST_KEY");
        assert_int_equal(as_alert_post_request(&f.arena, &back, &request, &err), AS_INVALID);
        assert_non_null(strstr(err.text, "$ASSAY_TEST_KEY is not set"));
    }
    setenv("ASSAY_TEST_URL", "no url but a secret", 1);
    setenv("ASSAY_TEST_KEY", "x", 1);
    as_alert_post post = {.sink = sinks[1], .body = AS_STR("{}")};
    assert_int_equal(as_alert_post_request(&f.arena, &post, &request, &err), AS_INVALID);
    assert_null(strstr(err.text, "secret"));
    as_buf_free(&out);
    as_buf_free(&file);
    as_arena_free(&f.arena);
}

static void test_damaged_files(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "{}",
                                      "[]",
                                      "{\"schema\": 2, \"type\": \"slack\"}",
                                      "{\"schema\": 1, \"type\": \"fax\"}",
                                      "{\"schema\": 1, \"type\": \"pagerduty\", \"body\": \"x\"}",
                                      "{\"schema\": 1"};
    as_arena arena = {0};
    as_alert_post post;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        as_err err = {0};
        assert_int_equal(as_alert_post_read(&arena, as_str_of(bad[i]), &post, &err), AS_INVALID);
    }
    as_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),        cmocka_unit_test(test_alertmanager),
        cmocka_unit_test(test_pagerduty),    cmocka_unit_test(test_slack),
        cmocka_unit_test(test_webhook),      cmocka_unit_test(test_keys),
        cmocka_unit_test(test_damaged_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
