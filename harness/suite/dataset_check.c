// SPDX-License-Identifier: Apache-2.0
// The one pass over a dataset that is made before anything is spent.
#include "harness/suite/dataset.h"

#include <stdlib.h>

#include "harness/base/map.h"
#include "harness/base/sha256.h"
#include "harness/suite/dataset_case.h"
#include "harness/suite/dataset_ids.h"
#include "harness/suite/dataset_source.h"

enum { PROBLEMS_MAX = 20, LABELS_MAX = 4096 };

typedef struct problem {
    as_dataset_place place;
    as_str text;
} problem;

typedef struct checker {
    const as_dataset_options *options;
    const as_str *required;
    size_t required_count;
    problem problems[2 * PROBLEMS_MAX]; // the first, and the first twins
    size_t kept_count;
    uint64_t problem_count;
    as_arena texts;   // of problems
    as_arena scratch; // one case
    as_dataset_ids *ids;
    as_map labels;
    as_arena label_texts;
    bool labels_lost; // too many, or one is no string
    uint64_t cases;
} checker;

static void keep(checker *c, as_dataset_place place, const as_err *err) {
    c->problems[c->kept_count++] = (problem){place, as_str_copy(&c->texts, as_str_of(err->text))};
}

static void report(checker *c, size_t path, size_t line, const as_err *err) {
    if (c->problem_count++ < PROBLEMS_MAX) keep(c, as_dataset_place_of(path, line), err);
}

static void report_twins(checker *c) {
    as_dataset_twin twins[PROBLEMS_MAX];
    uint64_t count = as_dataset_ids_twins(c->ids, &c->texts, PROBLEMS_MAX, twins);
    for (size_t i = 0; i < PROBLEMS_MAX && i < count; i++) {
        const as_dataset_twin *t = &twins[i];
        as_err err = {0};
        as_fail(&err, AS_INVALID, "%.*s:%zu: %s '%.*s' stands already at %.*s:%zu%s",
                AS_STR_ARG(c->options->paths[as_dataset_place_path(t->place)]),
                as_dataset_place_line(t->place), t->made ? "a case with the content hash" : "id",
                AS_STR_ARG(t->id), AS_STR_ARG(c->options->paths[as_dataset_place_path(t->first)]),
                as_dataset_place_line(t->first),
                t->made ? "; give equal cases an id each, or remove one" : "");
        keep(c, t->place, &err);
    }
    c->problem_count += count;
}

static int by_place(const void *a, const void *b) {
    const problem *x = a, *y = b;
    return (x->place > y->place) - (x->place < y->place);
}

// In the order of the dataset, however they were found; of one line in the order of these.
static void write_problems(checker *c, as_buf *out) {
    for (size_t i = 1; i < c->kept_count; i++)
        for (size_t k = i; k && by_place(&c->problems[k - 1], &c->problems[k]) > 0; k--) {
            problem moved = c->problems[k];
            c->problems[k] = c->problems[k - 1];
            c->problems[k - 1] = moved;
        }
    for (size_t i = 0; i < c->kept_count && i < PROBLEMS_MAX; i++)
        as_buff(out, "%.*s\n", AS_STR_ARG(c->problems[i].text));
    if (c->problem_count > PROBLEMS_MAX)
        as_buff(out, "there are more problems; these are the first %d\n", PROBLEMS_MAX);
}

static void check_required(checker *c, const as_case *found, size_t path) {
    for (size_t i = 0; i < c->required_count; i++) {
        if (as_json_at(found->fields, c->required[i])) continue;
        as_err err = {0};
        as_dataset_case_missing(found->fields, c->options->paths[path].ptr, found->line,
                                c->required[i], &err);
        report(c, path, found->line, &err);
    }
}

static void drop_labels(checker *c) {
    as_map_free(&c->labels);
    as_arena_free(&c->label_texts);
}

