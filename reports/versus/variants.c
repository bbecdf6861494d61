// SPDX-License-Identifier: Apache-2.0
// What `assay compare` prints: two or many runs against the first. A is the baseline.
#include <math.h>

#include "reports/content.h"
#include "reports/figures.h"
#include "reports/phrase.h"
#include "reports/report.h"
#include "reports/terminal.h"

enum {
    REGRESSED_MAX = 10,
    NAME_WIDTH = 30,
    WIDE = 9,
    WIDE_INTERVAL = 17,
    WIDE_P = 7,
    WIDE_FLIPS = 9
};

static char letter(size_t i) {
    return i < 26 ? (char)('A' + i) : '*';
}

static as_unit unit_of(const as_summary *run, const as_delta *d) {
    const as_value *v = as_summary_value(run, d->name, AS_STR(""));
    return as_figure_measure(d->name, v ? v->spec : AS_STR(""), d->b).unit;
}

// ---- what changed in which slice, how alike, how fast and dear ----

static void put_regressed(const as_terminal *t, const as_variant *v) {
    if (!v->regressed_count) return;
    as_terminal_heading(t, AS_STR("slices that got worse (false discovery rate 0.10)"));
    for (size_t i = 0; i < v->regressed_count && i < REGRESSED_MAX; i++) {
        const as_delta *d = v->regressed[i];
        as_arena arena = {0};
        as_unit unit = unit_of(v->run, d);
        as_terminal_text(t,
                         as_strf(&arena, "%.*s[%.*s]", AS_STR_ARG(d->name), AS_STR_ARG(d->slice)),
                         NAME_WIDTH);
        as_terminal_number(t, as_figure_change(d->delta, unit).text, WIDE + 1);
        as_terminal_number(t, as_figure_change_interval(d->ci, unit).text, WIDE_INTERVAL + 1);
        as_buff(t->out, "  q %s, %s cases\n", as_figure_p(d->q).text, as_figure_count(d->n).text);
        as_arena_free(&arena);
    }
    if (v->regressed_count > REGRESSED_MAX)
        as_buff(t->out, "and %zu more\n", v->regressed_count - REGRESSED_MAX);
}

static void put_ratio(const as_terminal *t, const char *what, const as_delta *d, as_unit unit) {
    if (!d->n) return;
    as_terminal_text(t, as_str_of(what), 12);
    as_buff(t->out, "%s, from %s: %s, between %s\n", as_figure_of(d->b, unit).text,
            as_figure_of(d->a, unit).text, as_figure_change(d->delta, AS_UNIT_RATIO).text,
            as_figure_change_interval(d->ci, AS_UNIT_RATIO).text);
}

static void put_memory(const as_terminal *t, const as_variant *v) {
    double now = (double)v->run->memory_bytes, base = (double)v->base_memory;
    if (!v->run->memory_bytes || !v->base_memory) return;
    as_terminal_text(t, AS_STR("memory"), 12);
    as_buff(t->out, "%s, from %s: %s\n", as_figure_bytes(v->run->memory_bytes).text,
            as_figure_bytes(v->base_memory).text,
            as_figure_change((now - base) / base, AS_UNIT_RATIO).text);
}

static void put_agreement(const as_terminal *t, const as_agreement *g) {
    if (!g->cases) return;
    as_buf text = {0};
    as_buff(&text, "%s of %s answers are equal (%s)", as_figure_count(g->same).text,
            as_figure_count(g->cases).text, as_figure_interval(g->same_ci, AS_UNIT_SHARE).text);
    if (isfinite(g->kl_mean))
        as_buff(&text, "; KL %.3g nats a case (%.3g to %.3g), at most %.3g in %.*s", g->kl_mean,
                g->kl_ci.lo, g->kl_ci.hi, g->kl_max, AS_STR_ARG(g->kl_worst));
    as_terminal_text(t, AS_STR("agreement"), 12);
    as_terminal_wrap(t, as_buf_view(&text), 12);
    as_buf_char(t->out, '\n');
    as_buf_free(&text);
}

void as_report_variant_terminal(as_buf *out, const as_variant *v, bool color, size_t columns) {
    as_terminal t = as_terminal_of(out, color, columns);
    put_regressed(&t, v);
    as_buf_char(out, '\n');
    put_agreement(&t, &v->agreement);
    put_ratio(&t, "time a case", &v->latency, AS_UNIT_MS);
    put_ratio(&t, "cost a case", &v->cost, AS_UNIT_MONEY);
    put_memory(&t, v);
}

// ---- many runs: a block a metric, a line a run ----

static void put_first(const as_terminal *t, const as_versus *vs, const as_delta *d) {
    as_buff(t->out, "  A");
    as_buff(t->out, "%*s", (int)NAME_WIDTH - 3, "");
    as_terminal_number(t, as_figure_of(d->a, unit_of(vs->variants[0].run, d)).text, WIDE);
    as_buf_char(t->out, '\n');
}

