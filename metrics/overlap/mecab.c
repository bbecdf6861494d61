// SPDX-License-Identifier: Apache-2.0
#include "metrics/overlap/mecab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/load/library.h"

static const char library_name[] = "libmecab.so.2";

enum { VERSION_MAX = 64 };

// mecab_dictionary_info_t: part of the library's interface, 0.98 to 0.996.
typedef struct dictionary {
    const char *file, *charset;
    unsigned size; // words
    int type;
    unsigned left_size, right_size;
    unsigned short version;
    struct dictionary *next;
} dictionary;

// What is used of the library, which is taken in when it is first needed.
static struct {
    void *(*new)(int argc, char **argv);
    void (*destroy)(void *tagger);
    const char *(*sparse_tostr2)(void *tagger, const char *text, size_t len);
    const char *(*strerror)(void *tagger);
    const char *(*version)(void);
    const dictionary *(*dictionary_info)(void *tagger);
} mecab;

static const as_library_name mecab_names[] = {
#define NAME(name) {"mecab_" #name, &mecab.name},
    NAME(new) NAME(destroy) NAME(sparse_tostr2) NAME(strerror) NAME(version) NAME(dictionary_info)};

static as_library libmecab = AS_LIBRARY("libmecab.so.2", mecab_names);

struct as_mecab {
    void *tagger;
    char version[VERSION_MAX];
};

typedef struct known_dictionary {
    as_mecab_kind kind;
    unsigned size;
    const char *name; // in the signature
} known_dictionary;

static const known_dictionary known[] = {
    {AS_MECAB_JA, 392126, "IPA"},
    {AS_MECAB_JA, 392127, "IPA+reiwa"}, // Debian's: the era of 2019 was added to it
    {AS_MECAB_KO, 811795, "KO"},
};

static const char *const names[] = {"ja-mecab", "ko-mecab"};
static const char *const packages[] = {
    "Debian's packages libmecab2 and mecab-ipadic-utf8",
    "mecab-ko and mecab-ko-dic, which Debian does not have, in the loader's path",
};

static as_rc load(as_mecab_kind kind, as_err *err) {
    as_err why;
    if (!as_library_take(&libmecab, &why)) return AS_OK;
    return as_fail(err, AS_INVALID, "tokenizer '%s': %s: install %s", names[kind], why.text,
                   packages[kind]);
}

static as_rc open_tagger(as_mecab *m, as_mecab_kind kind, as_str folder, as_err *err) {
    char *path = as_mem_new(folder.len + 1);
    if (folder.len) memcpy(path, folder.ptr, folder.len);
    // Beside a folder that is named, no file of settings is read: it could add words.
    char *argv[] = {"mecab", "-Owakati", "-r", "/dev/null", "-d", path, NULL};
    m->tagger = mecab.new(folder.len ? 6 : 2, argv);
    free(path);
    if (m->tagger) return AS_OK;
    const char *why = mecab.strerror(NULL);
    return as_fail(
        err, AS_INVALID, "tokenizer '%s': %s finds no dictionary%s%.*s%s: install %s%s%s",
        names[kind], library_name, folder.len ? " in '" : "", AS_STR_ARG(folder),
        folder.len ? "'" : "", packages[kind], why && *why ? "; it says " : "", why ? why : "");
}

static as_rc check_dictionary(as_mecab *m, as_mecab_kind kind, as_err *err) {
    const dictionary *d = mecab.dictionary_info(m->tagger);
    const char *version = mecab.version();
    if (kind == AS_MECAB_KO && !strstr(version, "/ko-"))
        return as_fail(
            err, AS_INVALID,
            "tokenizer 'ko-mecab' needs the library of mecab-ko, and %s is that of MeCab "
            "%s",
            library_name, version);
    bool utf8 = d && (!strcmp(d->charset, "utf8") || !strcmp(d->charset, "UTF-8") ||
                      !strcmp(d->charset, "utf-8"));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!utf8 || d->next || known[i].kind != kind || known[i].size != d->size) continue;
        snprintf(m->version, sizeof m->version, "%s-%s", version, known[i].name);
        return AS_OK;
    }
    return as_fail(
        err, AS_INVALID,
        "tokenizer '%s': '%s' with %u words in %s%s is not the dictionary that sacreBLEU "
        "takes (%s)",
        names[kind], d ? d->file : "", d ? d->size : 0, d ? d->charset : "",
        d && d->next ? ", beside another one," : "",
        kind == AS_MECAB_JA ? "IPA in UTF-8 with 392126" : "mecab-ko-dic with 811795");
}

as_rc as_mecab_new(as_mecab_kind kind, as_str folder, as_mecab **out, as_err *err) {
    as_mecab *m = as_mem_new(sizeof *m);
    as_rc rc = load(kind, err);
    if (!rc) rc = open_tagger(m, kind, folder, err);
    if (!rc) rc = check_dictionary(m, kind, err);
    if (rc)
        as_mecab_free(m);
    else
        *out = m;
    return rc;
}

void as_mecab_free(as_mecab *m) {
    if (!m) return;
    if (m->tagger) mecab.destroy(m->tagger);
    free(m);
}

const char *as_mecab_version(const as_mecab *m) {
    return m->version;
}

as_rc as_mecab_cut(as_mecab *m, as_arena *arena, as_str text, as_tokens *out, as_err *err) {
    *out = (as_tokens){0};
    if (!text.len) return AS_OK;
    const char *words = mecab.sparse_tostr2(m->tagger, text.ptr, text.len);
    if (!words)
        return as_fail(err, AS_UNMEASURED, "MeCab cannot cut a text of %zu bytes: %s", text.len,
                       mecab.strerror(m->tagger));
    // The library's memory holds the words only until the next text.
    *out = as_ngram_split(arena, as_str_copy(arena, as_str_of(words)));
    return AS_OK;
}
