#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes fixtures/*.json: small vocabularies, and how the reference tokenizers cut nasty texts.

    pip install tokenizers sentencepiece protobuf llama-cpp-python
    make_tokenizer_fixtures.py

Byte-level BPE is trained and applied by Hugging Face tokenizers, SentencePiece BPE by
sentencepiece. What neither has (the pre-tokenizer "default"; the space that SentencePiece models
get after a special token) is taken from llama.cpp. The tests need only the files this leaves
behind; run it again to change them.
"""
import base64
import json
import os
import random
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import make_models  # noqa: E402

TRAINING = """The support desk answers 1,024 questions a day; it's 24 hours, isn't it? They've said
that we'll see 3.14159 and 2,718,281 again. I'M SURE YOU'RE RIGHT, he'd've thought.
    def add(a, b):\n\treturn a + b  # comment\n\n\nfor (int i = 0; i < 10; i++) { sum += x[i]; }
Der schnelle braune Fuchs springt über den faulen Hund. Où est la bibliothèque, s'il vous plaît?
El niño comió piñas. Привет, как дела? Всё хорошо, спасибо. Γειά σου Κόσμε. שלום עולם. مرحبا بالعالم.
你好，世界。今天天气很好。こんにちは世界。안녕하세요 세계. ไทย हिन्दी भाषा. 😀😃 👩‍👩‍👧‍👦 🏳️‍🌈 e\u0301 ﬁ Ⅷ ½ ²³ ٣٤٥
https://example.org/a?b=c&d=%20 user@example.org $100.00 €50 £20 100% #tag @you ~/.config <b>bold</b>
""" * 4

NASTY = [
    "", " ", "  ", "   ", "\n", "\n\n", " \n", "\n ", " \n \n ", "\t", "\t\t x", "a", " a", "a ", "  a",
    "Hello, world!", "hello  world   again", "I'm you're we've they'll he'd it's isn't 'tis",
    "I'M YOU'RE WE'VE THEY'LL HE'D IT'S", "x's'x 's 'S'T''RE", "'\u017f \u212a 'ſ I'ſ",
    "1", "12", "123", "1234", "1234567890", "3.14 1,000,000 0x1F 1e-5", "a1b22c333d4444", "²³½Ⅷ٣٤٥६७",
    "foo\n  bar\n\n\n   baz\t\tqux  ", "line\r\nline\r\n\r\n  end", "\r", "\r\r\n\n\r", " \r\n \t \r\n x",
    "end with spaces    ", "tab\tbetween", "nbsp\u00a0here\u00a0\u00a0x", "\u2003em\u2003\u2003space",
    "\u180eseparator\u180e\u180e \u180ex", "zero\u200bwidth\u200d\ufeff", "\u0085next\u0085\u2028line\u2029para",
    "\x00\x01\x1c\x1d\x1e\x1f\x7f", "a\x00b", "(parentheses) [brackets] {braces} <angles>",
    "!!!???...---___***", "a!b?c.d-e_f*g", " ! ?  .", "$+<=>^~|`", "don't—stop…“quoted”",
    "über ÜBER ünïcödé", "Привет мир", "你好世界", "こんにちは", "안녕", "ไทย", "हिन्दी", "e\u0301e\u0301 é",
    "שלום", "مرحبا", "😀", "👩‍👩‍👧‍👦 family 🏳️‍🌈", "\U0001f1e9\U0001f1ea\U0010ffff\ud7ff\ue000",
    "def f(x):\n    return x**2  # sq\n\n\tif x: pass\n", "a" * 300, "ab" * 200, " " * 200, "\n" * 100,
    " \n" * 50, "the the the the", "thethethethe", "0" * 100, "!" * 120, "é" * 90,
    "<|end|>", "text <|end|> text", "<|end|><|end|>", "<note>", "a <note> b", " <note> <|end|> ",
    "<|end", "<|<|end|>|>", "<notes>", "\u2581", "a\u2581b", "<0x41>", "<s>", "</s> <unk>",
    "an unreachable unreachablex unreachable",
    "HTTPServer XMLHttpRequest aB AbC ABCdefGHI iPhone", "ПРИВЕТмир ΑΒΓδε", "A中B中C 中A中a中AA x中AB",
    "\u0301A\u0301\u0301B a\u0301BC ǅungla ʰAʰa", "DON'T Don'Ts it'S'x 中's ʼn's", "a/b//c !/\n/ ?/",
]


def texts(seed):
    rng = random.Random(seed)
    pool = list(" \n\t'.,!?-_()<>|/\\\"0123456789abcdefghijklmnopqrstuvwxyzABCDEFG") + [
        "\r\n", "  ", "'s", "'ll", "the ", "ing", " a", "é", "ß", "я", "中", "文", "カ", "ก", "\u0301", "😀",
        "\u200d", "\u00a0", "½", "٣", "\u2003", "<|end|>", "<note>", "x1", "don't", "\u0085", "\u3000"]
    out = list(NASTY)
    for _ in range(60):
        out.append("".join(rng.choice(pool) for _ in range(rng.randrange(1, 40))))
    for _ in range(20):
        out.append("".join(chr(rng.choice([rng.randrange(1, 0x300), rng.randrange(0x300, 0xd800),
                                           rng.randrange(0xe000, 0x2fa20)]))
                           for _ in range(rng.randrange(1, 20))))
    return out


def clean(text):
    return text.encode("utf-8", "replace").decode()


def save(name, fixture):
    os.makedirs(os.path.join(HERE, "fixtures"), exist_ok=True)
    with open(os.path.join(HERE, "fixtures", name + ".json"), "w", encoding="utf-8") as file:
        json.dump(fixture, file, ensure_ascii=True, separators=(",", ":"))
        file.write("\n")


LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")


# As the tokenizer.json of models that use them say it; each pattern cuts what the one before left.
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
CASED = (r"[^\r\n\p{L}\p{N}]?" + UPPER + "*" + LOWER + r"+%s|[^\r\n\p{L}\p{N}]?" + UPPER + "+"
         + LOWER + r"*%s|%s| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
SUFFIX = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
LETTERS = (
    "41-5a 61-7a b5 c0-d6 d8-f6 f8-1ba 1bc-1bf 1c4-293 295-2af 370-373 376 377 37b-37d "
    "37f 386 388-38a 38c 38e-3a1 3a3-3f5 3f7-481 48a-52f 531-556 10a0-10c5 13a0-13f5 "
    "13f8-13fd 1c90-1cba 1cbd-1cbf 1d00-1d2b 1d6b-1d77 1d79-1d9a 1e00-1f15 1f18-1f1d "
    "1f20-1f45 1f48-1f4d 1f50-1f57 1f59 1f5b 1f5d 1f5f-1f7d 1f80-1fb4 1fb6-1fbc 1fbe "
    "1fc2-1fc4 1fc6-1fcc 1fd0-1fd3 1fd6-1fdb 1fe0-1fec 1ff2-1ff4 1ff6-1ffc 2102 2107 "
    "210a-2113 2115 2119-211d 2124 2126 2128 212a-212d 212f-2134 2139 213c-213f 2145-2149 "
    "214e 2183 2184 2c00-2c7b 2c7e-2ce4 2ceb-2cee 2cf2 2cf3 a640-a66d a680-a69b a722-a76f "
    "a771-a787 a78b-a78e ab70-abbf fb00-fb06 fb13-fb17 ff21-ff3a ff41-ff5a 10400-1044f "
    "104b0-104d3 104d8-104fb 10c80-10cb2 10cc0-10cf2 118a0-118df 1e900-1e943 ")
LETTERS = "".join("-".join(rf"\x{{{point}}}" for point in part.split("-"))
                  for part in LETTERS.split())
BLOOM = r" ?[^(\s|.,!?…。，、।۔،)]+"
SPLITS = {
    "llama-bpe": [LLAMA3 % r"\p{N}{1,3}"],
    "qwen2": [LLAMA3 % r"\p{N}"],
    "tekken": [CASED % ("", "", r"\p{N}")],
    "gpt-4o": [CASED % (SUFFIX, SUFFIX, r"\p{N}{1,3}")],
    "deepseek-coder": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", r"\p{N}"],
    "deepseek-v3": [r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
                    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"
                    r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
                    r"|\s*[\r\n]+|\s+(?!\S)|\s+"],
    "deepseek-llm": [r"[\r\n]", rf"\s?[{LETTERS}]+",
                     r"\s?[!-/:-~！-／：-～‘-‟\x{3000}-。]+", r"\s+$", "[一-龥ࠀ-一가-퟿]+", r"\p{N}+"],
    "qwen35": [(LLAMA3 % r"\p{N}").replace(r"?\p{L}+", r"?[\p{L}\p{M}]+")
               .replace(r"[^\s\p{L}\p{N}]+[", r"[^\s\p{L}\p{M}\p{N}]+[")],
    "seed-coder": [(LLAMA3 % r"\p{N}").replace(r"[^\s\p{L}\p{N}]+[\r\n]*",
                                               r"[^\s\p{L}\p{N}\r\n]+")],
    "jais-2": [(LLAMA3 % r"\p{N}{1,3}").replace(
        r"\s+(?!\S)|\s+", "".join(rf"\s{{{n}}}(?!\S)|" for n in (512, 256, 128, 64, 32, 16, 8, 4))
        + r"\s{1,2}(?!\S)|\s{1}")],
    "minicpm5": [r"\p{N}{1,3}", LLAMA3 % r"\p{N}+"],
    "bloom": [BLOOM],
    "viking": [BLOOM, r"\p{N}"],
}


def bpe_tokenizer(pre, seed):
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
    tokenizer = Tokenizer(models.BPE(ignore_merges=pre in ["llama-bpe", "tekken", "minicpm5"]))
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    if pre in SPLITS:
        splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in SPLITS[pre]]
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*splits, plain])
    elif pre == "falcon":
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Punctuation("contiguous"), level,
             pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), "isolated")])
    elif pre == "smollm":
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), level])
    else:
        tokenizer.pre_tokenizer = level
    trainer = trainers.BpeTrainer(vocab_size=600 + seed, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator([TRAINING], trainer)
    if pre == "llama-bpe":  # a token that no merge leads to: only a whole word can be it
        parts = json.loads(tokenizer.to_str())
        parts["model"]["vocab"]["Ġunreachable"] = len(parts["model"]["vocab"])
        tokenizer = Tokenizer.from_str(json.dumps(parts))
    tokenizer.add_tokens(["<note>"])
    tokenizer.add_special_tokens(["<|end|>"])
    return tokenizer


def bpe_fixture(pre, seed):
    tokenizer = bpe_tokenizer(pre, seed)
    model = json.loads(tokenizer.to_str())["model"]
    size = tokenizer.get_vocab_size()
    tokens = [tokenizer.id_to_token(i) for i in range(size)]
    kinds = [make_models.NORMAL] * size
    kinds[tokens.index("<note>")] = make_models.USER
    kinds[tokens.index("<|end|>")] = make_models.CONTROL
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    fixture = {"model": "gpt2", "pre": pre, "tokens": tokens, "types": kinds, "merges": merges,
               "eos": tokens.index("<|end|>"), "cases": []}
    for text in map(clean, texts(seed)):
        for special in (0, 1):
            tokenizer.encode_special_tokens = not special
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            if special and ids == fixture["cases"][-1]["ids"]:
                continue
            fixture["cases"].append({"text": text, "special": special, "ids": ids})
    return fixture


# Patterns of the tokenizer.json files, or where there is none that is public, of llama.cpp.
GROUP = r"\d{1,3}(?=(?:\d{3})*\b)"
NO_HAN = "&&[^\\p{Han}]]"
SCRIPTS = ("4e00-9fff 3400-4dbf 8c48-faff 3040-309f 30a0-30ff ff65-ff9f 2f00-2fdf e40-e7f e80-eff "
           "1780-17ff 1000-109f aa60-aa7f a9e0-a9ff ac00-d7af 1100-11ff")
SCRIPTS = "".join("-".join(rf"\x{{{point}}}" for point in part.split("-"))
                  for part in SCRIPTS.split())
MORE = {
    "granite-embed-multi-97m": SPLITS["gpt-4o"],
    "youtu": ["[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+",
              CASED % (SUFFIX, SUFFIX, r"\p{N}")],
    "tiny_aya": [GROUP, CASED % (SUFFIX, SUFFIX, r"\p{N}{1,3}")],
    "superbpe": [r"\p{N}+", r"(?=(\d{3})+(?!\d))"],
    "kimi-k2": [r"[\p{Han}]+|" + (CASED % (SUFFIX, SUFFIX, r"\p{N}{1,3}"))
                .replace(UPPER, UPPER[:-1] + NO_HAN).replace(LOWER, LOWER[:-1] + NO_HAN)
                .replace(r"[\r\n/]*", r"[\r\n]*")],
    "exaone-moe": [(LLAMA3 % r"\p{N}").replace(r"\p{L}+|", r"(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|")
                   .replace(r"[\r\n]*|\s*[\r\n]+", r"[\r\n/]?|\s*[\r\n]")],
    "ufakzeka": [(LLAMA3 % r"\p{N}").split("|", 7)[-1]],
    "laguna": [r"[^\n]+|[\n]+", LLAMA3 % r"\p{N}"],
    "afmoe": [r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))", f"[{SCRIPTS}]+", SPLITS["deepseek-v3"][2]],
    "spark2_5": [*SPLITS["deepseek-v3"][:2], SPLITS["deepseek-v3"][2]
                 .replace(r"[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+", r"[\p{P}\p{S}]+|[\r\n]"), r"\p{N}"],
    "chameleon": ["<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\\t\\n]|    |  )",
                  r"\p{N}", r"[\p{P}!-/:-@\[-`{-~]",
                  r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"],
}
DIGITS = ["1", "12", "1234", "1234567", "x1234567y", "1234567 12345,123456.1", "12½345", "1234½ ½345",
          "１２３４５６７", "123\u0301 1234_ 1234é 1234‿", "1234567\n1234\n", "<sentinel:12> <sentinel:>",
          "IMGIMGABCZ IMGIMGAZIMGIMGABCDEZ", "a  b    c      d\t\te", "the cat sat on\u0301 the mat / on it",
          "々中A々b 〇中", "中'S a中'll Ａ中b", "x!/\n/ ?/\n\n", "!\n\n?\r\n", "ㄅㄆㄇ，。「」한국어ㅎㅎ中文カナ", "ไทยໄທខ្មែរမြန်"]


def more_fixture(seed):
    """One vocabulary, whose merges cross whatever a pre-tokenizer cuts, for many of them."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r"[^\n]{1,24}|\n+"), "isolated"), plain])
    trainer = trainers.BpeTrainer(vocab_size=800, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    trained.train_from_iterator([TRAINING, "\n".join(DIGITS * 3)], trainer)
    parts = json.loads(trained.to_str())
    parts["model"]["vocab"]["Ġunreachable"] = len(parts["model"]["vocab"])
    size = len(parts["model"]["vocab"])
    tokens = sorted(parts["model"]["vocab"], key=parts["model"]["vocab"].get)
    fixture = {"model": "gpt2", "tokens": tokens, "types": [make_models.NORMAL] * size,
               "merges": [m if isinstance(m, str) else " ".join(m)
                          for m in parts["model"]["merges"]],
               "texts": list(map(clean, texts(seed) + DIGITS)), "ids": {}}
    for pre, patterns in MORE.items():
        parts["model"]["ignore_merges"] = pre in ["youtu", "granite-embed-multi-97m"]
        tokenizer = Tokenizer.from_str(json.dumps(parts))
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [*(pre_tokenizers.Split(Regex(p), "isolated") for p in patterns), plain])
        fixture["ids"][pre] = [tokenizer.encode(text).ids for text in fixture["texts"]]
    return fixture


