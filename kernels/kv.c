// SPDX-License-Identifier: Apache-2.0
// kv.c - keys and values into their slots. One code for all tables: it is little work.
#include "kernels/kv.h"

#include <float.h>

#include "kernels/scalar.h"

#define HALF_LARGEST 65504.0f

size_t as_kv_size(as_kv kv, size_t width) {
    if (kv == AS_KV_Q8_0)
        return kv_value_scales_at(width) +
               kv_aligned(kv_blocks(width) * AS_PANEL * sizeof(uint16_t));
    return kv_values_at(kv, width) + kv_aligned(AS_PANEL * kv_room(width) * kv_unit(kv));
}

static float within(float x, float largest) {
    if (x > largest) return largest;
    return x >= -largest ? x : -largest; // NaN too
}

// A block of at most 32 values; the code of value i goes to codes[i * stride].
static uint16_t put_block(const float *x, size_t n, unsigned char *codes, size_t stride) {
    float block[AS_QBLOCK] = {0};
    unsigned char out[2 + AS_QBLOCK];
    uint16_t d;
    for (size_t i = 0; i < n; i++) block[i] = within(x[i], HALF_LARGEST * 127.0f);
    as_wtype_encode(AS_W_Q8_0, block, AS_QBLOCK, out);
    for (size_t i = 0; i < n; i++) codes[i * stride] = out[2 + i];
    memcpy(&d, out, sizeof d);
    return d;
}

static void put_q8_0(size_t width, unsigned char *head, size_t slot, const float *key,
                     const float *value) {
    size_t blocks = kv_blocks(width);
    unsigned char *keys = head + slot;
    unsigned char *values = head + kv_values_at(AS_KV_Q8_0, width) + slot * kv_room(width);
    uint16_t *key_scales = (uint16_t *)(void *)(head + kv_key_scales_at(width));
    uint16_t *value_scales = (uint16_t *)(void *)(head + kv_value_scales_at(width));
    for (size_t b = 0; b < blocks; b++) {
        size_t from = b * AS_QBLOCK, n = width - from < AS_QBLOCK ? width - from : AS_QBLOCK;
        key_scales[b * AS_PANEL + slot] =
            put_block(key + from, n, keys + from * AS_PANEL, AS_PANEL);
        value_scales[slot * blocks + b] = put_block(value + from, n, values + from, 1);
    }
}

void as_kv_put(as_kv kv, size_t width, void *head, size_t slot, const float *key,
               const float *value) {
    unsigned char *values = (unsigned char *)head + kv_values_at(kv, width);
    size_t at = slot * kv_room(width);
    if (kv == AS_KV_F32) {
        for (size_t i = 0; i < width; i++) {
            ((float *)head)[i * AS_PANEL + slot] = key[i];
            ((float *)(void *)values)[at + i] = within(value[i], FLT_MAX);
        }
    } else if (kv == AS_KV_F16) {
        for (size_t i = 0; i < width; i++) {
            float x = within(value[i], HALF_LARGEST);
            ((uint16_t *)head)[i * AS_PANEL + slot] = as_float_to_half(key[i]);
            ((uint16_t *)(void *)values)[at + i] = as_float_to_half(x);
        }
    } else {
        put_q8_0(width, head, slot, key, value);
    }
}
