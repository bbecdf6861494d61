#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What ptxas says the GPU's kernels take, as a table: registers, shared memory of the host's doing
aside, stack and spills. Reads the log that the build leaves beside kernels.fatbin.

    cuda_resources.py LOG [--check]      with --check, only whether every kernel was compiled for all
                                         targets and keeps its variables in registers
"""
import os
import re
import sys

# Bytes; more is a mistake. Products of prompts put by what copies need, between stages.
SPILLED_MAX, SPILLED_MANY_MAX = 16, 256
KERNELS_MIN = 40


def read(text):
    found = {}
    for entry in text.split("Compiling entry function ")[1:]:
        name, target = re.match(r"'as_(\w+)' for '(sm_\d+)'", entry).groups()
        stack, stores, loads = map(int, re.search(
            r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads",
            entry).groups())
        registers = int(re.search(r"Used (\d+) registers", entry).group(1))
        found.setdefault(name, {})[target] = (registers, stack, stores + loads)
    return found


def main():
    if "--check" in sys.argv and not os.path.exists(sys.argv[1]):
        print("nvcc was not found when this was built (or ASSAY_CUDA is off): nothing was compiled")
        return 77
    found = read(open(sys.argv[1], encoding="utf-8").read())
    targets = sorted({target for kernel in found.values() for target in kernel})
    if "--check" in sys.argv:
        spilled = [f"{name} on {target} spills {kernel[target][2]} bytes"
                   for name, kernel in found.items() for target in targets
                   if target not in kernel or kernel[target][2] >
                   (SPILLED_MANY_MAX if name.startswith("many") else SPILLED_MAX)]
        print("\n".join(spilled) or f"{len(found)} kernels for {', '.join(targets)}")
        return 1 if spilled or len(found) < KERNELS_MIN or len(targets) < 2 else 0
    print("| kernel | " + " | ".join(f"{t}: registers, stack, spilled bytes" for t in targets) + " |")
    print("| --- |" + " --- |" * len(targets))
    for name in sorted(found):
        print(f"| {name} | " + " | ".join(", ".join(map(str, found[name][t])) for t in targets)
              + " |")
    return 0


sys.exit(main())
