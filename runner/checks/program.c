// SPDX-License-Identifier: Apache-2.0
#include "runner/checks/program.h"

#include "harness/base/child.h"
#include "harness/base/clock.h"

as_rc as_program_run(const as_program *p, as_arena *arena, as_str in, as_str *out, as_str *failed,
                     as_err *err) {
    as_child child;
    uint64_t until_ns = as_clock_ns() + (uint64_t)(p->timeout_s * 1e9);
    as_child_start start = {.argv = p->argv, .dir = p->dir, .reads = true};
    as_rc rc = as_child_new(&start, &child, err);
    if (rc) return rc;
    as_buf text = {0};
    bool late = false;
    as_child_talk talk = as_child_exchange(&child, in, until_ns, AS_PROGRAM_OUT_MAX, &text);
    int status = talk ? as_child_stop(&child, 0) : as_child_wait(&child, until_ns, &late);
    as_str said = as_child_status(arena, status);
    if (talk == AS_CHILD_LATE || late)
        *failed = AS_STR("it took longer than its timeout");
    else if (talk == AS_CHILD_TOO_MUCH)
        *failed = AS_STR("it wrote more than 1 MiB");
    else
        *failed = said.len ? as_strf(arena, "it %.*s", AS_STR_ARG(said)) : said;
    *out = as_str_copy(arena, as_buf_view(&text));
    as_buf_free(&text);
    return AS_OK;
}
