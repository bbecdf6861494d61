// SPDX-License-Identifier: Apache-2.0
// Grammars against what others say which texts they have (grammar_vectors.jsonl, made by
// make_grammar_vectors.py: llama.cpp, Python's re, jsonschema), random ones against a recognizer by
// brute force, their limits and their messages.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/clock.h"
#include "harness/base/grammar/recognizer.h"
#include "harness/base/rng.h"
#include "tests/base/vectors.h"

enum { SIZE_MAX_HERE = 32 << 20 };

static as_rc compile(as_constraint_kind kind, const as_json *source, as_str text, as_grammar **out,
                     as_err *err) {
    as_constraint_spec spec = {.kind = kind, .text = text, .schema = source};
    return as_grammar_of(&spec, out, err);
}

static as_constraint_kind kind_of(as_str name) {
    for (int kind = AS_CONSTRAINT_CHOICES; kind < AS_CONSTRAINT_GRAMMAR; kind++)
        if (as_str_is(name, as_constraint_name((as_constraint_kind)kind)))
            return (as_constraint_kind)kind;
    return AS_CONSTRAINT_GRAMMAR;
}

static size_t check_texts(as_recognizer *r, const as_json *source, const as_json *texts, bool in) {
    size_t failed = 0;
    for (const as_json *t = texts ? texts->child : NULL; t; t = t->next) {
        if (as_recognizer_accepts(r, t->text) == in) continue;
        as_buf where = {0};
        as_json_write(&where, source);
        print_error("%s\n  %s: '%.*s'\n", where.ptr, in ? "refuses" : "accepts",
                    AS_STR_ARG(t->text));
        as_buf_free(&where);
        failed++;
    }
    return failed;
}

static size_t check_vector(as_arena *arena, const as_json *vector, unsigned long long line) {
    (void)arena, (void)line;
    const as_json *source = as_json_get(vector, "source"), *error = as_json_get(vector, "error");
    as_constraint_kind kind = kind_of(as_json_str(vector, "kind", AS_STR("")));
    as_grammar *grammar = NULL;
    as_err err = {0};
    as_rc rc = compile(kind, source, source->text, &grammar, &err);
    if (error) {
        bool fine =
            rc && err.text[0] && as_str_find(as_str_of(err.text), error->text, 0) != SIZE_MAX;
        if (!fine) print_error("'%.*s': %s\n", AS_STR_ARG(source->text), rc ? err.text : "fine?");
        as_grammar_free(grammar);
        return !fine;
    }
    if (rc) {
        print_error("'%.*s': %s\n", AS_STR_ARG(source->text), err.text);
        return 1;
    }
    as_recognizer *r = as_recognizer_new(grammar, SIZE_MAX_HERE);
    size_t failed = check_texts(r, source, as_json_get(vector, "accepts"), true);
    failed += check_texts(r, source, as_json_get(vector, "refuses"), false);
    as_recognizer_free(r);
    as_grammar_free(grammar);
    return failed;
}

static void test_vectors(void **state) {
    (void)state;
    assert_true(check_vectors("tests/base/grammar_vectors.jsonl", check_vector) > 100);
}

// --- random grammars
// ------------------------------------------------------------------------------

enum { RULES = 3, ITEMS = 3, ALTERNATIVES = 3 };

// rule -> alternatives -> items: 'a', 'b', or a rule (0..), each once, ?, * or +.
typedef struct item {
    int what; // -1: 'a', -2: 'b', else a rule
    char times;
} item;

typedef struct random_grammar {
    item items[RULES][ALTERNATIVES][ITEMS];
    int counts[RULES][ALTERNATIVES], alternatives[RULES];
} random_grammar;

// Rules call later ones anywhere, and any rule behind a letter: nothing is left-recursive.
static random_grammar draw_grammar(as_rng *rng) {
    random_grammar g = {0};
    for (int r = 0; r < RULES; r++) {
        g.alternatives[r] = 1 + (int)as_rng_below(rng, ALTERNATIVES);
        for (int a = 0; a < g.alternatives[r]; a++) {
            g.counts[r][a] = (int)as_rng_below(rng, ITEMS + 1);
            bool letter = false;
            for (int i = 0; i < g.counts[r][a]; i++) {
                int from = letter ? 0 : r + 1;
                int what = (int)as_rng_below(rng, 4);
                bool call = what < 2 && from < RULES;
                g.items[r][a][i].what =
                    call ? from + (int)as_rng_below(rng, (uint64_t)(RULES - from)) : -1 - what % 2;
                g.items[r][a][i].times = "111?*+"[as_rng_below(rng, 6)];
                letter = letter || (!call && g.items[r][a][i].times == '1');
            }
        }
    }
    return g;
}

