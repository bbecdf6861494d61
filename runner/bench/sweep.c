// SPDX-License-Identifier: Apache-2.0
#include "runner/bench/sweep.h"

#include <math.h>

#include "runner/bench/bench_out.h"

enum { RATE_STEPS_MAX = 16, HALVINGS = 2, STEP_S = 2 };
static const double MORE = 1.05, KEEPS_UP = 0.95, ANSWERED = 0.99;

typedef struct sweep {
    const as_target_ops *ops;
    as_target *target;
    as_bench_load load;
    as_buf *out;
    as_json_out jo;
    bool json;
    double base_ms; // e2e at the lowest rate
} sweep;

static void put_row(const sweep *s, const as_bench_result *r, double step) {
    as_buff(s->out, "  %11.6g %10.2f", step, as_bench_per_s((double)r->answered, r));
    as_bench_put_number(s->out, as_bench_per_s((double)r->tokens_out, r));
    as_bench_put_number(s->out, as_bench_quantile(&r->times[AS_BENCH_TTFT], 0.5));
    as_bench_put_number(s->out, as_bench_quantile(&r->times[AS_BENCH_E2E], 0.5));
    as_bench_put_number(s->out, as_bench_quantile(&r->times[AS_BENCH_E2E], 0.95));
    if (s->load.slo.count) as_bench_put_number(s->out, as_bench_per_s((double)r->good, r));
    as_buff(s->out, " %7llu\n", (unsigned long long)(r->requests - r->answered));
}

static void open_out(sweep *s, const char *what) {
    if (s->json) {
        as_jo_open(&s->jo, '{'), as_jo_key(&s->jo, "sweep"), as_jo_open(&s->jo, '[');
        return;
    }
    as_buff(s->out, "%.*s\n\n  %11s requests/s  tokens/s  ttft p50   e2e p50   e2e p95%s  errors\n",
            AS_STR_ARG(s->ops->info(s->target)->uri), what, s->load.slo.count ? "   goodput" : "");
}

// One load. *per_s is what it brought; `unanswered` is no error of a rate.
static as_rc step(sweep *s, double what, bool need_answers, as_bench_result *r, as_err *err) {
    as_rc rc = as_bench_run(s->ops, s->target, &s->load, r, err);
    if (rc) return rc;
    if (!r->answered && need_answers)
        return as_fail(err, AS_UNMEASURED, "no request was answered: %s", r->first_error);
    if (s->json)
        as_bench_put_json(&s->jo, s->ops->info(s->target)->uri, &s->load, r);
    else
        put_row(s, r, what);
    return AS_OK;
}

static void close_json(sweep *s, const char *key, double at, double per_s, bool reached) {
    as_json_out *jo = &s->jo;
    as_jo_close(jo, ']');
    as_jo_key(jo, "saturation"), as_jo_open(jo, '{');
    as_jo_key(jo, key), as_jo_f64(jo, at);
    as_jo_key(jo, "requests_per_s"), as_jo_f64(jo, per_s);
    as_jo_key(jo, "reached"), as_jo_bool(jo, reached);
    as_jo_close(jo, '}'), as_jo_close(jo, '}'), as_buf_char(s->out, '\n');
}

static as_rc by_concurrency(sweep *s, as_err *err) {
    double best = 0;
    size_t knee = 1, most = s->load.concurrency, flat = 0;
    as_rc rc = AS_OK;
    open_out(s, "concurrency");
    for (size_t c = 1; !rc && c <= most && flat < 2; c *= 2) {
        as_bench_result r = {0};
        s->load.concurrency = c;
        rc = step(s, (double)c, true, &r, err);
        double now = rc ? 0 : as_bench_per_s((double)r.answered, &r);
        flat = now > best * MORE ? 0 : flat + 1;
        if (now > best * MORE) best = now, knee = c;
        as_bench_free(&r);
    }
    if (s->json) {
        close_json(s, "concurrency", (double)knee, best, flat >= 2);
    } else if (!rc) {
        as_buff(s->out,
                flat >= 2 ? "\nsaturated from %zu at once on: %.2f requests/s\n"
                          : "\nnot saturated with %zu at once: %.2f requests/s; raise "
                            "--concurrency\n",
                knee, best);
    }
    return rc;
}

// What came back in time: the last answer is allowed the time that one takes without load.
static bool keeps_up(sweep *s, const as_bench_result *r, double rate) {
    double e2e_ms = as_bench_quantile(&r->times[AS_BENCH_E2E], 0.5);
    if (s->base_ms <= 0) s->base_ms = isnan(e2e_ms) ? 1 : e2e_ms;
    double wall_s = r->wall_s - s->base_ms / 1e3;
    double offered_s = (double)(r->requests - 1) / rate;
    return (double)r->answered >= ANSWERED * (double)r->requests &&
           offered_s >= KEEPS_UP * wall_s - 0.01;
}

static as_rc try_rate(sweep *s, double rate, uint64_t least, bool *kept, double *per_s,
                      as_err *err) {
    as_bench_result r = {0};
    s->load.per_s = rate;
    s->load.requests = (uint64_t)(rate * STEP_S) > least ? (uint64_t)(rate * STEP_S) : least;
    as_rc rc = step(s, rate, false, &r, err);
    if (!rc) {
        *kept = keeps_up(s, &r, rate);
        *per_s = as_bench_per_s((double)r.answered, &r);
    }
    as_bench_free(&r);
    return rc;
}

static as_rc by_rate(sweep *s, as_err *err) {
    uint64_t least = s->load.requests;
    double low = 0, high = 0, rate = s->load.per_s, best = 0, per_s = 0;
    as_rc rc = AS_OK;
    open_out(s, "rate");
    for (int i = 0, halvings = 0; !rc && i < RATE_STEPS_MAX && halvings <= HALVINGS; i++) {
        bool kept = false;
        rc = try_rate(s, rate, least, &kept, &per_s, err);
        if (rc) break;
        *(kept ? &low : &high) = rate;
        if (per_s > best) best = per_s;
        if (low <= 0) break; // not even the first
        halvings += high > 0;
        rate = high > 0 ? sqrt(low * high) : 2 * rate;
    }
    if (s->json) {
        close_json(s, "rate", low > 0 ? low : NAN, best, high > 0);
    } else if (!rc) {
        if (low <= 0)
            as_buff(s->out, "\nnot even %g/s are kept up with: it answers %.2f/s\n", high, best);
        else
            as_buff(s->out,
                    high > 0 ? "\nkeeps up with %.4g/s, no more with %.4g/s\n"
                             : "\nkeeps up with %.4g/s\n",
                    low, high);
    }
    return rc;
}

as_rc as_sweep(const as_target_ops *ops, as_target *target, as_bench_load load, bool json,
               as_buf *out, as_err *err) {
    sweep s = {.ops = ops, .target = target, .load = load, .out = out, .json = json};
    s.jo.buf = out;
    return load.per_s > 0 ? by_rate(&s, err) : by_concurrency(&s, err);
}
