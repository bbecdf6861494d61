// SPDX-License-Identifier: Apache-2.0
#include "harness/base/keyset.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "harness/base/clock.h"

// A filter has a line of 512 bits for every LINE_KEYS keys and sets BITS of them for a key: about
// one key in a thousand that is not there looks as if it were.
enum { TABLE_MIN = 64, LINE_WORDS = 8, LINE_KEYS = 32, BITS = 8, FENCE_EVERY = 64 };

// Keys of a run: what half the budget of spills would hold, in bounds.
enum { RUN_MIN = 256, RUN_MAX = 65536 };

static uint64_t turn(uint64_t x, unsigned by) {
    return x << by | x >> (64 - by);
}

static void round_of(uint64_t v[4]) {
    v[0] += v[1], v[1] = turn(v[1], 13) ^ v[0], v[0] = turn(v[0], 32);
    v[2] += v[3], v[3] = turn(v[3], 16) ^ v[2];
    v[0] += v[3], v[3] = turn(v[3], 21) ^ v[0];
    v[2] += v[1], v[1] = turn(v[1], 17) ^ v[2], v[2] = turn(v[2], 32);
}

static void rounds(uint64_t v[4], int count) {
    while (count--) round_of(v);
}

static uint64_t word_at(const unsigned char *bytes, size_t size) {
    uint64_t out = 0;
    for (size_t i = 0; i < size; i++) out |= (uint64_t)bytes[i] << (8 * i);
    return out;
}

static void absorb(uint64_t v[4], uint64_t word) {
    v[3] ^= word;
    rounds(v, 2);
    v[0] ^= word;
}

void as_keyset_hash(const uint64_t secret[2], const void *bytes, size_t size, uint64_t out[2]) {
    uint64_t v[4] = {secret[0] ^ 0x736f6d6570736575u, secret[1] ^ 0x646f72616e646f6du ^ 0xee,
                     secret[0] ^ 0x6c7967656e657261u, secret[1] ^ 0x7465646279746573u};
    const unsigned char *at = bytes;
    size_t left = size;
    for (; left >= 8; at += 8, left -= 8) absorb(v, word_at(at, 8));
    absorb(v, word_at(at, left) | (uint64_t)size << 56);
    v[2] ^= 0xee;
    rounds(v, 4);
    out[0] = v[0] ^ v[1] ^ v[2] ^ v[3];
    v[1] ^= 0xdd;
    rounds(v, 4);
    out[1] = v[0] ^ v[1] ^ v[2] ^ v[3];
}

static const uint64_t *secret(void) {
    static uint64_t words[2];
    static atomic_int state; // 0: not drawn, 1: being drawn, 2: there
    int none = 0;
    if (atomic_load(&state) == 2) return words;
    if (atomic_compare_exchange_strong(&state, &none, 1)) {
        if (getrandom(words, sizeof words, 0) != sizeof words) words[0] = as_clock_ns();
        atomic_store(&state, 2);
    }
    while (atomic_load(&state) != 2) {
    }
    return words;
}

static as_keyset_entry entry_of(as_str key, uint64_t number, uint64_t value) {
    as_keyset_entry out = {.value = value};
    as_keyset_hash(secret(), key.ptr, key.len, out.hash);
    if (number) { // a key by itself is the commonest
        const uint64_t words[] = {out.hash[0], out.hash[1], number};
        as_keyset_hash(secret(), words, sizeof words, out.hash);
    }
    if (!out.hash[0] && !out.hash[1]) out.hash[0] = 1; // marks what is empty
    return out;
}

static bool same(const as_keyset_entry *a, const as_keyset_entry *b) {
    return a->hash[0] == b->hash[0] && a->hash[1] == b->hash[1];
}

// The slot that holds the entry, or the empty one where it would go.
static as_keyset_entry *slot_of(const as_keyset *set, const as_keyset_entry *e) {
    size_t at = e->hash[1] & (set->capacity - 1);
    while ((set->table[at].hash[0] || set->table[at].hash[1]) && !same(&set->table[at], e))
        at = (at + 1) & (set->capacity - 1);
    return &set->table[at];
}

static size_t line_count(const as_keyset *set) {
    return set->run_size / LINE_KEYS;
}

static uint64_t *line_of(const as_keyset *set, uint64_t *filter, const as_keyset_entry *e) {
    return filter + LINE_WORDS * (((e->hash[1] >> 32) * line_count(set)) >> 32);
}

// BITS places of the line from nine bits of the hash each.
static void set_bits(uint64_t *line, const as_keyset_entry *e) {
    uint64_t bits = e->hash[0] * 0x9e3779b97f4a7c15u ^ e->hash[1];
    for (int i = 0; i < BITS; i++, bits = turn(bits, 23))
        line[bits & 7] |= (uint64_t)1 << (bits >> 3 & 63);
}

