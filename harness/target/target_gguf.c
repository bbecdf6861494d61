// SPDX-License-Identifier: Apache-2.0
// gguf:PATH - the embedded engine as a target. A worker keeps any number of requests going: the
// engine's batcher makes batches of all of them, on `threads` lanes side by side, over one cache.
#include <stdlib.h>

#include "harness/base/clock.h"
#include "harness/base/file.h"
#include "harness/base/log.h"
#include "harness/base/thread.h"
#include "harness/engine/ollama_store.h"
#include "harness/target/chat/chat_templates.h"
#include "harness/target/chat/chat_turn.h"
#include "harness/target/gguf_case.h"

enum {
    THREADS_MAX = 256,
    CONTEXT_MAX = 1 << 20,
    REQUESTS = 16,   // handed over for each thread, unless the user says otherwise
    CASES_SMALL = 4, // begun for each thread, of a model that a CPU's cache holds: many rows do
                     // not make it faster, and each answer would take longer
    SMALL_SIZE = 32 << 20, // bytes of weights
    GPU_REQUESTS = 256,    // a GPU takes many rows at once,
    GPU_LANES = 2,         // and the host makes a batch while another one runs
};

struct as_target {
    as_arena arena;
    as_model *model;
    as_chat_templates templates;
    as_harmony harmony;
    bool in_messages; // its answers are, as harmony has them
    as_batcher_options options;
    as_constraints *constraints;
    as_str pooling; // of embeddings; empty: as the file says
    as_target_info info;
};

struct as_target_worker {
    const as_target *target;
    as_batcher *batcher;
    as_lock *lock;             // of the next three
    as_gguf_case *over, *last; // answered, in the order in which they were
    bool woken;
    as_embedders embedders;
    as_gguf_case *early; // not due yet
    as_gguf_case *idle;
};

static void gguf_close(as_target *target) {
    as_constraints_free(target->constraints);
    as_model_close(target->model);
    as_arena_free(&target->arena);
    free(target);
}

static as_rc check_cpu(as_str uri, as_str cpu, as_err *err) {
    static const char *const known[] = {"auto", "portable", "avx2",    "avx512",
                                        "amx",  "neon",     "dotprod", NULL};
    for (size_t i = 0; known[i]; i++)
        if (as_str_is(cpu, known[i])) return AS_OK;
    const char *near = as_str_nearest(cpu, known);
    return as_fail(err, AS_INVALID,
                   "target '%.*s': cpu is '%.*s'; expected auto, portable, avx2, avx512, amx, neon "
                   "or dotprod%s%s%s",
                   AS_STR_ARG(uri), AS_STR_ARG(cpu), near ? " (did you mean '" : "",
                   near ? near : "", near ? "'?)" : "");
}

// A number of bytes: 4096, 512K, 300M, 2G.
static as_rc read_size(as_str uri, as_str text, uint64_t *out, as_err *err) {
    static const char units[] = "KMG";
    unsigned shift = 0;
    int64_t value;
    if (!text.ptr) return AS_OK;
    as_str number = text;
    for (unsigned i = 0; number.len && units[i]; i++)
        if ((number.ptr[number.len - 1] & ~0x20) == units[i]) shift = 10 * (i + 1);
    if (shift) number.len--;
    if (!as_str_to_i64(number, &value) || value < 1 || value > INT64_MAX >> shift)
        return as_fail(err, AS_INVALID,
                       "target '%.*s': memory is '%.*s'; expected a size like 512M or 2G",
                       AS_STR_ARG(uri), AS_STR_ARG(text));
    *out = (uint64_t)value << shift;
    return AS_OK;
}

