#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Memory does not grow with the number of cases; a full disk costs memory, not results.

    flat.py BINARY [CLASS...]      Standard library only; the helpers are those of e2e.py.
"""
import os
import pathlib
import resource
import signal
import subprocess
import sys
import unittest

import e2e
from e2e import Case

CASES = 30_000
FEWER = 20
MORE_MB = 5  # than a few cases take: buffers that not every few cases fill


def limit_files():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))


# A process is never said to have held less than the one that made it did: that must be a small one.
MEASURE = """
import os, sys
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(pid, 0)
with open(sys.argv[1], "w") as out:
    out.write(str(used.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))
"""


class Flat(Case):
    def measured(self, *args, **more):
        """stdout, stderr and the most memory that was held at once, MB"""
        peak = os.path.join(self.dir, "peak")
        done = subprocess.run([sys.executable, "-I", "-S", "-c", MEASURE, peak, e2e.BINARY, *args],
                              cwd=self.dir, capture_output=True, text=True, check=False, **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(peak, encoding="utf-8") as file:
            return done.stdout, done.stderr, int(file.read()) / 1024

    def write_answers(self, name, count):
        with open(os.path.join(self.dir, name), "w", encoding="utf-8") as out:
            for i in range(count):
                number = i * 7919 % count  # not in the order of the ids
                out.write(f'{{"id":"case-{number:06}","expected":"{"abc"[number % 3]}",'
                          f'"output":"{"abcd"[number % 4]}","latency_ms":{number % 997}}}\n')

    def score(self, name, **more):
        return self.measured("score", name, "--metrics",
                             "accuracy,f1_macro,latency.p95,latency.mean", "--format", "json", **more)

    def skip_sanitized(self):
        if b"san_init" in pathlib.Path(e2e.BINARY).read_bytes():
            self.skipTest("a sanitizer keeps what is freed: its memory is not assay's")

    def test_runs(self):
        self.skip_sanitized()
        self.write("suite.yaml", """\
suite: flat
dataset: cases.jsonl
target: mock:echo
task: generate
prompt: "{{ output }}"
metrics: [accuracy, f1_macro, exact_match, latency.p95]
gate: [accuracy >= 0.2, accuracy drop <= 0.01, f1_macro drop <= 0.01]
""")
        peaks = {"run": [], "against a run": [], "against the history": [], "recorded": []}
        for count in (CASES // FEWER, CASES):
            self.write_answers("cases.jsonl", count)
            for name, more in (("run", ("--out", "base", "--no-store")),
                               ("against a run", ("--baseline", "base", "--tag", "t")),
                               ("against the history", ("--baseline", "tag:t")),
                               ("recorded", ("--no-store", "--target", "replay:base/results.jsonl",
                                             "--out", "base"))):
                store = () if "--no-store" in more else ("--store", f"sqlite:{count}.db")
                peaks[name].append(self.measured("run", "suite.yaml", "--fresh", "-q", *store, *more)[2])
        for name, (few_mb, many_mb) in peaks.items():
            self.assertLess(many_mb, few_mb + MORE_MB, name)
            self.assertLess(many_mb, 64, name)

    def test_scoring(self):
        self.skip_sanitized()
        self.write_answers("few.jsonl", CASES // FEWER)
        self.write_answers("many.jsonl", CASES)
        self.assertLess(self.score("many.jsonl")[2], self.score("few.jsonl")[2] + MORE_MB)

    def test_full_disk(self):
        # No room for a temporary file: one sentence, and the same result.
        self.write_answers("many.jsonl", CASES)
        out, err, _ = self.score("many.jsonl")
        self.assertEqual(err, "")
        full, warning, _ = self.score("many.jsonl", preexec_fn=limit_files)
        self.assertEqual(full, out)
        self.assertEqual(warning.count("\n"), 1, warning)
        self.assertIn("cannot write a temporary file in '", warning)
        self.assertIn("stays in memory", warning)


if __name__ == "__main__":
    e2e.BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
