// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/batch/work.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef struct sorted_text {
    as_tokens text;
    uint32_t index;
} sorted_text;

static int by_tokens(const void *a, const void *b) {
    const sorted_text *x = a, *y = b;
    for (size_t i = 0; i < x->text.count && i < y->text.count; i++)
        if (x->text.ids[i] != y->text.ids[i]) return x->text.ids[i] < y->text.ids[i] ? -1 : 1;
    if (x->text.count != y->text.count) return x->text.count < y->text.count ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

// The last token of a text is predicted, and predicts nothing.
static size_t rows_of(as_tokens text) {
    return text.count ? text.count - 1 : 0;
}

static size_t common_rows(as_tokens a, as_tokens b) {
    size_t most = rows_of(a) < rows_of(b) ? rows_of(a) : rows_of(b), n = 0;
    while (n < most && a.ids[n] == b.ids[n]) n++;
    return n;
}

static void end_group(as_case *c, size_t group_begin) {
    size_t slots = c->branch_count - group_begin;
    if (!slots) return;
    c->ends[c->group_count++] = c->branch_count;
    if (slots > c->branch_slots) c->branch_slots = slots;
}

// In the order of their tokens, a text shares most with the one before it.
static void build_rows(as_case *c, const sorted_text *sorted, size_t group_slots) {
    const as_work *work = c->work;
    size_t group = 0; // its first row
    for (size_t i = 0; i < work->text_count; i++) {
        as_tokens text = sorted[i].text;
        size_t n = rows_of(text), depth = i ? common_rows(sorted[i - 1].text, text) : 0;
        if (c->branch_count - group + n - depth > group_slots) {
            end_group(c, group);
            group = c->branch_count;
            depth = 0;
        }
        uint32_t *path = AS_NEW_ARRAY(&c->arena, uint32_t, n + 1);
        if (depth) memcpy(path, c->paths[sorted[i - 1].index], depth * sizeof *path);
        c->paths[sorted[i].index] = path;
        for (size_t d = depth; d < n; d++) {
            path[d] = (uint32_t)c->branch_count;
            c->slots[c->branch_count] = (uint32_t)(c->branch_count - group);
            c->branch[c->branch_count++] =
                (as_row){text.ids[d], (uint32_t)(work->prompt.count + d), 1 + sorted[i].index};
        }
    }
    end_group(c, group);
}

// The targets of all texts, those of a row side by side.
static void build_targets(as_case *c) {
    const as_work *work = c->work;
    size_t *begins = AS_NEW_ARRAY(&c->arena, size_t, c->branch_count + 2);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t t = 0; t < work->text_count; t++) {
            as_tokens text = work->texts[t];
            // After no prompt the first token is not predicted.
            for (size_t d = work->prompt.count ? 0 : 1; d < text.count; d++) {
                uint32_t row = d ? 1 + c->paths[t][d - 1] : 0;
                if (pass)
                    c->targets[begins[row]++] = (as_target_token){row, text.ids[d], (uint32_t)t};
                else
                    begins[row + 1]++;
            }
        }
        if (pass) break;
        for (size_t row = 0; row <= c->branch_count; row++) begins[row + 1] += begins[row];
        c->target_count = begins[c->branch_count + 1];
        c->targets = AS_NEW_ARRAY(&c->arena, as_target_token, c->target_count);
    }
    c->values = AS_NEW_ARRAY(&c->arena, double, c->target_count);
    c->tokens = AS_NEW_ARRAY(&c->arena, uint32_t, c->target_count);
    for (size_t i = 0; i < c->target_count; i++) c->tokens[i] = c->targets[i].token;
}

void as_work_build(as_case *c, size_t group_slots) {
    as_work *work = c->work;
    if (work->kind == AS_WORK_GENERATE) {
        c->branch = AS_NEW_ARRAY(&c->arena, as_row, work->max_tokens);
        c->best = AS_NEW(&c->arena, uint32_t);
        c->branch_slots = work->max_tokens - 1; // the last token is not looked at
    }
    if (work->kind != AS_WORK_TEXTS) return;
    size_t rows = 0;
    sorted_text *sorted = AS_NEW_ARRAY(&c->arena, sorted_text, work->text_count);
    for (size_t t = 0; t < work->text_count; t++) {
        sorted[t] = (sorted_text){work->texts[t], (uint32_t)t};
        rows += rows_of(work->texts[t]);
        work->logprobs[t] = 0.0;
        if (work->greedy) work->greedy[t] = true;
    }
    qsort(sorted, work->text_count, sizeof *sorted, by_tokens);
    c->branch = AS_NEW_ARRAY(&c->arena, as_row, rows);
    c->slots = AS_NEW_ARRAY(&c->arena, uint32_t, rows);
    c->ends = AS_NEW_ARRAY(&c->arena, size_t, work->text_count);
    c->paths = AS_NEW_ARRAY(&c->arena, uint32_t *, work->text_count);
    build_rows(c, sorted, group_slots);
    build_targets(c);
    c->best = AS_NEW_ARRAY(&c->arena, uint32_t, 1 + c->branch_count);
}

