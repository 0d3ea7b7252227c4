/** The cache: what it keeps, and what it never takes. */
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { defaultProfile } from '../../test/seccomp-profile.ts'
import type { Seccomp } from '../config/types.ts'
import { type Compiler, keep, placeOf, readCached } from './cache.ts'
import { type Compiled, HEADER_SIZE, packEntry, unpackEntry } from './entry.ts'

const program = new Uint8Array([6, 0, 0, 0, 0, 0, 0xff, 0x7f])
const compiled: Compiled = { program, flags: 4 }

interface Fixture {
  readonly directory: string
  readonly library: string
  readonly compiler: Compiler
  readonly log: string[]
  readonly place: (profile?: Seccomp) => ReturnType<typeof placeOf>
  readonly keep: (profile?: Seccomp, what?: Compiled) => void
  readonly read: (profile?: Seccomp) => Compiled | undefined
}

function fixture(t: Test): Fixture {
  const parent = mkdtempSync(join(tmpdir(), 'seccomp-'))
  t.teardown(() => rmSync(parent, { recursive: true }))
  const directory = join(parent, 'cache')
  const library = join(parent, 'libseccomp.so.2')
  writeFileSync(library, '1')
  const compiler = { path: () => library }
  const log: string[] = []
  const place = (profile = defaultProfile) => placeOf(directory, profile, 'x64')
  return {
    directory,
    library,
    compiler,
    log,
    place,
    keep: (profile, what = compiled) => keep(place(profile), what, compiler, (level, message) => void log.push(`${level} ${message}`)),
    read: (profile) => readCached(place(profile))
  }
}

t.test('what is kept is found, in files that only we can read', async (t) => {
  const { directory, place, keep, read, log } = fixture(t)
  t.equal(read(), undefined)
  keep()
  t.match(read(), compiled)
  t.equal(statSync(directory).mode & 0o7777, 0o700)
  t.equal(statSync(place().path).mode & 0o7777, 0o600)
  t.same(readdirSync(directory).length, 1, 'no temporary file is left')
  t.same(log, [])
})

t.test('each profile and each architecture has its own entry', async (t) => {
  const { directory, keep, read } = fixture(t)
  const other: Seccomp = { ...defaultProfile, defaultErrnoRet: 2 }
  keep()
  t.equal(read(other), undefined)
  t.equal(readCached(placeOf(directory, defaultProfile, 'arm64')), undefined)
  keep(other, { ...compiled, flags: 0 })
  t.match(read(), { flags: 4 })
  t.match(read(other), { flags: 0 })
})

t.test('where the listener is does not matter, that there is one does', async (t) => {
  const { keep, read } = fixture(t)
  keep({ ...defaultProfile, listenerPath: '/a', listenerMetadata: '1' })
  t.match(read({ ...defaultProfile, listenerPath: '/b', listenerMetadata: '2' }), compiled)
  t.equal(read(), undefined)
})

t.test('values beyond 2^53 are part of the profile', async (t) => {
  const { keep, read } = fixture(t)
  const of = (value: bigint): Seccomp => ({
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [{ names: ['ioctl'], action: 'SCMP_ACT_ERRNO', args: [{ index: 1, value, op: 'SCMP_CMP_EQ' }] }]
  })
  keep(of(2n ** 64n - 1n))
  t.match(read(of(2n ** 64n - 1n)), compiled)
  t.equal(read(of(2n ** 64n - 2n)), undefined)
})

t.test('an entry ends with the libseccomp that made it', async (t) => {
  const { library, keep, read } = fixture(t)
  keep()
  writeFileSync(library, '2')
  t.equal(read(), undefined, 'changed')
  keep()
  t.match(read(), compiled)
  rmSync(library)
  t.equal(read(), undefined, 'gone')
})

