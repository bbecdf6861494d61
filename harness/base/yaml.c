// SPDX-License-Identifier: Apache-2.0
#include "harness/base/yaml.h"

#include <string.h>

#include <yaml.h>

#include "harness/base/json.h"
#include "harness/base/utf8.h"

typedef struct reader {
    yaml_parser_t parser;
    as_arena *arena;
    const char *name;
    as_err *err;
    size_t depth;
} reader;

static as_rc fail_at(reader *r, yaml_mark_t mark, const char *what) {
    return as_fail(r->err, AS_INVALID, "%s:%zu:%zu: %s", r->name, mark.line + 1, mark.column + 1,
                   what);
}

static as_rc next_event(reader *r, yaml_event_t *event) {
    if (yaml_parser_parse(&r->parser, event)) return AS_OK;
    const yaml_parser_t *p = &r->parser;
    yaml_mark_t mark = p->problem_mark;
    const char *problem = p->problem ? p->problem : "cannot be read";
    if (p->context && p->context_mark.line != mark.line)
        return as_fail(r->err, AS_INVALID, "%s:%zu:%zu: not YAML: %s (%s at line %zu)", r->name,
                       mark.line + 1, mark.column + 1, problem, p->context,
                       p->context_mark.line + 1);
    return as_fail(r->err, AS_INVALID, "%s:%zu:%zu: not YAML: %s", r->name, mark.line + 1,
                   mark.column + 1, problem);
}

static bool any_of(as_str s, const char *const *words) {
    for (; *words; words++)
        if (as_str_is(s, *words)) return true;
    return false;
}

// YAML 1.2 core schema: only these spellings are not strings.
static void resolve_plain(as_yaml *node) {
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    node->kind = AS_YAML_STRING;
    if (any_of(node->text, nulls)) {
        node->kind = AS_YAML_NULL;
    } else if (any_of(node->text, trues) || any_of(node->text, falses)) {
        node->kind = AS_YAML_BOOL;
        node->boolean = any_of(node->text, trues);
    } else if (as_str_to_f64(node->text, &node->number)) {
        node->kind = AS_YAML_NUMBER;
    }
}

static as_rc check_plain_event(reader *r, const yaml_event_t *event) {
    const yaml_char_t *anchor = NULL, *tag = NULL;
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return fail_at(r, event->start_mark, "aliases (*name) are not supported");
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
        break;
    default:
        break;
    }
    if (anchor) return fail_at(r, event->start_mark, "anchors (&name) are not supported");
    if (tag) return fail_at(r, event->start_mark, "tags (!name) are not supported");
    return AS_OK;
}

static as_rc read_value(reader *r, const yaml_event_t *event, as_yaml **out);

static as_rc read_list(reader *r, as_yaml *list) {
    as_yaml **link = &list->child;
    for (;;) {
        yaml_event_t event;
        if (next_event(r, &event)) return AS_INVALID;
        bool end = event.type == YAML_SEQUENCE_END_EVENT;
        as_rc rc = end ? AS_OK : read_value(r, &event, link);
        yaml_event_delete(&event);
        if (rc || end) return rc;
        link = &(*link)->next;
        list->count++;
    }
}

static as_rc read_key(reader *r, const yaml_event_t *event, const as_yaml *map, as_yaml *key) {
    if (event->type != YAML_SCALAR_EVENT)
        return fail_at(r, event->start_mark, "a key must be a plain word");
    if (check_plain_event(r, event)) return AS_INVALID;
    as_str text = {(const char *)event->data.scalar.value, event->data.scalar.length};
    key->key = as_str_copy(r->arena, text);
    key->key_line = event->start_mark.line + 1;
    key->key_column = event->start_mark.column + 1;
    for (const as_yaml *m = map->child; m; m = m->next)
        if (as_str_eq(m->key, text))
            return as_fail(r->err, AS_INVALID,
                           "%s:%zu:%zu: key '%.*s' stands twice (first at line %zu)", r->name,
                           key->key_line, key->key_column, AS_STR_ARG(text), m->key_line);
    return AS_OK;
}

static as_rc read_map(reader *r, as_yaml *map) {
    as_yaml **link = &map->child;
    for (;;) {
        yaml_event_t event;
        as_yaml key = {0};
        if (next_event(r, &event)) return AS_INVALID;
        bool end = event.type == YAML_MAPPING_END_EVENT;
        as_rc rc = end ? AS_OK : read_key(r, &event, map, &key);
        yaml_event_delete(&event);
        if (rc || end) return rc;

        if (next_event(r, &event)) return AS_INVALID;
        as_yaml *value = NULL;
        rc = read_value(r, &event, &value);
        yaml_event_delete(&event);
        if (rc) return rc;
        value->key = key.key;
        value->key_line = key.key_line;
        value->key_column = key.key_column;
        *link = value;
        link = &value->next;
        map->count++;
    }
}

