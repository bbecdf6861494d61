# SPDX-License-Identifier: Apache-2.0
"""Writes scored.jsonl: cases as `assay score` reads them, and what other programs say of them.

Needs numpy, scikit-learn 1.9, pytrec_eval (terrier), ranx and lm_eval. Run in this folder:
    python3 make_score_vectors.py
"""
import json
import math

import numpy as np
import sklearn.metrics as skm

SETS, VALUES = {}, []


def case_set(name, cases):
    SETS[name] = cases


def value(name, metric, number):
    if isinstance(metric, str):
        metric = {"name": metric}
    number = float(number)
    VALUES.append({"metric": metric, "set": name, "value": None if math.isnan(number) else number})


def grades():
    rng = np.random.default_rng(1)
    for name, low, high in (("grades", 1, 5), ("grades10", 1, 12)):
        y = rng.integers(low, high + 1, 150)
        p = np.clip(y + rng.integers(-2, 3, 150), low, high)
        w = rng.choice([1.0, 2.0, 0.5], 150)
        case_set(name, [{"expected": int(a), "output": int(b), "weight": c}
                        for a, b, c in zip(y, p, w)])
        for weights in ("linear", "quadratic"):
            value(name, f"kappa_{weights}",
                  skm.cohen_kappa_score(y, p, weights=weights, sample_weight=w))
        value(name, "kappa", skm.cohen_kappa_score(y, p, sample_weight=w))
    words = ["low", "medium", "high"]
    y, p = rng.integers(0, 3, 80), rng.integers(0, 3, 80)
    case_set("words", [{"expected": words[a], "output": words[b]} for a, b in zip(y, p)])
    for weights in ("linear", "quadratic"):
        value("words", {"name": f"kappa_{weights}", "labels": words},
              skm.cohen_kappa_score(y, p, weights=weights))
    case_set("one_grade", [{"expected": 1, "output": 1}] * 3)
    value("one_grade", "kappa_linear", math.nan)


def divisions():
    """Labels never expected, never predicted, and neither right: 0/0 of one label, in each sense."""
    rng = np.random.default_rng(6)
    sets = {"rare": (["a"] * 12 + ["b"] * 5 + ["c"], ["a"] * 10 + ["b", "d"] + ["b"] * 5 + ["a"]),
            "none_right": (["a", "b", "a"], ["b", "a", "c"]),
            "mixed": (list(rng.choice(list("abcde"), 40)), list(rng.choice(list("bcdef"), 40)))}
    functions = {"precision": skm.precision_score, "recall": skm.recall_score, "f1": skm.f1_score}
    for name, (y, p) in sets.items():
        case_set(name, [{"expected": str(a), "output": str(b)} for a, b in zip(y, p)])
        for average in ("micro", "macro", "weighted"):
            for zero in (0, 1, math.nan):
                for kind, function in functions.items():
                    metric = {"name": f"{kind}_{average}",
                              "zero_division": "nan" if math.isnan(zero) else zero}
                    value(name, metric, function(y, p, average=average, zero_division=zero))
        value(name, "mcc", skm.matthews_corrcoef(y, p))
        value(name, "kappa", skm.cohen_kappa_score(y, p))


def bins_of_equal_mass(sure, hit, bins):
    order = np.argsort(-sure, kind="stable")
    return sum(abs(hit[part].sum() - sure[part].sum())
               for part in np.array_split(order, bins)) / len(sure)


