// SPDX-License-Identifier: Apache-2.0
// child.h - a program beside this one: started with pipes, talked to until a time, and ended.
//
// It runs in a process group of its own, so that what a terminal sends to us (Ctrl-C) is ours to
// act on; the group ends with it. Its stderr is ours, its signals are as at the start. One thread
// at a time.
#ifndef AS_CHILD_H
#define AS_CHILD_H

#include <sys/types.h>

#include "harness/base/str.h"

typedef struct as_child {
    pid_t pid;   // 0: none
    int in, out; // of its stdin and stdout, not blocking; -1: closed
} as_child;

typedef struct as_child_start {
    const char *const *argv; // ends with NULL; found on PATH
    const char *dir;         // where it runs; NULL: here
    bool reads;              // it is given something to read; else its stdin is /dev/null
    bool quiet;              // its stderr is /dev/null
} as_child_start;

// AS_UNMEASURED: it cannot be started; *child is then none.
as_rc as_child_new(const as_child_start *start, as_child *child, as_err *err) AS_MUST_USE;

void as_child_close_in(as_child *child);

typedef enum as_child_talk { AS_CHILD_ENDED, AS_CHILD_LATE, AS_CHILD_TOO_MUCH } as_child_talk;

// Writes `in`, closes its stdin and appends what comes to `out`: until its stdout ends, until_ns
// (as_clock_ns) has come, or more than out_max bytes have.
as_child_talk as_child_exchange(as_child *child, as_str in, uint64_t until_ns, size_t out_max,
                                as_buf *out);

// Closes its pipes and waits for its end until until_ns, then kills it; and what it left behind in
// its group in any case. Returns the status as of waitpid; *late (or NULL): it was killed for time.
int as_child_wait(as_child *child, uint64_t until_ns, bool *late);

// The same for one that is no longer wanted: SIGTERM after grace_ms, SIGKILL after twice that; 0:
// at once.
int as_child_stop(as_child *child, unsigned grace_ms);

// "was killed by signal 9", "ended with exit code 3"; empty: it ended with 0.
as_str as_child_status(as_arena *arena, int status);

#endif
