// SPDX-License-Identifier: Apache-2.0
// /api/v1 and /metrics: what scripts, rollouts and scrapers ask.
#include <string.h>

#include "harness/base/json.h"
#include "reports/ci/ci.h"
#include "runner/serve/site_routes.h"

enum { RUNS_MAX = 500, SAMPLES_MAX = 1000, COMMIT_LEAST = 7 };

// The facts of a run by which it is found.
static void put_run(as_json_out *out, const as_summary *run) {
    as_jo_open(out, '{');
    as_jo_put_str(out, "run", run->run);
    as_jo_put_str(out, "suite", run->suite);
    as_jo_put_str(out, "started", run->started);
    as_jo_put_str(out, "commit", run->git_commit);
    as_jo_put_str(out, "branch", run->git_branch);
    as_jo_put_str(out, "model", run->model_name);
    as_jo_put_str(out, "verdict", as_str_of(as_verdict_name(run->gate.verdict)));
    as_jo_key(out, "cases");
    as_jo_i64(out, (int64_t)run->total);
    as_jo_key(out, "metrics");
    as_jo_open(out, '{');
    for (size_t i = 0; i < run->metric_count; i++) {
        as_jo_keys(out, run->metrics[i].name);
        as_jo_f64(out, run->metrics[i].value);
    }
    as_jo_close(out, '}');
    as_jo_close(out, '}');
}

static void list_suites(as_site_call *call, as_json_out *out) {
    as_err err = {0};
    as_timeline *lines;
    size_t count;
    if (as_site_suites(call, &lines, &count, &err)) {
        as_site_fail_err(call, &err);
        return;
    }
    as_jo_open(out, '{');
    as_jo_key(out, "suites");
    as_jo_open(out, '[');
    for (size_t i = 0; i < count; i++) put_run(out, &lines[i].runs[lines[i].count - 1]);
    as_jo_close(out, ']');
    as_jo_close(out, '}');
}

static bool read_runs(as_site_call *call, as_str suite, size_t limit, const as_store_run **runs,
                      size_t *count) {
    as_err err = {0};
    if (!as_store_list(call->store, &call->arena, suite, AS_STR(""), limit, runs, count, &err))
        return true;
    as_site_fail_err(call, &err);
    return false;
}

static void list_runs(as_site_call *call, as_json_out *out, as_str suite) {
    const as_store_run *runs;
    size_t count, limit = as_site_number(call, "limit", 100, RUNS_MAX);
    if (!read_runs(call, suite, limit ? limit : 1, &runs, &count)) return;
    as_jo_open(out, '{');
    as_jo_key(out, "runs");
    as_jo_open(out, '[');
    for (size_t i = 0; i < count; i++) put_run(out, &runs[i].summary);
    as_jo_close(out, ']');
    as_jo_close(out, '}');
}

// The newest run of the suite (on a commit or a branch, where one is named). `passed` is what a
// rollout or a deploy script asks: a run without a baseline has proven nothing against itself.
static void verdict(as_site_call *call, as_json_out *out, as_str suite) {
    const as_store_run *runs;
    size_t count;
    as_str commit = as_http_query(call->request, &call->arena, "commit");
    as_str branch = as_http_query(call->request, &call->arena, "branch");
    if (commit.len && commit.len < COMMIT_LEAST) {
        as_site_fail(call, 400, "a commit is named by at least %d characters", COMMIT_LEAST);
        return;
    }
    if (!read_runs(call, suite, RUNS_MAX, &runs, &count)) return;
    for (size_t i = 0; i < count; i++) {
        const as_summary *run = &runs[i].summary;
        if (commit.len && !as_str_starts(run->git_commit, commit)) continue;
        if (branch.len && !as_str_eq(run->git_branch, branch)) continue;
        as_verdict v = run->gate.verdict;
        as_jo_open(out, '{');
        as_jo_put_str(out, "suite", run->suite);
        as_jo_put_str(out, "run", run->run);
        as_jo_put_str(out, "commit", run->git_commit);
        as_jo_put_str(out, "started", run->started);
        as_jo_put_str(out, "verdict", as_str_of(as_verdict_name(v)));
        as_jo_key(out, "passed");
        as_jo_bool(out, v == AS_PASS || v == AS_NO_BASELINE);
        as_jo_key(out, "gate");
        as_gate_write(out, &run->gate);
        as_jo_close(out, '}');
        return;
    }
    as_site_fail(call, 404, "no run of suite '%.*s'%s%.*s%s%.*s", AS_STR_ARG(suite),
                 commit.len ? " on commit " : "", AS_STR_ARG(commit),
                 branch.len ? " on branch " : "", AS_STR_ARG(branch));
}

typedef struct reading {
    as_json_out *out;
    size_t from, left, seen;
} reading;

static void put_line(as_json_out *out, const as_sample *sample) {
    as_arena arena = {0};
    as_buf line = {0};
    const as_json *json;
    as_sample_write(&line, sample);
    if (as_json_parse(&arena, as_buf_view(&line), &json, NULL) == AS_OK)
        as_jo_json(out, json);
    else
        as_jo_null(out);
    as_buf_free(&line);
    as_arena_free(&arena);
}

static as_rc put_sample(void *context, const as_sample *sample, as_err *err) {
    reading *r = context;
    (void)err;
    if (r->seen++ < r->from || !r->left) return AS_OK;
    r->left--;
    put_line(r->out, sample);
    return AS_OK;
}

