// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "harness/engine/forward.h"
#include "harness/engine/sampler.h"

struct as_session {
    const as_model *model;
    as_forward *forward;
    size_t context, chunk;
    uint32_t *held; // [context] tokens whose keys and values the cache holds
    size_t held_count;
    as_row *rows; // [chunk] the batch being made
    size_t row_count;
    float *logits; // [AS_LOGIT_ROWS][vocabulary]
    as_sampler sampler;
};

as_rc as_session_make(const as_model *model, size_t context, size_t threads, size_t chunk,
                      as_session **out, as_err *err) {
    if (!context) context = model->info.context_length;
    if (context > model->info.context_length)
        return as_fail(err, AS_INVALID, "a context of %zu tokens is longer than the model's %zu",
                       context, model->info.context_length);
    if (threads < 1 || threads > AS_THREADS_MAX)
        return as_fail(err, AS_INVALID, "%zu threads are not 1 to %d", threads, AS_THREADS_MAX);
    assert(chunk >= 1 && chunk <= AS_CHUNK_MAX);
    as_session *session = as_mem_new(sizeof *session);
    // The branches of a batch of choices lie side by side behind the prompt.
    as_rc rc =
        as_forward_new(model, context, context + chunk, chunk, threads, &session->forward, err);
    if (rc) {
        free(session);
        return rc;
    }
    session->model = model;
    session->context = context;
    session->chunk = chunk;
    session->held = as_mem_new(as_size_mul(context, sizeof *session->held));
    session->rows = as_mem_new(as_size_mul(chunk, sizeof *session->rows));
    session->logits =
        as_mem_new(as_size_mul(AS_LOGIT_ROWS * sizeof(float), model->info.vocabulary));
    session->sampler = as_sampler_new(model->info.vocabulary);
    *out = session;
    return AS_OK;
}

as_rc as_session_new(const as_model *model, size_t context, size_t threads, as_session **out,
                     as_err *err) {
    return as_session_make(model, context, threads, AS_CHUNK, out, err);
}

void as_session_free(as_session *session) {
    if (!session) return;
    as_forward_free(session->forward);
    free(session->held);
    free(session->rows);
    free(session->logits);
    as_sampler_free(&session->sampler);
    free(session);
}

size_t as_session_held(const as_session *session, const uint32_t **tokens) {
    *tokens = session->held;
    return session->held_count;
}

// Adds a row; its index.
static uint32_t add_row(as_session *s, uint32_t token, uint32_t parent) {
    assert(token < s->model->info.vocabulary);
    s->rows[s->row_count] = (as_row){token, parent};
    return (uint32_t)s->row_count++;
}

// Begins a batch with `count` tokens in a chain on the base; the index of the last.
static uint32_t begin_chain(as_session *s, const uint32_t *tokens, size_t count) {
    uint32_t last = AS_ROW_BASE;
    s->row_count = 0;
    for (size_t i = 0; i < count; i++) last = add_row(s, tokens[i], last);
    return last;
}

// Computes the prompt but for its last rows, which are left as a begun batch of 1 to chunk rows on
// top of held_count; the index of the last row. The prompt is not empty.
static uint32_t begin_prompt(as_session *s, as_tokens prompt) {
    size_t same = 0;
    while (same < s->held_count && same < prompt.count && s->held[same] == prompt.ids[same]) same++;
    if (same == prompt.count) same--; // its last row is what the answer begins from
    s->held_count = same;
    while (prompt.count - s->held_count > s->chunk) {
        begin_chain(s, prompt.ids + s->held_count, s->chunk);
        as_forward_run(s->forward, s->rows, s->row_count, s->held_count, false);
        memcpy(s->held + s->held_count, prompt.ids + s->held_count, s->chunk * sizeof *s->held);
        s->held_count += s->chunk;
    }
    return begin_chain(s, prompt.ids + s->held_count, prompt.count - s->held_count);
}

// Runs the batch. Its first `kept` rows stay in the cache as held tokens.
static void run_batch(as_session *s, size_t kept) {
    as_forward_run(s->forward, s->rows, s->row_count, s->held_count, true);
    for (size_t i = 0; i < kept; i++) s->held[s->held_count + i] = s->rows[i].token;
}

// log of the sum of exp of a row of logits.
static double log_sum_exp(const as_session *s, const float *logits) {
    float max, sum;
    s->model->kernels->exp_sum(logits, s->model->info.vocabulary, &max, &sum);
    return (double)max + as_log_f64((double)sum);
}

// --- choices --------------------------------------------------------------------------------

