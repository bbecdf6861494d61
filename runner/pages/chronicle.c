// SPDX-License-Identifier: Apache-2.0
#include "runner/pages/chronicle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/log.h"
#include "harness/base/map.h"
#include "metrics/changepoint.h"
#include "runner/review.h"

// Cases are read of that many newest runs: what broke before is history.
enum { CASE_RUNS_MAX = 100, STORIES_MAX = 50, TEXT_MAX = 4000, SHIFTS_MAX = 4000 };
#define SLICE_P_MAX 0.01

// The history orders runs by id, which knows seconds; started knows milliseconds.
static int by_start(const void *a, const void *b) {
    const as_store_run *x = a, *y = b;
    int order = as_str_cmp(x->summary.started, y->summary.started);
    return order ? order : as_str_cmp(x->summary.run, y->summary.run);
}

static as_rc read_runs(as_arena *arena, const as_chronicle_request *q, as_timeline *out,
                       as_err *err) {
    const as_store_run *runs;
    size_t count;
    as_str suite = q->suite;
    as_rc rc = AS_OK;
    if (!suite.len) { // the suite that was run last
        rc = as_store_list(q->store, arena, suite, q->since, 1, &runs, &count, err);
        if (!rc && count) suite = runs[0].summary.suite;
    }
    if (!rc)
        rc = as_store_list(q->store, arena, suite, q->since, AS_CHRONICLE_RUNS_MAX, &runs, &count,
                           err);
    if (rc) return rc;
    as_store_run *ordered = AS_NEW_ARRAY(arena, as_store_run, count);
    if (count) memcpy(ordered, runs, count * sizeof *ordered);
    if (count) qsort(ordered, count, sizeof *ordered, by_start);
    as_summary *summaries = AS_NEW_ARRAY(arena, as_summary, count);
    as_str *tags = AS_NEW_ARRAY(arena, as_str, count);
    for (size_t i = 0; i < count; i++) {
        summaries[i] = ordered[i].summary;
        tags[i] = ordered[i].tags;
    }
    *out = (as_timeline){.suite = suite, .runs = summaries, .tags = tags, .count = count};
    return AS_OK;
}

// ---- changes of level ----

typedef struct shift_list {
    as_shift *items;
    size_t count;
} shift_list;

// One case of a share is its resolution; times vary by factors, so their logarithms are compared.
static void find_shifts(const as_timeline *line, as_str metric, as_str slice, shift_list *list) {
    double *values = as_mem_new(line->count * sizeof *values), resolution = 0;
    as_changepoint found[AS_CHANGEPOINT_MAX];
    bool times =
             as_str_starts(metric, AS_STR("latency.")) || as_str_starts(metric, AS_STR("ttft.")),
         share = true;
    for (size_t i = 0; i < line->count; i++) {
        const as_value *v = as_summary_value(&line->runs[i], metric, slice);
        values[i] = v ? v->value : NAN;
        if (!slice.len && as_str_is(metric, "latency.p95")) values[i] = line->runs[i].latency.p95;
        share = share && !(fabs(values[i]) > 1);
        if (v && v->n) resolution = fmax(resolution, 1.0 / (double)v->n);
        if (times) values[i] = values[i] > 0 ? log(values[i]) : NAN;
    }
    // A tenth of a time is within what machines differ by.
    resolution = times ? 0.1 : share ? resolution : 0;
    size_t count = as_changepoint_find(values, line->count, resolution, found);
    for (size_t i = 0; i < count && list->count < SHIFTS_MAX; i++)
        list->items[list->count++] =
            (as_shift){.metric = metric,
                       .slice = slice,
                       .run = found[i].at,
                       .before = times ? exp(found[i].before) : found[i].before,
                       .after = times ? exp(found[i].after) : found[i].after,
                       .p = found[i].p};
    free(values);
}

static int newest_first(const void *a, const void *b) {
    const as_shift *x = a, *y = b;
    if (x->run != y->run) return x->run > y->run ? -1 : 1;
    return (x > y) - (x < y);
}

// A slice alone is news only when its own runs prove it: there are many of them.
static void drop_weak_slices(shift_list *list) {
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        bool keep = !list->items[i].slice.len || list->items[i].p <= SLICE_P_MAX;
        for (size_t k = 0; k < list->count && !keep; k++)
            keep = !list->items[k].slice.len && list->items[k].run == list->items[i].run;
        if (keep) list->items[kept++] = list->items[i];
    }
    list->count = kept;
}

