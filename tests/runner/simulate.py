#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Error rates of gates through the binary, as a build server meets them. Minutes long, run by hand:

    simulate.py BINARY [PAIRS]        pairs of runs a scenario, default 400

Writes recordings of two models whose answers differ by chance (or by a true drop), judges them with
`assay compare --gate`, and counts. Ends with 1 when a rate is outside what theory and three standard
errors allow.
"""
import json
import pathlib
import random
import subprocess
import sys
import tempfile

# name, cases, share that flips, true drop, cluster size, lowest and highest share of failures
SCENARIOS = [(f"A/A n={n} flips={flips}{' clusters of 10' if size else ''}", n, flips, 0, size, 0, 0.05)
             for n in (100, 500, 2000) for flips in (0.05, 0.10, 0.20) for size in (0, 10)]
SCENARIOS += [("drop 3 points n=1000 flips=0.10", 1000, 0.10, 0.03, 0, 0.88, 1),
              ("drop 2 points n=2000 flips=0.04", 2000, 0.04, 0.02, 0, 0.98, 1)]


def answers(rng, n, flips, drop, size):
    way = 0.5
    for i in range(n):
        if size and i % size == 0:
            way = rng.choice((0.1, 0.9))  # flips of a cluster tend to go one way
        broke = rng.random() < ((1 + drop / flips) / 2 if not size else way)
        if rng.random() < flips:
            yield broke, not broke
        else:
            right = rng.random() < 0.8
            yield right, right


def write(path, rights, size):
    with open(path, "w", encoding="utf-8") as out:
        for i, right in enumerate(rights):
            row = {"id": f"c-{i:05d}", "expected": "y", "output": "y" if right else "n",
                   "prediction": "y" if right else "n", "scores": {"accuracy": int(right)},
                   "outcome": "ok", "latency_ms": 1, "attempts": 1}
            if size:
                row["cluster"] = f"g{i // size}"
            out.write(json.dumps(row) + "\n")


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    pairs = int(sys.argv[2]) if len(sys.argv) > 2 else 400
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        a, b = pathlib.Path(folder) / "a.jsonl", pathlib.Path(folder) / "b.jsonl"
        for name, n, flips, drop, size, low, high in SCENARIOS:
            rng = random.Random(name)
            failed = 0
            for _ in range(pairs):
                both = list(answers(rng, n, flips, drop, size))
                write(a, [x for x, _ in both], size)
                write(b, [y for _, y in both], size)
                code = subprocess.run([binary, "compare", a, b, "--gate", "accuracy drop <= 0.001"],
                                      stdout=subprocess.DEVNULL, cwd=folder, check=False).returncode
                assert code in (0, 1), code
                failed += code
            rate = failed / pairs
            margin = 3 * (max(rate, 0.05) * (1 - min(rate, 0.95)) / pairs) ** 0.5
            held = low - margin <= rate <= high + margin
            bad += not held
            print(f"{name:44s} fails {rate:7.2%}  {'' if held else 'OUTSIDE'}", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
