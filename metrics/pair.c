// SPDX-License-Identifier: Apache-2.0
#include "metrics/pair.h"

#include <stdlib.h>

#include "metrics/gate.h"

bool as_pair_answered(const as_pair *pair) {
    return !pair->a->missing && !pair->b->missing && pair->a->expected == pair->b->expected;
}

bool as_pair_half(const as_pair *pair) {
    return pair->a->missing != pair->b->missing && pair->a->expected == pair->b->expected;
}

static as_pair_cursor begin(const as_scorer *a, const as_scorer *b, as_str slice) {
    as_pair_cursor c = {.a_rows = as_rows_cases(a), .b_rows = as_rows_cases(b)};
    c.in_b = as_rows_slice(b, slice, &c.b_slice);
    return c; // way 0: both sides are due
}

// The next case of either run.
static bool step(as_pair_cursor *c, as_pair *out) {
    if (c->way <= 0) c->left = as_rows_next(&c->a_rows);
    if (c->way >= 0) c->right = as_rows_next(&c->b_rows);
    if (!c->left && !c->right) return false;
    c->way = !c->left ? 1 : !c->right ? -1 : as_str_cmp(c->left->id, c->right->id);
    c->way = (c->way > 0) - (c->way < 0);
    *out = (as_pair){c->way <= 0 ? c->left : NULL, c->way >= 0 ? c->right : NULL};
    return true;
}

as_pair_cursor as_pair_read(const as_pairs *pairs) {
    return begin(pairs->a, pairs->b, pairs->slice);
}

bool as_pair_next(as_pair_cursor *c, as_pair *out) {
    while (step(c, out))
        if (out->a && out->b && c->in_b && as_rows_in_slice(out->b, c->b_slice)) return true;
    return false;
}

void as_pair_done(as_pair_cursor *c) {
    as_rows_done(&c->a_rows);
    as_rows_done(&c->b_rows);
}

as_pairs as_pair_list(as_scorer *a, as_scorer *b, as_str slice) {
    as_rows_seal(a);
    as_rows_seal(b);
    as_pairs out = {.a = a, .b = b, .slice = slice};
    uint32_t a_slice;
    bool in_a = as_rows_slice(a, slice, &a_slice);
    as_pair_cursor c = begin(a, b, slice);
    as_pair pair;
    while (step(&c, &pair)) {
        if (!pair.b) {
            out.only_a += in_a && as_rows_in_slice(pair.a, a_slice);
        } else if (!c.in_b || !as_rows_in_slice(pair.b, c.b_slice)) {
            continue;
        } else if (!pair.a) {
            out.only_b++;
        } else {
            out.count++;
            if (pair.a->expected != pair.b->expected)
                out.changed++;
            else if (pair.a->missing || pair.b->missing)
                out.missing++;
        }
    }
    return out;
}

as_pairing as_pair_count(as_scorer *a, as_scorer *b) {
    as_pairing out = {0};
    as_rows_seal(a);
    as_rows_seal(b);
    as_pair_cursor c = begin(a, b, AS_STR(""));
    as_pair pair;
    while (step(&c, &pair)) {
        out.only_a += !pair.b;
        out.only_b += !pair.a;
        if (!pair.a || !pair.b) continue;
        bool missing = pair.a->missing || pair.b->missing;
        out.missing += missing;
        out.shared += !missing;
    }
    return out;
}

struct as_scorer_pairs {
    as_pairs pairs;
    as_pair_cursor cursor;
};

as_scorer_pairs *as_scorer_pairs_open(as_scorer *a, as_scorer *b) {
    as_scorer_pairs *out = as_mem_new(sizeof *out);
    as_rows_seal(a);
    as_rows_seal(b);
    out->pairs = (as_pairs){.a = a, .b = b};
    out->cursor = as_pair_read(&out->pairs);
    return out;
}

bool as_scorer_pairs_next(as_scorer_pairs *p, as_scorer_pair *out) {
    as_pair pair;
    if (!as_pair_next(&p->cursor, &pair)) return false;
    *out = (as_scorer_pair){pair.b->id, as_rows_first_score(p->pairs.a, pair.a),
                            as_rows_first_score(p->pairs.b, pair.b)};
    return true;
}

void as_scorer_pairs_close(as_scorer_pairs *p) {
    as_pair_done(&p->cursor);
    free(p);
}
