// SPDX-License-Identifier: Apache-2.0
#include "runner/model/model_bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/arena.h"
#include "harness/base/clock.h"
#include "harness/base/thread.h"
#include "harness/engine/model.h"
#ifdef AS_KERNELS_X86
#include "kernels/x86/ceiling.h"
#endif

enum {
    PROMPT = 512, // tokens
    DECODE = 64,
    RUNS = 5,
    CONTEXT_MIN = 16,
    READ_SIZE = 128 << 20, // bytes a thread sums up
    PEAK_ROUNDS = 2000000,
    CASES = 32, // at once
    CHOICES = 4,
    PREFIX = 500, // tokens
    QUESTION = 32,
    CHOICE = 8,
    WRITTEN = 16,
};

static double seconds_since(uint64_t start_ns) {
    return (double)(as_clock_ns() - start_ns) * 1e-9;
}

// --- the machine ---------------------------------------------------------------------------

// A cache line, in the machine's vectors. Where it begins does not matter.
typedef uint64_t line __attribute__((vector_size(64), aligned(8)));

enum { HALF = READ_SIZE / 2 / sizeof(line) };

static uint64_t sum_of(const line *sums) {
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof *sums / sizeof sum; i++) sum ^= (*sums)[i];
    return sum;
}

// Two streams, which the processor's own prefetchers follow.
static uint64_t sum_plain(const line *memory) {
    line a = {0}, b = {0};
    for (size_t i = 0; i < HALF; i += 2) {
        a ^= memory[i] ^ memory[HALF + i];
        b ^= memory[i + 1] ^ memory[HALF + i + 1];
    }
    a ^= b;
    return sum_of(&a);
}

// Two streams, each asked for some KiB beforehand: faster where prefetchers stop at the end of a
// page.
static uint64_t sum_asked(const line *memory) {
    enum { AHEAD = 8192 / sizeof(line) };
    line sums = {0};
    for (size_t i = 0; i < HALF; i++) {
        __builtin_prefetch(memory + i + AHEAD);
        __builtin_prefetch(memory + HALF + i + AHEAD);
        sums ^= memory[i] ^ memory[HALF + i];
    }
    return sum_of(&sums);
}

typedef struct reading {
    uint64_t **parts;
    bool asks;
} reading;

static void read_memory(void *reading_in, size_t index, size_t count) {
    (void)count;
    reading *r = reading_in;
    line *memory = (line *)(void *)r->parts[index];
    r->parts[index][0] = r->asks ? sum_asked(memory) : sum_plain(memory); // so that it is needed
}

// What is read at best in either way.
static as_rc measure_reading(size_t threads, double *gb_per_s, as_err *err) {
    as_team *team;
    as_rc rc = as_team_new(threads, &team, err);
    if (rc) return rc;
    uint64_t **parts = as_mem_new(threads * sizeof *parts);
    reading r = {.parts = parts};
    for (size_t i = 0; i < threads; i++) {
        parts[i] = as_mem_new(READ_SIZE);
        memset(parts[i], 1, READ_SIZE);
    }
    double best = HUGE_VAL;
    for (int run = 0; run < 2 * RUNS; run++) {
        r.asks = run % 2;
        uint64_t start = as_clock_ns();
        as_team_run(team, read_memory, &r);
        best = fmin(best, seconds_since(start));
    }
    *gb_per_s = (double)threads * READ_SIZE / best * 1e-9;
    for (size_t i = 0; i < threads; i++) free(parts[i]);
    free(parts);
    as_team_free(team);
    return AS_OK;
}

// Of one core, for the table that the model runs on and its kind of weights.
static double measure_peak(as_str kernels, bool quantized) {
    double best = NAN;
#ifdef AS_KERNELS_X86
    double (*loop)(long) = NULL;
    if (as_str_is(kernels, "avx2"))
        loop = quantized ? as_ceiling_maddubs_avx2 : as_ceiling_fma_avx2;
    if (as_str_is(kernels, "avx512"))
        loop = quantized ? as_ceiling_dpbusd_avx512 : as_ceiling_fma_avx512;
    for (int run = 0; loop && run < RUNS; run++) {
        uint64_t start = as_clock_ns();
        double operations = loop(PEAK_ROUNDS);
        best = fmax(best, operations / seconds_since(start) * 1e-9);
    }
#endif
    (void)kernels;
    (void)quantized;
    return best;
}

// --- the model -----------------------------------------------------------------------------

