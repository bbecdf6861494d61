// SPDX-License-Identifier: Apache-2.0
// The constraints that answers of a gguf: target are kept to.
#include <stdlib.h>

#include "harness/target/gguf_case.h"

typedef struct kept {
    as_constraint_spec spec; // views of the suite's
    as_constraint *constraint;
    struct kept *next;
} kept;

struct as_constraints {
    const as_model *model;
    as_lock *lock; // of the rest
    as_trie *trie; // NULL: nobody has asked yet
    kept *first;
};

as_constraints *as_constraints_new(const as_model *model) {
    as_constraints *c = as_mem_new(sizeof *c);
    *c = (as_constraints){.model = model, .lock = as_lock_new()};
    return c;
}

void as_constraints_free(as_constraints *constraints) {
    if (!constraints) return;
    for (kept *k = constraints->first, *next; k; k = next) {
        next = k->next;
        as_constraint_free(k->constraint);
        free(k);
    }
    as_trie_free(constraints->trie);
    as_lock_free(constraints->lock);
    free(constraints);
}

static bool is_same(const as_constraint_spec *a, const as_constraint_spec *b) {
    return a->kind == b->kind && a->choices == b->choices && a->text.ptr == b->text.ptr &&
           a->schema == b->schema;
}

as_constraint *as_constraints_find(as_constraints *constraints, const as_constraint_spec *spec,
                                   as_err *err) {
    as_constraint *found = NULL;
    as_grammar *grammar = NULL;
    as_lock_take(constraints->lock);
    if (!constraints->trie) constraints->trie = as_trie_new(constraints->model);
    for (kept *k = constraints->first; k && !found && !spec->own; k = k->next)
        if (is_same(&k->spec, spec)) found = k->constraint;
    if (!found && !as_grammar_of(spec, &grammar, err)) {
        found = as_constraint_new(constraints->trie, grammar);
        if (!spec->own) {
            kept *k = as_mem_new(sizeof *k);
            *k = (kept){*spec, found, constraints->first};
            constraints->first = k;
        }
    }
    as_lock_give(constraints->lock);
    return found;
}
