// SPDX-License-Identifier: Apache-2.0
// What a server thinks of a text that it is given, tensors as bytes, and endpoints by template: on
// recorded bytes.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// cmocka needs the four above first
#include <cmocka.h>

#include <math.h>

#include "harness/target/tensor_data.h"
#include "tests/target/wired.h"

static const as_message message = {{"user", 4}, {"\xC3\xA9t", 3}, NULL};
static const as_str choices[] = {{"yes", 3}, {"no", 2}};

static as_request request_of(as_task task) {
    return (as_request){.task = task,
                        .messages = &message,
                        .message_count = 1,
                        .choices = choices,
                        .choice_count = 2,
                        .continuation = AS_STR("yes"),
                        .top_p = 1,
                        .max_tokens = 8};
}

static as_wired opened(const as_wire_ops *ops, const char *uri) {
    as_wired w;
    as_err err = {0};
    if (as_wired_open(&w, ops, uri, &err)) fail_msg("%s", err.text);
    return w;
}

static void expect(const as_answer *a, as_outcome outcome, const char *output) {
    if (a->outcome != outcome)
        fail_msg("%s: %.*s", as_outcome_name(a->outcome), AS_STR_ARG(a->error));
    if (!as_str_is(a->output, output)) fail_msg("'%.*s'", AS_STR_ARG(a->output));
}

// "ét yes": é | t | " y" | "es", and a token that was generated; as llama-cpp-python and vLLM echo.
static const char echoed[] =
    "{\"choices\":[{\"text\":\"\xC3\xA9t yes!\",\"logprobs\":{\"text_offset\":[0,1,2,4,6],"
    "\"token_logprobs\":[null,-1,-2.5,-0.25,-9],\"tokens\":[],\"top_logprobs\":[null,"
    "{\"t\":-1,\"x\":-3},{\" n\":-0.5},{\"es\":-0.25},{\"!\":-9}]}}]}";

// vLLM: the first token is null; each object begins with the token itself.
static const char prompted[] =
    "{\"choices\":[{\"text\":\"!\",\"logprobs\":null,\"prompt_logprobs\":[null,"
    "{\"7\":{\"logprob\":-1,\"rank\":1,\"decoded_token\":\"t\"}},"
    "{\"8\":{\"logprob\":-2.5,\"rank\":1,\"decoded_token\":\" y\"}},"
    "{\"9\":{\"logprob\":-0.25,\"rank\":1,\"decoded_token\":\"es\"}}]}]}";

static void test_texts(void **state) {
    (void)state;
    as_wired w = opened(&as_wire_openai, "openai:http://h#m+completions");
    as_request one = request_of(AS_TASK_LOGLIKELIHOOD), all = request_of(AS_TASK_ROLLING);
    assert_string_equal(as_wired_call(&w, &one, 0).ptr,
                        "http://h/v1/completions\n{\"model\":\"m\",\"prompt\":\"\xC3\xA9t yes\","
                        "\"echo\":true,\"logprobs\":1,\"max_tokens\":1,\"temperature\":0}");
    const as_answer *a = as_wired_body(&w, &one, as_str_of(echoed));
    expect(a, AS_OUT_OK, "yes");
    assert_true(a->has_logprob && a->logprob == -2.75 && a->logprob_tokens == 2);
    assert_false(a->greedy); // " n" was likelier than " y"
    a = as_wired_body(&w, &one, as_str_of(prompted));
    assert_true(a->logprob == -2.75 && a->logprob_tokens == 2 && a->greedy);
    // The whole text: the server puts no beginning token before it, so its first is not predicted.
    all.messages = &(as_message){{"user", 4}, {"\xC3\xA9t yes", 7}, NULL};
    a = as_wired_body(&w, &all, as_str_of(echoed));
    expect(a, AS_OUT_OK, "\xC3\xA9t yes");
    assert_true(a->logprob == -3.75 && a->logprob_tokens == 3);
    a = as_wired_body(&w, &all, as_str_of(prompted));
    assert_true(a->logprob == -3.75 && a->logprob_tokens == 3);
    // A text whose token has none is not scored at all.
    expect(as_wired_body(&w, &one,
                         AS_STR("{\"choices\":[{\"logprobs\":{\"text_offset\":[0,2],"
                                "\"token_logprobs\":[-1,null]}}]}")),
           AS_OUT_BAD_RESPONSE, "");
    as_wired_close(&w);
    w = opened(&as_wire_openai, "openai:http://h#m+completions?score=prompt_logprobs");
    assert_non_null(strstr(as_wired_call(&w, &one, 0).ptr, "\"prompt_logprobs\":1,\"max_tokens\""));
    as_wired_close(&w);
    w = opened(&as_wire_openai, "openai:http://h#m");
    as_err err = {0};
    assert_int_equal(w.ops->accepts(w.setup.wire, &one, &err), AS_INVALID);
    assert_non_null(strstr(err.text, "#m+completions"));
    as_wired_close(&w);
}

