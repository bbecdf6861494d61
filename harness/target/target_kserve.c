// SPDX-License-Identifier: Apache-2.0
// kserve:URL#MODEL - Open Inference Protocol v2 in JSON (Triton, KServe, MLServer): one BYTES input
// with the prompt (the messages joined by newlines), one output.
//
// A text output is the answer. For `choice` an output of numbers, one for each choice in the
// suite's order, is taken as scores: probabilities when they are in [0, 1] and sum to 1, else
// logits; one whole number is the index of the choice; a text is matched (pick.h).
#include <math.h>

#include "harness/base/sha256.h"
#include "harness/net/url.h"
#include "harness/target/remote.h"

static const char *const keys[] = {"input", "output", "parameters", NULL};

struct as_wire {
    as_str url, input, output;
    bool parameters;
};

static as_rc kserve_open(as_wire_setup *s, as_err *err) {
    static const char *const yes[] = {"yes", "no", NULL};
    as_wire *w = s->wire = AS_NEW(s->arena, as_wire);
    as_str base, model, key;
    size_t no;
    as_rc rc = as_wire_url_model(s, true, &base, &model, err);
    if (!rc) rc = as_wire_word(s, "parameters", yes, 0, &no, err);
    if (!rc) rc = as_wire_key(s, "KSERVE_TOKEN", &key, err);
    if (rc) return rc;
    w->parameters = no == 0;
    w->input = as_target_uri_value(s->parsed, "input", AS_STR("text_input"));
    w->output = as_target_uri_value(s->parsed, "output", AS_STR(""));
    w->url =
        as_url_join(s->arena, base, as_strf(s->arena, "v2/models/%.*s/infer", AS_STR_ARG(model)));
    if (key.ptr)
        as_wire_header(s, AS_STR("Authorization"),
                       as_strf(s->arena, "Bearer %.*s", AS_STR_ARG(key)), true);
    s->model_name = model;
    s->endpoint = w->url;
    return AS_OK;
}

static void kserve_build(const as_wire *w, as_arena *arena, const as_request *request, size_t call,
                         as_wire_call *out, as_str *sha256) {
    (void)call;
    as_str prompt = as_wire_prompt(arena, request);
    *sha256 = as_sha256_of(arena, prompt);
    as_buf body = {0};
    as_json_out jo = {.buf = &body};
    as_jo_open(&jo, '{');
    as_jo_key(&jo, "inputs");
    as_jo_open(&jo, '[');
    as_jo_open(&jo, '{');
    as_jo_key(&jo, "name"), as_jo_str(&jo, w->input);
    as_jo_key(&jo, "shape");
    as_jo_open(&jo, '['), as_jo_i64(&jo, 1), as_jo_close(&jo, ']');
    as_jo_key(&jo, "datatype"), as_jo_str(&jo, AS_STR("BYTES"));
    as_jo_key(&jo, "data");
    as_jo_open(&jo, '['), as_jo_str(&jo, prompt), as_jo_close(&jo, ']');
    as_jo_close(&jo, '}');
    as_jo_close(&jo, ']');
    if (w->parameters && request->task == AS_TASK_GENERATE) {
        as_jo_key(&jo, "parameters");
        as_jo_open(&jo, '{');
        as_jo_key(&jo, "max_tokens"), as_jo_i64(&jo, (int64_t)request->max_tokens);
        as_jo_key(&jo, "temperature"), as_jo_f64(&jo, request->temperature);
        as_target_put_filters(&jo, request);
        as_jo_close(&jo, '}');
    }
    if (w->output.len) {
        as_jo_key(&jo, "outputs");
        as_jo_open(&jo, '[');
        as_jo_open(&jo, '{');
        as_jo_key(&jo, "name"), as_jo_str(&jo, w->output);
        as_jo_close(&jo, '}');
        as_jo_close(&jo, ']');
    }
    as_jo_close(&jo, '}');
    *out = (as_wire_call){.url = w->url, .body = as_str_copy(arena, as_buf_view(&body))};
    as_buf_free(&body);
}

static const as_json *find_output(const as_wire *w, const as_json *object) {
    const as_json *outputs = as_json_get(object, "outputs");
    if (!outputs || outputs->kind != AS_JSON_ARRAY) return NULL;
    for (const as_json *o = outputs->child; o; o = o->next)
        if (!w->output.len || as_str_eq(as_json_str(o, "name", AS_STR("")), w->output)) return o;
    return NULL;
}

// Data may be nested as the shape is; the first leaf, and how many there are.
static const as_json *leaves(const as_json *data, size_t *count) {
    while (data && data->kind == AS_JSON_ARRAY && data->count == 1 &&
           data->child->kind == AS_JSON_ARRAY)
        data = data->child;
    *count = data && data->kind == AS_JSON_ARRAY ? data->count : 0;
    return *count ? data->child : NULL;
}

static void take_scores(as_wire_take *take, const as_json *first, size_t count, bool whole) {
    const as_request *request = take->request;
    if (count == 1 && whole && first->number >= 0 &&
        first->number < (double)request->choice_count) {
        as_buf_str(&take->text, request->choices[(size_t)first->number]);
        return;
    }
    if (count != request->choice_count) {
        as_wire_bad(take, "the output has %zu numbers for %zu choices", count,
                    request->choice_count);
        return;
    }
    double *scores = AS_NEW_ARRAY(take->arena, double, count), sum = 0, most = -INFINITY;
    bool probabilities = true;
    size_t i = 0;
    for (const as_json *n = first; n; n = n->next) {
        if (n->kind != AS_JSON_NUMBER) {
            as_wire_bad(take, "the output holds %s among its numbers", as_json_kind_name(n->kind));
            return;
        }
        probabilities = probabilities && n->number >= 0 && n->number <= 1;
        sum += n->number;
        if (n->number > most) most = n->number;
        scores[i++] = n->number;
    }
    probabilities = probabilities && fabs(sum - 1) < 1e-3;
    double total = 0;
    for (i = 0; i < count; i++) total += exp(scores[i] - most);
    for (i = 0; i < count; i++)
        scores[i] = probabilities ? log(scores[i]) : scores[i] - most - log(total);
    take->choice_logprobs = scores;
}

static void kserve_body(const as_wire *w, as_wire_take *take, as_str body) {
    const as_json *object = as_wire_json(take, body);
    if (!object) return;
    const as_json *output = find_output(w, object);
    size_t count;
    const as_json *first = leaves(as_json_get(output, "data"), &count);
    take->finish = AS_WIRE_STOP;
    take->ended = true;
    if (!output || !first) {
        as_wire_bad(take, "the response has no output%s%.*s%s with data", w->output.len ? " '" : "",
                    AS_STR_ARG(w->output), w->output.len ? "'" : "");
        return;
    }
    as_str type = as_json_str(output, "datatype", AS_STR(""));
    if (first->kind == AS_JSON_NUMBER && take->request->task == AS_TASK_CHOICE)
        take_scores(take, first, count,
                    as_str_starts(type, AS_STR("INT")) || as_str_starts(type, AS_STR("UINT")));
    else
        as_buf_str(&take->text, as_json_plain(take->arena, first));
}

const as_wire_ops as_wire_kserve = {
    .keys = keys, .open = kserve_open, .build = kserve_build, .body = kserve_body};

static as_rc open_target(as_str uri, as_str base_dir, as_target **out, as_err *err) {
    return as_remote_open(&as_wire_kserve, uri, base_dir, out, err);
}

const as_target_ops as_target_kserve = AS_REMOTE(
    "kserve", "kserve:URL#MODEL[?input=NAME&output=NAME&parameters=yes|no&...]", open_target);
