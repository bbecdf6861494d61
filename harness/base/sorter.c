// SPDX-License-Identifier: Apache-2.0
#include "harness/base/sorter.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/arena.h"

// Runs merged at a time; of the records of a spilled result every so many'th place is known.
enum { FAN_IN = 64, RUN_MIN = 4096, MARK_EVERY = 64 };

// In memory and in a run a record stands behind its size.
typedef struct head {
    uint64_t size; // of the record with what aligns the next, bytes
} head;

struct as_sorter {
    as_sorter_order *order;
    size_t count;
    as_arena arena; // of the records that are no run yet
    head **records; // [record_count]
    size_t record_count, record_capacity, record_bytes;
    bool sorted; // `records` is
    as_spill runs[FAN_IN];
    size_t run_count;
    uint64_t *marks; // [mark_count] of the one run, once merged
    size_t mark_count, mark_capacity;
};

as_sorter *as_sorter_new(as_sorter_order *order) {
    as_sorter *s = as_mem_new(sizeof *s);
    s->order = order;
    return s;
}

void as_sorter_free(as_sorter *s) {
    if (!s) return;
    for (size_t i = 0; i < s->run_count; i++) as_spill_free(&s->runs[i]);
    as_arena_free(&s->arena);
    free(s->records);
    free(s->marks);
    free(s);
}

size_t as_sorter_count(const as_sorter *s) {
    return s->count;
}

// glibc's qsort takes no context: a merge sort of our own, which has one.
static void sort_part(as_sorter_order *order, head **at, head **spare, size_t count) {
    if (count < 2) return;
    size_t half = count / 2;
    sort_part(order, at, spare, half);
    sort_part(order, at + half, spare, count - half);
    if (order(at[half - 1] + 1, at[half] + 1) <= 0) return; // as most are that come nearly sorted
    memcpy(spare, at, half * sizeof *at);
    size_t i = 0, j = half, n = 0;
    while (i < half && j < count)
        at[n++] = order(at[j] + 1, spare[i] + 1) < 0 ? at[j++] : spare[i++];
    while (i < half) at[n++] = spare[i++];
}

static void sort_records(as_sorter *s) {
    if (s->sorted || !s->record_count) return;
    head **spare = as_mem_new(as_size_mul(s->record_count / 2 + 1, sizeof *spare));
    sort_part(s->order, s->records, spare, s->record_count);
    free(spare);
    s->sorted = true;
}

static void mark(as_sorter *s, uint64_t at) {
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
static void sink(as_sorter_order *order, source **heap, size_t count, size_t at) {
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++) {
            const void *a = heap[child]->record, *b = heap[least]->record;
            if (a && (!b || order(a, b) < 0)) least = child;
        }
        if (least == at) return;
        source *moved = heap[at];
        heap[at] = heap[least];
        heap[least] = moved;
        at = least;
    }
}

// All runs become one.
static void merge(as_sorter *s) {
    source *sources = as_mem_new(as_size_mul(s->run_count, sizeof *sources));
    source *heap[FAN_IN];
    as_spill out = {0};
    size_t written = 0;
    s->mark_count = 0;
    for (size_t i = 0; i < s->run_count; i++) {
        sources[i].reader.spill = &s->runs[i];
        advance(&sources[i]);
        heap[i] = &sources[i];
    }
    for (size_t i = s->run_count; i-- > 0;) sink(s->order, heap, s->run_count, i);
    while (heap[0]->record) {
        if (written++ % MARK_EVERY == 0) mark(s, as_spill_size(&out));
        as_spill_add(&out, &heap[0]->head, sizeof(head));
        as_spill_add(&out, heap[0]->record, (size_t)heap[0]->head.size);
        advance(heap[0]);
        sink(s->order, heap, s->run_count, 0);
    }
    for (size_t i = 0; i < s->run_count; i++) {
        as_spill_done(&sources[i].reader);
        as_spill_free(&s->runs[i]);
    }
    free(sources);
    s->runs[0] = out;
    s->run_count = 1;
}

static void spill_records(as_sorter *s) {
    if (!s->record_count) return;
    sort_records(s);
    if (s->run_count == FAN_IN) merge(s);
    as_spill *run = &s->runs[s->run_count++];
    *run = (as_spill){0};
    for (size_t i = 0; i < s->record_count; i++)
        as_spill_add(run, s->records[i], sizeof(head) + (size_t)s->records[i]->size);
    as_arena_free(&s->arena);
    free(s->records);
    s->records = NULL;
    s->record_count = s->record_capacity = s->record_bytes = 0;
    s->mark_count = 0;
}

void as_sorter_add(as_sorter *s, const void *record, size_t size) {
    size_t padded = (size + 7) & ~(size_t)7, room = as_spill_room() / 2;
    if (s->record_bytes && s->record_bytes + padded > (room > RUN_MIN ? room : RUN_MIN))
        spill_records(s);
    if (s->record_count == s->record_capacity) {
        s->record_capacity = s->record_capacity ? 2 * s->record_capacity : 64;
        s->records = as_mem_grow(s->records, as_size_mul(s->record_capacity, sizeof *s->records));
    }
    head *h = as_arena_take(&s->arena, sizeof *h + padded);
    h->size = padded;
    if (size) memcpy(h + 1, record, size);
    s->sorted = false;
    s->records[s->record_count++] = h;
    s->record_bytes += sizeof *h + padded + sizeof(head *);
    s->count++;
}

void as_sorter_sort(as_sorter *s) {
    if (!s->run_count) {
        sort_records(s);
        return;
    }
    spill_records(s);
    if (s->run_count > 1 || !s->mark_count) merge(s);
}

as_sorter_reader as_sorter_read(const as_sorter *s) {
    return (as_sorter_reader){.sorter = s, .spill = {.spill = s->run_count ? &s->runs[0] : NULL}};
}

const void *as_sorter_next(as_sorter_reader *r) {
    const as_sorter *s = r->sorter;
    if (!r->spill.spill) return r->next < s->record_count ? s->records[r->next++] + 1 : NULL;
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
        size_t lo = 0, hi = s->record_count;
        while (lo < hi) {
            size_t mid = lo + (hi - lo) / 2;
            if (order(s->records[mid] + 1, key) < 0)
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
