#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""device=cuda:0 through the binary, with the emulated driver in place of NVIDIA's.

    cuda.py BINARY FOLDER [CLASS...]      FOLDER has the emulated libcuda.so.1. The helpers are those
of e2e.py. The program is the one that ships: only the driver that it finds is another.
"""
import ctypes
import json
import os
import pathlib
import sys
import unittest

import e2e
from e2e import MODEL, Case, cases

EMULATED = ""

SUITE = """\
suite: small
dataset: cases.jsonl
target: gguf:{model}?device={device}&ctx=128
task: {task}
prompt: "{{{{ text }}}}"
{more}
metrics: [{metric}]
"""
CHOICE = "choices: [card_lost, card_delivery, pin_problem]"
EMBED = "choices: [a lost card, the delivery of a card, a problem with the pin]"
GREEDY = "generate: {max_tokens: 6}"
GENERATE = "generate: {max_tokens: 6, temperature: 0.7, seed: 5}"


class Device(Case):
    def setUp(self):
        super().setUp()
        self.env = {**os.environ, "LD_LIBRARY_PATH": EMULATED}

    def put(self, device, task="choice", more=CHOICE, metric="accuracy", model=MODEL):
        rows = [{**row, "expected": "card_lost"} for row in cases(5)]
        if task == "embed":
            rows = [{**row, "text": "word " * (i + 1), "expected": ["a lost card"]}
                    for i, row in enumerate(rows)]
        return self.small(rows, SUITE.format(model=model, device=device, task=task, more=more,
                                             metric=metric))

    def need_kernels(self):
        self.put("cuda:0")
        done = self.assay("plan", "suite.yaml", code=None, env=self.env)
        if "not in this build" in done.stderr:
            self.assertEqual(done.returncode, 2)
            self.skipTest("built without nvcc")

    def refuse(self, device, says, setting="", folder=None):
        self.put(device)
        env = {**self.env, "ASSAY_FAKE_GPU": setting} if setting else dict(self.env)
        if folder is not None:
            env["LD_LIBRARY_PATH"] = folder
        for command in "plan", "run":
            done = self.assay(command, "suite.yaml", code=2, env=env)
            self.assertIn(says, done.stderr)


class Emulated(Device):
    def digest(self, device, *args, **more):
        self.put(device, *args, **more)
        self.assay("run", "suite.yaml", "--out", device, "--fresh", "--no-store", env=self.env)
        found = json.loads((self.dir / device / "summary.json").read_text())
        self.assertEqual(found["target"]["device"], device.split("&")[0])
        self.assertEqual(found["cases"]["errors"], 0)
        return found["scores_digest"]

    def test_scores_are_those_of_the_cpu(self):
        self.need_kernels()
        self.assertEqual(self.digest("cuda:0"), self.digest("cpu"))

    def test_texts_are_those_of_the_cpu(self):
        self.need_kernels()
        how = {"task": "generate", "more": GENERATE, "metric": "exact_match"}
        self.assertEqual(self.digest("cuda:0", **how), self.digest("cpu", **how))


    def test_scores_with_a_small_cache_are_those_of_the_cpu(self):
        self.need_kernels()
        self.assertEqual(self.digest("cuda:0&kv=q8_0"), self.digest("cpu&kv=q8_0"))

    def test_fast_products_choose_and_write_the_same(self):
        self.need_kernels()
        how = {"task": "generate", "more": GREEDY, "metric": "exact_match"}
        self.assertEqual(self.digest("cuda:0-fast", **how), self.digest("cpu", **how))
        self.assertEqual(self.digest("cuda:0-fast"), self.digest("cpu"))
        found = json.loads((self.dir / "cuda:0-fast/summary.json").read_text())
        self.assertEqual(found["target"]["engine"], "assay cuda fast")

    def test_embeddings_are_those_of_the_cpu(self):
        self.need_kernels()
        for name in "bert_q8", "nomic":
            how = {"task": "embed", "more": EMBED, "metric": "mrr",
                   "model": pathlib.Path(EMULATED).parent / f"engine/models/{name}.gguf"}
            self.assertEqual(self.digest("cuda:0", **how), self.digest("cpu", **how))


class Broken(Device):
    """Faults in the middle of a run: cases end with what happened, none with a wrong number."""

    def put_long(self):
        self.put("cuda:0")
        rows = [{"id": f"c{i}", "text": "word " * (1 + i * 8), "expected": "card_lost"}
                for i in range(12)]
        self.write("cases.jsonl", rows)

    def outcomes(self, setting, says):
        self.put_long()
        self.assay("run", "suite.yaml", "--out", "out", "--no-store", code=3,
                   env={**self.env, "ASSAY_FAKE_GPU": setting})
        lines = (self.dir / "out/results.jsonl").read_text().splitlines()
        rows = {row["id"]: row for row in map(json.loads, lines) if "id" in row}
        failed = [row for row in rows.values() if row["outcome"] != "ok"]
        self.assertTrue(failed)
        for row in failed:
            self.assertIn(says, json.dumps(row))
            self.assertIsNone(row.get("prediction"))
        return len(rows) - len(failed)

    def resume(self):
        """With the device back, the run goes on and ends as it does on the CPU."""
        self.assay("run", "suite.yaml", "--out", "out", "--no-store", "--resume", env=self.env)
        found = json.loads((self.dir / "out/summary.json").read_text())
        self.assertEqual(found["cases"], {"total": 12, "ok": 12, "errors": 0, "skipped": 0})
        self.assay("run", "suite.yaml", "--out", "cpu", "--no-store", "--target",
                   f"gguf:{MODEL}?device=cpu&ctx=128")
        cpu = json.loads((self.dir / "cpu/summary.json").read_text())
        self.assertEqual(found["scores_digest"], cpu["scores_digest"])

    def test_a_lost_device(self):
        self.need_kernels()
        self.outcomes("1 9 25", "CUDA_ERROR_LAUNCH_FAILED")
        self.resume()

    def test_memory_that_runs_out(self):
        self.need_kernels()
        # Weights, keys, values, two lanes; then the first batch asks for more.
        self.outcomes("1 9 0 0 5", "a batch takes")
        self.resume()

    def test_embeddings_of_a_lost_device(self):
        self.need_kernels()
        model = pathlib.Path(EMULATED).parent / "engine/models/bert_mean.gguf"
        self.put("cuda:0", "embed", EMBED, "mrr", model)
        done = self.assay("run", "suite.yaml", "--out", "out", "--no-store", code=3,
                          env={**self.env, "ASSAY_FAKE_GPU": "1 9 20"})
        self.assertIn("CUDA_ERROR_LAUNCH_FAILED", done.stderr)


class Refused(Device):
    def test_no_driver(self):
        self.need_kernels()
        try:
            ctypes.CDLL("libcuda.so.1")
            self.skipTest("this machine has a driver")
        except OSError:
            pass
        self.refuse("cuda:0", "no NVIDIA driver", folder=str(self.dir))

    def test_old_driver(self):
        self.need_kernels()
        # Any library without the driver's symbols.
        libc = next(pathlib.Path(line.split()[-1]) for line in
                    pathlib.Path("/proc/self/maps").read_text().splitlines() if "/libc.so" in line)
        (self.dir / "old").mkdir()
        (self.dir / "old/libcuda.so.1").symlink_to(libc)
        self.refuse("cuda:0", "too old", folder=str(self.dir / "old"))

    def test_no_such_device(self):
        self.need_kernels()
        self.refuse("cuda:0", "finds no GPU", "0")
        self.refuse("cuda:1", "there is no cuda:1", "1")
        self.refuse("cuda:2", "the last one is cuda:1", "2")

    def test_old_device(self):
        self.need_kernels()
        self.refuse("cuda:0", "compute capability 7.0; the kernels need 8.0", "1 7")

    def test_unknown_names(self):
        self.refuse("gpu", "expected cpu or cuda:0")
        self.refuse("cuda:8", "expected cpu or cuda:0")

    def test_too_little_memory(self):
        self.need_kernels()
        self.put("cuda:0")
        done = self.assay("run", "suite.yaml", "--out", "out", code=3,
                          env={**self.env, "ASSAY_FAKE_GPU": "1 9 0 8"})
        self.assertIn("cuda:0 has ", done.stderr)
        self.assertIn("MiB", done.stderr)

    def test_lost_device(self):
        self.need_kernels()
        self.put("cuda:0")
        self.assay("run", "suite.yaml", "--out", "out", code=3,
                   env={**self.env, "ASSAY_FAKE_GPU": "1 9 5"})
        lines = (self.dir / "out/results.jsonl").read_text().splitlines()
        failed = [row for row in map(json.loads, lines) if row.get("outcome", "ok") != "ok"]
        self.assertTrue(failed)
        for row in failed:
            self.assertIn("CUDA_ERROR_LAUNCH_FAILED", json.dumps(row))

    def test_built_without(self):
        self.put("cuda:0")
        done = self.assay("plan", "suite.yaml", code=None, env=self.env)
        if done.returncode == 0:
            self.skipTest("built with nvcc")
        self.assertEqual(done.returncode, 2)
        self.assertIn("device 'cuda:0' is not in this build: nvcc was not found", done.stderr)


if __name__ == "__main__":
    e2e.BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    EMULATED = str(pathlib.Path(sys.argv[2]).resolve())
    module = sys.modules[__name__]
    suite = unittest.TestSuite(unittest.defaultTestLoader.loadTestsFromName(name, module)
                               for name in sys.argv[3:] or ["Emulated", "Broken", "Refused"])
    sys.exit(0 if unittest.TextTestRunner(verbosity=1).run(suite).wasSuccessful() else 1)
