// SPDX-License-Identifier: Apache-2.0
#include "runner/vectors/nearest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/sha256.h"
#include "runner/evaluate.h"
#include "runner/scheduler.h"

enum { TEXTS_A_REQUEST = 32, WAIT_NS = 100000000 };

double as_nearest_cosine(const float *a, const float *b, size_t n) {
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    double value = ab / sqrt(aa * bb);
    return value > 1 ? 1 : value < -1 ? -1 : value; // NaN stays
}

typedef struct hit {
    double cosine;
    size_t place;
} hit;

static int by_cosine(const void *x, const void *y) {
    const hit *a = x, *b = y;
    bool a_none = isnan(a->cosine), b_none = isnan(b->cosine);
    if (a_none != b_none) return a_none ? 1 : -1;
    if (!a_none && a->cosine != b->cosine) return a->cosine > b->cosine ? -1 : 1;
    return a->place < b->place ? -1 : 1;
}

const as_str *as_nearest_rank(as_arena *arena, const float *query, const as_documents *documents,
                              size_t *count) {
    size_t n = documents->count;
    hit *hits = as_mem_new(as_size_mul(n + 1, sizeof *hits));
    for (size_t i = 0; i < n; i++)
        hits[i] = (hit){
            as_nearest_cosine(query, documents->vectors + i * documents->width, documents->width),
            i};
    qsort(hits, n, sizeof *hits, by_cosine);
    if (n > AS_PLAN_RANKING_MAX) n = AS_PLAN_RANKING_MAX;
    as_str *ids = AS_NEW_ARRAY(arena, as_str, n + 1);
    for (size_t i = 0; i < n; i++) ids[i] = documents->ids[hits[i].place];
    free(hits);
    *count = n;
    return ids;
}

as_str as_nearest_name(as_arena *arena, const float *vector, size_t width) {
    as_sha256 sha;
    char hex[65];
    as_sha256_init(&sha);
    for (size_t i = 0; i < width; i++) { // little endian on any machine
        uint32_t bits;
        memcpy(&bits, &vector[i], sizeof bits);
        unsigned char bytes[4];
        for (size_t j = 0; j < 4; j++) bytes[j] = (unsigned char)(bits >> 8 * j & 0xff);
        as_sha256_add(&sha, bytes, sizeof bytes);
    }
    as_sha256_hex(&sha, hex);
    return as_strf(arena, "f32[%zu] sha256:%s", width, hex);
}

// --- the documents of a plan ----------------------------------------------------------------

typedef struct gathering {
    const as_plan *plan;
    as_arena *arena;
    float *vectors;
    size_t width, next; // the next document to ask for
} gathering;

static void fill(gathering *g, as_job *job) {
    size_t left = g->plan->document_count - g->next;
    job->case_ = (as_case){.index = g->next};
    job->request = (as_request){.task = AS_TASK_EMBED,
                                .id = g->plan->document_ids[g->next],
                                .inputs = g->plan->document_texts + g->next,
                                .input_count = left < TEXTS_A_REQUEST ? left : TEXTS_A_REQUEST};
    g->next += job->request.input_count;
}

static as_rc take(gathering *g, const as_job *job, as_err *err) {
    const as_answer *answer = &job->answer;
    size_t first = (size_t)job->case_.index, n = job->request.input_count;
    if (answer->outcome != AS_OUT_OK)
        return as_fail(err, AS_UNMEASURED, "documents '%.*s' to '%.*s' cannot be embedded: %.*s",
                       AS_STR_ARG(g->plan->document_ids[first]),
                       AS_STR_ARG(g->plan->document_ids[first + n - 1]), AS_STR_ARG(answer->error));
    if (!g->vectors) {
        g->width = answer->vector_width;
        g->vectors = AS_NEW_ARRAY(g->arena, float, as_size_mul(g->plan->document_count, g->width));
    }
    if (answer->vector_width != g->width)
        return as_fail(err, AS_UNMEASURED, "document '%.*s' has %zu numbers, another one %zu",
                       AS_STR_ARG(g->plan->document_ids[first]), answer->vector_width, g->width);
    memcpy(g->vectors + first * g->width, answer->vectors, n * g->width * sizeof *g->vectors);
    return AS_OK;
}

static as_rc gather(gathering *g, as_scheduler *scheduler, as_err *err) {
    as_rc rc = AS_OK;
    while (!rc && !as_interrupts) {
        as_job *job;
        while (g->next < g->plan->document_count && (job = as_scheduler_take(scheduler))) {
            fill(g, job);
            as_scheduler_submit(scheduler, job);
        }
        if (!as_scheduler_under_way(scheduler)) return AS_OK;
        job = as_scheduler_finished(scheduler, WAIT_NS);
        if (!job) continue;
        rc = take(g, job, err);
        as_scheduler_give_back(scheduler, job);
    }
    return rc ? rc : as_fail(err, AS_INTERRUPTED, "interrupted before the first case");
}

as_rc as_nearest_embed(as_arena *arena, const as_plan *plan, const as_target_ops *ops,
                       as_target *target, size_t workers, as_documents *out, as_err *err) {
    *out = (as_documents){0};
    if (!plan->document_count) return AS_OK;
    gathering g = {.plan = plan, .arena = arena};
    as_scheduler *scheduler;
    as_rc rc = as_scheduler_new(ops, target, workers, &scheduler, err);
    if (rc) return rc;
    rc = gather(&g, scheduler, err);
    if (rc) as_scheduler_stop(scheduler);
    as_scheduler_free(scheduler);
    if (!rc) *out = (as_documents){plan->document_ids, g.vectors, plan->document_count, g.width};
    return rc;
}
