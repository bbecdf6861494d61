// SPDX-License-Identifier: Apache-2.0
// Every report of a good run, of an empty one, and of one in which all text is hostile.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/file.h"
#include "harness/base/utf8.h"
#include "reports/content.h"
#include "reports/report.h"
#include "tests/reports/sample_run.h"

enum { PAGE_MAX = 2 * 1024 * 1024, MARKDOWN_MAX = 60000 };

#define TEXT(literal) ((as_str){literal, sizeof(literal) - 1})

static const char hostile[] =
    "\"'><script>alert(1)</script><img src=x onerror=alert(2)></style></title>]]>--><!--&lt;"
    "\x1b[31m\x07\0\x08\x7f\xc2\x9b"
    "2J\xff\xc0\xaf\xed\xa0\x80\xe2\x80\xae\xe2\x81\xa6"
    "\xe2\x80\xa8"
    "a|b`c``d\\|e @everyone #1 ![x](http://evil.test/y) <https://evil.test>\r\n"
    "\n# heading\n- item\t{{ jinja }} %s%n \xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d \xf0\x9f\x98\x80"
    " z\xcc\x81\xcc\x81\xcc\x81 ::set-output name=x::y ##vso[task.complete]";

// ---- checks ----

static bool has(const as_buf *out, const char *text) {
    return as_str_find(as_buf_view(out), as_str_of(text), 0) != SIZE_MAX;
}

// What no output of any kind may hold: a raw control character, an override, invalid UTF-8.
static void assert_clean(const as_buf *out, bool color) {
    as_str text = as_buf_view(out);
    assert_true(as_utf8_invalid_at(text) == SIZE_MAX);
    for (size_t at = 0; at < text.len;) {
        uint32_t c = as_utf8_next(text, &at);
        assert_true(c >= 0x20 || c == '\n' || c == '\t' || (color && c == 0x1b));
        assert_false(c >= 0x7f && c <= 0x9f);
        assert_false((c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069));
    }
}

static bool is_void(as_str name) {
    return as_str_is(name, "meta") || as_str_is(name, "link") || as_str_is(name, "!doctype");
}

// Every element is closed where it should be, attributes hold no '<', and nothing but what the
// reports write themselves is an element.
static void assert_balanced(const as_buf *out) {
    static const char *const known[] = {
        "a",       "b",   "bdi",     "del",    "h4",      "ins",   "script",     "body",   "circle",
        "code",    "dd",  "details", "div",    "dl",      "dt",    "figcaption", "figure", "h1",
        "h2",      "h3",  "head",    "header", "html",    "li",    "line",       "main",   "nav",
        "ol",      "p",   "path",    "rect",   "section", "small", "span",       "strong", "style",
        "summary", "svg", "symbol",  "table",  "tbody",   "td",    "text",       "th",     "thead",
        "title",   "tr",  "ul",      "use"};
    as_str stack[64];
    size_t depth = 0;
    const char *p = out->ptr, *end = out->ptr + out->len;
    while ((p = memchr(p, '<', (size_t)(end - p)))) {
        const char *close = p + 1;
        for (char quote = 0; quote || *close != '>'; close++) { // quotes may hold '>'
            assert_true(close < end);
            if (quote)
                quote = *close == quote ? 0 : quote;
            else if (*close == '"')
                quote = *close;
        }
        bool ends = p[1] == '/', lone = close[-1] == '/';
        const char *from = p + 1 + ends, *to = from;
        while (to < close && *to != ' ' && *to != '/') to++;
        as_str name = {from, (size_t)(to - from)};
        bool found = is_void(name);
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found |= as_str_is(name, known[i]);
        if (!found) fail_msg("unknown element <%.*s>", AS_STR_ARG(name));
        if (ends) {
            assert_true(depth > 0);
            if (!as_str_eq(stack[--depth], name))
                fail_msg("</%.*s> closes <%.*s>", AS_STR_ARG(name), AS_STR_ARG(stack[depth]));
        } else if (!lone && !is_void(name)) {
            assert_true(depth < 64);
            stack[depth++] = name;
        }
        p = close;
    }
    assert_int_equal(depth, 0);
}

