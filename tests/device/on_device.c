// SPDX-License-Identifier: Apache-2.0
// on_device.c - the emulator's interface on a real GPU, for the same tests of the kernels: memory
// is managed, so that host and GPU use the same addresses and compute-sanitizer knows where it
// ends; a launch is waited for.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/engine/gpu/driver.h"
#include "kernels/cuda/image.h"
#include "tests/kernels/emulator.h"

static struct {
    bool begun;
    as_driver driver;
    as_gpu_stream *stream;
    as_gpu_function *functions[AS_CUDA_KERNEL_COUNT];
    as_emulated names[AS_CUDA_KERNEL_COUNT];
    int (*managed_new)(as_gpu_memory *, size_t, unsigned); // the engine has no use for it
} gpu;

static void check(int code, const char *what) {
    const char *text = NULL;
    if (!code) return;
    if (gpu.driver.error_name(code, &text) || !text) text = "?";
    fprintf(stderr, "%s: %s (%d)\n", what, text, code);
    exit(1);
}

static void begin(void) {
    as_err err;
    size_t size;
    as_gpu_context *context;
    as_gpu_module *module;
    if (gpu.begun) return;
    if (as_driver_open(&gpu.driver, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    gpu.begun = true;
    void *found = dlsym(dlopen("libcuda.so.1", RTLD_NOW), "cuMemAllocManaged");
    if (!found) check(AS_GPU_NOT_FOUND, "cuMemAllocManaged");
    memcpy(&gpu.managed_new, &found, sizeof found);
    check(gpu.driver.context_retain(&context, 0), "context");
    check(gpu.driver.context_set(context), "context");
    check(gpu.driver.module_load(&module, as_cuda_image(&size)), "module");
    check(gpu.driver.stream_new(&gpu.stream, 0), "stream");
    for (as_cuda_kernel i = 0; i < AS_CUDA_KERNEL_COUNT; i++) {
        int most = (int)as_cuda_shared(i, AS_CUDA_TILE);
        gpu.names[i].name = as_cuda_name(i);
        check(gpu.driver.module_function(&gpu.functions[i], module, as_cuda_name(i)), "kernel");
        if (most > 48 * 1024)
            check(gpu.driver.function_set(gpu.functions[i], AS_GPU_FUNCTION_SHARED_MAX, most),
                  "shared memory");
    }
}

const as_emulated *as_emulated_find(const char *name) {
    begin();
    for (size_t i = 0; i < AS_CUDA_KERNEL_COUNT; i++)
        if (strcmp(gpu.names[i].name, name) == 0) return &gpu.names[i];
    return NULL;
}

void as_emulator_launch(const as_emulated *kernel, const uint32_t grid[3], uint32_t threads,
                        size_t shared_size, const void *args) {
    union {
        const void *in;
        void *out;
    } parameter = {args};
    as_gpu_launch how = {.grid = {grid[0], grid[1], grid[2]},
                         .block = {threads, 1, 1},
                         .shared_size = (unsigned)shared_size,
                         .stream = gpu.stream};
    if (!grid[0] || !grid[1] || !grid[2]) return;
    check(gpu.driver.launch(&how, gpu.functions[kernel - gpu.names], &parameter.out, NULL),
          kernel->name);
    check(gpu.driver.stream_wait(gpu.stream), kernel->name);
}

void *as_emulator_take(size_t size) {
    as_gpu_memory memory = 0;
    begin();
    check(gpu.managed_new(&memory, (size + 63) / 64 * 64 + 64, 1), "memory");
    return (void *)(uintptr_t)memory;
}

void as_emulator_give(void *memory) {
    if (memory) check(gpu.driver.memory_free((as_gpu_memory)(uintptr_t)memory), "memory");
}

void as_emulator_set_order(uint64_t order) {
    (void)order; // the GPU has its own
}
