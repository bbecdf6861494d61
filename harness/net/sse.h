// SPDX-License-Identifier: Apache-2.0
// sse.h - server-sent events out of bytes that come in any pieces (WHATWG HTML, "Server-sent
// events": lines end in LF, CR or CRLF; comments; `data` lines of one event are joined by LF).
#ifndef AS_SSE_H
#define AS_SSE_H

#include "harness/base/str.h"

// `event` is empty when the event has no type of its own. Both are valid during the call only.
typedef void as_sse_visit(void *context, as_str event, as_str data);

typedef struct as_sse {
    bool lines; // no events but lines of JSON: each that is not empty is the data of one
    as_buf line, data, event;
    bool after_cr; // the last byte was CR: an LF that follows belongs to it
    bool has_data; // a `data` line was seen since the last event
    uint64_t at;   // bytes seen, up to the three of a byte order mark
} as_sse;          // a zeroed as_sse is ready

void as_sse_feed(as_sse *sse, as_str bytes, as_sse_visit *visit, void *context);

// At the end of the stream: an event that no empty line closed is given out too, because servers
// forget the last one. True if there was one.
bool as_sse_end(as_sse *sse, as_sse_visit *visit, void *context);

void as_sse_clear(as_sse *sse); // ready for another stream; keeps the memory
void as_sse_free(as_sse *sse);

#endif
