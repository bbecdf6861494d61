// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/gpu/gpu.h"

#include <stdlib.h>

#include "kernels/cuda/image.h"

enum {
    OLDEST_MAJOR = 8, // the kernels need an sm_80
    OVERLAP_MAJOR = 9,
    SHARED_USUAL = 48 * 1024, // bytes that any kernel may take
};

static const char *error_name(const as_driver *driver, int code) {
    const char *text = NULL;
    return driver->error_name(code, &text) || !text ? "an error without a name" : text;
}

as_rc as_gpu_check(const as_gpu *gpu, int code, const char *what, as_err *err) {
    if (!code) return AS_OK;
    return as_fail(err, AS_UNMEASURED, "cuda:%d cannot %s: %s (%d)", gpu->index, what,
                   error_name(&gpu->driver, code), code);
}

as_rc as_gpu_enter(const as_gpu *gpu, as_err *err) {
    return as_gpu_check(gpu, gpu->driver.context_set(gpu->context), "be entered", err);
}

as_rc as_gpu_take(const as_gpu *gpu, size_t size, const char *what, as_gpu_memory *out,
                  as_err *err) {
    size_t free_bytes = 0, all = 0;
    int code = gpu->driver.memory_new(out, size ? size : 1);
    if (!code) return AS_OK;
    *out = 0;
    if (code != AS_GPU_OUT_OF_MEMORY || gpu->driver.memory_info(&free_bytes, &all))
        return as_gpu_check(gpu, code, "give memory", err);
    return as_fail(err, AS_UNMEASURED, "cuda:%d has %zu MiB of %zu free, and %s takes %zu MiB",
                   gpu->index, free_bytes >> 20, all >> 20, what, (size >> 20) + 1);
}

void as_gpu_give(const as_gpu *gpu, as_gpu_memory memory) {
    if (memory) gpu->driver.memory_free(memory);
}

const void *as_gpu_of(const as_gpu *gpu, const void *host) {
    if (!host) return NULL;
    size_t offset = (size_t)((const unsigned char *)host - gpu->host_weights);
    return (const void *)(uintptr_t)(gpu->weights + offset);
}

// The driver, the device and its context.
static as_rc begin(as_gpu *g, as_err *err) {
    int count = 0, major = 0, minor = 0, version = 0;
    as_rc rc = as_driver_open(&g->driver, err);
    if (rc) return rc;
    const as_driver *d = &g->driver;
    rc = as_gpu_check(g, d->device_count(&count), "be counted", err);
    if (!rc && !count)
        rc = as_fail(err, AS_INVALID, "the NVIDIA driver finds no GPU on this machine");
    if (!rc && g->index >= count)
        rc = as_fail(err, AS_INVALID, "there is no cuda:%d; the last one is cuda:%d", g->index,
                     count - 1);
    if (!rc) rc = as_gpu_check(g, d->device_get(&g->ordinal, g->index), "be found", err);
    if (!rc)
        rc = as_gpu_check(g, d->device_name(g->name, sizeof g->name, g->ordinal), "be named", err);
    if (!rc)
        rc = as_gpu_check(g, d->device_attribute(&major, AS_GPU_ATTRIBUTE_MAJOR, g->ordinal),
                          "say what it is", err);
    if (!rc)
        rc = as_gpu_check(g, d->device_attribute(&minor, AS_GPU_ATTRIBUTE_MINOR, g->ordinal),
                          "say what it is", err);
    if (!rc) rc = as_gpu_check(g, d->version(&version), "say its version", err);
    g->overlaps = major >= OVERLAP_MAJOR && version >= AS_GPU_OVERLAP_VERSION;
    if (!rc && major < OLDEST_MAJOR)
        rc = as_fail(err, AS_INVALID,
                     "cuda:%d is '%s' of compute capability %d.%d; the kernels need 8.0 or later",
                     g->index, g->name, major, minor);
    if (!rc) {
        as_gpu_context *context = NULL;
        rc = as_gpu_check(g, d->context_retain(&context, g->ordinal), "be begun", err);
        g->context = context;
    }
    return rc ? rc : as_gpu_enter(g, err);
}

