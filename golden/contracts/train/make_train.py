#!/usr/bin/env python3
"""Write contracts/train.jsonl: synthetic contract passages with labelled spans.

Every line is {"passage": str, "expected": [{"label", "text"}, ...]} with the
spans in order of appearance.  The text is put together from three tables that
lie beside this script (values.py draws the numbers, dates and names):

  clauses.tsv  style TAB template.  Styles: F formal, P plain English, E e-mail,
               A amendment, T term sheet.  "[ED:...]" marks a labelled span,
               "<a|b>" is a choice, "{x}" is a drawn value.
  other.tsv    kind TAB template, nothing in it is labelled: fill (boilerplate),
               dis (distractor numbers and dates), neg (facts denied),
               ins (instructions to the reader), svc (what is sold).
  names.tsv    laws, states, cities, people, company parts, roles, events.

Annotation choices (see KEEP_*): a span is the shortest phrase that states the
value.  Prices keep an adjoining rate ("USD 40 per hour"); payment periods do
not keep the day they are counted from; "State of" stays outside.

Usage: python3 make_train.py [--lines 9000] [--seed 11] [--out ../train.jsonl]
"""
import argparse
import json
import random
import re
from pathlib import Path

from values import Values

HERE = Path(__file__).resolve().parent
LABELS = {
    "ED": "effective_date", "TL": "term_length", "RT": "renewal_term",
    "NP": "notice_period", "GL": "governing_law", "PD": "payment_due",
    "FA": "fee_amount", "LI": "late_interest", "LC": "liability_cap",
    "CT": "confidentiality_term", "WP": "warranty_period", "CP": "cure_period"}
KEEP_RATE = True      # "$5,000 per month" rather than "$5,000"
KEEP_ANCHOR = False   # "30 days" rather than "30 days from receipt"
KEEP_STATE_OF = False  # "Texas" rather than "State of Texas"
MAX_SPAN_WORDS = 12
STYLES, STYLE_W = "FPEAT", [48, 14, 16, 13, 9]
# What a denial is about, so that it never sits beside the fact it denies.
NEG_ABOUT = {
    "LC": r"\bcap|liability", "RT": "renew", "LI": "interest", "WP": "arranty",
    "NP": "notice", "GL": "law", "FA": r"\bfee\b|charge|[Pp]rice|Fee",
    "CT": "onfidential", "CP": "cure", "TL": "fixed term", "PD": "payment",
    "ED": "date"}
WRAPS = ["For the avoidance of doubt, ", "Subject to clause {cl}, ",
         "It is agreed that ", "The parties agree that ", "Provided always that ",
         "Notwithstanding anything to the contrary, ", "Furthermore, ",
         "Save as otherwise provided, ", "It is hereby recorded that ",
         "Without prejudice to clause {cl}, ", "In particular, "]
HEADS = {
    "F": ["", "", "", "", "ARTICLE {k}. ", "TERMS AND CONDITIONS. ", "SCHEDULE {k}. "],
    "P": ["", "", "", "The basics. ", "What we agreed. "],
    "E": ["Hi {first}, ", "Dear {first}, ", "{first}, ", "Hello both, ", "",
          "Subject: {co} contract. ", "FW: {svc}. Hi all, "],
    "A": ["", "AMENDMENT NO. {k}. ", "First Amendment to the {Dn}. ",
          "DEED OF VARIATION. ", "Addendum to the {Dn} dated {date}. "],
    "T": ["", "KEY TERMS. ", "ORDER FORM {num}. ", "Summary of terms: "]}
TAILS = ["Regards, {first}", "Thanks, {first}", "Best, {first}", "", "", "{first}"]


def rows(name):
    for line in (HERE / name).read_text(encoding="utf-8").splitlines():
        if line.strip():
            yield line.split("\t")


def load():
    names = {}
    for kind, *rest in rows("names.tsv"):
        if kind == "law":
            names.setdefault(kind, []).append(rest)
        elif kind == "state":
            names.setdefault(kind, []).extend(rest)
        else:
            names[kind] = rest[0].split(";" if kind == "event" else ",")
    clauses = []
    for style, text in rows("clauses.tsv"):
        if not KEEP_ANCHOR:
            text = re.sub(r"(\{fromx?\})\]", r"]\1", text)
        if not KEEP_RATE:
            text = re.sub(r"(\{per\}|\{rate\})\]", r"]\1", text)
        if not KEEP_STATE_OF:
            text = text.replace("[GL:{stateof}", "{stateof}[GL:")
        clauses.append((style, frozenset(re.findall(r"\[([A-Z]{2}):", text)), text))
    other = {}
    for kind, text in rows("other.tsv"):
        other.setdefault(kind, []).append(text)
    return names, clauses, other


def render(template, val, rng, style):
    """Template -> list of (text, label or None); first letter made a capital."""
    while True:
        hit = re.search(r"<([^<>]*\|[^<>]*)>", template)
        if not hit:
            break
        template = template[:hit.start()] + rng.choice(hit[1].split("|")) + template[hit.end():]

    def fill(m):
        text = val.get(m[1])
        return text[:1].upper() + text[1:] if m[2] else text
    parts = []
    for piece in re.split(r"(\[[A-Z]{2}:[^\]]*\])", template):
        label = None
        if re.match(r"\[[A-Z]{2}:", piece):
            label, piece = piece[1:3], piece[4:-1]
        text = re.sub(r"\{((?:h:)?[A-Za-z]+)(\^?)\}", fill, piece)
        if label == "GL" and text.startswith("the ") and rng.random() < .5:
            parts.append(("the ", None))
            text = text[4:]
        if text:
            parts.append((text, label))
    for i in range(1, len(parts)):  # "one month'" -> "one month's"
        if parts[i][0].startswith("'") and parts[i - 1][1] and not parts[i - 1][0].endswith("s"):
            parts[i] = ("'s" + parts[i][0].removeprefix("'s").removeprefix("'"), None)
    if not parts:
        return parts
    text, label = parts[0]
    parts[0] = (text[:1].upper() + text[1:], label)
    if style == "T" and parts[-1][0].endswith("."):
        parts[-1] = (parts[-1][0][:-1], parts[-1][1])
    return parts


