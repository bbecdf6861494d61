"""First stage: learn the classes of a model's tasks as a plain classification problem.

    pretrain.py --model support --merges merges.json --out pretrained.pt [--steps 8000]

A decoder of this size learns slowly from label tokens alone on a CPU, so
 1. a linear teacher over words and letters is fitted (teacher.py);
 2. a bag of normed token embeddings with attention pooling is trained for a minute;
    its embeddings start the decoder;
 3. the decoder reads the text, <|end|>, <|assistant|>, and a linear head on the last
    state gives the class.  Its target is the true label mixed with the teacher's opinion.
The heads are thrown away; train.py goes on from the body.
"""
import argparse
import json
import math
import os
import random
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

from bpe import Tokenizer
from data import TASKS, Sampler, machine_text, shown
from model import SHAPES, Llama, rotate
from teacher import teach

BATCH, POOL = 64, 2048
TRUTH = .4                                   # weight of the true label; the rest is the teacher's


class Bag(nn.Module):
    """Attention pooling of normed token embeddings, then a linear layer."""

    def __init__(self, vocab, width, classes):
        super().__init__()
        self.embed = nn.Embedding(vocab, width)
        self.look = nn.Parameter(torch.zeros(width))
        self.head = nn.Linear(width, classes)

    def forward(self, ids, lengths):
        x = self.embed(ids)
        x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5)
        pad = torch.arange(ids.shape[1])[None] >= lengths[:, None]
        weight = (x @ self.look / math.sqrt(x.shape[-1])).masked_fill(pad, -1e9).softmax(-1)
        return self.head(F.dropout((weight[..., None] * x).sum(1), .2, self.training))


