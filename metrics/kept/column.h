// SPDX-License-Identifier: Apache-2.0
// column.h - a value a case with its weight and its cluster, in little memory however many cases
// there are: added at the end, read in order as often as is wanted, spilled beyond a budget.
// Weights that are all alike, and clusters of one case each, take no room. A zeroed one is empty.
#ifndef AS_COLUMN_H
#define AS_COLUMN_H

#include <stdbool.h>

#include "harness/base/spill.h"

typedef struct as_column {
    as_spill values, weights, clusters;
    double weight;            // of all, unless `weighted`
    bool weighted, clustered; // clustered: some cluster holds more than one case
    size_t count, cluster_count;
} as_column;

typedef struct as_column_case {
    double value, weight;
    uint32_t cluster; // from 0, in order of first appearance
} as_column_case;

void as_column_add(as_column *column, double value, double weight, uint32_t cluster);
void as_column_free(as_column *column);

typedef struct as_column_reader {
    const as_column *column;
    as_spill_reader values, weights, clusters;
    size_t next;
} as_column_reader;

as_column_reader as_column_read(const as_column *column);
bool as_column_next(as_column_reader *reader, as_column_case *out); // at the end false, and done
void as_column_done(as_column_reader *reader);                      // where it is left early

#endif
