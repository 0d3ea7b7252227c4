/**
 * What engines look for in our words. The rules of each reader stand here as its source has them, and are put to what tsrun really prints; a sentence
 * that changes has to pass them all.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { call, needs, type Result, type Sandbox, sandbox, tsrunPath, unable } from './harness.ts'

// ---------------------------------------------------------------- the readers

/** Podman, libpod/oci_util.go getOCIRuntimeError; Go's (?i) holds for the rest of the expression. Then libpod/define/exec_codes.go ExitCode. */
const podman = {
  permission: /.*permission denied.*|.*operation not permitted.*/i,
  notFound: /.*executable file not found in.*|.*no such file or directory.*|.*open executable.*/i,
  exitStatus: (message: string): number => (podman.permission.test(message) ? 126 : podman.notFound.test(message) ? 127 : 125),
  /** The file --log is read as one JSON value; anything else makes Podman fall back to what conmon has read from standard error. */
  readLog: (text: string): string => {
    const { level, time, msg } = JSON.parse(text)
    return level === 'error' && isTime(time) ? msg : ''
  },
  /** pkg/checkpoint/crutils: what `restore` prints for an option without its value. */
  supportsPodRestore: (output: string): boolean => output.includes('flag needs an argument') || output.includes('requires an argument')
}

/** conmon, src/conmon.c: one read(2) of standard error becomes the message; src/utils.c: the pid file is read with atoi(3). */
const conmon = {
  message: (stderr: string): string => Buffer.from(stderr).subarray(0, 8191).toString(),
  readPid: (file: string): number => Number(/^\s*[+-]?\d+/.exec(readFileSync(file, 'latin1'))?.[0] ?? 0)
}

/** encoding/json decodes a time.Time by RFC 3339. */
const isTime = (text: unknown): boolean =>
  typeof text === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(Date.parse(text))

/** containerd's shim, cmd/containerd-shim-runc-v2/process/utils.go. */
const containerd = {
  checkKillError(error: string): 'process already finished' | 'no such container' | 'unknown error after kill' {
    if (error.includes('os: process already finished') || error.includes('container not running')) return 'process already finished'
    if (error.toLowerCase().includes('no such process')) return 'process already finished'
    return error.includes('does not exist') ? 'no such container' : 'unknown error after kill'
  },
  /** A stream of JSON values, of which the last error counts; one that cannot be decoded ends it with an error. */
  getLastRuntimeError(log: string): string {
    const lines = log.split('\n').filter((line) => line !== '')
    const entries = lines.map((line) => JSON.parse(line) as { level: string; msg: string; time: string })
    for (const { time } of entries) if (!isTime(time)) throw new Error(`cannot parse ${time}`)
    return entries.findLast(({ level }) => level === 'error')?.msg ?? ''
  },
  /** process/init.go Delete: an error with these words is success. */
  ignoredByDelete: (error: string): boolean => error.includes('does not exist'),
  /** go-runc ReadPidFile: strconv.Atoi of all that is in the file. */
  readPid(file: string): number {
    const text = readFileSync(file, 'latin1')
    if (!/^[+-]?\d+$/.test(text)) throw new Error(`strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`)
    return Number(text)
  }
}

/** containerd/go-runc. Where it reads standard output and standard error as one text, so do we. */
const goRunc = {
  merged: ({ stdout, stderr }: Result): string => stdout + stderr,
  /** Version: undefined members are empty strings there. */
  version(output: string): { runc?: string; commit?: string; spec?: string } {
    const [first = '', ...rest] = output.trim().split('\n')
    if (!first.startsWith('runc version ')) return {}
    const after = (prefix: string): string => rest.find((line) => line.startsWith(prefix))?.slice(prefix.length) ?? ''
    return { runc: first.slice('runc version '.length), commit: after('commit: '), spec: after('spec: ') }
  },
  state(output: string): { id: string; pid: number; status: string; bundle: string; rootfs: string } {
    const value = JSON.parse(output)
    if (!isTime(value.created)) throw new Error(`cannot parse ${value.created}`)
    for (const name of ['id', 'status', 'bundle', 'rootfs']) if (typeof value[name] !== 'string') throw new Error(`no ${name}`)
    if (!Number.isInteger(value.pid)) throw new Error('pid is no int')
    return value
  },
  ps(output: string): readonly number[] {
    const value = JSON.parse(output) ?? []
    if (!Array.isArray(value) || !value.every(Number.isInteger)) throw new Error('no []int')
    return value
  },
  list: (output: string): readonly unknown[] => (JSON.parse(output) ?? []).map((each: unknown) => goRunc.state(JSON.stringify(each)))
}