static as_rc load(as_target *t, as_str base_dir, const as_target_uri *uri, as_err *err) {
    as_str cpu = as_str_copy(&t->arena, as_target_uri_value(uri, "cpu", AS_STR("auto")));
    as_str device = as_target_uri_value(uri, "device", AS_STR("cpu"));
    t->info.device = as_str_copy(&t->arena, device);
    bool cpu_only = as_str_is(device, "cpu");
    int64_t threads = cpu_only ? (int64_t)as_thread_cpus() : GPU_LANES, context = 0;
    as_rc rc = check_cpu(t->info.uri, cpu, err);
    if (!rc) rc = as_target_uri_count(t->info.uri, uri, "threads", 1, THREADS_MAX, &threads, err);
    if (!rc) rc = as_target_uri_count(t->info.uri, uri, "ctx", 8, CONTEXT_MAX, &context, err);
    if (rc) return rc;
    t->options = (as_batcher_options){
        .context = (size_t)context, .lanes = (size_t)threads, .device = t->info.device};
    t->options.kv = as_str_copy(&t->arena, as_target_uri_value(uri, "kv", AS_STR("")));
    rc = read_size(t->info.uri, as_target_uri_value(uri, "memory", (as_str){NULL, 0}),
                   &t->options.memory, err);
    if (rc) return rc;
    t->info.threads = (size_t)threads;
    t->pooling = as_str_copy(&t->arena, as_target_uri_value(uri, "pooling", AS_STR("")));
    as_str lora = as_target_uri_value(uri, "lora", (as_str){NULL, 0});
    as_str quant = as_str_copy(&t->arena, as_target_uri_value(uri, "quant", AS_STR("")));
    as_model_options options = {
        .cpu = cpu.ptr, .quant = quant.len ? quant.ptr : NULL, .decoded = !cpu_only};
    if (lora.len) options.lora = as_path_join(&t->arena, base_dir, lora).ptr;
    as_str path = as_path_join(&t->arena, base_dir, uri->rest);
    if (as_ollama_store_names(uri->rest)) {
        as_ollama_model kept;
        rc = as_ollama_store_find(&t->arena, uri->rest, &kept, err);
        if (rc) return rc;
        path = kept.path;
        if (kept.lora.len && !lora.len) options.lora = kept.lora.ptr;
    }
    rc = as_model_open(path.ptr, &options, &t->model, err);
    if (rc) return rc;
    if (as_batcher_check(t->model, &t->options, err)) {
        as_err_prefix(err, "target '%.*s'", AS_STR_ARG(t->info.uri));
        return AS_INVALID;
    }
    as_chat_templates_read(&t->arena, as_model_facts(t->model), &t->templates);
    t->in_messages = as_harmony_find(t->model, &t->harmony);
    const as_chat_template *own = as_chat_templates_pick(&t->templates, &(as_request){0});
    if (!own || own->jinja) return AS_OK;
    return as_fail(err, AS_INVALID, "chat template of '%s': %.*s", path.ptr,
                   AS_STR_ARG(own->trouble));
}

static as_rc gguf_open(as_str uri, as_str base_dir, as_target **out, as_err *err) {
    static const char *const keys[] = {"threads", "ctx", "device", "cpu",     "quant",
                                       "lora",    "kv",  "memory", "pooling", NULL};
    as_target *t = as_mem_new(sizeof *t);
    t->info.uri = as_str_copy(&t->arena, uri);
    as_target_uri parsed;
    as_rc rc = as_target_uri_parse(&t->arena, uri, keys, &parsed, err);
    if (!rc) rc = load(t, base_dir, &parsed, err);
    if (rc) {
        gguf_close(t);
        return rc;
    }
    const as_model_info *facts = as_model_facts(t->model);
    bool gpu = !as_str_is(t->info.device, "cpu");
    t->info.workers = gpu ? GPU_REQUESTS : t->info.threads * REQUESTS;
    if (!gpu && facts->product_size < SMALL_SIZE) t->options.cases = t->info.threads * CASES_SMALL;
    t->constraints = as_constraints_new(t->model);
    t->info.model_sha256 = facts->sha256;
    t->info.model_name = facts->name;
    t->info.memory_bytes = facts->memory_size;
    as_str kernels = as_str_ends(t->info.device, AS_STR("-fast")) ? AS_STR("cuda fast")
                     : gpu                                        ? AS_STR("cuda")
                                                                  : facts->kernels;
    // What answers depend on: other keys and values are another model.
    bool plain = !t->options.kv.len || as_str_is(t->options.kv, "f32");
    t->info.engine = as_strf(&t->arena, "assay %.*s%s%.*s", AS_STR_ARG(kernels),
                             plain ? "" : " kv=", plain ? 0 : (int)t->options.kv.len,
                             plain ? "" : t->options.kv.ptr);
    *out = t;
    return AS_OK;
}

