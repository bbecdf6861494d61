// SPDX-License-Identifier: Apache-2.0
#include "runner/ordered.h"

#include <stdlib.h>

#include "metrics/gates/sequential.h"

typedef struct entry {
    uint64_t place;
    as_case case_;
    as_sample *held;
    bool skipped; // finished before: nothing to wait for
} entry;

struct as_ordered {
    as_arena arena;
    entry *entries; // in order
    size_t count, capacity;
    size_t asked, taken;
    as_map by_id; // id -> place in entries
};

static int order(const void *x, const void *y) {
    const entry *a = x, *b = y;
    if (a->place != b->place) return a->place < b->place ? -1 : 1;
    int way = as_str_cmp(a->case_.cluster, b->case_.cluster); // two clusters of one place
    return way ? way : as_str_cmp(a->case_.id, b->case_.id);
}

static as_rc read_all(as_ordered *o, const as_plan *plan, uint64_t seed, as_err *err) {
    as_dataset *dataset;
    as_rc rc = as_dataset_open(&plan->dataset, &dataset, err);
    if (rc) return rc;
    o->entries = as_mem_new(as_size_mul((size_t)plan->case_count + 1, sizeof *o->entries));
    bool more = true;
    while (!rc && more && o->count < plan->case_count) {
        entry *e = &o->entries[o->count];
        rc = as_dataset_next(dataset, &o->arena, &e->case_, &more, err);
        if (rc || !more) break;
        e->place = as_sequential_place(seed, e->case_.id, e->case_.cluster);
        o->count++;
    }
    as_dataset_close(dataset);
    return rc;
}

as_rc as_ordered_new(const as_plan *plan, uint64_t seed, as_ordered **out, as_err *err) {
    as_ordered *o = as_mem_new(sizeof *o);
    as_rc rc = read_all(o, plan, seed, err);
    if (rc) {
        as_ordered_free(o);
        return rc;
    }
    if (o->count) qsort(o->entries, o->count, sizeof *o->entries, order);
    for (size_t i = 0; i < o->count; i++) as_map_add(&o->by_id, o->entries[i].case_.id, i, NULL);
    *out = o;
    return AS_OK;
}

void as_ordered_free(as_ordered *o) {
    if (!o) return;
    free(o->entries);
    as_map_free(&o->by_id);
    as_arena_free(&o->arena);
    free(o);
}

bool as_ordered_next(as_ordered *o, const as_map *finished, as_case *out) {
    while (o->asked < o->count) {
        entry *e = &o->entries[o->asked++];
        uint64_t unused;
        e->skipped = as_map_get(finished, e->case_.id, &unused);
        if (e->skipped) continue;
        *out = e->case_;
        return true;
    }
    return false;
}

void as_ordered_hold(as_ordered *o, const as_sample *sample) {
    uint64_t at;
    if (as_map_get(&o->by_id, sample->id, &at))
        o->entries[at].held = as_sample_copy(&o->arena, sample);
}

as_sample *as_ordered_release(as_ordered *o) {
    while (o->taken < o->asked && o->entries[o->taken].skipped) o->taken++;
    if (o->taken == o->asked || !o->entries[o->taken].held) return NULL;
    return o->entries[o->taken++].held;
}
