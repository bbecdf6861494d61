// SPDX-License-Identifier: Apache-2.0
#include "harness/record/summary.h"

#include <math.h>

#include "harness/record/sample.h"

static const char *const verdict_names[] = {"pass", "fail", "undecided", "no_baseline",
                                            "unmeasurable"};

const char *as_verdict_name(as_verdict verdict) {
    return verdict_names[verdict];
}

static as_verdict verdict_of(as_str name) {
    for (int i = 0; i <= AS_UNMEASURABLE; i++)
        if (as_str_is(name, verdict_names[i])) return (as_verdict)i;
    return AS_UNMEASURABLE;
}

static void open_object(as_json_out *out, const char *key) {
    as_jo_key(out, key);
    as_jo_open(out, '{');
}

static void put_bins(as_json_out *out, const as_value *v) {
    as_jo_key(out, "bins");
    as_jo_open(out, '[');
    for (size_t i = 0; i < v->bin_count; i++) {
        as_jo_open(out, '{');
        as_jo_put_f64(out, "lo", v->bins[i].lo);
        as_jo_put_f64(out, "hi", v->bins[i].hi);
        as_jo_put_f64(out, "cases", v->bins[i].cases);
        as_jo_put_f64(out, "confidence", v->bins[i].confidence);
        as_jo_put_f64(out, "accuracy", v->bins[i].accuracy);
        as_jo_close(out, '}');
    }
    as_jo_close(out, ']');
}

static void put_judge(as_json_out *out, const as_judge_sum *j) {
    open_object(out, "judge");
    as_jo_put_u64(out, "asked", j->asked);
    as_jo_put_u64(out, "failed", j->failed);
    as_jo_put_u64(out, "unread", j->unread);
    as_jo_put_u64(out, "empty", j->empty);
    as_jo_put_u64(out, "split", j->split);
    as_jo_put_u64(out, "cached", j->cached);
    as_jo_put_u64(out, "tokens_in", j->tokens_in);
    as_jo_put_u64(out, "tokens_out", j->tokens_out);
    as_jo_put_f64(out, "cost", j->cost);
    if (j->humans) {
        open_object(out, "human");
        as_jo_put_u64(out, "n", j->humans);
        as_jo_put_f64(out, "agreement", j->agreement);
        as_jo_put_f64(out, "kappa", j->kappa);
        as_jo_put_f64(out, "alpha", j->alpha);
        as_jo_put_f64(out, "value", j->corrected);
        as_jo_put_range(out, "ci", j->corrected_ci.lo, j->corrected_ci.hi);
        as_jo_close(out, '}');
    }
    as_jo_close(out, '}');
}

static void put_values(as_json_out *out, const as_value *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const as_value *v = &values[i];
        as_jo_keys(out, v->name);
        unsigned indent = as_jo_open_flat(out, NULL);
        as_jo_put_f64(out, "value", v->value);
        as_jo_put_range(out, "ci", v->ci.lo, v->ci.hi);
        as_jo_put_u64(out, "n", v->n);
        as_jo_put_f64(out, "stderr", v->stderr_);
        as_jo_put_str(out, "method", v->method);
        if (v->spec.len) as_jo_put_str(out, "spec", v->spec);
        if (v->signature.len) as_jo_put_str(out, "signature", v->signature);
        if (v->bin_count) put_bins(out, v);
        if (v->judge) put_judge(out, v->judge);
        if (v->answers) {
            as_jo_put_u64(out, "answers", v->answers);
            as_jo_put_f64(out, "within", v->within);
            as_jo_put_f64(out, "between", v->between);
            as_jo_put_u64(out, "flaky", v->flaky);
        }
        as_jo_close_flat(out, indent);
    }
}

void as_values_write(as_json_out *out, const as_value *values, size_t count) {
    as_jo_open(out, '{');
    put_values(out, values, count);
    as_jo_close(out, '}');
}

static void put_latency(as_json_out *out, const char *key, const as_latency *l) {
    unsigned indent = as_jo_open_flat(out, key);
    as_jo_put_f64(out, "p50", l->p50);
    as_jo_put_f64(out, "p90", l->p90);
    as_jo_put_f64(out, "p95", l->p95);
    as_jo_put_f64(out, "p99", l->p99);
    as_jo_put_f64(out, "max", l->max);
    as_jo_put_f64(out, "mean", l->mean);
    as_jo_close_flat(out, indent);
}

