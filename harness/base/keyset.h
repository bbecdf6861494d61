// SPDX-License-Identifier: Apache-2.0
// keyset.h - which keys were there already, with a number each, in little memory however many they
// are: for ids, of which a run may have millions. A key is known by 128 bits of a hash under a
// secret of the process (SipHash-2-4, Aumasson & Bernstein 2012), so that nobody can write two keys
// that are taken for one; hashes beyond a table are spilled in sorted runs behind Bloom filters.
// A zeroed one is empty. One thread at a time.
#ifndef AS_KEYSET_H
#define AS_KEYSET_H

#include "harness/base/spill.h"
#include "harness/base/str.h"

typedef struct as_keyset_entry {
    uint64_t hash[2], value;
} as_keyset_entry;

typedef struct as_keyset_run {
    as_spill entries;          // in the order of their hashes
    uint64_t *filter, *fences; // fences: first word of every so many'th hash
} as_keyset_run;

typedef struct as_keyset {
    as_keyset_entry *table; // [capacity], open addressing; all zero: empty
    size_t table_count, capacity;
    as_keyset_run *runs;
    size_t run_count, run_capacity, run_size; // run_size: entries of each
    uint64_t count;
} as_keyset;

// Adds (key, number) with `value` if it is new. Returns true if it was; else *existing (if not
// NULL) is the value already there.
bool as_keyset_add(as_keyset *set, as_str key, uint64_t number, uint64_t value, uint64_t *existing);
bool as_keyset_has(const as_keyset *set, as_str key, uint64_t number);
// The same, and its value; several threads may ask while nobody adds.
bool as_keyset_get(const as_keyset *set, as_str key, uint64_t number, uint64_t *value);
void as_keyset_free(as_keyset *set);

// SipHash-2-4 with 128 bits out, as the paper's reference code has it.
void as_keyset_hash(const uint64_t secret[2], const void *bytes, size_t size, uint64_t out[2]);

#endif
