#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes kernels/grids.h: the codebooks of the IQ tensor types, which are facts of the format.

    make_grids.py > kernels/grids.h       needs numpy and the package `gguf` (0.19 was used)
"""
from gguf import quants

GRIDS = [("iq2_xxs", quants.IQ2_XXS, "8, 25, 43"), ("iq2_xs", quants.IQ2_XS, "8, 25, 43"),
         ("iq2_s", quants.IQ2_S, "8, 25, 43"),
         ("iq3_xxs", quants.IQ3_XXS, "4, 12, 20, 28, 36, 44, 52, 62"),
         ("iq3_s", quants.IQ3_S, "1, 3, 5, 7, 9, 11, 13, 15"), ("iq1", quants.IQ1_S, "-1, 0, 1")]

HEAD = """\
// SPDX-License-Identifier: Apache-2.0
// grids.h - the codebooks of the IQ types: each entry is 8 weights of 2 bits or 4 weights of 3,
// the first one lowest; the bits number the values named. Written by tests/kernels/make_grids.py.
// Private to coded.c.
#ifndef AS_GRIDS_H
#define AS_GRIDS_H

#include <stdint.h>

// clang-format off"""


def main():
    print(HEAD)
    for name, kind, values in GRIDS:
        kind.init_grid()
        rows = kind.grid.reshape(-1, kind.grid.shape[-1]).astype(int)
        numbers = [int(v) for v in values.split(",")]
        width = 2 if rows.shape[1] == 8 else 3
        words = [sum(numbers.index(int(v)) << width * i for i, v in enumerate(row)) for row in rows]
        print(f"\n// {values}\nstatic const uint16_t grid_{name}[{len(words)}] = {{")
        for at in range(0, len(words), 12):
            print("    " + " ".join(f"{word:#06x}," for word in words[at:at + 12]))
        print("};")
    print("\n// clang-format on\n\n#endif")


if __name__ == "__main__":
    main()
