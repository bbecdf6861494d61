"""Training texts of the tasks, the development split, and the sampler.

Reads golden/{support,machines,contracts}/train.jsonl and the tables and generator
of golden/support/train.  Nothing here reads the evaluation cases.
"""
import hashlib
import importlib.util
import json
import random
import re
import sys
from collections import defaultdict
from pathlib import Path

from augment import Augment

GOLDEN = Path(__file__).resolve().parents[2]
SYSTEM = {"support": "Route the message to one banking intent.", "fault": "Name the fault.",
          "severity": "Rate the severity.", "contracts": "List the clause facts."}
TASKS = {"support": ["support"], "desk": ["fault", "severity", "contracts"]}     # of each model
DEV_SHARE, DEV_SEED = 0.10, 7
MORE_SETTLED = ["{a}. {p}, just so you know", "for context: {p}. {a}", "{p}. Not the reason I write though. {a}",
                "I was in touch before: {p}. This time, {a}", "PS {p}. {a}", "{p} (all good). {a}", "{a} - and yes, {p}"]
MORE_NOT = ["no, not {t}! {a}", "please don't send me to {t}. {a}", "I keep getting answers about {t}. {a}",
            "it isn't {t} I'm after. {a}", "Menu says {t}, that's wrong. {a}", "instead of {t}: {a}",
            "everything about {t} is clear to me. {a}", "{a}... and before you ask, it's not {t}",
            "{t} is not the problem. {a}", "I'm not asking about {t}; {a}", "{t}? No. {a}"]


def shown(task, text):
    """What the suites show of an input: short texts in lower case, passages as they are."""
    return text if task == "contracts" else text.lower()


def prompt(task, user):
    """What the chat template gives for one system and one user turn."""
    return [("<|system|>", SYSTEM[task]), ("<|user|>", shown(task, user)), ("<|assistant|>", None)]


def machine_text(row):
    return f"{row['machine']}\n{row['sensors']}\n{row['note']}"


def contract_answer(row):
    return "\n".join(f"{e['label']}: {e['text']}" for e in row["expected"]) or "none"


def plain(text):
    return re.sub(r"\W+", " ", text.lower()).strip()


