#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes grammar_vectors.jsonl: which texts are as a grammar, a regular expression or a schema says.

Of grammars llama.cpp says it (tests/engine/peer/grammar_probe.cpp, its path the argument), of
regular expressions Python's re, of schemas jsonschema (Draft202012Validator): texts accepted must
be valid, and those listed here are what the reader is to accept and refuse.
"""
import itertools
import json
import pathlib
import random
import re
import subprocess
import sys

GRAMMARS = [
    (r'root ::= "a" [b-d]*', "abcde"),
    (r'root ::= "yes" | "no" | "maybe"', "yesnomab"),
    ('root ::= (a | b)+ "!"\na ::= "x"\nb ::= "y" "z"?', "xyz!"),
    ('root ::= expr\nexpr ::= term ("+" term)*\nterm ::= [0-9] | "(" expr ")"', "0+()9"),
    ('root ::= "(" root ")" root | ""', "()"),
    ('root ::= "a" root "b" | "ab"', "ab"),
    (r'root ::= [^a-c]{2}', "abcd"),
    (r'root ::= "a"{2,4} "b"{3} "c"{1,}', "abc"),
    ('root ::= ("ab" | "a") ("c" | "bc")', "abc"),
    ('root ::= x* y\nx ::= "a" | "ab"\ny ::= "b" | ""', "ab"),
    ('# a comment\nroot ::= # another\n  "a" | # more\n  "b"\n', "ab"),
    ('root ::= (\n "a"\n | "b" )\n "c"\n', "abc"),
    ('root ::= (\n "a"\n | "b" ) "c"\n', "abc"),
    ('root ::= "\\x41" [\\x42-\\x43] "\\u0044"', "ABCD"),
    ('root ::= "é" [à-ü]+ .', "éàüz"),
    ('root ::= "\U0001f600" [\U0001f600-\U0001f64f]?', "\U0001f600\U0001f601a"),
    ('root ::= "a"? "b"? "c"?', "abc"),
    ('root ::= ("a"?){3} "b"', "ab"),
    ('root ::= ("a"*)* "b"', "ab"),
    (r'root ::= "[" [\]\-a]+ "]"', "[]-a"),
    (r'root ::= "\"" [^"\\]* "\""', '"a\\b'),
    ('root ::= a\na ::= b\nb ::= c | "(" a ")"\nc ::= "x"', "()x"),
    ('root ::= s\ns ::= "a" s t | ""\nt ::= "b" | "c"', "abc"),
    ('root ::= s\ns ::= "a" s | "a" s s | "b"', "ab"),
    ('root ::= "a" | "b" "c', "abc"),
    ('root ::= undefined', ""),
    ('root ::= [a', ""),
    ('root := "a"', ""),
    ('root ::= *', ""),
    ('root ::= ("a"', ""),
    ('other ::= "a"', ""),
    ('root ::= root "a" | "b"', ""),
    ('root ::= a | "b"\na ::= root "c"', ""),
    ('root ::= x root "a" | "b"\nx ::= "" | "c"', ""),
    (r'root ::= "\q"', ""),
    ('root ::= "a"{x}', ""),
]

REGEXES = [
    ("a|bc|", "abc"), ("(a|b)*c", "abc"), ("[a-c]{2,3}", "abcd"), ("a{0}b", "ab"), ("^ab$", "ab"),
    ("^a|b$", "ab"), (r"\d+(\.\d{1,2})?", "01.2"), (r"[^\d\s]+", "a1 -"), (r"a.c", "abc\n"),
    (r"\w\W\s\S", "a_ -\n"), (r"(?:ab){2,}", "ab"), (r"(?P<n>a)+b?", "ab"), (r"a+?b*?", "ab"),
    ("a{,3}", "a{,3}"), ("a{b}", "ab{}"), (r"[\]a^-]+", "]a^-b"), ("é[à-ü]*", "éàüa"),
    (r"\x41\u0042[\x43-\x44]", "ABCD"), (r"((a|b)c|(a|bc))d?", "abcd"), ("(a*)*b", "ab"),
    ("(a|ab)(c|bcd)(d*)", "abcd"), (r"\$\.\*\+\?\(\)", "$.*+?()"), ("x{3}", "x"), ("", "a"),
    ("[+-]?(0|[1-9]\\d*)", "+-0123"),
]
BAD_REGEXES = ["(a", "a)", "[a", "*a", "a**", "a\\", r"\1", r"(?=a)", r"(?<!a)b", r"\bword", "a$b",
               "[z-a]", "a{3,2}", r"\p{L}", "a++", "[]", "(?i)a", "[[:alpha:]]", r"\k", "x{200000}"]

SCHEMAS = [
    ({"type": "integer", "minimum": -12, "maximum": 105},
     ["-12", "-9", "0", "9", "10", "99", "100", "105"],
     ["-13", "106", "1.0", "007", "-0", "", "1e1"]),
    ({"type": "integer", "exclusiveMinimum": 7, "maximum": 1000.5}, ["8", "1000"], ["7", "1001"]),
    ({"type": "number", "minimum": 0}, ["0", "1.5", "2e10", "12.25E-3"], ["-1", ".5", "01", "1."]),
    ({"type": "string", "minLength": 2, "maxLength": 3},
     ['"ab"', '"a\\n"', '"\\u00e9é\U0001f600"', '"\\"\\\\"'],
     ['"a"', '"abcd"', '"a', '"a\nb"', '"\\ud800a"', '"\\u0000a"', '"\\xa"', "'ab'"]),
    ({"type": "string", "pattern": "^[a-z]+\\d$"}, ['"a1"', '"abc9"'], ['"1a"', '"a"', '"A1"']),
    ({"type": "string", "pattern": "b"}, ['"b"', '"abc"', '"\\nb\\""'], ['"a"', '""']),
    ({"type": "string", "format": "date"}, ['"2024-02-28"', '"1999-12-31"'],
     ['"2024-02-30"', '"2024-13-01"', '"24-01-01"', '"2023-04-31"']),
    ({"type": "string", "format": "uuid"}, ['"123e4567-e89b-12d3-a456-426614174000"'], ['"123"']),
    ({"enum": ["a", 1, None, {"b": [1, 2]}]}, ['"a"', "1", "null", '{"b":[1,2]}'],
     ["2", '"b"', "nul"]),
    ({"const": "x\"y"}, ['"x\\"y"'], ['"x"']),
    ({"type": ["string", "null"], "maxLength": 1}, ["null", '"a"', '""'], ['"ab"', "1"]),
    ({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "boolean"},
                                       "c": {"enum": ["x"]}}, "required": ["b"]},
     ['{"a": 1, "b": true, "c": "x"}', '{"b":false}', '{"b":true,"c":"x"}', '{\n  "a": 1,\n  "b": true\n}',
      '{ "b" : true }'],
     ['{}', '{"a":1}', '{"b":true,"a":1}', '{"b":true,}', '{"b":true "c":"x"}', '{"b":1}',
      '{"b":true,"d":1}', '{,"b":true}']),
    ({"type": "object", "properties": {"a": {"type": "null"}}}, ["{}", '{"a":null}'], ['{"a":1}']),
    ({"type": "object", "additionalProperties": {"type": "integer"}},
     ["{}", '{"a":1}', '{"a":1, "b":2}', '{"":0}'], ['{"a":"b"}', '{"a":1,}', '{"a\\n":1}']),
    ({"type": "object", "properties": {"ab": {"type": "string"}, "a": {"type": "string"}},
      "additionalProperties": {"type": "integer"}, "required": ["a"]},
     ['{"a":"x"}', '{"ab":"y","a":"x"}', '{"a":"x","abc":1}', '{"a":"x","b":1,"":2}'],
     ['{"a":1}', '{"a":"x","ab":1}', '{"a":"x","a":1}', '{"b":1}', '{"b":1,"a":"x"}']),
    ({"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3},
     ["[1]", "[1, 2]", "[1,2,3]", "[ 1 , 2 ]"], ["[]", "[1,2,3,4]", "[1,]", "[,1]", "[1 2]"]),
    ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False},
     ["[]", "[1]", '[1,"a"]'], ['["a"]', '[1,"a",2]', '[1,2]']),
    ({"type": "array", "prefixItems": [{"type": "integer"}], "items": {"type": "null"},
      "minItems": 2, "maxItems": 3}, ["[1,null]", "[1,null,null]"], ["[1]", "[1,1]", "[null]"]),
    ({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"$ref": "#"}}]},
     ["1", "[]", "[1,[2,[]]]"], ["a", "[[]", '["a"]']),
    ({"$ref": "#/$defs/tree", "$defs": {"tree": {
        "type": "object", "properties": {"v": {"type": "integer"},
                                         "next": {"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]}},
        "required": ["v", "next"]}}},
     ['{"v":1,"next":null}', '{"v":1,"next":{"v":2,"next":null}}'], ['{"v":1}', '{"v":1,"next":1}']),
    ({"oneOf": [{"type": "object", "properties": {"k": {"const": "a"}, "x": {"type": "integer"}},
                 "required": ["k", "x"]},
                {"type": "object", "properties": {"k": {"const": "b"}}, "required": ["k"]}]},
     ['{"k":"a","x":1}', '{"k":"b"}'], ['{"k":"a"}', '{"k":"c"}']),
    ({"title": "anything"}, ["1", '{"a":[1,{"b":null}],"c":"d"}', "[true,false]", '"x"', "-1.5e3"],
     ["tru", "{a:1}", "[1,]", ""]),
]
BAD_SCHEMAS = [
    ({"type": "objct"}, "'type' must be one of"),
    ({"type": "object", "propertis": {}}, "did you mean 'properties'"),
    ({"type": "array", "items": {"type": "string", "multipleOf": 2}}, "at '/items': 'multipleOf'"),
    ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "'oneOf' of schemas that one value"),
    ({"$ref": "#/$defs/no"}, "leads nowhere"),
    ({"$ref": "other.json"}, "not within the document"),
    ({"anyOf": [{"$ref": "#"}, {"type": "null"}]}, "begins with itself"),
    ({"type": "array", "uniqueItems": True}, "'uniqueItems' is not supported"),
    ({"type": "integer", "minimum": 3, "maximum": 2}, "no integer is at least 3"),
    ({"type": "string", "pattern": "a(?=b)"}, "pattern: column 2: looking ahead"),
    ({"type": "object", "required": ["a"]}, "'a' is required but none of the properties"),
    ({"type": "array", "items": {"$ref": "#"}, "minItems": 1}, "never ends"),
    ({"type": "string", "maxLength": 100, "minLength": 200}, "at least 200"),
    ({"allOf": [{"type": "string"}, {"maxLength": 3}]}, "'allOf' of several"),
    (False, "no value is as the schema 'false' says"),
    ({"type": "string", "enum": [1]}, "no value that 'type' allows"),
]


def candidates(alphabet, chosen):
    letters = list(dict.fromkeys(alphabet))
    texts = [""]
    for length in range(1, 8):
        if len(letters) ** length <= 90:
            texts += ["".join(t) for t in itertools.product(letters, repeat=length)]
        elif letters:
            texts += ["".join(chosen.choice(letters) for _ in range(length)) for _ in range(45)]
    return list(dict.fromkeys(texts))


def escaped(text):
    out = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")
    return out.replace("\r", "\\x0d")


def from_llama(probe, chosen):
    lines, cases = [], []
    for source, alphabet in GRAMMARS:
        texts = candidates(alphabet, chosen)
        cases.append((source, texts))
        lines.append("\t".join(escaped(t) for t in [source] + texts))
    said = subprocess.run([probe], input="\n".join(lines) + "\n", capture_output=True, text=True,
                          check=True).stdout.splitlines()
    for (source, texts), answer in zip(cases, said):
        if answer == "bad":
            yield {"kind": "grammar", "source": source, "error": ""}
        else:
            yield vector("grammar", source, texts, answer)


def vector(kind, source, texts, answer):
    accepts = [t for t, a in zip(texts, answer) if a == "1"]
    refuses = [t for t, a in zip(texts, answer) if a == "0"]
    return {"kind": kind, "source": source, "accepts": accepts[:60], "refuses": refuses[:60]}


def from_python(chosen):
    for source, alphabet in REGEXES:
        texts = candidates(alphabet, chosen)
        # {,3} counts in Python, and is text in Perl's notation.
        pattern = re.compile(source.replace("{,", r"\{,"), re.ASCII)
        yield vector("regex", source, texts,
                     ["1" if pattern.fullmatch(t) else "0" for t in texts])
    for source in BAD_REGEXES:
        yield {"kind": "regex", "source": source, "error": ""}


def from_jsonschema():
    import jsonschema
    for schema, accepts, refuses in SCHEMAS:
        check = jsonschema.Draft202012Validator(
            schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
        for text in accepts:
            assert check.is_valid(json.loads(text)), (schema, text)
        yield {"kind": "json_schema", "source": schema, "accepts": accepts, "refuses": refuses}
    for schema, says in BAD_SCHEMAS:
        yield {"kind": "json_schema", "source": schema, "error": says}


def main():
    chosen = random.Random(7)
    out = pathlib.Path(__file__).with_name("grammar_vectors.jsonl")
    vectors = [*from_llama(sys.argv[1], chosen), *from_python(chosen), *from_jsonschema()]
    out.write_text("".join(json.dumps(v, ensure_ascii=False) + "\n" for v in vectors))


main()
