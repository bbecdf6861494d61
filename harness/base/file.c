// SPDX-License-Identifier: Apache-2.0
#include "harness/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static as_rc open_described(const char *path, int *fd_out, struct stat *out, as_err *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return as_fail(err, AS_INVALID, "cannot read '%s': %s", path, strerror(errno));
    struct stat info;
    if (fstat(fd, &info) || !S_ISREG(info.st_mode)) {
        bool directory = S_ISDIR(info.st_mode);
        close(fd);
        return as_fail(err, AS_INVALID, "cannot read '%s': %s", path,
                       directory ? "it is a directory" : "not a regular file");
    }
    *fd_out = fd;
    *out = info;
    return AS_OK;
}

static as_rc open_regular(const char *path, int *fd_out, size_t *size_out, as_err *err) {
    struct stat info;
    as_rc rc = open_described(path, fd_out, &info, err);
    if (!rc) *size_out = (size_t)info.st_size;
    return rc;
}

static int64_t ns_of(struct timespec time) {
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

// A clock of files is coarse: what is written to just now may be written to again unseen.
static void describe(const struct stat *info, as_mapped *out) {
    const int64_t settled_ns = 2000000000;
    struct timespec now;
    int64_t modified = ns_of(info->st_mtim), changed = ns_of(info->st_ctim);
    clock_gettime(CLOCK_REALTIME, &now);
    if (modified > ns_of(now) - settled_ns || changed > ns_of(now) - settled_ns) return;
    out->device = (uint64_t)info->st_dev;
    out->inode = (uint64_t)info->st_ino;
    out->modified_ns = modified;
    out->changed_ns = changed;
}

as_rc as_file_map(const char *path, as_mapped *out, as_err *err) {
    int fd;
    struct stat info;
    if (open_described(path, &fd, &info, err)) return AS_INVALID;
    size_t size = (size_t)info.st_size;
    void *bytes = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    int why = errno;
    close(fd);
    if (bytes == MAP_FAILED)
        return as_fail(err, AS_INVALID, "cannot map '%s': %s", path, strerror(why));
    *out = (as_mapped){.bytes = bytes, .size = size};
    describe(&info, out);
    return AS_OK;
}

void as_file_unmap(as_mapped *map) {
    if (map->bytes) munmap((void *)(uintptr_t)map->bytes, map->size);
    *map = (as_mapped){0};
}

void as_file_forget(const void *bytes, size_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = (uintptr_t)bytes / page * page;
    if (size) (void)madvise((void *)begin, (uintptr_t)bytes + size - begin, MADV_DONTNEED);
}

void *as_file_pages(size_t size) {
    void *pages =
        mmap(NULL, size ? size : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? as_mem_new(SIZE_MAX) : pages; // which says so and ends
}

void as_file_pages_free(void *pages, size_t size) {
    if (pages) munmap(pages, size ? size : 1);
}

// Reads until `size` bytes or the end of the file; returns how many, or -1.
static ssize_t read_all(int fd, char *bytes, size_t size) {
    size_t got = 0;
    while (got < size) {
        ssize_t n = read(fd, bytes + got, size - got);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        if (n == 0) break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

as_rc as_file_read(as_arena *arena, const char *path, size_t size_max, as_str *out, as_err *err) {
    int fd;
    size_t size;
    if (open_regular(path, &fd, &size, err)) return AS_INVALID;
    if (size > size_max) {
        close(fd);
        return as_fail(err, AS_INVALID, "cannot read '%s': %zu bytes, more than the %zu allowed",
                       path, size, size_max);
    }
    char *bytes = as_arena_take(arena, size + 1);
    ssize_t got = read_all(fd, bytes, size);
    int why = errno;
    close(fd);
    if (got < 0) return as_fail(err, AS_INVALID, "cannot read '%s': %s", path, strerror(why));
    *out = (as_str){bytes, (size_t)got};
    return AS_OK;
}

static bool write_all(int fd, as_str content) {
    while (content.len) {
        ssize_t n = write(fd, content.ptr, content.len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        content = as_str_sub(content, (size_t)n, content.len);
    }
    return true;
}

// Opens an empty file that nobody else writes until it is closed. Whoever had it before may have
// renamed it meanwhile: then it is not the one of that name any more.
static int open_alone(const char *path) {
    for (;;) {
        struct stat mine, named;
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        if (fd < 0) return fd;
        while (flock(fd, LOCK_EX) != 0 && errno == EINTR) {
        }
        bool same = fstat(fd, &mine) == 0 && stat(path, &named) == 0 &&
                    mine.st_ino == named.st_ino && mine.st_dev == named.st_dev;
        if (same && ftruncate(fd, 0) == 0) return fd;
        int why = errno;
        close(fd);
        errno = why;
        if (same) return -1;
    }
}

// A file without a name, which nothing is left of whatever ends the process; -1 where there are
// none.
static int open_nameless(const char *path) {
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) + 1 : 1;
    char *dir = as_mem_new(len + 1);
    memcpy(dir, slash ? path : ".", len);
    int fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
    free(dir);
    return fd;
}

// Gives it the name `temporary`, which it alone has until it is closed, as with open_alone.
static bool name_alone(int fd, const char *temporary) {
    char self[64];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    while (flock(fd, LOCK_EX) != 0) {
        if (errno != EINTR) return false;
    }
    while (linkat(AT_FDCWD, self, AT_FDCWD, temporary, AT_SYMLINK_FOLLOW) != 0) {
        int other = errno == EEXIST ? open_alone(temporary) : -1;
        if (other < 0) return false;
        unlink(temporary); // of a process that was killed
        close(other);
    }
    return true;
}

static bool fill(int fd, as_str content) {
    return write_all(fd, content) && fsync(fd) == 0;
}

as_rc as_file_replace(const char *path, as_str content, as_err *err) {
    size_t len = strlen(path);
    char *temporary = as_mem_new(len + 5);
    snprintf(temporary, len + 5, "%s.tmp", path);
    int fd = open_nameless(path);
    bool filled = fd >= 0 && fill(fd, content), named = filled && name_alone(fd, temporary);
    if (fd < 0 || (filled && !named)) { // there are none, or they cannot be given a name
        if (fd >= 0) close(fd);
        fd = open_alone(temporary);
        named = fd >= 0;
        filled = named && fill(fd, content);
    }
    bool ok = filled && rename(temporary, path) == 0;
    int why = errno;
    if (!ok && named) unlink(temporary);
    if (fd >= 0) close(fd); // synced: nothing is left to fail
    free(temporary);
    return ok ? AS_OK : as_fail(err, AS_UNMEASURED, "cannot write '%s': %s", path, strerror(why));
}

as_rc as_dir_make(const char *path, as_err *err) {
    char *copy = as_mem_new(strlen(path) + 1);
    memcpy(copy, path, strlen(path));
    as_rc rc = AS_OK;
    for (char *p = copy + 1; !rc; p++) {
        if (*p != '/' && *p != '\0') continue;
        char end = *p;
        *p = '\0';
        if (mkdir(copy, 0777) && errno != EEXIST)
            rc = as_fail(err, AS_INVALID, "cannot make the directory '%s': %s", copy,
                         strerror(errno));
        *p = end;
        if (end == '\0') break;
    }
    free(copy);
    struct stat info;
    if (!rc && (stat(path, &info) || !S_ISDIR(info.st_mode)))
        rc = as_fail(err, AS_INVALID, "'%s' is not a directory", path);
    return rc;
}

bool as_file_exists(const char *path) {
    return access(path, F_OK) == 0;
}

void as_file_drop(const char *path) {
    unlink(path);
}

const char *as_dir_newest(as_arena *arena, const char *parent, const char *with,
                          const char *without) {
    DIR *dir = opendir(parent);
    const char *best = NULL;
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.') continue;
        const char *path = as_strf(arena, "%s/%s", parent, entry->d_name).ptr;
        bool fits = as_file_exists(as_strf(arena, "%s/%s", path, with).ptr) &&
                    !as_file_exists(as_strf(arena, "%s/%s", path, without).ptr);
        if (fits && (!best || strcmp(path, best) > 0)) best = path;
    }
    if (dir) closedir(dir);
    return best;
}

as_str as_path_dir(as_arena *arena, as_str path) {
    size_t end = path.len;
    while (end && path.ptr[end - 1] != '/') end--;
    if (!end) return AS_STR(".");
    return as_str_copy(arena, as_str_sub(path, 0, end > 1 ? end - 1 : 1));
}

as_str as_path_join(as_arena *arena, as_str base, as_str name) {
    if (as_str_starts(name, AS_STR("/")) || as_str_is(base, ".")) return as_str_copy(arena, name);
    return as_strf(arena, "%.*s/%.*s", AS_STR_ARG(base), AS_STR_ARG(name));
}

as_rc as_append_open(as_appender *out, const char *path, size_t keep_size, as_err *err) {
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) return as_fail(err, AS_INVALID, "cannot write '%s': %s", path, strerror(errno));
    off_t end = -1;
    bool cut = keep_size == SIZE_MAX || !ftruncate(fd, (off_t)keep_size);
    if (!cut || (end = lseek(fd, 0, SEEK_END)) < 0) {
        int why = errno;
        close(fd);
        return as_fail(err, AS_INVALID, "cannot write '%s': %s", path, strerror(why));
    }
    size_t len = strlen(path);
    *out = (as_appender){fd, as_mem_new(len + 1), end};
    memcpy(out->path, path, len);
    return AS_OK;
}

as_rc as_append_add(as_appender *file, as_str record, as_err *err) {
    if (write_all(file->fd, record)) {
        file->size += (int64_t)record.len;
        return AS_OK;
    }
    int why = errno;
    // Half a record must not stay: the next reader would take it for a torn one.
    if (ftruncate(file->fd, (off_t)file->size) == 0) lseek(file->fd, (off_t)file->size, SEEK_SET);
    return as_fail(err, AS_UNMEASURED, "cannot write '%s': %s", file->path, strerror(why));
}

as_rc as_append_sync(as_appender *file, as_err *err) {
    if (fdatasync(file->fd) == 0) return AS_OK;
    return as_fail(err, AS_UNMEASURED, "cannot write '%s': %s", file->path, strerror(errno));
}

void as_append_close(as_appender *file) {
    if (!file->path) return;
    close(file->fd);
    free(file->path);
    *file = (as_appender){.fd = -1};
}

static void begin_lines(as_lines *out, int fd, const char *path, size_t line_max) {
    size_t len = strlen(path);
    *out = (as_lines){.fd = fd, .path = as_mem_new(len + 1), .line_max = line_max};
    memcpy(out->path, path, len);
}

as_rc as_lines_open(as_lines *out, const char *path, size_t line_max, as_err *err) {
    int fd;
    size_t size;
    if (open_regular(path, &fd, &size, err)) return AS_INVALID;
    begin_lines(out, fd, path, line_max);
    return AS_OK;
}

as_rc as_lines_stream(as_lines *out, const char *path, size_t line_max, as_err *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return as_fail(err, AS_INVALID, "cannot read '%s': %s", path, strerror(errno));
    begin_lines(out, fd, path, line_max); // of a directory the first read says what is wrong
    return AS_OK;
}

// Moves what is left to the front and reads more behind it. False at the end of the file.
static bool refill(as_lines *lines, as_rc *rc, as_err *err) {
    enum { CHUNK = 64 * 1024 };
    as_buf *pending = &lines->pending;
    if (lines->taken) {
        memmove(pending->ptr, pending->ptr + lines->taken, pending->len - lines->taken);
        pending->len -= lines->taken;
        lines->taken = 0;
    }
    char chunk[CHUNK];
    ssize_t got = read_all(lines->fd, chunk, sizeof chunk);
    if (got < 0)
        *rc = as_fail(err, AS_INVALID, "cannot read '%s': %s", lines->path, strerror(errno));
    if (got <= 0) return false;
    as_buf_add(pending, chunk, (size_t)got);
    return true;
}

as_rc as_lines_next(as_lines *lines, as_str *line, bool *more, as_err *err) {
    as_rc rc = AS_OK;
    size_t searched = 0;
    for (;;) {
        as_str left = as_str_sub(as_buf_view(&lines->pending), lines->taken, SIZE_MAX);
        const char *end =
            left.len > searched ? memchr(left.ptr + searched, '\n', left.len - searched) : NULL;
        size_t len = end ? (size_t)(end - left.ptr) : left.len;
        if (len > lines->line_max)
            return as_fail(err, AS_INVALID, "%s:%llu: the line is longer than %zu bytes",
                           lines->path, (unsigned long long)lines->line + 1, lines->line_max);
        if (end || (lines->end && left.len)) {
            lines->taken += len + (end ? 1 : 0);
            lines->line++;
            *line = as_str_sub(left, 0, len && left.ptr[len - 1] == '\r' ? len - 1 : len);
            *more = true;
            return AS_OK;
        }
        if (lines->end) break;
        searched = left.len;
        if (!refill(lines, &rc, err)) lines->end = true;
        if (rc) return rc;
    }
    *more = false;
    return AS_OK;
}

void as_lines_close(as_lines *lines) {
    if (!lines->path) return;
    close(lines->fd);
    free(lines->path);
    as_buf_free(&lines->pending);
    *lines = (as_lines){.fd = -1};
}