static void assert_page(const as_buf *out) {
    assert_clean(out, false);
    assert_balanced(out);
    if (!has(out, "script-src")) assert_false(has(out, "<script"));
    assert_true(as_str_starts(as_buf_view(out), TEXT("<!doctype html>\n")));
    assert_true(has(out, "default-src 'none'"));
    assert_false(has(out, "<script>alert"));
    assert_false(has(out, "<img"));
    assert_false(has(out, "src=\""));
    assert_false(has(out, "href=\"http"));
    assert_false(has(out, "url("));
    assert_false(has(out, "nan%") || has(out, "\"nan") || has(out, "-nan") || has(out, "\"inf"));
    assert_true(out->len < PAGE_MAX);
}

static void assert_lines(const as_buf *out, size_t columns) {
    as_str text = as_buf_view(out);
    while (text.ptr) {
        as_str line = as_str_cut(&text, '\n');
        if (as_content_width(line) > columns) fail_msg("too wide: %.*s", AS_STR_ARG(line));
    }
}

// Well-formed by the judgement of xmllint, where that is installed.
static void assert_xml(const as_buf *out) {
    assert_clean(out, false);
    if (system("command -v xmllint >/dev/null 2>&1") != 0) return;
    char path[] = "/tmp/assay-junit-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, out->ptr, out->len), out->len);
    close(fd);
    char command[128];
    snprintf(command, sizeof command, "xmllint --noout --nonet %s", path);
    int status = system(command);
    unlink(path);
    assert_int_equal(status, 0);
}

static size_t bars_of(as_str line) {
    size_t bars = 0;
    for (size_t i = 0; i < line.len; i++) bars += line.ptr[i] == '|';
    return bars;
}

// Tables keep their shape, and no content stands outside a code span.
static void assert_markdown(const as_buf *out) {
    assert_clean(out, false);
    assert_true(out->len <= MARKDOWN_MAX);
    as_str text = as_buf_view(out);
    size_t bars = 0;
    while (text.ptr) {
        as_str line = as_str_cut(&text, '\n');
        bool row = as_str_starts(line, TEXT("|"));
        if (row && bars) assert_int_equal(bars_of(line), bars);
        bars = row ? bars_of(line) : 0;
        size_t fence = 0; // of the code span we are in
        for (size_t i = 0; i < line.len; i++) {
            size_t run = 0;
            while (i + run < line.len && line.ptr[i + run] == '`') run++;
            if (run) {
                fence = !fence ? run : fence == run ? 0 : fence;
                i += run - 1;
            } else if (!fence) {
                assert_false(line.ptr[i] == '@' || line.ptr[i] == '[' || line.ptr[i] == ']');
            }
        }
        assert_int_equal(fence, 0);
    }
}

// Takes the scripts out, which are no markup: page.js itself and the data it reads. Neither may be
// ended by content, so what is left must be balanced.
static void drop_scripts(as_buf *out) {
    size_t scripts = 0;
    for (char *from; (from = strstr(out->ptr, "<script")); scripts++) {
        char *to = strstr(from, "</script>");
        assert_non_null(to);
        char *text = strchr(from, '>') + 1;
        if (strncmp(from, "<script type=\"application/json\"", 31) == 0) {
            as_arena arena = {0};
            const as_json *json;
            as_err err = {0};
            as_str data = {text, (size_t)(to - text)};
            assert_null(memchr(text, '<', data.len));
            if (as_json_parse(&arena, data, &json, &err)) fail_msg("%s", err.text);
            assert_int_equal(as_json_get(json, "ids")->count, as_json_get(json, "past")->count);
            as_arena_free(&arena);
        } else {
            assert_int_equal(strncmp(text, "\"use strict\";", 13), 0);
        }
        to += 9;
        memmove(from, to, (size_t)(out->ptr + out->len - to) + 1);
        out->len -= (size_t)(to - from);
    }
    assert_true(scripts <= 2);
}

