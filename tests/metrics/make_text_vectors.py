# SPDX-License-Identifier: Apache-2.0
"""Writes overlap.jsonl and stems.tsv: what other programs say of text metrics.

Needs sacrebleu 2.6, rouge_score 0.1, nltk 3, jiwer 4 and rapidfuzz 3. Run in this folder:
    python3 make_text_vectors.py
A line of overlap.jsonl is a metric as a suite asks for it, the cases, and the value over them; the
texts are made up here.
"""
import json
import random

import jiwer
import rapidfuzz
from nltk.stem.porter import PorterStemmer
from rouge_score import rouge_scorer
from sacrebleu.metrics import BLEU, CHRF, TER

WORDS = ("the a of to in cat dog house river's runs running quickly 3.14 1,000 state-of-the-art U.S. "
         "don't \"quoted\" (bracketed) x&y a/b e-mail 5-6 100% $5 café naïve Größe Москва 東京 日本語 "
         "foo_bar [x] ... ?! end. comma, semi; colon: 1990s mother-in-law well—known №5 €3 “curly” ,5 "
         ".5 5. -7 &amp; &lt;b&gt; ½ ① x² it's cats' Ⅷ 한국 ไทย").split()


def sentence(rng, least=0, most=14):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(least, most)))


def noisy(rng, text):
    out = []
    for word in text.split(" "):
        roll = rng.random()
        if roll < 0.12:
            continue
        out.append(rng.choice(WORDS) if roll < 0.24 else word)
        if roll > 0.92:
            out.append(rng.choice(WORDS))
    if len(out) > 3 and rng.random() < 0.5:
        i, j = rng.randrange(len(out)), rng.randrange(len(out))
        out.insert(j, out.pop(i))
    return rng.choice([" ", " ", "  ", "\n"]).join(out)


def sets():
    rng = random.Random(5)
    one, many, short, lines = [], [], [], []
    for _ in range(40):
        text = sentence(rng)
        one.append((noisy(rng, text), [text]))
    for _ in range(25):
        text = sentence(rng, 3)
        many.append((noisy(rng, text), [noisy(rng, text) for _ in range(3)]))
    for _ in range(12):
        text = sentence(rng, 0, 3)
        short.append((noisy(rng, text), [text]))
    for _ in range(12):
        text = "\n".join(sentence(rng, 0, 6) for _ in range(rng.randint(1, 5)))
        lines.append((noisy(rng, text.replace("\n", " \n ")), [text]))
    letters = random.Random(9)
    repeats = []
    for _ in range(30):  # few different words: many alignments are as cheap
        a, b = ([letters.choice("abc") for _ in range(letters.randint(1, 25))] for _ in range(2))
        repeats.append((" ".join(a), [" ".join(b)]))
    shifted = []
    for _ in range(15):  # long runs of words in another place
        a = [letters.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(letters.randint(20, 90))]
        i = letters.randrange(len(a) - 8)
        b = a[:i] + a[i + 6:]
        j = letters.randrange(len(b))
        shifted.append((" ".join(b[:j] + a[i:i + 6] + b[j:]), [" ".join(a)]))
    empty = [("", ["a b"]), ("a b c d e", [""]), ("", [""])]
    return {"one": one, "many": many, "short": short, "lines": lines, "repeats": repeats,
            "shifted": shifted, "empty": empty, "nothing": [("x y", ["a b c"])]}


def columns(cases):
    most = max(len(golds) for _, golds in cases)
    return [answer for answer, _ in cases], [[golds[i] for _, golds in cases] for i in range(most)]


def sacre(metric, cases):
    return metric.corpus_score(*columns(cases)).score


def rouge(kind, stem, part, cases):
    scorer = rouge_scorer.RougeScorer([kind], use_stemmer=stem)
    return sum(getattr(scorer.score_multi(golds, answer)[kind], part)
               for answer, golds in cases) / len(cases)


def rate(name, cases):
    process = jiwer.process_characters if name == "cer" else jiwer.process_words
    found = process([golds[0] for _, golds in cases], [answer for answer, _ in cases])
    return float(getattr(found, name))


def levenshtein(cases):
    return sum(max(rapidfuzz.distance.Levenshtein.normalized_similarity(answer, gold)
                   for gold in golds) for answer, golds in cases) / len(cases)


