#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How close the golden cases are to their training split.

For every golden case: the share of its word 3-grams and 5-grams that occur anywhere in the training
split, whether the whole text occurs, and the cosine similarity (character 3- to 5-grams, TF-IDF)
and the word 2-gram Jaccard similarity of its nearest training example. Standard library only.

    python3 golden/overlap.py support        # or contracts, machines
"""
import collections
import heapq
import json
import math
import pathlib
import re
import sys

TEXT = {
    "support": lambda c: c["text"],
    "contracts": lambda c: c["passage"],
    "machines": lambda c: c["sensors"] + " . " + c["note"],
}


def words(text):
    return re.findall(r"\w+", text.lower())


def grams(items, n):
    return {tuple(items[i:i + n]) for i in range(len(items) - n + 1)}


def char_counts(text):
    text = " " + " ".join(words(text)) + " "
    return collections.Counter(text[i:i + n] for n in (3, 4, 5) for i in range(len(text) - n + 1))


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, max(0, math.ceil(share * len(values)) - 1))]


class Index:
    """TF-IDF cosine by an inverted index."""

    def __init__(self, texts):
        counts = [char_counts(t) for t in texts]
        frequency = collections.Counter(g for c in counts for g in c)
        self.idf = {g: math.log(len(texts) / f) for g, f in frequency.items() if f > 1}
        self.postings = collections.defaultdict(list)
        for at, c in enumerate(counts):
            weights = self.weigh(c)
            for g, w in weights.items():
                if frequency[g] <= len(texts) // 10:  # the commonest grams say nothing
                    self.postings[g].append((at, w))

    def weigh(self, counts):
        weights = {g: (1 + math.log(n)) * self.idf[g] for g, n in counts.items() if g in self.idf}
        norm = math.sqrt(sum(w * w for w in weights.values())) or 1
        return {g: w / norm for g, w in weights.items()}

    def nearest(self, text):
        scores = collections.defaultdict(float)
        for g, w in self.weigh(char_counts(text)).items():
            for at, other in self.postings.get(g, ()):
                scores[at] += w * other
        return heapq.nlargest(1, ((s, at) for at, s in scores.items())) or [(0.0, 0)]


def training_texts(folder, read):
    """All that a model may have seen: the split itself and the written messages beside it."""
    texts = [read(json.loads(line)) for line in open(folder / "train.jsonl", encoding="utf-8")]
    for path in sorted(folder.glob("train/written_*.tsv")):
        lines = path.read_text(encoding="utf-8").splitlines()
        texts += [line.split("\t", 1)[1] for line in lines if "\t" in line]
    return list(dict.fromkeys(texts))


def main():
    name = sys.argv[1]
    folder = pathlib.Path(__file__).parent / name
    read = TEXT[name]
    golden = [json.loads(line) for line in open(folder / "cases.jsonl", encoding="utf-8")]
    train = training_texts(folder, read)
    seen = {n: set().union(*(grams(words(t), n) for t in train)) for n in (3, 5)}
    whole = {" ".join(words(t)) for t in train}
    index = Index(train)
    share = {3: [], 5: []}
    cosine, jaccard, closest, exact = [], [], [], 0
    for case in golden:
        text = read(case)
        tokens = words(text)
        exact += " ".join(tokens) in whole
        for n in (3, 5):
            mine = grams(tokens, n)
            if mine:
                share[n].append(len(mine & seen[n]) / len(mine))
        score, at = index.nearest(text)[0]
        cosine.append(score)
        a, b = grams(tokens, 2), grams(words(train[at]), 2)
        jaccard.append(len(a & b) / len(a | b) if a | b else 0.0)
        closest.append((score, case["id"], text, train[at]))
    print(f"{name}: {len(golden)} golden cases, {len(train)} training examples")
    print(f"  whole text also in training: {exact}")
    for n in (3, 5):
        print(f"  word {n}-grams also in training: mean {sum(share[n]) / len(share[n]):.3f}")
    for label, values in (("nearest by TF-IDF cosine", cosine), ("its word 2-gram Jaccard", jaccard)):
        print(f"  {label}: median {percentile(values, .5):.3f}, p95 {percentile(values, .95):.3f}, "
              f"max {max(values):.3f}")
    print(f"  cosine above 0.8: {sum(s > .8 for s in cosine)}, above 0.9: {sum(s > .9 for s in cosine)}")
    for score, case_id, text, other in sorted(closest, reverse=True)[:5]:
        print(f"    {score:.3f} {case_id}: {text[:90]!r} ~ {other[:90]!r}")


if __name__ == "__main__":
    main()
