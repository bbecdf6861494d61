// SPDX-License-Identifier: Apache-2.0
// trie.h - the tokens of a vocabulary by their bytes, as a tree: those that begin alike lie behind
// one node, so that what a grammar does not allow is passed over at once.
//
// Immutable; any thread may read it. It needs the vocabulary only while it is made.
#ifndef AS_TRIE_H
#define AS_TRIE_H

#include "harness/engine/text/vocab.h"

// Nodes in the order of their bytes, what goes on from a node right behind it.
typedef struct as_trie_node {
    uint32_t next;  // the first node that does not go on from this one
    uint32_t token; // tokens[token..] of the next node's `token` are those that end here
    uint16_t depth; // bytes, from 1
    unsigned char byte;
} as_trie_node;

struct as_trie {
    as_trie_node *nodes; // [node_count], and one at the end
    uint32_t *tokens;    // [token_count] by their bytes; those without any are not there
    uint64_t *ends;      // [vocabulary / 64 + 1] a bit for each token that ends an answer, which
                         // are not in the tree
    size_t node_count, token_count, vocabulary, depth_max;
};

#endif
