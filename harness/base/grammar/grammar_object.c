// SPDX-License-Identifier: Apache-2.0
// Objects and lists of a JSON Schema. Which comma comes where depends on what came before, so there
// are two rules for each place: nothing has come yet, and something has.
#include <stdlib.h>
#include <string.h>

#include "harness/base/grammar/grammar_schema.h"
#include "harness/base/utf8.h"

enum { NAME_MAX_POINTS = 256 };

static uint32_t new_rule(as_schema_maker *s) {
    return as_maker_rule_of(s->maker, AS_STR(""), 0, 0);
}

// { what is within } with white space.
static as_gx enclose(as_schema_maker *s, const char *open, as_gx within, const char *close) {
    as_maker *m = s->maker;
    as_gx list = as_gx_sequence(m);
    as_gx_add(m, list, as_gx_text(m, as_str_of(open)));
    as_gx_add(m, list, as_schema_space(s));
    as_gx_add(m, list, within);
    as_gx_add(m, list, as_gx_text(m, as_str_of(close)));
    return list;
}

// The rule of a key, which is written already between its quotes, and its value.
static uint32_t member_rule(as_schema_maker *s, as_gx key, as_gx value) {
    as_maker *m = s->maker;
    as_gx list = as_gx_sequence(m);
    uint32_t rule = new_rule(s);
    as_gx_add(m, list, key);
    as_gx_add(m, list, as_schema_space(s));
    as_gx_add(m, list, as_gx_text(m, AS_STR(":")));
    as_gx_add(m, list, as_schema_space(s));
    as_gx_add(m, list, value);
    as_maker_define(m, rule, list);
    return rule;
}

// --- keys that are none of those listed
// -----------------------------------------------------------

static int by_text(const void *a, const void *b) {
    return as_str_cmp(*(const as_str *)a, *(const as_str *)b);
}

static as_gx plain_points(as_schema_maker *s, as_point_set *without) {
    as_points_add(without, 0, 0x1f);
    as_points_add(without, '"', '"');
    as_points_add(without, '\\', '\\');
    as_points_invert(without);
    as_gx made = as_gx_points(s->maker, without);
    free(without->items);
    *without = (as_point_set){0};
    return made;
}

// What may follow in a key whose beginning is that of names[from..to-1], `at` bytes of each, so
// that it is none of them.
static as_gx other_than(as_schema_maker *s, const as_str *names, size_t from, size_t to,
                        size_t at) {
    as_maker *m = s->maker;
    as_gx either = as_gx_either(m);
    as_point_set taken = {0}, none = {0};
    bool whole = from < to && names[from].len == at;
    if (!whole) as_gx_add(m, either, as_gx_text(m, AS_STR("")));
    for (size_t i = whole ? from + 1 : from, next; i < to; i = next) {
        size_t after = at;
        uint32_t point = as_utf8_next(names[i], &after);
        as_str head = as_str_sub(names[i], 0, after);
        for (next = i; next < to && as_str_starts(names[next], head); next++) continue;
        as_points_add(&taken, point, point);
        if (point < 0x20 || point == '"' || point == '\\') continue; // never written plainly
        as_gx list = as_gx_sequence(m);
        as_gx_add(m, list, as_gx_text(m, as_str_sub(names[i], at, after)));
        as_gx_add(m, list, other_than(s, names, i, next, after));
        as_gx_add(m, either, list);
    }
    as_gx list = as_gx_sequence(m);
    as_gx_add(m, list, plain_points(s, &taken));
    as_gx_add(m, list, as_gx_repeat(m, plain_points(s, &none), 0, AS_REPEAT_ENDLESS));
    as_gx_add(m, either, list);
    return either;
}

static as_gx other_key(as_schema_maker *s, const as_json *properties) {
    as_maker *m = s->maker;
    size_t count = 0;
    as_str *names = AS_NEW_ARRAY(&m->arena, as_str, properties ? properties->count + 1 : 1);
    for (const as_json *p = properties ? properties->child : NULL; p; p = p->next) {
        if (as_utf8_count(p->key) > NAME_MAX_POINTS)
            as_schema_maker_fail(s, "a property's name is longer than %d characters",
                                 NAME_MAX_POINTS);
        names[count++] = p->key;
    }
    qsort(names, count, sizeof *names, by_text);
    as_gx list = as_gx_sequence(m);
    as_gx_add(m, list, as_gx_text(m, AS_STR("\"")));
    if (!s->failed) as_gx_add(m, list, other_than(s, names, 0, count, 0));
    as_gx_add(m, list, as_gx_text(m, AS_STR("\"")));
    return list;
}

// --- objects
// --------------------------------------------------------------------------------------

typedef struct members {
    uint32_t *rules; // [count] key and value
    bool *required;
    size_t count;
    bool open;      // others may follow
    uint32_t other; // its rule
} members;

