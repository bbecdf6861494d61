#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""assay model pull against a local server that speaks the hub's protocol, and a store as Ollama
keeps it.

    pull.py BINARY MODELS_FOLDER [CLASS...]      Standard library only.
"""
import hashlib
import http.server
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import unittest
import urllib.parse

import e2e

MODELS = pathlib.Path()
COMMIT, OTHER = "0123456789abcdef0123456789abcdef01234567", "f" * 40
TOKEN = "hf_secretsecretsecret"


class Hub(http.server.BaseHTTPRequestHandler):
    """/OWNER/REPO/resolve/REVISION/FILE sends to the other server, which has the bytes."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        s, headers = self.server.state, dict(self.headers)
        with s.lock:
            s.seen.append((self.command, self.path, headers))
        _, _, repo, how, revision, name = map(urllib.parse.unquote, self.path.split("/", 5))
        data = s.files.get(name)
        if s.trouble and s.trouble[0][0] == self.command:
            _, status, more = s.trouble.pop(0)
            return self.reply(status, b"{}", **more)
        if s.private and headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.reply(401, X_Error_Code="GatedRepo" if s.gated else "RepoNotFound")
        if repo == "old":  # renamed: within the hub
            return self.reply(307, Location=self.path.replace("/old/", "/model/"))
        if repo != "model":
            return self.reply(404, X_Error_Code="RepoNotFound")
        if revision not in ("main", "v1", "refs/pr/1", COMMIT):
            return self.reply(404, X_Error_Code="RevisionNotFound")
        if data is None:
            return self.reply(404, X_Error_Code="EntryNotFound")
        sha = s.lie or hashlib.sha256(data).hexdigest()
        if how == "raw":
            return self.reply(200, f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha}\n"
                                   f"size {len(data)}\n".encode())
        facts = {"X_Repo_Commit": COMMIT} if s.says_commit else {}
        if s.says_hash:
            facts |= {"X_Linked_Etag": f'"{sha}"', "X_Linked_Size": len(data)}
        self.reply(302, ETag=f'"{"a" * 40}"', Location=f"{s.cdn}/blob/{urllib.parse.quote(name)}?sig=x", **facts)


class Cdn(Hub):
    def do_GET(self):
        s = self.server.state
        with s.lock:
            s.cdn_seen.append((self.command, self.path, dict(self.headers)))
        data = s.files[urllib.parse.unquote(self.path.split("?")[0].removeprefix("/blob/"))]
        first, status, headers = 0, 200, {}
        asked = self.headers.get("Range")
        if asked and s.ranges:
            first = int(asked.removeprefix("bytes=").rstrip("-"))
            if first >= len(data):
                return self.reply(416, Content_Range=f"bytes */{len(data)}")
            status = 206
            headers["Content_Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
        body, left = data[first:], s.cuts.pop(0) if s.cuts else None
        if s.wrong_range and status == 206:
            headers["Content_Range"] = f"bytes 1-{len(data) - 1}/{len(data)}"
        if left is None:
            if s.gate:
                s.gate.wait(20)
            return self.reply(status, body, **headers)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:left])
        self.wfile.flush()
        self.close_connection = True


class State:
    def __init__(self):
        self.lock, self.seen, self.cdn_seen = threading.Lock(), [], []
        self.files, self.trouble, self.cuts = {}, [], []
        self.private = self.gated = self.wrong_range = False
        self.ranges = self.says_hash = self.says_commit = True
        self.lie, self.gate, self.cdn = None, None, ""


