// SPDX-License-Identifier: Apache-2.0
#include "runner/git.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/base/child.h"
#include "harness/base/clock.h"
#include "harness/base/file.h"

enum { OUTPUT_MAX = 4096, LIMIT_S = 60 };

// The standard output of a command; false when it failed, said too much or cannot be run.
static bool ask(as_arena *arena, const char *const *argv, as_str *out) {
    uint64_t until_ns = as_clock_ns() + LIMIT_S * UINT64_C(1000000000);
    as_child child;
    as_err ignored;
    if (as_child_new(&(as_child_start){.argv = argv, .quiet = true}, &child, &ignored))
        return false;
    as_buf text = {0};
    as_child_talk talk = as_child_exchange(&child, AS_STR(""), until_ns, OUTPUT_MAX, &text);
    int status = talk ? as_child_stop(&child, 0) : as_child_wait(&child, until_ns, NULL);
    *out = as_str_copy(arena, as_str_trim(as_buf_view(&text)));
    as_buf_free(&text);
    return !talk && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// The branch that a build server checked out, where it left HEAD detached. That of a pull request
// is none: its name is chosen by whoever opened it.
static as_str branch_of_build(as_arena *arena) {
    as_str ref = as_str_of(getenv("GITHUB_REF")), heads = AS_STR("refs/heads/");
    as_str event = as_str_of(getenv("GITHUB_EVENT_NAME")); // pull_request_target has the base's ref
    if (as_str_starts(event, AS_STR("pull_request"))) return AS_STR("");
    as_str name = as_str_starts(ref, heads) ? as_str_sub(ref, heads.len, ref.len) : AS_STR("");
    if (!name.len) name = as_str_of(getenv("CI_COMMIT_BRANCH"));
    if (!name.len && !getenv("CHANGE_ID")) name = as_str_of(getenv("BRANCH_NAME"));
    return as_str_copy(arena, name);
}

as_git as_git_here(as_arena *arena, const char *dir) {
    as_git git = {.commit = AS_STR(""), .branch = AS_STR("")};
    const char *commit[] = {"git", "-C", dir, "rev-parse", "HEAD", NULL};
    const char *branch[] = {"git", "-C", dir, "symbolic-ref", "--quiet", "--short", "HEAD", NULL};
    const char *dirty[] = {"git", "-C", dir, "diff", "--quiet", "HEAD", NULL};
    as_str text;
    if (!ask(arena, commit, &git.commit)) {
        git.commit = AS_STR("");
        return git;
    }
    git.branch = ask(arena, branch, &text) ? text : branch_of_build(arena);
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

// git -C dir WORD...; the words are separated by spaces, `last` may be empty.
static bool ask_git(as_arena *arena, const char *dir, const char *words, as_str last, as_str *out) {
    const char *argv[12] = {"git", "-C", dir};
    size_t count = 3;
    as_str rest = as_str_of(words);
    while (rest.ptr && count < 10) argv[count++] = as_str_copy(arena, as_str_cut(&rest, ' ')).ptr;
    if (last.len) argv[count++] = as_str_copy(arena, last).ptr;
    return ask(arena, argv, out);
}

as_str as_git_who(as_arena *arena, const char *dir) {
    as_str name, address;
    bool named = ask_git(arena, dir, "config user.name", AS_STR(""), &name) && name.len;
    if (named && ask_git(arena, dir, "config user.email", AS_STR(""), &address) && address.len)
        return as_strf(arena, "%.*s <%.*s>", AS_STR_ARG(name), AS_STR_ARG(address));
    if (named) return name;
    const struct passwd *user = getpwuid(getuid());
    return user ? as_str_copy(arena, as_str_of(user->pw_name)) : AS_STR("unknown");
}

// The branch that others leave from, as this clone names it.
static as_str default_branch(as_arena *arena, const char *dir) {
    static const char *const names[] = {"origin/main", "origin/master", "main", "master"};
    as_str found;
    if (ask_git(arena, dir, "symbolic-ref --quiet --short refs/remotes/origin/HEAD", AS_STR(""),
                &found))
        return found;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (ask_git(arena, dir, "rev-parse --verify --quiet", as_str_of(names[i]), &found))
            return as_str_of(names[i]);
    return AS_STR("");
}

as_rc as_git_merge_base(as_arena *arena, const char *dir, as_str branch, as_str *out, as_err *err) {
    if (!branch.len) branch = default_branch(arena, dir);
    if (!branch.len)
        return as_fail(err, AS_INVALID,
                       "baseline merge-base: '%s' is in no git repository with a branch main or "
                       "master; name one: merge-base:BRANCH",
                       dir);
    as_str base, list;
    if (branch.ptr[0] == '-' || !ask_git(arena, dir, "merge-base HEAD", branch, &base))
        return as_fail(err, AS_INVALID,
                       "baseline merge-base: git finds no commit that HEAD and '%.*s' share (a "
                       "shallow clone has none: fetch the history)",
                       AS_STR_ARG(branch));
    as_str words = as_strf(arena, "rev-list --first-parent --max-count=%d", AS_GIT_ANCESTORS_MAX);
    if (!ask_git(arena, dir, words.ptr, base, &list)) list = base;
    char *commits = as_arena_take(arena, list.len + 1);
    memcpy(commits, list.ptr, list.len);
    for (size_t i = 0; i < list.len; i++)
        if (commits[i] == '\n') commits[i] = ',';
    *out = (as_str){commits, list.len};
    return AS_OK;
}
