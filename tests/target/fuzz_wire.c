// SPDX-License-Identifier: Apache-2.0
// libFuzzer entry of the wires: any bytes as a body and as a stream. Whatever is not understood
// has a reason; whatever is, has an output that is valid UTF-8.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness/base/utf8.h"
#include "tests/target/wired.h"

static const struct {
    const as_wire_ops *ops;
    const char *uri;
} wires[] = {{&as_wire_openai, "openai:http://h#m"},
             {&as_wire_openai, "openai:http://h#m+completions"},
             {&as_wire_ollama, "ollama:m"},
             {&as_wire_tgi, "tgi:http://h"},
             {&as_wire_kserve, "kserve:http://h#m"},
             {&as_wire_kserve, "kserve:http://h#m?output=o&binary=yes&classification=yes"},
             {&as_wire_http, NULL},
             {&as_wire_http, NULL}};

// Of the two http: wires: a stream, and answers that are polled for.
static const char *const templates[] = {
    "url: http://h\nbody: '{}'\nstream: sse\nresponse: {text: a.*.b | c, reasoning: r.*, finish: "
    "f, "
    "refused: x, tokens_out: n, error: e}\n",
    "url: http://h\nbody: '{}'\nresponse: {text: a.*.b | c.-1 | $, scores: s, error: e}\n"
    "poll: {url: 'http://h/{{ response.id }}', status: q, done: [d], failed: [f]}\n"};

static char uris[2][64];

static void drop_files(void) {
    for (size_t i = 0; i < 2; i++)
        if (uris[i][0]) unlink(uris[i] + 5);
}

static const char *template_uri(size_t which) {
    if (!uris[0][0] && !uris[1][0]) atexit(drop_files);
    if (uris[which][0]) return uris[which];
    snprintf(uris[which], sizeof uris[which], "http:/tmp/fuzz-wire-%zu-%ld.yaml", which,
             (long)getpid());
    FILE *file = fopen(uris[which] + 5, "w");
    if (!file || fputs(templates[which], file) < 0 || fclose(file)) abort();
    return uris[which];
}

static void check(const as_answer *a) {
    if (a->outcome != AS_OUT_OK && !a->error.len) abort();
    if (as_utf8_invalid_at(a->output) != SIZE_MAX) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static const as_message message = {{"user", 4}, {"a", 1}, NULL};
    static const as_str choices[] = {{"b", 1}, {"c", 1}};
    // Even no bytes are an input: without one that reaches the code there is nothing to vary.
    uint8_t head[2] = {size > 0 ? bytes[0] : 0, size > 1 ? bytes[1] : 0};
    as_request request = {.task = head[0] & 1 ? AS_TASK_CHOICE : AS_TASK_GENERATE,
                          .messages = &message,
                          .message_count = 1,
                          .choices = choices,
                          .choice_count = 2,
                          .inputs = choices,
                          .input_count = 2};
    as_wired w;
    as_err err;
    size_t which = head[0] / 2u % (sizeof wires / sizeof *wires);
    size_t last = sizeof wires / sizeof *wires - 1;
    const char *uri = wires[which].uri ? wires[which].uri : template_uri(last - which);
    if (as_wired_open(&w, wires[which].ops, uri, &err)) abort();
    if (w.ops->embeds && head[1] & 0x80) request.task = AS_TASK_EMBED;
    as_str input = {(const char *)bytes + (size > 1 ? 2 : size), size > 1 ? size - 2 : 0};
    check(as_wired_body(&w, &request, input));
    if (w.ops->event && request.task != AS_TASK_EMBED)
        check(as_wired_stream(&w, &request, input, head[1] % 32 + 1u));
    as_wired_close(&w);
    return 0;
}
