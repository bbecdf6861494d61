// SPDX-License-Identifier: Apache-2.0
// batcher.c - many requests over one cache of keys and values. Each lane, again and again, takes
// rows that are ready from as many requests as fit a batch, computes them and hands on what came
// of it. Requests come and go at any step. What is shared is under one lock, which nobody holds
// while computing.
//
// A request is begun when there is room for its rows and there are pages for all it may need, so
// that none is ever stopped half way for want of them. It goes on from what is known of its prompt,
// even where another request has yet to compute that: its rows wait, or stand behind them in the
// same batch.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/thread.h"
#include "harness/engine/batch/choose.h"
#include "harness/engine/batch/session.h"
#include "harness/engine/batch/work.h"
#include "harness/engine/sampler.h"

enum {
    LOGITS_MAX = 64,        // rows of a batch of which all logits are looked at
    SHARE_MIN = 16,         // rows that are worth a batch while other lanes are idle
    GROUP_SLOTS = 256,      // of branch rows that are there together
    MEMORY_USUAL = 512,     // MiB
    CASES_MIN = 4,          // requests a lane that may be begun while none can go on
    PAGES_MAX = 0x40000000, // a page has 32 bits
};

typedef struct list {
    as_case *first, *last;
} list;

// A part of a case in a batch.
typedef struct part {
    as_case *owner;
    size_t from, to;
} part;

typedef struct lane {
    as_batcher *batcher;
    as_lane *lane;
    as_thread *thread;
    as_sampler sampler; // made when the first token is drawn
    as_row *rows;       // [chunk]
    as_view *views;     // [chunk]
    as_want *wants;     // [chunk]
    part *parts;        // [chunk]
    as_work **over;     // [chunk] requests that a batch has ended
    float *logits;      // [LOGITS_MAX][vocabulary]
    size_t row_count, view_count, want_count, part_count, logits_count;
} lane;

struct as_batcher {
    const as_model *model;
    const as_backend *backend;
    as_device *device;
    size_t context, chunk, group_slots, lane_count, cases_most;
    size_t spare; // pages beyond those that may be filled with kept texts
    bool forgets; // no text is kept
    as_kv kv;
    lane *lanes; // [lane_count], at least 1
    bool driven; // by as_batcher_run

    as_lock *lock; // of all below
    as_pages pages;
    as_prefix prefix;
    as_work *waiting, **waiting_end; // not begun
    list begun;                      // without pages so far
    list active;
    as_case *unused;
    bool closing, cancelled, failed;
    as_err failure;
    as_batcher_facts facts;
};

static const char *const kv_names[] = {"f32", "f16", "q8_0", NULL};

// --- making one ------------------------------------------------------------------------------

static void list_add(list *l, as_case *c) {
    c->next = NULL;
    if (l->last)
        l->last->next = c;
    else
        l->first = c;
    l->last = c;
}

static void list_remove(list *l, as_case *c) {
    as_case *before = NULL;
    for (as_case *at = l->first; at != c; at = at->next) before = at;
    if (before)
        before->next = c->next;
    else
        l->first = c->next;
    if (l->last == c) l->last = before;
}

static bool find_kv(as_str name, as_kv *out) {
    for (size_t i = 0; kv_names[i]; i++) {
        *out = (as_kv)i;
        if ((!name.len && !i) || as_str_is(name, kv_names[i])) return true;
    }
    return false;
}

uint64_t as_model_kv_size(const as_model *model, as_str kv) {
    as_kv type;
    return find_kv(kv, &type) ? as_backend_cpu.page_size(model, type) / AS_PAGE : 0;
}

static size_t pages_of(size_t tokens) {
    return (tokens + AS_PAGE - 1) / AS_PAGE;
}

