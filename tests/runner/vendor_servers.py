#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Asks real servers through their presets, by hand, before a preset is called checked.

    python3 -m venv /tmp/venv
    /tmp/venv/bin/pip install 'litellm[proxy]'
    /tmp/venv/bin/python tests/runner/vendor_servers.py build/assay [NAME...]

Each server stands between assay and endpoint.py, which is the model. Streamed and whole answers
must be those of the model, with its token counts. A line a server, with its version; exit code 1
when one is not understood.
"""
import contextlib
import importlib.metadata
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from endpoint import Endpoint  # noqa: E402
from remote import SUITE  # noqa: E402

KEY = "sk-server-canary-0123"
COUNT = 12


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@contextlib.contextmanager
def started(command, port, log, **env):
    with open(log, "w", encoding="utf-8") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT,
                                   env={**os.environ, **env})
        try:
            for _ in range(1200):
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    assert process.poll() is None, log.read_text()[-2000:]
                    time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def litellm(folder, model):
    (folder / "config.yaml").write_text(json.dumps({
        "model_list": [{"model_name": "m", "litellm_params": {
            "model": "openai/m", "api_base": f"{model.url}/x/v1", "api_key": "none"}}],
        "general_settings": {"master_key": KEY}}))
    port = free_port()
    command = [str(pathlib.Path(sys.executable).parent / "litellm"), "--config",
               str(folder / "config.yaml"), "--host", "127.0.0.1", "--port", str(port)]
    with started(command, port, folder / "server.log"):
        yield f"litellm:http://127.0.0.1:{port}/v1#m", {"LITELLM_API_KEY": KEY}


SERVERS = {litellm: "litellm"}


def ask(binary, folder, uri, env):
    (folder / "cases.jsonl").write_text("".join(json.dumps(
        {"id": f"c-{i}", "text": f"say word {i}", "expected": f"SAY WORD {i}"}) + "\n"
        for i in range(COUNT)))
    for keys in ("", "?stream=no"):
        (folder / "suite.yaml").write_text(SUITE.replace("TARGET", f'"{uri}{keys}"')
                                           .replace("MORE", ""))
        done = subprocess.run([binary, "run", "suite.yaml", "--out", "o", "--fresh", "--no-store",
                               "--format", "json", "-j", "4"], cwd=folder, capture_output=True,
                              text=True, env={**os.environ, **env}, check=False)
        assert done.returncode == 0, done.stderr[-1000:]
        found = json.loads(done.stdout)
        assert found["metrics"]["exact_match"]["value"] == 1, found["metrics"]
        rows = [json.loads(line) for line in (folder / "o/results.jsonl").open(encoding="utf-8")]
        assert {(row["tokens_in"], row["tokens_out"]) for row in rows} == {(7, 3)}, rows[0]


def main():
    binary, names = str(pathlib.Path(sys.argv[1]).resolve()), sys.argv[2:]
    for name in [n for n in os.environ if n.lower().endswith("_proxy")]:
        del os.environ[name]
    failed = 0
    for server, package in SERVERS.items():
        if names and server.__name__ not in names:
            continue
        model = Endpoint()
        try:
            with tempfile.TemporaryDirectory() as folder, \
                    server(pathlib.Path(folder), model) as (uri, env):
                ask(binary, pathlib.Path(folder), uri, env)
            print(f"ok    {server.__name__:12} {package} {importlib.metadata.version(package)}")
        except Exception as problem:  # whatever goes wrong is the verdict
            failed += 1
            print(f"FAIL  {server.__name__:12} {type(problem).__name__}: {problem}"[:2000])
        model.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
