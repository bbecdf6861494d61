#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pages, static and live, in Debian's Chromium, driven by playwright-core (browser.js).

    browser.py BINARY [CLASS...]        ./dev test puts playwright-core into build/browser
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import e2e  # noqa: E402
import e2e_pages  # noqa: E402

PLAYWRIGHT = os.environ.get("ASSAY_TEST_PLAYWRIGHT") or e2e.TOP / "build/browser/node_modules/playwright-core"
NODE = shutil.which("node")
MISSING = (not NODE and "there is no node" or not e2e_pages.CHROMIUM and "there is no chromium" or
           not pathlib.Path(PLAYWRIGHT).is_dir() and "there is no playwright-core")


@unittest.skipIf(MISSING, MISSING or "")
class Browser(e2e_pages.Served):
    maxDiff = None

    def look(self, *pages):
        done = subprocess.run(
            [NODE, pathlib.Path(__file__).with_name("browser.js"), PLAYWRIGHT, e2e_pages.CHROMIUM],
            input=json.dumps([{"url": url, "kind": kind} for url, kind in pages]), text=True,
            capture_output=True, timeout=600)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout), [])

    def test_files(self):
        runs = self.history()
        self.assay("report", "--out", "trend.html")
        self.assay("compare", runs[5]["run"], runs[6]["run"], "--out", "versus.html")
        self.look(*[((self.dir / name).as_uri(), kind) for name, kind in (
            ("run8/report.html", "report"), ("trend.html", "trend"), ("versus.html", "plain"))])

    def test_live(self):
        runs = self.history()
        self.start()
        self.look((self.url, "plain"), (self.url + "runs", "plain"),
                  (self.url + "suites/small", "trend"), (self.url + "suites/small", "suite"),
                  (self.url + "suites/small/cases", "cases"),
                  (self.url + f"runs/{runs[8]['run']}", "report"), (self.url + "nowhere", "missing"))


if __name__ == "__main__":
    sys.exit(e2e.main(sys.modules[__name__]))
