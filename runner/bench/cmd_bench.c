// SPDX-License-Identifier: Apache-2.0
#include "harness/base/file.h"
#include "harness/base/log.h"
#include "runner/bench/bench_out.h"
#include "runner/bench/duel.h"
#include "runner/bench/sweep.h"
#include "runner/commands.h"
#include "runner/evaluate.h"
#include "runner/outputs.h"

enum {
    REQUESTS = 100,
    MAX_TOKENS = 64,
    CONCURRENCY = 16,
    OPEN_CONCURRENCY = 512,
    AUTO_CONCURRENCY = 1024
};
enum { PROMPT_FILE_MAX = 64 << 20 };

typedef struct bench {
    const as_args *args;
    as_arena arena;
    as_bench_load load;
    const as_target_ops *ops;
    as_target *target;
} bench;

static as_rc one_load(bench *b, as_buf *out, as_err *err) {
    as_bench_result r;
    as_str uri = b->ops->info(b->target)->uri;
    as_rc rc = as_bench_run(b->ops, b->target, &b->load, &r, err);
    if (rc && rc != AS_INTERRUPTED) return rc;
    as_json_out jo = {.buf = out};
    if (b->args->json)
        as_bench_put_json(&jo, uri, &b->load, &r), as_buf_char(out, '\n');
    else
        as_bench_put_text(out, uri, &b->load, &r);
    if (!rc && !r.answered)
        rc = as_fail(err, AS_UNMEASURED, "no request was answered: %s", r.first_error);
    as_bench_free(&r);
    return rc;
}

static void put_duel_json(as_buf *out, const bench *b, const as_duel_side sides[2],
                          const as_duel_ratio ratios[AS_DUEL_MEASURES]) {
    static const char *const names[] = {"requests_per_s", "e2e_ms", "ttft_ms", "tpot_ms"};
    as_json_out jo = {.buf = out};
    as_jo_open(&jo, '{');
    for (int i = 0; i < 2; i++) {
        as_jo_key(&jo, i ? "b" : "a");
        as_bench_put_json(&jo, sides[i].ops->info(sides[i].target)->uri, &b->load,
                          &sides[i].result);
    }
    as_jo_key(&jo, "ratios");
    as_jo_open(&jo, '{');
    for (int m = 0; m < AS_DUEL_MEASURES; m++) {
        as_jo_key(&jo, names[m]);
        as_jo_open(&jo, '{');
        as_jo_key(&jo, "ratio"), as_jo_f64(&jo, ratios[m].ratio);
        as_jo_key(&jo, "ci");
        as_jo_open(&jo, '['), as_jo_f64(&jo, ratios[m].lo), as_jo_f64(&jo, ratios[m].hi);
        as_jo_close(&jo, ']');
        as_jo_key(&jo, "pairs"), as_jo_i64(&jo, (int64_t)ratios[m].pairs);
        as_jo_close(&jo, '}');
    }
    as_jo_close(&jo, '}');
    as_jo_close(&jo, '}');
    as_buf_char(out, '\n');
}

static void put_duel_text(as_buf *out, const bench *b, const as_duel_side sides[2],
                          const as_duel_ratio ratios[AS_DUEL_MEASURES]) {
    for (int i = 0; i < 2; i++) {
        as_buff(out, "%s%c: ", i ? "\n" : "", i ? 'B' : 'A');
        as_bench_put_text(out, sides[i].ops->info(sides[i].target)->uri, &b->load,
                          &sides[i].result);
    }
    as_buff(out, "\nB / A over pairs of blocks in the order A B B A (geometric mean, 95 %% "
                 "interval)\n");
    for (int m = 0; m < AS_DUEL_MEASURES; m++) {
        const as_duel_ratio *r = &ratios[m];
        if (!r->pairs) continue;
        as_buff(out, "  %-11s %7.3f", as_duel_names[m], r->ratio);
        if (r->pairs > 1) {
            bool says = r->lo > 1 || r->hi < 1;
            as_buff(out, "   %.3f to %.3f over %zu pairs%s", r->lo, r->hi, r->pairs,
                    says ? "" : ": no difference shown");
        }
        as_buf_char(out, '\n');
    }
}

static as_rc open_target(as_str uri, const as_target_ops **ops, as_target **target, as_err *err) {
    as_rc rc = as_target_resolve(uri, ops, err);
    return rc ? rc : (*ops)->open(uri, AS_STR("."), target, err);
}

// `bench A B`.
static as_rc two_targets(bench *b, as_buf *out, as_err *err) {
    as_duel_side sides[2] = {{.ops = b->ops, .target = b->target}};
    as_duel_ratio ratios[AS_DUEL_MEASURES];
    as_rc rc = open_target(b->args->operands.items[1], &sides[1].ops, &sides[1].target, err);
    if (rc) return rc;
    if (!sides[1].ops->begin && (b->load.per_s > 0 || b->load.adaptive))
        rc = as_fail(err, AS_INVALID,
                     "--rate and --concurrency auto need targets behind HTTP, not '%.*s'",
                     AS_STR_ARG(b->args->operands.items[1]));
    if (!rc) rc = as_duel(sides, &b->load, ratios, err);
    if (!rc && b->args->json)
        put_duel_json(out, b, sides, ratios);
    else if (!rc)
        put_duel_text(out, b, sides, ratios);
    for (int i = 0; i < 2; i++) {
        if (!rc && !sides[i].result.answered)
            rc = as_fail(err, AS_UNMEASURED, "no request to %c was answered: %s", i ? 'B' : 'A',
                         sides[i].result.first_error);
        as_bench_free(&sides[i].result);
    }
    sides[1].ops->close(sides[1].target);
    return rc;
}

