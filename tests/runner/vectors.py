#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Embeddings through the binary: tiny models of tests/engine, and a local server that speaks the
dialects of OpenAI, Ollama and Text Embeddings Inference.

    vectors.py BINARY MODELS_FOLDER [CLASS...]      Standard library only.
"""
import hashlib
import http.server
import json
import math
import os
import pathlib
import shutil
import sys
import threading
import unittest

import e2e

MODELS = pathlib.Path()
WIDTH = 8
os.environ["no_proxy"] = "127.0.0.1,localhost"


def vector(text):
    """What the server makes of a text: eight numbers that only the text decides."""
    digest = hashlib.sha256(text.encode()).digest()
    return [(byte - 128) / 16 for byte in digest[:WIDTH]]


def cosine(a, b):
    return math.fsum(x * y for x, y in zip(a, b)) / math.sqrt(
        math.fsum(x * x for x in a) * math.fsum(y * y for y in b))


def alike(a, b):
    return cosine(vector(a), vector(b))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        texts = body.get("inputs", body.get("input"))
        with self.server.lock:
            self.server.seen.append((self.path, texts))
        status, answer = 200, None
        if self.server.broken:
            status, answer = 500, {"error": {"message": "out of order"}}
        elif any("long" in text for text in texts):
            status, answer = 400, {"error": {"code": "context_length_exceeded",
                                             "message": "maximum context length is 8 tokens"}}
        elif self.path == "/v1/embeddings":
            data = [{"object": "embedding", "index": i, "embedding": vector(text)}
                    for i, text in enumerate(texts)]
            answer = {"object": "list", "data": data[::-1], "model": body["model"],
                      "usage": {"prompt_tokens": len(texts), "total_tokens": len(texts)}}
        elif self.path == "/api/embed":
            answer = {"model": body["model"], "embeddings": [vector(text) for text in texts],
                      "prompt_eval_count": len(texts)}
        elif self.path == "/embed":
            answer = [vector(text) for text in texts]
        raw = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


class Vectors(e2e.Case):
    def setUp(self):
        super().setUp()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.lock, self.server.seen, self.server.broken = threading.Lock(), [], False
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        for name in ("bert_mean", "nomic", "qwen3_last", "f32"):
            shutil.copy(MODELS / f"{name}.gguf", self.dir)

    def dialects(self):
        return [f"openai:{self.url}#m", f"ollama:{self.url}/m", f"tgi:{self.url}"]


SUITE = """\
suite: alike
dataset: cases.jsonl
target: TARGET
task: generate
prompt: "{{ text }}"
metrics:
  - exact_match
  - {name: semantic_similarity, model: "MODEL"}
