// SPDX-License-Identifier: Apache-2.0
// An answer depends on the model and the request alone: the same bits for any chunk size, thread
// count, kernel table, cache state and company of other choices.
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
#include "tests/base/draws.h"

enum { CHOICES = 7, TOKENS_MAX = 60, CONTEXT = 120 };
// Bytes of keys and values: the usual 512 MiB take sanitizers a tenth of a second each time.
enum { ENOUGH = 16 << 20 };

static const char *const models[] = {
    "f32",      "f16",      "q8",      "q8_tied",    "odd",       "mixed",      "qwen2",
    "qwen3",    "gemma",    "gemma2",  "gemma3",     "phi3",      "phi3_short", "mixtral",
    "qwen2moe", "qwen3moe", "granite", "lora_llama", "lora_phi3", "blocks",     "kquants"};
enum { MODELS = sizeof models / sizeof *models };

static as_model *open_model(const char *name, const char *cpu) {
    char path[512], lora[512];
    as_err err;
    as_model *model;
    as_model_options options = {.cpu = cpu};
    snprintf(lora, sizeof lora, "%s/%s.adapter.gguf", AS_TEST_MODELS, name);
    if (strncmp(name, "lora", 4) == 0) options.lora = lora;
    snprintf(path, sizeof path, "%s/%s.gguf", AS_TEST_MODELS, name);
    if (as_model_open(path, &options, &model, &err)) fail_msg("%s", err.text);
    return model;
}

static as_session *open_session(const as_model *model, size_t context, size_t threads,
                                size_t chunk) {
    as_err err;
    as_session *session;
    as_batcher_options options = {
        .context = context, .team = threads, .chunk = chunk, .memory = ENOUGH};
    if (as_session_open(model, &options, &session, &err)) fail_msg("%s", err.text);
    return session;
}

// A request: a prompt and choices that share some of their tokens.
typedef struct request {
    uint32_t prompt_ids[TOKENS_MAX], choice_ids[CHOICES][TOKENS_MAX];
    as_tokens prompt, choices[CHOICES];
} request;

static void make_request(request *r, const as_model *model, uint64_t seed) {
    as_rng rng = as_rng_of(seed, 1);
    size_t vocabulary = as_model_facts(model)->vocabulary;
    *r = (request){0}; // no ids of a larger vocabulary are left behind
    size_t count = 1 + (size_t)as_rng_below(&rng, TOKENS_MAX);
    for (size_t i = 0; i < count; i++) r->prompt_ids[i] = (uint32_t)as_rng_below(&rng, vocabulary);
    r->prompt = (as_tokens){r->prompt_ids, count};
    for (size_t c = 0; c < CHOICES; c++) {
        size_t len = 1 + (size_t)as_rng_below(&rng, c == 3 ? 40 : 6);
        for (size_t i = 0; i < len; i++) {
            bool copied = c && as_rng_below(&rng, 3) && i < 3;
            r->choice_ids[c][i] =
                copied ? r->choice_ids[c - 1][i] : (uint32_t)as_rng_below(&rng, vocabulary);
        }
        r->choices[c] = (as_tokens){r->choice_ids[c], len};
    }
}

// The plain way: every row computed alone, one table, one thread, no cache, from all logits.
static void expect(const as_model *model, const request *r, double *logprobs) {
    as_session *session = open_session(model, CONTEXT, 1, 1);
    size_t vocabulary = as_model_facts(model)->vocabulary;
    float *logits = as_mem_new(2 * TOKENS_MAX * vocabulary * sizeof *logits);
    for (size_t c = 0; c < CHOICES; c++) {
        uint32_t ids[2 * TOKENS_MAX];
        size_t n = r->prompt.count, len = r->choices[c].count;
        memcpy(ids, r->prompt.ids, n * sizeof *ids);
        memcpy(ids + n, r->choices[c].ids, len * sizeof *ids);
        assert_int_equal(as_session_logits(session, (as_tokens){ids, n + len}, logits), AS_EVAL_OK);
        logprobs[c] = 0.0;
        for (size_t i = n; i < n + len; i++) {
            const float *row = logits + (i - 1) * vocabulary;
            float max, sum;
            model->kernels->exp_sum(row, vocabulary, &max, &sum);
            logprobs[c] += (double)row[ids[i]] - ((double)max + as_log_f64((double)sum));
        }
    }
    free(logits);
    as_session_free(session);
}

