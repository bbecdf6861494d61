// SPDX-License-Identifier: Apache-2.0
// assay targets - what presets there are, and what one says.
#include "harness/target/presets/preset.h"
#include "runner/commands.h"
#include "runner/outputs.h"

// What the adapters themselves were checked against; presets say it in their files. A client: the
// vendor's own reads what assay is tested on, and is answered where assay is; a server: assay was
// run against it.
static const char *const adapters[][2] = {
    {"openai",
     "client openai 3.57.0; servers vLLM 0.32.0, llama-server (of llama-cpp-python 0.3.36)"},
    {"ollama", "client ollama 0.6.3"},
    {"tgi", "client huggingface-hub 2.4.0"},
    {"kserve",
     "servers KServe 0.21.0, Triton 2.51.0 (nvidia-pytriton 0.7.0); client tritonclient 2.73.0"},
};

static as_str text_at(const as_preset *p, const char *key) {
    const as_yaml *value = as_yaml_get(p->file, key);
    return value && value->kind == AS_YAML_STRING ? value->text : AS_STR("");
}

static void put_row(as_buf *out, const char *name, const as_preset *p) {
    as_str key = text_at(p, "key_env"), verified = p->verified;
    as_buff(out, "  %-21s %-7.*s %-27.*s %.*s\n", name, AS_STR_ARG(p->adapter), AS_STR_ARG(key),
            AS_STR_ARG(p->about));
    as_buff(out, "  %21s %s%.*s\n", "", verified.len ? "checked against " : "unverified",
            AS_STR_ARG(verified));
}

static void put_object(as_json_out *jo, const char *name, const as_preset *p) {
    as_jo_open(jo, '{');
    as_jo_key(jo, "name"), as_jo_str(jo, as_str_of(name));
    as_jo_key(jo, "adapter"), as_jo_str(jo, p->adapter);
    as_jo_key(jo, "about"), as_jo_str(jo, p->about);
    as_jo_key(jo, "key_env"), as_jo_str(jo, text_at(p, "key_env"));
    as_jo_key(jo, "base"), as_jo_str(jo, text_at(p, "base"));
    as_jo_key(jo, "verified"), as_jo_str(jo, p->verified);
    as_jo_close(jo, '}');
}

static as_rc put_all(as_arena *arena, bool json, as_buf *out, as_err *err) {
    as_json_out jo = {.buf = out, .indent = 2};
    as_preset p;
    as_rc rc = AS_OK;
    if (json)
        as_jo_open(&jo, '[');
    else
        as_buf_text(out, "adapters (assay help targets), and what each was checked against:\n");
    for (size_t i = 0; !json && i < sizeof adapters / sizeof *adapters; i++)
        as_buff(out, "  %-7s %s\n", adapters[i][0], adapters[i][1]);
    if (!json)
        as_buf_text(out, "\npresets: NAME:MODEL, or NAME:URL#MODEL for another address\n"
                         "  NAME                  ADAPTER KEY                         WHAT\n");
    for (const as_preset_file *f = as_preset_files; !rc && f->name; f++) {
        rc = as_preset_load(arena, as_str_of(f->name), AS_STR("."), &p, err);
        if (rc) break;
        if (json)
            put_object(&jo, f->name, &p);
        else
            put_row(out, f->name, &p);
    }
    if (json) as_jo_close(&jo, ']'), as_buf_char(out, '\n');
    return rc;
}

int as_cmd_targets(const as_args *args) {
    as_arena arena = {0};
    as_buf out = {0};
    as_err err = {0};
    as_preset p;
    as_rc rc;
    if (args->operands.count) {
        rc = as_preset_load(&arena, args->operands.items[0], AS_STR("."), &p, &err);
        if (!rc) as_buf_str(&out, p.text);
    } else {
        rc = put_all(&arena, args->json, &out, &err);
    }
    if (!rc) rc = as_outputs_print(as_buf_view(&out), &err);
    as_buf_free(&out);
    as_arena_free(&arena);
    return rc ? as_command_fail(&err) : 0;
}
