// Lints schema.graphql, and prints how many problems there are: graphql-eslint,
// graphql-schema-linter, and its order.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';
import { buildSchema, lexicographicSortSchema, printSchema } from 'graphql';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, '../..');
const FILE = 'schema.graphql';
const TEXT = readFileSync(join(ROOT, FILE), 'utf8');
// Each linter has to complain of this, or it does not look at all.
const BAD = 'type Query { Bad_name: thing } scalar thing\n';

const eslint = new ESLint({
  cwd: ROOT,
  overrideConfigFile: join(HERE, 'eslint.config.mjs'),
});

async function byEslint(text) {
  const [{ messages }] = await eslint.lintText(text, { filePath: join(ROOT, FILE) });
  return messages.map((one) => `${one.line}:${one.column} ${one.message} (${one.ruleId})`);
}

const linter = createRequire(import.meta.url).resolve('graphql-schema-linter/package.json');

async function bySchemaLinter(text) {
  const program = join(dirname(linter), 'lib/cli.js');
  const done = spawnSync(process.execPath, [program, '--stdin', '--format', 'json'], {
    cwd: HERE,
    input: text,
    encoding: 'utf8',
  });
  if (!done.stdout.trim()) throw new Error(done.stderr || 'graphql-schema-linter said nothing');
  return JSON.parse(done.stdout).errors.map(
    ({ location, message, rule }) => `${location?.line}:${location?.column} ${message} (${rule})`,
  );
}

async function byOrder(text) {
  const schema = buildSchema(text);
  const sorted = printSchema(lexicographicSortSchema(schema));
  return printSchema(schema) === sorted ? [] : ['it is not sorted as graphql-js sorts a schema'];
}

let problems = 0;
for (const [name, lint] of [
  ['graphql-eslint', byEslint],
  ['graphql-schema-linter', bySchemaLinter],
  ['order', byOrder],
]) {
  if (lint !== byOrder && (await lint(BAD)).length === 0) {
    throw new Error(`${name} does not complain of a bad schema`);
  }
  const found = await lint(TEXT);
  problems += found.length;
  for (const one of found) console.log(`${FILE}:${one}`);
  console.log(`${name.padEnd(24)} ${found.length} problems`);
}
console.log(`schema.graphql: ${problems} problems`);
process.exitCode = problems ? 1 : 0;
