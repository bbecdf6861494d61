// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdlib.h>
#include <sys/random.h>

#include "harness/base/clock.h"
#include "harness/base/log.h"
#include "harness/base/thread.h"
#include "harness/net/allow.h"
#include "harness/target/remote.h"
#include "reports/report.h"
#include "runner/alert/alerts.h"
#include "runner/bench/arrivals.h"
#include "runner/commands.h"
#include "runner/evaluate.h"
#include "runner/git.h"
#include "runner/judge.h"
#include "runner/judging/alone.h"
#include "runner/load/worst.h"
#include "runner/outputs.h"

enum { RUN_ID_LEN = 23, OPEN_CONCURRENCY = 512, AUTO_CONCURRENCY = 1024 };

// One suite against one target.
typedef struct run {
    const as_args *args;
    as_arena *arena;
    const as_plan *plan;
    as_str id; // of the run; a resumed one keeps its own
    as_str uri, base_dir;
    const as_target_ops *ops;
    as_target *target;
    const char *dir;
    bool several;      // targets, of this suite
    double per_s;      // --rate
    double deadline_s; // 0: none
    as_prices prices;
    const as_price *price; // NULL: no price book
    as_store **store;
    as_scorer *scorer;
    as_similar *similar;
    as_checks *checks;
    as_ordered *ordered; // --sequential
    as_panel *panel;     // judges; NULL: none
    as_sequential *sequential;
    as_failing failing;
    as_summary summary;
    as_judgement judgement;
} run;

// Sorts by start time, to the millisecond; the end tells runs of one millisecond apart.
static as_str new_run_id(as_arena *arena) {
    char when[25];
    int64_t now_ms = as_clock_wall_ms();
    as_clock_rfc3339(now_ms, when);
    unsigned tail = 0;
    if (getrandom(&tail, sizeof tail, 0) != sizeof tail) tail = (unsigned)as_clock_ns();
    return as_strf(arena, "%.4s%.2s%.2sT%.2s%.2s%.2sZ-%03x%03x", when, when + 5, when + 8,
                   when + 11, when + 14, when + 17, (unsigned)(now_ms % 1000), tail & 0xfff);
}

static as_run_header header_of(const run *r) {
    const as_target_info *info = r->ops->info(r->target);
    char when[25];
    as_clock_rfc3339(as_clock_wall_ms(), when);
    return (as_run_header){
        .run = r->id,
        .suite = r->plan->suite.name,
        .suite_sha256 = r->plan->suite.sha256,
        .dataset_sha256 = r->plan->facts.sha256,
        .target_uri = info->uri,
        .model_sha256 = info->model_sha256,
        .started = as_str_copy(r->arena, (as_str){when, 24}),
    };
}

static as_rc differ(const char *dir, const char *what, as_err *err) {
    return as_fail(err, AS_INVALID,
                   "cannot resume '%s': it was started with another %s (start over with --fresh)",
                   dir, what);
}

// An unfinished run in the directory is continued only as what it was.
static as_rc check_same(const char *dir, const as_run_header *old, const as_run_header *now,
                        as_err *err) {
    if (!as_str_eq(old->suite, now->suite)) return differ(dir, "suite", err);
    if (!as_str_eq(old->suite_sha256, now->suite_sha256))
        return differ(dir, "prompt, task or scoring", err);
    if (!as_str_eq(old->dataset_sha256, now->dataset_sha256)) return differ(dir, "dataset", err);
    if (!as_str_eq(old->model_sha256, now->model_sha256)) return differ(dir, "model", err);
    // A model behind a name has no hash: then the name is all there is. Keys may change.
    as_str before = old->target_uri, after = now->target_uri;
    if (!now->model_sha256.len && !as_str_eq(as_str_cut(&before, '?'), as_str_cut(&after, '?')))
        return differ(dir, "target", err);
    return AS_OK;
}

static bool has_file(as_arena *arena, const char *dir, const char *name) {
    return as_file_exists(as_strf(arena, "%s/%s", dir, name).ptr);
}

