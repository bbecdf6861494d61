// SPDX-License-Identifier: Apache-2.0
#include "runner/args.h"

#include <stddef.h>

#define AT(field) offsetof(as_args, field)

const as_option as_options[] = {
    {"target", 't', AS_OPT_LIST, AT(targets), "run plan", "URI",
     "what to evaluate; repeat for several"},
    {"out", 'o', AS_OPT_TEXT, AT(out), "run gate compare report history model", "PATH",
     "where the results go (default .assay/runs/RUN); model pull: where the file goes"},
    {"baseline", 'b', AS_OPT_TEXT, AT(baseline), "run gate report", "REF",
     "run to compare with: latest, accepted, merge-base[:BRANCH], tag:NAME, branch:NAME, run:ID,\n"
     "                             a path, or none"},
    {"gate", 'g', AS_OPT_LIST, AT(gates), "run gate compare plan", "EXPR",
     "a gate besides those of the suite; repeat for several"},
    {"metrics", 'm', AS_OPT_LIST, AT(metrics), "score", "A,B",
     "what to compute, as in a suite: accuracy,{name: bleu, tokenize: intl}"},
    {"concurrency", 'j', AS_OPT_COUNT_AUTO, AT(concurrency), "run plan bench", "N|auto",
     "cases at work at once (default: the target's threads); auto: as many as bring something"},
    {"rate", 0, AS_OPT_TEXT, AT(rate), "run bench", "R",
     "open loop: start R requests a second (50, 120/min), answered or not"},
    {"poisson", 0, AS_OPT_FLAG, AT(poisson), "run bench", NULL,
     "with --rate: random gaps instead of equal ones"},
    {"deadline", 0, AS_OPT_TEXT, AT(deadline), "run", "TIME",
     "end the run after 90s, 10m or 2h (exit code 3; --resume goes on)"},
    {"prices", 0, AS_OPT_TEXT, AT(prices), "run", "FILE", "price book: what tokens cost, by model"},
    {"cache", 0, AS_OPT_TEXT, AT(cache), "run", "DIR",
     "keep responses of remote targets there, and take them from there"},
    {"requests", 0, AS_OPT_COUNT, AT(requests), "bench", "N", "how many to measure (default 100)"},
    {"warmup", 0, AS_OPT_COUNT, AT(warmup), "bench", "N", "ask N first that are not measured"},
    {"max-tokens", 0, AS_OPT_COUNT, AT(max_tokens), "bench", "N", "of each answer (default 64)"},
    {"prompt", 0, AS_OPT_TEXT, AT(prompt), "bench", "TEXT", "what to ask; @FILE: a prompt a line"},
    {"slo", 0, AS_OPT_TEXT, AT(slo), "bench", "BOUNDS",
     "goodput under bounds as in ttft<=200ms,tpot<=50ms,e2e<=2s"},
    {"sweep", 0, AS_OPT_FLAG, AT(sweep), "bench", NULL,
     "1, 2, 4, ... at once until more brings nothing"},
    {"limit", 'n', AS_OPT_COUNT, AT(limit), "run plan history", "N",
     "run, plan: only the first N cases; history list, case, audit: the newest N"},
    {"resume", 0, AS_OPT_FLAG, AT(resume), "run", NULL,
     "continue a run that was stopped or killed; errors of the target are asked again"},
    {"fresh", 0, AS_OPT_FLAG, AT(fresh), "run", NULL, "throw away the unfinished run in --out"},
    {"sequential", 0, AS_OPT_FLAG, AT(sequential), "run", NULL,
     "stop as soon as the gates are decided; cases in a drawn order"},
    {"strict", 0, AS_OPT_FLAG, AT(strict), "run gate compare", NULL,
     "an undecided drop gate is exit code 4"},
    {"tag", 0, AS_OPT_TEXT, AT(tag), "run", "NAME", "tag the run in the history"},
    {"no-alert", 0, AS_OPT_FLAG, AT(no_alert), "run", NULL, "tell nobody, whatever the suite says"},
    {"spool", 0, AS_OPT_TEXT, AT(spool), "run alert", "DIR",
     "where alerts wait until they are sent (default .assay/alerts)"},
    {"resolve", 0, AS_OPT_FLAG, AT(resolve), "alert", NULL, "test: that the test is over"},
    {"no-store", 0, AS_OPT_FLAG, AT(no_store), "run", NULL, "leave the history alone"},
    {"suite", 's', AS_OPT_TEXT, AT(suite), "report history gate", "NAME", "only this suite"},
    {"since", 0, AS_OPT_TEXT, AT(since), "report history", "DATE",
     "only runs started on or after it (2026-11-24)"},
    {"keep", 0, AS_OPT_COUNT, AT(keep), "history", "N", "prune: how many runs a suite keeps"},
    {"older-than", 0, AS_OPT_TEXT, AT(older_than), "history", "AGE",
     "prune: only runs of that age: 90d, 12w"},
    {"why", 0, AS_OPT_TEXT, AT(why), "history", "TEXT", "accept: the reason, for the audit"},
    {"redact", 0, AS_OPT_LIST, AT(redact), "run history", "RULE",
     "keep no text of it in the history: output, prediction, expected, error or /PATTERN/"},
    {"listen", 0, AS_OPT_TEXT, AT(listen), "serve", "[ADDRESS:]PORT",
     "where to listen (default 127.0.0.1:8417; port 0 takes a free one)"},
    {"comment", 0, AS_OPT_TEXT, AT(comment), "report", "github|gitlab",
     "the run as a comment on the build's pull request, in the place of the last one"},
    {"token-file", 0, AS_OPT_TEXT, AT(token_file), "serve", "FILE",
     "a token that allows what writes; without it serve is read-only"},
    {"store", 0, AS_OPT_TEXT, AT(store), "*", "URL",
     "the history (default sqlite:.assay/history.db)"},
    {"format", 0, AS_OPT_TEXT, AT(format), "*", "text|json",
     "what stdout carries; report RUN: see assay help report"},
    {"quiet", 'q', AS_OPT_FLAG, AT(quiet), "*", NULL, "only errors on stderr"},
    {"verbose", 'v', AS_OPT_FLAG, AT(verbose), "*", NULL, "more on stderr"},
    {"no-color", 0, AS_OPT_FLAG, AT(no_color), "*", NULL, "no colours (as NO_COLOR=1 does)"},
    {"offline", 0, AS_OPT_FLAG, AT(offline), "*", NULL,
     "open no connection, whatever asks for one"},
    {"allow-host", 0, AS_OPT_LIST, AT(allow_hosts), "*", "HOST[:PORT]",
     "reach only hosts named so (*.DOMAIN: all below it); repeat for several. In a suite: "
     "allow_hosts"},
    {"allow-commands", 0, AS_OPT_FLAG, AT(allow_commands), "run score", NULL,
     "let metrics run the programs that the suite names (command, javascript, python, ruby)"},
    {"version", 0, AS_OPT_FLAG, AT(version), "*", NULL, "print the version"},
    {"help", 'h', AS_OPT_FLAG, AT(help), "*", NULL, "print help"},
    {NULL, 0, AS_OPT_FLAG, 0, NULL, NULL, NULL},
};

