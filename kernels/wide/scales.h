// SPDX-License-Identifier: Apache-2.0
// scales.h - the scales of 16 rows of quantized weights. Included after v16 and its operations.
#ifndef AS_SCALES_H
#define AS_SCALES_H

#include "kernels/blocks.h"

// The scales and minima of the groups of 32 weights, from d and m of their block (bits as halves
// widened) and what stands at `groups`.
INLINE void group_scales(as_wtype type, v16 d, v16 min, const uint8_t *groups, v16 s[2], v16 m[2]) {
    const wfacts facts = wfacts_of(type);
    UNROLL
    for (size_t g = 0; g < AS_QBLOCK / facts.group; g++, groups += group_size(facts)) {
        s[g] = d;
        m[g] = min;
        if (facts.block != SUPER) continue;
        if (facts.eighths) {
            s[g] = v_mul(v_mul(d, v_set1(0.125f)), v_load_u8(groups));
            continue;
        }
        if (facts.mins && facts.group == 16) {
            s[g] = v_mul(d, v_load_low(groups));
            m[g] = v_mul(min, v_load_high(groups));
        } else {
            s[g] = v_mul(d, facts.mins ? v_load_u8(groups) : v_load_i8(groups));
            if (facts.mins) m[g] = v_mul(min, v_load_u8(groups + AS_PANEL));
        }
        m[g] = v_sub(v_set1(-0.0f), m[g]);
    }
}

#endif
