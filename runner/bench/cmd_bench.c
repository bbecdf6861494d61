// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/base/file.h"
#include "harness/base/log.h"
#include "metrics/latency.h"
#include "runner/bench/bench.h"
#include "runner/commands.h"
#include "runner/evaluate.h"
#include "runner/outputs.h"

enum { REQUESTS = 100, MAX_TOKENS = 64, CONCURRENCY = 16, OPEN_CONCURRENCY = 512, SWEEP_MAX = 12 };
enum { PROMPT_FILE_MAX = 64 << 20 };

static const double quantiles[] = {0.5, 0.9, 0.95, 0.99};
static const char *const quantile_names[] = {"p50", "p90", "p95", "p99"};
enum { QUANTILES = sizeof quantiles / sizeof *quantiles };

typedef struct bench {
    const as_args *args;
    as_arena arena;
    as_bench_load load;
    const as_target_ops *ops;
    as_target *target;
} bench;

// A quantile that fewer than one request lies beyond says nothing but the largest.
static double quantile(const as_bench_times *t, size_t q) {
    if ((double)t->count * (1 - quantiles[q]) < 1 - 1e-9) return NAN;
    return as_latency_rank(t->ms, t->count, quantiles[q]);
}

static double mean_of(const as_bench_times *t) {
    return as_latency_of(t->ms, t->count).mean;
}

static double per_s(double count, const as_bench_result *r) {
    return r->wall_s > 0 ? count / r->wall_s : NAN;
}

static void put_number(as_buf *out, double value) {
    if (isnan(value))
        as_buf_text(out, "         -");
    else
        as_buff(out, " %9.*f", value < 10 ? 3 : value < 1000 ? 1 : 0, value);
}

static void put_times(as_buf *out, const as_bench_result *r) {
    as_buf_text(
        out, "\n  ms        mean       p50       p90       p95       p99       max   95 % interval "
             "of p50\n");
    for (int i = 0; i < AS_BENCH_TIMES; i++) {
        const as_bench_times *t = &r->times[i];
        if (!t->count) continue;
        as_buff(out, "  %-4s", as_bench_time_names[i]);
        put_number(out, mean_of(t));
        for (size_t q = 0; q < QUANTILES; q++) put_number(out, quantile(t, q));
        put_number(out, t->ms[t->count - 1]);
        as_interval ci = as_latency_interval(t->ms, t->count, 0.5, 0.025);
        if (!isnan(ci.lo) && !isnan(ci.hi)) as_buff(out, "   %.3g to %.3g", ci.lo, ci.hi);
        as_buf_char(out, '\n');
    }
}

static void put_load(as_buf *out, const as_bench_load *load) {
    if (load->per_s > 0)
        as_buff(out, "open loop, %g/s %s, at most %zu at once; times count from the intended start",
                load->per_s, load->poisson ? "poisson" : "constant", load->concurrency);
    else
        as_buff(out, "closed loop, %zu at once", load->concurrency);
}

static void put_text(as_buf *out, const bench *b, const as_bench_result *r) {
    as_buff(out, "%.*s\n", AS_STR_ARG(b->ops->info(b->target)->uri));
    put_load(out, &b->load);
    as_buff(out, "\n%llu requests in %.2f s, %llu answered", (unsigned long long)r->requests,
            r->wall_s, (unsigned long long)r->answered);
    for (int i = 0; i < AS_OUT_COUNT; i++)
        if (i != AS_OUT_OK && r->outcomes[i])
            as_buff(out, ", %llu %s", (unsigned long long)r->outcomes[i],
                    as_outcome_name((as_outcome)i));
    if (r->attempts > r->requests) as_buff(out, ", %llu attempts", (unsigned long long)r->attempts);
    as_buff(out, "\n%.2f requests/s, %.1f tokens in/s, %.1f tokens out/s%s\n",
            per_s((double)r->answered, r), per_s((double)r->tokens_in, r),
            per_s((double)r->tokens_out, r),
            r->estimated ? " (estimated: pieces, the server counts none)" : "");
    if (b->load.slo.count)
        as_buff(out, "goodput %.2f requests/s, %.1f %% of those asked\n", per_s((double)r->good, r),
                r->requests ? 100 * (double)r->good / (double)r->requests : 0);
    put_times(out, r);
    if (r->first_error[0]) as_buff(out, "\nfirst error: %s\n", r->first_error);
}

static void put_json_times(as_json_out *jo, const as_bench_result *r) {
    for (int i = 0; i < AS_BENCH_TIMES; i++) {
        const as_bench_times *t = &r->times[i];
        char name[16];
        snprintf(name, sizeof name, "%s_ms", as_bench_time_names[i]);
        as_jo_key(jo, name);
        as_jo_open(jo, '{');
        as_jo_key(jo, "n"), as_jo_i64(jo, (int64_t)t->count);
        as_jo_key(jo, "mean"), as_jo_f64(jo, t->count ? mean_of(t) : NAN);
        for (size_t q = 0; q < QUANTILES; q++) {
            as_jo_key(jo, quantile_names[q]);
            as_jo_f64(jo, quantile(t, q));
        }
        as_jo_key(jo, "max"), as_jo_f64(jo, t->count ? t->ms[t->count - 1] : NAN);
        as_jo_close(jo, '}');
    }
}

