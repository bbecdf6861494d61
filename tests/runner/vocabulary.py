#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Metrics that take files of the suite's: models that cut texts into pieces, a WordNet.

    vocabulary.py BINARY [CLASS...]      Standard library only; the helpers are those of e2e.py.
"""
import hashlib
import json
import pathlib
import sys
import unittest

import e2e
from e2e import Case

MODELS = pathlib.Path(__file__).parent.parent / "base" / "sentencepiece.jsonl"
SUITE = """\
suite: words
dataset: cases.jsonl
target: replay:answers.jsonl
task: generate
prompt: "{{ x }}"
metrics: [{name: bleu, tokenize: flores200, vocabulary: x.model}, {name: bleu, as: bleu_13a}]
"""


class Files(Case):
    def setUp(self):
        super().setUp()
        self.models = [bytes.fromhex(row["file"]) for row in
                       map(json.loads, MODELS.read_text("utf-8").strip().split("\n")) if "file" in row]
        texts = ["the quick brown fox", "sea shells on the sea shore", "\u6771\u4eac\u90fd the dog sleeps again"]
        self.write("suite/cases.jsonl", [{"id": str(i), "x": "q", "expected": text} for i, text in enumerate(texts)])
        self.write("suite/answers.jsonl", [{"id": str(i), "output": text.replace("the", "a")}
                                           for i, text in enumerate(texts)])
        self.write("suite/suite.yaml", SUITE)
        self.write("suite/x.model", self.models[0])

    def run_suite(self, out):
        return self.summary("suite/suite.yaml", "--out", out, "--no-store")["metrics"]["bleu"]

    def test_from_the_folder_of_the_suite(self):
        first = self.run_suite("a")
        digest = hashlib.sha256(self.models[0]).hexdigest()[:12]
        self.assertIn(f"|tok:flores200|smooth:exp|vocabulary:{digest}|", first["signature"])
        # The stored metric is found again, and another file of the same name is another metric.
        compared = json.loads(self.assay("compare", "a", "a", "--format", "json").stdout)["metrics"]
        self.assertEqual(compared["bleu"]["a"], first["value"])
        self.write("suite/x.model", self.models[4])
        second = self.run_suite("b")
        self.assertNotEqual(second["signature"], first["signature"])
        self.assertNotEqual(second["value"], first["value"])

    def test_refusals_stand_at_the_place(self):
        self.write("suite/x.model", self.models[0][:-1])
        self.refused("run", "suite/suite.yaml", says=["suite/suite.yaml:6:", "cannot read 'suite/x.model'", "offset"])
        (self.dir / "suite/x.model").unlink()
        self.refused("plan", "suite/suite.yaml", says=["suite/suite.yaml:6:", "suite/x.model"])

    def test_a_dataset_cannot_name_a_folder(self):
        for part in ("noun", "verb", "adj", "adv"):
            self.write(f"net/index.{part}", "car n 1 0 1 0 00000000  \n" if part == "noun" else "")
            self.write(f"net/data.{part}", "00000000 06 n 02 car 0 auto 0 000 | m  \n" if part == "noun" else "")
        self.write("cases.jsonl", [{"id": "1", "x": "q", "assert": [{"type": "meteor", "value": "auto", "wordnet": "net"}]}])
        self.write("answers.jsonl", [{"id": "1", "output": "car"}])
        self.write("suite.yaml", SUITE.replace("metrics: ", "expected: assert\nmetrics: [assert_score] # "))
        self.refused("run", "suite.yaml", "--no-store", says=["assertion key 'wordnet' is not there"])
        self.write("a.jsonl", [{"output": "car", "expected": "auto"}])
        for metric, value in (("meteor", 0), ("{name: meteor, wordnet: net}", 0.5)):
            found = json.loads(self.assay("score", "a.jsonl", "--metrics", metric, "--format", "json").stdout)
            self.assertEqual(found["meteor"]["value"], value)


if __name__ == "__main__":
    e2e.BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
