// SPDX-License-Identifier: Apache-2.0
#include "harness/base/pieces/charsmap.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/utf8.h"

enum { HEAD = 4, UNIT = 4 }; // bytes

struct as_charsmap {
    uint32_t *units; // [unit_count]
    size_t unit_count;
    char *texts; // [texts_size], the last one a NUL
    size_t texts_size;
};

static uint32_t number_at(const unsigned char *bytes) {
    uint32_t number = 0;
    for (size_t i = UNIT; i-- > 0;) number = number << 8 | bytes[i];
    return number;
}

as_charsmap *as_charsmap_new(const unsigned char *bytes, size_t size) {
    if (size <= HEAD || bytes[size - 1]) return NULL;
    size_t trie = number_at(bytes);
    if (trie % UNIT || trie > size - HEAD - 1) return NULL;
    as_charsmap *table = as_mem_new(sizeof *table);
    table->unit_count = trie / UNIT;
    table->units = as_mem_new(as_size_mul(table->unit_count + 1, sizeof *table->units));
    for (size_t i = 0; i < table->unit_count; i++)
        table->units[i] = number_at(bytes + HEAD + UNIT * i);
    table->texts_size = size - HEAD - trie;
    table->texts = as_mem_new(table->texts_size);
    memcpy(table->texts, bytes + HEAD + trie, table->texts_size);
    return table;
}

void as_charsmap_free(as_charsmap *table) {
    if (!table) return;
    free(table->units);
    free(table->texts);
    free(table);
}

// The parts of a unit: a leaf's value; the label of the edge to it; where its children begin.
static uint32_t label_of(uint32_t unit) {
    return unit & (1u << 31 | 0xffu);
}

static size_t offset_of(uint32_t unit) {
    return (size_t)(unit >> 10) << ((unit & (1u << 9)) >> 6);
}

// The longest text of the table that `text` begins with: its length, and what it becomes. 0 if
// there is none. Nothing that a unit says leads outside the table.
static size_t longest_rule(const as_charsmap *table, as_str text, as_str *becomes) {
    size_t longest = 0, at = 0;
    if (!table || !table->unit_count) return 0;
    at ^= offset_of(table->units[0]);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        at ^= byte;
        if (at >= table->unit_count || label_of(table->units[at]) != byte) break;
        bool leaf = table->units[at] >> 8 & 1;
        at ^= offset_of(table->units[at]);
        if (at >= table->unit_count) break;
        size_t value = table->units[at] & 0x7fffffffu;
        if (!leaf || value >= table->texts_size) continue;
        longest = i + 1;
        *becomes = as_str_of(table->texts + value);
    }
    return longest;
}

as_str as_charsmap_next(const as_charsmap *table, as_str text, size_t *taken) {
    as_str becomes = {NULL, 0};
    size_t len = longest_rule(table, text, &becomes);
    // A rule must end between characters, or the rest would be no text.
    if (len && (len == text.len || ((unsigned char)text.ptr[len] & 0xc0) != 0x80)) {
        *taken = len;
        return becomes;
    }
    *taken = 0;
    as_utf8_next(text, taken);
    return as_str_sub(text, 0, *taken);
}
