// SPDX-License-Identifier: Apache-2.0
// JUnit XML as GitHub, GitLab and Jenkins read it. Well-formed whatever the content is: what
// XML 1.0 cannot hold is replaced on the way in (content.h).
#include "reports/report.h"

#include <math.h>

#include "reports/content.h"
#include "reports/phrase.h"

enum { FAILURES_MAX = 200 };

static void put_attribute(as_buf *out, const char *name, as_str value) {
    as_buff(out, " %s=\"", name);
    as_content_markup(out, value, AS_CLIP_LINE);
    as_buf_char(out, '"');
}

static void put_message(as_buf *out, const as_summary *run, const as_check *check) {
    as_buf_text(out, " message=\"");
    as_phrase_reason(out, run, check);
    if (as_phrase_has_note(check)) {
        as_buf_text(out, ": ");
        as_content_markup(out, check->note, AS_CLIP_LINE);
    }
    as_buf_char(out, '"');
}

static void put_check(as_buf *out, const as_summary *run, const as_check *check) {
    static const char *const elements[] = {NULL, "failure", "skipped", "skipped", "error"};
    const char *element = elements[check->verdict];
    as_buf_text(out, "    <testcase");
    put_attribute(out, "classname", run->suite);
    put_attribute(out, "name", check->gate);
    as_buf_text(out, " time=\"0\"");
    if (!element) {
        as_buf_text(out, "/>\n");
        return;
    }
    as_buff(out, ">\n      <%s", element);
    if (check->verdict == AS_FAIL || check->verdict == AS_UNMEASURABLE)
        as_buff(out, " type=\"%s\"", as_verdict_name(check->verdict));
    put_message(out, run, check);
    as_buf_text(out, "/>\n    </testcase>\n");
}

// A run without a gate, or one that measured nothing, is still one test.
static bool is_measured(const as_summary *run) {
    return run->ok > 0 && run->gate.verdict != AS_UNMEASURABLE;
}

static void put_measured(as_buf *out, const as_summary *run) {
    as_buf_text(out, "    <testcase");
    put_attribute(out, "classname", run->suite);
    as_buf_text(out, " name=\"cases were measured\" time=\"0\"");
    if (is_measured(run))
        as_buf_text(out, "/>\n");
    else
        as_buff(out,
                ">\n      <error type=\"unmeasurable\" message=\"%llu of %llu cases have an "
                "answer\"/>\n    </testcase>\n",
                (unsigned long long)run->ok, (unsigned long long)run->total);
}

static void put_property(as_buf *out, const char *name, as_str value) {
    if (!value.len) return;
    as_buff(out, "      <property name=\"%s\"", name);
    put_attribute(out, "value", value);
    as_buf_text(out, "/>\n");
}

static void put_properties(as_buf *out, const as_summary *run) {
    as_buf_text(out, "    <properties>\n");
    put_property(out, "run", run->run);
    put_property(out, "baseline", run->gate.baseline);
    put_property(out, "target", run->target_uri);
    put_property(out, "model", run->model_name);
    put_property(out, "dataset.sha256", run->dataset_sha256);
    put_property(out, "suite.sha256", run->suite_sha256);
    put_property(out, "git.commit", run->git_commit);
    put_property(out, "scores.digest", run->scores_digest);
    for (size_t i = 0; i < run->metric_count; i++) {
        const as_value *v = &run->metrics[i];
        if (!isfinite(v->value)) continue;
        as_buf_text(out, "      <property name=\"metric.");
        as_content_markup(out, v->name, AS_CLIP_NAME);
        as_buf_text(out, "\" value=\"");
        as_buf_f64(out, v->value);
        as_buf_text(out, "\"/>\n");
    }
    as_buf_text(out, "    </properties>\n");
}

static void put_failures(as_buf *out, const as_findings *f) {
    if (!f || !f->failure_count) return;
    as_buff(out, "    <system-out>%llu failing cases\n", (unsigned long long)f->failure_total);
    for (size_t i = 0; i < f->failure_count && i < FAILURES_MAX; i++) {
        const as_failure *c = &f->failures[i];
        as_content_markup(out, c->id, AS_CLIP_NAME);
        as_buf_text(out, ": expected ");
        as_content_markup(out, c->expected, AS_CLIP_LINE);
        as_buf_text(out, ", got ");
        if (as_outcome_is_error(c->outcome))
            as_buf_text(out, as_outcome_name(c->outcome));
        else
            as_content_markup(out, c->prediction.len ? c->prediction : AS_STR("nothing"),
                              AS_CLIP_LINE);
        as_buf_text(out, "; input: ");
        as_content_markup(out, c->input, AS_CLIP_LINE);
        as_buf_char(out, '\n');
    }
    if (f->failure_total > FAILURES_MAX || f->failure_total > f->failure_count)
        as_buf_text(out, "the rest is in results.jsonl\n");
    as_buf_text(out, "    </system-out>\n");
}

void as_report_junit(as_buf *out, const as_summary *run, const as_findings *findings) {
    const as_gate *gate = &run->gate;
    bool lone = gate->count == 0;
    size_t errors = as_phrase_count(gate, AS_UNMEASURABLE) + (lone && !is_measured(run));
    size_t skipped = as_phrase_count(gate, AS_UNDECIDED) + as_phrase_count(gate, AS_NO_BASELINE);
    size_t failures = as_phrase_count(gate, AS_FAIL), tests = gate->count + lone;
    as_buff(out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"assay\" tests=\"%zu\" "
            "failures=\"%zu\" errors=\"%zu\">\n  <testsuite", // Jenkins knows no "skipped" up here
            tests, failures, errors);
    put_attribute(out, "name", run->suite);
    as_buff(out, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\" time=\"%.3f\"",
            tests, failures, errors, skipped, isfinite(run->wall_s) ? run->wall_s : 0);
    put_attribute(out, "timestamp", as_str_sub(run->started, 0, 19)); // Jenkins knows no zone
    as_buf_text(out, ">\n");
    put_properties(out, run);
    for (size_t i = 0; i < gate->count; i++) put_check(out, run, &gate->checks[i]);
    if (lone) put_measured(out, run);
    put_failures(out, findings);
    as_buf_text(out, "  </testsuite>\n</testsuites>\n");
}
