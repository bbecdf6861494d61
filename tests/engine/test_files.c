// SPDX-License-Identifier: Apache-2.0
// Models in parts and adapters: what does not belong together is refused, saying what is wrong.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/base/file.h"
#include "harness/base/rng.h"
#include "harness/engine/model.h"
#include "tests/engine/gguf_writer.h"

static const char *made(char out[512], const char *name) {
    snprintf(out, 512, "%s/%s", AS_TEST_MODELS, name);
    return out;
}

static void check_open(const char *path, const char *lora, const char *message) {
    as_model *model;
    as_err err;
    as_model_options options = {.lora = lora};
    as_rc rc = as_model_open(path, &options, &model, &err);
    if (!rc) as_model_close(model);
    if (!message) {
        if (rc) fail_msg("%s", err.text);
        return;
    }
    if (rc != AS_INVALID) fail_msg("accepted, but expected: %s", message);
    if (!strstr(err.text, message)) fail_msg("'%s', expected '%s'", err.text, message);
}

static void write_file(const char *path, as_str bytes) {
    as_err err;
    if (as_file_replace(path, bytes, &err)) fail_msg("%s", err.text);
}

static as_str read_file(as_arena *arena, const char *path) {
    as_str bytes;
    as_err err;
    if (as_file_read(arena, path, 64 * 1024 * 1024, &bytes, &err)) fail_msg("%s", err.text);
    return bytes;
}

static void parts_have_to_belong_together(void **state) {
    (void)state;
    enum { PARTS = 3 };
    as_arena arena = {0};
    as_str bytes[PARTS];
    char path[512], to[PARTS][600], dir[] = "/tmp/assay-parts-XXXXXX";
    assert_non_null(mkdtemp(dir));
    for (int i = 0; i < PARTS; i++) {
        char name[64];
        snprintf(name, sizeof name, "parts-%05d-of-%05d.gguf", i + 1, PARTS);
        bytes[i] = read_file(&arena, made(path, name));
        snprintf(to[i], sizeof to[i], "%s/%s", dir, name);
    }
    check_open(made(path, "parts-00002-of-00003.gguf"), NULL,
               "it is part 2 of 3 ('split.no'): name the first one");
    write_file(to[0], bytes[0]);
    write_file(to[1], bytes[1]);
    check_open(to[0], NULL, "parts-00003-of-00003.gguf'");
    write_file(to[2], bytes[1]);
    check_open(to[0], NULL, "it is part 2 of 3 ('split.no', 'split.count'), not 3 of 3");
    write_file(to[2], bytes[2]);
    check_open(to[0], NULL, NULL);
    char renamed[600];
    snprintf(renamed, sizeof renamed, "%s/model.gguf", dir);
    write_file(renamed, bytes[0]);
    check_open(renamed, NULL, "its name does not end in '-00001-of-00003.gguf'");
    // A part without a place of its own, then one that repeats a tensor.
    as_buf other = {0};
    as_put_header(&other, 3, 0, 0);
    write_file(to[2], as_buf_view(&other));
    check_open(to[0], NULL, "it is part 1 of 1 ('split.no', 'split.count'), not 3 of 3");
    as_buf_clear(&other);
    as_put_header(&other, 3, 1, 2);
    as_put_u32(&other, "split.no", 2);
    as_put_u32(&other, "split.count", 3);
    as_put_tensor(&other, "token_embd.weight", (const uint64_t[]){8, 8, 0}, 0, 0);
    as_put_padding(&other, 32);
    as_put_zeros(&other, 256);
    write_file(to[2], as_buf_view(&other));
    check_open(to[0], NULL, "tensor 'token_embd.weight' is in an earlier part too");
    as_buf_clear(&other);
    as_put_header(&other, 3, 0, 2);
    as_put_u32(&other, "split.no", 2);
    as_put_u32(&other, "split.count", 3);
    write_file(to[2], as_buf_view(&other));
    check_open(to[0], NULL, "'split.tensors.count' is ");
    as_buf_free(&other);
    for (int i = 0; i < PARTS; i++) unlink(to[i]);
    unlink(renamed);
    rmdir(dir);
    as_arena_free(&arena);
}

typedef struct adapter {
    const char *type, *architecture;
    float alpha;
    const char *name;
    uint64_t a[3], b[3];
    uint32_t kind;
    const char *message;
} adapter;

static void put_adapter(as_buf *out, const adapter *c) {
    char name[128];
    bool pair = c->b[0] > 0;
    as_put_header(out, 3, pair ? 2 : 1, 4);
    as_put_text(out, "general.type", c->type);
    as_put_text(out, "general.architecture", c->architecture);
    as_put_text(out, "adapter.type", "lora");
    as_put_f32(out, "adapter.lora.alpha", c->alpha);
    snprintf(name, sizeof name, "%s.lora_a", c->name);
    as_put_tensor(out, name, c->a, c->kind, 0);
    snprintf(name, sizeof name, "%s.lora_b", c->name);
    if (pair) as_put_tensor(out, name, c->b, 0, 64 * 1024);
    as_put_padding(out, 32);
    as_put_zeros(out, 128 * 1024);
}