static bool has_property(const as_json *properties, as_str name) {
    for (const as_json *p = properties ? properties->child : NULL; p; p = p->next)
        if (as_str_eq(p->key, name)) return true;
    return false;
}

static void check_required(as_schema_maker *s, const as_json *required, const as_json *properties) {
    if (!required) return;
    bool list = required->kind == AS_JSON_ARRAY;
    if (!list) as_schema_maker_fail(s, "'required' must be a list of names");
    for (const as_json *r = list ? required->child : NULL; r && !s->failed; r = r->next) {
        if (r->kind != AS_JSON_STRING)
            as_schema_maker_fail(s, "'required' must be a list of names");
        else if (!has_property(properties, r->text))
            as_schema_maker_fail(s,
                                 "'%.*s' is required but none of the properties: say there what "
                                 "it is",
                                 AS_STR_ARG(r->text));
    }
}

static void read_members(as_schema_maker *s, const as_json *schema, members *out) {
    const as_json *properties = as_json_get(schema, "properties");
    const as_json *required = as_json_get(schema, "required");
    const as_json *other = as_json_get(schema, "additionalProperties");
    as_maker *m = s->maker;
    size_t most = properties ? properties->count : 0, before = s->path.len;
    *out = (members){.rules = AS_NEW_ARRAY(&m->arena, uint32_t, most + 1),
                     .required = AS_NEW_ARRAY(&m->arena, bool, most + 1)};
    if (properties && properties->kind != AS_JSON_OBJECT)
        as_schema_maker_fail(s, "'properties' must be an object, found %s",
                             as_json_kind_name(properties->kind));
    check_required(s, required, properties);
    if (s->failed) return;
    as_buf_text(&s->path, "/properties");
    for (const as_json *p = most ? properties->child : NULL; p && !s->failed; p = p->next) {
        bool needed = false;
        for (const as_json *r = required ? required->child : NULL; r; r = r->next)
            needed = needed || as_str_eq(r->text, p->key);
        // A property that can be nothing is left out.
        if (p->kind == AS_JSON_BOOL && !p->boolean && !needed) continue;
        as_buf key = {0};
        as_json_write_str(&key, p->key);
        as_gx name = as_gx_text(m, as_buf_view(&key));
        as_buf_free(&key);
        as_gx value = as_schema_make_at(s, p->key, p);
        if (s->failed) break;
        out->required[out->count] = needed;
        out->rules[out->count++] = member_rule(s, name, value);
    }
    s->path.len = before;
    out->open = other && !(other->kind == AS_JSON_BOOL && !other->boolean);
    if (s->failed || !out->open) return;
    as_gx key = other_key(s, properties);
    as_gx value = as_schema_make_at(s, AS_STR("additionalProperties"), other);
    if (!s->failed) out->other = member_rule(s, key, value);
}

// , member
static as_gx next_member(as_schema_maker *s, uint32_t rule) {
    as_maker *m = s->maker;
    as_gx list = as_gx_sequence(m);
    as_gx_add(m, list, as_schema_comma(s));
    as_gx_add(m, list, as_gx_call(m, rule));
    return list;
}

// The rules of what may come from member i on, after nothing and after something.
static void define_place(as_schema_maker *s, const members *o, size_t i, const uint32_t *heads,
                         const uint32_t *tails) {
    as_maker *m = s->maker;
    for (int after = 0; after < 2; after++) {
        as_gx either = as_gx_either(m), list = as_gx_sequence(m);
        as_gx_add(m, list, after ? next_member(s, o->rules[i]) : as_gx_call(m, o->rules[i]));
        as_gx_add(m, list, as_gx_call(m, tails[i + 1]));
        as_gx_add(m, either, list);
        if (!o->required[i])
            as_gx_add(m, either, as_gx_call(m, after ? tails[i + 1] : heads[i + 1]));
        as_maker_define(m, after ? tails[i] : heads[i], either);
    }
}

// What comes after all that is listed.
static void define_last(as_schema_maker *s, const members *o, uint32_t head, uint32_t tail) {
    as_maker *m = s->maker;
    as_gx more = as_gx_sequence(m), first = as_gx_sequence(m);
    if (o->open) {
        as_gx_add(m, more, as_gx_repeat(m, next_member(s, o->other), 0, AS_REPEAT_ENDLESS));
        as_gx list = as_gx_sequence(m);
        as_gx_add(m, list, as_gx_call(m, o->other));
        as_gx_add(m, list, as_gx_call(m, tail));
        as_gx_add(m, first, as_gx_repeat(m, list, 0, 1));
    }
    as_maker_define(m, tail, more);
    as_maker_define(m, head, first);
}

