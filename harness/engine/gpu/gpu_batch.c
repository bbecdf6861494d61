// SPDX-License-Identifier: Apache-2.0
// gpu_batch.c - a batch in the device's terms, its run, and what came of it in the host's.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "harness/engine/gpu/gpu.h"

enum { STRIDE_MIN = 64, SCORES_MAX = 64 << 20 }; // positions; floats

// Where the host fills in what lies at `device` in the lane's memory.
static void *in_of(const as_gpu_lane *lane, const void *device) {
    return lane->in + ((uintptr_t)device - lane->scratch.memory);
}

static uint32_t power_up(uint32_t n) {
    uint32_t power = STRIDE_MIN;
    while (power < n) power *= 2;
    return power;
}

// --- room -----------------------------------------------------------------------------------

static void forget_replays(as_gpu_lane *lane) {
    for (size_t i = 0; i < lane->replay_count; i++)
        if (lane->replays[i].exec) lane->gpu->driver.graph_exec_free(lane->replays[i].exec);
    lane->replay_count = 0;
}

// Room for so many slots and scores; what was replayed knew the old places.
static as_rc make_room(as_gpu_lane *lane, const as_gpu_plan *plan, as_err *err) {
    const as_gpu *gpu = lane->gpu;
    const as_driver *d = &gpu->driver;
    size_t slots = (size_t)plan->views * plan->stride;
    size_t row = gpu->model->hparams.heads * (size_t)plan->stride;
    size_t least = row * (lane->rows < AS_GPU_GRAPH_ROWS ? lane->rows : AS_GPU_GRAPH_ROWS);
    size_t scores = row * plan->rows;
    if (scores > SCORES_MAX) scores = SCORES_MAX;
    if (scores < least) scores = least;
    if (slots > lane->slots_room) {
        void *pinned = NULL;
        forget_replays(lane);
        if (lane->slots_in) d->pinned_free(lane->slots_in);
        as_gpu_give(gpu, lane->slots);
        lane->slots = 0;
        lane->slots_in = NULL;
        lane->slots_room = 0;
        as_rc rc = as_gpu_take(gpu, slots * sizeof(uint32_t), "a batch", &lane->slots, err);
        if (!rc)
            rc = as_gpu_check(gpu, d->pinned_new(&pinned, slots * sizeof(uint32_t)),
                              "take host memory", err);
        if (rc) return rc;
        lane->slots_in = pinned;
        lane->slots_room = slots;
    }
    if (scores > lane->scores_room) {
        forget_replays(lane);
        as_gpu_give(gpu, lane->scores);
        lane->scores = 0;
        lane->scores_room = 0;
        as_rc rc = as_gpu_take(gpu, scores * sizeof(float), "attention", &lane->scores, err);
        if (rc) return rc;
        lane->scores_room = scores;
    }
    if (!plan->logits || lane->logits_out) return AS_OK;
    void *pinned = NULL;
    as_rc rc = as_gpu_check(
        gpu, d->pinned_new(&pinned, AS_GPU_WANTS * gpu->model->info.vocabulary * sizeof(float)),
        "take host memory", err);
    lane->logits_out = pinned;
    return rc;
}

// --- rows and views -------------------------------------------------------------------------

// Counts views, and how far the longest is seen; view_ends[v] is how far v is.
static void measure(as_gpu_lane *lane, const as_batch *batch, as_gpu_plan *plan) {
    if (batch->view_count > lane->view_ends_room) {
        free(lane->view_ends);
        lane->view_ends = as_mem_new(as_size_mul(batch->view_count, sizeof *lane->view_ends));
        lane->view_ends_room = batch->view_count;
    }
    uint32_t longest = 0;
    memset(lane->view_ends, 0, batch->view_count * sizeof *lane->view_ends);
    for (size_t i = 0; i < batch->row_count; i++) {
        const as_row *row = &batch->rows[i];
        uint32_t *end = &lane->view_ends[row->view];
        if (row->position + 1 > *end) *end = row->position + 1;
        if (*end > longest) longest = *end;
    }
    for (size_t i = 0; i < batch->view_count; i++) plan->views += lane->view_ends[i] > 0;
    plan->stride = power_up(longest);
}

