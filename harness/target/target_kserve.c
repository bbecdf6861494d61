// SPDX-License-Identifier: Apache-2.0
// kserve:URL#MODEL[/VERSION] - Open Inference Protocol v2 (Triton, KServe, MLServer): one input
// with the prompt (the messages joined by newlines) as BYTES, or, with datatype=FP32 or another
// number, with the numbers in it (a list of JSON); one output. In JSON, or with binary=yes as
// binary tensor data, which is also understood when it is the answer.
//
// A text output is the answer. For `choice` an output of numbers, one for each choice in the
// suite's order, is taken as scores: probabilities when they are in [0, 1] and sum to 1, else
// logits; one whole number is the index of the choice; classification=yes asks Triton for its own
// ("0.93:1:label" of each class); a text is matched (pick.h).
#include <math.h>
#include <string.h>

#include "harness/base/sha256.h"
#include "harness/net/url.h"
#include "harness/target/remote.h"
#include "harness/target/tensor_data.h"

static const char *const keys[] = {"input",  "output",         "parameters", "datatype",
                                   "binary", "classification", NULL};

struct as_wire {
    as_str url, input, output, datatype;
    bool parameters, binary, classification;
};

static as_rc kserve_open(as_wire_setup *s, as_err *err) {
    static const char *const yes[] = {"yes", "no", NULL};
    as_wire *w = s->wire = AS_NEW(s->arena, as_wire);
    as_str base, model, key;
    size_t no, binary, classification, type;
    static const char *const no_yes[] = {"no", "yes", NULL};
    static const char *const types[] = {"BYTES", "FP32", "FP64", "INT32", "INT64", NULL};
    as_rc rc = as_wire_url_model(s, true, &base, &model, err);
    if (!rc) rc = as_wire_word(s, "parameters", yes, 0, &no, err);
    if (!rc) rc = as_wire_word(s, "binary", no_yes, 0, &binary, err);
    if (!rc) rc = as_wire_word(s, "classification", no_yes, 0, &classification, err);
    if (!rc) rc = as_wire_word(s, "datatype", types, 0, &type, err);
    if (!rc) rc = as_wire_key(s, "KSERVE_TOKEN", &key, err);
    if (rc) return rc;
    w->parameters = no == 0;
    w->binary = binary == 1;
    w->classification = classification == 1;
    w->datatype = as_str_of(types[type]);
    as_str name = model, version = name;
    name = as_str_cut(&version, '/');
    w->input = as_target_uri_value(s->parsed, "input", AS_STR("text_input"));
    w->output = as_target_uri_value(s->parsed, "output", AS_STR(""));
    as_str path = as_strf(s->arena, "v2/models/%.*s%s%.*s/infer", AS_STR_ARG(name),
                          version.len ? "/versions/" : "", AS_STR_ARG(version));
    w->url = as_url_join(s->arena, base, path);
    if (w->classification && !w->output.len)
        return as_fail(err, AS_INVALID, "target '%.*s': classification=yes needs output=NAME",
                       AS_STR_ARG(s->uri));
    if (key.ptr)
        as_wire_header(s, AS_STR("Authorization"),
                       as_strf(s->arena, "Bearer %.*s", AS_STR_ARG(key)), true);
    s->model_name = model;
    s->endpoint = w->url;
    return AS_OK;
}

static void put_input(const as_wire *w, as_json_out *jo, const as_json *data, size_t size) {
    as_jo_key(jo, "inputs");
    as_jo_open(jo, '[');
    as_jo_open(jo, '{');
    as_jo_key(jo, "name"), as_jo_str(jo, w->input);
    as_jo_key(jo, "shape");
    as_jo_open(jo, '[');
    if (!as_str_is(w->datatype, "BYTES")) as_jo_i64(jo, 1);
    as_jo_i64(jo, (int64_t)data->count);
    as_jo_close(jo, ']');
    as_jo_key(jo, "datatype"), as_jo_str(jo, w->datatype);
    if (w->binary) {
        as_jo_key(jo, "parameters");
        as_jo_open(jo, '{');
        as_jo_key(jo, "binary_data_size"), as_jo_i64(jo, (int64_t)size);
        as_jo_close(jo, '}');
    } else {
        as_jo_key(jo, "data"), as_jo_json(jo, data);
    }
    as_jo_close(jo, '}');
    as_jo_close(jo, ']');
}

