// SPDX-License-Identifier: Apache-2.0
#include "runner/bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/clock.h"
#include "metrics/latency.h"
#include "runner/evaluate.h"
#include "runner/load/scrape.h"
#include "runner/scheduler.h"

const char *const as_bench_time_names[AS_BENCH_OWN] = {"e2e", "ttft", "tpot", "itl", "late"};

const as_bench_peer as_bench_peers[] = {
    {"vllm", "ttft", "first piece - start", AS_BENCH_TTFT},
    {"vllm", "tpot", "(e2e - ttft) / (tokens - 1)", AS_BENCH_TPOT},
    {"vllm", "itl", "every gap between pieces, pooled", AS_BENCH_ITL},
    {"guidellm", "ttft", "first piece - start", AS_BENCH_TTFT},
    {"guidellm", "tpot", "(last piece - start) / tokens", AS_BENCH_WITH_FIRST},
    {"guidellm", "itl", "(last piece - first) / (tokens - 1)", AS_BENCH_BETWEEN},
    {"aiperf", "ttft", "first piece - start", AS_BENCH_TTFT},
    {"aiperf", "ttst", "second piece - first", AS_BENCH_SECOND},
    {"aiperf", "itl", "(e2e - ttft) / (tokens - 1)", AS_BENCH_TPOT},
    {"llmperf", "ttft", "first piece - start", AS_BENCH_TTFT},
    {"llmperf", "itl", "(all gaps + ttft) / tokens", AS_BENCH_WITH_FIRST},
    {NULL, NULL, NULL, AS_BENCH_E2E},
};

static as_rc parse_bound(as_str all, as_str bound, as_slo *out, as_err *err) {
    bound = as_str_trim(bound);
    as_str number = bound;
    as_str name = as_str_trim(as_str_cut(&number, '<'));
    double each = 1, value;
    size_t time = 0;
    while (time < AS_BENCH_ITL && !as_str_is(name, as_bench_time_names[time])) time++;
    if (number.ptr && number.len && number.ptr[0] == '=')
        number = as_str_sub(number, 1, number.len);
    if (as_str_ends(number, AS_STR("ms"))) {
        number.len -= 2;
    } else if (as_str_ends(number, AS_STR("s"))) {
        number.len -= 1;
        each = 1000;
    }
    if (!number.ptr || time == AS_BENCH_ITL || !as_str_to_f64(as_str_trim(number), &value) ||
        value <= 0 || out->count == AS_BENCH_BOUNDS_MAX)
        return as_fail(err, AS_INVALID,
                       "--slo '%.*s': '%.*s' is no bound; write e2e, ttft or tpot, as in "
                       "ttft<=200ms,e2e<=2s",
                       AS_STR_ARG(all), AS_STR_ARG(bound));
    out->time[out->count] = (as_bench_time)time;
    out->most_ms[out->count++] = value * each;
    return AS_OK;
}

as_rc as_slo_parse(as_str text, as_slo *out, as_err *err) {
    as_str rest = text;
    *out = (as_slo){0};
    as_rc rc = AS_OK;
    while (!rc && rest.ptr) rc = parse_bound(text, as_str_cut(&rest, ','), out, err);
    return rc;
}

static void add(as_bench_times *t, double ms) {
    if (isnan(ms)) return;
    // Doubles its room at each power of two.
    if (!(t->count & (t->count - 1)))
        t->ms = as_mem_grow(t->ms, as_size_mul(t->count ? t->count * 2 : 1, sizeof *t->ms));
    t->ms[t->count++] = ms;
}

static bool keeps(const as_slo *slo, const double times[AS_BENCH_ITL]) {
    for (size_t i = 0; i < slo->count; i++)
        if (!(times[slo->time[i]] <= slo->most_ms[i])) return false;
    return true;
}

// Of streams alone.
static void add_peers(const as_answer *a, as_bench_result *out) {
    if (isnan(a->ttft_ms) || !a->gap_count) return;
    double between = 0;
    for (size_t i = 0; i < a->gap_count; i++) between += a->gaps_ms[i];
    add(&out->times[AS_BENCH_SECOND], a->gaps_ms[0]);
    if (a->tokens_out)
        add(&out->times[AS_BENCH_WITH_FIRST], (a->ttft_ms + between) / (double)a->tokens_out);
    if (a->tokens_out > 1)
        add(&out->times[AS_BENCH_BETWEEN], between / (double)(a->tokens_out - 1));
}

static void measure(const as_bench_load *load, const as_job *job, as_bench_result *out) {
    const as_answer *a = &job->answer;
    out->requests++;
    out->outcomes[a->outcome]++;
    out->attempts += a->attempts;
    if (as_outcome_is_error(a->outcome)) {
        if (!out->first_error[0])
            snprintf(out->first_error, sizeof out->first_error, "%.*s",
                     (int)(a->error.len < 250 ? a->error.len : 250), a->error.ptr);
        return;
    }
    out->answered++;
    out->tokens_in += a->tokens_in;
    out->tokens_out += a->tokens_out;
    out->estimated = out->estimated || a->estimated;
    double times[AS_BENCH_ITL] = {a->latency_ms, a->ttft_ms, NAN};
    if (a->tokens_out > 1)
        times[AS_BENCH_TPOT] = (a->latency_ms - a->ttft_ms) / (double)(a->tokens_out - 1);
    for (int i = 0; i < AS_BENCH_ITL; i++) add(&out->times[i], times[i]);
    for (size_t i = 0; i < a->gap_count; i++) add(&out->times[AS_BENCH_ITL], a->gaps_ms[i]);
    add_peers(a, out);
    if (job->due_ns) add(&out->times[AS_BENCH_LATE], a->late_ms);
    if (keeps(&load->slo, times)) out->good++;
}

