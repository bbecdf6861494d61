// SPDX-License-Identifier: Apache-2.0
#include "metrics/overlap/edit.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/utf8.h"

enum { WORD = 64 };

as_symbols as_edit_code_points(as_arena *arena, as_str text) {
    uint32_t *out = AS_NEW_ARRAY(arena, uint32_t, text.len + 1);
    size_t count = 0;
    for (size_t at = 0; at < text.len;) out[count++] = as_utf8_next(text, &at);
    return (as_symbols){out, count};
}

// ---- where a symbol stands in the pattern ----

// A symbol of the pattern: the places where it stands, as a bit vector where they are many.
typedef struct symbol {
    uint32_t code, count;
    size_t from;    // in `places`
    uint64_t *bits; // [words] or NULL
    bool used;
} symbol;

typedef struct pattern {
    size_t length, words;
    symbol *table; // open addressing
    size_t mask;
    uint32_t *places;
    uint64_t *row;      // [words] the bits of a rare symbol while it is looked at
    const symbol *last; // whose bits stand in `row`
    uint64_t *zeros;
} pattern;

static symbol *look_up(const pattern *p, uint32_t code) {
    size_t at = (code * 0x9e3779b1u) & p->mask;
    while (p->table[at].used && p->table[at].code != code) at = (at + 1) & p->mask;
    return &p->table[at];
}

static void fill_places(as_arena *arena, pattern *p, const uint32_t *items) {
    size_t from = 0;
    for (size_t i = 0; i <= p->mask; i++) {
        symbol *s = &p->table[i];
        if (!s->used) continue;
        s->from = from;
        from += s->count;
        if (s->count > p->words) s->bits = AS_NEW_ARRAY(arena, uint64_t, p->words);
        s->count = 0;
    }
    for (size_t i = 0; i < p->length; i++) {
        symbol *s = look_up(p, items[i]);
        p->places[s->from + s->count++] = (uint32_t)i;
        if (s->bits) s->bits[i / WORD] |= (uint64_t)1 << (i % WORD);
    }
}

static pattern make_pattern(as_arena *arena, const uint32_t *items, size_t length) {
    pattern p = {.length = length, .words = (length + WORD - 1) / WORD};
    size_t size = 16;
    while (size < 2 * length) size *= 2;
    p.mask = size - 1;
    p.table = AS_NEW_ARRAY(arena, symbol, size);
    p.places = AS_NEW_ARRAY(arena, uint32_t, length + 1);
    p.row = AS_NEW_ARRAY(arena, uint64_t, p.words + 1);
    p.zeros = AS_NEW_ARRAY(arena, uint64_t, p.words + 1);
    for (size_t i = 0; i < length; i++) {
        symbol *s = look_up(&p, items[i]);
        s->used = true;
        s->code = items[i];
        s->count++;
    }
    fill_places(arena, &p, items);
    return p;
}

// The bits of the places where `code` stands. Valid until the next call.
static const uint64_t *bits_of(pattern *p, uint32_t code) {
    const symbol *s = look_up(p, code);
    if (!s->used) return p->zeros;
    if (s->bits) return s->bits;
    if (p->last == s) return p->row;
    for (size_t i = 0; p->last && i < p->last->count; i++)
        p->row[p->places[p->last->from + i] / WORD] = 0;
    for (size_t i = 0; i < s->count; i++) {
        uint32_t at = p->places[s->from + i];
        p->row[at / WORD] |= (uint64_t)1 << (at % WORD);
    }
    p->last = s;
    return p->row;
}

// ---- one column of the matrix ----

// Bit i of plus (minus): the cell below row i is one more (less) than the cell in it. The matrix of
// the LCS has no minus.
typedef struct column {
    uint64_t *plus, *minus; // [words]
} column;

typedef void step(pattern *p, column *c, uint32_t code);

static void step_distance(pattern *p, column *c, uint32_t code) {
    const uint64_t *bits = bits_of(p, code);
    uint64_t up = 1, down = 0; // what goes from block to block: the row above grows by one
    for (size_t w = 0; w < p->words; w++) {
        uint64_t plus = c->plus[w], minus = c->minus[w], equal = bits[w];
        uint64_t vertical = equal | minus;
        equal |= down;
        uint64_t flat = (((equal & plus) + plus) ^ plus) | equal;
        uint64_t grow = minus | ~(flat | plus), shrink = plus & flat;
        uint64_t next_up = grow >> (WORD - 1), next_down = shrink >> (WORD - 1);
        grow = grow << 1 | up;
        shrink = shrink << 1 | down;
        c->plus[w] = shrink | ~(vertical | grow);
        c->minus[w] = grow & vertical;
        up = next_up;
        down = next_down;
    }
}

static void step_common(pattern *p, column *c, uint32_t code) {
    const uint64_t *bits = bits_of(p, code);
    uint64_t carry = 0;
    for (size_t w = 0; w < p->words; w++) {
        uint64_t open = ~c->plus[w], hit = open & bits[w];
        uint64_t sum = open + hit, more = sum < open;
        sum += carry;
        carry = more | (sum < carry);
        c->plus[w] = ~(sum | (open - hit));
    }
}

static column new_column(as_arena *arena, const pattern *p, bool distance) {
    column c = {AS_NEW_ARRAY(arena, uint64_t, p->words + 1),
                AS_NEW_ARRAY(arena, uint64_t, p->words + 1)};
    if (distance) memset(c.plus, 0xff, p->words * sizeof *c.plus);
    return c;
}

