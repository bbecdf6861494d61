// SPDX-License-Identifier: Apache-2.0
// attention.c - rows look at what their views say. Rows are taken together in tiles. What all rows
// of a tile have in common, the front of their views, is read once for all of them; what only rows
// of one view see, once for those. Positions count in the order of the text whoever reads them, so
// a tile decides nothing.
#include <string.h>

#include "harness/engine/forward_state.h"

enum {
    TILE_SCORES = 1 << 17, // at most, in a tile of more than AS_TILE_MIN rows: half a MiB
    TILES_EACH = 3,        // at least, of a member of the team
    ASKED = 4,             // pieces of the next tile
};

// A tile: rows first..first+rows-1 of the batch times heads `head`.. of one key head.
typedef struct tile {
    size_t layer, kv_head, first, rows, head, heads;
    const unsigned char *store; // of the layer and key head, in page 0
    const unsigned char *next;  // of the tile after it; NULL: none
} tile;

// Positions that row m of a layer sees: [*first, end), end is returned.
static size_t sight(const as_forward *f, size_t layer, size_t m, size_t *first) {
    const as_hparams *p = &f->model->hparams;
    size_t end = f->rows[m].position + 1u;
    if (p->arch->both_ways) {
        size_t reach = p->local[layer] ? p->window / 2 : AS_CONTEXT_MAX, all = f->batch->row_count;
        *first = end - 1 > reach ? end - 1 - reach : 0;
        return end + reach < all ? end + reach : all;
    }
    *first = p->local[layer] && end > p->window ? end - p->window : 0;
    return end;
}

// What the queries of row m are multiplied by before they are scaled.
static float temperature_of(const as_forward *f, size_t m) {
    const float *temperatures = f->model->weights.temperatures;
    size_t step = f->model->hparams.rope.original_context;
    return temperatures ? temperatures[f->rows[m].position / step] : 1.0f;
}

static const as_view *view_of(const as_forward *f, size_t m) {
    return &f->batch->views[f->rows[m].view];
}

// The spans that the views of rows first..first+rows-1 begin with alike; *length: of their text.
static size_t shared_spans(const as_forward *f, size_t first, size_t rows, size_t *length) {
    const as_view *view = view_of(f, first);
    size_t count = view->count;
    for (size_t m = first + 1; m < first + rows; m++) {
        const as_view *other = view_of(f, m);
        if (other == view) continue;
        size_t same = 0, most = other->count < count ? other->count : count;
        while (same < most &&
               memcmp(&other->spans[same], &view->spans[same], sizeof *view->spans) == 0)
            same++;
        count = same;
    }
    *length = 0;
    for (size_t i = 0; i < count; i++) *length += view->spans[i].count;
    return count;
}

// The pieces of spans from..to-1, the first of which begins at position `at`, as far as they lie in
// positions [begin, end). How many.
static size_t make_pieces(const as_forward *f, const tile *t, const as_view *view, size_t from,
                          size_t to, size_t at, size_t begin, size_t end, as_piece *pieces) {
    size_t n = 0;
    for (size_t i = from; i < to && at < end; at += view->spans[i++].count) {
        const as_span *span = &view->spans[i];
        if (at + span->count <= begin) continue;
        size_t count = end - at < span->count ? end - at : span->count;
        pieces[n++] = (as_piece){.head = t->store + span->page * f->device->page_size,
                                 .at = at,
                                 .slot = span->slot,
                                 .count = (uint32_t)count};
    }
    return n;
}

// Weights of a head from scores: caps and softmax over what row m sees, and the head's sink behind
// it; 0 on the other positions that the tile has worked out, [begin, end).
static void weigh_row(const as_forward *f, size_t layer, size_t head, float *scores, size_t m,
                      size_t begin, size_t end) {
    const as_kernels *kernels = f->model->kernels;
    const float *sinks = f->model->weights.layers[layer].sinks;
    float cap = f->model->hparams.attention_cap;
    size_t first, after = sight(f, layer, m, &first);
    if (cap > 0.0f) kernels->softcap(scores + first, cap, after - first);
    if (sinks) scores[after] = sinks[head];
    kernels->softmax(scores + first, after + (sinks != NULL) - first);
    if (first > begin) memset(scores + begin, 0, (first - begin) * sizeof *scores);
    if (end > after) memset(scores + after, 0, (end - after) * sizeof *scores);
}

// Rows from m on that have the view of row m, before `end`.
static size_t run_of_view(const as_forward *f, size_t m, size_t end) {
    size_t n = 1;
    while (m + n < end && f->rows[m + n].view == f->rows[m].view) n++;
    return n;
}