class Pull(e2e.Case):
    def serve(self, handler):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads, server.state = True, self.state
        server.handle_error = lambda *_: None  # a client that hung up
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server.server_port

    def setUp(self):
        super().setUp()
        self.state = State()
        # Another name is another host: what is secret may not go there.
        self.state.cdn = f"http://localhost:{self.serve(Cdn)}"
        self.hub = f"http://127.0.0.1:{self.serve(Hub)}"
        self.data = (MODELS / "f32.gguf").read_bytes() + random.Random(1).randbytes(900_000)
        self.state.files = {"sub/m 1.gguf": self.data, "small.gguf": b"GGUF" + bytes(60)}
        self.path = self.dir / ".assay/models/org/model/sub/m 1.gguf"
        self.env = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        self.env |= {"HF_ENDPOINT": self.hub, "no_proxy": "127.0.0.1,localhost"}

    def pull(self, source="hf:org/model/sub/m 1.gguf", *args, code=0, env=None, **more):
        return self.assay("model", "pull", source, "--format", "json", *args, code=code,
                          env=self.env | (env or {}), **more)

    def parts(self):
        return [p for p in self.dir.rglob("*.part")]

    def test_a_file_is_pinned_verified_and_recorded(self):
        found = json.loads(self.pull().stdout)
        sha = hashlib.sha256(self.data).hexdigest()
        self.assertEqual(self.path.read_bytes(), self.data)
        self.assertEqual(found, {"file": ".assay/models/org/model/sub/m 1.gguf",
                                 "repository": "org/model", "revision": "main", "commit": COMMIT,
                                 "size": len(self.data), "downloaded": len(self.data),
                                 "sha256": {".assay/models/org/model/sub/m 1.gguf": sha}})
        kept = json.loads(pathlib.Path(f"{self.path}.source.json").read_text())
        self.assertEqual(kept, {"hub": self.hub, "repository": "org/model", "file": "sub/m 1.gguf",
                                "revision": "main", "commit": COMMIT, "sha256": sha,
                                "size": len(self.data)})
        self.assertEqual(self.parts(), [])
        # The bytes were asked for at the commit, not at a branch that may move.
        self.assertEqual([(how, path) for how, path, _ in self.state.seen],
                         [("HEAD", "/org/model/resolve/main/sub/m%201.gguf"),
                          ("GET", f"/org/model/resolve/{COMMIT}/sub/m%201.gguf")])
        again = json.loads(self.pull().stdout)
        self.assertEqual(again["downloaded"], 0)
        self.assertEqual(len(self.state.cdn_seen), 1)

    def test_names(self):
        self.state.files["m.gguf"] = b"GGUF" + bytes(64)
        for source in ("hf:org/model@v1/m.gguf", f"hf:org/model@{COMMIT}/m.gguf",
                       "hf:org/model@refs%2Fpr%2F1/m.gguf", "hf:org/old/m.gguf",
                       f"{self.hub}/org/model/resolve/main/m.gguf?download=true",
                       f"{self.hub}/org/model/blob/v1/m.gguf"):
            found = json.loads(self.pull(source, "--out", "here.gguf").stdout)
            self.assertEqual((found["file"], found["commit"]), ("here.gguf", COMMIT))
            (self.dir / "here.gguf").unlink()
        self.assertEqual(json.loads(self.pull("hf:org/model/m.gguf", "--out", "d/").stdout)["file"],
                         "d/m.gguf")
        for bad in ("hf:org/m.gguf", "hf:org/model", "hf:org/model/", "hf:org/model/../x",
                    "hf:org/model@/x", "hf:../model/x", "hf:org/model/a\nb", f"{self.hub}/org/x",
                    "http://elsewhere/org/model/resolve/main/m.gguf", "x", "hf:", "s3:b/m.gguf"):
            self.assertIn("write hf:" if bad[:2] in ("hf", "ht") else "nothing that can be pulled",
                          self.pull(bad, code=2).stderr)

    def test_the_token_goes_to_the_hub_alone(self):
        self.state.private = True
        says = self.pull(code=2).stderr
        self.assertIn("needs a token ($HF_TOKEN)", says)
        self.state.gated = True
        self.assertIn("its terms must be accepted",
                      self.pull(code=2, env={"HF_TOKEN": "wrong"}).stderr)
        done = self.pull("hf:org/model/sub/m 1.gguf", "-v", env={"HF_TOKEN": TOKEN})
        self.assertNotIn(TOKEN, done.stdout + done.stderr)
        self.assertEqual(self.path.read_bytes(), self.data)
        self.assertIn(f"Bearer {TOKEN}", [h.get("Authorization") for _, _, h in self.state.seen])
        for _, _, headers in self.state.cdn_seen:
            self.assertNotIn("Authorization", headers)
        kept = "".join(p.read_text() for p in self.dir.rglob("*.json"))
        self.assertNotIn(TOKEN, kept)

    def test_what_broke_off_goes_on(self):
        self.state.cuts = [100_000, 0, 250_000]
        found = json.loads(self.pull().stdout)
        self.assertEqual(self.path.read_bytes(), self.data)
        self.assertEqual(found["downloaded"], len(self.data))
        self.assertEqual([h.get("Range") for _, _, h in self.state.cdn_seen],
                         [None, "bytes=100000-", "bytes=100000-", "bytes=350000-"])

    def test_what_a_signal_stopped_goes_on(self):
        self.state.cuts, self.state.gate = [200_000], threading.Event()
        process = subprocess.Popen([e2e.BINARY, "model", "pull", "hf:org/model/sub/m 1.gguf"],
                                   cwd=self.dir, env=self.env, stderr=subprocess.PIPE, text=True)
        while len(self.state.cdn_seen) < 2:  # it waits for the rest now
            self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        self.assertIn("interrupted", process.communicate(timeout=30)[1])
        self.assertEqual(process.returncode, 130)
        self.state.gate.set()
        self.assertEqual([p.stat().st_size for p in self.parts()], [200_000])
        self.assertFalse(self.path.exists())
        found = json.loads(self.pull().stdout)
        self.assertEqual(found["downloaded"], len(self.data) - 200_000)
        self.assertEqual(self.path.read_bytes(), self.data)
        self.assertEqual(self.parts(), [])

    def part_of(self, content):
        """As an earlier pull left it."""
        part = pathlib.Path(f"{self.path}.{hashlib.sha256(self.data).hexdigest()[:12]}.part")
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)

    def test_rests_that_are_wrong_are_fetched_again(self):
        for rest in (b"x" * 5000, self.data[:70_000] + b"x", self.data + b"more", self.data[:-1]):
            self.part_of(rest)
            self.pull()
            self.assertEqual(self.path.read_bytes(), self.data)
            self.path.unlink()
        self.part_of(self.data)  # whole: nothing is asked
        self.assertEqual(json.loads(self.pull().stdout)["downloaded"], 0)

    def test_servers_without_ranges(self):
        self.state.ranges, self.state.cuts = False, [300_000]
        found = json.loads(self.pull().stdout)
        self.assertEqual(self.path.read_bytes(), self.data)
        self.assertEqual(found["downloaded"], len(self.data) + 300_000)
        self.path.unlink()
        self.state.ranges, self.state.cuts, self.state.wrong_range = True, [300_000], True
        self.assertIn("cannot continue", self.pull(code=3).stderr)

    def test_troubles_that_pass(self):
        self.state.trouble = [("HEAD", 503, {}), ("HEAD", 429, {"Retry_After": "0"}),
                              ("GET", 500, {}), ("GET", 502, {"Retry_After": "0.1"})]
        self.pull()
        self.assertEqual(self.path.read_bytes(), self.data)

    def test_wrong_bytes_are_never_there(self):
        self.state.lie = "b" * 64
        says = self.pull(code=3).stderr
        self.assertIn("not " + "b" * 64, says)
        self.assertEqual([p for p in self.dir.rglob("*") if p.is_file()], [])
        self.state.lie = None
        self.state.files["sub/m 1.gguf"] = self.data[:-5]
        self.pull()
        # A file that was pulled gives way to what its name is now; one that was not, does not.
        self.state.files["sub/m 1.gguf"] = self.data
        self.pull()
        self.assertEqual(self.path.read_bytes(), self.data)
        self.write("mine.gguf", b"mine")
        self.assertIn("was not pulled",
                      self.pull("hf:org/model/sub/m 1.gguf", "--out", "mine.gguf", code=2).stderr)
        self.assertEqual((self.dir / "mine.gguf").read_bytes(), b"mine")

    def test_mirrors_that_say_less(self):
        self.state.says_hash = False  # then the LFS pointer does
        self.pull()
        self.assertEqual(self.path.read_bytes(), self.data)
        self.assertIn(f"/org/model/raw/{COMMIT}/sub/m%201.gguf", [p for _, p, _ in self.state.seen])
        self.state.says_commit = False
        self.assertIn("nothing could be pinned",
                      self.pull("hf:org/model/small.gguf", code=3).stderr)

    def test_what_is_not_there(self):
        for source, says in (("hf:org/none/x.gguf", "no such repository"),
                             ("hf:org/model@v9/x.gguf", "no such revision"),
                             ("hf:org/model/x.gguf", "no such file")):
            self.assertIn(says, self.pull(source, code=2).stderr)
        self.assertIn("which --offline forbids",
                      self.pull("hf:org/model/small.gguf", "--offline", code=2).stderr)
        self.assertIn("HF_ENDPOINT", self.pull(code=2, env={"HF_ENDPOINT": "ftp://x"}).stderr)
        self.assertEqual([p for p in self.dir.rglob("*") if p.is_file()], [])

    def test_a_full_disk(self):
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        says = self.pull(code=3, preexec_fn=limit).stderr
        self.assertIn("cannot write", says)
        self.assertFalse(self.path.exists())
        found = json.loads(self.pull().stdout)  # with room it goes on
        self.assertEqual(self.path.read_bytes(), self.data)
        self.assertEqual(found["downloaded"], len(self.data) - 300_000)

    def test_models_in_parts(self):
        for i in (1, 2, 3):
            name = f"parts-{i:05}-of-00003.gguf"
            self.state.files[name] = (MODELS / name).read_bytes()
        found = json.loads(self.pull("hf:org/model/parts-00001-of-00003.gguf", "--out", "p").stdout)
        self.assertEqual(found["file"], "p/parts-00001-of-00003.gguf")
        self.assertEqual(len(found["sha256"]), 3)
        self.assertEqual(found["size"], sum(len(data) for name, data in self.state.files.items()
                                            if name.startswith("parts")))
        # What follows the first is asked at the first's commit.
        self.assertTrue(all(COMMIT in path for how, path, _ in self.state.seen[1:]))
        self.assertIn("name the first one",
                      self.pull("hf:org/model/parts-00002-of-00003.gguf", code=2).stderr)
        self.assertTrue(json.loads(self.assay("model", "perplexity",
                                              "p/parts-00001-of-00003.gguf?ctx=16",
                                              self.write("t", "the cat " * 40), "--format",
                                              "json").stdout)["perplexity"] > 0)

    def test_two_at_once(self):
        self.state.gate = threading.Event()
        command = [e2e.BINARY, "model", "pull", "hf:org/model/sub/m 1.gguf", "--format", "json"]
        both = [subprocess.Popen(command, cwd=self.dir, env=self.env, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True) for _ in range(2)]
        while sum(how == "HEAD" for how, _, _ in self.state.seen) < 2 or not self.state.cdn_seen:
            self.assertEqual([p.poll() for p in both], [None, None])
        self.state.gate.set()
        done = [(*p.communicate(timeout=60), p.returncode) for p in both]
        self.assertEqual([code for _, _, code in done], [0, 0], done)
        moved = sorted(json.loads(out)["downloaded"] for out, _, _ in done)
        self.assertEqual(moved, [0, len(self.data)])
        self.assertEqual(self.path.read_bytes(), self.data)
        self.assertEqual(self.parts(), [])