// A timeline with cases whose ids and answers are what the run's failing cases hold.
static void check_trend(as_buf *out, const as_sample_run *s) {
    as_timeline line = {.suite = s->run.suite, .runs = s->history, .count = s->history_count};
    as_report_trend_html(out, &line);
    drop_scripts(out);
    assert_page(out);
    if (!s->history_count) return;
    as_arena arena = {0};
    size_t runs = s->history_count, count = s->findings.failure_count;
    as_case_past *cases = AS_NEW_ARRAY(&arena, as_case_past, count);
    as_case_story *stories = AS_NEW_ARRAY(&arena, as_case_story, count);
    char *marks = as_arena_take(&arena, runs);
    for (size_t i = 0; i < runs; i++) marks[i] = ".rwe"[i % 4];
    for (size_t i = 0; i < count; i++) {
        const as_failure *f = &s->findings.failures[i];
        cases[i] = (as_case_past){.id = f->id, .marks = marks, .turns = 2, .broke = runs - 1};
        stories[i] = (as_case_story){&cases[i], f->input,      f->expected, runs / 2,
                                     runs - 1,  f->prediction, f->output};
    }
    as_shift shifts[] = {{AS_STR("accuracy"), AS_STR(""), runs - 1, 0.9, 0.8, 0.01},
                         {s->run.suite, s->run.suite, runs / 2, 0.1, NAN, 1}};
    line.shifts = shifts;
    line.shift_count = 2;
    line.run_count = runs;
    line.cases = cases;
    line.case_count = count;
    line.broken = line.unsteady = stories;
    line.broken_count = line.unsteady_count = count < 50 ? count : 50;
    line.broken_total = line.unsteady_total = count;
    as_buf_clear(out);
    as_report_trend_html(out, &line);
    assert_true(has(out, "script-src 'sha256-"));
    drop_scripts(out);
    assert_page(out);
    as_arena_free(&arena);
}

static void check_all(const as_sample_run *s) {
    as_buf out = {0};
    as_report_html(&out, &s->run, &s->baseline, &s->findings);
    assert_page(&out);
    as_buf_clear(&out);
    as_report_html(&out, &s->run, NULL, &s->findings);
    assert_page(&out);
    as_buf_clear(&out);
    check_trend(&out, s);
    as_buf_clear(&out);
    as_report_junit(&out, &s->run, &s->findings);
    assert_xml(&out);
    as_buf_clear(&out);
    as_report_markdown(&out, &s->run, &s->baseline, &s->findings);
    assert_markdown(&out);
    for (size_t columns = 80; columns <= 120; columns += 40) {
        as_buf_clear(&out);
        as_report_terminal(&out, &s->run, &s->baseline, false, columns);
        assert_clean(&out, false);
        assert_lines(&out, columns);
        as_buf_clear(&out);
        as_report_compare_terminal(&out, &s->baseline, &s->run, &s->findings, &s->run.gate, false,
                                   columns);
        assert_clean(&out, false);
        assert_lines(&out, columns);
    }
    as_buf_clear(&out);
    as_report_terminal(&out, &s->run, &s->baseline, true, 0);
    assert_clean(&out, true);
    as_buf_clear(&out);
    as_report_history_terminal(&out, s->history, NULL, s->history_count, false, 80);
    assert_clean(&out, false);
    assert_lines(&out, 80);
    as_buf_clear(&out);
    as_variant variants[3] = {{.run = &s->baseline}};
    for (int i = 1; i < 3; i++)
        variants[i] = (as_variant){.run = &s->run, .findings = s->findings, .gate = s->run.gate};
    as_versus versus = {variants, 3, AS_STR("accuracy")};
    as_report_versus_html(&out, &versus);
    assert_page(&out);
    as_buf_clear(&out);
    as_report_versus_terminal(&out, &versus, false, 80);
    assert_clean(&out, false);
    as_buf_clear(&out);
    versus.count = 2;
    as_report_versus_json(&out, &versus);
    // NUL is written as JSON has it, and refused by our own reader.
    for (char *nul = out.ptr; (nul = strstr(nul, "\\u0000"));) nul[5] = '1';
    as_arena arena = {0};
    const as_json *json;
    as_err err = {0};
    if (as_json_parse(&arena, as_buf_view(&out), &json, &err)) fail_msg("%s", err.text);
    assert_non_null(as_json_get(json, "metrics"));
    assert_non_null(as_json_get(json, "gate"));
    as_arena_free(&arena);
    as_buf_free(&out);
}

