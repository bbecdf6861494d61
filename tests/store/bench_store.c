// SPDX-License-Identifier: Apache-2.0
// bench_store URL RUNS CASES - fills a history with RUNS runs of CASES cases and times what people
// wait for: putting a run, the trend of a metric, the last hundred runs, one case over all runs.
// Beside them stands what the database does with the same rows at best: the bare load.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/clock.h"
#include "harness/store/store_ops.h"

enum { SUITES = 5, REPEATS = 21 };

static double since_s(uint64_t start) {
    return (double)(as_clock_ns() - start) / 1e9;
}

static void stop(as_rc rc, const as_err *err) {
    if (!rc) return;
    fprintf(stderr, "%s\n", err->text);
    exit(1);
}

// A journal as a run over a classification suite leaves it: 200 bytes of answer.
static const char *write_journal(as_arena *arena, const char *dir, int cases) {
    as_journal journal;
    as_err err = {0};
    as_run_header header = {.run = AS_STR("bench")};
    char answer[256];
    stop(as_journal_create(&journal, dir, &header, &err), &err);
    for (int i = 0; i < cases; i++) {
        char id[32];
        int len = snprintf(id, sizeof id, "case-%06d", i);
        snprintf(answer, sizeof answer, "%06d%-194s", i * 7919 % 1000003, "the answer of a model");
        as_score score = {AS_STR("accuracy"), i % 10 != 0};
        as_str slice = AS_STR("tag=common");
        as_sample sample = {.id = {id, (size_t)len},
                            .prompt_sha256 = AS_STR("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b93"
                                                    "4ca495991b7852b855"),
                            .output = as_str_of(answer),
                            .prediction = AS_STR("card_lost"),
                            .has_prediction = true,
                            .expected = as_json_new_str(arena, AS_STR("card_lost")),
                            .scores = &score,
                            .score_count = 1,
                            .latency_ms = 12.5 + i % 100,
                            .ttft_ms = NAN,
                            .tokens_in = 40,
                            .tokens_out = 3,
                            .attempts = 1,
                            .target = AS_STR("gguf:models/support.gguf"),
                            .weight = 1,
                            .slices = &slice,
                            .slice_count = 1};
        stop(as_journal_add(&journal, &sample, &err), &err);
    }
    stop(as_journal_close(&journal, &err), &err);
    return as_strf(arena, "%s/results.jsonl", dir).ptr;
}

static as_summary summary_of(as_arena *arena, int at) {
    static as_value values[12];
    static as_slice_values slices[4];
    const char *const names[] = {"accuracy", "f1_macro", "mcc"};
    for (int i = 0; i < 12; i++)
        values[i] = (as_value){.name = as_str_of(names[i % 3]),
                               .value = 0.9 + 0.01 * sin(at + i),
                               .ci = {0.88, 0.92},
                               .n = 10000};
    for (int i = 0; i < 4; i++)
        slices[i] = (as_slice_values){as_strf(arena, "tag=%d", i), &values[3 * i], 3};
    char when[25];
    as_clock_rfc3339(INT64_C(1735689600000) + at * INT64_C(600000), when);
    return (as_summary){.run = as_strf(arena, "%.4s%.2s%.2sT%.2s%.2s%.2sZ-%06x", when, when + 5,
                                       when + 8, when + 11, when + 14, when + 17, (unsigned)at),
                        .suite = as_strf(arena, "suite-%d", at % SUITES),
                        .started = as_str_copy(arena, (as_str){when, 24}),
                        .total = 10000,
                        .metrics = values,
                        .metric_count = 3,
                        .slices = slices,
                        .slice_count = 4,
                        .gate = {.verdict = AS_PASS}};
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *what, double times[REPEATS], size_t rows) {
    qsort(times, REPEATS, sizeof *times, by_value);
    printf("%-40s %9.3f ms (median of %d, worst %.3f), %zu rows\n", what, times[REPEATS / 2] * 1e3,
           REPEATS, times[REPEATS - 1] * 1e3, rows);
}

static as_rc count_case(void *context, const as_store_past *found, as_err *err) {
    (void)found;
    (void)err;
    ++*(size_t *)context;
    return AS_OK;
}

