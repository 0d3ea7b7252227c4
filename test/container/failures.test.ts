import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Config } from '../../src/config/types.ts'
import { create, deleteContainer, run, start, state } from '../../src/index.ts'
import type { Overrides } from '../config.ts'
import { needs, type Sandbox, sandbox, unable } from '../harness.ts'

const forIds = needs({ containers: true, ids: 1001 })

function prepare(box: Sandbox, overrides: Overrides<Config>) {
  const bundle = box.bundle(overrides)
  const options = { root: box.root() }
  const id = box.id()
  return { id, bundle, options, all: { ...options, id, bundle }, rootfs: join(bundle, 'rootfs') }
}

/** The message of a promise that must fail, and nothing may be left. */
async function failure(box: Sandbox, promise: () => Promise<unknown>): Promise<{ message: string; code: string; left: string[] }> {
  const before = box.snapshot()
  try {
    await promise()
    return { message: 'it did not fail', code: '', left: [] }
  } catch (error) {
    return { message: (error as Error).message, code: (error as { code: string }).code, left: await box.leftovers(before) }
  }
}

t.test('a command that is not there, or not executable, is known at create', { skip: unable }, async (t) => {
  using box = sandbox(t)
  // Podman, Docker and Kubernetes tell exit statuses 126 and 127 by these words.
  for (const [command, code, message] of [
    ['x', 'command-not-found', 'exec: "x": executable file not found in $PATH [/process/args/0]'],
    ['/x', 'command-not-found', 'exec: "/x": stat /x: no such file or directory [/process/args/0]'],
    ['/etc/passwd/x', 'command-not-found', 'exec: "/etc/passwd/x": stat /etc/passwd/x: not a directory [/process/args/0]'],
    ['/etc', 'command-not-executable', 'exec: "/etc": permission denied [/process/args/0]'],
    ['/etc/passwd', 'command-not-executable', 'exec: "/etc/passwd": permission denied [/process/args/0]']
  ] as const) {
    const { all } = prepare(box, { process: { args: [command] } })
    t.same(await failure(box, () => create(all)), { code, message, left: [] }, command)
    t.same(await failure(box, () => run(all)), { code, message, left: [] }, command)
  }
})

t.test('why a command could not be executed', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const elf = (machine: number): Buffer => {
    const header = Buffer.alloc(64)
    header.write('\x7fELF\x02\x01\x01', 'latin1')
    header.writeUInt16LE(2, 16)
    header.writeUInt16LE(machine, 18)
    return header
  }
  const other = process.arch === 'x64' ? [183, 'aarch64', 'x86_64'] : [62, 'x86_64', 'aarch64']
  for (const [content, message] of [
    ['', 'exec /bin/bad: exec format error: it is empty'],
    ['echo hi\n', 'exec /bin/bad: exec format error: it is neither an ELF executable nor a script that begins with "#!"'],
    [elf(other[0] as number), `exec /bin/bad: exec format error: it is for ${other[1]}, this machine is ${other[2]}`],
    ['#!/bin/nothing\n', 'exec /bin/bad: no such file or directory: its interpreter "/bin/nothing" does not exist in the container'],
    [
      '#!/bin/sh\r\n',
      'exec /bin/bad: no such file or directory: its first line ends in CR LF, so that its interpreter is "/bin/sh\\r"; save it with LF'
    ]
  ] as const) {
    const { id, options, all, rootfs } = prepare(box, { process: { args: ['/bin/bad'] } })
    writeFileSync(join(rootfs, 'bin/bad'), content, { mode: 0o755 })
    const wanted = `${message} [/process/args/0]`
    await create(all)
    const error = await start(id, options).catch((error: Error) => error)
    t.match(error, { code: 'command-not-executable', message: wanted })
    t.equal((await state(id, options)).status, 'stopped')
    await deleteContainer(id, options)
    t.same(await failure(box, () => run(all)), { code: 'command-not-executable', message: wanted, left: [] })
  }
})

t.test('a missing dynamic loader', { skip: needs({ containers: true, files: ['/bin/bash'] }) }, async (t) => {
  using box = sandbox(t)
  const { all, rootfs } = prepare(box, { process: { args: ['bash'] } })
  cpSync('/bin/bash', join(rootfs, 'bin/bash'))
  const { message } = await failure(box, () => run(all))
  t.match(message, /^exec bash: no such file or directory: its dynamic loader "\/lib\S+" does not exist in the container/)
})

t.test('a command on a mount that is noexec', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const directory = join(box.directory, 'programs')
  mkdirSync(directory)
  cpSync('/bin/busybox', join(directory, 'true'))
  const { all } = prepare(box, {})
  const config = JSON.parse(readFileSync(join(all.bundle, 'config.json'), 'utf8')) as Config
  const mounts = [...config.mounts!, { destination: '/programs', source: directory, type: 'bind', options: ['rbind', 'ro', 'noexec'] }]
  writeFileSync(
    join(all.bundle, 'config.json'),
    JSON.stringify({ ...config, mounts, process: { ...config.process, args: ['/programs/true'] } })
  )
  mkdirSync(join(all.bundle, 'rootfs/programs'))
  const { message } = await failure(box, () => run(all))
  t.match(message, /permission denied/)
})

