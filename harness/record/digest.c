// SPDX-License-Identifier: Apache-2.0
#include "harness/record/digest.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/sha256.h"
#include "harness/base/sorter.h"

// Per case only the hash of what counts is kept: its digits and the id behind them, in a sorter.
enum { DIGITS = 64 };

typedef struct entry {
    uint64_t sample;
    char hash[DIGITS];
    uint64_t id_len;
} entry;

struct as_digest {
    as_sorter *entries;
    as_buf text;
};

static as_str id_of(const entry *e) {
    return (as_str){(const char *)(e + 1), (size_t)e->id_len};
}

static int by_id(const void *a, const void *b) {
    const entry *x = a, *y = b;
    int way = as_str_cmp(id_of(x), id_of(y));
    return way ? way : (x->sample > y->sample) - (x->sample < y->sample);
}

as_digest *as_digest_new(void) {
    as_digest *digest = as_mem_new(sizeof *digest);
    digest->entries = as_sorter_new(by_id);
    return digest;
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

    as_sha256 sha;
    char hex[DIGITS + 1];
    as_sha256_init(&sha);
    as_sha256_add(&sha, text->ptr, text->len);
    as_sha256_hex(&sha, hex);
    entry e = {.sample = sample->sample, .id_len = sample->id.len};
    memcpy(e.hash, hex, DIGITS);
    as_buf_clear(text);
    as_buf_add(text, &e, sizeof e);
    as_buf_str(text, sample->id);
    as_sorter_add(digest->entries, text->ptr, text->len);
}

as_str as_digest_end(as_digest *digest, as_arena *arena) {
    as_sha256 sha;
    char hex[DIGITS + 1];
    as_sorter_sort(digest->entries);
    as_sorter_reader reader = as_sorter_read(digest->entries);
    as_sha256_init(&sha);
    for (const entry *e; (e = as_sorter_next(&reader));) as_sha256_add(&sha, e->hash, DIGITS);
    as_sorter_done(&reader);
    as_sha256_hex(&sha, hex);
    as_sorter_free(digest->entries);
    as_buf_free(&digest->text);
    free(digest);
    return as_str_copy(arena, (as_str){hex, DIGITS});
}