static void put_check(as_json_out *out, const as_check *c) {
    as_jo_open(out, '{');
    as_jo_put_str(out, "gate", c->gate);
    as_jo_put_str(out, "metric", c->metric);
    if (c->slice.len) as_jo_put_str(out, "slice", c->slice);
    as_jo_put_f64(out, "value", c->value);
    as_jo_put_f64(out, "limit", c->limit);
    as_jo_put_f64(out, "baseline", c->baseline);
    as_jo_put_f64(out, "delta", c->delta);
    as_jo_put_range(out, "ci", c->ci.lo, c->ci.hi);
    as_jo_put_f64(out, "p", c->p);
    as_jo_put_f64(out, "mde", c->mde);
    unsigned indent = as_jo_open_flat(out, "flips");
    as_jo_put_u64(out, "broke", c->broke);
    as_jo_put_u64(out, "fixed", c->fixed);
    as_jo_close_flat(out, indent);
    as_jo_put_u64(out, "n", c->n);
    as_jo_put_u64(out, "needed", c->needed);
    as_jo_key(out, "prove");
    as_jo_bool(out, c->prove);
    if (c->relative) {
        as_jo_key(out, "relative");
        as_jo_bool(out, true);
    }
    as_jo_put_str(out, "method", c->method);
    as_jo_put_str(out, "verdict", as_str_of(as_verdict_name(c->verdict)));
    if (c->note.len) as_jo_put_str(out, "note", c->note);
    as_jo_close(out, '}');
}

void as_gate_write(as_json_out *out, const as_gate *gate) {
    as_jo_open(out, '{');
    as_jo_put_str(out, "verdict", as_str_of(as_verdict_name(gate->verdict)));
    as_jo_key(out, "baseline");
    if (gate->baseline.len)
        as_jo_str(out, gate->baseline);
    else
        as_jo_null(out);
    as_jo_key(out, "checks");
    as_jo_open(out, '[');
    for (size_t i = 0; i < gate->count; i++) put_check(out, &gate->checks[i]);
    as_jo_close(out, ']');
    as_jo_close(out, '}');
}

static void put_identity(as_json_out *out, const as_summary *s) {
    as_jo_key(out, "schema");
    as_jo_i64(out, AS_SUMMARY_SCHEMA);
    as_jo_put_str(out, "run", s->run);
    as_jo_put_str(out, "suite", s->suite);
    as_jo_put_str(out, "suite_sha256", s->suite_sha256);
    as_jo_put_str(out, "suite_path", s->suite_path);
    as_jo_put_str(out, "description", s->description);
    unsigned indent = as_jo_open_flat(out, "dataset");
    as_jo_put_str(out, "sha256", s->dataset_sha256);
    as_jo_put_u64(out, "cases", s->dataset_cases);
    as_jo_close_flat(out, indent);
    open_object(out, "target");
    as_jo_put_str(out, "uri", s->target_uri);
    as_jo_put_str(out, "model_sha256", s->model_sha256);
    as_jo_put_str(out, "model", s->model_name);
    if (s->chat_template_sha256.len)
        as_jo_put_str(out, "chat_template_sha256", s->chat_template_sha256);
    as_jo_put_str(out, "device", s->device);
    as_jo_put_str(out, "engine", s->engine);
    if (s->memory_bytes) as_jo_put_u64(out, "memory_bytes", s->memory_bytes);
    as_jo_close(out, '}');
    indent = as_jo_open_flat(out, "git");
    as_jo_put_str(out, "commit", s->git_commit);
    as_jo_put_str(out, "branch", s->git_branch);
    as_jo_key(out, "dirty");
    as_jo_bool(out, s->git_dirty);
    as_jo_close_flat(out, indent);
    as_jo_put_str(out, "started", s->started);
    as_jo_put_f64(out, "wall_s", s->wall_s);
}

static void put_cases(as_json_out *out, const as_summary *s) {
    unsigned indent = as_jo_open_flat(out, "cases");
    as_jo_put_u64(out, "total", s->total);
    as_jo_put_u64(out, "ok", s->ok);
    as_jo_put_u64(out, "errors", s->errors);
    as_jo_put_u64(out, "skipped", s->skipped);
    as_jo_close_flat(out, indent);
    if (s->answers) {
        indent = as_jo_open_flat(out, "answers");
        as_jo_put_u64(out, "total", s->answers);
        as_jo_put_u64(out, "errors", s->answer_errors);
        as_jo_close_flat(out, indent);
    }
    indent = as_jo_open_flat(out, "outcomes");
    for (int i = 0; i < AS_OUT_COUNT; i++)
        if (s->outcomes[i]) as_jo_put_u64(out, as_outcome_name((as_outcome)i), s->outcomes[i]);
    as_jo_close_flat(out, indent);
}

