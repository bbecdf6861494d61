// SPDX-License-Identifier: Apache-2.0
// libFuzzer entry of prom.h: every name and value lies in the text, and what was read of the whole
// is what is read line by line.
#include <stdlib.h>

#include "harness/net/prom.h"

typedef struct seen {
    as_str text;
    size_t count;
} seen;

static void note(void *seen_in, const as_prom_sample *sample) {
    seen *s = seen_in;
    const char *end = s->text.ptr + s->text.len;
    if (!sample->name.len || sample->name.ptr < s->text.ptr ||
        sample->name.ptr + sample->name.len > end)
        abort();
    if (sample->labels.len &&
        (sample->labels.ptr < s->text.ptr || sample->labels.ptr + sample->labels.len > end))
        abort();
    s->count++;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    as_str text = {(const char *)bytes, size}, rest = text;
    seen whole = {.text = text}, lines = {.text = text};
    as_rc rc = as_prom_read(text, note, &whole, NULL), each = AS_OK;
    while (!each && rest.ptr) {
        as_str line = as_str_cut(&rest, '\n');
        each = as_prom_read(line, note, &lines, NULL);
    }
    if (rc != each || whole.count != lines.count) abort();
    return 0;
}
