// SPDX-License-Identifier: Apache-2.0
// What servers say of themselves, ratios of paired blocks, the worst case, and their record.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// cmocka needs the four above first
#include <cmocka.h>

#include <math.h>

#include "harness/record/summary.h"
#include "runner/bench/duel.h"
#include "runner/load/scrape.h"
#include "runner/load/worst.h"

static void near(double got, double want) {
    if (!(fabs(got - want) <= 1e-9 * fmax(1, fabs(want)))) fail_msg("%.17g, not %.17g", got, want);
}

static double value(const as_serving *s, const char *name) {
    for (size_t i = 0; i < s->value_count; i++)
        if (as_str_is(s->values[i].name, name)) return s->values[i].value;
    return NAN;
}

static void test_servers(void **state) {
    (void)state;
    static const char *const readings[][3] = {
        {"tgi_request_queue_duration_sum 1\ntgi_request_queue_duration_count 10\n"
         "tgi_queue_size 3\ntgi_request_success{method=\"a\"} 1\ntgi_request_success{method=\"b\"} "
         "2\n",
         "tgi_queue_size 9\n",
         "tgi_request_queue_duration_sum 2\ntgi_request_queue_duration_count 14\n"
         "tgi_queue_size 0\ntgi_request_success{method=\"a\"} 4\ntgi_request_success{method=\"b\"} "
         "3\n"},
        {"llamacpp:tokens_predicted_total 100\nllamacpp:tokens_predicted_seconds_total 2\n"
         "llamacpp:requests_processing 1\n",
         "llamacpp:requests_processing 4\n",
         "llamacpp:tokens_predicted_total 300\nllamacpp:tokens_predicted_seconds_total 6\n"
         "llamacpp:requests_processing 0\n"},
        {"vllm:gpu_cache_usage_perc{m=\"a\"} 0.2\nvllm:gpu_cache_usage_perc{m=\"b\"} 0.6\n"
         "vllm:time_per_output_token_seconds_sum 5\nvllm:time_per_output_token_seconds_count 100\n"
         "vllm:num_preemptions_total 9\n",
         "vllm:gpu_cache_usage_perc{m=\"a\"} 0.7\nvllm:gpu_cache_usage_perc{m=\"b\"} 0.1\n",
         "vllm:time_per_output_token_seconds_sum 6\nvllm:time_per_output_token_seconds_count 200\n"
         "vllm:num_preemptions_total 2\n"}, // it was started anew
    };
    as_arena arena = {0};
    as_serving found[3];
    for (size_t i = 0; i < 3; i++) {
        as_str texts[3];
        for (size_t j = 0; j < 3; j++) texts[j] = as_str_of(readings[i][j]);
        found[i] = (as_serving){0};
        as_scrape_texts(texts, 3, &arena, &found[i]);
        assert_int_equal(found[i].scrapes, 3);
    }
    assert_true(as_str_is(found[0].server, "tgi"));
    near(value(&found[0], "queue_ms"), 250);
    near(value(&found[0], "waiting_max"), 9);
    near(value(&found[0], "requests"), 4);
    assert_true(as_str_is(found[1].server, "llama.cpp"));
    near(value(&found[1], "server_tpot_ms"), 20);
    near(value(&found[1], "running_max"), 4);
    near(value(&found[1], "generated_tokens"), 200);
    near(value(&found[2], "kv_cache_usage_max"), 0.7);
    near(value(&found[2], "server_tpot_ms"), 10);
    assert_true(isnan(value(&found[2], "preemptions")));
    as_serving none = {.server = AS_STR("")};
    as_str text = AS_STR("up 1\n");
    as_scrape_texts(&text, 1, &arena, &none);
    assert_int_equal(none.server.len, 0);
    as_arena_free(&arena);
}

