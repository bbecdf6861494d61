// SPDX-License-Identifier: Apache-2.0
// Random suites, answered in random ways: prompts that share beginnings, choices, texts,
// generations (by chance, within a grammar, with the odds of tokens) and logits, in any order and
// number at once, by any lanes, teams and kernels, in batches of any size, in so little memory that
// what was kept must go. The bits are those of each request alone, row after row.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/grammar/recognizer.h"
#include "harness/base/rng.h"
#include "harness/base/thread.h"
#include "harness/engine/backend.h"
#include "harness/engine/batch/choose.h"
#include "harness/engine/batch/session.h"
#include "harness/engine/sampler.h"
#include "tests/base/draws.h"

enum {
    REQUESTS = AS_SLOWED ? 12 : 24,
    TEXTS = 40,
    CONTEXT = 96,
    PROMPT_MAX = 90,
    TEXT_MAX = 12,
    GENERATED = 14
};
// Bytes of keys and values: the usual 512 MiB take sanitizers a tenth of a second each time.
enum { ENOUGH = 16 << 20 };

static const char *const models[] = {"f32",      "q8",   "odd",       "gemma3",
                                     "qwen2moe", "phi3", "lora_llama"};

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

static as_batcher *open_batcher(const as_model *model, const as_batcher_options *options) {
    as_err err;
    as_batcher *batcher;
    as_batcher_options enough = *options;
    if (!enough.memory) enough.memory = ENOUGH;
    if (as_batcher_new(model, &enough, &batcher, &err)) fail_msg("%s", err.text);
    return batcher;
}

// --- requests --------------------------------------------------------------------------------

typedef struct answer {
    as_eval_status status;
    double logprobs[TEXTS];
    bool greedy[TEXTS], ended;
    uint32_t tokens[GENERATED];
    bool stuck;
    size_t count;
    as_token_odds odds[GENERATED];
    float *logits;
} answer;

typedef struct request {
    as_work work; // the first member
    uint32_t prompt[PROMPT_MAX], ids[TEXTS][TEXT_MAX];
    as_tokens texts[TEXTS];
    as_sampling sampling;
    as_token_odds odds;
    const char *grammar; // NULL: any text
    size_t stop, logits_size;
    answer got;
    as_lock *lock;
    size_t *done;
} request;

static bool write_down(void *context, uint32_t token) {
    request *r = context;
    if (r->work.odds) r->got.odds[r->got.count] = r->odds;
    r->got.tokens[r->got.count++] = token;
    return r->got.count < r->stop;
}

static void count_done(as_work *work) {
    request *r = (request *)(void *)work;
    as_lock_take(r->lock);
    ++*r->done;
    as_lock_wake(r->lock);
    as_lock_give(r->lock);
}

// One of them lets nearly all through, one lets only few, one ends soon, one is recursive and one
// is most likely to let nothing through at some point.
enum { GRAMMARS = 5 };
static const char *const grammars[GRAMMARS] = {
    "root ::= [^\\x00-\\x1f]+", "root ::= [a-fx-z \\n]* [0-9]?", "root ::= . . .?",
    "root ::= [a-z ] root [a-z ] | [^a-z]", "root ::= (\"the\" | \"a\") \" \" [b-q]{3} \"!\""};

static as_constraint *constraint_of(const as_trie *trie, const char *source) {
    as_grammar *grammar;
    as_err err;
    as_constraint_spec spec = {.kind = AS_CONSTRAINT_GRAMMAR, .text = as_str_of(source)};
    if (as_grammar_of(&spec, &grammar, &err)) fail_msg("%s", err.text);
    return as_constraint_new(trie, grammar);
}

