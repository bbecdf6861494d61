// SPDX-License-Identifier: Apache-2.0
// Two or many runs on one page: who they are, every metric with its paired interval, the slices
// that got worse, how alike they answer, and the cases that flipped.
#include <math.h>

#include "reports/content.h"
#include "reports/figures.h"
#include "reports/page.h"
#include "reports/report.h"

enum { FLIPS_MAX = 50 };

static void put_letter(as_buf *out, size_t i) {
    as_buff(out, "<th scope=\"row\">%c</th>", i < 26 ? (char)('A' + (int)i) : '*');
}

static void put_head(as_buf *out, const char *const *names, size_t count) {
    as_buf_text(out, "<table class=\"stack\">\n<thead><tr>");
    for (size_t i = 0; i < count; i++) as_buff(out, "<th scope=\"col\">%s</th>", names[i]);
    as_buf_text(out, "</tr></thead>\n<tbody>\n");
}

static void put_text_cell(as_buf *out, const char *label, as_str text) {
    as_buff(out, "<td data-l=\"%s\">", label);
    as_page_text(out, "bdi", NULL, text, AS_CLIP_LINE);
    as_buf_text(out, "</td>");
}

static void put_ratio_cell(as_buf *out, const char *label, const as_delta *d) {
    as_page_cell(out, label, d->n ? as_figure_change(d->delta, AS_UNIT_RATIO).text : "");
}

static void put_agreement(as_buf *out, const as_agreement *g) {
    as_page_cell(out, "Equal answers",
                 g->cases ? as_figure_of((double)g->same / (double)g->cases, AS_UNIT_SHARE).text
                          : "");
    as_page_cell(out, "KL, nats",
                 isfinite(g->kl_mean) ? as_figure_of(g->kl_mean, AS_UNIT_NUMBER).text : "");
}

static void put_runs(as_buf *out, const as_versus *vs) {
    static const char *const names[] = {"Key",           "Run",         "Model",
                                        "Time a case",   "Cost a case", "Memory",
                                        "Equal answers", "KL, nats",    "Front"};
    as_page_section(out, "runs", "Runs",
                    "A is the baseline: times and costs are against it, case by case; memory is "
                    "that of the model's weights. On the front are the runs that no other beats in "
                    "quality, time, cost and memory together.");
    put_head(out, names, sizeof names / sizeof *names);
    for (size_t i = 0; i < vs->count; i++) {
        const as_variant *v = &vs->variants[i];
        as_buf_text(out, "<tr>");
        put_letter(out, i);
        put_text_cell(out, "Run", v->run->run);
        put_text_cell(out, "Model", as_versus_model(vs, i));
        put_ratio_cell(out, "Time a case", &v->latency);
        put_ratio_cell(out, "Cost a case", &v->cost);
        as_page_cell(out, "Memory", as_figure_bytes(v->run->memory_bytes).text);
        put_agreement(out, &v->agreement);
        as_page_cell(out, "Front", v->on_front ? "yes" : "no");
        as_buf_text(out, "</tr>\n");
    }
    as_buf_text(out, "</tbody>\n</table>\n");
    as_page_section_end(out);
}

static as_unit unit_of(const as_summary *run, const as_delta *d) {
    const as_value *v = as_summary_value(run, d->name, AS_STR(""));
    return as_figure_measure(d->name, v ? v->spec : AS_STR(""), d->b).unit;
}

static void put_delta(as_buf *out, const as_variant *v, size_t i, const as_delta *d) {
    as_unit unit = unit_of(v->run, d);
    as_buf_text(out, "<tr>");
    put_letter(out, i);
    put_text_cell(out, "Metric", d->name);
    if (d->slice.len) put_text_cell(out, "Slice", d->slice);
    as_page_cell(out, "Baseline", as_figure_of(d->a, unit).text);
    as_page_cell(out, "Value", as_figure_of(d->b, unit).text);
    as_page_cell(out, "Change", as_figure_change(d->delta, unit).text);
    as_page_cell(out, "95% interval", as_figure_change_interval(d->ci, unit).text);
    as_page_cell(out, d->slice.len ? "q" : "p", as_figure_p(d->slice.len ? d->q : d->p).text);
    as_buff(out, "<td data-l=\"Broke / fixed\">%llu / %llu</td></tr>\n",
            (unsigned long long)d->broke, (unsigned long long)d->fixed);
}

