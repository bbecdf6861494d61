// SPDX-License-Identifier: Apache-2.0
#include "harness/target/remote/settle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/clock.h"
#include "harness/base/log.h"
#include "harness/net/retry.h"
#include "harness/net/sse.h"
#include "harness/net/url.h"
#include "harness/target/pace.h"
#include "harness/target/recall.h"

static as_recall cache; // dir NULL: none
static const uint64_t MS = 1000000, REFUSED_NS = 1200000000;

// One case on its way.
typedef struct asked {
    as_target_worker *worker;
    as_arena *arena;
    const as_request *request;
    as_answer *answer;
    void *tag;
    size_t call, calls;
    unsigned attempt; // of this call, from 0
    as_wire_call wire_call;
    as_wire_take take;
    as_sse sse;
    bool streams, renewed; // renewed: its token was refused once
    unsigned auth_serial;  // of the token that it was sent with
    char key[65];          // in the cache
    double token_guess;
    uint64_t due_ns, at_ns; // intended start or 0; not before
    size_t replica, avoid;  // where it is, or was last; where it should not go; SIZE_MAX: nowhere
    bool second;            // answered: asked elsewhere too, to compare
    uint64_t first_ns, last_ns;
    as_buf gaps; // doubles, ms
    as_settle_tries tries;
    uint64_t sent_ns; // the first attempt
    as_rng rng;       // once it is drawn from
    bool has_rng;
    struct asked *next; // in the lists of done and idle ones
} asked;

struct as_target_worker {
    as_target *target;
    as_http *http;
    as_arena scratch;
    as_pace pace; // limits of the target; breakers are those of its replicas
    as_replicas replicas;
    asked **heap; // waiting, by at_ns
    size_t heap_count, heap_capacity;
    size_t out_count; // at the HTTP engine
    asked *done, *idle;
    uint64_t first_ns; // of the first attempt
    as_str given_up;   // why nothing is asked any more; in the target's arena
};

as_rc as_remote_cache(const char *dir, as_err *err) {
    if (dir) return as_recall_open(dir, &cache, err);
    cache.dir = NULL;
    return AS_OK;
}

// ---- the worker

as_rc as_remote_worker_new(as_target *t, as_target_worker **out, as_err *err) {
    as_target_worker *w = as_mem_new(sizeof *w);
    w->target = t;
    as_rc rc = as_http_new(&(as_http_options){.ca_file = t->ca_file}, &w->http, err);
    if (rc) {
        free(w);
        return rc;
    }
    uint64_t now = as_clock_ns(), patience_ns = (uint64_t)t->patience_s * 1000000000u;
    as_pace_start(&w->pace, (double)t->rpm, (double)t->tpm, patience_ns, now);
    as_replicas_start(&w->replicas, t->bases, t->base_count, patience_ns, now);
    *out = w;
    return AS_OK;
}

static void free_asked(asked *a) {
    as_buf *const buffers[] = {&a->take.text, &a->take.reasoning, &a->take.tools, &a->gaps};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) as_buf_free(buffers[i]);
    as_sse_free(&a->sse);
    free(a);
}

static void free_asked_list(asked *a) {
    while (a) {
        asked *next = a->next;
        free_asked(a);
        a = next;
    }
}

void as_remote_worker_free(as_target_worker *w) {
    as_remote_cancel(w);
    w->target->facts = as_replicas_facts(&w->replicas, &w->target->arena);
    as_replicas_free(&w->replicas);
    as_http_free(w->http);
    free_asked_list(w->done);
    free_asked_list(w->idle);
    as_arena_free(&w->scratch);
    free(w->heap);
    free(w);
}

// ---- waiting, by time

static void heap_swap(asked **heap, size_t a, size_t b) {
    asked *kept = heap[a];
    heap[a] = heap[b];
    heap[b] = kept;
}