// Computes a prompt and scores one token after it; seconds.
static double time_prompt(as_session *session, uint32_t *ids, size_t count) {
    uint32_t next = ids[0];
    as_tokens prompt = {ids, count}, choice = {&next, 1};
    double logprob;
    uint64_t start = as_clock_ns();
    as_session_choices(session, prompt, &choice, 1, &logprob);
    return seconds_since(start);
}

// When each token of an answer came.
typedef struct arrivals {
    uint64_t at_ns[DECODE + 1];
    size_t count;
} arrivals;

static bool note_arrival(void *context, uint32_t token) {
    arrivals *a = context;
    (void)token;
    a->at_ns[a->count++] = as_clock_ns();
    return true;
}

// Of each step the fastest of all runs counts: a neighbour on the machine is then mostly outside.
static void time_model(as_session *session, uint32_t *ids, uint32_t vocabulary,
                       as_model_speed *out) {
    double prompt = HUGE_VAL, steps[DECODE], decode = 0.0;
    for (size_t i = 0; i < out->decode_tokens; i++) steps[i] = HUGE_VAL;
    for (uint32_t run = 0; run < RUNS; run++) {
        ids[0] = run % vocabulary; // so that nothing of the last prompt can be used again
        prompt = fmin(prompt, time_prompt(session, ids, out->prompt_tokens));
        // All but the last token of the prompt are in the cache; the first token takes that one.
        as_tokens text = {ids, out->prompt_tokens};
        arrivals a = {.count = 0};
        size_t count;
        bool ended;
        as_session_generate(session, text, out->decode_tokens + 1, NULL, note_arrival, &a, &count,
                            &ended);
        for (size_t i = 0; i + 1 < a.count; i++)
            steps[i] = fmin(steps[i], (double)(a.at_ns[i + 1] - a.at_ns[i]) * 1e-9);
    }
    // Where every answer has ended before: one token more of a given text.
    for (size_t i = 0; i < out->decode_tokens; i++) {
        if (steps[i] == HUGE_VAL) steps[i] = time_prompt(session, ids, out->prompt_tokens + i + 1);
        decode += steps[i];
    }
    out->prompt_per_s = (double)out->prompt_tokens / prompt;
    out->decode_per_s = (double)out->decode_tokens / decode;
}

// Bytes of keys and values that a token at `position` looks at.
static double cache_size(const as_model *model, as_str kv, size_t position) {
    const as_hparams *p = &model->hparams;
    size_t seen = 0;
    for (size_t layer = 0; layer < p->layers; layer++)
        seen += p->local[layer] && position > p->window ? p->window : position;
    return (double)as_model_kv_size(model, kv) * (double)seen / (double)p->layers;
}

// --- many at once ----------------------------------------------------------------------------

typedef struct batch_case {
    as_work work; // the first member
    uint32_t *prompt, choice_ids[CHOICES][CHOICE];
    as_tokens choices[CHOICES];
    double logprobs[CHOICES];
    as_queue *done;
} batch_case;

static void hand_over(as_work *work) {
    as_queue_push(((batch_case *)(void *)work)->done, work);
}

static bool any_token(void *context, uint32_t token) {
    (void)context;
    (void)token;
    return true;
}

// Seconds for all cases.
static double time_cases(as_batcher *batcher, batch_case *cases, size_t count, as_work_kind kind) {
    uint64_t start = as_clock_ns();
    for (size_t i = 0; i < count; i++) {
        cases[i].work.kind = kind;
        as_batcher_submit(batcher, &cases[i].work);
    }
    for (size_t i = 0; i < count; i++) as_queue_pop(cases[0].done);
    return seconds_since(start);
}

static void fill_case(batch_case *c, size_t number, size_t prompt, size_t prefix, size_t written,
                      uint32_t vocabulary) {
    c->prompt = as_mem_new(prompt * sizeof *c->prompt);
    for (size_t i = 0; i < prompt; i++)
        c->prompt[i] =
            (uint32_t)((i < prefix ? i : i + 1000 * number) * 2654435761u >> 7) % vocabulary;
    for (size_t k = 0; k < CHOICES; k++) {
        for (size_t i = 0; i < CHOICE; i++)
            c->choice_ids[k][i] =
                (uint32_t)((i + 100 * k + number) * 2246822519u >> 9) % vocabulary;
        c->choices[k] = (as_tokens){c->choice_ids[k], CHOICE};
    }
    c->work = (as_work){.done = hand_over,
                        .prompt = {c->prompt, prompt},
                        .texts = c->choices,
                        .text_count = CHOICES,
                        .logprobs = c->logprobs,
                        .max_tokens = written,
                        .each = any_token};
}

