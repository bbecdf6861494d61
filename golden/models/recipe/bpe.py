"""Byte-level BPE in the manner of GPT-2: training, encoding, BPE dropout.

The text is cut by the GPT-2 expression, every piece is written in UTF-8, each byte
is shown as one printable character, and merges are applied by rank.  Token ids:
0..255 the bytes in the order of their printable characters, then one token per
merge, then the control tokens.  Standard library only.
"""
import heapq
import random
import re
import sys
import unicodedata
from collections import Counter, defaultdict

CONTROL = ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]


def byte_alphabet():
    """Return the GPT-2 table: byte value -> printable character."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table, extra = {b: chr(b) for b in keep}, 0
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + extra)
            extra += 1
    return table


def _number_class():
    """A character class body with every code point of category N*."""
    spans, start, last = [], None, None
    for cp in range(sys.maxunicode + 1):
        if unicodedata.category(chr(cp))[0] == "N":
            if start is None:
                start = cp
            last = cp
        elif start is not None:
            spans.append((start, last))
            start = None
    return "".join(re.escape(chr(a)) + ("-" + re.escape(chr(b)) if b > a else "") for a, b in spans)


_N = _number_class()
# \w without numbers and underscore is exactly \p{L} in Python
_L = rf"(?:(?![{_N}])[^\W_])"
PIECES = re.compile(rf"'s|'t|'re|'ve|'m|'ll|'d| ?{_L}+| ?[{_N}]+| ?(?:(?!{_L})[^\s{_N}])+|\s+(?!\S)|\s+")
ENC = byte_alphabet()
DEC = {c: b for b, c in ENC.items()}


def pieces(text):
    """Cut text and return the pieces in the byte alphabet."""
    return ["".join(ENC[b] for b in m.encode("utf-8")) for m in PIECES.findall(text)]


def train(texts, merges_wanted, min_count=2):
    """Learn merges from an iterable of (text, weight).  Ties go to the smaller pair."""
    words = Counter()
    for text, weight in texts:
        for piece in pieces(text):
            words[piece] += weight
    items = [[list(w), c] for w, c in sorted(words.items())]
    count, where = Counter(), defaultdict(set)
    for i, (symbols, c) in enumerate(items):
        for pair in zip(symbols, symbols[1:]):
            count[pair] += c
            where[pair].add(i)
    heap = [(-c, p) for p, c in count.items()]
    heapq.heapify(heap)
    merges = []
    while heap and len(merges) < merges_wanted:
        negative, pair = heapq.heappop(heap)
        if count[pair] != -negative:
            if count[pair] > 0:
                heapq.heappush(heap, (-count[pair], pair))
            continue
        if -negative < min_count:
            break
        merges.append(pair)
        changed = set()
        for i in where.pop(pair):
            symbols, c = items[i]
            for p in zip(symbols, symbols[1:]):
                count[p] -= c
                changed.add(p)
            out, j = [], 0
            while j < len(symbols):
                if j + 1 < len(symbols) and (symbols[j], symbols[j + 1]) == pair:
                    out.append(symbols[j] + symbols[j + 1])
                    j += 2
                else:
                    out.append(symbols[j])
                    j += 1
            items[i][0] = out
            for p in zip(out, out[1:]):
                count[p] += c
                where[p].add(i)
                changed.add(p)
        count[pair] = 0
        for p in changed:
            if count[p] > 0:
                heapq.heappush(heap, (-count[p], p))
    return merges


class Tokenizer:
    """Encodes and decodes; `merges` is a list of pairs in rank order."""

    def __init__(self, merges):
        self.merges = [tuple(m) for m in merges]
        self.rank = {m: i for i, m in enumerate(self.merges)}
        self.tokens = sorted(DEC, key=lambda c: DEC[c]) + [a + b for a, b in self.merges] + CONTROL
        self.id = {t: i for i, t in enumerate(self.tokens)}
        if len(self.id) != len(self.tokens):
            raise ValueError("two merges give the same token")
        self.first_control = len(self.tokens) - len(CONTROL)
        self.cache = {}

    def word(self, piece, drop=0.0, rng=random):
        """Merge one piece; with `drop`, each possible merge is skipped that often."""
        symbols = list(piece)
        while len(symbols) > 1:
            best, at = None, []
            for i, pair in enumerate(zip(symbols, symbols[1:])):
                r = self.rank.get(pair)
                if r is None or (drop and rng.random() < drop):
                    continue
                if best is None or r < best:
                    best, at = r, [i]
                elif r == best:
                    at.append(i)
            if best is None:
                break
            out, i, at = [], 0, set(at)
            while i < len(symbols):
                if i in at:
                    out.append(symbols[i] + symbols[i + 1])
                    at.discard(i + 1)
                    i += 2
                else:
                    out.append(symbols[i])
                    i += 1
            symbols = out
        return [self.id[s] for s in symbols]

    def encode(self, text, drop=0.0, share=1.0, rng=random):
        """Ids of plain text (control tokens in it are not special).

        With drop > 0, a `share` of the pieces is merged with BPE dropout.
        """
        out = []
        for piece in pieces(text):
            if drop and rng.random() < share:
                out += self.word(piece, drop, rng)
                continue
            ids = self.cache.get(piece)
            if ids is None:
                ids = self.word(piece)
                if len(self.cache) < 200000:
                    self.cache[piece] = ids
            out += ids
        return out

    def decode(self, ids):
        """Text of ids; control tokens are shown by name."""
        out = b""
        for i in ids:
            out += self.tokens[i].encode() if i >= self.first_control else bytes(DEC[c] for c in self.tokens[i])
        return out.decode("utf-8", "replace")


def main():
    import argparse
    import json
    from data import bpe_texts
    parser = argparse.ArgumentParser(description="Learn the vocabulary from the training texts.")
    parser.add_argument("--model", required=True, choices=("support", "desk"))
    parser.add_argument("--size", type=int, default=4096, help="tokens in all, bytes and control tokens included")
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    merges = train(bpe_texts(args.model), args.size - 256 - len(CONTROL))
    with open(args.out, "w", encoding="utf-8") as f:
        json.dump(merges, f)


if __name__ == "__main__":
    main()
