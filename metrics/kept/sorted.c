// SPDX-License-Identifier: Apache-2.0
#include "metrics/kept/sorted.h"

#include <math.h>
#include <stdlib.h>

#include "harness/base/arena.h"
#include "metrics/num.h"

enum { RUN_MIN = 64, RUN_MAX = 128 * 1024 };

static void spill_run(as_sorted *s) {
    as_num_sort(s->run, s->run_size);
    s->runs = as_mem_grow(s->runs, as_size_mul(s->run_count + 1, sizeof *s->runs));
    as_spill *run = &s->runs[s->run_count++];
    *run = (as_spill){0};
    as_spill_add(run, s->run, s->run_size * sizeof *s->run);
    as_spill_end(run);
    s->run_size = 0;
}

void as_sorted_add(as_sorted *s, double value) {
    if (!s->run_max) {
        size_t room = as_spill_room() / 2 / sizeof value;
        s->run_max = room < RUN_MIN ? RUN_MIN : room < RUN_MAX ? room : RUN_MAX;
    }
    if (s->run_size == s->run_max) spill_run(s);
    if (s->run_size == s->run_capacity) {
        s->run_capacity = s->run_capacity ? 2 * s->run_capacity : RUN_MIN;
        s->run = as_mem_grow(s->run, as_size_mul(s->run_capacity, sizeof *s->run));
    }
    s->run[s->run_size++] = value;
    s->count++;
}

// One run while it is merged; NaN at its end.
typedef struct source {
    as_spill_reader reader;
    double value;
} source;

static void advance(source *s) {
    const double *next = as_spill_next(&s->reader, sizeof *next);
    s->value = next ? *next : NAN;
}

static void sink(source *heap, size_t count, size_t at) {
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++)
            if (heap[child].value < heap[least].value || isnan(heap[least].value)) least = child;
        if (least == at || isnan(heap[least].value)) return;
        source moved = heap[at];
        heap[at] = heap[least];
        heap[least] = moved;
        at = least;
    }
}

void as_sorted_seal(as_sorted *s) {
    if (!s->run_count) {
        as_num_sort(s->run, s->run_size);
        return;
    }
    if (s->run_size) spill_run(s);
    free(s->run);
    s->run = NULL;
    source *heap = as_mem_new(as_size_mul(s->run_count, sizeof *heap));
    for (size_t i = 0; i < s->run_count; i++) {
        heap[i].reader.spill = &s->runs[i];
        advance(&heap[i]);
    }
    for (size_t i = s->run_count; i-- > 0;) sink(heap, s->run_count, i);
    for (size_t i = 0; i < s->count; i++) {
        as_spill_add(&s->all, &heap[0].value, sizeof(double));
        advance(&heap[0]);
        sink(heap, s->run_count, 0);
    }
    as_spill_end(&s->all);
    for (size_t i = 0; i < s->run_count; i++) {
        as_spill_done(&heap[i].reader);
        as_spill_free(&s->runs[i]);
    }
    free(heap);
}

double as_sorted_at(const as_sorted *s, size_t rank) {
    double value;
    if (!s->run_count) return s->run[rank];
    as_spill_read(&s->all, (uint64_t)rank * sizeof value, &value, sizeof value);
    return value;
}

void as_sorted_free(as_sorted *s) {
    free(s->run);
    for (size_t i = 0; i < s->run_count; i++) as_spill_free(&s->runs[i]);
    free(s->runs);
    as_spill_free(&s->all);
    *s = (as_sorted){0};
}

as_sorted_reader as_sorted_read(const as_sorted *s) {
    return (as_sorted_reader){.of = s, .spill = {.spill = &s->all}};
}

bool as_sorted_next(as_sorted_reader *r, double *out) {
    if (r->next == r->of->count) return false;
    const double *value =
        r->of->run_count ? as_spill_next(&r->spill, sizeof *value) : &r->of->run[r->next];
    r->next++;
    *out = *value;
    return true;
}

void as_sorted_done(as_sorted_reader *r) {
    as_spill_done(&r->spill);
    *r = (as_sorted_reader){0};
}
