// SPDX-License-Identifier: Apache-2.0
#include "metrics/judged/verdict.h"

#include "harness/base/json.h"

enum { TEXT_MAX = 1 << 20 };

// ```json ... ```: what chat models put around JSON. Nothing else may stand outside.
static as_str unfenced(as_str text) {
    text = as_str_trim(text);
    if (!as_str_starts(text, AS_STR("```")) || !as_str_ends(text, AS_STR("```")) || text.len < 6)
        return text;
    as_str rest = as_str_sub(text, 3, text.len - 3);
    as_str word = as_str_trim(as_str_cut(&rest, '\n'));
    bool known = !word.len || as_str_is(word, "json") || as_str_is(word, "JSON");
    return known && rest.ptr ? as_str_trim(rest) : text;
}

static bool has_keys(const as_json *object, size_t count) {
    return object->kind == AS_JSON_OBJECT && object->count == count;
}

static const as_json *text_member(const as_json *object, const char *key) {
    const as_json *value = as_json_get(object, key);
    return value && value->kind == AS_JSON_STRING ? value : NULL;
}

// {"reason": ..., KEY: one of `words`}: the word's place, -1 for anything else.
static int word_of(const as_json *object, const char *key, const char *const *words) {
    const as_json *word = text_member(object, key);
    if (!has_keys(object, 2) || !text_member(object, "reason") || !word) return -1;
    for (int i = 0; words[i]; i++)
        if (as_str_is(word->text, words[i])) return i;
    return -1;
}

static as_verdict_read read_word(const as_json *object, const char *key, const char *const *words,
                                 const double *values, double *value) {
    int word = word_of(object, key, words);
    if (word < 0) return AS_VERDICT_UNREAD;
    *value = values[word];
    return AS_VERDICT_VALUE;
}

static as_verdict_read read_grade(const as_json *object, size_t grades, double *value) {
    const as_json *grade = as_json_get(object, "grade");
    if (!has_keys(object, 2) || !text_member(object, "reason") || !grade ||
        grade->kind != AS_JSON_NUMBER)
        return AS_VERDICT_UNREAD;
    for (size_t g = 1; g <= grades; g++) {
        if (grade->number != (double)g) continue;
        *value = (double)(g - 1) / (double)(grades - 1);
        return AS_VERDICT_VALUE;
    }
    return AS_VERDICT_UNREAD;
}

// {LIST: [{ITEM: text, FLAG: true}]}: the share of trues.
static as_verdict_read read_share(const as_json *object, const char *list_key, const char *item,
                                  const char *flag, double *value) {
    const as_json *list = as_json_get(object, list_key);
    if (!has_keys(object, 1) || !list || list->kind != AS_JSON_ARRAY) return AS_VERDICT_UNREAD;
    double held = 0;
    for (const as_json *m = list->child; m; m = m->next) {
        const as_json *yes = as_json_get(m, flag);
        if (!has_keys(m, 2) || !text_member(m, item) || !yes || yes->kind != AS_JSON_BOOL)
            return AS_VERDICT_UNREAD;
        held += yes->boolean;
    }
    if (!list->count) return AS_VERDICT_EMPTY;
    *value = held / (double)list->count;
    return AS_VERDICT_VALUE;
}

// Each context once, in order: the mean, over the useful ones, of the share that is useful so far.
static as_verdict_read read_contexts(const as_json *object, size_t items, double *value) {
    const as_json *list = as_json_get(object, "contexts");
    if (!has_keys(object, 1) || !list || list->kind != AS_JSON_ARRAY || list->count != items)
        return AS_VERDICT_UNREAD;
    double useful = 0, sum = 0, place = 0;
    for (const as_json *m = list->child; m; m = m->next) {
        const as_json *index = as_json_get(m, "index"), *yes = as_json_get(m, "useful");
        place++;
        if (!has_keys(m, 2) || !index || index->kind != AS_JSON_NUMBER || index->number != place ||
            !yes || yes->kind != AS_JSON_BOOL)
            return AS_VERDICT_UNREAD;
        if (yes->boolean) sum += ++useful / place;
    }
    *value = useful > 0 ? sum / useful : 0;
    return AS_VERDICT_VALUE;
}

static as_verdict_read read_object(as_prompt_kind kind, size_t grades, size_t items,
                                   const as_json *object, double *value) {
    static const char *const verdicts[] = {"pass", "fail", NULL};
    static const char *const winners[] = {"A", "B", "tie", NULL};
    static const double worth[] = {1, 0, 0.5};
    switch (kind) {
    case AS_PROMPT_PASS:
        return read_word(object, "verdict", verdicts, worth, value);
    case AS_PROMPT_GRADE:
        return read_grade(object, grades, value);
    case AS_PROMPT_PAIR:
        return read_word(object, "winner", winners, worth, value);
    case AS_PROMPT_FAITHFUL:
    case AS_PROMPT_RECALL:
        return read_share(object, "claims", "claim", "supported", value);
    case AS_PROMPT_RELEVANT:
        return read_share(object, "statements", "statement", "relevant", value);
    case AS_PROMPT_PRECISION:
        return read_contexts(object, items, value);
    case AS_PROMPT_COUNT:
        break;
    }
    return AS_VERDICT_UNREAD;
}

as_verdict_read as_verdict_parse(as_prompt_kind kind, size_t grades, size_t items, as_str text,
                                 double *value) {
    as_arena arena = {0};
    const as_json *object;
    as_verdict_read read = AS_VERDICT_UNREAD;
    if (text.len <= TEXT_MAX && !as_json_parse(&arena, unfenced(text), &object, NULL))
        read = read_object(kind, grades, items, object, value);
    as_arena_free(&arena);
    return read;
}
