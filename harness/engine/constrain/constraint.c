// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/constrain/constraint.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/grammar/recognizer.h"
#include "harness/base/thread.h"
#include "harness/engine/constrain/trie.h"

enum { MACHINE_SIZE_MAX = 96 << 20 };

static const float NEVER = -1e30f; // exp gives 0 for it, whatever the temperature

// A recognizer and the tokens that may come at its places. When it has grown too large, answers
// that begin get another one, and it goes with the last that uses it.
struct as_machine {
    as_recognizer *recognizer;
    uint64_t **masks; // [mask_count] by place, a bit a token; NULL: not made yet
    size_t mask_count, users;
};

struct as_constraint {
    const as_trie *trie;
    as_grammar *grammar;
    as_lock *lock; // of the machines
    as_machine *machine;
    as_place *path; // [depth_max + 1] of a walk along the trie
    const as_place **rows;
};

static as_machine *new_machine(const as_constraint *c) {
    as_machine *m = as_mem_new(sizeof *m);
    m->recognizer = as_recognizer_new(c->grammar, MACHINE_SIZE_MAX);
    return m;
}

static void free_machine(as_machine *m) {
    for (size_t i = 0; i < m->mask_count; i++) free(m->masks[i]);
    free(m->masks);
    as_recognizer_free(m->recognizer);
    free(m);
}

as_constraint *as_constraint_new(const as_trie *trie, as_grammar *grammar) {
    as_constraint *c = as_mem_new(sizeof *c);
    *c = (as_constraint){.trie = trie, .grammar = grammar, .lock = as_lock_new()};
    c->machine = new_machine(c);
    c->path = as_mem_new(as_size_mul(trie->depth_max + 1, sizeof *c->path));
    c->rows = as_mem_new(as_size_mul(trie->depth_max + 1, sizeof *c->rows));
    return c;
}

void as_constraint_free(as_constraint *constraint) {
    if (!constraint) return;
    free_machine(constraint->machine);
    as_grammar_free(constraint->grammar);
    as_lock_free(constraint->lock);
    free(constraint->path);
    free(constraint->rows);
    free(constraint);
}

static void leave_machine(as_constrained *c) {
    if (c->machine && --c->machine->users == 0 && c->machine != c->constraint->machine)
        free_machine(c->machine);
    c->machine = NULL;
}

static void walk(as_constrained *c, as_str text) {
    for (size_t i = 0; i < text.len && c->place != AS_PLACE_FULL; i++)
        c->place = as_recognizer_step(c->machine->recognizer, c->place, (unsigned char)text.ptr[i]);
}

static void enter_machine(as_constrained *c) {
    c->machine = c->constraint->machine;
    c->machine->users++;
    c->place = as_recognizer_start(c->machine->recognizer);
    walk(c, as_buf_view(&c->text));
}

// To a machine that knows nothing yet, over the text so far.
static bool renew(as_constrained *c) {
    as_constraint *all = c->constraint;
    if (all->machine == c->machine) {
        all->machine = new_machine(all);
    } else if (c->machine) {
        leave_machine(c); // others have renewed it
        enter_machine(c);
        if (c->place != AS_PLACE_FULL) return true;
        all->machine = new_machine(all);
    }
    leave_machine(c);
    enter_machine(c);
    return c->place != AS_PLACE_FULL;
}

bool as_constrained_begin(as_constraint *constraint, as_constrained *out) {
    *out = (as_constrained){.constraint = constraint};
    as_lock_take(constraint->lock);
    enter_machine(out);
    bool known = out->place != AS_PLACE_FULL || renew(out);
    as_lock_give(constraint->lock);
    return known;
}

void as_constrained_end(as_constrained *c) {
    if (!c->constraint) return;
    as_lock_take(c->constraint->lock);
    leave_machine(c);
    as_lock_give(c->constraint->lock);
    as_buf_free(&c->text);
    *c = (as_constrained){0};
}

bool as_constrained_take(as_constrained *c, as_str token) {
    if (c->place == AS_PLACE_FULL) return false;
    as_buf_str(&c->text, token);
    as_lock_take(c->constraint->lock);
    walk(c, token);
    bool known = c->place != AS_PLACE_FULL || renew(c);
    as_lock_give(c->constraint->lock);
    return known;
}

