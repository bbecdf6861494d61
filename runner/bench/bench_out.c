// SPDX-License-Identifier: Apache-2.0
#include "runner/bench/bench_out.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "metrics/latency.h"

static const double quantiles[] = {0.5, 0.9, 0.95, 0.99};
static const char *const quantile_names[] = {"p50", "p90", "p95", "p99"};
enum { QUANTILES = sizeof quantiles / sizeof *quantiles };

void as_bench_put_number(as_buf *out, double value) {
    if (isnan(value))
        as_buf_text(out, "         -");
    else
        as_buff(out, " %9.*f", value < 10 ? 3 : value < 1000 ? 1 : 0, value);
}

static void put_times(as_buf *out, const as_bench_result *r) {
    as_buf_text(
        out, "\n  ms        mean       p50       p90       p95       p99       max   95 % interval "
             "of p50\n");
    for (int i = 0; i < AS_BENCH_OWN; i++) {
        const as_bench_times *t = &r->times[i];
        if (!t->count) continue;
        as_buff(out, "  %-4s", as_bench_time_names[i]);
        as_bench_put_number(out, as_bench_mean(t));
        for (size_t q = 0; q < QUANTILES; q++)
            as_bench_put_number(out, as_bench_quantile(t, quantiles[q]));
        as_bench_put_number(out, t->ms[t->count - 1]);
        as_interval ci = as_latency_interval(t->ms, t->count, 0.5, 0.025);
        if (!isnan(ci.lo) && !isnan(ci.hi)) as_buff(out, "   %.3g to %.3g", ci.lo, ci.hi);
        as_buf_char(out, '\n');
    }
}

static void put_definitions(as_buf *out, const as_bench_result *r) {
    static const char *const open[] = {"intended start", "start"};
    const char *start = open[r->times[AS_BENCH_LATE].count == 0];
    as_buff(out, "\n  e2e: %s to last byte", start);
    if (r->times[AS_BENCH_TTFT].count)
        as_buff(out,
                "; ttft: %s to first piece of text; tpot: (e2e - ttft) / (tokens - 1);\n"
                "  itl: gaps between pieces, of all requests",
                start);
    if (r->times[AS_BENCH_LATE].count) as_buf_text(out, "; late: sent after the intended start");
    as_buf_text(out, ". '-': too few requests for that percentile\n");
}

static void put_peers(as_buf *out, const as_bench_result *r) {
    if (!r->times[AS_BENCH_WITH_FIRST].count) return;
    as_buf_text(out, "\n  as others define it      mean       p50       p99\n");
    for (const as_bench_peer *p = as_bench_peers; p->tool; p++) {
        const as_bench_times *t = &r->times[p->time];
        if (!t->count) continue;
        as_buff(out, "  %-9s%-10s", p->tool, p->name);
        as_bench_put_number(out, as_bench_mean(t));
        as_bench_put_number(out, as_bench_quantile(t, 0.5));
        as_bench_put_number(out, as_bench_quantile(t, 0.99));
        as_buff(out, "   %s\n", p->definition);
    }
}

static void put_load(as_buf *out, const as_bench_load *load, const as_bench_result *r) {
    if (load->per_s > 0)
        as_buff(out, "open loop, %g/s %s, at most %zu at once; times count from the intended start",
                load->per_s, load->poisson ? "poisson" : "constant", load->concurrency);
    else if (load->adaptive)
        as_buff(out, "closed loop, %llu at once at the end: as many as bring something",
                (unsigned long long)r->serving.concurrency);
    else
        as_buff(out, "closed loop, %zu at once", load->concurrency);
}

static void put_serving(as_buf *out, const as_serving *s) {
    if (s->replica_count)
        as_buf_text(out, "\n  replica                               answers  errors   p50 ms   "
                         "p95 ms   max ms\n");
    for (size_t i = 0; i < s->replica_count; i++) {
        const as_serving_replica *r = &s->replicas[i];
        as_buff(out, "  %-36.*s %8llu %7llu", AS_STR_ARG(r->url), (unsigned long long)r->answers,
                (unsigned long long)r->errors);
        as_bench_put_number(out, r->p50_ms);
        as_bench_put_number(out, r->p95_ms);
        as_bench_put_number(out, r->max_ms);
        if (r->ejected) as_buff(out, "   ejected %llux", (unsigned long long)r->ejected);
        if (r->lost) as_buf_text(out, "   given up");
        if (r->compared)
            as_buff(out, "   %llu of %llu texts differ", (unsigned long long)r->disagreed,
                    (unsigned long long)r->compared);
        as_buf_char(out, '\n');
    }
    if (!s->server.len) return;
    as_buff(out, "\n  the server itself (%.*s, %llu readings)\n", AS_STR_ARG(s->server),
            (unsigned long long)s->scrapes);
    for (size_t i = 0; i < s->value_count; i++) {
        as_bench_put_number(out, s->values[i].value);
        const char *label = as_serving_label(s->values[i].name);
        as_buff(out, "  %s\n", label ? label : "");
    }
}

