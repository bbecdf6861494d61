// SPDX-License-Identifier: Apache-2.0
#include "harness/base/pieces/lexicon.h"

#include <stdlib.h>
#include <string.h>

enum { NUMBER_BITS = 21 }; // of a slot: AS_LEXICON_COUNT_MAX is one of them

void as_lexicon_reserve(as_lexicon *l, size_t count, size_t size) {
    l->bytes = as_mem_grow(NULL, size);
    l->starts = as_mem_grow(NULL, as_size_mul(count + 1, sizeof *l->starts));
    l->starts[0] = 0;
    l->slot_count = count + count / 3 + 1; // three in four are taken
    l->slots = as_mem_new(as_size_mul(l->slot_count, sizeof *l->slots));
}

void as_lexicon_put(as_lexicon *l, as_str text) {
    if (text.len) memcpy(l->bytes + l->size, text.ptr, text.len);
    l->size += text.len;
    l->starts[++l->count] = (uint32_t)l->size;
}

as_str as_lexicon_text(const as_lexicon *l, size_t number) {
    uint32_t start = l->starts[number];
    return (as_str){l->bytes + start, l->starts[number + 1] - start};
}

// The slot that holds `text`, or the empty one where it would go; *mark is what its hash puts into
// a slot.
static size_t find_slot(const as_lexicon *l, as_str text, uint32_t *mark) {
    uint64_t hash = as_str_table_hash(text);
    size_t at = (size_t)((hash >> 32) * l->slot_count >> 32);
    *mark = (uint32_t)hash << NUMBER_BITS;
    for (; l->slots[at]; at = at + 1 < l->slot_count ? at + 1 : 0) {
        uint32_t slot = l->slots[at], number = slot & ((1u << NUMBER_BITS) - 1);
        if (slot - number == *mark && as_str_eq(as_lexicon_text(l, number - 1), text)) break;
    }
    return at;
}

bool as_lexicon_index(as_lexicon *l, size_t number, uint32_t *existing) {
    uint32_t mark;
    as_str text = as_lexicon_text(l, number);
    uint32_t *slot = &l->slots[find_slot(l, text, &mark)];
    if (*slot) {
        if (existing) *existing = *slot - mark - 1;
        return false;
    }
    *slot = mark | (uint32_t)(number + 1);
    if (text.len > l->longest) l->longest = text.len;
    return true;
}

void as_lexicon_unindex(as_lexicon *l) {
    memset(l->slots, 0, l->slot_count * sizeof *l->slots);
    l->longest = 0;
}

bool as_lexicon_find(const as_lexicon *l, as_str text, uint32_t *number) {
    uint32_t mark;
    if (!l->slots || text.len > l->longest) return false;
    uint32_t slot = l->slots[find_slot(l, text, &mark)];
    if (slot) *number = slot - mark - 1;
    return slot != 0;
}

void as_lexicon_trim(as_lexicon *l) {
    l->bytes = as_mem_grow(l->bytes, l->size);
}

void as_lexicon_free(as_lexicon *l) {
    free(l->bytes);
    free(l->starts);
    free(l->slots);
    *l = (as_lexicon){0};
}
