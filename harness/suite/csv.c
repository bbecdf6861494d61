// SPDX-License-Identifier: Apache-2.0
#include "harness/suite/csv.h"

#include <stdlib.h>
#include <string.h>

#include "harness/suite/dataset_source.h"

as_rc as_csv_open(as_csv *out, const char *path, char separator, size_t record_max, as_err *err) {
    as_csv csv = {.separator = separator, .record_max = record_max};
    as_rc rc = as_lines_open(&csv.lines, path, record_max, err);
    if (!rc) *out = csv;
    return rc;
}

as_str as_csv_cell(const as_csv *csv, size_t index) {
    size_t from = index ? csv->ends[index - 1] : 0;
    return as_str_sub(as_buf_view(&csv->text), from, csv->ends[index]);
}

static void end_cell(as_csv *csv) {
    if (csv->cell_count == csv->cap) {
        csv->cap = csv->cap ? csv->cap * 2 : 32;
        csv->ends = as_mem_grow(csv->ends, as_size_mul(csv->cap, sizeof *csv->ends));
    }
    csv->ends[csv->cell_count++] = csv->text.len;
}

static as_rc fail_at(const as_csv *csv, size_t column, as_err *err, const char *what) {
    return as_fail(err, AS_INVALID, "%s:%llu:%zu: %s", csv->lines.path,
                   (unsigned long long)csv->lines.line, column + 1, what);
}

// What stands in quotes from *at on. *open stays true when the line ends before the quote does:
// then the cell goes on in the next line.
static void take_quoted(as_csv *csv, as_str line, size_t *at, bool *open) {
    while (*at < line.len) {
        const char *quote = memchr(line.ptr + *at, '"', line.len - *at);
        size_t end = quote ? (size_t)(quote - line.ptr) : line.len;
        as_buf_add(&csv->text, line.ptr + *at, end - *at);
        *at = quote ? end + 1 : end;
        if (!quote) return;
        if (*at == line.len || line.ptr[*at] != '"') {
            *open = false;
            return;
        }
        as_buf_char(&csv->text, '"');
        *at += 1;
    }
}

static as_rc take_bare(as_csv *csv, as_str line, size_t *at, as_err *err) {
    const char *stop = memchr(line.ptr + *at, csv->separator, line.len - *at);
    size_t end = stop ? (size_t)(stop - line.ptr) : line.len;
    const char *quote = memchr(line.ptr + *at, '"', end - *at);
    if (quote && csv->separator == ',')
        return fail_at(csv, (size_t)(quote - line.ptr), err,
                       "a quote inside a bare cell; put the whole cell in quotes and double the "
                       "quotes in it");
    as_buf_add(&csv->text, line.ptr + *at, end - *at);
    *at = end;
    return AS_OK;
}

// One line of a record. *open says whether a quoted cell is open, before and after.
static as_rc take_line(as_csv *csv, as_str line, bool *open, as_err *err) {
    size_t at = 0;
    for (;;) {
        if (!*open && at < line.len && line.ptr[at] == '"') {
            *open = true;
            at++;
        }
        if (*open) {
            take_quoted(csv, line, &at, open);
            if (*open) break;
            if (at < line.len && line.ptr[at] != csv->separator)
                return fail_at(csv, at, err, "text after a closing quote");
        } else if (take_bare(csv, line, &at, err)) {
            return AS_INVALID;
        }
        end_cell(csv);
        if (at == line.len) return AS_OK;
        at++; // the separator: another cell follows, maybe an empty one
    }
    // as_lines cuts the line's end off but leaves it in place: a quoted cell keeps its own.
    if (line.ptr[line.len] == '\r') as_buf_char(&csv->text, '\r');
    as_buf_char(&csv->text, '\n');
    return AS_OK;
}

as_rc as_csv_next(as_csv *csv, bool *more, as_err *err) {
    as_buf_clear(&csv->text);
    csv->cell_count = 0;
    csv->line = 0;
    bool open = false;
    do {
        as_str line;
        if (as_lines_next(&csv->lines, &line, more, err)) return AS_INVALID;
        if (!*more) break;
        if (csv->lines.line == 1) line = as_dataset_source_skip_bom(line);
        if (!open && line.len == 0) continue;
        if (!csv->line) csv->line = csv->lines.line;
        if (as_dataset_source_check_text(csv->lines.path, csv->lines.line, line, err) ||
            take_line(csv, line, &open, err))
            return AS_INVALID;
        if (csv->text.len > csv->record_max)
            return as_fail(err, AS_INVALID, "%s:%llu: the record is longer than %zu bytes",
                           csv->lines.path, (unsigned long long)csv->line, csv->record_max);
    } while (open || !csv->cell_count);
    if (open)
        return as_fail(err, AS_INVALID, "%s:%llu: a quoted cell is never closed", csv->lines.path,
                       (unsigned long long)csv->line);
    *more = csv->cell_count > 0;
    return AS_OK;
}

void as_csv_close(as_csv *csv) {
    as_lines_close(&csv->lines);
    as_buf_free(&csv->text);
    free(csv->ends);
    *csv = (as_csv){.lines.fd = -1};
}
