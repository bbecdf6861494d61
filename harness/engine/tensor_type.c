// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/tensor_type.h"

static const uint32_t numbers[AS_WTYPES] = {
    [AS_W_F32] = 0,   [AS_W_F16] = 1,     [AS_W_BF16] = 30,   [AS_W_Q8_0] = 8,
    [AS_W_Q4_0] = 2,  [AS_W_Q4_1] = 3,    [AS_W_Q5_0] = 6,    [AS_W_Q5_1] = 7,
    [AS_W_Q2_K] = 10, [AS_W_Q3_K] = 11,   [AS_W_Q4_K] = 12,   [AS_W_Q5_K] = 13,
    [AS_W_Q6_K] = 14, [AS_W_IQ4_NL] = 20, [AS_W_IQ4_XS] = 23, [AS_W_MXFP4] = 39,
};

bool as_tensor_wtype(uint32_t type, as_wtype *out) {
    for (size_t i = 0; i < AS_WTYPES; i++) {
        if (numbers[i] != type) continue;
        *out = (as_wtype)i;
        return true;
    }
    return false;
}

uint32_t as_tensor_type_of(as_wtype type) {
    return numbers[type];
}

const char *as_tensor_wtype_names(void) {
    return "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, "
           "IQ4_XS and MXFP4";
}
