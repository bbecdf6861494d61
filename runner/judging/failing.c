// SPDX-License-Identifier: Apache-2.0
#include "runner/judging/failing.h"

#include <math.h>
#include <string.h>

double as_failing_score(const as_sample *sample) {
    return sample->score_count ? sample->scores[0].value : NAN;
}

bool as_failing_right(double score) {
    return score >= 1;
}

static double case_score(as_scorer *scorer, const as_sample *sample) {
    return sample->samples > 1 && scorer ? as_scorer_case(scorer, sample->id)
                                         : as_failing_score(sample);
}

static as_str clip(as_arena *arena, as_str text) {
    return as_str_copy(arena, as_str_sub(text, 0, AS_FAILING_TEXT_MAX));
}

as_str as_failing_expected(as_arena *arena, const as_sample *sample) {
    if (!sample->expected) return AS_STR("");
    return clip(arena, as_json_plain(arena, sample->expected));
}

as_str as_failing_prediction(as_arena *arena, const as_sample *sample) {
    if (as_outcome_is_error(sample->outcome)) return as_str_of(as_outcome_name(sample->outcome));
    return sample->has_prediction ? clip(arena, sample->prediction) : AS_STR("(none)");
}

// How much more likely the model held its choice than the reference.
static double margin_of(const as_sample *sample) {
    if (!sample->choice_logprobs || !sample->expected) return NAN;
    double best = NAN, reference = NAN;
    for (size_t i = 0; i < sample->choice_count; i++) {
        if (as_str_eq(sample->choices[i], sample->prediction)) best = sample->choice_logprobs[i];
        if (as_str_eq(sample->choices[i], sample->expected->text))
            reference = sample->choice_logprobs[i];
    }
    return best - reference;
}

static const as_str *copy_strings(as_arena *arena, const as_str *from, size_t count) {
    as_str *to = AS_NEW_ARRAY(arena, as_str, count + 1);
    for (size_t i = 0; i < count; i++) to[i] = as_str_copy(arena, from[i]);
    return to;
}

static as_failure failure_of(as_failing *f, as_scorer *scorer, const as_sample *sample) {
    as_arena *arena = &f->arena;
    return (as_failure){
        .id = as_str_copy(arena, sample->id),
        .input = AS_STR(""),
        .expected = as_failing_expected(arena, sample),
        .prediction = as_failing_prediction(arena, sample),
        .output = clip(arena, sample->output),
        .error = clip(arena, sample->error),
        .outcome = sample->outcome,
        .score = case_score(scorer, sample),
        .sample = sample->sample,
        .margin = margin_of(sample),
        .slices = copy_strings(arena, sample->slices, sample->slice_count),
        .slice_count = sample->slice_count,
    };
}

as_failure *as_failing_items(const as_failing *f, as_arena *arena) {
    as_failure *items = AS_NEW_ARRAY(arena, as_failure, AS_FAILING_MAX);
    for (size_t i = 0; i < f->count; i++) {
        as_failure *item = &items[i];
        *item = f->items[i];
        as_str *const texts[] = {&item->id, &item->expected, &item->prediction, &item->output,
                                 &item->error};
        for (size_t t = 0; t < sizeof texts / sizeof *texts; t++)
            *texts[t] = as_str_copy(arena, *texts[t]);
        item->slices = copy_strings(arena, item->slices, item->slice_count);
    }
    return items;
}

// Gives back the memory of what fell off the end, once that is as much as the list itself.
static void tidy(as_failing *f) {
    if (f->left < AS_FAILING_MAX) return;
    as_arena fresh = {0};
    f->items = as_failing_items(f, &fresh);
    as_arena_free(&f->arena);
    f->arena = fresh;
    f->left = 0;
}

// Of several answers to a case the first that failed is shown, with the score of them all.
static bool is_known(as_failing *f, as_scorer *scorer, const as_sample *sample) {
    if (sample->samples < 2) return false;
    bool known = !as_keyset_add(&f->several, sample->id, 0, 0, NULL);
    for (size_t i = 0; known && i < f->count; i++) {
        as_failure *item = &f->items[i];
        if (!as_str_eq(item->id, sample->id) || item->sample <= sample->sample) continue;
        *item = failure_of(f, scorer, sample);
        break;
    }
    return known;
}

// Keeps the list sorted; what falls off the end is only counted. Arrival order decides nothing.
void as_failing_look(as_failing *f, as_scorer *scorer, const as_sample *sample) {
    if (sample->samples > 1) f->any_several = true;
    if (f->any_several && !scorer) return;
    if (as_failing_right(as_failing_score(sample)) || is_known(f, scorer, sample)) return;
    f->total++;
    if (!f->items) f->items = AS_NEW_ARRAY(&f->arena, as_failure, AS_FAILING_MAX);
    size_t at = f->count;
    while (at > 0 && as_str_cmp(sample->id, f->items[at - 1].id) < 0) at--;
    if (at == AS_FAILING_MAX) return;
    if (f->count < AS_FAILING_MAX)
        f->count++;
    else
        f->left++;
    memmove(&f->items[at + 1], &f->items[at], (f->count - 1 - at) * sizeof *f->items);
    f->items[at] = failure_of(f, scorer, sample);
    tidy(f);
}

void as_failing_free(as_failing *f) {
    as_keyset_free(&f->several);
    as_arena_free(&f->arena);
    *f = (as_failing){0};
}
