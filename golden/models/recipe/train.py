"""Second stage: the chat format, all tasks of a model together.

    train.py --model support --merges merges.json --init pretrained.pt --out model.pt [--steps 2500]

The loss is the cross entropy of the answers plus a small one of a sample of the input
tokens.  Half of the labels are drawn from the teacher's opinion (teacher.py) instead of the
true ones.  An exponential average of the weights is what gets saved.
"""
import argparse
import json
import math
import os
import random
import time

import torch

from bpe import Tokenizer
from data import TASKS, Sampler, contract_answer, machine_text
from model import SHAPES, Llama
from teacher import teach

MIX = {"support": 48, "fault": 14, "severity": 10, "contracts": 16}        # examples a step
ANSWER = {"support": 1.0, "fault": 1.0, "severity": 1.0, "contracts": .25}
LM_WEIGHT, LM_SAMPLE = .1, .1
MICRO_TOKENS = 1500


def micro_batches(examples):
    """Examples sorted by length, cut so that each padded batch stays small."""
    examples = sorted(examples, key=lambda e: len(e[0]))
    out = [[]]
    for e in examples:
        if out[-1] and len(e[0]) * (len(out[-1]) + 1) > MICRO_TOKENS:
            out.append([])
        out[-1].append(e)
    return out


def batch_loss(model, batch, rng, total):
    """Weighted sum of the cross entropies of a batch, divided by `total` examples."""
    width = max(len(ids) for ids, _, _ in batch)
    ids = torch.zeros(len(batch), width, dtype=torch.long)
    at, target, weight = [], [], []
    for row, (seq, start, task) in enumerate(batch):
        ids[row, :len(seq)] = torch.tensor(seq)
        for i in range(1, len(seq)):
            answer = i >= start
            if answer or rng.random() < LM_SAMPLE:
                at.append(row * width + i - 1)
                target.append(seq[i])
                weight.append(ANSWER[task] if answer else LM_WEIGHT / (LM_SAMPLE * start))
    states = model.states(ids)
    logits = model.logits(states.flatten(0, 1)[torch.tensor(at)]).float()
    hit = logits.log_softmax(-1).gather(1, torch.tensor(target)[:, None])[:, 0]
    return -(hit * torch.tensor(weight)).sum() / total


@torch.no_grad()
def classify(model, tok, sampler, rows, labels):
    """Predicted labels of (task, user) rows: first token, then the rest where it is shared."""
    codes = {l: tok.encode(l) for l in labels}
    order = sorted(range(len(rows)), key=lambda i: len(rows[i][1]))
    out = [None] * len(rows)

    def last(seqs):
        width = max(map(len, seqs))
        ids = torch.zeros(len(seqs), width, dtype=torch.long)
        for r, s in enumerate(seqs):
            ids[r, :len(s)] = torch.tensor(s)
        states = model.states(ids)[torch.arange(len(seqs)), torch.tensor([len(s) - 1 for s in seqs])]
        return model.logits(states).float()
    for k in range(0, len(order), 32):
        part = order[k:k + 32]
        seqs = [sampler.encode(*rows[i], None, 0)[0] for i in part]
        left = [list(labels) for _ in part]
        depth = 0
        while True:
            todo = [j for j in range(len(part)) if len(left[j]) > 1]
            if not todo:
                break
            logits = last([seqs[j] for j in todo])
            for r, j in enumerate(todo):
                best = max({codes[l][depth] for l in left[j]}, key=lambda t: logits[r, t].item())
                left[j] = [l for l in left[j] if codes[l][depth] == best]
                seqs[j] = seqs[j] + [best]
            depth += 1
        for j, i in enumerate(part):
            out[i] = left[j][0]
    return out


@torch.no_grad()
def generate(model, tok, ids, limit=80):
    """Greedy continuation up to <|end|>."""
    ids, start = list(ids), len(ids)
    while len(ids) - start < limit:
        token = model.logits(model.states(torch.tensor([ids]))[0, -1]).argmax().item()
        if token == tok.id["<|end|>"]:
            break
        ids.append(token)
    return tok.decode(ids[start:])


def dev_metrics(model, tok, sampler, tasks, full=False):
    """Accuracy on the development sets; contracts as micro F1 of (label, text) pairs."""
    model.eval()
    out = {}
    for task in tasks:
        if task == "contracts":
            hits = given = wanted = 0
            for row in sampler.contracts.dev[:100 if full else 16]:
                got = generate(model, tok, sampler.encode("contracts", row["passage"], None, 0)[0])
                got, want = set(got.split("\n")) - {"none"}, set(contract_answer(row).split("\n")) - {"none"}
                hits, given, wanted = hits + len(got & want), given + len(got), wanted + len(want)
            out["contracts_f1"] = 2 * hits / max(1, given + wanted)
            continue
        sets = sampler.support.dev_sets() if task == "support" else \
            {task: [(machine_text(r), r[task]) for r in sampler.machines.dev[:None if full else 150]]}
        labels = sampler.support.labels if task == "support" else sampler.machines.labels[task]
        for name, rows in sets.items():
            guess = classify(model, tok, sampler, [(task, t) for t, _ in rows], labels)
            out[name] = sum(g == l for g, (_, l) in zip(guess, rows)) / len(rows)
    model.train()
    return {k: round(v, 4) for k, v in out.items()}


