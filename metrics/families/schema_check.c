// SPDX-License-Identifier: Apache-2.0
// schema_check.c - values against a schema that was loaded and so cannot be wrong.
#include <math.h>
#include <stdlib.h>

#include "harness/base/utf8.h"
#include "metrics/families/schema_words.h"

enum { STEPS_MAX = 10000000, TYPE_INTEGER = 6 };

bool as_schema_equal(const as_json *a, const as_json *b) {
    if (a->kind != b->kind || a->count != b->count) return false;
    switch (a->kind) {
    case AS_JSON_NULL:
        return true;
    case AS_JSON_BOOL:
        return a->boolean == b->boolean;
    case AS_JSON_NUMBER:
        return a->number == b->number;
    case AS_JSON_STRING:
        return as_str_eq(a->text, b->text);
    case AS_JSON_ARRAY:
        for (const as_json *x = a->child, *y = b->child; x; x = x->next, y = y->next)
            if (!as_schema_equal(x, y)) return false;
        return true;
    case AS_JSON_OBJECT:
        for (const as_json *x = a->child; x; x = x->next) {
            const as_json *y = b->child;
            while (y && !as_str_eq(x->key, y->key)) y = y->next;
            if (!y || !as_schema_equal(x, y)) return false;
        }
        return true;
    }
    return false;
}

// Equal values have equal texts: numbers by value, members by name.
static void write_canonical(as_arena *arena, as_buf *out, const as_json *v);

static int by_key(const void *a, const void *b) {
    return as_str_cmp((*(const as_json *const *)a)->key, (*(const as_json *const *)b)->key);
}

static void write_members(as_arena *arena, as_buf *out, const as_json *v) {
    const as_json **members = AS_NEW_ARRAY(arena, const as_json *, v->count + 1);
    size_t n = 0;
    for (const as_json *m = v->child; m; m = m->next) members[n++] = m;
    if (n && v->kind == AS_JSON_OBJECT) qsort(members, n, sizeof *members, by_key);
    as_buf_char(out, v->kind == AS_JSON_OBJECT ? '{' : '[');
    for (size_t i = 0; i < n; i++) {
        if (v->kind == AS_JSON_OBJECT) as_json_write_str(out, members[i]->key);
        write_canonical(arena, out, members[i]);
        as_buf_char(out, ',');
    }
    as_buf_char(out, '}');
}

static void write_canonical(as_arena *arena, as_buf *out, const as_json *v) {
    if (v->kind == AS_JSON_NUMBER)
        as_buf_f64(out, v->number + 0.0); // -0 is 0
    else if (v->kind == AS_JSON_ARRAY || v->kind == AS_JSON_OBJECT)
        write_members(arena, out, v);
    else
        as_json_write(out, v);
}

static int by_text(const void *a, const void *b) {
    return as_str_cmp(*(const as_str *)a, *(const as_str *)b);
}

static bool all_differ(as_schema *s, const as_json *list) {
    as_str *texts = AS_NEW_ARRAY(&s->arena, as_str, list->count + 1);
    size_t n = 0;
    as_buf buf = {0};
    for (const as_json *m = list->child; m; m = m->next) {
        as_buf_clear(&buf);
        write_canonical(&s->arena, &buf, m);
        texts[n++] = as_str_copy(&s->arena, as_buf_view(&buf));
    }
    as_buf_free(&buf);
    if (n) qsort(texts, n, sizeof *texts, by_text);
    for (size_t i = 1; i < n; i++)
        if (as_str_eq(texts[i - 1], texts[i])) return false;
    return true;
}

static bool matches(const as_schema *s, as_str pattern, as_str text) {
    as_str groups[AS_REGEX_GROUPS_MAX];
    for (size_t i = 0; i < s->pattern_count; i++)
        if (as_str_eq(s->patterns[i].pattern, pattern))
            return as_regex_match(s->patterns[i].regex, text, 0, groups) > 0;
    return false;
}

static bool has_type(const as_json *type, const as_json *v) {
    bool whole = v->kind == AS_JSON_NUMBER && v->number == floor(v->number);
    return as_str_is(type->text, as_schema_types[v->kind]) ||
           (whole && as_str_is(type->text, as_schema_types[TYPE_INTEGER]));
}

