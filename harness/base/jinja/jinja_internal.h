// SPDX-License-Identifier: Apache-2.0
// jinja_internal.h - the rooms inside the template interpreter; included by jinja.c and in this
// folder only.
//
//   jinja_lex.c     text -> tokens, with all white space rules
//   jinja_expr.c    tokens -> expressions          jinja_parse.c    tokens -> statements
//   jinja_value.c   values: equality, order, text  jinja_eval.c     expressions -> values
//   jinja_dump.c    values -> str(), repr(), JSON  jinja_call.c     functions, macros, methods
//   jinja_text.c, jinja_list.c, jinja_filter.c     what stands behind |
//   jinja_test.c    what stands behind `is`        jinja.c          statements -> output
//   jinja_names.c   which variables a template needs
//
// Values are as_json nodes. Three marks that JSON itself has no use for ride on `boolean`:
// a NULL is Undefined (then `text` is its name), an ARRAY is a tuple, an OBJECT is a namespace.
// A key that is an integer is its digits behind a byte that no text has (as_jinja_key).
// A number is an integer when its text has no point and no exponent. Trees are never changed once
// made, namespaces apart, so subtrees are shared; only nodes are copied, because siblings are
// linked through them.
#ifndef AS_JINJA_INTERNAL_H
#define AS_JINJA_INTERNAL_H

#include "harness/base/jinja.h"

enum {
    AS_JINJA_HEIGHT_MAX = 300,     // of an expression tree
    AS_JINJA_RECURSION_MAX = 2000, // of the interpreter, macros included
    AS_JINJA_RANGE_MAX = 100000,
    AS_JINJA_PARAMS_MAX = 8, // of a filter, test or method
};

typedef enum as_jinja_token_kind {
    AS_JINJA_END,
    AS_JINJA_DATA,
    AS_JINJA_VARIABLE_BEGIN,
    AS_JINJA_VARIABLE_END,
    AS_JINJA_BLOCK_BEGIN,
    AS_JINJA_BLOCK_END,
    AS_JINJA_NAME,
    AS_JINJA_NUMBER,
    AS_JINJA_TEXT,     // a string; its escapes are resolved
    AS_JINJA_OPERATOR, // 1 or 2 characters
} as_jinja_token_kind;

typedef struct as_jinja_token {
    as_jinja_token_kind kind;
    as_str text;
    size_t at; // offset in the source
} as_jinja_token;

typedef enum as_jinja_op {
    // Expressions.
    AS_JINJA_CONST,    // value
    AS_JINJA_VAR,      // text
    AS_JINJA_LIST,     // list: elements
    AS_JINJA_TUPLE,    // list: elements
    AS_JINJA_DICT,     // list: PAIRs
    AS_JINJA_PAIR,     // a: key, b: value
    AS_JINJA_ATTR,     // a . text
    AS_JINJA_ITEM,     // a [ b ]
    AS_JINJA_SLICE,    // a [ b : c : d ], each may be NULL
    AS_JINJA_CALL,     // a ( list of ARGs )
    AS_JINJA_ARG,      // text: keyword or empty; a
    AS_JINJA_FILTER,   // a | filter ( list of ARGs )
    AS_JINJA_TEST,     // a is test ( list of ARGs )
    AS_JINJA_NOT,      // a
    AS_JINJA_SIGN,     // sub: '-' or '+'; a
    AS_JINJA_AND,      // a, b
    AS_JINJA_OR,       // a, b
    AS_JINJA_COMPARE,  // a, list of RELATIONs
    AS_JINJA_RELATION, // sub: as_jinja_relation; a
    AS_JINJA_ARITH,    // a, b; sub: + - * / % and 'd' for //, 'p' for **
    AS_JINJA_CONCAT,   // list
    AS_JINJA_IF_ELSE,  // a if b else c; c may be NULL
    // Statements.
    AS_JINJA_OUTPUT, // text
    AS_JINJA_PRINT,  // a
    AS_JINJA_IF,     // list of BRANCHes
    AS_JINJA_BRANCH, // a: condition, NULL for else; list: body
    AS_JINJA_FOR,    // c: targets; a: what to go over; b: filter or NULL; list; other: else body
    AS_JINJA_SET,    // c: targets; a: value, or list: body when NULL
    AS_JINJA_TARGET, // text; b: CONST of the attribute for `set ns.attr`
    AS_JINJA_MACRO,  // text; c: parameters (ARG; a: default or NULL); list: body
    AS_JINJA_WITH,   // c: PAIRs (a: TARGET); list: body
    AS_JINJA_APPLY,  // {% filter %}: a: FILTER over a PIPED; list: body
    AS_JINJA_PIPED,  // the text that {% filter %} is applied to
    AS_JINJA_CALL_BLOCK, // a: CALL of a macro; b: MACRO `caller`, of the body
    AS_JINJA_BLOCK,      // list: body, as it stands ({% generation %})
    AS_JINJA_BREAK,
    AS_JINJA_CONTINUE,
} as_jinja_op;

