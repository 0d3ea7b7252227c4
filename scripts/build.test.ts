/** What must hold for every executable that build.ts makes, tried on one with a small program of its own. */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { ADDED_VARIABLES } from '../src/image/stub-variables.ts'

/** What the engine is told by the entry stub. */
const ADDED = Object.fromEntries(ADDED_VARIABLES.map((variable) => variable.split('=')))

/** This file is build/scripts/build.test.js. */
const root = fileURLToPath(new URL('../..', import.meta.url))

/** Prints what it sees, and tries on Bun what the tests of src/linux try on Node. */
const program = (sources: string): string => `
import { readdirSync, readlinkSync, writeSync } from 'node:fs'
import { syscall, syscallAsync } from '${sources}/ffi.ts'
import { callerLimits, ignoredByCaller, waitPidAsync, workingDirectoryGone } from '${sources}/process.ts'
import { poll, pollAsync, readMessageAsync, receiveFd, sendFd, socketpairSeqpacket, writeAll } from '${sources}/socket.ts'
import { spawnProgram } from '${sources}/spawn.ts'

const sh = (script: string) =>
  spawnProgram({ path: '/bin/sh', args: ['sh', '-c', script], env: ['PATH=/usr/bin:/bin'], fds: [], resetSignals: [13, 25] })

async function main() {
  const mappings = syscall('getpid') === process.pid
  const children = await Promise.all([waitPidAsync(sh('sleep 0.1; exit 3')), waitPidAsync(sh('kill -9 $$'))])
  const [a, b] = socketpairSeqpacket()
  sendFd(a.fd, 2, new Uint8Array([7]))
  const received = receiveFd(b.fd)
  setTimeout(() => writeAll(a.fd, new Uint8Array([8])), 20)
  const late = await readMessageAsync(b.fd, 10, 5000)
  const errnos = await Promise.all([syscallAsync('close', -1), syscallAsync('openat', -100, '/nonexistent', 0)])
  writeSync(1, JSON.stringify({
    args: process.argv.slice(2),
    env: process.env,
    mappings,
    children: children.map(({ exitCode, signal }) => exitCode ?? -signal!),
    received: [...received.data, ...late!],
    idle: [poll([{ fd: b.fd, events: 1 }], 0)[0], (await pollAsync([{ fd: b.fd, events: 1 }], 5))[0]],
    errnos,
    caller: [callerLimits(), ignoredByCaller()],
    cwd: [process.cwd(), workingDirectoryGone()]
  }))
}

main()
`

const directory = t.testdir()
const executable = `${directory}/bin/tsrun`
const addon = `${directory}/bin/koffi.node`

interface Run {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly shell?: string
}

/** Runs it with the arguments 'a' '--b'; `shell` is a script that execs "$@". */
function run({ cwd = '/', env = {}, shell = 'exec "$@"' }: Run = {}) {
  const { stdout, stderr, status } = spawnSync('/bin/sh', ['-c', shell, 'sh', executable, 'a', '--b'], { cwd, env, encoding: 'utf8' })
  return { stdout, stderr, status, seen: status === 0 ? JSON.parse(stdout) : undefined }
}

t.before(() => {
  const entry = `${directory}/program.ts`
  writeFileSync(entry, program(`${root}src/linux`))
  const args = [`${root}scripts/run.mjs`, `${root}scripts/build.ts`, '--outdir', `${directory}/bin`, '--entry', entry]
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
})

t.test('runs with an empty environment, and the native calls work', async (t) => {
  const { seen, stderr } = run()
  t.equal(stderr, '')
  t.same(seen.args, ['a', '--b'])
  t.equal(seen.env.HOME, undefined)
  t.same(seen.children, [3, -9])
  t.same(seen.received, [7, 8])
  t.same(seen.idle, [0, 0])
  t.same(seen.errnos, [-9, -2])
  t.ok(seen.mappings)
})

t.test('knows what its caller had', async (t) => {
  const [limits, ignored] = run({ shell: 'trap "" HUP SEGV PIPE PWR; ulimit -Sn 77; exec "$@"' }).seen.caller
  t.equal(limits.nofile.soft, 77)
  t.same(ignored, [1, 11, 13, 30])
  t.same(run({ shell: 'ulimit -Sn 78; exec "$@"' }).seen.caller[1], [])
})

