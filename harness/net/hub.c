// SPDX-License-Identifier: Apache-2.0
#include "harness/net/hub.h"

#include <string.h>
#include <strings.h>

enum { PART_TAIL = sizeof "-00001-of-00003.gguf" - 1, POINTER_MAX = 1024, PARTS_MAX = 1000 };

static bool is_word(as_str text, const char *also) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && !strchr(also, c)) return false;
        if (!c) return false;
    }
    return text.len > 0 && text.ptr[0] != '.' && text.ptr[0] != '-';
}

static bool is_hex(as_str text, size_t digits) {
    if (text.len != digits) return false;
    for (size_t i = 0; i < digits; i++) {
        char c = text.ptr[i];
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f')) return false;
    }
    return true;
}

// A path that stays in the repository: no empty, "." or ".." part, nothing that ends a line.
static bool is_path(as_str path) {
    for (size_t i = 0; i < path.len; i++)
        if ((unsigned char)path.ptr[i] < ' ' || path.ptr[i] == '\\' || path.ptr[i] == 127)
            return false;
    if (!path.len) return false;
    while (path.ptr) {
        as_str part = as_str_cut(&path, '/');
        if (!part.len || as_str_is(part, ".") || as_str_is(part, "..")) return false;
    }
    return true;
}

// "OWNER/REPO/..." cut behind the repository.
static as_str cut_repo(as_str *rest) {
    size_t slash = as_str_find(*rest, AS_STR("/"), 0);
    size_t end = slash == SIZE_MAX ? SIZE_MAX : slash + 1;
    while (end < rest->len && rest->ptr[end] != '/' && rest->ptr[end] != '@') end++;
    as_str repo = as_str_sub(*rest, 0, end);
    *rest = as_str_sub(*rest, end, rest->len);
    return repo;
}

static void take_query(as_str *text) {
    as_str path = *text;
    *text = as_str_cut(&path, '?');
}

as_rc as_hub_parse(as_str spec, as_str endpoint, as_hub_file *out, as_err *err) {
    as_hub_file file = {.revision = AS_STR("main")};
    as_str rest = spec;
    if (as_str_starts(spec, AS_STR("hf:"))) {
        rest = as_str_sub(spec, 3, spec.len);
        file.repo = cut_repo(&rest);
        if (as_str_starts(rest, AS_STR("@"))) {
            rest = as_str_sub(rest, 1, rest.len);
            file.revision = as_str_cut(&rest, '/');
        } else {
            rest = as_str_sub(rest, 1, rest.len);
        }
    } else {
        while (as_str_ends(endpoint, AS_STR("/"))) endpoint.len--;
        rest = as_str_starts(spec, endpoint) ? as_str_sub(spec, endpoint.len + 1, spec.len)
                                             : AS_STR("");
        take_query(&rest);
        file.repo = cut_repo(&rest);
        rest = as_str_sub(rest, 1, rest.len);
        as_str how = as_str_cut(&rest, '/');
        file.revision = as_str_cut(&rest, '/');
        if (!as_str_is(how, "resolve") && !as_str_is(how, "blob")) rest = AS_STR("");
    }
    file.file = rest.ptr ? rest : AS_STR("");
    as_str name = file.repo, owner = as_str_cut(&name, '/');
    if (!is_word(owner, "._-") || !name.ptr || !is_word(name, "._-") || !is_path(file.file) ||
        !is_word(file.revision, "._-%"))
        return as_fail(err, AS_INVALID,
                       "'%.*s' names no file of a hub: write hf:OWNER/REPO[@REVISION]/FILE, or the "
                       "URL of a file at %.*s",
                       AS_STR_ARG(spec), AS_STR_ARG(endpoint));
    *out = file;
    return AS_OK;
}

as_str as_hub_url(as_arena *arena, as_str endpoint, const as_hub_file *file, const char *how,
                  as_str revision) {
    as_buf url = {0};
    while (as_str_ends(endpoint, AS_STR("/"))) endpoint.len--;
    as_buff(&url, "%.*s/%.*s/%s/%.*s/", AS_STR_ARG(endpoint), AS_STR_ARG(file->repo), how,
            AS_STR_ARG(revision));
    for (size_t i = 0; i < file->file.len; i++) {
        as_str c = as_str_sub(file->file, i, i + 1);
        bool plain = c.ptr[0] == '/' || c.ptr[0] == '.' || is_word(c, "_~-") || c.ptr[0] == '-';
        if (plain)
            as_buf_str(&url, c);
        else
            as_buff(&url, "%%%02X", (unsigned)(unsigned char)c.ptr[0]);
    }
    as_str copy = as_str_copy(arena, as_buf_view(&url));
    as_buf_free(&url);
    return copy;
}

