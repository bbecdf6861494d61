#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""assay history through the binary, on SQLite and, under private_pg.py, on PostgreSQL.

    history.py BINARY [CLASS...]
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "runner"))
import e2e  # noqa: E402

POSTGRES = os.environ.get("ASSAY_TEST_PG", "")
GRAFANA = e2e.TOP / "reports/grafana"
SECRET = "4929-1111"


def psql(url, sql):
    done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", url, "-c", sql],
                          capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"{sql}\n{done.stderr}")
    return done.stdout.splitlines()


class HistoryCase(e2e.Case):
    def setUp(self):
        super().setUp()
        self.store = "sqlite:history.db"
        if POSTGRES:
            name = "t" + uuid.uuid4().hex
            psql(POSTGRES, f"CREATE DATABASE {name}")
            self.store = POSTGRES.replace("/postgres?", f"/{name}?")

    def run_suite(self, suite, out, *more, code=0):
        return self.summary(suite, "--out", out, "--store", self.store, *more, code=code)

    def history(self, *args, **more):
        return self.assay("history", *args, "--store", self.store, **more)

    def rows(self, *args):
        return [json.loads(line) for line in
                self.history(*args, "--format", "json").stdout.splitlines()]

    def git(self, *args):
        return subprocess.run(["git", *args], cwd=self.dir, check=True, capture_output=True,
                              text=True).stdout.strip()

    def repository(self):
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "Ada Lovelace")
        self.git("config", "user.email", "ada@example.org")

    def commit(self, name):
        self.write(name, name)
        self.git("add", name, "suite.yaml", "cases.jsonl")
        self.git("commit", "-q", "-m", name)
        return self.git("rev-parse", "HEAD")


class Life(HistoryCase):
    def test_a_run_comes_back_as_it_went_in(self):
        suite = self.small()
        first = self.run_suite(suite, "a", "--tag", "good")
        second = self.run_suite(suite, "b", "--target", "mock:random?seed=1")
        self.assertEqual(second["gate"]["baseline"], first["run"])
        self.assertEqual([run["run"] for run in self.rows("list")], [second["run"], first["run"]])
        self.assertEqual(self.rows("list", "--limit", "1")[0]["run"], second["run"])
        shown = self.history("show", "tag:good", "--format", "json").stdout
        self.assertEqual(json.loads(shown), first)
        self.history("export", second["run"], "--out", "x")
        self.assertEqual(self.lines("x"), sorted(self.lines("b"), key=lambda line: line["id"]))
        self.history("import", "x")  # is there: nothing happens
        self.assertEqual(len(self.rows("list")), 2)
        self.assay("compare", first["run"], second["run"], "--store", self.store)
        self.assay("report", "--out", "trend.html", "--store", self.store)

    def test_rebuilt_metrics_are_the_same_bits(self):
        suite = self.small(suite=e2e.SUITE.replace("[accuracy, f1_macro]",
                                                   "[accuracy, f1_macro, mcc, balanced_accuracy]"))
        self.run_suite(suite, "a", "--target", "mock:random?seed=1")
        self.run_suite(suite, "b", "--target", "mock:random?seed=2")
        before = self.dump("metrics")
        self.assertGreater(len(before), 20)
        self.history("rebuild")
        self.assertEqual(self.dump("metrics"), before)

    def dump(self, table):
        if POSTGRES:
            return sorted(psql(self.store, f"SELECT to_json({table}) FROM {table}"))
        import sqlite3
        return sorted(map(repr, sqlite3.connect(self.dir / "history.db").execute(
            f"SELECT * FROM {table}")))

    def test_case_history(self):
        suite = self.small()
        first = self.run_suite(suite, "a")
        second = self.run_suite(suite, "b", "--target", "mock:random?seed=3")
        found = self.rows("case", "c-0007")
        self.assertEqual([row["run"] for row in found], [second["run"], first["run"]])
        self.assertEqual(found[1]["sample"]["prediction"], "yes_it_is")
        self.assertEqual(len(self.rows("case", "c-0007", "--limit", "1")), 1)
        self.assertIn("yes_it_is", self.history("case", "c-0007").stdout)
        self.assertIn("nothing-like-it", self.history("case", "nothing-like-it", code=2).stderr)

    def test_the_documented_tables_are_those_that_are_there(self):
        self.run_suite(self.small(), "a")
        if POSTGRES:
            columns = [row.split("|") for row in psql(
                self.store, "SELECT table_name, column_name FROM information_schema.columns"
                " WHERE table_schema = 'public' AND table_name <> 'assay_schema'"
                " AND table_name NOT LIKE 'samples\\_%'")]
        else:
            import sqlite3
            columns = list(sqlite3.connect(self.dir / "history.db").execute(
                "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c"
                " WHERE m.type = 'table'"))
        self.assertGreater(len(columns), 40)
        text = self.assay("help", "store").stdout
        tables = dict(re.findall(r"^  (\w+)  +(.*(?:\n {12}.*)*)", text, re.M))
        self.assertEqual({table for table, _ in columns}, set(tables))
        for table, column in columns:
            self.assertRegex(tables[table], rf"\b{column}\b", table)

    def test_the_url_s_password_is_never_shown(self):
        done = self.assay("history", "--store", "postgres://me:opensesame@127.0.0.1:1/x", code=3)
        self.assertNotIn("opensesame", done.stdout + done.stderr)
        self.assertIn("me@127.0.0.1:1/x", done.stderr)


