// SPDX-License-Identifier: Apache-2.0
// assay history - what was run, and what people decided about it.
#include "harness/base/log.h"
#include "reports/report.h"
#include "runner/commands.h"
#include "runner/git.h"
#include "runner/history/history_verbs.h"
#include "runner/outputs.h"

static as_rc print_and_free(as_buf *text, as_err *err) {
    as_rc rc = as_outputs_print(as_buf_view(text), err);
    as_buf_free(text);
    return rc;
}

static as_rc list(as_history *h, as_err *err) {
    const as_store_run *runs;
    size_t count;
    as_rc rc = as_store_list(h->store, h->arena, h->args->suite, h->args->since,
                             (size_t)h->args->limit, &runs, &count, err);
    if (rc) return rc;
    as_buf text = {0};
    if (h->args->json) { // one summary a line
        for (size_t i = 0; i < count; i++) {
            as_buf one = {0};
            const as_json *json;
            as_summary_write(&one, &runs[i].summary);
            rc = as_json_parse(h->arena, as_buf_view(&one), &json, err);
            if (!rc) as_json_write(&text, json);
            as_buf_char(&text, '\n');
            as_buf_free(&one);
        }
    } else {
        as_summary *summaries = AS_NEW_ARRAY(h->arena, as_summary, count);
        as_str *tags = AS_NEW_ARRAY(h->arena, as_str, count);
        for (size_t i = 0; i < count; i++) {
            summaries[i] = runs[i].summary;
            tags[i] = !runs[i].accepted
                          ? runs[i].tags
                          : as_strf(h->arena, "%.*s%saccepted", AS_STR_ARG(runs[i].tags),
                                    runs[i].tags.len ? ", " : "");
        }
        as_report_history_terminal(&text, summaries, tags, count,
                                   as_outputs_color(h->args->no_color), as_outputs_columns());
    }
    as_rc printed = print_and_free(&text, err);
    return rc ? rc : printed;
}

static as_rc show(as_history *h, as_err *err) {
    as_summary summary;
    as_rc rc = as_history_run(h, h->words[0], &summary, err);
    if (rc) return rc;
    as_buf text = {0};
    if (h->args->json)
        as_summary_write(&text, &summary);
    else
        as_report_terminal(&text, &summary, NULL, as_outputs_color(h->args->no_color),
                           as_outputs_columns());
    return print_and_free(&text, err);
}

static as_rc tag(as_history *h, as_err *err) {
    as_summary summary;
    as_rc rc = as_history_run(h, h->words[0], &summary, err);
    return rc ? rc : as_store_tag(h->store, summary.run, h->words[1], err);
}

static as_rc import(as_history *h, as_err *err) {
    as_source source;
    as_rc rc =
        as_source_find(h->arena, h->words[0], h->args->store, &h->store, AS_STR(""), &source, err);
    if (!rc && (!source.journal || !source.has_summary))
        rc = as_fail(err, AS_INVALID,
                     "'%.*s' is no finished run: import wants a directory, results.jsonl or "
                     "summary.json with the other beside it",
                     AS_STR_ARG(h->words[0]));
    if (!rc) rc = as_store_put(h->store, &source.summary, source.journal, err);
    if (!rc) as_log_info("imported run %.*s", AS_STR_ARG(source.summary.run));
    return rc;
}

typedef struct export_file {
    as_appender file;
    as_buf line;
} export_file;

static as_rc export_one(void *context, const as_sample *sample, as_err *err) {
    export_file *e = context;
    as_buf_clear(&e->line);
    as_sample_write(&e->line, sample);
    return as_append_add(&e->file, as_buf_view(&e->line), err);
}

// The run's directory as `run` left it, without the pages: they can be drawn again.
static as_rc export_run(as_history *h, as_err *err) {
    as_summary summary;
    as_rc rc = as_history_run(h, h->words[0], &summary, err);
    if (rc) return rc;
    as_str dir = h->args->out.len ? h->args->out : summary.run;
    const char *journal = as_strf(h->arena, "%.*s/results.jsonl", AS_STR_ARG(dir)).ptr;
    const char *path = as_strf(h->arena, "%.*s/summary.json", AS_STR_ARG(dir)).ptr;
    rc = as_dir_make(as_str_copy(h->arena, dir).ptr, err);
    export_file e = {.file = {.fd = -1}};
    if (!rc) rc = as_append_open(&e.file, journal, 0, err);
    if (!rc) rc = as_store_samples(h->store, summary.run, export_one, &e, err);
    if (!rc) rc = as_append_sync(&e.file, err);
    as_append_close(&e.file);
    as_buf_free(&e.line);
    as_buf text = {0};
    as_summary_write(&text, &summary);
    if (!rc) rc = as_file_replace(path, as_buf_view(&text), err);
    as_buf_free(&text);
    return rc ? rc : as_outputs_print(as_strf(h->arena, "%s\n", journal), err);
}

static const struct verb {
    const char *name, *syntax;
    size_t words;
    as_rc (*run)(as_history *h, as_err *err);
} verbs[] = {
    {"list", "list", 0, list},
    {"show", "show RUN", 1, show},
    {"case", "case ID", 1, as_history_case},
    {"tag", "tag RUN NAME", 2, tag},
    {"accept", "accept RUN --why TEXT", 1, as_history_accept},
    {"audit", "audit", 0, as_history_audit},
    {"import", "import FILE", 1, import},
    {"export", "export RUN [--out DIR]", 1, export_run},
    {"prune", "prune [--keep N] [--older-than AGE]", 0, as_history_prune},
    {"rebuild", "rebuild", 0, as_history_rebuild},
};
enum { VERB_COUNT = sizeof verbs / sizeof *verbs };

static as_rc find_verb(const as_args *args, const struct verb **out, as_err *err) {
    as_str name = args->operands.count ? args->operands.items[0] : AS_STR("list");
    const char *names[VERB_COUNT + 1] = {0};
    for (size_t i = 0; i < VERB_COUNT; i++) {
        names[i] = verbs[i].name;
        if (!as_str_is(name, verbs[i].name)) continue;
        size_t words = args->operands.count ? args->operands.count - 1 : 0;
        if (words != verbs[i].words)
            return as_fail(err, AS_INVALID, "usage: assay history %s", verbs[i].syntax);
        *out = &verbs[i];
        return AS_OK;
    }
    const char *near = as_str_nearest(name, names);
    return as_fail(
        err, AS_INVALID,
        "history: unknown verb '%.*s'%s%s%s; there are list, show, case, tag, accept, audit, "
        "import, export, prune, rebuild",
        AS_STR_ARG(name), near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

int as_cmd_history(const as_args *args) {
    as_err err = {0};
    as_arena arena = {0};
    as_history h = {.args = args, .arena = &arena, .words = args->operands.items + 1};
    const struct verb *verb = NULL;
    as_rc rc = find_verb(args, &verb, &err);
    if (!rc) rc = as_store_open(args->store, &h.store, &err);
    if (!rc) as_store_who(h.store, as_git_who(&arena, "."));
    if (!rc) rc = as_store_redact(h.store, args->redact.items, args->redact.count, &err);
    if (!rc) rc = verb->run(&h, &err);
    as_store_close(h.store);
    as_arena_free(&arena);
    return rc ? as_command_fail(&err) : 0;
}