static as_rc check(const as_model *model, const as_batcher_options *o, as_kv *kv, as_err *err) {
    size_t most = model->info.context_length;
    if (o->context > most)
        return as_fail(err, AS_INVALID, "a context of %zu tokens is longer than the model's %zu",
                       o->context, most);
    if (!find_kv(o->kv, kv)) {
        const char *near = as_str_nearest(o->kv, kv_names);
        return as_fail(err, AS_INVALID, "kv is '%.*s'; expected f32, f16 or q8_0%s%s%s",
                       AS_STR_ARG(o->kv), near ? " (did you mean '" : "", near ? near : "",
                       near ? "'?)" : "");
    }
    return AS_OK;
}

// How many pages there are to be: what the memory holds, but at least what one request may need.
static as_rc count_pages(as_batcher *b, uint64_t memory, size_t *out, as_err *err) {
    size_t page = b->backend->page_size(b->model, b->kv);
    size_t need = pages_of(b->context + b->group_slots) + 1;
    uint64_t have = (memory ? memory : (uint64_t)MEMORY_USUAL << 20) / page;
    if (have > PAGES_MAX) have = PAGES_MAX;
    if (memory && have < need) {
        size_t fits = have > pages_of(b->group_slots) + 1
                          ? (size_t)(have - pages_of(b->group_slots) - 1) * AS_PAGE
                          : 0;
        return as_fail(err, AS_INVALID,
                       "%llu MiB for keys and values cannot hold a context of %zu tokens, which "
                       "takes %llu MiB; they hold one of %zu",
                       (unsigned long long)(memory >> 20), b->context,
                       (unsigned long long)(((uint64_t)need * page >> 20) + 1), fits);
    }
    // A context longer than the usual memory has room, which is filled by a request alone.
    b->spare = have < need ? need - (size_t)have : 0;
    *out = have < need ? need : (size_t)have;
    return AS_OK;
}

static as_rc open_lane(as_batcher *b, lane *l, size_t team, as_err *err) {
    size_t vocabulary = b->model->info.vocabulary;
    l->batcher = b;
    as_rc rc = b->backend->lane_new(b->device, b->chunk, team, &l->lane, err);
    if (rc) return rc;
    l->rows = as_mem_new(as_size_mul(b->chunk, sizeof *l->rows));
    l->views = as_mem_new(as_size_mul(b->chunk, sizeof *l->views));
    l->wants = as_mem_new(as_size_mul(b->chunk, sizeof *l->wants));
    l->parts = as_mem_new(as_size_mul(b->chunk, sizeof *l->parts));
    l->over = as_mem_new(as_size_mul(b->chunk, sizeof *l->over));
    l->logits = as_mem_new(as_size_mul(LOGITS_MAX * sizeof(float), vocabulary));
    return AS_OK;
}

// --- requests --------------------------------------------------------------------------------

static void finish(as_work *work, as_eval_status status) {
    work->status = status;
    work->finished = true;
    if (work->done) work->done(work);
}

// AS_EVAL_TOO_LONG, or whether it needs computing.
static as_eval_status look_at(const as_batcher *b, const as_work *work, bool *needed) {
    size_t most = work->kind == AS_WORK_GENERATE ? work->max_tokens : 0;
    *needed = false;
    if (work->kind == AS_WORK_TEXTS && !work->text_count) return AS_EVAL_OK;
    for (size_t t = 0; work->kind == AS_WORK_TEXTS && t < work->text_count; t++) {
        size_t count = work->texts[t].count;
        if (count && work->last_fits) count--;
        if (count > most) most = count;
    }
    if (work->prompt.count > b->context || most > b->context - work->prompt.count)
        return AS_EVAL_TOO_LONG;
    *needed = work->kind == AS_WORK_TEXTS || work->prompt.count;
    if (work->kind == AS_WORK_GENERATE && !work->max_tokens) *needed = false;
    return AS_EVAL_OK;
}

static as_case *take_case(as_batcher *b) {
    as_case *c = b->unused;
    if (c)
        b->unused = c->next;
    else
        c = as_mem_new(sizeof *c);
    return c;
}

static void give_case(as_batcher *b, as_case *c) {
    as_arena arena = c->arena;
    as_constrained_end(&c->constrained);
    as_arena_reset(&arena);
    *c = (as_case){.arena = arena, .next = b->unused};
    b->unused = c;
}

