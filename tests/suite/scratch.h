// SPDX-License-Identifier: Apache-2.0
// scratch.h - a folder of its own for a test program, with files put into it by name.
#ifndef AS_TEST_SCRATCH_H
#define AS_TEST_SCRATCH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char scratch_dir[] = "/tmp/assay-test-XXXXXX";

static const char *scratch_path(const char *name) {
    static char path[256];
    if (strstr(scratch_dir, "XXXXXX") && !mkdtemp(scratch_dir)) abort();
    snprintf(path, sizeof path, "%s/%s", scratch_dir, name);
    return path;
}

// Writes `size` bytes and returns the path, good until the next call.
static const char *scratch_bytes(const char *name, const void *bytes, size_t size) {
    const char *path = scratch_path(name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file)) abort();
    return path;
}

static inline const char *scratch_file(const char *name, const char *text) {
    return scratch_bytes(name, text, strlen(text));
}

static int scratch_remove(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", scratch_dir);
    return strstr(scratch_dir, "XXXXXX") ? 0 : system(command);
}

#endif
