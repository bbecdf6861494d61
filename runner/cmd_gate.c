// SPDX-License-Identifier: Apache-2.0
// assay gate RUN - judges a stored run again: with the gates it was run with, and those of --gate.
#include "reports/report.h"
#include "runner/commands.h"
#include "runner/judge.h"
#include "runner/outputs.h"

// The gates that the run was judged with, then those of the command line.
static as_rc collect_gates(as_arena *arena, const as_args *args, const as_summary *summary,
                           as_judge_request *q, as_err *err) {
    as_gate_spec *specs =
        AS_NEW_ARRAY(arena, as_gate_spec, summary->gate.count + args->gates.count);
    as_rc rc = AS_OK;
    for (size_t i = 0; !rc && i < summary->gate.count; i++)
        rc = as_gate_parse_in(arena, summary->gate.checks[i].gate, q->metrics, q->metric_count,
                              &specs[q->gate_count++], err);
    for (size_t i = 0; !rc && i < args->gates.count; i++) {
        rc = as_gate_parse_in(arena, args->gates.items[i], q->metrics, q->metric_count,
                              &specs[q->gate_count++], err);
        if (rc) as_err_prefix(err, "--gate");
    }
    if (!rc && !q->gate_count)
        rc = as_fail(err, AS_INVALID, "the run has no gates: name one with --gate 'EXPR'");
    q->gates = specs;
    return rc;
}

static as_rc judge(const as_args *args, as_arena *arena, as_store **store, as_summary *summary,
                   as_err *err) {
    as_source source;
    as_judge_request q = {
        .baseline = args->baseline, .store_url = args->store, .store = store, .now = &source};
    as_rc rc = as_source_find(arena, args->operands.items[0], args->store, store, args->suite,
                              &source, err);
    if (!rc && !source.has_summary)
        rc = as_fail(err, AS_INVALID, "'%.*s' has no summary.json to judge",
                     AS_STR_ARG(args->operands.items[0]));
    if (!rc) rc = as_source_metrics(&source, arena, &q.metrics, &q.metric_count, err);
    if (!rc) rc = collect_gates(arena, args, &source.summary, &q, err);
    if (!rc) rc = as_source_score(&source, q.metrics, q.metric_count, &q.now_scorer, err);
    if (rc) return rc;
    *summary = source.summary;
    as_judgement judgement = {0};
    rc = as_judge(arena, &q, summary, &judgement, err);
    if (!rc) {
        const as_summary *base =
            judgement.has_base && judgement.base.has_summary ? &judgement.base.summary : NULL;
        as_buf text = {0};
        as_json_out out = {.buf = &text, .indent = 1};
        if (args->json) {
            as_gate_write(&out, &summary->gate);
            as_buf_char(&text, '\n');
        } else {
            as_report_terminal(&text, summary, base, as_outputs_color(args->no_color),
                               as_outputs_columns());
        }
        rc = args->out.len ? as_outputs_write(as_str_copy(arena, args->out).ptr, summary, base,
                                              &judgement.findings, err)
                           : AS_OK;
        if (!rc) rc = as_outputs_print(as_buf_view(&text), err);
        as_buf_free(&text);
        as_judgement_free(&judgement);
    }
    as_scorer_free(q.now_scorer);
    return rc;
}

int as_cmd_gate(const as_args *args) {
    as_err err = {0};
    if (args->operands.count != 1) {
        as_fail(&err, AS_INVALID, "gate: name one run (see: assay help gate)");
        return as_command_fail(&err);
    }
    as_arena arena = {0};
    as_store *store = NULL;
    as_summary summary;
    as_rc rc = judge(args, &arena, &store, &summary, &err);
    int code = rc ? as_command_fail(&err) : as_gate_exit_code(&summary.gate, args->strict);
    as_store_close(store);
    as_arena_free(&arena);
    return code;
}
