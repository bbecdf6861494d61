// SPDX-License-Identifier: Apache-2.0
// JSON Schema (draft 2020-12) to a grammar of the JSON texts that are valid under it. A grammar has
// no way to say all of it, so what it cannot say is refused by name; what is taken is exact: every
// text that is complete is valid. Not every valid text can be written: properties come in the
// order of the schema, others than those only where additionalProperties asks for them, numbers
// have at most 16 digits before the point, and white space is what people use.
//
// type, enum, const, anyOf, oneOf of values that cannot be confused, $ref within the document;
// properties, required, additionalProperties; items, prefixItems, minItems, maxItems; minLength,
// maxLength, pattern (grammar_regex.c), format (date, time, date-time, uuid, ipv4; others are
// notes); minimum and maximum of integers.
#include "harness/base/grammar/grammar_schema.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 64 };

void as_schema_maker_fail(as_schema_maker *s, const char *format, ...) {
    if (s->failed) return;
    s->failed = true;
    as_buf text = {0};
    va_list args;
    va_start(args, format);
    as_bufv(&text, format, args);
    va_end(args);
    as_str path = s->path.len ? as_buf_view(&s->path) : AS_STR("/");
    as_fail(s->err, AS_INVALID, "at '%.*s': %s", AS_STR_ARG(path), text.ptr);
    as_buf_free(&text);
}

int64_t as_schema_count(as_schema_maker *s, const as_json *schema, const char *key,
                        int64_t otherwise) {
    const as_json *value = as_json_get(schema, key);
    if (!value) return otherwise;
    bool fine = value->kind == AS_JSON_NUMBER && value->number >= 0 &&
                value->number <= AS_GRAMMAR_REPEAT_MAX && value->number == floor(value->number);
    if (!fine)
        as_schema_maker_fail(s, "'%s' must be a whole number from 0 to %d", key,
                             AS_GRAMMAR_REPEAT_MAX);
    return fine ? (int64_t)value->number : otherwise;
}

as_gx as_schema_make_at(as_schema_maker *s, as_str key, const as_json *schema) {
    size_t before = s->path.len;
    as_buff(&s->path, "/%.*s", AS_STR_ARG(key));
    as_gx made = as_schema_make(s, schema);
    s->path.len = before;
    return made;
}

as_gx as_schema_space(as_schema_maker *s) {
    as_maker *m = s->maker;
    if (!s->space) {
        as_point_set blank = {0};
        as_points_add(&blank, ' ', ' ');
        as_points_add(&blank, '\t', '\t');
        as_points_tidy(&blank);
        as_gx line = as_gx_sequence(m), either = as_gx_either(m);
        as_gx_add(m, line, as_gx_text(m, AS_STR("\n")));
        as_gx_add(m, line, as_gx_repeat(m, as_gx_points(m, &blank), 0, 20));
        as_gx_add(m, either, as_gx_text(m, AS_STR("")));
        as_gx_add(m, either, as_gx_text(m, AS_STR(" ")));
        as_gx_add(m, either, line);
        free(blank.items);
        uint32_t rule = as_maker_rule_of(m, AS_STR(""), 0, 0);
        as_maker_define(m, rule, either);
        s->space = rule + 1;
    }
    return as_gx_call(m, s->space - 1);
}

as_gx as_schema_comma(as_schema_maker *s) {
    as_maker *m = s->maker;
    as_gx list = as_gx_sequence(m);
    as_gx_add(m, list, as_schema_space(s));
    as_gx_add(m, list, as_gx_text(m, AS_STR(",")));
    as_gx_add(m, list, as_schema_space(s));
    return list;
}

as_gx as_schema_any(as_schema_maker *s) {
    as_maker *m = s->maker;
    if (!s->value) {
        static const as_json no_keys = {.kind = AS_JSON_OBJECT};
        as_json open = {.kind = AS_JSON_BOOL, .boolean = true};
        open.key = AS_STR("additionalProperties");
        as_json object = {.kind = AS_JSON_OBJECT, .child = &open, .count = 1};
        uint32_t rule = as_maker_rule_of(m, AS_STR(""), 0, 0);
        s->value = rule + 1; // before its parts, which call it
        as_gx either = as_gx_either(m);
        as_gx_add(m, either, as_schema_object(s, &object));
        as_gx_add(m, either, as_schema_array(s, &no_keys));
        as_gx_add(m, either, as_schema_string(s, &no_keys));
        as_gx_add(m, either, as_schema_number(s, &no_keys, false));
        as_gx_add(m, either, as_gx_text(m, AS_STR("true")));
        as_gx_add(m, either, as_gx_text(m, AS_STR("false")));
        as_gx_add(m, either, as_gx_text(m, AS_STR("null")));
        as_maker_define(m, rule, either);
    }
    return as_gx_call(m, s->value - 1);
}