as_str as_hub_header(as_str headers, const char *name) {
    size_t len = strlen(name);
    while (headers.ptr) {
        as_str value = as_str_cut(&headers, '\n');
        as_str key = as_str_cut(&value, ':');
        if (value.ptr && key.len == len && !strncasecmp(key.ptr, name, len))
            return as_str_trim(value);
    }
    return (as_str){NULL, 0};
}

static uint64_t number_of(as_str text) {
    int64_t value;
    return as_str_to_i64(text, &value) && value > 0 ? (uint64_t)value : 0;
}

// W/"abc" and "abc" are abc.
static as_str plain_etag(as_str tag) {
    if (as_str_starts(tag, AS_STR("W/"))) tag = as_str_sub(tag, 2, tag.len);
    if (tag.len >= 2 && tag.ptr[0] == '"' && tag.ptr[tag.len - 1] == '"')
        tag = as_str_sub(tag, 1, tag.len - 1);
    return tag;
}

as_hub_facts as_hub_facts_of(as_str headers) {
    as_hub_facts facts = {.commit = as_hub_header(headers, "x-repo-commit"),
                          .sha256 = plain_etag(as_hub_header(headers, "x-linked-etag")),
                          .size = number_of(as_hub_header(headers, "x-linked-size")),
                          .error_code = as_hub_header(headers, "x-error-code")};
    if (!is_hex(facts.commit, 40)) facts.commit = AS_STR("");
    if (!is_hex(facts.sha256, 64)) facts.sha256 = AS_STR("");
    if (!facts.error_code.ptr) facts.error_code = AS_STR("");
    return facts;
}

bool as_hub_pointer(as_str text, as_hub_facts *out) {
    as_hub_facts facts = {0};
    if (text.len > POINTER_MAX ||
        !as_str_starts(text, AS_STR("version https://git-lfs.github.com/spec/v1\n")))
        return false;
    while (text.ptr) {
        as_str value = as_str_cut(&text, '\n'), key = as_str_cut(&value, ' ');
        if (as_str_is(key, "oid") && value.ptr && as_str_starts(value, AS_STR("sha256:")))
            facts.sha256 = as_str_sub(value, 7, value.len);
        if (as_str_is(key, "size") && value.ptr) facts.size = number_of(value);
    }
    if (!is_hex(facts.sha256, 64) || !facts.size) return false;
    out->sha256 = facts.sha256;
    out->size = facts.size;
    return true;
}

bool as_hub_range(as_str value, uint64_t *first, uint64_t *total) {
    int64_t from, last, all;
    if (!as_str_starts(value, AS_STR("bytes "))) return false;
    as_str rest = as_str_trim(as_str_sub(value, 6, value.len)), to, of;
    to = rest;
    as_str begin = as_str_cut(&to, '-');
    of = to;
    if (!of.ptr) return false;
    as_str end = as_str_cut(&of, '/');
    if (!of.ptr || !as_str_to_i64(begin, &from) || !as_str_to_i64(end, &last) ||
        !as_str_to_i64(of, &all) || from < 0 || last < from || all <= last)
        return false;
    *first = (uint64_t)from;
    *total = (uint64_t)all;
    return true;
}

// The two numbers of "-00001-of-00003.gguf" at the end of a name.
static bool part_numbers(as_str file, size_t *number, size_t *count) {
    if (file.len <= PART_TAIL) return false;
    as_str tail = as_str_sub(file, file.len - PART_TAIL, file.len);
    int64_t at, of;
    if (tail.ptr[0] != '-' || !as_str_eq(as_str_sub(tail, 6, 10), AS_STR("-of-")) ||
        !as_str_ends(tail, AS_STR(".gguf")) || !as_str_to_i64(as_str_sub(tail, 1, 6), &at) ||
        !as_str_to_i64(as_str_sub(tail, 10, 15), &of) || at < 1 || of < at || of > PARTS_MAX)
        return false;
    *number = (size_t)at;
    *count = (size_t)of;
    return true;
}

size_t as_hub_parts(as_str file) {
    size_t number, count;
    if (!part_numbers(file, &number, &count)) return 1;
    return number == 1 ? count : 0;
}

as_str as_hub_part(as_arena *arena, as_str file, size_t number) {
    size_t at, count;
    if (!part_numbers(file, &at, &count)) return file;
    return as_strf(arena, "%.*s-%05zu-of-%05zu.gguf", (int)(file.len - PART_TAIL), file.ptr, number,
                   count);
}
