// SPDX-License-Identifier: Apache-2.0
#include "harness/base/thread.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/base/arena.h"

struct as_thread {
    pthread_t id;
    void (*work)(void *context);
    void *context;
};

static void *run_thread(void *thread_in) {
    as_thread *thread = thread_in;
    thread->work(thread->context);
    return NULL;
}

as_rc as_thread_start(void (*work)(void *context), void *context, as_thread **out, as_err *err) {
    as_thread *thread = as_mem_new(sizeof *thread);
    thread->work = work;
    thread->context = context;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int why = pthread_create(&thread->id, NULL, run_thread, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (why) {
        free(thread);
        return as_fail(err, AS_UNMEASURED, "cannot start a thread: %s", strerror(why));
    }
    *out = thread;
    return AS_OK;
}

void as_thread_join(as_thread *thread) {
    if (!thread) return;
    pthread_join(thread->id, NULL);
    free(thread);
}

size_t as_thread_cpus(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set)) return 1;
    int count = CPU_COUNT(&set);
    return count > 0 ? (size_t)count : 1;
}

struct as_queue {
    pthread_mutex_t lock;
    pthread_cond_t has_item, has_room;
    bool closed;
    size_t capacity, count, head;
    void **items;
};

static void cond_init(pthread_cond_t *cond) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

static struct timespec time_in(uint64_t timeout_ns) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + timeout_ns % 1000000000u;
    until.tv_sec += (time_t)(timeout_ns / 1000000000u + ns / 1000000000u);
    until.tv_nsec = (long)(ns % 1000000000u);
    return until;
}

as_queue *as_queue_new(size_t capacity) {
    as_queue *queue = as_mem_new(sizeof *queue);
    queue->items = as_mem_new(as_size_mul(capacity, sizeof *queue->items));
    queue->capacity = capacity;
    pthread_mutex_init(&queue->lock, NULL);
    cond_init(&queue->has_item);
    cond_init(&queue->has_room);
    return queue;
}

size_t as_queue_push_many(as_queue *queue, void *const *items, size_t count) {
    pthread_mutex_lock(&queue->lock);
    size_t pushed = 0;
    while (pushed < count) {
        while (queue->count == queue->capacity && !queue->closed)
            pthread_cond_wait(&queue->has_room, &queue->lock);
        if (queue->closed) break;
        queue->items[(queue->head + queue->count++) % queue->capacity] = items[pushed++];
        pthread_cond_signal(&queue->has_item);
    }
    pthread_mutex_unlock(&queue->lock);
    return pushed;
}

bool as_queue_push(as_queue *queue, void *item) {
    return as_queue_push_many(queue, &item, 1) == 1;
}

static void *take_front(as_queue *queue) {
    if (!queue->count) return NULL;
    void *item = queue->items[queue->head];
    queue->head = (queue->head + 1) % queue->capacity;
    queue->count--;
    pthread_cond_signal(&queue->has_room);
    return item;
}

void *as_queue_pop(as_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    while (!queue->count && !queue->closed) pthread_cond_wait(&queue->has_item, &queue->lock);
    void *item = take_front(queue);
    pthread_mutex_unlock(&queue->lock);
    return item;
}

size_t as_queue_pop_many(as_queue *queue, void **items, size_t most, uint64_t timeout_ns,
                         bool *timed_out) {
    struct timespec until = time_in(timeout_ns);
    pthread_mutex_lock(&queue->lock);
    *timed_out = false;
    while (!queue->count && !queue->closed && !*timed_out)
        *timed_out = pthread_cond_timedwait(&queue->has_item, &queue->lock, &until) == ETIMEDOUT;
    size_t count = 0;
    while (count < most && queue->count) items[count++] = take_front(queue);
    if (count) *timed_out = false;
    pthread_mutex_unlock(&queue->lock);
    return count;
}

void *as_queue_pop_within(as_queue *queue, uint64_t timeout_ns, bool *timed_out) {
    void *item;
    return as_queue_pop_many(queue, &item, 1, timeout_ns, timed_out) ? item : NULL;
}

void as_queue_close(as_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->has_item);
    pthread_cond_broadcast(&queue->has_room);
    pthread_mutex_unlock(&queue->lock);
}

void as_queue_free(as_queue *queue) {
    if (!queue) return;
    pthread_mutex_destroy(&queue->lock);
    pthread_cond_destroy(&queue->has_item);
    pthread_cond_destroy(&queue->has_room);
    free(queue->items);
    free(queue);
}

struct as_lock {
    pthread_mutex_t mutex;
    pthread_cond_t woken;
};

as_lock *as_lock_new(void) {
    as_lock *lock = as_mem_new(sizeof *lock);
    pthread_mutex_init(&lock->mutex, NULL);
    cond_init(&lock->woken);
    return lock;
}

void as_lock_take(as_lock *lock) {
    pthread_mutex_lock(&lock->mutex);
}

void as_lock_give(as_lock *lock) {
    pthread_mutex_unlock(&lock->mutex);
}

