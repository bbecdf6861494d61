// SPDX-License-Identifier: Apache-2.0
#include "harness/base/keyset.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"

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

static uint64_t whole_word_at(const unsigned char *b) { // compilers make a load of it
    return (uint64_t)b[0] | (uint64_t)b[1] << 8 | (uint64_t)b[2] << 16 | (uint64_t)b[3] << 24 |
           (uint64_t)b[4] << 32 | (uint64_t)b[5] << 40 | (uint64_t)b[6] << 48 |
           (uint64_t)b[7] << 56;
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
    for (; left >= 8; at += 8, left -= 8) absorb(v, whole_word_at(at));
    absorb(v, word_at(at, left) | (uint64_t)size << 56);
    v[2] ^= 0xee;
    rounds(v, 4);
    out[0] = v[0] ^ v[1] ^ v[2] ^ v[3];
    v[1] ^= 0xdd;
    rounds(v, 4);
    out[1] = v[0] ^ v[1] ^ v[2] ^ v[3];
}

static as_keyset_entry entry_of(as_str key, uint64_t number, uint64_t value) {
    as_keyset_entry out = {.value = value};
    as_keyset_hash(as_rng_secret(), key.ptr, key.len, out.hash);
    if (number) { // a key by itself is the commonest
        const uint64_t words[] = {out.hash[0], out.hash[1], number};
        as_keyset_hash(as_rng_secret(), words, sizeof words, out.hash);
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

// What a key sets in the filter of a run: BITS places of a line, from nine bits of the hash each.
typedef struct line {
    size_t at; // first word
    uint64_t bits[LINE_WORDS];
} line;

static line line_of(const as_keyset *set, const as_keyset_entry *e) {
    line out = {.at = LINE_WORDS * (((e->hash[1] >> 32) * line_count(set)) >> 32)};
    uint64_t bits = e->hash[0] * 0x9e3779b97f4a7c15u ^ e->hash[1];
    for (int i = 0; i < BITS; i++, bits = turn(bits, 23))
        out.bits[bits & 7] |= (uint64_t)1 << (bits >> 3 & 63);
    return out;
}

static bool has_bits(const uint64_t *filter, const line *l) {
    uint64_t missing = 0;
    for (size_t i = 0; i < LINE_WORDS; i++) missing |= l->bits[i] & ~filter[l->at + i];
    return !missing;
}

static bool before(const as_keyset_entry *a, const as_keyset_entry *b) {
    return a->hash[0] != b->hash[0] ? a->hash[0] < b->hash[0] : a->hash[1] < b->hash[1];
}

static bool in_run(const as_keyset *set, const as_keyset_run *run, as_keyset_entry *e) {
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

// The entries of the table in order: hashes are spread evenly, so that with as many buckets as
// entries hardly any has to move once it is in its own.
static as_keyset_entry *sorted(const as_keyset *set) {
    size_t n = set->table_count;
    as_keyset_entry *out = as_mem_new(as_size_mul(n, sizeof *out));
    uint32_t *ends = as_mem_new(as_size_mul(n, sizeof *ends)); // of the buckets
    for (size_t i = 0; i < set->capacity; i++)
        if (set->table[i].hash[0] || set->table[i].hash[1])
            ends[((set->table[i].hash[0] >> 32) * n) >> 32]++;
    for (size_t i = 1; i < n; i++) ends[i] += ends[i - 1];
    for (size_t i = 0; i < set->capacity; i++)
        if (set->table[i].hash[0] || set->table[i].hash[1])
            out[--ends[((set->table[i].hash[0] >> 32) * n) >> 32]] = set->table[i];
    free(ends);
    for (size_t i = 1; i < n; i++) {
        as_keyset_entry e = out[i];
        size_t to = i;
        for (; to && before(&e, &out[to - 1]); to--) out[to] = out[to - 1];
        out[to] = e;
    }
    return out;
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
    as_keyset_entry *entries = sorted(set);
    for (size_t i = 0; i < set->table_count; i++) {
        line l = line_of(set, &entries[i]);
        if (i % FENCE_EVERY == 0) run->fences[i / FENCE_EVERY] = entries[i].hash[0];
        for (size_t w = 0; w < LINE_WORDS; w++) run->filter[l.at + w] |= l.bits[w];
    }
    as_spill_add(&run->entries, entries, set->table_count * sizeof *entries);
    free(entries);
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

// *slot: where the entry is, or would go in the table; NULL while there is none.
static bool find(const as_keyset *set, as_keyset_entry *e, as_keyset_entry **slot) {
    *slot = set->capacity ? slot_of(set, e) : NULL;
    if (*slot && same(*slot, e)) {
        e->value = (*slot)->value;
        return true;
    }
    if (!set->run_count) return false;
    line l = line_of(set, e);
    for (size_t i = 0; i < set->run_count; i++)
        if (has_bits(set->runs[i].filter, &l) && in_run(set, &set->runs[i], e)) return true;
    return false;
}

bool as_keyset_add(as_keyset *set, as_str key, uint64_t number, uint64_t value,
                   uint64_t *existing) {
    as_keyset_entry e = entry_of(key, number, value), *slot;
    if (find(set, &e, &slot)) {
        if (existing) *existing = e.value;
        return false;
    }
    if (!set->run_size) set->run_size = run_size();
    if (set->table_count == set->run_size) {
        spill(set);
        slot = slot_of(set, &e);
    }
    if (4 * (set->table_count + 1) > 3 * set->capacity) {
        grow(set);
        slot = slot_of(set, &e);
    }
    *slot = e;
    set->table_count++;
    set->count++;
    return true;
}

bool as_keyset_get(const as_keyset *set, as_str key, uint64_t number, uint64_t *value) {
    if (!set->count) return false;
    as_keyset_entry e = entry_of(key, number, 0), *slot;
    bool found = find(set, &e, &slot);
    if (found) *value = e.value;
    return found;
}

bool as_keyset_has(const as_keyset *set, as_str key, uint64_t number) {
    uint64_t unused;
    return as_keyset_get(set, key, number, &unused);
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
