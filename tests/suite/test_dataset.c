// SPDX-License-Identifier: Apache-2.0
// Datasets: every format reads the same cases, and every kind of bad input is refused with its
// place.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "harness/base/spill.h"
#include "harness/suite/dataset.h"
#include "tests/suite/scratch.h"

static const as_str slices[] = {{"tags", 4}, {"channel", 7}};

static as_dataset_options options_of(as_str *path, const char *name) {
    *path = as_str_of(name);
    return (as_dataset_options){.paths = path,
                                .path_count = 1,
                                .expected = AS_STR("expected"),
                                .slices = slices,
                                .slice_count = 2};
}

static as_rc check(as_arena *arena, const char *path, as_dataset_facts *facts, as_buf *problems) {
    as_str one;
    as_dataset_options options = options_of(&one, path);
    static const as_str required[] = {{"text", 4}};
    return as_dataset_check(arena, &options, required, 1, facts, problems);
}

static void expect_bytes(const char *name, const void *bytes, size_t size, const char *part) {
    as_arena arena = {0};
    as_dataset_facts facts;
    as_buf problems = {0};
    as_rc rc = check(&arena, scratch_bytes(name, bytes, size), &facts, &problems);
    assert_int_equal(rc, AS_INVALID);
    if (!strstr(problems.ptr, part)) print_error("wanted '%s' in:\n%s", part, problems.ptr);
    assert_non_null(strstr(problems.ptr, part));
    assert_non_null(strstr(problems.ptr, name));
    as_buf_free(&problems);
    as_arena_free(&arena);
}

static void expect(const char *name, const char *text, const char *part) {
    expect_bytes(name, text, strlen(text), part);
}

#define OK_LINE "{\"id\": \"a\", \"text\": \"t\", \"expected\": \"x\"}\n"

static void test_jsonl_mistakes(void **state) {
    (void)state;
    expect("d.jsonl", "", "the dataset has no cases");
    expect("d.jsonl", "\n  \n\r\n", "the dataset has no cases");
    expect("d.jsonl", OK_LINE "\n" OK_LINE, "d.jsonl:3: id 'a' stands already at ");
    expect("d.jsonl", OK_LINE "\n" OK_LINE, "d.jsonl:1");
    expect("d.jsonl", OK_LINE "{\"text\": \"\xff\", \"expected\": 1}\n",
           "d.jsonl:2:11: invalid UTF-8 (byte 0xff)");
    expect("d.jsonl", OK_LINE "{\"text\": \"t\"}\n", "d.jsonl:2: the case has no field 'expected'");
    expect("d.jsonl", "{\"text\": \"t\", \"expcted\": 1}\n", "did you mean 'expcted'?");
    expect("d.jsonl", "{\"txt\": \"t\", \"expected\": 1}\n",
           "d.jsonl:1: the case has no field 'text'; did you mean 'txt'?");
    expect("d.jsonl", OK_LINE "{\"text\": \"t\", \"expected\": }\n", "d.jsonl:2:27: not JSON");
    expect("d.jsonl", OK_LINE "[1, 2]\n", "d.jsonl:2: a case must be an object, not a list");
    expect("d.jsonl", OK_LINE "text\n", "d.jsonl:2:1: not JSON at 'text'");
    expect("d.jsonl", OK_LINE "{\"a\": 1} {\"b\": 2}\n", "d.jsonl:2:10: more text after");
    expect("d.jsonl", "{\"text\": 1, \"text\": 2, \"expected\": 1}\n", "'text' stands twice");
    expect("d.jsonl", "{\"text\": \"t\", \"expected\": null}\n", "field 'expected' is null");
    expect_bytes("d.jsonl", "{\"a\": 1}\0\n", 10, "d.jsonl:1:9: NUL byte");
    expect_bytes("d.jsonl", "\x1f\x8b\x08\x00rest", 8, "it is compressed; run gunzip");
    expect_bytes("d.jsonl", "\xff\xfe{\0}\0", 6, "it is UTF-16");
    expect("d.jsonl", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
           "it is a Git LFS pointer, not the file; run git lfs pull");
    expect("d.jsonl", "{\"text\": 1, \"expected\": 1, \"tags\": \"a\"}\n",
           "field 'tags' must be a list of strings, not a string: a");
    expect("d.jsonl", "{\"text\": 1, \"expected\": 1, \"tags\": [1]}\n", "a list of strings");
    expect("d.jsonl", "{\"text\": 1, \"expected\": 1, \"weight\": 0}\n", "a number above 0");
    expect("d.jsonl", "{\"text\": 1, \"expected\": 1, \"weight\": \"2\"}\n", "a number above 0");
    expect("d.jsonl", "{\"text\": 1, \"expected\": 1, \"id\": 1.5}\n",
           "a string or a whole number");
    expect("d.jsonl", "{\"text\": 1, \"expected\": 1, \"id\": \"\"}\n", "field 'id' is empty");
    expect("d.jsonl", "{\"text\": 1, \"expected\": 1, \"cluster\": []}\n",
           "field 'cluster' must be");
    expect("d.jsonl", "{\"text\": 1, \"expected\": 1, \"channel\": {}}\n",
           "field 'channel' must be");
    expect("d.jsonl", "{\"text\": 1, \"expected\": 1}\n{\"expected\": 1, \"text\": 1}\n",
           "a case with the content hash");
    expect("d.jsonl", "{\"text\": 01, \"expected\": 1}\n", "d.jsonl:1:10: not a number: '01");
    expect("d.txt", OK_LINE, "unknown ending");
}

