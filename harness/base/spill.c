// SPDX-License-Identifier: Apache-2.0
#include "harness/base/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/arena.h"
#include "harness/base/log.h"

enum { TAIL_MIN = 512, PATH_SIZE_MAX = 4096 };

// The one file: blocks of it that are free again are used first.
static struct {
    atomic_flag lock;
    const char *dir; // where it lies, or should have
    int fd;
    bool opened, failed;
    uint64_t size;
    uint64_t *free_blocks;
    size_t free_count, free_capacity;
} file = {.lock = ATOMIC_FLAG_INIT, .fd = -1};

static atomic_size_t held, limit = AS_SPILL_BUDGET;

void as_spill_limit(size_t bytes) {
    limit = bytes;
}

size_t as_spill_room(void) {
    return limit;
}

static void take_lock(void) {
    while (atomic_flag_test_and_set_explicit(&file.lock, memory_order_acquire)) {
    }
}

static void give_lock(void) {
    atomic_flag_clear_explicit(&file.lock, memory_order_release);
}

// A file without a name; where the file system knows none, one that loses it at once.
static int open_nameless(const char *dir) {
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    char path[PATH_SIZE_MAX + 32];
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)) return fd;
    snprintf(path, sizeof path, "%s/.assay-XXXXXX", dir);
    fd = mkstemp(path);
    if (fd < 0) return fd;
    unlink(path);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

static void give_up(void) {
    if (!file.failed)
        as_log_warning("cannot write a temporary file in '%s': %s; what is kept of the cases stays "
                       "in memory",
                       file.dir, strerror(errno));
    file.failed = true;
}

static void open_file(void) {
    const char *given = getenv("TMPDIR");
    const char *const dirs[] = {".", given && *given ? given : "/var/tmp"};
    for (size_t i = sizeof dirs / sizeof *dirs; i-- > 0 && file.fd < 0;) {
        file.dir = dirs[i];
        file.fd = open_nameless(file.dir);
    }
    file.opened = file.fd >= 0;
    if (!file.opened) give_up();
}

// A place for a block; false when there is no file.
static bool take_block(uint64_t *at) {
    take_lock();
    if (!file.opened && !file.failed) open_file();
    bool ok = file.opened && !file.failed;
    if (ok && file.free_count) {
        *at = file.free_blocks[--file.free_count];
    } else if (ok) {
        *at = file.size;
        file.size += AS_SPILL_BLOCK;
    }
    give_lock();
    return ok;
}

static void give_block(uint64_t at) {
    take_lock();
    if (file.free_count == file.free_capacity) {
        file.free_capacity = file.free_capacity ? 2 * file.free_capacity : 64;
        file.free_blocks = as_mem_grow(file.free_blocks,
                                       as_size_mul(file.free_capacity, sizeof *file.free_blocks));
    }
    file.free_blocks[file.free_count++] = at;
    give_lock();
}

static bool write_block(uint64_t at, const unsigned char *bytes) {
    for (size_t done = 0; done < AS_SPILL_BLOCK;) {
        ssize_t n = pwrite(file.fd, bytes + done, AS_SPILL_BLOCK - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            if (n == 0) errno = ENOSPC;
            return false;
        }
        done += (size_t)n;
    }
    return true;
}

// What was written a moment ago cannot be read: like memory that fails, there is no going on.
static void read_failed(void) {
    fprintf(stderr, "assay: cannot read the temporary file in '%s': %s\n", file.dir,
            errno ? strerror(errno) : "it was cut short");
    exit(3);
}

static void read_file(uint64_t at, unsigned char *out, size_t size) {
    for (size_t done = 0; done < size;) {
        errno = 0;
        ssize_t n = pread(file.fd, out + done, size - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) read_failed();
        done += (size_t)n;
    }
}

static unsigned char *in_memory(uint64_t page) {
    return page & 1 ? NULL : (unsigned char *)(uintptr_t)page;
}

static uint64_t in_file(uint64_t page) {
    return page - 1;
}

static uint64_t page_at(const as_spill *spill, size_t index) {
    if (index < spill->page_count) return spill->pages[index];
    return spill->end ? spill->end : (uint64_t)(uintptr_t)spill->tail;
}

// The full tail becomes a page, in the file where the budget is used up.
static void end_page(as_spill *spill) {
    if (spill->page_count == spill->page_capacity) {
        spill->page_capacity = spill->page_capacity ? 2 * spill->page_capacity : 16;
        spill->pages =
            as_mem_grow(spill->pages, as_size_mul(spill->page_capacity, sizeof *spill->pages));
    }
    uint64_t *page = &spill->pages[spill->page_count++], at;
    bool fits = atomic_fetch_add(&held, AS_SPILL_BLOCK) + AS_SPILL_BLOCK <= limit;
    if (!fits && take_block(&at)) {
        if (write_block(at, spill->tail)) {
            atomic_fetch_sub(&held, AS_SPILL_BLOCK);
            *page = at + 1;
            spill->tail_size = 0;
            return;
        }
        take_lock();
        give_up();
        give_lock();
    }
    *page = (uint64_t)(uintptr_t)spill->tail;
    spill->tail = NULL;
    spill->tail_size = spill->tail_capacity = 0;
}

