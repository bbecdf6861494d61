// SPDX-License-Identifier: Apache-2.0
#include "harness/record/serving.h"

#include <math.h>

static void put_steps(as_json_out *out, const as_serving *s) {
    as_jo_key(out, "steps");
    as_jo_open(out, '[');
    for (size_t i = 0; i < s->step_count; i++) {
        as_jo_open(out, '{');
        as_jo_put_u64(out, "concurrency", s->steps[i].concurrency);
        as_jo_put_f64(out, "per_s", s->steps[i].per_s);
        if (s->steps[i].overload) as_jo_put_bool(out, "overload", true);
        as_jo_close(out, '}');
    }
    as_jo_close(out, ']');
}

static void put_replicas(as_json_out *out, const as_serving *s) {
    as_jo_key(out, "replicas");
    as_jo_open(out, '[');
    for (size_t i = 0; i < s->replica_count; i++) {
        const as_serving_replica *r = &s->replicas[i];
        as_jo_open(out, '{');
        as_jo_key(out, "url"), as_jo_str(out, r->url);
        as_jo_put_u64(out, "answers", r->answers);
        as_jo_put_u64(out, "errors", r->errors);
        as_jo_put_f64(out, "p50_ms", r->p50_ms);
        as_jo_put_f64(out, "p95_ms", r->p95_ms);
        as_jo_put_f64(out, "max_ms", r->max_ms);
        as_jo_put_u64(out, "ejected", r->ejected);
        as_jo_put_bool(out, "lost", r->lost);
        as_jo_put_u64(out, "compared", r->compared);
        as_jo_put_u64(out, "disagreed", r->disagreed);
        as_jo_close(out, '}');
    }
    as_jo_close(out, ']');
}

void as_serving_write(as_json_out *out, const as_serving *s) {
    if (!s->concurrency) {
        as_jo_null(out);
        return;
    }
    unsigned indent = as_jo_open_flat(out, NULL);
    as_jo_put_u64(out, "concurrency", s->concurrency);
    as_jo_put_bool(out, "adaptive", s->adaptive);
    as_jo_put_f64(out, "rate", s->rate);
    if (s->step_count) put_steps(out, s);
    if (s->replica_count) put_replicas(out, s);
    if (s->server.len) {
        as_jo_key(out, "server");
        as_jo_open(out, '{');
        as_jo_key(out, "kind"), as_jo_str(out, s->server);
        as_jo_put_u64(out, "scrapes", s->scrapes);
        for (size_t i = 0; i < s->value_count; i++) {
            as_jo_keys(out, s->values[i].name);
            as_jo_f64(out, s->values[i].value);
        }
        as_jo_close(out, '}');
    }
    as_jo_close_flat(out, indent);
}

static uint64_t get_u64(const as_json *object, const char *key) {
    double value = as_json_f64(object, key, 0);
    return value > 0 && value < 0x1p53 ? (uint64_t)value : 0;
}

static const as_json *get_list(const as_json *object, const char *key) {
    const as_json *list = as_json_get(object, key);
    return list && list->kind == AS_JSON_ARRAY ? list : NULL;
}

static void get_replicas(as_arena *arena, const as_json *list, as_serving *out) {
    if (!list) return;
    as_serving_replica *replicas = AS_NEW_ARRAY(arena, as_serving_replica, list->count + 1);
    for (const as_json *r = list->child; r; r = r->next)
        replicas[out->replica_count++] =
            (as_serving_replica){.url = as_json_str(r, "url", AS_STR("")),
                                 .answers = get_u64(r, "answers"),
                                 .errors = get_u64(r, "errors"),
                                 .p50_ms = as_json_f64(r, "p50_ms", NAN),
                                 .p95_ms = as_json_f64(r, "p95_ms", NAN),
                                 .max_ms = as_json_f64(r, "max_ms", NAN),
                                 .ejected = get_u64(r, "ejected"),
                                 .lost = as_json_bool(r, "lost", false),
                                 .compared = get_u64(r, "compared"),
                                 .disagreed = get_u64(r, "disagreed")};
    out->replicas = replicas;
}

static void get_server(as_arena *arena, const as_json *server, as_serving *out) {
    if (!server || server->kind != AS_JSON_OBJECT) return;
    as_serving_value *values = AS_NEW_ARRAY(arena, as_serving_value, server->count + 1);
    out->server = as_json_str(server, "kind", AS_STR(""));
    out->scrapes = get_u64(server, "scrapes");
    for (const as_json *m = server->child; m; m = m->next)
        if (m->kind == AS_JSON_NUMBER && !as_str_is(m->key, "scrapes"))
            values[out->value_count++] = (as_serving_value){m->key, m->number};
    out->values = values;
}

void as_serving_read(as_arena *arena, const as_json *object, as_serving *out) {
    *out = (as_serving){.rate = NAN, .server = AS_STR("")};
    if (!object || object->kind != AS_JSON_OBJECT) return;
    out->concurrency = get_u64(object, "concurrency");
    out->adaptive = as_json_bool(object, "adaptive", false);
    out->rate = as_json_f64(object, "rate", NAN);
    const as_json *steps = get_list(object, "steps");
    if (steps) {
        as_serving_step *list = AS_NEW_ARRAY(arena, as_serving_step, steps->count + 1);
        for (const as_json *m = steps->child; m; m = m->next)
            list[out->step_count++] =
                (as_serving_step){.concurrency = get_u64(m, "concurrency"),
                                  .per_s = as_json_f64(m, "per_s", NAN),
                                  .overload = as_json_bool(m, "overload", false)};
        out->steps = list;
    }
    get_replicas(arena, get_list(object, "replicas"), out);
    get_server(arena, as_json_get(object, "server"), out);
}

static const struct {
    const char *name, *label;
} labels[] = {
    {"requests", "requests that the server finished"},
    {"queue_ms", "mean time in the server's queue, ms"},
    {"server_ttft_ms", "mean time to the first token as the server sees it, ms"},
    {"server_tpot_ms", "mean time per further token as the server sees it, ms"},
    {"server_e2e_ms", "mean time of a request as the server sees it, ms"},
    {"running_max", "most requests being computed at once"},
    {"waiting_max", "most requests waiting at once"},
    {"kv_cache_usage_max", "highest use of the KV cache, 0 to 1"},
    {"prefix_cache_hit_rate", "share of prompt tokens found in the prefix cache"},
    {"preemptions", "requests that were preempted"},
    {"prompt_tokens", "prompt tokens processed"},
    {"generated_tokens", "tokens generated"},
    {"failures", "requests that failed in the server"},
};

const char *as_serving_label(as_str name) {
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        if (as_str_is(name, labels[i].name)) return labels[i].label;
    return NULL;
}
