// SPDX-License-Identifier: Apache-2.0
// assay compare A B [C...] - paired comparison of runs. A is the baseline, deltas are the other's
// minus A's.
#include <math.h>
#include <string.h>

#include "harness/base/file.h"
#include "metrics/versus/agreeing.h"
#include "metrics/versus/rank.h"
#include "reports/report.h"
#include "reports/terminal.h"
#include "runner/commands.h"
#include "runner/outputs.h"
#include "runner/review.h"

typedef struct side {
    as_source source;
    as_scorer *scorer;
} side;

typedef struct comparison {
    const as_args *args;
    as_arena *arena;
    as_store *store;
    side sides[AS_ARGS_LIST_MAX]; // the baseline first
    size_t count;
    const as_metric_spec *metrics; // of the last run: it is the newest
    size_t metric_count;
    as_variant variants[AS_ARGS_LIST_MAX];
    as_versus out;
} comparison;

static as_rc load(comparison *c, as_err *err) {
    const as_str *names = c->args->operands.items;
    as_rc rc = AS_OK;
    c->count = c->args->operands.count;
    for (size_t i = 0; !rc && i < c->count; i++)
        rc = as_source_find(c->arena, names[i], c->args->store, &c->store, AS_STR(""),
                            &c->sides[i].source, err);
    const side *last = &c->sides[c->count - 1];
    if (!rc) rc = as_source_metrics(&last->source, c->arena, &c->metrics, &c->metric_count, err);
    if (!rc && !c->metric_count)
        rc = as_fail(err, AS_INVALID, "'%.*s' holds no scores to compare",
                     AS_STR_ARG(names[c->count - 1]));
    for (size_t i = 0; !rc && i < c->count; i++) {
        side *s = &c->sides[i];
        rc = as_source_score(&s->source, c->metrics, c->metric_count, &s->scorer, err);
        // Numbers that a bare results.jsonl does not bring.
        if (!rc && !s->source.has_summary)
            as_scorer_summarize(s->scorer, c->arena, &s->source.summary);
        if (!rc && i && as_pair_count(c->sides[0].scorer, s->scorer).shared == 0)
            rc = as_fail(err, AS_UNMEASURED, "the two runs have no case in common: '%.*s', '%.*s'",
                         AS_STR_ARG(names[0]), AS_STR_ARG(names[i]));
    }
    return rc;
}

static as_rc judge(comparison *c, as_variant *v, const side *s, as_err *err) {
    const as_args_list *gates = &c->args->gates;
    as_gate_spec *specs = AS_NEW_ARRAY(c->arena, as_gate_spec, gates->count);
    for (size_t i = 0; i < gates->count; i++) {
        as_rc rc = as_gate_parse_in(c->arena, gates->items[i], c->metrics, c->metric_count,
                                    &specs[i], err);
        if (!rc) continue;
        as_err_prefix(err, "--gate");
        return rc;
    }
    as_gate_judge(c->arena, specs, gates->count, &s->source.summary, s->scorer, c->sides[0].scorer,
                  c->sides[0].source.summary.run, &v->gate);
    return AS_OK;
}

static as_rc visit_base(void *context, const as_sample *sample, as_err *err) {
    (void)err;
    as_agreeing_base(context, sample);
    return AS_OK;
}

static as_rc visit_other(void *context, const as_sample *sample, as_err *err) {
    (void)err;
    as_agreeing_add(context, sample);
    return AS_OK;
}

static as_rc agree(comparison *c, as_variant *v, const side *s, as_err *err) {
    as_agreeing *agreeing = as_agreeing_new();
    as_rc rc = as_source_visit(&c->sides[0].source, visit_base, agreeing, err);
    if (!rc) rc = as_source_visit(&s->source, visit_other, agreeing, err);
    if (!rc) v->agreement = as_agreeing_result(agreeing, c->arena);
    as_agreeing_free(agreeing);
    return rc;
}

// Time only where there is any, and cost where there is any: a replay may bring neither.
static void compare_cost(comparison *c, as_variant *v, const side *s) {
    as_scorer *a = c->sides[0].scorer, *b = s->scorer;
    v->latency = as_rank_ratio(c->arena, a, b, AS_STR("latency.mean"));
    v->cost = as_rank_ratio(c->arena, a, b, AS_STR("cost.per_case"));
    if (!(v->latency.a > 0 || v->latency.b > 0)) v->latency.n = 0;
    if (!(v->cost.a > 0 || v->cost.b > 0)) v->cost.n = 0;
}

static as_rc compare_one(comparison *c, size_t i, as_err *err) {
    as_variant *v = &c->variants[i];
    side *s = &c->sides[i];
    as_rc rc = judge(c, v, s, err);
    if (!rc)
        rc = as_review(c->arena, &s->source, s->scorer, &c->sides[0].source, c->sides[0].scorer,
                       NULL, &v->findings, err);
    if (!rc) rc = agree(c, v, s, err);
    if (rc) return rc;
    as_pairing pairing = as_pair_count(c->sides[0].scorer, s->scorer);
    v->cases = pairing.shared;
    v->missing = pairing.missing;
    v->base_memory = c->sides[0].source.summary.memory_bytes;
    as_delta *deltas = AS_NEW_ARRAY(c->arena, as_delta, v->findings.delta_count + 1);
    if (v->findings.delta_count)
        memcpy(deltas, v->findings.deltas, v->findings.delta_count * sizeof *deltas);
    as_rank_regressed(c->arena, deltas, v->findings.delta_count, &v->regressed,
                      &v->regressed_count);
    v->findings.deltas = deltas;
    compare_cost(c, v, s);
    return AS_OK;
}