void as_spill_add(as_spill *spill, const void *bytes, size_t size) {
    const unsigned char *from = bytes;
    while (size) {
        size_t part = AS_SPILL_BLOCK - spill->tail_size;
        if (part > size) part = size;
        if (spill->tail_size + part > spill->tail_capacity) {
            size_t capacity = spill->tail_capacity ? spill->tail_capacity : TAIL_MIN;
            while (capacity < spill->tail_size + part) capacity *= 2;
            spill->tail = as_mem_grow(spill->tail, capacity);
            spill->tail_capacity = capacity;
        }
        memcpy(spill->tail + spill->tail_size, from, part);
        spill->tail_size += part;
        from += part;
        size -= part;
        if (spill->tail_size == AS_SPILL_BLOCK) end_page(spill);
    }
}

// Only where its blocks are in the file already: little things stay in memory.
void as_spill_end(as_spill *spill) {
    uint64_t at;
    size_t count = spill->page_count;
    if (spill->end || !spill->tail_size || !count || in_memory(spill->pages[count - 1])) return;
    if (!take_block(&at)) return;
    if (!write_block(at, spill->tail)) { // what could not be written is still there
        give_block(at);
        return;
    }
    spill->end = at + 1;
    free(spill->tail);
    spill->tail = NULL;
    spill->tail_capacity = 0;
}

uint64_t as_spill_size(const as_spill *spill) {
    return (uint64_t)spill->page_count * AS_SPILL_BLOCK + spill->tail_size;
}

void as_spill_read(const as_spill *spill, uint64_t at, void *out, size_t size) {
    unsigned char *to = out;
    while (size) {
        size_t page = (size_t)(at / AS_SPILL_BLOCK), from = (size_t)(at % AS_SPILL_BLOCK);
        size_t part = AS_SPILL_BLOCK - from < size ? AS_SPILL_BLOCK - from : size;
        const unsigned char *bytes = in_memory(page_at(spill, page));
        if (bytes)
            memcpy(to, bytes + from, part);
        else
            read_file(in_file(page_at(spill, page)) + from, to, part);
        to += part;
        at += part;
        size -= part;
    }
}

void as_spill_free(as_spill *spill) {
    for (size_t i = 0; i < spill->page_count; i++) {
        unsigned char *bytes = in_memory(spill->pages[i]);
        if (!bytes) {
            give_block(in_file(spill->pages[i]));
            continue;
        }
        free(bytes);
        atomic_fetch_sub(&held, AS_SPILL_BLOCK);
    }
    if (spill->end) give_block(in_file(spill->end));
    free(spill->pages);
    free(spill->tail);
    *spill = (as_spill){0};
}

// The bytes of a page from `from` on.
static const unsigned char *page_bytes(as_spill_reader *r, size_t page, size_t from) {
    const as_spill *s = r->spill;
    const unsigned char *bytes = in_memory(page_at(s, page));
    if (bytes) return bytes + from;
    if (r->block_index != page + 1) {
        if (!r->block) r->block = as_mem_new(AS_SPILL_BLOCK);
        read_file(in_file(page_at(s, page)), r->block, AS_SPILL_BLOCK);
        r->block_index = page + 1;
    }
    return r->block + from;
}

const void *as_spill_next(as_spill_reader *r, size_t size) {
    static const uint64_t nothing;
    if (r->at + size > as_spill_size(r->spill)) return NULL;
    if (!size) return &nothing;
    size_t page = (size_t)(r->at / AS_SPILL_BLOCK), from = (size_t)(r->at % AS_SPILL_BLOCK);
    r->at += size;
    if (from + size <= AS_SPILL_BLOCK) return page_bytes(r, page, from);
    if (size > r->joined_capacity) {
        r->joined_capacity = size < 4096 ? 4096 : 2 * size;
        r->joined = as_mem_grow(r->joined, r->joined_capacity);
    }
    for (size_t done = 0; done < size; page++, from = 0) {
        size_t part = AS_SPILL_BLOCK - from < size - done ? AS_SPILL_BLOCK - from : size - done;
        memcpy(r->joined + done, page_bytes(r, page, from), part);
        done += part;
    }
    return r->joined;
}

void as_spill_done(as_spill_reader *r) {
    free(r->block);
    free(r->joined);
    *r = (as_spill_reader){0};
}