static void check_choices(as_session *session, const request *r, const double *wanted) {
    double together[CHOICES], alone[CHOICES];
    assert_int_equal(as_session_choices(session, r->prompt, r->choices, CHOICES, together),
                     AS_EVAL_OK);
    assert_memory_equal(together, wanted, sizeof together);
    for (size_t c = 0; c < CHOICES; c++)
        assert_int_equal(as_session_choices(session, r->prompt, &r->choices[c], 1, &alone[c]),
                         AS_EVAL_OK);
    assert_memory_equal(alone, wanted, sizeof alone);
    for (size_t c = 0; c < CHOICES; c++) {
        bool greedy;
        assert_int_equal(as_session_score(session, r->prompt, r->choices[c], &alone[c], &greedy),
                         AS_EVAL_OK);
    }
    assert_memory_equal(alone, wanted, sizeof alone);
    assert_int_equal(as_session_reused(session), r->prompt.count - 1);
}

static void answers_do_not_depend_on_how(void **state) {
    (void)state;
    static const size_t chunks[] = {1, 2, 3, 7, 16, 17, 64, 128};
    const as_kernels *tables[8];
    size_t table_count = as_kernels_available(tables);
    as_rng rng = as_rng_of(11, 2);
    for (size_t m = 0; m < MODELS; m++) {
        enum { REQUESTS = AS_SLOWED ? 2 : 4 };
        static request requests[REQUESTS];
        double wanted[REQUESTS][CHOICES];
        as_model *plain = open_model(models[m], "portable");
        for (size_t i = 0; i < REQUESTS; i++) {
            make_request(&requests[i], plain, 100 * m + i);
            // Every other request shares a prefix with the one before.
            if (i % 2) memcpy(requests[i].prompt_ids, requests[i - 1].prompt_ids, 4 * 20);
            expect(plain, &requests[i], wanted[i]);
        }
        as_model_close(plain);
        for (size_t t = 0; t < table_count; t++) {
            as_model *model = open_model(models[m], tables[t]->name);
            for (size_t threads = 1; threads <= 3; threads++) {
                if (AS_SLOWED && (threads + m + t) % 3) continue; // each with every model
                for (size_t c = 0; c < AS_DRAWS(2); c++) {
                    size_t chunk = chunks[as_rng_below(&rng, sizeof chunks / sizeof *chunks)];
                    as_session *session = open_session(model, CONTEXT, threads, chunk);
                    for (size_t i = 0; i < REQUESTS + 2; i++) {
                        size_t pick = (size_t)as_rng_below(&rng, REQUESTS); // warm and cold
                        check_choices(session, &requests[pick], wanted[pick]);
                    }
                    as_session_free(session);
                }
            }
            as_model_close(model);
        }
    }
}

static void logits_do_not_depend_on_how(void **state) {
    (void)state;
    for (size_t m = 0; m < MODELS; m++) {
        as_model *model = open_model(models[m], "portable"), *wide = open_model(models[m], NULL);
        static request r;
        make_request(&r, model, 77 + m);
        size_t n = r.prompt.count * as_model_facts(model)->vocabulary;
        float *wanted = as_mem_new(n * sizeof *wanted), *got = as_mem_new(n * sizeof *got);
        as_session *one = open_session(model, 0, 1, 1);
        assert_int_equal(as_session_logits(one, r.prompt, wanted), AS_EVAL_OK);
        for (size_t i = 0; i < n; i++) assert_true(isfinite(wanted[i]));
        for (size_t chunk = 1; chunk <= 64; chunk += AS_SLOWED ? 21 : 9) {
            as_session *session = open_session(wide, 0, 1 + chunk % 3, chunk);
            assert_int_equal(as_session_logits(session, r.prompt, got), AS_EVAL_OK);
            assert_memory_equal(got, wanted, n * sizeof *got);
            as_session_free(session);
        }
        as_session_free(one);
        free(wanted);
        free(got);
        as_model_close(model);
        as_model_close(wide);
    }
}

typedef struct written {
    uint32_t ids[64];
    size_t count, stop;
} written;

static bool write_down(void *context, uint32_t token) {
    written *w = context;
    w->ids[w->count++] = token;
    return w->count < w->stop;
}

