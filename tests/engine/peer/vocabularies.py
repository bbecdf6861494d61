#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tokenizers against the texts and ids that llama.cpp ships for each vocabulary.

    vocabularies.py TOKENIZE_TEXTS LLAMA.CPP/models [PEER_PROBE]

The ids beside a vocabulary (.inp, .out) are those of the tokenizer that the model was trained with.
With PEER_PROBE, random texts too, against llama.cpp itself. Standard library only.
"""
import pathlib
import random
import subprocess
import sys

BREAK = "\n__ggml_vocab_test__\n"
PIECES = ["the", "The", "THE", "'s", "'LL", "don't", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t",
          "1", "12", "123", "12345", "3.14", "-", "--", "...", "!?", "(", ")", "$", "+=", "<=",
          "`", "~", "^", "|", "_x", "camelCase", "snake_case", "HTTPServer", "\u00e9", "e\u0301",
          "\u00fc", "\u00df", "\u0130", "\u4e2d\u6587", "\u65e5\u672c\u8a9e", "\u30ab\u30bf",
          "\ud55c\uad6d\uc5b4", "\u0440\u0443\u0441\u0441\u043a\u0438\u0439",
          "\u0627\u0644\u0639\u0631\u0628\u064a\u0629", "\u0939\u093f\u0928\u094d\u0926\u0940",
          "\u0e44\u0e17\u0e22", "\u00b2", "\u00bd", "\u0663", "\u2167", "\u2019s", "\u2014",
          "\u2026", "\u3002", "\uff0c", "\u00a0", "\u2003", "\u3000", "\u200b", "\u200d",
          "\U0001f600", "\U0001f468\u200d\U0001f469", "\u20ac", "a", "B", "z9", "x=y"]


def tokens(command, texts):
    done = subprocess.run(command, input="".join(t + "\0" for t in texts).encode(),
                          capture_output=True)
    if done.returncode:
        return done.stderr.decode().strip()
    return [[int(n) for n in line.split()] for line in done.stdout.decode().splitlines()]


def report(name, texts, found, wanted):
    if isinstance(found, str):
        print(f"{name}: {found}")
        return 1
    wrong = [(t, f, w) for t, f, w in zip(texts, found, wanted, strict=True) if f != w]
    print(f"{name}: {len(texts)} texts, {len(wrong)} differ")
    for text, f, w in wrong[:3]:
        print(f"  {text!r}\n    here  {f}\n    there {w}")
    return len(wrong)


def main():
    binary, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    wrong, rng = 0, random.Random(7)
    for path in sorted(folder.glob("ggml-vocab-*.gguf")):
        name = path.stem[len("ggml-vocab-"):]
        texts_path = pathlib.Path(f"{path}.inp")
        if texts_path.exists():
            texts = texts_path.read_bytes().decode().split(BREAK)[:-1]
            lines = pathlib.Path(f"{path}.out").read_text().splitlines()
            wanted = [[int(n) for n in line.split()] for line in lines]
            wrong += report(name, texts, tokens([binary, path], texts), wanted)
        if len(sys.argv) > 3:
            texts = ["".join(rng.choices(PIECES, k=rng.randrange(1, 60))) for _ in range(400)]
            wanted = tokens([sys.argv[3], "tokens", path, "0"], texts)
            wrong += report(f"{name}, random", texts, tokens([binary, path], texts), wanted)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
