// SPDX-License-Identifier: Apache-2.0
#include "runner/outputs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/file.h"
#include "harness/base/log.h"
#include "reports/ci/ci.h"
#include "reports/report.h"
#include "runner/git.h"

enum { STEP_SUMMARY_MAX = 1024 * 1024 };

static as_rc write_one(const char *dir, const char *name, as_buf *content, as_err *err) {
    as_arena arena = {0};
    as_rc rc = as_file_replace(as_strf(&arena, "%s/%s", dir, name).ptr, as_buf_view(content), err);
    as_arena_free(&arena);
    as_buf_clear(content);
    return rc;
}

const char *const as_output_names[] = {"summary.json", "report.html",      "junit.xml",
                                       "summary.md",   "sarif.json",       "codequality.json",
                                       "metrics.txt",  "annotations.json", NULL};

static as_rc write_for_servers(const char *dir, const as_summary *summary,
                               const as_findings *findings, as_str suite_file, as_err *err) {
    as_buf buf = {0};
    as_ci_sarif(&buf, summary, findings, suite_file);
    as_rc rc = write_one(dir, "sarif.json", &buf, err);
    if (!rc) {
        as_ci_codequality(&buf, summary, findings, suite_file);
        rc = write_one(dir, "codequality.json", &buf, err);
    }
    if (!rc) {
        as_ci_openmetrics(&buf, summary, 1);
        rc = write_one(dir, "metrics.txt", &buf, err);
    }
    as_buf_free(&buf);
    return rc;
}

// In a job of GitLab: a link from its page to the report among its artifacts.
static as_rc tell_gitlab(const char *dir, const as_summary *summary, as_err *err) {
    const char *gitlab = getenv("GITLAB_CI");
    as_str job = as_str_of(getenv("CI_JOB_URL"));
    if (!gitlab || strcmp(gitlab, "true") != 0 || !as_str_starts(job, AS_STR("http"))) return AS_OK;
    as_arena arena = {0};
    as_buf buf = {0};
    as_str page = as_git_path(&arena, as_strf(&arena, "%s/report.html", dir).ptr);
    as_ci_gitlab_annotations(&buf, summary, job, page);
    as_rc rc = write_one(dir, "annotations.json", &buf, err);
    as_buf_free(&buf);
    as_arena_free(&arena);
    return rc;
}

// GitHub drops a summary of more than 1 MiB whole: many suites in one step stop short of it.
static bool has_room(const char *path, size_t more) {
    struct stat info;
    size_t size = stat(path, &info) == 0 && info.st_size > 0 ? (size_t)info.st_size : 0;
    return size + more <= STEP_SUMMARY_MAX;
}

// The step's summary is a file that steps append to; the annotations are lines on either stream.
static as_rc tell_github(const as_summary *summary, const as_summary *baseline,
                         const as_findings *findings, as_str suite_file, as_err *err) {
    const char *actions = getenv("GITHUB_ACTIONS"), *path = getenv("GITHUB_STEP_SUMMARY");
    if (!actions || strcmp(actions, "true") != 0) return AS_OK;
    as_buf buf = {0};
    as_rc rc = AS_OK;
    as_ci_annotations(&buf, summary, findings, suite_file);
    if (buf.len) fwrite(buf.ptr, 1, buf.len, stderr);
    as_buf_clear(&buf);
    if (path && *path) {
        as_appender file = {.fd = -1};
        as_report_markdown(&buf, summary, baseline, findings);
        as_buf_char(&buf, '\n');
        if (has_room(path, buf.len)) {
            rc = as_append_open(&file, path, SIZE_MAX, err);
            if (!rc) rc = as_append_add(&file, as_buf_view(&buf), err);
            as_append_close(&file);
        } else {
            as_log_warning("the step's summary is full: '%.*s' is not in it",
                           AS_STR_ARG(summary->suite));
        }
        if (rc) err->rc = rc = AS_UNMEASURED;
    }
    as_buf_free(&buf);
    return rc;
}

as_rc as_outputs_write(const char *dir, const as_summary *summary, const as_summary *baseline,
                       const as_findings *findings, as_err *err) {
    as_buf buf = {0};
    as_arena arena = {0};
    as_str suite_file = summary->suite_path.len
                            ? as_git_path(&arena, as_str_copy(&arena, summary->suite_path).ptr)
                            : AS_STR("");
    as_report_html(&buf, summary, baseline, findings);
    as_rc rc = write_one(dir, "report.html", &buf, err);
    if (!rc) {
        as_report_junit(&buf, summary, findings);
        rc = write_one(dir, "junit.xml", &buf, err);
    }
    if (!rc) {
        as_report_markdown(&buf, summary, baseline, findings);
        rc = write_one(dir, "summary.md", &buf, err);
    }
    if (!rc) rc = write_for_servers(dir, summary, findings, suite_file, err);
    if (!rc) rc = tell_gitlab(dir, summary, err);
    if (!rc) rc = tell_github(summary, baseline, findings, suite_file, err);
    as_arena_free(&arena);
    if (!rc) { // last: where it is, the run is complete
        as_summary_write(&buf, summary);
        rc = write_one(dir, "summary.json", &buf, err);
    }
    as_buf_free(&buf);
    return rc;
}

as_rc as_outputs_print(as_str text, as_err *err) {
    if (fwrite(text.ptr, 1, text.len, stdout) == text.len && fflush(stdout) == 0) return AS_OK;
    return as_fail(err, AS_UNMEASURED, "cannot write the result to stdout: %s", strerror(errno));
}

bool as_outputs_color(bool no_color) {
    const char *wish = getenv("NO_COLOR");
    return !no_color && !(wish && *wish) && isatty(STDOUT_FILENO);
}

size_t as_outputs_columns(void) {
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || size.ws_col < 40) return 80;
    return size.ws_col;
}
