// SPDX-License-Identifier: Apache-2.0
// The cache: what is kept comes back, and what is not as it was kept is not there.
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/base/cache.h"

enum { SIZE = (3 << 20) + 77 };

static char root[] = "/tmp/assay-cache-XXXXXX", directory[64], entry[96];
static unsigned char *content;

static bool is_there(const char *name) {
    as_mapped map;
    if (!as_cache_map(name, 2, &map)) return false;
    bool same = map.size == SIZE && !memcmp(map.bytes, content, SIZE);
    as_file_unmap(&map);
    assert_true(same); // never anything else than what was kept
    return true;
}

static void keep(void) {
    unlink(entry);
    as_cache_keep("entry-1", content, SIZE);
    assert_true(is_there("entry-1"));
}

static void change(off_t at, const void *bytes, size_t size) {
    int fd = open(entry, O_WRONLY);
    assert_true(fd >= 0 && pwrite(fd, bytes, size, at) == (ssize_t)size);
    close(fd);
}

static void what_is_kept_comes_back(void **state) {
    (void)state;
    assert_false(is_there("entry-1"));
    keep();
    assert_false(is_there("entry-2"));
    for (size_t threads = 1; threads < 4; threads++) {
        unsigned char *pages = as_file_pages(2 * SIZE);
        memset(pages, 1, 2 * SIZE);
        assert_true(as_cache_lay("entry-1", pages, SIZE, threads));
        assert_memory_equal(pages, content, SIZE);
        assert_int_equal(pages[2 * SIZE - 1], 1);
        assert_false(as_cache_lay("entry-1", pages, SIZE - 1, 1));
        as_file_pages_free(pages, 2 * SIZE);
    }
    for (size_t size = 1; size < 200; size++) { // every remainder
        as_mapped map;
        as_cache_keep("small", content, size);
        assert_true(as_cache_map("small", 1, &map));
        assert_int_equal(map.size, size);
        assert_memory_equal(map.bytes, content, size);
        as_file_unmap(&map);
    }
}

static void what_was_changed_is_not_there(void **state) {
    (void)state;
    struct stat info;
    keep();
    assert_int_equal(stat(entry, &info), 0);
    for (off_t at = 0; at < info.st_size; at = at < 300 ? at + 7 : at * 2 + 1) {
        if (at >= 272 && at < 65536) continue; // nothing is there
        unsigned char byte = 0, other;
        int fd = open(entry, O_RDONLY);
        assert_true(fd >= 0 && pread(fd, &byte, 1, at) == 1);
        close(fd);
        other = byte ^ 0x40;
        change(at, &other, 1);
        assert_false(is_there("entry-1"));
        change(at, &byte, 1);
    }
    assert_true(is_there("entry-1"));
    unsigned char *pages = as_file_pages(SIZE), zeros[64] = {0}, last = 1;
    change(info.st_size - 1, &last, 1);
    change(info.st_size - 2, &last, 1);
    assert_false(as_cache_lay("entry-1", pages, SIZE, 2));
    assert_memory_equal(pages, zeros, sizeof zeros);
    memset(pages, 3, SIZE); // they can be written to again
    as_file_pages_free(pages, SIZE);
    static const off_t sizes[] = {0, 1, 271, 272, 65535, 65536, 70000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        keep();
        assert_int_equal(truncate(entry, sizes[i]), 0);
        assert_false(is_there("entry-1"));
    }
    keep();
    assert_int_equal(truncate(entry, info.st_size + 1), 0);
    assert_false(is_there("entry-1"));
    uint64_t huge = UINT64_MAX - 65535;
    keep();
    change(256, &huge, sizeof huge);
    assert_false(is_there("entry-1"));
}

static void what_others_may_write_is_not_there(void **state) {
    (void)state;
    char other[128];
    snprintf(other, sizeof other, "%s/entry-3", directory);
    keep();
    assert_int_equal(rename(entry, other), 0);
    assert_false(is_there("entry-3")); // it says that it is entry-1
    keep();
    assert_int_equal(chmod(entry, 0620), 0);
    assert_false(is_there("entry-1"));
    keep();
    assert_int_equal(rename(entry, other), 0);
    assert_int_equal(symlink(other, entry), 0);
    assert_false(is_there("entry-1"));
    unlink(entry);
    assert_int_equal(mkdir(entry, 0700), 0);
    assert_false(is_there("entry-1"));
    as_cache_keep("entry-1", content, SIZE); // in vain, and no harm
    assert_int_equal(rmdir(entry), 0);
    keep();
    assert_int_equal(chmod(directory, 0777), 0);
    assert_false(is_there("entry-1"));
    as_cache_keep("entry-4", content, SIZE);
    assert_int_equal(chmod(directory, 0700), 0);
    assert_false(is_there("entry-4"));
    as_cache_keep("../entry-5", content, SIZE);
    assert_false(is_there("../entry-5"));
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    as_cache_keep("entry-6", content, SIZE);
    assert_false(is_there("entry-1"));
    setenv("XDG_CACHE_HOME", "relative", 1); // which the standard says to ignore
    assert_false(is_there("entry-1"));
    setenv("XDG_CACHE_HOME", root, 1);
    assert_true(is_there("entry-1"));
    assert_false(is_there("entry-6"));
}

// Files with holes, so that nothing is written.
static void put_old(const char *name, off_t size, time_t age) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = time(NULL) - age}};
    assert_true(fd >= 0 && ftruncate(fd, size) == 0 && futimens(fd, times) == 0);
    close(fd);
}

static bool exists(const char *name) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return access(path, F_OK) == 0;
}

static void what_is_not_used_goes_first(void **state) {
    (void)state;
    const off_t most = (off_t)AS_CACHE_SIZE_MAX;
    put_old("small-oldest", 10, 5000);
    put_old("large-old", most, 4000);
    put_old("new-1-0", 10, 10);     // somebody is writing it
    put_old("new-2-0", 10, 100000); // somebody was
    put_old("small-newer", 10, 3000);
    keep();
    assert_false(exists("small-oldest") || exists("large-old") || exists("new-2-0"));
    assert_true(exists("small-newer") && exists("new-1-0"));
}

static int begin(void **state) {
    (void)state;
    if (!mkdtemp(root)) return -1;
    snprintf(directory, sizeof directory, "%s/assay", root);
    snprintf(entry, sizeof entry, "%s/entry-1", directory);
    setenv("XDG_CACHE_HOME", root, 1);
    content = malloc(SIZE);
    for (size_t i = 0; content && i < SIZE; i++)
        content[i] = (unsigned char)((i * 2654435761u >> 13) + i / 4096);
    return content ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    free(content);
    return system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_comes_back),
        cmocka_unit_test(what_was_changed_is_not_there),
        cmocka_unit_test(what_others_may_write_is_not_there),
        cmocka_unit_test(what_is_not_used_goes_first),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
