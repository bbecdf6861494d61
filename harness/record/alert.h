// SPDX-License-Identifier: Apache-2.0
// alert.h - who is told when a gate fails (as a suite asks for it), and what they are told. Plain
// values; views into the arena of whoever filled them in. No key is ever in here: only the name of
// the variable or file that holds it.
#ifndef AS_ALERT_H
#define AS_ALERT_H

#include "harness/record/summary.h"

typedef enum as_alert_kind {
    AS_ALERT_ALERTMANAGER, // API v2
    AS_ALERT_PAGERDUTY,    // Events API v2
    AS_ALERT_SLACK,        // an incoming webhook, or what takes the same
    AS_ALERT_WEBHOOK,      // anything else, its body by a template
    AS_ALERT_KINDS
} as_alert_kind;

extern const char *const as_alert_kind_names[AS_ALERT_KINDS + 1]; // ends with NULL

typedef struct as_alert_pair {
    as_str name, value;
} as_alert_pair;

typedef struct as_alert_sink {
    as_alert_kind kind;
    as_str url;                 // as written; or
    as_str url_env, url_file;   // what holds it, where it is a secret itself (Slack)
    as_str key_env, key_file;   // PagerDuty's routing key, a webhook's key; may be empty
    as_str auth;                // "bearer", "basic" (the key is user:password) or "header:NAME"
    as_str ca_file;             // authorities instead of the system's; may be empty
    uint64_t timeout_s;         // of one attempt
    as_str body;                // WEBHOOK: Jinja; empty: the alert as JSON
    const as_alert_pair *pairs; // ALERTMANAGER: labels, WEBHOOK: headers
    size_t pair_count;
    size_t line, column; // in the suite
} as_alert_sink;

// alert: in a suite.
typedef struct as_alert_rules {
    const as_alert_sink *sinks;
    size_t sink_count;
    const as_str *branches; // "main"; "*": every one, none included
    size_t branch_count;
    as_str severity; // "critical", "error", "warning", "info"
    size_t link_line, link_column;
    as_str link;   // Jinja; empty: the page of the build, where there is one
    bool ids_only; // cases: ids: nothing that a case or a model says leaves
} as_alert_rules;

typedef struct as_alert_case {
    as_str id, input, expected;
    as_str before, after; // predictions; `before` empty where there is no baseline
} as_alert_case;

enum { AS_ALERT_CASES = 3 };

// One alert: a metric on a slice of a suite, failing or holding again.
typedef struct as_alert {
    as_str key;    // 64 hex digits: of suite, branch, metric and slice
    bool resolved; // else it fires
    bool test;
    as_str metric, slice, target; // slice may be empty; target only where a suite has several
    as_str branch;                // may be empty
    as_str severity, link;        // link may be empty
    const as_summary *run;
    const as_check *checks; // that failed (or, resolved, hold again); may be none
    size_t check_count;
    int64_t since_ms, now_ms;       // wall clock
    as_str since_run, since_commit; // the first run that failed; may be empty
    as_str good_run, good_commit;   // the last one before it that held; may be empty
    as_alert_case cases[AS_ALERT_CASES];
    size_t case_count;
    uint64_t case_total;
    bool at_least; // there may be more than case_total
    bool broke;    // the cases were right before; else they only fail
    bool ids_only; // of the cases only the ids are filled in
} as_alert;

#endif
