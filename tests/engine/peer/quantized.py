#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What quantizing makes of whole models, tensor by tensor, against llama-quantize.

    quantized.py record LLAMA-QUANTIZE > quantized.json   (llama.cpp with ggml 0.25.3 was used)
    quantized.py check ASSAY                              a ctest: the same digests, by assay
    quantized.py compare ASSAY LLAMA-QUANTIZE             which tensors differ, and how

The models are names, shapes and random halves; nothing needs to run them. A digest is the SHA-256
over "NAME TYPE CRC-32-OF-BYTES" of all tensors by name. Standard library only.
"""
import hashlib
import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import zlib

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import make_models as gguf  # noqa: E402

RECIPES = ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q2_k", "q3_k_s", "q3_k_m",
           "q3_k_l", "q4_k_s", "q4_k_m", "q5_k_s", "q5_k_m", "q6_k", "iq4_nl", "iq4_xs", "mxfp4",
           "q3_k", "q4_k", "q5_k"]
THEIRS = {"mxfp4": "MXFP4_MOE"}

# arch, layers, heads, heads of keys, columns, experts, tied, fused
MODELS = {
    "dense": ("llama", 16, 4, 2, 256, 0, False, False),
    "shared": ("llama", 9, 8, 2, 256, 0, True, False),
    "narrow": ("qwen2", 5, 4, 4, 64, 0, True, False),
    "fused": ("phi3", 8, 4, 4, 512, 0, False, True),
    "eight": ("llama", 4, 8, 2, 256, 8, False, False),
    "mixture": ("qwen3moe", 3, 8, 2, 256, 16, True, False),
    "wide": ("llama", 80, 8, 1, 256, 0, False, False),
}


def halves(rng, count):
    """Random halves of either sign, between 2^-8 and 2^-3."""
    raw = bytearray(rng.randbytes(2 * count))
    raw[1::2] = raw[1::2].translate(bytes((b & 0x83) | (7 + b // 4 % 5) << 2 for b in range(256)))
    return bytes(raw)


def write_model(path, name):
    arch, layers, heads, kv_heads, cols, experts, tied, fused = MODELS[name]
    rng = random.Random(name)
    tensors = []

    def add(tensor, dims, kind="F16"):
        count = 1
        for n in dims:
            count *= n
        raw = halves(rng, count)
        if kind == "F32":
            raw = struct.pack(f"<{count}f", *struct.unpack(f"<{count}e", raw))
        tensors.append((tensor, dims, kind, raw))

    add("token_embd.weight", [cols, 3])
    for layer in range(layers):
        at = f"blk.{layer}."
        add(at + "attn_norm.weight", [cols], "F32")
        attention = ["attn_qkv"] if fused else ["attn_q", "attn_k", "attn_v"]
        for part in attention + ["attn_output"]:
            add(f"{at}{part}.weight", [cols, 2])
            add(f"{at}{part}.bias", [2], "F32")
        parts = ["ffn_gate", "ffn_up", "ffn_down"]
        if experts:
            add(at + "ffn_gate_inp.weight", [cols, experts], "F32")
            for part in parts:
                add(f"{at}{part}_exps.weight", [cols, 2, experts])
        else:
            for part in parts[fused:]:
                add(f"{at}{part}.weight", [cols, 2])
    add("output_norm.weight", [cols], "F32")
    if not tied:
        add("output.weight", [cols, 3])
    numbers = {"block_count": layers, "embedding_length": cols, "context_length": 256,
               "feed_forward_length": cols, "attention.head_count": heads,
               "attention.head_count_kv": kv_heads, "expert_count": experts,
               "expert_used_count": min(experts, 2), "expert_feed_forward_length": cols,
               "rope.dimension_count": cols // heads}
    values = [("general.architecture", gguf.STRING, arch),
              ("general.name", gguf.STRING, name),
              (arch + ".attention.layer_norm_rms_epsilon", gguf.F32, 1e-5)]
    values += [(f"{arch}.{key}", gguf.U32, n) for key, n in numbers.items() if n]
    gguf.write_gguf(path, values, tensors)


class Reader:
    """The tensors of a GGUF file: name -> (dimensions, type, bytes)."""
    SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
    BLOCKS = {0: (1, 4), 1: (1, 2), 30: (1, 2), 8: (32, 34), 2: (32, 18), 3: (32, 20), 6: (32, 22),
              7: (32, 24), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176),
              14: (256, 210), 16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50),
              20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136), 29: (256, 56),
              34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36)}

    def __init__(self, path):
        self.raw, self.at = pathlib.Path(path).read_bytes(), 8
        tensors, values = self.take("Q"), self.take("Q")
        self.alignment = 32
        for _ in range(values):
            key, kind = self.text(), self.take("I")
            value = self.value(kind)
            if key == b"general.alignment":
                self.alignment = value
        infos, self.tensors_at = [], self.at
        for _ in range(tensors):
            name = self.text().decode()
            dims = [self.take("Q") for _ in range(self.take("I"))]
            infos.append((name, dims, self.take("I"), self.take("Q")))
        data = -(-self.at // self.alignment) * self.alignment
        self.tensors = {}
        for name, dims, kind, offset in infos:
            count = 1
            for n in dims:
                count *= n
            block, size = self.BLOCKS[kind]
            begin = data + offset
            self.tensors[name] = dims, kind, self.raw[begin:begin + count // block * size]

    def take(self, code):
        value, = struct.unpack_from("<" + code, self.raw, self.at)
        self.at += struct.calcsize("<" + code)
        return value

    def text(self):
        size = self.take("Q")
        self.at += size
        return self.raw[self.at - size:self.at]

    def value(self, kind):
        if kind == gguf.STRING:
            return self.text()
        if kind == gguf.ARRAY:
            item = self.take("I")
            return [self.value(item) for _ in range(self.take("Q"))]
        self.at += self.SIZES[kind]
        return int.from_bytes(self.raw[self.at - self.SIZES[kind]:self.at], "little")


def lines_of(path):
    tensors = Reader(path).tensors
    return [f"{name} {kind} {zlib.crc32(raw):08x}"
            for name, (_, kind, raw) in sorted(tensors.items())]


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr[-2000:]}")


def by_assay(binary, source, target, recipe):
    run([binary, "model", "quantize", source, target, recipe])
    return lines_of(target)


def by_llama(binary, source, target, recipe):
    run([binary, "--allow-requantize", source, target, THEIRS.get(recipe, recipe), "1"])
    return lines_of(target)


def digests(make, binary):
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        source, target = f"{folder}/source.gguf", f"{folder}/new.gguf"
        for name in MODELS:
            write_model(source, name)
            for recipe in RECIPES:
                lines = "\n".join(make(binary, source, target, recipe))
                found[f"{name} {recipe}"] = hashlib.sha256(lines.encode()).hexdigest()
    return found


def compare(assay, llama):
    count = differing = 0
    with tempfile.TemporaryDirectory() as folder:
        source, target = f"{folder}/source.gguf", f"{folder}/new.gguf"
        for name in MODELS:
            write_model(source, name)
            for recipe in RECIPES:
                ours = by_assay(assay, source, target, recipe)
                theirs = by_llama(llama, source, target, recipe)
                for a, b in zip(ours, theirs, strict=True):
                    count += 1
                    if a != b:
                        differing += 1
                        print(f"{name} {recipe}: {a} here, {b} there")
    print(f"{count} tensors, {differing} differ")
    return differing


def main():
    if sys.argv[1] == "record":
        json.dump(digests(by_llama, sys.argv[2]), sys.stdout, indent=0)
        print()
    elif sys.argv[1] == "compare":
        sys.exit(bool(compare(sys.argv[2], sys.argv[3])))
    else:
        wanted = json.loads((HERE / "quantized.json").read_text())
        found = digests(by_assay, sys.argv[2])
        wrong = [key for key in wanted if found.get(key) != wanted[key]]
        print(f"{len(wanted)} quantized models, {len(wrong)} differ from the reference's: {wrong}")
        sys.exit(bool(wrong) or len(wanted) != len(MODELS) * len(RECIPES))


if __name__ == "__main__":
    main()
