// SPDX-License-Identifier: Apache-2.0
#include "metrics/gates/sequential.h"

#include <math.h>
#include <stdlib.h>

#include "harness/base/rng.h"
#include "metrics/gates/eprocess.h"
#include "metrics/gates/judging.h"

// One gate under way. Values are turned so that more is better, and moved into 0..1.
typedef struct watch {
    const as_gate_spec *spec;
    bool able; // can be decided early
    bool lower;
    as_eprocess pass, fail;
    as_sequence sequence;  // of the values as they are; what is missing is left out
    double n, now, before; // of answered cases: their number and sums of scores
    uint64_t broke, fixed;
    double low, high, known, weight, known_weight; // of the cluster at hand
    as_verdict verdict;                            // AS_UNDECIDED while it is open
} watch;

struct as_sequential {
    as_arena arena;
    as_scorer *base;
    watch *watches;
    size_t count;
    as_str cluster; // at hand
    as_buf name;    // holds it
    uint64_t samples;
};

uint64_t as_sequential_place(uint64_t seed, as_str id, as_str cluster) {
    as_rng rng = as_rng_of(seed, as_str_hash(cluster.len ? cluster : id));
    return as_rng_u64(&rng);
}

static bool is_able(const as_gate_spec *spec, const as_metric *metric, const as_scorer *base) {
    if (!metric || metric->ops->kind != AS_METRIC_MEAN || metric->ops->flags & AS_METRIC_RUN ||
        !(metric->ops->flags & AS_METRIC_BOUNDED) || as_str_ends(spec->slice, AS_STR("=*")))
        return false;
    if (spec->every) return true;
    if (spec->op == AS_DROP) return base && as_rows_metric(base, metric->name);
    return spec->op != AS_EQ && spec->limit > 0 && spec->limit < 1;
}

static void start(watch *w, double alpha_fail) {
    const as_gate_spec *spec = w->spec;
    bool drop = spec->op == AS_DROP;
    // A drop d in -1..1 is (d + 1) / 2; the limit of what is better low is turned with the values.
    bool turned = !drop && (spec->op == AS_LE || spec->op == AS_LT);
    w->lower = drop ? w->lower : turned;
    double at = drop ? (1 - spec->limit) / 2 : turned ? 1 - spec->limit : spec->limit;
    w->pass = as_eprocess_above(at, AS_SEQUENTIAL_ALPHA);
    w->fail = as_eprocess_below(drop ? 0.5 : at, alpha_fail);
    w->sequence.alpha = AS_SEQUENTIAL_ALPHA;
    w->verdict = AS_UNDECIDED;
}

as_sequential *as_sequential_new(const as_gate_spec *specs, size_t count, const as_scorer *now,
                                 as_scorer *base, size_t *able) {
    as_sequential *q = as_mem_new(sizeof *q);
    q->base = base;
    q->watches = AS_NEW_ARRAY(&q->arena, watch, count + 1);
    q->count = count;
    size_t failing = 0;
    *able = 0;
    if (base) as_rows_seal(base);
    for (size_t i = 0; i < count; i++) {
        watch *w = &q->watches[i];
        const as_metric *metric = as_rows_metric(now, specs[i].metric);
        w->spec = &specs[i];
        w->able = is_able(&specs[i], metric, base);
        w->lower = metric && metric->ops->flags & AS_METRIC_LOWER;
        *able += w->able;
        failing += w->able && !specs[i].every;
    }
    for (size_t i = 0; i < count; i++)
        start(&q->watches[i], AS_SEQUENTIAL_ALPHA / (double)(failing ? failing : 1));
    return q;
}

void as_sequential_free(as_sequential *q) {
    if (!q) return;
    as_buf_free(&q->name);
    as_arena_free(&q->arena);
    free(q);
}

static bool in_slice(const as_sample *sample, as_str slice) {
    if (!slice.len) return true;
    for (size_t i = 0; i < sample->slice_count; i++)
        if (as_str_eq(sample->slices[i], slice)) return true;
    return false;
}

static double score_now(const as_sample *sample, as_str metric) {
    if (as_outcome_is_error(sample->outcome)) return NAN;
    for (size_t i = 0; i < sample->score_count; i++)
        if (as_str_eq(sample->scores[i].name, metric)) return sample->scores[i].value;
    return NAN;
}

static double score_before(const as_scorer *base, as_str id, as_str metric) {
    as_rows_cursor cursor = as_rows_find(base, id);
    const as_row *row = as_rows_next(&cursor);
    double score = row ? as_rows_score(as_rows_metric(base, metric), row) : NAN;
    as_rows_done(&cursor);
    return score;
}

static double or_else(double value, double otherwise) {
    return isnan(value) ? otherwise : value;
}

