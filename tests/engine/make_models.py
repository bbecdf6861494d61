#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tiny random models, and what they must answer, for the tests of the engine.

    make_models.py OUT_DIR [FIXTURE.json...]

NAME.gguf is a model; NAME.ref holds the logits of a forward pass written here from the formulas
alone, in double precision (little endian: u32 tokens, u32 vocabulary, u32 references, the token
ids as u32, then double [reference][token][vocabulary]). Reference 0 quantizes the activations of
quantized products as the engine does; reference 1 does not.

A fixture (made by make_tokenizer_fixtures.py) becomes a file without tensors, FIXTURE.gguf, and
FIXTURE.cases: u32 cases, then for each u32 flags, u32 bytes, the text, u32 tokens, the ids.

Standard library only.
"""
import base64
import json
import math
import os
import random
import struct
import sys

U8, U16, U32, I32, F32, BOOL, STRING, ARRAY = 0, 2, 4, 5, 6, 7, 8, 9
TENSOR_TYPES = {"F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q5_1": 7, "Q8_0": 8,
                "Q2_K": 10, "Q3_K": 11, "Q4_K": 12, "Q5_K": 13, "Q6_K": 14, "IQ4_NL": 20,
                "IQ4_XS": 23, "BF16": 30, "MXFP4": 39}
NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = range(1, 7)


# --- the container ---------------------------------------------------------------------------

def string(text):
    raw = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(raw)) + raw


def scalar(kind, value):
    if kind == STRING:
        return string(value)
    return struct.pack({U8: "<B", U16: "<H", U32: "<I", I32: "<i", F32: "<f", BOOL: "<B"}[kind], value)


def write_gguf(path, values, tensors):
    """values: [(key, kind, value)]; a list is an array. tensors: [(name, dims, type, bytes)]."""
    out = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(values))]
    for key, kind, value in values:
        out.append(string(key))
        if isinstance(value, list):
            out.append(struct.pack("<IIQ", ARRAY, kind, len(value)))
            out.extend(scalar(kind, item) for item in value)
        else:
            out.append(struct.pack("<I", kind) + scalar(kind, value))
    offset = 0
    for name, dims, kind, raw in tensors:
        out.append(string(name) + struct.pack("<I", len(dims)))
        out.extend(struct.pack("<Q", n) for n in dims)
        out.append(struct.pack("<IQ", TENSOR_TYPES[kind], offset))
        offset += (len(raw) + 31) // 32 * 32
    head = b"".join(out)
    with open(path, "wb") as file:
        file.write(head + bytes(-len(head) % 32))
        for _, _, _, raw in tensors:
            file.write(raw + bytes(-len(raw) % 32))


# --- vocabularies ----------------------------------------------------------------------------

def byte_alphabet():
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    runes, extra = {}, 256
    for byte in range(256):
        if byte in plain:
            runes[byte] = chr(byte)
        else:
            runes[byte] = chr(extra)
            extra += 1
    return runes


def bpe_values(tokens, kinds, merges, pre, extra=()):
    values = [("tokenizer.ggml.model", STRING, "gpt2"), ("tokenizer.ggml.tokens", STRING, tokens),
              ("tokenizer.ggml.token_type", I32, kinds), ("tokenizer.ggml.merges", STRING, merges)]
    if pre is not None:
        values.append(("tokenizer.ggml.pre", STRING, pre))
    return values + list(extra)


def small_bpe(pre):
    runes = byte_alphabet()
    tokens = [runes[byte] for byte in range(256)]
    merges = []
    for pair in ["t h", "h e", "Ġ t", "i n", "e r", "Ġ a", "o n", "Ġt he", "Ġ c", "a t", "Ġc at",
                 "in g", "Ġ Ġ", "e s", "1 2", "Ã ©"]:
        merges.append(pair)
        tokens.append(pair.replace(" ", ""))
    kinds = [NORMAL] * len(tokens)
    bos = len(tokens)
    for text, kind in [("<|begin_of_text|>", CONTROL), ("<|end_of_text|>", CONTROL),
                       ("<|eot_id|>", CONTROL), ("<note>", USER)]:
        tokens.append(text)
        kinds.append(kind)
    return bpe_values(tokens, kinds, merges, pre, [
        ("tokenizer.ggml.bos_token_id", U32, bos), ("tokenizer.ggml.eos_token_id", U32, bos + 1),
    ]), len(tokens)


def small_spm():
    mark = "\u2581"
    tokens, kinds, scores = ["<unk>", "<s>", "</s>"], [UNKNOWN, CONTROL, CONTROL], [0.0] * 3
    for byte in range(256):
        tokens.append(f"<0x{byte:02X}>")
        kinds.append(BYTE)
        scores.append(0.0)
    pieces = [mark + "t", "he", mark + "the", "in", "er", mark + "a", "on", "at", mark + "c",
              mark + "cat", "ing", mark, "t", "h", "e", "a", "c", "i", "n", "g", "o", "r", "s",
              mark + mark]
    for rank, piece in enumerate(pieces):
        tokens.append(piece)
        kinds.append(NORMAL)
        scores.append(-float(rank))
    return [("tokenizer.ggml.model", STRING, "llama"), ("tokenizer.ggml.tokens", STRING, tokens),
            ("tokenizer.ggml.scores", F32, scores), ("tokenizer.ggml.token_type", I32, kinds),
            ("tokenizer.ggml.bos_token_id", U32, 1), ("tokenizer.ggml.eos_token_id", U32, 2),
            ], len(tokens)


# --- weights ---------------------------------------------------------------------------------

def half_even(x):
    return round(x)  # Python rounds halves to even


def as_float(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def encode(kind, rows):
    """Rows of numbers to the file's bytes, and the numbers those bytes stand for."""
    raw, seen = [], []
    for row in rows:
        if kind == "Q8_0":
            values = []
            for at in range(0, len(row), 32):
                block = row[at:at + 32]
                scale = struct.pack("<e", max(map(abs, block)) / 127)
                d = struct.unpack("<e", scale)[0]
                q = [max(-127, min(127, half_even(x / d))) if d else 0 for x in block]
                raw.append(scale + struct.pack("<32b", *q))
                values += [d * n for n in q]
        elif kind == "BF16":  # the upper half of a float, cut off
            cut = [struct.pack("<f", v)[2:] for v in row]
            raw.append(b"".join(cut))
            values = [struct.unpack("<f", b"\0\0" + c)[0] for c in cut]
        else:
            code = f"<{len(row)}{'f' if kind == 'F32' else 'e'}"
            raw.append(struct.pack(code, *row))
            values = list(struct.unpack(code, raw[-1]))
        seen.append(values)
    return b"".join(raw), seen


