// SPDX-License-Identifier: Apache-2.0
// assay model - inspect FILE, quantize IN OUT TYPE, perplexity MODEL FILE, bench MODEL.
#include <math.h>
#include <stdlib.h>

#include "harness/base/file.h"
#include "harness/base/json.h"
#include "harness/base/log.h"
#include "harness/base/sha256.h"
#include "harness/base/thread.h"
#include "harness/base/utf8.h"
#include "harness/engine/engine.h"
#include "harness/engine/ollama_store.h"
#include "harness/engine/quantize.h"
#include "harness/engine/shards.h"
#include "harness/engine/tensor_type.h"
#include "harness/target/target.h"
#include "runner/commands.h"
#include "runner/model/model_bench.h"
#include "runner/model/pull.h"
#include "runner/outputs.h"

enum {
    WINDOW = 512,                // tokens of a perplexity window, where the context allows
    TEXT_MAX = 64 * 1024 * 1024, // bytes
    THREADS_MAX = 256,
    CONTEXT_MAX = 1 << 20,
};

typedef struct order {
    const as_args *args;
    as_arena *arena;
    const as_str *words; // after the verb
} order;

static void put_text(order *o, as_json *object, const char *key, as_str text) {
    as_str clean = as_utf8_clean(o->arena, as_str_copy(o->arena, text));
    as_json_set(o->arena, object, key,
                text.len ? as_json_new_str(o->arena, clean) : as_json_new(o->arena, AS_JSON_NULL));
}

static void put_number(order *o, as_json *object, const char *key, double number) {
    bool known = number - number == 0.0;
    as_json_set(o->arena, object, key,
                known ? as_json_new_f64(o->arena, number) : as_json_new(o->arena, AS_JSON_NULL));
}

// A result is printed as JSON, or as the same object's lines "key  value".
static void put_lines(order *o, as_buf *out, const as_json *object, int depth) {
    for (const as_json *value = object->child; value; value = value->next) {
        as_buff(out, "%*s%-*.*s ", 2 * depth, "", 20 - 2 * depth, AS_STR_ARG(value->key));
        bool nested = value->kind == AS_JSON_OBJECT;
        if (value->kind == AS_JSON_NULL)
            as_buf_char(out, '-');
        else if (!nested)
            as_buf_str(out, as_json_plain(o->arena, value));
        while (nested && out->len && out->ptr[out->len - 1] == ' ') out->len--;
        as_buf_char(out, '\n');
        if (nested) put_lines(o, out, value, depth + 1);
    }
}

static as_rc print(order *o, const as_json *result, as_err *err) {
    as_buf out = {0};
    if (o->args->json) {
        as_json_write(&out, result);
        as_buf_char(&out, '\n');
    } else {
        put_lines(o, &out, result, 0);
    }
    as_rc rc = as_outputs_print(as_buf_view(&out), err);
    as_buf_free(&out);
    return rc;
}

// A path, or what stands for one in Ollama's store; *lora, where not NULL, is an adapter beside it.
static as_rc find_file(order *o, as_str name, const char **path, const char **lora, as_err *err) {
    *path = as_str_copy(o->arena, name).ptr;
    if (!as_ollama_store_names(name)) return AS_OK;
    as_ollama_model kept;
    as_rc rc = as_ollama_store_find(o->arena, name, &kept, err);
    if (rc) return rc;
    *path = kept.path.ptr;
    if (lora && kept.lora.len) *lora = kept.lora.ptr;
    return AS_OK;
}

// --- inspect -------------------------------------------------------------------------------

// A number or a text of the file where it is one; a key of another type counts as missing here.
static double number_of(const as_gguf *file, const char *key) {
    uint64_t value = 0;
    as_err ignored;
    if (!as_gguf_find(file, key) || as_gguf_u64(file, key, 0, UINT64_MAX, &value, &ignored))
        return NAN;
    return (double)value;
}

static as_str text_of(const as_gguf *file, const char *key) {
    as_str value = {NULL, 0};
    as_err ignored;
    return as_gguf_text(file, key, &value, &ignored) ? (as_str){NULL, 0} : value;
}

