// SPDX-License-Identifier: Apache-2.0
// gguf:PATH - the embedded engine as a target. Every worker has a session of its own; workers
// share the model. What takes parallel work is cases, not one case's matrix rows: for models of
// this size that keeps every core busy without waiting.
#include <math.h>
#include <stdlib.h>

#include "harness/base/clock.h"
#include "harness/base/file.h"
#include "harness/base/jinja.h"
#include "harness/base/sha256.h"
#include "harness/base/thread.h"
#include "harness/engine/engine.h"
#include "harness/engine/ollama_store.h"
#include "harness/target/target.h"

enum { THREADS_MAX = 256, CONTEXT_MAX = 1 << 20 };

struct as_target {
    as_arena arena;
    as_model *model;
    const as_jinja *chat; // NULL: the file has no template
    as_str pooling;       // of embeddings; empty: as the file says
    size_t context;
    as_target_info info;
};

struct as_target_worker {
    const as_target *target;
    as_session *session;   // NULL for an encoder
    as_embedder *embedder; // NULL until texts are embedded
};

static void gguf_close(as_target *target) {
    as_model_close(target->model);
    as_arena_free(&target->arena);
    free(target);
}

static as_rc check_cpu(as_str uri, as_str cpu, as_err *err) {
    static const char *const known[] = {"auto", "portable", "avx2", "avx512", NULL};
    for (size_t i = 0; known[i]; i++)
        if (as_str_is(cpu, known[i])) return AS_OK;
    if (as_str_is(cpu, "amx"))
        return as_fail(err, AS_INVALID, "target '%.*s': cpu=amx is not available yet",
                       AS_STR_ARG(uri));
    const char *near = as_str_nearest(cpu, known);
    return as_fail(err, AS_INVALID,
                   "target '%.*s': cpu is '%.*s'; expected auto, portable, avx2 or avx512%s%s%s",
                   AS_STR_ARG(uri), AS_STR_ARG(cpu), near ? " (did you mean '" : "",
                   near ? near : "", near ? "'?)" : "");
}

static as_rc load(as_target *t, as_str base_dir, const as_target_uri *uri, as_err *err) {
    as_str cpu = as_str_copy(&t->arena, as_target_uri_value(uri, "cpu", AS_STR("auto")));
    as_str device = as_target_uri_value(uri, "device", AS_STR("cpu"));
    if (!as_str_is(device, "cpu"))
        return as_fail(err, AS_INVALID,
                       "target '%.*s': device '%.*s' is not in this build; it has: cpu",
                       AS_STR_ARG(t->info.uri), AS_STR_ARG(device));
    int64_t threads = (int64_t)as_thread_cpus(), context = 0;
    as_rc rc = check_cpu(t->info.uri, cpu, err);
    if (!rc) rc = as_target_uri_count(t->info.uri, uri, "threads", 1, THREADS_MAX, &threads, err);
    if (!rc) rc = as_target_uri_count(t->info.uri, uri, "ctx", 8, CONTEXT_MAX, &context, err);
    if (rc) return rc;
    t->context = (size_t)context;
    t->info.workers = (size_t)threads;
    t->pooling = as_str_copy(&t->arena, as_target_uri_value(uri, "pooling", AS_STR("")));
    as_str lora = as_target_uri_value(uri, "lora", (as_str){NULL, 0});
    as_str quant = as_str_copy(&t->arena, as_target_uri_value(uri, "quant", AS_STR("")));
    as_model_options options = {.cpu = cpu.ptr, .quant = quant.len ? quant.ptr : NULL};
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
    as_str template_ = as_model_facts(t->model)->chat_template;
    if (template_.len && as_jinja_parse(&t->arena, template_, &t->chat, err)) {
        as_err_prefix(err, "chat template of '%s'", path.ptr);
        return AS_INVALID;
    }
    return AS_OK;
}

static as_rc gguf_open(as_str uri, as_str base_dir, as_target **out, as_err *err) {
    static const char *const keys[] = {"threads", "ctx",  "device",  "cpu",
                                       "quant",   "lora", "pooling", NULL};
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
    t->info.model_sha256 = facts->sha256;
    t->info.model_name = facts->name;
    t->info.device = AS_STR("cpu");
    t->info.engine = as_strf(&t->arena, "assay %.*s", AS_STR_ARG(facts->kernels));
    *out = t;
    return AS_OK;
}

static const as_target_info *gguf_info(const as_target *target) {
    return &target->info;
}

static as_rc gguf_worker_new(as_target *target, as_target_worker **out, as_err *err) {
    as_session *session = NULL;
    as_rc rc = AS_OK;
    if (!as_model_facts(target->model)->encoder)
        rc = as_session_new(target->model, target->context, 1, &session, err);
    if (rc) return rc;
    as_target_worker *worker = as_mem_new(sizeof *worker);
    *worker = (as_target_worker){.target = target, .session = session};
    *out = worker;
    return AS_OK;
}