static void write_grammar(const random_grammar *g, as_buf *out) {
    static const char *const names[] = {"root", "r-1", "r-2"};
    for (int r = 0; r < RULES; r++) {
        as_buff(out, "%s ::= ", names[r]);
        for (int a = 0; a < g->alternatives[r]; a++) {
            as_buf_text(out, a ? " | \"\"" : "\"\"");
            for (int i = 0; i < g->counts[r][a]; i++) {
                const item *x = &g->items[r][a][i];
                as_buff(out, " %s%c",
                        x->what == -1   ? "\"a\""
                        : x->what == -2 ? "[b]"
                                        : names[x->what],
                        x->times == '1' ? ' ' : x->times);
            }
        }
        as_buf_char(out, '\n');
    }
}

// Where a rule may end, as bits, when it begins at any of `from`; by sets of positions.
typedef struct brute {
    const random_grammar *g;
    const char *text;
    size_t len;
    uint32_t known[RULES][16]; // [begin]: ends, growing until nothing changes
} brute;

static uint32_t run_item(brute *b, const item *x, uint32_t from) {
    uint32_t to = 0;
    for (size_t at = 0; at <= b->len; at++) {
        if (!(from >> at & 1)) continue;
        if (x->what >= 0)
            to |= b->known[x->what][at];
        else if (at < b->len && b->text[at] == (x->what == -1 ? 'a' : 'b'))
            to |= 1u << (at + 1);
    }
    return to;
}

static uint32_t run_times(brute *b, const item *x, uint32_t from) {
    uint32_t all = x->times == '1' || x->times == '+' ? 0 : from, next = run_item(b, x, from);
    all |= next;
    if (x->times == '1' || x->times == '?') return all;
    for (uint32_t more; (more = all | run_item(b, x, all | next)) != all;) all = more;
    return all;
}

static bool brute_accepts(const random_grammar *g, const char *text, size_t len) {
    brute b = {.g = g, .text = text, .len = len};
    for (bool changed = true; changed;) {
        changed = false;
        for (int r = 0; r < RULES; r++)
            for (size_t begin = 0; begin <= len; begin++) {
                uint32_t ends = 0;
                for (int a = 0; a < g->alternatives[r]; a++) {
                    uint32_t at = 1u << begin;
                    for (int i = 0; i < g->counts[r][a]; i++)
                        at = run_times(&b, &g->items[r][a][i], at);
                    ends |= at;
                }
                changed = changed || ends != b.known[r][begin];
                b.known[r][begin] = ends;
            }
    }
    return b.known[0][0] >> len & 1;
}

static void test_random_grammars(void **state) {
    (void)state;
    as_rng rng = as_rng_of(11, 3);
    size_t compiled = 0, left = 0, yes = 0;
    for (int round = 0; round < 600; round++) {
        random_grammar g = draw_grammar(&rng);
        as_buf source = {0};
        as_grammar *grammar;
        as_err err = {0};
        write_grammar(&g, &source);
        if (compile(AS_CONSTRAINT_GRAMMAR, NULL, as_buf_view(&source), &grammar, &err)) {
            // A rule that never ends, or that begins with itself behind something empty.
            bool known = strstr(err.text, "never ends") || strstr(err.text, "left recursion");
            if (!known) print_error("%s%s\n", source.ptr, err.text);
            assert_true(known);
            left++;
            as_buf_free(&source);
            continue;
        }
        compiled++;
        as_recognizer *r = as_recognizer_new(grammar, SIZE_MAX_HERE);
        for (unsigned bits = 1; bits < 256; bits++) { // all texts of up to seven letters
            char text[8];
            size_t len = 0;
            while (bits >> (len + 1)) len++;
            for (size_t i = 0; i < len; i++) text[i] = bits >> i & 1 ? 'a' : 'b';
            bool is = brute_accepts(&g, text, len);
            bool said = as_recognizer_accepts(r, (as_str){text, len});
            if (is != said)
                print_error("%s'%.*s': %d, not %d\n", source.ptr, (int)len, text, said, is);
            assert_int_equal(said, is);
            yes += is;
        }
        as_recognizer_free(r);
        as_grammar_free(grammar);
        as_buf_free(&source);
    }
    assert_true(compiled > 400 && yes > 1000);
}

