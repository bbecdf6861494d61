#!/usr/bin/env python3
"""Write machines/train.jsonl: synthetic machine reports with fault and severity.

Every line is {"machine", "sensors", "note", "fault", "severity"}.  The phrases
lie in tables beside this script ("<a|b>" is a choice; a kind or fault ending
in "@", or a tag "@", is in a language other than English):

  notes.tsv     fault TAB what the operator writes about it
  severity.tsv  level TAB tag TAB phrase (m: about limits, s: physical danger,
                g: goes with anything)
  frames.tsv    neg/guess/old/instr/talk/side/join phrases; lay and fix words
  machines.tsv  tags TAB machines (X coupled, P pump, S shaft seal, I rotor that
                can be out of balance, B belt drive, K can plug up)

Severity is drawn first.  A channel that belongs to the fault is then put below
its warning limit (low), between warning and trip (medium) or past trip (high);
where the limits are not shown, the note says how bad it is.  Pushed readings of
a sensor_fault are not what decides its severity; its note does.

Usage: python3 make_train.py [--lines 12000] [--seed 23] [--out ../train.jsonl]
"""
import argparse
import json
import random
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
LEVELS = ["low", "medium", "high"]
# Fault -> (machine tag it needs, share of low/medium/high, channels that show it)
FAULTS = {
    "bearing_wear": ("X", (3, 4, 3), "env acc vib btemp"),
    "misalignment": ("X", (3, 5, 2), "axial vib2x vib"),
    "imbalance": ("I", (3, 4, 3), "vib1x vib vibh"),
    "lubrication_loss": ("X", (3, 4, 3), "oillevel oilpress btemp ultra"),
    "overheating": ("X", (3, 4, 3), "wtemp gtemp otemp"),
    "belt_slip": ("B", (3, 4, 3), "driven slip"),
    "cavitation": ("P", (3, 4, 3), "suction flow acc disch"),
    "seal_leak": ("S", (3, 4, 3), "leak sealpot"),
    "sensor_fault": ("X", (50, 42, 8), ""),
    "electrical_fault": ("X", (3, 4, 3), "unbal amps megger"),
    "blockage": ("K", (3, 4, 3), "dp flow amps"),
    "no_fault": ("X", (), "")}
# Channel -> (names, units, normal low, high, direction, decimals); the other
# units of a pair are converted by CONVERT.
CHANNELS = {
    "vib": ("vib|vibration|overall vib|vib DE|vib NDE|velocity RMS|vel|vib overall", "mm/s", .8, 3.6, 1, 1),
    "vibh": ("vib horizontal|vib H|radial vib|vib DE-H|horiz. velocity", "mm/s", .8, 3.6, 1, 1),
    "vib1x": ("1x amplitude|1X|1x radial|vib at 1x rpm|once-per-rev", "mm/s", .5, 2.5, 1, 1),
    "vib2x": ("2x amplitude|2X|2x axial|vib at 2x rpm|twice-per-rev", "mm/s", .3, 1.5, 1, 1),
    "axial": ("axial vib|vib axial|vib A|vib DE-A|axial velocity", "mm/s", .5, 2.2, 1, 1),
    "acc": ("acceleration|HF acc|peak g|accel|high freq vib|g-level", "g", .4, 3, 1, 1),
    "env": ("envelope|gE|enveloped acc|demod|bearing band|BDU", "gE", .3, 2, 1, 2),
    "ultra": ("ultrasonic|ultrasound|US level|dB level", "dB", 18, 34, 1, 0),
    "btemp": ("bearing temp|brg temp|T bearing|DE bearing temperature|TE bearing|NDE brg", "C", 38, 68, 1, 0),
    "wtemp": ("winding temp|motor temp|stator temp|T winding|motor frame|RTD winding", "C", 55, 95, 1, 0),
    "gtemp": ("gearbox temp|gear unit temp|casing temp|T gearbox|housing temp", "C", 42, 70, 1, 0),
    "otemp": ("oil temp|oil sump temp|T oil|lube oil temperature", "C", 38, 62, 1, 0),
    "amps": ("motor current|current|amps|I motor|load current", "A", 4, 240, 1, 0),
    "unbal": ("phase unbalance|current imbalance between phases|phase imbalance|neg. sequence", "%", .5, 2, 1, 1),
    "megger": ("insulation|IR test|insulation resistance", "Mohm", 40, 900, -1, 0),
    "slip": ("belt slip|slip|speed loss at driven pulley", "%", .5, 1.8, 1, 1),
    "driven": ("driven speed|fan shaft speed|driven rpm|output speed|tail pulley", "rpm", 60, 2900, -1, 0),
    "speed": ("speed|motor speed|rpm|n", "rpm", 480, 3580, 0, 0),
    "suction": ("suction pressure|inlet pressure|P suction|suct", "bar", .6, 3.5, -1, 2),
    "disch": ("discharge pressure|outlet pressure|P disch|delivery pressure", "bar", 2, 24, -1, 1),
    "flow": ("flow|flow rate|throughput|Q", "m3/h", 8, 900, -1, 0),
    "dp": ("dp filter|differential pressure|delta P|filter dp|dP strainer", "mbar", 40, 220, 1, 0),
    "oillevel": ("oil level|lube level|sump level|grease reservoir|level", "%", 62, 95, -1, 0),
    "oilpress": ("oil pressure|lube pressure|lube oil press|P oil", "bar", 1.4, 4.5, -1, 1),
    "leak": ("seal leakage|leak rate|seal drain flow", "ml/h", 2, 20, 1, 0),
    "sealpot": ("seal pot level|barrier fluid level|seal tank", "%", 60, 92, -1, 0),
    "load": ("load|motor load|torque", "%", 40, 92, 0, 0)}
