// SPDX-License-Identifier: Apache-2.0
// allow.h - the hosts that may be reached, where somebody listed them: http.c asks it before every
// request and before every redirect. Names are compared as written in the URL, before they are
// looked up. Process-wide; filled before the first thread starts. A proxy of the environment is the
// operator's own word and is not held against the list.
#ifndef AS_ALLOW_H
#define AS_ALLOW_H

#include "harness/net/url.h"

// "HOST", "HOST:PORT", "[::1]:PORT" or "*.DOMAIN" (what ends in .DOMAIN). AS_INVALID: something
// else. From the first one on, nothing else is reached.
as_rc as_allow_add(as_str host, as_err *err) AS_MUST_USE;

// True without a list.
bool as_allow_has(const as_url *url);

void as_allow_clear(void); // for tests

#endif
