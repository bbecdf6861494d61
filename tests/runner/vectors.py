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
import struct
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


SEARCH = """\
suite: search
dataset: cases.jsonl
target: "TARGET"
task: embed
prompt: "query: {{ text }}"
choices: CHOICES
metrics: [recall@1, mrr, "ndcg@3", map]
"""


class Embed(Vectors):
    def suite(self, target, choices="{from: docs.jsonl}", text=SEARCH, count=20):
        self.docs = {f"d{i}": f"document {i} about {WORDS[i % 5]}" for i in range(70)}
        self.write("docs.jsonl", ({"id": k, "text": v} for k, v in self.docs.items()))
        rows = [{"id": f"c{i}", "text": f"{WORDS[i % 5]} {i}", "expected": [f"d{i}", f"d{i + 7}"],
                 "docs": [{"id": f"d{j}", "text": self.docs[f"d{j}"]} for j in range(i, i + 9)]}
                for i in range(count)]
        self.rows = {row["id"]: row for row in rows}
        self.write("cases.jsonl", rows)
        return self.write("suite.yaml", text.replace("TARGET", target).replace("CHOICES", choices))

    def run_suite(self, suite, *args, code=0, out="o"):
        done = self.assay("run", suite, "--out", out, "--no-store", "--format", "json", *args,
                          code=code)
        return json.loads(done.stdout) if done.stdout else done

    def wanted(self, row, docs):
        query = f"query: {row['text']}"
        return sorted(docs, key=lambda k: -alike(query, docs[k]))

    def test_documents_of_a_file(self):
        for target in self.dialects():
            self.server.seen.clear()
            found = self.run_suite(self.suite(target))
            mrr = []
            for line in self.lines("o"):
                ranking = self.wanted(self.rows[line["id"]], self.docs)
                self.assertEqual(line["ranking"], ranking)
                self.assertEqual(line["prediction"], ranking[0])
                self.assertNotIn("choices", line)
                mrr.append(max(1 / (1 + ranking.index(k)) for k in line["expected"]))
                raw = struct.pack("<8f", *vector(f"query: {self.rows[line['id']]['text']}"))
                self.assertEqual(line["output"],
                                 f"f32[8] sha256:{hashlib.sha256(raw).hexdigest()}")
            self.assertAlmostEqual(found["metrics"]["mrr"]["value"], math.fsum(mrr) / 20, delta=1e-12)
            asked = [texts for _, texts in self.server.seen]
            self.assertEqual(sum(map(len, asked)), 70 + 20)  # each document once for all cases
            self.assertEqual(max(map(len, asked)), 32)

    def test_documents_of_a_case(self):
        self.run_suite(self.suite(self.dialects()[0], "{field: docs}"))
        for line in self.lines("o"):
            row = self.rows[line["id"]]
            docs = {d["id"]: d["text"] for d in row["docs"]}
            self.assertEqual(line["ranking"], self.wanted(row, docs))
        # Judged again from the journal alone.
        self.server.shutdown()
        found = json.loads(self.assay("compare", "o", "o", "--format", "json").stdout)["metrics"]
        summary = json.loads((self.dir / "o/summary.json").read_text())["metrics"]
        for name in ("recall@1", "mrr", "ndcg@3", "map"):
            self.assertEqual(found[name]["a"], summary[name]["value"])

    def test_labels_by_meaning(self):
        text = SEARCH.replace('[recall@1, mrr, "ndcg@3", map]', "[accuracy, f1_macro]")
        suite = self.suite("gguf:bert_mean.gguf", "[the cat, a dog, far]", text)
        self.write("cases.jsonl", [{"text": "the cat", "expected": "the cat"},
                                   {"text": "A dog", "expected": "a dog"},
                                   {"text": "far far", "expected": "far"}])
        suite.write_text(suite.read_text().replace("query: ", ""))
        found = self.run_suite(suite)
        self.assertEqual(found["metrics"]["accuracy"]["value"], 1)
        self.assertEqual(self.run_suite(self.write("suite.yaml", suite.read_text().replace(
            "[the cat, a dog, far]", "{labels: dataset}")))["metrics"]["accuracy"]["value"], 1)

    def test_vectors_alone(self):
        text = SEARCH.replace("choices: CHOICES\n", "").replace('[recall@1, mrr, "ndcg@3", map]',
                                                               "[errors]")
        self.run_suite(self.suite(self.dialects()[0], text=text))
        for line in self.lines("o"):
            self.assertEqual(line["prediction"], line["output"])
            self.assertRegex(line["output"], r"^f32\[8\] sha256:[0-9a-f]{64}$")

    def test_nothing_but_the_texts_counts(self):
        for target in ("gguf:nomic.gguf", "gguf:qwen3_last.gguf", "gguf:f32.gguf?pooling=mean"):
            digests = set()
            for i, (keys, more) in enumerate((("threads=1", ["--concurrency", "1"]),
                                              ("threads=3", ["--concurrency", "7"]),
                                              ("cpu=portable", []))):
                mark = "&" if "?" in target else "?"
                for choices in ("{from: docs.jsonl}", "{field: docs}"):
                    suite = self.suite(f"{target}{mark}{keys}", choices)
                    found = self.run_suite(suite, *more, out=f"o{i}")
                    digests.add((choices, found["scores_digest"]))
            self.assertEqual(len(digests), 2, target)

    def test_a_broken_run_goes_on(self):
        target = self.dialects()[0]
        whole = self.run_suite(self.suite(target), out="whole")
        self.run_suite(self.suite(target))
        lines = (self.dir / "o/results.jsonl").read_text().splitlines(True)
        (self.dir / "o/results.jsonl").write_text("".join(lines[:9]) + lines[9][:30])
        (self.dir / "o/summary.json").unlink()
        again = self.run_suite(self.dir / "suite.yaml", "--resume")
        self.assertEqual(again["scores_digest"], whole["scores_digest"])

    def test_what_cannot_be(self):
        good = self.dialects()[0]
        self.refused("run", self.suite("mock:first"), "--out", "o", "--no-store",
                     says=["has no embeddings; gguf:, openai:, ollama: and tgi: do"])
        self.refused("run", self.suite("gguf:f32.gguf"), "--out", "o", "--no-store",
                     says=["ask for pooling"])
        suite = self.suite(good)
        self.write("docs.jsonl", [{"id": "d0", "text": "x"}])
        self.refused("run", suite, "--out", "o", "--no-store",
                     says=["the reference 'd7' is the id of none of the 1 documents"])
        self.write("docs.jsonl", [{"id": "d0", "words": "x"}])
        self.refused("run", suite, "--out", "o", "--no-store", says=["docs.jsonl:1", "text"])
        self.write("docs.jsonl", [{"id": "d0", "text": 3}])
        self.refused("run", suite, "--out", "o", "--no-store", says=["must be a string"])
        self.write("docs.jsonl", [{"id": "d0", "text": "x"}, {"id": "d0", "text": "y"}])
        self.refused("run", suite, "--out", "o", "--no-store", says=["docs.jsonl:2", "d0"])
        suite = self.suite(good, text=SEARCH.replace("recall@1,", "recall@1001,"))
        self.write("docs.jsonl", ({"id": f"d{i}", "text": "x"} for i in range(1001)))
        self.refused("run", suite, "--out", "o", "--no-store",
                     says=["metric 'recall@1001' looks deeper than the 1000 documents"])
        suite = self.suite(good, "{field: docs}")
        self.write("cases.jsonl", [{"text": "a", "expected": "x", "docs": [{"id": "x"}]}])
        self.refused("run", suite, "--out", "o", "--no-store", says=["documents are texts or {id"])
        suite = self.suite(good)
        self.write("docs.jsonl", [{"id": f"d{i}", "text": "long" if i == 40 else "x"}
                                  for i in range(70)])
        done = self.assay("run", suite, "--out", "o", "--no-store", code=3)
        self.assertIn("documents 'd32' to 'd63' cannot be embedded", done.stderr)

    def test_a_query_that_is_too_long(self):
        for target in (self.dialects()[0], "gguf:nomic.gguf"):
            suite = self.suite(target)
            rows = [dict(self.rows["c0"], text="long " * 500), self.rows["c1"]]
            self.write("cases.jsonl", rows)
            found = self.run_suite(suite)
            lines = {line["id"]: line for line in self.lines("o")}
            self.assertEqual(lines["c0"]["outcome"], "truncated")
            self.assertEqual((lines["c0"]["prediction"], lines["c0"]["scores"]["mrr"]), (None, 0))
            self.assertEqual(found["cases"]["ok"], 2)

    def test_plan(self):
        found = json.loads(self.assay("plan", self.suite("gguf:nomic.gguf"), "--format",
                                      "json").stdout)
        self.assertEqual(found["cases"], 20)


if __name__ == "__main__":
    MODELS = pathlib.Path(sys.argv.pop(2)).resolve()
    sys.exit(e2e.main(sys.modules[__name__]))