t.test('takes nothing from files in the working directory', async (t) => {
  const cwd = `${directory}/hostile`
  mkdirSync(cwd)
  const evil = 'require("node:fs").writeSync(2, "EVIL")\n'
  for (const name of ['evil.ts', 'preload.ts', 'index.ts']) writeFileSync(`${cwd}/${name}`, evil)
  for (const name of ['.env', '.env.local', '.env.production', '.env.development'])
    writeFileSync(`${cwd}/${name}`, 'FROM_FILE=1\nPATH=/evil\n')
  for (const name of ['bunfig.toml', '.bunfig.toml']) writeFileSync(`${cwd}/${name}`, 'preload = ["./evil.ts"]\n')
  writeFileSync(
    `${cwd}/package.json`,
    '{"type":"commonjs","main":"./evil.ts","imports":{"#a":"./evil.ts"},"browser":{"node:fs":"./evil.ts"}}'
  )
  writeFileSync(`${cwd}/tsconfig.json`, '{"compilerOptions":{"paths":{"node:fs":["./evil.ts"],"*":["./evil.ts"]}}}')
  for (const env of [{}, { HOME: cwd, XDG_CONFIG_HOME: cwd }] as Record<string, string>[]) {
    const { seen, stderr } = run({ cwd, env })
    t.equal(stderr, '')
    t.equal(seen.env.FROM_FILE, undefined)
    t.not(seen.env.PATH, '/evil')
  }
})

t.test('takes nothing from the variables by which the engine is told to do something else', async (t) => {
  const evil = `${directory}/hostile/evil.ts`
  for (const [name, value] of Object.entries({
    BUN_OPTIONS: `--preload ${evil}`,
    BUN_BE_BUN: '1',
    BUN_INSPECT: `unix://${directory}/inspect?wait=1`,
    BUN_INSPECT_CONNECT_TO: `unix://${directory}/inspect`,
    BUN_INSPECT_PRELOAD: evil,
    BUN_JSC_dumpOptions: '2',
    JSC_SIGNAL_FOR_GC: '9',
    NODE_CHANNEL_FD: 'x',
    NODE_OPTIONS: `--require ${evil}`,
    NODE_PATH: `${directory}/hostile`,
    SIMDUTF_FORCE_IMPLEMENTATION: 'none',
    WTF_numberOfProcessorCores: 'x'
  })) {
    const { seen, stderr } = run({ env: { [name]: value, FIRST: '1', LAST: '2' } })
    t.equal(stderr, '', name)
    t.same(seen?.args, ['a', '--b'], name)
    // There where page faults are slow.
    const { MIMALLOC_ALLOW_THP: _, ...rest } = seen?.env ?? {}
    t.same(rest, { ...ADDED, FIRST: '1', LAST: '2', PWD: '/' }, 'nothing else is lost')
  }
})

t.test('runs in a working directory that is gone, and knows it', async (t) => {
  const gone = `${directory}/gone`
  mkdirSync(gone)
  t.match(run({ cwd: gone, shell: 'rmdir "$PWD"; exec "$@"' }).seen, { cwd: ['/', true], mappings: true })
  t.match(run().seen, { cwd: ['/', false] })
  t.match(run({ cwd: directory }).seen, { cwd: [directory, false] })
})

const asRoot = { skip: process.geteuid!() !== 0 && 'needs root' }

t.test('runs in a working directory that is out of reach', asRoot, async (t) => {
  const unmounted = 'mount -t tmpfs tmpfs . && cd "$PWD" && umount -l . && exec "$@"'
  const { stderr, seen } = run({ cwd: directory, shell: `exec unshare --mount sh -c '${unmounted}' sh "$@"` })
  t.match(seen, { cwd: ['/', true] }, stderr)
})

t.test('runs where it may not read the working directory', asRoot, async (t) => {
  const locked = `${directory}/locked`
  mkdirSync(locked, { mode: 0 })
  chmodSync(directory, 0o755)
  const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups']
  if (spawnSync('setpriv', [...nobody, 'test', '-x', executable]).status !== 0) return void t.pass('', { skip: 'needs a public folder' })
  t.match(run({ cwd: locked, shell: `exec setpriv ${nobody.join(' ')} "$@"` }).seen, { cwd: [locked, false] })
})

t.test('loads the addon from beside it only where nobody else can write, and from memory otherwise', async (t) => {
  const before = readdirSync('/tmp').sort()
  const spoiled = 'not an addon: loading it fails'
  renameSync(addon, `${addon}.real`)
  t.ok(run().seen.mappings, 'absent')
  for (const [mode, why] of [
    [0o664, 'the group may write it'],
    [0o646, 'others may write it']
  ] as const) {
    writeFileSync(addon, spoiled)
    chmodSync(addon, mode)
    t.ok(run().seen.mappings, why)
  }
  chmodSync(addon, 0o644)
  chmodSync(`${directory}/bin`, 0o777)
  t.ok(run().seen.mappings, 'others may write the folder')
  chmodSync(`${directory}/bin`, 0o755)
  t.not(run().status, 0, 'where only we can write, it is loaded')
  renameSync(`${addon}.real`, addon)
  t.same(
    readdirSync('/tmp')
      .sort()
      .filter((name) => !before.includes(name) && /koffi|\.node$/.test(name)),
    [],
    'nothing is unpacked'
  )
})