def by_llama(fixture, cases):
    """The same cases as llama.cpp cuts them."""
    import llama_cpp
    folder = tempfile.mkdtemp()
    source = os.path.join(folder, "x.json")
    with open(source, "w", encoding="utf-8") as file:
        json.dump(dict(fixture, cases=[]), file)
    make_models.write_fixture(folder, source)
    model = llama_cpp.Llama(os.path.join(folder, "x.gguf"), vocab_only=True, verbose=False)
    return [dict(case, ids=model.tokenize(case["text"].encode(), add_bos=False,
                                          special=bool(case["special"]))) for case in cases]


def spm_fixture(seed):
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2 as pb
    folder = tempfile.mkdtemp()
    corpus = os.path.join(folder, "corpus.txt")
    with open(corpus, "w", encoding="utf-8") as file:
        file.write(TRAINING)
    prefix = os.path.join(folder, "m")
    sentencepiece.SentencePieceTrainer.train(
        input=corpus, model_prefix=prefix, model_type="bpe", vocab_size=700, byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False,
        user_defined_symbols=["<note>"], control_symbols=["<|end|>"], character_coverage=0.98,
        minloglevel=2)
    processor = sentencepiece.SentencePieceProcessor(model_file=prefix + ".model")
    proto = pb.ModelProto()
    with open(prefix + ".model", "rb") as file:
        proto.ParseFromString(file.read())
    fixture = {"model": "llama", "tokens": [p.piece for p in proto.pieces],
               "types": [p.type for p in proto.pieces], "scores": [p.score for p in proto.pieces],
               "bos": 1, "eos": 2, "cases": []}
    special = []
    for text in map(clean, texts(seed)):
        case = {"text": text, "special": 0}
        if "<note>" in text:
            special += [case, dict(case, special=1)]
            continue
        fixture["cases"].append(dict(case, ids=processor.encode(text)))
        if "<|end|>" in text or "s>" in text:
            special.append(dict(case, special=1))
    fixture["cases"] += by_llama(fixture, special)
    return fixture