static void wait_until(asked *a, uint64_t at_ns) {
    as_target_worker *w = a->worker;
    a->at_ns = at_ns;
    if (w->heap_count == w->heap_capacity) {
        w->heap_capacity = w->heap_capacity ? w->heap_capacity * 2 : 64;
        w->heap = as_mem_grow(w->heap, as_size_mul(w->heap_capacity, sizeof *w->heap));
    }
    size_t i = w->heap_count++;
    w->heap[i] = a;
    for (; i && w->heap[(i - 1) / 2]->at_ns > w->heap[i]->at_ns; i = (i - 1) / 2)
        heap_swap(w->heap, i, (i - 1) / 2);
}

static asked *take_waiting(as_target_worker *w) {
    asked *top = w->heap[0];
    w->heap[0] = w->heap[--w->heap_count];
    for (size_t i = 0;;) {
        size_t least = i, left = 2 * i + 1;
        for (size_t c = left; c < left + 2 && c < w->heap_count; c++)
            if (w->heap[c]->at_ns < w->heap[least]->at_ns) least = c;
        if (least == i) return top;
        heap_swap(w->heap, i, least);
        i = least;
    }
}

// ---- one case

static void reset_take(asked *a) {
    as_buf_clear(&a->take.text);
    as_buf_clear(&a->take.reasoning);
    as_buf_clear(&a->take.tools);
    as_buf_clear(&a->gaps);
    as_sse_clear(&a->sse);
    as_wire_take *t = &a->take;
    *t = (as_wire_take){.arena = a->arena,
                        .scratch = &a->worker->scratch,
                        .request = a->request,
                        .call = a->call,
                        .text = t->text,
                        .reasoning = t->reasoning,
                        .tools = t->tools,
                        .choice_logprobs = t->choice_logprobs,
                        .vectors = t->vectors,
                        .vector_width = t->vector_width,
                        .again_url = t->again_url,
                        .again_count = t->again_count,
                        .outcome = AS_OUT_OK,
                        .error = AS_STR("")};
    a->streams = false;
    a->first_ns = a->last_ns = 0;
}

static as_settle_exchange exchange_of(const asked *a, const as_http_reply *r) {
    const as_replicas *all = &a->worker->replicas;
    return (as_settle_exchange){.first_ns = a->sent_ns,
                                .start_ns = r->start_ns,
                                .end_ns = r->end_ns,
                                .due_ns = a->call == 0 ? a->due_ns : 0,
                                .status = r->status,
                                .bytes = r->body.len,
                                .server =
                                    all->count > 1 ? all->items[a->replica].base : AS_STR("")};
}

static void note_wait(asked *a, uint64_t now_ns, uint64_t at_ns) {
    if (a->tries.count)
        a->tries.items[a->tries.count - 1].wait_ms =
            at_ns > now_ns ? (double)(at_ns - now_ns) / 1e6 : 0;
}

static void give_out(asked *a) {
    a->next = a->worker->done;
    a->worker->done = a;
}

// The answer is made: `next` will give it out.
static void finish(asked *a) {
    as_settle_texts(a->arena, a->tries, a->answer);
    give_out(a);
}

static void fail_case(asked *a, as_outcome outcome, as_str error) {
    a->answer->outcome = outcome;
    a->answer->error = error;
    finish(a);
}

static void cancel_case(asked *a) {
    if (a->second) {
        finish(a);
        return;
    }
    const as_str why = a->worker->given_up;
    fail_case(a, AS_OUT_CANCELLED,
              why.len ? as_strf(a->arena, "not asked: %.*s", AS_STR_ARG(why))
                      : AS_STR("not asked: the run was stopped"));
}

// Nothing is asked from now on; what waits is cancelled.
static void give_up(as_target_worker *w, as_str why) {
    if (w->given_up.len) return;
    w->given_up = as_settle_redacted(&w->target->arena, why);
    as_log_error("target '%.*s' is given up: %.*s", AS_STR_ARG(w->target->info.uri),
                 AS_STR_ARG(w->given_up));
    while (w->heap_count) cancel_case(take_waiting(w));
}