// 0.3 is a multiple of 0.1, whatever binary makes of both.
static bool is_multiple(double value, double of) {
    double times = value / of;
    return fabs(times - floor(times + 0.5)) <= 1e-12 * fmax(1, fabs(times));
}

static bool allows(as_schema *s, const as_json *schema, const as_json *v, unsigned depth);

static bool check_contains(as_schema *s, const as_json *schema, const as_json *inner,
                           const as_json *v, unsigned depth) {
    double least = as_json_f64(schema, "minContains", 1);
    double most = as_json_f64(schema, "maxContains", INFINITY), found = 0;
    for (const as_json *m = v->child; m; m = m->next) found += allows(s, inner, m, depth);
    return found >= least && found <= most;
}

static bool check_items(as_schema *s, const as_json *schema, const as_json *inner, const as_json *v,
                        unsigned depth) {
    const as_json *prefix = as_json_get(schema, "prefixItems");
    size_t skip = prefix ? prefix->count : 0, i = 0;
    for (const as_json *m = v->child; m; m = m->next, i++)
        if (i >= skip && !allows(s, inner, m, depth)) return false;
    return true;
}

static bool check_prefix(as_schema *s, const as_json *list, const as_json *v, unsigned depth) {
    const as_json *m = v->child;
    for (const as_json *inner = list->child; inner && m; inner = inner->next, m = m->next)
        if (!allows(s, inner, m, depth)) return false;
    return true;
}

static const as_json *member_of(const as_json *object, as_str key) {
    const as_json *m = object && object->kind == AS_JSON_OBJECT ? object->child : NULL;
    while (m && !as_str_eq(m->key, key)) m = m->next;
    return m;
}

static bool check_patterns(as_schema *s, const as_json *patterns, const as_json *v,
                           unsigned depth) {
    for (const as_json *p = patterns->child; p; p = p->next)
        for (const as_json *m = v->child; m; m = m->next)
            if (matches(s, p->key, m->key) && !allows(s, p, m, depth)) return false;
    return true;
}

static bool check_additional(as_schema *s, const as_json *schema, const as_json *inner,
                             const as_json *v, unsigned depth) {
    const as_json *known = as_json_get(schema, "properties");
    const as_json *patterns = as_json_get(schema, "patternProperties");
    for (const as_json *m = v->child; m; m = m->next) {
        bool met = member_of(known, m->key) != NULL;
        for (const as_json *p = patterns ? patterns->child : NULL; p && !met; p = p->next)
            met = matches(s, p->key, m->key);
        if (!met && !allows(s, inner, m, depth)) return false;
    }
    return true;
}

static bool has_all(const as_json *names, const as_json *v) {
    for (const as_json *name = names->child; name; name = name->next)
        if (!member_of(v, name->text)) return false;
    return true;
}

static bool check_names(as_schema *s, const as_json *inner, const as_json *v, unsigned depth) {
    for (const as_json *m = v->child; m; m = m->next) {
        as_json name = {.kind = AS_JSON_STRING, .text = m->key};
        if (!allows(s, inner, &name, depth)) return false;
    }
    return true;
}

static size_t count_allowing(as_schema *s, const as_json *list, const as_json *v, unsigned depth) {
    size_t count = 0;
    for (const as_json *inner = list->child; inner; inner = inner->next)
        count += allows(s, inner, v, depth);
    return count;
}

static bool check_if(as_schema *s, const as_json *schema, const as_json *condition,
                     const as_json *v, unsigned depth) {
    bool holds = allows(s, condition, v, depth);
    const as_json *next = as_json_get(schema, holds ? "then" : "else");
    return !next || allows(s, next, v, depth);
}

static bool allows_object(as_schema *s, const as_json *schema, as_schema_word word,
                          const as_json *k, const as_json *v, unsigned depth) {
    switch (word) {
    case W_PROPERTIES:
        for (const as_json *p = k->child; p; p = p->next) {
            const as_json *m = member_of(v, p->key);
            if (m && !allows(s, p, m, depth)) return false;
        }
        return true;
    case W_PATTERNS:
        return check_patterns(s, k, v, depth);
    case W_ADDITIONAL:
        return check_additional(s, schema, k, v, depth);
    case W_NAMES:
        return check_names(s, k, v, depth);
    case W_REQUIRED:
        return has_all(k, v);
    case W_MIN_PROPERTIES:
        return (double)v->count >= k->number;
    case W_MAX_PROPERTIES:
        return (double)v->count <= k->number;
    case W_NEEDS:
    case W_NEEDS_SCHEMA:
        for (const as_json *p = k->child; p; p = p->next) {
            if (!member_of(v, p->key)) continue;
            if (word == W_NEEDS ? !has_all(p, v) : !allows(s, p, v, depth)) return false;
        }
        return true;
    default:
        return true;
    }
}