class Store(e2e.Case):
    """Ollama's store, in place."""

    def setUp(self):
        super().setUp()
        self.store = self.dir / "store"
        (self.store / "blobs").mkdir(parents=True)
        self.env = os.environ | {"OLLAMA_MODELS": str(self.store)}

    def keep(self, name, *layers, text=None):
        entries = []
        for kind, data in layers:
            sha = hashlib.sha256(data).hexdigest()
            (self.store / f"blobs/sha256-{sha}").write_bytes(data)
            entries.append({"mediaType": f"application/vnd.ollama.image.{kind}",
                            "digest": f"sha256:{sha}", "size": len(data)})
        path = self.store / "manifests" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text or json.dumps({"schemaVersion": 2, "layers": entries}))
        return entries

    def pull(self, source, code=0):
        return self.assay("model", "pull", source, "--format", "json", code=code, env=self.env)

    def test_in_place(self):
        model = (MODELS / "f32.gguf").read_bytes()
        sha = hashlib.sha256(model).hexdigest()
        self.keep("registry.ollama.ai/library/tiny/latest", ("license", b"free"), ("model", model))
        self.keep("registry.ollama.ai/me/tiny/1b-q8_0", ("model", model))
        self.keep("hf.co/org/tiny/Q4_K_M", ("model", model))
        for name in ("tiny", "tiny:latest", "me/tiny:1b-q8_0", "hf.co/org/tiny:Q4_K_M"):
            found = json.loads(self.pull(f"ollama-store:{name}").stdout)
            self.assertEqual(found, {"file": str(self.store / f"blobs/sha256-{sha}"),
                                     "size": len(model), "sha256": sha})
        facts = json.loads(self.assay("model", "inspect", "ollama-store:tiny", "--format", "json",
                                      env=self.env).stdout)
        self.assertEqual(facts["sha256"], sha)
        # As a target it is the same file.
        self.write("cases.jsonl", [{"id": "a", "text": "the", "expected": "x"}])
        suite = ("suite: s\ndataset: cases.jsonl\ntask: choice\nprompt: '{{ text }}'\n"
                 "choices: [x, y]\nmetrics: [accuracy]\n")
        self.write("suite.yaml", suite)
        shutil.copy(MODELS / "f32.gguf", self.dir)
        digests = set()
        for i, target in enumerate(("gguf:f32.gguf", "gguf:ollama-store:me/tiny:1b-q8_0?threads=1")):
            found = json.loads(self.assay("run", "suite.yaml", "-t", target, "--no-store", "--out",
                                          f"o{i}", "--format", "json", env=self.env).stdout)
            self.assertEqual(found["target"]["model_sha256"], sha)
            digests.add(found["scores_digest"])
        self.assertEqual(len(digests), 1)

    def test_adapters(self):
        self.keep("registry.ollama.ai/library/tuned/latest",
                  ("model", (MODELS / "lora_llama.gguf").read_bytes()),
                  ("adapter", (MODELS / "lora_llama.adapter.gguf").read_bytes()))
        found = json.loads(self.pull("ollama-store:tuned").stdout)
        text = self.write("t", "the cat " * 40)
        values = [json.loads(self.assay("model", "perplexity", model, text, "--format", "json",
                                        env=self.env).stdout)["perplexity"] for model in
                  ("ollama-store:tuned?ctx=16", f"{found['file']}?ctx=16&lora={found['lora']}",
                   f"{found['file']}?ctx=16")]
        self.assertEqual(values[0], values[1])
        self.assertNotEqual(values[0], values[2])

    def test_what_is_wrong(self):
        [entry] = self.keep("registry.ollama.ai/library/a/latest", ("model", b"GGUF" + bytes(99)))
        blob = self.store / "blobs" / entry["digest"].replace(":", "-")
        self.keep("registry.ollama.ai/library/two/latest", ("model", b"a"), ("model", b"b"))
        self.keep("registry.ollama.ai/library/none/latest", ("license", b"a"))
        self.keep("registry.ollama.ai/library/torn/latest", text='{"layers": [')
        bad = {"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:../../x"}
        self.keep("registry.ollama.ai/library/out/latest", text=json.dumps({"layers": [bad]}))
        for name, says in (("b", "has no 'b'"), ("a:1", "has no 'a:1'"), ("two", "several models"),
                           ("none", "names no model"), ("torn", "torn/latest"),
                           ("out", "64 hex digits"), ("../a", "names no model of Ollama"),
                           ("", "names no model of Ollama"), ("a/../b", "names no model of Ollama")):
            self.assertIn(says, self.pull(f"ollama-store:{name}", code=2).stderr)
        blob.write_bytes(b"GGUF" + bytes(98) + b"x")
        self.assertIn("not that of its name", self.pull("ollama-store:a", code=3).stderr)
        blob.write_bytes(b"GGUF")
        self.assertIn("its manifest says", self.pull("ollama-store:a", code=2).stderr)
        blob.unlink()
        self.assertIn("is not there", self.pull("ollama-store:a", code=2).stderr)

    def test_files(self):
        path = MODELS / "f32.gguf"
        found = json.loads(self.pull(f"file:{path}").stdout)
        self.assertEqual(found, {"file": str(path), "size": path.stat().st_size,
                                 "sha256": hashlib.sha256(path.read_bytes()).hexdigest()})
        self.assertIn("nowhere", self.pull("file:nowhere", code=2).stderr)
        self.assertIn("--out has no meaning", self.assay("model", "pull", f"file:{path}", "--out",
                                                         "x", code=2).stderr)
        self.assertIn("has no --out", self.assay("model", "inspect", path, "--out", "x",
                                                 code=2).stderr)


if __name__ == "__main__":
    MODELS = pathlib.Path(sys.argv.pop(2)).resolve()
    sys.exit(e2e.main(sys.modules[__name__]))
