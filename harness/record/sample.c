// SPDX-License-Identifier: Apache-2.0
#include "harness/record/sample.h"

#include <math.h>
#include <string.h>

static const char *const outcome_names[AS_OUT_COUNT] = {
    "ok", "timeout", "http_error", "bad_response", "refused", "truncated", "cancelled"};

const char *as_outcome_name(as_outcome outcome) {
    return outcome_names[outcome];
}

bool as_outcome_of(as_str name, as_outcome *out) {
    for (int i = 0; i < AS_OUT_COUNT; i++) {
        if (!as_str_is(name, outcome_names[i])) continue;
        *out = (as_outcome)i;
        return true;
    }
    return false;
}

bool as_outcome_is_error(as_outcome outcome) {
    return outcome == AS_OUT_TIMEOUT || outcome == AS_OUT_HTTP_ERROR ||
           outcome == AS_OUT_BAD_RESPONSE || outcome == AS_OUT_CANCELLED;
}

const char *const as_sample_details[] = {"tool_calls",  "finish_reason", "trace",
                                         "skill_calls", "guardrails",    NULL};

const as_json *as_sample_field(const as_sample *sample, const char *key) {
    const as_json *detail = as_json_get(sample->details, key);
    return detail ? detail : as_json_get(sample->line, key);
}

static void write_details(as_json_out *out, const as_sample *sample) {
    for (const char *const *key = as_sample_details; *key; key++) {
        const as_json *value = as_sample_field(sample, *key);
        if (!value) continue;
        as_jo_key(out, *key);
        as_jo_json(out, value);
    }
}

static void write_scores(as_json_out *out, const as_sample *sample) {
    as_jo_key(out, "scores");
    as_jo_open(out, '{');
    for (size_t i = 0; i < sample->score_count; i++) {
        as_jo_keys(out, sample->scores[i].name);
        as_jo_f64(out, sample->scores[i].value);
    }
    as_jo_close(out, '}');
}

static void write_logprobs(as_json_out *out, const char *key, const double *values, size_t count) {
    if (!values) return;
    as_jo_key(out, key);
    as_jo_open(out, '[');
    for (size_t i = 0; i < count; i++) as_jo_f64(out, values[i]);
    as_jo_close(out, ']');
}

static void write_choices(as_json_out *out, const as_sample *sample) {
    size_t count = sample->choice_count;
    if (!count) return;
    as_jo_key(out, "choices");
    as_jo_open(out, '[');
    for (size_t i = 0; i < count; i++) as_jo_str(out, sample->choices[i]);
    as_jo_close(out, ']');
    write_logprobs(out, "choice_logprobs", sample->choice_logprobs, count);
    if (sample->choice_logprobs)
        write_logprobs(out, "unconditional_logprobs", sample->unconditional_logprobs, count);
}

static void write_logprob(as_json_out *out, const as_sample *sample) {
    if (!sample->has_logprob) return;
    as_jo_key(out, "logprob");
    as_jo_f64(out, sample->logprob);
    as_jo_key(out, "tokens");
    as_jo_i64(out, (int64_t)sample->logprob_tokens);
    as_jo_key(out, "greedy");
    as_jo_bool(out, sample->greedy);
}

static void write_token_logprobs(as_json_out *out, const as_sample *sample) {
    if (!sample->token_logprobs) return;
    as_jo_key(out, "logprobs");
    as_jo_open(out, '{');
    as_jo_key(out, "content"), as_jo_json(out, sample->token_logprobs);
    as_jo_close(out, '}');
}

