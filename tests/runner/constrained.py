#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Answers kept to choices, regular expressions, schemas and grammars, and how likely their tokens
were, through the binary on a tiny random model: what it would say alone is noise, so whatever has a
shape has it from the constraint.

    constrained.py BINARY [CLASS...]
"""
import json
import math
import pathlib
import random
import re
import sys
import unittest

import e2e_engine
from e2e_engine import SUITE, e2e

TEXT = SUITE % ("%s", "generate") + "generate: {max_tokens: %d, temperature: 1, seed: 4, %s}\n"


class Constrained(e2e_engine.Engine):
    def answers(self, only, query="", tokens=40, **more):
        return self.run_suite(TEXT % (query, tokens, only), **more)

    def test_choices(self):
        lines = self.answers("choices: [yes please, 'no', 'não', nobody]")
        said = {line["output"] for line in lines.values()}
        self.assertLessEqual(said, {"yes please", "no", "não", "nobody"})
        self.assertGreater(len(said), 1)
        self.assertEqual({line["outcome"] for line in lines.values()}, {"ok"})

    def test_choices_of_a_case(self):
        for row in self.rows:
            row["only"] = [row["id"] + "x", row["id"] + "yz"]
        for id_, line in self.answers("choices: {field: only}").items():
            self.assertIn(line["output"], [id_ + "x", id_ + "yz"])
        self.rows[3]["only"] = []
        self.write("cases.jsonl", self.rows)
        self.refused("run", "suite.yaml", says=["case 'c3'", "'only' must be a list of texts"])

    def test_regex(self):
        pattern = r"[A-Z][a-z]{2,5}(-\\d+)?: [^\\x00-\\x7f]{2}"
        for line in self.answers('regex: "%s"' % pattern, tokens=200).values():
            if line["outcome"] == "ok":
                self.assertRegex(line["output"], re.compile("^" + pattern.replace("\\\\", "\\") + "$"))
            else:
                self.assertEqual(line["outcome"], "truncated")

    SCHEMA = ('json_schema: {type: object, properties: {name: {type: string, maxLength: 4}, '
              'n: {type: integer, minimum: 3, maximum: 17}, tags: {type: array, maxItems: 2, items: '
              '{enum: [a, b]}}}, required: [name, n]}')

    def test_schema_in_any_way(self):
        first = self.answers(self.SCHEMA, "?threads=1", 200)
        whole = 0
        for line in first.values():
            if line["outcome"] == "truncated":
                continue
            value = json.loads(line["output"])
            self.assertLessEqual(set(value), {"name", "n", "tags"})
            self.assertLessEqual(len(value["name"]), 4)
            self.assertIn(value["n"], range(3, 18))
            self.assertLessEqual(set(value.get("tags", [])), {"a", "b"})
            whole += 1
        self.assertGreater(whole, 6)
        for i, query in enumerate(["?threads=2", "?cpu=portable", "?threads=2&ctx=256&memory=1M"]):
            other = self.answers(self.SCHEMA, query, 200, out=f"p{i}")
            self.assertEqual({k: v["output"] for k, v in first.items()},
                             {k: v["output"] for k, v in other.items()})

    def test_grammar_with_a_stop(self):
        self.write("lists.gbnf", 'root ::= item ("\\n" item)*\nitem ::= "- " [a-z]+\n')
        lines = self.answers("grammar: lists.gbnf, stop: ['q']", tokens=30)
        for line in lines.values():
            self.assertRegex(line["output"] + "q", r"^(- [a-z]*\n?)+")
            self.assertNotIn("q", line["output"])

    def test_an_end_that_never_comes(self):
        # Without an end token among the first ones the text goes on until it is cut off.
        lines = self.answers("grammar: 'root ::= [a-z]+'", tokens=5)
        for line in lines.values():
            self.assertRegex(line["output"], "^[a-z]+$")

    def test_logprobs(self):
        lines = self.answers("logprobs: 3", tokens=6)
        for line in lines.values():
            content = line["logprobs"]["content"]
            self.assertEqual(len(content), line["tokens_out"])
            self.assertAlmostEqual(sum(t["logprob"] for t in content), line["logprob"], 9)
            for token in content:
                top = [t["logprob"] for t in token["top_logprobs"]]
                self.assertEqual((len(top), sorted(top, reverse=True)), (3, top))
                self.assertLessEqual(token["logprob"], top[0])
                self.assertLess(math.fsum(math.exp(t) for t in top), 1 + 1e-9)
        # The first token's, worked out here.
        row = self.rows[0]
        logits = self.model.logits(list(row["text"].encode()), False)[-1]
        most = max(logits)
        total = most + math.log(math.fsum(math.exp(v - most) for v in logits))
        want = sorted((v - total for v in logits), reverse=True)[:3]
        got = [t["logprob"] for t in lines[row["id"]]["logprobs"]["content"][0]["top_logprobs"]]
        for a, b in zip(want, got):
            self.assertAlmostEqual(a, b, 3)

    def test_logprobs_of_a_recording(self):
        lines = self.answers("logprobs: 1", tokens=6)
        again = self.answers("logprobs: 1", tokens=6, out="q",
                             args=("--target", f"replay:{self.dir}/o/results.jsonl"))
        self.assertEqual({k: v["logprobs"] for k, v in lines.items()},
                         {k: v["logprobs"] for k, v in again.items()})

    def test_refused(self):
        self.write("cases.jsonl", self.rows)

        def refused(only, *says, task="generate", **more):
            self.write("suite.yaml", SUITE % ("", task) + "generate: {%s}\n" % only)
            self.refused("run", "suite.yaml", *more.get("args", ()), says=says)
        refused("regex: 'a(?=b)'", "suite.yaml:7:19: ", "generate.regex: column 2: looking ahead")
        refused("regex: a, choices: [b]", "generate.choices beside generate.regex")
        refused("grammar: 'root ::= rot'", "there is no rule 'rot'; did you mean 'root'?")
        refused("grammar: none.gbnf", "none.gbnf")
        refused("json_schema: {type: objct}", "generate.json_schema: at '/': 'type' must be one of")
        refused("logprobs: 21", "generate.logprobs")
        refused("choices: []", "generate.choices has no element")
        refused("choices: [a], logprobs: 1", "generate.choices has no meaning with task 'rolling'",
                "generate.logprobs has no meaning", task="rolling")
        refused("regex: a", "cannot keep to generate.regex", args=("--target", "mock:first"))
        refused("logprobs: 1", "gives no log-probabilities of tokens",
                args=("--target", "mock:first"))
        refused("regex: a", "OpenAI's response_format has no field for generate.regex",
                args=("--target", "openai:http://127.0.0.1:1/v1#m"))
        refused("grammar: 'root ::= \"a\"'", "TGI has no field for generate.grammar",
                args=("--target", "tgi:http://127.0.0.1:1"))
        refused("choices: [a]", "no field for generate.choices",
                args=("--target", "kserve:http://127.0.0.1:1#m"))


class Drawn(e2e_engine.Engine):
    """Random suites, in random ways: the digest of the scores and every line are those of the plain
    run, whatever the threads, kernels, memory, number at once, order and shard. The type of keys
    and values is part of the suite in this, since it is part of the model."""

    ONLY = ["", "choices: [yes, 'no', perhaps]", "choices: {field: only}", "regex: '[a-z]{2,}[0-9]'",
            "json_schema: {type: array, items: {enum: [1, 22, x]}, maxItems: 4}",
            "grammar: 'root ::= \"(\" root \")\" | [a-f]+'"]

    def draw(self, rng):
        task = rng.choice(["generate", "generate", "generate", "choice", "loglikelihood"])
        only = rng.choice(self.ONLY)
        text = SUITE.replace("[accuracy]", "[accuracy]\nmax_errors: 1") % ("%s", task)
        if task == "choice":
            text += "choices: {field: only}\n"
        if task == "generate":
            text += "generate: {max_tokens: %d, temperature: %g, seed: %d, top_k: %d%s%s%s}\n" % (
                rng.randint(2, 30), rng.choice([0, 0.7, 1.5]), rng.randint(0, 9),
                rng.choice([0, 3, 40]), rng.choice(["", ", stop: [e, 'x1']"]),
                rng.choice(["", ", logprobs: %d" % rng.randint(0, 4)]), only and ", " + only)
        beginning = "".join(rng.choice(e2e_engine.LETTERS) for _ in range(40))
        self.rows = []
        for i in range(14):
            known = beginning[:rng.randint(0, 40)]
            texts = ["".join(rng.choice(e2e_engine.LETTERS) for _ in range(rng.randint(1, 9)))
                     for _ in range(4)]
            row = {"id": f"c{i}", "text": known + texts[0] + ".", "only": sorted(set(texts[1:])),
                   "expected": texts[1]}
            self.rows += [row] if len(row["only"]) > 1 else []
        return text, rng.choice(["f32", "f16", "q8_0"])

    def answers(self, text, query, out, *args):
        self.write("cases.jsonl", self.rows)
        self.write("suite.yaml", text % ("?" + query))
        digest = self.summary("suite.yaml", "--out", out, "--no-store", *args,
                              code=None)["scores_digest"]
        keep = ("output", "prediction", "scores", "outcome", "choice_logprobs", "logprob",
                "tokens_out", "logprobs")
        return digest, {line["id"]: {k: line.get(k) for k in keep} for line in self.lines(out)}

    def test_digests_do_not_move(self):
        rng = random.Random(12)
        for suite in range(12):
            text, kv = self.draw(rng)
            digest, plain = self.answers(text, f"threads=1&cpu=portable&kv={kv}", f"p{suite}")
            for way in range(2):
                query = f"threads={rng.randint(1, 4)}&kv={kv}" + rng.choice(
                    ["", "&memory=600K", "&memory=2M", "&ctx=128"])
                rng.shuffle(self.rows)
                got = self.answers(text, query, f"w{suite}-{way}", "--concurrency",
                                   str(rng.randint(1, 20)))
                self.assertEqual(got, (digest, plain), (text, query))
            whole, shards = self.rows, {}
            for shard in range(2):
                self.rows = whole[shard::2]
                shards |= self.answers(text, f"threads=2&kv={kv}", f"s{suite}-{shard}")[1]
            self.assertEqual(shards, plain, text)


if __name__ == "__main__":
    e2e.BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
