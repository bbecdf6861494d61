"""A linear classifier over words and runs of letters, from which the decoder learns as well.

It generalizes well from few texts (a misspelt word shares most of its runs of letters
with the right one) and can label any number of altered texts softly.
"""
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC


class Teacher:
    """pairs: (text, label); probs() gives [text][label] over `labels`, which are sorted."""

    def __init__(self, pairs, dev):
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+|\w+")
        letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2)
        self.model = make_pipeline(make_union(words, letters), LinearSVC(C=.5, dual=True, random_state=1))
        self.model.fit([t.lower() for t, _ in pairs], [l for _, l in pairs])
        self.labels = list(self.model.classes_)
        self.scale = 1.0
        gold = [self.labels.index(l) for _, l in dev]
        scores = self.model.decision_function([t.lower() for t, _ in dev])
        self.accuracy = float(np.mean(scores.argmax(1) == gold))
        self.scale = max((1, 2, 3, 4, 5, 6, 8), key=lambda c: float(np.mean(
            np.log(self.softmax(c * scores)[np.arange(len(gold)), gold]))))

    @staticmethod
    def softmax(scores):
        e = np.exp(scores - scores.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    def probs(self, texts):
        return self.softmax(self.scale * self.model.decision_function([t.lower() for t in texts]))


def teach(sampler, task):
    """The teacher of a task, without the development texts."""
    if task == "support":
        s = sampler.support
        pairs = s.pool + s.lines + [(sampler.augment(t, 1.0), l) for t, l in s.pool * 2]
        pairs += [(s.compose(s.builder, l), l) for l in s.labels * 250]
        dev = s.dev_sets()["rough"]
    else:
        from data import machine_text
        pairs = [(machine_text(r), r[task]) for r in sampler.machines.train]
        dev = [(machine_text(r), r[task]) for r in sampler.machines.dev]
    return Teacher(pairs, dev)
