// SPDX-License-Identifier: Apache-2.0
#include "harness/target/target.h"

#include "harness/base/sha256.h"
#include "harness/target/presets/preset.h"

const as_target_ops *const as_targets[] = {&as_target_gguf,
                                           &as_target_openai,
                                           &as_target_ollama,
                                           &as_target_tgi,
                                           &as_target_kserve,
                                           &as_target_http,
                                           &as_target_preset,
                                           &as_target_cmd,
                                           &as_target_replay,
                                           &as_target_mock,
                                           NULL};
enum { TARGET_COUNT = sizeof as_targets / sizeof *as_targets - 1, PRESETS_MAX = 200 };

static as_rc refuse_constraint(as_str uri, const as_constraint_spec *constraint, as_err *err) {
    return as_fail(err, AS_INVALID,
                   "target '%.*s' cannot keep to generate.%s; gguf: can, and openai:, ollama: and "
                   "tgi: where their server does",
                   AS_STR_ARG(uri), as_constraint_name(constraint->kind));
}

as_rc as_target_accepts(const as_target_ops *ops, const as_target *target,
                        const as_request *request, as_err *err) {
    as_str uri = ops->info(target)->uri;
    if (request->constraint && !ops->constrains)
        return refuse_constraint(uri, request->constraint, err);
    if ((request->tools || request->chat_template.len || request->date.len ||
         request->special_tokens) &&
        !ops->templates)
        return as_fail(
            err, AS_INVALID,
            "target '%.*s' renders no chat template, so prompt.%s cannot reach it; gguf: "
            "does, and openai: takes tools of its own (?extra=FILE)",
            AS_STR_ARG(uri),
            request->tools               ? "tools"
            : request->chat_template.len ? "chat_template"
            : request->date.len          ? "date"
                                         : "special_tokens");
    if (request->logprobs && !ops->tells_odds)
        return as_fail(err, AS_INVALID,
                       "target '%.*s' gives no log-probabilities of tokens (generate.logprobs); "
                       "gguf: does, and openai: where its server does",
                       AS_STR_ARG(uri));
    return ops->accepts ? ops->accepts(target, request, err) : AS_OK;
}

as_rc as_target_can_embed(const as_target_ops *ops, const as_target *target, as_err *err) {
    as_request request = {.task = AS_TASK_EMBED};
    if (!ops->embeds)
        return as_fail(err, AS_INVALID,
                       "target '%.*s' has no embeddings; gguf:, openai:, ollama: and tgi: do",
                       AS_STR_ARG(ops->info(target)->uri));
    return ops->accepts ? ops->accepts(target, &request, err) : AS_OK;
}

as_rc as_target_can_alone(const as_target_ops *ops, const as_target *target, as_err *err) {
    as_request request = {.task = AS_TASK_CHOICE, .alone = true};
    if (!ops->scores_texts)
        return as_fail(
            err, AS_INVALID,
            "target '%.*s' gives no log-probabilities of choices after an empty prompt, "
            "which acc_mutual_info needs; gguf:, replay: and openai:URL#MODEL+completions "
            "do",
            AS_STR_ARG(ops->info(target)->uri));
    return ops->accepts ? ops->accepts(target, &request, err) : AS_OK;
}

as_str as_target_inputs_sha256(as_arena *arena, const as_request *request) {
    as_sha256 sha;
    char hex[65];
    as_sha256_init(&sha);
    for (size_t i = 0; i < request->input_count; i++) {
        as_sha256_add(&sha, request->inputs[i].ptr, request->inputs[i].len);
        as_sha256_add(&sha, "\n", 1);
    }
    as_sha256_hex(&sha, hex);
    return as_str_copy(arena, (as_str){hex, 64});
}

void as_target_put_filters(as_json_out *out, const as_request *request) {
    if (request->top_p > 0 && request->top_p < 1)
        as_jo_key(out, "top_p"), as_jo_f64(out, request->top_p);
    if (request->top_k) as_jo_key(out, "top_k"), as_jo_i64(out, (int64_t)request->top_k);
    if (request->min_p > 0) as_jo_key(out, "min_p"), as_jo_f64(out, request->min_p);
}

uint64_t as_target_seed(const as_request *request) {
    return (request->seed + request->sample) & INT64_MAX;
}