// Beginnings are taken from earlier requests, so that they are a tree.
static void make_request(request *all, size_t at, as_rng *rng, size_t vocabulary) {
    request *r = &all[at];
    size_t count = as_rng_below(rng, 12) ? 1 + (size_t)as_rng_below(rng, PROMPT_MAX) : 0;
    *r = (request){.stop = GENERATED};
    for (size_t i = 0; i < count; i++) r->prompt[i] = (uint32_t)as_rng_below(rng, vocabulary);
    if (at && as_rng_below(rng, 5)) {
        const request *other = &all[as_rng_below(rng, at)];
        size_t shared = other->work.prompt.count < count ? other->work.prompt.count : count;
        if (shared && as_rng_below(rng, 4)) shared = 1 + (size_t)as_rng_below(rng, shared);
        memcpy(r->prompt, other->prompt, shared * sizeof *r->prompt);
    }
    as_work *w = &r->work;
    w->prompt = (as_tokens){r->prompt, count};
    size_t kind = (size_t)as_rng_below(rng, 10);
    if (kind == 9) {
        w->kind = AS_WORK_LOGITS;
        r->logits_size = count * vocabulary;
    } else if (kind >= 5) {
        w->kind = AS_WORK_GENERATE;
        w->max_tokens = (size_t)as_rng_below(rng, GENERATED + 1);
        if (as_rng_below(rng, 3) == 0) r->stop = 1 + (size_t)as_rng_below(rng, GENERATED);
        r->sampling = (as_sampling){.temperature = 1.2, .top_p = 0.97, .seed = at, .stream = at};
        if (as_rng_below(rng, 2)) w->sampling = &r->sampling;
        if (as_rng_below(rng, 2)) r->grammar = grammars[as_rng_below(rng, GRAMMARS)];
        r->odds.wanted = (size_t)as_rng_below(rng, 7);
        if (as_rng_below(rng, 3) == 0) w->odds = &r->odds;
    } else {
        w->text_count = as_rng_below(rng, 6) ? (size_t)as_rng_below(rng, 7) : TEXTS;
        w->last_fits = as_rng_below(rng, 2);
    }
    for (size_t t = 0; t < w->text_count; t++) {
        size_t len = w->text_count == TEXTS ? TEXT_MAX : (size_t)as_rng_below(rng, TEXT_MAX + 1);
        for (size_t i = 0; i < len; i++)
            r->ids[t][i] = t && i < 4 && as_rng_below(rng, 3)
                               ? r->ids[t - 1][i]
                               : (uint32_t)as_rng_below(rng, vocabulary);
        r->texts[t] = (as_tokens){r->ids[t], len};
    }
    if (as_rng_below(rng, 9) == 0) w->prompt.count = 0;
}

static void prepare(request *r, as_lock *lock, size_t *done) {
    as_work *w = &r->work;
    float *logits = r->got.logits;
    r->got = (answer){.logits = logits};
    if (r->logits_size && !logits) r->got.logits = as_mem_new(r->logits_size * sizeof(float));
    r->lock = lock;
    r->done = done;
    w->done = count_done;
    w->texts = r->texts;
    w->logprobs = r->got.logprobs;
    w->greedy = r->got.greedy;
    w->each = write_down;
    w->context = r;
    w->logits = r->got.logits;
}

// Logits of a text and its continuation, alone, one row at a time, nothing kept.
static void plain_logits(const as_model *model, as_str kv, const request *r, const uint32_t *next,
                         size_t count, float *out) {
    uint32_t ids[CONTEXT];
    size_t n = r->work.prompt.count;
    as_session *session;
    as_batcher_options options = {
        .context = CONTEXT, .chunk = 1, .team = 1, .kv = kv, .memory = ENOUGH};
    assert_int_equal(as_session_open(model, &options, &session, NULL), AS_OK);
    if (n) memcpy(ids, r->work.prompt.ids, n * sizeof *ids);
    if (count) memcpy(ids + n, next, count * sizeof *ids);
    assert_int_equal(as_session_logits(session, (as_tokens){ids, n + count}, out), AS_EVAL_OK);
    as_session_free(session);
}

static void expect_texts(const as_model *model, as_str kv, const request *r, answer *wanted,
                         float *logits) {
    size_t vocabulary = as_model_facts(model)->vocabulary, n = r->work.prompt.count;
    for (size_t t = 0; t < r->work.text_count; t++) {
        as_tokens text = r->texts[t];
        wanted->greedy[t] = true;
        if (!text.count) continue;
        plain_logits(model, kv, r, text.ids, text.count - 1, logits);
        for (size_t i = n ? 0 : 1; i < text.count; i++) {
            const float *row = logits + (n + i - 1) * vocabulary;
            float max, sum;
            model->kernels->exp_sum(row, vocabulary, &max, &sum);
            wanted->logprobs[t] +=
                (double)row[text.ids[i]] - ((double)max + as_log_f64((double)sum));
            if (model->kernels->argmax(row, vocabulary) != text.ids[i]) wanted->greedy[t] = false;
        }
    }
}