static void put_metrics(as_buf *out, const as_versus *vs) {
    static const char *const names[] = {"Key",    "Metric",       "Baseline", "Value",
                                        "Change", "95% interval", "p",        "Broke / fixed"};
    as_page_section(out, "metrics", "Metrics", "Over the cases that both runs answered.");
    put_head(out, names, 8);
    for (size_t i = 1; i < vs->count; i++)
        for (size_t d = 0; d < vs->variants[i].findings.delta_count; d++)
            if (!vs->variants[i].findings.deltas[d].slice.len)
                put_delta(out, &vs->variants[i], i, &vs->variants[i].findings.deltas[d]);
    as_buf_text(out, "</tbody>\n</table>\n");
    as_page_section_end(out);
}

static void put_regressed(as_buf *out, const as_versus *vs) {
    static const char *const names[] = {"Key",    "Metric",       "Slice", "Baseline",     "Value",
                                        "Change", "95% interval", "q",     "Broke / fixed"};
    size_t count = 0;
    for (size_t i = 1; i < vs->count; i++) count += vs->variants[i].regressed_count;
    as_page_section(out, "slices", "Slices that got worse",
                    count ? "Surest first; at most one in ten of them by chance (q: Benjamini and "
                            "Hochberg over all slices of the run)."
                          : "None that is more than chance.");
    if (count) put_head(out, names, 9);
    for (size_t i = 1; i < vs->count; i++)
        for (size_t d = 0; d < vs->variants[i].regressed_count; d++)
            put_delta(out, &vs->variants[i], i, vs->variants[i].regressed[d]);
    if (count) as_buf_text(out, "</tbody>\n</table>\n");
    as_page_section_end(out);
}

static void put_flips(as_buf *out, const as_versus *vs) {
    static const char *const names[] = {"Key", "Case", "Expected", "Baseline", "Now"};
    size_t count = 0;
    for (size_t i = 1; i < vs->count; i++) count += vs->variants[i].findings.flip_count;
    if (!count) return;
    as_page_section(out, "flips", "Cases to read", "Those that broke, then those that were fixed.");
    put_head(out, names, 5);
    for (size_t i = 1; i < vs->count; i++) {
        const as_findings *f = &vs->variants[i].findings;
        for (size_t k = 0; k < f->flip_count && k < FLIPS_MAX; k++) {
            as_buf_text(out, "<tr>");
            put_letter(out, i);
            put_text_cell(out, "Case", f->flips[k].id);
            put_text_cell(out, "Expected", f->flips[k].expected);
            put_text_cell(out, "Baseline", f->flips[k].before);
            put_text_cell(out, "Now", f->flips[k].after);
            as_buf_text(out, "</tr>\n");
        }
    }
    as_buf_text(out, "</tbody>\n</table>\n");
    as_page_section_end(out);
}

static void put_gates(as_buf *out, const as_versus *vs) {
    static const char *const names[] = {"Key", "Verdict", "Check", "Note"};
    if (!vs->variants[vs->count - 1].gate.count) return;
    as_page_section(out, "gate", "Gate", NULL);
    put_head(out, names, 4);
    for (size_t i = 1; i < vs->count; i++)
        for (size_t k = 0; k < vs->variants[i].gate.count; k++) {
            const as_check *check = &vs->variants[i].gate.checks[k];
            as_buf_text(out, "<tr>");
            put_letter(out, i);
            as_buf_text(out, "<td class=\"verdict-cell\">");
            as_page_verdict(out, check->verdict, NULL);
            as_buf_text(out, "</td>");
            put_text_cell(out, "Check", check->gate);
            put_text_cell(out, "Note", check->note);
            as_buf_text(out, "</tr>\n");
        }
    as_buf_text(out, "</tbody>\n</table>\n");
    as_page_section_end(out);
}

void as_report_versus_html(as_buf *out, const as_versus *vs) {
    as_verdict worst = AS_PASS;
    for (size_t i = 1; i < vs->count; i++)
        if (vs->variants[i].gate.verdict != AS_PASS) worst = vs->variants[i].gate.verdict;
    as_page_open(out, AS_STR("Comparison"), "comparison", worst);
    as_buf_text(out, "<header><h1>Comparison</h1></header>\n");
    put_gates(out, vs);
    put_runs(out, vs);
    put_metrics(out, vs);
    put_regressed(out, vs);
    put_flips(out, vs);
    as_page_close(out);
}
