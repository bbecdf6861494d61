// SPDX-License-Identifier: Apache-2.0
#include "runner/scheduler.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "harness/base/clock.h"
#include "harness/base/thread.h"
#include "runner/load/seat.h"

// Jobs under way a worker: one being answered, one waiting so that the worker never does. Jobs
// change threads in batches: a thread is woken once for many.
enum { JOBS_PER_WORKER = 2, BATCH = 32 };

typedef struct worker {
    as_scheduler *scheduler;
    as_target_worker *target_worker;
    as_thread *thread;
} worker;

struct as_scheduler {
    const as_target_ops *ops;
    const as_target *target;
    as_queue *todo, *done;
    worker *workers;
    size_t worker_count;
    as_job *jobs, **idle;
    size_t job_count, idle_count, under_way;
    size_t slots; // requests that a waiting target keeps going
    bool adaptive;
    bool waits;                             // the target sends and receives, and computes nothing
    as_knee knee;                           // the driving thread's; it says what `slots` is
    as_job *fresh[BATCH], *finished[BATCH]; // the caller's: submitted, taken from `done`
    size_t fresh_count, finished_count, finished_at;
    as_arena scratch; // the caller's, for `settle`
    atomic_bool stop;
    atomic_bool hungry; // the driving thread has room and may be asleep: a job has to wake it
};

static void work(void *worker_in) {
    worker *w = worker_in;
    as_job *job;
    while ((job = as_queue_pop(w->scheduler->todo))) {
        w->scheduler->ops->answer(w->target_worker, &job->arena, &job->request, &job->answer);
        as_queue_push(w->scheduler->done, job);
    }
}

// What the driving thread holds between the queues and the target.
typedef struct batches {
    as_job *todo[BATCH], *done[BATCH];
    size_t todo_count, todo_at, done_count;
} batches;

static void hand_over(as_scheduler *s, batches *b) {
    if (b->done_count) as_queue_push_many(s->done, (void *const *)b->done, b->done_count);
    b->done_count = 0;
}

// Hands jobs over while there is room. False once no more will come.
static bool begin_jobs(worker *w, batches *b, size_t *out) {
    as_scheduler *s = w->scheduler;
    while (*out < s->slots) {
        if (b->todo_at == b->todo_count) {
            // Sleeps here only when there is nothing else to wait for.
            bool timed_out = false;
            uint64_t wait_ns = *out ? 0 : UINT64_MAX >> 2;
            if (!*out) hand_over(s, b);
            b->todo_at = 0;
            b->todo_count =
                as_queue_pop_many(s->todo, (void **)b->todo, BATCH, wait_ns, &timed_out);
            if (!b->todo_count) return timed_out;
        }
        as_job *job = b->todo[b->todo_at++];
        s->ops->begin(w->target_worker, &job->arena, &job->request, &job->answer, job, job->due_ns);
        ++*out;
    }
    return true;
}

// At the end of a run the limit is no longer kept full, and latency says nothing about it.
static void adapt(as_scheduler *s, const as_answer *answer, size_t out) {
    if (answer->cached || out < s->slots) return;
    as_knee_add(&s->knee, answer->latency_ms,
                as_outcome_is_error(answer->outcome) || answer->attempts > 1);
    s->slots = s->knee.limit;
}

// Like work, for a target that waits: many requests, one thread.
static void drive(void *worker_in) {
    worker *w = worker_in;
    as_scheduler *s = w->scheduler;
    batches b = {0};
    size_t out = 0;
    bool more = true;
    as_seat seat = {.stat = -1};
    if (s->waits) as_seat_start(&seat);
    for (unsigned rounds = 0; more || out; rounds++) {
        if (rounds % 32 == 0) as_seat_look(&seat, as_clock_ns());
        atomic_store(&s->hungry, false);
        if (more) more = begin_jobs(w, &b, &out);
        if (more && out < s->slots) {
            atomic_store(&s->hungry, true);
            more = begin_jobs(w, &b, &out); // one may have come before it said so
        }
        if (atomic_load(&s->stop)) s->ops->cancel(w->target_worker);
        // What is answered already is handed over in one batch; nothing waits while this does.
        as_job *job = out ? s->ops->next(w->target_worker, 0) : NULL;
        if (!job && out) {
            hand_over(s, &b);
            job = s->ops->next(w->target_worker, UINT64_MAX);
        }
        if (!job) continue;
        if (s->adaptive) adapt(s, &job->answer, out);
        b.done[b.done_count++] = job;
        if (b.done_count == BATCH) hand_over(s, &b);
        out--;
    }
    hand_over(s, &b);
    as_seat_end(&seat);
}

static as_rc start_workers(as_scheduler *s, as_target *target, size_t count, as_err *err) {
    for (size_t i = 0; i < count; i++) {
        worker *w = &s->workers[i];
        w->scheduler = s;
        as_rc rc = s->ops->worker_new(target, &w->target_worker, err);
        if (rc) return rc;
        s->worker_count++;
        rc = as_thread_start(s->ops->begin ? drive : work, w, &w->thread, err);
        if (rc) return rc;
    }
    return AS_OK;
}