// The likeliest tokens of a row, one after the other.
static void expect_odds(const as_model *model, const float *row, uint32_t token,
                        as_token_odds *out) {
    size_t vocabulary = as_model_facts(model)->vocabulary;
    float max, sum, *left = as_mem_new(vocabulary * sizeof *left);
    memcpy(left, row, vocabulary * sizeof *left);
    model->kernels->exp_sum(row, vocabulary, &max, &sum);
    double log_sum = (double)max + as_log_f64((double)sum);
    out->logprob = (double)row[token] - log_sum;
    out->count = out->wanted < vocabulary ? out->wanted : vocabulary;
    for (size_t i = 0; i < out->count; i++) {
        out->tokens[i] = (uint32_t)model->kernels->argmax(left, vocabulary);
        out->logprobs[i] = (double)row[out->tokens[i]] - log_sum;
        left[out->tokens[i]] = -1e38f;
    }
    free(left);
}

static as_place place_after(const as_model *model, as_recognizer *r, const answer *so_far) {
    as_place at = as_recognizer_start(r);
    for (size_t i = 0; i < so_far->count; i++) {
        as_str text = as_model_token_text(model, so_far->tokens[i], false);
        for (size_t k = 0; k < text.len; k++)
            at = as_recognizer_step(r, at, (unsigned char)text.ptr[k]);
    }
    return at;
}

// What may come is what a recognizer of its own goes on with; token by token.
static bool mask_plainly(const as_model *model, as_recognizer *r, const answer *so_far,
                         float *logits) {
    bool any = false;
    as_place at = place_after(model, r, so_far);
    for (uint32_t t = 0; t < as_model_facts(model)->vocabulary; t++) {
        as_str text = as_model_token_text(model, t, false);
        as_place next = at;
        bool unused = model->vocab.kinds[t] == AS_TOKEN_UNUSED || !text.len;
        for (size_t k = 0; k < text.len; k++)
            next = as_recognizer_step(r, next, (unsigned char)text.ptr[k]);
        bool fine = as_model_is_end(model, t) ? as_recognizer_may_end(r, at)
                                              : !unused && next != AS_PLACE_DEAD;
        any = any || fine;
        if (!fine) logits[t] = -1e30f;
    }
    return any;
}

static void expect_generation(const as_model *model, as_str kv, const request *r, answer *wanted,
                              float *logits) {
    size_t vocabulary = as_model_facts(model)->vocabulary, n = r->work.prompt.count;
    as_sampler sampler = as_sampler_new(vocabulary);
    as_grammar *grammar = NULL;
    as_recognizer *recognizer = NULL;
    as_constraint_spec spec = {.kind = AS_CONSTRAINT_GRAMMAR, .text = as_str_of(r->grammar)};
    if (r->grammar) assert_int_equal(as_grammar_of(&spec, &grammar, NULL), 0);
    if (r->grammar) recognizer = as_recognizer_new(grammar, 32 << 20);
    while (n && wanted->count < r->work.max_tokens && wanted->count < r->stop) {
        plain_logits(model, kv, r, wanted->tokens, wanted->count, logits);
        float *row = logits + (n + wanted->count - 1) * vocabulary;
        float *masked = as_mem_new(vocabulary * sizeof *masked);
        memcpy(masked, row, vocabulary * sizeof *masked);
        wanted->stuck = recognizer && !mask_plainly(model, recognizer, wanted, masked);
        uint32_t token =
            as_sampler_pick(&sampler, model->kernels, r->work.sampling, wanted->count, masked);
        free(masked);
        if (wanted->stuck) break;
        wanted->ended = as_model_is_end(model, token);
        if (wanted->ended) break;
        wanted->odds[wanted->count].wanted = r->odds.wanted;
        if (r->work.odds) expect_odds(model, row, token, &wanted->odds[wanted->count]);
        wanted->tokens[wanted->count++] = token;
        if (!recognizer || wanted->count == r->stop) continue;
        as_place at = place_after(model, recognizer, wanted);
        wanted->ended =
            as_recognizer_may_end(recognizer, at) && !as_recognizer_may_go_on(recognizer, at);
        if (wanted->ended) break;
    }
    as_sampler_free(&sampler);
    as_recognizer_free(recognizer);
    as_grammar_free(grammar);
}