/** Docker, daemon/errors.go translateContainerdStartErr, by what is seen of it: lower case, as it is written. daemon/info_unix.go for the version. */
const docker = {
  exitStatus(message: string, command: string): number {
    const invalid = ['executable file not found', 'no such file or directory', 'system cannot find the file specified']
    if (message.includes(command) && invalid.some((words) => message.includes(words))) return 127
    if (message.includes('permission denied')) return 126
    return message.includes('not a directory') ? 127 : 128
  },
  version(output: string): { name: string; version: string; commit: string } {
    const lines = output.trim().split('\n')
    const [name = '', version = ''] = lines.find((line) => line.includes('version'))?.split(' version ') ?? []
    return {
      name,
      version,
      commit:
        lines
          .find((line) => line.startsWith('commit:'))
          ?.slice('commit:'.length)
          .trim() ?? ''
    }
  }
}

/** CRI-O, internal/oci/runtime_oci.go: case-sensitive. */
const crio = {
  isNotFound: (stderr: string): boolean =>
    ['no such process', 'container not running', 'invalid process'].some((words) => stderr.includes(words))
}

// ---------------------------------------------------------------- commands that cannot be executed

interface Command {
  readonly what: string
  readonly args: readonly string[]
  /** runc's words for it. */
  readonly words: string
  readonly podman: number
  readonly docker: number
}

const commands: readonly Command[] = [
  {
    what: 'a name that is nowhere in PATH',
    args: ['nonexistent', 'x'],
    words: 'exec: "nonexistent": executable file not found in $PATH',
    podman: 127,
    docker: 127
  },
  {
    what: 'a path that is not there',
    args: ['/nonexistent'],
    words: 'exec: "/nonexistent": stat /nonexistent: no such file or directory',
    podman: 127,
    docker: 127
  },
  { what: 'a directory', args: ['/etc'], words: 'exec: "/etc": permission denied', podman: 126, docker: 126 },
  {
    what: 'a file that is not executable',
    args: ['/etc/passwd'],
    words: 'exec: "/etc/passwd": permission denied',
    podman: 126,
    docker: 126
  },
  { what: 'a file in the place of a directory', args: ['/etc/passwd/x'], words: 'not a directory', podman: 125, docker: 127 }
]

const afterwards: readonly Command[] = [
  { what: 'a text', args: ['/bin/text'], words: 'exec /bin/text: exec format error', podman: 125, docker: 128 },
  {
    what: 'a script whose interpreter is missing',
    args: ['/bin/script'],
    words: 'exec /bin/script: no such file or directory',
    podman: 127,
    docker: 127
  }
]

function bundleFor(box: Sandbox, args: readonly string[]): string {
  const bundle = box.bundle({ process: { args } })
  writeFileSync(join(bundle, 'rootfs/bin/text'), 'nothing that a kernel knows\n', { mode: 0o755 })
  writeFileSync(join(bundle, 'rootfs/bin/script'), '#!/nonexistent/interpreter\n', { mode: 0o755 })
  return bundle
}

/** A call as the engines make it that have the log as JSON. */
function logged(box: Sandbox, ...args: string[]): Result & { readonly log: string } {
  const log = join(box.directory, `${box.id()}.log`)
  const result = box.tsrun('--log', log, '--log-format', 'json', ...args)
  return { ...result, log: readFileSync(log, 'utf8') }
}

