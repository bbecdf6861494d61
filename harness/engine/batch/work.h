// SPDX-License-Identifier: Apache-2.0
// work.h - a request as rows: the part of its prompt that is its own to compute, then the rows that
// its texts or its generation need. Texts that begin alike share rows. Which rows go into which
// batch is decided elsewhere; any cut keeps a row behind those it sees.
#ifndef AS_WORK_H
#define AS_WORK_H

#include "harness/engine/batch/prefix.h"
#include "harness/engine/constrain/constraint.h"

// What is to be said of a text's token: of the row that predicts it.
typedef struct as_target_token {
    uint32_t row; // 0: the last row of the prompt, else 1 + the branch row
    uint32_t token, text;
} as_target_token;

// Private slots count through the private pages: own prompt rows first, then branch rows. Branches
// that do not fit together come in groups, one after the other, in the same slots.
typedef struct as_case {
    as_work *work;
    as_arena arena; // of everything below
    struct as_case *next;

    // What the texts need, whatever of the prompt is there already.
    as_row *branch;   // [branch_count] `view` is 1 + a text, or 0
    uint32_t *slots;  // [branch_count] private slot, less own_count
    size_t *ends;     // [group_count] one past the last branch row of a group
    uint32_t **paths; // [text_count] branch rows of a text, by depth; NULL: it needs no view
    as_target_token *targets; // [target_count] by row
    double *values;           // [target_count]
    uint32_t *tokens;         // [target_count] those of the targets
    uint32_t *best;           // [1 + branch_count] the likeliest token, by row
    size_t branch_count, group_count, target_count;
    size_t branch_slots;        // private slots that branch rows need
    size_t asked, scored;       // targets, by as_work_want and as_work_score
    as_constrained constrained; // where the answer is in its constraint

    // Where it is.
    as_node *node;   // held
    bool added;      // it is this one's own to compute
    size_t own_from; // position of the first own row of the prompt
    size_t own_count;
    uint32_t *pages; // [page_count] private ones
    size_t page_count;
    as_view *views; // [1 + text_count] of the prompt (and what is generated after it), and texts
    as_span *spans; // of views[0], with room for what is generated

    size_t row_count; // own and branch rows
    size_t done;      // of those, computed
    size_t planned;   // or in a batch under way
    bool busy;        // a batch with rows of it is under way
} as_case;

// Works out branch rows and targets. `group_slots` limits those of a group, but for one text that
// needs more.
void as_work_build(as_case *c, size_t group_slots);

// Private slots it needs when the prompt from position `own_from` on is its own.
size_t as_work_slots(const as_case *c, size_t own_from);

// Spans of private slots from..to-1, behind the `count` spans that are there; how many then. Slots
// side by side are one span, but for what is before `apart`.
size_t as_work_spans(const as_case *c, size_t from, size_t to, as_span *spans, size_t count,
                     size_t apart);

// Makes the views of the texts; own_from, own_count, pages and views[0] are known.
void as_work_place(as_case *c);

// Row `i`, 0 <= i < row_count.
as_row as_work_row(const as_case *c, size_t i);

// One past the last row that may be in a batch with row `i`.
size_t as_work_group_end(const as_case *c, size_t i);

// What is wanted of row `i`, to be called for all rows in order; false: nothing. LOGITS and sampled
// tokens need a place for logits besides.
bool as_work_want(as_case *c, size_t i, as_want *out);

// Takes the answers for rows from..to-1 of texts into account.
void as_work_score(as_case *c, size_t from, size_t to);

#endif
