// SPDX-License-Identifier: Apache-2.0
// bench_kernels.c - prints what each table reaches on one thread, beside this core's ceiling.
//
//   bench_kernels [TABLE [coded]]     only that table; of it only the types of coded.h
//
// GOP/s: a multiplication and an addition are two. GB/s: bytes read plus bytes written.
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/coded.h"
#include "kernels/kernels.h"
#ifdef AS_KERNELS_X86
#include "kernels/x86/ceiling.h"
#endif

enum { ROWS = 2048, COLS_MAX = 2048, COUNT_MAX = 64, VECTOR_MAX = 32768 };

// The best of many short measurements is shown: a busy neighbour on the core, which takes half of
// its units, is then mostly outside of one of them.
static const double RUN_S = 0.005;
enum { RUNS = 31 };

static volatile double sink; // keeps results alive

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *memory_new(size_t size) {
    void *memory = aligned_alloc(64, (size + 63) / 64 * 64);
    if (memory == NULL) exit(1);
    memset(memory, 0, (size + 63) / 64 * 64);
    return memory;
}

typedef struct work {
    const as_kernels *k;
    as_matrix w;
    as_qrows q;
    void *scratch;
    float *x, *y, *z;
    size_t n, count;
} work;

typedef void job(work *w);

// Seconds per call of the fastest run.
static double time_job(job *run, work *w) {
    double best = 1e9;
    long calls = 1;
    for (int i = 0; i < RUNS;) {
        double start = now_s();
        for (long c = 0; c < calls; c++) run(w);
        double taken = now_s() - start;
        if (taken < RUN_S && i == 0) {
            calls = taken < RUN_S / 16 ? calls * 8 : (long)((double)calls * RUN_S / taken) + 1;
            if (taken > RUN_S * 0.8) i++;
            continue;
        }
        if (taken / (double)calls < best) best = taken / (double)calls;
        i++;
    }
    return best;
}

static void run_f32(work *w) {
    w->k->matmul_f32(&w->w, 0, ROWS / AS_PANEL, w->x, w->n, w->count, w->y, ROWS);
}

static void run_f16(work *w) {
    w->k->matmul_f16(&w->w, 0, ROWS / AS_PANEL, w->x, w->n, w->count, w->y, ROWS);
}

static void run_bf16(work *w) {
    w->k->matmul_bf16(&w->w, 0, ROWS / AS_PANEL, w->x, w->n, w->count, w->y, ROWS);
}

static void run_quant(work *w) {
    w->k->matmul_quant(&w->w, 0, ROWS / AS_PANEL, &w->q, w->count, w->y, ROWS);
}

static void run_coded(work *w) {
    as_matrix_multiply(w->k, &w->w, 0, ROWS / AS_PANEL, w->x, &w->q, w->count, w->y, ROWS,
                       w->scratch);
}

static void run_quantize(work *w) {
    w->k->quantize_row(&w->q, 0, w->x);
}

static void run_norm(work *w) {
    w->k->rms_norm(w->y, w->x, w->z, w->n, 1e-5f);
}

static void run_rope(work *w) {
    memcpy(w->y, w->x, w->n * sizeof(float)); // else the values fade into denormals
    w->k->rope_pairs(w->y, w->x, w->z, w->n);
}

static void run_dot(work *w) {
    sink = (double)w->k->dot(w->x, w->z, w->n);
}

static void run_axpy(work *w) {
    w->k->axpy(w->y, 1e-9f, w->x, w->n);
}

static void run_add(work *w) {
    w->k->add(w->y, w->x, w->n);
}

static void run_silu(work *w) {
    memcpy(w->y, w->x, w->n * sizeof(float)); // else the values run away
    w->k->silu_mul(w->y, w->z, w->n);
}

static void run_softmax(work *w) {
    w->k->softmax(w->y, w->n);
}

static void run_exp_sum(work *w) {
    float max, sum;
    w->k->exp_sum(w->x, w->n, &max, &sum);
    sink = (double)sum;
}

static void run_argmax(work *w) {
    sink = (double)w->k->argmax(w->x, w->n);
}

