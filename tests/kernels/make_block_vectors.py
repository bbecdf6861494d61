#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes block_vectors.tsv: blocks of GGUF tensor types and what they mean, by another program.

    make_block_vectors.py LIBGGML-BASE.SO > block_vectors.tsv

needs numpy, the package `gguf` (0.19 was used) and ggml's library (0.25.3), whose quantizers are
the format's reference. Plain x86-64 code is meant: where the compiler contracts a * b + c, they
differ.

decode TYPE BYTES CRC   the block's bytes and the CRC-32 of the floats (little endian) they are
encode TYPE FLOATS CRC  floats, and the CRC-32 of the blocks that the reference quantizer makes;
                        '=' for the floats of the line before
coded  TYPE BYTES CRC   the same as decode, for types that are only decoded
first  TYPE BYTES FLOAT... the same as decode, with its first 8 floats, to see where things go wrong

Bytes and floats in hexadecimal. The blocks are random but for their scales, which are ordinary
halves; encode has random, rounded, one-sided, constant and zero values.
"""
import ctypes
import sys
import zlib

import gguf
import numpy as np

BLOCKS = {"BF16": (), "Q8_0": (0,), "Q4_0": (0,), "Q4_1": (0, 2), "Q5_0": (0,), "Q5_1": (0, 2),
          "Q2_K": (80, 82), "Q3_K": (108,), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,),
          "IQ4_NL": (0,), "IQ4_XS": (0,), "MXFP4": ()}
# A block of these takes 256 values.
SUPER = ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS", "MXFP4"]
ENCODED = ["BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"]
CODED = {"IQ1_S": (0,), "IQ1_M": (), "IQ2_XXS": (0,), "IQ2_XS": (0,), "IQ2_S": (0,),
         "IQ3_XXS": (0,), "IQ3_S": (0,), "TQ1_0": (52,), "TQ2_0": (64,), "NVFP4": ()}
COUNT = 6


def crc(array):
    return f"{zlib.crc32(array.tobytes()):08x}"


def random_block(rng, name, kind, n, places):
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    block = rng.integers(0, 256, size * (32 // elements or 1), dtype=np.uint8)
    for place in places:
        scale = np.float16(rng.normal() * 10.0 ** -(n % 6))
        block[place:place + 2] = np.frombuffer(scale.tobytes(), np.uint8)
    if name == "IQ1_M":  # the half is spread over the upper fours of four words
        scale, words = np.float16(rng.normal() * 10.0 ** -(n % 6)), block[48:56].view("<u2")
        words[:] = words & 0xfff | (int(scale.view(np.uint16)) >> np.arange(0, 16, 4) & 15) << 12
    if name == "NVFP4":
        block[:4] = [[0, 1, 7, 8], [126, 127, 128, 255], [64, 56, 9, 16]][n % 3]
    if name == "MXFP4":
        block[0] = [0, 1, 2, 127, 254, 120][n]
    if name == "BF16":
        block[1::2] &= 0xbf  # finite
    return block


def values(rng, n):
    x = rng.normal(size=64).astype(np.float32)
    if n == 1:
        x = np.round(x * 8) / np.float32(8)
    if n == 2:
        x = np.abs(x) * np.float32(1e-3)
    if n == 3:
        x = np.full(64, -2.5, np.float32)
    if n == 4:
        x = np.zeros(64, np.float32)
    if n == 5:
        x = (x * np.float32(300)).astype(np.float32)
        x[5] = x[7] = -np.abs(x).max()
    return x.astype(np.float32)


def super_values(rng, n):
    x = rng.normal(size=256) * 0.02
    if n == 1:
        x = np.round(x * 400) / 8
    if n == 2:
        x = np.abs(x) * 1e-3
    if n == 3:
        x = np.full(256, -2.5)
        x[::3] = 1e-20
    if n == 4:
        x[rng.random(256) < 0.9] = 0
    if n == 5:
        x = (x * 100) ** 3 * 30
    if n == 6:  # groups of zeros, and of very different sizes
        x = (x.reshape(16, 16) * np.exp(4 * rng.normal(size=(16, 1)))).reshape(256)
        x[64:128] = 0
    if n == 7:  # just below powers of two
        x = np.ldexp(1 - 2.0 ** -24 * rng.integers(0, 4, 256), rng.integers(-20, 14, 256))
    return x.astype(np.float32)


def reference(library, name, x):
    kind = gguf.GGMLQuantizationType[name]
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    out = np.zeros(x.size // elements * size, np.uint8)
    library.ggml_quantize_chunk(int(kind), ctypes.c_void_p(x.ctypes.data),
                                ctypes.c_void_p(out.ctypes.data), ctypes.c_int64(0),
                                ctypes.c_int64(1), ctypes.c_int64(x.size), None)
    return out


def main():
    library = ctypes.CDLL(sys.argv[1])
    rng = np.random.default_rng(20261127)
    for name in BLOCKS:
        kind = gguf.GGMLQuantizationType[name]
        for n in range(COUNT):
            block = random_block(rng, name, kind, n, BLOCKS[name])
            floats = gguf.dequantize(block, kind).astype(np.float32)
            print("decode", name, block.tobytes().hex(), crc(floats), sep="\t")
            if n == 0:
                print("first", name, block.tobytes().hex(), floats[:8].tobytes().hex(), sep="\t")
    for name in ENCODED:
        for n in range(COUNT):
            x = values(rng, n)
            raw = gguf.quantize(x, gguf.GGMLQuantizationType[name])
            print("encode", name, x.tobytes().hex(), crc(raw), sep="\t")
    for n in range(8):
        x = super_values(rng, n)
        for i, name in enumerate(SUPER):
            floats = "=" if i else x.tobytes().hex()
            print("encode", name, floats, crc(reference(library, name, x)), sep="\t")
    for name, places in CODED.items():
        kind = gguf.GGMLQuantizationType[name]
        for n in range(COUNT):
            block = random_block(rng, name, kind, n, places)
            floats = gguf.dequantize(block, kind).astype(np.float32)
            print("coded", name, block.tobytes().hex(), crc(floats), sep="\t")


if __name__ == "__main__":
    main()
