// SPDX-License-Identifier: Apache-2.0
#include "tests/kernels/fake_driver.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernels/emulator.h"

enum {
    NO_DEVICE = 100,
    OUT_OF_MEMORY = 2,
    INVALID_CONTEXT = 201,
    NOT_FOUND = 500,
    LOST = 719,
    INVALID = 1
};

as_fake_gpu as_fake = {.devices = 1, .major = 9};

typedef struct block {
    struct block *next;
    void *memory;
    size_t size;
} block;

// Something to be done on a stream.
typedef struct work {
    struct work *next;
    enum { COPY, FILL, KERNEL } kind;
    void *to;
    const void *from;
    size_t size;
    unsigned char byte;
    const as_emulated *kernel;
    uint32_t grid[3], threads;
    size_t shared_size;
    void *args;
} work;

typedef struct graph {
    work *first, **last;
} graph;

typedef struct stream {
    graph *captured; // NULL: work is done at once
} stream;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static block *blocks;
static size_t left, taken;
static int context; // its address is the context
static _Thread_local const void *current;

size_t as_fake_left(void) {
    return left;
}

static int state(void) {
    if (as_fake.lost_after && as_fake.launches >= as_fake.lost_after) return LOST;
    return current ? 0 : INVALID_CONTEXT;
}

static void run(const work *w) {
    if (w->kind == COPY) {
        memcpy(w->to, w->from, w->size);
    } else if (w->kind == FILL) {
        memset(w->to, w->byte, w->size);
    } else {
        as_emulator_launch(w->kernel, w->grid, w->threads, w->shared_size, w->args);
        as_fake.launches++;
    }
}

static int put(stream *s, work w) {
    int code = state();
    if (code) return code;
    pthread_mutex_lock(&lock);
    if (s->captured) {
        work *copy = malloc(sizeof *copy);
        *copy = w;
        if (w.args) {
            copy->args = malloc(w.kernel->args_size);
            memcpy(copy->args, w.args, w.kernel->args_size);
        }
        *s->captured->last = copy;
        s->captured->last = &copy->next;
    } else {
        run(&w);
    }
    pthread_mutex_unlock(&lock);
    return 0;
}

int cuInit(unsigned flags) {
    // For the whole program: devices, major, lost_after, memory in MiB, full_after.
    const char *text = getenv("ASSAY_FAKE_GPU");
    unsigned long long lost = as_fake.lost_after, memory = as_fake.memory_size >> 20;
    unsigned long long full = as_fake.full_after;
    if (text && sscanf(text, "%d %d %llu %llu %llu", &as_fake.devices, &as_fake.major, &lost,
                       &memory, &full) < 1)
        return INVALID;
    as_fake.lost_after = lost;
    as_fake.full_after = full;
    as_fake.memory_size = (size_t)memory << 20;
    if (!as_fake.devices) return NO_DEVICE;
    return flags ? INVALID : as_fake.init_code;
}

int cuDriverGetVersion(int *version) {
    *version = 13000;
    return 0;
}

int cuDeviceGetCount(int *count) {
    *count = as_fake.devices;
    return 0;
}

int cuDeviceGet(int *device, int index) {
    *device = index;
    return index < as_fake.devices ? 0 : 101;
}

int cuDeviceGetName(char *name, int size, int device) {
    snprintf(name, (size_t)size, "emulated GPU %d", device);
    return 0;
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
    *value = attribute == 75 ? as_fake.major : attribute == 76 ? as_fake.minor : 1;
    return device < as_fake.devices ? 0 : 101;
}

int cuDevicePrimaryCtxRetain(void **out, int device) {
    *out = &context;
    left++;
    return device < as_fake.devices ? 0 : 101;
}

int cuDevicePrimaryCtxRelease_v2(int device) {
    left--;
    return device < as_fake.devices ? 0 : 101;
}

int cuCtxSetCurrent(void *to) {
    current = to;
    return as_fake.lost_after && as_fake.launches >= as_fake.lost_after ? LOST : 0;
}

int cuMemGetInfo_v2(size_t *free_bytes, size_t *all) {
    *all = as_fake.memory_size;
    *free_bytes = as_fake.memory_size - taken;
    return state();
}

static int take(void **out, size_t size, int code) {
    if (code) return code;
    pthread_mutex_lock(&lock);
    block *b = malloc(sizeof *b);
    *b = (block){blocks, aligned_alloc(256, (size + 255) / 256 * 256), size};
    memset(b->memory, 0xa5, size);
    blocks = b;
    left++;
    pthread_mutex_unlock(&lock);
    *out = b->memory;
    return 0;
}

static int give(void *memory) {
    int code = INVALID;
    pthread_mutex_lock(&lock);
    for (block **at = &blocks; *at; at = &(*at)->next) {
        if ((*at)->memory != memory) continue;
        block *b = *at;
        *at = b->next;
        free(b->memory);
        free(b);
        left--;
        code = 0;
        break;
    }
    pthread_mutex_unlock(&lock);
    return code;
}

int cuMemAlloc_v2(uint64_t *out, size_t size) {
    void *memory = NULL;
    if (!size) return INVALID;
    if (as_fake.full_after && as_fake.allocations++ >= as_fake.full_after) return OUT_OF_MEMORY;
    if (as_fake.memory_size && size > as_fake.memory_size - taken) return OUT_OF_MEMORY;
    int code = take(&memory, size, state());
    if (!code) *out = (uint64_t)(uintptr_t)memory;
    if (!code && as_fake.memory_size) taken += size;
    return code;
}

int cuMemAllocManaged(uint64_t *out, size_t size, unsigned flags) {
    return flags == 1 ? cuMemAlloc_v2(out, size) : INVALID;
}

