// SPDX-License-Identifier: Apache-2.0
// preset.h - endpoints by name: groq:MODEL, vllm:URL#MODEL. A preset is a YAML file of about 20
// lines that says which adapter speaks to it, where, with what key and what is odd about it; those
// in this folder are in the program, presets/NAME.yaml beside the suite comes before them, and
// preset:FILE.yaml#MODEL is any other.
//
//   about: Groq's cloud
//   adapter: openai                         # openai, ollama, tgi, kserve, http
//   base: https://api.groq.com/openai/v1    # whole, a template over `with`; NAME:URL#MODEL and
//                                           # ?base=URL come before it
//   with: {region: {env: AWS_REGION, default: us-east-1}}     # more keys of the URI: a default,
//                                           # or they must be said
//   model: tgi                              # where the endpoint has one model; else it is said
//   key_env, key_file, auth, headers        # as at http:
//   options: {limit: max_completion_tokens} # keys of the adapter's URI
//   verified: "..."                         # against what, or no
//
// Of adapter http the rest is as in the file of an http: target; its url sees base and `with`.
#ifndef AS_PRESET_H
#define AS_PRESET_H

#include "harness/target/template_file.h"

typedef struct as_preset_file {
    const char *name; // NULL ends the list
    as_str text;
} as_preset_file;

extern const as_preset_file as_preset_files[]; // in the program, by name

bool as_preset_known(as_str name); // whether it is one of them

struct as_preset {
    const char *path; // of the file, or "preset NAME"; for messages
    const as_yaml *file;
    as_str adapter, about, verified; // verified empty: it is not
    as_str text;                     // the file as it stands
    const as_json *with;             // filled by the URI: parameters, base, model. NULL before
};

// By name, or by path where it ends in .yaml. All keys checked.
as_rc as_preset_load(as_arena *arena, as_str name, as_str base_dir, as_preset *out,
                     as_err *err) AS_MUST_USE;

#endif
