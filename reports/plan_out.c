// SPDX-License-Identifier: Apache-2.0
// What `assay plan` prints.
#include <math.h>

#include "reports/content.h"
#include "reports/figures.h"
#include "reports/report.h"
#include "reports/terminal.h"

enum { WIDE_CASES = 8, WIDE_MDE = 12, WIDE_NEEDED = 11, NAME_MIN = 24, NAME_MAX = 48 };

static void put_line(const as_terminal *t, const char *name, as_str value) {
    as_terminal_text(t, as_str_of(name), 10);
    as_terminal_wrap(t, value, 10);
    as_buf_char(t->out, '\n');
}

static void put_needs(const as_terminal *t, const as_outlook *o) {
    as_arena arena = {0};
    as_buf text = {0};
    as_buff(&text, "%s", as_figure_count(o->cases).text);
    if (o->clusters < o->cases)
        as_buff(&text, " in %s clusters", as_figure_count(o->clusters).text);
    if (o->skipped) as_buff(&text, " (of %s)", as_figure_count(o->cases + o->skipped).text);
    put_line(t, "cases", as_buf_view(&text));
    as_buf_clear(&text);
    if (isfinite(o->tokens_in)) {
        as_buff(&text, "about %s in", as_figure_count((uint64_t)o->tokens_in).text);
        if (isfinite(o->tokens_out))
            as_buff(&text, ", %s out", as_figure_count((uint64_t)o->tokens_out).text);
    } else {
        as_buf_text(&text, "not known");
    }
    put_line(t, "tokens", as_buf_view(&text));
    put_line(t, "time",
             isfinite(o->time_s) ? as_strf(&arena, "about %s", as_figure_seconds(o->time_s).text)
                                 : AS_STR("not known before a first run"));
    put_line(t, "cost",
             isfinite(o->cost)
                 ? as_strf(&arena, "about %s %.*s", as_figure_of(o->cost, AS_UNIT_MONEY).text,
                           AS_STR_ARG(o->currency))
                 : AS_STR("not known before a first run"));
    put_line(t, "estimates", as_strf(&arena, "from %.*s", AS_STR_ARG(o->basis)));
    as_buf_free(&text);
    as_arena_free(&arena);
}

static as_unit unit_of(const as_outlook_row *row) {
    return row->relative ? AS_UNIT_RATIO
                         : as_figure_measure(row->metric, AS_STR(""), row->margin).unit;
}

static void put_row(const as_terminal *t, const as_outlook_row *row, size_t width) {
    as_arena arena = {0};
    as_str name = row->gate.len ? row->gate
                                : as_strf(&arena, "%.*s%s%.*s%s", AS_STR_ARG(row->metric),
                                          row->slice.len ? "[" : "", AS_STR_ARG(row->slice),
                                          row->slice.len ? "]" : "");
    as_terminal_text(t, name, width);
    as_terminal_number(t, as_figure_count(row->cases).text, WIDE_CASES);
    as_terminal_number(t,
                       row->known  ? as_figure_size(row->mde, unit_of(row)).text
                       : row->drop ? "no history"
                                   : "",
                       WIDE_MDE);
    if (row->drop)
        as_terminal_number(t,
                           !row->known       ? ""
                           : row->needed     ? as_figure_count(row->needed).text
                           : row->margin > 0 ? "enough"
                                             : "any margin",
                           WIDE_NEEDED);
    as_buf_char(t->out, '\n');
    as_arena_free(&arena);
}

