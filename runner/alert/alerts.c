// SPDX-License-Identifier: Apache-2.0
#include "runner/alert/alerts.h"

#include <math.h>
#include <stdlib.h>

#include "harness/base/clock.h"
#include "harness/base/jinja.h"
#include "harness/base/log.h"
#include "harness/base/map.h"
#include "harness/base/sha256.h"
#include "harness/net/url.h"
#include "reports/alert/alert_text.h"
#include "runner/review.h"

enum { RUNS_LOOKED_AT = 100, EVENTS_LOOKED_AT = 5000 };

// A metric on a slice, and what its gates say together.
typedef struct group {
    as_str metric, slice, key;
    const as_check *checks; // that say so
    size_t count;
    as_verdict verdict; // AS_PASS, AS_FAIL; else nobody can tell
} group;

// To be noted in the history once it is sent.
typedef struct told {
    const char *path; // in the spool
    bool over;
    as_str what, whom;
} told;

typedef struct work {
    as_arena *arena;
    const as_alerts_request *q;
    const as_summary *run;
    as_spool spool;
    as_spool_state state;
    as_str scope, link;
    const as_store_run *past; // of the suite, newest first
    size_t past_count;
    const as_store_event *told; // the audit, newest first
    size_t told_count;
    bool known; // the folder knows the scope: the audit is not asked
    told *notes;
    size_t note_count, note_room;
    int64_t now_ms;
    as_err first; // what could not be kept
} work;

// ---- checks in groups ----

static bool same(as_str a, as_str b) {
    return as_str_eq(a, b);
}

// A drop gate without a baseline takes no part: the others decide.
static as_verdict verdict_of(const as_gate *gate, as_str metric, as_str slice) {
    bool holds = true, any = false;
    for (size_t i = 0; i < gate->count; i++) {
        const as_check *c = &gate->checks[i];
        if (!same(c->metric, metric) || !same(c->slice, slice)) continue;
        if (c->verdict == AS_FAIL) return AS_FAIL;
        holds = holds && (c->verdict == AS_PASS || c->verdict == AS_NO_BASELINE);
        any = any || c->verdict == AS_PASS;
    }
    return any && holds ? AS_PASS : AS_UNDECIDED;
}

static as_str key_of(const work *w, as_str metric, as_str slice) {
    as_str target = w->q->several_targets ? w->run->target_uri : AS_STR("");
    as_str parts[] = {w->run->suite, w->run->git_branch, target, metric, slice};
    as_sha256 sha;
    char hex[65];
    as_sha256_init(&sha);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        as_sha256_add(&sha, parts[i].ptr, parts[i].len);
        as_sha256_add(&sha, "", 1);
    }
    as_sha256_hex(&sha, hex);
    return as_str_copy(w->arena, (as_str){hex, 64});
}

static group group_of(const work *w, as_str metric, as_str slice) {
    const as_gate *gate = &w->run->gate;
    group g = {metric, slice, key_of(w, metric, slice), NULL, 0, verdict_of(gate, metric, slice)};
    as_check *checks = AS_NEW_ARRAY(w->arena, as_check, gate->count + 1);
    for (size_t i = 0; i < gate->count; i++) {
        const as_check *c = &gate->checks[i];
        bool here = same(c->metric, metric) && same(c->slice, slice);
        if (here && c->verdict == g.verdict) checks[g.count++] = *c;
    }
    g.checks = checks;
    return g;
}

// ---- what the history knows ----

static as_rc read_past(work *w, as_err *err) {
    if (!w->q->store) return AS_OK;
    as_rc rc = as_store_list(w->q->store, w->arena, w->run->suite, AS_STR(""), RUNS_LOOKED_AT,
                             &w->past, &w->past_count, err);
    if (!rc)
        rc = as_store_events(w->q->store, w->arena, w->run->suite, EVENTS_LOOKED_AT, &w->told,
                             &w->told_count, err);
    return rc;
}

// How the audit names an alert to a sink.
static as_str whom(const work *w, const as_alert_sink *sink, as_str key) {
    return as_strf(w->arena, "%.*s, %.*s", AS_STR_ARG(as_alert_sink_name(w->arena, sink)),
                   AS_STR_ARG(as_str_sub(key, 0, 16)));
}

static bool was_told(const work *w, as_str name) {
    for (size_t i = 0; i < w->told_count; i++) {
        const as_store_event *e = &w->told[i];
        bool begins = as_str_is(e->action, "alert");
        if ((begins || as_str_is(e->action, "resolve")) && same(e->why, name)) return begins;
    }
    return false;
}

