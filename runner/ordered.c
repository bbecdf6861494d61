// SPDX-License-Identifier: Apache-2.0
#include "runner/ordered.h"

#include <stdlib.h>

#include "metrics/gates/sequential.h"

typedef struct entry {
    uint64_t place;
    as_case case_;
    uint64_t sample;
    as_sample *held;
    bool skipped; // finished before: nothing to wait for
} entry;

struct as_ordered {
    as_arena arena;
    entry *entries; // in order
    size_t count, capacity;
    size_t asked, taken;
    as_map by_key; // as_sample_key -> place in entries
};

static int order(const void *x, const void *y) {
    const entry *a = x, *b = y;
    if (a->place != b->place) return a->place < b->place ? -1 : 1;
    int way = as_str_cmp(a->case_.cluster, b->case_.cluster); // two clusters of one place
    if (!way) way = as_str_cmp(a->case_.id, b->case_.id);
    return way ? way : (a->sample > b->sample) - (a->sample < b->sample);
}

static as_rc read_all(as_ordered *o, const as_plan *plan, uint64_t seed, as_err *err) {
    as_dataset *dataset;
    as_rc rc = as_dataset_open(&plan->dataset, &dataset, err);
    if (rc) return rc;
    o->entries = as_mem_new(
        as_size_mul(as_size_mul((size_t)plan->case_count, (size_t)plan->suite.samples) + 1,
                    sizeof *o->entries));
    bool more = true;
    for (uint64_t cases = 0; !rc && more && cases < plan->case_count; cases++) {
        entry *e = &o->entries[o->count];
        rc = as_dataset_next(dataset, &o->arena, &e->case_, &more, err);
        if (rc || !more) break;
        e->place = as_sequential_place(seed, e->case_.id, e->case_.cluster);
        entry first = *e;
        for (uint64_t k = 0; k < plan->suite.samples; k++) {
            o->entries[o->count] = first;
            o->entries[o->count++].sample = k;
        }
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
    for (size_t i = 0; i < o->count; i++)
        as_map_add(&o->by_key,
                   as_sample_key(&o->arena, o->entries[i].case_.id, o->entries[i].sample), i, NULL);
    *out = o;
    return AS_OK;
}

void as_ordered_free(as_ordered *o) {
    if (!o) return;
    free(o->entries);
    as_map_free(&o->by_key);
    as_arena_free(&o->arena);
    free(o);
}

bool as_ordered_next(as_ordered *o, const as_keyset *finished, as_case *out, uint64_t *sample) {
    while (o->asked < o->count) {
        entry *e = &o->entries[o->asked++];
        e->skipped = as_keyset_has(finished, e->case_.id, e->sample);
        if (e->skipped) continue;
        *out = e->case_;
        *sample = e->sample;
        return true;
    }
    return false;
}

void as_ordered_hold(as_ordered *o, const as_sample *sample) {
    uint64_t at;
    if (as_map_get(&o->by_key, as_sample_key(&o->arena, sample->id, sample->sample), &at))
        o->entries[at].held = as_sample_copy(&o->arena, sample);
}

as_sample *as_ordered_release(as_ordered *o) {
    while (o->taken < o->asked && o->entries[o->taken].skipped) o->taken++;
    if (o->taken == o->asked || !o->entries[o->taken].held) return NULL;
    return o->entries[o->taken++].held;
}