CONVERT = {"mm/s": (("mm/s", 1, 0), ("mm/s", 1, 0), ("mm/s rms", 1, 0), ("ips", .0394, 2), ("in/s", .0394, 2)),
           "bar": (("bar", 1, None), ("bar", 1, None), ("psi", 14.5, 0), ("kPa", 100, 0)),
           "m3/h": (("m3/h", 1, 0), ("gpm", 4.4, 0), ("l/min", 16.7, 0), ("t/h", .8, 0)),
           "mbar": (("mbar", 1, 0), ("kPa", .1, 1), ("inH2O", .4, 0), ("Pa", 100, 0))}
# Extra channels that a machine may report, by tag.
BY_TAG = {"P": "suction disch flow", "B": "driven", "K": "dp", "S": "sealpot leak",
          "X": "vib btemp wtemp amps speed load otemp vibh", "I": "vib1x axial"}
# Notes that are too grave for the lower levels, and ones too slight for the higher.
GRAVE = [(r"collaps|shredded|torn to|sheared|flashover|with a bang|everywhere|blown out|spraying|jet of|smok|"
          r"seized|no flow|stands still|spinning free|will not start|frozen solid|stopped it|stopped by it|short circuit|arcing", 2),
         (r"chewed|broken|burnt|cracked|jammed|stuck|empty|dry|trips|gone|lost|shot|clogged|plugged|choked|failed|"
          r"cook|roast|puddle|stream|come off|dropped|shaft has|blocked|worn out|torn|dead|missing|off line|full of|fuse", 1)]
# A phrase naming one of these is kept for machines so named (nearly always).
NOUNS = ("pump fan conveyor gearbox compressor generator agitator mill turbine crusher grinder hydraulic drum crane centrifuge "
         "mixer spindle cylinder elevator blower dryer stern winch saw boiler").split()
SLIGHT = r"early stage|seepage|weep|at start$|for weeks|a little|slightly|a touch|close to"


def rows(name):
    for line in (HERE / name).read_text(encoding="utf-8").splitlines():
        if line.strip():
            yield line.split("\t")


def load():
    tables = {"notes": {}, "sev": {}, "frames": {}, "lay": {}, "fix": {}, "machines": []}
    for fault, text in rows("notes.tsv"):
        tables["notes"].setdefault(fault, []).append(text)
    for level, tag, text in rows("severity.tsv"):
        tables["sev"].setdefault(level, []).append((tag, text))
    for kind, *rest in rows("frames.tsv"):
        if kind in ("lay", "fix"):
            tables[kind][rest[0]] = rest[1].split("|")
        else:
            tables["frames"].setdefault(kind, []).append(rest[0])
    for tags, names in rows("machines.tsv"):
        tables["machines"] += [(n, tags) for n in names.split(",")]
    return tables


def pick(text, rng):
    """Resolve the "<a|b>" choices of a phrase."""
    return re.sub(r"<([^<>]*)>", lambda m: rng.choice(m[1].split("|")), text)


