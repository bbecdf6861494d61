// SPDX-License-Identifier: Apache-2.0
#include "harness/base/thread.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
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

struct as_team {
    pthread_mutex_t lock;
    pthread_cond_t go, done;
    size_t count; // members, the caller included
    size_t busy;  // members still at the current job, the caller not counted
    uint64_t job; // number of the current job
    bool closing;
    void (*work)(void *context, size_t index, size_t count);
    void *context;
    as_thread **threads; // count - 1
    struct member {
        as_team *team;
        size_t index;
    } * members;
};

static void serve(void *member_in) {
    struct member *member = member_in;
    as_team *team = member->team;
    uint64_t seen = 0;
    pthread_mutex_lock(&team->lock);
    for (;;) {
        while (team->job == seen && !team->closing) pthread_cond_wait(&team->go, &team->lock);
        if (team->closing) break;
        seen = team->job;
        pthread_mutex_unlock(&team->lock);
        team->work(team->context, member->index, team->count);
        pthread_mutex_lock(&team->lock);
        if (--team->busy == 0) pthread_cond_signal(&team->done);
    }
    pthread_mutex_unlock(&team->lock);
}

as_rc as_team_new(size_t count, as_team **out, as_err *err) {
    as_team *team = as_mem_new(sizeof *team);
    pthread_mutex_init(&team->lock, NULL);
    cond_init(&team->go);
    cond_init(&team->done);
    team->threads = as_mem_new(as_size_mul(count, sizeof *team->threads));
    team->members = as_mem_new(as_size_mul(count, sizeof *team->members));
    team->count = 1;
    for (size_t i = 1; i < count; i++) {
        team->members[i] = (struct member){team, i};
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
    if (team->count > 1) {
        pthread_mutex_lock(&team->lock);
        team->work = work;
        team->context = context;
        team->busy = team->count - 1;
        team->job++;
        pthread_cond_broadcast(&team->go);
        pthread_mutex_unlock(&team->lock);
    }
    work(context, 0, team->count);
    if (team->count > 1) {
        pthread_mutex_lock(&team->lock);
        while (team->busy) pthread_cond_wait(&team->done, &team->lock);
        pthread_mutex_unlock(&team->lock);
    }
}

void as_team_free(as_team *team) {
    if (!team) return;
    pthread_mutex_lock(&team->lock);
    team->closing = true;
    pthread_cond_broadcast(&team->go);
    pthread_mutex_unlock(&team->lock);
    for (size_t i = 1; i < team->count; i++) as_thread_join(team->threads[i - 1]);
    pthread_mutex_destroy(&team->lock);
    pthread_cond_destroy(&team->go);
    pthread_cond_destroy(&team->done);
    free(team->threads);
    free(team->members);
    free(team);
}
