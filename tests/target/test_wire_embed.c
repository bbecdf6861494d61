// SPDX-License-Identifier: Apache-2.0
// Embeddings on the wire, on bytes in the shapes that the vendors' documents show.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// cmocka needs the four above first
#include <cmocka.h>

#include "tests/target/wired.h"

static const as_str inputs[] = {{"a \"b\"", 5}, {"c", 1}};
static const as_request embed = {.task = AS_TASK_EMBED, .inputs = inputs, .input_count = 2};

static as_wired opened(const as_wire_ops *ops, const char *uri) {
    as_wired w;
    as_err err = {0};
    if (as_wired_open(&w, ops, uri, &err)) fail_msg("%s", err.text);
    return w;
}

static void expect(const as_answer *a, size_t width, const float *wanted) {
    if (a->outcome != AS_OUT_OK) fail_msg("%.*s", AS_STR_ARG(a->error));
    assert_int_equal(a->vector_width, width);
    for (size_t i = 0; i < 2 * width; i++) assert_true(a->vectors[i] == wanted[i]);
}

static void expect_error(const as_answer *a, const char *words) {
    assert_int_equal(a->outcome, AS_OUT_BAD_RESPONSE);
    if (as_str_find(a->error, as_str_of(words), 0) == SIZE_MAX)
        fail_msg("'%.*s'", AS_STR_ARG(a->error));
}

static void every_dialect_asks_in_its_words(void **state) {
    (void)state;
    static const struct {
        const as_wire_ops *ops;
        const char *uri, *wanted;
    } dialects[] = {
        {&as_wire_openai, "openai:http://h#m",
         "http://h/v1/embeddings\n{\"model\":\"m\",\"input\":[\"a \\\"b\\\"\",\"c\"],"
         "\"encoding_format\":\"float\"}"},
        {&as_wire_openai, "openai:http://h/openai/deployments/d#m?api_version=2&key_env=none",
         "http://h/openai/deployments/d/embeddings?api-version=2\n{\"model\":\"m\","
         "\"input\":[\"a \\\"b\\\"\",\"c\"],\"encoding_format\":\"float\"}"},
        {&as_wire_ollama, "ollama:h:1/m?num_ctx=512&keep_alive=5m",
         "http://h:1/api/embed\n{\"model\":\"m\",\"input\":[\"a \\\"b\\\"\",\"c\"],"
         "\"truncate\":false,\"keep_alive\":\"5m\",\"options\":{\"num_ctx\":512}}"},
        {&as_wire_tgi, "tgi:http://h",
         "http://h/embed\n{\"inputs\":[\"a \\\"b\\\"\",\"c\"],\"truncate\":false}"},
    };
    for (size_t i = 0; i < sizeof dialects / sizeof *dialects; i++) {
        as_wired w = opened(dialects[i].ops, dialects[i].uri);
        assert_string_equal(as_wired_call(&w, &embed, 0).ptr, dialects[i].wanted);
        as_wired_close(&w);
    }
}

static void every_dialect_is_understood(void **state) {
    (void)state;
    const float wanted[] = {0.5f, -1.0f, 0.25f, 3.0f};
    as_wired w = opened(&as_wire_openai, "openai:http://h#m"); // out of order
    const as_answer *a = as_wired_body(
        &w, &embed,
        AS_STR("{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":1,"
               "\"embedding\":[0.25,3]},{\"object\":\"embedding\",\"index\":0,\"embedding\":"
               "[0.5,-1e0]}],\"model\":\"m\",\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8}}"));
    expect(a, 2, wanted);
    assert_int_equal(a->tokens_in, 8);
    as_wired_close(&w);
    w = opened(&as_wire_ollama, "ollama:m");
    a = as_wired_body(&w, &embed,
                      AS_STR("{\"model\":\"m\",\"embeddings\":[[0.5,-1],[0.25,3]],"
                             "\"total_duration\":1,\"prompt_eval_count\":7}"));
    expect(a, 2, wanted);
    assert_int_equal(a->tokens_in, 7);
    as_wired_close(&w);
    w = opened(&as_wire_tgi, "tgi:http://h");
    expect(as_wired_body(&w, &embed, AS_STR(" [[0.5,-1],[0.25,3]]")), 2, wanted);
    as_wired_close(&w);
}

static void what_is_wrong_is_said(void **state) {
    (void)state;
    static const char *const bodies[][2] = {
        {"[[1,2]]", "1 embeddings for 2 texts"},
        {"[[1,2],[3]]", "embedding 1 has 1 numbers, another one 2"},
        {"[[1,2],[3,null]]", "embedding 1 holds null"},
        {"[[1,2],[3,1e300]]", "embedding 1 holds a number"},
        {"[[],[]]", "embedding 0 is no list"},
        {"[\"AAAA\",\"AAAA\"]", "embedding 0 is no list"},
        {"[[1,2],[3,4]", "is no JSON"},
        {"[{\"index\":0,\"embedding\":[1]},{\"index\":0,\"embedding\":[1]}]", "is out of place"},
        {"[{\"index\":-1,\"embedding\":[1]},{\"index\":0,\"embedding\":[1]}]", "is out of place"},
        {"[{\"index\":2,\"embedding\":[1]},{\"index\":0,\"embedding\":[1]}]", "is out of place"},
        {"{\"data\":[]}", "no list of embeddings"},
    };
    as_wired w = opened(&as_wire_tgi, "tgi:http://h");
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        expect_error(as_wired_body(&w, &embed, as_str_of(bodies[i][0])), bodies[i][1]);
    as_wired_close(&w);
    w = opened(&as_wire_openai, "openai:http://h#m");
    expect_error(as_wired_body(&w, &embed, AS_STR("{\"object\":\"list\"}")),
                 "no list of embeddings ('data')");
    as_wired_close(&w);
}

static void many_texts_take_several_calls(void **state) {
    (void)state;
    as_str texts[70];
    for (size_t i = 0; i < 70; i++) texts[i] = AS_STR("x");
    as_request many = {.task = AS_TASK_EMBED, .inputs = texts, .input_count = 70};
    as_wired w = opened(&as_wire_tgi, "tgi:http://h");
    assert_int_equal(w.ops->calls(w.setup.wire, &many), 3);
    assert_string_equal(as_wired_call(&w, &many, 2).ptr,
                        "http://h/embed\n{\"inputs\":[\"x\",\"x\",\"x\",\"x\",\"x\",\"x\"],"
                        "\"truncate\":false}");
    as_wired_close(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dialect_asks_in_its_words),
        cmocka_unit_test(every_dialect_is_understood),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(many_texts_take_several_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
