// SPDX-License-Identifier: Apache-2.0
#include "runner/history/history_verbs.h"

#include <math.h>
#include <string.h>

#include "harness/base/clock.h"
#include "harness/base/log.h"
#include "reports/content.h"
#include "runner/outputs.h"

static as_rc print_and_free(as_buf *text, as_err *err) {
    as_rc rc = as_outputs_print(as_buf_view(text), err);
    as_buf_free(text);
    return rc;
}

as_rc as_history_run(as_history *h, as_str reference, as_summary *out, as_err *err) {
    as_str run;
    as_rc rc = as_source_run(h->arena, reference, h->store, h->args->suite, AS_STR(""), &run, err);
    if (!rc && !run.len)
        rc = as_fail(err, AS_INVALID, "the history has no run for '%.*s'", AS_STR_ARG(reference));
    return rc ? rc : as_store_summary(h->store, h->arena, run, out, err);
}

as_rc as_history_accept(as_history *h, as_err *err) {
    as_summary summary;
    if (!as_str_trim(h->args->why).len)
        return as_fail(err, AS_INVALID,
                       "history accept: say why, for those who come after: "
                       "--why TEXT");
    as_rc rc = as_history_run(h, h->words[0], &summary, err);
    if (!rc) rc = as_store_accept(h->store, &summary, h->args->why, err);
    if (!rc)
        as_log_info("run %.*s is accepted as a baseline of '%.*s'", AS_STR_ARG(summary.run),
                    AS_STR_ARG(summary.suite));
    return rc;
}

as_rc as_history_audit(as_history *h, as_err *err) {
    const as_store_event *events;
    size_t count;
    as_rc rc = as_store_events(h->store, h->arena, h->args->suite, (size_t)h->args->limit, &events,
                               &count, err);
    if (rc) return rc;
    as_buf text = {0};
    for (size_t i = 0; i < count; i++) {
        const as_store_event *e = &events[i];
        const struct {
            const char *key;
            as_str value;
        } fields[] = {{"at", e->at},       {"who", e->who}, {"action", e->action},
                      {"suite", e->suite}, {"run", e->run}, {"gate", e->gate},
                      {"why", e->why}};
        as_json_out out = {.buf = &text};
        if (h->args->json) as_jo_open(&out, '{');
        for (size_t k = 0; k < sizeof fields / sizeof *fields; k++) {
            if (h->args->json) {
                as_jo_key(&out, fields[k].key);
                as_jo_str(&out, fields[k].value);
            } else if (fields[k].value.len) {
                if (k) as_buf_text(&text, "  ");
                as_content_terminal(&text, fields[k].value, AS_CLIP_LINE);
            }
        }
        if (h->args->json) as_jo_close(&out, '}');
        as_buf_char(&text, '\n');
    }
    return print_and_free(&text, err);
}

typedef struct case_table {
    as_buf text;
    bool json;
    size_t rows;
} case_table;

static void put_case_json(as_buf *text, const as_store_past *found) {
    as_json_out out = {.buf = text};
    as_buf sample = {0};
    as_jo_open(&out, '{');
    as_jo_key(&out, "run"), as_jo_str(&out, found->run);
    as_jo_key(&out, "suite"), as_jo_str(&out, found->suite);
    as_jo_key(&out, "started"), as_jo_str(&out, found->started);
    as_jo_key(&out, "git_commit"), as_jo_str(&out, found->git_commit);
    as_jo_key(&out, "sample");
    as_sample_write(&sample, found->sample); // ends the line
    as_buf_str(text, as_str_sub(as_buf_view(&sample), 0, sample.len - 1));
    as_buf_text(text, "}\n");
    as_buf_free(&sample);
}

static void put_cell(as_buf *text, as_str value, size_t columns) {
    size_t used = as_content_terminal(text, value, columns);
    for (; used < columns + 2; used++) as_buf_char(text, ' ');
}

// What came before the answer, a line each.
static void put_tries(as_buf *text, const as_sample *sample) {
    for (size_t i = 0; i < sample->tries.count; i++) {
        as_buf line = {0};
        as_attempt_say(&line, &sample->tries.items[i]);
        as_buff(text, "  attempt %zu: ", i + 1);
        as_content_terminal(text, as_buf_view(&line), AS_CLIP_LINE);
        as_buf_char(text, '\n');
        as_buf_free(&line);
    }
}

static as_rc put_case(void *context, const as_store_past *found, as_err *err) {
    case_table *table = context;
    const as_sample *sample = found->sample;
    (void)err;
    table->rows++;
    if (table->json) {
        put_case_json(&table->text, found);
        return AS_OK;
    }
    char score[32] = "-";
    if (sample->score_count && isfinite(sample->scores[0].value))
        as_f64_text(sample->scores[0].value, score);
    put_cell(&table->text, found->run, 23);
    put_cell(&table->text, as_str_sub(found->git_commit, 0, 10), 10);
    put_cell(&table->text, as_str_of(as_outcome_name(sample->outcome)), 12);
    put_cell(&table->text, as_str_of(score), 8);
    as_content_terminal(&table->text, sample->has_prediction ? sample->prediction : sample->error,
                        60);
    as_buf_char(&table->text, '\n');
    put_tries(&table->text, sample);
    return AS_OK;
}

