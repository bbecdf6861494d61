// SPDX-License-Identifier: Apache-2.0
#include "harness/net/auth.h"

#include <string.h>
#include <sys/wait.h>

#include "harness/base/child.h"
#include "harness/base/clock.h"
#include "harness/base/json.h"
#include "harness/net/secret.h"

enum { OUTPUT_MAX = 64 * 1024, LIMIT_S = 60, EARLY_MS = 30000 };

static as_rc run_command(const as_auth *auth, as_buf *out, as_err *err) {
    const char *argv[] = {"/bin/sh", "-c", auth->command, NULL};
    uint64_t until_ns = as_clock_ns() + LIMIT_S * UINT64_C(1000000000);
    bool late = false;
    as_child child;
    as_err why;
    if (as_child_new(&(as_child_start){.argv = argv, .dir = auth->dir}, &child, &why))
        return as_fail(err, AS_UNMEASURED, "the token command '%s': %s", auth->command, why.text);
    as_child_talk talk = as_child_exchange(&child, AS_STR(""), until_ns, OUTPUT_MAX, out);
    int status = talk ? as_child_stop(&child, 0) : as_child_wait(&child, until_ns, &late);
    if (talk == AS_CHILD_TOO_MUCH)
        return as_fail(err, AS_UNMEASURED, "the token command '%s' printed more than %d KiB",
                       auth->command, OUTPUT_MAX / 1024);
    if (talk == AS_CHILD_LATE || late)
        return as_fail(err, AS_UNMEASURED, "the token command '%s' took longer than %d s",
                       auth->command, LIMIT_S);
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
