// SPDX-License-Identifier: Apache-2.0
#include "harness/suite/suite_read.h"

#include <math.h>
#include <stdlib.h>

#include "harness/base/map.h"

void as_suite_read_problem(as_suite_loader *loader, const as_yaml *value, const char *format, ...) {
    as_buf text = {0};
    va_list args;
    va_start(args, format);
    as_bufv(&text, format, args);
    va_end(args);
    as_suite_problem(loader->problems, loader->suite, value->line, value->column, "%s", text.ptr);
    as_buf_free(&text);
}

// "a string, a list or a map"
static void write_kinds(as_buf *buf, unsigned kinds) {
    unsigned left = kinds;
    for (unsigned kind = 0; left; kind++) {
        if (!(left & AS_SUITE_KIND(kind))) continue;
        bool first = left == kinds;
        left &= ~AS_SUITE_KIND(kind);
        if (!first) as_buf_text(buf, left ? ", " : " or ");
        as_buf_text(buf, as_yaml_kind_name((as_yaml_kind)kind));
    }
}

bool as_suite_read_kind(as_suite_loader *loader, const as_yaml *value, const char *what,
                        unsigned kinds) {
    if (kinds & AS_SUITE_KIND(value->kind)) return true;
    as_buf wanted = {0};
    write_kinds(&wanted, kinds);
    bool scalar = value->kind != AS_YAML_LIST && value->kind != AS_YAML_MAP && value->text.len;
    if (scalar)
        as_suite_read_problem(loader, value, "%s must be %s, not %s: '%.*s'", what, wanted.ptr,
                              as_yaml_kind_name(value->kind),
                              AS_STR_ARG(as_str_sub(value->text, 0, 60)));
    else
        as_suite_read_problem(loader, value, "%s must be %s, not %s", what, wanted.ptr,
                              as_yaml_kind_name(value->kind));
    as_buf_free(&wanted);
    return false;
}

static const char *nearest_key(as_str word, const as_suite_key *keys) {
    const char *names[32] = {NULL};
    for (size_t i = 0; keys[i].name && i < 31; i++) names[i] = keys[i].name;
    return as_str_nearest(word, names);
}

static void unknown_key(as_suite_loader *loader, const as_yaml *value, const char *what,
                        const as_suite_key *keys) {
    as_buf text = {0};
    as_buff(&text, "unknown key '%.*s'", AS_STR_ARG(as_str_sub(value->key, 0, 60)));
    if (*what) as_buff(&text, " in %s", what);
    const char *nearest = nearest_key(value->key, keys);
    if (nearest) {
        as_buff(&text, "; did you mean '%s'?", nearest);
    } else {
        as_buf_text(&text, "; known are");
        for (size_t i = 0; keys[i].name; i++) as_buff(&text, "%s %s", i ? "," : "", keys[i].name);
    }
    as_suite_problem(loader->problems, loader->suite, value->key_line, value->key_column, "%s",
                     text.ptr);
    as_buf_free(&text);
}

static void read_known(as_suite_loader *loader, const as_yaml *value, const char *what,
                       const as_suite_key *key) {
    as_str name = *what ? as_strf(loader->arena, "%s.%s", what, key->name) : as_str_of(key->name);
    if (as_suite_read_kind(loader, value, name.ptr, key->kinds)) key->read(loader, value);
}

void as_suite_read_map(as_suite_loader *loader, const as_yaml *map, const char *what,
                       const as_suite_key *keys) {
    for (const as_yaml *value = map->child; value; value = value->next) {
        const as_suite_key *key = keys;
        while (key->name && !as_str_is(value->key, key->name)) key++;
        if (key->name)
            read_known(loader, value, what, key);
        else
            unknown_key(loader, value, what, keys);
    }
    for (const as_suite_key *key = keys; key->name; key++)
        if (key->required && !as_yaml_get(map, key->name))
            as_suite_read_problem(loader, map, "'%s%s%s' is missing", what, *what ? "." : "",
                                  key->name);
}

