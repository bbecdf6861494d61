// SPDX-License-Identifier: Apache-2.0
// The one pass over a dataset that is made before anything is spent.
#include "harness/suite/dataset.h"

#include <stdlib.h>

#include "harness/base/keyset.h"
#include "harness/base/map.h"
#include "harness/base/sha256.h"
#include "harness/suite/dataset_case.h"
#include "harness/suite/dataset_source.h"

enum { PROBLEMS_MAX = 20, LABELS_MAX = 4096 };

typedef struct checker {
    const as_dataset_options *options;
    const as_str *required;
    size_t required_count;
    as_buf *problems;
    size_t problem_count;
    as_arena scratch; // one case
    as_keyset ids;    // id -> path index << 40 | line
    as_map labels;
    bool labels_lost; // too many, or one is no string
    uint64_t cases;
} checker;

static void report(checker *c, const as_err *err) {
    if (c->problem_count < PROBLEMS_MAX) as_buff(c->problems, "%s\n", err->text);
    c->problem_count++;
}

static void check_id(checker *c, const as_case *found, size_t path) {
    enum { LINE_BITS = 40 };
    uint64_t here = (uint64_t)path << LINE_BITS | found->line, first;
    as_str id = found->id;
    if (as_keyset_add(&c->ids, id, 0, here, &first)) return;
    as_err err = {0};
    as_str where = c->options->paths[path], first_path = c->options->paths[first >> LINE_BITS];
    unsigned long long line = first & (((uint64_t)1 << LINE_BITS) - 1);
    bool hashed = !as_json_get(found->fields, "id");
    as_fail(&err, AS_INVALID, "%.*s:%zu: %s '%.*s' stands already at %.*s:%llu%s",
            AS_STR_ARG(where), found->line, hashed ? "a case with the content hash" : "id",
            AS_STR_ARG(id), AS_STR_ARG(first_path), line,
            hashed ? "; give equal cases an id each, or remove one" : "");
    report(c, &err);
}

static void check_required(checker *c, const as_case *found, const char *path) {
    for (size_t i = 0; i < c->required_count; i++) {
        if (as_json_at(found->fields, c->required[i])) continue;
        as_err err = {0};
        as_dataset_case_missing(found->fields, path, found->line, c->required[i], &err);
        report(c, &err);
    }
}

static void add_label(checker *c, as_arena *arena, const as_json *expected) {
    uint64_t ignored;
    if (expected->kind != AS_JSON_STRING) c->labels_lost = true;
    if (c->labels_lost || as_map_get(&c->labels, expected->text, &ignored)) return;
    if (c->labels.count == LABELS_MAX)
        c->labels_lost = true;
    else
        as_map_add(&c->labels, as_str_copy(arena, expected->text), 0, NULL);
}

static void check_file(checker *c, as_arena *arena, size_t path) {
    as_dataset_source source;
    as_err err = {0};
    if (as_dataset_source_open(&source, c->options->paths[path], &err)) {
        report(c, &err);
        return;
    }
    bool cells = source.format == AS_DATASET_CSV || source.format == AS_DATASET_TSV;
    for (bool more = true; more && c->problem_count <= PROBLEMS_MAX;) {
        const as_json *object;
        size_t line;
        as_case found;
        as_arena_reset(&c->scratch);
        as_rc rc = as_dataset_source_next(&source, &c->scratch, &object, &line, &more, &err);
        if (!rc && !more) break;
        c->cases++;
        if (!rc)
            rc = as_dataset_case_make(&c->scratch, c->options, object, source.path, line, cells,
                                      &found, &err);
        if (rc) {
            report(c, &err);
            continue;
        }
        check_id(c, &found, path);
        check_required(c, &found, source.path);
        add_label(c, arena, found.expected);
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
        if (c->labels.slots[i].key.ptr) labels[count++] = c->labels.slots[i].key;
    qsort(labels, count, sizeof *labels, by_bytes);
    out->labels = labels;
    out->label_count = count;
}

as_rc as_dataset_check(as_arena *arena, const as_dataset_options *options, const as_str *required,
                       size_t required_count, as_dataset_facts *out, as_buf *problems) {
    checker c = {.options = options,
                 .required = required,
                 .required_count = required_count,
                 .problems = problems};
    for (size_t i = 0; i < options->path_count && c.problem_count <= PROBLEMS_MAX; i++)
        check_file(&c, arena, i);
    if (!c.cases && !c.problem_count) {
        as_err err = {0};
        as_fail(&err, AS_INVALID, "%.*s: the dataset has no cases",
                AS_STR_ARG(options->path_count ? options->paths[0] : AS_STR("(none)")));
        report(&c, &err);
    }
    if (c.problem_count > PROBLEMS_MAX)
        as_buff(problems, "there are more problems; these are the first %d\n", PROBLEMS_MAX);

    as_dataset_facts facts = {.cases = c.cases};
    char hex[65];
    as_err err = {0};
    if (!c.problem_count) {
        if (hash_files(options, hex, &err)) report(&c, &err);
        facts.sha256 = as_str_copy(arena, (as_str){hex, 64});
        give_labels(&c, arena, &facts);
    }
    as_arena_free(&c.scratch);
    as_keyset_free(&c.ids);
    as_map_free(&c.labels);
    if (c.problem_count) return AS_INVALID;
    *out = facts;
    return AS_OK;
}
