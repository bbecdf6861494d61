// SPDX-License-Identifier: Apache-2.0
#include "harness/target/wire.h"

#include <string.h>
#include <strings.h>

#include "harness/base/file.h"
#include "harness/base/sha256.h"
#include "harness/base/utf8.h"
#include "harness/base/yaml.h"
#include "harness/net/secret.h"
#include "harness/net/url.h"
#include "harness/target/chat/chat_turn.h"
#include "harness/target/pick.h"

enum { ERROR_TEXT_MAX = 400, EXTRA_MAX = 1 << 20 };

void as_wire_bad(as_wire_take *take, const char *format, ...) {
    if (take->outcome != AS_OUT_OK) return; // the first reason is the one to tell
    as_buf text = {0};
    va_list args;
    va_start(args, format);
    as_bufv(&text, format, args);
    va_end(args);
    take->outcome = AS_OUT_BAD_RESPONSE;
    take->error = as_str_copy(take->arena, as_buf_view(&text));
    as_buf_free(&text);
}

const as_json *as_wire_at(const as_json *at, as_str path) {
    if (as_str_starts(path, AS_STR("$"))) path = as_str_sub(path, 1, path.len);
    while (at && path.len) {
        char c = path.ptr[0];
        if (c == '.' || c == '[' || c == ']') {
            path = as_str_sub(path, 1, path.len);
            continue;
        }
        size_t end = 0;
        while (end < path.len && path.ptr[end] != '.' && path.ptr[end] != '[' &&
               path.ptr[end] != ']')
            end++;
        as_str name = as_str_sub(path, 0, end);
        path = as_str_sub(path, end, path.len);
        int64_t index;
        const as_json *child = at->child;
        if (at->kind == AS_JSON_ARRAY && as_str_to_i64(name, &index)) {
            if (index < 0) index += (int64_t)at->count;
            if (index < 0) child = NULL;
            while (child && index--) child = child->next;
        } else if (at->kind == AS_JSON_OBJECT) {
            while (child && !as_str_eq(child->key, name)) child = child->next;
        } else {
            child = NULL;
        }
        at = child;
    }
    return at;
}

uint64_t as_wire_count(const as_json *object, const char *key) {
    double value = as_json_f64(object, key, 0);
    return value > 0 && value < 0x1p53 ? (uint64_t)value : 0;
}

static as_str shortened(as_arena *arena, as_str text) {
    text = as_utf8_clean(arena, as_str_trim(text));
    if (text.len <= ERROR_TEXT_MAX) return as_str_copy(arena, text);
    size_t cut = ERROR_TEXT_MAX;
    while (cut && ((unsigned char)text.ptr[cut] & 0xC0) == 0x80) cut--;
    return as_strf(arena, "%.*s...", (int)cut, text.ptr);
}

static as_str text_or_number(as_arena *arena, const as_json *object, const char *key) {
    const as_json *value = as_json_get(object, key);
    if (!value || (value->kind != AS_JSON_STRING && value->kind != AS_JSON_NUMBER))
        return AS_STR("");
    return as_json_plain(arena, value);
}

// The words of {"error": {"message": ..}}, {"error": ".."}, {"message": ..}, {"detail": ..}.
static as_str error_words(as_arena *arena, const as_json *object, as_str *kind) {
    const as_json *error = as_json_get(object, "error");
    if (error && error->kind == AS_JSON_STRING) {
        *kind = text_or_number(arena, object, "error_type");
        return error->text;
    }
    const as_json *from = error && error->kind == AS_JSON_OBJECT ? error : object;
    *kind = text_or_number(arena, from, "code");
    if (!kind->len) *kind = text_or_number(arena, from, "type");
    static const char *const keys[] = {"message", "detail", "error_message"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const as_json *words = as_json_get(from, keys[i]);
        if (words && words->kind != AS_JSON_NULL) return as_json_plain(arena, words);
    }
    return error ? as_json_plain(arena, error) : AS_STR("");
}

