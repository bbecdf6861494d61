// SPDX-License-Identifier: Apache-2.0
// has_dotprod.c - asks the operating system what the CPU has.
#include <sys/auxv.h>

#include "kernels/tables.h"

enum { ASIMDDP = 1 << 20 }; // of AT_HWCAP

bool as_detect_dotprod(void) {
    return (getauxval(AT_HWCAP) & ASIMDDP) != 0;
}
