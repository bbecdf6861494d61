// SPDX-License-Identifier: Apache-2.0
#include "reports/figures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SPEC_MAX = 4096 }; // bytes; a suite's map of one metric is a line

#define MINUS "\xe2\x88\x92"
#define DASH "\xe2\x80\x93"

static const struct known {
    const char *name; // ends with '*': a prefix
    as_measure measure;
} known[] = {
    {"latency.*", {AS_UNIT_MS, true}},
    {"ttft.*", {AS_UNIT_MS, true}},
    {"tpot.*", {AS_UNIT_MS, true}},
    {"cost.*", {AS_UNIT_MONEY, true}},
    {"errors", {AS_UNIT_SHARE, true}},
    {"mcc", {AS_UNIT_COEFFICIENT, false}},
    {"kappa*", {AS_UNIT_COEFFICIENT, false}},
    {"roc_auc", {AS_UNIT_COEFFICIENT, false}},
    {"average_precision", {AS_UNIT_COEFFICIENT, false}},
    {"brier", {AS_UNIT_COEFFICIENT, true}},
    {"log_loss", {AS_UNIT_COEFFICIENT, true}},
    {"ece", {AS_UNIT_SHARE, true}},
    {"ace", {AS_UNIT_SHARE, true}},
    {"wer", {AS_UNIT_SHARE, true}},
    {"cer", {AS_UNIT_SHARE, true}},
    {"mer", {AS_UNIT_SHARE, true}},
    {"wil", {AS_UNIT_SHARE, true}},
    {"bleu", {AS_UNIT_HUNDRED, false}},
    {"chrf*", {AS_UNIT_HUNDRED, false}},
    {"ter", {AS_UNIT_HUNDRED, true}},
    {"perplexity", {AS_UNIT_NUMBER, true}},
    {"word_perplexity", {AS_UNIT_NUMBER, true}},
    {"byte_perplexity", {AS_UNIT_NUMBER, true}},
    {"bits_per_byte", {AS_UNIT_COEFFICIENT, true}},
};

static bool name_matches(as_str name, const char *pattern) {
    as_str p = as_str_of(pattern);
    if (!as_str_ends(p, AS_STR("*"))) return as_str_eq(name, p);
    return as_str_starts(name, as_str_sub(p, 0, p.len - 1));
}

// {"name": "bleu", "as": "b"} is BLEU, whatever it is called.
static as_measure measure_of_spec(as_str spec, double value) {
    as_arena arena = {0};
    const as_json *map;
    as_measure measure = {AS_UNIT_NUMBER, false};
    if (spec.len > SPEC_MAX) return measure;
    if (as_json_parse(&arena, spec, &map, NULL) == AS_OK)
        measure = as_figure_measure(as_json_str(map, "name", AS_STR("")), AS_STR(""), value);
    as_arena_free(&arena);
    return measure;
}

as_measure as_figure_measure(as_str name, as_str spec, double value) {
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (name_matches(name, known[i].name)) return known[i].measure;
    if (spec.len) return measure_of_spec(spec, value);
    return (as_measure){fabs(value) > 1 ? AS_UNIT_NUMBER : AS_UNIT_SHARE, false};
}

as_measure as_figure_check_measure(const as_summary *run, const as_check *check) {
    const as_value *value = as_summary_value(run, check->metric, check->slice);
    return as_figure_measure(check->metric, value ? value->spec : AS_STR(""), check->value);
}

as_unit as_figure_check_change(const as_summary *run, const as_check *check) {
    return check->relative ? AS_UNIT_RATIO : as_figure_check_measure(run, check).unit;
}

// The number without its sign and unit.
static void put_bare(char *out, size_t size, double value, as_unit unit) {
    double v = fabs(value);
    switch (unit) {
    case AS_UNIT_SHARE:
    case AS_UNIT_RATIO:
        snprintf(out, size, "%.1f", v * 100);
        break;
    case AS_UNIT_COEFFICIENT:
        snprintf(out, size, "%.3f", v);
        break;
    case AS_UNIT_HUNDRED:
        snprintf(out, size, "%.1f", v);
        break;
    case AS_UNIT_MS:
        if (v >= 10000)
            snprintf(out, size, "%.1f", v / 1000);
        else
            snprintf(out, size, v < 1 ? "%.2f" : v < 100 ? "%.1f" : "%.0f", v);
        break;
    case AS_UNIT_MONEY:
    case AS_UNIT_NUMBER:
        if (v >= 1e15)
            snprintf(out, size, "%.3e", v);
        else if (v >= 1000)
            snprintf(out, size, "%.0f", v);
        else if (v > 0 && v < 1e-3)
            snprintf(out, size, "%.3g", v);
        else
            snprintf(out, size, "%.4g", v);
    }
}

static const char *suffix_of(double value, as_unit unit) {
    if (unit == AS_UNIT_SHARE || unit == AS_UNIT_RATIO) return "%";
    if (unit == AS_UNIT_MS) return fabs(value) >= 10000 ? " s" : " ms";
    return "";
}

