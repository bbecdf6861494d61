// SPDX-License-Identifier: Apache-2.0
// history_verbs.h - the verbs of `assay history` that are more than a call of the store.
#ifndef AS_HISTORY_VERBS_H
#define AS_HISTORY_VERBS_H

#include "runner/args.h"
#include "runner/source.h"

typedef struct as_history {
    const as_args *args;
    as_arena *arena;
    as_store *store;
    const as_str *words; // after the verb
} as_history;

// Resolves a reference to a stored run.
as_rc as_history_run(as_history *h, as_str reference, as_summary *out, as_err *err) AS_MUST_USE;

as_rc as_history_accept(as_history *h, as_err *err) AS_MUST_USE;
as_rc as_history_audit(as_history *h, as_err *err) AS_MUST_USE;
as_rc as_history_case(as_history *h, as_err *err) AS_MUST_USE;
as_rc as_history_prune(as_history *h, as_err *err) AS_MUST_USE;
as_rc as_history_rebuild(as_history *h, as_err *err) AS_MUST_USE;

#endif