static void copy_column(const pattern *p, const column *from, column *to) {
    if (!p->words) return;
    memcpy(to->plus, from->plus, p->words * sizeof *to->plus);
    memcpy(to->minus, from->minus, p->words * sizeof *to->minus);
}

static bool bit(const uint64_t *bits, size_t at) {
    return bits[at / WORD] >> (at % WORD) & 1;
}

static size_t count_bits(const uint64_t *bits, size_t count) {
    size_t sum = 0;
    for (size_t i = 0; i < count; i += WORD) {
        uint64_t word = bits[i / WORD];
        if (count - i < WORD) word &= ((uint64_t)1 << (count - i)) - 1;
        sum += (size_t)__builtin_popcountll(word);
    }
    return sum;
}

// ---- the whole matrix, a stretch of columns at a time ----

// Every `stride`th column is kept on the way there; on the way back the stretch behind it is made
// again. Memory is that of the square root of the columns.
typedef struct matrix {
    pattern pattern;
    as_symbols text;
    step *step;
    size_t stride, start; // columns start .. start + stride stand in `stretch`
    column *kept, *stretch;
} matrix;

static void make_stretch(matrix *m, size_t number) {
    m->start = number * m->stride;
    copy_column(&m->pattern, &m->kept[number], &m->stretch[0]);
    for (size_t i = 0; i < m->stride && m->start + i < m->text.count; i++) {
        copy_column(&m->pattern, &m->stretch[i], &m->stretch[i + 1]);
        m->step(&m->pattern, &m->stretch[i + 1], m->text.items[m->start + i]);
    }
}

static matrix make_matrix(as_arena *arena, as_symbols a, as_symbols b, bool distance) {
    matrix m = {.pattern = make_pattern(arena, a.items, a.count),
                .text = b,
                .step = distance ? step_distance : step_common,
                .stride = 16};
    while (m.stride * m.stride < b.count) m.stride *= 2;
    size_t count = b.count / m.stride + 1;
    m.kept = AS_NEW_ARRAY(arena, column, count);
    m.stretch = AS_NEW_ARRAY(arena, column, m.stride + 1);
    for (size_t i = 0; i <= m.stride; i++) m.stretch[i] = new_column(arena, &m.pattern, distance);
    column now = new_column(arena, &m.pattern, distance);
    for (size_t i = 0; i < b.count; i++) {
        if (i % m.stride == 0) {
            m.kept[i / m.stride] = new_column(arena, &m.pattern, distance);
            copy_column(&m.pattern, &now, &m.kept[i / m.stride]);
        }
        m.step(&m.pattern, &now, b.items[i]);
    }
    m.start = SIZE_MAX;
    return m;
}

// Column j, 1 .. text.count, and the one before it.
static const column *column_at(matrix *m, size_t j) {
    size_t number = (j - 1) / m->stride;
    if (m->start != number * m->stride) make_stretch(m, number);
    return &m->stretch[j - m->start];
}

// ---- what others ask for ----

static size_t strip_ends(as_symbols *a, as_symbols *b) {
    size_t common = 0;
    while (a->count && b->count && a->items[0] == b->items[0]) {
        a->items++, b->items++;
        a->count--, b->count--;
        common++;
    }
    while (a->count && b->count && a->items[a->count - 1] == b->items[b->count - 1]) {
        a->count--, b->count--;
        common++;
    }
    return common;
}

size_t as_edit_distance(as_arena *arena, as_symbols a, as_symbols b) {
    strip_ends(&a, &b);
    if (!a.count || !b.count) return a.count + b.count;
    pattern p = make_pattern(arena, a.items, a.count);
    column c = new_column(arena, &p, true);
    for (size_t i = 0; i < b.count; i++) step_distance(&p, &c, b.items[i]);
    // The top cell of the last column is b.count; going down adds plus and takes minus.
    return b.count + count_bits(c.plus, a.count) - count_bits(c.minus, a.count);
}

as_edits as_edit_align(as_arena *arena, as_symbols reference, as_symbols answer) {
    as_edits out = {.hits = strip_ends(&reference, &answer)};
    size_t i = reference.count, j = answer.count;
    matrix m = {0};
    if (i && j) m = make_matrix(arena, reference, answer, true);
    while (i && j) {
        const column *here = column_at(&m, j);
        if (bit(here->plus, i - 1)) {
            out.deletions++;
            i--;
            continue;
        }
        j--;
        if (j && bit(here[-1].minus, i - 1)) {
            out.insertions++;
            continue;
        }
        i--;
        bool hit = reference.items[i] == answer.items[j];
        out.hits += hit;
        out.substitutions += !hit;
    }
    out.deletions += i;
    out.insertions += j;
    return out;
}

size_t as_edit_common(as_arena *arena, as_symbols a, as_symbols b) {
    size_t ends = strip_ends(&a, &b);
    if (!a.count || !b.count) return ends;
    pattern p = make_pattern(arena, a.items, a.count);
    column c = new_column(arena, &p, false);
    for (size_t i = 0; i < b.count; i++) step_common(&p, &c, b.items[i]);
    return ends + count_bits(c.plus, a.count);
}

void as_edit_mark_common(as_arena *arena, as_symbols reference, as_symbols answer, bool *marked) {
    size_t i = reference.count, j = answer.count;
    if (!i || !j) return;
    matrix m = make_matrix(arena, reference, answer, false);
    while (i && j) {
        if (reference.items[i - 1] == answer.items[j - 1]) {
            marked[--i] = true;
            j--;
        } else if (bit(column_at(&m, j)->plus, i - 1)) {
            j--; // the row above has less, so the column before has as much
        } else {
            i--;
        }
    }
}
