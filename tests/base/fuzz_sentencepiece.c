// SPDX-License-Identifier: Apache-2.0
// libFuzzer entry of pieces/sentencepiece.h: whatever is read cuts texts without harm. An input is
// a text, a NUL, a model.
#include <stdlib.h>
#include <string.h>

#include "harness/base/pieces/sentencepiece.h"
#include "harness/base/utf8.h"

enum { TEXT_MAX = 200 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    const uint8_t *end = size ? memchr(bytes, '\0', size) : NULL;
    if (!end || end - bytes > TEXT_MAX) return 0;
    as_arena arena = {0};
    as_err err = {0};
    as_sentencepiece *model = NULL;
    as_str text = {(const char *)bytes, (size_t)(end - bytes)};
    as_str file = {(const char *)end + 1, size - text.len - 1};
    if (as_sentencepiece_read(file, "x.model", &model, &err)) {
        if (err.rc != AS_INVALID || !err.text[0]) abort();
    } else {
        size_t count;
        as_sentencepiece_cut(model, &arena, as_utf8_clean(&arena, text), &count);
    }
    as_sentencepiece_free(model);
    as_arena_free(&arena);
    return 0;
}