// The row for `token` after row `parent`, among those from `first` on; AS_ROW_BASE if none.
static uint32_t find_row(const as_session *s, size_t first, uint32_t parent, uint32_t token) {
    for (size_t i = first; i < s->row_count; i++)
        if (s->rows[i].parent == parent && s->rows[i].token == token) return (uint32_t)i;
    return AS_ROW_BASE;
}

// Adds the rows of a choice that are not there yet; its last token needs none. False, and nothing
// added, when they do not fit.
static bool add_choice(as_session *s, size_t first, uint32_t root, as_tokens choice) {
    size_t before = s->row_count;
    uint32_t at = root;
    for (size_t i = 0; i + 1 < choice.count; i++) {
        uint32_t next = find_row(s, first, at, choice.ids[i]);
        if (next == AS_ROW_BASE) {
            if (s->row_count == s->chunk) {
                s->row_count = before;
                return false;
            }
            next = add_row(s, choice.ids[i], at);
        }
        at = next;
    }
    return true;
}

// Logits of rows from..to-1 are in s->logits: adds what they say about the tokens of a choice.
static void score_rows(const as_session *s, size_t first, uint32_t root, as_tokens choice,
                       size_t from, size_t to, const double *sums, double *logprob) {
    uint32_t at = root;
    for (size_t i = 0; i < choice.count; i++) {
        if (i) at = find_row(s, first, at, choice.ids[i - 1]);
        if (at == AS_ROW_BASE || at < from || at >= to) continue;
        const float *logits = s->logits + (at - from) * s->model->info.vocabulary;
        *logprob += (double)logits[choice.ids[i]] - sums[at - from];
    }
}

// Scores choices[begin..end), whose rows are in the batch just run. `root` is the last row of the
// prompt, or AS_ROW_BASE when that is not in this batch. A row comes after its parent, so a
// choice's terms are added in the order of its tokens.
static void score_batch(as_session *s, size_t first, uint32_t root, const as_tokens *choices,
                        size_t begin, size_t end, double *logprobs) {
    size_t from = root == AS_ROW_BASE ? first : root;
    while (from < s->row_count) {
        size_t to = s->row_count - from > AS_LOGIT_ROWS ? from + AS_LOGIT_ROWS : s->row_count;
        double sums[AS_LOGIT_ROWS];
        as_forward_logits(s->forward, from, to - from, s->logits);
        for (size_t i = from; i < to; i++)
            sums[i - from] = log_sum_exp(s, s->logits + (i - from) * s->model->info.vocabulary);
        for (size_t c = begin; c < end; c++)
            score_rows(s, first, root, choices[c], from, to, sums, &logprobs[c]);
        from = to;
    }
}

// A choice of more rows than a batch has: as a chain of its own, batch after batch.
static void score_long(as_session *s, size_t prompt_count, as_tokens choice, double *logprob) {
    size_t rows = choice.count - 1;
    for (size_t done = 0; done < rows; done += s->row_count) {
        size_t count = rows - done < s->chunk ? rows - done : s->chunk;
        begin_chain(s, choice.ids + done, count);
        as_forward_run(s->forward, s->rows, count, prompt_count + done, true);
        for (size_t from = 0; from < count; from += AS_LOGIT_ROWS) {
            size_t n = count - from < AS_LOGIT_ROWS ? count - from : AS_LOGIT_ROWS;
            as_forward_logits(s->forward, from, n, s->logits);
            for (size_t i = 0; i < n; i++) {
                const float *logits = s->logits + i * s->model->info.vocabulary;
                *logprob +=
                    (double)logits[choice.ids[done + from + i + 1]] - log_sum_exp(s, logits);
            }
        }
    }
}

// The first tokens of choices that have no rows in the prompt's batch.
static void score_firsts(as_session *s, uint32_t root, const as_tokens *choices, size_t begin,
                         size_t end, double *logprobs) {
    if (begin == end) return;
    as_forward_logits(s->forward, root, 1, s->logits);
    double sum = log_sum_exp(s, s->logits);
    for (size_t c = begin; c < end; c++)
        if (choices[c].count) logprobs[c] += (double)s->logits[choices[c].ids[0]] - sum;
}

static size_t add_choices(as_session *s, size_t first, uint32_t root, const as_tokens *choices,
                          size_t begin, size_t count) {
    while (begin < count && add_choice(s, first, root, choices[begin])) begin++;
    return begin;
}

