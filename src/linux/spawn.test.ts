import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { signalNumbers } from '../abi/signals.ts'
import { type OwnedFd, own } from './fd.ts'
import { check, syscall } from './ffi.ts'
import { waitPid } from './process.ts'
import { readMessage } from './socket.ts'
import { type Dispositions, type PassedFd, spawnImage, spawnProgram } from './spawn.ts'

const { SIGPIPE, SIGXFSZ } = signalNumbers
const resetSignals = [SIGPIPE, SIGXFSZ]

function pipe(): [OwnedFd, OwnedFd] {
  const pair = new Int32Array(2)
  check(syscall('pipe2', new Uint8Array(pair.buffer), 0o2000000), 'make a pipe')
  return [own(pair[0]!), own(pair[1]!)]
}

function untilEnd(fd: number): string {
  let text = ''
  for (let part = readMessage(fd, 65536); part.length > 0; part = readMessage(fd, 65536)) text += Buffer.from(part)
  return text
}

/** What `script` prints, run by sh with the descriptors `fds`. */
function sh(script: string, fds: readonly PassedFd[] = [], more: Partial<Dispositions> = {}): string {
  const [out, write] = pipe()
  const pid = spawnProgram({
    path: '/bin/sh',
    args: ['sh', '-c', script],
    env: ['PATH=/usr/bin:/bin'],
    fds: [{ from: write.fd, to: 1 }, ...fds],
    resetSignals,
    ...more
  })
  write[Symbol.dispose]()
  const output = untilEnd(out.fd)
  out[Symbol.dispose]()
  waitPid(pid, { hang: true })
  return output
}

t.test('an image runs with its name, an empty environment, and its descriptors', async (t) => {
  const [input, script] = pipe()
  const [output, write] = pipe()
  const fds = [
    { from: input.fd, to: 0 },
    { from: write.fd, to: 1 }
  ]
  const pid = spawnImage({ image: readFileSync('/bin/sh'), arg0: 'given-name', fds, resetSignals })
  writeFileSync(script.fd, '/usr/bin/tr "\\0" "," </proc/$$/cmdline; echo; /usr/bin/tr "\\0" "," </proc/$$/environ; exit 7\n')
  for (const fd of [script, write]) fd[Symbol.dispose]()
  t.equal(untilEnd(output.fd), 'given-name,\n')
  t.match(waitPid(pid, { hang: true }), { pid, exitCode: 7 })
  for (const fd of [input, output]) fd[Symbol.dispose]()
})

t.test('the file of an image is sealed', async (t) => {
  const [input, script] = pipe()
  const pid = spawnImage({ image: readFileSync('/bin/sh'), arg0: 'sh', fds: [{ from: input.fd, to: 0 }], resetSignals })
  t.match(readlinkSync(`/proc/${pid}/exe`), /^\/memfd:tsrun/)
  const fd = openSync(`/proc/${pid}/exe`, 'r')
  t.equal(syscall('fcntl', fd, 1034) & 15, 15, 'F_SEAL_SEAL, SHRINK, GROW and WRITE')
  closeSync(fd)
  t.throws(() => closeSync(openSync(`/proc/${pid}/exe`, 'r+')), /ETXTBSY|EPERM|EACCES/)
  for (const each of [script, input]) each[Symbol.dispose]()
  t.match(waitPid(pid, { hang: true }), { exitCode: 0 })
})

t.test('what is no program gives an error', async (t) => {
  t.throws(() => spawnImage({ image: new Uint8Array(100), arg0: 'x', fds: [], resetSignals }), {
    code: 'system',
    errno: 'ENOEXEC',
    message: 'cannot execute "x": exec format error (ENOEXEC)'
  })
  t.throws(() => spawnProgram({ path: '/nonexistent', args: ['y'], env: [], fds: [], resetSignals }), {
    errno: 'ENOENT',
    message: /"y"/
  })
})

t.test('descriptors may change places', async (t) => {
  const a = own(openSync('/dev/null', 'r'))
  const b = own(openSync('/dev/zero', 'r'))
  const swapped = [
    { from: a.fd, to: b.fd },
    { from: b.fd, to: a.fd }
  ]
  t.equal(sh(`readlink /proc/$$/fd/${a.fd} /proc/$$/fd/${b.fd}`, swapped), '/dev/zero\n/dev/null\n')
  const chain = [
    { from: a.fd, to: 5 },
    { from: b.fd, to: 3 },
    { from: a.fd, to: 4 }
  ]
  t.equal(sh('readlink /proc/$$/fd/3 /proc/$$/fd/4 /proc/$$/fd/5', chain), '/dev/zero\n/dev/null\n/dev/null\n')
  for (const fd of [a, b]) fd[Symbol.dispose]()
})