static void time_questions(as_store *store) {
    double times[REPEATS];
    as_err err = {0};
    as_arena arena = {0};
    size_t count = 0;
    for (int i = 0; i < REPEATS; i++) {
        const as_store_point *points;
        uint64_t start = as_clock_ns();
        stop(as_store_trend(store, &arena, AS_STR("suite-1"), AS_STR("accuracy"), AS_STR(""),
                            AS_STR(""), &points, &count, &err),
             &err);
        times[i] = since_s(start);
        as_arena_reset(&arena);
    }
    report("trend of a metric, all runs of a suite", times, count);
    for (int i = 0; i < REPEATS; i++) {
        const as_store_run *runs;
        uint64_t start = as_clock_ns();
        stop(as_store_list(store, &arena, AS_STR("suite-1"), AS_STR(""), 100, &runs, &count, &err),
             &err);
        times[i] = since_s(start);
        as_arena_reset(&arena);
    }
    report("summaries of the newest 100 runs", times, count);
    for (int i = 0; i < REPEATS; i++) {
        count = 0;
        uint64_t start = as_clock_ns();
        stop(as_store_case(store, AS_STR("suite-1"), as_strf(&arena, "case-%06d", i * 37), 50,
                           count_case, &count, &err),
             &err);
        times[i] = since_s(start);
        as_arena_reset(&arena);
    }
    report("one case in its newest 50 runs", times, count);
    as_arena_free(&arena);
}

// The same rows, made beforehand, into a table without anything around it: the ceiling.
typedef struct bare {
    as_arena arena;
    as_db_value *cells;
    size_t count;
    as_buf line;
} bare;

static as_rc keep_row(void *context, const as_sample *sample, as_err *err) {
    bare *b = context;
    (void)err;
    as_buf_clear(&b->line);
    as_sample_write(&b->line, sample);
    as_db_value *at = b->cells + 5 * b->count++;
    at[0] = as_db_text(AS_STR("20250101T000000Z-000000"));
    at[1] = as_db_text(as_str_copy(&b->arena, sample->id));
    at[2] = as_db_text(AS_STR("ok"));
    at[3] = as_db_f64(1);
    at[4] =
        as_db_text(as_str_copy(&b->arena, as_str_sub(as_buf_view(&b->line), 0, b->line.len - 1)));
    return AS_OK;
}

static void time_bare(as_store *store, const char *journal, int cases) {
    static const as_db_table table = {"bare", "run, case_id, outcome, score, line", 5, false};
    bare b = {.cells = as_mem_new((size_t)cases * 5 * sizeof *b.cells)};
    as_err err = {0};
    const as_db_ops *ops = store->ops;
    stop(as_journal_read(journal, keep_row, &b, &err), &err);
    for (int keys = 0; keys < 2; keys++) {
        stop(ops->script(store->state,
                         "CREATE TABLE bare (run TEXT NOT NULL, case_id TEXT NOT NULL, outcome TEXT"
                         " NOT NULL, score DOUBLE PRECISION, line TEXT NOT NULL)",
                         &err),
             &err);
        if (keys)
            stop(ops->script(store->state, "CREATE UNIQUE INDEX bare_key ON bare (run, case_id)",
                             &err),
                 &err);
        uint64_t start = as_clock_ns();
        clock_t cpu = clock();
        stop(ops->begin(store->state, false, &err), &err);
        stop(ops->load(store->state, &table, b.cells, b.count, &err), &err);
        stop(ops->commit(store->state, &err), &err);
        printf("%-40s %9.0f rows/s, %.2f us of our CPU a row\n",
               keys ? "bare load with the key" : "bare load", (double)b.count / since_s(start),
               (double)(clock() - cpu) / CLOCKS_PER_SEC / (double)b.count * 1e6);
        stop(ops->script(store->state, "DROP TABLE bare", &err), &err);
    }
    free(b.cells);
    as_arena_free(&b.arena);
    as_buf_free(&b.line);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: bench_store URL RUNS CASES\n");
        return 2;
    }
    int runs = atoi(argv[2]), cases = atoi(argv[3]);
    as_arena arena = {0};
    as_err err = {0};
    as_store *store;
    char dir[] = "/tmp/assay-bench-XXXXXX";
    if (!mkdtemp(dir)) return 1;
    const char *journal = write_journal(&arena, dir, cases);
    stop(as_store_open(as_str_of(argv[1]), &store, &err), &err);
    time_bare(store, journal, cases);
    double worst = 0;
    uint64_t start = as_clock_ns();
    clock_t cpu = clock();
    for (int i = 0; i < runs; i++) {
        as_summary s = summary_of(&arena, i);
        uint64_t one = as_clock_ns();
        stop(as_store_put(store, &s, journal, &err), &err);
        worst = fmax(worst, since_s(one));
    }
    double wall = since_s(start), rows = (double)runs * cases;
    printf("%-40s %9.0f rows/s, %.2f us of our CPU a row, slowest run %.3f s\n",
           "journal read, checked and stored", rows / wall,
           (double)(clock() - cpu) / CLOCKS_PER_SEC / rows * 1e6, worst);
    time_questions(store);
    as_store_close(store);
    as_file_drop(journal);
    as_file_drop(as_strf(&arena, "%s/run.json", dir).ptr);
    rmdir(dir);
    as_arena_free(&arena);
    return 0;
}
