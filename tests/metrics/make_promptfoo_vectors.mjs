// SPDX-License-Identifier: Apache-2.0
// Writes promptfoo.jsonl: what promptfoo says of single assertions that need more than a text, or
// that give a score. A line is {output, assert, details, result}; result is [pass, score], null
// where promptfoo throws.
//
//   npm install promptfoo && node make_promptfoo_vectors.mjs > promptfoo.jsonl
import { createRequire } from 'node:module';
import fs from 'node:fs';
import path from 'node:path';

process.env.PROMPTFOO_DISABLE_TELEMETRY = '1';
process.env.PROMPTFOO_DISABLE_UPDATE = '1';
const require = createRequire(path.join(process.cwd(), 'x.js'));
const { assertions, loadApiProvider } = await import(require.resolve('promptfoo'));

let state = 12345;
const upTo = (n) => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 8) % n;
const pick = (list) => list[upTo(list.length)];
const text = (words, least, most) =>
  Array.from({ length: least + upTo(most - least + 1) }, () => pick(words)).join(pick([' ', ' ', '  ', '\n']));

const rows = [];
const row = (output, assert, details = {}, more = {}) => rows.push({ output, assert, details, more });
const both = (output, assert, details, more) => {
  row(output, assert, details, more);
  row(output, { ...assert, type: 'not-' + assert.type }, details, more);
};

// ---- overlap ----
const words = ['the', 'The', 'cat', 'cats', 'sat', 'sits', 'sitting', 'on', 'a', 'mat.', 'Mat',
  'running', 'runs', 'quickly', 'end.', 'zzqx', 'naïve', 'Ünder', '3.14', 'to'];
const marks = [...words, "don't", "can't", "it's", 'cannot', 'gonna', "they'll", '"quoted"', '(in)', 'a,b',
  '10,000', 'x:y', 'well--known', '...', 'e.g.', 'U.S.', 'what?', 'wow!', '$5', '100%', "cats'", '``so\'\'', '&'];
for (let i = 0; i < 24; i++) {
  const answer = text(words, 1, 12), other = i % 3 ? text(words, 1, 12) : answer + ' ' + pick(words);
  both(answer, { type: 'gleu', value: i % 4 ? other : [other, text(words, 2, 8)] });
  both(answer, { type: 'bleu', value: i % 4 ? other : [other, text(words, 2, 8)], threshold: 0.3 });
  const a = text(marks, 1, 14), b = i % 2 ? text(marks, 1, 14) : a + ' ' + text(marks, 1, 3);
  both(a, { type: 'rouge-n', value: b, ...(i % 5 ? { threshold: 0.4 } : {}) });
}
row('same words here', { type: 'gleu', value: 'same words here' });
row('same words here', { type: 'bleu', value: 'same words here' });

// ---- what a provider says ----
for (const finishReason of ['stop', 'length', 'tool_calls'])
  for (const value of ['STOP', 'tool_calls']) both('a', { type: 'finish-reason', value }, {}, { finishReason });
for (const logProbs of [[-0.1, -0.2], [-3, -2.5, -4]])
  for (const threshold of [undefined, 1.3, 20, 0.4]) {
    both('a', { type: 'perplexity', threshold }, {}, { logProbs });
    both('a', { type: 'perplexity-score', threshold }, {}, { logProbs });
  }
for (const threshold of [5, 10, 500]) both('a', { type: 'latency', threshold });
for (const guardrails of [undefined, { flagged: true, flaggedOutput: true }, { flagged: false }])
  both('a', { type: 'guardrails' }, {}, { guardrails });

// ---- markup ----
for (const html of ['<p>x</p>', '<div class="x"><p>Hi</p></div>', 'Use <b>bold</b>.', 'a < b', '<a/>', '<!-- c -->',
  '<!DOCTYPE html><html><body>x</body></html>', 'x &amp; y', '<br>', '<foo></foo>', '<x-y>1</x-y> <p>', '', '<p>a</p> b', '<br>text', '<ul><li>1<li>2</ul>',
  '<body>loose</body>', '<?xml version="1.0"?><a>x</a>', '<script>if (a < b) { c }</script>', '<P CLASS="a > b">x</P>', '<html>x</html>']) {
  both(html, { type: 'is-html' });
  both(html, { type: 'contains-html' });
}
const xml = '<r><a><b>1</b></a><c x="1"/></r>';
for (const value of [undefined, 'r.a.b, r.c', { requiredElements: ['r.a', 'r.c'] }, { requiredElements: ['r.d'] }])
  for (const output of [xml, 'so: ' + xml, 'none'])
    for (const type of ['is-xml', 'contains-xml']) both(output, { type, ...(value ? { value } : {}) });
