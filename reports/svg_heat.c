// SPDX-License-Identifier: Apache-2.0
// The confusion matrix as a drawing of fixed size: a cell must stay large enough to read.
#include "reports/svg.h"

#include <math.h>

#include "reports/content.h"

typedef struct heat {
    const as_confusion *c;
    int cell, left, top; // pixels
    bool titles;         // a tooltip for every cell that counts something
} heat;

static uint64_t row_total(const as_confusion *c, size_t row) {
    uint64_t total = 0;
    for (size_t i = 0; i < c->count; i++) total += c->cells[row * c->count + i];
    return total;
}

static heat heat_of(const as_confusion *c) {
    size_t longest = 4, filled = 0;
    for (size_t i = 0; i < c->count; i++) {
        size_t width = as_content_width(as_content_clip(c->labels[i], 24));
        if (width > longest) longest = width;
    }
    for (size_t i = 0; i < c->count * c->count; i++) filled += c->cells[i] > 0;
    int cell = (int)(700 / c->count);
    int label = (int)(longest > 26 ? 26 : longest) * 7 + 12;
    return (heat){c, cell < 23 ? 23 : cell > 52 ? 52 : cell, label, label * 7 / 8, filled <= 500};
}

static void heat_label(as_buf *out, as_str label) {
    as_str clip = as_content_clip(label, 24);
    as_content_markup(out, clip, 24);
    if (clip.len < label.len) as_buf_text(out, "\xe2\x80\xa6");
}

static void heat_names(as_buf *out, const heat *h) {
    for (size_t i = 0; i < h->c->count; i++) {
        int at = (int)i * h->cell + h->cell / 2;
        as_buff(out, "<text class=\"end\" x=\"%d\" y=\"%d\">", h->left - 8, h->top + at + 4);
        heat_label(out, h->c->labels[i]);
        as_buff(out, "</text><text transform=\"translate(%d %d)rotate(-55)\">", h->left + at + 4,
                h->top - 8);
        heat_label(out, h->c->labels[i]);
        as_buf_text(out, "</text>\n");
    }
}

static void heat_cell(as_buf *out, const heat *h, size_t row, size_t column, uint64_t total) {
    uint64_t n = h->c->cells[row * h->c->count + column];
    if (!n) return;
    double share = (double)n / (double)total;
    // A floor, so that one case in hundreds is still seen.
    double depth = 0.12 + 0.88 * sqrt(share);
    int x = h->left + (int)column * h->cell, y = h->top + (int)row * h->cell;
    as_buff(
        out,
        "<rect class=\"%s\" fill-opacity=\"%.2f\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\">",
        row == column ? "right" : "wrong", depth, x + 1, y + 1, h->cell - 2, h->cell - 2);
    if (h->titles) {
        as_buf_text(out, "<title>");
        as_content_markup(out, h->c->labels[row], AS_CLIP_NAME);
        as_buf_text(out, row == column ? " found in " : " taken for ");
        if (row != column) as_content_markup(out, h->c->labels[column], AS_CLIP_NAME);
        as_buff(out, "%s%s of %s</title>", row == column ? "" : " in ", as_figure_count(n).text,
                as_figure_count(total).text);
    }
    as_buff(out, "</rect><text class=\"n%s\" x=\"%d\" y=\"%d\">%llu</text>\n",
            depth > 0.55 ? " on" : "", x + h->cell / 2, y + h->cell / 2 + 4, (unsigned long long)n);
}

static void heat_row(as_buf *out, const heat *h, size_t row) {
    size_t count = h->c->count;
    uint64_t total = row_total(h->c, row);
    for (size_t column = 0; column < count; column++) heat_cell(out, h, row, column, total);
    int y = h->top + (int)row * h->cell + h->cell / 2 + 4;
    as_buff(
        out, "<text class=\"end soft\" x=\"%d\" y=\"%d\">%s</text>",
        h->left + (int)count * h->cell + 46, y,
        total ? as_figure_of((double)h->c->cells[row * count + row] / (double)total, AS_UNIT_SHARE)
                    .text
              : "\xe2\x80\x93");
    as_buff(out, "<text class=\"end soft\" x=\"%d\" y=\"%d\">%s</text>\n",
            h->left + (int)count * h->cell + 92, y, as_figure_count(total).text);
}

void as_svg_heat(as_buf *out, const as_confusion *confusion) {
    heat h = heat_of(confusion);
    int side = (int)confusion->count * h.cell, overhang = h.top * 5 / 7;
    int width = h.left + side + (overhang > 104 ? overhang : 104), height = h.top + side + 6;
    as_buff(out,
            "<svg class=\"heat\" role=\"img\" aria-label=\"Confusion matrix of %zu labels; the "
            "largest confusions are listed in words below\" viewBox=\"0 0 %d %d\" width=\"%d\" "
            "height=\"%d\">\n",
            confusion->count, width, height, width, height);
    as_buff(out, "<rect class=\"bed\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", h.left,
            h.top, side, side);
    as_buf_text(out, "<path class=\"mesh\" d=\"");
    for (size_t i = 0; i <= confusion->count; i++) {
        int at = (int)i * h.cell;
        as_buff(out, "M%d %dh%dM%d %dv%d", h.left, h.top + at, side, h.left + at, h.top, side);
    }
    as_buf_text(out, "\"/>\n");
    heat_names(out, &h);
    for (size_t row = 0; row < confusion->count; row++) heat_row(out, &h, row);
    as_buf_text(out, "</svg>\n");
}
