// SPDX-License-Identifier: Apache-2.0
#include "metrics/overlap/wordnet.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/file.h"
#include "harness/base/sha256.h"

enum { PARTS = 4, FILES = 2, DIGEST = 12, ENDS = 4096 }; // ENDS: bytes
enum { SYNSETS_MAX = 1000, WORDS_MAX = 255 };            // of a word, of a synset

static const char *const parts[PARTS] = {"noun", "verb", "adj", "adv"};

struct as_wordnet {
    as_mapped files[PARTS][FILES]; // index, data
    as_str names[PARTS][FILES], digest;
    as_arena arena;
};

static as_str bytes_of(const as_mapped *map) {
    return (as_str){(const char *)map->bytes, map->size};
}

static as_str digest_of(as_wordnet *w) {
    as_sha256 sha;
    char hex[65];
    as_sha256_init(&sha);
    for (int i = 0; i < PARTS * FILES; i++) {
        as_str all = bytes_of(&w->files[i / FILES][i % FILES]);
        as_str size = as_strf(&w->arena, "%zu\n", all.len);
        as_str begin = as_str_sub(all, 0, ENDS);
        as_str end = as_str_sub(all, all.len > ENDS ? all.len - ENDS : 0, all.len);
        as_sha256_add(&sha, size.ptr, size.len);
        as_sha256_add(&sha, begin.ptr, begin.len);
        as_sha256_add(&sha, end.ptr, end.len);
    }
    as_sha256_hex(&sha, hex);
    return as_str_copy(&w->arena, (as_str){hex, DIGEST});
}

as_rc as_wordnet_open(as_str folder, as_wordnet **out, as_err *err) {
    as_wordnet *w = as_mem_new(sizeof *w);
    as_rc rc = AS_OK;
    for (int i = 0; !rc && i < PARTS * FILES; i++) {
        as_str *name = &w->names[i / FILES][i % FILES];
        *name = as_strf(&w->arena, "%.*s/%s.%s", AS_STR_ARG(folder), i % FILES ? "data" : "index",
                        parts[i / FILES]);
        rc = as_file_map(name->ptr, &w->files[i / FILES][i % FILES], err);
    }
    if (rc) {
        as_wordnet_free(w);
        return rc;
    }
    w->digest = digest_of(w);
    *out = w;
    return AS_OK;
}

void as_wordnet_free(as_wordnet *wordnet) {
    if (!wordnet) return;
    for (int i = 0; i < PARTS * FILES; i++) as_file_unmap(&wordnet->files[i / FILES][i % FILES]);
    as_arena_free(&wordnet->arena);
    free(wordnet);
}

as_str as_wordnet_digest(const as_wordnet *wordnet) {
    return wordnet->digest;
}

// --- lines --------------------------------------------------------------------------------------

// The next word of a line, empty at its end; moves *rest on.
static as_str word_of(as_str *rest) {
    size_t from = 0;
    while (from < rest->len && rest->ptr[from] == ' ') from++;
    size_t to = from;
    while (to < rest->len && rest->ptr[to] != ' ') to++;
    as_str out = as_str_sub(*rest, from, to);
    *rest = as_str_sub(*rest, to, rest->len);
    return out;
}

// A whole number, hexadecimal or decimal, of at most `most`; -1 for anything else.
static long number_of(as_str word, unsigned base, long most) {
    long out = 0;
    for (size_t i = 0; i < word.len; i++) {
        char c = word.ptr[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                : base;
        if (digit >= base) return -1;
        out = out * (long)base + (long)digit;
        if (out > most) return -1;
    }
    return word.len ? out : -1;
}

static as_str line_from(as_str text, size_t at) {
    const char *end = memchr(text.ptr + at, '\n', text.len - at);
    return as_str_sub(text, at, end ? (size_t)(end - text.ptr) : text.len);
}

// The line of the index that begins with `word` and a blank; empty when there is none. Lines of the
// licence begin with blanks, which come before any word.
static as_str find_line(as_str index, as_str word) {
    size_t low = 0, high = index.len; // a line that begins in between, if any
    while (low < high) {
        size_t at = low + (high - low) / 2;
        while (at > low && index.ptr[at - 1] != '\n') at--;
        as_str line = line_from(index, at), rest = line;
        as_str key = line.len && line.ptr[0] == ' ' ? AS_STR("") : word_of(&rest);
        int order = as_str_cmp(key, word);
        if (!order) return line;
        if (order < 0)
            low = at + line.len + 1;
        else
            high = at;
    }
    return AS_STR("");
}

// --- synsets ------------------------------------------------------------------------------------

static as_rc refuse(const char *name, as_str where, as_err *err) {
    return as_fail(err, AS_INVALID,
                   "cannot read '%s': there is no synset at '%.*s', which its index "
                   "names",
                   name, where.len < 64 ? (int)where.len : 64, where.ptr);
}

static void add(as_arena *arena, as_tokens *out, as_str word) {
    // Grown by doubling: the count says when the room is full.
    if (!(out->count & (out->count - 1))) {
        as_str *more = AS_NEW_ARRAY(arena, as_str, 2 * out->count + 1);
        if (out->count) memcpy(more, out->items, out->count * sizeof *more);
        out->items = more;
    }
    out->items[out->count++] = word;
}

// OFFSET FILE TYPE COUNT (hexadecimal) then COUNT times WORD ID.
static as_rc take_synset(as_str data, const char *name, as_str where, as_arena *arena,
                         as_tokens *out, as_err *err) {
    long at = number_of(where, 10, 1L << 40);
    if (at < 0 || (size_t)at >= data.len) return refuse(name, where, err);
    as_str rest = line_from(data, (size_t)at);
    if (!as_str_eq(word_of(&rest), where)) return refuse(name, where, err);
    word_of(&rest);
    word_of(&rest);
    long count = number_of(word_of(&rest), 16, WORDS_MAX);
    for (long i = 0; i < count; i++) {
        as_str word = word_of(&rest);
        if (!word.len) return refuse(name, where, err);
        word_of(&rest);
        if (!memchr(word.ptr, '_', word.len)) add(arena, out, word);
    }
    return count < 1 ? refuse(name, where, err) : AS_OK;
}

// WORD PART SYNSETS POINTERS, so many pointers, two counts, the synsets' places.
as_rc as_wordnet_look(as_str index, as_str data, const char *name, as_arena *arena, as_str word,
                      as_tokens *out, as_err *err) {
    as_str rest = find_line(index, word);
    as_rc rc = AS_OK;
    if (!rest.len || !word.len) return AS_OK;
    word_of(&rest);
    word_of(&rest);
    long synsets = number_of(word_of(&rest), 10, SYNSETS_MAX);
    long pointers = number_of(word_of(&rest), 10, SYNSETS_MAX);
    for (long i = 0; i < pointers + 2; i++) word_of(&rest);
    if (synsets < 1 || pointers < 0) return refuse(name, word, err);
    for (long i = 0; !rc && i < synsets; i++)
        rc = take_synset(data, name, word_of(&rest), arena, out, err);
    return rc;
}

as_rc as_wordnet_synonyms(const as_wordnet *w, as_arena *arena, as_str word, as_tokens *out,
                          as_err *err) {
    as_rc rc = AS_OK;
    *out = (as_tokens){0};
    for (int i = 0; !rc && i < PARTS; i++)
        rc = as_wordnet_look(bytes_of(&w->files[i][0]), bytes_of(&w->files[i][1]),
                             w->names[i][1].ptr, arena, word, out, err);
    return rc;
}
