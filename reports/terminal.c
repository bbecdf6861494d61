// SPDX-License-Identifier: Apache-2.0
#include "reports/terminal.h"

#include <math.h>
#include <stdio.h>

#include "reports/content.h"
#include "reports/figures.h"
#include "reports/phrase.h"
#include "reports/report.h"
#include "reports/serving_out.h"

enum { COLUMNS_MIN = 40, COLUMNS_MAX = 160, NAME_MIN = 12, NAME_MAX = 40, SLICES_MAX = 60 };

#define BOLD "1"
#define DIM "2"

as_terminal as_terminal_of(as_buf *out, bool color, size_t columns) {
    if (!columns) columns = 80;
    if (columns < COLUMNS_MIN) columns = COLUMNS_MIN;
    if (columns > COLUMNS_MAX) columns = COLUMNS_MAX; // longer lines are hard to read
    return (as_terminal){out, color, columns};
}

void as_terminal_style(const as_terminal *t, const char *code) {
    if (t->color) as_buff(t->out, "\x1b[%sm", code ? code : "0");
}

const char *as_terminal_code(as_verdict verdict) {
    static const char *const codes[] = {"32", "1;31", "33", DIM, "35"};
    return codes[verdict];
}

static void spaces(as_buf *out, size_t count) {
    as_buff(out, "%*s", (int)count, "");
}

void as_terminal_text(const as_terminal *t, as_str text, size_t width) {
    size_t used = as_content_terminal(t->out, text, width);
    if (used < width) spaces(t->out, width - used);
}

void as_terminal_number(const as_terminal *t, const char *text, size_t width) {
    size_t used = as_content_width(as_str_of(text));
    if (used < width) spaces(t->out, width - used);
    as_buf_text(t->out, text);
}

void as_terminal_wrap(const as_terminal *t, as_str text, size_t indent) {
    size_t at = indent;
    for (bool first = true; text.ptr; first = false) {
        as_str word = as_str_cut(&text, ' ');
        size_t width = as_content_width(word);
        if (!first && at + 1 + width > t->columns) {
            as_buf_char(t->out, '\n');
            spaces(t->out, indent);
            at = indent;
        } else if (!first) {
            as_buf_char(t->out, ' ');
            at++;
        }
        at += as_content_terminal(t->out, word, t->columns - indent);
    }
}

void as_terminal_heading(const as_terminal *t, as_str text) {
    as_buf_char(t->out, '\n');
    as_terminal_style(t, BOLD);
    as_content_terminal(t->out, text, t->columns);
    as_terminal_style(t, NULL);
    as_buf_char(t->out, '\n');
}

// ---- gate ----

static void put_check(const as_terminal *t, const as_summary *run, const as_check *check) {
    enum { INDENT = 15 };
    as_buf reason = {0};
    as_terminal_style(t, as_terminal_code(check->verdict));
    as_buff(t->out, "%s %-12s ", as_phrase_mark(check->verdict), as_phrase_check(check->verdict));
    as_terminal_style(t, NULL);
    as_content_terminal(t->out, check->gate, t->columns - INDENT);
    as_buf_char(t->out, '\n');
    as_phrase_reason(&reason, run, check);
    if (as_phrase_has_note(check)) {
        as_buf_text(&reason, ": ");
        as_content_terminal(&reason, check->note, AS_CLIP_LINE);
    }
    spaces(t->out, INDENT);
    as_terminal_wrap(t, as_buf_view(&reason), INDENT);
    as_buf_char(t->out, '\n');
    as_buf_free(&reason);
}

static void put_verdict(const as_terminal *t, const as_gate *gate) {
    bool judged = gate->count || gate->verdict != AS_PASS;
    as_buf text = {0};
    as_buff(&text, "%s: ", as_phrase_verdict(gate));
    as_phrase_gate(&text, gate);
    as_buf_char(t->out, '\n');
    as_terminal_style(t, judged ? as_terminal_code(gate->verdict) : DIM);
    as_terminal_wrap(t, as_buf_view(&text), 0);
    as_terminal_style(t, NULL);
    as_buf_char(t->out, '\n');
    as_buf_free(&text);
}