// --- keywords -----------------------------------------------------------------------------------

static const char *const notes[] = {
    "title", "description", "default",          "examples",        "$schema",
    "$id",   "$comment",    "deprecated",       "readOnly",        "writeOnly",
    "$defs", "definitions", "contentMediaType", "contentEncoding", NULL};
static const char *const words[] = {"type",
                                    "enum",
                                    "const",
                                    "anyOf",
                                    "oneOf",
                                    "allOf",
                                    "$ref",
                                    "format",
                                    "pattern",
                                    "minLength",
                                    "maxLength",
                                    "minimum",
                                    "maximum",
                                    "items",
                                    "required",
                                    "minItems",
                                    "maxItems",
                                    "exclusiveMinimum",
                                    "exclusiveMaximum",
                                    "prefixItems",
                                    "properties",
                                    "additionalProperties",
                                    NULL};

static bool is_in(as_str word, const char *const *list) {
    for (size_t i = 0; list[i]; i++)
        if (as_str_is(word, list[i])) return true;
    return false;
}

// Only the keywords listed, and notes, may be there; `beside` names what they stand beside.
static void allow(as_schema_maker *s, const as_json *schema, const char *const *allowed,
                  const char *beside) {
    for (const as_json *k = schema->child; k && !s->failed; k = k->next)
        if (!is_in(k->key, notes) && !is_in(k->key, allowed))
            as_schema_maker_fail(s, "'%.*s' beside '%s' is not supported in constrained answers",
                                 AS_STR_ARG(k->key), beside);
}

static void check_words(as_schema_maker *s, const as_json *schema) {
    for (const as_json *k = schema->child; k && !s->failed; k = k->next) {
        // What asks for nothing is fine.
        if (as_str_is(k->key, "uniqueItems") && k->kind == AS_JSON_BOOL && !k->boolean) continue;
        if (is_in(k->key, notes) || is_in(k->key, words)) continue;
        const char *near = as_str_nearest(k->key, words);
        as_schema_maker_fail(s, "'%.*s' is not supported in constrained answers%s%s%s",
                             AS_STR_ARG(k->key), near ? " (did you mean '" : "", near ? near : "",
                             near ? "'?)" : "");
    }
}

static const char *const types[] = {"null",  "boolean", "number",  "string",
                                    "array", "object",  "integer", NULL};

static size_t type_of(as_str name) {
    for (size_t i = 0; types[i]; i++)
        if (as_str_is(name, types[i])) return i;
    return SIZE_MAX;
}

static bool value_has_type(const as_json *value, size_t type) {
    if (type == 6) return value->kind == AS_JSON_NUMBER && value->number == floor(value->number);
    return type == (size_t)value->kind;
}

// Whether a schema's `type` lets a value of the enumeration be.
static bool type_allows(const as_json *type, const as_json *value) {
    if (!type) return true;
    if (type->kind == AS_JSON_STRING) return value_has_type(value, type_of(type->text));
    for (const as_json *t = type->child; t; t = t->next)
        if (t->kind == AS_JSON_STRING && value_has_type(value, type_of(t->text))) return true;
    return false;
}

static as_gx make_literal(as_schema_maker *s, const as_json *value) {
    as_buf text = {0};
    as_json_write(&text, value);
    as_gx made = as_gx_text(s->maker, as_buf_view(&text));
    as_buf_free(&text);
    return made;
}