typedef enum as_jinja_relation {
    AS_JINJA_EQ,
    AS_JINJA_NE,
    AS_JINJA_LT,
    AS_JINJA_LE,
    AS_JINJA_GT,
    AS_JINJA_GE,
    AS_JINJA_IN,
    AS_JINJA_NOT_IN,
} as_jinja_relation;

typedef struct as_jinja_filter as_jinja_filter;
typedef struct as_jinja_test as_jinja_test;

typedef struct as_jinja_node as_jinja_node;
struct as_jinja_node {
    as_jinja_op op;
    int sub;
    unsigned height;
    bool uses_loop; // FOR: the body names `loop`
    size_t at;      // offset in the source
    as_str text;
    const as_json *value;
    as_jinja_node *a, *b, *c, *d;
    as_jinja_node *list, *other;
    const as_jinja_filter *filter;
    const as_jinja_test *test;
    as_jinja_node *next; // sibling
};

struct as_jinja {
    as_str source; // with "\n" line ends
    const as_jinja_node *body;
};

as_rc as_jinja_lex(as_arena *arena, as_str source, const as_jinja_token **tokens, as_err *err);
// "line L, column C: message"
as_rc as_jinja_fail_at(as_str source, size_t at, as_err *err, const char *format, va_list args);

typedef struct as_jinja_parser {
    as_arena *arena;
    as_str source;
    const as_jinja_token *token; // the current one
    as_err *err;
    size_t depth, loops;
    bool saw_loop; // the name `loop` was read
} as_jinja_parser;

// Parsing functions return NULL after an error.
as_jinja_node *as_jinja_expr(as_jinja_parser *p);       // with `if else`, no bare tuple
as_jinja_node *as_jinja_expr_tuple(as_jinja_parser *p); // `a, b` makes a tuple
as_jinja_node *as_jinja_expr_or(as_jinja_parser *p);    // no `if else` at the top
// One filter; the current token is what stands before its name.
as_jinja_node *as_jinja_expr_filter(as_jinja_parser *p, as_jinja_node *operand);
as_jinja_node *as_jinja_expr_filters(as_jinja_parser *p, as_jinja_node *operand);
as_jinja_node *as_jinja_expr_node(as_jinja_parser *p, as_jinja_op op, as_jinja_node *a,
                                  as_jinja_node *b);
bool as_jinja_expr_push(as_jinja_parser *p, as_jinja_node *parent, as_jinja_node ***link,
                        as_jinja_node *child);
void *as_jinja_expr_fail(as_jinja_parser *p, const char *format, ...) AS_PRINTF(2, 3);
bool as_jinja_expr_is(const as_jinja_parser *p, const char *operator_);
bool as_jinja_expr_word(const as_jinja_parser *p, const char *name);
bool as_jinja_expr_skip(as_jinja_parser *p, const char *operator_); // true if it was there
bool as_jinja_expr_expect(as_jinja_parser *p, const char *operator_);
as_jinja_node *as_jinja_parse_body(as_jinja_parser *p); // a BLOCK of the whole template