static void test_tgi_texts(void **state) {
    (void)state;
    as_wired w = opened(&as_wire_tgi, "tgi:http://h?key_env=none");
    as_request one = request_of(AS_TASK_LOGLIKELIHOOD);
    assert_int_equal(w.ops->calls(w.setup.wire, &one), 2);
    assert_non_null(strstr(as_wired_call(&w, &one, 1).ptr, "\"inputs\":\"\xC3\xA9t yes\""));
    static const char *const bodies[] = {"{\"generated_text\":\"x\",\"details\":{\"finish_reason\":"
                                         "\"length\",\"generated_tokens\":1,"
                                         "\"prefill\":[{\"logprob\":null},{\"logprob\":-1}]}}",
                                         "{\"generated_text\":\"x\",\"details\":{\"finish_reason\":"
                                         "\"length\",\"generated_tokens\":1,"
                                         "\"prefill\":[{\"logprob\":null},{\"logprob\":-1},{"
                                         "\"logprob\":-2.5},{\"logprob\":-0.25}]}}"};
    as_wired_body(&w, &one, as_str_of(bodies[0]));
    w.take.call = 1;
    w.ops->body(w.setup.wire, &w.take, as_str_of(bodies[1]));
    assert_true(w.take.has_logprob && w.take.logprob == -2.75 && w.take.logprob_tokens == 2);
    assert_false(w.take.greedy); // TGI does not say which was likeliest
    as_request all = request_of(AS_TASK_ROLLING);
    const as_answer *a = as_wired_body(&w, &all, as_str_of(bodies[1]));
    assert_true(a->has_logprob && a->logprob == -3.75 && a->logprob_tokens == 3);
    as_wired_close(&w);
}

static void test_generated_logprobs(void **state) {
    (void)state;
    as_wired w = opened(&as_wire_openai, "openai:http://h#m?logprobs=yes&stream=no");
    as_request g = request_of(AS_TASK_GENERATE);
    assert_non_null(strstr(as_wired_call(&w, &g, 0).ptr, "\"logprobs\":true"));
    const as_answer *a = as_wired_body(
        &w, &g,
        AS_STR("{\"choices\":[{\"message\":{\"content\":\"ab\"},\"finish_reason\":\"stop\","
               "\"logprobs\":{\"content\":[{\"token\":\"a\",\"logprob\":-0.5,\"top_logprobs\":[]},"
               "{\"token\":\"b\",\"logprob\":-1}]}}]}"));
    expect(a, AS_OUT_OK, "ab");
    assert_true(a->has_logprob && a->logprob == -1.5 && a->logprob_tokens == 2);
    as_wired_close(&w);
}

