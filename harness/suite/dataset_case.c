// SPDX-License-Identifier: Apache-2.0
#include "harness/suite/dataset_case.h"

#include <stdlib.h>

#include "harness/base/sha256.h"

enum { ID_LEN_MAX = 512, SLICES_MAX = 256 };

typedef struct maker {
    as_arena *arena;
    const as_json *object;
    const char *path;
    size_t line;
    bool cells;
    as_err *err;
} maker;

as_rc as_dataset_case_missing(const as_json *object, const char *path, size_t line, as_str field,
                              as_err *err) {
    enum { SHOWN_MAX = 64 };
    const char *names[SHOWN_MAX + 1] = {NULL};
    size_t count = 0;
    for (const as_json *m = object->child; m && count < SHOWN_MAX; m = m->next)
        names[count++] = m->key.ptr;
    const char *nearest = as_str_nearest(field, names);
    if (nearest)
        return as_fail(err, AS_INVALID, "%s:%zu: the case has no field '%.*s'; did you mean '%s'?",
                       path, line, AS_STR_ARG(field), nearest);
    as_buf known = {0};
    for (size_t i = 0; i < count && known.len < 200; i++)
        as_buff(&known, "%s%s", i ? ", " : "", names[i]);
    as_fail(err, AS_INVALID, "%s:%zu: the case has no field '%.*s'; it has %s", path, line,
            AS_STR_ARG(field), count ? known.ptr : "none");
    as_buf_free(&known);
    return AS_INVALID;
}

// A field that is there: null, and an empty cell of a CSV file, are not.
static const as_json *present(const maker *m, as_str field) {
    const as_json *value = as_json_at(m->object, field);
    if (!value || value->kind == AS_JSON_NULL) return NULL;
    return m->cells && value->kind == AS_JSON_STRING && !value->text.len ? NULL : value;
}

static as_rc fail_field(const maker *m, const char *field, const char *wanted,
                        const as_json *value) {
    as_str shown = as_json_plain(m->arena, value);
    return as_fail(m->err, AS_INVALID, "%s:%zu: field '%s' must be %s, not %s: %.*s", m->path,
                   m->line, field, wanted, as_json_kind_name(value->kind),
                   AS_STR_ARG(as_str_sub(shown, 0, 60)));
}

static bool is_integer(const as_json *value) {
    as_str text = value->text;
    if (value->kind != AS_JSON_NUMBER) return false;
    if (as_str_starts(text, AS_STR("-"))) text = as_str_sub(text, 1, text.len);
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9') return false;
    return text.len > 0;
}

// A string or an integer, as text.
static as_rc take_name(const maker *m, const char *field, as_str *out) {
    const as_json *value = present(m, as_str_of(field));
    if (!value) return AS_OK;
    if (value->kind != AS_JSON_STRING && !is_integer(value))
        return fail_field(m, field, "a string or a whole number", value);
    if (!value->text.len)
        return as_fail(m->err, AS_INVALID, "%s:%zu: field '%s' is empty", m->path, m->line, field);
    if (value->text.len > ID_LEN_MAX)
        return as_fail(m->err, AS_INVALID, "%s:%zu: field '%s' is longer than %d bytes", m->path,
                       m->line, field, ID_LEN_MAX);
    *out = value->text;
    return AS_OK;
}

static as_str content_id(const maker *m) {
    as_buf text = {0};
    as_json_write_sorted(&text, m->object);
    as_str id = as_str_sub(as_sha256_of(m->arena, as_buf_view(&text)), 0, 16);
    as_buf_free(&text);
    return id;
}

static as_rc take_weight(const maker *m, double *out) {
    const as_json *value = present(m, AS_STR("weight"));
    if (!value) return AS_OK;
    double weight = value->number;
    bool ok = value->kind == AS_JSON_NUMBER;
    if (m->cells && value->kind == AS_JSON_STRING) ok = as_str_to_f64(value->text, &weight);
    if (!ok || !(weight > 0)) return fail_field(m, "weight", "a number above 0", value);
    *out = weight;
    return AS_OK;
}