static as_gx make_values(as_schema_maker *s, const as_json *schema, const char *word) {
    static const char *const allowed[] = {"enum", "const", "type", NULL};
    const as_json *values = as_json_get(schema, "enum"), *one = as_json_get(schema, "const");
    const as_json *type = as_json_get(schema, "type");
    as_gx either = as_gx_either(s->maker);
    size_t count = 0;
    allow(s, schema, allowed, word);
    if (values && one) as_schema_maker_fail(s, "'enum' beside 'const' is not supported");
    if (values && values->kind != AS_JSON_ARRAY)
        as_schema_maker_fail(s, "'enum' must be a list, found %s", as_json_kind_name(values->kind));
    if (s->failed) return either;
    for (const as_json *v = one ? one : values->child; v; v = one ? NULL : v->next) {
        if (!type_allows(type, v)) continue;
        as_gx_add(s->maker, either, make_literal(s, v));
        count++;
    }
    if (!count) as_schema_maker_fail(s, "'%s' has no value that 'type' allows", word);
    return either;
}

// "#/$defs/x" to what it names.
static const as_json *resolve(as_schema_maker *s, as_str ref) {
    const as_json *at = s->root;
    as_str rest = ref;
    if (!as_str_starts(ref, AS_STR("#")) || (ref.len > 1 && ref.ptr[1] != '/')) {
        as_schema_maker_fail(s, "$ref '%.*s' is not within the document ('#/$defs/NAME')",
                             AS_STR_ARG(ref));
        return NULL;
    }
    as_str_cut(&rest, '/');
    while (at && rest.ptr) {
        as_str part = as_str_cut(&rest, '/');
        as_buf once = {0}, name = {0};
        as_buf_replaced(&once, part, AS_STR("~1"), AS_STR("/"));
        as_buf_replaced(&name, as_buf_view(&once), AS_STR("~0"), AS_STR("~"));
        const as_json *child = at->child;
        int64_t index = -1;
        if (at->kind == AS_JSON_ARRAY) as_str_to_i64(as_buf_view(&name), &index);
        for (int64_t i = 0; child; child = child->next, i++)
            if (at->kind == AS_JSON_ARRAY ? i == index : as_str_eq(child->key, as_buf_view(&name)))
                break;
        at = child;
        as_buf_free(&once);
        as_buf_free(&name);
    }
    if (!at) as_schema_maker_fail(s, "$ref '%.*s' leads nowhere", AS_STR_ARG(ref));
    return at;
}

static as_gx make_ref(as_schema_maker *s, const as_json *schema) {
    static const char *const allowed[] = {"$ref", NULL};
    const as_json *ref = as_json_get(schema, "$ref");
    as_maker *m = s->maker;
    allow(s, schema, allowed, "$ref");
    if (ref->kind != AS_JSON_STRING)
        as_schema_maker_fail(s, "'$ref' must be a string, found %s", as_json_kind_name(ref->kind));
    const as_json *target = s->failed ? NULL : resolve(s, ref->text);
    if (!target) return 0;
    size_t before = m->rule_count;
    uint32_t rule = as_maker_rule_of(m, ref->text, 0, 0);
    if (m->rule_count > before) { // not seen yet: it may call itself
        as_buf path = s->path;
        s->path = (as_buf){0};
        as_buf_str(&s->path, as_str_sub(ref->text, 1, ref->text.len));
        as_gx body = as_schema_make(s, target);
        as_buf_free(&s->path);
        s->path = path;
        if (!s->failed) as_maker_define(m, rule, body);
    }
    return as_gx_call(m, rule);
}

// --- anyOf and oneOf ----------------------------------------------------------------------------

static const as_json *behind_refs(as_schema_maker *s, const as_json *schema) {
    for (size_t i = 0; i < DEPTH_MAX; i++) {
        const as_json *ref = as_json_get(schema, "$ref");
        if (!ref || ref->kind != AS_JSON_STRING) return schema;
        schema = resolve(s, ref->text);
        if (!schema) return NULL;
    }
    return NULL;
}

// The kinds of value that a schema may be, as bits of `types`; integers are numbers.
static unsigned kinds_of(const as_json *schema) {
    const as_json *type = as_json_get(schema, "type"), *one = as_json_get(schema, "const");
    const as_json *values = as_json_get(schema, "enum");
    unsigned bits = 0;
    if (one) return 1u << one->kind;
    if (values && values->kind == AS_JSON_ARRAY) {
        for (const as_json *v = values->child; v; v = v->next) bits |= 1u << v->kind;
        return bits;
    }
    if (!type) return ~0u;
    const as_json *t = type->kind == AS_JSON_ARRAY ? type->child : type;
    for (; t; t = type->kind == AS_JSON_ARRAY ? t->next : NULL) {
        size_t at = t->kind == AS_JSON_STRING ? type_of(t->text) : SIZE_MAX;
        if (at == SIZE_MAX) return ~0u;
        bits |= 1u << (at == 6 ? (size_t)AS_JSON_NUMBER : at);
    }
    return bits;
}