static void test_other_mistakes(void **state) {
    (void)state;
    expect("d.json", "{\"a\": 1}", "must be a list of cases");
    expect("d.json", "", "the dataset has no cases");
    expect("d.json", "[]", "the dataset has no cases");
    expect("d.json", "[\n{\"text\": 1,\n\"expected\": oops}\n]", "d.json:3:13: not JSON");
    expect("d.json", "[{\"text\": 1, \"expected\": 1}", "the list of cases is not closed");
    expect("d.json", "[{\"text\": 1, \"expected\": 1},]", "a case is missing");
    expect("d.json", "[{\"text\": 1, \"expected\": 1}] x", "more text after the list");
    expect("d.json", "[1]", "d.json:1: a case must be an object, not a number");
    expect("d.yaml", "a: 1\n", "d.yaml:1:1: a dataset must be a list of cases, not a map");
    expect("d.yaml", "- text: t\n  expected: 1\n- 5\n", "d.yaml:3:3: a case must be a map");
    expect("d.yaml", "- text: [\n", "d.yaml:2:1: not YAML");
    expect("d.csv", "", "the dataset has no cases");
    expect("d.csv", "text,expected\n", "the dataset has no cases");
    expect("d.csv", "text,expected\na\n", "d.csv:2: 1 cells, but the header has 2");
    expect("d.csv", "text,text\na,b\n", "the header names 'text' twice");
    expect("d.csv", "text,,expected\na,b,c\n", "column 2 of the header has no name");
    expect("d.csv", "text,expected\n\"a,b\n", "d.csv:2: a quoted cell is never closed");
    expect("d.csv", "text,expected\na\"b,c\n", "d.csv:2:2: a quote inside a bare cell");
    expect("d.csv", "text,expected\n\"a\"b,c\n", "d.csv:2:4: text after a closing quote");
    expect("d.csv", "text,expected\n\xff,c\n", "d.csv:2:1: invalid UTF-8");
    expect("d.csv", "text,expected,weight\na,b,x\n", "field 'weight' must be a number above 0");
    expect_bytes("d.csv", "text,expected\na\0,c\n", 18, "d.csv:2:2: NUL byte");
    expect("d.csv", "\x1f\x8b", "compressed");
}

