#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a case took to be answered, attempt by attempt; and percentiles that few cases cannot have.

    attempts.py BINARY [CLASS...]
"""
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from endpoint import Endpoint  # noqa: E402
from remote import Remote as Base, main  # noqa: E402


class Attempts(Base):
    def test_every_attempt_is_recorded(self):
        _, rows, _ = self.run_suite(self.suite("status,503,2/v1", 3, "?stream=no"), "-j", "1")
        first, second, third = [row for row in rows if row["attempts"] == 3][0]["tries"]
        self.assertEqual([row.get("tries") for row in rows if row["attempts"] == 1], [None] * 2)
        for one in (first, second):
            self.assertEqual((one["outcome"], one["status"]), ("http_error", 503))
            self.assertEqual(one["bytes"], len(json.dumps({"error": {"message": "told to fail",
                                                                     "code": "x"}})))
            self.assertIn("told to fail", one["error"])
            self.assertGreater(one["wait_ms"], 0)
            self.assertNotIn("server", one)
        self.assertEqual((third["outcome"], third["status"]), ("ok", 200))
        self.assertNotIn("wait_ms", third)
        self.assertNotIn("error", third)
        self.assertEqual(first["at_ms"] >= 0, True)
        for one, after in ((first, second), (second, third)):
            self.assertGreaterEqual(after["at_ms"] + 0.01,
                                    one["at_ms"] + one["ms"] + one["wait_ms"])

    def test_those_of_a_case_that_failed(self):
        _, rows, _ = self.faulty("status,400/v1", "http_error", "HTTP 400", keys="?retries=3")
        self.assertEqual([len(row["tries"]) for row in rows], [1] * 3)
        _, rows, _ = self.faulty("reset/v1", "http_error", keys="?retries=1&stream=no", count=1)
        self.assertEqual([one["status"] for one in rows[0]["tries"]], [0, 0])
        _, rows, _ = self.faulty("hang,20/v1", "timeout", keys="?retries=0&timeout=1", count=1)
        self.assertEqual(rows[0]["tries"][0]["outcome"], "timeout")
        self.assertGreater(rows[0]["tries"][0]["ms"], 900)

    def test_where_each_was_sent(self):
        other = Endpoint()
        self.addCleanup(other.close)
        bases = [f"{self.endpoint.url}/status,500/v1", f"{other.url}/x/v1"]
        suite = self.suite("x/v1", 4)
        _, rows, _ = self.run_suite(suite, "--target", f"openai:{','.join(bases)}#m", "-j", "1")
        tried = [row["tries"] for row in rows if row["attempts"] > 1]
        self.assertTrue(tried)
        for tries in tried:
            self.assertEqual([one["server"] for one in tries], bases)

    def test_history_has_them_and_keys_do_not(self):
        key = "sk-canary-attempts"
        env = {**os.environ, "OPENAI_API_KEY": key}
        suite = self.suite("echo,error/v1", 1, "?stream=no")
        self.assay("run", suite, "--out", "o", env=env, code=3)
        self.assertIn("***", self.lines("o")[0]["tries"][0]["error"])
        suite = self.suite("status,503,1/v1", 1)
        self.assay("run", suite, "--out", "p", "--redact", "error")
        self.assertIn("told to fail", self.lines("p")[0]["tries"][0]["error"])
        shown = self.assay("history", "case", "c-0", "--format", "json").stdout.splitlines()
        tries = json.loads(shown[0])["sample"]["tries"]
        self.assertEqual([one["status"] for one in tries], [503, 200])
        self.assertTrue(tries[0]["error"].startswith("sha256:"))
        text = self.assay("history", "case", "c-0").stdout
        self.assertIn("attempt 1: 503 http_error after", text)
        self.assertIn("attempt 2: 200 ok after", text)
        self.assertNotIn(key, text)

    def test_a_p99_needs_a_hundred(self):
        for count, known in ((99, False), (100, True)):
            suite = self.suite("x/v1", count, more="gate: ['latency.p99 <= 60 s']")
            found, _, done = self.run_suite(suite, "--fresh", code=0 if known else 3)
            for times in ("latency_ms", "ttft_ms"):
                self.assertEqual(found[times]["p99"] is not None, known)
                self.assertIsNotNone(found[times]["p95"])
            self.assertEqual("p99_withheld" in found, not known)
            self.assertEqual("No p99" in (self.dir / "o/report.html").read_text(), not known)
            if not known:
                self.assertIn("at least 100 answers, there are 99", done.stdout + done.stderr)
        found = json.loads(self.assay("bench", f"openai:{self.endpoint.url}/x/v1#m", "--requests",
                                      "20", "--format", "json").stdout)
        self.assertIsNone(found["e2e_ms"]["p99"])
        self.assertIn("p99 100", found["e2e_ms"]["withheld"])


del Base

if __name__ == "__main__":
    main()
