# SPDX-License-Identifier: Apache-2.0
"""Writes the reference values that tests/metrics is held against.

Needs numpy, scipy, statsmodels, scikit-learn and confseq. Run in this folder:
    python3 make_vectors.py
Each .tsv line is a name, its arguments, and the value; floats with 17 digits.
"""
import itertools
import json
import math
import random
import re
import string
import sys
from collections import Counter

import numpy as np
import sklearn
import sklearn.metrics as skm
import statsmodels.api as sm
from confseq import betting
from scipy import optimize, special as special_functions, stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

VERSIONS = f"numpy {np.__version__}, scikit-learn {sklearn.__version__}"


def write(name, rows):
    with open(name, "w", encoding="utf-8", newline="\n") as out:
        out.write(f"# made by make_vectors.py ({VERSIONS})\n")
        for row in rows:
            cells = [repr(float(c)) if isinstance(c, (float, np.floating)) else str(c) for c in row]
            out.write("\t".join(cells) + "\n")


def special():
    rows = []
    for x in [0.1, 0.5, 1, 1.5, 2, 3.7, 10, 15.9, 16.1, 100, 1234.5, 1e6]:
        rows.append(("lgamma", x, 0, 0, float(math.lgamma(x))))
    for a, b in [(0.5, 0.5), (1, 3), (2.5, 7), (10, 1), (50, 60), (500, 3),
                 (1200, 800), (0.5, 4000)]:
        for x in [1e-6, 0.01, 0.2, 0.5, 0.61, 0.9, 0.999]:
            rows.append(("beta", a, b, x, stats.beta.cdf(x, a, b)))
    for a, b in [(1, 3), (2.5, 7), (50, 60), (1200, 800)]:
        for p in [0.005, 0.025, 0.5, 0.975]:
            rows.append(("beta_quantile", a, b, p, stats.beta.ppf(p, a, b)))
    for z in [-12, -6, -2.5, -1, 0, 0.3, 1.96, 5, 8]:
        rows.append(("normal", z, 0, 0, stats.norm.cdf(z)))
    for p in [1e-20, 1e-6, 0.025, 0.2, 0.5, 0.7, 0.95, 0.975, 0.999999]:
        rows.append(("normal_quantile", p, 0, 0, stats.norm.ppf(p)))
    for df in [1, 2, 3.5, 7, 19, 200, 5000]:
        for t in [-30, -4, -1.5, -0.1, 0, 0.4, 2.2, 9]:
            rows.append(("t", t, df, 0, stats.t.cdf(t, df)))
        for p in [0.001, 0.025, 0.4, 0.8, 0.95, 0.975, 0.9999]:
            rows.append(("t_quantile", p, df, 0, stats.t.ppf(p, df)))
    for n in [1, 7, 40, 1000, 20000]:
        for k in sorted({0, 1, n // 3, n // 2, n - 1, n}):
            for p in [0.03, 0.5]:
                rows.append(("binomial_pmf", k, n, p, stats.binom.pmf(k, n, p)))
                rows.append(("binomial_upper", k, n, p, stats.binom.sf(k - 1, n, p)))
    write("special.tsv", rows)


def tango_bounds(b, c, n, z):
    """Inverts the score test; the restricted maximum of the likelihood is found numerically."""

    def score(delta):
        # p12 - p21 = delta: the multinomial likelihood is at its maximum where its slope is 0.
        def slope(p21):
            rest = 1 - delta - 2 * p21
            return b / (p21 + delta) + (c / p21 if c else 0) - 2 * (n - b - c) / rest

        lo, hi = max(0.0, -delta) + 1e-15, (1 - delta) / 2 - 1e-15
        if slope(lo) <= 0:
            p21 = max(0.0, -delta)
        else:
            p21 = optimize.brentq(slope, lo, hi, xtol=1e-16, rtol=1e-15)
        variance = n * (2 * p21 + delta - delta * delta)
        return (b - c - n * delta) / math.sqrt(variance) if variance > 0 else math.inf

    at = (b - c) / n
    eps = 1e-9
    low = optimize.brentq(lambda d: score(d) - z, -1 + eps, at - eps, xtol=1e-15) if c < n else -1
    high = optimize.brentq(lambda d: score(d) + z, at + eps, 1 - eps, xtol=1e-15) if b < n else 1
    return low, high


def paired():
    rows = []
    for k, n in [(0, 10), (1, 10), (10, 10), (81, 100), (910, 1000), (5, 7)]:
        for name, method in [("wilson", "wilson"), ("clopper_pearson", "beta")]:
            lo, hi = proportion_confint(k, n, 0.05, method)
            rows.append((name, k, n, 0, float(lo), float(hi)))
    for b, c, n in [(6, 16, 161), (1, 7, 21), (12, 20, 100), (3, 0, 50), (0, 1, 40),
                    (40, 10, 1000)]:
        for z in [1.959963984540054, 1.6448536269514722]:
            lo, hi = tango_bounds(b, c, n, z)
            rows.append(("tango", b, c, n, z, lo, hi))
    for b, c in [(0, 0), (1, 0), (0, 5), (3, 9), (9, 3), (20, 20), (40, 60)]:
        exact = stats.binom.sf(c, b + c, 0.5) + 0.5 * stats.binom.pmf(c, b + c, 0.5)
        two = 1.0
        if b != c:
            table = [[0, b], [c, 0]]
            two = mcnemar(table, exact=True).pvalue - stats.binom.pmf(min(b, c), b + c, 0.5)
        rows.append(("mcnemar", b, c, 0, 0, float(exact), float(two)))
    rng = np.random.default_rng(7)
    for name, groups, size in [("cr1", 12, 5), ("cr1", 30, 1)]:
        labels = np.repeat(np.arange(groups), size)
        values = rng.normal(size=groups * size) + rng.normal(size=groups)[labels]
        weights = rng.choice([1.0, 2.0, 0.5], size=groups * size)
        fit = sm.WLS(values, np.ones(len(values)), weights=weights).fit(
            cov_type="cluster", cov_kwds={"groups": labels, "use_correction": False})
        error = fit.bse[0] * math.sqrt(groups / (groups - 1))
        half = stats.t.ppf(0.975, groups - 1) * error
        rows.append((name, groups, size, " ".join(map(repr, map(float, values))),
                     " ".join(map(repr, map(float, weights))), float(fit.params[0]), float(error),
                     float(fit.params[0] - half)))
    for count in (5, 7):
        p = rng.uniform(0, 0.2, count)
        rows.append(("holm", count, 0, " ".join(map(repr, map(float, p))),
                     " ".join(map(repr, map(float, multipletests(p, method="holm")[1])))))
    for count in (4, 9):
        sums = rng.normal(size=count) - 0.7
        signs = np.array(list(itertools.product([1, -1], repeat=count)))
        totals = signs @ sums
        rows.append(("sign_flip", count, 0, " ".join(map(repr, map(float, sums))), 0,
                     float(np.mean(totals <= sums.sum() + 1e-12)),
                     float(np.mean(abs(totals) >= abs(sums.sum()) - 1e-12))))
    # All 5^5 resamples of a skewed sample: BCa without any randomness.
    sample = np.array([1.0, 2.0, 2.5, 4.0, 11.0])
    means = np.sort([np.mean(c) for c in itertools.product(sample, repeat=5)])
    jack = np.array([np.mean(np.delete(sample, i)) for i in range(5)])
    below = (np.sum(means < sample.mean() - 1e-9) + 0.5 * np.sum(abs(means - sample.mean()) < 1e-9))
    z0 = stats.norm.ppf(below / len(means))
    d = jack.mean() - jack
    a = (d**3).sum() / (6 * (d**2).sum() ** 1.5)
    ends = []
    for alpha in (0.025, 0.975):
        z = z0 + stats.norm.ppf(alpha)
        ends.append(float(np.quantile(means, stats.norm.cdf(z0 + z / (1 - a * z)))))
    rows.append(("bca", 5, 0, " ".join(map(repr, map(float, sample))), 0, *ends))
    values = np.sort(rng.lognormal(3, 1, 37))
    for q in (0.5, 0.9, 0.95, 0.99, 1.0):
        rows.append(("rank", 37, q, " ".join(map(repr, map(float, values))), 0,
                     float(np.quantile(values, q, method="inverted_cdf"))))
    write("paired.tsv", rows)


def classify():
    """Sets of (expected, predicted, weight); then the values of every metric on each set."""
    rng = random.Random(3)
    sets = {
        "binary": [(rng.choice("yn"), rng.choice("yyn"), 1) for _ in range(60)],
        "multi": [(rng.choice("abcdé"), rng.choice("abcdéf"), 1) for _ in range(120)],
        "rare": [("x", rng.choice("xxxy"), 1) for _ in range(30)] + [("z", "x", 1), ("y", "y", 1)],
        "perfect": [("a", "a", 1), ("b", "b", 1), ("b", "b", 1)],
        "one_class": [("a", "a", 1), ("a", "a", 1)],
        "all_wrong": [("a", "b", 1), ("b", "a", 1), ("a", "c", 1)],
        "weighted": [(rng.choice("abc"), rng.choice("abc"), rng.choice([0.5, 1, 3]))
                     for _ in range(50)],
    }
    rows = []
    for name, cases in sets.items():
        for expected, predicted, weight in cases:
            rows.append(("case", name, expected, predicted, float(weight)))
        y, p, w = zip(*cases)
        values = {"accuracy": skm.accuracy_score(y, p, sample_weight=w),
                  "balanced_accuracy": None,
                  "mcc": skm.matthews_corrcoef(y, p, sample_weight=w),
                  "kappa": skm.cohen_kappa_score(y, p, sample_weight=w)}
        recalls = [skm.recall_score(y, p, labels=[k], average="macro", sample_weight=w,
                                    zero_division=0) for k in sorted(set(y))]
        values["balanced_accuracy"] = float(np.mean(recalls))
        for average in ("micro", "macro", "weighted"):
            args = dict(average=average, sample_weight=w, zero_division=0)
            values[f"precision_{average}"] = skm.precision_score(y, p, **args)
            values[f"recall_{average}"] = skm.recall_score(y, p, **args)
            values[f"f1_{average}"] = skm.f1_score(y, p, **args)
        for metric, value in values.items():
            rows.append(("value", name, metric, float(value)))
    write("classify.tsv", rows)


def squad(text):
    """The normalisation of SQuAD's evaluate-v2.0.py."""
    text = text.lower()
    text = "".join(ch for ch in text if ch not in set(string.punctuation))
    text = re.sub(r"\b(a|an|the)\b", " ", text)
    return " ".join(text.split())


def token_f1(prediction, gold):
    p, g = squad(prediction).split(), squad(gold).split()
    if not p or not g:
        return float(p == g)
    common = sum((Counter(p) & Counter(g)).values())
    return 2 * common / (len(p) + len(g))


def text():
    rows = []
    pairs = [("The Eiffel Tower.", "eiffel tower"), ("a cat, an owl and the dog", "cat owl dog"),
             ("", ""), ("", "x"), ("x", ""), ("the", "a"), ("ÉCOLE Normale", "école normale"),
             ("ΑΘΗΝΑ Москва", "αθηνα москва"), ("Łódź", "łódź"),
             ("new\u00a0york \u2003 city", "New York City"),
             ("one one two", "one two two"), ("U.S.A.", "USA"), ("a–b the—c", "b c"),
             ("state-of-the-art", "stateoftheart"), ("  padded ", "padded"), ("42", "42.0"),
             ("日本 語", "日本 語"), ("theatre an-the a_b", "theatre"), ("$5,000 (five)", "5000 five")]
    for p, g in pairs:
        rows.append(("text", json.dumps(p, ensure_ascii=False), json.dumps(g, ensure_ascii=False),
                     float(p.strip() == g.strip()), float(squad(p) == squad(g)),
                     float(g.strip() in p), token_f1(p, g)))
    write("text.tsv", rows)


def calibration():
    rng = np.random.default_rng(11)
    rows = []
    for k in (2, 4):
        logits = rng.normal(size=(40, k)) * 2
        y = rng.integers(0, k, 40)
        p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        for i in range(40):
            rows.append(("case", k, int(y[i]), " ".join(map(repr, map(float, logits[i])))))
        onehot = np.eye(k)[y]
        brier = ((p - onehot) ** 2).sum(1).mean() / (2 if k == 2 else 1)
        rows.append(("value", k, "brier", float(brier)))
        rows.append(("value", k, "log_loss", float(skm.log_loss(y, p, labels=list(range(k))))))
        sure, hit = p.max(1), (p.argmax(1) == y).astype(float)
        edges = np.linspace(0, 1, 16)
        ece = 0.0
        for lo, hi in zip(edges[:-1], edges[1:]):
            inside = (sure > lo) & (sure <= hi)
            if inside.any():
                ece += inside.mean() * abs(hit[inside].mean() - sure[inside].mean())
        rows.append(("value", k, "ece", float(ece)))
    write("calibration.tsv", rows)


def versus():
    rng = np.random.default_rng(23)
    rows = []
    numbers = lambda values: " ".join(map(repr, map(float, values)))
    for count in (1, 6, 15):
        p = rng.uniform(0, 0.3, count) ** 2
        rows.append(("bh", numbers(p), numbers(multipletests(p, method="fdr_bh")[1])))
    for count in (2, 3, 8, 26):
        a, b = rng.normal(size=count) * 3, rng.normal(size=count) * 3
        rows.append(("kl", numbers(a), numbers(b),
                     float(stats.entropy(special_functions.softmax(a),
                                         special_functions.softmax(b)))))
    # Anytime-valid tests by the authors of the paper: the Python files of confseq.
    for count, mean, m, alpha in ((5, 0.5, 0.5, 0.05), (200, 0.4, 0.5, 0.01), (400, 0.55, 0.49, 0.01),
                                  (300, 0.93, 0.9, 0.005)):
        x = (rng.uniform(size=count) < mean).astype(float)
        x[::7] = 0.5
        log_e = lambda sign: float(np.log(betting.betting_mart(
            x, m, alpha=alpha, theta=sign, trunc_scale=0.5)[-1]))
        # Theorem 2, with the mean that the paper regularises.
        bet = np.minimum(betting.lambda_predmix_eb(x, alpha=alpha / 2, truncation=np.inf), 0.5)
        t = np.arange(1, count + 1)
        before = np.append(0.5, (0.5 + np.cumsum(x)) / (t + 1))[:-1]
        spent = np.sum((x - before) ** 2 * (-np.log(1 - bet) - bet))
        half = (math.log(2 / alpha) + spent) / bet.sum()
        centre = np.sum(bet * x) / bet.sum()
        rows.append(("eprocess", numbers(x), m, alpha, log_e(1), log_e(0),
                     float(max(0, centre - half)), float(min(1, centre + half))))
    write("versus.tsv", rows)


if __name__ == "__main__":
    for make in (special, paired, classify, text, calibration, versus):
        make()
    sys.exit(0)