// Twenty problems are told, then it is enough.
static void test_many(void **state) {
    (void)state;
    as_buf text = {0};
    for (int i = 0; i < 100; i++) as_buf_text(&text, "nope\n");
    as_arena arena = {0};
    as_dataset_facts facts;
    as_buf problems = {0};
    as_rc rc = check(&arena, scratch_bytes("d.jsonl", text.ptr, text.len), &facts, &problems);
    assert_int_equal(rc, AS_INVALID);
    size_t lines = 0;
    for (size_t i = 0; i < problems.len; i++) lines += problems.ptr[i] == '\n';
    assert_int_equal(lines, 21);
    assert_non_null(strstr(problems.ptr, "these are the first 20"));
    as_buf_free(&text);
    as_buf_free(&problems);
    as_arena_free(&arena);
}

// Ids that stand twice are found however far apart, on disk too, and told in the order of the
// lines, among the other problems.
static void test_twins(void **state) {
    (void)state;
    enum { LINES = 6000, TWINS_FROM = 5960, BROKEN = 5970 };
    for (int disk = 0; disk < 2; disk++) {
        as_spill_limit(disk ? 0 : AS_SPILL_BUDGET);
        as_buf text = {0}, want = {0}, problems = {0};
        as_arena arena = {0};
        as_dataset_facts facts;
        for (int line = 1; line <= LINES; line++) {
            int twin = line < TWINS_FROM ? line : (LINES - line) * 100 + 7;
            if (line == BROKEN)
                as_buf_text(&text, "[]\n");
            else
                as_buff(&text, "{\"id\": %d, \"text\": \"t\", \"expected\": \"%d\"}\n", twin, line);
        }
        const char *path = scratch_bytes("d.jsonl", text.ptr, text.len);
        for (int line = TWINS_FROM; line < TWINS_FROM + 20; line++) {
            int first = (LINES - line) * 100 + 7;
            if (line == BROKEN)
                as_buff(&want, "%s:%d: a case must be an object, not a list\n", path, line);
            else
                as_buff(&want, "%s:%d: id '%d' stands already at %s:%d\n", path, line, first, path,
                        first);
        }
        as_buf_text(&want, "there are more problems; these are the first 20\n");
        assert_int_equal(check(&arena, path, &facts, &problems), AS_INVALID);
        assert_string_equal(problems.ptr, want.ptr);
        as_buf_free(&text);
        as_buf_free(&want);
        as_buf_free(&problems);
        as_arena_free(&arena);
    }
    as_spill_limit(AS_SPILL_BUDGET);
}

// 50 MB without a line break are refused without being held.
static void test_long_line(void **state) {
    (void)state;
    const char *path = scratch_path("d.jsonl");
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    char block[1024];
    memset(block, 'x', sizeof block);
    fputs("{\"text\": \"", file);
    for (int i = 0; i < 50 * 1024; i++) fwrite(block, 1, sizeof block, file);
    fclose(file);
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    as_arena arena = {0};
    as_dataset_facts facts;
    as_buf problems = {0};
    assert_int_equal(check(&arena, path, &facts, &problems), AS_INVALID);
    assert_non_null(strstr(problems.ptr, "d.jsonl:1: the line is longer than 16777216 bytes"));
    getrusage(RUSAGE_SELF, &after);
    assert_true(after.ru_maxrss - before.ru_maxrss < 96 * 1024); // KiB; a doubling buffer of 16 MB
    as_buf_free(&problems);
    as_arena_free(&arena);
    unlink(path);
}

