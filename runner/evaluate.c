// SPDX-License-Identifier: Apache-2.0
#include "runner/evaluate.h"

#include <math.h>

#include "harness/base/clock.h"
#include "harness/base/map.h"
#include "harness/record/digest.h"
#include "runner/bench/arrivals.h"
#include "runner/load/scrape.h"
#include "runner/progress.h"
#include "runner/scheduler.h"

enum { WAIT_NS = 100000000 }; // how late a signal or the bar may be noticed

volatile int as_interrupts;

typedef struct evaluation {
    const as_evaluation *e;
    as_scorer *scorer;
    as_journal journal;
    as_digest *digest;
    as_arena arena;  // scores of the sample at hand
    as_arena ids;    // ids of resumed cases
    as_map finished; // cases that the journal holds already
    as_progress progress;
    as_arena held_arena; // of finished samples that wait to be embedded together
    as_sample *held[AS_SIMILAR_BATCH];
    size_t held_count;
    uint64_t recorded;
    bool over; // the gates are decided
    uint64_t start_ns;
    as_scrape *scrape; // of the server's own metrics; NULL: none
} evaluation;

// Scores, writes, counts; in that order, so that nothing is counted that is not on disk.
static as_rc record(evaluation *v, as_sample *sample, bool journal, as_err *err) {
    as_rc rc = as_scorer_add(v->scorer, &v->arena, sample, err);
    if (rc) as_err_prefix(err, "case '%.*s'", AS_STR_ARG(sample->id));
    if (!rc && journal) rc = as_journal_add(&v->journal, sample, err);
    if (!rc) {
        as_digest_add(v->digest, sample);
        v->recorded++;
        if (v->e->sequential && as_sequential_add(v->e->sequential, sample)) v->over = true;
        if (journal)
            as_progress_add(&v->progress, as_outcome_is_error(sample->outcome),
                            sample->score_count ? sample->scores[0].value : NAN);
    }
    as_arena_reset(&v->arena);
    return rc;
}

// What is held gets its embeddings and is recorded.
static as_rc record_held(evaluation *v, as_err *err) {
    as_rc rc = AS_OK;
    if (v->held_count)
        rc = as_similar_fill(v->e->similar, &v->held_arena, v->held, v->held_count, err);
    for (size_t i = 0; !rc && !v->over && i < v->held_count; i++)
        rc = record(v, v->held[i], true, err);
    v->held_count = 0;
    as_arena_reset(&v->held_arena);
    return rc;
}

static as_rc record_soon(evaluation *v, as_sample *sample, as_err *err) {
    if (!v->e->similar) return record(v, sample, true, err);
    v->held[v->held_count++] = as_sample_copy(&v->held_arena, sample);
    return v->held_count == AS_SIMILAR_BATCH ? record_held(v, err) : AS_OK;
}

static as_rc take_finished(void *context, const as_sample *sample, as_err *err) {
    evaluation *v = context;
    as_sample copy = *sample;
    if (!as_map_add(&v->finished, as_str_copy(&v->ids, sample->id), 0, NULL))
        return as_fail(err, AS_INVALID, "case '%.*s' stands twice in the journal",
                       AS_STR_ARG(sample->id));
    return record(v, &copy, false, err);
}

static as_rc open_journal(evaluation *v, as_err *err) {
    const as_evaluation *e = v->e;
    if (!e->resume) return as_journal_create(&v->journal, e->dir, &e->header, err);
    return as_journal_resume(&v->journal, e->dir, take_finished, v, err);
}

// What the cache answers has been paid for before.
static double cost_of(const as_evaluation *e, const as_answer *a) {
    if (!e->prices || a->cached) return 0;
    return as_prices_cost(e->prices, e->price, a->tokens_in, a->tokens_out);
}

static as_sample sample_of(const evaluation *v, const as_job *job) {
    const as_answer *a = &job->answer;
    const as_case *c = &job->case_;
    return (as_sample){
        .id = c->id,
        .prompt_sha256 = a->prompt_sha256,
        .expected = c->expected,
        .output = a->output,
        .outcome = a->outcome,
        .error = a->error,
        .latency_ms = a->latency_ms,
        .ttft_ms = a->ttft_ms,
        .tokens_in = a->tokens_in,
        .tokens_out = a->tokens_out,
        .cost = cost_of(v->e, a),
        .attempts = a->attempts,
        .target = v->e->header.target_uri,
        .reasoning = a->reasoning,
        .choice_logprobs = a->choice_logprobs,
        .has_logprob = a->has_logprob,
        .logprob = a->logprob,
        .logprob_tokens = a->logprob_tokens,
        .greedy = a->greedy,
        .choices = job->request.choices,
        .choice_count = job->request.choice_count,
        .cluster = c->cluster,
        .weight = c->weight,
        .slices = c->slices,
        .slice_count = c->slice_count,
    };
}