// Bytes that tritonclient 2.73 makes of the same tensors (its header's keys are in another order).
static void test_tensor_bytes(void **state) {
    (void)state;
    as_arena arena = {0};
    as_buf out = {0};
    const as_json *list;
    as_err err;
    assert_int_equal(as_json_parse(&arena, AS_STR("[1.5,-2,3e10]"), &list, &err), AS_OK);
    as_tensor_write(&out, AS_STR("FP32"), list);
    assert_int_equal(out.len, 12);
    assert_memory_equal(out.ptr, "\x00\x00\xc0\x3f\x00\x00\x00\xc0\x76\x84\xdf\x50", 12);
    as_buf_clear(&out);
    assert_int_equal(as_json_parse(&arena, AS_STR("[-2,9007199254740993]"), &list, &err), AS_OK);
    as_tensor_write(&out, AS_STR("INT64"), list);
    assert_memory_equal(out.ptr, "\xfe\xff\xff\xff\xff\xff\xff\xff\x01\0\0\0\0\0\x20\0", 16);
    as_buf_clear(&out);
    assert_int_equal(as_json_parse(&arena, AS_STR("[\"h\xC3\xA9\",\"\"]"), &list, &err), AS_OK);
    as_tensor_write(&out, AS_STR("BYTES"), list);
    assert_int_equal(out.len, 11);
    assert_memory_equal(out.ptr, "\x03\0\0\0h\xC3\xA9\0\0\0\0", 11);
    list = as_tensor_read(&arena, AS_STR("BYTES"), as_buf_view(&out));
    assert_true(list->count == 2 && as_str_is(list->child->text, "h\xC3\xA9"));
    as_buf_free(&out);
    static const struct {
        const char *type;
        as_str bytes;
        double first;
    } reads[] = {{"FP32", {"\x00\x00\xc0\x3f", 4}, 1.5},
                 {"FP64", {"\0\0\0\0\0\0\xf8\x3f", 8}, 1.5},
                 {"FP16", {"\x00\x3e", 2}, 1.5},
                 {"FP16", {"\x01\x80", 2}, -0x1p-24},
                 {"BF16", {"\xc0\xbf", 2}, -1.5},
                 {"INT8", {"\x80", 1}, -128},
                 {"INT16", {"\xfe\xff", 2}, -2},
                 {"INT32", {"\0\0\0\x80", 4}, -2147483648.0},
                 {"INT64", {"\xff\xff\xff\xff\xff\xff\xff\xff", 8}, -1},
                 {"UINT8", {"\xff", 1}, 255},
                 {"UINT64", {"\0\0\0\0\0\0\0\x80", 8}, 0x1p63},
                 {"BOOL", {"\x01", 1}, 1}};
    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++) {
        list = as_tensor_read(&arena, as_str_of(reads[i].type), reads[i].bytes);
        if (!list || list->count != 1 || list->child->number != reads[i].first)
            fail_msg("%s: %g", reads[i].type, list ? list->child->number : NAN);
    }
    assert_null(as_tensor_read(&arena, AS_STR("FP32"), AS_STR("12345")));
    assert_null(as_tensor_read(&arena, AS_STR("COMPLEX"), AS_STR("1234")));
    assert_null(as_tensor_read(&arena, AS_STR("BYTES"), (as_str){"\x05\0\0\0abc", 7}));
    assert_null(as_tensor_read(&arena, AS_STR("BYTES"), (as_str){"\x01\0", 2}));
    assert_int_equal(as_tensor_head(AS_STR("{\"a}\":[\"\\\"}\"]}rest}")), 14);
    assert_int_equal(as_tensor_head(AS_STR("{\"a\":1")), 6);
    as_arena_free(&arena);
}

