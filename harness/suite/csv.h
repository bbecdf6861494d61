// SPDX-License-Identifier: Apache-2.0
// csv.h - comma and tab separated files by RFC 4180: a header, then records; cells in quotes may
// hold separators, line breaks and doubled quotes. One record at a time in constant memory.
// It knows cells, not cases. A tab separated file may hold quotes inside bare cells.
#ifndef AS_CSV_H
#define AS_CSV_H

#include "harness/base/file.h"

typedef struct as_csv {
    as_lines lines;
    char separator;
    size_t record_max;      // longest record, bytes
    as_buf text;            // the cells of the record, one after the other
    size_t *ends;           // [cell_count] where each cell ends in `text`
    size_t cell_count, cap; // cap: room in `ends`
    uint64_t line;          // where the record begins, from 1
} as_csv;

as_rc as_csv_open(as_csv *out, const char *path, char separator, size_t record_max,
                  as_err *err) AS_MUST_USE;

// The next record that is not a blank line; its cells are valid until the next call. After an
// error nothing more can be read: where the next record begins is unknown.
as_rc as_csv_next(as_csv *csv, bool *more, as_err *err) AS_MUST_USE;
as_str as_csv_cell(const as_csv *csv, size_t index); // index < cell_count

void as_csv_close(as_csv *csv);

#endif
