// SPDX-License-Identifier: Apache-2.0
// remote.h - the one engine behind all targets that speak HTTP: moves what wire.h builds and
// parses, many at once on one thread; deadlines, retries, limits, circuit breaker, time to first
// token. A scheme is a wire and a table that AS_REMOTE fills.
//
// Attempts. Retried are refused and broken connections, timeouts, streams that were cut, and the
// statuses of as_retry_status; after Retry-After if the server sent one (all requests of the target
// wait then), else with jittered backoff. 401, 402, 403 and 404 end the target at once: what was
// not asked yet is AS_OUT_CANCELLED, and says why. So does a target that nothing answers at, and
// one that has failed every request for `patience` seconds.
//
// Several servers of one model (URL,URL#MODEL): replica.h says where a request goes. A status that
// ends a target ends only that server while there are others. `twice=N` asks N percent of the cases
// (drawn by id) of a second server too, and counts how often its text is another one.
//
// Latency is that of the attempt that was answered, from its first byte sent to its last byte
// read; in an open loop (due_ns) it counts from the intended start and holds everything.
#ifndef AS_REMOTE_H
#define AS_REMOTE_H

#include "harness/target/wire.h"

// From now on every remote target answers from this folder what it holds, and keeps in it what is
// answered. Process-wide; NULL: none. `dir` is not copied.
as_rc as_remote_cache(const char *dir, as_err *err) AS_MUST_USE;

as_rc as_remote_open(const as_wire_ops *wire, as_str uri, as_str base_dir, as_target **out,
                     as_err *err) AS_MUST_USE;

// The same through a preset: more keys of the URI than the wire's own (NULL-terminated; read
// during the call only), and `prepare` on the setup before the wire opens.
typedef struct as_remote_preset {
    const char *const *keys;
    as_rc (*prepare)(as_wire_setup *setup, as_err *err);
} as_remote_preset;
as_rc as_remote_open_preset(const as_wire_ops *wire, const as_remote_preset *preset, as_str uri,
                            as_str base_dir, as_target **out, as_err *err) AS_MUST_USE;
const as_target_info *as_remote_info(const as_target *target);
as_rc as_remote_worker_new(as_target *target, as_target_worker **out, as_err *err) AS_MUST_USE;
void as_remote_prepare(const as_target *target, as_arena *arena, as_request *request);
void as_remote_begin(as_target_worker *worker, as_arena *arena, const as_request *request,
                     as_answer *out, void *tag, uint64_t due_ns);
void *as_remote_next(as_target_worker *worker, uint64_t wait_ns);
const as_serving_replica *as_remote_replicas(const as_target *target, size_t *count);
void as_remote_wake(as_target_worker *worker);
void as_remote_cancel(as_target_worker *worker);
void as_remote_settle(const as_target *target, as_arena *scratch, as_arena *arena,
                      const as_request *request, as_answer *out);
void as_remote_worker_free(as_target_worker *worker);
void as_remote_close(as_target *target);
as_rc as_remote_accepts(const as_target *target, const as_request *request,
                        as_err *err) AS_MUST_USE;

// AS_REMOTE_SCORES where it can do LOGLIKELIHOOD and ROLLING, at least with some of its keys.
#define AS_REMOTE(SCHEME, SYNTAX, OPEN) AS_REMOTE_TABLE(SCHEME, SYNTAX, OPEN, false)
#define AS_REMOTE_SCORES(SCHEME, SYNTAX, OPEN) AS_REMOTE_TABLE(SCHEME, SYNTAX, OPEN, true)
#define AS_REMOTE_TABLE(SCHEME, SYNTAX, OPEN, SCORES)                                              \
    {                                                                                              \
        .scheme = (SCHEME), .scores_texts = (SCORES), .embeds = true, .constrains = true,          \
        .tells_odds = true, .syntax = (SYNTAX), .open = (OPEN), .info = as_remote_info,            \
        .worker_new = as_remote_worker_new, .worker_free = as_remote_worker_free,                  \
        .close = as_remote_close, .begin = as_remote_begin, .prepare = as_remote_prepare,          \
        .settle = as_remote_settle, .next = as_remote_next, .wake = as_remote_wake,                \
        .cancel = as_remote_cancel, .accepts = as_remote_accepts, .replicas = as_remote_replicas   \
    }

#endif