// The first call of a case.
static void build_call(asked *a) {
    const as_target *t = a->worker->target;
    const as_remote_built *first = a->call == 0 ? a->request->prepared : NULL;
    as_str sha = first ? first->prompt_sha256 : AS_STR("");
    if (first)
        a->wire_call = first->call;
    else
        t->ops->build(t->setup.wire, a->arena, a->request, a->call, &a->wire_call, &sha);
    if (a->call == 0) a->answer->prompt_sha256 = sha;
    // A guess for the limit on tokens: four bytes each, and all that may be generated.
    a->token_guess = (double)a->wire_call.body.len / 4 + (double)a->request->max_tokens;
}

void as_remote_begin(as_target_worker *w, as_arena *arena, const as_request *request,
                     as_answer *out, void *tag, uint64_t due_ns) {
    const as_target *t = w->target;
    asked *a = w->idle;
    if (a)
        w->idle = a->next;
    else
        a = as_mem_new(sizeof *a);
    *a = (asked){
        .worker = w,
        .arena = arena,
        .request = request,
        .answer = out,
        .tag = tag,
        .calls = t->ops->calls ? t->ops->calls(t->setup.wire, request) : 1,
        .take = {.text = a->take.text, .reasoning = a->take.reasoning, .tools = a->take.tools},
        .sse = a->sse,
        .gaps = a->gaps,
        .due_ns = due_ns,
        .replica = SIZE_MAX,
        .avoid = SIZE_MAX};
    *out = (as_answer){.outcome = AS_OUT_OK, .error = AS_STR(""), .ttft_ms = NAN, .attempts = 1};
    build_call(a);
    if (w->given_up.len)
        cancel_case(a);
    else if (a->wire_call.error.len)
        fail_case(a, AS_OUT_BAD_RESPONSE, a->wire_call.error);
    else
        wait_until(a, due_ns);
}

static void take_event(void *asked_in, as_str event, as_str data) {
    asked *a = asked_in;
    const as_target *t = a->worker->target;
    t->ops->event(t->setup.wire, &a->take, event, data);
    as_arena_reset(&a->worker->scratch);
    if (!a->take.piece) return;
    a->take.piece = false;
    a->take.pieces++;
    uint64_t now = as_clock_ns();
    if (a->last_ns) {
        double gap_ms = (double)(now - a->last_ns) / 1e6;
        as_buf_add(&a->gaps, &gap_ms, sizeof gap_ms);
    } else {
        a->first_ns = now;
    }
    a->last_ns = now;
}

// A server that does not stream sends JSON instead.
static bool expects_events(asked *a, as_str content_type) {
    a->streams = a->wire_call.lines ||
                 (a->wire_call.stream && !as_str_starts(content_type, AS_STR("application/json")));
    a->sse.lines = a->wire_call.lines;
    return a->streams;
}

static void on_piece(void *asked_in, const as_http_reply *reply, as_str piece) {
    asked *a = asked_in;
    if (reply->status / 100 == 2 && expects_events(a, as_buf_view(&reply->content_type)))
        as_sse_feed(&a->sse, piece, take_event, a);
}

// ---- what a reply means

// A 2xx: what the wire made of it.
static as_reply judge_body(asked *a, as_str body) {
    const as_target *t = a->worker->target;
    as_wire_take *take = &a->take;
    if (a->streams)
        as_sse_end(&a->sse, take_event, a);
    else if (!body.len)
        as_wire_bad(take, "the response is empty");
    else
        t->ops->body(t->setup.wire, take, body);
    as_arena_reset(&a->worker->scratch);
    if (take->outcome == AS_OUT_HTTP_ERROR && take->status)
        return as_reply_status(&t->setup, a->arena, NULL, take->status, AS_STR(""), take->error);
    if (take->outcome != AS_OUT_OK)
        return (as_reply){.what = AS_REPLY_FAILED, .outcome = take->outcome, .error = take->error};
    if (a->streams && !take->ended && take->finish == AS_WIRE_OPEN)
        return (as_reply){
            .what = AS_REPLY_RETRY,
            .outcome = AS_OUT_HTTP_ERROR,
            .error = as_strf(a->arena, "the stream ended in the middle of the answer (%zu bytes)",
                             body.len),
            .targets_fault = true,
            .wait_ms = -1};
    return (as_reply){.what = AS_REPLY_ANSWERED};
}