void as_bench_put_text(as_buf *out, as_str uri, const as_bench_load *load,
                       const as_bench_result *r) {
    as_buff(out, "%.*s\n", AS_STR_ARG(uri));
    put_load(out, load, r);
    as_buff(out, "\n%llu requests in %.2f s, %llu answered", (unsigned long long)r->requests,
            r->wall_s, (unsigned long long)r->answered);
    for (int i = 0; i < AS_OUT_COUNT; i++)
        if (i != AS_OUT_OK && r->outcomes[i])
            as_buff(out, ", %llu %s", (unsigned long long)r->outcomes[i],
                    as_outcome_name((as_outcome)i));
    if (r->attempts > r->requests) as_buff(out, ", %llu attempts", (unsigned long long)r->attempts);
    as_buff(out, "\n%.2f requests/s, %.1f tokens in/s, %.1f tokens out/s%s\n",
            as_bench_per_s((double)r->answered, r), as_bench_per_s((double)r->tokens_in, r),
            as_bench_per_s((double)r->tokens_out, r),
            r->estimated ? " (estimated: pieces, the server counts none)" : "");
    if (load->slo.count)
        as_buff(out, "goodput %.2f requests/s, %.1f %% of those asked\n",
                as_bench_per_s((double)r->good, r),
                r->requests ? 100 * (double)r->good / (double)r->requests : 0);
    put_times(out, r);
    put_definitions(out, r);
    put_peers(out, r);
    put_serving(out, &r->serving);
    if (r->first_error[0]) as_buff(out, "\nfirst error: %s\n", r->first_error);
}

static void put_json_time(as_json_out *jo, const as_bench_times *t) {
    as_jo_open(jo, '{');
    as_jo_key(jo, "n"), as_jo_i64(jo, (int64_t)t->count);
    as_jo_key(jo, "mean"), as_jo_f64(jo, as_bench_mean(t));
    for (size_t q = 0; q < QUANTILES; q++) {
        as_jo_key(jo, quantile_names[q]);
        as_jo_f64(jo, as_bench_quantile(t, quantiles[q]));
    }
    as_jo_key(jo, "max"), as_jo_f64(jo, t->count ? t->ms[t->count - 1] : NAN);
    if (t->count && !as_latency_holds(t->count, 0.99))
        as_jo_put_str(jo, "withheld",
                      AS_STR("percentiles that none of these times lies beyond: "
                             "p90 takes 10, p95 20, p99 100"));
    as_jo_close(jo, '}');
}

static void put_json_key(as_json_out *jo, const char *name) {
    char key[32];
    snprintf(key, sizeof key, "%s_ms", name);
    as_jo_key(jo, key);
}

static void put_json_peers(as_json_out *jo, const as_bench_result *r) {
    as_jo_key(jo, "peers");
    as_jo_open(jo, '{');
    const char *tool = NULL;
    for (const as_bench_peer *p = as_bench_peers; p->tool; p++) {
        if (!tool || strcmp(tool, p->tool)) {
            if (tool) as_jo_close(jo, '}');
            as_jo_key(jo, p->tool);
            as_jo_open(jo, '{');
            tool = p->tool;
        }
        put_json_key(jo, p->name);
        put_json_time(jo, &r->times[p->time]);
    }
    as_jo_close(jo, '}');
    as_jo_close(jo, '}');
}

void as_bench_put_json(as_json_out *jo, as_str uri, const as_bench_load *load,
                       const as_bench_result *r) {
    as_jo_open(jo, '{');
    as_jo_key(jo, "target"), as_jo_str(jo, uri);
    as_jo_key(jo, "loop"), as_jo_str(jo, load->per_s > 0 ? AS_STR("open") : AS_STR("closed"));
    as_jo_key(jo, "concurrency");
    as_jo_i64(jo, (int64_t)(r->serving.concurrency ? r->serving.concurrency : load->concurrency));
    as_jo_key(jo, "rate"), as_jo_f64(jo, load->per_s > 0 ? load->per_s : NAN);
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
    as_jo_key(jo, "requests_per_s"), as_jo_f64(jo, as_bench_per_s((double)r->answered, r));
    as_jo_key(jo, "tokens_in_per_s"), as_jo_f64(jo, as_bench_per_s((double)r->tokens_in, r));
    as_jo_key(jo, "tokens_out_per_s"), as_jo_f64(jo, as_bench_per_s((double)r->tokens_out, r));
    as_jo_key(jo, "tokens_estimated"), as_jo_bool(jo, r->estimated);
    as_jo_key(jo, "goodput_per_s");
    as_jo_f64(jo, load->slo.count ? as_bench_per_s((double)r->good, r) : NAN);
    for (int i = 0; i < AS_BENCH_OWN; i++) {
        put_json_key(jo, as_bench_time_names[i]);
        put_json_time(jo, &r->times[i]);
    }
    put_json_peers(jo, r);
    as_jo_key(jo, "serving"), as_serving_write(jo, &r->serving);
    as_jo_close(jo, '}');
}
