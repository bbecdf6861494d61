// SPDX-License-Identifier: Apache-2.0
#include "harness/target/replica.h"

#include <math.h>
#include <stdlib.h>

#include "harness/net/url.h"

enum { REPLICAS_MAX = 64, EJECT_AFTER = 3 };

static as_str without_slash(as_str url) {
    while (as_str_ends(url, AS_STR("/"))) url.len--;
    return url;
}

// Up to the comma before another URL: one inside a URL is part of it.
static as_str cut_url(as_str *list) {
    as_str rest = *list;
    for (size_t at = 0; (at = as_str_find(rest, AS_STR(",http"), at)) != SIZE_MAX; at++) {
        as_str next = as_str_sub(rest, at + 1, rest.len);
        if (!as_str_starts(next, AS_STR("http://")) && !as_str_starts(next, AS_STR("https://")))
            continue;
        *list = next;
        return as_str_sub(rest, 0, at);
    }
    *list = (as_str){NULL, 0};
    return rest;
}

as_rc as_replica_bases(as_arena *arena, as_str list, as_str **out, size_t *count, as_err *err) {
    as_str *bases = AS_NEW_ARRAY(arena, as_str, REPLICAS_MAX);
    *count = 0;
    while (list.ptr) {
        as_str base = without_slash(cut_url(&list));
        as_url url;
        if (*count == REPLICAS_MAX)
            return as_fail(err, AS_INVALID, "more than %d replicas", REPLICAS_MAX);
        if ((*count || list.ptr) && as_url_parse(base, &url, err)) return AS_INVALID;
        for (size_t i = 0; i < *count; i++)
            if (as_str_eq(bases[i], base))
                return as_fail(err, AS_INVALID, "the replica '%.*s' stands twice",
                               AS_STR_ARG(base));
        bases[(*count)++] = as_str_copy(arena, base);
    }
    *out = bases;
    return AS_OK;
}

void as_replicas_start(as_replicas *r, const as_str *bases, size_t count, uint64_t patience_ns,
                       uint64_t now) {
    *r = (as_replicas){.items = as_mem_new(as_size_mul(count, sizeof *r->items)), .count = count};
    for (size_t i = 0; i < count; i++) {
        r->items[i].base = bases[i];
        as_pace_start(&r->items[i].pace, 0, 0, patience_ns, now);
        if (count > 1) r->items[i].pace.eject_after = EJECT_AFTER;
    }
}

void as_replicas_free(as_replicas *r) {
    for (size_t i = 0; i < r->count; i++) as_buf_free(&r->items[i].times);
    free(r->items);
    *r = (as_replicas){0};
}

// The best of those that are not `avoid`.
static size_t pick_but(as_replicas *r, uint64_t now, size_t avoid, uint64_t *ready_ns) {
    size_t best = SIZE_MAX;
    *ready_ns = UINT64_MAX;
    for (size_t i = 0; i < r->count; i++) {
        size_t at = (r->turn + i) % r->count;
        as_replica *one = &r->items[at];
        if (one->lost || at == avoid) continue;
        uint64_t ready = as_pace_ready(&one->pace, now, one->out_count);
        if (ready < *ready_ns) *ready_ns = ready;
        if (ready <= now && (best == SIZE_MAX || one->out_count < r->items[best].out_count))
            best = at;
    }
    if (best != SIZE_MAX) r->turn = (best + 1) % r->count;
    return best;
}

size_t as_replicas_pick(as_replicas *r, uint64_t now, size_t avoid, uint64_t *ready_ns) {
    bool other = false;
    for (size_t i = 0; i < r->count; i++) other = other || (i != avoid && !r->items[i].lost);
    return pick_but(r, now, other ? avoid : SIZE_MAX, ready_ns);
}

void as_replica_ok(as_replicas *r, size_t at, double latency_ms) {
    as_replica *one = &r->items[at];
    float kept = (float)latency_ms;
    as_pace_ok(&one->pace);
    one->answers++;
    if (r->count > 1) as_buf_add(&one->times, &kept, sizeof kept);
}

bool as_replica_failed(as_replicas *r, size_t at, uint64_t now) {
    as_replica *one = &r->items[at];
    bool was_open = one->pace.open;
    bool over = as_pace_failed(&one->pace, now, one->out_count);
    if (one->pace.open && !was_open) one->ejected++;
    return over;
}

bool as_replicas_all_lost(const as_replicas *r) {
    for (size_t i = 0; i < r->count; i++)
        if (!r->items[i].lost) return false;
    return true;
}

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

// sorted[ceil(q n) - 1], as latency is ranked everywhere; NaN without any.
static double rank(const float *sorted, size_t count, double q) {
    if (!count) return NAN;
    size_t at = (size_t)ceil(q * (double)count);
    return (double)sorted[at ? at - 1 : 0];
}

const as_serving_replica *as_replicas_facts(const as_replicas *r, as_arena *arena) {
    as_serving_replica *out = AS_NEW_ARRAY(arena, as_serving_replica, r->count + 1);
    for (size_t i = 0; i < r->count; i++) {
        const as_replica *one = &r->items[i];
        size_t count = one->times.len / sizeof(float);
        float *times = (float *)(void *)one->times.ptr;
        if (count) qsort(times, count, sizeof *times, by_value);
        out[i] = (as_serving_replica){.url = as_str_copy(arena, one->base),
                                      .answers = one->answers,
                                      .errors = one->errors,
                                      .p50_ms = rank(times, count, 0.5),
                                      .p95_ms = rank(times, count, 0.95),
                                      .max_ms = rank(times, count, 1),
                                      .ejected = one->ejected,
                                      .lost = one->lost,
                                      .compared = one->compared,
                                      .disagreed = one->disagreed};
    }
    return out;
}

as_rc as_replica_metrics(as_arena *arena, as_str endpoint, as_str text, as_str *out, as_err *err) {
    as_url url;
    *out = AS_STR("");
    if (as_str_is(text, "no")) return AS_OK;
    if (as_str_is(text, "yes")) {
        if (as_url_parse(endpoint, &url, err)) return AS_INVALID;
        size_t path = as_str_find(endpoint, AS_STR("/"), sizeof "https://" - 1);
        *out = as_strf(arena, "%.*s/metrics", AS_STR_ARG(as_str_sub(endpoint, 0, path)));
        return AS_OK;
    }
    if (as_url_parse(text, &url, NULL))
        return as_fail(err, AS_INVALID, "metrics is '%.*s'; there are yes, no and URLs",
                       AS_STR_ARG(text));
    *out = as_str_copy(arena, text);
    return AS_OK;
}
