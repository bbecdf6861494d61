// SPDX-License-Identifier: Apache-2.0
#include "metrics/agents/steps.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/letter.h"
#include "harness/base/utf8.h"

enum { SPANS_MAX = 100000 };

const char *const as_step_kinds[] = {"span",      "tool",    "command", "search",
                                     "reasoning", "message", NULL};

// ---- keys and patterns by which a span shows what it is ----

static const char *const tool_keys[] = {"tool.name",        "tool_name",       "tool",
                                        "function.name",    "function_name",   "ai.toolCall.name",
                                        "gen_ai.tool.name", "agent.tool_name", "agent.tool",
                                        "agent.toolName",   "codex.mcp.tool",  NULL};
static const char *const argument_families[] = {
    "tool", "function", "ai.toolCall", "gen_ai.tool", "agent.tool", "codex.mcp", NULL};
static const char *const argument_ends[] = {".args",      ".arguments", ".input", "_args",
                                            "_arguments", "_input",     NULL};
static const char *const argument_keys[] = {
    "gen_ai.tool.call.args", "gen_ai.tool.call.arguments", "args", "arguments", "input", NULL};
static const char *const command_keys[] = {"codex.command", "command", "command.name",
                                           "command_name", NULL};
static const char *const search_keys[] = {"codex.search.query", "search.query", "search_query",
                                          NULL};
static const char *const shells[] = {"exec_command", "local_shell", "shell", NULL};

enum {
    TOOL_KEY,
    TOOL_PART,
    RESULT_KEY,
    ARGUMENT_KEY,
    OUTCOME_KEY,
    COMMAND_KEY,
    COMMAND_RESULT,
    SEARCH_NAME,
    SEARCH_KEY,
    REASONING_NAME,
    LOOKS
};

static const char *const looks[LOOKS] = {
    [TOOL_KEY] = "tool.?name|function.?name",
    [TOOL_PART] = "(^|[._])tool($|[._])",
    [RESULT_KEY] = "result|output|definition",
    [ARGUMENT_KEY] = "(^|[._])(arguments|args|input)($|[._])",
    [OUTCOME_KEY] = "result|output|error|status",
    [COMMAND_KEY] = "command",
    [COMMAND_RESULT] = "output|result",
    [SEARCH_NAME] = "(^|[\\s._:/-])(search|find|lookup|retriev(e|al))($|[\\s._:/-])",
    [SEARCH_KEY] = "(^|[._])(search|lookup|retriev(e|al))($|[._])",
    [REASONING_NAME] = "^reasoning([_\\s]|$)",
};

struct as_step_reader {
    as_regex *looks[LOOKS];
};

void as_step_reader_free(as_step_reader *reader) {
    if (!reader) return;
    for (size_t i = 0; i < LOOKS; i++) as_regex_free(reader->looks[i]);
    free(reader);
}

as_rc as_step_reader_new(as_step_reader **out, as_err *err) {
    as_step_reader *r = as_mem_new(sizeof *r);
    as_rc rc = AS_OK;
    for (size_t i = 0; !rc && i < LOOKS; i++)
        rc = as_regex_new(as_str_of(looks[i]), AS_REGEX_CASELESS, &r->looks[i], err);
    if (rc)
        as_step_reader_free(r);
    else
        *out = r;
    return rc;
}

static bool is_so(const as_step_reader *r, int look, as_str text) {
    as_str groups[AS_REGEX_GROUPS_MAX];
    return as_regex_match(r->looks[look], text, 0, groups) > 0;
}

// ---- attributes ----

// A text that is not blank, without the blanks around it; empty otherwise.
static as_str text_of(const as_json *value) {
    return value && value->kind == AS_JSON_STRING ? as_str_trim(value->text) : AS_STR("");
}

static as_str first_text(const as_json *attributes, const char *const *keys) {
    as_str found = AS_STR("");
    for (; *keys && !found.len; keys++) found = text_of(as_json_get(attributes, *keys));
    return found;
}

static as_str tool_of(const as_step_reader *r, as_arena *arena, as_str name,
                      const as_json *attributes) {
    as_str found = first_text(attributes, tool_keys);
    for (const as_json *m = attributes ? attributes->child : NULL; m && !found.len; m = m->next) {
        const as_json *parsed;
        as_str text = text_of(m);
        if (!text.len) continue;
        if ((text.ptr[0] == '[' || text.ptr[0] == '{') &&
            as_json_parse(arena, text, &parsed, NULL) == AS_OK)
            continue;
        if (is_so(r, TOOL_KEY, m->key) ||
            (is_so(r, TOOL_PART, m->key) && !is_so(r, RESULT_KEY, m->key)))
            found = text;
    }
    if (found.len || !as_str_starts(name, AS_STR("mcp "))) return found;
    size_t slash = name.len;
    while (slash > 0 && name.ptr[slash - 1] != '/') slash--;
    return slash ? as_str_trim(as_str_sub(name, slash, name.len)) : found;
}