enum { OPTION_COUNT = sizeof as_options / sizeof *as_options - 1 };

bool as_option_fits(const as_option *option, as_str command) {
    as_str commands = as_str_of(option->commands);
    if (as_str_is(commands, "*")) return true;
    while (commands.ptr)
        if (as_str_eq(as_str_cut(&commands, ' '), command)) return true;
    return false;
}

static const as_option *find(as_str name) {
    for (const as_option *o = as_options; o->name; o++)
        if (as_str_is(name, o->name) || (name.len == 1 && name.ptr[0] == o->letter)) return o;
    return NULL;
}

static as_rc unknown(as_str word, as_str name, as_str command, as_err *err) {
    const char *names[OPTION_COUNT + 1];
    size_t count = 0;
    for (const as_option *o = as_options; o->name; o++)
        if (!command.len || as_option_fits(o, command)) names[count++] = o->name;
    names[count] = NULL;
    const char *near = as_str_nearest(name, names);
    return as_fail(err, AS_INVALID, "unknown option '%.*s'%s%s%s (see: assay help%s%.*s)",
                   AS_STR_ARG(word), near ? "; did you mean '--" : "", near ? near : "",
                   near ? "'?" : "", command.len ? " " : "", AS_STR_ARG(command));
}

static as_rc set_text(const as_option *o, void *field, as_str value, as_err *err) {
    int64_t number;
    as_args_list *list = field;
    switch (o->kind) {
    case AS_OPT_TEXT:
        *(as_str *)field = value;
        return AS_OK;
    case AS_OPT_COUNT_AUTO:
    case AS_OPT_COUNT:
        if (o->kind == AS_OPT_COUNT_AUTO && as_str_is(value, "auto")) {
            *(int64_t *)field = AS_ARGS_AUTO;
            return AS_OK;
        }
        if (!as_str_to_i64(value, &number) || number < 1)
            return as_fail(err, AS_INVALID, "--%s wants a whole number of at least 1%s, not '%.*s'",
                           o->name, o->kind == AS_OPT_COUNT_AUTO ? " or auto" : "",
                           AS_STR_ARG(value));
        *(int64_t *)field = number;
        return AS_OK;
    case AS_OPT_LIST:
        if (list->count == AS_ARGS_LIST_MAX)
            return as_fail(err, AS_INVALID, "--%s stands more than %d times", o->name,
                           AS_ARGS_LIST_MAX);
        list->items[list->count++] = value;
        return AS_OK;
    case AS_OPT_FLAG:
        *(bool *)field = true;
    }
    return AS_OK;
}

