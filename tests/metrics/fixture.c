// SPDX-License-Identifier: Apache-2.0
#include "tests/metrics/fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/file.h"

static void must(as_rc rc, const as_err *err) {
    if (rc != AS_OK) fail_msg("%s", err->text);
}

as_sample fixture_sample(as_arena *arena, const char *id, const char *expected,
                         const char *prediction) {
    as_err err = {0};
    as_sample out = {.id = as_str_copy(arena, as_str_of(id)),
                     .outcome = AS_OUT_OK,
                     .latency_ms = 1,
                     .ttft_ms = NAN,
                     .attempts = 1,
                     .weight = 1};
    must(as_json_parse(arena, as_str_copy(arena, as_str_of(expected)), &out.expected, &err), &err);
    if (prediction) {
        out.prediction = out.output = as_str_copy(arena, as_str_of(prediction));
        out.has_prediction = true;
    }
    return out;
}

as_rc fixture_scorer_try(as_arena *arena, const char *const *metrics, as_scorer **out,
                         as_err *err) {
    size_t count = 0;
    while (metrics[count]) count++;
    as_metric_spec *specs = AS_NEW_ARRAY(arena, as_metric_spec, count + 1);
    for (size_t i = 0; i < count; i++) {
        specs[i].name = as_str_of(metrics[i]);
        if (metrics[i][0] != '{') continue;
        must(as_yaml_parse(arena, specs[i].name, "test", &specs[i].options, err), err);
        specs[i].name = as_yaml_get(specs[i].options, "name")->text;
    }
    return as_scorer_new(specs, count, out, err);
}

as_scorer *fixture_scorer(as_arena *arena, const char *const *metrics) {
    as_err err = {0};
    as_scorer *out;
    must(fixture_scorer_try(arena, metrics, &out, &err), &err);
    return out;
}

void fixture_add(as_scorer *scorer, as_arena *arena, as_sample sample) {
    as_err err = {0};
    must(as_scorer_add(scorer, arena, &sample, &err), &err);
}

const as_value *fixture_value(const as_summary *summary, const char *metric, const char *slice) {
    const as_value *out = as_summary_value(summary, as_str_of(metric), as_str_of(slice));
    if (!out) fail_msg("no metric '%s'", metric);
    return out;
}

size_t fixture_read(as_arena *arena, const char *path, fixture_row **out) {
    as_err err = {0};
    as_str text;
    must(as_file_read(arena, path, 1 << 24, &text, &err), &err);
    size_t lines = 1, count = 0;
    for (size_t i = 0; i < text.len; i++) lines += text.ptr[i] == '\n';
    *out = AS_NEW_ARRAY(arena, fixture_row, lines);
    while (text.ptr && text.len) {
        as_str line = as_str_cut(&text, '\n');
        if (!line.len || line.ptr[0] == '#') continue;
        fixture_row *row = &(*out)[count++];
        while (line.ptr && row->count < FIXTURE_CELLS_MAX)
            row->cells[row->count++] = as_str_cut(&line, '\t');
    }
    return count;
}

double fixture_number(as_str cell) {
    double out;
    if (as_str_is(cell, "nan")) return NAN;
    if (!as_str_to_f64(cell, &out)) fail_msg("'%.*s' is no number", AS_STR_ARG(cell));
    return out;
}

size_t fixture_numbers(as_arena *arena, as_str cell, double **out) {
    size_t count = 0;
    *out = AS_NEW_ARRAY(arena, double, cell.len + 1);
    while (cell.ptr && cell.len) (*out)[count++] = fixture_number(as_str_cut(&cell, ' '));
    return count;
}

void fixture_near(double got, double want, double tolerance, const char *what) {
    if (isnan(got) && isnan(want)) return;
    if (fabs(got - want) <= tolerance * fmax(1e-300, fabs(want))) return;
    fail_msg("%s: got %.17g, want %.17g", what, got, want);
}
