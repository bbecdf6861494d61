// SPDX-License-Identifier: Apache-2.0
#include "harness/suite/prices.h"

#include "harness/base/file.h"
#include "harness/base/yaml.h"

enum { FILE_MAX = 4 << 20, PLACES = 9 };

static as_rc wrong(const char *path, const as_yaml *at, as_err *err, const char *what) {
    return as_fail(err, AS_INVALID, "%s:%zu:%zu: %s", path, at->line, at->column, what);
}

// "0.15" as 150000000 billionths, exactly. False: no such number, or it does not fit.
static bool decimal(as_str text, uint64_t *out) {
    uint64_t value = 0;
    size_t places = 0, digits = 0;
    bool point = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9' || places == PLACES) return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(c - '0'), &value))
            return false;
        digits++;
        places += point;
    }
    for (; places < PLACES; places++)
        if (__builtin_mul_overflow(value, 10, &value)) return false;
    *out = value;
    return digits > 0;
}

static as_rc read_price(const char *path, const as_yaml *map, as_price *out, as_err *err) {
    if (map->kind != AS_YAML_MAP)
        return wrong(path, map, err, "expected {input: PRICE, output: PRICE}");
    out->model = map->key;
    bool has_input = false, has_output = false;
    for (const as_yaml *m = map->child; m; m = m->next) {
        bool input = as_str_is(m->key, "input"), output = as_str_is(m->key, "output");
        if (!input && !output)
            return as_fail(err, AS_INVALID,
                           "%s:%zu:%zu: unknown key '%.*s'; there are input, output", path,
                           m->key_line, m->key_column, AS_STR_ARG(m->key));
        if (m->kind != AS_YAML_NUMBER || !decimal(m->text, input ? &out->input : &out->output))
            return wrong(path, m, err, "a price is a decimal fraction of up to nine places");
        has_input = has_input || input;
        has_output = has_output || output;
    }
    return has_input && has_output ? AS_OK
                                   : wrong(path, map, err, "input and output are both needed");
}

static as_rc read_book(as_arena *arena, const char *path, const as_yaml *file, as_prices *out,
                       as_err *err) {
    static const char *const known[] = {"version", "currency", "per", "models", NULL};
    if (file->kind != AS_YAML_MAP) return wrong(path, file, err, "expected a map");
    for (const as_yaml *m = file->child; m; m = m->next) {
        bool found = false;
        for (size_t i = 0; known[i]; i++) found = found || as_str_is(m->key, known[i]);
        if (!found)
            return as_fail(
                err, AS_INVALID,
                "%s:%zu:%zu: unknown key '%.*s'; there are version, currency, per, models", path,
                m->key_line, m->key_column, AS_STR_ARG(m->key));
    }
    const as_yaml *version = as_yaml_get(file, "version"), *per = as_yaml_get(file, "per");
    const as_yaml *currency = as_yaml_get(file, "currency"), *models = as_yaml_get(file, "models");
    if (!version || version->kind == AS_YAML_MAP || version->kind == AS_YAML_LIST)
        return wrong(path, file, err,
                     "'version' is missing: prices change, a run says which it used");
    if (!models || models->kind != AS_YAML_MAP || !models->count)
        return wrong(path, file, err, "'models' is missing or no map");
    int64_t tokens = 1000000;
    if (per && (!as_str_to_i64(per->text, &tokens) || tokens < 1 || tokens > 1000000000))
        return wrong(path, per, err, "per is a number of tokens, usually 1000000");
    out->version = version->text;
    out->currency = currency ? currency->text : AS_STR("USD");
    out->per = (uint64_t)tokens;
    as_price *prices = AS_NEW_ARRAY(arena, as_price, models->count);
    as_rc rc = AS_OK;
    for (const as_yaml *m = models->child; m && !rc; m = m->next)
        rc = read_price(path, m, &prices[out->count++], err);
    out->models = prices;
    return rc;
}

as_rc as_prices_read(as_arena *arena, const char *path, as_prices *out, as_err *err) {
    as_str text;
    const as_yaml *file;
    as_prices prices = {0};
    as_rc rc = as_file_read(arena, path, FILE_MAX, &text, err);
    if (!rc) rc = as_yaml_parse(arena, text, path, &file, err);
    if (!rc) rc = read_book(arena, path, file, &prices, err);
    if (!rc) *out = prices;
    return rc;
}

const as_price *as_prices_find(const as_prices *prices, as_str model) {
    const as_price *best = NULL;
    for (size_t i = 0; i < prices->count; i++) {
        const as_price *p = &prices->models[i];
        as_str name = p->model;
        bool prefix = as_str_ends(name, AS_STR("*"));
        if (prefix) name.len--;
        if (prefix ? !as_str_starts(model, name) : !as_str_eq(model, name)) continue;
        if (!prefix) return p;
        if (!best || best->model.len < p->model.len) best = p;
    }
    return best;
}

double as_prices_cost(const as_prices *prices, const as_price *price, uint64_t tokens_in,
                      uint64_t tokens_out) {
    uint64_t in, out, sum;
    if (__builtin_mul_overflow(price->input, tokens_in, &in) ||
        __builtin_mul_overflow(price->output, tokens_out, &out) ||
        __builtin_add_overflow(in, out, &sum))
        return ((double)price->input * (double)tokens_in +
                (double)price->output * (double)tokens_out) /
               1e9 / (double)prices->per;
    // One division, of whole numbers: the nearest double to the exact cost.
    return (double)((long double)sum / ((long double)prices->per * 1e9L));
}
