// SPDX-License-Identifier: Apache-2.0
// The files of `assay init`: YAML that parses, and no line that names a machine of ours.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "harness/base/yaml.h"
#include "runner/init/scaffold.h"

static bool is_yaml(as_str path) {
    return as_str_ends(path, AS_STR(".yml")) || as_str_ends(path, AS_STR(".yaml"));
}

// Documents of one file are parsed one by one.
static size_t parse_all(as_str text, const char *path) {
    size_t documents = 0;
    while (text.ptr) {
        size_t end = as_str_find(text, AS_STR("\n---\n"), 0);
        as_str one = as_str_sub(text, 0, end == SIZE_MAX ? text.len : end + 1);
        text = end == SIZE_MAX ? (as_str){NULL, 0} : as_str_sub(text, end + 5, text.len);
        as_arena arena = {0};
        const as_yaml *root;
        as_err err = {0};
        if (as_yaml_parse(&arena, one, path, &root, &err)) fail_msg("%s", err.text);
        assert_int_equal(root->kind, AS_YAML_MAP);
        documents++;
        as_arena_free(&arena);
    }
    return documents;
}

static void test_yaml_parses(void **state) {
    (void)state;
    size_t documents = 0;
    for (const as_scaffold_file *f = as_scaffold_files; f->path; f++) {
        assert_true(f->content.len > 100);
        assert_int_equal(f->content.ptr[f->content.len - 1], '\n');
        assert_true(f->text[0] != '\0');
        assert_null(memchr(f->content.ptr, '\t', f->content.len));
        if (is_yaml(as_str_of(f->path))) documents += parse_all(f->content, f->path);
    }
    assert_int_equal(documents, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_yaml_parses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
