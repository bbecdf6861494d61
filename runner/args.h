// SPDX-License-Identifier: Apache-2.0
// args.h - the command line: one table of options, one parser, one place that knows their names.
#ifndef AS_ARGS_H
#define AS_ARGS_H

#include "harness/base/str.h"

enum { AS_ARGS_LIST_MAX = 64 };

typedef struct as_args_list {
    as_str items[AS_ARGS_LIST_MAX];
    size_t count;
} as_args_list;

typedef struct as_args {
    as_str command;
    as_args_list operands; // what is no option
    // global
    as_str store, format;
    as_args_list allow_hosts;
    bool allow_commands;
    as_str listen, token_file; // serve
    bool json, quiet, verbose, no_color, version, help;
    // run, gate, compare, report, history
    as_args_list targets, gates;
    as_args_list redact;
    as_str why, older_than; // history
    as_str spool;           // run, alert
    as_str comment;         // report
    bool no_alert, resolve;
    as_str out, baseline, suite, since, tag;
    as_args_list metrics; // score
    bool resume, fresh, strict, no_store, sequential;
    int64_t concurrency, limit, keep;
    // run, bench
    as_str rate, slo, prompt, prices, cache, deadline;
    bool poisson, sweep, offline;
    int64_t requests, warmup, max_tokens;
} as_args;

enum { AS_ARGS_AUTO = -1 }; // of a count that may be 'auto'

typedef enum as_option_kind {
    AS_OPT_FLAG,
    AS_OPT_TEXT,
    AS_OPT_LIST,
    AS_OPT_COUNT,
    AS_OPT_COUNT_AUTO
} as_option_kind;

typedef struct as_option {
    const char *name; // without dashes
    char letter;      // 0: none
    as_option_kind kind;
    size_t offset;        // in as_args
    const char *commands; // space-separated; "*": all
    const char *argument; // for help: "DIR"
    const char *text;     // one line for help
} as_option;

extern const as_option as_options[]; // ends with name NULL

// --name value, --name=value, -n value; -- ends the options. Unknown ones name the nearest.
as_rc as_args_parse(int argc, char **argv, as_args *out, as_err *err) AS_MUST_USE;

bool as_option_fits(const as_option *option, as_str command);

#endif