static void write_verdict(as_json_out *out, const as_judged_answer *a) {
    as_jo_open(out, '{');
    as_jo_key(out, "value"), as_jo_f64(out, a->value);
    if (a->empty) as_jo_key(out, "empty"), as_jo_bool(out, true);
    if (a->unread) as_jo_key(out, "unread"), as_jo_bool(out, true);
    as_jo_key(out, "outcome"), as_jo_str(out, as_str_of(as_outcome_name(a->outcome)));
    if (a->error.len) as_jo_key(out, "error"), as_jo_str(out, a->error);
    as_jo_key(out, "text"), as_jo_str(out, a->text);
    as_jo_key(out, "tokens_in"), as_jo_i64(out, (int64_t)a->tokens_in);
    as_jo_key(out, "tokens_out"), as_jo_i64(out, (int64_t)a->tokens_out);
    as_jo_key(out, "cost"), as_jo_f64(out, a->cost);
    if (a->cached) as_jo_key(out, "cached"), as_jo_bool(out, true);
    as_jo_close(out, '}');
}

static void write_judged(as_json_out *out, const as_sample *sample) {
    if (!sample->judged_count) return;
    as_jo_key(out, "judged");
    as_jo_open(out, '[');
    for (size_t i = 0; i < sample->judged_count; i++) {
        const as_judged *j = &sample->judged[i];
        as_jo_open(out, '{');
        as_jo_key(out, "metric"), as_jo_str(out, j->metric);
        as_jo_key(out, "prompt_sha256"), as_jo_str(out, j->prompt_sha256);
        if (!isnan(j->human)) as_jo_key(out, "human"), as_jo_f64(out, j->human);
        as_jo_key(out, "answers");
        as_jo_open(out, '[');
        for (size_t k = 0; k < j->count; k++) write_verdict(out, &j->answers[k]);
        as_jo_close(out, ']');
        as_jo_close(out, '}');
    }
    as_jo_close(out, ']');
}

static void write_similarities(as_json_out *out, const as_sample *sample) {
    if (!sample->similarity_count) return;
    as_jo_key(out, "similarities");
    as_jo_open(out, '{');
    for (size_t i = 0; i < sample->similarity_count; i++) {
        as_jo_keys(out, sample->similarities[i].model);
        as_jo_f64(out, sample->similarities[i].value);
    }
    as_jo_close(out, '}');
}

static void write_checks(as_json_out *out, const as_sample *sample) {
    if (!sample->check_count) return;
    as_jo_key(out, "checks");
    as_jo_open(out, '[');
    for (size_t i = 0; i < sample->check_count; i++) {
        const as_code_verdict *c = &sample->checks[i];
        as_jo_open(out, '{');
        as_jo_put_str(out, "metric", c->metric);
        as_jo_put_bool(out, "pass", c->pass);
        as_jo_put_f64(out, "score", c->score);
        if (c->number) as_jo_put_bool(out, "number", true);
        if (c->failed) as_jo_put_bool(out, "failed", true);
        if (c->reason.len) as_jo_put_str(out, "reason", c->reason);
        as_jo_close(out, '}');
    }
    as_jo_close(out, ']');
}

static void write_ranking(as_json_out *out, const as_sample *sample) {
    if (!sample->ranking_count) return;
    as_jo_key(out, "ranking");
    as_jo_open(out, '[');
    for (size_t i = 0; i < sample->ranking_count; i++) as_jo_str(out, sample->ranking[i]);
    as_jo_close(out, ']');
}

static void write_case_facts(as_json_out *out, const as_sample *sample) {
    if (sample->cluster.len) {
        as_jo_key(out, "cluster");
        as_jo_str(out, sample->cluster);
    }
    if (sample->weight != 1) {
        as_jo_key(out, "weight");
        as_jo_f64(out, sample->weight);
    }
    as_jo_key(out, "slices");
    as_jo_open(out, '[');
    for (size_t i = 0; i < sample->slice_count; i++) as_jo_str(out, sample->slices[i]);
    as_jo_close(out, ']');
}

