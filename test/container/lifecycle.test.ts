import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Config } from '../../src/config/types.ts'
import { create, deleteContainer, kill, list, start, state } from '../../src/index.ts'
import { SPEC_VERSION } from '../../src/version.ts'
import type { Overrides } from '../config.ts'
import { asRoot, needs, type Sandbox, sandbox, tsrunPath, unable } from '../harness.ts'
import { user } from '../user.ts'

const forHostProcesses = needs({ containers: true, host: { CAP_SYS_ADMIN: "a proc of the host's processes" } })

const SLEEP = { process: { args: ['/bin/sleep', '1000'] } }
const SIGKILL = 9

/** A container of its own, with what every call needs. */
function prepare(box: Sandbox, overrides: Overrides<Config> = SLEEP) {
  const bundle = box.bundle(overrides)
  const warnings: string[] = []
  const options = { root: box.root(), log: (level: string, message: string) => void (level === 'warning' && warnings.push(message)) }
  const id = box.id()
  return { id, bundle, options, warnings, all: { ...options, id, bundle }, directory: join(box.root(), id) }
}

const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  for (let i = 0; i < 500 && !(await condition()); i++) await new Promise((resolve) => setTimeout(resolve, 10))
}

t.test('a life: created, running, stopped, gone', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { id, bundle, options, all } = prepare(box)
  const before = box.snapshot()

  const created = await create(all)
  t.match(created, { id, status: 'created', bundle, rootfs: join(bundle, 'rootfs'), ociVersion: SPEC_VERSION, owner: '' })
  t.ok(created.pid > 1)
  t.match(created.created, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/)
  t.same(await state(id, options), created)

  await start(id, options)
  t.match(await state(id, options), { status: 'running', pid: created.pid })
  t.match(readFileSync(`/proc/${created.pid}/cmdline`, 'latin1'), '/bin/sleep\0')

  await kill(id, SIGKILL, options)
  await until(async () => (await state(id, options)).status === 'stopped')
  t.match(await state(id, options), { status: 'stopped', pid: 0 })

  await deleteContainer(id, options)
  await t.rejects(state(id, options), { code: 'not-found' })
  t.same(await box.leftovers(before), [])
})

t.test('what each status refuses', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { id, options, all } = prepare(box)
  const refused = (promise: Promise<unknown>, code: string, message: RegExp) => t.rejects(promise, { code, message })

  await refused(start(id, options), 'not-found', /^container does not exist/)
  await refused(kill(id, SIGKILL, options), 'not-found', /^container does not exist/)
  await refused(deleteContainer(id, options), 'not-found', /^container does not exist/)
  await t.resolves(deleteContainer(id, { ...options, force: true }), 'force does not mind')

  await create(all)
  await refused(create(all), 'exists', /^container with given ID already exists/)
  t.equal((await state(id, options)).status, 'created', 'the first one is untouched')

  await start(id, options)
  await refused(start(id, options), 'bad-state', /^cannot start an already running container$/)
  await refused(deleteContainer(id, options), 'bad-state', new RegExp(`^cannot delete container ${id} that is not stopped: running$`))
  t.equal((await state(id, options)).status, 'running')

  await kill(id, SIGKILL, options)
  await until(async () => (await state(id, options)).status === 'stopped')
  await refused(start(id, options), 'bad-state', /^cannot start a container that has stopped$/)
  await refused(kill(id, SIGKILL, options), 'not-running', /^container not running$/)
  await t.resolves(kill(id, SIGKILL, { ...options, all: true }), 'with --all it is none')
  await deleteContainer(id, options)
})

t.test('delete kills a created container, and with force a running one', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { id, options, all } = prepare(box)
  const before = box.snapshot()
  await create(all)
  await deleteContainer(id, options)
  await create(all)
  await start(id, options)
  await deleteContainer(id, { ...options, force: true })
  t.same(await box.leftovers(before), [])
})