static void put_shape(order *o, as_json *out, const as_gguf *file, as_str architecture) {
    static const struct {
        const char *name, *key;
    } numbers[] = {{"context_length", "context_length"}, {"layers", "block_count"},
                   {"width", "embedding_length"},        {"ffn_width", "feed_forward_length"},
                   {"heads", "attention.head_count"},    {"kv_heads", "attention.head_count_kv"},
                   {"experts", "expert_count"},          {"experts_used", "expert_used_count"}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        as_str key = as_strf(o->arena, "%.*s.%s", AS_STR_ARG(architecture), numbers[i].key);
        double number = number_of(file, key.ptr);
        if (number - number == 0.0) put_number(o, out, numbers[i].name, number);
    }
    static const char *const poolings[] = {"none", "mean", "cls", "last", "rank"};
    double pooling =
        number_of(file, as_strf(o->arena, "%.*s.pooling_type", AS_STR_ARG(architecture)).ptr);
    if (pooling >= 0.0 && pooling < 5.0)
        put_text(o, out, "pooling", as_str_of(poolings[(size_t)pooling]));
}

// Those that the file has besides its own, by name.
static void put_named_templates(order *o, as_json *out, const as_gguf *file) {
    const as_str prefix = AS_STR("tokenizer.chat_template.");
    as_json *all = as_json_new(o->arena, AS_JSON_OBJECT);
    for (size_t i = 0; i < file->value_count; i++) {
        as_str key = file->values[i].key, name = as_str_sub(key, prefix.len, key.len);
        if (!as_str_starts(key, prefix) || !name.len) continue;
        as_str text = text_of(file, as_str_copy(o->arena, key).ptr);
        as_json *one = as_json_new(o->arena, AS_JSON_OBJECT);
        put_text(o, one, "sha256", as_sha256_of(o->arena, text));
        if (o->args->json) put_text(o, one, "template", text);
        name = as_utf8_clean(o->arena, as_str_copy(o->arena, name));
        as_json_set(o->arena, all, name.ptr, one);
    }
    if (all->child) as_json_set(o->arena, out, "chat_templates", all);
}

static void put_tokenizer(order *o, as_json *out, const as_gguf *file) {
    as_json *tokenizer = as_json_new(o->arena, AS_JSON_OBJECT);
    const as_gguf_value *tokens = as_gguf_find(file, "tokenizer.ggml.tokens");
    put_text(o, tokenizer, "model", text_of(file, "tokenizer.ggml.model"));
    put_text(o, tokenizer, "pre", text_of(file, "tokenizer.ggml.pre"));
    put_number(o, tokenizer, "tokens", tokens ? (double)tokens->count : NAN);
    as_json_set(o->arena, out, "tokenizer", tokenizer);
    as_str chat = text_of(file, "tokenizer.chat_template");
    put_text(o, out, "chat_template_sha256", chat.len ? as_sha256_of(o->arena, chat) : chat);
    if (o->args->json) put_text(o, out, "chat_template", chat); // many lines
    put_named_templates(o, out, file);
}

// What the weights of a type that is only decoded are multiplied as.
static as_str computed_as(uint32_t type) {
    as_wtype held;
    if (!as_tensor_wtype(type, &held)) return AS_STR("");
    if (held == AS_W_Q8_16) return AS_STR("Q8_16"); // which is no type of a file
    return as_str_of(as_gguf_tensor_type_name(as_tensor_type_of(held)));
}

// What the file's tensors are stored as, in the order in which the types first occur.
static void put_types(order *o, as_json *out, const as_gguf *file) {
    as_json *types = as_json_new(o->arena, AS_JSON_OBJECT);
    bool seen[64] = {false};
    uint64_t parameters = 0;
    for (size_t i = 0; i < file->tensor_count; i++) {
        uint32_t type = file->tensors[i].type;
        parameters += file->tensors[i].elements;
        if (type >= sizeof seen || seen[type]) continue;
        seen[type] = true;
        double count = 0.0, elements = 0.0, size = 0.0;
        for (size_t j = i; j < file->tensor_count; j++) {
            if (file->tensors[j].type != type) continue;
            count += 1.0;
            elements += (double)file->tensors[j].elements;
            size += (double)file->tensors[j].size;
        }
        as_json *one = as_json_new(o->arena, AS_JSON_OBJECT);
        put_number(o, one, "tensors", count);
        put_number(o, one, "parameters", elements);
        put_number(o, one, "bytes", size);
        if (as_tensor_coded(type)) put_text(o, one, "computed_as", computed_as(type));
        as_json_set(o->arena, types, as_gguf_tensor_type_name(type), one);
    }
    put_number(o, out, "parameters", (double)parameters);
    as_json_set(o->arena, out, "types", types);
}

