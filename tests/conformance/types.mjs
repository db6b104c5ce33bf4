// Generates TypeScript from schema.graphql and fixtures/operations, and compiles it with a client
// of it, strictly. The files lie in a temporary folder only.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generate } from '@graphql-codegen/cli';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

// A scalar that is not here is an error, never `any`.
const scalars = {
  BigInt: { input: 'string | number', output: 'string' },
  DateTime: 'string',
  ID: 'string',
  JSON: 'unknown',
  Sha256: 'string',
};
const config = { scalars, strictScalars: true };
const strict = [
  '--strict',
  '--noEmit',
  '--noUnusedLocals',
  '--noUncheckedIndexedAccess',
  '--exactOptionalPropertyTypes',
  '--ignoreConfig',
  '--target',
  'es2022',
  '--module',
  'esnext',
  '--moduleResolution',
  'bundler',
];

process.chdir(here('.')); // The plugins are looked for from here.
const folder = mkdtempSync(join(tmpdir(), 'bindery-types-'));
try {
  const files = ['schema.ts', 'operations.ts', 'client.ts'].map((name) => join(folder, name));
  const [schemaFile, operationsFile, clientFile] = files;
  await generate({
    schema: here('../../schema.graphql'),
    documents: here('../../fixtures/operations/*.graphql'),
    silent: true,
    generates: {
      [schemaFile]: { plugins: ['typescript'], config },
      [operationsFile]: { plugins: ['typescript-operations'], config },
    },
  });
  copyFileSync(here('client.ts'), clientFile);
  const typescript = createRequire(import.meta.url).resolve('typescript/package.json');
  const done = spawnSync(
    process.execPath,
    [join(dirname(typescript), 'bin/tsc'), ...strict, ...files],
    { cwd: folder, encoding: 'utf8' },
  );
  process.stdout.write(done.stdout);
  const operations = readFileSync(operationsFile, 'utf8').match(/^export type \w+Variables/gm);
  if (done.status === 0) console.log(`TypeScript of ${operations.length} operations compiles`);
  process.exitCode = done.status;
} finally {
  rmSync(folder, { recursive: true });
}
