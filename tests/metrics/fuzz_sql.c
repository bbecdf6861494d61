// SPDX-License-Identifier: Apache-2.0
// libFuzzer entry of the recogniser of SQL: the first byte is the database; whatever is taken for
// SQL must be it with blanks around, twice in a row, and name the same tables.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/utf8.h"
#include "metrics/sql/sql.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size < 1) return 0;
    as_arena arena = {0};
    as_sql_facts once = {0}, twice = {0};
    unsigned dialect = 1u << bytes[0] % 5;
    as_str text = as_utf8_clean(&arena, (as_str){(const char *)bytes + 1, size - 1});
    if (as_sql_read(&arena, dialect, text, &once)) {
        as_str both = as_strf(&arena, " %.*s\n;%.*s\n", AS_STR_ARG(text), AS_STR_ARG(text));
        bool nul = memchr(text.ptr, 0, text.len) != NULL; // ends the text for as_strf
        if (!nul && !as_sql_read(&arena, dialect, both, &twice)) abort();
        if (!nul && twice.table_count != 2 * once.table_count) abort();
        if (!nul && twice.column_count != 2 * once.column_count) abort();
    }
    as_arena_free(&arena);
    return 0;
}