// What the keys and values of its context take, by the type they are kept in (?kv=TYPE), in bytes.
static void put_cache(order *o, as_json *out, const as_model *model) {
    static const char *const types[] = {"f32", "f16", "q8_0"};
    as_json *cache = as_json_new(o->arena, AS_JSON_OBJECT);
    double context = (double)as_model_facts(model)->context_length;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        as_json *one = as_json_new(o->arena, AS_JSON_OBJECT);
        double token = (double)as_model_kv_size(model, as_str_of(types[i]));
        put_number(o, one, "token", token);
        put_number(o, one, "context", token * context);
        as_json_set(o->arena, cache, types[i], one);
    }
    as_json_set(o->arena, out, "keys_and_values", cache);
}

// Whether the engine takes it, by loading it.
static void put_support(order *o, as_json *out, const char *path) {
    as_model *model;
    as_err err = {0};
    bool runs = !as_model_open(path, NULL, &model, &err);
    if (runs) {
        if (!as_model_facts(model)->encoder) put_cache(o, out, model);
        as_model_close(model);
    }
    as_json_set(o->arena, out, "runs", as_json_new_bool(o->arena, runs));
    if (!runs) put_text(o, out, "reason", as_str_of(err.text));
}

static as_str hash_parts(order *o, const as_shards *parts) {
    as_sha256 sha;
    char hex[65];
    as_sha256_init(&sha);
    for (size_t i = 0; i < parts->count; i++)
        as_sha256_add(&sha, parts->maps[i].bytes, parts->maps[i].size);
    as_sha256_hex(&sha, hex);
    return as_str_copy(o->arena, as_str_of(hex));
}

static as_rc inspect(order *o, as_err *err) {
    const char *path;
    as_shards parts = {0};
    const as_gguf *file = &parts.file;
    as_rc rc = find_file(o, o->words[0], &path, NULL, err);
    if (!rc) rc = as_shards_open(&parts, path, err);
    if (!rc) {
        as_json *out = as_json_new(o->arena, AS_JSON_OBJECT);
        as_str architecture = text_of(file, "general.architecture");
        put_text(o, out, "name", text_of(file, "general.name"));
        put_text(o, out, "architecture", architecture);
        put_text(o, out, "license", text_of(file, "general.license"));
        put_shape(o, out, file, architecture);
        put_tokenizer(o, out, file);
        put_types(o, out, file);
        put_number(o, out, "file_size", (double)file->file_size);
        if (parts.count > 1) put_number(o, out, "parts", (double)parts.count);
        put_number(o, out, "gguf_version", (double)file->version);
        put_text(o, out, "sha256", hash_parts(o, &parts));
        put_support(o, out, path);
        rc = print(o, out, err);
    }
    as_shards_close(&parts);
    return rc;
}

// --- quantize ------------------------------------------------------------------------------

// What weights lost the first time no other type brings back.
static void warn_of_loss(const as_gguf *file) {
    for (size_t i = 0; i < file->tensor_count; i++) {
        as_wtype type;
        const as_gguf_tensor *tensor = &file->tensors[i];
        if (!as_tensor_wtype(tensor->type, &type) || type == AS_W_F32 || type == AS_W_F16 ||
            type == AS_W_BF16)
            continue;
        as_log_warning("'%s' is quantized already ('%.*s' is %s): its losses stay, and others come "
                       "on top; quantize the original where you have it",
                       file->path, AS_STR_ARG(tensor->name),
                       as_gguf_tensor_type_name(tensor->type));
        return;
    }
}

