// SPDX-License-Identifier: Apache-2.0
// test_cuda_forward.c - the whole forward pass of the GPU under the emulator against the CPU's
// engine: every architecture and type, equal to the bit, whatever the batch. The driver that is
// loaded is tests/kernels/fake_driver.c, so nothing here needs a GPU.
#include <dlfcn.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/rng.h"
#include "harness/engine/batch/session.h"
#include "harness/engine/model.h"
#include "kernels/cuda/image.h"
#include "tests/base/draws.h"
#include "tests/kernels/fake_driver.h"

enum { CONTEXT = 120, PROMPT_MAX = AS_SLOWED ? 20 : 50, CHOICES = 5 };

static const char *const models[] = {
    "f32",           "f16",     "q8",         "q8_tied",    "odd",          "mixed",
    "qwen2",         "qwen3",   "gemma",      "gemma2",     "gemma3",       "phi3",
    "phi3_short",    "mixtral", "qwen2moe",   "qwen3moe",   "granite",      "lora_llama",
    "lora_phi3",     "blocks",  "kquants",    "peer_arcee", "peer_smollm3", "peer_hunyuan",
    "peer_mistral3", "gpt_oss", "peer_olmoe", "peer_phi2",  "q8_olmo2",     "peer_cohere2_q8"};
enum { MODELS = sizeof models / sizeof *models };

enum { STEP = AS_SLOWED ? 5 : 1 };

static const char *folder; // of the models
static as_fake_gpu *fake;  // these three: NULL on a GPU
static size_t (*fake_left)(void);
static void (*fake_order)(uint64_t);

#ifndef AS_ON_DEVICE
// The build may have no kernels for a GPU; those of the emulator are its own.
const void *as_cuda_image(size_t *size) {
    *size = 1;
    return "";
}
#endif

static as_model *open_model(const char *name) {
    char path[512], lora[512];
    as_err err;
    as_model *model;
    as_model_options options = {.decoded = true};
    snprintf(lora, sizeof lora, "%s/%s.adapter.gguf", folder, name);
    if (strncmp(name, "lora", 4) == 0) options.lora = lora;
    snprintf(path, sizeof path, "%s/%s.gguf", folder, name);
    if (as_model_open(path, &options, &model, &err)) fail_msg("%s", err.text);
    return model;
}

static as_session *open_session(const as_model *model, const char *device, const char *kv,
                                size_t chunk) {
    as_err err;
    as_session *session;
    as_batcher_options options = {.context = CONTEXT,
                                  .team = 1,
                                  .chunk = chunk,
                                  .memory = 16 << 20,
                                  .kv = as_str_of(kv),
                                  .device = as_str_of(device)};
    if (as_session_open(model, &options, &session, &err)) fail_msg("%s", err.text);
    return session;
}

static size_t random_ids(as_rng *rng, const as_model *model, uint32_t *ids, size_t most) {
    size_t count = 1 + (size_t)as_rng_below(rng, most);
    for (size_t i = 0; i < count; i++)
        ids[i] = (uint32_t)as_rng_below(rng, as_model_facts(model)->vocabulary);
    return count;
}

static void check_logits(as_session *gpu, as_session *cpu, const as_model *model, as_tokens text) {
    size_t size = text.count * as_model_facts(model)->vocabulary * sizeof(float);
    float *got = as_mem_new(size), *want = as_mem_new(size);
    assert_int_equal(as_session_logits(gpu, text, got), AS_EVAL_OK);
    assert_int_equal(as_session_logits(cpu, text, want), AS_EVAL_OK);
    assert_memory_equal(got, want, size);
    free(got);
    free(want);
}

static void check_choices(as_session *gpu, as_session *cpu, const as_model *model, as_rng *rng,
                          as_tokens prompt) {
    uint32_t ids[CHOICES][12];
    as_tokens choices[CHOICES];
    double got[CHOICES], want[CHOICES];
    bool greedy, want_greedy;
    for (size_t c = 0; c < CHOICES; c++) {
        choices[c] = (as_tokens){ids[c], random_ids(rng, model, ids[c], 6)};
        if (c) memcpy(ids[c], ids[c - 1], sizeof *ids[c]); // begins alike
    }
    assert_int_equal(as_session_choices(gpu, prompt, choices, CHOICES, got), AS_EVAL_OK);
    assert_int_equal(as_session_choices(cpu, prompt, choices, CHOICES, want), AS_EVAL_OK);
    assert_memory_equal(got, want, sizeof got);
    assert_int_equal(as_session_score(gpu, prompt, choices[0], got, &greedy), AS_EVAL_OK);
    assert_int_equal(as_session_score(cpu, prompt, choices[0], want, &want_greedy), AS_EVAL_OK);
    assert_memory_equal(got, want, sizeof *got);
    assert_int_equal(greedy, want_greedy);
}

