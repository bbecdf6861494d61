// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/shards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 1000 };

static as_rc read_part(as_mapped *map, as_gguf *file, const char *path, as_err *err) {
    as_rc rc = as_file_map(path, map, err);
    if (!rc) rc = as_gguf_read(file, path, map->bytes, map->size, err);
    if (!rc) file->mapped = true;
    return rc;
}

// The two numbers that a part says of itself: which one, from 0, and of how many.
static as_rc read_place(const as_gguf *file, uint64_t *number, uint64_t *count, as_err *err) {
    *number = 0;
    *count = 1;
    as_rc rc = as_gguf_u64(file, "split.count", 0, PARTS_MAX, count, err);
    if (!rc) rc = as_gguf_u64(file, "split.no", 0, PARTS_MAX, number, err);
    if (!*count) *count = 1;
    return rc;
}

// Writes the number of part `at` over the first part's in `path`, a copy of its name.
static bool name_part(char *path, size_t at, size_t count) {
    char first[64], other[64];
    snprintf(first, sizeof first, "-%05d-of-%05zu.gguf", 1, count);
    snprintf(other, sizeof other, "-%05zu-of-%05zu.gguf", at + 1, count);
    size_t path_len = strlen(path), len = strlen(first);
    if (path_len < len || strlen(other) != len || strcmp(path + path_len - len, first))
        return false;
    memcpy(path + path_len - len, other, len);
    return true;
}

// Moves a part's tensors over.
static as_rc join(as_gguf *file, as_gguf *part, as_err *err) {
    size_t count = file->tensor_count + part->tensor_count;
    if (count > AS_GGUF_TENSORS_MAX)
        return as_gguf_fail(part, err, "its parts have more than %d tensors", AS_GGUF_TENSORS_MAX);
    file->tensors = as_mem_grow(file->tensors, as_size_mul(count, sizeof *file->tensors));
    for (size_t i = 0; i < part->tensor_count; i++) {
        as_str name = part->tensors[i].name;
        if (!as_map_add(&file->tensor_index, name, file->tensor_count, NULL))
            return as_gguf_fail(part, err, "tensor '%.*s' is in an earlier part too (offset %zu)",
                                name.len < 100 ? (int)name.len : 100, name.ptr,
                                part->tensors[i].offset);
        file->tensors[file->tensor_count++] = part->tensors[i];
    }
    file->file_size += part->file_size;
    return AS_OK;
}

static as_rc open_part(as_shards *parts, const char *path, size_t at, size_t count, as_err *err) {
    as_gguf part = {0};
    uint64_t number, of;
    as_rc rc = read_part(&parts->maps[parts->count], &part, path, err);
    parts->count++;
    if (!rc) rc = read_place(&part, &number, &of, err);
    if (!rc && (number != at || of != count))
        rc = as_gguf_fail_at(&part, err, "split.no",
                             "it is part %llu of %llu ('split.no', 'split.count'), not %zu of %zu",
                             (unsigned long long)number + 1, (unsigned long long)of, at + 1, count);
    if (!rc) rc = join(&parts->file, &part, err);
    as_gguf_free(&part);
    return rc;
}

static as_rc open_others(as_shards *parts, const char *first, size_t count, as_err *err) {
    as_rc rc = AS_OK;
    parts->maps = as_mem_grow(parts->maps, count * sizeof *parts->maps);
    memset(parts->maps + 1, 0, (count - 1) * sizeof *parts->maps);
    char *path = as_mem_new(strlen(first) + 1);
    for (size_t i = 1; !rc && i < count; i++) {
        strcpy(path, first);
        if (!name_part(path, i, count))
            rc = as_gguf_fail_at(
                &parts->file, err, "split.count",
                "it is the first of %zu parts ('split.count'), but its name does not "
                "end in '-00001-of-%05zu.gguf', so the others cannot be found",
                count, count);
        if (!rc) rc = open_part(parts, path, i, count, err);
    }
    free(path);
    uint64_t tensors = parts->file.tensor_count;
    if (!rc) rc = as_gguf_u64(&parts->file, "split.tensors.count", tensors, tensors, &tensors, err);
    return rc;
}

as_rc as_shards_open(as_shards *out, const char *path, as_err *err) {
    as_shards parts = {.maps = as_mem_new(sizeof *parts.maps), .count = 1};
    uint64_t number = 0, count = 1;
    as_rc rc = read_part(&parts.maps[0], &parts.file, path, err);
    if (!rc) rc = read_place(&parts.file, &number, &count, err);
    if (!rc && number)
        rc = as_gguf_fail_at(&parts.file, err, "split.no",
                             "it is part %llu of %llu ('split.no'): name the first one",
                             (unsigned long long)number + 1, (unsigned long long)count);
    if (!rc && count > 1) rc = open_others(&parts, path, (size_t)count, err);
    if (rc)
        as_shards_close(&parts);
    else
        *out = parts;
    return rc;
}

void as_shards_close(as_shards *parts) {
    as_gguf_free(&parts->file);
    for (size_t i = 0; i < parts->count; i++) as_file_unmap(&parts->maps[i]);
    free(parts->maps);
    *parts = (as_shards){0};
}