void as_report_outlook_terminal(as_buf *out, const as_outlook *o, bool color, size_t columns) {
    as_terminal t = as_terminal_of(out, color, columns);
    put_line(&t, "suite", o->suite);
    if (o->target.len) put_line(&t, "target", o->target);
    put_needs(&t, o);
    as_terminal_heading(&t, AS_STR("what these cases can show"));
    size_t taken = WIDE_CASES + WIDE_MDE + WIDE_NEEDED, width = NAME_MIN;
    if (t.columns > taken + NAME_MIN) width = t.columns - taken;
    if (width > NAME_MAX) width = NAME_MAX;
    as_terminal_style(&t, "2");
    as_terminal_text(&t, AS_STR("gate or slice"), width);
    as_terminal_number(&t, "cases", WIDE_CASES);
    as_terminal_number(&t, "shows from", WIDE_MDE);
    as_terminal_number(&t, "N needed", WIDE_NEEDED);
    as_terminal_style(&t, NULL);
    as_buf_char(out, '\n');
    for (size_t i = 0; i < o->count; i++) put_row(&t, &o->rows[i], width);
    as_buf text = {0};
    as_buff(&text,
            "Drops of that size are found 8 times in 10 (thresholds: values that far from the "
            "limit are told apart from it); N is what the gate's margin takes to be shown, or "
            "ruled out when nothing changed. %s of the cases turn between two runs: %.*s.",
            as_figure_of(o->flips, AS_UNIT_SHARE).text, AS_STR_ARG(o->spread));
    as_buf_char(out, '\n');
    as_terminal_wrap(&t, as_buf_view(&text), 0);
    as_buf_char(out, '\n');
    as_buf_free(&text);
}

// ---- JSON ----

static void put_json_row(as_json_out *jo, const as_outlook_row *row) {
    unsigned indent = as_jo_open_flat(jo, NULL);
    if (row->gate.len) as_jo_put_str(jo, "gate", row->gate);
    as_jo_put_str(jo, "metric", row->metric);
    if (row->slice.len) as_jo_put_str(jo, "slice", row->slice);
    as_jo_put_u64(jo, "cases", row->cases);
    as_jo_put_u64(jo, "clusters", row->clusters);
    as_jo_put_f64(jo, "margin", row->margin);
    as_jo_put_f64(jo, "mde", row->known ? row->mde : NAN);
    as_jo_put_u64(jo, "needed", row->needed);
    as_jo_put_bool(jo, "drop", row->drop);
    if (row->relative) as_jo_put_bool(jo, "relative", true);
    as_jo_put_bool(jo, "measured", row->measured);
    as_jo_close_flat(jo, indent);
}

static void put_json_rows(as_json_out *jo, const as_outlook *o, const char *key, bool gates) {
    as_jo_key(jo, key);
    as_jo_open(jo, '[');
    for (size_t i = 0; i < o->count; i++)
        if ((o->rows[i].gate.len > 0) == gates) put_json_row(jo, &o->rows[i]);
    as_jo_close(jo, ']');
}

void as_report_outlook_json(as_buf *out, const as_outlook *o) {
    as_json_out jo = {.buf = out, .indent = 1};
    as_jo_open(&jo, '{');
    as_jo_put_str(&jo, "suite", o->suite);
    as_jo_put_str(&jo, "target", o->target);
    as_jo_put_u64(&jo, "cases", o->cases);
    as_jo_put_u64(&jo, "clusters", o->clusters);
    as_jo_put_u64(&jo, "skipped", o->skipped);
    as_jo_key(&jo, "estimate");
    as_jo_open(&jo, '{');
    as_jo_put_f64(&jo, "tokens_in", o->tokens_in);
    as_jo_put_f64(&jo, "tokens_out", o->tokens_out);
    as_jo_put_f64(&jo, "time_s", o->time_s);
    as_jo_put_f64(&jo, "cost", o->cost);
    as_jo_put_str(&jo, "currency", o->currency);
    as_jo_put_str(&jo, "from", o->basis);
    as_jo_close(&jo, '}');
    as_jo_key(&jo, "flips");
    as_jo_open(&jo, '{');
    as_jo_put_f64(&jo, "share", o->flips);
    as_jo_put_str(&jo, "from", o->spread);
    as_jo_close(&jo, '}');
    put_json_rows(&jo, o, "gates", true);
    put_json_rows(&jo, o, "slices", false);
    as_jo_close(&jo, '}');
    as_buf_char(out, '\n');
}