/** All readers of a failure of `create`, `start` or `exec`. */
function readFailure(t: Test, { stderr, log }: ReturnType<typeof logged>, { args, words, ...expected }: Command): void {
  const message = podman.readLog(log)
  t.match(message, words, 'runc')
  t.equal(podman.exitStatus(message), expected.podman, 'Podman, from the log')
  t.equal(podman.exitStatus(conmon.message(stderr)), expected.podman, 'Podman, from what conmon has read; our hints do not mislead it')
  t.equal(containerd.getLastRuntimeError(log), message, 'containerd')
  t.equal(docker.exitStatus(`OCI runtime create failed: ${message}: unknown`, args[0]!), expected.docker, 'Docker')
}

for (const command of commands) {
  t.test(`${command.what}: at create, by Podman, containerd and Docker`, { skip: unable }, async (t) => {
    const box = sandbox(t)
    const failed = logged(box, 'create', '--bundle', bundleFor(box, command.args), box.id())
    t.equal(failed.status, 1)
    t.equal(failed.stdout, '', 'the container’s own output')
    t.match(failed.stderr, /^tsrun create failed: /)
    readFailure(t, failed, command)
  })
}

for (const command of afterwards) {
  t.test(`${command.what}: at start, by Podman, containerd and Docker`, { skip: unable }, async (t) => {
    const box = sandbox(t)
    const id = box.id()
    t.match(box.tsrun('create', '--bundle', bundleFor(box, command.args), id), { status: 0, stderr: '' })
    const failed = logged(box, 'start', id)
    t.equal(failed.status, 1)
    readFailure(t, failed, command)
    t.equal(box.tsrun('delete', id).status, 0)
  })
}

t.test('the same for exec, by Podman’s TranslateExecErrorToExitCode', { skip: unable }, async (t) => {
  const box = sandbox(t)
  const id = box.id()
  t.equal(box.tsrun('run', '--detach', '--bundle', bundleFor(box, ['sleep', '1000']), id).status, 0)
  for (const command of [...commands, ...afterwards]) {
    const failed = logged(box, 'exec', id, ...command.args)
    t.match(failed, { status: 255, stderr: /^exec failed: |^tsrun: exec failed: / }, command.what)
    readFailure(t, failed, command)
  }
  t.equal(box.tsrun('delete', '--force', id).status, 0)
})

t.test('Podman reads plain text when the log is not asked for as JSON', { skip: unable }, async (t) => {
  const box = sandbox(t)
  for (const command of commands) {
    const { stderr } = box.tsrun('create', '--bundle', bundleFor(box, command.args), box.id())
    t.equal(podman.exitStatus(conmon.message(stderr)), command.podman, command.what)
  }
})

// ---------------------------------------------------------------- containers that are gone

t.test('kill and delete of what is gone, by containerd and CRI-O', { skip: unable }, async (t) => {
  const box = sandbox(t)
  const id = box.id()
  t.equal(box.tsrun('run', '--detach', '--bundle', box.bundle({ process: { args: ['sleep', '1000'] } }), id).status, 0)
  t.equal(box.tsrun('kill', id, '9').status, 0)
  for (let tries = 0; tries < 100 && !box.tsrun('state', id).stdout.includes('"stopped"'); tries++) await sleep(20)

  const stopped = logged(box, 'kill', id, '15')
  t.equal(stopped.status, 1)
  t.equal(containerd.checkKillError(stopped.stderr), 'process already finished', 'checkKillError, go-runc’s text')
  t.equal(containerd.checkKillError(containerd.getLastRuntimeError(stopped.log)), 'process already finished', 'checkKillError, the log')
  t.ok(crio.isNotFound(stopped.stderr), 'CRI-O')
  t.equal(box.tsrun('kill', '--all', id, '9').status, 0, 'the shim does this once more for a shared pid namespace')
  t.equal(box.tsrun('delete', id).status, 0)

  const gone = logged(box, 'kill', id, '15')
  t.equal(containerd.checkKillError(gone.stderr), 'no such container')
  const deleted = logged(box, 'delete', id)
  t.equal(deleted.status, 1)
  t.ok(containerd.ignoredByDelete(deleted.stderr), 'Delete')
  t.ok(containerd.ignoredByDelete(containerd.getLastRuntimeError(deleted.log)))
  t.match(box.tsrun('delete', '--force', id), { status: 0, stdout: '', stderr: '' }, 'Podman and containerd do this twice')
})

