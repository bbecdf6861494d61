// SPDX-License-Identifier: Apache-2.0
// libFuzzer entry of dataset.h: the first byte picks the format, the rest is the file. Checking
// and reading must agree: a dataset without problems is read to its end, case by case.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness/suite/dataset.h"

static const char *write_file(const uint8_t *bytes, size_t size, unsigned format) {
    static const char *const endings[] = {"jsonl", "json", "csv", "tsv", "yaml"};
    static char path[64];
    snprintf(path, sizeof path, "/tmp/assay-fuzz-%ld.%s", (long)getpid(), endings[format % 5]);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file)) abort();
    return path;
}

static uint64_t read_all(const as_dataset_options *options) {
    as_arena arena = {0};
    as_err err = {0};
    as_dataset *dataset;
    uint64_t count = 0;
    if (as_dataset_open(options, &dataset, &err)) abort();
    for (;;) {
        as_case c;
        bool more;
        as_arena_reset(&arena);
        if (as_dataset_next(dataset, &arena, &c, &more, &err)) abort();
        if (!more) break;
        if (!c.id.len || !c.expected || !(c.weight > 0)) abort();
        count++;
    }
    as_dataset_close(dataset);
    as_arena_free(&arena);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (!size) return 0;
    as_str path = as_str_of(write_file(bytes + 1, size - 1, bytes[0]));
    static const as_str slices[] = {{"tags", 4}, {"channel", 7}};
    as_dataset_options options = {.paths = &path,
                                  .path_count = 1,
                                  .expected = AS_STR("expected"),
                                  .slices = slices,
                                  .slice_count = 2};
    as_arena arena = {0};
    as_buf problems = {0};
    as_dataset_facts facts;
    if (as_dataset_check(&arena, &options, NULL, 0, &facts, &problems)) {
        if (!problems.len) abort();
    } else if (!facts.cases || read_all(&options) != facts.cases) {
        abort();
    }
    as_buf_free(&problems);
    as_arena_free(&arena);
    unlink(path.ptr);
    return 0;
}