// What each request is to give, from plain logits.
static void expect(const as_model *model, as_str kv, const request *all, answer *wanted) {
    float *logits = as_mem_new(CONTEXT * as_model_facts(model)->vocabulary * sizeof *logits);
    for (size_t i = 0; i < REQUESTS; i++) {
        const as_work *w = &all[i].work;
        size_t most = w->kind == AS_WORK_GENERATE ? w->max_tokens : 0;
        wanted[i] = (answer){.status = AS_EVAL_OK};
        for (size_t t = 0; t < w->text_count; t++) {
            size_t n = all[i].texts[t].count;
            if (n && w->last_fits) n--;
            if (n > most) most = n;
        }
        if (w->prompt.count + most > CONTEXT) {
            wanted[i].status = AS_EVAL_TOO_LONG;
        } else if (w->kind == AS_WORK_TEXTS) {
            expect_texts(model, kv, &all[i], &wanted[i], logits);
        } else if (w->kind == AS_WORK_GENERATE) {
            expect_generation(model, kv, &all[i], &wanted[i], logits);
        } else if (w->prompt.count) {
            wanted[i].logits = as_mem_new(all[i].logits_size * sizeof *logits);
            plain_logits(model, kv, &all[i], NULL, 0, wanted[i].logits);
        }
    }
    free(logits);
}

static void check(const request *r, const answer *wanted) {
    const as_work *w = &r->work;
    assert_int_equal(w->status, wanted->status);
    if (wanted->status) return;
    for (size_t t = 0; t < w->text_count; t++)
        assert_int_equal(r->got.greedy[t], wanted->greedy[t]);
    assert_memory_equal(r->got.logprobs, wanted->logprobs, w->text_count * sizeof(double));
    assert_int_equal(r->got.count, wanted->count);
    assert_memory_equal(r->got.tokens, wanted->tokens, wanted->count * sizeof(uint32_t));
    if (w->kind == AS_WORK_GENERATE) {
        assert_int_equal(w->count, wanted->count);
        assert_int_equal(w->ended, wanted->ended);
        assert_int_equal(w->stuck, wanted->stuck);
        for (size_t i = 0; w->odds && i < wanted->count; i++) {
            const as_token_odds *a = &r->got.odds[i], *b = &wanted->odds[i];
            assert_memory_equal(&a->logprob, &b->logprob, sizeof a->logprob);
            assert_int_equal(a->count, b->count);
            assert_memory_equal(a->tokens, b->tokens, b->count * sizeof *a->tokens);
            assert_memory_equal(a->logprobs, b->logprobs, b->count * sizeof *a->logprobs);
        }
    }
    if (w->kind == AS_WORK_LOGITS && w->prompt.count)
        assert_memory_equal(r->got.logits, wanted->logits, r->logits_size * sizeof(float));
}

// --- ways --------------------------------------------------------------------------------------

// Some at once, the others as answers come; by lanes of the batcher's own.
static void answer_side_by_side(as_batcher *batcher, request **order, size_t at_once) {
    size_t done = 0, sent = 0;
    as_lock *lock = as_lock_new();
    for (size_t i = 0; i < REQUESTS; i++) prepare(order[i], lock, &done);
    as_lock_take(lock);
    while (done < REQUESTS) {
        while (sent < REQUESTS && sent < done + at_once) {
            as_lock_give(lock);
            as_batcher_submit(batcher, &order[sent++]->work);
            as_lock_take(lock);
        }
        if (done < REQUESTS && sent >= (REQUESTS < done + at_once ? REQUESTS : done + at_once))
            as_lock_wait(lock, UINT64_MAX);
    }
    as_lock_give(lock);
    as_batcher_free(batcher);
    as_lock_free(lock);
}

// All at once, or one by one; by this thread.
static void answer_here(as_batcher *batcher, request **order, bool all_at_once) {
    size_t done = 0;
    as_lock *lock = as_lock_new();
    for (size_t i = 0; i < REQUESTS; i++) {
        prepare(order[i], lock, &done);
        as_batcher_submit(batcher, &order[i]->work);
        if (!all_at_once) as_batcher_run(batcher, &order[i]->work);
    }
    for (size_t i = 0; i < REQUESTS; i++) as_batcher_run(batcher, &order[i]->work);
    assert_int_equal(done, REQUESTS);
    as_batcher_free(batcher);
    as_lock_free(lock);
}