static void put_json(as_json_out *jo, const bench *b, const as_bench_result *r) {
    as_jo_open(jo, '{');
    as_jo_key(jo, "target"), as_jo_str(jo, b->ops->info(b->target)->uri);
    as_jo_key(jo, "loop"), as_jo_str(jo, b->load.per_s > 0 ? AS_STR("open") : AS_STR("closed"));
    as_jo_key(jo, "concurrency"), as_jo_i64(jo, (int64_t)b->load.concurrency);
    as_jo_key(jo, "rate"), as_jo_f64(jo, b->load.per_s > 0 ? b->load.per_s : NAN);
    as_jo_key(jo, "requests"), as_jo_i64(jo, (int64_t)r->requests);
    as_jo_key(jo, "answered"), as_jo_i64(jo, (int64_t)r->answered);
    as_jo_key(jo, "outcomes");
    as_jo_open(jo, '{');
    for (int i = 0; i < AS_OUT_COUNT; i++) {
        if (!r->outcomes[i]) continue;
        as_jo_key(jo, as_outcome_name((as_outcome)i));
        as_jo_i64(jo, (int64_t)r->outcomes[i]);
    }
    as_jo_close(jo, '}');
    as_jo_key(jo, "attempts"), as_jo_i64(jo, (int64_t)r->attempts);
    as_jo_key(jo, "wall_s"), as_jo_f64(jo, r->wall_s);
    as_jo_key(jo, "requests_per_s"), as_jo_f64(jo, per_s((double)r->answered, r));
    as_jo_key(jo, "tokens_in_per_s"), as_jo_f64(jo, per_s((double)r->tokens_in, r));
    as_jo_key(jo, "tokens_out_per_s"), as_jo_f64(jo, per_s((double)r->tokens_out, r));
    as_jo_key(jo, "tokens_estimated"), as_jo_bool(jo, r->estimated);
    as_jo_key(jo, "goodput_per_s");
    as_jo_f64(jo, b->load.slo.count ? per_s((double)r->good, r) : NAN);
    put_json_times(jo, r);
    as_jo_close(jo, '}');
}

static as_rc one_load(bench *b, as_buf *out, as_err *err) {
    as_bench_result r;
    as_rc rc = as_bench_run(b->ops, b->target, &b->load, &r, err);
    if (rc && rc != AS_INTERRUPTED) return rc;
    as_json_out jo = {.buf = out};
    if (b->args->json)
        put_json(&jo, b, &r), as_buf_char(out, '\n');
    else
        put_text(out, b, &r);
    if (!rc && !r.answered)
        rc = as_fail(err, AS_UNMEASURED, "no request was answered: %s", r.first_error);
    as_bench_free(&r);
    return rc;
}

static void put_sweep_row(as_buf *out, const bench *b, const as_bench_result *r) {
    as_buff(out, "  %11zu %10.2f", b->load.concurrency, per_s((double)r->answered, r));
    put_number(out, per_s((double)r->tokens_out, r));
    put_number(out, quantile(&r->times[AS_BENCH_TTFT], 0));
    put_number(out, quantile(&r->times[AS_BENCH_E2E], 0));
    put_number(out, quantile(&r->times[AS_BENCH_E2E], 2));
    if (b->load.slo.count) put_number(out, per_s((double)r->good, r));
    as_buff(out, " %7llu\n", (unsigned long long)(r->requests - r->answered));
}

// 1, 2, 4, ... at once until two steps in a row bring less than 5 % more, or --concurrency.
static as_rc sweep(bench *b, as_buf *out, as_err *err) {
    double best = 0;
    size_t knee = 1, most = b->load.concurrency, flat = 0;
    as_json_out jo = {.buf = out};
    as_rc rc = AS_OK;
    if (b->args->json)
        as_jo_open(&jo, '{'), as_jo_key(&jo, "sweep"), as_jo_open(&jo, '[');
    else
        as_buff(out,
                "%.*s\n\n  concurrency requests/s  tokens/s  ttft p50   e2e p50   e2e p95%s  "
                "errors\n",
                AS_STR_ARG(b->ops->info(b->target)->uri), b->load.slo.count ? "   goodput" : "");
    for (size_t c = 1; !rc && c <= most && flat < 2; c *= 2) {
        as_bench_result r;
        b->load.concurrency = c;
        rc = as_bench_run(b->ops, b->target, &b->load, &r, err);
        if (!rc && !r.answered)
            rc = as_fail(err, AS_UNMEASURED, "no request was answered: %s", r.first_error);
        double now = rc ? 0 : per_s((double)r.answered, &r);
        if (!rc && b->args->json) put_json(&jo, b, &r);
        if (!rc && !b->args->json) put_sweep_row(out, b, &r);
        flat = now > best * 1.05 ? 0 : flat + 1;
        if (now > best * 1.05) best = now, knee = c;
        as_bench_free(&r);
    }
    if (b->args->json) {
        as_jo_close(&jo, ']');
        as_jo_key(&jo, "saturation"), as_jo_open(&jo, '{');
        as_jo_key(&jo, "concurrency"), as_jo_i64(&jo, (int64_t)knee);
        as_jo_key(&jo, "requests_per_s"), as_jo_f64(&jo, best);
        as_jo_key(&jo, "reached"), as_jo_bool(&jo, flat >= 2);
        as_jo_close(&jo, '}'), as_jo_close(&jo, '}'), as_buf_char(out, '\n');
    } else if (!rc) {
        as_buff(out,
                flat >= 2 ? "\nsaturated from %zu at once on: %.2f requests/s\n"
                          : "\nnot saturated with %zu at once: %.2f requests/s; raise "
                            "--concurrency\n",
                knee, best);
    }
    return rc;
}

