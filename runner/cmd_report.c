// SPDX-License-Identifier: Apache-2.0
// assay report [RUN] - one run as a page or in the shape of something else, or without RUN the
// trend of a suite over the history.
#include "reports/ci/comment.h"
#include "reports/content.h"
#include "reports/report.h"
#include "runner/commands.h"
#include "runner/comment/comment_post.h"
#include "runner/outputs.h"
#include "runner/pages/chronicle.h"
#include "runner/pages/export.h"
#include "runner/pages/revisit.h"

static as_rc write_file(as_arena *arena, const char *path, const as_buf *page, as_err *err) {
    as_rc rc = as_file_replace(path, as_buf_view(page), err);
    if (rc) {
        err->rc = rc = AS_INVALID; // nothing was measured: the path is what is wrong
        return rc;
    }
    return as_outputs_print(as_strf(arena, "%s\n", path), err);
}

// A page is a file; anything else goes to stdout unless there is --out.
static as_rc run_page(const as_args *args, as_arena *arena, const char *path, as_str format,
                      as_store **store, as_err *err) {
    as_revisit_request request = {.reference = args->operands.items[0],
                                  .baseline = args->baseline,
                                  .suite = args->suite,
                                  .store_url = args->store,
                                  .store = store,
                                  .inputs = true};
    as_revisit revisit;
    as_rc rc = as_revisit_open(arena, &request, &revisit, err);
    if (rc) return rc;
    as_buf page = {0};
    if (args->comment.len) {
        as_str url = AS_STR("");
        as_comment_text(&page, &revisit.source.summary, revisit.baseline, &revisit.findings);
        rc = as_comment_post(arena, args->comment, revisit.source.summary.suite, as_buf_view(&page),
                             &url, err);
        as_buf_clear(&page);
        as_content_plain(&page, url, AS_CLIP_TEXT);
        as_buf_char(&page, '\n');
        if (!rc && url.len) rc = as_outputs_print(as_buf_view(&page), err);
        as_buf_free(&page);
        as_revisit_close(&revisit);
        return rc;
    }
    as_export_page(&page, format, &revisit.source.summary, revisit.baseline, &revisit.findings,
                   revisit.suite_file);
    if (!path && as_str_is(format, "html")) path = "report.html";
    rc = path ? write_file(arena, path, &page, err) : as_outputs_print(as_buf_view(&page), err);
    as_buf_free(&page);
    as_revisit_close(&revisit);
    return rc;
}

static as_rc run_report(const as_args *args, as_arena *arena, as_store **store, as_err *err) {
    bool plain = !args->format.len || as_str_is(args->format, "text"), streamed = false;
    as_str format = plain ? AS_STR("html") : args->format;
    const char *path = args->out.len ? as_str_copy(arena, args->out).ptr : NULL;
    as_source source;
    if (!as_export_known(format))
        return as_fail(err, AS_INVALID, "--format '%.*s': report knows %.*s", AS_STR_ARG(format),
                       AS_STR_ARG(as_export_names(arena)));
    as_rc rc = as_source_find(arena, args->operands.items[0], args->store, store, args->suite,
                              &source, err);
    if (!rc) rc = as_export_samples(&source, format, path, &streamed, err);
    if (!rc && !streamed) return run_page(args, arena, path, format, store, err);
    if (!rc && path) rc = as_outputs_print(as_strf(arena, "%s\n", path), err);
    return rc;
}

static as_rc trend_page(const as_args *args, as_arena *arena, as_store **store, as_err *err) {
    as_chronicle_request request = {
        .suite = args->suite, .since = args->since, .cases = true, .inputs = true};
    as_timeline line;
    if (args->format.len && !as_str_is(args->format, "text") && !as_str_is(args->format, "html"))
        return as_fail(err, AS_INVALID, "--format '%.*s': the trend is a page; name a RUN for it",
                       AS_STR_ARG(args->format));
    as_rc rc = as_store_open(args->store, store, err);
    request.store = *store;
    if (!rc) rc = as_chronicle_gather(arena, &request, &line, err);
    if (!rc && !line.count)
        rc = as_fail(err, AS_UNMEASURED, "the history has no runs%s%.*s%s",
                     args->suite.len ? " of suite '" : "", AS_STR_ARG(args->suite),
                     args->suite.len ? "'" : "");
    if (rc) return rc;
    as_buf page = {0};
    as_report_trend_html(&page, &line);
    rc = write_file(arena, args->out.len ? as_str_copy(arena, args->out).ptr : "trend.html", &page,
                    err);
    as_buf_free(&page);
    return rc;
}

int as_cmd_report(const as_args *args) {
    as_err err = {0};
    as_arena arena = {0};
    as_store *store = NULL;
    as_rc rc = AS_OK;
    if (args->comment.len && (!args->operands.count || args->format.len || args->out.len))
        rc = as_fail(&err, AS_INVALID,
                     "report: --comment takes one RUN, and neither --format nor "
                     "--out");
    else if (args->operands.count > 1)
        rc = as_fail(&err, AS_INVALID, "report: name one run, or none for the trend");
    else if (args->operands.count)
        rc = run_report(args, &arena, &store, &err);
    else
        rc = trend_page(args, &arena, &store, &err);
    as_store_close(store);
    as_arena_free(&arena);
    return rc ? as_command_fail(&err) : 0;
}
