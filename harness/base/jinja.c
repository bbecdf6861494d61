// SPDX-License-Identifier: Apache-2.0
// Statements to output, and the door: parse and render.
#include "harness/base/jinja/jinja_internal.h"

#include <string.h>

void *as_jinja_fail(as_jinja_run *run, const char *format, ...) {
    va_list args;
    va_start(args, format);
    as_jinja_fail_at(run->template_->source, run->node ? run->node->at : 0, run->err, format, args);
    va_end(args);
    return NULL;
}

void *as_jinja_fail_undefined(as_jinja_run *run, const as_json *value) {
    return as_jinja_fail(run, "'%.*s' is undefined", AS_STR_ARG(value->text));
}

bool as_jinja_charge(as_jinja_run *run, size_t work) {
    if (work <= AS_JINJA_STEPS_MAX - run->steps) {
        run->steps += work;
        return true;
    }
    return as_jinja_fail(run, "the template takes more than %d steps", AS_JINJA_STEPS_MAX) != NULL;
}

bool as_jinja_emit(as_jinja_run *run, as_str text) {
    if (run->out->len - run->out_start + text.len > AS_JINJA_OUTPUT_MAX)
        return as_jinja_fail(run, "the output grows past %d bytes", AS_JINJA_OUTPUT_MAX) != NULL;
    as_buf_str(run->out, text);
    return true;
}

bool as_jinja_capture(as_jinja_run *run, const as_jinja_node *list, as_str *out) {
    as_buf text = {0}, *outer = run->out;
    size_t outer_start = run->out_start;
    run->out = &text;
    run->out_start = 0;
    bool ok = as_jinja_exec(run, list) != AS_JINJA_FLOW_FAILED;
    run->out = outer;
    run->out_start = outer_start;
    if (ok) *out = as_str_copy(run->arena, as_buf_view(&text));
    as_buf_free(&text);
    return ok;
}

static as_jinja_flow exec_print(as_jinja_run *run, const as_jinja_node *node) {
    as_str text;
    const as_json *value = as_jinja_eval(run, node->a);
    run->node = node->a;
    bool ok = value && as_jinja_text(run, value, &text) && as_jinja_emit(run, text);
    return ok ? AS_JINJA_FLOW_NEXT : AS_JINJA_FLOW_FAILED;
}

static as_jinja_flow exec_if(as_jinja_run *run, const as_jinja_node *node) {
    for (const as_jinja_node *branch = node->list; branch; branch = branch->next) {
        const as_json *holds = branch->a ? as_jinja_eval(run, branch->a) : NULL;
        if (branch->a && !holds) return AS_JINJA_FLOW_FAILED;
        if (!branch->a || as_jinja_truth(holds)) return as_jinja_exec(run, branch->list);
    }
    return AS_JINJA_FLOW_NEXT;
}

// `set ns.name = value`: the one place where a value changes. Copies of the namespace may be held
// elsewhere, so its members are written anew and the old list stays as it is.
static bool set_attribute(as_jinja_run *run, const as_jinja_node *target, const as_json *value) {
    const as_jinja_binding *b = as_jinja_lookup(run, target->text);
    as_json *object = b ? b->value : NULL;
    run->node = target;
    if (!object || object->kind != AS_JSON_OBJECT || !object->boolean)
        return as_jinja_fail(run, "'%.*s' is no namespace", AS_STR_ARG(target->text)) != NULL;
    as_jinja_builder fresh = as_jinja_build(run, AS_JSON_OBJECT);
    as_str name = target->b->text;
    bool there = false;
    for (const as_json *m = object->child; m; m = m->next) {
        bool hit = as_str_eq(m->key, name);
        there = there || hit;
        if (!as_jinja_put(run, &fresh, m->key, hit ? value : m)) return false;
    }
    if (!there && !as_jinja_put(run, &fresh, name, value)) return false;
    object->child = fresh.list->child;
    object->count = fresh.list->count;
    return true;
}