int cuMemFree_v2(uint64_t memory) {
    return give((void *)(uintptr_t)memory);
}

int cuMemAllocHost_v2(void **out, size_t size) {
    return take(out, size, state());
}

int cuMemFreeHost(void *memory) {
    return give(memory);
}

int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t size, stream *s) {
    return put(s, (work){.kind = COPY, .to = (void *)(uintptr_t)to, .from = from, .size = size});
}

int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t size, stream *s) {
    return put(s, (work){.kind = COPY, .to = to, .from = (void *)(uintptr_t)from, .size = size});
}

int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t size, stream *s) {
    return cuMemcpyHtoDAsync_v2(to, (void *)(uintptr_t)from, size, s);
}

int cuMemsetD8Async(uint64_t to, unsigned char byte, size_t size, stream *s) {
    return put(s, (work){.kind = FILL, .to = (void *)(uintptr_t)to, .byte = byte, .size = size});
}

int cuStreamCreate(stream **out, unsigned flags) {
    *out = calloc(1, sizeof **out);
    left++;
    return flags ? INVALID : state();
}

int cuStreamDestroy_v2(stream *s) {
    free(s);
    left--;
    return 0;
}

int cuStreamSynchronize(stream *s) {
    return s->captured ? INVALID : state();
}

// Time is not emulated.
int cuEventCreate(void **out, unsigned flags) {
    *out = calloc(1, 1);
    left++;
    return flags ? INVALID : state();
}

int cuEventDestroy_v2(void *event) {
    free(event);
    left--;
    return 0;
}

int cuEventRecord(void *event, stream *s) {
    return event && s ? state() : INVALID;
}

int cuEventSynchronize(void *event) {
    return event ? state() : INVALID;
}

int cuEventElapsedTime(float *ms, void *begin, void *end) {
    *ms = 1.0f;
    return begin && end ? state() : INVALID;
}

int cuModuleLoadData(void **out, const void *image) {
    if (!image || as_fake.module_code) return image ? as_fake.module_code : INVALID;
    *out = &context;
    left++;
    return state();
}

int cuModuleUnload(void *module) {
    left--;
    return module == &context ? 0 : INVALID;
}

int cuModuleGetFunction(const as_emulated **out, void *module, const char *name) {
    *out = as_emulated_find(name);
    return module && *out ? 0 : NOT_FOUND;
}

// Of a function only how much shared memory it may take; one setting for all.
static int shared_max = 48 * 1024;

int cuFuncSetAttribute(const as_emulated *kernel, int attribute, int value) {
    if (!kernel || attribute != 8 || value > 163 * 1024) return INVALID; // that of sm_80
    if (value > shared_max) shared_max = value;
    return state();
}

typedef struct config {
    unsigned grid[3], block[3], shared_size;
    stream *s;
    const int *attributes;
    unsigned attribute_count;
} config;

int cuLaunchKernelEx(const config *how, const as_emulated *kernel, void **args, void **extra) {
    const unsigned *g = how->grid;
    if (!g[0] || !g[1] || !g[2] || how->block[1] != 1 || how->block[2] != 1 || extra)
        return INVALID;
    if (g[1] > 65535 || g[2] > 65535 || (int)how->shared_size > shared_max) return INVALID;
    if (how->attribute_count && *how->attributes != 6) return INVALID;
    return put(how->s, (work){.kind = KERNEL,
                              .kernel = kernel,
                              .grid = {g[0], g[1], g[2]},
                              .threads = how->block[0],
                              .shared_size = how->shared_size,
                              .args = args[0]});
}

int cuStreamBeginCapture_v2(stream *s, int mode) {
    if (mode != 1 || s->captured) return INVALID;
    s->captured = calloc(1, sizeof *s->captured);
    s->captured->last = &s->captured->first;
    left++;
    return state();
}

int cuStreamEndCapture(stream *s, graph **out) {
    *out = s->captured;
    s->captured = NULL;
    return *out ? state() : INVALID;
}

// What is made of a graph is a list of its own: the graph may be freed before.
int cuGraphInstantiateWithFlags(graph **out, const graph *from, unsigned long long flags) {
    graph *made = calloc(1, sizeof *made);
    made->last = &made->first;
    for (const work *w = from->first; w; w = w->next) {
        work *copy = malloc(sizeof *copy);
        *copy = *w;
        copy->next = NULL;
        if (w->args) {
            copy->args = malloc(w->kernel->args_size);
            memcpy(copy->args, w->args, w->kernel->args_size);
        }
        *made->last = copy;
        made->last = &copy->next;
    }
    *out = made;
    left++;
    return flags ? INVALID : state();
}

int cuGraphLaunch(const graph *g, stream *s) {
    int code = 0;
    for (const work *w = g->first; !code && w; w = w->next) code = put(s, *w);
    as_fake.replays++;
    return code;
}

int cuGraphDestroy(graph *g) {
    for (work *w = g->first, *next; w; w = next) {
        next = w->next;
        free(w->args);
        free(w);
    }
    free(g);
    left--;
    return 0;
}

int cuGraphExecDestroy(graph *g) {
    return cuGraphDestroy(g);
}

int cuGetErrorName(int code, const char **out) {
    *out = code == OUT_OF_MEMORY     ? "CUDA_ERROR_OUT_OF_MEMORY"
           : code == INVALID_CONTEXT ? "CUDA_ERROR_INVALID_CONTEXT"
           : code == NOT_FOUND       ? "CUDA_ERROR_NOT_FOUND"
           : code == LOST            ? "CUDA_ERROR_LAUNCH_FAILED"
           : code == 209             ? "CUDA_ERROR_NO_BINARY_FOR_GPU"
                                     : "CUDA_ERROR_UNKNOWN";
    return 0;
}