void as_lock_wait(as_lock *lock, uint64_t timeout_ns) {
    if (timeout_ns == UINT64_MAX) {
        pthread_cond_wait(&lock->woken, &lock->mutex);
    } else {
        struct timespec until = time_in(timeout_ns);
        pthread_cond_timedwait(&lock->woken, &lock->mutex, &until);
    }
}

void as_lock_wake(as_lock *lock) {
    pthread_cond_broadcast(&lock->woken);
}

void as_lock_free(as_lock *lock) {
    if (!lock) return;
    pthread_mutex_destroy(&lock->mutex);
    pthread_cond_destroy(&lock->woken);
    free(lock);
}

// A member counts how often it has come to a place where others wait for it. Everybody comes to the
// same places in the same order, so the count says to which. The caller's first coming begins a
// job.
struct member {
    atomic_uint at; // it alone writes it
    as_team *team;
    size_t index;
    char apart[96]; // so that no two members share a cache line
};

struct as_team {
    size_t count; // members, the caller included
    void (*work)(void *context, size_t index, size_t count);
    void *context;
    bool closing;        // instead of a job
    as_thread **threads; // count - 1
    struct member *members;
    atomic_size_t asleep; // members that wait for `came`
    pthread_mutex_t lock;
    pthread_cond_t came;
};

// What is waited for takes microseconds where everybody runs. Where it does not come at once, the
// one waited for may be without a processor: whoever waits makes room, then sleeps, as only then
// an idle processor takes over who is queued at another one.
enum { TURNS_IN_PLACE = 25, TURNS_MAKING_ROOM = 500 };

static bool has_come(const struct member *other, unsigned place) {
    return atomic_load(&other->at) - place <= UINT_MAX / 2;
}

static void turn_in_place(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

// Until `other` has come to a place. A sleeper counts itself before it looks once
// more, and who comes somewhere looks for sleepers afterwards, so none is missed.
static void wait_for(as_team *team, const struct member *other, unsigned place) {
    for (unsigned turn = 0; turn < TURNS_IN_PLACE + TURNS_MAKING_ROOM; turn++) {
        if (has_come(other, place)) return;
        if (turn < TURNS_IN_PLACE)
            turn_in_place();
        else
            sched_yield();
    }
    pthread_mutex_lock(&team->lock);
    atomic_fetch_add(&team->asleep, 1);
    while (!has_come(other, place)) pthread_cond_wait(&team->came, &team->lock);
    atomic_fetch_sub(&team->asleep, 1);
    pthread_mutex_unlock(&team->lock);
}

static unsigned next_place(const struct member *own) {
    return atomic_load_explicit(&own->at, memory_order_relaxed) + 1;
}

static void wake_all(as_team *team) {
    if (!atomic_load(&team->asleep)) return;
    pthread_mutex_lock(&team->lock);
    pthread_cond_broadcast(&team->came);
    pthread_mutex_unlock(&team->lock);
}

// Comes to the next place, which is returned.
static unsigned arrive(struct member *own) {
    unsigned place = next_place(own);
    atomic_store(&own->at, place);
    wake_all(own->team);
    return place;
}

void as_team_meet(as_team *team, size_t index) {
    if (team->count == 1) return;
    unsigned place = arrive(&team->members[index]);
    for (size_t i = 0; i < team->count; i++) wait_for(team, &team->members[i], place);
}

static void serve(void *member) {
    struct member *own = member;
    as_team *team = own->team;
    for (;;) {
        wait_for(team, &team->members[0], next_place(own));
        if (team->closing) return;
        atomic_store(&own->at, next_place(own)); // nobody waits for that
        team->work(team->context, own->index, team->count);
        arrive(own);
    }
}

as_rc as_team_new(size_t count, as_team **out, as_err *err) {
    as_team *team = as_mem_new(sizeof *team);
    pthread_mutex_init(&team->lock, NULL);
    cond_init(&team->came);
    team->threads = as_mem_new(as_size_mul(count, sizeof *team->threads));
    team->members = as_mem_new(as_size_mul(count, sizeof *team->members));
    team->count = 1;
    for (size_t i = 0; i < count; i++) {
        team->members[i].team = team;
        team->members[i].index = i;
    }
    for (size_t i = 1; i < count; i++) {
        if (as_thread_start(serve, &team->members[i], &team->threads[i - 1], err)) {
            as_team_free(team);
            return AS_UNMEASURED;
        }
        // No job runs before all members are there, so none reads count while it grows.
        team->count = i + 1;
    }
    *out = team;
    return AS_OK;
}

size_t as_team_count(const as_team *team) {
    return team->count;
}

void as_team_run(as_team *team, void (*work)(void *context, size_t index, size_t count),
                 void *context) {
    team->work = work;
    team->context = context;
    arrive(&team->members[0]);
    work(context, 0, team->count);
    as_team_meet(team, 0);
}

void as_team_free(as_team *team) {
    if (!team) return;
    team->closing = true;
    arrive(&team->members[0]);
    for (size_t i = 1; i < team->count; i++) as_thread_join(team->threads[i - 1]);
    pthread_mutex_destroy(&team->lock);
    pthread_cond_destroy(&team->came);
    free(team->threads);
    free(team->members);
    free(team);
}
