// SPDX-License-Identifier: Apache-2.0
#include "metrics/overlap/porter.h"

#include <string.h>

// The word while suffixes come and go; no rule makes it longer than it was by more than a letter.
typedef struct stem {
    char *text;
    size_t len;
} stem;

static bool is_vowel(char c) {
    return c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u';
}

// y is a consonant at the start and after a vowel.
static bool is_consonant(const stem *s, size_t at) {
    bool flip = false;
    while (at > 0 && s->text[at] == 'y') {
        flip = !flip;
        at--;
    }
    return !is_vowel(s->text[at]) != flip;
}

typedef struct shape {
    size_t measure; // how often a consonant follows a vowel
    bool vowel;     // there is one
} shape;

static shape shape_of(const stem *s, size_t len) {
    shape out = {0, false};
    bool before = true; // consonant
    for (size_t i = 0; i < len; i++) {
        char c = s->text[i];
        bool now = c == 'y' ? i == 0 || !before : !is_vowel(c);
        out.measure += i > 0 && !before && now;
        out.vowel |= !now;
        before = now;
    }
    return out;
}

static bool ends(const stem *s, const char *suffix) {
    size_t len = strlen(suffix);
    return s->len >= len && memcmp(s->text + s->len - len, suffix, len) == 0;
}

static void replace(stem *s, size_t cut, const char *by) {
    size_t len = strlen(by);
    memcpy(s->text + s->len - cut, by, len);
    s->len = s->len - cut + len;
}

// Consonant, vowel, consonant that is not w, x or y; of two letters vowel, consonant.
static bool ends_cvc(const stem *s, size_t len) {
    if (len == 2) return !is_consonant(s, 0) && is_consonant(s, 1);
    if (len < 3) return false;
    char last = s->text[len - 1];
    return is_consonant(s, len - 3) && !is_consonant(s, len - 2) && is_consonant(s, len - 1) &&
           last != 'w' && last != 'x' && last != 'y';
}

// `suffix` gives way to `by` where what is before it has a measure of at least `least`.
typedef struct rule {
    const char *suffix, *by;
    size_t least;
} rule;

// The first suffix that the word has decides, whether it may go or not.
static void apply(stem *s, const rule *rules) {
    for (; rules->suffix; rules++) {
        if (!ends(s, rules->suffix)) continue;
        size_t cut = strlen(rules->suffix);
        if (shape_of(s, s->len - cut).measure >= rules->least) replace(s, cut, rules->by);
        return;
    }
}

static void plurals(stem *s) {
    if (ends(s, "ies"))
        replace(s, s->len == 4 ? 1 : 2, "");
    else if (ends(s, "sses"))
        replace(s, 2, "");
    else if (ends(s, "s") && !ends(s, "ss"))
        replace(s, 1, "");
}

// What -ed and -ing leave behind is made a word again.
static void mend(stem *s) {
    char last = s->text[s->len - 1];
    bool twice = s->len >= 2 && s->text[s->len - 2] == last && is_consonant(s, s->len - 1);
    if (ends(s, "at") || ends(s, "bl") || ends(s, "iz"))
        replace(s, 0, "e");
    else if (twice && last != 'l' && last != 's' && last != 'z')
        replace(s, 1, "");
    else if (!twice && shape_of(s, s->len).measure == 1 && ends_cvc(s, s->len))
        replace(s, 0, "e");
}

static void past_and_progress(stem *s) {
    if (ends(s, "ied")) {
        replace(s, s->len == 4 ? 1 : 2, "");
        return;
    }
    if (ends(s, "eed")) {
        if (shape_of(s, s->len - 3).measure > 0) replace(s, 1, "");
        return;
    }
    size_t cut = ends(s, "ed") ? 2 : ends(s, "ing") ? 3 : 0;
    if (!cut || !shape_of(s, s->len - cut).vowel) return;
    replace(s, cut, "");
    mend(s);
}

static void final_y(stem *s) {
    if (ends(s, "y") && s->len > 2 && is_consonant(s, s->len - 2)) s->text[s->len - 1] = 'i';
}

