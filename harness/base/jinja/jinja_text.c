// SPDX-License-Identifier: Apache-2.0
// Strings: what filters and methods of strings do, as Python's str does it.
#include "harness/base/jinja/jinja_internal.h"

#include <string.h>

#include "harness/base/letter.h"
#include "harness/base/utf8.h"

// Filters take any value for its text; methods get a string anyway.
static bool text_of(as_jinja_run *run, const as_json *value, as_str *out) {
    return as_jinja_text(run, value, out) && as_jinja_charge(run, out->len / 64);
}

static as_json *upper(as_jinja_run *run, as_json *value, as_json **args) {
    (void)args;
    as_str s;
    if (!text_of(run, value, &s)) return NULL;
    return as_jinja_str(run, as_letter_upper_str(run->arena, s));
}

static as_json *lower(as_jinja_run *run, as_json *value, as_json **args) {
    (void)args;
    as_str s;
    if (!text_of(run, value, &s)) return NULL;
    return as_jinja_str(run, as_letter_lower_str(run->arena, s));
}

// A letter at the start of a word becomes upper case, the rest lower. `starts` says whether a
// character lets a word begin behind it.
static as_json *recase(as_jinja_run *run, const as_json *value, bool (*starts)(uint32_t c)) {
    as_str s;
    if (!text_of(run, value, &s)) return NULL;
    as_buf out = {0};
    bool start = true;
    for (size_t at = 0; at < s.len;) {
        uint32_t c = as_utf8_next(s, &at);
        char bytes[4];
        as_buf_add(&out, bytes,
                   as_utf8_put(start ? as_letter_upper(c) : as_letter_lower(c), bytes));
        start = starts(c);
    }
    return as_jinja_take_buf(run, &out);
}

// As Jinja2: what is neither unreserved nor a slash (RFC 3986).
static as_json *urlencode(as_jinja_run *run, as_json *value, as_json **args) {
    (void)args;
    as_str s;
    if (!text_of(run, value, &s)) return NULL;
    as_buf out = {0};
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        bool plain = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
                     (c && strchr("-_.~/", c));
        as_buff(&out, plain ? "%c" : "%%%02X", c);
    }
    return as_jinja_take_buf(run, &out);
}

static bool never(uint32_t c) {
    (void)c;
    return false;
}

static bool after_separator(uint32_t c) {
    return as_letter_is_space(c) || (c < 0x80 && c && strchr("-({[<", (int)c));
}

static bool after_uncased(uint32_t c) {
    return !as_letter_is_cased(c);
}

static as_json *capitalize(as_jinja_run *run, as_json *value, as_json **args) {
    (void)args;
    return recase(run, value, never);
}

static as_json *title_filter(as_jinja_run *run, as_json *value, as_json **args) {
    (void)args;
    return recase(run, value, after_separator);
}

static as_json *title_method(as_jinja_run *run, as_json *value, as_json **args) {
    (void)args;
    return recase(run, value, after_uncased);
}

static bool in_set(uint32_t c, as_str set) {
    if (!set.ptr) return as_letter_is_space(c);
    for (size_t at = 0; at < set.len;)
        if (as_utf8_next(set, &at) == c) return true;
    return false;
}

static size_t last_start(as_str s, size_t end) {
    size_t at = end - 1;
    while (at && ((unsigned char)s.ptr[at] & 0xc0) == 0x80) at--;
    return at;
}

static as_json *strip_ends(as_jinja_run *run, const as_json *value, as_json **args, bool left,
                           bool right) {
    as_str s, set;
    if (!text_of(run, value, &s) || !as_jinja_args_text(run, args, 0, (as_str){NULL, 0}, &set))
        return NULL;
    size_t from = 0, to = s.len;
    while (left && from < to) {
        size_t at = from;
        if (!in_set(as_utf8_next(s, &at), set)) break;
        from = at;
    }
    while (right && to > from) {
        size_t start = last_start(s, to), at = start;
        if (!in_set(as_utf8_next(s, &at), set)) break;
        to = start;
    }
    return as_jinja_str(run, as_str_sub(s, from, to));
}

static as_json *strip(as_jinja_run *run, as_json *value, as_json **args) {
    return strip_ends(run, value, args, true, true);
}

static as_json *lstrip(as_jinja_run *run, as_json *value, as_json **args) {
    return strip_ends(run, value, args, true, false);
}

