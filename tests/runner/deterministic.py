#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""promptfoo's deterministic assertions through the binary, against its own verdicts.

    deterministic.py BINARY [CLASS...]      Standard library only; the helpers are those of e2e.py.
"""
import json
import http.server
import pathlib
import shutil
import sys
import threading
import time
import unittest

import e2e
from asserts import SUITE
from e2e import Case

VECTORS = pathlib.Path(__file__).parent.parent / "metrics"

# promptfoo's deterministic types: the metric that each is here, and the vectors it is held against.
FIRST, SECOND, OVERLAP = "asserts.jsonl", "promptfoo.jsonl", "sentence.jsonl"
TYPES = {
    "equals": ("equals", FIRST), "contains": ("contains", FIRST), "icontains": ("icontains", FIRST),
    "contains-all": ("contains-all", FIRST), "contains-any": ("contains-any", FIRST),
    "icontains-all": ("icontains-all", FIRST), "icontains-any": ("icontains-any", FIRST),
    "starts-with": ("starts-with", FIRST), "regex": ("regex", FIRST),
    "is-json": ("is-json", FIRST), "contains-json": ("contains-json", FIRST),
    "is-xml": ("is-xml", SECOND), "contains-xml": ("contains-xml", SECOND),
    "is-html": ("is-html", SECOND), "contains-html": ("contains-html", SECOND),
    "is-refusal": ("is-refusal", FIRST), "levenshtein": ("levenshtein", FIRST),
    "word-count": ("word-count", FIRST), "finish-reason": ("finish-reason", SECOND),
    "latency": ("latency", SECOND), "cost": ("cost", None), "guardrails": ("guardrails", SECOND),
    "perplexity": ("perplexity-limit", SECOND), "perplexity-score": ("perplexity-score", SECOND),
    "gleu": ("gleu", SECOND), "bleu": ("sentence_bleu", SECOND), "rouge-n": ("rouge-n", SECOND),
    "meteor": ("meteor", OVERLAP), "is-sql": ("is-sql", "sql.jsonl"),
    "contains-sql": ("contains-sql", "sql.jsonl"), "tool-call-f1": ("tool-call-f1", SECOND),
    "is-valid-function-call": ("is-valid-function-call", SECOND),
    "is-valid-openai-function-call": ("is-valid-openai-function-call", SECOND),
    "is-valid-openai-tools-call": ("is-valid-openai-tools-call", SECOND),
    "trajectory:tool-used": ("trajectory:tool-used", SECOND),
    "trajectory:tool-sequence": ("trajectory:tool-sequence", SECOND),
    "trajectory:tool-args-match": ("trajectory:tool-args-match", SECOND),
    "trajectory:step-count": ("trajectory:step-count", SECOND),
    "trace-span-count": ("trace-span-count", SECOND),
    "trace-span-duration": ("trace-span-duration", SECOND),
    "trace-error-spans": ("trace-error-spans", SECOND), "skill-used": ("skill-used", SECOND),
}
# What is refused in the list of a case, and how.
REFUSED = {
    "asks a model": ["llm-rubric", "agent-rubric", "g-eval", "factuality", "model-graded-factuality",
                     "model-graded-closedqa", "answer-relevance", "context-recall", "context-relevance",
                     "context-faithfulness", "conversation-relevance", "search-rubric", "similar",
                     "similar:cosine", "similar:dot", "similar:euclidean", "classifier", "moderation",
                     "pi", "trajectory:goal-success", "select-best"],
    "a dataset may not": ["javascript", "python", "ruby", "webhook"],
    "assay compare": ["max-score", "human"],
}


def rows_of(name):
    return [json.loads(line) for line in (VECTORS / name).read_text("utf-8").splitlines()]


class Rows(Case):
    def run_rows(self, rows):
        """[pass, score] of rows {output, assert, details}."""
        self.write("cases.jsonl", [{"id": f"{i:05d}", "x": "q", "assert": [row["assert"]]}
                                   for i, row in enumerate(rows)])
        self.write("answers.jsonl", [{"id": f"{i:05d}", "output": row["output"], "latency_ms": 10,
                                      **row.get("details", {})} for i, row in enumerate(rows)])
        self.write("suite.yaml", SUITE)
        self.assay("run", "suite.yaml", "--out", "out", "--fresh", "--no-store")
        found = sorted(self.lines("out"), key=lambda row: row["id"])
        return [[row["scores"]["assert"], row["scores"]["assert_score"]] for row in found]

    def differing(self, rows):
        other = []
        for row, got in zip(rows, self.run_rows(rows), strict=True):
            want = row["result"]
            if got[0] != want[0] or abs(got[1] - want[1]) > 1e-9:
                other.append((row["assert"]["type"], row["output"], row["assert"].get("value"), want, got))
        return other


class Verdicts(Rows):
    def test_every_type_is_there_or_refused(self):
        types = set(rows_of(SECOND)[0]["types"]) | {"select-best", "max-score", "human"}
        self.assertEqual(types, set(TYPES) | {name for names in REFUSED.values() for name in names})
        metrics = self.assay("help", "metrics").stdout
        for name, (metric, vectors) in TYPES.items():
            self.assertIn(f"\n  {metric} ", metrics)
            if vectors and vectors != OVERLAP:
                text = (VECTORS / vectors).read_text("utf-8").replace('": "', '":"')
                self.assertIn(f'"type":"{name}"', text)
        for says, names in REFUSED.items():
            for name in names:
                self.write("cases.jsonl", [{"id": "1", "x": "q", "assert": [{"type": name}]}])
                self.write("answers.jsonl", [{"id": "1", "output": "a"}])
                self.write("suite.yaml", SUITE)
                self.refused("run", "suite.yaml", "--out", "out", says=[f"'{name}'", says])

    def test_as_promptfoo(self):
        head, *rows = rows_of("promptfoo.jsonl")
        for row in rows:
            if "trace" in row["details"]:
                row["details"]["trace"] = {"spans": head["traces"][row["details"]["trace"]]}
        rows = [row for row in rows if row["result"]]
        self.assertGreater(len(rows), 500)
        self.assertEqual({(kind, output) for kind, output, *_ in self.differing(rows)}, {
            # A lone {name, arguments} in a line is a call here.
            ("tool-call-f1", 'so\n{"name": "a"}\n[{"name": "b"}]')})

    def test_as_nltk(self):
        _, *rows = rows_of("sentence.jsonl")
        lists = []
        for row in rows:
            alpha, beta, gamma = row["set"]
            for kind, more in (("gleu", {}), ("meteor", {"alpha": alpha, "beta": beta, "gamma": gamma})):
                for sign, score in (("", row[kind]), ("not-", 1 - row[kind])):
                    passes = (row[kind] >= 0.25) != bool(sign)
                    lists.append({"output": row["output"], "result": [int(passes), score],
                                  "assert": {"type": sign + kind, "value": row["golds"],
                                             "threshold": 0.25, **more}})
        self.assertGreater(len(lists), 200)
        self.assertEqual(self.differing(lists), [])

    def test_as_metrics_of_recorded_answers(self):
        self.write("a.jsonl", [{"output": "The cats sat.", "expected": ["a cat sat", "the cat sat"],
                                "cost": 0.02, "logprob": -4.0, "tokens": 2}])
        for metric, want in (
                ("gleu", 4 / 9 - 1 / 9), ("not-gleu", 1 - 3 / 9), ("{name: cost, threshold: 0.02}", 1),
                ("meteor", (1 - 0.5 / 27)), ("{name: rouge-n, n: 2}", 0), ("rouge-n", 4 / 7),
                ("{name: not-perplexity-limit, threshold: 7.389}", 1),
                ("{name: perplexity-limit, threshold: 7.3891}", 1),
                ("{name: trace-span-count, pattern: x, min: 1}", None)):
            found = json.loads(self.assay("score", "a.jsonl", "--metrics", metric, "--format",
                                          "json").stdout)
            value = next(iter(found.values()))["value"]
            if want is None:
                self.assertIsNone(value, metric)
            else:
                self.assertAlmostEqual(value, want, 12, metric)

    def test_refused_by_name(self):
        for assertion, says in (
                ({"type": "javascript", "value": "true"}, "a dataset may not"),
                ({"type": "not-python", "value": "True"}, "a dataset may not"),
                ({"type": "webhook", "value": "http://x"}, "a dataset may not"),
                ({"type": "select-best", "value": "x"}, "asks a model"),
                ({"type": "max-score"}, "assay compare"),
                ({"type": "gleu"}, "needs 'value'"),
                ({"type": "meteor", "value": "x", "delta": 1}, "key 'delta'"),
                ({"type": "gleu", "value": "x", "alpha": 1}, "no option 'alpha'"),
                ({"type": "trace-span-duration", "value": {"pattern": "x"}}, "needs option 'max'"),
                ({"type": "skill-used", "value": {"min": 1}}, "'value' or 'pattern'"),
                ({"type": "trajectory:step-count", "value": {"type": "tool"}}, "'min' or 'max'"),
                ({"type": "is-valid-function-call"}, "needs option 'tools'"),
                ({"type": "is-valid-function-call", "value": [{"parameters": {}}]}, "no 'name'"),
                ({"type": "is-valid-function-call",
                  "value": [{"name": "f", "parameters": {"kind": "object"}}]}, "tool 'f'")):
            self.write("cases.jsonl", [{"id": "1", "x": "q", "assert": [assertion]}])
            self.write("answers.jsonl", [{"id": "1", "output": "a"}])
            self.write("suite.yaml", SUITE)
            self.refused("run", "suite.yaml", "--out", "out", says=[says])

    def test_details_reach_journal_and_are_hidden(self):
        trace = {"spans": [{"name": "call secret", "startTime": 0, "endTime": 5}]}
        calls = [{"name": "search", "arguments": {"q": "secret"}}]
        self.write("cases.jsonl", [{"id": "1", "x": "q", "expected": "y"}])
        self.write("answers.jsonl", [{"id": "1", "output": "y", "trace": trace, "tool_calls": calls}])
        suite = SUITE.replace("expected: assert\n", "").replace(
            "[assert, assert_score]", "[{name: trace-span-count, pattern: '*secret', min: 1}]")
        self.write("suite.yaml", suite)
        self.assay("run", "suite.yaml", "--out", "out", "--fresh", "--no-store")
        row = self.lines("out")[0]
        self.assertEqual((row["trace"], row["tool_calls"]), (trace, calls))
        self.assertEqual(row["scores"], {"trace-span-count": 1})
        found = self.summary("suite.yaml", "--out", "out2", "--redact", "/secret/")
        self.assay("history", "export", found["run"], "--out", "kept")
        text = "".join(p.read_text() for p in (self.dir / "kept").rglob("*") if p.is_file())
        self.assertIn("[redacted]", text)
        self.assertNotIn('"secret', text)


class Sql(Rows):
    """is-sql and contains-sql against promptfoo (node-sql-parser), SQLite and PostgreSQL."""

    def test_verdicts(self):
        head, *rows = rows_of("sql.jsonl")
        known = {(row["sql"], row["database"]): row for row in rows_of("sql_differs.jsonl")}
        asked = [{"output": row["sql"], "row": row, "database": database, "theirs": int(row["is"][i]),
                  "assert": {"type": "is-sql", "value": {"databaseType": database}}}
                 for row in rows if "sql" in row for i, database in enumerate(head["databases"])]
        agree = {"promptfoo": 0, "SQLite": 0, "PostgreSQL": 0}
        theirs = {"SQLite": 0, "PostgreSQL": 0}
        other = []
        for one, got in zip(asked, self.run_rows(asked), strict=True):
            sql, database, row, ours = one["output"], one["database"], one["row"], got[0]
            real = {"Sqlite": row["lite"], "PostgreSQL": row["pg"]}.get(database)
            name = "SQLite" if database == "Sqlite" else database
            agree["promptfoo"] += ours == one["theirs"]
            if real is not None:
                agree[name] += ours == real
                theirs[name] += one["theirs"] == real
            # What differs from a database, or from promptfoo where no database was asked, is listed
            # in sql_differs.jsonl: what `other` says, once each was looked up in the manual.
            differs = ours != (one["theirs"] if real is None else real)
            if differs != ((sql, database) in known):
                other.append({"sql": sql, "database": database, "ours": ours})
        self.assertEqual(other, [])
        count = len(asked) / len(head["databases"])
        self.assertGreater(agree["promptfoo"] / len(asked), 0.9)
        for name, least in (("SQLite", 0.97), ("PostgreSQL", 0.95)):
            self.assertGreater(agree[name] / count, least, name)
            self.assertGreater(agree[name], theirs[name], name)

    def test_tables_columns_and_blocks(self):
        rows = [row for row in rows_of("sql.jsonl")[1:] if "result" in row]
        self.assertGreater(len(rows), 100)
        self.assertEqual([o for o in self.differing(rows) if o], [])

    def test_bounded(self):
        deep = ["SELECT " + "(" * 90 + "1" + ")" * 90, "SELECT " + "(" * 5000 + "1" + ")" * 5000,
                "SELECT " + "NOT " * 100000 + "1", "SELECT " + "INTERVAL " * 100000,
                "SELECT 1" + " UNION SELECT 1" * 20000, "SELECT " + "CASE WHEN " * 20000, "/*" * 100000,
                "SELECT '" + "a" * 2**20 + "'"]
        found = self.run_rows([{"output": sql, "assert": {"type": "is-sql"}} for sql in deep])
        self.assertEqual([row[0] for row in found], [1, 0, 1, 0, 1, 0, 0, 0])

    def test_refused(self):
        for value, says in (({"databaseType": "BigQuery"}, "must be MySQL, MariaDB"),
                            ({"allowedTables": ["("]}, "allowedTables"),
                            ({"tables": ["x"]}, "no option 'tables'")):
            self.write("cases.jsonl", [{"id": "1", "x": "q", "assert": [{"type": "is-sql", "value": value}]}])
            self.write("answers.jsonl", [{"id": "1", "output": "a"}])
            self.write("suite.yaml", SUITE)
            self.refused("run", "suite.yaml", "--out", "out", says=[says])


class Code(Case):
    """Verdicts of programs and services that the suite names."""

    SUITE = SUITE.replace("expected: assert\n", "")

    def run_metrics(self, metrics, outputs, *more, code=0, name="out"):
        self.write("cases.jsonl", [{"id": f"{i:02d}", "x": f"q{i}", "expected": "e"}
                                   for i in range(len(outputs))])
        self.write("answers.jsonl", [{"id": f"{i:02d}", "output": output}
                                     for i, output in enumerate(outputs)])
        self.write("suite.yaml", self.SUITE.replace("[assert, assert_score]", metrics))
        done = self.assay("run", "suite.yaml", "--out", name, "--fresh", "--no-store", *more, code=code)
        return done if code else sorted(self.lines(name), key=lambda row: row["id"])

    def program(self, body):
        (self.dir / "check.py").write_text("import json, sys, time\ncase = json.load(sys.stdin)\n" + body)
        return "argv: [python3, check.py]"

    def test_verdicts_of_a_command(self):
        argv = self.program("o = case['output']\nprint('noise')\n"
                            "if o == 'bad': sys.exit(3)\n"
                            "if o == 'vars': o = json.dumps(case['context']['vars']['x'] == 'q8'\n"
                            "    and case['context']['prompt'] == 'q8' and case['expected'] == 'e')\n"
                            "print(o)\n")
        outputs = ["true", "false", "0", "0.4", '{"pass": true, "score": 0.2, "reason": "r"}',
                   '{"pass": false, "score": 0.9}', "text", "bad", "vars"]
        rows = self.run_metrics(
            f"[{{name: command, {argv}, timeout: 600}}, {{name: not-command, {argv}, timeout: 600, as: n}},"
            f" {{name: command, {argv}, timeout: 600, threshold: 0.3, as: t}}]", outputs,
            "--allow-commands")
        scores = [[row["scores"][name] for row in rows] for name in ("command", "n", "t")]
        self.assertEqual(scores, [[1, 0, 0, 1, 1, 0, 0, 0, 1], [0, 1, 1, 0, 0, 1, 0, 0, 0],
                                  [1, 0, 0, 1, 0, 0, 0, 0, 1]])
        check = [row["checks"][0] for row in rows]
        self.assertEqual(check[4]["reason"], "r")
        self.assertIn("no JSON", check[6]["reason"])
        self.assertIn("ended with exit code 3", check[7]["reason"])
        # The journal has the verdicts: nothing runs again.
        (self.dir / "check.py").unlink()
        scored = json.loads(self.assay("compare", "out/results.jsonl", "out/results.jsonl", "--format",
                                       "json").stdout)
        self.assertEqual(scored["metrics"]["command"]["a"], 4 / 9)

    def test_python_javascript_and_ruby(self):
        (self.dir / "a.py").write_text("def get_assert(output, context):\n"
                                       "    return {'pass': output == 'yes', 'score': 0.5, 'reason': 'py'}\n"
                                       "def other(output, context):\n    return len(output) / 10\n")
        metrics = ["{name: python, value: 'output == \"yes\"'}",
                   "{name: python, value: \"import re\\nreturn bool(re.match('y', output))\", as: lines}",
                   "{name: python, value: 'file://a.py', as: file}",
                   "{name: not-python, value: 'file://a.py:other', threshold: 0.3, as: other}"]
        wanted = {"python": [1, 0], "lines": [1, 0], "file": [1, 0], "other": [0, 1]}
        if shutil.which("node"):
            (self.dir / "a.cjs").write_text("module.exports = (output, context) => output === 'yes';"
                                            "module.exports.vars = (o, c) => c.vars.x === 'q0';")
            metrics += ["{name: javascript, value: 'const n = output.length; n > 2'}",
                        "{name: javascript, value: 'file://a.cjs', as: jsfile}",
                        "{name: javascript, value: 'file://a.cjs:vars', as: jsvars}",
                        "{name: javascript, value: 'null.x', as: thrown}"]
            wanted |= {"javascript": [1, 0], "jsfile": [1, 0], "jsvars": [1, 0], "thrown": [0, 0]}
        if shutil.which("ruby"):
            (self.dir / "a.rb").write_text("def get_assert(output, context) = output == 'yes'\n"
                                           "def other(output, context) = {score: 0.5, pass: output == 'no'}\n")
            metrics += ["{name: ruby, value: 'output.length > 2'}",
                        "{name: ruby, value: \"n = output.length\\nreturn n > 2\", as: rblines}",
                        "{name: ruby, value: 'file://a.rb', as: rbfile}",
                        "{name: ruby, value: 'file://a.rb:other', as: rbother}",
                        "{name: ruby, value: 'raise context.to_s', as: raised}"]
            wanted |= {"ruby": [1, 0], "rblines": [1, 0], "rbfile": [1, 0], "rbother": [0, 1],
                       "raised": [0, 0]}
        rows = self.run_metrics(f"[{', '.join(metrics)}]", ["yes", "no"], "--allow-commands")
        self.assertEqual({name: [row["scores"][name] for row in rows] for name in wanted}, wanted)

    def test_only_where_it_is_allowed(self):
        mark = self.dir / "ran"
        argv = self.program(f"open({str(mark)!r}, 'w').close()\nprint('true')\n")
        for metric, says in ((f"[{{name: command, {argv}}}]", "--allow-commands"),
                             ("[{name: javascript, value: 'true'}]", "--allow-commands"),
                             ("[{name: webhook, value: 'http://192.0.2.1/x'}]", "--allow-host 192.0.2.1"),
                             ("[{name: python, value: 'file://gone.py'}]", "--allow-commands"),
                             ("[{name: command}]", "needs option 'argv'")):
            done = self.run_metrics(metric, ["a"], code=2)
            self.assertIn(says, done.stderr)
        self.assertFalse(mark.exists())
        done = self.run_metrics("[{name: python, value: 'file://gone.py'}]", ["a"], "--allow-commands", code=2)
        self.assertIn("no file 'gone.py'", done.stderr)
        done = self.run_metrics("[{name: webhook, value: 'http://127.0.0.1:1/x'}]", ["a"], "--offline", code=2)
        self.assertIn("--offline opens no connection", done.stderr)
        done = self.run_metrics("[{name: webhook, value: 'http://127.0.0.1:1/x'}]", ["a"], code=3)
        self.assertIn("'http://127.0.0.1:1/x': ", done.stderr)
        done = self.run_metrics("[{name: command, argv: [no-such-program-x]}]", ["a"], "--allow-commands",
                                code=3)
        self.assertIn("cannot start 'no-such-program-x'", done.stderr)
        self.run_metrics("[assert]", [""], code=2)
        self.write("cases.jsonl", [{"id": "00", "x": "q", "expected": [
            {"type": "command", "value": "python3 check.py"}]}])
        done = self.assay("run", "suite.yaml", "--out", "o", "--fresh", "--no-store", "--allow-commands",
                          code=2)
        self.assertIn("a dataset may not", done.stderr)
        self.assertFalse(mark.exists())

    def test_what_a_program_leaves_behind_ends(self):
        argv = "argv: [sh, -c, 'sleep 600 & echo $! >pid; wait']"
        rows = self.run_metrics(f"[{{name: command, {argv}, timeout: 2}}]", ["a"], "--allow-commands")
        self.assertEqual(rows[0]["scores"]["command"], 0)
        self.assertIn("timeout", rows[0]["checks"][0]["reason"])
        stat = pathlib.Path("/proc") / (self.dir / "pid").read_text() / "stat"
        for _ in range(500):  # killed; gone once init has seen it
            if not stat.exists() or stat.read_text().split(") ")[1][0] == "Z":
                return
            time.sleep(0.02)
        self.fail("the program's child lives")

    def test_a_template_hands_over_details(self):
        class Agent(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                text = json.dumps({"said": "done", "log": {"spans": [{"name": "plan"}, {"name": "act"}]},
                                   "used": [{"name": "pdf"}]}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_args):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Agent)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        (self.dir / "agent.yaml").write_text(
            f"url: http://127.0.0.1:{server.server_port}/\nbody: '{{}}'\n"
            "response: {text: said, trace: log, skill_calls: used}\n")
        self.write("cases.jsonl", [{"id": "1", "x": "q", "assert": [
            {"type": "trace-span-count", "value": {"pattern": "act", "min": 1}},
            {"type": "skill-used", "value": "pdf"}]}])
        self.write("suite.yaml", SUITE.replace("replay:answers.jsonl", "http:agent.yaml"))
        self.assay("run", "suite.yaml", "--out", "out", "--fresh", "--no-store")
        row = self.lines("out")[0]
        self.assertEqual(row["scores"]["assert"], 1)
        self.assertEqual(row["skill_calls"], [{"name": "pdf"}])

    def test_webhook(self):
        asked = []

        class Hook(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                asked.append(body)
                good = body["output"] == "yes"
                text = json.dumps({"pass": good, "reason": "hook"}).encode()
                self.send_response(500 if body["output"] == "broken" else 200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_args):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        url = f"http://127.0.0.1:{server.server_port}/check"
        rows = self.run_metrics(f"[{{name: webhook, value: '{url}'}}, {{name: not-webhook, value: '{url}', as: n}}]",
                                ["yes", "no", "broken"])
        self.assertEqual([[row["scores"]["webhook"], row["scores"]["n"]] for row in rows],
                         [[1, 0], [0, 1], [0, 0]])
        first = min(asked, key=lambda body: body["id"])  # asked in any order
        self.assertEqual(first["context"], {"prompt": "q0", "vars": {"id": "00", "x": "q0", "expected": "e"}})
        self.assertIn("500", rows[2]["checks"][0]["reason"])
        self.write("a.jsonl", [{"output": "yes", "expected": ""}, {"output": "no", "expected": ""}])
        found = json.loads(self.assay("score", "a.jsonl", "--metrics", f"{{name: webhook, value: '{url}'}}",
                                      "--format", "json").stdout)
        self.assertEqual(found["webhook"]["value"], 0.5)


if __name__ == "__main__":
    e2e.BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
