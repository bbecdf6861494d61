# SPDX-License-Identifier: Apache-2.0
"""Writes schemas.jsonl: schemas, values, and whether the jsonschema package lets them through.

Needs jsonschema 4. Run in this folder:
    python3 make_schema_vectors.py
"""
import json
import random

from jsonschema import Draft202012Validator

SCHEMAS = [
    True, False, {}, {"type": "integer"}, {"type": ["string", "null"]}, {"type": "number"},
    {"type": "object"}, {"type": "array"}, {"type": "boolean"}, {"enum": [1, "a", None, [1.0], {"a": 1}]},
    {"const": {"a": [1, 2], "b": None}}, {"const": 1.0}, {"const": False}, {"enum": [0]},
    {"minimum": 2, "maximum": 5}, {"exclusiveMinimum": 2, "exclusiveMaximum": 5}, {"multipleOf": 3},
    {"multipleOf": 0.5}, {"minLength": 2, "maxLength": 3}, {"pattern": "^a.c$"}, {"pattern": "b"},
    {"minItems": 1, "maxItems": 2}, {"uniqueItems": True}, {"items": {"type": "integer"}},
    {"prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False},
    {"prefixItems": [{"type": "integer"}]}, {"contains": {"const": 1}},
    {"contains": {"type": "integer"}, "minContains": 2, "maxContains": 3},
    {"contains": {"const": 1}, "minContains": 0},
    {"properties": {"a": {"type": "integer"}, "b": False}}, {"required": ["a", "b"]},
    {"properties": {"a": True}, "additionalProperties": False},
    {"properties": {"a": {"type": "integer"}}, "patternProperties": {"^b": {"type": "string"}},
     "additionalProperties": {"type": "null"}},
    {"propertyNames": {"maxLength": 1}}, {"minProperties": 1, "maxProperties": 2},
    {"dependentRequired": {"a": ["b"]}}, {"dependentSchemas": {"a": {"required": ["c"]}}},
    {"allOf": [{"type": "integer"}, {"minimum": 3}]}, {"anyOf": [{"type": "string"}, {"minimum": 3}]},
    {"oneOf": [{"type": "integer"}, {"minimum": 3}]}, {"not": {"type": "string"}},
    {"if": {"type": "integer"}, "then": {"minimum": 3}, "else": {"type": "string"}},
    {"if": {"type": "integer"}, "then": {"minimum": 3}}, {"then": False},
    {"$ref": "#/$defs/x", "$defs": {"x": {"type": "integer"}}},
    {"$ref": "#/$defs/a~1b~0c", "$defs": {"a/b~c": {"type": "string"}}, "minLength": 2},
    {"$defs": {"tree": {"type": "object", "properties": {"a": {"$ref": "#/$defs/tree"},
                                                         "b": {"type": "integer"}}}},
     "$ref": "#/$defs/tree"},
    {"allOf": [{"$ref": "#/properties/a"}], "properties": {"a": {"type": ["object", "integer"]}}},
    {"title": "t", "description": "d", "default": 1, "examples": [2], "format": "email",
     "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "string"},
    {"type": "object", "required": ["a"], "additionalProperties": False,
     "properties": {"a": {"type": "array", "items": {"enum": [1, 2, "x"]}, "uniqueItems": True},
                    "b": {"anyOf": [{"type": "null"}, {"type": "number", "minimum": 0}]}}},
]
ATOMS = [None, True, False, 0, 1, 1.0, 2, 3, 4, 4.5, 5, -3, 6, 1e300, 0.5, "", "a", "b", "abc", "ab",
         "aéc", "日本", "日本語x", "abcd", [], {}, [1], [1.0, 1], [1, 2, 3], [1, "a"], [1, "a", None],
         [[1], [1.0]], [{"a": 1, "b": 2}, {"b": 2, "a": 1.0}], ["x", 1, 1], {"a": 1}, {"b": 1},
         {"a": 1, "b": "x"}, {"a": 1, "b": None}, {"a": "1"}, {"bb": "x", "a": 2, "c": None},
         {"a": {"a": {"b": 1}}}, {"a": {"a": {"b": "x"}}}, {"a": [1, 2, "x"]}, {"a": [1, 1]},
         {"a": [2], "b": -1}, {"a": [2], "b": 2.5}, {"a": [1, 2], "c": 1}, {"a": [1.0, 2], "b": None},
         [True, 1], [False, 0], {"a": [1, 2.0], "b": None}]


def value(rng, depth=0):
    roll = rng.random()
    if depth == 3 or roll < 0.6:
        return rng.choice(ATOMS)
    if roll < 0.8:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice("abc"): value(rng, depth + 1) for _ in range(rng.randrange(4))}


if __name__ == "__main__":
    rng = random.Random(8)
    values = ATOMS + [value(rng) for _ in range(60)]
    with open("schemas.jsonl", "w", encoding="utf-8", newline="\n") as file:
        for schema in SCHEMAS:
            Draft202012Validator.check_schema(schema)
            validator = Draft202012Validator(schema)
            verdicts = "".join("01"[validator.is_valid(v)] for v in values)
            file.write(json.dumps({"schema": schema, "verdicts": verdicts}, ensure_ascii=False) + "\n")
        for v in values:
            file.write(json.dumps({"value": v}, ensure_ascii=False) + "\n")
