// SPDX-License-Identifier: Apache-2.0
#include "metrics/overlap/ngram.h"

#include <string.h>

#include "harness/base/letter.h"
#include "harness/base/utf8.h"

as_tokens as_ngram_split(as_arena *arena, as_str text) {
    as_tokens out = {AS_NEW_ARRAY(arena, as_str, text.len / 2 + 2), 0};
    size_t from = 0;
    bool inside = false;
    for (size_t at = 0; at < text.len;) {
        size_t here = at;
        unsigned char c = (unsigned char)text.ptr[at];
        bool space = c < 0x80 ? (at++, c == ' ' || (c >= 9 && c <= 13) || (c >= 28 && c <= 31))
                              : as_letter_is_space(as_utf8_next(text, &at));
        if (space && inside) out.items[out.count++] = as_str_sub(text, from, here);
        if (!space && !inside) from = here;
        inside = !space;
    }
    if (inside) out.items[out.count++] = as_str_sub(text, from, text.len);
    return out;
}

// ---- a table from 64-bit keys to numbers ----

typedef struct slot {
    uint64_t key;
    uint32_t number, use; // empty where it is of another use
} slot;

// It is emptied by being used another time.
typedef struct table {
    slot *slots;
    size_t mask;
    uint32_t count, use; // use: from 1
} table;

static table make_table(as_arena *arena, size_t room) {
    size_t size = 16;
    while (size < 2 * room) size *= 2;
    return (table){AS_NEW_ARRAY(arena, slot, size), size - 1, 0, 0};
}

static uint32_t number_of(table *t, uint64_t key) {
    uint64_t hash = key * 0x9e3779b97f4a7c15u;
    size_t at = (hash >> 32) & t->mask;
    while (t->slots[at].use == t->use && t->slots[at].key != key) at = (at + 1) & t->mask;
    if (t->slots[at].use != t->use) t->slots[at] = (slot){key, t->count++, t->use};
    return t->slots[at].number;
}

// ---- words as numbers ----

typedef struct word {
    as_str text; // ptr NULL: empty
    uint32_t number;
} word;

void as_ngram_number(as_arena *arena, const as_tokens *lists, size_t count, as_symbols *out) {
    size_t total = 0, size = 16;
    for (size_t i = 0; i < count; i++) total += lists[i].count;
    while (size < 2 * total) size *= 2;
    word *words = AS_NEW_ARRAY(arena, word, size);
    uint32_t next = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t *numbers = AS_NEW_ARRAY(arena, uint32_t, lists[i].count + 1);
        for (size_t k = 0; k < lists[i].count; k++) {
            as_str text = lists[i].items[k];
            size_t at = as_str_table_hash(text) & (size - 1);
            while (words[at].text.ptr && !as_str_eq(words[at].text, text))
                at = (at + 1) & (size - 1);
            if (!words[at].text.ptr) words[at] = (word){text, next++};
            numbers[k] = words[at].number;
        }
        out[i] = (as_symbols){numbers, lists[i].count};
    }
}

// ---- n-grams ----

// An n-gram is the number of the one without its last symbol, and that symbol: so each length takes
// one look-up a place. Lists get shorter by one with each length.
typedef struct counter {
    uint32_t **heads;               // [lists] numbers of the n-grams that start at each place
    uint32_t *answer, *best, *here; // [n-grams] how often they occur
    size_t room;
    table table;
} counter;

static void count_list(table *t, uint32_t *heads, as_symbols list, size_t n, uint32_t *counts) {
    for (size_t i = 0; i + n <= list.count; i++) {
        uint64_t head = n > 1 ? (uint64_t)heads[i] + 1 : 0;
        heads[i] = number_of(t, head << 32 | ((uint64_t)list.items[i + n - 1] + 1));
        counts[heads[i]]++;
    }
}

static void count_length(counter *c, as_symbols answer, const as_symbols *references,
                         size_t reference_count, size_t n, as_ngrams *out) {
    table *t = &c->table;
    t->count = 0;
    t->use++;
    memset(c->answer, 0, c->room * sizeof *c->answer);
    memset(c->best, 0, c->room * sizeof *c->best);
    count_list(t, c->heads[0], answer, n, c->answer);
    for (size_t r = 0; r < reference_count; r++) {
        uint32_t *counts = reference_count == 1 ? c->best : c->here;
        if (counts == c->here) memset(c->here, 0, c->room * sizeof *c->here);
        count_list(t, c->heads[r + 1], references[r], n, counts);
        for (uint32_t i = 0; counts == c->here && i < t->count; i++)
            if (c->here[i] > c->best[i]) c->best[i] = c->here[i];
    }
    *out = (as_ngrams){0};
    for (uint32_t i = 0; i < t->count; i++) {
        out->answer += c->answer[i];
        out->reference += c->best[i];
        out->match += c->answer[i] < c->best[i] ? c->answer[i] : c->best[i];
    }
}

void as_ngram_count(as_arena *arena, as_symbols answer, const as_symbols *references,
                    size_t reference_count, size_t longest, as_ngrams *out) {
    counter c = {.heads = AS_NEW_ARRAY(arena, uint32_t *, reference_count + 1),
                 .room = answer.count + 1};
    c.heads[0] = AS_NEW_ARRAY(arena, uint32_t, answer.count + 1);
    for (size_t r = 0; r < reference_count; r++) {
        c.room += references[r].count;
        c.heads[r + 1] = AS_NEW_ARRAY(arena, uint32_t, references[r].count + 1);
    }
    c.answer = AS_NEW_ARRAY(arena, uint32_t, c.room);
    c.best = AS_NEW_ARRAY(arena, uint32_t, c.room);
    c.here = AS_NEW_ARRAY(arena, uint32_t, c.room);
    c.table = make_table(arena, c.room);
    for (size_t n = 1; n <= longest; n++)
        count_length(&c, answer, references, reference_count, n, &out[n - 1]);
}
