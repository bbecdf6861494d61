// SPDX-License-Identifier: Apache-2.0
#include "harness/base/rng.h"

#include <stdatomic.h>
#include <sys/random.h>

#include "harness/base/clock.h"

// The finalizer of splitmix64 (Steele, Lea, Flood 2014): a bijection that mixes all bits.
static uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

as_rng as_rng_of(uint64_t seed, uint64_t stream) {
    return (as_rng){.key =
                        mix(mix(seed + 0x9e3779b97f4a7c15u) ^ mix(stream + 0xd1b54a32d192ed03u))};
}

uint64_t as_rng_u64(as_rng *rng) {
    return mix(rng->key + ++rng->index * 0x9e3779b97f4a7c15u);
}

double as_rng_unit(as_rng *rng) {
    return (double)(as_rng_u64(rng) >> 11) * 0x1p-53;
}

uint64_t as_rng_below(as_rng *rng, uint64_t bound) {
    // Values below 2^64 mod bound would come up once too often: draw again.
    uint64_t skip = (0 - bound) % bound, value;
    do value = as_rng_u64(rng);
    while (value < skip);
    return value % bound;
}

const uint64_t *as_rng_secret(void) {
    static uint64_t words[2];
    static atomic_int state; // 0: not drawn, 1: being drawn, 2: there
    int none = 0;
    if (atomic_load(&state) == 2) return words;
    if (atomic_compare_exchange_strong(&state, &none, 1)) {
        if (getrandom(words, sizeof words, 0) != sizeof words) words[0] = as_clock_ns();
        words[1] |= 1;
        atomic_store(&state, 2);
    }
    while (atomic_load(&state) != 2) {
    }
    return words;
}
