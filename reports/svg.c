// SPDX-License-Identifier: Apache-2.0
#include "reports/svg.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

// 1, 2 or 5 times a power of ten, such that about `parts` steps cover the span.
static double round_step(double span, double parts) {
    double raw = span / parts, power = pow(10, floor(log10(raw))), lead = raw / power;
    return power * (lead <= 1.0001 ? 1 : lead <= 2.0001 ? 2 : lead <= 5.0001 ? 5 : 10);
}

static double top_of(as_unit unit) {
    return unit == AS_UNIT_HUNDRED ? 100 : unit == AS_UNIT_SHARE ? 1 : INFINITY;
}

// The least an axis spans: what its tick labels can tell apart.
static double least_span(double size, as_unit unit, bool change) {
    if (change) return size * 0.01 + 1e-9;
    if (unit == AS_UNIT_MS) return size * 0.2 + 1e-9;
    double least = unit == AS_UNIT_SHARE ? 0.01 : unit == AS_UNIT_HUNDRED ? 1 : 1e-9;
    return fmax(size * 0.01, least);
}

as_axis as_axis_over(double lo, double hi, as_unit unit, bool change) {
    if (!isfinite(lo) || !isfinite(hi) || lo > hi) lo = 0, hi = 1;
    if (change) lo = fmin(lo, 0), hi = fmax(hi, 0);
    double least = least_span(fmax(fabs(hi), fabs(lo)), unit, change);
    bool negative = lo < 0;
    if (hi - lo < least) {
        lo -= least;
        hi += least;
    }
    as_axis axis = {.step = round_step(hi - lo, 4), .unit = unit, .change = change};
    axis.lo = floor(lo / axis.step + 1e-6) * axis.step;
    axis.hi = ceil(hi / axis.step - 1e-6) * axis.step;
    if (!change && !negative) axis.lo = fmax(axis.lo, 0);
    if (!change) axis.hi = fmin(axis.hi, fmax(top_of(unit), hi));
    if (axis.hi <= axis.lo) axis.hi = axis.lo + axis.step;
    return axis;
}

double as_axis_percent(const as_axis *axis, double value) {
    double share = (value - axis->lo) / (axis->hi - axis->lo);
    return 100 * fmin(fmax(share, 0), 1);
}

as_figure as_axis_tick(const as_axis *axis, double value) {
    as_figure f;
    double scale = axis->unit == AS_UNIT_SHARE ? 100 : 1;
    if (axis->unit == AS_UNIT_MS && !axis->change) return as_figure_of(value, AS_UNIT_MS);
    int decimals = (int)fmin(fmax(-floor(log10(axis->step * scale) + 1e-9), 0), 6);
    double v = value * scale;
    if (fabs(v) < axis->step * scale * 1e-6) v = 0;
    const char *sign = v < 0 ? "\xe2\x88\x92" : axis->change && v > 0 ? "+" : "";
    const char *unit = axis->unit == AS_UNIT_SHARE ? axis->change ? "" : "%" : "";
    snprintf(f.text, sizeof f.text, "%s%.*f%s", sign, decimals, fmin(fabs(v), 1e15), unit);
    return f;
}

size_t as_axis_count(const as_axis *axis) {
    double count = floor((axis->hi - axis->lo) / axis->step + 1e-6) + 1;
    return count > 12 ? 12 : (size_t)count;
}

void as_svg_ticks(as_buf *out, const as_axis *axis) {
    as_buf_text(out, "<svg class=\"iv ticks\" aria-hidden=\"true\">");
    for (size_t i = 0; i < as_axis_count(axis); i++) {
        double value = axis->lo + (double)i * axis->step, x = as_axis_percent(axis, value);
        const char *anchor = x < 1 ? "start" : x > 99 ? "end" : "middle";
        as_buff(out, "<text x=\"%.2f%%\" y=\"14\" text-anchor=\"%s\">%s</text>", x, anchor,
                as_axis_tick(axis, value).text);
        as_buff(out, "<line x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"19\" y2=\"24\"/>", x, x);
    }
    as_buf_text(out, "</svg>");
}

void as_svg_interval(as_buf *out, const as_axis *axis, double value, as_interval ci, double mark,
                     double line, const char *style) {
    as_buf_text(out, "<svg class=\"iv\" aria-hidden=\"true\">");
    for (size_t i = 0; i < as_axis_count(axis); i++) {
        double x = as_axis_percent(axis, axis->lo + (double)i * axis->step);
        as_buff(out, "<line class=\"grid\" x1=\"%.2f%%\" x2=\"%.2f%%\" y2=\"24\"/>", x, x);
    }
    if (axis->change) line = 0;
    if (isfinite(line)) {
        double x = as_axis_percent(axis, line);
        as_buff(out, "<line class=\"ref\" x1=\"%.2f%%\" x2=\"%.2f%%\" y2=\"24\"/>", x, x);
    }
    if (isfinite(ci.lo) && isfinite(ci.hi))
        as_buff(out, "<line class=\"ci %s\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"12\" y2=\"12\"/>",
                style, as_axis_percent(axis, ci.lo), as_axis_percent(axis, ci.hi));
    if (isfinite(mark))
        as_buff(
            out,
            "<svg x=\"%.2f%%\" class=\"o\"><path class=\"base\" d=\"M0 5l7 7-7 7-7-7z\"/></svg>",
            as_axis_percent(axis, mark));
    if (isfinite(value))
        as_buff(out, "<circle class=\"%s\" cx=\"%.2f%%\" cy=\"12\" r=\"4\"/>", style,
                as_axis_percent(axis, value));
    as_buf_text(out, "</svg>");
}

