// SPDX-License-Identifier: Apache-2.0
// gpu_batch.c - a batch in the device's terms, its run, and what came of it in the host's.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "harness/engine/gpu/gpu.h"

enum { STRIDE_MIN = 64, SCORES_MAX = 64 << 20 }; // positions; floats

void *as_gpu_in(const as_gpu_lane *lane, const void *device) {
    return lane->in + ((uintptr_t)device - lane->scratch.memory);
}

uint32_t as_gpu_stride(uint32_t longest) {
    uint32_t power = STRIDE_MIN;
    while (power < longest) power *= 2;
    return power;
}

// --- room -----------------------------------------------------------------------------------

static void forget_replays(as_gpu_lane *lane) {
    for (size_t i = 0; i < lane->replay_count; i++)
        if (lane->replays[i].exec) lane->gpu->driver.graph_exec_free(lane->replays[i].exec);
    lane->replay_count = 0;
}

size_t as_gpu_span_rows(const as_hparams *p) {
    size_t group = p->heads / p->kv_heads;
    return AS_CUDA_QUERIES / (group < AS_CUDA_QUERIES ? group : AS_CUDA_QUERIES);
}

// Pinned memory of the host for AS_GPU_WANTS rows of `width`, unless it is there.
static as_rc make_out(as_gpu_lane *lane, float **out, size_t width, as_err *err) {
    void *pinned = NULL;
    if (*out) return AS_OK;
    size_t size = as_size_mul(AS_GPU_WANTS * sizeof(float), width);
    as_rc rc = as_gpu_check(lane->gpu, lane->gpu->driver.pinned_new(&pinned, size),
                            "take host memory", err);
    *out = pinned;
    return rc;
}

