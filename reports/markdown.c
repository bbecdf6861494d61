// SPDX-License-Identifier: Apache-2.0
// Markdown for step summaries and pull-request comments. All content is in code spans (content.h).
#include "reports/report.h"

#include <math.h>

#include "reports/content.h"
#include "reports/figures.h"
#include "reports/phrase.h"

enum { BYTES_MAX = 60000, ROWS_MAX = 100, FLIPS_MAX = 20, ROOM = 4000 };

// Whether another row may be added: rows are short, and what follows must find room too.
static bool has_room(const as_buf *out, size_t from) {
    return out->len - from < BYTES_MAX - ROOM;
}

// What found no room, in words.
static void put_rest(as_buf *out, size_t count, const char *what) {
    if (count) as_buff(out, "\nand %s more %s in the report\n", as_figure_count(count).text, what);
}

static void put_icon(as_buf *out, as_verdict verdict) {
    static const char *const icons[] = {"\xe2\x9c\x85", "\xe2\x9d\x8c", "\xe2\x9d\x94",
                                        "\xe2\x9e\x96", "\xe2\x9a\xa0\xef\xb8\x8f"};
    as_buf_text(out, icons[verdict]);
}

static void put_head(as_buf *out, const as_summary *run) {
    const as_gate *gate = &run->gate;
    bool judged = gate->count || gate->verdict != AS_PASS;
    as_buf_text(out, "## ");
    put_icon(out, judged ? gate->verdict : AS_NO_BASELINE);
    as_buff(out, " %s: ", as_phrase_verdict(gate));
    as_content_code(out, run->suite, AS_CLIP_NAME);
    as_buf_text(out, "\n\n");
    size_t from = out->len;
    as_phrase_gate(out, gate);
    if (out->ptr[from] >= 'a' && out->ptr[from] <= 'z') out->ptr[from] -= 'a' - 'A';
    as_buf_text(out, ". ");
    as_phrase_asked(out, run);
    if (run->errors) as_buff(out, ", %s without an answer", as_figure_count(run->errors).text);
    as_buf_text(out, ", model ");
    as_content_code(out, run->model_name.len ? run->model_name : run->target_uri, AS_CLIP_NAME);
    if (gate->baseline.len) {
        as_buf_text(out, ", against run ");
        as_content_code(out, gate->baseline, AS_CLIP_NAME);
    }
    as_buf_text(out, ".\n");
}

static void put_check(as_buf *out, const as_summary *run, const as_check *check) {
    as_buf_text(out, "| ");
    put_icon(out, check->verdict);
    as_buff(out, " %s | ", as_phrase_check(check->verdict));
    as_content_code(out, check->gate, AS_CLIP_NAME);
    as_buf_text(out, " | ");
    as_phrase_reason(out, run, check);
    if (as_phrase_has_note(check)) {
        as_buf_text(out, ": ");
        as_content_code(out, check->note, AS_CLIP_LINE);
    }
    as_buf_text(out, " |\n");
}

// In the order of the suite; where there are too many, those that do not pass come first.
static void put_gate(as_buf *out, const as_summary *run, size_t from) {
    const as_gate *gate = &run->gate;
    bool many = gate->count > ROWS_MAX;
    size_t shown = 0;
    if (!gate->count) return;
    as_buf_text(out, "\n| | check | what was found |\n| --- | --- | --- |\n");
    for (int turn = 0; turn < (many ? 2 : 1); turn++)
        for (size_t i = 0; i < gate->count && shown < ROWS_MAX && has_room(out, from); i++) {
            if (many && (gate->checks[i].verdict == AS_PASS) != (turn == 1)) continue;
            put_check(out, run, &gate->checks[i]);
            shown++;
        }
    put_rest(out, gate->count - shown, "checks");
}

