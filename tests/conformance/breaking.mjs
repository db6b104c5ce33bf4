// Compares schema.graphql with that of the last tag, or of the commit that an argument names: what
// breaks a client's document or code is a failure.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildSchema, findBreakingChanges, findDangerousChanges } from 'graphql';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

function git(...words) {
  const done = spawnSync('git', words, { cwd: ROOT, encoding: 'utf8' });
  return done.status === 0 ? done.stdout.trim() : null;
}

function compare(before, tag) {
  const then = buildSchema(before);
  const now = buildSchema(readFileSync(`${ROOT}/schema.graphql`, 'utf8'));
  const breaking = findBreakingChanges(then, now);
  const dangerous = findDangerousChanges(then, now);
  for (const { description } of breaking) console.log(`breaking: ${description}`);
  for (const { description } of dangerous) console.log(`to be looked at: ${description}`);
  console.log(`breaking changes since ${tag}: ${breaking.length}`);
  return breaking.length ? 1 : 0;
}

const tag = process.argv[2] ?? git('describe', '--tags', '--abbrev=0');
const before = tag && git('show', `${tag}:schema.graphql`);
if (before) {
  process.exitCode = compare(before, tag);
} else if (tag) {
  console.log(`breaking changes: ${tag} has no schema.graphql to compare with`);
  process.exitCode = process.argv[2] ? 1 : 0;
} else if (git('rev-parse', '--is-shallow-repository') === 'false') {
  console.log('breaking changes: no tag yet, so nothing to compare with');
} else {
  console.log('breaking changes: not compared, there is no history here; `git fetch --tags --unshallow`');
}
