// SPDX-License-Identifier: Apache-2.0
#include "tests/kernels/emulator.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

enum { LANES = 32, THREADS_MAX = 1024, STACK = 64 * 1024, SLOT_WORDS = 8, COPIES_MAX = 64 };

// Under the address sanitizer fibers change by swapcontext, which it knows; else by jumps, which
// cost no system call.
typedef struct fiber {
    ucontext_t context;
    jmp_buf jump;
    bool started, done;
    uint32_t waits; // 0: for nothing; 1: the block; 2: the warp
    struct {
        void *to;
        const void *from;
        uint32_t group;
    } copies[COPIES_MAX];
    uint32_t copy_count, groups; // copies under way; groups begun
    unsigned char *stack;
} fiber;

typedef struct warp {
    uint32_t live, arrived, phase;
    uint32_t slots[2][LANES][SLOT_WORDS]; // what lanes gave; the other one may still be read
} warp;

as_emulated_place as_emulated_here;

static struct {
    const as_emulated *kernel;
    const void *args;
    fiber fibers[THREADS_MAX];
    warp warps[THREADS_MAX / LANES];
    uint32_t threads, current, live, arrived, phase;
    ucontext_t home;
    jmp_buf home_jump;
    uint64_t order, random;
} m;

static void give_up(const char *what) {
    fprintf(stderr, "kernel %s, block %u %u %u, thread %u: %s\n", m.kernel->name,
            as_emulated_here.block[0], as_emulated_here.block[1], as_emulated_here.block[2],
            m.current, what);
    abort();
}

void as_emulated_fail(const char *what) {
    give_up(what);
}

// Back to the scheduler, until it comes to this fiber again.
static void yield(void) {
#if AS_UNDER_ASAN
    swapcontext(&m.fibers[m.current].context, &m.home);
#else
    if (!_setjmp(m.fibers[m.current].jump)) _longjmp(m.home_jump, 1);
#endif
}

// A fiber goes on from block to block: making one is dear.
static void enter(void) {
    for (;;) {
        m.kernel->enter(m.args);
        m.fibers[m.current].done = true;
        m.live--;
        m.warps[m.current / LANES].live--;
        yield();
    }
}

static void resume(uint32_t thread) {
    fiber *f = &m.fibers[thread];
    m.current = thread;
    as_emulated_here.thread = thread;
#if AS_UNDER_ASAN
    f->started = true;
    swapcontext(&m.home, &f->context);
#else
    if (_setjmp(m.home_jump)) return;
    if (f->started) _longjmp(f->jump, 1);
    f->started = true;
    setcontext(&f->context);
#endif
}

static void start(uint32_t thread) {
    fiber *f = &m.fibers[thread];
    f->done = false;
    f->waits = 0;
    f->copy_count = f->groups = 0;
    if (f->stack) return;
    f->stack = malloc(STACK);
    if (!f->stack || getcontext(&f->context)) give_up("no memory for a fiber");
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = STACK;
    f->context.uc_link = NULL;
    makecontext(&f->context, enter, 0);
}

static uint64_t random_next(void) {
    uint64_t z = m.random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    return z ^ z >> 27;
}

// The numbers 0..n-1 in the order that was set.
static void arrange(uint32_t *order, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) order[i] = m.order == 1 ? n - 1 - i : i;
    for (uint32_t i = n; m.order > 1 && i > 1; i--) {
        uint32_t other = (uint32_t)(random_next() % i), kept = order[i - 1];
        order[i - 1] = order[other];
        order[other] = kept;
    }
}

// Runs the lanes of a warp until all wait for the block or are done. Whether any ran.
static bool run_warp(uint32_t number) {
    uint32_t order[LANES], first = number * LANES;
    uint32_t count = m.threads - first < LANES ? m.threads - first : LANES;
    bool ran = false, again = true;
    arrange(order, count);
    while (again) {
        again = false;
        for (uint32_t i = 0; i < count; i++) {
            fiber *f = &m.fibers[first + order[i]];
            if (f->done || f->waits) continue;
            resume(first + order[i]);
            ran = again = true;
        }
    }
    return ran;
}

static void run_block(size_t shared_size) {
    uint32_t order[THREADS_MAX / LANES], warps = (m.threads + LANES - 1) / LANES;
    memset(as_emulated_here.shared, 0xa5, shared_size);
    m.live = m.threads;
    m.arrived = 0;
    for (uint32_t i = 0; i < warps; i++) {
        m.warps[i].live = m.threads - i * LANES < LANES ? m.threads - i * LANES : LANES;
        m.warps[i].arrived = 0;
    }
    for (uint32_t i = 0; i < m.threads; i++) start(i);
    arrange(order, warps);
    while (m.live) {
        bool ran = false;
        for (uint32_t i = 0; i < warps; i++) ran = run_warp(order[i]) || ran;
        if (m.live && m.arrived == m.live) { // all there: who has ended is not waited for
            m.arrived = 0;
            for (uint32_t i = 0; i < m.threads; i++)
                if (m.fibers[i].waits == 1) m.fibers[i].waits = 0;
        } else if (m.live && !ran) {
            give_up("threads wait for others that never come");
        }
    }
}

void as_emulator_launch(const as_emulated *kernel, const uint32_t grid[3], uint32_t threads,
                        size_t shared_size, const void *args) {
    m.kernel = kernel;
    m.threads = threads;
    if (threads != kernel->threads) give_up("launched with another number of threads");
    void *copy = malloc(kernel->args_size);
    as_emulated_here.shared = aligned_alloc(16, (shared_size + 31) / 16 * 16);
    if (!copy || !as_emulated_here.shared) give_up("no memory");
    memcpy(copy, args, kernel->args_size);
    m.args = copy;
    m.random = m.order;
    uint32_t *b = as_emulated_here.block;
    for (b[2] = 0; b[2] < grid[2]; b[2]++)
        for (b[1] = 0; b[1] < grid[1]; b[1]++)
            for (b[0] = 0; b[0] < grid[0]; b[0]++) run_block(shared_size);
    free(as_emulated_here.shared);
    free(copy);
}

