// SPDX-License-Identifier: Apache-2.0
#include "runner/serve/site_routes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "reports/page.h"
#include "reports/report.h"
#include "reports/site/site.h"
#include "runner/pages/chronicle.h"
#include "runner/pages/revisit.h"

enum { RUNS_MAX = 500, RUNS_SHOWN = 100, CASE_RUNS_MAX = 100, TEXT_MAX = 8000 };

static const char html_type[] = "text/html; charset=utf-8";

// ---- failures ----

static bool is_api(const as_site_call *call) {
    return call->part_count && as_str_is(call->parts[0], "api");
}

void as_site_fail(as_site_call *call, unsigned status, const char *format, ...) {
    as_http_answer *a = call->answer;
    as_buf text = {0};
    va_list args;
    va_start(args, format);
    as_bufv(&text, format, args);
    va_end(args);
    a->status = status;
    as_buf_clear(&a->body);
    if (is_api(call)) {
        as_json_out out = {.buf = &a->body};
        a->type = "application/json";
        as_jo_open(&out, '{');
        as_jo_key(&out, "error");
        as_jo_str(&out, as_buf_view(&text));
        as_jo_close(&out, '}');
        as_buf_char(&a->body, '\n');
    } else {
        a->type = html_type;
        as_site_error(&a->body, status, as_buf_view(&text));
    }
    as_buf_free(&text);
}

void as_site_fail_err(as_site_call *call, const as_err *err) {
    as_site_fail(call, err->rc == AS_INVALID ? 404 : 503, "%s", err->text);
}

size_t as_site_number(as_site_call *call, const char *name, size_t otherwise, size_t most) {
    int64_t value;
    as_str text = as_http_query(call->request, &call->arena, name);
    if (!text.len || !as_str_to_i64(text, &value) || value < 0) return otherwise;
    return (uint64_t)value < most ? (size_t)value : most;
}

// ---- suites ----

static int by_start(const void *a, const void *b) {
    const as_store_run *x = a, *y = b;
    int order = as_str_cmp(x->summary.suite, y->summary.suite);
    if (!order) order = as_str_cmp(x->summary.started, y->summary.started);
    return order ? order : as_str_cmp(x->summary.run, y->summary.run);
}

as_rc as_site_suites(as_site_call *call, as_timeline **out, size_t *count, as_err *err) {
    const as_store_run *runs;
    size_t run_count, suites = 0;
    as_rc rc = as_store_list(call->store, &call->arena, AS_STR(""), AS_STR(""), RUNS_MAX, &runs,
                             &run_count, err);
    if (rc) return rc;
    as_store_run *ordered = AS_NEW_ARRAY(&call->arena, as_store_run, run_count);
    as_summary *summaries = AS_NEW_ARRAY(&call->arena, as_summary, run_count);
    as_timeline *lines = AS_NEW_ARRAY(&call->arena, as_timeline, run_count);
    if (run_count) memcpy(ordered, runs, run_count * sizeof *ordered);
    if (run_count) qsort(ordered, run_count, sizeof *ordered, by_start);
    for (size_t i = 0; i < run_count; i++) {
        summaries[i] = ordered[i].summary;
        if (!suites || !as_str_eq(lines[suites - 1].suite, summaries[i].suite))
            lines[suites++] = (as_timeline){.suite = summaries[i].suite, .runs = &summaries[i]};
        lines[suites - 1].count++;
    }
    *out = lines;
    *count = suites;
    return AS_OK;
}

static void index_page(as_site_call *call) {
    as_err err = {0};
    as_timeline *lines;
    size_t count;
    if (as_site_suites(call, &lines, &count, &err))
        as_site_fail_err(call, &err);
    else
        as_site_index(&call->answer->body, lines, count);
}

// ---- runs ----

static void runs_page(as_site_call *call) {
    as_err err = {0};
    const as_store_run *runs;
    size_t count;
    as_str suite = as_http_query(call->request, &call->arena, "suite");
    size_t limit = as_site_number(call, "limit", RUNS_SHOWN, RUNS_MAX);
    if (as_store_list(call->store, &call->arena, suite, AS_STR(""), limit ? limit : 1, &runs,
                      &count, &err)) {
        as_site_fail_err(call, &err);
        return;
    }
    as_summary *summaries = AS_NEW_ARRAY(&call->arena, as_summary, count);
    as_str *tags = AS_NEW_ARRAY(&call->arena, as_str, count);
    for (size_t i = 0; i < count; i++) {
        summaries[i] = runs[i].summary;
        tags[i] = runs[i].tags;
    }
    as_site_runs(&call->answer->body, suite, summaries, tags, count);
}

