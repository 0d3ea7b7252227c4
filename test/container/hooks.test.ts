import { chmodSync, existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Hook, Hooks } from '../../src/config/types.ts'
import { create, deleteContainer, kill, start, state } from '../../src/index.ts'
import { SPEC_VERSION } from '../../src/version.ts'
import { type Sandbox, sandbox, unable } from '../harness.ts'
import { idMaps } from '../user.ts'

const SIGKILL = 9
const sh = (script: string): Hook => ({ path: '/bin/sh', args: ['sh', '-c', script], env: ['PATH=/usr/bin:/bin'] })

function prepare(box: Sandbox, hooks: (log: string) => Hooks, namespaces?: readonly { readonly type: 'pid' | 'mount' | 'uts' | 'user' }[]) {
  const log = join(box.directory, `log-${box.id()}`)
  const bundle = box.bundle({
    process: { args: ['/bin/sleep', '1000'] },
    root: { path: 'rootfs', readonly: false },
    hooks: hooks(log),
    ...(namespaces === undefined ? {} : { linux: { namespaces } })
  })
  const warnings: string[] = []
  const options = { root: box.root(), log: (level: string, message: string) => void (level === 'warning' && warnings.push(message)) }
  const id = box.id()
  const lines = (): string[] => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [])
  return { id, bundle, options, warnings, all: { ...options, id, bundle }, lines, log }
}

const untilStopped = async (id: string, options: { root: string }): Promise<void> => {
  for (let i = 0; i < 500 && (await state(id, options)).status !== 'stopped'; i++) await new Promise((resolve) => setTimeout(resolve, 10))
}

t.test('all kinds, in order, with the state on stdin', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const kinds = ['prestart', 'createRuntime', 'createContainer', 'poststart', 'poststop'] as const
  const { id, bundle, options, all, lines } = prepare(box, (log) => ({
    ...Object.fromEntries(kinds.map((kind) => [kind, [sh(`echo "${kind} 0 $(cat)" >> ${log}`), sh(`echo "${kind} 1 $(cat)" >> ${log}`)]])),
    startContainer: [{ path: '/bin/sh', args: ['sh', '-c', 'cat > /state; echo >> /state; id -u >> /state; pwd >> /state; env >> /state'] }]
  }))
  const { pid } = await create(all)
  const of = (kind: string, index: number, status: string, more = {}) =>
    `${kind} ${index} ${JSON.stringify({ ociVersion: SPEC_VERSION, id, status, ...more, bundle })}`
  const creating = ['prestart', 'createRuntime', 'createContainer'].flatMap((kind) => [0, 1].map((i) => of(kind, i, 'creating', { pid })))
  t.same(lines(), creating)
  t.notOk(existsSync(join(bundle, 'rootfs/state')))
  await start(id, options)
  const [document, uid, pwd, ...env] = readFileSync(join(bundle, 'rootfs/state'), 'utf8').trim().split('\n')
  t.same(JSON.parse(document!), { ociVersion: SPEC_VERSION, id, status: 'created', pid, bundle })
  t.equal(uid, '0')
  t.equal(pwd, '/')
  t.match(env.join(' '), /TERM=xterm/, "without env it has the container's")
  t.same(lines().slice(6), [of('poststart', 0, 'running', { pid }), of('poststart', 1, 'running', { pid })])
  await kill(id, SIGKILL, options)
  await untilStopped(id, options)
  await deleteContainer(id, options)
  t.same(lines().slice(8), [of('poststop', 0, 'stopped'), of('poststop', 1, 'stopped')])
})

t.test("namespaces, directory and environment of runtime's and container's hooks", { skip: unable }, async (t) => {
  using box = sandbox(t)
  const look = (log: string) => sh(`for n in pid mnt uts net; do readlink /proc/self/ns/$n; done | tr '\\n' ' ' >> ${log}; pwd >> ${log}`)
  const { id, bundle, options, all, lines } = prepare(box, (log) => ({ createRuntime: [look(log)], createContainer: [look(log)] }))
  await create(all)
  const namespacesOf = (who: number | 'self') =>
    ['pid', 'mnt', 'uts', 'net'].map((name) => readlinkSync(`/proc/${who}/ns/${name}`)).join(' ')
  t.equal(lines()[0], `${namespacesOf('self')} ${bundle}`)
  // The host's /proc does not know a process of another pid namespace as "self".
  t.match(lines()[1], new RegExp(`${join(bundle, 'rootfs')}$`))
  await deleteContainer(id, options)
})

