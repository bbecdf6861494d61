// SPDX-License-Identifier: Apache-2.0
// dataset_ids.h - which ids of a dataset stand there twice; inside harness/suite only. All are kept
// (in a sorter: little memory, however many they are) and compared at the end.
#ifndef AS_DATASET_IDS_H
#define AS_DATASET_IDS_H

#include "harness/base/sorter.h"
#include "harness/base/str.h"

// Where a case stands. Places are ordered as cases are.
typedef uint64_t as_dataset_place;
as_dataset_place as_dataset_place_of(size_t path, size_t line); // line 0: the file as a whole
size_t as_dataset_place_path(as_dataset_place place);
size_t as_dataset_place_line(as_dataset_place place);

typedef struct as_dataset_ids as_dataset_ids;

as_dataset_ids *as_dataset_ids_new(void);
// `made`: there was none, and it is a hash of the content.
void as_dataset_ids_add(as_dataset_ids *ids, as_str id, as_dataset_place place, bool made);
void as_dataset_ids_free(as_dataset_ids *ids);

typedef struct as_dataset_twin {
    as_str id;
    as_dataset_place first, place; // first: of the first case with that id
    bool made;
} as_dataset_twin;

// Cases whose id an earlier one has: the first `most` of them, in their order, into out [most] with
// their ids in `arena`. Returns how many there are in all.
uint64_t as_dataset_ids_twins(as_dataset_ids *ids, as_arena *arena, size_t most,
                              as_dataset_twin *out);

#endif
