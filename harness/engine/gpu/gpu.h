// SPDX-License-Identifier: Apache-2.0
// gpu.h - a GPU with a model's weights and its cache of keys and values on it, and what batches
// need: private to harness/engine/gpu/.
//
// Weights lie on the device as as_weights has them in memory, byte for byte, so an address there is
// an offset here: as_gpu_of. The device is immutable but for the cache. A lane has a stream and all
// its scratch memory; one caller at a time, lanes of a device side by side.
#ifndef AS_GPU_H
#define AS_GPU_H

#include "harness/engine/backend.h"
#include "harness/engine/gpu/driver.h"
#include "harness/engine/sampler.h"
#include "kernels/cuda/cuda.h"

// cuda:INDEX, or cuda:INDEX-fast: products as fast.cu and fast_blocks.cu have them.
typedef struct as_gpu_choice {
    int index;
    bool fast;
} as_gpu_choice;

typedef struct as_gpu {
    as_driver driver;
    const as_model *model;
    int index, ordinal; // cuda:INDEX and the driver's handle of it
    bool fast;
    char name[128]; // "NVIDIA H200"
    as_gpu_context *context;
    as_gpu_module *module;
    as_gpu_function *functions[AS_CUDA_KERNEL_COUNT];
    bool overlaps; // a kernel begins before the one before it has ended

    as_gpu_memory weights;
    const unsigned char *host_weights; // what was copied there
    size_t weights_size;

    // [layers] of as_gpu_cache_size bytes each: see as_cuda_place.
    as_gpu_memory keys, values;
    size_t slots;
    as_kv kv;
    int rates[2]; // of layers that see everything, and of local ones: as_rates, or -1
} as_gpu;

// AS_UNMEASURED and what failed unless code is 0. `what` completes "cannot ...".
as_rc as_gpu_check(const as_gpu *gpu, int code, const char *what, as_err *err) AS_MUST_USE;

// Makes the device the calling thread's.
as_rc as_gpu_enter(const as_gpu *gpu, as_err *err) AS_MUST_USE;

// Memory of the device; the message says how much was asked for and what is free.
as_rc as_gpu_take(const as_gpu *gpu, size_t size, const char *what, as_gpu_memory *out,
                  as_err *err) AS_MUST_USE;
void as_gpu_give(const as_gpu *gpu, as_gpu_memory memory); // also for 0

// The device's address of what lies at `host` in the model's weights; NULL for NULL.
const void *as_gpu_of(const as_gpu *gpu, const void *host);

// Bytes of a layer's keys, or of its values, in so many slots (a multiple of AS_PAGE).
size_t as_gpu_cache_size(const as_hparams *p, as_kv kv, size_t slots);

// Whether cuda:INDEX is there and runs the kernels. AS_INVALID when not.
as_rc as_gpu_probe(int index, as_err *err) AS_MUST_USE;

as_rc as_gpu_open(const as_model *model, as_kv kv, size_t context, size_t pages,
                  as_gpu_choice choice, as_gpu **out, as_err *err) AS_MUST_USE;
void as_gpu_close(as_gpu *gpu); // also for one half made

// A batch in flight, in the device's terms. Counts and the stride decide every launch, so batches
// that agree in them can be replayed.
typedef struct as_gpu_plan {
    uint32_t rows, spans, views, wants, picks, draws;
    uint32_t stride;  // positions of a view, up to a power of two
    uint32_t answers; // 1: more than states is wanted
    uint32_t logits;  // 1: rows of logits are wanted too
    uint32_t states;  // 1: and what the output matrix is multiplied with
} as_gpu_plan;

enum {
    AS_GPU_WANTS = 64,      // rows whose logits are on the device at once
    AS_GPU_PICKS = 16384,   // logits that are picked from those
    AS_GPU_GRAPH_ROWS = 16, // up to which batches are replayed
    AS_GPU_GRAPHS = 24,
};