t.test('a hook that is a file of the container has the rights of its process, with a user namespace, too', { skip: unable }, async (t) => {
  using box = sandbox(t)
  chmodSync(box.directory, 0o711)
  const bundle = box.bundle((config) => ({
    ...config,
    root: { path: 'rootfs', readonly: false },
    hooks: {
      startContainer: [
        {
          path: '/bin/sh',
          args: ['sh', '-c', 'id -u > /dev/shm/id; grep CapEff /proc/self/status >> /dev/shm/id; hostname >> /dev/shm/id']
        }
      ]
    },
    process: { ...config.process, args: ['/bin/cat', '/dev/shm/id'] },
    linux: { ...config.linux, namespaces: [...config.linux!.namespaces!, { type: 'user' }], ...idMaps(100_000) }
  }))
  const { stdout, stderr } = box.tsrun('run', '--bundle', bundle, box.id())
  t.match(stdout, /^0\nCapEff:\s*0*20000420\ntest\n$/, stderr)
})

t.test('a hook that fails ends the creation, and nothing is left', { skip: unable }, async (t) => {
  using box = sandbox(t)
  for (const kind of ['prestart', 'createRuntime', 'createContainer'] as const) {
    const {
      options: _,
      all,
      lines,
      log
    } = prepare(box, (log) => ({
      [kind]: [sh('exit 0'), sh('echo out; echo err >&2; exit 3'), sh(`echo never >> ${log}`)],
      poststop: [sh(`echo poststop >> ${log}`)]
    }))
    const before = box.snapshot()
    const message = `error running ${kind} hook #1: exit status 3, stdout: out, stderr: err [/hooks/${kind}/1]`
    await t.rejects(create(all), { code: 'hook', message, pointer: `/hooks/${kind}/1` })
    t.same(lines(), ['poststop'], log)
    t.same(await box.leftovers(before), [])
  }
})

t.test('a hook that has failed before its pid is told is no zombie that keeps init', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { all } = prepare(box, () => ({ createContainer: [{ path: '/etc' }] }))
  const before = box.snapshot()
  // Which of the two speaks first is the scheduler's choice: about one time in ten it is the hook.
  for (let i = 0; i < 40; i++) await t.rejects(create({ ...all, id: box.id() }), { code: 'hook', message: /cannot execute "\/etc"/ })
  t.same(await box.leftovers(before), [])
})

t.test('a hook that fails at start stops the container, and it is gone', { skip: unable }, async (t) => {
  using box = sandbox(t)
  for (const [kind, hook] of [
    ['startContainer', { path: '/bin/sh', args: ['sh', '-c', 'echo no; exit 1'] }],
    ['poststart', sh('echo no; exit 1')]
  ] as const) {
    const { id, options, all, lines } = prepare(box, (log) => ({ [kind]: [hook], poststop: [sh(`echo poststop >> ${log}`)] }))
    const before = box.snapshot()
    await create(all)
    await t.rejects(start(id, options), { code: 'hook', message: `error running ${kind} hook #0: exit status 1, stdout: no, stderr: ` })
    await t.rejects(state(id, options), { code: 'not-found' })
    t.same(lines(), ['poststop'])
    t.same(await box.leftovers(before), [])
  }
})

t.test('how a hook can fail', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const message = async (hook: Hook): Promise<string> => {
    const { all } = prepare(box, () => ({ createRuntime: [hook] }))
    return create(all).then(
      () => 'it did not fail',
      (error: Error) => error.message
    )
  }
  const prefix = 'error running createRuntime hook #0: '
  t.match(await message({ path: '/nonexistent' }), `${prefix}cannot execute "/nonexistent": no such file or directory (ENOENT)`)
  t.match(await message({ path: '/etc/passwd' }), `${prefix}cannot execute "/etc/passwd": permission denied (EACCES)`)
  t.match(await message(sh('kill -KILL $$')), `${prefix}signal: SIGKILL`)
  t.match(await message({ ...sh('sleep 1000'), timeout: 1 }), `${prefix}hook ran past specified timeout of 1.0s`)
  const long = await message(sh('i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; exit 1'))
  t.match(long, /line 19999, stderr: /)
  t.ok(long.length < 6000, 'only the end of the output')
})

