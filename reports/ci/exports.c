// SPDX-License-Identifier: Apache-2.0
// Results in the shapes of other tools: spreadsheets, lm-evaluation-harness, promptfoo.
#include <math.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/base/sha256.h"
#include "reports/ci/ci.h"

// The first metric decides, as it does in assay's own reports.
static double score_of_case(const as_sample *s) {
    return s->score_count && isfinite(s->scores[0].value) ? s->scores[0].value : 0;
}

void as_ci_count(as_ci_tally *tally, const as_sample *sample) {
    tally->count++;
    if (as_outcome_is_error(sample->outcome))
        tally->errors++;
    else if (score_of_case(sample) >= 1)
        tally->passed++;
    else
        tally->failed++;
    tally->tokens_in += sample->tokens_in;
    tally->tokens_out += sample->tokens_out;
}

// ---- csv ----

// A cell in quotes. One that a spreadsheet would take for a formula is kept text by an apostrophe.
static void put_cell(as_buf *out, as_str text) {
    as_buf_char(out, '"');
    if (text.len && strchr("=+-@\t\r\n", text.ptr[0])) as_buf_char(out, '\'');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"') as_buf_char(out, '"');
        if (text.ptr[i]) as_buf_char(out, text.ptr[i]);
    }
    as_buf_char(out, '"');
}

static void put_number(as_buf *out, double value) {
    as_buf_char(out, ',');
    if (isfinite(value)) as_buf_f64(out, value);
}

// NaN, an empty cell, for a metric that has no score for each case.
static double score_of(const as_sample *sample, as_str name) {
    for (size_t i = 0; i < sample->score_count; i++)
        if (as_str_eq(sample->scores[i].name, name)) return sample->scores[i].value;
    return NAN;
}

static void csv_begin(as_buf *out, const as_summary *run) {
    as_buf_text(out, "id,outcome,expected,prediction,output,error,latency_ms,ttft_ms,tokens_in,"
                     "tokens_out,cost");
    for (size_t i = 0; i < run->metric_count; i++) {
        as_buf_char(out, ',');
        put_cell(out, run->metrics[i].name);
    }
    as_buf_text(out, "\r\n");
}

static void csv_sample(as_buf *out, const as_summary *run, const as_ci_tally *before,
                       const as_sample *s) {
    (void)before;
    as_arena arena = {0};
    as_str expected = s->expected ? as_json_plain(&arena, s->expected) : AS_STR("");
    const as_str cells[] = {s->id,     as_str_of(as_outcome_name(s->outcome)),
                            expected,  s->prediction,
                            s->output, s->error};
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        if (i) as_buf_char(out, ',');
        put_cell(out, cells[i]);
    }
    const double numbers[] = {s->latency_ms, s->ttft_ms, (double)s->tokens_in,
                              (double)s->tokens_out, s->cost};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) put_number(out, numbers[i]);
    for (size_t i = 0; i < run->metric_count; i++)
        put_number(out, score_of(s, run->metrics[i].name));
    as_buf_text(out, "\r\n");
    as_arena_free(&arena);
}

// ---- jsonl ----

static void jsonl_sample(as_buf *out, const as_summary *run, const as_ci_tally *before,
                         const as_sample *s) {
    (void)run;
    (void)before;
    as_sample_write(out, s);
}

// ---- lm-eval ----

static as_str lm_name(as_str name) {
    return as_str_is(name, "accuracy") ? AS_STR("acc") : name;
}

