// SPDX-License-Identifier: Apache-2.0
// prices.h - a price book: what tokens cost, by model, in a file that has a version.
//
//   version: 2026-11-01
//   currency: USD
//   per: 1000000                     # tokens that the prices are for
//   models:
//     gpt-4o-mini: {input: 0.15, output: 0.60}
//     "llama-3*":  {input: 0.10, output: 0.10}     # the longest name that fits counts
//
// Prices are decimal fractions of up to nine places and are never rounded: the cost of an answer is
// computed in whole billionths and becomes a floating-point number once, at the end.
#ifndef AS_PRICES_H
#define AS_PRICES_H

#include "harness/base/str.h"

typedef struct as_price {
    as_str model;           // may end in '*'
    uint64_t input, output; // billionths of the currency for `per` tokens
} as_price;

typedef struct as_prices {
    as_str version, currency;
    uint64_t per;
    const as_price *models;
    size_t count;
} as_prices;

// Memory from `arena`. AS_INVALID names file, line and column.
as_rc as_prices_read(as_arena *arena, const char *path, as_prices *out, as_err *err) AS_MUST_USE;

// NULL when the book has none for the model.
const as_price *as_prices_find(const as_prices *prices, as_str model);

double as_prices_cost(const as_prices *prices, const as_price *price, uint64_t tokens_in,
                      uint64_t tokens_out);

#endif