static void add_label(checker *c, const as_json *expected) {
    uint64_t ignored;
    if (c->labels_lost) return;
    if (expected->kind != AS_JSON_STRING) c->labels_lost = true;
    if (!c->labels_lost && as_map_get(&c->labels, expected->text, &ignored)) return;
    if (c->labels.count == LABELS_MAX) c->labels_lost = true;
    if (c->labels_lost)
        drop_labels(c);
    else
        as_map_add(&c->labels, as_str_copy(&c->label_texts, expected->text), 0, NULL);
}

static void check_file(checker *c, size_t path) {
    as_dataset_source source;
    as_err err = {0};
    if (as_dataset_source_open(&source, c->options->paths[path], &err)) {
        report(c, path, 0, &err);
        return;
    }
    bool cells = source.format == AS_DATASET_CSV || source.format == AS_DATASET_TSV;
    size_t line = 0;
    for (bool more = true; more && c->problem_count <= PROBLEMS_MAX;) {
        const as_json *object;
        as_case found;
        as_arena_reset(&c->scratch);
        as_rc rc = as_dataset_source_next(&source, &c->scratch, &object, &line, &more, &err);
        if (!rc && !more) break;
        c->cases++;
        if (!rc)
            rc = as_dataset_case_make(&c->scratch, c->options, object, source.path, line, cells,
                                      &found, &err);
        if (rc) {
            report(c, path, line, &err);
            continue;
        }
        as_dataset_ids_add(c->ids, found.id, as_dataset_place_of(path, found.line),
                           !as_json_get(found.fields, "id"));
        check_required(c, &found, path);
        add_label(c, found.expected);
    }
    as_dataset_source_close(&source);
}

static as_rc hash_files(const as_dataset_options *options, char hex[65], as_err *err) {
    as_sha256 sha;
    as_sha256_init(&sha);
    for (size_t i = 0; i < options->path_count; i++)
        if (as_sha256_add_file(&sha, options->paths[i].ptr, err)) return AS_INVALID;
    as_sha256_hex(&sha, hex);
    return AS_OK;
}

static int by_bytes(const void *a, const void *b) {
    return as_str_cmp(*(const as_str *)a, *(const as_str *)b);
}

static void give_labels(const checker *c, as_arena *arena, as_dataset_facts *out) {
    if (c->labels_lost) return;
    as_str *labels = AS_NEW_ARRAY(arena, as_str, c->labels.count + 1);
    size_t count = 0;
    for (size_t i = 0; i < c->labels.capacity; i++)
        if (c->labels.slots[i].key.ptr)
            labels[count++] = as_str_copy(arena, c->labels.slots[i].key);
    qsort(labels, count, sizeof *labels, by_bytes);
    out->labels = labels;
    out->label_count = count;
}

as_rc as_dataset_check(as_arena *arena, const as_dataset_options *options, const as_str *required,
                       size_t required_count, as_dataset_facts *out, as_buf *problems) {
    checker c = {.options = options,
                 .required = required,
                 .required_count = required_count,
                 .ids = as_dataset_ids_new()};
    for (size_t i = 0; i < options->path_count && c.problem_count <= PROBLEMS_MAX; i++)
        check_file(&c, i);
    report_twins(&c);
    if (!c.cases && !c.problem_count) {
        as_err err = {0};
        as_fail(&err, AS_INVALID, "%.*s: the dataset has no cases",
                AS_STR_ARG(options->path_count ? options->paths[0] : AS_STR("(none)")));
        report(&c, 0, 0, &err);
    }
    as_dataset_facts facts = {.cases = c.cases};
    char hex[65];
    as_err err = {0};
    if (!c.problem_count) {
        if (hash_files(options, hex, &err)) report(&c, 0, 0, &err);
        facts.sha256 = as_str_copy(arena, (as_str){hex, 64});
        give_labels(&c, arena, &facts);
    }
    write_problems(&c, problems);
    as_dataset_ids_free(c.ids);
    as_arena_free(&c.scratch);
    as_arena_free(&c.texts);
    drop_labels(&c);
    if (c.problem_count) return AS_INVALID;
    *out = facts;
    return AS_OK;
}