static bool assign(as_jinja_run *run, const as_jinja_node *targets, as_json *value) {
    if (!targets->next) {
        if (targets->b) return set_attribute(run, targets, value);
        as_jinja_bind(run, targets->text, value, NULL);
        return true;
    }
    size_t count = 0;
    for (const as_jinja_node *t = targets; t; t = t->next) count++;
    const as_json *elements = as_jinja_elements(run, value);
    if (!elements) return false;
    if (elements->count != count)
        return as_jinja_fail(run, "%zu names for %zu values", count, elements->count) != NULL;
    as_json *element = elements->child;
    for (const as_jinja_node *t = targets; t; t = t->next, element = element->next) {
        if (t->b && !set_attribute(run, t, element)) return false;
        if (!t->b) as_jinja_bind(run, t->text, element, NULL);
    }
    return true;
}

static as_jinja_flow exec_set(as_jinja_run *run, const as_jinja_node *node) {
    as_json *value;
    if (node->a) {
        value = as_jinja_eval(run, node->a);
    } else {
        as_str text, piped = run->piped;
        // The body has names of its own.
        as_jinja_scope inner = {.parent = run->scope};
        run->scope = &inner;
        bool ok = as_jinja_capture(run, node->list, &text);
        run->scope = inner.parent;
        if (!ok) return AS_JINJA_FLOW_FAILED;
        run->piped = text;
        value = node->other ? as_jinja_eval(run, node->other) : as_jinja_str(run, text);
        run->piped = piped;
    }
    run->node = node;
    return value && assign(run, node->c, value) ? AS_JINJA_FLOW_NEXT : AS_JINJA_FLOW_FAILED;
}

static as_json *make_loop(as_jinja_run *run, const as_json *list, const as_json *element,
                          const as_json *previous, size_t index) {
    as_jinja_builder loop = as_jinja_build(run, AS_JSON_OBJECT);
    size_t left = list->count - index;
    const struct {
        const char *name;
        const as_json *value;
    } members[] = {
        {"index", as_jinja_int(run, (int64_t)index + 1)},
        {"index0", as_jinja_int(run, (int64_t)index)},
        {"revindex", as_jinja_int(run, (int64_t)left)},
        {"revindex0", as_jinja_int(run, (int64_t)left - 1)},
        {"first", as_jinja_bool(run, index == 0)},
        {"last", as_jinja_bool(run, left == 1)},
        {"length", as_jinja_int(run, (int64_t)list->count)},
        {"depth", as_jinja_int(run, 1)}, // of recursive loops, which there are none of
        {"depth0", as_jinja_int(run, 0)},
        {"previtem", previous},
        {"nextitem", element->next},
    };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (members[i].value &&
            !as_jinja_put(run, &loop, as_str_of(members[i].name), members[i].value))
            return NULL;
    return loop.list;
}

// The elements for which the condition of `for ... if` holds.
static as_json *filtered(as_jinja_run *run, const as_jinja_node *node, const as_json *list) {
    as_jinja_builder kept = as_jinja_build(run, AS_JSON_ARRAY);
    as_jinja_scope inner = {.parent = run->scope};
    run->scope = &inner;
    bool ok = true;
    for (as_json *element = list->child; element && ok; element = element->next) {
        inner.first = NULL;
        const as_json *holds = assign(run, node->c, element) ? as_jinja_eval(run, node->b) : NULL;
        ok = holds && (!as_jinja_truth(holds) || as_jinja_push(run, &kept, element));
    }
    run->scope = inner.parent;
    return ok ? kept.list : NULL;
}

