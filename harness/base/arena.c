// SPDX-License-Identifier: Apache-2.0
#include "harness/base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE_MIN = 16 * 1024, BLOCK_SIZE_MAX = 1024 * 1024 };

struct as_arena_block {
    as_arena_block *next;
    size_t size, used;
    alignas(max_align_t) unsigned char bytes[];
};

static void out_of_memory(size_t size) {
    fprintf(stderr, "assay: out of memory (%zu bytes asked for)\n", size);
    exit(3);
}

void *as_mem_new(size_t size) {
    void *p = calloc(1, size ? size : 1);
    if (!p) out_of_memory(size);
    return p;
}

void *as_mem_grow(void *old, size_t new_size) {
    void *p = realloc(old, new_size ? new_size : 1);
    if (!p) out_of_memory(new_size);
    return p;
}

size_t as_size_mul(size_t a, size_t b) {
    if (b && a > SIZE_MAX / b) out_of_memory(SIZE_MAX);
    return a * b;
}

static as_arena_block *block_new(size_t size, as_arena_block *next) {
    if (size > SIZE_MAX - sizeof(as_arena_block)) out_of_memory(size);
    as_arena_block *block = malloc(sizeof *block + size);
    if (!block) out_of_memory(size);
    block->next = next;
    block->size = size;
    block->used = 0;
    return block;
}

void *as_arena_take(as_arena *arena, size_t size) {
    const size_t align = alignof(max_align_t);
    if (size > SIZE_MAX - align) out_of_memory(size);
    size = (size + align - 1) & ~(align - 1);
    as_arena_block *block = arena->head;
    if (!block || block->size - block->used < size) {
        size_t want = block ? block->size * 2 : BLOCK_SIZE_MIN;
        if (want > BLOCK_SIZE_MAX) want = BLOCK_SIZE_MAX;
        if (want < size) want = size;
        block = arena->head = block_new(want, arena->head);
    }
    void *p = block->bytes + block->used;
    block->used += size;
    memset(p, 0, size);
    return p;
}

void as_arena_reset(as_arena *arena) {
    as_arena_block *keep = arena->head;
    if (!keep) return;
    for (as_arena_block *b = keep->next; b;) {
        as_arena_block *next = b->next;
        free(b);
        b = next;
    }
    keep->next = NULL;
    keep->used = 0;
    if (keep->size > BLOCK_SIZE_MAX) as_arena_free(arena);
}

void as_arena_free(as_arena *arena) {
    for (as_arena_block *b = arena->head; b;) {
        as_arena_block *next = b->next;
        free(b);
        b = next;
    }
    arena->head = NULL;
}

size_t as_arena_held(const as_arena *arena) {
    size_t held = 0;
    for (const as_arena_block *b = arena->head; b; b = b->next) held += sizeof *b + b->size;
    return held;
}