static void try_a_way(const as_model *model, as_str kv, request *all, const answer *wanted,
                      as_rng *rng) {
    static const size_t chunks[] = {1, 2, 5, 16, 33, 64, 128, 300};
    as_batcher_options options = {.context = CONTEXT, .kv = kv};
    options.chunk = chunks[as_rng_below(rng, sizeof chunks / sizeof *chunks)];
    options.lanes = (size_t)as_rng_below(rng, 4);
    options.team = as_rng_below(rng, 4) ? 1 : 2;
    // From just enough for one request to enough for all.
    uint64_t page = as_model_kv_size(model, kv) * AS_PAGE;
    size_t least = (CONTEXT + (options.chunk > 256 ? options.chunk : 256) + AS_PAGE - 1) / AS_PAGE;
    if (as_rng_below(rng, 4)) options.memory = page * (least + 1 + as_rng_below(rng, 30));
    request *order[REQUESTS];
    for (size_t i = 0; i < REQUESTS; i++) {
        size_t j = (size_t)as_rng_below(rng, i + 1);
        order[i] = order[j];
        order[j] = &all[i];
    }
    as_batcher *batcher = open_batcher(model, &options);
    as_trie *trie = as_trie_new(model);
    as_constraint *constraints[GRAMMARS]; // each shared by all that are kept to it
    for (size_t g = 0; g < GRAMMARS; g++) constraints[g] = constraint_of(trie, grammars[g]);
    for (size_t i = 0; i < REQUESTS; i++)
        for (size_t g = 0; g < GRAMMARS; g++)
            if (all[i].grammar == grammars[g]) all[i].work.constraint = constraints[g];
    if (options.lanes)
        answer_side_by_side(batcher, order, 1 + (size_t)as_rng_below(rng, REQUESTS));
    else
        answer_here(batcher, order, as_rng_below(rng, 2));
    for (size_t i = 0; i < REQUESTS; i++) check(&all[i], &wanted[i]);
    for (size_t g = 0; g < GRAMMARS; g++) as_constraint_free(constraints[g]);
    as_trie_free(trie);
}

static void answers_do_not_depend_on_how(void **state) {
    (void)state;
    static request all[REQUESTS];
    static answer wanted[REQUESTS];
    static const char *const kvs[] = {"f32", "f16", "q8_0"};
    const as_kernels *tables[8];
    size_t table_count = as_kernels_available(tables);
    as_rng rng = as_rng_of(3, 14);
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        as_model *plain = open_model(models[m], "portable");
        for (size_t i = 0; i < REQUESTS; i++)
            make_request(all, i, &rng, as_model_facts(plain)->vocabulary);
        as_str kv = as_str_of(kvs[m % 3]);
        expect(plain, kv, all, wanted);
        as_model_close(plain);
        for (size_t t = 0; t < table_count; t++) {
            as_model *model = open_model(models[m], tables[t]->name);
            for (int i = 0; i < AS_DRAWS(6); i++) try_a_way(model, kv, all, wanted, &rng);
            as_model_close(model);
        }
        for (size_t i = 0; i < REQUESTS; i++) {
            free(all[i].got.logits);
            free(wanted[i].logits);
        }
    }
}

// --- the cache -----------------------------------------------------------------------------------

static void ask(as_batcher *batcher, uint32_t *prompt, size_t count, double *logprob,
                size_t *reused) {
    uint32_t id = 5;
    as_tokens text = {&id, 1};
    as_work work = {
        .prompt = {prompt, count}, .texts = &text, .text_count = 1, .logprobs = logprob};
    as_batcher_submit(batcher, &work);
    as_batcher_run(batcher, &work);
    assert_int_equal(work.status, AS_EVAL_OK);
    *reused = work.reused;
}

