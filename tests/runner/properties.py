#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What holds of every metric, walked over the registry as `assay help metrics` prints it.

    properties.py BINARY      Standard library only.

The order of the cases decides nothing, nor how they are spread over files (to the byte, intervals
included); every case twice is the same value; what classes are called is nothing to metrics of
classes. A metric without cases here fails: a new one cannot be left out.
"""
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import unittest

BINARY = ""
WORDS = "the a red green bank card lost of to and Karte 3".split()


def text(rng, most=9):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, most)))


def near(rng, words):
    return " ".join(w if rng.random() < 0.7 else rng.choice(WORDS) for w in words.split())


def label(rng):
    gold = rng.choice("abcd")
    return {"expected": gold, "output": gold if rng.random() < 0.6 else rng.choice("abcd")}


def probability(rng):
    p = [rng.random() + 0.01 for _ in range(3)]
    return {"expected": rng.choice("abc"), "probabilities": {c: x / sum(p) for c, x in zip("abc", p)}}


def sentence(rng):
    gold = text(rng)
    return {"expected": gold, "output": near(rng, gold)}


def ranking(rng):
    ids = [f"d{i}" for i in range(8)]
    return {"expected": {i: rng.randint(0, 3) for i in rng.sample(ids, 4)} | {"d0": 1},
            "ranking": rng.sample(ids, 6)}


def choice(rng):
    options = ["yes", "no way", "é"]
    return {"expected": rng.choice(options), "output": "yes", "choices": options,
            "choice_logprobs": [-9 * rng.random() for _ in options],
            "unconditional_logprobs": [-9 * rng.random() for _ in options]}


def scored(rng):
    words = text(rng)
    return {"expected": "", "output": words, "text": words, "tokens": 3 + len(words) // 4,
            "logprob": -rng.random() * len(words) - 1}


def several(rng):
    outputs = [rng.choice(["x", "y", "z"]) for _ in range(4)]
    return {"expected": "x", "outputs": outputs, "passed": [o == "x" for o in outputs]}


def answer(rng):
    say = rng.choice(['{"a": 1}', "SELECT a FROM b", "<a><b>1</b></a>", "<!DOCTYPE html><html><body>x</body></html>",
                      "I'm sorry, but I cannot help with that.", "red card", "the card"])
    return {"expected": "card", "output": say, "latency_ms": 90 * rng.random(), "cost": rng.random(),
            "finish_reason": rng.choice(["stop", "length"]), "logprob": -1 - 2 * rng.random(), "tokens": 2, "guardrails": {"flagged": rng.random() < 0.5}}


def traced(rng):
    spans = [{"name": rng.choice(["find", "send"]), "startTime": 0, "endTime": rng.randint(1, 90),
              "statusCode": rng.choice([0, 0, 2])} for _ in range(rng.randint(1, 4))]
    return {"expected": "x", "output": "x", "trace": {"spans": spans},
            "skill_calls": [{"name": rng.choice(["find", "plan"]), "is_error": False}]}


def listed(rng):
    return {"expected": [{"type": "contains", "value": "card", "weight": 2},
                         {"type": "icontains", "value": "RED"}], "output": text(rng)}


def calls(rng):
    def one():
        return {"name": rng.choice(["find", "send", "stop"]), "arguments": {"n": rng.randint(0, 2)}}
    gold = [one() for _ in range(rng.randint(1, 3))]
    return {"expected": gold, "output": "", "tool_calls": [c if rng.random() < .7 else one()
                                                           for c in gold]}


def judged(rng):
    return {"expected": "x", "output": "y", "judged": [
        {"metric": name, "prompt_sha256": "", "human": float(rng.random() < 0.5),
         "answers": [{"value": float(rng.random() < 0.7), "outcome": "ok", "text": ""}]}
        for name in JUDGED]}


def spans(rng):
    def one():
        return {"label": rng.choice(["date", "sum"]), "text": rng.choice(["3 May", "5 EUR", "May"])}
    gold = [one() for _ in range(rng.randint(1, 3))]
    return {"expected": gold, "output": json.dumps([s if rng.random() < .6 else one()
                                                    for s in gold])}


def timed(rng):
    wait = 5 + 90 * rng.random()
    return {"expected": "x", "output": rng.choice("xy"), "latency_ms": wait, "ttft_ms": wait / 3,
            "tokens_out": rng.randint(2, 9), "cost": rng.random() / 100,
            "outcome": "timeout" if rng.random() < 0.1 else "ok"}


JUDGED = {"rubric": ", rubric: good", "pairwise": ", reference: other", "faithfulness": "",
          "answer_relevance": "", "judged_precision": "", "judged_recall": ""}
ASSERTIONS = {"contains": "", "icontains": "", "contains-all": ", value: [card, red]",
              "contains-any": ", value: [card, html]", "icontains-all": ", value: [CARD, Red]",
              "icontains-any": ", value: [CARD, Html]", "equals": ", value: red card",
              "starts-with": ", value: the", "regex": ", value: 'c.rd'", "json_valid": "",
              "is-json": "", "json_schema": ", schema: {type: object}",
              "contains-json": ", schema: {type: object}", "word-count": ", max: 3",
              "latency": ", threshold: 40", "cost": ", threshold: 0.5", "is-xml": "",
              "contains-xml": "", "is-html": "", "contains-html": "", "is-refusal": "",
              "finish-reason": ", value: stop", "perplexity-score": "",
              "perplexity-limit": ", threshold: 2", "guardrails": "", "is-sql": "",
              "contains-sql": ""}
TOOLS = ", tools: [{name: find, parameters: {type: object}}, {name: send}]"
TRAJECTORY = {"tool_call_f1": "", "tool_argument_f1": "", "tool_order": "",
              "tool-call-f1": ", value: [find, send]", "trajectory:tool-used": ", value: find",
              "trajectory:tool-sequence": ", value: [find, send]",
              "trajectory:step-count": ", max: 2",
              "trajectory:tool-args-match": ", value: find, args: {n: 1}",
              "is-valid-openai-tools-call": TOOLS, "is-valid-openai-function-call": TOOLS,
              "is-valid-function-call": TOOLS}
TRACES = {"trace-span-count": ", pattern: f*, max: 1", "trace-span-duration": ", max: 40",
          "trace-error-spans": ", max_count: 0", "skill-used": ", value: find"}
# What makes the cases, for which metrics, with which options.
RECIPES = [
    (label, r"accuracy|balanced_accuracy|(precision|recall|f1)_(micro|macro|weighted)|mcc|kappa.*", {}),
    (probability, r"roc_auc|average_precision|ace|brier|log_loss|ece", {}),
    (sentence, r"(quasi_)?exact_match|token_f1|levenshtein|wer|cer|mer|wil|bleu|chrf.*|ter|rouge.*|"
     r"gleu|sentence_bleu|meteor", {}),
    (ranking, r"(recall|precision|hit)@K|id_based_.*|mrr.*|map.*|ndcg.*", {}),
    (choice, r"acc(_norm|_bytes|_mutual_info)?", {}),
    (scored, r"((word|byte)_)?perplexity|bits_per_byte", {}),
    (several, r"pass(_all)?@K|majority|consistency", {}),
    (answer, "|".join(ASSERTIONS), ASSERTIONS),
    (traced, "|".join(TRACES), TRACES),
    (listed, r"assert(_score)?", {}),
    (calls, "|".join(TRAJECTORY), TRAJECTORY),
    (judged, "|".join(JUDGED), {name: ", judge: {target: 'mock:echo'}" + more
                                for name, more in JUDGED.items()}),
    (spans, r"span_f1", {}),
    (timed, r"(latency|ttft|tpot)\.\w+|cost\.\w+|errors", {}),
]
# They ask a model or a program for what they score: means over cases, as levenshtein is.
ELSEWHERE = {"semantic_similarity", "command", "javascript", "python", "ruby", "webhook"}
RANKED_CLASSES = {"kappa_linear", "kappa_quadratic"}


class Properties(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        text = subprocess.run([BINARY, "help", "metrics"], check=True, capture_output=True,
                              text=True).stdout
        names = re.findall(r"^  (\S+) ", text, re.MULTILINE)
        assert len(names) > 100, names
        cls.left = set(names) - ELSEWHERE
        cls.groups = []
        for make, pattern, options in RECIPES:
            mine = [n for n in names if n in cls.left and re.fullmatch(pattern, n)]
            cls.left -= set(mine)
            if make is timed:  # what is correct is said by the first metric of 0 to 1
                mine.insert(0, "accuracy")
            specs = [f"{{name: '{n.replace('@K', '@2')}'{options.get(n, '')}}}" for n in mine]
            cls.groups.append((make, mine, specs))

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="assay-properties-")
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)

    def score(self, specs, *files):
        for i, rows in enumerate(files):
            (self.dir / f"{i}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        done = subprocess.run([BINARY, "score", *(f"{i}.jsonl" for i in range(len(files))), "-m",
                               ",".join(specs), "--format", "json"], cwd=self.dir, text=True,
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def cases(self, make, count=30):
        rng = random.Random(make.__name__)
        return [{"id": f"c{i:02d}", "weight": 1 + i % 3, **({"cluster": f"g{i // 4}"} if i < 12 else {}),
                 **make(rng)} for i in range(count)]

    def each(self):
        # A 99th percentile is withheld below a hundred times.
        return [(names, specs, self.cases(make, 120 if make is timed else 30))
                for make, names, specs in self.groups]

    def test_no_metric_is_left_out(self):
        self.assertEqual(self.left, set())
        for make, names, _ in self.groups:
            self.assertTrue(names, make)

    def test_order_and_shards_are_nothing(self):
        for names, specs, rows in self.each():
            want = self.score(specs, rows)
            shuffled = random.Random(1).sample(rows, len(rows))
            self.assertEqual(self.score(specs, shuffled), want)
            self.assertEqual(self.score(specs, shuffled[:11], shuffled[11:12], shuffled[12:]), want)
            for name, found in zip(names, json.loads(want).values()):
                self.assertIsNotNone(found["value"], name)

    def test_every_case_twice(self):
        for names, specs, rows in self.each():
            once = json.loads(self.score(specs, rows))
            rows = [{**r, "cluster": r.get("cluster", r["id"])} for r in rows]
            twice = json.loads(self.score(specs, rows, [{**r, "id": r["id"] + "b"} for r in rows]))
            for name, a, b in zip(names, once.values(), twice.values()):
                times = 2 if name == "cost.total" else 1
                self.assertAlmostEqual(b["value"], times * a["value"], delta=1e-9, msg=name)
                self.assertEqual(b["n"], 2 * a["n"], name)

    def test_names_of_classes_are_nothing(self):
        order = {c: f"class {c}" for c in "abcd"}  # keeps it
        other = dict(zip("abcd", ["m", "zz", "B", "7 up"]))
        for make, field in ((label, "output"), (probability, "probabilities")):
            _, names, specs = next(g for g in self.groups if g[0] is make)
            rows = self.cases(make)
            want = json.loads(self.score(specs, rows))
            for to, ranked in ((order, True), (other, False)):
                named = [{**r, "expected": to[r["expected"]],
                          field: {to[c]: p for c, p in r[field].items()}
                          if field == "probabilities" else to[r[field]]} for r in rows]
                found = json.loads(self.score(specs, named))
                for name, a, b in zip(names, want.values(), found.values()):
                    if ranked or name not in RANKED_CLASSES:
                        self.assertAlmostEqual(a["value"], b["value"], delta=1e-12, msg=name)
                if ranked:  # then intervals too
                    self.assertEqual(found, want)


if __name__ == "__main__":
    BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    unittest.main(argv=sys.argv[:1])
