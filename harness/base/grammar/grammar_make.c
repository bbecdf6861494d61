// SPDX-License-Identifier: Apache-2.0
// Expressions to states: each rule becomes a nondeterministic automaton over bytes, in which an
// edge may also be a call of a rule. Characters beyond ASCII are the sequences of bytes that UTF-8
// has for them, so a text may be cut anywhere.
#include "harness/base/grammar/grammar_make.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/grammar/grammar_trim.h"
#include "harness/base/utf8.h"

typedef enum node_kind { TEXT, POINTS, SEQUENCE, EITHER, REPEAT, CALL } node_kind;

struct as_maker_node {
    node_kind kind;
    as_gx first, last, next; // items of a list; the one of REPEAT is `first`; 0: none
    as_str text;             // TEXT
    const as_points *points; // POINTS: [count]
    size_t count;
    int64_t least, most; // REPEAT
    uint32_t rule;       // CALL
};

// --- expressions --------------------------------------------------------------------------------

void as_points_add(as_point_set *set, uint32_t from, uint32_t to) {
    if (set->count == set->cap) {
        set->cap = set->cap ? 2 * set->cap : 8;
        set->items = as_mem_grow(set->items, as_size_mul(set->cap, sizeof *set->items));
    }
    set->items[set->count++] = (as_points){from, to};
}

static int by_from(const void *a, const void *b) {
    const as_points *x = a, *y = b;
    return x->from < y->from ? -1 : x->from > y->from;
}

void as_points_tidy(as_point_set *set) {
    for (size_t i = 0, count = set->count; i < count; i++) {
        as_points p = set->items[i];
        if (p.to < 0xd800 || p.from > 0xdfff) continue;
        set->items[i].to = p.from < 0xd800 ? 0xd7ff : 0;
        if (p.from >= 0xd800) set->items[i].from = 1; // none
        if (p.to > 0xdfff) as_points_add(set, 0xe000, p.to);
    }
    if (set->count) qsort(set->items, set->count, sizeof *set->items, by_from);
    size_t kept = 0;
    for (size_t i = 0; i < set->count; i++) {
        as_points p = set->items[i];
        if (p.from > p.to) continue;
        if (kept && p.from <= set->items[kept - 1].to + 1) {
            if (p.to > set->items[kept - 1].to) set->items[kept - 1].to = p.to;
        } else {
            set->items[kept++] = p;
        }
    }
    set->count = kept;
}

void as_points_invert(as_point_set *set) {
    as_point_set rest = {0};
    uint32_t at = 0;
    as_points_tidy(set);
    for (size_t i = 0; i < set->count; i++) {
        if (set->items[i].from > at) as_points_add(&rest, at, set->items[i].from - 1);
        at = set->items[i].to + 1;
    }
    if (at <= AS_POINT_LAST) as_points_add(&rest, at, AS_POINT_LAST);
    free(set->items);
    *set = rest;
    as_points_tidy(set);
}

static as_gx new_node(as_maker *m, as_maker_node node) {
    if (!m->node_count) m->node_count = 1; // 0 is none
    if (m->node_count >= m->node_cap) {
        m->node_cap = m->node_cap ? 2 * m->node_cap : 64;
        m->nodes = as_mem_grow(m->nodes, as_size_mul(m->node_cap, sizeof *m->nodes));
    }
    m->nodes[m->node_count] = node;
    return (as_gx)m->node_count++;
}

as_gx as_gx_text(as_maker *maker, as_str bytes) {
    return new_node(maker,
                    (as_maker_node){.kind = TEXT, .text = as_str_copy(&maker->arena, bytes)});
}

as_gx as_gx_points(as_maker *maker, const as_point_set *tidy) {
    as_points *copy = AS_NEW_ARRAY(&maker->arena, as_points, tidy->count + 1);
    if (tidy->count) memcpy(copy, tidy->items, tidy->count * sizeof *copy);
    return new_node(maker, (as_maker_node){.kind = POINTS, .points = copy, .count = tidy->count});
}

as_gx as_gx_sequence(as_maker *maker) {
    return new_node(maker, (as_maker_node){.kind = SEQUENCE});
}

as_gx as_gx_either(as_maker *maker) {
    return new_node(maker, (as_maker_node){.kind = EITHER});
}

void as_gx_add(as_maker *maker, as_gx list, as_gx item) {
    as_maker_node *l = &maker->nodes[list];
    if (l->last)
        maker->nodes[l->last].next = item;
    else
        l->first = item;
    l->last = item;
}

as_gx as_gx_repeat(as_maker *maker, as_gx item, int64_t least, int64_t most) {
    return new_node(maker,
                    (as_maker_node){.kind = REPEAT, .first = item, .least = least, .most = most});
}

as_gx as_gx_call(as_maker *maker, uint32_t rule) {
    return new_node(maker, (as_maker_node){.kind = CALL, .rule = rule});
}

