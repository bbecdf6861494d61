// SPDX-License-Identifier: Apache-2.0
// alert: in a suite file: who is told, for which branches.
#include <stdlib.h>

#include "harness/base/file.h"
#include "harness/base/jinja.h"
#include "harness/suite/suite_read.h"

enum { SINKS_MAX = 32, TIMEOUT_S = 10, TIMEOUT_S_MAX = 120 };

static void read_later(as_suite_loader *l, const as_yaml *v) { // by whoever knows the whole map
    (void)l;
    (void)v;
}

// A string that is not empty, or empty where the key is missing or wrong.
static as_str text_at(as_suite_loader *l, const as_yaml *map, const char *key) {
    const as_yaml *v = as_yaml_get(map, key);
    if (!v || v->kind != AS_YAML_STRING) return AS_STR("");
    if (!as_str_trim(v->text).len) as_suite_read_problem(l, v, "alert.to.%s is empty", key);
    return v->text;
}

static as_str path_at(as_suite_loader *l, const as_yaml *map, const char *key) {
    as_str name = text_at(l, map, key);
    return name.len ? as_path_join(l->arena, l->suite->dir, name) : name;
}

static void check_template(as_suite_loader *l, const as_yaml *v, const char *what) {
    const as_jinja *unused;
    as_err err = {0};
    if (as_jinja_parse(l->arena, v->text, &unused, &err))
        as_suite_read_problem(l, v, "%s: %s", what, err.text);
}

static bool is_label(as_str name) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9')) return false;
    }
    return name.len > 0;
}

// What assay says itself, and what is no name of a label or header.
static void check_pair_name(as_suite_loader *l, const as_yaml *v, bool label) {
    static const char *const ours[] = {"alertname", "suite",    "metric", "slice",
                                       "branch",    "severity", "target", NULL};
    for (size_t i = 0; label && ours[i]; i++)
        if (as_str_is(v->key, ours[i]))
            as_suite_read_problem(l, v, "alert.to.labels: '%s' is set by assay", ours[i]);
    if (label && !is_label(v->key))
        as_suite_read_problem(l, v,
                              "alert.to.labels: '%.*s' is no name of a label: letters, digits and "
                              "'_', no digit first",
                              AS_STR_ARG(as_str_sub(v->key, 0, 60)));
    if (label) return;
    bool secret = as_str_is(v->key, "Authorization") || as_str_is(v->key, "authorization");
    if (secret)
        as_suite_read_problem(l, v,
                              "alert.to.headers: keys are not written into suites; use key_env "
                              "or key_file, and auth");
    for (size_t i = 0; i < v->key.len; i++) {
        char c = v->key.ptr[i];
        if (c > ' ' && c < 0x7f && c != ':') continue;
        as_suite_read_problem(l, v, "alert.to.headers: '%.*s' is no name of a header",
                              AS_STR_ARG(as_str_sub(v->key, 0, 60)));
        return;
    }
}

static void read_pairs(as_suite_loader *l, const as_yaml *map, const char *key, bool label,
                       as_alert_sink *sink) {
    const as_yaml *list = as_yaml_get(map, key);
    if (!list || list->kind != AS_YAML_MAP) return;
    as_alert_pair *pairs = AS_NEW_ARRAY(l->arena, as_alert_pair, list->count + 1);
    for (const as_yaml *v = list->child; v; v = v->next) {
        check_pair_name(l, v, label);
        if (!as_suite_read_kind(l, v, label ? "a label" : "a header", AS_SUITE_SCALAR)) continue;
        bool line = as_str_find(v->text, AS_STR("\n"), 0) == SIZE_MAX &&
                    as_str_find(v->text, AS_STR("\r"), 0) == SIZE_MAX;
        if (!label && !line) as_suite_read_problem(l, v, "a header is one line");
        pairs[sink->pair_count++] = (as_alert_pair){v->key, v->text};
    }
    sink->pairs = pairs;
}

static void only_for(as_suite_loader *l, const as_yaml *map, const char *key, as_alert_kind kind,
                     as_alert_kind has) {
    const as_yaml *v = as_yaml_get(map, key);
    if (v && kind != has)
        as_suite_problem(l->problems, l->suite, v->key_line, v->key_column,
                         "'%s' has no meaning with type '%s'; only '%s' reads it", key,
                         as_alert_kind_names[kind], as_alert_kind_names[has]);
}

