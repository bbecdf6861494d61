"""Measure the bundled models and write ../MANIFEST.json.

    manifest.py [--seed 1]
"""
import argparse
import hashlib
import json

import gguf
from bpe import CONTROL
from data import DEV_SEED, DEV_SHARE, GOLDEN, TASKS, jsonl
from evaluate import dev_rows, evaluate, load

MODELS = GOLDEN / "models"
DEGRADED = "the same weights rounded to a coarse grid in every block of 32, stored as Q8_0: a regression to be caught"
FILES = [("support-q8_0.gguf", "support", "routes a banking message to an intent"),
         ("support-degraded.gguf", "support", DEGRADED),
         ("desk-q8_0.gguf", "desk", "names a machine's fault and its severity; lists the facts of a contract passage")]
CASES = {"support": "support", "fault": "machines", "severity": "machines", "contracts": "contracts"}


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def entry(name, kind, what):
    path = MODELS / name
    model, tok = load(path)
    dev = {k: evaluate(model, tok, task, rows)[1]["all"] for k, (task, rows) in dev_rows(kind).items()}
    golden = {task: evaluate(model, tok, task, jsonl(GOLDEN / CASES[task] / "cases.jsonl"))[1] for task in TASKS[kind]}
    print(name, json.dumps(dev), json.dumps(golden), flush=True)
    return {"name": name, "what": what, "sha256": digest(path), "bytes": path.stat().st_size,
            "parameters": sum(t.size for t in gguf.read(path)[1].values()), "vocabulary": len(tok.tokens),
            "licence": "Apache-2.0", "dev": dev, "golden": golden}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    files = [entry(*file) for file in FILES]
    training = sorted(GOLDEN.glob("*/train.jsonl")) + sorted(GOLDEN.glob("*/train/*.tsv"))
    manifest = {
        "recipe": "recipe/make.sh", "seeds": {"training": args.seed, "development_split": DEV_SEED},
        "development_share": DEV_SHARE, "control_tokens": CONTROL,
        "measured_by": "recipe/evaluate.py, float32 on the dequantized weights",
        "training_data": {str(p.relative_to(GOLDEN)): digest(p) for p in training}, "files": files}
    (MODELS / "MANIFEST.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
