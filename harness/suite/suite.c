// SPDX-License-Identifier: Apache-2.0
#include "harness/suite/suite.h"

#include <stdlib.h>

#include "harness/base/file.h"
#include "harness/base/sha256.h"
#include "harness/suite/suite_read.h"

enum { SUITE_SIZE_MAX = 4 * 1024 * 1024, DEFAULT_MAX_TOKENS = 64 };

void as_suite_problem(as_buf *problems, const as_suite *suite, size_t line, size_t column,
                      const char *format, ...) {
    as_buff(problems, "%.*s:%zu:%zu: ", AS_STR_ARG(suite->path), line, column);
    va_list args;
    va_start(args, format);
    as_bufv(problems, format, args);
    va_end(args);
    as_buf_char(problems, '\n');
}

// What no single key can see.
static void check_together(as_suite_loader *loader) {
    const as_yaml *root = loader->root;
    const as_yaml *task = as_yaml_get(root, "task"), *choices = as_yaml_get(root, "choices");
    if (!task) return;
    if (as_str_is(task->text, "choice") && !choices)
        as_suite_read_problem(loader, task,
                              "task 'choice' needs 'choices': a list, {field: NAME} or {labels: "
                              "dataset}");
    if (loader->suite->messages.len &&
        (as_str_is(task->text, "rolling") || as_str_is(task->text, "embed")))
        as_suite_read_problem(loader, task,
                              "prompt.messages has no meaning with task '%.*s', which reads one "
                              "text",
                              AS_STR_ARG(task->text));
    const as_yaml *samples = as_yaml_get(as_yaml_get(root, "generate"), "samples");
    if (samples && samples->number > 1 && !as_str_is(task->text, "generate"))
        as_suite_read_problem(loader, samples,
                              "generate.samples '%.*s' has no meaning with task '%.*s': only "
                              "'generate' draws its answers",
                              AS_STR_ARG(samples->text), AS_STR_ARG(task->text));
    const as_yaml *generate = as_yaml_get(root, "generate");
    for (const as_yaml *k = generate ? generate->child : NULL; k; k = k->next) {
        static const char *const generated[] = {"choices", "regex", "json_schema", "grammar",
                                                "logprobs"};
        for (size_t i = 0; i < sizeof generated / sizeof *generated; i++)
            if (as_str_is(k->key, generated[i]) && !as_str_is(task->text, "generate"))
                as_suite_problem(
                    loader->problems, loader->suite, k->key_line, k->key_column,
                    "generate.%s has no meaning with task '%.*s': nothing is generated",
                    generated[i], AS_STR_ARG(task->text));
    }
    if (as_str_is(task->text, "choice") && loader->suite->choices_path.len)
        as_suite_problem(loader->problems, loader->suite, choices->key_line, choices->key_column,
                         "'choices: {from: FILE}' names documents; only task 'embed' reads them");
    static const char *const without[] = {"generate", "loglikelihood", "rolling", "embed"};
    const as_yaml *extract = as_yaml_get(root, "extract");
    for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
        if (!as_str_is(task->text, without[i])) continue;
        if (choices && i < 3)
            as_suite_problem(
                loader->problems, loader->suite, choices->key_line, choices->key_column,
                "'choices' has no meaning with task '%s'; only 'choice' and 'embed' read it",
                without[i]);
        if (extract && i > 0)
            as_suite_problem(
                loader->problems, loader->suite, extract->key_line, extract->key_column,
                "'extract' has no meaning with task '%s': nothing is generated", without[i]);
    }
}

static int by_key(const void *a, const void *b) {
    return as_str_cmp((*(const as_yaml *const *)a)->key, (*(const as_yaml *const *)b)->key);
}

