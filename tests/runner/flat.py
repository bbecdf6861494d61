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

CASES = 70_000


def answers(count):
    for i in range(count):
        number = i * 7919 % count  # not in the order of the ids
        yield (f'{{"id":"case-{number:06}","expected":"{"abc"[number % 3]}",'
               f'"output":"{"abcd"[number % 4]}","latency_ms":{number % 997}}}\n')


def limit_files():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))


class Flat(Case):
    def score(self, name, **more):
        process = subprocess.Popen(
            [e2e.BINARY, "score", name, "--metrics", "accuracy,f1_macro,latency.p95,latency.mean",
             "--format", "json"], cwd=self.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, **more)
        with process.stdout, process.stderr:
            out, err = process.stdout.read(), process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0, err)
        return out, err, used.ru_maxrss / 1024

    def test_many_cases(self):
        self.write("few.jsonl", "".join(answers(CASES // 10)))
        self.write("many.jsonl", "".join(answers(CASES)))
        _, _, few_mb = self.score("few.jsonl")
        out, err, many_mb = self.score("many.jsonl")
        self.assertEqual(err, "")
        if b"san_init" not in pathlib.Path(e2e.BINARY).read_bytes():
            self.assertLess(many_mb, 64)
            self.assertLess(many_mb, few_mb + 24)
        # No room for a temporary file: one sentence, and the same result.
        full, warning, _ = self.score("many.jsonl", preexec_fn=limit_files)
        self.assertEqual(full, out)
        self.assertEqual(warning.count("\n"), 1, warning)
        self.assertIn("cannot write a temporary file in '", warning)
        self.assertIn("stays in memory", warning)


if __name__ == "__main__":
    e2e.BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