uint32_t as_maker_rule_of(as_maker *maker, as_str name, size_t line, size_t column) {
    uint64_t known;
    if (name.len && as_map_get(&maker->names, name, &known)) return (uint32_t)known;
    if (maker->rule_count == maker->rule_cap) {
        maker->rule_cap = maker->rule_cap ? 2 * maker->rule_cap : 16;
        maker->rules =
            as_mem_grow(maker->rules, as_size_mul(maker->rule_cap, sizeof *maker->rules));
    }
    as_maker_rule *rule = &maker->rules[maker->rule_count];
    *rule =
        (as_maker_rule){.name = as_str_copy(&maker->arena, name), .line = line, .column = column};
    if (name.len) as_map_add(&maker->names, rule->name, maker->rule_count, NULL);
    return (uint32_t)maker->rule_count++;
}

void as_maker_define(as_maker *maker, uint32_t rule, as_gx body) {
    maker->rules[rule].body = body;
    maker->rules[rule].defined = true;
}

void as_maker_free(as_maker *maker) {
    as_arena_free(&maker->arena);
    as_map_free(&maker->names);
    free(maker->nodes);
    free(maker->rules);
    *maker = (as_maker){0};
}

// --- states -------------------------------------------------------------------------------------

// A new state, or the last one when there are too many: what is built from then on is not used.
static uint32_t new_state(as_draft *d) {
    if (d->state_count < AS_GRAMMAR_STATES_MAX) return d->state_count++;
    d->full = true;
    return d->state_count - 1;
}

static void add_edge(as_draft *d, as_draft_edge edge) {
    if (d->edge_count == AS_GRAMMAR_EDGES_MAX) d->full = true;
    if (d->full) return;
    if (d->edge_count == d->edge_cap) {
        d->edge_cap = d->edge_cap ? 2 * d->edge_cap : 256;
        d->edges = as_mem_grow(d->edges, as_size_mul(d->edge_cap, sizeof *d->edges));
    }
    d->edges[d->edge_count++] = edge;
}

static void add_bytes(as_draft *d, uint32_t from, uint32_t to, unsigned low, unsigned high) {
    add_edge(d, (as_draft_edge){AS_EDGE_BYTES, from, to, low, high});
}

static void add_hop(as_draft *d, uint32_t from, uint32_t to) {
    add_edge(d, (as_draft_edge){AS_EDGE_HOP, from, to, 0, 0});
}

// The states from which one, two or three more bytes of a character lead to `to`.
typedef struct tails {
    uint32_t to, more[3]; // 0: not there yet
} tails;

static uint32_t tail_state(as_draft *d, tails *t, size_t bytes) {
    if (!bytes) return t->to;
    uint32_t *state = &t->more[bytes - 1];
    if (*state) return *state;
    uint32_t after = tail_state(d, t, bytes - 1);
    *state = new_state(d);
    add_bytes(d, *state, after, 0x80, 0xbf);
    return *state;
}

// Characters low..high, which have sequences of `len` bytes alike in the first `done`.
static void add_sequences(as_draft *d, uint32_t from, tails *t, const unsigned char *low,
                          const unsigned char *high, size_t done, size_t len) {
    size_t left = len - done;
    if (left == 1) {
        add_bytes(d, from, t->to, low[done], high[done]);
        return;
    }
    bool whole_low = true, whole_high = true; // the rest runs over all there is
    for (size_t i = done + 1; i < len; i++) {
        whole_low = whole_low && low[i] == 0x80;
        whole_high = whole_high && high[i] == 0xbf;
    }
    unsigned first = low[done], last = high[done];
    if (first == last && !(whole_low && whole_high)) {
        uint32_t next = new_state(d);
        add_bytes(d, from, next, first, first);
        add_sequences(d, next, t, low, high, done + 1, len);
        return;
    }
    static const unsigned char least[4] = {0x80, 0x80, 0x80, 0x80};
    static const unsigned char most[4] = {0xbf, 0xbf, 0xbf, 0xbf};
    if (!whole_low) {
        uint32_t next = new_state(d);
        add_bytes(d, from, next, first, first);
        add_sequences(d, next, t, low, most, done + 1, len);
        first++;
    }
    if (!whole_high) {
        uint32_t next = new_state(d);
        add_bytes(d, from, next, last, last);
        add_sequences(d, next, t, least, high, done + 1, len);
        last--;
    }
    if (first <= last) add_bytes(d, from, tail_state(d, t, left - 1), first, last);
}

