#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Renders the templates below with Jinja2 itself and writes jinja_vectors.jsonl.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install jinja2
    /tmp/venv/bin/python tests/base/make_jinja_vectors.py > tests/base/jinja_vectors.jsonl

The environment is the one that Hugging Face renders chat templates with (trim_blocks,
lstrip_blocks, loop controls, json.dumps as tojson), but Undefined must not be printed, iterated or
counted: assay reports the name instead of leaving a hole in a prompt. A line with "error" is a
template that Jinja2 refuses, at parsing or at rendering; assay must refuse it too. A line with
"chat" is rendered as a model's own template is: Undefined is Jinja2's own there, an empty text.
"""
import json
import sys

import jinja2
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Hole(jinja2.Undefined):
    __str__ = __iter__ = __len__ = jinja2.Undefined._fail_with_undefined_error

    def __contains__(self, item):
        return False


class Generation(Extension):
    """{% generation %} as training code uses it: it marks text and prints it as it is."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.Scope(body).set_lineno(line)


def raise_exception(message):
    raise jinja2.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, undefined=Hole,
                                    extensions=["jinja2.ext.loopcontrols", Generation])
env.filters["tojson"] = tojson
env.globals["raise_exception"] = raise_exception
env.filters["from_json"] = json.loads  # which templates for DeepSeek V3.2 and V4 have
for name in ("lipsum", "cycler", "joiner"):
    env.globals.pop(name)
chat_env = env.overlay(undefined=jinja2.Undefined)

TALK = [{"role": "system", "content": "Be brief. "}, {"role": "user", "content": " Hi! "},
        {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "Bye\n"}]
NO_SYSTEM = TALK[1:]
TOOLS = [{"type": "function", "function": {
    "name": "get_weather", "description": "Weather \"now\" in a city – any.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"},
                   "days": {"type": "integer", "default": 1, "minimum": 0.5}},
                   "required": ["city"]}}}]
TOOL_TALK = NO_SYSTEM[:1] + [
    {"role": "assistant", "content": "", "tool_calls": [
        {"type": "function", "id": "abcdef123",
         "function": {"name": "get_weather", "arguments": {"city": "Århus", "days": 2}}}]},
    {"role": "tool", "name": "get_weather", "content": "{\"t\": 7}"}]
V = {"name": "Ada", "n": 7, "neg": -7, "half": 2.5, "yes": True, "no": False, "nil": None,
     "xs": [3, 1, 2], "words": ["b", "A", "c", "a"], "empty": [], "blank": "",
     "text": "  two\n words ", "d": {"b": 1, "a": [1, "x", None], "items": "shadow"},
     "people": [{"name": "Bo", "age": 30, "at": {"city": "Rome"}}, {"name": "al", "age": 25},
                {"name": "Cy", "age": 30, "at": {"city": "Oslo"}}],
     "uni": "Grüße 🙂 Ωmega", "quote": "it's \"so\"", "big": 9007199254740993, "one": 1.0,
     "nested": [[1, [2, 3]], {"k": {"l": "deep"}}], "tiny": 1e-7, "huge": 1e16}

CHATML = ("{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + "
          "message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}"
          "{{ '<|im_start|>assistant\\n' }}{% endif %}")
