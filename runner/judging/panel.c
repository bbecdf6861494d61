// SPDX-License-Identifier: Apache-2.0
#include "runner/judging/panel.h"

#include <math.h>
#include <stdlib.h>

#include "harness/base/thread.h"
#include "runner/scheduler.h"

enum { PENDING_MAX = 1024 };

typedef struct ticket ticket;

// One question on its way.
typedef struct errand {
    ticket *of;
    size_t judge, number;
    as_judge_question question;
    as_judged_answer *answer;
    struct errand *next;
} errand;

// A sample, until all its verdicts are there.
struct ticket {
    as_arena arena;
    as_sample *sample;
    as_judged *judged; // [judge_count]
    size_t waiting;
    ticket *next;
};

// A target that judges, for one metric or several.
typedef struct bench {
    as_str uri;
    const as_target_ops *ops;
    as_target *target;
    as_scheduler *scheduler;
    const as_price *price; // NULL: costs are not known
    errand *first, **last; // to be asked
} bench;

struct as_panel {
    as_arena arena;
    as_judges *judges;
    const as_prices *prices;
    bench *benches, **bench_of; // [bench_count], [judges]
    size_t bench_count;
    ticket *ready, **ready_last;
    size_t pending;
};

static as_rc open_bench(as_panel *p, bench *b, as_str uri, as_str dir, as_err *err) {
    const as_request request = {.task = AS_TASK_GENERATE};
    b->uri = uri;
    b->last = &b->first;
    as_rc rc = as_target_resolve(uri, &b->ops, err);
    if (!rc) rc = b->ops->open(uri, dir, &b->target, err);
    if (rc) return rc;
    p->bench_count++;
    if (b->ops->accepts) rc = b->ops->accepts(b->target, &request, err);
    const as_target_info *info = b->ops->info(b->target);
    if (!rc && p->prices) {
        b->price = as_prices_find(p->prices, info->model_name);
        if (!b->price)
            rc = as_fail(err, AS_INVALID, "the price book has no price for the judge '%.*s'",
                         AS_STR_ARG(info->model_name));
    }
    size_t workers = info->workers ? info->workers : as_thread_cpus();
    if (!rc) rc = as_scheduler_new(b->ops, b->target, workers, &b->scheduler, err);
    return rc;
}

static as_rc find_bench(as_panel *p, size_t judge, as_str dir, as_err *err) {
    const as_judged_by *j = as_judges_at(p->judges, judge);
    for (size_t i = 0; i < p->bench_count; i++)
        if (as_str_eq(p->benches[i].uri, j->target)) p->bench_of[judge] = &p->benches[i];
    if (p->bench_of[judge]) return AS_OK;
    p->bench_of[judge] = &p->benches[p->bench_count];
    as_rc rc = open_bench(p, p->bench_of[judge], j->target, dir, err);
    if (rc) as_err_prefix(err, "judge of '%.*s'", AS_STR_ARG(j->metric));
    return rc;
}

as_rc as_panel_new(const as_plan *plan, const as_prices *prices, as_panel **out, as_err *err) {
    as_judges *judges;
    *out = NULL;
    as_rc rc = as_judges_new(plan->metrics, plan->suite.metric_count, &judges, err);
    if (rc || !judges) return rc;
    as_panel *p = as_mem_new(sizeof *p);
    size_t count = as_judges_count(judges);
    p->judges = judges;
    p->prices = prices;
    p->ready_last = &p->ready;
    p->benches = AS_NEW_ARRAY(&p->arena, bench, count);
    p->bench_of = AS_NEW_ARRAY(&p->arena, bench *, count);
    for (size_t i = 0; !rc && i < count; i++) rc = find_bench(p, i, plan->suite.dir, err);
    if (rc)
        as_panel_free(p);
    else
        *out = p;
    return rc;
}

static void free_ticket(ticket *t) {
    as_arena_free(&t->arena);
    free(t);
}

// Takes what is finished from the schedulers so that no ticket is left behind in a job.
void as_panel_free(as_panel *p) {
    if (!p) return;
    if (p->pending) as_panel_stop(p);
    while (p->pending) {
        as_sample *sample = as_panel_next(p, UINT64_MAX);
        if (sample) as_panel_done(p, sample);
    }
    for (size_t i = 0; i < p->bench_count; i++) {
        bench *b = &p->benches[i];
        as_scheduler_free(b->scheduler);
        b->ops->close(b->target);
    }
    as_judges_free(p->judges);
    as_arena_free(&p->arena);
    free(p);
}

// ---- asking ----

static void finish(as_panel *p, ticket *t) {
    t->sample->judged = t->judged;
    t->sample->judged_count = as_judges_count(p->judges);
    *p->ready_last = t;
    p->ready_last = &t->next;
}

static as_rc add_questions(as_panel *p, ticket *t, size_t judge, const as_judge_case *c,
                           as_err *err) {
    const as_judged_by *j = as_judges_at(p->judges, judge);
    as_judged *judged = &t->judged[judge];
    as_judge_question questions[AS_JUDGED_MAX];
    *judged = (as_judged){.metric = j->metric, .prompt_sha256 = j->prompt_sha256, .human = NAN};
    as_rc rc = as_judges_ask(p->judges, judge, &t->arena, c, questions, &judged->count,
                             &judged->human, err);
    for (size_t i = 0; !rc && i < judged->count; i++) {
        bench *b = p->bench_of[judge];
        errand *e = AS_NEW(&t->arena, errand);
        *e = (errand){.of = t,
                      .judge = judge,
                      .number = i,
                      .question = questions[i],
                      .answer = &judged->answers[i]};
        *b->last = e;
        b->last = &e->next;
        t->waiting++;
    }
    return rc;
}