"""
WORDS = ["the cat sat on the mat", "a dog ran far", "the dog sat", "a cat ran on", "far"]


class Similar(Vectors):
    def suite(self, model, target="replay:answers.jsonl", count=40):
        rows = [{"id": f"c{i}", "text": WORDS[i % 5], "expected": WORDS[i % 3]}
                for i in range(count)]
        self.write("cases.jsonl", rows)
        self.write("answers.jsonl", ({"id": row["id"], "output": row["text"]} for row in rows))
        return self.write("suite.yaml", SUITE.replace("TARGET", target).replace("MODEL", model))

    def score(self, rows, model, code=0):
        self.write("rows.jsonl", rows)
        return self.assay("score", "rows.jsonl", "--metrics",
                          f"{{name: semantic_similarity, model: '{model}'}}", "--format", "json",
                          code=code)

    def value(self, rows, model):
        return json.loads(self.score(rows, model).stdout)["semantic_similarity"]

    def test_recorded_answers(self):
        rows = [{"expected": "far", "output": "far"}, {"expected": ["x", "y"], "output": "z"},
                {"expected": "x", "output": None}, {"expected": {"a": 1}, "output": "x"},
                {"expected": 3, "output": 4}]
        wanted = [1.0, max(alike("x", "z"), alike("y", "z")), 0.0, alike("3", "4")]
        for model in self.dialects():
            self.server.seen.clear()
            found = self.value(rows, model)
            self.assertEqual(found["n"], 4)  # nothing is expected of one as a text
            self.assertAlmostEqual(found["value"], math.fsum(wanted) / 4, delta=1e-6)
            # All together, and the text that stands twice once.
            self.assertEqual([sorted(texts) for _, texts in self.server.seen],
                             [["3", "4", "far", "x", "y", "z"]])

    def test_engine(self):
        same = [{"expected": w, "output": w.upper()} for w in WORDS]  # the vocabulary has no case
        for name in ("bert_mean", "nomic"):
            self.assertAlmostEqual(self.value(same, f"gguf:{name}.gguf")["value"], 1, delta=1e-6)
        one = [{"expected": WORDS[0], "output": WORDS[1]}]
        found = [self.value(one, f"gguf:bert_mean.gguf{keys}")["value"]
                 for keys in ("", "?cpu=portable", "?threads=3", "?pooling=mean", "?pooling=cls")]
        self.assertEqual(found[:4], [found[0]] * 4)
        self.assertNotEqual(found[4], found[0])
        self.assertLess(found[0], 0.999)

    def test_too_long_is_undefined(self):
        rows = [{"expected": "far", "output": "far"}, {"expected": "far", "output": "long " * 400}]
        for model in [*self.dialects(), "gguf:bert_mean.gguf"]:
            done = self.score(rows, model)
            found = json.loads(done.stdout)["semantic_similarity"]
            self.assertEqual(found["n"], 1)
            self.assertAlmostEqual(found["value"], 1, delta=1e-6)
            self.assertEqual(done.stderr.count("is too long for"), 1)
        self.assertIsNone(self.value(rows[1:], "gguf:bert_mean.gguf")["value"])

    def test_a_run_keeps_its_cosines(self):
        model = f"openai:{self.url}#m"
        found = self.summary(self.suite(model), "--out", "o", "--no-store")
        lines = self.lines("o")
        for line in lines:
            i = int(line["id"][1:])
            want = alike(WORDS[i % 5], WORDS[i % 3])
            self.assertAlmostEqual(line["similarities"][model], want, delta=1e-6)
            self.assertEqual(line["scores"]["semantic_similarity"], line["similarities"][model])
        mean = math.fsum(line["scores"]["semantic_similarity"] for line in lines) / len(lines)
        self.assertAlmostEqual(found["metrics"]["semantic_similarity"]["value"], mean, delta=1e-12)
        asked = [text for _, texts in self.server.seen for text in texts]
        self.assertEqual(sorted(asked), sorted(WORDS))  # each once
        # Judged and compared again without the model.
        self.server.shutdown()
        same = json.loads(self.assay("compare", "o", "o", "--format", "json").stdout)
        self.assertAlmostEqual(same["metrics"]["semantic_similarity"]["a"], mean, delta=1e-12)

    def test_nothing_but_the_texts_counts(self):
        suite, digests = self.suite("gguf:bert_mean.gguf"), set()
        for i, more in enumerate((["--concurrency", "1"], ["--concurrency", "8"], [])):
            found = self.summary(suite, "--out", f"o{i}", "--no-store", *more)
            digests.add(found["scores_digest"])
        text = suite.read_text().replace("bert_mean.gguf", "bert_mean.gguf?cpu=portable")
        self.write("suite.yaml", text)
        digests.add(self.summary(suite, "--out", "o9", "--no-store")["scores_digest"])
        self.assertEqual(len(digests), 1)

    def test_what_cannot_be(self):
        says = {"mock:first": "has no embeddings; gguf:, openai:, ollama: and tgi: do",
                "gguf:f32.gguf": "ask for pooling mean, cls or last",
                "gguf:none.gguf": "none.gguf", "nope": "is no URI",
                f"kserve:{self.url}#m": "no embeddings can be had of it"}
        for model, text in says.items():
            self.refused("run", self.suite(model), "--out", "o", "--no-store",
                         says=["semantic_similarity", text])
        self.refused("run", self.suite("gguf:nomic.gguf", target="gguf:nomic.gguf"), "--out", "o",
                     "--no-store", says=["is an encoder: it embeds texts and predicts no tokens"])
        self.server.broken = True
        model = f"openai:{self.url}#m?retries=0"
        done = self.assay("run", self.suite(model), "--out", "o", "--no-store", code=3)
        self.assertIn("gave no embedding", done.stderr)
        self.assertIn("out of order", done.stderr)
        self.assertEqual(self.lines("o"), [])  # nothing is counted without its score
        self.server.broken = False
        found = self.summary(self.suite(model), "--out", "o", "--no-store", "--resume")
        self.assertEqual(found["cases"]["ok"], 40)
        done = self.assay("run", self.suite(model), "--out", "p", "--no-store", "--offline", code=3)
        self.assertIn("offline", done.stderr)


if __name__ == "__main__":
    MODELS = pathlib.Path(sys.argv.pop(2)).resolve()
    sys.exit(e2e.main(sys.modules[__name__]))
