// SPDX-License-Identifier: Apache-2.0
// replica.h - the servers behind one target: which one a request goes to, and what became of those
// that went there. Pure: the time is an argument.
//
// A request goes to the server with the fewest under way, in turn where several have as few, and
// not where it just failed. Of several servers one that fails 3 attempts in a row is ejected: its
// breaker (pace.h) opens, and single attempts find out when it is back. A pause that a server asks
// for (Retry-After) is its own.
#ifndef AS_REPLICA_H
#define AS_REPLICA_H

#include "harness/base/str.h"
#include "harness/record/serving.h"
#include "harness/target/pace.h"

typedef struct as_replica {
    as_str base; // URL, without a slash at its end
    as_pace pace;
    size_t out_count; // requests under way
    bool reached;     // it has answered once, whatever it said
    bool lost;        // nothing is sent there any more
    uint64_t answers, errors, ejected, compared, disagreed;
    as_buf times; // floats, ms, of the answers; kept only where there are several servers
} as_replica;

typedef struct as_replicas {
    as_replica *items;
    size_t count, turn;
} as_replicas;

// "URL,URL,..." as bases in `arena`; one address, URL or not, is taken as it is. AS_INVALID for
// what is no URL and for one that stands twice.
as_rc as_replica_bases(as_arena *arena, as_str list, as_str **out, size_t *count,
                       as_err *err) AS_MUST_USE;

// Where a server's own metrics are: `text` is yes (/metrics at the endpoint's origin), no or a URL.
as_rc as_replica_metrics(as_arena *arena, as_str endpoint, as_str text, as_str *out,
                         as_err *err) AS_MUST_USE;

void as_replicas_start(as_replicas *replicas, const as_str *bases, size_t count,
                       uint64_t patience_ns, uint64_t now);
void as_replicas_free(as_replicas *replicas);

// Where the next request goes: not to `avoid` (SIZE_MAX: anywhere is right) unless there is no
// other one that is not lost. SIZE_MAX when none may be asked now; *ready_ns is when to look again.
size_t as_replicas_pick(as_replicas *replicas, uint64_t now, size_t avoid, uint64_t *ready_ns);

// An attempt was answered. And one failed: true when the server is to be given up.
void as_replica_ok(as_replicas *replicas, size_t at, double latency_ms);
bool as_replica_failed(as_replicas *replicas, size_t at, uint64_t now);

bool as_replicas_all_lost(const as_replicas *replicas);

// What became of them; [count] in `arena`.
const as_serving_replica *as_replicas_facts(const as_replicas *replicas, as_arena *arena);

#endif
