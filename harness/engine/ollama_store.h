// SPDX-License-Identifier: Apache-2.0
// ollama_store.h - models in Ollama's local store, read where they are:
// manifests/HOST/NAMESPACE/MODEL/TAG names blobs/sha256-HEX by what they are.
//
// The store is $OLLAMA_MODELS, else ~/.ollama/models, else that of the system's service.
#ifndef AS_OLLAMA_STORE_H
#define AS_OLLAMA_STORE_H

#include "harness/base/str.h"

typedef struct as_ollama_model {
    as_str path;   // of the GGUF file
    as_str lora;   // of an adapter; empty: none
    as_str sha256; // of the GGUF file, as the manifest states
    uint64_t size; // bytes
} as_ollama_model;

// Whether a path is "ollama-store:[[HOST/]NAMESPACE/]MODEL[:TAG]", which stands for a file.
bool as_ollama_store_names(as_str path);

// Strings in `arena`. AS_INVALID: there is no such model, or its manifest is none.
as_rc as_ollama_store_find(as_arena *arena, as_str path, as_ollama_model *out,
                           as_err *err) AS_MUST_USE;

#endif
