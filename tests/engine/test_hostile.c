// SPDX-License-Identifier: Apache-2.0
// Broken model files: cut short, flipped at random, or inconsistent with themselves. Always a
// message, never a crash; run with sanitizers this is where they have something to find.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/rng.h"
#include "harness/engine/model.h"
#include "tests/engine/gguf_writer.h"

static as_str read_model(as_arena *arena, const char *name) {
    char path[512];
    as_str bytes;
    as_err err;
    snprintf(path, sizeof path, "%s/%s.gguf", AS_TEST_MODELS, name);
    if (as_file_read(arena, path, 64 * 1024 * 1024, &bytes, &err)) fail_msg("%s", err.text);
    return bytes;
}

// Opens the first `size` bytes, which lie in memory of that very size.
static as_rc open_bytes(const char *bytes, size_t size, as_model **model, as_err *err) {
    unsigned char *exact = malloc(size ? size : 1);
    if (size) memcpy(exact, bytes, size);
    as_mapped map = {.bytes = exact, .size = size};
    *err = (as_err){.rc = AS_OK};
    as_rc rc = as_model_read("x.gguf", &map, NULL, model, err);
    free(exact);
    if (rc) {
        assert_int_equal(rc, AS_INVALID);
        assert_int_equal(err->rc, AS_INVALID);
        assert_int_equal(strncmp(err->text, "cannot read 'x.gguf': ", 22), 0);
        assert_null(strchr(err->text, '\n'));
        if (!strstr(err->text, "offset ") && !strstr(err->text, "is missing") &&
            !strstr(err->text, "not 'GGUF'"))
            fail_msg("'%s' does not say where", err->text);
    }
    return rc;
}

static void every_cut_is_noticed(void **state) {
    (void)state;
    static const char *const models[] = {"f16", "odd", "q8", "mixed", "blocks", "kquants"};
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        as_arena arena = {0};
        as_str bytes = read_model(&arena, models[m]);
        as_gguf file;
        as_err err;
        as_model *model;
        if (as_gguf_read(&file, "x", (const unsigned char *)bytes.ptr, bytes.len, &err))
            fail_msg("%s", err.text);
        size_t head = bytes.len, end = 0; // where the data begins, and where the last tensor ends
        for (size_t i = 0; i < file.tensor_count; i++) {
            const as_gguf_tensor *t = &file.tensors[i];
            if (t->offset < head) head = t->offset;
            if (t->offset + t->size > end) end = t->offset + t->size;
        }
        as_gguf_free(&file);
        assert_true(head > 4096 && end > head);
        for (size_t size = 0; size < end; size += size < head ? 1 : 4096)
            assert_int_equal(open_bytes(bytes.ptr, size, &model, &err), AS_INVALID);
        assert_int_equal(open_bytes(bytes.ptr, end - 1, &model, &err), AS_INVALID);
        assert_int_equal(open_bytes(bytes.ptr, end, &model, &err), AS_OK);
        as_model_close(model);
        as_arena_free(&arena);
    }
}

static void embed(const as_model *model, as_tokens tokens) {
    as_err err;
    as_embedder *embedder;
    const as_embedder_options options = {.pooling = AS_STR("mean")};
    if (as_embedder_new(model, &options, &embedder, &err)) return;
    float *out = as_mem_new(as_model_facts(model)->width * sizeof *out);
    as_eval_status status = as_embedder_run(embedder, &tokens, 1, out);
    bool fits = tokens.count && tokens.count <= as_model_facts(model)->context_length;
    assert_int_equal(status, fits ? AS_EVAL_OK : AS_EVAL_TOO_LONG);
    free(out);
    as_embedder_free(embedder);
}

