// SPDX-License-Identifier: Apache-2.0
// gate_parse.c - the text of a gate. Every refusal names the column (from 1) and what was expected.
#include <math.h>

#include "metrics/gate.h"
#include "metrics/metric.h"

typedef struct scan {
    as_str text;
    size_t at;
    const as_metric_spec *metrics; // of the suite, for the names they are given with `as`
    size_t metric_count;
    const as_metric_ops *ops; // of the metric that was read
    as_err *err;
} scan;

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

static void skip_blanks(scan *s) {
    while (s->at < s->text.len && is_blank(s->text.ptr[s->at])) s->at++;
}

static as_rc refuse(const scan *s, size_t at, const char *wanted) {
    if (at >= s->text.len)
        return as_fail(s->err, AS_INVALID, "gate '%.*s', column %zu: expected %s, found the end",
                       AS_STR_ARG(s->text), at + 1, wanted);
    size_t to = at;
    while (to < s->text.len && !is_blank(s->text.ptr[to])) to++;
    return as_fail(s->err, AS_INVALID, "gate '%.*s', column %zu: expected %s, found '%.*s'",
                   AS_STR_ARG(s->text), at + 1, wanted, AS_STR_ARG(as_str_sub(s->text, at, to)));
}

static bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '@' || c == '-';
}

// The metric that the suite gives a name to; NULL: none.
static const as_metric_spec *suite_metric(const scan *s, as_str name) {
    for (size_t i = 0; i < s->metric_count; i++) {
        const as_metric_spec *spec = &s->metrics[i];
        const as_yaml *as = spec->options ? as_yaml_get(spec->options, "as") : NULL;
        if (as && as_str_eq(as->text, name)) return spec;
    }
    return NULL;
}

static as_rc scan_metric(scan *s, as_gate_spec *out) {
    size_t from = s->at;
    while (s->at < s->text.len && is_name_char(s->text.ptr[s->at])) s->at++;
    out->metric = as_str_sub(s->text, from, s->at);
    if (!out->metric.len) return refuse(s, from, "the name of a metric");
    const as_metric_spec *named = suite_metric(s, out->metric);
    as_rc rc = as_metric_name_check(named ? named->name : out->metric, &s->ops, s->err);
    if (rc != AS_OK)
        as_err_prefix(s->err, "gate '%.*s', column %zu", AS_STR_ARG(s->text), from + 1);
    return rc;
}

// [FIELD=VALUE], straight after the metric. The list field `tags` gives slices named tag=...
static as_rc scan_slice(scan *s, as_arena *arena, as_gate_spec *out) {
    if (s->at >= s->text.len || s->text.ptr[s->at] != '[') return AS_OK;
    size_t from = ++s->at, end = s->text.len; // a value may hold brackets; nothing after it does
    while (end > from && s->text.ptr[end - 1] != ']') end--;
    if (end == from) return refuse(s, s->text.len, "']'");
    end--;
    as_str value = as_str_sub(s->text, from, end);
    size_t equals = as_str_find(value, AS_STR("="), 0);
    if (equals == SIZE_MAX) return refuse(s, end, "'=' and a value before ']'");
    as_str field = as_str_trim(as_str_cut(&value, '='));
    value = as_str_trim(value);
    if (!field.len) return refuse(s, from, "the name of a field");
    if (!value.len) return refuse(s, end, "a value before ']'");
    if (as_str_is(field, "tags")) field = AS_STR("tag");
    out->slice = as_strf(arena, "%.*s=%.*s", AS_STR_ARG(field), AS_STR_ARG(value));
    s->at = end + 1;
    return AS_OK;
}

static bool take(scan *s, const char *word) {
    as_str wanted = as_str_of(word);
    if (!as_str_starts(as_str_sub(s->text, s->at, s->text.len), wanted)) return false;
    s->at += wanted.len;
    return true;
}

static bool take_word(scan *s, const char *word) {
    size_t from = s->at;
    if (take(s, word) && (s->at == s->text.len || !is_name_char(s->text.ptr[s->at]))) return true;
    s->at = from;
    return false;
}