static void lm_begin(as_buf *buf, const as_summary *run) {
    as_arena arena = {0};
    as_json_out o = {.buf = buf, .indent = 1}, *out = &o;
    as_jo_open(out, '{');
    as_jo_key(out, "results");
    as_jo_open(out, '{');
    as_jo_keys(out, run->suite);
    as_jo_open(out, '{');
    as_jo_put_str(out, "alias", run->suite);
    for (size_t i = 0; i < run->metric_count; i++) {
        const as_value *v = &run->metrics[i];
        as_str name = lm_name(v->name);
        as_jo_keys(out, as_strf(&arena, "%.*s,none", AS_STR_ARG(name)));
        as_jo_f64(out, v->value);
        as_jo_keys(out, as_strf(&arena, "%.*s_stderr,none", AS_STR_ARG(name)));
        if (isfinite(v->stderr_))
            as_jo_f64(out, v->stderr_);
        else
            as_jo_str(out, AS_STR("N/A"));
    }
    as_jo_close(out, '}');
    as_jo_close(out, '}');
    static const char *const maps[] = {"group_subtasks", "configs", "versions", "n-shot"};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        as_jo_key(out, maps[i]);
        as_jo_open(out, '{');
        as_jo_close(out, '}');
    }
    as_jo_key(out, "n-samples");
    as_jo_open(out, '{');
    as_jo_keys(out, run->suite);
    as_jo_open(out, '{');
    as_jo_put_u64(out, "original", run->dataset_cases);
    as_jo_put_u64(out, "effective", run->total);
    as_jo_close(out, '}');
    as_jo_close(out, '}');
    as_jo_key(out, "config");
    as_jo_open(out, '{');
    as_jo_put_str(out, "model", AS_STR("assay"));
    as_jo_put_str(out, "model_args", run->target_uri);
    as_jo_close(out, '}');
    as_jo_put_str(out, "git_hash", run->git_commit);
    as_jo_key(out, "task_hashes");
    as_jo_open(out, '{');
    as_jo_keys(out, run->suite);
    as_jo_str(out, run->suite_sha256);
    as_jo_close(out, '}');
    as_jo_put_str(out, "model_source", AS_STR("assay"));
    as_jo_put_str(out, "model_name", run->model_name.len ? run->model_name : run->target_uri);
    as_jo_put_str(out, "date", run->started);
    as_jo_put_str(out, "total_evaluation_time_seconds", as_strf(&arena, "%.3f", run->wall_s));
    as_jo_close(out, '}');
    as_buf_char(buf, '\n');
    as_arena_free(&arena);
}

static void lm_sample(as_buf *buf, const as_summary *run, const as_ci_tally *before,
                      const as_sample *s) {
    (void)run;
    as_arena arena = {0};
    as_json_out o = {.buf = buf}, *out = &o;
    as_str target = s->expected ? as_json_plain(&arena, s->expected) : AS_STR("");
    as_jo_open(out, '{');
    as_jo_put_u64(out, "doc_id", before->count);
    as_jo_key(out, "doc");
    as_jo_open(out, '{');
    as_jo_put_str(out, "id", s->id);
    as_jo_close(out, '}');
    as_jo_put_str(out, "target", target);
    as_jo_key(out, "arguments");
    as_jo_open(out, '{');
    as_jo_close(out, '}');
    as_jo_key(out, "resps");
    as_jo_open(out, '[');
    as_jo_open(out, '[');
    if (s->choice_logprobs)
        for (size_t i = 0; i < s->choice_count; i++) as_jo_f64(out, s->choice_logprobs[i]);
    else
        as_jo_str(out, s->output);
    as_jo_close(out, ']');
    as_jo_close(out, ']');
    as_jo_key(out, "filtered_resps");
    as_jo_open(out, '[');
    as_jo_str(out, s->prediction);
    as_jo_close(out, ']');
    as_jo_put_str(out, "filter", AS_STR("none"));
    as_jo_key(out, "metrics");
    as_jo_open(out, '[');
    for (size_t i = 0; i < s->score_count; i++) as_jo_str(out, lm_name(s->scores[i].name));
    as_jo_close(out, ']');
    as_jo_put_str(out, "prompt_hash", s->prompt_sha256);
    as_jo_put_str(out, "target_hash", as_sha256_of(&arena, target));
    for (size_t i = 0; i < s->score_count; i++) {
        as_jo_keys(out, lm_name(s->scores[i].name));
        as_jo_f64(out, s->scores[i].value);
    }
    as_jo_close(out, '}');
    as_buf_char(buf, '\n');
    as_arena_free(&arena);
}

// ---- promptfoo ----

static void pf_tokens(as_json_out *out, uint64_t in, uint64_t after) {
    as_jo_key(out, "tokenUsage");
    as_jo_open(out, '{');
    as_jo_put_u64(out, "prompt", in);
    as_jo_put_u64(out, "completion", after);
    as_jo_put_u64(out, "total", in + after);
    as_jo_close(out, '}');
}

