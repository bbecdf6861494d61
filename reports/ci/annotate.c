// SPDX-License-Identifier: Apache-2.0
// Workflow commands of GitHub Actions, and OpenMetrics text.
#include <math.h>

#include "reports/ci/ci.h"
#include "reports/ci/ci_parts.h"
#include "reports/content.h"
#include "reports/phrase.h"

enum { LOOKED_AT_MAX = 200, SHOWN_MAX = 10 };

// What would end the message or the property is written by number, as the runner reads it back.
static void put_escaped(as_buf *out, as_str text, bool property) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%' || c == '\r' || c == '\n' || (property && (c == ':' || c == ',')))
            as_buff(out, "%%%02X", (unsigned)c);
        else
            as_buf_char(out, c);
    }
}

void as_ci_annotations(as_buf *out, const as_summary *run, const as_findings *findings,
                       as_str suite_file) {
    as_arena arena = {0};
    as_ci_finding *items;
    size_t shown[2] = {0};
    size_t count = as_ci_findings(&arena, run, findings, suite_file, LOOKED_AT_MAX, &items);
    for (size_t i = 0; i < count; i++) {
        const as_ci_finding *f = &items[i];
        if (f->kind == AS_CI_FAILS) break; // what failed before too is in the report
        bool warning = f->kind == AS_CI_BROKE || f->verdict == AS_UNDECIDED;
        if (shown[warning]++ >= SHOWN_MAX) continue;
        as_buf_text(out, warning ? "::warning file=" : "::error file=");
        put_escaped(out, f->file, true);
        as_buff(out, ",line=%zu,title=assay %s::", f->line, as_ci_kind_names[f->kind]);
        put_escaped(out, f->text, false);
        as_buf_char(out, '\n');
    }
    as_arena_free(&arena);
}

void as_ci_gitlab_annotations(as_buf *out, const as_summary *run, as_str job_url, as_str page) {
    as_json_out o = {.buf = out, .indent = 1};
    as_buf text = {0};
    as_jo_open(&o, '{');
    as_jo_key(&o, "assay");
    as_jo_open(&o, '[');
    as_jo_open(&o, '{');
    as_jo_key(&o, "external_link");
    as_jo_open(&o, '{');
    as_content_plain(&text, run->suite, AS_CLIP_NAME);
    as_buff(&text, ": %s", as_phrase_verdict(&run->gate));
    as_jo_key(&o, "label");
    as_jo_str(&o, as_buf_view(&text));
    as_buf_clear(&text);
    as_buff(&text, "%.*s/artifacts/file/", AS_STR_ARG(job_url));
    as_ci_uri(&text, page);
    as_jo_key(&o, "url");
    as_jo_str(&o, as_buf_view(&text));
    as_jo_close(&o, '}');
    as_jo_close(&o, '}');
    as_jo_close(&o, ']');
    as_jo_close(&o, '}');
    as_buf_char(out, '\n');
    as_buf_free(&text);
}

// ---- OpenMetrics ----

static void put_label(as_buf *out, const char *name, as_str value, bool first) {
    as_buf clean = {0};
    as_content_plain(&clean, value, AS_CLIP_NAME);
    as_buff(out, "%s%s=\"", first ? "{" : ",", name);
    for (size_t i = 0; i < clean.len; i++) {
        char c = clean.ptr[i];
        if (c == '\\' || c == '"') as_buf_char(out, '\\');
        if (c == '\n')
            as_buf_text(out, "\\n");
        else
            as_buf_char(out, c);
    }
    as_buf_char(out, '"');
    as_buf_free(&clean);
}

static void put_value(as_buf *out, const char *family, const as_summary *run, as_str metric,
                      as_str slice, double value) {
    if (!isfinite(value)) return;
    as_buf_text(out, family);
    put_label(out, "suite", run->suite, true);
    if (metric.len) put_label(out, "metric", metric, false);
    if (slice.len) put_label(out, "slice", slice, false);
    as_buf_text(out, "} ");
    as_buf_f64(out, value);
    as_buf_char(out, '\n');
}

static void put_family(as_buf *out, const char *name, const char *help) {
    as_buff(out, "# TYPE %s gauge\n# HELP %s %s\n", name, name, help);
}

static void put_metrics(as_buf *out, const as_summary *runs, size_t count, const char *family,
                        const char *help, double (*of)(const as_value *)) {
    put_family(out, family, help);
    for (size_t r = 0; r < count; r++) {
        const as_summary *run = &runs[r];
        for (size_t i = 0; i < run->metric_count; i++)
            put_value(out, family, run, run->metrics[i].name, AS_STR(""), of(&run->metrics[i]));
        for (size_t s = 0; s < run->slice_count; s++)
            for (size_t i = 0; i < run->slices[s].count; i++)
                put_value(out, family, run, run->slices[s].values[i].name, run->slices[s].slice,
                          of(&run->slices[s].values[i]));
    }
}

static double value_of(const as_value *v) {
    return v->value;
}
static double low_of(const as_value *v) {
    return v->ci.lo;
}
static double high_of(const as_value *v) {
    return v->ci.hi;
}

static double passed_of(const as_summary *r) {
    return r->gate.verdict == AS_PASS || r->gate.verdict == AS_NO_BASELINE;
}
static double cases_of(const as_summary *r) {
    return (double)r->total;
}
static double errors_of(const as_summary *r) {
    return (double)r->errors;
}
static double wall_of(const as_summary *r) {
    return r->wall_s;
}
static double p50_of(const as_summary *r) {
    return r->latency.p50 / 1000;
}
static double p95_of(const as_summary *r) {
    return r->latency.p95 / 1000;
}
static double cost_of(const as_summary *r) {
    return r->cost_total;
}

void as_ci_openmetrics(as_buf *out, const as_summary *runs, size_t count) {
    static const struct {
        const char *name, *help;
        double (*of)(const as_summary *);
    } facts[] = {
        {"assay_gate_passed", "1 when no check of the gate failed.", passed_of},
        {"assay_cases", "Cases of the run.", cases_of},
        {"assay_errors", "Cases that ended in an error of the target.", errors_of},
        {"assay_wall_seconds", "How long the run took.", wall_of},
        {"assay_latency_p50_seconds", "Median latency of a case.", p50_of},
        {"assay_latency_p95_seconds", "95th percentile of the latency of a case.", p95_of},
        {"assay_cost", "What the run cost, in its currency.", cost_of},
    };
    put_metrics(out, runs, count, "assay_metric", "Value of a metric.", value_of);
    put_metrics(out, runs, count, "assay_metric_low", "Lower end of its 95% interval.", low_of);
    put_metrics(out, runs, count, "assay_metric_high", "Upper end of its 95% interval.", high_of);
    for (size_t f = 0; f < sizeof facts / sizeof *facts; f++) {
        put_family(out, facts[f].name, facts[f].help);
        for (size_t r = 0; r < count; r++)
            put_value(out, facts[f].name, &runs[r], AS_STR(""), AS_STR(""), facts[f].of(&runs[r]));
    }
    as_buf_text(out, "# EOF\n");
}
