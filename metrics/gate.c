// SPDX-License-Identifier: Apache-2.0
#include "metrics/gate.h"

#include <math.h>

#include "metrics/gates/judging.h"

static as_check new_check(as_arena *arena, const as_gate_spec *spec) {
    return (as_check){.gate = as_str_copy(arena, spec->text),
                      .metric = as_str_copy(arena, spec->metric),
                      .slice = as_str_copy(arena, spec->slice),
                      .value = NAN,
                      .baseline = NAN,
                      .delta = NAN,
                      .limit = spec->limit,
                      .ci = {NAN, NAN},
                      .p = NAN,
                      .mde = NAN,
                      .prove = spec->prove,
                      .relative = spec->relative,
                      .method = spec->op == AS_DROP ? AS_STR("none") : AS_STR("threshold"),
                      .note = AS_STR("")};
}

void as_parts_unmeasurable(as_check *check, as_str note) {
    check->verdict = AS_UNMEASURABLE;
    check->note = note;
}

const as_metric *as_parts_metric(as_scorer *scorer, as_str name, as_metric *run_metric) {
    const as_metric *metric = as_rows_metric(scorer, name);
    const as_metric_ops *ops = metric ? NULL : as_metric_run_find(name);
    if (!ops) return metric;
    *run_metric = (as_metric){.ops = ops, .name = name, .width = ops->width};
    return run_metric;
}

// ---- slices: FIELD=* is a gate for every value of the field ----

static bool is_wild(as_str slice) {
    return as_str_ends(slice, AS_STR("=*"));
}

static as_gate_spec on_slice(as_arena *arena, const as_gate_spec *wild, as_str slice) {
    as_gate_spec out = *wild;
    out.slice = slice;
    out.text = as_strf(arena, "%.*s[%.*s]%.*s", AS_STR_ARG(wild->metric), AS_STR_ARG(slice),
                       AS_STR_ARG(wild->rest));
    return out;
}

const as_gate_spec *as_gate_expand(as_arena *arena, const as_gate_spec *specs, size_t *count,
                                   const as_str *slices, size_t slice_count) {
    size_t n = 0;
    as_gate_spec *out = AS_NEW_ARRAY(arena, as_gate_spec, as_size_mul(*count, slice_count + 1) + 1);
    for (size_t i = 0; i < *count; i++) {
        size_t before = n;
        as_str field = as_str_sub(specs[i].slice, 0, specs[i].slice.len - 1);
        for (size_t s = 0; is_wild(specs[i].slice) && s < slice_count; s++)
            if (as_str_starts(slices[s], field)) out[n++] = on_slice(arena, &specs[i], slices[s]);
        if (n == before) out[n++] = specs[i];
    }
    *count = n;
    return out;
}

// By the slices of the rows, or of the summary where there are no rows.
static const as_gate_spec *expand(as_judging *j, const as_gate_spec *specs, size_t *count) {
    if (j->now) {
        as_rows_seal(j->now);
        return as_gate_expand(&j->scratch, specs, count, j->now->slices.sorted,
                              j->now->slices.count);
    }
    size_t slice_count = j->summary->slice_count;
    as_str *slices = AS_NEW_ARRAY(&j->scratch, as_str, slice_count + 1);
    for (size_t i = 0; i < slice_count; i++) slices[i] = j->summary->slices[i].slice;
    return as_gate_expand(&j->scratch, specs, count, slices, slice_count);
}

as_verdict as_gate_worst(const as_check *checks, size_t count) {
    static const as_verdict order[] = {AS_UNMEASURABLE, AS_FAIL, AS_UNDECIDED, AS_NO_BASELINE};
    for (size_t v = 0; v < sizeof order / sizeof *order; v++)
        for (size_t i = 0; i < count; i++)
            if (checks[i].verdict == order[v]) return order[v];
    return AS_PASS;
}

static void judge(as_judging *given, const as_gate_spec *specs, size_t count, as_str baseline_run,
                  as_gate *out) {
    as_judging j = *given;
    as_arena *arena = j.arena;
    specs = expand(&j, specs, &count);
    as_check *checks = AS_NEW_ARRAY(arena, as_check, count + 1);
    as_drop *drops = AS_NEW_ARRAY(&j.scratch, as_drop, count + 1);
    for (size_t i = 0; i < count; i++) {
        checks[i] = new_check(arena, &specs[i]);
        if (specs[i].op == AS_DROP)
            as_drop_measure(&j, &specs[i], &drops[i], &checks[i]);
        else
            as_level_judge(&j, &specs[i], &checks[i]);
    }
    as_drop_judge_all(&j, drops, checks, count);
    *out = (as_gate){.verdict = as_gate_worst(checks, count),
                     .baseline = j.base ? as_str_copy(arena, baseline_run) : AS_STR(""),
                     .checks = checks,
                     .count = count};
    as_arena_free(&j.scratch);
}

void as_gate_judge(as_arena *arena, const as_gate_spec *specs, size_t count,
                   const as_summary *summary, as_scorer *now, as_scorer *base, as_str baseline_run,
                   as_gate *out) {
    as_judging j = {.arena = arena, .summary = summary, .now = now, .base = base};
    judge(&j, specs, count, baseline_run, out);
}

void as_gate_judge_rest(as_arena *arena, const as_gate_spec *specs, size_t count,
                        const as_summary *summary, as_scorer *now, as_scorer *base,
                        as_str baseline_run, as_gate *out) {
    as_judging j = {.arena = arena, .summary = summary, .now = now, .base = base, .rest = true};
    judge(&j, specs, count, baseline_run, out);
}

int as_gate_exit_code(const as_gate *gate, bool strict) {
    bool undecided = false;
    for (size_t i = 0; i < gate->count; i++) {
        const as_check *check = &gate->checks[i];
        undecided |= check->verdict == AS_UNDECIDED && (strict || check->prove);
    }
    if (gate->verdict == AS_UNMEASURABLE) return 3;
    if (gate->verdict == AS_FAIL) return 1;
    return undecided ? 4 : 0;
}

bool as_gate_lower_is_better(const as_scorer *scorer, as_str name) {
    const as_metric *metric = as_rows_metric(scorer, name);
    return metric && metric->ops->flags & AS_METRIC_LOWER;
}
