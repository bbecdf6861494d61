// SPDX-License-Identifier: Apache-2.0
// Regular expressions, of Perl's and ECMAScript's notation what says which texts there are: . [..]
// [^..] \d \w \s \D \W \S (ASCII), \n \r \t \f \v \xHH \x{H..} \uHHHH \u{H..}, groups (..) (?:..)
// (?<name>..), | and * + ? {m} {m,} {m,n}, each also lazy, which changes no text. The whole text
// must match, so ^ and $ at the ends of the pattern, or of its alternatives, say nothing new. What
// looks around, remembers or sets options is refused by name.
#include <stdlib.h>
#include <string.h>

#include "harness/base/grammar/grammar_text.h"
#include "harness/base/utf8.h"

typedef struct regex {
    as_source_text s;
    bool json;
} regex;

static as_gx make_points(regex *r, as_point_set *set) {
    as_points_tidy(set);
    as_gx made = r->json ? as_gx_json_points(r->s.maker, set) : as_gx_points(r->s.maker, set);
    free(set->items);
    return made;
}

static as_gx any_char(regex *r, bool lines) {
    as_point_set set = {0};
    if (!lines) as_points_add(&set, '\n', '\n');
    as_points_invert(&set);
    return make_points(r, &set);
}

// \d \w \s and their opposites; false: another letter.
static bool add_shorthand(as_point_set *set, char c) {
    as_point_set own = {0};
    char low = (char)(c | 0x20);
    if (low == 'd' || low == 'w') as_points_add(&own, '0', '9');
    if (low == 'w') {
        as_points_add(&own, 'A', 'Z');
        as_points_add(&own, 'a', 'z');
        as_points_add(&own, '_', '_');
    }
    if (low == 's') {
        as_points_add(&own, '\t', '\r');
        as_points_add(&own, ' ', ' ');
    }
    bool known = own.count > 0;
    if (known && c != low) as_points_invert(&own);
    for (size_t i = 0; i < own.count; i++) as_points_add(set, own.items[i].from, own.items[i].to);
    free(own.items);
    return known;
}

// The digits of \x{..} or \u{..}.
static uint32_t braced_hex(as_source_text *s) {
    size_t from = s->at, digits = 0;
    while (s->at + digits < s->text.len && s->text.ptr[s->at + digits] != '}') digits++;
    if (digits < 1 || digits > 6) {
        as_text_fail(s, from, "expected one to six hexadecimal digits and '}'");
        return 0;
    }
    uint32_t value = as_text_hex(s, digits);
    if (!s->failed && !as_text_take(s, '}')) as_text_fail(s, s->at, "expected '}'");
    return value;
}

// After a backslash at `from`: one character.
static uint32_t read_escape(regex *r, size_t from) {
    as_source_text *s = &r->s;
    char c = as_text_peek(s);
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    bool digit = c >= '0' && c <= '9';
    if (s->at < s->text.len) s->at++;
    if (c == 'n') return '\n';
    if (c == 'r') return '\r';
    if (c == 't') return '\t';
    if (c == 'f') return '\f';
    if (c == 'v') return '\v';
    if (c == 'x') return as_text_take(s, '{') ? braced_hex(s) : as_text_hex(s, 2);
    if (c == 'u') return as_text_take(s, '{') ? braced_hex(s) : as_text_hex(s, 4);
    if (!letter && !digit && c > ' ' && c < 0x7f) return (uint32_t)c;
    if (digit)
        as_text_fail(s, from,
                     "'\\%c' refers back to a group; what may come cannot depend on what "
                     "came",
                     c);
    else if (c == 'b' || c == 'B')
        as_text_fail(s, from, "'\\%c' (a word's edge) is not supported; say what stands beside it",
                     c);
    else if (c == 'p' || c == 'P')
        as_text_fail(s, from,
                     "'\\%c' (classes of Unicode) is not supported; write the ranges, as "
                     "in [a-z\\u00e0-\\u00ff]",
                     c);
    else
        as_text_fail(s, from, "unknown escape '\\%c'", letter ? c : '?');
    return 0;
}

