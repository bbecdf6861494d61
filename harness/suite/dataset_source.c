// SPDX-License-Identifier: Apache-2.0
#include "harness/suite/dataset_source.h"

#include <stdio.h>
#include <string.h>

#include "harness/base/map.h"
#include "harness/base/utf8.h"
#include "harness/suite/dataset.h"

static bool format_of(as_str path, as_dataset_format *out) {
    static const struct {
        const char *ending;
        as_dataset_format format;
    } known[] = {{".jsonl", AS_DATASET_JSONL}, {".ndjson", AS_DATASET_JSONL},
                 {".json", AS_DATASET_JSON},   {".csv", AS_DATASET_CSV},
                 {".tsv", AS_DATASET_TSV},     {".yaml", AS_DATASET_YAML},
                 {".yml", AS_DATASET_YAML}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (!as_str_ends(path, as_str_of(known[i].ending))) continue;
        *out = known[i].format;
        return true;
    }
    return false;
}

bool as_dataset_known(as_str path) {
    as_dataset_format format;
    return format_of(path, &format);
}

as_str as_dataset_source_skip_bom(as_str text) {
    return as_str_starts(text, AS_STR("\xef\xbb\xbf")) ? as_str_sub(text, 3, text.len) : text;
}

as_rc as_dataset_source_check_text(const char *path, size_t line, as_str text, as_err *err) {
    size_t bad = as_utf8_invalid_at(text);
    if (bad != SIZE_MAX)
        return as_fail(err, AS_INVALID, "%s:%zu:%zu: invalid UTF-8 (byte 0x%02x)", path, line,
                       bad + 1, (unsigned char)text.ptr[bad]);
    const char *nul = text.len ? memchr(text.ptr, '\0', text.len) : NULL;
    if (nul)
        return as_fail(err, AS_INVALID, "%s:%zu:%zu: NUL byte; is this a text file?", path, line,
                       (size_t)(nul - text.ptr) + 1);
    return AS_OK;
}

// What the first bytes give away. A file that only looks like a dataset would otherwise be
// reported as a thousand lines of bad JSON.
static as_rc check_magic(const char *path, as_err *err) {
    as_mapped file;
    if (as_file_map(path, &file, err)) return AS_INVALID;
    as_str head = {(const char *)file.bytes, file.size < 64 ? file.size : 64};
    as_rc rc = AS_OK;
    if (as_str_starts(head, AS_STR("\x1f\x8b")))
        rc = as_fail(err, AS_INVALID, "cannot read '%s': it is compressed; run gunzip first", path);
    else if (as_str_starts(head, AS_STR("version https://git-lfs.github.com/spec/v1")))
        rc = as_fail(err, AS_INVALID,
                     "cannot read '%s': it is a Git LFS pointer, not the file; run git lfs pull",
                     path);
    else if (as_str_starts(head, AS_STR("\xff\xfe")) || as_str_starts(head, AS_STR("\xfe\xff")))
        rc = as_fail(err, AS_INVALID, "cannot read '%s': it is UTF-16; save it as UTF-8", path);
    as_file_unmap(&file);
    return rc;
}

static as_rc read_header(as_dataset_source *s, as_err *err) {
    bool more;
    if (as_csv_next(&s->csv, &more, err)) return AS_INVALID;
    s->header_count = more ? s->csv.cell_count : 0;
    as_str *names = AS_NEW_ARRAY(&s->arena, as_str, s->header_count + 1);
    as_map seen = {0};
    as_rc rc = AS_OK;
    for (size_t i = 0; i < s->header_count && !rc; i++) {
        names[i] = as_str_copy(&s->arena, as_csv_cell(&s->csv, i));
        if (!names[i].len)
            rc = as_fail(err, AS_INVALID, "%s:1: column %zu of the header has no name", s->path,
                         i + 1);
        else if (!as_map_add(&seen, names[i], i, NULL))
            rc = as_fail(err, AS_INVALID, "%s:1: the header names '%.*s' twice", s->path,
                         AS_STR_ARG(names[i]));
    }
    as_map_free(&seen);
    s->header = names;
    return rc;
}

static as_rc open_whole(as_dataset_source *s, as_err *err) {
    as_str text;
    if (as_file_read(&s->arena, s->path, AS_DATASET_WHOLE_MAX, &text, err)) return AS_INVALID;
    text = as_dataset_source_skip_bom(text);
    s->line = 1;
    if (s->format == AS_DATASET_JSON) {
        s->text = text;
        return AS_OK;
    }
    const as_yaml *root;
    if (as_str_trim(text).len == 0) return AS_OK;
    if (as_yaml_parse(&s->arena, text, s->path, &root, err)) return AS_INVALID;
    if (root->kind != AS_YAML_LIST)
        return as_fail(err, AS_INVALID, "%s:%zu:%zu: a dataset must be a list of cases, not %s",
                       s->path, root->line, root->column, as_yaml_kind_name(root->kind));
    s->item = root->child;
    return AS_OK;
}