// A vector is recorded by its hash; with documents, what was nearest is the answer.
static void take_vectors(const evaluation *v, as_job *job, as_sample *sample) {
    const as_answer *a = &job->answer;
    sample->choices = NULL; // ids of documents, which the ranking has
    sample->choice_count = 0;
    sample->has_prediction = sample->outcome == AS_OUT_OK && a->vectors;
    if (!sample->has_prediction) return;
    size_t own = job->request.choice_count;
    as_documents documents = v->e->documents;
    if (own)
        documents = (as_documents){job->request.choices, a->vectors + a->vector_width, own,
                                   a->vector_width};
    sample->output = as_nearest_name(&job->arena, a->vectors, a->vector_width);
    if (documents.count && documents.width != a->vector_width) {
        sample->outcome = AS_OUT_BAD_RESPONSE;
        sample->error = as_strf(&job->arena, "the vector has %zu numbers, the documents' have %zu",
                                a->vector_width, documents.width);
        sample->has_prediction = false;
        return;
    }
    if (documents.count)
        sample->ranking =
            as_nearest_rank(&job->arena, a->vectors, &documents, &sample->ranking_count);
    sample->prediction = documents.count ? sample->ranking[0] : sample->output;
}

static as_rc consume(evaluation *v, as_scheduler *scheduler, as_job *job, as_err *err) {
    as_sample sample = sample_of(v, job);
    const as_plan *plan = v->e->plan;
    bool usable = !as_outcome_is_error(sample.outcome);
    if (usable && job->request.task == AS_TASK_CHOICE) {
        // A truncated choice was never computed: there is no prediction to take.
        sample.has_prediction = sample.outcome == AS_OUT_OK && job->answer.best != SIZE_MAX;
        if (sample.has_prediction) sample.prediction = job->request.choices[job->answer.best];
    } else if (usable && job->request.task == AS_TASK_LOGLIKELIHOOD) {
        // The reference is predicted where the model, left alone, would have written it.
        sample.has_prediction = sample.has_logprob && sample.greedy;
        if (sample.has_prediction) sample.prediction = job->request.continuation;
    } else if (job->request.task == AS_TASK_EMBED) {
        take_vectors(v, job, &sample);
    } else if (usable && job->request.task == AS_TASK_GENERATE) {
        sample.has_prediction =
            as_prompt_extract(plan->prompt, &job->arena, sample.output, &sample.prediction);
    }
    as_rc rc = AS_OK;
    if (v->e->ordered)
        as_ordered_hold(v->e->ordered, &sample);
    else
        rc = record_soon(v, &sample, err);
    as_scheduler_give_back(scheduler, job);
    as_sample *next;
    while (!rc && !v->over && v->e->ordered && (next = as_ordered_release(v->e->ordered)))
        rc = record_soon(v, next, err);
    return rc;
}

typedef struct feed {
    as_dataset *dataset;
    uint64_t left; // cases of the dataset that are still to be looked at
    bool more;
    as_arrivals arrivals;
} feed;

// The next case that is not finished yet, into `job`. *filled false at the end.
static as_rc next_case(evaluation *v, feed *f, as_job *job, bool *filled, as_err *err) {
    *filled = false;
    if (v->e->ordered) {
        as_arena_reset(&job->arena);
        f->more = *filled = as_ordered_next(v->e->ordered, &v->finished, &job->case_);
        if (!*filled) return AS_OK;
        return as_plan_request(v->e->plan, &job->arena, &job->case_, &job->request, err);
    }
    while (f->more && f->left) {
        as_arena_reset(&job->arena);
        as_rc rc = as_dataset_next(f->dataset, &job->arena, &job->case_, &f->more, err);
        if (rc || !f->more) return rc;
        f->left--;
        uint64_t unused;
        if (as_map_get(&v->finished, job->case_.id, &unused)) continue;
        *filled = true;
        return as_plan_request(v->e->plan, &job->arena, &job->case_, &job->request, err);
    }
    f->more = false;
    return AS_OK;
}

// Gives the workers as much as is useful.
static as_rc feed_workers(evaluation *v, as_scheduler *scheduler, feed *f, as_err *err) {
    as_job *job;
    while (f->more && !as_interrupts && (job = as_scheduler_take(scheduler))) {
        bool filled;
        as_rc rc = next_case(v, f, job, &filled, err);
        if (rc || !filled) {
            as_scheduler_give_back(scheduler, job);
            return rc;
        }
        job->due_ns = as_arrivals_next(&f->arrivals, as_clock_ns());
        as_scheduler_submit(scheduler, job);
    }
    return AS_OK;
}

// Until the deadline.
static uint64_t left_ns(const evaluation *v) {
    if (!v->e->deadline_ns) return UINT64_MAX;
    uint64_t passed = as_clock_ns() - v->start_ns;
    return passed < v->e->deadline_ns ? v->e->deadline_ns - passed : 0;
}

