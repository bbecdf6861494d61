// SPDX-License-Identifier: Apache-2.0
// Every wire on recorded bytes: what is sent for a request, and what is made of responses in the
// shapes that the vendors' own documents show.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// cmocka needs the four above first
#include <cmocka.h>

#include "tests/target/wired.h"

static const as_message messages[] = {{{"system", 6}, {"Be brief.", 9}, NULL},
                                      {{"user", 4}, {"Hi \"you\"", 8}, NULL}};
static const as_str choices[] = {{"yes", 3}, {"no", 2}};
static const as_str stops[] = {{"\n", 1}};

static const as_request generate = {.task = AS_TASK_GENERATE,
                                    .messages = messages,
                                    .message_count = 2,
                                    .max_tokens = 8,
                                    .stops = stops,
                                    .stop_count = 1};
static const as_request choose = {.task = AS_TASK_CHOICE,
                                  .messages = messages,
                                  .message_count = 2,
                                  .choices = choices,
                                  .choice_count = 2,
                                  .max_tokens = 8};

static as_wired opened(const as_wire_ops *ops, const char *uri) {
    as_wired w;
    as_err err = {0};
    if (as_wired_open(&w, ops, uri, &err)) fail_msg("%s", err.text);
    return w;
}

static void expect_call(as_wired *w, const as_request *request, size_t call, const char *wanted) {
    assert_string_equal(as_wired_call(w, request, call).ptr, wanted);
}

static void expect(const as_answer *a, as_outcome outcome, const char *output) {
    if (a->outcome != outcome)
        fail_msg("%s: %.*s", as_outcome_name(a->outcome), AS_STR_ARG(a->error));
    if (!as_str_is(a->output, output)) fail_msg("'%.*s'", AS_STR_ARG(a->output));
}

static void test_openai_calls(void **state) {
    (void)state;
    as_wired w = opened(&as_wire_openai, "openai:http://h:1/v1/#a/b:c");
    expect_call(
        &w, &generate, 0,
        "http://h:1/v1/chat/completions\n"
        "{\"model\":\"a/b:c\",\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},"
        "{\"role\":\"user\",\"content\":\"Hi \\\"you\\\"\"}],\"max_tokens\":8,"
        "\"temperature\":0,\"stop\":[\"\\n\"],\"stream\":true,"
        "\"stream_options\":{\"include_usage\":true}}");
    expect_call(
        &w, &choose, 0,
        "http://h:1/v1/chat/completions\n"
        "{\"model\":\"a/b:c\",\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},"
        "{\"role\":\"user\",\"content\":\"Hi \\\"you\\\"\\n\\nAnswer with exactly one of these, "
        "and nothing else:\\n- yes\\n- no\"}],\"max_tokens\":19,\"temperature\":0}");
    as_wired_close(&w);
    w = opened(&as_wire_openai, "openai:http://h#m+completions");
    expect_call(
        &w, &choose, 1,
        "http://h/v1/completions\n{\"model\":\"m\",\"prompt\":\"Be brief.\\nHi \\\"you\\\" no\","
        "\"echo\":true,\"logprobs\":1,\"max_tokens\":1,\"temperature\":0}");
    as_wired_close(&w);
    w = opened(&as_wire_openai, "openai:https://r.openai.azure.com/openai/deployments/d#m?"
                                "api_version=2024-06-01&limit=max_completion_tokens&sampling=no&"
                                "stream=no&key_env=none");
    expect_call(&w, &generate, 0,
                "https://r.openai.azure.com/openai/deployments/d/chat/completions?"
                "api-version=2024-06-01\n{\"model\":\"m\",\"messages\":[{\"role\":\"system\","
                "\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":\"Hi \\\"you\\\"\"}],"
                "\"max_completion_tokens\":8,\"stop\":[\"\\n\"]}");
    as_wired_close(&w);
}

