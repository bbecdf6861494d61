"""Write and read GGUF version 3 files with F32, F16 and Q8_0 tensors."""
import struct

import numpy as np

U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
TYPE_F32, TYPE_F16, TYPE_Q8_0 = 0, 1, 8
ALIGN = 32


def q8_0(x):
    """Blocks of 32: an fp16 scale amax / 127 and 32 signed bytes round(x / d)."""
    x = np.ascontiguousarray(x, np.float32).reshape(-1, 32)
    d = (np.abs(x).max(1) / 127).astype(np.float16)
    wide = d.astype(np.float32)
    inverse = np.divide(1.0, wide, out=np.zeros_like(wide), where=wide > 0)
    q = np.clip(np.rint(x * inverse[:, None]), -127, 127).astype(np.int8)
    return np.rec.fromarrays([d, q], dtype=[("d", "<f2"), ("q", "i1", (32,))]).tobytes()


def q8_0_back(raw):
    blocks = np.frombuffer(raw, dtype=[("d", "<f2"), ("q", "i1", (32,))])
    return (blocks["d"].astype(np.float32)[:, None] * blocks["q"].astype(np.float32)).reshape(-1)


def _string(s):
    raw = s.encode("utf-8")
    return struct.pack("<Q", len(raw)) + raw


def _value(kind, v):
    if kind == STRING:
        return _string(v)
    return struct.pack({U32: "<I", I32: "<i", F32: "<f", BOOL: "<?"}[kind], v)


def write(path, pairs, tensors):
    """pairs: (key, kind, value), kind a number or (ARRAY, element kind).

    tensors: (name, float array, type); the array is [rows, columns] or [columns].
    """
    out = bytearray(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs)))
    for key, kind, value in pairs:
        out += _string(key)
        if isinstance(kind, tuple):
            out += struct.pack("<IIQ", ARRAY, kind[1], len(value)) + b"".join(_value(kind[1], v) for v in value)
        else:
            out += struct.pack("<I", kind) + _value(kind, value)
    blobs, at = [], 0
    for name, array, kind in tensors:
        dims = array.shape[::-1]
        blob = {TYPE_F32: lambda a: a.astype("<f4").tobytes(), TYPE_F16: lambda a: a.astype("<f2").tobytes(),
                TYPE_Q8_0: q8_0}[kind](np.asarray(array))
        out += _string(name) + struct.pack("<I", len(dims)) + struct.pack(f"<{len(dims)}Q", *dims)
        out += struct.pack("<IQ", kind, at)
        blob += bytes(-len(blob) % ALIGN)
        blobs.append(blob)
        at += len(blob)
    out += bytes(-len(out) % ALIGN)
    with open(path, "wb") as f:
        f.write(out + b"".join(blobs))


def read(path):
    """Return ({key: value}, {name: float32 array})."""
    raw = open(path, "rb").read()
    at = 0

    def take(form):
        nonlocal at
        values = struct.unpack_from("<" + form, raw, at)
        at += struct.calcsize("<" + form)
        return values[0]

    def text():
        nonlocal at
        n = take("Q")
        at += n
        return raw[at - n:at].decode("utf-8")

    def value(kind):
        if kind == STRING:
            return text()
        if kind == ARRAY:
            inner, n = take("I"), take("Q")
            return [value(inner) for _ in range(n)]
        return take({0: "B", 1: "b", 2: "H", 3: "h", U32: "I", I32: "i", F32: "f", BOOL: "?", 10: "Q", 11: "q", 12: "d"}[kind])

    if raw[:4] != b"GGUF":
        raise ValueError("not a GGUF file")
    at = 4
    if take("I") != 3:
        raise ValueError("not version 3")
    n_tensors, n_pairs = take("Q"), take("Q")
    pairs = {}
    for _ in range(n_pairs):
        key = text()
        pairs[key] = value(take("I"))
    infos = []
    for _ in range(n_tensors):
        name = text()
        dims = [take("Q") for _ in range(take("I"))]
        infos.append((name, dims, take("I"), take("Q")))
    base = at + -at % pairs.get("general.alignment", ALIGN)
    tensors = {}
    for name, dims, kind, offset in infos:
        n = int(np.prod(dims))
        size = {TYPE_F32: 4 * n, TYPE_F16: 2 * n, TYPE_Q8_0: n // 32 * 34}[kind]
        blob = raw[base + offset:base + offset + size]
        flat = {TYPE_F32: lambda b: np.frombuffer(b, "<f4"), TYPE_F16: lambda b: np.frombuffer(b, "<f2").astype(np.float32),
                TYPE_Q8_0: q8_0_back}[kind](blob)
        tensors[name] = np.array(flat, np.float32).reshape(dims[::-1])
    return pairs, tensors
