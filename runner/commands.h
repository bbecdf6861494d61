// SPDX-License-Identifier: Apache-2.0
// commands.h - the commands, one file each. Each returns the process's exit code.
#ifndef AS_COMMANDS_H
#define AS_COMMANDS_H

#include "runner/args.h"

typedef struct as_command {
    const char *name;
    int (*run)(const as_args *args);
    const char *operands; // "SUITE..."
    const char *text;     // one line
    const char *details;  // paragraphs for `assay help NAME`
} as_command;

extern const as_command as_commands[]; // ends with name NULL

int as_cmd_run(const as_args *args);
int as_cmd_score(const as_args *args);
int as_cmd_gate(const as_args *args);
int as_cmd_compare(const as_args *args);
int as_cmd_plan(const as_args *args);
int as_cmd_report(const as_args *args);
int as_cmd_history(const as_args *args);
int as_cmd_model(const as_args *args);
int as_cmd_bench(const as_args *args);
int as_cmd_init(const as_args *args);
int as_cmd_serve(const as_args *args);
int as_cmd_alert(const as_args *args);
int as_cmd_targets(const as_args *args);
int as_cmd_help(const as_args *args);

// From now on a signal ends the program: for a command that has nothing to bring to an end.
void as_command_stops(void);

// Says the error on stderr and returns its exit code.
int as_command_fail(const as_err *err);

#endif
