#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""assay model: stopped by Ctrl-C, with a full disk, and what it holds beside a small model.

    model_stops.py BINARY [CLASS...]      Standard library only; the helpers are those of e2e.py.
"""
import fcntl
import os
import pathlib
import resource
import signal
import struct
import subprocess
import sys
import time
import unittest

import e2e
import flat

sys.path.insert(0, str(e2e.TOP / "tests/engine"))
import make_models as mm  # noqa: E402


def signals(pid, field):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1], 16) for line in status if line.startswith(field))


def has(mask, number):
    return mask >> (number - 1) & 1 == 1


def limit_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))


class Stopped(e2e.Case):
    def names(self):
        return sorted(path.name for path in self.dir.iterdir())

    def stopped(self, *args, ready=None):
        """Ctrl-C once the command has set up its signals (and `ready`): it dies of that."""
        before = self.names()
        with subprocess.Popen([e2e.BINARY, "model", *map(str, args)], cwd=self.dir,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            # main ignores SIGXFSZ behind catching SIGINT, which only these commands undo.
            while child.poll() is None and not (
                    has(signals(child.pid, "SigIgn"), signal.SIGXFSZ)
                    and not has(signals(child.pid, "SigCgt"), signal.SIGINT)
                    and (ready is None or ready(child.pid))):
                time.sleep(0.001)
            self.assertIsNone(child.poll(), "it ended by itself")
            child.send_signal(signal.SIGINT)
            out, err = child.communicate(timeout=60)
        self.assertEqual((child.returncode, out, err), (-signal.SIGINT, b"", b""), args)
        self.assertEqual(self.names(), before)

    def test_inspect(self):
        path = self.write("large.gguf", e2e.MODEL.read_bytes())
        os.truncate(path, 16 << 30)  # zeros that take no room but a while to hash
        self.stopped("inspect", path)

    def test_perplexity(self):
        self.write("text.txt", "the cat in the hat, then 1234 cats on a mat\n" * 400_000)
        self.stopped("perplexity", f"{e2e.MODEL}?ctx=64&cpu=portable", "text.txt")

    def test_bench(self):
        self.stopped("bench", f"{e2e.MODEL}?cpu=portable")

    def test_quantize(self):
        def waits(pid):
            with open("/proc/locks", encoding="ascii") as locks:
                return any("->" in line and f" {pid} " in line for line in locks)

        with open(self.dir / "new.gguf.tmp", "w", encoding="ascii") as other:
            other.write("what another process writes")
            other.flush()
            fcntl.flock(other, fcntl.LOCK_EX)
            self.stopped("quantize", e2e.MODEL, "new.gguf", "q4_0", "-q", ready=waits)
        # Nobody writes it any more: it was left behind by one that was killed, and goes.
        self.assay("model", "quantize", e2e.MODEL, "new.gguf", "q4_0")
        self.assertEqual(self.names(), ["new.gguf"])

    def test_full_disk(self):
        self.write("new.gguf", "old")
        done = self.assay("model", "quantize", e2e.MODEL, "new.gguf", "q4_0", code=3,
                          preexec_fn=limit_files)
        self.assertEqual((done.stdout, done.stderr.splitlines()[-1]),
                         ("", "assay: error: cannot write 'new.gguf': File too large"))
        self.assertEqual((self.dir / "new.gguf").read_text(), "old")
        self.assertEqual(self.names(), ["new.gguf"])


class Small(flat.Flat):
    """What does not grow with a model is less than a tenth of one of 135M weights at four bits."""
    TOKENS, WIDTH, HIDDEN, HEAD, WINDOW = 49152, 576, 1536, 64, 512
    BESIDE_MB = 10.5  # 87 of the file and 22 of keys and values, a tenth; it was 16

    test_runs = test_scoring = test_full_disk = None  # those of flat.py alone

    def model(self):
        def matrix(name, rows, cols):
            row = b"".join(struct.pack("<e32b", 0.001 + 0.0001 * (i % 5), *range(-16, 16))
                           for i in range(cols // 32))
            return name + ".weight", [cols, rows], "Q8_0", row * rows

        def norm(name):
            return name + ".weight", [self.WIDTH], "F32", struct.pack("<f", 1.0) * self.WIDTH

        width, hidden, kv = self.WIDTH, self.HIDDEN, 3 * self.HEAD
        tensors = [matrix("token_embd", self.TOKENS, width), norm("output_norm"),
                   norm("blk.0.attn_norm"), norm("blk.0.ffn_norm"),
                   matrix("blk.0.attn_q", width, width), matrix("blk.0.attn_k", kv, width),
                   matrix("blk.0.attn_v", kv, width), matrix("blk.0.attn_output", width, width),
                   matrix("blk.0.ffn_gate", hidden, width), matrix("blk.0.ffn_up", hidden, width),
                   matrix("blk.0.ffn_down", width, hidden)]
        tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
        kinds = [2, 3, 3] + [6] * 256
        tokens += ["\u2581" + str(i) for i in range(self.TOKENS - len(tokens))]
        kinds += [1] * (self.TOKENS - len(kinds))
        values = [("general.architecture", mm.STRING, "llama")]
        values += [("llama." + key, mm.U32, value) for key, value in (
            ("block_count", 1), ("context_length", 2048), ("embedding_length", width),
            ("feed_forward_length", hidden), ("attention.head_count", width // self.HEAD),
            ("attention.head_count_kv", 3))]
        values += [("llama.attention.layer_norm_rms_epsilon", mm.F32, 1e-5),
                   ("tokenizer.ggml.model", mm.STRING, "llama"),
                   ("tokenizer.ggml.tokens", mm.STRING, tokens),
                   ("tokenizer.ggml.scores", mm.F32, [-float(i) for i in range(self.TOKENS)]),
                   ("tokenizer.ggml.token_type", mm.I32, kinds)]
        mm.write_gguf(self.dir / "model.gguf", values, tensors)
        return (self.dir / "model.gguf").stat().st_size

    def test_memory(self):
        self.skip_sanitized()
        size = self.model() + self.WINDOW * 2 * 3 * self.HEAD * 2  # keys and values in f16
        self.write("text.txt", "the cat in the hat\n" * 60)  # a token a byte
        done = self.measured("model", "perplexity", "gguf:model.gguf?threads=2", "text.txt",
                             env={"HOME": str(self.dir)})
        self.assertIn("perplexity", done[0])
        self.assertLess(done[2] - size / (1 << 20), self.BESIDE_MB)


if __name__ == "__main__":
    e2e.BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