static void put_output(const as_wire *w, as_json_out *jo, const as_request *request) {
    bool classes = w->classification && request->task == AS_TASK_CHOICE;
    if (!w->output.len) return;
    as_jo_key(jo, "outputs");
    as_jo_open(jo, '[');
    as_jo_open(jo, '{');
    as_jo_key(jo, "name"), as_jo_str(jo, w->output);
    if (classes || w->binary) {
        as_jo_key(jo, "parameters");
        as_jo_open(jo, '{');
        if (classes) as_jo_key(jo, "classification"), as_jo_i64(jo, (int64_t)request->choice_count);
        if (w->binary) as_jo_key(jo, "binary_data"), as_jo_bool(jo, true);
        as_jo_close(jo, '}');
    }
    as_jo_close(jo, '}');
    as_jo_close(jo, ']');
}

static void put_parameters(const as_wire *w, as_json_out *jo, const as_request *request) {
    bool sampling = w->parameters && request->task == AS_TASK_GENERATE;
    bool all_binary = w->binary && !w->output.len;
    if (!sampling && !all_binary) return;
    as_jo_key(jo, "parameters");
    as_jo_open(jo, '{');
    if (sampling) {
        as_jo_key(jo, "max_tokens"), as_jo_i64(jo, (int64_t)request->max_tokens);
        as_jo_key(jo, "temperature"), as_jo_f64(jo, request->temperature);
        as_target_put_filters(jo, request);
    }
    if (all_binary) as_jo_key(jo, "binary_data_output"), as_jo_bool(jo, true);
    as_jo_close(jo, '}');
}

// What the input holds: the prompt, or the numbers that it lists. NULL: it lists none.
static const as_json *input_data(const as_wire *w, as_arena *arena, as_str prompt, as_str *error) {
    if (as_str_is(w->datatype, "BYTES")) {
        as_json *list = as_json_new(arena, AS_JSON_ARRAY);
        as_json_append(list, as_json_new_str(arena, prompt));
        return list;
    }
    const as_json *list;
    as_err err = {0};
    bool numbers = !as_json_parse(arena, prompt, &list, &err) && list->kind == AS_JSON_ARRAY;
    for (const as_json *n = numbers ? list->child : NULL; n; n = n->next)
        numbers = numbers && n->kind == AS_JSON_NUMBER;
    if (numbers) return list;
    *error = as_strf(arena, "datatype=%.*s needs a prompt that is a list of numbers",
                     AS_STR_ARG(w->datatype));
    return NULL;
}

