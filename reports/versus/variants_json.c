// SPDX-License-Identifier: Apache-2.0
// `assay compare --format json`: the object of two runs, and of many.
#include "reports/report.h"

static void put_delta(as_json_out *out, const as_delta *d, bool ranked) {
    if (!ranked) as_jo_keys(out, d->name);
    unsigned indent = as_jo_open_flat(out, NULL);
    if (ranked) {
        as_jo_put_str(out, "metric", d->name);
        as_jo_put_str(out, "slice", d->slice);
    }
    as_jo_put_f64(out, "a", d->a);
    as_jo_put_f64(out, "b", d->b);
    as_jo_put_f64(out, "delta", d->delta);
    as_jo_put_range(out, "ci", d->ci.lo, d->ci.hi);
    as_jo_put_f64(out, "p", d->p);
    if (d->slice.len) as_jo_put_f64(out, "q", d->q);
    as_jo_put_f64(out, "mde", d->mde);
    as_jo_put_u64(out, "n", d->n);
    as_jo_key(out, "flips");
    as_jo_open(out, '{');
    as_jo_put_u64(out, "broke", d->broke);
    as_jo_put_u64(out, "fixed", d->fixed);
    as_jo_close(out, '}');
    as_jo_put_str(out, "method", d->method);
    as_jo_close_flat(out, indent);
}

static void put_metrics(as_json_out *out, const as_findings *f) {
    as_jo_key(out, "metrics");
    as_jo_open(out, '{');
    for (size_t i = 0; i < f->delta_count; i++)
        if (!f->deltas[i].slice.len) put_delta(out, &f->deltas[i], false);
    as_jo_close(out, '}');
}

// Deltas of one slice follow no order that this may count on: a slice is written at its first
// delta, with all that belong to it.
static void put_slices(as_json_out *out, const as_findings *f) {
    as_jo_key(out, "slices");
    as_jo_open(out, '{');
    for (size_t i = 0; i < f->delta_count; i++) {
        as_str slice = f->deltas[i].slice;
        bool seen = !slice.len;
        for (size_t j = 0; j < i && !seen; j++) seen = as_str_eq(f->deltas[j].slice, slice);
        if (seen) continue;
        as_jo_keys(out, slice);
        as_jo_open(out, '{');
        for (size_t j = i; j < f->delta_count; j++)
            if (as_str_eq(f->deltas[j].slice, slice)) put_delta(out, &f->deltas[j], false);
        as_jo_close(out, '}');
    }
    as_jo_close(out, '}');
}

static void put_agreement(as_json_out *out, const as_agreement *g) {
    unsigned indent = as_jo_open_flat(out, "agreement");
    as_jo_put_u64(out, "cases", g->cases);
    as_jo_put_u64(out, "same", g->same);
    as_jo_put_range(out, "same_ci", g->same_ci.lo, g->same_ci.hi);
    as_jo_put_u64(out, "kl_cases", g->kl_cases);
    as_jo_put_f64(out, "kl_mean", g->kl_mean);
    as_jo_put_range(out, "kl_ci", g->kl_ci.lo, g->kl_ci.hi);
    as_jo_put_f64(out, "kl_max", g->kl_max);
    if (g->kl_worst.len) as_jo_put_str(out, "kl_worst", g->kl_worst);
    as_jo_close_flat(out, indent);
}

// delta and ci are shares of a.
static void put_ratio(as_json_out *out, const char *key, const as_delta *d) {
    unsigned indent = as_jo_open_flat(out, key);
    as_jo_put_f64(out, "a", d->a);
    as_jo_put_f64(out, "b", d->b);
    as_jo_put_f64(out, "relative", d->delta);
    as_jo_put_range(out, "ci", d->ci.lo, d->ci.hi);
    as_jo_put_f64(out, "p", d->p);
    as_jo_put_u64(out, "n", d->n);
    as_jo_close_flat(out, indent);
}

// The keys of one run against the baseline; the object is the caller's.
static void put_variant(as_json_out *out, const as_variant *v) {
    as_jo_put_u64(out, "cases", v->cases);
    as_jo_put_u64(out, "missing", v->missing);
    put_metrics(out, &v->findings);
    put_slices(out, &v->findings);
    as_jo_key(out, "regressed");
    as_jo_open(out, '[');
    for (size_t i = 0; i < v->regressed_count; i++) put_delta(out, v->regressed[i], true);
    as_jo_close(out, ']');
    put_agreement(out, &v->agreement);
    put_ratio(out, "latency", &v->latency);
    put_ratio(out, "cost", &v->cost);
    as_jo_key(out, "gate");
    as_gate_write(out, &v->gate);
}

static void put_runs(as_json_out *out, const as_versus *vs) {
    as_jo_key(out, "runs");
    as_jo_open(out, '[');
    for (size_t i = 0; i < vs->count; i++) {
        const as_summary *run = vs->variants[i].run;
        unsigned indent = as_jo_open_flat(out, NULL);
        as_jo_put_str(out, "run", run->run);
        as_jo_put_str(out, "target", run->target_uri);
        if (run->memory_bytes) as_jo_put_u64(out, "memory_bytes", run->memory_bytes);
        as_jo_put_str(out, "model", run->model_name);
        as_jo_key(out, "front");
        as_jo_bool(out, vs->variants[i].on_front);
        as_jo_close_flat(out, indent);
    }
    as_jo_close(out, ']');
}

void as_report_versus_json(as_buf *buf, const as_versus *vs) {
    as_json_out out = {.buf = buf, .indent = 2, .first = true};
    as_jo_open(&out, '{');
    put_runs(&out, vs);
    if (vs->count == 2) put_variant(&out, &vs->variants[1]);
    if (vs->count > 2) {
        as_jo_key(&out, "variants");
        as_jo_open(&out, '[');
        for (size_t i = 1; i < vs->count; i++) {
            as_jo_open(&out, '{');
            as_jo_put_str(&out, "run", vs->variants[i].run->run);
            put_variant(&out, &vs->variants[i]);
            as_jo_close(&out, '}');
        }
        as_jo_close(&out, ']');
    }
    as_jo_close(&out, '}');
    as_buf_char(buf, '\n');
}