static bool is_before(const work *w, const as_summary *run) {
    return same(run->git_branch, w->run->git_branch) && as_str_cmp(run->run, w->run->run) < 0 &&
           (!w->q->several_targets || same(run->target_uri, w->run->target_uri));
}

// The first run of the row of failures before this one, and the last that held before it; NULL.
static void failed_before(const work *w, as_str metric, as_str slice, const as_summary **first,
                          const as_summary **good) {
    *first = *good = NULL;
    for (size_t i = 0; i < w->past_count && !*good; i++) {
        const as_summary *run = &w->past[i].summary;
        if (!is_before(w, run)) continue;
        as_verdict verdict = verdict_of(&run->gate, metric, slice);
        if (verdict == AS_FAIL) *first = run;
        if (verdict == AS_PASS) *good = run;
    }
}

static int64_t wall_of(as_str run, int64_t otherwise) { // ids begin with the time: 20261124T030405Z
    int64_t n[6];
    static const size_t at[] = {0, 4, 6, 9, 11, 13, 15};
    if (run.len < 16 || run.ptr[8] != 'T') return otherwise;
    for (size_t i = 0; i < 6; i++)
        if (!as_str_to_i64(as_str_sub(run, at[i], at[i + 1]), &n[i])) return otherwise;
    int64_t y = n[1] <= 2 ? n[0] - 1 : n[0], era = y / 400, yoe = y - era * 400;
    int64_t doy = (153 * (n[1] + (n[1] > 2 ? -3 : 9)) + 2) / 5 + n[2] - 1;
    int64_t days = era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
    return (((days * 24 + n[3]) * 60 + n[4]) * 60 + n[5]) * 1000;
}

// The entry for what fires (or fired), from the history and this run.
static as_firing firing_of(const work *w, const group *g, const as_alert_sink *sink) {
    const as_summary *first, *good;
    failed_before(w, g->metric, g->slice, &first, &good);
    if (!first) first = w->run;
    as_str none = AS_STR("");
    return (as_firing){
        .key = g->key,
        .sink = as_alert_sink_id(w->arena, sink),
        .sink_name = as_alert_sink_name(w->arena, sink),
        .scope = w->scope,
        .metric = g->metric,
        .slice = g->slice,
        .since_ms = wall_of(first->run, w->now_ms),
        .since_run = first->run,
        .since_commit = first->git_commit,
        .good_run = good ? good->run : none,
        .good_commit = good ? good->git_commit : none,
    };
}

// ---- cases ----

static bool in_slice(const as_failure *f, as_str slice) {
    for (size_t i = 0; i < f->slice_count; i++)
        if (same(f->slices[i], slice)) return true;
    return !slice.len;
}

static void add_case(const work *w, as_alert *alert, as_alert_case one) {
    alert->case_total++;
    if (alert->case_count == AS_ALERT_CASES) return;
    if (w->q->rules->ids_only) one = (as_alert_case){.id = one.id};
    alert->cases[alert->case_count++] = one;
}

// Those that were right in the baseline; without any, those that are wrong.
static void add_cases(const work *w, as_alert *alert) {
    const as_findings *f = w->q->findings;
    as_map here = {0}; // the failing cases of the slice: flips do not say theirs
    for (size_t i = 0; i < f->failure_count; i++)
        if (in_slice(&f->failures[i], alert->slice)) as_map_add(&here, f->failures[i].id, i, NULL);
    for (size_t i = 0; i < f->flip_count; i++) {
        const as_flip *flip = &f->flips[i];
        uint64_t unused;
        if (flip->after_score >= flip->before_score) continue;
        if (alert->slice.len && !as_map_get(&here, flip->id, &unused)) continue;
        add_case(w, alert,
                 (as_alert_case){flip->id, flip->input, flip->expected, flip->before, flip->after});
    }
    alert->broke = alert->case_total > 0;
    for (size_t i = 0; i < f->failure_count && !alert->broke; i++) {
        const as_failure *one = &f->failures[i];
        if (in_slice(one, alert->slice))
            add_case(
                w, alert,
                (as_alert_case){one->id, one->input, one->expected, AS_STR(""), one->prediction});
    }
    bool all_failures = f->failure_count == f->failure_total;
    alert->at_least = alert->slice.len && !all_failures;
    if (alert->broke)
        alert->at_least = alert->at_least || f->flip_count >= AS_REVIEW_FLIPS_MAX;
    else if (!alert->slice.len && alert->case_total)
        alert->case_total = f->failure_total;
    alert->ids_only = w->q->rules->ids_only;
    as_map_free(&here);
}

// ---- links ----

static as_str env(const char *name) {
    return as_str_of(getenv(name));
}

