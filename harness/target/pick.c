// SPDX-License-Identifier: Apache-2.0
#include "harness/target/pick.h"

#include <string.h>
#include <strings.h>

static bool same(as_str a, as_str b) {
    return a.len == b.len && !strncasecmp(a.ptr, b.ptr, a.len);
}

static as_str bare(as_str text) {
    static const char around[] = "\"'`*_.:()[]{} \t\r\n";
    while (text.len && strchr(around, text.ptr[0])) text = as_str_sub(text, 1, text.len);
    while (text.len && strchr(around, text.ptr[text.len - 1])) text.len--;
    return text;
}

// Letters, digits, '_' and all of UTF-8 beyond ASCII make words.
static bool in_word(char c) {
    unsigned char u = (unsigned char)c;
    return u >= 0x80 || u == '_' || (u >= '0' && u <= '9') || ((u | 32) >= 'a' && (u | 32) <= 'z');
}

static bool stands_at(as_str text, size_t at, as_str choice) {
    if (at + choice.len > text.len || !same(as_str_sub(text, at, at + choice.len), choice))
        return false;
    size_t end = at + choice.len;
    bool left = at == 0 || !in_word(text.ptr[at - 1]) || !in_word(choice.ptr[0]);
    bool right = end == text.len || !in_word(text.ptr[end]) || !in_word(choice.ptr[choice.len - 1]);
    return left && right;
}

// The only choice that stands in the text; at each place the longest one counts.
static size_t only_one(as_str text, const as_str *choices, size_t count) {
    size_t found = SIZE_MAX;
    for (size_t at = 0; at < text.len;) {
        size_t best = SIZE_MAX;
        for (size_t i = 0; i < count; i++)
            if (choices[i].len && stands_at(text, at, choices[i]) &&
                (best == SIZE_MAX || choices[i].len > choices[best].len))
                best = i;
        if (best != SIZE_MAX && found != SIZE_MAX && found != best) return SIZE_MAX;
        if (best != SIZE_MAX) found = best;
        at += best == SIZE_MAX ? 1 : choices[best].len;
    }
    return found;
}

size_t as_pick_choice(as_str text, const as_str *choices, size_t count) {
    text = as_str_trim(text);
    for (size_t i = 0; i < count; i++)
        if (as_str_eq(text, choices[i])) return i;
    as_str inner = bare(text);
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        if (!same(inner, bare(choices[i]))) continue;
        if (found != SIZE_MAX) return SIZE_MAX; // choices that differ in case alone
        found = i;
    }
    return found != SIZE_MAX ? found : only_one(text, choices, count);
}
