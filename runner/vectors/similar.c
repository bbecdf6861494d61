// SPDX-License-Identifier: Apache-2.0
#include "runner/vectors/similar.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/log.h"
#include "harness/base/map.h"
#include "harness/base/utf8.h"
#include "harness/target/target.h"
#include "runner/vectors/nearest.h"

enum {
    TEXTS_A_REQUEST = 32,
    KEPT_SIZE_MAX = 256 * 1024 * 1024, // bytes of vectors that are kept
};

// A model, and the vectors it has made.
typedef struct embedding_model {
    as_str uri; // as the metric has it
    const as_target_ops *ops;
    as_target *target;
    as_target_worker *worker;
    as_arena arena; // of texts and vectors that are kept
    as_map places;  // text -> place in `vectors`
    const float **vectors;
    size_t count, capacity;
    size_t width; // 0 until the first one
    bool said_too_long;
} embedding_model;

struct as_similar {
    embedding_model *models;
    size_t count;
};

// --- models ---------------------------------------------------------------------------------

static as_rc open_model(embedding_model *m, as_str base_dir, as_err *err) {
    as_rc rc = as_target_resolve(m->uri, &m->ops, err);
    if (!rc) rc = m->ops->open(m->uri, base_dir, &m->target, err);
    if (!rc) rc = as_target_can_embed(m->ops, m->target, err);
    if (!rc) rc = m->ops->worker_new(m->target, &m->worker, err);
    if (rc) as_err_prefix(err, "metric 'semantic_similarity'");
    return rc;
}

static void forget(embedding_model *m) {
    as_arena_free(&m->arena);
    as_map_free(&m->places);
    m->places = (as_map){0};
    m->count = 0;
}

as_rc as_similar_new(const as_metric_spec *specs, size_t count, as_str base_dir, as_similar **out,
                     as_err *err) {
    as_similar *similar = as_mem_new(sizeof *similar);
    similar->models = as_mem_new(as_size_mul(count + 1, sizeof *similar->models));
    as_rc rc = AS_OK;
    for (size_t i = 0; !rc && i < count; i++) {
        const as_yaml *uri = NULL;
        if (as_str_is(specs[i].name, "semantic_similarity") && specs[i].options)
            uri = as_yaml_get(specs[i].options, "model");
        for (size_t j = 0; uri && j < similar->count; j++)
            if (as_str_eq(similar->models[j].uri, uri->text)) uri = NULL;
        if (!uri) continue;
        embedding_model *model = &similar->models[similar->count++];
        model->uri = uri->text;
        rc = open_model(model, base_dir, err);
    }
    if (rc || !similar->count) {
        as_similar_free(similar);
        similar = NULL;
    }
    if (!rc) *out = similar;
    return rc;
}

void as_similar_free(as_similar *similar) {
    if (!similar) return;
    for (size_t i = 0; i < similar->count; i++) {
        embedding_model *m = &similar->models[i];
        if (m->worker) m->ops->worker_free(m->worker);
        if (m->target) m->ops->close(m->target);
        forget(m);
        free(m->vectors);
    }
    free(similar->models);
    free(similar);
}

// --- texts into vectors -----------------------------------------------------------------------

// Texts that have no place yet, each once.
typedef struct wanted {
    as_str *texts;
    size_t count;
    as_map seen;
} wanted;

static void want(wanted *w, const embedding_model *m, as_str text) {
    uint64_t unused;
    if (as_map_get(&m->places, text, &unused) || !as_map_add(&w->seen, text, 0, NULL)) return;
    w->texts[w->count++] = text;
}

// A vector, or NULL for a text that has none.
static void keep(embedding_model *m, as_str text, const float *vector) {
    if (m->count == m->capacity) {
        m->capacity = m->capacity ? 2 * m->capacity : 256;
        m->vectors = as_mem_grow(m->vectors, as_size_mul(m->capacity, sizeof *m->vectors));
    }
    float *copy = NULL;
    if (vector) {
        copy = AS_NEW_ARRAY(&m->arena, float, m->width);
        memcpy(copy, vector, m->width * sizeof *copy);
    }
    as_map_add(&m->places, as_str_copy(&m->arena, text), m->count, NULL);
    m->vectors[m->count++] = copy;
}

typedef struct asking {
    as_request request;
    as_answer answer;
    as_arena arena;
} asking;

// Asks all of them; a target that waits has them under way together.
static void ask(embedding_model *m, asking *all, size_t count) {
    for (size_t i = 0; i < count; i++) {
        asking *a = &all[i];
        if (m->ops->begin)
            m->ops->begin(m->worker, &a->arena, &a->request, &a->answer, a, 0);
        else
            m->ops->answer(m->worker, &a->arena, &a->request, &a->answer);
    }
    for (size_t done = 0; m->ops->begin && done < count;)
        if (m->ops->next(m->worker, UINT64_MAX)) done++;
}

static as_rc failed(const embedding_model *m, const asking *a, as_err *err) {
    return as_fail(err, AS_UNMEASURED, "semantic_similarity: '%.*s' gave no embedding: %.*s",
                   AS_STR_ARG(m->uri), AS_STR_ARG(a->answer.error));
}

static as_rc take(embedding_model *m, const asking *a, as_err *err) {
    const as_answer *answer = &a->answer;
    if (m->width && m->width != answer->vector_width)
        return as_fail(err, AS_UNMEASURED,
                       "semantic_similarity: '%.*s' gave %zu numbers for one text, %zu for another",
                       AS_STR_ARG(m->uri), m->width, answer->vector_width);
    m->width = answer->vector_width;
    for (size_t i = 0; i < a->request.input_count; i++)
        keep(m, a->request.inputs[i], answer->vectors + i * m->width);
    return AS_OK;
}