static as_rc load_kernels(as_gpu *g, as_err *err) {
    size_t size;
    int code = g->driver.module_load(&g->module, as_cuda_image(&size));
    if (code == AS_GPU_NO_BINARY || code == AS_GPU_UNSUPPORTED_PTX || code == AS_GPU_INVALID_IMAGE)
        return as_fail(err, AS_INVALID,
                       "the kernels of this build run neither on cuda:%d, '%s', nor with its "
                       "driver: %s (%d)",
                       g->index, g->name, error_name(&g->driver, code), code);
    as_rc rc = as_gpu_check(g, code, "load its kernels", err);
    for (as_cuda_kernel i = 0; !rc && i < AS_CUDA_KERNEL_COUNT; i++) {
        rc =
            as_gpu_check(g, g->driver.module_function(&g->functions[i], g->module, as_cuda_name(i)),
                         "find a kernel", err);
        int most = (int)as_cuda_shared(i, AS_CUDA_TILE);
        if (!rc && most > SHARED_USUAL)
            rc = as_gpu_check(
                g, g->driver.function_set(g->functions[i], AS_GPU_FUNCTION_SHARED_MAX, most),
                "give a kernel its shared memory", err);
    }
    return rc;
}

static as_rc copy_weights(as_gpu *g, as_err *err) {
    const as_weights *w = &g->model->weights;
    as_gpu_stream *stream = NULL;
    g->host_weights = w->start;
    g->weights_size = w->size;
    as_rc rc = as_gpu_take(g, w->size, "the model", &g->weights, err);
    if (!rc) rc = as_gpu_check(g, g->driver.stream_new(&stream, 0), "begin a stream", err);
    if (!rc)
        rc = as_gpu_check(g, g->driver.copy_in(g->weights, w->start, w->size, stream),
                          "take the weights", err);
    if (!rc) rc = as_gpu_check(g, g->driver.stream_wait(stream), "take the weights", err);
    if (stream) g->driver.stream_free(stream);
    return rc;
}

size_t as_gpu_cache_size(const as_hparams *p, as_kv kv, size_t slots) {
    size_t heads = as_size_mul(p->kv_heads, slots);
    if (kv != AS_KV_Q8_0)
        return as_size_mul(heads, p->head_width * (kv == AS_KV_F16 ? sizeof(uint16_t) : 4));
    size_t blocks = (p->head_width + AS_QBLOCK - 1) / AS_QBLOCK;
    return as_size_mul(heads, p->head_width + blocks * sizeof(uint16_t));
}

static as_rc make_cache(as_gpu *g, as_err *err) {
    const as_hparams *p = &g->model->hparams;
    size_t size = as_size_mul(p->layers, as_gpu_cache_size(p, g->kv, g->slots));
    as_rc rc = as_gpu_take(g, size, "half of the cache", &g->keys, err);
    return rc ? rc : as_gpu_take(g, size, "half of the cache", &g->values, err);
}

// A device without a model; what is missing is AS_INVALID.
static as_rc start(int index, as_gpu **out, as_err *err) {
    size_t size;
    if (!as_cuda_image(&size))
        return as_fail(err, AS_INVALID,
                       "device 'cuda:%d' is not in this build: nvcc was not found when it was made",
                       index);
    as_gpu *g = as_mem_new(sizeof *g);
    *g = (as_gpu){.index = index};
    as_rc rc = begin(g, err);
    if (!rc) rc = load_kernels(g, err);
    if (rc)
        as_gpu_close(g);
    else
        *out = g;
    return rc;
}

as_rc as_gpu_probe(int index, as_err *err) {
    as_gpu *gpu;
    as_rc rc = start(index, &gpu, err);
    if (!rc) as_gpu_close(gpu);
    return rc;
}

as_rc as_gpu_open(const as_model *model, as_kv kv, size_t context, size_t pages,
                  as_gpu_choice choice, as_gpu **out, as_err *err) {
    as_gpu *g;
    as_rc rc = start(choice.index, &g, err);
    if (rc) return rc;
    bool beyond = context > model->hparams.rope.original_context;
    double *const *rates = model->weights.rates;
    g->model = model;
    g->kv = kv;
    g->fast = choice.fast;
    g->slots = pages * AS_PAGE;
    g->rates[0] = beyond && rates[AS_RATES_LONG] ? AS_RATES_LONG : AS_RATES_USUAL;
    g->rates[1] = rates[AS_RATES_LOCAL] ? AS_RATES_LOCAL : -1;
    if (model->weights.coded)
        rc = as_fail(err, AS_INVALID,
                     "the model has weights of a type that cuda:%d cannot decode, and it was not "
                     "opened to have them decoded",
                     choice.index);
    if (!rc) rc = copy_weights(g, err);
    if (!rc) rc = make_cache(g, err);
    if (rc)
        as_gpu_close(g);
    else
        *out = g;
    return rc;
}

void as_gpu_close(as_gpu *gpu) {
    if (!gpu) return;
    if (gpu->context) {
        gpu->driver.context_set(gpu->context);
        as_gpu_give(gpu, gpu->keys);
        as_gpu_give(gpu, gpu->values);
        as_gpu_give(gpu, gpu->weights);
        if (gpu->module) gpu->driver.module_free(gpu->module);
        gpu->driver.context_release(gpu->ordinal);
    }
    free(gpu);
}