as_rc as_history_case(as_history *h, as_err *err) {
    case_table table = {.json = h->args->json};
    if (!table.json)
        as_buf_text(&table.text, "run                      commit      outcome       score     "
                                 "prediction\n");
    as_rc rc = as_store_case(h->store, h->args->suite, h->words[0], (size_t)h->args->limit,
                             put_case, &table, err);
    if (!rc && !table.rows)
        rc = as_fail(err, AS_INVALID, "no run in the history has a case '%.*s'",
                     AS_STR_ARG(h->words[0]));
    if (!rc) return print_and_free(&table.text, err);
    as_buf_free(&table.text);
    return rc;
}

// "90d" as the moment that long ago.
static as_rc parse_age(as_str age, char before[25], as_err *err) {
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'h', 3600000}, {'d', 86400000}, {'w', 7 * 86400000LL}};
    int64_t count = 0, most = 100 * 366 * 86400000LL;
    for (size_t i = 0; age.len > 1 && i < sizeof units / sizeof *units; i++) {
        if (age.ptr[age.len - 1] != units[i].unit ||
            !as_str_to_i64(as_str_sub(age, 0, age.len - 1), &count) || count < 1 ||
            count > most / units[i].ms)
            continue;
        as_clock_rfc3339(as_clock_wall_ms() - count * units[i].ms, before);
        return AS_OK;
    }
    return as_fail(err, AS_INVALID,
                   "--older-than wants hours, days or weeks as in 90d or 12w, not '%.*s'",
                   AS_STR_ARG(age));
}

as_rc as_history_prune(as_history *h, as_err *err) {
    char before[25] = "";
    uint64_t deleted = 0;
    as_rc rc = AS_OK;
    if (!h->args->keep && !h->args->older_than.len)
        rc = as_fail(err, AS_INVALID,
                     "history prune: say what to keep: --keep N (newest of each suite), "
                     "--older-than AGE, or both");
    if (!rc && h->args->older_than.len) rc = parse_age(h->args->older_than, before, err);
    if (!rc) rc = as_store_prune(h->store, (size_t)h->args->keep, as_str_of(before), &deleted, err);
    if (!rc) as_log_info("deleted %llu runs", (unsigned long long)deleted);
    return rc;
}

static bool same_bits(double a, double b) {
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

// The name of the first metric that differs in any bit; empty when none does.
static as_str first_difference(const as_value *a, size_t a_count, const as_value *b,
                               size_t b_count) {
    for (size_t i = 0; i < a_count; i++) {
        const as_value *same = NULL;
        for (size_t k = 0; k < b_count; k++)
            if (as_str_eq(a[i].name, b[k].name)) same = &b[k];
        if (!same || !same_bits(a[i].value, same->value) || !same_bits(a[i].ci.lo, same->ci.lo) ||
            !same_bits(a[i].ci.hi, same->ci.hi) || a[i].n != same->n)
            return a[i].name;
    }
    return AS_STR("");
}

// Scores the run's samples again and says what came out otherwise than in its summary.
static as_rc check_run(as_history *h, const as_summary *summary, as_str *differs, as_err *err) {
    as_source source = {.summary = *summary, .has_summary = true, .store = h->store};
    const as_metric_spec *specs;
    size_t count;
    as_scorer *scorer;
    *differs = AS_STR("");
    as_rc rc = as_source_metrics(&source, h->arena, &specs, &count, err);
    if (!rc) rc = as_source_score(&source, specs, count, &scorer, err);
    if (rc) return rc;
    as_summary again = *summary;
    again.metrics = NULL;
    again.slices = NULL;
    again.metric_count = again.slice_count = 0;
    as_scorer_summarize(scorer, h->arena, &again);
    *differs = first_difference(summary->metrics, summary->metric_count, again.metrics,
                                again.metric_count);
    for (size_t i = 0; !differs->len && i < summary->slice_count; i++) {
        const as_slice_values *slice = &summary->slices[i];
        as_str found = slice->slice;
        for (size_t k = 0; k < again.slice_count; k++)
            if (as_str_eq(again.slices[k].slice, slice->slice))
                found = first_difference(slice->values, slice->count, again.slices[k].values,
                                         again.slices[k].count);
        *differs = found;
    }
    as_scorer_free(scorer);
    return AS_OK;
}

as_rc as_history_rebuild(as_history *h, as_err *err) {
    const as_store_run *runs;
    size_t count, wrong = 0;
    as_rc rc = as_store_list(h->store, h->arena, h->args->suite, h->args->since,
                             (size_t)h->args->limit, &runs, &count, err);
    for (size_t i = 0; !rc && i < count; i++) {
        const as_summary *summary = &runs[i].summary;
        as_str differs;
        as_err why = {0};
        if (check_run(h, summary, &differs, &why)) {
            as_log_warning("%s", why.text);
            wrong++;
        } else if (differs.len) {
            as_log_warning("run %.*s: its samples give another '%.*s' than its summary says",
                           AS_STR_ARG(summary->run), AS_STR_ARG(differs));
            wrong++;
        }
        rc = as_store_rebuild(h->store, summary, err);
    }
    if (!rc) as_log_info("rebuilt the metrics of %zu runs", count);
    if (!rc && wrong)
        rc = as_fail(err, AS_UNMEASURED,
                     "%zu of %zu runs could not be scored again to the same bits; their metrics "
                     "are those of their summaries",
                     wrong, count);
    return rc;
}