typedef struct as_jinja_binding as_jinja_binding;
typedef struct as_jinja_scope as_jinja_scope;
struct as_jinja_binding {
    as_str name;
    as_json *value;             // NULL for a macro
    const as_jinja_node *macro; // NULL for a value
    as_jinja_scope *closure;    // that `caller` sees around it; NULL: the global one
    as_jinja_binding *next;
};

struct as_jinja_scope {
    as_jinja_binding *first;
    as_jinja_scope *parent;
};

typedef struct as_jinja_run {
    const as_jinja *template_;
    as_arena *arena;
    const as_json *variables;
    as_err *err;
    as_buf *out;
    size_t out_start;          // length of *out before anything was written
    const as_jinja_node *node; // where errors are placed
    size_t steps, depth, macro_depth;
    as_jinja_scope *scope, *global;
    as_str piped;
    bool lenient; // Undefined is an empty text, and a list without elements
} as_jinja_run;

// Running. Functions that give a value return NULL after an error.
void *as_jinja_fail(as_jinja_run *run, const char *format, ...) AS_PRINTF(2, 3);
void *as_jinja_fail_undefined(as_jinja_run *run, const as_json *value);
bool as_jinja_charge(as_jinja_run *run, size_t work); // false, and an error, past the limit
bool as_jinja_emit(as_jinja_run *run, as_str text);

as_json *as_jinja_eval(as_jinja_run *run, const as_jinja_node *node);
as_json *as_jinja_eval_attr(as_jinja_run *run, as_json *object, as_str name);
// a.b.c or a list index in it, as the `attribute` arguments of filters have it.
// What is missing on the way becomes `otherwise`, if there is one.
as_json *as_jinja_eval_path(as_jinja_run *run, as_json *object, const as_json *path,
                            as_json *otherwise);
as_jinja_binding *as_jinja_lookup(const as_jinja_run *run, as_str name);
void as_jinja_bind(as_jinja_run *run, as_str name, as_json *value, const as_jinja_node *macro);

typedef enum as_jinja_flow {
    AS_JINJA_FLOW_NEXT,
    AS_JINJA_FLOW_BREAK,
    AS_JINJA_FLOW_CONTINUE,
    AS_JINJA_FLOW_FAILED,
} as_jinja_flow;
as_jinja_flow as_jinja_exec(as_jinja_run *run, const as_jinja_node *list);
// Runs a body and gives what it wrote.
bool as_jinja_capture(as_jinja_run *run, const as_jinja_node *list, as_str *out);

// Calls.
typedef struct as_jinja_args {
    as_json **values;
    as_str *names; // empty: positional; keywords come last
    size_t count;
} as_jinja_args;
bool as_jinja_args_eval(as_jinja_run *run, const as_jinja_node *list, as_jinja_args *out);
// Puts arguments in the order of `params` ("a b c"), NULL where not given.
bool as_jinja_args_bind(as_jinja_run *run, const char *what, const as_jinja_args *args,
                        const char *params, as_json *out[AS_JINJA_PARAMS_MAX]);
// args[index], or the text given; false and an error when it is no string.
bool as_jinja_args_text(as_jinja_run *run, as_json **args, size_t index, as_str otherwise,
                        as_str *out);
bool as_jinja_args_int(as_jinja_run *run, as_json **args, size_t index, int64_t otherwise,
                       int64_t *out);
bool as_jinja_args_truth(as_json **args, size_t index, bool otherwise);
// `caller` is a MACRO that the one called finds under this name, or NULL.
as_json *as_jinja_call(as_jinja_run *run, const as_jinja_node *node, const as_jinja_node *caller);
as_json *as_jinja_method(as_jinja_run *run, as_json *object, as_str name,
                         const as_jinja_args *args);

