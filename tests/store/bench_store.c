// SPDX-License-Identifier: Apache-2.0
// bench_store URL RUNS CASES - fills a history with RUNS runs of CASES cases and times what people
// wait for: putting a run, the trend of a metric, the last hundred runs, one case over all runs.
// Beside them stands what the database does with the same rows at best, made beforehand, into a
// table with the same key: SQLite's prepared INSERT; PostgreSQL's COPY from a file, which a server
// on this machine reads by itself.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

// The same rows, made beforehand, into a table with the same key and nothing around it: the
// ceiling.
typedef struct bare {
    as_store *store;
    as_arena arena;
    as_db_value *cells;
    size_t count;
    as_buf line;
} bare;

static const as_db_table bare_table = {"bare", "run, case_id, sample, outcome, score, line", 6,
                                       1u << 2, false};

static as_rc keep_row(void *context, const as_sample *sample, as_err *err) {
    bare *b = context;
    (void)err;
    as_buf_clear(&b->line);
    as_sample_write(&b->line, sample);
    as_str line = as_str_sub(as_buf_view(&b->line), 0, b->line.len - 1);
    as_db_value *at = b->cells + bare_table.column_count * b->count++;
    at[1] = as_db_text(as_str_copy(&b->arena, sample->id));
    at[2] = as_db_i64(0);
    at[3] = as_db_text(AS_STR("ok"));
    at[4] = as_db_f64(1);
    at[5] = as_db_text(as_str_copy(&b->arena, line));
    return AS_OK;
}

static void open_bare(bare *b, as_store *store, const char *journal, int cases) {
    as_err err = {0};
    size_t cells = as_size_mul((size_t)cases, bare_table.column_count);
    *b = (bare){.store = store, .cells = as_mem_new(as_size_mul(cells, sizeof *b->cells))};
    stop(as_journal_read(journal, keep_row, b, &err), &err);
    stop(store->ops->script(store->state,
                            "CREATE TABLE bare (run TEXT NOT NULL, case_id TEXT NOT NULL,\n"
                            " sample INTEGER NOT NULL, outcome TEXT NOT NULL,\n"
                            " score DOUBLE PRECISION, line TEXT NOT NULL,\n"
                            "--lite PRIMARY KEY (run, case_id, sample)) WITHOUT ROWID\n"
                            "--pg PRIMARY KEY (run, case_id, sample))\n",
                            &err),
         &err);
}

// What a kind of putting took, over all runs.
typedef struct tally {
    double wall_s, worst_s;
    clock_t cpu;
} tally;

static void note(tally *t, uint64_t start, clock_t cpu) {
    double s = since_s(start);
    t->wall_s += s;
    t->worst_s = fmax(t->worst_s, s);
    t->cpu += clock() - cpu;
}

// PostgreSQL reads the rows from a file that it opens itself: COPY without any client.
static const char *write_rows(const bare *b, as_arena *arena, const char *dir) {
    as_buf buf = {0};
    for (size_t i = 0; i < b->count; i++) {
        const as_db_value *at = b->cells + i * bare_table.column_count;
        as_buff(&buf, "%.*s\t%.*s\t0\tok\t1\t", AS_STR_ARG(at[0].text), AS_STR_ARG(at[1].text));
        as_buf_replaced(&buf, at[5].text, AS_STR("\\"), AS_STR("\\\\"));
        as_buf_char(&buf, '\n');
    }
    const char *path = as_strf(arena, "%s/rows", dir).ptr;
    as_err err = {0};
    stop(as_file_replace(path, as_buf_view(&buf), &err), &err);
    as_buf_free(&buf);
    if (chmod(dir, 0755) || chmod(path, 0644)) exit(1);
    return path;
}

static void put_bare(bare *b, as_arena *arena, const char *dir, as_str run, tally *t) {
    as_err err = {0};
    const as_db_ops *ops = b->store->ops;
    void *db = b->store->state;
    for (size_t i = 0; i < b->count; i++) b->cells[i * bare_table.column_count] = as_db_text(run);
    const char *copy = NULL;
    if (ops == &as_store_pg)
        copy = as_strf(arena, "COPY bare FROM '%s'", write_rows(b, arena, dir)).ptr;
    uint64_t start = as_clock_ns();
    clock_t cpu = clock();
    stop(ops->begin(db, false, &err), &err);
    stop(copy ? ops->script(db, copy, &err) : ops->load(db, &bare_table, b->cells, b->count, &err),
         &err);
    stop(ops->commit(db, &err), &err);
    note(t, start, cpu);
}

static void close_bare(bare *b) {
    as_err err = {0};
    stop(b->store->ops->script(b->store->state, "DROP TABLE bare", &err), &err);
    free(b->cells);
    as_arena_free(&b->arena);
    as_buf_free(&b->line);
}

static void print_tally(const char *what, const tally *t, double rows) {
    printf("%-40s %9.0f rows/s, %.2f us of our CPU a row, slowest run %.3f s\n", what,
           rows / t->wall_s, (double)t->cpu / CLOCKS_PER_SEC / rows * 1e6, t->worst_s);
}

// Every run goes in both ways, in turn: what the disk does at the moment meets both.
static void time_puts(bare *b, as_arena *arena, const char *journal, int runs) {
    tally bare_loads = {0}, puts = {0};
    as_err err = {0};
    for (int i = 0; i < runs; i++) {
        as_summary s = summary_of(arena, i);
        put_bare(b, arena, as_path_dir(arena, as_str_of(journal)).ptr, s.run, &bare_loads);
        uint64_t start = as_clock_ns();
        clock_t cpu = clock();
        stop(as_store_put(b->store, &s, journal, &err), &err);
        note(&puts, start, cpu);
    }
    double rows = (double)runs * (double)b->count;
    print_tally("bare load with the key", &bare_loads, rows);
    print_tally("journal read, checked and stored", &puts, rows);
    printf("%-40s %9.0f %%\n", "share of the bare load", 100 * bare_loads.wall_s / puts.wall_s);
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
    const as_store_run *old;
    size_t old_count;
    stop(as_store_list(store, &arena, AS_STR(""), AS_STR(""), 1, &old, &old_count, &err), &err);
    if (old_count) stop(as_fail(&err, AS_INVALID, "the history is not empty"), &err);
    bare b;
    open_bare(&b, store, journal, cases);
    time_puts(&b, &arena, journal, runs);
    time_questions(store);
    close_bare(&b);
    as_store_close(store);
    as_file_drop(journal);
    as_file_drop(as_strf(&arena, "%s/rows", dir).ptr);
    as_file_drop(as_strf(&arena, "%s/run.json", dir).ptr);
    rmdir(dir);
    as_arena_free(&arena);
    return 0;
}
