// SPDX-License-Identifier: Apache-2.0
#include "harness/target/presets/preset.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/file.h"
#include "harness/target/presets/preset_files.h"
#include "harness/target/remote.h"

enum { FILE_MAX = 1 << 16, KEYS_MAX = 24 };

static const struct adapter {
    const char *name;
    const as_wire_ops *ops;
} adapters[] = {{"openai", &as_wire_openai},
                {"ollama", &as_wire_ollama},
                {"tgi", &as_wire_tgi},
                {"kserve", &as_wire_kserve},
                {"http", &as_wire_http}};
enum { ADAPTER_COUNT = sizeof adapters / sizeof *adapters };

bool as_preset_known(as_str name) {
    for (const as_preset_file *f = as_preset_files; f->name; f++)
        if (as_str_is(name, f->name)) return true;
    return false;
}

static const struct adapter *adapter_of(as_str name) {
    for (size_t i = 0; i < ADAPTER_COUNT; i++)
        if (as_str_is(name, adapters[i].name)) return &adapters[i];
    return NULL;
}

static as_rc check(as_preset *p, as_err *err) {
    static const char *const plain[] = {"about",   "adapter",  "verified", "base",
                                        "with",    "model",    "headers",  "auth",
                                        "key_env", "key_file", "options",  NULL};
    static const char *const http[] = {"about",    "adapter", "verified", "base",    "with",
                                       "model",    "headers", "auth",     "key_env", "key_file",
                                       "options",  "url",     "query",    "body",    "method",
                                       "response", "done",    "stream",   "poll",    NULL};
    const as_yaml *verified = as_yaml_get(p->file, "verified");
    const as_yaml *map = NULL;
    as_rc rc = p->file->kind == AS_YAML_MAP
                   ? AS_OK
                   : as_template_wrong(p->path, p->file, err, "a preset is a map");
    if (!rc) rc = as_template_text(p->path, p->file, "adapter", AS_STR("http"), &p->adapter, err);
    if (!rc && !adapter_of(p->adapter))
        rc = as_template_wrong(p->path, as_yaml_get(p->file, "adapter"), err,
                               "adapter is openai, ollama, tgi, kserve or http");
    if (!rc)
        rc = as_template_keys(p->path, p->file, as_str_is(p->adapter, "http") ? http : plain, err);
    if (!rc) rc = as_template_text(p->path, p->file, "about", AS_STR(""), &p->about, err);
    bool no = verified && verified->kind == AS_YAML_BOOL && !verified->boolean;
    p->verified = AS_STR("");
    if (!rc && !no)
        rc = as_template_text(p->path, p->file, "verified", AS_STR(""), &p->verified, err);
    if (as_str_is(p->verified, "no")) p->verified = AS_STR("");
    static const char *const maps[] = {"with", "options"};
    for (size_t i = 0; !rc && i < 2; i++)
        if ((map = as_yaml_get(p->file, maps[i])) && map->kind != AS_YAML_MAP)
            rc = as_template_wrong(p->path, map, err, "%s must be a map", maps[i]);
    return rc;
}

static as_rc unknown(as_str name, as_err *err) {
    const char *names[128];
    size_t count = 0;
    for (const as_preset_file *f = as_preset_files; f->name; f++) names[count++] = f->name;
    names[count] = NULL;
    const char *near = as_str_nearest(name, names);
    return as_fail(err, AS_INVALID, "there is no preset '%.*s'%s%s%s (see: assay targets)",
                   AS_STR_ARG(name), near ? "; did you mean '" : "", near ? near : "",
                   near ? "'?" : "");
}

as_rc as_preset_load(as_arena *arena, as_str name, as_str base_dir, as_preset *out, as_err *err) {
    as_preset p = {0};
    bool path = as_str_ends(name, AS_STR(".yaml")) || as_str_ends(name, AS_STR(".yml"));
    as_str beside = path ? name : as_strf(arena, "presets/%.*s.yaml", AS_STR_ARG(name));
    p.path = as_path_join(arena, base_dir, beside).ptr;
    bool slash = !path && as_str_find(name, AS_STR("/"), 0) != SIZE_MAX;
    as_rc rc = AS_OK;
    if (path || (!slash && as_file_exists(p.path))) {
        rc = as_file_read(arena, p.path, FILE_MAX, &p.text, err);
    } else {
        const as_preset_file *f = as_preset_files;
        while (f->name && !as_str_is(name, f->name)) f++;
        if (!f->name) return unknown(name, err);
        p.text = f->text;
        p.path = as_strf(arena, "preset %s", f->name).ptr;
    }
    if (!rc) rc = as_yaml_parse(arena, p.text, p.path, &p.file, err);
    if (!rc) rc = check(&p, err);
    if (!rc) *out = p;
    return rc;
}