static void put_cost(as_json_out *out, const as_summary *s) {
    unsigned indent = as_jo_open_flat(out, "throughput");
    as_jo_put_f64(out, "cases_per_s", s->cases_per_s);
    as_jo_put_f64(out, "tokens_in_per_s", s->tokens_in_per_s);
    as_jo_put_f64(out, "tokens_out_per_s", s->tokens_out_per_s);
    as_jo_put_u64(out, "tokens_in", s->tokens_in);
    as_jo_put_u64(out, "tokens_out", s->tokens_out);
    as_jo_close_flat(out, indent);
    indent = as_jo_open_flat(out, "cost");
    as_jo_put_f64(out, "total", s->cost_total);
    as_jo_put_f64(out, "per_case", s->cost_per_case);
    as_jo_put_str(out, "currency", s->currency);
    as_jo_close_flat(out, indent);
}

// The seed as text: JSON's numbers are too short for it.
static void put_sequential(as_json_out *out, const as_summary *s) {
    as_arena arena = {0};
    unsigned indent = as_jo_open_flat(out, "sequential");
    as_jo_put_str(out, "seed", as_strf(&arena, "%llu", (unsigned long long)s->order_seed));
    as_jo_put_u64(out, "planned", s->planned);
    as_jo_key(out, "stopped");
    as_jo_bool(out, s->stopped);
    as_jo_close_flat(out, indent);
    as_arena_free(&arena);
}

void as_summary_write(as_buf *buf, const as_summary *s) {
    as_json_out out = {.buf = buf, .indent = 1};
    as_jo_open(&out, '{');
    put_identity(&out, s);
    put_cases(&out, s);
    open_object(&out, "metrics");
    put_values(&out, s->metrics, s->metric_count);
    as_jo_close(&out, '}');
    open_object(&out, "slices");
    for (size_t i = 0; i < s->slice_count; i++) {
        as_jo_keys(&out, s->slices[i].slice);
        as_jo_open(&out, '{');
        put_values(&out, s->slices[i].values, s->slices[i].count);
        as_jo_close(&out, '}');
    }
    as_jo_close(&out, '}');
    put_latency(&out, "latency_ms", &s->latency);
    put_latency(&out, "ttft_ms", &s->ttft);
    put_latency(&out, "tpot_ms", &s->tpot);
    if (s->p99_withheld.len) as_jo_put_str(&out, "p99_withheld", s->p99_withheld);
    put_cost(&out, s);
    as_jo_put_str(&out, "scores_digest", s->scores_digest);
    if (s->sequential) put_sequential(&out, s);
    if (s->serving.concurrency) as_jo_key(&out, "serving"), as_serving_write(&out, &s->serving);
    as_jo_key(&out, "gate");
    as_gate_write(&out, &s->gate);
    as_jo_close(&out, '}');
    as_buf_char(buf, '\n');
}

static uint64_t get_u64(const as_json *object, const char *key) {
    double value = as_json_f64(object, key, 0);
    return value > 0 && value < 0x1p53 ? (uint64_t)value : 0;
}

static as_str get_str(const as_json *object, const char *key) {
    return as_json_str(object, key, AS_STR(""));
}

static double get_f64(const as_json *object, const char *key) {
    return as_json_f64(object, key, NAN);
}

static as_interval get_interval(const as_json *object) {
    const as_json *ci = as_json_get(object, "ci");
    if (!ci || ci->kind != AS_JSON_ARRAY || ci->count != 2) return (as_interval){NAN, NAN};
    const as_json *lo = ci->child, *hi = lo->next;
    return (as_interval){lo->kind == AS_JSON_NUMBER ? lo->number : NAN,
                         hi->kind == AS_JSON_NUMBER ? hi->number : NAN};
}

static void get_bins(as_arena *arena, const as_json *list, as_value *out) {
    if (!list || list->kind != AS_JSON_ARRAY) return;
    as_bin *bins = AS_NEW_ARRAY(arena, as_bin, list->count + 1);
    for (const as_json *b = list->child; b; b = b->next)
        bins[out->bin_count++] = (as_bin){get_f64(b, "lo"), get_f64(b, "hi"), get_f64(b, "cases"),
                                          get_f64(b, "confidence"), get_f64(b, "accuracy")};
    out->bins = bins;
}

