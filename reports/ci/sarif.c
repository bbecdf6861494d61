// SPDX-License-Identifier: Apache-2.0
// SARIF 2.1.0 (OASIS) and GitLab's Code Quality report (the Code Climate subset it reads).
#include <stdio.h>

#include "harness/base/json.h"
#include "reports/ci/ci.h"
#include "reports/ci/ci_parts.h"
#include "reports/content.h"

enum { RESULTS_MAX = 5000 };

// A sentence in SARIF may hold links: brackets and backslashes of content are escaped.
static void put_message(as_json_out *out, as_str text) {
    as_buf escaped = {0};
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '[' || c == ']' || c == '\\') as_buf_char(&escaped, '\\');
        as_buf_char(&escaped, c);
    }
    as_jo_key(out, "text");
    as_jo_str(out, as_buf_view(&escaped));
    as_buf_free(&escaped);
}

// A path as the path of a URI.
void as_ci_uri(as_buf *uri, as_str path) {
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '.' || c == '~' || c == '/';
        as_buff(uri, plain ? "%c" : "%%%02X", c);
    }
}

static void put_uri(as_json_out *out, as_str path) {
    as_buf uri = {0};
    as_ci_uri(&uri, path);
    as_jo_key(out, "uri");
    as_jo_str(out, as_buf_view(&uri));
    as_buf_free(&uri);
}

static void put_rule(as_json_out *out, as_ci_kind kind) {
    static const char *const texts[] = {"A gate of the suite does not hold",
                                        "A case that the baseline got right is wrong",
                                        "A golden case is answered wrongly or not at all"};
    static const char *const levels[] = {"error", "warning", "note"};
    as_jo_open(out, '{');
    as_jo_key(out, "id");
    as_jo_str(out, as_str_of(as_ci_kind_names[kind]));
    as_jo_key(out, "shortDescription");
    as_jo_open(out, '{');
    as_jo_key(out, "text");
    as_jo_str(out, as_str_of(texts[kind]));
    as_jo_close(out, '}');
    as_jo_key(out, "defaultConfiguration");
    as_jo_open(out, '{');
    as_jo_key(out, "level");
    as_jo_str(out, as_str_of(levels[kind]));
    as_jo_close(out, '}');
    as_jo_close(out, '}');
}

static const char *level_of(const as_ci_finding *f) {
    if (f->kind == AS_CI_GATE) return f->verdict == AS_UNDECIDED ? "warning" : "error";
    return f->kind == AS_CI_BROKE ? "warning" : "note";
}

static void put_location(as_json_out *out, const as_ci_finding *f) {
    as_jo_key(out, "locations");
    as_jo_open(out, '[');
    as_jo_open(out, '{');
    as_jo_key(out, "physicalLocation");
    as_jo_open(out, '{');
    as_jo_key(out, "artifactLocation");
    as_jo_open(out, '{');
    put_uri(out, f->file);
    as_jo_close(out, '}');
    as_jo_key(out, "region");
    as_jo_open(out, '{');
    as_jo_key(out, "startLine");
    as_jo_i64(out, (int64_t)f->line);
    as_jo_close(out, '}');
    as_jo_close(out, '}');
    as_jo_close(out, '}');
    as_jo_close(out, ']');
}

static void put_result(as_json_out *out, const as_ci_finding *f) {
    as_jo_open(out, '{');
    as_jo_key(out, "ruleId");
    as_jo_str(out, as_str_of(as_ci_kind_names[f->kind]));
    as_jo_key(out, "ruleIndex");
    as_jo_i64(out, f->kind);
    as_jo_key(out, "level");
    as_jo_str(out, as_str_of(level_of(f)));
    as_jo_key(out, "message");
    as_jo_open(out, '{');
    put_message(out, f->text);
    as_jo_close(out, '}');
    put_location(out, f);
    as_jo_key(out, "partialFingerprints"); // GitHub looks at primaryLocationLineHash alone
    as_jo_open(out, '{');
    as_jo_key(out, "primaryLocationLineHash");
    as_jo_str(out, f->fingerprint);
    as_jo_key(out, "assayFinding/v1");
    as_jo_str(out, f->fingerprint);
    as_jo_close(out, '}');
    as_jo_close(out, '}');
}

