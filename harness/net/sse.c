// SPDX-License-Identifier: Apache-2.0
#include "harness/net/sse.h"

#include <string.h>

static void dispatch(as_sse *sse, as_sse_visit *visit, void *context) {
    if (sse->has_data) visit(context, as_buf_view(&sse->event), as_buf_view(&sse->data));
    as_buf_clear(&sse->data);
    as_buf_clear(&sse->event);
    sse->has_data = false;
}

static void take_line(as_sse *sse, as_sse_visit *visit, void *context) {
    as_str value = as_buf_view(&sse->line);
    if (sse->lines) {
        if (value.len) visit(context, AS_STR(""), value);
        as_buf_clear(&sse->line);
        return;
    }
    if (!value.len) {
        dispatch(sse, visit, context);
        return;
    }
    as_str name = as_str_cut(&value, ':'); // a comment has an empty name
    if (value.len && value.ptr[0] == ' ') value = as_str_sub(value, 1, value.len);
    if (as_str_is(name, "data")) {
        if (sse->has_data) as_buf_char(&sse->data, '\n');
        as_buf_str(&sse->data, value);
        sse->has_data = true;
    } else if (as_str_is(name, "event")) {
        as_buf_clear(&sse->event);
        as_buf_str(&sse->event, value);
    }
    as_buf_clear(&sse->line);
}

// A byte order mark may stand before the first line.
static as_str skip_mark(as_sse *sse, as_str bytes) {
    static const char mark[] = "\xEF\xBB\xBF";
    while (bytes.len && sse->at < 3) {
        if (bytes.ptr[0] != mark[sse->at]) {
            as_buf_add(&sse->line, mark, sse->at); // what looked like one was text
            sse->at = 3;
            break;
        }
        sse->at++;
        bytes = as_str_sub(bytes, 1, bytes.len);
    }
    return bytes;
}

void as_sse_feed(as_sse *sse, as_str bytes, as_sse_visit *visit, void *context) {
    bytes = skip_mark(sse, bytes);
    size_t i = 0;
    while (i < bytes.len) {
        if (sse->after_cr && bytes.ptr[i] == '\n') i++;
        sse->after_cr = false;
        size_t from = i;
        while (i < bytes.len && bytes.ptr[i] != '\n' && bytes.ptr[i] != '\r') i++;
        as_buf_add(&sse->line, bytes.ptr + from, i - from);
        if (i == bytes.len) return;
        sse->after_cr = bytes.ptr[i++] == '\r';
        take_line(sse, visit, context);
        as_buf_clear(&sse->line);
    }
}

bool as_sse_end(as_sse *sse, as_sse_visit *visit, void *context) {
    if (sse->line.len) take_line(sse, visit, context);
    bool open = sse->has_data;
    dispatch(sse, visit, context);
    return open;
}

void as_sse_clear(as_sse *sse) {
    as_buf_clear(&sse->line);
    as_buf_clear(&sse->data);
    as_buf_clear(&sse->event);
    sse->after_cr = sse->has_data = sse->lines = false;
    sse->at = 0;
}

void as_sse_free(as_sse *sse) {
    as_buf_free(&sse->line);
    as_buf_free(&sse->data);
    as_buf_free(&sse->event);
    *sse = (as_sse){0};
}
