// SPDX-License-Identifier: Apache-2.0
// assay init [DIR] - a suite that runs as it is, and the files that run it on build servers. All of
// them or none: a file that is already there stops everything before the first one is written.
#include "harness/base/file.h"
#include "harness/base/log.h"
#include "runner/commands.h"
#include "runner/init/scaffold.h"
#include "runner/outputs.h"

static const char *path_of(as_arena *arena, as_str dir, const as_scaffold_file *file) {
    return as_path_join(arena, dir, as_str_of(file->path)).ptr;
}

static as_rc check_free(as_arena *arena, as_str dir, as_err *err) {
    as_buf there = {0};
    for (const as_scaffold_file *f = as_scaffold_files; f->path; f++)
        if (as_file_exists(path_of(arena, dir, f)))
            as_buff(&there, "%s'%s'", there.len ? ", " : "", path_of(arena, dir, f));
    as_rc rc = AS_OK;
    if (there.len)
        rc = as_fail(err, AS_INVALID,
                     "init: %.*s would be overwritten; nothing was written (name another directory "
                     "and take over what you need)",
                     AS_STR_ARG(as_buf_view(&there)));
    as_buf_free(&there);
    return rc;
}

static as_rc write_all(as_arena *arena, as_str dir, as_err *err) {
    as_buf said = {0};
    as_rc rc = AS_OK;
    for (const as_scaffold_file *f = as_scaffold_files; f->path && !rc; f++) {
        const char *path = path_of(arena, dir, f);
        rc = as_dir_make(as_path_dir(arena, as_str_of(path)).ptr, err);
        if (!rc) rc = as_file_replace(path, f->content, err);
        if (rc) err->rc = rc = AS_INVALID; // the directory is what is wrong
        as_buff(&said, "%-30s %s\n", path, f->text);
    }
    if (!rc) rc = as_outputs_print(as_buf_view(&said), err);
    as_buf_free(&said);
    return rc;
}

int as_cmd_init(const as_args *args) {
    as_err err = {0};
    as_arena arena = {0};
    as_rc rc = AS_OK;
    as_str dir = args->operands.count ? args->operands.items[0] : AS_STR(".");
    if (args->operands.count > 1)
        rc = as_fail(&err, AS_INVALID, "init: name one directory, or none for this one");
    dir = as_str_copy(&arena, dir);
    if (!rc) rc = check_free(&arena, dir, &err);
    if (!rc) rc = write_all(&arena, dir, &err);
    if (!rc) as_log_info("next: assay run %s", path_of(&arena, dir, &as_scaffold_files[0]));
    as_arena_free(&arena);
    return rc ? as_command_fail(&err) : 0;
}