// Greedy generation again and again, after other work, equals the argmax of plain logits.
static void generation_is_greedy(void **state) {
    (void)state;
    for (size_t m = 0; m < MODELS; m++) {
        as_model *model = open_model(models[m], NULL);
        size_t vocabulary = as_model_facts(model)->vocabulary;
        as_session *plain = open_session(model, CONTEXT, 1, 5);
        as_session *session = open_session(model, CONTEXT, 2, 16);
        float *logits = as_mem_new(CONTEXT * vocabulary * sizeof *logits);
        for (uint64_t seed = 0; seed < AS_DRAWS(4); seed++) {
            static request r;
            make_request(&r, model, 500 + seed);
            written got = {.stop = 64};
            size_t count, max = 24;
            bool ended;
            assert_int_equal(
                as_session_generate(session, r.prompt, max, NULL, write_down, &got, &count, &ended),
                AS_EVAL_OK);
            assert_int_equal(count, got.count);
            assert_true(ended || count == max);
            uint32_t ids[CONTEXT];
            memcpy(ids, r.prompt.ids, r.prompt.count * sizeof *ids);
            size_t n = r.prompt.count;
            for (size_t i = 0; i < count + ended; i++) {
                assert_int_equal(as_session_logits(plain, (as_tokens){ids, n}, logits), AS_EVAL_OK);
                size_t best = 0;
                const float *row = logits + (n - 1) * vocabulary;
                for (size_t v = 1; v < vocabulary; v++)
                    if (row[v] > row[best]) best = v;
                if (i == count)
                    assert_true(as_model_is_end(model, (uint32_t)best));
                else
                    assert_int_equal(best, got.ids[i]);
                ids[n++] = (uint32_t)best;
            }
            double wanted[CHOICES];
            expect(model, &r, wanted);
            check_choices(session, &r, wanted); // generation left the cache right
        }
        free(logits);
        as_session_free(plain);
        as_session_free(session);
        as_model_close(model);
    }
}

// By chance too: the same text for any threads, chunk, table and what the session did before; and
// another one for another stream.
static void sampling_does_not_depend_on_how(void **state) {
    (void)state;
    static const char *const some[] = {"f32", "q8", "gemma2", "qwen2moe"};
    const as_kernels *tables[8];
    size_t table_count = as_kernels_available(tables), differ = 0;
    for (size_t m = 0; m < sizeof some / sizeof *some; m++) {
        static request r;
        written wanted = {.stop = 64}, other = {.stop = 64};
        size_t count;
        bool ended;
        as_sampling sampling = {.temperature = 1.3, .top_p = 0.95, .top_k = 60, .seed = 7 + m};
        as_model *plain = open_model(some[m], "portable");
        make_request(&r, plain, 900 + m);
        as_session *session = open_session(plain, CONTEXT, 1, 1);
        as_session_generate(session, r.prompt, 30, &sampling, write_down, &wanted, &count, &ended);
        sampling.stream = 1;
        as_session_generate(session, r.prompt, 30, &sampling, write_down, &other, &count, &ended);
        differ += wanted.count != other.count ||
                  memcmp(wanted.ids, other.ids, wanted.count * sizeof *wanted.ids) != 0;
        sampling.stream = 0;
        as_session_free(session);
        as_model_close(plain);
        for (size_t t = 0; t < table_count; t++) {
            as_model *model = open_model(some[m], tables[t]->name);
            for (size_t chunk = 1; chunk < 80; chunk += 26) {
                session = open_session(model, CONTEXT, 1 + chunk % 3, chunk);
                for (int again = 0; again < 2; again++) {
                    written got = {.stop = 64};
                    as_session_generate(session, r.prompt, 30, &sampling, write_down, &got, &count,
                                        &ended);
                    assert_int_equal(got.count, wanted.count);
                    assert_memory_equal(got.ids, wanted.ids, got.count * sizeof *got.ids);
                }
                as_session_free(session);
            }
            as_model_close(model);
        }
    }
    assert_true(differ >= 3);
}

