// SPDX-License-Identifier: Apache-2.0
#include "harness/suite/dataset_ids.h"

#include <stdlib.h>
#include <string.h>

enum { LINE_BITS = 40 };

as_dataset_place as_dataset_place_of(size_t path, size_t line) {
    return (uint64_t)path << LINE_BITS | line;
}

size_t as_dataset_place_path(as_dataset_place place) {
    return (size_t)(place >> LINE_BITS);
}

size_t as_dataset_place_line(as_dataset_place place) {
    return (size_t)(place & (((uint64_t)1 << LINE_BITS) - 1));
}

// The id follows.
typedef struct entry {
    as_dataset_place place;
    uint32_t made, len;
} entry;

struct as_dataset_ids {
    as_sorter *entries;
    as_buf room;
};

static as_str id_of(const entry *e) {
    return (as_str){(const char *)(e + 1), e->len};
}

static int by_id(const void *a, const void *b) {
    return as_str_cmp(id_of(a), id_of(b));
}

as_dataset_ids *as_dataset_ids_new(void) {
    as_dataset_ids *ids = as_mem_new(sizeof *ids);
    ids->entries = as_sorter_new(by_id);
    return ids;
}

void as_dataset_ids_free(as_dataset_ids *ids) {
    as_sorter_free(ids->entries);
    as_buf_free(&ids->room);
    free(ids);
}

void as_dataset_ids_add(as_dataset_ids *ids, as_str id, as_dataset_place place, bool made) {
    entry e = {place, made, (uint32_t)id.len};
    as_buf_clear(&ids->room);
    as_buf_add(&ids->room, &e, sizeof e);
    as_buf_str(&ids->room, id);
    as_sorter_add(ids->entries, ids->room.ptr, ids->room.len);
}

// The `most` with the least places, ascending.
typedef struct first_few {
    as_dataset_twin *items;
    size_t count, most;
} first_few;

static void keep(first_few *few, const as_dataset_twin *twin) {
    size_t at = few->count;
    while (at && few->items[at - 1].place > twin->place) at--;
    if (at == few->most) return;
    if (few->count < few->most) few->count++;
    memmove(&few->items[at + 1], &few->items[at], (few->count - 1 - at) * sizeof *twin);
    few->items[at] = *twin;
}

// All cases with one id were seen, the first of them in `same`: the others are twins of it.
static void end_id(as_arena *arena, const first_few *same, as_str id, first_few *out) {
    as_str kept = {0};
    for (size_t i = 1; i < same->count; i++) {
        as_dataset_twin twin = same->items[i];
        if (out->count == out->most && twin.place > out->items[out->count - 1].place) return;
        if (!kept.ptr) kept = as_str_copy(arena, id);
        twin.first = same->items[0].place;
        twin.id = kept;
        keep(out, &twin);
    }
}

uint64_t as_dataset_ids_twins(as_dataset_ids *ids, as_arena *arena, size_t most,
                              as_dataset_twin *out) {
    as_sorter_sort(ids->entries);
    if (!as_sorter_has_twins(ids->entries)) return 0;
    first_few found = {out, 0, most}, same = {as_mem_new((most + 2) * sizeof *out), 0, most + 1};
    as_sorter_reader reader = as_sorter_read(ids->entries);
    as_buf id = {0};
    uint64_t count = 0;
    for (const entry *e; (e = as_sorter_next(&reader));) {
        if (same.count && as_str_eq(id_of(e), as_buf_view(&id))) {
            count++;
        } else {
            end_id(arena, &same, as_buf_view(&id), &found);
            same.count = 0;
            as_buf_clear(&id);
            as_buf_str(&id, id_of(e));
        }
        as_dataset_twin twin = {.place = e->place, .made = e->made};
        keep(&same, &twin);
    }
    end_id(arena, &same, as_buf_view(&id), &found);
    as_sorter_done(&reader);
    as_buf_free(&id);
    free(same.items);
    return count;
}
