// SPDX-License-Identifier: Apache-2.0
// rng.h - random numbers by counter: a value depends on (seed, stream, index) alone, so results are
// the same on any machine and in any order of work. splitmix64 finalizer over the mixed key.
#ifndef AS_RNG_H
#define AS_RNG_H

#include <stdint.h>

typedef struct as_rng {
    uint64_t key, index;
} as_rng;

as_rng as_rng_of(uint64_t seed, uint64_t stream);
uint64_t as_rng_u64(as_rng *rng);
double as_rng_unit(as_rng *rng);                    // [0, 1), 53 bits
uint64_t as_rng_below(as_rng *rng, uint64_t bound); // [0, bound), without bias; bound > 0

// Two words that the system draws once for this process: what is hashed with them, no file can be
// written to make collide. The second is odd. Never for anything that shows. Any thread.
const uint64_t *as_rng_secret(void);

#endif
