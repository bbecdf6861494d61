// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/batch/session.h"

#include <stdlib.h>

#include "harness/base/arena.h"

struct as_session {
    as_batcher *batcher;
    size_t reused;
};

as_rc as_session_open(const as_model *model, const as_batcher_options *options, as_session **out,
                      as_err *err) {
    as_batcher *batcher;
    if (options->team < 1 || options->team > AS_THREADS_MAX)
        return as_fail(err, AS_INVALID, "%zu threads are not 1 to %d", options->team,
                       AS_THREADS_MAX);
    if (as_model_facts(model)->encoder)
        return as_fail(err, AS_INVALID,
                       "the model is an encoder (%.*s): it embeds texts and predicts no tokens",
                       AS_STR_ARG(as_model_facts(model)->architecture));
    as_rc rc = as_batcher_new(model, options, &batcher, err);
    if (rc) return rc;
    *out = as_mem_new(sizeof **out);
    (*out)->batcher = batcher;
    return AS_OK;
}

as_rc as_session_new(const as_model *model, size_t context, size_t threads, as_session **out,
                     as_err *err) {
    as_batcher_options options = {.context = context, .team = threads};
    return as_session_open(model, &options, out, err);
}

void as_session_free(as_session *session) {
    if (!session) return;
    as_batcher_free(session->batcher);
    free(session);
}

size_t as_session_reused(const as_session *session) {
    return session->reused;
}

static as_eval_status answer(as_session *session, as_work *work) {
    as_batcher_submit(session->batcher, work);
    as_batcher_run(session->batcher, work);
    session->reused = work->reused;
    return work->status;
}

as_eval_status as_session_choices(as_session *session, as_tokens prompt, const as_tokens *choices,
                                  size_t choice_count, double *logprobs) {
    as_work work = {.kind = AS_WORK_TEXTS,
                    .prompt = prompt,
                    .texts = choices,
                    .text_count = choice_count,
                    .logprobs = logprobs};
    return answer(session, &work);
}

as_eval_status as_session_score(as_session *session, as_tokens prompt, as_tokens text,
                                double *logprob, bool *greedy) {
    as_work work = {.kind = AS_WORK_TEXTS,
                    .prompt = prompt,
                    .texts = &text,
                    .text_count = 1,
                    .last_fits = true,
                    .logprobs = logprob,
                    .greedy = greedy};
    return answer(session, &work);
}

as_eval_status as_session_generate(as_session *session, as_tokens prompt, size_t max_tokens,
                                   const as_sampling *sampling, as_token_visit *each, void *context,
                                   size_t *count, bool *ended) {
    as_work work = {.kind = AS_WORK_GENERATE,
                    .prompt = prompt,
                    .max_tokens = max_tokens,
                    .sampling = sampling,
                    .each = each,
                    .context = context};
    as_eval_status status = answer(session, &work);
    if (status == AS_EVAL_TOO_LONG) return status;
    *count = work.count;
    *ended = work.ended;
    return status;
}

as_eval_status as_session_logits(as_session *session, as_tokens tokens, float *out) {
    as_work work = {.kind = AS_WORK_LOGITS, .prompt = tokens, .logits = out};
    return answer(session, &work);
}