// Begins with the request that waits the longest. The lock is given meanwhile.
static void begin(as_batcher *b) {
    as_work *work = b->waiting;
    as_case *c = take_case(b);
    b->waiting = work->next;
    if (!b->waiting) b->waiting_end = &b->waiting;
    as_eval_status status = AS_EVAL_OK;
    if (b->cancelled) status = b->failed ? AS_EVAL_FAILED : AS_EVAL_CANCELLED;
    as_lock_give(b->lock);
    work->count = work->reused = 0;
    work->ended = work->stuck = false;
    bool needed = !status && (!work->prepare || work->prepare(work));
    if (needed) status = look_at(b, work, &needed);
    if (needed) {
        c->work = work;
        as_work_build(c, b->group_slots);
        needed = work->kind != AS_WORK_TEXTS || c->target_count;
        if (work->constraint)
            work->stuck = !as_constrained_begin(work->constraint, &c->constrained);
        needed = needed && !work->stuck;
    }
    if (!needed) {
        as_constrained_end(&c->constrained); // while the constraint is there
        finish(work, status);
    }
    as_lock_take(b->lock);
    if (needed)
        list_add(&b->begun, c);
    else
        give_case(b, c);
}

// Drops kept texts until `count` pages can be taken. Not all that could be had are: those beyond
// the usual memory are for requests that need them.
static bool make_room(as_batcher *b, size_t count) {
    while (b->pages.idle_count < count + b->spare && as_prefix_evict(&b->prefix)) continue;
    return b->pages.idle_count >= count;
}

// Spans of the text from the root to position `end` of a node.
static size_t path_spans(const as_node *node, size_t end, as_span *out) {
    if (!node->parent) return 0;
    size_t n = path_spans(node->parent, node->start < end ? node->start : end, out);
    for (size_t i = 0, at = node->start; i < node->span_count && at < end; i++) {
        as_span span = node->spans[i];
        if (span.count > end - at) span.count = (uint16_t)(end - at);
        at += span.count;
        as_span *last = n ? &out[n - 1] : NULL;
        if (last && last->page == span.page && last->slot + last->count == span.slot)
            last->count = (uint16_t)(last->count + span.count);
        else
            out[n++] = span;
    }
    return n;
}

// Gives a case its place: what is known of its prompt, and pages for the rest. False: not now.
static bool place(as_batcher *b, as_case *c) {
    const as_work *work = c->work;
    size_t matched = 0, known = 0;
    bool shares = work->kind != AS_WORK_LOGITS && work->prompt.count && !b->forgets;
    for (;;) {
        // The last row of the prompt is what the answer begins from.
        c->node = NULL;
        if (shares) {
            c->node = as_prefix_find(&b->prefix, work->prompt.ids, work->prompt.count, &known);
            matched = known < work->prompt.count ? known : work->prompt.count - 1;
        }
        c->page_count = pages_of(as_work_slots(c, matched));
        if (make_room(b, c->page_count)) break;
        if (c->node) as_prefix_release(&b->prefix, c->node);
        c->node = NULL;
        if (b->active.first || !shares) return false;
        shares = false; // what it would share is in its way: kept in many pages, few of them full
        matched = 0;
    }
    c->own_from = matched;
    c->own_count = work->prompt.count - matched;
    c->work->reused = matched;
    b->facts.reused += matched;
    c->pages = AS_NEW_ARRAY(&c->arena, uint32_t, c->page_count);
    for (size_t i = 0; i < c->page_count; i++) c->pages[i] = as_pages_take(&b->pages);
    size_t used = b->pages.count - b->pages.idle_count, room = work->prompt.count;
    if (used > b->facts.pages_most) b->facts.pages_most = used;
    if (work->kind == AS_WORK_GENERATE) room += work->max_tokens;
    c->views = AS_NEW_ARRAY(&c->arena, as_view, 1 + work->text_count);
    c->spans = AS_NEW_ARRAY(&c->arena, as_span, room + 1);
    size_t before = c->node ? path_spans(c->node, matched, c->spans) : 0;
    size_t count = as_work_spans(c, 0, c->own_count, c->spans, before, before);
    c->views[0] = (as_view){c->spans, count};
    c->added = shares && known < work->prompt.count;
    if (c->added)
        c->node = as_prefix_add(&b->prefix, c->node, matched, work->prompt.ids + matched,
                                c->own_count, c->spans + before, count - before);
    return true;
}

