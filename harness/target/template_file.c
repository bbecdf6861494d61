// SPDX-License-Identifier: Apache-2.0
#include "harness/target/template_file.h"

#include <stdlib.h>
#include <strings.h>

#include "harness/net/secret.h"

enum { HEADERS_MAX = 16, KEEP_S = 300 };

as_rc as_template_wrong(const char *path, const as_yaml *at, as_err *err, const char *format, ...) {
    va_list args;
    as_buf text = {0};
    va_start(args, format);
    as_bufv(&text, format, args);
    va_end(args);
    as_fail(err, AS_INVALID, "%s:%zu:%zu: %s", path, at->line, at->column, text.ptr);
    as_buf_free(&text);
    return AS_INVALID;
}

as_rc as_template_keys(const char *path, const as_yaml *map, const char *const *known,
                       as_err *err) {
    if (map->kind != AS_YAML_MAP)
        return as_template_wrong(path, map, err, "expected a map, found %s",
                                 as_yaml_kind_name(map->kind));
    for (const as_yaml *m = map->child; m; m = m->next) {
        bool found = false;
        for (size_t i = 0; known[i]; i++) found = found || as_str_is(m->key, known[i]);
        if (found) continue;
        const char *near = as_str_nearest(m->key, known);
        return as_fail(err, AS_INVALID, "%s:%zu:%zu: unknown key '%.*s'%s%s%s", path, m->key_line,
                       m->key_column, AS_STR_ARG(m->key), near ? "; did you mean '" : "",
                       near ? near : "", near ? "'?" : "");
    }
    return AS_OK;
}

as_rc as_template_text(const char *path, const as_yaml *map, const char *key, as_str otherwise,
                       as_str *out, as_err *err) {
    const as_yaml *value = as_yaml_get(map, key);
    *out = otherwise;
    if (!value) return AS_OK;
    if (value->kind != AS_YAML_STRING && value->kind != AS_YAML_NUMBER)
        return as_template_wrong(path, value, err, "%s must be a text, found %s", key,
                                 as_yaml_kind_name(value->kind));
    *out = value->text;
    return AS_OK;
}

as_rc as_template_count(const char *path, const as_yaml *map, const char *key, int64_t least,
                        int64_t most, int64_t *out, as_err *err) {
    const as_yaml *value = as_yaml_get(map, key);
    int64_t number;
    if (!value) return AS_OK;
    if (value->kind != AS_YAML_NUMBER || !as_str_to_i64(value->text, &number) || number < least ||
        number > most)
        return as_template_wrong(path, value, err, "%s must be a whole number from %lld to %lld",
                                 key, (long long)least, (long long)most);
    *out = number;
    return AS_OK;
}

as_rc as_template_fill(as_arena *arena, as_str text, const as_json *with, as_str *out,
                       as_err *err) {
    const as_jinja *parsed;
    as_buf filled = {0};
    const as_json *variables = with ? with : as_json_new(arena, AS_JSON_OBJECT);
    as_rc rc = as_jinja_parse(arena, text, &parsed, err);
    if (!rc) rc = as_jinja_render(parsed, arena, variables, &filled, err);
    if (!rc) *out = as_str_copy(arena, as_buf_view(&filled));
    as_buf_free(&filled);
    return rc;
}

static bool is_header(as_str name, as_str value) {
    bool plain = name.len > 0;
    for (size_t i = 0; plain && i < value.len; i++)
        plain = (unsigned char)value.ptr[i] >= ' ' && value.ptr[i] != 0x7f;
    for (size_t i = 0; plain && i < name.len; i++)
        plain = (unsigned char)name.ptr[i] > ' ' && (unsigned char)name.ptr[i] < 0x7f &&
                name.ptr[i] != ':';
    return plain;
}