static void check_where(as_suite_loader *l, const as_yaml *map, const as_alert_sink *sink) {
    size_t ways = !!sink->url.len + (size_t) !!sink->url_env.len + !!sink->url_file.len;
    size_t keys = !!sink->key_env.len + (size_t) !!sink->key_file.len;
    const char *name = as_alert_kind_names[sink->kind];
    if (ways > 1)
        as_suite_read_problem(l, map, "alert.to: one of url, url_env and url_file, not %zu", ways);
    if (!ways && sink->kind != AS_ALERT_PAGERDUTY)
        as_suite_read_problem(l, map, "alert.to: type '%s' needs url, url_env or url_file", name);
    if (keys > 1) as_suite_read_problem(l, map, "alert.to: key_env or key_file, not both");
    if (!keys && sink->kind == AS_ALERT_PAGERDUTY)
        as_suite_read_problem(l, map,
                              "alert.to: type 'pagerduty' needs key_env or key_file: the "
                              "routing key");
    if (keys && sink->kind == AS_ALERT_SLACK)
        as_suite_read_problem(l, map,
                              "alert.to: type 'slack' has no key but a secret URL: say "
                              "url_env or url_file");
    bool http =
        as_str_starts(sink->url, AS_STR("http://")) || as_str_starts(sink->url, AS_STR("https://"));
    if (sink->url.len && !http)
        as_suite_read_problem(l, as_yaml_get(map, "url"),
                              "alert.to.url must begin with http:// or https://, not '%.*s'",
                              AS_STR_ARG(as_str_sub(sink->url, 0, 60)));
}

static void check_auth(as_suite_loader *l, const as_yaml *map, as_alert_sink *sink) {
    const as_yaml *v = as_yaml_get(map, "auth");
    if (!v || v->kind != AS_YAML_STRING) return;
    as_str rest = v->text, word = as_str_cut(&rest, ':');
    bool fits = as_str_is(v->text, "bearer") || as_str_is(v->text, "basic") ||
                (as_str_is(word, "header") && rest.len);
    if (fits)
        sink->auth = v->text;
    else
        as_suite_read_problem(l, v, "alert.to.auth is bearer, basic or header:NAME, not '%.*s'",
                              AS_STR_ARG(as_str_sub(v->text, 0, 60)));
}

static bool read_sink(as_suite_loader *l, const as_yaml *map, as_alert_sink *sink) {
    static const as_suite_key keys[] = {{"type", AS_SUITE_STRING, true, read_later},
                                        {"url", AS_SUITE_STRING, false, read_later},
                                        {"url_env", AS_SUITE_STRING, false, read_later},
                                        {"url_file", AS_SUITE_STRING, false, read_later},
                                        {"key_env", AS_SUITE_STRING, false, read_later},
                                        {"key_file", AS_SUITE_STRING, false, read_later},
                                        {"auth", AS_SUITE_STRING, false, read_later},
                                        {"ca_file", AS_SUITE_STRING, false, read_later},
                                        {"timeout", AS_SUITE_NUMBER, false, read_later},
                                        {"labels", AS_SUITE_MAP, false, read_later},
                                        {"headers", AS_SUITE_MAP, false, read_later},
                                        {"body", AS_SUITE_STRING, false, read_later},
                                        {NULL, 0, false, NULL}};
    if (!as_suite_read_kind(l, map, "an element of alert.to", AS_SUITE_MAP)) return false;
    as_suite_read_map(l, map, "alert.to", keys);
    const as_yaml *type = as_yaml_get(map, "type"), *body = as_yaml_get(map, "body");
    if (!type || type->kind != AS_YAML_STRING) return false;
    size_t kind = as_suite_read_word(l, type, "alert.to.type", as_alert_kind_names);
    if (kind == SIZE_MAX) return false;
    *sink = (as_alert_sink){
        .kind = (as_alert_kind)kind,
        .url = text_at(l, map, "url"),
        .url_env = text_at(l, map, "url_env"),
        .url_file = path_at(l, map, "url_file"),
        .key_env = text_at(l, map, "key_env"),
        .key_file = path_at(l, map, "key_file"),
        .auth = AS_STR("bearer"),
        .ca_file = path_at(l, map, "ca_file"),
        .timeout_s = TIMEOUT_S,
        .body = text_at(l, map, "body"),
        .line = map->line,
        .column = map->column,
    };
    const as_yaml *timeout = as_yaml_get(map, "timeout");
    if (timeout && timeout->kind == AS_YAML_NUMBER)
        as_suite_read_count(l, timeout, "alert.to.timeout", 1, TIMEOUT_S_MAX, &sink->timeout_s);
    check_where(l, map, sink);
    check_auth(l, map, sink);
    only_for(l, map, "labels", sink->kind, AS_ALERT_ALERTMANAGER);
    only_for(l, map, "headers", sink->kind, AS_ALERT_WEBHOOK);
    only_for(l, map, "body", sink->kind, AS_ALERT_WEBHOOK);
    if (sink->kind == AS_ALERT_ALERTMANAGER) read_pairs(l, map, "labels", true, sink);
    if (sink->kind == AS_ALERT_WEBHOOK) read_pairs(l, map, "headers", false, sink);
    if (sink->body.len) check_template(l, body, "alert.to.body");
    return true;
}

