// SPDX-License-Identifier: Apache-2.0
#include "metrics/option.h"

#include <math.h>
#include <stdio.h>

#include "harness/base/file.h"

enum { TEXTS_MAX = 1000, WANTED_MAX = 256 };

// What a refusal says was expected: "exact, partial or label".
static void wanted_text(const as_setting_spec *spec, char out[WANTED_MAX]) {
    int at = 0;
    switch (spec->kind) {
    case AS_SETTING_BOOL:
        snprintf(out, WANTED_MAX, "true or false");
        return;
    case AS_SETTING_COUNT:
        snprintf(out, WANTED_MAX, "a whole number from %g to %g", spec->low, spec->high);
        return;
    case AS_SETTING_NUMBER:
        snprintf(out, WANTED_MAX, "a number from %g to %g", spec->low, spec->high);
        return;
    case AS_SETTING_TEXT:
        snprintf(out, WANTED_MAX, "a text");
        return;
    case AS_SETTING_TEXTS:
        snprintf(out, WANTED_MAX, "a text or a list of texts");
        return;
    case AS_SETTING_TREE:
        snprintf(out, WANTED_MAX, "a map");
        return;
    case AS_SETTING_LIST:
        snprintf(out, WANTED_MAX, "a list of maps");
        return;
    case AS_SETTING_PATH:
        snprintf(out, WANTED_MAX, "the path of a file or a folder");
        return;
    case AS_SETTING_CHOICE:
        for (const char *const *c = spec->choices; *c && at < WANTED_MAX; c++)
            at += snprintf(out + at, (size_t)(WANTED_MAX - at), "%s%s",
                           c == spec->choices ? ""
                           : c[1]             ? ", "
                                              : " or ",
                           *c);
        return;
    }
}

static as_rc refuse(const char *metric, const as_setting_spec *spec, const as_yaml *option,
                    as_err *err) {
    char wanted[WANTED_MAX];
    wanted_text(spec, wanted);
    return as_fail(err, AS_INVALID, "option '%.*s' of metric '%s' must be %s, not %s%s%.*s%s",
                   AS_STR_ARG(option->key), metric, wanted,
                   option->text.len ? "" : as_yaml_kind_name(option->kind),
                   option->text.len ? "'" : "", AS_STR_ARG(option->text),
                   option->text.len ? "'" : "");
}

static bool is_scalar(const as_yaml *value) {
    return value->kind == AS_YAML_STRING || value->kind == AS_YAML_NUMBER ||
           value->kind == AS_YAML_BOOL;
}

static bool read_texts(as_arena *arena, const as_yaml *option, as_setting *out) {
    bool list = option->kind == AS_YAML_LIST;
    if ((!list && !is_scalar(option)) || (list && (!option->count || option->count > TEXTS_MAX)))
        return false;
    as_str *texts = AS_NEW_ARRAY(arena, as_str, (list ? option->count : 1) + 1);
    for (const as_yaml *item = list ? option->child : option; item;
         item = list ? item->next : NULL) {
        if (!is_scalar(item)) return false;
        texts[out->text_count++] = as_str_copy(arena, item->text);
    }
    out->texts = texts;
    out->text = texts[0];
    return true;
}

static bool read_choice(const as_setting_spec *spec, const as_yaml *option, as_setting *out) {
    as_str word = as_str_is(option->text, ".nan") ? AS_STR("nan") : option->text;
    for (size_t i = 0; spec->choices[i]; i++)
        if (is_scalar(option) && as_str_is(word, spec->choices[i])) {
            out->number = (double)i;
            return true;
        }
    return false;
}

static bool read_number(const as_setting_spec *spec, const as_yaml *option, as_setting *out) {
    out->number = option->number;
    return option->kind == AS_YAML_NUMBER && option->number >= spec->low &&
           option->number <= spec->high &&
           (spec->kind != AS_SETTING_COUNT || option->number == floor(option->number));
}

static bool read_one(as_arena *arena, const as_setting_spec *spec, const as_yaml *option,
                     as_str dir, as_setting *out) {
    *out = (as_setting){.given = true};
    switch (spec->kind) {
    case AS_SETTING_BOOL:
        out->number = option->boolean;
        return option->kind == AS_YAML_BOOL;
    case AS_SETTING_COUNT:
    case AS_SETTING_NUMBER:
        return read_number(spec, option, out);
    case AS_SETTING_CHOICE:
        return read_choice(spec, option, out);
    case AS_SETTING_TEXT:
        return is_scalar(option) && read_texts(arena, option, out);
    case AS_SETTING_TEXTS:
        return read_texts(arena, option, out);
    case AS_SETTING_PATH:
        out->text =
            dir.len ? as_path_join(arena, dir, option->text) : as_str_copy(arena, option->text);
        return option->kind == AS_YAML_STRING && option->text.len;
    case AS_SETTING_TREE:
        out->tree = option;
        return option->kind == AS_YAML_MAP;
    case AS_SETTING_LIST:
        out->tree = option;
        return option->kind == AS_YAML_LIST;
    }
    return false;
}