as_eval_status as_session_choices(as_session *session, as_tokens prompt, const as_tokens *choices,
                                  size_t choice_count, double *logprobs) {
    as_session *s = session;
    for (size_t c = 0; c < choice_count; c++)
        if (prompt.count > s->context || choices[c].count > s->context - prompt.count)
            return AS_EVAL_TOO_LONG;
    for (size_t c = 0; c < choice_count; c++) logprobs[c] = 0.0;
    if (!choice_count) return AS_EVAL_OK;
    size_t done = 0;
    s->row_count = 0;
    if (prompt.count) {
        uint32_t root = begin_prompt(s, prompt);
        size_t first = s->row_count;
        done = add_choices(s, first, root, choices, 0, choice_count);
        run_batch(s, first);
        score_batch(s, first, root, choices, 0, done, logprobs);
        score_firsts(s, root, choices, done, choice_count, logprobs);
    }
    s->held_count = prompt.count;
    while (done < choice_count) {
        s->row_count = 0;
        size_t next = add_choices(s, 0, AS_ROW_BASE, choices, done, choice_count);
        if (next == done) {
            score_long(s, prompt.count, choices[done], &logprobs[done]);
            next++;
        } else if (s->row_count) {
            run_batch(s, 0);
            score_batch(s, 0, AS_ROW_BASE, choices, done, next, logprobs);
        }
        done = next;
    }
    return AS_EVAL_OK;
}

// --- one text ----------------------------------------------------------------------------------

static void score_token(const as_session *s, const float *logits, uint32_t token, double *logprob,
                        bool *greedy) {
    *logprob += (double)logits[token] - log_sum_exp(s, logits);
    *greedy = *greedy && s->model->kernels->argmax(logits, s->model->info.vocabulary) == token;
}

as_eval_status as_session_score(as_session *session, as_tokens prompt, as_tokens text,
                                double *logprob, bool *greedy) {
    as_session *s = session;
    size_t rows = text.count ? text.count - 1 : 0;
    if (prompt.count > s->context || rows > s->context - prompt.count) return AS_EVAL_TOO_LONG;
    *logprob = 0.0;
    *greedy = true;
    if (!text.count) return AS_EVAL_OK;
    s->row_count = 0;
    if (prompt.count) {
        uint32_t root = begin_prompt(s, prompt);
        run_batch(s, s->row_count);
        as_forward_logits(s->forward, root, 1, s->logits);
        score_token(s, s->logits, text.ids[0], logprob, greedy);
    }
    s->held_count = prompt.count;
    for (size_t done = 0; done < rows; done += s->row_count) {
        begin_chain(s, text.ids + done, rows - done < s->chunk ? rows - done : s->chunk);
        as_forward_run(s->forward, s->rows, s->row_count, prompt.count + done, true);
        for (size_t from = 0; from < s->row_count; from += AS_LOGIT_ROWS) {
            size_t left = s->row_count - from, n = left < AS_LOGIT_ROWS ? left : AS_LOGIT_ROWS;
            as_forward_logits(s->forward, from, n, s->logits);
            for (size_t i = 0; i < n; i++)
                score_token(s, s->logits + i * s->model->info.vocabulary,
                            text.ids[done + from + i + 1], logprob, greedy);
        }
    }
    return AS_EVAL_OK;
}

// --- generation and plain logits --------------------------------------------------------------

as_eval_status as_session_generate(as_session *session, as_tokens prompt, size_t max_tokens,
                                   const as_sampling *sampling, as_token_visit *each, void *context,
                                   size_t *count, bool *ended) {
    as_session *s = session;
    if (prompt.count > s->context || max_tokens > s->context - prompt.count)
        return AS_EVAL_TOO_LONG;
    *count = 0;
    *ended = false;
    if (!prompt.count || !max_tokens) return AS_EVAL_OK;
    uint32_t last = begin_prompt(s, prompt);
    for (;;) {
        run_batch(s, s->row_count);
        s->held_count += s->row_count;
        as_forward_logits(s->forward, last, 1, s->logits);
        uint32_t token =
            as_sampler_pick(&s->sampler, s->model->kernels, sampling, *count, s->logits);
        *ended = as_model_is_end(s->model, token);
        if (*ended) return AS_EVAL_OK;
        ++*count;
        if (!each(context, token) || *count == max_tokens) return AS_EVAL_OK;
        last = begin_chain(s, &token, 1);
    }
}

as_eval_status as_session_logits(as_session *session, as_tokens tokens, float *out) {
    as_session *s = session;
    if (tokens.count > s->context) return AS_EVAL_TOO_LONG;
    s->held_count = 0; // every row's logits are wanted, so every row is computed
    while (s->held_count < tokens.count) {
        size_t left = tokens.count - s->held_count, rows = left < s->chunk ? left : s->chunk;
        begin_chain(s, tokens.ids + s->held_count, rows);
        run_batch(s, rows);
        as_forward_logits(s->forward, 0, rows, out + s->held_count * s->model->info.vocabulary);
        s->held_count += rows;
    }
    return AS_EVAL_OK;
}
