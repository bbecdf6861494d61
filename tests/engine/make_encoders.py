#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tiny random models that embed texts, for the tests of the engine.

    make_encoders.py OUT_DIR embeddings.json

NAME.gguf is a model; NAME.vectors holds what it must make of some texts, as transformers has it in
double precision (make_encoder_fixtures.py recorded it): little endian u32 texts, u32 width, then a
text: u32 tokens, the ids as u32, double [width].

Standard library only.
"""
import json
import os
import random
import struct
import sys

import make_models as mm
from make_models import F32, I32, STRING, U32, BOOL

# pooling: 1 mean, 2 the first token, 3 the last one
MODELS = {
    "bert_mean": dict(seed=101, arch="bert", pooling=1, layers=2, width=32, heads=4, ffn=48),
    "bert_cls": dict(seed=102, arch="bert", pooling=2, layers=3, width=24, heads=4, ffn=40,
                     kind="F16"),
    "bert_q8": dict(seed=103, arch="bert", pooling=1, layers=2, width=64, heads=4, ffn=96,
                    kind="Q8_0"),
    "nomic": dict(seed=104, arch="nomic-bert", pooling=1, layers=2, width=32, heads=4, ffn=48,
                  base=1000.0),
    "qwen3_last": dict(seed=105, arch="qwen3", pooling=3, layers=2, width=32, heads=4, ffn=48,
                       base=1e6),
    "qwen3_mean": dict(seed=106, arch="qwen3", pooling=1, layers=2, width=32, heads=4, ffn=48,
                       base=1e6),
    "gemma_embedding": dict(seed=107, arch="gemma-embedding", pooling=1, layers=3, width=32,
                            heads=4, kv_heads=2, ffn=48, base=1e6, window=24, period=2, dense=40),
    "llama_embed": dict(seed=108, arch="llama-embed", pooling=1, layers=2, width=32, heads=4,
                        kv_heads=2, ffn=48, base=5e5),
}
CONTEXT, EPSILON = 320, 1e-5
WORDS = ["the", "cat", "sat", "on", "mat", "a", "dog", "ran", "far"]


def vocabulary(arch):
    """Values of the file, and how many tokens there are."""
    if arch.endswith("bert"):
        tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] + ["\u2581" + w for w in WORDS]
        kinds = [mm.CONTROL, mm.UNKNOWN, mm.CONTROL, mm.CONTROL] + [mm.NORMAL] * len(WORDS)
        ids = [("unknown", 1), ("cls", 2), ("seperator", 3)]
        return [("tokenizer.ggml.model", STRING, "bert"), ("tokenizer.ggml.tokens", STRING, tokens),
                ("tokenizer.ggml.token_type", I32, kinds),
                *[(f"tokenizer.ggml.{key}_token_id", U32, i) for key, i in ids]], len(tokens)
    values, size = mm.small_bpe("qwen2")
    return values + [("tokenizer.ggml.add_eos_token", BOOL, True)], size


class Net:
    """A random model's tensors: `seen` has the values that the file gives them."""

    def __init__(self, seed, arch, layers, width, heads, ffn, kind="F32", base=10000.0,
                 kv_heads=0, dense=0, **_):
        self.random, self.kind = random.Random(seed), kind
        self.tensors, self.seen = [], {}
        _, words = vocabulary(arch)
        encoder, bert = arch.endswith("bert"), arch == "bert"
        gemma, head = arch == "gemma-embedding", width // heads
        self.matrix("token_embd", words, width, 2.0)
        if dense:
            self.matrix("dense_2", dense, width, 4.0 / width ** 0.5)
            self.matrix("dense_3", width, dense, 4.0 / width ** 0.5)
        if encoder:
            self.matrix("token_types", 2, width, 1.0, "F32")
            self.norm("token_embd_norm", width)
        else:
            self.norm("output_norm", width, bias=False)
        if bert:
            self.matrix("position_embd", CONTEXT, width, 1.0, "F32")
        for i in range(layers):
            at, near = f"blk.{i}.", 4.0 / width ** 0.5
            if arch == "nomic-bert":
                self.matrix(at + "attn_qkv", 3 * width, width, near)
            else:
                for name, n in ("attn_q", heads), ("attn_k", kv_heads), ("attn_v", kv_heads):
                    self.matrix(at + name, (n or heads) * head, width, near, bias=bert)
            self.matrix(at + "attn_output", width, width, near, bias=bert)
            self.matrix(at + "ffn_up", ffn, width, near, bias=bert)
            self.matrix(at + "ffn_down", width, ffn, near, bias=bert)
            if not bert:
                self.matrix(at + "ffn_gate", ffn, width, near)
            if encoder:
                self.norm(at + "attn_output_norm", width)
                self.norm(at + "layer_output_norm", width)
            else:
                norms = [("attn_norm", width), ("ffn_norm", width)]
                if arch != "llama-embed":
                    norms += [("attn_q_norm", head), ("attn_k_norm", head)]
                if gemma:
                    norms += [("post_attention_norm", width), ("post_ffw_norm", width)]
                for name, n in norms:
                    self.norm(at + name, n, bias=False)

    def uniform(self, n, spread, middle=0.0):
        return [middle + spread * (self.random.random() - 0.5) for _ in range(n)]

    def put(self, name, dims, kind, rows):
        raw, self.seen[name] = mm.encode(kind, rows)
        self.tensors.append((name, dims, kind, raw))

    def matrix(self, name, rows, cols, spread, kind=None, bias=False):
        values = [self.uniform(cols, spread) for _ in range(rows)]
        self.put(name + ".weight", [cols, rows], kind or self.kind, values)
        if bias:
            self.put(name + ".bias", [rows], "F32", [self.uniform(rows, 0.5)])

    def norm(self, name, n, bias=True):
        self.put(name + ".weight", [n], "F32", [self.uniform(n, 0.8, 1.0)])
        if bias:
            self.put(name + ".bias", [n], "F32", [self.uniform(n, 0.5)])