// What was asked lately is kept, what was not goes first; a text is shared to the token.
static void the_oldest_goes_first(void **state) {
    (void)state;
    as_model *model = open_model("f32", NULL);
    uint64_t page = as_model_kv_size(model, AS_STR("f32")) * AS_PAGE;
    as_batcher_options options = {.context = 64, .memory = page * (320 / AS_PAGE + 1 + 4)};
    as_batcher *batcher = open_batcher(model, &options);
    enum { PROMPTS = 12, COUNT = 61 };
    uint32_t prompts[PROMPTS][COUNT] = {{0}};
    double first[PROMPTS], again;
    size_t reused;
    for (size_t p = 0; p < PROMPTS; p++) {
        for (size_t i = 0; i < COUNT; i++) prompts[p][i] = (uint32_t)(i * (p + 1) % 40 + p);
        ask(batcher, prompts[p], COUNT, &first[p], &reused);
        assert_int_equal(reused, 0);
        ask(batcher, prompts[0], COUNT, &again, &reused); // the first one stays in use
        assert_int_equal(reused, COUNT - 1);
        assert_memory_equal(&again, &first[0], sizeof again);
    }
    as_batcher_facts facts = as_batcher_stats(batcher);
    assert_int_equal(facts.pages, 25);
    assert_true(facts.pages_most <= facts.pages && facts.pages_used <= facts.pages_most);
    assert_true(facts.rows < 2 * PROMPTS * COUNT);
    ask(batcher, prompts[PROMPTS - 1], COUNT, &again, &reused);
    assert_int_equal(reused, COUNT - 1);
    ask(batcher, prompts[1], COUNT, &again, &reused); // gone long ago
    assert_int_equal(reused, 0);
    assert_memory_equal(&again, &first[1], sizeof again);
    prompts[1][37] ^= 1;
    ask(batcher, prompts[1], COUNT, &again, &reused);
    assert_int_equal(reused, 37);
    ask(batcher, prompts[1], COUNT, &again, &reused); // where they part, both go on
    assert_int_equal(reused, COUNT - 1);
    prompts[1][37] ^= 1;
    ask(batcher, prompts[1], COUNT, &again, &reused);
    assert_int_equal(reused, COUNT - 1);
    assert_memory_equal(&again, &first[1], sizeof again);
    ask(batcher, prompts[1], 30, &again, &reused);
    assert_int_equal(reused, 29);
    as_batcher_free(batcher);
    as_model_close(model);
}

// Nothing is kept: no page beyond those of one request is ever touched.
static void texts_are_forgotten(void **state) {
    (void)state;
    as_model *model = open_model("f32", NULL);
    as_batcher_options options = {.context = 64, .forgets = true};
    as_batcher *batcher = open_batcher(model, &options);
    enum { COUNT = 50 };
    uint32_t prompt[COUNT] = {1, 2, 3};
    double first, again;
    size_t reused;
    ask(batcher, prompt, COUNT, &first, &reused);
    for (size_t i = 0; i < 20; i++) {
        ask(batcher, prompt, COUNT, &again, &reused);
        assert_int_equal(reused, 0);
        assert_memory_equal(&again, &first, sizeof again);
    }
    as_batcher_facts facts = as_batcher_stats(batcher);
    assert_int_equal(facts.pages_used, 0);
    assert_int_equal(facts.pages_most, (COUNT + AS_PAGE - 1) / AS_PAGE);
    as_batcher_free(batcher);
    as_model_close(model);
}

static void too_little_memory_is_refused(void **state) {
    (void)state;
    as_model *model = open_model("f32", NULL);
    as_err err;
    as_batcher *batcher;
    as_batcher_options options = {.memory = 100 << 10};
    assert_int_equal(as_batcher_check(model, &options, &err), AS_INVALID);
    assert_non_null(strstr(err.text, "cannot hold a context of 256 tokens"));
    assert_int_equal(as_batcher_new(model, &options, &batcher, &err), AS_INVALID);
    options = (as_batcher_options){.kv = AS_STR("f61")};
    assert_int_equal(as_batcher_new(model, &options, &batcher, &err), AS_INVALID);
    assert_string_equal(err.text, "kv is 'f61'; expected f32, f16 or q8_0 (did you mean 'f16'?)");
    assert_int_equal(as_model_kv_size(model, AS_STR("f61")), 0);
    assert_true(as_model_kv_size(model, AS_STR("f16")) * 2 == as_model_kv_size(model, AS_STR("")));
    as_model_close(model);
}

