// SPDX-License-Identifier: Apache-2.0
// A set of stacks is kept as a map from top state to the set of what may be below, with no two
// entries of one state: sets that are equal look alike, so they can be one (hash consing), and sets
// that share their lower part share its memory. A place is such a set whose tops all read bytes.
#include "harness/base/grammar/recognizer.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/grammar/grammar_make.h"

enum {
    BOTTOM = 0, // the set of the one empty stack
    WORK_MAX = 1 << 21,
    UNIONS = 1 << 12, // remembered
};

typedef struct entry {
    uint32_t state, below;
} entry;

typedef struct node {
    size_t first;         // of its entries, by state
    uint32_t count, next; // next in its bucket, +1
    uint32_t depth;
    bool bottom;   // the empty stack is one of the set
    as_place *row; // [class_count]
} node;

typedef struct join {
    uint32_t a, b, out;
} join;

struct as_recognizer {
    const as_grammar *grammar;
    size_t size, size_max;
    node *nodes;
    size_t node_count, node_cap;
    entry *entries;
    size_t entry_count, entry_cap;
    uint32_t *buckets; // +1
    size_t bucket_count;
    join *joins; // [UNIONS]; a 0: none
    size_t work;
    bool full;

    // The step under way.
    entry *todo; // [todo_count]
    size_t todo_count, todo_cap;
    entry *seen; // [seen_cap] by hash; below UINT32_MAX: empty
    size_t seen_count, seen_cap;
    entry *tops; // [top_count] by state
    size_t top_count, top_cap;
    bool bottom;
};

// Room for one more in an array; its memory counts.
static void *grown(as_recognizer *r, void *array, size_t count, size_t *cap, size_t size) {
    if (count < *cap) return array;
    size_t old = *cap;
    *cap = old ? 2 * old : 64;
    r->size += (*cap - old) * size;
    return as_mem_grow(array, as_size_mul(*cap, size));
}