both('{"a": 1}', { type: 'is-json', value: 'type: object\nrequired: [a]' });
both('{"b": 1}', { type: 'contains-json', value: 'type: object\nrequired: [a]' });

// ---- calls ----
const tools = [
  { type: 'function', function: { name: 'search', parameters: { type: 'object', required: ['q'],
    properties: { q: { type: 'string' }, n: { type: 'integer' } } } } },
  { type: 'function', function: { name: 'stop', parameters: { type: 'object' } } }];
const functions = tools.map((t) => t.function);
const call = (name, args) => ({ function: { name, arguments: args } });
for (const output of [[call('search', '{"q": "x"}')], [call('search', '{"q": 1}')], [call('find', '{}')],
  [call('stop', '{}'), call('search', '{"q": "x", "n": 2}')], [], [call('search', '{')], { tool_calls: [call('stop', '{}')] },
  [{ function: { name: 'stop', arguments: {} } }], 'text', 'MCP Tool Result (x): y', 'MCP Tool Error (x): y',
  { name: 'stop', arguments: '{}' }])
  row(output, { type: 'is-valid-openai-tools-call', value: tools }, {}, { tools });
for (const output of [{ name: 'search', arguments: '{"q": "x"}' }, { name: 'search', arguments: '{"n": 1}' },
  { function_call: { name: 'stop', arguments: '{}' } }, { name: 'find', arguments: '{}' }, { name: 'stop', arguments: {} }, 'text'])
  for (const type of ['is-valid-function-call', 'is-valid-openai-function-call'])
    row(output, { type, value: functions }, {}, { functions });
for (const output of [{ tool_calls: [call('a', '{}'), { name: 'b' }] }, [{ type: 'tool_use', name: 'a', input: {} }, { type: 'text', text: 'x' }],
  { functionCall: { name: 'a', args: {} } }, [{ functionCall: { name: 'b' } }, { name: 'a' }], { toolCall: { functionCalls: [{ name: 'a' }] } },
  'so\n{"name": "a"}\n[{"name": "b"}]', { type: 'tool_use', name: 'b' }, [{ name: 'a' }, 5]]) {
  // A text of calls that is no list of its own is read line by line, JSON objects as they are.
  row(output, { type: 'tool-call-f1', value: ['a', 'b'] });
  row(output, { type: 'tool-call-f1', value: 'a', threshold: 0.6 });
}

// ---- traces ----
const span = (name, startTime, endTime, attributes, more = {}) => ({ name, startTime, endTime, attributes, ...more });
const traces = [
  [span('chat', 0, 100, {}), span('call search', 10, 40, { 'tool.name': 'search', 'tool.arguments': '{"q": "x", "n": 5, "t": 1}' }),
    span('call book', 50, 60, { 'gen_ai.tool.name': 'Book', 'gen_ai.tool.call.arguments': '{"id": 7, "who": {"a": [1, 2]}}' }),
    span('reasoning', 1, 2, {}), span('agent response', 90, 95, {})],
  [span('exec ls -l', 5, 6, {}), span('run', 1, 4, { tool_name: 'shell', tool_args: '{"cmd": ["git", "status"]}' }),
    span('search "cats"', 7, 8, {}), span('x', 9, 12, { query: 'dogs', 'search.engine': 'e' }), span('mcp files/read', 13, 20, { input: { p: 1 } })],
  [span('search_web', 3, 9, { my_tool: 'search', args: '{}' }, { statusCode: 2 }), span('search_web', 1, 2, { tool: 'search' }),
    span('http', 2, 30, { 'http.status_code': '503' }), span('db', 4, 5, { error: true }, { statusMessage: 'timed out' }),
    span('book', 6, 7, { 'function.name': 'book', 'function.args': '{"id": 1}' }, { statusMessage: 'timeout', statusCode: 1 }), span('late', 8, undefined, {})],
  [],
];
const used = ['search', ['search', 'book'], 'sea*', ['zz'], { name: 'search', min: 2 }, { pattern: '*o?k', max: 1, min: 1 }, { name: 'search', max: 1, min: 0 }];
const orders = [['search', 'book'], ['book', 'search'], { mode: 'exact', steps: ['search', 'book'] }, { mode: 'exact', steps: ['search', 'search', 'book'] }, ['s*', { name: 'b*' }]];
const args = [{ name: 'search', args: { q: 'x' } }, { name: 'search', arguments: { q: 'x', n: 5, t: 1 }, mode: 'exact' },
  { name: 'search', args: { q: 'x' }, mode: 'exact' }, { name: 'search', args: { q: 'x' }, mode: 'exact', ignore: 't', defaults: { n: 5 } },
  { pattern: 'b*', args: { who: { a: [1, 2] } } }, { pattern: 'book', args: { who: { a: [1] } } }, { name: 'read', args: { p: 1 } },
  { name: 'search', args: { q: 'x', t: 9 }, ignore: ['t*'] }, { name: 'book', args: { id: 1 } }];