static as_json *rstrip(as_jinja_run *run, as_json *value, as_json **args) {
    return strip_ends(run, value, args, false, true);
}

// replace(old, new, count): an empty `old` stands between all characters, as in Python.
static as_json *replace(as_jinja_run *run, as_json *value, as_json **args) {
    as_str s, old, fresh;
    int64_t left;
    if (!args[0] || !args[1]) return as_jinja_fail(run, "replace needs what and by what");
    if (!text_of(run, value, &s) || !as_jinja_text(run, args[0], &old) ||
        !as_jinja_text(run, args[1], &fresh) || !as_jinja_args_int(run, args, 2, -1, &left))
        return NULL;
    as_buf out = {0};
    size_t at = 0;
    while (left != 0 && out.len <= AS_JINJA_OUTPUT_MAX) {
        size_t hit = as_str_find(s, old, at);
        if (hit == SIZE_MAX) break;
        as_buf_str(&out, as_str_sub(s, at, hit));
        as_buf_str(&out, fresh);
        at = hit + old.len;
        if (left > 0) left--;
        if (old.len) continue;
        if (at == s.len) break;
        size_t from = at;
        as_utf8_next(s, &at);
        as_buf_str(&out, as_str_sub(s, from, at));
    }
    as_buf_str(&out, as_str_sub(s, at, s.len));
    return as_jinja_take_buf(run, &out);
}

static bool push_text(as_jinja_run *run, as_jinja_builder *list, as_str s) {
    as_json part = {.kind = AS_JSON_STRING, .text = s};
    return as_jinja_push(run, list, &part);
}

static size_t skip_spaces(as_str s, size_t at, bool spaces) {
    while (at < s.len) {
        size_t next = at;
        if (as_letter_is_space(as_utf8_next(s, &next)) != spaces) break;
        at = next;
    }
    return at;
}

static as_json *split_words(as_jinja_run *run, as_str s, int64_t most) {
    as_jinja_builder list = as_jinja_build(run, AS_JSON_ARRAY);
    for (size_t at = skip_spaces(s, 0, true); at < s.len;) {
        size_t end = most == 0 ? s.len : skip_spaces(s, at, false);
        if (!push_text(run, &list, as_str_sub(s, at, end))) return NULL;
        at = skip_spaces(s, end, true);
        if (most > 0) most--;
    }
    return list.list;
}

static as_json *split(as_jinja_run *run, as_json *value, as_json **args) {
    as_str s = value->text, separator;
    int64_t most;
    if (!as_jinja_args_text(run, args, 0, (as_str){NULL, 0}, &separator) ||
        !as_jinja_args_int(run, args, 1, -1, &most) || !as_jinja_charge(run, s.len / 64))
        return NULL;
    if (!separator.ptr) return split_words(run, s, most);
    if (!separator.len) return as_jinja_fail(run, "split needs a separator that is not empty");
    as_jinja_builder list = as_jinja_build(run, AS_JSON_ARRAY);
    size_t at = 0;
    for (;; most -= most > 0) {
        size_t hit = most == 0 ? SIZE_MAX : as_str_find(s, separator, at);
        if (!push_text(run, &list, as_str_sub(s, at, hit))) return NULL;
        if (hit == SIZE_MAX) return list.list;
        at = hit + separator.len;
    }
}

// From the right: the pieces are found back to front.
static as_json *rsplit(as_jinja_run *run, as_json *value, as_json **args) {
    as_str s = value->text, separator;
    int64_t most;
    if (!as_jinja_args_text(run, args, 0, (as_str){NULL, 0}, &separator) ||
        !as_jinja_args_int(run, args, 1, -1, &most) || !as_jinja_charge(run, s.len / 64))
        return NULL;
    if (!separator.len) return as_jinja_fail(run, "rsplit needs a separator here");
    as_json *list = as_json_new(run->arena, AS_JSON_ARRAY);
    size_t end = s.len;
    for (size_t at = end; most != 0 && at + 1 > separator.len;) {
        size_t from = at - separator.len;
        if (!as_str_starts(as_str_sub(s, from, s.len), separator)) {
            if (!at--) break;
            continue;
        }
        as_json *piece = as_jinja_str(run, as_str_sub(s, at, end));
        if (!piece || !as_jinja_charge(run, 1)) return NULL;
        piece->next = list->child;
        list->child = piece;
        list->count++;
        at = end = from;
        if (most > 0) most--;
    }
    as_json *piece = as_jinja_str(run, as_str_sub(s, 0, end));
    if (!piece) return NULL;
    piece->next = list->child;
    list->child = piece;
    list->count++;
    return list;
}

