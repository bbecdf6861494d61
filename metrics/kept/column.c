// SPDX-License-Identifier: Apache-2.0
#include "metrics/kept/column.h"

static void add_number(as_spill *spill, uint32_t number) {
    as_spill_add(spill, &number, sizeof number);
}

void as_column_add(as_column *c, double value, double weight, uint32_t cluster) {
    if (!c->count) c->weight = weight;
    if (!c->weighted && weight != c->weight) {
        c->weighted = true;
        for (size_t i = 0; i < c->count; i++) as_spill_add(&c->weights, &c->weight, sizeof weight);
    }
    if (!c->clustered && cluster != c->count) {
        c->clustered = true;
        for (size_t i = 0; i < c->count; i++) add_number(&c->clusters, (uint32_t)i);
    }
    as_spill_add(&c->values, &value, sizeof value);
    if (c->weighted) as_spill_add(&c->weights, &weight, sizeof weight);
    if (c->clustered) add_number(&c->clusters, cluster);
    if (cluster >= c->cluster_count) c->cluster_count = (size_t)cluster + 1;
    c->count++;
}

void as_column_free(as_column *c) {
    as_spill_free(&c->values);
    as_spill_free(&c->weights);
    as_spill_free(&c->clusters);
    *c = (as_column){0};
}

as_column_reader as_column_read(const as_column *c) {
    return (as_column_reader){.column = c,
                              .values = {.spill = &c->values},
                              .weights = {.spill = &c->weights},
                              .clusters = {.spill = &c->clusters}};
}

bool as_column_next(as_column_reader *r, as_column_case *out) {
    const as_column *c = r->column;
    if (!c || r->next == c->count) {
        as_column_done(r);
        return false;
    }
    const double *value = as_spill_next(&r->values, sizeof *value);
    out->value = *value;
    out->weight = c->weight;
    out->cluster = (uint32_t)r->next++;
    if (c->weighted) {
        const double *weight = as_spill_next(&r->weights, sizeof *weight);
        out->weight = *weight;
    }
    if (c->clustered) {
        const uint32_t *cluster = as_spill_next(&r->clusters, sizeof *cluster);
        out->cluster = *cluster;
    }
    return true;
}

void as_column_done(as_column_reader *r) {
    as_spill_done(&r->values);
    as_spill_done(&r->weights);
    as_spill_done(&r->clusters);
    *r = (as_column_reader){0};
}