// --prompt TEXT, or @FILE: a prompt a line.
static as_rc read_prompts(bench *b, as_err *err) {
    as_str text = b->args->prompt.len ? b->args->prompt
                                      : AS_STR("Write a short story about a lighthouse keeper.");
    b->load.prompts = AS_NEW(&b->arena, as_str);
    *(as_str *)(uintptr_t)b->load.prompts = text;
    b->load.prompt_count = 1;
    if (text.ptr[0] != '@') return AS_OK;
    const char *path = as_str_copy(&b->arena, as_str_sub(text, 1, text.len)).ptr;
    as_rc rc = as_file_read(&b->arena, path, PROMPT_FILE_MAX, &text, err);
    if (rc) return rc;
    size_t lines = 1, count = 0;
    for (size_t i = 0; i < text.len; i++) lines += text.ptr[i] == '\n';
    as_str *prompts = AS_NEW_ARRAY(&b->arena, as_str, lines);
    while (text.ptr) {
        as_str line = as_str_trim(as_str_cut(&text, '\n'));
        if (line.len) prompts[count++] = line;
    }
    b->load.prompts = prompts;
    b->load.prompt_count = count;
    return count ? AS_OK : as_fail(err, AS_INVALID, "'%s' holds no prompt", path);
}

static as_rc read_load(bench *b, as_err *err) {
    const as_args *args = b->args;
    as_bench_load *l = &b->load;
    l->requests = args->requests ? (uint64_t)args->requests : REQUESTS;
    l->warmup = (uint64_t)args->warmup;
    l->max_tokens = args->max_tokens ? (size_t)args->max_tokens : MAX_TOKENS;
    l->poisson = args->poisson;
    as_rc rc = read_prompts(b, err);
    if (!rc && args->rate.len) rc = as_arrivals_rate(args->rate, &l->per_s, err);
    if (!rc && args->slo.len) rc = as_slo_parse(args->slo, &l->slo, err);
    if (!rc && args->poisson && !args->rate.len)
        rc = as_fail(err, AS_INVALID, "--poisson says how --rate is spread: give one");
    l->arena = &b->arena;
    l->adaptive = args->concurrency == AS_ARGS_AUTO;
    if (!rc && l->adaptive && (args->sweep || args->rate.len))
        rc = as_fail(err, AS_INVALID, "--concurrency auto finds the knee itself: leave %s out",
                     args->sweep ? "--sweep" : "--rate");
    if (!rc && args->sweep && args->operands.count > 1)
        rc = as_fail(err, AS_INVALID, "--sweep is for one target");
    if (rc) return rc;
    size_t least = args->sweep ? OPEN_CONCURRENCY : CONCURRENCY;
    if (l->per_s > 0) least = OPEN_CONCURRENCY;
    const as_target_info *info = b->ops->info(b->target);
    if (!b->ops->begin && (l->per_s > 0 || l->adaptive))
        return as_fail(err, AS_INVALID,
                       "%s needs a target behind HTTP; '%.*s' computes as fast as it can",
                       l->adaptive ? "--concurrency auto" : "--rate", AS_STR_ARG(info->uri));
    if (!b->ops->begin) least = info->workers ? info->workers : 1;
    l->concurrency = args->concurrency > 0 ? (size_t)args->concurrency : least;
    if (l->adaptive) l->concurrency = AUTO_CONCURRENCY;
    return AS_OK;
}

int as_cmd_bench(const as_args *args) {
    as_err err = {0};
    bench b = {.args = args};
    if (args->operands.count < 1 || args->operands.count > 2) {
        as_fail(&err, AS_INVALID,
                "bench: name one target, or two to compare (see: assay help "
                "targets)");
        return as_command_fail(&err);
    }
    as_rc rc = open_target(args->operands.items[0], &b.ops, &b.target, &err);
    if (rc) return as_command_fail(&err);
    rc = read_load(&b, &err);
    as_buf out = {0};
    if (!rc && args->sweep)
        rc = as_sweep(b.ops, b.target, b.load, args->json, &out, &err);
    else if (!rc)
        rc = args->operands.count > 1 ? two_targets(&b, &out, &err) : one_load(&b, &out, &err);
    as_err late = {0};
    if (out.len && as_outputs_print(as_buf_view(&out), &late) && !rc) {
        rc = late.rc;
        err = late;
    }
    as_buf_free(&out);
    b.ops->close(b.target);
    as_arena_free(&b.arena);
    return rc ? as_command_fail(&err) : 0;
}