static as_rc quantize(order *o, as_err *err) {
    const char *path, *to = as_str_copy(o->arena, o->words[1]).ptr;
    const as_recipe *recipe = NULL;
    as_shards parts = {0};
    as_buf bytes = {0};
    as_rc rc = as_recipe_find(o->words[2], &recipe, err);
    if (!rc) rc = find_file(o, o->words[0], &path, NULL, err);
    if (!rc) rc = as_shards_open(&parts, path, err);
    if (!rc) warn_of_loss(&parts.file);
    if (!rc) rc = as_quantize_file(&parts.file, recipe, as_thread_cpus(), &bytes, err);
    if (!rc) rc = as_file_replace(to, as_buf_view(&bytes), err);
    if (!rc) {
        as_json *out = as_json_new(o->arena, AS_JSON_OBJECT);
        put_text(o, out, "file", o->words[1]);
        put_text(o, out, "sha256", as_sha256_of(o->arena, as_buf_view(&bytes)));
        put_number(o, out, "size", (double)bytes.len);
        put_number(o, out, "size_before", (double)parts.file.file_size);
        rc = print(o, out, err);
    }
    as_buf_free(&bytes);
    as_shards_close(&parts);
    return rc;
}

// --- models that are run -------------------------------------------------------------------

// A path, or a gguf: target with its settings.
static as_rc open_model(order *o, as_str spec, int64_t *context, int64_t *threads, as_str *kv,
                        as_str *device, as_model **out, as_err *err) {
    static const char *const keys[] = {"threads", "ctx", "cpu",    "quant",
                                       "lora",    "kv",  "device", NULL};
    bool bare = !as_str_starts(spec, AS_STR("gguf:"));
    as_str uri = as_strf(o->arena, "%s%.*s", bare ? "gguf:" : "", AS_STR_ARG(spec));
    as_target_uri parsed;
    as_rc rc = as_target_uri_parse(o->arena, uri, keys, &parsed, err);
    if (!rc) rc = as_target_uri_count(uri, &parsed, "threads", 1, THREADS_MAX, threads, err);
    if (!rc) rc = as_target_uri_count(uri, &parsed, "ctx", 8, CONTEXT_MAX, context, err);
    if (rc) return rc;
    *kv = as_target_uri_value(&parsed, "kv", AS_STR(""));
    *device = as_target_uri_value(&parsed, "device", AS_STR("cpu"));
    as_str cpu = as_target_uri_value(&parsed, "cpu", AS_STR("auto"));
    as_str quant = as_target_uri_value(&parsed, "quant", AS_STR(""));
    as_model_options options = {.cpu = as_str_copy(o->arena, cpu).ptr,
                                .decoded = !as_str_is(*device, "cpu")};
    as_str lora = as_target_uri_value(&parsed, "lora", AS_STR(""));
    if (lora.len) options.lora = as_str_copy(o->arena, lora).ptr;
    if (quant.len) options.quant = as_str_copy(o->arena, quant).ptr;
    const char *path;
    rc = find_file(o, parsed.rest, &path, options.lora ? NULL : &options.lora, err);
    if (!rc) rc = as_model_open(path, &options, out, err);
    if (rc || !as_model_facts(*out)->encoder) return rc;
    return as_fail(err, AS_INVALID, "'%.*s' is an encoder: it embeds texts and predicts no tokens",
                   AS_STR_ARG(parsed.rest));
}

static void put_model(order *o, as_json *out, const as_model *model) {
    const as_model_info *facts = as_model_facts(model);
    put_text(o, out, "model", facts->name);
    put_text(o, out, "model_sha256", facts->sha256);
    put_text(o, out, "kernels", facts->kernels);
}

typedef struct score {
    double sum;     // of the windows' mean negative log-probabilities
    double squares; // and of their squares
    size_t windows, tokens;
} score;

// Windows that do not overlap; in each, the tokens of the second half are scored, given all before
// them in the window. Where the model begins texts with a token, every window begins with it.
static as_rc score_windows(as_session *session, as_tokens text, size_t window, uint32_t bos,
                           score *out, as_err *err) {
    for (size_t at = 0; at + window <= text.count; at += window) {
        double logprob;
        size_t given = window / 2 + 1;
        if (bos != UINT32_MAX) text.ids[at] = bos;
        as_tokens prompt = {text.ids + at, given};
        as_tokens rest = {text.ids + at + given, window - given};
        if (as_session_choices(session, prompt, &rest, 1, &logprob) != AS_EVAL_OK)
            return as_fail(err, AS_INVALID, "a window of %zu tokens does not fit", window);
        double mean = -logprob / (double)rest.count;
        out->sum += mean;
        out->squares += mean * mean;
        out->tokens += rest.count;
        out->windows++;
    }
    return AS_OK;
}

