#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The cache that the cases of an embedded model share, through the binary.

    e2e_cache.py BINARY [CLASS...]
"""
import pathlib
import re
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests/runner")]
import e2e  # noqa: E402

MODEL = e2e.MODEL
# 2 layers of 8 heads of 32 values, keys and values: 4 KiB a token as f32, 64 KiB a page.
LEAST = (512 + 256) // 16 + 1


@unittest.skipUnless(MODEL.exists(), "the bundled model is missing")
class Shared(e2e.Case):
    def run_support(self, query, out, *more):
        done = self.assay("run", e2e.SUPPORT, "--no-store", "--out", out, "--limit", "40",
                          "--baseline", "none", "--format", "json", "-v", "--target",
                          f"gguf:{MODEL}{query}", *more, code=None)
        lines = {line["id"]: line["choice_logprobs"] for line in self.lines(out)}
        return done, lines

    def facts(self, done):
        found = re.search(r"engine: (\d+) rows in (\d+) batches, logits of (\d+); (\d+) prompt "
                          r"tokens were there already; keys and values \((\w+)\): (\d+) of (\d+) MiB",
                          done.stderr)
        self.assertTrue(found, done.stderr)
        return [int(text) if text.isdigit() else text for text in found.groups()]

    def test_how_much_memory_changes_nothing(self):
        done, plain = self.run_support("?threads=1", "a")
        rows, batches, wanted, reused, kv, used, most = self.facts(done)
        self.assertEqual(len(plain), 40)
        self.assertLess(wanted, rows)
        self.assertLess(batches, rows)
        self.assertGreater(reused, 40)  # the system prompt is the same
        self.assertLessEqual(used, most)
        self.assertEqual((kv, most), ("f32", 512))
        for at, query in enumerate((f"?threads=2&memory={LEAST * 64}K", "?memory=5M&threads=3")):
            done, lines = self.run_support(query, f"m{at}", "--concurrency", str(3 + 20 * at))
            self.assertEqual(lines, plain)
            self.assertLessEqual(self.facts(done)[5], 5)

    def test_other_types_are_other_models(self):
        plain = self.run_support("", "a")[1]
        for kv in ("f16", "q8_0"):
            lines = self.run_support(f"?kv={kv}&threads=1", f"{kv}1")[1]
            self.assertNotEqual(lines, plain)
            for case, logprobs in lines.items():
                for mine, its in zip(logprobs, plain[case]):
                    self.assertAlmostEqual(mine, its, delta=0.3 if kv == "f16" else 1.0)
            again = self.run_support(f"?kv={kv}&threads=2&cpu=portable&memory=4M", f"{kv}2")[1]
            self.assertEqual(again, lines)
            summary = self.summary(e2e.SUPPORT, "--no-store", "--out", f"{kv}3", "--limit", "4",
                                   "--baseline", "none", "--target", f"gguf:{MODEL}?kv={kv}",
                                   code=None)
            self.assertTrue(summary["target"]["engine"].endswith(f" kv={kv}"))

    def test_what_cannot_be_is_refused(self):
        for query, says in (
                (f"?memory={LEAST * 64 - 1}K", "cannot hold a context of 512 tokens, which takes 4 MiB"),
                ("?memory=2M&ctx=400", "cannot hold a context of 400 tokens"),
                ("?memory=much", "memory is 'much'; expected a size like 512M or 2G"),
                ("?kv=q8", "kv is 'q8'; expected f32, f16 or q8_0")):
            done = self.assay("run", e2e.SUPPORT, "--no-store", "--out", "o", "--target",
                              f"gguf:{MODEL}{query}", code=2)
            self.assertIn(says, done.stderr)
            self.assertFalse((self.dir / "o").exists())

    def test_inspect_says_what_a_context_takes(self):
        shown = self.assay("model", "inspect", MODEL, "--format", "json").stdout
        cache = e2e.json.loads(shown)["keys_and_values"]
        self.assertEqual(cache["f32"], {"token": 4096, "context": 4096 * 512})
        self.assertEqual(cache["f16"]["token"], 2048)
        self.assertLess(cache["q8_0"]["token"], 1300)

    # An open loop: no case before it is due, latency counts from then.
    def test_cases_come_when_they_are_due(self):
        self.run_support("?threads=1", "r", "--rate", "200")
        lines = self.lines("r")
        self.assertEqual(len(lines), 40)
        summary = e2e.json.loads((self.dir / "r/summary.json").read_text())
        self.assertGreaterEqual(summary["wall_s"], 39 / 200)


if __name__ == "__main__":
    e2e.BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