static as_json *splitlines(as_jinja_run *run, as_json *value, as_json **args) {
    (void)args;
    as_str rest = value->text;
    as_jinja_builder list = as_jinja_build(run, AS_JSON_ARRAY);
    if (!as_jinja_charge(run, rest.len / 64)) return NULL;
    while (rest.len) {
        size_t end = 0;
        while (end < rest.len && rest.ptr[end] != '\n' && rest.ptr[end] != '\r') end++;
        if (!push_text(run, &list, as_str_sub(rest, 0, end))) return NULL;
        bool crlf = end + 1 < rest.len && rest.ptr[end] == '\r' && rest.ptr[end + 1] == '\n';
        rest = as_str_sub(rest, end + (crlf ? 2 : 1), rest.len);
    }
    return list.list;
}

// The argument is a string or a tuple of them.
static as_json *has_affix(as_jinja_run *run, const as_json *value, const as_json *affix,
                          bool (*has)(as_str s, as_str affix)) {
    if (!affix) return as_jinja_fail(run, "an argument is missing");
    bool list = affix->kind == AS_JSON_ARRAY, found = false;
    for (const as_json *a = list ? affix->child : affix; a && !found; a = list ? a->next : NULL) {
        if (a->kind != AS_JSON_STRING)
            return as_jinja_fail(run, "a string is needed, not %s", as_jinja_kind(a));
        found = has(value->text, a->text);
    }
    return as_jinja_bool(run, found);
}

static as_json *startswith(as_jinja_run *run, as_json *value, as_json **args) {
    return has_affix(run, value, args[0], as_str_starts);
}

static as_json *endswith(as_jinja_run *run, as_json *value, as_json **args) {
    return has_affix(run, value, args[0], as_str_ends);
}

static as_json *remove_affix(as_jinja_run *run, as_json *value, as_json **args, bool front) {
    as_str s = value->text, affix;
    if (!as_jinja_args_text(run, args, 0, AS_STR(""), &affix)) return NULL;
    if (front && as_str_starts(s, affix)) s = as_str_sub(s, affix.len, s.len);
    if (!front && as_str_ends(s, affix)) s = as_str_sub(s, 0, s.len - affix.len);
    return as_jinja_str(run, s);
}

static as_json *removeprefix(as_jinja_run *run, as_json *value, as_json **args) {
    return remove_affix(run, value, args, true);
}

static as_json *removesuffix(as_jinja_run *run, as_json *value, as_json **args) {
    return remove_affix(run, value, args, false);
}

static as_json *find(as_jinja_run *run, as_json *value, as_json **args) {
    as_str what;
    if (!as_jinja_args_text(run, args, 0, AS_STR(""), &what)) return NULL;
    size_t hit = as_str_find(value->text, what, 0);
    if (!as_jinja_charge(run, value->text.len / 64)) return NULL;
    if (hit == SIZE_MAX) return as_jinja_int(run, -1);
    return as_jinja_int(run, (int64_t)as_utf8_count(as_str_sub(value->text, 0, hit)));
}

static as_json *count(as_jinja_run *run, as_json *value, as_json **args) {
    as_str what;
    int64_t hits = 0;
    if (!as_jinja_args_text(run, args, 0, AS_STR(""), &what)) return NULL;
    if (!as_jinja_charge(run, value->text.len / 64)) return NULL;
    if (!what.len) return as_jinja_int(run, (int64_t)as_utf8_count(value->text) + 1);
    for (size_t at = 0; (at = as_str_find(value->text, what, at)) != SIZE_MAX; at += what.len)
        hits++;
    return as_jinja_int(run, hits);
}

static as_json *isdigit_method(as_jinja_run *run, as_json *value, as_json **args) {
    (void)args;
    bool all = value->text.len > 0;
    for (size_t i = 0; i < value->text.len; i++)
        all = all && value->text.ptr[i] >= '0' && value->text.ptr[i] <= '9';
    return as_jinja_bool(run, all);
}