def texts(seed, arch):
    """Token ids: of one token, of few, beyond a tile, beyond a batch of rows."""
    pick, (_, size) = random.Random(seed), vocabulary(arch)
    return [[pick.randrange(size) for _ in range(n)] for n in (1, 5, 16, 37, 150, 300)]


def write(folder, name, vectors):
    shape = MODELS[name]
    net, arch = Net(**shape), shape["arch"]
    epsilon = "layer_norm_epsilon" if arch.endswith("bert") else "layer_norm_rms_epsilon"
    values = [("general.architecture", STRING, arch), ("general.name", STRING, name)]
    values += [(f"{arch}.{key}", U32, n) for key, n in [
        ("block_count", shape["layers"]), ("embedding_length", shape["width"]),
        ("feed_forward_length", shape["ffn"]), ("context_length", CONTEXT),
        ("attention.head_count", shape["heads"]), ("pooling_type", shape["pooling"]),
        ("attention.head_count_kv", shape.get("kv_heads")),
        ("attention.sliding_window", shape.get("window")),
        ("attention.sliding_window_pattern", shape.get("period")),
        ("dense_2_feat_in", shape.get("dense") and shape["width"]),
        ("dense_2_feat_out", shape.get("dense")), ("dense_3_feat_in", shape.get("dense")),
        ("dense_3_feat_out", shape.get("dense") and shape["width"])] if n]
    values += [(f"{arch}.attention.{epsilon}", F32, EPSILON),
               (f"{arch}.rope.freq_base", F32, shape.get("base", 10000.0))]
    if arch.endswith(("bert", "-embed")):
        values.append((f"{arch}.attention.causal", BOOL, False))
    path = os.path.join(folder, name)
    mm.write_gguf(path + ".gguf", values + vocabulary(arch)[0], net.tensors)
    with open(path + ".vectors", "wb") as file:
        file.write(struct.pack("<II", len(vectors), shape["width"]))
        for ids, vector in zip(texts(shape["seed"], arch), vectors):
            file.write(struct.pack(f"<{len(ids) + 1}I", len(ids), *ids))
            file.write(struct.pack(f"<{len(vector)}d", *vector))


def main():
    os.makedirs(sys.argv[1], exist_ok=True)
    with open(sys.argv[2], encoding="utf-8") as file:
        recorded = json.load(file)
    for name in MODELS:
        write(sys.argv[1], name, recorded[name])


if __name__ == "__main__":
    main()