// The model is f32: llama, width 32, queries 32, keys 16.
static void adapters_have_to_fit(void **state) {
    (void)state;
    static const adapter cases[] = {
        {"adapter", "llama", 2, "blk.0.attn_k.weight", {32, 4}, {4, 16}, 0, NULL},
        {"adapter", "llama", 0, "blk.1.ffn_up.weight", {32, 1}, {1, 48}, 1, NULL},
        {"model",
         "llama",
         2,
         "blk.0.attn_k.weight",
         {32, 4},
         {4, 16},
         0,
         "'general.type' is 'model', not 'adapter' (offset "},
        {"adapter",
         "qwen2",
         2,
         "blk.0.attn_k.weight",
         {32, 4},
         {4, 16},
         0,
         "'general.architecture' is 'qwen2', not 'llama'"},
        {"adapter",
         "llama",
         -1,
         "blk.0.attn_k.weight",
         {32, 4},
         {4, 16},
         0,
         "'adapter.lora.alpha' is -1, not in 0..1e+06"},
        {"adapter",
         "llama",
         2,
         "blk.0.attn_k.weight",
         {64, 4},
         {4, 16},
         0,
         "tensor 'blk.0.attn_k.weight.lora_a' is 64 x 4, not 32 x rank: it is for another model"},
        {"adapter",
         "llama",
         2,
         "blk.0.attn_k.weight",
         {32, 4},
         {4, 32},
         0,
         "tensor 'blk.0.attn_k.weight.lora_b' is 4 x 32, not rank x 16"},
        {"adapter",
         "llama",
         2,
         "blk.0.attn_k.weight",
         {32, 4},
         {5, 16},
         0,
         "have ranks 4 and 5, not one of at most 4096"},
        {"adapter",
         "llama",
         2,
         "blk.0.attn_k.weight",
         {32, 4},
         {0},
         0,
         "tensor 'blk.0.attn_k.weight.lora_b' is missing"},
        {"adapter",
         "llama",
         2,
         "blk.0.attn_k.weight",
         {32, 4},
         {4, 16},
         8,
         "is Q8_0, which is not supported in adapters, only F32, F16 and BF16 (offset "},
        {"adapter",
         "llama",
         2,
         "token_embd.weight",
         {4, 8},
         {4, 32},
         0,
         "tensor 'token_embd.weight.lora_a' is for nothing that can be adapted in this model"},
        {"adapter",
         "llama",
         2,
         "blk.7.attn_k.weight",
         {32, 4},
         {4, 16},
         0,
         "tensor 'blk.7.attn_k.weight.lora_a' is for nothing that can be adapted in this model"},
    };
    char path[512], file[] = "/tmp/assay-lora-XXXXXX";
    int fd = mkstemp(file);
    assert_true(fd >= 0);
    close(fd);
    made(path, "f32.gguf");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        as_buf bytes = {0};
        put_adapter(&bytes, &cases[i]);
        write_file(file, as_buf_view(&bytes));
        check_open(path, file, cases[i].message);
        as_buf_free(&bytes);
    }
    check_open(path, path, "'general.type' is missing");
    check_open(path, "/nowhere/x.gguf", "/nowhere/x.gguf");
    unlink(file);
}

// The name of the model in a run's record changes with its adapter.
static void an_adapter_is_part_of_the_identity(void **state) {
    (void)state;
    char path[512], lora[512];
    as_model *plain, *adapted;
    as_err err;
    as_model_options options = {.lora = made(lora, "lora_llama.adapter.gguf")};
    made(path, "lora_llama.gguf");
    assert_int_equal(as_model_open(path, NULL, &plain, &err), AS_OK);
    assert_int_equal(as_model_open(path, &options, &adapted, &err), AS_OK);
    assert_false(as_str_eq(as_model_facts(plain)->sha256, as_model_facts(adapted)->sha256));
    as_model_close(plain);
    as_model_close(adapted);
}

static void broken_adapters_do_no_harm(void **state) {
    (void)state;
    enum { MUTATIONS = 1500 };
    char path[512], lora[512], file[] = "/tmp/assay-lora-XXXXXX";
    int fd = mkstemp(file);
    assert_true(fd >= 0);
    close(fd);
    as_arena arena = {0};
    as_rng rng = as_rng_of(5, 5);
    as_str original = read_file(&arena, made(lora, "lora_llama.adapter.gguf"));
    char *bytes = as_mem_new(original.len);
    size_t opened = 0;
    made(path, "lora_llama.gguf");
    for (size_t i = 0; i < MUTATIONS; i++) {
        memcpy(bytes, original.ptr, original.len);
        size_t size = original.len;
        if (i % 8 == 0) size = (size_t)as_rng_below(&rng, size);
        for (size_t c = 0; size && c < 2; c++)
            bytes[as_rng_below(&rng, size < 2600 ? size : 2600)] = (char)as_rng_u64(&rng);
        write_file(file, (as_str){bytes, size});
        as_model *model;
        as_err err;
        as_model_options options = {.lora = file};
        as_rc rc = as_model_open(path, &options, &model, &err);
        if (!rc) as_model_close(model);
        if (!rc) opened++;
        if (rc) assert_int_equal(rc, AS_INVALID);
    }
    assert_true(opened > 5 && opened < MUTATIONS / 2);
    free(bytes);
    unlink(file);
    as_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_have_to_belong_together),
        cmocka_unit_test(adapters_have_to_fit),
        cmocka_unit_test(an_adapter_is_part_of_the_identity),
        cmocka_unit_test(broken_adapters_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
