// SPDX-License-Identifier: Apache-2.0
// thread.h - threads, and the bounded queue between them. POSIX threads live here only.
#ifndef AS_THREAD_H
#define AS_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"

typedef struct as_thread as_thread;

// Runs work(context) on a new thread with all signals blocked, so that only the main thread takes
// them. Join frees the handle.
as_rc as_thread_start(void (*work)(void *context), void *context, as_thread **out,
                      as_err *err) AS_MUST_USE;
void as_thread_join(as_thread *thread);

size_t as_thread_cpus(void); // processors this process may run on, at least 1

// A first-in first-out queue of pointers; blocking; any number of threads at both ends.
typedef struct as_queue as_queue;

as_queue *as_queue_new(size_t capacity);
bool as_queue_push(as_queue *queue, void *item); // waits for room; false once closed
void *as_queue_pop(as_queue *queue);             // waits; NULL once closed and empty
// Like pop, but gives up after `timeout_ns`: then NULL and *timed_out true.
void *as_queue_pop_within(as_queue *queue, uint64_t timeout_ns, bool *timed_out);
// Many at once, under one lock: pushes all of them, waiting for room; pops at most `most` of what
// is there, waiting for the first as pop_within does. Returns how many (push: fewer once closed).
size_t as_queue_push_many(as_queue *queue, void *const *items, size_t count);
size_t as_queue_pop_many(as_queue *queue, void **items, size_t most, uint64_t timeout_ns,
                         bool *timed_out);
void as_queue_close(as_queue *queue);
void as_queue_free(as_queue *queue);

// A lock, and a place to wait in until somebody wakes everybody there.
typedef struct as_lock as_lock;

as_lock *as_lock_new(void);
void as_lock_take(as_lock *lock);
void as_lock_give(as_lock *lock);
// Gives it, sleeps until woken or for `timeout_ns` (UINT64_MAX: for ever), takes it again. May also
// return without a reason.
void as_lock_wait(as_lock *lock, uint64_t timeout_ns);
void as_lock_wake(as_lock *lock); // all that wait
void as_lock_free(as_lock *lock);

// A team of threads that run one function over the same job together: as_team_run returns when
// work(context, index, count) has returned for every index. Index 0 is the calling thread. With a
// count of 1 nothing is started. One caller at a time. Who waits for others, for a new job too,
// does so awake for some hundred microseconds, then asleep.
typedef struct as_team as_team;

as_rc as_team_new(size_t count, as_team **out, as_err *err) AS_MUST_USE;
size_t as_team_count(const as_team *team);
void as_team_run(as_team *team, void (*work)(void *context, size_t index, size_t count),
                 void *context);

// Within work: all members have come here before any goes on. They meet equally often in a job.
void as_team_meet(as_team *team, size_t index);

void as_team_free(as_team *team);

#endif