void as_terminal_gate(const as_terminal *t, const as_summary *run, const as_gate *gate) {
    if (gate->count) {
        as_arena arena = {0};
        as_terminal_heading(t, gate->baseline.len ? as_strf(&arena, "gate, against run %.*s",
                                                            AS_STR_ARG(gate->baseline))
                                                  : AS_STR("gate"));
        as_arena_free(&arena);
    }
    for (size_t i = 0; i < gate->count; i++) put_check(t, run, &gate->checks[i]);
    put_verdict(t, gate);
}

// ---- a run ----

static void put_head(const as_terminal *t, const as_summary *run) {
    as_buf line = {0};
    as_terminal_style(t, BOLD);
    as_content_terminal(t->out, run->suite, t->columns);
    as_terminal_style(t, NULL);
    as_buf_char(t->out, '\n');
    as_content_terminal(t->out, run->model_name.len ? run->model_name : run->target_uri,
                        t->columns);
    as_phrase_asked(&line, run);
    if (run->errors) as_buff(&line, ", %s without an answer", as_figure_count(run->errors).text);
    if (run->skipped) as_buff(&line, ", %s skipped", as_figure_count(run->skipped).text);
    if (isfinite(run->wall_s) && run->wall_s > 0)
        as_buff(&line, " in %s", as_figure_seconds(run->wall_s).text);
    if (isfinite(run->latency.p50))
        as_buff(&line, ", latency p50 %s, p95 %s", as_figure_of(run->latency.p50, AS_UNIT_MS).text,
                as_figure_of(run->latency.p95, AS_UNIT_MS).text);
    as_buf_char(t->out, '\n');
    as_terminal_wrap(t, as_buf_view(&line), 0);
    as_buf_char(t->out, '\n');
    as_buf_free(&line);
}

// What became of the cases, where not all were simply answered.
static void put_outcomes(const as_terminal *t, const as_summary *run) {
    uint64_t all = 0;
    for (int i = 0; i < AS_OUT_COUNT; i++) all += run->outcomes[i];
    if (all == run->outcomes[AS_OUT_OK]) return;
    as_buf_char(t->out, '\n');
    as_terminal_style(t, BOLD);
    as_buff(t->out, "%-12s %8s %7s  %s\n", "outcome", "cases", "share", "is");
    as_terminal_style(t, NULL);
    for (int i = 0; i < AS_OUT_COUNT; i++) {
        uint64_t count = run->outcomes[i];
        if (!count) continue;
        bool error = as_outcome_is_error((as_outcome)i);
        as_buff(t->out, "%-12s %8s %6.1f%%  %s\n", as_outcome_name((as_outcome)i),
                as_figure_count(count).text, 100 * (double)count / (double)all,
                error ? "the target's failure: not scored" : "the model's answer: scored");
    }
}

enum { WIDE_VALUE = 9, WIDE_INTERVAL = 18, WIDE_COUNT = 8, WIDE_BASE = 9, WIDE_CHANGE = 11 };

static size_t name_width(const as_terminal *t, bool baseline) {
    size_t taken =
        WIDE_VALUE + WIDE_INTERVAL + WIDE_COUNT + 3 + (baseline ? WIDE_BASE + WIDE_CHANGE + 2 : 0);
    size_t left = t->columns > taken + NAME_MIN ? t->columns - taken : NAME_MIN;
    return left > NAME_MAX ? NAME_MAX : left;
}

