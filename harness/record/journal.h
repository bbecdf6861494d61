// SPDX-License-Identifier: Apache-2.0
// journal.h - results.jsonl: the truth about a run. One line a case, on disk before it is counted;
// everything else (summary, history, reports, verdicts) can be rebuilt from it.
//
// Beside it stands run.json, written before the first case: what was being run, so that `--resume`
// can tell whether it is still the same run.
#ifndef AS_JOURNAL_H
#define AS_JOURNAL_H

#include "harness/base/file.h"
#include "harness/record/sample.h"

// What decides the answers of a run. Equal headers: the journal can be continued.
typedef struct as_run_header {
    as_str run, suite, suite_sha256, dataset_sha256, target_uri, model_sha256, started;
} as_run_header;

typedef struct as_journal {
    as_appender file;
    as_buf lines;                   // not written yet
    uint64_t written_ns, synced_ns; // as_clock_ns of the last time
} as_journal;

// Starts a journal in directory `dir` (made if missing): run.json, then an empty results.jsonl.
as_rc as_journal_create(as_journal *out, const char *dir, const as_run_header *header,
                        as_err *err) AS_MUST_USE;

// Continues one: calls `each` for every finished case, then drops a torn last line. Cases that
// ended in an error of the target are not finished: their lines are dropped, to be asked again.
// AS_INVALID when a line in the middle is damaged or the callback refuses one.
typedef as_rc as_sample_visit(void *context, const as_sample *sample, as_err *err);
as_rc as_journal_resume(as_journal *out, const char *dir, as_sample_visit *each, void *context,
                        as_err *err) AS_MUST_USE;

// With the kernel when it returns: a killed process loses nothing of it. Synced to the disk at
// least every 200 ms while cases come, and at the end: a machine that loses power loses no more.
as_rc as_journal_add(as_journal *journal, const as_sample *sample, as_err *err) AS_MUST_USE;

// The same for cases that are finished together: each but those of the last 5 ms is with the kernel
// when it returns, all are after as_journal_flush, which comes before anything is waited for.
as_rc as_journal_add_soon(as_journal *journal, const as_sample *sample, as_err *err) AS_MUST_USE;
as_rc as_journal_flush(as_journal *journal, as_err *err) AS_MUST_USE;
as_rc as_journal_close(as_journal *journal, as_err *err) AS_MUST_USE; // flushes and syncs

as_rc as_run_header_read(as_arena *arena, const char *dir, as_run_header *out,
                         as_err *err) AS_MUST_USE;

// Reads a results.jsonl that somebody else wrote, sample by sample; each is valid during the call.
as_rc as_journal_read(const char *path, as_sample_visit *each, void *context,
                      as_err *err) AS_MUST_USE;

#endif
