// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/batch/pages.h"

#include <assert.h>
#include <stdlib.h>

as_pages as_pages_new(size_t count) {
    as_pages pages = {.count = count, .idle_count = count};
    assert(count && count <= UINT32_MAX);
    pages.users = as_mem_new(as_size_mul(count, sizeof *pages.users));
    pages.idle = as_mem_new(as_size_mul(count, sizeof *pages.idle));
    for (size_t i = 0; i < count; i++) pages.idle[i] = (uint32_t)(count - 1 - i);
    return pages;
}

void as_pages_free(as_pages *pages) {
    free(pages->users);
    free(pages->idle);
    *pages = (as_pages){0};
}

uint32_t as_pages_take(as_pages *pages) {
    assert(pages->idle_count);
    uint32_t page = pages->idle[--pages->idle_count];
    pages->users[page] = 1;
    return page;
}

void as_pages_hold(as_pages *pages, uint32_t page) {
    assert(pages->users[page]);
    pages->users[page]++;
}

void as_pages_drop(as_pages *pages, uint32_t page) {
    assert(pages->users[page]);
    if (--pages->users[page] == 0) pages->idle[pages->idle_count++] = page;
}
