// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/batch/prefix.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void as_prefix_init(as_prefix *prefix, as_pages *pages) {
    *prefix = (as_prefix){.pages = pages, .bucket_count = 16};
    while (prefix->bucket_count < pages->count) prefix->bucket_count *= 2;
    prefix->buckets = as_mem_new(as_size_mul(prefix->bucket_count, sizeof *prefix->buckets));
    prefix->root.older = prefix->root.newer = &prefix->root;
}

static as_node **bucket_of(const as_prefix *prefix, const as_node *parent, uint32_t token) {
    uint64_t key = (uint64_t)(uintptr_t)parent * 0x9e3779b97f4a7c15u;
    key = (key ^ token) * 0xbf58476d1ce4e5b9u;
    return &prefix->buckets[(key >> 32) & (prefix->bucket_count - 1)];
}

static as_node *child_of(const as_prefix *prefix, const as_node *parent, uint32_t token) {
    as_node *node = *bucket_of(prefix, parent, token);
    while (node && (node->parent != parent || node->tokens[0] != token)) node = node->next;
    return node;
}

static void put_in_bucket(as_prefix *prefix, as_node *node) {
    as_node **bucket = bucket_of(prefix, node->parent, node->tokens[0]);
    node->next = *bucket;
    *bucket = node;
}

static void take_from_bucket(as_prefix *prefix, as_node *node) {
    as_node **at = bucket_of(prefix, node->parent, node->tokens[0]);
    while (*at != node) at = &(*at)->next;
    *at = node->next;
}

static void unlink_use(as_node *node) {
    node->older->newer = node->newer;
    node->newer->older = node->older;
}

static void link_newest(as_prefix *prefix, as_node *node) {
    as_node *root = &prefix->root;
    node->older = root->older;
    node->newer = root;
    root->older->newer = node;
    root->older = node;
}

// Has been used now, and after it what it goes on from: so the oldest nodes are ends of texts.
static void touch(as_prefix *prefix, as_node *node) {
    for (; node->parent; node = node->parent) {
        unlink_use(node);
        link_newest(prefix, node);
    }
}

as_node *as_prefix_find(as_prefix *prefix, const uint32_t *tokens, size_t count, size_t *matched) {
    as_node *node = &prefix->root, *next;
    size_t at = 0;
    while (at < count && (next = child_of(prefix, node, tokens[at]))) {
        size_t same = 0;
        while (same < next->count && at + same < count && next->tokens[same] == tokens[at + same])
            same++;
        at += same;
        node = next;
        if (same < node->count) break;
    }
    *matched = at;
    node->holders++;
    touch(prefix, node);
    return node;
}

static as_node *new_node(as_prefix *prefix, as_node *parent, size_t start, const uint32_t *tokens,
                         size_t count, const as_span *spans, size_t span_count) {
    as_node *node = as_mem_new(sizeof *node);
    node->parent = parent;
    node->start = start;
    node->count = count;
    node->span_count = span_count;
    node->tokens = as_mem_new(as_size_mul(count, sizeof *tokens));
    node->spans = as_mem_new(as_size_mul(span_count, sizeof *spans));
    memcpy(node->tokens, tokens, count * sizeof *tokens);
    memcpy(node->spans, spans, span_count * sizeof *spans);
    for (size_t i = 0; i < span_count; i++) as_pages_hold(prefix->pages, spans[i].page);
    parent->children++;
    put_in_bucket(prefix, node);
    link_newest(prefix, node);
    return node;
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

// Makes the first `count` tokens of a node a node of their own, its new parent, which is returned.
// The node stays what it is to those who hold it: the end of its text.
static as_node *split(as_prefix *prefix, as_node *node, size_t count) {
    size_t whole = 0, left = count;
    while (left > node->spans[whole].count) left -= node->spans[whole++].count;
    as_span cut = node->spans[whole]; // left of its slots belong to the first part
    take_from_bucket(prefix, node);
    node->parent->children--;
    node->spans[whole].count = (uint16_t)left;
    as_node *first =
        new_node(prefix, node->parent, node->start, node->tokens, count, node->spans, whole + 1);
    first->computed = least(node->computed, count);
    first->planned = least(node->planned, count);
    first->batch = node->batch;
    first->children = 1;
    node->spans[whole] =
        (as_span){cut.page, (uint16_t)(cut.slot + left), (uint16_t)(cut.count - left)};
    size_t gone = node->spans[whole].count ? whole : whole + 1;
    for (size_t i = 0; i < gone; i++) as_pages_drop(prefix->pages, node->spans[i].page);
    node->span_count -= gone;
    memmove(node->spans, node->spans + gone, node->span_count * sizeof *node->spans);
    node->count -= count;
    memmove(node->tokens, node->tokens + count, node->count * sizeof *node->tokens);
    node->start += count;
    node->computed -= first->computed;
    node->planned -= first->planned;
    node->parent = first;
    put_in_bucket(prefix, node);
    return first;
}

as_node *as_prefix_add(as_prefix *prefix, as_node *from, size_t start, const uint32_t *tokens,
                       size_t count, const as_span *spans, size_t span_count) {
    as_node *parent = from;
    while (parent->parent && parent->start >= start) parent = parent->parent;
    assert(start >= parent->start && start <= parent->start + parent->count);
    if (start < parent->start + parent->count)
        parent = split(prefix, parent, start - parent->start);
    as_node *node = new_node(prefix, parent, start, tokens, count, spans, span_count);
    node->holders = 1;
    prefix->kept += count;
    as_prefix_release(prefix, from);
    touch(prefix, node);
    return node;
}

void as_prefix_release(as_prefix *prefix, as_node *node) {
    assert(node->holders);
    node->holders--;
    touch(prefix, node);
}

static void drop(as_prefix *prefix, as_node *node) {
    for (size_t i = 0; i < node->span_count; i++) as_pages_drop(prefix->pages, node->spans[i].page);
    take_from_bucket(prefix, node);
    unlink_use(node);
    node->parent->children--;
    prefix->kept -= node->count;
    free(node->tokens);
    free(node->spans);
    free(node);
}

bool as_prefix_evict(as_prefix *prefix) {
    as_node *node = prefix->root.newer;
    while (node->parent && (node->holders || node->children)) node = node->newer;
    if (!node->parent) return false;
    drop(prefix, node);
    return true;
}

void as_prefix_free(as_prefix *prefix) {
    while (prefix->pages && as_prefix_evict(prefix)) continue;
    assert(!prefix->root.children);
    free(prefix->buckets);
    *prefix = (as_prefix){0};
}
