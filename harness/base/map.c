// SPDX-License-Identifier: Apache-2.0
#include "harness/base/map.h"

#include <stdlib.h>

// The slot that holds `key`, or the empty one where it would go.
static as_map_slot *find(as_map_slot *slots, size_t capacity, as_str key, uint64_t hash) {
    size_t at = hash & (capacity - 1);
    while (slots[at].key.ptr && (slots[at].hash != hash || !as_str_eq(slots[at].key, key)))
        at = (at + 1) & (capacity - 1);
    return &slots[at];
}

// The empty slot for a key that is not there.
static as_map_slot *find_empty(as_map_slot *slots, size_t capacity, uint64_t hash) {
    size_t at = hash & (capacity - 1);
    while (slots[at].key.ptr) at = (at + 1) & (capacity - 1);
    return &slots[at];
}

static void grow(as_map *map) {
    size_t capacity = map->capacity ? map->capacity * 2 : 64;
    as_map_slot *slots = as_mem_new(as_size_mul(capacity, sizeof *slots));
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].key.ptr) *find_empty(slots, capacity, map->slots[i].hash) = map->slots[i];
    free(map->slots);
    map->slots = slots;
    map->capacity = capacity;
}

bool as_map_add(as_map *map, as_str key, uint64_t value, uint64_t *existing) {
    if (4 * (map->count + 1) > 3 * map->capacity) grow(map);
    if (!key.ptr) key.ptr = "";
    uint64_t hash = as_str_table_hash(key);
    as_map_slot *slot = find(map->slots, map->capacity, key, hash);
    if (slot->key.ptr) {
        if (existing) *existing = slot->value;
        return false;
    }
    *slot = (as_map_slot){key, value, hash};
    map->count++;
    return true;
}

bool as_map_get(const as_map *map, as_str key, uint64_t *value) {
    if (!map->count) return false;
    const as_map_slot *slot = find(map->slots, map->capacity, key, as_str_table_hash(key));
    if (!slot->key.ptr) return false;
    *value = slot->value;
    return true;
}

void as_map_free(as_map *map) {
    free(map->slots);
    *map = (as_map){0};
}