as_str as_wire_error(as_arena *arena, as_str body, as_str *kind) {
    const as_json *object;
    as_err err;
    *kind = AS_STR("");
    as_str words = body;
    if (!as_json_parse(arena, body, &object, &err)) {
        // Some wrap their error in a list.
        if (object->kind == AS_JSON_ARRAY && object->child) object = object->child;
        as_str found = error_words(arena, object, kind);
        if (found.len) words = found;
    }
    return shortened(arena, words);
}

const as_json *as_wire_json(as_wire_take *take, as_str text) {
    const as_json *object;
    as_err err = {0};
    if (as_json_parse(take->scratch, text, &object, &err)) {
        as_wire_bad(take, "the response is no JSON: %s", err.text);
        return NULL;
    }
    if (object->kind != AS_JSON_OBJECT) {
        as_wire_bad(take, "the response is %s, not an object", as_json_kind_name(object->kind));
        return NULL;
    }
    const as_json *error = as_json_get(object, "error");
    if (!error || error->kind == AS_JSON_NULL) return object;
    as_str kind;
    if (take->outcome == AS_OUT_OK) {
        take->error = as_strf(take->arena, "the server says: %.*s",
                              AS_STR_ARG(as_wire_error(take->arena, text, &kind)));
        take->outcome = AS_OUT_HTTP_ERROR;
        double status = as_json_f64(error, "code", 0);
        if (status >= 400 && status < 600) take->status = (int)status;
    }
    return NULL;
}

static void answer_choice(const as_wire_take *take, as_answer *out) {
    const as_request *request = take->request;
    if (take->choice_logprobs) {
        out->choice_logprobs = take->choice_logprobs;
        for (size_t i = 1; i < request->choice_count; i++)
            if (out->choice_logprobs[i] > out->choice_logprobs[out->best]) out->best = i;
        out->output = request->choices[out->best];
        return;
    }
    out->best = as_pick_choice(out->output, request->choices, request->choice_count);
    // Generated and found: cut off or not, the choice was made.
    if (out->outcome == AS_OUT_TRUNCATED && out->best != SIZE_MAX) {
        out->outcome = AS_OUT_OK;
        out->error = AS_STR("");
    }
}

as_rc as_wire_accepts(const as_wire_ops *ops, const as_wire *wire, const as_request *request,
                      as_err *err) {
    if (request->task == AS_TASK_EMBED && !ops->embeds)
        return as_fail(
            err, AS_INVALID,
            "no embeddings can be had of it; openai:, ollama:, tgi: and gguf: have them");
    if (request->constraint && !ops->constrains)
        return as_fail(
            err, AS_INVALID,
            "its requests have no field for generate.%s; gguf: keeps to it, and openai:, "
            "ollama: and tgi: where their server does",
            as_constraint_name(request->constraint->kind));
    if (request->logprobs && !ops->tells_odds)
        return as_fail(
            err, AS_INVALID,
            "it gives no log-probabilities of tokens (generate.logprobs); gguf: does, and "
            "openai: where its server does");
    if (!ops->takes_turns && as_chat_turn_rich(request)) return as_wire_no_turns(err);
    return ops->accepts ? ops->accepts(wire, request, err) : AS_OK;
}

as_rc as_wire_no_turns(as_err *err) {
    return as_fail(err, AS_INVALID,
                   "it is sent one text, which has no place for the calls of tools, their results "
                   "and names in the messages of cases; gguf:, the chat endpoints of openai: and "
                   "ollama:, and cmd: take them");
}

// The calls as details, however much was said beside them.
static const as_json *details_of(const as_wire_take *take) {
    as_json *out;
    const as_json *calls;
    if (!take->tools.len || as_json_parse(take->arena, as_buf_view(&take->tools), &calls, NULL))
        return NULL;
    out = as_json_new(take->arena, AS_JSON_OBJECT);
    as_json_set(take->arena, out, "tool_calls", (as_json *)(uintptr_t)calls);
    return out;
}

// Some servers leave the stop sequence in the text (TGI, transformers serve), some know of none.
static bool cut_at_stop(const as_request *request, as_str *text) {
    size_t whole = text->len;
    for (size_t i = 0; request->task == AS_TASK_GENERATE && i < request->stop_count; i++) {
        size_t at = as_str_find(*text, request->stops[i], 0);
        if (at != SIZE_MAX) text->len = at;
    }
    return text->len < whole;
}