// Decides whether the directory is started anew or continued; *header becomes the old one then.
static as_rc prepare_dir(const run *r, as_run_header *header, bool *resume, as_err *err) {
    bool started = has_file(r->arena, r->dir, "run.json");
    bool finished = has_file(r->arena, r->dir, "summary.json");
    *resume = false;
    if (!started || r->args->fresh) return AS_OK;
    if (!r->args->resume && finished) return AS_OK;
    if (!r->args->resume)
        return as_fail(err, AS_INVALID,
                       "'%s' holds an unfinished run: continue it with --resume or throw it away "
                       "with --fresh",
                       r->dir);
    as_run_header old;
    as_rc rc = as_run_header_read(r->arena, r->dir, &old, err);
    if (!rc) rc = check_same(r->dir, &old, header, err);
    if (!rc) {
        *header = old;
        *resume = true;
    }
    return rc;
}

// A finished run's files must not outlive its journal.
static void drop_old_results(const run *r) {
    for (size_t i = 0; as_output_names[i]; i++)
        as_file_drop(as_strf(r->arena, "%s/%s", r->dir, as_output_names[i]).ptr);
}

static void fill_identity(run *r, const as_run_header *header) {
    const as_target_info *info = r->ops->info(r->target);
    const as_suite *suite = &r->plan->suite;
    as_git git = as_git_here(r->arena, suite->dir.ptr);
    as_summary *s = &r->summary;
    s->run = header->run;
    s->suite = suite->name;
    s->suite_sha256 = suite->sha256;
    s->suite_path = suite->path;
    s->description = suite->description;
    s->dataset_sha256 = r->plan->facts.sha256;
    s->dataset_cases = r->plan->facts.cases;
    s->target_uri = info->uri;
    s->model_sha256 = info->model_sha256;
    s->model_name = info->model_name;
    const as_request request = {.tools = suite->tools, .chat_template = suite->chat_template};
    if (r->ops->template_sha256)
        s->chat_template_sha256 = r->ops->template_sha256(r->target, &request);
    s->device = info->device;
    s->engine = info->engine;
    s->memory_bytes = info->memory_bytes;
    s->git_commit = git.commit;
    s->git_branch = git.branch;
    s->git_dirty = git.dirty;
    s->started = header->started;
    s->currency = r->price ? r->prices.currency : AS_STR("USD");
}

static as_judge_request request_of(const run *r, const as_source *now) {
    return (as_judge_request){
        .baseline = r->args->baseline,
        .store_url = r->args->no_store && !r->args->baseline.len ? AS_STR("") : r->args->store,
        .store = r->store,
        .now = now,
        .now_scorer = r->scorer,
        .metrics = r->plan->metrics,
        .metric_count = r->plan->suite.metric_count,
        .gates = r->plan->gates,
        .gate_count = r->plan->gate_count,
        .plan = r->plan,
        .sequential = r->sequential,
    };
}

// --sequential: the baseline is needed before the first case, and an order that neither the target
// nor whoever wrote the dataset chose.
static as_rc prepare_sequence(run *r, as_err *err) {
    if (!r->args->sequential) return AS_OK;
    as_summary *s = &r->summary;
    as_judge_request request = request_of(r, NULL);
    as_rc rc = as_judge_baseline(r->arena, &request, s, &r->judgement, err);
    if (rc) return rc;
    size_t able;
    r->sequential = as_sequential_new(r->plan->gates, r->plan->gate_count, r->scorer,
                                      r->judgement.base_scorer, &able);
    if (!able)
        return as_fail(err, AS_INVALID,
                       "--sequential: no gate can be decided early; a threshold or, with a "
                       "baseline, a drop of a score in 0..1 such as accuracy can");
    if (able < r->plan->gate_count)
        as_log_warning(
            "%zu of %zu gates can be decided early; the others need the whole run, which "
            "only a failing gate stops",
            able, r->plan->gate_count);
    s->sequential = true;
    s->planned = r->plan->case_count;
    s->order_seed = as_str_hash(s->dataset_sha256) * 31 +
                    as_str_hash(s->model_sha256.len ? s->model_sha256 : s->target_uri);
    return as_ordered_new(r->plan, s->order_seed, &r->ordered, err);
}

