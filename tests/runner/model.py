#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""assay model, and ?quant=, through the binary on the tiny models of tests/engine.

    model.py BINARY MODELS_FOLDER      Standard library only.
"""
import hashlib
import json
import pathlib
import struct
import sys
import unittest

import e2e

MODELS = pathlib.Path()
TEXT = "the cat in the hat, then 1234 cats on a mat\n" * 60
SUITE = """\
suite: small
dataset: cases.jsonl
target: TARGET
task: choice
prompt: "{{ text }}"
choices: [yes_it_is, no_it_is_not]
metrics: [accuracy]
"""


class Model(e2e.Case):
    def result(self, *args, code=0):
        return json.loads(self.assay("model", *args, "--format", "json", code=code).stdout)

    def test_inspect(self):
        path = MODELS / "kquants.gguf"
        facts = self.result("inspect", path)
        self.assertEqual(facts["architecture"], "llama")
        self.assertEqual(facts["name"], "tiny")
        self.assertEqual((facts["layers"], facts["width"], facts["heads"]), (1, 256, 4))
        self.assertEqual(facts["context_length"], 256)
        self.assertEqual(facts["tokenizer"], {"model": "gpt2", "pre": "qwen2", "tokens": 276})
        self.assertIsNone(facts["license"])
        self.assertIsNone(facts["chat_template_sha256"])
        self.assertEqual(facts["file_size"], path.stat().st_size)
        self.assertEqual(facts["sha256"], hashlib.sha256(path.read_bytes()).hexdigest())
        types = facts["types"]
        self.assertEqual(set(types), {"F32", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS"})
        self.assertEqual(types["Q3_K"]["tensors"], 2)
        self.assertEqual(types["Q3_K"]["bytes"], types["Q3_K"]["parameters"] * 110 // 256)
        self.assertEqual(sum(t["parameters"] for t in types.values()), facts["parameters"])
        self.assertTrue(facts["runs"])
        self.assertIn("IQ4_XS", self.assay("model", "inspect", path).stdout)

    def test_inspect_takes_all_parts(self):
        parts = sorted(MODELS.glob("parts-*.gguf"))
        facts = self.result("inspect", parts[0])
        self.assertEqual(facts["parts"], 3)
        self.assertEqual(facts["file_size"], sum(part.stat().st_size for part in parts))
        self.assertEqual(facts["types"]["F32"]["tensors"], 21)
        self.assertEqual(facts["sha256"],
                         hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest())
        self.refused("model", "inspect", parts[1], says=["part 2 of 3", "name the first", "offset"])
        for part in parts[:2]:
            self.write(part.name, part.read_bytes())
        self.refused("model", "inspect", parts[0].name, says=["parts-00003-of-00003.gguf"])

    def test_inspect_has_the_template(self):
        facts = self.result("inspect", e2e.MODEL)
        self.assertEqual(facts["chat_template_sha256"],
                         hashlib.sha256(facts["chat_template"].encode()).hexdigest())

    def test_types_that_are_only_decoded(self):
        for kind, held in (("IQ2_S", "Q8_16"), ("IQ3_S", "Q8_16"), ("TQ1_0", "Q4_0"), ("NVFP4", "F16"), ("Q4_K", None)):
            facts = self.result("inspect", MODELS / f"type_{kind}.gguf")
            self.assertTrue(facts["runs"])
            self.assertEqual(facts["types"][kind].get("computed_as"), held)
        done = self.result("quantize", MODELS / "type_IQ3_S.gguf", "new.gguf", "q8_0")
        self.assertEqual(set(self.result("inspect", "new.gguf")["types"]), {"F32", "Q8_0"})
        self.assertEqual(done["size_before"], (MODELS / "type_IQ3_S.gguf").stat().st_size)

    def test_what_was_quantized_before_is_told(self):
        for name, told in (("type_Q4_0", True), ("f32", False)):
            done = self.assay("model", "quantize", MODELS / f"{name}.gguf", "new.gguf", "q8_0")
            self.assertEqual("is quantized already" in done.stderr, told, done.stderr)

    def test_inspect_says_why_a_file_does_not_run(self):
        raw = (MODELS / "f32.gguf").read_bytes()
        self.write("other.gguf", raw.replace(b"\5\0\0\0\0\0\0\0llama", b"\5\0\0\0\0\0\0\0xlama", 1))
        facts = self.result("inspect", "other.gguf")
        self.assertFalse(facts["runs"])
        self.assertIn("'xlama', which is not supported", facts["reason"])

    def test_quantize_and_at_load_are_the_same(self):
        source = MODELS / "kquants.gguf"
        self.write("cases.jsonl", e2e.cases(20))
        for kind in ("q4_0", "q5_k"):
            done = self.result("quantize", source, "new.gguf", kind)
            raw = (self.dir / "new.gguf").read_bytes()
            self.assertEqual(done["sha256"], hashlib.sha256(raw).hexdigest())
            self.assertEqual(done["size"], len(raw))
            found = []
            for name, target in (("a", f"gguf:new.gguf?ctx=64"),
                                 ("b", f"gguf:{source}?quant={kind}&ctx=64"),
                                 ("c", f"gguf:{source}?quant={kind}&ctx=64&cpu=portable")):
                suite = self.write("suite.yaml", SUITE.replace("TARGET", target))
                run = self.assay("run", suite, "--no-store", "--out", name + kind, "--baseline",
                                 "none", "--format", "json")
                run = json.loads(run.stdout)
                self.assertEqual(run["target"]["model_sha256"], done["sha256"])
                found.append({line["id"]: line["choice_logprobs"]
                              for line in self.lines(name + kind)})
            self.assertEqual(found[0], found[1])
            self.assertEqual(found[0], found[2])
        self.assertEqual([p.name for p in self.dir.glob("*.gguf*")], ["new.gguf"])

    def test_perplexity(self):
        self.write("text.txt", TEXT)
        source = MODELS / "q8.gguf"
        first = self.result("perplexity", f"{source}?ctx=64", "text.txt")
        self.assertEqual(first["window"], 64)
        self.assertEqual(first["tokens_scored"], first["windows"] * (64 - 33))
        self.assertEqual(first["windows"], first["tokens"] // 64)
        self.assertGreater(first["perplexity"], 1.0)
        again = self.result("perplexity", f"gguf:{source}?ctx=64&threads=1&cpu=portable", "text.txt")
        self.assertEqual(again["perplexity"], first["perplexity"])
        less = self.result("perplexity", f"{source}?ctx=64&quant=q4_0", "text.txt")
        self.assertNotEqual(less["perplexity"], first["perplexity"])
        self.assertNotEqual(less["model_sha256"], first["model_sha256"])
        self.write("short.txt", "the cat")
        self.refused("model", "perplexity", source, "short.txt", says=["fewer than a window of 256"])

    def test_perplexity_is_that_of_llama_perplexity(self):
        cases = (e2e.TOP / "golden/support/cases.jsonl").read_text().splitlines()[:150]
        self.write("cases.txt", "".join(json.loads(line)["text"] + "\n" for line in cases))
        found = self.result("perplexity", f"{e2e.MODEL}?ctx=128", "cases.txt")
        # llama-perplexity -c 128 -ctk f32 -ctv f32 (ggml 0.25.3): 3998.59 +- 356.34 over 41
        self.assertEqual(found["windows"], 41)
        self.assertLess(abs(found["perplexity"] / 3998.5854 - 1.0), 0.002)

    def test_bench(self):
        speed = self.result("bench", f"{MODELS / 'q8.gguf'}?ctx=64")
        self.assertEqual((speed["prompt_tokens"], speed["decode_tokens"]), (55, 8))
        for key in ("prompt_per_s", "decode_per_s", "read_gb_per_s", "share_of_reading"):
            self.assertGreater(speed[key], 0.0, key)

    def test_what_is_wrong_is_said(self):
        source = MODELS / "f32.gguf"
        self.refused("model", says=["name a verb"])
        self.refused("model", "inspct", source, says=["did you mean 'inspect'"])
        self.refused("model", "pull", "x", says=["nothing that can be pulled"])
        self.refused("model", "inspect", says=["usage: assay model inspect FILE"])
        self.refused("model", "inspect", "none.gguf", says=["none.gguf"])
        self.refused("model", "quantize", source, "new.gguf", "q4_2", says=["did you mean 'q4_0'"])
        self.refused("model", "bench", f"{source}?quants=q4_0", says=["quants"])
        self.refused("model", "bench", f"{source}?ctx=8", says=["too short to measure in"])
        self.refused("model", "quantize", source, "none/new.gguf", "q4_0", says=["none/new.gguf"],
                     code=None)
        cut = source.read_bytes()[:20000]
        self.write("cut.gguf", cut)
        self.refused("model", "quantize", "cut.gguf", "new.gguf", "q4_0", says=["cut.gguf"])
        # A tensor that no kernel reads: I8 (24) where F32 (0) stood.
        raw = bytearray(source.read_bytes())
        at = raw.index(b"blk.0.attn_q.weight") + len(b"blk.0.attn_q.weight") + 4 + 16
        self.assertEqual(raw[at:at + 4], struct.pack("<I", 0))
        raw[at:at + 4] = struct.pack("<I", 24)
        self.write("i8.gguf", bytes(raw))
        self.refused("model", "quantize", "i8.gguf", "new.gguf", "q4_0",
                     says=["is I8, which cannot be read"])


if __name__ == "__main__":
    e2e.BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    MODELS = pathlib.Path(sys.argv[2]).resolve()
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=1)