// The same cases in every format give the same cases.
static void expect_cases(const char *name, const char *text) {
    as_arena arena = {0};
    as_err err = {0};
    as_str one;
    const char *path = scratch_file(name, text);
    as_dataset_options options = options_of(&one, path);
    as_dataset *dataset;
    assert_int_equal(as_dataset_open(&options, &dataset, &err), AS_OK);
    as_case c;
    bool more;
    as_rc rc = as_dataset_next(dataset, &arena, &c, &more, &err);
    if (rc) print_error("%s\n", err.text);
    assert_int_equal(rc, AS_OK);
    assert_true(more);
    assert_int_equal(c.index, 0);
    assert_true(as_str_is(c.id, "c-1"));
    assert_true(as_str_is(c.expected->text, "yes, \"it\" is"));
    assert_true(as_str_is(as_json_str(c.fields, "text", AS_STR("")), "two\nlines é"));
    assert_true(as_str_is(c.cluster, "7"));
    assert_true(c.weight == 2.5);
    assert_int_equal(c.slice_count, 3);
    assert_true(as_str_is(c.slices[0], "tag=edge"));
    assert_true(as_str_is(c.slices[1], "tag=long text"));
    assert_true(as_str_is(c.slices[2], "channel=chat"));
    rc = as_dataset_next(dataset, &arena, &c, &more, &err);
    if (rc) print_error("%s\n", err.text);
    assert_int_equal(rc, AS_OK);
    assert_true(more);
    assert_int_equal(c.index, 1);
    assert_int_equal(c.id.len, 16);
    assert_true(c.weight == 1);
    assert_int_equal(c.cluster.len, 0);
    assert_int_equal(c.slice_count, 0);
    assert_int_equal(as_dataset_next(dataset, &arena, &c, &more, &err), AS_OK);
    assert_false(more);
    as_dataset_close(dataset);

    as_dataset_facts facts;
    as_buf problems = {0};
    assert_int_equal(check(&arena, scratch_path(name), &facts, &problems), AS_OK);
    assert_int_equal(facts.cases, 2);
    assert_int_equal(facts.sha256.len, 64);
    assert_int_equal(facts.label_count, 2);
    assert_true(as_str_is(facts.labels[0], "no"));
    as_buf_free(&problems);
    as_arena_free(&arena);
}

static void test_formats(void **state) {
    (void)state;
#define A                                                                                          \
    "{\"id\": \"c-1\", \"text\": \"two\\nlines é\", \"expected\": \"yes, \\\"it\\\" is\", "       \
    "\"tags\": [\"edge\", \"long text\", \"edge\"], \"weight\": 2.5, \"cluster\": 7, "             \
    "\"channel\": \"chat\"}"
#define B "{\"text\": \"b\", \"expected\": \"no\"}"
    expect_cases("d.jsonl", A "\n" B "\n");
    expect_cases("d.ndjson", "\xef\xbb\xbf" A "\r\n\r\n  \n" B);
    expect_cases("d.json", "\xef\xbb\xbf\n[" A ",\n" B "\n]\n");
    expect_cases("d.yaml", "- id: c-1\n  text: \"two\\nlines é\"\n  expected: 'yes, \"it\" is'\n"
                           "  tags: [edge, long text]\n  weight: 2.5\n  cluster: 7\n"
                           "  channel: chat\n- {text: b, expected: 'no'}\n");
    expect_cases("d.yml", "[" A ",\n" B "]\n");
    const char *csv = "id,text,expected,tags,weight,cluster,channel\r\n"
                      "c-1,\"two\nlines é\",\"yes, \"\"it\"\" is\",edge; long text;,2.5,7,chat\r\n"
                      "\r\n,b,no,,,,\r\n";
    expect_cases("d.csv", csv);
    as_buf bom = {0};
    as_buff(&bom, "\xef\xbb\xbf%s", csv);
    expect_cases("d.csv", bom.ptr);
    as_buf_free(&bom);
    expect_cases("d.tsv", "id\ttext\texpected\ttags\tweight\tcluster\tchannel\n"
                          "c-1\t\"two\nlines é\"\tyes, \"it\" is\tedge;long text\t2.5\t7\tchat\n"
                          "\tb\tno\t\t\t\t\n");
#undef A
#undef B
}

