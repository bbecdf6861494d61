// SPDX-License-Identifier: Apache-2.0
#include "harness/base/sha256.h"
#include "reports/ci/ci_parts.h"
#include "reports/content.h"
#include "reports/phrase.h"

const char *const as_ci_kind_names[AS_CI_KINDS] = {"gate", "case-broke", "case-fails"};

typedef struct list {
    as_arena *arena;
    const as_summary *run;
    as_str suite_file;
    as_ci_finding *items;
    size_t count, most;
    as_buf text;
} list;

// Of suite, kind and name alone: the same finding of the next run is the same to the server.
static as_str fingerprint_of(list *l, as_ci_kind kind, as_str name) {
    as_str parts[] = {l->run->suite, as_str_of(as_ci_kind_names[kind]), name};
    as_sha256 sha;
    char hex[65];
    as_sha256_init(&sha);
    for (size_t i = 0; i < 3; i++) {
        as_sha256_add(&sha, parts[i].ptr, parts[i].len);
        as_sha256_add(&sha, "", 1);
    }
    as_sha256_hex(&sha, hex);
    return as_str_copy(l->arena, (as_str){hex, 64});
}

static void add(list *l, as_ci_kind kind, as_verdict verdict, as_str name, as_str file,
                size_t line) {
    l->items[l->count++] = (as_ci_finding){
        .kind = kind,
        .verdict = verdict,
        .file = file.len && line ? file : l->suite_file,
        .line = file.len && line ? line : 1,
        .text = as_str_copy(l->arena, as_buf_view(&l->text)),
        .fingerprint = fingerprint_of(l, kind, name),
    };
    as_buf_clear(&l->text);
}

static void add_checks(list *l, as_verdict verdict) {
    for (size_t i = 0; i < l->run->gate.count && l->count < l->most; i++) {
        const as_check *check = &l->run->gate.checks[i];
        if (check->verdict != verdict) continue;
        as_content_plain(&l->text, l->run->suite, AS_CLIP_NAME);
        as_buff(&l->text, ": gate %s: ", as_phrase_check(verdict));
        as_content_plain(&l->text, check->gate, AS_CLIP_NAME);
        as_buf_text(&l->text, ": ");
        as_phrase_reason(&l->text, l->run, check);
        add(l, AS_CI_GATE, verdict, check->gate, AS_STR(""), 0);
    }
}

static void put_answer(as_buf *out, as_str answer) {
    if (answer.len) {
        as_buf_char(out, '"');
        as_content_plain(out, answer, AS_CLIP_NAME);
        as_buf_char(out, '"');
    } else {
        as_buf_text(out, "nothing");
    }
}

static void add_broken(list *l, const as_findings *f) {
    for (size_t i = 0; i < f->flip_count && l->count < l->most; i++) {
        const as_flip *flip = &f->flips[i];
        if (flip->after_score >= flip->before_score) continue;
        as_buf_text(&l->text, "case ");
        as_content_plain(&l->text, flip->id, AS_CLIP_NAME);
        as_buf_text(&l->text, " broke: expected ");
        put_answer(&l->text, flip->expected);
        as_buf_text(&l->text, ", the baseline gave ");
        put_answer(&l->text, flip->before);
        as_buf_text(&l->text, ", this run ");
        put_answer(&l->text, flip->after);
        add(l, AS_CI_BROKE, AS_FAIL, flip->id, flip->file, flip->line);
    }
}

static void add_failing(list *l, const as_findings *f) {
    for (size_t i = 0; i < f->failure_count && l->count < l->most; i++) {
        const as_failure *failure = &f->failures[i];
        bool broke = false;
        for (size_t k = 0; k < f->flip_count && !broke; k++)
            broke = as_str_eq(f->flips[k].id, failure->id);
        if (broke) continue;
        as_buf_text(&l->text, "case ");
        as_content_plain(&l->text, failure->id, AS_CLIP_NAME);
        as_buf_text(&l->text, " fails: expected ");
        put_answer(&l->text, failure->expected);
        as_buf_text(&l->text, ", got ");
        if (as_outcome_is_error(failure->outcome))
            as_buf_text(&l->text, as_outcome_name(failure->outcome));
        else
            put_answer(&l->text, failure->prediction);
        add(l, AS_CI_FAILS, AS_FAIL, failure->id, failure->file, failure->line);
    }
}

size_t as_ci_findings(as_arena *arena, const as_summary *run, const as_findings *findings,
                      as_str suite_file, size_t most, as_ci_finding **out) {
    list l = {.arena = arena, .run = run, .suite_file = suite_file};
    size_t all = run->gate.count;
    if (findings) all += findings->flip_count + findings->failure_count;
    l.most = all < most ? all : most;
    l.items = AS_NEW_ARRAY(arena, as_ci_finding, l.most);
    if (!l.suite_file.len) l.suite_file = AS_STR("suite.yaml");
    add_checks(&l, AS_FAIL);
    add_checks(&l, AS_UNMEASURABLE);
    add_checks(&l, AS_UNDECIDED);
    if (findings) add_broken(&l, findings);
    if (findings) add_failing(&l, findings);
    as_buf_free(&l.text);
    *out = l.items;
    return l.count;
}