// ---- a run of a team ----

static void test_sample(void **state) {
    (void)state;
    as_sample_run s;
    as_sample_run_make(&s, 60);
    check_all(&s);
    as_buf out = {0};
    as_report_html(&out, &s.run, &s.baseline, &s.findings);
    static const char *const sections[] = {"gate",      "metrics",  "changes",
                                           "flips",     "slices",   "latency",
                                           "confusion", "failures", "provenance"};
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        char heading[64];
        snprintf(heading, sizeof heading, "<section id=\"%s\" aria-labelledby", sections[i]);
        assert_true(has(&out, heading));
    }
    assert_true(has(&out, "<p class=\"word\">Failed</p>"));
    assert_true(has(&out, "2 of 6 checks failed"));
    assert_true(has(&out, "role=\"img\" aria-label=\"Confusion matrix of 26 labels"));
    assert_true(out.len < 300 * 1024);
    as_buf_free(&out);
    as_sample_run_free(&s);
}

static void test_history_tags(void **state) {
    (void)state;
    as_sample_run s;
    as_sample_run_make(&s, 3);
    as_str tags[] = {TEXT("release"), TEXT(""), TEXT("a long tag with \x1b[2J in it")};
    as_buf out = {0};
    as_report_history_terminal(&out, s.history, tags, 3, false, 80);
    assert_clean(&out, false);
    assert_lines(&out, 80);
    assert_true(has(&out, " release\n"));
    assert_true(has(&out, "20261124-030405-4f2c ")); // ids stay whole
    as_buf_clear(&out);
    as_report_history_terminal(&out, NULL, NULL, 0, false, 80);
    assert_string_equal(out.ptr, "no runs\n");
    as_buf_free(&out);
    as_sample_run_free(&s);
}

static void test_terminal_colour(void **state) {
    (void)state;
    as_sample_run s;
    as_sample_run_make(&s, 3);
    as_buf plain = {0}, color = {0};
    as_report_terminal(&plain, &s.run, &s.baseline, false, 80);
    as_report_terminal(&color, &s.run, &s.baseline, true, 80);
    assert_true(has(&color, "\x1b[1;31mFailed: 2 of 6 checks failed\x1b[0m\n"));
    // The same but for the codes.
    size_t at = 0;
    for (size_t i = 0; i < color.len; i++) {
        if (color.ptr[i] == '\x1b') {
            while (color.ptr[i] != 'm') i++;
            continue;
        }
        assert_true(at < plain.len && plain.ptr[at] == color.ptr[i]);
        at++;
    }
    assert_int_equal(at, plain.len);
    as_buf_free(&plain);
    as_buf_free(&color);
    as_sample_run_free(&s);
}

// ---- nothing, and too much ----

static as_summary empty_summary(void) {
    as_latency none = {NAN, NAN, NAN, NAN, NAN, NAN};
    return (as_summary){.wall_s = NAN,
                        .latency = none,
                        .ttft = none,
                        .tpot = none,
                        .cases_per_s = NAN,
                        .cost_total = NAN,
                        .cost_per_case = NAN,
                        .gate = {.verdict = AS_UNMEASURABLE}};
}

static void test_empty(void **state) {
    (void)state;
    as_sample_run s = {.run = empty_summary(), .baseline = empty_summary()};
    check_all(&s); // no history either
    as_summary history[1] = {empty_summary()};
    s.history = history;
    s.history_count = 1;
    check_all(&s);
    as_buf out = {0};
    as_report_html(&out, &s.run, NULL, NULL);
    assert_page(&out);
    assert_true(has(&out, "Not measured"));
    as_buf_clear(&out);
    as_report_junit(&out, &s.run, NULL);
    assert_xml(&out);
    assert_true(has(&out, "tests=\"1\" failures=\"0\" errors=\"1\""));
    as_buf_free(&out);
}