// *completed: a turn went through its whole body.
static as_jinja_flow exec_loop(as_jinja_run *run, const as_jinja_node *node, const as_json *list,
                               bool *completed) {
    as_jinja_scope inner = {.parent = run->scope};
    as_jinja_flow flow = AS_JINJA_FLOW_NEXT;
    const as_json *previous = NULL;
    size_t index = 0;
    run->scope = &inner;
    for (as_json *element = list->child; element; element = element->next, index++) {
        inner.first = NULL; // what the body sets is gone with each turn
        run->node = node;
        flow = AS_JINJA_FLOW_FAILED;
        if (!as_jinja_charge(run, 1) || !assign(run, node->c, element)) break;
        if (node->uses_loop) {
            as_json *loop = make_loop(run, list, element, previous, index);
            if (!loop) break;
            as_jinja_bind(run, AS_STR("loop"), loop, NULL);
        }
        flow = as_jinja_exec(run, node->list);
        if (flow == AS_JINJA_FLOW_BREAK || flow == AS_JINJA_FLOW_FAILED) break;
        if (flow == AS_JINJA_FLOW_NEXT) *completed = true;
        previous = element;
    }
    run->scope = inner.parent;
    return flow == AS_JINJA_FLOW_FAILED ? flow : AS_JINJA_FLOW_NEXT;
}

// The else body runs when no turn was completed: Jinja counts one that `break` or `continue` cut
// short as none.
static as_jinja_flow exec_for(as_jinja_run *run, const as_jinja_node *node) {
    const as_json *over = as_jinja_eval(run, node->a);
    run->node = node->a;
    const as_json *list = over ? as_jinja_elements(run, over) : NULL;
    if (list && node->b) list = filtered(run, node, list);
    if (!list) return AS_JINJA_FLOW_FAILED;
    bool completed = false;
    as_jinja_flow flow = exec_loop(run, node, list, &completed);
    if (flow == AS_JINJA_FLOW_FAILED || completed || !node->other) return flow;
    return as_jinja_exec(run, node->other->list);
}

static as_jinja_flow exec_with(as_jinja_run *run, const as_jinja_node *node) {
    as_jinja_scope inner = {.parent = run->scope};
    as_jinja_flow flow = AS_JINJA_FLOW_NEXT;
    for (const as_jinja_node *pair = node->c; pair; pair = pair->next) {
        as_json *value = as_jinja_eval(run, pair->b); // sees the names outside
        if (!value) return AS_JINJA_FLOW_FAILED;
        run->scope = &inner;
        as_jinja_bind(run, pair->a->text, value, NULL);
        run->scope = inner.parent;
    }
    run->scope = &inner;
    flow = as_jinja_exec(run, node->list);
    run->scope = inner.parent;
    return flow;
}

static as_jinja_flow exec_apply(as_jinja_run *run, const as_jinja_node *node) {
    as_str text, piped = run->piped;
    if (!as_jinja_capture(run, node->list, &text)) return AS_JINJA_FLOW_FAILED;
    run->piped = text;
    const as_json *value = as_jinja_eval(run, node->a);
    run->piped = piped;
    run->node = node;
    bool ok = value && as_jinja_text(run, value, &text) && as_jinja_emit(run, text);
    return ok ? AS_JINJA_FLOW_NEXT : AS_JINJA_FLOW_FAILED;
}

// {% call macro(..) %}: the macro finds the body as `caller`.
static as_jinja_flow exec_call_block(as_jinja_run *run, const as_jinja_node *node) {
    as_str text;
    const as_json *value = as_jinja_call(run, node->a, node->b);
    run->node = node;
    bool ok = value && as_jinja_text(run, value, &text) && as_jinja_emit(run, text);
    return ok ? AS_JINJA_FLOW_NEXT : AS_JINJA_FLOW_FAILED;
}