// Places cases in the order in which they came.
static void place_begun(as_batcher *b) {
    as_case *c;
    while ((c = b->begun.first)) {
        if (!place(b, c)) return;
        list_remove(&b->begun, c);
        as_work_place(c);
        list_add(&b->active, c);
    }
}

// A case that is done with goes, but what it leaves in the tree.
static void leave(as_batcher *b, as_case *c) {
    list_remove(&b->active, c);
    for (size_t i = 0; i < c->page_count; i++) as_pages_drop(&b->pages, c->pages[i]);
    if (c->node) as_prefix_release(&b->prefix, c->node);
    give_case(b, c);
}

// --- batches ---------------------------------------------------------------------------------

// Whether what a case shares is computed, or will be by a batch.
static bool is_ready(const as_case *c, const void *batch) {
    const as_node *node = c->node;
    if (c->busy || c->planned == c->row_count) return false;
    if (!node) return true;
    while (node->parent && node->start >= c->own_from) node = node->parent;
    if (!node->parent) return true;
    size_t need = c->own_from - node->start;
    if (need > node->count) need = node->count;
    return node->computed >= need || (node->planned >= need && node->batch == batch);
}

// Tells the tree how far a case's own part of its prompt is.
static void mark(as_case *c, size_t rows, bool computed, const void *batch) {
    size_t end = c->own_from + (rows < c->own_count ? rows : c->own_count);
    if (!c->added) return;
    for (as_node *node = c->node; node->parent && node->start >= c->own_from; node = node->parent) {
        size_t count = end > node->start ? end - node->start : 0;
        if (count > node->count) count = node->count;
        if (computed)
            node->computed = count;
        else
            node->planned = count;
        node->batch = batch;
    }
}

// Puts as many rows of a case as are ready and fit into a lane's batch.
static void plan_case(lane *l, as_case *c, size_t limit) {
    const as_batcher *b = l->batcher;
    size_t from = c->planned, end = as_work_group_end(c, from), last_view = SIZE_MAX;
    bool drawn = as_choose_needs_logits(c->work);
    if (drawn && l->logits_count == LOGITS_MAX) return;
    while (c->planned < end && l->row_count < limit) {
        as_row row = as_work_row(c, c->planned);
        as_want want;
        if (row.view != last_view) l->views[l->view_count++] = c->views[row.view];
        last_view = row.view;
        row.view = (uint32_t)(l->view_count - 1);
        if (as_work_want(c, c->planned, &want)) {
            want.row = (uint32_t)l->row_count;
            if (c->work->kind == AS_WORK_LOGITS)
                want.logits = c->work->logits + row.position * b->model->info.vocabulary;
            if (!drawn && c->work->kind == AS_WORK_GENERATE) {
                want.sampling = c->work->sampling;
                want.step = c->work->count;
            }
            if (drawn) {
                want.best = NULL;
                want.logits = l->logits + l->logits_count++ * b->model->info.vocabulary;
            }
            l->wants[l->want_count++] = want;
        }
        l->rows[l->row_count++] = row;
        c->planned++;
    }
    if (c->planned == from) return;
    c->busy = true;
    l->parts[l->part_count++] = (part){c, from, c->planned};
    mark(c, c->planned, false, l);
}

static bool is_decoding(const as_case *c) {
    return c->work->kind == AS_WORK_GENERATE && c->done >= c->own_count;
}