// Only ids and tags of the history: a path would be read from disk.
static as_str as_reference(as_site_call *call, as_str run) {
    return as_strf(&call->arena, "run:%.*s", AS_STR_ARG(run));
}

static void run_page(as_site_call *call, as_str run, as_str baseline) {
    as_err err = {0};
    as_revisit_request request = {
        .reference = as_reference(call, run),
        .baseline = baseline.len ? as_reference(call, baseline) : AS_STR(""),
        .store_url = call->options->store_url,
        .store = &call->store,
    };
    as_revisit revisit;
    if (as_str_find(request.reference, AS_STR("/"), 0) != SIZE_MAX ||
        as_str_find(request.baseline, AS_STR("/"), 0) != SIZE_MAX) {
        as_site_fail(call, 404, "a run's id holds no slash");
        return;
    }
    if (as_revisit_open(&call->arena, &request, &revisit, &err)) {
        as_site_fail_err(call, &err);
        return;
    }
    as_summary *summary = &revisit.source.summary;
    if (baseline.len) // a comparison judges nothing
        summary->gate =
            (as_gate){.verdict = AS_PASS, .baseline = revisit.judgement.base.summary.run};
    as_buf *out = &call->answer->body;
    as_site_open(out, summary->suite, summary->gate.verdict, summary->suite, summary->run);
    as_report_html_body(out, summary, revisit.baseline, &revisit.findings);
    as_site_close(out);
    as_revisit_close(&revisit);
}

static void compare_page(as_site_call *call) {
    as_str a = as_http_query(call->request, &call->arena, "a");
    as_str b = as_http_query(call->request, &call->arena, "b");
    if (a.len && b.len)
        run_page(call, b, a);
    else
        as_site_fail(call, 400, "name two runs: /compare?a=BASELINE&b=RUN");
}

// ---- a suite and its cases ----

static bool gather(as_site_call *call, bool cases, as_timeline *line) {
    as_err err = {0};
    as_chronicle_request request = {.store = call->store, .suite = call->parts[1], .cases = cases};
    if (as_chronicle_gather(&call->arena, &request, line, &err)) {
        as_site_fail_err(call, &err);
        return false;
    }
    if (!line->count)
        as_site_fail(call, 404, "the history has no runs of suite '%.*s'",
                     AS_STR_ARG(call->parts[1]));
    return line->count > 0;
}

static void suite_page(as_site_call *call) {
    as_timeline line;
    if (gather(call, true, &line)) as_site_suite(&call->answer->body, &line);
}

typedef struct search {
    const as_timeline *line;
    as_str word;
    bool *hits;  // [line->case_count]
    size_t next; // samples come in the order of the cases
} search;

static bool answer_holds(const as_sample *sample, as_str word) {
    const as_json *expected = sample->expected;
    return as_str_holds(sample->output, word) || as_str_holds(sample->prediction, word) ||
           as_str_holds(sample->reasoning, word) || as_str_holds(sample->error, word) ||
           (expected && as_str_holds(expected->text, word));
}

static as_rc search_sample(void *context, const as_sample *sample, as_err *err) {
    search *s = context;
    const as_timeline *line = s->line;
    (void)err;
    while (s->next < line->case_count && as_str_cmp(line->cases[s->next].id, sample->id) < 0)
        s->next++;
    if (s->next < line->case_count && as_str_eq(line->cases[s->next].id, sample->id))
        s->hits[s->next] = s->hits[s->next] || answer_holds(sample, s->word);
    return AS_OK;
}

// The cases whose id, or whose answer in the newest run, holds the word.
static as_rc find_cases(as_site_call *call, const as_timeline *line, as_str word, bool **out,
                        as_err *err) {
    search s = {.line = line, .word = word};
    s.hits = *out = AS_NEW_ARRAY(&call->arena, bool, line->case_count);
    for (size_t i = 0; i < line->case_count; i++) s.hits[i] = as_str_holds(line->cases[i].id, word);
    if (!word.len) return AS_OK;
    return as_store_samples(call->store, line->runs[line->count - 1].run, search_sample, &s, err);
}

static void cases_page(as_site_call *call) {
    as_err err = {0};
    as_timeline line;
    as_str word = as_http_query(call->request, &call->arena, "q");
    as_str show = as_http_query(call->request, &call->arena, "show");
    bool *hits;
    if (!gather(call, true, &line)) return;
    if (find_cases(call, &line, word, &hits, &err))
        as_site_fail_err(call, &err);
    else
        as_site_cases(&call->answer->body, &line, word, hits, show,
                      as_site_number(call, "from", 0, SIZE_MAX / 2));
}

typedef struct case_reading {
    as_site_call *call;
    as_site_visit visits[CASE_RUNS_MAX];
    size_t count;
    as_str expected;
} case_reading;

