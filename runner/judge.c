// SPDX-License-Identifier: Apache-2.0
#include "runner/judge.h"

#include "harness/base/log.h"

enum { RUNS_LOOKED_AT = 200 };

// The newest run is one that was stopped early: an older one that went through.
static as_rc find_whole(as_arena *arena, const as_judge_request *q, const as_summary *now,
                        as_judgement *out, as_err *err) {
    const as_store_run *runs;
    size_t count = 0;
    as_rc rc =
        as_store_list(*q->store, arena, now->suite, AS_STR(""), RUNS_LOOKED_AT, &runs, &count, err);
    for (size_t i = 0; !rc && i < count && !out->has_base; i++) {
        const as_summary *run = &runs[i].summary;
        bool usable =
            !run->stopped && run->gate.verdict != AS_FAIL && run->gate.verdict != AS_UNMEASURABLE &&
            as_str_eq(run->dataset_sha256, now->dataset_sha256) && !as_str_eq(run->run, now->run);
        if (!usable) continue;
        out->base = (as_source){.summary = *run, .has_summary = true, .store = *q->store};
        out->has_base = true;
    }
    return rc;
}

// Without --baseline: the newest run of this suite on the same cases that did not fail.
static as_rc find_latest(as_arena *arena, const as_judge_request *q, const as_summary *now,
                         as_judgement *out, as_err *err) {
    as_rc rc = AS_OK;
    if (!q->store_url.len) return AS_OK;
    if (!*q->store) rc = as_store_open(q->store_url, q->store, err);
    as_str run = AS_STR("");
    if (!rc)
        rc = as_store_find(*q->store, arena, AS_STR("latest"), now->suite, now->dataset_sha256,
                           now->run, &run, err);
    if (rc || !run.len) return rc;
    rc = as_store_summary(*q->store, arena, run, &out->base.summary, err);
    if (!rc && out->base.summary.stopped) return find_whole(arena, q, now, out, err);
    out->base.has_summary = true;
    out->base.store = *q->store;
    out->has_base = !rc;
    return rc;
}

// A suite that is new on its branch has no run where the branch began: that is no error.
static as_rc find_merge_base(as_arena *arena, const as_judge_request *q, const as_summary *now,
                             bool *found, as_err *err) {
    as_str run = AS_STR("");
    as_rc rc = *q->store ? AS_OK : as_store_open(q->store_url, q->store, err);
    if (!rc) rc = as_source_run(arena, q->baseline, *q->store, now->suite, now->run, &run, err);
    *found = run.len > 0;
    if (!rc && !*found)
        as_log_warning("the history has no run of '%.*s' at the merge base, nor before it: no "
                       "baseline",
                       AS_STR_ARG(now->suite));
    return rc;
}

static as_rc find_baseline(as_arena *arena, const as_judge_request *q, const as_summary *now,
                           as_judgement *out, as_err *err) {
    if (as_str_is(q->baseline, "none")) return AS_OK;
    if (!q->baseline.len || as_str_is(q->baseline, "latest"))
        return find_latest(arena, q, now, out, err);
    as_rc rc = AS_OK;
    bool found = true;
    if (as_source_is_merge_base(q->baseline)) rc = find_merge_base(arena, q, now, &found, err);
    if (!rc && found)
        rc =
            as_source_find(arena, q->baseline, q->store_url, q->store, now->suite, &out->base, err);
    if (rc) as_err_prefix(err, "baseline");
    out->has_base = !rc && found;
    return rc;
}

static void warn_if_other(const as_summary *now, const as_source *base) {
    if (!base->has_summary) return;
    if (!as_str_eq(now->dataset_sha256, base->summary.dataset_sha256))
        as_log_warning("the baseline was run on another version of the dataset: only the cases "
                       "that both have are compared");
    if (!as_str_eq(now->suite_sha256, base->summary.suite_sha256))
        as_log_warning("the baseline was run with another prompt, task or scoring");
}

as_rc as_judge_baseline(as_arena *arena, const as_judge_request *q, const as_summary *now,
                        as_judgement *out, as_err *err) {
    as_rc rc = find_baseline(arena, q, now, out, err);
    if (!rc && out->has_base) {
        warn_if_other(now, &out->base);
        rc = as_source_score(&out->base, q->metrics, q->metric_count, &out->base_scorer, err);
        if (rc == AS_INVALID && !q->baseline.len) { // nobody asked for this one
            as_log_warning("no baseline: %s", err->text);
            *out = (as_judgement){0};
            rc = AS_OK;
        }
    }
    out->looked = !rc;
    return rc;
}

as_rc as_judge(as_arena *arena, const as_judge_request *q, as_summary *summary, as_judgement *out,
               as_err *err) {
    as_rc rc = out->looked ? AS_OK : as_judge_baseline(arena, q, summary, out, err);
    if (!rc) {
        bool rest = q->sequential && !summary->stopped;
        (rest ? as_gate_judge_rest : as_gate_judge)(arena, q->gates, q->gate_count, summary,
                                                    q->now_scorer, out->base_scorer,
                                                    out->base.summary.run, &summary->gate);
        if (q->sequential)
            as_sequential_apply(q->sequential, arena, summary->stopped, summary->planned,
                                &summary->gate);
        rc = as_review(arena, q->now, q->now_scorer, out->has_base ? &out->base : NULL,
                       out->base_scorer, q->plan, &out->findings, err);
    }
    if (rc) as_judgement_free(out);
    return rc;
}

void as_judgement_free(as_judgement *judgement) {
    if (judgement->base_scorer) as_scorer_free(judgement->base_scorer);
    judgement->base_scorer = NULL;
}
