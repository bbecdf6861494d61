// SPDX-License-Identifier: Apache-2.0
// template_file.h - YAML files that describe an endpoint (http: targets, presets): keys checked
// with a place in every message, their texts as templates, and the keys that both share: headers
// and auth. What a dataset or a model says is a value in a template, never a template.
#ifndef AS_TEMPLATE_FILE_H
#define AS_TEMPLATE_FILE_H

#include "harness/base/jinja.h"
#include "harness/base/yaml.h"
#include "harness/target/wire.h"

// "PATH:LINE:COLUMN: what" of a value.
as_rc as_template_wrong(const char *path, const as_yaml *at, as_err *err, const char *format, ...)
    AS_PRINTF(4, 5);

// AS_INVALID unless `map` is a map with keys among `known` (NULL-terminated).
as_rc as_template_keys(const char *path, const as_yaml *map, const char *const *known,
                       as_err *err) AS_MUST_USE;

// The text or number at `key`; `otherwise` without it.
as_rc as_template_text(const char *path, const as_yaml *map, const char *key, as_str otherwise,
                       as_str *out, as_err *err) AS_MUST_USE;
as_rc as_template_count(const char *path, const as_yaml *map, const char *key, int64_t least,
                        int64_t most, int64_t *out, as_err *err) AS_MUST_USE;

// `text` rendered with the members of `with` as variables.
as_rc as_template_fill(as_arena *arena, as_str text, const as_json *with, as_str *out,
                       as_err *err) AS_MUST_USE;

// The file's `headers` into the setup. A value is a text (a template over `with`) or
// {env: NAME}: from the environment, secret.
as_rc as_template_headers(as_wire_setup *setup, const char *path, const as_yaml *file,
                          const as_json *with, as_err *err) AS_MUST_USE;

// The file's `auth`, `key_env` and `key_file` into the setup; the URI's key_env and key_file come
// first.
as_rc as_template_auth(as_wire_setup *setup, const char *path, const as_yaml *file,
                       const as_json *with, as_err *err) AS_MUST_USE;

#endif