static as_rc read_visit(void *context, const as_store_past *past, as_err *err) {
    case_reading *r = context;
    const as_sample *sample = past->sample;
    as_arena *arena = &r->call->arena;
    (void)err;
    if (!r->expected.len && sample->expected)
        r->expected =
            as_str_copy(arena, as_str_sub(as_json_plain(arena, sample->expected), 0, TEXT_MAX));
    r->visits[r->count++] = (as_site_visit){
        .run = as_str_copy(arena, past->run),
        .when = as_str_copy(arena, past->started),
        .commit = as_str_copy(arena, past->git_commit),
        .output = as_str_copy(arena, as_str_sub(sample->output, 0, TEXT_MAX)),
        .error = as_str_copy(arena, sample->error),
        .outcome = as_outcome_name(sample->outcome),
        .score = sample->score_count ? sample->scores[0].value : NAN,
        .latency_ms = sample->latency_ms,
    };
    return AS_OK;
}

static void case_page(as_site_call *call) {
    as_err err = {0};
    case_reading *r = AS_NEW(&call->arena, case_reading);
    r->call = call;
    if (as_store_case(call->store, call->parts[1], call->parts[3], CASE_RUNS_MAX, read_visit, r,
                      &err))
        as_site_fail_err(call, &err);
    else if (!r->count)
        as_site_fail(call, 404, "suite '%.*s' has no case '%.*s'", AS_STR_ARG(call->parts[1]),
                     AS_STR_ARG(call->parts[3]));
    else
        as_site_case(&call->answer->body, call->parts[1], call->parts[3], r->expected, r->visits,
                     r->count);
}

static void health(as_site_call *call) { // the history was opened on the way here
    call->answer->type = "application/json";
    as_buf_text(&call->answer->body, "{\"status\":\"ok\"}\n");
}

// ---- dispatch ----

static bool part_is(const as_site_call *call, size_t at, const char *text) {
    return at < call->part_count && as_str_is(call->parts[at], text);
}

static void route(as_site_call *call) {
    size_t n = call->part_count;
    if (part_is(call, 0, "api"))
        as_site_api(call);
    else if (call->request->post)
        as_site_fail(call, 405, "pages are read, not written to");
    else if (!n)
        index_page(call);
    else if (n == 1 && part_is(call, 0, "healthz"))
        health(call);
    else if (n == 1 && part_is(call, 0, "metrics"))
        as_site_metrics(call);
    else if (n == 1 && part_is(call, 0, "runs"))
        runs_page(call);
    else if (n == 1 && part_is(call, 0, "compare"))
        compare_page(call);
    else if (n == 2 && part_is(call, 0, "runs"))
        run_page(call, call->parts[1], AS_STR(""));
    else if (n == 2 && part_is(call, 0, "suites"))
        suite_page(call);
    else if (n == 3 && part_is(call, 0, "suites") && part_is(call, 2, "cases"))
        cases_page(call);
    else if (n == 4 && part_is(call, 0, "suites") && part_is(call, 2, "cases"))
        case_page(call);
    else
        as_site_fail(call, 404, "there is no such page");
}

// A server bound to loopback answers only when the name that it was asked by is this machine's own.
// A page elsewhere could let its own name point here; its requests would carry that name.
static bool is_local_name(as_str host) {
    if (as_str_starts(host, AS_STR("[::1]"))) return true;
    as_str name = as_str_cut(&host, ':');
    return as_str_is(name, "localhost") || as_str_starts(name, AS_STR("127."));
}

static bool split_path(as_site_call *call) {
    as_str path = as_str_sub(call->request->path, 1, call->request->path.len);
    while (path.len) {
        if (call->part_count == sizeof call->parts / sizeof *call->parts) return false;
        call->parts[call->part_count++] = as_http_decode(&call->arena, as_str_cut(&path, '/'));
    }
    return true;
}

void as_site_answer(void *context, const as_http_request *request, as_http_answer *answer) {
    as_site_call call = {.options = context, .request = request, .answer = answer};
    as_err err = {0};
    as_buf policy = {0};
    as_page_policy(&policy, true);
    as_buf_text(&policy, "; frame-ancestors 'none'");
    answer->policy = policy;
    answer->type = html_type;
    if (!split_path(&call))
        as_site_fail(&call, 404, "there is no such page");
    else if (request->loopback && !is_local_name(request->host))
        as_site_fail(&call, 421, "this server answers to localhost only");
    else if (as_store_open(call.options->store_url, &call.store, &err))
        as_site_fail(&call, 503, "%s", err.text);
    else
        route(&call);
    as_store_close(call.store);
    as_arena_free(&call.arena);
}