static uint64_t mix(uint64_t h, uint64_t value) {
    h = (h ^ value) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static uint64_t hash_of(const entry *entries, size_t count, bool bottom) {
    uint64_t h = bottom;
    for (size_t i = 0; i < count; i++)
        h = mix(h, (uint64_t)entries[i].state << 32 | entries[i].below);
    return h;
}

static void rehash(as_recognizer *r) {
    free(r->buckets);
    r->size += r->bucket_count * sizeof *r->buckets;
    r->bucket_count *= 2;
    r->buckets = as_mem_new(as_size_mul(r->bucket_count, sizeof *r->buckets));
    for (size_t i = 0; i < r->node_count; i++) {
        node *n = &r->nodes[i];
        uint64_t h = hash_of(r->entries + n->first, n->count, n->bottom);
        uint32_t *bucket = &r->buckets[h & (r->bucket_count - 1)];
        n->next = *bucket;
        *bucket = (uint32_t)i + 1;
    }
}

// The node of these entries (by state), which do not lie in r->entries.
static uint32_t intern(as_recognizer *r, const entry *entries, size_t count, bool bottom) {
    uint64_t h = hash_of(entries, count, bottom);
    for (uint32_t i = r->buckets[h & (r->bucket_count - 1)]; i; i = r->nodes[i - 1].next) {
        const node *n = &r->nodes[i - 1];
        if (n->count == count && n->bottom == bottom &&
            (!count || !memcmp(r->entries + n->first, entries, count * sizeof *entries)))
            return i - 1;
    }
    if (r->size > r->size_max || r->node_count >= AS_PLACE_FULL - 1) {
        r->full = true;
        return AS_PLACE_DEAD;
    }
    r->nodes = grown(r, r->nodes, r->node_count, &r->node_cap, sizeof *r->nodes);
    node n = {.first = r->entry_count, .count = (uint32_t)count, .bottom = bottom};
    for (size_t i = 0; i < count; i++) {
        uint32_t depth = 1 + r->nodes[entries[i].below].depth;
        if (depth > n.depth) n.depth = depth;
        r->entries = grown(r, r->entries, r->entry_count, &r->entry_cap, sizeof *r->entries);
        r->entries[r->entry_count++] = entries[i];
    }
    uint32_t *bucket = &r->buckets[h & (r->bucket_count - 1)];
    n.next = *bucket;
    *bucket = (uint32_t)r->node_count + 1;
    r->nodes[r->node_count++] = n;
    if (r->node_count > r->bucket_count) rehash(r);
    return (uint32_t)r->node_count - 1;
}

static bool spend(as_recognizer *r, size_t work) {
    r->work += work;
    if (r->work > WORK_MAX) r->full = true;
    return !r->full;
}

// The set of all stacks of two sets. Its depth bounds how deep this goes.
static uint32_t unite(as_recognizer *r, uint32_t a, uint32_t b) {
    if (a == b || r->full) return a;
    if (a > b) {
        uint32_t swap = a;
        a = b;
        b = swap;
    }
    join *known = &r->joins[mix(a, b) & (UNIONS - 1)];
    if (known->b && known->a == a && known->b == b) return known->out;
    size_t na = r->nodes[a].count, nb = r->nodes[b].count, i = 0, j = 0, count = 0;
    bool bottom = r->nodes[a].bottom || r->nodes[b].bottom;
    if (!spend(r, na + nb + 1)) return a;
    entry few[16] = {{0, 0}},
          *out = na + nb <= 16 ? few : as_mem_new(as_size_mul(na + nb, sizeof *out));
    while (i < na || j < nb) {
        // Nodes and entries may move while parts are united.
        entry x = i < na ? r->entries[r->nodes[a].first + i] : (entry){UINT32_MAX, 0};
        entry y = j < nb ? r->entries[r->nodes[b].first + j] : (entry){UINT32_MAX, 0};
        if (x.state == y.state) x.below = unite(r, x.below, y.below);
        out[count++] = x.state <= y.state ? x : y;
        i += x.state <= y.state;
        j += y.state <= x.state;
    }
    uint32_t made = intern(r, out, count, bottom);
    if (out != few) free(out);
    if (!r->full) *known = (join){a, b, made};
    return made;
}

// --- a step -------------------------------------------------------------------------------------

static void forget_seen(as_recognizer *r) {
    for (size_t i = 0; i < r->seen_cap; i++) r->seen[i].below = UINT32_MAX;
    r->seen_count = 0;
}

static bool see(as_recognizer *r, entry e) {
    if (2 * (r->seen_count + 1) > r->seen_cap) {
        entry *old = r->seen;
        size_t cap = r->seen_cap;
        r->seen_cap = cap ? 2 * cap : 64;
        r->size += (r->seen_cap - cap) * sizeof *old;
        r->seen = as_mem_new(as_size_mul(r->seen_cap, sizeof *r->seen));
        forget_seen(r);
        for (size_t i = 0; i < cap; i++)
            if (old[i].below != UINT32_MAX) see(r, old[i]);
        free(old);
    }
    size_t at = mix(e.state, e.below) & (r->seen_cap - 1);
    for (; r->seen[at].below != UINT32_MAX; at = (at + 1) & (r->seen_cap - 1))
        if (r->seen[at].state == e.state && r->seen[at].below == e.below) return false;
    r->seen[at] = e;
    r->seen_count++;
    return true;
}

static void put(as_recognizer *r, uint32_t state, uint32_t below) {
    entry e = {state, below};
    if (r->full || !spend(r, 1) || !see(r, e)) return;
    r->todo = grown(r, r->todo, r->todo_count, &r->todo_cap, sizeof *r->todo);
    r->todo[r->todo_count++] = e;
}

static void add_top(as_recognizer *r, entry e) {
    size_t low = 0, high = r->top_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (r->tops[mid].state < e.state)
            low = mid + 1;
        else
            high = mid;
    }
    if (low < r->top_count && r->tops[low].state == e.state) {
        r->tops[low].below = unite(r, r->tops[low].below, e.below);
        return;
    }
    r->tops = grown(r, r->tops, r->top_count, &r->top_cap, sizeof *r->tops);
    memmove(r->tops + low + 1, r->tops + low, (r->top_count - low) * sizeof e);
    r->tops[low] = e;
    r->top_count++;
}

