// SPDX-License-Identifier: Apache-2.0
// secret.h - keys: from the environment or a file, never from the command line. Whatever is loaded
// here is from then on taken out of every message and, by as_log_redact, of every answer: as it is,
// in base64 and percent-encoded.
#ifndef AS_SECRET_H
#define AS_SECRET_H

#include "harness/base/str.h"

// The key in environment variable `env`, or, if `file` is not empty, in that file (first line).
// *out has ptr NULL when there is no such variable or it is empty. AS_INVALID: the file cannot be
// read or is empty, or the key holds bytes that no HTTP header can.
as_rc as_secret_load(as_arena *arena, as_str env, as_str file, as_str *out,
                     as_err *err) AS_MUST_USE;

// Hides a value that was made from a key ("user:password" in base64, for example).
void as_secret_hide(as_str value);

as_str as_secret_base64(as_arena *arena, as_str bytes);

#endif
