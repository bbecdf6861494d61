#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""acc_mutual_info in runs: what the choices are worth without the prompt, asked of the target.

    mutual.py BINARY [CLASS...]      Standard library only; the helpers are those of e2e_engine.py.
"""
import json
import pathlib
import sys
import unittest

import e2e
import remote
from e2e_engine import SUITE, Engine

METRICS = "[acc, acc_mutual_info]"


def best(values):
    return max(range(len(values)), key=lambda i: (values[i], -i))


class Alone(Engine):
    """The formula of lm-evaluation-harness: argmax of l(choice | prompt) - l(choice | beginning)."""

    def choices(self, *more, out="o", code=0):
        text = (SUITE % ("?threads=2", "choice")).replace("[accuracy]", METRICS)
        self.write("cases.jsonl", self.rows)
        self.write("suite.yaml", text + "choices: {field: options}\n")
        return self.summary("suite.yaml", "--out", out, "--no-store", *more, code=code)

    def setUp(self):
        super().setUp()
        for i, row in enumerate(self.rows):
            row["options"] = ["zz", row["expected"], "q" * (1 + i % 3), "Fb"]
            row["options"] = list(dict.fromkeys(row["options"]))

    def test_formula(self):
        found, differ = self.choices()["metrics"], 0
        lines = {line["id"]: line for line in self.lines("o")}
        for row in self.rows:
            spelled = [list((" " + option).encode()) for option in row["options"]]
            after = [self.score(list(row["text"].encode()), tokens)[0] for tokens in spelled]
            alone = [self.score([self.bos], tokens)[0] for tokens in spelled]
            line, gold = lines[row["id"]], row["options"].index(row["expected"])
            for got, want in zip(line["unconditional_logprobs"], alone):
                self.assertAlmostEqual(got, want, delta=1e-3)
            information = [a - b for a, b in zip(after, alone)]
            self.assertEqual(line["scores"], {"acc": best(after) == gold,
                                              "acc_mutual_info": best(information) == gold})
            differ += best(information) != best(after)
        self.assertGreater(differ, 0)
        self.assertEqual(found["acc_mutual_info"]["n"], len(self.rows))

    def test_recordings_and_resumed_runs_have_the_same(self):
        first = self.choices()
        again = self.choices("--target", "replay:o/results.jsonl", out="p")
        self.assertEqual(first["scores_digest"], again["scores_digest"])
        kept = (self.dir / "o/results.jsonl").read_text().splitlines(True)[:5]
        (self.dir / "o/results.jsonl").write_text("".join(kept))
        self.assertEqual(self.choices("--resume")["scores_digest"], first["scores_digest"])
        scored = self.assay("score", "o/results.jsonl", "-m", "acc_mutual_info", "--format", "json")
        self.assertEqual(json.loads(scored.stdout)["acc_mutual_info"],
                         first["metrics"]["acc_mutual_info"])
        self.write("bare.jsonl", [{"id": r["id"], "output": r["expected"]} for r in self.rows])
        # Without log-probabilities there is nothing to ask for, and no score.
        bare = self.choices("--target", "replay:bare.jsonl", out="q")["metrics"]
        self.assertEqual((bare["acc_mutual_info"]["value"], bare["acc_mutual_info"]["n"]), (None, 0))
        self.assertEqual({line["outcome"] for line in self.lines("q")}, {"ok"})

    def test_refused_by_name(self):
        self.choices()
        for target in ("mock:echo", "openai:http://127.0.0.1:9/v1#m", "tgi:http://127.0.0.1:9"):
            self.refused("run", "suite.yaml", "--target", target,
                         says=["acc_mutual_info", "+completions"])


class Echoed(remote.Remote):
    def test_of_a_server_that_echoes(self):
        rows = [{"id": f"c{i}", "text": f"x{i}", "expected": "abc"} for i in range(6)]
        text = remote.CHOICE.replace("[accuracy]", METRICS)
        suite = self.suite("x/v1", keys="+completions", rows=rows, text=text)
        found, lines, _ = self.run_suite(suite, "-j", "1")
        options = lines[0]["choices"]
        for line in lines:
            # The endpoint's rule: minus the length of what follows, its space included.
            self.assertEqual(line["unconditional_logprobs"], [-1.0 - len(o) for o in options])
        self.assertLess(self.endpoint.count("/x/"), 6 * 3 * 2)  # not asked again for every case
        self.assertEqual(found["metrics"]["acc_mutual_info"]["n"], 6)


if __name__ == "__main__":
    e2e.BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