as_gx as_schema_object(as_schema_maker *s, const as_json *schema) {
    as_maker *m = s->maker;
    members o;
    read_members(s, schema, &o);
    if (s->failed) return 0;
    uint32_t *heads = AS_NEW_ARRAY(&m->arena, uint32_t, o.count + 1);
    uint32_t *tails = AS_NEW_ARRAY(&m->arena, uint32_t, o.count + 1);
    for (size_t i = 0; i <= o.count; i++) {
        heads[i] = new_rule(s);
        tails[i] = new_rule(s);
    }
    define_last(s, &o, heads[o.count], tails[o.count]);
    for (size_t i = 0; i < o.count; i++) define_place(s, &o, i, heads, tails);
    as_gx within = as_gx_sequence(m);
    as_gx_add(m, within, as_gx_call(m, heads[0]));
    if (o.count || o.open) as_gx_add(m, within, as_schema_space(s));
    return enclose(s, "{", within, "}");
}

// --- lists
// ----------------------------------------------------------------------------------------

static as_gx next_item(as_schema_maker *s, uint32_t rule) {
    return next_member(s, rule);
}

// Between least and most items, all of one kind, with a comma before each but the first of all.
static as_gx items_of(as_schema_maker *s, uint32_t rule, int64_t least, int64_t most, bool first) {
    as_maker *m = s->maker;
    if (!first) return as_gx_repeat(m, next_item(s, rule), least, most);
    as_gx list = as_gx_sequence(m);
    as_gx_add(m, list, as_gx_call(m, rule));
    int64_t more = most < 0 ? most : most - 1;
    as_gx_add(m, list, as_gx_repeat(m, next_item(s, rule), least ? least - 1 : 0, more));
    return least ? list : as_gx_repeat(m, list, 0, 1);
}

static uint32_t item_rule(as_schema_maker *s, as_str key, const as_json *schema) {
    as_gx made = schema ? as_schema_make_at(s, key, schema) : as_schema_any(s);
    uint32_t rule = new_rule(s);
    if (!s->failed) as_maker_define(s->maker, rule, made);
    return rule;
}

as_gx as_schema_array(as_schema_maker *s, const as_json *schema) {
    as_maker *m = s->maker;
    const as_json *prefix = as_json_get(schema, "prefixItems");
    const as_json *items = as_json_get(schema, "items");
    int64_t least = as_schema_count(s, schema, "minItems", 0);
    int64_t most = as_schema_count(s, schema, "maxItems", AS_REPEAT_ENDLESS);
    if (prefix && prefix->kind != AS_JSON_ARRAY)
        as_schema_maker_fail(s, "'prefixItems' must be a list of schemas");
    if (s->failed) return 0;
    int64_t fixed = prefix ? (int64_t)prefix->count : 0;
    bool closed = items && items->kind == AS_JSON_BOOL && !items->boolean;
    if (closed && (most < 0 || most > fixed)) most = fixed;
    if (most >= 0 && least > most) {
        as_schema_maker_fail(s, "a list of at least %lld and at most %lld items", (long long)least,
                             (long long)most);
        return 0;
    }
    if (most >= 0 && fixed > most) fixed = most;
    bool more = !closed && (most < 0 || most > fixed);
    uint32_t rule = more ? item_rule(s, AS_STR("items"), items) : 0;
    as_gx rest = as_gx_sequence(m);
    if (more)
        as_gx_add(m, rest,
                  items_of(s, rule, least > fixed ? least - fixed : 0,
                           most < 0 ? most : most - fixed, !fixed));
    // From the last of those that have a place of their own to the first.
    const as_json **places = AS_NEW_ARRAY(&m->arena, const as_json *, (size_t)fixed + 1);
    const as_json *at = fixed ? prefix->child : NULL;
    for (int64_t i = 0; i < fixed; i++, at = at->next) places[i] = at;
    for (int64_t i = fixed; i-- > 0 && !s->failed;) {
        char number[32];
        as_str key = {number, as_f64_text((double)i, number)};
        size_t before = s->path.len;
        as_buf_text(&s->path, "/prefixItems");
        uint32_t own = item_rule(s, key, places[i]);
        s->path.len = before;
        as_gx list = as_gx_sequence(m);
        as_gx_add(m, list, i ? next_item(s, own) : as_gx_call(m, own));
        as_gx_add(m, list, rest);
        rest = i < least ? list : as_gx_repeat(m, list, 0, 1);
        if (fixed > AS_GRAMMAR_NEST_MAX)
            as_schema_maker_fail(s, "'prefixItems' has more than %d", AS_GRAMMAR_NEST_MAX);
    }
    as_gx within = as_gx_sequence(m);
    as_gx_add(m, within, rest);
    if (fixed || more) as_gx_add(m, within, as_schema_space(s));
    return enclose(s, "[", within, "]");
}