void as_sample_write(as_buf *buf, const as_sample *sample) {
    as_json_out out = {.buf = buf};
    as_jo_open(&out, '{');
    as_jo_key(&out, "id"), as_jo_str(&out, sample->id);
    if (sample->samples > 1) {
        as_jo_key(&out, "sample"), as_jo_i64(&out, (int64_t)sample->sample);
        as_jo_key(&out, "samples"), as_jo_i64(&out, (int64_t)sample->samples);
    }
    as_jo_key(&out, "prompt_sha256"), as_jo_str(&out, sample->prompt_sha256);
    as_jo_key(&out, "expected");
    if (sample->expected)
        as_jo_json(&out, sample->expected);
    else
        as_jo_null(&out);
    as_jo_key(&out, "output"), as_jo_str(&out, sample->output);
    as_jo_key(&out, "prediction");
    if (sample->has_prediction)
        as_jo_str(&out, sample->prediction);
    else
        as_jo_null(&out);
    write_scores(&out, sample);
    as_jo_key(&out, "outcome"), as_jo_str(&out, as_str_of(as_outcome_name(sample->outcome)));
    if (sample->error.len) as_jo_key(&out, "error"), as_jo_str(&out, sample->error);
    as_jo_key(&out, "latency_ms"), as_jo_f64(&out, sample->latency_ms);
    as_jo_key(&out, "ttft_ms"), as_jo_f64(&out, sample->ttft_ms);
    as_jo_key(&out, "tokens_in"), as_jo_i64(&out, (int64_t)sample->tokens_in);
    as_jo_key(&out, "tokens_out"), as_jo_i64(&out, (int64_t)sample->tokens_out);
    as_jo_key(&out, "cost"), as_jo_f64(&out, sample->cost);
    as_jo_key(&out, "attempts"), as_jo_i64(&out, sample->attempts);
    if (sample->tries.count) as_jo_key(&out, "tries"), as_attempts_write(&out, sample->tries);
    as_jo_key(&out, "target"), as_jo_str(&out, sample->target);
    if (sample->reasoning.len) as_jo_key(&out, "reasoning"), as_jo_str(&out, sample->reasoning);
    write_choices(&out, sample);
    write_logprob(&out, sample);
    write_token_logprobs(&out, sample);
    write_details(&out, sample);
    write_judged(&out, sample);
    write_checks(&out, sample);
    write_ranking(&out, sample);
    write_similarities(&out, sample);
    write_case_facts(&out, sample);
    as_jo_close(&out, '}');
    as_buf_char(buf, '\n');
}

static void read_scores(as_arena *arena, const as_json *object, as_sample *out) {
    if (!object || object->kind != AS_JSON_OBJECT) return;
    as_score *scores = AS_NEW_ARRAY(arena, as_score, object->count);
    for (const as_json *m = object->child; m; m = m->next)
        scores[out->score_count++] =
            (as_score){m->key, m->kind == AS_JSON_NUMBER ? m->number : NAN};
    out->scores = scores;
}

static void read_similarities(as_arena *arena, const as_json *object, as_sample *out) {
    if (!object || object->kind != AS_JSON_OBJECT) return;
    as_similarity *values = AS_NEW_ARRAY(arena, as_similarity, object->count);
    for (const as_json *m = object->child; m; m = m->next)
        values[out->similarity_count++] =
            (as_similarity){m->key, m->kind == AS_JSON_NUMBER ? m->number : NAN};
    out->similarities = values;
}

// A list of strings; anything else in it is skipped.
static const as_str *read_strings(as_arena *arena, const as_json *list, size_t *count) {
    *count = 0;
    if (!list || list->kind != AS_JSON_ARRAY) return NULL;
    as_str *strings = AS_NEW_ARRAY(arena, as_str, list->count);
    for (const as_json *m = list->child; m; m = m->next)
        if (m->kind == AS_JSON_STRING) strings[(*count)++] = m->text;
    return strings;
}

// One for each choice, NaN for null; NULL when it is no such list.
static const double *read_logprobs(as_arena *arena, const as_json *list, size_t count) {
    if (!list || list->kind != AS_JSON_ARRAY || list->count != count) return NULL;
    double *values = AS_NEW_ARRAY(arena, double, count);
    size_t at = 0;
    for (const as_json *m = list->child; m; m = m->next)
        values[at++] = m->kind == AS_JSON_NUMBER ? m->number : NAN;
    return values;
}

