// SPDX-License-Identifier: Apache-2.0
// auth.h - headers that prove who asks and that change with time: an AWS signature of each request,
// or the token that a command of the user's prints, kept until it expires. http.c asks for them
// before it sends, and never sends them to another host. One thread at a time.
#ifndef AS_AUTH_H
#define AS_AUTH_H

#include "harness/net/sigv4.h"

typedef struct as_auth {
    bool aws;
    as_sigv4_key key; // aws
    // Else: `command` runs under /bin/sh in `dir`; its first line is the token, or its output is
    // an object: access_token, accessToken or token, and expires_in (seconds) or expires_on (since
    // 1970). Without either it is kept for `keep_s`.
    const char *command, *dir;
    as_str header, prefix; // "Authorization", "Bearer "
    int64_t keep_s;
    as_buf token; // empty: none yet
    int64_t expires_ms;
    unsigned serial; // of the token
} as_auth;

// Appends the header lines for one request, with no line end after the last. AS_UNMEASURED: the
// command failed, printed nothing, or took longer than 60 s (its output is not repeated).
as_rc as_auth_headers(as_auth *auth, as_str method, as_str url, as_str content_type, as_str body,
                      as_buf *lines, as_err *err) AS_MUST_USE;

// The token of this serial was not accepted: unless there is another since, the next request gets a
// new one. False: there is nothing to renew.
bool as_auth_forget(as_auth *auth, unsigned serial);

void as_auth_free(as_auth *auth); // what grows in it, not the struct

#endif
