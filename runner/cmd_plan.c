// SPDX-License-Identifier: Apache-2.0
// assay plan SUITE - what a run would take and what it could show, before anything is spent.
//
// Tokens, time and cost: from the suite's last run in the history; without one, from a few cases
// asked of a target in this process; of an endpoint nothing is asked, and only the prompts' sizes
// are counted. What turns between two runs: from the last runs on the same cases, else assumed.
#include <math.h>
#include <string.h>

#include "harness/base/file.h"
#include "harness/base/log.h"
#include "harness/base/thread.h"
#include "metrics/gates/power.h"
#include "reports/report.h"
#include "runner/commands.h"
#include "runner/outputs.h"
#include "runner/plan.h"
#include "runner/source.h"

enum { RUNS_LOOKED_AT = 4, REHEARSED_MAX = 8, BYTES_PER_TOKEN = 4 };

#define FLIPS_ASSUMED 0.10  // a new fine-tune of the same model
#define MARGIN_DEFAULT 0.02 // for slices, where no drop gate names one

typedef struct planning {
    const as_args *args;
    as_arena *arena;
    as_plan plan;
    as_store *store;
    as_scorer *cases; // every case with an empty answer: slices and clusters
    uint64_t prompt_bytes;
    const as_store_run *runs; // of the suite, newest first
    size_t run_count;
    as_scorer *scored[RUNS_LOOKED_AT]; // NULL: cannot be compared
    as_outlook_row *rows;
    as_outlook out;
} planning;

// ---- the cases ----

static as_rc read_case(planning *p, as_arena *scratch, as_case *c, as_err *err) {
    as_request request;
    as_rc rc = as_plan_request(&p->plan, scratch, c, &request, err);
    if (rc) return rc;
    for (size_t i = 0; i < request.message_count; i++)
        p->prompt_bytes += request.messages[i].content.len;
    as_sample sample = {.id = c->id,
                        .expected = c->expected,
                        .weight = c->weight,
                        .samples = p->plan.suite.samples,
                        .cluster = c->cluster,
                        .slices = c->slices,
                        .slice_count = c->slice_count,
                        .output = AS_STR(""),
                        .prediction = AS_STR(""),
                        .ttft_ms = NAN};
    return as_scorer_add(p->cases, scratch, &sample, err);
}

static as_rc read_cases(planning *p, as_err *err) {
    as_dataset *dataset;
    as_rc rc = as_scorer_new(p->plan.metrics, p->plan.suite.metric_count, &p->cases, err);
    if (!rc) rc = as_dataset_open(&p->plan.dataset, &dataset, err);
    if (rc) return rc;
    as_arena scratch = {0};
    bool more = true;
    for (uint64_t i = 0; !rc && more && i < p->plan.case_count; i++) {
        as_case c;
        rc = as_dataset_next(dataset, &scratch, &c, &more, err);
        if (!rc && more) rc = read_case(p, &scratch, &c, err);
        as_arena_reset(&scratch);
    }
    as_dataset_close(dataset);
    as_arena_free(&scratch);
    return rc;
}

// ---- the history ----

// Opened only where it exists: planning leaves nothing behind.
static as_rc open_history(planning *p, as_err *err) {
    as_str url = p->args->store;
    bool sqlite = as_str_starts(url, AS_STR("sqlite:"));
    if (sqlite) {
        as_str path = as_str_copy(p->arena, as_str_sub(url, strlen("sqlite:"), url.len));
        if (!as_file_exists(path.ptr)) return AS_OK;
    }
    as_rc rc = as_store_open(url, &p->store, err);
    if (!rc)
        rc = as_store_list(p->store, p->arena, p->plan.suite.name, AS_STR(""), RUNS_LOOKED_AT,
                           &p->runs, &p->run_count, err);
    return rc;
}

static bool same_cases(const planning *p, const as_summary *run) {
    return as_str_eq(run->dataset_sha256, p->plan.facts.sha256);
}

