import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { OCI_VERSION } from '../config/rules.root.ts'
import { SPEC_VERSION } from '../version.ts'

const main = fileURLToPath(new URL('./main.js', import.meta.url))
const launcher = fileURLToPath(new URL('../../../bin/tsrun', import.meta.url))

/** Runs tsrun with an empty environment, as Podman does. */
const tsrun = (args: readonly string[], cwd?: string) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
    env: {},
    ...(cwd === undefined ? {} : { cwd })
  })
  return { status, stdout, stderr }
}

t.test('--version starts with a name and a version, which Docker reads', async (t) => {
  const { status, stdout } = tsrun(['--version'])
  t.equal(status, 0)
  t.match(stdout, /^tsrun version \d+\.\d+\.\d+\n/)
  t.match(stdout, new RegExp(`^tsrun .*\\n(commit: \\w+\\n)?spec: ${SPEC_VERSION}\\n(libseccomp: 2\\.\\d+\\.\\d+\\n)?$`))
  t.equal(SPEC_VERSION, OCI_VERSION, 'kept apart because the rules take long to load')
  t.match(tsrun(['--log-format', 'nonsense', '-v']), { status: 0 })
})

t.test('a mistake is told on both outputs, and in the log', async (t) => {
  const log = join(t.testdir(), 'log')
  const { status, stdout, stderr } = tsrun(['--log', log, '--log-format=json', 'create'])
  t.equal(status, 1)
  t.match(stdout, /^Incorrect Usage\.\n\nNAME:\n {3}tsrun create - /)
  t.equal(stderr, 'tsrun: "create" requires exactly 1 argument(s)\n')
  t.match(JSON.parse(readFileSync(log, 'utf8')), { level: 'error', msg: stderr.trim(), code: 'usage' })
  t.same(tsrun(['foo']), { status: 3, stdout: '', stderr: "tsrun: No help topic for 'foo'\nhint: show all commands with: tsrun help\n" })
})

t.test('an engine that nobody knows is a mistake', async (t) => {
  for (const engine of ['crio', 'toString']) {
    const { status, stderr } = tsrun(['install', '--engine', engine, '--path', '/usr/bin/tsrun', '--dry-run'])
    t.same({ status, stderr }, { status: 1, stderr: `tsrun: unknown engine "${engine}"\nhint: one of podman, containerd and docker\n` })
  }
})

t.test('wrong global options are refused', async (t) => {
  t.match(tsrun(['--log', '/nonexistent/log', 'list']), {
    status: 1,
    stderr: /^tsrun: cannot open the log "\/nonexistent\/log": no such file or directory/
  })
  t.match(tsrun(['--log-format', 'yaml', 'list']), { status: 1, stderr: /^tsrun: invalid log-format: yaml\n/ })
  t.match(tsrun(['--rootless', 'maybe', 'list']), { status: 1, stderr: /^tsrun: invalid value "maybe" for --rootless/ })
  t.match(tsrun(['--cgroup-manager', 'Systemd', 'list']), { status: 1, stderr: /^tsrun: invalid value "Systemd" for --cgroup-manager/ })
  for (const root of ['', '/'])
    t.match(tsrun([`--root=${root}`, 'list']), { status: 1, stderr: 'Option --root argument should not be set to /' })
})

t.test('a container that does not exist', async (t) => {
  const root = t.testdir()
  for (const command of ['state', 'start', 'kill', 'delete']) {
    const log = join(root, `${command}.json`)
    const { status, stdout, stderr } = tsrun(['--root', root, '--log', log, '--log-format', 'json', command, 'nope'])
    t.equal(status, 1, command)
    t.equal(stdout, '')
    t.match(stderr, /^container does not exist/)
    t.match(JSON.parse(readFileSync(log, 'utf8')), { level: 'error', msg: stderr.trim(), code: 'not-found' })
  }
  t.same(tsrun(['--root', root, 'delete', '--force', 'nope']), { status: 0, stdout: '', stderr: '' })
  t.match(tsrun(['--root', root, 'kill', 'nope', 'NONSENSE']), { status: 1, stderr: 'unknown signal "NONSENSE"' })
  t.match(tsrun(['--root', root, 'state', '../x']), { status: 1, stderr: 'invalid container ID format' })
})

