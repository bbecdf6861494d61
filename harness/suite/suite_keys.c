// SPDX-License-Identifier: Apache-2.0
// The keys of a suite file, in the order of the contract: name, kinds, reader.
#include "harness/suite/suite_read.h"

#include "harness/base/file.h"
#include "harness/suite/dataset.h"

enum {
    MAX_TOKENS_MAX = 1 << 20,
    TOP_K_MAX = 1 << 20,
    FEW_SHOT_MAX = 1000,
    CHOICES_MAX = 4096,
};

static void read_suite(as_suite_loader *l, const as_yaml *v) {
    as_suite_read_str(l, v, "suite", &l->suite->name);
}

static void read_description(as_suite_loader *l, const as_yaml *v) {
    l->suite->description = v->text;
}

// The path of a file that the suite names; a problem when there is none.
static as_str resolve_file(as_suite_loader *l, size_t line, size_t column, const char *what,
                           as_str name) {
    as_str path = as_path_join(l->arena, l->suite->dir, name);
    if (!as_file_exists(path.ptr))
        as_suite_problem(l->problems, l->suite, line, column, "%s '%.*s' does not exist%s%s", what,
                         AS_STR_ARG(name), as_str_eq(path, name) ? "" : ": no file ",
                         as_str_eq(path, name) ? "" : path.ptr);
    else if (!as_dataset_known(path))
        as_suite_problem(l->problems, l->suite, line, column,
                         "%s '%.*s' has an unknown ending; known are " AS_DATASET_ENDINGS, what,
                         AS_STR_ARG(name));
    return path;
}

static void read_dataset(as_suite_loader *l, const as_yaml *v) {
    size_t count;
    const as_suite_text *texts = as_suite_read_texts(l, v, "dataset", AS_SUITE_STRING, &count);
    as_str *paths = AS_NEW_ARRAY(l->arena, as_str, count + 1);
    for (size_t i = 0; i < count; i++)
        paths[i] = resolve_file(l, texts[i].line, texts[i].column, "dataset", texts[i].text);
    l->suite->datasets = paths;
    l->suite->dataset_count = count;
}

static void read_target(as_suite_loader *l, const as_yaml *v) {
    l->suite->targets =
        as_suite_read_texts(l, v, "target", AS_SUITE_STRING, &l->suite->target_count);
}

static void read_allow_hosts(as_suite_loader *l, const as_yaml *v) {
    l->suite->allow_hosts =
        as_suite_read_texts(l, v, "allow_hosts", AS_SUITE_STRING, &l->suite->allow_host_count);
}

static void read_task(as_suite_loader *l, const as_yaml *v) {
    static const char *const words[] = {"choice",  "generate", "loglikelihood",
                                        "rolling", "embed",    NULL};
    size_t task = as_suite_read_word(l, v, "task", words);
    if (task != SIZE_MAX) l->suite->task = (as_suite_task)task;
}

static as_suite_text text_of(const as_yaml *v) {
    return (as_suite_text){v->text, v->line, v->column};
}

static void read_system(as_suite_loader *l, const as_yaml *v) {
    l->suite->system = text_of(v);
}

static void read_user(as_suite_loader *l, const as_yaml *v) {
    as_str text;
    if (as_suite_read_str(l, v, "prompt.user", &text)) l->suite->user = text_of(v);
}

static void read_from(as_suite_loader *l, const as_yaml *v) {
    as_str name;
    if (!as_suite_read_str(l, v, "prompt.few_shot.from", &name)) return;
    l->suite->few_shot_path = resolve_file(l, v->line, v->column, "prompt.few_shot.from", name);
}

static void read_n(as_suite_loader *l, const as_yaml *v) {
    uint64_t count;
    if (as_suite_read_count(l, v, "prompt.few_shot.n", 1, FEW_SHOT_MAX, &count))
        l->suite->few_shot_count = (size_t)count;
}

static void read_pick(as_suite_loader *l, const as_yaml *v) {
    static const char *const words[] = {"first", "seeded", NULL};
    l->suite->few_shot_seeded = as_suite_read_word(l, v, "prompt.few_shot.pick", words) == 1;
}

static void read_few_shot(as_suite_loader *l, const as_yaml *v) {
    static const as_suite_key keys[] = {{"from", AS_SUITE_STRING, true, read_from},
                                        {"n", AS_SUITE_NUMBER, true, read_n},
                                        {"pick", AS_SUITE_STRING, false, read_pick},
                                        {NULL, 0, false, NULL}};
    as_suite_read_map(l, v, "prompt.few_shot", keys);
}

