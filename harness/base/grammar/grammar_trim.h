// SPDX-License-Identifier: Apache-2.0
// grammar_trim.h - from the states of a grammar, as they were drawn, to what a recognizer can walk:
// without what leads nowhere and without left recursion. Private to harness/base/grammar.
#ifndef AS_GRAMMAR_TRIM_H
#define AS_GRAMMAR_TRIM_H

#include "harness/base/grammar/grammar_make.h"

typedef enum as_edge_kind { AS_EDGE_BYTES, AS_EDGE_HOP, AS_EDGE_CALL } as_edge_kind;

typedef struct as_draft_edge {
    as_edge_kind kind;
    uint32_t from, to;
    uint32_t low, high; // BYTES; of a CALL, low is the rule
} as_draft_edge;

typedef struct as_draft {
    uint32_t state_count, root;
    size_t rule_count;
    uint32_t *starts, *ends; // [rule_count]; states of a rule go from its start to the next's
    as_draft_edge *edges;
    size_t edge_count, edge_cap;
    bool full; // too many of either
} as_draft;

typedef enum as_trimming {
    AS_TRIM_FINE,
    AS_TRIM_ENDLESS, // the root has no text
    AS_TRIM_LEFT,    // *rule begins with itself
} as_trimming;

as_trimming as_draft_trim(const as_draft *draft, size_t *rule, as_grammar **out);

#endif
