// SPDX-License-Identifier: Apache-2.0
#include "harness/base/log.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

enum { SECRET_MAX = 256, SECRET_LEN_MIN = 6 };

static struct {
    pthread_mutex_t lock;
    as_log_level limit;
    as_arena arena;
    as_str secrets[SECRET_MAX];
    size_t secret_count;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .limit = AS_LOG_INFO};

void as_log_limit(as_log_level most) {
    pthread_mutex_lock(&state.lock);
    state.limit = most;
    pthread_mutex_unlock(&state.lock);
}

void as_log_secret(as_str secret) {
    // A very short "secret" would blot out ordinary words.
    if (secret.len < SECRET_LEN_MIN) return;
    pthread_mutex_lock(&state.lock);
    bool known = false;
    for (size_t i = 0; i < state.secret_count; i++)
        known = known || as_str_eq(state.secrets[i], secret);
    if (!known && state.secret_count < SECRET_MAX)
        state.secrets[state.secret_count++] = as_str_copy(&state.arena, secret);
    pthread_mutex_unlock(&state.lock);
}

static void redact_locked(as_buf *buf, size_t from) {
    for (size_t i = 0; i < state.secret_count; i++) {
        size_t at = from;
        as_str secret = state.secrets[i];
        while ((at = as_str_find(as_buf_view(buf), secret, at)) != SIZE_MAX) {
            char *hit = buf->ptr + at;
            memmove(hit + 3, hit + secret.len, buf->len - at - secret.len + 1);
            memcpy(hit, "***", 3);
            buf->len -= secret.len - 3;
            at += 3;
        }
    }
}

void as_log_redact(as_buf *buf, size_t from) {
    pthread_mutex_lock(&state.lock);
    redact_locked(buf, from);
    pthread_mutex_unlock(&state.lock);
}

static void say(as_log_level level, const char *label, const char *format, va_list args) {
    pthread_mutex_lock(&state.lock);
    if (level <= state.limit) {
        as_buf line = {0};
        as_buf_text(&line, label);
        as_bufv(&line, format, args);
        redact_locked(&line, 0);
        for (size_t i = 0; i < line.len; i++) {
            unsigned char c = (unsigned char)line.ptr[i];
            if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) line.ptr[i] = '?';
        }
        as_buf_char(&line, '\n');
        // stderr may be closed or a full pipe: a lost message is no reason to fail a run.
        ssize_t written = write(STDERR_FILENO, line.ptr, line.len);
        (void)written;
        as_buf_free(&line);
    }
    pthread_mutex_unlock(&state.lock);
}

#define SAY(level, label)                                                                          \
    do {                                                                                           \
        va_list args;                                                                              \
        va_start(args, format);                                                                    \
        say(level, label, format, args);                                                           \
        va_end(args);                                                                              \
    } while (0)

void as_log_error(const char *format, ...) {
    SAY(AS_LOG_ERROR, "assay: error: ");
}

void as_log_warning(const char *format, ...) {
    SAY(AS_LOG_WARNING, "assay: warning: ");
}

void as_log_info(const char *format, ...) {
    SAY(AS_LOG_INFO, "assay: ");
}

void as_log_debug(const char *format, ...) {
    SAY(AS_LOG_DEBUG, "assay: debug: ");
}