static void kserve_build(const as_wire *w, as_arena *arena, const as_request *request, size_t call,
                         as_wire_call *out, as_str *sha256) {
    (void)call;
    as_str prompt = as_wire_prompt(arena, request), error = AS_STR("");
    *sha256 = as_sha256_of(arena, prompt);
    *out = (as_wire_call){.url = w->url};
    const as_json *data = input_data(w, arena, prompt, &error);
    if (!data) {
        out->error = error;
        return;
    }
    as_buf body = {0}, tensor = {0};
    if (w->binary) as_tensor_write(&tensor, w->datatype, data);
    as_json_out jo = {.buf = &body};
    as_jo_open(&jo, '{');
    put_input(w, &jo, data, tensor.len);
    put_parameters(w, &jo, request);
    put_output(w, &jo, request);
    as_jo_close(&jo, '}');
    if (w->binary) {
        out->headers[out->header_count++] = (as_http_header){
            AS_STR("Inference-Header-Content-Length"), as_strf(arena, "%zu", body.len), false};
        out->headers[out->header_count++] =
            (as_http_header){AS_STR("Content-Type"), AS_STR("application/octet-stream"), false};
        as_buf_str(&body, as_buf_view(&tensor));
    }
    out->body = as_str_copy(arena, as_buf_view(&body));
    as_buf_free(&body);
    as_buf_free(&tensor);
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

// Triton's classes: "SCORE:INDEX" or "SCORE:INDEX:LABEL", best first. A label that is a choice
// counts by its name, else the index does.
static bool take_classes(as_wire_take *take, const as_json *first, size_t count) {
    const as_request *request = take->request;
    as_json *scores = as_json_new(take->scratch, AS_JSON_ARRAY);
    double *by_choice = AS_NEW_ARRAY(take->scratch, double, request->choice_count);
    size_t found = 0;
    for (size_t i = 0; i < request->choice_count; i++) by_choice[i] = NAN;
    for (const as_json *c = first; c; c = c->next) {
        as_str index = c->text, label, score = as_str_cut(&index, ':');
        double value;
        int64_t at;
        label = index;
        index = as_str_cut(&label, ':');
        if (c->kind != AS_JSON_STRING || !as_str_to_f64(score, &value) ||
            !as_str_to_i64(index, &at))
            return false;
        for (size_t i = 0; label.len && i < request->choice_count; i++)
            if (as_str_eq(request->choices[i], label)) at = (int64_t)i;
        if (at < 0 || at >= (int64_t)request->choice_count) continue;
        found += isnan(by_choice[at]) ? 1 : 0;
        by_choice[at] = value;
    }
    if (found != request->choice_count) {
        as_wire_bad(take, "the output has %zu classes for %zu choices", count,
                    request->choice_count);
        return true;
    }
    for (size_t i = 0; i < request->choice_count; i++)
        as_json_append(scores, as_json_new_f64(take->scratch, by_choice[i]));
    take_scores(take, scores->child, request->choice_count, false);
    return true;
}

// The data of an output: in it, or behind the object at the place of its size. NULL: refused.
static const as_json *data_of(as_wire_take *take, const as_json *object, const as_json *output,
                              as_str rest) {
    const as_json *data = as_json_get(output, "data");
    if (data || !output) return data;
    double skip = 0;
    for (const as_json *o = as_json_get(object, "outputs")->child; o != output; o = o->next)
        skip += as_json_f64(as_json_get(o, "parameters"), "binary_data_size", 0);
    double size = as_json_f64(as_json_get(output, "parameters"), "binary_data_size", -1);
    as_str type = as_json_str(output, "datatype", AS_STR(""));
    if (size < 0 || skip < 0 || skip + size > (double)rest.len) {
        as_wire_bad(take, "the output has no data, nor that much behind the object");
        return NULL;
    }
    rest = as_str_sub(rest, (size_t)skip, (size_t)(skip + size));
    data = as_tensor_read(take->scratch, type, rest);
    if (!data) as_wire_bad(take, "the output's %zu bytes are no %.*s", rest.len, AS_STR_ARG(type));
    return data;
}

static void kserve_body(const as_wire *w, as_wire_take *take, as_str body) {
    size_t head = as_tensor_head(body);
    const as_json *object = as_wire_json(take, as_str_sub(body, 0, head));
    if (!object) return;
    const as_json *output = find_output(w, object);
    size_t count;
    const as_json *first =
        leaves(data_of(take, object, output, as_str_sub(body, head, body.len)), &count);
    take->finish = AS_WIRE_STOP;
    take->ended = true;
    if (!output || !first) {
        as_wire_bad(take, "the response has no output%s%.*s%s with data", w->output.len ? " '" : "",
                    AS_STR_ARG(w->output), w->output.len ? "'" : "");
        return;
    }
    as_str type = as_json_str(output, "datatype", AS_STR(""));
    bool choice = take->request->task == AS_TASK_CHOICE;
    if (w->classification && choice && first->kind == AS_JSON_STRING &&
        take_classes(take, first, count))
        return;
    bool numbers = first->kind == AS_JSON_NUMBER || first->kind == AS_JSON_NULL; // null: not finite
    if (numbers && choice)
        take_scores(take, first, count,
                    as_str_starts(type, AS_STR("INT")) || as_str_starts(type, AS_STR("UINT")));
    else
        as_buf_str(&take->text, as_json_plain(take->arena, first));
}

static as_rc kserve_accepts(const as_wire *w, const as_request *request, as_err *err) {
    (void)w;
    return as_wire_no_scoring(request, err);
}

const as_wire_ops as_wire_kserve = {.keys = keys,
                                    .open = kserve_open,
                                    .accepts = kserve_accepts,
                                    .build = kserve_build,
                                    .body = kserve_body};

static as_rc open_target(as_str uri, as_str base_dir, as_target **out, as_err *err) {
    return as_remote_open(&as_wire_kserve, uri, base_dir, out, err);
}

const as_target_ops as_target_kserve = AS_REMOTE(
    "kserve",
    "kserve:URL#MODEL[/VERSION][?input=NAME&output=NAME&datatype=BYTES|FP32|..&binary=yes|no&"
    "classification=yes|no&parameters=yes|no&...]",
    open_target);