// One end of a range in a class. *set: it was a shorthand, which is in the set already.
static uint32_t read_class_char(regex *r, as_point_set *set, bool *shorthand) {
    as_source_text *s = &r->s;
    size_t from = s->at;
    *shorthand = false;
    if (!as_text_take(s, '\\')) {
        if (as_text_peek(s) == '[' && s->at + 1 < s->text.len && s->text.ptr[s->at + 1] == ':')
            as_text_fail(s, from,
                         "classes by name ([:alpha:]) are not supported; write the ranges");
        return as_utf8_next(s->text, &s->at);
    }
    char c = as_text_peek(s);
    if (c == 'b') {
        s->at++;
        return '\b';
    }
    *shorthand = c && add_shorthand(set, c);
    if (!*shorthand) return read_escape(r, from);
    s->at++;
    return 0;
}

static as_gx read_class(regex *r) {
    as_source_text *s = &r->s;
    size_t begin = s->at++;
    bool inverted = as_text_take(s, '^');
    as_point_set set = {0};
    if (as_text_peek(s) == ']') as_text_fail(s, s->at, "an empty class; for a ']' write '\\]'");
    while (!s->failed && !as_text_take(s, ']')) {
        if (s->at == s->text.len) {
            as_text_fail(s, begin, "the class that begins here has no end: expected ']'");
            break;
        }
        size_t from = s->at;
        bool shorthand, second = false;
        uint32_t first = read_class_char(r, &set, &shorthand), last = first;
        bool range =
            as_text_peek(s) == '-' && s->at + 1 < s->text.len && s->text.ptr[s->at + 1] != ']';
        if (range && !shorthand && !s->failed) {
            s->at++;
            last = read_class_char(r, &set, &second);
        }
        if (second) {
            as_text_fail(s, from, "a range that ends with a class");
        } else if (!shorthand) {
            if (last < first && !s->failed)
                as_text_fail(s, from, "a range that runs backwards: '%.*s'",
                             AS_STR_ARG(as_str_sub(s->text, from, s->at)));
            as_points_add(&set, first, last);
        }
    }
    if (inverted) as_points_invert(&set);
    return make_points(r, &set);
}

static as_gx read_alternatives(regex *r, size_t nest);

// (..), (?:..), (?<name>..), (?P<name>..)
static as_gx read_group(regex *r, size_t nest) {
    as_source_text *s = &r->s;
    size_t from = s->at++;
    if (nest >= AS_GRAMMAR_NEST_MAX)
        as_text_fail(s, from, "groups are nested deeper than %d", AS_GRAMMAR_NEST_MAX);
    if (!s->failed && as_text_take(s, '?')) {
        as_text_take(s, 'P');
        bool named = as_text_take(s, '<');
        char c = as_text_peek(s);
        if (named && c != '=' && c != '!') {
            while (s->at < s->text.len && as_text_peek(s) != '>') s->at++;
            if (!as_text_take(s, '>')) as_text_fail(s, from, "the group's name has no end");
        } else if (named || c == '=' || c == '!') {
            as_text_fail(s, from,
                         "looking ahead or behind is not supported: say what comes in its "
                         "place");
        } else if (!as_text_take(s, ':')) {
            as_text_fail(s, from, "'(?%c' is not supported; known are (..) (?:..) (?<name>..)",
                         c > ' ' && c < 0x7f ? c : '.');
        }
    }
    as_gx made = s->failed ? 0 : read_alternatives(r, nest + 1);
    if (!s->failed && !as_text_take(s, ')'))
        as_text_fail(s, from, "the group that begins here has no end: expected ')'");
    return made;
}

static as_gx read_one(regex *r, size_t nest) {
    as_source_text *s = &r->s;
    size_t from = s->at;
    char c = as_text_peek(s);
    as_point_set set = {0};
    if (c == '(') return read_group(r, nest);
    if (c == '[') return read_class(r);
    if (as_text_take(s, '.')) return any_char(r, false);
    if (c == '*' || c == '+' || c == '?') {
        as_text_fail(s, from,
                     "'%c' has nothing before it to repeat; for the character write '\\%c'", c, c);
        return 0;
    }
    if (c == '^' || c == '$') {
        as_text_fail(s, from,
                     "'%c' is only known at the ends of the pattern or of its outermost "
                     "alternatives",
                     c);
        return 0;
    }
    if (!as_text_take(s, '\\')) {
        uint32_t point = as_utf8_next(s->text, &s->at);
        as_points_add(&set, point, point);
    } else if (s->at < s->text.len && add_shorthand(&set, as_text_peek(s))) {
        s->at++;
    } else {
        uint32_t point = read_escape(r, from);
        as_points_add(&set, point, point);
    }
    return make_points(r, &set);
}