class Baselines(HistoryCase):
    def test_accepting_a_failed_run(self):
        suite = self.small(suite=e2e.SUITE + "gate: [accuracy >= 0.9]\n")
        self.repository()
        good = self.run_suite(suite, "a")
        bad = self.run_suite(suite, "b", "--target", "mock:random?seed=1", code=1)
        self.assertEqual(self.run_suite(suite, "c")["gate"]["baseline"], good["run"])
        self.assertIn("--why", self.history("accept", bad["run"], code=2).stderr)
        self.history("accept", bad["run"], "--why", "labels were wrong before")
        again = self.run_suite(suite, "d", "--baseline", "accepted")
        self.assertEqual(again["gate"]["baseline"], bad["run"])
        event = self.rows("audit")[0]
        self.assertEqual((event["who"], event["action"], event["run"], event["gate"], event["why"]),
                         ("Ada Lovelace <ada@example.org>", "accept", bad["run"],
                          "accuracy >= 0.9", "labels were wrong before"))
        self.assertIn("accepted", self.history("list").stdout)
        self.assertIn("labels were wrong", self.history("audit").stdout)

    def test_a_loosened_gate_is_noted(self):
        self.repository()
        self.run_suite(self.small(suite=e2e.SUITE + "gate: [accuracy >= 0.9]\n"), "a")
        suite = self.small(suite=e2e.SUITE + "gate: [accuracy >= 0.2]\n")
        run = self.run_suite(suite, "b")
        event = self.rows("audit")[0]
        self.assertEqual((event["action"], event["run"], event["gate"], event["why"]),
                         ("loosen", run["run"], "accuracy >= 0.2", "was: accuracy >= 0.9"))

    def test_merge_base(self):
        suite = self.small()
        self.repository()
        self.commit("one")
        first = self.run_suite(suite, "out/a")
        self.commit("two")  # nothing was run here
        self.git("checkout", "-q", "-b", "feature")
        self.commit("three")
        self.run_suite(suite, "out/b")
        self.git("checkout", "-q", "main")
        self.commit("four")
        self.run_suite(suite, "out/c")  # newer, but not where the branch began
        self.git("checkout", "-q", "feature")
        found = self.run_suite(suite, "out/d", "--baseline", "merge-base")
        self.assertEqual(found["gate"]["baseline"], first["run"])
        named = self.run_suite(suite, "out/e", "--baseline", "merge-base:main")
        self.assertEqual(named["gate"]["baseline"], first["run"])
        shown = json.loads(self.history("show", "merge-base", "--format", "json").stdout)
        self.assertEqual(shown["run"], first["run"])
        self.assertIn("nowhere", self.assay("run", suite, "--baseline", "merge-base:nowhere",
                                            "--store", self.store, code=2).stderr)

    def test_merge_base_without_a_run_is_no_baseline(self):
        suite = self.small(suite=e2e.SUITE + "gate: [accuracy drop <= 0.01]\n")
        self.assertIn("repository", self.assay("run", suite, "--baseline", "merge-base", "--store",
                                               self.store, code=2).stderr)
        self.repository()
        self.commit("one")
        found = self.run_suite(suite, "out/a", "--baseline", "merge-base")
        self.assertEqual(found["gate"]["verdict"], "no_baseline")

    def test_prune(self):
        suite = self.small()
        runs = [self.run_suite(suite, f"r{i}")["run"] for i in range(4)]
        self.assertIn("--older-than", self.history("prune", code=2).stderr)
        self.assertIn("90d", self.history("prune", "--older-than", "soon", code=2).stderr)
        self.history("prune", "--older-than", "1d")
        self.history("prune", "--keep", "9")
        self.assertEqual(len(self.rows("list")), 4)
        self.history("tag", runs[0], "kept")
        self.history("prune", "--keep", "1")
        # The newest, its baseline, the baseline's, ...: a chain that reaches back to the first.
        self.assertEqual(len(self.rows("list")), 4)
        last = self.run_suite(suite, "last", "--baseline", "none")
        self.history("prune", "--keep", "1")
        self.assertEqual({run["run"] for run in self.rows("list")}, {runs[0], last["run"]})