t.test('a step that fails names itself, its arguments, the errno, and the place in config.json', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { all } = prepare(box, {})
  const config = JSON.parse(readFileSync(join(all.bundle, 'config.json'), 'utf8')) as Config
  const mounts = [...config.mounts!, { destination: '/mnt', type: 'nosuchfs', source: 'none' }]
  const index = mounts.length - 1
  mkdirSync(join(all.bundle, 'rootfs/mnt'))
  writeFileSync(join(all.bundle, 'config.json'), JSON.stringify({ ...config, mounts }))
  const { message, code, left } = await failure(box, () => create(all))
  t.equal(code, 'step')
  t.match(message, new RegExp(`^cannot .*nosuchfs.*: no such device \\(ENODEV\\) \\[/mounts/${index}\\]$`))
  t.same(left, [])
})

t.test('what is wrong with a bundle', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const code = (overrides: Overrides<Config>, change: (bundle: string) => void = () => {}) => {
    const { all, bundle } = prepare(box, overrides)
    change(bundle)
    return failure(box, () => create(all))
  }
  t.match(await code({}, (bundle) => rmSync(bundle, { recursive: true })), { code: 'bundle', left: [] })
  t.match(await code({}, (bundle) => rmSync(join(bundle, 'config.json'))), { code: 'bundle', left: [] })
  t.match(await code({}, (bundle) => writeFileSync(join(bundle, 'config.json'), '{')), { code: 'config', left: [] })
  t.match(await code({ root: { path: 'nothing' } }), {
    code: 'config',
    message: /^invalid rootfs: "[^:]*": no such file or directory \[\/root\/path\]$/,
    left: []
  })
  const link = (bundle: string): void => symlinkSync('rootfs', join(bundle, 'link'))
  t.match(await code({ root: { path: 'link' } }, link), {
    message: /^invalid rootfs: not an absolute path, or a symlink: .*it is a symlink/,
    left: []
  })
  t.match(await code({ root: { path: 'config.json' } }), { message: /^invalid rootfs: .*it is not a directory/, left: [] })
  t.match(await code({ mounts: [{ destination: '/x', type: 'bind', source: '/nonexistent', options: ['bind'] }] }), {
    message: 'cannot bind mount "/nonexistent": no such file or directory (ENOENT) [/mounts/0/source]',
    left: []
  })
})

t.test('an init that is killed while it is made', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const hook = { path: '/bin/sh', args: ['sh', '-c', 'kill -KILL $(sed "s/.*pid\\":\\([0-9]*\\).*/\\1/")'], env: ['PATH=/bin:/usr/bin'] }
  const { all } = prepare(box, { hooks: { createRuntime: [hook] } })
  t.match(await failure(box, () => create(all)), { code: 'died', message: /killed by SIGKILL/, left: [] })
})

t.test('a memory limit that init cannot live with', { skip: needs({ containers: true, controllers: ['memory'] }) }, async (t) => {
  using box = sandbox(t)
  const { all } = prepare(box, { linux: { resources: { memory: { limit: 4096 } } } })
  const { message, left } = await failure(box, () => create(all))
  t.match(message, /OOM-killed|memory limit too low|cannot set memory/)
  t.same(left, [])
})

t.test('a runtime that is killed takes its init along, and delete --force clears up', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { id, bundle } = prepare(box, { hooks: { createRuntime: [{ path: '/bin/sh', args: ['sh', '-c', 'kill -KILL $PPID'] }] } })
  const before = box.snapshot()
  t.equal(box.tsrun('create', '--bundle', bundle, id).status, 137)
  t.ok(existsSync(join(box.root(), id)))
  t.match(JSON.parse(box.tsrun('state', id).stdout), { status: 'stopped', pid: 0 })
  t.equal(box.tsrun('delete', '--force', id).status, 0)
  t.same(await box.leftovers(before), [])
})

t.test('a rootfs that the user may not read, and a working directory outside', { skip: forIds }, async (t) => {
  using box = sandbox(t)
  for (const cwd of ['/proc/self/fd/3', '/proc/self/fd/5', '/proc/self/fd/9']) {
    const { all } = prepare(box, { process: { cwd } })
    const { message, left } = await failure(box, () => run(all))
    t.not(message, 'it did not fail', cwd)
    t.same(left, [])
  }
  const { all, rootfs } = prepare(box, { process: { user: { uid: 1000, gid: 1000 } } })
  chmodSync(join(rootfs, 'bin'), 0o700)
  t.match(await failure(box, () => create(all)), { message: /permission denied/, left: [] })
})
