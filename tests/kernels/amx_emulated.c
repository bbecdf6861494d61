// SPDX-License-Identifier: Apache-2.0
// amx_emulated.c - kernels/x86/amx.c with the tile instructions of tiles.h.
#define AS_KERNELS_X86
#include "tests/kernels/tiles.h"

#include "kernels/x86/amx.c"
