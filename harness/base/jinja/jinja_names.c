// SPDX-License-Identifier: Apache-2.0
// Which variables a template cannot do without. A walk over the tree that knows what is bound
// where; generous where a template tests for a name first: what is then missing after all is
// reported when it is rendered.
#include "harness/base/jinja/jinja_internal.h"

typedef struct name_list name_list;
struct name_list {
    as_str name;
    name_list *next;
};

typedef struct walker {
    as_arena *arena;
    name_list *known; // bound, or tested for, where the walk is
    name_list *found, **link;
    size_t count;
} walker;

static bool listed(const name_list *list, as_str name) {
    for (; list; list = list->next)
        if (as_str_eq(list->name, name)) return true;
    return false;
}

static void know(walker *w, as_str name) {
    name_list *entry = AS_NEW(w->arena, name_list);
    *entry = (name_list){name, w->known};
    w->known = entry;
}

static void need(walker *w, as_str name) {
    static const char *const globals[] = {
        "range", "namespace", "raise_exception", "dict", "strftime_now", "loop", NULL};
    for (size_t i = 0; globals[i]; i++)
        if (as_str_is(name, globals[i])) return;
    if (listed(w->known, name) || listed(w->found, name)) return;
    name_list *entry = AS_NEW(w->arena, name_list);
    entry->name = name;
    *w->link = entry;
    w->link = &entry->next;
    w->count++;
}

static bool is_word(const as_jinja_node *node, as_str name, const char *a, const char *b) {
    return node->op == AS_JINJA_VAR && (as_str_is(name, a) || as_str_is(name, b));
}

static void walk(walker *w, const as_jinja_node *node);

static void walk_list(walker *w, const as_jinja_node *list) {
    for (; list; list = list->next) walk(w, list);
}

// Names that a condition looks at without needing them: `x`, `not x`, `x is defined`, and those
// joined by and/or. They are known from here on.
static void walk_condition(walker *w, const as_jinja_node *node) {
    bool joins = node->op == AS_JINJA_AND || node->op == AS_JINJA_OR;
    if (node->op == AS_JINJA_VAR) {
        know(w, node->text);
    } else if (node->op == AS_JINJA_NOT || joins) {
        walk_condition(w, node->a);
        if (joins) walk_condition(w, node->b);
    } else {
        walk(w, node);
        bool tests =
            node->op == AS_JINJA_TEST && is_word(node->a, node->text, "defined", "undefined");
        if (tests) know(w, node->a->text);
    }
}

static void walk_targets(walker *w, const as_jinja_node *targets) {
    for (; targets; targets = targets->next)
        if (!targets->b) know(w, targets->text);
}

// A body whose names are gone behind it.
static void walk_body(walker *w, const as_jinja_node *targets, const as_jinja_node *condition,
                      const as_jinja_node *body) {
    name_list *outer = w->known;
    walk_targets(w, targets);
    if (condition) walk_condition(w, condition);
    walk_list(w, body);
    w->known = outer;
}

// What the branches set stays known behind them, and so does what they only tested for.
static void walk_if(walker *w, const as_jinja_node *node) {
    for (const as_jinja_node *branch = node->list; branch; branch = branch->next) {
        if (branch->a) walk_condition(w, branch->a);
        walk_list(w, branch->list);
    }
}

static void walk_macro(walker *w, const as_jinja_node *node) {
    know(w, node->text);
    name_list *outer = w->known;
    for (const as_jinja_node *p = node->c; p; p = p->next) {
        if (p->a) walk(w, p->a);
        know(w, p->text);
    }
    know(w, AS_STR("caller"));
    walk_list(w, node->list);
    w->known = outer;
}

static void walk_choice(walker *w, const as_jinja_node *node) {
    name_list *outer = w->known;
    const as_jinja_node *condition = node->op == AS_JINJA_IF_ELSE ? node->b : node->a;
    const as_jinja_node *then = node->op == AS_JINJA_IF_ELSE ? node->a : node->b;
    walk_condition(w, condition);
    walk(w, then);
    if (node->c) walk(w, node->c);
    w->known = outer;
}

static void walk_test_or_default(walker *w, const as_jinja_node *node) {
    bool spares = node->op == AS_JINJA_FILTER
                      ? is_word(node->a, node->text, "default", "d")
                      : is_word(node->a, node->text, "defined", "undefined");
    if (!spares) walk(w, node->a);
    walk_list(w, node->list);
}

static void walk_with(walker *w, const as_jinja_node *node) {
    name_list *outer = w->known;
    for (const as_jinja_node *pair = node->c; pair; pair = pair->next) walk(w, pair->b);
    for (const as_jinja_node *pair = node->c; pair; pair = pair->next) know(w, pair->a->text);
    walk_list(w, node->list);
    w->known = outer;
}

static void walk(walker *w, const as_jinja_node *node) {
    const as_jinja_node *parts[] = {node->a, node->b, node->c, node->d};
    switch (node->op) {
    case AS_JINJA_VAR:
        need(w, node->text);
        return;
    case AS_JINJA_FILTER:
    case AS_JINJA_TEST:
        walk_test_or_default(w, node);
        return;
    case AS_JINJA_AND:
    case AS_JINJA_OR:
    case AS_JINJA_IF_ELSE:
        walk_choice(w, node);
        return;
    case AS_JINJA_IF:
        walk_if(w, node);
        return;
    case AS_JINJA_FOR:
        walk(w, node->a);
        walk_body(w, node->c, node->b, node->list);
        if (node->other) walk_body(w, NULL, NULL, node->other->list);
        return;
    case AS_JINJA_SET:
        if (node->a) walk(w, node->a);
        walk_body(w, NULL, NULL, node->list);
        if (node->other) walk(w, node->other);
        walk_targets(w, node->c);
        return;
    case AS_JINJA_CALL_BLOCK:
        walk(w, node->a);
        walk_macro(w, node->b);
        return;
    case AS_JINJA_MACRO:
        walk_macro(w, node);
        return;
    case AS_JINJA_WITH:
        walk_with(w, node);
        return;
    default:
        break;
    }
    for (size_t i = 0; i < 4; i++)
        if (parts[i]) walk(w, parts[i]);
    walk_list(w, node->list);
}

void as_jinja_names(const as_jinja *template_, as_arena *arena, const as_str **out, size_t *count) {
    walker w = {.arena = arena};
    w.link = &w.found;
    walk_list(&w, template_->body->list);
    as_str *names = AS_NEW_ARRAY(arena, as_str, w.count + 1);
    size_t i = 0;
    for (const name_list *n = w.found; n; n = n->next) names[i++] = n->name;
    *out = names;
    *count = w.count;
}
