// SPDX-License-Identifier: Apache-2.0
#include "runner/pages/revisit.h"

#include "harness/base/log.h"
#include "runner/git.h"

static bool load_plan(as_arena *arena, const as_summary *run, as_plan *plan) {
    as_buf problems = {0};
    bool loaded = run->suite_path.len &&
                  as_plan_load(arena, run->suite_path.ptr, NULL, 0, 0, plan, &problems) == AS_OK;
    as_buf_free(&problems);
    if (loaded && as_str_eq(plan->facts.sha256, run->dataset_sha256)) return true;
    if (loaded) as_plan_free(plan);
    as_log_info("the suite's dataset is not at hand as it was: inputs are left out");
    return false;
}

as_rc as_revisit_open(as_arena *arena, const as_revisit_request *request, as_revisit *out,
                      as_err *err) {
    as_revisit r = {.suite_file = AS_STR("")};
    as_summary *run = &r.source.summary;
    as_judge_request q = {.baseline = request->baseline,
                          .store_url = request->store_url,
                          .store = request->store,
                          .now = &r.source};
    as_rc rc = as_source_find(arena, request->reference, request->store_url, request->store,
                              request->suite, &r.source, err);
    if (!rc) rc = as_source_metrics(&r.source, arena, &q.metrics, &q.metric_count, err);
    if (!rc) rc = as_source_score(&r.source, q.metrics, q.metric_count, &r.scorer, err);
    if (rc) return rc;
    q.now_scorer = r.scorer;
    if (!r.source.has_summary) as_scorer_summarize(r.scorer, arena, run);
    if (!q.baseline.len) q.baseline = run->gate.baseline.len ? run->gate.baseline : AS_STR("none");
    if (run->suite_path.len && request->inputs)
        r.suite_file = as_git_path(arena, as_str_copy(arena, run->suite_path).ptr);
    as_gate stored = run->gate;
    as_plan plan;
    bool planned = request->inputs && load_plan(arena, run, &plan);
    if (planned) q.plan = &plan;
    rc = as_judge(arena, &q, run, &r.judgement, err);
    if (planned) as_plan_free(&plan);
    if (rc) {
        as_scorer_free(r.scorer);
        return rc;
    }
    run->gate = stored;
    r.findings = r.judgement.findings;
    *out = r;
    if (out->judgement.has_base && out->judgement.base.has_summary)
        out->baseline = &out->judgement.base.summary;
    return AS_OK;
}

void as_revisit_close(as_revisit *revisit) {
    as_judgement_free(&revisit->judgement);
    as_scorer_free(revisit->scorer);
}