class Channel:
    """One measured value with its normal, warning and trip levels."""

    def __init__(self, key, rng):
        self.r = rng
        names, unit, lo, hi, self.sign, self.dec = CHANNELS[key]
        self.name = rng.choice(names.split("|"))
        self.base = 10 ** rng.uniform(0, 1) * lo if hi > 20 * lo else rng.uniform(lo, hi)
        if key in ("amps", "driven", "flow"):
            self.base = min(hi, lo * (hi / lo) ** rng.random())
        if unit == "C":
            self.warn = self.base + rng.uniform(12, 28)
            self.trip = self.warn + rng.uniform(8, 22)
        elif key == "ultra":
            self.warn, self.trip = self.base + 8, self.base + 16
        elif self.sign > 0:
            near = key in ("amps",)
            self.warn = self.base * (rng.uniform(1.1, 1.25) if near else rng.uniform(1.5, 2.4))
            self.trip = self.warn * (rng.uniform(1.08, 1.2) if near else rng.uniform(1.3, 1.7))
        else:
            near = key == "driven"
            self.warn = self.base * (rng.uniform(.9, .95) if near else rng.uniform(.6, .8))
            self.trip = self.warn * (rng.uniform(.86, .93) if near else rng.uniform(.5, .75))
        self.unit, factor, dec = rng.choice(CONVERT.get(unit, ((unit, 1, None),)))
        shift = 0
        if unit == "C":
            self.unit = rng.choice(["C", "C", "°C", "degC", " C"])
            if rng.random() < .25:
                self.unit, factor, shift = rng.choice(["F", "°F"]), 1.8, 32
        if dec is not None and factor != 1:
            self.dec = dec
        self.base, self.warn, self.trip = (x * factor + shift for x in (self.base, self.warn, self.trip))
        if rng.random() < .5 and unit != "gE":  # round limits, as people set them
            step = 10 ** -self.dec * (5 if self.dec == 0 and self.warn > 40 and self.warn - self.base > 12 else 1)
            self.warn, self.trip = round(self.warn / step) * step, round(self.trip / step) * step
        self.now = self.base

    def push(self, level):
        """Set the value: None normal, 0 below warning, 1 past warning, 2 past trip."""
        a, b = {None: (self.base, self.base + .12 * (self.warn - self.base)), 0: (self.base, self.warn), 1: (self.warn, self.trip),
                2: (self.trip, self.trip + (self.trip - self.base) * .9)}[level]
        if level == 2 and self.sign < 0:
            b = self.trip * .3
        self.now = a + (b - a) * self.r.uniform(*((0, 1) if level is None else (.45, .88) if level == 0 else (.12, .85)))
        texts = [self.fmt(x) for x in (self.now, self.warn, self.trip)]
        return len(set(texts)) == 3  # False: rounding hides the difference

    def fmt(self, x):
        return f"{x:.{self.dec}f}"

    def show(self, style, rise=False):
        f, r = self.fmt, self.r
        gap = "" if self.unit in ("%", "C", "F", "A") and r.random() < .5 else " "
        text = f"{self.name}{r.choice([' ', ' ', ': ', ' = ', '='])}{f(self.now)}{gap}{self.unit.strip()}"
        w, t, b = f(self.warn), f(self.trip), f(self.base)
        both = [f"(warn {w}, trip {t})", f"(alert {w} / danger {t})", f"[W {w} T {t}]", f"(limits {w}/{t})", f", warning at {w}, trip at {t}",
                f"(alarm {w}, shutdown {t})", f"(alarm 1 {w}, alarm 2 {t})", f"warn={w} trip={t}", f"(base {b}, warn {w}, trip {t})", f"; alert {w}, trip {t}"]
        if self.sign < 0:
            both = [f"(low warn {w}, low trip {t})", f"(min {w}, trip below {t})", f"[L {w} LL {t}]", f"(normal {b}, low alarm {w}, trip {t})",
                    f"(L {w}, LL {t})", f"(should be {b}, warn under {w}, trip under {t})"]
        if style == "both":
            text += " " + r.choice(both) if not rise or self.sign < 0 else " " + r.choice(both)
        elif style == "warn":
            text += " " + r.choice([f"(limit {w})", f"(warn {w})", f"/ alarm {w}", f"(alert at {w})"] if self.sign > 0 else
                                   [f"(min {w})", f"(low limit {w})", f"(alarm below {w})"])
        elif style == "base":
            text += " " + r.choice([f"(baseline {b})", f"(normal {b})", f"(usually {b})", f", was {b} last month", f"vs {b} at commissioning", f"(ref {b})"])
        if rise:
            text += " " + r.choice([f"up from {b} in {r.randint(5, 50)} min", "rising fast", f"({b} an hour ago)", "and climbing"] if self.sign > 0 else
                                   [f"down from {b} in {r.randint(5, 50)} min", "falling fast", f"({b} an hour ago)", "still dropping"])
        return re.sub(r" ([,;])", r"\1", text)


