// SPDX-License-Identifier: Apache-2.0
#include "metrics/families/assert_form.h"

#include <math.h>
#include <string.h>

#include "harness/base/yaml.h"

#define TEXTS(name)                                                                                \
    { name, NULL, AS_ASSERT_TEXTS, NAN, NULL }
#define COMMAS(name)                                                                               \
    { name, NULL, AS_ASSERT_COMMAS, NAN, NULL }
#define PLAIN(name)                                                                                \
    { name, NULL, AS_ASSERT_PLAIN, NAN, NULL }
#define SCHEMA(name)                                                                               \
    { name, NULL, AS_ASSERT_SCHEMA, NAN, NULL }
#define MEMBERS(name, option)                                                                      \
    { name, NULL, AS_ASSERT_MEMBERS, NAN, option }
#define LIMIT(name, metric)                                                                        \
    { name, metric, AS_ASSERT_LIMIT, NAN, NULL }
#define OVERLAP(name, metric, least)                                                               \
    { name, metric, AS_ASSERT_REFERENCES, least, NULL }

static const as_assert_form forms[] = {
    TEXTS("contains"),
    TEXTS("icontains"),
    TEXTS("starts-with"),
    TEXTS("regex"),
    TEXTS("finish-reason"),
    COMMAS("contains-all"),
    COMMAS("contains-any"),
    COMMAS("icontains-all"),
    COMMAS("icontains-any"),
    {"equals", NULL, AS_ASSERT_GOLD, NAN, NULL},
    {"levenshtein", NULL, AS_ASSERT_GOLD, NAN, NULL},
    SCHEMA("is-json"),
    SCHEMA("contains-json"),
    MEMBERS("is-xml", "elements"),
    MEMBERS("contains-xml", "elements"),
    PLAIN("is-html"),
    PLAIN("contains-html"),
    PLAIN("is-refusal"),
    LIMIT("latency", NULL),
    LIMIT("cost", NULL),
    LIMIT("perplexity", "perplexity-limit"),
    PLAIN("guardrails"),
    MEMBERS("word-count", "value"),
    MEMBERS("is-sql", "databaseType"),
    MEMBERS("contains-sql", "databaseType"),
    {"tool-call-f1", NULL, AS_ASSERT_COMMAS, 1, NULL},
    {"perplexity-score", NULL, AS_ASSERT_PLAIN, -INFINITY, NULL},
    MEMBERS("trajectory:tool-used", "value"),
    MEMBERS("trajectory:tool-sequence", "value"),
    MEMBERS("trajectory:tool-args-match", "value"),
    MEMBERS("trajectory:step-count", "min"),
    MEMBERS("trace-span-count", "pattern"),
    MEMBERS("trace-span-duration", "max"),
    MEMBERS("trace-error-spans", "max_count"),
    MEMBERS("skill-used", "value"),
    MEMBERS("is-valid-openai-tools-call", "tools"),
    MEMBERS("is-valid-openai-function-call", "tools"),
    MEMBERS("is-valid-function-call", "tools"),
    OVERLAP("gleu", NULL, 0.5),
    OVERLAP("bleu", "sentence_bleu", 0.5),
    OVERLAP("rouge-n", NULL, 0.75),
    OVERLAP("meteor", NULL, 0.5),
};
enum { FORM_COUNT = sizeof forms / sizeof *forms };

static bool is_among(as_str word, const char *const *words) {
    for (; *words; words++)
        if (as_str_is(word, *words)) return true;
    return false;
}

static as_rc refuse(as_str type, as_err *err) {
    static const char *const models[] = {"llm-rubric",
                                         "g-eval",
                                         "factuality",
                                         "similar",
                                         "similar:cosine",
                                         "similar:dot",
                                         "similar:euclidean",
                                         "answer-relevance",
                                         "context-faithfulness",
                                         "context-recall",
                                         "context-relevance",
                                         "model-graded-closedqa",
                                         "moderation",
                                         "classifier",
                                         "search-rubric",
                                         "agent-rubric",
                                         "model-graded-factuality",
                                         "conversation-relevance",
                                         "pi",
                                         "select-best",
                                         "trajectory:goal-success",
                                         NULL};
    static const char *const code[] = {"javascript", "python", "ruby", "webhook", "command", NULL};
    static const char *const across[] = {"max-score", "human", NULL};
    const char *names[FORM_COUNT + 1] = {0};
    if (is_among(type, models))
        return as_fail(err, AS_INVALID,
                       "assertion '%.*s' asks a model: use a metric with a judge (assay help "
                       "rubric)",
                       AS_STR_ARG(type));
    if (is_among(type, code))
        return as_fail(err, AS_INVALID,
                       "assertion '%.*s' runs code or calls a URL, which a dataset may not: name "
                       "it among the suite's metrics (assay help %.*s)",
                       AS_STR_ARG(type), AS_STR_ARG(type));
    if (is_among(type, across))
        return as_fail(err, AS_INVALID,
                       "assertion '%.*s' is about the answers of several targets or people: use "
                       "assay compare",
                       AS_STR_ARG(type));
    for (size_t i = 0; i < FORM_COUNT; i++) names[i] = forms[i].type;
    const char *near = as_str_nearest(type, names);
    return as_fail(err, AS_INVALID, "assertion '%.*s' is not there%s%s%s", AS_STR_ARG(type),
                   near ? "; did you mean '" : " in a list of a case", near ? near : "",
                   near ? "'?" : "");
}

as_rc as_assert_form_find(as_str type, const as_assert_form **out, as_err *err) {
    if (as_str_starts(type, AS_STR("not-"))) type = as_str_sub(type, 4, type.len);
    for (size_t i = 0; i < FORM_COUNT; i++) {
        if (!as_str_is(type, forms[i].type)) continue;
        *out = &forms[i];
        return AS_OK;
    }
    return refuse(type, err);
}