static as_reply judge(asked *a, const as_http_reply *r) {
    if (r->end != AS_HTTP_DONE) return as_reply_broken(a->arena, r);
    if (r->status / 100 == 2) return judge_body(a, as_buf_view(&r->body));
    as_str kind, words = as_wire_error(a->arena, as_buf_view(&r->body), &kind);
    return as_reply_status(&a->worker->target->setup, a->arena, r, r->status, kind, words);
}

static void take_times(asked *a, const as_http_reply *r) {
    as_answer *out = a->answer;
    as_settle_exchange exchange = exchange_of(a, r);
    uint64_t start = as_settle_start(&exchange);
    out->latency_ms += (double)(r->end_ns - start) / 1e6;
    if (a->call == 0 && a->first_ns) out->ttft_ms = (double)(a->first_ns - start) / 1e6;
    if (a->gaps.len && !out->gaps_ms) {
        out->gap_count = a->gaps.len / sizeof(double);
        double *gaps = AS_NEW_ARRAY(a->arena, double, out->gap_count);
        memcpy(gaps, a->gaps.ptr, a->gaps.len);
        out->gaps_ms = gaps;
    }
}

static void keep_response(const asked *a, const as_http_reply *r) {
    as_recalled kept = {.status = r->status,
                        .content_type = as_buf_view(&r->content_type),
                        .body = as_buf_view(&r->body),
                        .latency_ms = (double)(r->end_ns - r->start_ns) / 1e6,
                        .ttft_ms = a->first_ns ? (double)(a->first_ns - r->start_ns) / 1e6 : NAN};
    as_recall_put(&cache, a->key, &kept);
}

// Asks once more for what was not done yet.
static void ask_again(asked *a) {
    as_url from, to;
    as_err err = {0};
    if (as_url_parse(a->wire_call.url, &from, &err) || as_url_parse(a->take.again_url, &to, &err) ||
        !as_url_keeps_origin(&from, &to)) {
        fail_case(a, AS_OUT_BAD_RESPONSE,
                  as_strf(a->arena, "sent to another host for its answer, '%.*s': not asked",
                          AS_STR_ARG(a->take.again_url)));
        return;
    }
    a->wire_call = (as_wire_call){.method = AS_STR("GET"), .url = a->take.again_url};
    a->attempt = 0;
    a->token_guess = 0;
    a->take.again_count++;
    a->answer->latency_ms += (double)a->take.again_ms;
    if (a->worker->given_up.len)
        cancel_case(a);
    else
        wait_until(a, as_clock_ns() + a->take.again_ms * MS);
}

// One call is answered: the next one, or the case is done.
static void take_answer(asked *a) {
    const as_target *t = a->worker->target;
    as_answer *out = a->answer;
    as_settle_count(&a->take, out);
    if (++a->call < a->calls) {
        a->attempt = a->take.again_count = 0;
        a->take.again_url = (as_str){0};
        build_call(a);
        wait_until(a, 0);
        return;
    }
    as_wire_answer(&a->take, out);
    bool text = a->request->task == AS_TASK_GENERATE || a->request->task == AS_TASK_CHOICE;
    bool drawn = t->twice && text && as_str_hash(a->request->id) % 100 < (uint64_t)t->twice;
    if (drawn && a->calls == 1 && !out->cached && out->outcome == AS_OUT_OK) {
        a->second = true;
        out->output = as_settle_redacted(a->arena, out->output);
        wait_until(a, 0);
        return;
    }
    finish(a);
}

