// SPDX-License-Identifier: Apache-2.0
#include "harness/record/digest.h"

#include <stdlib.h>

#include "harness/base/sha256.h"

// Per case only the hash of what counts is kept: 32 bytes and the id, whatever the output's size.
typedef struct entry {
    as_str id;
    uint64_t sample;
    as_str hash;
} entry;

struct as_digest {
    as_arena arena;
    as_buf text;
    entry *entries;
    size_t count, capacity;
};

as_digest *as_digest_new(void) {
    return as_mem_new(sizeof(as_digest));
}

void as_digest_add(as_digest *digest, const as_sample *sample) {
    as_buf *text = &digest->text;
    as_buf_clear(text);
    as_json_out out = {.buf = text};
    as_jo_open(&out, '[');
    as_jo_str(&out, sample->id);
    if (sample->samples > 1) as_jo_i64(&out, (int64_t)sample->sample);
    if (sample->has_prediction)
        as_jo_str(&out, sample->prediction);
    else
        as_jo_null(&out);
    for (size_t i = 0; i < sample->score_count; i++) {
        as_jo_str(&out, sample->scores[i].name);
        as_jo_f64(&out, sample->scores[i].value);
    }
    as_jo_close(&out, ']');

    if (digest->count == digest->capacity) {
        digest->capacity = digest->capacity ? digest->capacity * 2 : 256;
        digest->entries =
            as_mem_grow(digest->entries, as_size_mul(digest->capacity, sizeof *digest->entries));
    }
    digest->entries[digest->count++] =
        (entry){as_str_copy(&digest->arena, sample->id), sample->sample,
                as_sha256_of(&digest->arena, as_buf_view(text))};
}

static int by_id(const void *a, const void *b) {
    const entry *x = a, *y = b;
    int way = as_str_cmp(x->id, y->id);
    return way ? way : (x->sample > y->sample) - (x->sample < y->sample);
}

as_str as_digest_end(as_digest *digest, as_arena *arena) {
    if (digest->count) qsort(digest->entries, digest->count, sizeof *digest->entries, by_id);
    as_sha256 sha;
    as_sha256_init(&sha);
    for (size_t i = 0; i < digest->count; i++)
        as_sha256_add(&sha, digest->entries[i].hash.ptr, digest->entries[i].hash.len);
    char hex[65];
    as_sha256_hex(&sha, hex);
    as_arena_free(&digest->arena);
    as_buf_free(&digest->text);
    free(digest->entries);
    free(digest);
    return as_str_copy(arena, (as_str){hex, 64});
}
