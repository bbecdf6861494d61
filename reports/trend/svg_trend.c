// SPDX-License-Identifier: Apache-2.0
#include "reports/trend/svg_trend.h"

#include <math.h>

#include "harness/record/timeline.h"
#include "reports/content.h"
#include "reports/phrase.h"

enum { TOP = 20, HEIGHT = 128, SMALL_TOP = 6, SMALL_HEIGHT = 58, DOTS_MAX = 80, RELEASE_MAX = 24 };

typedef struct drawing {
    const as_svg_trend *trend;
    const as_svg_point *points;
    size_t count;
    as_axis axis;
    int top, height;
} drawing;

static double x_of(const drawing *t, size_t i) {
    return t->count < 2 ? 50 : 8 + 90 * (double)i / (double)(t->count - 1);
}

static double y_of(const drawing *t, double value) { // percent of the height
    return 100 - as_axis_percent(&t->axis, value);
}

static double y_px(const drawing *t, double value) {
    return t->top + t->height * y_of(t, value) / 100;
}

as_axis as_svg_trend_axis(const as_svg_trend *trend) {
    double lo = INFINITY, hi = -INFINITY;
    for (size_t i = 0; i < trend->count; i++) {
        const as_svg_point *p = &trend->points[i];
        if (!isfinite(p->value)) continue;
        lo = fmin(lo, fmin(p->value, p->ci.lo)); // fmin drops NaN
        hi = fmax(hi, fmax(p->value, p->ci.hi));
    }
    for (size_t i = 0; i < trend->gate_count; i++) {
        lo = fmin(lo, trend->gates[i]);
        hi = fmax(hi, trend->gates[i]);
    }
    return as_axis_over(lo, hi, trend->unit, false);
}

// The interval as a band: along the upper ends and back along the lower ones, a piece for each
// unbroken stretch of runs that have one; a bar for a run alone.
static void put_band(as_buf *out, const drawing *t) {
    for (size_t from = 0; from < t->count;) {
        size_t to = from;
        while (to < t->count && isfinite(t->points[to].ci.lo) && isfinite(t->points[to].ci.hi))
            to++;
        if (to > from + 1) {
            as_buf_text(out, "<path class=\"band\" d=\"");
            for (size_t i = from; i < to; i++)
                as_buff(out, "%s%.2f %.2f", i == from ? "M" : "L", x_of(t, i),
                        y_of(t, t->points[i].ci.hi));
            for (size_t i = to; i-- > from;)
                as_buff(out, "L%.2f %.2f", x_of(t, i), y_of(t, t->points[i].ci.lo));
            as_buf_text(out, "z\"/>\n");
        }
        if (to == from + 1)
            as_buff(out, "<path class=\"bar\" d=\"M%.2f %.2fV%.2f\"/>\n", x_of(t, from),
                    y_of(t, t->points[from].ci.hi), y_of(t, t->points[from].ci.lo));
        from = to > from ? to : from + 1;
    }
}

static void put_curve(as_buf *out, const drawing *t) {
    as_buf_text(out, "<path class=\"curve\" d=\"");
    bool open = false;
    for (size_t i = 0; i < t->count; i++) {
        bool there = isfinite(t->points[i].value);
        if (there)
            as_buff(out, "%s%.2f %.2f", open ? "L" : "M", x_of(t, i), y_of(t, t->points[i].value));
        open = there;
    }
    as_buf_text(out, "\"/>\n");
}

static void put_dot(as_buf *out, const drawing *t, size_t i) {
    static const char *const shapes[] = {
        "<circle class=\"dot\" r=\"3.2\"/>",
        "<path class=\"mark fail\" d=\"M-4.5-4.5l9 9m0-9l-9 9\"/>",
        "<path class=\"mark unsure\" d=\"M-4.2-4.2h8.4v8.4h-8.4z\"/>",
        "<circle class=\"dot hollow\" r=\"3.2\"/>",
        "<path class=\"mark broken\" d=\"M0-5.5L5.5 4.5h-11z\"/>",
    };
    as_buff(out, "<svg class=\"o\" x=\"%.2f%%\" y=\"%.1f\">%s</svg>\n", x_of(t, i),
            y_px(t, t->points[i].value), shapes[t->points[i].verdict]);
}

