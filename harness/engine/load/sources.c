// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/load/sources.h"

#include <string.h>

#include "harness/base/cache.h"
#include "harness/base/sha256.h"
#include "harness/base/thread.h"
#include "harness/engine/model.h"
#include "harness/engine/quantize.h"

enum {
    CACHE_FROM = 64 << 20, // bytes of a file
    HASH_PART = 8 << 20,   // bytes that are hashed before they are let go of
};

// Adds which files these are and in which state; false when that cannot be told.
static bool name_files(as_buf *name, const as_shards *parts) {
    for (size_t i = 0; i < parts->count; i++) {
        const as_mapped *map = &parts->maps[i];
        if (!map->changed_ns) return false;
        as_buff(name, "file %llx %llx %zx %llx %llx\n", (unsigned long long)map->device,
                (unsigned long long)map->inode, map->size, (unsigned long long)map->modified_ns,
                (unsigned long long)map->changed_ns);
    }
    return true;
}

static void hash_map(as_sha256 *sha, const as_mapped *map, bool forget) {
    for (size_t at = 0; at < map->size; at += HASH_PART) {
        size_t size = map->size - at < HASH_PART ? map->size - at : HASH_PART;
        as_sha256_add(sha, map->bytes + at, size);
        if (forget) as_file_forget(map->bytes + at, size);
    }
}

static as_str hash_sources(as_sources *s, bool with_adapter) {
    as_sha256 sha;
    char hex[65];
    as_sha256_init(&sha);
    if (s->quantized.size) hash_map(&sha, &s->quantized, !s->bytes.ptr);
    for (size_t i = 0; !s->quantized.size && i < s->parts.count; i++)
        hash_map(&sha, &s->parts.maps[i], true);
    for (size_t i = 0; with_adapter && i < s->adapter.count; i++)
        hash_map(&sha, &s->adapter.maps[i], true);
    as_sha256_hex(&sha, hex);
    return as_str_copy(&s->arena, (as_str){hex, 64});
}

static bool is_hex(as_str s) {
    for (size_t i = 0; i < s.len; i++)
        if (!strchr("0123456789abcdef", s.ptr[i]) || !s.ptr[i]) return false;
    return s.len == 64;
}

// The SHA-256 of what `what` names, computed once: an entry is the name and the digest.
static as_str digest(as_sources *s, as_str what, bool with_adapter) {
    if (!s->cached || !what.len) return hash_sources(s, with_adapter);
    as_mapped map = {0};
    as_str name = as_strf(&s->arena, "digest-%s", as_sha256_of(&s->arena, what).ptr), hex = {0};
    if (as_cache_map(name.ptr, 1, &map)) {
        as_str held = {(const char *)map.bytes, map.size};
        as_str rest = as_str_sub(held, what.len, held.len);
        if (as_str_starts(held, what) && is_hex(rest)) hex = as_str_copy(&s->arena, rest);
        as_file_unmap(&map);
    }
    if (hex.len) return hex;
    hex = hash_sources(s, with_adapter);
    as_str entry = as_strf(&s->arena, "%.*s%s", AS_STR_ARG(what), hex.ptr);
    as_cache_keep(name.ptr, entry.ptr, entry.len);
    return hex;
}

// What the parts, or the quantized file, and with `adapter` that too are called; empty when there
// is no telling.
static as_str name_sources(as_sources *s, as_str quantized, bool with_adapter) {
    as_buf name = {0};
    bool known = quantized.len || name_files(&name, &s->parts);
    if (quantized.len) as_buff(&name, "entry %.*s\n", AS_STR_ARG(quantized));
    if (known && with_adapter) known = name_files(&name, &s->adapter);
    as_str copy = as_str_copy(&s->arena, known ? as_buf_view(&name) : AS_STR(""));
    as_buf_free(&name);
    return copy;
}

// The model's file as if it had been quantized before: as it was kept, or made now. *name is that
// of its entry, empty without a cache.
static as_rc quantize(as_sources *s, const char *type_name, as_str *name, as_err *err) {
    const as_gguf *file = &s->parts.file;
    const as_recipe *recipe = NULL;
    as_rc rc = as_recipe_find(as_str_of(type_name), &recipe, err);
    if (!rc && s->cached) {
        as_str source = digest(s, name_sources(s, AS_STR(""), false), false);
        *name = as_strf(&s->arena, "quantized-%s-%u-1", source.ptr, as_recipe_file_type(recipe));
    }
    if (!rc && name->len && as_cache_map(name->ptr, as_thread_cpus(), &s->quantized)) {
        rc = as_gguf_read(&s->file, file->path, s->quantized.bytes, s->quantized.size, err);
        s->file.mapped = !rc;
        return rc;
    }
    if (!rc) rc = as_quantize_file(file, recipe, as_thread_cpus(), &s->bytes, err);
    if (rc) return rc;
    s->quantized = (as_mapped){.bytes = (unsigned char *)s->bytes.ptr, .size = s->bytes.len};
    if (name->len) as_cache_keep(name->ptr, s->bytes.ptr, s->bytes.len);
    return as_gguf_read(&s->file, file->path, s->quantized.bytes, s->quantized.size, err);
}

void as_sources_close(as_sources *s) {
    as_gguf_free(&s->file);
    if (!s->bytes.ptr) as_file_unmap(&s->quantized);
    as_buf_free(&s->bytes);
    as_shards_close(&s->parts);
    as_shards_close(&s->adapter);
    as_arena_free(&s->arena);
    *s = (as_sources){0};
}

as_rc as_sources_open(as_sources *out, const char *path, const as_model_options *options,
                      as_err *err) {
    const char *lora = options ? options->lora : NULL, *quant = options ? options->quant : NULL;
    size_t from = options && options->cache_from ? options->cache_from : CACHE_FROM;
    as_sources s = {0};
    as_str quantized = {0};
    as_rc rc = as_shards_open(&s.parts, path, err);
    if (!rc && lora) rc = as_shards_open(&s.adapter, lora, err);
    if (!rc) s.cached = s.parts.file.file_size >= from;
    if (!rc && quant) rc = quantize(&s, quant, &quantized, err);
    if (rc) {
        as_sources_close(&s);
        return rc;
    }
    bool named = !quant || quantized.len, adapted = lora != NULL;
    as_str what = named ? name_sources(&s, quantized, adapted) : AS_STR("");
    memcpy(s.sha256, digest(&s, what, adapted).ptr, 64);
    // With an adapter the digest is not that of the weights alone; and what was quantized is kept.
    if (s.cached && !lora && !quant)
        s.kept = as_strf(&s.arena, "weights-%s-%d%s", s.sha256, AS_PACKED_VERSION,
                         options && options->decoded ? "-decoded" : "")
                     .ptr;
    *out = s;
    out->model = quant ? &out->file : &out->parts.file;
    out->lora = lora ? &out->adapter.file : NULL;
    return AS_OK;
}