// text and json everywhere; what else `report` writes is its own business.
static as_rc check_format(as_args *args, as_err *err) {
    args->json = as_str_is(args->format, "json");
    if (!args->format.len || args->json || as_str_is(args->format, "text")) return AS_OK;
    if (as_str_is(args->command, "report")) return AS_OK;
    return as_fail(err, AS_INVALID, "--format wants text or json, not '%.*s'",
                   AS_STR_ARG(args->format));
}

// One option at argv[*at]; takes the next word as its value when it needs one.
static as_rc take_option(int argc, char **argv, int *at, as_args *args, as_err *err) {
    as_str word = as_str_of(argv[*at]), value = word;
    bool is_long = as_str_starts(word, AS_STR("--"));
    as_str name = as_str_cut(&value, '=');
    name = as_str_sub(name, is_long ? 2 : 1, name.len);
    const as_option *o = is_long == (name.len > 1) ? find(name) : NULL;
    if (!o) return unknown(word, name, args->command, err);
    void *field = (char *)args + o->offset;
    if (!o->argument) {
        if (value.ptr)
            return as_fail(err, AS_INVALID, "--%s takes no value, found '%.*s'", o->name,
                           AS_STR_ARG(value));
        *(bool *)field = true;
        return AS_OK;
    }
    if (!value.ptr) {
        if (*at + 1 >= argc)
            return as_fail(err, AS_INVALID, "--%s needs a value: %s", o->name, o->argument);
        value = as_str_of(argv[++*at]);
    }
    return set_text(o, field, value, err);
}

static as_rc check_fit(int argc, char **argv, const as_args *args, as_err *err) {
    for (int i = 1; i < argc; i++) {
        as_str word = as_str_of(argv[i]), rest = word;
        if (as_str_is(word, "--")) break;
        if (word.len < 2 || word.ptr[0] != '-') continue;
        as_str name = as_str_cut(&rest, '=');
        name = as_str_sub(name, as_str_starts(word, AS_STR("--")) ? 2 : 1, name.len);
        const as_option *o = find(name);
        if (!o) continue;
        if (args->command.len && !as_option_fits(o, args->command))
            return as_fail(err, AS_INVALID, "'%.*s' is no option of 'assay %.*s' but of: %s",
                           AS_STR_ARG(word), AS_STR_ARG(args->command), o->commands);
        if (o->argument && !rest.ptr) i++;
    }
    return AS_OK;
}

as_rc as_args_parse(int argc, char **argv, as_args *out, as_err *err) {
    *out = (as_args){.store = AS_STR("sqlite:.assay/history.db")};
    bool options = true;
    for (int i = 1; i < argc; i++) {
        as_str word = as_str_of(argv[i]);
        if (options && as_str_is(word, "--")) {
            options = false;
        } else if (options && word.len > 1 && word.ptr[0] == '-') {
            as_rc rc = take_option(argc, argv, &i, out, err);
            if (rc) return rc;
        } else if (!out->command.len) {
            out->command = word;
        } else if (out->operands.count == AS_ARGS_LIST_MAX) {
            return as_fail(err, AS_INVALID, "more than %d operands", AS_ARGS_LIST_MAX);
        } else {
            out->operands.items[out->operands.count++] = word;
        }
    }
    as_rc rc = check_fit(argc, argv, out, err);
    return rc ? rc : check_format(out, err);
}
