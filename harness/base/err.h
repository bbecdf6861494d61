// SPDX-License-Identifier: Apache-2.0
// err.h - how a function says that it could not do what was asked.
//
// A function that can fail returns as_rc and takes `as_err *err` last. The message is written once,
// where the problem is seen: lower case, quoting the thing ("cannot read 'x.gguf': tensor 12 ends
// past the file"). Callers add context with as_err_prefix, never by writing a second message.
// Outputs are written only on success. Programming errors are assertions, not as_rc.
#ifndef AS_ERR_H
#define AS_ERR_H

#include <stdarg.h>
#include <stddef.h>

// Failures carry the exit code that a program ending on them would return, because who is at
// fault is known where the problem is seen: the request (2) or the machine and the target (3).
typedef enum as_rc {
    AS_OK = 0,
    AS_INVALID = -2,    // the request is wrong: usage, suite, dataset, model file, config
    AS_UNMEASURED = -3, // it could not be measured: target, store or disk failed
    AS_INTERRUPTED = -130,
} as_rc;

enum { AS_ERR_TEXT_MAX = 1024 };

typedef struct as_err {
    as_rc rc;                   // AS_OK while nothing went wrong
    char text[AS_ERR_TEXT_MAX]; // one sentence, NUL-terminated, no newline at the end
} as_err;

#if defined(__GNUC__)
#define AS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define AS_MUST_USE __attribute__((warn_unused_result))
#else
#define AS_PRINTF(fmt, args)
#define AS_MUST_USE
#endif

// Writes the message and returns `rc`, so that `return as_fail(err, AS_INVALID, "...")` reads well.
// A NULL err drops the text.
as_rc as_fail(as_err *err, as_rc rc, const char *format, ...) AS_PRINTF(3, 4);

// Puts "context: " before the message already there.
void as_err_prefix(as_err *err, const char *format, ...) AS_PRINTF(2, 3);

// The process exit code of a result: 0, 2, 3 or 130.
int as_exit_code(as_rc rc);

#endif