// Cancelled requests are handed back, whatever was under way.
static void cancelled_requests_come_back(void **state) {
    (void)state;
    static request all[REQUESTS];
    as_model *model = open_model("q8", NULL);
    as_rng rng = as_rng_of(8, 1);
    for (int round = 0; round < 6; round++) {
        size_t done = 0;
        as_lock *lock = as_lock_new();
        as_batcher_options options = {.context = CONTEXT, .lanes = 1 + (size_t)round % 3};
        as_batcher *batcher = open_batcher(model, &options);
        for (size_t i = 0; i < REQUESTS; i++) {
            make_request(all, i, &rng, as_model_facts(model)->vocabulary);
            prepare(&all[i], lock, &done);
            if (i == REQUESTS / 2 + (size_t)round) as_batcher_cancel(batcher);
            as_batcher_submit(batcher, &all[i].work);
        }
        as_batcher_free(batcher);
        assert_int_equal(done, REQUESTS);
        assert_int_equal(all[REQUESTS - 1].work.status, AS_EVAL_CANCELLED);
        for (size_t i = 0; i < REQUESTS; i++) free(all[i].got.logits);
        as_lock_free(lock);
    }
    as_model_close(model);
}

// Calls in calls beyond all bounds: there is no way on from the beginning, and the answer says so.
static void an_answer_without_a_way_on_is_stuck(void **state) {
    (void)state;
    enum { CALLS = 600 };
    as_model *model = open_model("q8", NULL);
    as_trie *trie = as_trie_new(model);
    as_batcher_options options = {.context = CONTEXT};
    as_batcher *batcher = open_batcher(model, &options);
    as_buf source = {0};
    as_buf_text(&source, "root ::= r0\n");
    for (int i = 0; i < CALLS; i++) as_buff(&source, "r%d ::= r%d \"x\"\n", i, i + 1);
    as_buff(&source, "r%d ::= \"a\"\n", CALLS);
    as_constraint *constraint = constraint_of(trie, source.ptr);
    request r = {.stop = GENERATED};
    uint32_t prompt[] = {1, 2, 3};
    r.work = (as_work){.kind = AS_WORK_GENERATE,
                       .prompt = {prompt, 3},
                       .max_tokens = GENERATED,
                       .each = write_down,
                       .context = &r,
                       .constraint = constraint};
    as_batcher_submit(batcher, &r.work);
    as_batcher_run(batcher, &r.work);
    assert_int_equal(r.work.status, AS_EVAL_OK);
    assert_true(r.work.stuck && !r.work.ended && !r.work.count && !r.got.count);
    as_batcher_free(batcher);
    as_constraint_free(constraint);
    as_trie_free(trie);
    as_buf_free(&source);
    as_model_close(model);
}

static as_rc break_down(as_lane *lane, const as_batch *batch, as_err *err) {
    (void)lane;
    (void)batch;
    return as_fail(err, AS_UNMEASURED, "the device is gone");
}

// A device that fails ends every request, and says why.
static void failed_devices_end_requests(void **state) {
    (void)state;
    static request all[REQUESTS];
    as_model *model = open_model("q8", NULL);
    as_rng rng = as_rng_of(9, 1);
    as_backend broken = as_backend_cpu;
    broken.run = break_down;
    for (size_t lanes = 1; lanes < 4; lanes++) {
        size_t done = 0, failed = 0;
        as_lock *lock = as_lock_new();
        as_batcher_options options = {.context = CONTEXT, .lanes = lanes, .backend = &broken};
        as_batcher *batcher = open_batcher(model, &options);
        for (size_t i = 0; i < REQUESTS; i++) {
            make_request(all, i, &rng, as_model_facts(model)->vocabulary);
            prepare(&all[i], lock, &done);
            as_batcher_submit(batcher, &all[i].work);
        }
        as_lock_take(lock);
        while (done < REQUESTS) as_lock_wait(lock, UINT64_MAX);
        as_lock_give(lock);
        assert_string_equal(as_batcher_failure(batcher), "the device is gone");
        as_batcher_free(batcher);
        for (size_t i = 0; i < REQUESTS; i++) {
            failed += all[i].work.status == AS_EVAL_FAILED;
            free(all[i].got.logits);
        }
        assert_true(failed > REQUESTS / 2);
        as_lock_free(lock);
    }
    as_model_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_do_not_depend_on_how),
        cmocka_unit_test(the_oldest_goes_first),
        cmocka_unit_test(texts_are_forgotten),
        cmocka_unit_test(too_little_memory_is_refused),
        cmocka_unit_test(cancelled_requests_come_back),
        cmocka_unit_test(an_answer_without_a_way_on_is_stuck),
        cmocka_unit_test(failed_devices_end_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
