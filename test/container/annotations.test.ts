/** Annotations that runc and crun act on (docs/cli.md#annotations). */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Config } from '../../src/config/types.ts'
import { create, deleteContainer, state } from '../../src/index.ts'
import { accept, listenUnix, receiveFd } from '../../src/linux/socket.ts'
import { takeConnection } from '../agent.ts'
import { needs, type Sandbox, sandbox, unable } from '../harness.ts'

const forGroups = needs({ containers: true, host: { CAP_SETUID: 'groups to keep' }, commands: ['setpriv'] })

const bundleOf = (box: Sandbox, annotations: Record<string, string>, args: readonly string[], more: Partial<Config> = {}) =>
  box.bundle((config) => ({
    ...config,
    ...more,
    annotations,
    process: { ...config.process, args, ...more.process },
    linux: { ...config.linux, ...more.linux }
  }))

const GROUPS = ['/bin/grep', 'Groups:', '/proc/self/status'] as const

t.test('run.oci.keep_original_groups', { skip: forGroups }, async (t) => {
  using box = sandbox(t)
  const wrapper = ['setpriv', '--groups', '17,4711']
  const groups = (annotations: Record<string, string>): string =>
    box
      .tsrunWith({ wrapper }, 'run', '--bundle', bundleOf(box, annotations, GROUPS), box.id())
      .stdout.trim()
      .replace(/\s+/g, ' ')
  t.equal(groups({ 'run.oci.keep_original_groups': '1' }), 'Groups: 17 4711')
  t.equal(groups({ 'run.oci.keep_original_groups': '0' }), 'Groups:')
  t.equal(groups({}), 'Groups:')
})

t.test('run.oci.hooks.stdout and run.oci.hooks.stderr', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const [out, err] = [join(box.directory, 'out'), join(box.directory, 'err')]
  const hook = (name: string) => [{ path: '/bin/sh', args: ['sh', '-c', `echo ${name}; echo ${name} >&2`] }]
  const kinds = ['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop']
  const hooks = Object.fromEntries(kinds.map((kind) => [kind, hook(kind)])) as NonNullable<Config['hooks']>
  const annotations = { 'run.oci.hooks.stdout': out, 'run.oci.hooks.stderr': err }
  const { status, stderr } = box.tsrun('run', '--bundle', bundleOf(box, annotations, ['/bin/true'], { hooks }), box.id())
  t.equal(status, 0, stderr)
  for (const file of [out, err]) t.equal(readFileSync(file, 'utf8'), `${kinds.join('\n')}\n`)
})

t.test('run.oci.pidfd_receiver', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const path = join(box.directory, 'receiver')
  using listening = listenUnix(path, 0o600)
  const id = box.id()
  const options = { root: box.root() }
  await create({ ...options, id, bundle: bundleOf(box, { 'run.oci.pidfd_receiver': path }, ['/bin/true']) })
  using connection = accept(listening.fd)
  using pidfd = receiveFd(connection.fd).fd
  const { pid } = await state(id, options)
  t.match(readFileSync(`/proc/self/fdinfo/${pidfd.fd}`, 'utf8'), new RegExp(`^Pid:\\s*${pid}$`, 'm'))
  await deleteContainer(id, options)
})

t.test('run.oci.timens_offset', { skip: needs({ containers: true, files: ['/proc/self/ns/time'] }) }, async (t) => {
  using box = sandbox(t)
  const linux = {
    namespaces: [{ type: 'pid' }, { type: 'mount' }, { type: 'uts' }, { type: 'ipc' }, { type: 'network' }, { type: 'time' }]
  } as NonNullable<Config['linux']>
  const annotations = { 'run.oci.timens_offset': 'monotonic 1000 0\nboottime 2000 5' }
  const { stdout, stderr } = box.tsrun(
    'run',
    '--bundle',
    bundleOf(box, annotations, ['/bin/cat', '/proc/self/timens_offsets'], { linux }),
    box.id()
  )
  t.match(stdout, /^monotonic\s+1000\s+0\nboottime\s+2000\s+5\n$/, stderr)
})

const filters = needs({ containers: true, files: ['/proc/sys/kernel/seccomp/actions_avail'] })

t.test('annotations about seccomp', { skip: filters }, async (t) => {
  using box = sandbox(t)
  const seccomp = (syscalls: NonNullable<NonNullable<Config['linux']>['seccomp']>['syscalls']) => ({
    linux: { seccomp: { defaultAction: 'SCMP_ACT_ALLOW', syscalls } } as NonNullable<Config['linux']>
  })
  // Kills at once: struct sock_filter {BPF_RET|BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS} is loaded as it is.
  const kill = Buffer.from([6, 0, 0, 0, 0, 0, 0, 0x80]).toString('base64')
  const killed = box.tsrun('run', '--bundle', bundleOf(box, { 'run.oci.seccomp_bpf_data': kill }, ['/bin/true'], seccomp([])), box.id())
  t.not(killed.status, 0)
  const allow = Buffer.from([6, 0, 0, 0, 0, 0, 0xff, 0x7f]).toString('base64')
  const allowed = box.tsrun(
    'run',
    '--bundle',
    bundleOf(box, { 'run.oci.seccomp_bpf_data': allow }, ['/bin/grep', 'Seccomp:', '/proc/self/status']),
    box.id()
  )
  t.match(allowed.stdout, /2/, 'without linux.seccomp, too')

  const unknown = seccomp([{ names: ['no_such_call'], action: 'SCMP_ACT_ERRNO' }])
  t.equal(box.tsrun('run', '--bundle', bundleOf(box, {}, ['/bin/true'], unknown), box.id()).status, 0)
  const strict = box.tsrun(
    'run',
    '--bundle',
    bundleOf(box, { 'run.oci.seccomp_fail_unknown_syscall': '1' }, ['/bin/true'], unknown),
    box.id()
  )
  t.equal(strict.status, 1)
  t.match(strict.stderr, /cannot filter "no_such_call": libseccomp knows no such system call \[\/linux\/seccomp\]/)

  const path = join(box.directory, 'agent')
  using listening = listenUnix(path, 0o600)
  const notify = seccomp([{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_NOTIFY' }])
  const id = box.id()
  const options = { root: box.root() }
  await create({ ...options, id, bundle: bundleOf(box, { 'run.oci.seccomp.receiver': path }, ['/bin/true'], notify) })
  const { state: document, listener } = await takeConnection(listening.fd)
  listener[Symbol.dispose]()
  t.match(document, { fds: ['seccompFd'], state: { id } })
  await deleteContainer(id, options)
})

t.test('one that has no effect here is warned about, and all of them reach the state', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const bundle = bundleOf(box, { 'run.oci.handler': 'wasm', 'io.some.thing': 'x' }, ['/bin/true'])
  const id = box.id()
  const { status, stderr } = box.tsrun('create', '--bundle', bundle, id)
  t.equal(status, 0)
  t.match(stderr, /ignoring the annotation "run\.oci\.handler".*\[\/annotations\/run\.oci\.handler\]/)
  t.notMatch(stderr, /io\.some\.thing/)
  t.match(JSON.parse(box.tsrun('state', id).stdout), { annotations: { 'run.oci.handler': 'wasm', 'io.some.thing': 'x' } })
  t.equal(box.tsrun('delete', id).status, 0)
})
