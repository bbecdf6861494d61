// SPDX-License-Identifier: Apache-2.0
#include "runner/recorded/ahead.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/thread.h"

// A batch ends at so many lines, or beyond so many bytes.
enum { BATCHES = 4, LINES = 256, BYTES = 64 * 1024 };

typedef enum batch_state { EMPTY, FILLED, TAKEN, PARSED } batch_state;

typedef struct batch {
    batch_state state; // under the lock; whoever took it owns the rest, the caller's thread else
    as_arena arena;
    as_buf text;
    size_t ends[LINES]; // of the lines in `text`
    as_ahead_line lines[LINES];
    size_t count;
    as_rc rc; // of the line behind the last, which could not be parsed
    as_err err;
} batch;

struct as_ahead {
    as_lines lines;
    as_ahead_parse *parse;
    void *contexts[AS_AHEAD_THREADS]; // of the caller, of the helper
    as_lock *lock;
    as_thread *helper; // NULL: none
    bool stop;         // under the lock
    batch batches[BATCHES];
    size_t first, behind; // batches that were begun to be given out, and filled
    size_t next;          // line of the first
    bool ended;
    as_rc read_rc; // how reading ended
    as_err read_err;
};

static void parse_batch(const as_ahead *a, void *context, batch *b) {
    size_t n = 0;
    for (size_t from = 0; !b->rc && n < b->count; from = b->ends[n++]) {
        as_str text = as_str_sub(as_buf_view(&b->text), from, b->ends[n]);
        b->rc = a->parse(context, &b->arena, text, &b->lines[n], &b->err);
    }
    if (!b->rc) return;
    b->count = n - 1;
    as_err_prefix(&b->err, "%s:%llu", a->lines.path, (unsigned long long)b->lines[n - 1].number);
}

// A batch that waits to be parsed, the earliest first; NULL: none. Under the lock.
static batch *take_filled(as_ahead *a) {
    batch *found = NULL;
    for (size_t i = 0; !found && i < BATCHES; i++) {
        batch *b = &a->batches[(a->first + i) % BATCHES];
        if (b->state == FILLED) found = b;
    }
    if (found) found->state = TAKEN;
    return found;
}

// Parses a batch that was taken; under the lock, which it gives meanwhile.
static void work_on(as_ahead *a, void *context, batch *b) {
    as_lock_give(a->lock);
    parse_batch(a, context, b);
    as_lock_take(a->lock);
    b->state = PARSED;
    as_lock_wake(a->lock);
}

static void help(void *context) {
    as_ahead *a = context;
    as_lock_take(a->lock);
    while (!a->stop) {
        batch *b = take_filled(a);
        if (b)
            work_on(a, a->contexts[1], b);
        else
            as_lock_wait(a->lock, UINT64_MAX);
    }
    as_lock_give(a->lock);
}

// Reads lines into an empty batch.
static void fill(as_ahead *a, batch *b) {
    as_buf_clear(&b->text);
    as_arena_reset(&b->arena);
    b->count = 0;
    b->rc = AS_OK;
    while (b->count < LINES && as_buf_view(&b->text).len < BYTES) {
        as_str text;
        bool more = false;
        a->read_rc = as_lines_next(&a->lines, &text, &more, &a->read_err);
        a->ended = a->read_rc || !more;
        if (a->ended) return;
        if (!as_str_trim(text).len) continue;
        as_buf_str(&b->text, text);
        b->ends[b->count] = as_buf_view(&b->text).len;
        b->lines[b->count++] = (as_ahead_line){.number = a->lines.line};
    }
}

// Fills what is empty, then sees to it that the first batch is parsed.
static void go_on(as_ahead *a) {
    while (!a->ended && a->behind - a->first < BATCHES) {
        batch *b = &a->batches[a->behind % BATCHES];
        fill(a, b);
        if (!b->count) break;
        as_lock_take(a->lock);
        b->state = FILLED;
        as_lock_wake(a->lock);
        as_lock_give(a->lock);
        a->behind++;
    }
    const batch *first = &a->batches[a->first % BATCHES];
    as_lock_take(a->lock);
    while (a->behind > a->first && first->state != PARSED) {
        batch *b = take_filled(a);
        if (b)
            work_on(a, a->contexts[0], b);
        else
            as_lock_wait(a->lock, UINT64_MAX);
    }
    as_lock_give(a->lock);
}

as_rc as_ahead_open(const char *path, size_t line_max, as_ahead_parse *parse,
                    void *const contexts[AS_AHEAD_THREADS], as_ahead **out, as_err *err) {
    as_ahead *a = as_mem_new(sizeof *a);
    a->parse = parse;
    memcpy(a->contexts, contexts, sizeof a->contexts);
    as_rc rc = as_lines_stream(&a->lines, path, line_max, err);
    if (rc) {
        free(a);
        return rc;
    }
    a->lock = as_lock_new();
    // Where no thread is to be had, one does it all.
    if (as_thread_cpus() > 1 && as_thread_start(help, a, &a->helper, NULL)) a->helper = NULL;
    *out = a;
    return AS_OK;
}

as_rc as_ahead_next(as_ahead *a, as_ahead_line **out, as_err *err) {
    batch *b = &a->batches[a->first % BATCHES];
    *out = NULL;
    if (a->behind > a->first && a->next == b->count && !b->rc) { // all of it is given out
        as_lock_take(a->lock);
        b->state = EMPTY;
        a->first++;
        as_lock_give(a->lock);
        a->next = 0;
        b = &a->batches[a->first % BATCHES];
    }
    if (!a->next) go_on(a);
    bool there = a->behind > a->first;
    if (there && a->next < b->count) {
        *out = &b->lines[a->next++];
        return AS_OK;
    }
    as_rc rc = there ? b->rc : a->read_rc;
    if (rc) *err = there ? b->err : a->read_err;
    return rc;
}

void as_ahead_close(as_ahead *a) {
    if (!a) return;
    as_lock_take(a->lock);
    a->stop = true;
    as_lock_wake(a->lock);
    as_lock_give(a->lock);
    if (a->helper) as_thread_join(a->helper);
    for (size_t i = 0; i < BATCHES; i++) {
        as_arena_free(&a->batches[i].arena);
        as_buf_free(&a->batches[i].text);
    }
    as_lock_free(a->lock);
    as_lines_close(&a->lines);
    free(a);
}
