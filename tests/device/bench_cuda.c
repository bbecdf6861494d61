// SPDX-License-Identifier: Apache-2.0
// bench_cuda.c - the products of the GPU by events, beside the device's own ceilings in the same
// run: copying memory, and the tensor cores' instructions. Weights are random and go round many
// times the second-level cache.
//
//   bench_cuda CEILINGS.fatbin ceilings    what the device can do, "name value" lines
//   bench_cuda CEILINGS.fatbin products    every type: one row, some, prompts
//   bench_cuda CEILINGS.fatbin fast        the same, as device=cuda:N-fast multiplies
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/engine/gpu/driver.h"
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/image.h"

enum { ROWS = 14336, COLS = 4096, TRIES = 5, WEIGHTS = 1 << 30, COPY = 1 << 30, WARPS = 8 };

static const char *const type_names[] = {"f32",  "f16",    "bf16",   "q8_0",  "q4_0", "q4_1",
                                         "q5_0", "q5_1",   "q2_k",   "q3_k",  "q4_k", "q5_k",
                                         "q6_k", "iq4_nl", "iq4_xs", "mxfp4", "q8_16"};

static as_driver d;
static as_gpu_stream *stream;
static as_gpu_event *begins, *ends;

static void check(int code, const char *what) {
    const char *text = NULL;
    if (!code) return;
    if (d.error_name(code, &text) || !text) text = "?";
    fprintf(stderr, "%s: %s (%d)\n", what, text, code);
    exit(1);
}

static void launch(as_gpu_function *f, const uint32_t grid[3], uint32_t threads, uint32_t shared,
                   void *const *args) {
    void *parameters[4] = {args[0], args[1]};
    as_gpu_launch how = {.grid = {grid[0], grid[1], grid[2]},
                         .block = {threads, 1, 1},
                         .shared_size = shared,
                         .stream = stream};
    check(d.launch(&how, f, parameters, NULL), "launch");
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Median seconds of `work` repeated `times`, for one.
static double measure(void (*work)(void *), void *context, unsigned times) {
    double seconds[TRIES];
    work(context);
    for (int i = 0; i < TRIES; i++) {
        float ms;
        check(d.event_record(begins, stream), "event");
        for (unsigned j = 0; j < times; j++) work(context);
        check(d.event_record(ends, stream), "event");
        check(d.event_wait(ends), "event");
        check(d.event_elapsed(&ms, begins, ends), "event");
        seconds[i] = (double)ms * 1e-3 / times;
    }
    qsort(seconds, TRIES, sizeof *seconds, by_size);
    return seconds[TRIES / 2];
}

typedef struct copying {
    as_gpu_memory from, to;
} copying;

static void copy(void *context) {
    copying *c = context;
    check(d.copy_within(c->to, c->from, COPY, stream), "copy");
}

typedef struct peak {
    as_gpu_function *function;
    as_gpu_memory out;
    uint32_t rounds, blocks;
} peak;

static void run_peak(void *context) {
    peak *p = context;
    void *args[2] = {&p->out, &p->rounds};
    launch(p->function, (uint32_t[]){p->blocks, 1, 1}, 32 * WARPS, 0, args);
}

typedef struct product {
    as_gpu_function *function;
    as_cuda_product args;
    uint32_t grid[3], threads, shared;
    as_gpu_memory weights;
    size_t values_size, step; // bytes of codes; between two matrices
    unsigned turn, turns;
} product;

static void multiply(void *context) {
    product *p = context;
    const uint8_t *at = (const uint8_t *)(uintptr_t)(p->weights + p->step * (p->turn++ % p->turns));
    p->args.parts[0].values = at;
    p->args.parts[0].scales = at + p->values_size;
    void *args[2] = {&p->args, NULL};
    launch(p->function, p->grid, p->threads, p->shared, args);
}

static void *read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "cannot read '%s'\n", path);
        exit(1);
    }
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    void *bytes = malloc((size_t)size);
    if (!bytes || fread(bytes, 1, (size_t)size, file) != (size_t)size) exit(1);
    fclose(file);
    return bytes;
}

static as_gpu_memory take(size_t size) {
    as_gpu_memory memory;
    check(d.memory_new(&memory, size), "memory");
    return memory;
}

