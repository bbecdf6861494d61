// SPDX-License-Identifier: Apache-2.0
#include "metrics/kept/segments.h"

#include <math.h>
#include <string.h>

#include "harness/base/rng.h"
#include "metrics/tally.h"

// Replicates are summed LANES at a time: as many floats as a cache line holds, in QUADS registers.
enum { SHARE = 512, QUADS = 4, LANES = 4 * QUADS, BLOCKS = AS_SEGMENTS_BLOCKS };

typedef float quad __attribute__((vector_size(16)));

typedef union lanes {
    float at[LANES];
    quad quads[QUADS];
} lanes;

// The cases of a segment that are of one class stand together.
typedef struct cells {
    size_t count;
    size_t *starts;   // [count + 1]
    uint16_t *blocks; // of the cases
    float *weights;   // likewise
    as_ranked tied;   // a cell is a case
} cells;

static double score_at(const as_ranked *r, size_t place) {
    return as_ranked_stat(r, r->order[place], 1);
}

static bool positive(const as_ranked *r, size_t place) {
    return as_ranked_stat(r, r->order[place], 0) == 1;
}

// Where the segment that begins at `from` ends.
static size_t segment_end(const as_ranked *r, size_t from, const double most[2]) {
    double held[2] = {0, 0};
    size_t at = from;
    while (at < r->count && held[0] < most[0] && held[1] < most[1]) {
        double score = score_at(r, at);
        for (; at < r->count && score_at(r, at) == score; at++)
            held[positive(r, at)] += r->weights[r->order[at]];
    }
    return at;
}

// Weighted mean of the scores of a segment.
static double middle(const as_ranked *r, size_t from, size_t to) {
    double sum = 0, weight = 0, first = score_at(r, from);
    for (size_t i = from; i < to; i++) {
        sum += r->weights[r->order[i]] * (score_at(r, i) - first);
        weight += r->weights[r->order[i]];
    }
    return first + sum / weight;
}

static cells cut(as_arena *arena, const as_ranked *r, const uint32_t *clusters,
                 const uint16_t *dealt) {
    double most[2] = {0, 0};
    for (size_t i = 0; i < r->count; i++) most[positive(r, i)] += r->weights[r->order[i]] / SHARE;
    for (int class = 0; class < 2; class ++)
        if (!(most[class] > 0)) most[class] = INFINITY; // of none no segment is full
    size_t room = 4 * (SHARE + 2), n = 0;               // a segment is full of either class
    cells out = {.starts = AS_NEW_ARRAY(arena, size_t, room + 1),
                 .blocks = AS_NEW_ARRAY(arena, uint16_t, r->count + 1),
                 .weights = AS_NEW_ARRAY(arena, float, r->count + 1)};
    double *stats = AS_NEW_ARRAY(arena, double, 2 * room);
    uint32_t *order = AS_NEW_ARRAY(arena, uint32_t, room);
    for (size_t from = 0; from < r->count && out.count < room;) {
        size_t to = out.count + 2 < room ? segment_end(r, from, most) : r->count;
        for (int class = 1; class >= 0; class --) {
            for (size_t i = from; i < to; i++) {
                out.blocks[n] = dealt[clusters[r->order[i]]];
                out.weights[n] = (float)r->weights[r->order[i]];
                n += positive(r, i) == class; // no branch: nobody could predict it
            }
            stats[2 * out.count] = class ? 1 : 2;
            stats[2 * out.count + 1] = middle(r, from, to);
            order[out.count] = (uint32_t)out.count;
            out.starts[++out.count] = n;
        }
        from = to;
    }
    out.tied = (as_ranked){out.count, 1, stats, order, NULL};
    return out;
}

// Of each cell the weights, each as often as its block was drawn.
static void sum_lanes(const cells *c, const lanes *times, lanes *sums) {
    for (size_t cell = 0; cell < c->count; cell++) {
        quad a = {0}, b = {0}, d = {0}, e = {0};
        for (size_t i = c->starts[cell]; i < c->starts[cell + 1]; i++) {
            const quad *drawn = times[c->blocks[i]].quads;
            float weight = c->weights[i];
            a += weight * drawn[0];
            b += weight * drawn[1];
            d += weight * drawn[2];
            e += weight * drawn[3];
        }
        sums[cell] = (lanes){.quads = {a, b, d, e}};
    }
}

static void draw(as_rng *rng, lanes *times) {
    memset(times, 0, BLOCKS * sizeof *times);
    for (size_t lane = 0; lane < LANES; lane++)
        for (size_t i = 0; i < BLOCKS; i++)
            times[((as_rng_u64(rng) >> 32) * BLOCKS) >> 32].at[lane]++;
}

void as_segments_resample(const as_segments *of, const as_metric *const *metrics,
                          size_t metric_count, const double *values, size_t replicates,
                          size_t stride, double *out) {
    as_arena arena = {0};
    const uint16_t *dealt = as_tally_deal(&arena, of->groups, BLOCKS);
    cells c = cut(&arena, of->cases, of->clusters, dealt);
    lanes *times = AS_NEW_ARRAY(&arena, lanes, BLOCKS),
          *sums = AS_NEW_ARRAY(&arena, lanes, c.count);
    double *weights = AS_NEW_ARRAY(&arena, double, c.count);
    double *moved = AS_NEW_ARRAY(&arena, double, metric_count);
    c.tied.weights = weights;
    for (size_t i = 0; i < c.count; i++)
        for (size_t k = c.starts[i]; k < c.starts[i + 1]; k++) weights[i] += (double)c.weights[k];
    for (size_t m = 0; m < metric_count; m++)
        moved[m] = values[m] - metrics[m]->ops->ranked(metrics[m], &c.tied);
    as_rng rng = as_rng_of(AS_RANKED_SEED, AS_RANKED_STREAM);
    for (size_t k = 0; k < replicates; k++) {
        if (k % LANES == 0) {
            draw(&rng, times);
            sum_lanes(&c, times, sums);
        }
        for (size_t i = 0; i < c.count; i++) weights[i] = (double)sums[i].at[k % LANES];
        for (size_t m = 0; m < metric_count; m++)
            out[m * stride + k] = metrics[m]->ops->ranked(metrics[m], &c.tied) + moved[m];
    }
    as_arena_free(&arena);
}
