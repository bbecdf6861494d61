// SPDX-License-Identifier: Apache-2.0
#include "runner/bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/clock.h"
#include "runner/evaluate.h"
#include "runner/scheduler.h"

const char *const as_bench_time_names[AS_BENCH_TIMES] = {"e2e", "ttft", "tpot", "itl", "late"};

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
    if (job->due_ns) add(&out->times[AS_BENCH_LATE], a->late_ms);
    if (keeps(&load->slo, times)) out->good++;
}

static void fill(const as_bench_load *load, uint64_t number, as_job *job) {
    as_message *message = AS_NEW(&job->arena, as_message);
    as_str prompt = load->prompts[number % load->prompt_count];
    // A number in front, so that no cache of the server's answers for it.
    *message =
        (as_message){AS_STR("user"), as_strf(&job->arena, "[%llu] %.*s", (unsigned long long)number,
                                             AS_STR_ARG(prompt))};
    job->request = (as_request){.task = AS_TASK_GENERATE,
                                .id = as_strf(&job->arena, "%llu", (unsigned long long)number),
                                .messages = message,
                                .message_count = 1,
                                .max_tokens = load->max_tokens};
}

// `count` requests; measured into `out` unless that is NULL.
static void ask(as_scheduler *scheduler, const as_bench_load *load, uint64_t first, uint64_t count,
                as_arrivals *arrivals, as_bench_result *out) {
    uint64_t sent = 0;
    while (as_interrupts < 2) {
        as_job *job;
        while (sent < count && !as_interrupts && (job = as_scheduler_take(scheduler))) {
            fill(load, first + sent++, job);
            job->due_ns = as_arrivals_next(arrivals, as_clock_ns());
            as_scheduler_submit(scheduler, job);
        }
        if (!as_scheduler_under_way(scheduler)) break;
        job = as_scheduler_finished(scheduler, 100000000);
        if (!job) continue;
        if (out) measure(load, job, out);
        as_scheduler_give_back(scheduler, job);
    }
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

as_rc as_bench_run(const as_target_ops *ops, as_target *target, const as_bench_load *load,
                   as_bench_result *out, as_err *err) {
    *out = (as_bench_result){0};
    as_scheduler *scheduler;
    as_rc rc = as_scheduler_new(ops, target, load->concurrency, &scheduler, err);
    if (rc) return rc;
    as_arrivals closed = {0}, arrivals = as_arrivals_of(load->per_s, load->poisson, 1);
    ask(scheduler, load, 0, load->warmup, &closed, NULL);
    uint64_t start_ns = as_clock_ns();
    ask(scheduler, load, load->warmup, load->requests, &arrivals, out);
    out->wall_s = (double)(as_clock_ns() - start_ns) / 1e9;
    if (as_interrupts) as_scheduler_stop(scheduler);
    as_scheduler_free(scheduler);
    for (int i = 0; i < AS_BENCH_TIMES; i++)
        if (out->times[i].count)
            qsort(out->times[i].ms, out->times[i].count, sizeof(double), by_value);
    return as_interrupts
               ? as_fail(err, AS_INTERRUPTED, "interrupted after %llu of %llu requests",
                         (unsigned long long)out->requests, (unsigned long long)load->requests)
               : AS_OK;
}

void as_bench_free(as_bench_result *result) {
    for (int i = 0; i < AS_BENCH_TIMES; i++) free(result->times[i].ms);
    *result = (as_bench_result){0};
}
