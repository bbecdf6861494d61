// SPDX-License-Identifier: Apache-2.0
// assay serve - the history over HTTP, until it is interrupted.
#include <time.h>

#include "harness/base/file.h"
#include "harness/base/log.h"
#include "runner/commands.h"
#include "runner/evaluate.h"
#include "runner/outputs.h"
#include "runner/serve/httpd.h"
#include "runner/serve/site_routes.h"

enum { TOKEN_LEAST = 16, TOKEN_FILE_MAX = 4096 };

static as_rc read_token(as_arena *arena, as_str path, as_str *out, as_err *err) {
    as_str text;
    as_rc rc = as_file_read(arena, as_str_copy(arena, path).ptr, TOKEN_FILE_MAX, &text, err);
    if (rc) return rc;
    *out = as_str_trim(text);
    if (out->len < TOKEN_LEAST)
        return as_fail(err, AS_INVALID, "--token-file '%.*s': a token has at least %d characters",
                       AS_STR_ARG(path), TOKEN_LEAST);
    as_log_secret(*out);
    return AS_OK;
}

static as_rc serve(const as_args *args, as_arena *arena, as_err *err) {
    as_site_options options = {.store_url = args->store, .token = AS_STR("")};
    as_str listen = args->listen.len ? args->listen : AS_STR("127.0.0.1:8417");
    as_store *store = NULL;
    as_httpd *httpd = NULL;
    as_rc rc = AS_OK;
    if (args->operands.count) rc = as_fail(err, AS_INVALID, "serve takes no operand");
    if (!rc && args->token_file.len) rc = read_token(arena, args->token_file, &options.token, err);
    if (!rc) rc = as_store_open(args->store, &store, err); // now, rather than at the first request
    as_store_close(store);
    if (!rc) rc = as_httpd_start(listen, as_site_answer, &options, &httpd, err);
    if (rc) return rc;
    if (!as_httpd_is_loopback(httpd))
        as_log_warning("everybody who reaches %s can read the history", as_httpd_url(httpd));
    rc = as_outputs_print(as_strf(arena, "%s\n", as_httpd_url(httpd)), err);
    while (!rc && !as_interrupts) {
        struct timespec pause = {0, 100 * 1000 * 1000};
        nanosleep(&pause, NULL);
    }
    as_httpd_stop(httpd);
    return rc;
}

int as_cmd_serve(const as_args *args) {
    as_err err = {0};
    as_arena arena = {0};
    as_rc rc = serve(args, &arena, &err);
    as_arena_free(&arena);
    return rc ? as_command_fail(&err) : 0;
}
