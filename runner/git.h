// SPDX-License-Identifier: Apache-2.0
// git.h - which commit a run belongs to, asked of the git program. Everything is empty outside a
// repository or without git: that is no error.
#ifndef AS_GIT_H
#define AS_GIT_H

#include "harness/base/str.h"

typedef struct as_git {
    as_str commit, branch; // branch empty when detached
    bool dirty;            // tracked files differ from the commit
} as_git;

as_git as_git_here(as_arena *arena, const char *dir);

// A file's path from the top of the repository that holds it. Outside of one from the current
// directory, or its bare name when it is not below that: never an absolute path.
as_str as_git_path(as_arena *arena, const char *path);

#endif
