// SPDX-License-Identifier: Apache-2.0
#include "runner/load/scrape.h"

#include <math.h>
#include <stdlib.h>

#include "harness/base/clock.h"
#include "harness/base/log.h"
#include "harness/net/http.h"
#include "harness/net/prom.h"

typedef enum how {
    DIFFERENCE, // of a counter, times scale
    QUOTIENT,   // of two counters' differences, times scale
    MOST_SUM,   // of a gauge, summed over its labels
    MOST_ONE,   // of a gauge, whichever label
} how;

typedef struct rule {
    const char *kind, *name; // server; ours, as in serving.h
    how how;
    const char *top, *below;
    double scale;
} rule;

// Where two rules give one name, the first that is there counts.
static const rule rules[] = {
    {"vllm", "requests", DIFFERENCE, "vllm:request_success_total", NULL, 1},
    {"vllm", "queue_ms", QUOTIENT, "vllm:request_queue_time_seconds_sum",
     "vllm:request_queue_time_seconds_count", 1e3},
    {"vllm", "server_ttft_ms", QUOTIENT, "vllm:time_to_first_token_seconds_sum",
     "vllm:time_to_first_token_seconds_count", 1e3},
    {"vllm", "server_tpot_ms", QUOTIENT, "vllm:inter_token_latency_seconds_sum",
     "vllm:inter_token_latency_seconds_count", 1e3},
    {"vllm", "server_tpot_ms", QUOTIENT, "vllm:time_per_output_token_seconds_sum",
     "vllm:time_per_output_token_seconds_count", 1e3},
    {"vllm", "server_e2e_ms", QUOTIENT, "vllm:e2e_request_latency_seconds_sum",
     "vllm:e2e_request_latency_seconds_count", 1e3},
    {"vllm", "running_max", MOST_SUM, "vllm:num_requests_running", NULL, 1},
    {"vllm", "waiting_max", MOST_SUM, "vllm:num_requests_waiting", NULL, 1},
    {"vllm", "kv_cache_usage_max", MOST_ONE, "vllm:kv_cache_usage_perc", NULL, 1},
    {"vllm", "kv_cache_usage_max", MOST_ONE, "vllm:gpu_cache_usage_perc", NULL, 1},
    {"vllm", "prefix_cache_hit_rate", QUOTIENT, "vllm:prefix_cache_hits_total",
     "vllm:prefix_cache_queries_total", 1},
    {"vllm", "prefix_cache_hit_rate", QUOTIENT, "vllm:gpu_prefix_cache_hits_total",
     "vllm:gpu_prefix_cache_queries_total", 1},
    {"vllm", "preemptions", DIFFERENCE, "vllm:num_preemptions_total", NULL, 1},
    {"vllm", "prompt_tokens", DIFFERENCE, "vllm:prompt_tokens_total", NULL, 1},
    {"vllm", "generated_tokens", DIFFERENCE, "vllm:generation_tokens_total", NULL, 1},

    {"sglang", "server_ttft_ms", QUOTIENT, "sglang:time_to_first_token_seconds_sum",
     "sglang:time_to_first_token_seconds_count", 1e3},
    {"sglang", "server_tpot_ms", QUOTIENT, "sglang:inter_token_latency_seconds_sum",
     "sglang:inter_token_latency_seconds_count", 1e3},
    {"sglang", "server_e2e_ms", QUOTIENT, "sglang:e2e_request_latency_seconds_sum",
     "sglang:e2e_request_latency_seconds_count", 1e3},
    {"sglang", "running_max", MOST_SUM, "sglang:num_running_reqs", NULL, 1},
    {"sglang", "waiting_max", MOST_SUM, "sglang:num_queue_reqs", NULL, 1},
    {"sglang", "kv_cache_usage_max", MOST_ONE, "sglang:token_usage", NULL, 1},
    {"sglang", "prompt_tokens", DIFFERENCE, "sglang:prompt_tokens_total", NULL, 1},
    {"sglang", "generated_tokens", DIFFERENCE, "sglang:generation_tokens_total", NULL, 1},

    {"tgi", "requests", DIFFERENCE, "tgi_request_success", NULL, 1},
    {"tgi", "failures", DIFFERENCE, "tgi_request_failure", NULL, 1},
    {"tgi", "queue_ms", QUOTIENT, "tgi_request_queue_duration_sum",
     "tgi_request_queue_duration_count", 1e3},
    {"tgi", "server_tpot_ms", QUOTIENT, "tgi_request_mean_time_per_token_duration_sum",
     "tgi_request_mean_time_per_token_duration_count", 1e3},
    {"tgi", "server_e2e_ms", QUOTIENT, "tgi_request_duration_sum", "tgi_request_duration_count",
     1e3},
    {"tgi", "running_max", MOST_SUM, "tgi_batch_current_size", NULL, 1},
    {"tgi", "waiting_max", MOST_SUM, "tgi_queue_size", NULL, 1},
    {"tgi", "prompt_tokens", DIFFERENCE, "tgi_request_input_length_sum", NULL, 1},
    {"tgi", "generated_tokens", DIFFERENCE, "tgi_request_generated_tokens_sum", NULL, 1},

    {"llama.cpp", "running_max", MOST_SUM, "llamacpp:requests_processing", NULL, 1},
    {"llama.cpp", "waiting_max", MOST_SUM, "llamacpp:requests_deferred", NULL, 1},
    {"llama.cpp", "kv_cache_usage_max", MOST_ONE, "llamacpp:kv_cache_usage_ratio", NULL, 1},
    {"llama.cpp", "server_tpot_ms", QUOTIENT, "llamacpp:tokens_predicted_seconds_total",
     "llamacpp:tokens_predicted_total", 1e3},
    {"llama.cpp", "prompt_tokens", DIFFERENCE, "llamacpp:prompt_tokens_total", NULL, 1},
    {"llama.cpp", "generated_tokens", DIFFERENCE, "llamacpp:tokens_predicted_total", NULL, 1},

    {"triton", "requests", DIFFERENCE, "nv_inference_request_success", NULL, 1},
    {"triton", "failures", DIFFERENCE, "nv_inference_request_failure", NULL, 1},
    {"triton", "queue_ms", QUOTIENT, "nv_inference_queue_duration_us",
     "nv_inference_request_success", 1e-3},
    {"triton", "server_e2e_ms", QUOTIENT, "nv_inference_request_duration_us",
     "nv_inference_request_success", 1e-3},
    {"triton", "waiting_max", MOST_SUM, "nv_inference_pending_request_count", NULL, 1},
};
enum { RULES = sizeof rules / sizeof *rules, BODY_MAX_BYTES = 32 << 20 };
static const uint64_t EVERY_NS = 1000000000, PATIENCE_NS = 2000000000;