static as_rc scan_op(scan *s, as_gate_spec *out) {
    static const struct {
        const char *text;
        as_gate_op op;
    } ops[] = {{">=", AS_GE}, {"<=", AS_LE}, {"==", AS_EQ}, {">", AS_GT}, {"<", AS_LT}};
    skip_blanks(s);
    size_t from = s->at;
    bool rise = take_word(s, "rise");
    if (rise && !(s->ops->flags & AS_METRIC_LOWER))
        return refuse(s, from, "'drop': this metric is better when it rises");
    if (rise || take_word(s, "drop")) {
        skip_blanks(s);
        out->op = AS_DROP;
        return take(s, "<=") ? AS_OK
                             : refuse(s, s->at, rise ? "'<=' after 'rise'" : "'<=' after 'drop'");
    }
    out->every = take_word(s, "every");
    if (out->every && (s->ops->kind != AS_METRIC_MEAN || s->ops->flags & AS_METRIC_RUN))
        return refuse(s, from, "no 'every' on a metric without a score for each case");
    if (out->every) skip_blanks(s), from = s->at;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (take(s, ops[i].text)) {
            out->op = ops[i].op;
            return AS_OK;
        }
    return refuse(s, from,
                  out->every ? "'>=', '>', '<=', '<' or '=='"
                             : "'>=', '>', '<=', '<', '==' or 'drop <='");
}

static as_rc scan_number(scan *s, as_gate_spec *out) {
    skip_blanks(s);
    size_t from = s->at, to = from;
    while (to < s->text.len) {
        char c = s->text.ptr[to];
        bool sign = c == '-' || c == '+';
        bool after_e = to > from && (s->text.ptr[to - 1] | 32) == 'e';
        bool digit = (c >= '0' && c <= '9') || c == '.' || ((c | 32) == 'e' && to > from);
        if (!digit && !(sign && (to == from || after_e))) break;
        to++;
    }
    if (to == from || !as_str_to_f64(as_str_sub(s->text, from, to), &out->limit))
        return refuse(s, from, "a number");
    if (out->op == AS_DROP && out->limit < 0) return refuse(s, from, "a margin of 0 or more");
    s->at = to;
    return AS_OK;
}

static bool is_time(as_str metric) {
    return as_str_starts(metric, AS_STR("latency.")) || as_str_starts(metric, AS_STR("ttft.")) ||
           as_str_starts(metric, AS_STR("tpot."));
}

static as_rc scan_unit(scan *s, as_gate_spec *out) {
    skip_blanks(s);
    size_t from = s->at;
    bool cost = as_str_starts(out->metric, AS_STR("cost."));
    if (take(s, "%")) {
        bool of_run = is_time(out->metric) || cost;
        out->relative = of_run && out->op == AS_DROP && s->ops->kind != AS_METRIC_CORPUS;
        if (of_run && !out->relative) return refuse(s, from, "no '%' on this metric");
        out->limit /= 100;
    } else if (take_word(s, "ms")) {
        if (!is_time(out->metric)) return refuse(s, from, "no unit of time on this metric");
    } else if (take_word(s, "s")) {
        if (!is_time(out->metric)) return refuse(s, from, "no unit of time on this metric");
        out->limit *= 1000;
    }
    return AS_OK;
}

static as_rc scan_end(scan *s, as_gate_spec *out) {
    skip_blanks(s);
    size_t from = s->at;
    if (take_word(s, "prove")) {
        if (out->every || out->op == AS_EQ)
            return refuse(s, from, "the end ('prove' belongs to >=, >, <=, < and 'drop')");
        out->prove = true;
        skip_blanks(s);
    }
    if (s->at == s->text.len) return AS_OK;
    return refuse(s, s->at,
                  out->prove                       ? "the end"
                  : out->every || out->op == AS_EQ ? "a unit (ms, s, %) or the end"
                                                   : "a unit (ms, s, %), 'prove' or the end");
}

as_rc as_gate_parse_in(as_arena *arena, as_str text, const as_metric_spec *metrics,
                       size_t metric_count, as_gate_spec *out, as_err *err) {
    as_gate_spec spec = {.text = as_str_copy(arena, as_str_trim(text)), .slice = AS_STR("")};
    scan s = {spec.text, 0, metrics, metric_count, NULL, err};
    as_rc rc = scan_metric(&s, &spec);
    if (rc == AS_OK) rc = scan_slice(&s, arena, &spec);
    spec.rest = as_str_sub(spec.text, s.at, spec.text.len);
    if (rc == AS_OK) rc = scan_op(&s, &spec);
    if (rc == AS_OK) rc = scan_number(&s, &spec);
    if (rc == AS_OK) rc = scan_unit(&s, &spec);
    if (rc == AS_OK) rc = scan_end(&s, &spec);
    if (rc == AS_OK) *out = spec;
    return rc;
}

as_rc as_gate_parse(as_arena *arena, as_str text, as_gate_spec *out, as_err *err) {
    return as_gate_parse_in(arena, text, NULL, 0, out, err);
}
