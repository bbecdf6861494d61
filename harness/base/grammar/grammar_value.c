// SPDX-License-Identifier: Apache-2.0
// Strings and numbers of a JSON Schema.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/grammar/grammar_schema.h"

// --- strings
// --------------------------------------------------------------------------------------

static as_gx text_of(as_maker *m, const char *text) {
    return as_gx_text(m, as_str_of(text));
}

as_gx as_gx_json_points(as_maker *maker, const as_point_set *tidy) {
    static const struct {
        uint32_t point;
        const char *text;
    } shorts[] = {{'"', "\\\""}, {'\\', "\\\\"}, {'\b', "\\b"}, {'\f', "\\f"},
                  {'\n', "\\n"}, {'\r', "\\r"},  {'\t', "\\t"}};
    as_gx either = as_gx_either(maker);
    as_point_set plain = {0};
    for (size_t i = 0; i < tidy->count; i++) {
        as_points p = tidy->items[i];
        // Control characters, '"' and '\' are cut out; they are written as escapes, NUL never.
        static const as_points open[] = {{0x20, 0x21}, {0x23, 0x5b}, {0x5d, AS_POINT_LAST}};
        for (size_t k = 0; k < 3; k++) {
            uint32_t from = p.from > open[k].from ? p.from : open[k].from;
            uint32_t to = p.to < open[k].to ? p.to : open[k].to;
            if (from <= to) as_points_add(&plain, from, to);
        }
        for (size_t k = 0; k < sizeof shorts / sizeof *shorts; k++)
            if (shorts[k].point >= p.from && shorts[k].point <= p.to)
                as_gx_add(maker, either, text_of(maker, shorts[k].text));
        for (uint32_t c = p.from ? p.from : 1; c <= p.to && c < 0x20; c++) {
            bool is_short = c == '\b' || c == '\f' || c == '\n' || c == '\r' || c == '\t';
            as_buf text = {0};
            as_buff(&text, "\\u%04x", (unsigned)c);
            if (!is_short) as_gx_add(maker, either, as_gx_text(maker, as_buf_view(&text)));
            as_buf_free(&text);
        }
    }
    as_points_tidy(&plain);
    as_gx_add(maker, either, as_gx_points(maker, &plain));
    free(plain.items);
    return either;
}

static as_gx regex_of(as_schema_maker *s, const char *pattern) {
    as_gx made = 0;
    if (as_gx_regex(s->maker, as_str_of(pattern), false, &made, s->err)) s->failed = true;
    return made;
}

// One character of a string, in any way of writing it.
static as_gx letter(as_schema_maker *s) {
    as_maker *m = s->maker;
    if (!s->letter) {
        as_point_set all = {0};
        as_points_invert(&all);
        as_gx either = as_gx_either(m);
        as_gx_add(m, either, as_gx_json_points(m, &all));
        free(all.items);
        // Neither NUL nor half a pair of surrogates.
        as_gx_add(m, either,
                  regex_of(s, "\\\\(/|u([1-9a-cA-CefEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}|"
                              "0([1-9a-fA-F][0-9a-fA-F]{2}|0[1-9a-fA-F][0-9a-fA-F]|"
                              "00[1-9a-fA-F])))"));
        uint32_t rule = as_maker_rule_of(m, AS_STR(""), 0, 0);
        as_maker_define(m, rule, either);
        s->letter = rule + 1;
    }
    return as_gx_call(m, s->letter - 1);
}

#define DAY_31 "(0[1-9]|[12][0-9]|3[01])"
#define DATE                                                                                       \
    "[12][0-9]{3}-((0[13578]|1[02])-" DAY_31 "|(0[469]|11)-(0[1-9]|[12][0-9]|30)|"                 \
    "02-(0[1-9]|1[0-9]|2[0-8]))"
#define CLOCK "([01][0-9]|2[0-3]):[0-5][0-9]"
#define TIME CLOCK ":[0-5][0-9](\\.[0-9]{1,6})?(Z|[+-]" CLOCK ")"
#define HEX4 "[0-9a-f]{4}"
#define OCTET "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"

