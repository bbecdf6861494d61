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


class Compared(Recorded):
    def compare(self, *runs, code=0):
        return json.loads(self.assay("compare", *runs, "--format", "json", code=code).stdout)

    def test_two_runs(self):
        self.suite(cases(400))
        logs = lambda x: (lambda i: [x, -2.0])
        fields = {"choices": lambda i: ["yes_it_is", "no_it_is_not"]}
        self.run_recorded("a", range(4), "--no-store", latency_ms=lambda i: 10 + i % 5,
                          choice_logprobs=logs(-1.0), **fields)
        # Every fourth case is tagged edge: 30 of those break, none of the others.
        self.run_recorded("b", range(4), "--no-store", latency_ms=lambda i: 20 + 2 * (i % 5),
                          choice_logprobs=lambda i: [-2.5, -2.0] if i % 4 == 0 and i < 120
                          else [-1.0, -2.0], **fields)
        found = self.compare("a", "b")
        self.assertEqual((found["cases"], found["missing"]), (400, 0))
        self.assertEqual(found["agreement"]["same"], 370)
        self.assertEqual(found["agreement"]["kl_cases"], 400)
        self.assertGreater(found["agreement"]["kl_mean"], 0)
        self.assertEqual(found["regressed"][0]["slice"], "tag=edge")
        self.assertLess(found["regressed"][0]["q"], 1e-6)
        self.assertNotIn("tag=common", [row["slice"] for row in found["regressed"]])
        self.assertAlmostEqual(found["latency"]["relative"], 1.0)
        self.assertEqual([run["front"] for run in found["runs"]], [True, False])
        text = self.assay("compare", "a", "b", "--out", "page.html").stdout
        self.assertIn("accuracy[tag=edge]", text)
        self.assertIn("370 of 400 answers are equal", text)
        page = (self.dir / "page.html").read_text()
        self.assertIn("tag=edge", page)
        self.assertNotIn("<script", page)

    def test_many_runs(self):
        self.suite(cases(400))
        for name, wrong in (("a", range(20)), ("b", range(60)), ("c", range(10))):
            self.run_recorded(name, wrong, "--no-store")
        found = self.compare("a", "b", "c")
        self.assertEqual([v["metrics"]["accuracy"]["flips"] for v in found["variants"]],
                         [{"broke": 40, "fixed": 0}, {"broke": 0, "fixed": 10}])
        self.assertEqual([run["front"] for run in found["runs"]], [False, False, True])
        gated = self.compare("a", "b", "c", "--gate", "accuracy drop <= 0.02", code=1)
        self.assertEqual([v["gate"]["verdict"] for v in gated["variants"]], ["fail", "pass"])
        # The comparison with the baseline does not depend on who else is there.
        self.assertEqual(self.compare("a", "c")["metrics"], found["variants"][1]["metrics"])
        text = self.assay("compare", "a", "b", "c").stdout
        self.assertIn("Pareto front (accuracy, time and cost of a case, memory): C", text)

    def test_refusals(self):
        self.suite(cases(10))
        self.run_recorded("a", [], "--no-store")
        self.refused("compare", "a", says=["two runs or more"])
        self.refused("compare", "a", "a", "nowhere/results.jsonl", says=["nowhere"])


class Sequential(Recorded):
    GATE = "accuracy drop <= 0.03"

    def setUp(self):
        super().setUp()
        rng = random.Random(3)
        self.suite(cases(3000), [self.GATE])
        self.wrong = {i for i in range(3000) if rng.random() < 0.1}
        self.broken = self.wrong | {i for i in range(3000) if rng.random() < 0.08}
        self.run_recorded("base", self.wrong)

    def go(self, name, wrong, *more, code=0):
        return self.run_recorded(name, wrong, "--sequential", "--baseline", "base", *more,
                                 code=code)

    def test_stops_where_it_should_on_any_number_of_workers(self):
        first = self.go("now", self.broken, "-j", "1", "--no-store", code=1)
        again = self.go("now", self.broken, "-j", "7", "--no-store", code=1)
        for key in ("scores_digest", "sequential", "cases", "gate"):
            self.assertEqual(first[key], again[key], key)
        self.assertTrue(first["sequential"]["stopped"])
        self.assertLess(first["cases"]["total"], 600)
        self.assertEqual(first["cases"]["total"] + first["cases"]["skipped"], 3000)
        self.assertEqual(len(self.lines("now")), first["cases"]["total"])
        self.assertEqual(first["gate"]["checks"][0]["method"], "e-process")

    def test_an_unchanged_model_passes_early_and_is_no_baseline(self):
        found = self.go("now", self.wrong)
        self.assertEqual(found["gate"]["verdict"], "pass")
        self.assertTrue(found["sequential"]["stopped"])
        later = self.run_recorded("later", self.wrong)
        self.assertEqual(later["gate"]["verdict"], "pass")
        self.assertEqual(later["gate"]["checks"][0]["n"], 3000, "against the whole run")

    def test_resumed_as_if_never_interrupted(self):
        whole = self.go("now", self.broken, "-j", "1", "--no-store", code=1)
        journal = self.dir / "now/results.jsonl"
        journal.write_text("".join(journal.read_text().splitlines(True)[:40]))
        (self.dir / "now/summary.json").unlink()
        found = self.summary("suite.yaml", "--target", "replay:now.jsonl", "--out", "now",
                             "--resume", "--sequential", "--baseline", "base", "--no-store",
                             code=1)
        self.assertEqual(found["scores_digest"], whole["scores_digest"])
        self.assertEqual(found["gate"], whole["gate"])

    def test_refusal_and_warning(self):
        self.write("suite.yaml", SUITE)
        self.record("now.jsonl", self.wrong)
        done = self.assay("run", "suite.yaml", "--target", "replay:now.jsonl", "--out", "x",
                          "--sequential", "--no-store", "--gate", "f1_macro >= 0.4", code=2)
        self.assertIn("no gate can be decided early", done.stderr)
        done = self.assay("run", "suite.yaml", "--target", "replay:now.jsonl", "--out", "y",
                          "--sequential", "--no-store", "--gate", "f1_macro >= 0.4",
                          "--gate", "accuracy >= 0.8")
        self.assertIn("1 of 2 gates can be decided early", done.stderr)


if __name__ == "__main__":
    e2e.BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    module = sys.modules[__name__]
    suite = unittest.TestSuite(unittest.defaultTestLoader.loadTestsFromName(name, module)
                               for name in sys.argv[2:] or ["Plan", "Gated", "Compared",
                                                    "Sequential"])
    sys.exit(0 if unittest.TextTestRunner(verbosity=1).run(suite).wasSuccessful() else 1)
