// SPDX-License-Identifier: Apache-2.0
#include "metrics/pair.h"

#include "metrics/gate.h"

bool as_pair_answered(const as_pair *pair) {
    return !pair->a->missing && !pair->b->missing && pair->a->expected == pair->b->expected;
}

bool as_pair_half(const as_pair *pair) {
    return pair->a->missing != pair->b->missing && pair->a->expected == pair->b->expected;
}

static void count_pair(as_pairs *pairs, const as_pair *pair) {
    if (pair->a->expected != pair->b->expected)
        pairs->changed++;
    else if (pair->a->missing || pair->b->missing)
        pairs->missing++;
}

as_pairs as_pair_list(as_arena *arena, as_scorer *a, as_scorer *b, as_str slice) {
    as_rows_seal(a);
    as_rows_seal(b);
    uint32_t a_slice, b_slice;
    as_pairs out = {.a = a, .b = b};
    as_pair *items = AS_NEW_ARRAY(arena, as_pair, a->row_count + 1);
    bool in_a = as_rows_slice(a, slice, &a_slice), in_b = as_rows_slice(b, slice, &b_slice);
    size_t i = 0, j = 0;
    while (i < a->row_count || j < b->row_count) {
        const as_row *left = i < a->row_count ? &a->rows[i] : NULL;
        const as_row *right = j < b->row_count ? &b->rows[j] : NULL;
        int way = !left ? 1 : !right ? -1 : as_str_cmp(left->id, right->id);
        i += way <= 0;
        j += way >= 0;
        if (way < 0) {
            out.only_a += in_a && as_rows_in_slice(left, a_slice);
        } else if (!in_b || !as_rows_in_slice(right, b_slice)) {
            continue;
        } else if (way > 0) {
            out.only_b++;
        } else {
            items[out.count] = (as_pair){left, right};
            count_pair(&out, &items[out.count++]);
        }
    }
    out.items = items;
    return out;
}

as_pairing as_pair_count(as_scorer *a, as_scorer *b) {
    as_pairing out = {0};
    as_rows_seal(a);
    as_rows_seal(b);
    size_t i = 0, j = 0;
    while (i < a->row_count || j < b->row_count) {
        const as_row *left = i < a->row_count ? &a->rows[i] : NULL;
        const as_row *right = j < b->row_count ? &b->rows[j] : NULL;
        int way = !left ? 1 : !right ? -1 : as_str_cmp(left->id, right->id);
        i += way <= 0;
        j += way >= 0;
        out.only_a += way < 0;
        out.only_b += way > 0;
        if (way != 0) continue;
        bool missing = left->missing || right->missing;
        out.missing += missing;
        out.shared += !missing;
    }
    return out;
}