def odd_reading(ch, rng):
    """What a broken instrument shows, often with a second opinion beside it."""
    good, u = ch.fmt(ch.now), ch.unit.strip()
    scale = ch.fmt(ch.trip * rng.uniform(1.4, 9))
    bad = rng.choice([f"{scale} {u}", f"{scale} {u} (trip {ch.fmt(ch.trip)})", f"-{rng.choice([40, 99, 200, 18, 1])} {u}", f"0 {u}", "NaN", "----",
                      f"jumping 0 to {scale} {u}", f"{good} {u} frozen for {rng.randint(2, 90)} h", f"999 {u}", "bad quality", f"spikes to {scale} {u}", "3.5 mA"])
    check = rng.choice(["", "", f", handheld {good} {u}", f" (portable {good} {u})", f", second channel {good} {u}", f"; local gauge {good} {u}"])
    return f"{ch.name} {bad}{check}"


def sensors_for(fault, sev, tags, rng):
    """Sensor summary, and whether it alone shows the severity."""
    level = LEVELS.index(sev) if sev != "none" else None
    keys = FAULTS[fault][2].split()
    keys = [k for k in keys if k not in ("suction", "disch") or "P" in tags or k == "dp"]
    if fault == "blockage" and "P" not in tags and rng.random() < .6:
        keys = ["dp", "amps"]
    style = rng.choices(["both", "warn", "base", "none"], [50, 18, 22, 10])[0]
    if rng.random() < .03:
        return rng.choice(["none fitted", "no readings", "n/a", "not instrumented", "offline", "-", "no sensors on this one", "not connected"]), False, False
    out, used, visible = [], set(), style == "both" or (style == "warn" and level in (None, 0, 1))
    hidden = fault not in ("no_fault", "sensor_fault") and rng.random() < .08
    for i, key in enumerate(rng.sample(keys, min(len(keys), rng.choice([1, 1, 2])))):
        ch = Channel(key, rng)
        target = level if i == 0 or rng.random() < .6 else max(0, level - 1)
        for _ in range(20):
            if ch.push(None if hidden else target):
                break
            ch = Channel(key, rng)
        else:
            visible = False
        rise = level == 2 and not hidden and rng.random() < .25
        visible = visible or rise
        out.append(ch.show(style, rise))
        used.add(key)
    pool = sorted({k for t in tags for k in BY_TAG.get(t, "").split()} - used - set(keys))
    for i, key in enumerate(rng.sample(pool, min(len(pool), rng.choice([1, 1, 2, 2, 3] if out else [2, 2, 3])))):
        ch = Channel(key, rng)
        for _ in range(20):
            if ch.push(None):
                break
            ch = Channel(key, rng)
        if fault == "sensor_fault" and i == 0 and rng.random() < .93:
            out.append(odd_reading(ch, rng))
        else:
            out.append(ch.show(style if ch.sign and (style != "both" or rng.random() < .6) else "none"))
    rng.shuffle(out)
    text = rng.choice([", ", ", ", "; ", " | ", " / ", ". "]).join(out)
    if rng.random() < .07:
        text = re.sub(r"(\d)\.(\d)", r"\1,\2", text)
    return text, visible and not hidden and fault != "sensor_fault", not hidden