static void retry(asked *a, as_reply j, bool counts) {
    as_target_worker *w = a->worker;
    const as_target *t = w->target;
    as_replica *replica = &w->replicas.items[a->replica];
    uint64_t now = as_clock_ns();
    if (j.wait_ms > t->max_wait_s * 1000) {
        fail_case(a, j.outcome,
                  as_strf(a->arena, "%.*s; asked to wait %.0f s, more than max_wait (%lld s)",
                          AS_STR_ARG(j.error), (double)j.wait_ms / 1000, (long long)t->max_wait_s));
        return;
    }
    uint64_t wait_ms;
    if (j.wait_ms >= 0) {
        wait_ms = (uint64_t)j.wait_ms;
        as_pace_pause(&replica->pace, now + wait_ms * MS);
        if (w->replicas.count > 1) wait_ms = 0; // another one may have time
    } else {
        // While nothing has ever answered, waiting long helps nobody.
        uint64_t most_ms = replica->reached ? AS_REMOTE_BACKOFF_MAX_S * 1000 : 300;
        if (!a->has_rng) a->rng = as_rng_of(now, as_str_hash(a->request->id));
        a->has_rng = true;
        wait_ms = as_retry_backoff_ms(a->attempt, 250, most_ms, &a->rng);
    }
    as_log_debug("case '%.*s': %.*s; again in %llu ms", AS_STR_ARG(a->request->id),
                 AS_STR_ARG(j.error), (unsigned long long)wait_ms);
    a->attempt += counts;
    a->answer->attempts++;
    a->avoid = a->replica;
    note_wait(a, now, now + wait_ms * MS);
    wait_until(a, now + wait_ms * MS);
}

// A server that nothing is sent to any more. The last one takes the target with it.
static void lose(as_target_worker *w, as_replica *replica, as_str why) {
    if (w->given_up.len || replica->lost) return;
    replica->lost = true;
    if (as_replicas_all_lost(&w->replicas))
        give_up(w, why);
    else
        as_log_warning("replica %.*s is given up: %.*s", AS_STR_ARG(replica->base),
                       AS_STR_ARG(as_settle_redacted(&w->target->arena, why)));
}

// What an attempt without an answer means for the server that it went to.
static void blame(as_target_worker *w, asked *a, as_reply j, bool refused, bool last) {
    as_replica *replica = &w->replicas.items[a->replica];
    replica->errors++;
    if (j.what == AS_REPLY_RETRY && j.targets_fault && !refused &&
        as_replica_failed(&w->replicas, a->replica, as_clock_ns()))
        lose(w, replica,
             as_strf(a->arena, "no request succeeds any more: %.*s", AS_STR_ARG(j.error)));
    if (refused && (last || w->replicas.count > 1 || as_clock_ns() - w->first_ns > REFUSED_NS)) {
        as_str where = w->replicas.count == 1 ? w->target->setup.endpoint : replica->base;
        lose(w, replica,
             as_strf(a->arena, "nothing answers at %.*s: %.*s", AS_STR_ARG(where),
                     AS_STR_ARG(j.error)));
    }
    if (j.what == AS_REPLY_FATAL) lose(w, replica, j.error);
}

static void take_failure(as_target_worker *w, asked *a, as_reply j, const as_http_reply *r) {
    const as_replica *replica = &w->replicas.items[a->replica];
    bool refused = r->end == AS_HTTP_REFUSED && !replica->reached;
    // While a server that worked restarts, knocking at its door costs no case its retries: patience
    // ends that. Nor does a server that is ejected while there are others.
    bool knocking = r->end == AS_HTTP_REFUSED && replica->pace.open && replica->pace.succeeded;
    bool elsewhere = w->replicas.count > 1 && (replica->pace.open || replica->lost);
    bool free_try = (knocking && w->target->retries) || elsewhere;
    bool last = a->attempt >= (unsigned)w->target->retries && !free_try;
    if (r->end != AS_HTTP_CANCELLED) blame(w, a, j, refused, last);
    if (replica->lost && !w->given_up.len) j.what = AS_REPLY_RETRY, last = false, free_try = true;
    if (j.what == AS_REPLY_RETRY && !last && !w->given_up.len) {
        retry(a, j, !free_try);
    } else {
        a->answer->latency_ms += (double)(r->end_ns - r->start_ns) / 1e6;
        fail_case(a, j.outcome, j.error);
    }
}