// Says how long the run may take, and makes that its deadline: --deadline, or what the limits of a
// target that waits come to.
static void set_deadline(run *r, size_t at_once) {
    const as_suite *suite = &r->plan->suite;
    const as_target_info *info = r->ops->info(r->target);
    if (r->args->deadline.len) {
        as_log_info("ends after %.*s at the latest (--deadline)",
                    AS_STR_ARG(as_worst_text(r->arena, r->deadline_s)));
        return;
    }
    // Choices may be asked one by one; where each case has its own, how many is not known yet.
    bool choice = as_plan_task(suite) == AS_TASK_CHOICE;
    if (choice && !suite->choice_count) return;
    double worst = as_worst_seconds(info, r->plan->case_count * suite->samples,
                                    choice ? suite->choice_count : 1, at_once, r->per_s);
    if (worst <= 0) return;
    r->deadline_s = worst;
    as_log_info("at worst %.*s, when every request needs all its attempts and time; ends then",
                AS_STR_ARG(as_worst_text(r->arena, worst)));
}

static as_rc evaluate(run *r, as_err *err) {
    as_run_header header = header_of(r);
    bool resume;
    as_rc rc = prepare_dir(r, &header, &resume, err);
    if (rc) return rc;
    if (!resume) drop_old_results(r);
    const as_target_info *info = r->ops->info(r->target);
    size_t workers = info->workers ? info->workers : as_thread_cpus();
    if (r->per_s > 0) workers = OPEN_CONCURRENCY;
    bool adaptive = r->args->concurrency == AS_ARGS_AUTO;
    if (r->args->concurrency > 0) workers = (size_t)r->args->concurrency;
    if (adaptive) workers = AUTO_CONCURRENCY;
    set_deadline(r, adaptive ? 1 : workers);
    as_evaluation evaluation = {
        .plan = r->plan,
        .ops = r->ops,
        .target = r->target,
        .dir = r->dir,
        .header = header,
        .workers = workers,
        .adaptive = adaptive,
        .deadline_ns = (uint64_t)(r->deadline_s * 1e9),
        .per_s = r->per_s,
        .poisson = r->args->poisson,
        .prices = r->price ? &r->prices : NULL,
        .price = r->price,
        .panel = r->panel,
        .resume = resume,
        .show_progress = !r->args->quiet,
    };
    fill_identity(r, &header);
    rc = as_scorer_new(r->plan->metrics, r->plan->suite.metric_count, &r->scorer, err);
    if (!rc) rc = prepare_sequence(r, err);
    evaluation.similar = r->similar;
    evaluation.checks = r->checks;
    evaluation.alone = as_alone_wanted(r->plan);
    if (!rc)
        rc = as_nearest_embed(r->arena, r->plan, r->ops, r->target, workers, &evaluation.documents,
                              err);
    evaluation.ordered = r->ordered;
    evaluation.sequential = r->sequential;
    evaluation.failing = &r->failing;
    if (!rc) rc = as_evaluate(&evaluation, r->arena, r->scorer, &r->summary, err);
    if (rc) return rc;
    as_str twice;
    uint64_t answer;
    if (as_scorer_twice(r->scorer, r->arena, &twice, &answer))
        return as_fail(err, AS_INVALID, "case '%.*s' came twice: the dataset changed meanwhile",
                       AS_STR_ARG(twice));
    as_scorer_summarize(r->scorer, r->arena, &r->summary);
    return AS_OK;
}

// Errors of the target beyond what the suite tolerates: the scores of the rest say too little.
static bool too_many_errors(const run *r) {
    const as_summary *s = &r->summary;
    return s->total == 0 || (double)s->errors > r->plan->suite.max_errors * (double)s->total;
}

// A run that was not measured is no pass, whatever the answered cases say: page, build files and
// history get a check that says so.
static void add_check(run *r, as_check check) {
    as_gate *gate = &r->summary.gate;
    as_check *checks = AS_NEW_ARRAY(r->arena, as_check, gate->count + 1);
    check.slice = AS_STR("");
    check.baseline = check.delta = check.p = check.mde = NAN;
    check.ci = (as_interval){NAN, NAN};
    check.verdict = AS_UNMEASURABLE;
    check.method = AS_STR("threshold");
    checks[0] = check;
    for (size_t i = 0; i < gate->count; i++) checks[i + 1] = gate->checks[i];
    gate->checks = checks;
    gate->count++;
    gate->verdict = AS_UNMEASURABLE;
}