static void read_chat(as_suite_loader *l, const as_yaml *v) {
    static const char *const words[] = {"auto", "raw", NULL};
    l->suite->chat = as_suite_read_word(l, v, "prompt.chat", words) != 1;
}

static void read_prompt(as_suite_loader *l, const as_yaml *v) {
    static const as_suite_key keys[] = {
        {"system", AS_SUITE_STRING, false, read_system},
        {"user", AS_SUITE_STRING, false, read_user},
        {"messages", AS_SUITE_STRING, false, as_suite_read_messages},
        {"few_shot", AS_SUITE_MAP, false, read_few_shot},
        {"chat", AS_SUITE_STRING, false, read_chat},
        {"tools", AS_SUITE_STRING | AS_SUITE_LIST, false, as_suite_read_tools},
        {"chat_template", AS_SUITE_STRING, false, as_suite_read_chat_template},
        {"date", AS_SUITE_STRING, false, as_suite_read_date},
        {"special_tokens", AS_SUITE_STRING, false, as_suite_read_special_tokens},
        {NULL, 0, false, NULL}};
    if (v->kind == AS_YAML_MAP) {
        as_suite_read_map(l, v, "prompt", keys);
        as_suite_read_turns(l, v);
        return;
    }
    as_str text;
    if (as_suite_read_str(l, v, "prompt", &text)) l->suite->user = text_of(v);
}

static void read_choices_field(as_suite_loader *l, const as_yaml *v) {
    if (as_suite_read_str(l, v, "choices.field", &l->suite->choices_field))
        l->suite->choices_from = AS_CHOICES_FIELD;
}

static void read_choices_labels(as_suite_loader *l, const as_yaml *v) {
    static const char *const words[] = {"dataset", NULL};
    if (as_suite_read_word(l, v, "choices.labels", words) == 0)
        l->suite->choices_from = AS_CHOICES_LABELS;
}

static void read_choices_file(as_suite_loader *l, const as_yaml *v) {
    as_str name;
    if (!as_suite_read_str(l, v, "choices.from", &name)) return;
    l->suite->choices_path = resolve_file(l, v->line, v->column, "choices.from", name);
    l->suite->choices_from = AS_CHOICES_FILE;
}

static void read_choices(as_suite_loader *l, const as_yaml *v) {
    static const as_suite_key keys[] = {{"field", AS_SUITE_STRING, false, read_choices_field},
                                        {"labels", AS_SUITE_STRING, false, read_choices_labels},
                                        {"from", AS_SUITE_STRING, false, read_choices_file},
                                        {NULL, 0, false, NULL}};
    if (v->kind == AS_YAML_MAP) {
        as_suite_read_map(l, v, "choices", keys);
        if (v->count != 1)
            as_suite_read_problem(
                l, v, "choices takes one of 'field', 'labels' and 'from', not %zu keys", v->count);
        return;
    }
    as_suite *suite = l->suite;
    suite->choices = as_suite_read_names(l, v, "choices", AS_SUITE_SCALAR, &suite->choice_count);
    if (v->count == 1)
        as_suite_read_problem(l, v, "choices has one element; a choice needs at least 2");
    if (v->count > CHOICES_MAX)
        as_suite_read_problem(l, v, "choices has %zu elements, more than %d", v->count,
                              CHOICES_MAX);
}

static void read_expected(as_suite_loader *l, const as_yaml *v) {
    as_suite_read_str(l, v, "expected", &l->suite->expected);
}

static void read_max_tokens(as_suite_loader *l, const as_yaml *v) {
    uint64_t count;
    if (as_suite_read_count(l, v, "generate.max_tokens", 1, MAX_TOKENS_MAX, &count))
        l->suite->max_tokens = (size_t)count;
}

static void read_temperature(as_suite_loader *l, const as_yaml *v) {
    if (v->number < 0 || v->number > 2)
        as_suite_read_problem(l, v, "generate.temperature must be a number from 0 to 2, not '%.*s'",
                              AS_STR_ARG(v->text));
    l->suite->temperature = v->number;
}

static void read_top_p(as_suite_loader *l, const as_yaml *v) {
    if (!(v->number > 0 && v->number <= 1))
        as_suite_read_problem(l, v,
                              "generate.top_p must be a number above 0 and at most 1, not '%.*s'",
                              AS_STR_ARG(v->text));
    l->suite->top_p = v->number;
}

static void read_min_p(as_suite_loader *l, const as_yaml *v) {
    if (!(v->number >= 0 && v->number < 1))
        as_suite_read_problem(l, v,
                              "generate.min_p must be a number from 0 and below 1, not '%.*s'",
                              AS_STR_ARG(v->text));
    l->suite->min_p = v->number;
}

