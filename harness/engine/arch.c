// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/arch.h"

#include <stdio.h>

static const as_arch archs[] = {
    // Llama 1 to 3.x, TinyLlama, SmolLM2, Mistral, Mixtral
    {.name = "llama", .experts = AS_EXPERTS_MAYBE, .experts_normed = true},
    {.name = "qwen2", .rope_halves = true},
    {.name = "qwen2moe",
     .rope_halves = true,
     .experts = AS_EXPERTS_ALWAYS,
     .experts_share = true,
     .shared_expert = true},
    {.name = "qwen3", .rope_halves = true, .head_norms = AS_HEAD_NORMS_EACH},
    {.name = "qwen3moe",
     .rope_halves = true,
     .head_norms = AS_HEAD_NORMS_EACH,
     .experts = AS_EXPERTS_ALWAYS,
     .experts_share = true,
     .experts_normed = true},
    // Those that see images too: their texts
    {.name = "qwen2vl", .rope_halves = true, .sections = true},
    {.name = "qwen3vl", .rope_halves = true, .head_norms = AS_HEAD_NORMS_EACH, .sections = true},
    {.name = "qwen3vlmoe",
     .rope_halves = true,
     .head_norms = AS_HEAD_NORMS_EACH,
     .sections = true,
     .experts = AS_EXPERTS_ALWAYS,
     .experts_share = true,
     .experts_normed = true},
    {.name = "gemma", .rope_halves = true, .gelu = true, .embedding_sqrt = true},
    {.name = "gemma2",
     .rope_halves = true,
     .gelu = true,
     .embedding_sqrt = true,
     .post_norms = true,
     .caps = true,
     .local_period = 2,
     .window = 4096,
     .attention_cap = 50.0f,
     .logit_cap = 30.0f,
     .wide_scale = 46}, // 27B
    {.name = "gemma3",
     .rope_halves = true,
     .gelu = true,
     .embedding_sqrt = true,
     .post_norms = true,
     .head_norms = AS_HEAD_NORMS_EACH,
     .caps = true,
     .local_period = 6,
     .local_rope = true,
     .local_base = 10000.0f,
     .wide_scale = 62}, // 27B
    // Phi-3, Phi-3.5, Phi-4-mini; Phi-4 is a llama or this
    {.name = "phi3", .rope_halves = true, .up_holds_gate = true},
    {.name = "granite", .multipliers = true},
    {.name = "granitemoe",
     .multipliers = true,
     .experts = AS_EXPERTS_ALWAYS,
     .experts_normed = true},
    {.name = "minicpm",
     .multipliers = true,
     .embedding_factor = 12.0f,
     .residual_depth = 1.4f,
     .logit_width = 256.0f},
    {.name = "internlm2"},
    {.name = "xverse"},
    {.name = "ernie4_5"},
    {.name = "smollm3", .still_period = 4},
    {.name = "mistral3", .log_temperature = true}, // Ministral 3
    {.name = "arcee", .ungated = true, .squared_relu = true},
    {.name = "chatglm", .up_holds_gate = true}, // ChatGLM 2 and 3, GLM-4 of 2024
    {.name = "glm4", .up_holds_gate = true, .post_norms = true},
    {.name = "seed_oss", .rope_halves = true, .late_ffn_norm = true},
    {.name = "exaone", .rope_halves = true}, // 3.0 and 3.5
    {.name = "exaone4",
     .rope_halves = true,
     .bare_blocks = true,
     .post_norms = true,
     .head_norms = AS_HEAD_NORMS_EACH,
     .still_globals = true,
     .local_period = 4},
    {.name = "hunyuan-dense", .rope_halves = true, .head_norms = AS_HEAD_NORMS_LATE},
    // OLMo 2, and OLMo 3, which has windows
    {.name = "olmo2",
     .rope_halves = true,
     .bare_blocks = true,
     .post_norms = true,
     .head_norms = AS_HEAD_NORMS_WHOLE,
     .local_rope = true,
     .local_period = 4},
    {.name = "olmoe",
     .rope_halves = true,
     .head_norms = AS_HEAD_NORMS_WHOLE,
     .experts = AS_EXPERTS_ALWAYS},
    {.name = "phi2",
     .rope_halves = true,
     .gelu = true,
     .ungated = true,
     .layer_norms = true,
     .parallel = true},
    {.name = "starcoder2", .rope_halves = true, .gelu = true, .ungated = true, .layer_norms = true},
    {.name = "stablelm", .rope_halves = true, .layer_norms = true, .parallel = true},
    {.name = "nemotron",
     .rope_halves = true,
     .ungated = true,
     .squared_relu = true,
     .layer_norms = true},
    {.name = "jais2",
     .rope_halves = true,
     .ungated = true,
     .squared_relu = true,
     .layer_norms = true},
    {.name = "orion", .rope_halves = true, .layer_norms = true},
    // Command R and Aya, of less than 64 layers
    {.name = "command-r", .layer_norms = true, .parallel = true, .logit_factor = true},
    {.name = "cohere2", // Command R7B
     .layer_norms = true,
     .parallel = true,
     .logit_factor = true,
     .still_globals = true,
     .local_period = 4},
    {.name = "gemma-embedding",
     .rope_halves = true,
     .gelu = true,
     .embedding_sqrt = true,
     .post_norms = true,
     .head_norms = AS_HEAD_NORMS_EACH,
     .both_ways = true,
     .local_period = 6,
     .local_rope = true,
     .local_base = 10000.0f},
    {.name = "llama-embed", .both_ways = true},
    {.name = "gpt-oss",
     .rope_halves = true,
     .late_ffn_norm = true,
     .clamped_experts = true,
     .sinks = true,
     .experts = AS_EXPERTS_ALWAYS,
     .experts_normed = true,
     .local_period = 2},
    // BERT, MiniLM, BGE, E5, GTE; XLM-RoBERTa and what is made of it
    {.name = "bert", .encoder = true, .places = true},
    {.name = "nomic-bert", .encoder = true, .rope_halves = true},
};

