// SPDX-License-Identifier: Apache-2.0
// libFuzzer entry of yaml.h: no input crashes, each failure says where.
#include <stdlib.h>

#include "harness/base/yaml.h"

static size_t count_nodes(const as_yaml *node) {
    size_t count = 1, children = 0;
    for (const as_yaml *child = node->child; child; child = child->next, children++)
        count += count_nodes(child);
    if (children != node->count || !node->line || !node->column) abort();
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    as_arena arena = {0};
    as_err err = {0};
    const as_yaml *root;
    if (!as_yaml_parse(&arena, (as_str){(const char *)bytes, size}, "f", &root, &err))
        count_nodes(root);
    else if (!as_str_starts(as_str_of(err.text), AS_STR("f:")))
        abort();
    as_arena_free(&arena);
    return 0;
}