as_rc as_panel_add(as_panel *p, const as_sample *sample, const as_case *case_, as_str asked,
                   as_err *err) {
    ticket *t = as_mem_new(sizeof *t);
    size_t count = as_judges_count(p->judges);
    t->sample = as_sample_copy(&t->arena, sample);
    t->judged = AS_NEW_ARRAY(&t->arena, as_judged, count + 1);
    as_judge_case c = {.fields = case_->fields,
                       .expected = case_->expected,
                       .asked = asked,
                       .answer = sample->prediction,
                       .has_answer = sample->has_prediction};
    as_rc rc = AS_OK;
    bool failed = as_outcome_is_error(sample->outcome); // there is nothing to judge
    p->pending++;
    for (size_t i = 0; !rc && !failed && i < count; i++) rc = add_questions(p, t, i, &c, err);
    if (!t->waiting) finish(p, t);
    if (failed) t->sample->judged_count = 0;
    return rc;
}

static as_str id_of(as_arena *arena, const errand *e, as_str metric) {
    const as_sample *s = e->of->sample;
    as_str id = as_strf(arena, "%.*s %.*s", AS_STR_ARG(metric), AS_STR_ARG(s->id));
    if (!s->sample) return id;
    return as_strf(arena, "%.*s %llu", AS_STR_ARG(id), (unsigned long long)s->sample);
}

static void send(as_panel *p, bench *b, as_job *job, errand *e) {
    const as_judged_by *j = as_judges_at(p->judges, e->judge);
    as_message *messages = AS_NEW_ARRAY(&job->arena, as_message, 2);
    messages[0] = (as_message){AS_STR("system"), e->question.system, NULL};
    messages[1] = (as_message){AS_STR("user"), e->question.user, NULL};
    job->tag = e;
    job->request = (as_request){.task = AS_TASK_GENERATE,
                                .id = id_of(&job->arena, e, j->metric),
                                .sample = e->number,
                                .messages = messages,
                                .message_count = 2,
                                .max_tokens = j->max_tokens,
                                .temperature = j->temperature,
                                .top_p = 1,
                                .seed = j->seed};
    as_scheduler_submit(b->scheduler, job);
}

static void send_all(as_panel *p, bench *b) {
    as_job *job;
    while (b->first && (job = as_scheduler_take(b->scheduler))) {
        errand *e = b->first;
        b->first = e->next;
        if (!b->first) b->last = &b->first;
        send(p, b, job, e);
    }
}

// ---- answers ----

static void take(as_panel *p, bench *b, as_job *job) {
    errand *e = job->tag;
    const as_answer *a = &job->answer;
    as_arena *arena = &e->of->arena;
    *e->answer = (as_judged_answer){.text = as_str_copy(arena, a->output),
                                    .error = as_str_copy(arena, a->error),
                                    .outcome = a->outcome,
                                    .value = NAN,
                                    .cached = a->cached,
                                    .tokens_in = a->tokens_in,
                                    .tokens_out = a->tokens_out};
    if (b->price && !a->cached)
        e->answer->cost = as_prices_cost(p->prices, b->price, a->tokens_in, a->tokens_out);
    as_judges_read(p->judges, e->judge, e->number, &e->question, e->answer);
    as_scheduler_give_back(b->scheduler, job);
    if (--e->of->waiting == 0) finish(p, e->of);
}

// Sends and takes what can be; waits for one of the answers under way.
static void turn(as_panel *p, uint64_t wait_ns) {
    for (size_t i = 0; i < p->bench_count; i++) {
        bench *b = &p->benches[i];
        as_job *job;
        send_all(p, b);
        uint64_t wait = p->ready ? 0 : wait_ns / p->bench_count;
        while ((job = as_scheduler_finished(b->scheduler, wait))) {
            take(p, b, job);
            send_all(p, b);
            wait = 0;
        }
    }
}

as_sample *as_panel_next(as_panel *p, uint64_t wait_ns) {
    turn(p, p->ready ? 0 : wait_ns);
    return p->ready ? p->ready->sample : NULL;
}

void as_panel_done(as_panel *p, as_sample *sample) {
    ticket *t = p->ready;
    if (t->sample != sample) return;
    p->ready = t->next;
    if (!p->ready) p->ready_last = &p->ready;
    p->pending--;
    free_ticket(t);
}

size_t as_panel_pending(const as_panel *p) {
    return p->pending;
}

bool as_panel_is_full(const as_panel *p) {
    return p->pending >= PENDING_MAX;
}

void as_panel_stop(as_panel *p) {
    for (size_t i = 0; i < p->bench_count; i++) {
        bench *b = &p->benches[i];
        for (errand *e = b->first; e; e = e->next) {
            *e->answer = (as_judged_answer){.outcome = AS_OUT_CANCELLED, .value = NAN};
            e->answer->text = e->answer->error = AS_STR("");
            if (--e->of->waiting == 0) finish(p, e->of);
        }
        b->first = NULL;
        b->last = &b->first;
        as_scheduler_stop(b->scheduler);
    }
}