// The page of the build that runs this.
static as_str build_link(as_arena *arena) {
    as_str server = env("GITHUB_SERVER_URL"), repository = env("GITHUB_REPOSITORY");
    as_str id = env("GITHUB_RUN_ID");
    if (server.len && repository.len && id.len)
        return as_strf(arena, "%.*s/%.*s/actions/runs/%.*s", AS_STR_ARG(server),
                       AS_STR_ARG(repository), AS_STR_ARG(id));
    return env("CI_JOB_URL").len ? env("CI_JOB_URL") : env("BUILD_URL");
}

static as_rc render_link(as_arena *arena, as_str template_, const as_summary *run, as_str *out,
                         as_err *err) {
    const as_jinja *parsed;
    as_json *v = as_json_new(arena, AS_JSON_OBJECT);
    as_json_set(arena, v, "run", as_json_new_str(arena, run->run));
    as_json_set(arena, v, "suite", as_json_new_str(arena, run->suite));
    as_json_set(arena, v, "branch", as_json_new_str(arena, run->git_branch));
    as_json_set(arena, v, "commit", as_json_new_str(arena, run->git_commit));
    as_buf text = {0};
    as_rc rc = as_jinja_parse(arena, template_, &parsed, err);
    if (!rc) rc = as_jinja_render(parsed, arena, v, &text, err);
    *out = as_str_copy(arena, as_str_trim(as_buf_view(&text)));
    as_buf_free(&text);
    return rc;
}

static as_str link_of(work *w) {
    as_err err = {0};
    as_url parts;
    as_str link;
    if (!w->q->rules->link.len) return build_link(w->arena);
    as_rc rc = render_link(w->arena, w->q->rules->link, w->run, &link, &err);
    if (!rc) rc = as_url_parse(link, &parts, &err);
    if (!rc) return link;
    as_log_warning("alert.link: %s: alerts go without one", err.text);
    return AS_STR("");
}

// ---- on its way ----

static void remember(work *w, const as_alert_sink *sink, const as_alert *alert, const char *path) {
    if (w->note_count == w->note_room) {
        told *old = w->notes;
        w->note_room = w->note_room ? w->note_room * 2 : 16;
        w->notes = AS_NEW_ARRAY(w->arena, told, w->note_room);
        for (size_t i = 0; i < w->note_count; i++) w->notes[i] = old[i];
    }
    w->notes[w->note_count++] = (told){
        path, alert->resolved, as_alert_text_of(w->arena, alert).metric, whom(w, sink, alert->key)};
}

// Only what was sent: a folder that is lost before that (a container) must not lose the alert.
static void note_sent(const work *w) {
    for (size_t i = 0; i < w->note_count && w->q->store; i++) {
        const told *t = &w->notes[i];
        as_err err = {0};
        bool again = !t->over && was_told(w, t->whom); // Alertmanager is told at every run
        if (again || !as_spool_was_sent(w->arena, t->path)) continue;
        if (as_store_told(w->q->store, t->over, w->run, t->what, t->whom, &err))
            as_log_warning("alert: not noted in the history: %s", err.text);
    }
}

static void put(work *w, const as_alert_sink *sink, const as_alert *alert, bool instead,
                bool *kept) {
    as_err err = {0};
    as_buf body = {0};
    as_alert_post post = {
        .sink = *sink,
        .key = alert->key,
        .action = alert->resolved ? AS_STR("resolve") : AS_STR("trigger"),
        .title = as_alert_text_of(w->arena, alert).title,
        .error = AS_STR(""),
    };
    as_rc rc = as_alert_body(w->arena, sink, alert, &body, &err);
    post.body = as_buf_view(&body);
    const char *path;
    if (!rc) rc = as_spool_put(&w->spool, w->arena, &post, instead, &path, &err);
    as_buf_free(&body);
    *kept = !rc;
    if (!rc) remember(w, sink, alert, path);
    if (!rc) return;
    as_log_error("alert: '%.*s' is lost: %s", AS_STR_ARG(post.title), err.text);
    if (!w->first.rc) w->first = err;
}

static as_alert alert_of(work *w, const group *g, const as_firing *f, bool resolved) {
    as_alert alert = {
        .key = g->key,
        .resolved = resolved,
        .metric = g->metric,
        .slice = g->slice,
        .target = w->q->several_targets ? w->run->target_uri : AS_STR(""),
        .branch = w->run->git_branch,
        .severity = w->q->rules->severity,
        .link = w->link,
        .run = w->run,
        .checks = g->checks,
        .check_count = g->count,
        .since_ms = f->since_ms,
        .now_ms = w->now_ms,
        .since_run = f->since_run,
        .since_commit = f->since_commit,
        .good_run = f->good_run,
        .good_commit = f->good_commit,
    };
    if (!resolved) add_cases(w, &alert);
    return alert;
}

