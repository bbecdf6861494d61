"""A small llama-architecture decoder: RMSNorm, RoPE on consecutive pairs, SwiGLU, tied output."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

SHAPES = {
    "support": dict(width=256, hidden=512, layers=2, heads=8, kv_heads=8, context=512, eps=1e-5, base=10000.0),
    "desk": dict(width=192, hidden=512, layers=3, heads=6, kv_heads=6, context=512, eps=1e-5, base=10000.0)}


def rms_norm(x, weight, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


class LockedDropout(nn.Module):
    """Drops the same features at every position of a sequence."""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training or not self.p:
            return x
        mask = torch.empty(x.shape[0], 1, x.shape[2], dtype=x.dtype).bernoulli_(1 - self.p)
        return x * mask.div_(1 - self.p)


class Norm(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x):
        return rms_norm(x, self.weight, self.eps)


def rope_table(length, dim, base):
    """exp(i * angle) [length, 1, dim / 2] as complex numbers."""
    angle = torch.outer(torch.arange(length).float(), base ** (-torch.arange(0, dim, 2).float() / dim))
    return torch.polar(torch.ones_like(angle), angle)[:, None]


def rotate(x, turn):
    """Rotate the pairs (2i, 2i+1) of x [batch, time, heads, dim]."""
    pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * turn).flatten(-2)


class Layer(nn.Module):
    def __init__(self, width, hidden, heads, kv_heads, eps, dropout):
        super().__init__()
        self.heads, self.kv_heads, self.dim = heads, kv_heads, width // heads
        self.attn_norm, self.ffn_norm = Norm(width, eps), Norm(width, eps)
        self.attn_q = nn.Linear(width, width, bias=False)
        self.attn_k = nn.Linear(width, kv_heads * self.dim, bias=False)
        self.attn_v = nn.Linear(width, kv_heads * self.dim, bias=False)
        self.attn_output = nn.Linear(width, width, bias=False)
        self.ffn_gate = nn.Linear(width, hidden, bias=False)
        self.ffn_up = nn.Linear(width, hidden, bias=False)
        self.ffn_down = nn.Linear(hidden, width, bias=False)
        self.drop = LockedDropout(dropout)

    def attend(self, x, turn):
        batch, time, _ = x.shape
        h, g = self.heads, self.kv_heads
        qkv = F.linear(x, torch.cat((self.attn_q.weight, self.attn_k.weight, self.attn_v.weight)))
        q, k, v = qkv.view(batch, time, h + 2 * g, self.dim).split((h + g, 0, g), 2)
        q, k = rotate(q, turn).to(v.dtype).split((h, g), 2)
        if g != h:
            k, v = k.repeat_interleave(h // g, 2), v.repeat_interleave(h // g, 2)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        if hasattr(F, "scaled_dot_product_attention"):
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:                               # torch before 2.0
            score = (q @ k.transpose(2, 3)).float() / math.sqrt(self.dim)
            ahead = torch.ones(time, time, dtype=torch.bool).triu(1)
            y = score.masked_fill(ahead, float("-inf")).softmax(-1).to(v.dtype) @ v
        return self.attn_output(y.transpose(1, 2).reshape(batch, time, -1))

    def forward(self, x, turn):
        x = x + self.drop(self.attend(self.attn_norm(x), turn))
        both = F.linear(self.ffn_norm(x), torch.cat((self.ffn_gate.weight, self.ffn_up.weight)))
        gate, up = both.chunk(2, -1)
        return x + self.drop(self.ffn_down(F.silu(gate) * up))


class Llama(nn.Module):
    """shape: dict with vocab, width, hidden, layers, heads, kv_heads, context, eps, base."""

    def __init__(self, shape, dropout=0.0):
        super().__init__()
        self.shape = dict(shape)
        self.token_embd = nn.Embedding(shape["vocab"], shape["width"])
        self.blk = nn.ModuleList([Layer(shape["width"], shape["hidden"], shape["heads"], shape["kv_heads"],
                                        shape["eps"], dropout) for _ in range(shape["layers"])])
        self.output_norm = Norm(shape["width"], shape["eps"])
        self.drop = LockedDropout(dropout)
        self.turn = rope_table(shape["context"], shape["width"] // shape["heads"], shape["base"])
        for name, p in self.named_parameters():
            if p.dim() == 2:
                scale = 0.02 if "embd" in name else 1 / math.sqrt(p.shape[1])
                if "attn_output" in name or "ffn_down" in name:
                    scale /= math.sqrt(2 * shape["layers"])
                nn.init.normal_(p, 0, scale)

    def states(self, ids):
        """Normed final states [batch, time, width]; right padding needs no mask."""
        x = self.drop(self.token_embd(ids))
        for layer in self.blk:
            x = layer(x, self.turn[:ids.shape[1]])
        return self.output_norm(x)

    def logits(self, states):
        return F.linear(states, self.token_embd.weight)
