#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns that a case brings itself (prompt.messages), calls of tools and their results among them:
what the model's own chat template is given, and what is sent to endpoints.

    talks.py BINARY [CLASS...]
"""
import json
import pathlib
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests/runner"), str(TOP / "tests/engine")]
import chat  # noqa: E402
import e2e  # noqa: E402
from endpoint import Endpoint  # noqa: E402

# Everything that a template may look at, one line a turn.
TEMPLATE = """\
{%- for m in messages %}
{{ m.role }}:{{ m.content }}|{{ m.name }}|{{ m.reasoning_content }}|{{ m.tool_call_id }}
{%- for call in m.tool_calls %} {{ call.id }} {{ call.function.name }}
{%- for key, value in call.function.arguments.items() %} {{ key }}={{ value | tojson }}{% endfor %}
{%- endfor %};
{% endfor %}"""
SUITE = """\
suite: talks
dataset: cases.jsonl
target: TARGET
task: generate
generate: {max_tokens: 2}
metrics: [exact_match]
prompt:
  messages: talk
"""


def call(arguments, **more):
    return {"id": "c1", "type": "function",
            "function": {"name": "look_up", "arguments": arguments}} | more


TALK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where?"},
        {"role": "assistant", "content": None, "reasoning_content": "hm <|eot_id|>",
         "tool_calls": [call({"city": "Århus <|eot_id|>", "n": 1.0})]},
        {"role": "tool", "tool_call_id": "c1", "name": "look_up", "content": "{\"at\": 7}"}]
PLAIN = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
         {"role": "user", "content": "c"}]


class Talks(e2e.Case):
    @classmethod
    def setUpClass(cls):
        chat.Chat.setUpClass.__func__(cls)

    put_model, hash_of = chat.Chat.put_model, chat.Chat.hash_of

    def ask(self, talk, target="gguf:model.gguf", more="", out="o"):
        self.write("cases.jsonl", [{"id": "a", "text": "So?", "talk": talk, "expected": "x"}])
        self.write("suite.yaml", SUITE.replace("TARGET", json.dumps(target)) + more)
        found = self.summary("suite.yaml", "--out", out, "--no-store", "--concurrency", "1")
        return self.lines(out)[0], found

    def test_the_template_is_given_the_messages(self):
        self.put_model(TEMPLATE)
        guard = "<\U000f0000|eot_id|>"  # what keeps the text of a control token from being one
        wanted = ("system:Be brief.|||;\nuser:Where?|||;\n"
                  f"assistant:None||hm {guard}| c1 look_up city=\"Århus {guard}\" n=1.0;\n"
                  "tool:{\"at\": 7}|look_up||c1;\n")
        texts = json.loads(json.dumps(TALK))
        texts[2]["tool_calls"][0]["function"]["arguments"] = json.dumps(
            TALK[2]["tool_calls"][0]["function"]["arguments"])
        for i, talk in enumerate((TALK, texts)):
            self.assertEqual(self.ask(talk, out=f"o{i}")[0]["prompt_sha256"], self.hash_of(wanted))
        line, found = self.ask(PLAIN, out="p", more="  system: Be.\n  user: '{{ text }}'\n")
        self.assertEqual(line["prompt_sha256"], self.hash_of(
            "system:Be.|||;\nuser:a|||;\nassistant:b|||;\nuser:c|||;\nuser:So?|||;\n"))
        self.assertNotEqual(found["suite_sha256"], self.ask(PLAIN, out="q")[1]["suite_sha256"])

    def test_endpoints_are_sent_the_messages(self):
        endpoint = Endpoint()
        self.addCleanup(endpoint.close)
        as_text = json.loads(json.dumps(TALK))
        as_text[2]["tool_calls"][0]["function"]["arguments"] = \
            '{"city":"Århus <|eot_id|>","n":1.0}'
        ollama = json.loads(json.dumps(TALK))
        ollama[2]["content"] = ""
        ollama[3]["tool_name"] = "look_up"
        self.write("own.yaml", f"url: {endpoint.url}/ok/v1/chat/completions\nauth: none\nbody: "
                   "'{\"messages\": {{ messages | tojson }}}'\n"
                   "response: {text: choices.0.message.content}\n")
        for i, (target, wanted) in enumerate(((f"openai:{endpoint.url}/ok/v1#m", as_text),
                                              (f"ollama:{endpoint.url}/ok#m", ollama),
                                              ("http:own.yaml", as_text))):
            line, _ = self.ask(TALK, target, out=f"o{i}")
            self.assertEqual(json.loads(endpoint.seen[-1][2])["messages"], wanted, target)
            self.assertEqual(len(line["prompt_sha256"]), 64)
        self.ask(PLAIN, f"openai:{endpoint.url}/ok/v1#m", out="plain")
        self.assertEqual(json.loads(endpoint.seen[-1][2])["messages"], PLAIN)
        asked = "python3 -c 'import sys, json\nfor l in sys.stdin: print(json.dumps({\"output\": " \
            "json.loads(l)[\"messages\"][3][\"tool_call_id\"]}), flush=True)'"
        self.assertEqual(self.ask(TALK, "cmd:" + asked, out="c")[0]["output"], "c1")

    def test_who_cannot_take_them_says_so(self):
        self.put_model(TEMPLATE)
        self.write("cases.jsonl", [{"id": "a", "talk": PLAIN, "expected": "x"},
                                   {"id": "b", "talk": TALK, "expected": "x"}])
        self.write("own.yaml", "url: http://127.0.0.1:9\nauth: none\nbody: '{{ prompt | tojson }}'"
                   "\nresponse: {text: text}\n")
        for target in ("tgi:http://127.0.0.1:9", "openai:http://127.0.0.1:9/v1#m+completions",
                       "kserve:http://127.0.0.1:9#m", "http:own.yaml"):
            self.write("suite.yaml", SUITE.replace("TARGET", json.dumps(target)))
            self.refused("run", "suite.yaml", says=["has no place for the calls of tools"])
        self.write("suite.yaml", SUITE.replace("TARGET", "gguf:model.gguf") + "  chat: raw\n")
        self.refused("run", "suite.yaml", says=["prompt.messages", "prompt.chat: raw"])
        self.put_model("{% for m in messages %}{{ raise_exception('tools?') if m.role == 'tool' }}"
                       "{% endfor %}")
        self.write("suite.yaml", SUITE.replace("TARGET", "gguf:model.gguf"))
        self.refused("run", "suite.yaml", says=["refuses this: tools?"])

    def test_what_is_wrong_is_said(self):
        self.write("suite.yaml", SUITE.replace("TARGET", "mock:echo"))
        user, answer = PLAIN[:2]
        for talk, *says in (
                ("x", "'talk' must be a list of 1 to", "not a string"), ([], "must be a list"),
                (["x"], "'talk'[0] must be a message"),
                ([{"role": "assistent", "content": ""}], "'talk'[0].role is 'assistent'",
                 "did you mean 'assistant'?"),
                ([{"content": "x"}], "'talk'[0].role must be a text, not missing"),
                ([user, {"role": "user", "content": ["x"]}], "'talk'[1].content must be a text"),
                ([{"role": "assistant"}], "'talk'[0].content must be a text, not missing"),
                ([user | {"tool_calls": [call({})]}], "must be of an assistant's message"),
                ([user, answer | {"tool_calls": []}], "'talk'[1].tool_calls must be a list"),
                ([answer | {"tool_calls": [call({}), {"name": "x"}]}],
                 "'talk'[0].tool_calls[1].function must be an object"),
                ([answer | {"tool_calls": [call("{")]}],
                 "'talk'[0].tool_calls[0].function.arguments is a text that is no JSON"),
                ([answer | {"tool_calls": [call("[1]")]}], "or its JSON as a text, not a list"),
                ([answer | {"tool_calls": [call({}, id=5)]}], "tool_calls[0].id must be a text"),
                ([{"role": "tool", "content": "x", "tool_call_id": 5}], "tool_call_id must be")):
            self.write("cases.jsonl", [{"id": "a", "talk": talk, "expected": "x"}])
            self.refused("run", "suite.yaml", says=["case 'a'", *says])
        self.write("cases.jsonl", [{"id": "a", "expected": "x"}])
        self.refused("run", "suite.yaml", says=["talk"])
        self.write("cases.jsonl", [{"id": "a", "talk": TALK, "expected": "x"}])
        mock = SUITE.replace("TARGET", "mock:echo")
        for suite, *says in (
                (mock + "  system: Be.\n", "'talk'[0] is a system's turn"),
                (mock.replace("  messages: talk", "  chat: auto"), "'prompt.user' is missing"),
                (mock + "  few_shot: {from: cases.jsonl, n: 1}\n", "do not go together"),
                (mock.replace("task: generate", "task: rolling"), "no meaning with task 'rolling'"),
                (mock.replace("messages: talk", "messages: tlak"), "tlak")):
            self.write("suite.yaml", suite)
            self.refused("run", "suite.yaml", says=says)


if __name__ == "__main__":
    e2e.BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
