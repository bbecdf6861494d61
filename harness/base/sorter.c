// SPDX-License-Identifier: Apache-2.0
#include "harness/base/sorter.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/arena.h"

// FAN_IN runs of a level are merged to one of the next. Of the records of a spilled result every so
// many'th place is known.
enum { FAN_IN = 32, ROOM_MIN = 4096, MARK_EVERY = 128, UNIT = 8 };

// In memory and in a run a record stands behind its size.
typedef struct head {
    uint64_t size; // of the record with what aligns the next, bytes
} head;

typedef struct run {
    as_spill spill;
    unsigned level;
} run;

// Records that are in no run yet.
typedef struct heap {
    unsigned char *bytes;
    size_t size, capacity;
    uint32_t *places; // [count] of their heads, in UNITs
    size_t count, place_capacity;
} heap;

struct as_sorter {
    as_sorter_order *order;
    size_t count;
    heap heap, spare; // spare: empty, between uses
    bool sorted;      // the heap is
    bool twins;       // two were met that are equal
    run *runs;        // [run_count], of levels that never rise
    size_t run_count, run_capacity;
    bool open; // the last run goes on, behind `last`
    void *last;
    size_t last_capacity;
    uint64_t *marks;                          // [mark_count] of the only run
    size_t mark_count, mark_capacity, marked; // marked: records that were looked at
};

as_sorter *as_sorter_new(as_sorter_order *order) {
    as_sorter *s = as_mem_new(sizeof *s);
    s->order = order;
    return s;
}

static void free_heap(heap *h) {
    free(h->bytes);
    free(h->places);
    *h = (heap){0};
}

void as_sorter_free(as_sorter *s) {
    if (!s) return;
    for (size_t i = 0; i < s->run_count; i++) as_spill_free(&s->runs[i].spill);
    free(s->runs);
    free_heap(&s->heap);
    free_heap(&s->spare);
    free(s->last);
    free(s->marks);
    free(s);
}

size_t as_sorter_count(const as_sorter *s) {
    return s->count;
}

bool as_sorter_has_twins(const as_sorter *s) {
    return s->twins;
}

static head *head_at(const heap *h, size_t index) {
    return (head *)(void *)(h->bytes + (size_t)h->places[index] * UNIT);
}

// Whoever puts records in order compares each with its neighbour there: no twins are missed.
static int compare(as_sorter *s, const void *a, const void *b) {
    int way = s->order(a, b);
    s->twins |= !way;
    return way;
}

static int compare_places(as_sorter *s, uint32_t a, uint32_t b) {
    const unsigned char *bytes = s->heap.bytes + sizeof(head);
    return compare(s, bytes + (size_t)a * UNIT, bytes + (size_t)b * UNIT);
}

// glibc's qsort takes no context: a merge sort of our own, which has one.
static void sort_part(as_sorter *s, uint32_t *at, uint32_t *spare, size_t count) {
    if (count < 2) return;
    size_t half = count / 2;
    sort_part(s, at, spare, half);
    sort_part(s, at + half, spare, count - half);
    // As most are that come nearly sorted.
    if (compare_places(s, at[half - 1], at[half]) <= 0) return;
    memcpy(spare, at, half * sizeof *at);
    size_t i = 0, j = half, n = 0;
    while (i < half && j < count)
        at[n++] = compare_places(s, at[j], spare[i]) < 0 ? at[j++] : spare[i++];
    while (i < half) at[n++] = spare[i++];
}

static void sort_heap(as_sorter *s) {
    size_t count = s->heap.count;
    if (s->sorted || !count) return;
    uint32_t *spare = as_mem_new(as_size_mul(count / 2 + 1, sizeof *spare));
    sort_part(s, s->heap.places, spare, count);
    free(spare);
    s->sorted = true;
}

static void reserve(heap *h, size_t size) {
    if (h->size + size > h->capacity) {
        if (!h->capacity) h->capacity = 1024;
        while (h->capacity < h->size + size) h->capacity *= 2;
        h->bytes = as_mem_grow(h->bytes, h->capacity);
    }
    if (h->count == h->place_capacity) {
        h->place_capacity = h->place_capacity ? 2 * h->place_capacity : 64;
        h->places = as_mem_grow(h->places, as_size_mul(h->place_capacity, sizeof *h->places));
    }
}

