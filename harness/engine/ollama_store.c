// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/ollama_store.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/base/file.h"
#include "harness/base/json.h"

enum { MANIFEST_MAX = 1024 * 1024, PARTS_MAX = 3 };

static const as_str scheme = {"ollama-store:", 13};

bool as_ollama_store_names(as_str path) {
    return as_str_starts(path, scheme);
}

// A part of a name becomes part of a path.
static bool is_name(as_str text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && c != '.' && c != '_' && c != '-') return false;
    }
    return text.len > 0 && text.ptr[0] != '.';
}

// "manifests/HOST/NAMESPACE/MODEL/TAG" of a name; ptr NULL when it is none.
static as_str manifest_of(as_arena *arena, as_str name) {
    // A host may have a port, so the tag is behind the last slash.
    size_t slash = name.len;
    while (slash && name.ptr[slash - 1] != '/') slash--;
    as_str tag = as_str_sub(name, slash, name.len), model = as_str_cut(&tag, ':');
    if (!tag.ptr) tag = AS_STR("latest");
    as_str before = as_str_sub(name, 0, slash ? slash - 1 : 0), space = AS_STR("library");
    as_str host = AS_STR("registry.ollama.ai");
    if (before.len) {
        size_t cut = before.len;
        while (cut && before.ptr[cut - 1] != '/') cut--;
        space = as_str_sub(before, cut, before.len);
        if (cut) host = as_str_sub(before, 0, cut - 1);
    }
    as_str port = host, bare = as_str_cut(&port, ':');
    if (!is_name(bare) || (port.ptr && !is_name(port)) || !is_name(space) || !is_name(model) ||
        !is_name(tag))
        return (as_str){NULL, 0};
    return as_strf(arena, "manifests/%.*s/%.*s/%.*s/%.*s", AS_STR_ARG(host), AS_STR_ARG(space),
                   AS_STR_ARG(model), AS_STR_ARG(tag));
}

// The stores there may be, in the order in which they are looked at.
static size_t stores(as_arena *arena, as_str out[PARTS_MAX]) {
    const char *own = getenv("OLLAMA_MODELS"), *home = getenv("HOME");
    size_t count = 0;
    if (own && *own) {
        out[count++] = as_str_of(own);
        return count;
    }
    if (home && *home) out[count++] = as_strf(arena, "%s/.ollama/models", home);
    out[count++] = AS_STR("/usr/share/ollama/.ollama/models");
    return count;
}

static as_rc take_blob(as_arena *arena, as_str store, const char *manifest, const as_json *layer,
                       as_str *path, as_str *sha256, uint64_t *size, as_err *err) {
    as_str digest = as_json_str(layer, "digest", AS_STR(""));
    as_str hex = as_str_sub(digest, 7, digest.len);
    bool good = as_str_starts(digest, AS_STR("sha256:")) && hex.len == 64;
    for (size_t i = 0; good && i < hex.len; i++)
        good = (hex.ptr[i] >= '0' && hex.ptr[i] <= '9') || (hex.ptr[i] >= 'a' && hex.ptr[i] <= 'f');
    if (!good)
        return as_fail(err, AS_INVALID, "'%s': 'digest' is '%.*s', not sha256: and 64 hex digits",
                       manifest, digest.len < 100 ? (int)digest.len : 100, digest.ptr);
    *path = as_strf(arena, "%.*s/blobs/sha256-%.*s", AS_STR_ARG(store), AS_STR_ARG(hex));
    *sha256 = as_str_copy(arena, hex);
    struct stat info;
    if (stat(path->ptr, &info))
        return as_fail(err, AS_INVALID, "'%s' names a blob that is not there: '%.*s'", manifest,
                       AS_STR_ARG(*path));
    double stated = as_json_f64(layer, "size", 0);
    *size = (uint64_t)info.st_size;
    if ((double)info.st_size != stated)
        return as_fail(err, AS_INVALID, "blob '%.*s' has %llu bytes, its manifest says %.0f",
                       AS_STR_ARG(*path), (unsigned long long)*size, stated);
    return AS_OK;
}

static as_rc read_manifest(as_arena *arena, as_str store, const char *manifest,
                           as_ollama_model *out, as_err *err) {
    as_str text;
    const as_json *root;
    as_rc rc = as_file_read(arena, manifest, MANIFEST_MAX, &text, err);
    if (!rc && as_json_parse(arena, text, &root, err)) {
        as_err_prefix(err, "'%s'", manifest);
        return AS_INVALID;
    }
    if (rc) return rc;
    const as_json *layers = as_json_get(root, "layers");
    *out = (as_ollama_model){0};
    for (const as_json *l = layers ? layers->child : NULL; !rc && l; l = l->next) {
        as_str type = as_json_str(l, "mediaType", AS_STR("")), unused;
        uint64_t unused_size;
        bool model = as_str_is(type, "application/vnd.ollama.image.model");
        bool adapter = as_str_is(type, "application/vnd.ollama.image.adapter");
        if ((model && out->path.len) || (adapter && out->lora.len))
            return as_fail(err, AS_INVALID, "'%s' has several %s, of which assay computes one",
                           manifest, model ? "models" : "adapters");
        if (model)
            rc = take_blob(arena, store, manifest, l, &out->path, &out->sha256, &out->size, err);
        if (adapter)
            rc = take_blob(arena, store, manifest, l, &out->lora, &unused, &unused_size, err);
    }
    if (!rc && !out->path.len) rc = as_fail(err, AS_INVALID, "'%s' names no model", manifest);
    return rc;
}

as_rc as_ollama_store_find(as_arena *arena, as_str path, as_ollama_model *out, as_err *err) {
    as_str name = as_str_sub(path, scheme.len, path.len), manifest = manifest_of(arena, name);
    if (!manifest.ptr)
        return as_fail(err, AS_INVALID,
                       "'%.*s' names no model of Ollama: write "
                       "ollama-store:[[HOST/]NAMESPACE/]MODEL[:TAG]",
                       AS_STR_ARG(path));
    as_str all[PARTS_MAX];
    size_t count = stores(arena, all);
    for (size_t i = 0; i < count; i++) {
        const char *file =
            as_strf(arena, "%.*s/%.*s", AS_STR_ARG(all[i]), AS_STR_ARG(manifest)).ptr;
        if (as_file_exists(file)) return read_manifest(arena, all[i], file, out, err);
    }
    return as_fail(err, AS_INVALID, "Ollama's store has no '%.*s': there is no '%.*s/%.*s'",
                   AS_STR_ARG(name), AS_STR_ARG(all[0]), AS_STR_ARG(manifest));
}