t.test('ids', async (t) => {
  for (const [id, message] of [
    ['', /^container id cannot be empty$/],
    ['.', /^invalid container ID format/],
    ['..', /^invalid container ID format/],
    ['a/b', /^invalid container ID format/],
    ['a b', /^invalid container ID format/],
    ['ä', /^invalid container ID format/],
    ['a'.repeat(256), /^invalid container ID format/]
  ] as const) {
    await t.rejects(create({ id, root: '/nonexistent' }), { code: 'invalid-id', message }, JSON.stringify(id.slice(0, 8)))
    await t.rejects(state(id, { root: '/nonexistent' }), { code: 'invalid-id' })
  }
})

t.test('the root directory', async (t) => {
  await t.rejects(list({ root: '/' }), { code: 'usage', message: 'Option --root argument should not be set to /' })
  await t.rejects(list({ root: '' }), { code: 'usage', message: 'Option --root argument should not be set to /' })
  await t.rejects(list({ root: '/nonexistent' }), { message: /no such file or directory/ })
})

t.test('what is kept on disk', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { id, bundle, options, all, directory } = prepare(box, { ...SLEEP, annotations: { 'com.example.key': 'value' } })
  const { pid } = await create(all)
  const mode = (name: string): string => (statSync(join(directory, name)).mode & 0o7777).toString(8)
  t.equal(mode('.'), '711')
  t.equal(mode('state.json'), '600')
  t.equal(mode('config.json'), '600')
  const record = JSON.parse(readFileSync(join(directory, 'state.json'), 'utf8'))
  t.match(record, {
    format: 1,
    id,
    init_process_pid: pid,
    bundle,
    rootless: user !== undefined,
    annotations: { 'com.example.key': 'value' }
  })
  t.equal(
    record.init_process_start,
    Number(
      readFileSync(`/proc/${pid}/stat`, 'latin1')
        .replace(/^.*\) /s, '')
        .split(' ')[19]
    )
  )
  t.equal(record.namespace_paths.NEWPID, `/proc/${pid}/ns/pid`)
  for (const path of Object.values(record.cgroup_paths as Record<string, string>)) t.ok(existsSync(path), path)
  t.match(await state(id, options), { annotations: { 'com.example.key': 'value' } })
  await deleteContainer(id, options)
})

t.test('later edits of the bundle change nothing', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { id, bundle, options, all } = prepare(box)
  await create(all)
  writeFileSync(join(bundle, 'config.json'), 'not JSON')
  await start(id, options)
  t.equal((await state(id, options)).status, 'running')
  rmSync(bundle, { recursive: true })
  await deleteContainer(id, { ...options, force: true })
  t.same(await list(options), [])
})

t.test('a damaged state names the file, and can be deleted with force', { skip: unable }, async (t) => {
  using box = sandbox(t)
  for (const [content, why] of [
    ['', 'it is empty'],
    ['{', 'it is not JSON'],
    ['[]', 'it is not an object'],
    ['{"format":1}', '"id" is missing or is no string'],
    ['{"format":2}', 'its format is 2']
  ] as const) {
    const { id, options, all, directory, warnings } = prepare(box)
    const { pid } = await create(all)
    writeFileSync(join(directory, 'state.json'), content)
    const message = new RegExp(`${directory}/state.json.*${why}`)
    await t.rejects(state(id, options), { code: 'state', message }, JSON.stringify(content))
    await t.rejects(deleteContainer(id, options), { code: 'state', message })
    t.same(await list(options), [])
    t.match(warnings, [new RegExp(`^load container ${id}: `)])
    process.kill(pid, 'SIGKILL')
    await deleteContainer(id, { ...options, force: true })
    t.notOk(existsSync(directory))
  }
})