static void test_many_runs(void **state) {
    (void)state;
    static const size_t counts[] = {1, 2, 500};
    for (size_t i = 0; i < 3; i++) {
        as_sample_run s;
        as_sample_run_make(&s, counts[i]);
        as_buf out = {0};
        check_trend(&out, &s);
        as_buf_free(&out);
        as_sample_run_free(&s);
    }
}

static void test_odd_numbers(void **state) {
    (void)state;
    as_sample_run s;
    as_sample_run_make(&s, 2);
    double same[] = {5, 5, 5}, one[] = {0}, wide[] = {1e-3, 1, 1e7};
    const double *latencies[] = {same, one, wide};
    size_t counts[] = {3, 1, 3}, labels[] = {1, 2, 40, 41};
    for (size_t i = 0; i < 4; i++) {
        as_confusion *c = &s.findings.confusion;
        c->count = labels[i];
        as_str *names = AS_NEW_ARRAY(&s.arena, as_str, c->count);
        uint64_t *cells = AS_NEW_ARRAY(&s.arena, uint64_t, c->count * c->count);
        for (size_t k = 0; k < c->count; k++) names[k] = TEXT("label");
        for (size_t k = 0; k < c->count * c->count; k++) cells[k] = i == 1 ? 0 : k + 1;
        c->labels = names;
        c->cells = cells;
        s.findings.latencies_ms = latencies[i % 3];
        s.findings.latency_count = counts[i % 3];
        check_all(&s);
    }
    as_value odd[] = {{.name = TEXT("accuracy"), .value = 1e308, .ci = {-1e308, 1e308}},
                      {.name = TEXT("f1_macro"), .value = 0, .ci = {0, 0}},
                      {.name = TEXT("latency.p95"), .value = 1e308, .ci = {NAN, 1}},
                      {.name = TEXT("mcc"), .value = -1, .ci = {-1, -1}},
                      {.name = TEXT("bleu"), .value = 100, .ci = {100, 100}}};
    s.run.metrics = odd;
    s.run.metric_count = 5;
    as_buf out = {0};
    as_report_html(&out, &s.run, &s.baseline, &s.findings);
    assert_page(&out);
    as_buf_clear(&out);
    as_report_terminal(&out, &s.run, &s.baseline, false, 80);
    assert_clean(&out, false);
    as_buf_free(&out);
    as_sample_run_free(&s);
}

// ---- hostile content everywhere ----

static void poison_summary(as_summary *s, as_arena *arena, as_str text) {
    as_str *fields[] = {&s->run,          &s->suite,          &s->suite_sha256, &s->suite_path,
                        &s->description,  &s->dataset_sha256, &s->target_uri,   &s->model_sha256,
                        &s->model_name,   &s->device,         &s->engine,       &s->git_commit,
                        &s->git_branch,   &s->started,        &s->currency,     &s->scores_digest,
                        &s->gate.baseline};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) *fields[i] = text;
    s->cost_total = 3;
    as_value *metrics = AS_NEW_ARRAY(arena, as_value, s->metric_count);
    as_str name = as_str_sub(text, 0, 65536); // looked up by its text, over and over
    for (size_t i = 0; i < s->metric_count; i++) {
        metrics[i] = s->metrics[i];
        metrics[i].name = metrics[i].method = metrics[i].spec = name;
    }
    as_slice_values *slices = AS_NEW_ARRAY(arena, as_slice_values, s->slice_count);
    for (size_t i = 0; i < s->slice_count; i++)
        slices[i] = (as_slice_values){name, metrics, s->metric_count};
    as_check *checks = AS_NEW_ARRAY(arena, as_check, s->gate.count);
    for (size_t i = 0; i < s->gate.count; i++) {
        checks[i] = s->gate.checks[i];
        checks[i].metric = checks[i].slice = name;
        checks[i].gate = checks[i].method = checks[i].note = text;
        checks[i].verdict = (as_verdict)(i % 5);
    }
    s->metrics = metrics;
    s->slices = slices;
    s->gate.checks = checks;
}

