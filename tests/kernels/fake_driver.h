// SPDX-License-Identifier: Apache-2.0
// fake_driver.h - a driver of a GPU that the emulator is: the symbols of libcuda.so.1 that the
// engine looks for, over host memory. Linked into tests, and built as a libcuda.so.1 of its own for
// the whole program.
//
// It checks what a real one would not say at once: that a context is current, that memory is given
// back, that captured work is not run. Faults are settings.
#ifndef AS_FAKE_DRIVER_H
#define AS_FAKE_DRIVER_H

#include <stddef.h>
#include <stdint.h>

typedef struct as_fake_gpu {
    int devices;         // 1
    int major, minor;    // 9, 0
    int init_code;       // what cuInit says
    int module_code;     // what loading kernels says
    size_t memory_size;  // bytes; 0: no limit
    uint64_t lost_after; // launches until the device is lost (every call fails); 0: never
    uint64_t full_after; // allocations until no more memory is given; 0: never
    uint64_t launches, replays, allocations; // counted
} as_fake_gpu;

extern as_fake_gpu as_fake;

// Allocations, streams, graphs and modules that were not given back.
size_t as_fake_left(void);

#endif
