// SPDX-License-Identifier: Apache-2.0
#include "harness/net/prom.h"

#include <math.h>

static bool starts_name(char c) {
    return c == '_' || c == ':' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static size_t name_end(as_str line, size_t at) {
    if (at >= line.len || !starts_name(line.ptr[at])) return at;
    while (at < line.len &&
           (starts_name(line.ptr[at]) || (line.ptr[at] >= '0' && line.ptr[at] <= '9')))
        at++;
    return at;
}

static size_t skip_blanks(as_str line, size_t at) {
    while (at < line.len && (line.ptr[at] == ' ' || line.ptr[at] == '\t')) at++;
    return at;
}

// Behind the quoted value at `at`; 0 when it does not end.
static size_t quoted_end(as_str line, size_t at) {
    if (at >= line.len || line.ptr[at] != '"') return 0;
    for (at++; at < line.len; at++) {
        if (line.ptr[at] == '\\')
            at++;
        else if (line.ptr[at] == '"')
            return at + 1;
    }
    return 0;
}

// Behind the brace that closes the labels which start at `at`; 0 when they are none.
static size_t labels_end(as_str line, size_t at) {
    for (;;) {
        at = skip_blanks(line, at);
        if (at < line.len && line.ptr[at] == '}') return at + 1;
        size_t end = name_end(line, at);
        if (end == at) return 0;
        at = skip_blanks(line, end);
        if (at >= line.len || line.ptr[at] != '=') return 0;
        at = quoted_end(line, skip_blanks(line, at + 1));
        if (!at) return 0;
        at = skip_blanks(line, at);
        if (at < line.len && line.ptr[at] == ',') at++;
    }
}

static bool read_value(as_str text, double *out) {
    bool minus = as_str_is(text, "-Inf");
    if (minus || as_str_is(text, "+Inf") || as_str_is(text, "Inf")) {
        *out = minus ? -INFINITY : INFINITY;
        return true;
    }
    if (as_str_is(text, "NaN")) {
        *out = NAN;
        return true;
    }
    return as_str_to_f64(text, out);
}

static bool read_line(as_str line, as_prom_sample *out) {
    size_t end = name_end(line, 0);
    if (!end) return false;
    *out = (as_prom_sample){.name = as_str_sub(line, 0, end), .labels = AS_STR("")};
    size_t at = skip_blanks(line, end);
    if (at < line.len && line.ptr[at] == '{') {
        end = labels_end(line, at + 1);
        if (!end) return false;
        out->labels = as_str_sub(line, at + 1, end - 1);
        at = skip_blanks(line, end);
    }
    size_t from = at;
    while (at < line.len && line.ptr[at] != ' ' && line.ptr[at] != '\t') at++;
    return read_value(as_str_sub(line, from, at), &out->value); // a timestamp may follow
}

as_rc as_prom_read(as_str text, void (*each)(void *context, const as_prom_sample *sample),
                   void *context, as_err *err) {
    for (size_t number = 1; text.ptr; number++) {
        as_str line = as_str_trim(as_str_cut(&text, '\n'));
        if (!line.len || line.ptr[0] == '#') continue;
        as_prom_sample sample;
        if (!read_line(line, &sample))
            return as_fail(err, AS_INVALID, "line %zu: no sample of a metric: '%.*s'", number,
                           AS_STR_ARG(as_str_sub(line, 0, 60)));
        each(context, &sample);
    }
    return AS_OK;
}