static bool is_required(const as_json *schema, as_str name) {
    const as_json *required = as_json_get(schema, "required");
    for (const as_json *r = required ? required->child : NULL; r; r = r->next)
        if (r->kind == AS_JSON_STRING && as_str_eq(r->text, name)) return true;
    return false;
}

// A text that the schema fixes: const, or an enum of one.
static const as_json *fixed(as_schema_maker *s, const as_json *schema) {
    schema = behind_refs(s, schema);
    const as_json *one = as_json_get(schema, "const"), *values = as_json_get(schema, "enum");
    if (!one && values && values->kind == AS_JSON_ARRAY && values->count == 1) one = values->child;
    return one && one->kind == AS_JSON_STRING ? one : NULL;
}

// Whether no value is as both say: other kinds, or objects that a property tells apart.
static bool are_apart(as_schema_maker *s, const as_json *a, const as_json *b) {
    a = behind_refs(s, a);
    b = behind_refs(s, b);
    if (!a || !b) return false;
    unsigned both = kinds_of(a) & kinds_of(b);
    if (!both) return true;
    const as_json *x = fixed(s, a), *y = fixed(s, b);
    if (x && y) return !as_str_eq(x->text, y->text);
    if (both != 1u << AS_JSON_OBJECT) return false;
    const as_json *mine = as_json_get(a, "properties"), *other = as_json_get(b, "properties");
    for (const as_json *p = mine ? mine->child : NULL; p; p = p->next) {
        const as_json *q = other ? other->child : NULL;
        while (q && !as_str_eq(q->key, p->key)) q = q->next;
        if (!q || !is_required(a, p->key) || !is_required(b, p->key)) continue;
        x = fixed(s, p);
        y = fixed(s, q);
        if (x && y && !as_str_eq(x->text, y->text)) return true;
    }
    return false;
}

static as_gx make_any_of(as_schema_maker *s, const as_json *schema, const char *word) {
    const char *const allowed[] = {word, NULL};
    const as_json *list = as_json_get(schema, word);
    as_gx either = as_gx_either(s->maker);
    size_t before = s->path.len, i = 0;
    allow(s, schema, allowed, word);
    if (list->kind != AS_JSON_ARRAY || !list->count)
        as_schema_maker_fail(s, "'%s' must be a list of schemas", word);
    if (s->failed) return either;
    if (as_str_is(as_str_of(word), "allOf") && list->count > 1)
        as_schema_maker_fail(s, "'allOf' of several schemas is not supported in constrained "
                                "answers; write them as one");
    for (const as_json *a = list->child; a && !s->failed && as_str_is(list->key, "oneOf");
         a = a->next)
        for (const as_json *b = a->next; b && !s->failed; b = b->next)
            if (!are_apart(s, a, b))
                as_schema_maker_fail(
                    s, "'oneOf' of schemas that one value could be under both of is not supported; "
                       "'anyOf' is, or a required property that is 'const' in each");
    for (const as_json *v = list->child; v && !s->failed; v = v->next, i++) {
        as_buff(&s->path, "/%s/%zu", word, i);
        as_gx item = as_schema_make(s, v);
        s->path.len = before;
        if (!s->failed) as_gx_add(s->maker, either, item);
    }
    return either;
}

// --- by type ------------------------------------------------------------------------------------

static as_gx make_type(as_schema_maker *s, const as_json *schema, size_t type) {
    as_maker *m = s->maker;
    as_gx either;
    switch (type) {
    case AS_JSON_NULL:
        return as_gx_text(m, AS_STR("null"));
    case AS_JSON_BOOL:
        either = as_gx_either(m);
        as_gx_add(m, either, as_gx_text(m, AS_STR("true")));
        as_gx_add(m, either, as_gx_text(m, AS_STR("false")));
        return either;
    case AS_JSON_NUMBER:
        return as_schema_number(s, schema, false);
    case AS_JSON_STRING:
        return as_schema_string(s, schema);
    case AS_JSON_ARRAY:
        return as_schema_array(s, schema);
    case AS_JSON_OBJECT:
        return as_schema_object(s, schema);
    default:
        return as_schema_number(s, schema, true);
    }
}

