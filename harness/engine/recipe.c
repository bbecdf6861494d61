// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/recipe.h"

#include <string.h>

#include "harness/engine/tensor_type.h"

typedef enum mix { PLAIN, SMALL, MEDIUM, LARGE } mix;

struct as_recipe {
    const char *name;
    as_wtype type;      // of most tensors
    mix mix;            // of K-quants
    uint32_t file_type; // numbered as in the file
};

static const as_recipe recipes[] = {
    {"f32", AS_W_F32, PLAIN, 0},        {"f16", AS_W_F16, PLAIN, 1},
    {"bf16", AS_W_BF16, PLAIN, 32},     {"q8_0", AS_W_Q8_0, PLAIN, 7},
    {"q4_0", AS_W_Q4_0, PLAIN, 2},      {"q4_1", AS_W_Q4_1, PLAIN, 3},
    {"q5_0", AS_W_Q5_0, PLAIN, 8},      {"q5_1", AS_W_Q5_1, PLAIN, 9},
    {"q2_k", AS_W_Q2_K, MEDIUM, 10},    {"q3_k_s", AS_W_Q3_K, SMALL, 11},
    {"q3_k_m", AS_W_Q3_K, MEDIUM, 12},  {"q3_k_l", AS_W_Q3_K, LARGE, 13},
    {"q4_k_s", AS_W_Q4_K, SMALL, 14},   {"q4_k_m", AS_W_Q4_K, MEDIUM, 15},
    {"q5_k_s", AS_W_Q5_K, SMALL, 16},   {"q5_k_m", AS_W_Q5_K, MEDIUM, 17},
    {"q6_k", AS_W_Q6_K, PLAIN, 18},     {"iq4_nl", AS_W_IQ4_NL, PLAIN, 25},
    {"iq4_xs", AS_W_IQ4_XS, PLAIN, 30}, {"mxfp4", AS_W_MXFP4, PLAIN, 38},
    {"q3_k", AS_W_Q3_K, MEDIUM, 12},    {"q4_k", AS_W_Q4_K, MEDIUM, 15},
    {"q5_k", AS_W_Q5_K, MEDIUM, 17},
};
enum { RECIPES = sizeof recipes / sizeof *recipes };

const char *as_recipe_names(void) {
    return "f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q2_k, q3_k_s, q3_k_m, q3_k_l, q4_k_s, "
           "q4_k_m, q5_k_s, q5_k_m, q6_k, iq4_nl, iq4_xs, mxfp4";
}

as_rc as_recipe_find(as_str name, const as_recipe **out, as_err *err) {
    const char *names[RECIPES + 1] = {0};
    char lower[16] = {0};
    for (size_t i = 0; i < name.len && i + 1 < sizeof lower; i++)
        lower[i] =
            name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? (char)(name.ptr[i] + 32) : name.ptr[i];
    for (size_t i = 0; i < RECIPES; i++) {
        names[i] = recipes[i].name;
        if (name.len >= sizeof lower || strcmp(lower, recipes[i].name) != 0) continue;
        *out = &recipes[i];
        return AS_OK;
    }
    const char *near = as_str_nearest(as_str_of(lower), names);
    return as_fail(err, AS_INVALID, "weights cannot be brought to '%.*s'%s%s%s; there are %s",
                   AS_STR_ARG(name), near ? " (did you mean '" : "", near ? near : "",
                   near ? "'?)" : "", as_recipe_names());
}

uint32_t as_recipe_file_type(const as_recipe *recipe) {
    return recipe->file_type;
}

// --- the model -----------------------------------------------------------------------------