typedef struct text {
    uint32_t ids[20];
    size_t count;
} text;

static bool keep(void *context, uint32_t token) {
    text *t = context;
    t->ids[t->count++] = token;
    return true;
}

static void check_generation(as_session *gpu, as_session *cpu, as_tokens prompt,
                             const as_sampling *sampling) {
    text got = {{0}, 0}, want = {{0}, 0};
    size_t count;
    bool ended;
    assert_int_equal(as_session_generate(gpu, prompt, 10, sampling, keep, &got, &count, &ended),
                     AS_EVAL_OK);
    assert_int_equal(as_session_generate(cpu, prompt, 10, sampling, keep, &want, &count, &ended),
                     AS_EVAL_OK);
    assert_int_equal(got.count, want.count);
    assert_memory_equal(got.ids, want.ids, sizeof got.ids);
}

static void check_model(const char *name, const char *kv, size_t chunk, uint64_t seed) {
    as_model *model = open_model(name);
    as_session *gpu = open_session(model, "cuda:0", kv, chunk);
    as_session *cpu = open_session(model, "cpu", kv, 0);
    as_rng rng = as_rng_of(seed, 5);
    if (fake) fake_order(seed % 4);
    for (uint64_t i = 0; i < AS_DRAWS(2); i++) {
        uint32_t ids[PROMPT_MAX];
        as_tokens prompt = {ids, random_ids(&rng, model, ids, PROMPT_MAX)};
        as_sampling sampling = {.temperature = 0.8, .top_p = 0.9, .top_k = 40, .seed = seed};
        check_logits(gpu, cpu, model, prompt);
        check_choices(gpu, cpu, model, &rng, prompt);
        check_generation(gpu, cpu, prompt, (AS_SLOWED ? seed : i) % 2 ? &sampling : NULL);
    }
    as_session_free(gpu);
    as_session_free(cpu);
    as_model_close(model);
    if (fake) assert_int_equal(fake_left(), 0);
}

static void answers_are_those_of_the_cpu(void **state) {
    (void)state;
    uint64_t replays = fake ? fake->replays : 0;
    for (size_t i = 0; i < MODELS; i += STEP) {
        print_message("%s\n", models[i]);
        static const char *const kinds[] = {"f32", "f16", "q8_0"};
        check_model(models[i], kinds[i % 3], 1 + i % 7, 100 + i);
        if (i % 3 == 0) check_model(models[i], "f32", 64, i);
    }
    if (fake) assert_true(fake->replays > replays);
}

// Not the CPU's bits, but near, and the same whatever the batch.
static void fast_products_depend_on_no_batch(void **state) {
    (void)state;
    static const char *const names[] = {"f16",    "mixed",   "type_BF16", "q8",
                                        "blocks", "kquants", "qwen2moe",  "lora_llama"};
    enum { MIXTURE = 6 };
    for (size_t n = 0; n < sizeof names / sizeof *names; n += (STEP + 1) / 2) {
        as_model *model = open_model(names[n]);
        as_rng rng = as_rng_of(n, 7);
        uint32_t ids[PROMPT_MAX];
        as_tokens prompt = {ids, random_ids(&rng, model, ids, PROMPT_MAX)};
        size_t vocabulary = as_model_facts(model)->vocabulary, near = 0;
        size_t count = prompt.count * vocabulary;
        float *want = as_mem_new(count * sizeof *want), *got = as_mem_new(count * sizeof *got);
        float *fast = as_mem_new(count * sizeof *fast), size = 0.0f, off = 0.0f;
        as_session *sessions[] = {open_session(model, "cpu", "f32", 0),
                                  open_session(model, "cuda:0-fast", "f32", 64),
                                  open_session(model, "cuda:0-fast", "f32", 3)};
        print_message("%s\n", names[n]);
        assert_int_equal(as_session_logits(sessions[0], prompt, want), AS_EVAL_OK);
        assert_int_equal(as_session_logits(sessions[1], prompt, fast), AS_EVAL_OK);
        assert_int_equal(as_session_logits(sessions[2], prompt, got), AS_EVAL_OK);
        assert_memory_equal(got, fast, count * sizeof *got);
        for (size_t i = 0; i < count; i++) size = fmaxf(size, fabsf(want[i]));
        for (size_t row = 0; row < prompt.count; row++) {
            float most = 0.0f;
            for (size_t i = row * vocabulary; i < (row + 1) * vocabulary; i++)
                most = fmaxf(most, fabsf(want[i] - fast[i]));
            off = fmaxf(off, most);
            near += most < 0.05f * size;
        }
        print_message("off by %.3g of %.3g, %zu of %zu rows near\n", (double)off, (double)size,
                      near, prompt.count);
        // A router between two experts may take the other one; who attends to that row follows.
        assert_true(off > 0.0f && near >= (n == MIXTURE ? prompt.count / 2 : prompt.count));
        for (size_t i = 0; i < 3; i++) as_session_free(sessions[i]);
        as_model_close(model);
        free(want), free(got), free(fast);
    }
}