void as_wire_answer(const as_wire_take *take, as_answer *out) {
    as_str text = as_buf_view(&take->text);
    bool stopped = cut_at_stop(take->request, &text);
    if (!text.len && take->tools.len) text = as_buf_view(&take->tools);
    out->output = as_str_copy(take->arena, text);
    out->reasoning = as_str_copy(take->arena, as_buf_view(&take->reasoning));
    out->has_logprob = take->has_logprob;
    out->logprob = take->logprob;
    out->logprob_tokens = take->logprob_tokens;
    out->token_logprobs = take->token_logprobs;
    out->greedy = take->greedy;
    if (take->details) out->details = take->details;
    if (!out->details) out->details = details_of(take);
    if (take->finish == AS_WIRE_LENGTH && !stopped) {
        out->outcome = AS_OUT_TRUNCATED;
        out->error = AS_STR("cut off before the answer ended (max_tokens)");
    } else if (take->finish == AS_WIRE_FILTER) {
        out->outcome = AS_OUT_REFUSED;
        out->error = AS_STR("refused or withheld by the model's provider");
    }
    out->vectors = take->vectors;
    out->vector_width = take->vector_width;
    if (take->request->task == AS_TASK_CHOICE) answer_choice(take, out);
}

as_rc as_wire_key(as_wire_setup *setup, const char *env, as_str *key, as_err *err) {
    as_str name = as_target_uri_value(setup->parsed, "key_env", as_str_of(env));
    as_str file = as_target_uri_value(setup->parsed, "key_file", AS_STR(""));
    *key = (as_str){0};
    if (setup->auth_said) return AS_OK;
    setup->key_hint = AS_STR("");
    if (file.len) {
        file = as_path_join(setup->arena, setup->base_dir, file);
        setup->key_hint = as_strf(setup->arena, "key_file '%.*s'", AS_STR_ARG(file));
    } else if (as_str_is(name, "none")) {
        return AS_OK;
    } else {
        setup->key_hint = as_strf(setup->arena, "$%.*s", AS_STR_ARG(name));
    }
    as_rc rc = as_secret_load(setup->arena, name, file, key, err);
    setup->has_key = key->ptr != NULL;
    // Said on purpose, so its absence is a mistake.
    as_str given = as_target_uri_value(setup->parsed, "key_env", (as_str){0});
    if (!rc && given.ptr && !file.len && !setup->has_key)
        rc = as_fail(err, AS_INVALID, "target '%.*s': $%.*s is not set", AS_STR_ARG(setup->uri),
                     AS_STR_ARG(name));
    return rc;
}

void as_wire_header(as_wire_setup *setup, as_str name, as_str value, bool secret) {
    for (size_t i = 0; i < setup->header_count; i++) {
        as_http_header *h = &setup->headers[i];
        if (h->name.len != name.len || strncasecmp(h->name.ptr, name.ptr, name.len)) continue;
        *h = (as_http_header){name, value, secret};
        return;
    }
    if (setup->header_count < AS_WIRE_HEADERS_MAX)
        setup->headers[setup->header_count++] = (as_http_header){name, value, secret};
}

as_rc as_wire_url_model(const as_wire_setup *setup, bool need_model, as_str *url, as_str *model,
                        as_err *err) {
    as_str rest = setup->parsed->rest;
    as_str address = as_str_cut(&rest, '#');
    as_url parsed;
    as_rc rc = as_url_parse(address, &parsed, err);
    if (rc) {
        as_err_prefix(err, "target '%.*s'", AS_STR_ARG(setup->uri));
        return rc;
    }
    if (need_model && !rest.len)
        return as_fail(err, AS_INVALID, "target '%.*s' names no model: write URL#MODEL",
                       AS_STR_ARG(setup->uri));
    *url = address;
    *model = rest.ptr ? rest : AS_STR("");
    return AS_OK;
}