static const as_target_info *gguf_info(const as_target *target) {
    return &target->info;
}

static as_embedder_options embedder_options(const as_target *t) {
    return (as_embedder_options){
        .pooling = t->pooling, .device = t->info.device, .context = t->options.context};
}

static as_rc gguf_worker_new(as_target *target, as_target_worker **out, as_err *err) {
    as_batcher *batcher;
    as_rc rc = as_batcher_new(target->model, &target->options, &batcher, err);
    if (rc) return rc;
    as_target_worker *worker = as_mem_new(sizeof *worker);
    *worker = (as_target_worker){target, batcher, .lock = as_lock_new()};
    const as_embedder_options embeds = embedder_options(target);
    as_embedders_init(&worker->embedders, target->model, &embeds);
    *out = worker;
    return AS_OK;
}

static void say_facts(as_target_worker *w) {
    as_batcher_facts f = as_batcher_stats(w->batcher);
    as_log_debug("engine: %llu rows in %llu batches, logits of %llu; %llu prompt tokens were there "
                 "already; keys and values (%s): %zu of %zu MiB used",
                 (unsigned long long)f.rows, (unsigned long long)f.batches,
                 (unsigned long long)f.wanted, (unsigned long long)f.reused, f.kv,
                 f.pages_most * f.page_size >> 20, f.pages * f.page_size >> 20);
}

