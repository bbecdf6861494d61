#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A run's comment on a pull request, against servers that speak GitHub's and GitLab's endpoints as
far as they are used, and refuse what the real ones refuse.

    comments.py BINARY [CLASS...]      Standard library only.
"""
import json
import os
import pathlib
import re
import sys
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import e2e  # noqa: E402
from sink import Sink  # noqa: E402

os.environ["no_proxy"] = "127.0.0.1,localhost"
TOKEN = "canary-token-0123456789"
LIMIT = 65536


class Service:
    """The comments of one pull request. `user` None: an installation's token, which has no user."""

    def __init__(self, user):
        self.user, self.comments, self.next = user, [], 101
        self.sink = Sink(self.answer)
        self.fail = None

    def add(self, body, **author):
        self.comments.append({"id": self.next, "body": body, **author})
        self.next += 1
        return self.comments[-1]

    def writes(self):
        return [(method, path) for method, path, *_ in self.sink.seen if method != "GET"]

    def answer(self, method, path, headers, body):
        status, value = self.fail or self.handle(method, urllib.parse.urlsplit(path), headers, body)
        return status, {"Content-Type": "application/json"}, \
            b"" if value is None else json.dumps(value).encode()

    def handle(self, method, url, headers, body):
        if not self.known(headers):
            return 401, {"message": "Bad credentials"}
        if url.path == self.root + "/user":
            return (200, self.user) if self.user else (403, {"message": "not accessible"})
        if url.path == self.all:
            if method == "POST":
                return self.write(None, body)
            query = dict(urllib.parse.parse_qsl(url.query))
            size, page = int(query["per_page"]), int(query["page"])
            return 200, self.comments[size * (page - 1):size * page]
        match = re.fullmatch(re.escape(self.one) + r"(\d+)", url.path)
        found = [c for c in self.comments if match and c["id"] == int(match[1])]
        if not found:
            return 404, {"message": "Not Found"}
        if method == "DELETE":
            self.comments.remove(found[0])
            return 204, None
        if method != self.update:
            return 405, {"message": "no"}
        return self.write(found[0], body)

    def write(self, comment, body):
        text = json.loads(body)["body"]
        if len(text) > LIMIT:
            return 422, {"message": "body is too long"}
        if comment is None:
            return 201, self.add(text, **self.author())
        comment["body"] = text
        return 200, comment


class GitHub(Service):
    root, all, one = "", "/repos/o/r.x/issues/7/comments", "/repos/o/r.x/issues/comments/"
    update = "PATCH"

    def known(self, headers):
        return headers["Authorization"] == "Bearer " + TOKEN and headers["User-Agent"]

    def author(self):
        user = self.user or {"login": "github-actions[bot]", "type": "Bot"}
        return {"user": user, "html_url": f"https://github.test/o/r/pull/7#{self.next}"}

    def env(self):
        return {"GITHUB_API_URL": self.sink.url, "GITHUB_REPOSITORY": "o/r.x",
                "GITHUB_REF": "refs/pull/7/merge", "GITHUB_TOKEN": TOKEN}


class GitLab(Service):
    root, all = "/api/v4", "/api/v4/projects/12/merge_requests/3/notes"
    one = all + "/"
    update = "PUT"

    def known(self, headers):
        return headers["PRIVATE-TOKEN"] == TOKEN

    def author(self):
        return {"author": self.user, "system": False}

    def env(self):
        return {"CI_API_V4_URL": self.sink.url + "/api/v4", "CI_PROJECT_ID": "12",
                "CI_MERGE_REQUEST_IID": "3", "GITLAB_TOKEN": TOKEN}