static void add_to_heap(heap *h, const void *record, size_t size) {
    size_t padded = (size + UNIT - 1) & ~(size_t)(UNIT - 1);
    reserve(h, sizeof(head) + padded);
    head *at = (head *)(void *)(h->bytes + h->size);
    at->size = padded;
    if (size) memcpy(at + 1, record, size);
    memset((unsigned char *)(at + 1) + size, 0, padded - size);
    h->places[h->count++] = (uint32_t)(h->size / UNIT);
    h->size += sizeof *at + padded;
}

static void mark(as_sorter *s, uint64_t at) {
    if (s->marked++ % MARK_EVERY) return;
    if (s->mark_count == s->mark_capacity) {
        s->mark_capacity = s->mark_capacity ? 2 * s->mark_capacity : 256;
        s->marks = as_mem_grow(s->marks, as_size_mul(s->mark_capacity, sizeof *s->marks));
    }
    s->marks[s->mark_count++] = at;
}

// One run while it is merged, and its record at hand; NULL at the end.
typedef struct source {
    as_spill_reader reader;
    head head;
    const void *record;
} source;

static void advance(source *s) {
    const head *h = as_spill_next(&s->reader, sizeof *h);
    if (h) s->head = *h;
    s->record = h ? as_spill_next(&s->reader, (size_t)s->head.size) : NULL;
}

// Lets the source at `at` of a heap sink to where it belongs; an ended one is behind all others.
static void sink(as_sorter *s, source **sources, size_t count, size_t at) {
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++) {
            const void *a = sources[child]->record, *b = sources[least]->record;
            if (a && (!b || compare(s, a, b) < 0)) least = child;
        }
        if (least == at) return;
        source *moved = sources[at];
        sources[at] = sources[least];
        sources[least] = moved;
        at = least;
    }
}

// The last `count` runs become one.
static void merge(as_sorter *s, size_t count) {
    size_t from = s->run_count - count;
    source *all = as_mem_new(as_size_mul(count, sizeof *all));
    source **sources = as_mem_new(as_size_mul(count, sizeof *sources));
    run out = {.level = s->runs[from].level + 1};
    s->mark_count = s->marked = 0;
    for (size_t i = 0; i < count; i++) {
        all[i].reader.spill = &s->runs[from + i].spill;
        advance(&all[i]);
        sources[i] = &all[i];
    }
    for (size_t i = count; i-- > 0;) sink(s, sources, count, i);
    while (sources[0]->record) {
        if (!from) mark(s, as_spill_size(&out.spill));
        as_spill_add(&out.spill, &sources[0]->head, sizeof(head));
        as_spill_add(&out.spill, sources[0]->record, (size_t)sources[0]->head.size);
        advance(sources[0]);
        sink(s, sources, count, 0);
    }
    for (size_t i = 0; i < count; i++) {
        as_spill_done(&all[i].reader);
        as_spill_free(&s->runs[from + i].spill);
    }
    free(all);
    free(sources);
    as_spill_end(&out.spill);
    s->runs[from] = out;
    s->run_count = from + 1;
    s->open = false;
}

static size_t of_last_level(const as_sorter *s) {
    size_t count = 0;
    while (count < s->run_count &&
           s->runs[s->run_count - 1 - count].level == s->runs[s->run_count - 1].level)
        count++;
    return count;
}

static void open_run(as_sorter *s) {
    while (s->run_count && of_last_level(s) == FAN_IN) merge(s, FAN_IN);
    if (s->run_count == s->run_capacity) {
        s->run_capacity = s->run_capacity ? 2 * s->run_capacity : 4;
        s->runs = as_mem_grow(s->runs, as_size_mul(s->run_capacity, sizeof *s->runs));
    }
    s->runs[s->run_count++] = (run){0};
    s->open = true;
    s->mark_count = s->marked = 0;
}

// Records `from` to `to` of the sorted heap go to the open run.
static void write_records(as_sorter *s, size_t from, size_t to) {
    if (from == to) return;
    if (!s->open) open_run(s);
    as_spill *spill = &s->runs[s->run_count - 1].spill;
    const head *h = NULL;
    for (size_t i = from; i < to; i++) {
        h = head_at(&s->heap, i);
        if (s->run_count == 1) mark(s, as_spill_size(spill));
        as_spill_add(spill, h, sizeof *h + (size_t)h->size);
    }
    if (h->size > s->last_capacity) {
        s->last_capacity = (size_t)h->size;
        s->last = as_mem_grow(s->last, s->last_capacity);
    }
    if (h->size) memcpy(s->last, h + 1, (size_t)h->size);
}