class Redaction(HistoryCase):
    ROWS = [{"id": f"c{i}", "text": "x", "expected": f"card {SECRET}" if i % 2 else "a card",
             "tags": []} for i in range(20)]
    SUITE = ("suite: private\ndataset: cases.jsonl\ntarget: replay:answers.jsonl\ntask: generate\n"
             "prompt: \"{{ text }}\"\nmetrics: [exact_match, token_f1]\n")

    def private(self):
        self.write("answers.jsonl", [{"id": row["id"], "output": f"card {SECRET}"}
                                     for row in self.ROWS])
        return self.small(self.ROWS, self.SUITE)

    def everything(self):
        if POSTGRES:
            return "\n".join(sum((psql(self.store, f"SELECT * FROM {table}") for table in
                                  ("runs", "samples", "texts", "metrics", "audit")), []))
        return (self.dir / "history.db").read_bytes().decode("latin-1") + \
            (self.dir / "history.db-wal").read_bytes().decode("latin-1") \
            if (self.dir / "history.db-wal").exists() else \
            (self.dir / "history.db").read_bytes().decode("latin-1")

    def test_fields_leave_hashes_and_scores(self):
        suite = self.private()
        rules = ["--redact", "output", "--redact", "prediction", "--redact", "expected"]
        first = self.run_suite(suite, "a", *rules)
        self.assertNotIn(SECRET, self.everything())
        self.history("export", first["run"], "--out", "x")
        for line in self.lines("x"):
            self.assertRegex(line["output"], "^sha256:[0-9a-f]{64}$")
            self.assertIn(line["scores"]["exact_match"], (0, 1))
        self.assertIn(SECRET, (self.dir / "a/results.jsonl").read_text())
        # Exact matches can still be compared; what needs the words is refused by name, and the
        # journal goes on being good.
        second = self.run_suite(suite, "b", "--baseline", "none", *rules)
        self.assertEqual(second["metrics"]["exact_match"], first["metrics"]["exact_match"])
        done = self.assay("gate", second["run"], "--gate", "token_f1 drop <= 0.1", "--baseline",
                          first["run"], "--store", self.store, code=2)
        self.assertIn("token_f1", done.stderr)
        self.assay("gate", "b", "--gate", "token_f1 drop <= 0.1", "--baseline", "a")

    def test_patterns_take_out_what_they_match(self):
        suite = self.private()
        self.run_suite(suite, "a", "--redact", "/[0-9]{4}-[0-9]{4}/")
        everything = self.everything()
        self.assertNotIn(SECRET, everything)
        self.assertIn("card [redacted]", everything)

    def test_import_redacts_and_wrong_rules_are_refused_before_anything_runs(self):
        suite = self.private()
        self.summary(suite, "--out", "a", "--no-store")
        self.history("import", "a", "--redact", "output", "--redact", "/[0-9]+/")
        self.assertNotIn(SECRET, self.everything())
        for rule in ("outputs", "/(/"):
            self.assertIn(rule, self.assay("run", suite, "--out", "z", "--store", self.store,
                                           "--redact", rule, code=2).stderr)
        self.assertFalse((self.dir / "z").exists())


