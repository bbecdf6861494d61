#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Uncertainty through the binary: plan, gates beyond the first ones, comparison, early stopping.

    stats.py BINARY [CLASS...]      Standard library only; the helpers are those of e2e.py.
"""
import json
import pathlib
import random
import sys
import unittest

import e2e
from e2e import SUITE, Case, cases


class Recorded(Case):
    """Recordings of answers to the cases of a suite."""

    def suite(self, rows, gates=(), more=""):
        self.rows = list(rows)
        gate = f"gate: {json.dumps(list(gates))}\n" if gates else ""
        return self.small(self.rows, SUITE + more + gate)

    def record(self, name, wrong, **fields):
        wrong = set(wrong)
        return self.write(name, [
            {"id": row["id"], "output": "no_it_is_not" if i in wrong else "yes_it_is",
             **{key: make(i) for key, make in fields.items()}}
            for i, row in enumerate(self.rows)])

    def run_recorded(self, name, wrong, *more, code=0, **fields):
        self.record(name + ".jsonl", wrong, **fields)
        return self.summary("suite.yaml", "--target", f"replay:{name}.jsonl", "--out", name,
                            "--fresh", *more, code=code)

    def plan(self, *more, code=0):
        return json.loads(self.assay("plan", "suite.yaml", *more, "--format", "json",
                                     code=code).stdout)


class Plan(Recorded):
    def test_before_any_run(self):
        self.suite(cases(400), ["accuracy drop <= 0.02", "accuracy[tag=*] drop <= 0.05",
                                "accuracy >= 0.9", "latency.p95 rise <= 10%"])
        found = self.plan()
        self.assertFalse((self.dir / ".assay").exists(), "planning leaves nothing behind")
        self.assertEqual((found["cases"], found["clusters"], found["skipped"]), (400, 400, 0))
        self.assertEqual(found["estimate"]["from"], "8 rehearsed cases")
        self.assertAlmostEqual(found["flips"]["share"], 0.1)
        self.assertIn("assumed", found["flips"]["from"])
        rows = {row["gate"]: row for row in found["gates"]}
        drop = rows["accuracy drop <= 0.02"]
        # (z95 + z80)^2 (0.1 - d^2) / d^2
        self.assertAlmostEqual(drop["mde"], (6.18256 * 0.1 / 406.18256) ** 0.5, 4)
        self.assertEqual(drop["needed"], 1540)
        self.assertEqual(rows["accuracy[tag=edge] drop <= 0.05"]["cases"], 100)
        self.assertEqual(rows["accuracy[tag=common] drop <= 0.05"]["cases"], 300)
        self.assertAlmostEqual(rows["accuracy >= 0.9"]["mde"], 2.48648 * 0.3 / 20, 4)
        self.assertIsNone(rows["latency.p95 rise <= 10%"]["mde"])
        slices = {row.get("slice", ""): row["cases"] for row in found["slices"]}
        self.assertEqual(slices, {"": 400, "tag=edge": 100, "tag=common": 300})
        self.assertIn("shows from", self.assay("plan", "suite.yaml").stdout)

    def test_from_history(self):
        self.suite(cases(400), ["accuracy drop <= 0.02", "latency.mean rise <= 10%"])
        rng = random.Random(1)
        for name, wrong in (("a", range(20)), ("b", range(10, 26))):
            self.run_recorded(name, wrong, latency_ms=lambda i: 50 + i % 7 + rng.random(),
                              tokens_in=lambda i: 30, tokens_out=lambda i: 2)
        found = self.plan("--target", "replay:b.jsonl", "--limit", "200")
        self.assertEqual((found["cases"], found["skipped"]), (200, 200))
        self.assertIn("run ", found["estimate"]["from"])
        self.assertEqual((found["estimate"]["tokens_in"], found["estimate"]["tokens_out"]),
                         (6000, 400))
        self.assertAlmostEqual(found["flips"]["share"], 16 / 400)
        self.assertTrue(found["gates"][0]["measured"])
        self.assertAlmostEqual(found["gates"][0]["mde"],
                               (6.18256 * 0.04 / 206.18256) ** 0.5, 4)
        self.assertGreater(found["gates"][1]["mde"], 0)

    def test_refusals(self):
        self.suite(cases(10), ["acuracy drop <= 0.02"])
        self.refused("plan", "suite.yaml", says=["did you mean 'accuracy'"])
        self.refused("plan", says=["name one suite file"])
        self.refused("plan", "nowhere.yaml", says=["nowhere.yaml"])


class Gated(Recorded):
    def test_forms(self):
        self.suite(cases(400))
        wrong = range(40)
        for gate, code in (("accuracy >= 0.88 prove", 4), ("accuracy >= 0.87 prove", 0),
                           ("accuracy >= 0.93 prove", 1), ("accuracy[tag=edge] every >= 1", 1),
                           ("accuracy[tag=*] >= 0.89", 0), ("accuracy[tag=*] >= 0.905", 1)):
            found = self.run_recorded("o", wrong, "--no-store", "--gate", gate, code=code)
            self.assertEqual(len(found["gate"]["checks"]), 2 if "*" in gate else 1, gate)
        check = self.run_recorded("o", wrong, "--no-store", "--gate", "accuracy >= 0.88 prove",
                                  code=4)["gate"]["checks"][0]
        self.assertEqual(check["method"], "clopper-pearson")
        self.assertGreater(check["needed"], 400)
        self.assertGreater(check["mde"], 0.03)
        text = self.assay("run", "suite.yaml", "--target", "replay:o.jsonl", "--out", "t",
                          "--no-store", "--gate", "accuracy[tag=edge] every >= 1", code=1).stdout
        self.assertIn("10 of 100 cases miss the limit: c-0000, c-0004", " ".join(text.split()))

    def test_missing_answers_do_not_help(self):
        self.suite(cases(400), more="max_errors: 10%\n")
        self.record("r.jsonl", [])
        kept = (self.dir / "r.jsonl").read_text().splitlines()[20:]
        self.write("r.jsonl", "\n".join(kept) + "\n")
        for gate, code in (("accuracy >= 0.95", 0), ("accuracy >= 0.96", 3)):
            self.assay("run", "suite.yaml", "--target", "replay:r.jsonl", "--out", "o", "--fresh",
                       "--no-store", "--gate", gate, code=code)

    def test_ratios(self):
        self.suite(cases(300))
        slow = lambda factor: (lambda i: factor * (20 + i))
        self.run_recorded("a", [], "--no-store", latency_ms=slow(1))
        for factor, gate, code in ((1.08, "latency.mean rise <= 5%", 1),
                                   (1.08, "latency.p95 rise <= 10% prove", 0),
                                   (1.02, "latency.mean rise <= 5% prove", 0)):
            found = self.run_recorded("b", [], "--no-store", "--baseline", "a", "--gate", gate,
                                      latency_ms=slow(factor), code=code)
            check = found["gate"]["checks"][0]
            self.assertTrue(check["relative"])
            self.assertAlmostEqual(check["delta"], factor - 1, 6)
        text = self.assay("gate", "b", "--baseline", "a").stdout
        self.assertIn("2.0% from", text)


if __name__ == "__main__":
    e2e.BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    module = sys.modules[__name__]
    suite = unittest.TestSuite(unittest.defaultTestLoader.loadTestsFromName(name, module)
                               for name in sys.argv[2:] or ["Plan", "Gated"])
    sys.exit(0 if unittest.TextTestRunner(verbosity=1).run(suite).wasSuccessful() else 1)