def overlap():
    out = []
    for name, cases in sets().items():
        def add(metric, value):
            out.append({"metric": metric, "set": name, "value": value})
        for tokenize in ("13a", "intl", "zh", "char", "none"):
            add({"name": "bleu", "tokenize": tokenize}, sacre(BLEU(tokenize=tokenize), cases))
        for smooth in ("floor", "add-k", "none"):
            add({"name": "bleu", "smooth_method": smooth}, sacre(BLEU(smooth_method=smooth), cases))
        add({"name": "bleu", "smooth_method": "floor", "smooth_value": 0.5},
            sacre(BLEU(smooth_method="floor", smooth_value=0.5), cases))
        add({"name": "bleu", "effective_order": True, "lowercase": True, "max_ngram_order": 3},
            sacre(BLEU(effective_order=True, lowercase=True, max_ngram_order=3), cases))
        add({"name": "chrf"}, sacre(CHRF(), cases))
        add({"name": "chrf_pp"}, sacre(CHRF(word_order=2), cases))
        add({"name": "chrf", "lowercase": True, "whitespace": True, "beta": 1, "char_order": 4},
            sacre(CHRF(lowercase=True, whitespace=True, beta=1, char_order=4), cases))
        add({"name": "chrf", "eps_smoothing": True}, sacre(CHRF(eps_smoothing=True), cases))
        add({"name": "ter"}, sacre(TER(), cases))
        add({"name": "ter", "normalized": True, "no_punct": True, "case_sensitive": True},
            sacre(TER(normalized=True, no_punct=True, case_sensitive=True), cases))
        for normalized, no_punct in ((True, False), (False, True), (True, True), (False, False)):
            add({"name": "ter", "normalized": normalized, "no_punct": no_punct,
                 "asian_support": True},
                sacre(TER(normalized=normalized, no_punct=no_punct, asian_support=True), cases))
        for kind in ("rouge1", "rouge2", "rougeL", "rougeLsum"):
            for stem in (False, True):
                add({"name": kind, "stem": stem}, rouge(kind, stem, "fmeasure", cases))
        add({"name": "rougeL", "score": "precision"}, rouge("rougeL", False, "precision", cases))
        add({"name": "rouge1", "score": "recall"}, rouge("rouge1", False, "recall", cases))
        add({"name": "levenshtein"}, levenshtein(cases))
        if all(len(golds) == 1 for _, golds in cases):
            for kind in ("wer", "cer", "mer", "wil"):
                add({"name": kind}, rate(kind, cases))
    with open("overlap.jsonl", "w", encoding="utf-8", newline="\n") as file:
        for name, cases in sets().items():
            file.write(json.dumps({"set": name, "cases": cases}, ensure_ascii=False) + "\n")
        for line in out:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def stems():
    """Every pair of a beginning and an ending, among them the irregular words."""
    rng = random.Random(2)
    starts = ["re", "tr", "con", "general", "oper", "hop", "fil", "fall", "agre", "fe", "spy", "enjo",
              "geo", "theo", "archaeo", "relat", "triplic", "form", "electr", "sens", "cal", "sy",
              "y", "yy", "adopt", "roll", "controll", "ca", "2nd", "b2b", "happ", "skul", "univers"]
    ends = ["", "s", "es", "ies", "ied", "ed", "ing", "eed", "y", "ational", "tional", "enci", "anci",
            "izer", "bli", "abli", "alli", "entli", "eli", "ousli", "ization", "ation", "ator",
            "alism", "iveness", "fulness", "ousness", "aliti", "iviti", "biliti", "fulli", "logi",
            "icate", "ative", "alize", "iciti", "ical", "ful", "ness", "al", "ance", "ence", "er",
            "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "sion", "ou", "ism", "ate",
            "iti", "ous", "ive", "ize", "e", "ll", "sses", "ss", "at", "bled", "izing", "tted",
            "ssing", "zzed"]
    words = [a + b for a in starts for b in ends]
    words += ["sky", "skies", "dying", "lying", "tying", "news", "innings", "inning", "outings",
              "outing", "cannings", "canning", "howe", "proceed", "exceed", "succeed", "dies", "died",
              "flies", "enjoyment", "conditionally", "a", "is", "oed", "aing"]
    words += ["".join(rng.choice("aeiouybcdlst") for _ in range(rng.randint(1, 9))) for _ in range(600)]
    stemmer = PorterStemmer()
    with open("stems.tsv", "w", encoding="utf-8", newline="\n") as file:
        file.write("# made by make_text_vectors.py\n")
        for word in words:
            file.write(f"{word}\t{stemmer.stem(word)}\n")


if __name__ == "__main__":
    overlap()
    stems()
