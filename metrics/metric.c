// SPDX-License-Identifier: Apache-2.0
#include "metrics/metric.h"

enum { METRICS_MAX = 256, RANK_MAX = 1000000 };

// K of NAME@K, without a leading zero; 0 when it is none.
static size_t rank_of(as_str digits) {
    int64_t k;
    bool number = digits.len && digits.ptr[0] >= '1' && digits.ptr[0] <= '9';
    return number && as_str_to_i64(digits, &k) && k <= RANK_MAX ? (size_t)k : 0;
}

static bool is_named(const as_metric_ops *ops, as_str name, size_t *k) {
    as_str known = as_str_of(ops->name);
    *k = 0;
    if (!as_str_ends(known, AS_STR("@K"))) return as_str_eq(name, known);
    known.len--;
    *k = as_str_starts(name, known) ? rank_of(as_str_sub(name, known.len, name.len)) : 0;
    return *k > 0;
}

// Sets what the name says of a metric; false when there is none of that name.
static bool find(as_str name, as_metric *out) {
    bool negate = as_str_starts(name, AS_STR("not-"));
    as_str asked = negate ? as_str_sub(name, 4, name.len) : name;
    for (const as_metric_family *f = as_metric_families; f->metrics; f++)
        for (const as_metric_ops *ops = f->metrics; ops->name; ops++) {
            size_t k;
            if (!is_named(ops, asked, &k) || (negate && !(ops->flags & AS_METRIC_NOT))) continue;
            out->ops = ops;
            out->k = k;
            out->negate = negate;
            return true;
        }
    return false;
}

const as_metric_ops *as_metric_run_find(as_str name) {
    as_metric metric = {0};
    return find(name, &metric) && metric.ops->flags & AS_METRIC_RUN ? metric.ops : NULL;
}

// Written once, on the first call; every call writes the same values.
static const char *all_names[METRICS_MAX];

const char *const *as_metric_names(void) {
    size_t count = 0;
    for (const as_metric_family *f = as_metric_families; f->metrics; f++)
        for (const as_metric_ops *ops = f->metrics; ops->name && count + 1 < METRICS_MAX; ops++)
            all_names[count++] = ops->name;
    return all_names;
}

as_rc as_metric_name_check(as_str name, const as_metric_ops **out, as_err *err) {
    as_metric metric = {0};
    if (find(name, &metric)) {
        if (out) *out = metric.ops;
        return AS_OK;
    }
    const char *near = as_str_nearest(name, as_metric_names());
    if (near)
        return as_fail(err, AS_INVALID, "unknown metric '%.*s'; did you mean '%s'?",
                       AS_STR_ARG(name), near);
    return as_fail(err, AS_INVALID, "unknown metric '%.*s'", AS_STR_ARG(name));
}

static as_rc check_label(const as_metric *metric, as_err *err) {
    as_metric same = {0};
    if (!find(metric->name, &same)) return AS_OK;
    if (same.ops == metric->ops && same.k == metric->k && same.negate == metric->negate)
        return AS_OK;
    return as_fail(err, AS_INVALID, "metric '%s' cannot be named '%.*s': that is another metric",
                   metric->ops->name, AS_STR_ARG(metric->name));
}

// normalize: nfc or nfkc, for any metric that compares the answer with texts by itself.
static as_rc read_normal(const as_metric_spec *spec, as_metric *metric, as_err *err) {
    const as_yaml *wish = spec->options ? as_yaml_get(spec->options, "normalize") : NULL;
    if (!wish) return AS_OK;
    if (metric->ops->flags & (AS_METRIC_RUN | AS_METRIC_LABELS))
        return as_fail(err, AS_INVALID,
                       "metric '%s' takes no 'normalize': it counts labels as they are (extract: "
                       "[nfc] normalises answers)",
                       metric->ops->name);
    metric->normal = as_str_is(wish->text, "nfc")    ? AS_NORMAL_NFC
                     : as_str_is(wish->text, "nfkc") ? AS_NORMAL_NFKC
                                                     : AS_NORMAL_NONE;
    if (metric->normal != AS_NORMAL_NONE) return AS_OK;
    return as_fail(err, AS_INVALID,
                   "option 'normalize' of metric '%s' must be nfc or nfkc, not '%.*s'",
                   metric->ops->name, AS_STR_ARG(wish->text));
}

static as_str with_normal(as_arena *arena, const as_metric *metric, as_str text) {
    if (metric->normal == AS_NORMAL_NONE) return text;
    return as_strf(arena, "%.*s%snormalize:%s", AS_STR_ARG(text), text.len ? "|" : "",
                   metric->normal == AS_NORMAL_NFC ? "nfc" : "nfkc");
}

as_rc as_metric_resolve(as_arena *arena, const as_metric_spec *spec, as_metric *out, as_err *err) {
    as_metric metric = {.name = spec->name};
    as_rc rc = as_metric_name_check(spec->name, NULL, err);
    if (rc != AS_OK) return rc;
    find(spec->name, &metric);
    const as_metric_ops *ops = metric.ops;
    rc = as_option_read(arena, ops->name, ops->settings, spec->options, spec->dir, metric.settings,
                        &metric.name, err);
    if (rc == AS_OK) rc = check_label(&metric, err);
    if (rc == AS_OK) rc = read_normal(spec, &metric, err);
    metric.width = ops->width;
    if (rc == AS_OK && ops->prepare) rc = ops->prepare(arena, &metric, err);
    if (rc != AS_OK) return rc;
    metric.name = as_str_copy(arena, metric.name);
    metric.identity =
        with_normal(arena, &metric, as_option_text(arena, ops->settings, metric.settings));
    metric.signature = ops->signature ? with_normal(arena, &metric, ops->signature(arena, &metric))
                                      : metric.identity;
    if (spec->options && spec->options->kind == AS_YAML_MAP)
        metric.spec = as_option_json(arena, ops->settings, metric.settings, spec->options);
    *out = metric;
    return AS_OK;
}

void as_metric_release(as_metric *metric) {
    if (metric->ops && metric->ops->release) metric->ops->release(metric);
}

bool as_metric_same(const as_metric *a, const as_metric *b) {
    return a->ops == b->ops && a->k == b->k && a->negate == b->negate &&
           as_str_eq(a->identity, b->identity);
}

as_rc as_metric_check(const as_metric_spec *spec, as_err *err) {
    as_arena arena = {0};
    as_metric metric = {0};
    as_rc rc = as_metric_resolve(&arena, spec, &metric, err);
    if (rc == AS_OK) as_metric_release(&metric);
    as_arena_free(&arena);
    return rc;
}
