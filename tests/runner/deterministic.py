#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""promptfoo's deterministic assertions through the binary, against its own verdicts.

    deterministic.py BINARY [CLASS...]      Standard library only; the helpers are those of e2e.py.
"""
import json
import pathlib
import sys
import unittest

import e2e
from e2e import Case

VECTORS = pathlib.Path(__file__).parent.parent / "metrics"
SUITE = """\
suite: asserts
dataset: cases.jsonl
target: replay:answers.jsonl
task: generate
prompt: "{{ x }}"
expected: assert
metrics: [assert, assert_score]
"""


def rows_of(name):
    return [json.loads(line) for line in (VECTORS / name).read_text("utf-8").splitlines()]


class Verdicts(Case):
    def run_rows(self, rows):
        """[pass, score] of rows {output, assert, details}."""
        self.write("cases.jsonl", [{"id": f"{i:05d}", "x": "q", "assert": [row["assert"]]}
                                   for i, row in enumerate(rows)])
        self.write("answers.jsonl", [{"id": f"{i:05d}", "output": row["output"], "latency_ms": 10,
                                      **row.get("details", {})} for i, row in enumerate(rows)])
        self.write("suite.yaml", SUITE)
        self.assay("run", "suite.yaml", "--out", "out", "--fresh", "--no-store")
        found = sorted(self.lines("out"), key=lambda row: row["id"])
        return [[row["scores"]["assert"], row["scores"]["assert_score"]] for row in found]

    def differing(self, rows):
        other = []
        for row, got in zip(rows, self.run_rows(rows), strict=True):
            want = row["result"]
            if got[0] != want[0] or abs(got[1] - want[1]) > 1e-9:
                other.append((row["assert"]["type"], row["output"], row["assert"].get("value"), want, got))
        return other

    def test_as_promptfoo(self):
        head, *rows = rows_of("promptfoo.jsonl")
        for row in rows:
            if "trace" in row["details"]:
                row["details"]["trace"] = {"spans": head["traces"][row["details"]["trace"]]}
        rows = [row for row in rows if row["result"]]
        self.assertGreater(len(rows), 500)
        self.assertEqual({(kind, output) for kind, output, *_ in self.differing(rows)}, {
            # A lone {name, arguments} in a line is a call here.
            ("tool-call-f1", 'so\n{"name": "a"}\n[{"name": "b"}]')})

    def test_as_nltk(self):
        _, *rows = rows_of("sentence.jsonl")
        lists = []
        for row in rows:
            alpha, beta, gamma = row["set"]
            for kind, more in (("gleu", {}), ("meteor", {"alpha": alpha, "beta": beta, "gamma": gamma})):
                for sign, score in (("", row[kind]), ("not-", 1 - row[kind])):
                    passes = (row[kind] >= 0.25) != bool(sign)
                    lists.append({"output": row["output"], "result": [int(passes), score],
                                  "assert": {"type": sign + kind, "value": row["golds"],
                                             "threshold": 0.25, **more}})
        self.assertGreater(len(lists), 200)
        self.assertEqual(self.differing(lists), [])

    def test_as_metrics_of_recorded_answers(self):
        self.write("a.jsonl", [{"output": "The cats sat.", "expected": ["a cat sat", "the cat sat"],
                                "cost": 0.02, "logprob": -4.0, "tokens": 2}])
        for metric, want in (
                ("gleu", 4 / 9 - 1 / 9), ("not-gleu", 1 - 3 / 9), ("{name: cost, threshold: 0.02}", 1),
                ("meteor", (1 - 0.5 / 27)), ("{name: rouge-n, n: 2}", 0), ("rouge-n", 4 / 7),
                ("{name: not-perplexity-limit, threshold: 7.389}", 1),
                ("{name: perplexity-limit, threshold: 7.3891}", 1),
                ("{name: trace-span-count, pattern: x, min: 1}", None)):
            found = json.loads(self.assay("score", "a.jsonl", "--metrics", metric, "--format",
                                          "json").stdout)
            value = next(iter(found.values()))["value"]
            if want is None:
                self.assertIsNone(value, metric)
            else:
                self.assertAlmostEqual(value, want, 12, metric)

    def test_refused_by_name(self):
        for assertion, says in (
                ({"type": "javascript", "value": "true"}, "a dataset may not"),
                ({"type": "not-python", "value": "True"}, "a dataset may not"),
                ({"type": "webhook", "value": "http://x"}, "a dataset may not"),
                ({"type": "select-best", "value": "x"}, "asks a model"),
                ({"type": "max-score"}, "assay compare"),
                ({"type": "gleu"}, "needs 'value'"),
                ({"type": "meteor", "value": "x", "delta": 1}, "key 'delta'"),
                ({"type": "gleu", "value": "x", "alpha": 1}, "no option 'alpha'"),
                ({"type": "trace-span-duration", "value": {"pattern": "x"}}, "needs option 'max'"),
                ({"type": "skill-used", "value": {"min": 1}}, "'value' or 'pattern'"),
                ({"type": "trajectory:step-count", "value": {"type": "tool"}}, "'min' or 'max'"),
                ({"type": "is-valid-function-call"}, "needs option 'tools'"),
                ({"type": "is-valid-function-call", "value": [{"parameters": {}}]}, "no 'name'"),
                ({"type": "is-valid-function-call",
                  "value": [{"name": "f", "parameters": {"kind": "object"}}]}, "tool 'f'")):
            self.write("cases.jsonl", [{"id": "1", "x": "q", "assert": [assertion]}])
            self.write("answers.jsonl", [{"id": "1", "output": "a"}])
            self.write("suite.yaml", SUITE)
            self.refused("run", "suite.yaml", "--out", "out", says=[says])

    def test_details_reach_journal_and_are_hidden(self):
        trace = {"spans": [{"name": "call secret", "startTime": 0, "endTime": 5}]}
        calls = [{"name": "search", "arguments": {"q": "secret"}}]
        self.write("cases.jsonl", [{"id": "1", "x": "q", "expected": "y"}])
        self.write("answers.jsonl", [{"id": "1", "output": "y", "trace": trace, "tool_calls": calls}])
        suite = SUITE.replace("expected: assert\n", "").replace(
            "[assert, assert_score]", "[{name: trace-span-count, pattern: '*secret', min: 1}]")
        self.write("suite.yaml", suite)
        self.assay("run", "suite.yaml", "--out", "out", "--fresh", "--no-store")
        row = self.lines("out")[0]
        self.assertEqual((row["trace"], row["tool_calls"]), (trace, calls))
        self.assertEqual(row["scores"], {"trace-span-count": 1})
        found = self.summary("suite.yaml", "--out", "out2", "--redact", "/secret/")
        self.assay("history", "export", found["run"], "--out", "kept")
        text = "".join(p.read_text() for p in (self.dir / "kept").rglob("*") if p.is_file())
        self.assertIn("[redacted]", text)
        self.assertNotIn('"secret', text)


if __name__ == "__main__":
    e2e.BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