static as_embedder *open_embedder(const as_model *model, const char *device) {
    as_err err;
    as_embedder *embedder;
    as_embedder_options options = {.pooling = AS_STR("mean"), .device = as_str_of(device)};
    if (as_embedder_new(model, &options, &embedder, &err)) fail_msg("%s", err.text);
    return embedder;
}

// Encoders, and decoders that embed: texts of several lengths, together and alone.
static void embeddings_are_those_of_the_cpu(void **state) {
    (void)state;
    static const char *const names[] = {"bert_mean",  "bert_cls",        "bert_q8",    "nomic",
                                        "qwen3_mean", "gemma_embedding", "llama_embed"};
    enum { TEXTS = 4, WIDTH_MAX = 64, LONGEST = 70 };
    for (size_t n = 0; n < sizeof names / sizeof *names; n += (STEP + 1) / 2) {
        as_model *model = open_model(names[n]);
        as_embedder *gpu = open_embedder(model, "cuda:0"), *cpu = open_embedder(model, "cpu");
        as_rng rng = as_rng_of(n, 6);
        uint32_t ids[TEXTS][LONGEST];
        as_tokens texts[TEXTS];
        float got[TEXTS * WIDTH_MAX], want[TEXTS * WIDTH_MAX];
        size_t width = as_model_facts(model)->width;
        print_message("%s\n", names[n]);
        assert_true(width <= WIDTH_MAX);
        if (fake) fake_order(n % 4);
        for (size_t i = 0; i < TEXTS; i++)
            texts[i] = (as_tokens){ids[i], random_ids(&rng, model, ids[i], i ? LONGEST : 1)};
        assert_int_equal(as_embedder_run(cpu, texts, TEXTS, want), AS_EVAL_OK);
        assert_int_equal(as_embedder_run(gpu, texts, TEXTS, got), AS_EVAL_OK);
        assert_memory_equal(got, want, TEXTS * width * sizeof *got);
        assert_int_equal(as_embedder_run(gpu, texts + 2, 1, got), AS_EVAL_OK);
        assert_memory_equal(got, want + 2 * width, width * sizeof *got);
        as_embedder_free(gpu);
        as_embedder_free(cpu);
        as_model_close(model);
        if (fake) assert_int_equal(fake_left(), 0);
    }
}

int main(int count, char **words) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_those_of_the_cpu),
        cmocka_unit_test(embeddings_are_those_of_the_cpu),
        cmocka_unit_test(fast_products_depend_on_no_batch),
    };
#ifdef AS_ON_DEVICE
    folder = count > 1 ? words[1] : ".";
#else
    (void)count, (void)words;
    folder = AS_TEST_MODELS;
    void *library = dlopen("libcuda.so.1", RTLD_NOW);
    if (!library || !dlsym(library, "as_fake")) {
        fprintf(stderr, "LD_LIBRARY_PATH does not lead to the emulated driver\n");
        return 1;
    }
    fake = dlsym(library, "as_fake");
    *(void **)&fake_left = dlsym(library, "as_fake_left");
    *(void **)&fake_order = dlsym(library, "as_emulator_set_order");
#endif
    return cmocka_run_group_tests(tests, NULL, NULL);
}
