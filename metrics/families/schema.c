// SPDX-License-Identifier: Apache-2.0
#include "metrics/families/schema.h"

#include <math.h>
#include <stdlib.h>

#include "metrics/families/schema_words.h"

static const as_schema_keyword keywords[] = {
    {"type", W_TYPE, F_TYPES},
    {"enum", W_ENUM, F_LIST},
    {"const", W_CONST, F_ANYTHING},
    {"multipleOf", W_MULTIPLE, F_POSITIVE},
    {"minimum", W_MIN, F_NUMBER},
    {"maximum", W_MAX, F_NUMBER},
    {"exclusiveMinimum", W_ABOVE, F_NUMBER},
    {"exclusiveMaximum", W_BELOW, F_NUMBER},
    {"minLength", W_MIN_LENGTH, F_COUNT},
    {"maxLength", W_MAX_LENGTH, F_COUNT},
    {"pattern", W_PATTERN, F_PATTERN},
    {"prefixItems", W_PREFIX, F_SCHEMA_LIST},
    {"items", W_ITEMS, F_SCHEMA},
    {"contains", W_CONTAINS, F_SCHEMA},
    {"minContains", W_NOTE, F_COUNT}, // read with contains
    {"maxContains", W_NOTE, F_COUNT},
    {"minItems", W_MIN_ITEMS, F_COUNT},
    {"maxItems", W_MAX_ITEMS, F_COUNT},
    {"uniqueItems", W_UNIQUE, F_BOOL},
    {"properties", W_PROPERTIES, F_SCHEMA_MAP},
    {"patternProperties", W_PATTERNS, F_PATTERN_MAP},
    {"additionalProperties", W_ADDITIONAL, F_SCHEMA},
    {"propertyNames", W_NAMES, F_SCHEMA},
    {"required", W_REQUIRED, F_STRINGS},
    {"minProperties", W_MIN_PROPERTIES, F_COUNT},
    {"maxProperties", W_MAX_PROPERTIES, F_COUNT},
    {"dependentRequired", W_NEEDS, F_STRINGS_MAP},
    {"dependentSchemas", W_NEEDS_SCHEMA, F_SCHEMA_MAP},
    {"allOf", W_ALL, F_SCHEMA_LIST},
    {"anyOf", W_ANY, F_SCHEMA_LIST},
    {"oneOf", W_ONE, F_SCHEMA_LIST},
    {"not", W_NOT, F_SCHEMA},
    {"if", W_IF, F_SCHEMA},
    {"then", W_NOTE, F_SCHEMA}, // read with if
    {"else", W_NOTE, F_SCHEMA},
    {"$ref", W_REF, F_REF},
    {"$defs", W_NOTE, F_SCHEMA_MAP},
    {"definitions", W_NOTE, F_SCHEMA_MAP},
    {"$schema", W_NOTE, F_ANYTHING},
    {"$id", W_NOTE, F_ANYTHING},
    {"$comment", W_NOTE, F_ANYTHING},
    {"title", W_NOTE, F_ANYTHING},
    {"description", W_NOTE, F_ANYTHING},
    {"default", W_NOTE, F_ANYTHING},
    {"examples", W_NOTE, F_ANYTHING},
    {"format", W_NOTE, F_ANYTHING},
    {"deprecated", W_NOTE, F_ANYTHING},
    {"readOnly", W_NOTE, F_ANYTHING},
    {"writeOnly", W_NOTE, F_ANYTHING},
    {"contentEncoding", W_NOTE, F_ANYTHING},
    {"contentMediaType", W_NOTE, F_ANYTHING},
};
enum { KEYWORD_COUNT = sizeof keywords / sizeof *keywords };

const char *const as_schema_types[] = {"null",  "boolean", "number",  "string",
                                       "array", "object",  "integer", NULL};

const as_schema_keyword *as_schema_find(as_str name) {
    for (size_t i = 0; i < KEYWORD_COUNT; i++)
        if (as_str_is(name, keywords[i].name)) return &keywords[i];
    return NULL;
}

