// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/gpu/backend_cuda.h"

#include "harness/engine/gpu/gpu_encoder.h"

enum { CHUNK = 1024 };

static size_t page_size(const as_model *model, as_kv kv) {
    const as_hparams *p = &model->hparams;
    return as_size_mul(2 * p->layers, as_gpu_cache_size(p, kv, AS_PAGE));
}

static void close_device(as_device *device) {
    as_gpu_close((as_gpu *)device);
}

static as_rc lane_new(as_device *device, size_t rows, size_t threads, as_lane **out, as_err *err) {
    (void)threads; // the device has its own
    as_gpu_lane *lane;
    as_rc rc = as_gpu_lane_new((as_gpu *)device, rows, &lane, err);
    if (!rc) *out = (as_lane *)lane;
    return rc;
}

static void lane_free(as_lane *lane) {
    as_gpu_lane_free((as_gpu_lane *)lane);
}

static as_rc run(as_lane *lane, const as_batch *batch, as_err *err) {
    return as_gpu_lane_run((as_gpu_lane *)lane, batch, err);
}

static as_rc run_encoder(as_encoder *encoder, const as_tokens *texts, size_t count,
                         const float **rows, as_err *err) {
    return as_gpu_encoder_run((as_gpu_encoder *)encoder, texts, count, rows, err);
}

static void free_encoder(as_encoder *encoder) {
    as_gpu_encoder_free((as_gpu_encoder *)encoder);
}

#define BACKENDS(B) B(0) B(1) B(2) B(3) B(4) B(5) B(6) B(7)

// clang-format off
#define OPEN_AS(i, name, fast)                                                                     \
    static as_rc encoder_##name(const as_model *model, size_t threads, as_encoder **out,           \
                                as_err *err) {                                                     \
        (void)threads;                                                                             \
        as_gpu_encoder *encoder;                                                                   \
        as_rc rc = as_gpu_encoder_new(model, (as_gpu_choice){i, fast}, &encoder, err);             \
        if (!rc) *out = (as_encoder *)encoder;                                                     \
        return rc;                                                                                 \
    }                                                                                              \
    static as_rc open_##name(const as_model *model, as_kv kv, size_t context, size_t pages,        \
                             as_device **out, as_err *err) {                                       \
        as_gpu *gpu;                                                                               \
        as_rc rc = as_gpu_open(model, kv, context, pages, (as_gpu_choice){i, fast}, &gpu, err);    \
        if (!rc) *out = (as_device *)gpu;                                                          \
        return rc;                                                                                 \
    }
#define OPEN(i)                                                                                    \
    static as_rc probe_##i(as_err *err) {                                                          \
        return as_gpu_probe(i, err);                                                               \
    }                                                                                              \
    OPEN_AS(i, i, false)                                                                           \
    OPEN_AS(i, i##_fast, true)
BACKENDS(OPEN)

#define ENTRY_AS(i, name, text) {text, CHUNK, probe_##i, page_size, open_##name, close_device,     \
                                 lane_new, lane_free, run, encoder_##name, run_encoder,            \
                                 free_encoder},
#define ENTRY(i) ENTRY_AS(i, i, "cuda:" #i) ENTRY_AS(i, i##_fast, "cuda:" #i "-fast")
// clang-format on

const as_backend as_backend_cuda[2 * AS_CUDA_DEVICES] = {BACKENDS(ENTRY)};

as_rc as_backend_find(as_str name, const as_backend **out, as_err *err) {
    *out = &as_backend_cpu;
    if (!name.len || as_str_is(name, "cpu")) return AS_OK;
    for (size_t i = 0; i < 2 * AS_CUDA_DEVICES; i++) {
        *out = &as_backend_cuda[i];
        if (as_str_is(name, (*out)->name)) return AS_OK;
    }
    return as_fail(err, AS_INVALID, "device is '%.*s'; expected cpu or cuda:0 to cuda:%d, or -fast",
                   AS_STR_ARG(name), AS_CUDA_DEVICES - 1);
}
