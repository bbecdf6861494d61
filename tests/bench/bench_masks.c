// SPDX-License-Identifier: Apache-2.0
// What it costs to tell which tokens may come: bench_masks VOCABULARY.gguf. The tree of the tokens,
// then for some constraints the masks along a text: how long the slowest and the mean of those took
// that were made for the first time, and of those that were there already.
#include <stdio.h>
#include <stdlib.h>

#include "harness/base/clock.h"
#include "harness/base/file.h"
#include "harness/engine/constrain/constraint.h"
#include "harness/engine/model.h"

static const struct {
    const char *name;
    as_constraint_kind kind;
    const char *source, *text; // one the source allows
} cases[] = {
    {"a word of letters", AS_CONSTRAINT_REGEX, "[a-z]+", "internationalisation"},
    {"any text", AS_CONSTRAINT_REGEX, "[^\\x00]*", "Whatever comes, with (signs) and 123."},
    {"a small schema", AS_CONSTRAINT_SCHEMA,
     "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"age\":{\"type\":"
     "\"integer\"},\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}},\"required\":"
     "[\"name\",\"age\",\"tags\"]}",
     "{\"name\": \"Ada Lovelace\", \"age\": 36, \"tags\": [\"math\", \"engines\"]}"},
    {"any JSON", AS_CONSTRAINT_SCHEMA, "{}",
     "{\"a\": [1, 2.5, {\"b\": [[], [null, true]]}], \"text\": \"some words here\"}"},
    {"arithmetic, recursive", AS_CONSTRAINT_GRAMMAR,
     "root ::= term ([-+] term)*\nterm ::= f ([*/] f)*\nf ::= [0-9]+ | \"(\" root \")\"",
     "((12+3)*(4-(5/6)))+78*(9)"},
};

static double ms_since(uint64_t from) {
    return (double)(as_clock_ns() - from) / 1e6;
}

static void run(const as_model *model, const as_trie *trie, size_t index, float *logits) {
    as_arena arena = {0};
    as_err err = {0};
    as_grammar *grammar;
    as_str text = as_str_of(cases[index].text);
    as_constraint_spec spec = {.kind = cases[index].kind, .text = as_str_of(cases[index].source)};
    uint64_t begin = as_clock_ns();
    if ((spec.kind == AS_CONSTRAINT_SCHEMA &&
         as_json_parse(&arena, spec.text, &spec.schema, &err)) ||
        as_grammar_of(&spec, &grammar, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    double compiled = ms_since(begin), slowest = 0, total[2] = {0, 0};
    size_t count = 0;
    as_constraint *constraint = as_constraint_new(trie, grammar);
    for (int again = 0; again < 2; again++) {
        as_constrained c;
        as_tokens tokens;
        if (!as_constrained_begin(constraint, &c)) exit(1);
        if (as_vocab_tokenize(&model->vocab, &arena, text, false, false, &tokens, &err)) exit(1);
        for (size_t i = 0; i < tokens.count; i++) {
            begin = as_clock_ns();
            if (!as_constrained_mask(&c, logits)) exit(1);
            double took = ms_since(begin);
            if (!again && took > slowest) slowest = took;
            total[again] += took;
            if (!as_constrained_take(&c, as_model_token_text(model, tokens.ids[i], false))) exit(1);
        }
        count = tokens.count;
        as_constrained_end(&c);
    }
    printf("%-24s compiled in %.2f ms; %2zu masks: first %.3f ms (slowest %.2f), again %.3f ms\n",
           cases[index].name, compiled, count, total[0] / (double)count, slowest,
           total[1] / (double)count);
    as_constraint_free(constraint);
    as_arena_free(&arena);
}

int main(int argc, char **argv) {
    as_model model = {0};
    as_mapped map;
    as_gguf file;
    as_err err = {0};
    if (argc != 2) return 2;
    if (as_file_map(argv[1], &map, &err) ||
        as_gguf_read(&file, argv[1], map.bytes, map.size, &err) ||
        as_vocab_load(&model.vocab, &file, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 2;
    }
    uint64_t begin = as_clock_ns();
    as_trie *trie = as_trie_new(&model);
    printf("%zu tokens, their tree in %.1f ms\n", model.vocab.count, ms_since(begin));
    float *logits = as_mem_new(model.vocab.count * sizeof *logits);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) run(&model, trie, i, logits);
    free(logits);
    as_trie_free(trie);
    return 0;
}