static const as_judge_sum *get_judge(as_arena *arena, const as_json *from) {
    if (!from) return NULL;
    const as_json *human = as_json_get(from, "human");
    as_judge_sum *out = AS_NEW(arena, as_judge_sum);
    *out = (as_judge_sum){.asked = get_u64(from, "asked"),
                          .failed = get_u64(from, "failed"),
                          .unread = get_u64(from, "unread"),
                          .empty = get_u64(from, "empty"),
                          .split = get_u64(from, "split"),
                          .cached = get_u64(from, "cached"),
                          .tokens_in = get_u64(from, "tokens_in"),
                          .tokens_out = get_u64(from, "tokens_out"),
                          .cost = get_f64(from, "cost"),
                          .humans = get_u64(human, "n"),
                          .agreement = get_f64(human, "agreement"),
                          .kappa = get_f64(human, "kappa"),
                          .alpha = get_f64(human, "alpha"),
                          .corrected = get_f64(human, "value"),
                          .corrected_ci = get_interval(human)};
    return out;
}

static const as_value *get_values(as_arena *arena, const as_json *object, size_t *count) {
    *count = 0;
    if (!object || object->kind != AS_JSON_OBJECT) return NULL;
    as_value *values = AS_NEW_ARRAY(arena, as_value, object->count);
    for (const as_json *m = object->child; m; m = m->next) {
        values[*count] = (as_value){
            .name = m->key,
            .value = get_f64(m, "value"),
            .ci = get_interval(m),
            .n = get_u64(m, "n"),
            .stderr_ = get_f64(m, "stderr"),
            .method = get_str(m, "method"),
            .spec = get_str(m, "spec"),
            .signature = get_str(m, "signature"),
            .answers = get_u64(m, "answers"),
            .flaky = get_u64(m, "flaky"),
            .within = get_f64(m, "within"),
            .between = get_f64(m, "between"),
            .judge = get_judge(arena, as_json_get(m, "judge")),
        };
        get_bins(arena, as_json_get(m, "bins"), &values[(*count)++]);
    }
    return values;
}

static void get_latency(const as_json *object, as_latency *out) {
    *out = (as_latency){get_f64(object, "p50"), get_f64(object, "p90"), get_f64(object, "p95"),
                        get_f64(object, "p99"), get_f64(object, "max"), get_f64(object, "mean")};
}

static as_check get_check(const as_json *c) {
    const as_json *flips = as_json_get(c, "flips");
    return (as_check){
        .gate = get_str(c, "gate"),
        .metric = get_str(c, "metric"),
        .slice = get_str(c, "slice"),
        .value = get_f64(c, "value"),
        .limit = get_f64(c, "limit"),
        .baseline = get_f64(c, "baseline"),
        .delta = get_f64(c, "delta"),
        .ci = get_interval(c),
        .p = get_f64(c, "p"),
        .mde = get_f64(c, "mde"),
        .broke = get_u64(flips, "broke"),
        .fixed = get_u64(flips, "fixed"),
        .n = get_u64(c, "n"),
        .needed = get_u64(c, "needed"),
        .prove = as_json_bool(c, "prove", false),
        .relative = as_json_bool(c, "relative", false),
        .method = get_str(c, "method"),
        .verdict = verdict_of(get_str(c, "verdict")),
        .note = get_str(c, "note"),
    };
}

static void get_gate(as_arena *arena, const as_json *gate, as_gate *out) {
    *out = (as_gate){.verdict = verdict_of(get_str(gate, "verdict")),
                     .baseline = get_str(gate, "baseline")};
    const as_json *checks = as_json_get(gate, "checks");
    if (!checks || checks->kind != AS_JSON_ARRAY) return;
    as_check *list = AS_NEW_ARRAY(arena, as_check, checks->count);
    for (const as_json *c = checks->child; c; c = c->next) list[out->count++] = get_check(c);
    out->checks = list;
}

static void get_slices(as_arena *arena, const as_json *slices, as_summary *out) {
    if (!slices || slices->kind != AS_JSON_OBJECT) return;
    as_slice_values *list = AS_NEW_ARRAY(arena, as_slice_values, slices->count);
    for (const as_json *m = slices->child; m; m = m->next) {
        as_slice_values *slice = &list[out->slice_count++];
        slice->slice = m->key;
        slice->values = get_values(arena, m, &slice->count);
    }
    out->slices = list;
}