t.test('no containers', async (t) => {
  const root = t.testdir()
  t.same(tsrun(['--root', root, 'list']), {
    status: 0,
    stdout: 'ID          PID         STATUS      BUNDLE      CREATED     OWNER\n',
    stderr: ''
  })
  t.same(tsrun(['--root', root, 'list', '-f', 'json']), { status: 0, stdout: 'null\n', stderr: '' })
  t.same(tsrun(['--root', root, 'list', '-q']), { status: 0, stdout: '', stderr: '' })
  t.match(tsrun(['--root', root, 'list', '--format=xml']), { status: 1, stderr: 'invalid format option: xml' })
  t.match(tsrun(['--root', join(root, 'nonexistent'), 'list']), { status: 1 })
})

t.test('spec writes config.json once', async (t) => {
  const directory = t.testdir()
  const file = join(directory, 'config.json')
  t.same(tsrun(['spec'], directory), { status: 0, stdout: '', stderr: '' })
  const text = readFileSync(file, 'utf8')
  t.match(text, /^\{\n\t"ociVersion": "1\.3\.0",\n/)
  t.equal(statSync(file).mode & 0o777, 0o666 & ~process.umask())
  t.match(tsrun(['spec'], directory), { status: 1, stderr: 'File config.json exists. Remove it first' })
  t.equal(readFileSync(file, 'utf8'), text)
  mkdirSync(join(directory, 'bundle'))
  t.match(tsrun(['spec', '--rootless', '--bundle', 'bundle'], directory), { status: 0 })
  t.match(JSON.parse(readFileSync(join(directory, 'bundle/config.json'), 'utf8')).linux.namespaces, [{ type: 'pid' }, { type: 'ipc' }])
  t.match(tsrun(['spec', '-b', 'nonexistent'], directory), { status: 1, stderr: /no such file or directory/ })
})

t.test('a bundle without a good config.json', async (t) => {
  const directory = t.testdir()
  const create = () => tsrun(['--root', join(directory, 'root'), 'create', 'c'], directory)
  t.match(create(), { status: 1, stderr: /^tsrun create failed: JSON specification file config\.json not found/ })
  writeFileSync(join(directory, 'config.json'), '{"ociVersion": 1, "root": 2}')
  const { status, stderr } = create()
  t.equal(status, 1)
  t.match(stderr, /^tsrun create failed: .*problems:\n( {2}.*\n)* {2}.*\[\/ociVersion\]\n {2}.*\[\/root\]\n/)
})

t.test('nobody reads the output', async (t) => {
  const child = spawn('sh', ['-c', '"$0" "$1" help | true; "$0" "$1" --version >/dev/full', process.execPath, main], {
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let stderr = ''
  child.stderr.on('data', (chunk) => (stderr += chunk))
  const status = await new Promise((resolve) => child.on('close', resolve))
  t.match(stderr, /^tsrun: cannot write to standard output: no space left on device \(ENOSPC\)\n$/)
  t.equal(status, 1)
})

t.test('a working directory that is gone is told from "/"', async (t) => {
  const directory = t.testdir({ gone: {} })
  const inGone = (...args: string[]) => {
    const script = 'cd "$0" && rmdir "$0"; exec "$@"'
    return spawnSync('/bin/sh', ['-c', script, `${directory}/gone`, launcher, ...args], { encoding: 'utf8' })
  }
  for (const [args, what] of [
    [['run', 'c'], 'the bundle'],
    [['create', '--bundle', '', 'c'], 'the bundle'],
    [['explain'], 'the bundle'],
    [['explain', 'b'], '--bundle "b"'],
    [['spec'], 'the bundle'],
    [['run', '--bundle', 'b', 'c'], '--bundle "b"'],
    [['run', '--bundle', '/nonexistent', '--pid-file', 'x/pid', 'c'], '--pid-file "x/pid"'],
    [['--root', 'state', 'state', 'c'], '--root "state"'],
    [['--log', 'log', 'state', 'c'], '--log "log"']
  ] as const) {
    mkdirSync(join(directory, 'gone'), { recursive: true })
    const { status, stderr } = inGone(...args)
    t.equal(status, 1)
    t.match(stderr, `cannot find ${what}: the working directory does not exist any more\nhint: give an absolute path\n`)
  }
  mkdirSync(join(directory, 'gone'), { recursive: true })
  t.match(inGone('--root', directory, 'exec', '--cwd', 'relative', 'c', 'true').stderr, 'container does not exist')
})