t.test('a time limit ends what the hook has started, too', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { all, lines } = prepare(box, (log) => ({ createRuntime: [{ ...sh(`sleep 1000 & echo $! > ${log}; wait`), timeout: 1 }] }))
  const before = Date.now()
  await t.rejects(create(all), { code: 'hook' })
  t.ok(Date.now() - before < 5000)
  await new Promise((resolve) => setTimeout(resolve, 50))
  const status = `/proc/${lines()[0]}/status`
  t.ok(!existsSync(status) || /^State:\s*Z/m.test(readFileSync(status, 'latin1')))
})

t.test('what a hook leaves in the background keeps nobody waiting, and may go on writing', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { id, options, all, lines } = prepare(box, (log) => ({
    createRuntime: [sh(`(sleep 0.5; echo late; echo late >&2; echo done >> ${log}) & exit 0`)]
  }))
  await create(all)
  t.same(lines(), [])
  for (let i = 0; i < 200 && lines().length === 0; i++) await new Promise((resolve) => setTimeout(resolve, 10))
  await deleteContainer(id, options)
})

t.test('a hook without env has an empty environment, and standard streams only', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { id, options, all, lines } = prepare(box, (log) => ({
    createRuntime: [
      {
        path: '/bin/sh',
        args: [
          'sh',
          '-c',
          // Without a pipe, of which the shell would hold an end for a moment.
          `/usr/bin/env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= >> ${log}; for i in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19; do [ -e /proc/$$/fd/$i ] && printf '%s ' $i >> ${log}; done; exit 0`
        ]
      }
    ]
  }))
  await create(all)
  t.same(lines(), ['0 1 2'])
  await deleteContainer(id, options)
})

t.test('poststop hooks that fail are warnings, and the others run', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { id, options, all, lines, warnings } = prepare(box, (log) => ({
    poststop: [sh('exit 1'), { path: '/nonexistent' }, sh(`echo ran >> ${log}`)]
  }))
  await create(all)
  await deleteContainer(id, options)
  t.same(lines(), ['ran'])
  t.match(warnings, [/^error running poststop hook #0: exit status 1/, /^error running poststop hook #1: cannot execute "\/nonexistent"/])
})

t.test('a state of more than a pipe holds', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const log = join(box.directory, 'log')
  const bundle = box.bundle({ annotations: { long: 'x'.repeat(1 << 20) }, hooks: { createRuntime: [sh('exit 0'), sh(`wc -c > ${log}`)] } })
  const id = box.id()
  await create({ root: box.root(), id, bundle })
  t.ok(Number(readFileSync(log, 'utf8')) > 1 << 20)
  await deleteContainer(id, { root: box.root() })
})

t.test('the state on stdin of hooks that a command runs', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { id, bundle, lines } = prepare(box, (log) => ({
    createRuntime: [sh(`cat >> ${log}; echo >> ${log}`)],
    poststop: [sh(`cat >> ${log}`)]
  }))
  t.equal(box.tsrun('create', '--bundle', bundle, id).status, 0)
  t.equal(box.tsrun('delete', '--force', id).status, 0)
  t.match(
    lines().map((line) => JSON.parse(line)),
    [
      { id, status: 'creating', bundle },
      { id, status: 'stopped', bundle }
    ]
  )
})

t.test('SIGTERM while a hook runs undoes everything', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { id, bundle } = prepare(box, (log) => ({
    createRuntime: [sh(`echo $PPID > ${log}; sleep 1000`)],
    poststop: [sh(`echo poststop >> ${log}`)]
  }))
  writeFileSync(join(bundle, 'terminate'), '')
  const before = box.snapshot()
  const script = `"$@" & pid=$!; sleep 1.5; kill -TERM $pid; wait $pid; exit $?`
  const { status, stderr } = box.tsrunWith({ wrapper: ['sh', '-c', script, 'sh'] }, 'create', '--bundle', bundle, id)
  t.equal(status, 1)
  t.match(stderr, /interrupted by SIGTERM/)
  t.same(await box.leftovers(before), [])
})