// A text that is JSON is what it says.
static const as_json *structured(as_arena *arena, const as_json *value) {
    if (!value || value->kind == AS_JSON_NULL) return NULL;
    if (value->kind != AS_JSON_STRING) return value;
    as_str text = as_str_trim(value->text);
    const as_json *parsed;
    if (!text.len) return NULL;
    if (as_json_parse(arena, text, &parsed, NULL) == AS_OK) return parsed;
    return as_json_new_str(arena, text);
}

static const as_json *arguments_of(const as_step_reader *r, as_arena *arena,
                                   const as_json *attributes) {
    const as_json *found = NULL;
    for (const char *const *family = argument_families; *family && !found; family++)
        for (const char *const *end = argument_ends; *end && !found; end++) {
            bool low = (*end)[0] == '_' && strcmp(*family, "tool") != 0 &&
                       strcmp(*family, "function") != 0;
            if (low) continue; // tool_args and function_args only
            as_str key = as_strf(arena, "%s%s", *family, *end);
            found = structured(arena, as_json_get(attributes, key.ptr));
        }
    for (const char *const *key = argument_keys; *key && !found; key++)
        found = structured(arena, as_json_get(attributes, *key));
    for (const as_json *m = attributes ? attributes->child : NULL; m && !found; m = m->next)
        if (!is_so(r, OUTCOME_KEY, m->key) && is_so(r, ARGUMENT_KEY, m->key))
            found = structured(arena, m);
    return found;
}

static bool is_shell(as_arena *arena, as_str tool) {
    as_str lower = as_letter_lower_str(arena, tool);
    for (size_t i = 0; shells[i]; i++)
        if (as_str_is(lower, shells[i])) return true;
    return false;
}

static as_str joined(as_arena *arena, const as_json *list, const char *by) {
    as_str out = AS_STR("");
    for (const as_json *m = list->child; m; m = m->next) {
        as_str part = as_str_trim(as_json_plain(arena, m));
        if (part.len)
            out =
                as_strf(arena, "%.*s%s%.*s", AS_STR_ARG(out), out.len ? by : "", AS_STR_ARG(part));
    }
    return out;
}

static as_str command_of(const as_step_reader *r, as_arena *arena, as_str name, as_str tool,
                         const as_json *attributes, const as_json *arguments) {
    static const char *const keys[] = {"cmd", "command", "commands"};
    as_str found = first_text(attributes, command_keys);
    for (const as_json *m = attributes ? attributes->child : NULL; m && !found.len; m = m->next)
        if (is_so(r, COMMAND_KEY, m->key) && !is_so(r, COMMAND_RESULT, m->key)) found = text_of(m);
    if (found.len) return found;
    const as_json *said = NULL;
    size_t which = 0;
    for (; is_shell(arena, tool) && which < 3 && !said; which++)
        said = as_json_get(arguments, keys[which]);
    found = text_of(said);
    if (said && said->kind == AS_JSON_ARRAY) found = joined(arena, said, which == 3 ? "; " : " ");
    if (!found.len && as_str_starts(name, AS_STR("exec ")))
        found = as_str_trim(as_str_sub(name, 5, name.len));
    return found;
}

static as_str search_of(const as_step_reader *r, as_str name, const as_json *attributes) {
    as_str found = first_text(attributes, search_keys), any = AS_STR("");
    if (found.len) return found;
    any = text_of(as_json_get(attributes, "query"));
    bool named = as_str_starts(name, AS_STR("search ")),
         like = named || is_so(r, SEARCH_NAME, name);
    for (const as_json *m = attributes ? attributes->child : NULL; m && !like; m = m->next)
        like = !as_str_is(m->key, "query") && is_so(r, SEARCH_KEY, m->key);
    if (any.len && like) return any;
    if (!named) return found;
    as_str rest = as_str_sub(name, 7, name.len);
    if (as_str_starts(rest, AS_STR("\""))) rest = as_str_sub(rest, 1, rest.len);
    if (as_str_ends(rest, AS_STR("\""))) rest.len--;
    return as_str_trim(rest);
}

// ---- steps ----

static void add_alias(as_step *step, as_str alias) {
    if (alias.len && step->alias_count < AS_STEP_ALIASES_MAX)
        step->aliases[step->alias_count++] = alias;
}

static as_str first_word(as_str text) {
    size_t end = 0;
    while (end < text.len && text.ptr[end] != ' ' && text.ptr[end] != '\t' && text.ptr[end] != '\n')
        end++;
    return as_str_sub(text, 0, end);
}

