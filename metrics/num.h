// SPDX-License-Identifier: Apache-2.0
// num.h - sums that do not lose small terms, and exp and log with the same bits on every machine.
//
// Scores of single cases may use these and the four operations only: a libm may round its last bit
// differently from one CPU to the next, and equal runs must have equal scores.
#ifndef AS_NUM_H
#define AS_NUM_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

// Compensated sum (Neumaier 1974). A zeroed one is empty.
typedef struct as_num_sum {
    double sum, rest;
} as_num_sum;

static inline void as_num_add(as_num_sum *sum, double term) {
    double total = sum->sum + term;
    if (fabs(sum->sum) >= fabs(term))
        sum->rest += (sum->sum - total) + term;
    else
        sum->rest += (term - total) + sum->sum;
    sum->sum = total;
}

static inline double as_num_total(const as_num_sum *sum) {
    return sum->sum + sum->rest;
}

double as_num_exp(double x); // relative error below 4e-16
double as_num_log(double x); // -inf at 0, NaN below

void as_num_sort(double *values, size_t count); // ascending; no NaN

#endif
