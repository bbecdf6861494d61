// SPDX-License-Identifier: Apache-2.0
// site_routes.h - from an address to an answer: the pages, the API, /metrics and /healthz of
// `assay serve`. Each request opens the history for itself, so that several can be answered at
// once; nothing but POST with the token writes to it, and no file but the history is read.
#ifndef AS_SITE_ROUTES_H
#define AS_SITE_ROUTES_H

#include "harness/record/timeline.h"
#include "harness/store/store.h"
#include "runner/serve/httpd.h"

typedef struct as_site_options {
    as_str store_url;
    as_str token; // empty: read-only
} as_site_options;

as_http_handler as_site_answer; // its context is an as_site_options

// ---- shared by the pages and the API ----

typedef struct as_site_call {
    const as_site_options *options;
    const as_http_request *request;
    as_http_answer *answer;
    as_arena arena;
    as_store *store;
    as_str parts[8]; // of the path, decoded
    size_t part_count;
} as_site_call;

// Sets status and body; JSON for addresses below /api, else a page.
void as_site_fail(as_site_call *call, unsigned status, const char *format, ...) AS_PRINTF(3, 4);
// By who is at fault: what names nothing is 404, a history that cannot be read 503.
void as_site_fail_err(as_site_call *call, const as_err *err);

// A whole number of the query, or `otherwise`; at most `most`.
size_t as_site_number(as_site_call *call, const char *name, size_t otherwise, size_t most);

void as_site_api(as_site_call *call); // site_api.c: everything below /api/v1
void as_site_metrics(as_site_call *call);

// Newest run of each suite, oldest suite name first, with the runs behind it (oldest first).
as_rc as_site_suites(as_site_call *call, as_timeline **out, size_t *count, as_err *err) AS_MUST_USE;

#endif