// Runs of these cases, scored, so that pairs of them say what turns.
static void score_runs(planning *p) {
    for (size_t i = 0; i < p->run_count; i++) {
        const as_summary *run = &p->runs[i].summary;
        as_err err = {0};
        as_source source;
        if (!same_cases(p, run)) continue;
        as_rc rc = as_source_find(p->arena, as_strf(p->arena, "run:%.*s", AS_STR_ARG(run->run)),
                                  p->args->store, &p->store, p->plan.suite.name, &source, &err);
        if (!rc)
            rc = as_source_score(&source, p->plan.metrics, p->plan.suite.metric_count,
                                 &p->scored[i], &err);
        if (rc) as_log_debug("run %.*s cannot be used: %s", AS_STR_ARG(run->run), err.text);
    }
}

// ---- what it takes ----

static as_str target_uri(const planning *p) {
    if (p->args->targets.count) return p->args->targets.items[0];
    return p->plan.suite.target_count ? p->plan.suite.targets[0].text : AS_STR("");
}

static bool from_history(planning *p) {
    const as_summary *best = NULL;
    for (size_t i = 0; i < p->run_count; i++) {
        const as_summary *run = &p->runs[i].summary;
        if (!run->total || !run->ok) continue;
        if (!best) best = run;
        if (!as_str_eq(run->target_uri, p->out.target)) continue;
        best = run;
        break;
    }
    if (!best) return false;
    double answers = (double)p->out.cases * (double)p->plan.suite.samples;
    double scale = answers / (double)(best->answers ? best->answers : best->total);
    bool same = as_str_eq(best->target_uri, p->out.target);
    p->out.tokens_in = scale * (double)best->tokens_in;
    p->out.tokens_out = scale * (double)best->tokens_out;
    p->out.time_s = scale * best->wall_s;
    p->out.cost = scale * best->cost_total;
    if (best->currency.len) p->out.currency = best->currency;
    p->out.basis = as_strf(p->arena, "run %.*s%s", AS_STR_ARG(best->run),
                           same ? "" : ", which had another target");
    return true;
}

typedef struct rehearsal {
    double latency_ms, tokens_in, tokens_out;
    size_t count;
} rehearsal;

static as_rc ask_some(planning *p, const as_target_ops *ops, as_target *target, rehearsal *r,
                      as_err *err) {
    as_target_worker *worker;
    as_dataset *dataset;
    as_rc rc = ops->worker_new(target, &worker, err);
    if (rc) return rc;
    rc = as_dataset_open(&p->plan.dataset, &dataset, err);
    as_arena scratch = {0};
    bool more = !rc;
    while (!rc && more && r->count < REHEARSED_MAX && r->count < p->plan.case_count) {
        as_case c;
        as_request request;
        as_answer answer;
        rc = as_dataset_next(dataset, &scratch, &c, &more, err);
        if (rc || !more) break;
        rc = as_plan_request(&p->plan, &scratch, &c, &request, err);
        if (rc) break;
        ops->answer(worker, &scratch, &request, &answer);
        r->latency_ms += answer.latency_ms;
        r->tokens_in += (double)answer.tokens_in;
        r->tokens_out += (double)answer.tokens_out;
        r->count++;
        as_arena_reset(&scratch);
    }
    if (dataset) as_dataset_close(dataset);
    as_arena_free(&scratch);
    ops->worker_free(worker);
    return rc;
}

// A target in this process costs nothing to ask.
static bool is_local(as_str uri) {
    return as_str_starts(uri, AS_STR("gguf:")) || as_str_starts(uri, AS_STR("mock:")) ||
           as_str_starts(uri, AS_STR("replay:"));
}

static as_rc from_rehearsal(planning *p, as_err *err) {
    const as_target_ops *ops;
    as_target *target;
    rehearsal r = {0};
    as_str dir = p->args->targets.count ? AS_STR(".") : p->plan.suite.dir;
    as_rc rc = as_target_resolve(p->out.target, &ops, err);
    if (!rc) rc = ops->open(p->out.target, dir, &target, err);
    if (rc) return rc;
    if (as_plan_task(&p->plan.suite) == AS_TASK_EMBED) rc = as_target_can_embed(ops, target, err);
    if (!rc) rc = ask_some(p, ops, target, &r, err);
    size_t workers = ops->info(target)->workers;
    if (!workers) workers = as_thread_cpus();
    if (p->args->concurrency > 0) workers = (size_t)p->args->concurrency;
    size_t threads = ops->info(target)->threads;
    if (threads && threads < workers) workers = threads;
    ops->close(target);
    if (rc || !r.count) return rc;
    double answers = (double)p->out.cases * (double)p->plan.suite.samples;
    double scale = answers / (double)r.count;
    p->out.tokens_in = scale * r.tokens_in;
    p->out.tokens_out = scale * r.tokens_out;
    p->out.time_s = scale * r.latency_ms / 1000 / (double)workers;
    p->out.cost = 0; // in this process: no prices
    p->out.basis = as_strf(p->arena, "%zu rehearsed cases", r.count);
    return AS_OK;
}

