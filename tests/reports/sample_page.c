// SPDX-License-Identifier: Apache-2.0
// sample_page DIR - writes every report of a made-up run, to be looked at.
#include <stdio.h>

#include "harness/base/file.h"
#include "reports/report.h"
#include "tests/reports/sample_run.h"

static int save(const char *dir, const char *name, as_buf *text) {
    as_arena arena = {0};
    as_err err = {0};
    as_rc rc = as_file_replace(as_strf(&arena, "%s/%s", dir, name).ptr, as_buf_view(text), &err);
    if (rc) fprintf(stderr, "%s\n", err.text);
    printf("%-12s %8zu bytes\n", name, text->len);
    as_arena_free(&arena);
    as_buf_clear(text);
    return rc != AS_OK;
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    as_sample_run s;
    as_sample_run_make(&s, 60);
    as_buf text = {0};
    as_report_html(&text, &s.run, &s.baseline, &s.findings);
    int failed = save(argv[1], "run.html", &text);
    as_timeline line = {.suite = s.run.suite, .runs = s.history, .count = s.history_count};
    as_report_trend_html(&text, &line);
    failed |= save(argv[1], "trend.html", &text);
    as_report_junit(&text, &s.run, &s.findings);
    failed |= save(argv[1], "junit.xml", &text);
    as_report_markdown(&text, &s.run, &s.baseline, &s.findings);
    failed |= save(argv[1], "summary.md", &text);
    as_report_terminal(&text, &s.run, &s.baseline, false, 80);
    failed |= save(argv[1], "run.txt", &text);
    as_report_terminal(&text, &s.run, &s.baseline, true, 100);
    failed |= save(argv[1], "color.txt", &text);
    as_report_compare_terminal(&text, &s.baseline, &s.run, &s.findings, &s.run.gate, false, 80);
    failed |= save(argv[1], "compare.txt", &text);
    as_variant variants[2] = {{.run = &s.baseline},
                              {.run = &s.run, .findings = s.findings, .gate = s.run.gate}};
    as_versus versus = {variants, 2, AS_STR("accuracy")};
    as_report_versus_json(&text, &versus);
    failed |= save(argv[1], "compare.json", &text);
    as_report_history_terminal(&text, s.history, NULL, s.history_count, false, 80);
    failed |= save(argv[1], "history.txt", &text);
    as_buf_free(&text);
    as_sample_run_free(&s);
    return failed;
}