class Grafana(HistoryCase):
    """Every query of the shipped dashboard, asked as Grafana would."""

    def setUp(self):
        super().setUp()
        if not POSTGRES:
            self.skipTest("the dashboard is for PostgreSQL")

    def expand(self, sql):
        def time_filter(match):
            return (f"{match.group(1)} BETWEEN '2000-01-01T00:00:00Z' AND '2100-01-01T00:00:00Z'")

        sql = re.sub(r"\$__timeFilter\(([^()]*)\)", time_filter, sql)
        for name, value in (("suite", "small"), ("metric", "accuracy")):
            sql = sql.replace(f"${{{name}:sqlstring}}", f"'{value}'")
        self.assertNotIn("$", sql, "a macro that the test does not know")
        return sql

    def test_every_panel_has_rows(self):
        suite = self.small(suite=e2e.SUITE + "gate: [accuracy >= 0.9]\n")
        self.run_suite(suite, "a")
        bad = self.run_suite(suite, "b", "--target", "mock:random?seed=1", code=1)
        self.history("accept", bad["run"], "--why", "to have an event")
        dashboard = json.loads((GRAFANA / "history.json").read_text())
        queries = [(v["name"], v["query"]) for v in dashboard["templating"]["list"]]
        queries += [(p["title"], t["rawSql"]) for p in dashboard["panels"] for t in p["targets"]]
        queries += [(a["name"], a["target"]["rawSql"])
                    for a in dashboard["annotations"]["list"]]
        self.assertGreater(len(queries), 10)
        for name, sql in queries:
            rows = psql(self.store, self.expand(sql))
            self.assertTrue(rows, f"{name}: no rows")
        titles = [p["id"] for p in dashboard["panels"]]
        self.assertEqual(len(set(titles)), len(titles))
        for panel in dashboard["panels"]:
            if panel["targets"][0]["format"] == "time_series":
                self.assertIn('AS "time"', panel["targets"][0]["rawSql"], panel["title"])

    def test_datasource_and_dashboard_name_each_other(self):
        source = (GRAFANA / "provisioning/datasources/assay.yaml").read_text()
        uid = re.search(r"^    uid: (\S+)$", source, re.M).group(1)
        kind = re.search(r"^    type: (\S+)$", source, re.M).group(1)
        found = re.findall(r'"type": "([^"]+)",\s*"uid": "([^"]+)"',
                           (GRAFANA / "history.json").read_text())
        self.assertEqual(set(found), {(kind, uid)})


if __name__ == "__main__":
    e2e.BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    module = sys.modules[__name__]
    tests = unittest.TestSuite()
    for name in sys.argv[2:] or ["Life", "Baselines", "Redaction", "Grafana"]:
        tests.addTests(unittest.defaultTestLoader.loadTestsFromName(name, module))
    sys.exit(0 if unittest.TextTestRunner(verbosity=1).run(tests).wasSuccessful() else 1)