# What the normalizer of a Unigram model makes of what it is given: from, to.
RULES = [("\t", " "), ("\n", " "), ("\r", " "), ("\u00a0", " "), ("\u3000", " "), ("\ufb01", "fi"),
         ("\u2167", "VIII"), ("\u00bd", "1/2"), ("e\u0301", "\u00e9"), ("\u200d", ""), ("\u2026", "..."),
         ("I", "i"), ("\u0130", "i\u0307"), ("\u2003\u2003", " ")]


def unigram_fixture(seed):
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2 as pb
    folder = tempfile.mkdtemp()
    corpus, rules = os.path.join(folder, "corpus.txt"), os.path.join(folder, "rules.tsv")
    with open(corpus, "w", encoding="utf-8") as file:
        file.write(TRAINING)
    with open(rules, "w", encoding="utf-8") as file:
        for pair in RULES:
            file.write("\t".join(" ".join(f"{ord(c):X}" for c in text) for text in pair) + "\n")
    prefix = os.path.join(folder, "m")
    sentencepiece.SentencePieceTrainer.train(
        input=corpus, model_prefix=prefix, model_type="unigram", vocab_size=200,
        normalization_rule_tsv=rules, character_coverage=0.98, minloglevel=2)
    processor = sentencepiece.SentencePieceProcessor(model_file=prefix + ".model")
    proto = pb.ModelProto()
    with open(prefix + ".model", "rb") as file:
        proto.ParseFromString(file.read())
    return {"model": "t5", "tokens": [p.piece for p in proto.pieces],
            "types": [p.type for p in proto.pieces], "scores": [p.score for p in proto.pieces],
            "unknown": 0, "bos": 1, "eos": 2,
            "charsmap": base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode(),
            "cases": [{"text": text, "special": 0, "ids": processor.encode(text)}
                      for text in map(clean, texts(seed)) if "\x00" not in text]}


