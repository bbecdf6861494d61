// SPDX-License-Identifier: Apache-2.0
// Writes sql.jsonl: promptfoo's verdicts of is-sql on statements, and on the same statements with
// one token less; a line is {sql, is} with a digit for each database of the first line. Then of
// lists of what is allowed, and of contains-sql: {output, assert, result}.
//
//   npm install promptfoo && node make_sql_vectors.mjs > sql.jsonl
import { createRequire } from 'node:module';
import fs from 'node:fs';
import path from 'node:path';

process.env.PROMPTFOO_DISABLE_TELEMETRY = '1';
process.env.PROMPTFOO_DISABLE_UPDATE = '1';
const require = createRequire(path.join(process.cwd(), 'x.js'));
const { assertions } = await import(require.resolve('promptfoo'));
const databases = ['MySQL', 'MariaDB', 'PostgreSQL', 'Sqlite', 'TransactSQL'];
const statements = fs.readFileSync(new URL('sql_statements.txt', import.meta.url), 'utf8').split('\n')
  .filter((line) => line && !line.startsWith('--- '));

const verdict = async (output, assert) => (await assertions.runAssertion({
  prompt: 'p', assertion: assert, test: { vars: {} }, providerResponse: { output } })).pass ? 1 : 0;
const version = JSON.parse(fs.readFileSync('node_modules/promptfoo/package.json')).version;
console.log(JSON.stringify({ made_by: `promptfoo ${version}`, databases }));

const seen = new Set();
const put = async (sql) => {
  if (seen.has(sql)) return;
  seen.add(sql);
  let is = '';
  for (const databaseType of databases) is += await verdict(sql, { type: 'is-sql', value: { databaseType } });
  console.log(JSON.stringify({ sql, is }));
};
for (const sql of statements) await put(sql);
// A token less: mostly no SQL any more. Every fourth statement, every token.
for (let i = 0; i < statements.length; i += 4) {
  const tokens = statements[i].match(/'[^']*'|"[^"]*"|\w+|\s+|[^\w\s]/g);
  for (let k = 0; k < tokens.length; k++)
    if (tokens[k].trim()) await put(tokens.filter((_, j) => j !== k).join(''));
}

const tables = [['select::null::users'], ['select::(.*)::(users|orders)'], ['(select|update)::null::users'], ['insert::null::.*', 'select::.*']];
const columns = [['select::users::name'], ['select::null::(.*)'], ['select::(users|null)::(id|name)', 'update::null::.*'], ['.*::.*::.*']];
const asked = ['SELECT name FROM users', 'SELECT * FROM users', 'SELECT u.name, o.total FROM users u JOIN orders o ON u.id = o.uid',
  'SELECT users.name FROM users WHERE id = 3 ORDER BY name', 'UPDATE users SET name = 1 WHERE id = 2', 'DELETE FROM users WHERE id = 1',
  'INSERT INTO users (id, name) VALUES (1, 2)', 'INSERT INTO log SELECT id FROM users', 'SELECT count(*) FROM (SELECT id FROM users) x',
  'SELECT name FROM shop.users', 'DROP TABLE users', 'SELECT id FROM users UNION SELECT uid FROM orders', 'SELECT name FROM'];
for (const output of asked) {
  for (const [key, lists] of [['allowedTables', tables], ['allowedColumns', columns]])
    for (const list of lists) {
      const assert = { type: 'is-sql', value: { databaseType: 'MySQL', [key]: list } };
      console.log(JSON.stringify({ output, assert, result: [await verdict(output, assert), await verdict(output, assert)] }));
    }
}
const fence = '```';
for (const output of [`So:\n${fence}sql\nSELECT 1\n${fence}\ndone`, `${fence}\nSELECT 1\n${fence}`, `${fence}python\nSELECT 1\n${fence}`, 'SELECT 1', 'Use SELECT 1',
  `${fence}sql\nSELECT FROM\n${fence}\n${fence}SQL\nSELECT 2\n${fence}`, `~~~sql\nSELECT 1\n~~~`, `${fence}sql\nSELECT 1`, `    ${fence}sql\nSELECT 1\n${fence}`,
  `${fence}${fence}sql\nSELECT 1\n${fence}\n${fence}${fence}`, `${fence}sql\n\n${fence}`, `${fence}sql\nSELECT 1\n~~~\n${fence}`, ''])
  for (const type of ['contains-sql', 'not-contains-sql', 'is-sql', 'not-is-sql']) {
    const assert = { type }, result = await verdict(output, assert);
    console.log(JSON.stringify({ output, assert, result: [result, result] }));
  }
process.exit(0);