static void get_identity(const as_json *json, as_summary *out) {
    out->run = get_str(json, "run");
    out->suite = get_str(json, "suite");
    out->suite_sha256 = get_str(json, "suite_sha256");
    out->suite_path = get_str(json, "suite_path");
    out->description = get_str(json, "description");
    const as_json *dataset = as_json_get(json, "dataset");
    out->dataset_sha256 = get_str(dataset, "sha256");
    out->dataset_cases = get_u64(dataset, "cases");
    const as_json *target = as_json_get(json, "target");
    out->target_uri = get_str(target, "uri");
    out->model_sha256 = get_str(target, "model_sha256");
    out->model_name = get_str(target, "model");
    out->chat_template_sha256 = get_str(target, "chat_template_sha256");
    out->device = get_str(target, "device");
    out->engine = get_str(target, "engine");
    out->memory_bytes = get_u64(target, "memory_bytes");
    const as_json *git = as_json_get(json, "git");
    out->git_commit = get_str(git, "commit");
    out->git_branch = get_str(git, "branch");
    out->git_dirty = as_json_bool(git, "dirty", false);
    out->started = get_str(json, "started");
    out->wall_s = get_f64(json, "wall_s");
}

static void get_counts(const as_json *json, as_summary *out) {
    const as_json *cases = as_json_get(json, "cases");
    out->total = get_u64(cases, "total");
    out->ok = get_u64(cases, "ok");
    out->errors = get_u64(cases, "errors");
    const as_json *answers = as_json_get(json, "answers");
    out->answers = get_u64(answers, "total");
    out->answer_errors = get_u64(answers, "errors");
    out->skipped = get_u64(cases, "skipped");
    const as_json *outcomes = as_json_get(json, "outcomes");
    for (int i = 0; i < AS_OUT_COUNT; i++)
        out->outcomes[i] = get_u64(outcomes, as_outcome_name((as_outcome)i));
    const as_json *rate = as_json_get(json, "throughput");
    out->cases_per_s = get_f64(rate, "cases_per_s");
    out->tokens_in_per_s = get_f64(rate, "tokens_in_per_s");
    out->tokens_out_per_s = get_f64(rate, "tokens_out_per_s");
    out->tokens_in = get_u64(rate, "tokens_in");
    out->tokens_out = get_u64(rate, "tokens_out");
    const as_json *cost = as_json_get(json, "cost");
    out->cost_total = get_f64(cost, "total");
    out->cost_per_case = get_f64(cost, "per_case");
    out->currency = get_str(cost, "currency");
}

static void get_sequential(const as_json *object, as_summary *out) {
    as_str seed = get_str(object, "seed");
    out->sequential = object != NULL;
    out->stopped = as_json_bool(object, "stopped", false);
    out->planned = get_u64(object, "planned");
    for (size_t i = 0; i < seed.len && seed.ptr[i] >= '0' && seed.ptr[i] <= '9'; i++)
        out->order_seed = out->order_seed * 10 + (uint64_t)(seed.ptr[i] - '0');
}

as_rc as_summary_read(as_arena *arena, as_str text, as_summary *out, as_err *err) {
    const as_json *json;
    if (as_json_parse(arena, text, &json, err)) return AS_INVALID;
    double schema = as_json_f64(json, "schema", 0);
    if (schema != AS_SUMMARY_SCHEMA)
        return as_fail(err, AS_INVALID, "not a summary of schema %d: 'schema' is %g",
                       AS_SUMMARY_SCHEMA, schema);
    as_summary s = {0};
    get_identity(json, &s);
    get_counts(json, &s);
    s.metrics = get_values(arena, as_json_get(json, "metrics"), &s.metric_count);
    get_slices(arena, as_json_get(json, "slices"), &s);
    get_latency(as_json_get(json, "latency_ms"), &s.latency);
    get_latency(as_json_get(json, "ttft_ms"), &s.ttft);
    get_latency(as_json_get(json, "tpot_ms"), &s.tpot);
    s.p99_withheld = as_json_str(json, "p99_withheld", AS_STR(""));
    s.scores_digest = get_str(json, "scores_digest");
    get_sequential(as_json_get(json, "sequential"), &s);
    as_serving_read(arena, as_json_get(json, "serving"), &s.serving);
    get_gate(arena, as_json_get(json, "gate"), &s.gate);
    *out = s;
    return AS_OK;
}

const as_value *as_summary_value(const as_summary *summary, as_str metric, as_str slice) {
    const as_value *values = summary->metrics;
    size_t count = summary->metric_count;
    if (slice.len) {
        count = 0;
        for (size_t i = 0; i < summary->slice_count; i++) {
            if (!as_str_eq(summary->slices[i].slice, slice)) continue;
            values = summary->slices[i].values;
            count = summary->slices[i].count;
        }
    }
    for (size_t i = 0; i < count; i++)
        if (as_str_eq(values[i].name, metric)) return &values[i];
    return NULL;
}