// Rows that could be computed now, and of how many cases.
static size_t ready_rows(const as_batcher *b, size_t *cases) {
    size_t rows = 0;
    *cases = 0;
    for (const as_case *c = b->active.first; c; c = c->next) {
        if (!is_ready(c, NULL)) continue;
        rows += as_work_group_end(c, c->planned) - c->planned;
        ++*cases;
    }
    return rows;
}

// A batch from the cases that are active: one more token for each that is generating, then the
// others in the order in which they came.
static void plan_batch(lane *l) {
    as_batcher *b = l->batcher;
    size_t limit = b->chunk;
    l->row_count = l->view_count = l->want_count = l->part_count = l->logits_count = 0;
    // With nothing left to begin, lanes share what there is. A case is in one batch at a time.
    if (b->lane_count > 1 && !b->waiting) {
        size_t cases, rows = ready_rows(b, &cases);
        size_t share = (rows + b->lane_count - 1) / b->lane_count;
        if (share < SHARE_MIN) share = SHARE_MIN;
        if (cases > 1 && share < limit) limit = share;
    }
    for (int decoding = 1; decoding >= 0; decoding--)
        for (as_case *c = b->active.first; c && l->row_count < limit; c = c->next)
            if (is_decoding(c) == (decoding == 1) && is_ready(c, l)) plan_case(l, c, limit);
}

// The token that a generation goes on with, from the batch just run. Without one, it has ended.
static void take_token(lane *l, as_case *c, float *logits) {
    const as_batcher *b = l->batcher;
    as_work *work = c->work;
    uint32_t token = *c->best;
    if (logits && !l->sampler.count) l->sampler = as_sampler_new(b->model->vocab.count);
    work->stuck = logits && !as_choose_token(&l->sampler, b->model->kernels, work, &c->constrained,
                                             logits, &token);
    work->ended = !work->stuck && as_model_is_end(b->model, token);
    if (work->stuck || work->ended) return;
    work->count++;
    bool more = work->each(work->context, token);
    if (work->constraint) {
        as_str text = as_model_token_text(b->model, token, false);
        work->stuck = more && !as_constrained_take(&c->constrained, text);
        work->ended = more && as_constrained_over(&c->constrained);
        more = more && !work->stuck && !work->ended;
    }
    if (!more || work->count == work->max_tokens) return;
    size_t at = c->branch_count++;
    c->branch[at] = (as_row){token, (uint32_t)(work->prompt.count + at), 0};
    c->views[0].count =
        as_work_spans(c, c->own_count + at, c->own_count + at + 1, c->spans, c->views[0].count, 0);
}

// What came of a batch, without the lock: of a busy case, others look at no more than how many rows
// it has, which changes under the lock.
static void take_answers(lane *l) {
    size_t drawn = 0;
    for (part *p = l->parts; p < l->parts + l->part_count; p++) {
        as_case *c = p->owner;
        as_work_score(c, p->from, p->to);
        bool more = p->to < c->row_count;
        if (c->work->kind != AS_WORK_GENERATE || more) continue;
        size_t size = l->batcher->model->info.vocabulary;
        bool whole = as_choose_needs_logits(c->work);
        take_token(l, c, whole ? l->logits + drawn++ * size : NULL);
    }
}

static void run_batch(lane *l) {
    as_batcher *b = l->batcher;
    as_batch batch = {l->views, l->rows, l->wants, l->view_count, l->row_count, l->want_count};
    as_err err = {0};
    size_t left;
    if (b->lane_count > 1 && ready_rows(b, &left)) as_lock_wake(b->lock);
    as_lock_give(b->lock);
    as_rc rc = b->backend->run(l->lane, &batch, &err);
    if (!rc) take_answers(l);
    as_lock_take(b->lock);
    if (rc && !b->failed) {
        b->failure = err;
        b->failed = b->cancelled = true;
    }
    b->facts.batches++;
    b->facts.rows += l->row_count;
    b->facts.wanted += l->want_count;
}

