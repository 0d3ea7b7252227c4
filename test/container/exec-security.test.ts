/** What went wrong in other runtimes, by the number under which it is known. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Config } from '../../src/config/types.ts'
import { merge, type Overrides } from '../config.ts'
import { running, SLEEP, STATUS, statusOf, until } from '../exec.ts'
import { needs, type Sandbox, sandbox, tsrunPath, unable } from '../harness.ts'

const forIds = needs({ containers: true, ids: 1001 })
const forLooks = needs({ containers: true, host: { CAP_SYS_PTRACE: 'a look at what waits' }, commands: ['python3'] })

const WRITABLE: Overrides<Config> = { ...SLEEP, root: { readonly: false } }

t.test('CVE-2016-3697: a number is a number, whatever the image calls its users', { skip: forIds }, async (t) => {
  using box = sandbox(t)
  const { sh, bundle } = await running(box)
  writeFileSync(join(bundle, 'rootfs/etc/passwd'), '1000:x:0:0::/stolen:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n')
  const { stdout } = sh('id -u; id -g; echo $HOME', '-u', '1000:1000')
  t.equal(stdout, '1000\n1000\n/home/user\n')
})

t.test('CVE-2026-30892: half a user is none', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { sh } = await running(box)
  for (const user of ['1000x', '-1', '4294967295', '4294967296', '', '0x10', ' 1', 'root', '1e3', '1,2'])
    t.match(sh('id', '--user', user), { status: 255, stdout: '', stderr: /^tsrun: exec failed: bad uid: / }, JSON.stringify(user))
  for (const user of ['1000:', '1000:-1', '1:2:3', '1:x']) t.match(sh('id', '-u', user), { status: 255, stdout: '', stderr: /bad gid: / })
  for (const gid of ['x', '', '-1', '4294967296']) t.match(sh('id', '-g', gid), { status: 255, stdout: '', stderr: /bad gid: / })
})

t.test('the greatest id is one', { skip: needs({ containers: true, ids: 4_294_967_295 }) }, async (t) => {
  using box = sandbox(t)
  const { sh } = await running(box)
  t.equal(sh('id -u', '-u', '4294967294').stdout, '4294967294\n')
})

t.test('CVE-2022-29162: nothing becomes inheritable', { skip: needs({ containers: true, ids: 1001 }) }, async (t) => {
  using box = sandbox(t)
  const { sh, id, call } = await running(box)
  const file = join(box.directory, 'process.json')
  const capabilities = { bounding: ['CAP_CHOWN'], permitted: ['CAP_CHOWN'], effective: ['CAP_CHOWN'] }
  writeFileSync(file, JSON.stringify({ cwd: '/', args: ['/bin/cat', '/proc/self/status'], user: { uid: 1000 }, capabilities }))
  for (const result of [sh(STATUS, '--cap', 'CAP_NET_RAW', '-u', '1000'), sh(STATUS, '-c', 'CAP_NET_RAW'), call('-p', file, id)]) {
    t.match(statusOf(result), { CapInh: '0000000000000000', CapAmb: '0000000000000000' })
  }
})

t.test('CVE-2024-21626: no descriptor and no working directory of the host', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { sh, call, id, withCall } = await running(box)
  const { openSync, closeSync } = await import('node:fs')
  const leaked = openSync('/', 'r')
  // ls itself has one open for the directory.
  t.equal(withCall({ fds: [leaked, leaked, leaked] }, id, 'ls', '/proc/self/fd').stdout, '0\n1\n2\n3\n')
  for (let fd = 3; fd <= 20; fd++) {
    const path = fd % 2 === 0 ? `/proc/self/fd/${fd}` : `/proc/self/fd/${fd}/../..`
    const { status, stdout, stderr } = withCall({ fds: [leaked, leaked] }, '--cwd', path, id, 'pwd')
    t.match({ status, stdout }, { status: 255, stdout: '' }, path)
    t.match(stderr, /^tsrun: exec failed: cannot (enter|use) the working directory/)
  }
  closeSync(leaked)
  t.equal(sh('pwd', '--cwd', '/proc/self/cwd/../bin').stdout, '/bin\n', 'what leads to the inside is let be')
  t.equal(call('--cwd', '/proc/1/root/bin', id, 'pwd').status, 0)
})

/** Looks at every process of the runtime's that it can see in the container, and writes down what it gets hold of. */
const SPY = [
  'while :; do for p in /proc/[0-9]*; do',
  '  case "$(tr "\\\\0" " " < $p/cmdline 2>/dev/null)" in tsrun-*)',
  '    echo seen; for f in $p/fd/* $p/exe; do l=$(readlink $f) && echo "$l"; done; ls $p/fd/*/../../.. $p/cwd/.. $p/root/..; mkdir $p/fd/*/evil && echo evil;; esac',
  'done; done > /tmp/spied 2>/dev/null'
].join('\n')

