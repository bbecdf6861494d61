#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times metrics through the binary beside the Python programs that compute the same. By hand:

    pip install scikit-learn sacrebleu rouge-score
    python3 metrics_bench.py BINARY [SCALE]      SCALE 1: a million pairs, 100,000 texts

Processor time of whole processes on one core, both sides in turns, best of three; texts also by the
clock on all cores, which only assay knows how to use. Reading the file counts for both. The
references are given what they need in memory-friendly form (JSON Lines, read line by line), and
print what they found, so that the numbers can be compared.
"""
import json
import os
import pathlib
import random
import resource
import subprocess
import sys
import tempfile
import time

SKLEARN = """
import json, sys, numpy as np
from sklearn.metrics import (accuracy_score, balanced_accuracy_score, cohen_kappa_score, f1_score,
                             matthews_corrcoef, precision_score, recall_score)
y, p = [], []
for line in open(sys.argv[1]):
    row = json.loads(line)
    y.append(row['expected']); p.append(row['output'])
y, p = np.array(y), np.array(p)
print(accuracy_score(y, p), balanced_accuracy_score(y, p), matthews_corrcoef(y, p),
      cohen_kappa_score(y, p), *[f(y, p, average=a) for f in (f1_score, precision_score, recall_score)
                                 for a in ('macro', 'micro', 'weighted')])
"""
BOOTSTRAP = """
import json, sys, numpy as np
from sklearn.metrics import f1_score
rows = [[json.loads(line) for line in open(path)] for path in sys.argv[1:3]]
y = np.array([r['expected'] for r in rows[0]])
a, b = (np.array([r['output'] for r in side]) for side in rows)
rng, deltas = np.random.default_rng(1), []
for _ in range(int(sys.argv[3])):
    i = rng.integers(0, len(y), len(y))
    deltas.append(f1_score(y[i], b[i], average='macro') - f1_score(y[i], a[i], average='macro'))
print(np.quantile(deltas, (0.025, 0.975)))
"""
TEXTS = """
import json, sys, sacrebleu
from rouge_score import rouge_scorer
hyp, ref = [], []
for line in open(sys.argv[1]):
    row = json.loads(line)
    hyp.append(row['output']); ref.append(row['expected'])
print(sacrebleu.corpus_bleu(hyp, [ref]).score, sacrebleu.corpus_chrf(hyp, [ref]).score)
scorer = rouge_scorer.RougeScorer(['rouge1', 'rouge2', 'rougeL'])
scores = [scorer.score(r, h) for r, h in zip(ref, hyp)]
print(*[sum(s[k].fmeasure for s in scores) / len(scores) for k in ('rouge1', 'rouge2', 'rougeL')])
"""


def used(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    core = {min(os.sched_getaffinity(0))}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL,
                   preexec_fn=lambda: os.sched_setaffinity(0, core))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def race(name, ours, theirs, times=3, share=1):
    """`share` of the work is what the reference is given."""
    mine, other = [], []
    for turn in range(times):
        mine.append(used(ours))
        if turn == 0 or sum(other) < 60:
            other.append(used(theirs) / share)
    show(name, min(mine), min(other))
    return min(other)


def show(name, mine, other):
    print(f"{name:58} {mine:8.2f} s  {other:9.2f} s  {other / mine:7.1f}x", flush=True)


def clock(command):
    start = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def write(path, rows):
    with open(path, "w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row) + "\n")


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    scale = float(sys.argv[2]) if len(sys.argv) > 2 else 1
    rng = random.Random(1)
    labels = [f"intent_{i:02d}" for i in range(24)]

    def pairs(count, right):
        for i in range(count):
            gold = labels[i * 7919 % 24]
            yield {"id": f"c{i:07d}", "expected": gold,
                   "output": gold if rng.random() < right else rng.choice(labels)}
    print(f"{'':58} {'assay':>10}  {'reference':>11}")
    with tempfile.TemporaryDirectory() as folder:
        def path(name):
            return os.path.join(folder, name)
        n = int(1_000_000 * scale)
        write(path("pairs"), pairs(n, 0.9))
        names = ("accuracy,balanced_accuracy,mcc,kappa,f1_macro,f1_micro,f1_weighted,"
                 "precision_macro,precision_micro,precision_weighted,recall_macro,recall_micro,"
                 "recall_weighted")
        race(f"{n:,} pairs, 13 metrics (assay: and their intervals)",
             [binary, "score", path("pairs"), "--metrics", names],
             [sys.executable, "-c", SKLEARN, path("pairs")])
        n = int(10_000 * min(1, scale * 10))
        for name in ("a", "b"):
            write(path(name + ".jsonl"), [{**row, "prediction": row["output"], "outcome": "ok",
                                           "scores": {"f1_macro": None}, "attempts": 1}
                                          for row in pairs(n, 0.9)])
        race(f"9,999 paired resamples of macro-F1, n={n:,} (and swaps)",
             [binary, "compare", path("a.jsonl"), path("b.jsonl"), "--gate",
              "f1_macro drop <= 0.2"],
             [sys.executable, "-c", BOOTSTRAP, path("a.jsonl"), path("b.jsonl"), "100"],
             share=100 / 9999)
        n = int(100_000 * scale)
        words = [f"{rng.choice('bcdfgklmnprst')}{rng.choice('aeiou')}{rng.choice('bdlmnrst')}"
                 f"{rng.choice(['', 'ing', 'ed', 'er'])}" for _ in range(5000)]

        def texts():
            for i in range(n):
                ref = [rng.choice(words) for _ in range(rng.randint(8, 24))]
                hyp = [w if rng.random() < 0.8 else rng.choice(words) for w in ref]
                yield {"id": str(i), "expected": " ".join(ref) + ".", "output": " ".join(hyp) + "."}
        write(path("texts"), texts())
        ours = [binary, "score", path("texts"), "--metrics", "bleu,chrf,rouge1,rouge2,rougeL"]
        theirs = race(f"{n:,} texts: BLEU, chrF, ROUGE-1/2/L", ours,
                      [sys.executable, "-c", TEXTS, path("texts")], times=2)
        show(f"  the same by the clock, {os.cpu_count()} cores",
             min(clock(ours) for _ in range(3)), theirs)


main()
