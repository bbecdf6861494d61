// SPDX-License-Identifier: Apache-2.0
#include "reports/ci/comment.h"

#include "harness/base/sha256.h"
#include "reports/report.h"

as_str as_comment_marker(as_arena *arena, as_str suite) {
    as_str hash = as_str_sub(as_sha256_of(arena, suite), 0, 16);
    return as_strf(arena, "<!-- assay %.*s -->", AS_STR_ARG(hash));
}

void as_comment_text(as_buf *out, const as_summary *run, const as_summary *baseline,
                     const as_findings *findings) {
    as_arena arena = {0};
    as_buf_str(out, as_comment_marker(&arena, run->suite));
    as_buf_char(out, '\n');
    as_report_markdown(out, run, baseline, findings);
    as_arena_free(&arena);
}

static bool is_number(as_str text) {
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9') return false;
    return text.len > 0 && text.len < 19;
}

// One segment of a path as GitHub names owners and repositories.
static bool is_name(as_str text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '_' || c == '.';
        if (!fits) return false;
    }
    return text.len > 0 && !as_str_is(text, ".") && !as_str_is(text, "..");
}

static as_str without_slash(as_str url) {
    while (url.len && url.ptr[url.len - 1] == '/') url.len--;
    return url;
}

as_rc as_comment_github(as_arena *arena, as_str api, as_str repository, as_str number,
                        as_comment_place *out, as_err *err) {
    as_str name = repository, owner = as_str_cut(&name, '/'), base = without_slash(api);
    if (!is_name(owner) || !is_name(name))
        return as_fail(err, AS_INVALID, "GITHUB_REPOSITORY is no OWNER/NAME: '%.*s'",
                       AS_STR_ARG(repository));
    if (!is_number(number))
        return as_fail(err, AS_INVALID,
                       "this is no build of a pull request: neither "
                       "GITHUB_EVENT_PATH nor GITHUB_REF names one");
    as_str repo = as_strf(arena, "%.*s/repos/%.*s", AS_STR_ARG(base), AS_STR_ARG(repository));
    as_str of = as_strf(arena, "%.*s/issues/%.*s/comments", AS_STR_ARG(repo), AS_STR_ARG(number));
    *out = (as_comment_place){
        .user_url = as_strf(arena, "%.*s/user", AS_STR_ARG(base)),
        .list_url = as_strf(arena, "%.*s?per_page=%d&page=", AS_STR_ARG(of), AS_COMMENT_PAGE),
        .new_url = of,
        .one_url = as_strf(arena, "%.*s/issues/comments/", AS_STR_ARG(repo)),
        .update = "PATCH",
        .login = "login",
        .name = "GitHub",
    };
    return AS_OK;
}

as_rc as_comment_gitlab(as_arena *arena, as_str api, as_str project, as_str number,
                        as_comment_place *out, as_err *err) {
    as_str base = without_slash(api);
    if (!is_number(project) || !is_number(number))
        return as_fail(err, AS_INVALID,
                       "this is no pipeline of a merge request: CI_PROJECT_ID and "
                       "CI_MERGE_REQUEST_IID are not set");
    as_str of = as_strf(arena, "%.*s/projects/%.*s/merge_requests/%.*s/notes", AS_STR_ARG(base),
                        AS_STR_ARG(project), AS_STR_ARG(number));
    *out = (as_comment_place){
        .user_url = as_strf(arena, "%.*s/user", AS_STR_ARG(base)),
        .list_url = as_strf(arena, "%.*s?sort=asc&order_by=created_at&per_page=%d&page=",
                            AS_STR_ARG(of), AS_COMMENT_PAGE),
        .new_url = of,
        .one_url = as_strf(arena, "%.*s/", AS_STR_ARG(of)),
        .update = "PUT",
        .login = "id",
        .name = "GitLab",
    };
    return AS_OK;
}

as_str as_comment_pull(const as_json *event, as_str ref) {
    const as_json *number = as_json_at(event, AS_STR("pull_request.number"));
    // A comment on a pull request is an event of an issue that has one.
    if (!number && as_json_at(event, AS_STR("issue.pull_request")))
        number = as_json_at(event, AS_STR("issue.number"));
    if (number && number->kind == AS_JSON_NUMBER) return number->text;
    as_str pull = AS_STR("refs/pull/");
    if (!as_str_starts(ref, pull)) return AS_STR("");
    as_str rest = as_str_sub(ref, pull.len, ref.len);
    return as_str_cut(&rest, '/');
}

static bool is_self(const as_json *comment, const as_comment_place *place, const as_json *self) {
    const as_json *author = as_json_get(comment, "user"); // GitHub
    if (!author) author = as_json_get(comment, "author"); // GitLab
    if (!self) return as_str_is(as_json_str(author, "type", AS_STR("")), "Bot");
    const as_json *a = as_json_get(author, place->login), *b = as_json_get(self, place->login);
    return a && b && a->text.len && as_str_eq(a->text, b->text);
}

size_t as_comment_ours(const as_json *page, const as_comment_place *place, const as_json *self,
                       as_str marker, const as_json **out, size_t room) {
    size_t count = 0;
    for (const as_json *c = page->child; c && count < room; c = c->next) {
        const as_json *id = as_json_get(c, "id");
        if (!as_str_starts(as_json_str(c, "body", AS_STR("")), marker)) continue;
        if (!id || id->kind != AS_JSON_NUMBER || !is_number(id->text)) continue;
        if (is_self(c, place, self)) out[count++] = c;
    }
    return count;
}