// What rows m..m+n-1, of one view, see behind the shared spans: pieces, and where they end.
static size_t own_pieces(const as_forward *f, const tile *t, size_t m, size_t n, size_t shared,
                         size_t length, as_piece *pieces, size_t *end) {
    const as_view *view = view_of(f, m);
    size_t begin = SIZE_MAX, first;
    *end = 0;
    for (size_t i = m; i < m + n; i++) {
        size_t after = sight(f, t->layer, i, &first);
        if (after > *end) *end = after;
        if (first < begin) begin = first;
    }
    if (*end <= length) return 0;
    return make_pieces(f, t, view, shared, view->count, length, begin, *end, pieces);
}

// Asks memory for the keys of the next tile's first pieces, as far as it sees what this one does:
// number `i`, and those after it in steps.
static void ask_next(const as_forward *f, const tile *t, const as_piece *pieces, size_t count,
                     size_t i, size_t step) {
    for (; t->next && i < ASKED && i < count; i += step) {
        const unsigned char *keys = (const unsigned char *)pieces[i].head + (t->next - t->store);
        for (size_t at = 0; at < f->device->head_size / 2; at += 64) __builtin_prefetch(keys + at);
    }
}

enum { LANES = 16 };

// Loops of a constant length, which compilers turn into vectors even where the rest may grow.
static void scale_to(float *restrict to, const float *restrict from, float first, float second,
                     size_t n) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++) to[i + j] = from[i + j] * first * second;
    for (; i < n; i++) to[i] = from[i] * first * second;
}

// A masked value adds +0, which turns a sum of -0 into +0; so every sum is taken there.
static void settle_to(float *restrict to, const float *restrict from, size_t n) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++) to[i + j] = from[i + j] + 0.0f;
    for (; i < n; i++) to[i] = from[i] + 0.0f;
}

static void attend(as_forward *f, as_tile *s, const tile *t) {
    const as_hparams *p = &f->model->hparams;
    const as_kernels *kernels = f->model->kernels;
    as_kv kv = f->device->kv;
    size_t width = p->head_width, q = p->heads * width, last = t->first + t->rows;
    size_t length, shared = shared_spans(f, t->first, t->rows, &length);
    size_t begin = SIZE_MAX, reach = 0; // of the tile, in the shared part
    for (size_t m = t->first; m < last; m++) {
        size_t first, after = sight(f, t->layer, m, &first);
        if (first < begin) begin = first;
        if (after > reach) reach = after;
    }
    if (reach > length) reach = length;
    for (size_t i = 0; i < t->rows * t->heads; i++) {
        size_t at = (t->first + i / t->heads) * q + (t->head + i % t->heads) * width;
        scale_to(s->queries + i * width, f->q + at, temperature_of(f, t->first + i / t->heads),
                 p->attention_scale, width);
    }
    size_t common = make_pieces(f, t, view_of(f, t->first), 0, shared, 0, begin, reach, s->pieces);
    if (common) begin = s->pieces[0].at;
    as_piece *own = s->pieces + common;
    kernels->attend_keys(kv, width, s->pieces, common, s->queries, t->rows * t->heads, s->scores,
                         f->score_stride);
    memset(s->mixed, 0, t->rows * t->heads * f->room * sizeof *s->mixed);
    for (size_t m = t->first, n; m < last; m += n) {
        n = run_of_view(f, m, last);
        size_t end, at = (m - t->first) * t->heads;
        size_t count = own_pieces(f, t, m, n, shared, length, own, &end);
        float *scores = s->scores + at * f->score_stride;
        kernels->attend_keys(kv, width, own, count, s->queries + at * width, n * t->heads, scores,
                             f->score_stride);
        size_t from = !common && count ? own[0].at : begin;
        for (size_t i = 0; i < n * t->heads; i++) {
            ask_next(f, t, s->pieces, common, at + i, t->rows * t->heads);
            weigh_row(f, t->layer, t->head + i % t->heads, scores + i * f->score_stride,
                      m + i / t->heads, from, end > reach ? end : reach);
        }
    }
    size_t panels = f->room / AS_PANEL;
    kernels->attend_values(kv, width, s->pieces, common, 0, panels, s->scores, f->score_stride,
                           t->rows * t->heads, s->mixed, f->room);
    for (size_t m = t->first, n; m < last; m += n) {
        n = run_of_view(f, m, last);
        size_t end, at = (m - t->first) * t->heads;
        size_t count = own_pieces(f, t, m, n, shared, length, own, &end);
        kernels->attend_values(kv, width, own, count, 0, panels, s->scores + at * f->score_stride,
                               f->score_stride, n * t->heads, s->mixed + at * f->room, f->room);
    }
    for (size_t i = 0; i < t->rows * t->heads; i++) {
        float *mixed = f->mixed + (t->first + i / t->heads) * q + (t->head + i % t->heads) * width;
        settle_to(mixed, s->mixed + i * f->room, width);
    }
}