// Line ends inside quotes are the cell's own.
static void test_csv_keeps_crlf(void **state) {
    (void)state;
    as_arena arena = {0};
    as_err err = {0};
    as_str one;
    as_dataset_options options =
        options_of(&one, scratch_file("d.csv", "text,expected\r\n\"a\r\nb\nc\",\"1,2\"\r\n"));
    as_dataset *dataset;
    as_case c;
    bool more;
    assert_int_equal(as_dataset_open(&options, &dataset, &err), AS_OK);
    assert_int_equal(as_dataset_next(dataset, &arena, &c, &more, &err), AS_OK);
    assert_true(as_str_is(as_json_str(c.fields, "text", AS_STR("")), "a\r\nb\nc"));
    assert_true(as_str_is(c.expected->text, "1,2"));
    assert_int_equal(c.expected->kind, AS_JSON_STRING);
    assert_int_equal(c.line, 2);
    as_dataset_close(dataset);
    as_arena_free(&arena);
}

static void test_many_files(void **state) {
    (void)state;
    as_arena arena = {0};
    as_err err = {0};
    as_str paths[2];
    paths[0] = as_str_copy(&arena, as_str_of(scratch_file("one.jsonl", OK_LINE)));
    paths[1] =
        as_str_copy(&arena, as_str_of(scratch_file("two.csv", "id,text,expected\nb,t,x\nc,t,y\n")));
    as_dataset_options options = {.paths = paths, .path_count = 2, .expected = AS_STR("expected")};
    as_dataset *dataset;
    assert_int_equal(as_dataset_open(&options, &dataset, &err), AS_OK);
    size_t count = 0;
    for (bool more = true;;) {
        as_case c;
        assert_int_equal(as_dataset_next(dataset, &arena, &c, &more, &err), AS_OK);
        if (!more) break;
        assert_int_equal(c.index, count);
        count++;
    }
    assert_int_equal(count, 3);
    as_dataset_close(dataset);
    // The same id in two files.
    scratch_file("two.csv", "id,text,expected\na,t,x\n");
    as_dataset_facts facts;
    as_buf problems = {0};
    assert_int_equal(as_dataset_check(&arena, &options, NULL, 0, &facts, &problems), AS_INVALID);
    assert_non_null(strstr(problems.ptr, "two.csv:2: id 'a' stands already at "));
    assert_non_null(strstr(problems.ptr, "one.jsonl:1"));
    as_buf_free(&problems);
    as_arena_free(&arena);
}

// 64-bit ids survive; the order of keys does not change a content hash.
static void test_ids(void **state) {
    (void)state;
    as_arena arena = {0};
    as_err err = {0};
    as_str one;
    as_dataset_options options =
        options_of(&one, scratch_file("d.jsonl", "{\"id\": 9007199254740993, \"expected\": 1}\n"
                                                 "{\"text\": \"t\", \"expected\": [1.0, 2]}\n"
                                                 "{\"expected\": [1.0, 2], \"text\": \"t\"}\n"));
    as_dataset *dataset;
    as_case c[3];
    bool more;
    assert_int_equal(as_dataset_open(&options, &dataset, &err), AS_OK);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(as_dataset_next(dataset, &arena, &c[i], &more, &err), AS_OK);
    assert_true(as_str_is(c[0].id, "9007199254740993"));
    assert_true(as_str_eq(c[1].id, c[2].id));
    as_dataset_close(dataset);
    as_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jsonl_mistakes), cmocka_unit_test(test_other_mistakes),
        cmocka_unit_test(test_many),           cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_formats),        cmocka_unit_test(test_csv_keeps_crlf),
        cmocka_unit_test(test_many_files),     cmocka_unit_test(test_ids),
        cmocka_unit_test(test_twins),
    };
    return cmocka_run_group_tests(tests, NULL, scratch_remove);
}