void as_ci_sarif(as_buf *buf, const as_summary *run, const as_findings *findings,
                 as_str suite_file) {
    as_arena arena = {0};
    as_ci_finding *items;
    size_t count = as_ci_findings(&arena, run, findings, suite_file, RESULTS_MAX, &items);
    as_json_out o = {.buf = buf, .indent = 1}, *out = &o;
    as_jo_open(out, '{');
    as_jo_key(out, "$schema");
    as_jo_str(out, AS_STR("https://json.schemastore.org/sarif-2.1.0.json"));
    as_jo_key(out, "version");
    as_jo_str(out, AS_STR("2.1.0"));
    as_jo_key(out, "runs");
    as_jo_open(out, '[');
    as_jo_open(out, '{');
    as_jo_key(out, "tool");
    as_jo_open(out, '{');
    as_jo_key(out, "driver");
    as_jo_open(out, '{');
    as_jo_key(out, "name");
    as_jo_str(out, AS_STR("assay"));
    as_jo_key(out, "rules");
    as_jo_open(out, '[');
    for (int kind = 0; kind < AS_CI_KINDS; kind++) put_rule(out, (as_ci_kind)kind);
    as_jo_close(out, ']');
    as_jo_close(out, '}');
    as_jo_close(out, '}');
    as_jo_key(out, "automationDetails"); // results of two suites stand beside each other
    as_jo_open(out, '{');
    as_jo_key(out, "id");
    as_buf id = {0};
    as_buf_text(&id, "assay/");
    as_content_plain(&id, run->suite, AS_CLIP_NAME);
    as_buf_char(&id, '/');
    as_jo_str(out, as_buf_view(&id));
    as_buf_free(&id);
    as_jo_close(out, '}');
    as_jo_key(out, "columnKind");
    as_jo_str(out, AS_STR("unicodeCodePoints"));
    as_jo_key(out, "results");
    as_jo_open(out, '[');
    for (size_t i = 0; i < count; i++) put_result(out, &items[i]);
    as_jo_close(out, ']');
    as_jo_close(out, '}');
    as_jo_close(out, ']');
    as_jo_close(out, '}');
    as_buf_char(buf, '\n');
    as_arena_free(&arena);
}

void as_ci_codequality(as_buf *buf, const as_summary *run, const as_findings *findings,
                       as_str suite_file) {
    static const char *const severities[] = {"critical", "major", "info"};
    as_arena arena = {0};
    as_ci_finding *items;
    size_t count = as_ci_findings(&arena, run, findings, suite_file, RESULTS_MAX, &items);
    as_json_out o = {.buf = buf, .indent = 1}, *out = &o;
    as_jo_open(out, '[');
    for (size_t i = 0; i < count; i++) {
        const as_ci_finding *f = &items[i];
        bool undecided = f->kind == AS_CI_GATE && f->verdict == AS_UNDECIDED;
        as_jo_open(out, '{');
        as_jo_key(out, "description");
        as_jo_str(out, f->text);
        as_jo_key(out, "check_name");
        as_jo_str(out, as_str_of(as_ci_kind_names[f->kind]));
        as_jo_key(out, "fingerprint");
        as_jo_str(out, f->fingerprint);
        as_jo_key(out, "severity");
        as_jo_str(out, as_str_of(undecided ? "minor" : severities[f->kind]));
        as_jo_key(out, "location");
        as_jo_open(out, '{');
        as_jo_key(out, "path");
        as_jo_str(out, f->file);
        as_jo_key(out, "lines");
        as_jo_open(out, '{');
        as_jo_key(out, "begin");
        as_jo_i64(out, (int64_t)f->line);
        as_jo_close(out, '}');
        as_jo_close(out, '}');
        as_jo_close(out, '}');
    }
    as_jo_close(out, ']');
    as_buf_char(buf, '\n');
    as_arena_free(&arena);
}