// A number of the architecture's, or the first of its numbers by layer.
static uint64_t number_of(const as_gguf *file, as_str architecture, const char *rest) {
    as_buf key = {0};
    uint64_t number = 0;
    as_err ignored;
    as_buff(&key, "%.*s.%s", AS_STR_ARG(architecture), rest);
    const as_gguf_value *value = as_gguf_find(file, key.ptr);
    bool array = value && value->type == AS_GGUF_ARRAY;
    if (array && value->count && value->item < AS_GGUF_BOOL)
        number = as_gguf_number(value, 0) > 0.0 ? (uint64_t)as_gguf_number(value, 0) : 0;
    if (!array && as_gguf_u64(file, key.ptr, 0, UINT32_MAX, &number, &ignored)) number = 0;
    as_buf_free(&key);
    return number;
}

as_recipe_shape as_recipe_shape_of(const as_gguf *file) {
    as_str name = {NULL, 0};
    as_err ignored;
    if (as_gguf_text(file, "general.architecture", &name, &ignored)) name = (as_str){NULL, 0};
    as_recipe_shape shape = {.layers = number_of(file, name, "block_count"),
                             .experts = number_of(file, name, "expert_count"),
                             .sharing = 1,
                             .tied = !as_gguf_tensor_find(file, "output.weight")};
    uint64_t heads = number_of(file, name, "attention.head_count");
    uint64_t kv_heads = number_of(file, name, "attention.head_count_kv");
    if (kv_heads) shape.sharing = heads / kv_heads;
    shape.wide = shape.layers == 80 &&
                 ((as_str_is(name, "llama") && shape.sharing != 1) || as_str_is(name, "qwen2"));
    return shape;
}

// --- tensors -------------------------------------------------------------------------------

static bool has(as_str name, const char *part) {
    size_t n = strlen(part);
    for (size_t i = 0; i + n <= name.len; i++)
        if (!memcmp(name.ptr + i, part, n)) return true;
    return false;
}

static bool is_weight(const as_gguf_tensor *tensor) {
    static const char *const kept[] = {"_norm.weight", "ffn_gate_inp.weight", "position_embd",
                                       "token_types.weight", "attn_rel_b.weight"};
    const uint64_t *n = tensor->dimensions;
    if ((n[1] < 2 && n[2] < 2 && n[3] < 2) || !as_str_ends(tensor->name, AS_STR("weight")))
        return false;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (has(tensor->name, kept[i])) return false;
    return true;
}

// The layer of "blk.12.attn_v.weight"; 0 for what has none.
static uint64_t layer_of(as_str name) {
    uint64_t layer = 0;
    for (size_t i = 4; i < name.len && i < 10 && name.ptr[i] >= '0' && name.ptr[i] <= '9'; i++)
        layer = layer * 10 + (uint64_t)(name.ptr[i] - '0');
    return layer;
}

// The layers whose loss counts most: the first and the last eighth, and each third between.
static bool is_sensitive(uint64_t layer, uint64_t layers) {
    return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
}

static bool is_iq4(const as_recipe *r) {
    return r->type == AS_W_IQ4_NL || r->type == AS_W_IQ4_XS;
}

// Values; and queries, keys and values in one.
static as_wtype pick_values(const as_recipe *r, const as_recipe_shape *shape, uint64_t layer) {
    as_wtype type = r->type;
    bool much_shared = shape->sharing >= 4;
    if (r->type == AS_W_Q2_K) type = much_shared ? AS_W_Q4_K : AS_W_Q3_K;
    if (r->type == AS_W_Q3_K && r->mix == MEDIUM) type = layer < 2 ? AS_W_Q5_K : AS_W_Q4_K;
    if (r->type == AS_W_Q3_K && r->mix == LARGE) type = AS_W_Q5_K;
    if (is_iq4(r) && much_shared) type = AS_W_Q5_K;
    if (r->type == AS_W_Q4_K && r->mix == SMALL && layer < 4) type = AS_W_Q5_K;
    if ((r->type == AS_W_Q4_K || r->type == AS_W_Q5_K) && r->mix == MEDIUM &&
        is_sensitive(layer, shape->layers))
        type = AS_W_Q6_K;
    if (shape->wide && (type == AS_W_Q3_K || type == AS_W_Q4_K)) type = AS_W_Q5_K;
    return shape->experts == 8 ? AS_W_Q8_0 : type;
}