// ---- latencies ----

enum { BIN_COUNT = 48, PLOT_TOP = 66, PLOT_HEIGHT = 132 };

typedef struct spread {
    double lo, hi; // of the axis: ms, or log10(ms)
    bool log;
} spread;

static double spread_at(const spread *s, double ms) {
    double v = s->log ? log10(fmax(ms, 1e-6)) : ms;
    return 100 * fmin(fmax((v - s->lo) / (s->hi - s->lo), 0), 1);
}

static spread spread_of(const double *ms, size_t count) {
    double lo = ms[0], hi = ms[count - 1];
    if (lo > 0 && hi / lo > 12) return (spread){log10(lo) - 0.02, log10(hi) + 0.02, true};
    if (hi - lo < 1e-9) hi = lo + fmax(lo * 0.1, 0.1);
    as_axis axis = as_axis_over(lo, hi, AS_UNIT_MS, false);
    return (spread){axis.lo, axis.hi, false};
}

static void time_tick(as_buf *out, const spread *s, double ms) {
    double x = spread_at(s, ms);
    const char *anchor = x < 2 ? "start" : x > 98 ? "end" : "middle";
    char text[24];
    if (ms >= 1000)
        snprintf(text, sizeof text, "%.4g s", ms / 1000);
    else
        snprintf(text, sizeof text, "%.4g ms", ms);
    as_buff(out, "<text class=\"soft\" x=\"%.2f%%\" y=\"%d\" text-anchor=\"%s\">%s</text>", x,
            PLOT_TOP + PLOT_HEIGHT + 18, anchor, text);
}

static void time_ticks(as_buf *out, const spread *s) {
    if (!s->log) {
        double step = round_step(s->hi - s->lo, 4);
        for (double t = s->lo; t <= s->hi + step / 2; t += step) time_tick(out, s, t);
        return;
    }
    static const double leads[] = {1, 2, 5};
    bool dense = s->hi - s->lo < 2.2; // decades
    for (int power = (int)floor(s->lo); power <= (int)ceil(s->hi); power++)
        for (int i = 0; i < (dense ? 3 : 1); i++) {
            double ms = leads[i] * pow(10, power);
            if (log10(ms) >= s->lo && log10(ms) <= s->hi) time_tick(out, s, ms);
        }
}

static void time_mark(as_buf *out, const spread *s, const char *name, double ms, int level) {
    if (!isfinite(ms)) return;
    double x = spread_at(s, ms);
    bool left = x > 70;
    int y = 12 + level * 15;
    as_buff(out, "<line class=\"pct\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"%d\" y2=\"%d\"/>", x, x,
            y - 9, PLOT_TOP + PLOT_HEIGHT);
    as_buff(out, "<text x=\"%.2f%%\" dx=\"%d\" y=\"%d\" text-anchor=\"%s\">%s %s</text>\n", x,
            left ? -5 : 5, y, left ? "end" : "start", name, as_figure_of(ms, AS_UNIT_MS).text);
}

void as_svg_histogram(as_buf *out, const double *ms, size_t count, const as_latency *latency) {
    spread s = spread_of(ms, count);
    size_t bins[BIN_COUNT] = {0}, most = 1;
    for (size_t i = 0; i < count; i++) {
        size_t bin = (size_t)(spread_at(&s, ms[i]) / 100 * BIN_COUNT);
        if (bin >= BIN_COUNT) bin = BIN_COUNT - 1;
        if (++bins[bin] > most) most = bins[bin];
    }
    as_buff(out,
            "<svg class=\"hist\" role=\"img\" aria-label=\"Histogram of %zu latencies%s; the "
            "percentiles are in the table\" height=\"%d\">\n",
            count, s.log ? " on a logarithmic scale" : "", PLOT_TOP + PLOT_HEIGHT + 26);
    for (size_t i = 0; i < BIN_COUNT; i++) {
        if (!bins[i]) continue;
        double height = fmax(1.5, (double)bins[i] / (double)most * PLOT_HEIGHT);
        as_buff(out, "<rect x=\"%.2f%%\" y=\"%.1f\" width=\"%.2f%%\" height=\"%.1f\"/>",
                100.0 * (double)i / BIN_COUNT, PLOT_TOP + PLOT_HEIGHT - height,
                100.0 / BIN_COUNT - 0.25, height);
    }
    as_buff(out, "\n<line class=\"floor\" x2=\"100%%\" y1=\"%d\" y2=\"%d\"/>\n",
            PLOT_TOP + PLOT_HEIGHT, PLOT_TOP + PLOT_HEIGHT);
    time_mark(out, &s, "p50", latency->p50, 0);
    time_mark(out, &s, "p90", latency->p90, 1);
    time_mark(out, &s, "p95", latency->p95, 2);
    time_mark(out, &s, "p99", latency->p99, 3);
    time_ticks(out, &s);
    as_buf_text(out, "</svg>\n");
}
