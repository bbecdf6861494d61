#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An answer is the same whichever thread makes it out of its body.

    settled.py BINARY [CLASS...]
"""
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from endpoint import Endpoint  # noqa: E402
from remote import Remote as Base, main  # noqa: E402

KEY = "sk-canary-settled"


class Odd(Endpoint):
    """Says to each case what its text names; NAME* only to the second asking, 503 to the first."""
    def on_odd(self, connection, argument, request, text, number):
        asked = sum(body == self.seen[-1][2] for _, _, body, _ in self.seen)
        name = text.split()[-1].lower()
        good = self.chat(text)
        bodies = {
            "good": good, "empty": b"", "list": b"[]", "text": b"no JSON at all",
            "half": b'{"choices": [{"message": {"content": "half', "nochoices": {"id": "x"},
            "number": self.chat(5), "null": self.chat(None), "long": self.chat(text, "length"),
            "utf8": b'{"choices":[{"message":{"content":"a\xff\xfeb"}}]}',
            "filter": self.chat("", "content_filter"), "refusal": self.chat(None, refusal="no"),
            "thought": self.chat(text, reasoning_content="let me see"), "key": self.chat(KEY),
            "dead": {"error": {"message": "the engine is dead"}}, "calm": {**good, "error": None},
            "words": self.chat('he said "error" and \u00e9'),
            "tools": self.chat(None, "tool_calls", tool_calls=[
                {"id": "1", "function": {"name": "look", "arguments": '{"q": 1}'}}]),
            "busy*": {"error": {"message": "busy", "code": 503}},
            "spelled*": b'{"\\u0065rror": {"message": "busy", "code": 503}}',
        }
        self.reply(connection, 200, good if name.endswith("*") and asked > 1 else bodies[name])


class Settled(Base):
    NAMES = ("good empty list good text half nochoices number null long utf8 filter refusal thought "
             "key dead calm words tools busy* spelled* good").split()

    def setUp(self):
        super().setUp()
        self.endpoint = Odd()
        self.addCleanup(self.endpoint.close)

    def told(self, keys, *args):
        self.endpoint.seen.clear()
        rows = [{"id": f"c-{i:02}", "text": f"say {name}", "expected": f"SAY {name.upper()}"}
                for i, name in enumerate(self.NAMES)]
        suite = self.suite("odd/v1", keys="?stream=no" + keys, rows=rows, more="max_errors: 0.5")
        env = {**os.environ, "OPENAI_API_KEY": KEY}
        found, rows, _ = self.run_suite(suite, "--fresh", *args, env=env)
        for row in rows:
            for key in ("latency_ms", "target"):
                del row[key]
            for one in row.get("tries", []):
                self.assertGreater(one.pop("ms"), 0)
                one.pop("at_ms"), one.pop("wait_ms", None)
        return found["scores_digest"], sorted(rows, key=lambda row: row["id"])

    def test_on_whichever_thread(self):
        # A limit on tokens needs to know at once how many an answer took.
        digest, rows = self.told("&tpm=1000000000", "-j", "1")
        for at_once in ("1", "4"):
            with self.subTest(at_once=at_once):
                again, others = self.told("", "-j", at_once)
                self.assertEqual(others, rows)
                self.assertEqual(again, digest)
        by_name = dict(zip(self.NAMES, rows))
        for name, outcome, attempts in (("good", "ok", 1), ("half", "bad_response", 1),
                                        ("dead", "http_error", 1), ("long", "truncated", 1),
                                        ("busy*", "ok", 2), ("spelled*", "ok", 2)):
            row = by_name[name]
            self.assertEqual((row["outcome"], row["attempts"]), (outcome, attempts))
            self.assertEqual(len(row.get("tries", [])), 0 if outcome in ("ok", "truncated") and
                             attempts == 1 else attempts)
        self.assertEqual(by_name["key"]["output"], "***")
        self.assertEqual(by_name["words"]["output"], 'he said "error" and \u00e9')
        self.assertNotIn(KEY, json.dumps(rows))


del Base

if __name__ == "__main__":
    main()