// A metric over the readings.
typedef struct series {
    bool seen;                     // in the reading at hand
    double now, first, last, most; // sum over labels
    double one;                    // largest of a label, in any reading
    size_t readings;
} series;

struct as_scrape {
    as_http *http; // NULL over texts
    as_str url;
    as_arena arena;
    uint64_t scrapes, due_ns;
    series top[RULES], below[RULES];
};

static void add_to(series *s, const char *name, const as_prom_sample *sample) {
    if (!name || !as_str_is(sample->name, name) || !isfinite(sample->value)) return;
    s->now = s->seen ? s->now + sample->value : sample->value;
    if ((!s->seen && !s->readings) || sample->value > s->one) s->one = sample->value;
    s->seen = true;
}

static void take_sample(void *scrape_in, const as_prom_sample *sample) {
    as_scrape *s = scrape_in;
    for (size_t i = 0; i < RULES; i++) {
        add_to(&s->top[i], rules[i].top, sample);
        add_to(&s->below[i], rules[i].below, sample);
    }
}

static void close_reading(series *s) {
    if (!s->seen) return;
    if (!s->readings) s->first = s->most = s->now;
    if (s->now > s->most) s->most = s->now;
    s->last = s->now;
    s->readings++;
    s->seen = false;
}

static as_rc take_text(as_scrape *s, as_str text, as_err *err) {
    as_rc rc = as_prom_read(text, take_sample, s, err);
    for (size_t i = 0; i < RULES; i++) close_reading(&s->top[i]), close_reading(&s->below[i]);
    s->scrapes++;
    return rc;
}

// NaN where there is nothing to say: not offered, or a counter that went back (a restart).
static double value_of(const as_scrape *s, size_t i) {
    const series *top = &s->top[i], *below = &s->below[i];
    double up = top->last - top->first, down = below->last - below->first;
    if (!top->readings) return NAN;
    switch (rules[i].how) {
    case DIFFERENCE:
        return top->readings > 1 && up >= 0 ? up * rules[i].scale : NAN;
    case QUOTIENT:
        return below->readings > 1 && up >= 0 && down > 0 ? up / down * rules[i].scale : NAN;
    case MOST_SUM:
        return top->most * rules[i].scale;
    case MOST_ONE:
        return top->one * rules[i].scale;
    }
    return NAN;
}