static bool allows_array(as_schema *s, const as_json *schema, as_schema_word word, const as_json *k,
                         const as_json *v, unsigned depth) {
    switch (word) {
    case W_PREFIX:
        return check_prefix(s, k, v, depth);
    case W_ITEMS:
        return check_items(s, schema, k, v, depth);
    case W_CONTAINS:
        return check_contains(s, schema, k, v, depth);
    case W_MIN_ITEMS:
        return (double)v->count >= k->number;
    case W_MAX_ITEMS:
        return (double)v->count <= k->number;
    case W_UNIQUE:
        return !k->boolean || all_differ(s, v);
    default:
        return true;
    }
}

static bool allows_number(as_schema_word word, double limit, double value) {
    switch (word) {
    case W_MULTIPLE:
        return is_multiple(value, limit);
    case W_MIN:
        return value >= limit;
    case W_MAX:
        return value <= limit;
    case W_ABOVE:
        return value > limit;
    case W_BELOW:
        return value < limit;
    default:
        return true;
    }
}

static bool allows_string(const as_schema *s, as_schema_word word, const as_json *k, as_str text) {
    switch (word) {
    case W_MIN_LENGTH:
        return (double)as_utf8_count(text) >= k->number;
    case W_MAX_LENGTH:
        return (double)as_utf8_count(text) <= k->number;
    case W_PATTERN:
        return matches(s, k->text, text);
    default:
        return true;
    }
}

static bool allows_any(as_schema *s, const as_json *schema, as_schema_word word, const as_json *k,
                       const as_json *v, unsigned depth) {
    bool found = false;
    switch (word) {
    case W_TYPE:
        if (k->kind == AS_JSON_STRING) return has_type(k, v);
        for (const as_json *m = k->child; m; m = m->next) found |= has_type(m, v);
        return found;
    case W_ENUM:
        for (const as_json *m = k->child; m; m = m->next) found |= as_schema_equal(m, v);
        return found;
    case W_CONST:
        return as_schema_equal(k, v);
    case W_ALL:
        return count_allowing(s, k, v, depth) == k->count;
    case W_ANY:
        return count_allowing(s, k, v, depth) > 0;
    case W_ONE:
        return count_allowing(s, k, v, depth) == 1;
    case W_NOT:
        return !allows(s, k, v, depth);
    case W_IF:
        return check_if(s, schema, k, v, depth);
    case W_REF:
        return allows(s, as_schema_resolve(s, k->text), v, depth);
    default:
        return true;
    }
}

static bool allows(as_schema *s, const as_json *schema, const as_json *v, unsigned depth) {
    if (schema->kind == AS_JSON_BOOL) return schema->boolean;
    if (depth > AS_SCHEMA_DEPTH_MAX || ++s->steps > STEPS_MAX) {
        s->steps = STEPS_MAX + 1; // no answer anywhere above, whatever `not` makes of it
        return false;
    }
    for (const as_json *k = schema->child; k; k = k->next) {
        const as_schema_keyword *keyword = as_schema_find(k->key);
        if (keyword->word == W_NOTE) continue;
        bool good = allows_any(s, schema, keyword->word, k, v, depth + 1);
        if (v->kind == AS_JSON_OBJECT)
            good = good && allows_object(s, schema, keyword->word, k, v, depth + 1);
        else if (v->kind == AS_JSON_ARRAY)
            good = good && allows_array(s, schema, keyword->word, k, v, depth + 1);
        else if (v->kind == AS_JSON_NUMBER)
            good = good && allows_number(keyword->word, k->number, v->number);
        else if (v->kind == AS_JSON_STRING)
            good = good && allows_string(s, keyword->word, k, v->text);
        if (!good) return false;
    }
    return true;
}

bool as_schema_allows(as_schema *schema, const as_json *value) {
    schema->steps = 0;
    bool good = allows(schema, schema->root, value, 0);
    as_arena_reset(&schema->arena);
    return good && schema->steps <= STEPS_MAX;
}
