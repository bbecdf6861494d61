#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 as a server that is not ours speaks it: nghttpd, over TLS.

    http2.py BINARY [CLASS...]      exits with 77 where there is no nghttpd
"""
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import e2e  # noqa: E402
from remote import SUITE  # noqa: E402

TLS = pathlib.Path(__file__).resolve().parent / "tls"


class Http2(e2e.Case):
    def serve(self):
        """Its port. What it saw goes to the file h2.log."""
        folder = self.dir / "root/v1/chat"
        folder.mkdir(parents=True)
        (folder / "completions").write_text(json.dumps(
            {"choices": [{"message": {"role": "assistant", "content": "yes"},
                          "finish_reason": "stop"}]}))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        log = open(self.dir / "h2.log", "w", encoding="utf-8")
        self.addCleanup(log.close)
        process = subprocess.Popen(["nghttpd", "-v", "--address=127.0.0.1", "-n1", "-d",
                                    self.dir / "root", str(port), TLS / "good.pem",
                                    TLS / "good.pem"], stdout=log, stderr=subprocess.STDOUT)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return port
            except OSError:
                time.sleep(0.05)
        self.fail("nghttpd does not listen")
        return None

    def test_one_connection_carries_all(self):
        port = self.serve()
        self.write("cases.jsonl", ({"id": f"c-{i}", "text": f"say {i}", "expected": "yes"}
                                   for i in range(40)))
        uri = f"openai:https://127.0.0.1:{port}/v1#m?stream=no&ca_file={TLS / 'ca.pem'}"
        suite = self.write("suite.yaml", SUITE.replace("TARGET", f'"{uri}"').replace("MORE", ""))
        done = self.assay("run", suite, "--out", "o", "--no-store", "-j", "8", "--format", "json")
        self.assertEqual(json.loads(done.stdout)["metrics"]["exact_match"]["value"], 1)
        log = (self.dir / "h2.log").read_text()
        self.assertIn("The negotiated protocol: h2", log)
        streams = re.findall(r"\[id=(\d+)\].*recv HEADERS frame <.*stream_id=(\d+)>", log)
        self.assertEqual(len({stream for _, stream in streams}), 40)
        self.assertEqual(len({connection for connection, _ in streams}), 1)


if __name__ == "__main__":
    if not shutil.which("nghttpd", path=os.environ.get("PATH", "") + ":/usr/sbin"):
        print("there is no nghttpd")
        sys.exit(77)
    os.environ["PATH"] += ":/usr/sbin"
    e2e.BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    for name in ("OPENAI_API_KEY", "https_proxy", "HTTPS_PROXY"):
        os.environ.pop(name, None)
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=1)
