// SPDX-License-Identifier: Apache-2.0
// arena.h - memory by lifetime: a run, a sample, a page.
//
// Everything taken from an arena lives until as_arena_reset or as_arena_free; nothing is freed on
// its own. Running out of memory ends the process with one sentence: no caller could go on.
// One thread at a time.
#ifndef AS_ARENA_H
#define AS_ARENA_H

#include <stddef.h>

typedef struct as_arena_block as_arena_block;

typedef struct as_arena {
    as_arena_block *head; // newest block; NULL while empty. A zeroed as_arena is ready for use.
} as_arena;

// `size` zeroed bytes, aligned for any type. Never NULL.
void *as_arena_take(as_arena *arena, size_t size);

#define AS_NEW(arena, type) ((type *)as_arena_take((arena), sizeof(type)))
#define AS_NEW_ARRAY(arena, type, count)                                                           \
    ((type *)as_arena_take((arena), as_size_mul(sizeof(type), (count))))

// Drops all that was taken but keeps one block for reuse.
void as_arena_reset(as_arena *arena);

void as_arena_free(as_arena *arena);

// Bytes held from the system.
size_t as_arena_held(const as_arena *arena);

// a * b; ends the process when it does not fit (a size no memory could hold).
size_t as_size_mul(size_t a, size_t b);

// malloc, calloc-like growth for the few things that outlive or outgrow arenas: never NULL.
void *as_mem_new(size_t size);                 // zeroed
void *as_mem_grow(void *old, size_t new_size); // realloc

#endif