static as_rc embed_texts(embedding_model *m, const as_str *texts, size_t count, size_t together,
                         as_err *err);

// A text among several that is too long: which one it is shows when each is asked alone.
static as_rc take_too_long(embedding_model *m, const asking *a, as_err *err) {
    if (a->request.input_count > 1)
        return embed_texts(m, a->request.inputs, a->request.input_count, 1, err);
    if (!m->said_too_long)
        as_log_warning(
            "semantic_similarity: a text is too long for '%.*s' (%.*s): the value of its "
            "case is null",
            AS_STR_ARG(m->uri), AS_STR_ARG(a->answer.error));
    m->said_too_long = true;
    keep(m, a->request.inputs[0], NULL);
    return AS_OK;
}

// `together` texts a request.
static as_rc embed_texts(embedding_model *m, const as_str *texts, size_t count, size_t together,
                         as_err *err) {
    size_t n = (count + together - 1) / together;
    asking *all = as_mem_new(as_size_mul(n + 1, sizeof *all));
    for (size_t i = 0; i < n; i++) {
        size_t left = count - i * together;
        all[i].request = (as_request){.task = AS_TASK_EMBED,
                                      .id = AS_STR("semantic_similarity"),
                                      .inputs = texts + i * together,
                                      .input_count = left < together ? left : together};
    }
    ask(m, all, n);
    as_rc rc = AS_OK;
    for (size_t i = 0; !rc && i < n; i++) {
        if (all[i].answer.outcome == AS_OUT_OK)
            rc = take(m, &all[i], err);
        else if (all[i].answer.outcome == AS_OUT_TRUNCATED)
            rc = take_too_long(m, &all[i], err);
        else
            rc = failed(m, &all[i], err);
    }
    for (size_t i = 0; i < n; i++) as_arena_free(&all[i].arena);
    free(all);
    return rc;
}

// --- samples ----------------------------------------------------------------------------------

// What an answer is compared with: the expected text, or each of a list.
static size_t references(as_arena *arena, const as_json *expected, const as_str **out) {
    bool list = expected && expected->kind == AS_JSON_ARRAY;
    size_t n = 0, count = list ? expected->count : expected ? 1 : 0;
    as_str *texts = AS_NEW_ARRAY(arena, as_str, count + 1);
    for (const as_json *item = list ? expected->child : expected; n < count; item = item->next) {
        if (item->kind != AS_JSON_STRING && item->kind != AS_JSON_NUMBER &&
            item->kind != AS_JSON_BOOL)
            return 0;
        texts[n++] = as_utf8_clean(arena, as_json_plain(arena, item));
    }
    *out = texts;
    return count;
}

static bool is_compared(const as_sample *sample) {
    return sample->has_prediction && !as_outcome_is_error(sample->outcome);
}

static const float *vector_of(const embedding_model *m, as_str text) {
    uint64_t place;
    return as_map_get(&m->places, text, &place) ? m->vectors[place] : NULL;
}

static double closest(const embedding_model *m, as_arena *scratch, const as_sample *sample) {
    const as_str *texts;
    size_t count = references(scratch, sample->expected, &texts);
    const float *own = vector_of(m, as_utf8_clean(scratch, sample->prediction));
    double best = NAN;
    for (size_t i = 0; own && i < count; i++) {
        const float *other = vector_of(m, texts[i]);
        if (!other) return NAN;
        double value = as_nearest_cosine(own, other, m->width);
        if (!(value <= best)) best = value;
    }
    return best;
}

static as_rc fill_model(embedding_model *m, as_sample *const *samples, size_t count,
                        as_similarity *const *out, size_t at, as_err *err) {
    as_arena scratch = {0};
    wanted w = {0};
    size_t most = 0;
    if (m->count * m->width * sizeof(float) > KEPT_SIZE_MAX) forget(m);
    for (size_t i = 0; i < count; i++) {
        const as_json *e = samples[i]->expected;
        most += 1 + (e && e->kind == AS_JSON_ARRAY ? e->count : 1);
    }
    w.texts = AS_NEW_ARRAY(&scratch, as_str, most);
    for (size_t i = 0; i < count; i++) {
        const as_str *texts;
        if (!is_compared(samples[i])) continue;
        size_t n = references(&scratch, samples[i]->expected, &texts);
        if (n) want(&w, m, as_utf8_clean(&scratch, samples[i]->prediction));
        for (size_t j = 0; j < n; j++) want(&w, m, texts[j]);
    }
    as_rc rc = w.count ? embed_texts(m, w.texts, w.count, TEXTS_A_REQUEST, err) : AS_OK;
    for (size_t i = 0; !rc && i < count; i++)
        if (is_compared(samples[i]))
            out[i][at] = (as_similarity){m->uri, closest(m, &scratch, samples[i])};
    as_map_free(&w.seen);
    as_arena_free(&scratch);
    return rc;
}

as_rc as_similar_fill(as_similar *similar, as_arena *arena, as_sample *const *samples, size_t count,
                      as_err *err) {
    as_similarity **out = AS_NEW_ARRAY(arena, as_similarity *, count + 1);
    for (size_t i = 0; i < count; i++) out[i] = AS_NEW_ARRAY(arena, as_similarity, similar->count);
    as_rc rc = AS_OK;
    for (size_t i = 0; !rc && i < similar->count; i++)
        rc = fill_model(&similar->models[i], samples, count, out, i, err);
    for (size_t i = 0; !rc && i < count; i++) {
        if (!is_compared(samples[i])) continue;
        samples[i]->similarities = out[i];
        samples[i]->similarity_count = similar->count;
    }
    return rc;
}