static as_rc measure_perplexity(order *o, const as_model *model, int64_t context, int64_t threads,
                                as_str kv, as_str device, as_err *err) {
    const as_model_info *facts = as_model_facts(model);
    as_str text;
    as_tokens tokens;
    as_session *session = NULL;
    const char *path = as_str_copy(o->arena, o->words[1]).ptr;
    as_rc rc = as_file_read(o->arena, path, TEXT_MAX, &text, err);
    if (!rc) rc = as_model_tokenize(model, o->arena, text, false, true, &tokens, err);
    if (rc) return rc;
    size_t window = facts->context_length < WINDOW ? facts->context_length : WINDOW;
    if (context) window = (size_t)context;
    if (tokens.count < window)
        return as_fail(err, AS_INVALID,
                       "'%s' has %zu tokens, fewer than a window of %zu (?ctx=N sets it)", path,
                       tokens.count, window);
    score s = {0};
    uint32_t bos =
        facts->bos != UINT32_MAX && tokens.ids[0] == facts->bos ? facts->bos : UINT32_MAX;
    as_batcher_options options = {.context = window,
                                  .team = (size_t)threads,
                                  .kv = kv,
                                  .device = device,
                                  .forgets = true}; // windows begin with nothing in common
    rc = as_session_open(model, &options, &session, err);
    if (!rc) rc = score_windows(session, tokens, window, bos, &s, err);
    as_session_free(session);
    if (rc) return rc;
    double n = (double)s.windows, mean = s.sum / n;
    double variance = n > 1.0 ? (s.squares / n - mean * mean) / (n - 1.0) : NAN;
    as_json *out = as_json_new(o->arena, AS_JSON_OBJECT);
    put_model(o, out, model);
    put_number(o, out, "perplexity", exp(mean));
    put_number(o, out, "stderr", exp(mean) * sqrt(variance < 0.0 ? 0.0 : variance));
    put_number(o, out, "log_loss", mean);
    put_number(o, out, "tokens_scored", (double)s.tokens);
    put_number(o, out, "tokens", (double)tokens.count);
    put_number(o, out, "windows", n);
    put_number(o, out, "window", (double)window);
    return print(o, out, err);
}

static as_rc perplexity(order *o, as_err *err) {
    as_model *model = NULL;
    as_str kv, device;
    int64_t context = 0, threads = (int64_t)as_thread_cpus();
    as_rc rc = open_model(o, o->words[0], &context, &threads, &kv, &device, &model, err);
    if (!rc) rc = measure_perplexity(o, model, context, threads, kv, device, err);
    as_model_close(model);
    return rc;
}

static as_rc bench(order *o, as_err *err) {
    as_model *model = NULL;
    int64_t context = 0, threads = 1;
    as_model_speed speed;
    as_str kv, device;
    as_rc rc = open_model(o, o->words[0], &context, &threads, &kv, &device, &model, err);
    if (!rc) rc = as_model_bench(model, (size_t)context, (size_t)threads, kv, device, &speed, err);
    if (!rc) {
        as_json *out = as_json_new(o->arena, AS_JSON_OBJECT);
        put_model(o, out, model);
        put_text(o, out, "device", device);
        put_number(o, out, "threads", (double)speed.threads);
        put_number(o, out, "prompt_tokens", (double)speed.prompt_tokens);
        put_number(o, out, "prompt_per_s", speed.prompt_per_s);
        put_number(o, out, "prompt_gop_per_s", speed.prompt_gop_per_s);
        put_number(o, out, "peak_gop_per_s", speed.peak_gop_per_s);
        put_number(o, out, "share_of_peak", speed.prompt_gop_per_s / speed.peak_gop_per_s);
        put_number(o, out, "decode_tokens", (double)speed.decode_tokens);
        put_number(o, out, "decode_per_s", speed.decode_per_s);
        put_number(o, out, "decode_gb_per_s", speed.decode_gb_per_s);
        put_number(o, out, "read_gb_per_s", speed.read_gb_per_s);
        put_number(o, out, "share_of_reading", speed.decode_gb_per_s / speed.read_gb_per_s);
        as_json *batch = as_json_new(o->arena, AS_JSON_OBJECT);
        put_number(o, batch, "cases", (double)speed.cases);
        put_number(o, batch, "prefix_tokens", (double)speed.prefix_tokens);
        put_number(o, batch, "rows", (double)speed.choice_rows);
        put_number(o, batch, "tokens_reused", (double)speed.choice_reused);
        put_number(o, batch, "cases_per_s", speed.choices_per_s);
        put_number(o, batch, "decode_per_s", speed.batch_decode_per_s);
        as_json_set(o->arena, out, "batch", batch);
        rc = print(o, out, err);
    }
    as_model_close(model);
    return rc;
}