as_rc as_dataset_source_open(as_dataset_source *out, as_str path, as_err *err) {
    as_dataset_source s = {.lines.fd = -1, .csv.lines.fd = -1};
    s.path = as_str_copy(&s.arena, path).ptr;
    as_rc rc = AS_OK;
    if (!format_of(path, &s.format))
        rc = as_fail(err, AS_INVALID, "'%s' has an unknown ending; known are " AS_DATASET_ENDINGS,
                     s.path);
    if (!rc) rc = check_magic(s.path, err);
    if (!rc && s.format == AS_DATASET_JSONL) {
        rc = as_lines_open(&s.lines, s.path, AS_DATASET_LINE_MAX, err);
    } else if (!rc && (s.format == AS_DATASET_CSV || s.format == AS_DATASET_TSV)) {
        char separator = s.format == AS_DATASET_CSV ? ',' : '\t';
        rc = as_csv_open(&s.csv, s.path, separator, AS_DATASET_LINE_MAX, err);
        if (!rc) rc = read_header(&s, err);
    } else if (!rc) {
        rc = open_whole(&s, err);
    }
    if (rc)
        as_dataset_source_close(&s);
    else
        *out = s;
    return rc;
}

void as_dataset_source_close(as_dataset_source *s) {
    as_lines_close(&s->lines);
    as_csv_close(&s->csv);
    as_arena_free(&s->arena);
}

// Parses the text of one case that begins at `line`. The parser counts its columns from the start
// of the text; people count them from the start of the line.
static as_rc parse_object(const as_dataset_source *s, as_arena *arena, as_str text, size_t line,
                          const as_json **out, as_err *err) {
    as_err why = {0};
    if (!as_json_parse(arena, text, out, &why)) {
        if ((*out)->kind == AS_JSON_OBJECT) return AS_OK;
        return as_fail(err, AS_INVALID, "%s:%zu: a case must be an object, not %s", s->path, line,
                       as_json_kind_name((*out)->kind));
    }
    size_t column;
    int used = 0;
    if (sscanf(why.text, "column %zu: %n", &column, &used) != 1 || !used)
        return as_fail(err, AS_INVALID, "%s:%zu: %s", s->path, line, why.text);
    size_t start = 0;
    for (size_t i = 0; i + 1 < column && i < text.len; i++)
        if (text.ptr[i] == '\n') line++, start = i + 1;
    return as_fail(err, AS_INVALID, "%s:%zu:%zu: %s", s->path, line, column - start,
                   why.text + used);
}

static as_rc next_jsonl(as_dataset_source *s, as_arena *arena, const as_json **out, size_t *line,
                        bool *more, as_err *err) {
    for (;;) {
        as_str text;
        if (as_lines_next(&s->lines, &text, more, err)) {
            s->broken = true;
            return AS_INVALID;
        }
        if (!*more) return AS_OK;
        *line = (size_t)s->lines.line;
        if (*line == 1) text = as_dataset_source_skip_bom(text);
        if (as_str_trim(text).len == 0) continue;
        if (as_dataset_source_check_text(s->path, *line, text, err)) return AS_INVALID;
        return parse_object(s, arena, text, *line, out, err);
    }
}

// Takes `count` bytes off the front of the text and keeps the line number right.
static as_str take_text(as_dataset_source *s, size_t count) {
    as_str taken = as_str_sub(s->text, 0, count);
    for (size_t i = 0; i < taken.len; i++) s->line += taken.ptr[i] == '\n';
    s->text = as_str_sub(s->text, count, s->text.len);
    return taken;
}

static void skip_space(as_dataset_source *s) {
    size_t count = 0;
    while (count < s->text.len && strchr(" \t\r\n", s->text.ptr[count]) && s->text.ptr[count])
        count++;
    take_text(s, count);
}

// Length of the element at the front of the text: up to the comma or bracket that ends it.
// SIZE_MAX when nothing ends it. What stands inside is not judged here.
static size_t element_length(as_str text) {
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (in_string) {
            if (c == '\\') i++;
            if (c == '"') in_string = false;
            continue;
        }
        if (depth == 0 && (c == ',' || c == ']')) return i;
        if (c == '"') in_string = true;
        if (c == '[' || c == '{') depth++;
        if ((c == ']' || c == '}') && depth) depth--;
    }
    return SIZE_MAX;
}

static as_rc break_json(as_dataset_source *s, as_err *err, const char *what) {
    s->broken = true;
    return as_fail(err, AS_INVALID, "%s:%zu: %s", s->path, s->line, what);
}

