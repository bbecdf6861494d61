// SPDX-License-Identifier: Apache-2.0
#include "harness/target/gguf_case.h"

#include <math.h>
#include <string.h>

#include "harness/base/clock.h"
#include "harness/base/sha256.h"
#include "harness/base/utf8.h"
#include "harness/target/chat/chat_turn.h"

// What data holds is text: a control token written in it must not become one.
static void guard_all(const as_model *model, as_arena *arena, as_json *value) {
    if (value->kind == AS_JSON_STRING) value->text = as_model_guard(model, arena, value->text);
    for (as_json *m = value->child; m; m = m->next) {
        if (m->key.len) m->key = as_model_guard(model, arena, m->key);
        guard_all(model, arena, m);
    }
}

static as_rc render_chat(as_gguf_case *c, as_buf *out) {
    as_arena *arena = c->arena;
    const as_request *request = c->request;
    as_json *messages = as_json_new(arena, AS_JSON_ARRAY);
    for (size_t i = 0; i < request->message_count; i++) {
        as_json *m = as_chat_turn(arena, &request->messages[i], AS_CHAT_TEMPLATE);
        if (!request->special_tokens) guard_all(c->model, arena, m);
        as_json_append(messages, m);
    }
    const as_model *model = c->model;
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
    // As Hugging Face's tokenizers hand them over: none, not undefined.
    as_json *tools =
        request->tools ? as_json_copy(arena, request->tools) : as_json_new(arena, AS_JSON_NULL);
    as_json_set(arena, variables, "tools", tools);
    as_json_set(arena, variables, "documents", as_json_new(arena, AS_JSON_NULL));
    if (request->date.len)
        as_json_set(arena, variables, "strftime_now", as_json_new_str(arena, request->date));
    return as_jinja_render_chat(c->chat, arena, variables, out, &c->err);
}