static void judge_errors(run *r) {
    double most = r->plan->suite.max_errors, total = (double)r->summary.total;
    add_check(r,
              (as_check){
                  .gate = as_strf(r->arena, "errors <= %g%%", most * 100),
                  .metric = AS_STR("errors"),
                  .value = total > 0 ? (double)r->summary.errors / total : NAN,
                  .limit = most,
                  .n = r->summary.total,
                  .note = as_strf(
                      r->arena,
                      "%llu of %llu cases ended in an error of the target, more than max_errors: "
                      "the scores of the rest say too little",
                      (unsigned long long)r->summary.errors, (unsigned long long)r->summary.total),
              });
}

// A judge that gave too few verdicts measured nothing, whatever the others say.
static void judge_judges(run *r) {
    as_summary *s = &r->summary;
    for (size_t i = 0; i < s->metric_count; i++) {
        const as_judge_sum *judge = s->metrics[i].judge;
        uint64_t lost = judge ? judge->failed + judge->unread : 0;
        double most = r->plan->suite.max_errors;
        if (!lost || (double)lost <= most * (double)judge->asked) continue;
        add_check(r,
                  (as_check){
                      .gate = as_strf(r->arena, "verdicts of %.*s missing <= %g%%",
                                      AS_STR_ARG(s->metrics[i].name), most * 100),
                      .metric = s->metrics[i].name,
                      .value = (double)lost / (double)judge->asked,
                      .limit = most,
                      .n = judge->asked,
                      .note = as_strf(r->arena,
                                      "%llu of %llu answers of the judge did not come or were "
                                      "not what was asked for, more than max_errors",
                                      (unsigned long long)lost, (unsigned long long)judge->asked),
                  });
    }
}

static as_rc judge_and_write(run *r, as_err *err) {
    as_source now = {.journal = as_strf(r->arena, "%s/results.jsonl", r->dir).ptr,
                     .failing = &r->failing};
    as_judge_request request = request_of(r, &now);
    as_rc rc = as_judge(r->arena, &request, &r->summary, &r->judgement, err);
    if (!rc && too_many_errors(r)) judge_errors(r);
    if (!rc) judge_judges(r);
    const as_summary *base =
        r->judgement.has_base && r->judgement.base.has_summary ? &r->judgement.base.summary : NULL;
    if (!rc) rc = as_outputs_write(r->dir, &r->summary, base, &r->judgement.findings, err);
    if (!rc && !r->args->no_store) {
        rc = as_store_put(*r->store, &r->summary, now.journal, err);
        if (!rc && r->args->tag.len)
            rc = as_store_tag(*r->store, r->summary.run, r->args->tag, err);
    }
    if (rc) return rc;
    as_buf text = {0};
    if (r->args->json)
        as_summary_write(&text, &r->summary);
    else
        as_report_terminal(&text, &r->summary, base, as_outputs_color(r->args->no_color),
                           as_outputs_columns());
    rc = as_outputs_print(as_buf_view(&text), err);
    as_buf_free(&text);
    if (!rc) as_log_info("report: %s/report.html", r->dir);
    return rc;
}

static int finish(run *r) {
    if (too_many_errors(r)) {
        as_log_error("%llu of %llu cases ended in an error of the target; max_errors is %g %%",
                     (unsigned long long)r->summary.errors, (unsigned long long)r->summary.total,
                     r->plan->suite.max_errors * 100);
        return 3;
    }
    return as_gate_exit_code(&r->summary.gate, r->args->strict);
}

// A history that cannot be opened or a baseline that is not there is found before, not after.
static as_rc check_history(const run *r, as_err *err) {
    as_str reference = r->args->baseline;
    as_rc rc = AS_OK;
    if (!r->args->no_store && !*r->store) rc = as_store_open(r->args->store, r->store, err);
    if (!rc && !r->args->no_store) {
        as_store_who(*r->store, as_git_who(r->arena, r->plan->suite.dir.ptr));
        rc = as_store_redact(*r->store, r->args->redact.items, r->args->redact.count, err);
    }
    if (rc || !reference.len || as_str_is(reference, "none") || as_str_is(reference, "latest"))
        return rc;
    if (as_source_is_merge_base(reference)) {
        as_str branch = reference, commits;
        as_str_cut(&branch, ':');
        return as_git_merge_base(r->arena, ".", branch, &commits, err);
    }
    as_source unused;
    rc = as_source_find(r->arena, reference, r->args->store, r->store, r->plan->suite.name, &unused,
                        err);
    if (rc) as_err_prefix(err, "baseline");
    return rc;
}