static void read_top_k(as_suite_loader *l, const as_yaml *v) {
    uint64_t count;
    if (as_suite_read_count(l, v, "generate.top_k", 0, TOP_K_MAX, &count))
        l->suite->top_k = (size_t)count;
}

static void read_stop(as_suite_loader *l, const as_yaml *v) {
    l->suite->stops =
        as_suite_read_names(l, v, "generate.stop", AS_SUITE_SCALAR, &l->suite->stop_count);
}

static void read_seed(as_suite_loader *l, const as_yaml *v) {
    as_suite_read_count(l, v, "generate.seed", 0, INT64_MAX, &l->suite->seed);
}

static void read_samples(as_suite_loader *l, const as_yaml *v) {
    as_suite_read_count(l, v, "generate.samples", 1, 1000, &l->suite->samples);
}

static void read_generate(as_suite_loader *l, const as_yaml *v) {
    static const as_suite_key keys[] = {
        {"max_tokens", AS_SUITE_NUMBER, false, read_max_tokens},
        {"temperature", AS_SUITE_NUMBER, false, read_temperature},
        {"top_p", AS_SUITE_NUMBER, false, read_top_p},
        {"top_k", AS_SUITE_NUMBER, false, read_top_k},
        {"min_p", AS_SUITE_NUMBER, false, read_min_p},
        {"stop", AS_SUITE_SCALAR | AS_SUITE_LIST, false, read_stop},
        {"seed", AS_SUITE_NUMBER, false, read_seed},
        {"samples", AS_SUITE_NUMBER, false, read_samples},
        {"choices", AS_SUITE_LIST | AS_SUITE_MAP, false, as_suite_read_only_choices},
        {"regex", AS_SUITE_STRING, false, as_suite_read_regex},
        {"json_schema", AS_SUITE_MAP | AS_SUITE_STRING, false, as_suite_read_schema},
        {"grammar", AS_SUITE_STRING, false, as_suite_read_grammar},
        {"logprobs", AS_SUITE_NUMBER, false, as_suite_read_logprobs},
        {NULL, 0, false, NULL}};
    as_suite_read_map(l, v, "generate", keys);
}

static const char *const extract_words[] = {
    [AS_EXTRACT_STRIP] = "strip", [AS_EXTRACT_LOWER] = "lower",
    [AS_EXTRACT_REGEX] = "regex", [AS_EXTRACT_FIRST_LINE] = "first_line",
    [AS_EXTRACT_JSON] = "json",   [AS_EXTRACT_NFC] = "nfc",
    [AS_EXTRACT_NFKC] = "nfkc",   NULL};

static bool extract_takes_argument(size_t kind) {
    return kind == AS_EXTRACT_REGEX || kind == AS_EXTRACT_JSON;
}

// `strip`, or {regex: PATTERN}: a map of one key.
static bool read_extract_step(as_suite_loader *l, const as_yaml *v, as_suite_extract *out) {
    if (!as_suite_read_kind(l, v, "an element of extract", AS_SUITE_STRING | AS_SUITE_MAP))
        return false;
    const as_yaml *argument = v->kind == AS_YAML_MAP ? v->child : NULL;
    if (v->kind == AS_YAML_MAP && v->count != 1) {
        as_suite_read_problem(l, v, "an element of extract is a map of one key, not of %zu",
                              v->count);
        return false;
    }
    as_yaml word = {.text = v->text, .line = v->line, .column = v->column};
    if (argument)
        word = (as_yaml){
            .text = argument->key, .line = argument->key_line, .column = argument->key_column};
    size_t kind = as_suite_read_word(l, &word, "an element of extract", extract_words);
    if (kind == SIZE_MAX) return false;
    out->kind = (as_extract_kind)kind;
    if (!argument && extract_takes_argument(kind)) {
        as_suite_read_problem(l, v, "extract '%s' needs an argument: {%s: ...}",
                              extract_words[kind], extract_words[kind]);
        return false;
    }
    if (!argument) return true;
    if (!extract_takes_argument(kind)) {
        as_suite_read_problem(l, v, "extract '%s' takes no argument", extract_words[kind]);
        return false;
    }
    as_str text;
    if (!as_suite_read_str(l, argument, extract_words[kind], &text)) return false;
    out->argument = text_of(argument);
    return true;
}

static void read_extract(as_suite_loader *l, const as_yaml *v) {
    bool list = v->kind == AS_YAML_LIST;
    as_suite_extract *steps = AS_NEW_ARRAY(l->arena, as_suite_extract, list ? v->count + 1 : 1);
    size_t used = 0;
    for (const as_yaml *step = list ? v->child : v; step; step = list ? step->next : NULL)
        if (read_extract_step(l, step, &steps[used])) used++;
    l->suite->extracts = steps;
    l->suite->extract_count = used;
}

