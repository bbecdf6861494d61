#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Error rates of gates through the binary, as a build server meets them. Minutes long, run by hand:

    gates_bench.py BINARY [PAIRS [WORD]]   pairs of runs a scenario, default 2000; only the scenarios
                                           whose name holds WORD

Writes recordings of two models whose answers differ by chance (or by a true drop), has the binary
judge them (`assay compare --gate`, and `assay run --sequential` for early stops), and counts exit
codes. A line a scenario: how often the gate failed, with a 95 % Clopper-Pearson interval, and what
it may be. Ends with 1 when a rate is beyond its limit. Seeded: the same counts everywhere.
"""
import json
import math
import os
import pathlib
import random
import subprocess
import sys
import tempfile

SIZES, FLIPS = (100, 500, 2000), (0.05, 0.10, 0.20)
# name, how it is judged, cases, share that flips, true drop, cases a cluster, lowest and highest
# share of failures
SCENARIOS = [(f"same n={n} flips={flips:.2f}{' clusters of 10' if size else ''}", "compare",
              n, flips, 0, size, 0, 0.065)
             for n in SIZES for flips in FLIPS for size in (0, 10)]
SCENARIOS += [("drop of 3 points n=1000 flips=0.10", "compare", 1000, 0.10, 0.03, 0, 0.88, 1),
              ("drop of 2 points n=2000 flips=0.04", "compare", 2000, 0.04, 0.02, 0, 0.98, 1)]
SCENARIOS += [(f"same, stopped early n={n} flips={flips:.2f}", "sequential", n, flips, 0, 0, 0, 0.015)
              for n, flips in ((500, 0.10), (2000, 0.05), (2000, 0.20))]
SCENARIOS += [("drop of 5 points, stopped early n=5000 flips=0.06", "sequential", 5000, 0.06, 0.05, 0,
               0.95, 1)]  # that early stops are seen at all
GATE = "accuracy drop <= 0"
SUITE = """\
suite: gates
dataset: cases.jsonl
target: replay:b.jsonl
task: generate
prompt: "{{ id }}"
generate: {max_tokens: 1}
metrics: [accuracy]
"""


def answers(rng, n, flips, drop, size):
    """Right or wrong of both models, for each case."""
    way, unit = (1 + drop / flips) / 2, rng.random
    for i in range(n):
        if size and i % size == 0:
            way = 0.9 if unit() < 0.5 else 0.1  # flips of a cluster tend to go one way
        if unit() < flips:
            broke = unit() < way
            yield broke, not broke
        else:
            right = unit() < 0.8
            yield right, right


class Lines:
    """The line of each case, right and wrong."""

    def __init__(self, n, size):
        self.both = []
        for i in range(n):
            head = f'{{"id":"c-{i:05d}",' + (f'"cluster":"g{i // size}",' if size else "")
            self.both.append([f'{head}"expected":"y","output":"{a}","prediction":"{a}","scores":'
                              f'{{"accuracy":{int(a == "y")}}},"outcome":"ok","latency_ms":1,'
                              '"attempts":1}\n' for a in "ny"])

    def write(self, path, rights):
        with open(path, "w", encoding="ascii") as out:
            out.write("".join(pair[right] for pair, right in zip(self.both, rights)))


def exit_code(binary, *args, cwd):
    return subprocess.run([binary, *args], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          cwd=cwd, check=False).returncode


def compared(binary, folder):
    """Whether the gate failed."""
    code = exit_code(binary, "compare", "a.jsonl", "b.jsonl", "--gate", GATE, cwd=folder)
    assert code in (0, 1), code
    return code


def stopped(binary, folder):
    """Whether an early look failed the gate; a run that goes to its end is not the looks' doing."""
    code = exit_code(binary, "run", "suite.yaml", "--baseline", "a.jsonl", "--gate", GATE,
                     "--sequential", "--no-store", "--fresh", "--out", "out", "-q", cwd=folder)
    assert code in (0, 1), code
    if not code:
        return 0
    with open(folder / "out/summary.json", encoding="utf-8") as file:
        return json.load(file)["sequential"]["stopped"]


def tail(k, n, p):
    """P(X >= k) of X binomial."""
    if k <= 0 or p >= 1:
        return 1.0
    if p <= 0:
        return 0.0
    logs = [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * math.log(p)
            + (n - i) * math.log1p(-p) for i in range(k, n + 1)]
    return min(1.0, math.fsum(math.exp(x) for x in logs))


def solved(function):
    """Where a growing function of 0 to 1 reaches zero."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < 0 else (low, middle)
    return low


def clopper_pearson(k, n):
    return (solved(lambda p: tail(k, n, p) - 0.025) if k else 0.0,
            solved(lambda p: tail(k + 1, n, p) - 0.975) if k < n else 1.0)


def simulate(binary, folder, scenario, pairs):
    name, how, n, flips, drop, size, _, _ = scenario
    rng, lines, failed = random.Random(name), Lines(n, size), 0
    (folder / "suite.yaml").write_text(SUITE, encoding="ascii")
    with open(folder / "cases.jsonl", "w", encoding="ascii") as out:
        out.write("".join(f'{{"id":"c-{i:05d}","expected":"y"}}\n' for i in range(n)))
    for _ in range(pairs):
        rights = list(zip(*answers(rng, n, flips, drop, size)))
        for side in (0, 1):
            lines.write(folder / ("a.jsonl", "b.jsonl")[side], rights[side])
        failed += stopped(binary, folder) if how == "sequential" else compared(binary, folder)
    return failed


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    pairs = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    word = sys.argv[3] if len(sys.argv) > 3 else ""
    bad = 0
    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    print(f"{GATE}, {pairs} pairs a scenario", flush=True)
    for scenario in SCENARIOS:
        if word not in scenario[0]:
            continue
        with tempfile.TemporaryDirectory(dir=shared) as folder:
            failed = simulate(binary, pathlib.Path(folder), scenario, pairs)
        low, high = scenario[6:]
        held = low <= failed / pairs <= high
        bad += not held
        ends = clopper_pearson(failed, pairs)
        limit = f"at most {high:.1%}" if high < 1 else f"at least {low:.1%}"
        print(f"{scenario[0]:48s} fails {failed / pairs:6.2%}  [{ends[0]:.2%}, {ends[1]:.2%}]  "
              f"{limit}{'' if held else '  BEYOND'}", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
