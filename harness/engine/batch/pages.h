// SPDX-License-Identifier: Apache-2.0
// pages.h - which pages of a device are in use, and by how many: numbers alone, no memory of keys
// and values. One thread at a time.
#ifndef AS_PAGES_H
#define AS_PAGES_H

#include "harness/base/arena.h"
#include "harness/engine/backend.h"

typedef struct as_pages {
    size_t count, idle_count;
    uint32_t *users; // [count]
    uint32_t *idle;  // [idle_count] the one used last is taken next: its memory is there already
} as_pages;

as_pages as_pages_new(size_t count);
void as_pages_free(as_pages *pages); // also zeroed ones

// A page with one user. There is one: idle_count > 0.
uint32_t as_pages_take(as_pages *pages);
void as_pages_hold(as_pages *pages, uint32_t page); // one user more
void as_pages_drop(as_pages *pages, uint32_t page); // one less; without any it is idle

#endif