as_rc as_wire_word(const as_wire_setup *setup, const char *key, const char *const *words,
                   size_t otherwise, size_t *out, as_err *err) {
    as_str value = as_target_uri_value(setup->parsed, key, (as_str){0});
    *out = otherwise;
    if (!value.ptr) return AS_OK;
    for (size_t i = 0; words[i]; i++) {
        if (!as_str_is(value, words[i])) continue;
        *out = i;
        return AS_OK;
    }
    as_buf all = {0};
    for (size_t i = 0; words[i]; i++) as_buff(&all, "%s%s", i ? ", " : "", words[i]);
    as_fail(err, AS_INVALID, "target '%.*s': %s is '%.*s'; there are %s", AS_STR_ARG(setup->uri),
            key, AS_STR_ARG(value), all.ptr);
    as_buf_free(&all);
    return AS_INVALID;
}

static bool all_listed(const as_request *request) {
    for (size_t i = 0; i < request->choice_count; i++) {
        bool found = false;
        for (size_t m = 0; m < request->message_count && !found; m++)
            found = as_str_find(request->messages[m].content, request->choices[i], 0) != SIZE_MAX;
        if (!found) return false;
    }
    return true;
}

static as_str with_list(as_arena *arena, const as_request *request, as_str content) {
    as_buf text = {0};
    as_buf_str(&text, content);
    as_buf_text(&text, "\n\nAnswer with exactly one of these, and nothing else:");
    for (size_t i = 0; i < request->choice_count; i++)
        as_buff(&text, "\n- %.*s", AS_STR_ARG(request->choices[i]));
    as_str copy = as_str_copy(arena, as_buf_view(&text));
    as_buf_free(&text);
    return copy;
}

const as_message *as_wire_messages(as_arena *arena, const as_request *request, bool bare,
                                   as_str *prompt_sha256) {
    as_message *messages = AS_NEW_ARRAY(arena, as_message, request->message_count);
    for (size_t i = 0; i < request->message_count; i++) messages[i] = request->messages[i];
    if (request->task == AS_TASK_CHOICE && !bare && request->message_count &&
        !all_listed(request)) {
        as_message *last = &messages[request->message_count - 1];
        last->content = with_list(arena, request, last->content);
    }
    as_sha256 sha;
    as_sha256_init(&sha);
    for (size_t i = 0; i < request->message_count; i++) {
        as_sha256_add(&sha, messages[i].role.ptr, messages[i].role.len);
        as_sha256_add(&sha, "\n", 1);
        as_sha256_add(&sha, messages[i].content.ptr, messages[i].content.len);
        as_sha256_add(&sha, "\n", 1);
        if (!messages[i].whole) continue;
        as_buf whole = {0};
        as_json_write(&whole, messages[i].whole);
        as_sha256_add(&sha, whole.ptr, whole.len);
        as_buf_free(&whole);
        as_sha256_add(&sha, "\n", 1);
    }
    char hex[65];
    as_sha256_hex(&sha, hex);
    *prompt_sha256 = as_str_copy(arena, (as_str){hex, 64});
    return messages;
}

static void put_whole(as_json_out *out, const as_message *message, as_chat_form form) {
    as_arena arena = {0};
    as_jo_json(out, as_chat_turn(&arena, message, form));
    as_arena_free(&arena);
}

void as_wire_put_messages(as_json_out *out, const as_message *messages, size_t count,
                          as_chat_form form) {
    as_jo_open(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (messages[i].whole) {
            put_whole(out, &messages[i], form);
            continue;
        }
        as_jo_open(out, '{');
        as_jo_key(out, "role"), as_jo_str(out, messages[i].role);
        as_jo_key(out, "content"), as_jo_str(out, messages[i].content);
        as_jo_close(out, '}');
    }
    as_jo_close(out, ']');
}

as_str as_wire_prompt(as_arena *arena, const as_request *request) {
    as_buf text = {0};
    for (size_t i = 0; i < request->message_count; i++) {
        if (i) as_buf_char(&text, '\n');
        as_buf_str(&text, request->messages[i].content);
    }
    as_str prompt = as_str_copy(arena, as_buf_view(&text));
    as_buf_free(&text);
    return prompt;
}

size_t as_wire_room(const as_request *request) {
    size_t most = request->max_tokens;
    if (request->task != AS_TASK_CHOICE) return most;
    for (size_t i = 0; i < request->choice_count; i++)
        if (request->choices[i].len + 16 > most) most = request->choices[i].len + 16;
    return most;
}