static void poison_findings(as_findings *f, as_arena *arena, as_str text) {
    as_str *labels = AS_NEW_ARRAY(arena, as_str, f->confusion.count);
    for (size_t i = 0; i < f->confusion.count; i++) labels[i] = text;
    f->confusion.labels = labels;
    as_failure *failures = AS_NEW_ARRAY(arena, as_failure, f->failure_count);
    for (size_t i = 0; i < f->failure_count; i++) {
        failures[i] = f->failures[i];
        failures[i].id = failures[i].input = failures[i].expected = failures[i].prediction = text;
        failures[i].output = i % 2 ? text : TEXT("");
        failures[i].error = text;
        failures[i].slices = labels;
        failures[i].outcome = (as_outcome)(i % AS_OUT_COUNT);
    }
    as_str key = as_str_sub(text, 0, 65536);
    as_delta *deltas = AS_NEW_ARRAY(arena, as_delta, f->delta_count);
    for (size_t i = 0; i < f->delta_count; i++) {
        deltas[i] = f->deltas[i];
        deltas[i].name = as_strf(arena, "%zu%.*s", i, AS_STR_ARG(key)); // keys are unique
        deltas[i].method = key;
        if (deltas[i].slice.len) deltas[i].slice = key;
    }
    as_flip *flips = AS_NEW_ARRAY(arena, as_flip, f->flip_count);
    for (size_t i = 0; i < f->flip_count; i++) {
        flips[i] = f->flips[i];
        flips[i].id = flips[i].input = flips[i].expected = flips[i].before = text;
        flips[i].after = text;
    }
    f->failures = failures;
    f->deltas = deltas;
    f->flips = flips;
}

static void poison(as_sample_run *s, as_str text) {
    poison_summary(&s->run, &s->arena, text);
    poison_summary(&s->baseline, &s->arena, text);
    for (size_t i = 0; i < s->history_count; i++) poison_summary(&s->history[i], &s->arena, text);
    poison_findings(&s->findings, &s->arena, text);
}

static void test_hostile(void **state) {
    (void)state;
    as_sample_run s;
    as_sample_run_make(&s, 5);
    poison(&s, TEXT(hostile));
    check_all(&s);
    as_sample_run_free(&s);
}

// Each byte alone, and each pair with what is special in some syntax.
static void test_hostile_bytes(void **state) {
    (void)state;
    for (int c = 0; c < 256; c++) {
        char bytes[] = {(char)c, '`', (char)c, '|', (char)c};
        as_sample_run s;
        as_sample_run_make(&s, 2);
        s.findings.failure_count = s.findings.flip_count = s.findings.confusion.count = 3;
        poison(&s, (as_str){bytes, sizeof bytes});
        as_buf out = {0};
        as_report_html(&out, &s.run, &s.baseline, &s.findings);
        assert_clean(&out, false);
        assert_balanced(&out);
        as_buf_clear(&out);
        as_report_markdown(&out, &s.run, &s.baseline, &s.findings);
        assert_markdown(&out);
        as_buf_clear(&out);
        as_report_terminal(&out, &s.run, &s.baseline, false, 80);
        assert_clean(&out, false);
        assert_lines(&out, 80);
        as_buf_free(&out);
        as_sample_run_free(&s);
    }
}

static void test_huge(void **state) {
    (void)state;
    size_t size = 10 * 1024 * 1024;
    char *bytes = as_mem_new(size);
    memset(bytes, 'a', size);
    as_sample_run s;
    as_sample_run_make(&s, 5);
    poison(&s, (as_str){bytes, size});
    check_all(&s);
    as_buf out = {0};
    as_report_html(&out, &s.run, &s.baseline, &s.findings);
    assert_true(has(&out, "[clipped: 10,485,760 bytes in all]"));
    assert_true(out.len < 1024 * 1024);
    as_buf_free(&out);
    as_sample_run_free(&s);
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample),    cmocka_unit_test(test_terminal_colour),
        cmocka_unit_test(test_empty),     cmocka_unit_test(test_history_tags),
        cmocka_unit_test(test_many_runs), cmocka_unit_test(test_odd_numbers),
        cmocka_unit_test(test_hostile),   cmocka_unit_test(test_hostile_bytes),
        cmocka_unit_test(test_huge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