// A fresh batcher: nothing is kept of what was before, the prefix is computed once in it.
static as_rc time_batches(const as_model *model, size_t context, size_t threads, as_str kv,
                          as_str device, as_model_speed *out, as_err *err) {
    size_t question = context / 8 < QUESTION ? context / 8 : QUESTION;
    size_t written = context / 8 < WRITTEN ? context / 8 : WRITTEN;
    size_t room = context - question - (written > CHOICE ? written : CHOICE);
    size_t prefix = room < PREFIX ? room : PREFIX, tokens = 0;
    as_batcher_options options = {.context = context, .lanes = threads, .kv = kv, .device = device};
    as_batcher *batcher;
    as_rc rc = as_batcher_new(model, &options, &batcher, err);
    if (rc) return rc;
    as_queue *done = as_queue_new(CASES);
    batch_case *cases = as_mem_new(CASES * sizeof *cases);
    for (size_t i = 0; i < CASES; i++) {
        fill_case(&cases[i], i, prefix + question, prefix, written,
                  (uint32_t)as_model_facts(model)->vocabulary);
        cases[i].done = done;
    }
    out->cases = CASES;
    out->prefix_tokens = prefix;
    out->choices_per_s = CASES / time_cases(batcher, cases, CASES, AS_WORK_TEXTS);
    as_batcher_facts facts = as_batcher_stats(batcher);
    out->choice_rows = facts.rows;
    out->choice_reused = facts.reused;
    double seconds = time_cases(batcher, cases, CASES, AS_WORK_GENERATE);
    for (size_t i = 0; i < CASES; i++) tokens += cases[i].work.count;
    out->batch_decode_per_s = (double)tokens / seconds;
    as_batcher_free(batcher);
    for (size_t i = 0; i < CASES; i++) free(cases[i].prompt);
    free(cases);
    as_queue_free(done);
    return AS_OK;
}

// Whether most of the work is products of quantized weights.
static bool is_quantized(const as_model *model) {
    const as_layer *layer = &model->weights.layers[model->hparams.layers / 2];
    const as_matrix *w = model->hparams.experts ? &layer->mixture.down[0] : &layer->down;
    return as_wtype_quantized(w->type);
}

as_rc as_model_bench(const as_model *model, size_t context, size_t threads, as_str kv,
                     as_str device, as_model_speed *out, as_err *err) {
    const as_model_info *facts = as_model_facts(model);
    if (!context) context = facts->context_length;
    if (context < CONTEXT_MIN)
        return as_fail(err, AS_INVALID,
                       "a context of %zu tokens is too short to measure in, "
                       "the least is %d",
                       context, CONTEXT_MIN);
    size_t decode = context / 8 < DECODE ? context / 8 : DECODE, room = context - decode - 1;
    as_model_speed speed = {.threads = threads, .decode_tokens = decode};
    speed.prompt_tokens = room < PROMPT ? room : PROMPT;
    size_t count = speed.prompt_tokens + decode;
    as_session *session;
    as_batcher_options options = {
        .context = count + 1, .team = threads, .kv = kv, .device = device};
    as_rc rc = as_session_open(model, &options, &session, err);
    if (rc) return rc;
    uint32_t *ids = as_mem_new(count * sizeof *ids), vocabulary = (uint32_t)facts->vocabulary;
    for (size_t i = 0; i < count; i++) ids[i] = (uint32_t)(i * 2654435761u >> 7) % vocabulary;
    time_model(session, ids, vocabulary, &speed);
    free(ids);
    as_session_free(session);
    rc = time_batches(model, context, threads, kv, device, &speed, err);
    speed.read_gb_per_s = speed.peak_gop_per_s = NAN; // of a GPU: tests/device
    if (!rc && as_str_is(device, "cpu")) {
        rc = measure_reading(threads, &speed.read_gb_per_s, err);
        speed.peak_gop_per_s = measure_peak(facts->kernels, is_quantized(model)) * (double)threads;
    }
    if (rc) return rc;
    double cached = cache_size(model, kv, speed.prompt_tokens + decode / 2);
    speed.decode_gb_per_s = speed.decode_per_s * ((double)facts->product_size + cached) * 1e-9;
    // The output matrix is multiplied with the last token of a prompt alone.
    speed.prompt_gop_per_s =
        speed.prompt_per_s * 2.0 *
        ((double)facts->product_parameters - (double)facts->vocabulary * (double)facts->width) *
        1e-9;
    *out = speed;
    return AS_OK;
}