static void read_sinks(as_suite_loader *l, const as_yaml *to, as_alert_rules *rules) {
    if (!to || !(AS_SUITE_KIND(to->kind) & (AS_SUITE_LIST | AS_SUITE_MAP))) return;
    bool list = to->kind == AS_YAML_LIST;
    size_t count = list ? to->count : 1;
    if (!count || count > SINKS_MAX) {
        as_suite_read_problem(l, to, "alert.to has %zu elements, not 1 to %d", count, SINKS_MAX);
        return;
    }
    as_alert_sink *sinks = AS_NEW_ARRAY(l->arena, as_alert_sink, count);
    for (const as_yaml *v = list ? to->child : to; v; v = list ? v->next : NULL)
        if (read_sink(l, v, &sinks[rules->sink_count])) rules->sink_count++;
    rules->sinks = sinks;
}

void as_suite_read_alert(as_suite_loader *l, const as_yaml *v) {
    static const as_suite_key keys[] = {
        {"to", AS_SUITE_LIST | AS_SUITE_MAP, true, read_later},
        {"branches", AS_SUITE_STRING | AS_SUITE_LIST, false, read_later},
        {"severity", AS_SUITE_STRING, false, read_later},
        {"link", AS_SUITE_STRING, false, read_later},
        {"cases", AS_SUITE_STRING, false, read_later},
        {NULL, 0, false, NULL}};
    static const char *const severities[] = {"critical", "error", "warning", "info", NULL};
    static const as_str only_main[] = {{"main", 4}};
    as_suite_read_map(l, v, "alert", keys);
    as_alert_rules *rules = AS_NEW(l->arena, as_alert_rules);
    *rules = (as_alert_rules){
        .branches = only_main, .branch_count = 1, .severity = AS_STR("error"), .link = AS_STR("")};
    read_sinks(l, as_yaml_get(v, "to"), rules);
    const as_yaml *branches = as_yaml_get(v, "branches");
    if (branches && (AS_SUITE_KIND(branches->kind) & (AS_SUITE_STRING | AS_SUITE_LIST)))
        rules->branches = as_suite_read_names(l, branches, "alert.branches", AS_SUITE_SCALAR,
                                              &rules->branch_count);
    const as_yaml *severity = as_yaml_get(v, "severity");
    if (severity && severity->kind == AS_YAML_STRING) {
        size_t which = as_suite_read_word(l, severity, "alert.severity", severities);
        if (which != SIZE_MAX) rules->severity = as_str_of(severities[which]);
    }
    static const char *const amounts[] = {"full", "ids", NULL};
    const as_yaml *cases = as_yaml_get(v, "cases");
    if (cases && cases->kind == AS_YAML_STRING)
        rules->ids_only = as_suite_read_word(l, cases, "alert.cases", amounts) == 1;
    const as_yaml *link = as_yaml_get(v, "link");
    if (link && link->kind == AS_YAML_STRING) {
        check_template(l, link, "alert.link");
        rules->link = link->text;
        rules->link_line = link->line;
        rules->link_column = link->column;
    }
    l->suite->alert = rules;
}
