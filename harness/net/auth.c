// SPDX-License-Identifier: Apache-2.0
#include "harness/net/auth.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/base/clock.h"
#include "harness/base/json.h"
#include "harness/net/secret.h"

enum { OUTPUT_MAX = 64 * 1024, LIMIT_MS = 60000, EARLY_MS = 30000 };

extern char **environ;

static int spawn_shell(const as_auth *auth, int out, pid_t *pid) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_addchdir_np(&actions, auth->dir);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    char *arguments[] = {"sh", "-c", (char *)(uintptr_t)auth->command, NULL};
    int why = posix_spawn(pid, "/bin/sh", &actions, &attributes, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return why;
}

// False: the time is over.
static bool read_all(int fd, as_buf *out) {
    uint64_t until = as_clock_ns() + LIMIT_MS * UINT64_C(1000000);
    char bytes[4096];
    for (;;) {
        uint64_t now = as_clock_ns();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (now >= until || poll(&p, 1, (int)((until - now) / 1000000) + 1) == 0) return false;
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return true;
        if (out->len + (size_t)n <= OUTPUT_MAX) as_buf_add(out, bytes, (size_t)n);
    }
}

static as_rc run_command(const as_auth *auth, as_buf *out, as_err *err) {
    int fds[2], status = 0;
    pid_t pid;
    if (pipe2(fds, O_CLOEXEC))
        return as_fail(err, AS_UNMEASURED, "cannot make a pipe: %s", strerror(errno));
    int why = spawn_shell(auth, fds[1], &pid);
    close(fds[1]);
    if (why) {
        close(fds[0]);
        return as_fail(err, AS_UNMEASURED, "cannot start the token command '%s': %s", auth->command,
                       strerror(why));
    }
    bool in_time = read_all(fds[0], out);
    close(fds[0]);
    if (!in_time) kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!in_time)
        return as_fail(err, AS_UNMEASURED, "the token command '%s' took longer than %d s",
                       auth->command, LIMIT_MS / 1000);
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        return as_fail(err, AS_UNMEASURED, "the token command '%s' failed (%s %d)", auth->command,
                       WIFEXITED(status) ? "exit code" : "signal",
                       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return AS_OK;
}

// The token in what was printed, and how long it lives.
static as_str find_token(const as_auth *auth, as_arena *arena, as_str text, int64_t *expires_ms) {
    int64_t now = as_clock_wall_ms();
    const as_json *object;
    as_err err;
    text = as_str_trim(text);
    *expires_ms = now + auth->keep_s * 1000;
    if (!as_str_starts(text, AS_STR("{")) || as_json_parse(arena, text, &object, &err))
        return as_str_trim(as_str_cut(&text, '\n'));
    static const char *const names[] = {"access_token", "accessToken", "token", "id_token"};
    as_str token = AS_STR("");
    for (size_t i = 0; !token.len && i < sizeof names / sizeof *names; i++)
        token = as_json_str(object, names[i], AS_STR(""));
    double in_s = as_json_f64(object, "expires_in", 0), at_s = as_json_f64(object, "expires_on", 0);
    if (in_s > 0 && in_s < 1e9) *expires_ms = now + (int64_t)(in_s * 1000) - EARLY_MS;
    if (at_s > 0 && at_s < 1e11) *expires_ms = (int64_t)(at_s * 1000) - EARLY_MS;
    return token;
}

static as_rc renew(as_auth *auth, as_err *err) {
    as_arena arena = {0};
    as_buf out = {0};
    as_rc rc = run_command(auth, &out, err);
    as_str token = AS_STR("");
    if (!rc) token = find_token(auth, &arena, as_buf_view(&out), &auth->expires_ms);
    bool plain = token.len > 0;
    for (size_t i = 0; i < token.len; i++)
        plain = plain && (unsigned char)token.ptr[i] > ' ' && (unsigned char)token.ptr[i] < 0x7f;
    if (!rc && !plain)
        rc = as_fail(err, AS_UNMEASURED, "the token command '%s' printed no token", auth->command);
    if (!rc) {
        as_secret_hide(token);
        as_buf_clear(&auth->token);
        as_buf_str(&auth->token, token);
        auth->serial++;
    }
    if (out.ptr) memset(out.ptr, 0, out.len);
    as_buf_free(&out);
    as_arena_free(&arena);
    return rc;
}

as_rc as_auth_headers(as_auth *auth, as_str method, as_str url, as_str content_type, as_str body,
                      as_buf *lines, as_err *err) {
    as_rc rc = AS_OK;
    if (auth->aws) {
        as_url parsed;
        rc = as_url_parse(url, &parsed, err);
        if (!rc)
            as_sigv4_sign(&auth->key, method, &parsed, content_type, body, as_clock_wall_ms(),
                          lines);
        return rc;
    }
    if (!auth->token.len || as_clock_wall_ms() >= auth->expires_ms) rc = renew(auth, err);
    if (!rc)
        as_buff(lines, "%.*s: %.*s%s", AS_STR_ARG(auth->header), AS_STR_ARG(auth->prefix),
                auth->token.ptr);
    return rc;
}

bool as_auth_forget(as_auth *auth, unsigned serial) {
    if (!auth->aws && serial == auth->serial) as_buf_clear(&auth->token);
    return !auth->aws;
}

void as_auth_free(as_auth *auth) {
    as_buf_free(&auth->token);
}
