#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Targets behind HTTP, through the binary, against endpoint.py.

    remote.py BINARY [CLASS...]
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import e2e  # noqa: E402
from endpoint import Endpoint  # noqa: E402

SUITE = """\
suite: remote
dataset: cases.jsonl
target: TARGET
task: generate
prompt: "{{ text }}"
generate: {max_tokens: 20}
metrics: [exact_match]
MORE
"""

os.environ["no_proxy"] = "127.0.0.1,localhost"


class Remote(e2e.Case):
    def setUp(self):
        super().setUp()
        self.endpoint = Endpoint()
        self.addCleanup(self.endpoint.close)

    def suite(self, path, count=10, keys="", more="", rows=None, scheme="openai", text=SUITE):
        self.write("cases.jsonl", rows or ({"id": f"c-{i}", "text": f"say word {i}",
                                            "expected": f"SAY WORD {i}"} for i in range(count)))
        uri = f"{scheme}:{self.endpoint.url}/{path}#m{keys}"
        return self.write("suite.yaml", text.replace("TARGET", f'"{uri}"').replace("MORE", more))

    def run_suite(self, suite, *args, code=0, **more):
        """Summary (or None), journal rows, and the finished process."""
        done = self.assay("run", suite, "--out", "o", "--no-store", "--format", "json", *args,
                          code=code, **more)
        rows = self.lines("o") if (self.dir / "o/results.jsonl").exists() else []
        return (json.loads(done.stdout) if done.stdout else None), rows, done

    def faulty(self, path, outcome, says="", keys="", count=3, more=""):
        """Every case ends with this outcome: exit code 3, and a message in each line."""
        keys = keys or "?retries=0&stream=no"
        found, rows, done = self.run_suite(self.suite(path, count, keys, more), code=3)
        self.assertEqual([row["outcome"] for row in rows], [outcome] * count)
        for row in rows:
            self.assertIn(says, row["error"])
            self.assertEqual(row["prediction"], None)
        self.assertEqual(found["cases"], {"total": count, "ok": 0, "errors": count, "skipped": 0})
        return found, rows, done