bool as_suite_read_str(as_suite_loader *loader, const as_yaml *value, const char *what,
                       as_str *out) {
    if (!as_suite_read_kind(loader, value, what, AS_SUITE_STRING)) return false;
    if (as_str_trim(value->text).len == 0) {
        as_suite_read_problem(loader, value, "%s is empty", what);
        return false;
    }
    *out = value->text;
    return true;
}

const as_suite_text *as_suite_read_texts(as_suite_loader *loader, const as_yaml *value,
                                         const char *what, unsigned kinds, size_t *count) {
    bool list = value->kind == AS_YAML_LIST;
    as_suite_text *texts = AS_NEW_ARRAY(loader->arena, as_suite_text, list ? value->count + 1 : 1);
    size_t used = 0;
    if (list && !value->child) as_suite_read_problem(loader, value, "%s is an empty list", what);
    for (const as_yaml *v = list ? value->child : value; v; v = list ? v->next : NULL) {
        as_str name = list ? as_strf(loader->arena, "an element of %s", what) : as_str_of(what);
        if (!as_suite_read_kind(loader, v, name.ptr, kinds)) continue;
        // Not trimmed: a stop may be a line break, and that is not nothing.
        if (v->text.len == 0)
            as_suite_read_problem(loader, v, "%s is empty", name.ptr);
        else
            texts[used++] = (as_suite_text){v->text, v->line, v->column};
    }
    *count = used;
    return texts;
}

const as_str *as_suite_read_names(as_suite_loader *loader, const as_yaml *value, const char *what,
                                  unsigned kinds, size_t *count) {
    size_t text_count;
    const as_suite_text *texts = as_suite_read_texts(loader, value, what, kinds, &text_count);
    as_str *names = AS_NEW_ARRAY(loader->arena, as_str, text_count + 1);
    as_map seen = {0};
    for (size_t i = 0; i < text_count; i++) {
        uint64_t first;
        names[i] = texts[i].text;
        if (as_map_add(&seen, texts[i].text, texts[i].line, &first)) continue;
        as_suite_problem(loader->problems, loader->suite, texts[i].line, texts[i].column,
                         "%s names '%.*s' twice (first at line %llu)", what,
                         AS_STR_ARG(as_str_sub(texts[i].text, 0, 60)), (unsigned long long)first);
    }
    as_map_free(&seen);
    *count = text_count;
    return names;
}

bool as_suite_read_count(as_suite_loader *loader, const as_yaml *value, const char *what,
                         uint64_t least, uint64_t most, uint64_t *out) {
    if (!as_suite_read_kind(loader, value, what, AS_SUITE_NUMBER)) return false;
    int64_t whole;
    bool is_whole = as_str_to_i64(value->text, &whole);
    if (is_whole && whole >= 0 && (uint64_t)whole >= least && (uint64_t)whole <= most) {
        *out = (uint64_t)whole;
        return true;
    }
    as_suite_read_problem(loader, value, "%s must be a whole number from %llu to %llu, not '%.*s'",
                          what, (unsigned long long)least, (unsigned long long)most,
                          AS_STR_ARG(value->text));
    return false;
}

size_t as_suite_read_word(as_suite_loader *loader, const as_yaml *value, const char *what,
                          const char *const *words) {
    as_buf known = {0};
    for (size_t i = 0; words[i]; i++) {
        if (as_str_is(value->text, words[i])) {
            as_buf_free(&known);
            return i;
        }
        as_buff(&known, "%s%s", i ? (words[i + 1] ? ", " : " or ") : "", words[i]);
    }
    const char *nearest = as_str_nearest(value->text, words);
    as_str shown = as_str_sub(value->text, 0, 60);
    if (nearest)
        as_suite_read_problem(loader, value, "%s must be %s, not '%.*s'; did you mean '%s'?", what,
                              known.ptr, AS_STR_ARG(shown), nearest);
    else
        as_suite_read_problem(loader, value, "%s must be %s, not '%.*s'", what, known.ptr,
                              AS_STR_ARG(shown));
    as_buf_free(&known);
    return SIZE_MAX;
}