def curves():
    rng = np.random.default_rng(2)
    for name, n, digits in (("binary", 200, 17), ("ties", 120, 1)):
        y = rng.integers(0, 2, n)
        p = np.round(1 / (1 + np.exp(-(rng.normal(size=n) + y))), digits)
        w = rng.choice([1.0, 3.0], n)
        case_set(name, [{"expected": int(a), "probabilities": float(b), "weight": c}
                        for a, b, c in zip(y, p, w)])
        value(name, "roc_auc", skm.roc_auc_score(y, p, sample_weight=w))
        value(name, "average_precision", skm.average_precision_score(y, p, sample_weight=w))
        value(name, {"name": "roc_auc", "positive": "0"},
              skm.roc_auc_score(1 - y, 1 - p, sample_weight=w))
        value(name, {"name": "average_precision", "positive": "0"},
              skm.average_precision_score(1 - y, 1 - p, sample_weight=w))
        value(name, "brier", skm.brier_score_loss(y, p, sample_weight=w))
    for name, k, n in (("three", 3, 150), ("five", 5, 300)):
        y = rng.integers(0, k, n)
        p = np.exp(rng.normal(size=(n, k)) + 1.5 * np.eye(k)[y])
        p /= p.sum(1, keepdims=True)
        labels = list(range(k))
        case_set(name, [{"expected": int(a), "probabilities": list(map(float, b))}
                        for a, b in zip(y, p)])
        for multi in ("ovr", "ovo"):
            for average in ("macro", "weighted"):
                value(name, {"name": "roc_auc", "multi": multi, "average": average},
                      skm.roc_auc_score(y, p, multi_class=multi, average=average, labels=labels))
        onehot = np.eye(k)[y]
        for average in ("macro", "weighted"):
            value(name, {"name": "average_precision", "average": average},
                  skm.average_precision_score(onehot, p, average=average))
        value(name, "log_loss", skm.log_loss(y, p, labels=labels))
        sure, hit = p.max(1), (p.argmax(1) == y).astype(float)
        for bins in (10, 15):  # both divide the number of cases
            value(name, {"name": "ace", "bins": bins}, bins_of_equal_mass(sure, hit, bins))
    case_set("one_class", [{"expected": 1, "probabilities": 0.5}] * 4)
    value("one_class", "roc_auc", math.nan)
    value("one_class", "average_precision", 1)


def rankings():
    import pytrec_eval
    from ranx import Qrels, Run, evaluate
    rng = np.random.default_rng(3)
    ids = [f"d{i}" for i in range(40)]
    qrels, runs, cases, plain = {}, {}, [], []
    for q in range(60):
        judged = rng.choice(ids, rng.integers(1, 12), replace=False)
        grades = {d: int(rng.integers(0, 4)) for d in judged}
        grades[judged[0]] = max(1, grades[judged[0]])
        found = rng.choice(ids, rng.integers(0 if q % 9 == 0 else 1, 25), replace=False)
        scores = {d: round(float(rng.random()), 1) for d in found}  # many ties
        qrels[f"q{q}"], runs[f"q{q}"] = grades, scores
        cases.append({"expected": grades, "ranking": scores})
        order = sorted(scores, key=lambda d: (scores[d], d), reverse=True)
        plain.append({"expected": [d for d in judged if grades[d] > 0], "output": json.dumps(order)})
    measures = {"recall@5": "recall_5", "recall@10": "recall_10", "precision@5": "P_5",
                "precision@10": "P_10", "mrr": "recip_rank", "map": "map", "map@5": "map_cut_5",
                "ndcg@5": "ndcg_cut_5", "ndcg@10": "ndcg_cut_10", "ndcg": "ndcg",
                "hit@5": "success_5"}
    found = pytrec_eval.RelevanceEvaluator(qrels, set(measures.values())).evaluate(runs)
    case_set("ranked", cases)
    case_set("ranked_ids", plain)
    for name, theirs in measures.items():
        # trec_eval leaves a query without results out; here it counts as 0
        total = sum(found[q][theirs] for q in found) / len(qrels)
        value("ranked", name, total)
        if not name.startswith("ndcg"):
            value("ranked_ids", name, total)
    two = pytrec_eval.RelevanceEvaluator(qrels, {"map", "recall_5"}, relevance_level=2)
    has = [q for q in qrels if max(qrels[q].values()) >= 2]
    found = two.evaluate({q: runs[q] for q in has})
    for name, theirs in (("map", "map"), ("recall@5", "recall_5")):
        value("ranked", {"name": name, "level": 2},
              sum(found[q][theirs] for q in found) / len(has))
    # ranx has Burges' gain; its order among ties is another, so the scores get none
    for q, scores in runs.items():
        for i, d in enumerate(sorted(scores, key=lambda d: (scores[d], d), reverse=True)):
            scores[d] = float(100 - i)
    full = {q: s for q, s in runs.items() if s}
    theirs = evaluate(Qrels({q: qrels[q] for q in full}), Run(full), ["ndcg_burges@10", "mrr@5"])
    share = len(full) / len(qrels)
    value("ranked", {"name": "ndcg@10", "gain": "exp"}, theirs["ndcg_burges@10"] * share)
    value("ranked", "mrr@5", theirs["mrr@5"] * share)


