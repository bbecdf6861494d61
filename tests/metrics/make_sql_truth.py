#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Adds what the databases themselves say to sql.jsonl: `lite` by SQLite, `pg` by PostgreSQL, 1
unless it is an error of syntax.

    ../store/private_pg.py python3 make_sql_truth.py sql.jsonl > with_truth.jsonl      needs psql
"""
import json
import os
import sqlite3
import subprocess
import sys


def by_sqlite(text):
    base, any_ = sqlite3.connect(":memory:"), False
    for statement in text.split(";"):
        if not statement.strip():
            continue
        any_ = True
        try:
            base.execute(statement)
        except sqlite3.OperationalError as error:
            if any(what in str(error) for what in ("syntax error", "incomplete", "unrecognized token")):
                return 0
        except sqlite3.Error:
            pass  # a parameter without a value
    return int(any_)


def by_postgres(text):
    done = subprocess.run(["psql", "-X", "-q", os.environ["ASSAY_TEST_PG"], "-v", "VERBOSITY=sqlstate",
                           "-c", text], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return 0 if "42601" in done.stderr else 1


head, *rows = map(json.loads, open(sys.argv[1], encoding="utf-8"))
version = subprocess.run(["psql", "--version"], capture_output=True, text=True).stdout.split()[2]
print(json.dumps({**head, "made_by": f"{head['made_by']}, SQLite {sqlite3.sqlite_version}, "
                                     f"PostgreSQL {version}"}))
for row in rows:
    if "sql" in row:
        row |= {"lite": by_sqlite(row["sql"]), "pg": by_postgres(row["sql"])}
    print(json.dumps(row, ensure_ascii=False))
