// SPDX-License-Identifier: Apache-2.0
// embedder.c - texts into vectors, of encoders and decoders (engine.h): batches, pooling, length 1.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/engine/backend.h"
#include "harness/engine/batch/session.h"
#include "harness/engine/encoder.h"
#include "harness/engine/memory/layout.h"

enum { BATCH_ROWS = 256 }; // rows that texts are put together up to

struct as_embedder {
    const as_model *model;
    const as_backend *backend;
    as_pooling pooling;
    size_t context, threads;
    as_err failure;
    as_encoder *encoder; // or, of a decoder,
    as_device *device;
    as_lane *lane;
    size_t room;    // rows of a batch
    as_span *spans; // [pages of the context]
    as_row *rows;   // [room]
    as_want *wants; // [room]
    float *states;  // [room][width]
    // Of a model with dense layers behind it:
    void *memory; // pages that hold
    size_t memory_size;
    float *wide;    // [dense[0].rows]
    as_qrows codes; // a row of the wider of the two
    void *scratch;
};

static const char *const names[] = {"", "mean", "cls", "last", NULL};

static as_rc choose_pooling(const as_model *model, as_str asked, as_pooling *out, as_err *err) {
    if (!asked.len) {
        *out = model->hparams.pooling;
        if (*out != AS_POOLING_NONE && *out != AS_POOLING_RANK) return AS_OK;
        if (*out == AS_POOLING_RANK)
            return as_fail(err, AS_INVALID,
                           "'%.*s' scores pairs of texts (pooling 'rank'): it has no embeddings",
                           AS_STR_ARG(model->info.name));
        return as_fail(err, AS_INVALID,
                       "'%.*s' does not say how its rows become an embedding: ask for pooling "
                       "mean, cls or last",
                       AS_STR_ARG(model->info.name));
    }
    for (size_t i = 1; names[i]; i++) {
        *out = (as_pooling)i;
        if (as_str_is(asked, names[i])) return AS_OK;
    }
    const char *near = as_str_nearest(asked, names + 1);
    return as_fail(err, AS_INVALID, "pooling is '%.*s'; expected mean, cls or last%s%s%s",
                   AS_STR_ARG(asked), near ? " (did you mean '" : "", near ? near : "",
                   near ? "'?)" : "");
}

// Batches of so many rows.
static as_rc make_room(as_embedder *e, size_t rows, as_err *err) {
    if (e->lane) e->backend->lane_free(e->lane);
    e->lane = NULL;
    e->room = 0;
    as_rc rc = e->backend->lane_new(e->device, rows, e->threads, &e->lane, err);
    if (rc) return rc;
    e->rows = as_mem_grow(e->rows, as_size_mul(rows, sizeof *e->rows));
    e->wants = as_mem_grow(e->wants, as_size_mul(rows, sizeof *e->wants));
    e->states = as_mem_grow(e->states, as_size_mul(rows * sizeof *e->states, e->model->info.width));
    e->room = rows;
    return AS_OK;
}

static void lay_out_dense(as_embedder *e, as_layout *l) {
    const as_matrix *wide = &e->model->weights.dense[0];
    size_t n = wide->rows > wide->cols ? wide->rows : wide->cols;
    e->wide = as_layout_floats(l, 1, n);
    e->codes = as_layout_qrows(l, 1, (n + AS_QBLOCK - 1) / AS_QBLOCK * AS_QBLOCK);
    e->scratch = as_layout_part(l, e->model->weights.scratch_size, 1);
}

static void make_dense(as_embedder *e) {
    if (!e->model->weights.dense[0].rows) return;
    as_layout l = {0};
    lay_out_dense(e, &l);
    e->memory_size = l.used;
    l = (as_layout){e->memory = as_file_pages(l.used), 0};
    lay_out_dense(e, &l);
}