t.test('what is gone already is no hindrance to delete --force', { skip: asRoot }, async (t) => {
  using box = sandbox(t)
  const cgroupsOf = (directory: string): string[] =>
    Object.values(JSON.parse(readFileSync(join(directory, 'state.json'), 'utf8')).cgroup_paths as Record<string, string>)
  const losses: Record<string, (directory: string, bundle: string) => void> = {
    'its cgroups': (directory) => {
      for (const path of new Set(cgroupsOf(directory))) rmdirSync(path)
    },
    'the copy of its configuration': (directory) => rmSync(join(directory, 'config.json')),
    'all of its state but the record': (directory) => {
      for (const name of readdirSync(directory)) if (name !== 'state.json') rmSync(join(directory, name), { recursive: true })
    },
    'its bundle': (_, bundle) => rmSync(bundle, { recursive: true })
  }
  for (const [what, lose] of Object.entries(losses)) {
    const { id, options, all, directory, bundle } = prepare(box)
    const before = box.snapshot()
    const { pid } = await create(all)
    process.kill(pid, 'SIGKILL')
    await until(async () => (await state(id, options)).status === 'stopped')
    // The kernel takes the last process out of its cgroup a moment after its end.
    await until(() => cgroupsOf(directory).every((path) => readFileSync(join(path, 'cgroup.procs'), 'utf8') === ''))
    lose(directory, bundle)
    await t.resolves(deleteContainer(id, { ...options, force: true }), what)
    t.same(await box.leftovers(before), [])
  }
})

t.test('a directory that a killed command has left', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { id, options, directory } = prepare(box)
  mkdirSync(directory, { recursive: true })
  await t.rejects(state(id, options), { code: 'not-found' })
  await t.rejects(deleteContainer(id, options), { code: 'not-found', message: /^container does not exist/ })
  t.notOk(existsSync(directory))
})

t.test('a pid that belongs to another process now is left alone', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { id, options, all, directory } = prepare(box)
  const { pid } = await create(all)
  const file = join(directory, 'state.json')
  const record = JSON.parse(readFileSync(file, 'utf8'))
  writeFileSync(file, JSON.stringify({ ...record, init_process_pid: process.pid }))
  t.match(await state(id, options), { status: 'stopped', pid: 0 })
  await t.rejects(kill(id, SIGKILL, options), { code: 'not-running' })
  process.kill(pid, 'SIGKILL')
  await deleteContainer(id, options)
  t.notOk(existsSync(directory))
})

t.test('list: by id, with the owner; symlinks and files are no containers', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const first = prepare(box)
  const second = prepare(box)
  await create(first.all)
  await create(second.all)
  writeFileSync(join(box.root(), 'file'), '')
  symlinkSync(first.directory, join(box.root(), 'link'))
  t.match(await list(first.options), [
    { id: first.id, status: 'created', owner: userInfo().username },
    { id: second.id, status: 'created', owner: userInfo().username }
  ])
  for (const { id, options } of [first, second]) await deleteContainer(id, options)
  t.same(await list(first.options), [])
})

t.test('two commands at once', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { id, options, all } = prepare(box)
  const before = box.snapshot()
  const creations = await Promise.allSettled([create(all), create(all), create(all)])
  t.equal(creations.filter(({ status }) => status === 'fulfilled').length, 1, 'one creation wins')
  const starts = await Promise.allSettled([start(id, options), start(id, options)])
  t.equal(starts.filter(({ status }) => status === 'fulfilled').length, 1, 'one start wins')
  const force = { ...options, force: true }
  await Promise.all([deleteContainer(id, force), deleteContainer(id, force), deleteContainer(id, force)])
  t.same(await box.leftovers(before), [])
})

t.test('the pid file is whole, has no newline, and is not written over a stranger', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { id, options, all } = prepare(box)
  const pidFile = join(box.directory, 'pid')
  const { pid } = await create({ ...all, pidFile })
  t.equal(readFileSync(pidFile, 'latin1'), String(pid))
  await deleteContainer(id, options)
  writeFileSync(join(box.directory, '.pid'), '')
  const before = box.snapshot()
  await t.rejects(create({ ...all, pidFile }), { code: 'system', errno: 'EEXIST' })
  t.same(await box.leftovers(before), [])
})

