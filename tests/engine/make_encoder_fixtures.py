#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what transformers makes of the models of make_encoders.py, in double precision.

    make_encoder_fixtures.py > embeddings.json

Needs torch and transformers (5.24 was used). Vectors are pooled as sentence-transformers does and
have length 1.
"""
import json
import sys

import torch
from transformers import (BertConfig, BertModel, Gemma3TextConfig, Gemma3TextModel, LlamaConfig,
                          LlamaModel, NomicBertConfig, NomicBertModel, Qwen3Config, Qwen3Model)

import make_encoders as me

torch.set_default_dtype(torch.float64)


def common(shape, words):
    return dict(vocab_size=words, hidden_size=shape["width"], num_hidden_layers=shape["layers"],
                num_attention_heads=shape["heads"], intermediate_size=shape["ffn"],
                max_position_embeddings=me.CONTEXT)


def bert(shape, words):
    return BertModel(BertConfig(**common(shape, words), layer_norm_eps=me.EPSILON, hidden_act="gelu",
                                type_vocab_size=2), add_pooling_layer=False), {
        "embeddings.word_embeddings": "token_embd", "embeddings.token_type_embeddings": "token_types",
        "embeddings.position_embeddings": "position_embd", "embeddings.LayerNorm": "token_embd_norm",
        "attention.self.query": "attn_q", "attention.self.key": "attn_k",
        "attention.self.value": "attn_v", "attention.output.dense": "attn_output",
        "attention.output.LayerNorm": "attn_output_norm", "intermediate.dense": "ffn_up",
        "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm"}, "encoder.layer."


def nomic(shape, words):
    config = NomicBertConfig(**common(shape, words), layer_norm_eps=me.EPSILON, type_vocab_size=2,
                             rope_parameters={"rope_type": "default", "rope_theta": shape["base"]})
    return NomicBertModel(config, add_pooling_layer=False), {
        "embeddings.word_embeddings": "token_embd", "embeddings.token_type_embeddings": "token_types",
        "embeddings.LayerNorm": "token_embd_norm",
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output", "post_attention_layernorm": "attn_output_norm",
        "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
        "post_mlp_layernorm": "layer_output_norm"}, "layers."


def qwen3(shape, words):
    config = Qwen3Config(**common(shape, words), num_key_value_heads=shape["heads"],
                         head_dim=shape["width"] // shape["heads"], rms_norm_eps=me.EPSILON,
                         rope_parameters={"rope_type": "default", "rope_theta": shape["base"]})
    return Qwen3Model(config), {
        "embed_tokens": "token_embd", "norm": "output_norm", "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
        "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
        "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
        "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}, "layers."


def decoder(shape):
    return dict(num_key_value_heads=shape["kv_heads"], head_dim=shape["width"] // shape["heads"],
                rms_norm_eps=me.EPSILON, attn_implementation="eager")


DECODER = {
    "embed_tokens": "token_embd", "norm": "output_norm", "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "input_layernorm": "attn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down"}


def gemma(shape, words):
    turn = {"rope_type": "default"}
    kinds = ["sliding_attention" if i % shape["period"] < shape["period"] - 1 else "full_attention"
             for i in range(shape["layers"])]
    config = Gemma3TextConfig(
        **common(shape, words), **decoder(shape), sliding_window=shape["window"], layer_types=kinds,
        query_pre_attn_scalar=shape["width"] // shape["heads"], use_bidirectional_attention=True,
        rope_parameters={"full_attention": dict(turn, rope_theta=shape["base"]),
                         "sliding_attention": dict(turn, rope_theta=10000.0)})
    return Gemma3TextModel(config), {
        **DECODER, "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
        "post_attention_layernorm": "post_attention_norm",
        "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm",
    }, "layers."


def llama(shape, words):
    config = LlamaConfig(**common(shape, words), **decoder(shape),
                         rope_parameters={"rope_type": "default", "rope_theta": shape["base"]})
    return LlamaModel(config), {**DECODER, "post_attention_layernorm": "ffn_norm"}, "layers."


def undo_permutation(rows, heads):
    """Rows of heads whose pairs are side by side, as transformers wants them: half a head apart."""
    n = rows.shape[0] // heads
    return rows.reshape(heads, n // 2, 2, -1).transpose(1, 2).reshape(rows.shape)


def load(shape):
    net, (_, words) = me.Net(**shape), me.vocabulary(shape["arch"])
    model, names, layers = {"bert": bert, "nomic-bert": nomic, "qwen3": qwen3, "llama-embed": llama,
                            "gemma-embedding": gemma}[shape["arch"]](shape, words)
    seen = {name: torch.tensor(rows) for name, rows in net.seen.items()}
    dense = [seen.pop(name + ".weight") for name in ("dense_2", "dense_3") if shape.get("dense")]
    if shape["arch"] == "llama-embed":
        for name, heads in ("attn_q", shape["heads"]), ("attn_k", shape["kv_heads"]):
            for i in range(shape["layers"]):
                key = f"blk.{i}.{name}.weight"
                seen[key] = undo_permutation(seen[key], heads)
    if shape["arch"] == "gemma-embedding":  # there, norms are kept less 1
        seen = {name: rows - 1 if "norm" in name else rows for name, rows in seen.items()}
    for i in range(shape["layers"]):
        fused = seen.pop(f"blk.{i}.attn_qkv.weight", None)
        if fused is not None:
            for part, rows in zip("qkv", fused.chunk(3)):
                seen[f"blk.{i}.attn_{part}.weight"] = rows
    state = {}
    for key in model.state_dict():
        at, rest = "", key
        if key.startswith(layers):
            number, rest = key[len(layers):].split(".", 1)
            at = f"blk.{number}."
        stem, kind = rest.rsplit(".", 1)
        if stem not in names:
            print("not loaded:", key, file=sys.stderr)
            continue
        value = seen.pop(f"{at}{names[stem]}.{kind}")
        state[key] = value[0] if kind == "bias" or value.shape[0] == 1 and model.state_dict()[key].dim() == 1 else value
    assert not seen, seen.keys()
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected
    print("missing:", missing, file=sys.stderr)
    return model.double().eval(), dense


def main():
    out = {}
    for name, shape in me.MODELS.items():
        (model, dense), out[name] = load(shape), []
        both_ways = shape["arch"] == "llama-embed"
        for ids in me.texts(shape["seed"], shape["arch"]):
            with torch.no_grad():
                mask = torch.zeros(1, 1, len(ids), len(ids)) if both_ways else None
                rows = model(input_ids=torch.tensor([ids]), attention_mask=mask).last_hidden_state[0]
            pooled = {1: rows.mean(0), 2: rows[0], 3: rows[-1]}[shape["pooling"]]
            for matrix in dense:
                pooled = matrix @ pooled
            out[name].append([float(f"{v:.10g}") for v in pooled / pooled.norm()])
    json.dump(out, sys.stdout, separators=(",", ":"))


if __name__ == "__main__":
    main()