// Ends what a batch has ended; the lock is given while `done` is called.
static void end_batch(lane *l) {
    as_batcher *b = l->batcher;
    size_t count = 0;
    for (part *p = l->parts; p < l->parts + l->part_count; p++) {
        as_case *c = p->owner;
        c->done = p->to;
        c->busy = false;
        c->row_count = c->own_count + c->branch_count;
        mark(c, c->done, true, NULL);
        if (c->done < c->row_count || b->failed) continue;
        l->over[count++] = c->work;
        leave(b, c);
    }
    as_lock_wake(b->lock);
    as_lock_give(b->lock);
    for (size_t i = 0; i < count; i++) finish(l->over[i], AS_EVAL_OK);
    as_lock_take(b->lock);
}

// Ends a request that nobody is computing; false: there is none. The lock is given meanwhile.
static bool end_one(as_batcher *b) {
    as_case *c = b->begun.first;
    if (c)
        list_remove(&b->begun, c);
    else
        for (c = b->active.first; c && c->busy; c = c->next) continue;
    if (!c) return false;
    as_work *work = c->work;
    if (c->pages)
        leave(b, c);
    else
        give_case(b, c);
    as_eval_status status = b->failed ? AS_EVAL_FAILED : AS_EVAL_CANCELLED;
    as_lock_give(b->lock);
    finish(work, status);
    as_lock_take(b->lock);
    return true;
}

// Rows that are still to be put into a batch, also those that cannot be yet.
static size_t open_rows(const as_batcher *b, size_t *cases) {
    size_t rows = 0;
    *cases = 0;
    for (const as_case *c = b->active.first; c; c = c->next, ++*cases) {
        size_t left = c->row_count - c->planned;
        rows += left || !c->busy ? left : 1; // a generation most likely goes on
    }
    return rows;
}

// Does something, with the lock held: begins a request, or runs a batch. False: there is nothing
// that could be done now.
static bool step(lane *l) {
    as_batcher *b = l->batcher;
    size_t cases;
    if (b->cancelled) {
        if (end_one(b)) return true;
        if (b->active.first) return false; // others are still computing
    }
    place_begun(b);
    size_t rows = open_rows(b, &cases);
    if (b->waiting && !b->begun.first && rows < b->chunk && cases < b->cases_most) {
        begin(b);
        return true;
    }
    plan_batch(l);
    if (l->row_count) {
        run_batch(l);
        end_batch(l);
        return true;
    }
    if (!b->waiting || b->begun.first || cases >= CASES_MIN * b->lane_count ||
        cases >= b->cases_most)
        return false;
    begin(b); // what is active waits for what others compute
    return true;
}

static void serve(void *lane_in) {
    lane *l = lane_in;
    as_batcher *b = l->batcher;
    as_lock_take(b->lock);
    for (;;) {
        if (step(l)) continue;
        if (b->closing && !b->waiting && !b->begun.first && !b->active.first) break;
        as_lock_wait(b->lock, UINT64_MAX);
    }
    as_lock_wake(b->lock); // the others may go too
    as_lock_give(b->lock);
}

// --- the interface -----------------------------------------------------------------------------

// What needs no memory yet; *pages there are to be.
static as_rc plan_memory(as_batcher *b, const as_model *model, const as_batcher_options *options,
                         size_t *pages, as_err *err) {
    *b = (as_batcher){.model = model, .backend = options->backend, .driven = !options->lanes};
    as_rc rc = b->backend ? AS_OK : as_backend_find(options->device, &b->backend, err);
    b->context = options->context ? options->context : model->info.context_length;
    b->chunk = options->chunk ? options->chunk : b->backend->chunk;
    b->cases_most = options->cases ? options->cases : SIZE_MAX;
    b->forgets = options->forgets;
    b->group_slots = b->chunk > GROUP_SLOTS ? b->chunk : GROUP_SLOTS;
    if (!rc) rc = check(model, options, &b->kv, err);
    return rc ? rc : count_pages(b, options->memory, pages, err);
}