// The pages of a decoder's one text, and what runs over them.
static as_rc open_decoder(as_embedder *e, as_err *err) {
    const as_backend *b = e->backend;
    size_t pages = (e->context + AS_PAGE - 1) / AS_PAGE;
    as_rc rc = b->open(e->model, AS_KV_F32, e->context, pages, &e->device, err);
    if (!rc) rc = make_room(e, AS_CHUNK, err);
    if (rc) return rc;
    e->spans = as_mem_new(as_size_mul(pages, sizeof *e->spans));
    for (size_t i = 0; i < pages; i++) e->spans[i] = (as_span){(uint32_t)i, 0, AS_PAGE};
    make_dense(e);
    return AS_OK;
}

// All but the memory.
static as_rc plan(const as_model *model, const as_embedder_options *options, as_embedder *out,
                  as_err *err) {
    *out = (as_embedder){.model = model, .context = options->context, .threads = options->threads};
    if (!out->context) out->context = model->info.context_length;
    if (!out->threads) out->threads = 1;
    as_rc rc = choose_pooling(model, options->pooling, &out->pooling, err);
    if (!rc) rc = as_backend_find(options->device, &out->backend, err);
    if (rc) return rc;
    if (out->context > model->info.context_length)
        return as_fail(err, AS_INVALID, "a context of %zu tokens is longer than the model's %zu",
                       out->context, model->info.context_length);
    if (out->threads > AS_THREADS_MAX)
        return as_fail(err, AS_INVALID, "%zu threads are more than %d", out->threads,
                       AS_THREADS_MAX);
    return AS_OK;
}

as_rc as_embedder_check(const as_model *model, const as_embedder_options *options, as_err *err) {
    as_embedder e;
    as_rc rc = plan(model, options, &e, err);
    return rc || !e.backend->probe ? rc : e.backend->probe(err);
}

as_rc as_embedder_new(const as_model *model, const as_embedder_options *options, as_embedder **out,
                      as_err *err) {
    as_embedder planned;
    as_rc rc = plan(model, options, &planned, err);
    if (rc) return rc;
    as_embedder *e = as_mem_new(sizeof *e);
    *e = planned;
    if (model->hparams.arch->encoder)
        rc = e->backend->encoder_new(model, e->threads, &e->encoder, err);
    else
        rc = open_decoder(e, err);
    if (rc)
        as_embedder_free(e);
    else
        *out = e;
    return rc;
}

void as_embedder_free(as_embedder *embedder) {
    if (!embedder) return;
    const as_backend *b = embedder->backend;
    if (embedder->encoder) b->encoder_free(embedder->encoder);
    if (embedder->lane) b->lane_free(embedder->lane);
    if (embedder->device) b->close(embedder->device);
    free(embedder->spans);
    free(embedder->rows);
    free(embedder->wants);
    free(embedder->states);
    as_file_pages_free(embedder->memory, embedder->memory_size);
    free(embedder);
}

const char *as_embedder_failure(const as_embedder *embedder) {
    return embedder->failure.text;
}

const char *as_embedder_pooling(const as_embedder *embedder) {
    return names[embedder->pooling];
}

as_rc as_embedder_tokenize(const as_embedder *embedder, as_arena *arena, as_str text,
                           as_tokens *out, as_err *err) {
    const as_vocab *vocab = &embedder->model->vocab;
    as_rc rc = as_vocab_tokenize(vocab, arena, text, false, true, out, err);
    if (rc || !vocab->asks_eos || vocab->add_eos || vocab->eos == AS_TOKEN_NONE) return rc;
    uint32_t *ids = AS_NEW_ARRAY(arena, uint32_t, out->count + 1);
    if (out->count) memcpy(ids, out->ids, out->count * sizeof *ids);
    ids[out->count] = vocab->eos;
    *out = (as_tokens){ids, out->count + 1};
    return AS_OK;
}

// Takes row `at` of a text of `count` into out[width], which was zero before the first.
static void pool(const as_embedder *e, const float *row, size_t at, size_t count, float *out) {
    bool wanted = e->pooling == AS_POOLING_MEAN ||
                  (e->pooling == AS_POOLING_FIRST ? at == 0 : at + 1 == count);
    if (wanted) e->model->kernels->add(out, row, e->model->info.width);
}