// Not every endpoint can do every task, nor be asked at a rate; nor does every chat template take
// the turns of a suite.
static as_rc check_task(run *r, as_err *err) {
    const as_suite *suite = &r->plan->suite;
    const as_message turns[] = {{AS_STR("system"), AS_STR("x"), NULL},
                                {AS_STR("user"), AS_STR("x"), NULL},
                                {AS_STR("assistant"), AS_STR("x"), NULL},
                                {AS_STR("user"), AS_STR("x"), NULL}};
    bool system = suite->system.text.len > 0, chats = as_plan_task(suite) != AS_TASK_ROLLING;
    size_t own = chats ? (suite->few_shot_count ? 3u : 1u) + (system ? 1u : 0u) : 0;
    as_request request = {.task = as_plan_task(suite),
                          .messages = system ? turns : turns + 1,
                          .message_count = own,
                          .raw = !suite->chat,
                          .tools = suite->tools,
                          .chat_template = suite->chat_template,
                          .date = suite->date,
                          .special_tokens = suite->special_tokens,
                          .min_p = suite->min_p,
                          .constraint = as_plan_constraint(suite),
                          .logprobs = suite->logprobs,
                          .top_logprobs = suite->top_logprobs};
    if (r->plan->talk_count) { // whatever a target cannot take of what cases bring, it says now
        request.messages = r->plan->talk;
        request.message_count = r->plan->talk_count;
    }
    if (suite->samples > 1 && suite->temperature == 0 && as_str_starts(r->uri, AS_STR("gguf:")))
        as_log_warning(
            "generate.samples %llu at temperature 0: the embedded engine gives one answer "
            "again and again; set generate.temperature",
            (unsigned long long)suite->samples);
    as_rc rc = r->args->rate.len ? as_arrivals_rate(r->args->rate, &r->per_s, err) : AS_OK;
    if (!rc && r->args->deadline.len) rc = as_worst_parse(r->args->deadline, &r->deadline_s, err);
    if (!rc && r->args->poisson && !r->args->rate.len)
        rc = as_fail(err, AS_INVALID, "--poisson says how --rate is spread: give one");
    if (!rc && r->per_s > 0 && !r->ops->begin)
        rc = as_fail(err, AS_INVALID, "--rate needs a target behind HTTP, not '%.*s'",
                     AS_STR_ARG(r->uri));
    if (!rc && r->args->concurrency == AS_ARGS_AUTO && (!r->ops->begin || r->per_s > 0))
        rc = as_fail(
            err, AS_INVALID,
            "--concurrency auto is for a closed loop and a target behind HTTP, not %s%.*s%s",
            r->per_s > 0 ? "--rate" : "'", r->per_s > 0 ? 0 : (int)r->uri.len, r->uri.ptr,
            r->per_s > 0 ? "" : "'");
    if (rc) return rc;
    if (request.task == AS_TASK_EMBED) return as_target_can_embed(r->ops, r->target, err);
    if (as_alone_wanted(r->plan) && as_target_can_alone(r->ops, r->target, err)) return AS_INVALID;
    return as_target_accepts(r->ops, r->target, &request, err);
}

// --prices: the book must have the model, or costs would be silently 0.
static as_rc check_prices(run *r, as_err *err) {
    if (!r->args->prices.len) return AS_OK;
    const char *path = as_str_copy(r->arena, r->args->prices).ptr;
    as_rc rc = as_prices_read(r->arena, path, &r->prices, err);
    if (rc) return rc;
    as_str model = r->ops->info(r->target)->model_name;
    r->price = as_prices_find(&r->prices, model);
    if (!r->price)
        return as_fail(err, AS_INVALID, "price book '%s' (version %.*s) has no price for '%.*s'",
                       path, AS_STR_ARG(r->prices.version), AS_STR_ARG(model));
    as_log_debug("prices of version %.*s", AS_STR_ARG(r->prices.version));
    return AS_OK;
}