// ---------------------------------------------------------------- what is read as a whole

t.test('one log for many calls: containerd’s getLastRuntimeError', { skip: unable }, async (t) => {
  const box = sandbox(t)
  const log = join(box.directory, 'log.json')
  const call = (...args: string[]) => box.tsrun('--debug', '--log', log, '--log-format', 'json', ...args)
  const id = box.id()
  t.equal(call('create', '--bundle', box.bundle({ process: { args: ['nonexistent'] } }), id).status, 1)
  t.equal(call('create', '--bundle', box.bundle({ process: { args: ['sleep', '1000'] } }), id).status, 0)
  t.match(containerd.getLastRuntimeError(readFileSync(log, 'utf8')), 'executable file not found in $PATH')
  t.equal(call('exec', id, 'also-nonexistent').status, 255)
  t.match(containerd.getLastRuntimeError(readFileSync(log, 'utf8')), /^exec failed: .*"also-nonexistent"/)
  call('delete', '--force', id)
})

t.test('a success leaves no error in the log, and says nothing', { skip: unable }, async (t) => {
  const box = sandbox(t)
  const log = join(box.directory, 'oci-log')
  const id = box.id()
  const call = (...args: string[]) => box.tsrun('--log', log, '--log-format', 'json', ...args)
  const bundle = box.bundle({ process: { args: ['sleep', '1000'] }, linux: { resources: { memory: { kernel: 1 << 30 } } } })
  t.match(call('create', '--bundle', bundle, id), { status: 0, stdout: '', stderr: '' }, 'a warning stays out of it')
  t.match(call('start', id), { status: 0, stdout: '', stderr: '' })
  t.equal(existsSync(log) ? readFileSync(log, 'utf8') : '', '')
  call('delete', '--force', id)
})

t.test('state, ps and list, by go-runc', { skip: unable }, async (t) => {
  const box = sandbox(t)
  const [id, bundle] = [box.id(), box.bundle({ process: { args: ['sleep', '1000'] } })]
  t.same(goRunc.list(box.tsrunWith({}, 'list', '--format=json').stdout || 'null'), [], 'no root directory yet, or none in it')
  const [init, process] = [join(box.directory, 'init.pid'), join(box.directory, 'exec.pid')]
  t.equal(box.tsrun('create', '--bundle', bundle, '--pid-file', init, id).status, 0)
  const state = goRunc.state(goRunc.merged(box.tsrun('--debug', 'state', id)))
  t.match(state, { id, status: 'created', bundle, rootfs: join(bundle, 'rootfs') })
  t.equal(containerd.readPid(init), state.pid)
  t.equal(conmon.readPid(init), state.pid)
  t.equal(box.tsrun('start', id).status, 0)
  t.equal(box.tsrun('exec', '--detach', '--pid-file', process, id, 'sleep', '1000').status, 0)
  const pids = goRunc.ps(goRunc.merged(box.tsrun('--debug', 'ps', '--format', 'json', id)))
  t.same(
    [...pids].sort((a, b) => a - b),
    [state.pid, containerd.readPid(process)].sort((a, b) => a - b)
  )
  t.match(goRunc.list(box.tsrun('list', '--format=json').stdout), [{ id, status: 'running' }])
  t.equal(box.tsrun('kill', id, '9').status, 0)
  for (let tries = 0; tries < 100 && !box.tsrun('state', id).stdout.includes('"stopped"'); tries++) await sleep(20)
  t.match(goRunc.state(goRunc.merged(box.tsrun('state', id))), { pid: 0, status: 'stopped' })
  t.same(goRunc.ps(goRunc.merged(box.tsrun('ps', '--format', 'json', id))), [], 'null')
  box.tsrun('delete', id)
})