// The same request at a second server: the answer stands, whatever comes; texts are compared.
static void take_second(as_target_worker *w, asked *a, as_reply j) {
    if (j.what == AS_REPLY_ANSWERED) {
        as_replica *replica = &w->replicas.items[a->replica];
        as_answer other = {.outcome = AS_OUT_OK, .error = AS_STR("")};
        as_wire_answer(&a->take, &other);
        replica->compared++;
        replica->disagreed +=
            !as_str_eq(as_settle_redacted(a->arena, other.output), a->answer->output);
    }
    finish(a);
}

// Nothing that is still to be asked depends on what the body says: no other call or server, no
// cache, no limit on tokens, no breaker that a bad answer would not close.
static bool settles_later(const asked *a, const as_http_reply *r) {
    const as_target_worker *w = a->worker;
    const as_target *t = w->target;
    const as_pace *pace = &w->replicas.items[a->replica].pace;
    return a->request->settles && !a->streams && a->calls == 1 && !a->second && !t->twice &&
           !t->tpm && !cache.dir && w->replicas.count == 1 && pace->succeeded && !pace->failures &&
           !pace->open && r->end == AS_HTTP_DONE && r->status / 100 == 2 &&
           as_settle_can(t->ops, as_buf_view(&r->body));
}

static void take_reply(as_target_worker *w, as_http_reply *r) {
    asked *a = r->context;
    const as_target *t = w->target;
    as_replica *replica = &w->replicas.items[a->replica];
    w->out_count--;
    replica->out_count--;
    if (r->status) replica->reached = true;
    as_settle_exchange exchange = exchange_of(a, r);
    if (settles_later(a, r)) {
        as_replica_ok(&w->replicas, a->replica, (double)(r->end_ns - r->start_ns) / 1e6);
        as_settle_leave(a->arena, &exchange, a->tries, as_buf_view(&r->body), a->answer);
        give_out(a);
        as_http_release(w->http, r);
        return;
    }
    as_reply j = judge(a, r);
    if (!a->second) as_settle_note(a->arena, &a->tries, &exchange, j);
    if (a->second) {
        take_second(w, a, j);
    } else if (j.what == AS_REPLY_ANSWERED) {
        take_times(a, r);
        as_replica_ok(&w->replicas, a->replica, (double)(r->end_ns - r->start_ns) / 1e6);
        if (a->take.has_usage)
            as_pace_correct(&w->pace,
                            (double)(a->take.tokens_in + a->take.tokens_out) - a->token_guess);
        if (a->take.again_ms) {
            ask_again(a);
        } else {
            if (cache.dir) keep_response(a, r);
            take_answer(a);
        }
    } else if (r->status == 401 && !a->renewed && !w->given_up.len && t->setup.auth &&
               as_auth_forget(t->setup.auth, a->auth_serial)) {
        a->renewed = true; // the token may have ended early: once more with a new one
        a->answer->attempts++;
        note_wait(a, 0, 0);
        wait_until(a, as_clock_ns());
    } else {
        take_failure(w, a, j, r);
    }
    as_http_release(w->http, r);
}

// Answers from the cache. What was kept was understood once; what no longer is, is asked.
static bool answer_from_cache(asked *a) {
    const as_wire_setup *setup = &a->worker->target->setup;
    as_recalled kept;
    as_recall_key(&a->wire_call, setup->headers, setup->header_count, a->request->sample, a->key);
    if (!as_recall_get(&cache, a->arena, a->key, &kept)) return false;
    reset_take(a);
    if (expects_events(a, kept.content_type)) as_sse_feed(&a->sse, kept.body, take_event, a);
    if (judge_body(a, kept.body).what != AS_REPLY_ANSWERED || a->take.again_ms) return false;
    as_answer *out = a->answer;
    out->latency_ms += kept.latency_ms;
    if (!a->call) out->ttft_ms = kept.ttft_ms;
    out->cached = a->call ? out->cached : true;
    take_answer(a);
    return true;
}

// The URL at its replica: the wire made it for the first one.
static as_str url_at(const as_target_worker *w, const asked *a) {
    as_str url = a->wire_call.url;
    if (!a->replica) return url;
    as_str rest = as_str_sub(url, w->replicas.items[0].base.len, url.len);
    return as_strf(a->arena, "%.*s%.*s", AS_STR_ARG(w->replicas.items[a->replica].base),
                   AS_STR_ARG(rest));
}