def scan_noise(text, rng):
    """Damage of the sort a scanner does, on about one word in fourteen."""
    out = []
    for word in text.split(" "):
        x = rng.random()
        if x < .02 and len(word) > 6 and word.isalpha():
            k = rng.randint(3, len(word) - 3)
            word = word[:k] + "- " + word[k:]
        elif x < .04:
            word = word.replace("m", "rn", 1)
        elif x < .055:
            word = word.replace("l", "1", 1)
        elif x < .065:
            word = word.replace("o", "0", 1) if word.isalpha() else word
        elif x < .075:
            word = word + " "
        out.append(word)
    return " ".join(out)


def passage(rng, names, clauses, other):
    style = rng.choices(STYLES, STYLE_W)[0]
    val = Values(rng, names, other["svc"])
    want = rng.choices([0, 1, 2, 3, 4], [12, 31, 28, 18, 11])[0]
    target, sentences, have = rng.randint(20, 45 if style == "T" else 84), [], set()

    def add(template, front=False):
        if style in "FAP" and rng.random() < .08 and re.match(r"(\{[ABD]\}|The |Each |Either |Neither |If )", template):
            template = rng.choice(WRAPS) + (template if template[0] == "{" else template[0].lower() + template[1:])
        s = render(template, val, rng, style)
        sentences.insert(0 if front else len(sentences), s)

    while len(have) < want:
        tag = style if style in "ET" or rng.random() < (.6 if style in "PA" else .9) else "F"
        todo = sorted(set(LABELS) - have)
        label = rng.choice(todo)
        pool = [c for c in clauses if c[0] == tag and label in c[1] and not c[1] & have and len(c[1] | have) <= want]
        if not pool:
            continue
        _, labels, text = rng.choice(pool)
        if tag == "F" and style == "E":
            text = 'The clause reads: ' + text
        have |= labels
        add(text)

    def size():
        return sum(len("".join(t for t, _ in s).split()) for s in sentences)

    def extra(kind):
        own = other.get(kind + (style if style != "F" else ""), [])
        mix = own if own and (style in "ET" or rng.random() < .5) else other[kind]
        return rng.choice(mix)

    if rng.random() < (.5 if not want else .12):
        text = extra("neg")
        if not any(re.search(NEG_ABOUT[k], text) for k in have):
            add(text)
    if rng.random() < .07:
        add(rng.choice(other["ins"]))
    for text in {extra("dis"): 0 for _ in range(rng.choices([0, 1, 2], [5, 4, 1])[0])}:
        add(text)
    used = set()
    for _ in range(40):
        if size() >= target:
            break
        text = extra("fill")
        if text not in used:
            add(text)
        used.add(text)
    for s in sentences:  # an old value that equals the new one
        whole = "".join(t for t, _ in s)
        if any(label and whole.count(t) > 1 for t, label in s):
            return None
    rng.shuffle(sentences)
    number = rng.choice(["", "", "", "", "", "n.", "n.m", "(a)"]) if style in "FA" else ""
    start, clause = rng.randint(1, 12), rng.randint(1, 24)
    sep = rng.choice(["; ", " | ", "\n", ". ", ", "]) if style == "T" else ("\n" if rng.random() < .06 else " ")
    parts = []
    head = render(rng.choice(HEADS[style]), val, rng, style) if rng.random() < .8 else []
    parts += [p for p in head]
    for i, s in enumerate(sentences):
        if i:
            parts.append((sep, None))
        if number:
            parts.append(({"n.": f"{start + i}. ", "n.m": f"{clause}.{start + i} ", "(a)": f"({chr(97 + i % 26)}) "}[number], None))
        parts += s
    if style == "E":
        parts.append((" " + "".join(t for t, _ in render(rng.choice(TAILS) or " ", val, rng, "E")), None))
    if rng.random() < .1:
        parts = [(scan_noise(t, rng) if rng.random() < .9 else t, label) for t, label in parts]
        parts = [(re.sub(" +", " ", t).strip() if label else t, label) for t, label in parts]
    text = "".join(t for t, _ in parts).rstrip()
    spans = [{"label": LABELS[label], "text": t} for t, label in parts if label]
    if not 20 <= len(text.split()) <= 90:
        return None
    if any(len(s["text"].split()) > MAX_SPAN_WORDS or s["text"] not in text for s in spans):
        return None
    return {"passage": text, "expected": spans}


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--lines", type=int, default=9000)
    ap.add_argument("--seed", type=int, default=11)
    ap.add_argument("--out", type=Path, default=HERE.parent / "train.jsonl")
    args = ap.parse_args()
    rng, tables, seen = random.Random(args.seed), load(), set()
    with args.out.open("w", encoding="utf-8") as out:
        while len(seen) < args.lines:
            item = passage(rng, *tables)
            if item and item["passage"] not in seen:
                seen.add(item["passage"])
                out.write(json.dumps(item, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