bool as_constrained_over(const as_constrained *c) {
    const as_recognizer *r = c->machine->recognizer;
    if (c->place == AS_PLACE_FULL) return false;
    as_lock_take(c->constraint->lock);
    bool over = as_recognizer_may_end(r, c->place) && !as_recognizer_may_go_on(r, c->place);
    as_lock_give(c->constraint->lock);
    return over;
}

// The tokens that may come at a place; false: the recognizer is full.
static bool find_tokens(const as_constraint *all, as_recognizer *r, as_place place,
                        uint64_t *mask) {
    const as_trie *trie = all->trie;
    const unsigned char *classes = as_recognizer_classes(r);
    const as_trie_node *nodes = trie->nodes;
    all->path[0] = place;
    all->rows[0] = as_recognizer_row(r, place);
    for (size_t i = 0; i < trie->node_count;) {
        const as_trie_node *n = &nodes[i];
        size_t depth = n->depth;
        const as_place *row = all->rows[depth - 1];
        as_place next = row ? row[classes[n->byte]] : AS_PLACE_UNKNOWN;
        if (next == AS_PLACE_UNKNOWN) {
            as_place from = all->path[depth - 1];
            next = as_recognizer_step(r, from, n->byte);
            if (next == AS_PLACE_FULL) return false;
            all->rows[depth - 1] = as_recognizer_row(r, from);
        }
        if (next == AS_PLACE_DEAD) {
            i = n->next;
            continue;
        }
        for (uint32_t t = n->token; t < nodes[i + 1].token; t++)
            mask[trie->tokens[t] / 64] |= (uint64_t)1 << trie->tokens[t] % 64;
        all->path[depth] = next;
        all->rows[depth] = as_recognizer_row(r, next);
        i++;
    }
    return true;
}

static const uint64_t *mask_of(as_constrained *c) {
    const as_constraint *all = c->constraint;
    as_machine *m = c->machine;
    if (c->place < m->mask_count && m->masks[c->place]) return m->masks[c->place];
    size_t words = all->trie->vocabulary / 64 + 1;
    uint64_t *mask = as_mem_new(as_size_mul(words, sizeof *mask));
    if (!find_tokens(all, m->recognizer, c->place, mask)) {
        free(mask);
        return NULL;
    }
    size_t count = as_recognizer_place_count(m->recognizer);
    if (c->place >= m->mask_count) {
        m->masks = as_mem_grow(m->masks, as_size_mul(count, sizeof *m->masks));
        memset(m->masks + m->mask_count, 0, (count - m->mask_count) * sizeof *m->masks);
        as_recognizer_count(m->recognizer, (count - m->mask_count) * sizeof *m->masks);
        m->mask_count = count;
    }
    m->masks[c->place] = mask;
    as_recognizer_count(m->recognizer, words * sizeof *mask);
    return mask;
}

// False: no token is left.
static bool apply(const as_trie *trie, const uint64_t *mask, bool may_end, float *logits) {
    uint64_t any = 0;
    for (size_t from = 0; from < trie->vocabulary; from += 64) {
        uint64_t word = mask[from / 64] | (may_end ? trie->ends[from / 64] : 0);
        size_t to = from + 64 < trie->vocabulary ? from + 64 : trie->vocabulary;
        any |= word;
        if (word == UINT64_MAX) continue;
        for (size_t i = from; i < to; i++)
            if (!(word >> (i - from) & 1)) logits[i] = NEVER;
    }
    return any != 0;
}

bool as_constrained_mask(as_constrained *c, float *logits) {
    if (c->place == AS_PLACE_FULL) return false;
    as_lock_take(c->constraint->lock);
    const uint64_t *mask = mask_of(c);
    if (!mask && renew(c)) mask = mask_of(c);
    bool some = mask && apply(c->constraint->trie, mask,
                              as_recognizer_may_end(c->machine->recognizer, c->place), logits);
    as_lock_give(c->constraint->lock);
    return some;
}