static void read_choices(as_arena *arena, const as_json *line, as_sample *out) {
    out->choices = read_strings(arena, as_json_get(line, "choices"), &out->choice_count);
    out->choice_logprobs =
        read_logprobs(arena, as_json_get(line, "choice_logprobs"), out->choice_count);
    out->unconditional_logprobs =
        read_logprobs(arena, as_json_get(line, "unconditional_logprobs"), out->choice_count);
}

// A count: 0 unless it is a number that an unsigned can hold.
static uint64_t read_count(const as_json *line, const char *key, uint64_t otherwise) {
    double value = as_json_f64(line, key, -1);
    return value >= 0 && value < 0x1p53 ? (uint64_t)value : otherwise;
}

static as_judged_answer read_verdict(const as_json *from) {
    as_judged_answer a = {.text = as_json_str(from, "text", AS_STR("")),
                          .error = as_json_str(from, "error", AS_STR("")),
                          .value = as_json_f64(from, "value", NAN),
                          .empty = as_json_bool(from, "empty", false),
                          .unread = as_json_bool(from, "unread", false),
                          .cached = as_json_bool(from, "cached", false),
                          .tokens_in = read_count(from, "tokens_in", 0),
                          .tokens_out = read_count(from, "tokens_out", 0),
                          .cost = as_json_f64(from, "cost", 0)};
    if (!as_outcome_of(as_json_str(from, "outcome", AS_STR("ok")), &a.outcome))
        a.outcome = AS_OUT_BAD_RESPONSE;
    return a;
}

static void read_judged(as_arena *arena, const as_json *list, as_sample *out) {
    if (!list || list->kind != AS_JSON_ARRAY) return;
    as_judged *judged = AS_NEW_ARRAY(arena, as_judged, list->count + 1);
    for (const as_json *m = list->child; m; m = m->next) {
        as_judged *j = &judged[out->judged_count++];
        const as_json *answers = as_json_get(m, "answers");
        *j = (as_judged){.metric = as_json_str(m, "metric", AS_STR("")),
                         .prompt_sha256 = as_json_str(m, "prompt_sha256", AS_STR("")),
                         .human = as_json_f64(m, "human", NAN)};
        bool is_list = answers && answers->kind == AS_JSON_ARRAY;
        for (const as_json *a = is_list ? answers->child : NULL; a && j->count < AS_JUDGED_MAX;
             a = a->next)
            j->answers[j->count++] = read_verdict(a);
    }
    out->judged = judged;
}

static void read_checks(as_arena *arena, const as_json *list, as_sample *out) {
    if (!list || list->kind != AS_JSON_ARRAY) return;
    as_code_verdict *checks = AS_NEW_ARRAY(arena, as_code_verdict, list->count + 1);
    for (const as_json *m = list->child; m; m = m->next)
        checks[out->check_count++] =
            (as_code_verdict){.metric = as_json_str(m, "metric", AS_STR("")),
                              .score = as_json_f64(m, "score", NAN),
                              .pass = as_json_bool(m, "pass", false),
                              .number = as_json_bool(m, "number", false),
                              .failed = as_json_bool(m, "failed", false),
                              .reason = as_json_str(m, "reason", AS_STR(""))};
    out->checks = checks;
}