def jsonl(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def held(key, share=DEV_SHARE):
    """A stable pseudo-random choice by content, the same when files grow."""
    digest = hashlib.sha256(f"{DEV_SEED}:{key}".encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2 ** 32 < share


def support_generator():
    path = GOLDEN / "support" / "train" / "make_train.py"
    spec = importlib.util.spec_from_file_location("support_make_train", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Support:
    """Written messages (split), lines of train.jsonl, and fresh generator output."""

    def __init__(self, rng):
        self.rng = rng
        self.module = module = support_generator()
        self.labels = list(module.INTENTS)
        written = defaultdict(list)
        for path in sorted((GOLDEN / "support" / "train").glob("written_*.tsv")):
            for line in path.read_text(encoding="utf-8").splitlines():
                if line.strip() and not line.startswith("#"):
                    intent, text = line.split("\t")[:2]
                    written[intent.strip()].append(text.strip())
        self.dev = [(t, i) for i in sorted(written) for t in written[i] if held(plain(t))]
        dev_keys = {plain(t) for t, _ in self.dev}
        self.written = {i: [t for t in ts if plain(t) not in dev_keys] for i, ts in written.items()}
        inside = [k for k in dev_keys if len(k.split()) > 2]
        self.lines = []
        for row in jsonl(GOLDEN / "support" / "train.jsonl"):
            key = plain(row["text"])
            if key not in dev_keys and not any(k in key for k in inside):
                self.lines.append((row["text"], row["intent"]))
        self.builder = self._builder(self.written, rng.randrange(1 << 30))
        self.pool = [(t, i) for i in sorted(self.written) for t in self.written[i]]

    def _builder(self, written, seed, share_written=.6):
        """The generator of the task; its asks are mostly written messages here."""
        builder = self.module.Builder(seed)
        builder.written = written
        fresh = builder.ask

        def ask(intent):
            if builder.rng.random() < share_written and written[intent]:
                return builder.rng.choice(written[intent]).rstrip(".")
            return fresh(intent)
        builder.ask = ask
        return builder

    def compose(self, builder, intent):
        """composed() of the generator, with more frames."""
        module, keep = self.module, (self.module.SETTLED, self.module.NOT_ABOUT)
        module.SETTLED, module.NOT_ABOUT = keep[0] + MORE_SETTLED, keep[1] + MORE_NOT
        try:
            return builder.composed(intent)
        finally:
            module.SETTLED, module.NOT_ABOUT = keep

    def draw(self):
        """One (text, label, strength of augmentation)."""
        rng, roll = self.rng, self.rng.random()
        if roll < .44:
            text, intent = rng.choice(self.pool)
            return text, intent, .5
        if roll < .64:
            text, intent = rng.choice(self.lines)
            return text, intent, .4
        intent = rng.choice(self.labels)
        if roll < .70:
            return self.builder.finish(self.builder.ask(intent)), intent, .4
        if roll < .80:
            text = self.builder.decorated(intent)
        else:
            text = self.compose(self.builder, intent)
        return (text, intent, .3) if len(text) < 330 else self.draw()

    def dev_sets(self):
        """{name: [(text, intent)]}: as written; roughened; composed of dev messages."""
        rng = random.Random(DEV_SEED)
        rough, written = Augment(rng), defaultdict(list)
        for t, i in self.dev:
            written[i].append(t)
        builder = self._builder(written, DEV_SEED, 1.0)
        hard = []
        for label in self.labels:
            for n in range(10):
                text = self.compose(builder, label) if n < 7 else builder.decorated(label)
                hard.append((text, label))
        return {"written": self.dev, "rough": [(rough.heavy(t), i) for t, i in self.dev * 2], "hard": hard}


class Machines:
    """A tenth of the phrases of notes.tsv is kept for development, with all lines that use them."""

    def __init__(self):
        held_out = []
        for line in (GOLDEN / "machines" / "train" / "notes.tsv").read_text(encoding="utf-8").splitlines():
            if line.strip() and not line.startswith("#"):
                phrase = line.split("\t")[1]
                if held(phrase):
                    held_out.append(re.sub(r"<([^<>]*)>", lambda m: "(?:" + m[1] + ")",
                                           re.escape(phrase).replace(r"\|", "|").replace(r"\<", "<").replace(r"\>", ">")))
        pattern = re.compile("|".join(held_out), re.I)
        self.train, self.dev = [], []
        for row in jsonl(GOLDEN / "machines" / "train.jsonl"):
            (self.dev if pattern.search(row["note"]) else self.train).append(row)
        self.dev = [r for r in self.dev if held(machine_text(r), .5)]
        rows = self.train + self.dev
        self.labels = {k: sorted({r[k] for r in rows}) for k in ("fault", "severity")}


class Contracts:
    """A twenty-fifth of the passages is kept for development.

    window() cuts a run of sentences out of a passage: short texts that teach the
    same copying for a fraction of the time.
    """

    def __init__(self):
        self.train, self.dev = [], []
        for row in jsonl(GOLDEN / "contracts" / "train.jsonl"):
            (self.dev if held(row["passage"], .04) else self.train).append(row)

    @staticmethod
    def window(row, rng):
        text, spans, at = row["passage"], [], 0
        for e in row["expected"]:
            begin = text.find(e["text"], at)
            if begin < 0:
                return row
            at = begin + len(e["text"])
            spans.append((begin, at, e))
        cuts = [0] + [m.end() for m in re.finditer(r"[.;:] (?=[A-Z0-9(])|\n", text)
                      if not any(b < m.end() < e for b, e, _ in spans)] + [len(text)]
        first = rng.randrange(len(cuts) - 1)
        if spans and rng.random() < .8:
            want = rng.choice(spans)[0]
            first = max(i for i, c in enumerate(cuts[:-1]) if c <= want)
            first = max(0, first - rng.choice((0, 0, 1)))
        last = min(len(cuts) - 1, first + rng.choice((1, 1, 2, 3)))
        a, b = cuts[first], cuts[last]
        return {"passage": text[a:b].strip(), "expected": [e for x, y, e in spans if a <= x and y <= b]}


class Sampler:
    """Gives encoded examples: (ids, index of the first answer token, task)."""

    def __init__(self, tokenizer, seed, dropout=.1):
        self.rng = random.Random(seed)
        self.tok, self.drop = tokenizer, dropout
        self.augment = Augment(self.rng)
        self.windows = .7                     # share of contract passages cut short
        self.support, self.machines, self.contracts = Support(self.rng), Machines(), Contracts()

    def encode(self, task, user, answer, share):
        """share: share of the pieces of the user text under BPE dropout."""
        ids = []
        for name, text in prompt(task, user):
            ids.append(self.tok.id[name])
            if text is not None:
                varied = name == "<|user|>" and share
                ids += self.tok.encode(text, self.drop if varied else 0, share, self.rng)
                ids.append(self.tok.id["<|end|>"])
        start = len(ids)
        if answer is not None:
            ids += self.tok.encode(answer) + [self.tok.id["<|end|>"]]
        return ids, start, task

    def text(self, task):
        """(text of the user turn, label) of a classification task, changed as people would."""
        rng = self.rng
        if task == "support":
            text, label, strength = self.support.draw()
            return self.augment(text, strength), label
        row = rng.choice(self.machines.train)
        return machine_text(dict(row, note=self.augment(row["note"], .15))), row[task]

    def draw(self, task):
        rng = self.rng
        if task != "contracts":
            text, label = self.text(task)
            return self.encode(task, text, label, rng.choice((0, .3, 1) if task == "support" else (0, 0, .3)))
        while True:
            row = rng.choice(self.contracts.train)
            if rng.random() < self.windows:
                row = self.contracts.window(row, rng)
            if rng.random() < 250 / (100 + len(row["passage"])):
                return self.encode(task, row["passage"], contract_answer(row), 0)


def bpe_texts(model):
    """(text, weight) pairs the vocabulary of a model is learned from, without development lines."""
    names = [SYSTEM[task] for task in TASKS[model]]
    if model == "support":
        support = Support(random.Random(1))
        for text, _ in support.pool:
            yield text.lower(), 4
        for text, _ in support.lines:
            yield text.lower(), 1
        names += support.labels
    else:
        machines, contracts = Machines(), Contracts()
        for row in machines.train[::2]:
            yield machine_text(row).lower(), 1
        for row in contracts.train[::4]:
            yield row["passage"], 1
        names += [x for v in machines.labels.values() for x in v]
        names += sorted({e["label"] + ": " for r in contracts.train for e in r["expected"]})
    for name in names:
        yield name, 5000


if __name__ == "__main__":
    from bpe import Tokenizer, train
    for model, tasks in TASKS.items():
        sampler = Sampler(Tokenizer(train(bpe_texts(model), 300)), 1)
        for task in tasks:
            for _ in range(12):
                print(repr(sampler.tok.decode(sampler.draw(task)[0])))
    print({k: len(v) for k, v in sampler.support.dev_sets().items()}, len(sampler.machines.dev), len(sampler.contracts.dev))