static bool read_metric(as_suite_loader *l, const as_yaml *v, as_suite_metric *out) {
    *out = (as_suite_metric){.line = v->line, .column = v->column};
    if (v->kind != AS_YAML_MAP) return as_suite_read_str(l, v, "an element of metrics", &out->name);
    const as_yaml *name = as_yaml_get(v, "name");
    if (!name) {
        as_suite_read_problem(l, v, "a metric with options needs 'name': {name: bleu, ...}");
        return false;
    }
    out->options = v;
    return as_suite_read_str(l, name, "metrics.name", &out->name);
}

// What the metric is called in results: two of one kind may stand side by side under two names.
static as_str result_name(const as_suite_metric *metric) {
    const as_yaml *as = metric->options ? as_yaml_get(metric->options, "as") : NULL;
    return as && as->kind == AS_YAML_STRING ? as->text : metric->name;
}

static void read_metrics(as_suite_loader *l, const as_yaml *v) {
    bool list = v->kind == AS_YAML_LIST;
    as_suite_metric *metrics = AS_NEW_ARRAY(l->arena, as_suite_metric, list ? v->count + 1 : 1);
    size_t used = 0;
    if (list && !v->child) as_suite_read_problem(l, v, "metrics is an empty list");
    for (const as_yaml *m = list ? v->child : v; m; m = list ? m->next : NULL) {
        if (!as_suite_read_kind(l, m, "an element of metrics", AS_SUITE_STRING | AS_SUITE_MAP) ||
            !read_metric(l, m, &metrics[used]))
            continue;
        for (size_t i = 0; i < used; i++)
            if (as_str_eq(result_name(&metrics[i]), result_name(&metrics[used])))
                as_suite_read_problem(l, m,
                                      "metric '%.*s' is listed twice (first at line %zu); 'as' "
                                      "gives one of them another name",
                                      AS_STR_ARG(result_name(&metrics[i])), metrics[i].line);
        used++;
    }
    l->suite->metrics = metrics;
    l->suite->metric_count = used;
}

static void read_slices(as_suite_loader *l, const as_yaml *v) {
    l->suite->slices = as_suite_read_names(l, v, "slices", AS_SUITE_STRING, &l->suite->slice_count);
}

static void read_max_errors(as_suite_loader *l, const as_yaml *v) {
    as_str text = v->text;
    double share = 0;
    bool percent = as_str_ends(text, AS_STR("%"));
    if (percent) text = as_str_trim(as_str_sub(text, 0, text.len - 1));
    bool ok = as_str_to_f64(text, &share);
    if (percent) share /= 100;
    if (!ok || share < 0 || share > 1)
        as_suite_read_problem(l, v,
                              "max_errors must be a share of the cases, from 0 to 1 or from 0%% to "
                              "100%%, not '%.*s'",
                              AS_STR_ARG(as_str_sub(v->text, 0, 60)));
    else
        l->suite->max_errors = share;
}

static void read_gate(as_suite_loader *l, const as_yaml *v) {
    l->suite->gates = as_suite_read_texts(l, v, "gate", AS_SUITE_STRING, &l->suite->gate_count);
}

const as_suite_key as_suite_keys[] = {
    {"suite", AS_SUITE_STRING, true, read_suite},
    {"description", AS_SUITE_STRING, false, read_description},
    {"dataset", AS_SUITE_STRING | AS_SUITE_LIST, true, read_dataset},
    {"target", AS_SUITE_STRING | AS_SUITE_LIST, false, read_target},
    {"allow_hosts", AS_SUITE_STRING | AS_SUITE_LIST, false, read_allow_hosts},
    {"task", AS_SUITE_STRING, true, read_task},
    {"prompt", AS_SUITE_STRING | AS_SUITE_MAP, true, read_prompt},
    {"choices", AS_SUITE_LIST | AS_SUITE_MAP, false, read_choices},
    {"expected", AS_SUITE_STRING, false, read_expected},
    {"generate", AS_SUITE_MAP, false, read_generate},
    {"extract", AS_SUITE_STRING | AS_SUITE_LIST, false, read_extract},
    {"metrics", AS_SUITE_STRING | AS_SUITE_LIST, true, read_metrics},
    {"slices", AS_SUITE_STRING | AS_SUITE_LIST, false, read_slices},
    {"max_errors", AS_SUITE_NUMBER | AS_SUITE_STRING, false, read_max_errors},
    {"gate", AS_SUITE_STRING | AS_SUITE_LIST, false, read_gate},
    {"alert", AS_SUITE_MAP, false, as_suite_read_alert},
    {NULL, 0, false, NULL},
};