def last_state(model, ids, lengths):
    """The normed state at the last real position; the last layer runs there only."""
    x = model.drop(model.token_embd(ids))
    turn = model.turn[:ids.shape[1]]
    for layer in model.blk[:-1]:
        x = layer(x, turn)
    layer, (batch, time_, width) = model.blk[-1], x.shape
    end, rows = lengths - 1, torch.arange(batch)
    normed = layer.attn_norm(x)
    k = rotate(layer.attn_k(normed).view(batch, time_, layer.kv_heads, layer.dim), turn)
    v = layer.attn_v(normed).view(batch, time_, layer.kv_heads, layer.dim)
    q = layer.attn_q(normed[rows, end]).view(batch, 1, layer.heads, layer.dim)
    pairs = torch.view_as_complex(q.float().reshape(batch, layer.heads, -1, 2))
    q = torch.view_as_real(pairs * model.turn[end]).flatten(-2)
    if layer.heads != layer.kv_heads:
        k, v = (t.repeat_interleave(layer.heads // layer.kv_heads, 2) for t in (k, v))
    score = torch.einsum("bhd,bthd->bht", q, k.float()) / math.sqrt(layer.dim)
    pad = torch.arange(time_)[None] >= lengths[:, None]
    weight = score.masked_fill(pad[:, None], float("-inf")).softmax(-1).to(v.dtype)
    y = layer.attn_output(torch.einsum("bht,bthd->bhd", weight, v).reshape(batch, -1))
    x = x[rows, end] + layer.drop(y[:, None])[:, 0]
    h = layer.ffn_norm(x)
    h = layer.ffn_down(F.silu(layer.ffn_gate(h)) * layer.ffn_up(h))
    return model.output_norm(x + layer.drop(h[:, None])[:, 0])


class Source:
    """Batches of (ids, lengths, target); a pool is drawn, judged by the teacher, sorted by length, cut."""

    def __init__(self, sampler, tasks):
        self.s, self.ready = sampler, []
        self.teachers = {task: teach(sampler, task) for task in tasks}
        self.names = [(task, l) for task in tasks for l in self.teachers[task].labels]
        self.first = {task: self.names.index((task, self.teachers[task].labels[0])) for task in tasks}
        tok = sampler.tok
        self.tail = [tok.id["<|end|>"], tok.id["<|assistant|>"]]

    def ids(self, task, text, share=0):
        return self.s.tok.encode(shown(task, text), self.s.drop if share else 0, share, self.s.rng) + self.tail

    def judge(self, task, drawn):
        """Rows (ids, target) of drawn (text, label)."""
        opinion = torch.from_numpy(self.teachers[task].probs([t for t, _ in drawn])).float()
        target = torch.zeros(len(drawn), len(self.names))
        target[:, self.first[task]:self.first[task] + opinion.shape[1]] = (1 - TRUTH) * opinion
        for row, (_, label) in enumerate(drawn):
            target[row, self.names.index((task, label))] += TRUTH
        return [(self.ids(task, t, self.s.rng.choice((0, .3, 1))), y) for (t, _), y in zip(drawn, target)]

    def batch(self, size=BATCH):
        if not self.ready:
            pool = []
            for task in self.teachers:
                pool += self.judge(task, [self.s.text(task) for _ in range(POOL // len(self.teachers))])
            pool.sort(key=lambda e: len(e[0]))
            self.ready = [pool[i:i + size] for i in range(0, len(pool), size)]
            self.s.rng.shuffle(self.ready)
        return self.pack(self.ready.pop())

    @staticmethod
    def pack(part):
        lengths = torch.tensor([len(e[0]) for e in part])
        ids = torch.zeros(len(part), int(lengths.max()), dtype=torch.long)
        for row, e in enumerate(part):
            ids[row, :len(e[0])] = torch.tensor(e[0])
        return ids, lengths, torch.stack([e[1] for e in part])

    def masked(self, scores, target):
        """Scores of the columns of each row's own task."""
        task = torch.tensor([list(self.first).index(t) for t, _ in self.names])
        return scores.masked_fill(task[None] != task[target.argmax(1)][:, None], -1e9)

    def loss(self, scores, target):
        return -(target * self.masked(scores.float(), target).log_softmax(-1)).sum(1).mean()

    @torch.no_grad()
    def dev(self, predict):
        """Accuracy of predict(ids, lengths) -> scores on the development sets."""
        out, sets = {}, {}
        for task in self.teachers:
            if task == "support":
                sets.update({k: (task, v) for k, v in self.s.support.dev_sets().items()})
            else:
                sets[task] = (task, [(machine_text(r), r[task]) for r in self.s.machines.dev])
        for name, (task, rows) in sets.items():
            hot = torch.eye(len(self.names))
            part = sorted(((self.ids(task, t), hot[self.names.index((task, l))]) for t, l in rows), key=lambda e: len(e[0]))
            hits = 0
            for i in range(0, len(part), 64):
                ids, lengths, y = self.pack(part[i:i + 64])
                hits += int((self.masked(predict(ids, lengths), y).argmax(-1) == y.argmax(-1)).sum())
            out[name] = round(hits / len(rows), 4)
        return out


def train_bag(source, vocab, width, steps, rate=5e-3):
    bag = Bag(vocab, width, len(source.names))
    opt = torch.optim.AdamW(bag.parameters(), lr=rate, weight_decay=.01)
    for step in range(steps):
        for g in opt.param_groups:
            g["lr"] = rate * (1 - step / steps) + 1e-5
        ids, lengths, y = source.batch(size=256)
        loss = source.loss(bag(ids, lengths), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
    bag.eval()
    print("bag", json.dumps(source.dev(bag)), flush=True)
    source.ready = []
    return bag.embed.weight.detach()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, choices=SHAPES)
    parser.add_argument("--merges", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--bag-steps", type=int, default=600)
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--until", type=int, help="stop after so many of the steps")
    parser.add_argument("--every", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--decay", type=float, default=.05)
    parser.add_argument("--dropout", type=float, default=.1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    tok = Tokenizer(json.load(open(args.merges, encoding="utf-8")))
    shape = dict(SHAPES[args.model], vocab=len(tok.tokens))
    source = Source(Sampler(tok, args.seed), [t for t in TASKS[args.model] if t != "contracts"])
    print("teacher", {task: round(t.accuracy, 4) for task, t in source.teachers.items()}, flush=True)
    model = Llama(shape, args.dropout)
    head = nn.Linear(shape["width"], len(source.names))
    table = train_bag(source, shape["vocab"], shape["width"], args.bag_steps)
    with torch.no_grad():
        model.token_embd.weight.copy_(table * .08 * torch.rsqrt(table.pow(2).mean(-1, keepdim=True)))
        for layer in model.blk:
            layer.attn_output.weight.mul_(.3)
            layer.ffn_down.weight.mul_(.3)
    everything = nn.ModuleList([model, head])
    params = list(everything.parameters())
    opt = torch.optim.AdamW([{"params": [p for p in params if p.dim() == 2], "weight_decay": args.decay},
                             {"params": [p for p in params if p.dim() == 1], "weight_decay": 0.0}],
                            lr=args.lr, betas=(.9, .98))
    average = {k: v.detach().clone() for k, v in everything.state_dict().items()}
    start, tokens, total = time.time(), 0, 0.0
    last = args.until or args.steps
    for step in range(last):
        x = step / args.steps
        for g in opt.param_groups:
            g["lr"] = args.lr * min(1, (step + 1) / 100) * (.02 + .98 * .5 * (1 + math.cos(math.pi * x)))
        ids, lengths, y = source.batch()
        tokens += int(lengths.sum())
        with torch.autocast("cpu", torch.bfloat16):
            state = last_state(model, ids, lengths)
        loss = source.loss(head(state.float()), y)
        opt.zero_grad()
        loss.backward()
        total += loss.item()
        torch.nn.utils.clip_grad_norm_([p for p in params if p.grad is not None], 1.0)
        opt.step()
        keep = min(.997, (step + 1) / (step + 10))
        with torch.no_grad():
            for k, v in everything.state_dict().items():
                average[k].mul_(keep).add_(v, alpha=1 - keep)
        if (step + 1) % 200 == 0:
            print(f"step {step + 1} loss {total / 200:.3f} tok/s {tokens / (time.time() - start):.0f} "
                  f"{time.time() - start:.0f} s", flush=True)
            total = 0.0
        if (step + 1) % args.every == 0 or step + 1 == last:
            raw = {k: v.clone() for k, v in everything.state_dict().items()}
            everything.load_state_dict(average)
            everything.eval()
            metrics = source.dev(lambda i, n: head(last_state(model, i, n)))
            state = {k: v.clone() for k, v in model.state_dict().items()}
            everything.train()
            everything.load_state_dict(raw)
            print("dev", step + 1, json.dumps(metrics), flush=True)
            torch.save({"shape": shape, "state": state, "dev": metrics, "step": step + 1}, args.out + ".part")
            os.replace(args.out + ".part", args.out)


if __name__ == "__main__":
    main()
