// SPDX-License-Identifier: Apache-2.0
// wired.h - a wire without an engine: its URI opened, requests built, recorded bytes taken.
#ifndef AS_WIRED_H
#define AS_WIRED_H

#include "harness/target/wire.h"

typedef struct as_wired {
    as_arena arena;
    const as_wire_ops *ops;
    as_target_uri parsed;
    as_wire_setup setup;
    as_wire_take take;
    as_answer answer;
} as_wired;

as_rc as_wired_open(as_wired *w, const as_wire_ops *ops, const char *uri, as_err *err);
void as_wired_close(as_wired *w);

// The call as "URL\nBODY".
as_str as_wired_call(as_wired *w, const as_request *request, size_t call);

// What the wire makes of one recorded response: a whole body, or a stream of events cut into
// pieces of `piece` bytes.
const as_answer *as_wired_body(as_wired *w, const as_request *request, as_str body);
const as_answer *as_wired_stream(as_wired *w, const as_request *request, as_str bytes,
                                 size_t piece);

#endif