static as_rc check_tags(const maker *m) {
    const as_json *tags = present(m, AS_STR("tags"));
    if (!tags) return AS_OK;
    if (tags->kind != AS_JSON_ARRAY) return fail_field(m, "tags", "a list of strings", tags);
    for (const as_json *tag = tags->child; tag; tag = tag->next)
        if (tag->kind != AS_JSON_STRING || !tag->text.len)
            return fail_field(m, "tags", "a list of strings", tags);
    return AS_OK;
}

static void add_slice(const maker *m, as_str field, const as_json *value, as_str *slices,
                      size_t *count) {
    // `tags` holds many, a slice is one: tag=edge.
    as_str name = as_str_is(field, "tags") ? AS_STR("tag") : field;
    as_str text = as_json_plain(m->arena, value);
    as_str slice = as_strf(m->arena, "%.*s=%.*s", AS_STR_ARG(name), AS_STR_ARG(text));
    for (size_t i = 0; i < *count; i++)
        if (as_str_eq(slices[i], slice)) return;
    slices[(*count)++] = slice;
}

static bool is_scalar(const as_json *value) {
    return value->kind == AS_JSON_STRING || value->kind == AS_JSON_NUMBER ||
           value->kind == AS_JSON_BOOL;
}

static as_rc take_slices(const maker *m, const as_dataset_options *options, as_case *out) {
    size_t most = 0;
    for (size_t i = 0; i < options->slice_count; i++) {
        const as_json *value = present(m, options->slices[i]);
        most += !value ? 0 : value->kind == AS_JSON_ARRAY ? value->count : 1;
    }
    if (most > SLICES_MAX)
        return as_fail(m->err, AS_INVALID, "%s:%zu: the case belongs to %zu slices, more than %d",
                       m->path, m->line, most, SLICES_MAX);
    as_str *slices = AS_NEW_ARRAY(m->arena, as_str, most + 1);
    size_t count = 0;
    for (size_t i = 0; i < options->slice_count; i++) {
        as_str field = options->slices[i];
        const as_json *value = present(m, field);
        if (!value) continue;
        bool list = value->kind == AS_JSON_ARRAY;
        for (const as_json *v = list ? value->child : value; v; v = list ? v->next : NULL) {
            if (!is_scalar(v))
                return fail_field(m, field.ptr, "a text, a number or a list of them to slice by",
                                  value);
            add_slice(m, field, v, slices, &count);
        }
    }
    out->slices = slices;
    out->slice_count = count;
    return AS_OK;
}

as_rc as_dataset_case_make(as_arena *arena, const as_dataset_options *options,
                           const as_json *object, const char *path, size_t line, bool cells,
                           as_case *out, as_err *err) {
    maker m = {arena, object, path, line, cells, err};
    as_case c = {.weight = 1, .fields = object, .line = line, .cluster = AS_STR("")};
    c.expected = as_json_at(object, options->expected);
    if (!c.expected) return as_dataset_case_missing(object, path, line, options->expected, err);
    if (c.expected->kind == AS_JSON_NULL)
        return as_fail(err, AS_INVALID, "%s:%zu: field '%.*s' is null; a reference is needed", path,
                       line, AS_STR_ARG(options->expected));
    as_rc rc = take_name(&m, "id", &c.id);
    if (!rc) rc = take_name(&m, "cluster", &c.cluster);
    if (!rc) rc = take_weight(&m, &c.weight);
    if (!rc) rc = check_tags(&m);
    if (!rc) rc = take_slices(&m, options, &c);
    if (rc) return rc;
    if (!c.id.len) c.id = content_id(&m);
    c.file = as_str_copy(arena, as_str_of(path));
    *out = c;
    return AS_OK;
}
