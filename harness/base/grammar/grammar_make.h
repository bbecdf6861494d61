// SPDX-License-Identifier: Apache-2.0
// grammar_make.h - how the readers of grammars build one: expressions, each used in one place, and
// rules that name them. Private to harness/base/grammar.
#ifndef AS_GRAMMAR_MAKE_H
#define AS_GRAMMAR_MAKE_H

#include "harness/base/grammar/grammar.h"
#include "harness/base/map.h"

typedef uint32_t as_gx; // an expression

// Code points from..to.
typedef struct as_points {
    uint32_t from, to;
} as_points;

enum { AS_POINT_LAST = 0x10ffff, AS_REPEAT_ENDLESS = -1 };

// A set of code points under way; a zeroed one is empty. The caller frees `items`.
typedef struct as_point_set {
    as_points *items; // [count] after as_points_tidy in order and apart
    size_t count, cap;
} as_point_set;

void as_points_add(as_point_set *set, uint32_t from, uint32_t to);
void as_points_tidy(as_point_set *set);   // surrogates, which no text has, go
void as_points_invert(as_point_set *set); // of all code points

typedef struct as_maker_node as_maker_node;

typedef struct as_maker_rule {
    as_str name;
    as_gx body;
    bool defined;
    size_t line, column; // where it was named first
} as_maker_rule;

typedef struct as_maker {
    as_arena arena;
    as_maker_node *nodes;
    size_t node_count, node_cap;
    as_maker_rule *rules;
    size_t rule_count, rule_cap;
    as_map names;
} as_maker; // a zeroed one is ready

void as_maker_free(as_maker *maker);

as_gx as_gx_text(as_maker *maker, as_str bytes); // copied
as_gx as_gx_points(as_maker *maker, const as_point_set *tidy);
as_gx as_gx_sequence(as_maker *maker); // of nothing: the empty text
as_gx as_gx_either(as_maker *maker);   // of nothing: no text
void as_gx_add(as_maker *maker, as_gx list, as_gx item);
as_gx as_gx_repeat(as_maker *maker, as_gx item, int64_t least, int64_t most);
as_gx as_gx_call(as_maker *maker, uint32_t rule);

// The rule of a name, which may be defined later; rules without a name are made with "".
uint32_t as_maker_rule_of(as_maker *maker, as_str name, size_t line, size_t column);
void as_maker_define(as_maker *maker, uint32_t rule, as_gx body);

// All rules are defined. `root` is what a text is.
as_rc as_maker_compile(as_maker *maker, uint32_t root, as_grammar **out, as_err *err) AS_MUST_USE;

// Readers.
as_rc as_grammar_of_gbnf(as_str text, as_grammar **out, as_err *err) AS_MUST_USE;
as_rc as_grammar_of_regex(as_str pattern, as_grammar **out, as_err *err) AS_MUST_USE;
as_rc as_grammar_of_schema(const as_json *schema, as_grammar **out, as_err *err) AS_MUST_USE;

// The texts that a regular expression matches, as an expression. `json`: as they are written
// between the quotes of a JSON string, of which it need match only a part, unless anchored.
as_rc as_gx_regex(as_maker *maker, as_str pattern, bool json, as_gx *out, as_err *err) AS_MUST_USE;

// One character between the quotes of a JSON string: those of the set, escaped where they must be.
as_gx as_gx_json_points(as_maker *maker, const as_point_set *tidy);

// --- compiled ---------------------------------------------------------------------------------

typedef struct as_grammar_edge {
    uint32_t to;
    unsigned char from_byte, to_byte;
} as_grammar_edge;

typedef struct as_grammar_call {
    uint32_t rule, to;
    bool last; // nothing can follow in this rule: there is nothing to come back to
} as_grammar_call;

// edges of state s: edges[edge_at[s]] to edges[edge_at[s + 1] - 1]; hops (to go to without a byte)
// and calls alike. Only what can still be ended.
struct as_grammar {
    size_t state_count, rule_count, class_count;
    uint32_t root;
    uint32_t *starts; // [rule_count]
    bool *final;      // [state_count]
    uint32_t *edge_at, *hop_at, *call_at;
    as_grammar_edge *edges;
    uint32_t *hops;
    as_grammar_call *calls;
    unsigned char classes[256]; // bytes that no edge tells apart have one number
};

#endif
