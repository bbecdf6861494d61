"""Drawn values for make_train.py: numbers, dates, money, durations, formulas, names."""
import re

ONES = ("zero one two three four five six seven eight nine ten eleven twelve "
        "thirteen fourteen fifteen sixteen seventeen eighteen nineteen").split()
TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()
MONTHS = ("January February March April May June July August September October "
          "November December").split()


def words(n):
    """A whole number below a thousand million in English words."""
    for size, name in ((10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if n >= size:
            rest = n % size
            return words(n // size) + " " + name + (" " + words(rest) if rest else "")
    if n < 20:
        return ONES[n]
    return TENS[n // 10] + ("-" + ONES[n % 10] if n % 10 else "")


def ordinal(n):
    return f"{n}{'th' if 10 < n % 100 < 14 else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"


class Values:
    """Draws the values; one instance per passage keeps the parties the same."""
    UNITS = {  # kind: (unit, low, high, usual, weight)
        "term": [("year", 1, 25, [1, 2, 3, 5, 10], 6), ("month", 2, 84, [6, 12, 18, 24, 36], 6),
                 ("week", 4, 60, [12], 1)],
        "renew": [("year", 1, 7, [1, 2], 5), ("month", 1, 36, [1, 3, 6, 12], 6), ("week", 2, 30, [4], 1)],
        "notice": [("day", 5, 270, [30, 60, 90, 180], 7), ("month", 1, 18, [1, 2, 3, 6], 5),
                   ("week", 1, 30, [2, 4, 6], 2)],
        "pay": [("day", 3, 120, [7, 14, 30, 45, 60], 9), ("week", 1, 9, [2], 1), ("month", 1, 3, [1], 1)],
        "conf": [("year", 1, 20, [2, 3, 5, 7], 7), ("month", 6, 120, [12, 24, 36], 4)],
        "warr": [("month", 2, 72, [6, 12, 24], 6), ("year", 1, 12, [1, 2, 5], 4),
                 ("day", 20, 400, [30, 90, 180], 3), ("week", 2, 60, [6], 1)],
        "cure": [("day", 2, 90, [10, 14, 15, 30], 9), ("week", 1, 10, [2], 2),
                 ("month", 1, 4, [1], 1), ("hour", 12, 96, [48], 1)],
        "dur": [("day", 2, 200, [7, 30], 5), ("month", 1, 60, [6], 4), ("year", 1, 15, [5], 4),
                ("week", 1, 30, [2], 2), ("hour", 2, 96, [24], 1)]}
    SYMBOLS = ["$", "£", "€", "US$", "A$", "AUD ", "USD ", "EUR ", "GBP ", "CHF ", "INR ", "Rs. ",
               "SGD ", "CAD ", "C$", "NZ$", "SEK ", "PLN ", "AED ", "ZAR ", "JPY ", "NOK ", "₹", "R$ "]
    NAMED = {"$": "dollars", "£": "pounds sterling", "€": "euros", "Rs. ": "rupees", "CHF ": "Swiss francs"}
    BASES = ["the base rate of the Bank of England", "the Bank of England base rate", "base rate",
             "the ECB reference rate", "the base interest rate", "the statutory rate", "LIBOR", "SOFR",
             "EURIBOR", "the prime rate", "the RBA cash rate", "the SBI prime lending rate",
             "the ECB main refinancing rate", "the base lending rate of {co1} Bank"]

    def __init__(self, rng, names, services):
        self.r, self.n, self.services = rng, names, services
        a, b = rng.choice(names["role"]).split("/")
        the = rng.choice(["the ", "the ", "the ", ""])
        self.roles = (a, b)
        self.a, self.b = the + a, the + b
        if rng.random() < .2:
            self.a = self.company().split()[0]
        if rng.random() < .15:
            self.b = self.company().split()[0]
        self.doc = rng.choice(names["doc"])

    def company(self):
        n = self.n
        stem = "".join(self.r.choice(n["syl"]) for _ in range(self.r.choice([1, 1, 2])))
        return (stem + self.r.choice(n["end"])).capitalize() + " " + self.r.choice(n["suffix"])

    def count(self, unit, lo, hi, usual):
        return self.r.choice(usual) if self.r.random() < .35 else self.r.randint(lo, hi)

    def duration(self, kind, hyphen=False):
        r = self.r
        units = self.UNITS[kind]
        unit, lo, hi, usual, _ = r.choices(units, [u[4] for u in units])[0]
        n = self.count(unit, lo, hi, usual)
        if hyphen:
            return f"{words(n) if n < 40 and r.random() < .5 else n}-{unit}"
        special = r.random()
        if special < .012:
            return r.choice({"year": ["two and a half years", "18 months", "one (1) calendar year", "a year"],
                             "month": ["a month", "half a year", "a calendar month", "one quarter"],
                             "day": ["a fortnight", "ten clear days", "sixty clear days"],
                             "week": ["a fortnight", "a week"], "hour": ["two full days"]}[unit])
        word = unit + ("" if n == 1 else "s")
        if unit == "day" and r.random() < .3:
            word = r.choice(["calendar ", "business ", "working ", "Business ", "banking "]) + word
            word = word.replace("Business d", "Business D")
        elif unit in ("month", "year") and r.random() < .07:
            word = r.choice(["calendar ", "full ", "consecutive "]) + word
        w = words(n)
        forms = [f"{n} {word}"] * 5 + [f"{w} {word}"] * 3 + [f"{w} ({n}) {word}"] * 3 + [f"{n} ({w}) {word}"]
        if kind != "dur":
            forms += [f"{w.upper()} ({n}) {word}"] if r.random() < .15 else []
        return r.choice(forms)

    def money(self, lo, hi):
        r = self.r
        n = int(10 ** r.uniform(lo, hi))
        if r.random() < .6:
            n = max(1, round(n, -max(0, len(str(n)) - r.choice([2, 2, 3]))))
        s = r.choice(self.SYMBOLS)
        form = r.random()
        if n >= 10**6 and form < .35:
            return f"{s}{n / 10**6:.3g} {r.choice(['million', 'million', 'm', 'mn'])}"
        if s in ("INR ", "Rs. ", "₹") and n >= 10**5:
            if form < .6:
                return f"{s}{n / 10**5:.3g} {r.choice(['lakh', 'lakhs', 'Lakhs'])}"
            head, tail = str(n)[:-3], str(n)[-3:]
            return s + re.sub(r"(?<=\d)(?=(\d\d)+$)", ",", head) + "," + tail + r.choice(["", "/-"])
        if n >= 1000 and n % 1000 == 0 and form > .94:
            return f"{s}{n // 1000}{r.choice(['k', 'K'])}"
        if s in self.NAMED and form < .1:
            return f"{words(n)} {self.NAMED[s]} ({s.strip()}{n:,})"
        if form < .16:
            return f"{n:,} {r.choice(['euros', 'dollars', 'pounds', 'EUR', 'USD', 'rupees', 'GBP', 'CHF', 'kronor'])}"
        if s in ("EUR ", "€") and form < .4:
            return s + f"{n:,}".replace(",", r.choice([".", " "])) + r.choice(["", ",00"])
        return s + r.choice([f"{n:,}", f"{n:,}", f"{n:,}.00", f"{n}", f"{n:,}.{r.randint(0, 99):02d}"])

    def percent(self, lo=1, hi=24):
        r = self.r
        x = r.choice([r.randint(lo, hi), r.randint(lo, hi), r.randint(lo * 4, hi * 4) / 4])
        t = f"{x:g}"
        out = [f"{t}%"] * 5 + [f"{t} per cent", f"{t} percent", f"{t} %"]
        if x == int(x):
            out += [f"{words(int(x))} percent ({t}%)", f"{words(int(x))} per cent"]
        return r.choice(out)

    def interest(self):
        r = self.r
        if r.random() < .4:
            base = r.choice(self.BASES).format(co1=self.company().split()[0])
            points = r.choice([self.percent(1, 10), self.percent(1, 10), f"{r.randint(1, 11)} percentage points"])
            return (points + r.choice(["", "", " per annum", " a year"])
                    + r.choice([" above ", " over ", " above "]) + base)
        monthly = r.random() < .45
        pct = self.percent(1, 4) if monthly else self.percent(3, 25)
        return pct + r.choice([" per month", " a month", " monthly", "/month"] if monthly else
                              [" per annum", " p.a.", " per year", " a year", " per annum", " annually"])

    def cap(self):
        r = self.r
        base = r.choice(["the fees paid", "the Charges paid", "the amounts paid or payable", "the total fees",
                         "the sums paid by {B}", "the fees actually received"]).replace("{B}", self.b)
        n = r.choice([3, 6, 12, 18, 24, r.randint(2, 36)])
        span = r.choice([words(n), str(n), f"{words(n)} ({n})"])
        forms = [lambda: f"{base} in the {r.choice(['preceding ', 'previous ', 'last ', 'prior '])}{span} months",
                 lambda: f"{self.percent(50, 200)} of the {r.choice(['annual Charges', 'Contract Price', 'fees paid', 'contract value', 'order value', 'annual fee', 'total Fees'])}",
                 lambda: r.choice(["the fees paid under {D}", "the Contract Price", "the value of the order", "twice the annual fee",
                                   "three times the annual Charges", "one year's fees", "the price of the defective Goods",
                                   "two times the fees paid", "the sum insured", "the net order value"]).replace("{D}", "this " + self.doc),
                 lambda: f"the {r.choice(['greater', 'higher', 'lesser', 'lower'])} of {self.money(4, 6.5)} and {self.percent(50, 200)} of the annual {r.choice(['fees', 'Charges'])}"]
        return self.money(4, 7.5) if r.random() < .5 else r.choice(forms)()

    def date(self):
        r = self.r
        d, m, y = r.randint(1, 28), r.randint(1, 12), r.randint(1996, 2039)
        name, short = MONTHS[m - 1], MONTHS[m - 1][:3]
        return r.choice([f"{d} {name} {y}", f"{d} {name} {y}", f"{name} {d}, {y}", f"{name} {d}, {y}", f"{ordinal(d)} {name} {y}",
                         f"{ordinal(d)} {name}, {y}", f"{d:02d}/{m:02d}/{y}", f"{y}-{m:02d}-{d:02d}", f"{d:02d}.{m:02d}.{y}",
                         f"{d} {short} {y}", f"{d:02d}-{short}-{y}", f"the {ordinal(d)} of {name} {y}", f"{short} {d}, {y}",
                         f"the {ordinal(d)} day of {name} {y}", f"{m}/{d}/{y % 100:02d}", f"{d}.{m}.{y}", f"{name} {ordinal(d)}, {y}"])

    def payday(self):
        r = self.r
        d = ordinal(r.randint(1, 28))
        return r.choice([f"the {d} of each month", f"the {d} day of the following month", f"the {d} of the month following the invoice",
                         "the last day of the month", f"the last {r.choice(['Friday', 'Monday', 'working day'])} of each month",
                         f"the {d} day of every quarter", "the end of the month following delivery", f"the {d} of the next month"])

    def net(self):
        r = self.r
        n = r.choice([7, 10, 14, 15, 21, 30, 45, 60, 75, 90, 120, r.randint(5, 99)])
        return r.choice([f"net {n}", f"Net {n}", f"net {n} days", f"{n} days net", f"NET {n}", f"{n} days end of month", f"{n} days EOM",
                         f"{n} days", f"net-{n}", f"2/10 net {n}", "on receipt of invoice", "upon receipt", "cash on delivery",
                         f"{n} days from month end", "strictly in advance"])

    def get(self, key):
        """The text for placeholder `key`."""
        r, n = self.r, self.n
        if key.startswith("h:"):
            return self.duration(key[2:], hyphen=True)
        if key in self.UNITS:
            return self.duration(key)
        anchors = [" of the invoice date", " of receipt of the invoice", " from the date of invoice", " after the date of the invoice",
                   " of receipt", " of delivery", " after receipt of a valid invoice", " from invoice", " following the month of invoice",
                   " of acceptance", " of the date on which the invoice is submitted", " of presentation of the invoice"]
        draw = {
            "A": lambda: self.a, "B": lambda: self.b, "An": lambda: self.roles[0], "Bn": lambda: self.roles[1],
            "D": lambda: r.choice(["this ", "this ", "the "]) + self.doc, "Dn": lambda: self.doc, "DN": lambda: self.doc.upper(),
            "m": lambda: self.money(1.5, 5.6), "M": lambda: self.money(4, 7.6), "pct": self.percent, "int": self.interest,
            "cap": self.cap, "date": self.date, "payday": self.payday, "net": self.net, "co": self.company,
            "dateord": lambda: f"{ordinal(r.randint(1, 28))} day of {r.choice(MONTHS)}{r.choice([',', ''])} {r.randint(1996, 2039)}",
            "event": lambda: r.choice(n["event"]).replace("{B}", self.b),
            "law": lambda: r.choice(n["law"])[0], "lawadj": lambda: r.choice(n["law"])[1],
            "state": lambda: r.choice(n["state"]), "stateof": lambda: r.choice(["the State of ", "the State of ", ""]),
            "city": lambda: r.choice(n["city"]), "first": lambda: r.choice(n["first"]),
            "name": lambda: r.choice(["", "", "", "Dr "]) + r.choice(n["first"]) + " " + r.choice(n["last"]),
            "svc": lambda: r.choice(self.services), "k": lambda: str(r.randint(1, 14)), "num": lambda: str(r.randint(2, 9000)),
            "cl": lambda: r.choice([f"{r.randint(1, 30)}", f"{r.randint(1, 30)}.{r.randint(1, 9)}", f"{r.randint(1, 9)}({r.choice('abcd')})"]),
            "payadv": lambda: r.choice(["monthly in advance", "quarterly in advance", "yearly in advance", "on receipt of invoice", "upon delivery",
                                        "in advance on the first day of each month", "monthly in arrears", "upon signature", "half-yearly in advance",
                                        "on completion", "before delivery", "in advance", f"on the {ordinal(r.randint(1, 28))} of each month"]),
            "per": lambda: r.choice(["", "", "", " per month", " per annum", " per year", " a month", " per quarter", " p.a.", "/month", " per calendar month", " each year"]),
            "rate": lambda: r.choice([" per hour", " an hour", "/hour", " per day", " a day", " per user per month", " per tonne", " per unit", " per kilometre",
                                      " per licence", " per seat per year", " per shift", " per visit", " per page", " per pallet", "/day"]),
            "from": lambda: r.choice(anchors + [""] * 4), "fromx": lambda: r.choice([a for a in anchors if a[:3] != " of"])}
        return draw[key]()
