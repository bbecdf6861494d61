#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes judged.tsv: agreement of two raters and prediction-powered means, computed by others.

    pip install scikit-learn krippendorff ppi-python
    python3 make_judged_vectors.py > judged.tsv

A line: kind, labels, scores of the same cases, scores of the rest, expected numbers.
"""
import random

import krippendorff
import numpy as np
import sklearn
from ppi_py import ppi_mean_ci, ppi_mean_pointestimate
from sklearn.metrics import cohen_kappa_score


def put(kind, y, f, rest, *values):
    def text(numbers):
        return ",".join(repr(float(v)) for v in numbers) or "-"
    print("\t".join([kind, text(y), text(f), text(rest), text(values)]))


def main():
    print(f"# scikit-learn {sklearn.__version__}, krippendorff 0.9, ppi-python 0.2")
    rng = random.Random(5)
    for levels, n, agree in ((2, 40, 0.8), (2, 7, 0.5), (5, 60, 0.6), (11, 25, 0.9), (3, 200, 0.1)):
        y = [rng.randrange(levels) / (levels - 1) for _ in range(n)]
        f = [v if rng.random() < agree else rng.randrange(levels) / (levels - 1) for v in y]
        names = [str(v) for v in y], [str(v) for v in f]
        put("kappa", y, f, [], cohen_kappa_score(*names))
        put("alpha", y, f, [], krippendorff.alpha(np.array([y, f]),
                                                  level_of_measurement="interval"))
    for n, rest, noise in ((30, 200, 0.1), (10, 500, 0.5), (50, 60, 2.0), (20, 20, 0.0)):
        truth = [rng.random() for _ in range(n + rest)]
        seen = [min(1, max(0, t + rng.gauss(0.1, noise))) for t in truth]
        y, f, g = truth[:n], seen[:n], seen[n:]
        arrays = [np.array(v) for v in (y, f, g)]
        point = float(np.ravel(ppi_mean_pointestimate(*arrays))[0])
        lo, hi = (float(np.ravel(v)[0]) for v in ppi_mean_ci(*arrays, alpha=0.05))
        put("ppi", y, f, g, point, lo, hi)


main()
