// SPDX-License-Identifier: Apache-2.0
#include "harness/target/wires/wire_constrain.h"

#include <string.h>

const char *const as_constrain_words[] = {"openai", "vllm", "guided", "llama.cpp", "sglang", NULL};

// What a dialect has fields for, by kind; what it is called for people.
static const struct {
    bool kinds[AS_CONSTRAINT_GRAMMAR + 1];
    const char *name, *has;
} dialects[] = {
    [AS_CONSTRAIN_OPENAI] = {{[AS_CONSTRAINT_SCHEMA] = true},
                             "OpenAI's response_format",
                             "generate.json_schema; servers of your own have more: "
                             "?constraint=vllm|guided|llama.cpp|sglang"},
    [AS_CONSTRAIN_VLLM] = {{false, true, true, true, true}, "vLLM", "all"},
    [AS_CONSTRAIN_GUIDED] = {{false, true, true, true, true}, "vLLM", "all"},
    [AS_CONSTRAIN_LLAMA] = {{false, true, false, true, true},
                            "llama.cpp",
                            "generate.choices, generate.json_schema and generate.grammar"},
    [AS_CONSTRAIN_SGLANG] = {{false, true, true, true, true}, "SGLang", "all"},
    [AS_CONSTRAIN_TGI] = {{false, true, true, true, false},
                          "TGI",
                          "generate.choices, generate.regex and generate.json_schema"},
    [AS_CONSTRAIN_OLLAMA] = {{[AS_CONSTRAINT_SCHEMA] = true}, "Ollama", "generate.json_schema"},
};

as_rc as_constrain_accepts(as_constrain_dialect dialect, const as_constraint_spec *spec,
                           as_err *err) {
    if (!spec || dialects[dialect].kinds[spec->kind]) return AS_OK;
    return as_fail(err, AS_INVALID, "%s has no field for generate.%s; it has %s",
                   dialects[dialect].name, as_constraint_name(spec->kind), dialects[dialect].has);
}

// One of the choices as a regular expression or, with `grammar`, in GBNF.
static as_buf choices_as(const as_constraint_spec *spec, bool grammar) {
    as_buf out = {0};
    as_buf_text(&out, grammar ? "root ::= " : "(");
    for (size_t i = 0; i < spec->choice_count; i++) {
        if (i) as_buf_text(&out, grammar ? " | " : "|");
        if (grammar) as_buf_char(&out, '"');
        for (size_t k = 0; k < spec->choices[i].len; k++) {
            char c = spec->choices[i].ptr[k];
            bool escaped = strchr(grammar ? "\"\\" : ".^$*+?()[]{}|\\/", c) && c;
            if (c == '\n' || c == '\r' || c == '\t') {
                as_buf_text(&out, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
                continue;
            }
            if (escaped) as_buf_char(&out, '\\');
            as_buf_char(&out, c);
        }
        if (grammar) as_buf_char(&out, '"');
    }
    if (!grammar) as_buf_char(&out, ')');
    return out;
}

static void put_choices(as_json_out *out, const char *key, const as_constraint_spec *spec,
                        bool grammar) {
    as_buf text = choices_as(spec, grammar);
    as_jo_put_str(out, key, as_buf_view(&text));
    as_buf_free(&text);
}

static void put_list(as_json_out *out, const char *key, const as_constraint_spec *spec) {
    as_jo_key(out, key);
    as_jo_open(out, '[');
    for (size_t i = 0; i < spec->choice_count; i++) as_jo_str(out, spec->choices[i]);
    as_jo_close(out, ']');
}

static void put_schema(as_json_out *out, const char *key, const as_constraint_spec *spec) {
    as_jo_key(out, key);
    as_jo_json(out, spec->schema);
}

static void put_format(as_json_out *out, const as_constraint_spec *spec) {
    as_jo_key(out, "response_format");
    as_jo_open(out, '{');
    as_jo_put_str(out, "type", AS_STR("json_schema"));
    as_jo_key(out, "json_schema");
    as_jo_open(out, '{');
    as_jo_put_str(out, "name", AS_STR("answer"));
    as_jo_put_bool(out, "strict", true);
    put_schema(out, "schema", spec);
    as_jo_close(out, '}');
    as_jo_close(out, '}');
}

// vLLM's four, under these names.
static void put_four(as_json_out *out, const as_constraint_spec *spec, const char *const *names) {
    const char *key = names[spec->kind - 1];
    if (spec->kind == AS_CONSTRAINT_CHOICES)
        put_list(out, key, spec);
    else if (spec->kind == AS_CONSTRAINT_SCHEMA)
        put_schema(out, key, spec);
    else
        as_jo_put_str(out, key, spec->text);
}

static void put_tgi(as_json_out *out, const as_constraint_spec *spec) {
    bool schema = spec->kind == AS_CONSTRAINT_SCHEMA;
    as_jo_key(out, "grammar");
    as_jo_open(out, '{');
    as_jo_put_str(out, "type", schema ? AS_STR("json") : AS_STR("regex"));
    if (schema)
        put_schema(out, "value", spec);
    else if (spec->kind == AS_CONSTRAINT_CHOICES)
        put_choices(out, "value", spec, false);
    else
        as_jo_put_str(out, "value", spec->text);
    as_jo_close(out, '}');
}

void as_constrain_put(as_json_out *out, as_constrain_dialect dialect,
                      const as_constraint_spec *spec) {
    static const char *const vllm[] = {"choice", "regex", "json", "grammar"};
    static const char *const guided[] = {"guided_choice", "guided_regex", "guided_json",
                                         "guided_grammar"};
    if (!spec) return;
    if (dialect == AS_CONSTRAIN_VLLM) {
        as_jo_key(out, "structured_outputs");
        as_jo_open(out, '{');
        put_four(out, spec, vllm);
        as_jo_close(out, '}');
    } else if (dialect == AS_CONSTRAIN_GUIDED) {
        put_four(out, spec, guided);
    } else if (dialect == AS_CONSTRAIN_TGI) {
        put_tgi(out, spec);
    } else if (dialect == AS_CONSTRAIN_OLLAMA) {
        put_schema(out, "format", spec);
    } else if (spec->kind == AS_CONSTRAINT_SCHEMA) {
        put_format(out, spec);
    } else if (dialect == AS_CONSTRAIN_LLAMA) {
        if (spec->kind == AS_CONSTRAINT_CHOICES)
            put_choices(out, "grammar", spec, true);
        else
            as_jo_put_str(out, "grammar", spec->text);
    } else if (spec->kind == AS_CONSTRAINT_CHOICES) {
        put_choices(out, "regex", spec, false);
    } else {
        as_jo_put_str(out, spec->kind == AS_CONSTRAINT_REGEX ? "regex" : "ebnf", spec->text);
    }
}