class Comments(e2e.Case):
    def setUp(self):
        super().setUp()
        self.env = {k: v for k, v in os.environ.items() if not re.match("GITHUB_|CI_|GITLAB_", k)}
        self.small()
        self.run_it()

    def run_it(self, *args, code=0):
        self.assay("run", "suite.yaml", "--out", "o", *args, code=code, env=self.env)

    def serve(self, service):
        self.addCleanup(lambda: service.sink.close())
        self.env.update(service.env())
        return service

    def comment(self, kind, code=0):
        done = self.assay("report", "o", "--comment", kind, code=code, env=self.env)
        self.assertNotIn(TOKEN, done.stdout + done.stderr)
        return done

    def updates_in_place(self, kind, service):
        for i in range(205):  # ours is on the third page
            service.add(f"a person's words {i}", **service.person)
        first = self.comment(kind)
        ours = service.comments[-1]
        self.assertEqual(len(service.comments), 206)
        self.assertRegex(ours["body"], r"\A<!-- assay [0-9a-f]{16} -->\n## ")
        self.assertIn((self.dir / "o/summary.md").read_text().strip(), ours["body"])
        self.comment(kind)  # the same text: nothing is written
        self.assertEqual(len(service.writes()), 1)
        self.run_it("--gate", "accuracy >= 2", "--fresh", code=1)
        self.comment(kind)
        self.assertEqual(len(service.comments), 206)
        self.assertIn("Failed", ours["body"])
        self.assertEqual([method for method, _ in service.writes()], ["POST", service.update])
        return first

    def test_github(self):
        service = GitHub(None)
        service.person = {"user": {"login": "p", "type": "User"}}
        done = self.updates_in_place("github", self.serve(service))
        self.assertRegex(done.stdout, r"\Ahttps://github.test/o/r/pull/7#\d+\n\Z")

    def test_gitlab(self):
        service = GitLab({"id": 55, "username": "project_12_bot"})
        service.person = {"author": {"id": 1}}
        self.updates_in_place("gitlab", self.serve(service))

    def test_what_a_person_writes_is_not_ours(self):
        """Whoever copies the marker would else own the comment that the verdict stands in."""
        for user in (None, {"login": "ci-user", "type": "User"}):
            service = self.serve(GitHub(user))
            self.comment("github")
            body = service.comments[0]["body"]
            service.comments.clear()
            forged = service.add(body, user={"login": "mallory", "type": "User"})
            quoted = service.add("> " + body, **service.author())
            self.run_it("--gate", "accuracy >= 2", "--fresh", code=1)
            self.comment("github")
            self.assertEqual(len(service.comments), 3)
            self.assertEqual((forged["body"], quoted["body"]), (body, "> " + body))
            self.run_it("--fresh")

    def test_another_suite_has_its_own(self):
        service = self.serve(GitHub(None))
        self.comment("github")
        self.write("suite.yaml", e2e.SUITE.replace("suite: small", "suite: '--><b>'"))
        self.run_it("--fresh")
        self.comment("github")
        self.assertEqual(len(service.comments), 2)
        self.assertNotIn("-->", service.comments[1]["body"].split("\n")[2].replace("`--><b>`", ""))

    def test_one_is_left_of_several(self):
        service = self.serve(GitHub(None))
        self.comment("github")
        first = service.comments[0]
        for _ in range(3):
            service.add(first["body"], **service.author())
        self.comment("github")
        self.assertEqual(service.comments, [first])

    def test_the_number_from_the_event(self):
        service = self.serve(GitHub(None))
        self.env["GITHUB_REF"] = "refs/heads/main"
        for event in ({"pull_request": {"number": 7}},
                      {"issue": {"number": 7, "pull_request": {"url": "x"}}}):
            self.env["GITHUB_EVENT_PATH"] = str(self.write("event.json", json.dumps(event)))
            self.comment("github")
        self.assertEqual(len(service.comments), 1)
        self.write("event.json", json.dumps({"issue": {"number": 7}}))
        self.assertIn("no build of a pull request", self.comment("github", code=2).stderr)

    def test_long_and_hostile(self):
        nasty = "</details><script>alert(1)</script> @team <!-- x --> `|` " * 40
        self.write("cases.jsonl", [dict(row, id=f"{i} {nasty[:400]}", text=nasty, expected="no_it_is_not",
                                        tags=[f"{i % 150} {nasty[:200]}"])
                                   for i, row in enumerate(e2e.cases(450))])
        self.write("suite.yaml", e2e.SUITE + "gate:\n" +
                   "".join(f"  - accuracy >= {i / 1000}\n" for i in range(300)))
        self.run_it("--fresh", code=1)
        service = self.serve(GitHub(None))
        self.comment("github")
        body = service.comments[0]["body"]
        self.assertLessEqual(len(body.encode()), LIMIT)
        self.assertIn("and 200 more checks in the report", body)
        self.assertIn("\u274c", body[:2000])
        self.assertEqual(body.count("<!--"), 1)

    def test_refusals(self):
        self.refused_comment("gitlab", "CI_PROJECT_ID")
        self.refused_comment("github", "GITHUB_REPOSITORY")
        self.refused_comment("gitea", "github or gitlab")
        service = self.serve(GitHub(None))
        self.refused_comment("github", "$GITHUB_TOKEN is not set", GITHUB_TOKEN="")
        self.refused_comment("github", "https only", GITHUB_API_URL="http://api.evil.test")
        self.refused_comment("github", "OWNER/NAME", GITHUB_REPOSITORY="o/../../user")
        self.refused_comment("github", "OWNER/NAME", GITHUB_REPOSITORY="o/..")
        self.refused_comment("github", "no build of a pull request", GITHUB_REF="refs/heads/main")
        self.assay("report", "--comment", "github", code=2)
        self.assay("report", "o", "--comment", "github", "--format", "json", code=2)
        self.assertEqual(service.sink.seen, [])
        self.assertIn("offline", self.assay("report", "o", "--comment", "github", "--offline",
                                            code=3, env=self.env).stderr)
        self.assertEqual(service.sink.seen, [])
        self.env["GITHUB_TOKEN"] = "wrong-token-9876543210"
        self.assertIn("401", self.comment("github", code=3).stderr)
        self.env["GITHUB_TOKEN"] = TOKEN
        service.fail = (403, {"message": f"read only {TOKEN}"})
        self.assertIn("may only read", self.comment("github", code=3).stderr)
        service.fail = (200, {"message": "no list"})
        self.assertIn("gave no list", self.comment("github", code=3).stderr)
        self.assertEqual(service.writes(), [])

    def refused_comment(self, kind, says, **env):
        before = dict(self.env)
        self.env.update(env)
        self.assertIn(says, self.comment(kind, code=2).stderr)
        self.env = before

    def test_a_service_that_falters(self):
        service = self.serve(GitHub(None))
        faults = [(503, {}), (502, {})]
        handle = service.handle
        service.handle = lambda *a: (faults.pop(0) if faults else None) or handle(*a)
        self.comment("github")
        self.assertEqual(len(service.comments), 1)


if __name__ == "__main__":
    sys.exit(e2e.main(sys.modules[__name__]))