as_rc as_sample_of(as_arena *arena, const as_json *line, as_sample *out, as_err *err) {
    if (line->kind != AS_JSON_OBJECT)
        return as_fail(err, AS_INVALID, "expected an object, found %s",
                       as_json_kind_name(line->kind));
    as_sample s = {.id = as_json_str(line, "id", AS_STR("")), .line = line};
    as_str outcome = as_json_str(line, "outcome", AS_STR("ok"));
    if (!as_outcome_of(outcome, &s.outcome))
        return as_fail(err, AS_INVALID, "unknown outcome '%.*s'", AS_STR_ARG(outcome));
    s.sample = read_count(line, "sample", 0);
    s.samples = read_count(line, "samples", 1);
    if (s.samples <= s.sample) s.samples = s.sample + 1;
    s.prompt_sha256 = as_json_str(line, "prompt_sha256", AS_STR(""));
    s.expected = as_json_get(line, "expected");
    s.output = as_json_str(line, "output", AS_STR(""));
    const as_json *prediction = as_json_get(line, "prediction");
    s.has_prediction = prediction && prediction->kind != AS_JSON_NULL;
    s.prediction = s.has_prediction ? as_json_plain(arena, prediction) : AS_STR("");
    s.error = as_json_str(line, "error", AS_STR(""));
    s.latency_ms = as_json_f64(line, "latency_ms", NAN);
    s.ttft_ms = as_json_f64(line, "ttft_ms", NAN);
    s.tokens_in = read_count(line, "tokens_in", 0);
    s.tokens_out = read_count(line, "tokens_out", 0);
    s.cost = as_json_f64(line, "cost", 0);
    s.attempts = (unsigned)read_count(line, "attempts", 1);
    s.tries = as_attempts_read(arena, as_json_get(line, "tries"));
    s.target = as_json_str(line, "target", AS_STR(""));
    s.reasoning = as_json_str(line, "reasoning", AS_STR(""));
    s.cluster = as_json_str(line, "cluster", AS_STR(""));
    s.weight = as_json_f64(line, "weight", 1);
    s.slices = read_strings(arena, as_json_get(line, "slices"), &s.slice_count);
    read_scores(arena, as_json_get(line, "scores"), &s);
    read_similarities(arena, as_json_get(line, "similarities"), &s);
    const as_json *ranking = as_json_get(line, "ranking");
    s.ranking = read_strings(arena, ranking, &s.ranking_count);
    // A recorded line may have scores or grades in it: those are read where they are needed.
    if (s.ranking && s.ranking_count != ranking->count) s.ranking_count = 0;
    read_choices(arena, line, &s);
    read_judged(arena, as_json_get(line, "judged"), &s);
    read_checks(arena, as_json_get(line, "checks"), &s);
    const as_json *logprob = as_json_get(line, "logprob"), *greedy = as_json_get(line, "greedy");
    s.has_logprob = logprob && logprob->kind == AS_JSON_NUMBER;
    if (s.has_logprob) {
        s.logprob = logprob->number;
        s.logprob_tokens = read_count(line, "tokens", 0);
        s.greedy = greedy && greedy->kind == AS_JSON_BOOL && greedy->boolean;
    }
    const as_json *content = as_json_get(as_json_get(line, "logprobs"), "content");
    if (content && content->kind == AS_JSON_ARRAY) s.token_logprobs = content;
    *out = s;
    return AS_OK;
}

as_rc as_sample_read(as_arena *arena, as_str text, as_sample *out, as_err *err) {
    const as_json *line;
    if (as_json_parse(arena, text, &line, err)) return AS_INVALID;
    as_rc rc = as_sample_of(arena, line, out, err);
    if (!rc) out->source = text;
    if (!rc && !out->id.len) rc = as_fail(err, AS_INVALID, "'id' is missing or no string");
    return rc;
}

as_str as_sample_key(as_arena *arena, as_str id, uint64_t sample) {
    if (!sample) return id;
    as_str number = as_strf(arena, "%llu", (unsigned long long)sample);
    char *key = as_arena_take(arena, id.len + 1 + number.len);
    if (id.len) memcpy(key, id.ptr, id.len);
    key[id.len] = '\0';
    memcpy(key + id.len + 1, number.ptr, number.len);
    return (as_str){key, id.len + 1 + number.len};
}

static const as_str *copy_strings(as_arena *arena, const as_str *from, size_t count) {
    as_str *to = AS_NEW_ARRAY(arena, as_str, count);
    for (size_t i = 0; i < count; i++) to[i] = as_str_copy(arena, from[i]);
    return to;
}

static const double *copy_doubles(as_arena *arena, const double *from, size_t count) {
    if (!from) return NULL;
    double *to = AS_NEW_ARRAY(arena, double, count);
    for (size_t i = 0; i < count; i++) to[i] = from[i];
    return to;
}