as_rc as_assert_form_keys(const as_json *from, as_err *err) {
    static const char *const keys[] = {"type",  "value", "threshold", "weight", "metric",
                                       "alpha", "beta",  "gamma",     NULL};
    bool set = as_str_is(as_json_str(from, "type", AS_STR("")), "assert-set");
    for (const as_json *m = from->child; m; m = m->next)
        if (!is_among(m->key, keys) && !(set && as_str_is(m->key, "assert")))
            return as_fail(err, AS_INVALID, "assertion key '%.*s' is not there; known are %s",
                           AS_STR_ARG(m->key), "type, value, threshold, weight, metric");
    return AS_OK;
}

static void put_option(as_json_out *out, const char *key, const as_json *value) {
    if (!value || value->kind == AS_JSON_NULL) return;
    as_jo_key(out, key);
    as_jo_json(out, value);
}

static void put_commas(as_json_out *out, const char *key, as_str text) {
    as_jo_key(out, key);
    as_jo_open(out, '[');
    while (text.ptr) {
        as_str part = as_str_trim(as_str_cut(&text, ','));
        if (part.len) as_jo_str(out, part);
    }
    as_jo_close(out, ']');
}

// A schema that is a text is one in YAML; what is none stays a text, which the metric refuses.
static void put_schema(as_json_out *out, as_arena *arena, const as_json *value) {
    const as_yaml *tree;
    const as_json *schema = value;
    if (value && value->kind == AS_JSON_STRING &&
        as_yaml_parse(arena, value->text, "schema", &tree, NULL) == AS_OK &&
        as_json_parse(arena, as_yaml_json(arena, tree), &schema, NULL) != AS_OK)
        schema = value;
    put_option(out, "schema", schema);
}

// Steps may be {name: x} for x.
static void put_steps(as_json_out *out, const char *key, const as_json *list) {
    as_jo_key(out, key);
    as_jo_open(out, '[');
    for (const as_json *m = list->child; m; m = m->next) {
        const as_json *name = as_json_get(m, "pattern");
        if (!name) name = as_json_get(m, "name");
        as_jo_json(out, name ? name : m);
    }
    as_jo_close(out, ']');
}

// The option that promptfoo's key is.
static const char *renamed(const as_assert_form *form, as_str key) {
    bool path = strncmp(form->type, "trajectory:", 11) == 0;
    if (as_str_is(key, "requiredElements")) return "elements";
    if (as_str_is(key, "name") || as_str_is(key, "steps")) return "value";
    if (as_str_is(key, "pattern") && path) return "value";
    if (as_str_is(key, "arguments") && path) return "args";
    return NULL;
}

static void put_members(as_json_out *out, as_arena *arena, const as_assert_form *form,
                        const as_json *value) {
    const as_json *list = value && value->kind == AS_JSON_ARRAY ? value : NULL;
    bool steps = strcmp(form->type, "trajectory:tool-sequence") == 0;
    if (!value || value->kind != AS_JSON_OBJECT) {
        if (steps && list)
            put_steps(out, "value", list);
        else if (value && value->kind == AS_JSON_STRING && form->option &&
                 strcmp(form->option, "elements") == 0)
            put_commas(out, "elements", value->text);
        else
            put_option(out, form->option ? form->option : "value", value);
        return;
    }
    for (const as_json *m = value->child; m; m = m->next) {
        const char *key = renamed(form, m->key);
        if (!key) key = as_str_copy(arena, m->key).ptr;
        if (steps && m->kind == AS_JSON_ARRAY)
            put_steps(out, key, m);
        else
            put_option(out, key, m);
    }
}

static void put_options(as_json_out *out, as_arena *arena, const as_assert_form *form,
                        const as_json *from) {
    static const char *const settings[] = {"alpha", "beta", "gamma", NULL};
    const as_json *value = as_json_get(from, "value"), *limit = as_json_get(from, "threshold");
    for (const char *const *s = settings; *s; s++) put_option(out, *s, as_json_get(from, *s));
    switch (form->kind) {
    case AS_ASSERT_PLAIN:
    case AS_ASSERT_REFERENCES:
        return;
    case AS_ASSERT_TEXTS:
        put_option(out, "value", value);
        return;
    case AS_ASSERT_COMMAS:
        if (value && value->kind == AS_JSON_STRING)
            put_commas(out, "value", value->text);
        else
            put_option(out, "value", value);
        return;
    case AS_ASSERT_SCHEMA:
        put_schema(out, arena, value);
        return;
    case AS_ASSERT_MEMBERS:
        put_members(out, arena, form, value);
        return;
    case AS_ASSERT_LIMIT:
        put_option(out, "threshold", limit);
        return;
    case AS_ASSERT_GOLD:
        if (strcmp(form->type, "levenshtein") == 0)
            as_jo_put_f64(out, "threshold", as_json_f64(from, "threshold", 5));
        return;
    }
}

as_str as_assert_form_spec(as_arena *arena, const as_assert_form *form, as_str type,
                           const as_json *from) {
    bool negate = as_str_starts(type, AS_STR("not-"));
    as_str name =
        as_strf(arena, "%s%s", negate ? "not-" : "", form->metric ? form->metric : form->type);
    as_buf text = {0};
    as_json_out jo = {.buf = &text};
    as_jo_open(&jo, '{');
    as_jo_put_str(&jo, "name", name);
    put_options(&jo, arena, form, from);
    as_jo_close(&jo, '}');
    as_str out = as_str_copy(arena, as_buf_view(&text));
    as_buf_free(&text);
    return out;
}