static void what_does_not_fit_is_said(void **state) {
    (void)state;
    as_model *model = open_model("f32", NULL);
    as_session *session = open_session(model, 20, 1, 8);
    uint32_t ids[32] = {0};
    double logprobs[2] = {7.0, 7.0};
    as_tokens choices[2] = {{ids, 2}, {ids, 3}};
    written got = {.stop = 64};
    size_t count = 99;
    bool ended;
    assert_int_equal(as_session_choices(session, (as_tokens){ids, 18}, choices, 2, logprobs),
                     AS_EVAL_TOO_LONG);
    assert_true(logprobs[0] == 7.0);
    assert_int_equal(as_session_choices(session, (as_tokens){ids, 17}, choices, 2, logprobs),
                     AS_EVAL_OK);
    assert_true(logprobs[0] < 0.0 && logprobs[1] < logprobs[0]);
    assert_int_equal(as_session_choices(session, (as_tokens){ids, 21}, choices, 0, logprobs),
                     AS_EVAL_OK);
    assert_int_equal(as_session_generate(session, (as_tokens){ids, 18}, 3, NULL, write_down, &got,
                                         &count, &ended),
                     AS_EVAL_TOO_LONG);
    assert_int_equal(as_session_generate(session, (as_tokens){ids, 18}, 2, NULL, write_down, &got,
                                         &count, &ended),
                     AS_EVAL_OK);
    bool greedy;
    assert_int_equal(
        as_session_score(session, (as_tokens){ids, 18}, (as_tokens){ids, 4}, logprobs, &greedy),
        AS_EVAL_TOO_LONG);
    assert_int_equal( // the last token need not fit
        as_session_score(session, (as_tokens){ids, 18}, (as_tokens){ids, 3}, logprobs, &greedy),
        AS_EVAL_OK);
    assert_int_equal(as_session_logits(session, (as_tokens){ids, 21}, NULL), AS_EVAL_TOO_LONG);
    as_session_free(session);
    as_err err;
    assert_int_equal(as_session_new(model, 100000, 1, &session, &err), AS_INVALID);
    assert_string_equal(err.text, "a context of 100000 tokens is longer than the model's 256");
    assert_int_equal(as_session_new(model, 0, 0, &session, &err), AS_INVALID);
    as_model_close(model);
}

static void edges_of_requests(void **state) {
    (void)state;
    as_model *model = open_model("f32", NULL);
    as_session *session = open_session(model, 0, 1, 4);
    uint32_t ids[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    double logprobs[3], again[3];
    as_tokens none = {ids, 0};
    as_tokens choices[3] = {none, {ids, 1}, {ids, 8}};
    // After no prompt the first token counts 0, so a single one does.
    assert_int_equal(as_session_choices(session, none, choices, 3, logprobs), AS_EVAL_OK);
    assert_true(logprobs[0] == 0.0 && logprobs[1] == 0.0 && logprobs[2] < 0.0);
    as_tokens prompt = {ids, 1}, rest = {ids + 1, 7};
    assert_int_equal(as_session_choices(session, prompt, &rest, 1, again), AS_EVAL_OK);
    assert_memory_equal(&again[0], &logprobs[2], sizeof *again);
    assert_int_equal(as_session_choices(session, prompt, choices, 1, again), AS_EVAL_OK);
    assert_true(again[0] == 0.0);
    size_t count;
    bool ended;
    written got = {.stop = 2};
    assert_int_equal(as_session_generate(session, none, 5, NULL, write_down, &got, &count, &ended),
                     AS_EVAL_OK);
    assert_int_equal(count, 0);
    assert_int_equal(
        as_session_generate(session, prompt, 50, NULL, write_down, &got, &count, &ended),
        AS_EVAL_OK);
    assert_true(ended || count == 2); // the visitor stops it
    as_session_free(session);
    as_model_close(model);
}

static void facts_of_a_model(void **state) {
    (void)state;
    as_model *model = open_model("odd", "portable");
    const as_model_info *info = as_model_facts(model);
    assert_true(as_str_is(info->name, "tiny") && as_str_is(info->architecture, "llama"));
    assert_true(as_str_is(info->tokenizer, "gpt2") && as_str_is(info->kernels, "portable"));
    assert_int_equal(info->sha256.len, 64);
    assert_int_equal(info->layers, 2);
    assert_int_equal(info->head_width, 6);
    assert_int_equal(info->kv_heads, 1);
    assert_int_equal(info->context_length, 256);
    assert_int_equal(info->template_count, 0);
    as_model_close(model);
    as_err err;
    as_model_options options = {.cpu = "z80"};
    assert_int_equal(as_model_open("/nowhere/x.gguf", NULL, &model, &err), AS_INVALID);
    assert_int_equal(as_model_open(AS_TEST_MODELS "/f32.gguf", &options, &model, &err), AS_INVALID);
    assert_non_null(strstr(err.text, "cpu 'z80'"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_do_not_depend_on_how),
        cmocka_unit_test(logits_do_not_depend_on_how),
        cmocka_unit_test(generation_is_greedy),
        cmocka_unit_test(sampling_does_not_depend_on_how),
        cmocka_unit_test(what_does_not_fit_is_said),
        cmocka_unit_test(edges_of_requests),
        cmocka_unit_test(facts_of_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
