// SPDX-License-Identifier: Apache-2.0
#include "runner/pages/export.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "reports/ci/ci.h"
#include "reports/report.h"
#include "runner/outputs.h"

enum { FLUSH_BYTES = 256 * 1024 };

static const char *const pages[] = {"html",  "json",        "markdown",    "junit",
                                    "sarif", "codequality", "openmetrics", NULL};

as_str as_export_names(as_arena *arena) {
    as_buf names = {0};
    for (size_t i = 0; pages[i]; i++) as_buff(&names, i ? ", %s" : "%s", pages[i]);
    for (size_t i = 0; as_ci_exports[i].name; i++) as_buff(&names, ", %s", as_ci_exports[i].name);
    as_str out = as_str_copy(arena, as_buf_view(&names));
    as_buf_free(&names);
    return out;
}

static const as_ci_export *find(as_str format) {
    for (const as_ci_export *e = as_ci_exports; e->name; e++)
        if (as_str_is(format, e->name)) return e;
    return NULL;
}

bool as_export_known(as_str format) {
    for (size_t i = 0; pages[i]; i++)
        if (as_str_is(format, pages[i])) return true;
    return find(format) != NULL;
}

typedef struct stream {
    const as_ci_export *format;
    const as_summary *run;
    as_ci_tally tally;
    FILE *file;
    const char *name;
    as_buf buf;
} stream;

static as_rc flush(stream *s, size_t least, as_err *err) {
    if (s->buf.len < least) return AS_OK;
    if (s->buf.len && fwrite(s->buf.ptr, 1, s->buf.len, s->file) != s->buf.len)
        return as_fail(err, AS_UNMEASURED, "cannot write '%s': %s", s->name, strerror(errno));
    as_buf_clear(&s->buf);
    return AS_OK;
}

static as_rc put_sample(void *context, const as_sample *sample, as_err *err) {
    stream *s = context;
    s->format->sample(&s->buf, s->run, &s->tally, sample);
    as_ci_count(&s->tally, sample);
    return flush(s, FLUSH_BYTES, err);
}

static as_rc write_stream(const as_source *source, stream *s, as_err *err) {
    as_rc rc = AS_OK;
    if (s->format->begin) s->format->begin(&s->buf, s->run);
    if (s->format->sample) rc = as_source_visit(source, put_sample, s, err);
    if (!rc && s->format->end) s->format->end(&s->buf, s->run, &s->tally);
    if (!rc) rc = flush(s, 0, err);
    if (!rc && fflush(s->file))
        rc = as_fail(err, AS_UNMEASURED, "cannot write '%s': %s", s->name, strerror(errno));
    as_buf_free(&s->buf);
    return rc;
}

as_rc as_export_samples(const as_source *source, as_str format, const char *path, bool *mine,
                        as_err *err) {
    stream s = {.format = find(format), .run = &source->summary, .file = stdout, .name = "stdout"};
    *mine = s.format != NULL;
    if (!s.format) return AS_OK;
    if (!path) return write_stream(source, &s, err);
    as_arena arena = {0};
    const char *draft = as_strf(&arena, "%s.tmp", path).ptr;
    s.name = path;
    s.file = fopen(draft, "wb");
    as_rc rc = s.file ? write_stream(source, &s, err)
                      : as_fail(err, AS_INVALID, "cannot write '%s': %s", path, strerror(errno));
    if (s.file && fclose(s.file) && !rc)
        rc = as_fail(err, AS_UNMEASURED, "cannot write '%s': %s", path, strerror(errno));
    if (!rc && rename(draft, path))
        rc = as_fail(err, AS_UNMEASURED, "cannot write '%s': %s", path, strerror(errno));
    if (rc && s.file) as_file_drop(draft);
    as_arena_free(&arena);
    return rc;
}

void as_export_page(as_buf *out, as_str format, const as_summary *run, const as_summary *baseline,
                    const as_findings *findings, as_str suite_file) {
    if (as_str_is(format, "json"))
        as_summary_write(out, run);
    else if (as_str_is(format, "markdown"))
        as_report_markdown(out, run, baseline, findings);
    else if (as_str_is(format, "junit"))
        as_report_junit(out, run, findings);
    else if (as_str_is(format, "sarif"))
        as_ci_sarif(out, run, findings, suite_file);
    else if (as_str_is(format, "codequality"))
        as_ci_codequality(out, run, findings, suite_file);
    else if (as_str_is(format, "openmetrics"))
        as_ci_openmetrics(out, run, 1);
    else
        as_report_html(out, run, baseline, findings);
}