static void test_binary_answers(void **state) {
    (void)state;
    as_wired w = opened(&as_wire_kserve,
                        "kserve:http://h#m/2?binary=yes&output=o&key_env=none&parameters=no");
    as_request choose = request_of(AS_TASK_CHOICE);
    assert_non_null(strstr(as_wired_call(&w, &choose, 0).ptr, "/v2/models/m/versions/2/infer\n"));
    as_buf body = {0};
    as_buf_text(&body, "{\"outputs\":[{\"name\":\"x\",\"datatype\":\"INT64\",\"shape\":[1],"
                       "\"parameters\":{\"binary_data_size\":8}},{\"name\":\"o\",\"datatype\":"
                       "\"FP32\",\"shape\":[1,2],\"parameters\":{\"binary_data_size\":8}}]}");
    size_t head = body.len;
    as_buf_add(&body, "\1\0\0\0\0\0\0\0\0\0\x80\x3e\0\0\x40\x3f", 16); // 1; 0.25, 0.75
    expect(as_wired_body(&w, &choose, as_buf_view(&body)), AS_OUT_OK, "no");
    assert_true(fabs(w.take.choice_logprobs[1] - log(0.75)) < 1e-12);
    for (size_t cut = 0; cut < body.len; cut++) {
        const as_answer *a = as_wired_body(&w, &choose, as_str_sub(as_buf_view(&body), 0, cut));
        assert_int_equal(a->outcome, AS_OUT_BAD_RESPONSE);
    }
    body.len = head;
    as_buf_add(&body, "\1\0\0\0\0\0\0\0\0\0\xc0\x7f\0\0\x40\x3f", 16); // not a number
    expect(as_wired_body(&w, &choose, as_buf_view(&body)), AS_OUT_BAD_RESPONSE, "");
    as_buf_free(&body);
    as_wired_close(&w);
}

static void test_classification(void **state) {
    (void)state;
    as_wired w = opened(&as_wire_kserve,
                        "kserve:http://h#m?classification=yes&output=o&datatype=FP32&key_env=none");
    as_request choose = request_of(AS_TASK_CHOICE);
    choose.messages = &(as_message){{"user", 4}, {"[1, 2.5]", 8}, NULL};
    assert_string_equal(as_wired_call(&w, &choose, 0).ptr,
                        "http://h/v2/models/m/infer\n{\"inputs\":[{\"name\":\"text_input\","
                        "\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[1,2.5]}],\"outputs\":[{"
                        "\"name\":\"o\",\"parameters\":{\"classification\":2}}]}");
    static const struct {
        const char *data;
        as_outcome outcome;
        const char *output;
    } bodies[] = {{"[\"0.8:1\",\"0.2:0\"]", AS_OUT_OK, "no"},
                  {"[\"0.8:0:no\",\"0.2:1:yes\"]", AS_OUT_OK, "no"}, // the label counts
                  {"[\"3.5:0\",\"-1:1\"]", AS_OUT_OK, "yes"},
                  {"[\"0.8:1\"]", AS_OUT_BAD_RESPONSE, ""},
                  {"[\"0.8:1\",\"0.2:9\"]", AS_OUT_BAD_RESPONSE, ""},
                  {"[\"yes\"]", AS_OUT_OK, "yes"}};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        as_str body = as_strf(&w.arena,
                              "{\"outputs\":[{\"name\":\"o\",\"datatype\":\"BYTES\","
                              "\"data\":%s}]}",
                              bodies[i].data);
        expect(as_wired_body(&w, &choose, body), bodies[i].outcome, bodies[i].output);
    }
    // A prompt that lists no numbers cannot be sent.
    choose.messages = &message;
    as_wire_call call;
    as_str sha;
    w.ops->build(w.setup.wire, &w.arena, &choose, 0, &call, &sha);
    assert_true(call.error.len > 0);
    as_wired_close(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts),
                                       cmocka_unit_test(test_tgi_texts),
                                       cmocka_unit_test(test_generated_logprobs),
                                       cmocka_unit_test(test_tensor_bytes),
                                       cmocka_unit_test(test_binary_answers),
                                       cmocka_unit_test(test_classification)};
    unsetenv("OPENAI_API_KEY");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
