#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes words.jsonl: BLEU by sacreBLEU with the tokenizers that need a vocabulary.

    pip install 'sacrebleu[ja,ko]' sentencepiece && python3 make_words_vectors.py

A line is {tokenize, model (of ../base/sentencepiece.jsonl, whose file takes the place of the one
that sacreBLEU would fetch), cases, value, tok (of sacreBLEU's signature), sentences (BLEU of each
case)}. The texts are made up here.
"""
import json
import os
import random
import tempfile

FOLDER = tempfile.mkdtemp()
os.environ["SACREBLEU"] = FOLDER  # where sacreBLEU looks for models before it fetches one
from sacrebleu.metrics import BLEU  # noqa: E402

FILES = {"spm": "sacrebleu_tokenizer_spm.model", "flores101": "sacrebleu_tokenizer_spm.model",
         "flores200": "flores200sacrebleuspm", "spBLEU-1K": "spbleu-1k_tokenizer_spm.model"}
SPM = ("the quick brown fox jumps over lazy dog sea shells nationalization операция привет 東京都 "
       "日本語 <sep> ﬁne ½ ÅB 3.14, 😀 they're the\u3000dog a\u2003b x\u2581y über <a\u00a0b>").split(" ")
JA = ("今日は いい 天気 ですね。 東京都に 住んで います 日本語の 文章を 解析 する 昨日、 映画を 見た 「彼女は」 "
      "2020年 3.14 ABC データ です ー 食べ られない すもももももももものうち 猫 が\u3000好き 😀 café").split(" ")
KO = ("아버지가 방에 들어가신다. 오늘은 날씨가 좋네요 한국어 문장을 분석 합니다. 서울에 살고 있어요, 어제 영화를 "
      "보았다 2020년 3.14 ABC 데이터 입니다 고양이를 좋아해요 😀 café 먹을 수 없다").split(" ")


def sentences(rng, words, joint):
    text = [rng.choice(words) for _ in range(rng.randint(0, 14))]
    noisy = [rng.choice(words) if rng.random() < 0.2 else word for word in text if rng.random() > 0.1]
    return [joint.join(noisy) + rng.choice(["", "", " ", "\n"]), [rng.choice(["", " "]) + joint.join(text)]]


def main():
    files = {}
    with open("../base/sentencepiece.jsonl", encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            if "model" in line:
                files[line["model"]] = bytes.fromhex(line["file"])
    os.makedirs(os.path.join(FOLDER, "models"), exist_ok=True)
    rng = random.Random(17)
    rows = [(name, model, SPM, " ") for name, model in (
        ("spm", "unigram"), ("flores101", "bpe"), ("flores200", "unigram_bytes"), ("spBLEU-1K", "bpe_unused"),
        ("flores200", "unigram_plain"))]
    rows += [("ja-mecab", None, JA, ""), ("ko-mecab", None, KO, " ")]
    with open("words.jsonl", "w", encoding="utf-8", newline="\n") as out:
        for tokenize, model, words, joint in rows:
            if model:
                with open(os.path.join(FOLDER, "models", FILES[tokenize]), "wb") as file:
                    file.write(files[model])
            cases = [sentences(rng, words, joint) for _ in range(25)]
            bleu, single = BLEU(tokenize=tokenize), BLEU(tokenize=tokenize, effective_order=True)
            value = bleu.corpus_score([answer for answer, _ in cases], [[gold[0] for _, gold in cases]]).score
            tok = dict(part.split(":", 1) for part in str(bleu.get_signature()).split("|"))["tok"]
            out.write(json.dumps({
                "tokenize": tokenize, "model": model, "tok": tok, "value": value, "cases": cases,
                "sentences": [single.sentence_score(answer, gold).score for answer, gold in cases]},
                ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