static as_rc check_scoring(const run *r, as_err *err) {
    as_task task = as_plan_task(&r->plan->suite);
    bool scores = task == AS_TASK_LOGLIKELIHOOD || task == AS_TASK_ROLLING;
    if (!scores || r->ops->scores_texts) return AS_OK;
    return as_fail(err, AS_INVALID,
                   "target '%.*s' gives no log-probability of a given text, which task '%s' needs; "
                   "gguf:, replay:, tgi: and openai:URL#MODEL+completions do",
                   AS_STR_ARG(r->uri), task == AS_TASK_ROLLING ? "rolling" : "loglikelihood");
}

// The most serious of two exit codes: interrupted, wrong request, not measured, failed, undecided.
static int worse(int a, int b) {
    static const int order[] = {130, 2, 3, 1, 4};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (a == order[i] || b == order[i]) return order[i];
    return 0;
}

// Whoever the suite names is told, once everything else is written.
static as_rc tell(run *r, as_err *err) {
    const as_alert_rules *rules = r->plan->suite.alert;
    if (!rules || r->args->no_alert) return AS_OK;
    if (r->args->limit) {
        as_log_info("alert: nothing is said of a part of the cases (--limit)");
        return AS_OK;
    }
    as_alerts_request request = {
        .rules = rules,
        .run = &r->summary,
        .findings = &r->judgement.findings,
        .dir = as_alerts_dir(r->arena, r->args->spool),
        .store = r->args->no_store ? NULL : *r->store,
        .several_targets = r->several,
        .measured = !too_many_errors(r),
    };
    return as_alerts_after(r->arena, &request, err);
}

// The suite's list of hosts, unless the command line has one: the operator's word comes first.
static as_rc allow_hosts(const run *r, as_err *err) {
    const as_suite *suite = &r->plan->suite;
    if (r->args->allow_hosts.count) return AS_OK;
    as_allow_clear();
    as_rc rc = AS_OK;
    for (size_t i = 0; !rc && i < suite->allow_host_count; i++) {
        const as_suite_text *host = &suite->allow_hosts[i];
        rc = as_allow_add(host->text, err);
        if (rc)
            as_err_prefix(err, "%.*s:%zu:%zu: allow_hosts", AS_STR_ARG(suite->path), host->line,
                          host->column);
    }
    return rc;
}

static int run_target(run *r) {
    as_err err = {0};
    as_rc rc = allow_hosts(r, &err);
    if (!rc) rc = as_target_resolve(r->uri, &r->ops, &err);
    if (!rc) rc = r->ops->open(r->uri, r->base_dir, &r->target, &err);
    if (rc) return as_command_fail(&err);
    rc = check_scoring(r, &err);
    if (!rc) rc = check_task(r, &err);
    if (!rc) rc = check_prices(r, &err);
    if (!rc) rc = as_panel_new(r->plan, r->price ? &r->prices : NULL, &r->panel, &err);
    if (!rc)
        rc = as_similar_new(r->plan->metrics, r->plan->suite.metric_count, r->plan->suite.dir,
                            &r->similar, &err);
    if (!rc)
        rc = as_checks_new(r->plan->metrics, r->plan->suite.metric_count, r->plan->suite.dir,
                           r->args, &r->checks, &err);
    if (!rc) rc = check_history(r, &err);
    if (!rc) rc = evaluate(r, &err);
    if (!rc) rc = judge_and_write(r, &err);
    int code = rc ? as_command_fail(&err) : finish(r);
    if (!rc && tell(r, &err)) code = worse(code, as_command_fail(&err));
    as_panel_free(r->panel);
    as_judgement_free(&r->judgement);
    as_failing_free(&r->failing);
    as_sequential_free(r->sequential);
    as_ordered_free(r->ordered);
    as_similar_free(r->similar);
    as_checks_free(r->checks);
    if (r->scorer) as_scorer_free(r->scorer);
    r->ops->close(r->target);
    return code;
}

// The newest run directory of this suite that was not finished, for --resume without --out.
static const char *run_dir(as_arena *arena, const as_args *args, const as_plan *plan, as_str id,
                           size_t index, size_t count) {
    if (args->out.len && count == 1) return as_str_copy(arena, args->out).ptr;
    if (args->out.len)
        return as_strf(arena, "%.*s/%.*s-%zu", AS_STR_ARG(args->out), AS_STR_ARG(plan->suite.name),
                       index + 1)
            .ptr;
    if (args->resume) {
        const char *dir = as_dir_newest(arena, ".assay/runs", "run.json", "summary.json");
        if (dir) return dir;
    }
    return as_strf(arena, ".assay/runs/%.*s", AS_STR_ARG(id)).ptr;
}

