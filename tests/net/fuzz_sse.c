// SPDX-License-Identifier: Apache-2.0
// libFuzzer entry of sse.h: how a stream is cut into pieces must not change its events.
#include <stdlib.h>

#include "harness/net/sse.h"

static void note(void *context, as_str event, as_str data) {
    as_buf_str(context, event);
    as_buf_char(context, '|');
    as_buf_str(context, data);
    as_buf_char(context, '>');
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (!size) return 0;
    as_str all = {(const char *)bytes + 1, size - 1};
    size_t step = bytes[0] % 16 + 1u;
    as_sse whole = {0}, cut = {0};
    as_buf a = {0}, b = {0};
    as_sse_feed(&whole, all, note, &a);
    for (size_t i = 0; i < all.len; i += step)
        as_sse_feed(&cut, as_str_sub(all, i, i + step), note, &b);
    if (as_sse_end(&whole, note, &a) != as_sse_end(&cut, note, &b)) abort();
    if (!as_str_eq(as_buf_view(&a), as_buf_view(&b))) abort();
    as_sse_free(&whole);
    as_sse_free(&cut);
    as_buf_free(&a);
    as_buf_free(&b);
    return 0;
}