const as_json *as_schema_resolve(const as_schema *s, as_str ref) {
    const as_json *at = s->root;
    if (!as_str_starts(ref, AS_STR("#"))) return NULL;
    ref = as_str_sub(ref, 1, ref.len);
    if (!ref.len) return at;
    if (ref.ptr[0] != '/') return NULL;
    ref = as_str_sub(ref, 1, ref.len);
    while (at && ref.ptr) {
        as_str part = as_str_cut(&ref, '/');
        char name[256];
        size_t len = 0;
        for (size_t i = 0; i < part.len && len < sizeof name; i++) {
            bool escape = part.ptr[i] == '~' && i + 1 < part.len;
            if (escape) i++;
            name[len++] = !escape ? part.ptr[i] : part.ptr[i] == '0' ? '~' : '/';
        }
        int64_t index = -1, n = 0;
        if (at->kind == AS_JSON_ARRAY && !as_str_to_i64(part, &index)) return NULL;
        const as_json *child =
            at->kind == AS_JSON_ARRAY || at->kind == AS_JSON_OBJECT ? at->child : NULL;
        while (child && (index >= 0 ? n != index : !as_str_eq(child->key, (as_str){name, len})))
            child = child->next, n++;
        at = child;
    }
    return at;
}

// ---- loading ----

static as_rc check(as_schema *s, const as_json *schema, as_str where, unsigned depth, as_err *err);

static as_rc refuse(const as_schema_keyword *k, as_str where, const char *wanted, as_err *err) {
    return as_fail(err, AS_INVALID, "json schema: '%s' at '%.*s/' must be %s", k->name,
                   AS_STR_ARG(where), wanted);
}

static as_rc compile(as_schema *s, as_str pattern, as_str where, as_err *err) {
    as_regex *regex;
    as_rc rc = as_regex_new(pattern, 0, &regex, err);
    if (rc) {
        as_err_prefix(err, "json schema: '%.*s'", AS_STR_ARG(where));
        return rc;
    }
    if (s->pattern_count == s->pattern_room) {
        s->pattern_room = s->pattern_room ? 2 * s->pattern_room : 8;
        s->patterns = as_mem_grow(s->patterns, as_size_mul(s->pattern_room, sizeof *s->patterns));
    }
    s->patterns[s->pattern_count++] = (as_schema_pattern){pattern, regex};
    return AS_OK;
}

static bool is_count(const as_json *v) {
    return v->kind == AS_JSON_NUMBER && v->number >= 0 && v->number == floor(v->number);
}

static bool are_strings(const as_json *v) {
    if (v->kind != AS_JSON_ARRAY) return false;
    for (const as_json *m = v->child; m; m = m->next)
        if (m->kind != AS_JSON_STRING) return false;
    return true;
}

static bool is_type(const as_json *v) {
    for (size_t i = 0; as_schema_types[i] && v->kind == AS_JSON_STRING; i++)
        if (as_str_is(v->text, as_schema_types[i])) return true;
    return false;
}

static as_rc check_types(const as_schema_keyword *k, const as_json *v, as_str where, as_err *err) {
    bool good = v->kind == AS_JSON_ARRAY ? v->count > 0 : is_type(v);
    for (const as_json *m = v->kind == AS_JSON_ARRAY ? v->child : NULL; m; m = m->next)
        good &= is_type(m);
    return good ? AS_OK
                : refuse(k, where,
                         "null, boolean, number, integer, string, array or object, or a "
                         "list of them",
                         err);
}

static as_rc check_ref(as_schema *s, const as_json *v, as_str where, unsigned depth, as_err *err) {
    const as_json *target = v->kind == AS_JSON_STRING ? as_schema_resolve(s, v->text) : NULL;
    if (!target)
        return as_fail(
            err, AS_INVALID,
            "json schema: '$ref' at '%.*s/' must be '#' and the path of a schema in this "
            "document, not '%.*s'",
            AS_STR_ARG(where), AS_STR_ARG(v->text));
    for (size_t i = 0; i < s->ref_count; i++)
        if (s->refs[i] == target) return AS_OK;
    if (s->ref_count == AS_SCHEMA_REFS_MAX)
        return as_fail(err, AS_INVALID, "json schema: more than %d references", AS_SCHEMA_REFS_MAX);
    s->refs[s->ref_count++] = target;
    return check(s, target, v->text, depth + 1, err);
}

// The schemas, or patterns, that stand inside a keyword's value.
static as_rc check_inside(as_schema *s, const as_schema_keyword *k, const as_json *v, as_str where,
                          unsigned depth, as_err *err) {
    as_rc rc = AS_OK;
    for (const as_json *m = v->child; m && !rc; m = m->next) {
        as_str at =
            as_strf(&s->arena, "%.*s/%s/%.*s", AS_STR_ARG(where), k->name, AS_STR_ARG(m->key));
        if (k->form == F_STRINGS_MAP)
            rc = are_strings(m) ? AS_OK : refuse(k, where, "lists of property names", err);
        else
            rc = check(s, m, at, depth + 1, err);
        if (!rc && k->form == F_PATTERN_MAP) rc = compile(s, m->key, at, err);
    }
    return rc;
}