static const char *kind_of(const as_scrape *s) {
    for (size_t i = 0; i < RULES; i++)
        if (s->top[i].readings) return rules[i].kind;
    return NULL;
}

static void fill(const as_scrape *s, as_arena *arena, as_serving *out) {
    const char *kind = kind_of(s);
    if (!kind) return;
    as_serving_value *values = AS_NEW_ARRAY(arena, as_serving_value, RULES);
    out->value_count = 0;
    for (size_t i = 0; i < RULES; i++) {
        if (!as_str_is(as_str_of(kind), rules[i].kind)) continue;
        double value = value_of(s, i);
        bool known = isnan(value);
        for (size_t j = 0; j < out->value_count; j++)
            known = known || as_str_is(values[j].name, rules[i].name);
        if (!known)
            values[out->value_count++] = (as_serving_value){as_str_of(rules[i].name), value};
    }
    out->server = as_str_of(kind);
    out->scrapes = s->scrapes;
    out->values = values;
}

static void ask(as_scrape *s) {
    as_http_request request = {
        .method = AS_STR("GET"),
        .url = s->url,
        .limits = {.total_ms = PATIENCE_NS / 1000000, .body_max = BODY_MAX_BYTES}};
    s->due_ns = as_clock_ns() + EVERY_NS;
    as_http_start(s->http, &request);
}

// False, after a warning, when it cannot be read.
static bool take(as_scrape *s, as_http_reply *r) {
    as_err err = {0};
    bool good = r->end == AS_HTTP_DONE && r->status == 200;
    if (!good && r->end == AS_HTTP_DONE)
        as_log_warning("no metrics at %.*s: HTTP %d", AS_STR_ARG(s->url), r->status);
    else if (!good)
        as_log_warning("no metrics at %.*s: %s", AS_STR_ARG(s->url), r->error);
    if (good && take_text(s, as_buf_view(&r->body), &err)) {
        as_log_warning("metrics at %.*s: %s", AS_STR_ARG(s->url), err.text);
        good = false;
    }
    as_http_release(s->http, r);
    return good;
}

static bool read_now(as_scrape *s) {
    uint64_t end = as_clock_ns() + PATIENCE_NS + PATIENCE_NS / 4;
    as_http_reply *r = NULL;
    while (as_http_under_way(s->http) && as_clock_ns() < end) {
        r = as_http_next(s->http, PATIENCE_NS);
        if (r) as_http_release(s->http, r);
    }
    ask(s);
    r = as_http_next(s->http, PATIENCE_NS + PATIENCE_NS / 4);
    return r && take(s, r);
}

static void free_scrape(as_scrape *s) {
    as_http_free(s->http);
    as_arena_free(&s->arena);
    free(s);
}

as_scrape *as_scrape_start(as_str url) {
    as_scrape *s = as_mem_new(sizeof *s);
    as_err err = {0};
    s->url = as_str_copy(&s->arena, url);
    if (as_http_new(&(as_http_options){0}, &s->http, &err)) {
        as_log_warning("%s", err.text);
    } else if (read_now(s)) {
        if (kind_of(s)) return s;
        as_log_warning("the metrics at %.*s are those of no server that is known (vLLM, SGLang, "
                       "TGI, llama.cpp, Triton)",
                       AS_STR_ARG(s->url));
    }
    free_scrape(s);
    return NULL;
}

void as_scrape_poll(as_scrape *s) {
    if (!s) return;
    if (!as_http_under_way(s->http)) {
        if (as_clock_ns() >= s->due_ns) ask(s);
        return;
    }
    as_http_reply *r = as_http_next(s->http, 0);
    if (r) take(s, r);
}

void as_scrape_end(as_scrape *s, as_arena *arena, as_serving *out) {
    if (!s) return;
    read_now(s);
    fill(s, arena, out);
    free_scrape(s);
}

void as_scrape_texts(const as_str *texts, size_t count, as_arena *arena, as_serving *out) {
    as_scrape *s = as_mem_new(sizeof *s);
    for (size_t i = 0; i < count; i++) take_text(s, texts[i], NULL);
    fill(s, arena, out);
    free_scrape(s);
}
