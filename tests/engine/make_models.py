#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tiny random models, and what they must answer, for the tests of the engine.

    make_models.py OUT_DIR [FIXTURE.json...]

NAME.gguf is a model; NAME.ref holds the logits of a forward pass written here from the formulas
alone, in double precision (little endian: u32 tokens, u32 vocabulary, u32 references, the token
ids as u32, then double [reference][token][vocabulary]). Reference 0 quantizes the activations of
Q8_0 products as the engine does; reference 1 does not.

A fixture (made by make_tokenizer_fixtures.py) becomes a file without tensors, FIXTURE.gguf, and
FIXTURE.cases: u32 cases, then for each u32 flags, u32 bytes, the text, u32 tokens, the ids.

Standard library only.
"""
import json
import math
import os
import random
import struct
import sys

U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
TENSOR_TYPES = {"F32": 0, "F16": 1, "Q8_0": 8}
NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = range(1, 7)


# --- the container ---------------------------------------------------------------------------

def string(text):
    raw = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(raw)) + raw


def scalar(kind, value):
    if kind == STRING:
        return string(value)
    return struct.pack({U32: "<I", I32: "<i", F32: "<f", BOOL: "<B"}[kind], value)


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
        else:
            code = f"<{len(row)}{'f' if kind == 'F32' else 'e'}"
            raw.append(struct.pack(code, *row))
            values = list(struct.unpack(code, raw[-1]))
        seen.append(values)
    return b"".join(raw), seen


class Model:
    """A random model: `types` gives the storage by the last part of a tensor's name."""

    def __init__(self, seed, vocabulary, layers, width, heads, kv_heads, ffn, head_width=None,
                 rope_width=None, types=None, default="F32", tied=False, biases=False,
                 rope_freqs=False, base=10000.0, scale=0.0, epsilon=1e-5, context=256):
        self.__dict__.update(locals())
        self.random = random.Random(seed)
        self.head_width = head_width or width // heads
        self.rope_width = rope_width or self.head_width
        self.types = types or {}
        self.tensors, self.seen = [], {}
        self.matrix("token_embd.weight", vocabulary, width, 1.0)
        for layer in range(layers):
            self.layer(f"blk.{layer}.")
        self.norm("output_norm.weight", width)
        if not tied:
            self.matrix("output.weight", vocabulary, width, 2.0 / math.sqrt(width))
        if rope_freqs:
            n = self.rope_width // 2
            self.vector("rope_freqs.weight", [1.0 + 7.0 * i / n for i in range(n)])

    def layer(self, at):
        q, kv = self.heads * self.head_width, self.kv_heads * self.head_width
        shapes = {"attn_q": (q, self.width), "attn_k": (kv, self.width),
                  "attn_v": (kv, self.width), "attn_output": (self.width, q),
                  "ffn_gate": (self.ffn, self.width), "ffn_up": (self.ffn, self.width),
                  "ffn_down": (self.width, self.ffn)}
        self.norm(at + "attn_norm.weight", self.width)
        self.norm(at + "ffn_norm.weight", self.width)
        for name, (rows, cols) in shapes.items():
            self.matrix(f"{at}{name}.weight", rows, cols, 1.5 / math.sqrt(cols))
            if self.biases:
                self.vector(f"{at}{name}.bias", [self.random.gauss(0, 0.3) for _ in range(rows)])

    def vector(self, name, values):
        raw, seen = encode("F32", [values])
        self.tensors.append((name, [len(values)], "F32", raw))
        self.seen[name] = seen[0]

    def norm(self, name, n):
        self.vector(name, [1.0 + self.random.gauss(0, 0.2) for _ in range(n)])

    def matrix(self, name, rows, cols, spread):
        kind = self.types.get(name.split(".")[-2], self.default)
        values = [[self.random.gauss(0, spread) for _ in range(cols)] for _ in range(rows)]
        raw, self.seen[name] = encode(kind, values)
        self.tensors.append((name, [cols, rows], kind, raw))

    def values(self, vocabulary_values):
        values = [("general.architecture", STRING, "llama"), ("general.name", STRING, "tiny"),
                  ("llama.block_count", U32, self.layers),
                  ("llama.embedding_length", U32, self.width),
                  ("llama.feed_forward_length", U32, self.ffn),
                  ("llama.context_length", U32, self.context),
                  ("llama.attention.head_count", U32, self.heads),
                  ("llama.attention.head_count_kv", U32, self.kv_heads),
                  ("llama.attention.layer_norm_rms_epsilon", F32, self.epsilon),
                  ("llama.rope.freq_base", F32, self.base)]
        if self.head_width * self.heads != self.width:
            values += [("llama.attention.key_length", U32, self.head_width),
                       ("llama.attention.value_length", U32, self.head_width)]
        if self.rope_width != self.head_width:
            values.append(("llama.rope.dimension_count", U32, self.rope_width))
        if self.scale:
            values += [("llama.rope.scaling.type", STRING, "linear"),
                       ("llama.rope.scaling.factor", F32, self.scale)]
        return values + vocabulary_values

    # --- the forward pass, from the formulas ---

    def product(self, name, x, quantized):
        kind = next(t[2] for t in self.tensors if t[0] == name)
        if kind == "Q8_0" and quantized:
            x = quantize(x)
        y = [math.fsum(w * v for w, v in zip(row, x)) for row in self.seen[name]]
        bias = self.seen.get(name.replace(".weight", ".bias"))
        return [a + b for a, b in zip(y, bias)] if bias else y

    def rms_norm(self, name, x):
        scale = 1.0 / math.sqrt(math.fsum(v * v for v in x) / len(x) + as_float(self.epsilon))
        return [v * scale * w for v, w in zip(x, self.seen[name])]

    def rotate(self, head, position):
        head = list(head)
        freqs = self.seen.get("rope_freqs.weight")
        for i in range(self.rope_width // 2):
            angle = position / (self.scale or 1.0)
            angle *= as_float(self.base) ** (-2.0 * i / self.rope_width)
            if freqs:
                angle /= freqs[i]
            a, b = head[2 * i], head[2 * i + 1]
            head[2 * i] = a * math.cos(angle) - b * math.sin(angle)
            head[2 * i + 1] = a * math.sin(angle) + b * math.cos(angle)
        return head

    def logits(self, tokens, quantized):
        cache = [([], []) for _ in range(self.layers)]
        return [self.step(token, position, cache, quantized)
                for position, token in enumerate(tokens)]

    def step(self, token, position, cache, quantized):
        x = list(self.seen["token_embd.weight"][token])
        width, group = self.head_width, self.heads // self.kv_heads
        for layer in range(self.layers):
            at, (keys, values) = f"blk.{layer}.", cache[layer]
            h = self.rms_norm(at + "attn_norm.weight", x)
            q, k, v = (self.product(f"{at}attn_{n}.weight", h, quantized) for n in "qkv")

            def split(row):
                return [row[i:i + width] for i in range(0, len(row), width)]

            q = [self.rotate(head, position) for head in split(q)]
            keys.append([self.rotate(head, position) for head in split(k)])
            values.append(split(v))
            mixed = []
            for number, query in enumerate(q):
                kv = number // group
                scores = [math.fsum(a * b for a, b in zip(query, key[kv])) / math.sqrt(width)
                          for key in keys]
                top = max(scores)
                weights = [math.exp(s - top) for s in scores]
                total = math.fsum(weights)
                mixed += [math.fsum(w * value[kv][i] for w, value in zip(weights, values)) / total
                          for i in range(width)]
            x = [a + b for a, b in zip(x, self.product(at + "attn_output.weight", mixed,
                                                       quantized))]
            h = self.rms_norm(at + "ffn_norm.weight", x)
            gate = self.product(at + "ffn_gate.weight", h, quantized)
            up = self.product(at + "ffn_up.weight", h, quantized)
            h = [g / (1.0 + math.exp(-g)) * u for g, u in zip(gate, up)]
            x = [a + b for a, b in zip(x, self.product(at + "ffn_down.weight", h, quantized))]
        h = self.rms_norm("output_norm.weight", x)
        return self.product("token_embd.weight" if self.tied else "output.weight", h, quantized)


def quantize(x):
    out = []
    for at in range(0, len(x), 32):
        block = x[at:at + 32]
        top = max(map(abs, block))
        d = top / 127
        out += [d * half_even(v * (127 / top)) for v in block] if top else block
    return out


def write_model(folder, name, vocabulary, token_count=14, **shape):
    vocabulary_values, size = vocabulary
    model = Model(vocabulary=size, **shape)
    path = os.path.join(folder, name)
    write_gguf(path + ".gguf", model.values(vocabulary_values), model.tensors)
    pick = random.Random(shape["seed"] * 1000 + 7)
    tokens = [pick.randrange(size) for _ in range(token_count)]
    references = [model.logits(tokens, True), model.logits(tokens, False)]
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
    write_model(folder, "mixed", small_bpe("qwen2"), seed=6, layers=2, width=64, heads=40,
                kv_heads=2, head_width=18, ffn=64, tied=False, biases=True,
                types={"attn_q": "F16", "attn_k": "Q8_0", "ffn_down": "Q8_0", "ffn_gate": "F16",
                       "ffn_up": "Q8_0", "token_embd": "F16", "output": "Q8_0"})


# --- tokenizer fixtures ------------------------------------------------------------------------

def write_fixture(folder, source):
    with open(source, encoding="utf-8") as file:
        fixture = json.load(file)
    path = os.path.join(folder, os.path.splitext(os.path.basename(source))[0])
    values = [("general.architecture", STRING, "llama"),
              ("tokenizer.ggml.model", STRING, fixture["model"]),
              ("tokenizer.ggml.tokens", STRING, fixture["tokens"]),
              ("tokenizer.ggml.token_type", I32, fixture["types"])]
    if "pre" in fixture:
        values.append(("tokenizer.ggml.pre", STRING, fixture["pre"]))
    if "merges" in fixture:
        values.append(("tokenizer.ggml.merges", STRING, fixture["merges"]))
    if "scores" in fixture:
        values.append(("tokenizer.ggml.scores", F32, fixture["scores"]))
    for key in ["bos", "eos"]:
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