// ---- the URI: NAME:MODEL, NAME:URL#MODEL, preset:NAME#MODEL

typedef struct said {
    as_str name, base, model;
} said;

static bool is_url(as_str text) {
    return as_str_starts(text, AS_STR("http://")) || as_str_starts(text, AS_STR("https://"));
}

static said read_uri(as_str uri) {
    said s = {.base = AS_STR("")};
    as_str rest = uri, scheme = as_str_cut(&rest, ':');
    rest = as_str_cut(&rest, '?');
    bool any = as_str_is(scheme, "preset");
    s.name = scheme;
    if (any) s.name = as_str_cut(&rest, '#');
    as_str model = rest, base = as_str_cut(&model, '#');
    if (any) {
        s.model = rest;
    } else if (model.ptr) {
        s.base = base;
        s.model = model;
    } else if (is_url(rest)) {
        s.base = rest;
        s.model = AS_STR("");
    } else {
        s.model = rest;
    }
    if (!s.model.ptr) s.model = AS_STR("");
    return s;
}

// One entry of `with`: the URI's key, else the environment, else the default.
static as_rc fill_one(const as_wire_setup *s, const as_preset *p, const as_yaml *entry,
                      as_str *value, as_err *err) {
    static const char *const known[] = {"env", "default", NULL};
    const char *key = as_str_copy(s->arena, entry->key).ptr;
    as_str env = AS_STR(""), otherwise = (as_str){0};
    if (entry->kind == AS_YAML_MAP) {
        as_rc rc = as_template_keys(p->path, entry, known, err);
        if (!rc) rc = as_template_text(p->path, entry, "env", AS_STR(""), &env, err);
        if (!rc) rc = as_template_text(p->path, entry, "default", (as_str){0}, &otherwise, err);
        if (rc) return rc;
    } else if (entry->kind == AS_YAML_STRING || entry->kind == AS_YAML_NUMBER) {
        otherwise = entry->text;
    } else if (entry->kind != AS_YAML_NULL) {
        return as_template_wrong(p->path, entry, err, "a parameter is a text or {env, default}");
    }
    *value = as_target_uri_value(s->parsed, key, (as_str){0});
    if (!value->ptr && env.len) *value = as_str_of(getenv(env.ptr));
    if (!value->len && otherwise.ptr) *value = otherwise;
    if (value->len) return AS_OK;
    return as_fail(err, AS_INVALID, "target '%.*s' needs ?%s=..%s%.*s", AS_STR_ARG(s->uri), key,
                   env.len ? " or $" : "", AS_STR_ARG(env));
}

// What a template sees already.
static const char *const taken[] = {
    "base",       "model",       "prompt", "messages", "system", "turns", "choices",  "stop", "id",
    "max_tokens", "temperature", "top_p",  "top_k",    "min_p",  "seed",  "response", NULL};

static as_rc fill_with(as_wire_setup *s, const as_preset *p, const said *uri, as_json *with,
                       as_str *base, as_err *err) {
    const as_yaml *map = as_yaml_get(p->file, "with");
    as_str value, model, text;
    for (const as_yaml *m = map ? map->child : NULL; m; m = m->next) {
        for (size_t i = 0; taken[i]; i++)
            if (as_str_is(m->key, taken[i]))
                return as_template_wrong(p->path, m, err, "'%s' is no name for a parameter",
                                         taken[i]);
        if (fill_one(s, p, m, &value, err)) return AS_INVALID;
        as_json_set(s->arena, with, as_str_copy(s->arena, m->key).ptr,
                    as_json_new_str(s->arena, as_str_copy(s->arena, value)));
    }
    as_rc rc = as_template_text(p->path, p->file, "model", AS_STR(""), &model, err);
    if (uri->model.len) model = uri->model;
    as_json_set(s->arena, with, "model", as_json_new_str(s->arena, model));
    if (!rc) rc = as_template_text(p->path, p->file, "base", AS_STR(""), &text, err);
    *base = uri->base.len ? uri->base : as_target_uri_value(s->parsed, "base", AS_STR(""));
    if (!rc && !base->len) {
        rc = as_template_fill(s->arena, text, with, base, err);
        if (rc) as_err_prefix(err, "%s: base", p->path);
        s->whole_base = true;
    }
    if (rc) return rc;
    if (!base->len)
        return as_fail(err, AS_INVALID, "target '%.*s' names no address: write %.*s:URL#MODEL",
                       AS_STR_ARG(s->uri), AS_STR_ARG(uri->name));
    if (!is_url(*base)) *base = as_strf(s->arena, "http://%.*s", AS_STR_ARG(*base));
    while (as_str_ends(*base, AS_STR("/"))) base->len--;
    as_json_set(s->arena, with, "base", as_json_new_str(s->arena, *base));
    if (!model.len)
        return as_fail(err, AS_INVALID,
                       "target '%.*s' names no model: write %.*s:MODEL or "
                       "%.*s:URL#MODEL",
                       AS_STR_ARG(s->uri), AS_STR_ARG(uri->name), AS_STR_ARG(uri->name));
    return AS_OK;
}