// Weights of ordinary size: zeros and denormals would be another measurement. Codes and small
// scales are any bits; the halves and powers of two among them are made ordinary by their bytes.
static void fill_weights(as_matrix *w) {
    size_t n = (size_t)ROWS * w->cols;
    if (w->type == AS_W_F32) {
        for (size_t i = 0; i < n; i++) {
            int32_t value = (int32_t)((uint32_t)i * 2654435761u >> 24) - 128;
            ((float *)w->values)[i] = (float)value * 0.01f;
        }
        return;
    }
    uint8_t *bytes = w->values;
    size_t size = as_matrix_values_size(w->type, ROWS, w->cols);
    for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)((uint32_t)i * 2654435761u >> 24);
    // A half or BF16 of which every byte is 0x3c or so is about 1, and so are pairs of scales.
    if (w->type == AS_W_F16 || w->type == AS_W_BF16) memset(bytes, 0x3c, size);
    memset(w->scales, 0x2c, as_matrix_scales_size(w->type, ROWS, w->cols));
}

static void bench_product(work *w, const char *name, job *run) {
    static const size_t counts[] = {1, 8, 64};
    for (size_t m = 0; m < COUNT_MAX; m++) w->k->quantize_row(&w->q, m, w->x + m * w->n);
    printf("%-9s matmul %-7s K %4zu:", w->k->name, name, w->n);
    for (size_t m = 0; m < 3; m++) {
        w->count = counts[m];
        double seconds = time_job(run, w);
        double work_ops = 2.0 * ROWS * (double)w->n * (double)counts[m];
        printf("  M %2zu %7.1f GOP/s", counts[m], work_ops / seconds * 1e-9);
        if (m == 0) printf(" (%5.1f GB/s)", (double)as_matrix_size(&w->w) / seconds * 1e-9);
    }
    printf("\n");
}

static void bench_products(work *w) {
    static const struct {
        const char *name;
        as_wtype type;
        job *run;
    } products[] = {{"f32", AS_W_F32, run_f32},         {"f16", AS_W_F16, run_f16},
                    {"bf16", AS_W_BF16, run_bf16},      {"q8_0", AS_W_Q8_0, run_quant},
                    {"q4_0", AS_W_Q4_0, run_quant},     {"q4_1", AS_W_Q4_1, run_quant},
                    {"q5_0", AS_W_Q5_0, run_quant},     {"q5_1", AS_W_Q5_1, run_quant},
                    {"q2_k", AS_W_Q2_K, run_quant},     {"q3_k", AS_W_Q3_K, run_quant},
                    {"q4_k", AS_W_Q4_K, run_quant},     {"q5_k", AS_W_Q5_K, run_quant},
                    {"q6_k", AS_W_Q6_K, run_quant},     {"iq4_nl", AS_W_IQ4_NL, run_quant},
                    {"iq4_xs", AS_W_IQ4_XS, run_quant}, {"mxfp4", AS_W_MXFP4, run_quant}};
    static const size_t cols[] = {192, 512, 2048};
    w->w.coded = 0;
    for (size_t p = 0; p < sizeof products / sizeof *products; p++) {
        for (size_t c = 0; c < 3; c++) {
            if (cols[c] % as_wtype_block(products[p].type)) continue;
            w->n = w->w.cols = w->q.cols = cols[c];
            w->w.type = products[p].type;
            fill_weights(&w->w);
            bench_product(w, products[p].name, products[p].run);
        }
    }
}

// Matrices that stay as their file has them, of any bits.
static void bench_coded(work *w) {
    static const char *const names[AS_CODED_TYPES] = {"iq1_s", "iq1_m",   "iq2_xxs", "iq2_xs",
                                                      "iq2_s", "iq3_xxs", "iq3_s",   "tq1_0",
                                                      "tq2_0", "nvfp4"};
    for (int type = 0; type < AS_CODED_TYPES; type++) {
        w->n = w->w.cols = w->q.cols = COLS_MAX;
        w->w.type = as_coded_held((as_coded)type);
        w->w.coded = 1 + (unsigned)type;
        uint8_t *bytes = w->w.values;
        for (size_t i = 0; i < as_matrix_size(&w->w); i++)
            bytes[i] = (uint8_t)((uint32_t)i * 2654435761u >> 24);
        w->scratch = memory_new(as_matrix_scratch_size(&w->w));
        bench_product(w, names[type], run_coded);
        free(w->scratch);
    }
}

static void bench_vectors(work *w) {
    static const struct {
        const char *name;
        job *run;
        double bytes; // per element
    } vectors[] = {{"quantize_row", run_quantize, 5},
                   {"rms_norm", run_norm, 16},
                   {"rope_pairs", run_rope, 20},
                   {"dot", run_dot, 8},
                   {"axpy", run_axpy, 12},
                   {"add", run_add, 12},
                   {"silu_mul", run_silu, 20},
                   {"softmax", run_softmax, 20},
                   {"exp_sum", run_exp_sum, 8},
                   {"argmax", run_argmax, 8}};
    static const size_t lengths[] = {64, 2048, VECTOR_MAX};
    for (size_t v = 0; v < sizeof vectors / sizeof *vectors; v++) {
        printf("%-9s %-12s:", w->k->name, vectors[v].name);
        for (size_t i = 0; i < 3; i++) {
            w->n = w->q.cols = lengths[i];
            double seconds = time_job(vectors[v].run, w);
            printf("  n %5zu %7.1f GB/s %8.1f ns", lengths[i],
                   vectors[v].bytes * (double)lengths[i] / seconds * 1e-9, seconds * 1e9);
        }
        printf("\n");
    }
}

