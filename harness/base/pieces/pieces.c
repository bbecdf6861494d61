// SPDX-License-Identifier: Apache-2.0
#include "harness/base/pieces/pieces.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/map.h"
#include "harness/base/pieces/merge.h"
#include "harness/base/utf8.h"

static const as_str space_mark = {"\xe2\x96\x81", 3}; // U+2581

enum { PENALTY = 10 }; // an unknown character scores so much less than the worst piece

int as_pieces_byte(as_str text) {
    static const char digits[] = "0123456789ABCDEF";
    if (text.len != 6 || memcmp(text.ptr, "<0x", 3) || text.ptr[5] != '>') return -1;
    const char *high = memchr(digits, text.ptr[3], 16), *low = memchr(digits, text.ptr[4], 16);
    return high && low ? (int)(high - digits) * 16 + (int)(low - digits) : -1;
}

// --- loading ------------------------------------------------------------------------------------

typedef struct scored {
    float score;
    uint32_t id;
} scored;

static int by_score(const void *a_in, const void *b_in) {
    const scored *a = a_in, *b = b_in;
    if (a->score != b->score) return a->score > b->score ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static uint32_t *orders_of(const float *scores, size_t count) {
    scored *sorted = as_mem_new(as_size_mul(count + 1, sizeof *sorted));
    for (size_t i = 0; i < count; i++) sorted[i] = (scored){scores[i], (uint32_t)i};
    qsort(sorted, count, sizeof *sorted, by_score);
    uint32_t *orders = as_mem_new(as_size_mul(count + 1, sizeof *orders)), order = 0;
    for (size_t i = 0; i < count; i++) {
        if (i && sorted[i].score != sorted[i - 1].score) order++;
        orders[sorted[i].id] = order;
    }
    free(sorted);
    return orders;
}

static as_str key_of(const as_pieces *p, size_t at) {
    return as_lexicon_text(&p->texts, p->sorted[at]);
}

typedef struct placed {
    as_str key;
    uint32_t id;
} placed;

static int by_bytes(const void *a_in, const void *b_in) {
    const placed *a = a_in, *b = b_in;
    return as_str_cmp(a->key, b->key);
}

// Of those that merge, only user-defined ones are looked for in a text as they are.
static void sort_pieces(as_pieces *p, bool user_only) {
    placed *all = NULL;
    size_t count = 0, room = 0;
    for (size_t i = 0; i < p->count; i++) {
        if (user_only && p->kinds[i] != AS_PIECE_USER) continue;
        as_str key = as_lexicon_text(&p->texts, i);
        uint32_t id;
        if (!as_lexicon_find(&p->texts, key, &id) || id != i) continue;
        if (count == room) {
            room = room ? 2 * room : 64;
            all = as_mem_grow(all, as_size_mul(room, sizeof *all));
        }
        all[count++] = (placed){key, id};
    }
    if (count) qsort(all, count, sizeof *all, by_bytes);
    p->sorted = as_mem_new(as_size_mul(count + 1, sizeof *p->sorted));
    for (size_t i = 0; i < count; i++) {
        p->sorted[i] = all[i].id;
        p->begins_with[(unsigned char)all[i].key.ptr[0] + 1] = i + 1;
    }
    for (size_t b = 1; b <= 256; b++)
        if (p->begins_with[b] < p->begins_with[b - 1]) p->begins_with[b] = p->begins_with[b - 1];
    free(all);
}

void as_pieces_finish(as_pieces *p, bool merges) {
    p->least = INFINITY;
    p->most = FLT_MIN; // as the reference begins: scores are logarithms, so it mostly stays
    for (size_t i = 0; i < p->count; i++) {
        if (p->kinds[i] != AS_PIECE_NORMAL) continue;
        p->least = fmin(p->least, (double)p->scores[i]);
        p->most = fmax(p->most, (double)p->scores[i]);
    }
    if (!isfinite(p->least)) p->least = 0;
    sort_pieces(p, merges);
    if (!merges) return;
    p->orders = orders_of(p->scores, p->count);
    free(p->scores);
    p->scores = NULL;
}

void as_pieces_free(as_pieces *pieces) {
    as_lexicon_free(&pieces->texts);
    as_charsmap_free(pieces->table);
    free(pieces->scores);
    free(pieces->orders);
    free(pieces->sorted);
    *pieces = (as_pieces){0};
}

// The pieces that begin like the text so far, of which `depth` bytes were looked at: a place in a
// trie that is not there.
typedef struct spread {
    size_t low, high, depth; // in `sorted`
} spread;

// The first in [low, high) whose byte at `depth` is at least `least`; those that end there have 0.
static size_t first_from(const as_pieces *p, const spread *s, unsigned least) {
    size_t low = s->low, high = s->high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        as_str key = key_of(p, middle);
        if (key.len <= s->depth || (unsigned char)key.ptr[s->depth] < least)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// Those of them that go on with this byte; false when there are none.
static bool narrow(const as_pieces *p, spread *s, unsigned char byte) {
    if (!s->depth) {
        s->low = p->begins_with[byte];
        s->high = p->begins_with[byte + 1];
    } else {
        s->low = first_from(p, s, byte);
        as_str last = s->low < s->high ? key_of(p, s->high - 1) : AS_STR("");
        // Mostly all that are left go on alike.
        if (s->low < s->high && (unsigned char)last.ptr[s->depth] != byte)
            s->high = first_from(p, s, byte + 1u);
    }
    s->depth++;
    return s->low < s->high;
}

// The piece that is all of the text up to `to`, which ends a character.
static bool is_piece(const as_pieces *p, const spread *s, as_str text, size_t to, uint32_t *id) {
    *id = p->sorted[s->low];
    return key_of(p, s->low).len == s->depth &&
           (to == text.len || ((unsigned char)text.ptr[to] & 0xc0) != 0x80);
}

// The longest user-defined piece that `text` begins with: its bytes, 0 if there is none.
static size_t user_at(const as_pieces *p, as_str text, uint32_t *id) {
    size_t longest = 0;
    spread s = {0};
    uint32_t found;
    for (size_t at = 0; at < text.len && narrow(p, &s, (unsigned char)text.ptr[at]); at++) {
        if (!is_piece(p, &s, text, at + 1, &found) || p->kinds[found] != AS_PIECE_USER) continue;
        longest = at + 1;
        *id = found;
    }
    return longest;
}

// --- normalisation ------------------------------------------------------------------------------

// The next part of the normalised text; moves *at on.
static as_str normal_next(const as_pieces *p, as_str text, size_t *at) {
    as_str rest = as_str_sub(text, *at, text.len);
    uint32_t id;
    size_t taken = user_at(p, rest, &id);
    as_str next = as_str_sub(rest, 0, taken);
    if (!taken) next = as_charsmap_next(p->table, rest, &taken);
    *at += taken;
    return next;
}

static void put_spoken(const as_pieces *p, as_buf *out, as_str text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == ' ' && !p->plain)
            as_buf_str(out, space_mark);
        else
            as_buf_char(out, text.ptr[i]);
    }
}