// --- pull ------------------------------------------------------------------------------------

static as_rc check_offline(const as_args *args, as_err *err) {
    if (!args->offline) return AS_OK;
    return as_fail(err, AS_INVALID, "model pull opens connections, which --offline forbids");
}

// Where a file of a hub goes: --out (a file, or a folder for one with a slash at its end or a model
// in parts), else .assay/models/OWNER/REPO/FILE.
static as_str place_of(order *o, const as_hub_file *file, size_t parts) {
    as_str out = o->args->out, name = file->file;
    if (!out.len)
        return as_strf(o->arena, ".assay/models/%.*s/%.*s", AS_STR_ARG(file->repo),
                       AS_STR_ARG(name));
    while (as_str_find(name, AS_STR("/"), 0) != SIZE_MAX) as_str_cut(&name, '/');
    bool folder = as_str_ends(out, AS_STR("/")) || parts > 1;
    while (out.len > 1 && as_str_ends(out, AS_STR("/"))) out.len--;
    return folder ? as_strf(o->arena, "%.*s/%.*s", AS_STR_ARG(out), AS_STR_ARG(name)) : out;
}

static as_rc pull_hub(order *o, as_str endpoint, as_err *err) {
    as_hub_file file;
    as_pull *pull = NULL;
    as_pulled one = {0};
    double size = 0, moved = 0;
    as_rc rc = check_offline(o->args, err);
    if (!rc) rc = as_hub_parse(o->words[0], endpoint, &file, err);
    if (rc) return rc;
    as_str first = file.file, commit = AS_STR("");
    size_t parts = as_hub_parts(first);
    if (!parts)
        return as_fail(err, AS_INVALID, "'%.*s' is a later part of a model: name the first one",
                       AS_STR_ARG(first));
    as_json *hashes = as_json_new(o->arena, AS_JSON_OBJECT);
    as_str place = place_of(o, &file, parts);
    rc = as_pull_new(endpoint, &pull, err);
    for (size_t i = 1; !rc && i <= parts; i++) {
        file.file = as_hub_part(o->arena, first, i);
        // All parts of one commit: that of the first.
        rc =
            as_pull_file(pull, o->arena, &file, commit, as_hub_part(o->arena, place, i), &one, err);
        if (rc) break;
        commit = one.commit;
        size += (double)one.size;
        moved += (double)one.moved;
        put_text(o, hashes, as_str_copy(o->arena, one.path).ptr, one.sha256);
    }
    as_pull_free(pull);
    if (rc) return rc;
    as_json *out = as_json_new(o->arena, AS_JSON_OBJECT);
    put_text(o, out, "file", place);
    put_text(o, out, "repository", file.repo);
    put_text(o, out, "revision", file.revision);
    put_text(o, out, "commit", commit);
    put_number(o, out, "size", size);
    put_number(o, out, "downloaded", moved);
    as_json_set(o->arena, out, "sha256", hashes);
    return print(o, out, err);
}

