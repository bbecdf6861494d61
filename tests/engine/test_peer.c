// SPDX-License-Identifier: Apache-2.0
// The forward pass against another engine's (llama.cpp; peer/logits.tsv, made by
// peer/record_logits.py), at positions beyond the models' windows and original contexts.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/engine/engine.h"

enum { COUNT = 48, STEP = 19, LINE_MAX = 4096, NAME_SIZE = 64 };

static bool starts(const char *name, const char *begin) {
    return strncmp(name, begin, strlen(begin)) == 0;
}

// Whether products with this model's weights take quantized activations.
static bool quantizes(const char *name) {
    static const char *const kinds[] = {"q8",     "blocks",   "kquants", "mixed",
                                        "lora_",  "qwen2moe", "gpt_oss", "peer_cohere2_q8",
                                        "type_Q", "type_IQ",  "type_MX", "type_TQ"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (starts(name, kinds[i])) return true;
    return false;
}

// How far the two may be apart, as a share of the logits' root mean square.
//   - float weights leave the order of the sums. GELU goes through a table of halves there;
//   - against quantized weights, activations are quantized here, and against the same file there
//     too, in another way: 32 or 256 share a scale, and it may be a half;
//     An expert that is about as likely as the next may be another one then (qwen2moe);
//     and the coarsest weights tell most of it (IQ1, IQ2);
//   - half weights and adapters make the other engine round its activations to halves, those of
//   NVFP4 quantize them;
//   - what is left of the order grows with the layers.
static double limit_of(const char *name, const char *how) {
    bool wide = strcmp(how, "wide") == 0;
    if (starts(name, "type_IQ1") || starts(name, "type_IQ2")) return wide ? 0.1 : 0.2;
    if (quantizes(name)) return !wide ? 0.15 : starts(name, "qwen2moe") ? 0.5 : 0.08;
    if (strstr(name, "gemma")) return strstr(name, "27b") ? 1e-2 : 1e-3; // of 46 and 62 layers
    if (strstr(name, "phi2") || strstr(name, "starcoder2")) return 1e-3;
    if (strcmp(how, "lora") == 0) return 3e-3;
    if (strstr(name, "_32b")) return 1e-4; // of 64 layers
    if (wide || starts(name, "peer_") || starts(name, "type_F32")) return 2e-5;
    if (starts(name, "type_NV")) return 0.15;
    if (starts(name, "type_BF16")) return 0.03;
    return starts(name, "type_F16") || starts(name, "f16") || !strcmp(name, "qwen3") ? 3e-3 : 2e-5;
}

typedef struct tally {
    char name[NAME_SIZE];
    char how[8]; // "same", "lora" or "wide"
    float *logits;
    size_t vocabulary;
    double size, worst;
    size_t models, wrong;
} tally;

// Logits [COUNT][vocabulary] of a model for the tokens that record_logits.py asks with.
static void ask(tally *t) {
    char path[512], adapter[512];
    as_err err;
    as_model *model;
    as_session *session;
    uint32_t ids[COUNT];
    snprintf(path, sizeof path, "%s/%s.gguf", AS_TEST_MODELS, t->name);
    snprintf(adapter, sizeof adapter, "%s/%s.adapter.gguf", AS_TEST_MODELS, t->name);
    as_model_options options = {.lora = strcmp(t->how, "lora") == 0 ? adapter : NULL};
    if (as_model_open(path, &options, &model, &err)) fail_msg("%s", err.text);
    if (as_session_new(model, 0, 1, &session, &err)) fail_msg("%s", err.text);
    size_t n = as_model_facts(model)->vocabulary;
    for (size_t i = 0; i < COUNT; i++) ids[i] = (uint32_t)((31 * i * i + 7 * i + 3) % n);
    t->vocabulary = n;
    t->logits = as_mem_new(COUNT * n * sizeof *t->logits);
    assert_int_equal(as_session_logits(session, (as_tokens){ids, COUNT}, t->logits), AS_EVAL_OK);
    as_session_free(session);
    as_model_close(model);
    double squares = 0.0;
    for (size_t i = 0; i < COUNT * n; i++) squares += (double)t->logits[i] * (double)t->logits[i];
    t->size = sqrt(squares / (double)(COUNT * n));
}

static void end(tally *t) {
    if (!*t->name) return;
    double off = t->worst / t->size;
    bool good = off < limit_of(t->name, t->how);
    print_message("%-16s %s %.2g of the logits' size%s\n", t->name, t->how, off,
                  good ? "" : ": too much");
    t->wrong += !good;
    t->models++;
    t->worst = 0.0;
}

// The position, then logits of every STEP-th token there.
static void compare(tally *t, char *rest) {
    char *position = strtok(rest, "\t\n"), *number;
    size_t at = strtoul(position, NULL, 10), id = 0;
    assert_true(at < COUNT);
    for (; (number = strtok(NULL, "\t\n")); id += STEP) {
        assert_true(id < t->vocabulary);
        double off = fabs((double)t->logits[at * t->vocabulary + id] - strtod(number, NULL));
        if (!(off <= t->worst)) t->worst = off; // NaN too
    }
    assert_true(id >= t->vocabulary);
}

static void logits_are_those_of_the_peer(void **state) {
    (void)state;
    static char line[LINE_MAX];
    tally t = {.name = ""};
    FILE *file = fopen("tests/engine/peer/logits.tsv", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        char *how = strchr(line, '\t'), *rest = how ? strchr(how + 1, '\t') : NULL;
        assert_non_null(rest);
        *how++ = *rest++ = '\0';
        if (strcmp(line, t.name) != 0 || strcmp(how, t.how) != 0) {
            end(&t);
            snprintf(t.name, sizeof t.name, "%.63s", line);
            snprintf(t.how, sizeof t.how, "%.7s", how);
            free(t.logits);
            ask(&t);
        }
        compare(&t, rest);
    }
    end(&t);
    free(t.logits);
    fclose(file);
    assert_true(t.models >= 112);
    assert_int_equal(t.wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(logits_are_those_of_the_peer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
