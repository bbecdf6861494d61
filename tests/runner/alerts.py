#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Alerts through the binary: told once and resolved, kept while a sink is down, and taken by Debian's
Alertmanager.

    alerts.py BINARY [CLASS...]      Standard library only.
"""
import concurrent.futures
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
import threading
import time
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import e2e  # noqa: E402
from sink import Sink  # noqa: E402

ALERTMANAGER = shutil.which("prometheus-alertmanager")
os.environ["no_proxy"] = "127.0.0.1,localhost"
CANARY = "canary-0123456789abcdef"

SUITE = """\
suite: small
dataset: cases.jsonl
target: replay:answers.jsonl
task: choice
prompt: "{{ text }}"
choices: [yes_it_is, no_it_is_not]
metrics: [accuracy]
slices: [tags]
gate:
  - accuracy >= 0.8
  - accuracy[tag=edge] >= 0.5
  - accuracy drop <= 0.05
alert:
  to:
SINKS
"""
NASTY = "<!channel> <@U1> *b* [x](http://evil.test) \u202e\x1b[31m \u0007"


def git(where, *args):
    done = subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b.test", *args],
                          cwd=where, check=True, text=True, stdout=subprocess.PIPE)
    return done.stdout.strip()


class Told(e2e.Case):
    SINKS = '    - {type: slack, url_env: SLACK_URL}'

    def setUp(self):
        super().setUp()
        self.sink = Sink()
        self.addCleanup(lambda: self.sink.close())
        self.env = {k: v for k, v in os.environ.items()
                    if not re.match("GITHUB_|GITLAB_|CI_|BRANCH_NAME|BUILD_URL|CHANGE_ID", k)}
        self.env["SLACK_URL"] = self.sink.url + "/" + CANARY
        self.env["KEY"] = CANARY
        git(self.dir, "init", "-q", "-b", "main")
        self.commit("first")
        self.write("cases.jsonl", e2e.cases(100))
        self.suite()

    def commit(self, message):
        git(self.dir, "commit", "-q", "--allow-empty", "-m", message)
        return git(self.dir, "rev-parse", "HEAD")

    def suite(self, sinks=None, **more):
        text = SUITE.replace("SINKS", sinks or self.SINKS).replace("URL", self.sink.url)
        for key, value in more.items():
            text += f"  {key}: {value}\n"
        return self.write("suite.yaml", text.replace(f"SLACK_{self.sink.url}", "SLACK_URL"))

    def answers(self, right, output="no_it_is_not"):
        self.write("answers.jsonl", [{"id": f"c-{i:04d}",
                                      "output": "yes_it_is" if right(i) else output}
                                     for i in range(100)])

    def once(self, right, *args, code=None, output="no_it_is_not"):
        """A run with these answers right; stderr."""
        self.answers(right, output)
        done = self.assay("run", "suite.yaml", *args, code=code, env=self.env)
        self.assertNotIn(CANARY, done.stdout + done.stderr)
        return done

    def titles(self):
        return [body["text"] for body in self.sink.bodies()]

    def waiting(self):
        return sorted(p.name for p in (self.dir / ".assay/alerts").glob("[0-9]*"))

    def kept_no_secret(self):
        for path in self.dir.rglob("*"):
            if path.is_file() and ".git" not in path.parts:
                self.assertNotIn(CANARY.encode(), path.read_bytes(), path)


class Alerts(Told):
    def test_once_and_over(self):
        """Told when it begins, not while it lasts, and when it is over; each metric and slice."""
        good = self.commit("good")
        first = self.once(lambda i: True, code=0)
        self.assertNotIn("alert", first.stderr)
        bad = self.commit("bad")
        self.once(lambda i: i >= 30, code=1)
        said = self.titles()
        self.assertEqual(len(said), 1)
        self.assertIn("small: accuracy fails on main: 70.0%, 10.0 points below", said[0])
        whole = json.dumps(self.sink.bodies()[0])
        self.assertIn(bad[:12], whole)
        self.assertIn("last held in run", whole)
        self.assertIn(good[:12], whole)
        self.assertIn("30 cases broke, among them", whole)
        self.assertEqual(len(re.findall(r"was ..yes_it_is..", whole)), 3)
        self.assertIn("pp (90% interval)", whole)
        self.commit("worse")
        self.once(lambda i: i % 4 and i >= 30, code=1)
        self.assertEqual(len(self.titles()), 2)  # the slice is an alert of its own
        self.assertIn("accuracy[tag=edge] fails", self.titles()[1])
        self.once(lambda i: i % 4 and i >= 30, code=1)
        self.assertEqual(len(self.titles()), 2)
        self.once(lambda i: True, code=0)
        self.assertEqual(len(self.titles()), 4)
        over = "\n".join(self.titles()[2:])
        self.assertIn("accuracy holds again", over)
        self.assertIn("accuracy[tag=edge] holds again", over)
        self.assertIn(bad[:12], json.dumps(self.sink.bodies()[2:]))
        self.once(lambda i: True, code=0)
        self.assertEqual(len(self.titles()), 4)
        self.assertEqual(self.waiting(), [])
        self.kept_no_secret()
        listed = self.assay("alert", "list").stdout
        self.assertEqual(listed, "nothing fires and nothing waits\n")
        self.assertEqual((self.dir / ".assay/alerts").stat().st_mode & 0o077, 0)
        audit = self.assay("history", "audit").stdout
        self.assertEqual((audit.count("  alert  "), audit.count("  resolve  ")), (2, 2))

    def test_undecided_and_unmeasured_change_nothing(self):
        text = SUITE.replace("accuracy >= 0.8", "accuracy >= 0.8 prove").replace(
            "  - accuracy drop <= 0.05\n", "").replace("  - accuracy[tag=edge] >= 0.5\n", "")
        self.write("suite.yaml", text.replace("SINKS", self.SINKS))
        self.once(lambda i: i >= 21, code=4)
        self.assertEqual(self.titles(), [])
        self.once(lambda i: i >= 60, code=1)
        self.assertEqual(len(self.titles()), 1)
        self.once(lambda i: i >= 21, code=4)
        self.write("answers.jsonl", [{"id": f"c-{i:04d}", "output": "yes_it_is"} if i > 50 else
                                     {"id": f"c-{i:04d}", "output": "", "outcome": "timeout",
                                      "error": "x"} for i in range(100)])
        self.assay("run", "suite.yaml", code=3, env=self.env)
        self.assertEqual(len(self.titles()), 1)
        self.once(lambda i: True, code=0)
        self.assertEqual(len(self.titles()), 2)

    def test_branches(self):
        git(self.dir, "checkout", "-q", "-b", "topic")
        self.once(lambda i: False, code=1)
        self.assertEqual(self.titles(), [])
        self.suite(branches="[main, topic]")
        self.once(lambda i: False, code=1)
        self.assertEqual(len(self.titles()), 2)
        git(self.dir, "checkout", "-q", "main")
        self.once(lambda i: True, "--baseline", "none", code=0)  # says nothing of topic
        self.assertEqual(len(self.titles()), 2)
        self.once(lambda i: False, "--no-alert", code=1)
        self.assertEqual(len(self.titles()), 2)

    def test_the_branch_of_a_detached_build(self):
        git(self.dir, "checkout", "-q", "--detach")
        self.once(lambda i: False, code=1)
        self.assertEqual(self.titles(), [])
        for name, value, told in (("GITHUB_REF", "refs/pull/7/merge", 0), ("BRANCH_NAME", "PR-7", 0),
                                  ("GITHUB_REF", "refs/heads/main", 2)):
            self.env[name] = value
            self.once(lambda i: False, code=1)
            self.assertEqual(len(self.titles()), told, name)
        # The base's ref, and a branch of a fork that is called main.
        for name, value in (("GITHUB_EVENT_NAME", "pull_request_target"),
                            ("CI_MERGE_REQUEST_IID", "3"), ("CHANGE_ID", "7")):
            with self.subTest(name=name):
                shutil.rmtree(self.dir / ".assay")
                self.once(lambda i: False, code=1)
                told = len(self.titles())
                shutil.rmtree(self.dir / ".assay")
                git(self.dir, "checkout", "-q", "main")
                self.env[name] = value
                self.once(lambda i: False, code=1)
                self.assertEqual(len(self.titles()), told)
                del self.env[name]

    def test_a_gate_that_is_gone_ends_its_alert(self):
        self.once(lambda i: i % 4, code=1)
        self.assertEqual(len(self.titles()), 2)
        text = (self.dir / "suite.yaml").read_text()
        self.write("suite.yaml", text.replace("  - accuracy[tag=edge] >= 0.5\n", ""))
        self.once(lambda i: i % 4, code=1)
        self.assertIn("accuracy[tag=edge] holds again", self.titles()[2])
        self.assertIn("No gate judges it any more", json.dumps(self.sink.bodies()[2]))

    def test_each_target_of_several_has_its_own(self):
        text = (self.dir / "suite.yaml").read_text()
        self.write("suite.yaml", text.replace("target: replay:answers.jsonl",
                                              "target: [replay:answers.jsonl, mock:first]"))
        self.once(lambda i: False, code=1)
        self.once(lambda i: False, code=1)
        self.assertEqual(len(self.titles()), 2)
        self.once(lambda i: True, code=0)
        self.assertEqual(len(self.titles()), 4)

    def test_runs_at_once_tell_once(self):
        self.answers(lambda i: False)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            codes = list(pool.map(lambda n: self.assay(
                "run", "suite.yaml", "--out", f"o{n}", "--store", f"sqlite:h{n}.db", code=None,
                env=self.env).returncode, range(8)))
        self.assertEqual(codes, [1] * 8)
        self.assertEqual(len(self.titles()), 2)
        self.assertEqual(self.waiting(), [])

    def test_a_run_that_is_older_than_the_last_judged_says_nothing(self):
        self.once(lambda i: True, code=0)
        state = self.dir / ".assay/alerts/state.json"
        later = json.loads(state.read_text())
        later["seen"] = {scope: "99991231T235959Z-000000" for scope in later["seen"]}
        state.write_text(json.dumps(later))
        done = self.once(lambda i: False, code=1)
        self.assertIn("judged before this one", done.stderr)
        self.assertEqual(self.titles(), [])

    def test_without_the_folder_the_history_knows(self):
        self.once(lambda i: i >= 30, code=1)
        shutil.rmtree(self.dir / ".assay/alerts")
        self.once(lambda i: i >= 30, code=1)
        self.assertEqual(len(self.titles()), 1)
        shutil.rmtree(self.dir / ".assay/alerts")
        self.once(lambda i: True, code=0)
        self.assertIn("holds again", self.titles()[1])
        shutil.rmtree(self.dir / ".assay/alerts")
        self.once(lambda i: True, code=0)
        self.assertEqual(len(self.titles()), 2)

    def test_what_was_not_sent_is_not_known(self):
        """A container that ends before its sink is up again must not take the alert with it."""
        self.sink.down()
        self.once(lambda i: i >= 30, code=1)
        shutil.rmtree(self.dir / ".assay/alerts")
        self.sink.up()
        self.once(lambda i: i >= 30, code=1)
        self.assertEqual(len(self.titles()), 1)
        self.assertIn("fails", self.titles()[0])

    def test_a_part_of_the_cases_says_nothing(self):
        self.once(lambda i: False, "--limit", "10", code=1)
        self.assertEqual(self.titles(), [])

    def test_hostile_text(self):
        self.write("cases.jsonl", [dict(row, id=f"{row['id']} {NASTY}", text=NASTY)
                                   for row in e2e.cases(100)])
        self.suite('    - {type: slack, url_env: SLACK_URL}\n'
                   '    - {type: pagerduty, key_env: KEY, url: "URL/pd"}\n'
                   '    - {type: webhook, url: "URL/w", headers: {X-Team: nlp}, key_env: KEY, body: '
                   "'{\"t\": {{ text | tojson }}}'}")
        self.write("answers.jsonl", [{"id": f"c-{i:04d} {NASTY}", "output": NASTY}
                                     for i in range(100)])
        self.assay("run", "suite.yaml", code=1, env=self.env)
        self.assertEqual(len(self.sink.seen), 6)
        for _, path, headers, body in self.sink.seen:
            text = json.dumps(json.loads(body), ensure_ascii=False)
            for bad in ("\u202e", "\\u001b", "\\u0007"):
                self.assertNotIn(bad, text)
            if path == "/pd":
                event = json.loads(body)
                self.assertEqual(event["routing_key"], CANARY)
                self.assertRegex(event["dedup_key"], "^[0-9a-f]{64}$")
                self.assertLessEqual(len(event["payload"]["summary"]), 1024)
            elif path == "/w":
                self.assertEqual((headers["X-Team"], headers["Authorization"]),
                                 ("nlp", "Bearer " + CANARY))
            else:
                message = json.loads(body)
                self.assertNotIn("<", message["text"])
                self.assertEqual({block["text"]["type"] for block in message["blocks"]},
                                 {"plain_text"})
        self.kept_no_secret()
        self.suite(cases="ids")
        self.once(lambda i: True)
        self.assertNotIn("asked", json.dumps(self.sink.bodies()[6:]))

    def test_links(self):
        self.suite(link="https://evals.test/runs/{{ run }}")
        self.once(lambda i: False, code=1)
        self.assertRegex(json.dumps(self.sink.bodies()[0]), r"<https://evals.test/runs/\d{8}T\d{6}Z-")
        self.once(lambda i: True)
        self.suite()
        self.env["CI_JOB_URL"] = "https://ci.test/job/1"
        self.once(lambda i: False, code=1)
        self.assertIn("<https://ci.test/job/1|report>", json.dumps(self.sink.bodies()[-1]))

    def test_mistakes_are_found_before_the_run(self):
        def wrong(sinks, *says, **more):
            self.suite(sinks, **more)
            self.refused("run", "suite.yaml", says=["suite.yaml:", *says])
        wrong("    - {type: slak, url_env: A}", "did you mean 'slack'")
        wrong("    - {type: slack}", "needs url, url_env or url_file")
        wrong("    - {type: slack, url: 'ftp://x'}", "http:// or https://")
        wrong("    - {type: slack, url: 'http://u:p@x/'}", "alert.to.url")
        wrong("    - {type: slack, url: 'http://x', url_env: A}", "one of url")
        wrong("    - {type: pagerduty}", "the routing key")
        wrong("    - {type: pagerduty, key_env: A, body: x}", "'body' has no meaning")
        wrong("    - {type: webhook, url: 'http://x', headers: {Authorization: x}}", "key_env")
        wrong("    - {type: webhook, url: 'http://x', auth: token}", "bearer, basic or header:NAME")
        wrong("    - {type: webhook, url: 'http://x', body: '{% if %}'}", "alert.to.body")
        wrong("    - {type: webhook, url: 'http://x', body: '{{ nothing }}'}", "nothing")
        wrong("    - {type: webhook, url: 'http://x', body: '{\"a\": \"{{ text }}\"}'}", "tojson")
        wrong("    - {type: alertmanager, url: 'http://x', labels: {suite: x}}", "set by assay")
        wrong("    - {type: alertmanager, url: 'http://x', labels: {9: x}}", "no name of a label")
        wrong("    - {type: slack, url_env: A, timeout: 0}", "from 1 to 120")
        wrong(self.SINKS, "did you mean 'severity'", severty="error")
        wrong(self.SINKS, "did you mean 'error'", severity="eror")
        wrong(self.SINKS, "alert.link", link="'{{ run }}'")


class Spool(Told):
    def test_a_sink_that_is_down_is_told_later_in_order(self):
        self.sink.down()
        done = self.once(lambda i: False, code=1)
        self.assertIn("kept in '.assay/alerts'", done.stderr)
        self.assertEqual(len(self.waiting()), 2)
        self.once(lambda i: True, code=0)
        self.assertEqual(len(self.waiting()), 4)
        listed = json.loads(self.assay("alert", "list", "--format", "json").stdout)
        self.assertEqual([w["action"] for w in listed["waiting"]],
                         ["trigger", "trigger", "resolve", "resolve"])
        self.kept_no_secret()
        self.assay("alert", "flush", code=3, env=self.env)
        self.sink.up()
        self.once(lambda i: True, code=0)
        self.assertEqual(self.waiting(), [])
        said = self.titles()
        self.assertEqual([("fails" in t, "again" in t) for t in said],
                         [(True, False)] * 2 + [(False, True)] * 2)

    def test_faults(self):
        for status, headers, stays in ((500, {}, ".json"), (503, {}, ".json"),
                                       (429, {"Retry-After": "999"}, ".json"),
                                       (400, {}, ".rejected"), (404, {}, ".rejected"),
                                       (302, {"Location": "http://evil.test/"}, ".rejected"),
                                       (0, {}, ".json")):
            with self.subTest(status=status):
                shutil.rmtree(self.dir / ".assay", ignore_errors=True)
                self.sink.seen.clear()
                self.sink.answer = lambda *_: (status, headers, b"no " + CANARY.encode()) \
                    if status else None
                self.once(lambda i: i >= 30, code=1)
                waiting = self.waiting()
                self.assertEqual([w[w.index("."):] for w in waiting], [stays])
                self.kept_no_secret()
                tries = len(self.sink.seen)
                self.assertEqual(tries, 1 if stays == ".rejected" or status == 429 else 3)
                self.sink.answer = lambda *_: (202, {}, b"")
                flushed = self.assay("alert", "flush", env=self.env).stdout
                self.assertEqual(flushed, "1 sent, 0 waiting, 0 rejected\n")
                self.assertEqual(self.waiting(), [])
                self.assertEqual(len({body for *_, body in self.sink.seen}), 1)

    def test_slow_and_silent(self):
        self.suite('    - {type: slack, url_env: SLACK_URL, timeout: 1}')
        self.sink.answer = lambda *_: time.sleep(0.3) or (200, {}, b"ok")
        self.once(lambda i: i >= 30, code=1)
        self.assertEqual(self.waiting(), [])
        stop = threading.Event()
        self.addCleanup(stop.set)
        self.sink.answer = lambda *_: stop.wait(60) and None
        self.once(lambda i: True, code=0)
        self.assertEqual(len(self.waiting()), 1)
        self.sink.answer = lambda *_: (200, {}, b"ok")
        self.assay("alert", "flush", env=self.env)
        self.assertIn("holds again", self.titles()[-1])

    def test_offline_opens_nothing(self):
        self.once(lambda i: False, "--offline", code=1)
        self.assertEqual(self.sink.seen, [])
        self.assertEqual(len(self.waiting()), 2)
        self.assay("alert", "flush", "--offline", code=3, env=self.env)
        self.assertEqual(self.sink.seen, [])
        self.assay("alert", "flush", env=self.env)
        self.assertEqual(len(self.sink.seen), 2)

    def test_killed_while_it_sends(self):
        self.suite('    - {type: pagerduty, key_env: KEY, url: "URL/pd"}')
        hold = []
        self.sink.answer = lambda *_: hold.append(time.sleep(5))
        self.answers(lambda i: i >= 30)
        process = subprocess.Popen([e2e.BINARY, "run", "suite.yaml"], cwd=self.dir, env=self.env,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.assertTrue(self.sink.wait_for(1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.sink.answer = lambda *_: (202, {}, b"")
        self.assay("alert", "flush", env=self.env)
        events = self.sink.bodies()
        self.assertEqual(len(events), 2)  # at least once, and PagerDuty sees that it is the same
        self.assertEqual(len({e["dedup_key"] for e in events}), 1)
        self.once(lambda i: True, code=0)
        last = self.sink.bodies()[-1]
        self.assertEqual((last["event_action"], last["dedup_key"]),
                         ("resolve", events[0]["dedup_key"]))

    def test_the_bound_keeps_the_oldest(self):
        self.sink.down()
        self.once(lambda i: i >= 30, code=1)
        folder = self.dir / ".assay/alerts"
        first = self.waiting()[0]
        for i in range(999):
            shutil.copy(folder / first, folder / f"99999999{i:05d}{first[13:]}")
        done = self.once(lambda i: i % 4 and i >= 30, code=3)
        self.assertIn("1000 alerts wait", done.stderr)
        self.assertEqual(self.waiting()[0], first)
        self.assertEqual(len(self.waiting()), 1000)
        for path in folder.glob("9*"):
            path.unlink()
        self.sink.up()
        self.once(lambda i: i % 4 and i >= 30, code=1)  # what was lost then is said now
        self.assertIn("accuracy[tag=edge] fails", self.titles()[-1])

    def test_damage_is_put_aside(self):
        self.once(lambda i: True, code=0)
        self.write(".assay/alerts/1795000000000-0000-x-y-trigger.json", "{")
        done = self.once(lambda i: i >= 30, code=1)
        self.assertIn("1795000000000", done.stderr)
        self.assertEqual(len(self.titles()), 1)
        self.assertEqual(self.waiting(), ["1795000000000-0000-x-y-trigger.rejected"])
        self.write(".assay/alerts/state.json", "{")
        self.assertIn("state.json", self.once(lambda i: i >= 30, code=3).stderr)

    def test_a_disk_that_takes_nothing(self):
        (self.dir / "file").write_text("")
        done = self.once(lambda i: False, "--spool", "file/x", code=3)
        self.assertIn("alert:", done.stderr)
        self.assertTrue((next((self.dir / ".assay/runs").iterdir()) / "summary.json").exists())

    def test_the_test(self):
        self.suite('    - {type: slack, url_env: SLACK_URL}\n'
                   '    - {type: pagerduty, key_env: KEY, url: "URL/pd"}')
        done = self.assay("alert", "test", "suite.yaml", env=self.env)
        self.assertEqual(done.stdout.count("sent (HTTP 200)"), 2)
        self.assertNotIn(CANARY, done.stdout + done.stderr)
        self.assertIn("[test] small", self.sink.bodies("/" + CANARY)[0]["text"])
        self.assay("alert", "test", "suite.yaml", "--resolve", env=self.env)
        first, last = self.sink.bodies("/pd")
        self.assertEqual((first["event_action"], last["event_action"]), ("trigger", "resolve"))
        self.assertEqual(first["dedup_key"], last["dedup_key"])
        self.assertFalse((self.dir / ".assay").exists())
        del self.env["KEY"]
        done = self.assay("alert", "test", "suite.yaml", "--format", "json", code=3, env=self.env)
        self.assertEqual([s["sent"] for s in json.loads(done.stdout)], [True, False])
        self.assertIn("$KEY is not set", done.stdout)
        self.small()
        self.assertIn("no 'alert:'", self.assay("alert", "test", "suite.yaml", code=2).stderr)
        self.assertIn("did you mean 'flush'", self.assay("alert", "flsh", code=2).stderr)
        self.assertIn("endsAt", self.assay("help", "alerts").stdout)


@unittest.skipUnless(ALERTMANAGER, "there is no prometheus-alertmanager")
class Alertmanager(Told):
    SINKS = '    - {type: alertmanager, url: "AMURL", labels: {team: nlp}}'

    def start(self):
        if not hasattr(self, "port"):
            with socket.create_server(("127.0.0.1", 0)) as probe:
                self.port = probe.getsockname()[1]
        home = pathlib.Path(tempfile.mkdtemp(prefix="assay-alertmanager-"))
        self.addCleanup(shutil.rmtree, home, ignore_errors=True)
        (home / "am.yml").write_text(
            "route: {receiver: hook, group_by: [alertname, metric, slice], group_wait: 0s, "
            "group_interval: 1s}\n"
            f"receivers: [{{name: hook, webhook_configs: [{{url: '{self.sink.url}/am', "
            "send_resolved: true}]}]\n")
        self.manager = subprocess.Popen(
            [ALERTMANAGER, f"--config.file={home}/am.yml", f"--storage.path={home}/data",
             f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address="],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=home)
        self.addCleanup(self.manager.wait)
        self.addCleanup(self.manager.kill)
        for _ in range(600):
            try:
                urllib.request.urlopen(self.at("/-/ready"), timeout=5)
                break
            except OSError:
                time.sleep(0.05)
        self.suite(self.SINKS.replace("AMURL", self.at("")))

    def at(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def active(self):
        with urllib.request.urlopen(self.at("/api/v2/alerts"), timeout=30) as answer:
            return {a["labels"].get("slice", ""): a for a in json.load(answer)}

    def until(self, what, seconds=60):
        end = time.monotonic() + seconds
        while not what() and time.monotonic() < end:
            time.sleep(0.05)
        self.assertTrue(what())

    def notified(self, status):
        return [a["labels"].get("slice", "") for body in self.sink.bodies("/am")
                for a in body["alerts"] if a["status"] == status]

    def test_fires_once_and_is_over(self):
        self.start()
        self.once(lambda i: True, code=0)
        self.assertEqual(self.active(), {})
        self.once(lambda i: i % 4 and i >= 30, code=1)
        first = self.active()
        self.assertEqual(set(first), {"", "tag=edge"})
        one = first[""]
        self.assertEqual(one["labels"], {"alertname": "AssayGateFailed", "suite": "small",
                                         "metric": "accuracy", "branch": "main",
                                         "severity": "error", "team": "nlp"})
        self.assertIn("fails on main", one["annotations"]["summary"])
        self.until(lambda: len(self.notified("firing")) == 2)
        # Told again, it is the same alert, which ends later.
        self.commit("another")
        self.once(lambda i: i % 4 and i >= 30, code=1)
        again = self.active()
        self.assertEqual({k: a["fingerprint"] for k, a in again.items()},
                         {k: a["fingerprint"] for k, a in first.items()})
        self.assertEqual(again[""]["startsAt"], one["startsAt"])
        self.assertGreater(again[""]["endsAt"], one["endsAt"])
        # The slice holds again, then all.
        self.once(lambda i: i % 4 == 0 or i >= 60, code=1)
        self.assertEqual(set(self.active()), {""})
        self.once(lambda i: True, code=0)
        self.assertEqual(self.active(), {})
        self.until(lambda: sorted(self.notified("resolved")) == ["", "tag=edge"])
        self.assertEqual(sorted(self.notified("firing")), ["", "tag=edge"])

    def test_down_and_up_again(self):
        self.start()
        self.manager.kill()
        self.manager.wait()
        for _ in range(3):  # what waits for it is the newest only
            self.once(lambda i: i >= 30, code=1)
            self.assertEqual(len(self.waiting()), 1)
        self.start()  # it has forgotten everything
        self.assay("alert", "flush")
        self.assertEqual(set(self.active()), {""})
        self.once(lambda i: True, code=0)
        self.assertEqual(self.active(), {})

    def test_the_test_arrives(self):
        self.start()
        done = self.assay("alert", "test", "suite.yaml")
        self.assertIn("sent (HTTP 200)", done.stdout)
        self.assertEqual(self.active()[""]["labels"]["alertname"], "AssayTest")
        self.until(lambda: self.notified("firing") == [""])
        self.assay("alert", "test", "suite.yaml", "--resolve")
        self.assertEqual(self.active(), {})
        self.until(lambda: self.notified("resolved") == [""])


if __name__ == "__main__":
    sys.exit(e2e.main(sys.modules[__name__]))