// Every metric, the time, and the first metric on every slice of the newest run.
static void read_shifts(as_arena *arena, as_timeline *line) {
    const as_summary *last = &line->runs[line->count - 1];
    shift_list list = {AS_NEW_ARRAY(arena, as_shift, SHIFTS_MAX), 0};
    for (size_t i = 0; i < last->metric_count; i++)
        find_shifts(line, last->metrics[i].name, AS_STR(""), &list);
    if (!as_summary_value(last, AS_STR("latency.p95"), AS_STR("")))
        find_shifts(line, AS_STR("latency.p95"), AS_STR(""), &list);
    for (size_t i = 0; i < last->slice_count && last->metric_count; i++)
        find_shifts(line, last->metrics[0].name, last->slices[i].slice, &list);
    drop_weak_slices(&list);
    qsort(list.items, list.count, sizeof *list.items, newest_first);
    line->shifts = list.items;
    line->shift_count = list.count;
}

// ---- cases ----

typedef struct reading {
    as_arena *arena;
    as_map by_id;
    as_case_past *cases;
    size_t count, capacity;
    size_t run, run_count; // being read, within the window
    size_t next;           // where the same order of ids as in the run before goes on
} reading;

static as_case_past *past_of(reading *r, as_str id) {
    uint64_t at;
    if (r->next < r->count && as_str_eq(r->cases[r->next].id, id)) return &r->cases[r->next++];
    if (!as_map_get(&r->by_id, id, &at)) {
        if (r->count == r->capacity) {
            r->capacity = r->capacity ? r->capacity * 2 : 1024;
            r->cases = as_mem_grow(r->cases, as_size_mul(r->capacity, sizeof *r->cases));
        }
        char *marks = as_arena_take(r->arena, r->run_count);
        memset(marks, AS_MARK_ABSENT, r->run_count);
        as_str kept = as_str_copy(r->arena, id);
        at = r->count;
        as_map_add(&r->by_id, kept, at, NULL);
        r->cases[r->count++] = (as_case_past){.id = kept, .marks = marks, .broke = SIZE_MAX};
    }
    r->next = at + 1;
    return &r->cases[at];
}

static as_rc read_score(void *context, as_str id, as_outcome outcome, double score, as_err *err) {
    reading *r = context;
    (void)err;
    char *marks = (char *)(uintptr_t)past_of(r, id)->marks;
    bool error = as_outcome_is_error(outcome) || isnan(score);
    marks[r->run] = error ? AS_MARK_ERROR : score >= 1 ? AS_MARK_RIGHT : AS_MARK_WRONG;
    return AS_OK;
}

// Turns between right and wrong; a run without an answer is passed over.
static void count_turns(as_case_past *past, size_t first_run, size_t run_count) {
    char before = 0;
    for (size_t i = 0; i < run_count; i++) {
        char mark = past->marks[i];
        if (mark != AS_MARK_RIGHT && mark != AS_MARK_WRONG) continue;
        if (before && mark != before) {
            past->turns++;
            if (mark == AS_MARK_WRONG) past->broke = first_run + i;
        }
        before = mark;
    }
}

static int by_id(const void *a, const void *b) {
    return as_str_cmp(((const as_case_past *)a)->id, ((const as_case_past *)b)->id);
}

static as_rc read_cases(as_arena *arena, as_store *store, as_timeline *line, as_err *err) {
    reading r = {.arena = arena};
    r.run_count = line->count < CASE_RUNS_MAX ? line->count : CASE_RUNS_MAX;
    line->first_run = line->count - r.run_count;
    as_rc rc = AS_OK;
    for (; !rc && r.run < r.run_count; r.run++) {
        r.next = 0;
        rc = as_store_scores(store, line->runs[line->first_run + r.run].run, read_score, &r, err);
    }
    as_case_past *cases = AS_NEW_ARRAY(arena, as_case_past, r.count);
    if (r.count) memcpy(cases, r.cases, r.count * sizeof *cases);
    if (r.count) qsort(cases, r.count, sizeof *cases, by_id);
    for (size_t i = 0; i < r.count; i++) count_turns(&cases[i], line->first_run, r.run_count);
    line->run_count = r.run_count;
    line->cases = cases;
    line->case_count = r.count;
    free(r.cases);
    as_map_free(&r.by_id);
    return rc;
}

// ---- stories ----

static char newest_mark(const as_case_past *past, size_t run_count) {
    return past->marks[run_count - 1];
}

static bool by_break(const as_case_past *a, const as_case_past *b) {
    return a->broke > b->broke;
}

static bool by_turns(const as_case_past *a, const as_case_past *b) {
    return a->turns > b->turns;
}

// Keeps the first STORIES_MAX in the order; equal ones in the order of their ids.
static void keep_story(as_case_story *list, size_t *count, const as_case_past *past,
                       bool (*before)(const as_case_past *, const as_case_past *)) {
    size_t at = *count;
    while (at > 0 && before(past, list[at - 1].past)) at--;
    if (at == STORIES_MAX) return;
    if (*count < STORIES_MAX) ++*count;
    memmove(&list[at + 1], &list[at], (*count - 1 - at) * sizeof *list);
    list[at] = (as_case_story){.past = past, .before_run = SIZE_MAX, .after_run = SIZE_MAX};
}