enum { AXES = 4 };

// Quality by the first metric that all runs were compared on, then time and cost of a case, and
// memory.
static void find_front(comparison *c) {
    double *values = AS_NEW_ARRAY(c->arena, double, AXES * c->count);
    bool *on_front = AS_NEW_ARRAY(c->arena, bool, c->count);
    const as_findings *first = &c->variants[1].findings;
    for (size_t i = 0; i < AXES * c->count; i++) values[i] = NAN;
    for (size_t d = 0; d < first->delta_count && !c->out.quality.len; d++)
        if (!first->deltas[d].slice.len && !isnan(first->deltas[d].delta))
            c->out.quality = first->deltas[d].name;
    double sign = as_gate_lower_is_better(c->sides[0].scorer, c->out.quality) ? -1 : 1;
    for (size_t i = 1; i < c->count; i++) {
        const as_variant *v = &c->variants[i];
        double *at = values + AXES * i;
        for (size_t d = 0; d < v->findings.delta_count; d++) {
            const as_delta *delta = &v->findings.deltas[d];
            if (delta->slice.len || !as_str_eq(delta->name, c->out.quality)) continue;
            at[0] = sign * delta->delta; // on the cases shared with the baseline
        }
        if (v->latency.n) at[1] = -v->latency.delta;
        if (v->cost.n) at[2] = -v->cost.delta;
    }
    values[0] = values[1] = values[2] = 0;
    for (size_t i = 0; i < c->count; i++) {
        uint64_t bytes = c->variants[i].run->memory_bytes;
        if (bytes) values[AXES * i + 3] = -(double)bytes;
    }
    as_rank_front(values, c->count, AXES, on_front);
    for (size_t i = 0; i < c->count; i++) c->variants[i].on_front = on_front[i];
}

static void put_text(const comparison *c, as_buf *text) {
    bool color = as_outputs_color(c->args->no_color);
    const as_variant *b = &c->variants[1];
    if (c->count > 2) {
        as_report_versus_terminal(text, &c->out, color, as_outputs_columns());
        return;
    }
    as_report_compare_terminal(text, c->variants[0].run, b->run, &b->findings, NULL, color,
                               as_outputs_columns());
    as_report_variant_terminal(text, b, color, as_outputs_columns());
    if (!b->gate.count) return;
    as_terminal t = as_terminal_of(text, color, as_outputs_columns());
    as_terminal_gate(&t, b->run, &b->gate);
}

static as_rc print(const comparison *c, as_err *err) {
    as_buf text = {0};
    as_rc rc = AS_OK;
    if (c->args->out.len) {
        as_report_versus_html(&text, &c->out);
        rc = as_file_replace(as_str_copy(c->arena, c->args->out).ptr, as_buf_view(&text), err);
        as_buf_clear(&text);
    }
    if (c->args->json)
        as_report_versus_json(&text, &c->out);
    else
        put_text(c, &text);
    if (!rc) rc = as_outputs_print(as_buf_view(&text), err);
    as_buf_free(&text);
    return rc;
}

static as_rc compare(comparison *c, as_err *err) {
    as_rc rc = load(c, err);
    for (size_t i = 0; !rc && i < c->count; i++) {
        c->variants[i] = (as_variant){.run = &c->sides[i].source.summary};
        if (i) rc = compare_one(c, i, err);
    }
    if (rc) return rc;
    c->out.variants = c->variants;
    c->out.count = c->count;
    find_front(c);
    return print(c, err);
}

// The most serious verdict's exit code: not measured, failed, undecided.
static int exit_code(const comparison *c) {
    static const int order[] = {3, 1, 4};
    for (size_t k = 0; k < sizeof order / sizeof *order; k++)
        for (size_t i = 1; i < c->count; i++)
            if (as_gate_exit_code(&c->variants[i].gate, c->args->strict) == order[k])
                return order[k];
    return 0;
}

int as_cmd_compare(const as_args *args) {
    as_err err = {0};
    if (args->operands.count < 2) {
        as_fail(&err, AS_INVALID,
                "compare: name two runs or more, the baseline first (see: assay help compare)");
        return as_command_fail(&err);
    }
    as_arena arena = {0};
    comparison *c = AS_NEW(&arena, comparison);
    c->args = args;
    c->arena = &arena;
    as_rc rc = compare(c, &err);
    int code = rc ? as_command_fail(&err) : exit_code(c);
    for (size_t i = 0; i < c->count; i++)
        if (c->sides[i].scorer) as_scorer_free(c->sides[i].scorer);
    as_store_close(c->store);
    as_arena_free(&arena);
    return code;
}