static as_rc read_value(reader *r, const yaml_event_t *event, as_yaml **out) {
    if (check_plain_event(r, event)) return AS_INVALID;
    if (++r->depth > AS_YAML_DEPTH_MAX) return fail_at(r, event->start_mark, "nested too deeply");
    as_yaml *node = AS_NEW(r->arena, as_yaml);
    node->line = event->start_mark.line + 1;
    node->column = event->start_mark.column + 1;
    as_rc rc = AS_OK;
    if (event->type == YAML_SCALAR_EVENT) {
        node->text = as_str_copy(
            r->arena, (as_str){(const char *)event->data.scalar.value, event->data.scalar.length});
        node->kind = AS_YAML_STRING;
        if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) resolve_plain(node);
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        node->kind = AS_YAML_LIST;
        rc = read_list(r, node);
    } else {
        node->kind = AS_YAML_MAP;
        rc = read_map(r, node);
    }
    r->depth--;
    *out = node;
    return rc;
}

// Events until the next one that opens a value; NULL out when the stream holds none.
static as_rc read_document(reader *r, as_yaml **out) {
    *out = NULL;
    for (;;) {
        yaml_event_t event;
        if (next_event(r, &event)) return AS_INVALID;
        as_rc rc = AS_OK;
        bool end = event.type == YAML_STREAM_END_EVENT;
        bool value = event.type == YAML_SCALAR_EVENT || event.type == YAML_SEQUENCE_START_EVENT ||
                     event.type == YAML_MAPPING_START_EVENT || event.type == YAML_ALIAS_EVENT;
        if (value && *out)
            rc = fail_at(r, event.start_mark, "a second document");
        else if (value)
            rc = read_value(r, &event, out);
        yaml_event_delete(&event);
        if (rc || end) return rc;
    }
}

as_rc as_yaml_parse(as_arena *arena, as_str text, const char *name, const as_yaml **out,
                    as_err *err) {
    size_t bad = as_utf8_invalid_at(text);
    if (bad != SIZE_MAX) {
        size_t line = 1, start = 0;
        for (size_t i = 0; i < bad; i++)
            if (text.ptr[i] == '\n') line++, start = i + 1;
        return as_fail(err, AS_INVALID, "%s:%zu:%zu: invalid UTF-8 (byte 0x%02x)", name, line,
                       bad - start + 1, (unsigned char)text.ptr[bad]);
    }
    reader r = {.arena = arena, .name = name, .err = err};
    if (!yaml_parser_initialize(&r.parser))
        return as_fail(err, AS_UNMEASURED, "%s: cannot start the YAML parser", name);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text.ptr, text.len);
    as_yaml *root = NULL;
    as_rc rc = read_document(&r, &root);
    yaml_parser_delete(&r.parser);
    if (rc) return rc;
    if (!root) return as_fail(err, AS_INVALID, "%s:1:1: the file is empty", name);
    *out = root;
    return AS_OK;
}

const as_yaml *as_yaml_get(const as_yaml *map, const char *key) {
    if (!map || map->kind != AS_YAML_MAP) return NULL;
    for (const as_yaml *m = map->child; m; m = m->next)
        if (as_str_is(m->key, key)) return m;
    return NULL;
}

static void write_json(as_json_out *out, const as_yaml *value) {
    char brackets[2] = {value->kind == AS_YAML_MAP ? '{' : '[',
                        value->kind == AS_YAML_MAP ? '}' : ']'};
    switch (value->kind) {
    case AS_YAML_NULL:
        as_jo_null(out);
        break;
    case AS_YAML_BOOL:
        as_jo_bool(out, value->boolean);
        break;
    case AS_YAML_NUMBER:
        as_jo_f64(out, value->number);
        break;
    case AS_YAML_STRING:
        as_jo_str(out, value->text);
        break;
    case AS_YAML_LIST:
    case AS_YAML_MAP:
        as_jo_open(out, brackets[0]);
        for (const as_yaml *c = value->child; c; c = c->next) {
            if (value->kind == AS_YAML_MAP) as_jo_keys(out, c->key);
            write_json(out, c);
        }
        as_jo_close(out, brackets[1]);
        break;
    }
}

as_str as_yaml_json(as_arena *arena, const as_yaml *value) {
    as_buf buf = {0};
    as_json_out out = {.buf = &buf};
    write_json(&out, value);
    as_str text = as_str_copy(arena, as_buf_view(&buf));
    as_buf_free(&buf);
    return text;
}

const char *as_yaml_kind_name(as_yaml_kind kind) {
    static const char *const names[] = {"empty",    "true or false", "a number",
                                        "a string", "a list",        "a map"};
    return names[kind];
}
