// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/tensor_type.h"

#include <stdlib.h>

#include "kernels/coded.h"

static const uint32_t numbers[AS_WTYPES] = {
    [AS_W_F32] = 0,   [AS_W_F16] = 1,     [AS_W_BF16] = 30,   [AS_W_Q8_0] = 8,
    [AS_W_Q4_0] = 2,  [AS_W_Q4_1] = 3,    [AS_W_Q5_0] = 6,    [AS_W_Q5_1] = 7,
    [AS_W_Q2_K] = 10, [AS_W_Q3_K] = 11,   [AS_W_Q4_K] = 12,   [AS_W_Q5_K] = 13,
    [AS_W_Q6_K] = 14, [AS_W_IQ4_NL] = 20, [AS_W_IQ4_XS] = 23, [AS_W_MXFP4] = 39,
};

static const uint32_t coded_numbers[AS_CODED_TYPES] = {
    [AS_CODED_IQ1_S] = 19, [AS_CODED_IQ1_M] = 29,   [AS_CODED_IQ2_XXS] = 16, [AS_CODED_IQ2_XS] = 17,
    [AS_CODED_IQ2_S] = 22, [AS_CODED_IQ3_XXS] = 18, [AS_CODED_IQ3_S] = 21,   [AS_CODED_TQ1_0] = 34,
    [AS_CODED_TQ2_0] = 35, [AS_CODED_NVFP4] = 40,
};

static bool find(const uint32_t *all, size_t count, uint32_t type, size_t *out) {
    for (*out = 0; *out < count; (*out)++)
        if (all[*out] == type) return true;
    return false;
}

bool as_tensor_wtype(uint32_t type, as_wtype *out) {
    size_t at;
    if (find(numbers, AS_WTYPES, type, &at)) {
        *out = (as_wtype)at;
        return true;
    }
    if (!find(coded_numbers, AS_CODED_TYPES, type, &at)) return false;
    *out = as_coded_held((as_coded)at);
    return true;
}

unsigned as_tensor_coded(uint32_t type) {
    size_t at;
    return find(coded_numbers, AS_CODED_TYPES, type, &at) ? 1 + (unsigned)at : 0;
}

uint32_t as_tensor_type_of(as_wtype type) {
    return numbers[type];
}

void as_tensor_decode(uint32_t type, const void *src, size_t n, float *x) {
    size_t at;
    if (find(numbers, AS_WTYPES, type, &at))
        as_wtype_decode((as_wtype)at, src, n, x);
    else if (find(coded_numbers, AS_CODED_TYPES, type, &at))
        as_coded_decode((as_coded)at, src, n, x);
    else
        abort(); // the caller has asked as_tensor_wtype
}

void as_tensor_recode(uint32_t type, const void *src, size_t n, void *out) {
    size_t at;
    if (!find(coded_numbers, AS_CODED_TYPES, type, &at)) abort();
    as_coded_recode((as_coded)at, src, n, out);
}

const char *as_tensor_wtype_names(void) {
    return "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, "
           "IQ4_XS, MXFP4, and IQ1_S to IQ3_S, TQ1_0, TQ2_0 and NVFP4, which are decoded";
}