static void gguf_worker_free(as_target_worker *worker) {
    as_session_free(worker->session);
    as_embedder_free(worker->embedder);
    free(worker);
}

static as_rc render_chat(const as_target *t, as_arena *arena, const as_request *request,
                         as_buf *out, as_err *err) {
    as_json *messages = as_json_new(arena, AS_JSON_ARRAY);
    for (size_t i = 0; i < request->message_count; i++) {
        as_json *m = as_json_new(arena, AS_JSON_OBJECT);
        // What data holds is text: a control token written in it must not become one.
        as_str content = as_model_guard(t->model, arena, request->messages[i].content);
        as_json_set(arena, m, "role", as_json_new_str(arena, request->messages[i].role));
        as_json_set(arena, m, "content", as_json_new_str(arena, content));
        as_json_append(messages, m);
    }
    const as_model *model = t->model;
    const as_model_info *facts = as_model_facts(model);
    as_json *variables = as_json_new(arena, AS_JSON_OBJECT);
    as_json_set(arena, variables, "messages", messages);
    as_json_set(arena, variables, "add_generation_prompt", as_json_new_bool(arena, true));
    as_str bos =
        facts->bos == UINT32_MAX ? AS_STR("") : as_model_token_text(model, facts->bos, true);
    as_str eos =
        facts->eos == UINT32_MAX ? AS_STR("") : as_model_token_text(model, facts->eos, true);
    as_json_set(arena, variables, "bos_token", as_json_new_str(arena, bos));
    as_json_set(arena, variables, "eos_token", as_json_new_str(arena, eos));
    return as_jinja_render(t->chat, arena, variables, out, err);
}

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

// The prompt without a chat template.
static as_str join_contents(as_arena *arena, const as_request *request) {
    as_buf text = {0};
    for (size_t i = 0; i < request->message_count; i++) {
        if (i) as_buf_char(&text, '\n');
        as_buf_str(&text, request->messages[i].content);
    }
    as_str joined = as_str_copy(arena, as_buf_view(&text));
    as_buf_free(&text);
    return joined;
}

// Tokens of the whole prompt, and the hash of its text as the model sees it.
static as_rc build_prompt(const as_target *t, as_arena *arena, const as_request *request,
                          as_tokens *out, as_str *sha256, as_err *err) {
    bool chat = t->chat && !request->raw;
    as_buf rendered = {0};
    as_rc rc = AS_OK;
    if (chat) rc = render_chat(t, arena, request, &rendered, err);
    as_str text = chat ? as_buf_view(&rendered) : join_contents(arena, request);
    if (!rc) rc = as_model_tokenize(t->model, arena, text, chat, true, out, err);
    *sha256 = as_sha256_of(arena, text);
    as_buf_free(&rendered);
    return rc;
}

// What follows a prompt that is no chat is joined to it by one space, unless there is white space
// already. SentencePiece puts that space there itself.
static as_rc tokenize_next(const as_target *t, as_arena *arena, const as_request *request,
                           as_str text, as_tokens *out, as_err *err) {
    bool chat = t->chat && !request->raw;
    as_str last =
        request->message_count ? request->messages[request->message_count - 1].content : AS_STR("");
    bool apart = !last.len || is_space(last.ptr[last.len - 1]) || !text.len || is_space(*text.ptr);
    if (!chat && !apart && !as_model_facts(t->model)->adds_space)
        text = as_strf(arena, " %.*s", AS_STR_ARG(text));
    return as_model_tokenize(t->model, arena, text, false, false, out, err);
}

static void answer_choices(as_target_worker *w, as_arena *arena, const as_request *request,
                           as_tokens prompt, as_answer *out, as_err *err) {
    as_tokens *choices = AS_NEW_ARRAY(arena, as_tokens, request->choice_count);
    for (size_t i = 0; i < request->choice_count; i++) {
        if (tokenize_next(w->target, arena, request, request->choices[i], &choices[i], err)) {
            out->outcome = AS_OUT_BAD_RESPONSE;
            return;
        }
        out->tokens_in += choices[i].count;
    }
    out->choice_logprobs = AS_NEW_ARRAY(arena, double, request->choice_count);
    if (as_session_choices(w->session, prompt, choices, request->choice_count,
                           out->choice_logprobs) == AS_EVAL_TOO_LONG) {
        out->choice_logprobs = NULL;
        out->outcome = AS_OUT_TRUNCATED;
        return;
    }
    for (size_t i = 1; i < request->choice_count; i++)
        if (out->choice_logprobs[i] > out->choice_logprobs[out->best]) out->best = i;
    out->output = request->choices[out->best];
}