// The slots of every view that a row is in; view_ends[v] becomes where those of v begin.
static void fill_slots(as_gpu_lane *lane, const as_batch *batch, uint32_t stride) {
    uint32_t at = 0;
    for (size_t v = 0; v < batch->view_count; v++) {
        uint32_t end = lane->view_ends[v], n = 0;
        if (!end) continue;
        const as_view *view = &batch->views[v];
        for (size_t i = 0; i < view->count && n < end; i++) {
            const as_span *span = &view->spans[i];
            for (uint32_t j = 0; j < span->count && n < end; j++)
                lane->slots_in[at + n++] = span->page * AS_PAGE + span->slot + j;
        }
        assert(n == end);
        lane->view_ends[v] = at;
        at += stride;
    }
}

static void fill_rows(as_gpu_lane *lane, const as_batch *batch, as_gpu_plan *plan) {
    const as_hparams *p = &lane->gpu->model->hparams;
    size_t group = p->heads / p->kv_heads;
    size_t most = AS_CUDA_QUERIES / (group < AS_CUDA_QUERIES ? group : AS_CUDA_QUERIES);
    as_cuda_row *rows = in_of(lane, lane->scratch.rows);
    as_cuda_span *spans = in_of(lane, lane->scratch.spans);
    plan->spans = 0;
    for (uint32_t i = 0; i < batch->row_count; i++) {
        const as_row *row = &batch->rows[i];
        rows[i] = (as_cuda_row){row->token, row->position, lane->view_ends[row->view], 0};
        as_cuda_span *last = plan->spans ? &spans[plan->spans - 1] : NULL;
        if (last && last->count < most && batch->rows[i - 1].view == row->view)
            last->count++;
        else
            spans[plan->spans++] = (as_cuda_span){i, 1};
    }
}

// --- wants ----------------------------------------------------------------------------------

// Up to 64 pieces of wants, each with a share of its tokens.
typedef struct piece {
    const as_want *want;
    size_t from, count; // tokens
} piece;

typedef struct cursor {
    size_t want, token;
} cursor;

static size_t take_pieces(as_gpu_lane *lane, const as_batch *batch, cursor *at, piece *pieces,
                          as_gpu_plan *plan) {
    uint32_t *list = in_of(lane, lane->scratch.list);
    uint64_t *picks = in_of(lane, lane->scratch.at);
    size_t vocabulary = lane->gpu->model->info.vocabulary;
    plan->wants = plan->picks = plan->logits = 0;
    while (at->want < batch->want_count && plan->wants < AS_GPU_WANTS &&
           plan->picks < AS_GPU_PICKS) {
        const as_want *want = &batch->wants[at->want];
        size_t left = want->count - at->token, room = AS_GPU_PICKS - plan->picks;
        piece *next = &pieces[plan->wants];
        *next = (piece){want, at->token, left < room ? left : room};
        for (size_t i = 0; i < next->count; i++)
            picks[plan->picks++] = plan->wants * vocabulary + want->tokens[next->from + i];
        if (want->logits) plan->logits = 1;
        list[plan->wants++] = want->row;
        at->token += next->count;
        if (at->token == want->count) *at = (cursor){at->want + 1, 0};
    }
    return plan->wants;
}

static void give_pieces(const as_gpu_lane *lane, const piece *pieces, size_t count) {
    const as_gpu_scratch *s = &lane->scratch;
    const as_cuda_fact *facts = (const as_cuda_fact *)lane->out;
    const float *picked = (const float *)(lane->out + ((uintptr_t)s->picked - (uintptr_t)s->facts));
    size_t vocabulary = lane->gpu->model->info.vocabulary;
    for (size_t i = 0; i < count; i++) {
        const as_want *want = pieces[i].want;
        double all = (double)facts[i].max + as_log_f64((double)facts[i].sum);
        for (size_t j = 0; j < pieces[i].count; j++)
            want->logprobs[pieces[i].from + j] = (double)*picked++ - all;
        if (want->best) *want->best = facts[i].best;
        if (want->logits)
            memcpy(want->logits, lane->logits_out + i * vocabulary, vocabulary * sizeof(float));
    }
}

