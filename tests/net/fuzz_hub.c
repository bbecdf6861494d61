// SPDX-License-Identifier: Apache-2.0
// libFuzzer entry of hub.h: names, headers, pointers and ranges of any bytes.
#include <stdlib.h>

#include "harness/net/hub.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    as_str text = {(const char *)bytes, size};
    as_arena arena = {0};
    as_hub_file file;
    as_err err;
    uint64_t first, total;
    if (!as_hub_parse(text, AS_STR("http://h"), &file, &err)) {
        as_str url = as_hub_url(&arena, AS_STR("http://h"), &file, "resolve", file.revision);
        for (size_t i = 0; i < url.len; i++)
            if (url.ptr[i] <= ' ') abort();
        size_t parts = as_hub_parts(file.file);
        if (parts && !as_str_eq(as_hub_part(&arena, file.file, 1), file.file)) abort();
    }
    as_hub_facts facts = as_hub_facts_of(text);
    if (facts.sha256.len && facts.sha256.len != 64) abort();
    if (as_hub_pointer(text, &facts) && !facts.size) abort();
    if (as_hub_range(text, &first, &total) && first >= total) abort();
    as_arena_free(&arena);
    return 0;
}