static as_rc check_keyword(as_schema *s, const as_schema_keyword *k, const as_json *v, as_str where,
                           unsigned depth, as_err *err) {
    bool list = v->kind == AS_JSON_ARRAY, map = v->kind == AS_JSON_OBJECT;
    bool number = v->kind == AS_JSON_NUMBER;
    switch (k->form) {
    case F_ANYTHING:
        return AS_OK;
    case F_SCHEMA:
        return check(s, v, as_strf(&s->arena, "%.*s/%s", AS_STR_ARG(where), k->name), depth + 1,
                     err);
    case F_SCHEMA_LIST:
        return list && v->count ? check_inside(s, k, v, where, depth, err)
                                : refuse(k, where, "a list of schemas", err);
    case F_SCHEMA_MAP:
    case F_PATTERN_MAP:
    case F_STRINGS_MAP:
        return map ? check_inside(s, k, v, where, depth, err) : refuse(k, where, "an object", err);
    case F_COUNT:
        return is_count(v) ? AS_OK : refuse(k, where, "a whole number of 0 or more", err);
    case F_NUMBER:
        return number ? AS_OK : refuse(k, where, "a number", err);
    case F_POSITIVE:
        return number && v->number > 0 ? AS_OK : refuse(k, where, "a number above 0", err);
    case F_BOOL:
        return v->kind == AS_JSON_BOOL ? AS_OK : refuse(k, where, "true or false", err);
    case F_LIST:
        return list ? AS_OK : refuse(k, where, "a list", err);
    case F_STRINGS:
        return are_strings(v) ? AS_OK : refuse(k, where, "a list of strings", err);
    case F_TYPES:
        return check_types(k, v, where, err);
    case F_PATTERN:
        return v->kind == AS_JSON_STRING ? compile(s, v->text, where, err)
                                         : refuse(k, where, "a string", err);
    case F_REF:
        return check_ref(s, v, where, depth, err);
    }
    return AS_OK;
}

static as_rc unknown(as_str key, as_str where, as_err *err) {
    const char *names[KEYWORD_COUNT + 1];
    for (size_t i = 0; i < KEYWORD_COUNT; i++) names[i] = keywords[i].name;
    names[KEYWORD_COUNT] = NULL;
    const char *near = as_str_nearest(key, names);
    return as_fail(err, AS_INVALID, "json schema: keyword '%.*s' at '%.*s/' is not supported%s%s%s",
                   AS_STR_ARG(key), AS_STR_ARG(where), near ? "; did you mean '" : "",
                   near ? near : "", near ? "'?" : "");
}

static as_rc check(as_schema *s, const as_json *schema, as_str where, unsigned depth, as_err *err) {
    if (schema->kind == AS_JSON_BOOL) return AS_OK;
    if (schema->kind != AS_JSON_OBJECT)
        return as_fail(err, AS_INVALID,
                       "json schema: '%.*s/' must be an object or true or false, not %s",
                       AS_STR_ARG(where), as_json_kind_name(schema->kind));
    if (depth > AS_SCHEMA_DEPTH_MAX)
        return as_fail(err, AS_INVALID, "json schema: nested deeper than %d", AS_SCHEMA_DEPTH_MAX);
    as_rc rc = AS_OK;
    for (const as_json *m = schema->child; m && !rc; m = m->next) {
        const as_schema_keyword *k = as_schema_find(m->key);
        rc = k ? check_keyword(s, k, m, where, depth, err) : unknown(m->key, where, err);
    }
    return rc;
}

as_rc as_schema_new(const as_json *schema, as_schema **out, as_err *err) {
    as_schema *s = as_mem_new(sizeof *s);
    s->root = schema;
    as_rc rc = check(s, schema, AS_STR("#"), 0, err);
    if (rc)
        as_schema_free(s);
    else
        *out = s;
    return rc;
}

void as_schema_free(as_schema *schema) {
    if (!schema) return;
    for (size_t i = 0; i < schema->pattern_count; i++) as_regex_free(schema->patterns[i].regex);
    free(schema->patterns);
    as_arena_free(&schema->arena);
    free(schema);
}