// A YAML value as canonical JSON: maps by key, numbers by value ("1.0" is 1).
static void write_yaml(as_json_out *out, const as_yaml *value) {
    if (value->kind == AS_YAML_NULL) {
        as_jo_null(out);
    } else if (value->kind == AS_YAML_BOOL) {
        as_jo_bool(out, value->boolean);
    } else if (value->kind == AS_YAML_NUMBER) {
        as_jo_f64(out, value->number);
    } else if (value->kind == AS_YAML_STRING) {
        as_jo_str(out, value->text);
    } else if (value->kind == AS_YAML_LIST) {
        as_jo_open(out, '[');
        for (const as_yaml *v = value->child; v; v = v->next) write_yaml(out, v);
        as_jo_close(out, ']');
    } else {
        const as_yaml **members = as_mem_new(as_size_mul(value->count, sizeof *members));
        size_t count = 0;
        for (const as_yaml *v = value->child; v; v = v->next) members[count++] = v;
        qsort(members, count, sizeof *members, by_key);
        as_jo_open(out, '{');
        for (size_t i = 0; i < count; i++) {
            as_jo_keys(out, members[i]->key);
            write_yaml(out, members[i]);
        }
        as_jo_close(out, '}');
        free(members);
    }
}

static void write_strings(as_json_out *out, const char *key, const as_str *strings, size_t count) {
    as_jo_key(out, key);
    as_jo_open(out, '[');
    for (size_t i = 0; i < count; i++) as_jo_str(out, strings[i]);
    as_jo_close(out, ']');
}

static void write_file_hash(as_json_out *out, as_str path) {
    as_sha256 sha;
    char hex[65];
    as_mapped file;
    as_sha256_init(&sha);
    // A file that cannot be read is reported by whoever reads its cases.
    if (!as_file_map(path.ptr, &file, NULL)) {
        as_sha256_add(&sha, file.bytes, file.size);
        as_file_unmap(&file);
    }
    as_sha256_hex(&sha, hex);
    as_jo_str(out, as_str_of(hex));
}

static void write_prompt(as_suite_loader *loader, as_json_out *out) {
    const as_suite *suite = loader->suite;
    as_jo_key(out, "system");
    as_jo_str(out, suite->system.text);
    as_jo_key(out, "user");
    as_jo_str(out, suite->user.text);
    as_jo_key(out, "chat");
    as_jo_bool(out, suite->chat);
    if (suite->messages.len) as_jo_key(out, "messages"), as_jo_str(out, suite->messages);
    if (suite->tools) {
        as_buf text = {0};
        as_json_write(&text, suite->tools);
        as_jo_key(out, "tools");
        as_jo_str(out, as_buf_view(&text));
        as_buf_free(&text);
    }
    if (suite->chat_template.len)
        as_jo_key(out, "chat_template"), as_jo_str(out, suite->chat_template);
    if (suite->date.len) as_jo_key(out, "date"), as_jo_str(out, suite->date);
    if (suite->special_tokens) as_jo_key(out, "special_tokens"), as_jo_bool(out, true);
    if (!suite->few_shot_path.len) return;
    as_jo_key(out, "few_shot");
    as_jo_open(out, '[');
    write_file_hash(out, suite->few_shot_path);
    as_jo_i64(out, (int64_t)suite->few_shot_count);
    as_jo_bool(out, suite->few_shot_seeded);
    as_jo_close(out, ']');
}

static void write_choices(const as_suite *suite, as_json_out *out) {
    as_jo_key(out, "choices_from");
    as_jo_i64(out, suite->choices_from);
    write_strings(out, "choices", suite->choices, suite->choice_count);
    as_jo_key(out, "choices_field");
    as_jo_str(out, suite->choices_field);
    if (suite->choices_path.len)
        as_jo_key(out, "choices_file"), write_file_hash(out, suite->choices_path);
    as_jo_key(out, "expected");
    as_jo_str(out, suite->expected);
}