static void put_value(const as_terminal *t, as_str name, const as_value *v, const as_value *base,
                      bool baseline) {
    as_unit unit = as_figure_measure(v->name, v->spec, v->value).unit;
    as_terminal_text(t, name, name_width(t, baseline));
    as_buf_char(t->out, ' ');
    as_terminal_number(t, as_figure_of(v->value, unit).text, WIDE_VALUE);
    as_buf_char(t->out, ' ');
    as_terminal_number(t, as_figure_interval(v->ci, unit).text, WIDE_INTERVAL);
    as_buf_char(t->out, ' ');
    as_terminal_number(t, as_figure_count(v->n).text, WIDE_COUNT);
    if (baseline) {
        double before = base ? base->value : NAN;
        as_buf_char(t->out, ' ');
        as_terminal_number(t, as_figure_of(before, unit).text, WIDE_BASE);
        as_buf_char(t->out, ' ');
        as_terminal_number(t, as_figure_change(v->value - before, unit).text, WIDE_CHANGE);
    }
    as_buf_char(t->out, '\n');
}

static void put_columns(const as_terminal *t, as_str first, bool baseline) {
    as_terminal_style(t, BOLD);
    as_terminal_text(t, first, name_width(t, baseline));
    as_terminal_style(t, NULL);
    as_terminal_style(t, DIM);
    as_buff(t->out, " %*s %*s %*s", WIDE_VALUE, "value", WIDE_INTERVAL, "95% interval", WIDE_COUNT,
            "n");
    if (baseline) as_buff(t->out, " %*s %*s", WIDE_BASE, "baseline", WIDE_CHANGE, "change");
    as_terminal_style(t, NULL);
    as_buf_char(t->out, '\n');
}

static void put_slices(const as_terminal *t, const as_summary *run, const as_summary *baseline) {
    if (!run->slice_count || !run->metric_count) return;
    as_arena arena = {0};
    as_str metric = run->metrics[0].name;
    as_buf_char(t->out, '\n');
    put_columns(t, as_strf(&arena, "%.*s by slice", AS_STR_ARG(as_content_clip(metric, 60))),
                baseline);
    for (size_t i = 0; i < run->slice_count && i < SLICES_MAX; i++) {
        as_str slice = run->slices[i].slice;
        const as_value *v = as_summary_value(run, metric, slice);
        if (v)
            put_value(t, slice, v, baseline ? as_summary_value(baseline, metric, slice) : NULL,
                      baseline);
    }
    if (run->slice_count > SLICES_MAX)
        as_buff(t->out, "and %zu more slices in summary.json\n", run->slice_count - SLICES_MAX);
    as_arena_free(&arena);
}

// How far the answers to one case differ, by the first metric that several answers give a mean of.
static void put_spread(const as_terminal *t, const as_summary *run) {
    as_buf text = {0};
    for (size_t i = 0; i < run->metric_count && !text.len; i++)
        as_phrase_spread(&text, &run->metrics[i]);
    if (text.len) {
        as_terminal_wrap(t, as_buf_view(&text), 0);
        as_buf_char(t->out, '\n');
    }
    as_buf_free(&text);
}

static void put_judges(const as_terminal *t, const as_summary *run) {
    for (size_t i = 0; i < run->metric_count; i++) {
        as_buf text = {0};
        as_phrase_judge(&text, &run->metrics[i]);
        if (text.len) {
            as_content_terminal(t->out, run->metrics[i].name, NAME_MAX);
            as_buf_text(t->out, ": ");
            as_terminal_wrap(t, as_buf_view(&text), 2);
            as_buf_char(t->out, '\n');
        }
        as_buf_free(&text);
    }
}

void as_report_values_terminal(as_buf *out, const as_summary *run, bool color, size_t columns) {
    as_terminal t = as_terminal_of(out, color, columns);
    put_columns(&t, AS_STR("metric"), false);
    for (size_t i = 0; i < run->metric_count; i++)
        put_value(&t, run->metrics[i].name, &run->metrics[i], NULL, false);
    put_slices(&t, run, NULL);
}

