// SPDX-License-Identifier: Apache-2.0
#include "metrics/families/xml.h"

#include <string.h>

enum { ATTRIBUTES_MAX = 256, PATHS_MAX = 64, STARTS_MAX = 1000 };

typedef struct reader {
    as_str text;
    size_t at;
    as_str open[AS_XML_DEPTH_MAX]; // names of the elements that are open
    size_t depth;
    const as_str *paths;
    size_t path_count;
    uint64_t found; // paths that were met, as bits
} reader;

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool skip_blanks(reader *r) {
    size_t from = r->at;
    while (r->at < r->text.len && is_blank(r->text.ptr[r->at])) r->at++;
    return r->at > from;
}

static bool take(reader *r, const char *word) {
    as_str want = as_str_of(word);
    if (r->at > r->text.len || !as_str_starts(as_str_sub(r->text, r->at, r->text.len), want))
        return false;
    r->at += want.len;
    return true;
}

static bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
           (unsigned char)c >= 0x80;
}

static bool is_name(char c) {
    return is_name_start(c) || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

static as_str take_name(reader *r) {
    size_t from = r->at;
    if (from < r->text.len && is_name_start(r->text.ptr[from]))
        while (r->at < r->text.len && is_name(r->text.ptr[r->at])) r->at++;
    return as_str_sub(r->text, from, r->at);
}

// Past the next `end`; false when there is none.
static bool take_until(reader *r, const char *end) {
    size_t at = as_str_find(r->text, as_str_of(end), r->at);
    if (at == SIZE_MAX) return false;
    r->at = at + strlen(end);
    return true;
}

// &name; or &#number;
static bool take_reference(reader *r) {
    static const char *const known[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (take(r, known[i])) return true;
    if (!take(r, "&#")) return false;
    bool hex = take(r, "x");
    uint32_t code = 0;
    size_t digits = 0;
    for (; r->at < r->text.len && r->text.ptr[r->at] != ';'; r->at++, digits++) {
        char c = r->text.ptr[r->at];
        int value = c >= '0' && c <= '9'          ? c - '0'
                    : hex && c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : hex && c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                  : -1;
        if (value < 0 || digits > 8) return false;
        code = code * (hex ? 16 : 10) + (uint32_t)value;
    }
    bool character = code == 9 || code == 10 || code == 13 || (code >= 32 && code < 0xd800) ||
                     (code >= 0xe000 && code < 0xfffe) || (code >= 0x10000 && code < 0x110000);
    return digits && character && take(r, ";");
}

static bool is_control(char c) {
    return (unsigned char)c < 32 && !is_blank(c);
}

static bool take_value(reader *r) {
    char quote = r->at < r->text.len ? r->text.ptr[r->at] : 0;
    if (quote != '"' && quote != '\'') return false;
    r->at++;
    while (r->at < r->text.len && r->text.ptr[r->at] != quote) {
        char c = r->text.ptr[r->at];
        if (c == '<' || is_control(c)) return false;
        if (c != '&')
            r->at++;
        else if (!take_reference(r))
            return false;
    }
    return take(r, quote == '"' ? "\"" : "'");
}

// Attributes of a tag, each name once.
static bool take_attributes(reader *r) {
    as_str names[ATTRIBUTES_MAX];
    size_t count = 0;
    for (;;) {
        bool apart = skip_blanks(r);
        as_str name = take_name(r);
        if (!name.len) return true;
        if (!apart || count == ATTRIBUTES_MAX) return false;
        for (size_t i = 0; i < count; i++)
            if (as_str_eq(names[i], name)) return false;
        names[count++] = name;
        skip_blanks(r);
        if (!take(r, "=")) return false;
        skip_blanks(r);
        if (!take_value(r)) return false;
    }
}

// Which of the wanted paths ends at the element that was just opened.
static void note_paths(reader *r) {
    for (size_t i = 0; i < r->path_count; i++) {
        as_str rest = r->paths[i];
        size_t at = 0;
        while (rest.ptr && at < r->depth && as_str_eq(as_str_cut(&rest, '.'), r->open[at])) at++;
        if (!rest.ptr && at == r->depth) r->found |= (uint64_t)1 << i;
    }
}

static bool take_open(reader *r) {
    as_str name = take_name(r);
    if (!name.len || r->depth == AS_XML_DEPTH_MAX || !take_attributes(r)) return false;
    r->open[r->depth++] = name;
    note_paths(r);
    if (take(r, "/>"))
        r->depth--;
    else if (!take(r, ">"))
        return false;
    return true;
}

static bool take_close(reader *r) {
    as_str name = take_name(r);
    skip_blanks(r);
    if (!r->depth || !as_str_eq(name, r->open[r->depth - 1]) || !take(r, ">")) return false;
    r->depth--;
    return true;
}

static bool take_comment(reader *r) {
    size_t end = as_str_find(r->text, AS_STR("--"), r->at);
    if (end == SIZE_MAX) return false;
    r->at = end;
    return take(r, "-->");
}

static bool take_instruction(reader *r) {
    as_str name = take_name(r);
    bool reserved = name.len == 3 && (name.ptr[0] | 32) == 'x' && (name.ptr[1] | 32) == 'm' &&
                    (name.ptr[2] | 32) == 'l';
    return name.len && !reserved && take_until(r, "?>");
}

static bool take_text(reader *r) {
    while (r->at < r->text.len && r->text.ptr[r->at] != '<') {
        char c = r->text.ptr[r->at];
        if (is_control(c) || take(r, "]]>")) return false;
        if (c != '&')
            r->at++;
        else if (!take_reference(r))
            return false;
    }
    return true;
}

// The element whose '<' is next, to its end.
static bool take_element(reader *r) {
    if (!take(r, "<") || !take_open(r)) return false;
    while (r->depth) {
        if (!take_text(r)) return false;
        bool good = take(r, "<!--")        ? take_comment(r)
                    : take(r, "<![CDATA[") ? take_until(r, "]]>")
                    : take(r, "<?")        ? take_instruction(r)
                    : take(r, "</")        ? take_close(r)
                                           : take(r, "<") && take_open(r);
        if (!good) return false;
    }
    return true;
}

// <!DOCTYPE name ...> without an internal subset.
static bool take_doctype(reader *r) {
    size_t end = as_str_find(r->text, AS_STR(">"), r->at);
    if (end == SIZE_MAX || !skip_blanks(r) || !take_name(r).len) return false;
    if (as_str_find(as_str_sub(r->text, r->at, end), AS_STR("["), 0) != SIZE_MAX) return false;
    r->at = end + 1;
    return true;
}

static bool take_between(reader *r, bool doctype) {
    for (;;) {
        skip_blanks(r);
        if (take(r, "<!--")) {
            if (!take_comment(r)) return false;
        } else if (take(r, "<?")) {
            if (!take_instruction(r)) return false;
        } else if (doctype && take(r, "<!DOCTYPE")) {
            if (!take_doctype(r)) return false;
            doctype = false;
        } else {
            return true;
        }
    }
}

static bool found_all(const reader *r) {
    return r->path_count <= PATHS_MAX &&
           (r->path_count == 0 || r->found == UINT64_MAX >> (64 - r->path_count));
}

bool as_xml_is(as_str text, const as_str *paths, size_t count) {
    reader r = {.text = text, .paths = paths, .path_count = count};
    if (count > PATHS_MAX) return false;
    if (take(&r, "<?xml") && (!take_attributes(&r) || !take(&r, "?>"))) return false;
    return take_between(&r, true) && take_element(&r) && take_between(&r, false) &&
           r.at == text.len && found_all(&r);
}

bool as_xml_contains(as_str text, const as_str *paths, size_t count) {
    if (count > PATHS_MAX) return false;
    size_t tried = 0;
    for (size_t at = 0; at < text.len && tried < STARTS_MAX; at++) {
        if (text.ptr[at] != '<') continue;
        reader r = {.text = text, .at = at, .paths = paths, .path_count = count};
        tried++;
        if (!take_element(&r)) continue;
        if (found_all(&r)) return true;
        at = r.at - 1; // what stands in it has been looked at
    }
    return false;
}
