// SPDX-License-Identifier: Apache-2.0
// The cases themselves: those that flipped, those that are mixed up, those that failed.
#include "reports/html_parts.h"

#include <math.h>
#include <stdlib.h>

#include "reports/content.h"
#include "reports/figures.h"
#include "reports/page.h"
#include "reports/svg.h"

enum { FLIPS_MAX = 100, FLIPS_OPEN = 10, FAILURES_MAX = 200, PAIRS_MAX = 10, TAGS_MAX = 8 };
// Once the failing cases take this many bytes, the rest of them is clipped to a line each.
enum { READING_BYTES_MAX = 256 * 1024 };

#define ARROW "<span class=\"arrow\" aria-hidden=\"true\">\xe2\x86\x92</span>"

static void put_or_none(as_buf *out, const char *tag, const char *css_class, as_str text,
                        size_t most) {
    if (text.len)
        as_page_text(out, tag, css_class, text, most);
    else
        as_buff(out, "<%s class=\"nothing\">nothing</%s>", tag, tag);
}

// ---- flips ----

static bool broke(const as_flip *flip) {
    return flip->after_score < flip->before_score;
}

static void flip_item(as_buf *out, const as_flip *flip) {
    as_buf_text(out, "<li>");
    as_page_text(out, "code", "id", flip->id, AS_CLIP_NAME);
    if (flip->input.len) as_page_text(out, "p", "in", flip->input, AS_CLIP_LINE);
    as_buf_text(out, "<p class=\"turn\">");
    put_or_none(out, "span", broke(flip) ? "right" : "wrong", flip->before, AS_CLIP_NAME);
    as_buf_text(out, ARROW);
    put_or_none(out, "span", broke(flip) ? "wrong" : "right", flip->after, AS_CLIP_NAME);
    // The right answer is one of the two, unless neither text equals it (extraction, lists).
    if (!as_str_eq(flip->expected, broke(flip) ? flip->before : flip->after)) {
        as_buf_text(out, "<span class=\"soft\">expected ");
        as_page_text(out, "bdi", NULL, flip->expected, AS_CLIP_NAME);
        as_buf_text(out, "</span>");
    }
    as_buf_text(out, "</p></li>\n");
}

// The first few in sight, the others a click away.
static void flip_list(as_buf *out, const as_findings *f, bool want_broke) {
    size_t count = 0, shown = 0;
    for (size_t i = 0; i < f->flip_count; i++) count += broke(&f->flips[i]) == want_broke;
    as_buff(out, "<div><h3>%s <span class=\"count\">%s</span></h3>\n<ol class=\"flips\">\n",
            want_broke ? "Broke" : "Fixed", as_figure_count(count).text);
    for (size_t i = 0; i < f->flip_count && shown < FLIPS_MAX; i++) {
        if (broke(&f->flips[i]) != want_broke) continue;
        if (shown++ == FLIPS_OPEN)
            as_buff(out,
                    "</ol>\n<details class=\"more\"><summary>%s more</summary>\n"
                    "<ol class=\"flips\">\n",
                    as_figure_count(count - FLIPS_OPEN).text);
        flip_item(out, &f->flips[i]);
    }
    as_buf_text(out, "</ol>\n");
    if (count > shown)
        as_buff(out, "<p class=\"aside\">and %s that are not listed</p>\n",
                as_figure_count(count - shown).text);
    if (shown > FLIPS_OPEN) as_buf_text(out, "</details>\n");
    as_buf_text(out, "</div>\n");
}

void as_html_flips(as_buf *out, const as_html *page) {
    if (!page->findings->flip_count) return;
    as_page_section(out, "flips", "Flipped cases",
                    "Answered differently than by the baseline, and the score turned.");
    size_t count = page->findings->flip_count, worse = 0;
    for (size_t i = 0; i < count; i++) worse += broke(&page->findings->flips[i]);
    bool lone = !worse || worse == count; // one list alone stands in two columns
    as_buff(out, "<div class=\"sides%s\">\n", lone ? " lone" : "");
    if (worse) flip_list(out, page->findings, true);
    if (worse < count) flip_list(out, page->findings, false);
    as_buf_text(out, "</div>\n");
    if (lone) as_buff(out, "<p class=\"aside\">No case %s.</p>\n", worse ? "was fixed" : "broke");
    as_page_section_end(out);
}

