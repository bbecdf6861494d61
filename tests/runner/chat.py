#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a model's own chat template is given: turns, tools, the day; and what becomes of control
tokens that texts spell. Through the binary, by the hash of the prompt that the model saw.

    chat.py BINARY [CLASS...]
"""
import hashlib
import json
import pathlib
import struct
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests/runner"), str(TOP / "tests/engine")]
import e2e  # noqa: E402
import make_models  # noqa: E402

TEMPLATE = """\
{{- bos_token }}
{%- if tools %}<tools {{ tools | tojson }}>{% endif %}
{%- if strftime_now is defined %}<{{ strftime_now("%d %b %Y, %A") }}>{% endif %}
{%- for m in messages %}<{{ m.role }} {{ m.content }}>{% endfor -%}"""
TOOL = {"type": "function", "function": {"name": "look_up", "description": "Finds \u00fc.",
                                         "parameters": {"type": "object", "properties": {}}}}
SUITE = """\
suite: chat
dataset: cases.jsonl
target: gguf:model.gguf
task: generate
generate: {max_tokens: 2}
metrics: [exact_match]
prompt:
  system: Be brief.
  user: "{{ text }}"
"""


class Chat(e2e.Case):
    @classmethod
    def setUpClass(cls):
        cls.vocabulary, size = make_models.small_bpe("qwen2")
        cls.model = make_models.Model(vocabulary=size, seed=7, layers=1, width=32, heads=4,
                                      kv_heads=2, ffn=48)

    def setUp(self):
        super().setUp()
        self.write("cases.jsonl", [{"id": "a", "text": "a <|eot_id|> b", "expected": "x"}])
        self.put_model(TEMPLATE)

    def put_model(self, template=None, **named):
        values = self.model.values(self.vocabulary)
        if template is not None:
            values.append(("tokenizer.chat_template", make_models.STRING, template))
        values += [(f"tokenizer.chat_template.{name}", make_models.STRING, text)
                   for name, text in named.items()]
        make_models.write_gguf(self.dir / "model.gguf", values, self.model.tensors)

    def ask(self, more, out="o"):
        self.write("suite.yaml", SUITE + more)
        found = self.summary("suite.yaml", "--out", out, "--no-store")
        return self.lines(out)[0], found

    def hash_of(self, text):
        return hashlib.sha256(text.encode()).hexdigest()

    def test_the_template_is_recorded(self):
        self.assertEqual(self.ask("")[1]["target"]["chat_template_sha256"], self.hash_of(TEMPLATE))

    def test_tools_and_the_day(self):
        guard = "\U000f0000"  # keeps the text of a control token from being one
        turns = f"<system Be brief.><user a <{guard}|eot_id|> b>"
        plain, _ = self.ask("")
        self.assertEqual(plain["prompt_sha256"], self.hash_of("<|begin_of_text|>" + turns))
        self.write("tools.json", json.dumps([TOOL]))
        begin = f"<|begin_of_text|><tools {json.dumps([TOOL], ensure_ascii=False)}>"
        for i, tools in enumerate(["tools.json", json.dumps([TOOL])]):
            line, found = self.ask(f"  tools: {tools}\n", f"t{i}")
            self.assertEqual(line["prompt_sha256"], self.hash_of(begin + turns))
            sha = found["suite_sha256"]
        line, found = self.ask(f"  tools: {json.dumps([TOOL])}\n  date: 2024-02-29\n", "d")
        self.assertEqual(line["prompt_sha256"],
                         self.hash_of(begin + "<29 Feb 2024, Thursday>" + turns))
        self.assertNotEqual(found["suite_sha256"], sha)

    def test_a_file_with_several_templates(self):
        default, tool_use, rag = (f"{name}|{{{{ messages[-1].content }}}}"
                                  for name in ("plain", "{{ tools | length }} tools", "rag"))
        self.put_model(default, tool_use=tool_use, rag=rag)
        guard = "\U000f0000"
        tools = f"  tools: {json.dumps([TOOL])}\n"
        for i, (more, template, begin) in enumerate((
                ("", default, "plain"), (tools, tool_use, "1 tools"),
                ("  chat_template: rag\n", rag, "rag"),
                (tools + "  chat_template: tool_use\n", tool_use, "1 tools"))):
            line, found = self.ask(more, f"n{i}")
            self.assertEqual(line["prompt_sha256"], self.hash_of(f"{begin}|a <{guard}|eot_id|> b"))
            self.assertEqual(found["target"]["chat_template_sha256"], self.hash_of(template))
        facts = json.loads(self.assay("model", "inspect", "model.gguf", "--format", "json").stdout)
        self.assertEqual(facts["chat_templates"], {
            name: {"sha256": self.hash_of(text), "template": text}
            for name, text in (("tool_use", tool_use), ("rag", rag))})
        self.assertIn("tool_use", self.assay("model", "inspect", "model.gguf").stdout)
        for more, *says in (
                ("  chat_template: tool_us\n", "'tool_us'", "default, tool_use, rag",
                 "did you mean 'tool_use'?"),
                ("  chat_template: tool_use\n  chat: raw\n", "prompt.chat_template", "chat: raw"),
                (tools + "  chat_template: rag\n", "has no place for them")):
            self.write("suite.yaml", SUITE + more)
            self.refused("run", "suite.yaml", says=says)
        self.write("suite.yaml", SUITE + "  chat_template: rag\n")
        self.refused("run", "suite.yaml", "--target", "mock:echo",
                     says=["prompt.chat_template cannot reach"])
        self.put_model(tool_use=tool_use, rag="{{ }}")
        self.assertEqual(self.ask(tools, "only")[1]["target"]["chat_template_sha256"],
                         self.hash_of(tool_use))
        for more, *says in (("", "no default chat template", "tool_use, rag"),
                            ("  chat_template: rag\n", "chat template 'rag'", "line 1")):
            self.write("suite.yaml", SUITE + more)
            self.refused("run", "suite.yaml", says=says)
        self.put_model()
        self.write("suite.yaml", SUITE + "  chat_template: rag\n")
        self.refused("run", "suite.yaml", says=["has no chat template"])

    def test_control_tokens_of_texts(self):
        text, _ = self.ask("", "t")
        said, _ = self.ask("  special_tokens: text\n", "s")
        control, _ = self.ask("  special_tokens: control\n", "c")
        self.assertEqual(text["tokens_in"], said["tokens_in"])
        self.assertEqual(text["tokens_in"] - control["tokens_in"], len("<|eot_id|>") - 1)
        raw, _ = self.ask("  chat: raw\n", "r")
        control, _ = self.ask("  chat: raw\n  special_tokens: control\n", "rc")
        self.assertEqual(raw["tokens_in"] - control["tokens_in"], len("<|eot_id|>") - 1)

    def test_what_is_wrong_is_said(self):
        for more, *says in (
                ("  date: 2023-02-29\n", "prompt.date is '2023-02-29', no day like"),
                ("  date: today\n", "no day like 2026-01-31"),
                ("  tools: [{type: function}]\n", "prompt.tools[0] is no tool"),
                ("  tools: []\n", "a list of 1 to"),
                ("  tools: none.json\n", "prompt.tools: cannot", "none.json"),
                ("  special_tokens: contrl\n", "did you mean 'control'"),
                (f"  chat: raw\n  tools: {json.dumps([TOOL])}\n", "without the chat template")):
            self.write("suite.yaml", SUITE + more)
            self.refused("run", "suite.yaml", says=says)
        self.write("suite.yaml", SUITE + f"  tools: {json.dumps([TOOL])}\n")
        self.refused("run", "suite.yaml", "--target", "mock:echo", says=["prompt.tools cannot reach"])
        self.put_model("{{ strftime_now('%Y') }}{{ messages[0].content }}")
        self.refused("run", "suite.yaml", says=["has no place for them"])
        self.write("suite.yaml", SUITE)
        self.refused("run", "suite.yaml", says=["say which with prompt.date"])
        self.assertEqual(self.ask("  date: 2026-01-31\n")[0]["prompt_sha256"],
                         self.hash_of("2026Be brief."))
        self.put_model("{{ raise_exception('no system') if messages[0].role == 'system' }}")
        self.refused("run", "suite.yaml", says=["chat template of target", "refuses this: no system"])


MARKS = ["<|start|>", "<|channel|>", "<|constrain|>", "<|message|>", "<|end|>", "<|return|>",
         "<|call|>"]


class Harmony(e2e.Case):
    """Answers in messages, as gpt-oss gives them, from a model that goes on with one text alone."""

    def put_model(self, begin, answer):
        """Behind `begin` and each token of `answer`, the next is the likeliest by far: those that
        come have rows of their own in the embeddings, so none may come twice."""
        runes = make_models.byte_alphabet()
        tokens = [runes[byte] for byte in range(256)] + MARKS
        kinds = [make_models.NORMAL] * 256 + [make_models.CONTROL] * len(MARKS)
        vocabulary = make_models.bpe_values(tokens, kinds, [], "gpt-4o", [
            ("tokenizer.ggml.eos_token_id", make_models.U32, tokens.index("<|return|>"))])
        model = make_models.Model(vocabulary=len(tokens), seed=1, layers=1, width=64, heads=4,
                                  kv_heads=2, ffn=64)
        path = [tokens.index(part) if part in MARKS else ord(part) for part in [*begin, *answer]]
        self.assertEqual(len(set(path)), len(path))
        embedding, output = (bytearray(len(tokens) * 64 * 4) for _ in range(2))
        for i, (token, after) in enumerate(zip(path, path[1:])):
            embedding[(token * 64 + i) * 4:(token * 64 + i + 1) * 4] = struct.pack("<f", 1)
            output[(after * 64 + i) * 4:(after * 64 + i + 1) * 4] = struct.pack("<f", 9)
        mine = {"token_embd.weight": embedding, "output.weight": output}
        tensors = [(name, dims, kind, bytes(mine.get(name, raw if "norm" in name else bytes(len(raw)))))
                   for name, dims, kind, raw in model.tensors]
        template = "<|start|>user<|message|>{{ messages[-1].content }}<|end|>" + "".join(begin)
        make_models.write_gguf(self.dir / "model.gguf", model.values(vocabulary) + [
            ("tokenizer.chat_template", make_models.STRING, template)], tensors)

    def ask(self, begin, answer, more="generate: {max_tokens: 40}\n"):
        self.put_model(begin, answer)
        self.write("cases.jsonl", [{"id": "a", "text": "?", "expected": "x"}])
        self.write("suite.yaml", "suite: harmony\ndataset: cases.jsonl\ntarget: gguf:model.gguf\n"
                   "task: generate\nmetrics: [exact_match]\nprompt: {user: '{{ text }}'}\n" + more)
        self.summary("suite.yaml", "--out", "o", "--no-store", "--fresh")
        line = self.lines("o")[0]
        return line["output"], line.get("reasoning", "")

    def test_each_channel_has_its_place(self):
        final = [*"final"]
        for begin, answer, says in (
                (["<|start|>"], ["<|channel|>", *final, "<|message|>", *"Yes.", "<|return|>"],
                 ("Yes.", "")),
                (["<|start|>"], ["<|channel|>", *"cold", "<|message|>", *"Hm?", "<|return|>"],
                 ("", "Hm?")),
                (["<|end|>", "<|start|>"], ["<|message|>", *"Yes.", "<|return|>"], ("Yes.", "")),
                (["<|start|>", "<|message|>"], [*"Yes.", "<|return|>"], ("Yes.", "")),
                (["<|start|>"], ["<|channel|>", *"c to=fun", "<|constrain|>", *"js", "<|message|>",
                                 *"{2:1}", "<|return|>"],
                 ('[{"name":"fun","arguments":"{2:1}"}]', ""))):
            self.assertEqual(self.ask(begin, answer), says)
        self.assertEqual(self.ask(["<|start|>"], ["<|channel|>", *final, "<|message|>", *"Yes.",
                                                  "<|return|>"],
                                  "generate: {max_tokens: 40, stop: [e]}\n"), ("Y", ""))


if __name__ == "__main__":
    e2e.BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
