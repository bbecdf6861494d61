#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a model of a real shape with random weights, for timing.

    make_big_model.py OUT.gguf 1b|8b q8_0|q4_k|f16      Standard library only.

The shapes are those of Llama 3.2 1B and Llama 3.1 8B. Random blocks repeat after some megabytes;
scales are such that activations stay finite.
"""
import pathlib
import random
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "engine"))
import make_models as tiny  # noqa: E402

SHAPES = {"1b": (16, 2048, 32, 8, 64, 8192), "8b": (32, 4096, 32, 8, 128, 14336)}
VOCABULARY, CONTEXT, CHUNK = 128256, 4096, 1 << 22


def half(x):
    return struct.pack("<e", x)


def q8_0(rng):
    return half(rng.uniform(1e-4, 4e-4)) + rng.randbytes(32)


def q4_k(rng):
    return half(rng.uniform(5e-5, 2e-4)) + half(rng.uniform(2e-4, 6e-4)) + rng.randbytes(140)


def f16(rng):
    return half(rng.gauss(0.0, 0.02))


TYPES = {"q8_0": (32, 34, q8_0), "q4_k": (256, 144, q4_k), "f16": (1, 2, f16)}


def tensors(shape, kind):
    layers, width, heads, kv_heads, head_width, ffn = SHAPES[shape]
    q, kv = heads * head_width, kv_heads * head_width
    matrix = kind.upper()
    yield "token_embd.weight", [width, VOCABULARY], matrix
    yield "output_norm.weight", [width], "F32"
    for i in range(layers):
        for name, cols, rows in [("attn_q", width, q), ("attn_k", width, kv), ("attn_v", width, kv),
                                 ("attn_output", q, width), ("ffn_gate", width, ffn),
                                 ("ffn_up", width, ffn), ("ffn_down", ffn, width)]:
            yield f"blk.{i}.{name}.weight", [cols, rows], matrix
        yield f"blk.{i}.attn_norm.weight", [width], "F32"
        yield f"blk.{i}.ffn_norm.weight", [width], "F32"


def size_of(dims, matrix):
    count = 1
    for n in dims:
        count *= n
    if matrix == "F32":
        return 4 * count
    block, size, _ = TYPES[matrix.lower()]
    return count // block * size


def main():
    path, shape, kind = sys.argv[1:]
    layers, width, heads, kv_heads, _, ffn = SHAPES[shape]
    tokens = list(tiny.byte_alphabet().values())
    tokens += [f"<unused{i}>" for i in range(VOCABULARY - len(tokens))]
    values = [("general.architecture", tiny.STRING, "llama"),
              ("general.name", tiny.STRING, f"random {shape} {kind}")]
    values += [(f"llama.{key}", tiny.U32, n) for key, n in [
        ("block_count", layers), ("embedding_length", width), ("feed_forward_length", ffn),
        ("context_length", CONTEXT), ("attention.head_count", heads),
        ("attention.head_count_kv", kv_heads)]]
    values += [("llama.attention.layer_norm_rms_epsilon", tiny.F32, 1e-5),
               ("llama.rope.freq_base", tiny.F32, 500000.0)]
    values += tiny.bpe_values(tokens, [tiny.NORMAL] * VOCABULARY, [], "llama-bpe", [
        ("tokenizer.ggml.eos_token_id", tiny.U32, VOCABULARY - 1)])
    rng = random.Random(7)
    _, size, block = TYPES[kind]
    noise = b"".join(block(rng) for _ in range(CHUNK // size // (16 if kind == "f16" else 1)))
    ones = struct.pack("<f", 1.0)
    out = [b"GGUF", struct.pack("<IQQ", 3, sum(1 for _ in tensors(shape, kind)), len(values))]
    for key, value_kind, value in values:
        out.append(tiny.string(key))
        if isinstance(value, list):
            out.append(struct.pack("<IIQ", tiny.ARRAY, value_kind, len(value)))
            out.extend(tiny.scalar(value_kind, item) for item in value)
        else:
            out.append(struct.pack("<I", value_kind) + tiny.scalar(value_kind, value))
    offset = 0
    for name, dims, matrix in tensors(shape, kind):
        out.append(tiny.string(name) + struct.pack("<I", len(dims)))
        out.extend(struct.pack("<Q", n) for n in dims)
        out.append(struct.pack("<IQ", tiny.TENSOR_TYPES[matrix], offset))
        offset += (size_of(dims, matrix) + 31) // 32 * 32
    head = b"".join(out)
    with open(path, "wb") as file:
        file.write(head + bytes(-len(head) % 32))
        for _, dims, matrix in tensors(shape, kind):
            left = total = size_of(dims, matrix)
            if matrix == "F32":
                file.write(ones * (total // 4))
                left = 0
            while left > 0:
                file.write(noise[:left])
                left -= len(noise)
            file.write(bytes(-total % 32))


main()