def note_for(fault, sev, visible, measured, machine, tables, rng):
    """The operator's note: clue, severity phrase and what people write round them."""
    fr, foreign = tables["frames"], rng.random() < .08
    level = LEVELS.index(sev) if sev != "none" else -1

    def fits(text):
        if fault == "no_fault":
            return True
        least = next((n for rx, n in GRAVE if re.search(rx, text)), 0)
        return (fault == "sensor_fault" or least <= level) and not (level == 2 and re.search(SLIGHT, text))
    clues = [c for c in tables["notes"][fault + ("@" if foreign else "")] if foreign or fits(c)]
    name, tags = machine
    apt = [c for c in clues if not any(re.search(r"\b" + n, c) and n not in name for n in NOUNS)]
    clues = apt if apt and rng.random() < .93 else clues
    raw = rng.choice(clues)
    clue = pick(raw, rng)
    # The foreign notes of a fault: two German, two Spanish, one Polish, one Hindi, the rest German.
    tongue = dict(enumerate((0, 0, 1, 1, 2, 3))).get(tables["notes"][fault + "@"].index(raw), 0) if foreign else None
    others = [f for f in tables["lay"] if f != fault and FAULTS[f][0] in tags]
    lay = lambda: rng.choice(tables["lay"][rng.choice(others)])
    x = rng.random()
    if x < .10:
        clue += rng.choice(fr["join"]) + pick(rng.choice([c for c in clues if pick(c, rng) != clue] or clues), rng)
    elif x < .20:
        clue = pick(rng.choice(fr["guess"]), rng).replace("{o}", lay()) + " " + clue
    elif x < .28:
        fixed = rng.choice(tables["fix"][rng.choice(others)])
        clue = pick(rng.choice(fr["old"]), rng).replace("{f}", fixed) + " " + clue
    elif x < .44:
        neg = rng.choice(fr["neg"]).replace("{o}", lay())
        clue = rng.choice([f"{neg}, {clue}", f"{clue}, {neg}", f"{clue}. {neg}", f"{neg}; {clue}", f"{neg}. {clue}"])
    bits = [clue]
    if not visible and sev != "none" or rng.random() < .5:
        ok = [t for tag, t in tables["sev"][sev] if tag == "g" or tag == "m" and measured and fault != "sensor_fault"
              or tag == "s" and fault != "sensor_fault"]
        if foreign and rng.random() < .7:
            ok = [[t for tag, t in tables["sev"][sev] if tag == "@"][tongue]]
        bits.append(pick(rng.choice(ok), rng))
        if rng.random() < .3:
            bits.reverse()
    if rng.random() < .25:
        bits.insert(rng.randint(0, len(bits)), rng.choice(fr["talk"]))
    if rng.random() < .05:
        bits.append(rng.choice(fr["side"]))
    if rng.random() < .05:
        line = rng.choice(fr["instr"]).replace("{s}", rng.choice(LEVELS + ["none"])).replace("{l}", rng.choice(sorted(FAULTS)))
        bits.insert(rng.choice([0, len(bits)]), line)
    joint = rng.choice([". ", ". ", ", ", "; ", " - ", ". "])
    note = joint.join(bits)
    if rng.random() < .6:
        note = re.sub(r"(^|\. )([a-zäöü])", lambda m: m[1] + m[2].upper(), note)
    return note + rng.choice(["", ".", ".", "", "!" if sev == "high" else ""])


def report(fault, tables, rng):
    need, share, _ = FAULTS[fault]
    sev = rng.choices(LEVELS, share)[0] if share else "none"
    machine = rng.choice([m for m in tables["machines"] if need in m[1]])
    name, tags = machine
    n = rng.randint(1, 99)
    where = rng.choice(["north hall", "line 2", "bay 4", "unit A", "plant 3", "shop 1", "east wing", "deck 2", "area 51", "train B"])
    code = rng.choice(["P", "M", "K", "FN", "MX", "GB", "EQ", "C"]) + f"-{rng.randint(100, 999)}"
    name = rng.choice([name, name, f"{name} {n}", f"{name} {code}", f"{code} {name}", f"{name} #{n}", f"{name}, {where}", f"{where} {name}"])
    if rng.random() < .5:
        name = name[0].upper() + name[1:]
    sensors, visible, measured = sensors_for(fault, sev, tags, rng)
    note = note_for(fault, sev, visible, measured, machine, tables, rng)
    if not 5 <= len(note.split()) <= 50:
        return None
    return {"machine": name, "sensors": sensors, "note": note, "fault": fault, "severity": sev}


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--lines", type=int, default=12000)
    ap.add_argument("--seed", type=int, default=23)
    ap.add_argument("--out", type=Path, default=HERE.parent / "train.jsonl")
    args = ap.parse_args()
    rng, tables, seen, faults = random.Random(args.seed), load(), set(), list(FAULTS)
    with args.out.open("w", encoding="utf-8") as out:
        while len(seen) < args.lines:
            item = report(rng.choices(faults, [1.35 if f == "no_fault" else 1 for f in faults])[0], tables, rng)
            line = item and json.dumps(item, ensure_ascii=False)
            if line and line not in seen:
                seen.add(line)
                out.write(line + "\n")


if __name__ == "__main__":
    main()
