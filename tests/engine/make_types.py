#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the models whose answers another engine has given (peer/logits.tsv) beside those of
make_models.py: one of each tensor type, and the architectures in float weights.

    make_types.py OUT_DIR        Standard library only.
"""
import os
import random
import struct
import sys

import make_models as gguf

# Tensor types of a file: number, weights of a block, its bytes, where halves stand, and the root
# mean square of the weights of random blocks whose halves are 1.
TYPES = {
    "F32": (0, 1, 4, (), 1), "F16": (1, 1, 2, (), 1), "BF16": (30, 1, 2, (), 1),
    "Q8_0": (8, 32, 34, (0,), 74), "Q4_0": (2, 32, 18, (0,), 4.6), "Q4_1": (3, 32, 20, (0, 2), 4.6),
    "Q5_0": (6, 32, 22, (0,), 9.2), "Q5_1": (7, 32, 24, (0, 2), 9.2),
    "Q2_K": (10, 256, 84, (80, 82), 14), "Q3_K": (11, 256, 110, (108,), 42),
    "Q4_K": (12, 256, 144, (0, 2), 270), "Q5_K": (13, 256, 176, (0, 2), 540),
    "Q6_K": (14, 256, 210, (208,), 1370), "IQ4_NL": (20, 32, 18, (0,), 68),
    "IQ4_XS": (23, 256, 136, (0,), 1260), "MXFP4": (39, 32, 17, (), 1),
    "IQ2_XXS": (16, 256, 66, (0,), 50), "IQ2_XS": (17, 256, 74, (0,), 50),
    "IQ2_S": (22, 256, 82, (0,), 50), "IQ3_XXS": (18, 256, 98, (0,), 250),
    "IQ3_S": (21, 256, 110, (0,), 140), "IQ1_S": (19, 256, 50, (0,), 7),
    "IQ1_M": (29, 256, 56, (), 7), "TQ1_0": (34, 256, 54, (52,), 0.8),
    "TQ2_0": (35, 256, 66, (64,), 0.8), "NVFP4": (40, 64, 36, (), 1),
}
gguf.TENSOR_TYPES.update({name: facts[0] for name, facts in TYPES.items()})
gguf.ARCHS["granitemoe"] = {}
MINIMUM = {"Q4_1": -7.5, "Q5_1": -15.5, "Q2_K": 1.5, "Q4_K": 7.5, "Q5_K": 15.5}


def random_block(rng, name, spread):
    _, elements, size, halves, rms = TYPES[name]
    if elements == 1:
        x = rng.gauss(0, spread)
        if name == "BF16":
            return struct.pack("<f", x)[2:]
        return struct.pack("<f" if name == "F32" else "<e", x)
    block = bytearray(rng.randbytes(size))
    for i, at in enumerate(halves):
        struct.pack_into("<e", block, at, spread / rms * (MINIMUM[name] if i else 1))
    if name == "MXFP4":
        block[0] = 120 + rng.randrange(3)
    if name == "NVFP4":
        block[:4] = bytes(rng.randrange(1, 16) for _ in range(4))
    if name == "TQ1_0":  # bytes are five digits of base 3 in 8 bits of fraction, rounded up
        for i in range(52):
            block[i] = (rng.randrange(243) * 256 + 242) // 243 if i < 48 else \
                (rng.randrange(81) * 3 * 256 + 242) // 243
    if name == "TQ2_0":
        for i in range(64):
            block[i] = sum(rng.randrange(3) << s for s in (0, 2, 4, 6))
    if name == "IQ1_M":  # the half is spread over the upper fours of four 16-bit scales
        bits, = struct.unpack("<H", struct.pack("<e", spread / rms))
        for i in range(4):
            scale, = struct.unpack_from("<H", block, 48 + 2 * i)
            struct.pack_into("<H", block, 48 + 2 * i, scale & 0xfff | (bits >> 4 * i & 15) << 12)
    return bytes(block)


def write_type(folder, name):
    rng = random.Random(name)
    width, heads, kv_heads, layers = 256, 8, 2, 2
    vocabulary, size = gguf.small_bpe("llama-bpe")
    tensors = []

    def add(tensor, rows, cols, spread, kind):
        elements = TYPES[kind][1]
        raw = b"".join(random_block(rng, kind, spread) for _ in range(rows * cols // elements))
        tensors.append((tensor, [cols, rows] if rows > 1 else [cols], kind, raw))

    add("token_embd.weight", size, width, 1.0, name)
    for layer in range(layers):
        at = f"blk.{layer}."
        for norm in ("attn_norm", "ffn_norm"):
            tensors.append((f"{at}{norm}.weight", [width], "F32",
                            struct.pack(f"<{width}f", *(1.0 + rng.gauss(0, 0.2)
                                                        for _ in range(width)))))
        # Rows of heads are short; their products are sums over the width all the same.
        shapes = {"attn_q": 64, "attn_k": 16, "attn_v": 16, "ffn_gate": 256, "ffn_up": 256,
                  "ffn_down": 256}
        for part, rows in shapes.items():
            add(f"{at}{part}.weight", rows, width, 1.5 / 16, name)
        add(at + "attn_output.weight", width, 64, 1.5 / 8, name if TYPES[name][1] <= 64 else "F32")
    add("output_norm.weight", 1, width, 0.0, "F32")
    tensors[-1] = ("output_norm.weight", [width], "F32", struct.pack("<f", 1.0) * width)
    add("output.weight", size, width, 2.0 / 16, name)
    numbers = {"block_count": layers, "embedding_length": width, "context_length": 256,
               "feed_forward_length": 256, "attention.head_count": heads,
               "attention.head_count_kv": kv_heads, "attention.key_length": 8,
               "attention.value_length": 8, "rope.dimension_count": 8}
    values = [("general.architecture", gguf.STRING, "llama"), ("general.name", gguf.STRING, name),
              ("llama.attention.layer_norm_rms_epsilon", gguf.F32, 1e-5),
              *[(f"llama.{key}", gguf.U32, n) for key, n in numbers.items()], *vocabulary]
    gguf.write_gguf(os.path.join(folder, f"type_{name}.gguf"), values, tensors)


def write_float(folder, name, vocabulary, **shape):
    values, size = vocabulary
    model = gguf.Model(vocabulary=size, **shape)
    # By another name: that of Phi-3 has meaning, and wants tokens that are not there.
    values = [("general.name", gguf.STRING, "tiny") if value[0] == "general.name" else value
              for value in model.values(values)]
    gguf.write_gguf(os.path.join(folder, f"peer_{name}.gguf"), values, model.tensors)
    if model.halves:
        model.write_adapter(os.path.join(folder, f"peer_{name}.adapter.gguf"))


def write_architectures(folder):
    bpe, spm = gguf.small_bpe("qwen2"), gguf.small_spm()
    small = {"layers": 2, "width": 32, "heads": 4, "kv_heads": 2, "ffn": 48}
    multipliers = {"embedding_scale": 12.0, "residual_scale": 0.25, "logit_scale": 8.0,
                   "attention.scale": 0.125}
    write_float(folder, "granitemoe", bpe, seed=41, arch="granitemoe", **small, experts=6, used=2,
                expert_ffn=48,
                multipliers=multipliers)
    write_float(folder, "qwen2moe", bpe, seed=42, arch="qwen2moe", **small, experts=6, used=2,
                expert_ffn=32, shared_ffn=64)
    write_float(folder, "llama3", gguf.small_bpe("llama-bpe"), seed=43, **small, rope_freqs=True,
                base=500000.0, tied=True)
    write_float(folder, "yarn", bpe, seed=44, **small, yarn=4.0, original=8, base=1e6)
    write_float(folder, "linear", spm, seed=45, **small, scale=4.0, original=8)
    write_float(folder, "phi3", spm, seed=47, arch="phi3", **small, rope_width=6, longrope=True,
                original=8, attn_factor=1.19)
    # The peer ignores the window of Phi-3, the engine does not: none here.
    write_float(folder, "phi3_short", spm, seed=48, arch="phi3", **small, longrope=True,
                original=256, attn_factor=1.19)
    write_float(folder, "lora", bpe, seed=52, **small, rank=3, alpha=6.0)
    write_float(folder, "biased", bpe, seed=49, **small, biases=True)
    # Of these sizes, scores are scaled by the width over the heads.
    many = {"width": 24, "heads": 2, "kv_heads": 1, "ffn": 32, "head_width": 8}
    write_float(folder, "gemma2_27b", spm, seed=50, arch="gemma2", **many, layers=46, tied=True,
                window=6, period=2, attention_cap=2.5, logit_cap=4.0)
    write_float(folder, "gemma3_27b", spm, seed=51, arch="gemma3", **many, layers=62, tied=True,
                window=5, period=6, base=1e6, scale=8.0, local_base=10000.0)
    write_float(folder, "nemo", gguf.small_bpe("tekken"), seed=46, **small, head_width=12)
    write_settings(folder, bpe, spm, small)


def write_settings(folder, bpe, spm, small):
    """Architectures that are one of the others but for a setting."""
    write_float(folder, "minicpm", spm, seed=60, arch="minicpm", **small, tied=True,
                longrope=True, original=8, multipliers={
                    "embedding_scale": 12.0, "residual_scale": 0.9, "logit_scale": 0.125})
    write_float(folder, "internlm2", spm, seed=61, arch="internlm2", **small, base=1e6)
    write_float(folder, "xverse", spm, seed=62, arch="xverse", **small)
    write_float(folder, "ernie4_5", spm, seed=63, arch="ernie4_5", **small, head_width=12,
                tied=True, base=500000.0)
    write_float(folder, "smollm3", gguf.small_bpe("llama-bpe"), seed=64, arch="smollm3",
                **dict(small, layers=5), tied=True, base=5e6)
    write_float(folder, "mistral3", gguf.small_bpe("tekken"), seed=65, arch="mistral3", **small,
                head_width=12, base=1e6, yarn=16.0, original=8, multipliers={
                    "attention.temperature_scale": 0.1, "rope.scaling.yarn_log_multiplier": 1.0})
    write_float(folder, "arcee", gguf.small_bpe("llama-bpe"), seed=66, arch="arcee", **small,
                yarn=4.0, original=8)
    write_float(folder, "chatglm", gguf.small_bpe("chatglm-bpe"), seed=67, arch="chatglm", **small,
                rope_width=4)
    write_float(folder, "glm4", gguf.small_bpe("glm4"), seed=68, arch="glm4", **small,
                rope_width=4)
    write_float(folder, "seed_oss", gguf.small_bpe("seed-coder"), seed=69, arch="seed_oss",
                **small, head_width=12, base=1e7)
    write_float(folder, "exaone", gguf.small_bpe("exaone"), seed=70, arch="exaone", **small,
                rope_freqs=True, base=1e6)
    write_float(folder, "exaone4", gguf.small_bpe("exaone4"), seed=71, arch="exaone4", **small,
                tied=True, rope_freqs=True, base=1e6)
    many = {"width": 16, "heads": 2, "kv_heads": 1, "ffn": 24}
    write_float(folder, "exaone4_32b", gguf.small_bpe("exaone4"), seed=72, arch="exaone4", **many,
                layers=64, window=6, base=1e6)
    write_float(folder, "hunyuan", gguf.small_bpe("hunyuan-dense"), seed=73, arch="hunyuan-dense",
                **small, head_width=12, tied=True)
    write_float(folder, "olmo2", gguf.small_bpe("olmo"), seed=74, arch="olmo2", **small,
                base=500000.0)
    write_float(folder, "olmo3", gguf.small_bpe("dbrx"), seed=75, arch="olmo2",
                **dict(small, layers=5), window=6, yarn=8.0, original=8, base=500000.0)
    write_float(folder, "gpt_oss", gguf.small_bpe("gpt-4o"), seed=77, arch="gpt-oss",
                **dict(small, layers=3), base=15e4, head_width=12, experts=6, used=2,
                expert_ffn=32, window=5, yarn=32.0, original=8)
    write_float(folder, "phi2", bpe, seed=90, arch="phi2", **small, rope_width=4)
    write_float(folder, "starcoder2", gguf.small_bpe("starcoder"), seed=91, arch="starcoder2",
                **small, tied=True, base=1e5)
    write_float(folder, "stablelm", bpe, seed=92, arch="stablelm", **small, rope_width=2)
    write_float(folder, "nemotron", bpe, seed=93, arch="nemotron", **small, rope_width=4)
    write_float(folder, "jais2", gguf.small_bpe("jais-2"), seed=98, arch="jais2", **small)
    write_float(folder, "orion", spm, seed=94, arch="orion", **small)
    write_float(folder, "command_r", gguf.small_bpe("command-r"), seed=95, arch="command-r",
                **small, tied=True, multipliers={"logit_scale": 0.0625})
    write_float(folder, "cohere2", gguf.small_bpe("command-r"), seed=96, arch="cohere2",
                **dict(small, layers=5), tied=True, window=6, multipliers={"logit_scale": 0.25})
    write_float(folder, "cohere2_q8", bpe, seed=97, arch="cohere2", **dict(small, ffn=64),
                tied=True, window=6, default="Q8_0", multipliers={"logit_scale": 0.25})
    for number, arch in enumerate(["qwen2vl", "qwen3vl", "qwen3vlmoe"]):
        mixture = {"experts": 6, "used": 2, "expert_ffn": 24} if arch.endswith("moe") else {}
        write_float(folder, arch, bpe, seed=80 + number, arch=arch, **small,
                    sections=(2, 1, 1, 0), base=1e6, **mixture,
                    epsilon=1e-12)  # the peer forgets that of qwen2vl
    write_float(folder, "olmoe", gguf.small_bpe("olmo"), seed=76, arch="olmoe",
                **dict(small, kv_heads=4, ffn=24), experts=6, used=3, expert_ffn=24)


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    for name in TYPES:
        write_type(folder, name)
    write_architectures(folder)


if __name__ == "__main__":
    main()
