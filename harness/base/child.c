// SPDX-License-Identifier: Apache-2.0
#include "harness/base/child.h"

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

static int spawn(const as_child_start *start, int in, int out, pid_t *pid) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGXFSZ);
    sigaddset(&defaults, SIGINT);
    posix_spawn_file_actions_init(&actions);
    if (start->reads)
        posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    else
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (start->quiet)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (start->dir) posix_spawn_file_actions_addchdir_np(&actions, start->dir);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    // posix_spawnp takes what execvp takes: strings that it does not write to.
    char *const *argv = (char *const *)(uintptr_t)start->argv;
    int why = posix_spawnp(pid, argv[0], &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return why;
}

static void close_end(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

static int keep_end(int fd) {
    if (fd >= 0) fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

as_rc as_child_new(const as_child_start *start, as_child *child, as_err *err) {
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    *child = (as_child){0, -1, -1};
    if ((start->reads && pipe2(in, O_CLOEXEC)) || pipe2(out, O_CLOEXEC)) {
        int why = errno;
        close_end(&in[0]), close_end(&in[1]);
        return as_fail(err, AS_UNMEASURED, "cannot make a pipe: %s", strerror(why));
    }
    int why = spawn(start, in[0], out[1], &child->pid);
    close_end(&in[0]), close_end(&out[1]);
    if (!why) {
        child->in = keep_end(in[1]), child->out = keep_end(out[0]);
        return AS_OK;
    }
    close_end(&in[1]), close_end(&out[0]);
    child->pid = 0;
    return as_fail(err, AS_UNMEASURED, "cannot start '%s': %s", start->argv[0], strerror(why));
}

void as_child_close_in(as_child *child) {
    close_end(&child->in);
}

as_child_talk as_child_exchange(as_child *c, as_str in, uint64_t until_ns, size_t out_max,
                                as_buf *out) {
    char bytes[16384];
    for (;;) {
        uint64_t now = as_clock_ns();
        if (now >= until_ns) return AS_CHILD_LATE;
        if (!in.len) as_child_close_in(c);
        struct pollfd fds[] = {{.fd = c->out, .events = POLLIN}, {.fd = c->in, .events = POLLOUT}};
        poll(fds, 2, (int)((until_ns - now) / 1000000) + 1); // it passes over a closed one
        if (c->in >= 0 && fds[1].revents) {
            ssize_t n = write(c->in, in.ptr, in.len);
            if (n < 0 && errno != EAGAIN && errno != EINTR) in.len = 0; // it need not read
            if (n > 0) in = as_str_sub(in, (size_t)n, in.len);
        }
        if (!fds[0].revents) continue;
        ssize_t n = read(c->out, bytes, sizeof bytes);
        if (n > 0) as_buf_add(out, bytes, (size_t)n);
        if (out->len > out_max) return AS_CHILD_TOO_MUCH;
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return AS_CHILD_ENDED;
    }
}

// It stays a zombie until its group is dead: its number is nobody else's till then.
static bool has_ended(const as_child *c) {
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid;
}

static bool ends_until(const as_child *c, uint64_t until_ns) {
    while (!has_ended(c)) {
        if (as_clock_ns() >= until_ns) return false;
        struct timespec pause = {0, 1000000};
        nanosleep(&pause, NULL);
    }
    return true;
}

static int reap(as_child *c) {
    int status = 0;
    kill(-c->pid, SIGKILL);
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR) {
    }
    c->pid = 0;
    return status;
}

int as_child_wait(as_child *c, uint64_t until_ns, bool *late) {
    close_end(&c->in), close_end(&c->out);
    bool ended = ends_until(c, until_ns);
    if (late) *late = !ended;
    return reap(c);
}

int as_child_stop(as_child *c, unsigned grace_ms) {
    if (!c->pid) return 0;
    close_end(&c->in), close_end(&c->out);
    uint64_t now = as_clock_ns(), grace_ns = grace_ms * UINT64_C(1000000);
    if (grace_ms && !ends_until(c, now + grace_ns)) {
        kill(-c->pid, SIGTERM);
        ends_until(c, now + 2 * grace_ns);
    }
    return reap(c);
}

as_str as_child_status(as_arena *arena, int status) {
    if (WIFSIGNALED(status)) return as_strf(arena, "was killed by signal %d", WTERMSIG(status));
    if (WEXITSTATUS(status)) return as_strf(arena, "ended with exit code %d", WEXITSTATUS(status));
    return AS_STR("");
}