t.test('the pid file: a path is taken by its text, and nothing is left of one that cannot be', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const bundle = box.bundle(SLEEP)
  const path = join(box.directory, 'pid')
  // runc takes it so, too.
  for (const form of [`${box.directory}/missing/../pid`, `${path}/`]) {
    const id = box.id()
    t.match(box.tsrun('create', '--pid-file', form, '--bundle', bundle, id), { status: 0, stderr: '' })
    t.equal(readFileSync(path, 'latin1'), String((await state(id, { root: box.root() })).pid), form)
    await deleteContainer(id, { root: box.root() })
    rmSync(path)
  }
  mkdirSync(path)
  const before = box.snapshot()
  t.match(box.tsrun('create', '--pid-file', path, '--bundle', bundle, box.id()), { status: 1, stderr: /cannot write the pid file/ })
  t.same(await box.leftovers(before), [])
  t.notOk(existsSync(join(box.directory, '.pid')))
})

t.test('a bundle at the end of a symlink is where that leads now', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const bundle = box.bundle({ ...SLEEP, hooks: { poststop: [{ path: '/bin/sh', args: ['sh', '-c', `cat >${box.directory}/seen`] }] } })
  const link = join(box.directory, 'current')
  symlinkSync(bundle, link)
  for (const runtime of [tsrunPath(), ...(!user && needs({ commands: ['runc'] }) === false ? ['runc'] : [])]) {
    const id = box.id()
    const call = (...args: string[]) => box.runtime(runtime, args)
    t.match(call('create', '--bundle', link, id), { status: 0, stderr: '' })
    t.match(JSON.parse(call('state', id).stdout), { bundle, rootfs: join(bundle, 'rootfs') }, runtime)
    t.match(call('delete', '--force', id), { status: 0, stderr: '' })
    t.match(JSON.parse(readFileSync(join(box.directory, 'seen'), 'utf8')), { bundle }, runtime)
  }
})

t.test('a configuration instead of a bundle, with integers of 64 bits', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { id, bundle, options } = prepare(box)
  const config = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8')) as Config
  const limit = { type: 'RLIMIT_CORE', soft: 18446744073709551615n, hard: 18446744073709551615n } as const
  rmSync(join(bundle, 'config.json'))
  await create({ ...options, id, bundle, config: { ...config, process: { ...config.process!, rlimits: [limit] } } })
  const { pid } = await state(id, options)
  await start(id, options)
  t.match(readFileSync(`/proc/${pid}/limits`, 'latin1'), /Max core file size +unlimited +unlimited/)
  await deleteContainer(id, { ...options, force: true })
})

t.test('a container that shares the pid namespace is killed whole', { skip: forHostProcesses }, async (t) => {
  using box = sandbox(t)
  const { id, options, all } = prepare(box, {
    process: { args: ['/bin/sh', '-c', 'sleep 1000 & sleep 1000 & wait'] },
    linux: { namespaces: [{ type: 'mount' }, { type: 'uts' }, { type: 'ipc' }] }
  })
  const before = box.snapshot()
  const { pid } = await create(all)
  await start(id, options)
  const children = (): string[] => readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').filter(Boolean)
  await until(() => children().length === 2)
  const orphans = children()
  process.kill(pid, 'SIGKILL')
  await until(async () => (await state(id, options)).status === 'stopped')
  t.ok(
    orphans.every((orphan) => existsSync(`/proc/${orphan}`)),
    'they outlive init'
  )
  await kill(id, SIGKILL, options)
  await until(() => orphans.every((orphan) => !existsSync(`/proc/${orphan}`)))
  t.notOk(orphans.some((orphan) => existsSync(`/proc/${orphan}`)))
  await deleteContainer(id, options)
  t.same(await box.leftovers(before), [])
})

t.test('--cgroup-manager disabled: the container stays where the caller is', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const bundle = box.bundle({ process: { args: ['cat', '/proc/self/cgroup'] }, linux: { resources: { memory: { limit: 67108864 } } } })
  const before = box.snapshot()
  const { status, stdout, stderr } = box.tsrun('--cgroup-manager', 'disabled', 'run', '--bundle', bundle, box.id())
  t.match({ status, stderr }, { status: 0, stderr: '' })
  t.equal(stdout, readFileSync('/proc/self/cgroup', 'utf8'))
  t.same(await box.leftovers(before), [])
})
