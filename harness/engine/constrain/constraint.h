// SPDX-License-Identifier: Apache-2.0
// constraint.h - which tokens a generation may go on with, by a grammar. What is found out for one
// answer serves all that the constraint is shared by: places that were come to before cost a look
// into a table.
#ifndef AS_CONSTRAINT_H
#define AS_CONSTRAINT_H

#include "harness/engine/engine.h"

typedef struct as_machine as_machine;

// Where an answer is. Zeroed: not begun.
typedef struct as_constrained {
    as_constraint *constraint;
    as_machine *machine;
    uint32_t place;
    as_buf text; // so far
} as_constrained;

// False: it takes too much memory or work to tell what may come; then `mask` and `take` say so too.
bool as_constrained_begin(as_constraint *constraint, as_constrained *out);
void as_constrained_end(as_constrained *c); // also of a zeroed one

// Makes the logits of all tokens that may not come next too small to be taken. False: none may, or
// it cannot be told.
bool as_constrained_mask(as_constrained *c, float *logits);

// Goes on by an allowed token; false as above.
bool as_constrained_take(as_constrained *c, as_str token);

// The text is whole and nothing can be added to it.
bool as_constrained_over(const as_constrained *c);

#endif