static bool has_bits(const uint64_t *line, const as_keyset_entry *e) {
    uint64_t bits = e->hash[0] * 0x9e3779b97f4a7c15u ^ e->hash[1];
    bool all = true;
    for (int i = 0; i < BITS; i++, bits = turn(bits, 23))
        all &= line[bits & 7] >> (bits >> 3 & 63) & 1;
    return all;
}

static int order(const void *a, const void *b) {
    const as_keyset_entry *x = a, *y = b;
    if (x->hash[0] != y->hash[0]) return x->hash[0] < y->hash[0] ? -1 : 1;
    return (x->hash[1] > y->hash[1]) - (x->hash[1] < y->hash[1]);
}

static bool in_run(const as_keyset *set, const as_keyset_run *run, as_keyset_entry *e) {
    if (!has_bits(line_of(set, run->filter, e), e)) return false;
    size_t lo = 0, hi = set->run_size / FENCE_EVERY; // fences below lo are at most the hash
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (run->fences[mid] < e->hash[0])
            lo = mid + 1;
        else
            hi = mid;
    }
    as_keyset_entry found[FENCE_EVERY];
    // Equal first words may begin in the part before and go on in the next.
    for (size_t part = lo ? lo - 1 : 0; part < set->run_size / FENCE_EVERY; part++) {
        if (run->fences[part] > e->hash[0]) break;
        as_spill_read(&run->entries, part * sizeof found, found, sizeof found);
        for (size_t i = 0; i < FENCE_EVERY; i++) {
            if (!same(&found[i], e)) continue;
            e->value = found[i].value;
            return true;
        }
    }
    return false;
}

// The table is full: it becomes a run.
static void spill(as_keyset *set) {
    if (set->run_count == set->run_capacity) {
        set->run_capacity = set->run_capacity ? 2 * set->run_capacity : 4;
        set->runs = as_mem_grow(set->runs, as_size_mul(set->run_capacity, sizeof *set->runs));
    }
    as_keyset_run *run = &set->runs[set->run_count++];
    *run = (as_keyset_run){
        .filter = as_mem_new(as_size_mul(line_count(set) * LINE_WORDS, sizeof(uint64_t))),
        .fences = as_mem_new(as_size_mul(set->run_size / FENCE_EVERY, sizeof(uint64_t)))};
    size_t n = 0;
    for (size_t i = 0; i < set->capacity; i++)
        if (set->table[i].hash[0] || set->table[i].hash[1]) set->table[n++] = set->table[i];
    qsort(set->table, n, sizeof *set->table, order);
    for (size_t i = 0; i < n; i++) {
        if (i % FENCE_EVERY == 0) run->fences[i / FENCE_EVERY] = set->table[i].hash[0];
        set_bits(line_of(set, run->filter, &set->table[i]), &set->table[i]);
    }
    as_spill_add(&run->entries, set->table, n * sizeof *set->table);
    memset(set->table, 0, set->capacity * sizeof *set->table);
    set->table_count = 0;
}

static void grow(as_keyset *set) {
    as_keyset_entry *old = set->table;
    size_t old_capacity = set->capacity;
    set->capacity = old_capacity ? 2 * old_capacity : TABLE_MIN;
    set->table = as_mem_new(as_size_mul(set->capacity, sizeof *set->table));
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].hash[0] || old[i].hash[1]) *slot_of(set, &old[i]) = old[i];
    free(old);
}

static size_t run_size(void) {
    size_t size = RUN_MIN, room = as_spill_room() / 2 / sizeof(as_keyset_entry);
    while (size < RUN_MAX && 2 * size <= room) size *= 2;
    return size;
}

static bool find(const as_keyset *set, as_keyset_entry *e) {
    if (set->capacity) {
        const as_keyset_entry *slot = slot_of(set, e);
        if (same(slot, e)) {
            e->value = slot->value;
            return true;
        }
    }
    for (size_t i = 0; i < set->run_count; i++)
        if (in_run(set, &set->runs[i], e)) return true;
    return false;
}

bool as_keyset_add(as_keyset *set, as_str key, uint64_t number, uint64_t value,
                   uint64_t *existing) {
    as_keyset_entry e = entry_of(key, number, value);
    if (find(set, &e)) {
        if (existing) *existing = e.value;
        return false;
    }
    if (!set->run_size) set->run_size = run_size();
    if (set->table_count == set->run_size) spill(set);
    if (4 * (set->table_count + 1) > 3 * set->capacity) grow(set);
    *slot_of(set, &e) = e;
    set->table_count++;
    set->count++;
    return true;
}

bool as_keyset_has(const as_keyset *set, as_str key, uint64_t number) {
    if (!set->count) return false;
    as_keyset_entry e = entry_of(key, number, 0);
    return find(set, &e);
}

void as_keyset_free(as_keyset *set) {
    for (size_t i = 0; i < set->run_count; i++) {
        as_spill_free(&set->runs[i].entries);
        free(set->runs[i].filter);
        free(set->runs[i].fences);
    }
    free(set->runs);
    free(set->table);
    *set = (as_keyset){0};
}