static as_rc unknown(const char *metric, const as_setting_spec *specs, as_str key, as_err *err) {
    const char *names[AS_SETTINGS_MAX + 3] = {"normalize", "as"};
    size_t count = 2;
    for (const as_setting_spec *s = specs; s && s->name; s++) names[count++] = s->name;
    const char *near = as_str_nearest(key, names);
    return as_fail(err, AS_INVALID, "metric '%s' has no option '%.*s'; %s '%s'%s", metric,
                   AS_STR_ARG(key), near ? "did you mean" : "it has",
                   near ? near : names[count - 1], near ? "?" : "");
}

// A name that a gate can be written with.
static bool is_plain_name(as_str name) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '_' && c != '.' && c != '-' && c != '@') return false;
    }
    return name.len > 0;
}

static as_rc read_label(const char *metric, const as_yaml *option, as_str *label, as_err *err) {
    if (option->kind != AS_YAML_STRING || !is_plain_name(option->text))
        return as_fail(err, AS_INVALID,
                       "option 'as' of metric '%s' must be a name of letters, digits, '_', '.' "
                       "and '-', not %s%s%.*s%s",
                       metric, option->text.len ? "" : as_yaml_kind_name(option->kind),
                       option->text.len ? "'" : "", AS_STR_ARG(option->text),
                       option->text.len ? "'" : "");
    *label = option->text;
    return AS_OK;
}

as_rc as_option_read(as_arena *arena, const char *metric, const as_setting_spec *specs,
                     const as_yaml *map, as_str dir, as_setting *out, as_str *label, as_err *err) {
    size_t count = 0;
    for (; specs && specs[count].name; count++)
        out[count] =
            (as_setting){.number = specs[count].otherwise, .on = specs[count].otherwise != 0};
    bool has_map = map && map->kind == AS_YAML_MAP;
    for (const as_yaml *option = has_map ? map->child : NULL; option; option = option->next) {
        if (as_str_is(option->key, "name") || as_str_is(option->key, "normalize")) continue;
        if (as_str_is(option->key, "as")) {
            as_rc rc = read_label(metric, option, label, err);
            if (rc) return rc;
            continue;
        }
        size_t at = 0;
        while (at < count && !as_str_is(option->key, specs[at].name)) at++;
        if (at == count) return unknown(metric, specs, option->key, err);
        if (!read_one(arena, &specs[at], option, dir, &out[at]))
            return refuse(metric, &specs[at], option, err);
        out[at].on = out[at].number != 0;
    }
    for (size_t i = 0; i < count; i++)
        if (specs[i].needed && !out[i].given)
            return as_fail(err, AS_INVALID, "metric '%s' needs option '%s': {name: %s, %s: ...}",
                           metric, specs[i].name, metric, specs[i].name);
    return AS_OK;
}

static void put_value(as_arena *arena, as_buf *buf, const as_setting_spec *spec,
                      const as_setting *value) {
    switch (spec->kind) {
    case AS_SETTING_BOOL:
        as_buf_text(buf, value->on ? "yes" : "no");
        return;
    case AS_SETTING_COUNT:
    case AS_SETTING_NUMBER:
        as_buf_f64(buf, value->number);
        return;
    case AS_SETTING_CHOICE:
        as_buf_text(buf, spec->choices[(size_t)value->number]);
        return;
    case AS_SETTING_TEXT:
    case AS_SETTING_TEXTS:
        for (size_t i = 0; i < value->text_count; i++)
            as_buff(buf, "%s'%.*s'", i ? "," : "", AS_STR_ARG(value->texts[i]));
        return;
    case AS_SETTING_TREE:
    case AS_SETTING_LIST:
        if (value->given) as_buf_str(buf, as_yaml_json(arena, value->tree));
        return;
    case AS_SETTING_PATH:
        as_buff(buf, "'%.*s'", AS_STR_ARG(value->digest));
        return;
    }
}

as_str as_option_text(as_arena *arena, const as_setting_spec *specs, const as_setting *settings) {
    as_buf buf = {0};
    for (size_t i = 0; specs && specs[i].name; i++) {
        if (specs[i].kind == AS_SETTING_PATH && !settings[i].given) continue;
        as_buff(&buf, "%s%s:", buf.len ? "|" : "", specs[i].name);
        put_value(arena, &buf, &specs[i], &settings[i]);
    }
    as_str out = as_str_copy(arena, as_buf_view(&buf));
    as_buf_free(&buf);
    return out;
}

as_str as_option_json(as_arena *arena, const as_setting_spec *specs, const as_setting *settings,
                      const as_yaml *map) {
    as_yaml copy = *map, **end = &copy.child;
    for (const as_yaml *option = map->child; option; option = option->next) {
        *end = AS_NEW(arena, as_yaml);
        **end = *option;
        for (size_t i = 0; specs && specs[i].name; i++)
            if (specs[i].kind == AS_SETTING_PATH && as_str_is(option->key, specs[i].name))
                (*end)->text = settings[i].text;
        end = &(*end)->next;
    }
    return as_yaml_json(arena, &copy);
}
