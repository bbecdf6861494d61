// SPDX-License-Identifier: Apache-2.0
// spool.h - alerts on their way, a file each, in a folder that runs share; and what is known to
// fire. Sent at least once: a file goes away when its sink said that it has it.
//
// The folder holds `state.json` (what fires, where that was said), NNN.json (not yet sent),
// NNN.rejected (the sink refused it: the request is wrong, not the moment). One lock guards state
// and new files, another makes one process at a time send.
#ifndef AS_SPOOL_H
#define AS_SPOOL_H

#include "harness/base/json.h"
#include "reports/alert/alert_wire.h"

enum { AS_SPOOL_MAX = 1000 }; // files that wait; beyond it new ones are refused, old ones kept

typedef struct as_spool {
    const char *dir;
    int lock; // -1: not held
} as_spool;

// Makes the folder, for its owner only, and takes the lock on state and new files.
as_rc as_spool_open(as_spool *spool, const char *dir, as_err *err) AS_MUST_USE;
void as_spool_close(as_spool *spool);

// What fires, per sink. `scope` names suite, branch and target.
typedef struct as_firing {
    as_str key, sink, scope;
    as_str sink_name; // for a person
    as_str metric, slice;
    int64_t since_ms;
    as_str since_run, since_commit, good_run, good_commit;
} as_firing;

// The newest run that was judged for a scope: an older one that ends later changes nothing.
typedef struct as_spool_seen {
    as_str scope, run;
} as_spool_seen;

typedef struct as_spool_state {
    as_firing *firing;
    size_t firing_count, firing_room;
    as_spool_seen *seen;
    size_t seen_count, seen_room;
} as_spool_state;

as_rc as_spool_read(const as_spool *spool, as_arena *arena, as_spool_state *out,
                    as_err *err) AS_MUST_USE;
as_rc as_spool_write(const as_spool *spool, const as_spool_state *state, as_err *err) AS_MUST_USE;
as_firing *as_spool_find(as_spool_state *state, as_str key, as_str sink); // NULL: does not fire
void as_spool_add(as_spool_state *state, as_arena *arena, const as_firing *firing);
void as_spool_drop(as_spool_state *state, as_firing *firing);
as_str as_spool_seen_run(const as_spool_state *state, as_str scope); // empty: none
void as_spool_see(as_spool_state *state, as_arena *arena, as_str scope, as_str run);

// A new file, *path in `arena`. With `instead` the one that waits for the same alert, sink and
// action goes away. AS_UNMEASURED: the disk or the bound.
as_rc as_spool_put(const as_spool *spool, as_arena *arena, const as_alert_post *post, bool instead,
                   const char **path, as_err *err) AS_MUST_USE;

// Whether what was put at `path` was sent.
bool as_spool_was_sent(as_arena *arena, const char *path);

// The files that wait, oldest first; with `rejected` those too.
as_rc as_spool_list(as_arena *arena, const char *dir, bool rejected, const as_str **names,
                    size_t *count, as_err *err) AS_MUST_USE;
as_rc as_spool_load(as_arena *arena, const char *dir, as_str name, as_alert_post *out,
                    as_err *err) AS_MUST_USE;

typedef struct as_spool_tally {
    size_t sent, waiting, rejected;
} as_spool_tally;

// Sends what waits, in order; after a failure nothing more to that sink. Warns of what stays.
// `rejected`: tries those again too.
as_rc as_spool_flush(const char *dir, bool rejected, as_spool_tally *out, as_err *err) AS_MUST_USE;

#endif