const spying = (capabilities: readonly string[]): Overrides<Config> => ({
  process: { args: ['/bin/sh', '-c', SPY], capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities } },
  root: { readonly: false }
})

/** Names that only the host's directories have, and one that could be made there. */
const HOSTS = /^(home|usr|boot|opt|srv|fs|cgroup|unified|pstore|evil)$/
/** What descriptors of the runtime's program refer to. */
const RUNTIMES = /^(socket:|anon_inode:|\/memfd:|\/sys\/)/

const spied = (bundle: string): string[] => [...new Set(readFileSync(join(bundle, 'rootfs/tmp/spied'), 'utf8').split('\n').filter(Boolean))]

t.test('CVE-2016-9962: root in the container gets hold of nothing', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { id, call, bundle } = await running(box, spying(['CAP_KILL', 'CAP_DAC_OVERRIDE', 'CAP_SETUID']))
  for (let i = 0; i < 15; i++) t.equal(call(id, 'true').status, 0)
  // Some it finds again when they have become the command, whose streams and files it may see.
  t.same(
    spied(bundle).filter((line) => RUNTIMES.test(line) || HOSTS.test(line)),
    []
  )
})

t.test('CVE-2016-9962: with CAP_SYS_PTRACE it finds nothing that leads out', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { id, call, bundle } = await running(box, spying(['CAP_KILL', 'CAP_SYS_PTRACE', 'CAP_DAC_OVERRIDE', 'CAP_DAC_READ_SEARCH']))
  writeFileSync(join(bundle, 'rootfs/inside'), '')
  for (let i = 0; i < 15; i++) t.equal(call(id, 'true').status, 0)
  // What it may catch a glimpse of are files by which to join its own cgroups, and a read-only directory of that alone.
  t.same(
    spied(bundle).filter((line) => HOSTS.test(line)),
    []
  )
})

/** A socket that lets nobody in: whoever connects waits, and so does what it has prepared. */
async function barrier(box: Sandbox): Promise<{ readonly path: string; open(): void }> {
  const path = join(box.directory, 'barrier')
  const script = [
    'import socket, sys',
    's = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(0)',
    'c = socket.socket(socket.AF_UNIX); c.connect(sys.argv[1])',
    'print("full", flush=True); sys.stdin.readline()',
    'kept = []',
    'while True: kept.append(s.accept())'
  ].join('\n')
  const child = spawn('python3', ['-c', script, path], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, TSRUN_TEST: box.directory }
  })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  return { path, open: () => void child.stdin.write('\n') }
}

t.test('a process that is ready: what the container sees of it', { skip: forLooks }, async (t) => {
  using box = sandbox(t)
  const { id, root, sh } = await running(box, spying(['CAP_KILL', 'CAP_SYS_PTRACE', 'CAP_DAC_OVERRIDE']))
  const { path, open } = await barrier(box)
  const args = ['--root', root, 'exec', '--pidfd-socket', path, id, 'true']
  const child = spawn(tsrunPath(), args, { stdio: 'ignore', env: { PATH: process.env.PATH, TSRUN_TEST: box.directory } })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const pid = () => sh('for p in /proc/[0-9]*; do case "$(cat $p/comm)" in [0-9]*) echo ${p##*/};; esac; done 2>/dev/null').stdout.trim()
  await until(() => pid() !== '')
  const waiting = `/proc/${pid()}`
  t.match(statusOf(sh(`cat ${waiting}/status`)), { CapEff: '0000000000080022', CapBnd: '0000000000080022', NoNewPrivs: '1' }, 'reduced')
  const { stdout } = sh(`for f in ${waiting}/fd/*; do echo $(readlink $f); done; ls ${waiting}/root/; readlink ${waiting}/cwd`)
  const [a, b, c, sync, ...rest] = stdout.trim().split('\n')
  t.same([a, b, c], ['/dev/null', '/dev/null', '/dev/null'])
  t.match(sync, /^socket:/)
  t.same(rest, ['bin', 'dev', 'etc', 'proc', 'root', 'sys', 'tmp', '/'])
  // CVE-2019-5736: the program is a sealed memfd of its own, not the runtime.
  t.match(sh(`readlink ${waiting}/exe`).stdout, /^\/memfd:tsrun/)
  t.not(sh(`(echo x > ${waiting}/exe) 2>&1`).status, 0)
  open()
  t.equal(await ended, 0)
})

