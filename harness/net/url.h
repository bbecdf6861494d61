// SPDX-License-Identifier: Apache-2.0
// url.h - http and https URLs taken apart (RFC 3986), and who they belong to: an origin is scheme,
// host and port. No look-ups, no percent-decoding.
#ifndef AS_URL_H
#define AS_URL_H

#include "harness/base/str.h"

typedef struct as_url {
    bool tls;    // https
    as_str host; // without brackets; views into the text parsed
    unsigned port;
    as_str path; // from the first '/' on, query included, fragment not; may be empty
} as_url;

// AS_INVALID: not http(s), no host, a user or password in it (keys do not belong into URLs), a
// port that is none, white space or a control character.
as_rc as_url_parse(as_str text, as_url *out, as_err *err) AS_MUST_USE;

// Same host, and the same scheme and port or an upgrade from http:80 to https:443.
bool as_url_keeps_origin(const as_url *from, const as_url *to);

bool as_url_is_loopback(const as_url *url); // localhost, 127.0.0.0/8, ::1

// base + "/" + path with exactly one slash between; a query of the base stays at the end.
as_str as_url_join(as_arena *arena, as_str base, as_str path);

#endif
