// SPDX-License-Identifier: Apache-2.0
// emulator.h - a GPU of one multiprocessor that runs one block at a time, for kernels written in
// the dialect of kernels/cuda/dialect.h, compiled by the C compiler.
//
// Threads of a block are fibers: each runs until it has to wait for the others. Shared memory
// begins as garbage, so does what a launch does not fill; a barrier or a warp operation that some
// threads never come to ends the program with the kernel's name. The order in which warps and
// lanes run is a setting: a result that changes with it is a race. Not safe for several threads at
// once: whoever launches holds a lock.
#ifndef AS_EMULATOR_H
#define AS_EMULATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/cuda/cuda.h"
#include "tests/base/draws.h"

typedef struct as_emulated {
    const char *name;
    void (*enter)(const void *args);
    size_t args_size;
    uint32_t threads;
} as_emulated;

// The kernel `name`; NULL when there is none.
const as_emulated *as_emulated_find(const char *name);

// Runs all blocks of the grid.
void as_emulator_launch(const as_emulated *kernel, const uint32_t grid[3], uint32_t threads,
                        size_t shared_size, const void *args);

// Memory that kernels may use, not yet written; at least `size` bytes, 64-byte aligned.
void *as_emulator_take(size_t size);
void as_emulator_give(void *memory);

// In which order threads run: 0 forward, 1 backward, more: shuffled by that seed.
void as_emulator_set_order(uint64_t order);

// What the dialect is made of.
typedef struct as_emulated_words4 {
    uint32_t x, y, z, w;
} as_emulated_words4;
typedef struct as_emulated_words2 {
    uint32_t x, y;
} as_emulated_words2;

typedef struct as_emulated_place {
    uint32_t thread, block[3];
    void *shared;
} as_emulated_place;

extern as_emulated_place as_emulated_here; // of the thread that runs

void as_emulated_fail(const char *what); // ends the program
void as_emulated_sync_block(void);
void as_emulated_sync_warp(void);
// Bytes are copied when they are waited for, not before: what is read too early is garbage.
void as_emulated_copy(void *to, const void *from);
void as_emulated_commit(void);
void as_emulated_wait(uint32_t groups);
uint32_t as_emulated_shuffle(uint32_t x, uint32_t from);
// In which order a real one sums up is not said anywhere; this one is exact but for the last
// rounding.
void as_emulated_mma_16(float c[4], const uint32_t a[4], uint32_t b0, uint32_t b1,
                        float (*widen)(uint16_t));
void as_emulated_matrices(uint32_t out[4], const void *row);
void as_emulated_mma(int32_t c[4], const uint32_t *a, const uint32_t *b, size_t halves);

#endif