// The elements of a list are cut apart first and parsed one by one: each keeps its line, and only
// one tree is in memory.
static as_rc next_json(as_dataset_source *s, as_arena *arena, const as_json **out, size_t *line,
                       bool *more, as_err *err) {
    *more = false;
    if (s->ended) return AS_OK;
    skip_space(s);
    if (!s->line || (s->count == 0 && !s->text.len)) return AS_OK; // an empty file: no cases
    bool first = s->count == 0;
    if (first) {
        if (s->text.ptr[0] != '[')
            return break_json(s, err,
                              "a .json dataset must be a list of cases; one case a line is "
                              ".jsonl");
        take_text(s, 1);
        skip_space(s);
    }
    size_t length = element_length(s->text);
    if (length == SIZE_MAX) return break_json(s, err, "the list of cases is not closed");
    char end = s->text.ptr[length];
    *line = s->line;
    s->count++;
    as_str text = take_text(s, length + 1);
    text = as_str_trim(as_str_sub(text, 0, length));
    s->ended = end == ']';
    if (s->ended) {
        skip_space(s);
        if (s->text.len) return break_json(s, err, "more text after the list of cases");
        if (first && !text.len) return AS_OK;
    }
    *more = true;
    if (!text.len) return break_json(s, err, "a case is missing between two commas");
    return parse_object(s, arena, text, *line, out, err);
}

static as_json *yaml_to_json(as_arena *arena, const as_yaml *from) {
    static const as_json_kind kinds[] = {AS_JSON_NULL,   AS_JSON_BOOL,  AS_JSON_NUMBER,
                                         AS_JSON_STRING, AS_JSON_ARRAY, AS_JSON_OBJECT};
    if (from->kind == AS_YAML_NUMBER) {
        int64_t whole;
        as_json *number = as_json_new_f64(arena, from->number);
        // Large ids must not pass through a double.
        if (as_str_to_i64(from->text, &whole))
            number->text = as_strf(arena, "%lld", (long long)whole);
        return number;
    }
    as_json *to = as_json_new(arena, kinds[from->kind]);
    to->boolean = from->kind == AS_YAML_BOOL && from->boolean;
    if (from->kind == AS_YAML_STRING) to->text = as_str_copy(arena, from->text);
    as_json **link = &to->child;
    for (const as_yaml *child = from->child; child; child = child->next) {
        *link = yaml_to_json(arena, child);
        (*link)->key = from->kind == AS_YAML_MAP ? as_str_copy(arena, child->key) : (as_str){0};
        link = &(*link)->next;
        to->count++;
    }
    return to;
}

static as_rc next_yaml(as_dataset_source *s, as_arena *arena, const as_json **out, size_t *line,
                       bool *more, as_err *err) {
    const as_yaml *item = s->item;
    *more = item != NULL;
    if (!item) return AS_OK;
    s->item = item->next;
    *line = item->line;
    if (item->kind != AS_YAML_MAP)
        return as_fail(err, AS_INVALID, "%s:%zu:%zu: a case must be a map, not %s", s->path,
                       item->line, item->column, as_yaml_kind_name(item->kind));
    *out = yaml_to_json(arena, item);
    return AS_OK;
}

// A cell `a;b` under `tags` is the list that the same case has in JSON.
static as_json *cell_value(as_arena *arena, as_str name, as_str cell) {
    if (!as_str_is(name, "tags")) return as_json_new_str(arena, as_str_copy(arena, cell));
    as_json *list = as_json_new(arena, AS_JSON_ARRAY), **link = &list->child;
    while (cell.ptr) {
        as_str tag = as_str_trim(as_str_cut(&cell, ';'));
        if (!tag.len) continue;
        *link = as_json_new_str(arena, as_str_copy(arena, tag));
        link = &(*link)->next;
        list->count++;
    }
    return list;
}

static as_rc next_csv(as_dataset_source *s, as_arena *arena, const as_json **out, size_t *line,
                      bool *more, as_err *err) {
    if (as_csv_next(&s->csv, more, err)) {
        s->broken = true;
        return AS_INVALID;
    }
    if (!*more) return AS_OK;
    *line = (size_t)s->csv.line;
    if (s->csv.cell_count != s->header_count)
        return as_fail(err, AS_INVALID, "%s:%zu: %zu cells, but the header has %zu", s->path, *line,
                       s->csv.cell_count, s->header_count);
    as_json *object = as_json_new(arena, AS_JSON_OBJECT);
    as_json **link = &object->child;
    for (size_t i = 0; i < s->header_count; i++) {
        *link = cell_value(arena, s->header[i], as_csv_cell(&s->csv, i));
        (*link)->key = as_str_copy(arena, s->header[i]);
        link = &(*link)->next;
    }
    object->count = s->header_count;
    *out = object;
    return AS_OK;
}

as_rc as_dataset_source_next(as_dataset_source *s, as_arena *arena, const as_json **out,
                             size_t *line, bool *more, as_err *err) {
    *more = !s->broken;
    if (s->broken) return AS_OK;
    switch (s->format) {
    case AS_DATASET_JSONL:
        return next_jsonl(s, arena, out, line, more, err);
    case AS_DATASET_JSON:
        return next_json(s, arena, out, line, more, err);
    case AS_DATASET_YAML:
        return next_yaml(s, arena, out, line, more, err);
    case AS_DATASET_CSV:
    case AS_DATASET_TSV:
        return next_csv(s, arena, out, line, more, err);
    }
    return AS_OK;
}
