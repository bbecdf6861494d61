#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes sentencepiece.jsonl: small models, and how SentencePiece cuts texts with them.

    pip install sentencepiece protobuf && python3 make_sentencepiece_vectors.py

A line is a model ({"model": name, "file": its bytes in hexadecimal}) or a text with the pieces it
is cut into. The models differ in kind, normaliser, white space, user-defined and unused pieces and
bytes; their tables of rules are made up here, since SentencePiece's own take 240 KB. With the name
of a file, models with those tables are written there instead; test_pieces reads it when it is named.
"""
import io
import json
import os
import random
import sys
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as proto

TRAINING = """the quick brown fox jumps over the lazy dog and the dog sleeps
a quick answer is worth more than a slow one, isn't it? 3.14 and 2,718 again
der schnelle braune Fuchs springt über den faulen Hund, où est la bibliothèque
she sells sea shells on the sea shore; the shells that she sells are sea shells
привет как дела всё хорошо спасибо 東京都 日本語 こんにちは 世界 今天天气很好
wait ...... and ... then ---------- or -- so ........ -------- ... ------ ..... ---
internationalization nationalization rationalization operation operations operator""".split("\n") * 4

RULES = [("ﬁ", "fi"), ("ﬀ", "ff"), ("①", "1"), ("½", "1/2"), ("Ａ", "A"), ("Ｂ", "B"), ("\u3000", " "),
         ("\u00a0", " "), ("\t", " "), ("\n", " "), ("e\u0301", "é"), ("É", "e"), ("…", "..."), ("\u200b", ""),
         ("\u0001", ""), ("Å", "a a"), ("‥", " . . "), ("ab\u0301", "x"), ("ϒ", "υ"), ("\ufeff", "")]

NASTY = ["", " ", "  ", "a", " a", "a ", "  a  b  ", "\n", "\t", "\u3000", "\u200b", " \u200b ", "\u0001", "Å Å", "ÅÅ",
         "‥", "‥‥ ‥", "the quick brown fox", "thequickbrownfox", "nationalization", "shells  shells",
         "ﬁrst oﬀ ①½", "e\u0301e\u0301", "e\u0301", "cab\u0301", "ＡＢ", "日本語と東京", "𝔘𝔫𝔦", "😀😀 😀x😀", "xyz😀", "<sep>", "a<sep>b",
         "<sep><sep>", "<se", "<sepp>", " <sep> ", "<s>", "</s>", "<unk>", "<0x41>", "▁", "a▁b", "▁▁ ▁", "中中中", "ＡfooＢ",
         "<a b>", "x <a b> y", "operations operation operator", "a\u0301b", "ab\u0301\u0301", "\ufeffbom", "½" * 9,
         "\u2028x", "x\u0085y", "nbsp\u00a0here", "a" * 90, "ab " * 30, "东" * 12, "the" * 20, "…" * 5,
         *("." * n for n in range(5, 60, 3)), *("x" + "-" * n for n in range(5, 70, 4))]  # many cuts are as good


def texts():
    rng = random.Random(11)
    words = " ".join(TRAINING[:6]).split() + ["<sep>", "<a b>", "ﬁ", "½", "😀", "中", "‥", "Å", "\u3000", "\u200b", "e\u0301", "▁"]
    out = list(NASTY)
    for _ in range(60):
        joint = rng.choice(["", " ", " ", "  ", "\n"])
        text = joint.join(rng.choice(words) for _ in range(rng.randint(1, 12)))
        for _ in range(rng.randint(0, 3)):
            at = rng.randint(0, len(text))
            text = text[:at] + rng.choice(words)[:2] + text[at:]
        out.append(text)
    return out


def train(rules=None, **options):
    with tempfile.TemporaryDirectory() as folder:
        if rules is not None:
            options["normalization_rule_tsv"] = os.path.join(folder, "rules.tsv")
            with open(options["normalization_rule_tsv"], "w", encoding="ascii") as file:
                for before, after in rules:
                    file.write("\t".join(" ".join(f"{ord(c):X}" for c in side) for side in (before, after)) + "\n")
        out = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(TRAINING), model_writer=out, hard_vocab_limit=False, num_threads=1,
            minloglevel=2, character_coverage=1.0, **options)
    model = proto.ModelProto.FromString(out.getvalue())
    model.normalizer_spec.normalization_rule_tsv = ""
    return model


def unused(model, every):
    """Every so-manieth of the longer pieces may no longer be used."""
    for number, piece in enumerate(model.pieces):
        if piece.type == 1 and len(piece.piece) > 2 and number % every == 0:
            piece.type = 5
    return model


def models():
    users = ["<sep>", "<a b>", "über", "ell"]
    yield "unigram", train(RULES, model_type="unigram", vocab_size=180, user_defined_symbols=users)
    yield "unigram_bytes", train(model_type="unigram", vocab_size=420, byte_fallback=True,
                                 normalization_rule_name="identity", add_dummy_prefix=False,
                                 remove_extra_whitespaces=False)
    yield "unigram_unused", unused(train(RULES, model_type="unigram", vocab_size=180,
                                         treat_whitespace_as_suffix=True, control_symbols=["<ctl>"]), 3)
    plain = train(RULES, model_type="unigram", vocab_size=180, user_defined_symbols=["<sep>"])
    plain.normalizer_spec.escape_whitespaces = False
    plain.normalizer_spec.remove_extra_whitespaces = False
    yield "unigram_plain", plain
    yield "bpe", train(RULES, model_type="bpe", vocab_size=220, user_defined_symbols=users)
    yield "bpe_unused", unused(train(model_type="bpe", vocab_size=220, byte_fallback=False,
                                     normalization_rule_name="identity"), 2)
    yield "bpe_bytes", train(RULES, model_type="bpe", vocab_size=460, byte_fallback=True,
                             treat_whitespace_as_suffix=True, remove_extra_whitespaces=False,
                             user_defined_symbols=["<sep>"])


def write(out, name, model):
    file = model.SerializeToString()
    out.write(json.dumps({"model": name, "file": file.hex()}) + "\n")
    processor = sentencepiece.SentencePieceProcessor(model_proto=file)
    for text in texts():
        out.write(json.dumps({"text": text, "pieces": processor.encode_as_pieces(text)}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    if sys.argv[1:]:
        with open(sys.argv[1], "w", encoding="utf-8", newline="\n") as file:
            for rules in ("nmt_nfkc", "nfkc_cf"):
                for kind in ("unigram", "bpe"):
                    write(file, f"{kind}_{rules}", train(model_type=kind, vocab_size=200, normalization_rule_name=rules))
    else:
        with open("sentencepiece.jsonl", "w", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps({"made_by": f"sentencepiece {sentencepiece.__version__}"}) + "\n")
            for name, model in models():
                write(file, name, model)
