// SPDX-License-Identifier: Apache-2.0
// assay compare A B - paired comparison of two runs. A is the baseline, deltas are B minus A.
#include "reports/report.h"
#include "runner/commands.h"
#include "runner/outputs.h"
#include "runner/review.h"

typedef struct sides {
    as_source a, b;
    as_scorer *a_scorer, *b_scorer;
    const as_metric_spec *metrics;
    size_t metric_count;
} sides;

static as_rc load(const as_args *args, as_arena *arena, as_store **store, sides *s, as_err *err) {
    const as_str *names = args->operands.items;
    as_rc rc = as_source_find(arena, names[0], args->store, store, AS_STR(""), &s->a, err);
    if (!rc) rc = as_source_find(arena, names[1], args->store, store, AS_STR(""), &s->b, err);
    // B says what is measured: it is the newer one.
    if (!rc) rc = as_source_metrics(&s->b, arena, &s->metrics, &s->metric_count, err);
    if (!rc && !s->metric_count)
        rc = as_fail(err, AS_INVALID, "'%.*s' holds no scores to compare", AS_STR_ARG(names[1]));
    if (!rc) rc = as_source_score(&s->a, s->metrics, s->metric_count, &s->a_scorer, err);
    if (!rc) rc = as_source_score(&s->b, s->metrics, s->metric_count, &s->b_scorer, err);
    // Numbers that a bare results.jsonl does not bring.
    if (!rc && !s->a.has_summary) as_scorer_summarize(s->a_scorer, arena, &s->a.summary);
    if (!rc && !s->b.has_summary) as_scorer_summarize(s->b_scorer, arena, &s->b.summary);
    if (!rc && as_pair_count(s->a_scorer, s->b_scorer).shared == 0)
        rc = as_fail(err, AS_UNMEASURED, "the two runs have no case in common");
    return rc;
}

static as_rc judge(const as_args *args, as_arena *arena, sides *s, as_gate *out, as_err *err) {
    as_gate_spec *specs = AS_NEW_ARRAY(arena, as_gate_spec, args->gates.count);
    for (size_t i = 0; i < args->gates.count; i++) {
        as_rc rc = as_gate_parse_in(arena, args->gates.items[i], s->metrics, s->metric_count,
                                    &specs[i], err);
        if (!rc) continue;
        as_err_prefix(err, "--gate");
        return rc;
    }
    as_gate_judge(arena, specs, args->gates.count, &s->b.summary, s->b_scorer, s->a_scorer,
                  s->a.summary.run, out);
    return AS_OK;
}

static as_rc print(const as_args *args, const sides *s, const as_findings *findings,
                   const as_gate *gate, as_err *err) {
    as_buf text = {0};
    uint64_t cases = as_pair_count(s->a_scorer, s->b_scorer).shared;
    if (args->json)
        as_report_compare_json(&text, findings, cases, gate);
    else
        as_report_compare_terminal(&text, &s->a.summary, &s->b.summary, findings, gate,
                                   as_outputs_color(args->no_color), as_outputs_columns());
    as_rc rc = as_outputs_print(as_buf_view(&text), err);
    as_buf_free(&text);
    return rc;
}

int as_cmd_compare(const as_args *args) {
    as_err err = {0};
    if (args->operands.count != 2) {
        as_fail(&err, AS_INVALID,
                "compare: name two runs, the baseline first (see: assay help "
                "compare)");
        return as_command_fail(&err);
    }
    as_arena arena = {0};
    as_store *store = NULL;
    sides s = {0};
    as_findings findings;
    as_gate gate = {.verdict = AS_PASS};
    as_rc rc = load(args, &arena, &store, &s, &err);
    if (!rc) rc = judge(args, &arena, &s, &gate, &err);
    if (!rc) rc = as_review(&arena, &s.b, s.b_scorer, &s.a, s.a_scorer, NULL, &findings, &err);
    if (!rc) rc = print(args, &s, &findings, &gate, &err);
    int code = rc ? as_command_fail(&err) : as_gate_exit_code(&gate, args->strict);
    if (s.a_scorer) as_scorer_free(s.a_scorer);
    if (s.b_scorer) as_scorer_free(s.b_scorer);
    as_store_close(store);
    as_arena_free(&arena);
    return code;
}
