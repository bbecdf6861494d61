// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/gpu/backend_cuda.h"

#include "harness/engine/gpu/gpu.h"

enum { CHUNK = 512 };

static size_t page_size(const as_model *model, as_kv kv) {
    const as_hparams *p = &model->hparams;
    size_t size = kv == AS_KV_F16 ? sizeof(uint16_t) : sizeof(float);
    return 2 * p->layers * p->kv_heads * p->head_width * AS_PAGE * size;
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

#define BACKENDS(B) B(0) B(1) B(2) B(3) B(4) B(5) B(6) B(7)

// clang-format off
#define OPEN(i)                                                                                    \
    static as_rc probe_##i(as_kv kv, as_err *err) {                                                \
        return as_gpu_probe(kv, i, err);                                                           \
    }                                                                                              \
    static as_rc open_##i(const as_model *model, as_kv kv, size_t context, size_t pages,           \
                          as_device **out, as_err *err) {                                          \
        as_gpu *gpu;                                                                               \
        as_rc rc = as_gpu_open(model, kv, context, pages, i, &gpu, err);                           \
        if (!rc) *out = (as_device *)gpu;                                                          \
        return rc;                                                                                 \
    }
BACKENDS(OPEN)

#define ENTRY(i) {"cuda:" #i, CHUNK,    probe_##i, page_size, open_##i, close_device,              \
                  lane_new,   lane_free, run},
// clang-format on

const as_backend as_backend_cuda[AS_CUDA_DEVICES] = {BACKENDS(ENTRY)};

as_rc as_backend_find(as_str name, const as_backend **out, as_err *err) {
    *out = &as_backend_cpu;
    if (!name.len || as_str_is(name, "cpu")) return AS_OK;
    for (size_t i = 0; i < AS_CUDA_DEVICES; i++) {
        *out = &as_backend_cuda[i];
        if (as_str_is(name, (*out)->name)) return AS_OK;
    }
    return as_fail(err, AS_INVALID, "device is '%.*s'; expected cpu or cuda:0 to cuda:%d",
                   AS_STR_ARG(name), AS_CUDA_DEVICES - 1);
}