def wordpiece_fixture(seed, **options):
    from tokenizers import BertWordPieceTokenizer
    tokenizer = BertWordPieceTokenizer(**{"lowercase": True} | options)
    tokenizer.train_from_iterator([TRAINING], vocab_size=700, show_progress=False,
                                  limit_alphabet=200)
    size = tokenizer.get_vocab_size()
    names = [tokenizer.id_to_token(i) for i in range(size)]
    special = {"[PAD]": make_models.CONTROL, "[UNK]": make_models.UNKNOWN}
    special |= {name: make_models.CONTROL for name in ("[CLS]", "[SEP]", "[MASK]")}

    def written(name):  # as converters write them
        if name in special:
            return name
        return name[2:] if name.startswith("##") else "\u2581" + name

    fixture = {"model": "bert", "tokens": [written(name) for name in names],
               "types": [special.get(name, make_models.NORMAL) for name in names],
               "unknown": names.index("[UNK]"), "cls": names.index("[CLS]"),
               "seperator": names.index("[SEP]"), "cases": []} | options
    more = ["[CLS] a [SEP]", "x[MASK]y", "\u1ea4\u0323\u0325", "\uac00\uac01\ub098", "\uf900\u4e0d",
            "\u0130stanbul \u03a3\u03c3\u03c2", "a" * 100, "a" * 101, "\u00ad\u200b\ufeffx", "$5+5=10`^|~"]
    for text in [*map(clean, texts(seed)), *more]:
        for special_too in (0, 1):
            tokenizer._tokenizer.encode_special_tokens = not special_too
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            if special_too and ids == fixture["cases"][-1]["ids"]:
                continue
            fixture["cases"].append({"text": text, "special": special_too, "ids": ids})
    return fixture


