// SPDX-License-Identifier: Apache-2.0
#include "harness/record/redact.h"

#include <stdlib.h>

#include "harness/base/regex.h"
#include "harness/base/sha256.h"
#include "harness/base/utf8.h"

enum { FIELD_COUNT = 4, PATTERN_MAX = 64 };

static const char *const field_names[FIELD_COUNT + 1] = {"output", "prediction", "expected",
                                                         "error", NULL};

struct as_redact {
    unsigned fields; // replaced whole
    as_regex *patterns[PATTERN_MAX];
    size_t pattern_count;
};

static as_rc add_pattern(as_redact *redact, as_str rule, as_err *err) {
    if (redact->pattern_count == PATTERN_MAX)
        return as_fail(err, AS_INVALID, "--redact: more than %d patterns", PATTERN_MAX);
    as_rc rc = as_regex_new(as_str_sub(rule, 1, rule.len - 1), 0,
                            &redact->patterns[redact->pattern_count], err);
    if (rc)
        as_err_prefix(err, "--redact '%.*s'", AS_STR_ARG(rule));
    else
        redact->pattern_count++;
    return rc;
}

static as_rc add_field(as_redact *redact, as_str rule, as_err *err) {
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        if (!as_str_is(rule, field_names[i])) continue;
        redact->fields |= 1u << i;
        return AS_OK;
    }
    const char *near = as_str_nearest(rule, field_names);
    return as_fail(err, AS_INVALID,
                   "--redact '%.*s' is no field%s%s%s; there are output, prediction, expected, "
                   "error and /PATTERN/",
                   AS_STR_ARG(rule), near ? " (did you mean '" : "", near ? near : "",
                   near ? "'?)" : "");
}

as_rc as_redact_new(const as_str *rules, size_t count, as_redact **out, as_err *err) {
    as_redact *redact = as_mem_new(sizeof *redact);
    as_rc rc = AS_OK;
    for (size_t i = 0; !rc && i < count; i++) {
        as_str rule = rules[i];
        bool pattern = rule.len > 2 && rule.ptr[0] == '/' && rule.ptr[rule.len - 1] == '/';
        rc = pattern ? add_pattern(redact, rule, err) : add_field(redact, rule, err);
    }
    if (rc)
        as_redact_free(redact);
    else
        *out = redact;
    return rc;
}

void as_redact_free(as_redact *redact) {
    if (!redact) return;
    for (size_t i = 0; i < redact->pattern_count; i++) as_regex_free(redact->patterns[i]);
    free(redact);
}

static as_str hashed(as_arena *arena, as_str text) {
    return as_strf(arena, "sha256:%.*s", AS_STR_ARG(as_sha256_of(arena, text)));
}

// `text` without what the pattern matches. A text that takes the pattern too long is hidden whole:
// what cannot be searched cannot be shown.
static as_str without(as_arena *arena, const as_regex *pattern, as_str text) {
    as_str groups[AS_REGEX_GROUPS_MAX];
    as_buf out = {0};
    size_t from = 0, kept = 0;
    int found;
    while (from <= text.len && (found = as_regex_match(pattern, text, from, groups)) != 0) {
        if (found < 0) {
            as_buf_free(&out);
            return hashed(arena, text);
        }
        size_t start = (size_t)(groups[0].ptr - text.ptr), end = start + groups[0].len;
        if (groups[0].len) {
            as_buf_str(&out, as_str_sub(text, kept, start));
            as_buf_text(&out, "[redacted]");
            kept = from = end;
            continue;
        }
        from = end + 1; // an empty match hides nothing; go on at the next character
        while (from < text.len && ((unsigned char)text.ptr[from] & 0xc0) == 0x80) from++;
    }
    if (!kept) return text;
    as_buf_str(&out, as_str_sub(text, kept, text.len));
    as_str copy = as_str_copy(arena, as_buf_view(&out));
    as_buf_free(&out);
    return copy;
}

static bool redact_text(const as_redact *redact, bool whole, as_arena *arena, as_str *text) {
    if (!text->len) return false;
    as_str now = *text;
    if (whole) now = hashed(arena, now);
    for (size_t i = 0; !whole && i < redact->pattern_count; i++)
        now = without(arena, redact->patterns[i], i ? now : as_utf8_clean(arena, now));
    bool changed = !as_str_eq(now, *text);
    if (changed) *text = now;
    return changed;
}

