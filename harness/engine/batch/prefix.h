// SPDX-License-Identifier: Apache-2.0
// prefix.h - the texts whose keys and values are kept, as a tree: a node is a piece of text that
// goes on from its parent's, and where it lies. Text is shared to the token: where two part in the
// middle of a node, it becomes two.
//
// A node may be there before it is computed: whoever needs it waits, nobody computes it twice. A
// node that somebody holds, or that others go on from, stays; of the rest, the one that was used
// the longest ago goes first when pages are needed.
//
// One thread at a time.
#ifndef AS_PREFIX_H
#define AS_PREFIX_H

#include "harness/engine/batch/pages.h"

typedef struct as_node as_node;

struct as_node {
    as_node *parent;  // NULL: the root, an empty text
    uint32_t *tokens; // [count]
    as_span *spans;   // [span_count], each with its page held once
    size_t start;     // position of the first token
    size_t count, span_count;
    // Tokens from the front that are computed, or at least in the batch `batch` that is under way.
    size_t computed, planned;
    const void *batch;
    size_t holders, children;
    as_node *older, *newer; // by last use
    as_node *next;          // in its bucket
};

typedef struct as_prefix {
    as_pages *pages;
    as_node root;              // also both ends of the list: root.newer is the oldest node
    as_node **buckets;         // [bucket_count] by parent and first token
    size_t bucket_count, kept; // a power of 2; tokens in all nodes
} as_prefix;

void as_prefix_init(as_prefix *prefix, as_pages *pages);
void as_prefix_free(as_prefix *prefix);

// The node in which the longest known beginning of the text ends, held; *matched is its length.
as_node *as_prefix_find(as_prefix *prefix, const uint32_t *tokens, size_t count, size_t *matched);

// tokens[count >= 1] go on from position `start`, which lies in `from` or at its end, where no node
// goes on with tokens[0]. They lie in spans[span_count]. The new node, held; `from` is let go of.
as_node *as_prefix_add(as_prefix *prefix, as_node *from, size_t start, const uint32_t *tokens,
                       size_t count, const as_span *spans, size_t span_count);

void as_prefix_release(as_prefix *prefix, as_node *node); // lets go of it

// Drops the oldest node that may go; false when there is none.
bool as_prefix_evict(as_prefix *prefix);

#endif
