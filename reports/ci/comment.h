// SPDX-License-Identifier: Apache-2.0
// comment.h - a run as a comment on a pull request that updates in place: its text, which existing
// comment it takes the place of, and how GitHub and GitLab are asked. Pure functions.
#ifndef AS_COMMENT_H
#define AS_COMMENT_H

#include "harness/base/json.h"
#include "harness/record/findings.h"

// "<!-- assay 0123456789abcdef -->": the hidden first line, of the suite's name.
as_str as_comment_marker(as_arena *arena, as_str suite);

// The marker and the Markdown of report.h: less than the 65,536 characters that GitHub takes.
void as_comment_text(as_buf *out, const as_summary *run, const as_summary *baseline,
                     const as_findings *findings);

// Where a comment goes, from what the build server says of itself.
typedef struct as_comment_place {
    as_str user_url; // who the token belongs to
    as_str list_url; // "…per_page=100&page=": a number follows
    as_str new_url;  // POST
    as_str one_url;  // "…/": an id follows
    const char *update;
    const char *login; // member of a user that is its identity
    const char *name;  // of the service
} as_comment_place;

enum { AS_COMMENT_PAGE = 100 };

// `repository` is "owner/name", `number` that of the pull request. AS_INVALID for what is neither.
as_rc as_comment_github(as_arena *arena, as_str api, as_str repository, as_str number,
                        as_comment_place *out, as_err *err) AS_MUST_USE;
as_rc as_comment_gitlab(as_arena *arena, as_str api, as_str project, as_str number,
                        as_comment_place *out, as_err *err) AS_MUST_USE;

// The number of the pull request: of GitHub's event if there is one, else of its ref
// (refs/pull/N/merge). Empty: none.
as_str as_comment_pull(const as_json *event, as_str ref);

// The comments of one page of the list that are ours: begin with the marker and were written by
// `self`, or, where a token does not say whose it is (self NULL), by a bot: what a person writes is
// never taken for ours. Writes up to `room` of them to `out` and returns how many.
size_t as_comment_ours(const as_json *page, const as_comment_place *place, const as_json *self,
                       as_str marker, const as_json **out, size_t room);

#endif
