#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A suite of four choices a case after a long shared prompt: assay beside llama.cpp.

    suite_bench.py ASSAY LLAMA_BIN MODEL.gguf [--threads N] [--cases N] [--peer-cases N]
                   [--slots N,N] [--only assay|server|perplexity]

The same cases, file and threads; cases a second of the clock, and of processor time, which says the
same with one thread and a quiet machine, and still says it with neighbours:

assay        `assay run`, task choice, the whole program with its start.
server       llama-server over HTTP, prompt cache on. It scores no given text, so clients have
             two ways: a grammar that forces a completion to be the choice (grammar), or a request a
             token with a bias that makes it the one (bias), each with its log-probability (n_probs).
             A slot works on a case, its choices one after the other, as many cases at once as there
             are slots; connections are kept, tokens are made beforehand, the first case of a slot,
             which fills its cache, is not counted. The best of all ways tried is the figure.
perplexity   llama-perplexity --multiple-choice on the same tasks in its own binary format. Its
             start is taken off: half the tasks are timed too, and the difference counts.
"""
import argparse
import concurrent.futures
import http.client
import json
import math
import os
import pathlib
import random
import resource
import socket
import struct
import subprocess
import sys
import tempfile
import time

LETTERS = "etaoinshrdlucm"


def words(rng, count):
    return "".join(rng.choice(LETTERS) if i % 5 else " " for i in range(count)).strip()


def make_cases(count):
    rng = random.Random(5)
    prefix = words(rng, 500)
    cases = []
    for i in range(count):
        options = [words(rng, 9) for _ in range(4)]
        cases.append({"id": f"c{i}", "text": words(rng, 32), "options": options,
                      "expected": options[i % 4]})
    return prefix, cases


def children_s():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Rate:
    def __init__(self, cases, wall, cpu):
        self.cases, self.wall, self.cpu = cases, wall, cpu

    def __str__(self):
        return (f"{self.cases} cases in {self.wall:.1f} s, {self.cases / self.wall:.2f} a second, "
                f"{self.cases / self.cpu:.2f} a processor second")

    def over(self, other):
        return (f"{self.cases / self.wall / (other.cases / other.wall):.1f} by the clock, "
                f"{self.cases / self.cpu / (other.cases / other.cpu):.1f} by processor time")


def run_assay(args, folder, prefix, cases):
    (folder / "cases.jsonl").write_text("".join(json.dumps(c) + "\n" for c in cases))
    (folder / "suite.yaml").write_text(
        f"suite: bench\ndataset: cases.jsonl\ntarget: 'gguf:{args.model}?threads={args.threads}"
        f"{args.query}'\ntask: choice\nprompt: {{user: \"{prefix} {{{{ text }}}}\", chat: raw}}\n"
        "choices: {field: options}\nmetrics: [accuracy]\n")
    begin, cpu = time.monotonic(), children_s()
    subprocess.run([args.assay, "run", "suite.yaml", "--out", "o", "--no-store", "-q"], cwd=folder,
                   check=True, stdout=subprocess.DEVNULL)
    wall, cpu = time.monotonic() - begin, children_s() - cpu
    lines = (folder / "o/results.jsonl").read_text().splitlines()
    found = {}
    for line in map(json.loads, lines):
        if "id" in line and "choice_logprobs" in line:
            found[line["id"]] = line["choice_logprobs"]
    rate = Rate(len(cases), wall, cpu)
    print(f"assay: {rate}", flush=True)
    return rate, found


def quoted(text):
    return 'root ::= "' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Server:
    def __init__(self, args, slots):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.process = subprocess.Popen(
            [f"{args.llama}/llama-server", "-m", args.model, "-t", str(args.threads), "-tb",
             str(args.threads), "-np", str(slots), "-c", str(1024 * slots), "--port", str(self.port),
             "--no-webui"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(300):
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port)
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise SystemExit("llama-server did not start")

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        self.process.terminate()
        self.process.wait()


class Client:
    """One slot of the server, one connection: the cases of a lane, one after the other."""

    def __init__(self, server, slot, mode):
        self.slot, self.mode = slot, mode
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port)

    def ask(self, path, body):
        self.connection.request("POST", path, json.dumps(body),
                                {"Content-Type": "application/json"})
        return json.loads(self.connection.getresponse().read())

    def complete(self, prompt, **more):
        return self.ask("/completion", {
            "prompt": prompt, "temperature": 0, "n_probs": 1, "cache_prompt": True,
            "id_slot": self.slot, **more})["completion_probabilities"]

    def tokens(self, text, first):
        return self.ask("/tokenize", {"content": text, "add_special": first})["tokens"]

    def prepare(self, prefix, case):
        prompt = prefix + " " + case["text"]
        ids = self.tokens(prompt, True)
        whole = [self.tokens(prompt + " " + o, True) for o in case["options"]]
        assert all(w[:len(ids)] == ids for w in whole)
        return case, prompt, ids, [w[len(ids):] for w in whole]

    def score(self, prepared):
        """The log-probability of each choice."""
        case, prompt, ids, options = prepared
        sums = []
        for text, option in zip(case["options"], options):
            if self.mode == "grammar":
                got = self.complete(prompt, n_predict=24, grammar=quoted(" " + text))
                sums.append(sum(t["logprob"] for t in got[:len(option)]))
            else:
                sums.append(sum(self.complete(ids + option[:i], n_predict=1,
                                              logit_bias=[[token, 1000]])[0]["logprob"]
                                for i, token in enumerate(option)))
        return sums


def run_server(args, prefix, cases, ours):
    best = None
    for mode in args.modes:
        for slots in args.slots:
            server = Server(args, slots)
            clients = [Client(server, slot, mode) for slot in range(slots)]
            count = slots + max(args.peer_cases, 2 * slots)
            prepared = [clients[0].prepare(prefix, c) for c in cases[:count]]
            warm, counted = prepared[:slots], prepared[slots:]
            with concurrent.futures.ThreadPoolExecutor(slots) as pool:
                def run(some):
                    lanes = [some[slot::slots] for slot in range(slots)]
                    return list(pool.map(lambda job: [job[0].score(c) for c in job[1]],
                                         zip(clients, lanes)))
                run(warm)
                begin, cpu = time.monotonic(), server.cpu_s()
                answers = run(counted)
                rate = Rate(len(counted), time.monotonic() - begin, server.cpu_s() - cpu)
            server.close()
            apart = max((abs(a - b) for slot in range(slots)
                         for job, got in zip(counted[slot::slots], answers[slot])
                         for a, b in zip(got, ours.get(job[0]["id"], got))), default=math.nan)
            print(f"llama-server by {mode}, {slots} slots: {rate}; log-probabilities at most "
                  f"{apart:.2f} apart", flush=True)
            if not best or rate.cases / rate.cpu > best.cases / best.cpu:
                best = rate
    return best


def task_file(path, prefix, cases):
    """Tasks as llama-perplexity reads them: their number, their places, then question and answers."""
    def string(text):
        data = text.encode()
        return struct.pack("<I", len(data)) + data
    bodies = []
    for c in cases:
        body = string(prefix + " " + c["text"]) + struct.pack("<I", 4)
        body += b"".join(string(o) for o in c["options"])
        body += struct.pack("<4i", *[int(o == c["expected"]) for o in c["options"]])
        bodies.append(body + struct.pack("<I", 0))
    at, places = 4 + 4 * len(bodies), []
    for body in bodies:
        places.append(at)
        at += len(body)
    path.write_bytes(struct.pack("<I", len(bodies)) + struct.pack(f"<{len(places)}I", *places) +
                     b"".join(bodies))


def run_perplexity(args, folder, prefix, cases):
    times = []
    for count in (args.peer_cases // 2, args.peer_cases):
        task_file(folder / "tasks.bin", prefix, cases[:count])
        begin, cpu = time.monotonic(), children_s()
        done = subprocess.run(
            [f"{args.llama}/llama-perplexity", "-m", args.model, "--multiple-choice", "-bf",
             str(folder / "tasks.bin"), "-t", str(args.threads), "-tb", str(args.threads), "-c",
             "2048", "-b", "2048", "-ub", "512", "-np", "12", "-kvu"],
            capture_output=True, text=True, errors="replace")
        times.append((time.monotonic() - begin, children_s() - cpu))
        if f"\n{count}\t" not in done.stdout + done.stderr:
            print(done.stdout[-500:], done.stderr[-1500:])
            raise SystemExit("llama-perplexity did not do its tasks")
    rate = Rate(args.peer_cases - args.peer_cases // 2, times[1][0] - times[0][0],
                times[1][1] - times[0][1])
    print(f"llama-perplexity --multiple-choice, its start taken off: {rate}", flush=True)
    return rate


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("assay")
    parser.add_argument("llama")
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--peer-cases", type=int, default=24)
    parser.add_argument("--slots", type=lambda s: [int(n) for n in s.split(",")], default=[1, 8])
    parser.add_argument("--modes", type=lambda s: s.split(","), default=["grammar", "bias"])
    parser.add_argument("--query", default="", help="more of the target, like &cpu=avx2")
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    args.assay, args.model = os.path.abspath(args.assay), os.path.abspath(args.model)
    prefix, cases = make_cases(max(args.cases, 200))
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        rates = {}
        ours = {}
        if args.only in ("", "assay"):
            rates["assay"], ours = run_assay(args, folder, prefix, cases[:args.cases])
        if args.only in ("", "server"):
            rates["server"] = run_server(args, prefix, cases, ours)
        if args.only in ("", "perplexity"):
            rates["perplexity"] = run_perplexity(args, folder, prefix, cases)
        for peer in ("server", "perplexity"):
            if "assay" in rates and peer in rates:
                print(f"assay / {peer}: {rates['assay'].over(rates[peer])}")


sys.exit(main())
