/** Files that a cache believes, and what it never writes to. */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { keepOwn, readOwn, unsafe } from './files.ts'

const notRoot = process.geteuid!() !== 0 && 'needs root'
const BYTES = new Uint8Array([1, 2, 3, 4])
const SOMEBODY = 12345

function folder(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'cache-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

const read = (path: string): Uint8Array | undefined => readOwn(path, 1, 100)

t.test('what is kept is read, and is ours alone', async (t) => {
  const directory = folder(t)
  const path = join(directory, 'a.image')
  keepOwn(directory, path, BYTES, 64)
  t.same(read(path), BYTES)
  t.equal(statSync(path).mode & 0o7777, 0o600)
  keepOwn(directory, path, BYTES.slice(1), 64)
  t.same(read(path), BYTES.slice(1), 'in place of another one')
  t.same(readdirSync(directory), ['a.image'])
  t.equal(readOwn(path, 4, 100), undefined, 'shorter than it can be')
  t.equal(readOwn(path, 1, 2), undefined, 'longer than it can be')
  t.equal(read(join(directory, 'b.image')), undefined, 'none')
})

/** What is in the place of a file. */
const untrusted: Readonly<Record<string, (path: string) => void>> = {
  'that its group can write': (path) => chmodSync(path, 0o620),
  'that everybody can write': (path) => chmodSync(path, 0o602),
  'with a second name': (path) => linkSync(path, `${path}.other`),
  'behind a symlink': (path) => {
    renameSync(path, `${path}.other`)
    symlinkSync(`${path}.other`, path)
  },
  'that is a directory': (path) => {
    rmSync(path)
    mkdirSync(path, 0o600)
  },
  'that is a FIFO nobody writes to': (path) => {
    rmSync(path)
    spawnSync('mkfifo', ['--mode', '600', path])
  }
}

for (const [title, change] of Object.entries(untrusted))
  t.test(`a file ${title} is not believed`, async (t) => {
    const path = join(folder(t), 'a.image')
    writeFileSync(path, BYTES, { mode: 0o600 })
    t.same(read(path), BYTES)
    change(path)
    t.ok(existsSync(path))
    t.equal(read(path), undefined)
  })

t.test('a file of another user is not believed', { skip: notRoot }, async (t) => {
  const path = join(folder(t), 'a.image')
  writeFileSync(path, BYTES, { mode: 0o600 })
  chownSync(path, SOMEBODY, SOMEBODY)
  t.equal(read(path), undefined)
})

t.test('directories', async (t) => {
  const directory = folder(t)
  t.equal(unsafe(directory), undefined)
  t.equal(unsafe(join(directory, 'new/cache')), undefined, 'is made')
  t.equal(statSync(join(directory, 'new/cache')).mode & 0o7777, 0o700)
  for (const mode of [0o770, 0o702, 0o1777]) {
    chmodSync(directory, mode)
    t.match(unsafe(directory), /^others can write to it/, mode.toString(8))
  }
  chmodSync(directory, 0o755)
  t.equal(unsafe(directory), undefined, 'others may read it')
  symlinkSync(directory, join(directory, 'link'))
  t.equal(unsafe(join(directory, 'link')), 'it is not a directory')
  writeFileSync(join(directory, 'file'), '')
  t.equal(unsafe(join(directory, 'file')), 'it is not a directory')
})

t.test('a directory of another user', { skip: notRoot }, async (t) => {
  const directory = folder(t)
  chownSync(directory, SOMEBODY, SOMEBODY)
  t.equal(unsafe(directory), `it belongs to user ${SOMEBODY}`)
})

t.test('nothing is written through a symlink in the place of the temporary file', async (t) => {
  const directory = folder(t)
  const path = join(directory, 'a.image')
  const victim = join(directory, 'victim')
  writeFileSync(victim, 'whole')
  symlinkSync(victim, `${path}.${process.pid}`)
  t.throws(() => keepOwn(directory, path, BYTES, 64), { code: 'ELOOP' })
  t.equal(readFileSync(victim, 'utf8'), 'whole')
})

t.test('a symlink in the place of the file is replaced, and what it leads to is left alone', async (t) => {
  const directory = folder(t)
  const path = join(directory, 'a.image')
  const victim = join(directory, 'victim')
  writeFileSync(victim, 'whole')
  symlinkSync(victim, path)
  keepOwn(directory, path, BYTES, 64)
  t.equal(readFileSync(victim, 'utf8'), 'whole')
  t.same(read(path), BYTES)
})

t.test('what cannot be written leaves nothing behind', async (t) => {
  const directory = folder(t)
  const path = join(directory, 'a.image')
  mkdirSync(path)
  t.throws(() => keepOwn(directory, path, BYTES, 64), { code: 'EISDIR' })
  t.same(readdirSync(directory), ['a.image'])
})

t.test('a cache that has grown too large loses the older half of that kind, and what killed writers have left of it', async (t) => {
  const directory = folder(t)
  writeFileSync(join(directory, 'a.seccomp'), '')
  const left = join(directory, 'half.image.4711')
  writeFileSync(left, '')
  for (let i = 0; i < 7; i++) {
    const path = join(directory, `${i}.image`)
    keepOwn(directory, path, BYTES, 8)
    utimesSync(path, i, i + 10)
  }
  utimesSync(left, 1, 1)
  t.equal(readdirSync(directory).length, 9)
  keepOwn(directory, join(directory, 'new.image'), BYTES, 8)
  t.same(readdirSync(directory).sort(), ['3.image', '4.image', '5.image', '6.image', 'a.seccomp', 'new.image'])
})
