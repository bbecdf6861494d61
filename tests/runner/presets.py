#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Presets, keys that change, hosts that are allowed: through the binary, against vendors.py.

    presets.py BINARY [CLASS...]
"""
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import e2e  # noqa: E402
from remote import main  # noqa: E402
from vendors import AWS, KEY, Server  # noqa: E402

os.environ["no_proxy"] = "127.0.0.1,localhost"
SUITE = """\
suite: vendors
dataset: cases.jsonl
target: mock:echo
task: generate
prompt: {system: Be brief., user: "{{ text }}"}
generate: {max_tokens: 20, temperature: 0.5, seed: 3, stop: ["~"]}
metrics: [exact_match]
"""
PLAIN = SUITE.replace('{system: Be brief., user: "{{ text }}"}', '"{{ text }}"')
# Presets whose vendor in vendors.py has another name, or which need more in their URI.
AT = {
    "azure-deployment": ("openai-key", ""), "modal": ("openai-modal", ""),
    "vertex-gemini": ("vertex", "&key_env=none"), "vertex": ("openai", ""),
    "runpod-job": ("runpod-job", "&endpoint=ep1"), "runpod": ("openai", "&endpoint=ep1"),
}
NEEDS = {"azure": "resource=r", "azure-deployment": "resource=r", "azure-foundry": "resource=r",
         "vertex": "project=p", "vertex-gemini": "project=p", "vertex-predict": "project=p"}
# Where the prompt is one text, what system messages say is in it.
TALKS = {"anthropic", "gemini", "vertex-gemini", "cohere", "bedrock", "lmstudio-native", "langgraph"}


class Vendors(e2e.Case):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def environment(self, presets):
        folder = self.dir / "bin"
        folder.mkdir(exist_ok=True)
        tool = folder / "gcloud"
        tool.write_text(f"#!/bin/sh\necho {KEY}\n")
        tool.chmod(0o755)
        env = {k: v for k, v in os.environ.items() if not k.endswith("_KEY")}
        env.update({p["key_env"]: KEY for p in presets if p["key_env"]})
        env.update(MODAL_KEY=KEY, MODAL_SECRET=KEY, AWS_ACCESS_KEY_ID=AWS[0],
                   AWS_SECRET_ACCESS_KEY=AWS[1], PATH=f"{folder}:{os.environ['PATH']}")
        return env

    def ask(self, uri, env, suite=SUITE, code=0, *args):
        self.write("cases.jsonl", [{"id": f"c{i}", "text": f"say \"{i}\" é", "expected":
                                    f"SAY \"{i}\" É"} for i in range(2)])
        done = self.assay("run", self.write("suite.yaml", suite), "--target", uri, "--out", "o",
                          "--fresh", "--no-store", "--format", "json", *args, env=env, code=code)
        return (json.loads(done.stdout) if done.stdout else None), self.lines("o") if \
            (self.dir / "o/results.jsonl").exists() else [], done

    def test_every_preset(self):
        presets = json.loads(self.assay("targets", "--format", "json").stdout)
        self.assertGreater(len(presets), 60)
        env = self.environment(presets)
        for preset in presets:
            name = preset["name"]
            with self.subTest(preset=name):
                vendor, more = AT.get(name, (name, ""))
                if preset["adapter"] == "openai" and name not in AT:
                    vendor = "openai" if preset["key_env"] else "openai-free"
                more = more.replace("&key_env=none", "")
                keys = NEEDS.get(name, "") + more
                model = "o/m" if name == "replicate" else "a.b:1" if name == "bedrock" else "m"
                uri = f"{name}:{self.server.url}/{vendor}#{model}?{keys}".rstrip("?").replace(
                    "?&", "?")
                talks = name in TALKS or preset["adapter"] == "openai"
                found, rows, _ = self.ask(uri, env, SUITE if talks else PLAIN)
                self.assertEqual([row["outcome"] for row in rows], ["ok"] * 2, rows[0].get("error"))
                self.assertEqual(found["metrics"]["exact_match"]["value"], 1)
                self.assertEqual(found["target"]["uri"], uri)
                if preset["adapter"] == "openai" or name in ("anthropic", "gemini", "cohere",
                                                             "bedrock", "replicate"):
                    self.assertEqual((rows[0]["tokens_in"], rows[0]["tokens_out"]), (7, 3))
        everything = b"".join(p.read_bytes() for p in (self.dir / "o").rglob("*") if p.is_file())
        self.assertNotIn(KEY.encode(), everything)

    def test_what_is_odd_about_one(self):
        presets = json.loads(self.assay("targets", "--format", "json").stdout)
        env = self.environment(presets)
        self.ask(f"groq:{self.server.url}/openai#m", env)
        body = json.loads(self.server.seen[-1][3])
        self.assertEqual((body["max_completion_tokens"], body["seed"]), (20, 3))
        self.ask(f"groq:m?base={self.server.url}/openai&limit=max_tokens&stream=no", env)
        body = json.loads(self.server.seen[-1][3])
        self.assertNotIn("stream", body)
        self.assertIn("max_tokens", body)
        self.ask(f"mistral:{self.server.url}/openai#m", env)
        body = json.loads(self.server.seen[-1][3])
        self.assertEqual(body["random_seed"], 3)
        self.assertNotIn("stream_options", body)
        self.ask(f"azure-deployment:{self.server.url}/openai-key#m", {
            **env, "AZURE_OPENAI_RESOURCE": "r"})
        self.assertTrue(self.server.seen[-1][1].endswith("?api-version=2024-10-21"))
        self.ask(f"anthropic:{self.server.url}/anthropic#m", env)
        body = json.loads(self.server.seen[-1][3])
        self.assertEqual((body["system"], body["stop_sequences"], body["temperature"]),
                         ("Be brief.", ["~"], 0.5))
        self.assertEqual(self.server.seen[-1][2]["x-api-key"], KEY)
        self.ask(f"anthropic:{self.server.url}/anthropic#m?version=2026-10-21", env)
        self.assertNotIn("temperature", json.loads(self.server.seen[-1][3]))
        choice = SUITE.replace("task: generate", "task: choice\nchoices: [yes, no]") \
            .replace("exact_match", "accuracy")
        self.write("cases.jsonl", [{"id": "c", "text": "x", "expected": "yes"}])
        suite = self.write("s.yaml", choice)
        self.assay("run", suite, "--target", f"anthropic:{self.server.url}/anthropic#m", "--out",
                   "p", "--no-store", env=env)
        self.assertIn("- yes\n- no", json.loads(self.server.seen[-1][3])["messages"][-1]["content"])

    def test_a_polled_answer_is_cached(self):
        env = {**os.environ, "REPLICATE_API_TOKEN": KEY}
        uri = f"replicate:{self.server.url}/replicate#o/m"
        first, before, _ = self.ask(uri, env, PLAIN, 0, "--cache", "c")
        seen = len(self.server.seen)
        again, after, _ = self.ask(uri, env, PLAIN, 0, "--cache", "c", "--offline")
        self.assertEqual((len(self.server.seen), first["scores_digest"]),
                         (seen, again["scores_digest"]))
        self.assertGreater(before[0]["latency_ms"], 900)  # the wait counts

    def test_binary_tensors(self):
        env = {**os.environ, "KSERVE_TOKEN": KEY}
        url = f"kserve:{self.server.url}/tensors#m"
        for keys in ("?binary=yes&output=text_output", "/3?binary=yes&output=text_output", ""):
            found, rows, _ = self.ask(url + keys, env, PLAIN)
            self.assertEqual(found["metrics"]["exact_match"]["value"], 1)
            sent = self.server.seen[-1][2]
            self.assertEqual(sent["content-type"], "application/octet-stream" if "binary" in keys
                             else "application/json")

    def test_a_file_of_ones_own(self):
        text = self.assay("targets", "groq").stdout
        self.write("presets/groq.yaml", text.replace("max_completion_tokens", "max_tokens"))
        self.write("ours.yaml", f"about: ours\nadapter: openai\nbase: {self.server.url}/openai\n"
                                "key_env: OUR_KEY\nwith: {team: {default: a}}\n"
                                "headers: {X-Team: '{{ team }}'}\n")
        env = {**os.environ, "GROQ_API_KEY": KEY, "OUR_KEY": KEY}
        self.ask(f"groq:{self.server.url}/openai#m", env)
        self.assertIn("max_tokens", json.loads(self.server.seen[-1][3]))
        self.ask("preset:ours.yaml#m?team=blue", env)
        self.assertEqual(self.server.seen[-1][2]["x-team"], "blue")
        # An address of a file is whole; one of a URI may lack the version.
        self.write("short.yaml", f"about: x\nadapter: openai\nbase: {self.server.url}\nkey_env: OUR_KEY\n")
        for uri, path in (("preset:short.yaml#m", "/chat/completions"),
                          (f"preset:short.yaml#m?base={self.server.url}", "/v1/chat/completions")):
            self.ask(uri, env)
            self.assertEqual(self.server.seen[-1][1], path)
        self.ask("preset:groq#m?base=" + self.server.url + "/openai", env)
        for change, says in (("adaptor: openai", "did you mean 'adapter'"),
                             ("adapter: grpc", "openai, ollama, tgi, kserve or http"),
                             ("adapter: openai\noptions: {limt: x}", "'limt' is no option of adapter openai"),
                             ("response: {text: x}\nurl: http://h\nheaders: {Authorization: x}", "auth,"),
                             ("adapter: openai\nheaders: {X-A: {env: NOT_SET_ANYWHERE}}",
                              "$NOT_SET_ANYWHERE"),
                             ("auth: magic", "auth is bearer"),
                             ("with: {region: }", "needs ?region=.."),
                             ("auth: {aws: bedrock}", "needs both")):
            self.write("bad.yaml", f"about: x\nbase: http://127.0.0.1:1\n{change}\n")
            done = self.ask("preset:bad.yaml#m", env, SUITE, 2)[2]
            self.assertIn(says, done.stderr)

    def test_mistakes(self):
        for uri, says in (("grok:m", "did you mean 'groq:'"), ("groq:", "names no model"),
                          ("azure:m", "needs ?resource=.. or $AZURE_OPENAI_RESOURCE"),
                          ("groq:m?limt=none", "did you mean 'limit'"),
                          ("modal:http://127.0.0.1:1#m", "$MODAL_KEY is not set"),
                          ("vastai:m", "names no address"), ("preset:nowhere.yaml#m", "nowhere"),
                          ("preset:grok#m", "did you mean 'groq'"),
                          ("bedrock:m", "AWS_ACCESS_KEY_ID")):
            env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS", "MODAL"))}
            self.assertIn(says, self.ask(uri, env, SUITE, 2)[2].stderr)
        self.assertIn("did you mean 'groq'", self.assay("targets", "grok", code=2).stderr)
        told = self.assay("help", "targets").stdout
        self.assertIn("presets/NAME.yaml", told)
        self.assertIn("http:FILE.yaml\n", told)

    def test_a_key_that_is_wrong(self):
        found, rows, done = self.ask(f"groq:{self.server.url}/openai#m",
                                     {**os.environ, "GROQ_API_KEY": "sk-wrong-canary"}, SUITE, 3)
        self.assertIn("Bearer KEY", rows[0]["error"])
        self.assertNotIn("sk-wrong-canary", json.dumps(rows) + done.stderr)


if __name__ == "__main__":
    main()
