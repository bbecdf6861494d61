// SPDX-License-Identifier: Apache-2.0
// libFuzzer entry of json.h: whatever parses must survive being written and read again unchanged.
#include <stdlib.h>

#include "harness/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    as_arena arena = {0};
    as_err err = {0};
    const as_json *value, *again;
    if (!as_json_parse(&arena, (as_str){(const char *)bytes, size}, &value, &err)) {
        as_buf once = {0}, twice = {0};
        as_json_write_sorted(&once, value);
        if (as_json_parse(&arena, as_buf_view(&once), &again, &err)) abort();
        as_json_write_sorted(&twice, again);
        if (!as_str_eq(as_buf_view(&once), as_buf_view(&twice))) abort();
        as_buf_free(&once);
        as_buf_free(&twice);
    } else if (err.rc != AS_INVALID || !err.text[0]) {
        abort();
    }
    as_arena_free(&arena);
    return 0;
}