size_t as_work_slots(const as_case *c, size_t own_from) {
    return c->work->prompt.count - own_from + c->branch_slots;
}

size_t as_work_spans(const as_case *c, size_t from, size_t to, as_span *spans, size_t count,
                     size_t apart) {
    while (from < to) {
        size_t slot = from % AS_PAGE, n = AS_PAGE - slot < to - from ? AS_PAGE - slot : to - from;
        as_span next = {c->pages[from / AS_PAGE], (uint16_t)slot, (uint16_t)n};
        as_span *last = count > apart ? &spans[count - 1] : NULL;
        if (last && last->page == next.page && last->slot + last->count == next.slot)
            last->count = (uint16_t)(last->count + n);
        else
            spans[count++] = next;
        from += n;
    }
    return count;
}

void as_work_place(as_case *c) {
    const as_work *work = c->work;
    size_t before = c->views[0].count;
    c->row_count = c->own_count + c->branch_count;
    for (size_t t = 0; work->kind == AS_WORK_TEXTS && t < work->text_count; t++) {
        size_t n = rows_of(work->texts[t]), count = before;
        // Only texts with rows of their own are looked through.
        if (!n || c->branch[c->paths[t][n - 1]].view != 1 + t) continue;
        as_span *spans = AS_NEW_ARRAY(&c->arena, as_span, before + n);
        memcpy(spans, c->views[0].spans, before * sizeof *spans);
        for (size_t d = 0; d < n; d++) {
            size_t slot = c->own_count + c->slots[c->paths[t][d]];
            count = as_work_spans(c, slot, slot + 1, spans, count, before);
        }
        c->views[1 + t] = (as_view){spans, count};
    }
}

as_row as_work_row(const as_case *c, size_t i) {
    assert(i < c->row_count);
    if (i >= c->own_count) return c->branch[i - c->own_count];
    size_t position = c->own_from + i;
    return (as_row){c->work->prompt.ids[position], (uint32_t)position, 0};
}

size_t as_work_group_end(const as_case *c, size_t i) {
    if (c->work->kind != AS_WORK_TEXTS) return c->row_count;
    size_t g = 0;
    // Own rows of the prompt are in no group: the first goes along with them.
    while (g + 1 < c->group_count && i >= c->own_count + c->ends[g]) g++;
    return c->group_count ? c->own_count + c->ends[g] : c->row_count;
}

// One more than the number that targets have for row `i`; 0 when they have none.
static size_t after_row(const as_case *c, size_t i) {
    return i + 2 > c->own_count ? i + 2 - c->own_count : 0;
}

bool as_work_want(as_case *c, size_t i, as_want *out) {
    *out = (as_want){0};
    if (c->work->kind == AS_WORK_LOGITS) return true;
    if (c->work->kind == AS_WORK_GENERATE) {
        out->best = c->best;
        return i + 1 == c->row_count;
    }
    size_t after = after_row(c, i), from = c->asked;
    while (c->asked < c->target_count && c->targets[c->asked].row < after) c->asked++;
    if (c->asked == from) return false;
    out->tokens = c->tokens + from;
    out->logprobs = c->values + from;
    out->count = c->asked - from;
    if (c->work->greedy) out->best = &c->best[c->targets[from].row];
    return true;
}

void as_work_score(as_case *c, size_t from, size_t to) {
    as_work *work = c->work;
    size_t after = to > from ? after_row(c, to - 1) : 0;
    if (work->kind != AS_WORK_TEXTS) return;
    for (; c->scored < c->target_count && c->targets[c->scored].row < after; c->scored++) {
        as_target_token target = c->targets[c->scored];
        work->logprobs[target.text] += c->values[c->scored];
        if (work->greedy && c->best[target.row] != target.token) work->greedy[target.text] = false;
    }
}
