// SPDX-License-Identifier: Apache-2.0
#include "harness/base/grammar/grammar_trim.h"

#include <stdlib.h>
#include <string.h>

// The edges by a key: those of key k are list[at[k]] to list[at[k + 1] - 1].
typedef struct edge_index {
    uint32_t *at, *list;
} edge_index;

typedef uint32_t edge_key(const as_draft_edge *edge);

static uint32_t from_of(const as_draft_edge *edge) {
    return edge->from;
}

static uint32_t to_of(const as_draft_edge *edge) {
    return edge->to;
}

static uint32_t rule_of(const as_draft_edge *edge) {
    return edge->low;
}

static edge_index index_edges(const as_draft *d, size_t keys, edge_key *key, bool calls_only) {
    edge_index x = {as_mem_new(as_size_mul(keys + 2, sizeof *x.at)),
                    as_mem_new(as_size_mul(d->edge_count + 1, sizeof *x.list))};
    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < d->edge_count; i++) {
            const as_draft_edge *e = &d->edges[i];
            if (calls_only && e->kind != AS_EDGE_CALL) continue;
            if (pass)
                x.list[x.at[key(e) + 1]++] = (uint32_t)i;
            else
                x.at[key(e) + 2]++;
        }
        for (size_t k = 2; !pass && k <= keys + 1; k++) x.at[k] += x.at[k - 1];
    }
    return x;
}

static void free_index(edge_index *x) {
    free(x->at);
    free(x->list);
}

typedef struct trim {
    const as_draft *d;
    edge_index out, in, callers;
    uint32_t *work; // states to look at
    size_t work_count;
    bool *alive;     // [state] an end can be reached from it
    bool *skips;     // [state] an end can be reached without a byte
    uint32_t *rules; // [state] whose it is
} trim;

static void mark(trim *t, bool *marks, uint32_t state) {
    if (marks[state]) return;
    marks[state] = true;
    t->work[t->work_count++] = state;
}

// Marks the states from which their rule's end can be reached, with bytes or without.
static void reach_ends(trim *t, bool *marks, bool with_bytes) {
    const as_draft *d = t->d;
    for (size_t r = 0; r < d->rule_count; r++) mark(t, marks, d->ends[r]);
    while (t->work_count) {
        uint32_t state = t->work[--t->work_count], rule = t->rules[state];
        for (uint32_t i = t->in.at[state]; i < t->in.at[state + 1]; i++) {
            const as_draft_edge *e = &d->edges[t->in.list[i]];
            bool open = e->kind == AS_EDGE_HOP || (e->kind == AS_EDGE_BYTES && with_bytes) ||
                        (e->kind == AS_EDGE_CALL && marks[d->starts[e->low]]);
            if (open) mark(t, marks, e->from);
        }
        if (state != d->starts[rule]) continue;
        for (uint32_t i = t->callers.at[rule]; i < t->callers.at[rule + 1]; i++) {
            const as_draft_edge *e = &d->edges[t->callers.list[i]];
            if (marks[e->to]) mark(t, marks, e->from);
        }
    }
}

static bool is_live(const trim *t, const as_draft_edge *e) {
    return t->alive[e->to] && (e->kind != AS_EDGE_CALL || t->alive[t->d->starts[e->low]]);
}

// Rules that rule r may begin with, without a byte before: list[0..n-1]; `seen` is a mark for r.
static size_t begin_rules(trim *t, uint32_t r, uint32_t *seen, uint32_t *list) {
    const as_draft *d = t->d;
    size_t n = 0, count = 0;
    t->work[count++] = d->starts[r];
    seen[d->starts[r]] = r + 1;
    while (count) {
        uint32_t state = t->work[--count];
        for (uint32_t i = t->out.at[state]; i < t->out.at[state + 1]; i++) {
            const as_draft_edge *e = &d->edges[t->out.list[i]];
            if (e->kind == AS_EDGE_BYTES || !is_live(t, e)) continue;
            if (e->kind == AS_EDGE_CALL) list[n++] = e->low;
            bool passes = e->kind == AS_EDGE_HOP || t->skips[d->starts[e->low]];
            if (!passes || seen[e->to] == r + 1) continue;
            seen[e->to] = r + 1;
            t->work[count++] = e->to;
        }
    }
    return n;
}

