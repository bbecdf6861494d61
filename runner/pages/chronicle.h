// SPDX-License-Identifier: Apache-2.0
// chronicle.h - gathers the timeline of a suite from the history: runs, changes of level, how each
// case fared, and in words the cases that turned.
#ifndef AS_CHRONICLE_H
#define AS_CHRONICLE_H

#include "harness/record/timeline.h"
#include "harness/store/store.h"

enum { AS_CHRONICLE_RUNS_MAX = 500 };

typedef struct as_chronicle_request {
    as_store *store;
    as_str suite; // empty: the one run last
    as_str since; // empty: all
    bool cases;   // read the cases too, of the newest runs
    bool inputs;  // fetch the inputs of the cases that are told from the dataset, if at hand
} as_chronicle_request;

// A history without such runs gives count 0.
as_rc as_chronicle_gather(as_arena *arena, const as_chronicle_request *request, as_timeline *out,
                          as_err *err) AS_MUST_USE;

#endif