// The URI as the adapter's own would be: its keys, then the file's options.
static as_rc rewrite(as_wire_setup *s, const as_preset *p, as_str base, as_str model, as_err *err) {
    const struct adapter *adapter = adapter_of(p->adapter);
    const as_yaml *with = as_yaml_get(p->file, "with"), *options = as_yaml_get(p->file, "options");
    as_target_uri *to = AS_NEW(s->arena, as_target_uri);
    bool ollama = as_str_is(p->adapter, "ollama");
    to->rest =
        as_strf(s->arena, "%.*s%c%.*s", AS_STR_ARG(base), ollama ? '/' : '#', AS_STR_ARG(model));
    for (size_t i = 0; i < s->parsed->count; i++) {
        as_str key = s->parsed->keys[i];
        bool ours = as_str_is(key, "base");
        for (const as_yaml *m = with ? with->child : NULL; m; m = m->next)
            ours = ours || as_str_eq(m->key, key);
        if (ours) continue;
        to->keys[to->count] = key;
        to->values[to->count++] = s->parsed->values[i];
    }
    size_t from_uri = to->count;
    for (const as_yaml *o = options ? options->child : NULL; o; o = o->next) {
        bool known = false, given = false;
        for (size_t i = 0; adapter->ops->keys[i]; i++)
            known = known || as_str_is(o->key, adapter->ops->keys[i]);
        if (!known || (o->kind != AS_YAML_STRING && o->kind != AS_YAML_NUMBER) ||
            to->count == sizeof to->keys / sizeof *to->keys)
            return as_template_wrong(p->path, o, err, "'%.*s' is no option of adapter %s",
                                     AS_STR_ARG(o->key), adapter->name);
        for (size_t i = 0; i < from_uri; i++) given = given || as_str_eq(to->keys[i], o->key);
        if (given) continue;
        to->keys[to->count] = o->key;
        to->values[to->count++] = o->text;
    }
    s->parsed = to;
    return AS_OK;
}

static as_rc prepare(as_wire_setup *s, as_err *err) {
    as_preset *p = AS_NEW(s->arena, as_preset);
    said uri = read_uri(s->uri);
    as_json *with = as_json_new(s->arena, AS_JSON_OBJECT);
    as_str base;
    // The target's own copy: what was loaded to see the keys goes when it is open.
    as_rc rc = as_preset_load(s->arena, uri.name, s->base_dir, p, err);
    s->preset = p;
    if (!rc) rc = fill_with(s, p, &uri, with, &base, err);
    p->with = with;
    if (!rc && !as_str_is(p->adapter, "http"))
        rc = as_template_headers(s, p->path, p->file, with, err);
    if (!rc) rc = as_template_auth(s, p->path, p->file, with, err);
    s->auth_said = true;
    if (!rc) rc = rewrite(s, p, base, as_json_str(with, "model", AS_STR("")), err);
    return rc;
}

static as_rc open_target(as_str uri, as_str base_dir, as_target **out, as_err *err) {
    as_arena arena = {0};
    as_preset p;
    const char *keys[KEYS_MAX + 2] = {"base"};
    size_t count = 1;
    as_rc rc = as_preset_load(&arena, read_uri(uri).name, base_dir, &p, err);
    if (!rc) {
        const as_yaml *with = as_yaml_get(p.file, "with");
        for (const as_yaml *m = with ? with->child : NULL; m && count < KEYS_MAX; m = m->next)
            keys[count++] = as_str_copy(&arena, m->key).ptr;
        as_remote_preset preset = {.keys = keys, .prepare = prepare};
        rc = as_remote_open_preset(adapter_of(p.adapter)->ops, &preset, uri, base_dir, out, err);
    }
    as_arena_free(&arena);
    return rc;
}

const as_target_ops as_target_preset =
    AS_REMOTE_SCORES("preset", "preset:FILE.yaml[#MODEL][?...]", open_target);
