// SPDX-License-Identifier: Apache-2.0
// recall.h - responses kept on disk by the content of everything that decides them: method, URL,
// headers (keys left out), body, and the version of this format. The model's name and all sampling
// options are in URL and body, so that one model's answer is never another's. One file a response;
// a torn or damaged one is as good as none. Any number of processes may share a folder.
#ifndef AS_RECALL_H
#define AS_RECALL_H

#include "harness/target/wire.h"

typedef struct as_recall {
    const char *dir;
} as_recall;

// Makes the folder. AS_INVALID when it cannot be made or written.
as_rc as_recall_open(const char *dir, as_recall *out, as_err *err) AS_MUST_USE;

typedef struct as_recalled {
    int status;
    as_str content_type, body;
    double latency_ms, ttft_ms; // as measured when it was asked; ttft NaN where there was none
} as_recalled;

// `sample`: which of several answers to one request.
void as_recall_key(const as_wire_call *call, const as_http_header *headers, size_t header_count,
                   uint64_t sample, char hex[65]);

// False when there is none. Memory from `arena`.
bool as_recall_get(const as_recall *recall, as_arena *arena, const char hex[65], as_recalled *out);

// A response that cannot be kept (disk full) is a warning, once, and no more.
void as_recall_put(as_recall *recall, const char hex[65], const as_recalled *response);

#endif