t.test("CVE-2019-5736: a command that is the runtime's own program", { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { call, id, bundle } = await running(box, WRITABLE)
  const hash = () => createHash('sha256').update(readFileSync(tsrunPath())).digest('hex')
  const before = hash()
  writeFileSync(join(bundle, 'rootfs/bin/evil'), '#!/proc/self/exe\n', { mode: 0o755 })
  symlinkSync('/proc/self/exe', join(bundle, 'rootfs/bin/evil-link'))
  t.not(call(id, 'evil').status, 0)
  t.not(call(id, 'evil-link').status, 0)
  t.not(call(id, '/proc/self/exe').status, 0)
  t.equal(hash(), before)
})

t.test('CVE-2025-52565: a terminal that is none of devpts', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const plant = (script: string): Overrides<Config> => ({
    process: { args: ['/bin/sh', '-c', `${script}; exec sleep 1000`] },
    root: { readonly: false }
  })
  const mounts = (config: Config) => config.mounts!.filter(({ destination }) => !destination.startsWith('/dev/'))
  const plants: readonly (readonly [string, RegExp])[] = [
    ['mkdir /dev/pts; touch /dev/pts/ptmx', /cannot use "\/dev\/pts\/ptmx", which is not of devpts/],
    ['mkdir /dev/pts; ln -s /dev/zero /dev/pts/ptmx', /which is not of devpts/],
    ['mkdir /dev/pts; ln -s /proc/self/fd/1 /dev/pts/ptmx', /cannot open "\/dev\/pts\/ptmx": too many levels of symbolic links \(ELOOP\)/],
    ['mkdir /dev/pts; ln -s /../../../../dev/pts/ptmx /dev/pts/ptmx', /ELOOP/],
    ['mkdir /dev/pts; mkfifo /dev/pts/ptmx', /which is not of devpts/],
    ['true', /cannot open "\/dev\/pts\/ptmx": no such file or directory/]
  ]
  for (const [script, stderr] of plants) {
    const { sh } = await running(box, (config) => ({ ...merge(config, plant(script)), mounts: mounts(config) }))
    await until(() => script === 'true' || sh('[ -e /dev/pts/ptmx ] || [ -L /dev/pts/ptmx ]').status === 0)
    t.match(sh('id', '-t'), { status: 255, stderr }, script)
  }
})

t.test('HOME comes from a file of the container, or from nowhere', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { sh, bundle } = await running(box, WRITABLE)
  const outside = join(box.directory, 'passwd')
  writeFileSync(outside, 'root:x:0:0::/outside:/bin/sh\n')
  const kinds: Readonly<Record<string, string>> = {
    'a fifo': 'mkfifo /etc/passwd',
    'a directory': 'mkdir /etc/passwd',
    'a symlink to the host': `ln -s ${outside} /etc/passwd`,
    'a symlink upwards': `ln -s ../../../../../../${outside} /etc/passwd`,
    'a magic link': 'ln -s /proc/1/root/etc/passwd2 /etc/passwd',
    'an endless file': 'ln -s /dev/zero /etc/passwd',
    'no file': 'true'
  }
  for (const [name, make] of Object.entries(kinds)) {
    sh(`rm -rf /etc/passwd; ${make}`)
    t.equal(sh('echo $HOME').stdout, '/\n', name)
  }
  mkdirSync(join(bundle, 'rootfs', box.directory), { recursive: true })
  writeFileSync(join(bundle, 'rootfs', outside), 'root:x:0:0::/within:/bin/sh\n')
  sh(`rm -rf /etc/passwd; ln -s ${outside} /etc/passwd`)
  t.equal(sh('echo $HOME').stdout, '/within\n')
})