# What sets the architectures apart, by the formulas of their papers and reference code.
ARCHS = {
    "llama": {},
    "qwen2": {"halves": True, "biased": ["attn_q", "attn_k", "attn_v"]},
    "qwen2moe": {"halves": True, "biased": ["attn_q", "attn_k", "attn_v"]},
    "qwen3": {"halves": True, "head_norms": True},
    "qwen2vl": {"halves": True, "biased": ["attn_q", "attn_k", "attn_v"]},
    "qwen3vl": {"halves": True, "head_norms": True},
    "qwen3vlmoe": {"halves": True, "head_norms": True},
    "qwen3moe": {"halves": True, "head_norms": True},
    "gemma": {"halves": True, "gelu": True},
    "gemma2": {"halves": True, "gelu": True, "post_norms": True},
    "gemma3": {"halves": True, "gelu": True, "post_norms": True, "head_norms": True},
    "phi3": {"halves": True, "fused": True},
    "granite": {}, "minicpm": {}, "internlm2": {}, "xverse": {}, "ernie4_5": {}, "smollm3": {},
    "mistral3": {}, "arcee": {"ungated": True}, "chatglm": {"fused": True, "biased": ["attn_q", "attn_k", "attn_v"]},
    "glm4": {"fused_ffn": True, "post_norms": True, "biased": ["attn_q", "attn_k", "attn_v"]},
    "seed_oss": {"halves": True, "late_ffn_norm": True, "biased": ["attn_q", "attn_k", "attn_v"]},
    "exaone": {"halves": True},
    "exaone4": {"halves": True, "bare": True, "post_norms": True, "head_norms": True},
    "hunyuan-dense": {"halves": True, "head_norms": True},
    "olmo2": {"halves": True, "bare": True, "post_norms": True, "whole_norms": True},
    "olmoe": {"halves": True, "whole_norms": True},
    "phi2": {"layer_norms": True, "norm_biases": True, "parallel": True, "ungated": True,
             "biased": ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down",
                        "output"]},
    "starcoder2": {"layer_norms": True, "norm_biases": True, "ungated": True,
                   "biased": ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down"]},
    "stablelm": {"layer_norms": True, "norm_biases": True,
                 "biased": ["attn_q", "attn_k", "attn_v"]},
    "nemotron": {"layer_norms": True, "norm_biases": True, "ungated": True},
    "jais2": {"layer_norms": True, "norm_biases": True, "ungated": True,
              "biased": ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down"]},
    "orion": {"layer_norms": True, "norm_biases": True},
    "command-r": {"layer_norms": True, "parallel": True},
    "cohere2": {"layer_norms": True, "parallel": True},
    "gpt-oss": {"halves": True, "late_ffn_norm": True, "clamped": True,
                "biased": ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate_inp",
                           "ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"]},
}

# Blocks of random bits, and what they stand for. (weights, bytes, places of the half scale and of
# the half minimum, minimum over scale that makes the mean about 0.)
BLOCKS = {"Q4_0": (32, 18, 0, None, 0), "Q4_1": (32, 20, 0, 2, -7.5), "Q5_0": (32, 22, 0, None, 0),
          "Q5_1": (32, 24, 0, 2, -15.5), "IQ4_NL": (32, 18, 0, None, 0),
          "MXFP4": (32, 17, None, None, 0), "Q2_K": (256, 84, 80, 82, 1.5),
          "Q3_K": (256, 110, 108, None, 0), "Q4_K": (256, 144, 0, 2, 7.5),
          "Q5_K": (256, 176, 0, 2, 15.5), "Q6_K": (256, 210, 208, None, 0),
          "IQ4_XS": (256, 136, 0, None, 0)}
IQ4 = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]
FP4 = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]


def quantizes(kind):
    """Whether products with weights of this kind take quantized activations."""
    return kind == "Q8_0" or kind in BLOCKS


def half_at(block, at):
    return struct.unpack_from("<e", block, at)[0]


def nibbles(data, run):
    """Each `run` bytes: the low nibbles, then the high ones."""
    out = []
    for at in range(0, len(data), run):
        out += [b & 15 for b in data[at:at + run]] + [b >> 4 for b in data[at:at + run]]
    return out


def bits(data, width, run=32):
    """Each `run` bytes: the lowest `width` bits of all, then the next ones."""
    out = []
    for at in range(0, len(data), run):
        for shift in range(0, 8, width):
            out += [b >> shift & ((1 << width) - 1) for b in data[at:at + run]]
    return out