// The type of a schema that does not name one, by its keywords; SIZE_MAX: any.
static size_t implied_type(const as_json *schema) {
    static const struct {
        const char *word;
        as_json_kind kind;
    } hints[] = {{"properties", AS_JSON_OBJECT},
                 {"required", AS_JSON_OBJECT},
                 {"additionalProperties", AS_JSON_OBJECT},
                 {"items", AS_JSON_ARRAY},
                 {"prefixItems", AS_JSON_ARRAY},
                 {"minItems", AS_JSON_ARRAY},
                 {"maxItems", AS_JSON_ARRAY},
                 {"pattern", AS_JSON_STRING},
                 {"minLength", AS_JSON_STRING},
                 {"maxLength", AS_JSON_STRING},
                 {"format", AS_JSON_STRING},
                 {"minimum", AS_JSON_NUMBER},
                 {"maximum", AS_JSON_NUMBER},
                 {"exclusiveMinimum", AS_JSON_NUMBER},
                 {"exclusiveMaximum", AS_JSON_NUMBER}};
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
        if (as_json_get(schema, hints[i].word)) return hints[i].kind;
    return SIZE_MAX;
}

static as_gx make_typed(as_schema_maker *s, const as_json *schema) {
    const as_json *type = as_json_get(schema, "type");
    if (!type) {
        size_t implied = implied_type(schema);
        return implied == SIZE_MAX ? as_schema_any(s) : make_type(s, schema, implied);
    }
    bool list = type->kind == AS_JSON_ARRAY && type->count;
    as_gx either = as_gx_either(s->maker);
    for (const as_json *t = list ? type->child : type; t && !s->failed; t = list ? t->next : NULL) {
        size_t at = t->kind == AS_JSON_STRING ? type_of(t->text) : SIZE_MAX;
        if (at == SIZE_MAX) {
            as_schema_maker_fail(s, "'type' must be one of null, boolean, number, integer, string, "
                                    "array and object, or a list of them");
            break;
        }
        as_gx made = make_type(s, schema, at);
        if (!s->failed) as_gx_add(s->maker, either, made);
    }
    return either;
}

as_gx as_schema_make(as_schema_maker *s, const as_json *schema) {
    if (s->failed) return 0;
    if (schema->kind == AS_JSON_BOOL && schema->boolean) return as_schema_any(s);
    if (schema->kind != AS_JSON_OBJECT) {
        as_schema_maker_fail(s, schema->kind == AS_JSON_BOOL
                                    ? "no value is as the schema 'false' says"
                                    : "a schema must be an object or true");
        return 0;
    }
    if (++s->depth > DEPTH_MAX)
        as_schema_maker_fail(s, "schemas are nested deeper than %d", DEPTH_MAX);
    as_gx made = 0;
    if (!s->failed) check_words(s, schema);
    if (s->failed)
        made = 0;
    else if (as_json_get(schema, "$ref"))
        made = make_ref(s, schema);
    else if (as_json_get(schema, "enum") || as_json_get(schema, "const"))
        made = make_values(s, schema, as_json_get(schema, "enum") ? "enum" : "const");
    else if (as_json_get(schema, "anyOf"))
        made = make_any_of(s, schema, "anyOf");
    else if (as_json_get(schema, "oneOf"))
        made = make_any_of(s, schema, "oneOf");
    else if (as_json_get(schema, "allOf"))
        made = make_any_of(s, schema, "allOf");
    else
        made = make_typed(s, schema);
    s->depth--;
    return made;
}

as_rc as_grammar_of_schema(const as_json *schema, as_grammar **out, as_err *err) {
    as_maker maker = {0};
    as_schema_maker s = {.maker = &maker, .root = schema, .err = err};
    uint32_t root = as_maker_rule_of(&maker, AS_STR("#"), 0, 0); // which "$ref": "#" names too
    as_gx body = as_schema_make(&s, schema);
    as_rc rc = s.failed ? AS_INVALID : AS_OK;
    if (!rc) as_maker_define(&maker, root, body);
    if (!rc) rc = as_maker_compile(&maker, root, out, err);
    as_maker_free(&maker);
    as_buf_free(&s.path);
    return rc;
}
