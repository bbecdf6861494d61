// SPDX-License-Identifier: Apache-2.0
#include "harness/base/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/thread.h"

enum {
    HEAD_SIZE = 65536, // a multiple of any page's size, so that content can be mapped
    CHUNK = 1 << 20,   // bytes that are added up together
    STEP = 64,         // and between two looks at how many are left
    THREADS_MAX = 8,
    TEMPORARY_LIFE_S = 3600, // what is older was left behind
};

#define TEMPORARY "new-"

// What an entry begins with; the rest of the head is zeros.
typedef struct head {
    char magic[16], name[240];
    uint64_t size, sum;
} head;

static const char magic[16] = "assay cache 1\n";

// --- sums --------------------------------------------------------------------------------------

static uint64_t mix(uint64_t sum, uint64_t word) {
    sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
    return sum ^ sum >> 29;
}

static uint64_t word_at(const unsigned char *p) {
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

// Finds damage, not forgery: whoever can write here can do anything in this user's name. Eight sums
// that do not wait for each other, and no array of them: compilers then stay away from vectors,
// which have no such product.
static uint64_t sum_chunk(const unsigned char *p, size_t size) {
    uint64_t a = size, b = 1, c = 2, d = 3, e = 4, f = 5, g = 6, h = 7;
    for (; size >= STEP; size -= STEP, p += STEP) {
        a = mix(a, word_at(p));
        b = mix(b, word_at(p + 8));
        c = mix(c, word_at(p + 16));
        d = mix(d, word_at(p + 24));
        e = mix(e, word_at(p + 32));
        f = mix(f, word_at(p + 40));
        g = mix(g, word_at(p + 48));
        h = mix(h, word_at(p + 56));
    }
    for (; size; size--) a = mix(a, *p++);
    return mix(mix(mix(a, b), mix(c, d)), mix(mix(e, f), mix(g, h)));
}

typedef struct adding {
    const unsigned char *bytes;
    size_t size;
    uint64_t *sums;     // [chunks]
    atomic_size_t next; // chunk
} adding;

static void add_chunks(void *context, size_t index, size_t count) {
    adding *a = context;
    (void)index;
    (void)count;
    for (size_t at; (at = atomic_fetch_add(&a->next, 1) * CHUNK) < a->size;) {
        size_t size = a->size - at < CHUNK ? a->size - at : CHUNK;
        a->sums[at / CHUNK] = sum_chunk(a->bytes + at, size);
    }
}

static uint64_t sum_of(const void *bytes, size_t size, size_t threads) {
    size_t chunks = size / CHUNK + (size % CHUNK != 0);
    adding a = {.bytes = bytes, .size = size, .sums = as_mem_new(chunks * sizeof *a.sums)};
    if (threads > chunks) threads = chunks;
    if (threads > THREADS_MAX) threads = THREADS_MAX;
    as_team *team = NULL;
    as_err unused;
    if (threads > 1 && !as_team_new(threads, &team, &unused)) {
        as_team_run(team, add_chunks, &a);
        as_team_free(team);
    } else {
        add_chunks(&a, 0, 1);
    }
    uint64_t sum = size;
    for (size_t i = 0; i < chunks; i++) sum = mix(sum, a.sums[i]);
    free(a.sums);
    return sum;
}

// --- the directory -----------------------------------------------------------------------------

static bool is_ours(const struct stat *info) {
    return info->st_uid == geteuid() && !(info->st_mode & (S_IWGRP | S_IWOTH));
}

// The directory, open; -1 when there is none that can be trusted. With `make`, it is made.
static int open_directory(bool make) {
    as_arena arena = {0};
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    as_str path = {0};
    if (base && base[0] == '/')
        path = as_strf(&arena, "%s/assay", base);
    else if (home && home[0] == '/')
        path = as_strf(&arena, "%s/.cache/assay", home);
    int directory = -1;
    as_err unused;
    if (path.len && make && !as_dir_make(as_path_dir(&arena, path).ptr, &unused))
        (void)mkdir(path.ptr, 0700);
    if (path.len) directory = open(path.ptr, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    as_arena_free(&arena);
    struct stat info;
    if (directory >= 0 && (fstat(directory, &info) || !is_ours(&info))) {
        close(directory);
        directory = -1;
    }
    return directory;
}

// Removes what was not used the longest until `size` more bytes fit; false when they never will.
static bool make_room(int directory, uint64_t size) {
    struct statvfs disk;
    if (fstatvfs(directory, &disk)) return false;
    uint64_t most = (uint64_t)disk.f_bavail * disk.f_frsize / 2;
    if (most > AS_CACHE_SIZE_MAX) most = AS_CACHE_SIZE_MAX;
    if (size > most) return false;
    for (;;) {
        int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *list = copy >= 0 ? fdopendir(copy) : NULL;
        if (!list) {
            if (copy >= 0) close(copy);
            return false;
        }
        char oldest[256] = "";
        struct timespec when = {0, 0}, now = {0, 0};
        clock_gettime(CLOCK_REALTIME, &now);
        uint64_t held = 0;
        for (struct dirent *entry; (entry = readdir(list));) {
            struct stat info;
            if (fstatat(directory, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) ||
                !S_ISREG(info.st_mode))
                continue;
            bool temporary = !strncmp(entry->d_name, TEMPORARY, strlen(TEMPORARY));
            if (temporary && info.st_mtim.tv_sec < now.tv_sec - TEMPORARY_LIFE_S) {
                unlinkat(directory, entry->d_name, 0);
                continue;
            }
            held += (uint64_t)info.st_size;
            if (temporary) continue; // somebody is writing it
            bool older = info.st_mtim.tv_sec < when.tv_sec || (info.st_mtim.tv_sec == when.tv_sec &&
                                                               info.st_mtim.tv_nsec < when.tv_nsec);
            if (oldest[0] && !older) continue;
            when = info.st_mtim;
            snprintf(oldest, sizeof oldest, "%s", entry->d_name);
        }
        closedir(list);
        if (held + size <= most) return true;
        if (!oldest[0] || unlinkat(directory, oldest, 0)) return false;
    }
}

// --- entries -----------------------------------------------------------------------------------

static bool fill_head(head *out, const char *name, uint64_t size, uint64_t sum) {
    *out = (head){.size = size, .sum = sum};
    memcpy(out->magic, magic, sizeof magic);
    int len = snprintf(out->name, sizeof out->name, "%s", name);
    return len > 0 && (size_t)len < sizeof out->name && !strchr(name, '/') && name[0] != '.';
}

static bool write_all(int fd, const void *bytes, size_t size) {
    const char *at = bytes;
    while (size) {
        ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

void as_cache_keep(const char *name, const void *bytes, size_t size) {
    static atomic_uint number;
    char temporary[64];
    head h;
    if (!size || !fill_head(&h, name, size, 0)) return;
    int directory = open_directory(true);
    if (directory < 0) return;
    h.sum = sum_of(bytes, size, 1);
    snprintf(temporary, sizeof temporary, TEMPORARY "%ld-%u", (long)getpid(),
             atomic_fetch_add(&number, 1));
    int fd = -1;
    if (make_room(directory, HEAD_SIZE + (uint64_t)size))
        fd = openat(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    0600);
    if (fd >= 0) {
        bool ok = write_all(fd, &h, sizeof h) && lseek(fd, HEAD_SIZE, SEEK_SET) == HEAD_SIZE &&
                  write_all(fd, bytes, size);
        if (close(fd)) ok = false;
        if (!ok || renameat(directory, temporary, directory, name))
            unlinkat(directory, temporary, 0);
    }
    close(directory);
}

// An entry that looks right, open; -1 when there is none.
static int open_entry(const char *name, head *out) {
    head wanted;
    if (!fill_head(&wanted, name, 0, 0)) return -1;
    int directory = open_directory(false);
    if (directory < 0) return -1;
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    close(directory);
    struct stat info;
    bool right = fd >= 0 && !fstat(fd, &info) && S_ISREG(info.st_mode) && is_ours(&info) &&
                 pread(fd, out, sizeof *out, 0) == (ssize_t)sizeof *out &&
                 !memcmp(out->magic, wanted.magic, sizeof wanted.magic) &&
                 !memcmp(out->name, wanted.name, sizeof wanted.name) && out->size > 0 &&
                 out->size <= SIZE_MAX - HEAD_SIZE &&
                 (uint64_t)info.st_size == HEAD_SIZE + out->size;
    if (right) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

// Maps the content, over `at` unless it is NULL, and adds it up. NULL when it is damaged: over `at`
// there are zeros then.
static void *map_entry(int fd, const head *h, void *at, size_t threads) {
    size_t size = (size_t)h->size;
    void *bytes = mmap(at, size, PROT_READ, MAP_PRIVATE | (at ? MAP_FIXED : 0), fd, HEAD_SIZE);
    bool mapped = bytes != MAP_FAILED;
    if (mapped && sum_of(bytes, size, threads) == h->sum) {
        (void)futimens(fd, NULL); // used last
        return bytes;
    }
    if (!at && mapped) munmap(bytes, size);
    const int fresh = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    if (at && mmap(at, size, PROT_READ | PROT_WRITE, fresh, -1, 0) == MAP_FAILED)
        (void)as_mem_new(SIZE_MAX); // says that there is no memory, and ends
    return NULL;
}

bool as_cache_lay(const char *name, void *at, size_t size, size_t threads) {
    head h;
    int fd = open_entry(name, &h);
    if (fd < 0) return false;
    bool laid = h.size == size && map_entry(fd, &h, at, threads) != NULL;
    close(fd);
    return laid;
}

bool as_cache_map(const char *name, size_t threads, as_mapped *out) {
    head h;
    int fd = open_entry(name, &h);
    if (fd < 0) return false;
    void *bytes = map_entry(fd, &h, NULL, threads);
    close(fd);
    if (bytes) *out = (as_mapped){.bytes = bytes, .size = (size_t)h.size};
    return bytes != NULL;
}