// Only records `from` to `to` of the sorted heap stay in it.
static void keep_records(as_sorter *s, size_t from, size_t to) {
    heap all = s->heap, *kept = &s->spare;
    for (size_t i = from; i < to; i++) {
        const head *h = head_at(&all, i);
        add_to_heap(kept, h + 1, (size_t)h->size);
    }
    s->heap = *kept;
    all.size = all.count = 0;
    s->spare = all;
}

// What the open run can take goes there, and it ends where something is left, `first` records.
static size_t go_on(as_sorter *s) {
    size_t first = 0, count = s->heap.count;
    if (!s->open) return count;
    while (first < count && compare(s, s->last, head_at(&s->heap, first) + 1) > 0) first++;
    if (!first) return count;
    write_records(s, first, count);
    as_spill_end(&s->runs[s->run_count - 1].spill);
    s->open = false;
    return first;
}

// The heap is full. Half of what is left for a run stays, so that what comes late finds its place
// before that.
static void spill_records(as_sorter *s) {
    sort_heap(s);
    size_t all = s->heap.count, left = go_on(s), some = left - left / 2;
    if (left <= all / 2) some = 0;
    write_records(s, 0, some);
    keep_records(s, some, left);
}

static size_t room_of(void) {
    size_t room = as_spill_room() / 2;
    return room < ROOM_MIN ? ROOM_MIN : room;
}

void as_sorter_add(as_sorter *s, const void *record, size_t size) {
    const heap *h = &s->heap;
    size_t more = sizeof(head) + size + (h->count + 1) * sizeof *h->places;
    if (h->count && h->size + more > room_of()) spill_records(s);
    add_to_heap(&s->heap, record, size);
    s->sorted = false;
    s->count++;
}

void as_sorter_sort(as_sorter *s) {
    sort_heap(s);
    if (!s->run_count) return;
    write_records(s, 0, go_on(s));
    free_heap(&s->heap);
    free_heap(&s->spare);
    if (s->run_count > 1) merge(s, s->run_count);
}

as_sorter_reader as_sorter_read(const as_sorter *s) {
    return (as_sorter_reader){.sorter = s,
                              .spill = {.spill = s->run_count ? &s->runs[0].spill : NULL}};
}

const void *as_sorter_next(as_sorter_reader *r) {
    const as_sorter *s = r->sorter;
    if (!r->spill.spill) return r->next < s->heap.count ? head_at(&s->heap, r->next++) + 1 : NULL;
    const head *h = as_spill_next(&r->spill, sizeof *h);
    return h ? as_spill_next(&r->spill, (size_t)h->size) : NULL;
}

void as_sorter_done(as_sorter_reader *r) {
    as_spill_done(&r->spill);
    *r = (as_sorter_reader){0};
}

// Where to begin to look in a spilled result: at the last mark that is before the key.
static uint64_t nearest_mark(as_sorter_reader *r, const void *key, as_sorter_order *order) {
    const as_sorter *s = r->sorter;
    size_t lo = 0, hi = s->mark_count; // marks below lo are before the key
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        r->spill.at = s->marks[mid];
        if (order(as_sorter_next(r), key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo ? s->marks[lo - 1] : 0;
}

as_sorter_reader as_sorter_find(const as_sorter *s, const void *key, as_sorter_order *order) {
    as_sorter_reader r = as_sorter_read(s);
    if (!r.spill.spill) {
        size_t lo = 0, hi = s->heap.count;
        while (lo < hi) {
            size_t mid = lo + (hi - lo) / 2;
            if (order(head_at(&s->heap, mid) + 1, key) < 0)
                lo = mid + 1;
            else
                hi = mid;
        }
        r.next = lo;
        return r;
    }
    uint64_t at = nearest_mark(&r, key, order);
    for (r.spill.at = at;; at = r.spill.at) {
        const void *record = as_sorter_next(&r);
        if (!record || order(record, key) >= 0) break;
    }
    r.spill.at = at;
    return r;
}