// A copy of the value with its strings redacted; numbers too when the field is named.
static const as_json *redact_json(const as_redact *redact, bool whole, as_arena *arena,
                                  const as_json *from, bool *changed) {
    as_json *to = AS_NEW(arena, as_json);
    *to = *from;
    to->next = NULL;
    if (from->kind == AS_JSON_STRING) *changed |= redact_text(redact, whole, arena, &to->text);
    if (from->kind == AS_JSON_NUMBER && whole) {
        to->kind = AS_JSON_STRING;
        *changed |= redact_text(redact, true, arena, &to->text);
    }
    as_json **link = &to->child;
    for (const as_json *c = from->child; c; c = c->next) {
        // The copy is ours to link, whatever the const of its type says to readers.
        as_json *child = (as_json *)(uintptr_t)redact_json(redact, whole, arena, c, changed);
        *link = child;
        link = &child->next;
    }
    return to;
}

// A judge quotes what it judges: its texts are hidden where any of that is. The verdicts' values
// stay.
static bool redact_judged(const as_redact *redact, as_arena *arena, as_sample *sample) {
    const unsigned quoted = AS_REDACT_OUTPUT | AS_REDACT_PREDICTION | AS_REDACT_EXPECTED;
    as_judged *judged = AS_NEW_ARRAY(arena, as_judged, sample->judged_count + 1);
    bool changed = false;
    for (size_t i = 0; i < sample->judged_count; i++) {
        judged[i] = sample->judged[i];
        for (size_t k = 0; k < judged[i].count; k++) {
            as_judged_answer *a = &judged[i].answers[k];
            changed |= redact_text(redact, redact->fields & quoted, arena, &a->text);
            changed |= redact_text(redact, redact->fields & AS_REDACT_ERROR, arena, &a->error);
        }
    }
    sample->judged = judged;
    return changed;
}

// So does code of the suite, in its reasons.
static bool redact_checks(const as_redact *redact, as_arena *arena, as_sample *sample) {
    const unsigned quoted = AS_REDACT_OUTPUT | AS_REDACT_PREDICTION | AS_REDACT_EXPECTED;
    as_code_verdict *checks = AS_NEW_ARRAY(arena, as_code_verdict, sample->check_count + 1);
    bool changed = false;
    for (size_t i = 0; i < sample->check_count; i++) {
        checks[i] = sample->checks[i];
        changed |= redact_text(redact, redact->fields & quoted, arena, &checks[i].reason);
    }
    sample->checks = checks;
    return changed;
}

// What a server said of an attempt is an error's text.
static bool redact_tries(const as_redact *redact, as_arena *arena, as_sample *sample) {
    as_attempt *tries = AS_NEW_ARRAY(arena, as_attempt, sample->tries.count + 1);
    bool changed = false;
    for (size_t i = 0; i < sample->tries.count; i++) {
        tries[i] = sample->tries.items[i];
        changed |= redact_text(redact, redact->fields & AS_REDACT_ERROR, arena, &tries[i].error);
    }
    sample->tries.items = tries;
    return changed;
}

unsigned as_redact_apply(const as_redact *redact, as_arena *arena, as_sample *sample) {
    unsigned fields = redact->fields, changed = 0;
    if (redact_text(redact, fields & AS_REDACT_OUTPUT, arena, &sample->output))
        changed |= AS_REDACT_OUTPUT;
    if (redact_text(redact, fields & AS_REDACT_PREDICTION, arena, &sample->prediction))
        changed |= AS_REDACT_PREDICTION;
    if (redact_text(redact, fields & AS_REDACT_ERROR, arena, &sample->error))
        changed |= AS_REDACT_ERROR;
    if (redact_tries(redact, arena, sample)) changed |= AS_REDACT_ERROR;
    if (redact_judged(redact, arena, sample)) changed |= AS_REDACT_OUTPUT;
    if (redact_checks(redact, arena, sample)) changed |= AS_REDACT_OUTPUT;
    bool expected = false, details = false;
    const as_json *said =
        sample->details ? sample->details : as_sample_details_of(arena, sample->line);
    if (said) // these win over what stands on the line
        sample->details = redact_json(redact, fields & AS_REDACT_OUTPUT, arena, said, &details);
    if (details) changed |= AS_REDACT_OUTPUT;
    if (sample->expected)
        sample->expected =
            redact_json(redact, fields & AS_REDACT_EXPECTED, arena, sample->expected, &expected);
    return changed | (expected ? AS_REDACT_EXPECTED : 0);
}

as_str as_redact_names(as_arena *arena, unsigned fields) {
    as_str names = AS_STR("");
    for (unsigned i = 0; i < FIELD_COUNT; i++)
        if (fields & 1u << i)
            names = as_strf(arena, "%.*s%s%s", AS_STR_ARG(names), names.len ? ", " : "",
                            field_names[i]);
    return names;
}
