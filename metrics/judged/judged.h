// SPDX-License-Identifier: Apache-2.0
// judged.h - metrics that another model judges: what it is asked, how its answer is read, what the
// verdicts come to. Pure: whoever has a network asks (runner/judging), and puts the verdicts on the
// sample, from where the metrics score them.
//
//   rubric             pass or fail (1, 0) by a rubric, or a grade 1..scale as (grade - 1) /
//                      (scale - 1)
//   pairwise           the answer against another one (field `reference`), asked in both orders:
//                      1 better, 0 worse, 0.5 a tie; two orders that disagree are a tie, and
//                      counted
//   faithfulness       share of the answer's claims that the context supports
//   answer_relevance   share of the answer's statements that bear on the question
//   judged_precision   mean over the useful contexts of the share that is useful up to it (average
//                      precision; no useful one: 0), as context precision of ragas
//   judged_recall      share of the expected answer's claims that the context supports
// No claim, statement or context at all is undefined, never 1 or 0. A case without an answer is 0
// where the answer is judged.
//
// What is judged is hostile: it reaches the judge as values of one JSON object, whose escapes
// nothing in it can leave, below instructions that say so; no template is run over it. A judge's
// answer is one JSON object of the shape that was asked for (a code fence around it is taken off),
// or no verdict: there is no searching for one in prose.
#ifndef AS_JUDGED_H
#define AS_JUDGED_H

#include "harness/record/sample.h"
#include "metrics/scorer.h"

typedef struct as_judges as_judges; // the judged metrics of a suite

// A judge as the suite names it: {target: URI, max_tokens: 1024, temperature: 0, seed: 0}.
typedef struct as_judged_by {
    as_str metric; // as in the summary
    as_str target;
    size_t max_tokens;
    double temperature;
    uint64_t seed;
    as_str prompt_sha256; // of the instructions, which "rubric/1" and the like name
} as_judged_by;

// *out NULL when none of the metrics is judged.
as_rc as_judges_new(const as_metric_spec *specs, size_t count, as_judges **out,
                    as_err *err) AS_MUST_USE;
void as_judges_free(as_judges *judges);
size_t as_judges_count(const as_judges *judges);
const as_judged_by *as_judges_at(const as_judges *judges, size_t index);

// What is known of a case.
typedef struct as_judge_case {
    const as_json *fields, *expected;
    as_str asked;  // what the target was asked last, where no field is named
    as_str answer; // its prediction
    bool has_answer;
} as_judge_case;

typedef struct as_judge_question {
    as_str system, user;
    size_t items; // contexts that the answer must go through
} as_judge_question;

// The questions for one case, none where there is no answer to judge or nothing to judge it by; and
// the label that a person gave (NaN: none). AS_INVALID names a field that is missing or of a form
// that cannot be used. In `arena`.
as_rc as_judges_ask(const as_judges *judges, size_t index, as_arena *arena,
                    const as_judge_case *case_, as_judge_question out[AS_JUDGED_MAX], size_t *count,
                    double *human, as_err *err) AS_MUST_USE;

// Sets value, empty and unread of `verdict` from its text.
void as_judges_read(const as_judges *judges, size_t index, size_t question,
                    const as_judge_question *asked, as_judged_answer *verdict);

#endif