// What a survivor of random changes does must not crash either, whatever it answers.
static void use(const as_model *model) {
    as_arena arena = {0};
    as_tokens tokens;
    as_err err;
    as_session *session;
    as_str text = AS_STR("The cat, 123 caf\xc3\xa9s <note> \n\n x<|eot_id|>");
    if (as_model_tokenize(model, &arena, text, true, true, &tokens, &err)) {
        as_arena_free(&arena);
        return;
    }
    if (as_model_facts(model)->encoder) {
        embed(model, tokens);
        as_arena_free(&arena);
        return;
    }
    size_t context = as_model_facts(model)->context_length;
    as_batcher_options options = {
        // less than the usual: a sanitizer is quicker by a tenth of a second
        .context = context < 64 ? context : 64,
        .team = 1,
        .memory = 64 << 20};
    if (!as_session_open(model, &options, &session, &err)) {
        size_t count = tokens.count < 8 ? tokens.count : 8;
        float *logits = as_mem_new(count * as_model_facts(model)->vocabulary * sizeof *logits);
        if (count <= context)
            assert_int_equal(as_session_logits(session, (as_tokens){tokens.ids, count}, logits),
                             AS_EVAL_OK);
        free(logits);
        as_session_free(session);
    }
    as_arena_free(&arena);
}

static void random_changes_do_no_harm(void **state) {
    (void)state;
    enum { MUTATIONS = 16000, MODELS = 15 };
    static const char *const models[MODELS] = {
        "f32",   "f16",    "odd",     "q8",    "gemma2",  "gemma3",     "phi3",      "qwen2moe",
        "qwen2", "blocks", "kquants", "nomic", "bert_q8", "type_IQ1_M", "type_IQ3_S"};
    as_rng rng = as_rng_of(2024, 3);
    size_t opened = 0;
    as_arena arena = {0};
    as_str originals[MODELS];
    for (size_t m = 0; m < MODELS; m++) originals[m] = read_model(&arena, models[m]);
    for (size_t i = 0; i < MUTATIONS; i++) {
        as_str original = originals[i % MODELS];
        char *bytes = as_mem_new(original.len);
        memcpy(bytes, original.ptr, original.len);
        size_t changes = 1 + (size_t)as_rng_below(&rng, 4);
        for (size_t c = 0; c < changes; c++) {
            // Mostly where the structure is: the keys, then the descriptions of the tensors.
            size_t reach = as_rng_below(&rng, 4) ? 14000 : original.len;
            size_t at = (size_t)as_rng_below(&rng, reach < original.len ? reach : original.len);
            switch (as_rng_below(&rng, 4)) {
            case 0:
                bytes[at] = (char)as_rng_u64(&rng);
                break;
            case 1:
                bytes[at] = (char)((unsigned char)bytes[at] ^ 1u << as_rng_below(&rng, 8));
                break;
            case 2:
                bytes[at] = (char)0xff;
                break;
            default:
                bytes[at] = (char)((unsigned char)bytes[at] + 1u);
            }
        }
        as_model *model;
        as_err err;
        if (!open_bytes(bytes, original.len, &model, &err)) {
            if (opened++ % 16 == 0) use(model);
            as_model_close(model);
        }
        free(bytes);
    }
    as_arena_free(&arena);
    print_message("%zu of %d changed files were still models\n", opened, MUTATIONS);
    assert_true(opened > 100 && opened < MUTATIONS - 100);
}

// --- models that contradict themselves ----------------------------------------------------------

typedef struct change {
    const char *key; // replaced or added
    int kind;        // 0 u32, 1 text, 2 f32, 3 the key is left out, 4 an array of four numbers
    uint32_t number;
    const char *text;
    float real;
    const char *message;
} change;

// A small right model of one layer but for what `c` changes: width 8, 2 heads of 4, 1 of keys,
// 4 wide in the middle, the vocabulary of bytes.
static const change *changed;

static void put_u32(as_buf *b, const char *key, uint32_t value) {
    if (changed && !strcmp(changed->key, key)) return;
    as_put_u32(b, key, value);
}

static void put_changed(as_buf *b, const change *c) {
    if (c->kind == 0) as_put_u32(b, c->key, c->number);
    if (c->kind == 1) as_put_text(b, c->key, c->text);
    if (c->kind == 2) as_put_f32(b, c->key, c->real);
    if (c->kind == 4) as_put_array(b, c->key, AS_GGUF_I32, 4);
    for (size_t i = 0; c->kind == 4 && i < 4; i++) as_put_int(b, i == 1 ? c->number : 0, 4);
}