def k_scales(s):
    scales = [s[i] & 63 for i in range(4)] + [s[8 + i] & 15 | s[i] >> 6 << 4 for i in range(4)]
    mins = [s[4 + i] & 63 for i in range(4)] + [s[8 + i] >> 4 | s[4 + i] >> 6 << 4
                                                for i in range(4)]
    return scales, mins


def decode_32(kind, b):
    if kind == "MXFP4":
        return [2.0 ** (b[0] - 128) * FP4[n] for n in nibbles(b[1:], 16)]
    d = half_at(b, 0)
    if kind == "IQ4_NL":
        return [d * IQ4[n] for n in nibbles(b[2:], 16)]
    if kind == "Q4_0":
        return [d * (n - 8) for n in nibbles(b[2:], 16)]
    if kind == "Q4_1":
        return [d * n + half_at(b, 2) for n in nibbles(b[4:], 16)]
    at = 2 if kind == "Q5_0" else 4
    fifth = int.from_bytes(b[at:at + 4], "little")
    codes = [n + (fifth >> i & 1) * 16 for i, n in enumerate(nibbles(b[at + 4:], 16))]
    return [d * (n - 16) if kind == "Q5_0" else d * n + half_at(b, 2) for n in codes]


def decode_256(kind, b):
    if kind == "Q2_K":
        d, m = half_at(b, 80), half_at(b, 82)
        return [d * (b[i // 16] & 15) * n - m * (b[i // 16] >> 4)
                for i, n in enumerate(bits(b[16:80], 2))]
    if kind == "Q3_K":
        d, raw = half_at(b, 108), b[96:108]
        scales = [(raw[g % 8] >> g // 8 * 4 & 15 | (raw[8 + g % 4] >> g // 4 * 2 & 3) << 4) - 32
                  for g in range(16)]
        return [d * scales[i // 16] * (n - (0 if top else 4))
                for i, (n, top) in enumerate(zip(bits(b[32:96], 2), bits(b[:32], 1)))]
    if kind == "Q6_K":
        d, scales = half_at(b, 208), struct.unpack_from("<16b", b, 192)
        codes = zip(nibbles(b[:128], 64), bits(b[128:192], 2))
        return [d * scales[i // 16] * (n + 16 * top - 32) for i, (n, top) in enumerate(codes)]
    if kind == "IQ4_XS":
        high = int.from_bytes(b[2:4], "little")
        scales = [(b[4 + g // 2] >> g % 2 * 4 & 15 | (high >> 2 * g & 3) << 4) - 32
                  for g in range(8)]
        return [half_at(b, 0) * scales[i // 32] * IQ4[n] for i, n in enumerate(nibbles(b[8:], 16))]
    d, m, (scales, mins) = half_at(b, 0), half_at(b, 2), k_scales(b[4:16])
    fifth = bits(b[16:48], 1) if kind == "Q5_K" else [0] * 256
    codes = nibbles(b[48:] if kind == "Q5_K" else b[16:], 32)
    return [d * scales[i // 32] * (n + 16 * top) - m * mins[i // 32]
            for i, (n, top) in enumerate(zip(codes, fifth))]


def random_block(rng, kind, d):
    _, size, at, at_min, ratio = BLOCKS[kind]
    block = bytearray(rng.getrandbits(8) for _ in range(size))
    if kind == "MXFP4":
        block[0] = 128 + round(math.log2(d)) - rng.randrange(2)
    else:
        struct.pack_into("<e", block, at, d)
    if at_min is not None:
        struct.pack_into("<e", block, at_min, d * ratio)
    return bytes(block)


def random_blocks(rng, kind, rows, cols, spread):
    decode = decode_32 if BLOCKS[kind][0] == 32 else decode_256
    sample = [v for _ in range(8) for v in decode(kind, random_block(rng, kind, 1.0))]
    d = spread / math.sqrt(math.fsum(v * v for v in sample) / len(sample))
    raw, seen = [], []
    for _ in range(rows):
        blocks = [random_block(rng, kind, d) for _ in range(cols // BLOCKS[kind][0])]
        raw += blocks
        seen.append([v for block in blocks for v in decode(kind, block)])
    return b"".join(raw), seen


class Model:
    """A random model: `types` gives the storage by the last part of a tensor's name."""

    def __init__(self, seed, vocabulary, layers, width, heads, kv_heads, ffn, head_width=None,
                 rope_width=None, types=None, default="F32", tied=False, biases=False,
                 rope_freqs=False, base=10000.0, scale=0.0, epsilon=1e-5, context=256,
                 arch="llama", experts=0, used=0, expert_ffn=0, shared_ffn=0, window=0,
                 period=0, local_base=None, attention_cap=0.0, logit_cap=0.0, yarn=0.0,
                 original=0, longrope=False, sections=(), attn_factor=0.0, multipliers=None, rank=0, alpha=0.0):
        self.__dict__.update(locals())
        self.random = random.Random(seed)
        self.head_width = head_width or width // heads
        self.rope_width = rope_width or self.head_width
        self.types = types or {}
        self.traits = ARCHS[arch]
        self.multipliers = multipliers or {}
        self.tensors, self.seen = [], {}
        self.adapters = {}  # matrix -> A, B
        self.matrix("token_embd.weight", vocabulary, width, 1.0)
        for layer in range(layers):
            self.layer(f"blk.{layer}.")
        self.norm("output_norm.weight", width)
        if not tied:
            self.matrix("output.weight", vocabulary, width, 2.0 / math.sqrt(width))
        if "output" in self.traits.get("biased", []):
            self.vector("output.bias", [self.random.gauss(0, 0.3) for _ in range(vocabulary)])
        n = self.rope_width // 2
        if rope_freqs:
            self.vector("rope_freqs.weight", [1.0 + 7.0 * i / n for i in range(n)])
        if longrope:
            self.vector("rope_factors_short.weight", [1.0 + 0.25 * i / n for i in range(n)])
            self.vector("rope_factors_long.weight", [1.5 + 9.0 * i / n for i in range(n)])
        self.halves = self.adapt() if rank else []

    def layer(self, at):
        q, kv = self.heads * self.head_width, self.kv_heads * self.head_width
        shapes = {"attn_q": (q, self.width), "attn_k": (kv, self.width),
                  "attn_v": (kv, self.width), "attn_output": (self.width, q),
                  "ffn_gate": (self.ffn, self.width), "ffn_up": (self.ffn, self.width),
                  "ffn_down": (self.width, self.ffn)}
        if self.experts:
            shapes = {name: shape for name, shape in shapes.items() if "ffn" not in name}
            shapes["ffn_gate_inp"] = (self.experts, self.width)
            for part, n in ("exps", self.expert_ffn), ("shexp", self.shared_ffn):
                if n:
                    shapes |= {f"ffn_gate_{part}": (n, self.width),
                               f"ffn_up_{part}": (n, self.width),
                               f"ffn_down_{part}": (self.width, n)}
        if self.traits.get("ungated"):
            shapes.pop("ffn_gate")
        if not self.traits.get("bare"):
            self.norm(at + "attn_norm.weight", self.width)
            late = self.traits.get("late_ffn_norm")
            if not self.traits.get("parallel"):
                self.norm(at + ("post_attention_norm" if late else "ffn_norm") + ".weight", self.width)
        if self.traits.get("whole_norms"):
            self.norm(at + "attn_q_norm.weight", q)
            self.norm(at + "attn_k_norm.weight", kv)
        if self.traits.get("head_norms"):
            self.norm(at + "attn_q_norm.weight", self.head_width)
            self.norm(at + "attn_k_norm.weight", self.head_width)
        if self.traits.get("post_norms"):
            self.norm(at + "post_attention_norm.weight", self.width)
            self.norm(at + "post_ffw_norm.weight", self.width)
        for name, (rows, cols) in shapes.items():
            copies = self.experts if name.endswith("_exps") else 0
            self.matrix(f"{at}{name}.weight", rows, cols, 1.5 / math.sqrt(cols), copies)
            if self.biases or name in self.traits.get("biased", []):
                self.vector(f"{at}{name}.bias", [self.random.gauss(0, 0.3)
                                                 for _ in range(rows * (copies or 1))])
                if copies:
                    self.tensors[-1][1][:] = [rows, copies]
        if self.traits.get("clamped"):
            self.vector(at + "attn_sinks.weight",
                        [self.random.gauss(0, 2.0) for _ in range(self.heads)])
        if self.shared_ffn:
            self.vector(f"{at}ffn_gate_inp_shexp.weight",
                        [self.random.gauss(0, 0.3) for _ in range(self.width)])
        if self.traits.get("fused"):
            self.fuse(at, "attn_qkv", ["attn_q", "attn_k", "attn_v"])
        if self.traits.get("fused") or self.traits.get("fused_ffn"):
            self.fuse(at, "ffn_up", ["ffn_gate", "ffn_up"])

    def adapt(self):
        """An adapter for every matrix of the blocks and the output: its tensors."""
        tensors = []
        for name, dims, _, _ in self.tensors:
            if len(dims) < 2 or name == "token_embd.weight":
                continue
            shapes = ("lora_a", "F16", self.rank, dims[0]), ("lora_b", "F32", dims[1], self.rank)
            halves = []
            for half, kind, rows, cols in shapes:
                values = [[self.random.gauss(0, 0.5) / math.sqrt(cols) for _ in range(cols)]
                          for _ in range(rows)]
                raw, seen = encode(kind, values)
                tensors.append((f"{name}.{half}", [cols, rows], kind, raw))
                halves.append(seen)
            self.adapters[name] = halves
        for at in [f"blk.{layer}." for layer in range(self.layers)]:
            if not self.traits.get("fused"):
                break
            for name, parts in (("attn_qkv", ["attn_q", "attn_k", "attn_v"]),
                                ("ffn_up", ["ffn_gate", "ffn_up"])):
                a, b = self.adapters.pop(f"{at}{name}.weight")
                for part in parts:
                    n = len(self.seen[f"{at}{part}.weight"])
                    self.adapters[f"{at}{part}.weight"] = a, b[:n]
                    b = b[n:]
        return tensors

    def write_adapter(self, path):
        values = [("general.type", STRING, "adapter"), ("general.architecture", STRING, self.arch),
                  ("adapter.type", STRING, "lora"), ("adapter.lora.alpha", F32, self.alpha)]
        write_gguf(path, values, self.halves)

    def fuse(self, at, name, parts):
        """Puts the rows of some matrices into one tensor; `seen` keeps them apart."""
        for end in "weight", "bias":
            wanted = [f"{at}{part}.{end}" for part in parts]
            found = [t for t in self.tensors if t[0] in wanted]
            found.sort(key=lambda t: wanted.index(t[0]))
            if found:
                self.tensors = [t for t in self.tensors if t not in found]
                dims = [*found[0][1][:-1], sum(t[1][-1] for t in found)]
                self.tensors.append((f"{at}{name}.{end}", dims, found[0][2],
                                     b"".join(t[3] for t in found)))

    def vector(self, name, values):
        raw, seen = encode("F32", [values])
        self.tensors.append((name, [len(values)], "F32", raw))
        self.seen[name] = seen[0]

    def norm(self, name, n):
        self.vector(name, [1.0 + self.random.gauss(0, 0.2) for _ in range(n)])
        if self.traits.get("norm_biases"):
            self.vector(name.replace(".weight", ".bias"),
                        [self.random.gauss(0, 0.2) for _ in range(n)])

    def kind(self, name):
        return self.types.get(name.split(".")[-2], self.default)

    def matrix(self, name, rows, cols, spread, copies=0):
        kind, count = self.kind(name), rows * (copies or 1)
        if kind in BLOCKS:
            raw, self.seen[name] = random_blocks(self.random, kind, count, cols, spread)
        else:
            values = [[self.random.gauss(0, spread) for _ in range(cols)] for _ in range(count)]
            raw, self.seen[name] = encode(kind, values)
        self.tensors.append((name, [cols, rows] + [copies] * (copies > 0), kind, raw))

    def values(self, vocabulary_values):
        numbers = [("block_count", self.layers), ("embedding_length", self.width),
                   ("feed_forward_length", self.ffn), ("context_length", self.context),
                   ("attention.head_count", self.heads),
                   ("attention.head_count_kv", self.kv_heads)]
        rms = "" if self.traits.get("layer_norms") else "rms_"
        floats = [(f"attention.layer_norm_{rms}epsilon", self.epsilon),
                  ("rope.freq_base", self.base),
                  *self.multipliers.items()]
        if self.head_width * self.heads != self.width:
            numbers += [("attention.key_length", self.head_width),
                        ("attention.value_length", self.head_width)]
        if self.rope_width != self.head_width:
            numbers.append(("rope.dimension_count", self.rope_width))
        numbers += [(key, n) for key, n in [
            ("expert_count", self.experts), ("expert_used_count", self.used),
            ("expert_feed_forward_length", self.expert_ffn != self.ffn and self.expert_ffn),
            ("expert_shared_feed_forward_length", self.shared_ffn),
            ("attention.sliding_window", self.window),
            ("rope.scaling.original_context_length", self.original)] if n]
        floats += [(key, x) for key, x in [
            ("rope.scaling.factor", self.scale or self.yarn),
            ("attn_logit_softcapping", self.attention_cap),
            ("final_logit_softcapping", self.logit_cap),
            ("rope.scaling.attn_factor", self.attn_factor)] if x]
        scaling = "linear" if self.scale else "yarn" if self.yarn else ""
        scaling = "longrope" if self.longrope else scaling
        texts = [("rope.scaling.type", scaling)] if scaling else []
        name = "Phi-3 tiny" if self.arch == "phi3" else "tiny"
        return [("general.architecture", STRING, self.arch), ("general.name", STRING, name),
                *[(f"{self.arch}.{key}", U32, n) for key, n in numbers],
                *[(f"{self.arch}.{key}", F32, x) for key, x in floats],
                *[(f"{self.arch}.{key}", STRING, text) for key, text in texts],
                *[(f"{self.arch}.rope.dimension_sections", I32, list(self.sections))
                  for _ in self.sections[:1]],
                *vocabulary_values]

    # --- the forward pass, from the formulas ---

    def product(self, name, x, quantized, copy=None):
        plain = x
        if quantizes(self.kind(name)) and quantized:
            x = quantize(x)
        rows = self.seen[name]
        if copy is not None:
            n = len(rows) // self.experts
            at = copy * n
            rows = rows[at:at + n]
        y = [math.fsum(w * v for w, v in zip(row, x)) for row in rows]
        if name in self.adapters:
            a, b = self.adapters[name]
            low = [math.fsum(w * v for w, v in zip(row, plain)) for row in a]
            scale = self.alpha / self.rank if self.alpha else 1.0
            y = [v + scale * math.fsum(w * t for w, t in zip(row, low)) for v, row in zip(y, b)]
        bias = self.seen.get(name.replace(".weight", ".bias"))
        if bias and copy is not None:
            bias = bias[at:at + n]
        return [a + b for a, b in zip(y, bias)] if bias else y

    def rms_norm(self, name, x):
        scale = 1.0 / math.sqrt(math.fsum(v * v for v in x) / len(x) + as_float(self.epsilon))
        return [v * scale * w for v, w in zip(x, self.seen[name])]

    def rate(self, i, local):
        """The angle by position of pair i."""
        n, base = self.rope_width, as_float(self.base)
        if local and self.local_base:
            return self.local_base ** (-2.0 * i / n)
        rate = base ** (-2.0 * i / n)
        if self.yarn:
            def turns_at(beta):
                return n * math.log(self.original / (beta * 2 * math.pi)) / (2 * math.log(base))
            low, high = max(math.floor(turns_at(32)), 0), min(math.ceil(turns_at(1)), n - 1)
            ramp = min(max((i - low) / max(high - low, 0.001), 0.0), 1.0)
            rate = rate / self.yarn * ramp + rate * (1.0 - ramp)
        names = {False: "rope_freqs", True: "rope_factors_short"}
        if self.longrope and self.context > self.original:
            names[True] = "rope_factors_long"
        factors = self.seen.get(names[self.longrope] + ".weight")
        return rate / (self.scale or 1.0) / (factors[i] if factors else 1.0)

    def rotate(self, head, position, local):
        head, n = list(head), self.rope_width // 2
        magnitude = as_float(self.attn_factor) or 1.0
        if self.yarn:
            magnitude *= 0.1 * math.log(self.yarn) + 1.0
        if local and self.local_base:
            magnitude = 1.0
        for i in range(n):
            angle = position * self.rate(i, local)
            c, s = magnitude * math.cos(angle), magnitude * math.sin(angle)
            first, second = (i, i + n) if self.traits.get("halves") else (2 * i, 2 * i + 1)
            a, b = head[first], head[second]
            head[first], head[second] = a * c - b * s, a * s + b * c
        return head

    def logits(self, tokens, quantized):
        cache = [([], []) for _ in range(self.layers)]
        return [self.step(token, position, cache, quantized)
                for position, token in enumerate(tokens)]

    def is_local(self, layer):
        return self.window > 0 and (not self.period or layer % self.period < self.period - 1)

    def attention(self, layer, h, position, cache, quantized):
        at, (keys, values), local = f"blk.{layer}.", cache, self.is_local(layer)
        width, group = self.head_width, self.heads // self.kv_heads
        q, k, v = (self.product(f"{at}attn_{n}.weight", h, quantized) for n in "qkv")
        if self.traits.get("whole_norms"):
            q = self.rms_norm(at + "attn_q_norm.weight", q)
            k = self.rms_norm(at + "attn_k_norm.weight", k)

        def split(row, name=None):
            heads = [row[i:i + width] for i in range(0, len(row), width)]
            if name and self.traits.get("head_norms"):
                heads = [self.rms_norm(f"{at}attn_{name}_norm.weight", head) for head in heads]
            return heads

        q = [self.rotate(head, position, local) for head in split(q, "q")]
        keys.append([self.rotate(head, position, local) for head in split(k, "k")])
        values.append(split(v))
        first = max(0, len(keys) - self.window) if local else 0
        scale = self.multipliers.get("attention.scale", 1.0 / math.sqrt(width))
        mixed = []
        for number, query in enumerate(q):
            kv = number // group
            scores = [math.fsum(a * b for a, b in zip(query, key[kv])) * scale
                      for key in keys[first:]]
            if self.attention_cap:
                scores = [self.attention_cap * math.tanh(s / self.attention_cap) for s in scores]
            sinks = self.seen.get(at + "attn_sinks.weight")
            sink = [sinks[number]] if sinks else []
            top = max(scores + sink)
            weights = [math.exp(s - top) for s in scores]
            total = math.fsum(weights + [math.exp(s - top) for s in sink])
            mixed += [math.fsum(w * value[kv][i] for w, value in zip(weights, values[first:]))
                      / total for i in range(width)]
        return self.product(at + "attn_output.weight", mixed, quantized)

    def gated(self, at, part, h, quantized, copy=None):
        gate = self.product(f"{at}ffn_gate{part}.weight", h, quantized, copy)
        up = self.product(f"{at}ffn_up{part}.weight", h, quantized, copy)
        if self.traits.get("clamped"):
            gate = [min(g, 7.0) for g in gate]
            gate = [g / (1.0 + math.exp(-1.702 * g)) for g in gate]
            up = [1.0 + max(min(u, 7.0), -7.0) for u in up]
        elif self.traits.get("gelu"):
            gate = [0.5 * g * (1.0 + math.tanh(math.sqrt(2 / math.pi) * (g + 0.044715 * g ** 3)))
                    for g in gate]
        else:
            gate = [g / (1.0 + math.exp(-g)) for g in gate]
        h = [g * u for g, u in zip(gate, up)]
        return self.product(f"{at}ffn_down{part}.weight", h, quantized, copy)

    def feed_forward(self, at, h, quantized):
        if not self.experts:
            return self.gated(at, "", h, quantized)
        scores = self.product(at + "ffn_gate_inp.weight", h, quantized)
        odds = [math.exp(s - max(scores)) for s in scores]
        odds = [o / math.fsum(odds) for o in odds]
        best = sorted(range(self.experts), key=lambda e: -odds[e])[:self.used]
        total = 1.0 if self.arch == "qwen2moe" else math.fsum(odds[e] for e in best)
        y = [0.0] * self.width
        for e in best:
            part = self.gated(at, "_exps", h, quantized, e)
            y = [a + odds[e] / total * b for a, b in zip(y, part)]
        if self.shared_ffn:
            z = math.fsum(a * b for a, b in zip(self.seen[at + "ffn_gate_inp_shexp.weight"], h))
            part = self.gated(at, "_shexp", h, quantized)
            y = [a + b / (1.0 + math.exp(-z)) for a, b in zip(y, part)]
        return y

    def step(self, token, position, cache, quantized):
        scale = self.multipliers.get("embedding_scale", 1.0)
        if self.arch.startswith("gemma"):
            scale = math.sqrt(self.width)
        residual = self.multipliers.get("residual_scale", 1.0)
        x = [v * scale for v in self.seen["token_embd.weight"][token]]
        for layer in range(self.layers):
            at = f"blk.{layer}."
            h = x if self.traits.get("bare") else self.rms_norm(at + "attn_norm.weight", x)
            y = self.attention(layer, h, position, cache[layer], quantized)
            if self.traits.get("post_norms"):
                y = self.rms_norm(at + "post_attention_norm.weight", y)
            x = [a + residual * b for a, b in zip(x, y)]
            norm = "post_attention_norm" if self.traits.get("late_ffn_norm") else "ffn_norm"
            h = x if self.traits.get("bare") else self.rms_norm(f"{at}{norm}.weight", x)
            y = self.feed_forward(at, h, quantized)
            if self.traits.get("post_norms"):
                y = self.rms_norm(at + "post_ffw_norm.weight", y)
            x = [a + residual * b for a, b in zip(x, y)]
        h = self.rms_norm("output_norm.weight", x)
        y = self.product("token_embd.weight" if self.tied else "output.weight", h, quantized)
        y = [v / self.multipliers.get("logit_scale", 1.0) for v in y]
        if self.logit_cap:
            y = [self.logit_cap * math.tanh(v / self.logit_cap) for v in y]
        return y


def quantize(x):
    out = []
    for at in range(0, len(x), 32):
        block = x[at:at + 32]
        top = max(map(abs, block))
        d = top / 127
        out += [d * half_even(v * (127 / top)) for v in block] if top else block
    return out


def write_parts(path, values, tensors, parts):
    for i in range(parts):
        own = tensors[len(tensors) * i // parts:len(tensors) * (i + 1) // parts]
        split = [("split.no", U16, i), ("split.count", U16, parts),
                 ("split.tensors.count", I32, len(tensors))]
        write_gguf(f"{path}-{i + 1:05}-of-{parts:05}.gguf", (values if i == 0 else []) + split, own)


def apart(tensors):
    """Experts each in a tensor of its own, as the first files of Mixtral have them."""
    for name, dims, kind, raw in tensors:
        if "_exps" not in name:
            yield name, dims, kind, raw
            continue
        size = len(raw) // dims[2]
        for i in range(dims[2]):
            yield (name.replace("_exps", f".{i}"), dims[:2], kind, raw[i * size:(i + 1) * size])


def write_model(folder, name, vocabulary, token_count=14, parts=0, experts_apart=False, **shape):
    vocabulary_values, size = vocabulary
    model = Model(vocabulary=size, **shape)
    if experts_apart:
        model.tensors = list(apart(model.tensors))
    path = os.path.join(folder, name)
    if parts:
        write_parts(path, model.values(vocabulary_values), model.tensors, parts)
    else:
        write_gguf(path + ".gguf", model.values(vocabulary_values), model.tensors)
    if model.halves:
        model.write_adapter(path + ".adapter.gguf")
    pick = random.Random(shape["seed"] * 1000 + 7)
    tokens = [pick.randrange(size) for _ in range(token_count)]
    references = [model.logits(tokens, True)] * 2
    if any(map(quantizes, [model.default, *model.types.values()])):
        references[1] = model.logits(tokens, False)
    with open(path + ".ref", "wb") as file:
        file.write(struct.pack("<III", token_count, size, len(references)))
        file.write(struct.pack(f"<{token_count}I", *tokens))
        for reference in references:
            for row in reference:
                file.write(struct.pack(f"<{size}d", *row))


def write_models(folder):
    write_model(folder, "f32", small_bpe("llama-bpe"), seed=1, layers=2, width=32, heads=4,
                kv_heads=2, ffn=48)
    write_model(folder, "f16", small_spm(), seed=2, layers=2, width=48, heads=6, kv_heads=2,
                ffn=64, default="F16", tied=True)
    write_model(folder, "q8", small_bpe("smollm"), seed=3, layers=2, width=64, heads=4, kv_heads=2,
                ffn=96, default="Q8_0")
    write_model(folder, "q8_tied", small_spm(), seed=4, layers=3, width=96, heads=3, kv_heads=3,
                ffn=32, default="Q8_0", tied=True)
    write_model(folder, "odd", small_bpe(None), seed=5, layers=2, width=20, heads=3, kv_heads=1,
                head_width=6, rope_width=4, ffn=36, biases=True, rope_freqs=True, base=500000.0,
                scale=2.0, epsilon=1e-6)
    write_architectures(folder)
    write_model(folder, "blocks", small_bpe("qwen2"), seed=7, layers=1, width=64, heads=4,
                kv_heads=2, ffn=96, tied=False,
                types={"token_embd": "Q5_0", "attn_q": "Q4_0", "attn_k": "Q4_1", "attn_v": "Q5_1",
                       "attn_output": "IQ4_NL", "ffn_gate": "MXFP4", "ffn_up": "BF16",
                       "ffn_down": "Q5_0", "output": "Q4_0"})
    write_model(folder, "kquants", small_bpe("qwen2"), token_count=6, seed=8, layers=1, width=256,
                heads=4, kv_heads=2, ffn=256, tied=False,
                types={"token_embd": "Q2_K", "attn_q": "Q2_K", "attn_k": "Q3_K", "attn_v": "Q4_K",
                       "attn_output": "Q5_K", "ffn_gate": "Q6_K", "ffn_up": "IQ4_XS",
                       "ffn_down": "Q3_K", "output": "Q6_K"})
    write_model(folder, "mixed", small_bpe("qwen2"), seed=6, layers=2, width=64, heads=40,
                kv_heads=2, head_width=18, ffn=64, tied=False, biases=True,
                types={"attn_q": "F16", "attn_k": "Q8_0", "ffn_down": "Q8_0", "ffn_gate": "F16",
                       "ffn_up": "Q8_0", "token_embd": "F16", "output": "Q8_0"})


def write_architectures(folder):
    """One model of each, asked beyond its window and its original context."""
    bpe, spm = small_bpe("qwen2"), small_spm()
    small = {"layers": 2, "width": 32, "heads": 4, "kv_heads": 2, "ffn": 48}
    write_model(folder, "qwen2", bpe, seed=21, arch="qwen2", **small, tied=True, base=1e6,
                epsilon=1e-6, yarn=4.0, original=8)
    write_model(folder, "qwen3", bpe, seed=22, arch="qwen3", **small, head_width=10, base=1e6,
                default="F16")
    write_model(folder, "gemma", spm, seed=23, arch="gemma", **small, head_width=12, tied=True)
    write_model(folder, "gemma2", spm, seed=24, arch="gemma2", **small, head_width=12, tied=True,
                window=6, period=2, attention_cap=2.5, logit_cap=4.0)
    write_model(folder, "gemma3", spm, seed=25, arch="gemma3", tied=True, layers=7, width=24,
                heads=4, kv_heads=1, ffn=32, head_width=8, window=5, period=6, base=1e6, scale=8.0,
                local_base=10000.0)
    write_model(folder, "phi3", spm, seed=26, arch="phi3", **small, rope_width=6, longrope=True,
                original=8, attn_factor=1.19, default="F16")
    write_model(folder, "phi3_short", spm, seed=27, arch="phi3", **small, longrope=True,
                original=256, attn_factor=1.19, window=7)
    write_model(folder, "mixtral", spm, seed=28, arch="llama", **small, experts=4, used=2,
                expert_ffn=48, yarn=2.0, original=64, attn_factor=1.1)
    write_model(folder, "mixtral_apart", spm, seed=36, arch="llama", **small, experts=4, used=2,
                expert_ffn=48, experts_apart=True)
    write_model(folder, "qwen2moe", bpe, seed=29, arch="qwen2moe", **small, experts=6, used=2,
                expert_ffn=32, shared_ffn=64, default="Q8_0", types={"ffn_gate_inp": "F32"})
    write_model(folder, "qwen3moe", bpe, seed=30, arch="qwen3moe", **small, experts=8, used=3,
                expert_ffn=24, head_width=8)
    write_model(folder, "granite", bpe, seed=31, arch="granite", **small, tied=True,
                multipliers={"embedding_scale": 12.0, "residual_scale": 0.25, "logit_scale": 8.0,
                             "attention.scale": 0.125})
    write_model(folder, "lora_llama", bpe, seed=32, **dict(small, ffn=64), default="Q8_0", rank=3, alpha=6.0,
                types={"ffn_down": "F16", "output": "F32"})
    write_model(folder, "lora_phi3", spm, seed=33, arch="phi3", **small, rank=17, tied=True)
    write_model(folder, "parts", bpe, seed=34, **small, parts=3)
    write_model(folder, "gpt_oss", bpe, seed=39, arch="gpt-oss", **dict(small, layers=3), base=15e4,
                head_width=10, experts=6, used=2, expert_ffn=32, window=5, period=2, yarn=32.0,
                original=8, types={"ffn_gate_exps": "MXFP4", "ffn_up_exps": "MXFP4",
                                   "ffn_down_exps": "MXFP4"})
    write_model(folder, "q8_olmo2", bpe, seed=35, arch="olmo2", **dict(small, layers=4, ffn=64),
                window=5, period=4, local_base=1e6, base=1e6, yarn=4.0, original=8, default="Q8_0")


# --- tokenizer fixtures ------------------------------------------------------------------------

def write_fixture(folder, source):
    with open(source, encoding="utf-8") as file:
        fixture = json.load(file)
    path = os.path.join(folder, os.path.splitext(os.path.basename(source))[0])
    for pre, ids in fixture.get("ids", {}).items():  # one vocabulary, many pre-tokenizers
        cases = [{"text": text, "ids": i} for text, i in zip(fixture["texts"], ids)]
        write_vocabulary(f"{path}_{pre}", fixture | {"pre": pre, "cases": cases})
    if "cases" in fixture:
        write_vocabulary(path, fixture)


def write_vocabulary(path, fixture):
    values = [("general.architecture", STRING, "llama"),
              ("tokenizer.ggml.model", STRING, fixture["model"]),
              ("tokenizer.ggml.tokens", STRING, fixture["tokens"]),
              ("tokenizer.ggml.token_type", I32, fixture["types"])]
    if "pre" in fixture:
        values.append(("tokenizer.ggml.pre", STRING, fixture["pre"]))
    for key in ("lowercase", "strip_accents"):
        if key in fixture:
            values.append((f"tokenizer.ggml.normalizer.{key}", BOOL, fixture[key]))
    if "merges" in fixture:
        values.append(("tokenizer.ggml.merges", STRING, fixture["merges"]))
    if "scores" in fixture:
        values.append(("tokenizer.ggml.scores", F32, fixture["scores"]))
    if "charsmap" in fixture:
        values.append(("tokenizer.ggml.precompiled_charsmap", U8,
                       list(base64.b64decode(fixture["charsmap"]))))
    for key in ["bos", "eos", "unknown", "cls", "seperator"]:
        if key in fixture:
            values.append((f"tokenizer.ggml.{key}_token_id", U32, fixture[key]))
    write_gguf(path + ".gguf", values, [])
    with open(path + ".cases", "wb") as file:
        file.write(struct.pack("<I", len(fixture["cases"])))
        for case in fixture["cases"]:
            raw = case["text"].encode()
            file.write(struct.pack("<II", case.get("special", 0), len(raw)) + raw)
            file.write(struct.pack("<I", len(case["ids"])))
            file.write(struct.pack(f"<{len(case['ids'])}I", *case["ids"]))


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    write_models(folder)
    for source in sys.argv[2:]:
        write_fixture(folder, source)


if __name__ == "__main__":
    main()