def language():
    from lm_eval.api.metrics import bits_per_byte, weighted_perplexity
    from lm_eval.api.task import PerplexityTask
    rng = np.random.default_rng(4)
    words = "a é ee the 日本 naïve x\u00a0y longer-word Größe".split(" ")
    cases, score = [], {"acc": [], "acc_norm": [], "acc_bytes": [], "acc_mutual_info": []}
    for i in range(120):
        choices = [" ".join(rng.choice(words, rng.integers(1, 4))) + str(k) for k in range(4)]
        lls = np.round(-10 * rng.random(4), 1) - 2  # ties now and then
        alone = np.round(-10 * rng.random(4), 1) - 2
        gold = int(rng.integers(0, 4))
        cases.append({"expected": choices[gold] if i % 2 else gold, "choices": choices,
                      "choice_logprobs": list(lls), "unconditional_logprobs": list(alone)})
        # ConfigurableTask.process_results of lm_eval 0.4.13
        score["acc"].append(np.argmax(lls) == gold)
        score["acc_norm"].append(np.argmax(lls / np.array([float(len(c)) for c in choices])) == gold)
        score["acc_bytes"].append(
            np.argmax(lls / np.array([float(len(c.encode())) for c in choices])) == gold)
        score["acc_mutual_info"].append(np.argmax(lls - alone) == gold)
    case_set("choices", cases)
    for name, hits in score.items():
        value("choices", name, np.mean(hits))
    texts = [" ".join(rng.choice(words, rng.integers(0, 30))) + rng.choice(["", "\n", " \t x"])
             for _ in range(30)]
    lls = [float(-3 * len(t.encode()) * rng.random() - 0.1) for t in texts]
    tokens = [int(rng.integers(1, 50)) for _ in texts]
    texts[3] += "x" if not texts[3] else ""
    texts = [t or "x" for t in texts]
    by_word = [(ll, PerplexityTask.count_words(t)) for ll, t in zip(lls, texts)]
    by_byte = [(ll, PerplexityTask.count_bytes(t)) for ll, t in zip(lls, texts)]
    case_set("texts", [{"logprob": ll, "text": t, "tokens": n}
                       for ll, t, n in zip(lls, texts, tokens)])
    case_set("counts", [{"logprobs": [ll / 4] * 4, "bytes": b[1], "words": w[1], "tokens": n}
                        for ll, b, w, n in zip(lls, by_byte, by_word, tokens)])
    for name in ("texts", "counts"):
        value(name, "word_perplexity", weighted_perplexity(by_word))
        value(name, "byte_perplexity", weighted_perplexity(by_byte))
        value(name, "bits_per_byte", bits_per_byte(by_byte))
        value(name, "perplexity", math.exp(-sum(lls) / sum(tokens)))


def passes():
    rng = np.random.default_rng(5)
    cases, estimates = [], {1: [], 3: [], 10: []}
    for _ in range(40):
        n = int(rng.integers(10, 21))
        right = int(rng.integers(0, n + 1))
        flags = [True] * right + [False] * (n - right)
        rng.shuffle(flags)
        cases.append({"passed": [bool(f) for f in flags]})
        for k, found in estimates.items():
            found.append(1 - math.comb(n - right, k) / math.comb(n, k))
    case_set("passed", cases)
    case_set("outputs", [{"expected": " yes", "outputs": ["yes\n" if f else "no"
                                                         for f in case["passed"]]}
                         for case in cases])
    for k, found in estimates.items():
        value("passed", f"pass@{k}", np.mean(found))
        value("outputs", f"pass@{k}", np.mean(found))


def write():
    with open("scored.jsonl", "w", encoding="utf-8", newline="\n") as file:
        for name, cases in SETS.items():
            file.write(json.dumps({"set": name, "cases": cases}, ensure_ascii=False) + "\n")
        for line in VALUES:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    for make in (grades, divisions, curves, rankings, language, passes):
        make()
    write()