const spoiled: Readonly<Record<string, (file: Uint8Array) => Uint8Array>> = {
  empty: () => new Uint8Array(0),
  short: (file) => file.subarray(0, HEADER_SIZE - 1),
  'cut off': (file) => file.subarray(0, file.length - 8),
  'too long': (file) => new Uint8Array([...file, ...program]),
  'of another format': (file) => file.with(8, 99),
  'of something else': (file) => file.with(0, 0),
  'with another program': (file) => file.with(file.length - 1, 0x7e),
  'with another key': (file) => file.with(HEADER_SIZE, 0x20),
  'with absurd lengths': (file) => file.with(15, 0xff).with(19, 0xff)
}

for (const [title, spoil] of Object.entries(spoiled))
  t.test(`a file that is ${title} is not used`, async (t) => {
    const { place, keep, read } = fixture(t)
    keep()
    writeFileSync(place().path, spoil(readFileSync(place().path)))
    t.equal(read(), undefined)
  })

const entry = { ...compiled, library: '/x', identity: new Uint32Array(14) }

t.test('only whole programs of a length that the kernel takes are unpacked', async (t) => {
  for (const length of [0, 7, 12, 4097 * 8])
    t.equal(unpackEntry(packEntry('k', { ...entry, program: new Uint8Array(length) }), 'k'), undefined)
  t.match(unpackEntry(packEntry('k', { ...entry, program: new Uint8Array(4096 * 8) }), 'k'), { library: '/x', flags: 4 })
})

t.test('a file that others could have made is not used', async (t) => {
  const { directory, place, keep, read } = fixture(t)
  const { path } = place()
  keep()
  const good = readFileSync(path)
  const again = () => {
    rmSync(path, { recursive: true, force: true })
    writeFileSync(path, good, { mode: 0o600 })
  }
  chmodSync(path, 0o640)
  t.equal(read(), undefined, 'readable by others')
  again()
  linkSync(path, join(directory, 'link'))
  t.equal(read(), undefined, 'with a second name')
  again()
  rmSync(path)
  writeFileSync(join(directory, 'target'), good, { mode: 0o600 })
  symlinkSync('target', path)
  t.equal(read(), undefined, 'a symlink')
  rmSync(path)
  mkdirSync(path)
  t.equal(read(), undefined, 'a directory')
  again()
  t.match(read(), compiled, 'the same bytes are used otherwise')
})

t.test('a file of another user is not used', { skip: process.geteuid!() !== 0 && 'needs root' }, async (t) => {
  const { place, keep, read } = fixture(t)
  const { chownSync } = await import('node:fs')
  keep()
  chownSync(place().path, 12345, 12345)
  t.equal(read(), undefined)
})

t.test('nothing is written to a directory that others can write to, and the log says why', async (t) => {
  const { directory, place, keep, log } = fixture(t)
  mkdirSync(directory)
  chmodSync(directory, 0o770)
  keep()
  t.notOk(existsSync(place().path))
  t.match(log, [/^warning seccomp cache ".*" not used: others can write to it \(mode 770\)$/])
})

t.test('nothing is written through a symlink', async (t) => {
  const { directory, keep, log } = fixture(t)
  mkdirSync(`${directory}.real`)
  symlinkSync(`${directory}.real`, directory)
  keep()
  t.same(readdirSync(`${directory}.real`), [])
  t.match(log, [/not a directory/])
})

t.test('a directory that cannot be made is a warning', async (t) => {
  const { directory, keep, log } = fixture(t)
  writeFileSync(directory, '')
  keep()
  t.match(log, [/^warning seccomp cache .* not used: it is not a directory$/])
})

t.test('a cache that has grown too large is emptied', async (t) => {
  const { directory, keep, read } = fixture(t)
  for (let i = 0; i < 70; i++) keep({ ...defaultProfile, defaultErrnoRet: i })
  t.ok(readdirSync(directory).length <= 64)
  t.match(read({ ...defaultProfile, defaultErrnoRet: 69 }), compiled)
})