def rate(step, steps, top, warm=100, hold=.1):
    """Warm up, hold, then a cosine down to a fiftieth."""
    if step < warm:
        return top * (step + 1) / warm
    x = max(0.0, (step / steps - hold) / (1 - hold))
    return top * (.02 + .98 * .5 * (1 + math.cos(math.pi * min(1.0, x))))


class Doubter:
    """Draws examples; half of the labels are the teacher's, drawn by its opinion of the text."""

    def __init__(self, sampler, tasks):
        self.s, self.ready = sampler, {task: [] for task in tasks if task != "contracts"}
        self.teachers = {task: teach(sampler, task) for task in self.ready}

    def draw(self, task):
        s, rng = self.s, self.s.rng
        if task == "contracts":
            return s.draw(task)
        if not self.ready[task]:
            drawn = [s.text(task) for _ in range(512)]
            teacher = self.teachers[task]
            opinion = teacher.probs([t for t, _ in drawn])
            self.ready[task] = [(t, l if rng.random() < .5 else rng.choices(teacher.labels, p)[0])
                                for (t, l), p in zip(drawn, opinion)]
        text, label = self.ready[task].pop()
        return s.encode(task, text, label, rng.choice((0, .3, 1)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, choices=SHAPES)
    parser.add_argument("--merges", required=True)
    parser.add_argument("--init", required=True, help="a file written by pretrain.py")
    parser.add_argument("--out", required=True)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--contracts", type=int, default=MIX["contracts"], help="passages a step")
    parser.add_argument("--every", type=int, default=500, help="steps between development runs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--decay", type=float, default=.05)
    parser.add_argument("--dropout", type=float, default=.1)
    parser.add_argument("--ema", type=float, default=.997)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    tok, tasks = Tokenizer(json.load(open(args.merges, encoding="utf-8"))), TASKS[args.model]
    shape = dict(SHAPES[args.model], vocab=len(tok.tokens))
    model = Llama(shape, dropout=args.dropout)
    model.load_state_dict(torch.load(args.init, map_location="cpu")["state"])
    average = {k: v.detach().clone() for k, v in model.state_dict().items()}
    sampler, rng = Sampler(tok, args.seed * 1000), random.Random(args.seed * 77)
    doubter, mix = Doubter(sampler, tasks), dict(MIX, contracts=args.contracts)
    opt = torch.optim.AdamW([{"params": [p for p in model.parameters() if p.dim() == 2], "weight_decay": args.decay},
                             {"params": [p for p in model.parameters() if p.dim() == 1], "weight_decay": 0.0}],
                            lr=args.lr, betas=(.9, .98), eps=1e-8)
    started, tokens, seen = time.time(), 0, 0.0
    for step in range(args.steps):
        for group in opt.param_groups:
            group["lr"] = rate(step, args.steps, args.lr)
        examples = [doubter.draw(task) for task in tasks for _ in range(mix[task])]
        for batch in micro_batches(examples):
            tokens += sum(len(e[0]) for e in batch)
            with torch.autocast("cpu", torch.bfloat16):
                loss = batch_loss(model, batch, rng, len(examples))
            loss.backward()
            seen += loss.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        opt.zero_grad()
        keep = min(args.ema, (step + 1) / (step + 10))
        with torch.no_grad():
            for k, v in model.state_dict().items():
                average[k].mul_(keep).add_(v, alpha=1 - keep)
        if (step + 1) % 50 == 0:
            print(f"step {step + 1} loss {seen / 50:.4f} tok/s {tokens / (time.time() - started):.0f} "
                  f"{time.time() - started:.0f} s", flush=True)
            seen = 0.0
        last = step + 1 == args.steps
        if (step + 1) % args.every == 0 or last:
            raw = {k: v.clone() for k, v in model.state_dict().items()}
            model.load_state_dict(average)
            metrics = dev_metrics(model, tok, sampler, tasks, full=last)
            model.load_state_dict(raw)
            print("dev", step + 1, json.dumps(metrics), flush=True)
            part = args.out + ".part"
            torch.save({"shape": shape, "state": average, "step": step + 1, "dev": metrics,
                        "seed": args.seed, "seconds": time.time() - started}, part)
            os.replace(part, args.out)


if __name__ == "__main__":
    main()
