// SPDX-License-Identifier: Apache-2.0
// Writes asserts.jsonl: what promptfoo says of lists of assertions.
//
//   npm install promptfoo && node make_assert_vectors.mjs > asserts.jsonl
import { createRequire } from 'node:module';
import fs from 'node:fs';
import path from 'node:path';

process.env.PROMPTFOO_DISABLE_TELEMETRY = '1';
process.env.PROMPTFOO_DISABLE_UPDATE = '1';
const require = createRequire(path.join(process.cwd(), 'x.js'));
const { assertions } = await import(require.resolve('promptfoo'));

const a = (type, value, more = {}) => ({ type, ...(value === undefined ? {} : { value }), ...more });
const both = (type, value, more = {}) => [a(type, value, more), a('not-' + type, value, more)];

const outputs = [
  'The capital of France is Paris.', 'paris', '', '  ', '{"a": 1, "b": [true, null]}', '[1, 2]',
  'Here: {"a": 2} and more', '{"a": "x"', '<a><b>x</b></a>', '<a><b></a>', 'See <a>1</a> there',
  '<?xml version="1.0"?>\n<r x="1"><c/></r>', '<r x=1/>', '<a>&nope;</a>', 'a < b and c > d',
  '<div class="x"><p>Hi</p></div>', '<!DOCTYPE html><html><body>x</body></html>', 'Use <b>bold</b>.',
  "I'm sorry, but I can't help with that.", 'I cannot assist with this request.',
  'As an AI language model, I am unable to do that.', 'Sure, here is how.', 'kitten', 'one two three',
  '[{"name": "search", "arguments": {}}, {"name": "book", "arguments": {}}]',
  '[{"function": {"name": "search", "arguments": "{}"}}]', 'İstanbul', 'Straße',
];
const simple = [
  ...both('contains', 'Paris'), ...both('icontains', 'PARIS'), ...both('contains-all', ['a', 'b']),
  ...both('contains-any', ['Paris', 'xyz']), ...both('icontains-all', ['THE', 'paris']),
  ...both('icontains-any', ['XYZ', 'Is']), a('contains-all', 'a, b'), a('contains-any', 'zz, Paris'),
  ...both('equals', 'paris'), ...both('equals', { a: 1, b: [true, null] }), ...both('starts-with', 'The'),
  ...both('regex', '[0-9]'), ...both('is-json'), ...both('is-json', { type: 'object', required: ['a'],
    properties: { a: { type: 'number' } } }), ...both('contains-json'),
  ...both('contains-json', { type: 'object', required: ['a'] }), ...both('is-xml'),
  ...both('contains-xml'), ...both('contains-html'), ...both('is-refusal'),
  ...both('levenshtein', 'sitting', { threshold: 3 }), a('levenshtein', 'paris'),
  ...both('word-count', 3), ...both('word-count', { min: 2, max: 5 }), a('word-count', { min: 4 }),
  a('word-count', { max: 2 }), a('tool-call-f1', ['search', 'book']),
  a('tool-call-f1', 'search, pay', { threshold: 0.5 }), a('not-tool-call-f1', ['search'], { threshold: 0.9 }),
];
const lists = [
  [a('contains', 'Paris', { weight: 3 }), a('contains', 'zzz')],
  [a('contains', 'zzz', { weight: 0 }), a('icontains', 'paris')],
  [{ type: 'assert-set', threshold: 0.5, assert: [a('contains', 'Paris'), a('contains', 'zzz')] }],
  [{ type: 'assert-set', threshold: 0.6, weight: 2, assert: [a('contains', 'Paris'), a('is-json')] },
    a('not-contains', 'zzz')],
  [{ type: 'assert-set', assert: [a('contains', 'Paris'), a('contains', 'capital', { weight: 4 })] }],
];

const version = JSON.parse(fs.readFileSync('node_modules/promptfoo/package.json')).version;
const all = [...simple.map((one) => [one]), ...lists];
console.log(JSON.stringify({ made_by: `promptfoo ${version}`, asserts: all }));
for (const output of outputs) {
  const results = [];
  for (const assert of all) {
    const found = await assertions.runAssertions({
      prompt: 'p', provider: undefined, test: { assert, vars: {} },
      providerResponse: { output }, latencyMs: 10,
    });
    results.push([found.pass ? 1 : 0, found.score]);
  }
  console.log(JSON.stringify({ output, results }));
}
process.exit(0);