// out = w x
static void multiply(as_embedder *e, const as_matrix *w, const float *x, float *out) {
    as_qrows row = e->codes;
    row.cols = w->cols;
    if (as_wtype_quantized(w->type)) e->model->kernels->quantize_row(&row, 0, x);
    as_matrix_multiply(e->model->kernels, w, 0, (w->rows + AS_PANEL - 1) / AS_PANEL, x, &row, 1,
                       out, w->rows, e->scratch);
}

// To length 1, which makes a mean of a sum too. A vector that is no number stays as it is.
static void to_length_1(const as_embedder *e, float *out) {
    size_t n = e->model->info.width;
    float length = sqrtf(e->model->kernels->dot(out, out, n));
    for (size_t i = 0; length > 0.0f && i < n; i++) out[i] /= length;
}

static as_rc run_encoder(as_embedder *e, const as_tokens *texts, size_t count, float *out) {
    size_t width = e->model->info.width;
    for (size_t done = 0, next; done < count; done = next) {
        size_t rows = texts[done].count;
        for (next = done + 1; next < count && rows + texts[next].count <= BATCH_ROWS; next++)
            rows += texts[next].count;
        const float *x;
        as_rc rc = e->backend->encoder_run(e->encoder, texts + done, next - done, &x, &e->failure);
        if (rc) return rc;
        for (size_t i = done; i < next; i++)
            for (size_t m = 0; m < texts[i].count; m++, x += width)
                pool(e, x, m, texts[i].count, out + i * width);
    }
    return AS_OK;
}

static as_rc run_decoder(as_embedder *e, as_tokens text, float *out) {
    size_t width = e->model->info.width;
    const as_matrix *dense = e->model->weights.dense;
    if (e->model->hparams.arch->both_ways && text.count > e->room) { // all of it at once
        size_t rows = (text.count + AS_CHUNK - 1) / AS_CHUNK * AS_CHUNK;
        as_rc rc = make_room(e, rows, &e->failure);
        if (rc) return rc;
    }
    as_view view = {e->spans, (text.count + AS_PAGE - 1) / AS_PAGE};
    for (size_t done = 0, n; done < text.count; done += n) {
        n = text.count - done < e->room ? text.count - done : e->room;
        for (size_t m = 0; m < n; m++) {
            e->rows[m] = (as_row){text.ids[done + m], (uint32_t)(done + m), 0};
            e->wants[m] = (as_want){.row = (uint32_t)m, .state = e->states + m * width};
        }
        as_batch batch = {&view, e->rows, e->wants, 1, n, n};
        as_rc rc = e->backend->run(e->lane, &batch, &e->failure);
        if (rc) return rc;
        for (size_t m = 0; m < n; m++) pool(e, e->states + m * width, done + m, text.count, out);
    }
    if (dense[0].rows) {
        multiply(e, &dense[0], out, e->wide);
        multiply(e, &dense[1], e->wide, out);
    }
    return AS_OK;
}

as_eval_status as_embedder_run(as_embedder *embedder, const as_tokens *texts, size_t count,
                               float *out) {
    size_t width = embedder->model->info.width;
    for (size_t i = 0; i < count; i++)
        if (!texts[i].count || texts[i].count > embedder->context) return AS_EVAL_TOO_LONG;
    for (size_t i = 0; i < count * width; i++) out[i] = 0.0f;
    as_rc rc = embedder->encoder ? run_encoder(embedder, texts, count, out) : AS_OK;
    for (size_t i = 0; !rc && !embedder->encoder && i < count; i++)
        rc = run_decoder(embedder, texts[i], out + i * width);
    if (rc) return AS_EVAL_FAILED;
    for (size_t i = 0; i < count; i++) to_length_1(embedder, out + i * width);
    return AS_EVAL_OK;
}
