// SPDX-License-Identifier: Apache-2.0
// main.c - the process: arguments, signals, exit code.
#include <signal.h>
#include <stdio.h>

#include "harness/base/log.h"
#include "harness/net/allow.h"
#include "harness/net/http.h"
#include "runner/commands.h"
#include "runner/evaluate.h"
#include "runner/outputs.h"

static void on_signal(int number) {
    (void)number;
    if (as_interrupts < 2) as_interrupts = as_interrupts + 1;
}

static void catch_signals(void) {
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    // A reader that went away or a file at its limit is a failed write with a message, not a
    // silent death.
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGXFSZ, &action, NULL);
}

void as_command_stops(void) {
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
}

int as_command_fail(const as_err *err) {
    as_log_error("%s", err->text);
    return as_exit_code(err->rc);
}

static const as_command *find(as_str name) {
    for (const as_command *c = as_commands; c->name; c++)
        if (as_str_is(name, c->name)) return c;
    return NULL;
}

static int unknown_command(as_str name) {
    static const char *const planned[] = {"watch", "dataset", "attack", NULL};
    as_err err = {0};
    const char *names[24];
    size_t count = 0;
    for (const as_command *c = as_commands; c->name; c++) names[count++] = c->name;
    names[count] = NULL;
    for (size_t i = 0; planned[i]; i++) {
        if (!as_str_is(name, planned[i])) continue;
        as_fail(&err, AS_INVALID, "'assay %s' is not available yet (see: assay help)", planned[i]);
        return as_command_fail(&err);
    }
    const char *near = as_str_nearest(name, names);
    as_fail(&err, AS_INVALID, "unknown command '%.*s'%s%s%s (see: assay help)", AS_STR_ARG(name),
            near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return as_command_fail(&err);
}

int main(int argc, char **argv) {
    as_err err = {0};
    as_args args;
    catch_signals();
    if (as_args_parse(argc, argv, &args, &err)) return as_command_fail(&err);
    as_log_limit(args.quiet ? AS_LOG_ERROR : args.verbose ? AS_LOG_DEBUG : AS_LOG_INFO);
    if (args.offline) as_http_go_offline();
    for (size_t i = 0; i < args.allow_hosts.count; i++)
        if (as_allow_add(args.allow_hosts.items[i], &err)) return as_command_fail(&err);
    if (args.version) {
        if (as_outputs_print(AS_STR("assay " ASSAY_VERSION "\n"), &err))
            return as_command_fail(&err);
        return 0;
    }
    if (args.help && args.command.len && !as_str_is(args.command, "help")) {
        args.operands.items[0] = args.command;
        args.operands.count = 1;
    }
    if (args.help) return as_cmd_help(&args);
    if (!args.command.len) {
        as_cmd_help(&args);
        return 2;
    }
    const as_command *command = find(args.command);
    return command ? command->run(&args) : unknown_command(args.command);
}