static void pf_begin(as_buf *buf, const as_summary *run) {
    as_json_out o = {.buf = buf}, *out = &o;
    as_jo_open(out, '{');
    as_jo_put_str(out, "evalId", run->run);
    as_jo_key(out, "results");
    as_jo_open(out, '{');
    as_jo_put_u64(out, "version", 3);
    as_jo_put_str(out, "timestamp", run->started);
    as_jo_key(out, "prompts");
    as_jo_open(out, '[');
    as_jo_open(out, '{');
    as_jo_put_str(out, "raw", run->suite);
    as_jo_put_str(out, "label", run->suite);
    as_jo_put_str(out, "provider", run->target_uri);
    as_jo_close(out, '}');
    as_jo_close(out, ']');
    as_buf_text(buf, ",\"results\":[");
}

static void pf_sample(as_buf *buf, const as_summary *run, const as_ci_tally *before,
                      const as_sample *s) {
    as_json_out o = {.buf = buf}, *out = &o;
    double score = score_of_case(s);
    bool error = as_outcome_is_error(s->outcome), pass = !error && score >= 1;
    if (before->count) as_buf_char(buf, ',');
    as_jo_open(out, '{');
    as_jo_put_u64(out, "promptIdx", 0);
    as_jo_put_u64(out, "testIdx", before->count);
    as_jo_put_str(out, "id", s->id);
    as_jo_key(out, "testCase");
    as_jo_open(out, '{');
    as_jo_key(out, "vars");
    as_jo_open(out, '{');
    as_jo_put_str(out, "id", s->id);
    as_jo_key(out, "expected");
    if (s->expected)
        as_jo_json(out, s->expected);
    else
        as_jo_null(out);
    as_jo_close(out, '}');
    as_jo_close(out, '}');
    as_jo_key(out, "provider");
    as_jo_open(out, '{');
    as_jo_put_str(out, "id", run->target_uri);
    as_jo_close(out, '}');
    as_jo_key(out, "response");
    as_jo_open(out, '{');
    as_jo_put_str(out, "output", s->output);
    if (s->error.len) as_jo_put_str(out, "error", s->error);
    pf_tokens(out, s->tokens_in, s->tokens_out);
    as_jo_close(out, '}');
    as_jo_key(out, "success");
    as_jo_bool(out, pass);
    as_jo_put_f64(out, "score", score);
    as_jo_put_f64(out, "latencyMs", s->latency_ms);
    as_jo_put_f64(out, "cost", s->cost);
    as_jo_put_u64(out, "failureReason", error ? 2 : pass ? 0 : 1);
    as_jo_key(out, "namedScores");
    as_jo_open(out, '{');
    for (size_t i = 0; i < s->score_count; i++) {
        as_jo_keys(out, s->scores[i].name);
        as_jo_f64(out, s->scores[i].value);
    }
    as_jo_close(out, '}');
    as_jo_close(out, '}');
    as_buf_char(buf, '\n');
}

static void pf_end(as_buf *buf, const as_summary *run, const as_ci_tally *all) {
    (void)run;
    as_buf_text(buf, "],\"stats\":");
    as_json_out o = {.buf = buf}, *out = &o;
    as_jo_open(out, '{');
    as_jo_put_u64(out, "successes", all->passed);
    as_jo_put_u64(out, "failures", all->failed);
    as_jo_put_u64(out, "errors", all->errors);
    pf_tokens(out, all->tokens_in, all->tokens_out);
    as_jo_close(out, '}');
    as_buf_text(buf, "}}\n");
}

const as_ci_export as_ci_exports[] = {
    {"csv", "a row a case; formulas are kept text", csv_begin, csv_sample, NULL},
    {"jsonl", "a line a case, as in results.jsonl", NULL, jsonl_sample, NULL},
    {"lm-eval", "results_*.json of lm-evaluation-harness", lm_begin, NULL, NULL},
    {"lm-eval-samples", "samples_*.jsonl of lm-evaluation-harness", NULL, lm_sample, NULL},
    {"promptfoo", "the JSON of promptfoo eval", pf_begin, pf_sample, pf_end},
    {NULL, NULL, NULL, NULL, NULL},
};
