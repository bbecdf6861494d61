// SPDX-License-Identifier: Apache-2.0
// export.h - one run in the shape of something else: `assay report RUN --format NAME`.
#ifndef AS_EXPORT_H
#define AS_EXPORT_H

#include "harness/record/findings.h"
#include "runner/source.h"

// The names, for messages and help: "html, json, ...". In the arena.
as_str as_export_names(as_arena *arena);
bool as_export_known(as_str format);

// Formats that are made of the samples alone, streamed to `path` (NULL: stdout). False in *mine
// when the format is another one.
as_rc as_export_samples(const as_source *source, as_str format, const char *path, bool *mine,
                        as_err *err) AS_MUST_USE;

// Formats made of the summary and the findings.
void as_export_page(as_buf *out, as_str format, const as_summary *run, const as_summary *baseline,
                    const as_findings *findings, as_str suite_file);

#endif