as_rc as_gguf_case_rehearse(const as_model *model, const as_jinja *chat, const as_request *request,
                            as_err *err) {
    as_arena arena = {0};
    as_buf text = {0};
    as_gguf_case c = {.model = model, .chat = chat, .request = request, .arena = &arena};
    as_rc rc = render_chat(&c, &text);
    if (rc) *err = c.err;
    as_buf_free(&text);
    as_arena_free(&arena);
    return rc;
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
static as_rc build_prompt(as_gguf_case *c) {
    bool chat = c->chat && !c->request->raw;
    as_buf rendered = {0};
    as_rc rc = AS_OK;
    if (chat) rc = render_chat(c, &rendered);
    as_str text = chat ? as_buf_view(&rendered) : join_contents(c->arena, c->request);
    bool special = chat || c->request->special_tokens;
    if (!rc) rc = as_model_tokenize(c->model, c->arena, text, special, true, &c->prompt, &c->err);
    c->answer->prompt_sha256 = as_sha256_of(c->arena, text);
    as_buf_free(&rendered);
    return rc;
}

// What follows a prompt that is no chat is joined to it by one space, unless there is white space
// already. SentencePiece puts that space there itself.
static as_rc tokenize_next(as_gguf_case *c, as_str text, as_tokens *out) {
    const as_request *request = c->request;
    bool chat = c->chat && !request->raw;
    as_str last =
        request->message_count ? request->messages[request->message_count - 1].content : AS_STR("");
    bool apart = !last.len || is_space(last.ptr[last.len - 1]) || !text.len || is_space(*text.ptr);
    if (!chat && !apart && !as_model_facts(c->model)->adds_space)
        text = as_strf(c->arena, " %.*s", AS_STR_ARG(text));
    return as_model_tokenize(c->model, c->arena, text, request->special_tokens, false, out,
                             &c->err);
}

// What stands for an empty prompt, as in lm-evaluation-harness: the beginning token, else the end.
static bool prepare_alone(as_gguf_case *c) {
    const as_model_info *facts = as_model_facts(c->model);
    uint32_t *first = AS_NEW(c->arena, uint32_t);
    *first = facts->bos != UINT32_MAX ? facts->bos : facts->eos;
    c->prompt = (as_tokens){first, 1};
    c->answer->prompt_sha256 = as_sha256_of(c->arena, AS_STR(""));
    if (*first != UINT32_MAX) return true;
    as_fail(&c->err, AS_INVALID, "the model has no beginning token to stand for an empty prompt");
    return false;
}

// --- before ------------------------------------------------------------------------------------

static bool prepare_choices(as_gguf_case *c) {
    const as_request *request = c->request;
    as_tokens *choices = AS_NEW_ARRAY(c->arena, as_tokens, request->choice_count);
    for (size_t i = 0; i < request->choice_count; i++) {
        if (tokenize_next(c, request->choices[i], &choices[i])) return false;
        c->answer->tokens_in += choices[i].count;
    }
    c->work.texts = choices;
    c->work.text_count = request->choice_count;
    c->work.logprobs = AS_NEW_ARRAY(c->arena, double, request->choice_count);
    return true;
}

static bool prepare_text(as_gguf_case *c) {
    as_tokens *text = AS_NEW(c->arena, as_tokens);
    if (tokenize_next(c, c->request->continuation, text)) return false;
    c->answer->tokens_in += text->count;
    c->answer->output = c->request->continuation;
    c->work.texts = text;
    c->work.text_count = 1;
    c->work.last_fits = true;
    c->work.logprobs = &c->logprob;
    c->work.greedy = &c->greedy;
    return true;
}

// The next window of a text of any length, as lm-evaluation-harness cuts it: each token is
// predicted once, the first ones after the beginning token, those of a later window after the one
// before them, and those of the last, shorter one after as much as fits the context.
static void roll(as_gguf_case *c) {
    const as_model_info *facts = as_model_facts(c->model);
    as_tokens *pieces = AS_NEW_ARRAY(c->arena, as_tokens, 2);
    uint32_t *prefix = AS_NEW(c->arena, uint32_t);
    size_t left = c->all.count - c->rolled, n = left < c->context ? left : c->context;
    *prefix = facts->bos != UINT32_MAX ? facts->bos : facts->eos;
    size_t before = c->rolled ? c->context - n + 1 : *prefix != UINT32_MAX;
    pieces[0] = (as_tokens){c->rolled ? c->all.ids + c->rolled - before : prefix, before};
    pieces[1] = (as_tokens){c->all.ids + c->rolled, n};
    c->work = (as_work){.kind = AS_WORK_TEXTS,
                        .done = c->work.done,
                        .prompt = pieces[0],
                        .texts = &pieces[1],
                        .text_count = 1,
                        .last_fits = true,
                        .logprobs = &c->logprob,
                        .greedy = &c->greedy};
}

static bool prepare_rolling(as_gguf_case *c) {
    as_str text = join_contents(c->arena, c->request);
    c->answer->output = text;
    c->answer->prompt_sha256 = as_sha256_of(c->arena, text);
    if (as_model_tokenize(c->model, c->arena, text, false, false, &c->all, &c->err)) {
        c->answer->outcome = AS_OUT_BAD_RESPONSE;
        return false;
    }
    c->answer->tokens_in = c->all.count;
    c->answer->greedy = true;
    if (c->all.count) roll(c);
    return c->all.count > 0;
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

// A token as OpenAI's logprobs have it. One that is no text alone also has its bytes.
static as_json *token_json(as_gguf_case *c, uint32_t token, double logprob) {
    as_str text = as_model_token_text(c->model, token, true);
    as_json *made = as_json_new(c->arena, AS_JSON_OBJECT);
    as_str clean = without_nul(c->arena, as_utf8_clean(c->arena, text));
    as_json_set(c->arena, made, "token", as_json_new_str(c->arena, clean));
    as_json_set(c->arena, made, "logprob", as_json_new_f64(c->arena, logprob));
    if (as_str_eq(clean, text)) return made;
    as_json *bytes = as_json_new(c->arena, AS_JSON_ARRAY);
    for (size_t i = 0; i < text.len; i++)
        as_json_append(bytes, as_json_new_f64(c->arena, (unsigned char)text.ptr[i]));
    as_json_set(c->arena, made, "bytes", bytes);
    return made;
}

static void take_odds(as_gguf_case *c, uint32_t token) {
    as_answer *out = c->answer;
    const as_token_odds *odds = &c->odds;
    as_json *made = token_json(c, token, odds->logprob);
    as_json *top = as_json_new(c->arena, AS_JSON_ARRAY);
    for (size_t i = 0; i < odds->count && i < c->request->top_logprobs; i++)
        as_json_append(top, token_json(c, odds->tokens[i], odds->logprobs[i]));
    as_json_set(c->arena, made, "top_logprobs", top);
    as_json_append(c->token_logprobs, made);
    out->logprob += odds->logprob;
    out->logprob_tokens++;
    out->greedy = out->greedy && odds->tokens[0] == token;
}

static bool take_token(void *context, uint32_t token) {
    as_gguf_case *c = context;
    if (c->request->logprobs) take_odds(c, token);
    uint64_t now = as_clock_ns();
    if (c->first_ns) {
        double gap = (double)(now - c->last_ns) / 1e6;
        as_buf_str(&c->gaps, (as_str){(const char *)&gap, sizeof gap});
    } else {
        c->first_ns = now;
    }
    c->last_ns = now;
    as_buf *text = c->said.names ? &c->said.answer : &c->text;
    as_str piece = as_model_token_text(c->model, token, false);
    size_t before = text->len;
    if (!c->said.names)
        as_buf_str(text, piece);
    else if (!as_harmony_take(&c->said, token, piece, false))
        return true;
    for (size_t i = 0; i < c->request->stop_count; i++) {
        as_str stop = c->request->stops[i];
        // A stop may begin in an earlier token.
        size_t from = before > stop.len ? before - stop.len : 0;
        size_t hit = as_str_find(as_buf_view(text), stop, from);
        if (hit == SIZE_MAX) continue;
        text->len = hit;
        c->stopped = true;
    }
    return !c->stopped;
}

// The answer goes on with the message that the prompt ends in. One that is kept to a form has no
// messages.
static void begin_harmony(as_gguf_case *c) {
    size_t from = c->prompt.count;
    if (!c->names || c->request->constraint) return;
    c->said.names = c->names;
    while (from > 0 && c->prompt.ids[from - 1] != c->names->start) from--;
    for (size_t i = from ? from - 1 : 0; i < c->prompt.count; i++)
        as_harmony_take(&c->said, c->prompt.ids[i],
                        as_model_token_text(c->model, c->prompt.ids[i], false), true);
}

static bool prepare_generation(as_gguf_case *c) {
    const as_request *request = c->request;
    begin_harmony(c);
    c->sampling = (as_sampling){.temperature = request->temperature,
                                .top_p = request->top_p,
                                .min_p = request->min_p,
                                .top_k = request->top_k,
                                .seed = request->seed,
                                .stream = stream_of(c->arena, request)};
    c->work.kind = AS_WORK_GENERATE;
    c->work.max_tokens = request->max_tokens;
    c->work.sampling = &c->sampling;
    c->work.each = take_token;
    c->work.context = c;
    const as_constraint_spec *constraint = request->constraint;
    if (constraint) {
        c->work.constraint = as_constraints_find(c->constraints, constraint, &c->err);
        if (!c->work.constraint) return false;
        if (constraint->own) c->own = c->work.constraint;
    }
    if (!request->logprobs) return true;
    c->odds.wanted = request->top_logprobs ? request->top_logprobs : 1;
    c->work.odds = &c->odds;
    c->token_logprobs = as_json_new(c->arena, AS_JSON_ARRAY);
    c->answer->greedy = true;
    return true;
}

// An embedder to be given back, or NULL.
static as_embedder *take_embedder(as_embedders *e, as_err *err) {
    as_embedder *embedder = NULL;
    as_lock_take(e->lock);
    if (e->idle_count) embedder = e->idle[--e->idle_count];
    as_lock_give(e->lock);
    if (!embedder && as_embedder_new(e->model, &e->options, &embedder, err)) return NULL;
    return embedder;
}

static void give_embedder(as_embedders *e, as_embedder *embedder) {
    as_lock_take(e->lock);
    if (e->idle_count < sizeof e->idle / sizeof *e->idle) {
        e->idle[e->idle_count++] = embedder;
        embedder = NULL;
    }
    as_lock_give(e->lock);
    as_embedder_free(embedder);
}

// All of the answer: the texts need no rows of the batcher.
static void embed(as_gguf_case *c) {
    as_answer *out = c->answer;
    size_t width = as_model_facts(c->model)->width, n = c->request->input_count;
    as_tokens *texts = AS_NEW_ARRAY(c->arena, as_tokens, n + 1);
    out->prompt_sha256 = as_target_inputs_sha256(c->arena, c->request);
    out->output = AS_STR("");
    as_embedder *embedder = take_embedder(c->embedders, &c->err);
    as_rc rc = embedder ? AS_OK : AS_INVALID;
    for (size_t i = 0; !rc && i < n; i++) {
        rc = as_embedder_tokenize(embedder, c->arena, c->request->inputs[i], &texts[i], &c->err);
        if (!rc) out->tokens_in += texts[i].count;
    }
    float *vectors = AS_NEW_ARRAY(c->arena, float, n *width + 1);
    as_eval_status status = rc ? AS_EVAL_OK : as_embedder_run(embedder, texts, n, vectors);
    if (status == AS_EVAL_FAILED)
        rc = as_fail(&c->err, AS_UNMEASURED, "%s", as_embedder_failure(embedder));
    if (rc)
        out->outcome = AS_OUT_BAD_RESPONSE;
    else if (status != AS_EVAL_OK)
        out->outcome = AS_OUT_TRUNCATED;
    if (embedder) give_embedder(c->embedders, embedder);
    if (out->outcome != AS_OUT_OK) return;
    out->vectors = vectors;
    out->vector_width = width;
}

void as_embedders_init(as_embedders *embedders, const as_model *model,
                       const as_embedder_options *options) {
    *embedders = (as_embedders){.model = model, .options = *options, .lock = as_lock_new()};
}

void as_embedders_free(as_embedders *embedders) {
    while (embedders->idle_count) as_embedder_free(embedders->idle[--embedders->idle_count]);
    as_lock_free(embedders->lock);
}

static bool prepare(as_work *work) {
    as_gguf_case *c = (as_gguf_case *)(void *)work;
    as_answer *out = c->answer;
    c->start_ns = as_clock_ns();
    if (c->due_ns) out->late_ms = (double)(c->start_ns - c->due_ns) / 1e6;
    if (c->request->task == AS_TASK_EMBED) {
        embed(c);
        return false;
    }
    if (as_model_facts(c->model)->encoder) {
        as_fail(&c->err, AS_INVALID, "an encoder embeds texts and predicts no tokens");
        out->outcome = AS_OUT_BAD_RESPONSE;
        return false;
    }
    if (c->request->task == AS_TASK_ROLLING) return prepare_rolling(c);
    bool ready = c->request->alone ? prepare_alone(c) : !build_prompt(c);
    out->tokens_in = c->prompt.count;
    work->prompt = c->prompt;
    if (ready && c->request->task == AS_TASK_CHOICE)
        ready = prepare_choices(c);
    else if (ready && c->request->task == AS_TASK_LOGLIKELIHOOD)
        ready = prepare_text(c);
    else if (ready)
        ready = prepare_generation(c);
    if (!ready) out->outcome = AS_OUT_BAD_RESPONSE;
    return ready;
}

// --- after -------------------------------------------------------------------------------------

static void answer_choices(as_gguf_case *c) {
    as_answer *out = c->answer;
    out->choice_logprobs = c->work.logprobs;
    for (size_t i = 1; i < c->request->choice_count; i++)
        if (out->choice_logprobs[i] > out->choice_logprobs[out->best]) out->best = i;
    out->output = c->request->choices[out->best];
}

static void answer_text(as_gguf_case *c) {
    as_answer *out = c->answer;
    size_t count = c->work.texts[0].count;
    out->logprob = c->logprob;
    out->greedy = c->greedy;
    out->logprob_tokens = count - (!c->prompt.count && count);
    out->has_logprob = true;
}

// False: another window is under way.
static bool answer_window(as_gguf_case *c) {
    as_answer *out = c->answer;
    if (c->all.count) {
        out->logprob += c->logprob;
        out->greedy = out->greedy && c->greedy;
        out->logprob_tokens += c->work.texts[0].count - !c->work.prompt.count;
        c->rolled += c->work.texts[0].count;
    }
    out->has_logprob = c->rolled == c->all.count;
    if (out->has_logprob) return true;
    roll(c);
    as_batcher_submit(c->batcher, &c->work);
    return false;
}

static void answer_generation(as_gguf_case *c) {
    as_answer *out = c->answer;
    if (c->first_ns) {
        uint64_t from = c->due_ns ? c->due_ns : c->start_ns;
        out->ttft_ms = (double)(c->first_ns - from) / 1e6;
    }
    out->gap_count = c->gaps.len / sizeof(double);
    double *gaps = AS_NEW_ARRAY(c->arena, double, out->gap_count);
    if (c->gaps.len) memcpy(gaps, c->gaps.ptr, c->gaps.len);
    out->gaps_ms = gaps;
    out->tokens_out = c->work.count;
    as_str text = as_buf_view(&c->text);
    if (c->said.names) {
        text = as_harmony_answer(&c->said, c->arena);
        out->reasoning = without_nul(c->arena, as_buf_view(&c->said.thoughts));
    }
    out->output = without_nul(c->arena, text);
    out->token_logprobs = c->token_logprobs;
    out->has_logprob = c->token_logprobs != NULL;
    if (c->work.stuck) {
        out->outcome = AS_OUT_BAD_RESPONSE;
        as_fail(&c->err, AS_UNMEASURED,
                "generate.%s lets none of the model's tokens follow, or takes too much memory to "
                "tell",
                as_constraint_name(c->request->constraint->kind));
    } else if (c->work.status == AS_EVAL_OK && !c->work.ended && !c->stopped)
        out->outcome = AS_OUT_TRUNCATED;
}

// What the engine made of it; false: another window is under way.
static bool answer(as_gguf_case *c) {
    as_answer *out = c->answer;
    if (c->work.status == AS_EVAL_TOO_LONG) out->outcome = AS_OUT_TRUNCATED;
    if (c->work.status == AS_EVAL_CANCELLED) out->outcome = AS_OUT_CANCELLED;
    if (c->work.status == AS_EVAL_FAILED) {
        out->outcome = AS_OUT_BAD_RESPONSE;
        as_fail(&c->err, AS_UNMEASURED, "%s", as_batcher_failure(c->batcher));
    }
    if (out->outcome == AS_OUT_BAD_RESPONSE) return true;
    if (c->request->task == AS_TASK_GENERATE) answer_generation(c);
    if (out->outcome != AS_OUT_OK) return true;
    if (c->request->task == AS_TASK_ROLLING) return answer_window(c);
    if (c->request->task == AS_TASK_CHOICE) answer_choices(c);
    if (c->request->task == AS_TASK_LOGLIKELIHOOD) answer_text(c);
    return true;
}

static void done(as_work *work) {
    as_gguf_case *c = (as_gguf_case *)(void *)work;
    as_answer *out = c->answer;
    if (!answer(c)) return;
    uint64_t from = c->due_ns ? c->due_ns : c->start_ns;
    if (from) out->latency_ms = (double)(as_clock_ns() - from) / 1e6;
    if (out->outcome == AS_OUT_TRUNCATED && c->request->task == AS_TASK_EMBED)
        out->error =
            as_strf(c->arena, "without tokens, or longer than the context of %zu", c->context);
    else if (out->outcome == AS_OUT_TRUNCATED)
        out->error =
            as_strf(c->arena, "%s (%zu prompt tokens, context %zu, max_tokens %zu)",
                    out->tokens_out ? "cut off before the answer ended" : "longer than the context",
                    c->prompt.count, c->context, c->request->max_tokens);
    else if (out->outcome == AS_OUT_CANCELLED)
        out->error = AS_STR("cancelled before it was answered");
    else if (out->outcome != AS_OUT_OK)
        out->error = as_str_copy(c->arena, as_str_of(c->err.text));
    as_buf_free(&c->text);
    as_harmony_free(&c->said);
    as_buf_free(&c->gaps);
    as_constraint_free(c->own);
    c->over(c);
}

void as_gguf_case_submit(as_gguf_case *c) {
    *c->answer = (as_answer){.outcome = AS_OUT_OK, .ttft_ms = NAN, .attempts = 1};
    c->work = (as_work){.kind = AS_WORK_TEXTS, .prepare = prepare, .done = done};
    as_batcher_submit(c->batcher, &c->work);
}