static as_step step_of(const as_step_reader *r, as_arena *arena, const as_json *span,
                       size_t place) {
    const as_json *attributes = as_json_get(span, "attributes");
    as_str name = as_json_str(span, "name", AS_STR(""));
    if (attributes && attributes->kind != AS_JSON_OBJECT) attributes = NULL;
    as_step step = {.start = as_json_f64(span, "startTime", NAN),
                    .end = as_json_f64(span, "endTime", NAN),
                    .place = place};
    as_str item = as_json_str(attributes, "codex.item.type", AS_STR(""));
    as_str tool = tool_of(r, arena, name, attributes);
    const as_json *arguments = arguments_of(r, arena, attributes);
    as_str command = command_of(r, arena, name, tool, attributes, arguments);
    as_str search = search_of(r, name, attributes);
    add_alias(&step, name);
    if (tool.len && !(command.len && is_shell(arena, tool))) {
        step.kind = AS_STEP_TOOL;
        step.arguments = arguments;
        add_alias(&step, tool);
    } else if (command.len) {
        step.kind = AS_STEP_COMMAND;
        add_alias(&step, command);
        add_alias(&step, tool);
        add_alias(&step, first_word(command));
    } else if (search.len) {
        step.kind = AS_STEP_SEARCH;
        add_alias(&step, search);
    } else if (as_str_is(item, "reasoning") || is_so(r, REASONING_NAME, name)) {
        step.kind = AS_STEP_REASONING;
        add_alias(&step, AS_STR("reasoning"));
    } else if (as_str_is(item, "agent_message") || as_str_is(name, "agent response") ||
               as_str_is(name, "send input")) {
        step.kind = AS_STEP_MESSAGE;
        add_alias(&step, AS_STR("message"));
    }
    return step;
}

const as_json *as_steps_spans(const as_scoring *scoring) {
    const as_json *trace = as_sample_field(scoring->sample, "trace");
    const as_json *spans = as_json_get(trace, "spans");
    if (!spans) spans = trace;
    return spans && spans->kind == AS_JSON_ARRAY && spans->count <= SPANS_MAX ? spans : NULL;
}

static int by_time(const void *x, const void *y) {
    const as_step *a = x, *b = y;
    double start[2] = {isnan(a->start) ? 0 : a->start, isnan(b->start) ? 0 : b->start};
    double end[2] = {isnan(a->end) ? start[0] : a->end, isnan(b->end) ? start[1] : b->end};
    if (start[0] != start[1]) return start[0] < start[1] ? -1 : 1;
    if (end[0] != end[1]) return end[0] < end[1] ? -1 : 1;
    return a->place < b->place ? -1 : a->place > b->place;
}

static as_steps steps_of_calls(const as_scoring *scoring) {
    as_tool_calls calls = as_tool_call_of(scoring, true);
    as_steps out = {AS_NEW_ARRAY(scoring->arena, as_step, calls.count + 1), calls.count};
    for (size_t i = 0; i < calls.count; i++) {
        const as_json *given = calls.items[i].arguments;
        out.items[i] = (as_step){.kind = AS_STEP_TOOL, .start = NAN, .end = NAN, .place = i};
        out.items[i].arguments = given ? given : as_json_new(scoring->arena, AS_JSON_OBJECT);
        add_alias(&out.items[i], calls.items[i].name);
    }
    return out;
}

as_steps as_steps_of(const as_step_reader *reader, const as_scoring *scoring) {
    const as_json *spans = as_steps_spans(scoring);
    if (!spans) return steps_of_calls(scoring);
    as_steps out = {AS_NEW_ARRAY(scoring->arena, as_step, spans->count + 1), 0};
    for (const as_json *m = spans->child; m; m = m->next, out.count++)
        out.items[out.count] = step_of(reader, scoring->arena, m, out.count);
    if (out.count) qsort(out.items, out.count, sizeof *out.items, by_time);
    return out;
}

bool as_steps_match(as_str pattern, as_str text) {
    size_t p = 0, t = 0, star = SIZE_MAX, again = 0;
    while (t < text.len) {
        size_t p_next = p, t_next = t;
        bool more = p < pattern.len;
        uint32_t wanted = more ? as_letter_lower(as_utf8_next(pattern, &p_next)) : 0;
        uint32_t found = as_letter_lower(as_utf8_next(text, &t_next));
        if (more && wanted == '*') {
            star = p = p_next;
            again = t;
        } else if (more && (wanted == '?' || wanted == found)) {
            p = p_next;
            t = t_next;
        } else if (star != SIZE_MAX) {
            p = star;
            as_utf8_next(text, &again);
            t = again;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*') p++;
    return p == pattern.len;
}
