// SPDX-License-Identifier: Apache-2.0
// What loading has cost is kept and used again: the model is the same, and so it is when what was
// kept is damaged.
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/engine/engine.h"
#include "tests/suite/scratch.h"

enum { TOKENS = 12, VOCABULARY_MAX = 4096 };

typedef struct facts {
    char sha256[65];
    float logits[TOKENS * VOCABULARY_MAX];
} facts;

static void load_as(const char *path, const as_model_options *options, facts *out) {
    as_model *model;
    as_session *session;
    as_err err;
    uint32_t ids[TOKENS];
    if (as_model_open(path, options, &model, &err)) fail_msg("%s", err.text);
    const as_model_info *info = as_model_facts(model);
    assert_true(info->vocabulary <= VOCABULARY_MAX);
    memset(out, 0, sizeof *out);
    memcpy(out->sha256, info->sha256.ptr, 64);
    for (uint32_t i = 0; i < TOKENS; i++) ids[i] = (7 * i + 3) % (uint32_t)info->vocabulary;
    assert_int_equal(as_session_new(model, TOKENS + 1, 1, &session, &err), AS_OK);
    assert_int_equal(as_session_logits(session, (as_tokens){ids, TOKENS}, out->logits), AS_EVAL_OK);
    as_session_free(session);
    as_model_close(model);
}

static void load(const char *path, const char *quant, size_t cache_from, facts *out) {
    as_model_options options = {.quant = quant, .cache_from = cache_from};
    load_as(path, &options, out);
}

static const char *path_of(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s.gguf", AS_TEST_MODELS, name);
    return path;
}

static const char *copy_model(const char *name) {
    static char copy[256];
    char command[1024];
    snprintf(copy, sizeof copy, "%s", scratch_path("model.gguf"));
    snprintf(command, sizeof command, "cp '%s' '%s'", path_of(name), copy);
    assert_int_equal(system(command), 0);
    return copy;
}

// Whether the file has been left alone for long enough to have a digest kept.
static bool is_settled(const char *path) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return time(NULL) > info.st_ctim.tv_sec + 3;
}

// How many entries begin with `kind`; with `damage`, a byte of each is changed.
static size_t entries(const char *kind, bool damage) {
    char directory[256], path[600];
    size_t count = 0;
    snprintf(directory, sizeof directory, "%s/assay", getenv("XDG_CACHE_HOME"));
    DIR *list = opendir(directory);
    for (struct dirent *entry; list && (entry = readdir(list));) {
        if (strncmp(entry->d_name, kind, strlen(kind)) != 0) continue;
        count++;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        struct stat info;
        unsigned char byte;
        int fd = open(path, O_RDWR);
        assert_true(fd >= 0 && fstat(fd, &info) == 0);
        off_t at = info.st_size - 1 - (info.st_size - 65536) / 100;
        if (damage)
            assert_true(pread(fd, &byte, 1, at) == 1 && (byte ^= 1, true) &&
                        pwrite(fd, &byte, 1, at) == 1);
        close(fd);
    }
    if (list) closedir(list);
    return count;
}

static void check(const char *name, const char *quant) {
    static facts plain, cached;
    const char *path = path_of(name);
    bool settled = is_settled(path);
    load(path, quant, SIZE_MAX, &plain);
    for (int i = 0; i < 6; i++) {
        load(path, quant, 1, &cached);
        assert_memory_equal(&plain, &cached, sizeof plain);
        assert_int_equal(entries(quant ? "quantized-" : "weights-", i == 2), 1);
        if (i == 3) assert_true(entries("digest-", true) >= 1 || !(quant || settled));
    }
}

static void start_empty(void) {
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", getenv("XDG_CACHE_HOME"));
    assert_int_equal(system(command), 0);
}

static void a_kept_model_is_the_same(void **state) {
    (void)state;
    static const char *const names[] = {"kquants", "blocks", "f16", "qwen3moe"};
    assert_int_equal(entries("", false), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        start_empty();
        check(names[i], NULL);
    }
}

static void a_kept_quantization_is_the_same(void **state) {
    (void)state;
    static const char *const types[] = {"q8_0", "q4_k_m"};
    for (size_t i = 0; i < 2; i++) {
        start_empty();
        check("f32", types[i]);
    }
    start_empty();
    static facts eight, four;
    const char *path = path_of("f32");
    load(path, "q8_0", 1, &eight);
    load(path, "q4_0", 1, &four);
    assert_string_not_equal(eight.sha256, four.sha256);
    assert_int_equal(entries("quantized-", false), 2);
}

// The same name, another file: nothing of the first is used.
static void another_file_is_another_model(void **state) {
    (void)state;
    static facts first, second, plain;
    start_empty();
    load(copy_model("f16"), NULL, 1, &first);
    load(copy_model("f32"), NULL, 1, &second);
    load(scratch_path("model.gguf"), NULL, SIZE_MAX, &plain);
    assert_string_not_equal(first.sha256, second.sha256);
    assert_memory_equal(&second, &plain, sizeof plain);
    assert_int_equal(entries("weights-", false), 2);
}

// What was written to just now may be written to again without a new time: its digest is not kept.
static void a_fresh_file_is_hashed_each_time(void **state) {
    (void)state;
    static facts first;
    start_empty();
    const char *path = copy_model("f16");
    load(path, NULL, 1, &first);
    assert_int_equal(entries("digest-", false), 0);
    assert_int_equal(entries("weights-", false), 1);
}

// Types that are only decoded: on the way into each product, or at load, and each way kept.
static void decoding_late_is_decoding_early(void **state) {
    (void)state;
    static const char *const names[] = {"IQ1_S", "IQ1_M",   "IQ2_XXS", "IQ2_XS", "IQ2_S",
                                        "TQ1_0", "IQ3_XXS", "IQ3_S",   "TQ2_0",  "NVFP4"};
    static facts late, early;
    start_empty();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[64];
        snprintf(name, sizeof name, "type_%s", names[i]);
        for (int again = 0; again < 2; again++) {
            as_model_options options = {.cache_from = 1};
            load_as(path_of(name), &options, &late);
            options.decoded = true;
            load_as(path_of(name), &options, &early);
            assert_memory_equal(&late, &early, sizeof late);
        }
        assert_int_equal(entries("weights-", false), 2 * (i + 1));
    }
}

static int begin(void **state) {
    (void)state;
    return setenv("XDG_CACHE_HOME", scratch_path("cache"), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kept_model_is_the_same),
        cmocka_unit_test(a_kept_quantization_is_the_same),
        cmocka_unit_test(another_file_is_another_model),
        cmocka_unit_test(a_fresh_file_is_hashed_each_time),
        cmocka_unit_test(decoding_late_is_decoding_early),
    };
    return cmocka_run_group_tests(tests, begin, scratch_remove);
}
