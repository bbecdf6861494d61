// SPDX-License-Identifier: Apache-2.0
// site.h - the pages that `assay serve` has beside those of a run and of a suite: the start, the
// runs, the cases of a suite and one case over time. Pure functions from values to text; content is
// escaped, names in addresses are percent-encoded.
#ifndef AS_SITE_H
#define AS_SITE_H

#include "harness/record/timeline.h"

// A page with the trail that leads to it: assay / suite / rest. `suite` and `rest` may be empty.
void as_site_open(as_buf *out, as_str title, as_verdict verdict, as_str suite, as_str rest);
void as_site_close(as_buf *out);

// A name as one piece of a path.
void as_site_put_name(as_buf *out, as_str name);

// The start: each suite with its newest run, its level over the runs, and where it stands.
void as_site_index(as_buf *out, const as_timeline *suites, size_t count);

// Runs, newest first.
void as_site_runs(as_buf *out, as_str suite, const as_summary *runs, const as_str *tags,
                  size_t count);

// A suite over time, with links to its runs and cases and a form that compares two of the runs.
void as_site_suite(as_buf *out, const as_timeline *line);

// The cases of a suite that were found by `word` (hits[line->case_count]) and that fare as `show`
// says ("", "wrong", "error", "broke", "unsteady"), a page of them from `from` on.
void as_site_cases(as_buf *out, const as_timeline *line, as_str word, const bool *hits, as_str show,
                   size_t from);

// One case in one run.
typedef struct as_site_visit {
    as_str run, when, commit;
    as_str output, error;
    const char *outcome;
    double score, latency_ms;
} as_site_visit;

// A case over its runs, newest first, each answer beside the one before it.
void as_site_case(as_buf *out, as_str suite, as_str id, as_str expected,
                  const as_site_visit *visits, size_t count);

// "404", "there is no such page", ...
void as_site_error(as_buf *out, unsigned status, as_str text);

#endif
