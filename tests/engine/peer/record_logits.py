#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what llama.cpp answers for the test models (peer_probe.c; ggml 0.25.3 was used).

    record_logits.py PEER_PROBE MODELS_DIR > logits.tsv   needs numpy and `gguf` (0.19 was used)

MODEL, HOW, POSITION, and logits of every 19th token there. HOW is 'same' for the model's file,
'lora' for it with its adapter, and 'wide' for a file that holds the same weights as floats, by
gguf's decoders: the peer rounds activations to what the weights' type asks for, and so this is what
is right. Token i of the prompt is (31 i i + 7 i + 3) modulo the size of the vocabulary.
"""
import pathlib
import struct
import subprocess
import sys
import tempfile

import gguf
import numpy as np
import quantized

COUNT, POSITIONS, STEP = 48, (0, 5, 13, 29, 47), 19
# The peer wants heads to be rotated whole in a llama, and tokens of Phi-3's in what is called so.
REFUSED = {"odd", "phi3", "phi3_short", "lora_phi3"}


def widen(path, to):
    """Writes the model with float weights; False when it has no others."""
    file = quantized.Reader(path)
    tensors, changed = [], False
    for name, (dims, kind, raw) in file.tensors.items():
        kind = gguf.GGMLQuantizationType(kind)
        if kind != gguf.GGMLQuantizationType.F32:
            raw = gguf.dequantize(np.frombuffer(raw, np.uint8), kind) if kind != 1 else \
                np.frombuffer(raw, "<f2")
            raw, changed = raw.astype("<f4").tobytes(), True
        tensors.append((name, dims, raw))
    head, offset = [file.raw[:file.tensors_at]], 0
    for name, dims, raw in tensors:
        head.append(struct.pack("<Q", len(name)) + name.encode() + struct.pack("<I", len(dims)))
        head.append(struct.pack(f"<{len(dims)}QIQ", *dims, 0, offset))
        offset += -(-len(raw) // 32) * 32
    head = b"".join(head)
    body = b"".join(raw + bytes(-len(raw) % 32) for _, _, raw in tensors)
    pathlib.Path(to).write_bytes(head + bytes(-len(head) % 32) + body)
    return changed


def vocabulary_of(path):
    raw = path.read_bytes()
    at = raw.index(b"tokenizer.ggml.tokens") + len("tokenizer.ggml.tokens") + 8
    return struct.unpack_from("<Q", raw, at)[0]


def ask(probe, path, name, how, n, adapter="-"):
    tokens = [str((31 * i * i + 7 * i + 3) % n) for i in range(COUNT)]
    done = subprocess.run([probe, "logits", path, adapter, *tokens], capture_output=True)
    if done.returncode:
        sys.exit(f"{name}: {done.stderr.decode()[-300:]}")
    logits = struct.unpack(f"<{COUNT * n}f", done.stdout)
    for position in POSITIONS:
        row = logits[position * n:(position + 1) * n:STEP]
        print(name, how, position, *(f"{x:.7g}" for x in row), sep="\t")


def main():
    probe, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as scratch:
        wide = pathlib.Path(scratch) / "wide.gguf"
        for path in sorted(folder.glob("*.gguf")):
            known = (folder / f"{path.stem}.ref").exists()
            if not known and not path.stem.startswith(("type_", "peer_")) or path.stem in REFUSED \
                    or path.stem.endswith(".adapter"):
                continue
            n = vocabulary_of(path)
            adapter = folder / f"{path.stem}.adapter.gguf"
            ask(probe, path, path.stem, "same", n)
            if adapter.exists():
                ask(probe, path, path.stem, "lora", n, adapter)
            if widen(path, wide):
                ask(probe, wide, path.stem, "wide", n)


if __name__ == "__main__":
    main()