static as_rc make(const as_target_ops *ops, as_target *target, size_t workers, bool adaptive,
                  as_scheduler **out, as_err *err) {
    as_scheduler *s = as_mem_new(sizeof *s);
    s->ops = ops;
    s->target = target;
    s->adaptive = adaptive;
    s->waits = ops->begin && !ops->info(target)->threads;
    as_knee_start(&s->knee, workers);
    s->job_count = s->idle_count = as_size_mul(workers, JOBS_PER_WORKER);
    s->slots = adaptive ? s->knee.limit : workers;
    if (ops->begin) workers = 1;
    s->todo = as_queue_new(s->job_count);
    s->done = as_queue_new(s->job_count);
    s->workers = as_mem_new(as_size_mul(workers, sizeof *s->workers));
    s->jobs = as_mem_new(as_size_mul(s->job_count, sizeof *s->jobs));
    s->idle = as_mem_new(as_size_mul(s->job_count, sizeof *s->idle));
    for (size_t i = 0; i < s->job_count; i++) s->idle[i] = &s->jobs[i];
    as_rc rc = start_workers(s, target, workers, err);
    if (rc)
        as_scheduler_free(s);
    else
        *out = s;
    return rc;
}

as_rc as_scheduler_new(const as_target_ops *ops, as_target *target, size_t workers,
                       as_scheduler **out, as_err *err) {
    return make(ops, target, workers, false, out, err);
}

as_rc as_scheduler_new_adaptive(const as_target_ops *ops, as_target *target, size_t most,
                                as_scheduler **out, as_err *err) {
    return make(ops, target, most, true, out, err);
}

const as_knee *as_scheduler_knee(const as_scheduler *s) {
    return s->adaptive ? &s->knee : NULL;
}

as_job *as_scheduler_take(as_scheduler *s) {
    return s->idle_count ? s->idle[--s->idle_count] : NULL;
}

static void send_fresh(as_scheduler *s) {
    if (!s->fresh_count) return;
    as_queue_push_many(s->todo, (void *const *)s->fresh, s->fresh_count);
    s->fresh_count = 0;
    if (s->ops->wake && atomic_load(&s->hungry)) s->ops->wake(s->workers[0].target_worker);
}

void as_scheduler_submit(as_scheduler *s, as_job *job) {
    job->request.prepared = NULL;
    job->request.settles = s->ops->settle && !s->adaptive; // which looks at outcomes
    if (s->ops->prepare) s->ops->prepare(s->target, &job->arena, &job->request);
    s->under_way++;
    s->fresh[s->fresh_count++] = job;
    if (s->fresh_count == BATCH || atomic_load(&s->hungry)) send_fresh(s);
}

as_job *as_scheduler_finished(as_scheduler *s, uint64_t wait_ns) {
    if (!s->under_way) return NULL;
    if (s->finished_at == s->finished_count) {
        bool timed_out;
        send_fresh(s);
        s->finished_at = 0;
        s->finished_count =
            as_queue_pop_many(s->done, (void **)s->finished, BATCH, wait_ns, &timed_out);
        if (!s->finished_count) return NULL;
    }
    s->under_way--;
    as_job *job = s->finished[s->finished_at++];
    if (job->answer.unsettled)
        s->ops->settle(s->target, &s->scratch, &job->arena, &job->request, &job->answer);
    return job;
}

size_t as_scheduler_ready(const as_scheduler *s) {
    return s->finished_count - s->finished_at;
}

void as_scheduler_give_back(as_scheduler *s, as_job *job) {
    as_arena_reset(&job->arena);
    job->due_ns = 0;
    s->idle[s->idle_count++] = job;
}

size_t as_scheduler_under_way(const as_scheduler *s) {
    return s->under_way;
}

void as_scheduler_stop(as_scheduler *s) {
    atomic_store(&s->stop, true);
    if (s->ops->wake) s->ops->wake(s->workers[0].target_worker);
    if (s->ops->begin || !s->ops->cancel) return; // the driving thread cancels
    for (size_t i = 0; i < s->worker_count; i++) s->ops->cancel(s->workers[i].target_worker);
}

void as_scheduler_free(as_scheduler *s) {
    if (!s) return;
    as_queue_close(s->todo);
    if (s->ops->wake && s->worker_count) s->ops->wake(s->workers[0].target_worker);
    for (size_t i = 0; i < s->worker_count; i++) {
        as_thread_join(s->workers[i].thread);
        s->ops->worker_free(s->workers[i].target_worker);
    }
    for (size_t i = 0; i < s->job_count; i++) as_arena_free(&s->jobs[i].arena);
    as_arena_free(&s->scratch);
    as_queue_free(s->todo);
    as_queue_free(s->done);
    free(s->workers);
    free(s->jobs);
    free(s->idle);
    free(s);
}
