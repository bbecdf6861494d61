#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes sentence.jsonl: gleu and meteor by NLTK, meteor without its WordNet stage.

    pip install nltk && python3 make_sentence_vectors.py > sentence.jsonl
"""
import json
import random

import nltk
from nltk.translate.gleu_score import sentence_gleu
from nltk.translate.meteor_score import meteor_score


class NoWords:
    """A WordNet that knows no synonyms."""

    def synsets(self, _word):
        return []


def words(text):
    return [word.rstrip(".") for word in text.lower().split()]


WORDS = ("the The cat cats sat sits sitting on a mat. Mat running runs ran quickly quick relational "
         "relate conditional flies flying dying die news skies end. naïve Ünder 3.14 to").split()
rng = random.Random(5)
print(json.dumps({"made_by": f"nltk {nltk.__version__}"}))
for i in range(60):
    answer = " ".join(rng.choices(WORDS, k=rng.randint(1, 14)))
    golds = [" ".join(rng.choices(WORDS, k=rng.randint(1, 14))) for _ in range(rng.choice((1, 1, 2)))]
    if i % 4 == 0:
        golds[0] = " ".join(sorted(answer.split()) if i % 8 else answer.split()[1:] + ["cat"])
    hyp, refs = words(answer), [words(gold) for gold in golds]
    alpha, beta, gamma = rng.choice([(0.9, 3, 0.5), (0.5, 2, 0.2), (1, 1, 1)])
    print(json.dumps({
        "output": answer, "golds": golds, "gleu": sentence_gleu(refs, hyp), "set": [alpha, beta, gamma],
        "meteor": meteor_score(refs, hyp, wordnet=NoWords(), alpha=alpha, beta=beta, gamma=gamma)},
        ensure_ascii=False))
