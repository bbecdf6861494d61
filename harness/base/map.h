// SPDX-License-Identifier: Apache-2.0
// map.h - a hash table from strings to 64-bit numbers. Keys are views: the caller keeps their bytes
// alive. A zeroed as_map is empty and ready; as_map_free gives its memory back.
#ifndef AS_MAP_H
#define AS_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/base/str.h"

typedef struct as_map_slot {
    as_str key;           // ptr NULL: empty slot
    uint64_t value, hash; // hash of the key, so that few keys have to be looked at
} as_map_slot;

typedef struct as_map {
    as_map_slot *slots;
    size_t count, capacity; // capacity is 0 or a power of two
} as_map;

// Adds key with `value` if it is new. Returns true if it was new; else *existing (if not NULL) is
// the value already there.
bool as_map_add(as_map *map, as_str key, uint64_t value, uint64_t *existing);

// True and *value if the key is there.
bool as_map_get(const as_map *map, as_str key, uint64_t *value);

void as_map_free(as_map *map);

#endif