static const char openai_stream[] =
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1694268190,"
    "\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
    "\"logprobs\":null,\"finish_reason\":null}]}\n\n"
    "data: "
    "{\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"hm\"}"
    ",\"finish_reason\":null}]}\n\n"
    "data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"H\xC3\xA9\"},"
    "\"finish_reason\":null}]}\r\n\r\n: keep-alive\n\n"
    "data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" \\u4f60\"},"
    "\"finish_reason\":null}],\"usage\":null}\n\n"
    "data: "
    "{\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}"
    "]}\n\n"
    "data: {\"id\":\"chatcmpl-1\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,"
    "\"completion_tokens\":12,\"total_tokens\":21}}\n\ndata: [DONE]\n\n";

static void test_openai_answers(void **state) {
    (void)state;
    as_wired w = opened(&as_wire_openai, "openai:http://h#m");
    for (size_t piece = 1; piece < 400; piece += 13) {
        const as_answer *a = as_wired_stream(&w, &generate, as_str_of(openai_stream), piece);
        expect(a, AS_OUT_OK, "H\xC3\xA9 \xE4\xBD\xA0");
        assert_true(as_str_is(a->reasoning, "hm") && a->tokens_in == 9 && a->tokens_out == 12);
        assert_true(w.take.ended);
    }
    static const struct {
        const char *body;
        as_outcome outcome;
        const char *output;
    } bodies[] = {
        {"{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"x\",\"refusal\":null},"
         "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}",
         AS_OUT_OK, "x"},
        {"{\"choices\":[{\"message\":{\"content\":\"x\"},\"finish_reason\":\"length\"}]}",
         AS_OUT_TRUNCATED, "x"},
        // transformers serve leaves the stop sequence in the text; others know of none.
        {"{\"choices\":[{\"message\":{\"content\":\"x\\n\"},\"finish_reason\":\"stop\"}]}",
         AS_OUT_OK, "x"},
        {"{\"choices\":[{\"message\":{\"content\":\"x\\ny\\n\"},\"finish_reason\":\"length\"}]}",
         AS_OUT_OK, "x"},
        {"{\"choices\":[{\"message\":{\"content\":null,\"refusal\":\"no\"}}]}", AS_OUT_REFUSED,
         "no"},
        {"{\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\",\"code\":503}}",
         AS_OUT_HTTP_ERROR, ""},
        {"{\"object\":\"error\",\"message\":\"x\"}", AS_OUT_BAD_RESPONSE, ""},
        {"{\"choices\":{\"0\":1}}", AS_OUT_BAD_RESPONSE, ""},
        {"{\"choices\":[{\"message\":{\"content\":true}}]}", AS_OUT_BAD_RESPONSE, ""},
        {"{\"choices\":[{\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":"
         "\"{}\"}},{\"function\":{\"name\":\"g\",\"arguments\":\"\"}}]}}]}",
         AS_OUT_OK, "[{\"name\":\"f\",\"arguments\":\"{}\"},{\"name\":\"g\",\"arguments\":\"\"}]"},
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        expect(as_wired_body(&w, &generate, as_str_of(bodies[i].body)), bodies[i].outcome,
               bodies[i].output);
    assert_int_equal(w.take.status, 0);
    as_wired_close(&w);
}

// llama-cpp-python's shape: a token begins at its offset, in code points.
static void test_openai_echo(void **state) {
    (void)state;
    as_wired w = opened(&as_wire_openai, "openai:http://h#m+completions");
    static const as_message short_message[] = {{{"user", 4}, {"\xC3\xA9t", 3}, NULL}};
    as_request request = choose;
    request.messages = short_message;
    request.message_count = 1;
    // "ét yes": é | t | " y" | "es" | generated; "ét no": é | "t n" (over the border) | "o"
    const char *yes =
        "{\"choices\":[{\"text\":\"\xC3\xA9t yes!\",\"logprobs\":{\"text_offset\":[0,1,2,4,"
        "6],\"token_logprobs\":[null,-1,-2.5,-0.25,-9],\"tokens\":[]}}],\"usage\":{"
        "\"prompt_tokens\":4,\"completion_tokens\":1}}";
    const char *no =
        "{\"choices\":[{\"text\":\"\xC3\xA9t no!\",\"logprobs\":{\"text_offset\":[0,1,4,5],"
        "\"token_logprobs\":[null,-3,-4,-9],\"tokens\":[]}}]}";
    as_wired_body(&w, &request, as_str_of(yes));
    assert_true(w.take.choice_logprobs[0] == -2.75);
    double *kept = w.take.choice_logprobs;
    w.take = (as_wire_take){.arena = &w.arena,
                            .scratch = &w.arena,
                            .request = &request,
                            .call = 1,
                            .error = AS_STR(""),
                            .choice_logprobs = kept};
    w.ops->body(w.setup.wire, &w.take, as_str_of(no));
    assert_true(kept[1] == -7);
    as_answer out = {0};
    as_wire_answer(&w.take, &out);
    expect(&out, AS_OUT_OK, "yes");
    expect(
        as_wired_body(&w, &request, AS_STR("{\"choices\":[{\"text\":\"a\",\"logprobs\":null}]}")),
        AS_OUT_BAD_RESPONSE, "");
    as_wired_close(&w);
    // Only a list without the beginning token has its log-probabilities in their places.
    w = opened(&as_wire_openai, "openai:http://h#m+completions?score=after_bos");
    assert_int_equal(as_wired_body(&w, &request, as_str_of(yes))->outcome, AS_OUT_BAD_RESPONSE);
    assert_non_null(strstr(w.answer.error.ptr, "one token late"));
    as_wired_body(
        &w, &request,
        AS_STR("{\"choices\":[{\"text\":\"\xC3\xA9t yes!\",\"logprobs\":{\"text_offset\":["
               "0,1,2,4,6],\"token_logprobs\":[null,-1,-2.5,-0.25,-9]}}],\"usage\":{"
               "\"prompt_tokens\":5,\"completion_tokens\":1}}"));
    assert_true(w.take.outcome == AS_OUT_OK && w.take.choice_logprobs[0] == -2.75);
    as_wired_close(&w);
}

static void test_error_words(void **state) {
    (void)state;
    as_arena arena = {0};
    as_str kind;
    static const char *const words[][3] = {
        {"{\"error\":{\"message\":\"m\",\"code\":\"c\"}}", "m", "c"},
        {"{\"error\":\"m\",\"error_type\":\"t\"}", "m", "t"},
        {"{\"detail\":\"Not Found\"}", "Not Found", ""},
        {"[{\"error\":{\"message\":\"m\",\"code\":400}}]", "m", "400"},
        {"<html>Bad Gateway</html>", "<html>Bad Gateway</html>", ""},
        {"{\"message\":\"m\",\"type\":\"t\"}", "m", "t"}, // Mistral
        {"", "", ""},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        assert_string_equal(as_wire_error(&arena, as_str_of(words[i][0]), &kind).ptr, words[i][1]);
        assert_true(as_str_is(kind, words[i][2]));
    }
    as_arena_free(&arena);
}

static void test_ollama(void **state) {
    (void)state;
    as_wired w = opened(&as_wire_ollama, "ollama:localhost/ns/m:tag?key_env=none");
    expect_call(&w, &generate, 0,
                "http://localhost/api/chat\n{\"model\":\"ns/m:tag\",\"messages\":[{\"role\":"
                "\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":\"Hi "
                "\\\"you\\\"\"}],\"stream\":true,\"options\":{\"temperature\":0,\"seed\":0,"
                "\"num_predict\":8,\"stop\":[\"\\n\"]}}");
    expect(as_wired_body(&w, &generate,
                         AS_STR("{\"model\":\"m\",\"created_at\":\"x\",\"message\":{\"role\":"
                                "\"assistant\",\"content\":\"Hello\",\"thinking\":\"t\"},\"done\":"
                                "true,\"done_reason\":\"length\",\"prompt_eval_count\":26,"
                                "\"eval_count\":298}")),
           AS_OUT_TRUNCATED, "Hello");
    assert_true(w.answer.tokens_in == 26 && w.answer.tokens_out == 298);
    assert_true(as_str_is(w.answer.reasoning, "t"));
    expect(as_wired_body(&w, &generate, AS_STR("{\"error\":\"model 'm' not found\"}")),
           AS_OUT_HTTP_ERROR, "");
    expect(as_wired_body(&w, &generate, AS_STR("{\"message\":{\"content\":1}}")),
           AS_OUT_BAD_RESPONSE, "");
    as_wired_close(&w);
}

static void test_tgi(void **state) {
    (void)state;
    as_wired w = opened(&as_wire_tgi, "tgi:http://h?key_env=none");
    expect_call(&w, &choose, 2,
                "http://h/generate\n{\"inputs\":\"Be brief.\\nHi \\\"you\\\" no\",\"parameters\":{"
                "\"max_new_tokens\":1,\"do_sample\":false,\"decoder_input_details\":true,"
                "\"details\":true}}");
    // From the server's own documents, and a stop sequence that it leaves in.
    const char *events =
        "data:{\"index\":1,\"token\":{\"id\":264,\"text\":\" a\",\"logprob\":-1.2,\"special\":"
        "false},\"generated_text\":null,\"details\":null}\n\n"
        "data:{\"index\":2,\"token\":{\"id\":2,\"text\":\"\\n\",\"logprob\":-0.1,\"special\":"
        "false},\"generated_text\":\" a\\n\",\"details\":{\"finish_reason\":\"stop_sequence\","
        "\"generated_tokens\":2,\"seed\":null,\"input_length\":5}}\n\n";
    expect(as_wired_stream(&w, &generate, as_str_of(events), 7), AS_OUT_OK, " a");
    assert_true(w.answer.tokens_in == 5 && w.answer.tokens_out == 2);
    expect(as_wired_body(&w, &generate,
                         AS_STR("{\"error\":\"Input validation error\",\"error_type\":"
                                "\"validation\"}")),
           AS_OUT_HTTP_ERROR, "");
    expect(as_wired_body(&w, &choose,
                         AS_STR("{\"generated_text\":\"x\",\"details\":{\"finish_reason\":"
                                "\"length\",\"generated_tokens\":1,\"prefill\":[]}}")),
           AS_OUT_BAD_RESPONSE, "");
    as_wired_close(&w);
}

static void test_kserve(void **state) {
    (void)state;
    as_wired w = opened(&as_wire_kserve, "kserve:http://h#m?input=TEXT&key_env=none");
    expect_call(&w, &generate, 0,
                "http://h/v2/models/m/infer\n{\"inputs\":[{\"name\":\"TEXT\",\"shape\":[1],"
                "\"datatype\":\"BYTES\",\"data\":[\"Be brief.\\nHi \\\"you\\\"\"]}],"
                "\"parameters\":{\"max_tokens\":8,\"temperature\":0}}");
    static const struct {
        const char *body;
        as_outcome outcome;
        const char *output;
    } bodies[] = {
        {"{\"outputs\":[{\"name\":\"o\",\"datatype\":\"BYTES\",\"shape\":[1,1],\"data\":[[\"no\"]]}"
         "]}",
         AS_OUT_OK, "no"},
        {"{\"outputs\":[{\"name\":\"o\",\"datatype\":\"FP32\",\"shape\":[1,2],\"data\":[0.9,0.1]}]"
         "}",
         AS_OUT_OK, "yes"},
        {"{\"outputs\":[{\"name\":\"o\",\"datatype\":\"INT64\",\"shape\":[1],\"data\":[1]}]}",
         AS_OUT_OK, "no"},
        {"{\"outputs\":[{\"name\":\"o\",\"datatype\":\"INT64\",\"shape\":[1],\"data\":[7]}]}",
         AS_OUT_BAD_RESPONSE, ""},
        {"{\"outputs\":[{\"name\":\"o\",\"datatype\":\"FP32\",\"data\":[1,\"x\"]}]}",
         AS_OUT_BAD_RESPONSE, ""},
        {"{\"outputs\":[]}", AS_OUT_BAD_RESPONSE, ""},
        {"{\"error\":\"model not ready\"}", AS_OUT_HTTP_ERROR, ""},
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        expect(as_wired_body(&w, &choose, as_str_of(bodies[i].body)), bodies[i].outcome,
               bodies[i].output);
    as_wired_close(&w);
}

// The constraint in each server's own words.
static void expect_constraint(const char *uri, const as_constraint_spec *spec, const char *wanted) {
    const as_wire_ops *ops = *uri == 't'                                   ? &as_wire_tgi
                             : as_str_starts(as_str_of(uri), AS_STR("ol")) ? &as_wire_ollama
                                                                           : &as_wire_openai;
    as_wired w = opened(ops, uri);
    as_request request = generate;
    as_err err = {0};
    request.constraint = spec;
    as_rc rc = as_wire_accepts(ops, w.setup.wire, &request, &err);
    as_str given = rc ? as_str_of(err.text) : as_wired_call(&w, &request, 0);
    if (as_str_find(given, as_str_of(wanted), 0) == SIZE_MAX)
        fail_msg("%s: %.*s", uri, AS_STR_ARG(given));
    as_wired_close(&w);
}

static void test_constraints(void **state) {
    (void)state;
    as_arena arena = {0};
    const as_str texts[] = {AS_STR("a.b"), AS_STR("say \"c\"\n")};
    as_constraint_spec listed = {
        .kind = AS_CONSTRAINT_CHOICES, .choices = texts, .choice_count = 2};
    as_constraint_spec regex = {.kind = AS_CONSTRAINT_REGEX, .text = AS_STR("a+")};
    as_constraint_spec grammar = {.kind = AS_CONSTRAINT_GRAMMAR, .text = AS_STR("root ::= \"a\"")};
    as_constraint_spec schema = {.kind = AS_CONSTRAINT_SCHEMA,
                                 .text = AS_STR("{\"type\":\"null\"}")};
    assert_int_equal(as_json_parse(&arena, schema.text, &schema.schema, NULL), 0);
    expect_constraint("openai:http://h#m", &schema,
                      "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":"
                      "\"answer\",\"strict\":true,\"schema\":{\"type\":\"null\"}}}");
    expect_constraint("openai:http://h#m", &regex, "has no field for generate.regex");
    expect_constraint("openai:http://h#m?constraint=vllm", &listed,
                      "\"structured_outputs\":{\"choice\":[\"a.b\",\"say \\\"c\\\"\\n\"]}");
    expect_constraint("openai:http://h#m?constraint=vllm", &schema,
                      "\"structured_outputs\":{\"json\":{\"type\":\"null\"}}");
    expect_constraint("openai:http://h#m?constraint=guided", &regex, "\"guided_regex\":\"a+\"");
    expect_constraint("openai:http://h#m?constraint=guided", &grammar,
                      "\"guided_grammar\":\"root ::= \\\"a\\\"\"");
    expect_constraint("openai:http://h#m?constraint=llama.cpp", &listed,
                      "\"grammar\":\"root ::= \\\"a.b\\\" | \\\"say "
                      "\\\\\\\"c\\\\\\\"\\\\n\\\"\"");
    expect_constraint("openai:http://h#m?constraint=llama.cpp", &regex,
                      "llama.cpp has no field for generate.regex; it has generate.choices");
    expect_constraint("openai:http://h#m?constraint=sglang", &listed,
                      "\"regex\":\"(a\\\\.b|say \\\"c\\\"\\\\n)\"");
    expect_constraint("openai:http://h#m?constraint=sglang", &grammar, "\"ebnf\":\"root ::=");
    expect_constraint("tgi:http://h?key_env=none", &regex,
                      "\"grammar\":{\"type\":\"regex\",\"value\":\"a+\"}");
    expect_constraint("tgi:http://h?key_env=none", &schema,
                      "\"grammar\":{\"type\":\"json\",\"value\":{\"type\":\"null\"}}");
    expect_constraint("tgi:http://h?key_env=none", &grammar, "TGI has no field for");
    expect_constraint("ollama:localhost/m?key_env=none", &schema, "\"format\":{\"type\":\"null\"}");
    expect_constraint("ollama:localhost/m?key_env=none", &listed, "Ollama has no field for");
    as_arena_free(&arena);
}

// Log-probabilities of tokens as the server says them, whole and in a stream.
static void test_token_logprobs(void **state) {
    (void)state;
    as_wired w = opened(&as_wire_openai, "openai:http://h#m");
    as_request request = generate;
    request.logprobs = true;
    request.top_logprobs = 2;
    assert_true(as_str_find(as_wired_call(&w, &request, 0),
                            AS_STR("\"logprobs\":true,\"top_logprobs\":2"), 0) != SIZE_MAX);
    const char *first = "{\"token\":\"H\",\"logprob\":-0.5,\"bytes\":[72],\"top_logprobs\":[]}";
    const char *second = "{\"token\":\"i\",\"logprob\":-0.25,\"bytes\":null,\"top_logprobs\":[{"
                         "\"token\":\"i\",\"logprob\":-0.25}]}";
    as_str whole = as_strf(&w.arena,
                           "{\"choices\":[{\"message\":{\"content\":\"Hi\"},\"finish_reason\":"
                           "\"stop\",\"logprobs\":{\"content\":[%s,%s]}}]}",
                           first, second);
    as_str stream = as_strf(&w.arena,
                            "data: {\"choices\":[{\"delta\":{\"content\":\"H\"},\"logprobs\":{"
                            "\"content\":[%s]}}]}\n\n"
                            "data: {\"choices\":[{\"delta\":{\"content\":\"i\"},\"logprobs\":{"
                            "\"content\":[%s]},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
                            first, second);
    as_str wanted = as_strf(&w.arena, "[%s,%s]", first, second);
    for (size_t way = 0; way < 2; way++) {
        const as_answer *a =
            way ? as_wired_stream(&w, &request, stream, 9) : as_wired_body(&w, &request, whole);
        as_buf text = {0};
        expect(a, AS_OUT_OK, "Hi");
        assert_true(a->has_logprob && a->logprob == -0.75 && a->logprob_tokens == 2);
        as_json_write(&text, a->token_logprobs);
        assert_true(as_str_eq(as_buf_view(&text), wanted));
        as_buf_free(&text);
    }
    as_wired_close(&w);
}

static void test_paths(void **state) {
    (void)state;
    as_arena arena = {0};
    const as_json *object;
    as_err err;
    assert_int_equal(
        as_json_parse(&arena, AS_STR("{\"a\":[{\"b\":1},{\"b\":2}],\"0\":3}"), &object, &err),
        AS_OK);
    assert_true(as_wire_at(object, AS_STR("a.1.b"))->number == 2);
    assert_true(as_wire_at(object, AS_STR("$.a[0].b"))->number == 1);
    assert_true(as_wire_at(object, AS_STR("0"))->number == 3);
    assert_true(as_wire_at(object, AS_STR("a.-1.b"))->number == 2);
    assert_ptr_equal(as_wire_at(object, AS_STR("$")), object);
    static const char *const none[] = {"a.2.b", "a.-3",    "a.b",
                                       "x",     "a.0.b.c", "a.99999999999999999999"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_null(as_wire_at(object, as_str_of(none[i])));
    as_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_openai_calls), cmocka_unit_test(test_openai_answers),
        cmocka_unit_test(test_openai_echo),  cmocka_unit_test(test_error_words),
        cmocka_unit_test(test_ollama),       cmocka_unit_test(test_tgi),
        cmocka_unit_test(test_kserve),       cmocka_unit_test(test_paths),
        cmocka_unit_test(test_constraints),  cmocka_unit_test(test_token_logprobs)};
    unsetenv("OPENAI_API_KEY");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