// Query rows of a tile. Many share what is read of the cache, and whole eights of tokens suit the
// kernels; but their scores are to stay in a processor's own cache, and members want tiles to
// share.
static size_t tile_room(const as_forward *f, size_t heads, size_t members) {
    size_t room = AS_TILE, longest = 0;
    for (size_t m = 0; m < f->count; m++)
        if (f->rows[m].position >= longest) longest = f->rows[m].position + 1u;
    while (room > AS_TILE_MIN &&
           (room * longest > TILE_SCORES || f->count * heads < room * TILES_EACH * members))
        room /= 2;
    return room;
}

static const unsigned char *store_of(const as_forward *f, size_t layer, size_t kv_head) {
    return as_forward_head(f->device, layer, kv_head, 0);
}

void as_attention_run(as_forward *f, size_t layer, size_t index, size_t members) {
    const as_hparams *p = &f->model->hparams;
    size_t group = p->heads / p->kv_heads, room = tile_room(f, p->heads, members);
    size_t heads = group < room ? group : room, rows = room / heads;
    if (rows > 8) rows -= rows % 8;
    size_t tile_rows = (f->count + rows - 1) / rows, tile_heads = (group + heads - 1) / heads;
    size_t count = tile_rows * tile_heads * p->kv_heads;
    // In turn, not in blocks: later rows see more.
    for (size_t i = index; i < count; i += members) {
        size_t kv_head = i / tile_rows / tile_heads, first = i / tile_rows % tile_heads * heads;
        tile t = {.layer = layer, .kv_head = kv_head, .first = i % tile_rows * rows};
        t.rows = f->count - t.first < rows ? f->count - t.first : rows;
        t.head = kv_head * group + first;
        t.heads = group - first < heads ? group - first : heads;
        t.store = store_of(f, layer, kv_head);
        if (i + members < count)
            t.next = store_of(f, layer, (i + members) / tile_rows / tile_heads);
        attend(f, &f->tiles[index], &t);
    }
}

// --- a row alone ---------------------------------------------------------------------------------
//
// Its keys and values are read once, and are most of the work. So the pieces of all key heads, one
// head after the other, are shared in equal parts, and after them the panels of all values: each
// score, and each value of the answer, is still one chain of one member.

// Puts the row's own key and value of a head into the cache.
static void keep_own(as_forward *f, as_tile *s, size_t layer, size_t kv_head) {
    const as_layer *l = &f->model->weights.layers[layer];
    const as_device *d = f->device;
    size_t width = f->model->hparams.head_width, at = kv_head * width;
    float *key = s->mixed, *value = key + f->room;
    memcpy(key, f->k + at, width * sizeof *key);
    memcpy(value, f->v + at, width * sizeof *value);
    as_forward_turn(f, layer, 0, key, 1, l->key_bias ? l->key_bias + at : NULL, l->key_norm);
    if (l->value_bias) f->model->kernels->add(value, l->value_bias + at, width);
    as_kv_put(d->kv, width, as_forward_head(d, layer, kv_head, f->pages[0]), f->slots[0], key,
              value);
}

// The scores of `heads` query heads from `head` on for some pieces.
static void score_alone(as_forward *f, as_tile *s, size_t layer, size_t head, size_t heads,
                        const as_piece *pieces, size_t count) {
    const as_layer *l = &f->model->weights.layers[layer];
    size_t width = f->model->hparams.head_width, at = head * width;
    memcpy(s->queries, f->q + at, heads * width * sizeof *s->queries);
    as_forward_turn(f, layer, 0, s->queries, heads, l->query_bias ? l->query_bias + at : NULL,
                    l->query_norm);
    float first = temperature_of(f, 0), second = f->model->hparams.attention_scale;
    for (size_t i = 0; i < heads * width; i++) s->queries[i] = s->queries[i] * first * second;
    f->model->kernels->attend_keys(f->device->kv, width, pieces, count, s->queries, heads,
                                   f->scores + head * f->score_stride, f->score_stride);
}