const as_json *as_sample_details_of(as_arena *arena, const as_json *object) {
    as_json *out = NULL;
    for (const char *const *key = as_sample_details; *key; key++) {
        const as_json *value = as_json_get(object, *key);
        if (!value || value->kind == AS_JSON_NULL) continue;
        if (!out) out = as_json_new(arena, AS_JSON_OBJECT);
        as_json_set(arena, out, *key, as_json_copy(arena, value));
    }
    return out;
}

as_case as_case_copy(as_arena *arena, const as_case *case_) {
    as_case copy = *case_;
    copy.id = as_str_copy(arena, case_->id);
    copy.cluster = as_str_copy(arena, case_->cluster);
    copy.file = as_str_copy(arena, case_->file);
    copy.fields = as_json_copy(arena, case_->fields);
    copy.expected = as_json_copy(arena, case_->expected);
    copy.slices = copy_strings(arena, case_->slices, case_->slice_count);
    return copy;
}

as_sample *as_sample_copy(as_arena *arena, const as_sample *sample) {
    as_sample *copy = AS_NEW(arena, as_sample);
    *copy = *sample;
    copy->source = AS_STR("");
    as_str *const strings[] = {&copy->id,         &copy->prompt_sha256, &copy->output,
                               &copy->prediction, &copy->error,         &copy->target,
                               &copy->cluster,    &copy->reasoning};
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        *strings[i] = as_str_copy(arena, *strings[i]);
    if (sample->expected) copy->expected = as_json_copy(arena, sample->expected);
    if (sample->details) copy->details = as_json_copy(arena, sample->details);
    if (sample->line) copy->line = as_json_copy(arena, sample->line);
    if (sample->token_logprobs) copy->token_logprobs = as_json_copy(arena, sample->token_logprobs);
    as_score *scores = AS_NEW_ARRAY(arena, as_score, sample->score_count);
    for (size_t i = 0; i < sample->score_count; i++)
        scores[i] = (as_score){as_str_copy(arena, sample->scores[i].name), sample->scores[i].value};
    copy->scores = scores;
    as_similarity *alike = AS_NEW_ARRAY(arena, as_similarity, sample->similarity_count);
    for (size_t i = 0; i < sample->similarity_count; i++)
        alike[i] = (as_similarity){as_str_copy(arena, sample->similarities[i].model),
                                   sample->similarities[i].value};
    copy->similarities = alike;
    copy->tries = as_attempts_copy(arena, sample->tries);
    copy->ranking = copy_strings(arena, sample->ranking, sample->ranking_count);
    copy->choices = copy_strings(arena, sample->choices, sample->choice_count);
    copy->slices = copy_strings(arena, sample->slices, sample->slice_count);
    as_judged *judged = AS_NEW_ARRAY(arena, as_judged, sample->judged_count + 1);
    for (size_t i = 0; i < sample->judged_count; i++) {
        judged[i] = sample->judged[i];
        judged[i].metric = as_str_copy(arena, judged[i].metric);
        judged[i].prompt_sha256 = as_str_copy(arena, judged[i].prompt_sha256);
        for (size_t k = 0; k < judged[i].count; k++) {
            judged[i].answers[k].text = as_str_copy(arena, judged[i].answers[k].text);
            judged[i].answers[k].error = as_str_copy(arena, judged[i].answers[k].error);
        }
    }
    copy->judged = judged;
    as_code_verdict *checks = AS_NEW_ARRAY(arena, as_code_verdict, sample->check_count + 1);
    for (size_t i = 0; i < sample->check_count; i++) {
        checks[i] = sample->checks[i];
        checks[i].metric = as_str_copy(arena, checks[i].metric);
        checks[i].reason = as_str_copy(arena, checks[i].reason);
    }
    copy->checks = checks;
    copy->choice_logprobs = copy_doubles(arena, sample->choice_logprobs, sample->choice_count);
    copy->unconditional_logprobs =
        copy_doubles(arena, sample->unconditional_logprobs, sample->choice_count);
    return copy;
}
