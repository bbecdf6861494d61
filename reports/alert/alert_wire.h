// SPDX-License-Identifier: Apache-2.0
// alert_wire.h - an alert as the bytes that each kind of sink takes, and as the file that it waits
// in until the sink has it. Pure functions but for the keys, which are read when a request is made
// and never written. Content is escaped for where it lands.
#ifndef AS_ALERT_WIRE_H
#define AS_ALERT_WIRE_H

#include "harness/net/http.h"
#include "harness/record/alert.h"

// How long Alertmanager takes an alert for firing after it was last told so: assay tells it again
// at every run that fails, and that it is over at the first that does not.
enum { AS_ALERT_HOLD_DAYS = 7, AS_ALERT_TEST_MINUTES = 5 };

// The body for the sink; PagerDuty's lacks the routing key. AS_INVALID: the suite's template fails,
// or makes no JSON where it should.
as_rc as_alert_body(as_arena *arena, const as_alert_sink *sink, const as_alert *alert, as_buf *out,
                    as_err *err) AS_MUST_USE;

// What a webhook's body and a link see.
const as_json *as_alert_variables(as_arena *arena, const as_alert *alert);

// Whether a JSON body is expected of the sink: unless a header says that it is something else.
bool as_alert_sends_json(const as_alert_sink *sink);

// One alert on its way to one sink.
typedef struct as_alert_post {
    as_alert_sink sink; // without body, labels: they are in `body`
    as_str key, action; // of the alert; "trigger" or "resolve"
    as_str title, body;
    uint64_t attempts;
    as_str error; // of the last one
} as_alert_post;

void as_alert_post_write(as_buf *out, const as_alert_post *post);
as_rc as_alert_post_read(as_arena *arena, as_str text, as_alert_post *out, as_err *err) AS_MUST_USE;

// The whole request, keys and all. AS_INVALID: a variable or file that should hold one does not.
as_rc as_alert_post_request(as_arena *arena, const as_alert_post *post, as_http_request *out,
                            as_err *err) AS_MUST_USE;

// The sink for a person: its kind and URL, or where that is kept.
as_str as_alert_sink_name(as_arena *arena, const as_alert_sink *sink);
// 16 hex digits: of kind and URL, or where that is kept.
as_str as_alert_sink_id(as_arena *arena, const as_alert_sink *sink);

#endif