// NULL: none that is known.
static const char *format_pattern(const as_json *format) {
    static const char *const known[][2] = {
        {"date", DATE},
        {"time", TIME},
        {"date-time", DATE "T" TIME},
        {"uuid", "[0-9a-f]{8}-" HEX4 "-" HEX4 "-" HEX4 "-[0-9a-f]{12}"},
        {"ipv4", "(" OCTET "\\.){3}" OCTET},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (format && format->kind == AS_JSON_STRING && as_str_is(format->text, known[i][0]))
            return known[i][1];
    return NULL;
}

as_gx as_schema_string(as_schema_maker *s, const as_json *schema) {
    as_maker *m = s->maker;
    const as_json *pattern = as_json_get(schema, "pattern");
    const char *format = format_pattern(as_json_get(schema, "format"));
    int64_t least = as_schema_count(s, schema, "minLength", 0);
    int64_t most = as_schema_count(s, schema, "maxLength", AS_REPEAT_ENDLESS);
    bool sized = least > 0 || most >= 0;
    if ((pattern && (sized || format)) || (format && sized))
        as_schema_maker_fail(s, "only one of 'pattern', 'format' and a length is supported in "
                                "constrained answers");
    if (most >= 0 && least > most)
        as_schema_maker_fail(s, "a string of at least %lld and at most %lld characters",
                             (long long)least, (long long)most);
    if (pattern && pattern->kind != AS_JSON_STRING)
        as_schema_maker_fail(s, "'pattern' must be a string, found %s",
                             as_json_kind_name(pattern->kind));
    if (s->failed) return 0;
    as_gx within = 0, list = as_gx_sequence(m);
    if (format) {
        within = regex_of(s, format);
    } else if (pattern) {
        as_err err = {0};
        if (as_gx_regex(m, pattern->text, true, &within, &err))
            as_schema_maker_fail(s, "pattern: %s", err.text);
    } else {
        within = as_gx_repeat(m, letter(s), least, most);
    }
    if (s->failed) return 0;
    as_gx_add(m, list, text_of(m, "\""));
    as_gx_add(m, list, within);
    as_gx_add(m, list, text_of(m, "\""));
    return list;
}

// --- numbers
// --------------------------------------------------------------------------------------

enum { DIGITS = 16 };
static const int64_t LARGEST = 9999999999999999; // that many nines
static const double BOUND_MAX = 1e15;

static as_gx digits(as_maker *m, int from, int to, int64_t count) {
    as_point_set set = {0};
    as_points_add(&set, (uint32_t)from, (uint32_t)to);
    as_gx made = as_gx_points(m, &set);
    free(set.items);
    return count == 1 ? made : as_gx_repeat(m, made, count, count);
}

// Digits as long as low and high (NULL: all nines, all zeros), from low to high.
static as_gx between(as_maker *m, const char *low, const char *high, size_t n) {
    if (!n || (!low && !high)) return n ? digits(m, '0', '9', (int64_t)n) : as_gx_sequence(m);
    char first = low ? *low : '0', last = high ? *high : '9';
    as_gx either = as_gx_either(m);
    for (int side = 0; side < 3; side++) {
        // The first digit of low, that of high, and those in between.
        bool both = first == last;
        if (both && side) break;
        int from = side == 1 ? last : side == 0 ? first : first + 1;
        int to = side < 2 ? from : last - 1;
        if (from > to) continue;
        const char *l = low && (both || side == 0) ? low + 1 : NULL;
        const char *h = high && (both || side == 1) ? high + 1 : NULL;
        as_gx list = as_gx_sequence(m);
        as_gx_add(m, list, digits(m, from, to, 1));
        as_gx_add(m, list, between(m, l, h, n - 1));
        as_gx_add(m, either, list);
    }
    return either;
}

// The numbers from low to high, 0 <= low, after `sign`.
static void add_range(as_maker *m, as_gx either, const char *sign, int64_t low, int64_t high) {
    int64_t least = 0, most = 9;
    for (size_t n = 1; n <= DIGITS; n++) {
        int64_t from = low > least ? low : least, to = high < most ? high : most;
        least = most + 1;
        most = most * 10 + 9;
        if (from > to) continue;
        char a[32], b[32];
        as_f64_text(0, a);
        for (size_t i = n; i-- > 0; from /= 10, to /= 10) {
            a[i] = (char)('0' + from % 10);
            b[i] = (char)('0' + to % 10);
        }
        as_gx list = as_gx_sequence(m);
        as_gx_add(m, list, text_of(m, sign));
        as_gx_add(m, list, between(m, a, b, n));
        as_gx_add(m, either, list);
    }
}

// The bound of a keyword of integers, or `otherwise`.
static int64_t bound(as_schema_maker *s, const as_json *schema, const char *key, bool low,
                     int64_t otherwise) {
    const as_json *value = as_json_get(schema, key);
    if (!value) return otherwise;
    if (value->kind != AS_JSON_NUMBER || !(fabs(value->number) <= BOUND_MAX)) {
        as_schema_maker_fail(s, "'%s' must be a number from -1e15 to 1e15", key);
        return otherwise;
    }
    bool open = as_str_starts(as_str_of(key), AS_STR("exclusive"));
    double edge = low ? ceil(value->number) : floor(value->number);
    if (open && edge == value->number) edge += low ? 1 : -1;
    int64_t whole = (int64_t)edge;
    return low ? (whole > otherwise ? whole : otherwise) : (whole < otherwise ? whole : otherwise);
}

static as_gx integer(as_schema_maker *s, const as_json *schema) {
    as_gx either = as_gx_either(s->maker);
    int64_t low = bound(s, schema, "minimum", true, -LARGEST);
    low = bound(s, schema, "exclusiveMinimum", true, low);
    int64_t high = bound(s, schema, "maximum", false, LARGEST);
    high = bound(s, schema, "exclusiveMaximum", false, high);
    if (low > high)
        as_schema_maker_fail(s, "no integer is at least %lld and at most %lld", (long long)low,
                             (long long)high);
    if (s->failed) return either;
    if (high >= 0) add_range(s->maker, either, "", low > 0 ? low : 0, high);
    if (low < 0) add_range(s->maker, either, "-", high < 0 ? -high : 1, -low);
    return either;
}

as_gx as_schema_number(as_schema_maker *s, const as_json *schema, bool whole) {
    static const char *const bounds[] = {"minimum", "maximum", "exclusiveMinimum",
                                         "exclusiveMaximum"};
    if (whole) return integer(s, schema);
    bool positive = false;
    for (size_t i = 0; i < 4 && !s->failed; i++) {
        const as_json *value = as_json_get(schema, bounds[i]);
        if (!value) continue;
        positive = i == 0 && value->kind == AS_JSON_NUMBER && value->number == 0;
        if (!positive)
            as_schema_maker_fail(s,
                                 "'%s' is supported for type 'integer'; of other numbers only "
                                 "minimum: 0 is",
                                 bounds[i]);
    }
    return regex_of(s, positive ? "(0|[1-9][0-9]{0,15})(\\.[0-9]{1,16})?([eE][+-]?[0-9]{1,2})?"
                                : "-?(0|[1-9][0-9]{0,15})(\\.[0-9]{1,16})?([eE][+-]?[0-9]{1,2})?");
}
