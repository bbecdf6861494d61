// SPDX-License-Identifier: Apache-2.0
#include "runner/source.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "runner/git.h"

enum { SUMMARY_SIZE_MAX = 64 * 1024 * 1024 };

static bool is_directory(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static as_rc load_summary(as_arena *arena, const char *path, as_source *out, as_err *err) {
    as_str text;
    as_rc rc = as_file_read(arena, path, SUMMARY_SIZE_MAX, &text, err);
    if (rc) return rc;
    rc = as_summary_read(arena, text, &out->summary, err);
    if (rc) as_err_prefix(err, "%s", path);
    out->has_summary = !rc;
    return rc;
}

static as_rc from_files(as_arena *arena, as_str reference, as_source *out, as_err *err) {
    as_str dir = is_directory(reference.ptr) ? reference : as_path_dir(arena, reference);
    bool journal_named = as_str_ends(reference, AS_STR(".jsonl"));
    bool summary_named = !journal_named && !is_directory(reference.ptr);
    const char *summary =
        summary_named ? reference.ptr : as_path_join(arena, dir, AS_STR("summary.json")).ptr;
    out->journal =
        journal_named ? reference.ptr : as_path_join(arena, dir, AS_STR("results.jsonl")).ptr;
    if (!as_file_exists(out->journal))
        return as_fail(err, AS_INVALID, "cannot read '%s': there is no results.jsonl beside it",
                       reference.ptr);
    if (summary_named || as_file_exists(summary)) return load_summary(arena, summary, out, err);
    out->summary.run = reference;
    return AS_OK;
}

bool as_source_is_merge_base(as_str reference) {
    return as_str_is(reference, "merge-base") || as_str_starts(reference, AS_STR("merge-base:"));
}

as_rc as_source_run(as_arena *arena, as_str reference, as_store *store, as_str suite,
                    as_str not_run, as_str *run, as_err *err) {
    if (as_source_is_merge_base(reference)) {
        as_str branch = reference, commits;
        as_str_cut(&branch, ':');
        as_rc rc = as_git_merge_base(arena, ".", branch, &commits, err);
        if (rc) return rc;
        reference = as_strf(arena, "commits:%.*s", AS_STR_ARG(commits));
    }
    return as_store_find(store, arena, reference, suite, AS_STR(""), not_run, run, err);
}

as_rc as_source_find(as_arena *arena, as_str reference, as_str store_url, as_store **store,
                     as_str suite, as_source *out, as_err *err) {
    as_source source = {0};
    reference = as_str_copy(arena, reference);
    as_rc rc = AS_OK;
    if (as_file_exists(reference.ptr)) {
        rc = from_files(arena, reference, &source, err);
    } else if (as_str_find(reference, AS_STR("/"), 0) != SIZE_MAX ||
               as_str_ends(reference, AS_STR(".jsonl")) ||
               as_str_ends(reference, AS_STR(".json"))) {
        return as_fail(err, AS_INVALID, "cannot read '%s': no such file", reference.ptr);
    } else {
        as_str run;
        if (!*store) rc = as_store_open(store_url, store, err);
        if (!rc) rc = as_source_run(arena, reference, *store, suite, AS_STR(""), &run, err);
        if (!rc && !run.len)
            rc = as_fail(err, AS_INVALID, "the history has no run for '%s'", reference.ptr);
        if (!rc) rc = as_store_summary(*store, arena, run, &source.summary, err);
        source.has_summary = true;
        source.store = *store;
    }
    if (!rc) *out = source;
    return rc;
}

as_rc as_source_visit(const as_source *source, as_sample_visit *each, void *context, as_err *err) {
    if (source->journal) return as_journal_read(source->journal, each, context, err);
    return as_store_samples(source->store, source->summary.run, each, context, err);
}

typedef struct scoring {
    as_scorer *scorer;
    as_arena arena;
} scoring;

static as_rc score_one(void *context, const as_sample *sample, as_err *err) {
    scoring *s = context;
    as_sample copy = *sample;
    as_rc rc = as_scorer_add(s->scorer, &s->arena, &copy, err);
    if (rc) as_err_prefix(err, "case '%.*s'", AS_STR_ARG(sample->id));
    as_arena_reset(&s->arena);
    return rc;
}

static as_rc look_at(void *twins, const as_sample *sample, as_err *err) {
    return as_twins_look(twins, sample, err);
}

static as_rc refuse_twice(const as_source *source, as_scorer *scorer, as_err *err) {
    as_arena arena = {0};
    as_twins t = {0};
    as_rc rc = AS_OK;
    if (as_scorer_twice(scorer, &arena, &t.id, &t.sample))
        rc = as_source_visit(source, look_at, &t, err);
    as_arena_free(&arena);
    return rc;
}

// A hash in the place of a text keeps equality and nothing else: what is scored from it counts only
// where it is what the whole text gave.
static as_rc check_redacted(const as_source *source, as_scorer *scorer, as_err *err) {
    enum { DIGITS = 9 };
    as_arena arena = {0};
    as_str fields = AS_STR("");
    as_rc rc = as_store_redacted(source->store, &arena, source->summary.run, &fields, err);
    if (!rc && fields.len) {
        as_summary again = source->summary;
        again.metrics = NULL;
        again.metric_count = 0;
        as_scorer_summarize(scorer, &arena, &again);
        for (size_t i = 0; !rc && i < again.metric_count; i++) {
            const as_value *now = &again.metrics[i];
            const as_value *old = as_summary_value(&source->summary, now->name, AS_STR(""));
            if (!old || isnan(old->value) || isnan(now->value)) continue;
            if (fabs(now->value - old->value) <= pow(10, -DIGITS) * fmax(1, fabs(old->value)))
                continue;
            rc =
                as_fail(err, AS_INVALID,
                        "run '%.*s' was stored with %.*s redacted: its '%.*s' cannot be scored "
                        "again; name its results.jsonl instead",
                        AS_STR_ARG(source->summary.run), AS_STR_ARG(fields), AS_STR_ARG(now->name));
        }
    }
    as_arena_free(&arena);
    return rc;
}

as_rc as_source_score(const as_source *source, const as_metric_spec *specs, size_t count,
                      as_scorer **out, as_err *err) {
    scoring s = {0};
    as_rc rc = as_scorer_new(specs, count, &s.scorer, err);
    if (rc) return rc;
    rc = as_source_visit(source, score_one, &s, err);
    if (!rc) rc = refuse_twice(source, s.scorer, err);
    if (!rc && source->store && !source->journal) rc = check_redacted(source, s.scorer, err);
    as_arena_free(&s.arena);
    if (rc)
        as_scorer_free(s.scorer);
    else
        *out = s.scorer;
    return rc;
}

// The metrics of a summary as specs; those that come with every run (latency...) are left out.
static as_rc specs_of_summary(const as_summary *summary, as_arena *arena,
                              const as_metric_spec **out, size_t *count, as_err *err) {
    as_metric_spec *specs = AS_NEW_ARRAY(arena, as_metric_spec, summary->metric_count);
    *count = 0;
    for (size_t i = 0; i < summary->metric_count; i++) {
        const as_value *value = &summary->metrics[i];
        as_metric_spec spec = {.name = value->name};
        if (value->spec.len) {
            as_rc rc = as_yaml_parse(arena, value->spec, "metric", &spec.options, err);
            if (rc) return rc;
            const as_yaml *name = as_yaml_get(spec.options, "name");
            if (name) spec.name = name->text;
        }
        if (as_metric_check(&spec, err) == AS_OK) specs[(*count)++] = spec;
    }
    *out = specs;
    return AS_OK;
}

typedef struct first_names {
    as_arena *arena;
    as_metric_spec *specs;
    size_t count;
    bool seen;
} first_names;

static as_rc take_names(void *context, const as_sample *sample, as_err *err) {
    first_names *names = context;
    (void)err;
    if (names->seen || !sample->score_count) return AS_OK;
    names->seen = true;
    names->specs = AS_NEW_ARRAY(names->arena, as_metric_spec, sample->score_count);
    for (size_t i = 0; i < sample->score_count; i++) {
        as_metric_spec spec = {.name = as_str_copy(names->arena, sample->scores[i].name)};
        if (as_metric_check(&spec, NULL) == AS_OK) names->specs[names->count++] = spec;
    }
    return AS_OK;
}

as_rc as_source_metrics(const as_source *source, as_arena *arena, const as_metric_spec **out,
                        size_t *count, as_err *err) {
    if (source->has_summary) return specs_of_summary(&source->summary, arena, out, count, err);
    first_names names = {.arena = arena};
    as_rc rc = as_source_visit(source, take_names, &names, err);
    if (rc) return rc;
    *out = names.specs;
    *count = names.count;
    return AS_OK;
}
