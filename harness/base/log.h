// SPDX-License-Identifier: Apache-2.0
// log.h - what assay tells a person while it works: stderr, one line a message, never stdout.
// The one place where messages are formatted, so the one place where secrets are taken out and
// control characters (which a terminal would obey) are made visible. Any thread.
#ifndef AS_LOG_H
#define AS_LOG_H

#include "harness/base/str.h"

typedef enum as_log_level { AS_LOG_ERROR, AS_LOG_WARNING, AS_LOG_INFO, AS_LOG_DEBUG } as_log_level;

void as_log_limit(as_log_level most); // default AS_LOG_INFO
void as_log_secret(as_str secret);    // from now on printed as "***"; at most 256 of them

void as_log_error(const char *format, ...) AS_PRINTF(1, 2);   // "assay: error: ..."
void as_log_warning(const char *format, ...) AS_PRINTF(1, 2); // "assay: warning: ..."
void as_log_info(const char *format, ...) AS_PRINTF(1, 2);    // "assay: ..."
void as_log_debug(const char *format, ...) AS_PRINTF(1, 2);   // "assay: debug: ..."

// Replaces every secret in the buffer from `from` on.
void as_log_redact(as_buf *buf, size_t from);

#endif
