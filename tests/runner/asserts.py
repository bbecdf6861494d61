#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Assertions through the binary: lists that cases bring, against promptfoo's own verdicts.

    asserts.py BINARY [CLASS...]      Standard library only; the helpers are those of e2e.py.
"""
import json
import pathlib
import sys
import unicodedata
import unittest

import e2e
from e2e import Case

SUITE = """\
suite: asserts
dataset: cases.jsonl
target: replay:answers.jsonl
task: generate
prompt: "{{ x }}"
expected: assert
metrics: [assert, assert_score]
"""


class Lists(Case):
    def run_lists(self, pairs, code=0, more=""):
        """Scores of (output, assertions) pairs."""
        self.write("cases.jsonl", [{"id": f"{i:05d}", "x": "q", "assert": asserts}
                                   for i, (_, asserts) in enumerate(pairs)])
        self.write("answers.jsonl", [{"id": f"{i:05d}", "output": output, "latency_ms": 10}
                                     for i, (output, _) in enumerate(pairs)])
        self.write("suite.yaml", SUITE + more)
        self.assay("run", "suite.yaml", "--out", "out", "--fresh", "--no-store", code=code)
        rows = sorted(self.lines("out"), key=lambda row: row["id"])
        return [(row["scores"]["assert"], row["scores"]["assert_score"]) for row in rows]

    def test_as_promptfoo(self):
        path = pathlib.Path(__file__).parent.parent / "metrics" / "asserts.jsonl"
        head, *rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        pairs = [(row["output"], asserts) for row in rows for asserts in head["asserts"]]
        wanted = [result for row in rows for result in row["results"]]
        self.assertGreater(len(pairs), 1500)
        other = set()
        for (output, asserts), want, got in zip(pairs, wanted, self.run_lists(pairs)):
            if got[0] != want[0] or abs(got[1] - want[1]) > 1e-9:
                other.add((asserts[0]["type"].removeprefix("not-"), output))
        self.assertEqual(other, {
            # promptfoo passes these with a score of 0.
            ("is-refusal", ""), ("is-refusal", "  "),
            # It repairs what is no JSON, and looks for objects only.
            ("contains-json", "[1, 2]"), ("contains-json", '{"a": "x"'),
            # Its reader takes what is not well-formed.
            ("contains-xml", "<r x=1/>"), ("contains-xml", "<a>&nope;</a>")})

    def test_weights_sets_and_empty_lists(self):
        yes, no = {"type": "contains", "value": "a"}, {"type": "contains", "value": "z"}
        found = self.run_lists([
            ("abc", [yes, no]), ("abc", [{**yes, "weight": 3}, no]), ("abc", []),
            ("abc", [yes, {**no, "weight": 0}]), ("abc", yes),
            ("abc", [{"type": "assert-set", "threshold": 0.5, "assert": [yes, no]}]),
            ("abc", [{"type": "latency", "threshold": 10}]),
            ("abc", [{"type": "not-latency", "threshold": 10}, {"type": "finish-reason",
                                                                "value": "STOP"}])])
        self.assertEqual(found, [(0, 0.5), (0, 0.75), (None, None), (1, 1), (1, 1), (1, 0.5), (1, 1),
                                 (0, 0.5)])

    def test_refused_by_name(self):
        for asserts, says in (
                ([{"type": "llm-rubric", "value": "x"}], "asks a model"),
                ([{"type": "contain", "value": "x"}], "did you mean 'contains'"),
                ([{"type": "javascript", "value": "x"}], "a dataset may not"),
                ([{"type": "contains", "value": "{{ x }}"}], "templates"),
                ([{"type": "is-json", "value": "file://schema.json"}], "files"),
                ([{"type": "contains", "value": "x", "transform": "y"}], "key 'transform'"),
                ([{"type": "contains", "value": "x", "weight": -1}], "weight"),
                ([{"value": "x"}], "needs 'type'"), (["contains"], "needs 'type'"),
                ([{"type": "regex", "value": "("}], "regex"),
                ("text", "must be a list"),
                ([{"type": "latency"}], "threshold")):
            self.write("cases.jsonl", [{"id": "1", "x": "q", "assert": asserts}])
            self.write("answers.jsonl", [{"id": "1", "output": "a"}])
            self.write("suite.yaml", SUITE)
            self.refused("run", "suite.yaml", "--out", "out", says=[says])

    def test_no_answer_passes_nothing(self):
        found = self.run_lists([("abc", [{"type": "not-contains", "value": "z"}])],
                               more="extract: [{regex: 'q'}]\n")
        self.assertEqual(found, [(0, 0)])


class Kinds(Case):
    """The names by themselves, as metrics of recorded answers."""

    def score(self, metric, lines):
        self.write("a.jsonl", [{"expected": "x", **line} for line in lines])
        found = json.loads(self.assay("score", "a.jsonl", "--metrics", metric, "--format",
                                      "json").stdout)
        return next(iter(found.values()))["value"]

    def test_xml(self):
        good = ["<a/>", "<a>x</a>", '<?xml version="1.0" encoding="UTF-8"?><a b="1" c=\'"\'/>',
                "<!-- c --><a><![CDATA[<]]>&amp;&#65;&#x41;</a>\n", "<!DOCTYPE a><a/>",
                "<ns:a xmlns:ns='u'><ns:b/></ns:a>", "<é>ü</é>", "<a ><b\n/></a >"]
        bad = ["", "a", "<a>", "<a></b>", "<a/><b/>", "<a b=1/>", "<a b='1' b='2'/>", "x<a/>",
               "<a>&x;</a>", "<a>&#0;</a>", "<a>]]></a>", "<a><!-- -- --></a>", "<a b='<'/>",
               "<a", "<?xml?", "< a/>", "<1a/>", "<a>\x01</a>", "<a/>x", "<a b='1'c='2'/>",
               "<!DOCTYPE a [<!ENTITY x 'y'>]><a/>", "<a>" * 300 + "</a>" * 300]
        self.assertEqual(self.score("is-xml", [{"output": o} for o in good]), 1)
        self.assertEqual(self.score("is-xml", [{"output": o} for o in bad]), 0)
        self.assertEqual(self.score("not-is-xml", [{"output": o} for o in bad if o]), 1)
        nested = [{"output": "so: <r><a><b>1</b></a></r> and <c/>"}]
        for elements, held in (("r.a.b", 1), ("r", 1), ("[r.a, r.a.b]", 1), ("a.b", 0), ("c", 1),
                               ("[r, c]", 0)):
            self.assertEqual(self.score(f"{{name: contains-xml, elements: {elements}}}", nested),
                             held, elements)

    def test_endings_and_refusals(self):
        lines = [{"output": "a"}, {"output": "a", "outcome": "truncated"},
                 {"output": "", "outcome": "refused"}, {"output": "a", "finish_reason": "tool_calls"}]
        for reason, share in (("stop", 0.25), ("length", 0.25), ("Content_Filter", 0.25),
                              ("tool_calls", 0.25), ("[stop, length]", 0.5)):
            self.assertEqual(self.score(f"{{name: finish-reason, value: {reason}}}", lines), share)
        self.assertEqual(self.score("is-refusal", [
            {"output": "I\u2019m sorry, but I can\u2019t do that"}, {"output": "Certainly!"},
            {"output": "x" * 300 + "I cannot help with that"}, {"output": "", "outcome": "refused"}]),
            0.5)

    def test_perplexity_score(self):
        self.assertAlmostEqual(self.score("perplexity-score", [
            {"output": "a", "logprob": -6, "tokens": 3}]), 1 / (1 + 2.718281828459045 ** 2), 12)

    def test_normalisation_is_asked_for(self):
        pairs = [("\u00e9", "e\u0301", "nfc"), ("\uac00", "\u1100\u1161", "nfc"),
                 ("\u1e9b\u0323", "\u1e9b\u0323", None), ("\ufb01n", "fin", "nfkc"),
                 ("\uff21\u2460", "A1", "nfkc"), ("\u212b", "A\u030a", "nfc"),
                 ("q\u0307\u0323", "q\u0323\u0307", "nfc"), ("\u00e9", "e", "never")]
        order = [None, "nfc", "nfkc", "never"]
        for a, b, needs in pairs:
            for form in (None, "nfc", "nfkc"):
                metric = f"{{name: exact_match, normalize: {form}}}" if form else "exact_match"
                same = order.index(form) >= order.index(needs)
                self.assertEqual(self.score(metric, [{"expected": a, "output": b}]), same, (a, b))
                if form:
                    self.assertEqual(same, unicodedata.normalize(form.upper(), a)
                                     == unicodedata.normalize(form.upper(), b))
        self.write("a.jsonl", [{"expected": "a", "output": "a"}])
        self.refused("score", "a.jsonl", "--metrics", "{name: exact_match, normalize: nfd}",
                     says=["must be nfc or nfkc, not 'nfd'"])
        self.refused("score", "a.jsonl", "--metrics", "{name: f1_macro, normalize: nfc}",
                     says=["takes no 'normalize'"])
        self.write("cases.jsonl", [{"id": "1", "x": "q", "expected": "\u00e9"}])
        self.write("answers.jsonl", [{"id": "1", "output": "e\u0301"}])
        plain = SUITE.replace("expected: assert\n", "").replace("assert, assert_score", "accuracy")
        for more, value in (("", 0), ("extract: [nfc]\n", 1), ("extract: [nfkc, lower]\n", 1)):
            self.write("suite.yaml", plain + more)
            found = self.summary("suite.yaml", "--out", "out", "--fresh", "--no-store")
            self.assertEqual(found["metrics"]["accuracy"]["value"], value, more)

    def test_trajectories(self):
        calls = [{"output": "", "tool_calls": [{"name": n, "arguments": {}} for n in names]}
                 for names in (["a", "b", "c"], ["b", "a"], [], ["a", "a", "b"])]
        for metric, share in (
                ("{name: 'trajectory:tool-used', value: a, as: m}", 3 / 4),
                ("{name: 'trajectory:tool-used', value: [a, c], as: m}", 1 / 4),
                ("{name: 'trajectory:tool-used', value: a, min: 2, as: m}", 1 / 4),
                ("{name: 'trajectory:tool-used', value: a, max: 0, as: m}", 1 / 4),
                ("{name: 'not-trajectory:tool-used', value: a, as: m}", 1 / 4),
                ("{name: 'trajectory:tool-sequence', value: [a, b], as: m}", 2 / 4),
                ("{name: 'trajectory:tool-sequence', value: [b, a], mode: exact, as: m}", 1 / 4),
                ("{name: 'trajectory:step-count', min: 1, max: 2, as: m}", 1 / 4),
                ("{name: 'tool-call-f1', value: [a, b]}", (0.8 + 1 + 0 + 1) / 4)):
            self.assertAlmostEqual(self.score(metric, calls), share, 12, metric)


if __name__ == "__main__":
    e2e.BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