// What is met in the wild and what it would take to compute it.
static const struct {
    const char *name, *needs;
} missing[] = {
    {"nomic-bert-moe", "experts in an encoder"},
    {"jina-bert-v2", "ALiBi in an encoder"},
    {"jina-bert-v3", "adapters by task in an encoder"},
    {"modern-bert", "norms before the blocks and windows in an encoder"},
    {"gemma3n", "AltUp, LAuReL and per-layer embeddings"},
    {"gemma4", "per-layer embeddings and shared keys and values"},
    {"llama4", "chunked attention and input-weighted experts"},
    {"deepseek", "dense layers before the experts and shared experts without a gate"},
    {"deepseek2", "latent attention (MLA) and grouped expert routing"},
    {"qwen", "fused projections of the first Qwen"},
    {"qwen3next", "gated delta-net layers"},
    {"qwen35", "gated delta-net layers"},
    {"qwen35moe", "gated delta-net layers"},
    {"eurobert", "norms before the blocks in an encoder"},
    {"neo-bert", "norms before the blocks in an encoder"},
    {"deci", "layers without attention and counts of heads by layer"},
    {"openelm", "counts of heads by layer"},
    {"grok", "norms around the blocks and its own caps of attention and routing"},
    {"mistral4", "latent attention (MLA)"},
    {"deepseek2-ocr", "a vision encoder and grouped expert routing"},
    {"deepseek32", "latent attention (MLA) and sparse attention"},
    {"deepseek4", "latent attention (MLA) and sparse attention"},
    {"plm", "latent attention (MLA)"},
    {"kimi-linear", "gated delta-net layers and latent attention (MLA)"},
    {"glm4moe", "sigmoid expert routing and dense layers before the experts"},
    {"glm-dsa", "latent attention (MLA) and sparse attention"},
    {"ernie4_5-moe", "dense layers before the experts and sigmoid expert routing"},
    {"hunyuan-moe", "shared experts without a gate"},
    {"hunyuan_vl", "multimodal rope and a vision encoder"},
    {"bailingmoe", "dense layers before the experts and shared experts without a gate"},
    {"bailingmoe2", "sigmoid expert routing in groups"},
    {"dots1", "sigmoid expert routing and shared experts without a gate"},
    {"minimax-m2", "sigmoid expert routing"},
    {"minimax-01", "lightning attention"},
    {"afmoe", "gated attention and sigmoid expert routing"},
    {"apertus", "xIELU and norms of queries and keys"},
    {"exaone-moe", "sigmoid expert routing and dense layers before the experts"},
    {"smallthinker", "routing before attention"},
    {"lfm2", "short convolutions"},
    {"lfm2moe", "short convolutions"},
    {"bitnet", "norms inside the blocks and scales of ternary matrices"},
    {"olmo", "LayerNorm without weights"},
    {"dbrx", "LayerNorm and clamped projections"},
    {"arctic", "a dense feed-forward beside the experts"},
    {"grovemoe", "experts shared by groups of experts"},
    {"chameleon", "LayerNorm of queries and keys"},
    {"cogvlm", "experts for images"},
    {"dream", "diffusion over whole texts"},
    {"llada", "diffusion over whole texts"},
    {"llada-moe", "diffusion over whole texts"},
    {"rnd1", "diffusion over whole texts"},
    {"granitehybrid", "state-space layers"},
    {"falcon-h1", "state-space layers"},
    {"nemotron_h", "state-space layers"},
    {"nemotron_h_moe", "state-space layers"},
    {"plamo2", "state-space layers"},
    {"rwkv6qwen2", "recurrent layers"},
    {"arwkv7", "recurrent layers"},
    {"plamo", "attention and feed-forward side by side"},
    {"gptj", "a reference to check it against"},
    {"baichuan", "ALiBi, in its larger model"},
    {"bloom", "LayerNorm and ALiBi"},
    {"mpt", "LayerNorm and ALiBi"},
    {"jais", "LayerNorm and ALiBi"},
    {"refact", "ALiBi"},
    {"starcoder", "learned positions"},
    {"codeshell", "a check against its reference: its layers are those of StarCoder2"},
    {"cohere2moe", "sigmoid expert routing"},
    {"wavtokenizer-dec", "an audio decoder"},
    {"phimoe", "sparse-mixer routing"},
    {"falcon", "the GELU of erf and two norms side by side"},
    {"gpt2", "learned positions"},
    {"gptneox", "the GELU of erf and two norms side by side"},
    {"minicpm3", "latent attention (MLA)"},
    {"mamba", "state-space layers"},
    {"mamba2", "state-space layers"},
    {"jamba", "state-space layers"},
    {"rwkv6", "recurrent layers"},
    {"rwkv7", "recurrent layers"},
    {"t5", "an encoder, a decoder and relative position biases"},
    {"t5encoder", "attention in both directions and relative position biases"},
    {"clip", "a vision encoder"},
    {"whisper", "an audio encoder"},
};