void as_report_terminal(as_buf *out, const as_summary *run, const as_summary *baseline, bool color,
                        size_t columns) {
    as_terminal t = as_terminal_of(out, color, columns);
    put_head(&t, run);
    put_outcomes(&t, run);
    as_buf_char(out, '\n');
    if (run->metric_count) put_columns(&t, AS_STR("metric"), baseline);
    for (size_t i = 0; i < run->metric_count; i++) {
        const as_value *v = &run->metrics[i];
        put_value(&t, v->name, v, baseline ? as_summary_value(baseline, v->name, AS_STR("")) : NULL,
                  baseline);
    }
    put_spread(&t, run);
    put_judges(&t, run);
    put_slices(&t, run, baseline);
    as_serving_text(&t, &run->serving);
    as_terminal_gate(&t, run, &run->gate);
}

// ---- history ----

typedef struct history_columns {
    size_t id, suite, tag;
} history_columns;

static history_columns history_layout(const as_terminal *t, const as_summary *runs,
                                      const as_str *tags, size_t count) {
    enum { FIXED = 12 + 8 + 10 + 4, SUITE_MIN = 8, TAG_MAX = 12 };
    history_columns c = {.id = 3};
    for (size_t i = 0; i < count; i++) {
        size_t id = as_content_width(as_content_clip(runs[i].run, 60));
        size_t tag = tags ? as_content_width(as_content_clip(tags[i], TAG_MAX)) : 0;
        if (id > c.id) c.id = id;
        if (tag > c.tag) c.tag = tag > TAG_MAX ? TAG_MAX : tag;
    }
    size_t room = t->columns > FIXED + c.tag + 1 ? t->columns - FIXED - c.tag - 1 : 0;
    size_t id_most = room > SUITE_MIN + NAME_MIN ? room - SUITE_MIN : NAME_MIN;
    if (c.id > id_most) c.id = id_most; // whole ids: a person copies them
    c.suite = room > c.id + SUITE_MIN ? room - c.id : SUITE_MIN;
    if (c.suite > NAME_MAX) c.suite = NAME_MAX;
    return c;
}

static void history_row(const as_terminal *t, const as_summary *run, as_str tag,
                        const history_columns *c) {
    bool judged = run->gate.count || run->gate.verdict != AS_PASS;
    as_terminal_text(t, run->run, c->id);
    as_buf_char(t->out, ' ');
    as_terminal_style(t, judged ? as_terminal_code(run->gate.verdict) : DIM);
    as_terminal_text(t, as_str_of(judged ? as_phrase_check(run->gate.verdict) : "no gate"), 12);
    as_terminal_style(t, NULL);
    as_buf_char(t->out, ' ');
    const as_value *v = run->metric_count ? &run->metrics[0] : NULL;
    as_unit unit = v ? as_figure_measure(v->name, v->spec, v->value).unit : AS_UNIT_NUMBER;
    as_terminal_number(t, v ? as_figure_of(v->value, unit).text : "", 8);
    as_buf_char(t->out, ' ');
    as_terminal_text(t, v ? v->name : AS_STR(""), 10);
    as_buf_char(t->out, ' ');
    if (tag.len) {
        as_terminal_text(t, run->suite, c->suite);
        as_buf_char(t->out, ' ');
        as_content_terminal(t->out, tag, c->tag);
    } else {
        as_content_terminal(t->out, run->suite, c->suite);
    }
    as_buf_char(t->out, '\n');
}

void as_report_history_terminal(as_buf *out, const as_summary *runs, const as_str *tags,
                                size_t count, bool color, size_t columns) {
    as_terminal t = as_terminal_of(out, color, columns);
    if (!count) {
        as_buf_text(out, "no runs\n");
        return;
    }
    history_columns c = history_layout(&t, runs, tags, count);
    as_terminal_style(&t, BOLD);
    as_terminal_text(&t, AS_STR("run"), c.id);
    as_buff(out, " %-12s %8s %-10s ", "verdict", "value", "metric");
    as_terminal_text(&t, AS_STR("suite"), c.tag ? c.suite : 5);
    if (c.tag) as_buf_text(out, " tag");
    as_terminal_style(&t, NULL);
    as_buf_char(out, '\n');
    for (size_t i = 0; i < count; i++) history_row(&t, &runs[i], tags ? tags[i] : AS_STR(""), &c);
}
