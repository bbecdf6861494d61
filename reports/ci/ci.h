// SPDX-License-Identifier: Apache-2.0
// ci.h - what build servers read: SARIF, Code Quality, annotations, metrics, and results in the
// shapes of other tools. Pure functions from values to text; content is escaped for each format.
#ifndef AS_CI_H
#define AS_CI_H

#include "harness/record/findings.h"
#include "harness/record/sample.h"
#include "harness/record/summary.h"

// SARIF 2.1.0: the gate's failed checks at the suite file, the cases that broke and those that fail
// at their line of the dataset. Fingerprints depend on suite, case and kind alone. `suite_file` is
// the suite's path from the top of its repository. At most 5,000 results, as GitHub shows.
void as_ci_sarif(as_buf *out, const as_summary *run, const as_findings *findings,
                 as_str suite_file);

// GitLab's Code Quality report: the same findings.
void as_ci_codequality(as_buf *out, const as_summary *run, const as_findings *findings,
                       as_str suite_file);

// Workflow commands of GitHub Actions, a line each: at most ten errors and ten warnings, which is
// what a step shows.
void as_ci_annotations(as_buf *out, const as_summary *run, const as_findings *findings,
                       as_str suite_file);

// GitLab's job annotations: a link to the report in the job's artifacts. `job_url` is http(s);
// `page` the report's path in the project.
void as_ci_gitlab_annotations(as_buf *out, const as_summary *run, as_str job_url, as_str page);

// OpenMetrics text: GitLab's metrics report, and what Prometheus scrapes. Several runs make one
// exposition; of each suite the newest should be given.
void as_ci_openmetrics(as_buf *out, const as_summary *runs, size_t count);

// ---- results in the shapes of other tools, a sample at a time ----

typedef struct as_ci_tally {
    uint64_t count; // samples before this one
    uint64_t passed, failed, errors, tokens_in, tokens_out;
} as_ci_tally;

typedef struct as_ci_export {
    const char *name;                                  // "csv"
    const char *text;                                  // one line for help
    void (*begin)(as_buf *out, const as_summary *run); // may be NULL
    void (*sample)(as_buf *out, const as_summary *run, const as_ci_tally *before,
                   const as_sample *sample);                                 // may be NULL
    void (*end)(as_buf *out, const as_summary *run, const as_ci_tally *all); // may be NULL
} as_ci_export;

void as_ci_count(as_ci_tally *tally, const as_sample *sample);

extern const as_ci_export as_ci_exports[]; // ends with name NULL

#endif