// One group, one sink: what changed since it was last told.
static void step(work *w, const group *g, const as_alert_sink *sink) {
    as_str id = as_alert_sink_id(w->arena, sink);
    as_firing *known = as_spool_find(&w->state, g->key, id);
    bool seeded = !known && !w->known && was_told(w, whom(w, sink, g->key));
    as_firing now = known ? *known : firing_of(w, g, sink);
    bool fired = known || seeded, kept;
    if (g->verdict == AS_FAIL) {
        // Alertmanager forgets what it is not told again; the others are told once.
        bool again = sink->kind == AS_ALERT_ALERTMANAGER;
        kept = true;
        if (!fired || again) {
            as_alert alert = alert_of(w, g, &now, false);
            put(w, sink, &alert, fired, &kept);
        }
        if (kept && !known) as_spool_add(&w->state, w->arena, &now);
    } else if (g->verdict == AS_PASS && fired) {
        as_alert alert = alert_of(w, g, &now, true);
        put(w, sink, &alert, false, &kept);
        if (kept && known) as_spool_drop(&w->state, known);
        if (!kept && !known) as_spool_add(&w->state, w->arena, &now); // said at the next run
    }
}

static const as_alert_sink *sink_of(const work *w, as_str id) {
    for (size_t i = 0; i < w->q->rules->sink_count; i++)
        if (same(as_alert_sink_id(w->arena, &w->q->rules->sinks[i]), id))
            return &w->q->rules->sinks[i];
    return NULL;
}

// What fires and no gate judges any more, or nobody is to be told of any more.
static void step_orphans(work *w, const as_map *keys) {
    for (size_t i = w->state.firing_count; i-- > 0;) {
        as_firing f = w->state.firing[i];
        uint64_t unused;
        if (!same(f.scope, w->scope)) continue;
        const as_alert_sink *sink = sink_of(w, f.sink);
        bool kept = true;
        if (sink && as_map_get(keys, f.key, &unused)) continue;
        if (sink) {
            group g = {f.metric, f.slice, f.key, NULL, 0, AS_PASS};
            as_alert alert = alert_of(w, &g, &f, true);
            put(w, sink, &alert, false, &kept);
        }
        if (kept) as_spool_drop(&w->state, &w->state.firing[i]);
    }
}

static void step_all(work *w) {
    const as_gate *gate = &w->run->gate;
    as_map keys = {0};
    for (size_t i = 0; i < gate->count; i++) {
        as_str key = key_of(w, gate->checks[i].metric, gate->checks[i].slice);
        if (!as_map_add(&keys, key, i, NULL)) continue;
        group g = group_of(w, gate->checks[i].metric, gate->checks[i].slice);
        for (size_t s = 0; s < w->q->rules->sink_count; s++) step(w, &g, &w->q->rules->sinks[s]);
    }
    step_orphans(w, &keys);
    as_map_free(&keys);
}

static as_rc judge(work *w, as_err *err) {
    as_rc rc = read_past(w, err);
    if (!rc) rc = as_spool_open(&w->spool, w->q->dir, err);
    if (rc) return rc;
    rc = as_spool_read(&w->spool, w->arena, &w->state, err);
    as_str seen = as_spool_seen_run(&w->state, w->scope);
    w->known = seen.len > 0;
    if (!rc && as_str_cmp(w->run->run, seen) < 0) {
        as_log_info("alert: the newer run %.*s was judged before this one: nothing is said",
                    AS_STR_ARG(seen));
    } else if (!rc) {
        step_all(w);
        as_spool_see(&w->state, w->arena, w->scope, w->run->run);
        rc = as_spool_write(&w->spool, &w->state, err);
    }
    as_spool_close(&w->spool);
    return rc;
}

// Builds of pull requests are for whoever opened them, whatever their branch is called.
static bool is_pull_request(void) {
    return as_str_starts(env("GITHUB_EVENT_NAME"), AS_STR("pull_request")) ||
           env("CI_MERGE_REQUEST_IID").len || env("CHANGE_ID").len;
}

static bool is_asked(const as_alert_rules *rules, as_str branch) {
    if (is_pull_request()) return false;
    for (size_t i = 0; i < rules->branch_count; i++)
        if (as_str_is(rules->branches[i], "*") || same(rules->branches[i], branch)) return true;
    return false;
}

