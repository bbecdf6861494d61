// SPDX-License-Identifier: Apache-2.0
// put_run.h - put_run of expand.h in plain C.
#ifndef AS_PUT_RUN_H
#define AS_PUT_RUN_H

#include "kernels/blocks.h"
#include "kernels/wide/inline.h"

// Byte i is all ones where bit i is set.
INLINE uint64_t spread_signs(unsigned signs) {
    uint64_t bits = (signs * 0x0101010101010101u & 0x8040201008040201u) + 0x7f7f7f7f7f7f7f7fu;
    return (bits >> 7 & 0x0101010101010101u) * 0xff;
}

INLINE uint64_t negate_bytes(uint64_t all, uint64_t mask) { // which are not zero: nothing carries
    return (all ^ mask) + (mask & 0x0101010101010101u);
}

INLINE void put_run(const uint64_t entries[AS_PANEL], const uint8_t signs[AS_PANEL], bool shift,
                    uint8_t *planes) {
    for (size_t r = 0; r < AS_PANEL; r++) {
        uint64_t all = entries[r], mask = spread_signs(signs[r]);
        if (shift)
            all -= mask & 0x0202020202020202u;
        else
            all = negate_bytes(all, mask);
        memcpy(planes + 4 * r, &all, 4);
        memcpy(planes + PLANE + 4 * r, (const char *)&all + 4, 4);
    }
}

INLINE void put_halves(uint32_t entries[2][AS_PANEL], const uint8_t signs[AS_PANEL],
                       uint8_t *planes) {
    for (size_t r = 0; r < AS_PANEL; r++) {
        uint64_t mask = spread_signs(signs[r]);
        uint32_t lower = (uint32_t)negate_bytes(entries[0][r], mask & 0xffffffffu);
        uint32_t upper = (uint32_t)negate_bytes(entries[1][r], mask >> 32);
        memcpy(planes + 4 * r, &lower, 4);
        memcpy(planes + PLANE + 4 * r, &upper, 4);
    }
}

#endif