static as_json *join_method(as_jinja_run *run, as_json *value, as_json **args) {
    if (!args[0]) return as_jinja_fail(run, "join needs a list");
    const as_json *list = as_jinja_elements(run, args[0]);
    if (!list || !as_jinja_charge(run, list->count)) return NULL;
    for (const as_json *e = list->child; e; e = e->next)
        if (e->kind != AS_JSON_STRING)
            return as_jinja_fail(run, "join needs strings, not %s", as_jinja_kind(e));
    as_buf out = {0};
    for (const as_json *e = list->child; e && out.len <= AS_JINJA_OUTPUT_MAX; e = e->next) {
        if (e != list->child) as_buf_str(&out, value->text);
        as_buf_str(&out, e->text);
    }
    return as_jinja_take_buf(run, &out);
}

// indent(width=4, first=false, blank=false); width may be the text to put before each line.
static as_json *indent(as_jinja_run *run, as_json *value, as_json **args) {
    as_str s, by = AS_STR("    ");
    int64_t width = 4;
    if (as_jinja_is_undefined(value)) return as_jinja_fail_undefined(run, value);
    if (!text_of(run, value, &s)) return NULL;
    if (args[0] && args[0]->kind == AS_JSON_STRING) {
        by = args[0]->text;
    } else if (!as_jinja_args_int(run, args, 0, 4, &width) || width < 0 || width > 1000) {
        return as_jinja_fail(run, "indent: the width must be from 0 to 1000");
    } else {
        by = as_strf(run->arena, "%*s", (int)width, "");
    }
    bool first = as_jinja_args_truth(args, 1, false), blank = as_jinja_args_truth(args, 2, false);
    as_buf out = {0};
    bool start = true;
    for (as_str rest = s; rest.ptr && out.len <= AS_JINJA_OUTPUT_MAX; start = false) {
        as_str line = as_str_cut(&rest, '\n');
        if (!start) as_buf_char(&out, '\n');
        if (start ? first : (line.len || blank)) as_buf_str(&out, by);
        as_buf_str(&out, line);
    }
    return as_jinja_take_buf(run, &out);
}

static as_json *escape(as_jinja_run *run, as_json *value, as_json **args) {
    static const char *const names[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    (void)args;
    as_str s;
    if (!text_of(run, value, &s)) return NULL;
    as_buf out = {0};
    for (size_t i = 0; i < s.len; i++) {
        const char *set = "&<>'\"", *hit = s.ptr[i] ? strchr(set, s.ptr[i]) : NULL;
        if (hit)
            as_buf_text(&out, names[hit - set]);
        else
            as_buf_char(&out, s.ptr[i]);
    }
    return as_jinja_take_buf(run, &out);
}

static as_json *string(as_jinja_run *run, as_json *value, as_json **args) {
    (void)args;
    as_str s;
    return text_of(run, value, &s) ? as_jinja_str(run, s) : NULL;
}

const as_jinja_filter as_jinja_text_filters[] = {
    {"upper", "", upper, NULL, false},
    {"lower", "", lower, NULL, false},
    {"title", "", title_filter, NULL, false},
    {"capitalize", "", capitalize, NULL, false},
    {"trim", "chars", strip, NULL, false},
    {"replace", "old new count", replace, NULL, false},
    {"indent", "width first blank", indent, NULL, false},
    {"escape", "", escape, NULL, false},
    {"e", "", escape, NULL, false},
    {"urlencode", "", urlencode, NULL, false},
    {"string", "", string, NULL, false},
    {"safe", "", string, NULL, false},
    {NULL, NULL, NULL, NULL, false},
};

const as_jinja_filter as_jinja_text_methods[] = {
    {"upper", "", upper, NULL, false},
    {"lower", "", lower, NULL, false},
    {"title", "", title_method, NULL, false},
    {"capitalize", "", capitalize, NULL, false},
    {"strip", "chars", strip, NULL, false},
    {"lstrip", "chars", lstrip, NULL, false},
    {"rstrip", "chars", rstrip, NULL, false},
    {"replace", "old new count", replace, NULL, false},
    {"split", "sep maxsplit", split, NULL, false},
    {"rsplit", "sep maxsplit", rsplit, NULL, false},
    {"splitlines", "", splitlines, NULL, false},
    {"startswith", "prefix", startswith, NULL, false},
    {"endswith", "suffix", endswith, NULL, false},
    {"removeprefix", "prefix", removeprefix, NULL, false},
    {"removesuffix", "suffix", removesuffix, NULL, false},
    {"find", "sub", find, NULL, false},
    {"count", "sub", count, NULL, false},
    {"isdigit", "", isdigit_method, NULL, false},
    {"join", "iterable", join_method, NULL, false},
    {NULL, NULL, NULL, NULL, false},
};
