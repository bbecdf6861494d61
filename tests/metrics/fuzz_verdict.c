// SPDX-License-Identifier: Apache-2.0
// libFuzzer entry of the reader of judges: whatever a judge writes, a verdict is in 0..1 or none.
#include <stdint.h>
#include <stdlib.h>

#include "metrics/judged/verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size < 1) return 0;
    double value = -1;
    as_prompt_kind kind = (as_prompt_kind)(bytes[0] % AS_PROMPT_COUNT);
    as_str text = {(const char *)bytes + 1, size - 1};
    as_verdict_read read = as_verdict_parse(kind, 5, 2, text, &value);
    if (read == AS_VERDICT_VALUE ? !(value >= 0 && value <= 1) : value != -1) abort();
    return 0;
}