as_rc as_alerts_after(as_arena *arena, const as_alerts_request *q, as_err *err) {
    as_str branch = q->run->git_branch, target = q->run->target_uri;
    work w = {.arena = arena, .q = q, .run = q->run, .now_ms = as_clock_wall_ms()};
    as_rc rc = AS_OK;
    w.scope = as_strf(arena, "%.*s%s%.*s", AS_STR_ARG(q->run->suite), branch.len ? " on " : "",
                      AS_STR_ARG(branch));
    if (q->several_targets)
        w.scope = as_strf(arena, "%.*s: %.*s", AS_STR_ARG(w.scope), AS_STR_ARG(target));
    if (!is_asked(q->rules, branch)) {
        as_log_debug("alert: nothing is said of branch '%.*s'", AS_STR_ARG(branch));
    } else if (q->measured) {
        w.link = link_of(&w);
        rc = judge(&w, err);
    }
    as_spool_tally tally;
    if (!rc) rc = as_spool_flush(q->dir, false, &tally, err);
    if (!rc) note_sent(&w);
    if (!rc && w.first.rc) {
        *err = w.first;
        rc = AS_UNMEASURED;
    }
    if (rc) {
        as_err_prefix(err, "alert");
        err->rc = rc = AS_UNMEASURED;
    }
    return rc;
}

const char *as_alerts_dir(as_arena *arena, as_str given) {
    return given.len ? as_str_copy(arena, given).ptr : AS_ALERTS_DIR;
}

// ---- before a run ----

as_alert as_alerts_sample(as_arena *arena, const as_suite *suite, bool resolved) {
    as_summary *run = AS_NEW(arena, as_summary);
    run->suite = suite->name;
    run->run = AS_STR("20260101T000000Z-000000");
    run->target_uri = AS_STR("mock:first");
    run->model_name = run->git_commit = run->git_branch = AS_STR("");
    as_alert alert = {
        .key = as_sha256_of(arena, as_strf(arena, "test of %.*s", AS_STR_ARG(suite->name))),
        .resolved = resolved,
        .test = true,
        .metric = AS_STR("accuracy"),
        .slice = AS_STR(""),
        .target = AS_STR(""),
        .branch = AS_STR("main"),
        .severity = suite->alert->severity,
        .link = build_link(arena),
        .run = run,
        .since_ms = as_clock_wall_ms(),
        .now_ms = as_clock_wall_ms(),
        .since_run = AS_STR(""),
        .since_commit = AS_STR(""),
        .good_run = AS_STR(""),
        .good_commit = AS_STR(""),
    };
    return alert;
}

void as_alerts_check(as_arena *arena, const as_suite *suite, as_buf *problems) {
    if (!suite->alert) return;
    as_alert alert = as_alerts_sample(arena, suite, false);
    as_check check = {.gate = AS_STR("accuracy >= 0.9"),
                      .metric = alert.metric,
                      .slice = AS_STR(""),
                      .value = 0.8,
                      .baseline = NAN,
                      .delta = NAN,
                      .limit = 0.9,
                      .ci = {NAN, NAN},
                      .p = NAN,
                      .mde = NAN,
                      .verdict = AS_FAIL,
                      .method = AS_STR("threshold"),
                      .note = AS_STR("")};
    as_str nasty = AS_STR("\"quoted\" \\ <!channel> </script>\n{{ x }} \xe2\x80\xae");
    alert.checks = &check;
    alert.check_count = 1;
    alert.case_count = alert.case_total = 1;
    alert.cases[0] = (as_alert_case){AS_STR("c-0001"), nasty, nasty, nasty, nasty};
    alert.test = false;
    for (size_t i = 0; i < suite->alert->sink_count; i++) {
        const as_alert_sink *sink = &suite->alert->sinks[i];
        as_err err = {0};
        as_url parts;
        as_buf body = {0};
        as_rc rc = sink->url.len ? as_url_parse(sink->url, &parts, &err) : AS_OK;
        if (rc) as_err_prefix(&err, "alert.to.url");
        if (!rc) rc = as_alert_body(arena, sink, &alert, &body, &err);
        if (rc) as_suite_problem(problems, suite, sink->line, sink->column, "%s", err.text);
        as_buf_free(&body);
    }
    as_err err = {0};
    as_url parts;
    as_str link;
    if (!suite->alert->link.len) return;
    as_rc rc = render_link(arena, suite->alert->link, alert.run, &link, &err);
    if (!rc) rc = as_url_parse(link, &parts, &err);
    if (rc)
        as_suite_problem(problems, suite, suite->alert->link_line, suite->alert->link_column,
                         "alert.link: %s", err.text);
}
