// SPDX-License-Identifier: Apache-2.0
// tally.h - lays the statistics of cases out for resample.h: which place of a tally belongs to
// which metric and label, for one run or for two that are compared.
#ifndef AS_TALLY_H
#define AS_TALLY_H

#include "metrics/resample.h"

// One tally for some CORPUS metrics. All label metrics share one block at `label_at`.
typedef struct as_layout {
    const as_functional *functionals; // [count], with the metrics given
    size_t count, width, label_at, label_count;
    bool has_labels, has_ranks;
} as_layout;

as_layout as_tally_layout(as_arena *arena, const as_metric *const *metrics, size_t count,
                          size_t label_count);

// A missing answer may stand for a wrong or a right one: then `row` is the same case of the other
// run, for what was expected.
typedef enum as_stand_in { AS_STAND_NONE, AS_STAND_WRONG, AS_STAND_RIGHT } as_stand_in;

typedef struct as_tally_row {
    const as_scorer *scorer;
    const as_row *row;
    const as_metric *const *metrics; // [layout.count]: the scorer's own
    const uint32_t *labels;          // place of each of the scorer's labels
    as_stand_in stand_in;
} as_tally_row;

// Units while they are gathered, and afterwards: in the order of their clusters, spilled beyond a
// budget. Each is its number of statistics (uint64_t) and these (as_stat).
typedef struct as_unit_list {
    as_spill items;
    as_sorter *pieces; // of clusters with several cases, until they are put together
    size_t count, cases, width, label_count;
    as_stat *room; // of the case that is added
    size_t room_size;
} as_unit_list;

as_unit_list as_tally_begin(const as_layout *layout);
void as_tally_add(as_unit_list *list, const as_layout *layout, const as_tally_row *row,
                  uint32_t cluster);
void as_tally_end(as_unit_list *list);
void as_tally_free(as_unit_list *list);

void as_tally_sum(const as_unit_list *list, double *tally); // [width]

// The next unit's statistics; false at the end. Valid until the next call.
bool as_tally_next(as_spill_reader *reader, const as_stat **items, size_t *count);

// All units in memory.
as_units as_tally_load(as_arena *arena, const as_unit_list *list);

// The units in `count` blocks of as many units each (but for one), drawn at random from a constant
// seed. With thousands of units a bootstrap of blocks finds the same spread (its variance is off by
// about sqrt(2 / count)) in the time of that many units.
as_units as_tally_blocks(as_arena *arena, const as_unit_list *list, size_t count);

// Which block each unit is in: as many in each, in an order that has nothing to do with the cases'.
const uint16_t *as_tally_deal(as_arena *arena, size_t units, size_t blocks);

#endif
