#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a suite of choices whose prompts share a prefix of 1,000 tokens, for a model whose tokens
are bytes (make_big_model.py).

    make_suite.py FOLDER CASES      Standard library only.
"""
import json
import pathlib
import random
import sys

PREFIX, QUESTION, CHOICES = 1000, 32, ["card_one", "card_two", "pin_lost", "pin_back"]


def main():
    folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    rng = random.Random(11)

    def words(size):
        return "".join(rng.choice("abcdefghij ") for _ in range(size - 1)) + "."

    folder.mkdir(parents=True)
    prefix = words(PREFIX)
    with open(folder / "cases.jsonl", "w", encoding="utf-8") as file:
        for i in range(count):
            file.write(json.dumps({"id": f"c{i}", "text": words(QUESTION),
                                   "expected": CHOICES[i % 4]}) + "\n")
    (folder / "suite.yaml").write_text(json.dumps(
        {"suite": "prefix", "dataset": "cases.jsonl", "target": "mock:first", "task": "choice",
         "prompt": {"user": prefix + "{{ text }}", "chat": "raw"}, "choices": CHOICES,
         "metrics": ["accuracy"]}))


main()