static void put_judges(as_buf *out, const as_summary *run, size_t from) {
    for (size_t i = 0; i < run->metric_count && i < ROWS_MAX && has_room(out, from); i++) {
        if (!run->metrics[i].judge) continue;
        as_buf_char(out, '\n');
        as_content_code(out, run->metrics[i].name, AS_CLIP_NAME);
        as_buf_text(out, ": ");
        as_phrase_judge(out, &run->metrics[i]);
        as_buf_text(out, ".\n");
    }
}

static void put_metrics(as_buf *out, const as_summary *run, const as_summary *baseline,
                        size_t from) {
    if (!run->metric_count) return;
    as_buf_text(out, "\n| metric | value | 95% interval | n |");
    as_buf_text(out, baseline ? " baseline | change |\n" : "\n");
    as_buf_text(out, "| --- | ---: | ---: | ---: |");
    as_buf_text(out, baseline ? " ---: | ---: |\n" : "\n");
    size_t shown = 0;
    for (size_t i = 0; i < run->metric_count && i < ROWS_MAX && has_room(out, from); i++, shown++) {
        const as_value *v = &run->metrics[i];
        as_unit unit = as_figure_measure(v->name, v->spec, v->value).unit;
        as_buf_text(out, "| ");
        as_content_code(out, v->name, AS_CLIP_NAME);
        as_buff(out, " | %s | %s | %s |", as_figure_of(v->value, unit).text,
                as_figure_interval(v->ci, unit).text, as_figure_count(v->n).text);
        if (baseline) {
            const as_value *b = as_summary_value(baseline, v->name, AS_STR(""));
            double before = b ? b->value : NAN;
            as_buff(out, " %s | %s |", as_figure_of(before, unit).text,
                    as_figure_change(v->value - before, unit).text);
        }
        as_buf_char(out, '\n');
    }
    put_rest(out, run->metric_count - shown, "metrics");
    put_judges(out, run, from);
}

static void put_flips(as_buf *out, const as_findings *f, bool want_broke, size_t from) {
    size_t count = 0, shown = 0;
    for (size_t i = 0; i < f->flip_count; i++)
        count += (f->flips[i].after_score < f->flips[i].before_score) == want_broke;
    if (!count) return;
    as_buff(out,
            "\n<details><summary>%s %s %s</summary>\n\n| case | before | after | input |\n"
            "| --- | --- | --- | --- |\n",
            as_figure_count(count).text, count == 1 ? "case" : "cases",
            want_broke ? "broke" : "fixed");
    for (size_t i = 0; i < f->flip_count && shown < FLIPS_MAX && has_room(out, from); i++) {
        const as_flip *flip = &f->flips[i];
        if ((flip->after_score < flip->before_score) != want_broke) continue;
        as_str cells[] = {flip->id, flip->before, flip->after, flip->input};
        for (size_t c = 0; c < 4; c++) {
            as_buf_text(out, "| ");
            as_content_code(out, cells[c], AS_CLIP_NAME);
            as_buf_char(out, ' ');
        }
        as_buf_text(out, "|\n");
        shown++;
    }
    if (count > shown)
        as_buff(out, "\nand %s more in the report\n", as_figure_count(count - shown).text);
    as_buf_text(out, "\n</details>\n");
}

static void put_origin(as_buf *out, const as_summary *run) {
    as_buf_text(out, "\nRun ");
    as_content_code(out, run->run, AS_CLIP_NAME);
    if (run->dataset_sha256.len) {
        as_buf_text(out, ", dataset ");
        as_content_code(out, as_str_sub(run->dataset_sha256, 0, 12), 12);
    }
    if (run->git_commit.len) {
        as_buf_text(out, ", commit ");
        as_content_code(out, as_str_sub(run->git_commit, 0, 12), 12);
    }
    as_buf_text(out, ".\n");
}

void as_report_markdown(as_buf *out, const as_summary *run, const as_summary *baseline,
                        const as_findings *findings) {
    size_t from = out->len;
    put_head(out, run);
    put_gate(out, run, from);
    put_metrics(out, run, baseline, from);
    if (findings) {
        put_flips(out, findings, true, from);
        put_flips(out, findings, false, from);
    }
    put_origin(out, run);
}
