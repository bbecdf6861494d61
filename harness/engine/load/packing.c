// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/load/packing.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/file.h"
#include "harness/base/thread.h"
#include "harness/engine/tensor_type.h"
#include "kernels/coded.h"

// What a thread takes at once: small beside a model, large beside what it costs to take it.
enum { UNIT_SIZE = 1 << 20 };

// Panels of a job that are packed together.
typedef struct unit {
    const as_packing_job *job;
    size_t row, rows;
} unit;

typedef struct units {
    unit *all; // [count]
    size_t count;
    bool forget;
    atomic_size_t next;
} units;

void as_packing_add(as_packing *packing, const as_matrix *matrix, const as_gguf_tensor *tensor,
                    size_t first) {
    if (packing->count == packing->room) {
        packing->room = packing->room ? 2 * packing->room : 64;
        packing->jobs =
            as_mem_grow(packing->jobs, as_size_mul(packing->room, sizeof *packing->jobs));
    }
    size_t row_size = tensor->size / (size_t)(tensor->elements / matrix->cols);
    packing->jobs[packing->count++] = (as_packing_job){.matrix = *matrix,
                                                       .type = tensor->type,
                                                       .from = tensor->bytes + first * row_size,
                                                       .row_size = row_size};
}

static size_t unit_rows(const as_packing_job *job) {
    size_t panels = UNIT_SIZE / AS_PANEL / (job->row_size + 1) + 1;
    return panels * AS_PANEL;
}

static as_matrix part_of(const as_matrix *w, size_t row, size_t rows) {
    as_matrix part = *w;
    part.rows = rows;
    part.values = (char *)w->values + as_matrix_values_size(w->type, row, w->cols);
    if (w->scales) part.scales = (char *)w->scales + as_matrix_scales_size(w->type, row, w->cols);
    return part;
}

// Rows of a type that is only decoded, panel by panel.
static void pack_coded(const as_packing_job *job, size_t row, size_t end) {
    const as_matrix *w = &job->matrix;
    size_t held = as_wtype_size(w->type, w->cols);
    unsigned char *rows = as_mem_new(AS_PANEL * held);
    for (; row < end; row += AS_PANEL) {
        as_matrix panel = part_of(w, row, end - row < AS_PANEL ? end - row : AS_PANEL);
        for (size_t r = 0; r < panel.rows; r++)
            as_tensor_recode(job->type, job->from + (row + r) * job->row_size, w->cols,
                             rows + r * held);
        as_matrix_pack(&panel, rows);
    }
    free(rows);
}

static void pack_rows(const as_packing_job *job, size_t row, size_t rows) {
    as_matrix part = part_of(&job->matrix, row, rows);
    as_matrix_pack(&part, job->from + row * job->row_size);
}

static void pack_units(void *context, size_t index, size_t count) {
    units *u = context;
    (void)index;
    (void)count;
    for (size_t i; (i = atomic_fetch_add(&u->next, 1)) < u->count;) {
        const unit *at = &u->all[i];
        const as_packing_job *job = at->job;
        const unsigned char *from = job->from + at->row * job->row_size;
        if (job->matrix.coded)
            as_coded_pack((as_coded)(job->matrix.coded - 1), at->rows, job->matrix.cols, from,
                          (char *)job->matrix.values + at->row * job->row_size);
        else if (as_tensor_coded(job->type))
            pack_coded(job, at->row, at->row + at->rows);
        else
            pack_rows(job, at->row, at->rows);
        if (u->forget) as_file_forget(from, at->rows * job->row_size);
    }
}

static void split(const as_packing *packing, units *out) {
    *out = (units){.forget = packing->forget};
    for (int pass = 0; pass < 2; pass++) {
        size_t n = 0;
        for (size_t i = 0; i < packing->count; i++) {
            const as_packing_job *job = &packing->jobs[i];
            size_t rows = unit_rows(job), all = job->matrix.rows;
            for (size_t row = 0; row < all; row += rows, n++)
                if (pass) out->all[n] = (unit){job, row, all - row < rows ? all - row : rows};
        }
        out->count = n;
        if (!pass) out->all = as_mem_new(as_size_mul(n, sizeof *out->all));
    }
}

void as_packing_run(as_packing *packing, size_t threads) {
    units u;
    as_team *team = NULL;
    as_err unused;
    split(packing, &u);
    if (threads > u.count) threads = u.count;
    if (threads > 1 && !as_team_new(threads, &team, &unused)) {
        as_team_run(team, pack_units, &u);
        as_team_free(team);
    } else {
        pack_units(&u, 0, 1);
    }
    free(u.all);
}

void as_packing_free(as_packing *packing) {
    free(packing->jobs);
    *packing = (as_packing){0};
}