#ifdef AS_KERNELS_X86
static void show_ceiling(const char *name, double (*loop)(long)) {
    double best = 0;
    for (int i = 0; i < RUNS; i++) {
        double start = now_s(), operations = loop(500000);
        double rate = operations / (now_s() - start);
        if (rate > best) best = rate;
    }
    printf("ceiling   %-31s %7.1f GOP/s\n", name, best * 1e-9);
}
#endif

static void show_read_bandwidth(size_t size, const char *name) {
    uint64_t *memory = memory_new(size);
    size_t n = size / sizeof *memory;
    double best = 0;
    long passes = size < ((size_t)64 << 20) ? (long)(((size_t)64 << 20) / size) : 1;
    for (int i = 0; i < RUNS; i++) {
        double start = now_s();
        uint64_t sum[8] = {0};
        for (long pass = 0; pass < passes; pass++) {
            for (size_t j = 0; j < n; j += 8) {
                for (size_t l = 0; l < 8; l++) sum[l] ^= memory[j + l];
            }
            memory[(size_t)pass % n] = (uint64_t)pass;
        }
        double rate = (double)size * (double)passes / (now_s() - start);
        for (size_t l = 0; l < 8; l++) sink = (double)sum[l];
        if (rate > best) best = rate;
    }
    printf("ceiling   reading %-23s %7.1f GB/s\n", name, best * 1e-9);
    free(memory);
}

static void show_ceilings(bool avx512) {
#ifdef AS_KERNELS_X86
    show_ceiling("fma, 256 bits", as_ceiling_fma_avx2);
    show_ceiling("sign maddubs madd add, 256 bits", as_ceiling_maddubs_avx2);
    if (avx512) show_ceiling("fma, 512 bits", as_ceiling_fma_avx512);
    if (avx512) show_ceiling("dpbusd, 512 bits", as_ceiling_dpbusd_avx512);
#endif
    (void)avx512;
    show_read_bandwidth((size_t)512 << 10, "512 KiB");
    show_read_bandwidth((size_t)8 << 20, "8 MiB");
    show_read_bandwidth((size_t)256 << 20, "256 MiB");
}

int main(int argc, char **argv) {
    const as_kernels *tables[8];
    size_t count = as_kernels_available(tables);
    if (count > 1) show_ceilings(as_kernels_select("avx512") != NULL);
    size_t x_size = (size_t)COUNT_MAX * COLS_MAX;
    work w = {.w = {.rows = ROWS}};
    w.w.values = memory_new((size_t)ROWS * COLS_MAX * sizeof(float));
    w.w.scales = memory_new((size_t)ROWS * COLS_MAX / 8);
    w.q.q = memory_new(x_size);
    w.q.d = memory_new(x_size / 32 * sizeof(float));
    w.q.sums = memory_new(x_size / 32 * sizeof(float));
    w.q.offsets = memory_new(x_size / 32 * sizeof(int32_t));
    w.q.halves = memory_new(x_size / 16 * sizeof(int32_t));
    w.x = memory_new(x_size * sizeof(float));
    w.y = memory_new(x_size * sizeof(float));
    w.z = memory_new(x_size * sizeof(float));
    for (size_t i = 0; i < x_size; i++) {
        w.x[i] = (float)((i * 2654435761u >> 7) % 2001) * 1e-3f - 1.0f;
        w.z[i] = (float)((i * 2246822519u >> 7) % 2001) * 1e-3f - 1.0f;
    }
    for (size_t t = 0; t < count; t++) {
        if (argc > 1 && strcmp(argv[1], tables[t]->name) != 0) continue;
        w.k = tables[t];
        if (argc < 3) bench_products(&w);
        bench_coded(&w);
        if (argc < 3) bench_vectors(&w);
    }
    free(w.w.values), free(w.w.scales), free(w.q.q), free(w.q.d), free(w.q.sums), free(w.q.offsets);
    free(w.q.halves);
    free(w.x), free(w.y), free(w.z);
    return 0;
}