// --- the run --------------------------------------------------------------------------------

// What was recorded of a plan; a new place, over the one not used for longest, when it is not
// there.
static as_gpu_replay *find_replay(as_gpu_lane *lane, const as_gpu_plan *plan) {
    as_gpu_replay *oldest = NULL;
    for (size_t i = 0; i < lane->replay_count; i++) {
        as_gpu_replay *r = &lane->replays[i];
        if (memcmp(&r->plan, plan, sizeof *plan) == 0) return r;
        if (!oldest || r->used < oldest->used) oldest = r;
    }
    if (lane->replay_count < AS_GPU_GRAPHS)
        oldest = &lane->replays[lane->replay_count++];
    else if (oldest->exec)
        lane->gpu->driver.graph_exec_free(oldest->exec);
    *oldest = (as_gpu_replay){.plan = *plan};
    return oldest;
}

static as_rc record(as_gpu_lane *lane, as_gpu_replay *replay, as_err *err) {
    const as_driver *d = &lane->gpu->driver;
    as_gpu_graph *graph = NULL;
    as_rc rc = as_gpu_check(lane->gpu, d->capture_begin(lane->stream, AS_GPU_CAPTURE_THREAD),
                            "record a graph", err);
    if (rc) return rc;
    rc = as_gpu_enqueue(lane, &replay->plan, err);
    int code = d->capture_end(lane->stream, &graph);
    if (!rc) rc = as_gpu_check(lane->gpu, code, "record a graph", err);
    if (!rc)
        rc = as_gpu_check(lane->gpu, d->graph_make(&replay->exec, graph, 0), "make a graph", err);
    if (graph) d->graph_free(graph);
    return rc;
}

// Small batches come again and again: the second of a kind is recorded, later ones replayed.
static as_rc start(as_gpu_lane *lane, const as_gpu_plan *plan, as_err *err) {
    if (plan->rows > AS_GPU_GRAPH_ROWS) return as_gpu_enqueue(lane, plan, err);
    as_gpu_replay *replay = find_replay(lane, plan);
    bool known = replay->used > 0;
    replay->used = ++lane->clock;
    if (!known) return as_gpu_enqueue(lane, plan, err);
    as_rc rc = replay->exec ? AS_OK : record(lane, replay, err);
    if (rc) return rc;
    return as_gpu_check(lane->gpu, lane->gpu->driver.graph_run(replay->exec, lane->stream),
                        "run a graph", err);
}

static as_rc wait(const as_gpu_lane *lane, as_err *err) {
    return as_gpu_check(lane->gpu, lane->gpu->driver.stream_wait(lane->stream), "run a batch", err);
}

as_rc as_gpu_lane_run(as_gpu_lane *lane, const as_batch *batch, as_err *err) {
    piece pieces[AS_GPU_WANTS];
    cursor at = {0, 0};
    as_gpu_plan plan = {.rows = (uint32_t)batch->row_count};
    assert(batch->row_count >= 1 && batch->row_count <= lane->rows);
    as_rc rc = as_gpu_enter(lane->gpu, err);
    if (rc) return rc;
    measure(lane, batch, &plan);
    size_t count = take_pieces(lane, batch, &at, pieces, &plan);
    rc = make_room(lane, &plan, err);
    if (rc) return rc;
    fill_slots(lane, batch, plan.stride);
    fill_rows(lane, batch, &plan);
    rc = start(lane, &plan, err);
    if (!rc) rc = wait(lane, err);
    if (!rc) give_pieces(lane, pieces, count);
    while (!rc && at.want < batch->want_count) {
        count = take_pieces(lane, batch, &at, pieces, &plan);
        rc = make_room(lane, &plan, err);
        if (!rc) rc = as_gpu_enqueue_wants(lane, &plan, err);
        if (!rc) rc = wait(lane, err);
        if (!rc) give_pieces(lane, pieces, count);
    }
    return rc;
}
