// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/constrain/trie.h"

#include <stdlib.h>

#include "harness/engine/model.h"

typedef struct spelled {
    as_str text;
    uint32_t token;
} spelled;

static int by_text(const void *a, const void *b) {
    const spelled *x = a, *y = b;
    int order = as_str_cmp(x->text, y->text);
    return order ? order : x->token < y->token ? -1 : x->token > y->token;
}

static size_t common(as_str a, as_str b) {
    size_t n = 0;
    while (n < a.len && n < b.len && a.ptr[n] == b.ptr[n]) n++;
    return n;
}

// Nodes of the tokens in order; with `out` NULL they are only counted.
static size_t lay_nodes(const spelled *list, size_t count, as_trie *trie) {
    size_t nodes = 0;
    uint32_t *open = as_mem_new((AS_VOCAB_PIECE_MAX + 1) * sizeof *open); // by depth
    size_t depth = 0;
    for (size_t i = 0; i < count; i++) {
        as_str text = list[i].text;
        size_t keep = i ? common(list[i - 1].text, text) : 0;
        if (trie->nodes)
            for (; depth > keep; depth--) trie->nodes[open[depth]].next = (uint32_t)nodes;
        depth = keep;
        for (size_t d = keep; d < text.len; d++) {
            if (trie->nodes)
                trie->nodes[nodes] = (as_trie_node){.token = (uint32_t)i,
                                                    .depth = (uint16_t)(d + 1),
                                                    .byte = (unsigned char)text.ptr[d]};
            open[++depth] = (uint32_t)nodes++;
        }
        if (text.len > trie->depth_max) trie->depth_max = text.len;
    }
    if (trie->nodes) {
        for (; depth; depth--) trie->nodes[open[depth]].next = (uint32_t)nodes;
        trie->nodes[nodes] = (as_trie_node){.next = (uint32_t)nodes, .token = (uint32_t)count};
    }
    free(open);
    return nodes;
}

as_trie *as_trie_new(const as_model *model) {
    const as_vocab *vocab = &model->vocab;
    as_trie *trie = as_mem_new(sizeof *trie);
    spelled *list = as_mem_new(as_size_mul(vocab->count, sizeof *list));
    trie->vocabulary = vocab->count;
    trie->ends = as_mem_new(as_size_mul(vocab->count / 64 + 1, sizeof *trie->ends));
    for (size_t t = 0; t < vocab->count; t++) {
        as_str text = as_model_token_text(model, (uint32_t)t, false);
        if (vocab->ends[t])
            trie->ends[t / 64] |= (uint64_t)1 << t % 64;
        else if (text.len && text.len <= AS_VOCAB_PIECE_MAX && vocab->kinds[t] != AS_TOKEN_UNUSED)
            list[trie->token_count++] = (spelled){text, (uint32_t)t};
    }
    qsort(list, trie->token_count, sizeof *list, by_text);
    trie->tokens = as_mem_new(as_size_mul(trie->token_count + 1, sizeof *trie->tokens));
    for (size_t i = 0; i < trie->token_count; i++) trie->tokens[i] = list[i].token;
    trie->node_count = lay_nodes(list, trie->token_count, trie);
    trie->nodes = as_mem_new(as_size_mul(trie->node_count + 1, sizeof *trie->nodes));
    lay_nodes(list, trie->token_count, trie);
    free(list);
    return trie;
}

void as_trie_free(as_trie *trie) {
    if (!trie) return;
    free(trie->nodes);
    free(trie->tokens);
    free(trie->ends);
    free(trie);
}