static as_rc read_header(as_wire_setup *s, const char *path, const as_yaml *h, const as_json *with,
                         as_err *err) {
    static const char *const known[] = {"env", NULL};
    as_str value = AS_STR("");
    bool secret = h->kind == AS_YAML_MAP;
    if (secret) {
        as_str env;
        as_rc rc = as_template_keys(path, h, known, err);
        if (!rc) rc = as_template_text(path, h, "env", AS_STR(""), &env, err);
        if (!rc) rc = as_secret_load(s->arena, env, AS_STR(""), &value, err);
        if (rc) return rc;
        if (!value.ptr)
            return as_template_wrong(path, h, err, "header '%.*s': $%.*s is not set",
                                     AS_STR_ARG(h->key), AS_STR_ARG(env));
        s->has_key = true;
        s->key_hint = as_strf(s->arena, "$%.*s", AS_STR_ARG(env));
    } else if (h->kind == AS_YAML_STRING || h->kind == AS_YAML_NUMBER) {
        if (as_template_fill(s->arena, h->text, with, &value, err)) {
            as_err_prefix(err, "%s:%zu:%zu", path, h->line, h->column);
            return AS_INVALID;
        }
        if (h->key.len == 13 && !strncasecmp(h->key.ptr, "authorization", 13))
            return as_template_wrong(path, h, err,
                                     "keys are not written into files like this: use auth, "
                                     "key_env");
    }
    if (!is_header(h->key, value) || (!secret && h->kind == AS_YAML_LIST))
        return as_template_wrong(path, h, err, "a header is a name and a line of text");
    as_wire_header(s, h->key, value, secret);
    return AS_OK;
}

as_rc as_template_headers(as_wire_setup *s, const char *path, const as_yaml *file,
                          const as_json *with, as_err *err) {
    const as_yaml *headers = as_yaml_get(file, "headers");
    if (!headers) return AS_OK;
    if (headers->kind != AS_YAML_MAP || headers->count > HEADERS_MAX)
        return as_template_wrong(path, headers, err, "headers must be a map of at most %d",
                                 HEADERS_MAX);
    as_rc rc = AS_OK;
    for (const as_yaml *h = headers->child; !rc && h; h = h->next)
        rc = read_header(s, path, h, with, err);
    return rc;
}

// auth: {aws: SERVICE, region: R}; the keys are those of AWS's own tools.
static as_rc read_aws(as_wire_setup *s, const char *path, const as_yaml *auth, const as_json *with,
                      as_err *err) {
    static const char *const known[] = {"aws", "region", NULL};
    as_auth *a = AS_NEW(s->arena, as_auth);
    as_str region;
    as_rc rc = as_template_keys(path, auth, known, err);
    if (!rc) rc = as_template_text(path, auth, "aws", AS_STR(""), &a->key.service, err);
    if (!rc) rc = as_template_text(path, auth, "region", AS_STR(""), &region, err);
    if (!rc) rc = as_template_fill(s->arena, region, with, &a->key.region, err);
    if (!rc && (!a->key.service.len || !a->key.region.len))
        rc = as_template_wrong(path, auth, err, "auth: {aws: SERVICE, region: REGION} needs both");
    const struct {
        const char *env;
        as_str *into;
    } keys[] = {{"AWS_ACCESS_KEY_ID", &a->key.id},
                {"AWS_SECRET_ACCESS_KEY", &a->key.secret},
                {"AWS_SESSION_TOKEN", &a->key.token}};
    for (size_t i = 0; !rc && i < sizeof keys / sizeof *keys; i++)
        rc = as_secret_load(s->arena, as_str_of(keys[i].env), AS_STR(""), keys[i].into, err);
    if (!rc && (!a->key.id.ptr || !a->key.secret.ptr))
        rc = as_fail(err, AS_INVALID,
                     "target '%.*s': $AWS_ACCESS_KEY_ID and $AWS_SECRET_ACCESS_KEY are not set",
                     AS_STR_ARG(s->uri));
    if (rc) return rc;
    a->aws = true;
    s->auth = a;
    s->has_key = true;
    s->key_hint = AS_STR("$AWS_SECRET_ACCESS_KEY");
    return AS_OK;
}

