// SPDX-License-Identifier: Apache-2.0
#include "harness/base/pieces/merge.h"

#include <stdlib.h>

void as_merger_add(as_merger *merger, uint32_t len, uint32_t id) {
    if (merger->symbol_count == merger->symbol_capacity) {
        merger->symbol_capacity = merger->symbol_capacity ? 2 * merger->symbol_capacity : 64;
        merger->symbols = as_mem_grow(
            merger->symbols, as_size_mul(merger->symbol_capacity, sizeof *merger->symbols));
    }
    size_t at = merger->symbol_count++;
    as_symbol *symbol = &merger->symbols[at];
    *symbol = (as_symbol){.len = len, .id = id, .prev = AS_SYMBOL_NONE, .next = AS_SYMBOL_NONE};
    if (!at) return;
    symbol->start = symbol[-1].start + symbol[-1].len;
    symbol->prev = (uint32_t)at - 1;
    symbol[-1].next = (uint32_t)at;
}

static bool before(const as_candidate *a, const as_candidate *b) {
    return a->order != b->order ? a->order < b->order : a->at < b->at;
}

static void push(as_merger *merger, as_candidate candidate) {
    if (merger->heap_count == merger->heap_capacity) {
        merger->heap_capacity = merger->heap_capacity ? 2 * merger->heap_capacity : 64;
        merger->heap =
            as_mem_grow(merger->heap, as_size_mul(merger->heap_capacity, sizeof *merger->heap));
    }
    as_candidate *heap = merger->heap;
    size_t at = merger->heap_count++;
    for (; at && before(&candidate, &heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = candidate;
}

static as_candidate pop(as_merger *merger) {
    as_candidate *heap = merger->heap;
    as_candidate best = heap[0], last = heap[--merger->heap_count];
    size_t at = 0, count = merger->heap_count;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count) break;
        if (child + 1 < count && before(&heap[child + 1], &heap[child])) child++;
        if (!before(&heap[child], &last)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return best;
}

// Offers symbol `at` and the one after it.
static void offer(as_merger *merger, as_str text, uint32_t at, as_pair *pair, const void *context) {
    if (at == AS_SYMBOL_NONE) return;
    const as_symbol *left = &merger->symbols[at];
    if (left->next == AS_SYMBOL_NONE) return;
    const as_symbol *right = &merger->symbols[left->next];
    as_candidate candidate = {.at = at, .len = left->len + right->len};
    if (pair(context, text, left, right, &candidate.order, &candidate.id)) push(merger, candidate);
}

// A candidate is stale once either of its symbols was merged: what begins at `at` and the symbol
// after it only ever grow together, so an equal length means an unchanged pair.
static bool stale(const as_merger *merger, const as_candidate *candidate) {
    const as_symbol *left = &merger->symbols[candidate->at];
    return !left->len || left->next == AS_SYMBOL_NONE ||
           left->len + merger->symbols[left->next].len != candidate->len;
}

void as_merger_run(as_merger *merger, as_str text, as_pair *pair, const void *context) {
    merger->heap_count = 0;
    for (size_t i = 0; i + 1 < merger->symbol_count; i++)
        offer(merger, text, (uint32_t)i, pair, context);
    while (merger->heap_count) {
        as_candidate best = pop(merger);
        if (stale(merger, &best)) continue;
        as_symbol *left = &merger->symbols[best.at];
        as_symbol *right = &merger->symbols[left->next];
        left->len = best.len;
        left->id = best.id;
        left->next = right->next;
        if (right->next != AS_SYMBOL_NONE) merger->symbols[right->next].prev = best.at;
        right->len = 0;
        offer(merger, text, left->prev, pair, context);
        offer(merger, text, best.at, pair, context);
    }
}

void as_merger_free(as_merger *merger) {
    free(merger->symbols);
    free(merger->heap);
    *merger = (as_merger){0};
}