static void write_generate(const as_suite *suite, as_json_out *out) {
    as_jo_key(out, "max_tokens");
    as_jo_i64(out, (int64_t)suite->max_tokens);
    as_jo_key(out, "temperature");
    as_jo_f64(out, suite->temperature);
    bool filtered = suite->top_p < 1 || suite->min_p > 0 || suite->top_k > 0;
    if (filtered) { // so that a suite without filters keeps the hash it had before there were any
        as_jo_key(out, "filters");
        as_jo_open(out, '[');
        as_jo_f64(out, suite->top_p);
        as_jo_i64(out, (int64_t)suite->top_k);
        as_jo_f64(out, suite->min_p);
        as_jo_close(out, ']');
    }
    as_jo_key(out, "seed");
    as_jo_i64(out, (int64_t)suite->seed);
    if (suite->samples > 1) { // as above
        as_jo_key(out, "samples");
        as_jo_i64(out, (int64_t)suite->samples);
    }
    const as_constraint_spec *only = &suite->constraint;
    if (only->kind != AS_CONSTRAINT_NONE) { // as above
        write_strings(out, as_constraint_name(only->kind), only->choices, only->choice_count);
        as_jo_put_str(out, "constraint", only->text);
        as_jo_put_str(out, "constraint_field", suite->constraint_field);
    }
    write_strings(out, "stop", suite->stops, suite->stop_count);
    as_jo_key(out, "extract");
    as_jo_open(out, '[');
    for (size_t i = 0; i < suite->extract_count; i++) {
        as_jo_i64(out, suite->extracts[i].kind);
        as_jo_str(out, suite->extracts[i].argument.text);
    }
    as_jo_close(out, ']');
}

static int by_metric_name(const void *a, const void *b) {
    return as_str_cmp(((const as_suite_metric *)a)->name, ((const as_suite_metric *)b)->name);
}

// The order in which metrics are listed decides nothing, so it is not part of the identity.
static void write_metrics(as_suite_loader *loader, as_json_out *out) {
    const as_suite *suite = loader->suite;
    as_suite_metric *sorted = AS_NEW_ARRAY(loader->arena, as_suite_metric, suite->metric_count + 1);
    for (size_t i = 0; i < suite->metric_count; i++) sorted[i] = suite->metrics[i];
    qsort(sorted, suite->metric_count, sizeof *sorted, by_metric_name);
    as_jo_key(out, "metrics");
    as_jo_open(out, '[');
    for (size_t i = 0; i < suite->metric_count; i++) {
        as_jo_str(out, sorted[i].name);
        if (sorted[i].options)
            write_yaml(out, sorted[i].options);
        else
            as_jo_null(out);
    }
    as_jo_close(out, ']');
}

void as_suite_seal(as_suite_loader *loader) {
    as_buf text = {0};
    as_json_out out = {.buf = &text};
    as_jo_open(&out, '{');
    as_jo_key(&out, "task");
    as_jo_i64(&out, loader->suite->task);
    write_prompt(loader, &out);
    write_choices(loader->suite, &out);
    write_generate(loader->suite, &out);
    write_metrics(loader, &out);
    as_jo_close(&out, '}');
    loader->suite->sha256 = as_sha256_of(loader->arena, as_buf_view(&text));
    as_buf_free(&text);
}

as_rc as_suite_load(as_arena *arena, const char *path, as_suite *out, as_buf *problems) {
    as_err err = {0};
    as_str text;
    const as_yaml *root;
    as_rc rc = as_file_read(arena, path, SUITE_SIZE_MAX, &text, &err);
    if (!rc) rc = as_yaml_parse(arena, text, path, &root, &err);
    if (rc) {
        as_buff(problems, "%s\n", err.text);
        return rc;
    }
    as_suite suite = {.path = as_str_copy(arena, as_str_of(path)),
                      .dir = as_path_dir(arena, as_str_of(path)),
                      .chat = true,
                      .expected = AS_STR("expected"),
                      .max_tokens = DEFAULT_MAX_TOKENS,
                      .top_p = 1,
                      .samples = 1,
                      .max_errors = 0.01};
    suite.name = suite.description = suite.few_shot_path = suite.choices_field =
        suite.choices_path = suite.constraint_field = suite.constraint.text = AS_STR("");
    suite.system.text = suite.user.text = AS_STR("");
    as_suite_loader loader = {arena, &suite, problems, root};
    size_t before = problems->len;
    if (as_suite_read_kind(&loader, root, "a suite", AS_SUITE_MAP)) {
        as_suite_read_map(&loader, root, "", as_suite_keys);
        check_together(&loader);
    }
    if (problems->len > before) return AS_INVALID;
    as_suite_seal(&loader);
    *out = suite;
    return AS_OK;
}
