"""On-the-fly changes to a message that keep its meaning: typing errors, txt-speak,
casing, lost punctuation, lost and swapped words, words from other languages."""
import re
from collections import defaultdict
from pathlib import Path

ROWS = ["1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"]
NEAR = defaultdict(str)
for _r, _row in enumerate(ROWS):
    for _i, _c in enumerate(_row):
        for _dr, _di in ((0, -1), (0, 1), (-1, 0), (-1, 1), (1, 0), (1, -1)):
            if 0 <= _r + _dr < len(ROWS) and 0 <= _i + _di < len(ROWS[_r + _dr]) and _r:
                NEAR[_c] += ROWS[_r + _dr][_i + _di] if _r + _dr else ""
SOUNDS = [("tion", "shun"), ("ssion", "shun"), ("ough", "uff"), ("ight", "ite"), ("ph", "f"), ("ck", "k"),
          ("ce", "se"), ("ci", "si"), ("ca", "ka"), ("co", "ko"), ("cu", "ku"), ("qu", "kw"), ("th", "f"), ("th", "d"),
          ("th", "v"), ("ea", "ee"), ("ee", "ea"), ("ie", "ei"), ("ei", "ie"), ("ou", "ow"), ("oo", "u"), ("ai", "ay"),
          ("er", "a"), ("or", "er"), ("re", "er"), ("ing", "in"), ("ing", "ing'"), ("ll", "l"), ("tt", "t"), ("ss", "s"),
          ("nn", "n"), ("mm", "m"), ("pp", "p"), ("rr", "r"), ("y", "i"), ("a", "e"), ("e", "i"), ("i", "e"), ("x", "ks"),
          ("s", "z"), ("wh", "w"), ("kn", "n"), ("ed", "d"), ("ed", "t"), ("le", "el"), ("ance", "ence"), ("ent", "ant")]
LATIN = set("abcdefghijklmnopqrstuvwxyz")


class Augment:
    def __init__(self, rng):
        self.rng = rng
        self.lexicon = {"x": defaultdict(list), "t": defaultdict(list)}
        for line in (Path(__file__).resolve().parent / "lexicon.tsv").read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                word, kind, other = line.split("\t")
                self.lexicon[kind][word] += other.split("|")

    def keys(self, text, rate):
        """Slips of the finger; `rate` is per character."""
        rng, out, i = self.rng, [], 0
        while i < len(text):
            c = text[i]
            i += 1
            if rng.random() >= rate:
                out.append(c)
                continue
            kind = rng.random()
            low = c.lower()
            if kind < .25:
                pass                                        # lost
            elif kind < .45 and i < len(text):
                out.append(text[i] + c)                     # swapped
                i += 1
            elif kind < .6:
                out.append(c + c)                           # doubled
            elif low in NEAR and NEAR[low]:
                near = rng.choice(NEAR[low])
                out.append(near if kind < .9 else c + near)
            else:
                out.append(c)
        return "".join(out)

    def swap_words(self, text, kind, chance):
        """Replace words that the lexicon has."""
        table = self.lexicon[kind]

        def one(m):
            hit = table.get(m[0].lower())
            return self.rng.choice(hit) if hit and self.rng.random() < chance else m[0]
        return re.sub(r"[A-Za-z']+", one, text)

    def spell(self, text, chance):
        """Spell some words as they sound, or without their vowels."""
        rng = self.rng

        def one(m):
            word = m[0]
            if len(word) < 4 or rng.random() > chance:
                return word
            if rng.random() < .3:
                return word[0] + re.sub("[aeiou]", "", word[1:], count=rng.choice((0, 0, 1, 2)))
            for _ in range(rng.choice((1, 1, 2))):
                a, b = rng.choice([s for s in SOUNDS if s[0] in word] or [("", "")])
                at = word.rfind(a) if rng.random() < .5 else word.find(a)
                if a and (at or rng.random() < .5):
                    word = word[:at] + b + word[at + len(a):]
            return word
        return re.sub(r"[A-Za-z]+", one, text)

    def words(self, text, lose, move, split):
        """Lose, swap, join or split words."""
        rng, out = self.rng, []
        words = text.split(" ")
        keep = max(2, len(words) // 2)
        for i, word in enumerate(words):
            roll = rng.random()
            if roll < lose and len(words) - i + len(out) > keep:
                continue
            out.append(word)
            if len(out) > 1 and rng.random() < move:
                out[-1], out[-2] = out[-2], out[-1]
            elif len(out) > 1 and rng.random() < split:
                out[-2:] = [out[-2] + out[-1]]
            elif len(word) > 4 and rng.random() < split:
                at = rng.randint(2, len(word) - 2)
                out[-1] = word[:at] + " " + word[at:]
        return " ".join(out)

    def case(self, text):
        roll = self.rng.random()
        if roll < .28:
            return text.lower()
        if roll < .36:
            return text.upper()
        if roll < .38:
            return text.title()
        if roll < .40:
            return text.swapcase()
        return text

    def points(self, text):
        rng, roll = self.rng, self.rng.random()
        if roll < .15:
            return re.sub(r"[.,;:!?'\"()]", "", text)
        if roll < .22:
            return re.sub(r"['’]", "", text)
        if roll < .26:
            return re.sub(r"[.,;]\s", lambda _: rng.choice(["... ", " ", " - ", "!! ", "\n"]), text)
        if roll < .31:
            return text.rstrip(".?! ") + rng.choice(["!!!", "???", "...", " ?!", "!!", "??", " :(", " 😡", " 😭", " 🙏", " lol", " smh"])
        return text

    def light(self, text):
        """Everyday unevenness."""
        text = self.case(self.points(text))
        return self.keys(text, .012) if self.rng.random() < .3 else text

    def heavy(self, text):
        """A hurried, careless or non-native writer."""
        rng = self.rng
        if rng.random() < .45:
            text = self.swap_words(text, "t", rng.uniform(.3, .9))
        if rng.random() < .25:
            text = self.swap_words(text, "x", rng.uniform(.2, .7))
        if rng.random() < .5:
            text = self.spell(text, rng.uniform(.1, .5))
        if rng.random() < .35:
            text = self.words(text, rng.choice((0, .08, .15)), rng.choice((0, .04)), rng.choice((0, .04)))
        if rng.random() < .6:
            text = self.keys(text, rng.choice((.02, .04, .07)))
        return self.case(self.points(text))

    def __call__(self, text, strength=.5):
        """strength: share of heavy changes; of the others half are light."""
        roll = self.rng.random()
        out = self.heavy(text) if roll < strength else self.light(text) if roll < (1 + strength) / 2 else text
        return out if out.strip() else text
