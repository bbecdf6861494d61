// SPDX-License-Identifier: Apache-2.0
// file.h - files: mapped, read whole, replaced atomically, appended to.
//
// Messages name the path. What the user named and cannot be read is AS_INVALID; what cannot be
// written (disk full, permissions lost in mid-run) is AS_UNMEASURED unless stated.
#ifndef AS_FILE_H
#define AS_FILE_H

#include "harness/base/str.h"

typedef struct as_mapped {
    const unsigned char *bytes; // NULL for an empty file
    size_t size;
    // Which file it is, in which state: two maps with the same numbers hold the same bytes, unless
    // it was written to within two seconds of being mapped; then they are zeros.
    uint64_t device, inode;
    int64_t modified_ns, changed_ns; // since 1970
} as_mapped;

// Maps a regular file for reading.
as_rc as_file_map(const char *path, as_mapped *out, as_err *err) AS_MUST_USE;
void as_file_unmap(as_mapped *map);

// Says that part of a map will not be read for now, so that its pages need not stay in memory. Only
// for what as_file_map has mapped: from anything else it takes the content.
void as_file_forget(const void *bytes, size_t size);

// Zeros in whole pages, which other things may be mapped over. Never NULL.
void *as_file_pages(size_t size);
void as_file_pages_free(void *pages, size_t size); // NULL, too

// The whole file, in the arena; refuses more than `size_max` bytes.
as_rc as_file_read(as_arena *arena, const char *path, size_t size_max, as_str *out,
                   as_err *err) AS_MUST_USE;

// Writes a file without a name (where the system has none, path.tmp), syncs it, calls it path.tmp
// and renames it over path: readers see the old or the new file whole. Several may do it at once:
// one after the other. What a killed process may leave, path.tmp, the next one takes away.
as_rc as_file_replace(const char *path, as_str content, as_err *err) AS_MUST_USE;

// Makes a directory and its parents.
as_rc as_dir_make(const char *path, as_err *err) AS_MUST_USE;

bool as_file_exists(const char *path);
void as_file_drop(const char *path); // removes it if it is there

// The directory in `parent`, last in byte order, that holds `with` but not `without`; NULL when
// there is none. Path in the arena.
const char *as_dir_newest(as_arena *arena, const char *parent, const char *with,
                          const char *without);

// "dir" of "dir/file"; "." without a slash. And base + "/" + name, or name alone if absolute.
as_str as_path_dir(as_arena *arena, as_str path);
as_str as_path_join(as_arena *arena, as_str base, as_str name);

// A file that grows by whole records. Each add is one write(2) at the end: after it returns, a
// killed process has lost nothing of it.
typedef struct as_appender {
    int fd; // -1 when closed
    char *path;
    int64_t size; // where the next record goes
} as_appender;

// Opens or creates; the file is first cut to `keep_size` bytes (SIZE_MAX keeps all). AS_INVALID
// when it cannot be created.
as_rc as_append_open(as_appender *out, const char *path, size_t keep_size, as_err *err) AS_MUST_USE;
as_rc as_append_add(as_appender *file, as_str record, as_err *err) AS_MUST_USE;
as_rc as_append_sync(as_appender *file, as_err *err) AS_MUST_USE;
void as_append_close(as_appender *file);

// Lines of a file, one at a time, in constant memory.
typedef struct as_lines {
    int fd;
    char *path;
    as_buf pending;  // bytes read and not yet given out
    size_t taken;    // bytes at the front of `pending` already given out
    size_t line_max; // longest line accepted, bytes
    uint64_t line;   // number of the last line given out, from 1
    bool end;
} as_lines;

as_rc as_lines_open(as_lines *out, const char *path, size_t line_max, as_err *err) AS_MUST_USE;
// The same for what is no regular file too: a pipe, a terminal.
as_rc as_lines_stream(as_lines *out, const char *path, size_t line_max, as_err *err) AS_MUST_USE;
// The next line without its end ("\n" or "\r\n"), valid until the next call; *more is false at the
// end of the file. AS_INVALID, naming the line, when it is longer than line_max.
as_rc as_lines_next(as_lines *lines, as_str *line, bool *more, as_err *err) AS_MUST_USE;
void as_lines_close(as_lines *lines);

#endif