// --prompt TEXT, or @FILE: a prompt a line.
static as_rc read_prompts(bench *b, as_err *err) {
    as_str text = b->args->prompt.len ? b->args->prompt
                                      : AS_STR("Write a short story about a lighthouse keeper.");
    b->load.prompts = AS_NEW(&b->arena, as_str);
    *(as_str *)(uintptr_t)b->load.prompts = text;
    b->load.prompt_count = 1;
    if (text.ptr[0] != '@') return AS_OK;
    const char *path = as_str_copy(&b->arena, as_str_sub(text, 1, text.len)).ptr;
    as_rc rc = as_file_read(&b->arena, path, PROMPT_FILE_MAX, &text, err);
    if (rc) return rc;
    size_t lines = 1, count = 0;
    for (size_t i = 0; i < text.len; i++) lines += text.ptr[i] == '\n';
    as_str *prompts = AS_NEW_ARRAY(&b->arena, as_str, lines);
    while (text.ptr) {
        as_str line = as_str_trim(as_str_cut(&text, '\n'));
        if (line.len) prompts[count++] = line;
    }
    b->load.prompts = prompts;
    b->load.prompt_count = count;
    return count ? AS_OK : as_fail(err, AS_INVALID, "'%s' holds no prompt", path);
}

static as_rc read_load(bench *b, as_err *err) {
    const as_args *args = b->args;
    as_bench_load *l = &b->load;
    l->requests = args->requests ? (uint64_t)args->requests : REQUESTS;
    l->warmup = (uint64_t)args->warmup;
    l->max_tokens = args->max_tokens ? (size_t)args->max_tokens : MAX_TOKENS;
    l->poisson = args->poisson;
    as_rc rc = read_prompts(b, err);
    if (!rc && args->rate.len) rc = as_arrivals_rate(args->rate, &l->per_s, err);
    if (!rc && args->slo.len) rc = as_slo_parse(args->slo, &l->slo, err);
    if (!rc && args->poisson && !args->rate.len)
        rc = as_fail(err, AS_INVALID, "--poisson says how --rate is spread: give one");
    if (!rc && args->sweep && args->rate.len)
        rc = as_fail(err, AS_INVALID, "--sweep is a closed loop: leave --rate out");
    if (rc) return rc;
    size_t least = args->sweep ? OPEN_CONCURRENCY : CONCURRENCY;
    if (l->per_s > 0) least = OPEN_CONCURRENCY;
    const as_target_info *info = b->ops->info(b->target);
    if (!b->ops->begin && l->per_s > 0)
        return as_fail(err, AS_INVALID,
                       "--rate needs a target behind HTTP; '%.*s' computes as fast "
                       "as it can",
                       AS_STR_ARG(info->uri));
    if (!b->ops->begin) least = info->workers ? info->workers : 1;
    l->concurrency = args->concurrency ? (size_t)args->concurrency : least;
    return AS_OK;
}

int as_cmd_bench(const as_args *args) {
    as_err err = {0};
    bench b = {.args = args};
    if (args->operands.count != 1) {
        as_fail(&err, AS_INVALID, "bench: name one target (see: assay help targets)");
        return as_command_fail(&err);
    }
    as_str uri = args->operands.items[0];
    as_rc rc = as_target_resolve(uri, &b.ops, &err);
    if (!rc) rc = b.ops->open(uri, AS_STR("."), &b.target, &err);
    if (rc) return as_command_fail(&err);
    rc = read_load(&b, &err);
    as_buf out = {0};
    if (!rc) rc = args->sweep ? sweep(&b, &out, &err) : one_load(&b, &out, &err);
    as_err late = {0};
    if (out.len && as_outputs_print(as_buf_view(&out), &late) && !rc) {
        rc = late.rc;
        err = late;
    }
    as_buf_free(&out);
    b.ops->close(b.target);
    as_arena_free(&b.arena);
    return rc ? as_command_fail(&err) : 0;
}
