#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""assay score of files long enough to be parsed ahead: order, errors, ids, processors.

    ahead.py BINARY [CLASS]      Standard library only.
"""
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

BINARY = ""
METRICS = "accuracy,f1_macro,brier"


class Ahead(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="assay-ahead-")
        self.addCleanup(self.folder.cleanup)
        self.dir = pathlib.Path(self.folder.name)

    def rows(self, count):
        rng = random.Random(7)
        for i in range(count):
            yield json.dumps({"id": f"c{i}", "expected": i % 2,
                              "probabilities": round(rng.random() / 2 + i % 2 / 2, 4)})

    def score(self, *files, code=0, stdin=None, one=False, metrics=METRICS):
        cpu = {min(os.sched_getaffinity(0))}
        done = subprocess.run([BINARY, "score", *files, "--metrics", metrics, "--format", "json"],
                              cwd=self.dir, text=True, input=stdin, capture_output=True,
                              timeout=600,
                              preexec_fn=(lambda: os.sched_setaffinity(0, cpu)) if one else None)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertNotIn("Sanitizer", done.stderr)
        return done.stderr if code else done.stdout

    def write(self, name, lines):
        (self.dir / name).write_text("\n".join(lines) + "\n")
        return name

    def test_same_on_any_way(self):
        lines = list(self.rows(1200))
        blank = [line for row in lines for line in (["", row] if row.endswith("7}") else [row])]
        shuffled = random.Random(1).sample(lines, len(lines))
        nearly = lines[1:700] + [lines[0]] + lines[700:]
        found = {self.score(self.write("rows", given), one=one)
                 for given in (lines, blank, shuffled, nearly) for one in (False, True)}
        found.add(self.score("-", stdin="\n".join(lines)))
        found.add(self.score(self.write("a", lines[:567]), self.write("b", lines[567:])))
        self.assertEqual(len(found), 1)

    def test_texts_are_scored_ahead(self):
        rng = random.Random(3)
        words = ["the", "cats", "sat", "don't", "1,000", "e\u0301te\u0301", "\u00e9t\u00e9", "mat."]
        lines = []
        for i in range(1500):
            texts = [" ".join(rng.choices(words, k=rng.randint(0, 9))) for _ in range(3)]
            lines.append(json.dumps({"id": f"c{i:04}", "output": texts[0] if i % 7 else None,
                                     "expected": texts[1:] if i % 3 else texts[1]}))
        metrics = ("bleu,{name: bleu, tokenize: intl, normalize: nfc, as: composed},chrf_pp,ter,"
                   "{name: rouge1, stem: true},rougeLsum,wer,exact_match")
        found = {self.score(self.write("rows", given), metrics=metrics, one=one)
                 for given in (lines, lines[::-1]) for one in (False, True)}
        self.assertEqual(len(found), 1)
        self.assertEqual(len({m["value"] for m in json.loads(found.pop()).values()}), 8)
        lines[700] = json.dumps({"id": "x", "expected": {}, "output": "a"})
        self.assertIn("rows:701: ", self.score(self.write("rows", lines), metrics=metrics, code=2))

    def test_first_error_is_said(self):
        lines = list(self.rows(2000))
        broken, unfit = '{"id": "x"', '{"id": "y", "expected": {}, "output": "a"}'
        for places in ((1400, 1500), (1500, 1400), (256, 257), (257, 256), (258, 257), (1, 2000)):
            given = list(lines)
            given[places[0] - 1], given[places[1] - 1] = broken, unfit
            says = ("not JSON", "a label")[places.index(min(places))]
            for one in (False, True):
                text = self.score(self.write("rows", given), code=2, one=one)
                self.assertIn(f"rows:{min(places)}: ", text)
                self.assertIn(says, text)

    def test_twice(self):
        lines = list(self.rows(2000))
        self.write("a", lines)
        self.assertIn("b:1: case 'c1999' was scored twice",
                      self.score("a", self.write("b", lines[1999:]), code=2))
        for ids in (["b", "a", "b"], ["9", "10", "9"], ["10", "9", "10"], ["a", "a"]):
            rows = [json.dumps({"id": i, "expected": "x", "output": "x"}) for i in ids]
            text = self.score(self.write("rows", rows), code=2, metrics="accuracy")
            self.assertIn(f"rows:{len(ids)}: case '{ids[-1]}' was scored twice", text)
            self.score(self.write("rows", rows[:-1]), metrics="accuracy")


if __name__ == "__main__":
    BINARY = str(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main()