// The last turn of a case, as runs of the timeline.
static void find_turn(as_case_story *story, const as_timeline *line) {
    const char *marks = story->past->marks;
    size_t last = SIZE_MAX;
    for (size_t i = 0; i < line->run_count; i++) {
        if (marks[i] != AS_MARK_RIGHT && marks[i] != AS_MARK_WRONG) continue;
        if (last != SIZE_MAX && marks[i] != marks[last]) {
            story->before_run = line->first_run + last;
            story->after_run = line->first_run + i;
        }
        last = i;
    }
}

typedef struct telling {
    as_arena *arena;
    const as_timeline *line;
    as_case_story *story;
} telling;

static as_rc tell(void *context, const as_store_past *past, as_err *err) {
    telling *t = context;
    const as_sample *sample = past->sample;
    as_str run = past->run;
    (void)err;
    as_str text = as_str_copy(t->arena, as_str_sub(sample->output, 0, TEXT_MAX));
    if (as_str_eq(run, t->line->runs[t->story->before_run].run)) t->story->before = text;
    if (as_str_eq(run, t->line->runs[t->story->after_run].run)) t->story->after = text;
    if (!t->story->expected.len && sample->expected)
        t->story->expected = as_str_copy(
            t->arena, as_str_sub(as_json_plain(t->arena, sample->expected), 0, TEXT_MAX));
    return AS_OK;
}

static as_rc tell_all(as_arena *arena, as_store *store, const as_timeline *line,
                      as_case_story *list, size_t count, as_err *err) {
    as_rc rc = AS_OK;
    for (size_t i = 0; !rc && i < count; i++) {
        telling t = {arena, line, &list[i]};
        find_turn(&list[i], line);
        if (list[i].before_run != SIZE_MAX)
            rc =
                as_store_case(store, line->suite, list[i].past->id, line->run_count, tell, &t, err);
    }
    return rc;
}

static as_rc read_stories(as_arena *arena, as_store *store, as_timeline *line, as_err *err) {
    as_case_story *broken = AS_NEW_ARRAY(arena, as_case_story, STORIES_MAX + 1);
    as_case_story *unsteady = AS_NEW_ARRAY(arena, as_case_story, STORIES_MAX + 1);
    for (size_t i = 0; i < line->case_count; i++) {
        const as_case_past *past = &line->cases[i];
        if (past->broke != SIZE_MAX && newest_mark(past, line->run_count) == AS_MARK_WRONG) {
            line->broken_total++;
            keep_story(broken, &line->broken_count, past, by_break);
        }
        if (past->turns >= 2) {
            line->unsteady_total++;
            keep_story(unsteady, &line->unsteady_count, past, by_turns);
        }
    }
    line->broken = broken;
    line->unsteady = unsteady;
    as_rc rc = tell_all(arena, store, line, broken, line->broken_count, err);
    if (!rc) rc = tell_all(arena, store, line, unsteady, line->unsteady_count, err);
    return rc;
}

// From the dataset of the newest run, where it is at hand and still what it was.
static as_rc read_inputs(as_arena *arena, const as_timeline *line, as_err *err) {
    const as_summary *last = &line->runs[line->count - 1];
    as_case_story *lists[] = {(as_case_story *)(uintptr_t)line->broken,
                              (as_case_story *)(uintptr_t)line->unsteady};
    size_t counts[] = {line->broken_count, line->unsteady_count};
    as_map wanted = {0};
    as_review_case cases[2 * STORIES_MAX] = {{.line = 0}};
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < counts[l]; i++)
            as_map_add(&wanted, lists[l][i].past->id, wanted.count, NULL);
    as_plan plan;
    as_buf problems = {0};
    as_rc rc = AS_OK;
    if (wanted.count && last->suite_path.len &&
        as_plan_load(arena, last->suite_path.ptr, NULL, 0, 0, &plan, &problems) == AS_OK) {
        if (as_str_eq(plan.facts.sha256, last->dataset_sha256))
            rc = as_review_cases(arena, &plan, &wanted, cases, err);
        as_plan_free(&plan);
    }
    as_buf_free(&problems);
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < counts[l]; i++) {
            uint64_t at = 0;
            if (as_map_get(&wanted, lists[l][i].past->id, &at)) lists[l][i].input = cases[at].input;
        }
    as_map_free(&wanted);
    return rc;
}

as_rc as_chronicle_gather(as_arena *arena, const as_chronicle_request *request, as_timeline *out,
                          as_err *err) {
    as_timeline line;
    as_rc rc = read_runs(arena, request, &line, err);
    if (!rc && line.count) {
        read_shifts(arena, &line);
        if (request->cases) rc = read_cases(arena, request->store, &line, err);
        if (!rc && request->cases) rc = read_stories(arena, request->store, &line, err);
        if (!rc && request->cases && request->inputs) rc = read_inputs(arena, &line, err);
    }
    if (!rc) *out = line;
    return rc;
}