static void samples(as_site_call *call, as_json_out *out, as_str run) {
    as_err err = {0};
    as_summary summary;
    reading r = {out, as_site_number(call, "from", 0, SIZE_MAX / 2),
                 as_site_number(call, "limit", 100, SAMPLES_MAX), 0};
    as_rc rc = as_store_summary(call->store, &call->arena, run, &summary, &err);
    as_jo_open(out, '{');
    as_jo_key(out, "samples");
    as_jo_open(out, '[');
    if (!rc) rc = as_store_samples(call->store, run, put_sample, &r, &err);
    as_jo_close(out, ']');
    as_jo_key(out, "total");
    as_jo_i64(out, (int64_t)r.seen);
    as_jo_close(out, '}');
    if (rc) as_site_fail_err(call, &err);
}

static as_rc put_case(void *context, const as_store_past *past, as_err *err) {
    reading *r = context;
    (void)err;
    r->seen++;
    as_jo_open(r->out, '{');
    as_jo_put_str(r->out, "run", past->run);
    as_jo_key(r->out, "sample");
    put_line(r->out, past->sample);
    as_jo_close(r->out, '}');
    return AS_OK;
}

static void one_case(as_site_call *call, as_json_out *out, as_str suite, as_str id) {
    as_err err = {0};
    reading r = {.out = out};
    size_t limit = as_site_number(call, "limit", 100, RUNS_MAX);
    as_jo_open(out, '{');
    as_jo_put_str(out, "id", id);
    as_jo_key(out, "runs");
    as_jo_open(out, '[');
    as_rc rc = as_store_case(call->store, suite, id, limit ? limit : 1, put_case, &r, &err);
    as_jo_close(out, ']');
    as_jo_close(out, '}');
    if (rc)
        as_site_fail_err(call, &err);
    else if (!r.seen)
        as_site_fail(call, 404, "suite '%.*s' has no case '%.*s'", AS_STR_ARG(suite),
                     AS_STR_ARG(id));
}

static void one_run(as_site_call *call, as_str run) {
    as_err err = {0};
    as_summary summary;
    if (as_store_summary(call->store, &call->arena, run, &summary, &err))
        as_site_fail_err(call, &err);
    else
        as_summary_write(&call->answer->body, &summary);
}

// ---- writing ----

// In time that does not tell how much of it is right.
static bool token_fits(const as_site_call *call) {
    as_str want = call->options->token, got = call->request->bearer;
    unsigned char differs = want.len != got.len;
    for (size_t i = 0; i < got.len; i++)
        differs |= (unsigned char)(got.ptr[i] ^ (want.len ? want.ptr[i % want.len] : 1));
    return want.len && !differs;
}

static void tag(as_site_call *call, as_json_out *out, as_str run) {
    as_err err = {0};
    const as_json *body;
    as_summary summary;
    as_rc rc = as_json_parse(&call->arena, call->request->body, &body, &err);
    as_str name = rc ? AS_STR("") : as_json_str(body, "name", AS_STR(""));
    if (!name.len) {
        as_site_fail(call, 400, "the body wants a name: {\"name\": \"release-1.4\"}");
        return;
    }
    rc = as_store_summary(call->store, &call->arena, run, &summary, &err);
    if (!rc) rc = as_store_tag(call->store, run, name, &err);
    if (rc) {
        as_site_fail_err(call, &err);
        return;
    }
    as_jo_open(out, '{');
    as_jo_put_str(out, "run", run);
    as_jo_put_str(out, "tag", name);
    as_jo_close(out, '}');
}

static void post(as_site_call *call, as_json_out *out) {
    const as_str *p = call->parts;
    if (!call->options->token.len)
        as_site_fail(call, 403, "this server is read-only: start it with --token-file");
    else if (!token_fits(call))
        as_site_fail(call, 401, "the token is missing or wrong");
    else if (call->part_count == 5 && as_str_is(p[2], "runs") && as_str_is(p[4], "tags"))
        tag(call, out, p[3]);
    else
        as_site_fail(call, 404, "there is nothing to write at this address");
}

void as_site_api(as_site_call *call) {
    as_json_out json = {.buf = &call->answer->body}, *out = &json;
    const as_str *p = call->parts;
    size_t n = call->part_count;
    call->answer->type = "application/json";
    if (n < 3 || !as_str_is(p[1], "v1"))
        as_site_fail(call, 404, "there is no such address; see: assay help serve");
    else if (call->request->post)
        post(call, out);
    else if (n == 3 && as_str_is(p[2], "suites"))
        list_suites(call, out);
    else if (n == 3 && as_str_is(p[2], "runs"))
        list_runs(call, out, as_http_query(call->request, &call->arena, "suite"));
    else if (n == 4 && as_str_is(p[2], "runs"))
        one_run(call, p[3]);
    else if (n == 5 && as_str_is(p[2], "runs") && as_str_is(p[4], "samples"))
        samples(call, out, p[3]);
    else if (n == 5 && as_str_is(p[2], "suites") && as_str_is(p[4], "runs"))
        list_runs(call, out, p[3]);
    else if (n == 5 && as_str_is(p[2], "suites") && as_str_is(p[4], "verdict"))
        verdict(call, out, p[3]);
    else if (n == 6 && as_str_is(p[2], "suites") && as_str_is(p[4], "cases"))
        one_case(call, out, p[3], p[5]);
    else
        as_site_fail(call, 404, "there is no such address; see: assay help serve");
    if (call->answer->status == 200) as_buf_char(&call->answer->body, '\n');
}

void as_site_metrics(as_site_call *call) {
    as_err err = {0};
    as_timeline *lines;
    size_t count;
    if (as_site_suites(call, &lines, &count, &err)) {
        as_site_fail_err(call, &err);
        return;
    }
    as_summary *newest = AS_NEW_ARRAY(&call->arena, as_summary, count);
    for (size_t i = 0; i < count; i++) newest[i] = lines[i].runs[lines[i].count - 1];
    call->answer->type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    as_ci_openmetrics(&call->answer->body, newest, count);
}
