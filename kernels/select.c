// SPDX-License-Identifier: Apache-2.0
// select.c - which tables this CPU runs, and the choice among them.
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/tables.h"

size_t as_kernels_available(const as_kernels *tables[8]) {
    size_t count = 0;
    tables[count++] = &as_kernels_portable;
#ifdef AS_KERNELS_X86
    if (as_detect_avx2()) {
        tables[count++] = &as_kernels_avx2;
        if (as_detect_avx512()) tables[count++] = &as_kernels_avx512;
        if (as_detect_amx()) tables[count++] = &as_kernels_amx;
    }
#endif
#ifdef AS_KERNELS_ARM
    tables[count++] = &as_kernels_neon;
    if (as_detect_dotprod()) tables[count++] = &as_kernels_dotprod;
#endif
    return count;
}

const as_kernels *as_kernels_select(const char *limit) {
    const as_kernels *tables[8];
    size_t count = as_kernels_available(tables);
    if (limit == NULL || strcmp(limit, "auto") == 0) return tables[count - 1];
    for (size_t i = 0; i < count; i++) {
        if (strcmp(limit, tables[i]->name) == 0) return tables[i];
    }
    return NULL;
}