// One case: what it is worth at least and at most, and what it is.
static void add_case(as_sequential *q, watch *w, const as_sample *sample) {
    const as_gate_spec *spec = w->spec;
    double now = score_now(sample, spec->metric), weight = sample->weight > 0 ? sample->weight : 1;
    if (isnan(now) && !as_outcome_is_error(sample->outcome)) return; // has no such score
    if (spec->every && sample->samples > 1) return; // judged by the mean, at the end
    if (spec->every) {
        bool up = spec->op == AS_GE || spec->op == AS_GT;
        if (isnan(now)) return;
        double past = up ? spec->limit - now : now - spec->limit;
        bool open = spec->op == AS_GT || spec->op == AS_LT;
        if (spec->op == AS_EQ) past = fabs(now - spec->limit);
        if (past > 1e-12 || (open && past > -1e-12)) w->verdict = AS_FAIL;
        return;
    }
    double x = w->lower ? 1 - now : now, low = or_else(x, 0), high = or_else(x, 1);
    double before = NAN;
    if (spec->op == AS_DROP) {
        before = score_before(q->base, sample->id, spec->metric);
        double b = w->lower ? 1 - before : before;
        low = (1 + low - or_else(b, 1)) / 2;
        high = (1 + high - or_else(b, 0)) / 2;
        x = (1 + x - b) / 2;
    }
    w->low += weight * low;
    w->high += weight * high;
    w->weight += weight;
    if (isnan(x)) return;
    w->known += weight * x;
    w->known_weight += weight;
    w->n++;
    w->now += now;
    w->before += spec->op == AS_DROP ? before : 0;
    if (spec->op != AS_DROP) return;
    w->broke += before >= 1 && now < 1;
    w->fixed += before < 1 && now >= 1;
}

static void end_cluster(watch *w) {
    if (!(w->weight > 0)) return;
    as_eprocess_add(&w->pass, w->low / w->weight);
    as_eprocess_add(&w->fail, w->high / w->weight);
    if (w->known_weight > 0) as_sequence_add(&w->sequence, w->known / w->known_weight);
    w->low = w->high = w->known = w->weight = w->known_weight = 0;
    if (w->verdict != AS_UNDECIDED) return;
    if (w->fail.refuted)
        w->verdict = AS_FAIL;
    else if (w->pass.refuted)
        w->verdict = AS_PASS;
}

static void end_clusters(as_sequential *q) {
    for (size_t i = 0; i < q->count; i++)
        if (q->watches[i].able && !q->watches[i].spec->every) end_cluster(&q->watches[i]);
}

static bool is_over(const as_sequential *q) {
    bool all = q->count > 0;
    for (size_t i = 0; i < q->count; i++) {
        if (q->watches[i].verdict == AS_FAIL) return true;
        all &= q->watches[i].verdict == AS_PASS;
    }
    return all;
}

bool as_sequential_add(as_sequential *q, const as_sample *sample) {
    // Several answers to a case are one observation, as those of a cluster are.
    as_str cluster = sample->cluster.len || sample->samples < 2 ? sample->cluster : sample->id;
    bool same = cluster.len && as_str_eq(cluster, q->cluster);
    if (!same) end_clusters(q);
    bool over = is_over(q); // by what came before this case
    as_buf_clear(&q->name);
    as_buf_str(&q->name, cluster);
    q->cluster = as_buf_view(&q->name);
    q->samples += sample->sample == 0;
    for (size_t i = 0; i < q->count; i++) {
        watch *w = &q->watches[i];
        if (w->able && in_slice(sample, w->spec->slice)) add_case(q, w, sample);
    }
    if (!cluster.len) end_clusters(q); // a cluster of its own ends with it
    return over || is_over(q);
}

static void show(watch *w, as_arena *arena, as_check *check, uint64_t samples, uint64_t planned) {
    bool drop = w->spec->op == AS_DROP;
    as_interval ci = as_sequence_interval(&w->sequence);
    if (drop) ci = (as_interval){2 * ci.lo - 1, 2 * ci.hi - 1};
    if (w->lower) ci = drop ? (as_interval){-ci.hi, -ci.lo} : (as_interval){1 - ci.hi, 1 - ci.lo};
    check->verdict = w->verdict;
    check->method = AS_STR("e-process");
    check->value = w->now / w->n;
    check->ci = ci;
    check->n = (uint64_t)w->n;
    check->needed = 0;
    const as_eprocess *decisive = w->verdict == AS_FAIL ? &w->fail : &w->pass;
    check->p = drop ? fmin(1, exp(-w->fail.log_e)) : NAN;
    if (drop) {
        check->baseline = w->before / w->n;
        check->delta = check->value - check->baseline;
        check->broke = w->broke;
        check->fixed = w->fixed;
    }
    check->note = as_strf(arena, "decided after %llu of %llu cases (evidence %.3g to 1)",
                          (unsigned long long)samples, (unsigned long long)planned,
                          exp(fmin(decisive->log_e, 700)));
}

static void leave_open(as_arena *arena, as_check *check, uint64_t samples, uint64_t planned) {
    check->verdict = AS_UNDECIDED;
    check->needed = planned;
    check->note = as_strf(arena, "not decided: the run was stopped after %llu of %llu cases",
                          (unsigned long long)samples, (unsigned long long)planned);
}

// A gate on every slice of a field has become several checks; none of them was watched.
static watch *watch_of(as_sequential *q, as_str gate) {
    for (size_t i = 0; i < q->count; i++)
        if (as_str_eq(q->watches[i].spec->text, gate)) return &q->watches[i];
    return NULL;
}

void as_sequential_apply(as_sequential *q, as_arena *arena, bool stopped, uint64_t planned,
                         as_gate *gate) {
    as_check *checks = AS_NEW_ARRAY(arena, as_check, gate->count + 1);
    if (!stopped) end_clusters(q);
    for (size_t i = 0; i < gate->count; i++) {
        checks[i] = gate->checks[i];
        watch *w = watch_of(q, checks[i].gate);
        if (w && w->able && !w->spec->every && w->verdict != AS_UNDECIDED)
            show(w, arena, &checks[i], q->samples, planned);
        else if (stopped && !(w && w->spec->every && checks[i].verdict == AS_FAIL))
            leave_open(arena, &checks[i], q->samples, planned);
    }
    gate->checks = checks;
    gate->verdict = as_gate_worst(checks, gate->count);
}
