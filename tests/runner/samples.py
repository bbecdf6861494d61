#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Several answers a case, through the binary: what is asked, written, counted and made of them.

    samples.py BINARY [CLASS...]      Standard library only; the helpers are those of e2e.py.
"""
import collections
import json
import math
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
import unittest

import e2e
from e2e import Case

SUITE = """\
suite: several
dataset: cases.jsonl
target: replay:answers.jsonl
task: generate
prompt: "{{ text }}"
generate: {samples: 5, temperature: 0.7}
metrics: [exact_match, pass@1, pass@3, pass_all@2, majority, consistency, f1_macro]
slices: [tags]
max_errors: 100%
"""
SAMPLES = 5


def rows(count):
    for i in range(count):
        yield {"id": f"c-{i:03d}", "text": f"question {i}", "expected": "yes" if i % 3 else "no",
               "tags": ["edge" if i % 4 == 0 else "common"]}


def draw(row, rng, chance):
    if rng.random() < chance:
        return row["expected"]
    return rng.choice(["yes", "no", "perhaps"])


class Several(Case):
    def setUp(self):
        super().setUp()
        self.rows = list(rows(60))
        self.small(self.rows, SUITE)

    def record(self, seed=1, name="answers.jsonl", lose=()):
        rng = random.Random(seed)
        self.said = {row["id"]: [draw(row, rng, 0.2 + 0.7 * (i % 5) / 4) for _ in range(SAMPLES)]
                     for i, row in enumerate(self.rows)}
        lines = [{"id": row["id"], "sample": k, "output": self.said[row["id"]][k],
                  "latency_ms": 10 * k + i, "tokens_out": 2,
                  "outcome": "timeout" if (i, k) in lose else "ok"}
                 for k in range(SAMPLES) for i, row in enumerate(self.rows)]
        random.Random(7).shuffle(lines)
        self.write(name, lines)

    def right(self, row):
        return [answer == row["expected"] for answer in self.said[row["id"]]]


class Samples(Several):
    def test_values_by_hand(self):
        self.record()
        found = self.summary("suite.yaml", "--out", "out")
        self.assertEqual(found["cases"], {"total": 60, "ok": 60, "errors": 0, "skipped": 0})
        self.assertEqual(found["answers"], {"total": 300, "errors": 0})
        counts = [sum(self.right(row)) for row in self.rows]
        n = len(counts)

        def mean(values):
            values = list(values)
            return sum(values) / len(values)
        values = {name: m["value"] for name, m in found["metrics"].items()}
        self.assertAlmostEqual(values["exact_match"], mean(c / 5 for c in counts), 12)
        self.assertAlmostEqual(values["pass@1"], mean(c / 5 for c in counts), 12)
        self.assertAlmostEqual(values["pass@3"], mean(
            1 - math.comb(5 - c, 3) / math.comb(5, 3) for c in counts), 12)
        self.assertAlmostEqual(values["pass_all@2"], mean(
            math.comb(c, 2) / math.comb(5, 2) for c in counts), 12)

        def majority(row):
            said = collections.Counter(self.said[row["id"]])
            best = [t for t, m in said.items() if m == max(said.values())]
            return sum(t == row["expected"] for t in best) / len(best)
        self.assertAlmostEqual(values["majority"], mean(map(majority, self.rows)), 12)
        self.assertAlmostEqual(values["consistency"], mean(
            sum(m * (m - 1) for m in collections.Counter(self.said[row["id"]]).values()) / 20
            for row in self.rows), 12)
        # f1_macro over all 300 answers
        pairs = [(row["expected"], answer) for row in self.rows
                 for answer in self.said[row["id"]]]
        labels = {label for pair in pairs for label in pair}
        f1 = [2 * sum(g == p == c for g, p in pairs)
              / (sum(g == c for g, _ in pairs) + sum(p == c for _, p in pairs)) for c in labels]
        self.assertAlmostEqual(values["f1_macro"], mean(f1), 12)
        # The standard error is that of the cases' means: answers to one case are no new cases.
        means = [c / 5 for c in counts]
        variance = sum((m - mean(means)) ** 2 for m in means) / (n - 1)
        exact = found["metrics"]["exact_match"]
        self.assertAlmostEqual(exact["stderr"], math.sqrt(variance / n), 12)
        self.assertEqual((exact["n"], exact["answers"]), (60, 300))
        within = mean(5 * m * (1 - m) / 4 for m in means)
        self.assertAlmostEqual(exact["within"], within, 12)
        self.assertAlmostEqual(exact["between"], max(0, variance - within / 5), 12)
        self.assertEqual(exact["flaky"], sum(2 * m * (1 - m) * 5 / 4 > 0.3 for m in means))
        # Times are those of answers.
        latencies = sorted(10 * k + i for k in range(5) for i in range(60))
        self.assertEqual(found["latency_ms"]["max"], latencies[-1])
        self.assertEqual(found["latency_ms"]["p50"], latencies[149])
        self.assertEqual(found["throughput"]["tokens_out"], 600)

    def test_the_journal_and_what_is_made_of_it(self):
        self.record()
        found = self.summary("suite.yaml", "--out", "out")
        lines = self.lines("out")
        self.assertEqual(len(lines), 300)
        self.assertEqual(sorted((line["id"], line["sample"]) for line in lines),
                         [(row["id"], k) for row in self.rows for k in range(SAMPLES)])
        self.assertTrue(all(line["samples"] == SAMPLES for line in lines))
        for line in lines:
            self.assertEqual(line["output"], self.said[line["id"]][line["sample"]])
        # Scored again from the journal, from the history, in any order, in any number of threads.
        again = self.summary("suite.yaml", "--out", "again", "--concurrency", "1")
        self.assertEqual(again["scores_digest"], found["scores_digest"])
        for reference in ("out/results.jsonl", "run:" + found["run"]):
            same = json.loads(self.assay("compare", reference, "again", "--format", "json").stdout)
            self.assertEqual(same["cases"], 60)
            self.assertEqual({m["delta"] for m in same["metrics"].values()}, {0})
        scored = json.loads(self.assay(
            "score", "out/results.jsonl", "--metrics", "exact_match,pass@3,majority,consistency",
            "--format", "json").stdout)
        for name, value in scored.items():
            self.assertEqual(value["value"], found["metrics"][name]["value"], name)
            self.assertEqual(value["ci"], found["metrics"][name]["ci"], name)
        junit = (self.dir / "out" / "junit.xml").read_text()
        failing = sum(not all(self.right(row)) for row in self.rows)
        self.assertIn(f"{failing} failing cases", junit)
        text = self.assay("run", "suite.yaml", "--out", "text").stdout
        self.assertIn("60 cases, 300 answers", text)
        self.assertIn("of the variance of the scores is between answers to one case", text)
        past = self.assay("history", "case", "c-001", "-n", "1", "--format", "json").stdout
        self.assertEqual(len(past.splitlines()), SAMPLES, "of the newest run all answers")

    def test_compared_case_by_case(self):
        self.record(1, "a.jsonl")
        before = {row["id"]: sum(self.right(row)) / 5 for row in self.rows}
        self.summary("suite.yaml", "--target", "replay:a.jsonl", "--out", "a")
        self.record(2, "b.jsonl")
        after = {row["id"]: sum(self.right(row)) / 5 for row in self.rows}
        self.summary("suite.yaml", "--target", "replay:b.jsonl", "--out", "b")
        found = json.loads(self.assay("compare", "a", "b", "--format", "json").stdout)
        delta = [after[i] - before[i] for i in before]
        exact = found["metrics"]["exact_match"]
        self.assertAlmostEqual(exact["delta"], sum(delta) / 60, 12)
        self.assertEqual(exact["flips"]["broke"],
                         sum(before[i] == 1 > after[i] for i in before))

    def test_answers_that_never_came(self):
        self.record(lose={(3, 0), (3, 4), *((9, k) for k in range(SAMPLES))})
        found = self.summary("suite.yaml", "--out", "out", "--gate", "exact_match >= 0")
        self.assertEqual(found["cases"], {"total": 60, "ok": 58, "errors": 2, "skipped": 0})
        self.assertEqual(found["answers"], {"total": 300, "errors": 7})
        self.assertEqual(found["outcomes"], {"ok": 293, "timeout": 7})
        self.assertEqual(found["metrics"]["exact_match"]["n"], 59)
        lost = {3: self.right(self.rows[3])[1:4]}
        means = [sum(lost.get(i, self.right(row))) / len(lost.get(i, self.right(row)))
                 for i, row in enumerate(self.rows) if i != 9]
        value = found["metrics"]["exact_match"]["value"]
        self.assertAlmostEqual(value, sum(means) / 59, 12)
        # What never came could have been wrong.
        worst = sum(sum(right for k, right in enumerate(self.right(row))
                        if (i, k) not in {(3, 0), (3, 4)}) / 5
                    for i, row in enumerate(self.rows) if i != 9) / 60
        between = (value + worst) / 2
        judged = self.summary("suite.yaml", "--out", "two", "--gate", f"exact_match >= {between}",
                              code=3)
        self.assertEqual(judged["gate"]["checks"][0]["verdict"], "unmeasurable")
        self.assay("run", "suite.yaml", "--out", "three", "--gate", f"exact_match >= {worst - 1e-9}")
        # Resumed, only those are asked again.
        os.unlink(self.dir / "out" / "summary.json")
        self.record()
        self.assay("run", "suite.yaml", "--out", "out", "--resume")
        self.assertEqual(len(self.lines("out")), 300)
        whole = self.summary("suite.yaml", "--out", "whole")
        self.assertEqual(json.loads((self.dir / "out" / "summary.json").read_text())
                         ["scores_digest"], whole["scores_digest"])

    def test_sequential_takes_a_case_with_all_its_answers(self):
        self.record()
        found = self.summary("suite.yaml", "--out", "out", "--sequential",
                             "--gate", "exact_match >= 0.05")
        lines = self.lines("out")
        self.assertTrue(found["sequential"]["stopped"])
        self.assertEqual(found["cases"]["total"], len({line["id"] for line in lines}))
        counts = collections.Counter(line["id"] for line in lines)
        self.assertLessEqual(sum(count < SAMPLES for count in counts.values()), 1)
        again = self.summary("suite.yaml", "--out", "again", "--sequential", "--concurrency", "1",
                             "--gate", "exact_match >= 0.05")
        self.assertEqual(again["scores_digest"], found["scores_digest"])

    def test_every_gate_is_of_the_mean(self):
        self.record()
        least = min(sum(self.right(row)) / 5 for row in self.rows)
        self.assay("run", "suite.yaml", "--out", "a", "--gate", f"exact_match every >= {least}")
        self.assay("run", "suite.yaml", "--out", "b",
                   "--gate", f"exact_match every >= {least + 0.1}", code=1)

    def test_refused(self):
        self.small(self.rows, SUITE.replace("task: generate", "task: choice\nchoices: [yes, no]"))
        self.refused("run", "suite.yaml", says=["generate.samples '5'", "only 'generate' draws"])
        self.small(self.rows, SUITE.replace("samples: 5", "samples: 2"))
        self.refused("run", "suite.yaml", says=["'pass@3' needs 3 answers a case"])
        self.small(self.rows, SUITE.replace("samples: 5, ", ""))
        self.refused("run", "suite.yaml", says=["generate: {samples: "])

    def test_a_recording_with_too_few(self):
        self.record()
        self.small(self.rows, SUITE.replace("samples: 5", "samples: 6"))
        self.summary("suite.yaml", "--out", "out")
        lost = [line for line in self.lines("out") if line["sample"] == 5]
        self.assertEqual({line["error"] for line in lost},
                         {"the recording has no answer 6 for this id"})


class Drawn(Several):
    """Targets: each answer is drawn by a seed of its own, whoever answers."""

    def commanded(self):
        self.write("answer.py", "import json, random, sys\n"
                   "for line in sys.stdin:\n"
                   "    asked = json.loads(line)\n"
                   "    rng = random.Random(f\"{asked['seed']} {asked['id']}\")\n"
                   "    print(json.dumps({'output': rng.choice(['yes', 'no'])}), flush=True)\n")
        return f"cmd:{sys.executable} {self.dir / 'answer.py'}"

    def test_command(self):
        target = self.commanded()
        a = self.summary("suite.yaml", "--target", target, "--out", "a", "--concurrency", "3")
        said = collections.defaultdict(set)
        for line in self.lines("a"):
            said[line["id"]].add(line["output"])
        self.assertGreater(sum(len(s) == 2 for s in said.values()), 40, "the dice are the same")
        b = self.summary("suite.yaml", "--target", target, "--out", "b", "--concurrency", "1")
        self.assertEqual(a["scores_digest"], b["scores_digest"])

    def test_killed_and_resumed(self):
        target = self.commanded()
        whole = self.summary("suite.yaml", "--target", target, "--out", "whole")
        slow = self.write("slow.py", (self.dir / "answer.py").read_text().replace(
            "    print", "    import time; time.sleep(0.01)\n    print"))
        target = f"cmd:{sys.executable} {slow}"
        run = subprocess.Popen([e2e.BINARY, "run", "suite.yaml", "--target", target, "--out", "k",
                                "-q"], cwd=self.dir, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
        journal = self.dir / "k" / "results.jsonl"
        until = time.monotonic() + 60
        while time.monotonic() < until and run.poll() is None:
            if journal.exists() and journal.read_bytes().count(b"\n") > 37:
                break
            time.sleep(0.005)
        run.send_signal(signal.SIGKILL)
        run.wait()
        left = len(self.lines("k")) if run.returncode else 0
        self.assertGreater(left, 30)
        found = self.summary("suite.yaml", "--target", target, "--out", "k", "--resume")
        self.assertEqual(found["scores_digest"], whole["scores_digest"])
        self.assertEqual(len(self.lines("k")), 300)

    def test_embedded_engine(self):
        model = e2e.MODEL
        suite = SUITE.replace("samples: 5", "samples: 4, max_tokens: 6").replace(
            "target: replay:answers.jsonl", f"target: gguf:{model}").replace(
            "pass@1, pass@3, pass_all@2, majority, ", "").replace("0.7", "1.0")
        self.small(self.rows[:8], suite)
        a = self.summary("suite.yaml", "--out", "a")
        said = collections.defaultdict(set)
        for line in self.lines("a"):
            said[line["id"]].add(line["output"])
        self.assertGreater(sum(map(len, said.values())), 12, "the same answers again and again")
        b = self.summary("suite.yaml", "--out", "b", "--concurrency", "1")
        self.assertEqual(a["scores_digest"], b["scores_digest"])
        # A fifth answer changes none of the first four.
        self.small(self.rows[:8], suite.replace("samples: 4", "samples: 5"))
        self.summary("suite.yaml", "--out", "five")
        four = {(line["id"], line["sample"]): line["output"] for line in self.lines("a")}
        five = {(line["id"], line["sample"]): line["output"] for line in self.lines("five")}
        self.assertEqual({key: five[key] for key in four}, four)


if __name__ == "__main__":
    e2e.BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