// A line where something else than the run itself is new, and its name where there is room for it.
static void put_change(as_buf *out, const drawing *t, size_t i, double *labelled) {
    double x = x_of(t, i);
    as_buff(out, "<line class=\"change\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"%d\" y2=\"%d\"/>", x, x,
            t->top - (t->trend->small ? 4 : 12), t->top + t->height);
    if (t->trend->small || x - *labelled < 22 || x > 80) return;
    *labelled = x;
    as_buff(out, "<text class=\"soft\" x=\"%.2f%%\" dx=\"%d\" y=\"%d\">new %s</text>\n", x,
            t->points[i].event ? 12 : 4, t->top - 4, t->points[i].change);
}

// A run that has a tag: a release, or another one that people come back to.
static void put_release(as_buf *out, const drawing *t, size_t i, double *labelled) {
    double x = x_of(t, i);
    int y = t->top + t->height;
    as_buff(out, "<line class=\"release\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"%d\" y2=\"%d\"/>", x, x,
            y - (t->trend->small ? 6 : 12), y);
    if (t->trend->small || x - *labelled < 22) return;
    *labelled = x;
    as_buff(out, "<text class=\"soft\" x=\"%.2f%%\" dx=\"%d\" y=\"%d\"%s>", x, x > 80 ? -4 : 4,
            y - 4, x > 80 ? " text-anchor=\"end\"" : "");
    as_content_markup(out, as_content_clip(t->points[i].release, RELEASE_MAX), AS_CLIP_NAME);
    as_buf_text(out, "</text>\n");
}

// A number above the run at which the level moved; the list of changes has it in words.
static void put_event(as_buf *out, const drawing *t, size_t i) {
    double x = x_of(t, i);
    as_buff(out,
            "<line class=\"shift\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"%d\" y2=\"%d\"/>"
            "<circle class=\"shift-disc\" cx=\"%.2f%%\" cy=\"%d\" r=\"8\"/>"
            "<text class=\"shift-no\" x=\"%.2f%%\" y=\"%d\">%u</text>\n",
            x, x, t->top - 2, t->top + t->height, x, t->top - 10, x, t->top - 6,
            t->points[i].event);
}

static void put_grid(as_buf *out, const drawing *t) {
    size_t ticks = as_axis_count(&t->axis), step = t->trend->small && ticks > 2 ? ticks - 1 : 1;
    for (size_t i = 0; i < ticks; i += step) {
        double value = t->axis.lo + (double)i * t->axis.step, y = y_px(t, value);
        as_buff(out, "<line class=\"grid\" x2=\"100%%\" y1=\"%.1f\" y2=\"%.1f\"/>", y, y);
        as_buff(out, "<text class=\"soft\" y=\"%.1f\">%s</text>\n",
                y + (t->trend->small && i ? 10 : -3), as_axis_tick(&t->axis, value).text);
    }
    for (size_t i = 0; i < t->trend->gate_count; i++) {
        double y = y_px(t, t->trend->gates[i]);
        as_buff(out, "<line class=\"gate-line\" x2=\"100%%\" y1=\"%.1f\" y2=\"%.1f\"/>", y, y);
        if (!t->trend->small)
            as_buff(out, "<text class=\"gate-name\" x=\"100%%\" y=\"%.1f\">gate %s %s</text>\n",
                    y - 4, t->trend->gate_ops[i],
                    as_figure_of(t->trend->gates[i], t->trend->unit).text);
    }
    double labelled = -100;
    for (size_t i = 0; i < t->count; i++)
        if (t->points[i].change) put_change(out, t, i, &labelled);
    labelled = -100;
    for (size_t i = 0; i < t->count; i++)
        if (t->points[i].release.len) put_release(out, t, i, &labelled);
    for (size_t i = 0; i < t->count && !t->trend->small; i++)
        if (t->points[i].event) put_event(out, t, i);
    as_buf_char(out, '\n');
}