// What is on this disk already is verified and named; nothing is copied.
static as_rc pull_local(order *o, as_err *err) {
    as_str source = o->words[0];
    as_ollama_model kept = {0};
    char hex[65];
    uint64_t size;
    as_rc rc = AS_OK;
    if (o->args->out.len)
        return as_fail(err, AS_INVALID, "'%.*s' is read in place: --out has no meaning",
                       AS_STR_ARG(source));
    if (as_ollama_store_names(source))
        rc = as_ollama_store_find(o->arena, source, &kept, err);
    else
        kept.path = as_str_copy(o->arena, as_str_sub(source, 5, source.len));
    if (!rc) rc = as_pull_hash(kept.path.ptr, hex, &size, err);
    if (!rc && kept.sha256.len && !as_str_is(kept.sha256, hex))
        rc = as_fail(err, AS_UNMEASURED, "'%.*s' has the SHA-256 %s, not that of its name",
                     AS_STR_ARG(kept.path), hex);
    if (rc) return rc;
    as_json *out = as_json_new(o->arena, AS_JSON_OBJECT);
    put_text(o, out, "file", kept.path);
    if (kept.lora.len) put_text(o, out, "lora", kept.lora);
    put_number(o, out, "size", (double)size);
    put_text(o, out, "sha256", as_str_of(hex));
    return print(o, out, err);
}

static as_rc pull(order *o, as_err *err) {
    const char *set = getenv("HF_ENDPOINT");
    as_str source = o->words[0], endpoint = as_str_of(set && *set ? set : "https://huggingface.co");
    if (as_ollama_store_names(source) || as_str_starts(source, AS_STR("file:")))
        return pull_local(o, err);
    if (as_str_starts(source, AS_STR("hf:")) || as_str_starts(source, AS_STR("http")))
        return pull_hub(o, endpoint, err);
    return as_fail(err, AS_INVALID,
                   "'%.*s' is nothing that can be pulled; there are hf:OWNER/REPO[@REVISION]/FILE, "
                   "ollama-store:MODEL[:TAG] and file:PATH",
                   AS_STR_ARG(source));
}

// --- the verbs -----------------------------------------------------------------------------

static const struct verb {
    const char *name, *syntax;
    size_t words;
    as_rc (*run)(order *o, as_err *err);
} verbs[] = {
    {"inspect", "inspect FILE", 1, inspect},
    {"quantize", "quantize IN OUT TYPE", 3, quantize},
    {"perplexity", "perplexity MODEL FILE", 2, perplexity},
    {"bench", "bench MODEL", 1, bench},
    {"pull", "pull SOURCE", 1, pull},
};
enum { VERB_COUNT = sizeof verbs / sizeof *verbs };

static as_rc find_verb(const as_args *args, const struct verb **out, as_err *err) {
    as_str name = args->operands.count ? args->operands.items[0] : AS_STR("");
    const char *names[VERB_COUNT + 1] = {0};
    for (size_t i = 0; i < VERB_COUNT; i++) {
        names[i] = verbs[i].name;
        if (!as_str_is(name, verbs[i].name)) continue;
        if (args->operands.count - 1 != verbs[i].words)
            return as_fail(err, AS_INVALID, "usage: assay model %s", verbs[i].syntax);
        if (args->out.len && verbs[i].run != pull)
            return as_fail(err, AS_INVALID, "model %s has no --out; pull has", verbs[i].name);
        *out = &verbs[i];
        return AS_OK;
    }
    if (!name.len)
        return as_fail(
            err, AS_INVALID,
            "model: name a verb: inspect, quantize, perplexity, bench or pull (see: assay help "
            "model)");
    const char *near = as_str_nearest(name, names);
    return as_fail(err, AS_INVALID,
                   "model: unknown verb '%.*s'%s%s%s; there are inspect, quantize, perplexity, "
                   "bench, pull",
                   AS_STR_ARG(name), near ? " (did you mean '" : "", near ? near : "",
                   near ? "'?)" : "");
}

int as_cmd_model(const as_args *args) {
    as_err err = {0};
    as_arena arena = {0};
    order o = {.args = args, .arena = &arena, .words = args->operands.items + 1};
    const struct verb *verb = NULL;
    as_rc rc = find_verb(args, &verb, &err);
    if (!rc && verb->run != pull) as_command_stops();
    if (!rc) rc = verb->run(&o, &err);
    as_arena_free(&arena);
    return rc ? as_command_fail(&err) : 0;
}