// What the tensors of a layer are called in one architecture or another.
static const char *const layer_parts[] = {
    "attn_norm",
    "attn_q",
    "attn_k",
    "attn_v",
    "attn_qkv",
    "attn_output",
    "attn_q_norm",
    "attn_k_norm",
    "attn_sinks",
    "ffn_norm",
    "ffn_gate",
    "ffn_up",
    "ffn_down",
    "ffn_gate_inp",
    "ffn_gate_exps",
    "ffn_up_exps",
    "ffn_down_exps",
    "ffn_gate_inp_shexp",
    "ffn_gate_shexp",
    "ffn_up_shexp",
    "ffn_down_shexp",
    "post_attention_norm",
    "post_ffw_norm",
    "attn_output_norm",
    "layer_output_norm",
};

static bool is_layer_part(as_str name) {
    as_str part = name;
    as_str_cut(&part, '.'); // "blk"
    as_str_cut(&part, '.'); // the layer
    part = as_str_cut(&part, '.');
    for (size_t i = 0; i < sizeof layer_parts / sizeof *layer_parts; i++)
        if (as_str_is(part, layer_parts[i])) return true;
    return false;
}

// A tensor of a layer that no architecture here has a use for; NULL if there is none.
static const as_gguf_tensor *find_foreign(const as_gguf *file) {
    for (size_t i = 0; i < file->tensor_count; i++) {
        const as_gguf_tensor *tensor = &file->tensors[i];
        if (as_str_starts(tensor->name, AS_STR("blk.")) && !is_layer_part(tensor->name))
            return tensor;
    }
    return NULL;
}

static as_rc refuse(const as_gguf *file, as_str name, size_t offset, as_err *err) {
    as_buf known = {0};
    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++)
        as_buff(&known, "%s%s", i ? " " : "", archs[i].name);
    const char *needs = NULL;
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        if (as_str_is(name, missing[i].name)) needs = missing[i].needs;
    char tensor[AS_GGUF_NAME_MAX + 64];
    const as_gguf_tensor *foreign = needs ? NULL : find_foreign(file);
    if (foreign) {
        snprintf(tensor, sizeof tensor, "what its tensor '%.*s' is for", AS_STR_ARG(foreign->name));
        needs = tensor;
    }
    as_rc rc =
        as_gguf_fail(file, err,
                     "'general.architecture' is '%.*s', which is not supported%s%s; supported: %s "
                     "(offset %zu)",
                     name.len < 64 ? (int)name.len : 64, name.ptr, needs ? ": it would take " : "",
                     needs ? needs : "", known.ptr, offset);
    as_buf_free(&known);
    return rc;
}

as_rc as_arch_read(const as_arch **out, const as_gguf *file, as_err *err) {
    static const char key[] = "general.architecture";
    as_str name = {NULL, 0};
    as_rc rc = as_gguf_text(file, key, &name, err);
    if (rc) return rc;
    if (!name.ptr) return as_gguf_missing(file, key, err);
    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++) {
        if (!as_str_is(name, archs[i].name)) continue;
        *out = &archs[i];
        return AS_OK;
    }
    return refuse(file, name, as_gguf_find(file, key)->offset, err);
}

const char *as_arch_key(const as_arch *arch, const char *rest, char out[AS_ARCH_KEY_MAX]) {
    snprintf(out, AS_ARCH_KEY_MAX, "%s.%s", arch->name, rest);
    return out;
}