t.test('events, by go-runc', { skip: unable }, async (t) => {
  const box = sandbox(t)
  const id = box.id()
  box.tsrun('run', '--detach', '--bundle', box.bundle({ process: { args: ['sleep', '1000'] } }), id)
  t.match(JSON.parse(box.tsrun('events', '--stats', id).stdout), { type: 'stats', id, data: { cpu: Object, memory: Object, pids: Object } })
  box.tsrun('delete', '--force', id)
})

t.test('--version, by Docker, Podman and go-runc', async (t) => {
  const box = sandbox(t)
  const { stdout, stderr, status } = box.tsrunWith({}, '--version')
  t.match({ status, stderr }, { status: 0, stderr: '' })
  t.match(docker.version(stdout), { name: 'tsrun', version: /^\d+\.\d+\.\d+$/ })
  t.match(stdout.split('\n')[0], /^tsrun version /, 'podman info shows the first line')
  t.same(goRunc.version(stdout), {}, 'of a runtime with another name it knows no version, and has no error')
  t.match(goRunc.version(stdout.replace(/^tsrun/, 'runc')), { runc: /^\d/, spec: /^1\./ }, 'but for the name it can read it')
})

t.test('what Podman asks before it offers checkpoints', async (t) => {
  const box = sandbox(t)
  t.equal(box.tsrun('checkpoint', '--help').status, 0)
  const { status, stdout, stderr } = box.tsrun('restore', '--lsm-mount-context')
  t.equal(status, 1)
  t.ok(podman.supportsPodRestore(stdout + stderr))
})

t.test('features, by containerd and Docker: without options, without root', async (t) => {
  const box = sandbox(t)
  const { status, stdout, stderr } = call(box.directory, [tsrunPath(), 'features'])
  t.match({ status, stderr }, { status: 0, stderr: '' })
  t.type(JSON.parse(stdout).linux, 'object', 'containerd does not look whether it is there')
})

// ---------------------------------------------------------------- runc's own words, which scripts know

t.test('sentences of runc', { skip: needs({ containers: true, ownCgroup: true }) }, async (t) => {
  const box = sandbox(t)
  const [id, bundle] = [box.id(), box.bundle({ process: { args: ['sleep', '1000'] } })]
  const empty = join(box.directory, 'empty')
  mkdirSync(empty)
  const says = (words: string, ...args: string[]): void => {
    const { status, stderr } = box.tsrun(...args)
    t.not(status, 0, args[0]!)
    t.match(stderr, words, args[0]!)
  }
  says('JSON specification file config.json not found', 'create', '--bundle', empty, id)
  says('container does not exist', 'state', id)
  t.equal(box.tsrun('create', '--bundle', bundle, id).status, 0)
  says('container with given ID already exists', 'create', '--bundle', bundle, id)
  says('container not paused', 'resume', id)
  t.equal(box.tsrun('start', id).status, 0)
  says('cannot start an already running container', 'start', id)
  says(`cannot delete container ${id} that is not stopped: running`, 'delete', id)
  t.equal(box.tsrun('pause', id).status, 0)
  says('cannot start a container in the paused state', 'start', id)
  says('cannot exec in a paused container (use --ignore-paused to override)', 'exec', id, 'true')
  says('container not running', 'pause', id)
  t.equal(box.tsrun('resume', id).status, 0)
  t.equal(box.tsrun('kill', id, 'KILL').status, 0)
  for (let tries = 0; tries < 100 && !box.tsrun('state', id).stdout.includes('"stopped"'); tries++) await sleep(20)
  says('cannot start a container that has stopped', 'start', id)
  says('cannot exec in a stopped container', 'exec', id, 'true')
  says(`container with id ${id} is not running`, 'events', id)
  t.equal(box.tsrun('delete', id).status, 0)
  says('invalid container ID format', 'state', '../x')
  says('container id cannot be empty', 'state', '')
  says('unknown signal "NOPE"', 'kill', id, 'NOPE')
})
