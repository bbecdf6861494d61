// SPDX-License-Identifier: Apache-2.0
// peer_probe.c - asks llama.cpp's library what our engine is held against. Not part of any build:
//
//   cc -O2 -I LLAMA/include -I LLAMA/ggml/include -c peer_probe.c
//   c++ peer_probe.o -o peer_probe BUILD/src/libllama.a BUILD/ggml/src/libggml*.a -lgomp -lpthread
//
//   peer_probe logits MODEL ADAPTER TOKEN...  ADAPTER: a file, or -. Every position's logits, as
//                                             floats; its cache holds floats
//   peer_probe tokens MODEL SPECIAL < TEXTS   SPECIAL: 0 or 1. Texts end with a zero byte; a
//                                           line of ids each
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <llama.h>

static void quiet(enum ggml_log_level level, const char *text, void *context) {
    (void)context;
    if (level >= GGML_LOG_LEVEL_ERROR) fputs(text, stderr);
}

static int print_logits(struct llama_model *model, const char *adapter, int count, char **ids) {
    struct llama_context_params params = llama_context_default_params();
    params.n_ctx = 0; // the model's own
    params.n_batch = params.n_ubatch = 512;
    params.n_threads = params.n_threads_batch = 1;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    params.type_k = params.type_v = GGML_TYPE_F32;
    struct llama_context *context = llama_init_from_model(model, params);
    if (!context || count > 512) return 1;
    if (strcmp(adapter, "-") != 0) {
        struct llama_adapter_lora *lora = llama_adapter_lora_init(model, adapter);
        float scale = 1.0f;
        if (!lora || llama_set_adapters_lora(context, &lora, 1, &scale)) return 1;
    }
    struct llama_batch batch = llama_batch_init(count, 0, 1);
    batch.n_tokens = count;
    for (int i = 0; i < count; i++) {
        batch.token[i] = atoi(ids[i]);
        batch.pos[i] = i;
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = 0;
        batch.logits[i] = 1;
    }
    if (llama_decode(context, batch)) return 1;
    size_t size = (size_t)llama_vocab_n_tokens(llama_model_get_vocab(model));
    for (int i = 0; i < count; i++)
        fwrite(llama_get_logits_ith(context, i), sizeof(float), size, stdout);
    llama_batch_free(batch);
    llama_free(context);
    return 0;
}

static int print_tokens(const struct llama_vocab *vocab, int special) {
    enum { MAX = 1 << 20 };
    char *text = malloc(MAX);
    llama_token *ids = malloc(MAX * sizeof *ids);
    size_t size = fread(text, 1, MAX, stdin);
    for (char *at = text, *end; (end = memchr(at, 0, size - (size_t)(at - text))); at = end + 1) {
        int count = llama_tokenize(vocab, at, (int)(end - at), ids, MAX, false, special != 0);
        for (int i = 0; i < count; i++) printf("%s%d", i ? " " : "", ids[i]);
        puts("");
    }
    free(text);
    free(ids);
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    llama_log_set(quiet, NULL);
    llama_backend_init();
    struct llama_model_params params = llama_model_default_params();
    params.vocab_only = strcmp(argv[1], "tokens") == 0;
    struct llama_model *model = llama_model_load_from_file(argv[2], params);
    if (!model) return 1;
    int rc = params.vocab_only ? print_tokens(llama_model_get_vocab(model), atoi(argv[3]))
                               : print_logits(model, argv[3], argc - 4, argv + 4);
    llama_model_free(model);
    return rc;
}