// ---- confusion ----

typedef struct pair {
    size_t row, column;
    uint64_t count, total;
} pair;

// The pairs confused most, in falling order; equal ones in the order of the labels.
static size_t worst_pairs(const as_confusion *c, pair out[PAIRS_MAX]) {
    size_t count = 0;
    for (size_t row = 0; row < c->count; row++) {
        uint64_t total = 0;
        for (size_t i = 0; i < c->count; i++) total += c->cells[row * c->count + i];
        for (size_t column = 0; column < c->count; column++) {
            uint64_t n = c->cells[row * c->count + column];
            if (row == column || !n) continue;
            if (count == PAIRS_MAX && n <= out[count - 1].count) continue;
            size_t at = count < PAIRS_MAX ? count++ : count - 1;
            for (; at > 0 && out[at - 1].count < n; at--) out[at] = out[at - 1];
            out[at] = (pair){row, column, n, total};
        }
    }
    return count;
}

static void put_pairs(as_buf *out, const as_confusion *c) {
    pair pairs[PAIRS_MAX];
    size_t count = worst_pairs(c, pairs);
    if (!count) {
        as_buf_text(out, "<div><p>No label is mistaken for another.</p></div>\n");
        return;
    }
    as_buf_text(out, "<div><h3>Most confused</h3>\n<ol class=\"pairs\">\n");
    for (size_t i = 0; i < count; i++) {
        as_buf_text(out, "<li>");
        as_page_text(out, "b", NULL, c->labels[pairs[i].row], AS_CLIP_NAME);
        as_buf_text(out, " taken for ");
        as_page_text(out, "b", NULL, c->labels[pairs[i].column], AS_CLIP_NAME);
        as_buff(out, ": %s of %s <span class=\"soft\">(%s)</span></li>\n",
                as_figure_count(pairs[i].count).text, as_figure_count(pairs[i].total).text,
                as_figure_of((double)pairs[i].count / (double)pairs[i].total, AS_UNIT_SHARE).text);
    }
    as_buf_text(out, "</ol></div>\n");
}

void as_html_confusion(as_buf *out, const as_html *page) {
    const as_confusion *c = &page->findings->confusion;
    if (!c->count) return;
    bool drawn = c->count <= AS_SVG_HEAT_MAX;
    as_page_section(out, "confusion", "Confusion",
                    drawn ? "A row is what was expected, a column what was predicted. The deeper "
                            "the colour, the larger the share of the row; at its end stand the "
                            "share found and the cases."
                          : NULL);
    as_buf_text(out, "<div class=\"matrix\">\n");
    if (drawn) {
        as_buf_text(out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
                         "aria-label=\"Confusion matrix\">\n");
        as_svg_heat(out, c);
        as_buf_text(out, "</div>\n");
    } else {
        as_buff(out, "<p class=\"aside\">%zu labels are too many to draw.</p>\n", c->count);
    }
    put_pairs(out, c);
    as_buf_text(out, "</div>\n");
    as_page_section_end(out);
}

// ---- failing cases ----

// The surest mistakes first, then those without a margin, then what has no answer at all; equal
// ones in the order given.
static int by_reading_order(const void *a, const void *b) {
    const as_failure *x = *(const as_failure *const *)a, *y = *(const as_failure *const *)b;
    bool error_x = as_outcome_is_error(x->outcome), error_y = as_outcome_is_error(y->outcome);
    if (error_x != error_y) return error_x ? 1 : -1;
    bool bare_x = isnan(x->margin), bare_y = isnan(y->margin);
    if (bare_x != bare_y) return bare_x ? 1 : -1;
    if (!bare_x && x->margin != y->margin) return x->margin > y->margin ? -1 : 1;
    return (x > y) - (x < y);
}