as_rc as_target_resolve(as_str uri, const as_target_ops **out, as_err *err) {
    as_str rest = uri, scheme = as_str_cut(&rest, ':'), variant = scheme;
    const char *names[TARGET_COUNT + PRESETS_MAX + 1] = {0};
    if (rest.ptr && as_preset_known(scheme)) { // with its '+', if it had one
        *out = &as_target_preset;
        return AS_OK;
    }
    scheme = as_str_cut(&variant, '+'); // "openai+completions"
    for (size_t i = 0; i < TARGET_COUNT; i++) {
        names[i] = as_targets[i]->scheme;
        if (!rest.ptr || !as_str_is(scheme, names[i])) continue;
        if (variant.ptr && (!as_str_is(scheme, "openai") || !as_str_is(variant, "completions")))
            return as_fail(err, AS_INVALID,
                           "target '%.*s': '+%.*s' means nothing; there is "
                           "openai+completions:",
                           AS_STR_ARG(uri), AS_STR_ARG(variant));
        *out = as_targets[i];
        return AS_OK;
    }
    size_t count = TARGET_COUNT;
    for (const as_preset_file *f = as_preset_files; f->name && count < TARGET_COUNT + PRESETS_MAX;
         f++)
        names[count++] = f->name;
    const char *near = rest.ptr ? as_str_nearest(scheme, names) : NULL;
    as_buf all = {0};
    for (size_t i = 0; i < TARGET_COUNT; i++) as_buff(&all, "%s%s:", i ? ", " : "", names[i]);
    as_fail(err, AS_INVALID,
            "target '%.*s' is no URI that assay knows%s%s%s; there are %s and presets (see: "
            "assay targets)",
            AS_STR_ARG(uri), near ? " (did you mean '" : "", near ? near : "", near ? ":'?)" : "",
            all.ptr);
    as_buf_free(&all);
    return AS_INVALID;
}

static as_rc parse_pair(as_str uri, as_str pair, const char *const *allowed, as_target_uri *out,
                        as_err *err) {
    as_str value = pair, key = as_str_cut(&value, '=');
    if (!value.ptr || !key.len)
        return as_fail(err, AS_INVALID, "target '%.*s': '%.*s' is not key=value", AS_STR_ARG(uri),
                       AS_STR_ARG(pair));
    bool known = false;
    for (const char *const *k = allowed; *k; k++) known = known || as_str_is(key, *k);
    if (!known) {
        const char *near = as_str_nearest(key, allowed);
        return as_fail(err, AS_INVALID, "target '%.*s': unknown key '%.*s'%s%s%s", AS_STR_ARG(uri),
                       AS_STR_ARG(key), near ? "; did you mean '" : "", near ? near : "",
                       near ? "'?" : "");
    }
    for (size_t i = 0; i < out->count; i++)
        if (as_str_eq(out->keys[i], key))
            return as_fail(err, AS_INVALID, "target '%.*s': key '%.*s' stands twice",
                           AS_STR_ARG(uri), AS_STR_ARG(key));
    if (out->count == AS_TARGET_KEYS_MAX)
        return as_fail(err, AS_INVALID, "target '%.*s': more than %d keys", AS_STR_ARG(uri),
                       AS_TARGET_KEYS_MAX);
    out->keys[out->count] = key;
    out->values[out->count++] = value;
    return AS_OK;
}

as_rc as_target_uri_parse(as_arena *arena, as_str uri, const char *const *allowed,
                          as_target_uri *out, as_err *err) {
    as_str query = as_str_copy(arena, uri);
    as_str_cut(&query, ':');
    *out = (as_target_uri){.rest = as_str_cut(&query, '?')};
    while (query.ptr) {
        as_str pair = as_str_cut(&query, '&');
        if (parse_pair(uri, pair, allowed, out, err)) return AS_INVALID;
    }
    return AS_OK;
}

as_str as_target_uri_value(const as_target_uri *uri, const char *key, as_str otherwise) {
    for (size_t i = 0; i < uri->count; i++)
        if (as_str_is(uri->keys[i], key)) return uri->values[i];
    return otherwise;
}

as_rc as_target_uri_count(as_str uri, const as_target_uri *parsed, const char *key, int64_t least,
                          int64_t most, int64_t *out, as_err *err) {
    as_str text = as_target_uri_value(parsed, key, (as_str){NULL, 0});
    if (!text.ptr) return AS_OK;
    int64_t value;
    if (!as_str_to_i64(text, &value) || value < least || value > most)
        return as_fail(err, AS_INVALID,
                       "target '%.*s': %s is '%.*s'; expected a whole number from %lld to %lld",
                       AS_STR_ARG(uri), key, AS_STR_ARG(text), (long long)least, (long long)most);
    *out = value;
    return AS_OK;
}
