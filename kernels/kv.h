// SPDX-License-Identifier: Apache-2.0
// kv.h - the layout of a head of keys and values: private to kernels/.
//
// room is width up to a whole panel, blocks is width / 32 rounded up. Keys lie as the rows of a
// panel do, so that 16 scores are one register; values position after position.
//
//   F32, F16   keys[width][16], then values[16][room]
//   Q8_0       key codes int8[width][16], value codes int8[16][room],
//              key scales half[blocks][16], value scales half[16][blocks]
//
// Every part begins at a multiple of 64 bytes.
#ifndef AS_KERNELS_KV_H
#define AS_KERNELS_KV_H

#include "kernels/kernels.h"

enum { KV_ALIGNMENT = 64 };

static inline size_t kv_aligned(size_t size) {
    return (size + KV_ALIGNMENT - 1) / KV_ALIGNMENT * KV_ALIGNMENT;
}

static inline size_t kv_room(size_t width) {
    return (width + AS_PANEL - 1) / AS_PANEL * AS_PANEL;
}

static inline size_t kv_blocks(size_t width) {
    return (width + AS_QBLOCK - 1) / AS_QBLOCK;
}

// Bytes of a value or of its code.
static inline size_t kv_unit(as_kv kv) {
    return kv == AS_KV_F32 ? sizeof(float) : kv == AS_KV_F16 ? sizeof(uint16_t) : 1;
}

static inline size_t kv_values_at(as_kv kv, size_t width) {
    return kv_aligned(width * AS_PANEL * kv_unit(kv));
}

static inline size_t kv_key_scales_at(size_t width) {
    return kv_values_at(AS_KV_Q8_0, width) + kv_aligned(AS_PANEL * kv_room(width));
}

static inline size_t kv_value_scales_at(size_t width) {
    return kv_key_scales_at(width) + kv_aligned(kv_blocks(width) * AS_PANEL * sizeof(uint16_t));
}

#endif