as_rc as_gpu_make_room(as_gpu_lane *lane, const as_gpu_plan *plan, as_err *err) {
    const as_gpu *gpu = lane->gpu;
    const as_driver *d = &gpu->driver;
    size_t slots = (size_t)plan->views * plan->stride;
    size_t row = gpu->model->hparams.heads * (size_t)plan->stride;
    size_t least = row * (lane->rows < AS_CUDA_QUERIES ? lane->rows : AS_CUDA_QUERIES);
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
    const as_model_info *info = &gpu->model->info;
    as_rc rc = plan->logits ? make_out(lane, &lane->logits_out, info->vocabulary, err) : AS_OK;
    return rc || !plan->states ? rc : make_out(lane, &lane->states_out, info->width, err);
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
    plan->stride = as_gpu_stride(longest + lane->gpu->model->hparams.arch->sinks);
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
    size_t most = as_gpu_span_rows(p);
    as_cuda_row *rows = as_gpu_in(lane, lane->scratch.rows);
    as_cuda_span *spans = as_gpu_in(lane, lane->scratch.spans);
    plan->spans = 0;
    for (uint32_t i = 0; i < batch->row_count; i++) {
        const as_row *row = &batch->rows[i];
        uint32_t end = p->arch->both_ways ? (uint32_t)batch->row_count : row->position + 1;
        rows[i] = (as_cuda_row){row->token, row->position, lane->view_ends[row->view], end};
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

static as_cuda_drawing drawing_of(const as_want *want, uint32_t row) {
    const as_sampling *p = want->sampling;
    return (as_cuda_drawing){
        .unit = as_sampler_unit(p, want->step),
        .top_p = p->top_p,
        .min_p = p->min_p,
        .temperature = (float)p->temperature,
        .row = row,
        .top_k = p->top_k < UINT32_MAX ? (uint32_t)p->top_k : 0,
        .all = !p->top_k && p->top_p >= 1.0 && !(p->min_p > 0.0),
    };
}

static bool is_drawn(const as_want *want) {
    return want->best && want->sampling && want->sampling->temperature > 0.0;
}

static size_t take_pieces(as_gpu_lane *lane, const as_batch *batch, cursor *at, piece *pieces,
                          as_gpu_plan *plan) {
    uint32_t *list = as_gpu_in(lane, lane->scratch.list);
    uint64_t *picks = as_gpu_in(lane, lane->scratch.at);
    as_cuda_drawing *drawings = as_gpu_in(lane, lane->scratch.drawings);
    size_t vocabulary = lane->gpu->model->info.vocabulary;
    plan->draws = 0;
    plan->wants = plan->picks = plan->answers = plan->logits = plan->states = 0;
    while (at->want < batch->want_count && plan->wants < AS_GPU_WANTS &&
           plan->picks < AS_GPU_PICKS) {
        const as_want *want = &batch->wants[at->want];
        size_t left = want->count - at->token, room = AS_GPU_PICKS - plan->picks;
        piece *next = &pieces[plan->wants];
        *next = (piece){want, at->token, left < room ? left : room};
        for (size_t i = 0; i < next->count; i++)
            picks[plan->picks++] = plan->wants * vocabulary + want->tokens[next->from + i];
        if (want->count || want->best || want->logits) plan->answers = 1;
        if (want->logits) plan->logits = 1;
        if (want->state) plan->states = 1;
        if (is_drawn(want)) drawings[plan->draws++] = drawing_of(want, plan->wants);
        list[plan->wants++] = want->row;
        at->token += next->count;
        if (at->token == want->count) *at = (cursor){at->want + 1, 0};
    }
    return plan->wants;
}

// A token that the device left open: from the odds, which lie where the logits did.
static as_rc draw_here(as_gpu_lane *lane, const as_want *want, size_t row, uint32_t best,
                       as_err *err) {
    const as_driver *d = &lane->gpu->driver;
    size_t vocabulary = lane->gpu->model->info.vocabulary, size = vocabulary * sizeof(float);
    as_gpu_memory odds = (as_gpu_memory)(uintptr_t)(lane->scratch.logits + row * vocabulary);
    as_rc rc = make_out(lane, &lane->odds_out, vocabulary, err);
    if (!rc)
        rc = as_gpu_check(lane->gpu, d->copy_out(lane->odds_out, odds, size, lane->stream), "copy",
                          err);
    if (!rc) rc = as_gpu_lane_wait(lane, err);
    if (rc) return rc;
    if (!lane->sampler.count) lane->sampler = as_sampler_new(vocabulary);
    *want->best =
        as_sampler_draw(&lane->sampler, want->sampling, as_sampler_unit(want->sampling, want->step),
                        lane->odds_out, best);
    return AS_OK;
}

static as_rc give_pieces(as_gpu_lane *lane, const piece *pieces, size_t count, as_err *err) {
    const as_gpu_scratch *s = &lane->scratch;
    const as_cuda_fact *facts = (const as_cuda_fact *)lane->out;
    const uint32_t *tokens =
        (const uint32_t *)(lane->out + ((uintptr_t)s->tokens - (uintptr_t)s->facts));
    const float *picked = (const float *)(lane->out + ((uintptr_t)s->picked - (uintptr_t)s->facts));
    size_t vocabulary = lane->gpu->model->info.vocabulary, width = lane->gpu->model->info.width;
    as_rc rc = AS_OK;
    for (size_t i = 0; !rc && i < count; i++) {
        const as_want *want = pieces[i].want;
        if (want->state) memcpy(want->state, lane->states_out + i * width, width * sizeof(float));
        double all = want->count ? (double)facts[i].max + as_log_f64((double)facts[i].sum) : 0.0;
        for (size_t j = 0; j < pieces[i].count; j++)
            want->logprobs[pieces[i].from + j] = (double)*picked++ - all;
        if (want->logits)
            memcpy(want->logits, lane->logits_out + i * vocabulary, vocabulary * sizeof(float));
        if (!want->best) continue;
        *want->best = is_drawn(want) ? *tokens++ : facts[i].best;
        if (is_drawn(want) && tokens[-1] == AS_CUDA_UNDECIDED)
            rc = draw_here(lane, want, i, facts[i].best, err);
    }
    return rc;
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

as_rc as_gpu_lane_wait(const as_gpu_lane *lane, as_err *err) {
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
    rc = as_gpu_make_room(lane, &plan, err);
    if (rc) return rc;
    fill_slots(lane, batch, plan.stride);
    fill_rows(lane, batch, &plan);
    rc = start(lane, &plan, err);
    if (!rc) rc = as_gpu_lane_wait(lane, err);
    if (!rc) rc = give_pieces(lane, pieces, count, err);
    while (!rc && at.want < batch->want_count) {
        count = take_pieces(lane, batch, &at, pieces, &plan);
        rc = as_gpu_make_room(lane, &plan, err);
        if (!rc) rc = as_gpu_enqueue_wants(lane, &plan, err);
        if (!rc) rc = as_gpu_lane_wait(lane, err);
        if (!rc) rc = give_pieces(lane, pieces, count, err);
    }
    return rc;
}
