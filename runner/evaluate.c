// SPDX-License-Identifier: Apache-2.0
#include "runner/evaluate.h"

#include <math.h>

#include "harness/base/clock.h"
#include "harness/base/keyset.h"
#include "harness/record/digest.h"
#include "runner/bench/arrivals.h"
#include "runner/judging/alone.h"
#include "runner/load/scrape.h"
#include "runner/progress.h"
#include "runner/scheduler.h"

// How late a signal or the bar may be noticed; how long either of target and judges is waited for
// while the other may have something.
enum { WAIT_NS = 100000000, TURN_NS = 1000000 };

volatile int as_interrupts;

typedef struct evaluation {
    const as_evaluation *e;
    as_scorer *scorer;
    as_journal journal;
    as_digest *digest;
    as_arena arena;     // scores of the sample at hand
    as_keyset finished; // ids and numbers of answers that the journal holds already
    as_alone alone;     // choices after an empty prompt, where a metric needs them
    as_progress progress;
    as_arena held_arena; // of finished samples that wait to be embedded together
    as_sample *held[AS_SIMILAR_BATCH];
    size_t held_count;
    uint64_t recorded; // answers
    bool over;         // the gates are decided
    uint64_t start_ns;
    as_scrape *scrape; // of the server's own metrics; NULL: none
} evaluation;

