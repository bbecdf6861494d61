// SPDX-License-Identifier: Apache-2.0
#include "harness/base/err.h"

#include <stdio.h>
#include <string.h>

as_rc as_fail(as_err *err, as_rc rc, const char *format, ...) {
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
        err->rc = rc;
    }
    return rc;
}

void as_err_prefix(as_err *err, const char *format, ...) {
    if (!err) return;
    char context[AS_ERR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(context, sizeof context, format, args);
    va_end(args);

    char joined[2 * AS_ERR_TEXT_MAX + 2];
    snprintf(joined, sizeof joined, "%s: %s", context, err->text);
    joined[sizeof err->text - 1] = '\0';
    memcpy(err->text, joined, sizeof err->text);
}

int as_exit_code(as_rc rc) {
    return -(int)rc;
}