// Goes on without bytes from all that was put, to the place of what is come to.
static as_place settle(as_recognizer *r) {
    const as_grammar *g = r->grammar;
    r->top_count = 0;
    r->bottom = false;
    while (r->todo_count && !r->full) {
        entry e = r->todo[--r->todo_count];
        uint32_t s = e.state;
        if (g->edge_at[s] < g->edge_at[s + 1]) add_top(r, e);
        for (uint32_t i = g->hop_at[s]; i < g->hop_at[s + 1]; i++) put(r, g->hops[i], e.below);
        for (uint32_t i = g->call_at[s]; i < g->call_at[s + 1]; i++) {
            as_grammar_call call = g->calls[i];
            uint32_t below = e.below;
            if (!call.last && r->nodes[below].depth >= AS_RECOGNIZER_DEPTH_MAX) continue;
            if (!call.last) below = intern(r, &(entry){call.to, below}, 1, false);
            put(r, g->starts[call.rule], below);
        }
        if (!g->final[s]) continue;
        r->bottom = r->bottom || r->nodes[e.below].bottom;
        for (uint32_t i = 0; i < r->nodes[e.below].count; i++) {
            entry back = r->entries[r->nodes[e.below].first + i];
            put(r, back.state, back.below);
        }
    }
    r->todo_count = 0;
    if (r->seen_count) forget_seen(r);
    as_place place = intern(r, r->tops, r->top_count, r->bottom);
    return r->full ? AS_PLACE_FULL : place;
}

as_recognizer *as_recognizer_new(const as_grammar *grammar, size_t size_max) {
    as_recognizer *r = as_mem_new(sizeof *r);
    r->grammar = grammar;
    r->size_max = size_max;
    r->bucket_count = 64;
    r->buckets = as_mem_new(as_size_mul(r->bucket_count, sizeof *r->buckets));
    r->joins = as_mem_new(UNIONS * sizeof *r->joins);
    intern(r, NULL, 0, true);  // BOTTOM
    intern(r, NULL, 0, false); // AS_PLACE_DEAD
    return r;
}

void as_recognizer_free(as_recognizer *recognizer) {
    as_recognizer *r = recognizer;
    if (!r) return;
    for (size_t i = 0; i < r->node_count; i++) free(r->nodes[i].row);
    free(r->nodes);
    free(r->entries);
    free(r->buckets);
    free(r->joins);
    free(r->todo);
    free(r->seen);
    free(r->tops);
    free(r);
}

as_place as_recognizer_start(as_recognizer *recognizer) {
    as_recognizer *r = recognizer;
    r->work = 0;
    put(r, r->grammar->starts[r->grammar->root], BOTTOM);
    return settle(r);
}

static as_place *row_of(as_recognizer *r, as_place place) {
    node *n = &r->nodes[place];
    if (n->row) return n->row;
    size_t size = r->grammar->class_count * sizeof *n->row;
    n->row = as_mem_new(size);
    memset(n->row, 0xff, size); // AS_PLACE_UNKNOWN
    r->size += size;
    return n->row;
}

as_place as_recognizer_step(as_recognizer *recognizer, as_place place, unsigned char byte) {
    as_recognizer *r = recognizer;
    const as_grammar *g = r->grammar;
    size_t class = g->classes[byte];
    as_place *row = row_of(r, place);
    if (row[class] != AS_PLACE_UNKNOWN) return row[class];
    if (r->full) return AS_PLACE_FULL;
    r->work = 0;
    for (uint32_t i = 0; i < r->nodes[place].count; i++) {
        entry e = r->entries[r->nodes[place].first + i];
        for (uint32_t k = g->edge_at[e.state]; k < g->edge_at[e.state + 1]; k++)
            if (byte >= g->edges[k].from_byte && byte <= g->edges[k].to_byte)
                put(r, g->edges[k].to, e.below);
    }
    as_place next = settle(r);
    if (next != AS_PLACE_FULL) r->nodes[place].row[class] = next;
    return next;
}

bool as_recognizer_may_end(const as_recognizer *recognizer, as_place place) {
    return recognizer->nodes[place].bottom;
}

bool as_recognizer_may_go_on(const as_recognizer *recognizer, as_place place) {
    return recognizer->nodes[place].count > 0;
}

bool as_recognizer_accepts(as_recognizer *recognizer, as_str text) {
    as_place place = as_recognizer_start(recognizer);
    for (size_t i = 0; i < text.len && place != AS_PLACE_FULL; i++)
        place = as_recognizer_step(recognizer, place, (unsigned char)text.ptr[i]);
    return place != AS_PLACE_FULL && as_recognizer_may_end(recognizer, place);
}

const unsigned char *as_recognizer_classes(const as_recognizer *recognizer) {
    return recognizer->grammar->classes;
}

const as_place *as_recognizer_row(const as_recognizer *recognizer, as_place place) {
    return recognizer->nodes[place].row;
}

size_t as_recognizer_place_count(const as_recognizer *recognizer) {
    return recognizer->node_count;
}

void as_recognizer_count(as_recognizer *recognizer, size_t size) {
    recognizer->size += size;
}
