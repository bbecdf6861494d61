#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The figures of a run of run.sh as ratios of what the device can do, measured in the same run.

    report.py LOG_FOLDER      A figure that is not there is said to be missing.
"""
import json
import pathlib
import re
import sys


def text_of(folder, name):
    path = folder / f"{name}.log"
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def line(what, value, of, unit, goal):
    if value is None or not of:
        print(f"{what:44} missing")
        return
    print(f"{what:44} {value:10.1f} of {of:8.0f} {unit:8} {100 * value / of:5.1f} %   (goal {goal})")


def speeds(folder):
    for name in "speed_1b_q8_0", "speed_8b_q4_k":
        found = dict(re.findall(r"^(cuda:0(?:-fast)?) ({.*)$", text_of(folder, name), re.M))
        for device in "cuda:0", "cuda:0-fast":
            yield name[6:] + device[6:], json.loads(found.get(device, "{}"))


def main():
    folder = pathlib.Path(sys.argv[1])
    ceilings = {name: float(value) for name, value in
                re.findall(r"^(copy|mma_s8|mma_bf16|wgmma_bf16) ([0-9.]+)", text_of(folder, "ceilings"),
                           re.M)}
    print(text_of(folder, "ceilings").strip() or "ceilings: missing")
    for name, found in speeds(folder):
        line(f"decode {name}, batch 1", found.get("decode_gb_per_s"), ceilings.get("copy"), "GB/s",
             "70 %")
        prompt = found.get("prompt_gop_per_s")
        prompt = prompt and prompt / 1000
        for ceiling in "mma_bf16", "wgmma_bf16":
            line(f"prompt {name}, of {ceiling}", prompt, ceilings.get(ceiling), "TFLOP/s", "50 %")
        batch = found.get("batch") or {}
        print(f"32 cases {name}: {batch.get('cases_per_s')} cases/s, {batch.get('decode_per_s')} tokens/s")
    walls = dict(re.findall(r"^prefix (cpu|cuda:0) \w+ ([0-9.]+)", text_of(folder, "prefix_suite"), re.M))
    if len(walls) == 2:
        cpu, gpu = float(walls["cpu"]), float(walls["cuda:0"])
        print(f"suite behind a prefix of 1,000 tokens: {cpu:.2f} s on the CPU, {gpu:.2f} s on the GPU, "
              f"{cpu / gpu:.1f} times   (goal 20)")
    else:
        print("suite behind a prefix of 1,000 tokens: missing")


main()