static void emit_points(as_draft *d, const as_maker_node *node, uint32_t from, uint32_t to) {
    static const uint32_t ends[] = {0x7f, 0x7ff, 0xffff, AS_POINT_LAST};
    tails t = {.to = to};
    for (size_t i = 0; i < node->count && !d->full; i++) {
        uint32_t at = node->points[i].from, last = node->points[i].to;
        for (size_t k = 0; k < 4 && at <= last; k++) {
            if (at > ends[k]) continue;
            uint32_t end = last < ends[k] ? last : ends[k];
            char low[4], high[4];
            size_t len = as_utf8_put(at, low);
            as_utf8_put(end, high);
            add_sequences(d, from, &t, (unsigned char *)low, (unsigned char *)high, 0, len);
            at = end + 1;
        }
    }
}

static void emit(as_draft *d, const as_maker *m, as_gx expression, uint32_t from, uint32_t to);

static void emit_repeat(as_draft *d, const as_maker *m, const as_maker_node *node, uint32_t from,
                        uint32_t to) {
    for (int64_t i = 0; i < node->least && !d->full; i++) {
        uint32_t next = new_state(d);
        emit(d, m, node->first, from, next);
        from = next;
    }
    if (node->most < 0) {
        uint32_t loop = new_state(d);
        add_hop(d, from, loop);
        emit(d, m, node->first, loop, loop);
        from = loop;
    }
    for (int64_t i = node->least; i < node->most && !d->full; i++) {
        uint32_t next = new_state(d);
        add_hop(d, from, to);
        emit(d, m, node->first, from, next);
        from = next;
    }
    add_hop(d, from, to);
}

static void emit(as_draft *d, const as_maker *m, as_gx expression, uint32_t from, uint32_t to) {
    const as_maker_node *node = &m->nodes[expression];
    if (d->full) return;
    if (node->kind == TEXT) {
        for (size_t i = 0; i < node->text.len && !d->full; i++) {
            unsigned byte = (unsigned char)node->text.ptr[i];
            uint32_t next = i + 1 < node->text.len ? new_state(d) : to;
            add_bytes(d, from, next, byte, byte);
            from = next;
        }
        if (!node->text.len) add_hop(d, from, to);
    } else if (node->kind == POINTS) {
        emit_points(d, node, from, to);
    } else if (node->kind == SEQUENCE) {
        for (as_gx item = node->first; item && !d->full; item = m->nodes[item].next) {
            uint32_t next = item == node->last ? to : new_state(d);
            emit(d, m, item, from, next);
            from = next;
        }
        if (!node->first) add_hop(d, from, to);
    } else if (node->kind == EITHER) {
        for (as_gx item = node->first; item && !d->full; item = m->nodes[item].next)
            emit(d, m, item, from, to);
    } else if (node->kind == REPEAT) {
        emit_repeat(d, m, node, from, to);
    } else {
        add_edge(d, (as_draft_edge){AS_EDGE_CALL, from, to, node->rule, 0});
    }
}

as_rc as_maker_compile(as_maker *maker, uint32_t root, as_grammar **out, as_err *err) {
    const as_maker *m = maker;
    as_draft d = {.rule_count = m->rule_count, .root = root};
    as_rc rc = AS_OK;
    if (m->rule_count > AS_GRAMMAR_RULES_MAX)
        return as_fail(err, AS_INVALID, "the grammar has %zu rules, more than %d", m->rule_count,
                       AS_GRAMMAR_RULES_MAX);
    d.starts = as_mem_new(as_size_mul(m->rule_count, sizeof *d.starts));
    d.ends = as_mem_new(as_size_mul(m->rule_count, sizeof *d.ends));
    for (size_t r = 0; r < m->rule_count && !d.full; r++) {
        assert(m->rules[r].defined);
        d.starts[r] = new_state(&d);
        d.ends[r] = new_state(&d);
        emit(&d, m, m->rules[r].body, d.starts[r], d.ends[r]);
        if (d.full)
            rc = as_fail(err, AS_INVALID,
                         "the grammar is too large: with rule '%.*s' it takes more than %d states; "
                         "fewer or smaller repetitions {m,n} make it smaller",
                         AS_STR_ARG(m->rules[r].name), AS_GRAMMAR_STATES_MAX);
    }
    size_t rule = 0;
    as_trimming trimmed = AS_TRIM_FINE;
    if (!rc) trimmed = as_draft_trim(&d, &rule, out);
    if (trimmed == AS_TRIM_ENDLESS)
        rc = as_fail(err, AS_INVALID, "no text is as the grammar says: rule '%.*s' never ends",
                     AS_STR_ARG(m->rules[root].name));
    if (trimmed == AS_TRIM_LEFT)
        rc = as_fail(err, AS_INVALID,
                     "line %zu, column %zu: rule '%.*s' begins with itself (left recursion); write "
                     "it as a repetition",
                     m->rules[rule].line, m->rules[rule].column, AS_STR_ARG(m->rules[rule].name));
    free(d.starts);
    free(d.ends);
    free(d.edges);
    return rc;
}
