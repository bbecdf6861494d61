// SPDX-License-Identifier: Apache-2.0
#include "reports/trend/word_diff.h"

#include <stdlib.h>
#include <string.h>

#include "reports/content.h"

enum { TOKENS_MAX = 600 };

typedef struct tokens {
    as_str items[TOKENS_MAX + 1]; // the last may be all that is left
    size_t count;
} tokens;

static bool is_space(char c) {
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

// Letters, digits and whatever is not ASCII make words; other characters stand alone.
static int kind_of(char c) {
    unsigned char u = (unsigned char)c;
    if (is_space(c)) return 0;
    bool letter = (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z');
    return letter || (u >= '0' && u <= '9') || u >= 0x80 || c == '_' ? 1 : 2;
}

static void cut_up(as_str text, tokens *out) {
    out->count = 0;
    for (size_t at = 0; at < text.len;) {
        size_t to = at + 1;
        int kind = kind_of(text.ptr[at]);
        while (kind != 2 && to < text.len && kind_of(text.ptr[to]) == kind) to++;
        if (out->count == TOKENS_MAX) to = text.len;
        out->items[out->count++] = as_str_sub(text, at, to);
        at = to;
    }
}

static void put_run(as_buf *out, const tokens *t, size_t from, size_t to, const char *tag) {
    if (from == to) return;
    const char *start = t->items[from].ptr;
    as_str text = {start, (size_t)(t->items[to - 1].ptr + t->items[to - 1].len - start)};
    if (tag) as_buff(out, "<%s>", tag);
    as_content_markup(out, text, SIZE_MAX);
    if (tag) as_buff(out, "</%s>", tag);
}

// Walks along the longest common subsequence and writes what is common and what is not.
static void put_both(as_buf *left, as_buf *right, const tokens *a, const tokens *b,
                     const unsigned short *longest) {
    size_t width = b->count + 1, i = 0, j = 0;
    while (i < a->count || j < b->count) {
        size_t from_i = i, from_j = j;
        while (i < a->count && j < b->count && as_str_eq(a->items[i], b->items[j])) i++, j++;
        put_run(left, a, from_i, i, NULL);
        put_run(right, b, from_j, j, NULL);
        from_i = i;
        from_j = j;
        while (i < a->count || j < b->count) {
            if (i < a->count && j < b->count && as_str_eq(a->items[i], b->items[j])) break;
            bool skip_a = j == b->count || (i < a->count && longest[(i + 1) * width + j] >=
                                                                longest[i * width + j + 1]);
            if (skip_a)
                i++;
            else
                j++;
        }
        put_run(left, a, from_i, i, "del");
        put_run(right, b, from_j, j, "ins");
    }
}

void as_word_diff(as_buf *left, as_buf *right, as_str a, as_str b) {
    tokens *x = as_mem_new(sizeof *x), *y = as_mem_new(sizeof *y);
    cut_up(as_content_clip(a, AS_CLIP_TEXT), x);
    cut_up(as_content_clip(b, AS_CLIP_TEXT), y);
    size_t width = y->count + 1;
    unsigned short *longest = as_mem_new((x->count + 1) * width * sizeof *longest);
    for (size_t i = x->count; i-- > 0;)
        for (size_t j = y->count; j-- > 0;) {
            unsigned short down = longest[(i + 1) * width + j], along = longest[i * width + j + 1];
            longest[i * width + j] = as_str_eq(x->items[i], y->items[j])
                                         ? (unsigned short)(longest[(i + 1) * width + j + 1] + 1)
                                     : down > along ? down
                                                    : along;
        }
    put_both(left, right, x, y, longest);
    free(longest);
    free(x);
    free(y);
}
