#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""assay score through its binary.

    score.py BINARY      Standard library only.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

BINARY = ""
VECTORS = pathlib.Path(__file__).resolve().parents[1] / "metrics/scored.jsonl"


class Score(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="assay-score-")
        self.addCleanup(self.folder.cleanup)
        self.dir = pathlib.Path(self.folder.name)

    def write(self, name, rows):
        text = rows if isinstance(rows, str) else "".join(json.dumps(r) + "\n" for r in rows)
        (self.dir / name).write_text(text, encoding="utf-8")
        return name

    def assay(self, *args, code=0, stdin=""):
        done = subprocess.run([BINARY, *args], cwd=self.dir, text=True, input=stdin,
                              capture_output=True, timeout=300)
        self.assertEqual(done.returncode, code, f"{args}\n{done.stdout}\n{done.stderr}")
        self.assertNotIn("Sanitizer", done.stderr)
        return done

    def values(self, rows, *metrics):
        name = self.write("rows.jsonl", rows)
        found = json.loads(self.assay("score", name, "--metrics", ",".join(metrics),
                                      "--format", "json").stdout)
        return {key: value["value"] for key, value in found.items()}

    def refused(self, rows, metrics, *says):
        done = self.assay("score", self.write("rows.jsonl", rows), "--metrics", metrics, code=2)
        for text in says:
            self.assertIn(text, done.stderr)
        self.assertEqual(done.stdout, "")

    def test_answers(self):
        rows = [{"expected": "a", "output": "a"}, {"expected": "b", "output": "a"},
                {"expected": ["b", "c"], "prediction": "c", "output": "the answer is c"},
                {"expected": 3, "output": 3}, {"expected": "x", "output": None}]
        found = self.assay("score", self.write("rows.jsonl", rows), "--metrics", "accuracy,f1_macro",
                           "--format", "json")
        metrics = json.loads(found.stdout)
        self.assertEqual(list(metrics), ["accuracy", "f1_macro"])
        self.assertEqual((metrics["accuracy"]["value"], metrics["accuracy"]["n"]), (0.6, 5))
        self.assertEqual(len(metrics["accuracy"]["ci"]), 2)
        text = self.assay("score", "rows.jsonl", "-m", "accuracy").stdout
        self.assertIn("60.0%", text)
        self.assertEqual(self.assay("score", "-", "-m", "accuracy",
                                    stdin='{"expected": 1, "output": 1}\n').stdout.count("100.0%"), 2)

    def test_probabilities_in_every_form(self):
        rows = [{"expected": "yes", "probabilities": {"yes": 0.8, "no": 0.2}},
                {"expected": "no", "choices": ["yes", "no"], "probabilities": [0.8, 0.2]},
                {"expected": 1, "probabilities": 0.8}, {"expected": 0, "probabilities": [0.2, 0.8]},
                {"expected": False, "probabilities": 0.2}]
        found = self.values(rows, "accuracy", "brier")
        self.assertEqual(found["accuracy"], 0.6)
        self.assertAlmostEqual(found["brier"], (0.04 * 3 + 0.64 * 2) / 5, places=14)

    def test_reliability_bins(self):
        rows = [{"expected": 1, "probabilities": p} for p in (0.8, 0.85, 0.3, 0.95)]
        name = self.write("rows.jsonl", rows)
        found = json.loads(self.assay("score", name, "-m", "{name: ece, bins: 5}",
                                      "--format", "json").stdout)["ece"]
        self.assertEqual([b["cases"] for b in found["bins"]], [0, 0, 0, 2, 2])
        self.assertEqual([b["accuracy"] for b in found["bins"]], [None, None, None, 0.5, 1])
        self.assertAlmostEqual(found["bins"][4]["confidence"], 0.9)
        self.assertAlmostEqual(found["value"], (abs(1 - 1.5) + abs(2 - 1.8)) / 4)

    def test_contexts_by_id(self):
        """ragas: sets of ids, whatever their order and number."""
        rows = [{"expected": ["a", "b", "c"], "ranking": ["x", "a", "a", "b", "y"]},  # 2 of 4, 2 of 3
                {"expected": "a", "ranking": ["a"]}, {"expected": ["a", "b"], "ranking": ["z"]},
                {"expected": [], "ranking": ["a"]}]
        found = self.values(rows, "id_based_context_precision", "id_based_context_recall")
        self.assertAlmostEqual(found["id_based_context_precision"], (0.5 + 1 + 0) / 3, places=12)
        self.assertAlmostEqual(found["id_based_context_recall"], (2 / 3 + 1 + 0) / 3, places=12)

    def test_help_knows_every_metric(self):
        text = self.assay("help", "metrics").stdout
        for name in ("bleu", "recall@K", "json_schema", "kappa_quadratic", "not-"):
            self.assertIn(name, text)
        self.assertIn("sacreBLEU", self.assay("help", "ter").stdout)
        self.assertIn("trec_eval", self.assay("help", "ndcg@10").stdout)
        self.assertIn("did you mean 'bleu'", self.assay("help", "bleau", code=2).stderr)

    def test_two_files_are_one_set_and_their_order_is_nothing(self):
        rows = [{"id": i, "expected": "ab"[i % 2], "output": "ab"[i % 3 % 2], "cluster": i % 4}
                for i in range(30)]
        one, two = self.write("1.jsonl", rows[:11]), self.write("2.jsonl", rows[11:])
        metrics = "accuracy,f1_macro,mcc,kappa"
        args = ("--metrics", metrics, "--format", "json")
        self.assertEqual(self.assay("score", one, two, *args).stdout,
                         self.assay("score", two, one, *args).stdout)

    def test_what_other_programs_say(self):
        sets, wanted = {}, {}
        for line in VECTORS.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if "cases" in row:
                sets[row["set"]] = row["cases"]
            else:
                wanted.setdefault(row["set"], []).append(row)
        for name, rows in wanted.items():
            specs = [json.dumps(dict(row["metric"], **{"as": f"m{i}"})) for i, row in enumerate(rows)]
            found = self.values(sets[name], *specs)
            for i, row in enumerate(rows):
                with self.subTest(set=name, metric=row["metric"]):
                    got, want = found[f"m{i}"], row["value"]
                    if want is None:
                        self.assertIsNone(got)
                    else:
                        self.assertIsNotNone(got)
                        self.assertLessEqual(abs(got - want), 1e-9 * max(1, abs(want)), (got, want))

    def test_assertions(self):
        rows = [{"expected": ["Paris", "paris"], "output": "The capital is PARIS, in France."},
                {"expected": "Paris", "output": "Paris"}, {"expected": "Paris", "output": None},
                {"expected": {"a": [1, 2]}, "output": '{"a": [1.0, 2]}'}]
        texts, objects = rows[:3], rows[3:]
        third = 1 / 3
        for metric, want in (
                ("contains", third), ("not-contains", third), ("icontains", 2 * third),
                ("not-icontains", 0), ("equals", third), ("not-equals", third),
                ("{name: contains-all, value: [a, s]}", 2 * third),
                ("{name: contains-all, value: [a, France]}", third),
                ("{name: contains-any, value: [zzz, France]}", third),
                ("{name: not-contains-any, value: [zzz, France]}", third),
                ("{name: icontains-all, value: [the, CAPITAL]}", third),
                ("{name: icontains-any, value: [FRANCE, paris]}", 2 * third),
                ("{name: contains, value: paris, ignore_case: true}", 2 * third),
                ("{name: starts-with, value: The}", third), ("starts-with", third),
                ("{name: regex, value: 'P[A-Z]+,'}", third), ("{name: not-regex, value: ^P}", third),
                ("regex", third), ("{name: word-count, value: 1}", third),
                ("{name: word-count, min: 2, max: 6}", third), ("{name: word-count, max: 6}", 2 * third),
                ("json_valid", 0), ("not-is-json", 2 * third)):
            with self.subTest(metric=metric):
                self.assertAlmostEqual(list(self.values(texts, metric).values())[0], want, places=12)
        self.assertEqual(self.values(objects, "equals", "is-json", "json_valid"),
                         {"equals": 1, "is-json": 1, "json_valid": 1})
        schema = "schema: {type: object, properties: {a: {items: {type: integer}}}, required: [a]}"
        texts = [{"expected": 1, "output": text} for text in
                 ('{"a": [1]}', '{"a": ["x"]}', "Sure! {\"a\": []} there", "{ [ {\"a\": [3]}", "none")]
        self.assertEqual(self.values(texts, "{name: json_schema, %s}" % schema), {"json_schema": 0.2})
        self.assertEqual(self.values(texts, "{name: contains-json, %s}" % schema),
                         {"contains-json": 0.6})
        self.assertEqual(self.values([{"expected": {"type": "string"}, "output": '"x"'}], "json_schema"),
                         {"json_schema": 1})
        times = [{"expected": "x", "output": "x", "latency_ms": ms, "cost": ms / 1000}
                 for ms in (10, 20, 30, 40)]
        self.assertEqual(self.values(times, "{name: latency, threshold: 20}",
                                     "{name: not-latency, as: slow, threshold: 20}",
                                     "{name: cost, threshold: 0.03}"),
                         {"latency": 0.5, "slow": 0.5, "cost": 0.75})
        self.refused([{"expected": "(", "output": "x"}], "regex", "rows.jsonl:1", "offset 1")
        self.refused([{"expected": {"typ": 1}, "output": "x"}], "json_schema", "rows.jsonl:1", "'type'")

    def test_tool_calls(self):
        a = {"name": "find", "arguments": {"q": "x", "n": 3}}
        b = {"name": "send", "arguments": {"to": "me"}}
        as_text = {"function": {"name": "find", "arguments": '{"n": 3.0, "q": "x"}'}}
        rows = [{"expected": [a, b], "output": json.dumps([as_text, b])},
                {"expected": [a, b], "output": "", "tool_calls": [b, a]},
                {"expected": [a], "output": json.dumps(dict(a, arguments={"q": "y", "n": 3}))},
                {"expected": [], "output": "[]"}, {"expected": [a], "output": "sorry"}]
        found = self.values(rows, "tool_call_f1", "{name: tool_call_f1, as: names, match: name}",
                            "tool_argument_f1", "tool_order")
        self.assertAlmostEqual(found["tool_call_f1"], 2 * 4 / (6 + 5), places=12)
        self.assertAlmostEqual(found["names"], 2 * 5 / (6 + 5), places=12)
        self.assertAlmostEqual(found["tool_argument_f1"], 2 * 7 / (10 + 8), places=12)
        self.assertAlmostEqual(found["tool_order"], (1 + 0.5 + 1 + 1 + 0) / 5, places=12)
        self.refused([{"expected": "x", "output": "x"}], "tool_call_f1", "a list of calls")

    def test_refusals_name_the_place(self):
        good = {"expected": "a", "output": "a"}
        self.refused([good], "acuracy", "--metrics: unknown metric 'acuracy'", "'accuracy'")
        self.refused([good], "{nam: x}", "a map without 'name'")
        self.refused([good, {"expected": {}, "output": "a"}], "accuracy", "rows.jsonl:2", "a label")
        self.refused('{"expected": 1}\n{"expected": \n', "accuracy", "rows.jsonl:2")
        self.refused([dict(good, weight=0)], "accuracy", "rows.jsonl:1: 'weight' must be above 0")
        self.refused([{"expected": 1, "probabilities": [0.2, 0.2]}], "accuracy", "add up to 1")
        self.refused([{"expected": 1, "probabilities": 1.5}], "accuracy", "from 0 to 1")
        self.refused([dict(good, id="x"), good, dict(good, id="x")], "accuracy",
                     "rows.jsonl:3: case 'x' was scored twice")
        self.assay("score", "nowhere.jsonl", "-m", "accuracy", code=2)
        self.assay("score", code=2)
        self.assay("score", self.write("rows.jsonl", [good]), code=2)
        self.assay("score", self.write("rows.jsonl", "\n"), "-m", "accuracy", code=3)


if __name__ == "__main__":
    BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    unittest.main(argv=sys.argv[:1])
