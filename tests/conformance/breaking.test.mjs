// Plants changes of the schema in repositories of their own, and looks what breaking.mjs says.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const SCHEMA = readFileSync(join(HERE, '../../schema.graphql'), 'utf8')
const made = []
after(() => made.forEach((folder) => rmSync(folder, { recursive: true })))

function fresh() {
  const folder = mkdtempSync(join(tmpdir(), 'bindery-breaking-'))
  made.push(folder)
  return folder
}

function git(folder, ...words) {
  const who = ['-c', 'user.name=t', '-c', 'user.email=t@example.org', '-c', 'commit.gpgsign=false']
  const done = spawnSync('git', [...who, ...words], { cwd: folder, encoding: 'utf8' })
  assert.equal(done.status, 0, done.stderr)
}

/** A repository with one commit: the script, and the schema unless it is null. */
function repository(schema = SCHEMA) {
  const folder = fresh()
  mkdirSync(join(folder, 'tests/conformance'), { recursive: true })
  copyFileSync(join(HERE, 'breaking.mjs'), join(folder, 'tests/conformance/breaking.mjs'))
  if (schema !== null) writeFileSync(join(folder, 'schema.graphql'), schema)
  git(folder, 'init', '--quiet')
  git(folder, 'add', '.')
  git(folder, 'commit', '--quiet', '--message', 'first')
  return folder
}

/** What the script says of a repository, and its status. */
function said(folder, ...words) {
  const modules = join(folder, 'tests/conformance/node_modules')
  symlinkSync(join(HERE, 'node_modules'), modules)
  const script = join(folder, 'tests/conformance/breaking.mjs')
  const done = spawnSync('node', [script, ...words], { encoding: 'utf8' })
  return { status: done.status, text: done.stdout + done.stderr }
}

/** What it says where the last tag's schema became another one. */
function since(change) {
  const folder = repository()
  git(folder, 'tag', 'v1')
  const changed = change(SCHEMA)
  assert.notEqual(changed, SCHEMA, 'nothing was planted')
  writeFileSync(join(folder, 'schema.graphql'), changed)
  return said(folder)
}

for (const [what, change, told] of [
  ['a type that is gone', (text) => text.replaceAll('RateLimit', 'Limit'), /RateLimit was removed/],
  ['a field that is gone', (text) => text.replace(/^ {2}viewer:/m, '  me:'), /viewer was removed/],
  ['a field that may be null now', (text) => text.replace(/^ {2}id: ID!$/m, '  id: ID'), /changed type/],
  [
    'an argument that is required now',
    (text) => text.replace(/^ {2}viewer:/m, '  viewer(now: Int!):'),
    /required arg/i,
  ],
  ['a value that is gone', (text) => text.replace(/^ {2}UPLOADABLE$/m, '  LOADABLE'), /UPLOADABLE/],
]) {
  test(`${what} fails`, () => {
    const { status, text } = since(change)
    assert.equal(status, 1, text)
    assert.match(text, told)
    assert.match(text, /breaking changes since v1: [1-9]/)
  })
}

test('what is added passes', () => {
  const { status, text } = since((schema) => `${schema}\ntype Added {\n  one: Int\n}\n`)
  assert.equal(status, 0, text)
  assert.match(text, /breaking changes since v1: 0/)
})

test('the last tag counts, and not the one before', () => {
  const folder = repository(SCHEMA.replace(/^ {2}viewer:/m, '  me:'))
  git(folder, 'tag', 'v1')
  writeFileSync(join(folder, 'schema.graphql'), SCHEMA)
  git(folder, 'commit', '--all', '--quiet', '--message', 'second')
  git(folder, 'tag', 'v2')
  const { status, text } = said(folder)
  assert.equal(status, 0, text)
  assert.match(text, /breaking changes since v2: 0/)
})

test('without a tag there is nothing to compare with, which passes', () => {
  const { status, text } = said(repository())
  assert.equal(status, 0, text)
  assert.match(text, /no tag yet/)
})

test('a clone without history says that it compared nothing, and how to', () => {
  const folder = fresh()
  git(folder, 'clone', '--quiet', '--depth', '1', `file://${twice()}`, 'clone')
  const { status, text } = said(join(folder, 'clone'))
  assert.equal(status, 0, text)
  assert.match(text, /not compared.*git fetch --tags --unshallow/)
})

/** A repository whose tag is not on its last commit. */
function twice() {
  const folder = repository()
  git(folder, 'tag', 'v1')
  writeFileSync(join(folder, 'more'), '')
  git(folder, 'add', '.')
  git(folder, 'commit', '--quiet', '--message', 'second')
  return folder
}

test('a tag from before the schema passes, a commit that was named fails', () => {
  const folder = repository(null)
  git(folder, 'tag', 'v0')
  writeFileSync(join(folder, 'schema.graphql'), SCHEMA)
  const { status, text } = said(folder)
  assert.equal(status, 0, text)
  assert.match(text, /v0 has no schema.graphql/)
  rmSync(join(folder, 'tests/conformance/node_modules'))
  assert.equal(said(folder, 'v0').status, 1)
})
