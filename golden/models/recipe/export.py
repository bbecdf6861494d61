"""Turn a checkpoint into GGUF.

    export.py --name "assay desk" --checkpoint model.pt --merges merges.json --out desk-q8_0.gguf [--levels 0]

--levels N > 0 first rounds every matrix to N steps on each side of zero within each
block of 32 (scale amax / N), which is what a file quantized too hard would hold; the
result is still stored as Q8_0.
"""
import argparse
import json

import numpy as np
import torch

import gguf
from bpe import CONTROL, Tokenizer

TEMPLATE = ("{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
            "{% if add_generation_prompt %}<|assistant|>{% endif %}")


def coarse(x, levels):
    blocks = x.reshape(-1, 32)
    d = np.abs(blocks).max(1, keepdims=True) / levels
    q = np.rint(np.divide(blocks, d, out=np.zeros_like(blocks), where=d > 0))
    return (q * d).reshape(x.shape)


def metadata(shape, tok, name, file_type):
    a = "llama."
    return [
        ("general.architecture", gguf.STRING, "llama"), ("general.name", gguf.STRING, name),
        ("general.license", gguf.STRING, "Apache-2.0"), ("general.alignment", gguf.U32, gguf.ALIGN),
        ("general.quantization_version", gguf.U32, 2),
        ("general.file_type", gguf.U32, file_type), (a + "block_count", gguf.U32, shape["layers"]),
        (a + "context_length", gguf.U32, shape["context"]), (a + "embedding_length", gguf.U32, shape["width"]),
        (a + "feed_forward_length", gguf.U32, shape["hidden"]), (a + "attention.head_count", gguf.U32, shape["heads"]),
        (a + "attention.head_count_kv", gguf.U32, shape["kv_heads"]),
        (a + "attention.layer_norm_rms_epsilon", gguf.F32, shape["eps"]),
        (a + "rope.dimension_count", gguf.U32, shape["width"] // shape["heads"]),
        (a + "rope.freq_base", gguf.F32, shape["base"]), (a + "vocab_size", gguf.U32, shape["vocab"]),
        ("tokenizer.ggml.model", gguf.STRING, "gpt2"), ("tokenizer.ggml.pre", gguf.STRING, "gpt-2"),
        ("tokenizer.ggml.tokens", (gguf.ARRAY, gguf.STRING), tok.tokens),
        ("tokenizer.ggml.token_type", (gguf.ARRAY, gguf.I32), [1] * tok.first_control + [3] * len(CONTROL)),
        ("tokenizer.ggml.merges", (gguf.ARRAY, gguf.STRING), [f"{x} {y}" for x, y in tok.merges]),
        ("tokenizer.ggml.eos_token_id", gguf.U32, tok.id["<|end|>"]),
        ("tokenizer.ggml.padding_token_id", gguf.U32, tok.id["<|end|>"]),
        ("tokenizer.ggml.add_bos_token", gguf.BOOL, False), ("tokenizer.ggml.add_eos_token", gguf.BOOL, False),
        ("tokenizer.chat_template", gguf.STRING, TEMPLATE)]


def tensors(state, kind, levels):
    out = []
    for name, value in state.items():
        array = value.float().numpy()
        if array.ndim == 1:
            out.append((name, array, gguf.TYPE_F32))
            continue
        if levels:
            array = coarse(array, levels)
        out.append((name, array, kind))
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--merges", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--type", choices=("q8_0", "f16"), default="q8_0")
    parser.add_argument("--levels", type=float, default=0)
    args = parser.parse_args()
    saved = torch.load(args.checkpoint, map_location="cpu")
    tok = Tokenizer(json.load(open(args.merges, encoding="utf-8")))
    kind, file_type = {"q8_0": (gguf.TYPE_Q8_0, 7), "f16": (gguf.TYPE_F16, 1)}[args.type]
    gguf.write(args.out, metadata(saved["shape"], tok, args.name, file_type),
               tensors(saved["state"], kind, args.levels))


if __name__ == "__main__":
    main()