class Answers(Remote):
    def test_stream_with_usage_and_first_token(self):
        found, rows, _ = self.run_suite(self.suite("slow,0.02/v1", 4))
        self.assertEqual(found["metrics"]["exact_match"]["value"], 1)
        for row in rows:
            self.assertEqual(row["outcome"], "ok")
            self.assertEqual((row["tokens_in"], row["tokens_out"]), (7, 3))
            self.assertGreater(row["ttft_ms"], 15)
            self.assertGreater(row["latency_ms"], row["ttft_ms"])
        asked = [json.loads(seen[2]) for seen in self.endpoint.seen]  # in whatever order
        said = sorted(one["messages"][0]["content"] for one in asked)
        self.assertEqual(said, [f"say word {i}" for i in range(4)])
        asked = asked[0]
        self.assertEqual(asked["model"], "m")
        self.assertEqual([m["role"] for m in asked["messages"]], ["user"])
        self.assertEqual((asked["max_tokens"], asked["temperature"]), (20, 0))
        self.assertEqual(asked["stream_options"], {"include_usage": True})

    def test_every_way_of_saying_it_is_the_same_answer(self):
        digests = set()
        for path, keys in (("x/v1", ""), ("x/v1", "?stream=no"), ("x/v1", "?stream=plain"),
                           ("bytewise/v1", ""), ("nodone/v1", ""), ("gzip/v1", "?stream=no"),
                           ("body,unknown/v1", "?stream=no"), ("body,parts/v1", "?stream=no"),
                           ("x/v1", "+completions?stream=no"), ("latency,0.01/v1", "?stream=no")):
            with self.subTest(path=path, keys=keys):
                found, rows, _ = self.run_suite(self.suite(path, 5, keys), "--fresh")
                self.assertEqual(found["metrics"]["exact_match"]["value"], 1)
                digests.add(found["scores_digest"])
        self.assertEqual(len(digests), 1)

    def test_what_the_model_did_is_scored(self):
        for body, outcome, output in (("length", "truncated", "SAY WORD 0"), ("null", "ok", ""),
                                      ("filter", "refused", ""), ("refusal", "refused", "I will not"),
                                      ("reasoning", "ok", "SAY WORD 0"),
                                      ("tools", "ok", '[{"name":"look","arguments":"{\\"q\\": '
                                                      '\\"a\\\\\\"b\\"}"}]')):
            with self.subTest(body=body):
                suite = self.suite(f"body,{body}/v1", 1, "?stream=no")
                _, rows, _ = self.run_suite(suite, "--fresh")
                self.assertEqual((rows[0]["outcome"], rows[0]["output"]), (outcome, output))
                self.assertEqual(rows[0].get("reasoning"),
                                 "let me see" if body == "reasoning" else None)
        suite = self.suite("filter400/v1", 2)
        _, rows, _ = self.run_suite(suite, "--fresh")
        self.assertEqual({row["outcome"] for row in rows}, {"refused"})

    def test_choice_by_log_probability(self):
        text = SUITE.replace("task: generate", "task: choice\nchoices: [abc, defgh, xy zw]") \
            .replace("exact_match", "accuracy")
        rows = [{"id": f"c{i}", "text": "which one", "expected": "abc"} for i in range(3)]
        for scheme, keys in (("openai", "+completions"), ("openai+completions", "")):
            suite = self.suite("x/v1", keys=keys, rows=rows, text=text, scheme=scheme)
            found, lines, _ = self.run_suite(suite, "--fresh")
            self.assertEqual(found["metrics"]["accuracy"]["value"], 1)
            # The endpoint's rule: minus the length of each token, its space included.
            self.assertEqual(lines[0]["choice_logprobs"], [-4, -6, -6])

    def test_choice_by_generating(self):
        text = SUITE.replace("task: generate", "task: choice\nchoices: [SAY, 'NO']") \
            .replace("exact_match", "accuracy")
        rows = [{"id": "c1", "text": "say", "expected": "SAY"}]
        suite = self.suite("x/v1", rows=rows, text=text, keys="?choice=bare")
        found, lines, _ = self.run_suite(suite)
        self.assertEqual(lines[0]["prediction"], "SAY")
        suite = self.suite("x/v1", rows=rows, text=text)
        found, lines, _ = self.run_suite(suite, "--fresh")
        self.assertEqual(lines[0]["prediction"], None)  # the echo names both: never a guess
        self.assertEqual(found["metrics"]["accuracy"]["value"], 0)
        self.assertIn("- SAY\n- NO", json.loads(self.endpoint.seen[-1][2])["messages"][-1]["content"])

    def test_raw_prompts_need_the_text_endpoint(self):
        text = SUITE.replace('prompt: "{{ text }}"', 'prompt: {user: "{{ text }}", chat: raw}')
        self.refused("run", self.suite("x/v1", text=text), says=["+completions"])
        self.run_suite(self.suite("x/v1", keys="+completions", text=text))

    def test_uri_mistakes(self):
        suite = self.suite("x/v1")
        for uri, says in (("openai:http://h/v1", "names no model"), ("openai:h#m", "no URL"),
                          ("openai:http://u:p@h/v1#m", "user or a password"),
                          ("openai:http://h/v1#m?timout=3", "did you mean 'timeout'"),
                          ("openai:http://h/v1#m?timeout=0", "whole number"),
                          ("openai:http://h/v1#m?stream=maybe", "there are yes, no, plain"),
                          ("openai:http://h/v1#m?key_env=NOT_SET_ANYWHERE", "is not set"),
                          ("openai:http://h/v1#m?key_file=nowhere", "nowhere"),
                          ("openai:http://h/v1#m?ca_file=nowhere", "nowhere"),
                          ("opnai:http://h/v1#m", "did you mean 'openai:'")):
            self.refused("run", suite, "--target", uri, says=[says])