// scipy.stats.ttest_1samp's interval of the logarithms.
static void test_ratios(void **state) {
    (void)state;
    const double logs[] = {0.1, 0.2, 0.15, 0.3, 0.05};
    as_duel_ratio r = as_duel_ratio_of(logs, 5);
    near(r.ratio, exp(0.16));
    // mean 0.16, s = 0.0961769, t(0.975, 4) = 2.7764451051977987
    double half = 2.7764451051977987 * sqrt(0.037 / 4 / 5);
    near(r.lo, exp(0.16 - half));
    near(r.hi, exp(0.16 + half));
    r = as_duel_ratio_of(logs, 1);
    assert_true(isnan(r.lo) && r.ratio == exp(0.1));
    assert_true(isnan(as_duel_ratio_of(logs, 0).ratio));
}

static void test_worst(void **state) {
    (void)state;
    as_err err;
    double s;
    assert_int_equal(as_worst_parse(AS_STR("90s"), &s, &err), AS_OK);
    near(s, 90);
    assert_int_equal(as_worst_parse(AS_STR("1.5h"), &s, &err), AS_OK);
    near(s, 5400);
    static const char *const bad[] = {"", "s", "10", "-1s", "0m", "1d", "nans", "1e99h"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(as_worst_parse(as_str_of(bad[i]), &s, &err), AS_INVALID);
    as_target_info info = {.call_worst_s = 10, .outage_worst_s = 3};
    near(as_worst_seconds(&info, 100, 1, 8, 0), (13 + 1) * 10 + 3);
    near(as_worst_seconds(&info, 100, 4, 100, 50), (1 + 1) * 4 * 10 + 3 + 2);
    info.requests_per_s = 2;
    near(as_worst_seconds(&info, 100, 1, 100, 0), 2 * 10 + 3 + 50);
    info.call_worst_s = 0; // computes: nothing can be said
    assert_true(as_worst_seconds(&info, 100, 1, 1, 0) == 0);
    as_arena arena = {0};
    assert_true(as_str_is(as_worst_text(&arena, 42), "42 s"));
    assert_true(as_str_is(as_worst_text(&arena, 600), "10 min"));
    assert_true(as_str_is(as_worst_text(&arena, 3 * 3600), "3 h"));
    assert_true(as_str_is(as_worst_text(&arena, 5 * 86400.0), "5 days"));
    as_arena_free(&arena);
}

static void test_record(void **state) {
    (void)state;
    as_arena arena = {0};
    const as_serving_step steps[] = {{4, 80.5, false}, {8, NAN, true}};
    const as_serving_replica replicas[] = {
        {AS_STR("http://a/v1"), 10, 2, 5.5, 9, 12, 1, true, 3, 1}};
    const as_serving_value values[] = {{AS_STR("queue_ms"), 1.25}, {AS_STR("preemptions"), 0}};
    as_summary s = {.serving = {.concurrency = 8,
                                .adaptive = true,
                                .rate = NAN,
                                .steps = steps,
                                .step_count = 2,
                                .replicas = replicas,
                                .replica_count = 1,
                                .server = AS_STR("vllm"),
                                .scrapes = 7,
                                .values = values,
                                .value_count = 2}};
    as_buf text = {0}, again = {0};
    as_summary_write(&text, &s);
    as_summary back;
    as_err err;
    assert_int_equal(as_summary_read(&arena, as_buf_view(&text), &back, &err), AS_OK);
    assert_int_equal(back.serving.step_count, 2);
    assert_true(back.serving.steps[1].overload && isnan(back.serving.steps[1].per_s));
    assert_true(back.serving.replicas[0].lost && back.serving.replicas[0].p50_ms == 5.5);
    assert_int_equal(back.serving.value_count, 2);
    assert_int_equal(back.serving.scrapes, 7);
    as_json_out out = {.buf = &again};
    as_serving_write(&out, &back.serving);
    assert_true(as_str_find(as_buf_view(&text), as_buf_view(&again), 0) != SIZE_MAX);
    as_buf_free(&text);
    as_buf_free(&again);
    as_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_servers),
        cmocka_unit_test(test_ratios),
        cmocka_unit_test(test_worst),
        cmocka_unit_test(test_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