static void put_other(const as_terminal *t, const as_versus *vs, size_t i, const as_delta *d) {
    const as_variant *v = &vs->variants[i];
    as_unit unit = unit_of(v->run, d);
    bool lower = as_figure_measure(d->name, AS_STR(""), d->b).lower;
    bool proven = d->ci.lo > 0 || d->ci.hi < 0, worse = (d->delta < 0) != lower;
    as_buf flips = {0};
    if (d->broke + d->fixed)
        as_buff(&flips, "-%llu +%llu", (unsigned long long)d->broke, (unsigned long long)d->fixed);
    as_buff(t->out, "  %c%*s", letter(i), (int)NAME_WIDTH - 3, "");
    as_terminal_number(t, as_figure_of(d->b, unit).text, WIDE);
    if (proven) as_terminal_style(t, worse ? "1;31" : "32");
    as_terminal_number(t, as_figure_change(d->delta, unit).text, WIDE + 1);
    if (proven) as_terminal_style(t, NULL);
    as_terminal_number(t, as_figure_change_interval(d->ci, unit).text, WIDE_INTERVAL + 1);
    as_terminal_number(t, d->p < 0.001 ? "<0.001" : as_figure_p(d->p).text, WIDE_P);
    as_terminal_number(t, flips.len ? flips.ptr : "", WIDE_FLIPS);
    as_buf_char(t->out, '\n');
    as_buf_free(&flips);
}

static const as_delta *delta_of(const as_variant *v, as_str name) {
    for (size_t i = 0; i < v->findings.delta_count; i++)
        if (!v->findings.deltas[i].slice.len && as_str_eq(v->findings.deltas[i].name, name))
            return &v->findings.deltas[i];
    return NULL;
}

static void put_metric(const as_terminal *t, const as_versus *vs, as_str name) {
    bool first = true;
    for (size_t i = 1; i < vs->count; i++) {
        const as_delta *d = delta_of(&vs->variants[i], name);
        if (!d) continue;
        if (first) {
            as_terminal_style(t, "1");
            as_content_terminal(t->out, name, t->columns);
            as_terminal_style(t, NULL);
            as_buf_char(t->out, '\n');
            put_first(t, vs, d);
        }
        first = false;
        put_other(t, vs, i, d);
    }
}

as_str as_versus_model(const as_versus *vs, size_t i) {
    const as_summary *run = vs->variants[i].run;
    bool alone = run->model_name.len > 0;
    for (size_t k = 0; k < vs->count; k++)
        alone &= k == i || !as_str_eq(vs->variants[k].run->model_name, run->model_name);
    return alone ? run->model_name : run->target_uri;
}

static void put_runs(const as_terminal *t, const as_versus *vs) {
    for (size_t i = 0; i < vs->count; i++) {
        const as_variant *v = &vs->variants[i];
        const as_summary *run = v->run;
        as_buff(t->out, "%c  ", letter(i));
        as_str id = run->run.len ? run->run : AS_STR("(no id)");
        size_t used = as_content_terminal(t->out, id, t->columns / 2);
        as_buf_text(t->out, "  ");
        as_content_terminal(t->out, as_versus_model(vs, i), t->columns - used - 24);
        if (v->on_front) as_buf_text(t->out, "  \xe2\x97\x86 front");
        as_buf_char(t->out, '\n');
    }
}

static void put_front(const as_terminal *t, const as_versus *vs) {
    as_buf text = {0};
    size_t count = 0;
    as_buf_text(&text, "Pareto front (");
    as_content_terminal(&text, vs->quality.len ? vs->quality : AS_STR("no metric"), 40);
    as_buf_text(&text, ", time and cost of a case, memory):");
    for (size_t i = 0; i < vs->count; i++)
        if (vs->variants[i].on_front) as_buff(&text, "%s %c", count++ ? "," : "", letter(i));
    as_buf_char(t->out, '\n');
    as_terminal_wrap(t, as_buf_view(&text), 0);
    as_buf_char(t->out, '\n');
    as_buf_free(&text);
}

void as_report_versus_terminal(as_buf *out, const as_versus *vs, bool color, size_t columns) {
    as_terminal t = as_terminal_of(out, color, columns);
    put_runs(&t, vs);
    as_buf_char(out, '\n');
    for (size_t i = 1; i < vs->count; i++) {
        const as_findings *f = &vs->variants[i].findings;
        for (size_t d = 0; d < f->delta_count; d++) {
            bool shown = f->deltas[d].slice.len > 0;
            for (size_t before = 1; before < i; before++)
                shown |= delta_of(&vs->variants[before], f->deltas[d].name) != NULL;
            if (!shown) put_metric(&t, vs, f->deltas[d].name);
        }
    }
    for (size_t i = 1; i < vs->count; i++) {
        const as_variant *v = &vs->variants[i];
        as_arena arena = {0};
        as_terminal_heading(&t, as_strf(&arena, "%c against A", letter(i)));
        as_report_variant_terminal(out, v, color, columns);
        if (v->gate.count) as_terminal_gate(&t, v->run, &v->gate);
        as_arena_free(&arena);
    }
    put_front(&t, vs);
}