as_rc as_batcher_check(const as_model *model, const as_batcher_options *options, as_err *err) {
    as_batcher b;
    size_t pages;
    as_rc rc = plan_memory(&b, model, options, &pages, err);
    return rc || !b.backend->probe ? rc : b.backend->probe(err);
}

as_rc as_batcher_new(const as_model *model, const as_batcher_options *options, as_batcher **out,
                     as_err *err) {
    as_batcher *b = as_mem_new(sizeof *b);
    size_t pages = 0, lanes = options->lanes ? options->lanes : 1;
    as_rc rc = plan_memory(b, model, options, &pages, err);
    b->lock = as_lock_new();
    b->waiting_end = &b->waiting;
    if (!rc) rc = b->backend->open(model, b->kv, b->context, pages, &b->device, err);
    if (!rc) {
        b->pages = as_pages_new(pages);
        as_prefix_init(&b->prefix, &b->pages);
        b->lanes = as_mem_new(as_size_mul(lanes, sizeof *b->lanes));
    }
    for (size_t i = 0; !rc && i < lanes; i++) {
        b->lane_count = i + 1;
        rc = open_lane(b, &b->lanes[i], options->team ? options->team : 1, err);
    }
    for (size_t i = 0; !rc && !b->driven && i < lanes; i++)
        rc = as_thread_start(serve, &b->lanes[i], &b->lanes[i].thread, err);
    if (rc)
        as_batcher_free(b);
    else
        *out = b;
    return rc;
}

void as_batcher_free(as_batcher *batcher) {
    as_batcher *b = batcher;
    if (!b) return;
    as_lock_take(b->lock);
    b->closing = true;
    as_lock_wake(b->lock);
    as_lock_give(b->lock);
    for (size_t i = 0; i < b->lane_count; i++) as_thread_join(b->lanes[i].thread);
    assert(!b->waiting && !b->begun.first && !b->active.first);
    for (size_t i = 0; i < b->lane_count; i++) {
        lane *l = &b->lanes[i];
        b->backend->lane_free(l->lane);
        as_sampler_free(&l->sampler);
        free(l->rows);
        free(l->views);
        free(l->wants);
        free(l->parts);
        free(l->over);
        free(l->logits);
    }
    for (as_case *c = b->unused, *next; c; c = next) {
        next = c->next;
        as_arena_free(&c->arena);
        free(c);
    }
    as_prefix_free(&b->prefix);
    as_pages_free(&b->pages);
    if (b->device) b->backend->close(b->device);
    as_lock_free(b->lock);
    free(b->lanes);
    free(b);
}

void as_batcher_submit(as_batcher *batcher, as_work *work) {
    as_batcher *b = batcher;
    work->next = NULL;
    work->finished = false;
    as_lock_take(b->lock);
    *b->waiting_end = work;
    b->waiting_end = &work->next;
    as_lock_wake(b->lock);
    as_lock_give(b->lock);
}

void as_batcher_cancel(as_batcher *batcher) {
    as_lock_take(batcher->lock);
    batcher->cancelled = true;
    as_lock_wake(batcher->lock);
    as_lock_give(batcher->lock);
}

void as_batcher_run(as_batcher *batcher, as_work *work) {
    as_batcher *b = batcher;
    assert(b->driven);
    as_lock_take(b->lock);
    while (!work->finished && step(&b->lanes[0])) continue;
    as_lock_give(b->lock);
    assert(work->finished);
}

as_batcher_facts as_batcher_stats(as_batcher *batcher) {
    as_batcher *b = batcher;
    as_lock_take(b->lock);
    as_batcher_facts facts = b->facts;
    facts.pages = b->pages.count;
    facts.pages_used = b->pages.count - b->pages.idle_count;
    as_lock_give(b->lock);
    facts.page_tokens = AS_PAGE;
    facts.page_size = b->backend->page_size(b->model, b->kv);
    facts.context = b->context;
    facts.kv = kv_names[b->kv];
    return facts;
}

const char *as_batcher_failure(const as_batcher *batcher) {
    return batcher->failure.text;
}