// Panels begin..end-1 of what `heads` query heads from `head` on make of the values.
static void mix_alone(as_forward *f, as_tile *s, size_t layer, size_t head, size_t heads,
                      const as_piece *pieces, size_t count, size_t begin, size_t end) {
    size_t width = f->model->hparams.head_width, from = pieces[0].at, first;
    size_t seen = sight(f, layer, 0, &first), at = begin * AS_PANEL;
    size_t n = end * AS_PANEL < width ? end * AS_PANEL - at : width - at;
    for (size_t i = 0; i < heads; i++) {
        float *scores = s->scores + i * f->score_stride;
        memcpy(scores + from, f->scores + (head + i) * f->score_stride + from,
               (seen - from) * sizeof *scores);
        weigh_row(f, layer, head + i, scores, 0, from, seen);
    }
    memset(s->mixed, 0, heads * f->room * sizeof *s->mixed);
    f->model->kernels->attend_values(f->device->kv, width, pieces, count, begin, end, s->scores,
                                     f->score_stride, heads, s->mixed, f->room);
    for (size_t i = 0; i < heads; i++)
        settle_to(f->mixed + (head + i) * width + at, s->mixed + i * f->room + at, n);
}

// The pieces that the row sees of a key head.
static size_t all_pieces(const as_forward *f, as_tile *s, size_t layer, size_t kv_head) {
    const as_view *view = view_of(f, 0);
    tile t = {.store = store_of(f, layer, kv_head)};
    size_t first, end = sight(f, layer, 0, &first);
    return make_pieces(f, &t, view, 0, view->count, 0, first, end, s->pieces);
}

// A member's part of a row alone: of all key heads, one after the other, the pieces and the panels.
typedef struct part {
    size_t count, panels; // of a head
    size_t begin, end;    // pieces
    size_t first, last;   // panels first..last-1
} part;

static part own_part(const as_forward *f, as_tile *s, size_t layer, size_t index, size_t members) {
    size_t kv_heads = f->model->hparams.kv_heads;
    part o = {.count = all_pieces(f, s, layer, 0), .panels = f->room / AS_PANEL};
    as_forward_share(kv_heads * o.count, index, members, &o.begin, &o.end);
    as_forward_share(kv_heads * o.panels, index, members, &o.first, &o.last);
    return o;
}

static size_t clamp(size_t at, size_t least, size_t most) {
    return at < least ? least : at > most ? most : at;
}

// What of [begin, end) lies in a head, where each has `count`: [*from, *to) of its own.
static bool part_of_head(size_t begin, size_t end, size_t kv_head, size_t count, size_t *from,
                         size_t *to) {
    size_t start = kv_head * count;
    *from = clamp(begin, start, start + count) - start;
    *to = clamp(end, start, start + count) - start;
    return *from < *to;
}

static void score_part(as_forward *f, as_tile *s, size_t layer, const part *o, size_t kv_head) {
    size_t group = f->model->hparams.heads / f->model->hparams.kv_heads, from, to;
    if (!part_of_head(o->begin, o->end, kv_head, o->count, &from, &to)) return;
    all_pieces(f, s, layer, kv_head);
    if (to == o->count) keep_own(f, s, layer, kv_head);
    for (size_t i = 0, n; i < group; i += n) {
        n = group - i < AS_TILE ? group - i : AS_TILE;
        score_alone(f, s, layer, kv_head * group + i, n, s->pieces + from, to - from);
    }
}

static void mix_part(as_forward *f, as_tile *s, size_t layer, const part *o, size_t kv_head) {
    size_t group = f->model->hparams.heads / f->model->hparams.kv_heads, from, to;
    if (!part_of_head(o->first, o->last, kv_head, o->panels, &from, &to)) return;
    all_pieces(f, s, layer, kv_head);
    for (size_t i = 0, n; i < group; i += n) {
        n = group - i < AS_TILE ? group - i : AS_TILE;
        mix_alone(f, s, layer, kv_head * group + i, n, s->pieces, o->count, from, to);
    }
}

void as_attention_alone(as_forward *f, size_t layer, size_t index, size_t members) {
    as_tile *s = &f->tiles[index];
    part o = own_part(f, s, layer, index, members);
    size_t kv_heads = f->model->hparams.kv_heads;
    for (size_t i = 0; i < kv_heads; i++) score_part(f, s, layer, &o, i);
    as_team_meet(f->team, index);
    for (size_t i = 0; i < kv_heads; i++) mix_part(f, s, layer, &o, i);
}
