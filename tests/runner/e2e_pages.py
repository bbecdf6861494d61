#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What leaves for people: pages in a real browser where there is one, files for build servers.

    e2e_pages.py BINARY [CLASS...]      Standard library only.
"""
import html.parser
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import e2e  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

SUITE = """\
suite: small
dataset: cases.jsonl
target: replay:answers.jsonl
task: choice
prompt: "{{ text }}"
choices: [yes_it_is, no_it_is_not]
metrics: [accuracy, f1_macro]
slices: [tags]
gate:
  - accuracy >= 0.5
  - accuracy drop <= 0.05
"""
NASTY = "</script><script>alert(1)</script>\" onload='x' \u202e\u2028\x1b[31m"


def browse(test, address, *options, width=1400, height=2000):
    """The page's DOM after its scripts ran; fails on anything the browser complains of."""
    profile = tempfile.mkdtemp(prefix="assay-chromium-")
    try:
        done = subprocess.run(
            [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             f"--user-data-dir={profile}", f"--window-size={width},{height}", "--enable-logging=stderr",
             "--log-level=0", "--virtual-time-budget=4000", "--dump-dom", *options, address],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    finally:
        shutil.rmtree(profile, ignore_errors=True)
    said = [line for line in done.stderr.decode(errors="replace").splitlines() if ":CONSOLE" in line]
    test.assertEqual(said, [])
    dom = done.stdout.decode(errors="replace")
    test.assertIn("</html>", dom, done.stderr.decode(errors="replace")[-2000:])
    return dom


class Names(html.parser.HTMLParser):
    """Finds controls and pictures without an accessible name, and ids that stand twice."""

    def __init__(self):
        super().__init__()
        self.nameless, self.ids, self.twice, self.open = [], set(), [], None

    def handle_starttag(self, tag, pairs):
        attributes = dict(pairs)
        if attributes.get("id") in self.ids:
            self.twice.append(attributes["id"])
        if "id" in attributes:
            self.ids.add(attributes["id"])
        named = attributes.get("aria-label") or attributes.get("aria-hidden") == "true"
        if (tag in ("input", "select") or attributes.get("role") == "img") and not named:
            self.nameless.append((tag, attributes))
        if tag in ("button", "a", "summary"):
            self.open = [tag, attributes, ""]

    def handle_data(self, data):
        if self.open:
            self.open[2] += data

    def handle_endtag(self, tag):
        if self.open and tag == self.open[0]:
            if not self.open[2].strip() and not self.open[1].get("aria-label"):
                self.nameless.append(self.open)
            self.open = None


class Pages(e2e.Case):
    def answer(self, count, right, **more):
        self.write("answers.jsonl", [
            {"id": f"c-{i:04d}", "output": "yes_it_is" if right(i) else "no_it_is_not",
             "latency_ms": 20 + i % 7, "tokens_in": 5, "tokens_out": 1, **more}
            for i in range(count)])

    def run_once(self, right, out, *args, count=200, code=None):
        self.answer(count, right)
        return self.summary(self.dir / "suite.yaml", "--out", out, *args, code=code)

    def history(self, count=200):
        """Ten runs: the level falls at the seventh, one case turns at every run."""
        self.write("cases.jsonl", e2e.cases(count))
        self.write("suite.yaml", SUITE)
        runs = []
        for r in range(10):
            limit = 0.90 if r < 6 else 0.70
            runs.append(self.run_once(
                lambda i: i / count < limit and (i != 3 or r % 2) and not (r == 2 and i < 3),
                f"run{r}", count=count))
        return runs

    def page(self, name):
        return (self.dir / name).read_text(encoding="utf-8")

    def check_names(self, dom):
        names = Names()
        names.feed(dom)
        self.assertEqual(names.nameless, [])
        self.assertEqual(names.twice, [])


class Trend(Pages):
    def test_the_page_says_what_changed_and_when(self):
        runs = self.history()
        self.assay("report", "--out", "trend.html")
        page = self.page("trend.html")
        self.assertNotRegex(page, r'(src|href)="(https?:)?//')
        changes = page[page.index('id="changes"'):page.index('id="trend"')]
        self.assertIn(runs[6]["run"], changes)
        self.assertRegex(changes, r"accuracy</b> fell from 8\d\.\d% to 69\.\d%")
        self.assertIn("gate \u2265 50.0%", page)
        broken = page[page.index('id="broken"'):page.index('id="unsteady"')]
        self.assertEqual(broken.count("<details>"), 40)
        self.assertIn("c-0140", broken)
        self.assertIn("<del>yes_it_is</del>", broken)
        self.assertIn("<ins>no_it_is_not</ins>", broken)
        unsteady = page[page.index('id="unsteady"'):page.index('id="browser"')]
        self.assertLess(unsteady.index("c-0003"), unsteady.index("c-0001"))
        self.assertIn("question 140", broken)
        for section in ("slices", "speed", "runs"):
            self.assertIn(f'<section id="{section}"', page)
        data = json.loads(re.search(r'id="data">(.*?)</script>', page).group(1))
        self.assertEqual(len(data["ids"]), 200)
        self.assertEqual(data["pasts"][data["past"][3]], "wrwrwrwrwr")
        self.assertEqual(len(data["runs"]), 10)

    def test_since_and_suite(self):
        self.history(20)
        self.assay("report", "--since", "2999-01-01", code=3)
        self.assay("report", "--suite", "small", "--out", "t.html")
        self.assertIn("10 runs", self.page("t.html"))

    def test_hostile_cases(self):
        rows = [{"id": f"{NASTY}{i}", "text": NASTY, "expected": "yes_it_is", "tags": [NASTY]}
                for i in range(5)]
        self.write("cases.jsonl", rows)
        self.write("suite.yaml", SUITE.replace("replay:answers.jsonl", "mock:first"))
        for target in ("mock:first", "mock:random?seed=1", "mock:random?seed=2"):
            self.assay("run", "suite.yaml", "--target", target, code=None)
        self.assay("report", "--out", "t.html")
        page = self.page("t.html")
        self.assertNotIn("<script>alert", page)
        self.assertNotIn("\x1b", page)
        self.assertEqual(page.count("<script"), 2)
        if CHROMIUM:
            self.assertIn("5 of 5", browse(self, (self.dir / "t.html").as_uri()))

    @unittest.skipUnless(CHROMIUM, "there is no chromium")
    def test_in_a_browser(self):
        self.history()
        self.assay("report", "--out", "trend.html")
        for width in (400, 1600):
            dom = browse(self, (self.dir / "trend.html").as_uri(), width=width)
            self.check_names(dom)
            self.assertIn("1 to 50 of 200", dom)  # the script ran: its policy allows it
            self.assertIn('<th scope="col"><button type="button">Started', dom)
            self.assertIn('tabindex="0"', dom)


if __name__ == "__main__":
    sys.exit(e2e.main(sys.modules[__name__]))
