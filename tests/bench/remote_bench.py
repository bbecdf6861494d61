#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What remote targets cost, each figure beside its ceiling in the same minute.

    remote_bench.py BUILD [PART...]     parts: see PARTS below; without, all of them

Ratios are medians of interleaved repetitions, so that other load on the machine cancels. The
ceiling is bench_curl: a bare libcurl-multi loop that posts the bodies that assay sent.
"""
import contextlib
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path()
SUITE = """\
suite: bench
dataset: cases.jsonl
target: mock:echo
task: generate
prompt: "{{ text }}"
generate: {max_tokens: 20}
metrics: [exact_match]
"""


class Server:
    def __init__(self, *options):
        self.process = subprocess.Popen([BUILD / "bench_endpoint", *map(str, options)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.counts = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.counts = json.loads(self.process.stdout.readline())
        self.process.stdout.close()
        self.process.wait()

    def uri(self, keys="?stream=no"):
        return f"openai:http://127.0.0.1:{self.port}/v1#m{keys}"


class Work:
    """A folder with a suite of so many cases."""
    def __init__(self, folder, cases):
        self.dir = pathlib.Path(folder) / str(cases)
        self.dir.mkdir()
        self.cases = cases
        (self.dir / "suite.yaml").write_text(SUITE)
        with open(self.dir / "cases.jsonl", "w", encoding="utf-8") as out:
            for i in range(cases):
                out.write(json.dumps({
                    "id": f"case-{i:07}", "expected": "The answer is 42.",
                    "text": f"Question {i}: what is six times seven, in one short sentence?"}) + "\n")

    def run(self, uri, *options, code=0):
        """summary.json with cpu_us (of a case), rss_mb and process_s."""
        command = [BUILD / "assay", "run", "suite.yaml", "--target", uri, "--no-store", "--fresh",
                   "--out", "o", "-q", "--format", "json", *map(str, options)]
        start = time.monotonic()
        process = subprocess.Popen(command, cwd=self.dir, stdout=subprocess.PIPE, text=True)
        found = json.loads(process.stdout.read())
        process.stdout.close()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == code, process.returncode
        assert found["cases"]["ok"] == self.cases, found["cases"]
        assert found["metrics"]["exact_match"]["value"] == 1
        found["process_s"] = time.monotonic() - start
        found["cpu_us"] = (used.ru_utime + used.ru_stime) / self.cases * 1e6
        found["rss_mb"] = used.ru_maxrss / 1024
        return found


def bare(server, bodies, at_once, requests):
    done = subprocess.run([BUILD / "bench_curl", f"http://127.0.0.1:{server.port}/v1/chat/completions",
                           bodies, str(at_once), str(requests)], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def record_bodies(work):
    path = work.dir / "bodies"
    with Server("--record", path) as server:
        work.run(server.uri(), "-j", 16)
    return path


def row(*cells):
    print("  " + "".join(f"{cell:>13}" for cell in cells), flush=True)


def rate(folder):
    """0 ms, 128 at once: at least 0.70 of the ceiling, at most 100 us of CPU a case"""
    work = Work(folder, 20000)
    bodies = record_bodies(work)
    ratios, cpu = [], []
    row("assay/s", "curl/s", "ratio", "CPU us", "curl CPU us", "whole run/s")
    with Server() as server:
        for _ in range(7):
            ours, theirs = work.run(server.uri(), "-j", 128), bare(server, bodies, 128, 20000)
            per_s = ours["throughput"]["cases_per_s"]
            ratios.append(per_s / theirs["per_s"])
            cpu.append(ours["cpu_us"])
            row(f"{per_s:.0f}", f"{theirs['per_s']:.0f}", f"{ratios[-1]:.3f}", f"{cpu[-1]:.1f}",
                f"{theirs['cpu_us']:.1f}", f"{20000 / ours['process_s']:.0f}")
    print(f"  median ratio {statistics.median(ratios):.3f}, CPU {statistics.median(cpu):.1f} us a case")


def latency(folder):
    """20 and 200 ms: at least 0.90 and 0.97 of concurrency/latency"""
    row("latency ms", "at once", "cases", "assay/ideal", "curl/ideal")
    for ms, seconds in ((20, 4), (200, 6)):
        for at_once in (4, 32, 128):
            cases = int(at_once * 1000 / ms * seconds)
            work = Work(folder, cases)
            bodies = record_bodies(work)
            with Server("--latency-ms", ms) as server:
                ours, theirs = [], []
                for _ in range(3):
                    found = work.run(server.uri(), "-j", at_once)
                    ours.append(found["throughput"]["cases_per_s"] * ms / 1000 / at_once)
                    theirs.append(bare(server, bodies, at_once, cases)["per_s"] * ms / 1000 / at_once)
            row(ms, at_once, cases, f"{statistics.median(ours):.3f}",
                f"{statistics.median(theirs):.3f}")
            shutil.rmtree(work.dir)


def memory(folder):
    """at most 64 MB, flat from 1,000 to 1,000,000 cases"""
    row("cases", "MB", "cases/s")
    for cases in (1000, 10000, 100000, 1000000):
        work = Work(folder, cases)
        with Server() as server:
            found = work.run(server.uri(), "-j", 128)
        row(cases, f"{found['rss_mb']:.1f}", f"{found['throughput']['cases_per_s']:.0f}")


def streams(folder):
    """10,000 streams open at once"""
    work = Work(folder, 10000)
    with Server("--tokens", 1, "--hold", 10000) as server:
        found = work.run(server.uri(""), "-j", 10000)
    row("open at once", "MB", "wall s")
    row(server.counts["connections"], f"{found['rss_mb']:.0f}", f"{found['wall_s']:.2f}")


def starts(folder):
    """2,000 requests/s: sent within 1 ms of the intended start at p99"""
    row("p50 ms", "p99 ms", "max ms", "achieved/s", "sleeper p99")
    for _ in range(7):
        with Server("--latency-ms", 5) as server:
            sleeper = subprocess.Popen([BUILD / "bench_curl", "sleep", "2000", "10000"],
                                       stdout=subprocess.PIPE, text=True)
            done = subprocess.run([BUILD / "assay", "bench", server.uri(), "--rate", "2000",
                                   "--requests", "10000", "--format", "json"],
                                  stdout=subprocess.PIPE, check=True)
            bare_p99 = json.loads(sleeper.communicate()[0])["p99_ms"]
        found = json.loads(done.stdout)
        late = found["late_ms"]
        row(f"{late['p50']:.4f}", f"{late['p99']:.4f}", f"{late['max']:.3f}",
            f"{found['requests_per_s']:.0f}", f"{bare_p99:.4f}")


def first(folder):
    """under 30 ms from start to the first request"""
    work = Work(folder, 1)
    times, bare_ms = [], []
    for _ in range(25):
        with Server() as server:
            start = time.monotonic()
            work.run(server.uri(), "-j", 1)
        times.append((server.counts["first_s"] - start) * 1000)
        with Server() as server:
            start = time.monotonic()
            subprocess.run(["curl", "-s", "-d", "{}", f"http://127.0.0.1:{server.port}/"],
                           stdout=subprocess.DEVNULL, check=True)
        bare_ms.append((server.counts["first_s"] - start) * 1000)
    print(f"  start of the process to the first request: median {statistics.median(times):.1f} ms, "
          f"best {min(times):.1f}; curl itself: median {statistics.median(bare_ms):.1f} ms")


def dataset(folder):
    """100 MB of cases streamed at 150 MB/s or more"""
    path = pathlib.Path(folder) / "big"
    path.mkdir()
    (path / "suite.yaml").write_text(SUITE)
    line = json.dumps({"expected": "The answer is 42.", "text": "What is six times seven? " * 18})
    count = 0
    with open(path / "cases.jsonl", "w", encoding="utf-8") as out:
        while out.tell() < 100_000_000:
            out.write(f'{{"id": "c{count}", {line[1:]}\n')
            count += 1
    size = (path / "cases.jsonl").stat().st_size / 1e6
    row("MB", "cases", "MB/s", "MB/CPU s", "MB memory")
    for _ in range(3):
        start = time.monotonic()
        process = subprocess.Popen([BUILD / "assay", "run", "suite.yaml", "--limit", "1", "--fresh",
                                    "--no-store", "--out", "o", "-q"], cwd=path,
                                   stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        row(f"{size:.0f}", count, f"{size / (time.monotonic() - start):.0f}",
            f"{size / (used.ru_utime + used.ru_stime):.0f}", f"{used.ru_maxrss / 1024:.0f}")


def promptfoo(folder):
    """at least 300 times promptfoo's cases a second ($PROMPTFOO: its command; skipped without)"""
    command = os.environ.get("PROMPTFOO")
    if not command:
        print("  $PROMPTFOO is not set: skipped")
        return
    few, many = Work(folder, 1000), Work(folder, 60000)
    rows = [json.loads(line) for line in open(few.dir / "cases.jsonl", encoding="utf-8")]
    env = {**os.environ, "PROMPTFOO_DISABLE_TELEMETRY": "1", "PROMPTFOO_DISABLE_UPDATE": "1",
           "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1", "PROMPTFOO_CONFIG_DIR": str(few.dir / "pf"),
           "OPENAI_API_KEY": "none"}
    row("assay/s", "promptfoo/s", "ratio")
    ratios = []
    with Server() as server:
        (few.dir / "promptfooconfig.json").write_text(json.dumps({
            "prompts": ["{{text}}"],
            "providers": [{"id": "openai:chat:m", "config": {
                "apiBaseUrl": f"http://127.0.0.1:{server.port}/v1", "temperature": 0,
                "max_tokens": 20}}],
            "tests": [{"vars": {"text": r["text"]},
                       "assert": [{"type": "equals", "value": r["expected"]}]} for r in rows]}))
        for _ in range(3):
            start = time.monotonic()
            done = subprocess.run([*command.split(), "eval", "-c", "promptfooconfig.json", "-j", "128",
                                   "--no-cache", "--no-progress-bar", "--no-table", "-o",
                                   "out.json"], cwd=few.dir, env=env, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, check=False)
            theirs = len(rows) / (time.monotonic() - start)
            passed = json.loads((few.dir / "out.json").read_text())["results"]["stats"]["successes"]
            assert passed == len(rows), (passed, done.stderr[-500:])
            ours = many.cases / many.run(server.uri(), "-j", 128)["process_s"]
            ratios.append(ours / theirs)
            row(f"{ours:.0f}", f"{theirs:.1f}", f"{ratios[-1]:.0f}")
    print(f"  median ratio {statistics.median(ratios):.0f} (both with start-up and report)")


PARTS = {"rate": rate, "latency": latency, "memory": memory, "streams": streams, "starts": starts,
         "first": first, "dataset": dataset, "promptfoo": promptfoo}


def main():
    global BUILD
    BUILD = pathlib.Path(sys.argv[1]).resolve()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for name in sys.argv[2:] or PARTS:
        print(f"{name}: {PARTS[name].__doc__}")
        with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
            PARTS[name](folder)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
