// SPDX-License-Identifier: Apache-2.0
// Threads, the queue and the team: nothing lost, nothing twice, everybody comes home.
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "harness/base/arena.h"
#include "harness/base/clock.h"
#include "harness/base/thread.h"

enum { ITEMS = 20000, THREADS = 4 };

typedef struct work {
    as_queue *queue;
    atomic_uint *seen; // [ITEMS]
} work;

static void produce(void *context) {
    work *w = context;
    for (uintptr_t i = 1; i <= ITEMS; i++)
        if (!as_queue_push(w->queue, (void *)i)) return;
}

static void consume(void *context) {
    work *w = context;
    for (void *item; (item = as_queue_pop(w->queue));) w->seen[(uintptr_t)item - 1]++;
}

static void test_queue(void **state) {
    (void)state;
    as_err err = {0};
    work w = {as_queue_new(8), as_mem_new(ITEMS * sizeof(atomic_uint))};
    as_thread *makers[THREADS], *takers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(as_thread_start(consume, &w, &takers[i], &err), AS_OK);
        assert_int_equal(as_thread_start(produce, &w, &makers[i], &err), AS_OK);
    }
    for (int i = 0; i < THREADS; i++) as_thread_join(makers[i]);
    as_queue_close(w.queue);
    for (int i = 0; i < THREADS; i++) as_thread_join(takers[i]);
    for (size_t i = 0; i < ITEMS; i++) assert_int_equal(w.seen[i], THREADS);
    assert_false(as_queue_push(w.queue, &w));
    assert_null(as_queue_pop(w.queue));
    as_queue_free(w.queue);
    free(w.seen);
}

static void test_order_and_time(void **state) {
    (void)state;
    int a, b;
    bool timed_out = false;
    as_queue *queue = as_queue_new(2);
    assert_true(as_queue_push(queue, &a) && as_queue_push(queue, &b));
    assert_ptr_equal(as_queue_pop(queue), &a);
    assert_ptr_equal(as_queue_pop_within(queue, 1000000, &timed_out), &b);
    assert_false(timed_out);
    uint64_t start = as_clock_ns();
    assert_null(as_queue_pop_within(queue, 20000000, &timed_out));
    assert_true(timed_out);
    assert_true(as_clock_ns() - start >= 19000000);
    // Closing wakes a waiter, and what was pushed before is still given out.
    assert_true(as_queue_push(queue, &a));
    as_queue_close(queue);
    assert_ptr_equal(as_queue_pop(queue), &a);
    assert_null(as_queue_pop_within(queue, UINT64_C(1000000000), &timed_out));
    assert_false(timed_out);
    as_queue_free(queue);
}

static void wait_for_item(void *context) {
    work *w = context;
    if (!as_queue_pop(w->queue)) w->seen[0] = 1;
}

static void test_close_wakes(void **state) {
    (void)state;
    as_err err = {0};
    atomic_uint woken = 0;
    work w = {as_queue_new(1), &woken};
    as_thread *waiter;
    assert_int_equal(as_thread_start(wait_for_item, &w, &waiter, &err), AS_OK);
    as_queue_close(w.queue);
    as_thread_join(waiter);
    assert_int_equal(woken, 1);
    as_queue_free(w.queue);
    as_thread_join(NULL);
}

typedef struct job {
    atomic_uint counts[THREADS], total;
} job;

static void add_one(void *context, size_t index, size_t count) {
    job *j = context;
    assert_true(index < count);
    j->counts[index]++;
    j->total++;
}

static void test_team(void **state) {
    (void)state;
    as_err err = {0};
    for (size_t count = 1; count <= THREADS; count++) {
        as_team *team;
        job j = {0};
        assert_int_equal(as_team_new(count, &team, &err), AS_OK);
        assert_int_equal(as_team_count(team), count);
        for (int i = 0; i < 2000; i++) as_team_run(team, add_one, &j);
        assert_int_equal(j.total, 2000 * count);
        for (size_t i = 0; i < count; i++) assert_int_equal(j.counts[i], 2000);
        as_team_free(team);
    }
    assert_true(as_thread_cpus() >= 1);
}

typedef struct meeting {
    as_team *team;
    unsigned marks[2][THREADS]; // of odd and even rounds
} meeting;

// What everybody wrote before they met is there for all; some come late, so that others sleep.
static void mark_and_look(void *context, size_t index, size_t count) {
    meeting *m = context;
    for (unsigned round = 1; round <= 300; round++) {
        if (round % 100 == 10 * index) nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
        m->marks[round % 2][index] = round;
        as_team_meet(m->team, index);
        for (size_t i = 0; i < count; i++) assert_int_equal(m->marks[round % 2][i], round);
    }
}

static void test_meetings(void **state) {
    (void)state;
    as_err err = {0};
    for (size_t count = 1; count <= THREADS; count++) {
        meeting m = {0};
        assert_int_equal(as_team_new(count, &m.team, &err), AS_OK);
        for (int i = 0; i < 5; i++) {
            as_team_run(m.team, mark_and_look, &m);
            if (i == 2) nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
        }
        as_team_free(m.team);
    }
}

// Batches keep the order, however large they are, and a closed queue takes none.
static void push_batches(void *queue_in) {
    static int items[10];
    void *batch[10];
    for (int i = 0; i < 10; i++) items[i] = i, batch[i] = &items[i];
    as_queue_push_many(queue_in, batch, 7); // more than there is room for
    as_queue_push_many(queue_in, batch + 7, 3);
    as_queue_close(queue_in);
}

static void test_batches(void **state) {
    (void)state;
    as_queue *queue = as_queue_new(4);
    as_thread *thread;
    as_err err;
    assert_int_equal(as_thread_start(push_batches, queue, &thread, &err), AS_OK);
    int seen = 0;
    void *batch[3];
    bool timed_out;
    size_t count;
    while ((count = as_queue_pop_many(queue, batch, 3, UINT64_MAX >> 2, &timed_out))) {
        assert_in_range(count, 1, 3);
        for (size_t i = 0; i < count; i++) assert_int_equal(*(int *)batch[i], seen++);
    }
    assert_int_equal(seen, 10);
    assert_false(timed_out);
    assert_int_equal(as_queue_push_many(queue, batch, 3), 0);
    as_thread_join(thread);
    as_queue_free(queue);
    queue = as_queue_new(1);
    assert_int_equal(as_queue_pop_many(queue, batch, 3, 1000, &timed_out), 0);
    assert_true(timed_out);
    as_queue_free(queue);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queue),       cmocka_unit_test(test_order_and_time),
        cmocka_unit_test(test_close_wakes), cmocka_unit_test(test_team),
        cmocka_unit_test(test_meetings),    cmocka_unit_test(test_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