static void put_vocabulary(as_buf *b) {
    as_put_text(b, "tokenizer.ggml.model", "llama");
    as_put_array(b, "tokenizer.ggml.tokens", AS_GGUF_STRING, 256);
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", byte);
        as_put_string(b, text);
    }
    as_put_array(b, "tokenizer.ggml.token_type", AS_GGUF_I32, 256);
    for (size_t i = 0; i < 256; i++) as_put_int(b, 6, 4);
    as_put_array(b, "tokenizer.ggml.scores", AS_GGUF_F32, 256);
    for (size_t i = 0; i < 256; i++) as_put_int(b, 0, 4);
}

typedef struct shape {
    const char *name;
    uint64_t dims[3];
    uint32_t type;
} shape;

static const shape shapes[] = {
    {"token_embd.weight", {8, 256}, 0},      {"output_norm.weight", {8}, 0},
    {"blk.0.attn_norm.weight", {8}, 0},      {"blk.0.attn_q.weight", {8, 8}, 0},
    {"blk.0.attn_k.weight", {8, 4}, 0},      {"blk.0.attn_v.weight", {8, 4}, 0},
    {"blk.0.attn_output.weight", {8, 8}, 0}, {"blk.0.ffn_norm.weight", {8}, 0},
    {"blk.0.ffn_gate.weight", {8, 4}, 0},    {"blk.0.ffn_up.weight", {8, 4}, 0},
    {"blk.0.ffn_down.weight", {4, 8}, 0},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void put_model(as_buf *b, const change *c, const shape *replaced, const shape *added) {
    static const char *const keys[] = {
        "llama.block_count",         "llama.context_length",       "llama.embedding_length",
        "llama.feed_forward_length", "llama.attention.head_count", "llama.attention.head_count_kv"};
    static const uint32_t values[] = {1, 16, 8, 4, 2, 1};
    bool replaces = c && (!strcmp(c->key, "general.architecture") ||
                          !strcmp(c->key, "llama.attention.layer_norm_rms_epsilon"));
    for (size_t i = 0; i < 6; i++) replaces = replaces || (c && !strcmp(c->key, keys[i]));
    bool removes = c && c->kind == 3;
    as_put_header(b, 3, SHAPES + (added ? 1 : 0),
                  12 + (c && !replaces ? 1u : 0u) - (removes ? 1u : 0u));
    changed = c;
    if (!c || strcmp(c->key, "general.architecture"))
        as_put_text(b, "general.architecture", "llama");
    for (size_t i = 0; i < 6; i++) put_u32(b, keys[i], values[i]);
    if (!c || strcmp(c->key, "llama.attention.layer_norm_rms_epsilon"))
        as_put_f32(b, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    if (c) put_changed(b, c);
    put_vocabulary(b);
    uint64_t at = 0;
    for (size_t i = 0; i < SHAPES + (added ? 1u : 0u); i++) {
        const shape *s = i < SHAPES ? &shapes[i] : added;
        if (replaced && !strcmp(replaced->name, s->name)) s = replaced;
        as_put_tensor(b, s->name, s->dims, s->type, at);
        at += 64 * 1024;
    }
    as_put_padding(b, 32);
    as_put_zeros(b, at);
}

static void check_model(const change *c, const shape *replaced, const shape *added,
                        const char *message) {
    as_buf b = {0};
    as_model *model;
    as_err err;
    put_model(&b, c, replaced, added);
    as_rc rc = open_bytes(b.ptr, b.len, &model, &err);
    as_buf_free(&b);
    if (!message) {
        if (rc) fail_msg("%s", err.text);
        use(model);
        as_model_close(model);
        return;
    }
    if (!rc) fail_msg("accepted, but expected: %s", message);
    if (!strstr(err.text, message)) fail_msg("'%s', expected '%s'", err.text, message);
}

static void wrong_hyperparameters(void **state) {
    (void)state;
    static const change cases[] = {
        {"general.architecture", 1, 0, "klingon", 0,
         "'general.architecture' is 'klingon', which is not supported; supported: llama qwen2 "},
        {"general.architecture", 1, 0, "deepseek2", 0,
         "'general.architecture' is 'deepseek2', which is not supported: it would take latent "
         "attention (MLA) and grouped expert routing; supported: llama"},
        {"general.architecture", 1, 0, "falcon", 0, "would take the GELU of erf"},
        {"general.architecture", 1, 0, "qwen2", 0, "'qwen2.block_count' is missing"},
        {"llama.rope.dimension_sections", 4, 0, NULL, 0, NULL},
        {"llama.rope.dimension_sections", 4, 2, NULL, 0,
         "'llama.rope.dimension_sections' asks for multimodal rope, which is not supported for "
         "'llama' (offset "},
        {"general.architecture", 0, 3, NULL, 0, "'general.architecture' is u32, not a string"},
        {"general.architecture", 3, 0, NULL, 0, "'general.architecture' is missing"},
        {"llama.expert_count", 0, 8, NULL, 0, "'llama.expert_used_count' is missing"},
        {"llama.expert_count", 0, 1025, NULL, 0, "'llama.expert_count' is 1025, not in 0..1024"},
        {"llama.attention.sliding_window", 0, 3, NULL, 0, NULL},
        {"llama.attention.sliding_window", 1, 0, "x", 0, "is string, not one integer"},
        {"llama.block_count", 0, 0, NULL, 0, "'llama.block_count' is 0, not in 1..512 (offset "},
        {"llama.block_count", 0, 513, NULL, 0, "'llama.block_count' is 513, not in 1..512"},
        {"llama.block_count", 0, 2, NULL, 0, "tensor 'blk.1.attn_norm.weight' is missing"},
        {"llama.block_count", 3, 0, NULL, 0, "'llama.block_count' is missing"},
        {"llama.block_count", 1, 0, "two", 0, "'llama.block_count' is string, not one integer"},
        {"llama.context_length", 0, 0xffffffff, NULL, 0, "'llama.context_length' is 4294967295"},
        {"llama.embedding_length", 0, 16, NULL, 0, "is 8 x 1 x 1 x 1, not 16 x 1 x 1 (offset "},
        {"llama.embedding_length", 0, 0xffffffff, NULL, 0, "not in 1..65536"},
        {"llama.embedding_length", 0, 9, NULL, 0, "9 is no multiple of 2 heads"},
        {"llama.feed_forward_length", 0, 5, NULL, 0, "'blk.0.ffn_gate.weight' is 8 x 4 x 1 x 1"},
        {"llama.attention.head_count", 0, 0, NULL, 0, "'llama.attention.head_count' is 0"},
        {"llama.attention.head_count", 0, 1, NULL, 0,
         "'blk.0.attn_k.weight' is 8 x 4 x 1 x 1, "
         "not 8 x 8 x 1 (offset "},
        {"llama.attention.head_count_kv", 0, 3, NULL, 0,
         "2 heads ('llama.attention.head_count') "
         "are no multiple of 3"},
        {"llama.attention.value_length", 0, 8, NULL, 0, "only equal lengths are supported"},
        {"llama.attention.key_length", 0, 4, NULL, 0, NULL},
        {"llama.rope.dimension_count", 0, 3, NULL, 0,
         "'llama.rope.dimension_count' is 3, which "
         "is odd"},
        {"llama.rope.dimension_count", 0, 6, NULL, 0,
         "'llama.rope.dimension_count' is 6, not in "
         "1..4"},
        {"llama.rope.dimension_count", 0, 2, NULL, 0, NULL},
        {"llama.rope.freq_base", 2, 0, NULL, 0.0f, "'llama.rope.freq_base' is 0, not in 1..1e+12"},
        {"llama.rope.scaling.type", 1, 0, "spiral", 0,
         "'llama.rope.scaling.type' is 'spiral', which is not supported, only 'none', 'linear', "
         "'yarn' and 'longrope' (offset "},
        {"llama.rope.scaling.type", 1, 0, "yarn", 0, NULL},
        {"llama.rope.scaling.type", 1, 0, "longrope", 0,
         "tensor 'rope_factors_short.weight' is missing"},
        {"llama.rope.scaling.type", 1, 0, "none", 0, NULL},
        {"llama.rope.scaling.factor", 2, 0, NULL, 0.01f, "the rope scaling factor 0.01 is below"},
        {"llama.rope.scaling.factor", 2, 0, NULL, 4.0f, NULL},
        {"llama.attention.layer_norm_rms_epsilon", 2, 0, NULL, -1.0f,
         "'llama.attention.layer_norm_rms_epsilon' is -1, not in 1e-20..1 (offset "},
        {"llama.attention.layer_norm_rms_epsilon", 3, 0, NULL, 0, "_epsilon' is missing"},
    };
    check_model(NULL, NULL, NULL, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_model(&cases[i], NULL, NULL, cases[i].message);
    static const shape foreign = {"blk.0.ssm_a", {8}, 0};
    check_model(cases, NULL, &foreign, "it would take what its tensor 'blk.0.ssm_a' is for; supp");
}

// A table of so many temperatures would be larger than the file.
static void contexts_too_long_for_their_original_are_refused(void **state) {
    (void)state;
    static const char key[] = "mistral3.context_length";
    uint32_t length = 16 * 1024 * 1024;
    as_arena arena = {0};
    as_str bytes = read_model(&arena, "peer_mistral3");
    as_model *model;
    as_err err;
    char *at = memmem(bytes.ptr, bytes.len, key, strlen(key));
    assert_non_null(at);
    memcpy(at + strlen(key) + sizeof(uint32_t), &length, sizeof length); // behind its type
    assert_int_equal(open_bytes(bytes.ptr, bytes.len, &model, &err), AS_INVALID);
    if (!strstr(err.text, "is 16777216, more than 65536 times the original context of 8"))
        fail_msg("%s", err.text);
    as_arena_free(&arena);
}

static void wrong_weights(void **state) {
    (void)state;
    static const struct {
        shape replaced;
        const char *message;
    } cases[] = {
        {{"blk.0.attn_q.weight", {8, 9}, 0},
         "tensor 'blk.0.attn_q.weight' is 8 x 9 x 1 x 1, not "
         "8 x 8 x 1 (offset "},
        {{"blk.0.attn_norm.weight", {8, 2}, 0},
         "'blk.0.attn_norm.weight' is 8 x 2 x 1 x 1, not 8 "
         "x 1"},
        {{"blk.0.attn_norm.weight", {8}, 1},
         "'blk.0.attn_norm.weight' is F16, which is not "
         "supported, only F32 for norms and biases (offset "},
        {{"blk.0.attn_q.weight", {8, 8}, 28},
         "'blk.0.attn_q.weight' is F64, which is not "
         "supported, only F32, F16, BF16, Q8_0, Q4_0, "},
        {{"blk.0.attn_q.weight", {8, 8}, 30}, NULL},
        {{"blk.0.attn_q.weight", {8, 8}, 2},
         "'blk.0.attn_q.weight' has rows of 8 elements, no multiple of Q4_0's 32 (offset "},
        {{"blk.0.attn_q.weight", {8, 8}, 12}, "no multiple of Q4_K's 256 (offset "},
        {{"blk.0.attn_q.weight", {256, 8}, 16},
         "'blk.0.attn_q.weight' is 256 x 8 x 1 x 1, not 8 x 8 x 1 (offset "},
        {{"blk.0.attn_q.weight", {8, 8}, 24}, "'blk.0.attn_q.weight' is I8, which is not"},
        {{"blk.0.attn_q.weight", {8, 8}, 1}, NULL},
        {{"token_embd.weight", {8, 255}, 0}, "'token_embd.weight' is 8 x 255 x 1 x 1, not 8 x 256"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_model(NULL, &cases[i].replaced, NULL, cases[i].message);
    static const shape unknown = {"blk.0.ffn_gate_inp.weight", {8, 4}, 0};
    check_model(NULL, NULL, &unknown,
                "tensor 'blk.0.ffn_gate_inp.weight' is not known for this "
                "architecture: its weights would be ignored (offset ");
    static const shape output = {"output.weight", {8, 256}, 0};
    check_model(NULL, NULL, &output, NULL);
    static const shape freqs = {"rope_freqs.weight", {2}, 0}; // zeros
    check_model(NULL, NULL, &freqs,
                "'rope_freqs.weight' of pair 0 is 0, not in 0.125..1.04858e+06");
    static const shape bias = {"blk.0.attn_q.bias", {4}, 0};
    check_model(NULL, NULL, &bias, "'blk.0.attn_q.bias' is 4 x 1 x 1 x 1, not 8 x 1 x 1 (offset ");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(random_changes_do_no_harm),
        cmocka_unit_test(wrong_hyperparameters),
        cmocka_unit_test(contexts_too_long_for_their_original_are_refused),
        cmocka_unit_test(wrong_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