static void answer_loglikelihood(as_target_worker *w, as_arena *arena, const as_request *request,
                                 as_tokens prompt, as_answer *out, as_err *err) {
    as_tokens text;
    if (tokenize_next(w->target, arena, request, request->continuation, &text, err)) {
        out->outcome = AS_OUT_BAD_RESPONSE;
        return;
    }
    out->tokens_in += text.count;
    out->output = request->continuation;
    if (as_session_score(w->session, prompt, text, &out->logprob, &out->greedy)) {
        out->outcome = AS_OUT_TRUNCATED;
        return;
    }
    out->logprob_tokens = text.count - (!prompt.count && text.count);
    out->has_logprob = true;
}

// A text of any length, in windows as lm-evaluation-harness cuts it: each token is predicted once,
// the first ones after the beginning token, those of a later window after the one before them, and
// those of the last, shorter one after as much as fits the context.
static void answer_rolling(as_target_worker *w, as_arena *arena, const as_request *request,
                           as_answer *out, as_err *err) {
    const as_model_info *facts = as_model_facts(w->target->model);
    size_t context = w->target->context ? w->target->context : facts->context_length;
    uint32_t prefix = facts->bos != UINT32_MAX ? facts->bos : facts->eos;
    as_str text = join_contents(arena, request);
    as_tokens all;
    out->output = text;
    out->prompt_sha256 = as_sha256_of(arena, text);
    if (as_model_tokenize(w->target->model, arena, text, false, false, &all, err)) {
        out->outcome = AS_OUT_BAD_RESPONSE;
        return;
    }
    out->greedy = true;
    for (size_t done = 0; done < all.count;) {
        size_t left = all.count - done, n = left < context ? left : context;
        size_t before = done ? context - n + 1 : prefix != UINT32_MAX;
        as_tokens prompt = {done ? all.ids + done - before : &prefix, before};
        double logprob;
        bool greedy;
        as_eval_status status =
            as_session_score(w->session, prompt, (as_tokens){all.ids + done, n}, &logprob, &greedy);
        if (status != AS_EVAL_OK) {
            out->outcome = AS_OUT_TRUNCATED;
            return;
        }
        out->logprob += logprob;
        out->greedy = out->greedy && greedy;
        out->logprob_tokens += n - !before;
        done += n;
    }
    out->tokens_in = all.count;
    out->has_logprob = true;
}

static void answer_vectors(as_target_worker *w, as_arena *arena, const as_request *request,
                           as_answer *out, as_err *err) {
    const as_target *t = w->target;
    size_t width = as_model_facts(t->model)->width, n = request->input_count;
    as_tokens *texts = AS_NEW_ARRAY(arena, as_tokens, n + 1);
    out->prompt_sha256 = as_target_inputs_sha256(arena, request);
    out->output = AS_STR("");
    as_rc rc = AS_OK;
    if (!w->embedder) rc = as_embedder_new(t->model, t->pooling, t->context, 1, &w->embedder, err);
    for (size_t i = 0; !rc && i < n; i++) {
        rc = as_embedder_tokenize(w->embedder, arena, request->inputs[i], &texts[i], err);
        if (!rc) out->tokens_in += texts[i].count;
    }
    if (rc) {
        out->outcome = AS_OUT_BAD_RESPONSE;
        return;
    }
    float *vectors = AS_NEW_ARRAY(arena, float, n *width + 1);
    if (as_embedder_run(w->embedder, texts, n, vectors) != AS_EVAL_OK) {
        out->outcome = AS_OUT_TRUNCATED;
        return;
    }
    out->vectors = vectors;
    out->vector_width = width;
}

// A copy with U+FFFD for NUL, which no line of the journal can hold.
static as_str without_nul(as_arena *arena, as_str text) {
    as_buf out = {0};
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i])
            as_buf_char(&out, text.ptr[i]);
        else
            as_buf_text(&out, "\xef\xbf\xbd");
    }
    as_str copy = as_str_copy(arena, as_buf_view(&out));
    as_buf_free(&out);
    return copy;
}

typedef struct generation {
    const as_target *target;
    const as_request *request;
    uint64_t start_ns, first_ns;
    as_buf text;
    bool stopped;
} generation;

static bool take_token(void *context, uint32_t token) {
    generation *g = context;
    if (!g->first_ns) g->first_ns = as_clock_ns();
    size_t before = g->text.len;
    as_buf_str(&g->text, as_model_token_text(g->target->model, token, false));
    for (size_t i = 0; i < g->request->stop_count; i++) {
        as_str stop = g->request->stops[i];
        // A stop may begin in an earlier token.
        size_t from = before > stop.len ? before - stop.len : 0;
        size_t hit = as_str_find(as_buf_view(&g->text), stop, from);
        if (hit == SIZE_MAX) continue;
        g->text.len = hit;
        g->stopped = true;
    }
    return !g->stopped;
}