CHATML_TOOLS = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\\n\\n' }}
    {%- endif %}
    {{- "# Tools\\n\\nSignatures within <tools></tools>:\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning = message.reasoning_content %}
        {%- elif '</think>' in content %}
            {%- set reasoning = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index and (loop.last or reasoning) %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {%- if message.tool_calls %}
            {%- for tool_call in message.tool_calls %}
                {%- if (loop.first and content) or (not loop.first) %}
                    {{- '\\n' }}
                {%- endif %}
                {%- if tool_call.function %}
                    {%- set tool_call = tool_call.function %}
                {%- endif %}
                {{- '<tool_call>\\n{"name": "' }}
                {{- tool_call.name }}
                {{- '", "arguments": ' }}
                {%- if tool_call.arguments is string %}
                    {{- tool_call.arguments }}
                {%- else %}
                    {{- tool_call.arguments | tojson }}
                {%- endif %}
                {{- '}\\n</tool_call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' }}
        {{- content }}
        {{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}"""
LLAMA3 = ("{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = "
          "'<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] "
          "| trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}"
          "{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>"
          "assistant<|end_header_id|>\\n\\n' }}{% endif %}")
LLAMA32 = """{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{#- The system message is taken out here. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\\n" }}
{%- endif %}
{{- "Cutting Knowledge Date: December 2023\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{%- if tools is not none %}
    {{- "You have these functions:\\n\\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("This model only supports single tool-calls at once!") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
        {{- '{"name": "' + tool_call.name + '", ' }}
        {{- '"parameters": ' }}
        {{- tool_call.arguments | tojson }}
        {{- "}" }}
        {{- "<|eot_id|>" }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" }}
        {%- if message.content is mapping or message.content is iterable and message.content is not string %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""
MISTRAL = """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
        {{- raise_exception("Conversation roles must alternate user/assistant/user/assistant/...") }}
    {%- endif %}
    {%- set ns.index = ns.index + 1 %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported") }}
    {%- endif %}
{%- endfor %}"""
GEMMA = ("{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not "
         "supported') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != "
         "(loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate') }}"
         "{% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}"
         "{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\\n' + "
         "message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}{% if add_generation_prompt %}"
         "{{'<start_of_turn>model\\n'}}{% endif %}")
PHI3 = ("{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>\\n' + "
        "message['content'] + '<|end|>\\n'}}{% elif message['role'] == 'user' %}{{'<|user|>\\n' + "
        "message['content'] + '<|end|>\\n'}}{% elif message['role'] == 'assistant' %}"
        "{{'<|assistant|>\\n' + message['content'] + '<|end|>\\n'}}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}")
ZEPHYR = """{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>
' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>
' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>
'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}"""
DEEPSEEK = """{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}
{% set ns = namespace(is_first=false, is_tool=false, system_prompt='', is_first_sp=true) %}
{%- for message in messages %}
    {%- if message['role'] == 'system' %}
        {%- if ns.is_first_sp %}
            {% set ns.system_prompt = ns.system_prompt + message['content'] %}
            {% set ns.is_first_sp = false %}
        {%- else %}
            {% set ns.system_prompt = ns.system_prompt + '\\n\\n' + message['content'] %}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}{{ ns.system_prompt }}
{%- for message in messages %}
    {%- if message['role'] == 'user' %}
        {%- set ns.is_tool = false -%}
        {{ '<|User|>' + message['content'] }}
    {%- endif %}
    {%- if message['role'] == 'assistant' and message['content'] is not none %}
        {%- set content = message['content'] %}
        {%- if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}
        {{- '<|Assistant|>' + content + '<|end|>' }}
    {%- endif %}
{%- endfor -%}
{% if add_generation_prompt and not ns.is_tool %}{{ '<|Assistant|>' }}{% endif %}"""
MACROS = """{%- macro render(props, depth=0) -%}
    {%- for key, value in props.items() -%}
        {{ '  ' * depth }}{{ key }}:
        {%- if value is mapping %}
{{ '\\n' }}{{ render(value, depth + 1) }}
        {%- elif value is sequence and value is not string %} [{{ value | join(', ') }}]
        {%- else %} {{ value }}
        {%- endif -%}
        {{ '\\n' if not loop.last }}
    {%- endfor -%}
{%- endmacro -%}
{%- for tool in tools %}
// {{ tool.function.name }}
{{ render(tool.function.parameters) }}
{%- endfor %}"""

# Looks at members that messages and tools may not have.
MODEL = """{{- bos_token }}
{%- if tools %}
    {%- for tool in tools %}
        {%- set f = tool.function or tool %}
{{ f.name }}({% for k, p in (f.parameters.properties or {}) | items %}{{ k }}: {{ p.type }}
            {%- if p.enum %}{{ p.enum }}{% endif %}{{ p.description }}{{ ', ' if not loop.last }}
        {%- endfor %}) -> {{ f['return'].type if f['return'] is defined }}{{ f.strict }}
    {%- endfor %}
{%- endif %}
{%- for m in messages %}
<{{ m.role }}{{ '/' ~ m.name if m.name }}>{{ m.reasoning_content }}{{ m.content or '' }}
    {%- for call in m.tool_calls %}
        {%- if call.function %}{% set call = call.function %}{% endif %}
[{{ call.name }} {{ call.id }} {{ call.arguments | tojson }}]
    {%- endfor %}
    {%- for d in documents %}{{ d }}{% endfor %}
{%- endfor %}"""
CHAT = {"bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": True}


def chat_cases():
    for template in (CHATML, CHATML_TOOLS, LLAMA3, LLAMA32, MISTRAL, GEMMA, PHI3, ZEPHYR, DEEPSEEK):
        for talk in (TALK, NO_SYSTEM, NO_SYSTEM[:1], TALK[:2]):
            for prompt in (True, False):
                yield template, dict(CHAT, messages=talk, add_generation_prompt=prompt)
    for template in (CHATML_TOOLS, LLAMA32):
        yield template, dict(CHAT, messages=TOOL_TALK, tools=TOOLS)
    yield CHATML_TOOLS, dict(CHAT, messages=NO_SYSTEM[:1], enable_thinking=False)
    yield CHATML_TOOLS, dict(CHAT, messages=TALK[:2] + [
        {"role": "assistant", "content": "<think>\nso\n</think>\n\nThen."}])
    yield MISTRAL, dict(CHAT, messages=TALK[2:])
    yield MACROS, {"tools": TOOLS}


TEMPLATES = r"""
{{ name }}
Hello {{ name }}!
{{ n + 1 }} {{ n - 10 }} {{ n * 2 }} {{ n / 2 }} {{ n // 2 }} {{ n % 4 }} {{ n ** 2 }}
{{ neg // 2 }} {{ neg % 4 }} {{ n // -2 }} {{ n % -4 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 2 ** -1 }} {{ 2 ** 0.5 }}
{{ 1 + 2 * 3 - 4 / 2 }} {{ (1 + 2) * 3 }} {{ -2 ** 2 }} {{ 2 ** 3 ** 2 }} {{ 10 - 3 - 2 }}
{{ 1 ~ 2 ~ 'x' ~ none ~ true ~ 1.5 }} {{ 2 * 3 ~ 1 }} {{ 'a' ~ 1 + 1 | string }}
{{ 'a' 'b' "c" }} {{ 'it\'s' }} {{ "tab\tnew\nuni\u00e9\x41\\" }} {{ 'keep \d' }}
{{ 1e3 }} {{ 1.0 }} {{ 1_000 }} {{ 0.1 + 0.2 }} {{ 1e16 }} {{ 123456789012345680.0 }} {{ 1e-5 }} {{ 0.0001 }} {{ 1.5e15 }}
{{ half }} {{ one }} {{ big }} {{ tiny }} {{ huge }} {{ big + 1 }}
{{ true }} {{ True }} {{ false }} {{ none }} {{ None }} {{ yes }} {{ nil }}
{{ xs }} {{ d }} {{ words }} {{ empty }} {{ {} }} {{ () }} {{ (1,) }} {{ (1, 'a') }} {{ 1, 2 }}
{{ [1, 'two', none, true, 1.5, {'k': 'v'}] }}
{{ ['it\'s', 'say "x"', 'it\'s "x"', 'n\nl', 'b\\s', uni] }}
{{ {'a': 1, 'b': [1, 2], 'a': 3} }}
{{ 1 < 2 }} {{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 }} {{ 'a' < 'b' }} {{ 'A' != 'a' }} {{ [1, 2] < [1, 3] }} {{ true == 1 }}
{{ 1 in xs }} {{ 9 not in xs }} {{ 'da' in name }} {{ 'b' in d }} {{ 'z' not in d }} {{ 'x' in d.a }}
{{ not true }} {{ not not 1 }} {{ not 1 == 2 }} {{ yes and no }} {{ 0 or 'x' }} {{ '' or 0 }} {{ 1 and 2 }} {{ none or [] or 'z' }}
{{ 'a' if yes else 'b' }} {{ 'a' if no else 'b' }} [{{ 'a' if no }}] {{ 1 if no else 2 if no else 3 }}
{{ xs[0] }} {{ xs[-1] }} {{ d['b'] }} {{ d.b }} {{ d.a[1] }} {{ d['a'].2 }} {{ nested[1].k.l }} {{ nested.0.1.0 }} {{ name[0] }} {{ uni[-1] }} {{ uni[6] }}
{{ xs[1:] }} {{ xs[:1] }} {{ xs[::-1] }} {{ xs[-2:] }} {{ xs[5:] }} {{ xs[::2] }} {{ name[1:] }} {{ name[::-1] }} {{ uni[:3] }} {{ xs[2:0:-1] }} {{ uni[::2] }} {{ xs[:-1] }} {{ name[none:2] }}
{{ xs[10] is defined }} {{ nope is defined }} {{ nope is undefined }} {{ d.nope is defined }} {{ d.b is defined }} {{ nope is not defined }}
{{ nope | default('x') }} {{ nil | default('x') }} {{ nil | default('x', true) }} {{ '' | d('y', boolean=true) }} {{ d.zz | default(1) + 1 }} [{{ nope|default }}]
{{ 'x' is string }} {{ 1 is string }} {{ 1 is number }} {{ 1.5 is number }} {{ true is number }} {{ 1 is integer }} {{ 1.0 is integer }} {{ 1.0 is float }} {{ true is boolean }} {{ 0 is boolean }}
{{ d is mapping }} {{ xs is mapping }} {{ xs is iterable }} {{ 'a' is iterable }} {{ 1 is iterable }} {{ xs is sequence }} {{ d is sequence }} {{ none is none }} {{ 0 is none }}
{{ yes is true }} {{ 1 is true }} {{ no is false }} {{ 3 is odd }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(4) }} {{ 1 is in [1, 2] }} {{ 1 is in xs and true }}
{{ 1 is eq 1 }} {{ 1 is ne 1 }} {{ 1 is lt 2 }} {{ 2 is ge(2) }} {{ 'a' is equalto 'a' }} {{ 'ab' is lower }} {{ 'AB' is upper }} {{ 'Ab' is lower }} {{ none is sameas none }}
{{ '  x y ' | trim }}| {{ '--x--' | trim('-') }} {{ text | trim }} {{ name | upper }} {{ name | lower }} {{ uni | upper }} {{ uni | lower }} {{ 'hello wORLD-foo (bar)' | title }} {{ 'hELLO wORLD' | capitalize }}
{{ 'aXbXc' | replace('X', '-') }} {{ 'aXbXc' | replace('X', '-', 1) }} {{ 'abc' | replace('', '.') }} {{ 12 | replace(1, 'x') }}
{{ 'a b/ü~-_.:@&=+%' | urlencode }} {{ 12 | urlencode }} {{ '' | urlencode }}
{{ xs | join }} {{ xs | join(', ') }} {{ people | join(',', attribute='name') }} {{ 'abc' | join('-') }} {{ d | join(' ') }} {{ [1, none, 'x'] | join('/') }}
{{ xs | length }} {{ name | length }} {{ uni | length }} {{ d | length }} {{ d | count }} {{ empty | length }}
{{ xs | first }} {{ xs | last }} {{ 'abc' | first }} {{ 'abc' | last }} {{ empty | first is defined }} {{ empty | last | default('none') }}
{{ d | tojson }} {{ xs | tojson }} {{ quote | tojson }} {{ uni | tojson }} {{ nil | tojson }} {{ 1.0 | tojson }} {{ 'a<b>&' | tojson }} {{ '\x7f\u2028' | tojson }}
{{ people | tojson(indent=2) }}
{{ {'b': [], 'a': {}} | tojson(indent=4) }} {{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }} {{ [1, 2] | tojson(separators=(',', ':')) }} {{ uni | tojson(ensure_ascii=true) }}
{{ big | tojson }} {{ half | tojson }} {{ tiny | tojson }} {{ {'a': true, 'b': none} | tojson }}
{{ 5 | string + 'x' }} {{ 1.0 | string }} {{ none | string }} {{ xs | string }} {{ '42' | int + 1 }} {{ 'x' | int }} {{ 'x' | int(7) }} {{ ' 12 ' | int }} {{ '3.9' | int }} {{ 3.9 | int }} {{ -3.9 | int }} {{ 'ff' | int(0, 16) }} {{ none | int }}
{{ '1.5' | float }} {{ 'x' | float }} {{ 2 | float }} {{ 'y' | float(1.5) }} {{ -5 | abs }} {{ -5.5 | abs }} {{ neg | abs }}
{{ 2.5 | round }} {{ 3.5 | round }} {{ 2.675 | round(2) }} {{ 42.55 | round(1, 'floor') }} {{ 42.1 | round(0, 'ceil') }} {{ 5 | round }} {{ 1234.5 | round(-2) }} {{ 2.3 | round | int }}
{{ 'abc' | list }} {{ (1, 2) | list }} {{ d | list }} {{ d | items | list }} {{ d.items() | list }} {{ d.keys() | list }} {{ d.values() | list }}
{{ {'b': 2, 'A': 1, 'c': 0} | dictsort }} {{ {'b': 2, 'A': 1} | dictsort(true) }} {{ {'b': 2, 'A': 1, 'c': 0} | dictsort(by='value') }} {{ {'b': 2, 'A': 1} | dictsort(reverse=true) }}
{{ xs | sort }} {{ xs | sort(reverse=true) }} {{ words | sort }} {{ words | sort(case_sensitive=true) }} {{ people | sort(attribute='name') | map(attribute='name') | list }} {{ people | sort(attribute='age') | map(attribute='name') | list }} {{ people | sort(attribute='age', reverse=true) | map(attribute='name') | list }}
{{ words | unique | list }} {{ words | unique(case_sensitive=true) | list }} {{ [1, 1, 2, 1.0] | unique | list }} {{ people | unique(attribute='age') | map(attribute='name') | list }}
{{ xs | reverse | list }} {{ 'abc' | reverse }} {{ xs | min }} {{ xs | max }} {{ words | min }} {{ people | max(attribute='age') | attr('nope') is defined }} {{ xs | sum }} {{ people | sum(attribute='age') }} {{ xs | sum(start=10) }} {{ [1, 0.5] | sum }}
{{ people | map(attribute='name') | join(',') }} {{ people | map(attribute='at.city', default='?') | join(',') }} {{ words | map('upper') | join }} {{ words | map('replace', 'a', 'z') | list }} {{ nested | map(attribute='0') | first }}
{{ people | selectattr('age', 'equalto', 30) | map(attribute='name') | list }} {{ people | rejectattr('age', 'eq', 30) | map(attribute='name') | list }} {{ people | selectattr('at') | list | length }} {{ people | rejectattr('at') | map(attribute='name') | list }} {{ people | selectattr('at', 'defined') | list | length }} {{ people | selectattr('at', 'defined') | selectattr('at.city', '==', 'Oslo') | map(attribute='name') | first }}
{{ nil | selectattr('a') | list }} {{ no | reject('odd') | list | length }} {{ nil | map('upper') | join }}|
{{ xs | select('odd') | list }} {{ xs | reject('odd') | list }} {{ xs | select('gt', 1) | list }} {{ [0, 1, '', 'a'] | select | list }} {{ xs | select('in', [1, 2]) | list }}
{{ 'a\nb\n\nc' | indent }} {{ 'a\nb' | indent(2) }} {{ 'a\nb' | indent(2, true) }} {{ 'a\n\nb' | indent(2, blank=true) }} {{ 'a\nb' | indent('> ') }} {{ 'a\nb' | indent(width=3, first=true) }}
{{ '<a href="x">\'&' | escape }} {{ '<b>' | e }} {{ '<b>' | safe }}
{{ ' x '.strip() }}| {{ 'xxaxx'.strip('x') }} {{ ' x '.lstrip() }}| {{ ' x '.rstrip() }}| {{ 'abcabc'.lstrip('ab') }} {{ uni.upper() }} {{ 'AB'.lower() }} {{ "they're bill's friends".title() }} {{ 'hELLO'.capitalize() }}
{{ 'a,b,,c'.split(',') }} {{ ' a  b c '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ ' a b  c '.split(none, 1) }} {{ ''.split(',') }} {{ ''.split() }} {{ 'a--b'.split('--')[1] }} {{ 'a,b,c'.rsplit(',', 1) }} {{ 'a\nb\r\nc'.splitlines() }}
{{ name.startswith('A') }} {{ name.endswith('da') }} {{ name.startswith(('x', 'A')) }} {{ 'aXbX'.replace('X', '-') }} {{ 'aXbX'.replace('X', '-', 1) }} {{ 'abc'.find('c') }} {{ 'abc'.find('z') }} {{ 'banana'.count('an') }} {{ '12'.isdigit() }} {{ ''.isdigit() }} {{ ','.join(['a', 'b']) }} {{ 'abc'.removeprefix('a') }} {{ 'abc'.removesuffix('c') }}
{{ d.get('b') }} {{ d.get('zz') }} {{ d.get('zz', 5) }} {{ d['items'] }} {{ xs.index(1) }} {{ [1, 2, 1].count(1) }}
{{ range(3) | list }} {{ range(1, 4) | list }} {{ range(5, 0, -2) | list }} {{ range(0) | list }} {{ dict(a=1, b=2) }}
{% if yes %}a{% elif n %}b{% else %}c{% endif %}{% if no %}a{% elif n %}b{% else %}c{% endif %}{% if no %}a{% elif 0 %}b{% else %}c{% endif %}
{% if nope %}a{% else %}b{% endif %} {% if d.nope %}a{% else %}b{% endif %} {% if not nope %}c{% endif %} {{ nope == 1 }} {{ nope != 'x' }} {{ 1 in nope }}
{% for x in xs %}{{ x }},{% endfor %} {% for x in empty %}x{% else %}none{% endfor %} {% for x in xs if x > 1 %}{{ x }}{{ loop.index }}{{ loop.length }};{% endfor %} {% for x in xs if x > 9 %}x{% else %}none{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %} {% for k in d %}{{ k }};{% endfor %} {% for c in 'aé' %}[{{ c }}]{% endfor %} {% for a, b in [[1, 2], (3, 4)] %}{{ a }}-{{ b }} {% endfor %}
{% for x in xs %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }} {% endfor %}
{% for x in xs %}{{ loop.previtem if loop.previtem is defined else '^' }}<{{ x }}>{{ loop.nextitem | default('$') }} {% endfor %}{% for x in xs %}{{ loop.cycle('a', 'b') }}{% endfor %}
{% for x in xs %}{% for y in [1, 2] %}{{ loop.depth }}{{ x }}{{ y }}{{ loop.last }} {% endfor %}{{ loop.index }}{% endfor %}
{% for x in xs %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %} {% for x in xs %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% else %}no{% endfor %} {% for x in [1] %}{% break %}{% else %}never{% endfor %}
{% for x in range(5) if x % 2 == 0 %}{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}
{% set a = 1 %}{% for x in xs %}{% set a = a + x %}{{ a }} {% endfor %}{{ a }}
{% set a, b = 1, 'x' %}{{ a }}{{ b }} {% set (c, e) = [3, 4] %}{{ c }}{{ e }} {% set t = 1, 2 %}{{ t }}
{% set ns = namespace(n=0, s='') %}{% for x in xs %}{% set ns.n = ns.n + x %}{% set ns.s = ns.s ~ x %}{% endfor %}{{ ns.n }} {{ ns.s }} {% set old = ns.n %}{% set ns.n = 1 %}{{ old }} {{ ns.n }} {% set ns.fresh = [ns.n] %}{{ ns.fresh }}
{% set ns = namespace({'a': 1}) %}{{ ns.a }} {% set ns2 = namespace() %}{% set ns2.l = [] %}{% for x in xs %}{% set ns2.l = ns2.l + [x] %}{% endfor %}{{ ns2.l }}
{% set block %}in {{ name }}{% endset %}[{{ block }}] {% set up | upper %}low{% endset %}{{ up }}
{% if yes %}{% set inside = 5 %}{% endif %}{{ inside }} {% for x in [1] %}{% set hidden = 1 %}{% endfor %}{{ hidden is defined }}
{% macro hi(who, greet='Hi', n=1) %}{{ greet }} {{ who }}{{ n }}{% endmacro %}{{ hi('Bo') }} {{ hi('Bo', 'Yo') }} {{ hi(who='Cy', n=3) }} {{ hi('x') | upper }} {{ hi('a') ~ '!' }}
{% macro fact(n) %}{% if n <= 1 %}1{% else %}{{ n * (fact(n - 1) | int) }}{% endif %}{% endmacro %}{{ fact(10) }}
{% set g = 'global' %}{% macro seen() %}{{ g }}{% set g = 'local' %}{% endmacro %}{{ seen() }} {{ g }} {% macro opt(a) %}{{ a is defined }}{% endmacro %}{{ opt() }} {{ opt(1) }}
{% with a = 1, b = 2 %}{{ a + b }}{% endwith %} {% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q is defined }} {% filter upper %}abc {{ name }}{% endfilter %}
{% raw %}{{ not }} {% this %}{% endraw %} {# comment {{ x }} #}after {{ '{{' }} {{ '}}' }} {{ '%}' }}
{{- name -}}   |   {{- name }} {%- if yes %} x {%- endif %} y
a  {{- ' b ' -}}  c {%- set x = 1 -%}  d {#- note -#}  e
{{ {'a': {'b': 1}}.a.b }} {{ {'a': {'b': 1}}['a']['b'] }} {{ [[1, 2], [3]][0][1] }} {{ 'abc'[1] | upper }} {{ (xs | sort)[0] }} {{ xs | sort | first + 1 }}
{{ 'x' * 3 }} {{ 3 * 'x' }} {{ [0] * 3 }} {{ [1] + [2] }} {{ 'a' + 'b' }} {{ 'x' * -1 }}| {{ true + 1 }} {{ -true }} {{ +5 }} {{ - 5 }}
{{ "%}" }} {{ 'a' if 'b' == "b" else "c" }} {{ 1if true else 2 }} {{ not(true) }} {{ (1)+(2) }}
{% generation %}inside {{ name }}{% endgeneration %} out
{{ people | map(attribute='name') | map('lower') | sort | join(' ') }} {{ people[0].at.city }} {{ people[1].at is defined }} {{ (people | selectattr('name', 'in', ['Bo', 'Cy']) | list)[1]['name'] }}
{% for p in people | sort(attribute='name') %}{{ p.name }}{{ ',' if not loop.last }}{% endfor %} {% for p in people[1:] %}{{ p['name'] }}{% endfor %} {% for a in (1, 2) + (3,) %}{{ a }}{% endfor %}
{{ nil is none and not yes or n > 5 }} {{ n is defined and n is number and n > 3 }} {{ nope is defined and nope.x }} {{ not nope is defined }} {{ nope is not defined or nope.x.y }}
{{ loop is defined }} {{ namespace is defined }} {{ range is defined }}
{{ text.strip().split('\n') | map('trim') | list }} {{ text | trim | replace('\n', ' ') | upper }} {{ name | lower | upper | title }}
{{ d['a'] | tojson }} {{ d | tojson | length }} {{ (d | tojson)[:5] }} {{ d.a | map('string') | join('+') }}
{{ 'α' < 'β' }} {{ uni.split(' ') }} {{ uni.replace('🙂', ':)') }} {{ '🙂' in uni }} {{ uni | replace('ü', 'ue') }} {{ 'ÀÉ' | lower }} {{ 'straße' | title }} {{ 'жук' | upper }}
{{ 100000 * 100000 }} {{ 9223372036854775807 }} {{ -9223372036854775807 }} {{ 7 // 2 * 2 + 7 % 2 }} {{ 1 / 3 }} {{ 1e300 * 10 }} {{ 5.0 // 2 }} {{ 5 % 3.5 }} {{ 1.0 * 3 }}
{{ [1, [2, [3]]] == [1, [2, [3]]] }} {{ {'a': 1, 'b': 2} == {'b': 2, 'a': 1} }} {{ (1, 2) == [1, 2] }} {{ none == false }} {{ '' == none }} {{ 0 == false }} {{ '1' == 1 }}
{{ xs is sequence and xs is not mapping and xs is not string }} {{ 'a' is not none }} {{ (none) is none }} {{ [] is iterable }}
{{ 1 is not number }} {{ yes is not false }} {% if n is divisibleby 7 and yes %}seven{% endif %} {{ 'x' if n is odd else 'y' }}
""".strip("\n").split("\n")

# Bodies that are handed to macros, keys that are whole numbers, JSON that is read.
MORE = r"""
{% macro box(a) %}[{{ a }}:{{ caller() }}]{% endmacro %}{% for x in xs %}{% call box(x) %}{{ x * 2 }}{{ loop.last }}{% endcall %}{% endfor %}
{% macro each(l) %}{% for x in l %}{{ caller(x, n=2) }};{% endfor %}{% endmacro %}{% call(v, n=1) each(xs) %}{{ v * n }}{% endcall %}
{% macro o() %}<{{ caller() }}>{% endmacro %}{% macro i(a) %}{% set b = a %}{% call o() %}{{ a }}{{ b }}{% call o() %}{{ b }}{% endcall %}{% endcall %}{% endmacro %}{{ i(5) }} {% call o() %}{{ i('x') }}{% endcall %}
{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}{% macro k() %}{{ caller is defined }}{{ caller() }}{% endmacro %}{% call k() %}b{% endcall %}
{% set g = {0: 'zero', 512: 128, 'a': 1} %}{{ g }} {{ g[512] }} {{ g[0] }} {{ g.get(512) }} {{ g.get(5, 'no') }} {{ 512 in g }} {{ '512' in g }} {{ g['512'] is defined }} {{ g | tojson }}
{% for k, v in {16: 2, -4: 1} | dictsort %}{{ k + 1 }}:{{ v }};{% endfor %} {% for k in {7: 1} %}{{ k is integer }}{{ k }}{% endfor %} {{ {1: 'a', 1: 'b'} }} {{ {1: 2} == {1: 2.0} }} {{ {3: 4}.keys() | list }} {{ {3: 4}.items() | list }}
{% set a = '{"x": [1, null, "\u00fc"], "y": 1.0}' | from_json %}{{ a.x }} {{ a.y }} {{ a | tojson }} {{ '3' | from_json + 1 }}
{{ '{' | from_json }}
{{ 5 | from_json }}
{% call name %}x{% endcall %}
{% call name() %}x{% endcall %}
{% call box(1) %}x
{% macro box() %}{{ caller(1) }}{% endmacro %}{% call box() %}x{% endcall %}
""".strip("\n").split("\n")

# As templates of models do it.
CHATTY = r"""
[{{ nope }}] [{{ d.nope }}] [{{ 'a' ~ nope ~ 1 }}] [{{ nope | upper }}] [{{ nope | trim }}] [{{ nope | string }}] [{{ nope | replace('a', 'b') }}]
{% for x in nope %}x{% else %}none{% endfor %} {% for k, v in nope %}{{ k }}{% endfor %} {% for x in nope if x %}{% endfor %} {{ nope | length }} {{ nope | list }} {{ nope | join(',') }}|{{ nope | first }}|{{ nope | last is defined }}
{{ nope | map('upper') | list }} {{ nope | selectattr('a') | list }} {{ nope | sort }} {{ nope | unique | list }} {{ nope | reverse | list }} {{ nope | sum }} {{ nope | max is defined }} {{ nope | items | list }}
{{ nope | default('x') }} {{ nope or 'y' }} {{ nope and 1 is defined }} {{ not nope }} {{ nope == '' }} {{ nope != none }} {{ nope == nope2 }} {{ nope is none }} {{ nope is string }} {{ nope is mapping }} {{ nope is iterable }} {{ nope is sequence }} {{ 1 in nope }} {{ nope in xs }}
{{ ('a' if no) is defined }} [{{ 'a' if no }}] {{ ('a' if no) or 'z' }} {% set x = 'a' if no %}{{ x is defined }} {{ [nope, 1] }} {{ {'k': nope} }}
{% macro m(a, b) %}[{{ a }}{{ b }}]{% endmacro %}{{ m() }}{{ m(1) }}{{ m(nope, 2) }} {% set ns = namespace(x=nope) %}{{ ns.x is defined }}{{ ns.y is defined }} {{ xs[9] }} {{ d['zz'] }}
{% if tools is defined and tools is not none %}{{ tools | length }}{% endif %}{% if tools %}t{% endif %}{% for p in people %}{{ p.name }}{{ p.at.city if p.at }}{% if p.at is defined %}!{% endif %};{% endfor %}
{{ nope.x }}
{{ nope['x'] }}
{{ nope[0] }}
{{ nope[1:] }}
{{ nope() }}
{{ nope + 1 }}
{{ 'a' + nope }}
{{ nope + 'a' }}
{{ [1] + nope }}
{{ -nope }}
{{ nope < 1 }}
{{ nope in 'abc' }}
{{ nope | int }}
{{ nope | float }}
{{ nope | abs }}
{{ nope | round }}
{{ nope | tojson }}
{{ [nope] | tojson }}
{{ nope | indent }}
{{ nope | dictsort }}
{{ nope | attr('x') }}
{{ nope | from_json }}
{{ nope.strip() }}
{% set a, b = nope %}
{{ ','.join([nope]) }}
{{ nope is odd }}
""".strip("\n").split("\n")

# Templates of several lines: white space is what they are about.
LAYOUTS = [
    "{% if yes %}\nline\n{% endif %}\nend\n", "  {% if yes %}\n    x\n  {% endif %}\ny", "a {% if yes %} b {% endif %} c\n",
    "{% for x in xs %}\n{{ x }}\n{% endfor %}\n", "{% for x in xs %}\n  {{ x }}\n  {%- endfor %}\nz", "{{ name }}\n\n{{ n }}\n\n",
    "  {{ name }}  \n", "\t{% set a = 1 %}\t\nx{{ a }}", "  {%+ if yes %}x{% endif %}", "{% if yes +%}\nx{% endif %}", "{# c #}\nx", "  {# c #}\n  x", "x  {#- c -#}  y",
    "{% raw %}\n  {{ x }}\n{% endraw %}\ny", "a\r\nb\r{{ name }}\r\n", "{% if yes -%}\n\n   x   \n\n{%- endif %}", "{{ 'a\nb' }}", "\n\n{{ name }}", "x\n  {% if yes %}y{% endif %}\n  z",
    "{% macro m() %}\n  a\n{% endmacro %}\n[{{ m() }}]", "{%- set x -%}\n  a\n{%- endset -%}\n[{{ x }}]", "{% for x in xs -%}\n  {{ x }}\n{% endfor -%}\n  tail",
    "{{ name -}}\n\n  x", "x\n\n  {{- name }}", "", "\n", "plain { text } %} }} #}", "{{ {'a': 1}['a'] }}}", "a{{ name }}{ {{ n }} }", "{% if yes %}{% endif %}\n\nx", "{%if yes%}a{%endif%}", "{{name}}{{n}}",
]

# What must be refused.
ERRORS = r"""
{{ nope }}
{{ d.nope }}
{{ nope.x }}
{{ nope + 1 }}
{{ 'a' ~ nope }}
{{ nope | upper }}
{% for x in nope %}{% endfor %}
{{ nope | length }}
{{ 1 / 0 }}
{{ 1 // 0 }}
{{ 1 % 0 }}
{{ 'a' + 1 }}
{{ 1 + none }}
{{ 'a' < 1 }}
{{ [] < {} }}
{{ none | length }}
{% for x in 5 %}{% endfor %}
{% for a, b in [[1]] %}{% endfor %}
{{ 5 | join }}
{{ 'a' in 5 }}
{{ name( }}
{{ name
{{ }}
{% %}
{% if %}{% endif %}
{% if yes %}
{% endif %}
{% for x xs %}{% endfor %}
{% for x in xs %}
{% unknown %}
{{ 'abc }}
{{ name | nofilter }}
{{ name is notest }}
{{ 1 + }}
{{ [1, 2 }}
{{ (1, 2 }}
{{ {'a' 1} }}
{{ a b }}
{{ name.upper }} {{ name.upper(1, 2) }}
{{ name() }}
{{ nope() }}
{{ range(1000000) }}
{{ raise_exception('no') }}
{{ xs.append(1) }}
{{ d.update({}) }}
{{ d.pop('b') }}
{{ name.__class__ }}
{{ [].__class__.__mro__ }}
{% set x.y = 1 %}
{% set d.x = 1 %}
{% macro m( %}{% endmacro %}
{% macro m() %}
{# open
{% else %}
{% set x %}
{{ 'x' | replace('x') }}
{{ xs | sort(bogus=1) }}
{{ xs | map('nofilter') | list }}
{{ xs | select('notest') | list }}
{{ ['a', 1] | sort }}
{{ xs[::0] }}
{{ -'a' }}
{{ 1 is divisibleby 0 }}
{{ 'a\x4' }}
{{ x ] }}
{% break %}
{% import 'x' as y %}
{% include 'x' %}
{% extends 'x' %}
{{ 5 is in 5 }}
""".strip("\n").split("\n")


def write(template, variables, chat=False):
    line = {"template": template, "vars": variables} | ({"chat": True} if chat else {})
    try:
        line["expected"] = (chat_env if chat else env).from_string(template).render(**variables)
    except (jinja2.TemplateError, TypeError, ZeroDivisionError, ValueError, OverflowError,
            SyntaxError) as error:
        line["error"] = f"{type(error).__name__}: {error}"
    print(json.dumps(line, ensure_ascii=False))


def main():
    for template, variables in chat_cases():
        write(template, variables)
    for template in TEMPLATES + LAYOUTS + ERRORS:
        names = {k: v for k, v in V.items() if k in template}
        write(template, names)
    for template, chat in [(t, False) for t in MORE] + [(t, True) for t in MORE + ERRORS + CHATTY]:
        names = {k: v for k, v in V.items() if k in template}
        write(template, names, chat)
    for talk in (TALK, TOOL_TALK):
        for tools in (None, TOOLS):
            write(MODEL, dict(CHAT, messages=talk, tools=tools, documents=None), True)


if __name__ == "__main__":
    sys.exit(main())
