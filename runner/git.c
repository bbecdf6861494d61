// SPDX-License-Identifier: Apache-2.0
#include "runner/git.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/base/file.h"

enum { OUTPUT_MAX = 4096 };

extern char **environ;

// The standard output of a command, cut at OUTPUT_MAX; false when it failed or cannot be run.
static bool ask(as_arena *arena, char *const argv[], as_str *out) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) return false;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t pid;
    int failed = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    char bytes[OUTPUT_MAX];
    size_t len = 0;
    ssize_t got;
    while (!failed && (got = read(ends[0], bytes + len, sizeof bytes - len)) > 0)
        len += (size_t)got;
    close(ends[0]);
    if (failed) return false;
    int status;
    if (waitpid(pid, &status, 0) != pid) return false;
    *out = as_str_copy(arena, as_str_trim((as_str){bytes, len}));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

as_git as_git_here(as_arena *arena, const char *dir) {
    as_git git = {.commit = AS_STR(""), .branch = AS_STR("")};
    // argv of posix_spawn is not const: it gets copies.
    char *dir_arg = as_arena_take(arena, strlen(dir) + 1);
    memcpy(dir_arg, dir, strlen(dir));
    char git_name[] = "git", flag_c[] = "-C", rev[] = "rev-parse", head[] = "HEAD",
         symbolic[] = "symbolic-ref", quiet[] = "--quiet", shorter[] = "--short", diff[] = "diff";
    char *commit[] = {git_name, flag_c, dir_arg, rev, head, NULL};
    char *branch[] = {git_name, flag_c, dir_arg, symbolic, quiet, shorter, head, NULL};
    char *dirty[] = {git_name, flag_c, dir_arg, diff, quiet, head, NULL};
    as_str text;
    if (!ask(arena, commit, &git.commit)) {
        git.commit = AS_STR("");
        return git;
    }
    if (ask(arena, branch, &text)) git.branch = text;
    git.dirty = !ask(arena, dirty, &text);
    return git;
}

as_str as_git_path(as_arena *arena, const char *path) {
    char *whole = realpath(path, NULL);
    char *here = realpath(".", NULL);
    as_str full = as_str_of(whole ? whole : path), base = as_str_of(here), name = full;
    while (name.ptr && as_str_find(name, AS_STR("/"), 0) != SIZE_MAX) as_str_cut(&name, '/');
    bool below =
        base.len && as_str_starts(full, base) && full.len > base.len && full.ptr[base.len] == '/';
    as_str found = as_str_copy(arena, below ? as_str_sub(full, base.len + 1, full.len) : name);
    for (size_t at = full.len; at-- > 0;) {
        if (full.ptr[at] != '/') continue;
        as_str top = as_str_sub(full, 0, at);
        if (!as_file_exists(as_strf(arena, "%.*s/.git", AS_STR_ARG(top)).ptr)) continue;
        found = as_str_copy(arena, as_str_sub(full, at + 1, full.len));
        break;
    }
    free(whole);
    free(here);
    return found;
}