void as_pieces_normalize(const as_pieces *p, as_str text, as_buf *out) {
    as_str space = p->plain ? AS_STR(" ") : space_mark;
    size_t at = 0, begin = out->len;
    while (p->strips && at < text.len) {
        size_t next = at;
        if (!as_str_is(normal_next(p, text, &next), " ")) break;
        at = next;
    }
    if (at == text.len) return;
    if (p->front) as_buf_str(out, space);
    bool after_space = p->strips;
    while (at < text.len) {
        as_str next = normal_next(p, text, &at);
        while (after_space && next.len && next.ptr[0] == ' ') next = as_str_sub(next, 1, next.len);
        put_spoken(p, out, next);
        if (next.len) after_space = p->strips && next.ptr[next.len - 1] == ' ';
    }
    while (p->strips && out->len >= begin + space.len && as_str_ends(as_buf_view(out), space))
        out->len -= space.len;
    if (p->back) as_buf_str(out, space);
}

// --- the best cut -------------------------------------------------------------------------------

typedef struct node {
    double score; // of the best cut of the text up to here
    uint32_t id;  // its last piece
    uint32_t from;
    bool reached;
} node;

// Offers a piece that leads from `from` to `to`. The first of equally good ones stays.
static void offer(const as_pieces *p, node *nodes, size_t from, size_t to, uint32_t id,
                  double score) {
    double sum = nodes[from].score + score;
    if (p->rounds) sum = (double)(float)sum;
    if (nodes[to].reached && !(sum > nodes[to].score)) return;
    nodes[to] = (node){sum, id, (uint32_t)from, true};
}

static double score_of(const as_pieces *p, uint64_t id, size_t len) {
    // A user-defined piece beats whatever the same bytes could be cut into.
    if (p->kinds[id] == AS_PIECE_USER) return (double)((float)len * (float)p->most) - 0.1;
    return (double)p->scores[id];
}