static void failure_line(as_buf *out, const as_failure *f, size_t most) {
    as_buf_text(out, "<summary>");
    as_page_text(out, "code", "id", f->id, AS_CLIP_NAME);
    as_buf_text(out, "<span class=\"in\">");
    put_or_none(out, "bdi", NULL, f->input, most);
    as_buf_text(out, "</span><span class=\"turn\">");
    put_or_none(out, "span", "right", f->expected, AS_CLIP_NAME);
    as_buf_text(out, ARROW);
    if (as_outcome_is_error(f->outcome))
        as_buff(out, "<span class=\"wrong\">%s</span>", as_outcome_name(f->outcome));
    else
        put_or_none(out, "span", "wrong", f->prediction, AS_CLIP_NAME);
    as_buf_text(out, "</span></summary>\n");
}

static void put_tags(as_buf *out, const as_failure *f) {
    if (!f->slice_count) return;
    as_buf_text(out, "<div><dt>Slices</dt><dd>");
    for (size_t i = 0; i < f->slice_count && i < TAGS_MAX; i++)
        as_page_text(out, "span", "tag", f->slices[i], AS_CLIP_NAME / 2);
    as_buf_text(out, "</dd></div>\n");
}

static void put_answer(as_buf *out, const char *name, as_str text, size_t most) {
    if (!text.len) return;
    as_buff(out, "<div><dt>%s</dt>", name);
    as_page_text(out, "dd", NULL, text, most);
    as_buf_text(out, "</div>\n");
}

static void failure_item(as_buf *out, const as_failure *f, size_t most) {
    bool clipped = as_content_clip(f->expected, AS_CLIP_NAME).len < f->expected.len ||
                   as_content_clip(f->prediction, AS_CLIP_NAME).len < f->prediction.len;
    as_buf_text(out, "<details>");
    failure_line(out, f, most);
    as_buf_text(out, "<dl>\n");
    if (clipped) {
        put_answer(out, "Expected", f->expected, most);
        put_answer(out, "Predicted", f->prediction, most);
    }
    if (!as_str_eq(f->output, f->prediction)) put_answer(out, "Output", f->output, most);
    put_answer(out, "Error", f->error, most);
    if (f->outcome != AS_OUT_OK && !as_outcome_is_error(f->outcome))
        as_page_fact_text(out, "Outcome", as_outcome_name(f->outcome));
    if (isfinite(f->score) && f->score != 0)
        as_page_fact_text(out, "Score", as_figure_of(f->score, AS_UNIT_COEFFICIENT).text);
    if (isfinite(f->margin)) {
        as_buff(out, "<div><dt>Margin</dt><dd>%.2f nats", f->margin);
        if (f->margin < 500)
            as_buff(out, ": the wrong choice was held %.*f times as likely",
                    exp(f->margin) < 10 ? 1 : 0, exp(f->margin));
        as_buf_text(out, "</dd></div>\n");
    }
    put_tags(out, f);
    as_buf_text(out, "</dl></details>\n");
}

static void failures_head(as_buf *out, const as_findings *f, size_t shown, bool margins) {
    as_page_section(out, "failures", "Failing cases", NULL);
    as_buff(out, "<p class=\"aside\">%s scored below 1 or could not be scored",
            as_figure_count(f->failure_total).text);
    if (shown < f->failure_total)
        as_buff(out, "; %s of them are here, results.jsonl has all", as_figure_count(shown).text);
    as_buff(out, "%s. Expected %s predicted.</p>\n",
            margins ? "; the surest mistakes come first" : "", ARROW);
}

void as_html_failures(as_buf *out, const as_html *page) {
    const as_findings *f = page->findings;
    if (!f->failure_count) return;
    size_t shown = f->failure_count < FAILURES_MAX ? f->failure_count : FAILURES_MAX;
    as_arena arena = {0};
    const as_failure **order = AS_NEW_ARRAY(&arena, const as_failure *, f->failure_count);
    for (size_t i = 0; i < f->failure_count; i++) order[i] = &f->failures[i];
    qsort(order, f->failure_count, sizeof *order, by_reading_order);
    failures_head(out, f, shown, !isnan(order[0]->margin));
    as_buf_text(out, "<div class=\"cases\">\n");
    for (size_t i = 0, from = out->len; i < shown; i++)
        failure_item(out, order[i],
                     out->len - from < READING_BYTES_MAX ? AS_CLIP_TEXT : AS_CLIP_LINE);
    as_buf_text(out, "</div>\n");
    as_page_section_end(out);
    as_arena_free(&arena);
}