// A stream of chance for each answer to each case: the first 64 bits of the hash of its key.
static uint64_t stream_of(as_arena *arena, const as_request *request) {
    as_str hex = as_sha256_of(arena, as_sample_key(arena, request->id, request->sample));
    uint64_t stream = 0;
    for (size_t i = 0; i < 16; i++) {
        char c = hex.ptr[i];
        stream = stream << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return stream;
}

static void answer_text(as_target_worker *w, as_arena *arena, const as_request *request,
                        as_tokens prompt, as_answer *out) {
    generation g = {.target = w->target, .request = request, .start_ns = as_clock_ns()};
    size_t count = 0;
    bool ended = false;
    as_sampling sampling = {.temperature = request->temperature,
                            .top_p = request->top_p,
                            .min_p = request->min_p,
                            .top_k = request->top_k,
                            .seed = request->seed,
                            .stream = stream_of(arena, request)};
    as_eval_status status = as_session_generate(w->session, prompt, request->max_tokens, &sampling,
                                                take_token, &g, &count, &ended);
    if (g.first_ns) out->ttft_ms = (double)(g.first_ns - g.start_ns) / 1e6;
    out->tokens_out = count;
    out->output = without_nul(arena, as_buf_view(&g.text));
    if (status == AS_EVAL_TOO_LONG || (!ended && !g.stopped)) out->outcome = AS_OUT_TRUNCATED;
    as_buf_free(&g.text);
}

static as_rc refuse_encoder(const as_target *t, as_err *err) {
    return as_fail(err, AS_INVALID,
                   "target '%.*s' is an encoder: it embeds texts and predicts no tokens",
                   AS_STR_ARG(t->info.uri));
}

static as_rc gguf_accepts(const as_target *target, const as_request *request, as_err *err) {
    bool embeds = request->task == AS_TASK_EMBED;
    if (!embeds && as_model_facts(target->model)->encoder) return refuse_encoder(target, err);
    if (!embeds) return AS_OK;
    as_embedder *embedder;
    as_rc rc = as_embedder_new(target->model, target->pooling, target->context, 1, &embedder, err);
    if (rc) as_err_prefix(err, "target '%.*s'", AS_STR_ARG(target->info.uri));
    if (!rc) as_embedder_free(embedder);
    return rc;
}

static void gguf_answer(as_target_worker *w, as_arena *arena, const as_request *request,
                        as_answer *out) {
    uint64_t start_ns = as_clock_ns();
    *out = (as_answer){.outcome = AS_OUT_OK, .ttft_ms = NAN, .attempts = 1};
    as_err err = {0};
    as_tokens prompt = {0};
    if (request->task == AS_TASK_EMBED) {
        answer_vectors(w, arena, request, out, &err);
    } else if (!w->session) {
        refuse_encoder(w->target, &err);
        out->outcome = AS_OUT_BAD_RESPONSE;
    } else if (request->task == AS_TASK_ROLLING) {
        answer_rolling(w, arena, request, out, &err);
    } else if (build_prompt(w->target, arena, request, &prompt, &out->prompt_sha256, &err)) {
        out->outcome = AS_OUT_BAD_RESPONSE;
    } else {
        out->tokens_in = prompt.count;
        if (request->task == AS_TASK_CHOICE)
            answer_choices(w, arena, request, prompt, out, &err);
        else if (request->task == AS_TASK_LOGLIKELIHOOD)
            answer_loglikelihood(w, arena, request, prompt, out, &err);
        else
            answer_text(w, arena, request, prompt, out);
    }
    out->latency_ms = (double)(as_clock_ns() - start_ns) / 1e6;
    size_t context =
        w->target->context ? w->target->context : as_model_facts(w->target->model)->context_length;
    if (out->outcome == AS_OUT_TRUNCATED && request->task == AS_TASK_EMBED)
        out->error = as_strf(arena, "without tokens, or longer than the context of %zu", context);
    else if (out->outcome == AS_OUT_TRUNCATED)
        out->error =
            as_strf(arena, "%s (%zu prompt tokens, context %zu, max_tokens %zu)",
                    out->tokens_out ? "cut off before the answer ended" : "longer than the context",
                    prompt.count, context, request->max_tokens);
    else if (out->outcome != AS_OUT_OK)
        out->error = as_str_copy(arena, as_str_of(err.text));
}

const as_target_ops as_target_gguf = {
    .scheme = "gguf",
    .scores_texts = true,
    .embeds = true,
    .syntax = "gguf:PATH[?quant=TYPE&threads=N&ctx=N&cpu=auto|portable|avx2|avx512&lora=FILE&"
              "pooling=mean|cls|last]",
    .open = gguf_open,
    .info = gguf_info,
    .worker_new = gguf_worker_new,
    .answer = gguf_answer,
    .accepts = gguf_accepts,
    .worker_free = gguf_worker_free,
    .close = gguf_close,
};