// Scores, writes, counts; in that order, so that nothing is counted that is not on disk: what is
// finished together is written together, before the count is shown.
static as_rc record(evaluation *v, as_sample *sample, bool journal, as_err *err) {
    as_rc rc = as_scorer_add(v->scorer, &v->arena, sample, err);
    if (rc) as_err_prefix(err, "case '%.*s'", AS_STR_ARG(sample->id));
    if (!rc && journal) rc = as_journal_add_soon(&v->journal, sample, err);
    if (!rc) {
        as_digest_add(v->digest, sample);
        as_failing_look(v->e->failing, NULL, sample);
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
    if (!as_keyset_add(&v->finished, sample->id, sample->sample, 0, NULL))
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
        .sample = job->request.sample,
        .samples = v->e->plan->suite.samples,
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
        .tries = a->tries,
        .target = v->e->header.target_uri,
        .reasoning = a->reasoning,
        .choice_logprobs = a->choice_logprobs,
        .has_logprob = a->has_logprob,
        .logprob = a->logprob,
        .logprob_tokens = a->logprob_tokens,
        .greedy = a->greedy,
        .token_logprobs = a->token_logprobs,
        .details = a->details,
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

static as_str last_turn(const as_request *request) {
    size_t count = request->message_count;
    return count ? request->messages[count - 1].content : AS_STR("");
}

// A sample that is whole: in its place of the order, or now.
static as_rc accept(evaluation *v, as_sample *sample, as_err *err) {
    if (!v->e->ordered) return record_soon(v, sample, err);
    as_ordered_hold(v->e->ordered, sample);
    as_rc rc = AS_OK;
    as_sample *next;
    while (!rc && !v->over && (next = as_ordered_release(v->e->ordered)))
        rc = record_soon(v, next, err);
    return rc;
}

static as_rc consume(evaluation *v, as_scheduler *scheduler, as_job *job, as_err *err) {
    const double *alone = NULL;
    if (v->e->alone && !as_alone_settle(&v->alone, scheduler, job, &alone)) return AS_OK;
    as_sample sample = sample_of(v, job);
    sample.unconditional_logprobs = alone;
    if (v->e->alone) sample.cost += cost_of(v->e, &job->alone);
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
    if (v->e->checks)
        rc = as_checks_fill(v->e->checks, &job->arena, &sample, job->case_.fields,
                            last_turn(&job->request), err);
    if (!rc)
        rc = v->e->panel
                 ? as_panel_add(v->e->panel, &sample, &job->case_, last_turn(&job->request), err)
                 : accept(v, &sample, err);
    as_scheduler_give_back(scheduler, job);
    return rc;
}

// Samples whose verdicts have come, within the time given.
static as_rc consume_judged(evaluation *v, uint64_t wait_ns, as_err *err) {
    as_panel *panel = v->e->panel;
    as_sample *sample;
    as_rc rc = AS_OK;
    while (!rc && !v->over && panel && as_panel_pending(panel) &&
           (sample = as_panel_next(panel, wait_ns))) {
        rc = accept(v, sample, err);
        as_panel_done(panel, sample);
        wait_ns = 0;
    }
    return rc;
}

typedef struct feed {
    as_dataset *dataset;
    uint64_t left; // cases of the dataset that are still to be looked at
    bool more;
    as_arrivals arrivals;
    as_arena kept; // with several answers a case: the case at hand...
    as_case case_;
    uint64_t sample; // ...and how many of its answers were looked at
} feed;

// The case that the next answer is wanted of, in the job's arena. f->more false: there is none.
static as_rc next_answer(evaluation *v, feed *f, as_job *job, as_err *err) {
    uint64_t samples = v->e->plan->suite.samples;
    as_arena *arena = samples > 1 ? &f->kept : &job->arena;
    as_arena_reset(&job->arena);
    if (f->sample == 0 || f->sample == samples) {
        f->more = f->left > 0;
        if (!f->more) return AS_OK;
        as_arena_reset(arena);
        as_rc rc = as_dataset_next(f->dataset, arena, &f->case_, &f->more, err);
        if (rc || !f->more) return rc;
        f->left--;
        f->sample = 0;
    }
    job->case_ = samples > 1 ? as_case_copy(&job->arena, &f->case_) : f->case_;
    job->request.sample = f->sample++;
    return AS_OK;
}

static as_rc request_of(const evaluation *v, as_job *job, uint64_t sample, as_err *err) {
    as_rc rc = as_plan_request(v->e->plan, &job->arena, &job->case_, &job->request, err);
    job->request.sample = sample;
    return rc;
}

// The next case that is not finished yet, into `job`. *filled false at the end.
static as_rc next_case(evaluation *v, feed *f, as_job *job, bool *filled, as_err *err) {
    *filled = false;
    if (v->e->ordered) {
        as_arena_reset(&job->arena);
        uint64_t sample;
        f->more = *filled = as_ordered_next(v->e->ordered, &v->finished, &job->case_, &sample);
        if (!*filled) return AS_OK;
        return request_of(v, job, sample, err);
    }
    while (f->more) {
        as_rc rc = next_answer(v, f, job, err);
        if (rc || !f->more) return rc;
        uint64_t sample = job->request.sample;
        if (as_keyset_has(&v->finished, job->case_.id, sample)) continue;
        *filled = true;
        return request_of(v, job, sample, err);
    }
    return AS_OK;
}

// Gives the workers as much as is useful.
static as_rc feed_workers(evaluation *v, as_scheduler *scheduler, feed *f, as_err *err) {
    as_job *job;
    bool full = v->e->panel && as_panel_is_full(v->e->panel);
    while (f->more && !full && !as_interrupts && (job = as_scheduler_take(scheduler))) {
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
        size_t asked = as_scheduler_under_way(scheduler);
        size_t judged = v->e->panel ? as_panel_pending(v->e->panel) : 0;
        if (rc || asked + judged == 0) break;
        uint64_t wait_ns = left_ns(v), most_ns = judged ? TURN_NS : WAIT_NS;
        if (!wait_ns) break;
        as_job *job = as_scheduler_finished(scheduler, wait_ns < most_ns ? wait_ns : most_ns);
        if (job) rc = consume(v, scheduler, job, err);
        if (!rc) rc = consume_judged(v, job ? 0 : asked ? TURN_NS : WAIT_NS, err);
        if (!rc && !job && !judged) rc = record_held(v, err);
        if (rc || as_scheduler_ready(scheduler)) continue;
        rc = as_journal_flush(&v->journal, err);
        as_progress_draw(&v->progress);
        as_scrape_poll(v->scrape);
    }
    if (!rc) rc = record_held(v, err);
    as_arena_free(&f.kept);
    bool judging = v->e->panel && as_panel_pending(v->e->panel);
    bool left = f.more || judging || as_scheduler_under_way(scheduler);
    const char *things = v->e->plan->suite.samples > 1 ? "answers" : "cases";
    if (!rc && !as_interrupts && left && !v->over && !left_ns(v))
        rc = as_fail(err, AS_UNMEASURED,
                     "the deadline is over: %llu of %llu %s are in '%s' (continue with --resume)",
                     (unsigned long long)v->progress.done, (unsigned long long)v->progress.total,
                     things, v->e->dir);
    if (!rc && as_interrupts && left && !v->over)
        rc = as_fail(err, AS_INTERRUPTED,
                     "interrupted; %llu of %llu %s are in '%s' (continue with --resume)",
                     (unsigned long long)v->progress.done, (unsigned long long)v->progress.total,
                     things, v->e->dir);
    return rc;
}

static void stop_judges(evaluation *v) {
    if (v->e->panel) as_panel_stop(v->e->panel);
}

static uint64_t answers_of(const as_plan *plan) {
    return plan->case_count * plan->suite.samples;
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
        as_progress_start(&v->progress, e->show_progress, answers_of(e->plan), v->finished.count);
        rc = pump(v, scheduler, dataset, err);
        as_progress_end(&v->progress);
        bool waits = e->ops->begin && !e->ops->info(e->target)->threads;
        if (!rc && (waits || e->adaptive)) fill_serving(v, arena, scheduler, &summary->serving);
        if (rc || v->over) stop_judges(v);
        if (rc || v->over) as_scheduler_stop(scheduler);
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
    uint64_t samples = e->plan->suite.samples;
    summary->stopped = v.over && v.recorded < answers_of(e->plan);
    summary->total = summary->stopped ? (v.recorded + samples - 1) / samples : e->plan->case_count;
    summary->skipped = e->plan->facts.cases - summary->total;
    summary->scores_digest = as_digest_end(v.digest, arena);
    as_arena_free(&v.arena);
    as_arena_free(&v.held_arena);
    as_alone_free(&v.alone);
    as_keyset_free(&v.finished);
    return rc;
}
