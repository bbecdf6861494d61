#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The embedded engine through the binary, on tiny models whose answers are worked out here.

    e2e_engine.py BINARY [CLASS...]
"""
import math
import pathlib
import random
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests/runner"), str(TOP / "tests/engine")]
import e2e  # noqa: E402
import make_models  # noqa: E402

LETTERS = "bdfjklmpquvwxyzBDFGHJKLMNOPQRSUVWXYZ"  # no merge of small_bpe begins or ends with one

SUITE = """\
suite: tiny
dataset: cases.jsonl
target: gguf:model.gguf%s
task: %s
prompt: "{{ text }}"
metrics: [accuracy]
"""


class Engine(e2e.Case):
    @classmethod
    def setUpClass(cls):
        cls.vocabulary, cls.size = make_models.small_bpe("qwen2")
        cls.bos = cls.size - 4
        cls.shape = {"layers": 2, "width": 32, "heads": 4, "kv_heads": 2, "ffn": 48}
        cls.model = make_models.Model(vocabulary=cls.size, seed=99, **cls.shape)

    def setUp(self):
        super().setUp()
        make_models.write_gguf(self.dir / "model.gguf", self.model.values(self.vocabulary),
                               self.model.tensors)
        rng = random.Random(3)
        self.rows = [{"id": f"c{i}", "text": "".join(rng.choice(LETTERS) for _ in range(4 + i % 20)),
                      "expected": "".join(rng.choice(LETTERS) for _ in range(1 + i % 3))}
                     for i in range(12)]

    def run_suite(self, text, out="o", **more):
        self.write("cases.jsonl", self.rows)
        self.write("suite.yaml", text)
        self.summary("suite.yaml", "--out", out, "--no-store", *more.get("args", ()))
        return {line["id"]: line for line in self.lines(out)}

    def score(self, prompt, tokens):
        """Sum of log p(tokens | prompt), and whether each is the likeliest."""
        logits = self.model.logits(prompt + tokens, False)
        total, greedy = 0.0, True
        for i, token in enumerate(tokens):
            row = logits[len(prompt) + i - 1]
            top = max(row)
            total += row[token] - top - math.log(math.fsum(math.exp(v - top) for v in row))
            greedy = greedy and row.index(top) == token
        return total, greedy


class Scored(Engine):
    def test_loglikelihood(self):
        lines = self.run_suite(SUITE % ("?threads=2", "loglikelihood"))
        for row in self.rows:
            # A space joins the reference to the prompt.
            want, greedy = self.score(list(row["text"].encode()),
                                      list((" " + row["expected"]).encode()))
            line = lines[row["id"]]
            self.assertAlmostEqual(line["logprob"], want, delta=1e-3)
            self.assertEqual(line["tokens"], 1 + len(row["expected"]))
            self.assertEqual(line["greedy"], greedy)
            self.assertEqual(line["prediction"], row["expected"] if greedy else None)
            self.assertEqual(line["output"], row["expected"])

    def test_loglikelihood_is_that_of_a_choice(self):
        lines = self.run_suite(SUITE % ("", "loglikelihood"))
        for row in self.rows:
            row["options"] = ["zz", row["expected"], "q"]
        choices = self.run_suite(SUITE % ("", "choice") + "choices: {field: options}\n", "p")
        for id_, line in lines.items():
            self.assertEqual(line["logprob"], choices[id_]["choice_logprobs"][1])

    def test_greedy_references_are_predicted(self):
        rng, self.rows = random.Random(4), []
        while len(self.rows) < 4:  # where the likeliest token is a letter
            text = "".join(rng.choice(LETTERS) for _ in range(5)) + "\n"
            logits = self.model.logits(list(text.encode()), False)[-1]
            best = logits.index(max(logits))
            if best < 256 and chr(best) in LETTERS:
                right = len(self.rows) % 2 == 0
                self.rows.append({"id": f"c{len(self.rows)}", "text": text,
                                  "expected": chr(best) if right else "~"})
        self.write("cases.jsonl", self.rows)
        self.write("suite.yaml", SUITE % ("", "loglikelihood"))
        found = self.summary("suite.yaml", "--out", "o", "--no-store")
        self.assertEqual(found["metrics"]["accuracy"]["value"], 0.5)
        self.assertEqual([line["greedy"] for line in sorted(self.lines("o"), key=lambda x: x["id"])],
                         [True, False, True, False])

    def test_rolling_in_windows(self):
        self.rows.append({"id": "long", "text": LETTERS * 2, "expected": ""})
        self.rows.append({"id": "whole", "text": LETTERS[:16], "expected": ""})
        for context in (8, 11, 200):
            lines = self.run_suite(SUITE % (f"?ctx={context}", "rolling"), f"o{context}")
            for row in self.rows:
                tokens, want = list(row["text"].encode()), 0.0
                for at in range(0, len(tokens), context):
                    window = tokens[at:at + context]
                    before = tokens[at - (context - len(window) + 1):at] if at else [self.bos]
                    want += self.score(before, window)[0]
                self.assertAlmostEqual(lines[row["id"]]["logprob"], want, delta=1e-3)
                self.assertEqual(lines[row["id"]]["tokens"], len(tokens))
                self.assertEqual(lines[row["id"]]["output"], row["text"])

    def test_perplexities_of_what_was_measured(self):
        text = (SUITE % ("?ctx=9", "rolling")).replace(
            "[accuracy]", "[perplexity, byte_perplexity, word_perplexity, bits_per_byte]")
        for i, row in enumerate(self.rows):
            row["text"] = row["text"][:3] + " " * (i % 2) + row["text"][3:]
        lines = self.run_suite(text).values()
        found = self.summary("suite.yaml", "--out", "p", "--no-store")["metrics"]
        bits = -sum(line["logprob"] for line in lines)
        units = {"perplexity": sum(line["tokens"] for line in lines),
                 "byte_perplexity": sum(len(row["text"].encode()) for row in self.rows),
                 "word_perplexity": sum(len(row["text"].split()) for row in self.rows)}
        for name, count in units.items():
            self.assertAlmostEqual(found[name]["value"] / math.exp(bits / count), 1, delta=1e-9)
        self.assertAlmostEqual(found["bits_per_byte"]["value"],
                               bits / units["byte_perplexity"] / math.log(2), delta=1e-9)

    def test_recorded_scores_are_replayed(self):
        text = SUITE % ("", "loglikelihood")
        first = self.run_suite(text)
        again = self.run_suite(text, "p", args=("--target", "replay:o/results.jsonl"))
        for id_, line in first.items():
            for key in ("logprob", "tokens", "greedy", "prediction"):
                self.assertEqual(line[key], again[id_][key])

    def test_refused(self):
        self.write("cases.jsonl", self.rows)
        for task in ("loglikelihood", "rolling"):
            suite = self.write("suite.yaml", SUITE % ("", task))
            self.refused("run", suite, "--target", "mock:first",
                         says=["gives no log-probability of a given text", task])
            self.write("suite.yaml", SUITE % ("", task) + "choices: [a, b]\nextract: [strip]\n")
            self.refused("run", suite, says=["'choices' has no meaning with task '" + task,
                                             "'extract' has no meaning with task '" + task])
        suite = self.write("suite.yaml", SUITE % ("", "embed"))
        self.refused("run", suite, says=["ask for pooling mean, cls or last"])
        self.write("suite.yaml", SUITE % ("", "loglikelihood"))
        self.write("cases.jsonl", [{"id": "a", "text": "b", "expected": ["x"]}])
        self.refused("run", suite, says=["it must be a string that is not empty"])


class Sampled(Engine):
    TEXT = SUITE % ("%s", "generate") + "generate: {max_tokens: 12, temperature: 1, top_p: 0.9, " \
        "top_k: 50, min_p: 0.01, seed: %d}\n"

    def test_a_text_depends_on_seed_and_case_alone(self):
        first = self.run_suite(self.TEXT % ("?threads=1", 5))
        for i, query in enumerate(["?threads=2", "?cpu=portable", "?threads=2&ctx=64"]):
            other = self.run_suite(self.TEXT % (query, 5), f"p{i}")
            self.assertEqual({k: v["output"] for k, v in first.items()},
                             {k: v["output"] for k, v in other.items()})
        self.rows = [row for row in self.rows if row["id"] == "c7"]  # alone
        self.assertEqual(self.run_suite(self.TEXT % ("", 5), "q")["c7"]["output"],
                         first["c7"]["output"])
        # The same text under another id, and another seed: other draws.
        self.rows.append(dict(self.rows[0], id="other"))
        lines = self.run_suite(self.TEXT % ("", 5), "r")
        self.assertNotEqual(lines["other"]["output"], lines["c7"]["output"])
        lines = self.run_suite(self.TEXT % ("", 6), "s")
        self.assertNotEqual(lines["c7"]["output"], first["c7"]["output"])


    def test_other_targets_are_told(self):
        self.write("told.py", "import json, sys\nfor line in sys.stdin:\n    asked = json.loads(line)\n"
                   "    print(json.dumps({'output': f\"{asked.get('temperature')} {asked.get('top_p')} "
                   "{asked.get('top_k')} {asked.get('min_p')}\"}), flush=True)\n")
        lines = self.run_suite(self.TEXT % ("", 5),
                               args=("--target", f"cmd:{sys.executable} {self.dir}/told.py"))
        self.assertEqual({line["output"] for line in lines.values()}, {"1 0.9 50 0.01"})


class Files(Engine):
    def test_parts_are_one_model(self):
        whole = self.run_suite(SUITE % ("", "loglikelihood"))
        make_models.write_parts(str(self.dir / "model"), self.model.values(self.vocabulary),
                                self.model.tensors, 4)
        parts = self.run_suite(SUITE % ("", "loglikelihood"), "p",
                               args=("--target", "gguf:model-00001-of-00004.gguf"))
        self.assertEqual({k: v["logprob"] for k, v in whole.items()},
                         {k: v["logprob"] for k, v in parts.items()})
        (self.dir / "model-00003-of-00004.gguf").unlink()
        self.refused("run", "suite.yaml", "--target", "gguf:model-00001-of-00004.gguf",
                     says=["model-00003-of-00004.gguf"])

    def test_adapters(self):
        plain = self.run_suite(SUITE % ("", "loglikelihood"))
        adapted = make_models.Model(vocabulary=self.size, seed=99, rank=4, alpha=8.0, **self.shape)
        adapted.write_adapter(self.dir / "adapter.gguf")
        lines = self.run_suite(SUITE % ("?lora=adapter.gguf", "loglikelihood"), "p")
        self.model, plain_model = adapted, self.model
        for row in self.rows:
            want = self.score(list(row["text"].encode()), list((" " + row["expected"]).encode()))
            self.assertAlmostEqual(lines[row["id"]]["logprob"], want[0], delta=1e-3)
            self.assertNotEqual(lines[row["id"]]["logprob"], plain[row["id"]]["logprob"])
        type(self).model = plain_model
        self.refused("run", "suite.yaml", "--target", "gguf:model.gguf?lora=model.gguf",
                     says=["'general.type' is missing"])


if __name__ == "__main__":
    e2e.BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
