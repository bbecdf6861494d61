"""Float32 reference evaluation of a GGUF file.

    evaluate.py --model M.gguf --task support --cases cases.jsonl [--out predictions.jsonl]

Tasks: support, fault, severity, contracts.  For the first three each label is scored
by the sum of the log-probabilities of its tokens after <|assistant|>, without <|end|>;
the highest wins, ties go to the label that comes first in the alphabet.  Contracts are
generated greedily and scored as (label, text) pairs.
"""
import argparse
import json
import random
from collections import defaultdict
from pathlib import Path

import torch

import gguf
from bpe import CONTROL, Tokenizer
from data import SYSTEM, Contracts, Machines, Support, contract_answer, jsonl, machine_text, prompt
from model import Llama

LABELS = {
    "support": """card_lost card_delivery card_activation card_declined card_swallowed pin_problem atm_wrong_cash
unknown_charge duplicate_charge refund_missing transfer_pending transfer_cancel limit_change fee_question exchange_rate
account_open account_close balance_enquiry statement_request direct_debit login_problem details_update identity_check
loan_enquiry overdraft scam_report""".split(),
    "fault": """bearing_wear belt_slip blockage cavitation electrical_fault imbalance lubrication_loss misalignment
no_fault overheating seal_leak sensor_fault""".split(),
    "severity": "none low medium high".split()}


def load(path):
    """A model with the dequantized weights, and its tokenizer."""
    meta, weights = gguf.read(path)
    get = lambda key: meta["llama." + key]
    tok = Tokenizer([m.split(" ") for m in meta["tokenizer.ggml.merges"]])
    if tok.tokens != meta["tokenizer.ggml.tokens"] or tok.tokens[-4:] != CONTROL:
        raise ValueError("the vocabulary is not bytes, merges, control tokens")
    shape = dict(vocab=get("vocab_size"), width=get("embedding_length"), hidden=get("feed_forward_length"),
                 layers=get("block_count"), heads=get("attention.head_count"), kv_heads=get("attention.head_count_kv"),
                 context=get("context_length"), eps=get("attention.layer_norm_rms_epsilon"), base=get("rope.freq_base"))
    model = Llama(shape)
    model.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})
    return model.eval(), tok


def encode(tok, task, user):
    ids = []
    for name, text in prompt(task, user):
        ids.append(tok.id[name])
        if text is not None:
            ids += tok.encode(text) + [tok.id["<|end|>"]]
    return ids


@torch.no_grad()
def label_scores(model, tok, task, user, labels):
    """Summed log-probability of every label.  Prefixes shared by labels are run once."""
    start = encode(tok, task, user)
    codes = [tok.encode(l) for l in labels]
    prefixes = sorted({tuple(c[:i]) for c in codes for i in range(len(c))})
    width = len(start) + max(map(len, prefixes))
    ids = torch.zeros(len(prefixes), width, dtype=torch.long)
    for row, p in enumerate(prefixes):
        seq = start + list(p)
        ids[row, :len(seq)] = torch.tensor(seq)
    at = torch.tensor([len(start) + len(p) - 1 for p in prefixes])
    logp = model.logits(model.states(ids)[torch.arange(len(prefixes)), at]).log_softmax(-1)
    table = {p: logp[i] for i, p in enumerate(prefixes)}
    return [sum(table[tuple(c[:i])][c[i]].item() for i in range(len(c))) for c in codes]


@torch.no_grad()
def generate(model, tok, ids, limit=128):
    ids, start = list(ids), len(ids)
    while len(ids) - start < limit and len(ids) < model.shape["context"]:
        token = model.logits(model.states(torch.tensor([ids]))[0, -1]).argmax().item()
        if token == tok.id["<|end|>"]:
            break
        ids.append(token)
    return tok.decode(ids[start:])


def user_text(task, row):
    return row["text"] if task == "support" else row["passage"] if task == "contracts" else machine_text(row)


def evaluate(model, tok, task, rows):
    """Returns (records, {tag: metrics}); the tag "all" holds every case."""
    records, groups = [], defaultdict(list)
    for number, row in enumerate(rows):
        record = {"id": row.get("id", str(number))}
        if task == "contracts":
            got = generate(model, tok, encode(tok, task, user_text(task, row)))
            given = set(got.split("\n")) - {"none", ""}
            wanted = set(contract_answer(row).split("\n")) - {"none"}
            record.update(expected=sorted(wanted), predicted=got)
            point = (len(given & wanted), len(given), len(wanted))
        else:
            gold = row["intent"] if task == "support" else row[task]
            scores = label_scores(model, tok, task, user_text(task, row), LABELS[task])
            best = min(range(len(scores)), key=lambda i: (-scores[i], LABELS[task][i]))
            record.update(expected=gold, predicted=LABELS[task][best],
                          logprobs={l: round(s, 5) for l, s in zip(LABELS[task], scores)})
            point = LABELS[task][best] == gold
        records.append(record)
        for tag in ["all"] + row.get("tags", []):
            groups[tag].append(point)
    out = {}
    for tag, points in groups.items():
        if task == "contracts":
            hit, given, wanted = map(sum, zip(*points))
            out[tag] = {"n": len(points), "f1": round(2 * hit / max(1, given + wanted), 4),
                        "precision": round(hit / max(1, given), 4), "recall": round(hit / max(1, wanted), 4),
                        "exact": round(sum(p[0] == p[1] == p[2] for p in points) / len(points), 4)}
        else:
            out[tag] = {"n": len(points), "accuracy": round(sum(points) / len(points), 4)}
    return records, out


def dev_rows(model):
    """{name: (task, rows)} of the development sets of a model's tasks."""
    if model == "support":
        sets = Support(random.Random(1)).dev_sets()
        return {name: ("support", [{"text": t, "intent": i} for t, i in pairs]) for name, pairs in sets.items()}
    machines = Machines().dev
    return {"fault": ("fault", machines), "severity": ("severity", machines), "contracts": ("contracts", Contracts().dev[:150])}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--task", required=True, choices=list(SYSTEM))
    parser.add_argument("--cases", required=True)
    parser.add_argument("--out", help="predictions, a line a case")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, tok = load(args.model)
    records, result = evaluate(model, tok, args.task, jsonl(Path(args.cases)))
    if args.out:
        with open(args.out, "w", encoding="utf-8") as f:
            f.writelines(json.dumps(r, ensure_ascii=False) + "\n" for r in records)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
