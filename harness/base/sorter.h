// SPDX-License-Identifier: Apache-2.0
// sorter.h - records of any size, put in order in little memory however many they are: runs that
// fit are sorted there, spilled (spill.h) and merged. Few records never leave memory, and records
// that come nearly in order (each at most some thousand places from its own) are one run.
//
// Records are copied and come back aligned to 8. The order must tell all records apart that it
// matters to tell apart: it is not stable. One thread adds and sorts; several may read then.
#ifndef AS_SORTER_H
#define AS_SORTER_H

#include <stdbool.h>

#include "harness/base/spill.h"

typedef int as_sorter_order(const void *a, const void *b);

typedef struct as_sorter as_sorter;

as_sorter *as_sorter_new(as_sorter_order *order);
void as_sorter_add(as_sorter *sorter, const void *record, size_t size);
size_t as_sorter_count(const as_sorter *sorter);
void as_sorter_sort(as_sorter *sorter); // before reading; more may be added, then it is due again
void as_sorter_free(as_sorter *sorter);

// Of a sorted one: whether it holds two records that the order does not tell apart.
bool as_sorter_has_twins(const as_sorter *sorter);

typedef struct as_sorter_reader {
    const as_sorter *sorter;
    as_spill_reader spill;
    size_t next;
} as_sorter_reader;

// From the first record on. Of a sorted one.
as_sorter_reader as_sorter_read(const as_sorter *sorter);
const void *as_sorter_next(as_sorter_reader *reader); // valid until the next; NULL at the end
void as_sorter_done(as_sorter_reader *reader);

// A reader whose next record is the first that is not before `key`, as `order` sees it.
as_sorter_reader as_sorter_find(const as_sorter *sorter, const void *key, as_sorter_order *order);

#endif
