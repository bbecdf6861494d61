// SPDX-License-Identifier: Apache-2.0
// What `assay compare` prints: deltas of two runs over the same cases. A is the baseline.
#include "reports/report.h"

#include <math.h>

#include "reports/content.h"
#include "reports/figures.h"
#include "reports/phrase.h"
#include "reports/terminal.h"

enum { FLIPS_MAX = 10, SLICES_MAX = 40 };
enum { WIDE_A = 7, WIDE_CHANGE = 9, WIDE_INTERVAL = 17, WIDE_P = 6, WIDE_FLIPS = 7, NAME_MAX = 40 };

static size_t name_width(const as_terminal *t) {
    size_t taken = 2 * WIDE_A + WIDE_CHANGE + WIDE_INTERVAL + WIDE_P + WIDE_FLIPS + 6;
    size_t left = t->columns > taken + 12 ? t->columns - taken : 12;
    return left > NAME_MAX ? NAME_MAX : left;
}

static void put_columns(const as_terminal *t, const char *first) {
    as_buf_char(t->out, '\n');
    as_terminal_style(t, "1");
    as_terminal_text(t, as_str_of(first), name_width(t));
    as_terminal_style(t, NULL);
    as_terminal_style(t, "2");
    as_buff(t->out, " %*s %*s %*s %*s %*s %*s", WIDE_A, "A", WIDE_A, "B", WIDE_CHANGE, "change",
            WIDE_INTERVAL, "95% interval", WIDE_P, "p", WIDE_FLIPS, "flips");
    as_terminal_style(t, NULL);
    as_buf_char(t->out, '\n');
}

static void put_number(const as_terminal *t, const char *text, size_t width) {
    as_buf_char(t->out, ' ');
    as_terminal_number(t, text, width);
}

static void put_row(const as_terminal *t, const as_summary *b, const as_delta *d, as_str name) {
    const as_value *v = as_summary_value(b, d->name, AS_STR(""));
    as_measure m = as_figure_measure(d->name, v ? v->spec : AS_STR(""), d->b);
    bool proven = d->ci.lo > 0 || d->ci.hi < 0, worse = (d->delta < 0) != m.lower;
    as_buf flips = {0};
    as_buff(&flips, "-%llu +%llu", (unsigned long long)d->broke, (unsigned long long)d->fixed);
    as_terminal_text(t, name, name_width(t));
    put_number(t, as_figure_of(d->a, m.unit).text, WIDE_A);
    put_number(t, as_figure_of(d->b, m.unit).text, WIDE_A);
    if (proven) as_terminal_style(t, worse ? "1;31" : "32");
    put_number(t, as_figure_change(d->delta, m.unit).text, WIDE_CHANGE);
    if (proven) as_terminal_style(t, NULL);
    put_number(t, as_figure_change_interval(d->ci, m.unit).text, WIDE_INTERVAL);
    put_number(t, d->p < 0.001 ? "<0.001" : as_figure_p(d->p).text, WIDE_P);
    put_number(t, d->broke + d->fixed ? flips.ptr : "", WIDE_FLIPS);
    as_buf_char(t->out, '\n');
    as_buf_free(&flips);
}

// The slices of the first metric that has any.
static void put_slices(const as_terminal *t, const as_summary *b, const as_findings *f) {
    as_str metric = AS_STR("");
    size_t rows = 0;
    for (size_t i = 0; i < f->delta_count && rows < SLICES_MAX; i++) {
        const as_delta *d = &f->deltas[i];
        if (!d->slice.len) continue;
        if (!metric.len) {
            metric = d->name;
            put_columns(t, "by slice");
        }
        if (!as_str_eq(d->name, metric)) continue;
        put_row(t, b, d, d->slice);
        rows++;
    }
}

static void put_flips(const as_terminal *t, const as_findings *f, bool want_broke) {
    size_t count = 0, shown = 0;
    as_arena arena = {0};
    for (size_t i = 0; i < f->flip_count; i++)
        count += (f->flips[i].after_score < f->flips[i].before_score) == want_broke;
    if (!count) return;
    as_terminal_heading(t, as_strf(&arena, "%s: %zu", want_broke ? "broke" : "fixed", count));
    size_t part = (t->columns - 20 - 6) / 2;
    for (size_t i = 0; i < f->flip_count && shown < FLIPS_MAX; i++) {
        const as_flip *flip = &f->flips[i];
        if ((flip->after_score < flip->before_score) != want_broke) continue;
        as_terminal_text(t, flip->id, 20);
        as_buf_text(t->out, "  ");
        as_content_terminal(t->out, flip->before.len ? flip->before : AS_STR("(none)"), part);
        as_buf_text(t->out, " \xe2\x86\x92 ");
        as_content_terminal(t->out, flip->after.len ? flip->after : AS_STR("(none)"), part);
        as_buf_char(t->out, '\n');
        shown++;
    }
    if (count > shown) as_buff(t->out, "and %zu more\n", count - shown);
    as_arena_free(&arena);
}

static void put_side(const as_terminal *t, const char *name, const as_summary *run) {
    as_buff(t->out, "%s  ", name);
    as_str id = run->run.len ? run->run : AS_STR("(no id)");
    size_t used = as_content_terminal(t->out, id, t->columns / 2);
    as_buf_text(t->out, "  ");
    as_content_terminal(t->out, run->model_name.len ? run->model_name : run->target_uri,
                        t->columns - used - 5);
    as_buf_char(t->out, '\n');
}

void as_report_compare_terminal(as_buf *out, const as_summary *a, const as_summary *b,
                                const as_findings *findings, const as_gate *gate, bool color,
                                size_t columns) {
    as_terminal t = as_terminal_of(out, color, columns);
    put_side(&t, "A", a);
    put_side(&t, "B", b);
    put_columns(&t, "metric");
    for (size_t i = 0; i < findings->delta_count; i++)
        if (!findings->deltas[i].slice.len)
            put_row(&t, b, &findings->deltas[i], findings->deltas[i].name);
    put_slices(&t, b, findings);
    put_flips(&t, findings, true);
    put_flips(&t, findings, false);
    if (gate && (gate->count || gate->verdict != AS_PASS)) as_terminal_gate(&t, b, gate);
}