// auth: {command: .., header: Authorization, prefix: "Bearer ", keep: 300}
static as_rc read_command(as_wire_setup *s, const char *path, const as_yaml *auth,
                          const as_json *with, as_err *err) {
    static const char *const known[] = {"command", "header", "prefix", "keep", NULL};
    as_auth *a = AS_NEW(s->arena, as_auth);
    as_str command;
    a->keep_s = KEEP_S;
    as_rc rc = as_template_keys(path, auth, known, err);
    if (!rc) rc = as_template_text(path, auth, "command", AS_STR(""), &command, err);
    if (!rc) rc = as_template_text(path, auth, "header", AS_STR("Authorization"), &a->header, err);
    bool bearer = as_str_is(a->header, "Authorization");
    as_str prefix = bearer ? AS_STR("Bearer ") : AS_STR("");
    if (!rc) rc = as_template_text(path, auth, "prefix", prefix, &a->prefix, err);
    if (!rc) rc = as_template_count(path, auth, "keep", 1, 86400, &a->keep_s, err);
    if (!rc) rc = as_template_fill(s->arena, command, with, &command, err);
    if (!rc && (!as_str_trim(command).len || !is_header(a->header, a->prefix)))
        rc = as_template_wrong(path, auth, err,
                               "auth is {command: .., header: .., prefix: .., keep: SECONDS}");
    if (rc) return rc;
    a->command = command.ptr;
    a->dir = as_str_copy(s->arena, s->base_dir.len ? s->base_dir : AS_STR(".")).ptr;
    s->auth = a;
    s->has_key = true;
    s->key_hint = as_strf(s->arena, "the token of '%.*s'", AS_STR_ARG(command));
    return AS_OK;
}

// The key of the URI, else of the file.
static as_rc find_key(as_wire_setup *s, const char *path, const as_yaml *file, as_str *key,
                      as_err *err) {
    as_str env, file_key;
    as_rc rc = as_template_text(path, file, "key_env", AS_STR("none"), &env, err);
    if (!rc) rc = as_template_text(path, file, "key_file", AS_STR(""), &file_key, err);
    if (rc) return rc;
    const as_target_uri *given = s->parsed;
    bool in_uri = as_target_uri_value(given, "key_env", (as_str){0}).ptr ||
                  as_target_uri_value(given, "key_file", (as_str){0}).ptr;
    as_target_uri merged = *given;
    if (!in_uri && file_key.len) {
        merged.keys[merged.count] = AS_STR("key_file");
        merged.values[merged.count++] = file_key;
    }
    s->parsed = &merged;
    rc = as_wire_key(s, as_str_copy(s->arena, env).ptr, key, err);
    s->parsed = given;
    return rc;
}

static as_rc need_key(const as_wire_setup *s, as_err *err) {
    return as_fail(err, AS_INVALID,
                   "target '%.*s' needs a key: %.*s is not set (key_env=none: "
                   "send none)",
                   AS_STR_ARG(s->uri), AS_STR_ARG(s->key_hint));
}

as_rc as_template_auth(as_wire_setup *s, const char *path, const as_yaml *file, const as_json *with,
                       as_err *err) {
    const as_yaml *said = as_yaml_get(file, "auth");
    if (said && said->kind == AS_YAML_MAP && as_yaml_get(said, "aws"))
        return read_aws(s, path, said, with, err);
    if (said && said->kind == AS_YAML_MAP) return read_command(s, path, said, with, err);
    as_str auth, key;
    as_rc rc = as_template_text(path, file, "auth", AS_STR("bearer"), &auth, err);
    if (!rc && as_str_is(auth, "none")) return AS_OK;
    if (!rc) rc = find_key(s, path, file, &key, err);
    if (rc) return rc;
    as_str rest = auth, kind = as_str_cut(&rest, ':');
    bool bearer = as_str_is(auth, "bearer"), basic = as_str_is(auth, "basic");
    bool header = as_str_is(kind, "header") && rest.len;
    if (!bearer && !basic && !header)
        return as_template_wrong(path, said, err,
                                 "auth is bearer, basic, header:NAME, none, {command: ..} or "
                                 "{aws: SERVICE, region: ..}");
    if (!key.ptr) // a file that names its variable means it
        return s->key_hint.len && !s->preset ? need_key(s, err) : AS_OK;
    if (header) {
        as_wire_header(s, rest, key, true);
        return AS_OK;
    }
    as_str coded = basic ? as_secret_base64(s->arena, key) : key;
    if (basic) as_secret_hide(coded);
    as_wire_header(s, AS_STR("Authorization"),
                   as_strf(s->arena, "%s %.*s", basic ? "Basic" : "Bearer", AS_STR_ARG(coded)),
                   true);
    return AS_OK;
}