def main():
    fixture = more_fixture(90)
    save("more", fixture)
    for pre, ids in fixture["ids"].items():
        cases = [{"text": t, "special": 0, "ids": i} for t, i in zip(fixture["texts"], ids)]
        theirs = by_llama(dict(fixture, pre=pre), cases)
        off = [a["text"] for a, b in zip(cases, theirs) if a["ids"] != b["ids"]]
        print(pre, len(cases), "cases; llama.cpp differs in", len(off), off[:12])
    if "--more" in sys.argv:
        return
    for seed, pre in enumerate(["deepseek-llm", "qwen35", "seed-coder", "jais-2", "minicpm5",
                                "falcon"]):
        save("bpe_" + pre.replace("-", ""), bpe_fixture(pre, 70 + seed))
    if "--bpe" in sys.argv:
        return
    save("unigram", unigram_fixture(60))
    save("wordpiece", wordpiece_fixture(61))
    save("wordpiece_cased", wordpiece_fixture(62, lowercase=False))
    save("wordpiece_accents", wordpiece_fixture(63, lowercase=True, strip_accents=False))
    for seed, pre in enumerate(["tekken", "gpt-4o", "deepseek-coder", "deepseek-v3", "bloom",
                                "viking"]):
        save("bpe_" + pre.replace("-", ""), bpe_fixture(pre, 40 + seed))
    for seed, pre in enumerate(["gpt-2", "llama-bpe", "qwen2", "smollm"]):
        fixture = bpe_fixture(pre, seed)
        theirs = by_llama(fixture, fixture["cases"])
        off = [a["text"] for a, b in zip(fixture["cases"], theirs) if a["ids"] != b["ids"]]
        print(pre, len(fixture["cases"]), "cases; llama.cpp differs in", len(off), off[:8])
        save("bpe_" + pre.replace("-", ""), fixture)
    fixture = dict(bpe_fixture("gpt-2", 9), pre="default")
    fixture["cases"] = by_llama(fixture, fixture["cases"])
    save("bpe_default", fixture)
    fixture = spm_fixture(20)
    plain = [c for c in fixture["cases"] if not c["special"] and "<note>" not in c["text"]]
    theirs = by_llama(fixture, plain)
    off = [a["text"] for a, b in zip(plain, theirs) if a["ids"] != b["ids"]]
    print("spm", len(fixture["cases"]), "cases; llama.cpp differs in", len(off), off[:8])
    save("spm", fixture)


if __name__ == "__main__":
    main()