static void send(asked *a, size_t replica, uint64_t now) {
    as_target_worker *w = a->worker;
    const as_target *t = w->target;
    const as_http_header *headers = t->setup.headers;
    size_t header_count = t->setup.header_count;
    if (a->wire_call.header_count)
        headers = as_wire_headers(&t->setup, a->arena, &a->wire_call, &header_count);
    reset_take(a);
    a->replica = replica;
    a->avoid = SIZE_MAX;
    as_http_request request = {
        .method = a->wire_call.method.len ? a->wire_call.method : AS_STR("POST"),
        .url = url_at(w, a),
        .headers = headers,
        .header_count = header_count,
        .auth = t->setup.auth,
        .body = a->wire_call.body,
        .limits = {.connect_ms = (uint64_t)t->connect_s * 1000,
                   .first_byte_ms = (uint64_t)t->first_byte_s * 1000,
                   .total_ms = (uint64_t)t->timeout_s * 1000,
                   .body_max = (size_t)t->max_mb << 20},
        .on_piece = on_piece,
        .context = a,
    };
    if (!a->second) a->answer->cached = false;
    if (!w->first_ns) w->first_ns = now;
    if (!a->sent_ns) a->sent_ns = now;
    if (a->due_ns && !a->second && !a->call && !a->attempt)
        a->answer->late_ms = (double)(now - a->due_ns) / 1e6;
    as_pace_sent(&w->pace, a->token_guess);
    w->out_count++;
    w->replicas.items[replica].out_count++;
    as_http_start(w->http, &request);
    if (t->setup.auth) a->auth_serial = t->setup.auth->serial;
}

// Sends what is due. Returns when to look again.
static uint64_t send_due(as_target_worker *w) {
    while (w->heap_count) {
        uint64_t now = as_clock_ns(), at = w->heap[0]->at_ns;
        uint64_t ready = as_pace_ready(&w->pace, now, w->out_count);
        if (ready > at) at = ready;
        if (at > now) return at;
        asked *top = w->heap[0];
        size_t avoid = top->second ? top->replica : top->avoid;
        size_t replica = as_replicas_pick(&w->replicas, now, avoid, &ready);
        bool alone = top->second && (replica == SIZE_MAX || replica == top->replica);
        if (replica == SIZE_MAX && !alone) return ready;
        asked *a = take_waiting(w);
        if (alone)
            finish(a); // there is nobody to compare it with
        else if (a->second || !cache.dir || a->take.again_count || !answer_from_cache(a))
            send(a, replica, now);
    }
    return UINT64_MAX;
}

void *as_remote_next(as_target_worker *w, uint64_t wait_ns) {
    uint64_t now = w->done ? 0 : as_clock_ns();
    uint64_t until = wait_ns > UINT64_MAX - now ? UINT64_MAX : now + wait_ns;
    while (!w->done) {
        uint64_t at = send_due(w), stop = at < until ? at : until;
        if (w->done) break;
        if (stop > now && stop != UINT64_MAX) now = as_clock_ns();
        as_http_reply *r = as_http_next(w->http, stop > now ? stop - now : 0);
        if (r) {
            take_reply(w, r);
            continue;
        }
        now = as_clock_ns();
        if (now >= until || now < stop) return NULL; // over, or woken
    }
    asked *a = w->done;
    w->done = a->next;
    a->next = w->idle;
    w->idle = a;
    return a->tag;
}

const as_serving_replica *as_remote_replicas(const as_target *t, size_t *count) {
    *count = t->facts && t->base_count > 1 ? t->base_count : 0;
    return t->facts;
}

void as_remote_wake(as_target_worker *w) {
    as_http_wake(w->http);
}

void as_remote_cancel(as_target_worker *w) {
    as_http_cancel(w->http);
    while (w->out_count) take_reply(w, as_http_next(w->http, 0));
    while (w->heap_count) cancel_case(take_waiting(w));
}
