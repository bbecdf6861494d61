// SPDX-License-Identifier: Apache-2.0
#include "harness/target/wire_embed.h"

enum { WIDTH_MAX = 65536 };

size_t as_wire_embed_calls(const as_request *request) {
    size_t n = request->input_count;
    return n ? (n + AS_WIRE_EMBED_TEXTS - 1) / AS_WIRE_EMBED_TEXTS : 1;
}

// The texts of a call: [*begin, *end).
static void texts_of(const as_request *request, size_t call, size_t *begin, size_t *end) {
    *begin = call * AS_WIRE_EMBED_TEXTS;
    size_t left = request->input_count - *begin;
    *end = *begin + (left < AS_WIRE_EMBED_TEXTS ? left : AS_WIRE_EMBED_TEXTS);
}

as_wire_call as_wire_embed_build(as_arena *arena, const as_wire_embed *shape, as_str model,
                                 const as_request *request, size_t call, as_str *prompt_sha256) {
    as_buf body = {0};
    as_json_out jo = {.buf = &body};
    size_t begin, end;
    texts_of(request, call, &begin, &end);
    as_jo_open(&jo, '{');
    if (model.len) as_jo_key(&jo, "model"), as_jo_str(&jo, model);
    as_jo_key(&jo, shape->inputs);
    as_jo_open(&jo, '[');
    for (size_t i = begin; i < end; i++) as_jo_str(&jo, request->inputs[i]);
    as_jo_close(&jo, ']');
    if (shape->format) as_jo_key(&jo, "encoding_format"), as_jo_str(&jo, as_str_of(shape->format));
    if (shape->truncate) as_jo_key(&jo, "truncate"), as_jo_bool(&jo, false);
    if (shape->keep_alive.len) as_jo_key(&jo, "keep_alive"), as_jo_str(&jo, shape->keep_alive);
    if (shape->num_ctx) {
        as_jo_key(&jo, "options");
        as_jo_open(&jo, '{');
        as_jo_key(&jo, "num_ctx"), as_jo_i64(&jo, shape->num_ctx);
        as_jo_close(&jo, '}');
    }
    as_jo_close(&jo, '}');
    *prompt_sha256 = as_target_inputs_sha256(arena, request);
    as_wire_call out = {.body = as_str_copy(arena, as_buf_view(&body))};
    as_buf_free(&body);
    return out;
}

// The list in a body; NULL, and refused, if there is none.
static const as_json *find_list(as_wire_take *take, as_str body, const char *name) {
    const as_json *list = NULL;
    as_err err = {0};
    if (!name && as_str_starts(as_str_trim(body), AS_STR("["))) {
        if (as_json_parse(take->scratch, body, &list, &err))
            as_wire_bad(take, "the response is no JSON: %s", err.text);
        return list;
    }
    const as_json *object = as_wire_json(take, body);
    if (!object) return NULL;
    if (name) list = as_json_get(object, name);
    if (list && list->kind == AS_JSON_ARRAY) {
        take->has_usage = true;
        const as_json *usage = as_json_get(object, "usage");
        take->tokens_in =
            as_wire_count(usage ? usage : object, usage ? "prompt_tokens" : "prompt_eval_count");
        return list;
    }
    as_wire_bad(take, "the response has no list of embeddings%s%s%s", name ? " ('" : "",
                name ? name : "", name ? "')" : "");
    return NULL;
}

// Text `at` gets the vector of an element.
static bool take_vector(as_wire_take *take, const as_json *numbers, size_t at) {
    if (!numbers || numbers->kind != AS_JSON_ARRAY || !numbers->count ||
        numbers->count > WIDTH_MAX) {
        as_wire_bad(take, "embedding %zu is no list of 1 to %d numbers", at, WIDTH_MAX);
        return false;
    }
    if (!take->vectors) {
        take->vector_width = numbers->count;
        take->vectors = AS_NEW_ARRAY(take->arena, float,
                                     as_size_mul(take->request->input_count, numbers->count));
    }
    if (numbers->count != take->vector_width) {
        as_wire_bad(take, "embedding %zu has %zu numbers, another one %zu", at, numbers->count,
                    take->vector_width);
        return false;
    }
    float *out = take->vectors + at * take->vector_width;
    for (const as_json *n = numbers->child; n; n = n->next, out++) {
        if (n->kind != AS_JSON_NUMBER || !(n->number > -1e30 && n->number < 1e30)) {
            as_wire_bad(take, "embedding %zu holds %s, not a number below 1e30", at,
                        as_json_kind_name(n->kind));
            return false;
        }
        *out = (float)n->number;
    }
    return true;
}

void as_wire_embed_take(as_wire_take *take, as_str body, const char *name) {
    size_t begin, end, place = 0;
    bool seen[AS_WIRE_EMBED_TEXTS] = {false};
    texts_of(take->request, take->call, &begin, &end);
    const as_json *list = find_list(take, body, name);
    if (!list) return;
    if (list->count != end - begin) {
        as_wire_bad(take, "the response has %zu embeddings for %zu texts", list->count,
                    end - begin);
        return;
    }
    for (const as_json *e = list->child; e; e = e->next, place++) {
        bool wrapped = e->kind == AS_JSON_OBJECT;
        double index = wrapped ? as_json_f64(e, "index", (double)place) : (double)place;
        if (!(index >= 0 && index < (double)(end - begin)) || seen[(size_t)index]) {
            as_wire_bad(take, "embedding %zu is out of place: its 'index' is %g", place, index);
            return;
        }
        seen[(size_t)index] = true;
        const as_json *numbers = wrapped ? as_json_get(e, "embedding") : e;
        if (!take_vector(take, numbers, begin + (size_t)index)) return;
    }
    take->finish = AS_WIRE_STOP;
    take->ended = true;
}