// A rule that may begin with itself, or SIZE_MAX. Rules are walked depth first.
static size_t find_left(trim *t) {
    const as_draft *d = t->d;
    size_t found = SIZE_MAX, depth = 0, used = 0;
    uint32_t *seen = as_mem_new(as_size_mul(d->state_count, sizeof *seen));
    uint32_t *list = as_mem_new(as_size_mul(d->edge_count + 1, sizeof *list));
    struct {
        uint32_t rule;
        size_t at, end; // of its list
    } *path = as_mem_new(as_size_mul(d->rule_count + 1, sizeof *path));
    unsigned char *colors = as_mem_new(d->rule_count + 1); // 1: on the path, 2: done
    for (uint32_t r = 0; r < d->rule_count && found == SIZE_MAX; r++) {
        uint32_t next = r;
        bool enter = !colors[r];
        while ((enter || depth) && found == SIZE_MAX) {
            if (enter) {
                size_t n = begin_rules(t, next, seen, list + used);
                colors[next] = 1;
                path[depth].rule = next;
                path[depth].at = used;
                path[depth++].end = used += n;
                enter = false;
            } else if (path[depth - 1].at < path[depth - 1].end) {
                next = list[path[depth - 1].at++];
                if (colors[next] == 1) found = next;
                enter = !colors[next];
            } else {
                colors[path[--depth].rule] = 2;
            }
        }
    }
    free(seen);
    free(list);
    free(path);
    free(colors);
    return found;
}

// Marks states from which nothing but the end can come: backwards from the ends.
static bool *find_last(trim *t) {
    const as_draft *d = t->d;
    bool *last = as_mem_new(d->state_count);
    // A state is only then last when all its live edges are hops to such: count those left.
    uint32_t *open = as_mem_new(as_size_mul(d->state_count, sizeof *open));
    for (size_t i = 0; i < d->edge_count; i++)
        if (is_live(t, &d->edges[i])) open[d->edges[i].from]++;
    for (size_t r = 0; r < d->rule_count; r++)
        if (!open[d->ends[r]]) mark(t, last, d->ends[r]);
    while (t->work_count) {
        uint32_t state = t->work[--t->work_count];
        for (uint32_t i = t->in.at[state]; i < t->in.at[state + 1]; i++) {
            const as_draft_edge *e = &d->edges[t->in.list[i]];
            if (e->kind == AS_EDGE_HOP && --open[e->from] == 0) mark(t, last, e->from);
        }
    }
    free(open);
    return last;
}

// Bytes that are in the same edges get the same number.
static void class_bytes(const trim *t, as_grammar *g) {
    bool begins[257] = {true};
    for (size_t i = 0; i < t->d->edge_count; i++) {
        const as_draft_edge *e = &t->d->edges[i];
        if (e->kind != AS_EDGE_BYTES || !is_live(t, e)) continue;
        begins[e->low] = begins[e->high + 1] = true;
    }
    for (size_t byte = 0; byte < 256; byte++) {
        if (begins[byte]) g->class_count++;
        g->classes[byte] = (unsigned char)(g->class_count - 1);
    }
}