typedef struct suite_work {
    as_plan plan;
    const as_suite_text *targets;
    size_t target_count;
} suite_work;

// Several targets, one page: the first is the baseline. JSON is one document a run and stays so.
static int compare_targets(const as_args *args, const as_str *dirs, size_t count) {
    as_args with = {.store = args->store, .no_color = args->no_color, .strict = args->strict};
    if (args->json || count > AS_ARGS_LIST_MAX) return 0;
    for (size_t i = 0; i < count; i++) with.operands.items[with.operands.count++] = dirs[i];
    return as_cmd_compare(&with);
}

static int run_suite(const as_args *args, as_arena *arena, const suite_work *work, size_t first,
                     size_t total, as_store **store) {
    int code = 0;
    size_t count = args->targets.count ? args->targets.count : work->plan.suite.target_count;
    as_str *dirs = AS_NEW_ARRAY(arena, as_str, count + 1);
    for (size_t i = 0; i < count && code != 130; i++) {
        bool given = args->targets.count > 0;
        as_str id = new_run_id(arena);
        run r = {
            .id = id,
            .args = args,
            .arena = arena,
            .plan = &work->plan,
            .uri = given ? args->targets.items[i] : work->plan.suite.targets[i].text,
            // A path on the command line is relative to where it is typed.
            .base_dir = given ? AS_STR(".") : work->plan.suite.dir,
            .dir = run_dir(arena, args, &work->plan, id, first + i, total),
            .store = store,
            .several = count > 1,
        };
        dirs[i] = as_str_of(r.dir);
        code = worse(code, run_target(&r));
    }
    if (count > 1 && code != 130 && code != 2 && code != 3)
        code = worse(code, compare_targets(args, dirs, count));
    return code;
}

// Every suite is checked before the first one is run.
static bool load_suites(const as_args *args, as_arena *arena, suite_work *works, size_t *total) {
    as_buf problems = {0};
    for (size_t i = 0; i < args->operands.count; i++) {
        as_buf found = {0};
        as_rc rc =
            as_plan_load(arena, as_str_copy(arena, args->operands.items[i]).ptr, args->gates.items,
                         args->gates.count, (uint64_t)args->limit, &works[i].plan, &found);
        if (rc && !found.len) as_buf_text(&found, "the suite cannot be loaded\n");
        size_t targets =
            args->targets.count ? args->targets.count : works[i].plan.suite.target_count;
        if (!rc && !targets)
            as_suite_problem(&found, &works[i].plan.suite, 1, 1,
                             "no target: add 'target:' or say --target URI");
        *total += targets;
        as_buf_str(&problems, as_buf_view(&found));
        as_buf_free(&found);
    }
    as_str text = as_buf_view(&problems);
    while (text.len) {
        as_str line = as_str_cut(&text, '\n');
        as_log_error("%.*s", AS_STR_ARG(line));
    }
    bool ok = !problems.len;
    as_buf_free(&problems);
    return ok;
}

int as_cmd_run(const as_args *args) {
    as_err err = {0};
    if (!args->operands.count) {
        as_fail(&err, AS_INVALID, "run: name a suite file (see: assay help run)");
        return as_command_fail(&err);
    }
    if (args->cache.len && as_remote_cache(args->cache.ptr, &err)) return as_command_fail(&err);
    as_arena arena = {0};
    as_store *store = NULL;
    suite_work *works = AS_NEW_ARRAY(&arena, suite_work, args->operands.count);
    size_t total = 0, first = 0;
    int code = load_suites(args, &arena, works, &total) ? 0 : 2;
    for (size_t i = 0; i < args->operands.count; i++) {
        if (code != 2 && code != 130)
            code = worse(code, run_suite(args, &arena, &works[i], first, total, &store));
        first += args->targets.count ? args->targets.count : works[i].plan.suite.target_count;
        as_plan_free(&works[i].plan);
    }
    as_store_close(store);
    as_arena_free(&arena);
    return code;
}
