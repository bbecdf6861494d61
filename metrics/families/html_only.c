// SPDX-License-Identifier: Apache-2.0
#include "metrics/families/html_only.h"

enum { OPEN_MAX = 256, NAME_MAX_BYTES = 64 };

// Between blanks, so that a name is found with a blank at both ends.
static const char elements[] =
    " a abbr address area article aside audio b base bdi bdo blockquote body br button canvas "
    "caption cite code col colgroup data datalist dd del details dfn dialog div dl dt em embed "
    "fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hr html i iframe img "
    "input ins kbd label legend li link main map mark math menu meta meter nav noscript object ol "
    "optgroup option output p param picture pre progress q rp rt ruby s samp script section select "
    "slot small source span strong style sub summary sup svg table tbody td template textarea "
    "tfoot th thead time title tr track u ul var video wbr ";
static const char void_elements[] =
    " area base br col embed hr img input link meta param source track wbr ";
static const char raw_elements[] = " script style textarea title ";

typedef struct html_state {
    as_str open[OPEN_MAX]; // names in lower case, views into `names`
    char names[OPEN_MAX][NAME_MAX_BYTES];
    size_t depth;
    bool known, body, loose; // an element of HTML; a <body>; text outside of all elements
} html_state;

static bool is_listed(as_str name, const char *list) {
    char word[NAME_MAX_BYTES + 2];
    size_t len = 0;
    word[len++] = ' ';
    for (size_t i = 0; i < name.len; i++) word[len++] = name.ptr[i];
    word[len++] = ' ';
    return as_str_find(as_str_of(list), (as_str){word, len}, 0) != SIZE_MAX;
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_blank(char c) {
    return c == ' ' || (c >= 9 && c <= 13);
}

// The name at `at` in lower case; a longer one than any that matters is cut.
static as_str name_at(as_str text, size_t at, char out[NAME_MAX_BYTES]) {
    size_t len = 0;
    for (; at < text.len && !is_blank(text.ptr[at]) && text.ptr[at] != '>' && text.ptr[at] != '/';
         at++) {
        char c = text.ptr[at];
        if (len < NAME_MAX_BYTES - 2) out[len++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    return (as_str){out, len};
}

// Past the '>' of the tag that starts at `at`, quoted values passed over; the end without one.
static size_t tag_end(as_str text, size_t at) {
    char quote = 0;
    for (; at < text.len; at++) {
        char c = text.ptr[at];
        if (quote)
            quote = c == quote ? 0 : quote;
        else if ((c == '"' || c == '\'') && at > 0 && text.ptr[at - 1] == '=')
            quote = c;
        else if (c == '>')
            return at + 1;
    }
    return text.len;
}

static size_t past(as_str text, size_t at, const char *end) {
    size_t found = as_str_find(text, as_str_of(end), at);
    return found == SIZE_MAX ? text.len : found + as_str_of(end).len;
}

static void close_element(html_state *s, as_str name) {
    for (size_t i = s->depth; i-- > 0;)
        if (as_str_eq(s->open[i], name)) {
            s->depth = i;
            return;
        }
}

// Past the end of what a raw element holds.
static size_t past_raw(as_str text, size_t at, as_str name) {
    char word[NAME_MAX_BYTES];
    for (; at + 2 < text.len; at++) {
        if (text.ptr[at] != '<' || text.ptr[at + 1] != '/') continue;
        if (as_str_eq(name_at(text, at + 2, word), name)) return tag_end(text, at);
    }
    return text.len;
}

static size_t take_element(html_state *s, as_str text, size_t at) {
    char word[NAME_MAX_BYTES];
    as_str name = name_at(text, at + 1, word);
    size_t end = tag_end(text, at);
    bool custom = as_str_find(name, AS_STR("-"), 0) != SIZE_MAX;
    s->known |= custom || is_listed(name, elements);
    s->body |= as_str_is(name, "body");
    if (is_listed(name, void_elements)) return end;
    if (is_listed(name, raw_elements)) return past_raw(text, end, name);
    if (as_str_is(name, "html") || as_str_is(name, "head") || as_str_is(name, "body")) return end;
    if (s->depth == OPEN_MAX) return end;
    for (size_t i = 0; i < name.len; i++) s->names[s->depth][i] = name.ptr[i];
    s->open[s->depth] = (as_str){s->names[s->depth], name.len};
    s->depth++;
    return end;
}

static size_t take_markup(html_state *s, as_str text, size_t at) {
    char next = at + 1 < text.len ? text.ptr[at + 1] : 0;
    char word[NAME_MAX_BYTES];
    if (is_letter(next)) return take_element(s, text, at);
    if (as_str_starts(as_str_sub(text, at, text.len), AS_STR("<!--"))) return past(text, at, "-->");
    if (next == '!' || next == '?') return past(text, at, ">");
    if (next == '/' && at + 2 < text.len && is_letter(text.ptr[at + 2])) {
        close_element(s, name_at(text, at + 2, word));
        return tag_end(text, at);
    }
    s->loose |= s->depth == 0; // a '<' that is text
    return at + 1;
}

bool as_html_only_is(as_str text) {
    html_state s = {.depth = 0};
    text = as_str_trim(text);
    if (text.len > 4 && text.ptr[0] == '<' && text.ptr[1] == '?') return false;
    for (size_t at = 0; at < text.len;) {
        if (text.ptr[at] == '<') {
            at = take_markup(&s, text, at);
            continue;
        }
        s.loose |= s.depth == 0 && !is_blank(text.ptr[at]);
        at++;
    }
    return s.known && (s.body || !s.loose);
}