class Faults(Remote):
    def test_bad_bodies(self):
        for path, says in (("badjson/v1", "JSON"), ("badutf8/v1", "UTF-8"), ("body,empty/v1", "empty"),
                           ("body,list/v1", "not an object"), ("body,nochoices/v1", "choices[0]"),
                           ("body,nonechoices/v1", "choices[0]"), ("body,number/v1", "a number"),
                           ("body,deep/v1", "JSON")):
            with self.subTest(path=path):
                self.faulty(path, "bad_response", says)
        self.faulty("badevent/v1", "bad_response", "JSON", keys="?retries=0")
        self.faulty("big,50/v1", "bad_response", "larger than 8388608 bytes")
        self.faulty("cut/v1", "http_error", "ended in the middle", keys="?retries=0")

    def test_statuses(self):
        self.faulty("status,500/v1", "http_error", "HTTP 500: told to fail")
        self.assertEqual(self.endpoint.count("status,500"), 3)
        self.faulty("body,error200/v1", "http_error", "the engine is dead")
        self.faulty("status,400/v1", "http_error", "HTTP 400", keys="?retries=3")
        self.assertEqual(self.endpoint.count("status,400"), 3)  # never asked again
        found, rows, _ = self.run_suite(self.suite("status,503,2/v1", 3), "--fresh", "-j", "1")
        self.assertEqual(found["cases"]["ok"], 3)
        self.assertEqual(sorted(row["attempts"] for row in rows), [1, 1, 3])

    def test_broken_connections(self):
        self.faulty("reset/v1", "http_error", "status 0")
        self.faulty("midreset/v1", "http_error", "status 200", keys="?retries=0")
        found, rows, _ = self.run_suite(self.suite("midreset,2/v1", 4), "--fresh")
        self.assertEqual(found["cases"]["ok"], 4)
        self.assertEqual(sum(row["attempts"] for row in rows), 6)
        self.assertEqual({row["output"] for row in rows}, {f"SAY WORD {i}" for i in range(4)})

    def test_deadlines(self):
        start = time.time()
        self.faulty("hang/v1", "timeout", keys="?retries=0&timeout=1")
        self.faulty("slow,0.7/v1", "timeout", keys="?retries=0&timeout=1")
        self.faulty("hang/v1", "timeout", "no answer began", keys="?retries=0&first_byte=1")
        self.assertLess(time.time() - start, 40)

    def test_retry_after(self):
        for wait in ("1", "d2"):
            suite = self.suite(f"later,{wait},5/v1", 5)
            start = time.time()
            found, rows, _ = self.run_suite(suite, "--fresh", "-j", "5")
            took = time.time() - start
            self.assertEqual(found["cases"]["ok"], 5)
            self.assertEqual(self.endpoint.count(f"later,{wait}"), 10)
            times = [t for path, _, _, t in self.endpoint.seen if f"later,{wait}" in path]
            least = 0.99 if wait == "1" else 0.9  # a date has whole seconds
            self.assertGreaterEqual(times[5] - times[4], least)
            self.assertLess(took, 30)
        start = time.time()
        self.faulty("later,999999999999/v1", "http_error", "more than max_wait", keys="?retries=3")
        self.assertLess(time.time() - start, 20)

    def test_nothing_answers(self):
        self.endpoint.close()
        found, rows, done = self.run_suite(self.suite("x/v1", 100), code=3)
        self.assertLess(found["wall_s"], 20)
        self.assertIn("nothing answers at", done.stderr)
        self.assertEqual({row["outcome"] for row in rows}, {"http_error", "cancelled"})
        self.assertEqual(len(rows), 100)

    def test_a_key_that_is_not_accepted_ends_the_run(self):
        env = {**os.environ, "OPENAI_API_KEY": "sk-wrong-key-1234"}
        found, rows, done = self.run_suite(self.suite("status,401/v1", 100), "-j", "8", code=3,
                                           env=env)
        self.assertLess(found["wall_s"], 20)
        self.assertLessEqual(self.endpoint.count("401"), 8)
        self.assertIn("$OPENAI_API_KEY is not accepted", done.stderr)
        suite = self.suite("after,401,50/v1", 100)
        found, rows, done = self.run_suite(suite, "-j", "8", "--fresh", code=3, env=env)
        self.assertLessEqual(self.endpoint.count("after"), 58)
        self.assertEqual(found["cases"], {"total": 100, "ok": 50, "errors": 50, "skipped": 0})
        self.assertEqual(sum(row["outcome"] == "ok" for row in rows), 50)
        self.assertEqual(found["gate"]["verdict"], "unmeasurable")  # never a pass
        self.assertIn("50 of 100 cases", (self.dir / "o/junit.xml").read_text())
        # The outage is over: --resume asks what is missing, and nothing else.
        before = len(self.endpoint.seen)
        suite.write_text(suite.read_text().replace("after,401,50", "x"))
        self.refused("run", suite, "--out", "o", "--resume", "--no-store", says=["another target"])
        self.endpoint.on_after = lambda *_: True
        suite.write_text(suite.read_text().replace("/x/", "/after,401,50/"))
        found, rows, _ = self.run_suite(suite, "--resume", env=env)
        self.assertEqual(found["cases"]["ok"], 100)
        self.assertEqual(len({row["id"] for row in rows}), 100)
        self.assertEqual(len(self.endpoint.seen) - before, 50)

    def test_a_server_that_only_fails_is_given_up(self):
        start = time.time()
        found, rows, done = self.run_suite(self.suite("status,500/v1", 200), "-j", "4", code=3)
        self.assertLess(time.time() - start, 60)
        self.assertLess(self.endpoint.count("500"), 40)
        self.assertIn("no request succeeds any more", done.stderr)

    def test_a_server_that_restarts_costs_nothing(self):
        suite = self.suite("latency,0.05/v1", 150)
        process = subprocess.Popen([e2e.BINARY, "run", str(suite), "--out", "o", "--no-store",
                                    "-j", "4"], cwd=self.dir, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        while self.endpoint.count("/") < 20:
            time.sleep(0.01)
        self.endpoint.down()
        time.sleep(2.5)
        self.endpoint.up()
        self.assertEqual(process.wait(timeout=60), 0)
        rows = self.lines("o")
        self.assertEqual({row["outcome"] for row in rows}, {"ok"})
        self.assertEqual(len({row["id"] for row in rows}), 150)
        self.assertGreater(sum(row["attempts"] for row in rows), 150)

    def test_keys_stay_secret(self):
        key = "sk-canary-AbC123/+x"
        env = {**os.environ, "OPENAI_API_KEY": key}
        suite = self.suite("echo,error/v1", 2, "?stream=no")
        _, rows, done = self.run_suite(suite, code=3, env=env)
        self.assertIn("***", rows[0]["error"])
        suite = self.suite("echo/v1", 2, "?stream=no")
        done2 = self.assay("run", suite, "--out", "p", "-v", env=env)
        self.assertEqual(self.endpoint.seen[-1][1]["authorization"], f"Bearer {key}")
        everything = done.stdout + done.stderr + done2.stdout + done2.stderr
        for path in self.dir.rglob("*"):
            if path.is_file():
                everything += path.read_bytes().decode("latin-1")
        self.assertNotIn(key, everything)
        self.assertNotIn("c2stY2FuYXJ5LUFiQzEyMy8reA", everything)
        self.write("key", key + "\n")
        self.run_suite(self.suite("x/v1", 1, "?key_file=key"), "--fresh")
        self.assertEqual(self.endpoint.seen[-1][1]["authorization"], f"Bearer {key}")

    def test_a_redirect_to_another_host_is_not_followed(self):
        _, rows, done = self.run_suite(self.suite("redirect/v1", 3), "-j", "1", code=3)
        self.assertIn("another host", rows[0]["error"])
        self.assertEqual(self.endpoint.count("stolen"), 0)

    def test_limits_a_minute(self):
        start = time.time()
        self.run_suite(self.suite("x/v1", 6, "?rpm=600"), "-j", "6")
        self.assertGreater(time.time() - start, 0.45)  # 10 a second, the first at once

    def test_concurrency_is_what_was_asked_for(self):
        start = time.time()
        self.run_suite(self.suite("latency,0.1/v1", 64), "-j", "32")
        took = time.time() - start
        self.assertGreaterEqual(took, 0.2)
        self.assertLess(took, 20)


CHOICE = SUITE.replace("task: generate", "task: choice\nchoices: [abc, defgh, xy zw]") \
    .replace("exact_match", "accuracy")

TEMPLATE = """\
url: {url}/v1/chat/completions
model: summarizer
headers: {{X-Tenant: acme}}
auth: header:X-Api-Key
key_env: SUMMARIZER_KEY
body: '{{"model": "m", "messages": {{{{ messages | tojson }}}}, "n": {{{{ max_tokens }}}}{more}}}'
response:
  text: {path}
  tokens_in: usage.prompt_tokens
  tokens_out: usage.completion_tokens
  finish: choices.0.finish_reason
"""

PROGRAM = """\
import json, os, sys, time
for line in sys.stdin:
    case = json.loads(line)
    words = case["prompt"]
    if "die" in words: os._exit(7)
    if "hang" in words: time.sleep(30)
    if "junk" in words: print("no json", flush=True); continue
    if "fail" in words: print(json.dumps({"error": "I cannot"}), flush=True); continue
    if "other" in words: print(json.dumps({"id": "x", "output": ""}), flush=True); continue
    if case["task"] == "choice":
        answer = {"choice_logprobs": [-len(c) for c in case["choices"]]}
    else:
        answer = {"output": words.upper() + ("!" * 300000 if "long" in words else ""),
                  "tokens_in": 2, "tokens_out": os.getpid(), "refused": "refuse" in words}
    print(json.dumps({"id": case["id"], **answer}), flush=True)
"""


class Dialects(Remote):
    def right(self, uri, suite=None, outcome="ok", **more):
        suite = suite or self.suite("x")
        found, rows, _ = self.run_suite(suite, "--fresh", "--target", uri, **more)
        self.assertEqual({row["outcome"] for row in rows}, {outcome})
        self.assertEqual(list(found["metrics"].values())[0]["value"], 1)
        return rows

    def choose(self, uri, answer, **more):
        rows = [{"id": f"c{i}", "text": "which one", "expected": answer} for i in range(3)]
        return self.right(uri, self.suite("x", rows=rows, text=CHOICE), **more)[0]

    def test_ollama(self):
        host = f"127.0.0.1:{self.endpoint.port}"
        rows = self.right(f"ollama:{host}/library/tiny:1b")
        self.assertEqual((rows[0]["tokens_in"], rows[0]["tokens_out"]), (7, 3))
        self.assertIsNotNone(rows[0]["ttft_ms"])
        self.assertEqual(json.loads(self.endpoint.seen[-1][2])["model"], "library/tiny:1b")
        self.right(f"ollama:http://{host}/tiny?stream=no&num_ctx=99&think=no")
        asked = json.loads(self.endpoint.seen[-1][2])
        self.assertEqual((asked["model"], asked["think"]), ("tiny", False))
        self.assertEqual(asked["options"], {"temperature": 0, "seed": 0, "num_predict": 20,
                                            "num_ctx": 99})
        self.right("ollama:tiny", env={**os.environ, "OLLAMA_HOST": host})
        raw = self.suite("x", text=SUITE.replace('prompt: "{{ text }}"',
                                                 'prompt: {user: "{{ text }}", chat: raw}'))
        self.right(f"ollama:{host}/tiny", raw)
        self.assertTrue(self.endpoint.seen[-1][0].endswith("/api/generate"))
        self.refused("run", self.suite("x"), "--target", f"ollama:{host}/", says=["names no model"])

    def test_tgi(self):
        rows = self.right(f"tgi:{self.endpoint.url}")
        self.assertEqual((rows[0]["tokens_in"], rows[0]["tokens_out"]), (7, 3))
        self.right(f"tgi:{self.endpoint.url}?stream=no")
        row = self.choose(f"tgi:{self.endpoint.url}", "abc")
        self.assertEqual(row["choice_logprobs"], [-4, -6, -6])
        drawn = self.suite("x", text=SUITE.replace("max_tokens: 20",
                                                   "max_tokens: 20, temperature: 1, min_p: 0.1"))
        self.refused("run", drawn, "--target", f"tgi:{self.endpoint.url}",
                     says=["TGI has no generate.min_p"])

    def test_kserve(self):
        url = f"kserve:{self.endpoint.url}"
        self.right(f"{url}#text?output=out")
        self.assertEqual(json.loads(self.endpoint.seen[-1][2])["inputs"][0]["name"], "text_input")
        row = self.choose(f"{url}#probs?output=out&input=TEXT", "defgh")
        for got, want in zip(row["choice_logprobs"], (-1.386294361, -0.693147181, -1.386294361)):
            self.assertAlmostEqual(got, want, 8)
        self.choose(f"{url}#logits?output=out", "defgh")
        self.choose(f"{url}#index?output=out", "defgh")
        _, rows, _ = self.run_suite(self.suite("x", text=CHOICE, rows=[
            {"id": "c", "text": "t", "expected": "abc"}]), "--fresh", "--target",
            f"{url}#wrong?output=out", code=3)
        self.assertIn("2 numbers for 3 choices", rows[0]["error"])

    def test_template(self):
        env = {**os.environ, "SUMMARIZER_KEY": "key-abcdef"}
        message, delta = "choices.0.message.content", "$.choices[0].delta.content"
        plain = TEMPLATE.format(url=self.endpoint.url, more="", path=message)
        self.write("t.yaml", plain)
        rows = self.right("http:t.yaml", env=env)
        self.assertEqual((rows[0]["tokens_in"], rows[0]["tokens_out"]), (7, 3))
        headers = self.endpoint.seen[-1][1]
        self.assertEqual((headers["x-tenant"], headers["x-api-key"]), ("acme", "key-abcdef"))
        self.assertNotIn("authorization", headers)
        self.write("t.yaml", TEMPLATE.format(url=self.endpoint.url, path=delta,
                                             more=', "stream": true') + "stream: sse\n")
        self.assertIsNotNone(self.right("http:t.yaml", env=env)[0]["ttft_ms"])
        # A case is a value: what looks like a template in it is sent as it stands.
        self.write("t.yaml", plain)
        rows = [{"id": "c", "text": "{{ 7 * 7 }} \"", "expected": "{{ 7 * 7 }} \""}]
        self.right("http:t.yaml", self.suite("x", rows=rows, text=SUITE), env=env)
        for change, says in ((("tojson", "upper"), "tojson"), (("body", "bdy"), "did you mean 'body'"),
                             (("url: http", "url: ftp"), "neither http"),
                             (("response:", "done: x\nrespons:"), "respons"),
                             (("auth: header:X-Api-Key", "auth: magic"), "bearer, basic"),
                             (("messages |", "mesages |"), "mesages"),
                             (("X-Tenant", "Authorization"), "key_env")):
            self.write("t.yaml", plain.replace(*change))
            done = self.assay("run", self.suite("x"), "--target", "http:t.yaml", "--no-store",
                              env=env, code=2)
            self.assertIn(says, done.stderr)

    def test_command(self):
        self.write("program.py", PROGRAM)
        uri = f"cmd:{sys.executable} program.py?workers=2&timeout=1"
        rows = self.right(uri)
        self.assertLessEqual(len({row["tokens_out"] for row in rows}), 2)  # process ids: kept
        self.choose(uri, "abc")
        rows = [{"id": f"c{i}", "text": word, "expected": word.upper()} for i, word in enumerate(
            ["one", "die", "two", "hang", "three", "junk", "fail", "refuse", "other", "four"])]
        suite = self.suite("x", rows=rows, more="max_errors: 90%")
        found, lines, _ = self.run_suite(suite, "--fresh", "--target", uri)
        by_id = {row["id"]: row for row in lines}
        self.assertEqual([by_id[f"c{i}"]["outcome"] for i in range(10)],
                         ["ok", "bad_response", "ok", "timeout", "ok", "bad_response", "http_error",
                          "refused", "bad_response", "ok"])
        self.assertIn("exit code 7", by_id["c1"]["error"])
        self.assertIn("I cannot", by_id["c6"]["error"])
        rows = [{"id": "c", "text": "long " * 100000, "expected": "x"}]
        _, lines, _ = self.run_suite(self.suite("x", rows=rows), "--fresh", "--target", uri)
        self.assertEqual(len(lines[0]["output"]), 800000)
        rows = [{"id": "c", "text": "x", "expected": "x"}]
        _, lines, _ = self.run_suite(self.suite("x", rows=rows), "--fresh", "--target",
                                     "cmd:/nowhere/program", code=3)
        self.assertIn("exit code 127", lines[0]["error"])


class Tls(Remote):
    FOLDER = pathlib.Path(__file__).resolve().parent / "tls"

    def ask(self, name, keys, code):
        self.endpoint = Endpoint(self.FOLDER / f"{name}.pem")
        self.addCleanup(self.endpoint.close)
        return self.run_suite(self.suite("x/v1", 3, keys), "--fresh", code=code)

    def test_certificates_are_verified(self):
        trusted = f"?ca_file={self.FOLDER / 'ca.pem'}"
        found, rows, _ = self.ask("good", trusted, 0)
        self.assertEqual(found["metrics"]["exact_match"]["value"], 1)
        for name, keys, says in (("good", "", "certificate"), ("wrong", trusted, "127.0.0.1"),
                                 ("expired", trusted, "expired")):
            _, rows, done = self.ask(name, keys, 3)
            self.assertIn(says, done.stderr)
            self.assertEqual(self.endpoint.seen, [])  # not one byte of a request

    def test_a_server_without_tls(self):
        suite = self.suite("x/v1", 3)
        suite.write_text(suite.read_text().replace("http://", "https://"))
        _, rows, done = self.run_suite(suite, code=3)
        self.assertIn("SSL", done.stderr)


class Load(Remote):
    def bench(self, path, *args, keys="", code=0):
        uri = f"openai:{self.endpoint.url}/{path}#m{keys}"
        done = self.assay("bench", uri, "--format", "json", *args, code=code)
        return json.loads(done.stdout)

    def test_closed_loop(self):
        found = self.bench("slow,0.01/v1", "--requests", "40", "--warmup", "5", "-j", "10",
                           "--slo", "ttft<=60s,e2e<=60s", "--prompt", "a b c d")
        self.assertEqual(self.endpoint.count("slow"), 45)
        self.assertEqual((found["loop"], found["requests"], found["answered"]), ("closed", 40, 40))
        self.assertEqual((found["e2e_ms"]["n"], found["ttft_ms"]["n"]), (40, 40))
        self.assertGreater(found["itl_ms"]["max"], 9)  # a slow reader finds several at once
        self.assertGreater(found["e2e_ms"]["p50"], found["ttft_ms"]["p50"])
        self.assertIsNone(found["e2e_ms"]["p99"])  # withheld: 40 cannot show it
        self.assertAlmostEqual(found["goodput_per_s"], found["requests_per_s"])
        self.assertFalse(found["tokens_estimated"])
        found = self.bench("x/v1", "--requests", "100", keys="?stream=plain")
        self.assertTrue(found["tokens_estimated"])
        self.assertIsNotNone(found["e2e_ms"]["p99"])
        self.assertEqual(found["outcomes"], {"ok": 100})
        prompts = {json.loads(body)["messages"][0]["content"] for _, _, body, _ in self.endpoint.seen}
        self.assertEqual(len(prompts), 145)  # none twice: no cache can answer

    def test_open_loop_does_not_hide_a_stall(self):
        # 20 in 0.4 s at a server that takes 0.1 s each, one at a time: the last waits 1.6 s.
        found = self.bench("latency,0.1/v1", "--requests", "20", "--rate", "50", "-j", "1")
        self.assertEqual(found["loop"], "open")
        self.assertGreater(found["e2e_ms"]["max"], 1500)
        self.assertGreater(found["late_ms"]["max"], 1400)
        closed = self.bench("latency,0.1/v1", "--requests", "20", "-j", "1")
        self.assertLess(closed["e2e_ms"]["p50"], found["e2e_ms"]["max"])
        found = self.bench("x/v1", "--requests", "100", "--rate", "200/s", "--poisson",
                           "--slo", "e2e<=0.0001ms")
        self.assertGreater(found["wall_s"], 0.3)
        self.assertEqual(found["goodput_per_s"], 0)

    def test_sweep_finds_the_knee(self):
        # One at a time, 60 ms each: more at once brings nothing, whatever the machine is doing.
        found = self.bench("serial,0.06/v1", "--requests", "12", "--sweep", "-j", "64")
        self.assertTrue(found["saturation"]["reached"])
        self.assertLessEqual(found["saturation"]["concurrency"], 32)
        self.assertEqual([row["concurrency"] for row in found["sweep"]][:3], [1, 2, 4])

    def test_a_run_at_a_rate(self):
        start = time.time()
        suite = self.suite("x/v1", 20)
        self.run_suite(suite, "--rate", "40")
        self.assertGreater(time.time() - start, 0.45)
        times = [t for *_, t in self.endpoint.seen]
        for i, at in enumerate(sorted(times)):
            self.assertGreaterEqual(at - start, i * 0.025)  # none before its time
        self.refused("run", suite, "--target", "mock:echo", "--rate", "5", "--no-store",
                     says=["needs a target behind HTTP"])
        self.refused("run", suite, "--rate", "fast", "--no-store", says=["50/s or 120/min"])
        self.refused("run", suite, "--poisson", "--no-store", says=["--rate"])

    def test_bench_mistakes_and_failures(self):
        uri = f"openai:{self.endpoint.url}/status,500/v1#m?retries=0"
        done = self.assay("bench", uri, "--requests", "5", code=3)
        self.assertIn("HTTP 500", done.stderr)
        self.assertIn("5 http_error", done.stdout)
        for args, says in ((("--slo", "tfft<=3ms"), "no bound"), (("--prompt", "@nowhere"), "nowhere"),
                           (("--sweep", "-j", "auto"), "finds the knee itself"), (("--rate", "0"), "--rate")):
            self.refused("bench", uri, *args, says=[says])
        self.refused("bench", says=["name one target"])
        self.assertIn("e2e", self.assay("bench", "mock:echo", "--requests", "5").stdout)


class Cache(Remote):
    def test_what_is_cached_is_not_asked_again(self):
        suite = self.suite("slow,0.02/v1", 6)
        first, before, _ = self.run_suite(suite, "--cache", "c")
        self.assertEqual(self.endpoint.count("slow"), 6)
        again, after, _ = self.run_suite(suite, "--cache", "c", "--fresh", "--offline")
        self.assertEqual(self.endpoint.count("slow"), 6)
        self.assertEqual(first["scores_digest"], again["scores_digest"])
        key = lambda row: row["id"]  # noqa: E731
        for a, b in zip(sorted(before, key=key), sorted(after, key=key)):
            self.assertEqual((a["output"], a["tokens_out"]), (b["output"], b["tokens_out"]))
            self.assertAlmostEqual(a["ttft_ms"], b["ttft_ms"], delta=2)  # as recorded
            self.assertGreater(b["latency_ms"], 60)

    def test_never_across_models_samplers_or_hosts(self):
        self.run_suite(self.suite("x/v1", 3), "--cache", "c")
        other = Endpoint()
        self.addCleanup(other.close)
        changes = [("#m", "#n"), ("max_tokens: 20", "max_tokens: 21"), ("say word", "say  word"),
                   (self.endpoint.url, other.url)]
        for i, (old, new) in enumerate(changes, 1):
            suite = self.suite("x/v1", 3)
            for path in (suite, self.dir / "cases.jsonl"):
                path.write_text(path.read_text().replace(old, new))
            self.run_suite(suite, "--cache", "c", "--fresh")
            self.assertEqual(self.endpoint.count("/") + other.count("/"), 3 + 3 * i, (old, new))

    def test_failures_are_not_kept_and_damage_is_seen(self):
        self.run_suite(self.suite("status,500,3/v1", 3, "?retries=0"), "--cache", "c", code=3)
        self.assertEqual([p for p in (self.dir / "c").rglob("*") if p.is_file()], [])
        suite = self.suite("x/v1", 3)
        self.run_suite(suite, "--cache", "c", "--fresh")
        files = [p for p in (self.dir / "c").rglob("*") if p.is_file()]
        self.assertEqual(len(files), 3)
        files[0].write_bytes(files[0].read_bytes()[:-5])
        files[1].write_bytes(files[1].read_bytes().replace(b"SAY", b"PAY"))
        found, _, _ = self.run_suite(suite, "--cache", "c", "--fresh")
        self.assertEqual(found["metrics"]["exact_match"]["value"], 1)
        self.assertEqual(self.endpoint.count("/x/"), 5)
        self.refused("run", suite, "--cache", "cases.jsonl", says=["--cache"])

    def test_keys_do_not_reach_the_cache_nor_its_names(self):
        for key in ("sk-first-canary", "sk-second-canary"):
            env = {**os.environ, "OPENAI_API_KEY": key}
            self.run_suite(self.suite("echo/v1", 2, "?stream=no", more="max_errors: 100%"), "--cache",
                           "c", "--fresh", env=env)
        self.assertEqual(self.endpoint.count("echo"), 2)  # another key, the same answers
        for path in (self.dir / "c").rglob("*"):
            if path.is_file():
                self.assertNotIn(b"canary", path.read_bytes())
                self.assertEqual(path.stat().st_mode & 0o077, 0)

    def test_choices_by_log_probability_are_cached_call_by_call(self):
        rows = [{"id": f"c{i}", "text": "which one", "expected": "abc"} for i in range(2)]
        suite = self.suite("x/v1", keys="+completions", rows=rows, text=CHOICE)
        self.run_suite(suite, "--cache", "c", "-j", "1")
        self.assertEqual(self.endpoint.count("/x/"), 3)  # the second case is the same prompt
        _, lines, _ = self.run_suite(suite, "--cache", "c", "--fresh", "--offline")
        self.assertEqual(lines[0]["choice_logprobs"], [-4, -6, -6])

    def test_offline_opens_nothing(self):
        found, rows, _ = self.run_suite(self.suite("x/v1", 3), "--offline", code=3)
        self.assertEqual({row["outcome"] for row in rows}, {"http_error"})
        self.assertIn("offline", rows[0]["error"])
        self.assertEqual(self.endpoint.connections, 0)

    def test_costs(self):
        self.write("prices.yaml", "version: 2026-11-01\nmodels: {m: {input: 0.15, output: 0.60}}\n")
        suite = self.suite("x/v1", 10, more="gate: ['cost.per_case <= 0.00001']")
        found, rows, _ = self.run_suite(suite, "--prices", "prices.yaml", "--cache", "c")
        self.assertEqual(rows[0]["cost"], 2.85e-06)  # 7 x 0.15 + 3 x 0.60 millionths
        self.assertAlmostEqual(found["cost"]["total"], 2.85e-05, 15)
        found, rows, _ = self.run_suite(suite, "--prices", "prices.yaml", "--cache", "c", "--fresh")
        self.assertEqual(found["cost"]["total"], 0)  # paid for before
        self.write("prices.yaml", "version: 2\nmodels: {other: {input: 1, output: 1}}\n")
        self.refused("run", suite, "--prices", "prices.yaml", says=["no price for 'm'"])


class Interrupts(Remote):
    def start(self, suite):
        process = subprocess.Popen([e2e.BINARY, "run", str(suite), "--out", "o", "--no-store",
                                    "-j", "4"], cwd=self.dir, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE)
        self.addCleanup(process.stderr.close)
        while self.endpoint.count("/") < 10:
            time.sleep(0.01)
        return process

    def test_one_signal_drains_two_stop_and_kill_loses_nothing(self):
        suite = self.suite("gate,20/v1", 60)
        for signals in ([signal.SIGINT], [signal.SIGINT, signal.SIGINT], [signal.SIGKILL]):
            process = self.start(suite)
            for number in signals:
                process.send_signal(number)
                time.sleep(0.02)
            self.endpoint.gate.set()
            code = process.wait(timeout=60)
            self.assertEqual(code, -9 if signals[0] == signal.SIGKILL else 130)
            before = len(self.lines("o")) if code == 130 else 0
            found, rows, _ = self.run_suite(suite, "--resume")
            self.assertEqual(found["cases"]["ok"], 60)
            self.assertEqual(len({row["id"] for row in rows}), 60)
            self.assertLess(before, 60)
            self.endpoint.seen.clear()
            self.endpoint.gate.clear()
            (self.dir / "o/results.jsonl").unlink()
            (self.dir / "o/run.json").unlink()
            (self.dir / "o/summary.json").unlink()

    def test_two_signals_do_not_wait_for_a_hanging_server(self):
        suite = self.suite("hang,60/v1", 20)
        process = subprocess.Popen([e2e.BINARY, "run", str(suite), "--out", "o", "--no-store"],
                                   cwd=self.dir, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        while not self.endpoint.count("hang"):
            time.sleep(0.01)
        start = time.time()
        while process.poll() is None: # signals that come together are one
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        self.assertEqual(process.returncode, 130)
        self.assertLess(time.time() - start, 50)

    def test_a_command_is_not_interrupted_by_the_terminal_and_not_waited_for_when_it_hangs(self):
        # Ctrl-C goes to the whole group of the foreground: one drains, and the answer still counts.
        self.write("program.py", "import pathlib, sys, time\n"
                   "for line in sys.stdin:\n"
                   "    pathlib.Path('asked').touch()\n"
                   "    while not pathlib.Path('go').exists():\n"
                   "        time.sleep(0.01)\n"
                   "    print('{\"output\": \"x\"}', flush=True)\n")
        suite = self.suite("x", 5)
        for signals in (1, 2):
            process = subprocess.Popen([e2e.BINARY, "run", str(suite), "--out", f"o{signals}",
                                        "--no-store", "--target", f"cmd:{sys.executable} program.py"
                                        "?timeout=3000"], cwd=self.dir, start_new_session=True,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while not (self.dir / "asked").exists():
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.05)
            if signals == 1:
                (self.dir / "go").touch()
            while signals == 2 and process.poll() is None: # those that come together are one
                os.killpg(process.pid, signal.SIGINT)
                time.sleep(0.05)
            self.assertEqual(process.wait(timeout=300), 130)
            outcomes = [row["outcome"] for row in self.lines(f"o{signals}")]
            self.assertEqual(outcomes, ["ok"] * len(outcomes))
            self.assertEqual(len(outcomes) in (1, 2), signals == 1) # one more is in stock
            for name in ("asked", "go"):
                (self.dir / name).unlink(missing_ok=True)


def main():
    """Runs the tests of the file that was started: FILE BINARY [CLASS...]"""
    e2e.BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    for name in ("OPENAI_API_KEY", "http_proxy", "HTTP_PROXY"):
        os.environ.pop(name, None)
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=1)


if __name__ == "__main__":
    main()
