// SPDX-License-Identifier: Apache-2.0
// store_ops.h - what a database must do for a store; the contract of a driver. The functions are
// those of store.h, taking the driver's own state.
#ifndef AS_STORE_OPS_H
#define AS_STORE_OPS_H

#include "harness/store/store.h"

typedef struct as_store_ops {
    const char *scheme; // "sqlite"
    as_rc (*open)(as_str rest, void **state, as_err *err);
    void (*close)(void *state);
    as_rc (*put)(void *state, const as_summary *summary, const char *journal_path, as_err *err);
    as_rc (*find)(void *state, as_arena *arena, as_str reference, as_str suite,
                  as_str dataset_sha256, as_str not_run, as_str *out, as_err *err);
    as_rc (*summary)(void *state, as_arena *arena, as_str run, as_summary *out, as_err *err);
    as_rc (*samples)(void *state, as_str run, as_sample_visit *each, void *context, as_err *err);
    as_rc (*scores)(void *state, as_str run, as_score_visit *each, void *context, as_err *err);
    as_rc (*one_case)(void *state, as_str suite, as_str case_id, size_t limit, as_case_visit *each,
                      void *context, as_err *err);
    as_rc (*list)(void *state, as_arena *arena, as_str suite, as_str since, size_t limit,
                  const as_store_run **out, size_t *count, as_err *err);
    as_rc (*tag)(void *state, as_str run, as_str name, as_err *err);
    as_rc (*prune)(void *state, size_t keep, uint64_t *deleted, as_err *err);
} as_store_ops;

extern const as_store_ops as_store_sqlite;

#endif