static as_jinja_flow exec_one(as_jinja_run *run, const as_jinja_node *node) {
    switch (node->op) {
    case AS_JINJA_OUTPUT:
        return as_jinja_emit(run, node->text) ? AS_JINJA_FLOW_NEXT : AS_JINJA_FLOW_FAILED;
    case AS_JINJA_PRINT:
        return exec_print(run, node);
    case AS_JINJA_IF:
        return exec_if(run, node);
    case AS_JINJA_FOR:
        return exec_for(run, node);
    case AS_JINJA_SET:
        return exec_set(run, node);
    case AS_JINJA_MACRO:
        as_jinja_bind(run, node->text, NULL, node);
        return AS_JINJA_FLOW_NEXT;
    case AS_JINJA_WITH:
        return exec_with(run, node);
    case AS_JINJA_APPLY:
        return exec_apply(run, node);
    case AS_JINJA_CALL_BLOCK:
        return exec_call_block(run, node);
    case AS_JINJA_BLOCK:
        return as_jinja_exec(run, node->list);
    case AS_JINJA_BREAK:
        return AS_JINJA_FLOW_BREAK;
    case AS_JINJA_CONTINUE:
        return AS_JINJA_FLOW_CONTINUE;
    default:
        as_jinja_fail(run, "not a statement");
        return AS_JINJA_FLOW_FAILED;
    }
}

as_jinja_flow as_jinja_exec(as_jinja_run *run, const as_jinja_node *list) {
    if (run->depth >= AS_JINJA_RECURSION_MAX) {
        as_jinja_fail(run, "nested too deeply");
        return AS_JINJA_FLOW_FAILED;
    }
    as_jinja_flow flow = AS_JINJA_FLOW_NEXT;
    run->depth++;
    for (; list && flow == AS_JINJA_FLOW_NEXT; list = list->next) {
        run->node = list;
        flow = as_jinja_charge(run, 1) ? exec_one(run, list) : AS_JINJA_FLOW_FAILED;
    }
    run->depth--;
    return flow;
}

// Line ends become "\n" and one at the end goes, as Jinja reads its templates.
static as_str normalize(as_arena *arena, as_str text) {
    char *out = as_arena_take(arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\r' && i + 1 < text.len && text.ptr[i + 1] == '\n') continue;
        out[len++] = text.ptr[i] == '\r' ? '\n' : text.ptr[i];
    }
    if (len && out[len - 1] == '\n') len--;
    out[len] = '\0';
    return (as_str){out, len};
}

as_rc as_jinja_parse(as_arena *arena, as_str text, const as_jinja **out, as_err *err) {
    as_err ignored;
    if (!err) err = &ignored;
    as_jinja *template_ = AS_NEW(arena, as_jinja);
    const as_jinja_token *tokens;
    template_->source = normalize(arena, text);
    as_rc rc = as_jinja_lex(arena, template_->source, &tokens, err);
    if (rc) return rc;
    as_jinja_parser parser = {
        .arena = arena, .source = template_->source, .token = tokens, .err = err};
    template_->body = as_jinja_parse_body(&parser);
    if (!template_->body) return AS_INVALID;
    *out = template_;
    return AS_OK;
}

static as_rc render(const as_jinja *template_, as_arena *arena, const as_json *variables,
                    bool lenient, as_buf *out, as_err *err) {
    as_jinja_scope global = {0};
    as_jinja_run run = {.template_ = template_,
                        .arena = arena,
                        .variables = variables,
                        .err = err,
                        .out = out,
                        .out_start = out->len,
                        .scope = &global,
                        .global = &global,
                        .lenient = lenient,
                        .piped = {"", 0}};
    if (as_jinja_exec(&run, template_->body->list) != AS_JINJA_FLOW_FAILED) return AS_OK;
    out->len = run.out_start; // nothing of a failed rendering stays
    if (out->ptr) out->ptr[out->len] = '\0';
    return AS_INVALID;
}

as_rc as_jinja_render(const as_jinja *template_, as_arena *arena, const as_json *variables,
                      as_buf *out, as_err *err) {
    return render(template_, arena, variables, false, out, err);
}

as_rc as_jinja_render_chat(const as_jinja *template_, as_arena *arena, const as_json *variables,
                           as_buf *out, as_err *err) {
    return render(template_, arena, variables, true, out, err);
}