static void gguf_worker_free(as_target_worker *worker) {
    if (as_batcher_stats(worker->batcher).rows) say_facts(worker);
    as_batcher_free(worker->batcher);
    for (as_gguf_case *c = worker->idle, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    as_embedders_free(&worker->embedders);
    as_lock_free(worker->lock);
    free(worker);
}

// By a thread of the engine.
static void take_over(as_gguf_case *c) {
    as_target_worker *w = c->worker;
    c->next = NULL;
    as_lock_take(w->lock);
    if (w->over)
        w->last->next = c;
    else
        w->over = c;
    w->last = c;
    as_lock_wake(w->lock);
    as_lock_give(w->lock);
}

static void gguf_begin(as_target_worker *w, as_arena *arena, const as_request *request,
                       as_answer *out, void *tag, uint64_t due_ns) {
    const as_target *t = w->target;
    const as_chat_template *chat = as_chat_templates_pick(&t->templates, request);
    as_gguf_case *c = w->idle;
    if (c)
        w->idle = c->next;
    else
        c = as_mem_new(sizeof *c);
    *c = (as_gguf_case){.model = t->model,
                        .chat = chat ? chat->jinja : NULL,
                        .context = t->options.context,
                        .names = t->in_messages ? &t->harmony : NULL,
                        .batcher = w->batcher,
                        .embedders = &w->embedders,
                        .constraints = t->constraints,
                        .request = request,
                        .arena = arena,
                        .answer = out,
                        .due_ns = due_ns,
                        .over = take_over,
                        .worker = w,
                        .tag = tag};
    if (!c->context) c->context = as_model_facts(t->model)->context_length;
    if (!due_ns) {
        as_gguf_case_submit(c);
        return;
    }
    as_gguf_case **at = &w->early;
    while (*at && (*at)->due_ns <= due_ns) at = &(*at)->next;
    c->next = *at;
    *at = c;
}

// Hands on what is due by now. How long to wait for the next one.
static uint64_t submit_due(as_target_worker *w) {
    for (;;) {
        as_gguf_case *c = w->early;
        if (!c) return UINT64_MAX;
        uint64_t now = as_clock_ns();
        if (c->due_ns > now) return c->due_ns - now;
        w->early = c->next;
        as_gguf_case_submit(c);
    }
}

static void *gguf_next(as_target_worker *w, uint64_t wait_ns) {
    uint64_t start = as_clock_ns();
    for (;;) {
        uint64_t pause = submit_due(w), spent = as_clock_ns() - start;
        as_lock_take(w->lock);
        as_gguf_case *c = w->over;
        bool stop = w->woken || spent >= wait_ns;
        if (c) {
            w->over = c->next;
        } else if (stop) {
            w->woken = false;
        } else {
            uint64_t left = wait_ns == UINT64_MAX ? wait_ns : wait_ns - spent;
            as_lock_wait(w->lock, left < pause ? left : pause);
        }
        as_lock_give(w->lock);
        if (!c && stop) return NULL;
        if (!c) continue;
        void *tag = c->tag;
        c->next = w->idle;
        w->idle = c;
        return tag;
    }
}

static void gguf_wake(as_target_worker *w) {
    as_lock_take(w->lock);
    w->woken = true;
    as_lock_wake(w->lock);
    as_lock_give(w->lock);
}

static void gguf_cancel(as_target_worker *w) {
    as_batcher_cancel(w->batcher);
    for (as_gguf_case *c; (c = w->early);) {
        w->early = c->next;
        as_gguf_case_submit(c); // only to be cancelled
    }
}

static void gguf_answer(as_target_worker *w, as_arena *arena, const as_request *request,
                        as_answer *out) {
    gguf_begin(w, arena, request, out, w, 0);
    while (!gguf_next(w, UINT64_MAX)) continue;
}

static as_rc gguf_accepts(const as_target *target, const as_request *request, as_err *err) {
    bool embeds = request->task == AS_TASK_EMBED;
    if (!embeds && as_model_facts(target->model)->encoder)
        return as_fail(err, AS_INVALID,
                       "target '%.*s' is an encoder: it embeds texts and predicts no tokens",
                       AS_STR_ARG(target->info.uri));
    as_rc rc = AS_OK;
    if (!embeds && !request->alone && request->task != AS_TASK_ROLLING)
        rc = as_chat_templates_check(&target->templates, request, target->info.uri, err);
    if (rc) return rc;
    const as_chat_template *chat = as_chat_templates_pick(&target->templates, request);
    if (!embeds && (request->raw || !chat) && as_chat_turn_rich(request))
        return as_fail(err, AS_INVALID,
                       "prompt.messages: without a chat template (%s) target '%.*s' has no place "
                       "for the calls of tools, their results and names in the messages of cases",
                       request->raw ? "prompt.chat: raw" : "its file has none",
                       AS_STR_ARG(target->info.uri));
    if (chat && !request->raw && request->message_count &&
        as_gguf_case_rehearse(target->model, chat->jinja, request, err)) {
        as_err_prefix(err, "chat template of target '%.*s'", AS_STR_ARG(target->info.uri));
        return AS_INVALID;
    }
    const as_constraint_spec *constraint = request->constraint;
    bool fixed = constraint && !(constraint->kind == AS_CONSTRAINT_CHOICES && !constraint->choices);
    if (!embeds && fixed && !as_constraints_find(target->constraints, constraint, err)) {
        as_err_prefix(err, "generate.%s", as_constraint_name(constraint->kind));
        return AS_INVALID;
    }
    if (!embeds) return AS_OK;
    const as_embedder_options options = embedder_options(target);
    rc = as_embedder_check(target->model, &options, err);
    if (rc) as_err_prefix(err, "target '%.*s'", AS_STR_ARG(target->info.uri));
    return rc;
}

// Of the template that such requests take, also where they are raw.
static as_str gguf_template_sha256(const as_target *target, const as_request *request) {
    const as_chat_template *chat = as_chat_templates_pick(&target->templates, request);
    return chat ? chat->sha256 : AS_STR("");
}

const as_target_ops as_target_gguf = {
    .scheme = "gguf",
    .scores_texts = true,
    .embeds = true,
    .templates = true,
    .constrains = true,
    .tells_odds = true,
    .syntax = "gguf:PATH[?quant=TYPE&threads=N&ctx=N&cpu=auto|portable|avx2|avx512|amx|neon|"
              "dotprod&lora=FILE&kv=f32|f16|q8_0&memory=SIZE&device=cpu|cuda:N|cuda:N-fast"
              "&pooling=mean|cls|last]",
    .open = gguf_open,
    .info = gguf_info,
    .worker_new = gguf_worker_new,
    .answer = gguf_answer,
    .begin = gguf_begin,
    .next = gguf_next,
    .wake = gguf_wake,
    .cancel = gguf_cancel,
    .worker_free = gguf_worker_free,
    .close = gguf_close,
    .accepts = gguf_accepts,
    .template_sha256 = gguf_template_sha256,
};