static void double_suffixes(stem *s) {
    static const rule rules[] = {
        {"ational", "ate", 1}, {"tional", "tion", 1}, {"enci", "ence", 1},   {"anci", "ance", 1},
        {"izer", "ize", 1},    {"bli", "ble", 1},     {"alli", "al", 1},     {"entli", "ent", 1},
        {"eli", "e", 1},       {"ousli", "ous", 1},   {"ization", "ize", 1}, {"ation", "ate", 1},
        {"ator", "ate", 1},    {"alism", "al", 1},    {"iveness", "ive", 1}, {"fulness", "ful", 1},
        {"ousness", "ous", 1}, {"aliti", "al", 1},    {"iviti", "ive", 1},   {"biliti", "ble", 1},
        {"fulli", "ful", 1},   {NULL, NULL, 0}};
    while (ends(s, "alli") && shape_of(s, s->len - 4).measure > 0) replace(s, 2, "");
    // The l of -logi belongs to what is before it: geologi has something there, logi has not.
    if (ends(s, "logi")) {
        if (shape_of(s, s->len - 3).measure > 0) replace(s, 1, "");
        return;
    }
    apply(s, rules);
}

static void more_suffixes(stem *s) {
    static const rule rules[] = {{"icate", "ic", 1}, {"ative", "", 1},  {"alize", "al", 1},
                                 {"iciti", "ic", 1}, {"ical", "ic", 1}, {"ful", "", 1},
                                 {"ness", "", 1},    {NULL, NULL, 0}};
    apply(s, rules);
}

static void last_suffixes(stem *s) {
    static const rule before[] = {
        {"al", "", 2},   {"ance", "", 2}, {"ence", "", 2}, {"er", "", 2},    {"ic", "", 2},
        {"able", "", 2}, {"ible", "", 2}, {"ant", "", 2},  {"ement", "", 2}, {"ment", "", 2},
        {"ent", "", 2},  {"ou", "", 2},   {"ism", "", 2},  {"ate", "", 2},   {"iti", "", 2},
        {"ous", "", 2},  {"ive", "", 2},  {"ize", "", 2},  {NULL, NULL, 0}};
    if (!ends(s, "ion")) {
        apply(s, before);
        return;
    }
    char last = s->len > 3 ? s->text[s->len - 4] : 0;
    if ((last == 's' || last == 't') && shape_of(s, s->len - 3).measure > 1) replace(s, 3, "");
}

static void tidy_up(stem *s) {
    if (ends(s, "e")) {
        size_t measure = shape_of(s, s->len - 1).measure;
        if (measure > 1 || (measure == 1 && !ends_cvc(s, s->len - 1))) replace(s, 1, "");
    }
    if (ends(s, "ll") && shape_of(s, s->len - 1).measure > 1) replace(s, 1, "");
}

static const struct irregular {
    const char *word, *stem;
} irregulars[] = {
    {"skies", "sky"},      {"sky", "sky"},         {"dying", "die"},        {"lying", "lie"},
    {"tying", "tie"},      {"news", "news"},       {"innings", "inning"},   {"inning", "inning"},
    {"outings", "outing"}, {"outing", "outing"},   {"cannings", "canning"}, {"canning", "canning"},
    {"howe", "howe"},      {"proceed", "proceed"}, {"exceed", "exceed"},    {"succeed", "succeed"}};

as_str as_porter_stem(as_arena *arena, as_str word) {
    for (size_t i = 0; i < sizeof irregulars / sizeof *irregulars; i++)
        if (as_str_is(word, irregulars[i].word)) return as_str_of(irregulars[i].stem);
    if (word.len <= 2) return word;
    stem s = {as_arena_take(arena, word.len + 2), word.len};
    memcpy(s.text, word.ptr, word.len);
    plurals(&s);
    past_and_progress(&s);
    final_y(&s);
    double_suffixes(&s);
    more_suffixes(&s);
    last_suffixes(&s);
    tidy_up(&s);
    return (as_str){s.text, s.len};
}