struct as_jinja_filter {
    const char *name;
    const char *params; // NULL: `apply_args` takes them as they come
    as_json *(*apply)(as_jinja_run *run, as_json *value, as_json **args);
    as_json *(*apply_args)(as_jinja_run *run, as_json *value, const as_jinja_args *args);
    bool takes_undefined; // also where that is an error
};
extern const as_jinja_filter as_jinja_text_filters[]; // each table ends with a NULL name
extern const as_jinja_filter as_jinja_list_filters[];
extern const as_jinja_filter as_jinja_value_filters[];
extern const as_jinja_filter as_jinja_text_methods[];
const as_jinja_filter *as_jinja_filter_find(as_str name);
const char *as_jinja_filter_nearest(as_str name);
as_json *as_jinja_filter_apply(as_jinja_run *run, const as_jinja_filter *filter, as_json *value,
                               const as_jinja_args *args);

struct as_jinja_test {
    const char *name;
    // 1, 0 or -1 after an error. `arg` is NULL when none is given.
    int (*holds)(as_jinja_run *run, const as_json *value, as_json *arg);
    bool needs_arg;
};
const as_jinja_test *as_jinja_test_find(as_str name);
const char *as_jinja_test_nearest(as_str name);
int as_jinja_test_apply(as_jinja_run *run, const as_jinja_test *test, const as_json *value,
                        const as_jinja_args *args);

// Values.
as_json *as_jinja_undefined(as_jinja_run *run, as_str name);
as_json *as_jinja_none(as_jinja_run *run);
as_json *as_jinja_bool(as_jinja_run *run, bool value);
as_json *as_jinja_int(as_jinja_run *run, int64_t value);
as_json *as_jinja_float(as_jinja_run *run, double value);
as_json *as_jinja_str(as_jinja_run *run, as_str value);     // charges for the bytes
as_json *as_jinja_take_buf(as_jinja_run *run, as_buf *buf); // a string of it; frees it

bool as_jinja_is_undefined(const as_json *value);
bool as_jinja_is_int(const as_json *value);                 // true and false are no integers here
bool as_jinja_is_number(const as_json *value, double *out); // or a boolean
bool as_jinja_int_of(const as_json *value, int64_t *out);   // an integer or a boolean
bool as_jinja_truth(const as_json *value);
const char *as_jinja_kind(const as_json *value); // "a string", "undefined", ...

typedef struct as_jinja_builder {
    as_json *list;
    as_json **link;
} as_jinja_builder;
as_jinja_builder as_jinja_build(as_jinja_run *run, as_json_kind kind);
bool as_jinja_push(as_jinja_run *run, as_jinja_builder *to, const as_json *value); // a copy
bool as_jinja_put(as_jinja_run *run, as_jinja_builder *to, as_str key, const as_json *value);
// What a string or an integer is as the key of an OBJECT (false: it is neither), and back.
bool as_jinja_key(as_jinja_run *run, const as_json *value, as_str *out);
as_json as_jinja_key_value(as_str key);
// What `for` goes over: elements of lists, keys, characters. NULL and an error for the rest.
as_json *as_jinja_elements(as_jinja_run *run, const as_json *value);

int as_jinja_equal(as_jinja_run *run, const as_json *a, const as_json *b); // 1, 0, -1 error
bool as_jinja_order(as_jinja_run *run, const as_json *a, const as_json *b, int *order);
int as_jinja_contains(as_jinja_run *run, const as_json *inside, const as_json *what);
// str(): false and an error for Undefined.
bool as_jinja_text(as_jinja_run *run, const as_json *value, as_str *out);

typedef struct as_jinja_dump {
    bool ascii, sort_keys;
    as_str indent; // ptr NULL: one line
    as_str item_separator, key_separator;
} as_jinja_dump;
bool as_jinja_dump_json(as_jinja_run *run, as_buf *buf, const as_json *value,
                        const as_jinja_dump *how, size_t depth);

#endif
