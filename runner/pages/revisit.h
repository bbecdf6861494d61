// SPDX-License-Identifier: Apache-2.0
// revisit.h - a finished run with all that a report of it shows: its summary, its baseline's, the
// findings. Shared by report and serve.
#ifndef AS_REVISIT_H
#define AS_REVISIT_H

#include "runner/judge.h"

typedef struct as_revisit_request {
    as_str reference; // REF
    as_str baseline;  // REF; empty: the one the run was judged against
    as_str suite;     // to look references up in; may be empty
    as_str store_url;
    as_store **store;
    bool inputs; // read the dataset, if it is at hand as it was, for the inputs of cases
} as_revisit_request;

typedef struct as_revisit {
    as_source source;           // source.summary has the stored verdict
    const as_summary *baseline; // NULL: none
    as_findings findings;
    as_str suite_file; // from the top of its repository; empty: not known
    as_judgement judgement;
    as_scorer *scorer;
} as_revisit;

// The run is judged anew only to show what changed; the stored verdict stays the headline.
as_rc as_revisit_open(as_arena *arena, const as_revisit_request *request, as_revisit *out,
                      as_err *err) AS_MUST_USE;
void as_revisit_close(as_revisit *revisit);

#endif
