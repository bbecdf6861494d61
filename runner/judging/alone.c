// SPDX-License-Identifier: Apache-2.0
#include "runner/judging/alone.h"

#include <stdlib.h>
#include <string.h>

#include "metrics/metric.h"

bool as_alone_wanted(const as_plan *plan) {
    const as_metric_ops *ops;
    if (as_plan_task(&plan->suite) != AS_TASK_CHOICE) return false;
    for (size_t i = 0; i < plan->suite.metric_count; i++)
        if (!as_metric_name_check(plan->metrics[i].name, &ops, NULL) &&
            ops->flags & AS_METRIC_ALONE)
            return true;
    return false;
}

// Choices are spelled by what the prompt ends with: a space goes between, or not.
static char kind_of_end(const as_request *request) {
    size_t count = request->message_count;
    as_str last = count ? request->messages[count - 1].content : AS_STR("");
    char c = last.len ? last.ptr[last.len - 1] : '\0';
    return c == ' ' || c == '\n' ? ' ' : c == '\0' || (c >= '\t' && c <= '\r') ? c : 'x';
}

static as_str key_of(as_arena *arena, const as_request *request) {
    as_buf key = {0};
    as_buf_char(&key, kind_of_end(request));
    for (size_t i = 0; i < request->choice_count; i++) {
        as_buf_str(&key, request->choices[i]);
        as_buf_char(&key, '\0');
    }
    as_str out = as_str_copy(arena, as_buf_view(&key));
    as_buf_free(&key);
    return out;
}

static const double *keep(as_alone *alone, as_str key, const double *values, size_t count) {
    uint64_t at;
    if (as_map_get(&alone->known, key, &at)) return alone->values[at]; // asked for twice at once
    if (alone->count == alone->capacity) {
        alone->capacity = alone->capacity ? 2 * alone->capacity : 16;
        alone->values =
            as_mem_grow(alone->values, as_size_mul(alone->capacity, sizeof *alone->values));
    }
    double *copy = AS_NEW_ARRAY(&alone->arena, double, count + 1);
    memcpy(copy, values, count * sizeof *copy);
    alone->values[alone->count] = copy;
    as_map_add(&alone->known, as_str_copy(&alone->arena, key), alone->count++, NULL);
    return copy;
}

bool as_alone_settle(as_alone *alone, as_scheduler *scheduler, as_job *job, const double **out) {
    as_request *request = &job->request;
    *out = NULL;
    if (!request->alone && (job->answer.outcome != AS_OUT_OK || !job->answer.choice_logprobs))
        return true;
    as_str key = key_of(&job->arena, request);
    uint64_t at;
    if (request->alone) {
        request->alone = false;
        job->alone = job->answer;
        job->answer = job->before;
        if (job->alone.outcome == AS_OUT_OK && job->alone.choice_logprobs) {
            *out = keep(alone, key, job->alone.choice_logprobs, request->choice_count);
        } else {
            job->answer.outcome = job->alone.outcome;
            job->answer.error = as_strf(&job->arena, "the choices after an empty prompt: %.*s",
                                        AS_STR_ARG(job->alone.error));
        }
        return true;
    }
    job->alone = (as_answer){0};
    if (as_map_get(&alone->known, key, &at)) {
        *out = alone->values[at];
        return true;
    }
    job->before = job->answer;
    request->alone = true;
    job->due_ns = 0;
    as_scheduler_submit(scheduler, job);
    return false;
}

void as_alone_free(as_alone *alone) {
    as_map_free(&alone->known);
    free(alone->values);
    as_arena_free(&alone->arena);
}
