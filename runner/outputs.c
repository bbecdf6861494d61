// SPDX-License-Identifier: Apache-2.0
#include "runner/outputs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "harness/base/file.h"
#include "reports/report.h"

static as_rc write_one(const char *dir, const char *name, as_buf *content, as_err *err) {
    as_arena arena = {0};
    as_rc rc = as_file_replace(as_strf(&arena, "%s/%s", dir, name).ptr, as_buf_view(content), err);
    as_arena_free(&arena);
    as_buf_clear(content);
    return rc;
}

as_rc as_outputs_write(const char *dir, const as_summary *summary, const as_summary *baseline,
                       const as_findings *findings, as_err *err) {
    as_buf buf = {0};
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