static as_rc estimate_needs(planning *p, as_err *err) {
    p->out.tokens_in = p->out.tokens_out = p->out.time_s = p->out.cost = NAN;
    p->out.target = target_uri(p);
    p->out.currency = AS_STR("USD");
    if (from_history(p)) return AS_OK;
    if (is_local(p->out.target)) return from_rehearsal(p, err);
    p->out.tokens_in =
        ceil((double)p->prompt_bytes / BYTES_PER_TOKEN) * (double)p->plan.suite.samples;
    p->out.basis = AS_STR("the prompts' sizes, at 4 bytes a token");
    return AS_OK;
}

// ---- what it shows ----

// The widest spread among the runs next to one another: a new model may turn as many.
static bool power_of_history(planning *p, const as_gate_spec *spec, double n, as_power *out,
                             double *flips) {
    bool found = false;
    for (size_t i = 0; i + 1 < p->run_count; i++) {
        as_power power;
        double share;
        if (!p->scored[i] || !p->scored[i + 1]) continue;
        if (!as_power_of_runs(p->arena, spec, p->scored[i + 1], p->scored[i], n, &power, &share))
            continue;
        if (found && !(power.mde > out->mde)) continue;
        *out = power;
        *flips = share;
        found = true;
    }
    return found;
}

static void add_row(planning *p, const as_gate_spec *spec, as_str gate) {
    as_outlook_row row = {.gate = gate,
                          .metric = spec->metric,
                          .slice = spec->slice,
                          .margin = NAN,
                          .mde = NAN,
                          .drop = spec->op == AS_DROP,
                          .relative = spec->relative};
    as_power_count(p->cases, spec->slice, &row.cases, &row.clusters);
    double n = (double)row.cases, flips;
    bool share = as_power_is_share(p->cases, spec->metric);
    as_power power;
    if (!row.drop) {
        row.mde = share && !spec->every ? as_power_of_limit(spec->limit, n) : NAN;
        row.known = isfinite(row.mde);
    } else if (row.cases) {
        row.margin = spec->limit;
        row.measured = row.known = power_of_history(p, spec, n, &power, &flips);
        if (!row.known && share) {
            power = as_power_of_flips(p->out.flips, (double)row.clusters, spec->limit);
            power.needed = (uint64_t)ceil((double)power.needed * n / fmax(1, (double)row.clusters));
            row.known = true;
        }
        if (row.known) row.mde = power.mde, row.needed = power.needed;
    }
    p->rows[p->out.count++] = row;
}

// As it stands in the summary: the suite may give it a name of its own.
static as_str metric_name(const planning *p, size_t i) {
    const as_yaml *options = p->plan.metrics[i].options;
    const as_yaml *named = options ? as_yaml_get(options, "as") : NULL;
    return named ? named->text : p->plan.metrics[i].name;
}

// The share of cases that turn on the suite's first 0..1 metric.
static void find_flips(planning *p) {
    p->out.flips = FLIPS_ASSUMED;
    p->out.spread = AS_STR("assumed, there are no two runs of these cases to compare");
    for (size_t i = 0; i < p->plan.suite.metric_count; i++) {
        as_gate_spec spec = {.metric = metric_name(p, i),
                             .slice = AS_STR(""),
                             .op = AS_DROP,
                             .limit = MARGIN_DEFAULT};
        as_power power;
        double flips = NAN;
        if (!power_of_history(p, &spec, (double)p->out.cases, &power, &flips)) continue;
        if (isnan(flips)) continue;
        p->out.flips = flips;
        p->out.spread = AS_STR("the most between two runs next to one another in the history");
        return;
    }
}