static as_rc pump(evaluation *v, as_scheduler *scheduler, as_dataset *dataset, as_err *err) {
    feed f = {.dataset = dataset,
              .left = v->e->plan->case_count,
              .more = true,
              .arrivals = as_arrivals_of(v->e->per_s, v->e->poisson, v->e->plan->suite.seed)};
    as_rc rc = AS_OK;
    while (!rc && as_interrupts < 2 && !v->over) {
        rc = feed_workers(v, scheduler, &f, err);
        if (rc || !as_scheduler_under_way(scheduler)) break;
        uint64_t wait_ns = left_ns(v);
        if (!wait_ns) break;
        as_job *job = as_scheduler_finished(scheduler, wait_ns < WAIT_NS ? wait_ns : WAIT_NS);
        rc = job ? consume(v, scheduler, job, err) : record_held(v, err);
        as_progress_draw(&v->progress);
        as_scrape_poll(v->scrape);
    }
    if (!rc) rc = record_held(v, err);
    bool left = f.more || as_scheduler_under_way(scheduler);
    if (!rc && !as_interrupts && left && !v->over && !left_ns(v))
        rc = as_fail(
            err, AS_UNMEASURED,
            "the deadline is over: %llu of %llu cases are in '%s' (continue with --resume)",
            (unsigned long long)v->progress.done, (unsigned long long)v->progress.total, v->e->dir);
    if (!rc && as_interrupts && left && !v->over)
        rc = as_fail(err, AS_INTERRUPTED,
                     "interrupted; %llu of %llu cases are in '%s' (continue with --resume)",
                     (unsigned long long)v->progress.done, (unsigned long long)v->progress.total,
                     v->e->dir);
    return rc;
}

// What the scheduler found, once nothing is under way.
static void fill_serving(const evaluation *v, as_arena *arena, const as_scheduler *scheduler,
                         as_serving *out) {
    bool idle = !as_scheduler_under_way(scheduler);
    const as_knee *knee = idle ? as_scheduler_knee(scheduler) : NULL;
    out->concurrency = knee ? knee->limit : v->e->workers;
    out->adaptive = v->e->adaptive;
    out->rate = v->e->per_s > 0 ? v->e->per_s : NAN;
    if (!knee) return;
    as_serving_step *steps = AS_NEW_ARRAY(arena, as_serving_step, knee->step_count + 1);
    for (size_t i = 0; i < knee->step_count; i++)
        steps[i] = (as_serving_step){.concurrency = knee->steps[i].limit,
                                     .per_s = knee->steps[i].overload ? NAN : knee->steps[i].per_s,
                                     .overload = knee->steps[i].overload};
    out->steps = steps;
    out->step_count = knee->step_count;
}

static as_rc run_cases(evaluation *v, as_arena *arena, as_summary *summary, as_err *err) {
    const as_evaluation *e = v->e;
    as_dataset *dataset;
    as_scheduler *scheduler;
    as_rc rc = as_dataset_open(&e->plan->dataset, &dataset, err);
    if (rc) return rc;
    rc = (e->adaptive ? as_scheduler_new_adaptive : as_scheduler_new)(e->ops, e->target, e->workers,
                                                                      &scheduler, err);
    if (!rc) {
        as_str metrics_url = e->ops->info(e->target)->metrics_url;
        if (metrics_url.len) v->scrape = as_scrape_start(metrics_url);
        as_progress_start(&v->progress, e->show_progress, e->plan->case_count, v->finished.count);
        rc = pump(v, scheduler, dataset, err);
        as_progress_end(&v->progress);
        if (!rc && e->ops->begin) fill_serving(v, arena, scheduler, &summary->serving);
        if (rc) as_scheduler_stop(scheduler);
        as_scheduler_free(scheduler);
        as_serving *serving = &summary->serving;
        as_scrape_end(v->scrape, arena, serving);
        if (e->ops->replicas)
            serving->replicas = e->ops->replicas(e->target, &serving->replica_count);
    }
    as_dataset_close(dataset);
    return rc;
}

as_rc as_evaluate(const as_evaluation *e, as_arena *arena, as_scorer *scorer, as_summary *summary,
                  as_err *err) {
    evaluation v = {.e = e, .scorer = scorer, .digest = as_digest_new(), .start_ns = as_clock_ns()};
    as_rc rc = open_journal(&v, err);
    if (!rc) {
        rc = run_cases(&v, arena, summary, err);
        as_err late = {0};
        as_rc closed = as_journal_close(&v.journal, &late);
        if (!rc && closed) {
            rc = closed;
            if (err) *err = late;
        }
    }
    summary->wall_s = (double)(as_clock_ns() - v.start_ns) / 1e9;
    summary->stopped = v.over && v.recorded < e->plan->case_count;
    summary->total = summary->stopped ? v.recorded : e->plan->case_count;
    summary->skipped = e->plan->facts.cases - summary->total;
    summary->scores_digest = as_digest_end(v.digest, arena);
    as_arena_free(&v.arena);
    as_arena_free(&v.held_arena);
    as_arena_free(&v.ids);
    as_map_free(&v.finished);
    return rc;
}