static bool is_zero(const char *bare) {
    return strspn(bare, "0.") == strlen(bare);
}

as_figure as_figure_of(double value, as_unit unit) {
    as_figure f = {"n/a"};
    char bare[32];
    if (!isfinite(value)) return f;
    put_bare(bare, sizeof bare, value, unit);
    snprintf(f.text, sizeof f.text, "%s%s%s", value < 0 && !is_zero(bare) ? MINUS : "", bare,
             suffix_of(value, unit));
    return f;
}

as_figure as_figure_change(double delta, as_unit unit) {
    as_figure f = {"n/a"};
    char bare[32];
    if (!isfinite(delta)) return f;
    put_bare(bare, sizeof bare, delta, unit);
    const char *sign = is_zero(bare) ? "\xc2\xb1" : delta < 0 ? MINUS : "+";
    snprintf(f.text, sizeof f.text, "%s%s%s", sign, bare,
             unit == AS_UNIT_SHARE ? " pp" : suffix_of(delta, unit));
    return f;
}

as_figure as_figure_size(double amount, as_unit unit) {
    as_figure f = {"n/a"};
    char bare[32];
    if (!isfinite(amount)) return f;
    put_bare(bare, sizeof bare, amount, unit);
    const char *suffix = suffix_of(amount, unit);
    if (unit == AS_UNIT_SHARE) suffix = strcmp(bare, "1.0") == 0 ? " point" : " points";
    snprintf(f.text, sizeof f.text, "%s%s", bare, suffix);
    return f;
}

static void put_signed(char *out, size_t size, double value, as_unit unit, bool plus) {
    char bare[32];
    put_bare(bare, sizeof bare, value, unit);
    bool zero = is_zero(bare);
    snprintf(out, size, "%s%s", zero ? "" : value < 0 ? MINUS : plus ? "+" : "", bare);
}

static as_figure interval_of(as_interval ci, as_unit unit, bool change) {
    as_figure f = {"n/a"};
    char lo[40], hi[40];
    if (!isfinite(ci.lo) || !isfinite(ci.hi)) return f;
    // Both ends in the unit of the larger one.
    bool seconds = unit == AS_UNIT_MS && fmax(fabs(ci.lo), fabs(ci.hi)) >= 10000;
    double scale = seconds ? 1e-3 : 1;
    as_unit shown = seconds ? AS_UNIT_HUNDRED : unit;
    put_signed(lo, sizeof lo, ci.lo * scale, shown, change);
    put_signed(hi, sizeof hi, ci.hi * scale, shown, change);
    const char *suffix = seconds ? " s" : unit == AS_UNIT_MS ? " ms" : "";
    if (unit == AS_UNIT_SHARE) suffix = change ? " pp" : "%";
    if (unit == AS_UNIT_RATIO) suffix = "%";
    snprintf(f.text, sizeof f.text, "%.16s%s%.16s%s", lo, change || ci.lo < 0 ? " to " : DASH, hi,
             suffix);
    return f;
}

as_figure as_figure_interval(as_interval ci, as_unit unit) {
    return interval_of(ci, unit, false);
}

as_figure as_figure_change_interval(as_interval ci, as_unit unit) {
    return interval_of(ci, unit, true);
}

as_figure as_figure_p(double p) {
    as_figure f = {"n/a"};
    if (!isfinite(p)) return f;
    if (p < 0.001)
        snprintf(f.text, sizeof f.text, "below 0.001");
    else
        snprintf(f.text, sizeof f.text, p < 0.1 ? "%.3f" : "%.2f", p);
    return f;
}

as_figure as_figure_count(uint64_t count) {
    as_figure f;
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count), at = 0;
    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0) f.text[at++] = ',';
        f.text[at++] = digits[i];
    }
    f.text[at] = '\0';
    return f;
}

as_figure as_figure_bytes(uint64_t bytes) {
    as_figure f = {""};
    double size = (double)bytes;
    if (bytes >= 1000000000)
        snprintf(f.text, sizeof f.text, "%.2f GB", size / 1e9);
    else if (bytes >= 1000000)
        snprintf(f.text, sizeof f.text, "%.1f MB", size / 1e6);
    else if (bytes)
        snprintf(f.text, sizeof f.text, "%.0f kB", size / 1e3);
    return f;
}

as_figure as_figure_seconds(double seconds) {
    as_figure f = {"n/a"};
    if (!isfinite(seconds) || seconds < 0) return f;
    if (seconds < 120 || seconds > 1e9)
        snprintf(f.text, sizeof f.text, seconds < 10 ? "%.2f s" : "%.1f s", seconds);
    else if (seconds < 7200)
        snprintf(f.text, sizeof f.text, "%d min %d s", (int)(seconds / 60), (int)seconds % 60);
    else
        snprintf(f.text, sizeof f.text, "%d h %d min", (int)(seconds / 3600),
                 (int)seconds / 60 % 60);
    return f;
}