t.test('nothing else is inherited, not even what was opened without O_CLOEXEC', async (t) => {
  const leak = check(syscall('openat', -100, '/dev/null', 0), 'open')
  const high = check(syscall('fcntl', leak, 0, 700), 'F_DUPFD')
  // ls itself holds 3, the directory that it lists.
  t.equal(sh('ls /proc/self/fd'), '0\n1\n2\n3\n')
  t.equal(sh('ls /proc/self/fd', [{ from: high, to: 9 }]), '0\n1\n2\n3\n9\n')
  closeSync(leak)
  closeSync(high)
})

t.test('dispositions are the default, and nothing is masked', async (t) => {
  const status = sh('exec cat /proc/self/status')
  t.match(status, /SigIgn:\t0{16}\n/)
  t.match(status, /SigBlk:\t0{16}\n/)
})

t.test('signals are ignored on demand, and then handled here as before', async (t) => {
  const { SIGHUP, SIGUSR1 } = signalNumbers
  let seen = 0
  const count = (): void => void seen++
  process.on('SIGUSR1', count)
  const ours = readFileSync('/proc/self/status', 'latin1').match(/Sig(Ign|Cgt).*/g)
  t.match(sh('exec cat /proc/self/status', [], { ignoreSignals: [SIGHUP, SIGUSR1] }), /SigIgn:\t0{13}201\n/)
  t.same(readFileSync('/proc/self/status', 'latin1').match(/Sig(Ign|Cgt).*/g), ours)
  process.kill(process.pid, 'SIGUSR1')
  while (seen === 0) await new Promise(setImmediate)
  process.off('SIGUSR1', count)
})

t.test('children are heard of though SIGCHLD was ignored', async (t) => {
  const code = `
    const pid = spawnProgram({ path: '/bin/sh', args: ['sh', '-c', 'exit 3'], env: [], fds: [], resetSignals: [] })
    console.log(waitPid(pid, { hang: true }).exitCode)`
  t.equal(separately(t, code, ['env', '--ignore-signal=CHLD']), '3\n')
})

t.test('a standard stream that is closed here is /dev/null there', async (t) => {
  // No descriptor of the spawner's may move into their place. Node does not end in good order without its streams.
  const stdout = separately(
    t,
    `closeSync(0)
    closeSync(2)
    // Without a pipe, of which the shell would hold an end for a moment.
    const args = ['sh', '-c', 'readlink /proc/$$/fd/0 /proc/$$/fd/2; for i in 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$i ] && echo $i; done; echo end']
    const pid = spawnProgram({ path: '/bin/sh', args, env: ['PATH=/usr/bin:/bin'], fds: [], resetSignals: [] })
    waitPid(pid, { hang: true })
    process.kill(process.pid, 'SIGKILL')`
  )
  t.equal(stdout.trim(), '/dev/null\n/dev/null\nend')
})

t.test('our own descriptors are left as they were', async (t) => {
  const open = (): string[] => readdirSync('/proc/self/fd')
  const request = { path: '/bin/true', args: ['x'], env: [], fds: [{ from: 0, to: 4 }], resetSignals }
  const spawned = () => waitPid(spawnProgram(request), { hang: true })
  const failed = () => {
    try {
      spawnProgram({ ...request, path: '/nonexistent' })
    } catch {}
  }
  spawned()
  failed()
  const before = open()
  for (let i = 0; i < 3; i++) spawned()
  for (let i = 0; i < 3; i++) failed()
  t.same(open(), before)
})

t.test('where a memfd may not be executed, an unnamed file is', { skip: process.geteuid!() !== 0 && 'needs root' }, async (t) => {
  // vm.memfd_noexec belongs to the pid namespace (Linux 6.3).
  if (!existsSync('/proc/sys/vm/memfd_noexec')) return void t.pass('vm.memfd_noexec', { skip: 'needs Linux 6.3' })
  const stdout = separately(
    t,
    `writeFileSync('/proc/sys/vm/memfd_noexec', '2')
    const fds = [{ from: openSync('/dev/null', 'r'), to: 0 }]
    const pid = spawnImage({ image: readFileSync('/bin/sh'), arg0: 'sh', fds, resetSignals: [], fallbackDirectory: '/tmp' })
    console.log(waitPid(pid, { hang: true }).exitCode)`,
    ['unshare', '--pid', '--fork']
  )
  t.equal(stdout, '0\n')
})

/** What `code` prints in a Node process of its own, started through `launcher`. */
function separately(t: { testdir(): string }, code: string, launcher: readonly string[] = []): string {
  const path = `${t.testdir()}/separately.mjs`
  const url = (file: string) => JSON.stringify(new URL(file, import.meta.url).href)
  const imports = `
    import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs'
    import { spawnImage, spawnProgram } from ${url('./spawn.js')}
    import { waitPid } from ${url('./process.js')}\n`
  writeFileSync(path, imports + code)
  const [command, ...args] = [...launcher, process.execPath, path]
  return spawnSync(command!, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 20_000 }).stdout
}