static void put_edges(const trim *t, as_grammar *g, const bool *last) {
    size_t edges = 0, hops = 0, calls = 0;
    for (uint32_t s = 0; s < g->state_count; s++) {
        g->edge_at[s] = (uint32_t)edges;
        g->hop_at[s] = (uint32_t)hops;
        g->call_at[s] = (uint32_t)calls;
        for (uint32_t i = t->out.at[s]; i < t->out.at[s + 1]; i++) {
            const as_draft_edge *e = &t->d->edges[t->out.list[i]];
            if (!is_live(t, e)) continue;
            if (e->kind == AS_EDGE_BYTES)
                g->edges[edges++] =
                    (as_grammar_edge){e->to, (unsigned char)e->low, (unsigned char)e->high};
            else if (e->kind == AS_EDGE_HOP)
                g->hops[hops++] = e->to;
            else
                g->calls[calls++] = (as_grammar_call){e->low, e->to, last[e->to]};
        }
    }
    g->edge_at[g->state_count] = (uint32_t)edges;
    g->hop_at[g->state_count] = (uint32_t)hops;
    g->call_at[g->state_count] = (uint32_t)calls;
}

static as_grammar *make(trim *t) {
    const as_draft *d = t->d;
    as_grammar *g = as_mem_new(sizeof *g);
    bool *last = find_last(t);
    size_t kinds[3] = {0};
    for (size_t i = 0; i < d->edge_count; i++) kinds[d->edges[i].kind]++;
    g->state_count = d->state_count;
    g->rule_count = d->rule_count;
    g->root = d->root;
    g->starts = as_mem_new(as_size_mul(d->rule_count, sizeof *g->starts));
    memcpy(g->starts, d->starts, d->rule_count * sizeof *g->starts);
    g->final = as_mem_new(d->state_count);
    for (size_t r = 0; r < d->rule_count; r++) g->final[d->ends[r]] = true;
    g->edge_at = as_mem_new(as_size_mul(d->state_count + 1u, sizeof *g->edge_at));
    g->hop_at = as_mem_new(as_size_mul(d->state_count + 1u, sizeof *g->hop_at));
    g->call_at = as_mem_new(as_size_mul(d->state_count + 1u, sizeof *g->call_at));
    g->edges = as_mem_new(as_size_mul(kinds[AS_EDGE_BYTES] + 1, sizeof *g->edges));
    g->hops = as_mem_new(as_size_mul(kinds[AS_EDGE_HOP] + 1, sizeof *g->hops));
    g->calls = as_mem_new(as_size_mul(kinds[AS_EDGE_CALL] + 1, sizeof *g->calls));
    put_edges(t, g, last);
    class_bytes(t, g);
    free(last);
    return g;
}

as_trimming as_draft_trim(const as_draft *draft, size_t *rule, as_grammar **out) {
    const as_draft *d = draft;
    trim t = {.d = d};
    t.out = index_edges(d, d->state_count, from_of, false);
    t.in = index_edges(d, d->state_count, to_of, false);
    t.callers = index_edges(d, d->rule_count, rule_of, true);
    t.work = as_mem_new(as_size_mul(d->state_count + 1u, sizeof *t.work));
    t.alive = as_mem_new(d->state_count);
    t.skips = as_mem_new(d->state_count);
    t.rules = as_mem_new(as_size_mul(d->state_count, sizeof *t.rules));
    for (uint32_t r = 0, s = 0; s < d->state_count; s++) {
        while (r + 1 < d->rule_count && s >= d->starts[r + 1]) r++;
        t.rules[s] = r;
    }
    reach_ends(&t, t.alive, true);
    reach_ends(&t, t.skips, false);
    as_trimming result = t.alive[d->starts[d->root]] ? AS_TRIM_FINE : AS_TRIM_ENDLESS;
    if (result == AS_TRIM_FINE && (*rule = find_left(&t)) != SIZE_MAX) result = AS_TRIM_LEFT;
    if (result == AS_TRIM_FINE) *out = make(&t);
    free_index(&t.out);
    free_index(&t.in);
    free_index(&t.callers);
    free(t.work);
    free(t.alive);
    free(t.skips);
    free(t.rules);
    return result;
}

void as_grammar_free(as_grammar *grammar) {
    if (!grammar) return;
    free(grammar->starts);
    free(grammar->final);
    free(grammar->edge_at);
    free(grammar->hop_at);
    free(grammar->call_at);
    free(grammar->edges);
    free(grammar->hops);
    free(grammar->calls);
    free(grammar);
}