const counts = [{ min: 3 }, { max: 4 }, { type: 'tool', min: 2, max: 2 }, { type: ['command', 'search'], min: 2 }, { pattern: '*search*', min: 1 },
  { type: 'command', pattern: 'git*', min: 1 }, { type: 'reasoning', max: 0 }, { type: 'message', min: 1 }, { type: 'span', max: 1 }];
const spans = [['trace-span-count', { pattern: '*search*', min: 1 }], ['trace-span-count', { pattern: '*', min: 2, max: 5 }],
  ['trace-span-duration', { max: 20 }], ['trace-span-duration', { max: 10, percentile: 50 }], ['trace-span-duration', { pattern: 'call*', max: 30 }],
  ['trace-error-spans', undefined], ['trace-error-spans', 2], ['trace-error-spans', { max_count: 5 }], ['trace-error-spans', { max_percentage: 60 }],
  ['trace-error-spans', { pattern: 'search*', max_percentage: 50 }]];
for (const list of traces) {
  const details = { trace: list };
  for (const value of used) both('a', { type: 'trajectory:tool-used', value }, details);
  for (const value of orders) both('a', { type: 'trajectory:tool-sequence', value }, details);
  for (const value of args) both('a', { type: 'trajectory:tool-args-match', value }, details);
  for (const value of counts) both('a', { type: 'trajectory:step-count', value }, details);
  for (const [type, value] of spans) row('a', { type, ...(value === undefined ? {} : { value }) }, details);
}
for (const skill_calls of [[{ name: 'pdf' }, { name: 'xlsx', is_error: true }], [{ name: 'pdf' }, { name: 'pdf' }, { name: 'docx' }], []])
  for (const value of ['pdf', ['pdf', 'docx'], ['xlsx'], { name: 'pdf', min: 2 }, { pattern: 'p*', max: 1 }, { pattern: '*x' }, { name: 'docx', max: 0 }]) {
    const counted = value.min !== undefined || value.max > 0;
    (counted ? row : both)('a', { type: 'skill-used', value }, { skill_calls });
  }

const version = JSON.parse(fs.readFileSync('node_modules/promptfoo/package.json')).version;
// All of its types: the keys of its table of handlers.
const table = fs.readFileSync(require.resolve('promptfoo'), 'utf8').match(/ASSERTION_HANDLERS = \{([\s\S]*?)\n\};/)[1];
const types = [...table.matchAll(/^\t"?([a-z][a-z0-9:-]*)"?:/gm)].map((m) => m[1]);
console.log(JSON.stringify({ made_by: `promptfoo ${version}`, types, traces }));
for (const { output, assert, details, more } of rows) {
  const { tools: own, functions: ownFunctions, ...response } = more;
  let provider = { id: () => 'p', callApi: async () => ({}), config: { tools: own, functions: ownFunctions } };
  // OpenAI's is the provider that knows how to check a function call.
  const options = { options: { config: { functions: ownFunctions, apiKey: 'x' } } };
  if (ownFunctions) provider = await loadApiProvider('openai:chat:x', options);
  let result = null;
  try {
    const found = await assertions.runAssertion({
      prompt: 'p', provider, assertion: assert, test: { vars: {} }, latencyMs: 10,
      providerResponse: { output, metadata: { skillCalls: details.skill_calls }, ...response },
      ...(details.trace ? { traceId: 't', traceData: { traceId: 't', spans: details.trace } } : {}),
    });
    result = [found.pass ? 1 : 0, found.score];
  } catch (error) {
    if (process.env.SHOW_ERRORS) console.error(assert.type, JSON.stringify(output), error.message);
  }
  const said = { ...details, ...(details.trace ? { trace: traces.indexOf(details.trace) } : {}) };
  if (response.finishReason) said.finish_reason = response.finishReason;
  if (response.guardrails) said.guardrails = response.guardrails;
  if (response.logProbs) {
    said.logprob = response.logProbs.reduce((a, b) => a + b, 0);
    said.tokens = response.logProbs.length;
  }
  console.log(JSON.stringify({ output: typeof output === 'string' ? output : JSON.stringify(output), assert, details: said, result }));
}
process.exit(0);
