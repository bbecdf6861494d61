#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""assay through its binary, as a user or a build server runs it.

    e2e.py BINARY [CLASS...]      Standard library only. Everything it writes is in a new folder.
"""
import csv
import hashlib
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree

BINARY = ""
TOP = pathlib.Path(__file__).resolve().parents[2]
MODEL = TOP / "golden/models/support-q8_0.gguf"
DEGRADED = TOP / "golden/models/support-degraded.gguf"
SUPPORT = TOP / "suites/support/suite.yaml"

SUITE = """\
suite: small
dataset: cases.jsonl
target: mock:first
task: choice
prompt: "{{ text }}"
choices: [yes_it_is, no_it_is_not]
metrics: [accuracy, f1_macro]
slices: [tags]
"""


def cases(count, right=lambda i: True, **more):
    """Cases that mock:first answers rightly where `right` says so."""
    for i in range(count):
        yield {"id": f"c-{i:04d}", "text": f"question {i}",
               "expected": "yes_it_is" if right(i) else "no_it_is_not",
               "tags": ["edge" if i % 4 == 0 else "common"], **more}


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="assay-e2e-"))
        self.addCleanup(shutil.rmtree, self.dir)

    def write(self, name, content):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in content), encoding="utf-8")
        return path

    def small(self, rows=None, suite=SUITE):
        self.write("cases.jsonl", cases(40) if rows is None else rows)
        return self.write("suite.yaml", suite)

    def assay(self, *args, code=0, **more):
        done = subprocess.run([BINARY, *map(str, args)], cwd=self.dir, text=True,
                              stdout=more.pop("stdout", subprocess.PIPE), stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, timeout=600, errors="replace", **more)
        if code is not None:
            self.assertEqual(done.returncode, code, f"{args}\n{done.stdout}\n{done.stderr}")
        self.assertNotIn("Sanitizer", done.stderr)
        return done

    def summary(self, *args, code=0):
        return json.loads(self.assay("run", *args, "--format", "json", code=code).stdout)

    def lines(self, directory):
        return [json.loads(line) for line in
                (self.dir / directory / "results.jsonl").read_text().splitlines()]

    def refused(self, *args, says=(), code=2):
        """Refused with each of `says` in the message, and nothing written."""
        before = sorted(p for p in self.dir.rglob("*"))
        done = self.assay(*args, code=code)
        for text in says:
            self.assertIn(text, done.stderr)
        self.assertEqual(sorted(p for p in self.dir.rglob("*")), before, "something was written")
        self.assertEqual(done.stdout, "")
        return done.stderr


class Contract(Case):
    def test_version_help_and_unknown(self):
        self.assertRegex(self.assay("--version").stdout, r"^assay \d+\.\d+\.\d+\n$")
        for topic in ([], ["run"], ["gate"], ["compare"], ["report"], ["history"], ["metrics"],
                      ["targets"], ["gates"], ["exit-codes"]):
            self.assertTrue(self.assay("help", *topic).stdout)
        self.assertIn("usage: assay run", self.assay("run", "--help").stdout)
        self.assertIn("did you mean 'run'", self.assay("rnu", code=2).stderr)
        self.assertIn("did you mean '--baseline'",
                      self.assay("run", "--baselin", "x", code=2).stderr)
        self.assertIn("not available yet", self.assay("watch", "x", code=2).stderr)
        self.assay(code=2)
        self.refused("run", says=["name a suite file"])
        self.refused("run", "nowhere.yaml", says=["nowhere.yaml"])

    def test_summary_and_journal_have_the_keys_of_the_contract(self):
        suite = self.small()
        found = self.summary(suite, "--out", "o", "--no-store")
        for key in ("schema run suite suite_sha256 dataset target git started wall_s cases metrics "
                    "slices latency_ms ttft_ms tpot_ms throughput cost scores_digest gate").split():
            self.assertIn(key, found)
        self.assertEqual(found["schema"], 1)
        self.assertEqual(found["cases"], {"total": 40, "ok": 40, "errors": 0, "skipped": 0})
        accuracy = found["metrics"]["accuracy"]
        self.assertEqual((accuracy["value"], accuracy["n"]), (1, 40))
        self.assertEqual(len(accuracy["ci"]), 2)
        self.assertIn("accuracy", found["slices"]["tag=edge"])
        self.assertEqual(set(found["latency_ms"]), {"p50", "p90", "p95", "p99", "max", "mean"})
        self.assertEqual(found, json.loads((self.dir / "o/summary.json").read_text()))
        for line in self.lines("o"):
            for key in ("id prompt_sha256 expected output prediction scores outcome latency_ms "
                        "ttft_ms tokens_in tokens_out cost attempts target").split():
                self.assertIn(key, line)
        for name in ("report.html", "junit.xml", "summary.md"):
            self.assertTrue((self.dir / "o" / name).stat().st_size > 100, name)

    def test_stdout_carries_the_result_only(self):
        done = self.assay("run", self.small(), "--no-store", "--out", "o")
        self.assertIn("accuracy", done.stdout)
        self.assertNotIn("\x1b", done.stdout + done.stderr)
        self.assertEqual(self.assay("run", self.dir / "suite.yaml", "--no-store", "-q", "--out",
                                    "p").stderr, "")

    def test_options_in_both_spellings_and_several_targets(self):
        suite = self.small()
        self.assay("run", suite, "--no-store", "--out=o", "--target=mock:first",
                   "--target", "mock:random?seed=3")
        self.assertTrue((self.dir / "o/small-1/summary.json").exists())
        self.assertTrue((self.dir / "o/small-2/summary.json").exists())

    def test_default_places(self):
        self.assay("run", self.small())
        self.assertTrue((self.dir / ".assay/history.db").exists())
        self.assertEqual(len(list((self.dir / ".assay/runs").iterdir())), 1)

    def test_csv_equals_jsonl(self):
        suite = self.small()
        first = self.summary(suite, "--no-store", "--out", "a")
        with open(self.dir / "cases.csv", "w", newline="") as file:
            out = csv.DictWriter(file, ["id", "text", "expected", "tags"])
            out.writeheader()
            for row in cases(40):
                out.writerow({**row, "tags": ";".join(row["tags"])})
        suite = self.write("csv.yaml", SUITE.replace("cases.jsonl", "cases.csv"))
        second = self.summary(suite, "--no-store", "--out", "b")
        self.assertEqual(first["scores_digest"], second["scores_digest"])
        self.assertEqual(first["slices"], second["slices"])

    def test_generate_task_extracts_and_scores(self):
        suite = self.small(
            [{"id": str(i), "text": f"say: Answer-{i}\nmore", "expected": f"answer-{i}"}
             for i in range(10)],
            SUITE.replace("task: choice", "task: generate").replace("mock:first", "mock:echo")
            .replace("choices: [yes_it_is, no_it_is_not]\n",
                     'extract: [strip, {regex: "say: (\\\\S+)"}, lower]\n')
            .replace("accuracy, f1_macro", "exact_match"))
        found = self.summary(suite, "--no-store", "--out", "o")
        self.assertEqual(found["metrics"]["exact_match"]["value"], 1)
        self.assertEqual(self.lines("o")[0]["prediction"][:7], "answer-")


class Gates(Case):
    def run_with(self, gate, rows=None, code=0, *more):
        suite = self.small(rows, SUITE + f"gate: [{json.dumps(gate)}]\n")
        return self.summary(suite, "--no-store", "--fresh", "--out", "o", *more, code=code)["gate"]

    def test_thresholds(self):
        half = list(cases(40, lambda i: i % 2 == 0))
        for gate, code in (("accuracy >= 0.5", 0), ("accuracy > 0.5", 1), ("accuracy <= 0.5", 0),
                           ("accuracy < 0.5", 1), ("accuracy == 0.5", 0), ("accuracy >= 51%", 1),
                           ("accuracy[tag=edge] >= 0.9", 0), ("accuracy[tag=common] >= 0.9", 1),
                           ("latency.p95 <= 60 s", 0), ("latency.max < 0 ms", 1),
                           ("errors <= 0", 0), ("cost.per_case <= 0", 0)):
            with self.subTest(gate):
                found = self.run_with(gate, half, code)
                self.assertEqual(found["verdict"], "fail" if code else "pass")

    def test_a_metric_without_value_is_not_measured(self):
        self.assertEqual(self.run_with("accuracy[tag=nowhere] >= 0.1", None, 3)["checks"][0]["value"],
                         None)

    def test_too_many_target_errors(self):
        suite = self.small(list(cases(60)))
        self.assertIn("max_errors", self.assay("run", suite, "--no-store", "--out", "o", "--target",
                                               "mock:first?fail_every=4", code=3).stderr)
        found = json.loads((self.dir / "o/summary.json").read_text())
        self.assertGreater(found["cases"]["errors"], 0)
        self.assertEqual(found["cases"]["ok"] + found["cases"]["errors"], 60)
        # Tolerated when the suite says so; the missing ones are not scored as wrong.
        self.write("suite.yaml", SUITE + "max_errors: 90%\n")
        found = self.summary(suite, "--no-store", "--fresh", "--out", "o", "--target",
                             "mock:first?fail_every=4")
        self.assertEqual(found["metrics"]["accuracy"]["value"], 1)
        self.assertLess(found["metrics"]["accuracy"]["n"], 60)

    def test_malformed_gates_name_the_place(self):
        suite = self.small(None, SUITE + "gate:\n  - acuracy >= 0.5\n  - accuracy >=\n"
                                         "  - accuracy drop <= lots\n")
        text = self.refused("run", suite, "--no-store", "--out", "o")
        self.assertIn("suite.yaml:10:", text)
        self.assertIn("suite.yaml:11:", text)
        self.assertIn("suite.yaml:12:", text)
        self.assertIn("accuracy", text)


class Verdicts(Case):
    """Recorded answers against recorded answers: the three verdicts and their exit codes."""

    def record(self, name, wrong):
        return self.write(name, [{"id": row["id"], "output": "no_it_is_not" if i in wrong
                                  else "yes_it_is"} for i, row in enumerate(self.rows)])

    def judge(self, gate, base_wrong, now_wrong, code, *more, count=1000):
        self.rows = list(cases(count))
        self.record("base.jsonl", base_wrong)
        self.record("now.jsonl", now_wrong)
        suite = self.small(self.rows, SUITE)
        self.assay("run", suite, "--no-store", "--fresh", "--target", "replay:base.jsonl", "--out",
                   "base")
        self.write("suite.yaml", SUITE + f"gate: [{json.dumps(gate)}]\n")
        return self.summary(suite, "--no-store", "--fresh", "--target", "replay:now.jsonl", "--out",
                            "now", "--baseline", "base", *more, code=code)["gate"]["checks"][0]

    def test_proven_drop_fails(self):
        check = self.judge("accuracy drop <= 0.01", range(50), range(110), 1)
        self.assertEqual(check["verdict"], "fail")
        self.assertEqual(check["flips"], {"broke": 60, "fixed": 0})
        self.assertAlmostEqual(check["delta"], -0.06)
        self.assertLess(check["p"], 1e-6)

    def test_unchanged_passes(self):
        check = self.judge("accuracy drop <= 0.01", range(50), range(50), 0)
        self.assertEqual((check["verdict"], check["delta"]), ("pass", 0))

    def test_cannot_tell_warns_and_strict_is_4(self):
        check = self.judge("accuracy drop <= 0.01", range(5), range(3, 8), 0, count=60)
        self.assertEqual(check["verdict"], "undecided")
        self.assertGreater(check["needed"], 60)
        self.judge("accuracy drop <= 0.01", range(5), range(3, 8), 4, "--strict", count=60)

    def test_prove_undecided_is_4(self):
        check = self.judge("accuracy drop <= 0.01 prove", range(5), range(5), 4, count=60)
        self.assertGreater(check["needed"], 60)
        self.judge("accuracy drop <= 0.01 prove", range(50), range(50), 0)

    def test_other_metrics_too(self):
        self.judge("f1_macro drop <= 0.01", range(50), range(200), 1)
        self.judge("f1_macro drop <= 0.05", range(50), range(50), 0)

    def test_clusters_widen_the_interval(self):
        self.rows = [{**row, "cluster": f"doc-{i // 50}"} for i, row in enumerate(cases(1000))]
        base = self.record("base.jsonl", range(0))
        # All flips in two of twenty clusters: independent cases would call it proven.
        now = self.record("now.jsonl", range(40))
        suite = self.small(self.rows, SUITE)
        self.assay("run", suite, "--no-store", "--target", f"replay:{base}", "--out", "base")
        found = self.summary(suite, "--no-store", "--target", f"replay:{now}", "--out", "now",
                             "--baseline", "base", "--gate", "accuracy drop <= 0.01")
        self.assertEqual(found["gate"]["checks"][0]["verdict"], "undecided")

    def test_no_baseline_is_said_and_passes(self):
        self.small()
        found = self.summary("suite.yaml", "--out", "o", "--gate", "accuracy drop <= 0.01")
        self.assertEqual(found["gate"]["verdict"], "no_baseline")
        self.assertIsNone(found["gate"]["baseline"])

    def test_missing_baseline_is_an_error(self):
        self.small()
        self.refused("run", "suite.yaml", "--out", "o", "--no-store", "--baseline", "nowhere/x.jsonl",
                     says=["nowhere/x.jsonl"])

    def test_compare(self):
        self.judge("accuracy drop <= 0.5", range(50), range(110), 0)
        found = json.loads(self.assay("compare", "base", "now", "--format", "json").stdout)
        self.assertEqual(found["cases"], 1000)
        delta = found["metrics"]["accuracy"]
        self.assertEqual(set(delta) & {"a", "b", "delta", "ci", "p", "mde", "flips"},
                         {"a", "b", "delta", "ci", "p", "mde", "flips"})
        self.assertAlmostEqual(delta["delta"], -0.06)
        self.assertEqual(delta["flips"], {"broke": 60, "fixed": 0})
        self.assay("compare", "base/results.jsonl", "now/results.jsonl", "--gate",
                   "accuracy drop <= 0.02", code=1)
        self.assay("compare", "now/results.jsonl", "base/results.jsonl", "--gate",
                   "accuracy drop <= 0.02")
        self.assertIn("accuracy", self.assay("compare", "base", "now").stdout)


class BadSuites(Case):
    def test_three_mistakes_are_reported_at_once(self):
        suite = self.small(None, SUITE.replace("prompt:", "promt:").replace("task: choice",
                                                                            "task: chioce")
                           + "max_errors: many\n")
        text = self.refused("run", suite, "--out", "o")
        self.assertIn("suite.yaml:5:1", text)
        self.assertIn("did you mean 'prompt'", text)
        self.assertIn("suite.yaml:4:7", text)
        self.assertIn("choice", text)
        self.assertIn("suite.yaml:9:13", text)

    def test_each_mistake_names_its_place(self):
        for change, says in (
                (("suite: small\n", ""), ["suite"]),
                (("metrics: [accuracy, f1_macro]", "metrics: [acuracy]"), [":7:", "accuracy"]),
                (("metrics: [accuracy, f1_macro]", "metrics: accuracy: 3"), ["suite.yaml:7:"]),
                (("mock:first", "mok:first"), ["mok:first"]),
                (("mock:first", "mock:first?laten=3"), ["latency_ms"]),
                (("cases.jsonl", "nowhere.jsonl"), ["nowhere.jsonl"]),
                (("{{ text }}", "{{ text"), ["suite.yaml:5:"]),
                (("{{ text }}", "{{ txt }}"), ["txt", "text"]),
                (("[yes_it_is, no_it_is_not]", "[yes_it_is, yes_it_is]"), [":6:", "yes_it_is"]),
                (("[yes_it_is, no_it_is_not]", "[yes_it_is, no_it_isnt]"), []),
                (("slices: [tags]", "slices: [tags]\nslices: [x]"), [":9:1", "slices"])):
            with self.subTest(change):
                rows = list(cases(4, lambda i: i > 0))
                suite = self.small(rows, SUITE.replace(*change))
                if change[1] == "[yes_it_is, no_it_isnt]":
                    says = ["'no_it_is_not'", "did you mean 'no_it_isnt'", "c-0000"]
                self.refused("run", suite, "--out", "o", says=says)

    def test_two_suites_one_wrong_runs_none(self):
        good = self.small()
        bad = self.write("bad.yaml", SUITE + "unknown: 1\n")
        self.refused("run", good, bad, "--out", "o", says=["bad.yaml:9:1"])


class BadDatasets(Case):
    def refuse(self, content, *says):
        self.small()
        self.write("cases.jsonl", content)
        return self.refused("run", "suite.yaml", "--out", "o", says=["cases.jsonl", *says])

    def test_empty(self):
        self.refuse("", "no cases")
        self.refuse("\n\n", "no cases")

    def test_duplicate_id(self):
        rows = list(cases(5))
        self.refuse(rows + [rows[2]], ":6", "c-0002", "cases.jsonl:3")

    def test_invalid_utf8(self):
        text = "".join(json.dumps(row) + "\n" for row in cases(3)).encode()
        self.refuse(text.replace(b"question 1", b"question \xff1"), ":2", "UTF-8")

    def test_huge_line(self):
        row = json.dumps({"id": "x", "text": "a" * 50_000_000, "expected": "yes_it_is"})
        self.refuse("".join(json.dumps(r) + "\n" for r in cases(2)) + row + "\n", ":3", "longer")

    def test_missing_field(self):
        rows = list(cases(3))
        rows[1]["txt"] = rows[1].pop("text")
        self.refuse(rows, ":2", "'text'", "txt")
        rows = list(cases(3))
        del rows[2]["expected"]
        self.refuse(rows, ":3", "'expected'")

    def test_git_lfs_pointer(self):
        self.refuse("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git lfs")

    def test_not_json(self):
        self.refuse('{"id": 1,\n', ":1")
        self.refuse("[1, 2]\n", ":1")


class BadModels(Case):
    def target(self, data, *says):
        path = self.write("bad.gguf", data)
        done = self.assay("run", self.suite, "--no-store", "--out", "o", "--target", f"gguf:{path}",
                          code=2)
        self.assertIn("bad.gguf", done.stderr)
        for text in says:
            self.assertIn(text, done.stderr)
        self.assertFalse((self.dir / "o").exists())

    def setUp(self):
        super().setUp()
        self.suite = self.small(cases(2))

    def test_truncated_at_every_4_kb(self):
        data = MODEL.read_bytes()
        for size in range(0, len(data), 4096):
            self.target(data[:size])

    def test_not_a_model(self):
        self.target(b"hello", "GGUF")
        self.target(b"GGUF" + b"\xff" * 100)
        self.target(b"version https://git-lfs.github.com/spec/v1\n", "git lfs")
        self.refused("run", self.suite, "--target", "gguf:nowhere.gguf", says=["nowhere.gguf"])
        self.refused("run", self.suite, "--target", "gguf:.", says=["directory"])
        self.refused("run", self.suite, "--target", f"gguf:{MODEL}?cpu=avx3", says=["avx2"])
        self.refused("run", self.suite, "--target", f"gguf:{MODEL}?device=cuda:0", says=["cuda:0"])

    def test_absurd_counts(self):
        data = bytearray(MODEL.read_bytes())
        for at in (8, 16):  # tensor count, key count
            for value in (2**63, 2**40, 10**6):
                bad = bytearray(data)
                bad[at:at + 8] = value.to_bytes(8, "little")
                self.target(bytes(bad))

    def test_random_damage_never_crashes(self):
        data = MODEL.read_bytes()
        rng = random.Random(7)
        for _ in range(60):
            bad = bytearray(data)
            for _ in range(rng.randrange(1, 8)):
                bad[rng.randrange(60_000)] = rng.randrange(256)
            self.write("bad.gguf", bytes(bad))
            done = self.assay("run", self.suite, "--no-store", "--fresh", "--out", "o", "--target",
                              "gguf:bad.gguf", code=None)
            self.assertIn(done.returncode, (0, 2), done.stderr)


class Journal(Case):
    def test_kill_9_loses_no_finished_case(self):
        suite = self.small(cases(300))
        whole = self.summary(suite, "--no-store", "--out", "whole")
        rng = random.Random(11)
        args = [BINARY, "run", str(suite), "--no-store", "--out", "o", "-q", "--target",
                "mock:first?latency_ms=4", "--concurrency", "4"]
        kept, kills = 0, 0
        for _ in range(40):
            run = subprocess.Popen(args + ["--resume"], cwd=self.dir, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE)
            time.sleep(rng.uniform(0.01, 0.12))
            run.kill()
            run.communicate()
            journal = self.dir / "o/results.jsonl"
            count = journal.read_bytes().count(b"\n") if journal.exists() else 0
            self.assertGreaterEqual(count, kept)
            kept, kills = count, kills + (run.returncode == -signal.SIGKILL)
        self.assertGreater(kills, 3)
        done = self.summary(suite, "--no-store", "--out", "o", "--resume", "--target",
                            "mock:first?latency_ms=4")
        ids = [line["id"] for line in self.lines("o")]
        self.assertEqual(sorted(ids), [row["id"] for row in cases(300)])
        self.assertEqual(done["scores_digest"], whole["scores_digest"])
        self.assertEqual(done["metrics"], whole["metrics"])

    def test_torn_line_is_run_again(self):
        suite = self.small()
        whole = self.summary(suite, "--no-store", "--out", "o")
        journal = self.dir / "o/results.jsonl"
        text = journal.read_bytes()
        for cut in (1, len(text) // 2, len(text) - 1):
            journal.write_bytes(text[:cut])
            (self.dir / "o/summary.json").unlink()
            again = self.summary(suite, "--no-store", "--out", "o", "--resume")
            self.assertEqual(again["scores_digest"], whole["scores_digest"])
            self.assertEqual(again["run"], whole["run"])

    def test_an_unfinished_run_is_not_thrown_away_unasked(self):
        suite = self.small()
        self.assay("run", suite, "--no-store", "--out", "o")
        (self.dir / "o/summary.json").unlink()
        self.refused("run", suite, "--no-store", "--out", "o", says=["--resume", "--fresh"])
        self.assay("run", suite, "--no-store", "--out", "o", "--fresh")

    def test_resuming_something_else_is_refused(self):
        suite = self.small()
        self.assay("run", suite, "--no-store", "--out", "o")
        (self.dir / "o/summary.json").unlink()
        self.write("suite.yaml", SUITE.replace("{{ text }}", "Q: {{ text }}"))
        self.refused("run", suite, "--no-store", "--out", "o", "--resume", says=["prompt"])
        self.write("suite.yaml", SUITE)
        self.write("cases.jsonl", cases(41))
        self.refused("run", suite, "--no-store", "--out", "o", "--resume", says=["dataset"])

    def test_unwritable_out(self):
        suite = self.small()
        self.write("file", "x")
        self.refused("run", suite, "--no-store", "--out", "file/o", says=["file"])
        self.refused("run", suite, "--no-store", "--out", "/proc/o", says=["/proc/o"])

    def test_disk_full_in_mid_run(self):
        suite = self.small(cases(300))
        whole = self.summary(suite, "--no-store", "--out", "whole")
        size = (self.dir / "whole/results.jsonl").stat().st_size

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))
        done = self.assay("run", suite, "--no-store", "--out", "o", code=3, preexec_fn=limit)
        self.assertIn("results.jsonl", done.stderr)
        self.assertFalse((self.dir / "o/summary.json").exists())
        text = (self.dir / "o/results.jsonl").read_text()
        self.assertTrue(text.endswith("\n"))
        for line in text.splitlines():
            json.loads(line)
        again = self.summary(suite, "--no-store", "--out", "o", "--resume")
        self.assertEqual(again["scores_digest"], whole["scores_digest"])

    def test_a_result_that_cannot_be_printed_is_no_success(self):
        with open("/dev/full", "w") as full:
            self.assay("run", self.small(), "--no-store", "--out", "o", code=3, stdout=full)


class Interrupted(Case):
    def test_sigint_drains_keeps_and_resumes(self):
        suite = self.small(cases(200))
        whole = self.summary(suite, "--no-store", "--out", "whole")
        for number in (signal.SIGINT, signal.SIGTERM):
            shutil.rmtree(self.dir / "o", ignore_errors=True)
            run = subprocess.Popen([BINARY, "run", str(suite), "--out", "o", "--target",
                                    "mock:first?latency_ms=20", "-j", "2"], cwd=self.dir,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            journal = self.dir / "o/results.jsonl"
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline and not (
                    journal.exists() and journal.read_bytes().count(b"\n") >= 3):
                time.sleep(0.01)
            run.send_signal(number)
            out, err = run.communicate(timeout=20)
            self.assertEqual(run.returncode, 130, err)
            self.assertIn("--resume", err)
            self.assertEqual(out, "")
            self.assertFalse((self.dir / "o/summary.json").exists())
        self.assertEqual(self.assay("history", "list", "--format", "json").stdout, "")
        done = self.summary(suite, "--no-store", "--out", "o", "--resume")
        self.assertEqual(done["scores_digest"], whole["scores_digest"])


@unittest.skipUnless(MODEL.exists(), "the bundled model is missing")
class Invariance(Case):
    COUNT = os.environ.get("ASSAY_TEST_CASES", "60")

    def digest(self, *more):
        self.number = getattr(self, "number", 0) + 1
        return self.summary(SUPPORT, "--no-store", "--out", f"o{self.number}", "--limit", self.COUNT,
                            "--baseline", "none", *more, code=None)["scores_digest"]

    def summary(self, *args, code=0):
        return json.loads(self.assay("run", *args, "--format", "json", code=code).stdout)

    def test_threads_concurrency_cpu_and_resume_change_nothing(self):
        first = self.digest("--target", f"gguf:{MODEL}?threads=1")
        variants = [("--target", f"gguf:{MODEL}?threads=2"),
                    ("--target", f"gguf:{MODEL}", "--concurrency", "1"),
                    ("--target", f"gguf:{MODEL}", "--concurrency", "7"),
                    ("--target", f"gguf:{MODEL}?cpu=portable")]
        flags = pathlib.Path("/proc/cpuinfo").read_text()
        if re.search(r"\bavx2\b", flags):
            variants.append(("--target", f"gguf:{MODEL}?cpu=avx2"))
        if re.search(r"\bavx512_vnni\b", flags):
            variants.append(("--target", f"gguf:{MODEL}?cpu=avx512"))
        for variant in variants:
            with self.subTest(variant):
                self.assertEqual(self.digest(*variant), first)
        journal = self.dir / "o1/results.jsonl"
        text = journal.read_bytes()
        journal.write_bytes(text[:len(text) // 3])
        (self.dir / "o1/summary.json").unlink()
        again = self.summary(SUPPORT, "--no-store", "--out", "o1", "--limit", self.COUNT, "--resume",
                             "--baseline", "none", code=None)
        self.assertEqual(again["scores_digest"], first)

    def test_log_probabilities_are_equal_to_the_bit(self):
        def logprobs(name, uri):
            self.assay("run", SUPPORT, "--no-store", "--out", name, "--limit", "20", "--target", uri,
                       "--baseline", "none", code=None)
            return {line["id"]: line["choice_logprobs"] for line in self.lines(name)}
        self.assertEqual(logprobs("a", f"gguf:{MODEL}?threads=2"),
                         logprobs("b", f"gguf:{MODEL}?threads=1&cpu=portable"))

    def test_generation_too(self):
        suite = TOP / "suites/contracts/suite.yaml"
        digests = {self.summary(suite, "--no-store", "--out", f"g{i}", "--limit", "12", "--baseline",
                                "none", "--target", f"gguf:{MODEL}?{query}",
                                code=None)["scores_digest"]
                   for i, query in enumerate(("threads=1", "threads=2", "cpu=portable"))}
        self.assertEqual(len(digests), 1)


class History(Case):
    def test_a_run_s_whole_life(self):
        suite = self.small()
        first = self.summary(suite, "--out", "a", "--tag", "good")
        second = self.summary(suite, "--out", "b", "--target", "mock:random?seed=1")
        self.assertEqual(second["gate"]["baseline"], first["run"])
        listed = [json.loads(line) for line in
                  self.assay("history", "list", "--format", "json").stdout.splitlines()]
        self.assertEqual({run["run"] for run in listed}, {first["run"], second["run"]})
        self.assertIn("good", self.assay("history").stdout)
        shown = json.loads(self.assay("history", "show", "tag:good", "--format", "json").stdout)
        self.assertEqual(shown, first)
        self.assay("history", "tag", second["run"], "newer")
        self.assay("history", "export", "tag:newer", "--out", "x")
        self.assertEqual(self.lines("x"), sorted(self.lines("b"), key=lambda line: line["id"]))
        self.assay("history", "import", "x", "--store", "sqlite:other.db")
        self.assay("history", "import", "x/results.jsonl", "--store", "sqlite:other.db")
        other = self.assay("history", "--store", "sqlite:other.db", "--format", "json").stdout
        self.assertEqual([json.loads(line)["run"] for line in other.splitlines()], [second["run"]])
        self.assay("history", "prune", "--keep", "1")
        self.assertEqual(len(self.assay("history", "--format", "json").stdout.splitlines()), 2)
        self.refused("history", "show", "nowhere", says=["nowhere"])
        self.refused("history", "lst", says=["did you mean 'list'"])
        self.refused("history", "prune", says=["--keep"])

    def test_gate_judges_a_stored_run_again(self):
        suite = self.small(None, SUITE + "gate: [accuracy >= 0.9]\n")
        good = self.summary(suite, "--out", "a")
        bad = self.summary(suite, "--out", "b", "--target", "mock:random?seed=1", code=1)
        self.assay("gate", good["run"])
        self.assay("gate", bad["run"], code=1)
        self.assay("gate", "a", "--gate", "accuracy >= 1.5", code=1)
        found = json.loads(self.assay("gate", "b", "--baseline", good["run"], "--gate",
                                      "accuracy drop <= 0.1", "--format", "json", code=1).stdout)
        self.assertEqual(found["baseline"], good["run"])
        self.assertEqual([check["verdict"] for check in found["checks"]], ["fail", "fail"])

    def test_a_failed_run_is_no_baseline(self):
        suite = self.small(None, SUITE + "gate: [accuracy >= 0.9]\n")
        good = self.summary(suite, "--out", "a")
        self.summary(suite, "--out", "b", "--target", "mock:random?seed=1", code=1)
        self.assertEqual(self.summary(suite, "--out", "c")["gate"]["baseline"], good["run"])

    def test_store_that_cannot_be_written_is_no_success(self):
        suite = self.small()
        self.write("no.db", "this is no database, and it is long enough to be looked at as one")
        self.refused("run", suite, "--out", "o", "--store", "sqlite:no.db", says=["no.db"], code=3)


class Outputs(Case):
    def test_hostile_content_stays_content(self):
        nasty = ("</script><script>alert(1)</script> ]]> & \" ' \u202e\u2028 |`[x](y) @all "
                 "=cmd()\x1b[31m\x07")
        rows = [{"id": f"<b>{i}</b>]]>\x1b[2J", "text": nasty + str(i), "expected": "no_it_is_not",
                 "tags": ["<i>x</i>"]} for i in range(5)]
        suite = self.small(rows)
        text = self.assay("run", suite, "--no-store", "--out", "o").stdout
        self.assertNotIn("\x1b", text)
        page = (self.dir / "o/report.html").read_text()
        self.assertNotIn("<script>alert", page)
        self.assertNotIn("<b>0", page)
        self.assertNotIn("<i>x", page)
        xml.etree.ElementTree.parse(self.dir / "o/junit.xml")
        self.assertNotIn("<script>", (self.dir / "o/summary.md").read_text())

    def test_junit_counts_gates(self):
        suite = self.small(None, SUITE + "gate: [accuracy >= 2, accuracy >= 0.5]\n")
        self.assay("run", suite, "--no-store", "--out", "o", code=1)
        root = xml.etree.ElementTree.parse(self.dir / "o/junit.xml").getroot()
        self.assertEqual(len(list(root.iter("failure"))), 1)
        self.assertEqual(len(list(root.iter("testcase"))), 2)

    def test_report_of_a_run_and_of_a_trend(self):
        suite = self.small()
        run = self.summary(suite, "--out", "a")
        self.summary(suite, "--out", "b")
        self.assertEqual(self.assay("report", run["run"], "--out", "page.html").stdout, "page.html\n")
        page = (self.dir / "page.html").read_text()
        self.assertIn(run["run"], page)
        self.assay("report", "--out", "trend.html")
        self.assertIn("accuracy", (self.dir / "trend.html").read_text())
        for name in ("page.html", "trend.html"):
            text = (self.dir / name).read_text()
            self.assertNotRegex(text, r'(src|href)="(https?:)?//')
        self.refused("report", run["run"], "--out", "no/where.html", says=["no/where.html"])
        self.assay("report", "--suite", "nowhere", code=3)


@unittest.skipUnless(MODEL.exists() and DEGRADED.exists(), "the bundled models are missing")
class Shipped(Case):
    def test_demo_story(self):
        good = self.summary(SUPPORT, "--out", "good")
        accuracy = good["metrics"]["accuracy"]["value"]
        self.assertTrue(0.80 <= accuracy <= 0.97, accuracy)
        self.assertGreaterEqual(good["cases"]["total"], 1000)
        bad = self.summary(SUPPORT, "--out", "bad", "--target", f"gguf:{DEGRADED}", code=1)
        self.assertEqual(bad["gate"]["verdict"], "fail")
        self.assertEqual(bad["gate"]["baseline"], good["run"])
        drop = next(c for c in bad["gate"]["checks"] if c["gate"].startswith("accuracy drop"))
        self.assertEqual(drop["verdict"], "fail")
        self.assertLess(drop["p"], 0.05)

    def test_the_other_suites_run(self):
        for name in ("machines/suite", "machines/severity", "contracts/suite"):
            found = self.summary(TOP / "suites" / f"{name}.yaml", "--no-store", "--out",
                                 name.replace("/", "-"), "--baseline", "none", code=None)
            self.assertGreaterEqual(found["cases"]["total"], 400)
            self.assertEqual(found["cases"]["errors"], 0)
            self.assertNotEqual(found["gate"]["verdict"], "fail", found["gate"])

    def test_manifest_is_true(self):
        manifest = json.loads((TOP / "golden/models/MANIFEST.json").read_text())
        for entry in manifest["files"]:
            data = (TOP / "golden/models" / entry["name"]).read_bytes()
            self.assertEqual(hashlib.sha256(data).hexdigest(), entry["sha256"])
            self.assertLessEqual(len(data), 6_000_000)


def main(module):
    """Runs the classes of the module that the command line names, or all of them."""
    global BINARY
    BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    names = sys.argv[2:]
    suite = unittest.TestSuite()
    loader = unittest.defaultTestLoader
    for name in names:
        suite.addTests(loader.loadTestsFromName(name, module))
    if not names:
        suite = loader.loadTestsFromModule(module)
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    if result.wasSuccessful() and result.skipped and result.testsRun == len(result.skipped):
        return 77
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main(sys.modules[__name__]))