as_rc as_wire_extra(as_wire_setup *setup, const as_json **out, as_err *err) {
    as_str file = as_target_uri_value(setup->parsed, "extra", (as_str){0}), text;
    const as_yaml *yaml;
    *out = NULL;
    if (!file.ptr) return AS_OK;
    file = as_path_join(setup->arena, setup->base_dir, file);
    as_rc rc = as_file_read(setup->arena, file.ptr, EXTRA_MAX, &text, err);
    if (!rc) rc = as_yaml_parse(setup->arena, text, file.ptr, &yaml, err);
    if (!rc && yaml->kind != AS_YAML_MAP)
        rc = as_fail(err, AS_INVALID,
                     "%s: expected an object of what goes into each request, "
                     "found %s",
                     file.ptr, as_yaml_kind_name(yaml->kind));
    if (!rc) rc = as_json_parse(setup->arena, as_yaml_json(setup->arena, yaml), out, err);
    return rc;
}

void as_wire_put_extra(as_json_out *out, const as_json *extra) {
    for (const as_json *m = extra ? extra->child : NULL; m; m = m->next)
        as_jo_keys(out, m->key), as_jo_json(out, m);
}

as_rc as_wire_no_alone(const as_request *request, as_err *err) {
    if (!request->alone) return AS_OK;
    return as_fail(err, AS_INVALID,
                   "it gives no log-probabilities of choices after an empty prompt, which "
                   "acc_mutual_info needs; gguf:, replay: and #MODEL+completions of a server with "
                   "echo do");
}

as_rc as_wire_no_scoring(const as_request *request, as_err *err) {
    if (request->alone) return as_wire_no_alone(request, err);
    if (request->task != AS_TASK_LOGLIKELIHOOD && request->task != AS_TASK_ROLLING) return AS_OK;
    return as_fail(err, AS_INVALID,
                   "it gives no log-probability of a given text; gguf:, replay:, tgi: and "
                   "#MODEL+completions of a server with echo do");
}

// Built as text: a stream brings arguments in pieces.
void as_wire_add_tools(as_wire_take *take, const as_json *calls) {
    if (!calls || calls->kind != AS_JSON_ARRAY) return;
    as_buf piece = {0};
    for (const as_json *c = calls->child; c; c = c->next) {
        const as_json *function = as_json_get(c, "function");
        as_str name = as_json_str(function, "name", AS_STR(""));
        const as_json *given = as_json_get(function, "arguments");
        bool whole = given && given->kind == AS_JSON_OBJECT; // Ollama
        as_str arguments = given && (whole || given->kind == AS_JSON_STRING)
                               ? as_json_plain(take->scratch, given)
                               : AS_STR("");
        if (!name.len && !take->tools.len) continue; // arguments of nothing
        if (name.len) {
            if (take->tools.len) take->tools.len -= 3; // "}]" and the quote before
            as_buf_text(&take->tools, take->tools.len ? "\"},{\"name\":" : "[{\"name\":");
            as_json_write_str(&take->tools, name);
            as_buf_text(&take->tools, ",\"arguments\":\"\"}]");
        }
        as_buf_clear(&piece);
        as_json_write_str(&piece, arguments);
        take->tools.len -= 3;
        as_buf_add(&take->tools, piece.ptr + 1, piece.len - 2);
        as_buf_text(&take->tools, "\"}]");
        take->piece = true;
    }
    as_buf_free(&piece);
}

const as_http_header *as_wire_headers(const as_wire_setup *setup, as_arena *arena,
                                      const as_wire_call *call, size_t *count_out) {
    size_t count = 0;
    as_http_header *out =
        AS_NEW_ARRAY(arena, as_http_header, setup->header_count + call->header_count);
    for (size_t i = 0; i < setup->header_count; i++) {
        bool own = false;
        for (size_t j = 0; j < call->header_count; j++)
            own = own || as_str_eq(call->headers[j].name, setup->headers[i].name);
        if (!own) out[count++] = setup->headers[i];
    }
    for (size_t j = 0; j < call->header_count; j++) out[count++] = call->headers[j];
    *count_out = count;
    return out;
}
