#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What may go wrong at the other end, and what is allowed to go there: through the binary.

    faults.py BINARY [CLASS...]
"""
import json
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import e2e  # noqa: E402
from endpoint import Endpoint  # noqa: E402
from remote import SUITE, Remote as Base, main  # noqa: E402


class Faulty(Endpoint):
    """Faults that endpoint.py does not have."""

    def on_trickle(self, connection, argument, request, text, number):
        """A byte each 0.2 s."""
        data = b"".join(self.sse(self.events(text)))
        self.stream(connection, [data[i:i + 1] for i in range(len(data))], pause=0.2)

    def on_twice(self, connection, argument, request, text, number):
        """What ends a stream comes twice, and more text after the end."""
        events = list(self.sse(self.events(text)))
        late = list(self.sse([{"choices": [{"index": 0, "delta": {"content": "LATE"}}]}]))
        self.stream(connection, events + events[-3:] + late)

    def on_midfail(self, connection, argument, request, text, number):
        """An error in the middle of a stream that began well."""
        events = list(self.sse(self.events(text)))
        error = json.dumps({"error": {"message": "out of memory", "code": 500}}).encode()
        self.stream(connection, events[:2] + [b"data: " + error + b"\n\n", events[-1]])

    def on_blank(self, connection, argument, request, text, number):
        self.reply(connection, 200, self.chat(""))

    def on_slowfail(self, connection, argument, request, text, number):
        time.sleep(0.3)
        self.reply(connection, 503, b"<html>busy</html>")

    def on_token(self, connection, argument, request, text, number):
        """Only the second token is accepted."""
        if self.seen[-1][1].get("authorization") == "Bearer tok-canary-2":
            return True
        return self.reply(connection, 401, {"error": {"message": "expired"}})

    def on_job(self, connection, argument, request, text, number):
        """job,KIND: a job that fails, never ends, or has its answer on another host."""
        host = f"http://localhost:{self.port}" if argument == "away" else self.url
        state = "failed" if argument == "fails" and number > 1 else "running"
        self.reply(connection, 200, {"status": state, "url": f"{host}/job,{argument}/again"})

    def on_moved(self, connection, argument, request, text, number):
        self.reply(connection, 302, b"", Location=f"http://localhost:{self.port}/stolen")


class Remote(Base):
    def setUp(self):
        super().setUp()
        self.endpoint.close()
        self.endpoint = Faulty()
        self.addCleanup(self.endpoint.close)


class Faults(Remote):
    def test_statuses_that_are_asked_again(self):
        for status in (408, 409, 425, 500, 502, 504, 529):
            with self.subTest(status=status):
                found, rows, _ = self.run_suite(self.suite(f"status,{status},2/v1", 3), "--fresh",
                                                "-j", "1")
                self.assertEqual(found["cases"]["ok"], 3)
                self.assertEqual(sorted(row["attempts"] for row in rows), [1, 1, 3])
        self.faulty("status,408/v1", "timeout", "HTTP 408")

    def test_a_model_or_page_that_is_not_there_ends_the_run(self):
        for status in (402, 403, 404, 405):
            with self.subTest(status=status):
                found, rows, done = self.run_suite(self.suite(f"status,{status}/v1", 50), "-j", "4",
                                                   "--fresh", code=3)
                self.assertLessEqual(self.endpoint.count(f"status,{status}"), 4)
                self.assertIn(f"HTTP {status}: told to fail", done.stderr)
                if status in (402, 404, 405):
                    self.assertIn("'m' at", done.stderr)
                self.assertEqual(found["cases"]["errors"], 50)
                self.assertEqual(found["gate"]["verdict"], "unmeasurable")

    def test_slow_failures(self):
        start = time.time()
        self.faulty("slowfail/v1", "http_error", "HTTP 503: <html>busy</html>",
                    keys="?retries=1&stream=no")
        self.assertEqual(self.endpoint.count("slowfail"), 6)
        self.assertLess(time.time() - start, 30)

    def test_a_byte_at_a_time(self):
        start = time.time()
        self.faulty("trickle/v1", "timeout", keys="?retries=0&timeout=1")
        self.assertLess(time.time() - start, 20)

    def test_nothing_is_counted_twice(self):
        found, rows, _ = self.run_suite(self.suite("twice/v1", 4))
        self.assertEqual(found["metrics"]["exact_match"]["value"], 1)
        self.assertEqual({(row["tokens_in"], row["tokens_out"]) for row in rows}, {(7, 3)})

    def test_an_error_in_the_middle_of_a_stream(self):
        self.faulty("midfail/v1", "http_error", "out of memory", keys="?retries=0")

    def test_an_empty_answer_is_an_answer(self):
        found, rows, _ = self.run_suite(self.suite("blank/v1", 2, "?stream=no"))
        self.assertEqual([(row["outcome"], row["output"]) for row in rows], [("ok", "")] * 2)
        self.assertEqual(found["metrics"]["exact_match"]["value"], 0)

    def test_a_hundred_megabytes(self):
        self.faulty("big,100/v1", "bad_response", "larger than 8388608 bytes", count=2)
        found, rows, _ = self.run_suite(self.suite("big,9/v1", 1, "?stream=no&max_mb=20"),
                                        "--fresh")
        self.assertEqual(len(rows[0]["output"]), 9 << 20)

    def test_a_name_that_is_none(self):
        suite = self.suite("x/v1", 20)
        # Longer than a label may be: refused before anybody is asked for its address.
        suite.write_text(suite.read_text().replace("127.0.0.1", "a" * 70 + ".example"))
        start = time.time()
        found, rows, done = self.run_suite(suite, code=3)
        self.assertLess(time.time() - start, 20)
        self.assertIn("resolve host", done.stderr)
        self.assertEqual({row["outcome"] for row in rows}, {"http_error", "cancelled"})

    def test_everything_agrees_on_what_was_evaluated(self):
        suite = self.suite("after,401,5/v1", 10)
        done = self.assay("run", suite, "--out", "o", "-j", "1", "--format", "json", code=3)
        found = json.loads(done.stdout)
        rows = self.lines("o")
        self.assertEqual((found["cases"]["ok"], found["cases"]["errors"]), (5, 5))
        self.assertEqual(sum(row["outcome"] == "ok" for row in rows), 5)
        self.assertIn("5 of 10 cases", (self.dir / "o/junit.xml").read_text())
        text = self.assay("history", "show", found["run"]).stdout
        self.assertRegex(text, r"ok +5 +50.0%  the model's answer")
        self.assertRegex(text, r"http_error +1 +10.0%  the target's failure")
        self.assertRegex(text, r"cancelled +4 +40.0%  the target's failure")
        shown = json.loads(self.assay("history", "show", found["run"], "--format", "json").stdout)
        self.assertEqual(shown["cases"], found["cases"])

    def test_a_clock_that_steps_back(self):
        preload = pathlib.Path(e2e.BINARY).parent / "tests" / "libclock_back.so"
        env = {**os.environ, "LD_PRELOAD": str(preload)}
        if self.assay("--version", env=env, code=None).returncode:
            self.skipTest("nothing can be preloaded into this build")
        suite = self.suite("later,1,3/v1", 6)
        start = time.time()
        found, rows, _ = self.run_suite(suite, "-j", "3", env=env)
        self.assertLess(time.time() - start, 30)
        self.assertEqual(found["cases"]["ok"], 6)
        self.assertGreaterEqual(found["wall_s"], 0.9)
        self.assertLess(found["wall_s"], 30)
        for row in rows:
            self.assertGreaterEqual(row["latency_ms"], 0)
            self.assertLess(row["latency_ms"], 30000)


TEMPLATE = """\
url: "URL/v1/chat/completions"
body: '{"model": "m", "messages": {{ messages | tojson }}}'
response: {text: choices.0.message.content, tokens_out: usage.completion_tokens}
"""
POLL = TEMPLATE + """\
poll: {url: "{{ response.url }}", status: status, done: [ok], failed: [failed], every: 0.02, most: 5}
"""


class Templates(Remote):
    def template(self, path, text, **more):
        self.write("t.yaml", text.replace("URL", f"{self.endpoint.url}/{path}"))
        return self.run_suite(self.suite("x", 4), "--fresh", "--target", "http:t.yaml", **more)

    def test_a_token_is_kept_and_renewed(self):
        self.write("token.sh", "echo x >> ran\necho tok-canary-$(wc -l < ran)\n")
        text = TEMPLATE + "auth: {command: sh token.sh}\n"
        found, rows, done = self.template("token/v1", text)
        self.assertEqual(found["cases"]["ok"], 4)
        self.assertLessEqual((self.dir / "ran").read_text().count("x"), 3)
        for path in self.dir.rglob("*"):
            if path.is_file():
                self.assertNotIn(b"tok-canary-2", path.read_bytes())
        self.write("token.sh", "echo wrong-canary-token\n")
        found, rows, done = self.template("token/v1", text, code=3)
        self.assertIn("the token of 'sh token.sh' is not accepted", done.stderr)
        self.write("token.sh", "exit 4\n")
        found, rows, done = self.template("token/v1", text, code=3)
        self.assertIn("failed (exit code 4)", done.stderr)

    def test_polling(self):
        _, rows, _ = self.template("job,fails/v1", POLL, code=3)
        self.assertEqual({row["outcome"] for row in rows}, {"http_error"})
        self.assertIn("says that it is 'failed'", rows[0]["error"])
        _, rows, _ = self.template("job,never/v1", POLL, code=3)
        self.assertEqual({row["outcome"] for row in rows}, {"timeout"})
        self.assertIn("still 'running' when asked 5 times", rows[0]["error"])
        self.assertEqual(self.endpoint.count("job,never"), 4 * 6)
        _, rows, _ = self.template("job,away/v1", POLL, code=3)
        self.assertEqual({row["outcome"] for row in rows}, {"bad_response"})
        self.assertIn("another host", rows[0]["error"])
        self.assertEqual(self.endpoint.count("job,away/again"), 0)

    def test_query_and_mistakes(self):
        found, rows, _ = self.template("x/v1", TEMPLATE + 'query: {v: "a b&c", id: "{{ id }}"}\n')
        self.assertIn("/completions?v=a%20b%26c&id=c-", self.endpoint.seen[-1][0])
        self.assertEqual(found["metrics"]["exact_match"]["value"], 1)
        for change, says in (("poll: {url: x}", "poll.done must be a list"),
                             ("query: [a]", "query must be a map"),
                             ("auth: {command: ''}", "auth is {command"),
                             ("auth: {commnd: x}", "did you mean 'command'"),
                             ("stream: sse\n" + POLL.splitlines()[-1], "not polled"),
                             (POLL.splitlines()[-1].replace("0.02", "x"), "number of seconds")):
            _, _, done = self.template("x/v1", TEMPLATE + change + "\n", code=2)
            self.assertIn(says, done.stderr)


class Egress(Remote):
    def test_only_hosts_that_are_named(self):
        suite = self.suite("x/v1", 3)
        port = self.endpoint.port
        for hosts in (["127.0.0.1"], [f"127.0.0.1:{port}"], ["example.com", "127.0.0.1"]):
            args = [word for host in hosts for word in ("--allow-host", host)]
            self.run_suite(suite, "--fresh", *args)
        before = self.endpoint.connections
        for host in ("example.com", f"127.0.0.1:{port + 1 if port < 65535 else 1}", "*.0.0.1",
                     "localhost"):
            done = self.assay("run", suite, "--out", "p", "--no-store", "--allow-host", host, code=2)
            self.assertIn("'127.0.0.1' is not among the hosts of --allow-host", done.stderr)
        self.assertEqual(self.endpoint.connections, before)
        self.refused("run", suite, "--allow-host", "http://x/", says=["is no host to allow"])
        done = self.assay("bench", f"openai:{self.endpoint.url}/x/v1#m", "--allow-host", "x", code=2)
        self.assertIn("--allow-host", done.stderr)

    def test_a_suite_may_list_them(self):
        more = "allow_hosts: [127.0.0.1]"
        self.run_suite(self.suite("x/v1", 2, more=more))
        self.run_suite(self.suite("x/v1", 2), "--fresh")
        suite = self.suite("x/v1", 2, more="allow_hosts: example.com")
        self.refused("run", suite, "--no-store", says=["'127.0.0.1' is not among the hosts"])
        self.run_suite(suite, "--fresh", "--allow-host", "127.0.0.1")  # the operator's word
        suite = self.suite("x/v1", 2, more="allow_hosts: ['http://x/']")
        self.refused("run", suite, "--no-store", says=["suite.yaml:", "is no host to allow"])

    def test_alerts_obey_it(self):
        more = "alert: {to: {type: webhook, url: '%s/sink'}, branches: ['*']}" % self.endpoint.url
        suite = self.suite("x/v1", 2, more=more)
        done = self.assay("alert", "test", suite, "--allow-host", "example.com", code=None)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("not among the hosts of --allow-host", done.stdout + done.stderr)
        self.assertEqual(self.endpoint.connections, 0)

    def test_redirects_obey_it(self):
        self.write("t.yaml", f"url: {self.endpoint.url}/moved/v1\nmethod: GET\n"
                             "response: {text: $}\n")
        suite = self.suite("x", 2)
        _, rows, _ = self.run_suite(suite, "--target", "http:t.yaml", "--fresh", "--allow-host",
                                    "127.0.0.1", code=3)
        self.assertIn("'localhost' port", rows[0]["error"])
        self.assertEqual(self.endpoint.count("stolen"), 0)
        self.run_suite(suite, "--target", "http:t.yaml", "--fresh", "--allow-host", "127.0.0.1",
                       "--allow-host", "localhost")
        self.assertEqual(self.endpoint.count("stolen"), 2)


class Scoring(Remote):
    """Tasks that need the log-probability of a text; the endpoint's rule is minus its length."""

    def test_texts(self):
        text = SUITE.replace("task: generate", "task: loglikelihood").replace("exact_match", "acc") \
            .replace("generate: {max_tokens: 20}", "expected: expected")
        rows = [{"id": "a", "text": "which one", "expected": "abc de"}]
        suite = self.suite("x/v1", keys="+completions", rows=rows,
                           text=text.replace("[acc]", "[perplexity]"))
        _, lines, _ = self.run_suite(suite)
        self.assertEqual((lines[0]["logprob"], lines[0]["tokens"]), (-7, 2))
        self.assertEqual(lines[0]["output"], "abc de")
        suite = self.suite("x", keys="", rows=rows, text=text.replace("[acc]", "[perplexity]"))
        _, lines, _ = self.run_suite(suite, "--fresh", "--target", f"tgi:{self.endpoint.url}")
        self.assertEqual((lines[0]["logprob"], lines[0]["tokens"]), (-7, 2))
        rolling = text.replace("loglikelihood", "rolling").replace("[acc]", "[byte_perplexity]")
        suite = self.suite("x/v1", keys="+completions", rows=rows, text=rolling)
        _, lines, _ = self.run_suite(suite, "--fresh")
        self.assertEqual((lines[0]["logprob"], lines[0]["tokens"]), (-4, 1))
        for uri in (f"openai:{self.endpoint.url}/x/v1#m", f"vllm:{self.endpoint.url}/x/v1#m",
                    "ollama:m", f"kserve:{self.endpoint.url}#m"):
            self.refused("run", suite, "--target", uri, says=["log-probability of a given text"])

    def test_what_goes_into_every_request(self):
        self.write("more.yaml", "tools: [{type: function, function: {name: look}}]\n"
                                "response_format: {type: json_schema, json_schema: {name: a}}\n")
        for keys in ("?extra=more.yaml", "?extra=more.yaml&stream=no"):
            self.run_suite(self.suite("x/v1", 1, keys), "--fresh")
            asked = json.loads(self.endpoint.seen[-1][2])
            self.assertEqual(asked["tools"], [{"type": "function", "function": {"name": "look"}}])
            self.assertEqual(asked["response_format"]["json_schema"], {"name": "a"})
        self.write("more.yaml", "[a]")
        self.refused("run", self.suite("x/v1", 1, "?extra=more.yaml"), says=["expected an object"])


del Base

if __name__ == "__main__":
    main()
