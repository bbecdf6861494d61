// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/model.h"

#include <stdlib.h>

#include "harness/base/sha256.h"
#include "harness/base/utf8.h"
#include "harness/engine/load/sources.h"

static as_rc select_kernels(const as_model_options *options, const as_kernels **out, as_err *err) {
    const char *cpu = options ? options->cpu : NULL;
    *out = as_kernels_select(cpu);
    if (*out) return AS_OK;
    const as_kernels *tables[8];
    as_buf names = {0};
    size_t count = as_kernels_available(tables);
    for (size_t i = 0; i < count; i++) as_buff(&names, ", %s", tables[i]->name);
    as_rc rc = as_fail(err, AS_INVALID, "cpu '%s' is not to be had on this machine, only auto%s",
                       cpu, names.ptr);
    as_buf_free(&names);
    return rc;
}

static as_str base_name(as_str path) {
    size_t begin = path.len;
    while (begin && path.ptr[begin - 1] != '/') begin--;
    return as_str_sub(path, begin, path.len);
}

// The file's `tokenizer.chat_template` is "default", its `tokenizer.chat_template.NAME` are NAME.
// (`tokenizer.chat_templates` lists the names again.)
static as_rc read_templates(as_model *model, const as_gguf *file, as_err *err) {
    static const char key[] = "tokenizer.chat_template";
    as_arena *arena = &model->arena;
    as_model_template *all = AS_NEW_ARRAY(arena, as_model_template, AS_MODEL_TEMPLATES_MAX + 1);
    as_str text = {NULL, 0}, prefix = AS_STR("tokenizer.chat_template.");
    size_t count = 0;
    as_rc rc = as_gguf_text(file, key, &text, err);
    if (!rc && text.len) all[count++] = (as_model_template){AS_STR("default"), text};
    for (size_t i = 0; !rc && i < file->value_count; i++) {
        const as_gguf_value *value = &file->values[i];
        if (!as_str_starts(value->key, prefix)) continue;
        as_str name = as_str_sub(value->key, prefix.len, value->key.len);
        if (count == AS_MODEL_TEMPLATES_MAX)
            return as_gguf_fail(file, err, "more than %d chat templates (offset %zu)",
                                AS_MODEL_TEMPLATES_MAX, value->offset);
        text = (as_str){NULL, 0};
        rc = as_gguf_text(file, as_str_copy(arena, value->key).ptr, &text, err);
        bool twice = text.len && as_str_is(name, "default") && count;
        if (!rc && name.len && text.len && !twice) all[count++] = (as_model_template){name, text};
    }
    for (size_t i = 0; i < count; i++) {
        all[i].name = as_utf8_clean(arena, as_str_copy(arena, all[i].name));
        all[i].text = as_utf8_clean(arena, as_str_copy(arena, all[i].text));
    }
    model->info.templates = all;
    model->info.template_count = count;
    return rc;
}

static as_rc fill_info(as_model *model, const as_gguf *file, as_str sha256, as_err *err) {
    as_model_info *info = &model->info;
    as_str name = {NULL, 0};
    as_rc rc = as_gguf_text(file, "general.name", &name, err);
    if (!rc) rc = read_templates(model, file, err);
    if (rc) return rc;
    if (!name.len) name = base_name(as_str_of(file->path));
    info->name = as_utf8_clean(&model->arena, as_str_copy(&model->arena, name));
    info->architecture = as_str_of(model->hparams.arch->name);
    info->tokenizer = model->vocab.name;
    info->sha256 = as_str_copy(&model->arena, sha256);
    info->kernels = as_str_of(model->kernels->name);
    const as_hparams *h = &model->hparams;
    info->parameters = model->weights.parameters;
    info->file_size = file->file_size;
    info->product_parameters = model->weights.product_parameters;
    info->product_size = model->weights.product_size;
    info->memory_size = model->weights.size;
    info->vocabulary = model->vocab.count;
    info->context_length = h->context_length;
    info->layers = h->layers;
    info->width = h->width;
    info->heads = h->heads;
    info->kv_heads = h->kv_heads;
    info->head_width = h->head_width;
    info->ffn_width = h->ffn_width;
    static const char *const poolings[] = {"", "mean", "cls", "last", "rank"};
    info->pooling = as_str_of(poolings[h->pooling]);
    info->encoder = h->arch->encoder || h->arch->both_ways;
    info->adds_space = model->vocab.add_space;
    info->bos = model->vocab.bos;
    info->eos = model->vocab.eos;
    return AS_OK;
}

// From checked files: the model's and, unless it is NULL, the adapter's.
static as_rc build(const as_gguf *file, const as_gguf *adapter, as_str sha256,
                   const as_model_options *options, const char *kept, as_model **out, as_err *err) {
    as_model *model = as_mem_new(sizeof *model);
    as_lora lora = {0};
    as_rc rc = select_kernels(options, &model->kernels, err);
    if (!rc) rc = as_hparams_read(&model->hparams, file, err);
    if (!rc && adapter) rc = as_lora_read(&lora, model->hparams.arch, adapter, err);
    if (!rc) rc = as_vocab_load(&model->vocab, file, err);
    if (!rc)
        rc = as_weights_load(&model->weights, file, adapter ? &lora : NULL, &model->hparams,
                             model->vocab.count, options && options->decoded, kept, err);
    if (!rc) rc = fill_info(model, file, sha256, err);
    as_lora_free(&lora);
    if (rc)
        as_model_close(model);
    else
        *out = model;
    return rc;
}

as_rc as_model_read(const char *path, const as_mapped *map, const as_model_options *options,
                    as_model **out, as_err *err) {
    as_gguf file = {0};
    as_arena arena = {0};
    as_rc rc = as_gguf_read(&file, path, map->bytes, map->size, err);
    as_str sha256 = as_sha256_of(&arena, (as_str){(const char *)map->bytes, map->size});
    if (!rc) rc = build(&file, NULL, sha256, options, NULL, out, err);
    as_gguf_free(&file);
    as_arena_free(&arena);
    return rc;
}

as_rc as_model_open(const char *path, const as_model_options *options, as_model **out,
                    as_err *err) {
    as_sources sources;
    as_rc rc = as_sources_open(&sources, path, options, err);
    if (rc) return rc;
    rc = build(sources.model, sources.lora, as_str_of(sources.sha256), options, sources.kept, out,
               err);
    as_sources_close(&sources);
    return rc;
}

void as_model_close(as_model *model) {
    if (!model) return;
    as_weights_free(&model->weights);
    as_vocab_free(&model->vocab);
    as_arena_free(&model->arena);
    free(model);
}

const as_model_info *as_model_facts(const as_model *model) {
    return &model->info;
}

as_rc as_model_tokenize(const as_model *model, as_arena *arena, as_str text, bool special, bool bos,
                        as_tokens *out, as_err *err) {
    return as_vocab_tokenize(&model->vocab, arena, text, special, bos, out, err);
}

as_str as_model_guard(const as_model *model, as_arena *arena, as_str text) {
    return as_vocab_guard(&model->vocab, arena, text);
}

as_str as_model_token_text(const as_model *model, uint32_t token, bool special) {
    const as_vocab *vocab = &model->vocab;
    if (token >= vocab->count) return AS_STR("");
    bool hidden =
        vocab->kinds[token] == AS_TOKEN_CONTROL || vocab->kinds[token] == AS_TOKEN_UNKNOWN;
    return hidden && !special ? AS_STR("") : as_lexicon_text(&vocab->texts, token);
}

bool as_model_is_end(const as_model *model, uint32_t token) {
    return token < model->vocab.count && model->vocab.ends[token];
}
