// SPDX-License-Identifier: Apache-2.0
// assay report [RUN] - the page of one run, or without RUN the trend of a suite over the history.
#include "harness/base/log.h"
#include "reports/report.h"
#include "runner/chronicle.h"
#include "runner/commands.h"
#include "runner/judge.h"
#include "runner/outputs.h"

static as_rc write_page(const as_args *args, as_arena *arena, const char *otherwise,
                        const as_buf *page, as_err *err) {
    const char *path = args->out.len ? as_str_copy(arena, args->out).ptr : otherwise;
    as_rc rc = as_file_replace(path, as_buf_view(page), err);
    if (rc) {
        err->rc = rc = AS_INVALID; // nothing was measured: the path is what is wrong
        return rc;
    }
    return as_outputs_print(as_strf(arena, "%s\n", path), err);
}

// The page is judged anew only to show what changed; the stored verdict stays the headline.
static as_rc run_page(const as_args *args, as_arena *arena, as_store **store, as_err *err) {
    as_source source;
    as_judge_request q = {
        .baseline = args->baseline, .store_url = args->store, .store = store, .now = &source};
    as_rc rc = as_source_find(arena, args->operands.items[0], args->store, store, args->suite,
                              &source, err);
    if (!rc) rc = as_source_metrics(&source, arena, &q.metrics, &q.metric_count, err);
    if (!rc) rc = as_source_score(&source, q.metrics, q.metric_count, &q.now_scorer, err);
    if (rc) return rc;
    if (!source.has_summary) as_scorer_summarize(q.now_scorer, arena, &source.summary);
    if (!q.baseline.len)
        q.baseline =
            source.summary.gate.baseline.len ? source.summary.gate.baseline : AS_STR("none");
    as_gate stored = source.summary.gate;
    as_plan plan;
    as_buf problems = {0};
    bool planned =
        source.summary.suite_path.len &&
        as_plan_load(arena, source.summary.suite_path.ptr, NULL, 0, 0, &plan, &problems) == AS_OK &&
        as_str_eq(plan.facts.sha256, source.summary.dataset_sha256);
    as_buf_free(&problems);
    if (planned)
        q.plan = &plan;
    else
        as_log_info("the suite's dataset is not at hand as it was: inputs are left out");
    as_judgement judgement;
    rc = as_judge(arena, &q, &source.summary, &judgement, err);
    if (!rc) {
        source.summary.gate = stored;
        as_buf page = {0};
        as_report_html(&page, &source.summary,
                       judgement.has_base && judgement.base.has_summary ? &judgement.base.summary
                                                                        : NULL,
                       &judgement.findings);
        rc = write_page(args, arena, "report.html", &page, err);
        as_buf_free(&page);
        as_judgement_free(&judgement);
    }
    if (planned) as_plan_free(&plan);
    as_scorer_free(q.now_scorer);
    return rc;
}

static as_rc trend_page(const as_args *args, as_arena *arena, as_store **store, as_err *err) {
    as_chronicle_request request = {
        .suite = args->suite, .since = args->since, .cases = true, .inputs = true};
    as_timeline line;
    as_rc rc = as_store_open(args->store, store, err);
    request.store = *store;
    if (!rc) rc = as_chronicle_gather(arena, &request, &line, err);
    if (!rc && !line.count)
        rc = as_fail(err, AS_UNMEASURED, "the history has no runs%s%.*s%s",
                     args->suite.len ? " of suite '" : "", AS_STR_ARG(args->suite),
                     args->suite.len ? "'" : "");
    if (rc) return rc;
    as_buf page = {0};
    as_report_trend_html(&page, &line);
    rc = write_page(args, arena, "trend.html", &page, err);
    as_buf_free(&page);
    return rc;
}

int as_cmd_report(const as_args *args) {
    as_err err = {0};
    as_arena arena = {0};
    as_store *store = NULL;
    as_rc rc = AS_OK;
    if (args->operands.count > 1)
        rc = as_fail(&err, AS_INVALID, "report: name one run, or none for the trend");
    else if (args->operands.count)
        rc = run_page(args, &arena, &store, &err);
    else
        rc = trend_page(args, &arena, &store, &err);
    as_store_close(store);
    as_arena_free(&arena);
    return rc ? as_command_fail(&err) : 0;
}
