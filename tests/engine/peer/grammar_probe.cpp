// SPDX-License-Identifier: Apache-2.0
// Asks llama.cpp which texts are as a GBNF grammar says. Built by hand where that engine is:
//   g++ -std=c++17 -I SRC/include -I SRC/ggml/include -I SRC/src grammar_probe.cpp
//       build/src/libllama.a build/ggml/src/libggml*.a -fopenmp -lpthread -ldl
// On stdin one case a line: fields apart by a tab, the grammar first, each text after it, with \n,
// \t, \\ and \xHH as escapes. On stdout one line each: "bad", or a 0 or 1 for each text.
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "llama-grammar.h"

static std::string plain(const std::string &text) {
    std::string out;
    for (size_t i = 0; i < text.size(); i++) {
        if (text[i] != '\\' || i + 1 == text.size()) {
            out += text[i];
            continue;
        }
        char c = text[++i];
        if (c == 'x') {
            out += (char)std::stoi(text.substr(i + 1, 2), nullptr, 16);
            i += 2;
        } else {
            out += c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
        }
    }
    return out;
}

static bool accepts(const std::string &source, const std::string &text) {
    llama_grammar *grammar =
        llama_grammar_init_impl(nullptr, source.c_str(), "root", false, nullptr, 0, nullptr, 0);
    bool fine = true;
    try {
        llama_grammar_accept_str(*grammar, text);
    } catch (const std::exception &) {
        fine = false;
    }
    bool ended = false;
    for (const auto &stack : llama_grammar_get_stacks(grammar)) ended = ended || stack.empty();
    bool whole = grammar->partial_utf8.n_remain == 0;
    llama_grammar_free_impl(grammar);
    return fine && ended && whole;
}

int main() {
    std::string line;
    while (std::getline(std::cin, line)) {
        std::vector<std::string> fields(1);
        for (char c : line)
            if (c == '\t')
                fields.emplace_back();
            else
                fields.back() += c;
        std::string source = plain(fields[0]);
        llama_grammar *grammar =
            llama_grammar_init_impl(nullptr, source.c_str(), "root", false, nullptr, 0, nullptr, 0);
        if (!grammar) {
            puts("bad");
            continue;
        }
        llama_grammar_free_impl(grammar);
        for (size_t i = 1; i < fields.size(); i++)
            putchar(accepts(source, plain(fields[i])) ? '1' : '0');
        puts("");
    }
}
