// SPDX-License-Identifier: Apache-2.0
#include "reports/alert/alert_text.h"

#include <math.h>

#include "harness/base/clock.h"
#include "harness/net/url.h"
#include "reports/content.h"
#include "reports/figures.h"
#include "reports/phrase.h"

enum { CHECKS_MAX = 10, COMMIT_DIGITS = 12 };

static as_str taken(as_arena *arena, as_buf *buf) {
    as_str text = as_str_copy(arena, as_buf_view(buf));
    as_buf_free(buf);
    return text;
}

static as_str metric_of(as_arena *arena, const as_alert *alert) {
    as_buf buf = {0};
    as_content_plain(&buf, alert->metric, AS_CLIP_NAME);
    if (alert->slice.len) {
        as_buf_char(&buf, '[');
        as_content_plain(&buf, alert->slice, AS_CLIP_NAME);
        as_buf_char(&buf, ']');
    }
    return taken(arena, &buf);
}

static as_str title_of(as_arena *arena, const as_alert *alert, as_str metric) {
    as_buf buf = {0};
    if (alert->test) as_buf_text(&buf, "[test] ");
    as_content_plain(&buf, alert->run->suite, AS_CLIP_NAME);
    as_buff(&buf, ": %.*s %s", AS_STR_ARG(metric), alert->resolved ? "holds again" : "fails");
    if (alert->branch.len) {
        as_buf_text(&buf, " on ");
        as_content_plain(&buf, alert->branch, AS_CLIP_NAME);
    }
    if (alert->check_count) {
        as_buf_text(&buf, ": ");
        as_phrase_reason(&buf, alert->run, &alert->checks[0]);
    }
    return taken(arena, &buf);
}

// What the clause about a check leaves out: the interval.
static void put_interval(as_buf *buf, const as_summary *run, const as_check *check) {
    if (!isfinite(check->ci.lo) || !isfinite(check->ci.hi)) return;
    as_unit unit = as_figure_check_measure(run, check).unit;
    if (as_phrase_is_drop(check))
        as_buff(buf, "; change %s (90%% interval)",
                as_figure_change_interval(check->ci, as_figure_check_change(run, check)).text);
    else
        as_buff(buf, "; interval %s", as_figure_interval(check->ci, unit).text);
}

static void put_run(as_buf *buf, as_str run, as_str commit) {
    as_buf_text(buf, "run ");
    as_content_plain(buf, run, AS_CLIP_NAME);
    if (!commit.len) return;
    as_buf_text(buf, " at commit ");
    as_content_plain(buf, as_str_sub(commit, 0, COMMIT_DIGITS), COMMIT_DIGITS);
}

static void put_since(as_buf *buf, const as_alert *alert) {
    char when[25];
    as_clock_rfc3339(alert->since_ms, when);
    as_buff(buf, alert->resolved ? "Failed since %.16sZ" : "Failing since %.16sZ", when);
    if (alert->since_run.len) {
        as_buf_text(buf, ", ");
        put_run(buf, alert->since_run, alert->since_commit);
    }
    if (alert->good_run.len) {
        as_buf_text(buf, "; last held in ");
        put_run(buf, alert->good_run, alert->good_commit);
    }
    as_buf_char(buf, '\n');
}

static as_str facts_of(as_arena *arena, const as_alert *alert) {
    as_buf buf = {0};
    const as_summary *run = alert->run;
    if (alert->test) return AS_STR("This is a test of assay's alerts: nothing failed.\n");
    if (!alert->check_count) as_buf_text(&buf, "No gate judges it any more.\n");
    for (size_t i = 0; i < alert->check_count && i < CHECKS_MAX; i++) {
        const as_check *check = &alert->checks[i];
        as_content_plain(&buf, check->gate, AS_CLIP_NAME);
        as_buf_text(&buf, ": ");
        as_phrase_reason(&buf, run, check);
        put_interval(&buf, run, check);
        as_buf_char(&buf, '\n');
    }
    if (alert->check_count > CHECKS_MAX)
        as_buff(&buf, "and %zu more\n", alert->check_count - CHECKS_MAX);
    put_since(&buf, alert);
    as_buf_text(&buf, "Now: ");
    put_run(&buf, run->run, run->git_commit);
    as_str model = run->model_name.len ? run->model_name : run->target_uri;
    if (model.len) {
        as_buf_text(&buf, ", model ");
        as_content_plain(&buf, model, AS_CLIP_NAME);
    }
    as_buf_char(&buf, '\n');
    return taken(arena, &buf);
}

static void put_quoted(as_buf *buf, const char *before, as_str text) {
    as_buf_text(buf, before);
    if (text.len) {
        as_buf_char(buf, '"');
        as_content_plain(buf, text, AS_CLIP_NAME);
        as_buf_char(buf, '"');
    } else {
        as_buf_text(buf, "nothing");
    }
}

static as_str cases_of(as_arena *arena, const as_alert *alert) {
    as_buf buf = {0};
    if (!alert->case_count) return AS_STR("");
    bool one = alert->case_total == 1 && !alert->at_least;
    const char *what = alert->broke ? "broke" : one ? "is wrong" : "are wrong";
    as_buff(&buf, "%s%s %s %s", alert->at_least ? "At least " : "",
            as_figure_count(alert->case_total).text, one ? "case" : "cases", what);
    as_buf_text(&buf, alert->case_total > alert->case_count ? ", among them:\n" : ":\n");
    for (size_t i = 0; i < alert->case_count; i++) {
        const as_alert_case *c = &alert->cases[i];
        as_content_plain(&buf, c->id, AS_CLIP_NAME);
        if (alert->ids_only) {
            as_buf_char(&buf, '\n');
            continue;
        }
        put_quoted(&buf, ": expected ", c->expected);
        if (alert->broke) put_quoted(&buf, ", was ", c->before);
        put_quoted(&buf, ", now ", c->after);
        if (c->input.len) put_quoted(&buf, ", asked ", c->input);
        as_buf_char(&buf, '\n');
    }
    return taken(arena, &buf);
}

as_alert_text as_alert_text_of(as_arena *arena, const as_alert *alert) {
    as_url url;
    as_str metric = metric_of(arena, alert);
    bool linked =
        alert->link.len && alert->link.len < 2000 && !as_url_parse(alert->link, &url, NULL);
    return (as_alert_text){
        .title = title_of(arena, alert, metric),
        .facts = facts_of(arena, alert),
        .cases = cases_of(arena, alert),
        .link = linked ? alert->link : AS_STR(""),
        .metric = metric,
    };
}