// What the drawing says, for those who do not see it.
static void put_words(as_buf *out, const drawing *t) {
    double first = NAN, last = NAN, lo = INFINITY, hi = -INFINITY;
    for (size_t i = 0; i < t->count; i++) {
        double v = t->points[i].value;
        if (!isfinite(v)) continue;
        if (isnan(first)) first = v;
        last = v;
        lo = fmin(lo, v);
        hi = fmax(hi, v);
    }
    as_content_markup(out, t->trend->name, AS_CLIP_NAME);
    as_unit unit = t->axis.unit;
    as_buff(out, " over %zu runs: first %s, last %s, lowest %s, highest %s", t->count,
            as_figure_of(first, unit).text, as_figure_of(last, unit).text,
            as_figure_of(lo, unit).text, as_figure_of(hi, unit).text);
}

void as_svg_trend_draw(as_buf *out, const as_svg_trend *trend, const as_axis *axis) {
    drawing t = {trend,
                 trend->points,
                 trend->count,
                 *axis,
                 trend->small ? SMALL_TOP : TOP,
                 trend->small ? SMALL_HEIGHT : HEIGHT};
    as_buf_text(out, "<svg class=\"trend\" role=\"img\" aria-label=\"");
    put_words(out, &t);
    as_buff(out, "\" height=\"%d\" data-v=\"", t.top + t.height + 8);
    for (size_t i = 0; i < t.count; i++)
        as_buff(out, i ? "|%s" : "%s", as_figure_of(t.points[i].value, t.axis.unit).text);
    as_buf_text(out, "\">\n");
    put_grid(out, &t);
    as_buff(out,
            "<svg y=\"%d\" height=\"%d\" width=\"100%%\" viewBox=\"0 0 100 100\" "
            "preserveAspectRatio=\"none\">\n",
            t.top, t.height);
    put_band(out, &t);
    put_curve(out, &t);
    as_buf_text(out, "</svg>\n");
    for (size_t i = 0; i < t.count; i++) {
        const as_svg_point *p = &t.points[i];
        bool plain = p->verdict == AS_PASS || p->verdict == AS_NO_BASELINE;
        bool shown = i + 1 == t.count || (!trend->small && (!plain || t.count <= DOTS_MAX));
        if (isfinite(p->value) && shown) put_dot(out, &t, i);
    }
    as_buf_text(out, "</svg>\n");
}

// Equal neighbours are one stroke.
static void put_marks(as_buf *out, const char *marks, size_t count, char mark, const char *name) {
    bool any = false;
    for (size_t i = 0; i < count;) {
        size_t to = i;
        while (to < count && marks[to] == mark) to++;
        if (to > i) {
            if (!any) as_buff(out, "<path class=\"%s\" d=\"", name);
            any = true;
            as_buff(out, "M%zu 5h%.1f", i, (double)(to - i) - 0.2);
        }
        i = to > i ? to : i + 1;
    }
    if (any) as_buf_text(out, "\"/>");
}

void as_svg_strip(as_buf *out, const char *marks, size_t count) {
    as_buff(out,
            "<svg class=\"strip\" viewBox=\"0 0 %zu 10\" preserveAspectRatio=\"none\" "
            "aria-hidden=\"true\">",
            count);
    put_marks(out, marks, count, AS_MARK_RIGHT, "r");
    put_marks(out, marks, count, AS_MARK_WRONG, "w");
    put_marks(out, marks, count, AS_MARK_ERROR, "e");
    as_buf_text(out, "</svg>");
}
