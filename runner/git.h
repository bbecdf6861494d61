// SPDX-License-Identifier: Apache-2.0
// git.h - which commit a run belongs to, asked of the git program. Everything is empty outside a
// repository or without git: that is no error.
#ifndef AS_GIT_H
#define AS_GIT_H

#include "harness/base/err.h"
#include "harness/base/str.h"

typedef struct as_git {
    as_str commit, branch; // when detached that of the build server; else empty
    bool dirty;            // tracked files differ from the commit
} as_git;

as_git as_git_here(as_arena *arena, const char *dir);

// A file's path from the top of the repository that holds it. Outside of one from the current
// directory, or its bare name when it is not below that: never an absolute path.
as_str as_git_path(as_arena *arena, const char *path);

// "Name <address>" of git's configuration, else the login name; "unknown" without either.
as_str as_git_who(as_arena *arena, const char *dir);

// The commit where HEAD left `branch` (empty: the remote's default branch, else main or master) and
// the AS_GIT_ANCESTORS_MAX before it on that branch, newest first, comma-separated.
enum { AS_GIT_ANCESTORS_MAX = 50 };
as_rc as_git_merge_base(as_arena *arena, const char *dir, as_str branch, as_str *out,
                        as_err *err) AS_MUST_USE;

#endif