static void fill(const as_bench_load *load, uint64_t number, as_job *job) {
    as_message *message = AS_NEW(&job->arena, as_message);
    as_str prompt = load->prompts[number % load->prompt_count];
    // A number in front, so that no cache of the server's answers for it.
    *message = (as_message){
        AS_STR("user"),
        as_strf(&job->arena, "[%llu] %.*s", (unsigned long long)number, AS_STR_ARG(prompt)), NULL};
    job->request = (as_request){.task = AS_TASK_GENERATE,
                                .id = as_strf(&job->arena, "%llu", (unsigned long long)number),
                                .messages = message,
                                .message_count = 1,
                                .max_tokens = load->max_tokens};
}

struct as_bench_session {
    const as_target_ops *ops;
    as_target *target;
    const as_bench_load *load;
    as_scheduler *scheduler;
    as_scrape *scrape;
    uint64_t sent;
};

// `count` requests; measured into `out` unless that is NULL.
static void ask(as_bench_session *s, uint64_t count, as_arrivals *arrivals, as_bench_result *out) {
    uint64_t sent = 0;
    while (as_interrupts < 2) {
        as_job *job;
        while (sent < count && !as_interrupts && (job = as_scheduler_take(s->scheduler))) {
            fill(s->load, s->sent++, job);
            sent++;
            job->due_ns = as_arrivals_next(arrivals, as_clock_ns());
            as_scheduler_submit(s->scheduler, job);
        }
        if (!as_scheduler_under_way(s->scheduler)) break;
        job = as_scheduler_finished(s->scheduler, 100000000);
        if (out) as_scrape_poll(s->scrape);
        if (!job) continue;
        if (out) measure(s->load, job, out);
        as_scheduler_give_back(s->scheduler, job);
    }
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static as_rc check_signal(uint64_t done, uint64_t wanted, as_err *err) {
    if (!as_interrupts) return AS_OK;
    return as_fail(err, AS_INTERRUPTED, "interrupted after %llu of %llu requests",
                   (unsigned long long)done, (unsigned long long)wanted);
}

as_rc as_bench_begin(const as_target_ops *ops, as_target *target, const as_bench_load *load,
                     as_bench_session **out, as_err *err) {
    as_bench_session *s = as_mem_new(sizeof *s);
    s->ops = ops, s->target = target, s->load = load;
    as_rc rc = (load->adaptive ? as_scheduler_new_adaptive : as_scheduler_new)(
        ops, target, load->concurrency, &s->scheduler, err);
    if (rc) {
        free(s);
        return rc;
    }
    as_arrivals closed = {0};
    ask(s, load->warmup, &closed, NULL);
    as_str metrics_url = ops->info(target)->metrics_url;
    if (metrics_url.len) s->scrape = as_scrape_start(metrics_url);
    *out = s;
    return AS_OK;
}

as_rc as_bench_part(as_bench_session *s, uint64_t requests, as_bench_result *out, as_err *err) {
    as_arrivals arrivals = as_arrivals_of(s->load->per_s, s->load->poisson, 1 + s->sent);
    uint64_t start_ns = as_clock_ns(), before = out->requests;
    ask(s, requests, &arrivals, out);
    out->wall_s += (double)(as_clock_ns() - start_ns) / 1e9;
    return check_signal(out->requests - before, requests, err);
}

void as_bench_end(as_bench_session *s, as_bench_result *out) {
    if (!s) return;
    as_arena *arena = s->load->arena;
    as_serving serving = {.concurrency = s->load->concurrency,
                          .adaptive = s->load->adaptive,
                          .rate = s->load->per_s > 0 ? s->load->per_s : NAN,
                          .server = AS_STR("")};
    if (as_interrupts) as_scheduler_stop(s->scheduler);
    const as_knee *knee =
        as_scheduler_under_way(s->scheduler) ? NULL : as_scheduler_knee(s->scheduler);
    if (knee) serving.concurrency = knee->limit;
    as_scrape_end(s->scrape, arena, &serving);
    as_scheduler_free(s->scheduler);
    if (s->ops->replicas) serving.replicas = s->ops->replicas(s->target, &serving.replica_count);
    if (out) out->serving = serving;
    free(s);
}

void as_bench_sort(as_bench_result *r) {
    for (int i = 0; i < AS_BENCH_TIMES; i++)
        if (r->times[i].count) qsort(r->times[i].ms, r->times[i].count, sizeof(double), by_value);
}

as_rc as_bench_run(const as_target_ops *ops, as_target *target, const as_bench_load *load,
                   as_bench_result *out, as_err *err) {
    *out = (as_bench_result){0};
    as_bench_session *s;
    as_rc rc = as_bench_begin(ops, target, load, &s, err);
    if (rc) return rc;
    rc = as_bench_part(s, load->requests, out, err);
    as_bench_end(s, out);
    as_bench_sort(out);
    return rc;
}

double as_bench_quantile(const as_bench_times *t, double q) {
    return as_latency_holds(t->count, q) ? as_latency_rank(t->ms, t->count, q) : NAN;
}

double as_bench_mean(const as_bench_times *t) {
    double sum = 0;
    for (size_t i = 0; i < t->count; i++) sum += t->ms[i];
    return t->count ? sum / (double)t->count : NAN;
}

double as_bench_per_s(double count, const as_bench_result *r) {
    return r->wall_s > 0 ? count / r->wall_s : NAN;
}

void as_bench_free(as_bench_result *result) {
    for (int i = 0; i < AS_BENCH_TIMES; i++) free(result->times[i].ms);
    *result = (as_bench_result){0};
}
