#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Comparison of variants of one model on the embedded engine: what is on the page.

    variants.py BINARY      Standard library only; the helpers are those of e2e_engine.py.
"""
import json
import pathlib
import re
import sys
import unittest

import e2e
from e2e_engine import SUITE, Engine


class Variants(Engine):
    def test_time_memory_agreement_and_front(self):
        for row in self.rows:
            row["options"] = ["zz", row["expected"], "q"]
        text = SUITE % ("", "choice") + "choices: {field: options}\n"
        for name, keys in (("a", ""), ("b", "?quant=q8_0"), ("c", "?quant=q4_0")):
            self.run_suite(text.replace("model.gguf", "model.gguf" + keys), name)
        memory = [json.loads((self.dir / name / "summary.json").read_text())["target"]["memory_bytes"]
                  for name in "abc"]
        self.assertEqual(sorted(memory, reverse=True), memory)
        self.assertGreater(memory[0], 2 * memory[1])
        paths = [f"{name}/results.jsonl" for name in "abc"]
        found = json.loads(self.assay("compare", *paths, "--format", "json", "--out", "page.html")
                           .stdout)
        self.assertEqual([run["memory_bytes"] for run in found["runs"]], memory)
        smallest = [run for run in found["runs"] if run["memory_bytes"] == memory[2]]
        self.assertTrue(any(run["front"] for run in smallest))  # only one of them beats another
        page = (self.dir / "page.html").read_text(encoding="utf-8")
        for column in ("Time a case", "Cost a case", "Memory", "Equal answers", "KL, nats", "Front"):
            self.assertIn(f'<th scope="col">{column}</th>', page)
        self.assertEqual(re.findall(r'data-l="Memory">([^<]*)<', page),
                         [f"{size / 1000:.0f} kB" for size in memory])
        self.assertIn("?quant=q4_0", page)  # three variants of one name are told apart
        two = self.assay("compare", *paths[:2]).stdout
        self.assertRegex(two, r"memory +\d+ kB, from \d+ kB: \S+\d%")
        self.assertRegex(two, r"agreement +\d+ of 12 answers are equal.*KL")

    def test_recordings_have_no_memory(self):
        for name in "ab":
            self.write(f"{name}.jsonl", [{"id": f"c{i}", "expected": "x", "output": "x", "attempts": 1,
                                          "prediction": "x", "scores": {"accuracy": 1},
                                          "outcome": "ok", "latency_ms": 5} for i in range(9)])
        found = self.assay("compare", "a.jsonl", "b.jsonl", "--out", "page.html").stdout
        self.assertNotIn("memory", found)
        self.assertIn('data-l="Memory"><', (self.dir / "page.html").read_text(encoding="utf-8"))


if __name__ == "__main__":
    e2e.BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