// Whether {m}, {m,} or {m,n} stands here: any other brace is a character.
static bool is_count(const as_source_text *s) {
    size_t i = s->at + 1, digits = 0, commas = 0;
    for (; i < s->text.len; i++) {
        char c = s->text.ptr[i];
        digits += c >= '0' && c <= '9' && !commas;
        commas += c == ',';
        if (c == '}') return digits && commas <= 1;
        if ((c < '0' || c > '9') && c != ',') return false;
    }
    return false;
}

static as_gx read_repeated(regex *r, as_gx item) {
    as_source_text *s = &r->s;
    for (size_t times = 0; !s->failed; times++) {
        char c = as_text_peek(s);
        size_t from = s->at;
        int64_t least = c == '+', most = c == '?' ? 1 : AS_REPEAT_ENDLESS;
        if (c == '{' && is_count(s)) {
            s->at++;
            least = most = as_text_count(s);
            if (as_text_take(s, ','))
                most = as_text_peek(s) == '}' ? AS_REPEAT_ENDLESS : as_text_count(s);
            as_text_take(s, '}');
            if (most >= 0 && most < least)
                as_text_fail(s, from, "a repetition from %lld to %lld times", (long long)least,
                             (long long)most);
        } else if (c && (c == '*' || c == '+' || c == '?')) {
            s->at++;
        } else {
            break;
        }
        if (times)
            as_text_fail(s, from, "a repetition of a repetition; put a group around the first");
        if (as_text_peek(s) == '+')
            as_text_fail(s, s->at, "a possessive repetition ('+' after another) is not supported");
        as_text_take(s, '?'); // lazy
        item = as_gx_repeat(s->maker, item, least, most);
    }
    return item;
}

static as_gx anything(regex *r) {
    return as_gx_repeat(r->s.maker, any_char(r, true), 0, AS_REPEAT_ENDLESS);
}

static as_gx read_alternative(regex *r, size_t nest) {
    as_source_text *s = &r->s;
    as_gx list = as_gx_sequence(s->maker);
    bool begins = nest || as_text_take(s, '^'), ends = nest > 0;
    if (!begins && r->json) as_gx_add(s->maker, list, anything(r));
    while (!s->failed && s->at < s->text.len) {
        char c = as_text_peek(s);
        if (c == '|' || (c == ')' && nest)) break;
        if (c == ')') as_text_fail(s, s->at, "')' without '('; for the character write '\\)'");
        bool last = s->at + 1 == s->text.len || s->text.ptr[s->at + 1] == '|';
        if (c == '$' && last && !nest) {
            s->at++;
            ends = true;
            break;
        }
        if (s->failed) break;
        as_gx item = read_repeated(r, read_one(r, nest));
        if (!s->failed) as_gx_add(s->maker, list, item);
    }
    if (!ends && r->json) as_gx_add(s->maker, list, anything(r));
    return list;
}

static as_gx read_alternatives(regex *r, size_t nest) {
    as_gx list = as_gx_either(r->s.maker);
    do {
        as_gx item = read_alternative(r, nest);
        if (!r->s.failed) as_gx_add(r->s.maker, list, item);
    } while (!r->s.failed && as_text_take(&r->s, '|'));
    return list;
}

as_rc as_gx_regex(as_maker *maker, as_str pattern, bool json, as_gx *out, as_err *err) {
    regex r = {{.maker = maker, .text = pattern, .err = err}, json};
    as_gx made = as_text_check(&r.s) ? read_alternatives(&r, 0) : 0;
    if (r.s.failed) return AS_INVALID;
    *out = made;
    return AS_OK;
}

as_rc as_grammar_of_regex(as_str pattern, as_grammar **out, as_err *err) {
    as_maker maker = {0};
    as_gx body;
    as_rc rc = as_gx_regex(&maker, pattern, false, &body, err);
    uint32_t root = as_maker_rule_of(&maker, AS_STR("regex"), 0, 0);
    if (!rc) as_maker_define(&maker, root, body);
    if (!rc) rc = as_maker_compile(&maker, root, out, err);
    as_maker_free(&maker);
    return rc;
}