static void look_ahead(planning *p) {
    const as_str *names;
    size_t slices = as_power_slices(p->cases, &names), gates = p->plan.gate_count;
    p->rows = AS_NEW_ARRAY(p->arena, as_outlook_row, (gates + 1) * (slices + 1) + slices + 1);
    find_flips(p);
    double margin = MARGIN_DEFAULT;
    as_str metric = metric_name(p, 0);
    for (size_t i = gates; i-- > 0;) {
        const as_gate_spec *spec = &p->plan.gates[i];
        if (spec->op != AS_DROP || spec->relative || !(spec->limit > 0)) continue;
        if (!as_power_is_share(p->cases, spec->metric)) continue;
        metric = spec->metric;
        margin = spec->limit;
    }
    size_t count = gates;
    const as_gate_spec *specs = as_gate_expand(p->arena, p->plan.gates, &count, names, slices);
    for (size_t i = 0; i < count; i++) add_row(p, &specs[i], specs[i].text);
    if (!metric.len) return;
    for (size_t i = 0; i <= slices; i++) {
        as_str slice = i ? names[i - 1] : AS_STR("");
        as_gate_spec spec = {.metric = metric, .slice = slice, .op = AS_DROP, .limit = margin};
        add_row(p, &spec, AS_STR(""));
    }
}

static as_rc make_outlook(planning *p, as_err *err) {
    as_rc rc = read_cases(p, err);
    if (!rc) rc = open_history(p, err);
    if (rc) return rc;
    score_runs(p);
    p->out.suite = p->plan.suite.name;
    p->out.cases = p->plan.case_count;
    p->out.skipped = p->plan.facts.cases - p->plan.case_count;
    as_power_count(p->cases, AS_STR(""), &(uint64_t){0}, &p->out.clusters);
    rc = estimate_needs(p, err);
    if (!rc) look_ahead(p);
    p->out.rows = p->rows;
    return rc;
}

static as_rc print(const planning *p, as_err *err) {
    as_buf text = {0};
    if (p->args->json)
        as_report_outlook_json(&text, &p->out);
    else
        as_report_outlook_terminal(&text, &p->out, as_outputs_color(p->args->no_color),
                                   as_outputs_columns());
    as_rc rc = as_outputs_print(as_buf_view(&text), err);
    as_buf_free(&text);
    return rc;
}

static as_rc load(planning *p, as_err *err) {
    as_buf problems = {0};
    as_rc rc = as_plan_load(p->arena, as_str_copy(p->arena, p->args->operands.items[0]).ptr,
                            p->args->gates.items, p->args->gates.count, (uint64_t)p->args->limit,
                            &p->plan, &problems);
    as_str text = as_buf_view(&problems);
    while (text.len) {
        as_str line = as_str_cut(&text, '\n');
        if (text.len || !rc)
            as_log_error("%.*s", AS_STR_ARG(line));
        else
            as_fail(err, AS_INVALID, "%.*s", AS_STR_ARG(line));
    }
    if (rc && !problems.len) as_fail(err, AS_INVALID, "the suite cannot be loaded");
    as_buf_free(&problems);
    return rc;
}

int as_cmd_plan(const as_args *args) {
    as_err err = {0};
    if (args->operands.count != 1) {
        as_fail(&err, AS_INVALID, "plan: name one suite file (see: assay help plan)");
        return as_command_fail(&err);
    }
    as_arena arena = {0};
    planning p = {.args = args, .arena = &arena};
    as_rc rc = load(&p, &err);
    if (!rc) {
        rc = make_outlook(&p, &err);
        if (!rc) rc = print(&p, &err);
        as_plan_free(&p.plan);
    }
    for (size_t i = 0; i < RUNS_LOOKED_AT; i++)
        if (p.scored[i]) as_scorer_free(p.scored[i]);
    if (p.cases) as_scorer_free(p.cases);
    as_store_close(p.store);
    as_arena_free(&arena);
    return rc ? as_command_fail(&err) : 0;
}