// One line of products with a type: decoding, some rows, a prompt.
static void bench_type(as_gpu_module *module, as_wtype type, bool fast, as_gpu_memory weights,
                       as_gpu_memory rows, as_gpu_memory y, double copy_rate, double peak_rate) {
    static const uint32_t counts[] = {1, 8, 32, 128, 1024};
    size_t values = as_matrix_values_size(type, ROWS, COLS);
    size_t size = values + as_matrix_scales_size(type, ROWS, COLS);
    printf("%-7s", type_names[type]);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        uint8_t *x = (uint8_t *)(uintptr_t)rows;
        size_t blocks = (size_t)(counts[i] + 7) / 8 * (COLS / 32);
        product p = {.weights = weights, .values_size = values, .step = (size + 255) / 256 * 256};
        p.turns = (unsigned)(WEIGHTS / p.step);
        p.args = (as_cuda_product){.part_count = 1, .cols = COLS, .count = counts[i], .fast = fast};
        p.args.x = (const float *)(const void *)x;
        p.args.quantized = (as_cuda_qrows){.q = (int8_t *)x,
                                           .d = (float *)(void *)(x + blocks * 256),
                                           .sums = (float *)(void *)(x + blocks * 288),
                                           .halves = (int32_t *)(void *)(x + blocks * 320)};
        if (fast) p.args.quantized = (as_cuda_qrows){.x = (uint16_t *)(void *)x};
        p.args.parts[0] = (as_cuda_part){.rows = ROWS, .y = (float *)(uintptr_t)y};
        as_cuda_kernel kernel = as_cuda_plan(&p.args, type, counts[i], 1, p.grid);
        p.threads = as_cuda_threads(kernel);
        p.shared = as_cuda_shared(kernel, counts[i]);
        check(d.module_function(&p.function, module, as_cuda_name(kernel)), "kernel");
        if (p.shared > 48 * 1024)
            check(d.function_set(p.function, AS_GPU_FUNCTION_SHARED_MAX, (int)p.shared), "shared");
        double s = measure(multiply, &p, counts[i] < 128 ? 40 : 10), gb = (double)size / s * 1e-9;
        double tops = 2.0 * ROWS * COLS * counts[i] / s * 1e-12;
        if (counts[i] == 1)
            printf(" | %7.1f us %6.0f GB/s %3.0f %%", s * 1e6, gb, 100 * gb / copy_rate);
        else if (counts[i] < 1024)
            printf(" | %7.1f us", s * 1e6);
        else
            printf(" | %7.1f us %6.1f TOP/s %3.0f %%\n", s * 1e6, tops, 100 * tops / peak_rate);
    }
}

// 10^12 operations a second of a loop of `work` products a block and round.
static double peak_rate(as_gpu_module *module, const char *name, as_gpu_memory out, uint32_t blocks,
                        double work) {
    peak p = {.out = out, .rounds = 4096, .blocks = blocks};
    check(d.module_function(&p.function, module, name), name);
    return 2.0 * work * p.rounds * p.blocks / measure(run_peak, &p, 2) * 1e-12;
}

int main(int count, char **words) {
    as_err err;
    as_gpu_context *context;
    as_gpu_module *module, *ceilings;
    size_t size;
    char name[128];
    int processors, major;
    if (count != 3 || as_driver_open(&d, &err)) {
        fprintf(stderr, "%s\n",
                count != 3 ? "usage: bench_cuda CEILINGS.fatbin ceilings|products|fast" : err.text);
        return 2;
    }
    check(d.context_retain(&context, 0), "context");
    check(d.context_set(context), "context");
    check(d.device_name(name, sizeof name, 0), "name");
    check(d.device_attribute(&processors, AS_GPU_ATTRIBUTE_MULTIPROCESSORS, 0), "attribute");
    check(d.module_load(&module, as_cuda_image(&size)), "kernels");
    check(d.module_load(&ceilings, read_file(words[1])), "ceilings");
    check(d.stream_new(&stream, 0), "stream");
    check(d.event_new(&begins, 0), "event");
    check(d.event_new(&ends, 0), "event");
    as_gpu_memory weights = take(WEIGHTS), rows = take(64 << 20), y = take(64 << 20);
    // Random bits in weights and rows: halves among them are any halves, which costs no more time.
    size_t piece = 32 << 20;
    uint32_t *noise = malloc(piece), state = 1;
    if (!noise) return 1;
    for (size_t i = 0; i < piece / 4; i++) noise[i] = state = state * 1664525u + 1013904223u;
    for (size_t at = 0; at < WEIGHTS; at += piece)
        check(d.copy_in(weights + at, noise, piece, stream), "copy");
    for (size_t at = 0; at < 64 << 20; at += piece)
        check(d.copy_in(rows + at, noise, piece, stream), "copy");
    check(d.stream_wait(stream), "copy");
    copying c = {weights, take(COPY)};
    double copy_rate = 2.0 * COPY / measure(copy, &c, 4) * 1e-9;
    bool fast = strcmp(words[2], "fast") == 0, products = fast || strcmp(words[2], "products") == 0;
    printf("device %s, %d multiprocessors\n", name, processors);
    printf("copy %.0f GB/s read and written\n", copy_rate);
    double s8 =
        peak_rate(ceilings, "peak_s8", y, (uint32_t)processors * 4, 8.0 * WARPS * 16 * 8 * 32);
    double bf16 =
        peak_rate(ceilings, "peak_bf16", y, (uint32_t)processors * 4, 8.0 * WARPS * 16 * 8 * 16);
    printf("mma_s8 %.0f TOP/s\nmma_bf16 %.0f TFLOP/s\n", s8, bf16);
    fflush(stdout);
    if (!products) { // last: who has no such instruction says nothing
        check(d.device_attribute(&major, AS_GPU_ATTRIBUTE_MAJOR, 0), "attribute");
        if (major == 9)
            printf("wgmma_bf16 %.0f TFLOP/s\n",
                   peak_rate(ceilings, "peak_wgmma", y, (uint32_t)processors * 2,
                             2.0 * 64 * 128 * 16));
        return 0;
    }
    printf("%d x %d; of a prompt of 1024 the share is of mma_bf16\n", ROWS, COLS);
    printf("type    | 1 row: time, weights read, of copy | 8 rows | 32 | 128 | 1024 rows\n");
    for (as_wtype type = fast ? AS_W_F16 : AS_W_F32; type <= AS_W_Q8_16; type++)
        bench_type(module, type, fast, weights, rows, y, copy_rate, bf16);
    return 0;
}