static void fill(const as_pieces *p, as_str text, node *nodes) {
    double unknown = p->least - PENALTY;
    if (p->rounds) unknown = (double)(float)unknown;
    for (size_t from = 0; from < text.len;) {
        size_t next = from;
        as_utf8_next(text, &next);
        bool single = false;
        spread s = {0};
        uint32_t id;
        for (size_t to = from; to < text.len && narrow(p, &s, (unsigned char)text.ptr[to]);) {
            to++;
            if (!is_piece(p, &s, text, to, &id) || p->kinds[id] == AS_PIECE_UNUSED) continue;
            offer(p, nodes, from, to, id, score_of(p, id, to - from));
            single = single || to == next;
        }
        if (!single) offer(p, nodes, from, next, AS_PIECE_NONE, unknown);
        from = next;
    }
}

void as_pieces_cut(const as_pieces *p, as_str text, as_pieces_take *take, void *context) {
    node *nodes = as_mem_new(as_size_mul(text.len + 1, sizeof *nodes));
    uint32_t *ends = as_mem_new(as_size_mul(text.len + 1, sizeof *ends));
    fill(p, text, nodes);
    size_t count = 0;
    for (size_t at = text.len; at; at = nodes[at].from) ends[count++] = (uint32_t)at;
    while (count--) {
        const node *end = &nodes[ends[count]];
        take(context, as_str_sub(text, end->from, ends[count]), end->id);
    }
    free(nodes);
    free(ends);
}

// --- merging ------------------------------------------------------------------------------------

// Unused pieces that a text was merged into, so that they can be taken apart as they were made.
typedef struct undoing {
    as_map places; // text -> place in `lefts`
    size_t *lefts; // bytes of the left half, when it was last looked at
    size_t count, capacity;
} undoing;

typedef struct merging {
    const as_pieces *pieces;
    undoing *undoing;
} merging;

static void remember(undoing *u, as_str text, size_t left) {
    uint64_t at;
    if (as_map_add(&u->places, text, u->count, &at)) {
        if (u->count == u->capacity) {
            u->capacity = u->capacity ? 2 * u->capacity : 64;
            u->lefts = as_mem_grow(u->lefts, as_size_mul(u->capacity, sizeof *u->lefts));
        }
        at = u->count++;
    }
    u->lefts[at] = left;
}

static bool is_user(const as_pieces *p, const as_symbol *symbol) {
    return symbol->id != AS_SYMBOL_NONE && p->kinds[symbol->id] == AS_PIECE_USER;
}

static bool pair(const void *context, as_str text, const as_symbol *left, const as_symbol *right,
                 uint32_t *order, uint32_t *id) {
    const merging *m = context;
    const as_pieces *p = m->pieces;
    as_str both = {text.ptr + left->start, left->len + right->len};
    if (is_user(p, left) || is_user(p, right) || !as_lexicon_find(&p->texts, both, id))
        return false;
    *order = p->orders[*id];
    if (p->undoes && p->kinds[*id] == AS_PIECE_UNUSED) remember(m->undoing, both, left->len);
    return true;
}

static void give(const merging *m, as_str text, as_pieces_take *take, void *context) {
    const as_pieces *p = m->pieces;
    uint64_t at;
    uint32_t id;
    bool known = as_lexicon_find(&p->texts, text, &id);
    if (known && p->undoes && p->kinds[id] == AS_PIECE_UNUSED &&
        as_map_get(&m->undoing->places, text, &at)) {
        size_t left = m->undoing->lefts[at];
        give(m, as_str_sub(text, 0, left), take, context);
        give(m, as_str_sub(text, left, text.len), take, context);
        return;
    }
    take(context, text, known ? id : AS_PIECE_NONE);
}

void as_pieces_merge(const as_pieces *p, as_str text, as_pieces_take *take, void *context) {
    as_merger merger = {0};
    undoing undone = {0};
    merging m = {p, &undone};
    for (size_t at = 0; at < text.len;) {
        uint32_t id = AS_SYMBOL_NONE;
        size_t len = user_at(p, as_str_sub(text, at, text.len), &id), next = at;
        as_utf8_next(text, &next);
        if (!len) len = next - at;
        as_merger_add(&merger, (uint32_t)len, id);
        at += len;
    }
    as_merger_run(&merger, text, pair, &m);
    for (uint32_t at = merger.symbol_count ? 0 : AS_SYMBOL_NONE; at != AS_SYMBOL_NONE;
         at = merger.symbols[at].next) {
        const as_symbol *symbol = &merger.symbols[at];
        give(&m, (as_str){text.ptr + symbol->start, symbol->len}, take, context);
    }
    as_merger_free(&merger);
    as_map_free(&undone.places);
    free(undone.lefts);
}
