#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What leaves for people: pages in a real browser where there is one, files for build servers.

    e2e_pages.py BINARY [CLASS...]      Standard library only.
"""
import concurrent.futures
import html.parser
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

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
             "--log-level=0", "--dump-dom", *options, address],
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
        self.assay("history", "tag", runs[4]["run"], "v1.2 <&>")
        self.assay("report", "--out", "trend.html")
        page = self.page("trend.html")
        charts = page[page.index('id="trend"'):page.index('id="slices"')]
        self.assertEqual(charts.count('<line class="release" x1="48'), 2)  # 5th of 10 runs
        self.assertIn(">v1.2 &lt;&amp;&gt;</text>", charts)
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


class Builds(Pages):
    """What build servers read, checked against what their formats demand."""

    def two_runs(self, count=60, top=""):
        self.write(f"{top}cases.jsonl", e2e.cases(count, **({"note": NASTY} if top else {})))
        self.write(f"{top}suite.yaml", SUITE.replace("replay:answers", "replay:../answers")
                   if top else SUITE)
        suite = self.dir / f"{top}suite.yaml"
        self.answer(count, lambda i: i != 9)
        first = self.summary(suite, "--out", "a")
        self.answer(count, lambda i: i % 4 or i == 0)
        second = self.summary(suite, "--out", "b", code=1)
        return first, second

    # What the published schema (sarif-schema-2.1.0.json, which closes every object) allows, as far
    # as it is used.
    SARIF = {"log": "$schema version runs", "run": "tool automationDetails results columnKind",
             "driver": "name version semanticVersion informationUri rules",
             "rule": "id name shortDescription fullDescription help helpUri defaultConfiguration "
                     "properties",
             "result": "ruleId ruleIndex kind level message locations partialFingerprints "
                       "properties",
             "place": "artifactLocation region", "artifact": "uri uriBaseId index",
             "region": "startLine startColumn endLine endColumn"}

    def of_schema(self, kind, value):
        self.assertLessEqual(set(value), set(self.SARIF[kind].split()), kind)

    def check_sarif(self, log):
        self.of_schema("log", log)
        self.of_schema("run", log["runs"][0])
        self.of_schema("driver", log["runs"][0]["tool"]["driver"])
        self.assertEqual(log["version"], "2.1.0")
        self.assertTrue(log["$schema"].endswith("sarif-2.1.0.json"))
        (run,) = log["runs"]
        rules = run["tool"]["driver"]["rules"]
        self.assertEqual(run["tool"]["driver"]["name"], "assay")
        self.assertEqual(run["automationDetails"]["id"], "assay/small/")
        self.assertLessEqual(len(run["results"]), 5000)
        for rule in rules:
            self.of_schema("rule", rule)
            self.assertTrue(rule["id"] and rule["shortDescription"]["text"])
        for result in run["results"]:
            self.of_schema("result", result)
            self.assertEqual(set(result["message"]), {"text"})
            self.assertEqual(rules[result["ruleIndex"]]["id"], result["ruleId"])
            self.assertIn(result["level"], ("error", "warning", "note"))
            self.assertTrue(result["message"]["text"])
            for value in result["partialFingerprints"].values():
                self.assertRegex(value, r"^[0-9a-f]{64}$")
            (location,) = result["locations"]
            place = location["physicalLocation"]
            self.of_schema("place", place)
            self.of_schema("artifact", place["artifactLocation"])
            self.of_schema("region", place["region"])
            self.assertRegex(place["artifactLocation"]["uri"], r"^[A-Za-z0-9_.~%/-]+$")
            self.assertFalse(place["artifactLocation"]["uri"].startswith("/"))
            self.assertGreaterEqual(place["region"]["startLine"], 1)
        return run["results"]

    def test_sarif_points_at_the_line_of_the_case(self):
        subprocess.run(["git", "init", "-q"], cwd=self.dir, check=True)
        self.two_runs(top="my evals/")
        results = self.check_sarif(json.loads(self.page("b/sarif.json")))
        lines = self.page("my evals/cases.jsonl").splitlines()
        kinds = {}
        for result in results:
            place = result["locations"][0]["physicalLocation"]
            kinds.setdefault(result["ruleId"], []).append(result)
            if result["ruleId"] == "gate":
                self.assertEqual(place["artifactLocation"]["uri"], "my%20evals/suite.yaml")
                continue
            self.assertEqual(place["artifactLocation"]["uri"], "my%20evals/cases.jsonl")
            case = json.loads(lines[place["region"]["startLine"] - 1])
            self.assertIn(case["id"], result["message"]["text"])
        self.assertEqual([len(kinds[k]) for k in ("gate", "case-broke")], [1, 14])
        self.assertIn("accuracy drop <= 0.05", kinds["gate"][0]["message"]["text"])
        # Another order of the cases moves lines, not fingerprints.
        prints = {r["partialFingerprints"]["primaryLocationLineHash"] for r in results}
        self.write("my evals/cases.jsonl", "\n".join(reversed(lines)) + "\n")
        self.summary(self.dir / "my evals/suite.yaml", "--out", "c", "--baseline", "a", code=1)
        again = self.check_sarif(json.loads(self.page("c/sarif.json")))
        self.assertEqual({r["partialFingerprints"]["primaryLocationLineHash"] for r in again},
                         prints)

    def test_code_quality(self):
        self.two_runs()
        found = json.loads(self.page("b/codequality.json"))
        self.assertGreater(len(found), 10)
        self.assertEqual(len({f["fingerprint"] for f in found}), len(found))
        for f in found:
            self.assertIn(f["severity"], ("info", "minor", "major", "critical", "blocker"))
            self.assertTrue(f["description"] and f["check_name"])
            self.assertGreaterEqual(f["location"]["lines"]["begin"], 1)
            self.assertFalse(f["location"]["path"].startswith("./"))

    def test_open_metrics(self):
        first, _ = self.two_runs()
        text = self.page("a/metrics.txt")
        self.assertTrue(text.endswith("# EOF\n"))
        families, seen = {}, set()
        for line in text.splitlines()[:-1]:
            if line.startswith("# TYPE"):
                _, _, name, kind = line.split(" ")
                self.assertNotIn(name, families)
                families[name] = kind
                continue
            if line.startswith("# HELP"):
                continue
            match = re.fullmatch(r'([a-z_0-9]+)\{((?:[a-z]+="(?:[^"\\]|\\.)*",?)+)\} (\S+)', line)
            self.assertIsNotNone(match, line)
            self.assertIn(match.group(1), families)
            float(match.group(3))
            self.assertNotIn(match.group(1, 2), seen)
            seen.add(match.group(1, 2))
        self.assertIn(f'assay_metric{{suite="small",metric="accuracy"}} '
                      f'{first["metrics"]["accuracy"]["value"]}'[:60], text)

    def test_github(self):
        self.write("cases.jsonl", e2e.cases(80))
        self.write("suite.yaml", SUITE)
        summary = self.write("step.md", "before\n")
        environment = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary),
                       "PATH": "/usr/bin:/bin"}
        self.answer(80, lambda i: True)
        quiet = self.assay("run", "suite.yaml", env=environment).stderr
        self.assertNotIn("::error", quiet)
        self.answer(80, lambda i: i % 2)
        said = self.assay("run", "suite.yaml", env=environment, code=1)
        self.assertNotIn("::", said.stdout)
        commands = [line for line in said.stderr.splitlines() if line.startswith("::")]
        kinds = [line.split(" ")[0] for line in commands]
        self.assertEqual(kinds.count("::warning"), 10)  # 40 broke; a step shows ten
        self.assertTrue(1 <= kinds.count("::error") <= 10)
        for line in commands:
            self.assertRegex(line, r"^::(error|warning) file=[^,:]+,line=\d+,title=assay [a-z-]+::.")
        text = summary.read_text()
        self.assertTrue(text.startswith("before\n## "))
        self.assertEqual(text.count("## "), 2)
        self.assertLess(len(text), 1024 * 1024)

    def test_a_step_summary_that_is_full_is_left_as_it_is(self):
        """GitHub drops one of more than 1 MiB whole."""
        self.write("cases.jsonl", e2e.cases(8))
        self.write("suite.yaml", SUITE)
        self.answer(8, lambda i: True)
        full = self.write("step.md", "x" * (1024 * 1024 - 100))
        done = self.assay("run", "suite.yaml", env={
            "GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(full), "PATH": "/usr/bin:/bin"})
        self.assertIn("summary is full", done.stderr)
        self.assertEqual(full.stat().st_size, 1024 * 1024 - 100)

    def test_gitlab_links_to_the_report(self):
        subprocess.run(["git", "init", "-q"], cwd=self.dir, check=True)
        self.write("cases.jsonl", e2e.cases(8))
        self.write("suite.yaml", SUITE)
        self.answer(8, lambda i: True)
        self.assay("run", "suite.yaml", "--out", "my out", env={
            "GITLAB_CI": "true", "CI_JOB_URL": "https://gitlab.test/o/r/-/jobs/1",
            "PATH": "/usr/bin:/bin"})
        (link,) = json.loads(self.page("my out/annotations.json"))["assay"]
        self.assertEqual(link["external_link"]["url"],
                         "https://gitlab.test/o/r/-/jobs/1/artifacts/file/my%20out/report.html")
        self.assertRegex(link["external_link"]["label"], "^small: ")

    def test_junit_is_of_the_dialect(self):
        if not shutil.which("xmllint"):
            self.skipTest("there is no xmllint")
        self.two_runs()
        schema = pathlib.Path(__file__).with_name("junit.xsd")
        for name in ("a", "b"):
            done = subprocess.run(["xmllint", "--noout", "--nonet", "--schema", str(schema),
                                   str(self.dir / name / "junit.xml")], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_step_summary_that_cannot_be_written_is_no_success(self):
        self.write("cases.jsonl", e2e.cases(8))
        self.write("suite.yaml", SUITE)
        self.answer(8, lambda i: True)
        self.assay("run", "suite.yaml", code=3,
                   env={"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(self.dir / "no/file"),
                        "PATH": "/usr/bin:/bin"})

    def test_exports(self):
        self.write("cases.jsonl", [
            {"id": "=1+1", "text": "a", "expected": "yes_it_is", "tags": ["x"]},
            {"id": "b", "text": "b", "expected": "no_it_is_not", "tags": ["x"]},
            {"id": "c", "text": "c", "expected": "no_it_is_not", "tags": ["x"]}])
        self.write("suite.yaml", SUITE)
        self.write("answers.jsonl", [
            {"id": "=1+1", "output": "yes_it_is", "tokens_in": 5, "tokens_out": 2},
            {"id": "b", "output": "yes_it_is", "tokens_in": 5, "tokens_out": 2},
            {"id": "c", "output": "", "outcome": "timeout"}])
        self.write("suite.yaml", SUITE + "max_errors: 50%\n")
        run = self.summary(self.dir / "suite.yaml", "--out", "o", code=None)

        def export(name):
            return self.assay("report", run["run"], "--format", name).stdout

        import csv
        import io
        rows = list(csv.DictReader(io.StringIO(export("csv"), newline="")))
        self.assertEqual([row["id"] for row in rows], ["'=1+1", "b", "c"])
        self.assertEqual([row["accuracy"] for row in rows], ["1", "0", ""])
        self.assertEqual([json.loads(line) for line in export("jsonl").splitlines()],
                         sorted(self.lines("o"), key=lambda line: line["id"]))
        self.assertEqual(json.loads(export("json")), run)
        lm = json.loads(export("lm-eval"))
        self.assertEqual(lm["results"]["small"]["acc,none"], 0.5)
        self.assertIn("acc_stderr,none", lm["results"]["small"])
        self.assertEqual(lm["n-samples"]["small"], {"original": 3, "effective": 3})
        samples = [json.loads(line) for line in export("lm-eval-samples").splitlines()]
        self.assertEqual([s["doc_id"] for s in samples], [0, 1, 2])
        self.assertEqual([s.get("acc") for s in samples[:2]], [1, 0])
        for key in "doc target arguments resps filtered_resps filter metrics prompt_hash".split():
            self.assertIn(key, samples[0])
        foo = json.loads(export("promptfoo"))
        self.assertEqual(foo["results"]["version"], 3)
        self.assertEqual([r["success"] for r in foo["results"]["results"]], [True, False, False])
        self.assertEqual([r["failureReason"] for r in foo["results"]["results"]], [0, 1, 2])
        stats = foo["results"]["stats"]
        self.assertEqual((stats["successes"], stats["failures"], stats["errors"]), (1, 1, 1))
        self.assertEqual(stats["tokenUsage"]["total"], 14)
        self.assertEqual(self.assay("report", run["run"], "--format", "csv", "--out", "x.csv").stdout,
                         "x.csv\n")
        self.assertEqual((self.dir / "x.csv").read_bytes().count(b"\r\n"), 4)
        self.check_sarif(json.loads(export("sarif")))
        self.assertIn("## ", export("markdown"))
        self.assertIn("<testsuites", export("junit"))
        self.refused("report", run["run"], "--format", "xlsx", says=["xlsx", "lm-eval"])
        self.refused("report", "--format", "csv", says=["name a RUN"])
        self.refused("history", "--format", "csv", says=["text or json"])


class Init(Pages):
    def test_the_scaffold_runs_as_it_is(self):
        done = self.assay("init")
        files = [line.split()[0] for line in done.stdout.splitlines()]
        for name in ("evals/suite.yaml", "evals/cases.jsonl", ".github/workflows/assay.yml",
                     ".gitlab-ci.yml", "Jenkinsfile", "deploy/assay-cronjob.yaml"):
            self.assertIn(name, files)
            self.assertTrue((self.dir / name).stat().st_size > 200)
        cases = [json.loads(line) for line in self.page("evals/cases.jsonl").splitlines()]
        self.assertEqual(len(cases), 10)
        found = self.summary("evals/suite.yaml")
        self.assertEqual(found["cases"]["total"], 10)
        self.assertEqual(found["metrics"]["accuracy"]["value"], 0.9)
        # Ten cases cannot rule a drop of 2 % out: that is said, and fails nothing.
        self.assertEqual(self.summary("evals/suite.yaml")["gate"]["verdict"], "undecided")
        worse = self.summary("evals/suite.yaml", "--target", "mock:first", code=1)
        self.assertEqual(worse["gate"]["verdict"], "fail")

    def test_what_the_build_files_name_is_there(self):
        """The commands of the CI files, and the reports they hand on."""
        self.assay("init", "new/project")
        home = self.dir / "new/project"
        for name in (".github/workflows/assay.yml", ".gitlab-ci.yml", "Jenkinsfile"):
            text = (home / name).read_text()
            command = re.search(r"assay (run evals/suite.yaml --out .assay/report)", text).group(1)
            here = {**os.environ, "GITLAB_CI": "true", "CI_JOB_URL": "https://gitlab.test/o/r/-/jobs/1"}
            done = subprocess.run([e2e.BINARY, *command.split()], cwd=home, capture_output=True,
                                  env=here)
            self.assertEqual(done.returncode, 0, done.stderr)
            for named in re.findall(r"\.assay/report/[a-z]+\.[a-z]+", text):
                self.assertTrue((home / named).is_file(), f"{name} names {named}")

    def test_nothing_is_overwritten(self):
        self.write("Jenkinsfile", "mine")
        self.refused("init", says=["'Jenkinsfile' would be overwritten", "nothing was written"])
        self.assertEqual(self.page("Jenkinsfile"), "mine")
        self.assay("init", "x")
        self.refused("init", "x", says=["suite.yaml", "Jenkinsfile"])
        self.refused("init", "a", "b", says=["one directory"])
        self.write("file", "")
        self.refused("init", "file/x", says=["file"])


class Served(Pages):
    def start(self, *args):
        server = subprocess.Popen([e2e.BINARY, "serve", "--listen", "0", *map(str, args)],
                                  cwd=self.dir, text=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.stderr.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        self.url = server.stdout.readline().strip()
        self.assertRegex(self.url, r"^http://127\.0\.0\.1:\d+/$")
        self.port = urllib.parse.urlsplit(self.url).port
        return server

    def ask(self, path, method="GET", body=None, status=200, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        self.assertEqual(answer.status, status, (path, text[:400]))
        self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
        self.headers = answer.headers
        return text.decode()

    def api(self, path, **more):
        text = self.ask("/api/v1/" + path, **more)
        self.assertEqual(self.headers["Content-Type"], "application/json")
        return json.loads(text)


class Serve(Served):
    def test_pages(self):
        runs = self.history()
        self.start()
        self.assertIn('href="/suites/small"', self.ask("/"))
        policy = self.headers["Content-Security-Policy"]
        self.assertIn("default-src 'none'", policy)
        self.assertIn("script-src 'sha256-", policy)
        self.assertIn("frame-ancestors 'none'", policy)
        self.assertNotIn("unsafe-eval", policy)
        suite = self.ask("/suites/small")
        self.assertIn(f'href="/runs/{runs[6]["run"]}"', suite)
        self.assertIn('data-link="/suites/small/cases/"', suite)
        self.assertIn("Failing cases", self.ask(f"/runs/{runs[8]['run']}"))
        compared = self.ask(f"/compare?a={runs[5]['run']}&b={runs[6]['run']}")
        self.assertIn("Flipped cases", compared)
        self.assertIn("c-0140", compared)
        self.assertIn(runs[0]["run"], self.ask("/runs"))
        cases = self.ask("/suites/small/cases?show=broke&q=C-01")
        self.assertIn("40 cases", cases)
        self.assertNotIn("c-0100<", cases)
        self.assertIn("60 cases", self.ask("/suites/small/cases?q=NO_it_is_not&show=wrong"))
        self.assertIn("0 cases", self.ask("/suites/small/cases?q=no+such+answer"))
        second = self.ask("/suites/small/cases?from=50")
        self.assertIn("c-0050", second)
        self.assertNotIn("c-0049<", second)
        case = self.ask("/suites/small/cases/c-0140")
        self.assertIn("right in 6 of 10 runs", case)
        self.assertIn("<ins>no_it_is_not</ins>", case)
        for path in ("/nowhere", "/suites/none", "/suites/small/cases/none", "/runs/none",
                     "/runs/..%2f..%2fetc%2fpasswd", f"/compare?a=none&b={runs[0]['run']}",
                     "/a/b/c/d/e/f/g/h/i/j"):
            self.assertIn("<h1", self.ask(path, status=404))
        self.ask("/compare?a=x", status=400)

    def test_files_are_out_of_reach(self):
        self.history(20)
        self.start()
        for path in ("run0%2Fresults.jsonl", "run0", "run:run0%2Fsummary.json"):
            self.ask(f"/runs/{path}", status=404)
            self.ask(f"/api/v1/runs/{path}", status=404)

    def test_the_api(self):
        runs = self.history()
        subprocess.run(["git", "init", "-q", "-b", "topic"], cwd=self.dir, check=True)
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b.test", "commit", "-q",
                        "--allow-empty", "-m", "x"], cwd=self.dir, check=True)
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=self.dir, check=True, text=True,
                                stdout=subprocess.PIPE).stdout.strip()
        time.sleep(1.1)  # ids order runs by the second
        last = self.run_once(lambda i: i < 60, "bad")
        self.start()
        self.assertEqual(self.api("suites")["suites"][0]["suite"], "small")
        verdict = self.api(f"suites/small/verdict?commit={commit}")
        self.assertEqual((verdict["run"], verdict["verdict"], verdict["passed"]),
                         (last["run"], "fail", False))
        self.assertEqual(verdict["gate"], last["gate"])
        self.assertEqual(self.api(f"suites/small/verdict?commit={commit[:8]}"), verdict)
        self.assertEqual(self.api("suites/small/verdict?branch=topic"), verdict)
        self.assertEqual(self.api("suites/small/verdict"), verdict)
        self.api("suites/small/verdict?commit=0123456789", status=404)
        self.api("suites/small/verdict?commit=0", status=400)
        self.api("suites/none/verdict", status=404)
        self.assertEqual(self.api(f"runs/{runs[3]['run']}"), runs[3])
        self.assertEqual(len(self.api("runs?limit=4")["runs"]), 4)
        self.assertEqual(len(self.api("suites/small/runs")["runs"]), 11)
        found = self.api(f"runs/{last['run']}/samples?from=190&limit=7")
        self.assertEqual(found["total"], 200)
        self.assertEqual([s["id"] for s in found["samples"]],
                         [f"c-{i:04d}" for i in range(190, 197)])
        case = self.api("suites/small/cases/c-0003?limit=3")
        self.assertEqual(case["runs"][0]["run"], last["run"])
        self.assertEqual(len(case["runs"]), 3)
        for path in ("suites/small/cases/none", "runs/none", "runs/none/samples", "nothing", "x/y"):
            self.assertIn("error", self.api(path, status=404))

    def test_metrics_and_health(self):
        runs = self.history(40)
        self.start()
        self.assertEqual(json.loads(self.ask("/healthz")), {"status": "ok"})
        text = self.ask("/metrics")
        self.assertIn("application/openmetrics-text", self.headers["Content-Type"])
        values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
        newest = {r["metrics"]["accuracy"]["value"] for r in runs}
        self.assertIn(float(values['assay_metric{suite="small",metric="accuracy"}']), newest)
        self.assertEqual(values['assay_cases{suite="small"}'], "40")
        self.assertTrue(text.endswith("# EOF\n"))

    def test_nothing_is_written_without_the_token(self):
        run = self.history(10)[0]["run"]
        self.start()
        body = json.dumps({"name": "release"})
        self.assertIn("read-only", self.api(f"runs/{run}/tags", method="POST", body=body,
                                            status=403)["error"])
        self.ask("/suites/small", method="POST", body="", status=405)
        self.ask("/", method="DELETE", status=405)
        self.assertIn("POST", self.headers["Allow"])
        self.assertEqual(self.ask("/", method="HEAD"), "")
        self.assertNotIn("release", self.assay("history").stdout)

    def test_the_token_tags(self):
        run = self.history(10)[0]["run"]
        token = self.write("token", "0123456789abcdef-secret\n")
        server = self.start("--token-file", token, "-v")
        body, path = json.dumps({"name": "release"}), f"runs/{run}/tags"
        for wrong in ("", "0123456789abcdef-secre", "0123456789abcdef-secret0", "x" * 23):
            self.api(path, method="POST", body=body, status=401, Authorization=f"Bearer {wrong}")
        good = {"Authorization": "Bearer 0123456789abcdef-secret"}
        self.api(path, method="POST", body="{", status=400, **good)
        self.api("runs/none/tags", method="POST", body=body, status=404, **good)
        self.assertEqual(self.api(path, method="POST", body=body, **good)["tag"], "release")
        self.assertIn("release", self.assay("history").stdout)
        server.send_signal(signal.SIGTERM)
        self.assertNotIn("secret", server.communicate(timeout=30)[1])
        self.write("short", "abc\n")
        self.refused("serve", "--token-file", "short", says=["at least 16"])

    def test_another_name_is_refused(self):
        """A page of another site whose name was pointed here."""
        self.history(10)
        self.start()
        for host in ("evil.test", f"evil.test:{self.port}", "127.evil.test."):
            if host.startswith("127."):
                continue
            self.ask("/", status=421, Host=host)
        for host in ("localhost", f"localhost:{self.port}", f"127.0.0.1:{self.port}"):
            self.ask("/", Host=host)

    def test_limits(self):
        self.history(10)
        token = self.write("token", "0123456789abcdef-secret\n")
        self.start("--token-file", token)
        self.ask("/api/v1/runs/x/tags", method="POST", body="x" * 100_000, status=413)
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as raw:
            raw.sendall(b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertRegex(raw.recv(100), rb"^HTTP/1\.[01] 4\d\d|^$")
        idle = [socket.create_connection(("127.0.0.1", self.port)) for _ in range(100)]
        for one in idle:
            one.sendall(b"GET / HTTP/1.1\r\n")  # and no more
        self.ask("/healthz")
        for one in idle:
            one.close()
        for junk in (b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"POST / HTTP/1.1\r\nHost: localhost\r\n"
                     b"Content-Length: -1\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", self.port), timeout=40) as raw:
                raw.sendall(junk)
                raw.shutdown(socket.SHUT_WR)
                raw.recv(100)
        self.ask("/healthz")

    def test_many_readers_while_runs_are_written(self):
        self.history(100)
        self.start()
        paths = ["/", "/suites/small", "/runs", "/metrics", "/api/v1/suites", "/healthz"] * 10
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = [pool.submit(self.ask, path) for path in paths]
            self.run_once(lambda i: True, "more", count=100)
            for answer in answers:
                self.assertTrue(answer.result())
        self.assertEqual(len(self.api("runs")["runs"]), 11)

    def test_stops_gracefully(self):
        self.history(10)
        for number in (signal.SIGTERM, signal.SIGINT):
            server = self.start()
            self.ask("/")
            begun = time.monotonic()
            server.send_signal(number)
            self.assertEqual(server.wait(30), 0)
            self.assertLess(time.monotonic() - begun, 30)

    def test_wrong_addresses_are_refused(self):
        self.assay("history")
        for listen in ("x", "1.2.3:80", "127.0.0.1:70000", "[::1:80", "host.test:80", "203.0.113.7:80"):
            self.refused("serve", "--listen", listen, says=[listen])
        self.refused("serve", "x", says=["no operand"])
        self.refused("serve", "--store", "sqlite:", says=["names no file"])

    def test_hostile_names(self):
        suite = SUITE.replace("suite: small", "suite: " + json.dumps("a/b \"<i>x"))
        self.write("cases.jsonl", [{"id": f"{NASTY}/{i}", "text": "t", "expected": "yes_it_is",
                                    "tags": [NASTY]} for i in range(3)])
        self.write("suite.yaml", suite.replace("replay:answers.jsonl", "mock:random?seed=3"))
        done = self.assay("run", "suite.yaml", code=None)
        if done.returncode == 2:
            self.skipTest("such a name is no suite")
        self.start()
        name = urllib.parse.quote("a/b \"<i>x", safe="")
        for path in ("/", f"/suites/{name}", f"/suites/{name}/cases",
                     f"/suites/{name}/cases/{urllib.parse.quote(NASTY + '/1', safe='')}",
                     f"/suites/{name}/cases?q=%3Cscript%3Ealert(1)", "/%3Cscript%3Ealert(1)",
                     f"/suites/%3Cscript%3Ealert(1)"):
            page = self.ask(path, status=404 if "alert(1)" in path and "q=" not in path
                            and "cases/" not in path else 200)
            self.assertNotIn("<script>alert", page)
            self.assertNotIn("<i>x", page)

    @unittest.skipUnless(CHROMIUM, "there is no chromium")
    def test_in_a_browser(self):
        runs = self.history()
        self.start()
        for path in ("", "suites/small/cases", "suites/small/cases/c-0003",
                     f"compare?a={runs[5]['run']}&b={runs[7]['run']}"):
            self.check_names(browse(self, self.url + path))
        dom = browse(self, self.url + "suites/small", width=400)
        self.check_names(dom)
        self.assertIn('<a href="/suites/small/cases/c-0000">', dom)
        picture = self.dir / "page.png"
        profile = self.dir / "profile"
        subprocess.run([CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu",
                        "--disable-dev-shm-usage", f"--user-data-dir={profile}",
                        f"--screenshot={picture}", "--window-size=1200,900",
                        self.url + "suites/small"], check=True, capture_output=True, timeout=120)
        data = picture.read_bytes()
        self.assertEqual(data[:8], b"\x89PNG\r\n\x1a\n")
        self.assertGreater(len(data), 20_000)  # an empty page takes a few thousand bytes


if __name__ == "__main__":
    sys.exit(e2e.main(sys.modules[__name__]))
