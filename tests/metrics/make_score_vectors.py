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


def write():
    with open("scored.jsonl", "w", encoding="utf-8", newline="\n") as file:
        for name, cases in SETS.items():
            file.write(json.dumps({"set": name, "cases": cases}, ensure_ascii=False) + "\n")
        for line in VALUES:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    for make in (grades, curves):
        make()
    write()