// From every place that can be come to, the text can be ended: by the shortest way there is.
static void test_every_place_can_be_ended(void **state) {
    (void)state;
    as_rng rng = as_rng_of(5, 9);
    as_grammar *grammar;
    as_err err = {0};
    as_arena arena = {0};
    const as_json *schema;
    as_str text =
        AS_STR("{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"string\"}, "
               "\"b\": {\"type\": \"array\", \"items\": {\"$ref\": \"#\"}}}, "
               "\"required\": [\"b\"], \"additionalProperties\": {\"type\": \"number\"}}");
    assert_int_equal(as_json_parse(&arena, text, &schema, &err), 0);
    assert_int_equal(compile(AS_CONSTRAINT_SCHEMA, schema, text, &grammar, &err), 0);
    as_recognizer *r = as_recognizer_new(grammar, SIZE_MAX_HERE);
    size_t whole = 0;
    for (int round = 0; round < 60; round++) {
        as_place place = as_recognizer_start(r);
        as_buf written = {0};
        for (size_t i = 0; i < 200 && !(as_recognizer_may_end(r, place) && i > 60); i++) {
            // A byte that may come; towards the end one that closes something, if it may.
            unsigned char closing[] = "\"}],: b0:[{";
            as_place next = AS_PLACE_DEAD;
            unsigned char byte = 0;
            for (size_t k = 0; i > 60 && k < sizeof closing - 1 && next == AS_PLACE_DEAD; k++)
                next = as_recognizer_step(r, place, byte = closing[k]);
            for (size_t k = 0; k < 4000 && next == AS_PLACE_DEAD; k++) {
                byte = (unsigned char)as_rng_below(&rng, 256);
                next = as_recognizer_step(r, place, byte);
            }
            if (!as_recognizer_may_go_on(r, place)) break;
            assert_true(next != AS_PLACE_DEAD && next != AS_PLACE_FULL);
            as_buf_char(&written, (char)byte);
            place = next;
        }
        if (as_recognizer_may_end(r, place)) {
            const as_json *value;
            bool twice = as_json_parse(&arena, as_buf_view(&written), &value, &err) &&
                         strstr(err.text, "twice");
            if (err.rc && !twice)
                print_error("%.*s\n%s\n", AS_STR_ARG(as_buf_view(&written)), err.text);
            assert_true(!err.rc || twice); // the same key again is the one thing it cannot rule out
            err = (as_err){0};
            whole++;
        }
        as_buf_free(&written);
    }
    assert_true(whole > 5);
    as_recognizer_free(r);
    as_grammar_free(grammar);
    as_arena_free(&arena);
}

static void expect(as_constraint_kind kind, const char *source, const char *says) {
    as_grammar *grammar;
    as_err err = {0};
    assert_int_equal(compile(kind, NULL, as_str_of(source), &grammar, &err), AS_INVALID);
    if (!strstr(err.text, says)) print_error("'%s' says: %s\n", source, err.text);
    assert_non_null(strstr(err.text, says));
}

static void test_messages(void **state) {
    (void)state;
    expect(AS_CONSTRAINT_GRAMMAR, "root ::= \"a\"\nb ::= roo\n",
           "line 2, column 7: there is no rule 'roo'; did you mean 'root'?");
    expect(AS_CONSTRAINT_GRAMMAR, "root ::= \"a\" \"\\q\"", "column 15: unknown escape '\\q'");
    expect(AS_CONSTRAINT_GRAMMAR, "root ::= a\na ::= a \"b\" | \"c\"",
           "line 1, column 10: rule 'a' begins with itself");
    expect(AS_CONSTRAINT_GRAMMAR, "root ::= \"a\" root", "rule 'root' never ends");
    expect(AS_CONSTRAINT_GRAMMAR, "root ::= <think>", "a token ('<') cannot be asked for");
    expect(AS_CONSTRAINT_GRAMMAR, "root ::= \"a\"{9999}{9999}", "with rule 'root' it takes more");
    expect(AS_CONSTRAINT_GRAMMAR, "root ::= \"a\"{999999}", "more than 100000 times");
    expect(AS_CONSTRAINT_REGEX, "ab\\1", "column 3: '\\1' refers back to a group");
    expect(AS_CONSTRAINT_REGEX, "é(?=a)", "column 2: looking ahead");
}

// What is made to explode is refused or given up within a moment.
static void test_hostile(void **state) {
    (void)state;
    static const char *const sources[] = {
        "root ::= s\ns ::= \"a\" s s s | \"a\" s s | \"a\" s | \"b\"?",
        "root ::= (\"a\"* \"a\"* \"a\"* \"a\"* \"a\"* \"a\"*){200} \"b\"",
        "root ::= ((\"a\"?){100}){100} \"b\"",
        "root ::= \"(\" root \")\" | \"(\" root \"]\" | \"x\"",
    };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        as_grammar *grammar;
        as_err err = {0};
        assert_int_equal(
            compile(AS_CONSTRAINT_GRAMMAR, NULL, as_str_of(sources[i]), &grammar, &err), 0);
        as_recognizer *r = as_recognizer_new(grammar, 4 << 20);
        as_place place = as_recognizer_start(r);
        for (size_t k = 0; k < 2000 && place != AS_PLACE_FULL && place != AS_PLACE_DEAD; k++)
            place = as_recognizer_step(r, place, i == 3 ? '(' : 'a');
        as_recognizer_free(r);
        as_grammar_free(grammar);
    }
    as_buf deep = {0};
    as_buf_text(&deep, "root ::= ");
    for (size_t i = 0; i < 100000; i++) as_buf_char(&deep, '(');
    expect(AS_CONSTRAINT_GRAMMAR, deep.ptr, "nested deeper than 128");
    expect(AS_CONSTRAINT_REGEX, deep.ptr + 9, "nested deeper than 128");
    as_buf_free(&deep);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_random_grammars),
        cmocka_unit_test(test_every_place_can_be_ended),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
