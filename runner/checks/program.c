// SPDX-License-Identifier: Apache-2.0
#include "runner/checks/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/clock.h"

extern char **environ;

typedef struct child {
    pid_t pid;
    int in, out; // -1: closed
} child;

static int spawn(const as_program *p, int child_in, int child_out, pid_t *pid) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGINT);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, child_in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, child_out, STDOUT_FILENO);
    posix_spawn_file_actions_addchdir_np(&actions, p->dir);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    // posix_spawnp takes what execvp takes: strings that it does not write to.
    char *const *argv = (char *const *)(uintptr_t)p->argv;
    int why = posix_spawnp(pid, p->argv[0], &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return why;
}

static as_rc start(const as_program *p, child *c, as_err *err) {
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC))
        return as_fail(err, AS_UNMEASURED, "cannot make a pipe: %s", strerror(errno));
    if (pipe2(out, O_CLOEXEC)) {
        close(in[0]), close(in[1]);
        return as_fail(err, AS_UNMEASURED, "cannot make a pipe: %s", strerror(errno));
    }
    int why = spawn(p, in[0], out[1], &c->pid);
    close(in[0]), close(out[1]);
    c->in = in[1], c->out = out[0];
    fcntl(c->in, F_SETFL, O_NONBLOCK);
    fcntl(c->out, F_SETFL, O_NONBLOCK);
    if (!why) return AS_OK;
    close(c->in), close(c->out);
    return as_fail(err, AS_UNMEASURED, "cannot start '%s': %s", p->argv[0], strerror(why));
}

static void close_in(child *c) {
    if (c->in >= 0) close(c->in);
    c->in = -1;
}

// Writes `in` and reads what comes, until stdout ends. What went wrong, or empty.
static as_str exchange(child *c, as_str in, uint64_t until_ns, as_buf *out) {
    char bytes[16384];
    while (c->out >= 0) {
        uint64_t now = as_clock_ns();
        if (now >= until_ns) return AS_STR("it took longer than its timeout");
        if (!in.len) close_in(c);
        struct pollfd fds[] = {{.fd = c->out, .events = POLLIN}, {.fd = c->in, .events = POLLOUT}};
        poll(fds, c->in >= 0 ? 2 : 1, (int)((until_ns - now) / 1000000) + 1);
        if (c->in >= 0 && fds[1].revents) {
            ssize_t n = write(c->in, in.ptr, in.len);
            if (n < 0 && errno != EAGAIN && errno != EINTR) in.len = 0; // it need not read
            if (n > 0) in = as_str_sub(in, (size_t)n, in.len);
        }
        if (!fds[0].revents) continue;
        ssize_t n = read(c->out, bytes, sizeof bytes);
        if (n > 0) as_buf_add(out, bytes, (size_t)n);
        if (out->len > AS_PROGRAM_OUT_MAX) return AS_STR("it wrote more than 1 MiB");
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) break;
    }
    return AS_STR("");
}

// Its end. The whole group is killed when the time is over, and what it left behind in any case.
static as_str finish(const child *c, as_arena *arena, as_str failed, uint64_t until_ns) {
    int status = 0;
    siginfo_t info = {0};
    if (failed.len) kill(-c->pid, SIGKILL);
    // It stays a zombie until the group is dead: its number is nobody else's till then.
    while (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && !info.si_pid) {
        if (!failed.len && as_clock_ns() >= until_ns) {
            failed = AS_STR("it took longer than its timeout");
            kill(-c->pid, SIGKILL);
        }
        struct timespec pause = {0, 1000000};
        nanosleep(&pause, NULL);
    }
    kill(-c->pid, SIGKILL);
    waitpid(c->pid, &status, 0);
    if (failed.len) return failed;
    if (WIFSIGNALED(status)) return as_strf(arena, "it was killed by signal %d", WTERMSIG(status));
    if (WEXITSTATUS(status)) return as_strf(arena, "it ended with %d", WEXITSTATUS(status));
    return AS_STR("");
}

as_rc as_program_run(const as_program *p, as_arena *arena, as_str in, as_str *out, as_str *failed,
                     as_err *err) {
    child c = {0, -1, -1};
    uint64_t until_ns = as_clock_ns() + (uint64_t)(p->timeout_s * 1e9);
    as_rc rc = start(p, &c, err);
    if (rc) return rc;
    as_buf text = {0};
    as_str wrong = exchange(&c, in, until_ns, &text);
    close_in(&c);
    close(c.out);
    *failed = finish(&c, arena, wrong, until_ns);
    *out = as_str_copy(arena, as_buf_view(&text));
    as_buf_free(&text);
    return AS_OK;
}
