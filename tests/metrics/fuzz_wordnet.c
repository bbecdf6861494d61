// SPDX-License-Identifier: Apache-2.0
// libFuzzer entry of overlap/wordnet.h: any word in any files. An input is a word, a NUL, an index,
// a NUL, data.
#include <stdlib.h>

#include "metrics/overlap/wordnet.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    as_str data = {(const char *)bytes, size};
    as_str word = as_str_cut(&data, '\0'), index = as_str_cut(&data, '\0');
    as_arena arena = {0};
    as_err err = {0};
    as_tokens out = {0};
    if (as_wordnet_look(index, data, "x", &arena, word, &out, &err) && err.rc != AS_INVALID)
        abort();
    for (size_t i = 0; i < out.count; i++)
        if (!out.items[i].len) abort();
    as_arena_free(&arena);
    return 0;
}