static as_wtype pick_down(const as_recipe *r, const as_recipe_shape *shape, uint64_t layer) {
    uint64_t layers = shape->layers;
    bool early = layer < layers / 8;
    if (r->type == AS_W_Q2_K) return AS_W_Q3_K;
    if (r->type == AS_W_Q3_K && r->mix == MEDIUM)
        return layer < layers / 16 ? AS_W_Q5_K : AS_W_Q4_K;
    if (r->type == AS_W_Q3_K && r->mix == LARGE) return AS_W_Q5_K;
    if ((r->type == AS_W_Q4_K || r->type == AS_W_Q5_K) && r->mix == MEDIUM)
        return is_sensitive(layer, layers) ? AS_W_Q6_K : r->type;
    if (early && (is_iq4(r) || (r->type == AS_W_Q4_K && r->mix == SMALL))) return AS_W_Q5_K;
    return r->type;
}

static as_wtype pick_attention_output(const as_recipe *r, const as_recipe_shape *shape) {
    if (shape->experts == 8) {
        bool raised = is_iq4(r) || r->type == AS_W_Q2_K || r->type == AS_W_Q4_K ||
                      (r->type == AS_W_Q3_K && r->mix != LARGE);
        return raised ? AS_W_Q5_K : r->type;
    }
    if (r->type == AS_W_Q2_K) return AS_W_Q3_K;
    if (r->type == AS_W_Q3_K && r->mix == MEDIUM) return AS_W_Q4_K;
    if (r->type == AS_W_Q3_K && r->mix == LARGE) return AS_W_Q5_K;
    return r->type;
}

static as_wtype pick(const as_recipe *r, const as_recipe_shape *shape,
                     const as_gguf_tensor *tensor) {
    as_str name = tensor->name;
    bool embedding = as_str_is(name, "token_embd.weight");
    if (as_str_is(name, "output.weight") || (embedding && shape->tied)) {
        bool spared = r->type == AS_W_Q8_0 || r->type == AS_W_MXFP4;
        return spared ? AS_W_Q8_0 : AS_W_Q6_K;
    }
    if (r->type == AS_W_MXFP4) return tensor->dimensions[2] > 1 ? AS_W_MXFP4 : AS_W_Q8_0;
    if (has(name, "attn_v.weight") || has(name, "attn_qkv.weight"))
        return pick_values(r, shape, layer_of(name));
    if (has(name, "attn_k.weight")) return shape->experts == 8 ? AS_W_Q8_0 : r->type;
    if (has(name, "attn_output.weight")) return pick_attention_output(r, shape);
    if (has(name, "ffn_down")) return pick_down(r, shape, layer_of(name));
    return r->type;
}

static as_wtype fitting(as_wtype type, uint64_t cols) {
    static const as_wtype fallbacks[AS_WTYPES] = {
        [AS_W_Q2_K] = AS_W_Q4_0, [AS_W_Q3_K] = AS_W_Q4_0, [AS_W_Q4_K] = AS_W_Q5_0,
        [AS_W_Q5_K] = AS_W_Q5_1, [AS_W_Q6_K] = AS_W_Q8_0, [AS_W_IQ4_XS] = AS_W_IQ4_NL};
    if (cols % as_wtype_block(type) && as_wtype_block(type) > AS_QBLOCK) type = fallbacks[type];
    return cols % as_wtype_block(type) ? AS_W_F16 : type;
}

uint32_t as_recipe_type(const as_recipe *recipe, const as_recipe_shape *shape,
                        const as_gguf_tensor *tensor) {
    if (!is_weight(tensor)) return tensor->type;
    if (!as_wtype_quantized(recipe->type)) return as_tensor_type_of(recipe->type);
    return as_tensor_type_of(fitting(pick(recipe, shape, tensor), tensor->dimensions[0]));
}