void *as_emulator_take(size_t size) {
    return aligned_alloc(64, (size + 63) / 64 * 64 + 64);
}

void as_emulator_give(void *memory) {
    free(memory);
}

void as_emulator_set_order(uint64_t order) {
    m.order = order;
}

void as_emulated_sync_block(void) {
    m.fibers[m.current].waits = 1;
    m.arrived++;
    yield();
}

void as_emulated_copy(void *to, const void *from) {
    fiber *f = &m.fibers[m.current];
    if ((uintptr_t)to % 16 || (uintptr_t)from % 16) give_up("a copy that is not aligned");
    if (f->copy_count == COPIES_MAX) give_up("more copies under way than there is room for");
    f->copies[f->copy_count].to = to;
    f->copies[f->copy_count].from = from;
    f->copies[f->copy_count++].group = f->groups;
}

void as_emulated_commit(void) {
    m.fibers[m.current].groups++;
}

void as_emulated_wait(uint32_t groups) {
    fiber *f = &m.fibers[m.current];
    uint32_t kept = 0;
    for (uint32_t i = 0; i < f->copy_count; i++) {
        if (f->copies[i].group + groups < f->groups)
            memcpy(f->copies[i].to, f->copies[i].from, 16);
        else
            f->copies[kept++] = f->copies[i];
    }
    f->copy_count = kept;
}

// All lanes give their words; then each sees them in the slots that are returned.
static uint32_t (*gather(const uint32_t *words, size_t count))[SLOT_WORDS] {
    warp *w = &m.warps[m.current / LANES];
    uint32_t first = m.current / LANES * LANES, which = w->phase & 1;
    if (w->live != LANES) give_up("a warp operation after some lanes have ended");
    if (count) memcpy(w->slots[which][m.current % LANES], words, count * sizeof *words);
    if (++w->arrived < LANES) {
        m.fibers[m.current].waits = 2;
        yield();
    } else {
        w->arrived = 0;
        w->phase++;
        for (uint32_t i = first; i < first + LANES; i++) m.fibers[i].waits = 0;
    }
    return w->slots[which];
}

void as_emulated_sync_warp(void) {
    gather(NULL, 0);
}

uint32_t as_emulated_shuffle(uint32_t x, uint32_t from) {
    return gather(&x, 1)[from % LANES][0];
}

static int32_t byte_of(uint32_t word, size_t i) {
    return (int8_t)(word >> 8 * i & 0xff);
}

// Each lane works out its own four of c from what all gave of a and b. Words of a lane: a for rows
// i and i + 8, for each half of the depth; then b for each half.
void as_emulated_mma(int32_t c[4], const uint32_t *a, const uint32_t *b, size_t halves) {
    uint32_t words[SLOT_WORDS], lane = m.current % LANES;
    memcpy(words, a, 2 * halves * sizeof *a);
    memcpy(words + 2 * halves, b, halves * sizeof *b);
    uint32_t(*all)[SLOT_WORDS] = gather(words, 3 * halves);
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t row = lane / 4, column = lane % 4 * 2 + i % 2, sum = (uint32_t)c[i];
        for (size_t h = 0; h < halves; h++)
            for (uint32_t four = 0; four < 4; four++)
                for (size_t k = 0; k < 4; k++)
                    sum += (uint32_t)(byte_of(all[row * 4 + four][2 * h + i / 2], k) *
                                      byte_of(all[column * 4 + four][2 * halves + h], k));
        c[i] = (int32_t)sum;
    }
}

void as_emulated_mma_16(float c[4], const uint32_t a[4], uint32_t b0, uint32_t b1,
                        float (*widen)(uint16_t)) {
    uint32_t words[6] = {a[0], a[1], a[2], a[3], b0, b1}, lane = m.current % LANES;
    uint32_t(*all)[SLOT_WORDS] = gather(words, 6);
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t row = lane / 4, column = lane % 4 * 2 + i % 2;
        double sum = (double)c[i];
        for (size_t h = 0; h < 2; h++)
            for (uint32_t pair = 0; pair < 4; pair++)
                for (size_t k = 0; k < 2; k++)
                    sum += (double)widen(all[row * 4 + pair][2 * h + i / 2] >> 16 * k & 0xffff) *
                           (double)widen(all[column * 4 + pair][4 + h] >> 16 * k & 0xffff);
        c[i] = (float)sum;
    }
}

void as_emulated_matrices(uint32_t out[4], const void *row) {
    uint64_t address = (uintptr_t)row;
    uint32_t words[2] = {(uint32_t)address, (uint32_t)(address >> 32)}, lane = m.current % LANES;
    if (address % 16) give_up("a row of a matrix that is not aligned");
    uint32_t(*all)[SLOT_WORDS] = gather(words, 2);
    for (uint32_t i = 0; i < 4; i++) {
        uint16_t value[2];
        for (uint32_t k = 0; k < 2; k++) {
            const uint32_t *from = all[i * 8 + lane % 4 * 2 + k];
            const uint16_t *of = (const uint16_t *)(uintptr_t)(from[0] | (uint64_t)from[1] << 32);
            value[k] = of[lane / 4];
        }
        out[i] = value[0] | (uint32_t)value[1] << 16;
    }
    as_emulated_sync_warp(); // what was read may be overwritten behind
}