typedef struct as_gpu_scratch {
    as_gpu_memory memory;
    // What comes from the host, in one piece: [rows], [rows] spans, [64] list, [picks] at, [64]
    // drawings, then slots[views][stride].
    as_cuda_row *rows;
    as_cuda_span *spans;
    uint32_t *list;
    uint64_t *at;
    as_cuda_drawing *drawings;
    // [rows][...] as of as_forward
    float *cosines[2], *sines[2];
    float *x, *h, *q, *k, *v, *mixed, *y;
    float *gate, *up; // [item][...]
    as_cuda_qrows quantized;
    float *low, *added; // an adapter's
    float *odds, *weights, *gathered, *parts;
    uint32_t *chosen, *places, *starts, *counts, *order;
    float *logits; // [64][vocabulary]
    double *runs;  // [64][vocabulary / AS_CUDA_RUN, rounded up]
    // What goes to the host: facts[64], tokens[64], picked[picks].
    as_cuda_fact *facts;
    uint32_t *tokens;
    float *picked;
} as_gpu_scratch;

typedef struct as_gpu_replay {
    as_gpu_plan plan;
    as_gpu_graph_exec *exec; // NULL: seen once
    uint64_t used;           // when
} as_gpu_replay;

typedef struct as_gpu_lane {
    as_gpu *gpu;
    as_gpu_stream *stream;
    size_t rows;       // at most, of a batch
    size_t places_max; // of a mixture: items, each expert's up to a whole tile
    as_gpu_scratch scratch;
    size_t in_fixed, out_size; // bytes of what goes there and back, without slots
    unsigned char *in, *out;   // pinned
    as_gpu_memory slots;       // [slots_room]
    size_t slots_room;
    uint32_t *slots_in; // pinned [slots_room]
    as_gpu_memory scores;
    size_t scores_room;  // floats
    float *logits_out;   // pinned [64][vocabulary], made when first wanted
    float *states_out;   // pinned [64][width], likewise
    float *odds_out;     // pinned [64][vocabulary], likewise: of what the host has to draw
    as_sampler sampler;  // likewise
    uint32_t *view_ends; // [view_ends_room] of a batch: positions of each view; then where it is
    size_t view_ends_room;
    as_gpu_replay replays[AS_GPU_GRAPHS];
    size_t replay_count;
    uint64_t clock;
} as_gpu_lane;

// Where the host fills in what lies at `device` in the lane's memory.
void *as_gpu_in(const as_gpu_lane *lane, const void *device);

// Positions of a view for texts of `longest`: a power of two.
uint32_t as_gpu_stride(uint32_t longest);

// Room for the slots, the scores and the answers of a plan; what was replayed is forgotten when it
// knew other places.
as_rc as_gpu_make_room(as_gpu_lane *lane, const as_gpu_plan *plan, as_err *err) AS_MUST_USE;

// Rows of a span at most.
size_t as_gpu_span_rows(const as_hparams *p);

// Waits for all that is on the stream.
as_rc as_gpu_lane_wait(const as_gpu_lane *lane, as_err *err) AS_MUST_USE;

// Puts the whole batch of a plan onto the stream: layers, then what is wanted of rows list[wants].
as_rc as_gpu_enqueue(as_gpu_lane *lane, const as_gpu_plan *plan, as_err *err) AS_MUST_USE;

// Only the last part of it: for the next 64 of more wants.
as_rc as_gpu_enqueue_wants(as_gpu_lane *lane, const as_gpu_plan *plan, as_err *err) AS_MUST_USE;

as_rc as_gpu_lane_new(as_gpu *gpu, size_t rows, as_gpu_lane **out, as_err *err) AS_MUST_USE;
void as_gpu_lane_free(as_gpu_lane *lane);
as_rc as_gpu_lane_run(as_gpu_lane *lane, const as_batch *batch, as_err *err) AS_MUST_USE;

#endif
